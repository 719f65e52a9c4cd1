/* Cases in the layout of the ONNX backend tests: judging one, and many of them in processes beside this one. */
#ifndef PLANISH_TOOLS_CHECK_H
#define PLANISH_TOOLS_CHECK_H

#include "model.h"

struct check_options {
    const char *device, *tune, *timing_cache;
    bool no_cache;
    long max_memory; /* bytes of a process; 0: no limit */
    struct text_list disabled; /* passes, ended by NULL once the options are read */
    struct text_list plugins;  /* files, */
    pln_plugins *loaded;       /* and what was loaded from them; NULL: nothing */
    double rtol, atol, max_rel_err;
    long jobs;          /* processes at a time, 1 to CHECK_MAX_JOBS */
    long process_cases; /* cases of one process at most; 0: as check_process_cases says */
    long timeout;       /* seconds for a case */
    long seed;
    struct device_options on;
};

enum { CHECK_MAX_JOBS = 64, CHECK_WHY_BYTES = 1200 };

struct check_verdict {
    bool passed;
    double worst;              /* largest relative error of what was compared */
    char why[CHECK_WHY_BYTES]; /* "stage: what was wrong"; empty if it passed */
};

/* What a process keeps from one case to the next: threads, and the last engine until there is another one, so that the device stays open (a context of a
 * GPU takes longer than most cases). Begins as { options }. */
struct check_runner {
    const struct check_options *options;
    pln_thread_pool *pool;
    pln_engine *last;
};

/* Builds and runs the case in `folder`. */
void check_case(struct check_runner *runner, const char *folder, struct check_verdict *out_verdict);
void check_runner_deinit(struct check_runner *runner);

/* How many cases a process takes on a device where the user does not say. */
long check_process_cases(const char *device);
/* All cases, each in one of options->jobs processes. A process that dies or hangs ends the case it is at, no other one: if it had cases before, that case runs
 * once more in a process of its own, whose verdict counts. After a case that failed a new process goes on, for a device may be left in any state. */
void check_cases(const struct check_options *options, const struct text_list *folders, struct check_verdict *verdicts);

#endif
