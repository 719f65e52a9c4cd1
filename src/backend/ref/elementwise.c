/* Elementwise functions over broadcast inputs, a run of elements at a time. */
#include <math.h>

#include "backend/ref/rows.h"

struct ew {
    unsigned kind;
    float alpha, beta;
    int n_inputs;
    const struct pln_tensor *in[3];
    struct pln_tensor out;
    struct pln_ref_broadcast walk;
};

static void load_f64(const struct ew *ew, int k, int64_t first, int64_t n, double absent, double *to)
{
    const struct pln_tensor *tensor = k < 3 ? ew->in[k] : NULL;
    int64_t step = ew->walk.step[k], at = ew->walk.offset[k];
    if (tensor && step) {
        pln_ref_load_f64(tensor->dtype, tensor->data, at + first, n, to);
        return;
    }
    double value = absent;
    if (tensor) pln_ref_load_f64(tensor->dtype, tensor->data, at, 1, &value);
    for (int64_t i = 0; i < n; i++) to[i] = value;
}

static void load_i64(const struct ew *ew, int k, int64_t first, int64_t n, int64_t absent, int64_t *to)
{
    const struct pln_tensor *tensor = ew->in[k];
    int64_t step = ew->walk.step[k], at = ew->walk.offset[k];
    if (tensor && step) {
        pln_ref_load_i64(tensor->dtype, tensor->data, at + first, n, to);
        return;
    }
    int64_t value = absent;
    if (tensor) pln_ref_load_i64(tensor->dtype, tensor->data, at, 1, &value);
    for (int64_t i = 0; i < n; i++) to[i] = value;
}

static void run_f64(const struct ew *ew, int64_t first, int64_t n, int64_t to)
{
    double a[PLN_REF_CHUNK], b[PLN_REF_CHUNK], c[PLN_REF_CHUNK];
    load_f64(ew, 0, first, n, 0, a);
    load_f64(ew, 1, first, n, -(double)INFINITY, b);
    load_f64(ew, 2, first, n, (double)INFINITY, c);
    for (int64_t i = 0; i < n; i++) a[i] = pln_ew_f64(ew->kind, a[i], b[i], c[i], ew->alpha, ew->beta);
    pln_ref_store_f64(ew->out.dtype, ew->out.data, to, n, a);
}

static void run_i64(const struct ew *ew, int64_t first, int64_t n, int64_t to, bool is_unsigned)
{
    int64_t a[PLN_REF_CHUNK], b[PLN_REF_CHUNK], c[PLN_REF_CHUNK];
    load_i64(ew, 0, first, n, 0, a);
    load_i64(ew, 1, first, n, is_unsigned ? 0 : INT64_MIN, b);
    load_i64(ew, 2, first, n, is_unsigned ? -1 : INT64_MAX, c);
    for (int64_t i = 0; i < n; i++) a[i] = pln_ew_i64(ew->kind, a[i], b[i], c[i], is_unsigned);
    pln_ref_store_i64(ew->out.dtype, ew->out.data, to, n, a);
}

static void run_numbers(struct ew *ew)
{
    enum pln_dtype domain = ew->in[0]->dtype;
    /* An integer base with a real exponent, and the functions whose parameters are real, are computed as reals. */
    bool real = (ew->kind == PLN_EW_POW && !pln_ref_is_int(ew->in[1]->dtype)) || ew->kind == PLN_EW_SHRINK;
    bool ints = pln_ref_is_int(domain) && !real, is_unsigned = !pln_dtype_is_signed(domain);
    int64_t row = ew->walk.row;
    for (int64_t r = 0; r < ew->walk.n_rows; r++) {
        for (int64_t first = 0; first < row; first += PLN_REF_CHUNK) {
            int64_t n = PLN_MIN((int64_t)PLN_REF_CHUNK, row - first);
            if (ints) run_i64(ew, first, n, r * row + first, is_unsigned);
            else run_f64(ew, first, n, r * row + first);
        }
        pln_ref_broadcast_next(&ew->walk);
    }
}

static bool same_string(const struct pln_string *a, const struct pln_string *b)
{
    return a->size_bytes == b->size_bytes && (a->size_bytes == 0 || memcmp(a->data, b->data, a->size_bytes) == 0);
}

static void run_equal_strings(struct ew *ew)
{
    const struct pln_string *a = ew->in[0]->data, *b = ew->in[1]->data;
    const struct pln_ref_broadcast *walk = &ew->walk;
    uint8_t *out = ew->out.data;
    for (int64_t r = 0; r < walk->n_rows; r++) {
        for (int64_t i = 0; i < walk->row; i++)
            *out++ = same_string(&a[walk->offset[0] + i * walk->step[0]], &b[walk->offset[1] + i * walk->step[1]]);
        pln_ref_broadcast_next(&ew->walk);
    }
}

