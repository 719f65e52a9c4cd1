/* What went wrong, in words: the list behind a status code. */
#ifndef PLANISH_DIAGNOSTICS_H
#define PLANISH_DIAGNOSTICS_H

#include "planish/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A list of at most 16 messages. Owned by the caller; handed to functions that create things, which add to it. One thread at a time. */
typedef struct pln_diag pln_diagnostics;

struct pln_message {
    enum pln_status status;
    const char *text;       /* one or more sentences: what, why, what to do */
    const char *node;       /* name of the ONNX node, or "" */
    const char *op;         /* its operator type, or "" */
    int64_t node_index;     /* its place in the model's graph, or -1 */
    uint64_t reserved[4];
};

/* NULL: no memory. */
PLN_API pln_diagnostics *pln_diagnostics_create(void);
PLN_API void pln_diagnostics_destroy(pln_diagnostics *diagnostics); /* NULL is fine */
/* Messages in the list. */
PLN_API int pln_diagnostics_count(const pln_diagnostics *diagnostics);
/* Message i; its strings live until the list changes. PLN_NOT_FOUND: there is no such message. */
PLN_API PLN_MUST_USE enum pln_status pln_diagnostics_get(const pln_diagnostics *diagnostics, int i, struct pln_message *out_message);
/* Forgets them all. */
PLN_API void pln_diagnostics_clear(pln_diagnostics *diagnostics);

#ifdef __cplusplus
}
#endif
#endif
