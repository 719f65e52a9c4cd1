/* Sparse tensors become dense ones: no operator of ONNX but Constant gives a sparse value to another. */
#include "onnx/tensor_data.h"

struct scatter {
    const struct pln_tensor *values, *indices;
    struct pln_tensor *dense;
    const char *name;
};

/* Place of value i in the dense tensor; -1: outside. */
static int64_t place_of(const struct scatter *s, int64_t i)
{
    const int64_t *index = s->indices->data;
    int64_t place = 0;
    if (s->indices->rank == 1) {
        place = index[i];
        return place >= 0 && place < pln_tensor_count(s->dense) ? place : -1;
    }
    index += i * s->dense->rank;
    for (int d = 0; d < s->dense->rank; d++) {
        if (index[d] < 0 || index[d] >= s->dense->dims[d]) return -1;
        place = place * s->dense->dims[d] + index[d];
    }
    return place;
}

static void set_element(const struct scatter *s, int64_t place, int64_t i)
{
    int bits = pln_dtype_bits(s->dense->dtype);
    uint8_t *to = s->dense->data;
    const uint8_t *from = s->values->data;
    if (bits >= 8) {
        size_t size = (size_t)bits / 8;
        memcpy(to + (size_t)place * size, from + (size_t)i * size, size);
        return;
    }
    int in_byte = 8 / bits, shift = (int)(place % in_byte) * bits;
    int mask = (1 << bits) - 1, value = from[i / in_byte] >> (i % in_byte * bits) & mask;
    to[place / in_byte] = (uint8_t)((to[place / in_byte] & ~(mask << shift)) | value << shift);
}

static enum pln_status check_parts(const struct scatter *s, struct pln_diag *diag)
{
    int64_t nnz = pln_tensor_count(s->values);
    const struct pln_tensor *indices = s->indices;
    if (s->values->rank != 1)
        return pln_fail(diag, PLN_BAD_MODEL, "sparse tensor '%s': its values are not a vector", s->name);
    if (indices->dtype != PLN_I64)
        return pln_fail(diag, PLN_BAD_MODEL, "sparse tensor '%s': its indices are not INT64", s->name);
    bool linear = indices->rank == 1 && indices->dims[0] == nnz;
    bool tuples = indices->rank == 2 && indices->dims[0] == nnz && indices->dims[1] == s->dense->rank;
    if (!linear && !tuples)
        return pln_fail(diag, PLN_BAD_MODEL, "sparse tensor '%s': its indices do not fit %lld values and %d dimensions",
                        s->name, (long long)nnz, (int)s->dense->rank);
    return PLN_OK;
}

static enum pln_status allocate_dense(const char *name, struct pln_arena *arena, struct pln_diag *diag,
                                      struct pln_tensor *dense)
{
    static const struct pln_string empty = { "", 0 };
    size_t size_bytes = pln_tensor_bytes(dense);
    if (size_bytes > PLN_ONNX_MAX_DENSE_BYTES)
        return pln_fail(diag, PLN_UNSUPPORTED, "sparse tensor '%s': its dense form has %zu bytes, the most is %zu",
                        name, size_bytes, PLN_ONNX_MAX_DENSE_BYTES);
    if (size_bytes == 0) return PLN_OK;
    dense->data = pln_arena_alloc(arena, size_bytes);
    if (!dense->data) return pln_fail_memory(diag, name, size_bytes);
    if (dense->dtype != PLN_STR) return PLN_OK;
    for (int64_t i = 0; i < pln_tensor_count(dense); i++) ((struct pln_string *)dense->data)[i] = empty;
    return PLN_OK;
}

enum pln_status pln_onnx_sparse_tensor_load(const struct pln_onnx_sparse_tensor *sparse,
                                            struct pln_onnx_externals *externals, struct pln_arena *arena,
                                            struct pln_diag *diag, struct pln_tensor *out_tensor)
{
    struct pln_tensor values, indices;
    struct pln_onnx_tensor shape = { 0 };
    memset(out_tensor, 0, sizeof *out_tensor);
    if (!sparse->values || !sparse->indices)
        return pln_fail(diag, PLN_BAD_MODEL, "sparse tensor '%s': its %s are missing",
                        sparse->values ? sparse->values->name : "", sparse->values ? "indices" : "values");
    shape.name = sparse->values->name;
    shape.data_type = sparse->values->data_type;
    shape.dims.items = sparse->dims.items;
    shape.dims.count = sparse->dims.count;
    PLN_TRY(pln_onnx_tensor_header(&shape, diag, out_tensor));
    PLN_TRY(pln_onnx_tensor_load(sparse->values, externals, arena, diag, &values));
    PLN_TRY(pln_onnx_tensor_load(sparse->indices, externals, arena, diag, &indices));
    struct scatter s = { &values, &indices, out_tensor, shape.name };
    PLN_TRY(check_parts(&s, diag));
    PLN_TRY(allocate_dense(shape.name, arena, diag, out_tensor));
    for (int64_t i = 0; i < values.dims[0]; i++) {
        int64_t place = place_of(&s, i);
        if (place < 0)
            return pln_fail(diag, PLN_BAD_MODEL, "sparse tensor '%s': index %lld is outside the shape", shape.name,
                            (long long)i);
        set_element(&s, place, i);
    }
    return PLN_OK;
}
