#include "backend/cpu/kernels/gemm/pack.h"

enum { PANEL = PLN_GEMM_PANEL, WIDE = PLN_GEMM_PANEL_WIDE };

int64_t pln_gemm_wide_cols(int panel, int64_t n)
{
    const int64_t eights = n / 8 + (n % 8 != 0);
    if (panel < WIDE) return 0;
    /* What threes leave are twos: one of two eights, or two of four. */
    const int64_t rest = eights % 3 == 0 ? 0 : eights % 3 == 2 ? 2 : 4;
    return eights < rest ? 0 : (eights - rest) / 3 * WIDE;
}

bool pln_gemm_panel_cols(int panel, int64_t n, int64_t *out_cols)
{
    const int64_t wide = pln_gemm_wide_cols(panel, n), rest = n - PLN_MIN(wide, n);
    *out_cols = 0;
    return pln_add_i64(rest, PANEL - 1, out_cols) && pln_add_i64(*out_cols / PANEL * PANEL, wide, out_cols);
}

int64_t pln_gemm_packed_floats(int panel, int64_t k, int64_t n)
{
    int64_t cols = 0;
    return pln_gemm_panel_cols(panel, n, &cols) ? cols * k : 0;
}

/* Columns side by side: whole rows are copied. width is a constant where this is inlined, and whole where cols is as many. */
static inline __attribute__((always_inline)) void pack_rows(const float *b, int64_t k_stride, int64_t k, int64_t cols, const int width, const bool whole, float *panel)
{
    for (int64_t i = 0; i < k; i++, b += k_stride, panel += width) {
        if (whole) {
            memcpy(panel, b, (size_t)width * sizeof(float));
        } else {
            memcpy(panel, b, (size_t)cols * sizeof(float));
            memset(panel + cols, 0, (size_t)(width - cols) * sizeof(float));
        }
    }
}

/* Sixteen rows at a time: what a cache line of the source brings is used at once, and the panel's lines stay in the
 * first cache. */
static inline __attribute__((always_inline)) void pack_cols(const float *b, int64_t k_stride, int64_t n_stride, int64_t k, int64_t cols, const int width, float *panel)
{
    for (int64_t i = 0; i < k; i += 16) {
        int64_t rows = PLN_MIN((int64_t)16, k - i);
        float *to = panel + i * width;
        for (int64_t j = 0; j < cols; j++) {
            const float *from = b + i * k_stride + j * n_stride;
            for (int64_t r = 0; r < rows; r++) to[r * width + j] = from[r * k_stride];
        }
        for (int64_t r = 0; r < rows && cols < width; r++)
            memset(to + r * width + cols, 0, (size_t)(width - cols) * sizeof(float));
    }
}

static inline __attribute__((always_inline)) void pack_panel(const float *b, int64_t k_stride, int64_t n_stride, int64_t k, int64_t cols, const int width, float *panel)
{
    if (n_stride != 1) pack_cols(b, k_stride, n_stride, k, cols, width, panel);
    else if (cols == width) pack_rows(b, k_stride, k, cols, width, true, panel);
    else pack_rows(b, k_stride, k, cols, width, false, panel);
}

void pln_gemm_pack(int panel, const float *b, int64_t k_stride, int64_t n_stride, int64_t k, int64_t n, float *packed)
{
    const int64_t wide = pln_gemm_wide_cols(panel, n);
    for (int64_t j = 0; j < wide; j += WIDE, packed += k * WIDE) pack_panel(b + j * n_stride, k_stride, n_stride, k, PLN_MIN((int64_t)WIDE, n - j), WIDE, packed);
    for (int64_t j = wide; j < n; j += PANEL, packed += k * PANEL) pack_panel(b + j * n_stride, k_stride, n_stride, k, PLN_MIN((int64_t)PANEL, n - j), PANEL, packed);
}

/* ---- the formats ---- */

