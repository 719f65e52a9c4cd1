/* Random numbers. ONNX fixes distributions, not generators. This is what its reference implementation uses, so that the same seed gives the same numbers:
 * NumPy's RandomState, i.e. MT19937 (Matsumoto and Nishimura 1998, mt19937ar.c), seeded from the `seed` attribute, or from the clock where there is none. */
#include <math.h>

#include "backend/ref/elems.h"
#include "base/clock.h"
#include "tensor/convert.h"

enum { WORDS = 624, MIDDLE = 397 };

struct generator {
    uint32_t words[WORDS];
    int at;
    bool has_next; /* the second of two normal numbers */
    double next;
};

/* init_genrand */
static void seed_word(struct generator *g, uint32_t seed)
{
    for (uint32_t i = 0; i < WORDS; i++) {
        g->words[i] = seed;
        seed = 1812433253u * (seed ^ seed >> 30) + i + 1;
    }
    g->at = WORDS;
    g->has_next = false;
}

/* init_by_array, of two words */
static void seed_words(struct generator *g, const uint32_t key[2])
{
    seed_word(g, 19650218u);
    uint32_t *w = g->words, i = 1, j = 0;
    for (int k = 0; k < WORDS; k++, j ^= 1) {
        w[i] = (w[i] ^ (w[i - 1] ^ w[i - 1] >> 30) * 1664525u) + key[j] + j;
        if (++i == WORDS) w[0] = w[WORDS - 1], i = 1;
    }
    for (int k = 1; k < WORDS; k++) {
        w[i] = (w[i] ^ (w[i - 1] ^ w[i - 1] >> 30) * 1566083941u) - i;
        if (++i == WORDS) w[0] = w[WORDS - 1], i = 1;
    }
    w[0] = 0x80000000u;
}

