/* Inputs and outputs of 64-bit integers as ones of 32 bits, for programs that know no others. */
#ifndef PLN_BUILD_NARROW_H
#define PLN_BUILD_NARROW_H

#include "ops/op.h"

/* A cast behind each such input and in front of each such output of the main block, but for states. Values that 32 bits do not hold lose their high
 * bits. PLN_NO_MEMORY. */
enum pln_status pln_narrow_io(struct pln_graph *graph, struct pln_diag *diag);

#endif
