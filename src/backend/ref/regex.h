/* Regular expressions of RE2's syntax that match a whole string: literals, classes, groups, alternation, repetition, anchors, word boundaries,
 * (?i). Not: Unicode classes (\p), [[:name:]], \Q…\E, other flags.
 *
 * Source: Thompson, "Regular Expression Search Algorithm", CACM 11(6), 1968, as Cox's "Regular Expression Matching: the Virtual Machine
 * Approach" presents it. Time is at most the length of the text times the size of the program, so no pattern can hang a run. */
#ifndef PLN_BACKEND_REF_REGEX_H
#define PLN_BACKEND_REF_REGEX_H

#include "kernel/call.h"

/* Instructions that a pattern may need, repetitions written out. */
#define PLN_REGEX_MAX 8192

struct pln_regex_inst;
struct pln_regex_range;
struct pln_regex {
    struct pln_regex_inst *code;
    struct pln_regex_range *ranges;
    int32_t *threads, *next, *stack; /* PLN_REGEX_MAX + 1 each */
    uint32_t *seen;
    uint32_t generation;
    int32_t n, n_ranges;
};

/* Memory comes from the call's scratch. Errors: PLN_BAD_MODEL for a pattern that is wrong, PLN_UNSUPPORTED for what is not built. */
enum pln_status pln_regex_init(struct pln_regex *regex, struct pln_call *call, const char *pattern);
bool pln_regex_match(struct pln_regex *regex, const char *text, size_t size_bytes);

#endif
