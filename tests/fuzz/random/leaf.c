/* Values that the generator does not compute: graph inputs, initializers and Constant nodes; and the choice among those that are there. */
#include "make.h"

#include <stdio.h>
#include <stdlib.h>

#include "onnx/wire_write.h"
#include "tensor/convert.h"

bool fits(const struct maker *g, const struct value *v, const struct want *want)
{
    double most = want->magnitude > 0 ? want->magnitude : 64;
    int rank_most = want->rank_most > 0 ? want->rank_most : CASE_RANK - 2;
    if (!(want->types >> v->dtype & 1) || v->rank < want->rank_least || v->rank > rank_most) return false;
    if (want->exact && v->apart != 0) return false;
    if (want->full && !is_full(g, v)) return false;
    if (want->distinct && !v->distinct) return false;
    if (want->positive && v->lo < 0.125) return false;
    if (v->dtype != PLN_BOOL && magnitude(v) > most) return false;
    if (want->closed)
        for (int d = 0; d < v->rank; d++)
            if (v->open[d]) return false;
    return most_count(g, v) <= (want->count_most > 0 ? want->count_most : COUNT_MOST);
}

int pick_old(struct maker *g, struct want want)
{
    int found = -1;
    uint32_t weight = 0;
    for (const struct block *block = g->block; block; block = block->outer) {
        for (int i = 0; i < block->count; i++) {
            const struct value *v = &g->value[block->visible[i]];
            if (!fits(g, v, &want)) continue;
            uint32_t mine = v->fixed ? 1 : v->uses == 0 ? 6 : 3; /* what nobody uses yet comes first */
            weight += mine;
            if (below(g, weight) < mine) found = block->visible[i];
        }
    }
    return found;
}

static enum pln_dtype pick_type(struct maker *g, uint32_t types)
{
    static const enum pln_dtype all[] = { PLN_F32, PLN_F64, PLN_F16, PLN_BF16, PLN_I8, PLN_I16, PLN_I32, PLN_I64, PLN_U8, PLN_U16, PLN_U32, PLN_U64, PLN_BOOL };
    if (types >> g->favourite & 1 && chance(g, 80)) return g->favourite;
    if (types & TYPE(PLN_F32) && chance(g, 50)) return PLN_F32;
    if (types & TYPE(PLN_I64) && !(types & FLOATS) && chance(g, 40)) return PLN_I64;
    for (;;) {
        enum pln_dtype dtype = all[below(g, PLN_COUNT_OF(all))];
        if (types >> dtype & 1) return dtype;
    }
}

static int64_t random_extent(struct maker *g, bool full)
{
    static const int64_t sizes[] = { 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 16, 17 };
    if (!full && chance(g, g->late ? 8 : 2)) return 0;
    if (g->late && chance(g, 40)) return 1;
    if (g->large && chance(g, 40)) return between(g, 1, 70);
    return sizes[below(g, PLN_COUNT_OF(sizes))];
}

static void random_dims(struct maker *g, struct leaf *leaf, const struct want *want)
{
    int64_t most = want->count_most > 0 ? want->count_most : COUNT_MOST;
    int64_t room = most;
    const struct block *root = g->block;
    while (root->outer) root = root->outer;
    bool symbolic = g->runs > 1 && root->inputs_allowed && g->made->input_count < CASE_INPUTS / 2;
    for (int d = 0; d < leaf->rank; d++) {
        const struct symbol *symbol = symbolic && chance(g, 35) ? &g->symbol[below(g, 3)] : NULL;
        int64_t extent = random_extent(g, want->full), largest = 0;
        for (int run = 0; run < g->runs; run++) {
            leaf->dims[run][d] = symbol ? symbol->size[run] : extent;
            if (symbol && want->full && symbol->size[run] == 0) symbol = NULL, run = -1; /* once more */
        }
        for (int run = 0; run < g->runs; run++) largest = leaf->dims[run][d] > largest ? leaf->dims[run][d] : largest;
        if (largest > room)
            for (int run = 0; run < g->runs; run++) leaf->dims[run][d] = 1;
        else if (largest > 0) room /= largest;
    }
}

