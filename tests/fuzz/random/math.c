/* Elementwise operators. */
#include "make.h"

/* How a function of one operand changes bounds and errors: slope is its largest in [lo, hi], roundings how many units of the result are granted to an approximation
 * (polynomials of the kernels stay within 4; so do the C library's functions in f32). */
struct unary {
    const char *op;
    double (*function)(double);
    double slope; /* at most; 0: see the code */
    double magnitude;
    double roundings; /* 0: exact, and on the grid */
    bool positive, rises, integers;
    double lo, hi; /* of the result where it does not rise; else the function tells */
    int opset;
};

static double f_exp(double x) { return exp(x); }
static double f_log(double x) { return log(x); }
static double f_sqrt(double x) { return sqrt(x); }
static double f_tanh(double x) { return tanh(x); }
static double f_sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double f_erf(double x) { return erf(x); }
static double f_atan(double x) { return atan(x); }
static double f_softplus(double x) { return log1p(exp(x)); }
static double f_relu(double x) { return x > 0 ? x : 0; }
static double f_sinh(double x) { return sinh(x); }
static double f_asinh(double x) { return asinh(x); }
static double f_softsign(double x) { return x / (1 + fabs(x)); }
static double f_elu(double x) { return x > 0 ? x : expm1(x); }
static double f_selu(double x) { return x > 0 ? 1.05070098735548 * x : 1.05070098735548 * 1.67326324235437 * expm1(x); }
static double f_leaky(double x) { return x > 0 ? x : 0.01 * x; }
static double f_hard_sigmoid(double x) { return fmax(0, fmin(1, 0.2 * x + 0.5)); }
static double f_asin(double x) { return asin(fmax(-1, fmin(1, x))); }
static double f_tan(double x) { return tan(x); }
static double f_atanh(double x) { return atanh(x); }

static const struct unary unaries[] = {
    { "Exp", f_exp, 0, 4, 4, false, true, false, 0, 0, 13 },
    { "Log", f_log, 8, 64, 4, true, true, false, 0, 0, 13 },
    { "Sqrt", f_sqrt, 1.5, 64, 1, true, true, false, 0, 0, 13 },
    { "Tanh", f_tanh, 1, 64, 4, false, true, false, 0, 0, 13 },
    { "Sigmoid", f_sigmoid, 0.25, 64, 4, false, true, false, 0, 0, 13 },
    { "Erf", f_erf, 1.13, 64, 4, false, true, false, 0, 0, 13 },
    { "Sin", NULL, 1, 8, 4, false, false, false, -1, 1, 13 },
    { "Cos", NULL, 1, 8, 4, false, false, false, -1, 1, 13 },
    { "Tan", f_tan, 3.5, 1, 8, false, true, false, 0, 0, 13 },
    { "Asin", f_asin, 2.3, 0.9, 8, false, true, false, 0, 0, 13 },
    { "Acos", NULL, 2.3, 0.9, 8, false, false, false, 0, 3.15, 13 },
    { "Atanh", f_atanh, 5.3, 0.9, 8, false, true, false, 0, 0, 13 },
    { "Atan", f_atan, 1, 64, 4, false, true, false, 0, 0, 13 },
    { "Sinh", f_sinh, 28, 4, 8, false, true, false, 0, 0, 13 },
    { "Cosh", NULL, 28, 4, 8, false, false, false, 1, 28, 13 },
    { "Asinh", f_asinh, 1, 64, 8, false, true, false, 0, 0, 13 },
    { "Softplus", f_softplus, 1, 32, 8, false, true, false, 0, 0, 13 },
    { "Softsign", f_softsign, 1, 64, 2, false, true, false, 0, 0, 13 },
    { "Elu", f_elu, 1, 64, 4, false, true, false, 0, 0, 13 },
    { "Selu", f_selu, 1.76, 64, 6, false, true, false, 0, 0, 13 },
    { "LeakyRelu", f_leaky, 1, 64, 1, false, true, false, 0, 0, 13 },
    { "HardSigmoid", f_hard_sigmoid, 0.2, 64, 3, false, true, false, 0, 0, 13 },
    { "HardSwish", NULL, 1.5, 64, 4, false, false, false, -0.4, 64, 14 },
    { "Mish", NULL, 1.1, 64, 8, false, false, false, -0.4, 64, 18 },
    { "Gelu", NULL, 1.13, 64, 8, false, false, false, -0.2, 64, 20 },
    { "Relu", f_relu, 1, 64, 0, false, true, true, 0, 0, 13 },
    { "Neg", NULL, 1, 64, 0, false, false, true, -64, 64, 13 },
    { "Abs", NULL, 1, 64, 0, false, false, true, 0, 64, 13 },
    { "Identity", NULL, 1, 64, 0, false, false, true, -64, 64, 13 },
    { "ThresholdedRelu", NULL, 1, 64, 0, false, false, false, -64, 64, 13 },
};

