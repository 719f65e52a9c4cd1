/* Einstein summation: for each element of the output, the sum of products over all letters that it lacks. */
#include "kernel/einsum.h"

#include "backend/ref/rows.h"

struct sums {
    struct pln_einsum e;
    int64_t extents[PLN_EINSUM_MAX_LABELS];
    int64_t strides[PLN_EINSUM_MAX_INPUTS][PLN_EINSUM_MAX_LABELS]; /* of an input along a label: elements */
    int order[PLN_EINSUM_MAX_LABELS];                             /* labels of the output, then those summed over */
    const double *f[PLN_EINSUM_MAX_INPUTS];
    const int64_t *x[PLN_EINSUM_MAX_INPUTS];
    int64_t offsets[PLN_EINSUM_MAX_INPUTS];
};

static enum pln_status read_inputs(struct pln_call *call, struct sums *s, enum pln_dtype *out_dtype)
{
    const struct pln_tensor *in[PLN_EINSUM_MAX_INPUTS];
    int ranks[PLN_EINSUM_MAX_INPUTS];
    if (call->n_inputs < 1 || call->n_inputs > PLN_EINSUM_MAX_INPUTS) return pln_call_fail(call, PLN_BAD_MODEL, "too many inputs");
    for (int i = 0; i < call->n_inputs; i++) {
        PLN_TRY(pln_call_need(call, i, &in[i]));
        if (in[i]->dtype != in[0]->dtype || in[i]->dtype == PLN_STR || pln_dtype_is_complex(in[i]->dtype))
            return pln_call_fail(call, PLN_BAD_MODEL, "the inputs are not numbers of one type");
        ranks[i] = in[i]->rank;
    }
    const char *why = pln_einsum_parse(pln_attrs_string(call->attrs, "equation", ""), call->n_inputs, ranks, &s->e);
    if (why) return pln_call_fail(call, PLN_BAD_MODEL, "%s", why);
    for (int label = 0; label < s->e.n_labels; label++) s->extents[label] = 1;
    for (int i = 0; i < call->n_inputs; i++) {
        for (int d = 0; d < ranks[i]; d++) {
            int label = s->e.in[i][d];
            if (in[i]->dims[d] == 1) continue;
            if (s->extents[label] != 1 && s->extents[label] != in[i]->dims[d])
                return pln_call_fail(call, PLN_BAD_MODEL, "dim %d of input %d has another extent than its letter elsewhere", d, i);
            s->extents[label] = in[i]->dims[d];
            s->strides[i][label] += in[i]->strides[d];
        }
        double *f = NULL;
        int64_t *x = NULL;
        if (pln_ref_is_int(in[0]->dtype)) PLN_TRY(pln_ref_as_i64(call, in[i], &x));
        else PLN_TRY(pln_ref_as_f64(call, in[i], &f));
        s->f[i] = f;
        s->x[i] = x;
    }
    *out_dtype = in[0]->dtype;
    return PLN_OK;
}

/* Steps to the next combination of the labels order[first, last); false after the last one, when all are back at 0. */
static bool step(struct sums *s, int64_t *index, int first, int last)
{
    for (int k = last - 1; k >= first; k--) {
        int label = s->order[k];
        for (int i = 0; i < s->e.n_inputs; i++) s->offsets[i] += s->strides[i][label];
        if (++index[label] < s->extents[label]) return true;
        for (int i = 0; i < s->e.n_inputs; i++) s->offsets[i] -= s->strides[i][label] * s->extents[label];
        index[label] = 0;
    }
    return false;
}

static double product_f64(const struct sums *s)
{
    double product = 1;
    for (int i = 0; i < s->e.n_inputs; i++) product *= s->f[i][s->offsets[i]];
    return product;
}

static uint64_t product_i64(const struct sums *s)
{
    uint64_t product = 1;
    for (int i = 0; i < s->e.n_inputs; i++) product *= (uint64_t)s->x[i][s->offsets[i]];
    return product;
}

enum pln_status pln_ref_einsum(struct pln_call *call)
{
    struct sums s;
    struct pln_tensor out;
    enum pln_dtype dtype = PLN_DTYPE_NONE;
    int64_t dims[PLN_MAX_RANK], index[PLN_EINSUM_MAX_LABELS] = { 0 };
    bool in_output[PLN_EINSUM_MAX_LABELS] = { false }, empty = false;
    memset(&s, 0, sizeof(s));
    PLN_TRY(read_inputs(call, &s, &dtype));
    int n = 0, rank = s.e.out_rank, n_labels = s.e.n_labels;
    for (int d = 0; d < rank; d++) {
        dims[d] = s.extents[s.e.out[d]];
        in_output[s.e.out[d]] = true;
        s.order[n++] = s.e.out[d];
    }
    for (int label = 0; label < n_labels; label++) {
        if (in_output[label]) continue;
        s.order[n++] = label;
        empty = empty || s.extents[label] == 0;
    }
    PLN_TRY(pln_call_out(call, 0, dtype, rank, dims, &out));
    int64_t count = pln_tensor_count(&out);
    for (int64_t o = 0; o < count; o++) {
        double sum_f = 0;
        uint64_t sum_x = 0;
        while (!empty) {
            if (s.x[0]) sum_x += product_i64(&s);
            else sum_f += product_f64(&s);
            if (!step(&s, index, rank, n_labels)) break;
        }
        int64_t value = (int64_t)sum_x;
        if (s.x[0]) pln_ref_store_i64(dtype, out.data, o, 1, &value);
        else pln_ref_store_f64(dtype, out.data, o, 1, &sum_f);
        (void)step(&s, index, 0, rank);
    }
    return PLN_OK;
}
