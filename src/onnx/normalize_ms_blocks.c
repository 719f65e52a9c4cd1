/* com.microsoft: weights quantized in blocks, MatMulNBits and GatherBlockQuantized; and CropAndResize. */
#include <string.h>

#include "onnx/ms.h"
#include "tensor/convert.h"

/* ---- numbers of 2, 4 and 8 bits in bytes ---- */

static int64_t bits_of(struct pln_emit *emit)
{
    int64_t bits = pln_emit_int(emit, "bits", 4);
    if (bits != 2 && bits != 4 && bits != 8) pln_emit_fail(emit, PLN_BAD_MODEL, "bits is %lld, none of 2, 4, 8", (long long)bits);
    return bits;
}

static int64_t block_size_of(struct pln_emit *emit, int64_t fallback)
{
    int64_t size = pln_emit_int(emit, "block_size", fallback);
    if (size < 16 || size > (int64_t)1 << 30 || (size & (size - 1)) != 0) pln_emit_fail(emit, PLN_BAD_MODEL, "block_size is %lld, no power of two from 16 on", (long long)size);
    return size;
}

/* A constant's bytes taken apart now: a byte for each number, so that no run does it. */
static uint32_t unpack_constant(struct pln_emit *emit, const struct pln_tensor *from, int bits)
{
    struct pln_tensor to;
    int64_t dims[PLN_MAX_RANK], n = pln_tensor_count(from);
    int parts = 8 / bits;
    memcpy(dims, from->dims, (size_t)from->rank * sizeof *dims);
    uint8_t *bytes = n > INT64_MAX / parts ? NULL : pln_arena_array(&emit->graph->arena, (size_t)(n * parts) + 1, 1);
    uint32_t value = PLN_NONE;
    if (bytes) {
        const uint8_t *source = from->data;
        for (int64_t i = 0; i < n; i++)
            for (int p = 0; p < parts; p++) bytes[i * parts + p] = (uint8_t)(source[i] >> (p * bits) & ((1 << bits) - 1));
        dims[from->rank - 1] *= parts;
        pln_tensor_init(&to, PLN_U8, from->rank, dims, bytes);
        value = pln_graph_add_constant(emit->graph, NULL, &to);
    }
    if (value == PLN_NONE) emit->status = pln_fail_memory(emit->diag, "unpacked weights", (size_t)n);
    return value;
}

/* u8[…,c] to u8[…,c*8/bits], lowest bits first. */
static uint32_t unpack(struct pln_emit *emit, uint32_t x, int64_t bits)
{
    if (emit->status != PLN_OK || bits == 8) return x;
    const struct pln_tensor *data = pln_graph_value(emit->graph, x)->data;
    if (data && data->rank > 0 && data->dtype == PLN_U8) return unpack_constant(emit, data, (int)bits);
    uint32_t parts[4] = { PLN_NONE }, n = 0;
    for (int64_t shift = 0; shift < 8; shift += bits) {
        uint32_t part = shift ? pln_emit_ew2(emit, PLN_EW_SHIFT_RIGHT, x, pln_emit_const_like(emit, x, (double)shift)) : x;
        part = pln_emit_ew2(emit, PLN_EW_BIT_AND, part, pln_emit_const_like(emit, x, (1 << bits) - 1));
        parts[n++] = pln_emit_unsqueeze_at(emit, part, -1);
    }
    uint32_t columns = pln_ms_mul(emit, pln_emit_dim(emit, x, -1), pln_emit_const_int(emit, n)), shape = columns;
    if (pln_emit_rank(emit, x) != 1) shape = pln_emit_concat(emit, (uint32_t[]){ pln_emit_shape_part(emit, x, 0, -1), columns }, 2, 0);
    return pln_emit_reshape_as(emit, pln_emit_concat(emit, parts, n, -1), shape);
}

/* ---- MatMulNBits ---- */

struct nbits {
    int64_t n, k, bits, block, blocks;
};

