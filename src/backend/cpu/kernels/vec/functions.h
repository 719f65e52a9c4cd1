/* The functions of one ISA, for inclusion by functions_<isa>.c: all of them static, gathered in the table
 * that VEC_ISA names. */
#include "backend/cpu/kernels/vec/vec.h"
#include "backend/cpu/kernels/vec/vec_math.h"
#include "kernel/rowprog.h"

#define FUNCTION1(name, expression)                                              \
    static inline vf name##_of(vf x, vf alpha, vf beta)                          \
    {                                                                            \
        (void)alpha;                                                             \
        (void)beta;                                                              \
        return expression;                                                       \
    }                                                                            \
    static void ew_##name(const struct pln_vec_args *args)                       \
    {                                                                            \
        const float *s0 = args->src[0];                                          \
        size_t d0 = args->step[0] * VF_LANES;                                    \
        vf alpha = vf_set(args->alpha), beta = vf_set(args->beta);               \
        float *dst = args->dst;                                                  \
        int64_t n = args->n;                                                     \
        for (; n >= VF_LANES; n -= VF_LANES, dst += VF_LANES, s0 += d0)          \
            vf_store(dst, name##_of(vf_load(s0), alpha, beta));                  \
        if (n > 0) vf_store_n(dst, name##_of(vf_load_n(s0, n), alpha, beta), n); \
    }

/* The whole vectors of rows, one after the other: a tile's rows have one to three, too few for functions that take four. */
struct rows_walk {
    float *row, *at;
    int64_t step, n, left; /* vectors of a row; of this one */
};

static inline struct rows_walk walk_rows(const struct pln_vec_rows *args)
{
    const int64_t n = args->cols / VF_LANES;
    return (struct rows_walk){ .row = args->c, .at = args->c, .step = args->c_row, .n = n, .left = n };
}

static inline float *next_vector(struct rows_walk *walk)
{
    float *at = walk->at;
    walk->at += VF_LANES;
    if (--walk->left == 0) {
        walk->row += walk->step;
        walk->at = walk->row;
        walk->left = walk->n;
    }
    return at;
}

/* The same, over runs and rows, for a function that takes vectors in step. */
#define FUNCTION_MANY(name, function)                                                                     \
    static void run_##name(const float *from, size_t step, float *to, int64_t n)                          \
    {                                                                                                     \
        const size_t d = step * VF_LANES;                                                                 \
        for (; n >= 4 * VF_LANES; n -= 4 * VF_LANES, from += 4 * d, to += 4 * VF_LANES) {                 \
            vf x[4] = { vf_load(from), vf_load(from + d), vf_load(from + 2 * d), vf_load(from + 3 * d) }; \
            function(4, x);                                                                               \
            for (int i = 0; i < 4; i++) vf_store(to + i * VF_LANES, x[i]);                                \
        }                                                                                                 \
        for (; n >= 2 * VF_LANES; n -= 2 * VF_LANES, from += 2 * d, to += 2 * VF_LANES) {                 \
            vf x[2] = { vf_load(from), vf_load(from + d) };                                               \
            function(2, x);                                                                               \
            for (int i = 0; i < 2; i++) vf_store(to + i * VF_LANES, x[i]);                                \
        }                                                                                                 \
        for (; n > 0; n -= VF_LANES, from += d, to += VF_LANES) {                                         \
            const int64_t lanes = PLN_MIN(n, (int64_t)VF_LANES);                                          \
            vf x = vf_load_n(from, lanes);                                                                \
            function(1, &x);                                                                              \
            vf_store_n(to, x, lanes);                                                                     \
        }                                                                                                 \
    }                                                                                                     \
    static void ew_##name(const struct pln_vec_args *args)                                                \
    {                                                                                                     \
        run_##name(args->src[0], args->step[0], args->dst, args->n);                                      \
    }                                                                                                     \
    static inline void rows_##name(const struct pln_vec_rows *args)                                       \
    {                                                                                                     \
        struct rows_walk walk = walk_rows(args);                                                          \
        const int64_t whole = walk.n * VF_LANES;                                                          \
        int64_t n = args->rows * walk.n;                                                                  \
        for (; n >= 4; n -= 4) {                                                                          \
            float *const to[4] = { next_vector(&walk), next_vector(&walk), next_vector(&walk), next_vector(&walk) }; \
            vf x[4] = { vf_load(to[0]), vf_load(to[1]), vf_load(to[2]), vf_load(to[3]) };                 \
            function(4, x);                                                                               \
            for (int i = 0; i < 4; i++) vf_store(to[i], x[i]);                                            \
        }                                                                                                 \
        for (; n > 0; n--) {                                                                              \
            float *to = next_vector(&walk);                                                               \
            run_##name(to, 1, to, VF_LANES);                                                              \
        }                                                                                                 \
        for (int64_t i = 0; whole < args->cols && i < args->rows; i++) {                                  \
            float *to = args->c + i * args->c_row + whole;                                                \
            run_##name(to, 1, to, args->cols - whole);                                                    \
        }                                                                                                 \
    }

/* The same over rows, for a function of FUNCTION1. */
#define ROWS_OF(name)                                                                              \
    static void rows_##name(const struct pln_vec_rows *args)                                       \
    {                                                                                              \
        vf alpha = vf_set(args->alpha), beta = vf_set(args->beta);                                 \
        for (int64_t i = 0; i < args->rows; i++) {                                                 \
            float *c = args->c + i * args->c_row;                                                  \
            int64_t n = args->cols;                                                                \
            for (; n >= VF_LANES; n -= VF_LANES, c += VF_LANES)                                    \
                vf_store(c, name##_of(vf_load(c), alpha, beta));                                   \
            if (n > 0) vf_store_n(c, name##_of(vf_load_n(c, n), alpha, beta), n);                  \
        }                                                                                          \
    }

#define FUNCTION2(name, expression)                                                   \
    static inline vf name##_of(vf x, vf y)                                            \
    {                                                                                 \
        return expression;                                                            \
    }                                                                                 \
    static void ew_##name(const struct pln_vec_args *args)                            \
    {                                                                                 \
        const float *s0 = args->src[0], *s1 = args->src[1];                           \
        size_t d0 = args->step[0] * VF_LANES, d1 = args->step[1] * VF_LANES;          \
        float *dst = args->dst;                                                       \
        int64_t n = args->n;                                                          \
        for (; n >= VF_LANES; n -= VF_LANES, dst += VF_LANES, s0 += d0, s1 += d1)     \
            vf_store(dst, name##_of(vf_load(s0), vf_load(s1)));                       \
        if (n > 0) vf_store_n(dst, name##_of(vf_load_n(s0, n), vf_load_n(s1, n)), n); \
    }

#define FUNCTION3(name, expression)                                                                         \
    static inline vf name##_of(vf x, vf y, vf z)                                                            \
    {                                                                                                       \
        return expression;                                                                                  \
    }                                                                                                       \
    static void ew_##name(const struct pln_vec_args *args)                                                  \
    {                                                                                                       \
        const float *s0 = args->src[0], *s1 = args->src[1], *s2 = args->src[2];                             \
        size_t d0 = args->step[0] * VF_LANES, d1 = args->step[1] * VF_LANES, d2 = args->step[2] * VF_LANES; \
        float *dst = args->dst;                                                                             \
        int64_t n = args->n;                                                                                \
        for (; n >= VF_LANES; n -= VF_LANES, dst += VF_LANES, s0 += d0, s1 += d1, s2 += d2)                 \
            vf_store(dst, name##_of(vf_load(s0), vf_load(s1), vf_load(s2)));                                \
        if (n > 0) vf_store_n(dst, name##_of(vf_load_n(s0, n), vf_load_n(s1, n), vf_load_n(s2, n)), n);     \
    }

#define ZERO vf_set(0.0f)
#define ONE  vf_set(1.0f)

static inline vf truth(vm mask)
{
    return vf_select(mask, ONE, ZERO);
}

static inline vm is_true(vf x)
{
    return vm_not(vf_eq(x, ZERO));
}

static inline vm is_nan(vf x)
{
    return vm_not(vf_eq(x, x));
}

/* NaN stays: the bounds compare false with it. */
static inline vf clip_to(vf x, vf low, vf high)
{
    vf y = vf_select(vf_lt(x, low), low, x);
    return vf_select(vf_lt(high, y), high, y);
}

static inline vf elu_of_alpha(vf x, vf alpha)
{
    return vf_select(vf_lt(ZERO, x), x, alpha * vf_expm1(vf_min(ZERO, x)));
}

static inline vf sign_of_value(vf x)
{
    vf y = vf_select(vf_lt(ZERO, x), ONE, vf_select(vf_lt(x, ZERO), vf_set(-1.0f), ZERO));
    return vf_select(is_nan(x), x, y);
}

static inline vf is_infinite(vf x, vf negative, vf positive)
{
    vm below = vm_and(vf_eq(x, vf_set(-INFINITY)), is_true(negative));
    vm above = vm_and(vf_eq(x, vf_set(INFINITY)), is_true(positive));
    return truth(vm_or(below, above));
}

FUNCTION1(abs, vf_abs(x))
FUNCTION1(ceil, vf_neg(vf_floor(vf_neg(x))))
FUNCTION1(celu, vf_select(vf_lt(ZERO, x), x, alpha *vf_expm1(vf_min(ZERO, x) / alpha)))
FUNCTION1(elu, elu_of_alpha(x, alpha))
FUNCTION_MANY(erf, vf_erf_many)
FUNCTION_MANY(exp, vf_exp_many)
FUNCTION1(floor, vf_floor(x))
FUNCTION_MANY(gelu, vf_gelu_many)
FUNCTION1(gelu_tanh, vf_gelu_tanh(x))
FUNCTION1(hard_sigmoid, clip_to(vf_fma(alpha, x, beta), ZERO, ONE))
FUNCTION1(hard_swish, x *clip_to(vf_fma(x, vf_set(1.0f / 6.0f), vf_set(0.5f)), ZERO, ONE))
FUNCTION1(identity, x)
FUNCTION1(isinf, is_infinite(x, alpha, beta))
FUNCTION1(isnan, truth(is_nan(x)))
FUNCTION1(leaky_relu, vf_select(vf_lt(x, ZERO), alpha *x, x))
FUNCTION1(log, vf_log(x))
FUNCTION1(mish, vf_mish(x))
FUNCTION1(neg, vf_neg(x))
FUNCTION1(not, truth(vf_eq(x, ZERO)))
FUNCTION1(reciprocal, ONE / x)
FUNCTION1(relu, vf_select(vf_lt(x, ZERO), ZERO, x))
FUNCTION1(round, vf_round(x))
FUNCTION1(rsqrt, ONE / vf_sqrt(x))
FUNCTION1(selu, beta *elu_of_alpha(x, alpha))
FUNCTION1(shrink, vf_select(vf_lt(x, vf_neg(alpha)), x + beta, vf_select(vf_lt(alpha, x), x - beta, ZERO)))
FUNCTION_MANY(sigmoid, vf_sigmoid_many)
FUNCTION1(sign, sign_of_value(x))
FUNCTION1(softplus, vf_softplus(x))
FUNCTION1(softsign, x / (ONE + vf_abs(x)))
FUNCTION1(sqrt, vf_sqrt(x))
FUNCTION_MANY(tanh, vf_tanh_many)
FUNCTION1(thresholded_relu, vf_select(vf_lt(alpha, x), x, ZERO))

ROWS_OF(elu)
ROWS_OF(gelu_tanh)
ROWS_OF(hard_sigmoid)
ROWS_OF(hard_swish)
ROWS_OF(leaky_relu)
ROWS_OF(mish)
ROWS_OF(softplus)

/* Vectors at a, b, c and d. */
static inline void swish_four(float *a, float *b, float *c, float *d, vf alpha)
{
    const vf x[4] = { vf_load(a), vf_load(b), vf_load(c), vf_load(d) };
    vf z[4] = { alpha * x[0], alpha * x[1], alpha * x[2], alpha * x[3] }, y[4];
    vf_swish_many(4, x, z, y);
    vf_store(a, y[0]);
    vf_store(b, y[1]);
    vf_store(c, y[2]);
    vf_store(d, y[3]);
}

static inline void swish_two(float *a, float *b, vf alpha)
{
    const vf x[2] = { vf_load(a), vf_load(b) };
    vf z[2] = { alpha * x[0], alpha * x[1] }, y[2];
    vf_swish_many(2, x, z, y);
    vf_store(a, y[0]);
    vf_store(b, y[1]);
}

static void swish_run(float *x, vf alpha, int64_t n)
{
    for (; n >= 4 * VF_LANES; n -= 4 * VF_LANES, x += 4 * VF_LANES) swish_four(x, x + VF_LANES, x + 2 * VF_LANES, x + 3 * VF_LANES, alpha);
    for (; n >= 2 * VF_LANES; n -= 2 * VF_LANES, x += 2 * VF_LANES) swish_two(x, x + VF_LANES, alpha);
    for (; n >= VF_LANES; n -= VF_LANES, x += VF_LANES) vf_store(x, vf_swish(vf_load(x), alpha * vf_load(x)));
    if (n > 0) vf_store_n(x, vf_swish(vf_load_n(x, n), alpha * vf_load_n(x, n)), n);
}

static void ew_swish(const struct pln_vec_args *args)
{
    const vf alpha = vf_set(args->alpha);
    const float *from = args->src[0];
    float *to = args->dst;
    int64_t n = args->n;
    if (args->step[0] == 0) {
        for (int64_t i = 0; i < n; i++) to[i] = from[0];
    } else if (to != from) {
        memmove(to, from, (size_t)n * sizeof *to);
    }
    swish_run(to, alpha, n);
}

static void rows_swish(const struct pln_vec_rows *args)
{
    const vf alpha = vf_set(args->alpha);
    struct rows_walk walk = walk_rows(args);
    const int64_t whole = walk.n * VF_LANES;
    int64_t n = args->rows * walk.n;
    for (; n >= 4; n -= 4) {
        float *const to[4] = { next_vector(&walk), next_vector(&walk), next_vector(&walk), next_vector(&walk) };
        swish_four(to[0], to[1], to[2], to[3], alpha);
    }
    for (; n >= 2; n -= 2) {
        float *const to[2] = { next_vector(&walk), next_vector(&walk) };
        swish_two(to[0], to[1], alpha);
    }
    for (; n > 0; n--) swish_run(next_vector(&walk), alpha, VF_LANES);
    for (int64_t i = 0; whole < args->cols && i < args->rows; i++) swish_run(args->c + i * args->c_row + whole, alpha, args->cols - whole);
}

FUNCTION2(add, x + y)
FUNCTION2(and, truth(vm_and(is_true(x), is_true(y))))
FUNCTION2(div, x / y)
FUNCTION2(equal, truth(vf_eq(x, y)))
FUNCTION2(greater, truth(vf_lt(y, x)))
FUNCTION2(greater_equal, truth(vf_le(y, x)))
FUNCTION2(less, truth(vf_lt(x, y)))
FUNCTION2(less_equal, truth(vf_le(x, y)))
FUNCTION2(max, vf_select(vm_or(is_nan(x), vf_lt(y, x)), x, y))
FUNCTION2(min, vf_select(vm_or(is_nan(x), vf_lt(x, y)), x, y))
FUNCTION2(mul, x *y)
FUNCTION2(or, truth(vm_or(is_true(x), is_true(y))))
FUNCTION2(prelu, vf_select(vf_lt(x, ZERO), x *y, x))
FUNCTION2(sub, x - y)
FUNCTION2(xor, truth(vf_eq(truth(is_true(x)), truth(vf_eq(y, ZERO)))))

FUNCTION3(clip, clip_to(x, y, z))
FUNCTION3(where, vf_select(is_true(x), y, z))

/* What is rare in hot places goes through the reference's own function. */
#define FUNCTION_F64(NAME, name, inputs)                                                       \
    static void ew_##name(const struct pln_vec_args *args)                                     \
    {                                                                                          \
        for (int64_t i = 0; i < args->n; i++) {                                                \
            size_t at = (size_t)i;                                                             \
            double x = (double)args->src[0][at * args->step[0]];                               \
            double y = inputs > 1 ? (double)args->src[1][at * args->step[1]] : 0;              \
            args->dst[i] = (float)pln_ew_f64(PLN_EW_##NAME, x, y, 0, args->alpha, args->beta); \
        }                                                                                      \
    }
FUNCTION_F64(ACOS, acos, 1)
FUNCTION_F64(ACOSH, acosh, 1)
FUNCTION_F64(ASIN, asin, 1)
FUNCTION_F64(ASINH, asinh, 1)
FUNCTION_F64(ATAN, atan, 1)
FUNCTION_F64(ATANH, atanh, 1)
FUNCTION_F64(COSH, cosh, 1)
FUNCTION_F64(FMOD, fmod, 2)
FUNCTION_F64(MOD, mod, 2)
FUNCTION_F64(POW, pow_any, 2)
FUNCTION_F64(SINH, sinh, 1)
FUNCTION_F64(TAN, tan, 1)

FUNCTION1(sin_few, vf_sin(x))
FUNCTION1(cos_few, vf_cos(x))

/* Is one of n numbers, but for NaN and infinities, too large for the sine of vectors? */
static bool too_many_turns(const float *x, int64_t n)
{
    vf most = ZERO;
    float lanes[VF_LANES];
    bool too_many = false;
    for (; n > 0; n -= VF_LANES, x += VF_LANES) {
        vf size = vf_abs(n >= VF_LANES ? vf_load(x) : vf_load_n(x, n));
        most = vf_max(vf_select(vf_lt(size, vf_set(INFINITY)), size, ZERO), most);
    }
    vf_store(lanes, most);
    for (int i = 0; i < VF_LANES; i++) too_many = too_many || lanes[i] > VF_SINE_MOST;
    return too_many;
}

/* By vectors, piece by piece; numbers that are too large by the reference's function. */
static void sine_of(const struct pln_vec_args *args, enum pln_ew kind, pln_vec_fn few)
{
    enum { PIECE = 256 };
    float x[PIECE];
    for (int64_t i = 0; i < args->n; i += PIECE) {
        const int64_t n = PLN_MIN(args->n - i, (int64_t)PIECE);
        const struct pln_vec_args piece = { .dst = args->dst + i, .src[0] = args->src[0] + (size_t)i * args->step[0], .step[0] = args->step[0], .n = n };
        if (!too_many_turns(piece.src[0], args->step[0] == 0 ? 1 : n)) {
            few(&piece);
            continue;
        }
        for (int64_t k = 0; k < n; k++) x[k] = piece.src[0][(size_t)k * piece.step[0]];
        few(&piece);
        for (int64_t k = 0; k < n; k++)
            if (fabsf(x[k]) > VF_SINE_MOST) piece.dst[k] = (float)pln_ew_f64(kind, (double)x[k], 0, 0, 0, 0);
    }
}

static void ew_sin(const struct pln_vec_args *args)
{
    sine_of(args, PLN_EW_SIN, ew_sin_few);
}

static void ew_cos(const struct pln_vec_args *args)
{
    sine_of(args, PLN_EW_COS, ew_cos_few);
}

FUNCTION1(square, x *x)
FUNCTION1(cube, x *x *x)

/* x^0.5, where -0 gives 0 and -infinity infinity; at most 0.5 ULP. */
static inline vf power_half(vf x)
{
    return vf_select(vf_eq(x, vf_set(-INFINITY)), vf_set(INFINITY), vf_sqrt(x)) + ZERO;
}

static inline vf power_three_quarters(vf x)
{
    const vf root = power_half(x);
    return root * vf_sqrt(root);
}

FUNCTION1(root, power_half(x))
FUNCTION1(root_and_half, power_three_quarters(x)) /* x^0.75, as in LRN */
FUNCTION1(one_and_half, vf_abs(x) *power_half(x))
FUNCTION1(inverse_root, ONE / power_half(x))

/* Exponents of models are nearly always one of these. */
static void ew_pow(const struct pln_vec_args *args)
{
    static const struct {
        float exponent;
        pln_vec_fn function;
    } usual[] = { { 2.0f, ew_square }, { 3.0f, ew_cube }, { 0.5f, ew_root }, { 0.75f, ew_root_and_half }, { 1.5f, ew_one_and_half }, { -0.5f, ew_inverse_root }, { -1.0f, ew_reciprocal } };
    for (size_t i = 0; args->step[1] == 0 && i < PLN_COUNT_OF(usual); i++) {
        if (args->src[1][0] != usual[i].exponent) continue;
        usual[i].function(args);
        return;
    }
    ew_pow_any(args);
}

/* ---- reductions: four running vectors, then one, then halves of it ---- */

static float add_all(const float *x, int64_t n)
{
    vf a = ZERO, b = ZERO, c = ZERO, d = ZERO;
    for (; n >= 4 * VF_LANES; n -= 4 * VF_LANES, x += 4 * VF_LANES) {
        a = a + vf_load(x);
        b = b + vf_load(x + VF_LANES);
        c = c + vf_load(x + 2 * VF_LANES);
        d = d + vf_load(x + 3 * VF_LANES);
    }
    for (; n >= VF_LANES; n -= VF_LANES, x += VF_LANES) a = a + vf_load(x);
    if (n > 0) b = b + vf_load_n(x, n);
    return vf_sum_lanes((a + b) + (c + d));
}

/* sum + lost is the sum so far: W. Kahan, "Further remarks on reducing truncation errors", CACM 8(1), 1965. */
static inline void add_kept(vf *sum, vf *lost, vf x)
{
    vf y = x + *lost, t = *sum + y;
    *lost = y - (t - *sum);
    *sum = t;
}

static inline vf add_four(const float *x)
{
    return (vf_load(x) + vf_load(x + VF_LANES)) + (vf_load(x + 2 * VF_LANES) + vf_load(x + 3 * VF_LANES));
}

/* Few numbers: in f64 from the start. */
#define SHORT_SUM 32

static double sum_short(const float *x, int64_t n)
{
    double sums[4] = { 0, 0, 0, 0 };
    int64_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (int k = 0; k < 4; k++) sums[k] += (double)x[i + k];
    for (int k = 0; i < n; i++, k++) sums[k] += (double)x[i];
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

/* A million floats keep the right digits, and the mean of equal ones is their value. What was lost on the way to infinity is none. */
static double reduce_sum(const float *x, int64_t n)
{
    if (n <= SHORT_SUM) return sum_short(x, n);
    vf a = ZERO, a_lost = ZERO, b = ZERO, b_lost = ZERO;
    const float *from = x;
    int64_t left = n;
    for (; left >= 8 * VF_LANES; left -= 8 * VF_LANES, from += 8 * VF_LANES) {
        add_kept(&a, &a_lost, add_four(from));
        add_kept(&b, &b_lost, add_four(from + 4 * VF_LANES));
    }
    for (; left >= VF_LANES; left -= VF_LANES, from += VF_LANES) add_kept(&a, &a_lost, vf_load(from));
    if (left > 0) add_kept(&b, &b_lost, vf_load_n(from, left));
    float lanes[4][VF_LANES];
    vf_store(lanes[0], a);
    vf_store(lanes[1], b);
    vf_store(lanes[2], a_lost);
    vf_store(lanes[3], b_lost);
    double total = 0.0;
    for (int i = 0; i < VF_LANES; i++) total += ((double)lanes[0][i] + (double)lanes[1][i]) + ((double)lanes[2][i] + (double)lanes[3][i]);
    return isfinite(total) ? total : add_all(x, n);
}

static float reduce_sum_square(const float *x, int64_t n, float mean)
{
    vf a = ZERO, b = ZERO, m = vf_set(mean);
    for (; n >= 2 * VF_LANES; n -= 2 * VF_LANES, x += 2 * VF_LANES) {
        vf p = vf_load(x) - m, q = vf_load(x + VF_LANES) - m;
        a = vf_fma(p, p, a);
        b = vf_fma(q, q, b);
    }
    float rest = 0.0f;
    for (; n > 0; n--, x++) rest += (*x - mean) * (*x - mean);
    return vf_sum_lanes(a + b) + rest;
}

/* pick leaves NaN out, so whether one was met is kept beside: a chain of one instruction a vector, four of them in step. NaN wins in the end. */
#define EXTREME(name, pick, better)                                                                                \
    static float name(const float *x, int64_t n)                                                                   \
    {                                                                                                              \
        vf a = vf_set(x[0]), b = a, c = a, d = a;                                                                  \
        vm numbers = vf_eq(ZERO, ZERO);                                                                            \
        for (; n >= 4 * VF_LANES; n -= 4 * VF_LANES, x += 4 * VF_LANES) {                                          \
            vf p = vf_load(x), q = vf_load(x + VF_LANES), r = vf_load(x + 2 * VF_LANES), s = vf_load(x + 3 * VF_LANES); \
            numbers = vm_and(numbers, vm_and(vm_and(vf_eq(p, p), vf_eq(q, q)), vm_and(vf_eq(r, r), vf_eq(s, s)))); \
            a = pick(p, a);                                                                                        \
            b = pick(q, b);                                                                                        \
            c = pick(r, c);                                                                                        \
            d = pick(s, d);                                                                                        \
        }                                                                                                          \
        for (; n >= VF_LANES; n -= VF_LANES, x += VF_LANES) {                                                      \
            vf p = vf_load(x);                                                                                     \
            numbers = vm_and(numbers, vf_eq(p, p));                                                                \
            a = pick(p, a);                                                                                        \
        }                                                                                                          \
        if (!vm_all(numbers)) return NAN;                                                                          \
        float best = pick##_lanes(pick(pick(a, b), pick(c, d)));                                                   \
        for (; n > 0; n--, x++) best = isnan(best) || best better *x ? best : *x;                                  \
        return best;                                                                                               \
    }
EXTREME(reduce_max, vf_max, >)
EXTREME(reduce_min, vf_min, <)

/* Some rows at a time, along them: memory foresees a handful of streams, and the sums come from the first cache. rows is a constant where this is inlined. */
static inline __attribute__((always_inline)) void add_few_rows(float *sums, const float *x, int64_t x_row, const int rows, int64_t n)
{
    int64_t i = 0;
    for (; i + 2 * VF_LANES <= n; i += 2 * VF_LANES) {
        vf a = vf_load(sums + i), b = vf_load(sums + i + VF_LANES);
        for (int row = 0; row < rows; row++) {
            a = a + vf_load(x + row * x_row + i);
            b = b + vf_load(x + row * x_row + i + VF_LANES);
        }
        vf_store(sums + i, a);
        vf_store(sums + i + VF_LANES, b);
    }
    for (; i < n; i++)
        for (int row = 0; row < rows; row++) sums[i] += x[row * x_row + i];
}

static void add_rows(float *sums, const float *x, int64_t x_row, int64_t rows, int64_t n)
{
    for (; rows >= 8; rows -= 8, x += 8 * x_row) add_few_rows(sums, x, x_row, 8, n);
    for (; rows > 0; rows--, x += x_row) add_few_rows(sums, x, x_row, 1, n);
}

static void add_clip(float *c, const float *a, size_t a_step, const float *b, size_t b_step, float low, float high,
                     int64_t n)
{
    vf least = vf_set(low), most = vf_set(high);
    size_t da = a_step * VF_LANES, db = b_step * VF_LANES;
    for (; n >= VF_LANES; n -= VF_LANES, c += VF_LANES) {
        vf x = vf_load(c);
        if (a != NULL) {
            x = x + vf_load(a);
            a += da;
        }
        if (b != NULL) {
            x = x + vf_load(b);
            b += db;
        }
        vf_store(c, clip_to(x, least, most));
    }
    if (n == 0) return;
    vf x = vf_load_n(c, n);
    if (a != NULL) x = x + vf_load_n(a, n);
    if (b != NULL) x = x + vf_load_n(b, n);
    vf_store_n(c, clip_to(x, least, most), n);
}

static float exp_sum(const float *x, float most, int64_t n, float *dst)
{
    vf m = vf_set(most), sums[4] = { ZERO, ZERO, ZERO, ZERO };
    int64_t i = 0;
    for (; i + 4 * VF_LANES <= n; i += 4 * VF_LANES) {
        vf e[4];
        for (int k = 0; k < 4; k++) e[k] = vf_load(x + i + k * VF_LANES) - m;
        vf_exp_share_many(4, e);
        for (int k = 0; dst != NULL && k < 4; k++) vf_store(dst + i + k * VF_LANES, e[k]);
        for (int k = 0; k < 4; k++) sums[k] = sums[k] + e[k];
    }
    for (; i < n; i += VF_LANES) {
        int64_t left = PLN_MIN((int64_t)VF_LANES, n - i);
        vf p = vf_exp_share(vf_load_n(x + i, left) - m);
        float lanes[VF_LANES];
        vf_store(lanes, p);
        if (dst != NULL) vf_store_n(dst + i, p, left);
        sums[0] = sums[0] + vf_load_n(lanes, left);
    }
    return vf_sum_lanes((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

/* Up to two vectors, which stay in registers. */
static void softmax_few(const float *x, int64_t n, float *dst)
{
    static const float places[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
    const int64_t first = PLN_MIN(n, (int64_t)VF_LANES), second = n - first;
    const vf place = vf_load(places), none = vf_set(-INFINITY);
    vf e[2] = { vf_load_n(x, first), second > 0 ? vf_load_n(x + VF_LANES, second) : none };
    e[0] = vf_select(vf_lt(place, vf_set((float)first)), e[0], none);
    e[1] = vf_select(vf_lt(place, vf_set((float)second)), e[1], none);
    const bool numbers = vm_all(vm_and(vf_eq(e[0], e[0]), vf_eq(e[1], e[1])));
    const vf most = vf_set(numbers ? vf_max_lanes(vf_max(e[0], e[1])) : NAN);
    for (int k = 0; k < 2; k++) e[k] = e[k] - most;
    vf_exp_share_many(2, e);
    const vf share = vf_set(1.0f / vf_sum_lanes(e[0] + e[1]));
    vf_store_n(dst, e[0] * share, first);
    if (second > 0) vf_store_n(dst + VF_LANES, e[1] * share, second);
}

static void softmax(const float *x, int64_t n, float *dst)
{
    if (n <= 2 * VF_LANES) {
        softmax_few(x, n, dst);
        return;
    }
    const float sum = exp_sum(x, reduce_max(x, n), n, dst);
    const vf share = vf_set(1.0f / sum);
    int64_t i = 0;
    for (; i + VF_LANES <= n; i += VF_LANES) vf_store(dst + i, vf_load(dst + i) * share);
    if (i < n) vf_store_n(dst + i, vf_load_n(dst + i, n - i) * share, n - i);
}

/* In two steps: most + log(sum) would lose what log(sum) holds. */
static void log_softmax(const float *x, int64_t n, float *dst)
{
    const float most = reduce_max(x, n);
    const vf m = vf_set(most), logarithm = vf_set(logf(exp_sum(x, most, n, NULL)));
    int64_t i = 0;
    for (; i + VF_LANES <= n; i += VF_LANES) vf_store(dst + i, (vf_load(x + i) - m) - logarithm);
    if (i < n) vf_store_n(dst + i, (vf_load_n(x + i, n - i) - m) - logarithm, n - i);
}

static void normalize(const float *x, int64_t n, float mean, float factor, const float *scale, const float *bias,
                      float *dst)
{
    vf m = vf_set(mean), f = vf_set(factor);
    int64_t i = 0;
    for (; i + VF_LANES <= n; i += VF_LANES) {
        vf y = (vf_load(x + i) - m) * f * vf_load(scale + i);
        if (bias != NULL) y = y + vf_load(bias + i);
        vf_store(dst + i, y);
    }
    for (; i < n; i++) dst[i] = (x[i] - mean) * factor * scale[i] + (bias != NULL ? bias[i] : 0.0f);
}

const struct pln_vec_isa VEC_ISA = {
    .ew = {
        [PLN_EW_ABS] = ew_abs, [PLN_EW_ACOS] = ew_acos, [PLN_EW_ACOSH] = ew_acosh, [PLN_EW_ADD] = ew_add,
        [PLN_EW_AND] = ew_and, [PLN_EW_ASIN] = ew_asin, [PLN_EW_ASINH] = ew_asinh, [PLN_EW_ATAN] = ew_atan,
        [PLN_EW_ATANH] = ew_atanh, [PLN_EW_CEIL] = ew_ceil, [PLN_EW_CELU] = ew_celu, [PLN_EW_CLIP] = ew_clip,
        [PLN_EW_COS] = ew_cos, [PLN_EW_COSH] = ew_cosh, [PLN_EW_DIV] = ew_div, [PLN_EW_ELU] = ew_elu,
        [PLN_EW_EQUAL] = ew_equal, [PLN_EW_ERF] = ew_erf, [PLN_EW_EXP] = ew_exp, [PLN_EW_FLOOR] = ew_floor,
        [PLN_EW_FMOD] = ew_fmod, [PLN_EW_GELU] = ew_gelu, [PLN_EW_GELU_TANH] = ew_gelu_tanh,
        [PLN_EW_GREATER] = ew_greater, [PLN_EW_GREATER_EQUAL] = ew_greater_equal,
        [PLN_EW_HARD_SIGMOID] = ew_hard_sigmoid, [PLN_EW_HARD_SWISH] = ew_hard_swish,
        [PLN_EW_IDENTITY] = ew_identity, [PLN_EW_ISINF] = ew_isinf, [PLN_EW_ISNAN] = ew_isnan,
        [PLN_EW_LEAKY_RELU] = ew_leaky_relu, [PLN_EW_LESS] = ew_less, [PLN_EW_LESS_EQUAL] = ew_less_equal,
        [PLN_EW_LOG] = ew_log, [PLN_EW_MAX] = ew_max, [PLN_EW_MIN] = ew_min, [PLN_EW_MISH] = ew_mish,
        [PLN_EW_MOD] = ew_mod, [PLN_EW_MUL] = ew_mul, [PLN_EW_NEG] = ew_neg, [PLN_EW_NOT] = ew_not,
        [PLN_EW_OR] = ew_or, [PLN_EW_POW] = ew_pow, [PLN_EW_PRELU] = ew_prelu,
        [PLN_EW_RECIPROCAL] = ew_reciprocal, [PLN_EW_RELU] = ew_relu, [PLN_EW_ROUND] = ew_round,
        [PLN_EW_RSQRT] = ew_rsqrt, [PLN_EW_SELU] = ew_selu, [PLN_EW_SHRINK] = ew_shrink,
        [PLN_EW_SIGMOID] = ew_sigmoid, [PLN_EW_SIGN] = ew_sign, [PLN_EW_SIN] = ew_sin, [PLN_EW_SINH] = ew_sinh,
        [PLN_EW_SOFTPLUS] = ew_softplus, [PLN_EW_SOFTSIGN] = ew_softsign, [PLN_EW_SQRT] = ew_sqrt,
        [PLN_EW_SUB] = ew_sub, [PLN_EW_SWISH] = ew_swish, [PLN_EW_TAN] = ew_tan, [PLN_EW_TANH] = ew_tanh,
        [PLN_EW_THRESHOLDED_RELU] = ew_thresholded_relu, [PLN_EW_WHERE] = ew_where, [PLN_EW_XOR] = ew_xor,
    },
    .rows = {
        [PLN_EW_ELU] = rows_elu, [PLN_EW_GELU] = rows_gelu, [PLN_EW_GELU_TANH] = rows_gelu_tanh,
        [PLN_EW_HARD_SIGMOID] = rows_hard_sigmoid, [PLN_EW_HARD_SWISH] = rows_hard_swish,
        [PLN_EW_LEAKY_RELU] = rows_leaky_relu, [PLN_EW_MISH] = rows_mish, [PLN_EW_SIGMOID] = rows_sigmoid,
        [PLN_EW_SOFTPLUS] = rows_softplus, [PLN_EW_SWISH] = rows_swish, [PLN_EW_TANH] = rows_tanh,
    },
    .sum = reduce_sum,
    .sum_square = reduce_sum_square,
    .max = reduce_max,
    .min = reduce_min,
    .add_rows = add_rows,
    .add_clip = add_clip,
    .exp_sum = exp_sum,
    .softmax = softmax,
    .log_softmax = log_softmax,
    .normalize = normalize,
};
