/* What exporters write and our passes look for, and what is nearly that: a step left out, operands swapped, another axis, a value in between that others use. */
#include "make.h"

#define FEW (TYPE(PLN_F32) | TYPE(PLN_F16))

static int constant(struct maker *g, const struct value *like, double number)
{
    int64_t one = 1;
    return chance(g, 25) ? make_data(g, like->dtype, 1, &one, &number, true) : make_scalar(g, like->dtype, number, chance(g, 95));
}

static int with_constant(struct maker *g, const char *op, int a, double number)
{
    if (a < 0) return -1;
    int c = constant(g, &g->value[a], number);
    return (op[0] == 'A' || op[0] == 'M') && chance(g, 40) ? add_binary(g, op, c, a) : add_binary(g, op, a, c);
}

/* A vector over the last dim, or -1. */
static int vector_for(struct maker *g, int a, double lo, double hi)
{
    if (a < 0 || g->value[a].rank == 0) return -1;
    struct value v = g->value[a];
    int64_t n = v.dims[0][v.rank - 1];
    for (int run = 0; run < g->runs; run++)
        if (v.open[v.rank - 1] || v.dims[run][v.rank - 1] != n) return -1;
    return make_numbers(g, v.dtype, 1, &n, lo, hi);
}

static int activation(struct maker *g, int a)
{
    static const char *const ops[] = { "Relu", "Relu", "Sigmoid", "Tanh", "LeakyRelu", "HardSwish", "Elu", "Softplus" };
    if (a < 0) return -1;
    if (chance(g, 20)) return add_binary(g, "Mul", a, add_unary(g, "Sigmoid", a));
    if (chance(g, 15)) { /* hard swish in parts: x * clip(x + 3, 0, 6) / 6 */
        int t = with_constant(g, "Add", a, 3);
        if (t < 0) return -1;
        struct value r = g->value[t];
        int lo = make_scalar(g, r.dtype, 0, true), hi = make_scalar(g, r.dtype, 6, true);
        r.lo = 0, r.hi = 6;
        t = node_simple(g, "Clip", t, lo, hi, r);
        return chance(g, 50) ? with_constant(g, "Div", add_binary(g, "Mul", a, t), 6) : add_binary(g, "Mul", a, with_constant(g, "Div", t, 6));
    }
    return add_unary(g, ops[below(g, PLN_COUNT_OF(ops))], a);
}

static bool pattern_conv(struct maker *g)
{
    int a = pick_image(g, FEW), y = a < 0 ? -1 : add_conv(g, a, chance(g, 40));
    if (y < 0) return false;
    struct value v = g->value[y], r = v;
    int64_t c = v.dims[0][1], shape[CASE_RANK] = { 1, c, 1, 1, 1, 1, 1, 1 };
    if (chance(g, 60) && make_rounded(&r, -(magnitude(&v) + 1) * 2 - 1, (magnitude(&v) + 1) * 2 + 1, v.apart * 2, 8, 0, NO_GRID)) {
        int s = make_numbers(g, v.dtype, 1, &c, 0.25, 1), b = make_numbers(g, v.dtype, 1, &c, -1, 1), m = make_numbers(g, v.dtype, 1, &c, -1, 1), w = make_numbers(g, v.dtype, 1, &c, 0.5, 2);
        node_begin(g, "BatchNormalization");
        node_input(g, y);
        node_input(g, s);
        node_input(g, b);
        node_input(g, m);
        node_input(g, w);
        y = node_output(g, r);
        node_end(g);
    } else if (chance(g, 60)) {
        y = add_binary(g, chance(g, 50) ? "Mul" : "Add", y, make_numbers(g, v.dtype, chance(g, 80) ? v.rank : v.rank - 1, v.rank > 1 && chance(g, 90) ? shape : shape + 1, -1, 1));
        if (chance(g, 50)) y = with_constant(g, "Add", y, 0.5);
    }
    if (y >= 0 && chance(g, 30)) y = add_binary(g, "Add", y, other_operand(g, y, (struct want){ 0 }));
    if (chance(g, 80)) y = activation(g, y);
    if (y >= 0 && chance(g, 20)) (void)add_conv(g, y, true);
    return true;
}

