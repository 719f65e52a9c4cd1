/* Operators that move elements: bounds and errors stay. */
#include "make.h"

static const struct want anything = { .types = PLAIN, .magnitude = 1e9 };

/* Moves elements without a change of what is known of them. */
static struct value moved(const struct value *v)
{
    struct value r = *v;
    r.fixed = false;
    return r;
}

static int pick_moving(struct maker *g, int rank_least, bool closed)
{
    struct want want = anything;
    want.rank_least = rank_least;
    want.closed = closed;
    want.magnitude = 1e6;
    return pick(g, want);
}

static bool make_transpose(struct maker *g)
{
    int a = pick_moving(g, 1, false);
    struct value v = g->value[a], r = moved(&v);
    int64_t perm[CASE_RANK];
    bool reversed = chance(g, 15), last_two = !reversed && v.rank > 1 && chance(g, 40);
    for (int d = 0; d < v.rank; d++) perm[d] = reversed ? v.rank - 1 - d : d;
    if (last_two) perm[v.rank - 1] = v.rank - 2, perm[v.rank - 2] = v.rank - 1;
    for (int d = 0; !reversed && !last_two && d < v.rank; d++) {
        int e = (int)below(g, (uint32_t)v.rank);
        int64_t swap = perm[d];
        perm[d] = perm[e], perm[e] = swap;
    }
    for (int d = 0; d < v.rank; d++) copy_dim(&r, d, &v, (int)perm[d]);
    node_begin(g, "Transpose");
    node_input(g, a);
    if (!reversed || chance(g, 50)) attr_ints(g, "perm", perm, v.rank);
    node_output(g, r);
    node_end(g);
    return true;
}

/* Neighbours merged, extents split, ones added: what holds in every run. */
static void reshaped(struct maker *g, const struct value *v, struct value *r)
{
    struct value now = *v;
    for (int turn = 0; turn < 3; turn++) {
        struct value next = now;
        int d = now.rank ? (int)below(g, (uint32_t)now.rank) : 0;
        if (chance(g, 45) && d + 1 < now.rank) {
            next.rank--;
            for (int run = 0; run < g->runs; run++) next.dims[run][d] = now.dims[run][d] * now.dims[run][d + 1];
            for (int e = d + 1; e < next.rank; e++) copy_dim(&next, e, &now, e + 1);
        } else if (now.rank < 5) {
            int64_t by = chance(g, 70) ? between(g, 2, 4) : 1;
            for (int run = 0; run < g->runs; run++)
                if (now.rank == 0 || now.dims[run][d] % by || now.dims[run][d] == 0) by = 1;
            next.rank++;
            for (int e = now.rank; e > d; e--) copy_dim(&next, e, &now, e - 1);
            set_dim(g, &next, d, by);
            for (int run = 0; run < g->runs && d + 1 < next.rank; run++) next.dims[run][d + 1] /= by;
        }
        now = next;
    }
    r->rank = now.rank;
    memcpy(r->dims, now.dims, sizeof r->dims);
}

static bool make_reshape(struct maker *g)
{
    int a = pick_moving(g, 0, true);
    struct value v = g->value[a], r = moved(&v);
    int64_t to[CASE_RUNS][CASE_RANK];
    reshaped(g, &v, &r);
    bool full = is_full(g, &v), same = true, zero_is_zero = !full;
    if (zero_is_zero && g->opset < 14) return false;
    int inferred = full && r.rank && chance(g, 55) ? (int)below(g, (uint32_t)r.rank) : -1, differing = 0;
    for (int d = 0; d < r.rank; d++) {
        same = true;
        for (int run = 1; run < g->runs; run++) same = same && r.dims[run][d] == r.dims[0][d];
        bool copied = full && d < v.rank && same_dim(g, &r, d, &v, d) && (!same || chance(g, 25));
        if (!same && !copied && differing++ == 0 && full) inferred = d; /* so that the shape is a constant */
        for (int run = 0; run < g->runs; run++) to[run][d] = copied && inferred != d ? 0 : r.dims[run][d];
    }
    for (int run = 0; run < g->runs && inferred >= 0; run++) to[run][inferred] = -1;
    int b = make_ints_runs(g, to, r.rank);
    node_begin(g, "Reshape");
    node_input(g, a);
    node_input(g, b);
    if (zero_is_zero) attr_int(g, "allowzero", 1);
    node_output(g, r);
    node_end(g);
    return true;
}

static bool make_flatten(struct maker *g)
{
    int a = pick_moving(g, 0, true);
    struct value v = g->value[a], r = moved(&v);
    int axis = (int)below(g, (uint32_t)v.rank + 1);
    r.rank = 2;
    for (int run = 0; run < g->runs; run++) {
        r.dims[run][0] = r.dims[run][1] = 1;
        for (int d = 0; d < v.rank; d++) r.dims[run][d >= axis] *= v.dims[run][d];
    }
    r.open[0] = r.open[1] = false;
    node_begin(g, "Flatten");
    node_input(g, a);
    attr_int(g, "axis", axis);
    node_output(g, r);
    node_end(g);
    return true;
}