/* A stack of matrices: how many, and where each starts. */
struct stack {
    int64_t count, rows, cols, row_stride, col_stride;
    int n_outer;
};

static bool read_stack(const struct pln_tensor *plain, bool transposed, struct stack *out_stack)
{
    int rank = plain->rank;
    if (plain->dtype != PLN_F32 || rank < 2) return false;
    out_stack->n_outer = rank - 2;
    if (!pln_shape_count(rank - 2, plain->dims, &out_stack->count)) return false;
    int row = transposed ? rank - 1 : rank - 2, col = transposed ? rank - 2 : rank - 1;
    out_stack->rows = plain->dims[row];
    out_stack->cols = plain->dims[col];
    out_stack->row_stride = plain->strides[row];
    out_stack->col_stride = plain->strides[col];
    return true;
}

static int64_t offset_of(const struct pln_tensor *plain, int n_outer, int64_t index)
{
    int64_t offset = 0;
    for (int d = n_outer - 1; d >= 0; d--) {
        offset += index % plain->dims[d] * plain->strides[d];
        index /= plain->dims[d];
    }
    return offset;
}

static bool stack_bytes(int panel, const struct pln_tensor *plain, bool transposed, size_t *out_bytes)
{
    struct stack s;
    int64_t n = 0;
    *out_bytes = 0;
    if (!read_stack(plain, transposed, &s)) return false;
    if (s.rows < 0 || s.cols < 0 || !pln_gemm_panel_cols(panel, s.cols, &n)) return false;
    return pln_mul_i64(n, s.rows, &n) && pln_mul_i64(n, s.count, &n) &&
           pln_mul_size((size_t)n, sizeof(float), out_bytes);
}

static void stack_pack(int panel, const struct pln_tensor *plain, bool transposed, float *packed)
{
    struct stack s;
    if (!read_stack(plain, transposed, &s)) return;
    for (int64_t i = 0; i < s.count; i++, packed += pln_gemm_packed_floats(panel, s.rows, s.cols))
        pln_gemm_pack(panel, (const float *)plain->data + offset_of(plain, s.n_outer, i), s.row_stride, s.col_stride, s.rows,
                      s.cols, packed);
}

static void stack_unpack(int panel, const float *packed, const struct pln_tensor *plain, bool transposed)
{
    struct stack s;
    if (!read_stack(plain, transposed, &s)) return;
    for (int64_t i = 0; i < s.count; i++, packed += pln_gemm_packed_floats(panel, s.rows, s.cols)) {
        float *to = (float *)plain->data + offset_of(plain, s.n_outer, i);
        for (int64_t c = 0; c < s.cols; c++) {
            const struct pln_gemm_panel at = pln_gemm_panel_of(pln_gemm_wide_cols(panel, s.cols), c);
            const float *from = packed + at.first * s.rows + c - at.first;
            for (int64_t r = 0; r < s.rows; r++) to[r * s.row_stride + c * s.col_stride] = from[r * at.width];
        }
    }
}

#define FORMAT(name, panel, transposed)                                               \
    static bool name##_bytes(const struct pln_tensor *plain, size_t *out_bytes)        \
    {                                                                                 \
        return stack_bytes(panel, plain, transposed, out_bytes);                      \
    }                                                                                 \
    static void name##_pack(const struct pln_tensor *plain, void *packed)              \
    {                                                                                 \
        stack_pack(panel, plain, transposed, packed);                                 \
    }                                                                                 \
    static void name##_unpack(const void *packed, const struct pln_tensor *plain)      \
    {                                                                                 \
        stack_unpack(panel, packed, plain, transposed);                               \
    }                                                                                 \
    const struct pln_pack_format pln_pack_f32_##name##_v1 = { "f32_" #name "_v1", name##_bytes, name##_pack, name##_unpack };
FORMAT(kn_n16, PANEL, false)
FORMAT(nk_n16, PANEL, true)
FORMAT(kn_n24, WIDE, false)
FORMAT(nk_n24, WIDE, true)