/* Operators that ONNX defines for all floats but bfloat16. */
static bool takes_bf16(const char *op)
{
    static const char *const ops[] = { "Exp", "Log", "Sqrt", "Tanh", "Sigmoid", "Erf", "Relu", "Neg", "Abs", "Identity" };
    for (size_t i = 0; i < PLN_COUNT_OF(ops); i++)
        if (!strcmp(op, ops[i])) return true;
    return false;
}

/* What infinities become may be finite, and outside of the bounds of what is not. */
static double finite_least(double a, double b)
{
    return isfinite(b) ? fmin(a, b) : a;
}

static int add_known_unary(struct maker *g, const struct unary *u, int a)
{
    bool jump = !strcmp(u->op, "ThresholdedRelu");
    struct value v = g->value[a], r = v;
    double lo = u->lo, hi = u->hi, slope = u->slope;
    if (u->function) lo = u->function(v.lo), hi = u->function(v.hi);
    if (!u->function && u->roundings == 0) lo = -magnitude(&v), hi = magnitude(&v);
    if (!u->function && hi == 64) hi = fmax(0, magnitude(&v));
    if (!strcmp(u->op, "Identity")) lo = v.lo, hi = v.hi;
    if (slope == 0) slope = exp(v.hi);
    if (g->wild && u->function) lo = finite_least(lo, u->function(-INFINITY)), hi = -finite_least(-hi, -u->function(INFINITY));
    if (!make_rounded(&r, lo, hi, v.apart * slope, u->roundings, 0, u->roundings == 0 ? v.grid : NO_GRID)) return -1;
    if (u->roundings == 0 && is_float(r.dtype)) r.apart = v.apart, r.grid = v.grid;
    if (!strcmp(u->op, "Neg") || !strcmp(u->op, "Identity")) r.distinct = v.distinct;
    node_begin(g, u->op);
    node_input(g, a);
    int id = node_output(g, r);
    if (!strcmp(u->op, "Gelu") && chance(g, 50)) attr_string(g, "approximate", "tanh");
    if (jump) attr_float(g, "alpha", 0.5f);
    node_end(g);
    return id;
}

static bool make_unary(struct maker *g)
{
    const struct unary *u = &unaries[below(g, PLN_COUNT_OF(unaries))];
    if (g->opset < u->opset) return false;
    uint32_t types = FLOATS & ~(takes_bf16(u->op) ? 0 : TYPE(PLN_BF16));
    if (u->integers && strcmp(u->op, "Relu") && g->opset >= 14) types |= SIGNED;
    return add_known_unary(g, u, pick(g, (struct want){ .types = types, .magnitude = u->magnitude, .positive = u->positive, .exact = !strcmp(u->op, "ThresholdedRelu") })) >= 0;
}

int add_unary(struct maker *g, const char *op, int a)
{
    for (size_t i = 0; a >= 0 && i < PLN_COUNT_OF(unaries); i++) {
        const struct unary *u = &unaries[i];
        if (strcmp(op, u->op)) continue;
        bool fit = g->opset >= u->opset && magnitude(&g->value[a]) <= u->magnitude && (!u->positive || g->value[a].lo >= 0.125);
        return fit ? add_known_unary(g, u, a) : -1;
    }
    return -1;
}

