#include "graph/text.h"

/* Bodies nest this deep, types this deep; a text that wants more is refused. */
#define MAX_BLOCK_DEPTH 64
#define MAX_TYPE_DEPTH 16
/* The graph of a text takes a bounded multiple of it, however the text is made. */
#define MEMORY_PER_BYTE 256
#define MEMORY_BASE ((size_t)64 << 20)

struct parser {
    struct pln_lexer lex;
    struct pln_graph *graph;
    const struct pln_vocabulary *vocabulary;
    int depth;
};

/* A value as it is written, before it is made. */
struct declared {
    const char *name; /* NULL: "_" */
    struct pln_type type;
    const struct pln_dim *elems;
    int64_t n_elems;
    bool tapped;
};

/* ---- types ---- */

/* Extents up to "]". */
static enum pln_status parse_dims(struct parser *p, size_t max, const struct pln_dim **out_dims, int64_t *out_n)
{
    struct pln_dim *dims = NULL;
    size_t n = 0, capacity = 0;
    while (!pln_lex_accept(&p->lex, ']')) {
        if (n == max) return pln_lex_fail(&p->lex, "fewer extents");
        if (n) PLN_TRY(pln_lex_expect(&p->lex, ','));
        void *items = dims;
        if (!pln_arena_grow(p->lex.arena, &items, &capacity, n + 1, sizeof(*dims))) return pln_lex_no_memory(&p->lex);
        dims = items;
        (void)pln_lex_peek(&p->lex);
        PLN_TRY(pln_dim_parse(&p->graph->dims, &p->lex.at, p->lex.diag, &dims[n++]));
    }
    static const struct pln_dim nothing;
    *out_dims = n ? dims : &nothing;
    *out_n = (int64_t)n;
    return PLN_OK;
}

static enum pln_status parse_tensor_type(struct parser *p, struct pln_type *out_type)
{
    int64_t rank;
    PLN_TRY(pln_lex_dtype(&p->lex, &out_type->dtype));
    PLN_TRY(pln_lex_expect(&p->lex, '['));
    out_type->rank = -1;
    if (pln_lex_accept(&p->lex, '*')) return pln_lex_expect(&p->lex, ']');
    PLN_TRY(parse_dims(p, PLN_MAX_RANK, &out_type->dims, &rank));
    out_type->rank = (int)rank;
    return PLN_OK;
}

static enum pln_status parse_type(struct parser *p, int depth, struct pln_type *out_type)
{
    memset(out_type, 0, sizeof(*out_type));
    if (pln_lex_word(&p->lex, "seq")) out_type->kind = PLN_SEQUENCE;
    else if (pln_lex_word(&p->lex, "opt")) out_type->kind = PLN_OPTIONAL;
    else if (pln_lex_word(&p->lex, "map")) out_type->kind = PLN_MAP;
    if (out_type->kind == PLN_TENSOR) return parse_tensor_type(p, out_type);
    if (depth == MAX_TYPE_DEPTH) return pln_lex_fail(&p->lex, "a simpler type");
    PLN_TRY(pln_lex_expect(&p->lex, '('));
    if (out_type->kind == PLN_MAP) {
        PLN_TRY(pln_lex_dtype(&p->lex, &out_type->dtype));
        PLN_TRY(pln_lex_expect(&p->lex, ','));
    }
    if (!pln_lex_word(&p->lex, "none")) {
        struct pln_type *elem = pln_arena_alloc(p->lex.arena, sizeof(*elem));
        if (!elem) return pln_lex_no_memory(&p->lex);
        PLN_TRY(parse_type(p, depth + 1, elem));
        out_type->elem = elem;
    }
    return pln_lex_expect(&p->lex, ')');
}

/* ---- values ---- */

