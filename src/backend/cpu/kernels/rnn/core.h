/* Products of states and the gates, compiled once an ISA. Defines rnn_isa. */
#include "backend/cpu/kernels/rnn/rnn.h"
#include "backend/cpu/kernels/vec/vec_f32.h"
#include "backend/cpu/kernels/vec/vec_math.h"

/* ---- products ---- */

enum { PANEL = PLN_GEMM_PANEL, VECTORS = PANEL / VF_LANES };
/* Rows that would leave most of a tile's registers empty, and with them the multipliers idle: several panels meet them at a time. */
#define FEW 3
/* Panels that one row, or two or three, meet: 8 sums, 8 or 12. */
enum { PANELS_ONE = 8 / VECTORS, PANELS_FEW = 4 / VECTORS };
/* Terms that are added up one by one before their sum joins the others. For few rows: sums of many terms keep some bits more. For many: a piece of a panel
 * stays in the first cache while all rows meet it. */
enum { DEPTH_FEW = 64, DEPTH_MANY = 256 };

/* Terms [first, end). rows and panels are constants where this is inlined. */
static inline __attribute__((always_inline)) void few_terms(const int rows, const int n_panels, const float *a, int64_t a_row, int64_t k, int64_t first,
                                                            const float *panels, float *c, int64_t c_row)
{
    const int64_t end = PLN_MIN(first + DEPTH_FEW, k);
    vf sum[FEW][8];
    for (int r = 0; r < rows; r++)
        for (int i = 0; i < n_panels * VECTORS; i++) sum[r][i] = vf_set(0.0f);
    for (int64_t j = first; j < end; j++) {
        vf x[FEW];
        for (int r = 0; r < rows; r++) x[r] = vf_set(a[r * a_row + j]);
        for (int i = 0; i < n_panels * VECTORS; i++) {
            const vf line = vf_load(panels + (i / VECTORS * k + j) * PANEL + i % VECTORS * VF_LANES);
            for (int r = 0; r < rows; r++) sum[r][i] = vf_fma(x[r], line, sum[r][i]);
        }
    }
    for (int r = 0; r < rows; r++)
        for (int i = 0; i < n_panels * VECTORS; i++) {
            float *to = c + r * c_row + i * VF_LANES;
            if (first > 0) sum[r][i] = vf_load(to) + sum[r][i];
            vf_store(to, sum[r][i]);
        }
}

static inline __attribute__((always_inline)) void few_rows(const int rows, const int n_panels, const float *a, int64_t a_row, int64_t k,
                                                           const float *panels, float *c, int64_t c_row)
{
    for (int64_t first = 0; first < k; first += DEPTH_FEW) few_terms(rows, n_panels, a, a_row, k, first, panels, c, c_row);
}

/* Panels that are left over meet the rows in smaller groups. */
static inline __attribute__((always_inline)) void few(const int rows, const int group, const float *a, int64_t a_row, int64_t k, const float *panels,
                                                      int64_t n_panels, float *c, int64_t c_row)
{
    int64_t p = 0;
    for (; p + group <= n_panels; p += group) few_rows(rows, group, a, a_row, k, panels + p * k * PANEL, c + p * PANEL, c_row);
    for (; group >= 4 && p + group / 2 <= n_panels; p += group / 2) few_rows(rows, group / 2, a, a_row, k, panels + p * k * PANEL, c + p * PANEL, c_row);
    for (; group >= 8 && p + group / 4 <= n_panels; p += group / 4) few_rows(rows, group / 4, a, a_row, k, panels + p * k * PANEL, c + p * PANEL, c_row);
    for (; p < n_panels; p++) few_rows(rows, 1, a, a_row, k, panels + p * k * PANEL, c + p * PANEL, c_row);
}

