/* The inputs of a run: from files or random. */
#ifndef PLANISH_TOOLS_INPUTS_H
#define PLANISH_TOOLS_INPUTS_H

#include "model.h"

struct inputs {
    pln_host_value **values; /* by index of the engine's inputs */
    struct pln_tensor_info *infos; /* with every dim known, for tensors */
    int count;
};

/* Reads `name=FILE` for each of files (.npy, .npz, .pb, or .bin: raw bytes of the shape from --shapes and --dim); inputs without a file are random
 * when random is true. files may also be one folder alone, as inputs_read_set takes it. Prints what is wrong; 0 or an exit status. */
int inputs_make(const struct command *command, const struct model *model, const struct model_options *options, const struct text_list *files, bool random, struct inputs *out_inputs);
/* The inputs of a test_data_set folder: input_0.pb, input_1.pb, …, or .npy, as inputs_save writes them. */
int inputs_read_set(const struct command *command, const struct model *model, const char *folder, struct inputs *out_inputs);
int inputs_bind(const struct command *command, const struct inputs *inputs, pln_context *context);
/* FOLDER/input_J.npy. */
int inputs_save(const struct command *command, const struct inputs *inputs, const char *folder);
void inputs_free(struct inputs *inputs);
/* "x 1x3x224x224 f32, mask …" into buffer. */
const char *inputs_describe(const struct inputs *inputs, char *buffer, size_t buffer_bytes);

#endif