static void random_range(struct maker *g, struct leaf *leaf, const struct want *want)
{
    double most = want->magnitude > 0 && want->magnitude < 4 ? want->magnitude : (double)between(g, 1, 4);
    leaf->lo = -most, leaf->hi = most;
    leaf->grid = is_float(leaf->dtype) && chance(g, 50) ? (int)between(g, 0, leaf->dtype == PLN_BF16 ? 3 : leaf->dtype == PLN_F16 ? 5 : 6) : NO_GRID;
    if (!is_float(leaf->dtype)) leaf->grid = 0;
    if (UNSIGNED >> leaf->dtype & 1 || leaf->dtype == PLN_BOOL) leaf->lo = 0;
    if (leaf->dtype == PLN_BOOL) leaf->hi = 1;
    if (want->positive) leaf->lo = is_float(leaf->dtype) ? 0.25 : 1;
    if (want->positive && leaf->grid < 2) leaf->grid = 2;
}

int pick(struct maker *g, struct want want)
{
    int old = chance(g, 85) ? pick_old(g, want) : -1;
    if (old >= 0) return old;
    struct leaf leaf = { .dtype = pick_type(g, want.types), .distinct = want.distinct };
    int most = want.rank_most > 0 ? want.rank_most : 5;
    static const int ranks[] = { 0, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 5 };
    do leaf.rank = ranks[below(g, PLN_COUNT_OF(ranks))];
    while ((leaf.rank < want.rank_least || leaf.rank > most) && want.rank_least <= 5);
    if (leaf.rank < want.rank_least) leaf.rank = want.rank_least;
    if (want.distinct && leaf.dtype != PLN_F32 && leaf.dtype != PLN_F64 && (want.count_most == 0 || want.count_most > 100)) want.count_most = 100;
    random_dims(g, &leaf, &want);
    random_range(g, &leaf, &want);
    return make_leaf(g, &leaf);
}

/* A number of the leaf's range that its type holds. */
static double random_number(struct maker *g, const struct leaf *leaf)
{
    if (leaf->grid == NO_GRID) {
        double number = leaf->lo + (leaf->hi - leaf->lo) * ((double)below(g, 1u << 30) / (double)(1u << 30));
        uint64_t bits = 0;
        pln_store_f64(leaf->dtype, &bits, 0, number, false);
        return pln_load_f64(leaf->dtype, &bits, 0);
    }
    double step = ldexp(1, -leaf->grid);
    int64_t lo = (int64_t)ceil(leaf->lo / step), hi = (int64_t)floor(leaf->hi / step);
    return (double)between(g, lo, hi) * step;
}

static void *random_data(struct maker *g, const struct leaf *leaf, int64_t count)
{
    uint8_t *data = calloc(1, (size_t)count * (size_t)(pln_dtype_bits(leaf->dtype) / 8) + 1);
    double *numbers = calloc((size_t)count + 1, sizeof *numbers);
    if (!data || !numbers) g->failed = true;
    for (int64_t i = 0; !g->failed && i < count; i++) {
        numbers[i] = leaf->distinct ? leaf->lo + (double)i * ldexp(1, -leaf->grid) : random_number(g, leaf);
        if (leaf->distinct) { /* shuffled */
            int64_t j = between(g, 0, i);
            double swap = numbers[i];
            numbers[i] = numbers[j], numbers[j] = swap;
        }
    }
    for (int64_t i = 0; !g->failed && i < count; i++) {
        if (g->wild && is_float(leaf->dtype) && !leaf->distinct && !leaf->tame && chance(g, 4)) numbers[i] = chance(g, 50) ? (double)NAN : chance(g, 50) ? (double)INFINITY : -(double)INFINITY;
        if (is_float(leaf->dtype)) pln_store_f64(leaf->dtype, data, i, numbers[i], false);
        else if (leaf->dtype == PLN_BOOL) data[i] = numbers[i] != 0;
        else pln_store_i64(leaf->dtype, data, i, (int64_t)numbers[i]);
    }
    free(numbers);
    return data;
}

/* TensorProto: dims 1, type 2, name 8, raw 9. */
static struct pln_text tensor_text(const struct value *v, const void *data, const char *name)
{
    struct pln_text tensor;
    pln_text_init(&tensor, NULL);
    for (int d = 0; d < v->rank; d++) pln_wire_put_int(&tensor, 1, v->dims[0][d]);
    pln_wire_put_int(&tensor, 2, (int)v->dtype);
    if (name) pln_wire_put_string(&tensor, 8, name);
    pln_wire_put_bytes(&tensor, 9, data, (size_t)count_of(v, 0) * (size_t)(pln_dtype_bits(v->dtype) / 8));
    return tensor;
}

