#include "planish/planish.h"

#include "base/base.h"
#include "plan/format.h"

/* What bindings in other languages count on. */
static_assert(sizeof(enum pln_status) == 4 && sizeof(enum pln_dtype) == 4 && sizeof(enum pln_value_kind) == 4 && sizeof(enum pln_memory_kind) == 4, "enums are as wide as int");
static_assert(offsetof(struct pln_build_options, struct_size) == 0 && offsetof(struct pln_engine_options, struct_size) == 0 && offsetof(struct pln_context_options, struct_size) == 0 &&
                  offsetof(struct pln_state_options, struct_size) == 0 && offsetof(struct pln_enqueue_options, struct_size) == 0,
              "config structs begin with their size");

const char *pln_version(void)
{
    return PLN_VERSION_TEXT;
}

int pln_api_version(void)
{
    return PLN_API_VERSION;
}

int pln_plan_version(int *out_oldest)
{
    *out_oldest = PLN_PLAN_OLDEST;
    return PLN_PLAN_VERSION;
}
