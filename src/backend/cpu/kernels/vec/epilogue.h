/* What GEMM and convolution do to a tile while it is in the cache: bias, scaling and the elementwise program that was
 * fused onto them, as one program over runs of the tile's rows.
 *
 * The accumulator of a fused program (its input 0) is the op's own result, bias included. A run is a piece of one tile
 * row; each operand has a stride for the step to the next row and one for the next column, so that the same code serves
 * tiles of any layout. */
#ifndef PLN_CPU_VEC_EPILOGUE_H
#define PLN_CPU_VEC_EPILOGUE_H

#include "backend/cpu/kernels/vec/finish.h"
#include "backend/cpu/kernels/vec/program.h"
#include "kernel/kernel.h"

#define PLN_EPILOGUE_OPERANDS (PLN_ROWPROG_MAX_OPERANDS - 1)

struct pln_epilogue_operand {
    const void *data;
    bool is_bool;
    int64_t row, col;              /* strides, elements */
    int64_t strides[PLN_MAX_RANK]; /* over the dims of the output */
};

/* The common case, run in one go: at most two operands added to the accumulator, then bounds, or an activation. */
struct pln_epilogue_sum {
    bool present;
    int n_added, added[PLN_VEC_ADDED]; /* operands, in order */
    float low, high;
    bool activates;
    unsigned kind; /* enum pln_ew, of those that pln_vec_isa.rows has */
    float alpha, beta;
};

struct pln_epilogue {
    bool present;
    bool in_place; /* the result may overwrite the accumulator as it comes */
    bool out_bool;
    int n_operands; /* beside the accumulator */
    struct pln_epilogue_operand operands[PLN_EPILOGUE_OPERANDS];
    struct pln_epilogue_sum sum;
    struct pln_vec_program code;
};

/* The op's own part: result = alpha acc + beta bias. */
struct pln_epilogue_own {
    float alpha, beta;
    const struct pln_tensor *bias; /* NULL: none; f32 */
    int64_t strides[PLN_MAX_RANK]; /* of bias, over the dims of the output */
};

/* NULL: a fused program can run here; program may be NULL. */
const char *pln_epilogue_check(const struct pln_rowprog *program);
/* The type that the op gives with this program. */
enum pln_dtype pln_epilogue_dtype(const struct pln_rowprog *program);
/* operands: the program's inputs after the accumulator. Leaves row and col of the operands to the caller. Checks shapes
 * and types. */
enum pln_status pln_epilogue_prepare(const struct pln_epilogue_own *own, const struct pln_rowprog *program,
                                     const struct pln_tensor *operands, const struct pln_tensor *output,
                                     struct pln_diag *diag, struct pln_epilogue *out_epilogue);
/* Strides of a tensor aligned to the last dims of an output as NumPy broadcasts; false: it does not fit. */
bool pln_epilogue_broadcast(const struct pln_tensor *tensor, const struct pln_tensor *output, int64_t *out_strides);

size_t pln_epilogue_scratch_bytes(const struct pln_epilogue *epilogue, int64_t width);

struct pln_epilogue_run {
    const struct pln_epilogue *epilogue;
    struct pln_vec_frame frame;
    float *loaded; /* width floats an operand */
    int64_t width;
    int64_t offsets[PLN_EPILOGUE_OPERANDS]; /* of each operand for the tile's element 0,0: set by the caller */
};
void pln_epilogue_bind(const struct pln_epilogue *epilogue, const struct pln_vec_isa *isa, int64_t width, void *scratch,
                       struct pln_epilogue_run *out_run);
/* Replaces c[0..n), columns [col, col + n) of the given tile row, by the program's result; bools are left as 0.0f
 * and 1.0f. n <= width. */
void pln_epilogue_row(struct pln_epilogue_run *run, int64_t row, int64_t col, float *c, int64_t n);
/* The same of rows [row, row + rows), c_row floats apart. Narrow ones that lie one behind the other (c_row is n) become
 * runs of up to width elements, where the operands allow it: starting a program costs as much as some dozens of them. */
void pln_epilogue_rows(struct pln_epilogue_run *run, int64_t row, int64_t rows, int64_t col, float *c, int64_t c_row,
                       int64_t n);
/* May a kernel end its sums in registers instead? Once the operands' row and col are set. */
bool pln_epilogue_finishes(const struct pln_epilogue *epilogue);
/* How, from this row and column on. */
static inline void pln_epilogue_finish(const struct pln_epilogue_run *run, int64_t row, int64_t col, struct pln_vec_finish *out_finish)
{
    const struct pln_epilogue_sum *sum = &run->epilogue->sum;
    for (int i = 0; i < sum->n_added; i++) {
        const struct pln_epilogue_operand *operand = &run->epilogue->operands[sum->added[i]];
        const int64_t at = run->offsets[sum->added[i]] + row * operand->row + col * operand->col;
        out_finish->added[i].from = (const float *)operand->data + at;
        out_finish->added[i].row = operand->row;
        out_finish->added[i].col = operand->col;
    }
    out_finish->n_added = sum->n_added;
    out_finish->bounded = true;
    out_finish->low = sum->low;
    out_finish->high = sum->high;
    out_finish->activate = sum->activates ? run->frame.isa->rows[sum->kind] : NULL;
    out_finish->alpha = sum->alpha;
    out_finish->beta = sum->beta;
}
/* A width that lets narrow rows become such runs. */
#define PLN_EPILOGUE_RUN 512

#endif
