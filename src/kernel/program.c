/* Looking things up in a program. */
#include "kernel/program.h"

const struct pln_weight *pln_program_find_weight(const struct pln_program *program, const char *name)
{
    for (uint32_t i = program->n_weights; i-- > 0;)
        if (program->weights[i].name && pln_str_equal(program->weights[i].name, name)) return &program->weights[i];
    return NULL;
}