static int reduce_mean(struct maker *g, int a, int axis, bool keep)
{
    if (a < 0) return -1;
    struct value v = g->value[a], r = v;
    int64_t at = chance(g, 60) ? axis - v.rank : axis;
    double n = 1;
    if (!is_full(g, &v)) return -1;
    r.rank = 0;
    for (int d = 0; d < v.rank; d++) {
        for (int run = 0; d == axis && run < g->runs; run++) n = fmax(n, (double)v.dims[run][d]);
        if (d != axis) copy_dim(&r, r.rank++, &v, d);
        else if (keep) set_dim(g, &r, r.rank++, 1);
    }
    if (!make_rounded(&r, v.lo, v.hi, v.apart, n + 1, 0, NO_GRID)) return -1;
    int b = g->opset >= 18 ? make_ints(g, &at, 1) : -1;
    node_begin(g, "ReduceMean");
    node_input(g, a);
    if (b >= 0) node_input(g, b);
    else attr_ints(g, "axes", &at, 1);
    if (!keep || chance(g, 50)) attr_int(g, "keepdims", keep);
    int id = node_output(g, r);
    node_end(g);
    return id;
}

/* (x - mean) / sqrt(mean((x - mean)^2) + eps) * scale + bias in parts, or without the mean. */
static bool pattern_norm(struct maker *g)
{
    int x = pick(g, (struct want){ .types = FEW | TYPE(PLN_F64), .rank_least = 1, .rank_most = 4, .full = true, .magnitude = 8 });
    struct value v = g->value[x], r = v;
    int axis = chance(g, 85) ? v.rank - 1 : (int)below(g, (uint32_t)v.rank);
    double n = 1, epsilon = v.dtype == PLN_F16 || v.apart > 1e-6 ? 0.125 : chance(g, 50) ? 1e-2 : 1e-5;
    bool rms = chance(g, 35), squared_twice = chance(g, 15);
    for (int run = 0; run < g->runs; run++) n = fmax(n, (double)v.dims[run][axis]);
    int d = rms ? x : add_binary(g, "Sub", x, reduce_mean(g, x, axis, chance(g, 95)));
    int d2 = squared_twice && !rms ? add_binary(g, "Sub", x, reduce_mean(g, x, axis, true)) : d;
    bool power = chance(g, 60);
    int square = d2 < 0 ? -1 : power ? add_power(g, d2, chance(g, 95) ? 2 : 3) : add_binary(g, "Mul", d2, d);
    if (square >= 0 && !power) g->value[square].lo = 0; /* both are the same numbers */
    int var = reduce_mean(g, square, chance(g, 95) ? axis : 0, true), sum = with_constant(g, "Add", var, epsilon), out = -1;
    if (sum < 0 || d < 0 || !normalized(&r, &v, n, epsilon, 1, 0, 0)) return true;
    if (g->value[square].lo < 0) return true; /* a cube */
    g->value[sum].lo = epsilon;
    struct value root = g->value[sum], s = root;
    if (!make_broadcast(g, &g->value[d], &root, &r)) return true;
    if (!make_rounded(&s, sqrt(epsilon), sqrt(root.hi), root.apart / (2 * sqrt(epsilon)), 2, 0, NO_GRID)) return true;
    int q = node_simple(g, "Sqrt", sum, -1, -1, s);
    r.dtype = v.dtype;
    /* bounds for a variance over another axis: the quotient is at most 2 m / sqrt(eps) */
    double scale_most = 2 * magnitude(&v) / sqrt(epsilon), unit = type_unit(v.dtype);
    double carried = 4 * (v.apart + (n + 2) * fmin(unit, 0x1p-24) * 2 * magnitude(&v) + 4 * unit * magnitude(&v)) / sqrt(epsilon) + scale_most * (g->value[q].apart / sqrt(epsilon));
    if (!make_rounded(&r, -scale_most, scale_most, carried, 8, 0, NO_GRID)) return true;
    if (chance(g, 70)) out = node_simple(g, "Div", d, q, -1, r);
    else {
        struct value inverse = s;
        if (!make_rounded(&inverse, 0, 1 / sqrt(epsilon), s.apart / epsilon, 2, 0, NO_GRID)) return true;
        int i = node_simple(g, "Reciprocal", q, -1, -1, inverse);
        out = chance(g, 50) ? node_simple(g, "Mul", d, i, -1, r) : node_simple(g, "Mul", i, d, -1, r);
    }
    if (chance(g, 80)) out = add_binary(g, "Mul", out, vector_for(g, out, -1, 1));
    if (chance(g, 70)) (void)add_binary(g, "Add", out, vector_for(g, out, -1, 1));
    return true;
}

static int transposed(struct maker *g, int a, const int64_t *perm)
{
    if (a < 0) return -1;
    struct value v = g->value[a], r = v;
    r.fixed = false;
    for (int d = 0; d < v.rank; d++) copy_dim(&r, d, &v, (int)perm[d]);
    node_begin(g, "Transpose");
    node_input(g, a);
    attr_ints(g, "perm", perm, v.rank);
    int id = node_output(g, r);
    node_end(g);
    return id;
}

