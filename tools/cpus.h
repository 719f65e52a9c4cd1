/* --cpus: the CPUs that a command runs on. */
#ifndef PLANISH_TOOLS_CPUS_H
#define PLANISH_TOOLS_CPUS_H

#include "commands.h"
#include "planish/engine.h"

#define CPUS_HELP "run on these CPUs alone, the threads of a run each on one of its own (all that the process may use)"

/* "0-3,8" in text, NULL: nothing is done. From now on the process, what it starts, and threads that it makes run on these CPUs. 0, or 2 after saying what is wrong. */
int cpus_enter(const struct command *command, const char *text);
/* Binds the threads of the pool to the CPUs of the same text, one each. 0, or 1 after saying so. */
int cpus_bind(const struct command *command, const char *text, pln_thread_pool *pool);

#endif
