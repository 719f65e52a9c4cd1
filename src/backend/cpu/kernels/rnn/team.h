/* Threads that work through the phases of a job together, each phase cut into at most 32 slices.
 *
 * A thread may join at any time, or never: whoever is there claims slices until none is left. It waits at the end of a phase only for slices that others
 * have claimed and so are computing; a thread that the system does not let in delays nobody, and one alone does all of the work. Zeroed memory is a
 * team that has not begun. */
#ifndef PLN_CPU_RNN_TEAM_H
#define PLN_CPU_RNN_TEAM_H

#include "base/base.h"

#define PLN_TEAM_SLICES 32

struct pln_team {
    _Alignas(64) uint64_t word; /* the number of the phase, above a bit for each slice of it that is claimed */
    uint32_t done;              /* slices of the phase that are ready */
};

/* The phase that the team is in. */
uint32_t pln_team_phase(const struct pln_team *team);
/* A slice of the phase that nobody has claimed, the first one from `home` on, around the end; -1: none, or the phase is over. */
int pln_team_claim(struct pln_team *team, uint32_t phase, int n_slices, int home);
/* A claimed slice is ready. The last one of the phase begins the next. */
void pln_team_finish(struct pln_team *team, uint32_t phase, int n_slices);
/* Waits until the phase is over. Returns the one that the team is in then. */
uint32_t pln_team_wait(const struct pln_team *team, uint32_t phase);

#endif
