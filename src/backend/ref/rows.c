/* Runs of elements, and walks over broadcast shapes. */
#include "backend/ref/rows.h"

#include "tensor/convert.h"

void pln_ref_load_f64(enum pln_dtype dtype, const void *data, int64_t first, int64_t n, double *out)
{
    if (dtype == PLN_F32) {
        const float *from = (const float *)data + first;
        for (int64_t i = 0; i < n; i++) out[i] = (double)from[i];
    } else if (dtype == PLN_F64) {
        if (n) memcpy(out, (const double *)data + first, (size_t)n * sizeof(*out));
    } else {
        for (int64_t i = 0; i < n; i++) out[i] = pln_load_f64(dtype, data, first + i);
    }
}

void pln_ref_load_i64(enum pln_dtype dtype, const void *data, int64_t first, int64_t n, int64_t *out)
{
    if (dtype == PLN_I64 || dtype == PLN_U64) {
        if (n) memcpy(out, (const int64_t *)data + first, (size_t)n * sizeof(*out));
    } else if (dtype == PLN_BOOL) {
        const uint8_t *from = (const uint8_t *)data + first;
        for (int64_t i = 0; i < n; i++) out[i] = from[i] != 0;
    } else {
        for (int64_t i = 0; i < n; i++) out[i] = pln_load_i64(dtype, data, first + i);
    }
}

void pln_ref_store_f64(enum pln_dtype dtype, void *data, int64_t first, int64_t n, const double *in)
{
    if (dtype == PLN_F32) {
        float *to = (float *)data + first;
        for (int64_t i = 0; i < n; i++) to[i] = (float)in[i];
    } else if (dtype == PLN_F64) {
        if (n) memcpy((double *)data + first, in, (size_t)n * sizeof(*in));
    } else {
        for (int64_t i = 0; i < n; i++) pln_store_f64(dtype, data, first + i, in[i], false);
    }
}

void pln_ref_store_i64(enum pln_dtype dtype, void *data, int64_t first, int64_t n, const int64_t *in)
{
    if (dtype == PLN_I64 || dtype == PLN_U64) {
        if (n) memcpy((int64_t *)data + first, in, (size_t)n * sizeof(*in));
    } else if (dtype == PLN_BOOL) {
        uint8_t *to = (uint8_t *)data + first;
        for (int64_t i = 0; i < n; i++) to[i] = in[i] != 0;
    } else {
        for (int64_t i = 0; i < n; i++) pln_store_i64(dtype, data, first + i, in[i]);
    }
}

enum pln_status pln_ref_as_f64(struct pln_call *call, const struct pln_tensor *tensor, double **out_values)
{
    *out_values = NULL;
    int64_t n = pln_tensor_count(tensor);
    void *memory = NULL;
    PLN_TRY(pln_call_scratch(call, (size_t)n, sizeof(double), &memory));
    pln_ref_load_f64(tensor->dtype, tensor->data, 0, n, memory);
    *out_values = memory;
    return PLN_OK;
}

enum pln_status pln_ref_as_i64(struct pln_call *call, const struct pln_tensor *tensor, int64_t **out_values)
{
    *out_values = NULL;
    int64_t n = pln_tensor_count(tensor);
    void *memory = NULL;
    PLN_TRY(pln_call_scratch(call, (size_t)n, sizeof(int64_t), &memory));
    pln_ref_load_i64(tensor->dtype, tensor->data, 0, n, memory);
    *out_values = memory;
    return PLN_OK;
}

bool pln_ref_is_int(enum pln_dtype dtype)
{
    return dtype == PLN_BOOL || pln_dtype_is_integer(dtype);
}

double pln_ref_round_f64(enum pln_dtype dtype, double value)
{
    if (dtype == PLN_F32) return (double)(float)value;
    if (dtype == PLN_F64) return value;
    uint64_t bits = 0;
    pln_store_f64(dtype, &bits, 0, value, false);
    return pln_load_f64(dtype, &bits, 0);
}

