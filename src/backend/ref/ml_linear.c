#include "backend/ref/ml_scores.h"
#include "backend/ref/real.h"

/* scores[t] = coefficients[t, :] . x + intercepts[t]. */
static void score_row(const double *coefficients, const double *intercepts, int64_t targets, int64_t features, const double *x, double *scores)
{
    for (int64_t t = 0; t < targets; t++) {
        double sum = intercepts ? intercepts[t] : 0;
        for (int64_t f = 0; f < features; f++) sum += coefficients[t * features + f] * x[f];
        scores[t] = sum;
    }
}

struct linear {
    const double *x, *coefficients, *intercepts;
    int64_t rows, features, targets;
    enum pln_transform transform;
};

/* targets 0: as many as there are coefficients for. */
static enum pln_status read_linear(struct pln_call *call, int64_t targets, struct linear *l)
{
    int64_t n, n_intercepts, want;
    PLN_TRY(pln_ref_rows(call, &l->x, &l->rows, &l->features));
    PLN_TRY(pln_ref_float_list(call, "coefficients", NULL, &l->coefficients, &n));
    PLN_TRY(pln_ref_float_list(call, "intercepts", NULL, &l->intercepts, &n_intercepts));
    PLN_TRY(pln_ref_transform_read(call, &l->transform));
    l->targets = targets == 0 && l->features > 0 ? n / l->features : targets;
    if (l->targets < 1 || !pln_mul_i64(l->targets, l->features, &want) || want != n || (n_intercepts != 0 && n_intercepts != l->targets)) {
        return pln_call_fail(call, PLN_BAD_MODEL, "%lld coefficients and %lld intercepts do not fit %lld features", (long long)n, (long long)n_intercepts, (long long)l->features);
    }
    return PLN_OK;
}

enum pln_status pln_ref_linear_regressor(struct pln_call *call)
{
    struct linear l;
    struct pln_tensor y;
    double *scores;
    int64_t targets = pln_attrs_int(call->attrs, "targets", 1);
    if (targets < 1) return pln_call_fail(call, PLN_BAD_MODEL, "targets is %lld", (long long)targets);
    PLN_TRY(read_linear(call, targets, &l));
    int64_t dims[2] = { l.rows, l.targets };
    PLN_TRY(pln_call_out(call, 0, PLN_F32, 2, dims, &y));
    PLN_TRY(pln_ref_scratch_reals(call, l.targets, &scores));
    for (int64_t i = 0; i < l.rows; i++) {
        score_row(l.coefficients, l.intercepts, l.targets, l.features, l.x + i * l.features, scores);
        pln_scores_transform(l.transform, scores, l.targets);
        pln_ref_store(&y, i * l.targets, l.targets, scores);
    }
    return PLN_OK;
}

enum pln_status pln_ref_linear_classifier(struct pln_call *call)
{
    struct linear l;
    struct pln_tensor y, z, labels;
    double *scores;
    PLN_TRY(read_linear(call, 0, &l));
    PLN_TRY(pln_ref_labels(call, "classlabels_ints", "classlabels_strings", &labels));
    int64_t n_labels = pln_tensor_count(&labels);
    bool split = l.targets == 1 && n_labels == 2;
    if (!split && l.targets > n_labels) return pln_call_fail(call, PLN_BAD_MODEL, "%lld scores, but %lld labels", (long long)l.targets, (long long)n_labels);
    int64_t dims[2] = { l.rows, split ? 2 : l.targets };
    PLN_TRY(pln_call_out(call, 0, labels.dtype, 1, dims, &y));
    PLN_TRY(pln_call_out(call, 1, PLN_F32, 2, dims, &z));
    PLN_TRY(pln_ref_scratch_reals(call, PLN_MAX(l.targets, 2), &scores));
    for (int64_t i = 0; i < l.rows; i++) {
        score_row(l.coefficients, l.intercepts, l.targets, l.features, l.x + i * l.features, scores);
        int64_t best = split ? scores[0] > 0 : pln_scores_largest(scores, l.targets);
        if (split) {
            pln_scores_split(l.transform, true, scores);
        } else {
            pln_scores_transform(l.transform, scores, l.targets);
        }
        PLN_TRY(pln_ref_put_class(call, &y, &z, i, &labels, best, scores));
    }
    return PLN_OK;
}
