/* Running a case in every way, and comparing. */
#ifndef TESTS_FUZZ_RANDOM_CHECK_H
#define TESTS_FUZZ_RANDOM_CHECK_H

#include "case.h"

enum random_verdict { RANDOM_PASSED, RANDOM_FAILED, RANDOM_SKIPPED };

/* Builds and runs the case of a seed on `ref`, optimized on `device`, without any pass, and without each of `passes` passes (negative: every one of them). What is
 * wrong goes to stdout. */
enum random_verdict random_check(uint64_t seed, const char *device, int passes);
/* A pass whose result the builds of what is checked falsify, to see that it is noticed; NULL: none. */
void random_break(const char *pass);
/* The reference's outputs, and the case, in the ONNX backend layout: DIR/seed-N/model.onnx, test_data_set_0 … for each shape. 0: done. */
int random_write(uint64_t seed, const char *folder);

/* What one engine gave: result[step][output], each with memory of its own. */
#define CHECK_STEPS (CASE_RUNS + 1) /* every shape, and the first one again */
struct random_result {
    enum pln_dtype dtype;
    int rank;
    int64_t dims[16];
    int64_t count;
    void *data;
};
struct random_results {
    struct random_result of[CHECK_STEPS][CASE_OUTPUTS];
    char error[512]; /* "" when all went well */
};
/* disabled: passes to leave out, ended by NULL; NULL: all passes run. */
void random_run(const struct random_case *made, const char *device, const char *const *disabled, struct random_results *out);
void random_results_free(struct random_results *results);
int random_step_run(const struct random_case *made, int step); /* which run's inputs a step has; -1: no such step */

#endif