static bool read_nbits(struct pln_emit *emit, struct nbits *out)
{
    *out = (struct nbits){ .n = pln_emit_int(emit, "N", 0), .k = pln_emit_int(emit, "K", 0), .bits = bits_of(emit), .block = block_size_of(emit, 0) };
    if (out->n < 1 || out->k < 1 || out->n > INT32_MAX || out->k > INT32_MAX) pln_emit_fail(emit, PLN_BAD_MODEL, "N is %lld, K is %lld", (long long)out->n, (long long)out->k);
    pln_ms_refuse(emit, "weight_prepacked");
    pln_ms_check_rank(emit, 0, 1, PLN_MAX_RANK);
    pln_ms_check_rank(emit, 5, 1, 1);
    if (emit->status != PLN_OK) return false;
    out->blocks = (out->k + out->block - 1) / out->block;
    return true;
}

/* One zero point a block, in the type of the scales: [n,blocks]. Packed they fill whole bytes of each row. */
static uint32_t zero_points(struct pln_emit *emit, const struct nbits *w, uint32_t zero, enum pln_dtype dtype)
{
    if (zero == PLN_NONE) return pln_emit_const_number(emit, dtype, (double)(1 << (w->bits - 1)));
    if (pln_emit_dtype(emit, zero) != PLN_U8) return pln_emit_cast(emit, pln_emit_reshape_to(emit, zero, (int64_t[]){ w->n, w->blocks }, 2), dtype);
    int64_t bytes = (w->blocks * w->bits + 7) / 8;
    uint32_t numbers = pln_emit_reshape_to(emit, unpack(emit, zero, w->bits), (int64_t[]){ w->n, bytes * 8 / w->bits }, 2);
    return pln_emit_cast(emit, pln_emit_slice_axis(emit, numbers, 1, 0, w->blocks, 1), dtype);
}

/* The weights [n,k] as floats. g_idx tells the block of each k; else they are in order. */
static uint32_t weights(struct pln_emit *emit, const struct nbits *w)
{
    uint32_t scale = pln_emit_need(emit, 2), g_idx = pln_emit_in(emit, 4);
    enum pln_dtype dtype = pln_emit_dtype(emit, scale);
    uint32_t numbers = pln_emit_reshape_to(emit, unpack(emit, pln_emit_need(emit, 1), w->bits), (int64_t[]){ w->n, w->blocks * w->block }, 2);
    uint32_t q = pln_emit_cast(emit, numbers, dtype), zero = zero_points(emit, w, pln_emit_in(emit, 3), dtype);
    scale = pln_emit_reshape_to(emit, scale, (int64_t[]){ w->n, w->blocks }, 2);
    bool each = pln_emit_in(emit, 3) != PLN_NONE;
    if (g_idx != PLN_NONE) {
        pln_ms_check_rank(emit, 4, 1, 1);
        g_idx = pln_emit_slice_axis(emit, g_idx, 0, 0, w->k, 1);
        q = pln_emit_slice_axis(emit, q, 1, 0, w->k, 1);
        scale = pln_emit_gather(emit, scale, g_idx, 1);
        if (each) zero = pln_emit_gather(emit, zero, g_idx, 1);
        return pln_ms_mul(emit, pln_emit_ew2(emit, PLN_EW_SUB, q, zero), scale);
    }
    q = pln_emit_reshape_to(emit, q, (int64_t[]){ w->n, w->blocks, w->block }, 3);
    if (each) zero = pln_emit_unsqueeze_at(emit, zero, 2);
    q = pln_ms_mul(emit, pln_emit_ew2(emit, PLN_EW_SUB, q, zero), pln_emit_unsqueeze_at(emit, scale, 2));
    q = pln_emit_reshape_to(emit, q, (int64_t[]){ w->n, w->blocks * w->block }, 2);
    return w->blocks * w->block == w->k ? q : pln_emit_slice_axis(emit, q, 1, 0, w->k, 1);
}

/* ---- constant weights: DequantizeLinear reads their bits as they are ---- */

static enum pln_dtype dtype_of_bits(int64_t bits)
{
    return bits == 2 ? PLN_U2 : bits == 4 ? PLN_U4 : PLN_U8;
}

/* A constant's bytes as rows of numbers, `stride` of them in the bytes of a row and the first `columns` of them wanted; PLN_NONE: it has another size. The bytes
 * themselves where all are. */