static bool make_squeeze(struct maker *g)
{
    int a = pick_moving(g, 1, false), count = 0;
    struct value v = g->value[a], r = moved(&v);
    int64_t axes[CASE_RANK];
    r.rank = 0;
    for (int d = 0; d < v.rank; d++) {
        bool one = !v.open[d];
        for (int run = 0; run < g->runs; run++) one = one && v.dims[run][d] == 1;
        if (one && chance(g, 60)) axes[count++] = chance(g, 30) ? d - v.rank : d;
        else copy_dim(&r, r.rank++, &v, d);
    }
    if (count == 0) return false;
    int b = make_ints(g, axes, count);
    node_simple(g, "Squeeze", a, b, -1, r);
    return true;
}

static bool make_unsqueeze(struct maker *g)
{
    int a = pick_moving(g, 0, false), count = 0, from = 0;
    struct value v = g->value[a], r = moved(&v);
    int64_t axes[CASE_RANK];
    int more = (int)between(g, 1, 2);
    if (v.rank + more > 6) return false;
    r.rank = v.rank + more;
    for (int d = 0; d < r.rank; d++) {
        bool one = count < more && (r.rank - d == more - count || chance(g, 40));
        if (one) axes[count++] = chance(g, 30) ? d - r.rank : d, set_dim(g, &r, d, 1);
        else copy_dim(&r, d, &v, from++);
    }
    int b = make_ints(g, axes, count);
    node_simple(g, "Unsqueeze", a, b, -1, r);
    return true;
}

static bool make_concat(struct maker *g)
{
    int ids[4], count = (int)between(g, 1, 3);
    ids[0] = pick_moving(g, 1, false);
    struct value v = g->value[ids[0]], r = moved(&v);
    int axis = (int)below(g, (uint32_t)v.rank);
    for (int i = 1; i < count; i++) {
        ids[i] = -1;
        for (int tries = 0; tries < 4 && ids[i] < 0; tries++) {
            int b = pick_old(g, (struct want){ .types = TYPE(v.dtype), .rank_least = v.rank, .rank_most = v.rank, .magnitude = 1e6 });
            bool fit = b >= 0;
            for (int d = 0; fit && d < v.rank; d++) fit = d == axis || same_dim(g, &v, d, &g->value[b], d);
            if (fit) ids[i] = b;
        }
        if (ids[i] < 0) {
            struct value shape = v;
            for (int d = 0; d < v.rank; d++)
                if (v.open[d] && d != axis) return false;
            set_dim(g, &shape, axis, between(g, 0, 3));
            const struct block *root = g->block;
            while (root->outer) root = root->outer;
            if (!root->inputs_allowed && varies(g, &shape)) return false;
            ids[i] = make_like(g, v.dtype, &shape);
        }
        make_union(&r, &r, &g->value[ids[i]]);
        for (int run = 0; run < g->runs; run++) r.dims[run][axis] += g->value[ids[i]].dims[run][axis];
        r.open[axis] = r.open[axis] || g->value[ids[i]].open[axis];
    }
    if (most_count(g, &r) > COUNT_MOST) return false;
    node_begin(g, "Concat");
    for (int i = 0; i < count; i++) node_input(g, ids[i]);
    attr_int(g, "axis", chance(g, 50) ? axis : axis - v.rank);
    node_output(g, r);
    node_end(g);
    return true;
}

static bool make_split(struct maker *g)
{
    int a = pick_moving(g, 1, true);
    struct value v = g->value[a];
    int axis = (int)below(g, (uint32_t)v.rank), count = (int)between(g, 1, 3);
    int64_t parts[4], left = v.dims[0][axis];
    for (int run = 1; run < g->runs; run++)
        if (v.dims[run][axis] != left) return false;
    bool even = left % count == 0 && left > 0 && chance(g, 50);
    for (int i = 0; i < count; i++) parts[i] = even ? v.dims[0][axis] / count : i == count - 1 ? left : between(g, 0, left), left -= parts[i];
    bool as_count = even && g->opset >= 18;
    int b = even ? -1 : make_ints(g, parts, count);
    node_begin(g, "Split");
    node_input(g, a);
    if (b >= 0) node_input(g, b);
    attr_int(g, "axis", axis);
    if (as_count) attr_int(g, "num_outputs", count);
    for (int i = 0; i < count; i++) {
        struct value r = moved(&v);
        set_dim(g, &r, axis, parts[i]);
        node_output(g, r);
    }
    node_end(g);
    return true;
}