static void many(int64_t rows, const float *a, int64_t a_row, int64_t k, const float *panels, int64_t n_panels, float *c, int64_t c_row)
{
    const struct pln_gemm_isa *isa = GEMM_ISA();
    const int64_t groups = (rows + isa->rows - 1) / isa->rows, cols = n_panels * PANEL;
    struct pln_gemm_tile tile = { .a_stride = a_row, .b_stride = PANEL, .c_stride = c_row, .ahead = { (const char *)a, (const char *)a } };
    for (int64_t j = 0; j < cols; j += tile.cols) {
        tile.cols = (int)PLN_MIN((int64_t)isa->cols, cols - j);
        for (int64_t first = 0; first < k; first += DEPTH_MANY) {
            tile.k = PLN_MIN((int64_t)DEPTH_MANY, k - first);
            tile.add = first > 0;
            tile.b = panels + j / PANEL * PANEL * k + first * PANEL + j % PANEL;
            tile.b_second = tile.cols <= VF_LANES ? tile.b : tile.b + (isa->cols > PANEL ? k * PANEL : VF_LANES);
            for (int64_t g = 0; g < groups; g++) {
                const int64_t row = g * rows / groups;
                tile.rows = (int)((g + 1) * rows / groups - row);
                tile.a = a + row * a_row + first;
                tile.c = c + row * c_row + j;
                isa->tile(&tile);
            }
        }
    }
}

static void multiply(int64_t rows, const float *a, int64_t a_row, int64_t k, const float *panels, int64_t n_panels, float *c, int64_t c_row)
{
    switch (rows) {
    case 1: few(1, PANELS_ONE, a, a_row, k, panels, n_panels, c, c_row); break;
    case 2: few(2, PANELS_FEW, a, a_row, k, panels, n_panels, c, c_row); break;
    case 3: few(3, PANELS_FEW, a, a_row, k, panels, n_panels, c, c_row); break;
    default: many(rows, a, a_row, k, panels, n_panels, c, c_row); break;
    }
}

/* ---- gates ---- */

/* What is compared with a constant lets NaN through, or not, as the reference kernel does. */
static vf apply(const struct pln_rnn_activation *f, vf x)
{
    const vf alpha = vf_set(f->alpha), beta = vf_set(f->beta), zero = vf_set(0.0f), one = vf_set(1.0f);
    switch (f->act) {
    case PLN_RNN_ACT_RELU: return vf_max(zero, x);
    case PLN_RNN_ACT_TANH: return vf_tanh(x);
    case PLN_RNN_ACT_SIGMOID: return vf_sigmoid(x);
    case PLN_RNN_ACT_AFFINE: return vf_fma(alpha, x, beta);
    case PLN_RNN_ACT_LEAKY_RELU: return vf_select(vf_lt(x, zero), alpha * x, x);
    case PLN_RNN_ACT_THRESHOLDED_RELU: return vf_select(vf_lt(alpha, x), x, zero);
    case PLN_RNN_ACT_SCALED_TANH: return alpha * vf_tanh(beta * x);
    case PLN_RNN_ACT_HARD_SIGMOID: return vf_min(vf_max(vf_fma(alpha, x, beta), zero), one);
    case PLN_RNN_ACT_ELU: return vf_select(vf_lt(x, zero), alpha * vf_expm1(x), x);
    case PLN_RNN_ACT_SOFTSIGN: return x / (one + vf_abs(x));
    case PLN_RNN_ACT_SOFTPLUS: return vf_softplus(x);
    }
    return x;
}

/* Function 0 is the sigmoid where it is usual and `sigmoid` says so, all others the hyperbolic tangent. */
static inline __attribute__((always_inline)) vf activate(const struct pln_rnn_gates *gates, int function, const bool usual, const bool sigmoid, vf x)
{
    if (usual) return sigmoid ? vf_sigmoid(x) : vf_tanh(x);
    if (gates->has_clip) x = vf_max(vf_set(-gates->clip), vf_min(vf_set(gates->clip), x));
    return apply(&gates->activations[function], x);
}

/* Vector j of a gate, before its function. */
static inline vf sum_of(const struct pln_rnn_units *u, int gate, int64_t j)
{
    return vf_load(u->x[gate] + j) + vf_load(u->bias + gate * u->bias_gate + j) + vf_load(u->r[gate] + j);
}