static uint32_t numbers_of(struct pln_emit *emit, const struct pln_tensor *from, int64_t bits, int64_t rows, int64_t stride, int64_t columns)
{
    const enum pln_dtype dtype = dtype_of_bits(bits);
    const int64_t dims[2] = { rows, columns }, bytes = rows * (stride * bits / 8);
    struct pln_tensor to;
    if (from->dtype != PLN_U8 || pln_tensor_count(from) != bytes) return PLN_NONE;
    pln_tensor_init(&to, dtype, 2, dims, from->data);
    if (columns != stride) {
        to.data = pln_arena_array(&emit->graph->arena, pln_tensor_bytes(&to) + 1, 1);
        for (int64_t i = 0; to.data && i < rows * columns; i++) pln_store_i64(dtype, to.data, i, pln_load_i64(dtype, from->data, i / columns * stride + i % columns));
    }
    uint32_t value = to.data ? pln_graph_add_constant(emit->graph, NULL, &to) : PLN_NONE;
    if (value == PLN_NONE) emit->status = pln_fail_memory(emit->diag, "weights", (size_t)bytes);
    return value;
}

/* The middle of the range for every block. */
static uint32_t middle_zeros(struct pln_emit *emit, const struct nbits *w)
{
    const enum pln_dtype dtype = dtype_of_bits(w->bits);
    const int64_t dims[2] = { w->n, w->blocks };
    struct pln_tensor to;
    pln_tensor_init(&to, dtype, 2, dims, NULL);
    to.data = pln_arena_array(&emit->graph->arena, pln_tensor_bytes(&to) + 1, 1);
    for (int64_t i = 0; to.data && i < w->n * w->blocks; i++) pln_store_i64(dtype, to.data, i, 1 << (w->bits - 1));
    uint32_t value = to.data ? pln_graph_add_constant(emit->graph, NULL, &to) : PLN_NONE;
    if (value == PLN_NONE) emit->status = pln_fail_memory(emit->diag, "zero points", (size_t)w->n);
    return value;
}

/* The weights [n,k], dequantized; PLN_NONE: they are not constants in order, of f32. */
static uint32_t constant_weights(struct pln_emit *emit, const struct nbits *w)
{
    const uint32_t b = pln_emit_need(emit, 1), scale = pln_emit_need(emit, 2), zero = pln_emit_in(emit, 3);
    if (emit->status != PLN_OK || pln_emit_in(emit, 4) != PLN_NONE || pln_emit_dtype(emit, scale) != PLN_F32) return PLN_NONE;
    const struct pln_tensor *data = pln_graph_value(emit->graph, b)->data, *zeros = zero == PLN_NONE ? NULL : pln_graph_value(emit->graph, zero)->data;
    if (!data || (zero != PLN_NONE && (!zeros || zeros->dtype != PLN_U8))) return PLN_NONE;
    const int64_t zero_stride = (w->blocks * w->bits + 7) / 8 * 8 / w->bits;
    const uint32_t numbers = numbers_of(emit, data, w->bits, w->n, w->blocks * w->block, w->k);
    const uint32_t points = numbers == PLN_NONE ? PLN_NONE : zeros ? numbers_of(emit, zeros, w->bits, w->n, zero_stride, w->blocks) : middle_zeros(emit, w);
    if (points == PLN_NONE) return PLN_NONE;
    const uint32_t scales = pln_emit_reshape_to(emit, scale, (int64_t[]){ w->n, w->blocks }, 2);
    uint32_t node = pln_emit_begin_named(emit, "DequantizeLinear", (uint32_t[]){ numbers, scales, points }, 3, 1);
    pln_emit_set_int(emit, node, "axis", 1);
    pln_emit_set_int(emit, node, "block_size", w->block);
    return pln_emit_end(emit, node);
}

/* A x ((B - zero) * scale)^T + bias. accuracy_level allows to compute with less; nothing here does. */
void pln_onnx_ms_matmul_nbits(struct pln_emit *emit)
{
    struct nbits w;
    if (!read_nbits(emit, &w)) return;
    uint32_t b = constant_weights(emit, &w);
    if (b == PLN_NONE) b = weights(emit, &w);
    uint32_t y = pln_emit_matmul(emit, pln_emit_need(emit, 0), pln_ms_flip(emit, b));
    pln_emit_bind(emit, 0, pln_ms_add(emit, y, pln_emit_in(emit, 5)));
}

