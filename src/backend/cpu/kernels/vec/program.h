/* Row programs compiled for the vector functions: registers become runs of f32 in scratch memory, or splats.
 *
 * Life: pln_vec_compile in prepare (the result is plain data and stays in the state); pln_vec_bind once a range of
 * tasks; then, for each run of elements, set the places of inputs and outputs and call pln_vec_run. */
#ifndef PLN_CPU_VEC_PROGRAM_H
#define PLN_CPU_VEC_PROGRAM_H

#include "backend/cpu/kernels/vec/vec.h"
#include "kernel/rowprog.h"

struct pln_vec_program {
    uint8_t n_inputs, n_outputs, n_instrs, n_regs, n_passes;
    uint8_t n_slots;     /* runs of one block */
    uint8_t n_row_slots; /* runs of one row: registers that a later pass reads */
    uint8_t input_reg[PLN_ROWPROG_MAX_OPERANDS], output_reg[PLN_ROWPROG_MAX_OPERANDS];
    uint8_t slot[PLN_ROWPROG_MAX_REGS]; /* of registers that instructions write; PLN_VEC_NO_SLOT: a splat or an input */
    bool row[PLN_ROWPROG_MAX_REGS];     /* the slot is a row slot */
    bool splat[PLN_ROWPROG_MAX_REGS];   /* one value a row */
    struct pln_rowprog_instr instrs[PLN_ROWPROG_MAX_INSTRS];
};
#define PLN_VEC_NO_SLOT 255

/* NULL: the program can run here; else why not. Checks types (f32 and bool), functions and reductions (sum, mean, max,
 * min, sum_square, l2); the program has been verified. */
const char *pln_vec_check(const struct pln_rowprog *program);
/* For programs that pass pln_vec_check. */
void pln_vec_compile(const struct pln_rowprog *program, struct pln_vec_program *out_program);

/* Scratch bytes for runs of at most block elements in rows of row elements (row 0: there are no row slots in use). */
size_t pln_vec_scratch_bytes(const struct pln_vec_program *program, int64_t block, int64_t row);

struct pln_vec_frame {
    const struct pln_vec_program *program;
    const struct pln_vec_isa *isa;
    const float *read[PLN_ROWPROG_MAX_REGS];
    size_t step[PLN_ROWPROG_MAX_REGS];
    float *write[PLN_ROWPROG_MAX_REGS];
    double total[PLN_ROWPROG_MAX_INSTRS]; /* of reductions, up to here */
    /* A run of several rows, each whole: a splat then holds a value for each, except where `same` says that they are
     * one. Room for three runs is in spread. */
    int64_t rows;
    bool same[PLN_ROWPROG_MAX_REGS];
    float *spread;
};
/* The most rows of a run. */
#define PLN_VEC_ROWS PLN_VEC_SPLAT

/* scratch: pln_vec_scratch_bytes, aligned to 64. Fills the constants; runs are of one row. */
void pln_vec_bind(const struct pln_vec_program *program, const struct pln_vec_isa *isa, int64_t block, int64_t row,
                  void *scratch, struct pln_vec_frame *out_frame);
/* The splat of a value that register reg holds. */
void pln_vec_set_splat(struct pln_vec_frame *frame, unsigned reg, float value);
/* Runs the instructions of one pass over n elements at element `at` of the row, or over frame->rows rows. Inputs are read
 * where frame->read says. */
void pln_vec_run(struct pln_vec_frame *frame, unsigned pass, int64_t at, int64_t n);
/* After the last block of a pass over one row of n_row elements: makes the results of reductions known. */
void pln_vec_end_pass(struct pln_vec_frame *frame, unsigned pass, int64_t n_row);

#endif