static bool make_jump(struct maker *g)
{
    static const char *const ops[] = { "Floor", "Ceil", "Round", "Sign" };
    const char *op = ops[below(g, PLN_COUNT_OF(ops))];
    int a = pick(g, (struct want){ .types = FLOATS & ~TYPE(PLN_BF16), .exact = true });
    struct value r = g->value[a];
    bool sign = !strcmp(op, "Sign");
    if (!make_rounded(&r, sign ? -1 : floor(r.lo), sign ? 1 : ceil(r.hi), 0, 0, 0, 0)) return false;
    node_simple(g, op, a, -1, -1, r);
    return true;
}

/* The other operand: something that is there, the same, or a new leaf of the same or of a smaller shape. */
int other_operand(struct maker *g, int a, struct want want)
{
    struct value v = g->value[a], r;
    want.types = TYPE(v.dtype);
    for (int tries = 0; tries < 6; tries++) {
        int b = pick_old(g, want);
        if (b >= 0 && make_broadcast(g, &v, &g->value[b], &r)) return b;
    }
    struct value shape = v;
    int dropped = chance(g, 40) ? (int)below(g, (uint32_t)v.rank + 1) : 0;
    shape.rank -= dropped;
    for (int d = 0; d < shape.rank; d++) {
        copy_dim(&shape, d, &v, d + dropped);
        if (shape.open[d] || chance(g, 20)) set_dim(g, &shape, d, 1);
    }
    const struct block *root = g->block;
    while (root->outer) root = root->outer;
    if (!root->inputs_allowed && varies(g, &shape)) shape.rank = 0;
    struct leaf leaf = { .dtype = v.dtype, .rank = shape.rank, .lo = -2, .hi = 2, .grid = NO_GRID };
    memcpy(leaf.dims, shape.dims, sizeof leaf.dims);
    if (is_float(v.dtype) && v.grid != NO_GRID && chance(g, 60)) leaf.grid = v.dtype == PLN_BF16 ? 2 : 3;
    if (UNSIGNED >> v.dtype & 1 || v.dtype == PLN_BOOL) leaf.lo = 0;
    if (v.dtype == PLN_BOOL) leaf.hi = 1;
    if (!is_float(v.dtype)) leaf.grid = 0;
    if (want.positive) leaf.lo = is_float(v.dtype) ? 0.25 : 1;
    return make_leaf(g, &leaf);
}

static bool binary_bounds(const char *op, const struct value *x, const struct value *y, struct value *r)
{
    double p[4] = { x->lo * y->lo, x->lo * y->hi, x->hi * y->lo, x->hi * y->hi };
    int grid = x->grid == NO_GRID || y->grid == NO_GRID ? NO_GRID : x->grid > y->grid ? x->grid : y->grid;
    switch (op[0]) {
    case 'A': return make_rounded(r, x->lo + y->lo, x->hi + y->hi, x->apart + y->apart, 1, 0, grid);
    case 'S': return make_rounded(r, x->lo - y->hi, x->hi - y->lo, x->apart + y->apart, 1, 0, grid);
    case 'D': {
        double inverse = 1 / y->lo, q = magnitude(x) * inverse;
        return make_rounded(r, x->lo < 0 ? -q : 0, q, x->apart * inverse + y->apart * q * inverse, 2, 0, NO_GRID);
    }
    default:
        return make_rounded(r, fmin(fmin(p[0], p[1]), fmin(p[2], p[3])), fmax(fmax(p[0], p[1]), fmax(p[2], p[3])),
                            x->apart * magnitude(y) + y->apart * magnitude(x) + x->apart * y->apart, 1, 0, grid == NO_GRID ? NO_GRID : x->grid + y->grid);
    }
}

int add_binary(struct maker *g, const char *op, int a, int b)
{
    if (a < 0 || b < 0 || g->value[a].dtype != g->value[b].dtype) return -1;
    struct value x = g->value[a], y = g->value[b], r = x;
    if (g->opset < 14 && pln_dtype_bits(x.dtype) < 32 && !is_float(x.dtype)) return -1;
    if (!make_broadcast(g, &x, &y, &r) || !binary_bounds(op, &x, &y, &r)) return -1;
    return node_simple(g, op, a, b, -1, r);
}