/* ---- GatherBlockQuantized ---- */

/* Rows of x along an axis. Where an index is outside (false in `inside`) some row. */
static uint32_t take(struct pln_emit *emit, uint32_t x, uint32_t indices, int64_t axis)
{
    return x == PLN_NONE ? PLN_NONE : pln_emit_gather(emit, x, indices, axis);
}

struct gathered {
    int rank; /* -1: only the run knows; the axes then may count from the end */
    int64_t gather_axis, quantize_axis;
    int64_t bits, block; /* block 0: all of the axis */
    enum pln_dtype data_type;
    bool is_float;
    uint32_t data, scales, zeros;
};

/* Which dim of the data that axis is, only known at run time: i64[1]. */
static uint32_t axis_of(struct pln_emit *emit, const struct gathered *g, int64_t axis)
{
    uint32_t number = pln_emit_const_int(emit, axis);
    return axis < 0 ? pln_ms_add(emit, number, pln_emit_dims(emit, g->data)) : number;
}

/* Scales that have an extent of 1 where the data has more, which floats of 8 and 4 bits may: as many as the data on all axes but one. */
static uint32_t spread(struct pln_emit *emit, const struct gathered *g)
{
    uint32_t dims = pln_emit_range(emit, pln_ms_scalar(emit, pln_emit_dims(emit, g->data)));
    uint32_t own = pln_emit_ew2(emit, PLN_EW_EQUAL, dims, axis_of(emit, g, g->quantize_axis));
    return pln_emit_expand(emit, g->scales, pln_emit_ew3(emit, PLN_EW_WHERE, own, pln_emit_shape(emit, g->scales), pln_emit_shape(emit, g->data)));
}

/* (data - zeros) * scales, one scale for a block of elements along the axis. Data and zero points in bytes are taken apart. */
static uint32_t dequantize(struct pln_emit *emit, const struct gathered *g, uint32_t data, uint32_t scales, uint32_t zeros, int64_t axis)
{
    data = unpack(emit, data, g->bits);
    if (zeros != PLN_NONE && g->bits < 8) { /* whole bytes of each row, maybe more numbers than blocks */
        zeros = pln_emit_slice(emit, unpack(emit, zeros, g->bits), pln_emit_const_int(emit, 0), pln_emit_dim(emit, scales, -1), pln_emit_const_int(emit, -1), PLN_NONE);
    }
    if (g->is_float && g->block == 0) return pln_ms_mul(emit, pln_emit_cast(emit, data, pln_emit_dtype(emit, scales)), scales);
    if (g->data_type == PLN_U8 && zeros == PLN_NONE) { /* the middle of the range */
        uint32_t middle = pln_emit_const_number(emit, PLN_U8, (double)(1 << (g->bits - 1)));
        zeros = pln_emit_expand(emit, middle, pln_emit_shape(emit, scales));
    }
    uint32_t node = pln_emit_begin_named(emit, "DequantizeLinear", (uint32_t[]){ data, scales, zeros }, zeros == PLN_NONE ? 2 : 3, 1);
    pln_emit_set_int(emit, node, "axis", axis);
    pln_emit_set_int(emit, node, "block_size", g->block);
    return pln_emit_end(emit, node);
}

/* Data, scales and zero points are of one rank. */
static void read_rank(struct pln_emit *emit, struct gathered *g)
{
    const uint32_t values[] = { g->data, g->scales, g->zeros };
    g->rank = -1;
    for (size_t i = 0; i < PLN_COUNT_OF(values) && g->rank < 0; i++) g->rank = pln_emit_rank(emit, values[i]);
    if (emit->status == PLN_OK && g->rank == 0) pln_emit_fail(emit, PLN_BAD_MODEL, "input 0 is of rank 0");
    if (emit->status != PLN_OK || g->rank < 0) return;
    pln_ms_check_rank(emit, 0, g->rank, g->rank);
    pln_ms_check_rank(emit, 2, g->rank, g->rank);
    pln_ms_check_rank(emit, 3, g->rank, g->rank);
}