static enum pln_status parse_value(struct parser *p, struct declared *out)
{
    memset(out, 0, sizeof(*out));
    PLN_TRY(pln_lex_name(&p->lex, &out->name));
    PLN_TRY(pln_lex_expect(&p->lex, ':'));
    PLN_TRY(parse_type(p, 0, &out->type));
    if (pln_lex_accept(&p->lex, '~')) {
        PLN_TRY(pln_lex_expect(&p->lex, '['));
        PLN_TRY(parse_dims(p, PLN_MAX_ELEMS, &out->elems, &out->n_elems));
    }
    out->tapped = pln_lex_word(&p->lex, "tap");
    return PLN_OK;
}

static enum pln_status check_new(struct parser *p, const char *name)
{
    if (pln_graph_find_value(p->graph, name) == PLN_NONE) return PLN_OK;
    return pln_lex_fail(&p->lex, "a name that no value has, before this,");
}

static enum pln_status declare(struct parser *p, const struct declared *what, uint32_t *out_value)
{
    *out_value = PLN_NONE;
    PLN_TRY(check_new(p, what->name));
    *out_value = pln_graph_add_value(p->graph, what->name, &what->type);
    if (*out_value == PLN_NONE) return pln_lex_no_memory(&p->lex);
    struct pln_value *v = &p->graph->values[*out_value];
    v->elems = what->elems;
    v->n_elems = what->n_elems;
    v->tapped = what->tapped;
    return PLN_OK;
}

static enum pln_status find_value(struct parser *p, uint32_t *out_value)
{
    const char *name;
    *out_value = PLN_NONE;
    PLN_TRY(pln_lex_name(&p->lex, &name));
    *out_value = pln_graph_find_value(p->graph, name);
    return *out_value == PLN_NONE ? pln_lex_fail(&p->lex, "the name of a value before this,") : PLN_OK;
}

/* ---- nodes ---- */

static enum pln_status parse_outputs(struct parser *p, struct declared **out_items, size_t *out_n)
{
    size_t capacity = 0;
    *out_items = NULL;
    *out_n = 0;
    if (pln_lex_word(&p->lex, "none")) return PLN_OK;
    do {
        void *items = *out_items;
        if (!pln_arena_grow(p->lex.arena, &items, &capacity, *out_n + 1, sizeof(**out_items))) return pln_lex_no_memory(&p->lex);
        *out_items = items;
        memset(&(*out_items)[*out_n], 0, sizeof(**out_items));
        if (!pln_lex_word(&p->lex, "_")) PLN_TRY(parse_value(p, &(*out_items)[*out_n]));
        ++*out_n;
    } while (pln_lex_accept(&p->lex, ','));
    return PLN_OK;
}

static enum pln_status parse_op(struct parser *p, unsigned *out_op, unsigned *out_kind)
{
    char name[128];
    PLN_TRY(pln_lex_number(&p->lex, name, sizeof(name)));
    char *kind = strchr(name, '.');
    if (kind) *kind++ = 0;
    if (p->vocabulary->find(name, kind, out_op, out_kind)) return PLN_OK;
    return pln_lex_fail(&p->lex, "the name of an operation before this,");
}

static enum pln_status parse_inputs(struct parser *p, uint32_t **out_ids, size_t *out_n)
{
    size_t capacity = 0;
    *out_ids = NULL;
    *out_n = 0;
    PLN_TRY(pln_lex_expect(&p->lex, '('));
    while (!pln_lex_accept(&p->lex, ')')) {
        uint32_t value = PLN_NONE;
        if (*out_n) PLN_TRY(pln_lex_expect(&p->lex, ','));
        if (!pln_lex_word(&p->lex, "_")) PLN_TRY(find_value(p, &value));
        void *items = *out_ids;
        if (!pln_arena_grow(p->lex.arena, &items, &capacity, *out_n + 1, sizeof(value))) return pln_lex_no_memory(&p->lex);
        *out_ids = items;
        (*out_ids)[(*out_n)++] = value;
    }
    return PLN_OK;
}

