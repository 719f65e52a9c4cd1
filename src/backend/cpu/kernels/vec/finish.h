/* How a kernel ends its sums while they are in registers: operands are added, in order, then bounds are kept. What an
 * epilogue is when it holds bias, residual, Relu or Clip. Another activation meets what the tile has stored, in the first
 * cache. */
#ifndef PLN_CPU_VEC_FINISH_H
#define PLN_CPU_VEC_FINISH_H

#include "backend/cpu/kernels/vec/vec.h"

#define PLN_VEC_ADDED 2

struct pln_vec_finish {
    /* Operands of f32 with a stride from row to row, and from column to column 1, or 0. */
    struct {
        const float *from; /* row 0, column 0 */
        int64_t row, col;
    } added[PLN_VEC_ADDED];
    int n_added;
    /* NaN stays NaN. */
    bool bounded;
    float low, high;
    pln_vec_rows_fn activate; /* NULL: none */
    float alpha, beta;
};

#endif
