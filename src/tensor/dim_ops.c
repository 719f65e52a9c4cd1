#include "tensor/dim_terms.h"

/* ---- division ---- */

static bool exact_div(int64_t a, int64_t b, int64_t *out)
{
    *out = 0;
    if (b == -1) return pln_sub_i64(0, a, out);
    if (b == 0 || a % b != 0) return false;
    *out = a / b;
    return true;
}

static uint64_t magnitude(int64_t v)
{
    return v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
}

static uint64_t gcd(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t r = a % b;
        a = b;
        b = r;
    }
    return a;
}

/* One step of long division: takes a multiple of y out of rest that removes a term of it. */
static bool divide_step(struct pln_dim_table *table, struct pln_dim_terms *rest, const struct pln_dim_terms *y,
                        struct pln_dim_terms *quotient)
{
    int64_t coef = 0;
    uint32_t product = PLN_DIM_ONE;
    int at = 0;
    while (at < rest->n && !(exact_div(rest->t[at].coef, y->t[0].coef, &coef) &&
                             pln_dim_product_div(table, rest->t[at].product, y->t[0].product, &product)))
        at++;
    int64_t minus;
    if (at == rest->n || !pln_sub_i64(0, coef, &minus) || !pln_dim_terms_add_one(table, quotient, coef, product)) return false;
    for (int j = 0; j < y->n; j++) {
        int64_t k;
        uint32_t p;
        if (!pln_mul_i64(minus, y->t[j].coef, &k) || !pln_dim_product_mul(table, product, y->t[j].product, &p)) return false;
        if (!pln_dim_terms_add_one(table, rest, k, p)) return false;
    }
    return true;
}

/* x / y when it goes without remainder, whatever the symbols are (but y is not 0). */
static bool divide_exactly(struct pln_dim_table *table, const struct pln_dim_terms *x, const struct pln_dim_terms *y,
                           struct pln_dim_terms *quotient)
{
    struct pln_dim_terms rest = *x;
    quotient->n = 0;
    if (y->n == 0) return false;
    for (int step = 0; rest.n && step < PLN_DIM_MAX_TERMS; step++) {
        if (!divide_step(table, &rest, y, quotient)) return false;
    }
    return rest.n == 0;
}

/* Takes the atoms that every term of x shares with the one term of y out of both. */
static bool cancel_atoms(struct pln_dim_table *table, struct pln_dim_terms *x, struct pln_dim_terms *y)
{
    uint32_t atoms[PLN_DIM_MAX_ATOMS];
    int n = pln_dim_atoms_of(table, y->t[0].product, atoms);
    for (int i = 0; i < n; i++) {
        struct pln_dim_terms less = { 0 };
        bool all = true;
        for (int j = 0; all && j < x->n; j++) {
            uint32_t product;
            all = pln_dim_product_div(table, x->t[j].product, atoms[i], &product) &&
                  pln_dim_terms_add_one(table, &less, x->t[j].coef, product);
        }
        if (!all) continue;
        *x = less;
        if (!pln_dim_product_div(table, y->t[0].product, atoms[i], &y->t[0].product)) return false;
    }
    return true;
}

/* Splits x into whole * k + rest, and divides rest and k by what they have in common. k > 0. */
static bool split_multiples(const struct pln_dim_table *table, struct pln_dim_terms *x, int64_t *k, struct pln_dim_terms *whole)
{
    struct pln_dim_terms rest = { 0 };
    uint64_t common = (uint64_t)*k;
    int64_t constant = 0;
    whole->n = 0;
    for (int i = 0; i < x->n; i++) {
        int64_t coef = x->t[i].coef, q = pln_dim_floor_div(coef, *k);
        bool is_constant = x->t[i].product == PLN_DIM_ONE;
        if ((is_constant || coef % *k == 0) && !pln_dim_terms_add_one(table, whole, q, x->t[i].product)) return false;
        if (is_constant) {
            constant = coef - q * *k;
        } else if (coef % *k != 0) {
            if (!pln_dim_terms_add_one(table, &rest, coef, x->t[i].product)) return false;
            common = gcd(common, magnitude(coef));
        }
    }
    for (int i = 0; i < rest.n; i++) rest.t[i].coef /= (int64_t)common;
    if (rest.n && !pln_dim_terms_add_one(table, &rest, constant / (int64_t)common, PLN_DIM_ONE)) return false;
    *k /= (int64_t)common;
    *x = rest;
    return true;
}