/* Element `from` of a tensor to element `to` of the output, whatever the type. */
static enum pln_status move_element(struct pln_call *call, const struct pln_tensor *source, int64_t from, struct pln_tensor *out, int64_t to)
{
    int bits = pln_dtype_bits(source->dtype);
    if (source->dtype == PLN_STR) {
        const struct pln_string *string = (const struct pln_string *)source->data + from;
        return pln_call_string(call, 0, string->data, string->size_bytes, (struct pln_string *)out->data + to);
    }
    if (bits < 8) {
        double value;
        pln_ref_load_f64(source->dtype, source->data, from, 1, &value);
        pln_ref_store_f64(out->dtype, out->data, to, 1, &value);
        return PLN_OK;
    }
    size_t bytes = (size_t)bits / 8;
    memcpy((char *)out->data + (size_t)to * bytes, (const char *)source->data + (size_t)from * bytes, bytes);
    return PLN_OK;
}

static enum pln_status run_where(struct pln_call *call, struct ew *ew)
{
    const uint8_t *condition = ew->in[0]->data;
    const struct pln_ref_broadcast *walk = &ew->walk;
    int64_t to = 0;
    for (int64_t r = 0; r < walk->n_rows; r++) {
        for (int64_t i = 0; i < walk->row; i++) {
            int k = condition[walk->offset[0] + i * walk->step[0]] ? 1 : 2;
            PLN_TRY(move_element(call, ew->in[k], walk->offset[k] + i * walk->step[k], &ew->out, to++));
        }
        pln_ref_broadcast_next(&ew->walk);
    }
    return PLN_OK;
}

static enum pln_dtype result_dtype(const struct ew *ew, enum pln_ew_class cls)
{
    switch (cls) {
    case PLN_EW_CLASS_F:
    case PLN_EW_CLASS_N:
    case PLN_EW_CLASS_I: return ew->in[0]->dtype;
    case PLN_EW_CLASS_B:
    case PLN_EW_CLASS_C:
    case PLN_EW_CLASS_P: return PLN_BOOL;
    case PLN_EW_CLASS_S: return ew->in[1]->dtype;
    }
    return PLN_DTYPE_NONE;
}

static enum pln_status check_types(struct pln_call *call, const struct ew *ew, enum pln_ew_class cls)
{
    const struct pln_tensor *const *in = ew->in;
    bool where = cls == PLN_EW_CLASS_S, equal = ew->kind == PLN_EW_EQUAL;
    if (where && in[0]->dtype != PLN_BOOL) return pln_call_fail(call, PLN_BAD_MODEL, "the condition must be bool");
    for (int k = where ? 2 : 1; k < ew->n_inputs; k++) {
        const struct pln_tensor *first = in[where ? 1 : 0];
        if (!in[k] || in[k]->dtype == first->dtype || ew->kind == PLN_EW_POW) continue;
        return pln_call_fail(call, PLN_BAD_MODEL, "inputs are %s and %s; they must be of one type", pln_dtype_name(first->dtype),
                             pln_dtype_name(in[k]->dtype));
    }
    for (int k = 0; k < ew->n_inputs && !where; k++)
        if (in[k] && (pln_dtype_is_complex(in[k]->dtype) || (in[k]->dtype == PLN_STR && !equal)))
            return pln_call_fail(call, PLN_BAD_MODEL, "input %d is %s", k, pln_dtype_name(in[k]->dtype));
    return PLN_OK;
}

enum pln_status pln_ref_elementwise(struct pln_call *call)
{
    const struct pln_ew_info *info = pln_ew_get(call->kind);
    if (!info) return pln_call_fail(call, PLN_BAD_MODEL, "no such function");
    struct ew ew = { .kind = call->kind, .n_inputs = info->n_inputs };
    pln_ew_parameters(call->kind, call->attrs, &ew.alpha, &ew.beta);
    for (int k = 0; k < info->n_inputs; k++) {
        if (call->kind == PLN_EW_CLIP && k > 0) ew.in[k] = pln_call_in(call, k);
        else PLN_TRY(pln_call_need(call, k, &ew.in[k]));
    }
    PLN_TRY(check_types(call, &ew, info->cls));
    if (!pln_ref_broadcast_init(&ew.walk, ew.n_inputs, ew.in))
        return pln_call_fail(call, PLN_BAD_MODEL, "the shapes of the inputs cannot be broadcast to one");
    PLN_TRY(pln_call_out(call, 0, result_dtype(&ew, info->cls), ew.walk.rank, ew.walk.dims, &ew.out));
    if (info->cls == PLN_EW_CLASS_S) return run_where(call, &ew);
    if (ew.in[0]->dtype == PLN_STR) run_equal_strings(&ew);
    else run_numbers(&ew);
    return PLN_OK;
}
