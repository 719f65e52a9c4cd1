/* What the numbers of sub-kinds mean, as one number. */
#include "base/hash.h"
#include "plan/plan.h"

/* One name at a time through the hash: the seed of each is what came before. */
static bool add_names(unsigned op, uint32_t n, uint64_t *hash)
{
    const struct pln_kind_row *rows = pln_op_kinds(op);
    for (uint32_t i = 0; i < n; i++) {
        if (!rows || !rows[i].name) return false;
        *hash = pln_hash64(rows[i].name, strlen(rows[i].name) + 1, *hash);
    }
    return true;
}

bool pln_plan_vocabulary(uint32_t n_elementwise, uint32_t n_reduce, uint64_t *out_hash)
{
    *out_hash = 0;
    return add_names(PLN_OP_ELEMENTWISE, n_elementwise, out_hash) && add_names(PLN_OP_REDUCE, n_reduce, out_hash);
}
