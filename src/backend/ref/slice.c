/* Slice and Pad: a range of indices, or a map of indices, along every axis. */
#include "backend/ref/elems.h"

struct range {
    int64_t start, step, count;
};

static int64_t clamp(int64_t value, int64_t low, int64_t high)
{
    return value < low ? low : value > high ? high : value;
}

/* ONNX Slice, "effective values": negative starts and ends count from the back, then both are clamped. */
static struct range slice_range(int64_t start, int64_t end, int64_t step, int64_t extent)
{
    struct range r = { .step = step };
    if (start < 0) start = start < -extent ? -1 : start + extent;
    if (end < 0) end = end < -extent ? -1 : end + extent;
    if (step > 0) {
        r.start = clamp(start, 0, extent);
        end = clamp(end, 0, extent);
        uint64_t span = end > r.start ? (uint64_t)(end - r.start) : 0;
        r.count = span ? (int64_t)((span - 1) / (uint64_t)step + 1) : 0;
    } else {
        r.start = clamp(start, 0, extent - 1);
        end = clamp(end, -1, extent - 1);
        uint64_t span = r.start > end && extent > 0 ? (uint64_t)(r.start - end) : 0;
        r.count = span ? (int64_t)((span - 1) / (0 - (uint64_t)step) + 1) : 0;
    }
    return r;
}

enum pln_status pln_ref_slice(struct pln_call *call)
{
    struct pln_elems in, out;
    const int64_t *starts, *ends, *axes_in, *steps;
    int64_t n, n_ends, n_axes_in, n_steps, dims[PLN_MAX_RANK], strides[PLN_MAX_RANK], offset = 0;
    int axes[PLN_MAX_RANK], n_axes;
    PLN_TRY(pln_elems_in(call, 0, &in));
    PLN_TRY(pln_call_ints(call, 1, &starts, &n));
    PLN_TRY(pln_call_ints(call, 2, &ends, &n_ends));
    PLN_TRY(pln_call_ints(call, 3, &axes_in, &n_axes_in));
    PLN_TRY(pln_call_ints(call, 4, &steps, &n_steps));
    int rank = in.tensor.rank;
    if (n < 0 || n_ends != n || (n_axes_in >= 0 && n_axes_in != n) || (n_steps >= 0 && n_steps != n) || n > rank) {
        return pln_call_fail(call, PLN_BAD_MODEL, "%lld starts, %lld ends, %lld axes, %lld steps for a tensor of rank %d", (long long)n,
                             (long long)n_ends, (long long)n_axes_in, (long long)n_steps, rank);
    }
    PLN_TRY(pln_elems_axes(call, n_axes_in >= 0 ? axes_in : NULL, n, rank, axes, &n_axes));
    memcpy(dims, in.tensor.dims, sizeof dims);
    memcpy(strides, in.tensor.strides, sizeof strides);
    for (int i = 0; i < n; i++) {
        int64_t step = n_steps >= 0 ? steps[i] : 1;
        if (step == 0) return pln_call_fail(call, PLN_BAD_MODEL, "step %d is 0", i);
        struct range r = slice_range(starts[i], ends[i], step, in.tensor.dims[axes[i]]);
        dims[axes[i]] = r.count;
        if (r.count > 0) offset += r.start * in.tensor.strides[axes[i]];
        /* A step that is never taken may be any number. */
        strides[axes[i]] = r.count > 1 ? r.step * in.tensor.strides[axes[i]] : 0;
    }
    PLN_TRY(pln_elems_out(call, 0, in.tensor.dtype, rank, dims, &out));
    if (out.count == 0) return PLN_OK;
    pln_elems_copy(rank, dims, out.data, out.tensor.strides, in.data + offset * (int64_t)in.unit_bytes, strides, in.unit_bytes);
    return pln_elems_finish(call, 0, &out);
}

enum pad_mode { PAD_CONSTANT, PAD_REFLECT, PAD_EDGE, PAD_WRAP };

static enum pln_status pad_mode(struct pln_call *call, enum pad_mode *out_mode)
{
    static const char *const names[] = { "constant", "reflect", "edge", "wrap" };
    const char *mode = pln_attrs_string(call->attrs, "mode", "constant");
    for (int i = 0; i < (int)PLN_COUNT_OF(names); i++) {
        if (strcmp(mode, names[i]) == 0) {
            *out_mode = (enum pad_mode)i;
            return PLN_OK;
        }
    }
    return pln_call_fail(call, PLN_BAD_MODEL, "unknown mode '%s'", mode);
}

