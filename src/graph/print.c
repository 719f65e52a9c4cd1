#include "graph/text.h"

#include <inttypes.h>

struct printer {
    struct pln_graph *graph;
    const struct pln_vocabulary *vocabulary;
    struct pln_text *out;
    bool full;
    const struct pln_graph_weights *weights; /* NULL: constants are printed with their data */
    int indent;
    uint32_t *origin_numbers; /* of the origins that nodes name; PLN_NONE: of the others */
    bool *seen;               /* dim nodes that are printed */
};

static void print_line_start(struct printer *p)
{
    for (int i = 0; i < p->indent; i++) pln_text_puts(p->out, "  ");
}

static void print_name(struct printer *p, const char *name)
{
    if (pln_name_is_bare(name)) pln_text_puts(p->out, name);
    else pln_text_quote(p->out, name, strlen(name));
}

static void print_quoted(struct printer *p, const char *text)
{
    pln_text_quote(p->out, text, strlen(text));
}

static const char *dtype_name(enum pln_dtype dtype)
{
    return dtype == PLN_DTYPE_NONE ? "?" : pln_dtype_name(dtype);
}

/* ---- values ---- */

static void print_dims(const struct pln_graph *graph, const struct pln_dim *dims, int64_t n, struct pln_text *out)
{
    for (int64_t i = 0; i < n; i++) {
        if (i) pln_text_putc(out, ',');
        pln_dim_print(&graph->dims, dims[i], out);
    }
}

void pln_graph_print_type(const struct pln_graph *graph, const struct pln_type *type, struct pln_text *out)
{
    int depth = 0;
    for (; type && type->kind != PLN_TENSOR; type = type->elem, depth++) {
        if (type->kind == PLN_MAP) pln_text_printf(out, "map(%s,", dtype_name(type->dtype));
        else pln_text_puts(out, type->kind == PLN_SEQUENCE ? "seq(" : "opt(");
    }
    if (!type) {
        pln_text_puts(out, "none");
    } else {
        pln_text_printf(out, "%s[", dtype_name(type->dtype));
        if (type->rank < 0) pln_text_putc(out, '*');
        else print_dims(graph, type->dims, type->rank, out);
        pln_text_putc(out, ']');
    }
    while (depth--) pln_text_putc(out, ')');
}

static void print_constant(struct printer *p, const struct pln_value *value)
{
    const struct pln_tensor *data = value->data;
    bool by_number = p->weights && p->weights->number && pln_tensor_count(data) > PLN_LIST_MAX;
    uint32_t number = by_number ? p->weights->number(p->weights->user, value) : PLN_NONE;
    if (number == PLN_NONE) {
        pln_tensor_print(data, p->full, p->out);
        return;
    }
    pln_text_printf(p->out, "%s[", pln_dtype_name(data->dtype));
    for (int i = 0; i < data->rank; i++) pln_text_printf(p->out, "%s%" PRId64, i ? "," : "", data->dims[i]);
    pln_text_printf(p->out, "] = @%" PRIu32, number);
}

static void print_value(struct printer *p, uint32_t id)
{
    const struct pln_value *value = &p->graph->values[id];
    print_name(p, value->name);
    pln_text_puts(p->out, ": ");
    if (value->data) {
        print_constant(p, value);
    } else {
        pln_graph_print_type(p->graph, &value->type, p->out);
    }
    if (value->elems && !value->data) {
        pln_text_puts(p->out, " ~[");
        print_dims(p->graph, value->elems, value->n_elems, p->out);
        pln_text_putc(p->out, ']');
    }
    if (value->tapped) pln_text_puts(p->out, " tap");
}

/* ---- nodes ---- */

static void print_op(struct printer *p, const struct pln_node *node)
{
    const char *op = p->vocabulary->op_name(node->op);
    const char *kind = p->vocabulary->kind_name ? p->vocabulary->kind_name(node->op, node->kind) : NULL;
    if (op) pln_text_puts(p->out, op);
    else pln_text_printf(p->out, "op%u", node->op);
    if (kind) pln_text_printf(p->out, ".%s", kind);
}

static void print_outputs(struct printer *p, const struct pln_node *node)
{
    for (uint32_t i = 0; i < node->n_outputs; i++) {
        if (i) pln_text_puts(p->out, ", ");
        if (node->outputs[i] == PLN_NONE) pln_text_putc(p->out, '_');
        else print_value(p, node->outputs[i]);
    }
    if (node->n_outputs == 0) pln_text_puts(p->out, "none");
}

