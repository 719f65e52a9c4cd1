#include "tune/evict.h"

#define LINE_BYTES 64 /* where lines are longer, one is flushed twice */

static void evict_line(const char *line)
{
#if defined(__x86_64__)
    __builtin_ia32_clflush(line);
#elif defined(__aarch64__)
    __asm__ volatile("dc civac, %0" : : "r"(line) : "memory");
#else
    (void)line;
#endif
}

/* What runs next finds none of it on its way. */
static void wait_for_lines(void)
{
#if defined(__x86_64__)
    __builtin_ia32_mfence();
#elif defined(__aarch64__)
    __asm__ volatile("dsb ish" : : : "memory");
#endif
}

void pln_evict(const void *memory, size_t size_bytes)
{
    const char *bytes = memory;
    for (size_t at = 0; at < size_bytes; at += LINE_BYTES) evict_line(bytes + at);
    wait_for_lines();
}
