/* Matrix products: sums in double (integers in 64 bits), a panel of the right matrix at a time. */
#include "backend/ref/epilogue.h"
#include "backend/ref/rows.h"

enum { PANEL = 64 };

/* b: k rows, n columns, at `offset` of a tensor with these strides. */
struct matrix {
    const struct pln_tensor *tensor;
    int64_t offset, row_stride, column_stride;
};

/* One run of elements with any stride, as doubles. */
static void load_run(const struct matrix *b, int64_t at, int64_t step, int64_t n, double *out)
{
    if (step == 1) {
        pln_ref_load_f64(b->tensor->dtype, b->tensor->data, at, n, out);
        return;
    }
    for (int64_t i = 0; i < n; i++) pln_ref_load_f64(b->tensor->dtype, b->tensor->data, at + i * step, 1, &out[i]);
}

/* Columns [first, first + width) of b as panel[k][PANEL]. */
static void load_panel(const struct matrix *b, int64_t k, int64_t first, int64_t width, double *panel)
{
    if (b->column_stride == 1 || b->row_stride != 1) {
        for (int64_t r = 0; r < k; r++)
            load_run(b, b->offset + r * b->row_stride + first * b->column_stride, b->column_stride, width, panel + r * PANEL);
        return;
    }
    double run[PLN_REF_CHUNK];
    for (int64_t c = 0; c < width; c++) {
        for (int64_t r = 0; r < k; r += PLN_REF_CHUNK) {
            int64_t n = PLN_MIN((int64_t)PLN_REF_CHUNK, k - r);
            load_run(b, b->offset + (first + c) * b->column_stride + r, 1, n, run);
            for (int64_t i = 0; i < n; i++) panel[(r + i) * PANEL + c] = run[i];
        }
    }
}

/* out[m][n] += a[m][k] * b; panel: k * PANEL doubles of scratch. */
static void multiply(const double *a, const struct matrix *b, int64_t m, int64_t n, int64_t k, double *panel, double *out)
{
    for (int64_t first = 0; first < n; first += PANEL) {
        int64_t width = PLN_MIN((int64_t)PANEL, n - first);
        load_panel(b, k, first, width, panel);
        for (int64_t i = 0; i < m; i++) {
            double sums[PANEL] = { 0 };
            for (int64_t r = 0; r < k; r++) {
                double x = a[i * k + r];
                const double *row = panel + r * PANEL;
                for (int c = 0; c < PANEL; c++) sums[c] += x * row[c];
            }
            for (int64_t c = 0; c < width; c++) out[i * n + first + c] += sums[c];
        }
    }
}

/* The same in integers that wrap. */
static void multiply_ints(const int64_t *a, const int64_t *b, const struct matrix *shape, int64_t m, int64_t n, int64_t k, int64_t *out)
{
    for (int64_t i = 0; i < m; i++) {
        for (int64_t r = 0; r < k; r++) {
            uint64_t x = (uint64_t)a[i * k + r];
            const int64_t *row = b + shape->offset + r * shape->row_stride;
            for (int64_t c = 0; c < n; c++)
                out[i * n + c] = (int64_t)((uint64_t)out[i * n + c] + x * (uint64_t)row[c * shape->column_stride]);
        }
    }
}

/* ---- MatMul ---- */

struct shapes {
    int64_t m, n, k, n_batches;
    int rank, batch_rank;
    int64_t dims[PLN_MAX_RANK];                                       /* of the output */
    int64_t batch[PLN_MAX_RANK], a_stride[PLN_MAX_RANK], b_stride[PLN_MAX_RANK]; /* in matrices */
};

/* Strides of a's matrices over the batch dims, 0 where it repeats. */
static void batch_strides(const struct pln_tensor *tensor, const struct shapes *shapes, int64_t *out_strides)
{
    int own = tensor->rank > 2 ? tensor->rank - 2 : 0;
    int64_t stride = 1;
    for (int d = shapes->batch_rank - 1; d >= 0; d--) {
        int i = d - (shapes->batch_rank - own);
        out_strides[d] = i < 0 || tensor->dims[i] == 1 ? 0 : stride;
        if (i >= 0) stride *= tensor->dims[i];
    }
}