static enum pln_status parse_origins(struct parser *p, uint32_t node)
{
    if (!pln_lex_accept(&p->lex, '@')) return PLN_OK;
    do {
        int64_t origin;
        PLN_TRY(pln_lex_i64(&p->lex, &origin));
        if (origin < 0 || (uint64_t)origin >= p->graph->n_origins) return pln_lex_fail(&p->lex, "an origin before this,");
        if (!pln_graph_node_add_origin(p->graph, node, (uint32_t)origin)) return pln_lex_no_memory(&p->lex);
    } while (pln_lex_accept(&p->lex, ','));
    return PLN_OK;
}

static enum pln_status parse_block(struct parser *p, uint32_t block);

static enum pln_status parse_bodies(struct parser *p, uint32_t node)
{
    while (pln_lex_word(&p->lex, "do")) {
        PLN_TRY(pln_lex_expect(&p->lex, '{'));
        if (p->depth == MAX_BLOCK_DEPTH) return pln_lex_fail(&p->lex, "less nesting");
        uint32_t block = pln_graph_add_block(p->graph, node);
        if (block == PLN_NONE) return pln_lex_no_memory(&p->lex);
        p->depth++;
        PLN_TRY(parse_block(p, block));
        p->depth--;
    }
    return PLN_OK;
}

/* The outputs that the node was made with go first: their made-up names may be names of the text. */
static enum pln_status declare_outputs(struct parser *p, uint32_t node, const struct declared *outputs)
{
    uint32_t *ids = p->graph->nodes[node].outputs, n = p->graph->nodes[node].n_outputs;
    for (uint32_t i = 0; i < n; i++) {
        p->graph->values[ids[i]].removed = true;
        p->graph->values[ids[i]].producer = PLN_NONE;
        ids[i] = PLN_NONE;
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t value;
        if (!outputs[i].name) continue;
        PLN_TRY(declare(p, &outputs[i], &value));
        pln_graph_set_output(p->graph, node, i, value);
    }
    return PLN_OK;
}

static enum pln_status parse_node(struct parser *p, uint32_t block)
{
    struct declared *outputs;
    size_t n_outputs, n_inputs;
    uint32_t *inputs;
    unsigned op = 0, kind = 0;
    PLN_TRY(parse_outputs(p, &outputs, &n_outputs));
    PLN_TRY(pln_lex_expect(&p->lex, '='));
    PLN_TRY(parse_op(p, &op, &kind));
    PLN_TRY(parse_inputs(p, &inputs, &n_inputs));
    uint32_t node = pln_graph_add_node(p->graph, block, op, kind, inputs, (uint32_t)n_inputs, (uint32_t)n_outputs);
    if (node == PLN_NONE) return pln_lex_no_memory(&p->lex);
    PLN_TRY(declare_outputs(p, node, outputs));
    PLN_TRY(pln_attrs_parse(&p->lex, &p->graph->nodes[node].attrs));
    PLN_TRY(parse_origins(p, node));
    return parse_bodies(p, node);
}

/* ---- blocks ---- */

static enum pln_status parse_input(struct parser *p, uint32_t block)
{
    struct declared what;
    uint32_t value;
    PLN_TRY(parse_value(p, &what));
    PLN_TRY(declare(p, &what, &value));
    return pln_graph_add_block_input(p->graph, block, value) ? PLN_OK : pln_lex_no_memory(&p->lex);
}

static enum pln_status parse_output(struct parser *p, uint32_t block)
{
    uint32_t value;
    const char *name = NULL;
    PLN_TRY(find_value(p, &value));
    if (pln_lex_word(&p->lex, "as")) PLN_TRY(pln_lex_text(&p->lex, &name));
    return pln_graph_add_block_output(p->graph, block, value, name) ? PLN_OK : pln_lex_no_memory(&p->lex);
}

/* Statements up to "}". */
static enum pln_status parse_block(struct parser *p, uint32_t block)
{
    while (!pln_lex_accept(&p->lex, '}')) {
        if (pln_lex_word(&p->lex, "in")) PLN_TRY(parse_input(p, block));
        else if (pln_lex_word(&p->lex, "out")) PLN_TRY(parse_output(p, block));
        else PLN_TRY(parse_node(p, block));
    }
    return PLN_OK;
}

