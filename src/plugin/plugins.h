/* The set of custom operators, seen from inside. The functions for programs are in planish/plugin.h. */
#ifndef PLN_PLUGIN_PLUGINS_H
#define PLN_PLUGIN_PLUGINS_H

#include <stdatomic.h>

#include "base/arena.h"
#include "base/dynlib.h"
#include "planish/plugin.h"

struct pln_plugins {
    atomic_int refs;
    struct pln_allocator alloc;
    struct pln_arena arena;
    const struct pln_plugin **items; /* sorted by domain, name, version; each stays where it is */
    size_t count, capacity;
    struct pln_dynlib *libraries;
    size_t n_libraries, libraries_capacity;
};

void pln_plugins_retain(struct pln_plugins *plugins);
/* The one that is good for a version of the domain; NULL: none. plugins may be NULL. */
const struct pln_plugin *pln_plugins_find(const struct pln_plugins *plugins, const char *domain, const char *name, int64_t version);

/* What a function of somebody else's returned: is it one of our codes? */
static inline bool pln_plugins_is_status(enum pln_status status)
{
    return (unsigned)status <= PLN_INTERNAL;
}

#endif
