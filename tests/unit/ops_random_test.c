/* Every op on random inputs and attributes, most of them nonsense: no crash, bounded memory, and where both inference and the reference
 * kernel say yes they must say the same types and shapes. Seeded: each run tries the same. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ops/op.h"
#include "tensor/convert.h"

enum { ROUNDS = 2000, MAX_INPUTS = 8, MAX_OUTPUTS = 4 };

static uint64_t random_state;

/* SplitMix64 (Steele, Lea, Flood 2014). */
static uint64_t next_random(void)
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static int below(int n)
{
    return (int)(next_random() % (uint64_t)n);
}

static enum pln_dtype random_dtype(void)
{
    static const enum pln_dtype common[] = { PLN_F32, PLN_F32, PLN_F32, PLN_I64, PLN_I64, PLN_BOOL, PLN_I32, PLN_U8, PLN_I8, PLN_F16, PLN_F64, PLN_STR };
    return below(8) ? common[below((int)PLN_COUNT_OF(common))] : (enum pln_dtype)(1 + below(PLN_DTYPE_COUNT - 1));
}

static void fill(struct pln_arena *arena, struct pln_tensor *tensor)
{
    static const double values[] = { 0, 1, 2, 3, -1, -2, 0.5, 1, 2, 5 };
    tensor->data = pln_arena_alloc(arena, pln_tensor_bytes(tensor));
    assert_non_null(tensor->data);
    int64_t count = pln_tensor_count(tensor);
    for (int64_t i = 0; i < count; i++) {
        if (tensor->dtype == PLN_STR) ((struct pln_string *)tensor->data)[i] = (struct pln_string){ "a-b c", (size_t)below(6) };
        else if (pln_dtype_is_complex(tensor->dtype)) continue;
        else if (pln_dtype_is_float(tensor->dtype) && below(40) == 0) pln_store_f64(tensor->dtype, tensor->data, i, below(2) ? (double)NAN : (double)INFINITY, true);
        else pln_store_f64(tensor->dtype, tensor->data, i, values[below((int)PLN_COUNT_OF(values))], true);
    }
    for (int64_t i = 0; tensor->dtype == PLN_BOOL && i < count; i++) ((uint8_t *)tensor->data)[i] &= 1;
}

/* A shape like `like` or near it, so that shapes fit now and then. */
static void random_tensor(struct pln_arena *arena, const struct pln_tensor *like, enum pln_dtype dtype, struct pln_tensor *out)
{
    int64_t dims[PLN_MAX_RANK];
    int rank = below(5);
    for (int d = 0; d < rank; d++) dims[d] = below(10) ? 1 + below(4) : 0;
    if (like && below(2)) {
        rank = like->rank;
        memcpy(dims, like->dims, sizeof(dims));
        if (rank && below(3) == 0) dims[below(rank)] = 1 + below(3);
    } else if (below(3) == 0) {
        rank = below(2);
        dims[0] = like && below(2) ? like->rank : 1 + below(3);
    }
    pln_tensor_init(out, dtype, rank, dims, NULL);
    fill(arena, out);
}

static void random_attr(struct pln_arena *arena, const struct pln_attr_def *def, struct pln_attrs *attrs)
{
    static const char *const texts[] = { "linear", "nearest", "cubic", "constant", "reflect", "bilinear", "SAME_UPPER", "ij,jk->ik", "...i->...", "x" };
    struct pln_attr attr = { .name = def->name, .kind = def->kind, .n = below(5) };
    int64_t ints[5];
    float floats[5];
    struct pln_string strings[5];
    struct pln_tensor tensor;
    for (int i = 0; i < 5; i++) {
        ints[i] = below(6) - 1;
        floats[i] = (float)(below(7) - 2) * 0.5f;
        strings[i] = (struct pln_string){ "ab", (size_t)below(3) };
    }
    const char *text = def->s && below(2) ? def->s : texts[below((int)PLN_COUNT_OF(texts))];
    switch (def->kind) {
    case PLN_ATTR_INT: attr.u.i = below(3) ? below(4) - 1 : below(30); break;
    case PLN_ATTR_FLOAT: attr.u.f = floats[0]; break;
    case PLN_ATTR_STRING: attr.u.s = (struct pln_string){ text, strlen(text) }; break;
    case PLN_ATTR_INTS: attr.u.ints = ints; break;
    case PLN_ATTR_FLOATS: attr.u.floats = floats; break;
    case PLN_ATTR_STRINGS: attr.u.strings = strings; break;
    case PLN_ATTR_TENSOR:
        random_tensor(arena, NULL, random_dtype(), &tensor);
        attr.u.tensor = &tensor;
        break;
    }
    assert_true(pln_attrs_set(attrs, arena, &attr));
}

