/* Every kernel row of the CPU against the reference kernel; with PLANISH_TEST_DEVICE, every row of a GPU (device.c).
 *
 * A case is a problem with values. kernel_case_run gives it to every row of its op that this machine can run and that
 * supports it: inputs end at a guard page, so does the scratch memory; outputs lie among canaries; tasks run once in
 * one piece and once one by one from the last, with the same bits; strides, packed weights and channels-last images are
 * tried where the row's flags allow them. */
#ifndef PLN_TESTS_KERNELS_HARNESS_H
#define PLN_TESTS_KERNELS_HARNESS_H

#include "kernel/paged.h"

#define CASE_INPUTS 12

enum fill { FILL_PLAIN, FILL_SPECIAL, FILL_POSITIVE, FILL_EQUAL };

struct case_input {
    bool present, constant;
    enum pln_dtype dtype;
    int rank;
    int64_t dims[PLN_MAX_RANK];
    enum fill fill;
    const void *values; /* elements of this type; NULL: random */
    const void *wrong;  /* what rows see in their place, for a fault that the reference would refuse; NULL: the same */
};

struct kernel_case {
    const char *name;
    unsigned op, kind;
    struct pln_attrs attrs;
    struct pln_arena arena; /* of the attributes */
    int n_inputs, n_outputs;
    struct case_input inputs[CASE_INPUTS];
    bool has_epilogue, has_program;
    struct pln_rowprog epilogue, program;
    double rtol, atol; /* 0: those of the op's class */
    const struct pln_paged *paged; /* of attention, arrays in host memory; NULL: none. A mask has rank 4 or 0 */
    const char *fault;             /* what runs must fail with; NULL: they go well */
    bool whole; /* however sources are thinned out (device.c), of those that run none goes without this case */
    bool tf32; /* for rows that round to tf32: f32 inputs 0 and 1 are such numbers, so that sums are as exact as others */
};

void kernel_case_init(struct kernel_case *c, const char *name, unsigned op, unsigned kind);
void kernel_case_deinit(struct kernel_case *c);
/* Adds an f32 input; dims as a list ended by -1. */
struct case_input *kernel_case_input(struct kernel_case *c, int rank, const int64_t *dims);
/* Adds `acc -> relu(acc + x1)` as epilogue, x1 of these dims broadcasting to an output of out_rank. */
void kernel_case_add_relu(struct kernel_case *c, int out_rank, int rank, const int64_t *dims);
/* Adds `acc -> clip(acc, low, high)` as epilogue. */
void kernel_case_add_clip(struct kernel_case *c, int out_rank, double low, double high);
/* Adds `acc -> kind(acc)` as epilogue, with alpha 0.75 and beta 0.25 where the function has them. */
void kernel_case_add_function(struct kernel_case *c, int out_rank, enum pln_ew kind);
void kernel_case_run(struct kernel_case *c);

/* The cases are for a slow tool (tool.c): loops over values alone may be cut short. */
bool kernel_cases_few(void);

/* Rows of the op that have run no case although this machine could run them: must be none at the end. */
int kernel_rows_untested(unsigned op);

#endif
