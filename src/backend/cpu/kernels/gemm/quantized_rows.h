/* Quantized weights of one ISA, for inclusion by tile_<isa>.c. */
#include "backend/cpu/kernels/gemm/quantized.h"
#include "backend/cpu/kernels/vec/vec_f32.h"

/* Vectors of a panel's row. */
#define PANEL_VECTORS (PLN_GEMM_PANEL / VF_LANES)

#if VF_LANES == 16
static inline void weights_4(const uint8_t *row, vi *out)
{
    const __m128i bytes = _mm_loadl_epi64((const __m128i *)row), low = _mm_set1_epi8(15);
    const __m128i halves = _mm_unpacklo_epi64(_mm_and_si128(bytes, low), _mm_and_si128(_mm_srli_epi16(bytes, 4), low));
    out[0] = _mm512_cvtepu8_epi32(halves);
}
static inline void weights_8(const uint8_t *row, vi *out)
{
    out[0] = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)row));
}
#elif VF_LANES == 8
static inline void weights_4(const uint8_t *row, vi *out)
{
    const __m256i bytes = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)row));
    out[0] = _mm256_and_si256(bytes, _mm256_set1_epi32(15));
    out[1] = _mm256_srli_epi32(bytes, 4);
}
static inline void weights_8(const uint8_t *row, vi *out)
{
    out[0] = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)row));
    out[1] = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(row + 8)));
}
#else
static inline void weights_4(const uint8_t *row, vi *out)
{
    for (int i = 0; i < 2; i++) {
        const uint8_t *at = row + 4 * i;
        out[i] = (vi){ at[0] & 15, at[1] & 15, at[2] & 15, at[3] & 15 };
        out[i + 2] = (vi){ at[0] >> 4, at[1] >> 4, at[2] >> 4, at[3] >> 4 };
    }
}
static inline void weights_8(const uint8_t *row, vi *out)
{
    for (int i = 0; i < 4; i++) out[i] = (vi){ row[4 * i], row[4 * i + 1], row[4 * i + 2], row[4 * i + 3] };
}
#endif

/* A panel's row of a matrix [blocks,n]: nothing past its columns is read. */
static inline void load_columns(const float *from, int64_t cols, vf *out)
{
#pragma GCC unroll 4
    for (int i = 0; i < PANEL_VECTORS; i++) {
        const int64_t left = cols - i * VF_LANES;
        out[i] = left >= VF_LANES ? vf_load(from + i * VF_LANES) : vf_load_n(from + i * VF_LANES, PLN_MAX(left, 0));
    }
}

static inline void store_columns(float *to, int64_t cols, const vf *from)
{
#pragma GCC unroll 4
    for (int i = 0; i < PANEL_VECTORS; i++) {
        const int64_t left = cols - i * VF_LANES;
        if (left >= VF_LANES) vf_store(to + i * VF_LANES, from[i]);
        else if (left > 0) vf_store_n(to + i * VF_LANES, from[i], left);
    }
}

/* Panels side by side of one row: sums enough to hide how long each waits for the one before it. */
#define ROW_PANELS (PANEL_VECTORS >= 4 ? 1 : 4 / PANEL_VECTORS)

