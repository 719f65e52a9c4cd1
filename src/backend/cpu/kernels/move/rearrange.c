#include "backend/cpu/kernels/move/move.h"

/* All of these are one walk: element [i0, i1, …] of it goes from sum(i from) to sum(i to). */
struct loop {
    int64_t n, from, to; /* extent; strides in elements */
};

/* Bytes that a task moves, about, and as many tasks as there should be before a task moves more. */
#define TASK_BYTES 16384
#define TASKS      64

struct rearrange_state {
    int n_tasks; /* loops that make the tasks */
    struct loop tasks[PLN_MAX_RANK];
    int64_t unit_bytes;
    struct pln_tensor from, to; /* of the first task */
};

static bool takes(enum pln_dtype dtype)
{
    return dtype != PLN_STR && pln_dtype_bits(dtype) >= 8;
}

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    if (problem->n_inputs < 1 || problem->n_outputs != 1) return "wrong number of operands";
    const int rank = problem->inputs[0].rank;
    if (!takes(problem->inputs[0].dtype) || problem->outputs[0].dtype != problem->inputs[0].dtype) return "elements are not whole bytes";
    if (rank < 1 || problem->outputs[0].rank != rank) return "the rank is not known";
    if (kernel->op == PLN_OP_TILE) return 2 * rank > PLN_MAX_RANK ? "there are too many axes" : NULL;
    const char *mode = pln_attrs_string(problem->attrs, "mode", "DCR");
    if (!pln_str_equal(mode, "DCR") && !pln_str_equal(mode, "CRD")) return "there is no such mode";
    return rank < 3 || 2 + 2 * (rank - 2) > PLN_MAX_RANK ? "there are too few axes, or too many" : NULL;
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    double bytes = 8;
    for (int i = 0; i < problem->outputs[0].rank; i++) bytes *= problem->outputs[0].dims[i] < 0 ? 128 : (double)problem->outputs[0].dims[i];
    return bytes / 5 + 300;
}

/* ---- the walks; 0: input and output do not fit ---- */

/* The repeats are those that the output has. */
static int tile_loops(const struct pln_launch *launch, struct loop *out)
{
    const struct pln_tensor *x = &launch->inputs[0], *y = &launch->outputs[0];
    for (int d = 0; d < x->rank; d++) {
        if (x->dims[d] == 0 || y->dims[d] % x->dims[d] != 0) return 0;
        out[2 * d] = (struct loop){ y->dims[d] / x->dims[d], 0, y->strides[d] * x->dims[d] };
        out[2 * d + 1] = (struct loop){ x->dims[d], x->strides[d], y->strides[d] };
    }
    return 2 * x->rank;
}

/* depth [n, c b^k, d…], space [n, c, (d b)…]: over n, c, then each spatial axis and its part of the block. */
static int block_loops(const struct pln_launch *launch, struct loop *out)
{
    const bool to_space = launch->op == PLN_OP_DEPTH_TO_SPACE;
    const struct pln_tensor *depth = to_space ? &launch->inputs[0] : &launch->outputs[0], *space = to_space ? &launch->outputs[0] : &launch->inputs[0];
    const int64_t b = pln_attrs_int(launch->attrs, "blocksize", 0), channels = space->dims[1];
    const bool crd = pln_str_equal(pln_attrs_string(launch->attrs, "mode", "DCR"), "CRD");
    int64_t blocks = 1, extent;
    bool fits = depth->dims[0] == space->dims[0] && b >= 1;
    for (int d = 2; fits && d < depth->rank; d++) fits = pln_mul_i64(blocks, b, &blocks) && pln_mul_i64(depth->dims[d], b, &extent) && extent == space->dims[d];
    if (!fits || !pln_mul_i64(channels, blocks, &extent) || extent != depth->dims[1]) return 0;
    struct loop walk[PLN_MAX_RANK]; /* from depth to space */
    int64_t block = crd ? depth->strides[1] : depth->strides[1] * channels;
    walk[0] = (struct loop){ depth->dims[0], depth->strides[0], space->strides[0] };
    walk[1] = (struct loop){ channels, depth->strides[1] * (crd ? blocks : 1), space->strides[1] };
    for (int d = depth->rank - 1; d >= 2; d--) {
        walk[2 * d - 2] = (struct loop){ depth->dims[d], depth->strides[d], space->strides[d] * b };
        walk[2 * d - 1] = (struct loop){ b, block, space->strides[d] };
        block *= b;
    }
    const int n = 2 * depth->rank - 2;
    for (int i = 0; i < n; i++) out[i] = to_space ? walk[i] : (struct loop){ walk[i].n, walk[i].to, walk[i].from };
    return n;
}

/* ---- which loops make the tasks ---- */