static void print_inputs(struct printer *p, const struct pln_node *node)
{
    pln_text_putc(p->out, '(');
    for (uint32_t i = 0; i < node->n_inputs; i++) {
        if (i) pln_text_puts(p->out, ", ");
        if (node->inputs[i] == PLN_NONE) pln_text_putc(p->out, '_');
        else print_name(p, p->graph->values[node->inputs[i]].name);
    }
    pln_text_putc(p->out, ')');
}

static void print_origins(struct printer *p, const struct pln_node *node)
{
    for (uint32_t i = 0; i < node->n_origins; i++) {
        pln_text_printf(p->out, "%s%u", i ? "," : " @", p->origin_numbers[node->origins[i]]);
    }
}

static void print_comment(struct printer *p, const struct pln_node *node)
{
    if (node->n_origins == 0) return;
    const struct pln_origin *origin = &p->graph->origins[node->origins[0]];
    pln_text_puts(p->out, "  ; ");
    print_name(p, *origin->name ? origin->name : origin->op_type);
}

static void print_block(struct printer *p, uint32_t id);

static void print_node(struct printer *p, uint32_t id)
{
    const struct pln_node *node = &p->graph->nodes[id];
    print_line_start(p);
    print_outputs(p, node);
    pln_text_puts(p->out, " = ");
    print_op(p, node);
    print_inputs(p, node);
    pln_attrs_print_exact(&node->attrs, p->full, p->out);
    print_origins(p, node);
    if (node->n_blocks == 0) print_comment(p, node);
    for (uint32_t i = 0; i < node->n_blocks; i++) {
        pln_text_puts(p->out, " do {");
        if (i == 0) print_comment(p, node);
        pln_text_putc(p->out, '\n');
        p->indent++;
        print_block(p, node->blocks[i]);
        p->indent--;
        print_line_start(p);
        pln_text_putc(p->out, '}');
    }
    pln_text_putc(p->out, '\n');
}

static void print_block(struct printer *p, uint32_t id)
{
    const struct pln_graph *g = p->graph;
    const struct pln_block *block = &g->blocks[id];
    for (uint32_t i = 0; i < block->n_inputs; i++) {
        print_line_start(p);
        pln_text_puts(p->out, "in ");
        print_value(p, block->inputs[i]);
        pln_text_putc(p->out, '\n');
    }
    for (uint32_t node = block->first; node != PLN_NONE && !p->out->failed; node = g->nodes[node].next) print_node(p, node);
    for (uint32_t i = 0; i < block->n_outputs; i++) {
        const char *name = g->values[block->outputs[i]].name;
        print_line_start(p);
        pln_text_puts(p->out, "out ");
        print_name(p, name);
        if (strcmp(name, block->output_names[i]) != 0) {
            pln_text_puts(p->out, " as ");
            print_quoted(p, block->output_names[i]);
        }
        pln_text_putc(p->out, '\n');
    }
}

/* ---- what stands before the blocks ---- */

static bool is_printed(const struct pln_value *value)
{
    return !value->removed && (!value->data || value->first_use != PLN_NONE || value->tapped);
}

static void see(struct printer *p, struct pln_dim dim)
{
    dim = pln_dim_resolve(&p->graph->dims, dim);
    if (p->seen && dim.id < p->graph->dims.count) p->seen[dim.id] = true;
}

/* Every extent that will be printed is resolved; with seen, noted. */
static void see_values(struct printer *p)
{
    for (size_t id = 0; id < p->graph->n_values; id++) {
        const struct pln_value *value = &p->graph->values[id];
        if (!is_printed(value) || value->data) continue;
        for (const struct pln_type *type = &value->type; type; type = type->elem) {
            for (int i = 0; i < type->rank && type->kind == PLN_TENSOR; i++) see(p, type->dims[i]);
        }
        for (int64_t i = 0; i < value->n_elems; i++) see(p, value->elems[i]);
    }
}

