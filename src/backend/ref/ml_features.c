#include <math.h>

#include "backend/ref/lookup.h"
#include "backend/ref/real.h"
#include "tensor/convert.h"

enum pln_status pln_ref_array_feature_extractor(struct pln_call *call)
{
    const struct pln_tensor *x, *indices;
    struct pln_tensor y;
    int64_t dims[PLN_MAX_RANK] = { 1 };
    PLN_TRY(pln_call_need(call, 0, &x));
    PLN_TRY(pln_call_need(call, 1, &indices));
    if (x->rank < 1 || indices->dtype != PLN_I64) return pln_call_fail(call, PLN_BAD_MODEL, "needs a tensor of rank 1 or more, and int64 indices");
    int rank = PLN_MAX(x->rank, 2);
    if (x->rank > 1) memcpy(dims, x->dims, (size_t)x->rank * sizeof(int64_t));
    int64_t n = pln_tensor_count(indices), features = x->dims[x->rank - 1];
    const int64_t *places = indices->data;
    dims[rank - 1] = n;
    for (int64_t i = 0; i < n; i++) {
        if (places[i] < 0 || places[i] >= features) return pln_call_fail(call, PLN_BAD_MODEL, "index %lld is outside of %lld features", (long long)places[i], (long long)features);
    }
    PLN_TRY(pln_call_out(call, 0, x->dtype, rank, dims, &y));
    for (int64_t i = 0; i < pln_tensor_count(&y); i++) PLN_TRY(pln_ref_put(call, 0, &y, i, x, i / n * features + places[i % n]));
    return PLN_OK;
}

enum pln_status pln_ref_binarizer(struct pln_call *call)
{
    const struct pln_tensor *x;
    struct pln_tensor y;
    PLN_TRY(pln_call_need(call, 0, &x));
    PLN_TRY(pln_call_out(call, 0, x->dtype, x->rank, x->dims, &y));
    double threshold = (double)pln_attrs_float(call->attrs, "threshold", 0);
    for (int64_t i = 0; i < pln_tensor_count(x); i++) {
        pln_store_i64(y.dtype, y.data, i, pln_load_f64(x->dtype, x->data, i) > threshold);
    }
    return PLN_OK;
}

/* A list of one entry for all features, or of one each; absent: `fallback` for all. */
static enum pln_status read_features(struct pln_call *call, const char *name, int64_t features, double fallback, double **out_values)
{
    const float *floats = NULL;
    int64_t n = pln_attrs_floats(call->attrs, name, &floats);
    PLN_TRY(pln_ref_scratch_reals(call, features, out_values));
    if (n > 1 && n != features) return pln_call_fail(call, PLN_BAD_MODEL, "%s has %lld entries for %lld features", name, (long long)n, (long long)features);
    for (int64_t i = 0; i < features; i++) (*out_values)[i] = n == 0 ? fallback : (double)floats[n == 1 ? 0 : i];
    return PLN_OK;
}

static enum pln_status begin_rows(struct pln_call *call, const struct pln_tensor **out_x, int64_t *out_features, struct pln_tensor *out_y)
{
    PLN_TRY(pln_call_need(call, 0, out_x));
    if ((*out_x)->rank < 1) return pln_call_fail(call, PLN_BAD_MODEL, "needs a tensor of rank 1 or more");
    *out_features = (*out_x)->dims[(*out_x)->rank - 1];
    return pln_call_out(call, 0, PLN_F32, (*out_x)->rank, (*out_x)->dims, out_y);
}

enum pln_status pln_ref_scaler(struct pln_call *call)
{
    const struct pln_tensor *x;
    struct pln_tensor y;
    int64_t features;
    double *offset, *scale;
    PLN_TRY(begin_rows(call, &x, &features, &y));
    if (pln_tensor_count(x) == 0) return PLN_OK;
    PLN_TRY(read_features(call, "offset", features, 0, &offset));
    PLN_TRY(read_features(call, "scale", features, 1, &scale));
    for (int64_t i = 0; i < pln_tensor_count(x); i++) {
        double value = (pln_load_f64(x->dtype, x->data, i) - offset[i % features]) * scale[i % features];
        pln_ref_store(&y, i, 1, &value);
    }
    return PLN_OK;
}

