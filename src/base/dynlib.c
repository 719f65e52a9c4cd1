#include "base/dynlib.h"

#include <dlfcn.h>
#include <stdlib.h>

enum pln_status pln_dynlib_open(const char *const *names, struct pln_diag *diag, struct pln_dynlib *out_lib)
{
    const char *reason = NULL;
    out_lib->handle = NULL;
    for (size_t i = 0; names[i] != NULL; i++) {
        out_lib->handle = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
        if (out_lib->handle != NULL) return PLN_OK;
        reason = dlerror();
    }
    return pln_fail(diag, PLN_NOT_FOUND, "cannot load %s: %s", names[0] != NULL ? names[0] : "a library",
                    reason != NULL ? reason : "no name given");
}

enum pln_status pln_dynlib_open_named(const char *variable, const char *const *names, struct pln_diag *diag, struct pln_dynlib *out_lib)
{
    const char *name = getenv(variable);
    const char *const only[] = { name, NULL };
    return pln_dynlib_open(name != NULL && *name != '\0' ? only : names, diag, out_lib);
}

void pln_dynlib_close(struct pln_dynlib *lib)
{
    if (lib->handle != NULL) dlclose(lib->handle);
    lib->handle = NULL;
}

void *pln_dynlib_symbol(const struct pln_dynlib *lib, const char *name)
{
    return lib->handle != NULL ? dlsym(lib->handle, name) : NULL;
}
