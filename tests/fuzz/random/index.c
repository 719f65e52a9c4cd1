/* Gathering, scattering, and what has shapes that data decide. */
#include "make.h"

static int64_t least_extent(const struct maker *g, const struct value *v, int d)
{
    int64_t least = v->dims[0][d];
    for (int run = 1; run < g->runs; run++) least = v->dims[run][d] < least ? v->dims[run][d] : least;
    return least;
}

/* Indices in [-n, n) of this shape; unique: a shuffle of 0 … along dim 0, when it has only that. */
static int make_indices(struct maker *g, const struct value *shape, int64_t n)
{
    struct leaf leaf = { .dtype = chance(g, 75) ? PLN_I64 : PLN_I32, .rank = shape->rank, .lo = chance(g, 40) ? (double)-n : 0, .hi = (double)n - 1 };
    memcpy(leaf.dims, shape->dims, sizeof leaf.dims);
    return make_leaf(g, &leaf);
}

static int pick_data(struct maker *g, int rank_least, uint32_t types)
{
    return pick(g, (struct want){ .types = types, .rank_least = rank_least, .full = true, .magnitude = 1e6 });
}

static bool make_gather(struct maker *g)
{
    int a = pick_data(g, 1, PLAIN), axis, b = -1;
    struct value v = g->value[a], r = v, shape = { .dtype = PLN_I64, .rank = (int)below(g, 3) };
    axis = (int)below(g, (uint32_t)v.rank);
    int64_t n = least_extent(g, &v, axis);
    b = pick_old(g, (struct want){ .types = TYPE(PLN_I64) | TYPE(PLN_I32), .closed = true, .rank_most = 2, .magnitude = (double)(n > 1 ? n - 1 : 1), .count_most = 64 });
    if (b >= 0 && (g->value[b].hi >= (double)n || g->value[b].lo < (double)-n)) b = -1;
    if (b < 0) {
        for (int d = 0; d < shape.rank; d++) set_dim(g, &shape, d, between(g, chance(g, 10) ? 0 : 1, 5));
        b = make_indices(g, &shape, n);
    }
    shape = g->value[b];
    if (v.rank - 1 + shape.rank > 6) return false;
    r.rank = v.rank - 1 + shape.rank;
    for (int d = 0; d < axis; d++) copy_dim(&r, d, &v, d);
    for (int d = 0; d < shape.rank; d++) copy_dim(&r, axis + d, &shape, d);
    for (int d = axis + 1; d < v.rank; d++) copy_dim(&r, d - 1 + shape.rank, &v, d);
    r.distinct = r.fixed = false;
    if (most_count(g, &r) > COUNT_MOST) return false;
    node_begin(g, "Gather");
    node_input(g, a);
    node_input(g, b);
    if (axis || chance(g, 50)) attr_int(g, "axis", chance(g, 50) ? axis : axis - v.rank);
    node_output(g, r);
    node_end(g);
    return true;
}

static bool make_gather_elements(struct maker *g)
{
    int a = pick_data(g, 1, PLAIN);
    struct value v = g->value[a], r = v, shape = v;
    int axis = (int)below(g, (uint32_t)v.rank);
    for (int d = 0; d < v.rank; d++) /* at most the data's extents, but along the axis any */
        if (d == axis) set_dim(g, &shape, d, between(g, 0, 6));
        else set_dim(g, &shape, d, between(g, 1, least_extent(g, &v, d)));
    if (most_count(g, &shape) > COUNT_MOST) return false;
    int b = make_indices(g, &shape, least_extent(g, &v, axis));
    memcpy(r.dims, shape.dims, sizeof r.dims);
    r.distinct = r.fixed = false;
    node_begin(g, "GatherElements");
    node_input(g, a);
    node_input(g, b);
    attr_int(g, "axis", chance(g, 50) ? axis : axis - v.rank);
    node_output(g, r);
    node_end(g);
    return true;
}

/* Index tuples [count, depth] into the first dims of the data; each in its range. */
static int make_tuples(struct maker *g, const struct value *v, int64_t count, int64_t depth, bool unique)
{
    double data[64];
    int64_t dims[2] = { count, depth };
    for (int64_t i = 0; i < count; i++)
        for (int64_t k = 0; k < depth; k++) {
            int64_t n = least_extent(g, v, (int)k);
            data[i * depth + k] = unique && k == 0 ? (double)i : (double)between(g, chance(g, 30) ? -n : 0, n - 1);
        }
    return make_data(g, PLN_I64, 2, dims, data, chance(g, 60));
}

