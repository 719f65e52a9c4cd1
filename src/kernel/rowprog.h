/* Row programs: small fused elementwise-and-reduction programs (DESIGN §6).
 *
 * Iteration space: `rank` axes; the last one is the row. Operands are tensors; operand axis maps say which dim of the operand each
 * iteration axis walks (-1: none, it is repeated along that axis); a dim of extent 1 is repeated, too, as NumPy broadcasts. The
 * extent of an axis is the largest over all operands that walk it (all others are equal to it or 1; 0 wins over 1).
 *
 * A program runs its instructions for every element of a row, pass by pass: all of pass 0 over the whole row, then pass 1, and so
 * on. A reduction's result is a scalar of the row, known from the next pass on. Registers that are written in one pass and read
 * in a later one are kept for the whole row (or computed again, as the executor likes; both give the same bits).
 *
 * As an epilogue (attribute `epilogue` of matmul, conv, …) the iteration space is that of the output and input 0 is the accumulator;
 * then there are no reductions.
 *
 * Serialized form: the fields of the structs below in their order, without padding, little-endian; only the entries that are used, and of `axis` only
 * the iteration's axes. pln_rowprog_read verifies everything. What it cannot say yet (slices, padding, a gathered index, Welford, argmax) raises
 * the version. */
#ifndef PLN_KERNEL_ROWPROG_H
#define PLN_KERNEL_ROWPROG_H

#include "base/text.h"
#include "kernel/op.h"
#include "tensor/tensor.h"

#define PLN_ROWPROG_VERSION 1
#define PLN_ROWPROG_MAX_OPERANDS 16 /* inputs, and outputs: each */
#define PLN_ROWPROG_MAX_INSTRS 64
#define PLN_ROWPROG_MAX_REGS 64 /* one an instruction and input; never reused, so a register is a name */
/* The most of an epilogue: the op's own part, its bias and factors, joins them where it is run. */
#define PLN_ROWPROG_EPILOGUE_OPERANDS (PLN_ROWPROG_MAX_OPERANDS - 1) /* inputs, with the accumulator */
#define PLN_ROWPROG_EPILOGUE_INSTRS   (PLN_ROWPROG_MAX_INSTRS - 5)
#define PLN_ROWPROG_EPILOGUE_REGS     (PLN_ROWPROG_MAX_REGS - 6)

struct pln_rowprog_operand {
    uint8_t dtype; /* enum pln_dtype */
    uint8_t reg;   /* inputs: the register that holds the element; outputs: the register stored */
    uint8_t rank;  /* of the operand's tensor */
    int8_t axis[PLN_MAX_RANK]; /* iteration axis -> operand dim, or -1; entries [0, program.rank) */
};

enum pln_rowprog_code {
    PLN_ROWPROG_EW = 0,     /* dst = kind(src…), kind is enum pln_ew */
    PLN_ROWPROG_CONST = 1,  /* dst = imm */
    PLN_ROWPROG_REDUCE = 2, /* dst (row scalar) = kind over the row of src[0]; kind is enum pln_reduce */
};

struct pln_rowprog_instr {
    uint8_t code; /* enum pln_rowprog_code */
    uint8_t kind;
    uint8_t dtype; /* of the result; arithmetic is done in it (floats narrower than f32 in f32, rounded when stored) */
    uint8_t pass;  /* never decreasing */
    uint8_t dst;
    uint8_t src[3]; /* 255: left out */
    float alpha, beta;
    double imm;
};

struct pln_rowprog {
    uint16_t version;
    uint8_t rank; /* 1..PLN_MAX_RANK */
    uint8_t n_inputs, n_outputs, n_instrs, n_regs, n_passes;
    struct pln_rowprog_operand inputs[PLN_ROWPROG_MAX_OPERANDS];
    struct pln_rowprog_operand outputs[PLN_ROWPROG_MAX_OPERANDS];
    struct pln_rowprog_instr instrs[PLN_ROWPROG_MAX_INSTRS];
};

/* Checks counts, registers (defined before use, each once), passes, types, axes. text: why not, or NULL when it is sound. */
const char *pln_rowprog_verify(const struct pln_rowprog *program);
/* Compact serialized form: header, then only the entries used. */
void pln_rowprog_write(const struct pln_rowprog *program, struct pln_text *out);
/* Errors: PLN_INCOMPATIBLE of another version; PLN_BAD_PLAN. */
enum pln_status pln_rowprog_read(const void *data, size_t size_bytes, struct pln_diag *diag, struct pln_rowprog *out_program);
/* `add(x0, x1) relu -> y0`, one line. */
void pln_rowprog_print(const struct pln_rowprog *program, struct pln_text *out);

/* Extents of the iteration space from the operands' dims; false when they do not fit together. tensors: inputs, then outputs (outputs
 * may be NULL: then only inputs count). */
bool pln_rowprog_extents(const struct pln_rowprog *program, const struct pln_tensor *const *inputs, int64_t *out_extents);

/* One element of one elementwise function, as the reference computes it: arithmetic in f64 for floats (result not yet rounded to
 * dtype), in int64 or uint64 for integers. */
double pln_ew_f64(unsigned kind, double a, double b, double c, float alpha, float beta);
int64_t pln_ew_i64(unsigned kind, int64_t a, int64_t b, int64_t c, bool is_unsigned);

#endif
