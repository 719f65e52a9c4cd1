/* Products, convolutions, pools, recurrent layers, attention. */
#include "make.h"

#include <stdio.h>

#define PRODUCTS (TYPE(PLN_F32) | TYPE(PLN_F32) | TYPE(PLN_F64) | TYPE(PLN_F16))

static int grid_of_product(const struct value *x, const struct value *y)
{
    return x->grid == NO_GRID || y->grid == NO_GRID ? NO_GRID : x->grid + y->grid;
}

/* A sum of n products, plus `bias` (or NULL), times alpha. */
static bool sum_of_products(struct value *r, const struct value *x, const struct value *y, double n, const struct value *bias)
{
    double mx = magnitude(x), my = magnitude(y), most = n * mx * my, apart = n * (x->apart * my + y->apart * mx + x->apart * y->apart);
    int grid = grid_of_product(x, y);
    if (bias) {
        most += magnitude(bias), apart += bias->apart;
        if (grid != NO_GRID && bias->grid > grid) grid = bias->grid;
    }
    return make_rounded(r, -most, most, apart, n + 2, most, n == 0 && !bias ? 0 : grid);
}

static double most_extent(const struct maker *g, const struct value *v, int d)
{
    double most = 0;
    for (int run = 0; run < g->runs; run++) most = fmax(most, (double)v->dims[run][d]);
    return most;
}

/* A factor of this shape. What a window multiplies with its padding, and a tile with what fills it, may be 0 * inf in one implementation and left out in another: weights are finite. */
static int leaf_of(struct maker *g, const struct value *shape, double lo, double hi)
{
    struct leaf leaf = { .dtype = shape->dtype, .rank = shape->rank, .lo = lo, .hi = hi, .grid = chance(g, 50) ? (shape->dtype == PLN_BF16 ? 2 : 3) : NO_GRID, .tame = true };
    if (!is_float(leaf.dtype)) leaf.grid = 0;
    memcpy(leaf.dims, shape->dims, sizeof leaf.dims);
    return make_leaf(g, &leaf);
}

static bool make_matmul(struct maker *g)
{
    uint32_t types = PRODUCTS | (chance(g, 15) ? TYPE(PLN_I32) | TYPE(PLN_I64) : 0) | (chance(g, 10) ? TYPE(PLN_BF16) : 0);
    int a = pick(g, (struct want){ .types = types, .rank_least = 1, .closed = true, .magnitude = 16 }), b = -1;
    struct value x = g->value[a], r = x;
    for (int tries = 0; tries < 4 && b < 0; tries++) { /* one that is there */
        int c = pick_old(g, (struct want){ .types = TYPE(x.dtype), .rank_least = x.rank == 1 ? 1 : 2, .rank_most = x.rank == 1 ? 2 : x.rank, .closed = true, .magnitude = 16 });
        if (c >= 0 && same_dim(g, &x, x.rank - 1, &g->value[c], g->value[c].rank == 1 ? 0 : g->value[c].rank - 2)) b = c;
    }
    if (b < 0) {
        struct value shape = { .dtype = x.dtype, .rank = chance(g, 10) ? 1 : 2 };
        copy_dim(&shape, 0, &x, x.rank - 1);
        if (shape.rank == 2) set_dim(g, &shape, 1, between(g, 1, g->large || chance(g, 10) ? 70 : 9));
        if (x.rank > 2 && chance(g, 30)) { /* batched */
            shape.rank = x.rank;
            for (int d = 0; d < x.rank - 2; d++) chance(g, 30) ? set_dim(g, &shape, d, 1) : copy_dim(&shape, d, &x, d);
            copy_dim(&shape, x.rank - 2, &x, x.rank - 1);
            set_dim(g, &shape, x.rank - 1, between(g, 1, 7));
        }
        b = leaf_of(g, &shape, UNSIGNED >> x.dtype & 1 ? 0 : -2, 2);
    }
    struct value y = g->value[b], xb = x, yb = y;
    xb.rank = x.rank > 2 ? x.rank - 2 : 0, yb.rank = y.rank > 2 ? y.rank - 2 : 0;
    if (!make_broadcast(g, &xb, &yb, &r)) return false;
    if (x.rank > 1) copy_dim(&r, r.rank++, &x, x.rank - 2);
    if (y.rank > 1) copy_dim(&r, r.rank++, &y, y.rank - 1);
    if (most_count(g, &r) > COUNT_MOST || !sum_of_products(&r, &x, &y, most_extent(g, &x, x.rank - 1), NULL)) return false;
    node_simple(g, "MatMul", a, b, -1, r);
    return true;
}

