#include "tensor/dim_terms.h"

int64_t pln_dim_floor_div(int64_t a, int64_t b)
{
    int64_t q = a / b;
    return a % b < 0 ? q - 1 : q;
}

/* Division that rounds down for any signs; operands are known, so neither is INT64_MIN. */
static int64_t floor_div_any(int64_t a, int64_t b)
{
    if (b == 0) return 0;
    return b > 0 ? pln_dim_floor_div(a, b) : pln_dim_floor_div(-a, -b);
}

/* The remainder has b's sign; a - b * quotient could overflow on the way. */
static int64_t floor_mod(int64_t a, int64_t b)
{
    if (b == 0) return 0;
    int64_t r = a % b;
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

int64_t pln_dim_fold(enum pln_dim_op op, int64_t a, int64_t b, int64_t c)
{
    int64_t r = PLN_DIM_UNKNOWN;
    if (op == PLN_DIM_SELECT) {
        if (a == PLN_DIM_UNKNOWN) return PLN_DIM_UNKNOWN;
        return a != 0 ? b : c;
    }
    if (a == PLN_DIM_UNKNOWN || b == PLN_DIM_UNKNOWN) return PLN_DIM_UNKNOWN;
    switch (op) {
    case PLN_DIM_ADD: return pln_add_i64(a, b, &r) ? r : PLN_DIM_UNKNOWN;
    case PLN_DIM_MUL: return pln_mul_i64(a, b, &r) ? r : PLN_DIM_UNKNOWN;
    case PLN_DIM_FLOORDIV: return floor_div_any(a, b);
    case PLN_DIM_CEILDIV: return -floor_div_any(-a, b);
    case PLN_DIM_MOD: return floor_mod(a, b);
    case PLN_DIM_MIN: return PLN_MIN(a, b);
    case PLN_DIM_MAX: return PLN_MAX(a, b);
    case PLN_DIM_BROADCAST: return b == 1 ? a : a == 1 ? b : a;
    case PLN_DIM_EQ: return a == b;
    case PLN_DIM_LT: return a < b;
    case PLN_DIM_CONST:
    case PLN_DIM_SYMBOL:
    case PLN_DIM_SELECT: break;
    }
    return PLN_DIM_UNKNOWN;
}

void pln_dim_eval_all(const struct pln_dim_node *nodes, size_t count, const int64_t *symbol_values, int64_t *out_values)
{
    for (size_t i = 0; i < count; i++) {
        const struct pln_dim_node *node = &nodes[i];
        if (node->op == PLN_DIM_CONST) {
            out_values[i] = node->value;
        } else if (node->op == PLN_DIM_SYMBOL) {
            out_values[i] = symbol_values[node->a];
        } else if (node->op == PLN_DIM_SELECT) {
            out_values[i] = pln_dim_fold(node->op, out_values[node->a], out_values[node->b], out_values[node->c]);
        } else {
            out_values[i] = pln_dim_fold(node->op, out_values[node->a], out_values[node->b], 0);
        }
    }
}