static bool make_slice(struct maker *g)
{
    int a = pick_moving(g, 1, false), count = 0;
    struct value v = g->value[a], r = moved(&v);
    int64_t starts[CASE_RANK], ends[CASE_RANK], axes[CASE_RANK], steps[CASE_RANK];
    for (int d = 0; d < v.rank; d++) {
        if (v.open[d] || !chance(g, 50)) continue;
        int64_t step = chance(g, 70) ? 1 : chance(g, 50) ? 2 : chance(g, 60) ? -1 : -2, start = between(g, -3, 2), end = chance(g, 40) ? INT32_MAX : between(g, -1, 8);
        if (step < 0) start = chance(g, 60) ? INT32_MAX : between(g, -2, 5), end = chance(g, 60) ? INT64_MIN + 1 : between(g, -4, 1);
        for (int run = 0; run < g->runs; run++) { /* as ONNX says: negative ones count from the end, then they are clamped */
            int64_t n = v.dims[run][d], s = start < 0 ? start + n : start, e = end < 0 ? (end < -n - 1 ? -1 : end + n) : end;
            int64_t lo = step < 0 ? -1 : 0, hi = step < 0 ? n - 1 : n;
            s = s < (step < 0 ? 0 : lo) ? (step < 0 ? 0 : lo) : s > hi ? hi : s;
            e = e < lo ? lo : e > n ? n : e;
            int64_t length = step > 0 ? (e - s + step - 1) / step : (s - e - step - 1) / -step;
            r.dims[run][d] = length < 0 || n == 0 ? 0 : length;
        }
        starts[count] = start, ends[count] = end, axes[count] = chance(g, 30) ? d - v.rank : d, steps[count++] = step;
    }
    if (count == 0) return false;
    int ids[4] = { make_ints(g, starts, count), make_ints(g, ends, count), make_ints(g, axes, count), make_ints(g, steps, count) };
    node_begin(g, "Slice");
    node_input(g, a);
    for (int i = 0; i < 4; i++) node_input(g, ids[i]);
    node_output(g, r);
    node_end(g);
    return true;
}

static bool make_pad(struct maker *g)
{
    static const char *const modes[] = { "constant", "constant", "constant", "reflect", "edge", "wrap" };
    int kind = (int)below(g, g->opset >= 19 ? 6 : 5);
    int a = pick(g, (struct want){ .types = TYPE(PLN_F32) | TYPE(PLN_F64) | TYPE(PLN_I32) | TYPE(PLN_I64) | (kind < 3 ? TYPE(PLN_I8) | TYPE(PLN_U8) : 0), .rank_least = 1, .rank_most = 4, .closed = true, .full = kind > 2 });
    struct value v = g->value[a], r = moved(&v);
    int64_t pads[CASE_RANK * 2];
    if (v.rank > 4) return false;
    for (int d = 0; d < v.rank; d++) {
        int64_t least = v.dims[0][d];
        for (int run = 1; run < g->runs; run++) least = v.dims[run][d] < least ? v.dims[run][d] : least;
        for (int side = 0; side < 2; side++) {
            int64_t most = kind < 3 ? 2 : kind == 3 ? (least > 1 ? 1 : 0) : 1;
            pads[d + side * v.rank] = chance(g, 50) ? 0 : between(g, kind == 0 && least > 3 ? -1 : 0, most);
            for (int run = 0; run < g->runs; run++) r.dims[run][d] += pads[d + side * v.rank];
        }
    }
    if (most_count(g, &r) > COUNT_MOST) return false;
    int b = make_ints(g, pads, 2 * v.rank);
    double fill = is_float(v.dtype) ? (double)between(g, -4, 4) / 2 : (double)between(g, 0, 3);
    int c = kind < 3 && chance(g, 50) ? make_scalar(g, v.dtype, fill, chance(g, 80)) : -1;
    r.distinct = false;
    if (kind < 3) {
        struct value filled = { .dtype = v.dtype, .lo = fmin(0, fill), .hi = fmax(0, fill), .grid = 1 };
        make_union(&r, &v, &filled);
    }
    node_begin(g, "Pad");
    node_input(g, a);
    node_input(g, b);
    if (c >= 0) node_input(g, c);
    if (kind > 0) attr_string(g, "mode", modes[kind]);
    node_output(g, r);
    node_end(g);
    return true;
}

static bool make_tile(struct maker *g)
{
    int a = pick(g, (struct want){ .types = PLAIN & ~TYPE(PLN_BF16), .rank_least = 1, .closed = true, .count_most = 256 });
    struct value v = g->value[a], r = moved(&v);
    int64_t repeats[CASE_RANK];
    for (int d = 0; d < v.rank; d++) {
        repeats[d] = chance(g, 5) ? 0 : chance(g, 50) ? 1 : between(g, 2, 3);
        for (int run = 0; run < g->runs; run++) r.dims[run][d] *= repeats[d];
    }
    if (most_count(g, &r) > COUNT_MOST) return false;
    r.distinct = false;
    int b = make_ints(g, repeats, v.rank);
    node_simple(g, "Tile", a, b, -1, r);
    return true;
}

