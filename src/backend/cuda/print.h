/* Row programs as CUDA C, piece by piece: what print.c puts together for epilogues and kernels/rowprog.c for kernels of their own.
 *
 * Register k is a variable rK of the C type of its values (pln_cuda_value_type). Functions come from device/elementwise.cuh. */
#ifndef PLN_BACKEND_CUDA_PRINT_H
#define PLN_BACKEND_CUDA_PRINT_H

#include "backend/cuda/family.h"

/* The C type in which values of an element type are computed: "float" for f16, bf16 and f32, "bool" for bool, else pln_cuda_type. NULL: none. */
const char *pln_cuda_value_type(enum pln_dtype dtype);
/* Element types of the program's registers: inputs' and instructions'. 0 (none) where nothing is written. */
void pln_cuda_program_types(const struct pln_rowprog *program, enum pln_dtype out_types[PLN_ROWPROG_MAX_REGS]);
/* The expression that an instruction (elementwise or constant) computes, rounded to its type. types: of pln_cuda_program_types. */
void pln_cuda_print_expression(const struct pln_rowprog_instr *instr, const enum pln_dtype *types, struct pln_text *out);
/* A value of a type as a C expression, after the rounding or wrapping that a constant of a program goes through. */
void pln_cuda_print_constant(enum pln_dtype dtype, double value, struct pln_text *out);

#endif
