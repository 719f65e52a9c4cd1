#include "backend/cpu/kernels/move/move.h"

/* Bytes of the output that a task makes, about, and as many tasks as there should be before a task makes more. */
#define TASK_BYTES 16384
#define TASKS      64

enum mode { MODE_CONSTANT, MODE_REFLECT, MODE_EDGE, MODE_WRAP, MODE_NONE };

/* An axis, outermost first as the output lies. */
struct axis {
    int dim;
    int64_t in, out, x, y;   /* extents; strides in bytes */
    int64_t in_bytes, out_bytes; /* of what one index holds, where it lies without a gap; else -1 */
};

struct pad_state {
    const struct pln_launch *launch;
    enum mode mode;
    int n, split; /* axes; those before `split` make the tasks */
    int64_t unit_bytes;
    struct axis axes[PLN_MAX_RANK];
};

/* What the pads of a run say. of[i]: axis i takes out[at] from in[at - begin], low <= at - begin < high; other places are padded. */
struct pads {
    struct pads_of {
        int64_t begin, low, high;
        int64_t first, end; /* of the output, not padded */
    } of[PLN_MAX_RANK];
    bool plain[PLN_MAX_RANK + 1]; /* this axis and those inside of it are as they come, and lie without a gap on both sides */
    unsigned char value[16];
    bool same_bytes; /* of the value */
};

enum { FAULT_SHAPE = 1, FAULT_EMPTY };

static enum mode read_mode(const struct pln_attrs *attrs)
{
    static const char *const names[] = { "constant", "reflect", "edge", "wrap" };
    const char *mode = pln_attrs_string(attrs, "mode", "constant");
    for (int i = 0; i < MODE_NONE; i++)
        if (pln_str_equal(mode, names[i])) return (enum mode)i;
    return MODE_NONE;
}

static bool takes(enum pln_dtype dtype)
{
    return dtype != PLN_STR && pln_dtype_bits(dtype) >= 8;
}

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    if (problem->n_inputs < 2 || problem->n_outputs != 1 || !problem->inputs[1].present) return "wrong number of operands";
    if (problem->inputs[0].rank < 1 || problem->outputs[0].rank != problem->inputs[0].rank) return "the rank is not known";
    if (!takes(problem->inputs[0].dtype) || problem->outputs[0].dtype != problem->inputs[0].dtype) return "elements are not whole bytes";
    if (problem->inputs[1].dtype != PLN_I64) return "the pads are not i64";
    if (problem->n_inputs > 2 && problem->inputs[2].present && problem->inputs[2].dtype != problem->inputs[0].dtype) return "the value has another type";
    if (problem->n_inputs > 3 && problem->inputs[3].present && problem->inputs[3].dtype != PLN_I64 && problem->inputs[3].dtype != PLN_I32) return "the axes are neither i32 nor i64";
    return read_mode(problem->attrs) == MODE_NONE ? "there is no such mode" : NULL;
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    double bytes = 8;
    for (int i = 0; i < problem->outputs[0].rank; i++) bytes *= problem->outputs[0].dims[i] < 0 ? 128 : (double)problem->outputs[0].dims[i];
    return bytes / 5 + 300;
}

static bool has(const struct pln_launch *launch, int i)
{
    return launch->n_inputs > i && launch->inputs[i].dtype != PLN_DTYPE_NONE;
}

static int64_t magnitude(int64_t stride)
{
    return stride < 0 ? -stride : stride;
}

