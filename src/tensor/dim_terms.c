#include "tensor/dim_terms.h"

static bool is_normal(const struct pln_dim_node *node, enum pln_dim_op op)
{
    return node->op == op && node->c == 0;
}

/* ---- products ---- */

int pln_dim_atoms_of(const struct pln_dim_table *table, uint32_t product, uint32_t *out_atoms)
{
    int n = 0;
    if (product == PLN_DIM_ONE) return 0;
    uint32_t id = product;
    while (is_normal(&table->nodes[id], PLN_DIM_MUL) && n < PLN_DIM_MAX_ATOMS - 1) {
        out_atoms[n++] = table->nodes[id].b;
        id = table->nodes[id].a;
    }
    out_atoms[n++] = id;
    for (int i = 0; i < n / 2; i++) {
        uint32_t t = out_atoms[i];
        out_atoms[i] = out_atoms[n - 1 - i];
        out_atoms[n - 1 - i] = t;
    }
    return n;
}

bool pln_dim_product_build(struct pln_dim_table *table, const uint32_t *atoms, int n, uint32_t *out_product)
{
    *out_product = PLN_DIM_ONE;
    if (n > PLN_DIM_MAX_ATOMS) return false;
    for (int i = 0; i < n; i++) {
        *out_product = i == 0 ? atoms[0] : pln_dim_intern(table, PLN_DIM_MUL, *out_product, atoms[i], 0, 0);
        if (*out_product == UINT32_MAX) return false;
    }
    return true;
}

bool pln_dim_product_mul(struct pln_dim_table *table, uint32_t p, uint32_t q, uint32_t *out_product)
{
    uint32_t a[PLN_DIM_MAX_ATOMS], b[PLN_DIM_MAX_ATOMS], merged[2 * PLN_DIM_MAX_ATOMS];
    int n_a = pln_dim_atoms_of(table, p, a), n_b = pln_dim_atoms_of(table, q, b);
    int n = 0;
    for (int i = 0, j = 0; i < n_a || j < n_b;) {
        if (j == n_b || (i < n_a && !pln_dim_before(table, b[j], a[i]))) merged[n++] = a[i++];
        else merged[n++] = b[j++];
    }
    return pln_dim_product_build(table, merged, n, out_product);
}

bool pln_dim_product_div(struct pln_dim_table *table, uint32_t p, uint32_t q, uint32_t *out_product)
{
    uint32_t a[PLN_DIM_MAX_ATOMS], b[PLN_DIM_MAX_ATOMS], rest[PLN_DIM_MAX_ATOMS];
    int n_a = pln_dim_atoms_of(table, p, a), n_b = pln_dim_atoms_of(table, q, b);
    int n = 0, j = 0;
    for (int i = 0; i < n_a; i++) {
        if (j < n_b && a[i] == b[j]) j++;
        else rest[n++] = a[i];
    }
    *out_product = PLN_DIM_ONE;
    return j == n_b && pln_dim_product_build(table, rest, n, out_product);
}

/* ---- sums ---- */

static struct pln_dim_term term_of(const struct pln_dim_table *table, uint32_t id)
{
    const struct pln_dim_node *node = &table->nodes[id];
    int64_t coef;
    if (node->op == PLN_DIM_CONST) return (struct pln_dim_term){ node->value, PLN_DIM_ONE };
    if (is_normal(node, PLN_DIM_MUL) && pln_dim_is_const(table, node->b, &coef)) {
        return (struct pln_dim_term){ coef, node->a };
    }
    return (struct pln_dim_term){ 1, id };
}

void pln_dim_terms_of(const struct pln_dim_table *table, uint32_t id, struct pln_dim_terms *out_terms)
{
    int n = 0;
    while (is_normal(&table->nodes[id], PLN_DIM_ADD) && n < PLN_DIM_MAX_TERMS - 1) {
        out_terms->t[n++] = term_of(table, table->nodes[id].b);
        id = table->nodes[id].a;
    }
    out_terms->t[n++] = term_of(table, id);
    for (int i = 0; i < n / 2; i++) {
        struct pln_dim_term t = out_terms->t[i];
        out_terms->t[i] = out_terms->t[n - 1 - i];
        out_terms->t[n - 1 - i] = t;
    }
    out_terms->n = n == 1 && out_terms->t[0].coef == 0 ? 0 : n;
}

