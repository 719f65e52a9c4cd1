/* Shapes as values: Shape, arithmetic on it, and what takes the result. */
#include "make.h"

/* Known in every run, never negative; lo and hi are set wide, so that nobody computes with it by accident. */
static int shape_node(struct maker *g, int a)
{
    struct value v = g->value[a], r = { .dtype = PLN_I64, .rank = 1, .lo = 0, .hi = 1e7, .grid = 0 };
    set_dim(g, &r, 0, v.rank);
    return node_simple(g, "Shape", a, -1, -1, r);
}

static int gather_scalar(struct maker *g, int shape, int64_t axis, bool keep)
{
    struct value r = { .dtype = PLN_I64, .rank = keep, .lo = 0, .hi = 1e7, .grid = 0 };
    int64_t one = 1;
    double index = (double)axis;
    if (keep) set_dim(g, &r, 0, 1);
    int i = keep ? make_data(g, PLN_I64, 1, &one, &index, true) : make_scalar(g, PLN_I64, index, true);
    node_begin(g, "Gather");
    node_input(g, shape);
    node_input(g, i);
    attr_int(g, "axis", 0);
    int id = node_output(g, r);
    node_end(g);
    return id;
}

static int unsqueezed(struct maker *g, int a)
{
    int64_t zero = 0;
    struct value r = g->value[a];
    r.rank = 1;
    set_dim(g, &r, 0, 1);
    int axes = make_ints(g, &zero, 1);
    return node_simple(g, "Unsqueeze", a, axes, -1, r);
}

/* x.view(x.size(0), …, -1) as exporters write it: Shape, Gather, Unsqueeze, Concat, Reshape; some extents multiplied or divided on the way. */
static bool make_view(struct maker *g)
{
    int a = pick(g, (struct want){ .types = PLAIN & ~TYPE(PLN_BF16), .rank_least = 1, .rank_most = 4, .full = true, .magnitude = 1e6 });
    struct value v = g->value[a], r = v, part = { .dtype = PLN_I64, .rank = 1, .lo = 0, .hi = 1e7, .grid = 0 };
    int parts[CASE_RANK], count = 0, shape = shape_node(g, a);
    set_dim(g, &part, 0, 1);
    r.rank = 0, r.fixed = false;
    bool merged = false, minus = chance(g, 50);
    for (int d = 0; d < v.rank; d++) {
        int scalar = gather_scalar(g, shape, chance(g, 30) ? d - v.rank : d, false);
        copy_dim(&r, r.rank, &v, d);
        if (!merged && d + 1 < v.rank && chance(g, 40)) { /* two dims become one */
            int other = gather_scalar(g, shape, d + 1, false);
            struct value product = g->value[scalar];
            scalar = node_simple(g, "Mul", scalar, other, -1, product);
            for (int run = 0; run < g->runs; run++) r.dims[run][r.rank] = v.dims[run][d] * v.dims[run][d + 1];
            d++, merged = true;
        }
        parts[count++] = unsqueezed(g, scalar), r.rank++;
    }
    if (minus) {
        int64_t rest = -1;
        parts[below(g, (uint32_t)count)] = make_ints(g, &rest, 1);
    }
    struct value joined = part;
    set_dim(g, &joined, 0, count);
    node_begin(g, "Concat");
    for (int i = 0; i < count; i++) node_input(g, parts[i]);
    attr_int(g, "axis", 0);
    int to = node_output(g, joined);
    node_end(g);
    node_simple(g, "Reshape", a, to, -1, r);
    return true;
}

/* Expand to the shape of another value, or to a constant. */
static bool make_expand(struct maker *g)
{
    int a = pick(g, (struct want){ .types = PLAIN & ~TYPE(PLN_BF16), .closed = true, .magnitude = 1e6 }), b = -1;
    struct value v = g->value[a], r = v;
    for (int tries = 0; tries < 5 && b < 0; tries++) {
        int c = pick_old(g, (struct want){ .types = PLAIN, .closed = true, .magnitude = 1e9 });
        if (c >= 0 && make_broadcast(g, &v, &g->value[c], &r)) b = c;
    }
    if (b < 0) {
        int64_t dims[CASE_RUNS][CASE_RANK];
        int more = v.rank < 4 ? (int)below(g, 2) : 0;
        struct value shape = v;
        shape.rank = v.rank + more;
        for (int d = 0; d < shape.rank; d++) {
            if (d < more) set_dim(g, &shape, d, between(g, 1, 3));
            else copy_dim(&shape, d, &v, d - more);
            for (int run = 0; run < g->runs; run++) dims[run][d] = shape.dims[run][d];
        }
        if (most_count(g, &shape) > COUNT_MOST) return false;
        r = v, r.rank = shape.rank;
        memcpy(r.dims, shape.dims, sizeof r.dims);
        b = make_ints_runs(g, dims, shape.rank);
    } else b = shape_node(g, b);
    r.distinct = r.fixed = false;
    for (int d = 0; d < r.rank; d++) r.open[d] = false;
    node_simple(g, "Expand", a, b, -1, r);
    return true;
}