static bool make_gemm(struct maker *g)
{
    int a = pick(g, (struct want){ .types = PRODUCTS, .rank_least = 2, .rank_most = 2, .closed = true, .magnitude = 16 });
    bool ta = chance(g, 30), tb = chance(g, 50), c = chance(g, 75);
    struct value x = g->value[a], y = { .dtype = x.dtype, .rank = 2 }, r = x, bias = { .dtype = x.dtype, .rank = (int)below(g, 3) };
    int64_t n = between(g, 1, g->large || chance(g, 10) ? 70 : 9);
    copy_dim(&y, tb ? 1 : 0, &x, ta ? 0 : 1);
    set_dim(g, &y, tb ? 0 : 1, n);
    copy_dim(&r, 0, &x, ta ? 1 : 0);
    set_dim(g, &r, 1, n);
    if (most_count(g, &y) > COUNT_MOST || most_count(g, &r) > COUNT_MOST) return false;
    if (bias.rank == 2) chance(g, 50) ? copy_dim(&bias, 0, &r, 0) : set_dim(g, &bias, 0, 1);
    if (bias.rank) set_dim(g, &bias, bias.rank - 1, chance(g, 80) ? n : 1);
    float alpha = chance(g, 30) ? 0.5f : 1, beta = chance(g, 30) ? 2 : 1;
    int b = leaf_of(g, &y, -2, 2), third = c ? leaf_of(g, &bias, -1, 1) : -1;
    struct value scaled = { .dtype = x.dtype, .lo = -2, .hi = 2, .grid = c ? g->value[third].grid : 0 };
    struct value left = x;
    if (left.grid != NO_GRID && alpha != 1) left.grid++;
    if (!sum_of_products(&r, &left, &g->value[b], most_extent(g, &x, ta ? 0 : 1), c ? &scaled : NULL)) return false;
    node_begin(g, "Gemm");
    node_input(g, a);
    node_input(g, b);
    if (c) node_input(g, third);
    if (ta) attr_int(g, "transA", 1);
    if (tb) attr_int(g, "transB", 1);
    if (alpha != 1) attr_float(g, "alpha", alpha);
    if (beta != 1) attr_float(g, "beta", beta);
    node_output(g, r);
    node_end(g);
    return true;
}

/* Letters for the dims of two operands: some shared, some summed. */
static bool make_einsum(struct maker *g)
{
    int a = pick(g, (struct want){ .types = TYPE(PLN_F32) | TYPE(PLN_F64), .rank_least = 1, .rank_most = 4, .closed = true, .magnitude = 8, .count_most = 512 });
    struct value x = g->value[a], y = { .dtype = x.dtype }, r = { .dtype = x.dtype };
    char left[8] = "", right[8] = "", out[12] = "", equation[40];
    double n = 1;
    for (int d = 0; d < x.rank; d++) left[d] = (char)('a' + d), left[d + 1] = '\0';
    for (int d = 0; d < x.rank; d++) {
        bool shared = chance(g, 50), kept = chance(g, 55);
        if (shared) right[y.rank] = left[d], right[y.rank + 1] = '\0', copy_dim(&y, y.rank++, &x, d);
        if (kept) out[r.rank] = left[d], out[r.rank + 1] = '\0', copy_dim(&r, r.rank++, &x, d);
        else n *= most_extent(g, &x, d);
    }
    if (chance(g, 60)) {
        right[y.rank] = 'z', right[y.rank + 1] = '\0';
        set_dim(g, &y, y.rank++, between(g, 1, 6));
        out[r.rank] = 'z', out[r.rank + 1] = '\0';
        copy_dim(&r, r.rank++, &y, y.rank - 1);
    }
    if (r.rank > 1 && chance(g, 40)) { /* another order */
        struct value swap = r;
        char letter = out[0];
        out[0] = out[r.rank - 1], out[r.rank - 1] = letter;
        copy_dim(&r, 0, &swap, r.rank - 1);
        copy_dim(&r, r.rank - 1, &swap, 0);
    }
    if (most_count(g, &r) > COUNT_MOST || most_count(g, &y) > COUNT_MOST) return false;
    bool alone = y.rank == 0;
    int b = alone ? -1 : leaf_of(g, &y, -2, 2);
    struct value one = { .dtype = x.dtype, .lo = 1, .hi = 1, .grid = 0 };
    if (!sum_of_products(&r, &x, alone ? &one : &g->value[b], n, NULL)) return false;
    if (alone) snprintf(equation, sizeof equation, "%s->%s", left, out);
    else snprintf(equation, sizeof equation, chance(g, 30) ? "%s, %s -> %s" : "%s,%s->%s", left, right, out);
    node_begin(g, "Einsum");
    node_input(g, a);
    if (!alone) node_input(g, b);
    attr_string(g, "equation", equation);
    node_output(g, r);
    node_end(g);
    return true;
}

