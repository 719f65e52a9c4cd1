/* Unique and Compress: outputs whose length the data tell. */
#include "backend/ref/elems.h"
#include "backend/ref/sort.h"
#include "tensor/convert.h"

enum pln_status pln_ref_compress(struct pln_call *call)
{
    struct pln_elems in, out;
    const struct pln_tensor *condition;
    int64_t found = 0, dims[PLN_MAX_RANK];
    int rank = 1, axis = 0;
    PLN_TRY(pln_elems_in(call, 0, &in));
    PLN_TRY(pln_call_need(call, 1, &condition));
    if (condition->dtype != PLN_BOOL || condition->rank != 1) return pln_call_fail(call, PLN_BAD_MODEL, "condition is no vector of bool");
    dims[0] = in.count;
    if (pln_attrs_has(call->attrs, "axis")) {
        PLN_TRY(pln_elems_axis(call, pln_attrs_int(call->attrs, "axis", 0), in.tensor.rank, &axis));
        rank = in.tensor.rank;
        memcpy(dims, in.tensor.dims, sizeof dims);
    }
    const uint8_t *keep = condition->data;
    int64_t extent = dims[axis], n = PLN_MIN(condition->dims[0], extent);
    for (int64_t i = 0; i < n; i++) found += keep[i] != 0;
    int64_t outer = pln_elems_product(dims, 0, axis);
    size_t block = (size_t)pln_elems_product(dims, axis + 1, rank) * in.unit_bytes;
    dims[axis] = found;
    PLN_TRY(pln_elems_out(call, 0, in.tensor.dtype, rank, dims, &out));
    char *to = out.data;
    for (int64_t o = 0; out.count > 0 && o < outer; o++) {
        for (int64_t i = 0; i < n; i++) {
            if (!keep[i]) continue;
            memcpy(to, in.data + (size_t)(o * extent + i) * block, block);
            to += block;
        }
    }
    return pln_elems_finish(call, 0, &out);
}

/* The input as [outer, extent, inner]; what is compared are the slices along the middle. */
struct slices {
    struct pln_elems in;
    int64_t outer, extent, inner;
};

static int compare_f64(double a, double b)
{
    if (a != a || b != b) return (a != a) - (b != b); /* NaN comes last, and is one value */
    return (a > b) - (a < b);
}

static int compare_units(const struct pln_elems *in, int64_t a, int64_t b)
{
    enum pln_dtype dtype = in->tensor.dtype;
    const char *x = in->data + (size_t)a * in->unit_bytes, *y = in->data + (size_t)b * in->unit_bytes;
    if (dtype == PLN_STR) {
        struct pln_string s, t;
        memcpy(&s, x, sizeof s);
        memcpy(&t, y, sizeof t);
        size_t n = PLN_MIN(s.size_bytes, t.size_bytes);
        int order = n ? memcmp(s.data, t.data, n) : 0;
        return order ? order : (s.size_bytes > t.size_bytes) - (s.size_bytes < t.size_bytes);
    }
    if (pln_dtype_is_complex(dtype)) {
        enum pln_dtype part = dtype == PLN_C64 ? PLN_F32 : PLN_F64;
        int order = compare_f64(pln_load_f64(part, x, 0), pln_load_f64(part, y, 0));
        return order ? order : compare_f64(pln_load_f64(part, x, 1), pln_load_f64(part, y, 1));
    }
    if (pln_dtype_is_float(dtype)) return compare_f64(pln_load_f64(dtype, x, 0), pln_load_f64(dtype, y, 0));
    int64_t i = pln_load_i64(dtype, x, 0), j = pln_load_i64(dtype, y, 0);
    if (dtype == PLN_U64) return ((uint64_t)i > (uint64_t)j) - ((uint64_t)i < (uint64_t)j);
    return (i > j) - (i < j);
}

static int compare_slices(const void *user, int64_t a, int64_t b)
{
    const struct slices *s = user;
    for (int64_t o = 0; o < s->outer; o++) {
        for (int64_t i = 0; i < s->inner; i++) {
            int order = compare_units(&s->in, (o * s->extent + a) * s->inner + i, (o * s->extent + b) * s->inner + i);
            if (order) return order;
        }
    }
    return 0;
}

static int compare_first(const void *user, int64_t a, int64_t b)
{
    const int64_t *first = user;
    return (first[a] > first[b]) - (first[a] < first[b]);
}