static int64_t magnitude(int64_t stride)
{
    return stride < 0 ? -stride : stride;
}

/* Outermost first as the output lies, loops that are walked as one merged. */
static int tidy(struct loop *loops, int n)
{
    int kept = 0;
    for (int i = 1; i < n; i++)
        for (int k = i; k > 0 && magnitude(loops[k - 1].to) < magnitude(loops[k].to); k--) {
            const struct loop other = loops[k];
            loops[k] = loops[k - 1];
            loops[k - 1] = other;
        }
    for (int i = 0; i < n; i++) {
        if (loops[i].n == 1) continue;
        struct loop *before = kept > 0 ? &loops[kept - 1] : NULL;
        if (before != NULL && before->from == loops[i].from * loops[i].n && before->to == loops[i].to * loops[i].n) {
            *before = (struct loop){ before->n * loops[i].n, loops[i].from, loops[i].to };
            continue;
        }
        loops[kept++] = loops[i];
    }
    return kept;
}

/* Tasks take the outer loops, but for the one in which the input is densest: it is copied in tiles with the innermost one. */
static void split(struct rearrange_state *s, const struct loop *loops, int n, struct pln_prepared *prepared)
{
    int densest = n - 1;
    int64_t bytes = s->unit_bytes;
    for (int i = 0; i < n; i++) {
        bytes *= loops[i].n;
        if (loops[i].from != 0 && (loops[densest].from == 0 || magnitude(loops[i].from) < magnitude(loops[densest].from))) densest = i;
    }
    prepared->n_tasks = 1;
    for (int i = 0; i < n; i++) {
        if (i < n - 1 && i != densest && bytes > TASK_BYTES && (prepared->n_tasks < TASKS || bytes > 8 * TASK_BYTES)) {
            bytes /= loops[i].n;
            prepared->n_tasks *= loops[i].n;
            s->tasks[s->n_tasks++] = loops[i];
            continue;
        }
        s->from.dims[s->from.rank] = s->to.dims[s->from.rank] = loops[i].n;
        s->from.strides[s->from.rank] = loops[i].from;
        s->to.strides[s->from.rank++] = loops[i].to;
    }
    s->to.rank = s->from.rank;
    prepared->grain = 1 + 4 * TASK_BYTES / bytes;
}

static enum pln_status prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state_memory, struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    struct rearrange_state *s = state_memory;
    struct loop loops[PLN_MAX_RANK];
    *out_prepared = (struct pln_prepared){ .grain = 1 };
    if (launch->op != kernel->op || launch->n_inputs < 1 || launch->n_outputs != 1) return pln_fail(diag, PLN_BAD_PLAN, "%s: not what it was made for", kernel->name);
    const struct pln_tensor *x = &launch->inputs[0], *y = &launch->outputs[0];
    const bool tile = launch->op == PLN_OP_TILE;
    bool fits = takes(x->dtype) && y->dtype == x->dtype && y->rank == x->rank && (tile ? x->rank >= 1 && 2 * x->rank <= PLN_MAX_RANK : x->rank >= 3 && 2 * x->rank - 2 <= PLN_MAX_RANK);
    if (fits && pln_tensor_count(y) == 0) return PLN_OK;
    int n = !fits ? 0 : tile ? tile_loops(launch, loops) : block_loops(launch, loops);
    if (n == 0) return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: input and output do not fit", kernel->name);
    s->unit_bytes = pln_dtype_bits(x->dtype) / 8;
    s->from = (struct pln_tensor){ .dtype = x->dtype, .data = x->data };
    s->to = (struct pln_tensor){ .dtype = x->dtype, .data = y->data };
    split(s, loops, tidy(loops, n), out_prepared);
    return PLN_OK;
}

static void run(const void *state, int64_t first, int64_t last, void *scratch, void *shared)
{
    (void)scratch;
    (void)shared;
    const struct rearrange_state *s = state;
    struct pln_tensor from = s->from, to = s->to;
    for (int64_t task = first; task < last; task++) {
        int64_t rest = task, from_at = 0, to_at = 0;
        for (int i = s->n_tasks - 1; i >= 0; i--) {
            from_at += rest % s->tasks[i].n * s->tasks[i].from;
            to_at += rest % s->tasks[i].n * s->tasks[i].to;
            rest /= s->tasks[i].n;
        }
        from.data = (char *)s->from.data + from_at * s->unit_bytes;
        to.data = (char *)s->to.data + to_at * s->unit_bytes;
        pln_tensor_copy(&from, &to);
    }
}

const struct pln_kernel_family pln_cpu_rearrange = { .name = "rearrange", .state_bytes = sizeof(struct rearrange_state), .supports = supports, .cost = cost, .prepare = prepare, .run = run, .packed_input = -1 };