/* A window over the spatial dims: attributes of convolutions and pools, and the extents of the result. */
struct window {
    int n;
    int64_t kernel[3], strides[3], dilations[3], pads[6];
    bool same_upper;
};

static bool random_window(struct maker *g, const struct value *x, bool padded_half, struct window *w, struct value *r)
{
    w->n = x->rank - 2;
    w->same_upper = chance(g, 10);
    for (int i = 0; i < w->n; i++) {
        w->kernel[i] = between(g, 1, 3), w->strides[i] = chance(g, 30) ? 2 : 1, w->dilations[i] = chance(g, 20) ? 2 : 1;
        for (int side = 0; side < 2; side++) w->pads[i + side * w->n] = between(g, 0, padded_half ? w->kernel[i] / 2 : 2);
        if (padded_half && (w->same_upper || w->pads[i] || w->pads[i + w->n])) w->dilations[i] = 1; /* else a window may lie in the padding alone */
        if (w->same_upper) w->pads[i] = w->pads[i + w->n] = 0;
        for (int run = 0; run < g->runs; run++) {
            int64_t extent = x->dims[run][2 + i], span = (w->kernel[i] - 1) * w->dilations[i] + 1, room = extent + w->pads[i] + w->pads[i + w->n] - span;
            if (w->same_upper ? extent < 1 : room < 0) return false;
            r->dims[run][2 + i] = w->same_upper ? (extent + w->strides[i] - 1) / w->strides[i] : room / w->strides[i] + 1;
        }
        r->open[2 + i] = false;
    }
    return true;
}

static void window_attributes(struct maker *g, const struct window *w, bool dilations)
{
    attr_ints(g, "kernel_shape", w->kernel, w->n);
    attr_ints(g, "strides", w->strides, w->n);
    if (dilations) attr_ints(g, "dilations", w->dilations, w->n);
    if (w->same_upper) attr_string(g, "auto_pad", "SAME_UPPER");
    else attr_ints(g, "pads", w->pads, 2 * w->n);
}

/* Weights are for a number of channels. */
static bool steady_channels(const struct maker *g, int a)
{
    if (g->value[a].open[1]) return false;
    for (int run = 1; run < g->runs; run++)
        if (g->value[a].dims[run][1] != g->value[a].dims[0][1]) return false;
    return true;
}

int pick_image(struct maker *g, uint32_t types)
{
    int a = pick(g, (struct want){ .types = types, .rank_least = 3, .rank_most = 5, .full = true, .magnitude = 16, .count_most = 2048 });
    return steady_channels(g, a) ? a : -1;
}