static bool read_gathered(struct pln_emit *emit, struct gathered *g)
{
    g->data = pln_emit_need(emit, 0), g->scales = pln_emit_need(emit, 2), g->zeros = pln_emit_in(emit, 3);
    g->data_type = pln_emit_dtype(emit, g->data);
    g->is_float = pln_dtype_is_float(g->data_type);
    read_rank(emit, g);
    if (emit->status != PLN_OK) return false;
    const int64_t gather_axis = pln_emit_int(emit, "gather_axis", 0), quantize_axis = pln_emit_int(emit, "quantize_axis", 1);
    g->gather_axis = g->rank < 0 ? pln_emit_any_axis(emit, gather_axis) : pln_emit_axis(emit, gather_axis, g->rank);
    g->quantize_axis = g->rank < 0 ? pln_emit_any_axis(emit, quantize_axis) : pln_emit_axis(emit, quantize_axis, g->rank);
    g->bits = g->data_type == PLN_U8 ? bits_of(emit) : 8;
    g->block = g->is_float && pln_emit_int(emit, "block_size", 128) == 0 ? 0 : block_size_of(emit, 128);
    if (g->data_type == PLN_U8 && g->gather_axis > 0) pln_emit_fail(emit, PLN_BAD_MODEL, "gather_axis is %lld; it must be 0 for data of u8", (long long)g->gather_axis);
    if (g->data_type == PLN_U8 && g->bits < 8 && g->quantize_axis == 0) pln_emit_fail(emit, PLN_BAD_MODEL, "gather_axis and quantize_axis are both 0, with data packed in u8");
    if (g->is_float && g->zeros != PLN_NONE) pln_emit_fail(emit, PLN_BAD_MODEL, "zero points for data that are floats");
    return emit->status == PLN_OK;
}

/* Rows of the table, dequantized after they were taken, so that only they are read; before, where rows and blocks lie along one axis, or may. */
static uint32_t gather(struct pln_emit *emit, const struct gathered *g, uint32_t indices)
{
    if (g->rank < 0 || g->gather_axis == g->quantize_axis) return take(emit, dequantize(emit, g, g->data, g->scales, g->zeros, g->quantize_axis), indices, g->gather_axis);
    int64_t axis = g->quantize_axis > g->gather_axis ? g->quantize_axis - g->rank : g->quantize_axis; /* behind the indices, whose rank may be any, from the end */
    return dequantize(emit, g, take(emit, g->data, indices, g->gather_axis), take(emit, g->scales, indices, g->gather_axis), take(emit, g->zeros, indices, g->gather_axis), axis);
}

/* Indices from -s to s-1; others give zeros. */
void pln_onnx_ms_gather_block_quantized(struct pln_emit *emit)
{
    struct gathered g = { 0 };
    if (!read_gathered(emit, &g)) return;
    uint32_t indices = pln_emit_cast(emit, pln_emit_need(emit, 1), PLN_I64);
    int q = pln_emit_rank(emit, indices);
    if (q >= 0 && q + g.rank - 1 > PLN_MAX_RANK) pln_emit_fail(emit, PLN_BAD_MODEL, "a result of rank %d", q + g.rank - 1);
    if (g.is_float) g.scales = spread(emit, &g);
    uint32_t count = pln_ms_scalar(emit, pln_emit_dim(emit, g.data, g.gather_axis)), zero = pln_emit_const_index(emit, 0);
    uint32_t inside = pln_emit_ew2(emit, PLN_EW_AND, pln_emit_ew2(emit, PLN_EW_LESS, indices, count), pln_emit_ew2(emit, PLN_EW_GREATER_EQUAL, indices, pln_emit_ew1(emit, PLN_EW_NEG, count)));
    uint32_t y = gather(emit, &g, pln_emit_ew3(emit, PLN_EW_WHERE, inside, indices, zero));
    /* [indices] to [1…,indices,1…] */
    uint32_t last = pln_ms_add(emit, pln_emit_dims(emit, g.data), pln_emit_const_int(emit, -1)), behind = pln_emit_ew2(emit, PLN_EW_SUB, last, axis_of(emit, &g, g.gather_axis));
    pln_emit_bind(emit, 0, pln_emit_ew3(emit, PLN_EW_WHERE, pln_emit_append_ones(emit, inside, behind), y, pln_emit_const_like(emit, y, 0)));
}

/* ---- CropAndResize ---- */

