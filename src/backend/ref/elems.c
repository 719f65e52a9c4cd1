#include "backend/ref/elems.h"

static bool packed(enum pln_dtype dtype)
{
    return pln_dtype_bits(dtype) < 8;
}

/* Units of types below a byte hold the raw bits in the low end. */
static void unpack(const uint8_t *bytes, int64_t count, int bits, uint8_t *out)
{
    int per_byte = 8 / bits;
    uint8_t mask = (uint8_t)((1 << bits) - 1);
    for (int64_t i = 0; i < count; i++) out[i] = (uint8_t)(bytes[i / per_byte] >> (i % per_byte * bits)) & mask;
}

static void pack(const uint8_t *units, int64_t count, int bits, uint8_t *out)
{
    int per_byte = 8 / bits;
    uint8_t mask = (uint8_t)((1 << bits) - 1);
    memset(out, 0, (size_t)((count + per_byte - 1) / per_byte));
    for (int64_t i = 0; i < count; i++) {
        uint8_t *byte = &out[i / per_byte];
        *byte = (uint8_t)(*byte | (units[i] & mask) << (i % per_byte * bits));
    }
}

static size_t unit_size(enum pln_dtype dtype)
{
    return packed(dtype) ? 1 : (size_t)pln_dtype_bits(dtype) / 8;
}

enum pln_status pln_elems_view(struct pln_call *call, const struct pln_tensor *tensor, struct pln_elems *out_elems)
{
    *out_elems = (struct pln_elems){ .tensor = *tensor, .data = tensor->data, .unit_bytes = unit_size(tensor->dtype) };
    out_elems->count = pln_tensor_count(tensor);
    if (!packed(tensor->dtype) || out_elems->count == 0) return PLN_OK;
    void *units;
    PLN_TRY(pln_call_scratch(call, (size_t)out_elems->count, 1, &units));
    unpack(tensor->data, out_elems->count, pln_dtype_bits(tensor->dtype), units);
    out_elems->data = units;
    return PLN_OK;
}

enum pln_status pln_elems_in(struct pln_call *call, int i, struct pln_elems *out_elems)
{
    const struct pln_tensor *tensor;
    *out_elems = (struct pln_elems){ .count = 0 };
    PLN_TRY(pln_call_need(call, i, &tensor));
    return pln_elems_view(call, tensor, out_elems);
}

enum pln_status pln_elems_out(struct pln_call *call, int i, enum pln_dtype dtype, int rank, const int64_t *dims, struct pln_elems *out_elems)
{
    *out_elems = (struct pln_elems){ .unit_bytes = unit_size(dtype) };
    PLN_TRY(pln_call_out(call, i, dtype, rank, dims, &out_elems->tensor));
    out_elems->data = out_elems->tensor.data;
    out_elems->count = pln_tensor_count(&out_elems->tensor);
    if (packed(dtype)) {
        void *units;
        PLN_TRY(pln_call_scratch(call, (size_t)PLN_MAX(out_elems->count, 1), 1, &units));
        out_elems->data = units;
    } else if (out_elems->count > 0) {
        memset(out_elems->data, 0, (size_t)out_elems->count * out_elems->unit_bytes);
    }
    return PLN_OK;
}

enum pln_status pln_elems_finish(struct pln_call *call, int i, struct pln_elems *elems)
{
    if (elems->count == 0) return PLN_OK;
    if (packed(elems->tensor.dtype)) {
        pack((const uint8_t *)elems->data, elems->count, pln_dtype_bits(elems->tensor.dtype), elems->tensor.data);
    } else if (elems->tensor.dtype == PLN_STR) {
        struct pln_string *strings = (struct pln_string *)elems->tensor.data;
        for (int64_t k = 0; k < elems->count; k++) {
            struct pln_string from = strings[k];
            PLN_TRY(pln_call_string(call, i, from.data, from.size_bytes, &strings[k]));
        }
    }
    return PLN_OK;
}

enum pln_status pln_elems_reshape(struct pln_call *call, const struct pln_tensor *from, int i, int rank, const int64_t *dims)
{
    struct pln_tensor out;
    int64_t count;
    if (!pln_shape_count(rank, dims, &count) || count != pln_tensor_count(from)) {
        return pln_call_fail(call, PLN_BAD_MODEL, "the new shape has another number of elements than the input's %lld",
                             (long long)pln_tensor_count(from));
    }
    PLN_TRY(pln_call_out(call, i, from->dtype, rank, dims, &out));
    if (count == 0) return PLN_OK;
    if (from->dtype != PLN_STR) {
        memcpy(out.data, from->data, pln_tensor_bytes(from));
        return PLN_OK;
    }
    const struct pln_string *strings = (const struct pln_string *)from->data;
    for (int64_t k = 0; k < count; k++) {
        PLN_TRY(pln_call_string(call, i, strings[k].data, strings[k].size_bytes, (struct pln_string *)out.data + k));
    }
    return PLN_OK;
}

static void copy_row(int64_t n, char *out, int64_t out_stride, const char *in, int64_t in_stride, size_t unit_bytes)
{
    if (out_stride == 1 && in_stride == 1) {
        memcpy(out, in, (size_t)n * unit_bytes);
        return;
    }
    int64_t out_step = out_stride * (int64_t)unit_bytes, in_step = in_stride * (int64_t)unit_bytes;
    for (int64_t i = 0; i < n; i++) pln_unit_copy(out + i * out_step, in + i * in_step, unit_bytes);
}

