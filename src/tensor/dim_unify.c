#include "tensor/dim_terms.h"

/* ---- resolving ---- */

static bool push(struct pln_dim_table *table, size_t *depth, uint32_t id)
{
    if (!pln_arena_grow(table->arena, (void **)&table->stack, &table->stack_capacity, *depth + 1, sizeof(*table->stack))) {
        table->failed = true;
        return false;
    }
    table->stack[(*depth)++] = id;
    return true;
}

/* Operands of a node into out (at most 3); a unified symbol's operand is what it equals. */
static int operands_of(const struct pln_dim_table *table, uint32_t id, uint32_t out[3])
{
    const struct pln_dim_node *node = &table->nodes[id];
    if (node->op == PLN_DIM_CONST) return 0;
    if (node->op == PLN_DIM_SYMBOL) {
        out[0] = table->symbols[node->a].equals.id;
        return out[0] == UINT32_MAX ? 0 : 1;
    }
    out[0] = node->a;
    out[1] = node->b;
    out[2] = node->c;
    return node->op == PLN_DIM_SELECT ? 3 : 2;
}

/* The resolved form of a node whose operands are resolved. */
static uint32_t rebuild(struct pln_dim_table *table, uint32_t id, const uint32_t *operands, int n)
{
    uint32_t to[3] = { 0 };
    bool changed = false;
    for (int i = 0; i < n; i++) {
        to[i] = table->notes[operands[i]].resolved;
        changed = changed || to[i] != operands[i];
    }
    if (table->nodes[id].op == PLN_DIM_SYMBOL) return n ? to[0] : id;
    return changed ? pln_dim_make(table, table->nodes[id].op, to[0], to[1], to[2]) : id;
}

/* Depth first with a stack of our own: expressions may nest as deep as a model has layers. */
static uint32_t resolve(struct pln_dim_table *table, uint32_t root)
{
    size_t depth = 0;
    if (table->epoch == 0 || table->notes[root].epoch == table->epoch) return table->notes[root].resolved;
    if (!push(table, &depth, root)) return UINT32_MAX;
    while (depth) {
        uint32_t id = table->stack[depth - 1], operands[3];
        int n = operands_of(table, id, operands);
        bool ready = true;
        for (int i = 0; i < n; i++) {
            if (table->notes[operands[i]].epoch == table->epoch) continue;
            ready = false;
            if (!push(table, &depth, operands[i])) return UINT32_MAX;
        }
        if (!ready) continue;
        uint32_t to = rebuild(table, id, operands, n);
        if (to == UINT32_MAX) return UINT32_MAX;
        table->notes[id].resolved = to;
        table->notes[id].epoch = table->epoch;
        /* What is built of resolved parts has nothing left to resolve. */
        table->notes[to].resolved = to;
        table->notes[to].epoch = table->epoch;
        depth--;
    }
    return table->notes[root].resolved;
}

struct pln_dim pln_dim_resolve(struct pln_dim_table *table, struct pln_dim dim)
{
    if (dim.id == UINT32_MAX) return dim;
    return (struct pln_dim){ resolve(table, dim.id) };
}

/* Resolving only adds what follows from the table as it is; the answers to questions stay the same. */
static struct pln_dim resolve_quietly(const struct pln_dim_table *table, struct pln_dim dim)
{
    return pln_dim_resolve((struct pln_dim_table *)table, dim);
}

bool pln_dim_value(const struct pln_dim_table *table, struct pln_dim dim, int64_t *out_value)
{
    *out_value = 0;
    dim = resolve_quietly(table, dim);
    return dim.id != UINT32_MAX && pln_dim_is_const(table, dim.id, out_value);
}

bool pln_dim_is(const struct pln_dim_table *table, struct pln_dim dim, int64_t value)
{
    int64_t have;
    return pln_dim_value(table, dim, &have) && have == value;
}

bool pln_dim_same(struct pln_dim_table *table, struct pln_dim a, struct pln_dim b)
{
    if (a.id == UINT32_MAX || b.id == UINT32_MAX) return false;
    return a.id == b.id || pln_dim_resolve(table, a).id == pln_dim_resolve(table, b).id;
}

int64_t pln_dim_lower_bound(const struct pln_dim_table *table, struct pln_dim dim)
{
    struct pln_dim resolved = resolve_quietly(table, dim);
    if (dim.id == UINT32_MAX || resolved.id == UINT32_MAX) return INT64_MIN;
    int64_t a = pln_dim_node_range(table, dim.id).lower, b = pln_dim_node_range(table, resolved.id).lower;
    return PLN_MAX(a, b);
}

/* ---- building, on resolved operands ---- */

static struct pln_dim make(struct pln_dim_table *table, enum pln_dim_op op, struct pln_dim a, struct pln_dim b, struct pln_dim c)
{
    a = pln_dim_resolve(table, a);
    b = pln_dim_resolve(table, b);
    c = pln_dim_resolve(table, c);
    if (a.id == UINT32_MAX || b.id == UINT32_MAX || c.id == UINT32_MAX) return PLN_DIM_NONE;
    return (struct pln_dim){ pln_dim_make(table, op, a.id, b.id, c.id) };
}

struct pln_dim pln_dim_binary(struct pln_dim_table *table, enum pln_dim_op op, struct pln_dim a, struct pln_dim b)
{
    return make(table, op, a, b, a);
}

