/* The functions of one ISA, for inclusion by functions_<isa>.c, which defines INT_ISA as the function that gives their table. Plain loops: the compiler makes vectors
 * of them. */
#include "backend/cpu/kernels/integer/integer.h"
#include "kernel/ew_int.h"

#define LOAD_AS(type, value)                                                             \
    {                                                                                    \
        const type *x = (const type *)data + at;                                         \
        if (step == 1)                                                                   \
            for (int64_t i = 0; i < n; i++) to[i] = (int64_t)(value(x[i]));              \
        else if (step == 0)                                                              \
            for (int64_t i = 0, only = (int64_t)(value(x[0])); i < n; i++) to[i] = only; \
        else                                                                             \
            for (int64_t i = 0; i < n; i++) to[i] = (int64_t)(value(x[i * step]));       \
        return;                                                                          \
    }
#define AS_IT_IS(x) (x)
#define TRUTH(x)    ((x) != 0)

static inline int64_t truncate(float x)
{
    if (!(x >= -0x1p63f)) return x < -0x1p63f ? INT64_MIN : 0; /* NaN: 0 */
    return x >= 0x1p63f ? INT64_MAX : (int64_t)x;
}

/* Numbers that i32 holds, as nearly all are, go by vectors, some at a time. */
static void truncate_run(const float *x, int64_t n, int64_t *to)
{
    enum { PIECE = 64 };
    for (int64_t i = 0; i < n; i += PIECE) {
        const int64_t count = PLN_MIN(n - i, (int64_t)PIECE);
        int32_t beyond = 0;
        for (int64_t k = i; k < i + count; k++) beyond |= !(x[k] > -0x1p31f && x[k] < 0x1p31f);
        if (beyond)
            for (int64_t k = i; k < i + count; k++) to[k] = truncate(x[k]);
        else
            for (int64_t k = i; k < i + count; k++) to[k] = (int32_t)x[k];
    }
}

static void load(enum pln_dtype dtype, const void *data, int64_t at, int64_t step, int64_t n, int64_t *to)
{
    if (n <= 0) return;
    if (dtype == PLN_U8) LOAD_AS(uint8_t, AS_IT_IS)
    if (dtype == PLN_I8) LOAD_AS(int8_t, AS_IT_IS)
    if (dtype == PLN_U16) LOAD_AS(uint16_t, AS_IT_IS)
    if (dtype == PLN_I16) LOAD_AS(int16_t, AS_IT_IS)
    if (dtype == PLN_U32) LOAD_AS(uint32_t, AS_IT_IS)
    if (dtype == PLN_I32) LOAD_AS(int32_t, AS_IT_IS)
    if (dtype == PLN_U64) LOAD_AS(uint64_t, AS_IT_IS)
    if (dtype == PLN_I64) LOAD_AS(int64_t, AS_IT_IS)
    if (dtype == PLN_BOOL) LOAD_AS(uint8_t, TRUTH)
    if (dtype == PLN_F32 && step == 1) {
        truncate_run((const float *)data + at, n, to);
        return;
    }
    if (dtype == PLN_F32) LOAD_AS(float, truncate)
}

#define STORE_AS(type, value)                                                \
    {                                                                        \
        type *y = (type *)data + at;                                         \
        if (step == 1)                                                       \
            for (int64_t i = 0; i < n; i++) y[i] = (type)(value(from[i]));   \
        else                                                                 \
            for (int64_t i = 0; i < n; i++) y[i * step] = (type)(value(from[i])); \
        return;                                                              \
    }
#define UNSIGNED(x) ((uint64_t)(x))

static void store(enum pln_dtype dtype, void *data, int64_t at, int64_t step, int64_t n, const int64_t *from, bool from_unsigned)
{
    const int bits = pln_dtype_bits(dtype);
    if (dtype == PLN_BOOL) STORE_AS(uint8_t, TRUTH)
    if (dtype == PLN_F32 && from_unsigned) STORE_AS(float, UNSIGNED)
    if (dtype == PLN_F32) STORE_AS(float, AS_IT_IS)
    if (bits == 8) STORE_AS(uint8_t, UNSIGNED)
    if (bits == 16) STORE_AS(uint16_t, UNSIGNED)
    if (bits == 32) STORE_AS(uint32_t, UNSIGNED)
    STORE_AS(uint64_t, UNSIGNED)
}

static void run(unsigned kind, bool is_unsigned, int64_t n, const int64_t *a, const int64_t *b, const int64_t *c, int64_t *y)
{
    switch (kind) {
#define X(KIND)                                                                                                 \
    case PLN_EW_##KIND:                                                                                         \
        if (is_unsigned)                                                                                        \
            for (int64_t i = 0; i < n; i++) y[i] = pln_ew_int(PLN_EW_##KIND, a[i], b[i], c[i], true);           \
        else                                                                                                    \
            for (int64_t i = 0; i < n; i++) y[i] = pln_ew_int(PLN_EW_##KIND, a[i], b[i], c[i], false);          \
        break;
        PLN_EW_INT_LIST(X)
#undef X
    default: break;
    }
}

/* The functions whose results are bools, without the way by 64 bits. */
#define COMPARISONS(X) X(EQUAL) X(GREATER) X(GREATER_EQUAL) X(LESS) X(LESS_EQUAL)

static bool compare(unsigned kind, bool is_unsigned, int64_t n, const int64_t *a, const int64_t *b, uint8_t *y)
{
    switch (kind) {
#define X(KIND)                                                                                                      \
    case PLN_EW_##KIND:                                                                                              \
        if (is_unsigned)                                                                                             \
            for (int64_t i = 0; i < n; i++) y[i] = pln_ew_int(PLN_EW_##KIND, a[i], b[i], 0, true) != 0;              \
        else                                                                                                         \
            for (int64_t i = 0; i < n; i++) y[i] = pln_ew_int(PLN_EW_##KIND, a[i], b[i], 0, false) != 0;             \
        return true;
        COMPARISONS(X)
#undef X
    default: return false;
    }
}

const struct pln_int_isa *INT_ISA(void)
{
    static const struct pln_int_isa isa = { load, store, run, compare };
    return &isa;
}
