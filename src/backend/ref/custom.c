/* Custom operators: the functions that programs register. */
#include "kernel/call.h"

enum pln_status pln_ref_custom(struct pln_call *call)
{
    return pln_custom_run(call);
}

enum pln_status pln_ref_custom_pure(struct pln_call *call)
{
    return pln_custom_run(call);
}
