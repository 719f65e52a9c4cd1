/* The engine explorer: one page, without network, that shows a plan or two. */
#ifndef PLANISH_TOOLS_EXPLORE_H
#define PLANISH_TOOLS_EXPLORE_H

#include "profile.h"
#include "roof.h"

struct explored {
    const char *path;
    const struct model *model;
    pln_context *context;    /* after a run; NULL: none was made, extents are as the plan has them */
    struct profile profile;  /* n_steps 0: not measured */
    struct roof roof;
    bool has_roof;
    const char *why;         /* why nothing was measured, for people */
};

/* Writes the page to `path` (under its own name only when complete). 0 or an exit status. */
int explore_write(const struct command *command, const char *path, const struct explored *plans, int count);

#endif