static uint32_t divide_floor(struct pln_dim_table *table, uint32_t a, uint32_t b);

/* ((u / c) + d) / k = (u + d*c) / (c*k) for c, k > 0. UINT32_MAX: not of that form, or no memory. */
static uint32_t merge_nested(struct pln_dim_table *table, const struct pln_dim_terms *rest, int64_t k)
{
    int64_t c, d = 0, ck, dc;
    if (rest->n < 1 || rest->n > 2 || rest->t[0].coef != 1 || rest->t[0].product == PLN_DIM_ONE) return UINT32_MAX;
    if (rest->n == 2 && rest->t[1].product != PLN_DIM_ONE) return UINT32_MAX;
    if (rest->n == 2) d = rest->t[1].coef;
    struct pln_dim_node inner = table->nodes[rest->t[0].product];
    if (inner.op != PLN_DIM_FLOORDIV || !pln_dim_is_const(table, inner.b, &c) || c <= 0) return UINT32_MAX;
    if (!pln_mul_i64(c, k, &ck) || !pln_mul_i64(d, c, &dc)) return UINT32_MAX;
    uint32_t add = pln_dim_const(table, dc).id, by = pln_dim_const(table, ck).id;
    if (add == UINT32_MAX || by == UINT32_MAX) return UINT32_MAX;
    uint32_t sum = pln_dim_make_sum(table, inner.a, add, 1);
    return sum == UINT32_MAX ? sum : divide_floor(table, sum, by);
}

static uint32_t divide_by_const(struct pln_dim_table *table, struct pln_dim_terms *x, int64_t k)
{
    struct pln_dim_terms whole;
    if (!split_multiples(table, x, &k, &whole)) return UINT32_MAX;
    if (x->n == 0) return pln_dim_terms_build(table, &whole);
    uint32_t part = merge_nested(table, x, k);
    if (part == UINT32_MAX) {
        uint32_t top = pln_dim_terms_build(table, x), by = pln_dim_const(table, k).id;
        if (top == UINT32_MAX || by == UINT32_MAX) return UINT32_MAX;
        part = pln_dim_intern(table, PLN_DIM_FLOORDIV, top, by, 0, 0);
    }
    uint32_t sum = pln_dim_terms_build(table, &whole);
    if (part == UINT32_MAX || sum == UINT32_MAX) return UINT32_MAX;
    return pln_dim_make_sum(table, sum, part, 1);
}

static bool negate(struct pln_dim_terms *x)
{
    for (int i = 0; i < x->n; i++) {
        if (!pln_sub_i64(0, x->t[i].coef, &x->t[i].coef)) return false;
    }
    return true;
}

static uint32_t divide_floor(struct pln_dim_table *table, uint32_t a, uint32_t b)
{
    struct pln_dim_terms x, y, quotient;
    pln_dim_terms_of(table, a, &x);
    pln_dim_terms_of(table, b, &y);
    if (x.n == 0 || y.n == 0) return pln_dim_const(table, 0).id;
    if (divide_exactly(table, &x, &y, &quotient)) return pln_dim_terms_build(table, &quotient);
    bool single = y.n == 1 && cancel_atoms(table, &x, &y);
    if (single && y.t[0].coef < 0) single = negate(&x) && negate(&y);
    if (single && y.t[0].product == PLN_DIM_ONE) {
        uint32_t id = divide_by_const(table, &x, y.t[0].coef);
        if (id != UINT32_MAX || table->failed) return id;
    }
    if (single) {
        uint32_t top = pln_dim_terms_build(table, &x), by = pln_dim_terms_build(table, &y);
        if (top == UINT32_MAX || by == UINT32_MAX) return UINT32_MAX;
        a = top;
        b = by;
    }
    return table->failed ? UINT32_MAX : pln_dim_intern(table, PLN_DIM_FLOORDIV, a, b, 0, 0);
}

