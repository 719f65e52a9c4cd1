#include "tensor/dim.h"

#include "tensor/dim_terms.h"

#define MAX_NODES ((size_t)1 << 28)

void pln_dim_table_init(struct pln_dim_table *table, struct pln_arena *arena)
{
    memset(table, 0, sizeof(*table));
    table->arena = arena;
}

/* ---- bounds ---- */

static bool infinite(int64_t v)
{
    return v == INT64_MIN || v == INT64_MAX;
}

static int64_t saturate(bool negative)
{
    return negative ? INT64_MIN : INT64_MAX;
}

/* Infinities stay: once a bound is lost, later terms do not bring it back. */
static int64_t sat_add(int64_t a, int64_t b)
{
    int64_t r;
    if (infinite(a)) return a;
    if (infinite(b)) return b;
    return pln_add_i64(a, b, &r) ? r : saturate(a < 0);
}

static int64_t sat_mul(int64_t a, int64_t b)
{
    int64_t r;
    if (a == 0 || b == 0) return 0;
    if (infinite(a) || infinite(b)) return saturate((a < 0) != (b < 0));
    return pln_mul_i64(a, b, &r) ? r : saturate((a < 0) != (b < 0));
}

static struct pln_dim_range range_add(struct pln_dim_range a, struct pln_dim_range b)
{
    return (struct pln_dim_range){ sat_add(a.lower, b.lower), sat_add(a.upper, b.upper) };
}

static struct pln_dim_range range_mul(struct pln_dim_range a, struct pln_dim_range b)
{
    int64_t p[4] = { sat_mul(a.lower, b.lower), sat_mul(a.lower, b.upper), sat_mul(a.upper, b.lower),
                     sat_mul(a.upper, b.upper) };
    struct pln_dim_range r = { p[0], p[0] };
    for (int i = 1; i < 4; i++) {
        r.lower = PLN_MIN(r.lower, p[i]);
        r.upper = PLN_MAX(r.upper, p[i]);
    }
    return r;
}

static struct pln_dim_range range_hull(struct pln_dim_range a, struct pln_dim_range b)
{
    return (struct pln_dim_range){ PLN_MIN(a.lower, b.lower), PLN_MAX(a.upper, b.upper) };
}

static struct pln_dim_range range_div(struct pln_dim_range a, struct pln_dim_range b, bool up)
{
    struct pln_dim_range r = { INT64_MIN, INT64_MAX };
    if (b.lower == b.upper && b.lower > 0 && !up) {
        if (!infinite(a.lower)) r.lower = pln_dim_floor_div(a.lower, b.lower);
        if (!infinite(a.upper)) r.upper = pln_dim_floor_div(a.upper, b.lower);
    } else if (a.lower >= 0 && b.lower >= 0) {
        r.lower = up && a.lower > 0 && b.lower > 0 ? 1 : 0;
        r.upper = a.upper;
    }
    return r;
}

static struct pln_dim_range range_mod(struct pln_dim_range a, struct pln_dim_range b)
{
    if (b.lower < 0) return (struct pln_dim_range){ INT64_MIN, INT64_MAX };
    int64_t upper = b.upper == INT64_MAX ? INT64_MAX : PLN_MAX(b.upper - 1, 0);
    if (a.lower >= 0) upper = PLN_MIN(upper, a.upper);
    return (struct pln_dim_range){ 0, upper };
}

struct pln_dim_range pln_dim_node_range(const struct pln_dim_table *table, uint32_t id)
{
    const struct pln_dim_node *node = &table->nodes[id];
    if (node->op == PLN_DIM_SYMBOL) { /* its bounds may have been tightened since */
        return (struct pln_dim_range){ table->symbols[node->a].min, table->symbols[node->a].max };
    }
    return (struct pln_dim_range){ table->notes[id].lower, table->notes[id].upper };
}

