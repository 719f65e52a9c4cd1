#include "backend/ref/quant.h"
#include "backend/ref/real.h"
#include "kernel/window.h"

/* y[batch…, m, n] = a[batch…, m, k] b[batch…, k, n] with NumPy's rules for vectors and batches. */
struct product {
    int64_t m, n, k;
    int batch_rank;
    int64_t batch[PLN_MAX_RANK];
    int64_t a_strides[PLN_MAX_RANK], b_strides[PLN_MAX_RANK]; /* matrices, 0 where repeated */
    int64_t a_matrices, b_matrices;
    int rank;
    int64_t dims[PLN_MAX_RANK];
};

static void batch_strides(const struct pln_tensor *t, int batch_rank, int64_t *strides, int64_t *out_matrices)
{
    int own = PLN_MAX(t->rank - 2, 0);
    *out_matrices = 1;
    for (int d = batch_rank - 1; d >= 0; d--) {
        int from = d - (batch_rank - own);
        int64_t dim = from >= 0 ? t->dims[from] : 1;
        strides[d] = dim == 1 ? 0 : *out_matrices;
        *out_matrices *= PLN_MAX(dim, 1);
    }
}

static enum pln_status read_product(struct pln_call *call, const struct pln_tensor *a, const struct pln_tensor *b, struct product *p)
{
    memset(p, 0, sizeof(*p));
    if (a->rank < 1 || b->rank < 1) return pln_call_fail(call, PLN_BAD_MODEL, "an operand of rank 0");
    p->m = a->rank > 1 ? a->dims[a->rank - 2] : 1;
    p->k = a->dims[a->rank - 1];
    p->n = b->rank > 1 ? b->dims[b->rank - 1] : 1;
    if (p->k != b->dims[b->rank > 1 ? b->rank - 2 : 0] ||
        !pln_shape_broadcast(PLN_MAX(a->rank - 2, 0), a->dims, PLN_MAX(b->rank - 2, 0), b->dims, &p->batch_rank, p->batch)) {
        char left[128], right[128];
        return pln_call_fail(call, PLN_BAD_MODEL, "%s and %s do not fit together", pln_tensor_describe(a, left, sizeof(left)), pln_tensor_describe(b, right, sizeof(right)));
    }
    batch_strides(a, p->batch_rank, p->a_strides, &p->a_matrices);
    batch_strides(b, p->batch_rank, p->b_strides, &p->b_matrices);
    memcpy(p->dims, p->batch, sizeof(p->dims));
    p->rank = p->batch_rank;
    if (a->rank > 1) p->dims[p->rank++] = p->m;
    if (b->rank > 1) p->dims[p->rank++] = p->n;
    return PLN_OK;
}

/* A parameter of an operand: one; one for each row of a (column of b); or one for each row (column) of each matrix. */
struct parameter {
    const double *values; /* NULL: left out, `fallback` */
    double fallback;
    int64_t per_matrix; /* 0: the same for all matrices */
    bool single;
};

static enum pln_status read_parameter(struct pln_call *call, int i, double fallback, int64_t lanes, int64_t matrices, struct parameter *out)
{
    const struct pln_tensor *t = pln_call_in(call, i);
    *out = (struct parameter){ NULL, fallback, 0, true };
    if (!t) return PLN_OK;
    int64_t n = pln_tensor_count(t);
    out->single = n == 1;
    out->per_matrix = n != lanes ? lanes : 0;
    if (n != 1 && n != lanes && !(matrices > 0 && n % matrices == 0 && n / matrices == lanes)) {
        return pln_call_fail(call, PLN_BAD_MODEL, "input %d has %lld elements, which fit neither the tensor nor its %lld rows or columns", i, (long long)n, (long long)lanes);
    }
    return pln_ref_reals(call, t, &out->values);
}

static double parameter_at(const struct parameter *p, int64_t matrix, int64_t lane)
{
    if (!p->values) return p->fallback;
    return p->values[p->single ? 0 : matrix * p->per_matrix + lane];
}

struct quantized {
    const double *values;
    struct parameter zero, scale;
};

/* out[n] = sum over k of (a[m, k] - a_zero) (b[k, n] - b_zero). */
static void product_row(const struct product *p, const struct quantized *a, const struct quantized *b, int64_t a_matrix, int64_t b_matrix, int64_t m, double *out)
{
    const double *left = a->values + (a_matrix * p->m + m) * p->k, *right = b->values + b_matrix * p->k * p->n;
    double a_zero = parameter_at(&a->zero, a_matrix, m);
    memset(out, 0, (size_t)p->n * sizeof(double));
    for (int64_t k = 0; k < p->k; k++) {
        for (int64_t n = 0; n < p->n; n++) out[n] += (left[k] - a_zero) * (right[k * p->n + n] - parameter_at(&b->zero, b_matrix, n));
    }
}

