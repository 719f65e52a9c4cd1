#include "backend/cpu/kernels/select/select.h"

/* Elements that the filter looks at together: a few vectors of any ISA, so that the common block, of which none gets by, costs one branch. */
#define BLOCK 32
/* What is sorted by insertion, and not by digits. */
#define RUN 48
/* Room behind the k best for what gets by the filter: merged when it is full. */
#define ROOM_LEAST 64

struct topk_state {
    const float *x;
    float *values;    /* NULL: not wanted */
    int64_t *indices; /* NULL: not wanted */
    int64_t n, inner, k, room;
    bool largest;
};

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    if (problem->inputs[0].dtype != PLN_F32) return "the elements are not f32";
    if (problem->inputs[0].rank < 1) return "the rank is not known";
    return NULL;
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    double n = 1;
    for (int d = 0; d < problem->inputs[0].rank; d++) n *= problem->inputs[0].dims[d] < 0 ? 128 : (double)problem->inputs[0].dims[d];
    return n + 500;
}

static enum pln_status update(const struct pln_launch *launch, void *state_memory, struct pln_prepared *prepared, struct pln_diag *diag)
{
    struct topk_state *s = state_memory;
    const struct pln_tensor *x = &launch->inputs[0], *out[2] = { NULL, NULL };
    int64_t outer = 1, inner = 1, k = 0;
    int axis;
    if (x->dtype != PLN_F32 || x->rank < 1 || !pln_axis_normalize(pln_attrs_int(launch->attrs, "axis", -1), x->rank, &axis) || !pln_tensor_is_contiguous(x))
        return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "TopK: the axis is none of the input's, or the input is not dense f32");
    for (int o = 0; o < launch->n_outputs; o++) {
        const struct pln_tensor *y = &launch->outputs[o];
        if (y->dtype == PLN_DTYPE_NONE) continue;
        bool fits = y->dtype == (o ? PLN_I64 : PLN_F32) && y->rank == x->rank && pln_tensor_is_contiguous(y);
        for (int d = 0; fits && d < x->rank; d++) fits = d == axis ? y->dims[d] <= x->dims[d] : y->dims[d] == x->dims[d];
        fits = fits && (o == 0 || !out[0] || out[0]->dims[axis] == y->dims[axis]);
        if (!fits) return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "TopK: output %d does not fit, or K is larger than the axis", o);
        out[o] = y;
        k = y->dims[axis];
    }
    /* Keys hold 32 bits of an index. */
    if (x->dims[axis] > UINT32_MAX) return pln_launch_fail(launch, diag, PLN_UNSUPPORTED, "TopK: the axis is longer than 2^32");
    for (int d = 0; d < axis; d++) outer *= x->dims[d];
    for (int d = axis + 1; d < x->rank; d++) inner *= x->dims[d];
    *s = (struct topk_state){ .x = x->data, .values = out[0] ? out[0]->data : NULL, .indices = out[1] ? out[1]->data : NULL, .n = x->dims[axis], .inner = inner, .k = k, .largest = s->largest };
    s->room = PLN_MIN(s->n, k + PLN_MAX(k, (int64_t)ROOM_LEAST));
    *prepared = (struct pln_prepared){ .n_tasks = k == 0 ? 0 : outer * inner, .grain = 1 + 16384 / (s->n + 16) };
    /* Keys, and as many to merge them with; the fill-up of a block may go past the room. */
    prepared->scratch_bytes = 2 * (size_t)(s->room + BLOCK) * sizeof(uint64_t);
    return PLN_OK;
}

static enum pln_status prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state_memory, struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    (void)kernel;
    struct topk_state *s = state_memory;
    if (launch->n_inputs != 2 || launch->n_outputs < 1 || launch->n_outputs > 2) return pln_fail(diag, PLN_BAD_PLAN, "TopK: wrong number of operands");
    s->largest = pln_attrs_int(launch->attrs, "largest", 1) != 0;
    return update(launch, s, out_prepared, diag);
}

/* ---- keys: an element and its place as one number, larger where it comes first ---- */

/* Integers in the order of the floats; -0 is 0, NaN of either sign the largest. */
static inline int32_t ordered(float x, int32_t flip)
{
    int32_t bits;
    x += 0.0f;
    memcpy(&bits, &x, sizeof bits);
    bits ^= (int32_t)((uint32_t)(bits >> 31) >> 1);
    return (x != x ? INT32_MAX : bits) ^ flip;
}

static inline uint64_t key_of(int32_t order, int64_t i)
{
    return (uint64_t)((uint32_t)order ^ 0x80000000u) << 32 | (UINT32_MAX - (uint32_t)i);
}

static inline int64_t index_of(uint64_t key)
{
    return UINT32_MAX - (uint32_t)key;
}

static inline int32_t order_of(uint64_t key)
{
    return (int32_t)((uint32_t)(key >> 32) ^ 0x80000000u);
}

/* ---- sorting: largest key first; no two are equal ---- */