static void sort_axes(struct pad_state *s)
{
    for (int i = 1; i < s->n; i++)
        for (int k = i; k > 0 && magnitude(s->axes[k - 1].y) < magnitude(s->axes[k].y); k--) {
            const struct axis other = s->axes[k];
            s->axes[k] = s->axes[k - 1];
            s->axes[k - 1] = other;
        }
    int64_t in_bytes = s->unit_bytes, out_bytes = s->unit_bytes;
    for (int i = s->n - 1; i >= 0; i--) {
        struct axis *axis = &s->axes[i];
        axis->in_bytes = in_bytes;
        axis->out_bytes = out_bytes;
        in_bytes = in_bytes >= 0 && (axis->in == 1 || axis->x == in_bytes) ? in_bytes * axis->in : -1;
        out_bytes = out_bytes >= 0 && (axis->out == 1 || axis->y == out_bytes) ? out_bytes * axis->out : -1;
    }
}

static const char *check(const struct pln_launch *launch)
{
    const struct pln_tensor *x = &launch->inputs[0], *y = &launch->outputs[0], *pads = &launch->inputs[1];
    const int64_t n_axes = has(launch, 3) ? launch->inputs[3].dims[0] : x->rank;
    if (!takes(x->dtype) || y->dtype != x->dtype || y->rank != x->rank || x->rank < 1) return "input and output are not of one type and rank";
    if (has(launch, 3) && (launch->inputs[3].rank != 1 || (launch->inputs[3].dtype != PLN_I64 && launch->inputs[3].dtype != PLN_I32))) return "the axes are no list of integers";
    if (pads->dtype != PLN_I64 || pads->rank != 1 || n_axes > x->rank || pads->dims[0] != 2 * n_axes) return "there are not two pads an axis";
    if (has(launch, 2) && (launch->inputs[2].dtype != x->dtype || pln_tensor_count(&launch->inputs[2]) != 1)) return "the value is no element of the input's type";
    return NULL;
}

static enum pln_status prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state_memory, struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    struct pad_state *s = state_memory;
    *out_prepared = (struct pln_prepared){ .grain = 1, .shared_bytes = 64 };
    s->mode = read_mode(launch->attrs);
    if (launch->n_inputs < 2 || launch->n_outputs != 1 || !has(launch, 1) || s->mode == MODE_NONE) return pln_fail(diag, PLN_BAD_PLAN, "%s: not what it was made for", kernel->name);
    const char *why = check(launch);
    if (why != NULL) return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: %s", kernel->name, why);
    const struct pln_tensor *x = &launch->inputs[0], *y = &launch->outputs[0];
    s->launch = launch;
    s->n = x->rank;
    s->unit_bytes = pln_dtype_bits(x->dtype) / 8;
    int64_t bytes = pln_tensor_count(y) * s->unit_bytes;
    if (bytes == 0) return PLN_OK;
    for (int d = 0; d < s->n; d++) s->axes[d] = (struct axis){ .dim = d, .in = x->dims[d], .out = y->dims[d], .x = x->strides[d] * s->unit_bytes, .y = y->strides[d] * s->unit_bytes };
    sort_axes(s);
    out_prepared->n_tasks = 1;
    while (s->split < s->n - 1 && bytes > TASK_BYTES && (out_prepared->n_tasks < TASKS || bytes > 8 * TASK_BYTES)) {
        bytes /= s->axes[s->split].out;
        out_prepared->n_tasks *= s->axes[s->split++].out;
    }
    out_prepared->grain = 1 + 4 * TASK_BYTES / bytes;
    return PLN_OK;
}

/* ---- the pads of a run ---- */

static int64_t int_at(const struct pln_tensor *tensor, int64_t i)
{
    i *= tensor->strides[0];
    return tensor->dtype == PLN_I64 ? ((const int64_t *)tensor->data)[i] : ((const int32_t *)tensor->data)[i];
}

