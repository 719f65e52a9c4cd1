/* Operators along axes: reductions, softmax, normalizations, sorting, running sums; and quantizing. */
#include "make.h"

/* A random set of axes; the reduced shape with extents 1, and the count of elements behind one result (the most of all runs). */
static int random_axes(struct maker *g, const struct value *v, bool keep, int64_t axes[CASE_RANK], struct value *r, double *terms)
{
    int count = 0, rank = 0;
    *terms = 0;
    bool all = v->rank == 0 || chance(g, 10);
    bool chosen[CASE_RANK] = { false };
    for (int d = 0; d < v->rank; d++) chosen[d] = all || chance(g, 45);
    if (v->rank && chance(g, 40)) { /* the last alone, as most models have it */
        for (int d = 0; d < v->rank; d++) chosen[d] = d == v->rank - 1;
    }
    for (int run = 0; run < g->runs; run++) {
        double product = 1;
        for (int d = 0; d < v->rank; d++) product *= chosen[d] ? (double)v->dims[run][d] : 1;
        *terms = fmax(*terms, product);
    }
    for (int d = 0; d < v->rank; d++) {
        if (chosen[d]) axes[count++] = chance(g, 40) ? d - v->rank : d;
        if (!chosen[d]) copy_dim(r, rank++, v, d);
        else if (keep) set_dim(g, r, rank++, 1);
    }
    r->rank = rank;
    return count;
}

static bool reduce_bounds(const char *op, const struct value *v, double n, struct value *r)
{
    double m = magnitude(v), lo = v->lo, hi = v->hi;
    const char *kind = op + 6; /* behind "Reduce" */
    if (!strcmp(kind, "Max") || !strcmp(kind, "Min")) return make_rounded(r, lo, hi, v->apart, 0, 0, v->grid);
    if (!strcmp(kind, "Mean")) return make_rounded(r, lo, hi, v->apart, n + 1, 0, NO_GRID);
    if (!strcmp(kind, "Sum")) return make_rounded(r, fmin(0, n * lo), fmax(0, n * hi), n * v->apart, n, n * m, v->grid);
    if (!strcmp(kind, "L1")) return make_rounded(r, 0, n * m, n * v->apart, n, 0, v->grid);
    if (!strcmp(kind, "SumSquare")) return make_rounded(r, 0, n * m * m, n * (2 * m * v->apart + v->apart * v->apart), n + 1, 0, v->grid == NO_GRID ? NO_GRID : 2 * v->grid);
    if (!strcmp(kind, "L2")) return make_rounded(r, 0, sqrt(n) * m, sqrt(n) * v->apart, n + 2, 0, NO_GRID);
    if (!strcmp(kind, "LogSum")) return lo < 0.125 ? false : make_rounded(r, log(lo), log(n * hi), v->apart / lo, n + 4, 0, NO_GRID);
    if (!strcmp(kind, "LogSumExp")) return m > 8 ? false : make_rounded(r, lo, hi + log(n), v->apart, n + 4, 0, NO_GRID);
    double most = pow(fmax(1, m), n);
    return n > 12 ? false : make_rounded(r, lo < 0 ? -most : 0, most, n * v->apart * pow(fmax(1, m), n - 1), n, 0, v->grid == NO_GRID ? NO_GRID : (int)n * v->grid);
}