void pln_elems_copy(int rank, const int64_t *dims, char *out, const int64_t *out_strides, const char *in, const int64_t *in_strides,
                    size_t unit_bytes)
{
    int64_t index[PLN_ELEMS_MAX_RANK] = { 0 };
    int64_t unit = (int64_t)unit_bytes, out_at = 0, in_at = 0;
    for (int d = 0; d < rank; d++) {
        if (dims[d] == 0) return;
    }
    if (rank == 0) {
        pln_unit_copy(out, in, unit_bytes);
        return;
    }
    int last = rank - 1;
    for (;;) {
        copy_row(dims[last], out + out_at * unit, out_strides[last], in + in_at * unit, in_strides[last], unit_bytes);
        int d = last - 1;
        for (; d >= 0; d--) {
            out_at += out_strides[d];
            in_at += in_strides[d];
            if (++index[d] < dims[d]) break;
            out_at -= out_strides[d] * dims[d];
            in_at -= in_strides[d] * dims[d];
            index[d] = 0;
        }
        if (d < 0) return;
    }
}

void pln_elems_copy_mapped(int rank, const int64_t *out_dims, char *out, const int64_t *in_dims, const char *in, int64_t *const *maps,
                           size_t unit_bytes)
{
    int64_t index[PLN_MAX_RANK] = { 0 };
    int64_t row = rank > 0 ? out_dims[rank - 1] : 1;
    for (int d = 0; d < rank; d++) {
        if (out_dims[d] == 0) return;
    }
    for (;;) {
        int64_t at = 0;
        bool inside = true;
        for (int d = 0; d < rank - 1; d++) {
            int64_t from = maps[d][index[d]];
            inside = inside && from >= 0;
            at = at * in_dims[d] + from;
        }
        for (int64_t i = 0; inside && i < row; i++) {
            int64_t from = rank > 0 ? maps[rank - 1][i] : 0;
            int64_t unit = rank > 0 ? at * in_dims[rank - 1] + from : 0;
            if (from >= 0) pln_unit_copy(out + i * (int64_t)unit_bytes, in + unit * (int64_t)unit_bytes, unit_bytes);
        }
        out += row * (int64_t)unit_bytes;
        int d = rank - 2;
        while (d >= 0 && ++index[d] == out_dims[d]) index[d--] = 0;
        if (d < 0) return;
    }
}

void pln_elems_fill(struct pln_elems *elems, int64_t first, int64_t n, const void *unit)
{
    for (int64_t i = first; i < first + n; i++) {
        pln_unit_copy(elems->data + i * (int64_t)elems->unit_bytes, unit, elems->unit_bytes);
    }
}

enum pln_status pln_elems_ints(struct pln_call *call, int i, const int64_t **out_ints, int64_t *out_n)
{
    const struct pln_tensor *tensor;
    *out_ints = NULL;
    *out_n = 0;
    PLN_TRY(pln_call_need(call, i, &tensor));
    *out_n = pln_tensor_count(tensor);
    if (tensor->dtype == PLN_I64) {
        *out_ints = tensor->data;
        return PLN_OK;
    }
    if (tensor->dtype != PLN_I32) return pln_call_fail(call, PLN_BAD_MODEL, "input %d has type %s, not i32 or i64", i, pln_dtype_name(tensor->dtype));
    void *memory;
    PLN_TRY(pln_call_scratch(call, (size_t)PLN_MAX(*out_n, 1), sizeof(int64_t), &memory));
    int64_t *ints = memory;
    const int32_t *from = tensor->data;
    for (int64_t k = 0; k < *out_n; k++) ints[k] = from[k];
    *out_ints = ints;
    return PLN_OK;
}

enum pln_status pln_elems_axis(struct pln_call *call, int64_t axis, int rank, int *out_axis)
{
    *out_axis = 0;
    if (!pln_axis_normalize(axis, rank, out_axis)) {
        return pln_call_fail(call, PLN_BAD_MODEL, "axis %lld is outside a tensor of rank %d", (long long)axis, rank);
    }
    return PLN_OK;
}

enum pln_status pln_elems_axes(struct pln_call *call, const int64_t *axes, int64_t n, int rank, int *axes_out, int *out_n)
{
    bool seen[PLN_MAX_RANK] = { false };
    *out_n = 0;
    if (!axes) {
        for (int d = 0; d < rank; d++) axes_out[d] = d;
        *out_n = rank;
        return PLN_OK;
    }
    if (n > rank) return pln_call_fail(call, PLN_BAD_MODEL, "%lld axes for a tensor of rank %d", (long long)n, rank);
    for (int64_t i = 0; i < n; i++) {
        PLN_TRY(pln_elems_axis(call, axes[i], rank, &axes_out[i]));
        if (seen[axes_out[i]]) return pln_call_fail(call, PLN_BAD_MODEL, "axis %lld is given twice", (long long)axes[i]);
        seen[axes_out[i]] = true;
    }
    *out_n = (int)n;
    return PLN_OK;
}

int64_t pln_elems_product(const int64_t *dims, int first, int last)
{
    int64_t product = 1;
    for (int d = first; d < last; d++) {
        if (!pln_mul_i64(product, dims[d], &product)) return 0;
    }
    return product;
}
