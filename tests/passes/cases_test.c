/* Runs the cases of cases/: texts of
 *
 *   passes NAME…
 *   graph … { … }        the text form of graph/text.h; types that are left open ("?[*]") are inferred
 *   =>
 *   a line a node, then the outputs
 *   ====                 between cases
 *
 * A result's line is `outputs = op.kind(inputs) attributes`; row programs and epilogues print as such, one-element constants as their number, other
 * constants as "#" and their type. Then both graphs are run by the reference kernels on random inputs, for several values of their symbols, and
 * must agree. With PLANISH_PRINT_CASES set, what came out is printed. */
#define _POSIX_C_SOURCE 200809L
#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/rowprog.h"
#include "passes/pass.h"
#include "tensor/convert.h"

/* ---- files ---- */

static char *read_file(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "cases/%s", name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    static char text[1 << 18];
    size_t n = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[n] = '\0';
    return text;
}

static struct pln_graph *parse(const char *text, size_t size_bytes)
{
    struct pln_diag diag;
    struct pln_graph *graph = NULL;
    pln_diag_init(&diag);
    enum pln_status status = pln_graph_parse(text, size_bytes, &pln_op_vocabulary, NULL, &diag, &graph);
    if (status == PLN_OK) status = pln_infer_graph(graph, &diag);
    if (status == PLN_OK) status = pln_graph_verify(graph, &diag);
    if (status != PLN_OK) fail_msg("%s\n%.*s", diag.entries[0].text, (int)size_bytes, text);
    return graph;
}

/* Runs the passes named in "passes a b c", each alone, in this order. */
static void run_passes(struct pln_graph *graph, const char *line, size_t size)
{
    char names[256], *save = NULL;
    assert_true(size < sizeof names);
    memcpy(names, line, size);
    names[size] = '\0';
    for (char *name = strtok_r(names, " \n", &save); name; name = strtok_r(NULL, " \n", &save)) {
        const struct pln_pass *pass = pln_passes;
        struct pln_diag diag;
        struct pln_arena scratch;
        bool changed = false;
        pln_diag_init(&diag);
        while (pass->name && strcmp(pass->name, name) != 0) pass++;
        if (!pass->name) fail_msg("there is no pass %s", name);
        pln_arena_init(&scratch, pln_allocator_default(), 0);
        assert_int_equal(pass->run(graph, &scratch, &diag, &changed), PLN_OK);
        pln_arena_deinit(&scratch);
        if (pln_graph_verify(graph, &diag) != PLN_OK) fail_msg("after %s: %s", name, diag.entries[0].text);
    }
}

/* ---- printing ---- */

static void print_program(const struct pln_attr *attr, struct pln_text *out)
{
    struct pln_rowprog program;
    assert_int_equal(pln_rowprog_read(attr->u.s.data, attr->u.s.size_bytes, NULL, &program), PLN_OK);
    pln_text_printf(out, " %s: ", attr->name);
    pln_rowprog_print(&program, out);
}

static void print_value(const struct pln_graph *graph, uint32_t id, struct pln_text *out)
{
    double number;
    char type[128];
    const struct pln_value *value = id == PLN_NONE ? NULL : pln_graph_value(graph, id);
    if (!value) pln_text_puts(out, "_");
    else if (!value->data) pln_text_puts(out, value->producer != PLN_NONE && value->name[0] == 'v' && value->name[1] >= '0' && value->name[1] <= '9' ? "." : value->name);
    else if (pln_graph_scalar_f64(graph, id, &number)) pln_text_printf(out, "%g", number);
    else pln_text_printf(out, "#%s", pln_tensor_describe(value->data, type, sizeof type));
}

