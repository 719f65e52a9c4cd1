/* The reference kernel of every op. */
#include "kernel/call.h"

/* Control flow is run by the runtime itself. */
#define pln_ref_if NULL
#define pln_ref_loop NULL
#define pln_ref_scan NULL

const pln_host_fn pln_ref_kernels[PLN_OP_COUNT] = {
#define PLN_OP(ENUM, name) [PLN_OP_##ENUM] = pln_ref_##name,
#include "kernel/ops.inc"
#undef PLN_OP
};