/* Rounding up by a constant is rounding down of a shifted sum, so that (h + 1) / 2 has one form. */
static uint32_t divide_ceil(struct pln_dim_table *table, uint32_t a, uint32_t b)
{
    struct pln_dim_terms x, y, quotient;
    int64_t k;
    pln_dim_terms_of(table, a, &x);
    pln_dim_terms_of(table, b, &y);
    if (x.n == 0 || y.n == 0) return pln_dim_const(table, 0).id;
    if (divide_exactly(table, &x, &y, &quotient)) return pln_dim_terms_build(table, &quotient);
    if (pln_dim_is_const(table, b, &k) && k > 0) {
        uint32_t shift = pln_dim_const(table, k - 1).id;
        uint32_t sum = shift == UINT32_MAX ? shift : pln_dim_make_sum(table, a, shift, 1);
        return sum == UINT32_MAX ? sum : divide_floor(table, sum, b);
    }
    return table->failed ? UINT32_MAX : pln_dim_intern(table, PLN_DIM_CEILDIV, a, b, 0, 0);
}

static uint32_t modulo(struct pln_dim_table *table, uint32_t a, uint32_t b)
{
    struct pln_dim_terms x, y, quotient, rest = { 0 };
    int64_t k;
    pln_dim_terms_of(table, a, &x);
    pln_dim_terms_of(table, b, &y);
    if (x.n == 0 || y.n == 0) return pln_dim_const(table, 0).id;
    if (divide_exactly(table, &x, &y, &quotient)) return pln_dim_const(table, 0).id;
    if (pln_dim_is_const(table, b, &k) && k > 0) {
        bool fits = true;
        for (int i = 0; i < x.n; i++) {
            int64_t coef = x.t[i].coef % k;
            if (coef < 0 && x.t[i].product == PLN_DIM_ONE) coef += k;
            fits = fits && pln_dim_terms_add_one(table, &rest, coef, x.t[i].product);
        }
        uint32_t reduced = fits ? pln_dim_terms_build(table, &rest) : a;
        if (reduced == UINT32_MAX) return UINT32_MAX;
        struct pln_dim_range range = pln_dim_terms_range(table, &rest);
        if (fits && range.lower >= 0 && range.upper < k) return reduced;
        a = reduced;
    }
    return table->failed ? UINT32_MAX : pln_dim_intern(table, PLN_DIM_MOD, a, b, 0, 0);
}

/* ---- minimum, maximum, broadcast: idempotent, commutative, associative ---- */

#define MAX_LEAVES 16

/* Bounds of x - y. */
static struct pln_dim_range difference(const struct pln_dim_table *table, uint32_t x, uint32_t y)
{
    struct pln_dim_terms d, t;
    pln_dim_terms_of(table, x, &d);
    pln_dim_terms_of(table, y, &t);
    if (!pln_dim_terms_add(table, &d, &t, -1)) return (struct pln_dim_range){ INT64_MIN, INT64_MAX };
    return pln_dim_terms_range(table, &d);
}

static bool never_one(struct pln_dim_range range)
{
    return range.lower > 1 || range.upper < 1;
}

/* Is x the smaller one of y and numbers above 0? Then the two broadcast to y: where x is less than y, and not 1 with it, they do not fit. */
static bool capped(const struct pln_dim_table *table, uint32_t x, uint32_t y)
{
    bool found = false;
    for (int i = 0; i < MAX_LEAVES && table->nodes[x].op == PLN_DIM_MIN; i++, x = table->nodes[x].a) {
        uint32_t leaf = table->nodes[x].b;
        if (leaf != y && !(pln_dim_node_range(table, leaf).lower >= 1)) return false;
        found = found || leaf == y;
    }
    return x == y || (found && pln_dim_node_range(table, x).lower >= 1);
}