static int64_t modulo(int64_t a, int64_t n)
{
    int64_t m = a % n;
    return m < 0 ? m + n : m;
}

/* Where output index i of an axis comes from; -1: the constant. Negative pads crop first; [low, high) is what is left. */
static int64_t pad_source(enum pad_mode mode, int64_t i, int64_t low, int64_t high)
{
    int64_t n = high - low, at = i - low;
    if (at >= 0 && at < n) return i;
    switch (mode) {
    case PAD_CONSTANT: return -1;
    case PAD_EDGE: return at < 0 ? low : high - 1;
    case PAD_WRAP: return low + modulo(at, n);
    case PAD_REFLECT:
        if (n == 1) return low;
        at = modulo(at, 2 * (n - 1));
        return low + (at < n ? at : 2 * (n - 1) - at);
    }
    return -1;
}

static enum pln_status pad_maps(struct pln_call *call, const struct pln_tensor *in, enum pad_mode mode, const int64_t *begin, const int64_t *end,
                                const int64_t *dims, int64_t **maps)
{
    for (int d = 0; d < in->rank; d++) {
        int64_t low = PLN_MAX(-begin[d], 0), high = in->dims[d] + PLN_MIN(end[d], 0);
        void *memory;
        if (mode != PAD_CONSTANT && low >= high) {
            return pln_call_fail(call, PLN_BAD_MODEL, "axis %d is empty; there is nothing to repeat", d);
        }
        PLN_TRY(pln_call_scratch(call, (size_t)PLN_MAX(dims[d], 1), sizeof(int64_t), &memory));
        maps[d] = memory;
        for (int64_t i = 0; i < dims[d]; i++) maps[d][i] = pad_source(mode, i - begin[d], low, high);
    }
    return PLN_OK;
}

enum pln_status pln_ref_pad(struct pln_call *call)
{
    struct pln_elems in, out, value;
    enum pad_mode mode = PAD_CONSTANT;
    const int64_t *pads, *axes_in;
    int64_t n, n_axes_in, begin[PLN_MAX_RANK] = { 0 }, end[PLN_MAX_RANK] = { 0 }, dims[PLN_MAX_RANK];
    int64_t *maps[PLN_MAX_RANK];
    int axes[PLN_MAX_RANK], n_axes;
    PLN_TRY(pad_mode(call, &mode));
    PLN_TRY(pln_elems_in(call, 0, &in));
    PLN_TRY(pln_call_ints(call, 1, &pads, &n));
    PLN_TRY(pln_call_ints(call, 3, &axes_in, &n_axes_in));
    PLN_TRY(pln_elems_axes(call, n_axes_in >= 0 ? axes_in : NULL, n_axes_in, in.tensor.rank, axes, &n_axes));
    if (n != 2 * n_axes) return pln_call_fail(call, PLN_BAD_MODEL, "%lld pads for %d axes", (long long)n, n_axes);
    for (int i = 0; i < n_axes; i++) {
        if (pads[i] < -INT64_MAX / 4 || pads[n_axes + i] < -INT64_MAX / 4) return pln_call_fail(call, PLN_BAD_MODEL, "a pad is out of range");
        begin[axes[i]] = pads[i];
        end[axes[i]] = pads[n_axes + i];
    }
    int64_t count;
    for (int d = 0; d < in.tensor.rank; d++) {
        if (!pln_add_i64(in.tensor.dims[d], begin[d], &dims[d]) || !pln_add_i64(dims[d], end[d], &dims[d])) dims[d] = -1;
    }
    if (!pln_shape_count(in.tensor.rank, dims, &count)) return pln_call_fail(call, PLN_BAD_MODEL, "the padded shape is negative or too large");
    PLN_TRY(pln_elems_out(call, 0, in.tensor.dtype, in.tensor.rank, dims, &out));
    if (out.count == 0) return PLN_OK;
    PLN_TRY(pad_maps(call, &in.tensor, mode, begin, end, dims, maps));
    if (mode == PAD_CONSTANT && pln_call_has(call, 2)) {
        PLN_TRY(pln_elems_in(call, 2, &value));
        if (value.count != 1 || value.tensor.dtype != in.tensor.dtype) return pln_call_fail(call, PLN_BAD_MODEL, "constant_value is no scalar of the input's type");
        pln_elems_fill(&out, 0, out.count, value.data);
    }
    pln_elems_copy_mapped(in.tensor.rank, dims, out.data, in.tensor.dims, in.data, maps, in.unit_bytes);
    return pln_elems_finish(call, 0, &out);
}