/* ---- the head ---- */

static enum pln_status parse_symbol(struct parser *p)
{
    const char *name;
    PLN_TRY(pln_lex_name(&p->lex, &name));
    size_t before = p->graph->dims.n_symbols;
    struct pln_dim dim = pln_dim_symbol(&p->graph->dims, name);
    if (dim.id == UINT32_MAX) return pln_lex_no_memory(&p->lex);
    if (p->graph->dims.n_symbols == before) return pln_lex_fail(&p->lex, "a new symbol before this,");
    struct pln_symbol *symbol = &p->graph->dims.symbols[before];
    if (!pln_lex_accept(&p->lex, '[')) return PLN_OK;
    PLN_TRY(pln_lex_i64(&p->lex, &symbol->min));
    PLN_TRY(pln_lex_expect(&p->lex, ','));
    PLN_TRY(pln_lex_i64(&p->lex, &symbol->max));
    PLN_TRY(pln_lex_expect(&p->lex, ']'));
    return symbol->min <= symbol->max ? PLN_OK : pln_lex_fail(&p->lex, "bounds in order before this,");
}

static enum pln_status parse_origin(struct parser *p)
{
    const char *name, *op_type, *domain;
    int64_t index;
    PLN_TRY(pln_lex_text(&p->lex, &name));
    PLN_TRY(pln_lex_text(&p->lex, &op_type));
    PLN_TRY(pln_lex_text(&p->lex, &domain));
    PLN_TRY(pln_lex_i64(&p->lex, &index));
    return pln_graph_add_origin(p->graph, name, op_type, domain, index) == PLN_NONE ? pln_lex_no_memory(&p->lex) : PLN_OK;
}

static enum pln_status parse_constant(struct parser *p)
{
    const char *name;
    struct pln_tensor tensor;
    PLN_TRY(pln_lex_name(&p->lex, &name));
    PLN_TRY(check_new(p, name));
    PLN_TRY(pln_lex_expect(&p->lex, ':'));
    PLN_TRY(pln_tensor_parse(&p->lex, &tensor));
    uint32_t value = pln_graph_add_constant(p->graph, name, &tensor);
    if (value == PLN_NONE) return pln_lex_no_memory(&p->lex);
    p->graph->values[value].tapped = pln_lex_word(&p->lex, "tap");
    return PLN_OK;
}

/* Checked when the block that it speaks of is there. */
static enum pln_status parse_state(struct parser *p)
{
    struct pln_graph *g = p->graph;
    int64_t input, output, axis;
    PLN_TRY(pln_lex_i64(&p->lex, &input));
    PLN_TRY(pln_lex_i64(&p->lex, &output));
    PLN_TRY(pln_lex_i64(&p->lex, &axis));
    if (input < 0 || input > INT32_MAX || output < 0 || output > INT32_MAX || axis < 0 || axis >= PLN_MAX_RANK) return pln_lex_fail(&p->lex, "an input, an output and an axis before this,");
    void *states = g->states;
    if (!pln_arena_grow(&g->arena, &states, &g->states_capacity, g->n_states + 1, sizeof *g->states)) return pln_lex_no_memory(&p->lex);
    g->states = states;
    g->states[g->n_states++] = (struct pln_graph_state){ (uint32_t)input, (uint32_t)output, (int)axis };
    return PLN_OK;
}

static bool has_axis(const struct pln_graph *graph, uint32_t value, int axis)
{
    const struct pln_type *type = &graph->values[value].type;
    return type->kind == PLN_TENSOR && axis < type->rank;
}

static enum pln_status check_states(struct parser *p)
{
    const struct pln_graph *g = p->graph;
    const struct pln_block *main = &g->blocks[0];
    for (size_t i = 0; i < g->n_states; i++) {
        const struct pln_graph_state *state = &g->states[i];
        if (state->input >= main->n_inputs || state->output >= main->n_outputs || !has_axis(g, main->inputs[state->input], state->axis) || !has_axis(g, main->outputs[state->output], state->axis))
            return pln_lex_fail(&p->lex, "states that are inputs and outputs, before this,");
    }
    return PLN_OK;
}

