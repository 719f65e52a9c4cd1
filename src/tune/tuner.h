/* The tuner: which kernel rows are worth measuring, within how much time, and which one a problem gets.
 *
 * A graph is lowered twice. The first time the tuner collects problems, equal ones once; then it measures what the timings do not know, what takes most of a run
 * first, until the budget is spent; the second time it picks by the timings. Candidates are the rows whose estimate is within three times the best one's, or all of
 * them, as long as they want an image in the same order: what changing the order costs is not seen in one kernel alone. Where any of them cannot be measured here, the
 * estimates choose. What was left out for lack of time is noted in the timings, so that the next build does as this one did. */
#ifndef PLN_TUNE_TUNER_H
#define PLN_TUNE_TUNER_H

#include "base/watch.h"
#include "lower/lower.h"
#include "tune/measure.h"
#include "tune/timings.h"

typedef struct pln_measured (*pln_tuner_measure)(void *user, const struct pln_kernel *kernel, const struct pln_problem *problem, double limit_ns);

struct pln_tuner_options {
    bool full;                  /* all candidates, also those that an earlier build had no time for */
    int64_t budget_ns;          /* of all measuring */
    uint64_t features;          /* of the machine that measures */
    struct pln_hash128 machine; /* all that a time depends on beside the row and the problem */
    struct pln_timings *timings;
    pln_tuner_measure measure;
    void *measure_user;
};

/* Distinct problems with a choice, by what decided. */
struct pln_tuner_counts {
    int measured, found, estimated;
};

struct pln_tuner {
    struct pln_tuner_options options;
    struct pln_arena arena;
    struct pln_map by_key;
    struct pln_tuned **tuned; /* in the order of the graph */
    size_t n, capacity;
    struct pln_tuner_counts counts;
    bool failed; /* no memory */
};

void pln_tuner_init(struct pln_tuner *tuner, const struct pln_tuner_options *options, const struct pln_allocator *alloc);
void pln_tuner_deinit(struct pln_tuner *tuner);
/* pln_lower_pick's, the first time: the cheapest estimate, remembering the problem until pln_tuner_run, so long as what it points to must live. */
size_t pln_tuner_collect(void *user, const struct pln_problem *usual, const struct pln_candidate *candidates, size_t n);
/* Measures. Errors: PLN_NO_MEMORY; those of the watch, which is told problems. */
enum pln_status pln_tuner_run(struct pln_tuner *tuner, const struct pln_watch *watch, struct pln_diag *diag);
/* pln_lower_pick's, the second time: by what is in the timings then. */
size_t pln_tuner_pick(void *user, const struct pln_problem *usual, const struct pln_candidate *candidates, size_t n);

#endif
