/* Epilogues in plain kernels: the elementwise program that a fusion pass put behind a matmul, gemm or convolution.
 *
 * A kernel computes its result in double, whole, then calls finish, with or without an epilogue:
 *     struct pln_ref_epilogue epilogue;
 *     PLN_TRY(pln_ref_epilogue_init(call, &epilogue));      // inputs [0, n_own_inputs) are the op's own
 *     … accumulators, one double an output element, in row-major order …
 *     return pln_ref_epilogue_finish(call, &epilogue, dtype, rank, dims, accumulators); */
#ifndef PLN_REF_EPILOGUE_H
#define PLN_REF_EPILOGUE_H

#include "kernel/call.h"
#include "kernel/rowprog.h"

struct pln_ref_epilogue {
    bool present;
    int n_own_inputs; /* what comes behind are the program's inputs 1, 2, … */
    struct pln_rowprog program;
};

/* Reads attribute `epilogue` when there is one. Errors: PLN_BAD_PLAN, PLN_BAD_MODEL a program that is none or does not fit the inputs. */
enum pln_status pln_ref_epilogue_init(struct pln_call *call, struct pln_ref_epilogue *out_epilogue);

/* Makes output 0: of type dtype without an epilogue, else of the program's type; input 0 of the program is the accumulator, rounded to that
 * operand's type. dims are those of the output. */
enum pln_status pln_ref_epilogue_finish(struct pln_call *call, const struct pln_ref_epilogue *epilogue, enum pln_dtype dtype, int rank,
                                        const int64_t *dims, double *accumulators);

#endif