/* Symbols in the table's order, so that a reader makes the same normal forms. */
static void print_symbols(struct printer *p)
{
    const struct pln_dim_table *dims = &p->graph->dims;
    for (size_t id = dims->count; id-- > 0;) { /* operands have smaller ids */
        const struct pln_dim_node *node = &dims->nodes[id];
        if (!p->seen[id] || node->op == PLN_DIM_CONST || node->op == PLN_DIM_SYMBOL) continue;
        p->seen[node->a] = p->seen[node->b] = true;
        if (node->op == PLN_DIM_SELECT) p->seen[node->c] = true;
    }
    for (size_t id = 0; id < dims->count; id++) {
        if (!p->seen[id] || dims->nodes[id].op != PLN_DIM_SYMBOL) continue;
        const struct pln_symbol *symbol = &dims->symbols[dims->nodes[id].a];
        print_line_start(p);
        pln_text_puts(p->out, "symbol ");
        print_name(p, symbol->name);
        if (symbol->min != 0 || symbol->max != INT64_MAX) pln_text_printf(p->out, " [%" PRId64 ", %" PRId64 "]", symbol->min, symbol->max);
        pln_text_putc(p->out, '\n');
    }
}

static void print_all_origins(struct printer *p)
{
    const struct pln_graph *g = p->graph;
    uint32_t n = 0;
    memset(p->origin_numbers, 0xff, g->n_origins * sizeof(*p->origin_numbers));
    for (size_t id = 0; id < g->n_nodes; id++) {
        const struct pln_node *node = &g->nodes[id];
        for (uint32_t i = 0; i < node->n_origins && !node->removed; i++) p->origin_numbers[node->origins[i]] = 0;
    }
    for (size_t id = 0; id < g->n_origins; id++) {
        const struct pln_origin *origin = &g->origins[id];
        if (p->origin_numbers[id] == PLN_NONE) continue;
        p->origin_numbers[id] = n++;
        print_line_start(p);
        pln_text_puts(p->out, "origin ");
        print_quoted(p, origin->name);
        pln_text_putc(p->out, ' ');
        print_quoted(p, origin->op_type);
        pln_text_putc(p->out, ' ');
        print_quoted(p, origin->domain);
        pln_text_printf(p->out, " %" PRId64 "\n", origin->index);
    }
}

static void print_head(struct printer *p)
{
    const struct pln_graph *g = p->graph;
    for (size_t i = 0; i < g->n_metadata; i++) {
        print_line_start(p);
        pln_text_puts(p->out, "meta ");
        print_quoted(p, g->metadata[i].key);
        pln_text_puts(p->out, " = ");
        print_quoted(p, g->metadata[i].value);
        pln_text_putc(p->out, '\n');
    }
    print_symbols(p);
    print_all_origins(p);
    for (uint32_t id = 0; id < g->n_values && !p->out->failed; id++) {
        if (!g->values[id].data || !is_printed(&g->values[id])) continue;
        print_line_start(p);
        pln_text_puts(p->out, "const ");
        print_value(p, id);
        pln_text_putc(p->out, '\n');
    }
    for (size_t i = 0; i < g->n_states; i++) {
        print_line_start(p);
        pln_text_printf(p->out, "state %" PRIu32 " %" PRIu32 " %d\n", g->states[i].input, g->states[i].output, g->states[i].axis);
    }
}

static void print_graph(struct pln_graph *graph, const struct pln_vocabulary *vocabulary, bool full, const struct pln_graph_weights *weights, struct pln_text *out)
{
    struct pln_arena scratch;
    struct printer p = { .graph = graph, .vocabulary = vocabulary, .out = out, .full = full, .weights = weights, .indent = 1 };
    pln_arena_init(&scratch, graph->alloc, 0);
    see_values(&p); /* resolving may add to the table: do it before its size is taken */
    p.seen = pln_arena_array(&scratch, graph->dims.count, sizeof(*p.seen));
    p.origin_numbers = pln_arena_array(&scratch, graph->n_origins, sizeof(*p.origin_numbers));
    if (p.seen && p.origin_numbers) {
        see_values(&p);
        pln_text_puts(out, "graph ");
        print_quoted(&p, graph->name);
        pln_text_puts(out, " {\n");
        print_head(&p);
        print_block(&p, 0);
        pln_text_puts(out, "}\n");
    } else {
        out->failed = true;
    }
    pln_arena_deinit(&scratch);
}

void pln_graph_print(struct pln_graph *graph, const struct pln_vocabulary *vocabulary, bool full, struct pln_text *out)
{
    print_graph(graph, vocabulary, full, NULL, out);
}

void pln_graph_print_weights(struct pln_graph *graph, const struct pln_vocabulary *vocabulary, const struct pln_graph_weights *weights, struct pln_text *out)
{
    print_graph(graph, vocabulary, true, weights, out);
}
