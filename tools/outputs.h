/* Values of a run by name: outputs and taps, kept for comparing. */
#ifndef PLANISH_TOOLS_OUTPUTS_H
#define PLANISH_TOOLS_OUTPUTS_H

#include "inputs.h"

struct named_value {
    char *name;
    int occurrence; /* 0 for the first of that name; bodies of loops give more */
    pln_host_value *value;
};

struct outputs {
    struct named_value *items; /* in the order of the run */
    int count;
};

/* Takes the value. false: no memory. */
bool outputs_add(struct outputs *outputs, const char *name, pln_host_value *take_value);
/* NULL: none. */
const struct named_value *outputs_find(const struct outputs *outputs, const char *name, int occurrence);
/* Runs the model once on the inputs and copies its outputs; with taps, every tapped value, too. 0 or an exit status. */
int outputs_run(const struct command *command, const struct model *model, const struct inputs *inputs, struct outputs *out_outputs, struct outputs *out_taps);
/* output_J.pb of a test_data_set folder, under the names of the model's outputs. */
int outputs_read_set(const struct command *command, const struct model *model, const char *folder, struct outputs *out_outputs);
void outputs_free(struct outputs *outputs);

#endif