int add_conv(struct maker *g, int a, bool with_bias)
{
    if (!steady_channels(g, a)) return -1; /* behind a sum the channels may be another operand's */
    struct value x = g->value[a], r = x, weights = { .dtype = x.dtype, .rank = x.rank };
    struct window w;
    int64_t c = x.dims[0][1], groups = chance(g, 25) ? c : 1, filters;
    if (groups == 1 && c % 2 == 0 && chance(g, 15)) groups = 2;
    filters = groups * between(g, 1, groups > 4 ? 2 : 8);
    if (!random_window(g, &x, false, &w, &r)) return -1;
    set_dim(g, &r, 1, filters);
    set_dim(g, &weights, 0, filters);
    set_dim(g, &weights, 1, c / groups);
    double n = (double)(c / groups);
    for (int i = 0; i < w.n; i++) set_dim(g, &weights, 2 + i, w.kernel[i]), n *= (double)w.kernel[i];
    if (most_count(g, &weights) > COUNT_MOST || most_count(g, &r) > COUNT_MOST) return -1;
    int b = leaf_of(g, &weights, -1, 1), bias = with_bias ? make_numbers(g, x.dtype, 1, &filters, -1, 1) : -1;
    if (!sum_of_products(&r, &x, &g->value[b], n, with_bias ? &g->value[bias] : NULL)) return -1;
    node_begin(g, "Conv");
    node_input(g, a);
    node_input(g, b);
    if (with_bias) node_input(g, bias);
    window_attributes(g, &w, true);
    if (groups != 1) attr_int(g, "group", groups);
    int id = node_output(g, r);
    node_end(g);
    return id;
}

static bool make_conv(struct maker *g)
{
    int a = pick_image(g, PRODUCTS);
    return a >= 0 && add_conv(g, a, chance(g, 60)) >= 0;
}

static bool make_conv_transpose(struct maker *g)
{
    int a = pick_image(g, TYPE(PLN_F32) | TYPE(PLN_F64));
    if (a < 0) return false;
    struct value x = g->value[a], r = x, weights = { .dtype = x.dtype, .rank = x.rank };
    int n = x.rank - 2;
    int64_t c = x.dims[0][1], groups = c % 2 == 0 && chance(g, 25) ? 2 : 1, filters = between(g, 1, 4), kernel[3], strides[3], pads[6], more[3], dilations[3];
    set_dim(g, &weights, 0, c);
    set_dim(g, &weights, 1, filters);
    set_dim(g, &r, 1, filters * groups);
    double terms = (double)(c / groups);
    for (int i = 0; i < n; i++) {
        kernel[i] = between(g, 1, 3), strides[i] = between(g, 1, 2), dilations[i] = chance(g, 20) ? 2 : 1, more[i] = strides[i] > 1 ? (int64_t)below(g, 2) : 0;
        int64_t span = (kernel[i] - 1) * dilations[i] + 1;
        pads[i] = between(g, 0, (span - 1) / 2), pads[i + n] = between(g, 0, (span - 1) / 2);
        set_dim(g, &weights, 2 + i, kernel[i]);
        terms *= (double)kernel[i];
        for (int run = 0; run < g->runs; run++) {
            r.dims[run][2 + i] = (x.dims[run][2 + i] - 1) * strides[i] + span + more[i] - pads[i] - pads[i + n];
            if (r.dims[run][2 + i] < 1) return false;
        }
    }
    bool with_bias = chance(g, 50);
    int64_t all = filters * groups;
    if (most_count(g, &weights) > COUNT_MOST || most_count(g, &r) > COUNT_MOST) return false;
    int b = leaf_of(g, &weights, -1, 1), bias = with_bias ? make_numbers(g, x.dtype, 1, &all, -1, 1) : -1;
    if (!sum_of_products(&r, &x, &g->value[b], terms, with_bias ? &g->value[bias] : NULL)) return false;
    node_begin(g, "ConvTranspose");
    node_input(g, a);
    node_input(g, b);
    if (with_bias) node_input(g, bias);
    attr_ints(g, "kernel_shape", kernel, n);
    attr_ints(g, "strides", strides, n);
    attr_ints(g, "dilations", dilations, n);
    attr_ints(g, "pads", pads, 2 * n);
    attr_ints(g, "output_padding", more, n);
    if (groups != 1) attr_int(g, "group", groups);
    node_output(g, r);
    node_end(g);
    return true;
}

