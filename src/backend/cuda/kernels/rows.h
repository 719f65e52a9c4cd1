/* Ops as row programs: one family runs them all.
 *
 * For each op a function (rows_make.c, rows_norm.c, rows_reduce.c, rows_along.c) says what program it is, from what both the build side and the run know of its operands; then
 * the program is printed (rows_print.c) and its iteration laid out (rows_plan.c) in one way. */
#ifndef PLN_BACKEND_CUDA_KERNELS_ROWS_H
#define PLN_BACKEND_CUDA_KERNELS_ROWS_H

#include "backend/cuda/device/rows_params.h"
#include "backend/cuda/family.h"

/* An operand as a problem and a launch know it. */
struct pln_rows_shape {
    bool present;
    enum pln_dtype dtype;
    int rank;
    const struct pln_tensor *tensor; /* of a launch; a problem: NULL */
};

struct pln_rows_op {
    unsigned op, kind;
    const struct pln_attrs *attrs;
    const struct pln_rowprog *program, *epilogue; /* row_program; instance_norm */
    int n_inputs, n_outputs;
    struct pln_rows_shape inputs[PLN_ROWPROG_MAX_OPERANDS], outputs[PLN_ROWPROG_MAX_OPERANDS];
};

/* A program, which operand of the op each of its operands is, and how many of its last axes are the row. It is as kernel/rowprog.h says but for this: a row
 * may have several axes, of which an operand may walk some; what walks none has one value a row. */
struct pln_rows_work {
    struct pln_rowprog program;
    int n_row_axes; /* at least 1 */
    uint8_t input_of[PLN_ROWPROG_MAX_OPERANDS], output_of[PLN_ROWPROG_MAX_OPERANDS];
    /* Of what is no program: source that defines pln_row (device/rows.cuh), of which the program has the operands only. "": a program. */
    char body[320];
    int64_t extra[3]; /* parameters of the body */
    int cut_axis;     /* dim of the op's outputs that the body walks by itself, as extra says; -1: none */
    /* Where groups is not 0: the dim of each operand, or -1, that the program sees as two: so many groups, and their members (1 and 1 where its extent is 1). */
    int64_t groups;
    int8_t input_split[PLN_ROWPROG_MAX_OPERANDS], output_split[PLN_ROWPROG_MAX_OPERANDS];
};

/* Fills *out (zeroed but for n_row_axes 1, cut_axis -1) for an op; NULL, or why it cannot be done. The program made for a launch is printed as that made for its problem. */
typedef const char *(*pln_rows_make_fn)(const struct pln_rows_op *op, struct pln_rows_work *out);
const char *pln_rows_make_program(const struct pln_rows_op *op, struct pln_rows_work *out);
const char *pln_rows_make_elementwise(const struct pln_rows_op *op, struct pln_rows_work *out);
const char *pln_rows_make_cast(const struct pln_rows_op *op, struct pln_rows_work *out);
const char *pln_rows_make_softmax(const struct pln_rows_op *op, struct pln_rows_work *out);
const char *pln_rows_make_layer_norm(const struct pln_rows_op *op, struct pln_rows_work *out);
const char *pln_rows_make_instance_norm(const struct pln_rows_op *op, struct pln_rows_work *out);
const char *pln_rows_make_batch_norm(const struct pln_rows_op *op, struct pln_rows_work *out);
const char *pln_rows_make_reduce(const struct pln_rows_op *op, struct pln_rows_work *out);
const char *pln_rows_make_arg_reduce(const struct pln_rows_op *op, struct pln_rows_work *out);
const char *pln_rows_make_topk(const struct pln_rows_op *op, struct pln_rows_work *out);
const char *pln_rows_make_cumulate(const struct pln_rows_op *op, struct pln_rows_work *out);

/* ---- building programs: each returns the register of its result ---- */

/* Input number `number` of the op, rank dims; axes: iteration axis to dim, or -1. */
uint8_t pln_rows_input(struct pln_rows_work *work, int number, const struct pln_rows_shape *shape, const int8_t *axes);
void pln_rows_output(struct pln_rows_work *work, int number, const struct pln_rows_shape *shape, const int8_t *axes, uint8_t reg);
/* An instruction with its sources in place. */
uint8_t pln_rows_instr(struct pln_rows_work *work, struct pln_rowprog_instr instr);
/* c, b: 255 where the function takes fewer. */
uint8_t pln_rows_ew(struct pln_rows_work *work, enum pln_ew kind, enum pln_dtype dtype, uint8_t pass, uint8_t a, uint8_t b);
uint8_t pln_rows_cast(struct pln_rows_work *work, enum pln_dtype from, enum pln_dtype to, uint8_t pass, uint8_t a); /* a itself if they are the same */
uint8_t pln_rows_constant(struct pln_rows_work *work, enum pln_dtype dtype, uint8_t pass, double value);
uint8_t pln_rows_reduce(struct pln_rows_work *work, enum pln_reduce kind, enum pln_dtype dtype, uint8_t pass, uint8_t a);
/* Dims of an operand of `rank` as NumPy broadcasts them to an iteration of `to` axes. */
void pln_rows_broadcast(int rank, int to, int8_t *out_axes);

/* ---- what all of them share ---- */

/* Does an operand walk the row? */
bool pln_rows_walks(const struct pln_rows_work *work, const struct pln_rowprog_operand *operand);
/* Has the program reductions, outputs of one value a row, or a body? Else each element is computed alone. */
bool pln_rows_by_rows(const struct pln_rows_work *work);
/* The source of its kernel. */
void pln_rows_print(const struct pln_rows_work *work, int threads, struct pln_text *out);
/* Lays the iteration out. tensors: the program's inputs; its outputs. */
enum pln_status pln_rows_plan(const char *name, const struct pln_rows_work *work, const struct pln_tensor *const *inputs, const struct pln_tensor *outputs, int threads, struct pln_diag *diag,
                              struct pln_cuda_rows_params *out_params, int64_t *out_tasks);

#endif