static bool make_gather_nd(struct maker *g)
{
    int a = pick_data(g, 1, PLAIN & ~TYPE(PLN_BF16));
    struct value v = g->value[a], r = v;
    int64_t count = between(g, 1, 6), depth = between(g, 1, v.rank);
    int b = make_tuples(g, &v, count, depth, false);
    r.rank = 1 + v.rank - (int)depth;
    set_dim(g, &r, 0, count);
    for (int d = 1; d < r.rank; d++) copy_dim(&r, d, &v, (int)depth + d - 1);
    r.distinct = r.fixed = false;
    if (most_count(g, &r) > COUNT_MOST) return false;
    node_simple(g, "GatherND", a, b, -1, r);
    return true;
}

/* Indices never meet, so that the order of the writes does not matter; with a reduction of exact numbers they may. */
static bool make_scatter(struct maker *g)
{
    bool nd = chance(g, 50), adds = g->opset >= 16 && chance(g, 40);
    int a = pick_data(g, 1, (adds ? TYPE(PLN_F32) | TYPE(PLN_F64) | TYPE(PLN_I32) | TYPE(PLN_I64) : PLAIN & ~TYPE(PLN_BF16)));
    struct value v = g->value[a], r = v, updates = v;
    int64_t n = least_extent(g, &v, 0), count = between(g, 1, n < 6 ? n : 6), depth = nd ? between(g, 1, v.rank) : 0;
    int b, axis = 0;
    if (nd) {
        if (count * depth > 64) return false;
        b = make_tuples(g, &v, count, depth, true);
        updates.rank = 1 + v.rank - (int)depth;
        set_dim(g, &updates, 0, count);
        for (int d = 1; d < updates.rank; d++) copy_dim(&updates, d, &v, (int)depth + d - 1);
    } else {
        double numbers[512];
        int64_t dims[CASE_RANK], total = 1, inner = 1;
        for (int d = 0; d < v.rank; d++) dims[d] = d == 0 ? count : between(g, 1, least_extent(g, &v, d)), total *= dims[d], set_dim(g, &updates, d, dims[d]);
        if (total > 512) return false;
        inner = total / count;
        for (int64_t i = 0; i < total; i++) numbers[i] = (double)(count - 1 - i / inner);
        b = make_data(g, PLN_I64, v.rank, dims, numbers, chance(g, 60));
    }
    const struct block *root = g->block;
    while (root->outer) root = root->outer;
    if (!root->inputs_allowed && varies(g, &updates)) return false;
    int c = make_like(g, v.dtype, &updates);
    make_union(&r, &v, &g->value[c]);
    struct value u = g->value[c];
    if (adds) {
        int grid = v.grid == NO_GRID || u.grid == NO_GRID ? NO_GRID : v.grid > u.grid ? v.grid : u.grid;
        if (!make_rounded(&r, v.lo + fmin(0, u.lo), v.hi + fmax(0, u.hi), v.apart + u.apart, 1, 0, grid)) return false;
    }
    node_begin(g, nd ? "ScatterND" : "ScatterElements");
    node_input(g, a);
    node_input(g, b);
    node_input(g, c);
    if (!nd) attr_int(g, "axis", axis);
    if (adds) attr_string(g, "reduction", "add");
    node_output(g, r);
    node_end(g);
    return true;
}

static bool make_one_hot(struct maker *g)
{
    int64_t depth = between(g, 2, 6);
    int a = pick(g, (struct want){ .types = TYPE(PLN_I64), .rank_most = 3, .magnitude = 8, .count_most = 128 });
    enum pln_dtype dtype = chance(g, 70) ? PLN_F32 : PLN_I64;
    double values[2] = { (double)between(g, -1, 0), (double)between(g, 1, 3) };
    int64_t two = 2;
    struct value v = g->value[a], r = v;
    r.dtype = dtype, r.lo = values[0], r.hi = values[1], r.grid = 0, r.distinct = false, r.rank = v.rank + 1;
    set_dim(g, &r, v.rank, depth);
    int d = make_scalar(g, PLN_I64, (double)depth, chance(g, 90)), on = make_data(g, dtype, 1, &two, values, chance(g, 80));
    node_simple(g, "OneHot", a, d, on, r);
    return true;
}

