/* ScatterElements, ScatterND, TensorScatter: a copy of data, written at indices that are data. */
#include "backend/ref/elems.h"
#include "tensor/convert.h"

enum reduction { REDUCTION_NONE, REDUCTION_ADD, REDUCTION_MUL, REDUCTION_MAX, REDUCTION_MIN };

/* data, indices and updates of a scatter, with data copied to the output. */
struct scatter {
    struct pln_elems out, updates;
    const struct pln_tensor *at;
    const int64_t *indices;
    enum reduction reduction;
};

static enum pln_status parse_reduction(struct pln_call *call, enum pln_dtype dtype, enum reduction *out_reduction)
{
    static const char *const names[] = { "none", "add", "mul", "max", "min" };
    const char *text = pln_attrs_string(call->attrs, "reduction", "none");
    for (int i = 0; i < (int)PLN_COUNT_OF(names); i++) {
        if (strcmp(text, names[i]) != 0) continue;
        *out_reduction = (enum reduction)i;
        bool ordered = *out_reduction == REDUCTION_MAX || *out_reduction == REDUCTION_MIN;
        if (i == 0 || (dtype != PLN_STR && !(ordered && pln_dtype_is_complex(dtype)))) return PLN_OK;
        return pln_call_fail(call, PLN_UNSUPPORTED, "reduction '%s' of %s", text, pln_dtype_name(dtype));
    }
    return pln_call_fail(call, PLN_BAD_MODEL, "unknown reduction '%s'", text);
}

static enum pln_status scatter_open(struct pln_call *call, struct scatter *s)
{
    struct pln_elems in;
    int64_t n;
    PLN_TRY(pln_elems_in(call, 0, &in));
    PLN_TRY(pln_call_need(call, 1, &s->at));
    PLN_TRY(pln_elems_ints(call, 1, &s->indices, &n));
    PLN_TRY(pln_elems_in(call, 2, &s->updates));
    if (s->updates.tensor.dtype != in.tensor.dtype) return pln_call_fail(call, PLN_BAD_MODEL, "data and updates differ in type");
    PLN_TRY(parse_reduction(call, in.tensor.dtype, &s->reduction));
    PLN_TRY(pln_elems_out(call, 0, in.tensor.dtype, in.tensor.rank, in.tensor.dims, &s->out));
    if (in.count > 0) memcpy(s->out.data, in.data, (size_t)in.count * in.unit_bytes);
    return PLN_OK;
}

static int64_t combine_i64(enum reduction reduction, int64_t a, int64_t b, bool is_unsigned)
{
    bool less = is_unsigned ? (uint64_t)a < (uint64_t)b : a < b;
    switch (reduction) {
    case REDUCTION_NONE: return b;
    case REDUCTION_ADD: return (int64_t)((uint64_t)a + (uint64_t)b);
    case REDUCTION_MUL: return (int64_t)((uint64_t)a * (uint64_t)b);
    case REDUCTION_MAX: return less ? b : a;
    case REDUCTION_MIN: return less ? a : b;
    }
    return b;
}

/* Sums and products of two floats of at most 24 bits round the same way through double. */
static double combine_f64(enum reduction reduction, double a, double b)
{
    switch (reduction) {
    case REDUCTION_NONE: return b;
    case REDUCTION_ADD: return a + b;
    case REDUCTION_MUL: return a * b;
    case REDUCTION_MAX: return a < b || b != b ? b : a;
    case REDUCTION_MIN: return b < a || b != b ? b : a;
    }
    return b;
}

/* Of complex numbers, sums and products only. */
static void combine_complex(enum reduction reduction, enum pln_dtype part, void *out, const void *in)
{
    double a = pln_load_f64(part, out, 0), b = pln_load_f64(part, out, 1), c = pln_load_f64(part, in, 0), d = pln_load_f64(part, in, 1);
    bool product = reduction == REDUCTION_MUL;
    pln_store_f64(part, out, 0, product ? a * c - b * d : a + c, true);
    pln_store_f64(part, out, 1, product ? a * d + b * c : b + d, true);
}

/* out[to] = combine(out[to], updates[from]) for n units. Types below a byte are units of one byte whose value load and store see as
 * element 0 of that byte. */
static void put(struct scatter *s, int64_t to, int64_t from, int64_t n)
{
    size_t unit = s->out.unit_bytes;
    enum pln_dtype dtype = s->out.tensor.dtype;
    char *out = s->out.data + (size_t)to * unit;
    const char *in = s->updates.data + (size_t)from * unit;
    if (s->reduction == REDUCTION_NONE) {
        memcpy(out, in, (size_t)n * unit);
        return;
    }
    for (int64_t i = 0; i < n; i++, out += unit, in += unit) {
        if (pln_dtype_is_complex(dtype)) {
            combine_complex(s->reduction, pln_dtype_part(dtype), out, in);
            continue;
        }
        if (pln_dtype_is_float(dtype)) {
            double value = combine_f64(s->reduction, pln_load_f64(dtype, out, 0), pln_load_f64(dtype, in, 0));
            pln_store_f64(dtype, out, 0, value, true);
            continue;
        }
        int64_t value = combine_i64(s->reduction, pln_load_i64(dtype, out, 0), pln_load_i64(dtype, in, 0), dtype == PLN_U64);
        pln_store_i64(dtype, out, 0, dtype == PLN_BOOL ? value != 0 : value);
    }
}