/* A code of `fault`, or 0. */
static uint64_t read_axis(const struct axis *axis, enum mode mode, int64_t begin, int64_t end, struct pads_of *out)
{
    int64_t sum;
    if (!pln_add_i64(axis->in, begin, &sum) || !pln_add_i64(sum, end, &sum) || sum != axis->out || begin < -INT64_MAX / 4 || end < -INT64_MAX / 4) return FAULT_SHAPE;
    out->begin = begin;
    out->low = PLN_MAX(-begin, (int64_t)0);
    out->high = axis->in + PLN_MIN(end, (int64_t)0);
    if (mode != MODE_CONSTANT && out->low >= out->high) return FAULT_EMPTY;
    out->first = PLN_MIN(PLN_MAX(begin, (int64_t)0), axis->out);
    out->end = PLN_MAX(PLN_MIN(out->high + begin, axis->out), out->first);
    return 0;
}

static uint64_t read_pads(const struct pad_state *s, struct pads *out)
{
    const struct pln_launch *launch = s->launch;
    const struct pln_tensor *pads = &launch->inputs[1], *value = &launch->inputs[2];
    int64_t begin[PLN_MAX_RANK] = { 0 }, end[PLN_MAX_RANK] = { 0 }, n = pads->dims[0] / 2;
    for (int64_t i = 0; i < n; i++) {
        int d = (int)i;
        if (has(launch, 3) && !pln_axis_normalize(int_at(&launch->inputs[3], i), s->n, &d)) return FAULT_SHAPE;
        begin[d] = int_at(pads, i);
        end[d] = int_at(pads, n + i);
    }
    out->plain[s->n] = true;
    for (int i = s->n - 1; i >= 0; i--) {
        const struct axis *axis = &s->axes[i];
        const uint64_t code = read_axis(axis, s->mode, begin[axis->dim], end[axis->dim], &out->of[i]);
        if (code != 0) return code;
        out->plain[i] = out->plain[i + 1] && begin[axis->dim] == 0 && end[axis->dim] == 0 && (axis->in == 1 || (axis->x == axis->in_bytes && axis->y == axis->out_bytes));
    }
    memset(out->value, 0, sizeof out->value);
    if (s->mode == MODE_CONSTANT && has(launch, 2)) memcpy(out->value, value->data, (size_t)s->unit_bytes);
    out->same_bytes = true;
    for (int64_t i = 1; i < s->unit_bytes; i++) out->same_bytes = out->same_bytes && out->value[i] == out->value[0];
    return 0;
}

static int64_t modulo(int64_t a, int64_t n)
{
    const int64_t m = a % n;
    return m < 0 ? m + n : m;
}

/* Where a place of an axis comes from; -1: the value. */
static int64_t source(enum mode mode, const struct pads_of *of, int64_t at)
{
    const int64_t n = of->high - of->low;
    int64_t i = at - of->begin - of->low;
    if (i >= 0 && i < n) return of->low + i;
    switch (mode) {
    case MODE_EDGE: return i < 0 ? of->low : of->high - 1;
    case MODE_WRAP: return of->low + modulo(i, n);
    case MODE_REFLECT:
        if (n == 1) return of->low;
        i = modulo(i, 2 * (n - 1));
        return of->low + (i < n ? i : 2 * (n - 1) - i);
    case MODE_CONSTANT:
    case MODE_NONE: break;
    }
    return -1;
}

/* ---- copies ---- */

static void copy_unit(char *to, const char *from, int64_t unit_bytes)
{
    switch (unit_bytes) {
    case 1: *to = *from; return;
    case 2: memcpy(to, from, 2); return;
    case 4: memcpy(to, from, 4); return;
    case 8: memcpy(to, from, 8); return;
    default: memcpy(to, from, (size_t)unit_bytes); return;
    }
}

static void fill_dense(const struct pad_state *s, const struct pads *pads, char *to, int64_t bytes)
{
    if (pads->same_bytes) {
        memset(to, pads->value[0], (size_t)bytes);
        return;
    }
    /* What is there already, twice as much each time. */
    copy_unit(to, (const char *)pads->value, s->unit_bytes);
    for (int64_t done = s->unit_bytes; done < bytes; done *= 2) memcpy(to + done, to, (size_t)PLN_MIN(done, bytes - done));
}

