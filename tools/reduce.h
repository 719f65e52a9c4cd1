/* The smallest part of a model on which two sides still differ, found by trying. */
#ifndef PLANISH_TOOLS_REDUCE_H
#define PLANISH_TOOLS_REDUCE_H

#include "outputs.h"

struct reduction {
    const struct command *command;
    const char *path, *out_path; /* the model; where the part of it goes */
    const struct model *model;   /* as the side that is judged has it */
    const struct inputs *inputs; /* of it */
    /* Builds a model for the side that is judged, or for the one that is right; with taps, every value is visible. 0 or an exit status. */
    int (*open)(const char *path, bool is_right, bool taps, struct model *out_model);
    /* The first value of `a` that differs in `b`; NULL: none does. */
    const char *(*first_wrong)(const struct outputs *a, const struct outputs *b);
};

struct reduced {
    int nodes_before, nodes_after, inputs, trials;
    char *output;      /* the value that differs; NULL: nothing does, and nothing was written */
    char folder[4400]; /* of the inputs: OUT_inputs/input_J.npy */
};

/* The model at out_path has one output and the fewest nodes that trying one cut after the other leaves; what goes into it is in a folder beside it, as the side
 * that is right computed it. 0 or an exit status after saying what went wrong. */
int reduce(const struct reduction *reduction, struct reduced *out_reduced);
void reduced_free(struct reduced *reduced);

#endif