static enum pln_status find_shapes(struct pln_call *call, const struct pln_tensor *a, const struct pln_tensor *b, struct shapes *out)
{
    memset(out, 0, sizeof(*out));
    if (a->rank == 0 || b->rank == 0) return pln_call_fail(call, PLN_BAD_MODEL, "a scalar is no matrix");
    if (a->dtype != b->dtype) return pln_call_fail(call, PLN_BAD_MODEL, "the inputs are not of one type");
    out->m = a->rank == 1 ? 1 : a->dims[a->rank - 2];
    out->k = a->dims[a->rank - 1];
    out->n = b->rank == 1 ? 1 : b->dims[b->rank - 1];
    int64_t k = b->dims[b->rank == 1 ? 0 : b->rank - 2];
    if (k != out->k)
        return pln_call_fail(call, PLN_BAD_MODEL, "input 0 has rows of %lld, but input 1 has columns of %lld", (long long)out->k, (long long)k);
    if (!pln_shape_broadcast(PLN_MAX(a->rank - 2, 0), a->dims, PLN_MAX(b->rank - 2, 0), b->dims, &out->batch_rank, out->batch))
        return pln_call_fail(call, PLN_BAD_MODEL, "the batches of the inputs cannot be broadcast to one");
    out->n_batches = 1;
    for (int d = 0; d < out->batch_rank; d++) {
        out->n_batches *= out->batch[d];
        out->dims[out->rank++] = out->batch[d];
    }
    if (a->rank > 1) out->dims[out->rank++] = out->m;
    if (b->rank > 1) out->dims[out->rank++] = out->n;
    batch_strides(a, out, out->a_stride);
    batch_strides(b, out, out->b_stride);
    return PLN_OK;
}

/* Numbers of the two matrices of a batch. */
static void find_batch(const struct shapes *shapes, int64_t batch, int64_t *out_a, int64_t *out_b)
{
    *out_a = *out_b = 0;
    for (int d = shapes->batch_rank - 1; d >= 0; d--) {
        int64_t i = batch % shapes->batch[d];
        batch /= shapes->batch[d];
        *out_a += i * shapes->a_stride[d];
        *out_b += i * shapes->b_stride[d];
    }
}

static enum pln_status matmul_ints(struct pln_call *call, const struct pln_tensor *a, const struct pln_tensor *b, const struct shapes *s)
{
    struct pln_tensor out;
    int64_t *x, *y, x_matrix, y_matrix;
    void *sums = NULL;
    PLN_TRY(pln_call_out(call, 0, a->dtype, s->rank, s->dims, &out));
    PLN_TRY(pln_ref_as_i64(call, a, &x));
    PLN_TRY(pln_ref_as_i64(call, b, &y));
    PLN_TRY(pln_call_scratch(call, (size_t)pln_tensor_count(&out), sizeof(int64_t), &sums));
    for (int64_t i = 0; i < s->n_batches; i++) {
        find_batch(s, i, &x_matrix, &y_matrix);
        struct matrix right = { b, y_matrix * s->k * s->n, s->n, 1 };
        multiply_ints(x + x_matrix * s->m * s->k, y, &right, s->m, s->n, s->k, (int64_t *)sums + i * s->m * s->n);
    }
    pln_ref_store_i64(out.dtype, out.data, 0, pln_tensor_count(&out), sums);
    return PLN_OK;
}