/* Whichever of x and y op always gives, as far as is known; else UINT32_MAX. */
static uint32_t winner(const struct pln_dim_table *table, enum pln_dim_op op, uint32_t x, uint32_t y)
{
    int64_t value;
    if (x == y) return x;
    if (op == PLN_DIM_BROADCAST) {
        bool x_const = pln_dim_is_const(table, x, &value);
        if (x_const) return value == 1 ? y : x;
        if (pln_dim_is_const(table, y, &value)) return value == 1 ? x : y;
        if (capped(table, x, y)) return y;
        if (capped(table, y, x)) return x;
        if (never_one(pln_dim_node_range(table, x))) return x;
        return never_one(pln_dim_node_range(table, y)) ? y : UINT32_MAX;
    }
    struct pln_dim_range d = difference(table, x, y);
    if (d.lower >= 0) return op == PLN_DIM_MAX ? x : y;
    if (d.upper <= 0) return op == PLN_DIM_MAX ? y : x;
    return UINT32_MAX;
}

static bool insert_leaf(const struct pln_dim_table *table, enum pln_dim_op op, uint32_t *leaves, int *n, uint32_t leaf)
{
    for (int i = 0; i < *n;) {
        uint32_t wins = winner(table, op, leaves[i], leaf);
        if (wins == leaves[i]) return true;
        if (wins == leaf) leaves[i] = leaves[--*n];
        else i++;
    }
    if (*n == MAX_LEAVES) return false;
    leaves[(*n)++] = leaf;
    return true;
}

static void sort_ids(const struct pln_dim_table *table, uint32_t *ids, int n)
{
    for (int i = 1; i < n; i++) {
        for (int j = i; j > 0 && pln_dim_before(table, ids[j], ids[j - 1]); j--) {
            uint32_t t = ids[j];
            ids[j] = ids[j - 1];
            ids[j - 1] = t;
        }
    }
}

static uint32_t make_lattice(struct pln_dim_table *table, enum pln_dim_op op, uint32_t a, uint32_t b)
{
    uint32_t leaves[MAX_LEAVES], sides[2] = { a, b };
    int n = 0;
    bool fits = true;
    for (int side = 0; side < 2; side++) {
        uint32_t id = sides[side];
        for (int i = 0; i < MAX_LEAVES && table->nodes[id].op == op; i++, id = table->nodes[id].a) {
            fits = fits && insert_leaf(table, op, leaves, &n, table->nodes[id].b);
        }
        fits = fits && insert_leaf(table, op, leaves, &n, id);
    }
    if (!fits) return pln_dim_intern(table, op, a, b, 0, 0);
    sort_ids(table, leaves, n);
    uint32_t id = leaves[0];
    for (int i = 1; i < n && id != UINT32_MAX; i++) id = pln_dim_intern(table, op, id, leaves[i], 0, 0);
    return id;
}

/* ---- comparisons, choice ---- */

static uint32_t compare(struct pln_dim_table *table, enum pln_dim_op op, uint32_t a, uint32_t b)
{
    struct pln_dim_range d = difference(table, a, b);
    if (a == b) return pln_dim_const(table, op == PLN_DIM_EQ).id;
    if (d.lower > 0 || (op == PLN_DIM_LT && d.lower >= 0)) return pln_dim_const(table, 0).id;
    if (d.upper < 0) return pln_dim_const(table, op == PLN_DIM_LT).id;
    if (op == PLN_DIM_EQ && pln_dim_before(table, b, a)) return pln_dim_intern(table, op, b, a, 0, 0);
    return pln_dim_intern(table, op, a, b, 0, 0);
}

static uint32_t choose(struct pln_dim_table *table, uint32_t c, uint32_t a, uint32_t b)
{
    struct pln_dim_range range = pln_dim_node_range(table, c);
    if (a == b || range.lower > 0 || range.upper < 0) return a;
    if (range.lower == 0 && range.upper == 0) return b;
    return pln_dim_intern(table, PLN_DIM_SELECT, c, a, b, 0);
}

