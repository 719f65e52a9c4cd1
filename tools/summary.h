/* What stands in a tensor, in a few numbers. */
#ifndef PLANISH_TOOLS_SUMMARY_H
#define PLANISH_TOOLS_SUMMARY_H

#include <stdio.h>

#include "options.h"
#include "planish/experimental/value.h"

struct summary {
    int64_t count, nans, infs;
    double min, max, mean; /* of the finite elements */
    double first[6];
    int n_first;
};

/* Element i as a number. false: it is none. */
int summary_element(const struct pln_buffer *buffer, int64_t i, double *out_value);
/* false: elements are no numbers that can be summed up (strings, complex and sub-byte types). */
int summary_make(const struct pln_buffer *buffer, struct summary *out_summary);
/* "min -1.2, max 3.4, mean 0.1; 0.5 0.25 …", or why there is none. */
void summary_print(FILE *out, const struct pln_buffer *buffer);

/* Floating-point outputs that are all zeros or all NaN. Two that agree on those prove little: a model that computes nothing agrees, too. */
struct trivial {
    struct text_list names, what; /* "zeros" or "NaN"; the names are the caller's */
};
void trivial_note(struct trivial *trivial, const char *name, const pln_host_value *value);
/* One line on stderr, if there are any. */
void trivial_warn(const struct trivial *trivial, const struct command *command);
/* "trivial_outputs":[{"name":"y","all":"zeros"}] */
void trivial_write_json(FILE *out, const struct trivial *trivial);
void trivial_free(struct trivial *trivial);

#endif