static bool make_pool(struct maker *g)
{
    static const char *const ops[] = { "MaxPool", "AveragePool", "LpPool" };
    int kind = (int)below(g, 3), a = pick_image(g, kind == 0 ? TYPE(PLN_F32) | TYPE(PLN_F64) | TYPE(PLN_F16) | TYPE(PLN_I8) | TYPE(PLN_U8) : TYPE(PLN_F32) | TYPE(PLN_F64));
    if (a < 0) return false;
    struct value x = g->value[a], r = x;
    struct window w;
    double n = 1;
    if (!random_window(g, &x, true, &w, &r)) return false;
    bool dilations = kind == 0 || g->opset >= 19;
    for (int i = 0; i < w.n; i++) {
        if (!dilations && w.dilations[i] != 1) return false;
        n *= (double)w.kernel[i];
    }
    if (kind == 0 ? !make_rounded(&r, x.lo, x.hi, x.apart, 0, 0, x.grid) : !make_rounded(&r, fmin(0, x.lo * (kind == 2 ? n : 1)), magnitude(&x) * (kind == 2 ? n : 1), x.apart * (kind == 2 ? n : 1), n + 3, 0, NO_GRID)) return false;
    if (kind == 2) r.lo = 0;
    node_begin(g, ops[kind]);
    node_input(g, a);
    window_attributes(g, &w, dilations);
    if (kind == 1 && chance(g, 40)) attr_int(g, "count_include_pad", 1);
    if (kind == 2) attr_int(g, "p", between(g, 1, 2));
    node_output(g, r);
    node_end(g);
    return true;
}

static bool make_global_pool(struct maker *g)
{
    bool mean = chance(g, 60);
    int a = pick_image(g, TYPE(PLN_F32) | TYPE(PLN_F64) | TYPE(PLN_F16));
    if (a < 0) return false;
    struct value x = g->value[a], r = x;
    for (int d = 2; d < r.rank; d++) set_dim(g, &r, d, 1);
    if (!make_rounded(&r, x.lo, x.hi, x.apart, mean ? 256 : 0, 0, mean ? NO_GRID : x.grid)) return false;
    node_simple(g, mean ? "GlobalAveragePool" : "GlobalMaxPool", a, -1, -1, r);
    return true;
}

/* Gates are in (-1, 1): one step moves its outputs by at most 1/2 of what its sums are off, but h goes round. */
static bool make_rnn(struct maker *g)
{
    static const char *const ops[] = { "LSTM", "GRU", "RNN" };
    static const int gates[] = { 4, 3, 1 };
    int kind = (int)below(g, 3), a = pick(g, (struct want){ .types = TYPE(PLN_F32), .rank_least = 3, .rank_most = 3, .full = true, .magnitude = 4, .exact = true, .count_most = 512 });
    struct value x = g->value[a], r = { .dtype = PLN_F32, .rank = 4, .grid = NO_GRID };
    int64_t h = between(g, 1, 5), input = x.dims[0][2], directions = between(g, 1, 2), w_dims[3] = { directions, gates[kind] * h, input }, r_dims[3] = { directions, gates[kind] * h, h }, b_dims[2] = { directions, 2 * gates[kind] * h };
    for (int run = 0; run < g->runs; run++)
        if (x.dims[run][2] != input || x.dims[run][0] > 8) return false;
    int w = make_numbers(g, PLN_F32, 3, w_dims, -0.5, 0.5), hidden = make_numbers(g, PLN_F32, 3, r_dims, -0.125, 0.125), bias = chance(g, 60) ? make_numbers(g, PLN_F32, 2, b_dims, -0.5, 0.5) : -1;
    double steps = most_extent(g, &x, 0), sum = (double)input * magnitude(&x) / 2 + (double)h / 8 + 1;
    copy_dim(&r, 0, &x, 0);
    set_dim(g, &r, 1, directions);
    copy_dim(&r, 2, &x, 1);
    set_dim(g, &r, 3, h);
    /* c' = f c + i tanh(…): each step adds what its sums are off (three of them), and hands on at most (1 + h/8 gates) of before. */
    double carried = 0;
    for (int t = 0; t < (int)steps; t++) carried = carried * (1 + (double)h / 2) + 4 * 2 * 0x1p-24 * (sum * (double)(input + h + 4) + 8);
    double cell = kind == 0 ? steps : 1;
    if (!make_rounded(&r, -1, 1, carried * cell, 8, 0, NO_GRID)) return false;
    struct value last = r;
    last.rank = 3;
    set_dim(g, &last, 0, directions);
    copy_dim(&last, 1, &x, 1);
    set_dim(g, &last, 2, h);
    node_begin(g, ops[kind]);
    node_input(g, a);
    node_input(g, w);
    node_input(g, hidden);
    if (bias >= 0) node_input(g, bias);
    attr_int(g, "hidden_size", h);
    if (directions == 2) attr_string(g, "direction", "bidirectional");
    else if (chance(g, 30)) attr_string(g, "direction", "reverse");
    if (kind == 1 && chance(g, 50)) attr_int(g, "linear_before_reset", 1);
    node_output(g, r);
    if (chance(g, 60)) node_output(g, last);
    node_end(g);
    return true;
}

