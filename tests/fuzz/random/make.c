/* What the generator's parts share: random numbers, nodes, blocks, extents, errors. */
#include "make.h"

#include <stdio.h>

#include "onnx/wire_write.h"
#include "tensor/tensor.h"

uint32_t below(struct maker *g, uint32_t n)
{
    g->state = g->state * 6364136223846793005u + 1442695040888963407u;
    uint64_t mixed = (g->state ^ (g->state >> 29)) * 0x9E3779B97F4A7C15u;
    return n ? (uint32_t)((mixed >> 32) % n) : 0;
}

int64_t between(struct maker *g, int64_t lo, int64_t hi)
{
    return lo + (int64_t)below(g, (uint32_t)(hi - lo + 1));
}

bool chance(struct maker *g, int percent)
{
    return below(g, 100) < (uint32_t)percent;
}

bool is_float(enum pln_dtype dtype)
{
    return (FLOATS >> dtype & 1) != 0;
}

static int mantissa_bits(enum pln_dtype dtype)
{
    return dtype == PLN_F64 ? 53 : dtype == PLN_F32 ? 24 : dtype == PLN_F16 ? 11 : 8;
}

double type_unit(enum pln_dtype dtype)
{
    return is_float(dtype) ? ldexp(1, -mantissa_bits(dtype)) : 0;
}

double type_most(enum pln_dtype dtype)
{
    if (is_float(dtype)) return dtype == PLN_F16 ? 1e4 : 1e6;
    if (dtype == PLN_BOOL) return 1;
    int bits = pln_dtype_bits(dtype) - (SIGNED >> dtype & 1 ? 1 : 0);
    return bits > 52 ? 4e15 : ldexp(1, bits) - 1;
}

double type_least(enum pln_dtype dtype)
{
    if (is_float(dtype)) return -type_most(dtype);
    return SIGNED >> dtype & 1 ? -type_most(dtype) - 1 : 0;
}

double magnitude(const struct value *v)
{
    return fmax(fabs(v->lo), fabs(v->hi));
}

int64_t count_of(const struct value *v, int run)
{
    int64_t count = 1;
    for (int d = 0; d < v->rank; d++) count *= v->dims[run][d];
    return count;
}

int64_t most_count(const struct maker *g, const struct value *v)
{
    int64_t most = 0;
    for (int run = 0; run < g->runs; run++) most = count_of(v, run) > most ? count_of(v, run) : most;
    return most;
}

/* An open extent may be 0. */
bool is_full(const struct maker *g, const struct value *v)
{
    for (int run = 0; run < g->runs; run++)
        if (count_of(v, run) == 0) return false;
    for (int d = 0; d < v->rank; d++)
        if (v->open[d]) return false;
    return true;
}

bool varies(const struct maker *g, const struct value *v)
{
    for (int d = 0; d < v->rank; d++)
        for (int run = 1; run < g->runs; run++)
            if (v->dims[run][d] != v->dims[0][d]) return true;
    return false;
}

bool make_rounded(struct value *v, double lo, double hi, double carried, double roundings, double scale, int grid)
{
    double unit = type_unit(v->dtype), most = fmax(fabs(lo), fabs(hi));
    v->lo = lo, v->hi = hi, v->distinct = false, v->fixed = false, v->grid = NO_GRID, v->apart = 0;
    if (!(lo >= type_least(v->dtype) && hi <= type_most(v->dtype))) return false;
    if (!is_float(v->dtype)) return carried == 0;
    if (scale < most) scale = most;
    if (carried == 0 && grid != NO_GRID && grid <= 14 && grid + ceil(log2(fmax(scale, 0x1p-14))) < mantissa_bits(v->dtype)) {
        v->grid = grid;
        return true;
    }
    /* Types of 16 bits are summed in f32 and rounded once. */
    if (roundings == 0) v->apart = carried;
    else v->apart = carried + 2 * (roundings * fmin(unit, 0x1p-24) * scale + unit * most);
    double certain = v->dtype == PLN_F64 ? 0x1p-24 : v->dtype == PLN_F32 ? 0x1p-8 : v->dtype == PLN_F16 ? 0x1p-4 : 0x1p-1;
    return v->apart <= certain * fmax(1, most);
}

