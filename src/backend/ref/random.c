/* Random numbers. ONNX fixes distributions, not generators: this is xoshiro256++ (Blackman and Vigna, 2019), seeded by splitmix64 from the
 * `seed` attribute, or from the clock where there is none. */
#include <math.h>

#include "backend/ref/elems.h"
#include "base/clock.h"
#include "tensor/convert.h"

struct generator {
    uint64_t s[4];
};

static uint64_t rotate(uint64_t x, int k)
{
    return x << k | x >> (64 - k);
}

static uint64_t next_u64(struct generator *g)
{
    uint64_t result = rotate(g->s[0] + g->s[3], 23) + g->s[0], t = g->s[1] << 17;
    g->s[2] ^= g->s[0];
    g->s[3] ^= g->s[1];
    g->s[1] ^= g->s[2];
    g->s[0] ^= g->s[3];
    g->s[2] ^= t;
    g->s[3] = rotate(g->s[3], 45);
    return result;
}

/* In [0, 1), a multiple of 2^-53. */
static double next_unit(struct generator *g)
{
    return (double)(next_u64(g) >> 11) * 0x1p-53;
}

/* Box and Muller, 1958. */
static double next_normal(struct generator *g)
{
    const double two_pi = 6.283185307179586;
    return sqrt(-2 * log(1 - next_unit(g))) * cos(two_pi * next_unit(g));
}

static void seed(struct pln_call *call, struct generator *g)
{
    uint64_t state;
    if (pln_attrs_has(call->attrs, "seed")) {
        float value = pln_attrs_float(call->attrs, "seed", 0);
        uint32_t bits;
        memcpy(&bits, &value, sizeof bits);
        state = bits;
    } else {
        state = (uint64_t)pln_clock_ns() ^ (uint64_t)(uintptr_t)call->attrs;
    }
    for (int i = 0; i < 4; i++) {
        uint64_t z = state += 0x9e3779b97f4a7c15u;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        g->s[i] = z ^ z >> 31;
    }
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
