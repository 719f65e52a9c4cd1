#include "backend/ref/conv.h"
#include "backend/ref/epilogue.h"
#include "backend/ref/real.h"

enum pln_status pln_ref_conv(struct pln_call *call)
{
    const struct pln_tensor *x, *w, *b;
    struct pln_ref_conv conv;
    struct pln_ref_epilogue epilogue;
    int64_t dims[PLN_MAX_RANK], count;
    const double *input, *weights, *bias = NULL;
    double *result;
    PLN_TRY(pln_call_need(call, 0, &x));
    PLN_TRY(pln_call_need(call, 1, &w));
    PLN_TRY(pln_ref_epilogue_init(call, &epilogue));
    b = epilogue.n_own_inputs > 2 ? pln_call_in(call, 2) : NULL;
    PLN_TRY(pln_ref_conv_init(call, x, w, &conv));
    if (b && (b->rank != 1 || b->dims[0] != conv.features)) return pln_call_fail(call, PLN_BAD_MODEL, "bias does not have one element an output channel");
    int rank = pln_ref_conv_dims(&conv, dims);
    if (!pln_shape_count(rank, dims, &count)) return pln_call_fail(call, PLN_BAD_MODEL, "output is too large");
    PLN_TRY(pln_ref_scratch_reals(call, count, &result));
    PLN_TRY(pln_ref_reals(call, x, &input));
    PLN_TRY(pln_ref_reals(call, w, &weights));
    if (b) PLN_TRY(pln_ref_reals(call, b, &bias));
    for (int64_t i = 0; count > 0 && i < conv.batch * conv.features; i++) {
        double *plane = result + i * conv.out_size;
        int64_t feature = i % conv.features;
        pln_ref_conv_plane(&conv, input, weights, i / conv.features, feature, plane);
        for (int64_t at = 0; bias && at < conv.out_size; at++) plane[at] += bias[feature];
    }
    return pln_ref_epilogue_finish(call, &epilogue, x->dtype, rank, dims, result);
}
