/* Ops that make elements: Range, ConstantOfShape, NonZero. */
#include <math.h>

#include "backend/ref/elems.h"
#include "kernel/window.h"
#include "tensor/convert.h"

/* Most elements of a Range: more would only be a way to fill memory by a forged scalar. */
static const int64_t range_max = (int64_t)1 << 40;

static enum pln_status range_int(struct pln_call *call, enum pln_dtype dtype, const struct pln_tensor *const *parts)
{
    int64_t start = pln_load_i64(dtype, parts[0]->data, 0), limit = pln_load_i64(dtype, parts[1]->data, 0);
    int64_t delta = pln_load_i64(dtype, parts[2]->data, 0), n = 0;
    struct pln_tensor out;
    if (delta == 0) return pln_call_fail(call, PLN_INVALID_ARGUMENT, "delta is 0");
    if (delta > 0 ? limit > start : limit < start) {
        uint64_t span = delta > 0 ? (uint64_t)limit - (uint64_t)start : (uint64_t)start - (uint64_t)limit;
        uint64_t step = delta > 0 ? (uint64_t)delta : 0 - (uint64_t)delta;
        uint64_t count = (span - 1) / step + 1;
        if (count > (uint64_t)range_max) return pln_call_fail(call, PLN_INVALID_ARGUMENT, "too many elements");
        n = (int64_t)count;
    }
    PLN_TRY(pln_call_out(call, 0, dtype, 1, &n, &out));
    for (int64_t i = 0; i < n; i++) pln_store_i64(dtype, out.data, i, (int64_t)((uint64_t)start + (uint64_t)i * (uint64_t)delta));
    return PLN_OK;
}

static enum pln_status range_float(struct pln_call *call, enum pln_dtype dtype, const struct pln_tensor *const *parts)
{
    double start = pln_load_f64(dtype, parts[0]->data, 0), limit = pln_load_f64(dtype, parts[1]->data, 0);
    double delta = pln_load_f64(dtype, parts[2]->data, 0);
    struct pln_tensor out;
    /* In the arithmetic of the type (half types in f32), as the operator's text has it. */
    double span = dtype == PLN_F64 ? limit - start : (double)((float)limit - (float)start);
    double count = ceil(dtype == PLN_F64 ? span / delta : (double)((float)span / (float)delta));
    if (!(count <= (double)range_max)) return pln_call_fail(call, PLN_INVALID_ARGUMENT, "start, limit and delta give no finite range");
    int64_t n = count > 0 ? (int64_t)count : 0;
    PLN_TRY(pln_call_out(call, 0, dtype, 1, &n, &out));
    for (int64_t i = 0; i < n; i++) {
        float step = (float)i * (float)delta;
        pln_store_f64(dtype, out.data, i, dtype == PLN_F64 ? start + (double)i * delta : (double)((float)start + step), false);
    }
    return PLN_OK;
}

enum pln_status pln_ref_range(struct pln_call *call)
{
    const struct pln_tensor *parts[3];
    for (int i = 0; i < 3; i++) {
        PLN_TRY(pln_call_need(call, i, &parts[i]));
        if (pln_tensor_count(parts[i]) != 1 || parts[i]->dtype != parts[0]->dtype) {
            return pln_call_fail(call, PLN_BAD_MODEL, "start, limit and delta are not scalars of one type");
        }
    }
    enum pln_dtype dtype = parts[0]->dtype;
    if (pln_dtype_is_integer(dtype)) return range_int(call, dtype, parts);
    if (pln_dtype_is_float(dtype)) return range_float(call, dtype, parts);
    return pln_call_fail(call, PLN_BAD_MODEL, "no range of %s", pln_dtype_name(dtype));
}

enum pln_status pln_ref_constant_of_shape(struct pln_call *call)
{
    const int64_t *shape;
    int64_t n;
    struct pln_elems out, value;
    const struct pln_attr *attr = pln_attrs_find(call->attrs, "value");
    PLN_TRY(pln_call_ints(call, 0, &shape, &n));
    if (n < 0 || n > PLN_MAX_RANK) return pln_call_fail(call, PLN_BAD_MODEL, "a shape of %lld dims", (long long)n);
    if (!attr || attr->kind != PLN_ATTR_TENSOR) {
        PLN_TRY(pln_elems_out(call, 0, PLN_F32, (int)n, shape, &out));
        return pln_elems_finish(call, 0, &out);
    }
    if (pln_tensor_count(attr->u.tensor) != 1) return pln_call_fail(call, PLN_BAD_MODEL, "value has more or less than one element");
    PLN_TRY(pln_elems_view(call, attr->u.tensor, &value));
    PLN_TRY(pln_elems_out(call, 0, attr->u.tensor->dtype, (int)n, shape, &out));
    pln_elems_fill(&out, 0, out.count, value.data);
    return pln_elems_finish(call, 0, &out);
}