static int product(struct maker *g, int a, int b)
{
    if (a < 0 || b < 0) return -1;
    struct value x = g->value[a], y = g->value[b], r = x;
    double n = 0;
    if (!same_dim(g, &x, x.rank - 1, &y, y.rank - 2)) return -1;
    for (int run = 0; run < g->runs; run++) n = fmax(n, (double)x.dims[run][x.rank - 1]);
    for (int d = 0; d < x.rank - 2; d++)
        if (x.rank != y.rank) break;
    copy_dim(&r, r.rank - 1, &y, y.rank - 1);
    double most = n * magnitude(&x) * magnitude(&y);
    int grid = x.grid == NO_GRID || y.grid == NO_GRID ? NO_GRID : x.grid + y.grid;
    if (!make_rounded(&r, -most, most, n * (x.apart * magnitude(&y) + y.apart * magnitude(&x) + x.apart * y.apart), n + 2, most, grid)) return -1;
    return node_simple(g, "MatMul", a, b, -1, r);
}

static int softmax(struct maker *g, int a, int axis)
{
    if (a < 0) return -1;
    struct value v = g->value[a], r = v;
    if (!make_rounded(&r, 0, 1, v.apart, 64 + magnitude(&v) * 2, 0, NO_GRID)) return -1;
    node_begin(g, "Softmax");
    node_input(g, a);
    attr_int(g, "axis", axis);
    int id = node_output(g, r);
    node_end(g);
    return id;
}

/* softmax(q k^T * scale + mask) v, with heads split by Reshape and Transpose or not. */
static bool pattern_attention(struct maker *g)
{
    int64_t b = between(g, 1, 2), h = between(g, 1, 3), s = between(g, 1, 6), t = chance(g, 50) ? s : between(g, 1, 6), d = between(g, 1, 8);
    int64_t q_dims[4] = { b, s, h, d }, k_dims[4] = { b, t, h, d }, swap[4] = { 0, 2, 1, 3 }, turn[4] = { 0, 2, 3, 1 }, last[4] = { 0, 1, 3, 2 }, straight[4] = { b, h, s, d }, straight_k[4] = { b, h, t, d };
    enum pln_dtype dtype = chance(g, 15) ? PLN_F16 : PLN_F32;
    bool split = chance(g, 60);
    int q = make_numbers(g, dtype, 4, split ? q_dims : straight, -1, 1), k = make_numbers(g, dtype, 4, split ? k_dims : straight_k, -1, 1), v = make_numbers(g, dtype, 4, split ? k_dims : straight_k, -1, 1);
    if (split) q = transposed(g, q, swap), v = transposed(g, v, swap), k = chance(g, 50) ? transposed(g, k, turn) : transposed(g, transposed(g, k, swap), last);
    else k = transposed(g, k, last);
    int where = (int)below(g, 4); /* the scale: on q, on both, on the scores, nowhere */
    if (where < 2) q = with_constant(g, "Mul", q, 0.5);
    if (where == 1) k = with_constant(g, "Mul", k, 0.5);
    int scores = product(g, q, k);
    if (where == 2) scores = chance(g, 50) ? with_constant(g, "Div", scores, 2) : with_constant(g, "Mul", scores, 0.25);
    if (scores >= 0 && chance(g, 50)) {
        int64_t m_dims[4] = { chance(g, 50) ? b : 1, chance(g, 50) ? h : 1, chance(g, 80) ? s : 1, t };
        if (chance(g, 70)) scores = add_binary(g, "Add", scores, make_numbers(g, dtype, 4, m_dims, -2, 2));
        else {
            struct value r = g->value[scores];
            int mask = make_numbers(g, PLN_BOOL, 4, m_dims, 0, 1), low = make_scalar(g, dtype, -32, true);
            r.lo = -32, r.hi = fmax(r.hi, -32), r.grid = NO_GRID;
            scores = chance(g, 50) ? node_simple(g, "Where", mask, scores, low, r) : node_simple(g, "Where", mask, low, scores, r);
        }
    }
    int weights = softmax(g, scores, chance(g, 92) ? 3 : 2), out = product(g, weights, v);
    if (out >= 0 && chance(g, 60)) {
        out = transposed(g, out, swap);
        int64_t shape[3] = { b, s, h * d };
        struct value r = g->value[out];
        r.rank = 3;
        for (int i = 0; i < 3; i++) set_dim(g, &r, i, shape[i]);
        int to = make_ints(g, shape, 3);
        node_simple(g, "Reshape", out, to, -1, r);
    }
    return true;
}

