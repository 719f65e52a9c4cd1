#include "backend/ref/ml_scores.h"
#include "backend/ref/ml_trees.h"
#include "backend/ref/real.h"

static enum pln_status read_aggregate(struct pln_call *call, enum pln_ref_aggregate *out_aggregate)
{
    static const char *const names[] = { "AVERAGE", "SUM", "MIN", "MAX" };
    const struct pln_attr *attr = pln_attrs_find(call->attrs, "aggregate_function");
    *out_aggregate = PLN_REF_SUM;
    if (!attr) return PLN_OK;
    for (size_t i = 0; i < PLN_COUNT_OF(names); i++) {
        bool same = attr->kind == PLN_ATTR_INT ? attr->u.i == (int64_t)i : pln_str_equal(pln_attrs_string(call->attrs, "aggregate_function", ""), names[i]);
        if (!same) continue;
        *out_aggregate = (enum pln_ref_aggregate)i;
        return PLN_OK;
    }
    return pln_call_fail(call, PLN_BAD_MODEL, "aggregate_function is none of AVERAGE, SUM, MIN, MAX");
}

struct ensemble {
    struct pln_ref_trees trees;
    enum pln_transform transform;
    const double *x, *base;
    int64_t rows, features, n_base;
    double *scores;
    bool *voted;
};

/* All but the trees. */
static enum pln_status read_rest(struct pln_call *call, struct ensemble *e)
{
    void *memory;
    PLN_TRY(pln_ref_rows(call, &e->x, &e->rows, &e->features));
    PLN_TRY(pln_ref_transform_read(call, &e->transform));
    PLN_TRY(pln_ref_float_list(call, "base_values", "base_values_as_tensor", &e->base, &e->n_base));
    PLN_TRY(pln_ref_scratch_reals(call, PLN_MAX(e->trees.n_targets, 2), &e->scores));
    PLN_TRY(pln_call_scratch(call, (size_t)e->trees.n_targets, sizeof(bool), &memory));
    e->voted = memory;
    return PLN_OK;
}

static enum pln_status regress(struct pln_call *call, struct ensemble *e, enum pln_dtype dtype)
{
    enum pln_ref_aggregate aggregate;
    struct pln_tensor y;
    int64_t dims[2] = { e->rows, e->trees.n_targets };
    PLN_TRY(read_aggregate(call, &aggregate));
    if (e->n_base > 1 && e->n_base != dims[1]) return pln_call_fail(call, PLN_BAD_MODEL, "%lld base values for %lld targets", (long long)e->n_base, (long long)dims[1]);
    PLN_TRY(pln_call_out(call, 0, dtype, 2, dims, &y));
    for (int64_t i = 0; i < e->rows; i++) {
        PLN_TRY(pln_ref_trees_run(call, &e->trees, e->x + i * e->features, e->features, aggregate, e->scores, e->voted));
        for (int64_t t = 0; t < dims[1] && e->n_base > 0; t++) e->scores[t] += e->base[e->n_base == 1 ? 0 : t];
        pln_scores_transform(e->transform, e->scores, dims[1]);
        pln_ref_store(&y, i * dims[1], dims[1], e->scores);
    }
    return PLN_OK;
}

enum pln_status pln_ref_tree_ensemble(struct pln_call *call)
{
    struct ensemble e;
    PLN_TRY(pln_ref_trees_read_new(call, &e.trees));
    PLN_TRY(read_rest(call, &e));
    return regress(call, &e, call->inputs[0]->tensor.dtype);
}

enum pln_status pln_ref_tree_ensemble_regressor(struct pln_call *call)
{
    struct ensemble e;
    PLN_TRY(pln_ref_trees_read_old(call, "target", pln_attrs_int(call->attrs, "n_targets", 1), &e.trees));
    PLN_TRY(read_rest(call, &e));
    return regress(call, &e, PLN_F32);
}

enum pln_status pln_ref_tree_ensemble_classifier(struct pln_call *call)
{
    struct ensemble e;
    struct pln_tensor labels, y, z;
    PLN_TRY(pln_ref_labels(call, "classlabels_int64s", "classlabels_strings", &labels));
    int64_t n = pln_tensor_count(&labels);
    PLN_TRY(pln_ref_trees_read_old(call, "class", n, &e.trees));
    PLN_TRY(read_rest(call, &e));
    if (e.n_base != 0 && e.n_base != n && !(e.n_base == 1 && n == 2)) return pln_call_fail(call, PLN_BAD_MODEL, "%lld base values for %lld classes", (long long)e.n_base, (long long)n);
    /* Of two classes the first alone may be voted for: then its score is that of the second, positive class. */
    bool split = n == 2 && e.trees.n_votes > 0, positive = true;
    for (int64_t v = 0; v < e.trees.n_votes; v++) {
        split = split && e.trees.vote_targets[v] == 0;
        positive = positive && e.trees.vote_weights[v] >= 0;
    }
    int64_t dims[2] = { e.rows, n };
    PLN_TRY(pln_call_out(call, 0, labels.dtype, 1, dims, &y));
    PLN_TRY(pln_call_out(call, 1, PLN_F32, 2, dims, &z));
    for (int64_t i = 0; i < e.rows; i++) {
        PLN_TRY(pln_ref_trees_run(call, &e.trees, e.x + i * e.features, e.features, PLN_REF_SUM, e.scores, e.voted));
        for (int64_t c = 0; c < e.n_base; c++) e.scores[c] += e.base[c];
        int64_t best = split ? e.scores[0] > (positive ? 0.5 : 0) : pln_scores_largest(e.scores, n);
        if (split) {
            pln_scores_split(e.transform, positive, e.scores);
        } else {
            pln_scores_transform(e.transform, e.scores, n);
        }
        PLN_TRY(pln_ref_put_class(call, &y, &z, i, &labels, best, e.scores));
    }
    return PLN_OK;
}
