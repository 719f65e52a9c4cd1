/* One random model, as bytes that any runtime may be given, with inputs for it and what is known of its outputs. The same seed always gives the same case. */
#ifndef TESTS_FUZZ_RANDOM_CASE_H
#define TESTS_FUZZ_RANDOM_CASE_H

#include "base/text.h"
#include "planish/types.h"

#define CASE_RUNS 3 /* a model with symbolic dims is run at so many shapes, on one context */
#define CASE_RANK 8
#define CASE_INPUTS 64
#define CASE_OUTPUTS 24
#define CASE_NAME 24

struct random_input {
    char name[CASE_NAME];
    enum pln_dtype dtype;
    int rank;
    int64_t dims[CASE_RUNS][CASE_RANK];
    int64_t count[CASE_RUNS];
    void *data[CASE_RUNS]; /* malloc'ed, count[run] elements */
};

struct random_output {
    char name[CASE_NAME];
    enum pln_dtype dtype;
    int rank;
    int64_t dims[CASE_RUNS][CASE_RANK];
    bool open[CASE_RANK]; /* only the run knows the extent: dims has the most */
    double lo, hi;        /* of all elements, but for roundings */
    double apart;         /* two right implementations differ by at most this, in any element (make.h says how it is derived); 0: not at all */
};

struct random_case {
    uint64_t seed;
    struct pln_text model;
    struct pln_text ops; /* "Add Conv …": for reports */
    int runs, nodes;
    bool wild; /* inputs hold NaN and infinities: bounds say nothing */
    int input_count, output_count;
    struct random_input input[CASE_INPUTS];
    struct random_output output[CASE_OUTPUTS];
};

/* false: no memory. */
bool random_case_make(uint64_t seed, struct random_case *out);
void random_case_free(struct random_case *made);

#endif