int64_t pln_ref_wrap_i64(enum pln_dtype dtype, int64_t value)
{
    if (dtype == PLN_I64 || dtype == PLN_U64) return value;
    if (dtype == PLN_BOOL) return value != 0;
    uint64_t bits = 0;
    pln_store_i64(dtype, &bits, 0, value);
    return pln_load_i64(dtype, &bits, 0);
}

int64_t pln_ref_int_max(enum pln_dtype dtype)
{
    if (dtype == PLN_U64) return -1;
    if (dtype == PLN_BOOL) return 1;
    int bits = pln_dtype_bits(dtype) - (pln_dtype_is_signed(dtype) ? 1 : 0);
    return (int64_t)(((uint64_t)1 << bits) - 1);
}

int64_t pln_ref_int_min(enum pln_dtype dtype)
{
    return pln_dtype_is_signed(dtype) ? -pln_ref_int_max(dtype) - 1 : 0;
}

/* Dim d of the result as input k walks it: the extent that input k has there (1 when it has no such dim). */
static int64_t input_extent(const struct pln_tensor *tensor, int rank, int d)
{
    int i = tensor ? d - (rank - tensor->rank) : -1;
    return i < 0 ? 1 : tensor->dims[i];
}

bool pln_ref_broadcast_init(struct pln_ref_broadcast *walk, int n_inputs, const struct pln_tensor *const *inputs)
{
    memset(walk, 0, sizeof(*walk));
    walk->n_inputs = n_inputs;
    for (int k = 0; k < n_inputs; k++)
        if (inputs[k] && !pln_shape_broadcast(walk->rank, walk->dims, inputs[k]->rank, inputs[k]->dims, &walk->rank, walk->dims))
            return false;
    for (int d = 0; d < walk->rank; d++)
        if (walk->dims[d] == 0) return true; /* nothing to walk, and the other extents may be too large to multiply */
    int64_t inner[3] = { 1, 1, 1 }; /* elements that input k has behind the dim at hand */
    int groups = 0;                 /* merged dims, innermost first */
    int64_t extents[PLN_MAX_RANK], steps[3][PLN_MAX_RANK];
    bool walks[3] = { false }; /* does input k walk the last group, or repeat along it? */
    for (int d = walk->rank - 1; d >= 0; d--) {
        int64_t extent = walk->dims[d];
        if (extent == 1) continue;
        bool merge = groups > 0;
        for (int k = 0; k < n_inputs; k++) merge = merge && walks[k] == (input_extent(inputs[k], walk->rank, d) != 1);
        if (merge) extents[groups - 1] *= extent;
        else extents[groups++] = extent;
        for (int k = 0; k < n_inputs; k++) {
            walks[k] = input_extent(inputs[k], walk->rank, d) != 1;
            if (!merge) steps[k][groups - 1] = walks[k] ? inner[k] : 0;
            if (walks[k]) inner[k] *= extent;
        }
    }
    walk->row = groups ? extents[0] : 1;
    for (int k = 0; k < n_inputs; k++) walk->step[k] = groups ? steps[k][0] : 0;
    walk->walk_rank = groups ? groups - 1 : 0;
    walk->n_rows = 1;
    for (int i = 0; i < walk->walk_rank; i++) {
        walk->walk[i] = extents[groups - 1 - i];
        walk->n_rows *= walk->walk[i];
        for (int k = 0; k < n_inputs; k++) walk->strides[k][i] = steps[k][groups - 1 - i];
    }
    return true;
}

void pln_ref_broadcast_next(struct pln_ref_broadcast *walk)
{
    for (int i = walk->walk_rank - 1; i >= 0; i--) {
        for (int k = 0; k < walk->n_inputs; k++) walk->offset[k] += walk->strides[k][i];
        if (++walk->index[i] < walk->walk[i]) return;
        for (int k = 0; k < walk->n_inputs; k++) walk->offset[k] -= walk->strides[k][i] * walk->walk[i];
        walk->index[i] = 0;
    }
}