/* Groups of equal slices, in the order of the output. */
struct groups {
    int64_t n;
    int64_t *first;  /* place of the first slice of each group */
    int64_t *counts; /* slices in it */
    int64_t *of;     /* group of each slice */
};

static enum pln_status scratch_ints(struct pln_call *call, int64_t n, int64_t **out_ints)
{
    void *memory;
    PLN_TRY(pln_call_scratch(call, (size_t)n, sizeof(int64_t), &memory));
    *out_ints = memory;
    return PLN_OK;
}

static enum pln_status find_groups(struct pln_call *call, const struct slices *s, bool sorted, struct groups *out)
{
    int64_t *order, *groups, *rank, *first, *counts;
    *out = (struct groups){ .n = 0 };
    PLN_TRY(scratch_ints(call, s->extent, &order));
    PLN_TRY(scratch_ints(call, s->extent, &groups));
    PLN_TRY(scratch_ints(call, s->extent, &rank));
    PLN_TRY(scratch_ints(call, s->extent, &first));
    PLN_TRY(scratch_ints(call, s->extent, &counts));
    PLN_TRY(scratch_ints(call, s->extent, &out->first));
    PLN_TRY(scratch_ints(call, s->extent, &out->counts));
    PLN_TRY(scratch_ints(call, s->extent, &out->of));
    for (int64_t i = 0; i < s->extent; i++) order[i] = i;
    PLN_TRY(pln_indices_sort(call, order, s->extent, compare_slices, s));
    for (int64_t i = 0; i < s->extent; i++) {
        bool fresh = i == 0 || compare_slices(s, order[i - 1], order[i]) != 0;
        if (fresh) first[out->n++] = order[i];
        counts[out->n - 1]++;
        out->of[order[i]] = out->n - 1;
    }
    for (int64_t g = 0; g < out->n; g++) groups[g] = g;
    if (!sorted) PLN_TRY(pln_indices_sort(call, groups, out->n, compare_first, first));
    for (int64_t g = 0; g < out->n; g++) {
        rank[groups[g]] = g;
        out->first[g] = first[groups[g]];
        out->counts[g] = counts[groups[g]];
    }
    for (int64_t i = 0; i < s->extent; i++) out->of[i] = rank[out->of[i]];
    return PLN_OK;
}

static enum pln_status put_ints(struct pln_call *call, int i, const int64_t *ints, int64_t n)
{
    struct pln_tensor out;
    if (i >= call->n_outputs || !call->wanted[i]) return PLN_OK;
    PLN_TRY(pln_call_out(call, i, PLN_I64, 1, &n, &out));
    if (n > 0) memcpy(out.data, ints, (size_t)n * sizeof *ints);
    return PLN_OK;
}

enum pln_status pln_ref_unique(struct pln_call *call)
{
    struct slices s = { .outer = 1, .inner = 1 };
    struct groups groups;
    struct pln_elems out;
    int64_t dims[PLN_MAX_RANK];
    int rank = 1, axis = 0;
    PLN_TRY(pln_elems_in(call, 0, &s.in));
    s.extent = dims[0] = s.in.count;
    if (pln_attrs_has(call->attrs, "axis")) {
        rank = s.in.tensor.rank;
        PLN_TRY(pln_elems_axis(call, pln_attrs_int(call->attrs, "axis", 0), rank, &axis));
        memcpy(dims, s.in.tensor.dims, sizeof dims);
        s.outer = pln_elems_product(dims, 0, axis);
        s.extent = dims[axis];
        s.inner = pln_elems_product(dims, axis + 1, rank);
        if (s.in.count == 0) s.outer = 0;
    }
    PLN_TRY(find_groups(call, &s, pln_attrs_int(call->attrs, "sorted", 1) != 0, &groups));
    dims[axis] = groups.n;
    PLN_TRY(pln_elems_out(call, 0, s.in.tensor.dtype, rank, dims, &out));
    size_t block = (size_t)s.inner * s.in.unit_bytes;
    for (int64_t o = 0; out.count > 0 && o < s.outer; o++) {
        for (int64_t g = 0; g < groups.n; g++) {
            memcpy(out.data + (size_t)(o * groups.n + g) * block, s.in.data + (size_t)(o * s.extent + groups.first[g]) * block, block);
        }
    }
    PLN_TRY(pln_elems_finish(call, 0, &out));
    PLN_TRY(put_ints(call, 1, groups.first, groups.n));
    PLN_TRY(put_ints(call, 2, groups.of, s.extent));
    return put_ints(call, 3, groups.counts, groups.n);
}
