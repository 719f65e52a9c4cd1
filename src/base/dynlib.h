/* Libraries that are found at run time, never linked. */
#ifndef PLN_BASE_DYNLIB_H
#define PLN_BASE_DYNLIB_H

#include "base/base.h"

struct pln_dynlib {
    void *handle;
};
/* Tries the names in order (NULL ends the list). PLN_NOT_FOUND with the loader's last reason. */
enum pln_status pln_dynlib_open(const char *const *names, struct pln_diag *diag, struct pln_dynlib *out_lib);
/* The same, but when the environment variable is set, the library that it names and no other. */
enum pln_status pln_dynlib_open_named(const char *variable, const char *const *names, struct pln_diag *diag, struct pln_dynlib *out_lib);
void pln_dynlib_close(struct pln_dynlib *lib);
/* NULL: no such symbol. */
void *pln_dynlib_symbol(const struct pln_dynlib *lib, const char *name);

#endif