static bool make_binary(struct maker *g)
{
    static const char *const ops[] = { "Add", "Add", "Mul", "Mul", "Sub", "Div" };
    const char *op = ops[below(g, PLN_COUNT_OF(ops))];
    uint32_t types = g->opset >= 14 ? NUMBERS : FLOATS | TYPE(PLN_I32) | TYPE(PLN_I64) | TYPE(PLN_U32) | TYPE(PLN_U64);
    int a = pick(g, (struct want){ .types = types });
    int b = other_operand(g, a, (struct want){ .positive = op[0] == 'D' });
    bool swap = op[0] != 'D' && chance(g, 50);
    return add_binary(g, op, swap ? b : a, swap ? a : b) >= 0;
}

static bool make_variadic(struct maker *g)
{
    static const char *const ops[] = { "Max", "Min", "Sum", "Mean" };
    int kind = (int)below(g, 4), count = (int)between(g, 1, 4), ids[4];
    ids[0] = pick(g, (struct want){ .types = kind < 2 ? NUMBERS : FLOATS });
    struct value r = g->value[ids[0]];
    double lo = r.lo, hi = r.hi, apart = r.apart;
    int grid = r.grid;
    for (int i = 1; i < count; i++) {
        ids[i] = other_operand(g, ids[0], (struct want){ 0 });
        struct value v = g->value[ids[i]], joined = r;
        if (!make_broadcast(g, &r, &v, &joined)) return false;
        r = joined;
        grid = v.grid == NO_GRID || grid == NO_GRID ? NO_GRID : v.grid > grid ? v.grid : grid;
        if (kind < 2) {
            lo = kind == 0 ? fmax(lo, v.lo) : fmin(lo, v.lo), hi = kind == 0 ? fmax(hi, v.hi) : fmin(hi, v.hi), apart = fmax(apart, v.apart);
        } else lo += v.lo, hi += v.hi, apart += v.apart;
    }
    double most = fmax(fabs(lo), fabs(hi));
    if (kind == 3) lo /= count, hi /= count, apart /= count, grid = count == 1 ? grid : NO_GRID;
    if (!make_rounded(&r, lo, hi, apart, kind < 2 ? 0 : count, most, grid)) return false;
    node_begin(g, ops[kind]);
    for (int i = 0; i < count; i++) node_input(g, ids[i]);
    node_output(g, r);
    node_end(g);
    return true;
}

static bool make_compare(struct maker *g)
{
    static const char *const ops[] = { "Less", "Greater", "Equal", "LessOrEqual", "GreaterOrEqual", "And", "Or", "Xor" };
    int kind = (int)below(g, PLN_COUNT_OF(ops));
    int a = pick(g, (struct want){ .types = kind > 4 ? TYPE(PLN_BOOL) : kind == 2 ? PLAIN & ~TYPE(PLN_BF16) : NUMBERS & ~TYPE(PLN_BF16), .exact = true });
    int b = other_operand(g, a, (struct want){ .exact = true });
    struct value r = g->value[a];
    if (!make_broadcast(g, &g->value[a], &g->value[b], &r)) return false;
    r.dtype = PLN_BOOL, r.lo = 0, r.hi = 1, r.grid = 0, r.apart = 0, r.distinct = false;
    node_simple(g, ops[kind], a, b, -1, r);
    return true;
}

static bool make_not(struct maker *g)
{
    int a = pick(g, (struct want){ .types = TYPE(PLN_BOOL) });
    struct value r = g->value[a];
    r.lo = 0, r.hi = 1, r.distinct = false;
    node_simple(g, "Not", a, -1, -1, r);
    return true;
}

