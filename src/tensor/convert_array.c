/* pln_convert: blocks through a pivot, or straight where one side is the pivot. */
#include "tensor/convert_blocks.h"

#define BLOCK PLN_CONVERT_BLOCK

static void cast_f32(const struct pln_cast *cast, const void *from, void *to, int64_t count)
{
    float block[BLOCK];
    for (int64_t first = 0; first < count; first += BLOCK) {
        int64_t n = PLN_MIN(BLOCK, count - first);
        if (cast->from == PLN_F32) {
            pln_block_store_f32(cast, to, first, n, (const float *)from + first);
        } else if (cast->to == PLN_F32) {
            pln_block_load_f32(cast, from, first, n, (float *)to + first);
        } else {
            pln_block_load_f32(cast, from, first, n, block);
            pln_block_store_f32(cast, to, first, n, block);
        }
    }
}

static void cast_f64(const struct pln_cast *cast, const void *from, void *to, int64_t count)
{
    double block[BLOCK];
    for (int64_t first = 0; first < count; first += BLOCK) {
        int64_t n = PLN_MIN(BLOCK, count - first);
        if (cast->from == PLN_F64) {
            pln_block_store_f64(cast, to, first, n, (const double *)from + first);
        } else {
            pln_block_load_f64(cast, from, first, n, block);
            pln_block_store_f64(cast, to, first, n, block);
        }
    }
}

static void cast_i64(const struct pln_cast *cast, const void *from, void *to, int64_t count)
{
    int64_t block[BLOCK];
    for (int64_t first = 0; first < count; first += BLOCK) {
        int64_t n = PLN_MIN(BLOCK, count - first);
        if (cast->from == PLN_I64 || cast->from == PLN_U64) {
            pln_block_store_i64(cast, to, first, n, (const int64_t *)from + first);
        } else if (cast->to == PLN_I64 || cast->to == PLN_U64) {
            pln_block_load_i64(cast, from, first, n, (int64_t *)to + first);
        } else {
            pln_block_load_i64(cast, from, first, n, block);
            pln_block_store_i64(cast, to, first, n, block);
        }
    }
}

static void cast_complex(enum pln_dtype from_dtype, const void *from, void *to, int64_t count)
{
    const float *narrow_in = from;
    const double *wide_in = from;
    float *narrow_out = to;
    double *wide_out = to;
    for (int64_t i = 0; i < 2 * count; i++) {
        if (from_dtype == PLN_C64) {
            wide_out[i] = (double)narrow_in[i];
        } else {
            narrow_out[i] = (float)wide_in[i];
        }
    }
}

static void cast_numbers(struct pln_cast *cast, const void *from, void *to, int64_t count)
{
    float table[256];
    bool eight_bits = pln_dtype_is_float(cast->from) && pln_dtype_bits(cast->from) == 8;
    /* Worth its 256 entries only for arrays that are larger. */
    if (eight_bits && count > 256) {
        for (int i = 0; i < 256; i++) table[i] = (float)pln_load_f64(cast->from, &(uint8_t){ (uint8_t)i }, 0);
        cast->table = table;
    }
    switch (pln_pivot_of(cast->from)) {
    case PLN_PIVOT_F32: cast_f32(cast, from, to, count); break;
    case PLN_PIVOT_F64: cast_f64(cast, from, to, count); break;
    case PLN_PIVOT_I64: cast_i64(cast, from, to, count); break;
    }
    cast->table = NULL;
}

enum pln_status pln_convert(const struct pln_tensor *from, struct pln_tensor *to, bool saturate, int round_mode,
                            struct pln_arena *strings, struct pln_diag *diag)
{
    assert(pln_tensor_is_contiguous(from) && pln_tensor_is_contiguous(to));
    assert(pln_tensor_count(from) == pln_tensor_count(to));
    if (round_mode < PLN_E8M0_UP || round_mode > PLN_E8M0_NEAREST)
        return pln_fail(diag, PLN_INVALID_ARGUMENT, "round_mode %d is none of 0 (up), 1 (down), 2 (nearest)",
                        round_mode);
    struct pln_cast cast = { from->dtype, to->dtype, saturate, (enum pln_e8m0_round)round_mode, NULL };
    int64_t count = pln_tensor_count(from);
    size_t to_bytes = pln_tensor_bytes(to);
    if (count == 0) return PLN_OK;
    if (from->dtype == to->dtype) {
        memcpy(to->data, from->data, to_bytes);
        return PLN_OK;
    }
    if (pln_dtype_bits(to->dtype) < 8) ((uint8_t *)to->data)[to_bytes - 1] = 0; /* bits that belong to no element */
    if (from->dtype == PLN_STR) return pln_convert_from_text(from, to, &cast, diag);
    if (to->dtype == PLN_STR) return pln_convert_to_text(from, to, strings, diag);
    if (pln_dtype_is_complex(from->dtype) && pln_dtype_is_complex(to->dtype)) {
        cast_complex(from->dtype, from->data, to->data, count);
    } else {
        cast_numbers(&cast, from->data, to->data, count);
    }
    return PLN_OK;
}