static bool is_zero(const struct pln_elems *in, int64_t i)
{
    static const char zeros[16];
    enum pln_dtype dtype = in->tensor.dtype;
    const char *unit = in->data + (size_t)i * in->unit_bytes;
    if (dtype == PLN_STR) return ((const struct pln_string *)(const void *)unit)->size_bytes == 0;
    if (pln_dtype_is_float(dtype)) return pln_load_f64(dtype, unit, 0) == 0.0; /* minus zero is zero, NaN is not */
    if (dtype == PLN_C64) return pln_load_f64(PLN_F32, unit, 0) == 0.0 && pln_load_f64(PLN_F32, unit, 1) == 0.0;
    if (dtype == PLN_C128) return pln_load_f64(PLN_F64, unit, 0) == 0.0 && pln_load_f64(PLN_F64, unit, 1) == 0.0;
    return memcmp(unit, zeros, in->unit_bytes) == 0;
}

/* Elements that are looked at together: of the common types by loops that compilers turn into vectors. */
#define MARKS 256

#define MARK_AS(type)                                                \
    {                                                                \
        const type *x = (const type *)(const void *)in->data + from; \
        for (int64_t i = 0; i < n; i++) marks[i] = x[i] != 0;        \
        return;                                                      \
    }

/* marks[i]: element from + i is not zero. */
static void mark(const struct pln_elems *in, int64_t from, int64_t n, uint8_t *marks)
{
    const enum pln_dtype dtype = in->tensor.dtype;
    if (dtype == PLN_BOOL || dtype == PLN_U8 || dtype == PLN_I8) MARK_AS(uint8_t)
    if (dtype == PLN_F32) MARK_AS(float)
    if (dtype == PLN_I32) MARK_AS(int32_t)
    if (dtype == PLN_I64) MARK_AS(int64_t)
    for (int64_t i = 0; i < n; i++) marks[i] = !is_zero(in, from + i);
}

/* Places of the elements of one row that are not zero, behind the `at` that were found before; to: [rank, found]. Returns how many there are by now. A place
 * is written before it is known to be one: nothing is foreseen of masks. */
static int64_t put_row(const struct pln_elems *in, int64_t from, const int64_t *index, int64_t *to, int64_t found, int64_t at)
{
    const int last = in->tensor.rank - 1;
    const int64_t n = last < 0 ? 1 : in->tensor.dims[last];
    uint8_t marks[MARKS];
    for (int64_t i = 0; i < n; i += MARKS) {
        const int64_t count = PLN_MIN(n - i, (int64_t)MARKS);
        mark(in, from + i, count, marks);
        for (int64_t k = 0; k < count && at < found; k++) {
            for (int d = 0; d < last; d++) to[d * found + at] = index[d];
            if (last >= 0) to[last * found + at] = i + k;
            at += marks[k];
        }
    }
    return at;
}

enum pln_status pln_ref_non_zero(struct pln_call *call)
{
    struct pln_elems in;
    struct pln_tensor out;
    uint8_t marks[MARKS];
    int64_t found = 0, at = 0, index[PLN_MAX_RANK] = { 0 };
    PLN_TRY(pln_elems_in(call, 0, &in));
    for (int64_t i = 0; i < in.count; i += MARKS) {
        const int64_t n = PLN_MIN(in.count - i, (int64_t)MARKS);
        mark(&in, i, n, marks);
        for (int64_t k = 0; k < n; k++) found += marks[k];
    }
    int64_t dims[2] = { in.tensor.rank, found };
    PLN_TRY(pln_call_out(call, 0, PLN_I64, 2, dims, &out));
    const int64_t row = in.tensor.rank == 0 ? 1 : in.tensor.dims[in.tensor.rank - 1];
    for (int64_t i = 0; i < in.count && at < found; i += row) {
        at = put_row(&in, i, index, out.data, found, at);
        (void)pln_index_step(in.tensor.rank - 1, index, in.tensor.dims);
    }
    return PLN_OK;
}