enum pln_status pln_ref_matmul(struct pln_call *call)
{
    const struct pln_tensor *a, *b;
    struct pln_ref_epilogue epilogue;
    struct shapes s;
    PLN_TRY(pln_call_need(call, 0, &a));
    PLN_TRY(pln_call_need(call, 1, &b));
    PLN_TRY(pln_ref_epilogue_init(call, &epilogue));
    PLN_TRY(find_shapes(call, a, b, &s));
    if (pln_ref_is_int(a->dtype)) return matmul_ints(call, a, b, &s);
    if (!pln_dtype_is_float(a->dtype)) return pln_call_fail(call, PLN_BAD_MODEL, "the inputs are no numbers");
    int64_t count, x_matrix, y_matrix;
    double *x;
    void *sums = NULL, *panel = NULL;
    if (!pln_shape_count(s.rank, s.dims, &count)) return pln_call_fail(call, PLN_BAD_MODEL, "the output is too large");
    PLN_TRY(pln_ref_as_f64(call, a, &x));
    PLN_TRY(pln_call_scratch(call, (size_t)count, sizeof(double), &sums));
    PLN_TRY(pln_call_scratch(call, (size_t)s.k, PANEL * sizeof(double), &panel));
    for (int64_t i = 0; i < s.n_batches; i++) {
        find_batch(&s, i, &x_matrix, &y_matrix);
        struct matrix right = { b, y_matrix * s.k * s.n, s.n, 1 };
        multiply(x + x_matrix * s.m * s.k, &right, s.m, s.n, s.k, panel, (double *)sums + i * s.m * s.n);
    }
    return pln_ref_epilogue_finish(call, &epilogue, a->dtype, s.rank, s.dims, sums);
}

/* ---- Gemm ---- */

struct gemm {
    int64_t m, n, k;
    bool a_transposed, b_transposed;
    double alpha, beta;
    const struct pln_tensor *a, *b, *c; /* c may be NULL */
};

static enum pln_status read_gemm(struct pln_call *call, int n_own_inputs, struct gemm *out)
{
    memset(out, 0, sizeof(*out));
    PLN_TRY(pln_call_need(call, 0, &out->a));
    PLN_TRY(pln_call_need(call, 1, &out->b));
    out->c = n_own_inputs > 2 ? pln_call_in(call, 2) : NULL;
    if (out->a->rank != 2 || out->b->rank != 2) return pln_call_fail(call, PLN_BAD_MODEL, "the inputs must be matrices");
    if (out->a->dtype != out->b->dtype || (out->c && out->c->dtype != out->a->dtype) ||
        !(pln_ref_is_int(out->a->dtype) || pln_dtype_is_float(out->a->dtype)))
        return pln_call_fail(call, PLN_BAD_MODEL, "the inputs are not numbers of one type");
    out->a_transposed = pln_attrs_int(call->attrs, "transA", 0) != 0;
    out->b_transposed = pln_attrs_int(call->attrs, "transB", 0) != 0;
    out->alpha = (double)pln_attrs_float(call->attrs, "alpha", 1.0f);
    out->beta = (double)pln_attrs_float(call->attrs, "beta", 1.0f);
    out->m = out->a->dims[out->a_transposed ? 1 : 0];
    out->k = out->a->dims[out->a_transposed ? 0 : 1];
    out->n = out->b->dims[out->b_transposed ? 0 : 1];
    int64_t k = out->b->dims[out->b_transposed ? 1 : 0];
    if (k != out->k)
        return pln_call_fail(call, PLN_BAD_MODEL, "input 0 has rows of %lld, but input 1 has columns of %lld", (long long)out->k, (long long)k);
    return PLN_OK;
}

/* The place of c's element for row i, column j. */
static enum pln_status place_c(struct pln_call *call, const struct gemm *g, int64_t *out_row, int64_t *out_column)
{
    *out_row = *out_column = 0;
    if (!g->c) return PLN_OK;
    int64_t dims[2] = { g->m, g->n }, both[PLN_MAX_RANK];
    int rank;
    bool fits = g->c->rank <= 2 && pln_shape_broadcast(2, dims, g->c->rank, g->c->dims, &rank, both) && both[0] == g->m && both[1] == g->n;
    if (!fits) return pln_call_fail(call, PLN_BAD_MODEL, "input 2 cannot be broadcast to the product");
    if (g->c->rank >= 1 && g->c->dims[g->c->rank - 1] != 1) *out_column = 1;
    if (g->c->rank == 2 && g->c->dims[0] != 1) *out_row = g->c->dims[1];
    return PLN_OK;
}