uint32_t pln_dim_make(struct pln_dim_table *table, enum pln_dim_op op, uint32_t a, uint32_t b, uint32_t c)
{
    int64_t x, y;
    if (op != PLN_DIM_SELECT && pln_dim_is_const(table, a, &x) && pln_dim_is_const(table, b, &y)) {
        int64_t value = pln_dim_fold(op, x, y, 0);
        if (value != PLN_DIM_UNKNOWN) return pln_dim_const(table, value).id;
    }
    switch (op) {
    case PLN_DIM_ADD: return pln_dim_make_sum(table, a, b, 1);
    case PLN_DIM_MUL: return pln_dim_make_product(table, a, b);
    case PLN_DIM_FLOORDIV: return divide_floor(table, a, b);
    case PLN_DIM_CEILDIV: return divide_ceil(table, a, b);
    case PLN_DIM_MOD: return modulo(table, a, b);
    case PLN_DIM_MIN:
    case PLN_DIM_MAX:
    case PLN_DIM_BROADCAST: return make_lattice(table, op, a, b);
    case PLN_DIM_EQ:
    case PLN_DIM_LT: return compare(table, op, a, b);
    case PLN_DIM_SELECT: return choose(table, a, b, c);
    case PLN_DIM_CONST:
    case PLN_DIM_SYMBOL: break;
    }
    assert(!"an operation");
    return UINT32_MAX;
}

/* ---- what is 0 where something else is ---- */

/* Each level asks at most twice. */
#define MAX_ZERO_LEVELS 12

static bool zero_with_atom(const struct pln_dim_table *table, uint32_t id, uint32_t atom, int level)
{
    const struct pln_dim_node *node = &table->nodes[id];
    if (id == atom) return true;
    if (level == MAX_ZERO_LEVELS) return false;
    bool first_only = node->op == PLN_DIM_FLOORDIV || node->op == PLN_DIM_CEILDIV || node->op == PLN_DIM_MOD;
    if (node->op == PLN_DIM_CONST) return node->value == 0;
    if (node->op == PLN_DIM_SYMBOL || node->op == PLN_DIM_EQ || node->op == PLN_DIM_LT) return false;
    uint32_t a = node->op == PLN_DIM_SELECT ? node->b : node->a, b = node->op == PLN_DIM_SELECT ? node->c : node->b;
    bool zero = zero_with_atom(table, a, atom, level + 1);
    if (first_only) return zero;
    if (node->op == PLN_DIM_MUL || node->op == PLN_DIM_BROADCAST) return zero || zero_with_atom(table, b, atom, level + 1);
    if (node->op == PLN_DIM_SELECT && zero_with_atom(table, node->a, atom, level + 1)) return zero_with_atom(table, b, atom, level + 1);
    if (zero && zero_with_atom(table, b, atom, level + 1)) return true;
    if (node->op != PLN_DIM_MIN) return false;
    return zero ? pln_dim_node_range(table, b).lower >= 0 : pln_dim_node_range(table, a).lower >= 0 && zero_with_atom(table, b, atom, level + 1);
}

bool pln_dim_zero_with(struct pln_dim_table *table, struct pln_dim a, struct pln_dim b)
{
    struct pln_dim_terms terms;
    uint32_t atoms[PLN_DIM_MAX_ATOMS], id = pln_dim_resolve(table, a).id, with = pln_dim_resolve(table, b).id;
    if (table->failed) return false;
    pln_dim_terms_of(table, with, &terms);
    if (terms.n != 1 || terms.t[0].product == PLN_DIM_ONE) return zero_with_atom(table, id, with, 0);
    int n = pln_dim_atoms_of(table, terms.t[0].product, atoms);
    for (int i = 0; i < n; i++)
        if (!zero_with_atom(table, id, atoms[i], 0)) return false;
    return true;
}
