#include "backend/cpu/kernels/move/move.h"

/* Elements that a task makes. */
#define BLOCK 8192

struct range_state {
    const struct pln_tensor *start, *delta;
    char *out;
    int64_t n;
    enum pln_dtype dtype;
};

static bool takes(enum pln_dtype dtype)
{
    return dtype == PLN_I64 || dtype == PLN_I32 || dtype == PLN_F32;
}

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    if (problem->n_inputs != 3 || problem->n_outputs != 1) return "wrong number of operands";
    if (!takes(problem->outputs[0].dtype)) return "neither i64, i32 nor f32";
    for (int i = 0; i < 3; i++)
        if (problem->inputs[i].dtype != problem->outputs[0].dtype) return "start, limit and delta are not of the output's type";
    return NULL;
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    return 300 + (problem->outputs[0].rank != 1 || problem->outputs[0].dims[0] < 0 ? 128.0 : (double)problem->outputs[0].dims[0]);
}

static enum pln_status prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state_memory, struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    struct range_state *s = state_memory;
    *out_prepared = (struct pln_prepared){ .grain = 8 };
    if (launch->n_inputs != 3 || launch->n_outputs != 1) return pln_fail(diag, PLN_BAD_PLAN, "%s: wrong number of operands", kernel->name);
    const struct pln_tensor *out = &launch->outputs[0];
    bool fits = takes(out->dtype) && out->rank == 1 && pln_tensor_is_contiguous(out);
    for (int i = 0; i < 3; i++) fits = fits && launch->inputs[i].dtype == out->dtype && pln_tensor_count(&launch->inputs[i]) == 1;
    if (!fits) return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: start, limit and delta are not scalars of the output's type", kernel->name);
    *s = (struct range_state){ .start = &launch->inputs[0], .delta = &launch->inputs[2], .out = out->data, .n = out->dims[0], .dtype = out->dtype };
    out_prepared->n_tasks = s->n == 0 ? 0 : (s->n - 1) / BLOCK + 1;
    return PLN_OK;
}

/* The integers wrap around. They are added up: processors before AVX-512 multiply no 64 bits by vectors. */
#define RANGE(name, whole)                                                                        \
    static void range_##name(const struct range_state *s, int64_t first, int64_t last)            \
    {                                                                                             \
        whole value, delta, *out = (whole *)(void *)s->out;                                       \
        memcpy(&value, s->start->data, sizeof value);                                             \
        memcpy(&delta, s->delta->data, sizeof delta);                                             \
        value += (whole)first * delta;                                                            \
        for (int64_t i = first; i < last; i++, value += delta) out[i] = value;                    \
    }
RANGE(i64, uint64_t)
RANGE(i32, uint32_t)

/* The product is rounded, then the sum. */
static void range_f32(const struct range_state *s, int64_t first, int64_t last)
{
    float start, delta, *out = (float *)(void *)s->out;
    memcpy(&start, s->start->data, sizeof start);
    memcpy(&delta, s->delta->data, sizeof delta);
    for (int64_t i = first; i < last; i++) out[i] = start + (float)i * delta;
}

static void run(const void *state, int64_t first, int64_t last, void *scratch, void *shared)
{
    (void)scratch;
    (void)shared;
    const struct range_state *s = state;
    const int64_t begin = first * BLOCK, end = PLN_MIN(last * BLOCK, s->n);
    if (s->dtype == PLN_I64) range_i64(s, begin, end);
    else if (s->dtype == PLN_I32) range_i32(s, begin, end);
    else range_f32(s, begin, end);
}

const struct pln_kernel_family pln_cpu_range = { .name = "range", .state_bytes = sizeof(struct range_state), .supports = supports, .cost = cost, .prepare = prepare, .run = run, .packed_input = -1 };