static void print_node(const struct pln_graph *graph, uint32_t id, struct pln_text *out)
{
    const struct pln_node *node = pln_graph_node(graph, id);
    for (uint32_t i = 0; i < node->n_outputs; i++) {
        pln_text_puts(out, i ? ", " : "");
        print_value(graph, node->outputs[i], out);
    }
    const char *kind = pln_op_kind_name(node->op, node->kind);
    pln_text_printf(out, " = %s%s%s(", pln_op_name(node->op), kind ? "." : "", kind ? kind : "");
    for (uint32_t i = 0; i < node->n_inputs; i++) {
        pln_text_puts(out, i ? ", " : "");
        print_value(graph, node->inputs[i], out);
    }
    pln_text_puts(out, ")");
    struct pln_attrs rest = { 0 };
    struct pln_arena arena;
    pln_arena_init(&arena, pln_allocator_default(), 0);
    for (size_t i = 0; i < node->attrs.count; i++) {
        const struct pln_attr *attr = &node->attrs.items[i];
        if (strcmp(attr->name, "program") == 0 || strcmp(attr->name, "epilogue") == 0) print_program(attr, out);
        else assert_true(pln_attrs_set(&rest, &arena, attr));
    }
    if (rest.count) pln_text_puts(out, " ");
    pln_attrs_print(&rest, out);
    pln_arena_deinit(&arena);
    pln_text_puts(out, "\n");
}

static void print_graph(const struct pln_graph *graph, struct pln_text *out)
{
    for (uint32_t id = graph->blocks[0].first; id != PLN_NONE; id = pln_graph_node(graph, id)->next) print_node(graph, id, out);
    pln_text_puts(out, "out");
    for (uint32_t i = 0; i < graph->blocks[0].n_outputs; i++) {
        pln_text_puts(out, " ");
        print_value(graph, graph->blocks[0].outputs[i], out);
    }
    pln_text_puts(out, "\n");
}

/* ---- running ---- */

struct machine {
    struct pln_graph *graph;
    struct pln_heap heap;
    struct pln_arena scratch;
    struct pln_item **items; /* by value */
};

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005ull + 1442695040888963407ull; /* Knuth's MMIX generator */
    return *state >> 33;
}

static void fill(struct pln_tensor *tensor, uint64_t *state)
{
    int64_t count = pln_tensor_count(tensor);
    for (int64_t i = 0; i < count; i++) {
        double value = (double)(next_random(state) % 2001) / 500 - 2;
        if (tensor->dtype == PLN_BOOL || pln_dtype_is_integer(tensor->dtype)) pln_store_i64(tensor->dtype, tensor->data, i, value > 0);
        else pln_store_f64(tensor->dtype, tensor->data, i, value, false);
    }
}

static void set_inputs(struct machine *m, int64_t symbol, uint64_t seed)
{
    struct pln_graph *graph = m->graph;
    for (uint32_t i = 0; i < graph->blocks[0].n_inputs; i++) {
        uint32_t id = graph->blocks[0].inputs[i];
        const struct pln_type *type = &pln_graph_value(graph, id)->type;
        int64_t dims[PLN_MAX_RANK];
        for (int d = 0; d < type->rank; d++)
            if (!pln_dim_value(&graph->dims, type->dims[d], &dims[d])) dims[d] = symbol + (int64_t)(type->dims[d].id % 2);
        assert_int_equal(pln_item_new_tensor(&m->heap, type->dtype, type->rank, dims, &m->items[id]), PLN_OK);
        fill(&m->items[id]->tensor, &seed);
    }
    for (uint32_t id = 0; id < graph->n_values; id++) {
        const struct pln_tensor *data = pln_graph_value(graph, id)->data;
        if (!data) continue;
        assert_int_equal(pln_item_new_tensor(&m->heap, data->dtype, data->rank, data->dims, &m->items[id]), PLN_OK);
        if (pln_tensor_bytes(data)) memcpy(m->items[id]->tensor.data, data->data, pln_tensor_bytes(data));
    }
}

static void run_node(struct machine *m, uint32_t id)
{
    const struct pln_node *node = pln_graph_node(m->graph, id);
    const struct pln_item *inputs[64];
    struct pln_item *outputs[64] = { NULL };
    bool wanted[64];
    struct pln_diag diag;
    pln_diag_init(&diag);
    for (uint32_t i = 0; i < node->n_inputs; i++) inputs[i] = node->inputs[i] == PLN_NONE ? NULL : m->items[node->inputs[i]];
    for (uint32_t i = 0; i < node->n_outputs; i++) wanted[i] = node->outputs[i] != PLN_NONE;
    struct pln_call call = { .op = node->op, .kind = node->kind, .attrs = &node->attrs, .n_inputs = (int)node->n_inputs, .n_outputs = (int)node->n_outputs,
                             .inputs = inputs, .outputs = outputs, .wanted = wanted, .heap = &m->heap, .scratch = &m->scratch, .diag = &diag };
    if (pln_ref_kernels[node->op](&call) != PLN_OK) fail_msg("%s", diag.entries[0].text);
    for (uint32_t i = 0; i < node->n_outputs; i++)
        if (wanted[i]) m->items[node->outputs[i]] = outputs[i];
}