static bool make_depth(struct maker *g)
{
    int a = pick(g, (struct want){ .types = TYPE(PLN_F32) | TYPE(PLN_F64), .rank_least = 4, .rank_most = 4, .closed = true });
    struct value v = g->value[a], r = moved(&v);
    bool to_space = chance(g, 50);
    for (int run = 0; run < g->runs; run++) {
        if (to_space ? v.dims[run][1] % 4 : v.dims[run][2] % 2 || v.dims[run][3] % 2) return false;
        r.dims[run][1] = to_space ? v.dims[run][1] / 4 : v.dims[run][1] * 4;
        for (int d = 2; d < 4; d++) r.dims[run][d] = to_space ? v.dims[run][d] * 2 : v.dims[run][d] / 2;
    }
    node_begin(g, to_space ? "DepthToSpace" : "SpaceToDepth");
    node_input(g, a);
    attr_int(g, "blocksize", 2);
    if (to_space && chance(g, 50)) attr_string(g, "mode", "CRD");
    node_output(g, r);
    node_end(g);
    return true;
}

static bool make_trilu(struct maker *g)
{
    if (g->opset < 14) return false;
    int a = pick(g, (struct want){ .types = TYPE(PLN_F32) | TYPE(PLN_F64) | TYPE(PLN_I64) | TYPE(PLN_BOOL), .rank_least = 2, .closed = true });
    struct value v = g->value[a], r = moved(&v);
    int k = chance(g, 50) ? make_scalar(g, PLN_I64, (double)between(g, -3, 3), chance(g, 80)) : -1;
    r.lo = fmin(0, r.lo), r.hi = fmax(0, r.hi), r.distinct = false;
    node_begin(g, "Trilu");
    node_input(g, a);
    if (k >= 0) node_input(g, k);
    if (chance(g, 50)) attr_int(g, "upper", 0);
    node_output(g, r);
    node_end(g);
    return true;
}

/* Nearest alone picks elements; linear weighs neighbours. Scales are 2 or 1/2, so that no position is in between by rounding. */
static bool make_resize(struct maker *g)
{
    int a = pick(g, (struct want){ .types = TYPE(PLN_F32), .rank_least = 3, .rank_most = 4, .full = true, .count_most = 1024 });
    struct value v = g->value[a], r = moved(&v);
    bool linear = chance(g, 40), cubic = !linear && v.rank == 4 && chance(g, 20);
    double scales[CASE_RANK];
    int64_t rank = v.rank;
    for (int d = 0; d < v.rank; d++) {
        scales[d] = d < 2 || chance(g, 20) ? 1 : chance(g, 70) ? 2 : 0.5;
        for (int run = 0; run < g->runs; run++) r.dims[run][d] = (int64_t)((double)v.dims[run][d] * scales[d]);
    }
    if (!is_full(g, &r) || most_count(g, &r) > COUNT_MOST) return false;
    double most = magnitude(&v) * (cubic ? 2.25 : 1);
    if ((linear || cubic) && !make_rounded(&r, cubic ? -most : v.lo, cubic ? most : v.hi, v.apart * (cubic ? 2.25 : 1), cubic ? 32 : 12, most, NO_GRID)) return false;
    static const char *const where[] = { "half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel" };
    const char *positions = where[below(g, linear || cubic ? 2 : 2)];
    r.distinct = false;
    int s = make_data(g, PLN_F32, 1, &rank, scales, chance(g, 90));
    node_begin(g, "Resize");
    node_input(g, a);
    node_input(g, -1);
    node_input(g, s);
    attr_string(g, "mode", linear ? "linear" : cubic ? "cubic" : "nearest");
    attr_string(g, "coordinate_transformation_mode", positions);
    if (!linear && !cubic) attr_string(g, "nearest_mode", chance(g, 50) ? "floor" : "round_prefer_floor");
    node_output(g, r);
    node_end(g);
    return true;
}

const struct op_maker move_makers[] = {
    { "transpose", make_transpose, 6 }, { "reshape", make_reshape, 6 }, { "flatten", make_flatten, 1 }, { "squeeze", make_squeeze, 3 }, { "unsqueeze", make_unsqueeze, 3 },
    { "concat", make_concat, 4 },       { "split", make_split, 3 },     { "slice", make_slice, 4 },     { "pad", make_pad, 3 },         { "tile", make_tile, 2 },
    { "depth", make_depth, 1 },         { "trilu", make_trilu, 1 },     { "resize", make_resize, 2 },   { NULL, NULL, 0 },
};
