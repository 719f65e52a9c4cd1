/* Row programs in f32 (bool operands are read and written too): op row_program, and op elementwise as a program of one
 * instruction.
 *
 * Programs without reductions walk blocks of a few hundred elements, of whole rows where rows are short; axes that all
 * operands walk alike are one, and the innermost is that of the output. Programs with reductions take whole rows, several at a
 * time where they are short. All strides are taken; an output may be the memory of an input that it has the strides of. micro: gives a struct
 * pln_vec_isa. tile[0]: lanes of a vector. */
#ifndef PLN_CPU_ROWPROG_H
#define PLN_CPU_ROWPROG_H

#include "backend/cpu/kernels/vec/program.h"
#include "kernel/kernel.h"

extern const struct pln_kernel_family pln_cpu_rowprog;
extern const struct pln_kernel_family pln_cpu_elementwise;

/* What micro is. */
typedef const struct pln_vec_isa *(*pln_vec_isa_fn)(void);

#define PLN_ROWPROG_OPERANDS_MAX (2 * PLN_ROWPROG_MAX_OPERANDS)

struct pln_rowprog_place {
    char *data;
    enum pln_dtype dtype;
    bool is_bool;
    bool is_empty; /* no element may be read */
    bool repeats; /* inputs: the same elements in every block */
    int64_t outer[PLN_MAX_RANK], row, col;
};

struct pln_rowprog_state {
    const struct pln_vec_isa *isa;
    bool by_rows; /* whole rows a task */
    int n_outer;
    int64_t outer[PLN_MAX_RANK];
    int64_t rows, cols;
    int64_t block_rows, block_cols;
    int64_t n_row_blocks, n_col_blocks;
    int n_inputs, n_places; /* inputs, then outputs */
    bool written[PLN_ROWPROG_MAX_OPERANDS]; /* outputs: the instruction may write where the output is, if that is dense */
    bool direct[PLN_ROWPROG_MAX_OPERANDS];  /* it is */
    struct pln_rowprog_place places[PLN_ROWPROG_OPERANDS_MAX];
    uint8_t born[PLN_ROWPROG_MAX_OPERANDS]; /* outputs: the pass that makes them */
    struct pln_vec_program code;
};

/* Fills the iteration: axes merged and cut into blocks. inputs and outputs as the program's. */
enum pln_status pln_rowprog_plan(const char *name, const struct pln_rowprog *program, const struct pln_tensor *inputs,
                                 const struct pln_tensor *outputs, struct pln_diag *diag,
                                 struct pln_rowprog_state *state);
/* The same for other extents and places of the program that state was planned for. */
enum pln_status pln_rowprog_place(const char *name, const struct pln_rowprog *program, const struct pln_tensor *inputs,
                                  const struct pln_tensor *outputs, struct pln_diag *diag,
                                  struct pln_rowprog_state *state);
/* Op elementwise, or a cast, as a program of one instruction. NULL, or why it is none. inputs: those that are there, in order. */
const char *pln_elementwise_of_problem(const struct pln_problem *problem, struct pln_rowprog *out_program);
const char *pln_elementwise_of_launch(const struct pln_launch *launch, struct pln_rowprog *out_program, struct pln_tensor inputs[3]);
/* A task: the block's rows and columns (of those that go by rows, of its first pass), and where it begins in each operand, in elements. */
void pln_rowprog_block(const struct pln_rowprog_state *state, int64_t task, int64_t *at, int64_t *out_rows, int64_t *out_cols);
int64_t pln_rowprog_tasks(const struct pln_rowprog_state *state, int64_t *out_grain);
size_t pln_rowprog_scratch_bytes(const struct pln_rowprog_state *state);
void pln_rowprog_run(const void *state, int64_t first, int64_t last, void *scratch, void *shared);

#endif