/* The divisor of a row; L1 and L2 keep the elements' signs, and 0 leaves the row as it is. */
static double row_norm(const char *norm, const double *row, int64_t n)
{
    double sum = 0, largest = -(double)INFINITY;
    bool squares = pln_str_equal(norm, "L2");
    for (int64_t i = 0; i < n; i++) {
        largest = fmax(largest, row[i]);
        sum += squares ? row[i] * row[i] : fabs(row[i]);
    }
    double result = pln_str_equal(norm, "MAX") ? largest : squares ? sqrt(sum) : sum;
    return result == 0 ? 1 : result;
}

enum pln_status pln_ref_normalizer(struct pln_call *call)
{
    const struct pln_tensor *x;
    struct pln_tensor y;
    int64_t features;
    const double *values;
    double *row;
    const char *norm = pln_attrs_string(call->attrs, "norm", "MAX");
    if (!pln_str_equal(norm, "MAX") && !pln_str_equal(norm, "L1") && !pln_str_equal(norm, "L2")) return pln_call_fail(call, PLN_BAD_MODEL, "norm is none of MAX, L1, L2");
    PLN_TRY(begin_rows(call, &x, &features, &y));
    if (pln_tensor_count(x) == 0) return PLN_OK;
    PLN_TRY(pln_ref_reals(call, x, &values));
    PLN_TRY(pln_ref_scratch_reals(call, features, &row));
    for (int64_t first = 0; first < pln_tensor_count(x); first += features) {
        double divisor = row_norm(norm, values + first, features);
        for (int64_t i = 0; i < features; i++) row[i] = values[first + i] / divisor;
        pln_ref_store(&y, first, features, row);
    }
    return PLN_OK;
}

enum pln_status pln_ref_imputer(struct pln_call *call)
{
    const struct pln_tensor *x;
    struct pln_tensor y, imputed;
    PLN_TRY(pln_call_need(call, 0, &x));
    bool floats = pln_dtype_is_float(x->dtype);
    if (!pln_ref_attr_tensor(call->attrs, floats ? "imputed_value_floats" : "imputed_value_int64s", &imputed)) {
        return pln_call_fail(call, PLN_BAD_MODEL, "%s is missing", floats ? "imputed_value_floats" : "imputed_value_int64s");
    }
    int64_t n = pln_tensor_count(&imputed), features = x->rank > 0 ? x->dims[x->rank - 1] : 1;
    if (n != 1 && n != features) return pln_call_fail(call, PLN_BAD_MODEL, "%lld imputed values for %lld features", (long long)n, (long long)features);
    double bad = (double)pln_attrs_float(call->attrs, "replaced_value_float", 0);
    int64_t bad_int = pln_attrs_int(call->attrs, "replaced_value_int64", 0);
    PLN_TRY(pln_call_out(call, 0, x->dtype, x->rank, x->dims, &y));
    for (int64_t i = 0; i < pln_tensor_count(x); i++) {
        int64_t at = n == 1 ? 0 : i % features;
        if (floats) {
            double value = pln_load_f64(x->dtype, x->data, i);
            bool hit = isnan(bad) ? isnan(value) : value == bad;
            pln_store_f64(y.dtype, y.data, i, hit ? pln_load_f64(imputed.dtype, imputed.data, at) : value, false);
        } else {
            int64_t value = pln_load_i64(x->dtype, x->data, i);
            pln_store_i64(y.dtype, y.data, i, value == bad_int ? pln_load_i64(imputed.dtype, imputed.data, at) : value);
        }
    }
    return PLN_OK;
}