static bool make_reduce(struct maker *g)
{
    static const char *const ops[] = { "ReduceSum", "ReduceMean", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp" };
    const char *op = ops[below(g, PLN_COUNT_OF(ops))];
    bool extreme = !strcmp(op, "ReduceMax") || !strcmp(op, "ReduceMin"), sums = !strcmp(op, "ReduceSum") || !strcmp(op, "ReduceProd");
    uint32_t types = FLOATS & ~TYPE(PLN_BF16);
    if (extreme) types |= TYPE(PLN_I8) | TYPE(PLN_U8);
    if (extreme || sums) types |= TYPE(PLN_I32) | TYPE(PLN_I64);
    int a = pick(g, (struct want){ .types = types, .full = !sums, .positive = !strcmp(op, "ReduceLogSum") });
    struct value v = g->value[a], r = v;
    int64_t axes[CASE_RANK];
    double terms;
    bool keep = chance(g, 50);
    int count = random_axes(g, &v, keep, axes, &r, &terms);
    bool noop = count == 0 && chance(g, 50) && (g->opset >= 18 || !strcmp(op, "ReduceSum")) && v.rank > 0;
    if (count == 0 && !noop) { /* no axes are all axes */
        terms = (double)most_count(g, &v);
        r.rank = keep ? v.rank : 0;
        for (int d = 0; d < r.rank; d++) set_dim(g, &r, d, 1);
    }
    if (noop && strcmp(op, "ReduceSum")) return false;
    if (!reduce_bounds(op, &v, noop ? 1 : fmax(1, terms), &r)) return false;
    if (sums && !strcmp(op, "ReduceProd")) r.hi = fmax(r.hi, 1);
    bool as_input = g->opset >= 18 || !strcmp(op, "ReduceSum");
    int b = as_input && count ? make_ints(g, axes, count) : -1;
    node_begin(g, op);
    node_input(g, a);
    if (b >= 0) node_input(g, b);
    if (!as_input && count) attr_ints(g, "axes", axes, count);
    if (noop) attr_int(g, "noop_with_empty_axes", 1);
    if (!keep || chance(g, 50)) attr_int(g, "keepdims", keep);
    node_output(g, r);
    node_end(g);
    return true;
}

static bool make_arg(struct maker *g)
{
    if (g->wild) return false; /* what is largest among NaN is nobody's to say */
    int a = pick(g, (struct want){ .types = FLOATS & ~TYPE(PLN_BF16), .distinct = chance(g, 60), .exact = true, .full = true, .rank_least = 1 });
    struct value v = g->value[a], r = { .dtype = PLN_I64, .rank = 0 };
    int axis = (int)below(g, (uint32_t)v.rank);
    bool keep = chance(g, 50), last = !v.distinct && chance(g, 50);
    double most = 0;
    for (int d = 0; d < v.rank; d++) {
        if (d != axis) copy_dim(&r, r.rank++, &v, d);
        else if (keep) set_dim(g, &r, r.rank++, 1);
    }
    for (int run = 0; run < g->runs; run++) most = fmax(most, (double)v.dims[run][axis] - 1);
    r.hi = most;
    node_begin(g, chance(g, 50) ? "ArgMax" : "ArgMin");
    node_input(g, a);
    attr_int(g, "axis", chance(g, 50) ? axis : axis - v.rank);
    attr_int(g, "keepdims", keep);
    if (last) attr_int(g, "select_last_index", 1);
    node_output(g, r);
    node_end(g);
    return true;
}

static bool make_topk(struct maker *g)
{
    int a = pick(g, (struct want){ .types = TYPE(PLN_F32) | TYPE(PLN_F64) | TYPE(PLN_I64) | TYPE(PLN_I32), .distinct = true, .full = true, .rank_least = 1 });
    struct value v = g->value[a], r = v, index;
    int axis = (int)below(g, (uint32_t)v.rank);
    int64_t least = v.dims[0][axis];
    for (int run = 1; run < g->runs; run++) least = v.dims[run][axis] < least ? v.dims[run][axis] : least;
    int64_t k = between(g, chance(g, 5) ? 0 : 1, least);
    int b = make_ints(g, &k, 1);
    set_dim(g, &r, axis, k);
    index = r;
    index.dtype = PLN_I64, index.lo = 0, index.grid = 0, index.distinct = false, index.hi = 0;
    for (int run = 0; run < g->runs; run++) index.hi = fmax(index.hi, (double)v.dims[run][axis] - 1);
    node_begin(g, "TopK");
    node_input(g, a);
    node_input(g, b);
    attr_int(g, "axis", axis);
    if (chance(g, 50)) attr_int(g, "largest", (int64_t)below(g, 2));
    node_output(g, r);
    node_output(g, index);
    node_end(g);
    return true;
}

static bool make_cumsum(struct maker *g)
{
    int a = pick(g, (struct want){ .types = TYPE(PLN_F32) | TYPE(PLN_F64) | TYPE(PLN_I32) | TYPE(PLN_I64), .rank_least = 1, .magnitude = 16 });
    struct value v = g->value[a], r = v;
    int axis = (int)below(g, (uint32_t)v.rank);
    double n = 1;
    for (int run = 0; run < g->runs; run++) n = fmax(n, (double)v.dims[run][axis]);
    if (!make_rounded(&r, fmin(0, n * v.lo), fmax(0, n * v.hi), n * v.apart, n, n * magnitude(&v), v.grid)) return false;
    int b = make_scalar(g, PLN_I64, chance(g, 50) ? axis : axis - v.rank, chance(g, 85));
    node_begin(g, "CumSum");
    node_input(g, a);
    node_input(g, b);
    if (chance(g, 40)) attr_int(g, "exclusive", 1);
    if (chance(g, 40)) attr_int(g, "reverse", 1);
    node_output(g, r);
    node_end(g);
    return true;
}

/* |softmax(x)-softmax(y)| <= max|x-y| / 2 per element, the logarithm's <= 2 max|x-y|. */
static bool make_softmax(struct maker *g)
{
    bool log_of = chance(g, 30);
    int a = pick(g, (struct want){ .types = FLOATS & ~(log_of ? TYPE(PLN_BF16) : 0), .rank_least = 1 });
    struct value v = g->value[a], r = v;
    int axis = chance(g, 60) ? v.rank - 1 : (int)below(g, (uint32_t)v.rank);
    double n = 1, span = v.hi - v.lo;
    for (int run = 0; run < g->runs; run++) n = fmax(n, (double)v.dims[run][axis]);
    if (log_of ? !make_rounded(&r, -span - log(n), 0, 2 * v.apart, n + 8, span + magnitude(&v), NO_GRID) : !make_rounded(&r, 0, 1, v.apart, n + 8 + magnitude(&v) * 2, 0, NO_GRID)) return false;
    node_begin(g, log_of ? "LogSoftmax" : "Softmax");
    node_input(g, a);
    if (axis != v.rank - 1 || chance(g, 50)) attr_int(g, "axis", chance(g, 50) ? axis : axis - v.rank);
    node_output(g, r);
    node_end(g);
    return true;
}

/* (x - mean) / sqrt(var + epsilon): both differences are at most 2 apart + rounding of the mean, divided by what is at least sqrt(epsilon); and no normalized element is beyond
 * sqrt(n). The error of the variance moves the quotient by no more than the error of the elements does. */
bool normalized(struct value *r, const struct value *v, double n, double epsilon, double scale, double bias, double other_apart)
{
    double m = magnitude(v), unit = fmin(type_unit(v->dtype), 0x1p-24), moved = v->apart + (n + 2) * unit * 2 * m;
    double most = scale * fmin(sqrt(n), 2 * m / sqrt(epsilon)) + bias;
    double carried = scale * fmin(4 * moved / sqrt(epsilon), 2 * sqrt(n)) + other_apart * (1 + sqrt(n));
    return make_rounded(r, -most, most, carried, n + 8, 0, NO_GRID);
}

static float random_epsilon(struct maker *g, const struct value *v)
{
    static const float all[] = { 1e-5f, 1e-3f, 1e-2f, 0.1f };
    return v->dtype == PLN_F16 || v->dtype == PLN_BF16 || v->apart > 1e-6 ? all[2 + below(g, 2)] : all[below(g, 4)];
}

static bool make_layer_norm(struct maker *g)
{
    bool rms = g->opset >= 23 && chance(g, 40);
    int a = pick(g, (struct want){ .types = FLOATS & ~TYPE(PLN_BF16), .rank_least = 1, .full = true, .magnitude = 16 });
    struct value v = g->value[a], r = v, tail = v;
    int axis = chance(g, 70) ? v.rank - 1 : (int)below(g, (uint32_t)v.rank);
    if (g->opset < 17 || (rms && v.rankless)) return false;
    tail.rank = v.rank - axis;
    for (int d = 0; d < tail.rank; d++) copy_dim(&tail, d, &v, axis + d);
    float epsilon = random_epsilon(g, &v);
    double n = (double)most_count(g, &tail);
    if (!normalized(&r, &v, n, epsilon, 4, 4, 0)) return false;
    int scale = make_like(g, v.dtype, &tail), bias = !rms && chance(g, 60) ? make_like(g, v.dtype, &tail) : -1;
    node_begin(g, rms ? "RMSNormalization" : "LayerNormalization");
    node_input(g, a);
    node_input(g, scale);
    if (bias >= 0) node_input(g, bias);
    attr_float(g, "epsilon", epsilon);
    attr_int(g, "axis", chance(g, 50) ? axis : axis - v.rank);
    node_output(g, r);
    node_end(g);
    return true;
}

static bool make_batch_norm(struct maker *g)
{
    int a = pick(g, (struct want){ .types = FLOATS & ~TYPE(PLN_BF16), .rank_least = 2, .closed = true, .magnitude = 32 });
    struct value v = g->value[a], r = v;
    int64_t c = v.dims[0][1];
    for (int run = 1; run < g->runs; run++)
        if (v.dims[run][1] != c) return false;
    if (!make_rounded(&r, -(magnitude(&v) + 1) * 2 * 2 - 2, (magnitude(&v) + 1) * 2 * 2 + 2, v.apart * 4, 8, 0, NO_GRID)) return false;
    int scale = make_numbers(g, v.dtype, 1, &c, -2, 2), bias = make_numbers(g, v.dtype, 1, &c, -2, 2), mean = make_numbers(g, v.dtype, 1, &c, -1, 1), var = make_numbers(g, v.dtype, 1, &c, 0.25, 4);
    node_begin(g, "BatchNormalization");
    node_input(g, a);
    node_input(g, scale);
    node_input(g, bias);
    node_input(g, mean);
    node_input(g, var);
    if (chance(g, 50)) attr_float(g, "epsilon", 1e-3f);
    node_output(g, r);
    node_end(g);
    return true;
}

static bool make_group_norm(struct maker *g)
{
    bool group = g->opset >= 21 && chance(g, 50);
    int a = pick(g, (struct want){ .types = FLOATS & ~TYPE(PLN_BF16), .rank_least = 3, .full = true, .magnitude = 16 });
    struct value v = g->value[a], r = v, tail = v;
    int64_t c = v.dims[0][1], groups = 1;
    if (group && v.rankless) return false;
    for (int run = 1; run < g->runs; run++)
        if (v.dims[run][1] != c) return false;
    for (int64_t k = 2; k <= c; k++)
        if (c % k == 0 && chance(g, 40)) groups = k;
    for (int d = 0; d < 2; d++) set_dim(g, &tail, d, 1);
    double n = (double)most_count(g, &tail) * (group ? (double)(c / groups) : 1);
    float epsilon = random_epsilon(g, &v);
    if (!normalized(&r, &v, n, epsilon, 2, 2, 0)) return false;
    int scale = make_numbers(g, v.dtype, 1, &c, -2, 2), bias = make_numbers(g, v.dtype, 1, &c, -2, 2);
    node_begin(g, group ? "GroupNormalization" : "InstanceNormalization");
    node_input(g, a);
    node_input(g, scale);
    node_input(g, bias);
    attr_float(g, "epsilon", epsilon);
    if (group) attr_int(g, "num_groups", groups);
    node_output(g, r);
    node_end(g);
    return true;
}

/* Exact operands and scales that are powers of two: the same integer everywhere. */
static bool make_quantize(struct maker *g)
{
    if (g->wild) return false;
    int a = pick(g, (struct want){ .types = TYPE(PLN_F32), .exact = true });
    struct value v = g->value[a], q = v, r = v;
    double step = ldexp(1, -(int)between(g, 0, 6));
    bool by_axis = v.rank > 0 && chance(g, 40), is_signed = chance(g, 50);
    int axis = v.rank ? (int)below(g, (uint32_t)v.rank) : 0;
    int64_t count = by_axis ? v.dims[0][axis] : 1;
    for (int run = 0; by_axis && run < g->runs; run++)
        if (v.dims[run][axis] != count || v.open[axis] || count > 17) return false;
    double scales[32], zeros[32];
    for (int64_t i = 0; i < count; i++) scales[i] = by_axis ? ldexp(step, -(int)below(g, 3)) : step, zeros[i] = (double)between(g, is_signed ? -3 : 0, 10);
    int scale = make_data(g, PLN_F32, by_axis, &count, scales, chance(g, 90)), zero = make_data(g, is_signed ? PLN_I8 : PLN_U8, by_axis, &count, zeros, chance(g, 90));
    bool with_zero = is_signed || chance(g, 80);
    q.dtype = is_signed ? PLN_I8 : PLN_U8, q.lo = is_signed ? -128 : 0, q.hi = is_signed ? 127 : 255, q.grid = 0, q.distinct = false;
    r.lo = -256 * step, r.hi = 256 * step, r.grid = 8, r.apart = 0, r.distinct = false;
    node_begin(g, "QuantizeLinear");
    node_input(g, a);
    node_input(g, scale);
    if (with_zero) node_input(g, zero);
    if (by_axis) attr_int(g, "axis", axis);
    int mid = node_output(g, q);
    node_end(g);
    if (chance(g, 15)) return true;
    node_begin(g, "DequantizeLinear");
    node_input(g, mid);
    node_input(g, scale);
    if (with_zero) node_input(g, zero);
    if (by_axis) attr_int(g, "axis", axis);
    node_output(g, r);
    node_end(g);
    return true;
}

const struct op_maker norm_makers[] = {
    { "reduce", make_reduce, 8 },         { "arg", make_arg, 2 },               { "topk", make_topk, 2 },       { "cumsum", make_cumsum, 2 }, { "softmax", make_softmax, 4 }, { "layer_norm", make_layer_norm, 3 },
    { "batch_norm", make_batch_norm, 2 }, { "group_norm", make_group_norm, 2 }, { "quantize", make_quantize, 3 }, { NULL, NULL, 0 },
};
