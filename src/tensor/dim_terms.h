/* Inside of the symbolic extents, shared by the dim*.c files only.
 *
 * Normal form: a sum of terms, each a coefficient times a product. A product is PLN_DIM_ONE, an atom, or a left chain of MUL nodes
 * over atoms in ascending order; atoms are all nodes but CONST and the ADD and MUL of the normal form. In the table a term is
 * `product` or MUL(product, CONST), a sum is a left chain of ADD over terms with ascending products, the constant last. So every
 * product and every sum has exactly one id.
 *
 * The order (pln_dim_before) depends on the symbols' order and on structure only, not on ids: a table that is written and read
 * again, or built in another order, prints the same. */
#ifndef PLN_TENSOR_DIM_TERMS_H
#define PLN_TENSOR_DIM_TERMS_H

#include "tensor/dim.h"

#define PLN_DIM_ONE UINT32_MAX /* the empty product */
#define PLN_DIM_MAX_TERMS 64
#define PLN_DIM_MAX_ATOMS 32

struct pln_dim_term {
    int64_t coef; /* never 0 */
    uint32_t product;
};
struct pln_dim_terms {
    int n;
    struct pln_dim_term t[PLN_DIM_MAX_TERMS];
};
struct pln_dim_range {
    int64_t lower, upper;
};

/* The value of one node from those of its operands (CONST and SYMBOL excepted). PLN_DIM_UNKNOWN: overflow, or an operand unknown. */
int64_t pln_dim_fold(enum pln_dim_op op, int64_t a, int64_t b, int64_t c);
int64_t pln_dim_floor_div(int64_t a, int64_t b); /* b > 0 */

/* The one node with these fields. UINT32_MAX: no memory. */
uint32_t pln_dim_intern(struct pln_dim_table *table, enum pln_dim_op op, uint32_t a, uint32_t b, uint32_t c, int64_t value);
bool pln_dim_before(const struct pln_dim_table *table, uint32_t a, uint32_t b);
struct pln_dim_range pln_dim_node_range(const struct pln_dim_table *table, uint32_t id);
bool pln_dim_is_const(const struct pln_dim_table *table, uint32_t id, int64_t *out_value);

void pln_dim_terms_of(const struct pln_dim_table *table, uint32_t id, struct pln_dim_terms *out_terms);
uint32_t pln_dim_terms_build(struct pln_dim_table *table, const struct pln_dim_terms *terms);
/* to += k * product, or k * terms. false: overflow or too many terms; to is then spoilt. */
bool pln_dim_terms_add_one(const struct pln_dim_table *table, struct pln_dim_terms *to, int64_t k, uint32_t product);
bool pln_dim_terms_add(const struct pln_dim_table *table, struct pln_dim_terms *to, const struct pln_dim_terms *terms, int64_t k);
struct pln_dim_range pln_dim_terms_range(const struct pln_dim_table *table, const struct pln_dim_terms *terms);

/* Atoms of a product, ascending; their number, at most PLN_DIM_MAX_ATOMS. */
int pln_dim_atoms_of(const struct pln_dim_table *table, uint32_t product, uint32_t *out_atoms);
/* false: too many atoms, or no memory. */
bool pln_dim_product_build(struct pln_dim_table *table, const uint32_t *atoms, int n, uint32_t *out_product);
bool pln_dim_product_mul(struct pln_dim_table *table, uint32_t p, uint32_t q, uint32_t *out_product);
/* p / q where every atom of q is in p. */
bool pln_dim_product_div(struct pln_dim_table *table, uint32_t p, uint32_t q, uint32_t *out_product);

/* The operations on resolved operands. UINT32_MAX: no memory. */
uint32_t pln_dim_make(struct pln_dim_table *table, enum pln_dim_op op, uint32_t a, uint32_t b, uint32_t c);
uint32_t pln_dim_make_sum(struct pln_dim_table *table, uint32_t a, uint32_t b, int64_t b_coef);
uint32_t pln_dim_make_product(struct pln_dim_table *table, uint32_t a, uint32_t b);

#endif
