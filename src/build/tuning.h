/* A build that measures kernels: the tuner, the timing cache, the device. What is measured, and when, stands in tune/tuner.h. */
#ifndef PLN_BUILD_TUNING_H
#define PLN_BUILD_TUNING_H

#include "build/cache.h"
#include "planish/builder.h"
#include "tune/tuner.h"

struct pln_tuning {
    const struct pln_build_options *options;
    struct pln_arena arena; /* of the lowering whose problems are measured */
    struct pln_timings timings;
    struct pln_measurer measurer;
    struct pln_tuner tuner;
    char path[PLN_CACHE_PATH_BYTES]; /* of the timing cache; "": there is none */
};

/* Whether there is anything to tune: the caller wants it, and the backend's kernels are functions of this library. */
bool pln_tuning_wanted(const struct pln_build_options *options, const struct pln_backend *backend);
/* Reads the timing cache: the file that is named, else the one of this machine and library in the folder of caches, else none. One that is damaged is a
 * warning. end is called after an error, too. Errors: PLN_INVALID_ARGUMENT: the file that was named is something else, or cannot be opened; the device's. */
enum pln_status pln_tuning_begin(struct pln_tuning *tuning, const struct pln_build_options *options, const struct pln_backend *backend, const struct pln_allocator *alloc);
/* After the tuner has collected: measures, and merges the result with the timing cache, so that what is picked is what the next build picks. A cache that cannot be
 * written is a warning. Fills options->tune_report. Errors: PLN_CANCELLED; PLN_NO_MEMORY. */
enum pln_status pln_tuning_measure(struct pln_tuning *tuning, const struct pln_watch *watch);
void pln_tuning_end(struct pln_tuning *tuning);

#endif
