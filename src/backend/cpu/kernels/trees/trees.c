#include "backend/cpu/kernels/trees/trees.h"

#include <math.h>

#include "kernel/scores.h"
#include "kernel/trees.h"

/* Rows of a block. */
#define ROWS 64

struct trees_state {
    struct pln_trees trees;
    const void *table; /* that trees is a view of */
    const float *x;
    float *y;
    int64_t *labels_out; /* NULL: not wanted */
    int64_t rows, features, targets;
    const float *base;     /* NULL: none */
    const int64_t *labels; /* of the targets; NULL: it is no classifier */
    enum pln_trees_aggregate aggregate;
    enum pln_transform transform;
    int split; /* 0: no; 1, 2: one score of two classes, 2: a probability */
};

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    if (problem->n_inputs != 2 || problem->inputs[0].dtype != PLN_F32) return "the features are not f32";
    return problem->inputs[1].dtype == PLN_I32 ? NULL : "the table is not i32";
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    const struct pln_operand *x = &problem->inputs[0];
    double rows = x->rank != 2 ? 1 : x->dims[0] < 0 ? 128 : (double)x->dims[0], words = problem->inputs[1].rank == 1 && problem->inputs[1].dims[0] > 0 ? (double)problem->inputs[1].dims[0] : 1000;
    return rows * sqrt(words) + 500;
}

static enum pln_status update(const struct pln_launch *launch, void *state_memory, struct pln_prepared *prepared, struct pln_diag *diag)
{
    struct trees_state *s = state_memory;
    const struct pln_tensor *x = &launch->inputs[0], *table = &launch->inputs[1], *y = &launch->outputs[0];
    const struct pln_tensor *labels = launch->n_outputs > 1 && launch->outputs[1].dtype != PLN_DTYPE_NONE ? &launch->outputs[1] : NULL;
    bool fits = x->dtype == PLN_F32 && (x->rank == 1 || x->rank == 2) && pln_tensor_is_contiguous(x) && table->dtype == PLN_I32 && pln_tensor_is_contiguous(table);
    const int64_t rows = fits && x->rank == 2 ? x->dims[0] : 1;
    const bool has_y = y->dtype != PLN_DTYPE_NONE;
    fits = fits && (!has_y || (y->dtype == PLN_F32 && y->rank == 2 && y->dims[0] == rows && y->dims[1] == s->targets && pln_tensor_is_contiguous(y)));
    fits = fits && (labels == NULL || (labels->dtype == PLN_I64 && labels->rank == 1 && labels->dims[0] == rows && pln_tensor_is_contiguous(labels) && s->labels != NULL));
    if (!fits) return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "TreeEnsemble: features, table and outputs do not fit together");
    if (s->table == NULL || s->table != table->data) {
        if (!pln_trees_open(table->data, pln_tensor_count(table), s->targets, &s->trees)) return pln_launch_fail(launch, diag, PLN_BAD_PLAN, "TreeEnsemble: the table is damaged");
        s->table = table->data;
    }
    s->x = x->data;
    s->y = has_y ? y->data : NULL;
    s->labels_out = labels != NULL ? labels->data : NULL;
    s->rows = rows;
    s->features = x->dims[x->rank - 1];
    if (rows > 0 && s->trees.n_features > s->features)
        return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "TreeEnsemble: a node asks for feature %d of %lld", s->trees.n_features - 1, (long long)s->features);
    const int64_t a_row = s->trees.n_roots * (int64_t)16 + 1; /* nanoseconds, about */
    *prepared = (struct pln_prepared){ .n_tasks = (rows + ROWS - 1) / ROWS, .grain = 1 + 5000 / (a_row * ROWS) };
    size_t doubles = 0;
    if (!pln_mul_size((size_t)s->targets, ROWS * (sizeof(double) + 1), &doubles)) return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "TreeEnsemble: too many targets");
    prepared->scratch_bytes = doubles;
    return PLN_OK;
}

static enum pln_status prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state_memory, struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    (void)kernel;
    struct trees_state *s = state_memory;
    const int64_t aggregate = pln_attrs_int(launch->attrs, "aggregate", PLN_TREES_SUM), transform = pln_attrs_int(launch->attrs, "transform", PLN_TRANSFORM_NONE);
    const int64_t n_base = pln_attrs_floats(launch->attrs, "base", &s->base), n_labels = pln_attrs_ints(launch->attrs, "labels", &s->labels), split = pln_attrs_int(launch->attrs, "split", 0);
    s->targets = pln_attrs_int(launch->attrs, "n_targets", 1);
    bool good = launch->n_inputs == 2 && launch->n_outputs >= 1 && launch->n_outputs <= 2 && s->targets >= 1 && s->targets <= INT32_MAX;
    good = good && aggregate >= 0 && aggregate <= PLN_TREES_MAX && transform >= 0 && transform < PLN_TRANSFORM_COUNT && (n_base == 0 || n_base == s->targets) && (n_labels == 0 || n_labels == s->targets);
    if (!good || split < 0 || split > 2 || (split != 0 && s->targets != 2)) return pln_fail(diag, PLN_BAD_PLAN, "TreeEnsemble: wrong attributes");
    if (n_base == 0) s->base = NULL;
    if (n_labels == 0) s->labels = NULL;
    s->aggregate = (enum pln_trees_aggregate)aggregate;
    s->transform = (enum pln_transform)transform;
    s->split = (int)split;
    s->table = NULL;
    return update(launch, s, out_prepared, diag);
}