static enum pln_status transpose_a(struct pln_call *call, const struct gemm *g, double **values)
{
    void *memory = NULL;
    PLN_TRY(pln_call_scratch(call, (size_t)(g->m * g->k), sizeof(double), &memory));
    double *to = memory;
    for (int64_t i = 0; i < g->m; i++)
        for (int64_t r = 0; r < g->k; r++) to[i * g->k + r] = (*values)[r * g->m + i];
    *values = to;
    return PLN_OK;
}

/* Integers without scaling stay integers, exactly. */
static enum pln_status gemm_ints(struct pln_call *call, const struct gemm *g)
{
    int64_t *a, *b, *c = NULL, c_row, c_column, dims[2] = { g->m, g->n };
    struct pln_tensor out;
    PLN_TRY(pln_ref_as_i64(call, g->a, &a));
    PLN_TRY(pln_ref_as_i64(call, g->b, &b));
    if (g->c) PLN_TRY(pln_ref_as_i64(call, g->c, &c));
    PLN_TRY(place_c(call, g, &c_row, &c_column));
    PLN_TRY(pln_call_out(call, 0, g->a->dtype, 2, dims, &out));
    for (int64_t i = 0; i < g->m; i++) {
        for (int64_t j = 0; j < g->n; j++) {
            uint64_t sum = c ? (uint64_t)c[i * c_row + j * c_column] : 0;
            for (int64_t r = 0; r < g->k; r++)
                sum += (uint64_t)a[g->a_transposed ? r * g->m + i : i * g->k + r] * (uint64_t)b[g->b_transposed ? j * g->k + r : r * g->n + j];
            int64_t value = (int64_t)sum;
            pln_ref_store_i64(out.dtype, out.data, i * g->n + j, 1, &value);
        }
    }
    return PLN_OK;
}

enum pln_status pln_ref_gemm(struct pln_call *call)
{
    struct pln_ref_epilogue epilogue;
    struct gemm g;
    PLN_TRY(pln_ref_epilogue_init(call, &epilogue));
    PLN_TRY(read_gemm(call, epilogue.n_own_inputs, &g));
    if (pln_ref_is_int(g.a->dtype) && g.alpha == 1 && g.beta == 1) return gemm_ints(call, &g);
    double *a, *c = NULL;
    int64_t c_row, c_column, dims[2] = { g.m, g.n }, count;
    void *memory = NULL, *panel = NULL;
    if (!pln_shape_count(2, dims, &count)) return pln_call_fail(call, PLN_BAD_MODEL, "the output is too large");
    PLN_TRY(pln_ref_as_f64(call, g.a, &a));
    if (g.a_transposed) PLN_TRY(transpose_a(call, &g, &a));
    if (g.c) PLN_TRY(pln_ref_as_f64(call, g.c, &c));
    PLN_TRY(place_c(call, &g, &c_row, &c_column));
    PLN_TRY(pln_call_scratch(call, (size_t)count, sizeof(double), &memory));
    PLN_TRY(pln_call_scratch(call, (size_t)g.k, PANEL * sizeof(double), &panel));
    struct matrix right = { g.b, 0, g.b_transposed ? 1 : g.n, g.b_transposed ? g.k : 1 };
    double *sums = memory;
    multiply(a, &right, g.m, g.n, g.k, panel, sums);
    for (int64_t i = 0; i < g.m; i++)
        for (int64_t j = 0; j < g.n; j++)
            sums[i * g.n + j] = g.alpha * sums[i * g.n + j] + (c ? g.beta * c[i * c_row + j * c_column] : 0);
    return pln_ref_epilogue_finish(call, &epilogue, g.a->dtype, 2, dims, sums);
}
