#define _GNU_SOURCE
#include "backend/cpu/kernels/rnn/team.h"

#include <sched.h>

/* Turns of a spin loop, some microseconds, before the thread lets others run: slices take as long. */
#define SPINS 512

static inline void spin_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

uint32_t pln_team_phase(const struct pln_team *team)
{
    return (uint32_t)(__atomic_load_n(&team->word, __ATOMIC_ACQUIRE) >> 32);
}

int pln_team_claim(struct pln_team *team, uint32_t phase, int n_slices, int home)
{
    const uint32_t all = n_slices == PLN_TEAM_SLICES ? UINT32_MAX : ((uint32_t)1 << n_slices) - 1;
    uint64_t word = __atomic_load_n(&team->word, __ATOMIC_RELAXED);
    for (;;) {
        const uint32_t left = all & ~(uint32_t)word, behind = left & (UINT32_MAX << home);
        if ((uint32_t)(word >> 32) != phase || left == 0) return -1;
        const int slice = __builtin_ctz(behind != 0 ? behind : left);
        if (__atomic_compare_exchange_n(&team->word, &word, word | (uint64_t)1 << slice, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) return slice;
    }
}

void pln_team_finish(struct pln_team *team, uint32_t phase, int n_slices)
{
    if (__atomic_add_fetch(&team->done, 1, __ATOMIC_ACQ_REL) != (uint32_t)n_slices) return;
    __atomic_store_n(&team->done, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&team->word, (uint64_t)(phase + 1) << 32, __ATOMIC_RELEASE);
}

uint32_t pln_team_wait(const struct pln_team *team, uint32_t phase)
{
    uint32_t now = pln_team_phase(team);
    for (int spins = 0; now == phase; now = pln_team_phase(team)) {
        if (spins++ < SPINS)
            spin_pause();
        else
            sched_yield();
    }
    return now;
}