/* rows, panels and bits are constants where this is inlined. */
static FOR_EACH_SIZE void few_quantized_of(const struct pln_gemm_quantized_few *f, int64_t first, const int rows, const int panels, const int bits)
{
    enum { VECTORS = ROW_PANELS * PANEL_VECTORS };
    const struct pln_gemm_quantized *w = f->w;
    const int n = panels * PANEL_VECTORS;
    const int64_t row_bytes = PLN_GEMM_PANEL * bits / 8, panel_bytes = w->k * row_bytes;
    const uint8_t *at = w->panels + first * panel_bytes;
    vf totals[PLN_GEMM_QUANTIZED_ROWS][VECTORS];
#pragma GCC unroll 16
    for (int i = 0; i < rows * n; i++) totals[i / n][i % n] = vf_set(0.0f);
    for (int64_t k = 0, block = 0; k < w->k; block++) {
        vf sums[PLN_GEMM_QUANTIZED_ROWS][VECTORS], offset[VECTORS], scale[VECTORS];
#pragma GCC unroll 4
        for (int p = 0; p < panels; p++) load_columns(w->offset + block * w->offset_row + (first + p) * PLN_GEMM_PANEL, w->n - (first + p) * PLN_GEMM_PANEL, offset + p * PANEL_VECTORS);
#pragma GCC unroll 16
        for (int i = 0; i < rows * n; i++) sums[i / n][i % n] = vf_set(0.0f);
        for (const int64_t end = PLN_MIN(k + w->block, w->k); k < end; k++, at += row_bytes) {
            vf a[PLN_GEMM_QUANTIZED_ROWS];
#pragma GCC unroll 4
            for (int r = 0; r < rows; r++) a[r] = vf_set(f->a[r * f->a_row + k]);
#pragma GCC unroll 4
            for (int p = 0; p < panels; p++) {
                vi numbers[PANEL_VECTORS];
                if (bits == 4) weights_4(at + p * panel_bytes, numbers);
                else weights_8(at + p * panel_bytes, numbers);
#pragma GCC unroll 4
                for (int i = 0; i < PANEL_VECTORS; i++) {
                    const vf number = vf_of_int(numbers[i]) - offset[p * PANEL_VECTORS + i];
#pragma GCC unroll 4
                    for (int r = 0; r < rows; r++) vf_accumulate(sums[r][p * PANEL_VECTORS + i], a[r], number);
                }
            }
        }
#pragma GCC unroll 4
        for (int p = 0; p < panels; p++) load_columns(w->scale + block * w->scale_row + (first + p) * PLN_GEMM_PANEL, w->n - (first + p) * PLN_GEMM_PANEL, scale + p * PANEL_VECTORS);
#pragma GCC unroll 16
        for (int i = 0; i < rows * n; i++) totals[i / n][i % n] = vf_fma(sums[i / n][i % n], scale[i % n], totals[i / n][i % n]);
    }
    for (int r = 0; r < rows; r++)
        for (int p = 0; p < panels; p++)
            store_columns(f->c + r * f->c_row + (first + p - f->first) * PLN_GEMM_PANEL, w->n - (first + p) * PLN_GEMM_PANEL, totals[r] + p * PANEL_VECTORS);
}

static void few_quantized_row(const struct pln_gemm_quantized_few *f, const int bits)
{
    const int64_t end = f->first + f->panels;
    int64_t p = f->first;
    for (; p + ROW_PANELS <= end; p += ROW_PANELS) few_quantized_of(f, p, 1, ROW_PANELS, bits);
    for (; p < end; p++) few_quantized_of(f, p, 1, 1, bits);
}

static void few_quantized_rows(const struct pln_gemm_quantized_few *f, const int bits)
{
    for (int64_t p = f->first; p < f->first + f->panels; p++) {
        if (f->rows == 2) few_quantized_of(f, p, 2, 1, bits);
        else if (f->rows == 3) few_quantized_of(f, p, 3, 1, bits);
        else few_quantized_of(f, p, 4, 1, bits);
    }
}

static inline void run_few_quantized(const struct pln_gemm_quantized_few *f)
{
    if (f->rows == 1 && f->w->bits == 4) few_quantized_row(f, 4);
    else if (f->rows == 1) few_quantized_row(f, 8);
    else if (f->w->bits == 4) few_quantized_rows(f, 4);
    else few_quantized_rows(f, 8);
}

static FOR_EACH_SIZE void unpack_quantized_of(const struct pln_gemm_quantized *w, int64_t panel, int64_t k0, int64_t kn, float *to, const int bits)
{
    const int64_t row_bytes = PLN_GEMM_PANEL * bits / 8, column = panel * PLN_GEMM_PANEL, cols = w->n - column;
    const uint8_t *at = w->panels + (panel * w->k + k0) * row_bytes;
    for (int64_t k = k0; k < k0 + kn;) {
        const int64_t block = k / w->block, end = PLN_MIN(k0 + kn, (block + 1) * w->block);
        vf offset[PANEL_VECTORS], scale[PANEL_VECTORS];
        load_columns(w->offset + block * w->offset_row + column, cols, offset);
        load_columns(w->scale + block * w->scale_row + column, cols, scale);
        for (; k < end; k++, at += row_bytes, to += PLN_GEMM_PANEL) {
            vi numbers[PANEL_VECTORS];
            if (bits == 4) weights_4(at, numbers);
            else weights_8(at, numbers);
#pragma GCC unroll 4
            for (int i = 0; i < PANEL_VECTORS; i++) vf_store(to + i * VF_LANES, (vf_of_int(numbers[i]) - offset[i]) * scale[i]);
        }
    }
}

static inline void run_unpack_quantized(const struct pln_gemm_quantized *w, int64_t panel, int64_t k0, int64_t kn, float *to)
{
    if (w->bits == 4) unpack_quantized_of(w, panel, k0, kn, to, 4);
    else unpack_quantized_of(w, panel, k0, kn, to, 8);
}
