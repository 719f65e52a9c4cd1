#include "backend/cpu/kernels/gemm/quantized.h"

enum { PANEL = PLN_GEMM_PANEL };

static int bits_of(const struct pln_tensor *plain)
{
    if (plain->rank != 2 || !pln_tensor_is_contiguous(plain)) return 0;
    return plain->dtype == PLN_U4 ? 4 : plain->dtype == PLN_U8 ? 8 : 0;
}

static bool blocks_bytes(const struct pln_tensor *plain, size_t *out_bytes)
{
    const int bits = bits_of(plain);
    int64_t n;
    *out_bytes = 0;
    if (bits == 0 || !pln_add_i64(plain->dims[0], PANEL - 1, &n)) return false;
    if (!pln_mul_i64(n / PANEL, plain->dims[1], &n) || !pln_mul_i64(n, PANEL * bits / 8, &n)) return false;
    *out_bytes = (size_t)n;
    return true;
}

/* Number i of a dense tensor of 4 bits: the even ones lie in low halves (ONNX, TensorProto). */
static inline unsigned half_at(const uint8_t *data, int64_t i)
{
    return data[i / 2] >> (i % 2 * 4) & 15u;
}

static inline void put_half(uint8_t *data, int64_t i, unsigned value)
{
    data[i / 2] = (uint8_t)(i % 2 == 0 ? (data[i / 2] & 0xf0u) | value : (data[i / 2] & 0x0fu) | value << 4);
}

static void pack_halves(const uint8_t *data, int64_t n, int64_t k, uint8_t *packed)
{
    for (int64_t j = 0; j < n; j++) {
        uint8_t *to = packed + j / PANEL * k * (PANEL / 2) + j % (PANEL / 2);
        const int shift = j % PANEL < PANEL / 2 ? 0 : 4;
        for (int64_t i = 0; i < k; i++, to += PANEL / 2) *to = (uint8_t)(*to | half_at(data, j * k + i) << shift);
    }
}

static void unpack_halves(const uint8_t *packed, int64_t n, int64_t k, uint8_t *data)
{
    for (int64_t j = 0; j < n; j++) {
        const uint8_t *from = packed + j / PANEL * k * (PANEL / 2) + j % (PANEL / 2);
        const int shift = j % PANEL < PANEL / 2 ? 0 : 4;
        for (int64_t i = 0; i < k; i++, from += PANEL / 2) put_half(data, j * k + i, *from >> shift & 15u);
    }
}

static void blocks_pack(const struct pln_tensor *plain, void *packed)
{
    const int64_t n = plain->dims[0], k = plain->dims[1];
    const uint8_t *data = plain->data;
    uint8_t *to = packed;
    size_t bytes = 0;
    if (!blocks_bytes(plain, &bytes)) return;
    memset(packed, 0, bytes);
    if (plain->dtype == PLN_U4) {
        pack_halves(data, n, k, to);
        return;
    }
    for (int64_t j = 0; j < n; j++)
        for (int64_t i = 0; i < k; i++) to[(j / PANEL * k + i) * PANEL + j % PANEL] = data[j * k + i];
}

static void blocks_unpack(const void *packed, const struct pln_tensor *plain)
{
    const int64_t n = plain->dims[0], k = plain->dims[1];
    const uint8_t *from = packed;
    uint8_t *data = plain->data;
    if (plain->dtype == PLN_U4) {
        unpack_halves(from, n, k, data);
        return;
    }
    for (int64_t j = 0; j < n; j++)
        for (int64_t i = 0; i < k; i++) data[j * k + i] = from[(j / PANEL * k + i) * PANEL + j % PANEL];
}

const struct pln_pack_format pln_pack_blocks_nk_n16_v1 = { "blocks_nk_n16_v1", blocks_bytes, blocks_pack, blocks_unpack };

/* One number a block and column, columns side by side. */
static bool is_each_block(const struct pln_tensor *tensor, const struct pln_gemm_quantized *w)
{
    return tensor->dtype == PLN_F32 && tensor->rank == 2 && tensor->dims[0] == w->k / w->block + (w->k % w->block != 0) && tensor->dims[1] == w->n &&
           (tensor->strides[1] == 1 || w->n <= 1);
}

const char *pln_gemm_quantized_read(const struct pln_launch *launch, struct pln_gemm_quantized *out)
{
    const struct pln_tensor *w = &launch->inputs[1], *scale = &launch->inputs[2], *offset = &launch->inputs[3];
    size_t bytes = 0;
    *out = (struct pln_gemm_quantized){ .bits = bits_of(w), .block = pln_attrs_int(launch->attrs, "block", 0) };
    if (out->bits == 0 || out->block < 1) return "the weights are no matrix of u4 or u8 in blocks";
    if (!blocks_bytes(w, &bytes) || bytes != launch->packed_bytes) return "the packed weights have a wrong size";
    out->n = w->dims[0];
    out->k = w->dims[1];
    if (!is_each_block(scale, out) || !is_each_block(offset, out)) return "scales and offsets are not one a block and column";
    out->panels = w->data;
    out->scale = scale->data;
    out->offset = offset->data;
    out->scale_row = scale->strides[0];
    out->offset_row = offset->strides[0];
    return NULL;
}
