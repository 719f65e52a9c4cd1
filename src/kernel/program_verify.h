/* What the files of the program's verification share. */
#ifndef PLN_KERNEL_PROGRAM_VERIFY_H
#define PLN_KERNEL_PROGRAM_VERIFY_H

#include "kernel/program.h"

#define PLN_PROGRAM_MAX_DEVICES 64
#define PLN_PROGRAM_MAX_DEPTH 64     /* of nested blocks: as deep as the runtime goes */
#define PLN_PROGRAM_MAX_OPERANDS 65536

struct pln_program_check {
    const struct pln_program *program;
    struct pln_diag *diag;
    struct pln_arena arena;
    uint32_t *step_block; /* by step: its block */
};

/* "the plan is not sound: WHAT ID WHY". */
enum pln_status pln_program_bad(const struct pln_program_check *check, const char *what, uint32_t id, const char *why);
/* Every step, in the order of a run, once the tables are known to be in range. */
enum pln_status pln_program_check_steps(struct pln_program_check *check);

#endif