static enum pln_status parse_meta(struct parser *p)
{
    const char *key, *value;
    PLN_TRY(pln_lex_text(&p->lex, &key));
    PLN_TRY(pln_lex_expect(&p->lex, '='));
    PLN_TRY(pln_lex_text(&p->lex, &value));
    return pln_graph_add_metadata(p->graph, key, value) ? PLN_OK : pln_lex_no_memory(&p->lex);
}

static enum pln_status parse_head(struct parser *p)
{
    for (;;) {
        if (pln_lex_word(&p->lex, "meta")) PLN_TRY(parse_meta(p));
        else if (pln_lex_word(&p->lex, "symbol")) PLN_TRY(parse_symbol(p));
        else if (pln_lex_word(&p->lex, "origin")) PLN_TRY(parse_origin(p));
        else if (pln_lex_word(&p->lex, "const")) PLN_TRY(parse_constant(p));
        else if (pln_lex_word(&p->lex, "state")) PLN_TRY(parse_state(p));
        else return PLN_OK;
    }
}

static enum pln_status parse_graph(struct parser *p)
{
    if (!pln_lex_word(&p->lex, "graph")) return pln_lex_fail(&p->lex, "\"graph\"");
    PLN_TRY(pln_lex_text(&p->lex, &p->graph->name));
    PLN_TRY(pln_lex_expect(&p->lex, '{'));
    PLN_TRY(parse_head(p));
    PLN_TRY(parse_block(p, 0));
    if (pln_lex_peek(&p->lex) || p->lex.at != p->lex.end) return pln_lex_fail(&p->lex, "the end");
    if (p->graph->failed || p->graph->dims.failed) return pln_lex_no_memory(&p->lex);
    PLN_TRY(check_states(p));
    enum pln_status status = pln_graph_verify(p->graph, p->lex.diag);
    return status == PLN_INTERNAL ? pln_lex_fail(&p->lex, "values that are defined and visible where they are used, before this,") : status;
}

enum pln_status pln_graph_parse(const char *text, size_t size_bytes, const struct pln_vocabulary *vocabulary, const struct pln_allocator *alloc,
                                struct pln_diag *diag, struct pln_graph **out_graph)
{
    return pln_graph_parse_weights(text, size_bytes, vocabulary, NULL, alloc, diag, out_graph);
}

enum pln_status pln_graph_parse_weights(const char *text, size_t size_bytes, const struct pln_vocabulary *vocabulary, const struct pln_graph_weights *weights,
                                        const struct pln_allocator *alloc, struct pln_diag *diag, struct pln_graph **out_graph)
{
    struct parser p = { .vocabulary = vocabulary, .lex.weights = weights };
    size_t limit_bytes;
    *out_graph = NULL;
    if (!pln_mul_size(size_bytes, MEMORY_PER_BYTE, &limit_bytes) || !pln_add_size(limit_bytes, MEMORY_BASE, &limit_bytes)) limit_bytes = 0;
    PLN_TRY(pln_graph_create(alloc, limit_bytes, diag, &p.graph));
    p.lex.arena = &p.graph->arena;
    p.lex.diag = diag;
    p.lex.start = p.lex.at = pln_arena_text(p.lex.arena, text, size_bytes);
    p.lex.end = p.lex.start ? p.lex.start + size_bytes : NULL;
    enum pln_status status = p.lex.start ? parse_graph(&p) : pln_fail_memory(diag, "graph text", size_bytes);
    if (status == PLN_OK) {
        p.graph->arena.limit_bytes = 0; /* what is done to the graph from here on is not the text's doing */
        *out_graph = p.graph;
    } else {
        pln_graph_destroy(p.graph);
    }
    return status;
}