static enum pln_status resolve(struct pln_call *call, int64_t index, int64_t extent, int64_t *out_index)
{
    *out_index = index < 0 ? index + extent : index;
    if (index >= -extent && index < extent) return PLN_OK;
    return pln_call_fail(call, PLN_INVALID_ARGUMENT, "index %lld is outside an axis of extent %lld", (long long)index, (long long)extent);
}

enum pln_status pln_ref_scatter_elements(struct pln_call *call)
{
    struct scatter s;
    int64_t index[PLN_MAX_RANK] = { 0 };
    int axis;
    PLN_TRY(scatter_open(call, &s));
    const struct pln_tensor *out = &s.out.tensor;
    PLN_TRY(pln_elems_axis(call, pln_attrs_int(call->attrs, "axis", 0), out->rank, &axis));
    bool fits = s.at->rank == out->rank && pln_tensor_same_shape(s.at, &s.updates.tensor);
    for (int d = 0; fits && d < out->rank; d++) fits = d == axis || s.at->dims[d] <= out->dims[d];
    if (!fits) return pln_call_fail(call, PLN_BAD_MODEL, "the shapes of indices and updates differ, or lie outside that of data");
    for (int64_t i = 0; i < s.updates.count; i++) {
        int64_t to = 0, along;
        PLN_TRY(resolve(call, s.indices[i], out->dims[axis], &along));
        for (int d = 0; d < out->rank; d++) to += (d == axis ? along : index[d]) * out->strides[d];
        put(&s, to, i, 1);
        for (int d = out->rank - 1; d >= 0 && ++index[d] == s.at->dims[d]; d--) index[d] = 0;
    }
    return pln_elems_finish(call, 0, &s.out);
}

enum pln_status pln_ref_scatter_nd(struct pln_call *call)
{
    struct scatter s;
    PLN_TRY(scatter_open(call, &s));
    const struct pln_tensor *out = &s.out.tensor, *updates = &s.updates.tensor;
    if (s.at->rank < 1) return pln_call_fail(call, PLN_BAD_MODEL, "indices is a scalar");
    int lead = s.at->rank - 1;
    int64_t depth = s.at->dims[lead];
    bool fits = depth <= out->rank && updates->rank == lead + out->rank - (int)depth;
    for (int d = 0; fits && d < lead; d++) fits = updates->dims[d] == s.at->dims[d];
    for (int d = lead; fits && d < updates->rank; d++) fits = updates->dims[d] == out->dims[d - lead + depth];
    if (!fits) return pln_call_fail(call, PLN_BAD_MODEL, "the shapes of data, indices and updates do not fit");
    if (s.updates.count == 0) return pln_elems_finish(call, 0, &s.out);
    int64_t places = pln_elems_product(s.at->dims, 0, lead), block = pln_elems_product(out->dims, (int)depth, out->rank);
    for (int64_t p = 0; p < places; p++) {
        int64_t to = 0;
        for (int64_t k = 0; k < depth; k++) {
            int64_t along;
            PLN_TRY(resolve(call, s.indices[p * depth + k], out->dims[k], &along));
            to += along * out->strides[k];
        }
        put(&s, to, p * block, block);
    }
    return pln_elems_finish(call, 0, &s.out);
}

enum pln_status pln_ref_tensor_scatter(struct pln_call *call)
{
    struct pln_elems in, update, out;
    const int64_t *indices;
    int64_t n;
    int axis;
    bool circular = strcmp(pln_attrs_string(call->attrs, "mode", "linear"), "circular") == 0;
    PLN_TRY(pln_elems_in(call, 0, &in));
    PLN_TRY(pln_elems_in(call, 1, &update));
    PLN_TRY(pln_call_ints(call, 2, &indices, &n));
    int rank = in.tensor.rank;
    PLN_TRY(pln_elems_axis(call, pln_attrs_int(call->attrs, "axis", -2), rank, &axis));
    bool fits = axis > 0 && update.tensor.rank == rank && update.tensor.dtype == in.tensor.dtype && (n < 0 || n == in.tensor.dims[0]);
    for (int d = 0; fits && d < rank; d++) fits = d == axis ? update.tensor.dims[d] <= in.tensor.dims[d] : update.tensor.dims[d] == in.tensor.dims[d];
    if (!fits) return pln_call_fail(call, PLN_BAD_MODEL, "the shapes of past_cache, update and write_indices do not fit");
    PLN_TRY(pln_elems_out(call, 0, in.tensor.dtype, rank, in.tensor.dims, &out));
    if (out.count == 0) return PLN_OK;
    memcpy(out.data, in.data, (size_t)in.count * in.unit_bytes);
    int64_t extent = in.tensor.dims[axis], length = update.tensor.dims[axis], outer = pln_elems_product(in.tensor.dims, 0, axis);
    size_t block = (size_t)in.tensor.strides[axis] * in.unit_bytes;
    for (int64_t o = 0; o < outer; o++) {
        int64_t first = n < 0 ? 0 : indices[o / (outer / in.tensor.dims[0])];
        if (first < 0 || (!circular && first > extent - length)) {
            return pln_call_fail(call, PLN_INVALID_ARGUMENT, "write index %lld and %lld rows in a cache of %lld", (long long)first, (long long)length,
                                 (long long)extent);
        }
        for (int64_t i = 0; i < length; i++) {
            int64_t at = (first % extent + i) % extent;
            if (!circular) at = first + i;
            memcpy(out.data + (size_t)(o * extent + at) * block, update.data + (size_t)(o * length + i) * block, block);
        }
    }
    return pln_elems_finish(call, 0, &out);
}
