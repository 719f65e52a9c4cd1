/* Equations of Einsum, for passes that take them apart. */
#ifndef PLN_OPS_EINSUM_H
#define PLN_OPS_EINSUM_H

#include "kernel/einsum.h"

#endif
