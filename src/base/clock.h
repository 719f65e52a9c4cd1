/* Monotonic time. */
#ifndef PLN_BASE_CLOCK_H
#define PLN_BASE_CLOCK_H

#include <stdint.h>

int64_t pln_clock_ns(void);

#endif