void make_union(struct value *v, const struct value *a, const struct value *b)
{
    double apart = fmax(a->apart, b->apart);
    int grid = a->grid > b->grid ? a->grid : b->grid;
    v->lo = fmin(a->lo, b->lo), v->hi = fmax(a->hi, b->hi), v->apart = apart, v->grid = grid;
    v->distinct = false, v->fixed = false;
}

bool same_dim(const struct maker *g, const struct value *a, int da, const struct value *b, int db)
{
    if (a->open[da] || b->open[db]) return false;
    for (int run = 0; run < g->runs; run++)
        if (a->dims[run][da] != b->dims[run][db]) return false;
    return true;
}

void set_dim(const struct maker *g, struct value *v, int d, int64_t extent)
{
    v->open[d] = false;
    for (int run = 0; run < g->runs; run++) v->dims[run][d] = extent;
}

void copy_dim(struct value *to, int d, const struct value *from, int from_d)
{
    to->open[d] = from->open[from_d];
    for (int run = 0; run < CASE_RUNS; run++) to->dims[run][d] = from->dims[run][from_d];
}

/* Where one extent is open the other must be 1. */
static bool broadcast_dim(const struct maker *g, const struct value *a, const struct value *b, int back, struct value *out)
{
    int d = out->rank - 1 - back, da = a->rank - 1 - back, db = b->rank - 1 - back;
    if (da < 0) copy_dim(out, d, b, db);
    if (db < 0) copy_dim(out, d, a, da);
    if (da < 0 || db < 0) return true;
    out->open[d] = a->open[da] || b->open[db];
    for (int run = 0; run < g->runs; run++) {
        int64_t x = a->dims[run][da], y = b->dims[run][db];
        if (out->open[d] && !(a->open[da] && !b->open[db] && y == 1) && !(b->open[db] && !a->open[da] && x == 1)) return false;
        if (x != y && x != 1 && y != 1) return false;
        out->dims[run][d] = x == 1 ? y : x;
    }
    return true;
}

bool make_broadcast(const struct maker *g, const struct value *a, const struct value *b, struct value *out)
{
    out->rank = a->rank > b->rank ? a->rank : b->rank;
    for (int back = 0; back < out->rank; back++)
        if (!broadcast_dim(g, a, b, back, out)) return false;
    return most_count(g, out) <= COUNT_MOST;
}

/* --- nodes */

void node_begin(struct maker *g, const char *op)
{
    pln_text_clear(&g->node);
    char name[32];
    snprintf(name, sizeof name, "n%d", g->names++);
    pln_wire_put_string(&g->node, 3, name);
    pln_wire_put_string(&g->node, 4, op);
    pln_text_printf(&g->made->ops, "%s%s", g->made->ops.size_bytes ? " " : "", op);
}

void node_domain(struct maker *g, const char *domain)
{
    pln_wire_put_string(&g->node, 7, domain);
}

void node_input(struct maker *g, int value)
{
    if (value >= 0) g->value[value].uses++;
    pln_wire_put_string(&g->node, 1, value >= 0 ? g->value[value].name : "");
}

void node_skip(struct maker *g, int count)
{
    while (count-- > 0) pln_wire_put_string(&g->node, 2, "");
}

void block_add(struct maker *g, int value)
{
    if (value < 0 || g->block->count >= VALUES_MOST) g->failed = true;
    else g->block->visible[g->block->count++] = value;
}

int node_output(struct maker *g, struct value v)
{
    if (g->values >= VALUES_MOST) {
        g->failed = true;
        return 0;
    }
    snprintf(v.name, sizeof v.name, "v%d", g->names++);
    v.uses = 0;
    v.fixed = false;
    g->value[g->values] = v;
    block_add(g, g->values);
    pln_wire_put_string(&g->node, 2, v.name);
    return g->values++;
}

void node_end(struct maker *g)
{
    pln_wire_put_message(&g->block->nodes, g->block->node_field, &g->node);
    g->nodes++;
}

int node_simple(struct maker *g, const char *op, int a, int b, int c, struct value result)
{
    node_begin(g, op);
    node_input(g, a);
    if (b >= 0) node_input(g, b);
    if (c >= 0) node_input(g, c);
    int id = node_output(g, result);
    node_end(g);
    return id;
}