static int add_constant_node(struct maker *g, const struct value *v, struct pln_text *tensor)
{
    struct pln_text attribute;
    pln_text_init(&attribute, NULL);
    pln_wire_put_message(&attribute, 5, tensor);
    pln_wire_put_string(&attribute, 1, "value");
    pln_wire_put_int(&attribute, 20, 4);
    node_begin(g, "Constant");
    pln_wire_put_message(&g->node, 5, &attribute);
    pln_text_deinit(&attribute);
    int id = node_output(g, *v);
    node_end(g);
    g->nodes--; /* does not count */
    g->value[id].fixed = true;
    return id;
}

static int add_fixed(struct maker *g, struct value *v, const void *data, const struct block *root)
{
    bool node = !root->inputs_allowed || chance(g, 10); /* functions have no initializers */
    struct pln_text tensor;
    int id = -1;
    v->fixed = true;
    if (node) {
        tensor = tensor_text(v, data, NULL);
        id = add_constant_node(g, v, &tensor);
    } else if (g->values < VALUES_MOST) {
        snprintf(v->name, sizeof v->name, "c%d", g->names++);
        tensor = tensor_text(v, data, v->name);
        pln_wire_put_message(&g->block->initializers, 5, &tensor);
        id = g->values++;
        g->value[id] = *v;
        block_add(g, id);
    } else {
        g->failed = true;
        return -1;
    }
    pln_text_deinit(&tensor);
    return id;
}

static int add_input(struct maker *g, struct value *v, void *data[CASE_RUNS], struct block *root)
{
    struct random_input *input = &g->made->input[g->made->input_count++];
    snprintf(v->name, sizeof v->name, "x%d", g->names++);
    memcpy(input->name, v->name, sizeof v->name);
    input->dtype = v->dtype;
    input->rank = v->rank;
    memcpy(input->dims, v->dims, sizeof v->dims);
    for (int run = 0; run < g->runs; run++) {
        input->data[run] = data[run];
        input->count[run] = count_of(v, run);
        data[run] = NULL;
    }
    for (int d = 0; d < v->rank; d++) { /* every extent that varies has a symbol */
        bool known = false, same = true;
        for (int run = 1; run < g->runs; run++) same = same && v->dims[run][d] == v->dims[0][d];
        for (int s = 0; s < g->symbols && !known; s++) {
            known = true;
            for (int run = 0; run < g->runs; run++) known = known && g->symbol[s].size[run] == v->dims[run][d];
        }
        if (same || known || g->symbols >= (int)PLN_COUNT_OF(g->symbol)) continue;
        struct symbol *symbol = &g->symbol[g->symbols];
        snprintf(symbol->name, sizeof symbol->name, "D%d", g->symbols++);
        for (int run = 0; run < g->runs; run++) symbol->size[run] = v->dims[run][d];
    }
    int id = g->values++;
    g->value[id] = *v;
    root->visible[root->count++] = id;
    return id;
}

/* Gives data to a value; data[run] is freed or kept. */
static int add_leaf(struct maker *g, struct value *v, void *data[CASE_RUNS], bool fixed)
{
    struct block *root = g->block;
    while (root->outer) root = root->outer;
    bool input_fits = root->inputs_allowed && g->made->input_count < CASE_INPUTS && g->values < VALUES_MOST && root->count < VALUES_MOST;
    int id = -1;
    if (!g->failed && input_fits && (varies(g, v) || !fixed)) id = add_input(g, v, data, root);
    else if (!g->failed && !varies(g, v)) id = add_fixed(g, v, data[0], root);
    else g->failed = true;
    for (int run = 0; run < g->runs; run++) free(data[run]);
    return id < 0 ? 0 : id;
}

int make_leaf(struct maker *g, const struct leaf *leaf)
{
    struct value v = { .dtype = leaf->dtype, .rank = leaf->rank, .lo = leaf->lo, .hi = leaf->hi, .grid = leaf->grid, .distinct = leaf->distinct };
    struct leaf full = *leaf;
    void *data[CASE_RUNS] = { NULL };
    memcpy(v.dims, leaf->dims, sizeof v.dims);
    bool same = !varies(g, &v), fixed = leaf->fixed || (same && chance(g, 45));
    if (full.distinct) {
        double half = ceil((double)most_count(g, &v) / 2);
        full.grid = v.grid = is_float(v.dtype) && half < 64 ? 3 : 0;
        full.lo = UNSIGNED >> v.dtype & 1 ? 0 : -half * ldexp(1, -full.grid);
        v.lo = full.lo, v.hi = full.lo + (double)most_count(g, &v) * ldexp(1, -full.grid);
    }
    if (full.grid != NO_GRID && full.grid > 0 && !is_float(full.dtype)) full.grid = v.grid = 0;
    for (int run = 0; run < g->runs; run++) data[run] = random_data(g, &full, count_of(&v, run));
    return add_leaf(g, &v, data, fixed);
}