struct trial {
    struct pln_graph *graph;
    uint32_t node;
    int n_inputs, n_outputs;
    struct pln_tensor tensors[MAX_INPUTS];
    bool given[MAX_INPUTS];
    bool symbolic;                                  /* extents of inputs are symbols to inference */
    int64_t symbols[MAX_INPUTS * PLN_MAX_RANK + 1]; /* and what they stand for */
};

static struct pln_dim input_extent(struct trial *trial, int64_t value)
{
    struct pln_dim_table *table = &trial->graph->dims;
    if (!trial->symbolic) return pln_dim_const(table, value);
    struct pln_dim dim = pln_dim_symbol(table, NULL);
    trial->symbols[table->nodes[dim.id].a] = value;
    return dim;
}

static void make_trial(struct trial *trial, unsigned op, unsigned kind)
{
    const struct pln_op_def *def = pln_op_get(op);
    uint32_t ids[MAX_INPUTS];
    struct pln_graph *g = trial->graph;
    int most = def->max_inputs < 0 || def->max_inputs > MAX_INPUTS ? MAX_INPUTS : def->max_inputs;
    most = PLN_MAX(most, def->min_inputs);
    trial->n_inputs = def->min_inputs + below(most - def->min_inputs + 1);
    enum pln_dtype dtype = random_dtype();
    trial->symbolic = below(2);
    for (int i = 0; i < trial->n_inputs; i++) {
        trial->given[i] = i < def->min_inputs || below(4);
        ids[i] = PLN_NONE;
        if (!trial->given[i]) continue;
        random_tensor(&g->arena, i ? &trial->tensors[0] : NULL, i == 0 || below(3) ? dtype : random_dtype(), &trial->tensors[i]);
        struct pln_tensor *tensor = &trial->tensors[i];
        struct pln_dim dims[PLN_MAX_RANK];
        for (int d = 0; d < tensor->rank; d++) dims[d] = input_extent(trial, tensor->dims[d]);
        struct pln_type type = { .kind = PLN_TENSOR, .dtype = tensor->dtype, .rank = tensor->rank, .dims = dims };
        ids[i] = below(2) ? pln_graph_add_constant(g, NULL, tensor) : pln_graph_add_value(g, NULL, &type);
    }
    trial->n_outputs = def->max_outputs < 0 || def->max_outputs > MAX_OUTPUTS ? 1 + below(MAX_OUTPUTS) : PLN_MAX(def->max_outputs, 1);
    trial->node = pln_graph_add_node(g, 0, op, kind, ids, (uint32_t)trial->n_inputs, (uint32_t)trial->n_outputs);
    for (const struct pln_attr_def *a = def->attrs; a && a->name; a++)
        if (a->required || below(3) == 0) random_attr(&g->arena, a, &pln_graph_node(g, trial->node)->attrs);
}

/* The number that an inferred extent stands for; PLN_DIM_UNKNOWN: only the run can tell. */
static int64_t extent_value(const struct trial *trial, struct pln_dim dim)
{
    struct pln_dim_table *table = &trial->graph->dims;
    dim = pln_dim_resolve(table, dim);
    int64_t *symbols = malloc((table->n_symbols + 1) * sizeof(*symbols)), *values = malloc((table->count + 1) * sizeof(*values));
    assert_true(symbols && values);
    for (size_t i = 0; i < table->n_symbols; i++)
        symbols[i] = trial->symbolic && i < PLN_COUNT_OF(trial->symbols) && trial->symbols[i] >= 0 ? trial->symbols[i] : PLN_DIM_UNKNOWN;
    pln_dim_eval_all(table->nodes, table->count, symbols, values);
    int64_t value = values[dim.id];
    free(values);
    free(symbols);
    return value;
}