static bool make_where(struct maker *g)
{
    int c = pick(g, (struct want){ .types = TYPE(PLN_BOOL) }), a = -1;
    struct value r, all;
    for (int tries = 0; tries < 6 && a < 0; tries++) {
        a = pick_old(g, (struct want){ .types = g->opset >= 16 ? PLAIN : PLAIN & ~TYPE(PLN_BF16) });
        if (a >= 0 && !make_broadcast(g, &g->value[c], &g->value[a], &r)) a = -1;
    }
    if (a < 0) return false;
    int b = other_operand(g, a, (struct want){ 0 });
    r = all = g->value[a];
    if (!make_broadcast(g, &g->value[c], &g->value[a], &r) || !make_broadcast(g, &r, &g->value[b], &all)) return false;
    make_union(&all, &g->value[a], &g->value[b]);
    node_simple(g, "Where", c, a, b, all);
    return true;
}

static bool make_cast(struct maker *g)
{
    int a = pick(g, (struct want){ .types = PLAIN });
    static const enum pln_dtype to[] = { PLN_F32, PLN_F32, PLN_F64, PLN_F16, PLN_BF16, PLN_I8, PLN_I32, PLN_I64, PLN_U8, PLN_U16, PLN_BOOL };
    struct value v = g->value[a], r = v;
    r.dtype = to[below(g, PLN_COUNT_OF(to))];
    if (!is_float(r.dtype) && v.apart != 0) return false;
    if (g->wild && is_float(v.dtype) && !is_float(r.dtype) && r.dtype != PLN_BOOL) return false; /* NaN is no integer */
    if (r.dtype == PLN_BOOL) r.lo = 0, r.hi = 1, r.grid = 0;
    else if (!is_float(r.dtype)) {
        if (!make_rounded(&r, is_float(v.dtype) ? trunc(v.lo) : v.lo, is_float(v.dtype) ? trunc(v.hi) : v.hi, 0, 0, 0, 0)) return false;
        r.grid = 0;
    } else if (!make_rounded(&r, v.lo, v.hi, v.apart, type_unit(r.dtype) > type_unit(v.dtype) || !is_float(v.dtype) ? 1 : 0, 0, v.grid)) return false;
    if (is_float(r.dtype) && v.apart == 0) r.apart = 0; /* rounding the same number is the same everywhere */
    if (type_unit(r.dtype) > type_unit(v.dtype) && r.grid == NO_GRID && r.apart != 0) r.apart += 2 * type_unit(r.dtype) * magnitude(&r);
    r.distinct = false;
    node_begin(g, "Cast");
    node_input(g, a);
    attr_int(g, "to", (int)r.dtype);
    node_output(g, r);
    node_end(g);
    return true;
}

static bool make_clip(struct maker *g)
{
    int a = pick(g, (struct want){ .types = NUMBERS & ~(TYPE(PLN_BF16) | TYPE(PLN_I16) | TYPE(PLN_U16)) });
    struct value r = g->value[a];
    bool least = chance(g, 75), most = chance(g, 75);
    double lo = is_float(r.dtype) ? (double)between(g, -8, 2) / 4 : (double)between(g, 0, 2), hi = lo + (double)between(g, 0, 5);
    int l = least ? make_scalar(g, r.dtype, lo, chance(g, 80)) : -1, h = most ? make_scalar(g, r.dtype, hi, chance(g, 80)) : -1;
    if (least) r.lo = fmax(r.lo, lo), r.hi = fmax(r.hi, lo);
    if (most) r.lo = fmin(r.lo, hi), r.hi = fmin(r.hi, hi);
    if (g->wild && least) r.lo = fmin(r.lo, lo), r.hi = fmax(r.hi, lo); /* of infinities */
    if (g->wild && most) r.lo = fmin(r.lo, hi), r.hi = fmax(r.hi, hi);
    if (is_float(r.dtype) && r.grid != NO_GRID && r.grid < 2) r.grid = 2;
    r.distinct = false;
    node_begin(g, "Clip");
    node_input(g, a);
    if (least || most) node_input(g, l);
    if (most) node_input(g, h);
    node_output(g, r);
    node_end(g);
    return true;
}