/* --- data decide how many there are */

static bool make_non_zero(struct maker *g)
{
    int a = pick(g, (struct want){ .types = TYPE(PLN_F32) | TYPE(PLN_I32) | TYPE(PLN_I64) | TYPE(PLN_BOOL) | TYPE(PLN_U8), .exact = true, .rank_least = 1, .closed = true, .count_most = 256 });
    struct value v = g->value[a], r = { .dtype = PLN_I64, .rank = 2, .lo = 0, .grid = 0 };
    set_dim(g, &r, 0, v.rank);
    r.open[1] = true;
    for (int run = 0; run < g->runs; run++) {
        r.dims[run][1] = count_of(&v, run);
        for (int d = 0; d < v.rank; d++) r.hi = fmax(r.hi, (double)v.dims[run][d] - 1);
    }
    int id = node_simple(g, "NonZero", a, -1, -1, r);
    if (chance(g, 50)) return true;
    struct value t = r; /* as exporters do: the indices of each element, and the elements */
    copy_dim(&t, 0, &r, 1);
    copy_dim(&t, 1, &r, 0);
    int64_t perm[2] = { 1, 0 };
    node_begin(g, "Transpose");
    node_input(g, id);
    attr_ints(g, "perm", perm, 2);
    int tuples = node_output(g, t);
    node_end(g);
    struct value picked = v;
    picked.rank = 1, picked.distinct = picked.fixed = false;
    copy_dim(&picked, 0, &r, 1);
    node_simple(g, "GatherND", a, tuples, -1, picked);
    return true;
}

static bool make_compress(struct maker *g)
{
    int a = pick(g, (struct want){ .types = PLAIN & ~TYPE(PLN_BF16), .rank_least = 1, .closed = true });
    struct value v = g->value[a], r = v, shape = { .dtype = PLN_BOOL, .rank = 1 };
    bool flat = chance(g, 30);
    int axis = (int)below(g, (uint32_t)v.rank);
    int64_t least = least_extent(g, &v, axis), most = least;
    if (flat) {
        least = count_of(&v, 0);
        for (int run = 1; run < g->runs; run++) least = count_of(&v, run) < least ? count_of(&v, run) : least;
        most = least, r.rank = 1, axis = 0;
    }
    set_dim(g, &shape, 0, between(g, 0, most < 20 ? most : 20));
    struct leaf leaf = { .dtype = PLN_BOOL, .rank = 1, .lo = 0, .hi = 1 };
    memcpy(leaf.dims, shape.dims, sizeof leaf.dims);
    int b = make_leaf(g, &leaf);
    copy_dim(&r, axis, &shape, 0);
    r.open[axis] = true, r.distinct = r.fixed = false;
    node_begin(g, "Compress");
    node_input(g, a);
    node_input(g, b);
    if (!flat) attr_int(g, "axis", axis);
    node_output(g, r);
    node_end(g);
    return true;
}

static bool make_unique(struct maker *g)
{
    if (g->wild) return false;
    int a = pick(g, (struct want){ .types = TYPE(PLN_F32) | TYPE(PLN_I64) | TYPE(PLN_I8), .exact = true, .rank_least = 1, .full = true, .count_most = 256 });
    struct value v = g->value[a], r = v, index = { .dtype = PLN_I64, .rank = 1, .grid = 0 };
    r.rank = 1, r.open[0] = true, r.distinct = true, r.fixed = false;
    for (int run = 0; run < g->runs; run++) r.dims[run][0] = index.dims[run][0] = count_of(&v, run);
    index.hi = (double)most_count(g, &v);
    node_begin(g, "Unique");
    node_input(g, a);
    if (chance(g, 40)) attr_int(g, "sorted", 0);
    node_output(g, r);
    if (chance(g, 50)) {
        index.open[0] = true;
        node_output(g, index);
        index.open[0] = false;
        node_output(g, index);
        index.open[0] = true;
        node_output(g, index);
    }
    node_end(g);
    return true;
}

const struct op_maker index_makers[] = {
    { "gather", make_gather, 4 },       { "gather_elements", make_gather_elements, 2 }, { "gather_nd", make_gather_nd, 2 }, { "scatter", make_scatter, 4 }, { "one_hot", make_one_hot, 1 },
    { "non_zero", make_non_zero, 2 },   { "compress", make_compress, 2 },               { "unique", make_unique, 1 },       { NULL, NULL, 0 },
};