static void machine_init(struct machine *m, struct pln_graph *graph, int64_t symbol, uint64_t seed)
{
    m->graph = graph;
    pln_heap_init(&m->heap, pln_allocator_default(), 0);
    pln_arena_init(&m->scratch, pln_allocator_default(), 0);
    m->items = calloc(graph->n_values + 1, sizeof(struct pln_item *));
    assert_non_null(m->items);
    set_inputs(m, symbol, seed);
    for (uint32_t id = graph->blocks[0].first; id != PLN_NONE; id = pln_graph_node(graph, id)->next) run_node(m, id);
}

static void machine_deinit(struct machine *m)
{
    free(m->items);
    pln_arena_deinit(&m->scratch);
    pln_heap_deinit(&m->heap);
}

static void compare(const struct machine *a, const struct machine *b, const char *where)
{
    for (uint32_t o = 0; o < a->graph->blocks[0].n_outputs; o++) {
        const struct pln_tensor *x = &a->items[a->graph->blocks[0].outputs[o]]->tensor, *y = &b->items[b->graph->blocks[0].outputs[o]]->tensor;
        if (x->dtype != y->dtype || !pln_tensor_same_shape(x, y)) fail_msg("%s: output %u has another type or shape", where, o);
        int64_t count = pln_tensor_count(x);
        for (int64_t i = 0; i < count; i++) {
            double p = pln_load_f64(x->dtype, x->data, i), q = pln_load_f64(y->dtype, y->data, i);
            if (fabs(p - q) > 2e-6 * (1 + fabs(p)) || isnan(p) != isnan(q)) fail_msg("%s: output %u at %lld: %g became %g", where, o, (long long)i, p, q);
        }
    }
}

/* ---- cases ---- */

static void check_case(const char *where, const char *text)
{
    const char *passes = strstr(text, "passes "), *start = strstr(text, "graph "), *arrow = strstr(text, "\n=>\n");
    if (!passes || !start || !arrow) fail_msg("%s: the case is not whole", where);
    struct pln_graph *before = parse(start, (size_t)(arrow - start)), *after = parse(start, (size_t)(arrow - start));
    run_passes(after, passes + 7, (size_t)(start - passes - 7));
    struct pln_text got;
    pln_text_init(&got, NULL);
    print_graph(after, &got);
    if (getenv("PLANISH_PRINT_CASES")) printf("%.*s\n=>\n%s====\n", (int)(arrow - text), text, got.data);
    else if (strcmp(got.data, arrow + 4) != 0) fail_msg("%s: wanted\n%sgot\n%s", where, arrow + 4, got.data);
    pln_text_deinit(&got);
    for (int64_t symbol = 1; symbol <= 3; symbol++) {
        struct machine a, b;
        machine_init(&a, before, symbol, (uint64_t)symbol);
        machine_init(&b, after, symbol, (uint64_t)symbol);
        compare(&a, &b, where);
        machine_deinit(&a);
        machine_deinit(&b);
    }
    pln_graph_destroy(before);
    pln_graph_destroy(after);
}

static void check_file(const char *name)
{
    char where[300];
    char *text = read_file(name);
    for (int number = 1; text && *text; number++) {
        char *end = strstr(text, "\n====\n");
        if (end) end[1] = '\0';
        snprintf(where, sizeof where, "%s, case %d", name, number);
        check_case(where, text);
        text = end ? end + 6 : NULL;
    }
}

static void test_cases(void **state)
{
    (void)state;
    DIR *folder = opendir("cases");
    int n = 0;
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));) {
        size_t size = strlen(entry->d_name);
        if (size < 5 || strcmp(entry->d_name + size - 4, ".txt") != 0) continue;
        check_file(entry->d_name);
        n++;
    }
    closedir(folder);
    assert_true(n > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_cases) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
