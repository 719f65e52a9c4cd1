/* Inflate: decompression of DEFLATE data (RFC 1951). Internal to tensor/; used for .npz. */
#ifndef PLN_TENSOR_INFLATE_H
#define PLN_TENSOR_INFLATE_H

#include "base/base.h"

/* Fills exactly out_bytes from `data`, whose end it may leave unread. false: the data are damaged, too short, or give another
 * size. No allocation; time is linear in size_bytes and out_bytes. */
bool pln_inflate(const void *data, size_t size_bytes, void *out, size_t out_bytes);

#endif