struct pln_dim pln_dim_add(struct pln_dim_table *table, struct pln_dim a, struct pln_dim b)
{
    return make(table, PLN_DIM_ADD, a, b, a);
}

struct pln_dim pln_dim_mul(struct pln_dim_table *table, struct pln_dim a, struct pln_dim b)
{
    return make(table, PLN_DIM_MUL, a, b, a);
}

struct pln_dim pln_dim_product(struct pln_dim_table *table, const struct pln_dim *dims, int n)
{
    struct pln_dim product = pln_dim_const(table, 1);
    for (int i = 0; i < n; i++) product = pln_dim_mul(table, product, dims[i]);
    return product;
}

struct pln_dim pln_dim_sub(struct pln_dim_table *table, struct pln_dim a, struct pln_dim b)
{
    a = pln_dim_resolve(table, a);
    b = pln_dim_resolve(table, b);
    if (a.id == UINT32_MAX || b.id == UINT32_MAX) return PLN_DIM_NONE;
    return (struct pln_dim){ pln_dim_make_sum(table, a.id, b.id, -1) };
}

struct pln_dim pln_dim_broadcast(struct pln_dim_table *table, struct pln_dim a, struct pln_dim b)
{
    return make(table, PLN_DIM_BROADCAST, a, b, a);
}

struct pln_dim pln_dim_select(struct pln_dim_table *table, struct pln_dim c, struct pln_dim a, struct pln_dim b)
{
    return make(table, PLN_DIM_SELECT, c, a, b);
}

/* ---- unifying ---- */

/* Is symbol node `symbol` inside the resolved expression `root`? True also when memory ran out: then nothing is unified. */
static bool contains(struct pln_dim_table *table, uint32_t root, uint32_t symbol)
{
    size_t depth = 0;
    uint32_t walk = ++table->walk;
    if (!push(table, &depth, root)) return true;
    while (depth) {
        uint32_t id = table->stack[--depth], operands[3];
        if (id == symbol) return true;
        if (id < symbol || table->notes[id].mark == walk) continue; /* operands have smaller ids */
        table->notes[id].mark = walk;
        int n = operands_of(table, id, operands);
        for (int i = 0; i < n; i++) {
            if (!push(table, &depth, operands[i])) return true;
        }
    }
    return false;
}

static bool is_symbol(const struct pln_dim_table *table, uint32_t id)
{
    return id != PLN_DIM_ONE && table->nodes[id].op == PLN_DIM_SYMBOL;
}

/* Both resolved; from is a symbol that is not inside to. */
static void alias(struct pln_dim_table *table, uint32_t from, uint32_t to)
{
    struct pln_symbol *symbol = &table->symbols[table->nodes[from].a];
    if (is_symbol(table, to)) {
        struct pln_symbol *other = &table->symbols[table->nodes[to].a];
        other->min = PLN_MAX(other->min, symbol->min);
        other->max = PLN_MIN(other->max, symbol->max);
    }
    symbol->equals = (struct pln_dim){ to };
    table->epoch++;
}

static void alias_symbols(struct pln_dim_table *table, uint32_t a, uint32_t b)
{
    if (table->nodes[a].a > table->nodes[b].a) alias(table, a, b);
    else alias(table, b, a);
}

/* Two sums: k*s + c = 0 and s - t = 0 are solved, all else is left alone. */
static void solve(struct pln_dim_table *table, uint32_t a, uint32_t b)
{
    struct pln_dim_terms d, t;
    pln_dim_terms_of(table, a, &d);
    pln_dim_terms_of(table, b, &t);
    if (!pln_dim_terms_add(table, &d, &t, -1) || d.n < 1 || d.n > 2 || !is_symbol(table, d.t[0].product)) return;
    uint32_t first = d.t[0].product;
    int64_t k = d.t[0].coef, c = d.n == 2 ? d.t[1].coef : 0;
    if (d.n == 2 && is_symbol(table, d.t[1].product)) {
        if ((k == 1 && c == -1) || (k == -1 && c == 1)) alias_symbols(table, first, d.t[1].product);
        return;
    }
    if (d.n == 2 && d.t[1].product != PLN_DIM_ONE) return;
    if (k == INT64_MIN || c == INT64_MIN || c % k != 0) return;
    struct pln_dim_range range = pln_dim_node_range(table, first);
    int64_t value = -(c / k);
    if (value < range.lower || value > range.upper) return;
    uint32_t to = pln_dim_const(table, value).id;
    if (to != UINT32_MAX) alias(table, first, to);
}

bool pln_dim_unify(struct pln_dim_table *table, struct pln_dim a, struct pln_dim b)
{
    int64_t x, y;
    a = pln_dim_resolve(table, a);
    b = pln_dim_resolve(table, b);
    if (a.id == UINT32_MAX || b.id == UINT32_MAX || a.id == b.id) return true;
    if (pln_dim_is_const(table, a.id, &x) && pln_dim_is_const(table, b.id, &y)) return false;
    if (is_symbol(table, b.id)) {
        struct pln_dim t = a;
        a = b;
        b = t;
    }
    if (is_symbol(table, a.id) && is_symbol(table, b.id)) {
        alias_symbols(table, a.id, b.id);
    } else if (is_symbol(table, a.id) && !pln_dim_is_const(table, b.id, &y)) {
        if (!contains(table, b.id, a.id)) alias(table, a.id, b.id);
    } else {
        solve(table, a.id, b.id);
    }
    return true;
}