static void compare_types(const struct trial *trial, unsigned op, unsigned kind, struct pln_item *const *outputs)
{
    for (int o = 0; o < trial->n_outputs; o++) {
        const struct pln_type *type = &pln_graph_value(trial->graph, pln_graph_node(trial->graph, trial->node)->outputs[o])->type;
        if (!outputs[o] || outputs[o]->kind != PLN_TENSOR || type->kind != PLN_TENSOR) continue;
        const struct pln_tensor *tensor = &outputs[o]->tensor;
        bool same = type->dtype == tensor->dtype && (type->rank < 0 || type->rank == tensor->rank);
        for (int d = 0; same && d < type->rank; d++) {
            int64_t value = extent_value(trial, type->dims[d]);
            same = value == PLN_DIM_UNKNOWN || value == tensor->dims[d];
        }
        if (same) continue;
        char text[256];
        struct pln_text graph;
        pln_text_init(&graph, NULL);
        pln_graph_print(trial->graph, &pln_op_vocabulary, true, &graph);
        print_error("%s.%s output %d is %s\n%s\n", pln_op_name(op), kind ? pln_op_kind_name(op, kind) : "", o,
                    pln_tensor_describe(tensor, text, sizeof(text)), graph.data);
        pln_text_deinit(&graph);
        fail();
    }
}

/* true: both inference and kernel took it. */
static bool run_trial(unsigned op, unsigned kind)
{
    struct trial trial = { 0 };
    memset(trial.symbols, -1, sizeof(trial.symbols));
    struct pln_heap heap;
    struct pln_arena scratch;
    struct pln_item items[MAX_INPUTS], *outputs[MAX_OUTPUTS] = { NULL };
    const struct pln_item *inputs[MAX_INPUTS] = { NULL };
    bool wanted[MAX_OUTPUTS] = { true, true, true, true };
    assert_int_equal(pln_graph_create(NULL, 64 << 20, NULL, &trial.graph), PLN_OK);
    pln_heap_init(&heap, NULL, 64 << 20);
    pln_arena_init(&scratch, NULL, 64 << 20);
    make_trial(&trial, op, kind);
    for (int i = 0; i < trial.n_inputs; i++) {
        if (!trial.given[i]) continue;
        items[i] = (struct pln_item){ .kind = PLN_TENSOR, .refs = 1, .tensor = trial.tensors[i] };
        inputs[i] = &items[i];
    }
    bool inferred = pln_infer_node(trial.graph, trial.node, NULL) == PLN_OK && pln_infer_node(trial.graph, trial.node, NULL) == PLN_OK;
    struct pln_call call = { .op = (uint16_t)op, .kind = (uint16_t)kind, .attrs = &pln_graph_node(trial.graph, trial.node)->attrs,
                             .n_inputs = trial.n_inputs, .n_outputs = trial.n_outputs, .inputs = inputs, .outputs = outputs, .wanted = wanted,
                             .heap = &heap, .scratch = &scratch };
    bool ran = pln_ref_kernels[op](&call) == PLN_OK;
    if (inferred && ran) compare_types(&trial, op, kind, outputs);
    pln_arena_deinit(&scratch);
    pln_heap_deinit(&heap);
    pln_graph_destroy(trial.graph);
    return inferred && ran;
}

static void nonsense_is_survived(void **state)
{
    (void)state;
    for (unsigned op = PLN_OP_NONE + 1; op < PLN_OP_COUNT; op++) {
        if (!pln_ref_kernels[op]) continue;
        const struct pln_kind_row *rows = pln_op_kinds(op);
        int taken = 0;
        for (int round = 0; round < ROUNDS; round++) {
            random_state = (uint64_t)op << 32 | (uint64_t)round;
            unsigned kind = 0;
            if (rows) {
                int n = 0;
                while (rows[n].name) n++;
                kind = rows[round % n].kind;
            }
            taken += run_trial(op, kind);
        }
        if (getenv("PLANISH_TEST_VERBOSE")) print_message("%s: %d of %d taken\n", pln_op_name(op), taken, ROUNDS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(nonsense_is_survived) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
