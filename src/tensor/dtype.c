#include "tensor/tensor.h"

const char *pln_dtype_name(enum pln_dtype dtype)
{
    switch (dtype) {
#define X(name, value, text, bits) \
    case name: return text;
        PLN_DTYPE_LIST(X)
#undef X
    case PLN_DTYPE_NONE:
    case PLN_DTYPE_COUNT: break;
    }
    return "none";
}

int pln_dtype_bits(enum pln_dtype dtype)
{
    switch (dtype) {
#define X(name, value, text, bits) \
    case name: return bits;
        PLN_DTYPE_LIST(X)
#undef X
    case PLN_DTYPE_NONE:
    case PLN_DTYPE_COUNT: break;
    }
    return 0;
}

bool pln_dtype_valid(int number)
{
    return number > PLN_DTYPE_NONE && number < PLN_DTYPE_COUNT;
}

#define BIT(dtype) ((uint32_t)1 << (dtype))

static bool in_set(enum pln_dtype dtype, uint32_t set)
{
    return pln_dtype_valid((int)dtype) && (set & BIT(dtype)) != 0;
}

#define FLOATS                                                                                              \
    (BIT(PLN_F16) | BIT(PLN_BF16) | BIT(PLN_F32) | BIT(PLN_F64) | BIT(PLN_F8E4M3FN) | BIT(PLN_F8E4M3FNUZ) | \
     BIT(PLN_F8E5M2) | BIT(PLN_F8E5M2FNUZ) | BIT(PLN_F4E2M1) | BIT(PLN_F8E8M0))
#define SIGNED_INTEGERS   (BIT(PLN_I2) | BIT(PLN_I4) | BIT(PLN_I8) | BIT(PLN_I16) | BIT(PLN_I32) | BIT(PLN_I64))
#define UNSIGNED_INTEGERS (BIT(PLN_U2) | BIT(PLN_U4) | BIT(PLN_U8) | BIT(PLN_U16) | BIT(PLN_U32) | BIT(PLN_U64))
#define COMPLEX           (BIT(PLN_C64) | BIT(PLN_C128))

bool pln_dtype_is_float(enum pln_dtype dtype)
{
    return in_set(dtype, FLOATS);
}

bool pln_dtype_is_integer(enum pln_dtype dtype)
{
    return in_set(dtype, SIGNED_INTEGERS | UNSIGNED_INTEGERS);
}

bool pln_dtype_is_signed(enum pln_dtype dtype)
{
    return in_set(dtype, SIGNED_INTEGERS | COMPLEX | (FLOATS & ~BIT(PLN_F8E8M0)));
}

bool pln_dtype_is_complex(enum pln_dtype dtype)
{
    return in_set(dtype, COMPLEX);
}

enum pln_dtype pln_dtype_part(enum pln_dtype dtype)
{
    return dtype == PLN_C64 ? PLN_F32 : dtype == PLN_C128 ? PLN_F64 : dtype;
}

bool pln_dtype_find(const char *name, enum pln_dtype *out_dtype)
{
    *out_dtype = PLN_DTYPE_NONE;
    for (int i = PLN_DTYPE_NONE + 1; i < PLN_DTYPE_COUNT; i++) {
        if (strcmp(name, pln_dtype_name((enum pln_dtype)i)) != 0) continue;
        *out_dtype = (enum pln_dtype)i;
        return true;
    }
    return false;
}
