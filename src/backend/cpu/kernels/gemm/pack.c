#include "backend/cpu/kernels/gemm/pack.h"

enum { PANEL = PLN_GEMM_PANEL };

int64_t pln_gemm_packed_floats(int64_t k, int64_t n)
{
    return (n + PANEL - 1) / PANEL * PANEL * k;
}

/* Columns side by side: whole rows are copied. */
static void pack_rows(const float *b, int64_t k_stride, int64_t k, int64_t cols, float *panel)
{
    for (int64_t i = 0; i < k; i++, b += k_stride, panel += PANEL) {
        if (cols == PANEL) {
            memcpy(panel, b, PANEL * sizeof(float));
        } else {
            memcpy(panel, b, (size_t)cols * sizeof(float));
            memset(panel + cols, 0, (size_t)(PANEL - cols) * sizeof(float));
        }
    }
}

/* Sixteen rows at a time: what a cache line of the source brings is used at once, and the panel's lines stay in the
 * first cache. */
static void pack_cols(const float *b, int64_t k_stride, int64_t n_stride, int64_t k, int64_t cols, float *panel)
{
    for (int64_t i = 0; i < k; i += 16) {
        int64_t rows = PLN_MIN((int64_t)16, k - i);
        float *to = panel + i * PANEL;
        for (int64_t j = 0; j < cols; j++) {
            const float *from = b + i * k_stride + j * n_stride;
            for (int64_t r = 0; r < rows; r++) to[r * PANEL + j] = from[r * k_stride];
        }
        for (int64_t r = 0; r < rows && cols < PANEL; r++)
            memset(to + r * PANEL + cols, 0, (size_t)(PANEL - cols) * sizeof(float));
    }
}

void pln_gemm_pack(const float *b, int64_t k_stride, int64_t n_stride, int64_t k, int64_t n, float *packed)
{
    for (int64_t j = 0; j < n; j += PANEL, packed += k * PANEL) {
        int64_t cols = PLN_MIN((int64_t)PANEL, n - j);
        if (n_stride == 1)
            pack_rows(b + j, k_stride, k, cols, packed);
        else
            pack_cols(b + j * n_stride, k_stride, n_stride, k, cols, packed);
    }
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

static bool stack_bytes(const struct pln_tensor *plain, bool transposed, size_t *out_bytes)
{
    struct stack s;
    int64_t n = 0;
    *out_bytes = 0;
    if (!read_stack(plain, transposed, &s)) return false;
    if (s.rows < 0 || s.cols < 0 || !pln_add_i64(s.cols, PANEL - 1, &n)) return false;
    n = n / PANEL * PANEL;
    return pln_mul_i64(n, s.rows, &n) && pln_mul_i64(n, s.count, &n) &&
           pln_mul_size((size_t)n, sizeof(float), out_bytes);
}

static void stack_pack(const struct pln_tensor *plain, bool transposed, float *packed)
{
    struct stack s;
    if (!read_stack(plain, transposed, &s)) return;
    for (int64_t i = 0; i < s.count; i++, packed += pln_gemm_packed_floats(s.rows, s.cols))
        pln_gemm_pack((const float *)plain->data + offset_of(plain, s.n_outer, i), s.row_stride, s.col_stride, s.rows,
                      s.cols, packed);
}

static void stack_unpack(const float *packed, const struct pln_tensor *plain, bool transposed)
{
    struct stack s;
    if (!read_stack(plain, transposed, &s)) return;
    for (int64_t i = 0; i < s.count; i++, packed += pln_gemm_packed_floats(s.rows, s.cols)) {
        float *to = (float *)plain->data + offset_of(plain, s.n_outer, i);
        for (int64_t r = 0; r < s.rows; r++)
            for (int64_t c = 0; c < s.cols; c++)
                to[r * s.row_stride + c * s.col_stride] = packed[(c / PANEL * s.rows + r) * PANEL + c % PANEL];
    }
}

static bool kn_bytes(const struct pln_tensor *plain, size_t *out_bytes)
{
    return stack_bytes(plain, false, out_bytes);
}

static void kn_pack(const struct pln_tensor *plain, void *packed)
{
    stack_pack(plain, false, packed);
}

static void kn_unpack(const void *packed, const struct pln_tensor *plain)
{
    stack_unpack(packed, plain, false);
}

static bool nk_bytes(const struct pln_tensor *plain, size_t *out_bytes)
{
    return stack_bytes(plain, true, out_bytes);
}

static void nk_pack(const struct pln_tensor *plain, void *packed)
{
    stack_pack(plain, true, packed);
}

static void nk_unpack(const void *packed, const struct pln_tensor *plain)
{
    stack_unpack(packed, plain, true);
}

const struct pln_pack_format pln_pack_f32_kn_n16_v1 = { "f32_kn_n16_v1", kn_bytes, kn_pack, kn_unpack };
const struct pln_pack_format pln_pack_f32_nk_n16_v1 = { "f32_nk_n16_v1", nk_bytes, nk_pack, nk_unpack };
