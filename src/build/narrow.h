/* Inputs and outputs of other types than the model's: 32 bits for programs that know no 64-bit integers, or what the options say. */
#ifndef PLN_BUILD_NARROW_H
#define PLN_BUILD_NARROW_H

#include "ops/op.h"
#include "planish/builder.h"

/* A cast behind each such input and in front of each such output of the main block (int32_io, input_types, output_types), but for states. Errors: PLN_INVALID_ARGUMENT types that
 * are too many or too few, or that the value cannot have; PLN_NO_MEMORY. */
enum pln_status pln_retype_io(struct pln_graph *graph, const struct pln_build_options *options, struct pln_diag *diag);

#endif