/* --- attributes: AttributeProto name 1, f 2, i 3, s 4, g 6, ints 8, type 20 */

static void attr_end(struct maker *g, struct pln_text *attribute, const char *name, int type)
{
    pln_wire_put_string(attribute, 1, name);
    pln_wire_put_int(attribute, 20, type);
    pln_wire_put_message(&g->node, 5, attribute);
    pln_text_deinit(attribute);
}

static struct pln_text attr_begin(void)
{
    struct pln_text text;
    pln_text_init(&text, NULL);
    return text;
}

void attr_int(struct maker *g, const char *name, int64_t value)
{
    struct pln_text a = attr_begin();
    pln_wire_put_int(&a, 3, value);
    attr_end(g, &a, name, 2);
}

void attr_float(struct maker *g, const char *name, float value)
{
    struct pln_text a = attr_begin();
    pln_wire_put_float(&a, 2, value);
    attr_end(g, &a, name, 1);
}

void attr_string(struct maker *g, const char *name, const char *value)
{
    struct pln_text a = attr_begin();
    pln_wire_put_string(&a, 4, value);
    attr_end(g, &a, name, 3);
}

void attr_ints(struct maker *g, const char *name, const int64_t *values, int count)
{
    struct pln_text a = attr_begin();
    for (int i = 0; i < count; i++) pln_wire_put_int(&a, 8, values[i]);
    attr_end(g, &a, name, 7);
}

void attr_body(struct maker *g, const char *name, struct pln_text *body)
{
    struct pln_text a = attr_begin();
    pln_wire_put_message(&a, 6, body);
    attr_end(g, &a, name, 5);
    pln_text_deinit(body);
}

/* --- blocks */

void block_begin(struct maker *g, struct block *block, bool sees_outer)
{
    memset(block, 0, sizeof *block);
    block->outer = sees_outer ? g->block : NULL;
    block->node_field = 1;
    block->depth = g->block ? g->block->depth + 1 : 0;
    pln_text_init(&block->nodes, NULL);
    pln_text_init(&block->initializers, NULL);
    g->block = block;
}

void block_end(struct maker *g, struct block *block)
{
    g->block = block->outer;
}

void block_free(struct block *block)
{
    pln_text_deinit(&block->nodes);
    pln_text_deinit(&block->initializers);
}

static const char *symbol_of(const struct maker *g, const struct value *v, int d)
{
    for (int s = 0; s < g->symbols; s++) {
        int run = 0;
        while (run < g->runs && g->symbol[s].size[run] == v->dims[run][d]) run++;
        if (run == g->runs) return g->symbol[s].name;
    }
    return NULL;
}

static bool dim_varies(const struct maker *g, const struct value *v, int d)
{
    for (int run = 1; run < g->runs; run++)
        if (v->dims[run][d] != v->dims[0][d]) return true;
    return false;
}

/* ValueInfoProto: name 1, type 2 {tensor 1 {elem 1, shape 2 {dim 1 {value 1, param 2}}}}. */
struct pln_text value_info(const struct maker *g, const struct value *v, bool with_shape)
{
    struct pln_text shape = attr_begin(), tensor = attr_begin(), type = attr_begin(), info = attr_begin();
    for (int d = 0; d < v->rank; d++) {
        struct pln_text dim = attr_begin();
        const char *symbol = v->open[d] || !dim_varies(g, v, d) ? NULL : symbol_of(g, v, d);
        if (symbol) pln_wire_put_string(&dim, 2, symbol);
        else if (!v->open[d] && !dim_varies(g, v, d)) pln_wire_put_int(&dim, 1, v->dims[0][d]);
        pln_wire_put_message(&shape, 1, &dim);
        pln_text_deinit(&dim);
    }
    pln_wire_put_int(&tensor, 1, (int)v->dtype);
    if (with_shape) pln_wire_put_message(&tensor, 2, &shape);
    pln_wire_put_message(&type, 1, &tensor);
    pln_wire_put_string(&info, 1, v->name);
    pln_wire_put_message(&info, 2, &type);
    pln_text_deinit(&shape);
    pln_text_deinit(&tensor);
    pln_text_deinit(&type);
    return info;
}
