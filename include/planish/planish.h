/* Everything that is stable, in one include. docs/c-api.md is the guide, docs/versions.md says what may change.
 *
 * In all of these headers: a pointer must not be NULL unless its text says so (functions that return a status answer NULL for an object, a name
 * or a buffer with PLN_INVALID_ARGUMENT; out_ parameters must always be there and get a safe value first). Strings are UTF-8. Structs that
 * begin with `struct_size` want the sizeof of the struct there and are zero by default; `reserved` fields must be 0. Objects are used by one
 * thread at a time unless their text says more; different objects never disturb each other. */
#ifndef PLANISH_PLANISH_H
#define PLANISH_PLANISH_H

#include "planish/builder.h"
#include "planish/context.h"
#include "planish/device.h"
#include "planish/diagnostics.h"
#include "planish/engine.h"
#include "planish/network.h"
#include "planish/plugin.h"
#include "planish/status.h"
#include "planish/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Version of these headers: raised when a function or a field is added, so a program can ask for it at compile time. */
#define PLN_API_VERSION 0
/* Version of the library that runs, static: "0.1.0". */
PLN_API const char *pln_version(void);
/* PLN_API_VERSION of the library that runs. It has everything in headers of this version and of earlier ones with the same soname. */
PLN_API int pln_api_version(void);
/* The newest version of the plan format that it reads, and the one that it writes. It reads all from out_oldest on. */
PLN_API int pln_plan_version(int *out_oldest);

#ifdef __cplusplus
}
#endif
#endif