static uint32_t next_u32(struct generator *g)
{
    uint32_t *w = g->words;
    for (int i = 0; g->at == WORDS && i < WORDS; i++) {
        uint32_t y = (w[i] & 0x80000000u) | (w[(i + 1) % WORDS] & 0x7fffffffu);
        w[i] = w[(i + MIDDLE) % WORDS] ^ y >> 1 ^ (y & 1 ? 0x9908b0dfu : 0);
    }
    if (g->at == WORDS) g->at = 0;
    uint32_t y = w[g->at++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680u;
    y ^= y << 15 & 0xefc60000u;
    return y ^ y >> 18;
}

/* In [0, 1), a multiple of 2^-53 (genrand_res53). */
static double next_unit(struct generator *g)
{
    uint32_t high = next_u32(g) >> 5, low = next_u32(g) >> 6;
    return (high * 67108864.0 + low) * 0x1p-53;
}

/* Marsaglia's polar method, in the order in which RandomState draws. */
static double next_normal(struct generator *g)
{
    double x, y, square;
    if (g->has_next) {
        g->has_next = false;
        return g->next;
    }
    do {
        x = 2 * next_unit(g) - 1;
        y = 2 * next_unit(g) - 1;
        square = x * x + y * y;
    } while (square >= 1 || square == 0);
    double factor = sqrt(-2 * log(square) / square);
    g->next = factor * x;
    g->has_next = true;
    return factor * y;
}

/* A seed that RandomState takes is taken as there; any other one by its bits. */
static void seed(struct pln_call *call, struct generator *g)
{
    uint32_t key[2] = { 0, 0 };
    if (pln_attrs_has(call->attrs, "seed")) {
        float value = pln_attrs_float(call->attrs, "seed", 0);
        if (value >= 0 && value < 0x1p32f && value == floorf(value)) {
            seed_word(g, (uint32_t)value);
            return;
        }
        memcpy(key, &value, sizeof value);
    } else {
        uint64_t now = (uint64_t)pln_clock_ns() ^ (uint64_t)(uintptr_t)call->attrs;
        memcpy(key, &now, sizeof now);
    }
    seed_words(g, key);
}

static enum pln_status out_dtype(struct pln_call *call, enum pln_dtype fallback, enum pln_dtype *out_dtype)
{
    int64_t dtype = pln_attrs_int(call->attrs, "dtype", fallback);
    *out_dtype = (enum pln_dtype)dtype;
    bool number = dtype >= 1 && dtype < PLN_DTYPE_COUNT && dtype != PLN_STR && !pln_dtype_is_complex((enum pln_dtype)dtype);
    return number ? PLN_OK : pln_call_fail(call, PLN_BAD_MODEL, "no random numbers of element type %lld", (long long)dtype);
}

static enum pln_status fill(struct pln_call *call, enum pln_dtype fallback, int64_t rank, const int64_t *dims, bool normal)
{
    double low = (double)pln_attrs_float(call->attrs, normal ? "mean" : "low", 0);
    double high = (double)pln_attrs_float(call->attrs, normal ? "scale" : "high", 1), span = normal ? high : high - low;
    struct generator g;
    struct pln_tensor out;
    enum pln_dtype dtype;
    PLN_TRY(out_dtype(call, fallback, &dtype));
    if (rank > PLN_MAX_RANK) return pln_call_fail(call, PLN_BAD_MODEL, "a shape of %lld dims", (long long)rank);
    PLN_TRY(pln_call_out(call, 0, dtype, (int)rank, dims, &out));
    seed(call, &g);
    int64_t n = pln_tensor_count(&out);
    for (int64_t i = 0; i < n; i++) pln_store_f64(dtype, out.data, i, low + span * (normal ? next_normal(&g) : next_unit(&g)), true);
    return PLN_OK;
}

static enum pln_status bernoulli(struct pln_call *call, const struct pln_tensor *in)
{
    struct generator g;
    struct pln_tensor out;
    enum pln_dtype dtype;
    PLN_TRY(out_dtype(call, in->dtype, &dtype));
    PLN_TRY(pln_call_out(call, 0, dtype, in->rank, in->dims, &out));
    seed(call, &g);
    int64_t n = pln_tensor_count(&out);
    for (int64_t i = 0; i < n; i++) pln_store_i64(dtype, out.data, i, next_unit(&g) < pln_load_f64(in->dtype, in->data, i));
    return PLN_OK;
}

/* in: f[batch,classes], logarithms of weights. */
static enum pln_status multinomial(struct pln_call *call, const struct pln_tensor *in)
{
    struct generator g;
    struct pln_tensor out;
    enum pln_dtype dtype;
    void *memory;
    PLN_TRY(out_dtype(call, PLN_I32, &dtype));
    int64_t samples = pln_attrs_int(call->attrs, "sample_size", 1);
    if (in->rank != 2 || (in->dims[1] == 0 && in->dims[0] > 0 && samples > 0)) return pln_call_fail(call, PLN_BAD_MODEL, "the input is not [batch, classes]");
    int64_t classes = in->dims[1], dims[2] = { in->dims[0], samples };
    PLN_TRY(pln_call_out(call, 0, dtype, 2, dims, &out));
    PLN_TRY(pln_call_scratch(call, (size_t)classes, sizeof(double), &memory));
    seed(call, &g);
    double *sums = memory;
    for (int64_t b = 0; b < dims[0]; b++) {
        double most = -HUGE_VAL, sum = 0;
        for (int64_t c = 0; c < classes; c++) most = fmax(most, pln_load_f64(in->dtype, in->data, b * classes + c));
        for (int64_t c = 0; c < classes; c++) sums[c] = sum += exp(pln_load_f64(in->dtype, in->data, b * classes + c) - most);
        for (int64_t i = 0; i < samples; i++) {
            double at = next_unit(&g) * sum;
            int64_t c = 0;
            while (c < classes - 1 && !(at < sums[c])) c++;
            pln_store_i64(dtype, out.data, b * samples + i, c);
        }
    }
    return PLN_OK;
}

enum pln_status pln_ref_random(struct pln_call *call)
{
    const struct pln_tensor *in = NULL;
    const int64_t *shape;
    int64_t rank = pln_attrs_ints(call->attrs, "shape", &shape);
    bool generates = call->kind == PLN_RANDOM_UNIFORM || call->kind == PLN_RANDOM_NORMAL;
    if (!generates) PLN_TRY(pln_call_need(call, 0, &in));
    if (in && (in->dtype == PLN_STR || pln_dtype_is_complex(in->dtype)) && call->kind >= PLN_RANDOM_BERNOULLI) {
        return pln_call_fail(call, PLN_BAD_MODEL, "probabilities of %s", pln_dtype_name(in->dtype));
    }
    switch ((enum pln_random_kind)call->kind) {
    case PLN_RANDOM_UNIFORM: return fill(call, PLN_F32, rank, shape, false);
    case PLN_RANDOM_NORMAL: return fill(call, PLN_F32, rank, shape, true);
    case PLN_RANDOM_UNIFORM_LIKE: return fill(call, in->dtype, in->rank, in->dims, false);
    case PLN_RANDOM_NORMAL_LIKE: return fill(call, in->dtype, in->rank, in->dims, true);
    case PLN_RANDOM_BERNOULLI: return bernoulli(call, in);
    case PLN_RANDOM_MULTINOMIAL: return multinomial(call, in);
    case PLN_RANDOM_NONE: break;
    }
    return pln_call_fail(call, PLN_INTERNAL, "no such kind: %d", call->kind);
}
