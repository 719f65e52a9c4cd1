/* com.microsoft: caches of keys and values in few bits, as GroupQueryAttention has them. */
#include "onnx/ms.h"

/* The numbers of 4 bits from -8 to 7 in bytes that hold two of them, the first in the low bits, each with 8 added. */
static uint32_t pack(struct pln_emit *emit, uint32_t x)
{
    uint32_t two = pln_emit_const_int(emit, 2), halves = pln_emit_ew2(emit, PLN_EW_DIV, pln_emit_dim(emit, x, 3), two);
    uint32_t bytes = pln_emit_cast(emit, pln_ms_add(emit, x, pln_emit_const_like(emit, x, 8)), PLN_U8);
    uint32_t pairs = pln_emit_reshape_as(emit, bytes, pln_emit_concat(emit, (uint32_t[]){ pln_emit_shape_part(emit, x, 0, 3), halves, two }, 3, 0));
    uint32_t low = pln_emit_gather(emit, pairs, pln_emit_const_index(emit, 0), 4), high = pln_emit_gather(emit, pairs, pln_emit_const_index(emit, 1), 4);
    return pln_emit_ew2(emit, PLN_EW_BIT_OR, low, pln_emit_ew2(emit, PLN_EW_SHIFT_LEFT, high, pln_emit_const_like(emit, high, 4)));
}

static uint32_t unpack(struct pln_emit *emit, uint32_t x)
{
    uint32_t low = pln_emit_ew2(emit, PLN_EW_BIT_AND, x, pln_emit_const_like(emit, x, 15)), high = pln_emit_ew2(emit, PLN_EW_SHIFT_RIGHT, x, pln_emit_const_like(emit, x, 4));
    uint32_t pairs = pln_emit_concat(emit, (uint32_t[]){ pln_emit_unsqueeze_at(emit, low, 4), pln_emit_unsqueeze_at(emit, high, 4) }, 2, 4);
    uint32_t width = pln_ms_mul(emit, pln_emit_dim(emit, x, 3), pln_emit_const_int(emit, 2));
    uint32_t numbers = pln_emit_reshape_as(emit, pairs, pln_emit_concat(emit, (uint32_t[]){ pln_emit_shape_part(emit, x, 0, 3), width }, 2, 0));
    uint32_t y = pln_emit_cast(emit, numbers, PLN_F32);
    return pln_emit_ew2(emit, PLN_EW_SUB, y, pln_emit_const_like(emit, y, 8));
}

static uint32_t clip(struct pln_emit *emit, uint32_t x, double low, double high)
{
    return pln_emit_ew3(emit, PLN_EW_CLIP, x, pln_emit_const_like(emit, x, low), pln_emit_const_like(emit, x, high));
}

uint32_t pln_ms_cache_store(struct pln_emit *emit, uint32_t x, uint32_t scale, enum pln_dtype dtype)
{
    x = pln_emit_ew2(emit, PLN_EW_DIV, pln_ms_wide(emit, x), scale);
    if (dtype == PLN_F8E4M3FN) return pln_emit_cast(emit, clip(emit, x, -448, 448), dtype);
    x = pln_emit_ew1(emit, PLN_EW_ROUND, x);
    if (dtype == PLN_U8) return pack(emit, clip(emit, x, -8, 7));
    return pln_emit_cast(emit, clip(emit, x, -128, 127), dtype);
}

uint32_t pln_ms_cache_load(struct pln_emit *emit, uint32_t x, uint32_t scale, enum pln_dtype dtype)
{
    uint32_t numbers = pln_emit_dtype(emit, x) == PLN_U8 ? unpack(emit, x) : pln_emit_cast(emit, x, PLN_F32);
    return pln_emit_cast(emit, pln_ms_mul(emit, numbers, scale), dtype);
}