int make_like(struct maker *g, enum pln_dtype dtype, const struct value *shape)
{
    struct leaf leaf = { .dtype = dtype, .rank = shape->rank };
    struct want want = { .magnitude = 4 };
    memcpy(leaf.dims, shape->dims, sizeof leaf.dims);
    random_range(g, &leaf, &want);
    return make_leaf(g, &leaf);
}

int make_numbers(struct maker *g, enum pln_dtype dtype, int64_t rank, const int64_t *dims, double lo, double hi)
{
    struct leaf leaf = { .dtype = dtype, .rank = (int)rank, .lo = lo, .hi = hi, .grid = NO_GRID };
    if (!is_float(dtype)) leaf.grid = 0;
    else if (chance(g, 50)) leaf.grid = dtype == PLN_BF16 ? 3 : 4;
    for (int run = 0; run < g->runs; run++)
        for (int d = 0; d < rank; d++) leaf.dims[run][d] = dims[d];
    return make_leaf(g, &leaf);
}

int make_data(struct maker *g, enum pln_dtype dtype, int rank, const int64_t *dims, const double *numbers, bool fixed)
{
    struct value v = { .dtype = dtype, .rank = rank, .lo = 0, .hi = 0, .grid = NO_GRID };
    void *data[CASE_RUNS] = { NULL };
    for (int run = 0; run < g->runs; run++)
        for (int d = 0; d < rank; d++) v.dims[run][d] = dims[d];
    int64_t count = count_of(&v, 0);
    for (int run = 0; run < g->runs; run++) {
        uint8_t *bytes = calloc(1, (size_t)count * (size_t)(pln_dtype_bits(dtype) / 8) + 1);
        if (!bytes) g->failed = true;
        for (int64_t i = 0; bytes && i < count; i++) {
            if (is_float(dtype)) pln_store_f64(dtype, bytes, i, numbers[i], false);
            else if (dtype == PLN_BOOL) bytes[i] = numbers[i] != 0;
            else pln_store_i64(dtype, bytes, i, (int64_t)numbers[i]);
            double stored = pln_load_f64(dtype, bytes, i);
            v.lo = i == 0 ? stored : fmin(v.lo, stored), v.hi = i == 0 ? stored : fmax(v.hi, stored);
        }
        data[run] = bytes;
    }
    v.grid = is_float(dtype) ? NO_GRID : 0;
    return add_leaf(g, &v, data, fixed);
}

int make_scalar(struct maker *g, enum pln_dtype dtype, double number, bool fixed)
{
    return make_data(g, dtype, 0, NULL, &number, fixed);
}

int make_ints(struct maker *g, const int64_t *values, int count)
{
    int64_t all[CASE_RUNS][CASE_RANK] = { { 0 } };
    for (int run = 0; run < CASE_RUNS; run++)
        for (int i = 0; i < count; i++) all[run][i] = values[i];
    return make_ints_runs(g, all, count);
}

/* What shapes and axes are made of; rarely an input, for then shapes are known to the run alone. */
int make_ints_runs(struct maker *g, int64_t values[CASE_RUNS][CASE_RANK], int count)
{
    struct value v = { .dtype = PLN_I64, .rank = 1, .lo = 1e9, .hi = 1e9, .grid = 0 }; /* not for arithmetic */
    struct block *root = g->block;
    void *data[CASE_RUNS] = { NULL };
    bool same = true;
    while (root->outer) root = root->outer;
    for (int run = 0; run < g->runs; run++) {
        v.dims[run][0] = count;
        data[run] = calloc((size_t)count + 1, sizeof(int64_t));
        if (!data[run]) g->failed = true;
        else memcpy(data[run], values[run], (size_t)count * sizeof(int64_t));
        same = same && memcmp(values[run], values[0], (size_t)count * sizeof(int64_t)) == 0;
    }
    bool fixed = same && chance(g, g->late ? 40 : 85);
    int id = -1;
    if (!g->failed && (!same || !fixed) && root->inputs_allowed && g->made->input_count < CASE_INPUTS && g->values < VALUES_MOST && root->count < VALUES_MOST) id = add_input(g, &v, data, root);
    else if (!g->failed && same) id = add_fixed(g, &v, data[0], root);
    else g->failed = true;
    for (int run = 0; run < g->runs; run++) free(data[run]);
    return id < 0 ? 0 : id;
}
