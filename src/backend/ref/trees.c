/* Tree ensembles in the form of kernel/trees.h, a row and a tree at a time. */
#include <math.h>

#include "backend/ref/real.h"
#include "kernel/call.h"
#include "kernel/scores.h"
#include "kernel/trees.h"

struct ensemble {
    const struct pln_tensor *x;
    struct pln_trees trees;
    int64_t rows, features, targets, aggregate, transform, split, n_labels;
    const float *base;
    const int64_t *labels;
    bool has_base;
};

static enum pln_status read_all(struct pln_call *call, struct ensemble *e)
{
    const struct pln_tensor *table;
    PLN_TRY(pln_call_need(call, 0, &e->x));
    PLN_TRY(pln_call_need(call, 1, &table));
    e->targets = pln_attrs_int(call->attrs, "n_targets", 1);
    e->aggregate = pln_attrs_int(call->attrs, "aggregate", PLN_TREES_SUM);
    e->transform = pln_attrs_int(call->attrs, "transform", PLN_TRANSFORM_NONE);
    e->split = pln_attrs_int(call->attrs, "split", 0);
    e->n_labels = pln_attrs_ints(call->attrs, "labels", &e->labels);
    const int64_t n_base = pln_attrs_floats(call->attrs, "base", &e->base);
    e->has_base = n_base > 0;
    bool fits = e->x->dtype == PLN_F32 && (e->x->rank == 1 || e->x->rank == 2) && table->dtype == PLN_I32 && e->targets >= 1 && e->targets <= INT32_MAX;
    fits = fits && e->aggregate >= 0 && e->aggregate <= PLN_TREES_MAX && e->transform >= 0 && e->transform < PLN_TRANSFORM_COUNT && (n_base == 0 || n_base == e->targets);
    fits = fits && e->split >= 0 && e->split <= 2 && (e->split == 0 || e->targets == 2) && (call->n_outputs < 2 || e->n_labels == e->targets);
    if (!fits || !pln_trees_open(table->data, pln_tensor_count(table), e->targets, &e->trees)) return pln_call_fail(call, PLN_BAD_MODEL, "the table or an attribute is wrong");
    e->features = e->x->dims[e->x->rank - 1];
    e->rows = e->x->rank == 2 ? e->x->dims[0] : 1;
    if (e->trees.n_features > e->features) return pln_call_fail(call, PLN_BAD_MODEL, "a node asks for feature %d of %lld", e->trees.n_features - 1, (long long)e->features);
    return PLN_OK;
}

static void vote(const struct ensemble *e, const struct pln_trees_vote *v, double *scores, bool *voted)
{
    double *score = &scores[v->target], weight = (double)v->weight;
    if (!voted[v->target] || e->aggregate == PLN_TREES_SUM || e->aggregate == PLN_TREES_AVERAGE) *score += weight;
    else *score = e->aggregate == PLN_TREES_MIN ? fmin(*score, weight) : fmax(*score, weight);
    voted[v->target] = true;
}

/* The scores of one row; returns the number of its class. */
static int64_t run_row(const struct ensemble *e, const float *row, double *scores, bool *voted)
{
    const struct pln_trees *t = &e->trees;
    memset(scores, 0, (size_t)e->targets * sizeof *scores);
    memset(voted, 0, (size_t)e->targets * sizeof *voted);
    for (int32_t r = 0; r < t->n_roots; r++) {
        const int32_t leaf = pln_trees_walk(t->nodes, t->roots[r], row, PLN_TREES_MIXED);
        for (int32_t v = t->firsts[leaf]; v < t->firsts[leaf + 1]; v++) vote(e, &t->votes[v], scores, voted);
    }
    for (int64_t i = 0; i < e->targets; i++) {
        if (e->aggregate == PLN_TREES_AVERAGE) scores[i] /= (double)PLN_MAX(t->n_roots, 1);
        if (e->has_base) scores[i] += (double)e->base[i];
    }
    if (e->split) {
        const int64_t best = scores[0] > (e->split == 2 ? 0.5 : 0);
        pln_scores_split((enum pln_transform)e->transform, e->split == 2, scores);
        return best;
    }
    const int64_t best = pln_scores_largest(scores, e->targets);
    pln_scores_transform((enum pln_transform)e->transform, scores, e->targets);
    return best;
}

enum pln_status pln_ref_trees(struct pln_call *call)
{
    struct ensemble e;
    struct pln_tensor y, labels = { .data = NULL };
    void *voted;
    double *scores;
    PLN_TRY(read_all(call, &e));
    const int64_t dims[2] = { e.rows, e.targets };
    PLN_TRY(pln_call_out(call, 0, PLN_F32, 2, dims, &y));
    if (call->n_outputs > 1) PLN_TRY(pln_call_out(call, 1, PLN_I64, 1, dims, &labels));
    PLN_TRY(pln_ref_scratch_reals(call, PLN_MAX(e.targets, 2), &scores));
    PLN_TRY(pln_call_scratch(call, (size_t)e.targets, sizeof(bool), &voted));
    for (int64_t i = 0; i < e.rows; i++) {
        const int64_t best = run_row(&e, (const float *)e.x->data + i * e.features, scores, voted);
        pln_ref_store(&y, i * e.targets, e.targets, scores);
        if (labels.data) ((int64_t *)labels.data)[i] = e.labels[best];
    }
    return PLN_OK;
}