/* Where the pixels of a crop lie along one axis, in pixels of the image: [regions,size]. low, high: of the region, of 1 for the whole axis. */
static uint32_t places(struct pln_emit *emit, uint32_t low, uint32_t high, uint32_t size, uint32_t extent)
{
    uint32_t one = pln_emit_const_like(emit, low, 1), last = pln_emit_ew2(emit, PLN_EW_SUB, pln_emit_cast(emit, extent, pln_emit_dtype(emit, low)), one);
    uint32_t count = pln_emit_cast(emit, size, pln_emit_dtype(emit, low)), steps = pln_emit_ew2(emit, PLN_EW_SUB, count, one);
    uint32_t i = pln_emit_cast(emit, pln_emit_range(emit, pln_ms_scalar(emit, size)), pln_emit_dtype(emit, low));
    uint32_t step = pln_emit_ew2(emit, PLN_EW_DIV, pln_ms_mul(emit, pln_emit_ew2(emit, PLN_EW_SUB, high, low), last), pln_emit_ew2(emit, PLN_EW_MAX, steps, one));
    uint32_t many = pln_ms_add(emit, pln_ms_mul(emit, low, last), pln_ms_mul(emit, i, step));
    uint32_t middle = pln_ms_mul(emit, pln_ms_mul(emit, pln_ms_add(emit, low, high), last), pln_emit_const_like(emit, low, 0.5));
    return pln_emit_ew3(emit, PLN_EW_WHERE, pln_emit_ew2(emit, PLN_EW_GREATER, count, one), many, pln_ms_add(emit, middle, pln_ms_mul(emit, i, pln_emit_const_like(emit, low, 0))));
}

struct crop {
    uint32_t image;      /* [n,h,w,c] */
    uint32_t batch;      /* i64[r,1,1] */
    uint32_t shape;      /* [r,h,w] of the crops */
};

/* The pixels at rows y[r,h,1] and columns x[r,1,w], in whole numbers: [r,h,w,c]. */
static uint32_t pixels(struct pln_emit *emit, const struct crop *crop, uint32_t y, uint32_t x)
{
    uint32_t parts[3] = { crop->batch, pln_emit_cast(emit, y, PLN_I64), pln_emit_cast(emit, x, PLN_I64) };
    for (int i = 0; i < 3; i++) parts[i] = pln_emit_unsqueeze_at(emit, pln_emit_expand(emit, parts[i], crop->shape), -1);
    return pln_emit_end(emit, pln_emit_begin_named(emit, "GatherND", (uint32_t[]){ crop->image, pln_emit_concat(emit, parts, 3, -1) }, 2, 1));
}

/* a + (b - a) * t, t of one rank less. */
static uint32_t mix(struct pln_emit *emit, uint32_t a, uint32_t b, uint32_t t)
{
    return pln_ms_add(emit, a, pln_ms_mul(emit, pln_emit_ew2(emit, PLN_EW_SUB, b, a), pln_emit_unsqueeze_at(emit, t, -1)));
}

/* Is 0 <= at <= extent - 1? */
static uint32_t is_inside(struct pln_emit *emit, uint32_t at, uint32_t last)
{
    uint32_t low = pln_emit_ew2(emit, PLN_EW_GREATER_EQUAL, at, pln_emit_const_like(emit, at, 0));
    return pln_emit_ew2(emit, PLN_EW_AND, low, pln_emit_ew2(emit, PLN_EW_LESS_EQUAL, at, last));
}

/* Places along one axis that may be read: those outside become 0, of which no pixel is kept. */
static uint32_t bounded(struct pln_emit *emit, uint32_t at, uint32_t inside)
{
    return pln_emit_ew3(emit, PLN_EW_WHERE, inside, at, pln_emit_const_like(emit, at, 0));
}

