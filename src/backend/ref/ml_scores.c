#include "backend/ref/ml_scores.h"

#include "backend/ref/real.h"

enum pln_status pln_ref_transform_read(struct pln_call *call, enum pln_transform *out_transform)
{
    static const char *const names[] = { "NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT" };
    const struct pln_attr *attr = pln_attrs_find(call->attrs, "post_transform");
    *out_transform = PLN_TRANSFORM_NONE;
    if (!attr) return PLN_OK;
    for (size_t i = 0; i < PLN_COUNT_OF(names); i++) {
        bool same = attr->kind == PLN_ATTR_INT ? attr->u.i == (int64_t)i : pln_str_equal(pln_attrs_string(call->attrs, "post_transform", ""), names[i]);
        if (!same) continue;
        *out_transform = (enum pln_transform)i;
        return PLN_OK;
    }
    return pln_call_fail(call, PLN_BAD_MODEL, "post_transform is none of NONE, SOFTMAX, LOGISTIC, SOFTMAX_ZERO, PROBIT");
}

enum pln_status pln_ref_put_class(struct pln_call *call, const struct pln_tensor *y, const struct pln_tensor *z, int64_t at, const struct pln_tensor *labels,
                                  int64_t best, const double *scores)
{
    pln_ref_store(z, at * z->dims[1], z->dims[1], scores);
    return pln_ref_put(call, 0, y, at, labels, best);
}

enum pln_status pln_ref_rows(struct pln_call *call, const double **out_values, int64_t *out_rows, int64_t *out_features)
{
    const struct pln_tensor *x;
    *out_values = NULL;
    *out_rows = *out_features = 0;
    PLN_TRY(pln_call_need(call, 0, &x));
    if (x->rank < 1 || x->rank > 2 || x->dtype == PLN_STR) return pln_call_fail(call, PLN_BAD_MODEL, "the input must be a matrix of numbers");
    *out_rows = x->rank == 2 ? x->dims[0] : 1;
    *out_features = x->dims[x->rank - 1];
    return pln_ref_reals(call, x, out_values);
}

enum pln_status pln_ref_labels(struct pln_call *call, const char *ints, const char *strings, struct pln_tensor *out_labels)
{
    if (pln_ref_attr_tensor(call->attrs, ints, out_labels) || pln_ref_attr_tensor(call->attrs, strings, out_labels)) return PLN_OK;
    return pln_call_fail(call, PLN_BAD_MODEL, "neither %s nor %s is there", ints, strings);
}

enum pln_status pln_ref_float_list(struct pln_call *call, const char *name, const char *tensor_name, const double **out_values, int64_t *out_n)
{
    struct pln_tensor list;
    *out_values = NULL;
    *out_n = 0;
    if (!pln_ref_attr_tensor(call->attrs, name, &list) && (!tensor_name || !pln_ref_attr_tensor(call->attrs, tensor_name, &list))) return PLN_OK;
    if (!pln_dtype_is_float(list.dtype)) return pln_call_fail(call, PLN_BAD_MODEL, "%s is no list of floats", name);
    *out_n = pln_tensor_count(&list);
    return pln_ref_reals(call, &list, out_values);
}
