/* Everything that is stable, in one include. */
#ifndef PLANISH_PLANISH_H
#define PLANISH_PLANISH_H

#include "planish/builder.h"
#include "planish/context.h"
#include "planish/diagnostics.h"
#include "planish/engine.h"
#include "planish/network.h"
#include "planish/status.h"
#include "planish/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Version of the library that runs, static: "0.1.0". */
PLN_API const char *pln_version(void);

#ifdef __cplusplus
}
#endif
#endif