static void sort_run(uint64_t *keys, int64_t n)
{
    for (int64_t i = 1; i < n; i++) {
        uint64_t key = keys[i];
        int64_t at = i;
        for (; at > 0 && keys[at - 1] < key; at--) keys[at] = keys[at - 1];
        keys[at] = key;
    }
}

/* Sorts keys that are in the order of their indices: by the digits of their elements, from the last digit on, which keeps that order. `other` has
 * as much room. */
static void sort(uint64_t *keys, int64_t n, uint64_t *other)
{
    uint32_t counts[4][256] = { { 0 } };
    if (n <= RUN) {
        sort_run(keys, n);
        return;
    }
    for (int64_t i = 0; i < n; i++)
        for (int digit = 0; digit < 4; digit++) counts[digit][keys[i] >> (32 + 8 * digit) & 255]++;
    uint64_t *from = keys, *to = other;
    for (int digit = 0; digit < 4; digit++) {
        const int shift = 32 + 8 * digit;
        uint32_t *places = counts[digit], place = 0;
        if (places[from[0] >> shift & 255] == (uint64_t)n) continue;
        for (int i = 255; i >= 0; i--) {
            const uint32_t count = places[i];
            places[i] = place;
            place += count;
        }
        for (int64_t i = 0; i < n; i++) to[places[from[i] >> shift & 255]++] = from[i];
        uint64_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != keys) memcpy(keys, from, (size_t)n * sizeof *keys);
}

/* The first `most` of two sorted lists. */
static void merge(const uint64_t *a, int64_t n_a, const uint64_t *b, int64_t n_b, uint64_t *to, int64_t most)
{
    int64_t i = 0, k = 0, n = 0;
    while (i < n_a && k < n_b && n < most) {
        const bool left = a[i] > b[k];
        to[n++] = left ? a[i] : b[k];
        i += left;
        k += !left;
    }
    while (i < n_a && n < most) to[n++] = a[i++];
    while (k < n_b && n < most) to[n++] = b[k++];
}

/* ---- one row ---- */

/* Does any element of a whole block come before one that is `least`? */
static inline bool any_before(const float *x, float least, bool largest)
{
    int any = 0;
    if (least != least) { /* the largest there is */
        for (int i = 0; i < BLOCK && !largest; i++) any |= x[i] == x[i];
    } else if (largest) {
        for (int i = 0; i < BLOCK; i++) any |= !(x[i] <= least);
    } else {
        for (int i = 0; i < BLOCK; i++) any |= x[i] < least;
    }
    return any != 0;
}

/* The k best keys of the row at x, sorted, in keys; `other` has the same room. */
static void select_row(const struct topk_state *s, const float *x, uint64_t *keys, uint64_t *other)
{
    const int32_t flip = s->largest ? 0 : -1;
    int64_t best = 0, n = 0; /* keys that are sorted, and all */
    int32_t least = INT32_MIN;
    float least_x = 0;
    for (int64_t first = 0; first < s->n; first += BLOCK) {
        const int64_t count = PLN_MIN(s->n - first, (int64_t)BLOCK);
        if (best == s->k && count == BLOCK && s->inner == 1 && !any_before(x + first, least_x, s->largest)) continue;
        for (int64_t i = 0; i < count; i++) {
            const int32_t order = ordered(x[(first + i) * s->inner], flip);
            /* As long as there are less than k, even the least element counts. */
            keys[n] = key_of(order, first + i);
            n += best < s->k || order > least;
        }
        if (n < s->room || first + count == s->n) continue;
        sort(keys + best, n - best, other);
        merge(keys, best, keys + best, n - best, other, s->k);
        memcpy(keys, other, (size_t)s->k * sizeof *keys);
        n = best = s->k;
        least = order_of(keys[best - 1]);
        least_x = x[index_of(keys[best - 1]) * s->inner];
    }
    if (n == best) return;
    sort(keys + best, n - best, other);
    if (best == 0) return;
    merge(keys, best, keys + best, n - best, other, s->k);
    memcpy(keys, other, (size_t)s->k * sizeof *keys);
}

static void run(const void *state_memory, int64_t first, int64_t last, void *scratch, void *shared)
{
    (void)shared;
    const struct topk_state *s = state_memory;
    uint64_t *keys = scratch, *other = keys + s->room + BLOCK;
    for (int64_t task = first; task < last; task++) {
        const int64_t o = task / s->inner, i = task % s->inner;
        const float *x = s->x + o * s->n * s->inner + i;
        select_row(s, x, keys, other);
        for (int64_t j = 0; j < s->k; j++) {
            const int64_t at = (o * s->k + j) * s->inner + i, from = index_of(keys[j]);
            if (s->values) s->values[at] = x[from * s->inner];
            if (s->indices) s->indices[at] = from;
        }
    }
}

const struct pln_kernel_family pln_cpu_topk = { .name = "topk", .state_bytes = sizeof(struct topk_state), .supports = supports, .cost = cost, .prepare = prepare, .run = run, .packed_input = -1, .update = update };