static bool make_filled(struct maker *g)
{
    int a = pick(g, (struct want){ .types = PLAIN, .closed = true, .magnitude = 1e9 });
    struct value v = g->value[a], r = v;
    r.dtype = PLN_F32, r.lo = r.hi = 0, r.grid = 0, r.apart = 0, r.distinct = r.fixed = false;
    node_simple(g, "ConstantOfShape", shape_node(g, a), -1, -1, r);
    return true;
}

/* Sizes as numbers that take part in arithmetic: x / sqrt(size), the count of elements, range(size). */
static bool make_size_arithmetic(struct maker *g)
{
    int a = pick(g, (struct want){ .types = TYPE(PLN_F32), .rank_least = 1, .full = true, .magnitude = 16 });
    struct value v = g->value[a], r = v, number = { .dtype = PLN_F32 };
    int axis = (int)below(g, (uint32_t)v.rank);
    double most = 1;
    for (int run = 0; run < g->runs; run++) most = fmax(most, (double)v.dims[run][axis]);
    int size = gather_scalar(g, shape_node(g, a), axis, false);
    if (chance(g, 40)) { /* positions 0 … size-1, added along the axis */
        int start = make_scalar(g, PLN_I64, 0, true), step = make_scalar(g, PLN_I64, 1, true);
        struct value range = { .dtype = PLN_I64, .rank = 1, .lo = 0, .hi = most, .grid = 0 };
        copy_dim(&range, 0, &v, axis);
        int id = node_simple(g, "Range", start, size, step, range);
        g->value[id].distinct = true;
        return true;
    }
    number.lo = 1, number.hi = most, number.grid = 0;
    node_begin(g, "Cast");
    node_input(g, size);
    attr_int(g, "to", PLN_F32);
    int cast = node_output(g, number);
    node_end(g);
    bool root = chance(g, 50);
    if (root) {
        struct value s = number;
        (void)make_rounded(&s, 1, sqrt(most), 0, 1, 0, NO_GRID);
        cast = node_simple(g, "Sqrt", cast, -1, -1, s);
    }
    if (!make_rounded(&r, v.lo < 0 ? -magnitude(&v) : 0, magnitude(&v), v.apart + g->value[cast].apart * magnitude(&v), 2, 0, NO_GRID)) return false;
    node_simple(g, "Div", a, cast, -1, r);
    return true;
}

/* Slice [0, size / 2) of an axis, with the size taken from the value: shape arithmetic that feeds Slice. */
static bool make_half(struct maker *g)
{
    int a = pick(g, (struct want){ .types = PLAIN & ~TYPE(PLN_BF16), .rank_least = 1, .closed = true, .magnitude = 1e6 });
    struct value v = g->value[a], r = v;
    int axis = (int)below(g, (uint32_t)v.rank);
    int64_t two = 2, zero = 0, at = axis;
    int size = gather_scalar(g, shape_node(g, a), axis, true), by = make_ints(g, &two, 1);
    struct value half = g->value[size];
    int end = node_simple(g, "Div", size, by, -1, half), start = make_ints(g, &zero, 1), axes = make_ints(g, &at, 1);
    for (int run = 0; run < g->runs; run++) r.dims[run][axis] = v.dims[run][axis] / 2;
    r.fixed = false;
    bool upper = chance(g, 50);
    if (upper) {
        int64_t far = INT64_MAX;
        start = end, end = make_ints(g, &far, 1);
        for (int run = 0; run < g->runs; run++) r.dims[run][axis] = v.dims[run][axis] - v.dims[run][axis] / 2;
    }
    node_begin(g, "Slice");
    node_input(g, a);
    node_input(g, start);
    node_input(g, end);
    node_input(g, axes);
    node_output(g, r);
    node_end(g);
    return true;
}

const struct op_maker shape_makers[] = {
    { "view", make_view, 4 }, { "expand", make_expand, 3 }, { "filled", make_filled, 1 }, { "size_arithmetic", make_size_arithmetic, 2 }, { "half", make_half, 2 }, { NULL, NULL, 0 },
};