static struct pln_dim_range range_of_new(const struct pln_dim_table *table, const struct pln_dim_node *node)
{
    struct pln_dim_range none = { INT64_MIN, INT64_MAX };
    if (node->op == PLN_DIM_CONST) return (struct pln_dim_range){ node->value, node->value };
    if (node->op == PLN_DIM_SYMBOL) return none;
    struct pln_dim_range a = pln_dim_node_range(table, node->a);
    struct pln_dim_range b = pln_dim_node_range(table, node->b);
    switch (node->op) {
    case PLN_DIM_ADD: return range_add(a, b);
    case PLN_DIM_MUL: return range_mul(a, b);
    case PLN_DIM_FLOORDIV: return range_div(a, b, false);
    case PLN_DIM_CEILDIV: return range_div(a, b, true);
    case PLN_DIM_MOD: return range_mod(a, b);
    case PLN_DIM_MIN: return (struct pln_dim_range){ PLN_MIN(a.lower, b.lower), PLN_MIN(a.upper, b.upper) };
    case PLN_DIM_MAX: return (struct pln_dim_range){ PLN_MAX(a.lower, b.lower), PLN_MAX(a.upper, b.upper) };
    case PLN_DIM_BROADCAST: return range_hull(a, b);
    case PLN_DIM_EQ:
    case PLN_DIM_LT: return (struct pln_dim_range){ 0, 1 };
    case PLN_DIM_SELECT: return range_hull(b, pln_dim_node_range(table, node->c));
    case PLN_DIM_CONST:
    case PLN_DIM_SYMBOL: break;
    }
    return none;
}

struct pln_dim_range pln_dim_terms_range(const struct pln_dim_table *table, const struct pln_dim_terms *terms)
{
    struct pln_dim_range sum = { 0, 0 };
    for (int i = 0; i < terms->n; i++) {
        struct pln_dim_range term = { terms->t[i].coef, terms->t[i].coef };
        if (terms->t[i].product != PLN_DIM_ONE) term = range_mul(term, pln_dim_node_range(table, terms->t[i].product));
        sum = range_add(sum, term);
    }
    return sum;
}

/* ---- order ---- */

#define ORDER_BITS 15
#define COMPOUND ((uint64_t)1 << 63)

/* A product of at most four symbols: their indices from the top down, so that products sort as words do (a, a*b, b). All else
 * comes after those, by a hash of its structure. Symbols beyond the 15 bits go by their names. */
static bool append_symbol(uint64_t product, uint64_t symbol, uint64_t *out_order)
{
    int used = 0;
    *out_order = 0;
    if (product & COMPOUND || symbol & COMPOUND) return false;
    while (used < 4 && product >> (3 - used) * ORDER_BITS & ((1u << ORDER_BITS) - 1)) used++;
    if (used == 4) return false;
    *out_order = product | symbol >> used * ORDER_BITS;
    return true;
}

static uint64_t hash_of_new(const struct pln_dim_table *table, const struct pln_dim_node *node)
{
    uint64_t key[5] = { node->op, (uint64_t)node->value, 0, 0, 0 };
    if (node->op == PLN_DIM_SYMBOL) {
        const char *name = table->symbols[node->a].name;
        return pln_hash64(name, strlen(name), PLN_DIM_SYMBOL);
    }
    if (node->op != PLN_DIM_CONST) {
        key[2] = table->notes[node->a].hash;
        key[3] = table->notes[node->b].hash;
        key[4] = node->op == PLN_DIM_SELECT ? table->notes[node->c].hash : node->c;
    }
    return pln_hash64(key, sizeof(key), 0);
}

static uint64_t order_of_new(const struct pln_dim_table *table, const struct pln_dim_node *node, uint64_t hash)
{
    uint64_t order;
    bool symbol = node->op == PLN_DIM_SYMBOL;
    if (symbol && node->a + 1 < 1u << ORDER_BITS) return (uint64_t)(node->a + 1) << 3 * ORDER_BITS;
    if (node->op == PLN_DIM_MUL && !node->c && table->nodes[node->b].op == PLN_DIM_SYMBOL &&
        append_symbol(table->notes[node->a].order, table->notes[node->b].order, &order))
        return order;
    return COMPOUND | hash >> 1;
}

/* PLN_DIM_ONE is last. */
bool pln_dim_before(const struct pln_dim_table *table, uint32_t a, uint32_t b)
{
    if (a == PLN_DIM_ONE || b == PLN_DIM_ONE) return a != PLN_DIM_ONE;
    uint64_t x = table->notes[a].order, y = table->notes[b].order;
    return x != y ? x < y : a < b;
}

/* ---- the table ---- */

static uint64_t node_hash(const struct pln_dim_table *table, const struct pln_dim_node *node)
{
    if (node->op == PLN_DIM_SYMBOL) {
        const char *name = table->symbols[node->a].name;
        return pln_hash64(name, strlen(name), PLN_DIM_SYMBOL);
    }
    uint64_t key[3] = { (uint64_t)node->op << 32 | node->a, (uint64_t)node->b << 32 | node->c, (uint64_t)node->value };
    return pln_hash64(key, sizeof(key), 0);
}