/* Walks all rows; `finish` turns one row of sums into what is stored (NULL: as it is). */
struct finish {
    struct quantized *a, *b;
    const double *y_scale, *y_zero;
};

static void finish_row(const struct product *p, const struct finish *f, enum pln_dtype dtype, int64_t a_matrix, int64_t b_matrix, int64_t m, double *row)
{
    for (int64_t n = 0; n < p->n; n++) {
        double scale = parameter_at(&f->a->scale, a_matrix, m) * parameter_at(&f->b->scale, b_matrix, n) / f->y_scale[0];
        row[n] = pln_ref_quantize(dtype, row[n] * scale, f->y_zero[0]);
    }
}

static enum pln_status multiply(struct pln_call *call, const struct product *p, const struct quantized *a, const struct quantized *b, const struct finish *finish,
                                const struct pln_tensor *y)
{
    double *row;
    int64_t at[PLN_MAX_RANK] = { 0 }, first = 0;
    if (pln_tensor_count(y) == 0) return PLN_OK;
    PLN_TRY(pln_ref_scratch_reals(call, p->n, &row));
    do {
        int64_t a_matrix = 0, b_matrix = 0;
        for (int d = 0; d < p->batch_rank; d++) {
            a_matrix += at[d] * p->a_strides[d];
            b_matrix += at[d] * p->b_strides[d];
        }
        for (int64_t m = 0; m < p->m; m++, first += p->n) {
            product_row(p, a, b, a_matrix, b_matrix, m, row);
            if (finish) finish_row(p, finish, y->dtype, a_matrix, b_matrix, m, row);
            pln_ref_store(y, first, p->n, row);
        }
    } while (pln_index_step(p->batch_rank, at, p->batch));
    return PLN_OK;
}

enum pln_status pln_ref_matmul_integer(struct pln_call *call)
{
    const struct pln_tensor *a, *b;
    struct product p;
    struct quantized left, right;
    struct pln_tensor y;
    PLN_TRY(pln_call_need(call, 0, &a));
    PLN_TRY(pln_call_need(call, 1, &b));
    PLN_TRY(read_product(call, a, b, &p));
    PLN_TRY(pln_call_out(call, 0, PLN_I32, p.rank, p.dims, &y));
    PLN_TRY(pln_ref_reals(call, a, &left.values));
    PLN_TRY(pln_ref_reals(call, b, &right.values));
    PLN_TRY(read_parameter(call, 2, 0, p.m, p.a_matrices, &left.zero));
    PLN_TRY(read_parameter(call, 3, 0, p.n, p.b_matrices, &right.zero));
    return multiply(call, &p, &left, &right, NULL, &y);
}

enum pln_status pln_ref_qlinear_matmul(struct pln_call *call)
{
    const struct pln_tensor *a, *b, *y_scale, *y_zero;
    struct product p;
    struct quantized left, right;
    struct finish finish = { &left, &right, NULL, NULL };
    struct pln_tensor y;
    PLN_TRY(pln_call_need(call, 0, &a));
    PLN_TRY(pln_call_need(call, 3, &b));
    PLN_TRY(pln_call_need(call, 6, &y_scale));
    PLN_TRY(pln_call_need(call, 7, &y_zero));
    PLN_TRY(read_product(call, a, b, &p));
    if (pln_tensor_count(y_scale) != 1 || pln_tensor_count(y_zero) != 1) return pln_call_fail(call, PLN_BAD_MODEL, "y_scale and y_zero_point must be single numbers");
    PLN_TRY(pln_call_out(call, 0, y_zero->dtype, p.rank, p.dims, &y));
    PLN_TRY(pln_ref_reals(call, a, &left.values));
    PLN_TRY(pln_ref_reals(call, b, &right.values));
    PLN_TRY(read_parameter(call, 1, 1, p.m, p.a_matrices, &left.scale));
    PLN_TRY(read_parameter(call, 2, 0, p.m, p.a_matrices, &left.zero));
    PLN_TRY(read_parameter(call, 4, 1, p.n, p.b_matrices, &right.scale));
    PLN_TRY(read_parameter(call, 5, 0, p.n, p.b_matrices, &right.zero));
    PLN_TRY(pln_ref_reals(call, y_scale, &finish.y_scale));
    PLN_TRY(pln_ref_reals(call, y_zero, &finish.y_zero));
    return multiply(call, &p, &left, &right, &finish, &y);
}