static bool make_integer(struct maker *g)
{
    static const char *const ops[] = { "Mod", "Mod", "BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "BitwiseNot" };
    int kind = (int)below(g, PLN_COUNT_OF(ops));
    if (kind > 2 && g->opset < 18) return false;
    int a = pick(g, (struct want){ .types = kind == 2 ? UNSIGNED : INTEGERS, .magnitude = 100 });
    int b = kind == 6 ? -1 : other_operand(g, a, (struct want){ .positive = kind < 2, .magnitude = kind == 2 ? 4 : 100 });
    struct value r = g->value[a];
    if (b >= 0 && !make_broadcast(g, &g->value[a], &g->value[b], &r)) return false;
    if (kind == 2 && g->value[b].hi > 4) return false;
    double bound = kind == 2 ? 1600 : 128;
    if (!make_rounded(&r, r.lo < 0 || kind == 6 || (b >= 0 && g->value[b].lo < 0) ? -bound : 0, kind > 2 ? 127 : bound - 1, 0, 0, 0, 0) && kind != 6) return false;
    if (kind == 6) r.lo = SIGNED >> r.dtype & 1 ? -0x1p63 : 0, r.hi = 0x1p64; /* not for arithmetic */
    node_begin(g, ops[kind]);
    node_input(g, a);
    if (b >= 0) node_input(g, b);
    if (kind == 2) attr_string(g, "direction", chance(g, 50) ? "LEFT" : "RIGHT");
    if (kind < 2 && chance(g, 50)) attr_int(g, "fmod", 1);
    node_output(g, r);
    node_end(g);
    return true;
}

int add_power(struct maker *g, int a, double p)
{
    if (a < 0) return -1;
    struct value v = g->value[a], r = v;
    double most = magnitude(&v), hi = pow(most, p), slope = fabs(p) * pow(most, p - 1);
    if (v.lo < 0.125 && (p < 1 || p != floor(p)) && p != 0) return -1;
    if (p < 1) hi = p <= 0 ? pow(p == 0 ? 1 : v.lo, p) : hi, slope = p == 0 ? 0 : fabs(p) * pow(v.lo, p - 1);
    int b = make_scalar(g, v.dtype, p, chance(g, 90));
    if (!make_rounded(&r, v.lo < 0 && p != 0 && p != 2 ? -hi : 0, hi, v.apart * slope, 4, 0, NO_GRID)) return -1;
    return node_simple(g, "Pow", a, b, -1, r);
}

static bool make_pow(struct maker *g)
{
    static const double powers[] = { 2, 2, 3, 0.5, -1, -0.5, 1, 0, 1.5 };
    int a = pick(g, (struct want){ .types = FLOATS & ~TYPE(PLN_BF16), .magnitude = 16, .positive = chance(g, 50) });
    return add_power(g, a, powers[below(g, PLN_COUNT_OF(powers))]) >= 0;
}

static bool make_prelu(struct maker *g)
{
    int a = pick(g, (struct want){ .types = FLOATS & ~TYPE(PLN_BF16), .closed = true });
    struct value v = g->value[a], r = v;
    int b = other_operand(g, a, (struct want){ .magnitude = 4 });
    if (!make_broadcast(g, &v, &g->value[b], &r) || r.rank != v.rank) return false;
    for (int d = 0; d < r.rank; d++)
        if (!same_dim(g, &r, d, &v, d)) return false;
    double slope = fmax(1, magnitude(&g->value[b]));
    if (!make_rounded(&r, -magnitude(&v) * slope, magnitude(&v) * slope, v.apart * slope + g->value[b].apart * magnitude(&v), 1, 0, NO_GRID)) return false;
    node_simple(g, "PRelu", a, b, -1, r);
    return true;
}

const struct op_maker math_makers[] = {
    { "unary", make_unary, 12 },   { "jump", make_jump, 1 },      { "binary", make_binary, 16 }, { "variadic", make_variadic, 3 }, { "compare", make_compare, 3 }, { "not", make_not, 1 },
    { "where", make_where, 3 },    { "cast", make_cast, 4 },      { "clip", make_clip, 3 },      { "integer", make_integer, 2 },   { "pow", make_pow, 2 },         { "prelu", make_prelu, 1 },
    { NULL, NULL, 0 },
};