/* `count` indices of axis i - 1, which are `step` bytes apart. */
static void fill(const struct pad_state *s, const struct pads *pads, int i, char *to, int64_t count, int64_t step)
{
    const int64_t bytes = s->axes[i - 1].out_bytes;
    if (count == 0) return;
    if (bytes >= 0 && (count == 1 || step == bytes)) {
        fill_dense(s, pads, to, count * bytes);
        return;
    }
    for (int64_t k = 0; k < count; k++) {
        if (i == s->n) copy_unit(to + k * step, (const char *)pads->value, s->unit_bytes);
        else fill(s, pads, i + 1, to + k * step, s->axes[i].out, s->axes[i].y);
    }
}

static void make(const struct pad_state *s, const struct pads *pads, int i, char *to, const char *from);

/* The places [at, end) of axis i that are padded. */
static void make_padding(const struct pad_state *s, const struct pads *pads, int i, char *to, const char *from, int64_t at, int64_t end)
{
    const struct axis *axis = &s->axes[i];
    if (s->mode == MODE_CONSTANT) {
        fill(s, pads, i + 1, to + at * axis->y, end - at, axis->y);
        return;
    }
    for (; at < end; at++) make(s, pads, i + 1, to + at * axis->y, from + source(s->mode, &pads->of[i], at) * axis->x);
}

/* What lies along axis i and those inside of it. */
static void make(const struct pad_state *s, const struct pads *pads, int i, char *to, const char *from)
{
    if (i == s->n) {
        copy_unit(to, from, s->unit_bytes);
        return;
    }
    const struct axis *axis = &s->axes[i];
    const struct pads_of *of = &pads->of[i];
    const int64_t n = of->end - of->first;
    make_padding(s, pads, i, to, from, 0, of->first);
    char *inside = to + of->first * axis->y;
    const char *source_of = from + (of->first - of->begin) * axis->x;
    if (n > 0 && pads->plain[i + 1] && (n == 1 || (axis->x == axis->in_bytes && axis->y == axis->out_bytes))) {
        memcpy(inside, source_of, (size_t)(n * axis->in_bytes));
    } else {
        for (int64_t k = 0; k < n; k++) make(s, pads, i + 1, inside + k * axis->y, source_of + k * axis->x);
    }
    make_padding(s, pads, i, to, from, of->end, axis->out);
}

static void run_task(const struct pad_state *s, const struct pads *pads, int64_t task)
{
    int64_t to = 0, from = 0;
    bool padded = false;
    for (int i = s->split - 1; i >= 0; i--) {
        const struct axis *axis = &s->axes[i];
        const int64_t at = task % axis->out, in = source(s->mode, &pads->of[i], at);
        task /= axis->out;
        to += at * axis->y;
        from += in * axis->x;
        padded = padded || in < 0;
    }
    char *out = (char *)s->launch->outputs[0].data + to;
    if (!padded) make(s, pads, s->split, out, (const char *)s->launch->inputs[0].data + from);
    else fill(s, pads, s->split, out, 1, 0);
}

static void run(const void *state, int64_t first, int64_t last, void *scratch, void *shared)
{
    (void)scratch;
    const struct pad_state *s = state;
    struct pads pads;
    const uint64_t code = read_pads(s, &pads);
    if (code != 0) {
        __atomic_store_n((uint64_t *)shared, code, __ATOMIC_RELAXED);
        return;
    }
    for (int64_t task = first; task < last; task++) run_task(s, &pads, task);
}

static const char *fault(const void *state, uint64_t code)
{
    (void)state;
    return code == FAULT_EMPTY ? "Pad: an axis is empty; there is nothing to repeat" : "Pad: the pads do not give the output's shape";
}

const struct pln_kernel_family pln_cpu_pad = { .name = "pad", .state_bytes = sizeof(struct pad_state), .supports = supports, .cost = cost, .prepare = prepare, .run = run, .packed_input = -1, .fault = fault };
