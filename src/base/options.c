#include "base/base.h"

/* More than any struct of ours will ever have: a size beyond it is not a size. */
#define OPTIONS_MOST 4096

const char *pln_options_copy(const void *options, size_t size_bytes, void *out_options)
{
    size_t given_bytes = size_bytes;
    memset(out_options, 0, size_bytes);
    memcpy(out_options, &size_bytes, sizeof size_bytes);
    if (!options) return NULL;
    memcpy(&given_bytes, options, sizeof given_bytes);
    if (given_bytes < sizeof given_bytes || given_bytes > OPTIONS_MOST) return "struct_size of the options is not set; it is the sizeof of the struct";
    memcpy(out_options, options, PLN_MIN(given_bytes, size_bytes));
    memcpy(out_options, &size_bytes, sizeof size_bytes);
    for (size_t i = size_bytes; i < given_bytes; i++)
        if (((const unsigned char *)options)[i]) return "the options ask for something that this version of the library does not know";
    return NULL;
}
