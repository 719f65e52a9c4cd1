/* Elementwise functions of integers, one element at a time. Both the reference and the kernels run them: where `kind` is a constant, they inline to
 * the one that it names. */
#ifndef PLN_KERNEL_EW_INT_H
#define PLN_KERNEL_EW_INT_H

#include "base/base.h"
#include "kernel/op.h"

/* Kinds that are computed in integers; the others mean a function of reals. */
#define PLN_EW_INT_LIST(X)                                                                                                                           \
    X(ABS) X(ADD) X(AND) X(BIT_AND) X(BIT_NOT) X(BIT_OR) X(BIT_XOR) X(CEIL) X(CLIP) X(DIV) X(EQUAL) X(FLOOR) X(FMOD) X(GREATER) X(GREATER_EQUAL)      \
    X(IDENTITY) X(ISINF) X(ISNAN) X(LESS) X(LESS_EQUAL) X(MAX) X(MIN) X(MOD) X(MUL) X(NEG) X(NOT) X(OR) X(POW) X(PRELU) X(RELU) X(ROUND)              \
    X(SHIFT_LEFT) X(SHIFT_RIGHT) X(SIGN) X(SUB) X(WHERE) X(XOR)

static inline bool pln_ew_has_int(unsigned kind)
{
    switch (kind) {
#define X(KIND) case PLN_EW_##KIND:
        PLN_EW_INT_LIST(X)
#undef X
        return true;
    default: return false;
    }
}

/* Arithmetic is done on uint64, where C lets it wrap. */
static inline int64_t pln_int_wrap(uint64_t value)
{
    int64_t result;
    memcpy(&result, &value, sizeof(result));
    return result;
}

static inline int64_t pln_int_div(int64_t a, int64_t b, bool is_unsigned)
{
    if (b == 0) return 0;
    if (is_unsigned) return pln_int_wrap((uint64_t)a / (uint64_t)b);
    if (b == -1) return pln_int_wrap(0 - (uint64_t)a);
    return a / b;
}

/* The remainder has the sign of the dividend. */
static inline int64_t pln_int_fmod(int64_t a, int64_t b, bool is_unsigned)
{
    if (b == 0) return 0;
    if (is_unsigned) return pln_int_wrap((uint64_t)a % (uint64_t)b);
    return b == -1 ? 0 : a % b;
}

static inline int64_t pln_int_mod(int64_t a, int64_t b, bool is_unsigned)
{
    int64_t r = pln_int_fmod(a, b, is_unsigned);
    return !is_unsigned && r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

static inline int64_t pln_int_pow(int64_t a, int64_t b, bool is_unsigned)
{
    if (!is_unsigned && b < 0) {
        if (a == 1) return 1;
        return a == -1 ? ((b & 1) ? -1 : 1) : 0;
    }
    uint64_t base = (uint64_t)a, result = 1;
    for (uint64_t e = (uint64_t)b; e; e >>= 1) {
        if (e & 1) result *= base;
        base *= base;
    }
    return pln_int_wrap(result);
}

static inline bool pln_int_less(int64_t a, int64_t b, bool is_unsigned)
{
    return is_unsigned ? (uint64_t)a < (uint64_t)b : a < b;
}

static inline int64_t pln_int_shift_right(int64_t a, int64_t b, bool is_unsigned)
{
    if ((uint64_t)b > 63) return !is_unsigned && a < 0 ? -1 : 0;
    return is_unsigned ? pln_int_wrap((uint64_t)a >> b) : a >> b;
}

static inline int64_t pln_int_clip(int64_t a, int64_t b, int64_t c, bool u)
{
    int64_t y = pln_int_less(a, b, u) ? b : a;
    return pln_int_less(c, y, u) ? c : y;
}

/* kind: one of the list. u: the numbers are unsigned. */
static inline __attribute__((always_inline)) int64_t pln_ew_int(const unsigned kind, int64_t a, int64_t b, int64_t c, const bool u)
{
    switch (kind) {
    case PLN_EW_ABS: return !u && a < 0 ? pln_int_wrap(0 - (uint64_t)a) : a;
    case PLN_EW_ADD: return pln_int_wrap((uint64_t)a + (uint64_t)b);
    case PLN_EW_AND: return a != 0 && b != 0;
    case PLN_EW_BIT_AND: return a & b;
    case PLN_EW_BIT_NOT: return ~a;
    case PLN_EW_BIT_OR: return a | b;
    case PLN_EW_BIT_XOR: return a ^ b;
    case PLN_EW_CLIP: return pln_int_clip(a, b, c, u);
    case PLN_EW_DIV: return pln_int_div(a, b, u);
    case PLN_EW_EQUAL: return a == b;
    case PLN_EW_FMOD: return pln_int_fmod(a, b, u);
    case PLN_EW_GREATER: return pln_int_less(b, a, u);
    case PLN_EW_GREATER_EQUAL: return !pln_int_less(a, b, u);
    case PLN_EW_LESS: return pln_int_less(a, b, u);
    case PLN_EW_LESS_EQUAL: return !pln_int_less(b, a, u);
    case PLN_EW_MAX: return pln_int_less(a, b, u) ? b : a;
    case PLN_EW_MIN: return pln_int_less(b, a, u) ? b : a;
    case PLN_EW_MOD: return pln_int_mod(a, b, u);
    case PLN_EW_MUL: return pln_int_wrap((uint64_t)a * (uint64_t)b);
    case PLN_EW_NEG: return pln_int_wrap(0 - (uint64_t)a);
    case PLN_EW_NOT: return a == 0;
    case PLN_EW_OR: return a != 0 || b != 0;
    case PLN_EW_POW: return pln_int_pow(a, b, u);
    case PLN_EW_PRELU: return !u && a < 0 ? pln_int_wrap((uint64_t)a * (uint64_t)b) : a;
    case PLN_EW_RELU: return !u && a < 0 ? 0 : a;
    case PLN_EW_SHIFT_LEFT: return (uint64_t)b > 63 ? 0 : pln_int_wrap((uint64_t)a << b);
    case PLN_EW_SHIFT_RIGHT: return pln_int_shift_right(a, b, u);
    case PLN_EW_SIGN: return u ? a != 0 : (a > 0) - (a < 0);
    case PLN_EW_SUB: return pln_int_wrap((uint64_t)a - (uint64_t)b);
    case PLN_EW_WHERE: return a != 0 ? b : c;
    case PLN_EW_XOR: return (a != 0) != (b != 0);
    case PLN_EW_ISINF:
    case PLN_EW_ISNAN: return 0;
    default: return a; /* what rounds, and identity */
    }
}

#endif