static enum pln_status encode(struct pln_call *call, const struct pln_tensor *x, const struct pln_ref_lookup *lookup, int64_t classes, const struct pln_tensor *y)
{
    bool zeros = pln_attrs_int(call->attrs, "zeros", 1) != 0;
    float *out = y->data;
    for (int64_t i = 0; i < pln_tensor_count(x); i++) {
        uint32_t at;
        if (pln_ref_lookup_find(lookup, x, i, &at)) {
            out[i * classes + at] = 1;
        } else if (!zeros) {
            return pln_call_fail(call, PLN_BAD_MODEL, "element %lld is no known category, and zeros is 0", (long long)i);
        }
    }
    return PLN_OK;
}

enum pln_status pln_ref_one_hot_encoder(struct pln_call *call)
{
    const struct pln_tensor *x;
    struct pln_tensor y, cats;
    struct pln_ref_lookup lookup;
    int64_t dims[PLN_MAX_RANK];
    PLN_TRY(pln_call_need(call, 0, &x));
    if (x->rank >= PLN_MAX_RANK) return pln_call_fail(call, PLN_BAD_MODEL, "input of rank %d", x->rank);
    if (!pln_ref_attr_tensor(call->attrs, "cats_int64s", &cats) && !pln_ref_attr_tensor(call->attrs, "cats_strings", &cats)) {
        return pln_call_fail(call, PLN_BAD_MODEL, "neither cats_int64s nor cats_strings is there");
    }
    memcpy(dims, x->dims, (size_t)x->rank * sizeof(int64_t));
    int64_t classes = dims[x->rank] = pln_tensor_count(&cats);
    PLN_TRY(pln_call_out(call, 0, PLN_F32, x->rank + 1, dims, &y));
    if (pln_tensor_count(&y) > 0) memset(y.data, 0, pln_tensor_bytes(&y));
    enum pln_status status = pln_ref_lookup_init(call, &cats, &lookup);
    if (status == PLN_OK) status = encode(call, x, &lookup, classes, &y);
    pln_ref_lookup_deinit(&lookup);
    return status;
}

enum pln_status pln_ref_feature_vectorizer(struct pln_call *call)
{
    const int64_t *sizes = NULL;
    int64_t n_sizes = pln_attrs_ints(call->attrs, "inputdimensions", &sizes), dims[2] = { 1, 0 };
    struct pln_tensor y;
    if (sizes && n_sizes != call->n_inputs) return pln_call_fail(call, PLN_BAD_MODEL, "inputdimensions does not have one entry an input");
    for (int i = 0; i < call->n_inputs; i++) {
        const struct pln_tensor *x;
        PLN_TRY(pln_call_need(call, i, &x));
        int64_t rows = x->rank == 2 ? x->dims[0] : 1, columns = x->rank < 1 ? 0 : sizes ? sizes[i] : x->dims[x->rank - 1];
        if (i == 0) dims[0] = rows;
        if (x->rank < 1 || x->rank > 2 || rows != dims[0] || columns < 0 || !pln_add_i64(dims[1], columns, &dims[1])) {
            return pln_call_fail(call, PLN_BAD_MODEL, "input %d does not fit the rows of the others", i);
        }
    }
    PLN_TRY(pln_call_out(call, 0, PLN_F32, 2, dims, &y));
    if (pln_tensor_count(&y) == 0) return PLN_OK;
    memset(y.data, 0, pln_tensor_bytes(&y));
    int64_t first = 0;
    for (int i = 0; i < call->n_inputs; i++) {
        const struct pln_tensor *x = pln_call_in(call, i);
        int64_t columns = x->dims[x->rank - 1], kept = sizes ? PLN_MIN(sizes[i], columns) : columns;
        for (int64_t at = 0; at < dims[0] * kept; at++) {
            double value = pln_load_f64(x->dtype, x->data, at / kept * columns + at % kept);
            pln_ref_store(&y, at / kept * dims[1] + first + at % kept, 1, &value);
        }
        first += sizes ? sizes[i] : columns;
    }
    return PLN_OK;
}