/* ---- votes ---- */

static inline void add_votes(const struct trees_state *s, int32_t leaf, double *scores)
{
    const struct pln_trees *t = &s->trees;
    for (int32_t v = t->firsts[leaf]; v < t->firsts[leaf + 1]; v++) scores[t->votes[v].target] += (double)t->votes[v].weight;
}

/* Minima and maxima: the first vote counts as it is. */
static void bound_votes(const struct trees_state *s, int32_t leaf, double *scores, bool *voted)
{
    const struct pln_trees *t = &s->trees;
    for (int32_t v = t->firsts[leaf]; v < t->firsts[leaf + 1]; v++) {
        double *score = &scores[t->votes[v].target], weight = (double)t->votes[v].weight;
        if (!voted[t->votes[v].target]) *score += weight;
        else *score = s->aggregate == PLN_TREES_MIN ? fmin(*score, weight) : fmax(*score, weight);
        voted[t->votes[v].target] = true;
    }
}

/* All trees for n rows; `mode` is a constant where this is inlined. */
static inline __attribute__((always_inline)) void walk_block(const struct trees_state *s, const float *x, int64_t n, double *scores, bool *voted, const enum pln_trees_mode mode)
{
    const struct pln_trees *t = &s->trees;
    const bool sums = s->aggregate == PLN_TREES_SUM || s->aggregate == PLN_TREES_AVERAGE;
    for (int32_t r = 0; r < t->n_roots; r++)
        for (int64_t i = 0; i < n; i++) {
            const int32_t leaf = pln_trees_walk(t->nodes, t->roots[r], x + i * s->features, mode);
            if (sums) add_votes(s, leaf, scores + i * s->targets);
            else bound_votes(s, leaf, scores + i * s->targets, voted + i * s->targets);
        }
}

/* ---- scores ---- */

/* Finishes the scores of a row, which has room for `targets`; returns the number of its class. */
static int64_t finish_row(const struct trees_state *s, double *scores)
{
    for (int64_t i = 0; i < s->targets; i++) {
        if (s->aggregate == PLN_TREES_AVERAGE) scores[i] /= (double)PLN_MAX(s->trees.n_roots, 1);
        if (s->base != NULL) scores[i] += (double)s->base[i];
    }
    if (s->split) {
        const int64_t best = scores[0] > (s->split == 2 ? 0.5 : 0);
        pln_scores_split(s->transform, s->split == 2, scores);
        return best;
    }
    const int64_t best = s->labels != NULL ? pln_scores_largest(scores, s->targets) : 0;
    pln_scores_transform(s->transform, scores, s->targets);
    return best;
}

static void run(const void *state_memory, int64_t first, int64_t last, void *scratch, void *shared)
{
    (void)shared;
    const struct trees_state *s = state_memory;
    double *scores = scratch;
    bool *voted = (bool *)(scores + ROWS * s->targets);
    for (int64_t task = first; task < last; task++) {
        const int64_t from = task * ROWS, n = PLN_MIN(s->rows - from, (int64_t)ROWS);
        const float *x = s->x + from * s->features;
        memset(scores, 0, (size_t)(ROWS * s->targets) * sizeof *scores);
        memset(voted, 0, (size_t)(ROWS * s->targets) * sizeof *voted);
        switch (s->trees.mode) {
        case PLN_TREES_LEQ: walk_block(s, x, n, scores, voted, PLN_TREES_LEQ); break;
        case PLN_TREES_LT: walk_block(s, x, n, scores, voted, PLN_TREES_LT); break;
        case PLN_TREES_GTE:
        case PLN_TREES_GT:
        case PLN_TREES_EQ:
        case PLN_TREES_NEQ:
        case PLN_TREES_MIXED: walk_block(s, x, n, scores, voted, PLN_TREES_MIXED); break;
        }
        for (int64_t i = 0; i < n; i++) {
            const int64_t best = finish_row(s, scores + i * s->targets);
            if (s->labels_out != NULL) s->labels_out[from + i] = s->labels[best];
            for (int64_t t = 0; s->y != NULL && t < s->targets; t++) s->y[(from + i) * s->targets + t] = (float)scores[i * s->targets + t];
        }
    }
}

const struct pln_kernel_family pln_cpu_trees = { .name = "trees", .state_bytes = sizeof(struct trees_state), .supports = supports, .cost = cost, .prepare = prepare, .run = run, .packed_input = -1, .update = update };
