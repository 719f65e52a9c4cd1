#include "ops/extent.h"

struct pln_dim pln_extent_product(struct pln_infer *infer, const struct pln_dim *dims, int first, int last)
{
    return pln_dim_product(&infer->graph->dims, dims + first, last - first);
}

static bool at_most(struct pln_dim_table *table, struct pln_dim a, struct pln_dim b)
{
    return pln_dim_lower_bound(table, pln_dim_sub(table, b, a)) >= 0;
}

struct pln_dim pln_extent_clamp(struct pln_infer *infer, struct pln_dim value, struct pln_dim low, struct pln_dim high)
{
    struct pln_dim_table *table = &infer->graph->dims;
    struct pln_dim raised = pln_dim_binary(table, PLN_DIM_MAX, value, low);
    if (at_most(table, value, high) && at_most(table, low, high)) return raised;
    return pln_dim_binary(table, PLN_DIM_MIN, raised, high);
}

bool pln_extent_sure(const struct pln_infer *infer)
{
    return pln_graph_node(infer->graph, infer->node)->block == 0;
}

bool pln_extent_unify(struct pln_infer *infer, struct pln_dim a, struct pln_dim b)
{
    return !pln_extent_sure(infer) || pln_dim_unify(&infer->graph->dims, a, b);
}

struct pln_dim pln_extent_const(struct pln_infer *infer, int64_t value)
{
    return pln_dim_const(&infer->graph->dims, value);
}

enum pln_status pln_extent_pass_elems(struct pln_infer *infer, int o, int i)
{
    const struct pln_dim *elems;
    int64_t n;
    return pln_infer_elems(infer, i, &elems, &n) ? pln_infer_set_elems(infer, o, elems, n) : PLN_OK;
}

enum pln_status pln_extent_view_elems(struct pln_infer *infer, int o, int i, int rank, const int64_t *dims, int64_t offset, const int64_t *strides)
{
    const struct pln_dim *elems;
    struct pln_dim taken[PLN_MAX_ELEMS];
    int64_t n, count;
    if (!pln_infer_elems(infer, i, &elems, &n) || !pln_shape_count(rank, dims, &count) || count > PLN_MAX_ELEMS) return PLN_OK;
    for (int64_t k = 0; k < count; k++) {
        int64_t from = offset, rest = k;
        for (int d = rank - 1; d >= 0; d--) {
            from += rest % dims[d] * strides[d];
            rest /= dims[d];
        }
        if (from < 0 || from >= n) return PLN_OK;
        taken[k] = elems[from];
    }
    return pln_infer_set_elems(infer, o, taken, count);
}

bool pln_extent_numbers(const struct pln_infer *infer, int i, int64_t *dims, int64_t *strides)
{
    const struct pln_type *type = pln_infer_in(infer, i);
    int64_t count = 1;
    if (!type || type->rank < 0) return false;
    for (int d = type->rank - 1; d >= 0; d--) {
        if (!pln_dim_value(&infer->graph->dims, type->dims[d], &dims[d]) || dims[d] > PLN_MAX_ELEMS) return false;
        strides[d] = count;
        count *= dims[d];
        if (count > PLN_MAX_ELEMS) return false;
    }
    return true;
}

enum pln_status pln_extent_axes(struct pln_infer *infer, int i, int rank, int *axes, int *out_n)
{
    const int64_t *ints;
    int64_t n;
    bool seen[PLN_MAX_RANK] = { false };
    *out_n = -1;
    if (!pln_infer_has(infer, i)) return PLN_OK;
    *out_n = -2;
    if (!pln_infer_ints(infer, i, &ints, &n)) return PLN_OK;
    if (n > rank) return pln_infer_fail(infer, "%lld axes for rank %d", (long long)n, rank);
    for (int64_t k = 0; k < n; k++) {
        PLN_TRY(pln_infer_axis(infer, ints[k], rank, &axes[k]));
        if (seen[axes[k]]) return pln_infer_fail(infer, "axis %lld is given twice", (long long)ints[k]);
        seen[axes[k]] = true;
    }
    *out_n = (int)n;
    return PLN_OK;
}

int64_t pln_extent_length(const struct pln_infer *infer, int i)
{
    const struct pln_type *type = pln_infer_in(infer, i);
    int64_t n = -1;
    if (!type || type->rank != 1 || !pln_dim_value(&infer->graph->dims, type->dims[0], &n)) return -1;
    return n;
}

enum pln_status pln_extent_out_shape(struct pln_infer *infer, int o, enum pln_dtype dtype, int i)
{
    const struct pln_dim *elems;
    int64_t n, value;
    if (pln_infer_elems(infer, i, &elems, &n)) {
        if (n > PLN_MAX_RANK) return pln_infer_fail(infer, "a shape of %lld dims", (long long)n);
        for (int64_t d = 0; d < n; d++) {
            if (pln_dim_value(&infer->graph->dims, elems[d], &value) && value < 0) {
                return pln_infer_fail(infer, "dim %lld of the shape is %lld", (long long)d, (long long)value);
            }
        }
        return pln_infer_out(infer, o, dtype, (int)n, elems);
    }
    n = pln_extent_length(infer, i);
    if (n > PLN_MAX_RANK) return pln_infer_fail(infer, "a shape of %lld dims", (long long)n);
    return n >= 0 ? pln_infer_out_symbols(infer, o, dtype, (int)n) : pln_infer_out(infer, o, dtype, -1, NULL);
}