uint32_t pln_dim_terms_build(struct pln_dim_table *table, const struct pln_dim_terms *terms)
{
    if (terms->n == 0) return pln_dim_const(table, 0).id;
    uint32_t sum = UINT32_MAX;
    for (int i = 0; i < terms->n; i++) {
        uint32_t id = terms->t[i].product;
        if (id == PLN_DIM_ONE) {
            id = pln_dim_const(table, terms->t[i].coef).id;
        } else if (terms->t[i].coef != 1) {
            uint32_t coef = pln_dim_const(table, terms->t[i].coef).id;
            id = coef == UINT32_MAX ? coef : pln_dim_intern(table, PLN_DIM_MUL, id, coef, 0, 0);
        }
        if (id == UINT32_MAX) return UINT32_MAX;
        sum = i == 0 ? id : pln_dim_intern(table, PLN_DIM_ADD, sum, id, 0, 0);
        if (sum == UINT32_MAX) return UINT32_MAX;
    }
    return sum;
}

bool pln_dim_terms_add_one(const struct pln_dim_table *table, struct pln_dim_terms *to, int64_t k, uint32_t product)
{
    int at = 0;
    if (k == 0) return true;
    while (at < to->n && pln_dim_before(table, to->t[at].product, product)) at++;
    if (at < to->n && to->t[at].product == product) {
        if (!pln_add_i64(to->t[at].coef, k, &to->t[at].coef)) return false;
        if (to->t[at].coef == 0) {
            to->n--;
            memmove(&to->t[at], &to->t[at + 1], (size_t)(to->n - at) * sizeof(to->t[0]));
        }
        return true;
    }
    if (to->n == PLN_DIM_MAX_TERMS) return false;
    memmove(&to->t[at + 1], &to->t[at], (size_t)(to->n - at) * sizeof(to->t[0]));
    to->t[at] = (struct pln_dim_term){ k, product };
    to->n++;
    return true;
}

bool pln_dim_terms_add(const struct pln_dim_table *table, struct pln_dim_terms *to, const struct pln_dim_terms *terms, int64_t k)
{
    for (int i = 0; i < terms->n; i++) {
        int64_t coef;
        if (!pln_mul_i64(terms->t[i].coef, k, &coef)) return false;
        if (!pln_dim_terms_add_one(table, to, coef, terms->t[i].product)) return false;
    }
    return true;
}

/* A node that is left as it stands: c = 1 keeps it apart from the normal form. */
static uint32_t opaque(struct pln_dim_table *table, enum pln_dim_op op, uint32_t a, uint32_t b)
{
    if (table->failed) return UINT32_MAX;
    bool swap = pln_dim_before(table, b, a);
    return pln_dim_intern(table, op, swap ? b : a, swap ? a : b, 1, 0);
}

uint32_t pln_dim_make_sum(struct pln_dim_table *table, uint32_t a, uint32_t b, int64_t b_coef)
{
    struct pln_dim_terms sum, y;
    pln_dim_terms_of(table, a, &sum);
    pln_dim_terms_of(table, b, &y);
    if (pln_dim_terms_add(table, &sum, &y, b_coef)) return pln_dim_terms_build(table, &sum);
    if (b_coef == 1) return opaque(table, PLN_DIM_ADD, a, b);
    uint32_t coef = pln_dim_const(table, b_coef).id;
    uint32_t scaled = coef == UINT32_MAX ? coef : pln_dim_make_product(table, b, coef);
    return scaled == UINT32_MAX ? scaled : opaque(table, PLN_DIM_ADD, a, scaled);
}

/* More pairs than this make no sum of at most PLN_DIM_MAX_TERMS terms worth the time. */
#define MAX_PAIRS 256

uint32_t pln_dim_make_product(struct pln_dim_table *table, uint32_t a, uint32_t b)
{
    struct pln_dim_terms x, y, sum = { 0 };
    pln_dim_terms_of(table, a, &x);
    pln_dim_terms_of(table, b, &y);
    bool fits = x.n * y.n <= MAX_PAIRS;
    for (int i = 0; fits && i < x.n; i++) {
        for (int j = 0; fits && j < y.n; j++) {
            int64_t coef;
            uint32_t product;
            fits = pln_mul_i64(x.t[i].coef, y.t[j].coef, &coef) &&
                   pln_dim_product_mul(table, x.t[i].product, y.t[j].product, &product) &&
                   pln_dim_terms_add_one(table, &sum, coef, product);
        }
    }
    if (fits) return pln_dim_terms_build(table, &sum);
    return opaque(table, PLN_DIM_MUL, a, b);
}