static uint32_t sample(struct pln_emit *emit, const struct crop *crop, uint32_t y, uint32_t x, bool nearest, enum pln_dtype dtype)
{
    if (nearest) { /* halves away from zero, which places are not below */
        uint32_t half = pln_emit_const_like(emit, y, 0.5);
        return pixels(emit, crop, pln_emit_ew1(emit, PLN_EW_FLOOR, pln_ms_add(emit, y, half)), pln_emit_ew1(emit, PLN_EW_FLOOR, pln_ms_add(emit, x, half)));
    }
    uint32_t top = pln_emit_ew1(emit, PLN_EW_FLOOR, y), bottom = pln_emit_ew1(emit, PLN_EW_CEIL, y);
    uint32_t left = pln_emit_ew1(emit, PLN_EW_FLOOR, x), right = pln_emit_ew1(emit, PLN_EW_CEIL, x);
    uint32_t down = pln_emit_cast(emit, pln_emit_ew2(emit, PLN_EW_SUB, y, top), dtype), across = pln_emit_cast(emit, pln_emit_ew2(emit, PLN_EW_SUB, x, left), dtype);
    uint32_t above = mix(emit, pixels(emit, crop, top, left), pixels(emit, crop, top, right), across);
    return mix(emit, above, mix(emit, pixels(emit, crop, bottom, left), pixels(emit, crop, bottom, right), across), down);
}

void pln_onnx_ms_crop_and_resize(struct pln_emit *emit)
{
    static const int64_t to_last[] = { 0, 2, 3, 1 }, to_first[] = { 0, 3, 1, 2 };
    uint32_t x = pln_emit_need(emit, 0), regions = pln_emit_need(emit, 1), size = pln_emit_cast(emit, pln_emit_need(emit, 3), PLN_I64);
    const char *mode = pln_emit_string(emit, "mode", "bilinear");
    bool nearest = strcmp(mode, "nearest") == 0;
    static const int ranks[] = { 4, 2, 1, 1 };
    for (uint32_t i = 0; i < 4; i++) pln_ms_check_rank(emit, i, ranks[i], ranks[i]);
    if (!nearest && strcmp(mode, "bilinear") != 0) pln_emit_fail(emit, PLN_BAD_MODEL, "mode is '%s', neither 'bilinear' nor 'nearest'", mode);
    uint32_t height = pln_emit_slice_axis(emit, size, 0, 0, 1, 1), width = pln_emit_slice_axis(emit, size, 0, 1, 2, 1);
    uint32_t wide = pln_ms_wide(emit, regions), sides[4];
    for (int64_t i = 0; i < 4; i++) sides[i] = pln_emit_slice_axis(emit, wide, 1, i, i + 1, 1); /* y1, x1, y2, x2 */
    uint32_t rows = pln_emit_dim(emit, x, 2), columns = pln_emit_dim(emit, x, 3), one = pln_emit_const_int(emit, 1);
    uint32_t last_row = pln_emit_cast(emit, pln_emit_ew2(emit, PLN_EW_SUB, rows, one), pln_emit_dtype(emit, wide));
    uint32_t last_column = pln_emit_cast(emit, pln_emit_ew2(emit, PLN_EW_SUB, columns, one), pln_emit_dtype(emit, wide));
    uint32_t at_y = pln_emit_unsqueeze_at(emit, places(emit, sides[0], sides[2], height, rows), 2), at_x = pln_emit_unsqueeze_at(emit, places(emit, sides[1], sides[3], width, columns), 1);
    uint32_t in_y = is_inside(emit, at_y, last_row), in_x = is_inside(emit, at_x, last_column);
    struct crop crop = { .image = pln_emit_transpose(emit, x, to_last, 4) };
    uint32_t batch = pln_emit_cast(emit, pln_emit_need(emit, 2), PLN_I64);
    crop.batch = pln_emit_unsqueeze(emit, batch, pln_emit_const_ints(emit, (int64_t[]){ 1, 2 }, 2));
    crop.shape = pln_emit_concat(emit, (uint32_t[]){ pln_emit_dim(emit, regions, 0), height, width }, 3, 0);
    uint32_t y = sample(emit, &crop, bounded(emit, at_y, in_y), bounded(emit, at_x, in_x), nearest, pln_emit_dtype(emit, x));
    uint32_t outside = pln_emit_const_like(emit, x, pln_emit_float(emit, "extrapolation_value", 0));
    y = pln_emit_ew3(emit, PLN_EW_WHERE, pln_emit_unsqueeze_at(emit, pln_emit_ew2(emit, PLN_EW_AND, in_y, in_x), -1), y, outside);
    pln_emit_bind(emit, 0, pln_emit_transpose(emit, y, to_first, 4));
}
