/* Saving a plan that may be large. Still moving: may change in any version. In libplanish, not in libplanish_rt. */
#ifndef PLANISH_EXPERIMENTAL_SAVE_H
#define PLANISH_EXPERIMENTAL_SAVE_H

#include "planish/builder.h"

#ifdef __cplusplus
extern "C" {
#endif

/* pln_engine_save that tells how far it is, in the phase "write the plan". progress NULL: nobody is told. Errors: those of pln_engine_save; PLN_CANCELLED by
 * progress, which leaves nothing behind. */
PLN_API PLN_MUST_USE enum pln_status pln_engine_save_watched(const pln_engine *engine, const char *path, pln_progress progress, void *user, pln_diagnostics *diagnostics);

#ifdef __cplusplus
}
#endif
#endif