/* x Φ(x) in parts: with Erf, or with Tanh. */
static int gelu(struct maker *g, int x)
{
    if (chance(g, 60)) {
        int e = add_unary(g, "Erf", chance(g, 50) ? with_constant(g, "Div", x, 1.41421356) : with_constant(g, "Mul", x, 0.70710678));
        e = with_constant(g, "Add", e, chance(g, 95) ? 1 : 2);
        return chance(g, 50) ? add_binary(g, "Mul", with_constant(g, "Mul", x, 0.5), e) : with_constant(g, "Mul", add_binary(g, "Mul", x, e), 0.5);
    }
    int cube = chance(g, 60) ? add_power(g, x, 3) : add_binary(g, "Mul", x, add_binary(g, "Mul", x, x));
    int inner = with_constant(g, "Mul", add_binary(g, "Add", x, with_constant(g, "Mul", cube, 0.044715)), 0.79788456);
    return with_constant(g, "Mul", add_binary(g, "Mul", x, with_constant(g, "Add", add_unary(g, "Tanh", inner), 1)), 0.5);
}

static bool pattern_linear(struct maker *g)
{
    int a = pick(g, (struct want){ .types = FEW, .rank_least = 2, .rank_most = 4, .full = true, .magnitude = 4 });
    struct value v = g->value[a];
    int64_t dims[2] = { v.dims[0][v.rank - 1], between(g, 1, 12) };
    for (int run = 0; run < g->runs; run++)
        if (v.dims[run][v.rank - 1] != dims[0]) return false;
    int y = product(g, a, make_numbers(g, v.dtype, 2, dims, -0.5, 0.5));
    if (chance(g, 80)) y = add_binary(g, "Add", y, vector_for(g, y, -1, 1));
    if (y >= 0) y = chance(g, 45) ? gelu(g, y) : activation(g, y);
    if (y >= 0 && chance(g, 35)) y = add_binary(g, "Add", y, other_operand(g, y, (struct want){ 0 }));
    if (y >= 0 && chance(g, 20)) (void)softmax(g, y, g->value[y].rank - 1);
    return true;
}

/* Transposes in a row, with something elementwise between them. */
static bool pattern_transposes(struct maker *g)
{
    int a = pick(g, (struct want){ .types = NUMBERS & ~TYPE(PLN_BF16), .rank_least = 2, .rank_most = 4, .full = true });
    int rank = g->value[a].rank;
    int64_t perm[CASE_RANK], back[CASE_RANK];
    for (int d = 0; d < rank; d++) perm[d] = d;
    for (int d = 0; d < rank; d++) {
        int e = (int)below(g, (uint32_t)rank);
        int64_t swap = perm[d];
        perm[d] = perm[e], perm[e] = swap;
    }
    for (int d = 0; d < rank; d++) back[perm[d]] = d;
    int y = transposed(g, a, perm);
    if (chance(g, 60)) {
        int z = is_float(g->value[y].dtype) ? activation(g, y) : -1;
        y = z >= 0 ? z : y;
    }
    if (chance(g, 40)) {
        int z = add_binary(g, "Add", y, other_operand(g, y, (struct want){ 0 }));
        if (z >= 0 && g->value[z].rank == rank) y = z;
    }
    y = transposed(g, y, chance(g, 75) ? back : perm);
    if (y >= 0 && chance(g, 30)) (void)transposed(g, y, perm);
    return true;
}

/* Chains of constants, which may be put together; the same node twice; x + 0, x * 1. */
static bool pattern_constants(struct maker *g)
{
    int y = pick(g, (struct want){ .types = FLOATS & ~TYPE(PLN_BF16), .magnitude = 8 });
    static const char *const ops[] = { "Add", "Mul", "Sub", "Div" };
    static const double numbers[] = { 0, 1, 2, 0.5, -1, 3, 0.25 };
    int count = (int)between(g, 2, 4), start = y;
    for (int i = 0; i < count && y >= 0; i++) {
        int op = (int)below(g, 4);
        double number = numbers[below(g, PLN_COUNT_OF(numbers))];
        if (op == 3 && number <= 0) number = 2;
        y = with_constant(g, ops[op], y, number);
    }
    if (chance(g, 40)) { /* twice */
        int p = add_unary(g, "Tanh", start), q = add_unary(g, "Tanh", start);
        (void)add_binary(g, "Add", p, q);
    }
    return true;
}

const struct op_maker pattern_makers[] = {
    { "conv", pattern_conv, 5 }, { "norm", pattern_norm, 5 }, { "attention", pattern_attention, 5 }, { "linear", pattern_linear, 5 }, { "transposes", pattern_transposes, 3 }, { "constants", pattern_constants, 2 }, { NULL, NULL, 0 },
};
