/* Host values, as the runtime's files see them: the public functions and what is inside. */
#ifndef PLN_RUNTIME_VALUE_H
#define PLN_RUNTIME_VALUE_H

#include "kernel/host_value.h"
#include "planish/experimental/value.h"

#endif
