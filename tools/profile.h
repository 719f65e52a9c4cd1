/* Times of a plan's steps, and what each computes and moves. */
#ifndef PLANISH_TOOLS_PROFILE_H
#define PLANISH_TOOLS_PROFILE_H

#include "model.h"

struct profile {
    int n_steps, runs;
    double *ms;       /* by step, mean of a run; bodies of loops: all their turns */
    uint64_t *counts; /* by step: how often it ran in the last run */
    double run_ms;    /* of a run with its steps timed */
};

/* Runs with every step timed: three times at least, then up to a hundred times within `budget_ms`. Inputs are bound. 0 or an exit status. */
int profile_make(const struct command *command, const struct model *model, pln_context *context, double budget_ms, struct profile *out_profile);
void profile_free(struct profile *profile);

struct step_work {
    double flops; /* multiplications and additions; NAN: not counted for this kind of step */
    double bytes; /* of all operands, each once; NAN: an extent is not known */
};

/* Of step `index` in the last run of the context. Products, convolutions and attention are counted; a multiplication and an addition are two. */
void profile_step_work(const struct model *model, pln_context *context, int index, struct step_work *out_work);

#endif