/* ONNX Attention with 4-D operands: q [b,h,s,d], k and v [b,kh,t,d]. */
static bool make_attention(struct maker *g)
{
    if (g->opset < 23) return false;
    int64_t b = between(g, 1, 2), kv = between(g, 1, 3), heads = kv * between(g, 1, 2), s = between(g, 1, 5), t = between(g, 1, 7), d = between(g, 1, 8), dv = chance(g, 70) ? d : between(g, 1, 8);
    int64_t q_dims[4] = { b, heads, s, d }, k_dims[4] = { b, kv, t, d }, v_dims[4] = { b, kv, t, dv }, m_dims[2] = { s, t };
    enum pln_dtype dtype = chance(g, 20) ? PLN_F16 : PLN_F32;
    int q = make_numbers(g, dtype, 4, q_dims, -2, 2), k = make_numbers(g, dtype, 4, k_dims, -2, 2), v = make_numbers(g, dtype, 4, v_dims, -2, 2);
    int mask = chance(g, 40) ? make_numbers(g, dtype, 2, m_dims, -2, 2) : -1;
    struct value r = { .dtype = dtype, .rank = 4 };
    set_dim(g, &r, 0, b), set_dim(g, &r, 1, heads), set_dim(g, &r, 2, s), set_dim(g, &r, 3, dv);
    double unit = type_unit(dtype), scores = 2 * (double)(d + 4) * 0x1p-24 * 4 * sqrt((double)d) + 6 * unit * (4 * sqrt((double)d) + 2);
    if (!make_rounded(&r, -2, 2, 2 * 2 * scores, (double)t + 12, 0, NO_GRID)) return false;
    node_begin(g, "Attention");
    node_input(g, q);
    node_input(g, k);
    node_input(g, v);
    if (mask >= 0) node_input(g, mask);
    if (mask < 0 && !g->wild && chance(g, 40)) attr_int(g, "is_causal", 1); /* values that are shut out may be looked at or not */
    node_output(g, r);
    node_end(g);
    return true;
}

static bool make_integer_product(struct maker *g)
{
    int64_t m = between(g, 1, 9), k = between(g, 1, 20), n = between(g, 1, 9), x_dims[2] = { m, k }, y_dims[2] = { k, n };
    enum pln_dtype xt = chance(g, 70) ? PLN_U8 : PLN_I8, yt = chance(g, 50) ? PLN_U8 : PLN_I8;
    int x = make_numbers(g, xt, 2, x_dims, xt == PLN_I8 ? -128 : 0, xt == PLN_I8 ? 127 : 255), y = make_numbers(g, yt, 2, y_dims, yt == PLN_I8 ? -128 : 0, yt == PLN_I8 ? 127 : 255);
    bool zeros = chance(g, 60);
    int xz = zeros ? make_scalar(g, xt, (double)between(g, 0, 20), true) : -1, yz = zeros ? make_scalar(g, yt, (double)between(g, 0, 20), true) : -1;
    struct value r = { .dtype = PLN_I32, .rank = 2, .lo = -3e6, .hi = 3e6, .grid = 0 };
    set_dim(g, &r, 0, m);
    set_dim(g, &r, 1, n);
    node_begin(g, "MatMulInteger");
    node_input(g, x);
    node_input(g, y);
    if (zeros) node_input(g, xz), node_input(g, yz);
    node_output(g, r);
    node_end(g);
    return true;
}

const struct op_maker nn_makers[] = {
    { "matmul", make_matmul, 9 },           { "gemm", make_gemm, 5 },           { "einsum", make_einsum, 3 },
    { "conv", make_conv, 7 },               { "conv_transpose", make_conv_transpose, 2 }, { "pool", make_pool, 3 },
    { "global_pool", make_global_pool, 1 }, { "rnn", make_rnn, 2 },             { "attention", make_attention, 2 },
    { "integer_product", make_integer_product, 1 }, { NULL, NULL, 0 },
};
