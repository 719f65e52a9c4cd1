#include "cpus.h"

#include <ctype.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_CPUS = 8192 }; /* as many as Linux can be built for on x86-64 */

struct cpus {
    int numbers[MOST_CPUS], n;
};

static bool read_number(const char **at, long *out)
{
    char *end;
    if (!isdigit((unsigned char)**at)) return false;
    errno = 0;
    *out = strtol(*at, &end, 10);
    *at = end;
    return errno == 0 && *out < MOST_CPUS;
}

/* "0-3,8" in this order, each once. */
static bool parse(const char *text, struct cpus *out)
{
    bool known[MOST_CPUS] = { false };
    out->n = 0;
    for (const char *at = text;; at++) {
        long first, last;
        if (!read_number(&at, &first)) return false;
        last = first;
        if (*at == '-' && (at++, !read_number(&at, &last) || last < first)) return false;
        for (; first <= last; first++) {
            if (!known[first]) out->numbers[out->n++] = (int)first;
            known[first] = true;
        }
        if (*at == '\0') return out->n > 0;
        if (*at != ',') return false;
    }
}

/* Of those that the process has now: to be there is refused by the system only where none is left. */
static int first_missing(const struct cpus *cpus, const cpu_set_t *usable, size_t set_bytes)
{
    for (int i = 0; i < cpus->n; i++)
        if (!CPU_ISSET_S((size_t)cpus->numbers[i], set_bytes, usable)) return cpus->numbers[i];
    return -1;
}

int cpus_enter(const struct command *command, const char *text)
{
    static struct cpus cpus;
    if (!text) return 0;
    if (!parse(text, &cpus)) return command_fail(command, 2, "--cpus wants numbers and ranges of CPUs, such as 0-3,8, not '%s'", text);
    cpu_set_t *usable = CPU_ALLOC(MOST_CPUS), *wanted = CPU_ALLOC(MOST_CPUS);
    const size_t set_bytes = CPU_ALLOC_SIZE(MOST_CPUS);
    int status = 0;
    if (usable && wanted && sched_getaffinity(0, set_bytes, usable) == 0) {
        const int missing = first_missing(&cpus, usable, set_bytes);
        CPU_ZERO_S(set_bytes, wanted);
        for (int i = 0; i < cpus.n; i++) CPU_SET_S((size_t)cpus.numbers[i], set_bytes, wanted);
        if (missing >= 0) status = command_fail(command, 2, "--cpus %s: this process may not use CPU %d, or there is none", text, missing);
        else if (sched_setaffinity(0, set_bytes, wanted) != 0) status = command_fail(command, 2, "--cpus %s: %s", text, strerror(errno));
    } else status = command_fail(command, 2, "--cpus %s: %s", text, strerror(errno));
    CPU_FREE(usable);
    CPU_FREE(wanted);
    return status;
}

int cpus_bind(const struct command *command, const char *text, pln_thread_pool *pool)
{
    static struct cpus cpus;
    if (!text || !parse(text, &cpus) || pln_thread_pool_bind(pool, cpus.numbers, cpus.n) == PLN_OK) return 0;
    return command_fail(command, 1, "--cpus %s: the threads cannot be bound to these CPUs", text);
}