static bool slots_grow(struct pln_dim_table *table)
{
    size_t n = table->n_slots ? table->n_slots * 2 : 64;
    uint32_t *slots = pln_arena_array(table->arena, n, sizeof(*slots));
    if (!slots) return false;
    for (uint32_t id = 0; id < table->count; id++) {
        size_t at = (size_t)node_hash(table, &table->nodes[id]) & (n - 1);
        while (slots[at]) at = (at + 1) & (n - 1);
        slots[at] = id + 1;
    }
    table->slots = slots;
    table->n_slots = n;
    return true;
}

static uint32_t append(struct pln_dim_table *table, const struct pln_dim_node *node)
{
    size_t want = table->count + 1;
    if (want > MAX_NODES || (want * 2 > table->n_slots && !slots_grow(table)) ||
        !pln_arena_grow(table->arena, (void **)&table->nodes, &table->capacity, want, sizeof(*table->nodes)) ||
        !pln_arena_grow(table->arena, (void **)&table->notes, &table->notes_capacity, want, sizeof(*table->notes))) {
        table->failed = true;
        return UINT32_MAX;
    }
    uint32_t id = (uint32_t)table->count;
    struct pln_dim_range range = range_of_new(table, node);
    uint64_t hash = hash_of_new(table, node), order = order_of_new(table, node, hash);
    table->nodes[id] = *node;
    table->notes[id] = (struct pln_dim_note){ .lower = range.lower, .upper = range.upper, .order = order, .hash = hash, .resolved = id };
    table->count = want;
    size_t at = (size_t)node_hash(table, node) & (table->n_slots - 1);
    while (table->slots[at]) at = (at + 1) & (table->n_slots - 1);
    table->slots[at] = id + 1;
    return id;
}

uint32_t pln_dim_intern(struct pln_dim_table *table, enum pln_dim_op op, uint32_t a, uint32_t b, uint32_t c, int64_t value)
{
    struct pln_dim_node node = { .op = op, .a = a, .b = b, .c = c, .value = value };
    if (table->n_slots) {
        size_t at = (size_t)node_hash(table, &node) & (table->n_slots - 1);
        for (; table->slots[at]; at = (at + 1) & (table->n_slots - 1)) {
            uint32_t id = table->slots[at] - 1;
            const struct pln_dim_node *old = &table->nodes[id];
            if (old->op == op && old->a == a && old->b == b && old->c == c && old->value == value) return id;
        }
    }
    return append(table, &node);
}

struct pln_dim pln_dim_const(struct pln_dim_table *table, int64_t value)
{
    return (struct pln_dim){ pln_dim_intern(table, PLN_DIM_CONST, 0, 0, 0, value) };
}

static uint32_t find_symbol(const struct pln_dim_table *table, const char *name)
{
    if (!table->n_slots) return UINT32_MAX;
    size_t at = (size_t)pln_hash64(name, strlen(name), PLN_DIM_SYMBOL) & (table->n_slots - 1);
    for (; table->slots[at]; at = (at + 1) & (table->n_slots - 1)) {
        uint32_t id = table->slots[at] - 1;
        const struct pln_dim_node *node = &table->nodes[id];
        if (node->op == PLN_DIM_SYMBOL && strcmp(table->symbols[node->a].name, name) == 0) return id;
    }
    return UINT32_MAX;
}

static const char *made_up_name(struct pln_dim_table *table)
{
    for (;;) {
        const char *name = pln_arena_format(table->arena, "?%u", table->next_name++);
        if (!name || find_symbol(table, name) == UINT32_MAX) return name;
    }
}

struct pln_dim pln_dim_symbol(struct pln_dim_table *table, const char *name)
{
    uint32_t known = name ? find_symbol(table, name) : UINT32_MAX;
    if (known != UINT32_MAX) return (struct pln_dim){ known };
    const char *kept = name ? pln_arena_text(table->arena, name, strlen(name)) : made_up_name(table);
    if (!kept || !pln_arena_grow(table->arena, (void **)&table->symbols, &table->symbols_capacity, table->n_symbols + 1,
                                 sizeof(*table->symbols))) {
        table->failed = true;
        return PLN_DIM_NONE;
    }
    struct pln_dim_node node = { .op = PLN_DIM_SYMBOL, .a = (uint32_t)table->n_symbols };
    table->symbols[table->n_symbols] = (struct pln_symbol){ kept, 0, INT64_MAX, PLN_DIM_NONE };
    uint32_t id = append(table, &node);
    if (id != UINT32_MAX) table->n_symbols++;
    return (struct pln_dim){ id };
}

bool pln_dim_is_const(const struct pln_dim_table *table, uint32_t id, int64_t *out_value)
{
    *out_value = 0;
    if (table->nodes[id].op != PLN_DIM_CONST) return false;
    *out_value = table->nodes[id].value;
    return true;
}
