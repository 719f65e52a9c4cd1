/* Somebody who is told how far a piece of work is, and may stop it. */
#ifndef PLN_BASE_WATCH_H
#define PLN_BASE_WATCH_H

#include <stdint.h>

#include "planish/status.h"

struct pln_watch {
    /* done of total, in whatever unit suits the work; total 0: not known. A failure ends the work with it. */
    enum pln_status (*tell)(void *user, const char *phase, uint64_t done, uint64_t total);
    void *user;
};

/* watch NULL: nobody looks. */
static inline enum pln_status pln_watch_tell(const struct pln_watch *watch, const char *phase, uint64_t done, uint64_t total)
{
    return watch ? watch->tell(watch->user, phase, done, total) : PLN_OK;
}

#endif