/* Gates i, o, f, c; peepholes i, o, f. In two loops, whose chains of dependent operations are shorter than one's. */
static inline __attribute__((always_inline)) void lstm_units(const struct pln_rnn_units *u, const bool usual)
{
    const struct pln_rnn_gates *g = u->gates;
    const float *p = u->peephole;
    for (int64_t j = 0; j < u->n; j += VF_LANES) {
        const vf c = vf_load(u->c + j);
        vf in = sum_of(u, 0, j), forget = sum_of(u, 2, j);
        if (p != NULL) in = vf_fma(vf_load(p + j), c, in);
        if (p != NULL) forget = vf_fma(vf_load(p + 2 * u->bias_gate + j), c, forget);
        in = activate(g, 0, usual, true, in);
        if (g->input_forget)
            forget = vf_set(1.0f) - in;
        else
            forget = activate(g, 0, usual, true, forget);
        vf_store(u->c + j, vf_fma(in, activate(g, 1, usual, false, sum_of(u, 3, j)), forget * c));
    }
    for (int64_t j = 0; j < u->n; j += VF_LANES) {
        const vf c = vf_load(u->c + j);
        vf out = sum_of(u, 1, j), h;
        if (p != NULL) out = vf_fma(vf_load(p + u->bias_gate + j), c, out);
        if (usual)
            h = vf_tanh(c);
        else
            h = apply(&g->activations[2], c); /* no clip here */
        vf_store(u->h_next + j, activate(g, 0, usual, true, out) * h);
    }
}

static inline vf blend(vf z, vf candidate, vf h)
{
    return vf_fma(z, h, (vf_set(1.0f) - z) * candidate);
}

/* Gates z, r, h. */
static inline __attribute__((always_inline)) void gru_units(const struct pln_rnn_units *u, const bool usual)
{
    const struct pln_rnn_gates *g = u->gates;
    for (int64_t j = 0; j < u->n; j += VF_LANES) {
        const vf z = activate(g, 0, usual, true, sum_of(u, 0, j)), reset = activate(g, 0, usual, true, sum_of(u, 1, j));
        const vf from_x = vf_load(u->x[2] + j) + vf_load(u->bias + 2 * u->bias_gate + j);
        const vf from_h = vf_load(u->r[2] + j) + vf_load(u->bias + 3 * u->bias_gate + j);
        vf_store(u->h_next + j, blend(z, activate(g, 1, usual, false, vf_fma(reset, from_h, from_x)), vf_load(u->h + j)));
    }
}

static inline __attribute__((always_inline)) void gru_reset_units(const struct pln_rnn_units *u, const bool usual)
{
    for (int64_t j = 0; j < u->n; j += VF_LANES) {
        vf_store(u->z + j, activate(u->gates, 0, usual, true, sum_of(u, 0, j)));
        vf_store(u->reset_h + j, activate(u->gates, 0, usual, true, sum_of(u, 1, j)) * vf_load(u->h + j));
    }
}

static inline __attribute__((always_inline)) void gru_update_units(const struct pln_rnn_units *u, const bool usual)
{
    for (int64_t j = 0; j < u->n; j += VF_LANES)
        vf_store(u->h_next + j, blend(vf_load(u->z + j), activate(u->gates, 1, usual, false, sum_of(u, 2, j)), vf_load(u->h + j)));
}

static inline __attribute__((always_inline)) void rnn_units(const struct pln_rnn_units *u, const bool usual)
{
    for (int64_t j = 0; j < u->n; j += VF_LANES) vf_store(u->h_next + j, activate(u->gates, 0, usual, false, sum_of(u, 0, j)));
}

#define UNITS(name)                                    \
    static void name(const struct pln_rnn_units *u)    \
    {                                                  \
        if (u->gates->usual)                           \
            name##_units(u, true);                     \
        else                                           \
            name##_units(u, false);                    \
    }
UNITS(lstm)
UNITS(gru)
UNITS(gru_reset)
UNITS(gru_update)
UNITS(rnn)

static const struct pln_rnn_isa rnn_isa = { GEMM_ISA, multiply, lstm, gru, gru_reset, gru_update, rnn };
