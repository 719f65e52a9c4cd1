#include "onnx/check.h"

#include <stdio.h>

#include "base/text.h"
#include "onnx/scope.h"

struct checker {
    struct pln_onnx_model *model;
    struct pln_arena *arena;  /* the model's */
    struct pln_arena scratch; /* this check's */
    struct pln_diag *diag;
    const struct pln_onnx_function *function; /* whose body this is; NULL: the model's graph */
    struct pln_map declared;                  /* its attributes */
    struct pln_map functions;                 /* function key to its place */
    struct pln_text key;                      /* the key being looked up */
    struct pln_onnx_edge *calls;              /* from callee to caller */
    size_t call_count, call_capacity;
    bool all;              /* go on behind a fault */
    enum pln_status fault; /* all: the first one */
    bool tangled;          /* all: one of them leaves open what a name means */
};

static enum pln_status check_graph(struct checker *c, struct pln_onnx_graph *graph, const char *title,
                                   struct pln_onnx_scope *outer);

/* ---- where we are, for the diagnostics ---- */

struct place {
    const char *node, *op;
    int64_t index;
};

static struct place enter_node(struct pln_diag *diag, const struct pln_onnx_node *node)
{
    if (!diag) return (struct place){ 0 };
    struct place before = { diag->node, diag->op, diag->node_index };
    diag->node = node->name;
    diag->op = node->op_type;
    diag->node_index = node->index;
    return before;
}

static void leave_node(struct pln_diag *diag, struct place before)
{
    if (!diag) return;
    diag->node = before.node;
    diag->op = before.op;
    diag->node_index = before.index;
}

/* ---- going on behind a fault ---- */

static enum pln_status go_on(struct checker *c, enum pln_status status)
{
    if (!c->all || status != PLN_BAD_MODEL) return status;
    if (c->fault == PLN_OK) c->fault = status;
    return PLN_OK;
}

/* The same for what nobody can import. */
static enum pln_status tangle(struct checker *c, enum pln_status status)
{
    c->tangled = c->tangled || status != PLN_OK;
    return go_on(c, status);
}

/* ---- functions by name ---- */

static void make_key(struct checker *c, const char *domain, const char *name, const char *overload)
{
    pln_text_clear(&c->key);
    if (!pln_onnx_domain_equal(domain, "")) pln_text_puts(&c->key, domain);
    pln_text_append(&c->key, "", 1);
    pln_text_puts(&c->key, name);
    pln_text_append(&c->key, "", 1);
    pln_text_puts(&c->key, overload);
}

static enum pln_status name_functions(struct checker *c)
{
    for (uint32_t i = 0; i < c->model->functions.count; i++) {
        const struct pln_onnx_function *f = &c->model->functions.items[i];
        uint32_t before;
        if (f->name[0] == '\0') return pln_fail(c->diag, PLN_BAD_MODEL, "function %u has no name", i);
        make_key(c, f->domain, f->name, f->overload);
        if (pln_map_get(&c->functions, c->key.data, c->key.size_bytes, &before))
            return pln_fail(c->diag, PLN_BAD_MODEL, "function '%s' of domain '%s' is defined twice", f->name,
                            f->domain);
        const char *key = pln_arena_copy(&c->scratch, c->key.data, c->key.size_bytes);
        if (c->key.failed || !key || !pln_map_set(&c->functions, key, c->key.size_bytes, i))
            return pln_fail_memory(c->diag, "names of functions", c->key.size_bytes);
    }
    return PLN_OK;
}

/* Notes which function a node of the current function calls. */
static enum pln_status note_call(struct checker *c, const struct pln_onnx_node *node)
{
    uint32_t callee;
    void *calls = c->calls;
    if (!c->function) return PLN_OK;
    make_key(c, node->domain, node->op_type, node->overload);
    if (c->key.failed) return pln_fail_memory(c->diag, "names of functions", 0);
    if (!pln_map_get(&c->functions, c->key.data, c->key.size_bytes, &callee)) return PLN_OK;
    if (!pln_arena_grow(&c->scratch, &calls, &c->call_capacity, c->call_count + 1, sizeof *c->calls))
        return pln_fail_memory(c->diag, "calls of functions", sizeof *c->calls);
    c->calls = calls;
    uint32_t caller = (uint32_t)(c->function - c->model->functions.items);
    c->calls[c->call_count++] = (struct pln_onnx_edge){ .from = callee, .to = caller };
    return PLN_OK;
}

/* ---- attributes ---- */

static enum pln_status check_reference(struct checker *c, const struct pln_onnx_attribute *attribute)
{
    uint32_t ignored;
    if (attribute->ref_attr_name[0] == '\0') return PLN_OK;
    if (!c->function)
        return pln_fail(c->diag, PLN_BAD_MODEL, "attribute '%s' refers to '%s', but this is not the body of a function",
                        attribute->name, attribute->ref_attr_name);
    if (!pln_map_get_str(&c->declared, attribute->ref_attr_name, &ignored))
        return pln_fail(c->diag, PLN_BAD_MODEL, "attribute '%s' refers to '%s', which function '%s' does not declare",
                        attribute->name, attribute->ref_attr_name, c->function->name);
    return PLN_OK;
}

/* Few attributes are compared pair by pair; a map is for the file that has a million. */
static enum pln_status check_attribute_names(struct checker *c, const struct pln_onnx_node *node)
{
    struct pln_map seen;
    uint32_t count = node->attributes.count, before;
    enum pln_status status = PLN_OK;
    pln_map_init(&seen, c->scratch.alloc);
    for (uint32_t i = 0; i < count && status == PLN_OK; i++) {
        const char *name = node->attributes.items[i].name;
        bool twice = false;
        if (name[0] == '\0') status = pln_fail(c->diag, PLN_BAD_MODEL, "attribute %u has no name", i);
        for (uint32_t j = 0; count <= 16 && j < i; j++) twice |= strcmp(node->attributes.items[j].name, name) == 0;
        if (count > 16) {
            twice = pln_map_get_str(&seen, name, &before);
            if (!pln_map_set(&seen, name, strlen(name), i)) status = pln_fail_memory(c->diag, "names of attributes", 0);
        }
        if (twice) status = pln_fail(c->diag, PLN_BAD_MODEL, "attribute '%s' is given twice", name);
    }
    pln_map_deinit(&seen);
    return status;
}

static enum pln_status check_attributes(struct checker *c, const struct pln_onnx_node *node,
                                        struct pln_onnx_scope *scope)
{
    char title[128];
    PLN_TRY(go_on(c, check_attribute_names(c, node)));
    for (uint32_t i = 0; i < node->attributes.count; i++) {
        const struct pln_onnx_attribute *attribute = &node->attributes.items[i];
        PLN_TRY(go_on(c, check_reference(c, attribute)));
        if (!attribute->g && attribute->graphs.count == 0) continue;
        snprintf(title, sizeof title, "graph in attribute '%.40s' of node %u (%.40s)", attribute->name, node->index,
                 node->op_type);
        if (attribute->g) PLN_TRY(check_graph(c, attribute->g, title, scope));
        for (uint32_t g = 0; g < attribute->graphs.count; g++)
            PLN_TRY(check_graph(c, &attribute->graphs.items[g], title, scope));
    }
    return PLN_OK;
}

/* ---- nodes ---- */

static enum pln_status define_outputs(struct checker *c, struct pln_onnx_scope *scope)
{
    for (uint32_t i = 0; i < scope->node_count; i++) {
        const struct pln_onnx_node *node = &scope->nodes[i];
        struct place before = enter_node(c->diag, node);
        if (node->op_type[0] == '\0')
            return pln_fail(c->diag, PLN_BAD_MODEL, "%s: node %u has no op_type", scope->title, node->index);
        for (uint32_t o = 0; o < node->outputs.count; o++) {
            if (node->outputs.items[o][0] != '\0')
                PLN_TRY(tangle(c, pln_onnx_scope_define(scope, node->outputs.items[o], i, c->diag)));
        }
        leave_node(c->diag, before);
    }
    return PLN_OK;
}

static enum pln_status use_inputs(struct checker *c, struct pln_onnx_scope *scope)
{
    for (scope->current = 0; scope->current < scope->node_count; scope->current++) {
        const struct pln_onnx_node *node = &scope->nodes[scope->current];
        struct place before = enter_node(c->diag, node);
        for (uint32_t i = 0; i < node->inputs.count; i++) {
            if (node->inputs.items[i][0] != '\0')
                PLN_TRY(go_on(c, pln_onnx_scope_use(scope, node->inputs.items[i], "input", c->diag)));
        }
        PLN_TRY(check_attributes(c, node, scope));
        PLN_TRY(note_call(c, node));
        leave_node(c->diag, before);
    }
    return PLN_OK;
}

static enum pln_status fail_cycle(struct checker *c, const struct pln_onnx_scope *scope, const uint32_t *cycle,
                                  uint32_t count)
{
    char text[640];
    size_t used = 0;
    for (uint32_t i = 0; i < count && i < 8; i++) {
        const struct pln_onnx_node *node = &scope->nodes[cycle[i]];
        int n = snprintf(text + used, sizeof text - used, "%snode %u '%.40s' (%.20s)", i ? ", " : "", node->index,
                         node->name, node->op_type);
        if (n < 0 || (size_t)n >= sizeof text - used) break;
        used += (size_t)n;
    }
    (void)enter_node(c->diag, &scope->nodes[cycle[0]]);
    return pln_fail(c->diag, PLN_BAD_MODEL, "%s: %u node%s need each other in a circle: %s%s", scope->title, count,
                    count == 1 ? "" : "s", text, count > 8 ? ", …" : "");
}

/* Puts the nodes of a scope in the order of their needs. */
static enum pln_status sort_nodes(struct checker *c, struct pln_onnx_scope *scope)
{
    uint32_t *order, cycle;
    if (scope->in_order) return PLN_OK;
    enum pln_status status =
        pln_onnx_sort(scope->node_count, scope->edges, scope->edge_count, &c->scratch, &order, &cycle);
    if (cycle > 0) return fail_cycle(c, scope, order, cycle);
    struct pln_onnx_node *copy = NULL;
    if (status == PLN_OK) copy = pln_arena_array(&c->scratch, scope->node_count, sizeof *copy);
    if (!copy) return pln_fail_memory(c->diag, "order of nodes", scope->node_count * sizeof *copy);
    memcpy(copy, scope->nodes, scope->node_count * sizeof *copy);
    for (uint32_t i = 0; i < scope->node_count; i++) scope->nodes[i] = copy[order[i]];
    if (!pln_onnx_add_note(c->model, c->arena,
                           "%s: its nodes were not in the order of their needs and have been sorted", scope->title))
        return pln_fail_memory(c->diag, "notes of the model", 0);
    return PLN_OK;
}

static enum pln_status check_nodes(struct checker *c, struct pln_onnx_scope *scope)
{
    PLN_TRY(define_outputs(c, scope));
    return use_inputs(c, scope);
}

/* ---- operator sets ---- */

static const char *show_domain(const char *domain)
{
    return pln_onnx_domain_equal(domain, "") ? "ai.onnx" : domain;
}

/* imports_of: "the model", "function 'f'". */
static enum pln_status check_imports(struct checker *c, const struct pln_onnx_opset *imports, uint32_t count, const char *imports_of)
{
    struct pln_map places;
    enum pln_status status = PLN_OK;
    pln_map_init(&places, c->scratch.alloc);
    for (uint32_t i = 0; i < count && status == PLN_OK; i++) {
        const char *domain = show_domain(imports[i].domain);
        uint32_t before;
        if (imports[i].version < 0)
            status = pln_fail(c->diag, PLN_BAD_MODEL, "%s imports version %lld of operator set '%s'; versions begin at 1", imports_of,
                              (long long)imports[i].version, domain);
        else if (!pln_map_get_str(&places, domain, &before))
            status = pln_map_set(&places, domain, strlen(domain), i) ? PLN_OK : pln_fail_memory(c->diag, "operator sets", 0);
        else if (imports[before].version != imports[i].version)
            status = pln_fail(c->diag, PLN_BAD_MODEL, "%s imports operator set '%s' twice, as version %lld and as version %lld; one of them must go",
                              imports_of, domain, (long long)imports[before].version, (long long)imports[i].version);
    }
    pln_map_deinit(&places);
    return status;
}

/* ---- bodies ---- */

static enum pln_status fill_graph(struct checker *c, struct pln_onnx_scope *scope, const struct pln_onnx_graph *graph)
{
    scope->nodes = graph->nodes.items;
    scope->node_count = graph->nodes.count;
    for (uint32_t i = 0; i < graph->inputs.count; i++)
        PLN_TRY(tangle(c, pln_onnx_scope_define(scope, graph->inputs.items[i].name, PLN_SCOPE_INPUT, c->diag)));
    for (uint32_t i = 0; i < graph->initializers.count; i++)
        PLN_TRY(tangle(c, pln_onnx_scope_define(scope, graph->initializers.items[i].name, PLN_SCOPE_INITIALIZER, c->diag)));
    for (uint32_t i = 0; i < graph->sparse_initializers.count; i++) {
        const struct pln_onnx_tensor *values = graph->sparse_initializers.items[i].values;
        PLN_TRY(tangle(c, pln_onnx_scope_define(scope, values ? values->name : "", PLN_SCOPE_INITIALIZER, c->diag)));
    }
    PLN_TRY(check_nodes(c, scope));
    for (uint32_t i = 0; i < graph->outputs.count; i++)
        PLN_TRY(go_on(c, pln_onnx_scope_use(scope, graph->outputs.items[i].name, "output", c->diag)));
    return tangle(c, sort_nodes(c, scope));
}

static enum pln_status check_graph(struct checker *c, struct pln_onnx_graph *graph, const char *title,
                                   struct pln_onnx_scope *outer)
{
    struct pln_onnx_scope scope;
    pln_onnx_scope_init(&scope, outer, title, &c->scratch);
    enum pln_status status = fill_graph(c, &scope, graph);
    pln_onnx_scope_deinit(&scope);
    return status;
}

static enum pln_status declare_attributes(struct checker *c, const struct pln_onnx_function *function)
{
    bool added = true;
    for (uint32_t i = 0; i < function->attributes.count; i++) {
        const char *name = function->attributes.items[i];
        added &= pln_map_set(&c->declared, name, strlen(name), i);
    }
    for (uint32_t i = 0; i < function->attribute_protos.count; i++) {
        const char *name = function->attribute_protos.items[i].name;
        added &= pln_map_set(&c->declared, name, strlen(name), i);
    }
    return added ? PLN_OK : pln_fail_memory(c->diag, "attributes of functions", 0);
}

static enum pln_status fill_function(struct checker *c, struct pln_onnx_scope *scope,
                                     const struct pln_onnx_function *function)
{
    scope->nodes = function->nodes.items;
    scope->node_count = function->nodes.count;
    for (uint32_t i = 0; i < function->inputs.count; i++)
        PLN_TRY(tangle(c, pln_onnx_scope_define(scope, function->inputs.items[i], PLN_SCOPE_INPUT, c->diag)));
    PLN_TRY(declare_attributes(c, function));
    PLN_TRY(check_nodes(c, scope));
    for (uint32_t i = 0; i < function->outputs.count; i++)
        PLN_TRY(go_on(c, pln_onnx_scope_use(scope, function->outputs.items[i], "output", c->diag)));
    return tangle(c, sort_nodes(c, scope));
}

static enum pln_status check_function(struct checker *c, const struct pln_onnx_function *function)
{
    struct pln_onnx_scope scope;
    char title[128];
    snprintf(title, sizeof title, "function '%.100s'", function->name);
    PLN_TRY(tangle(c, check_imports(c, function->opset_imports.items, function->opset_imports.count, title)));
    pln_onnx_scope_init(&scope, NULL, title, &c->scratch);
    pln_map_init(&c->declared, c->scratch.alloc);
    c->function = function;
    enum pln_status status = fill_function(c, &scope, function);
    c->function = NULL;
    pln_map_deinit(&c->declared);
    pln_onnx_scope_deinit(&scope);
    return status;
}

static enum pln_status check_calls(struct checker *c)
{
    char text[512] = "";
    size_t used = 0;
    uint32_t *order, cycle;
    enum pln_status status =
        pln_onnx_sort(c->model->functions.count, c->calls, c->call_count, &c->scratch, &order, &cycle);
    if (status == PLN_NO_MEMORY) return pln_fail_memory(c->diag, "calls of functions", 0);
    if (cycle == 0) return PLN_OK;
    for (uint32_t i = 0; i < cycle && i < 8; i++) {
        int n = snprintf(text + used, sizeof text - used, "%s'%.50s'", i ? ", " : "",
                         c->model->functions.items[order[i]].name);
        if (n < 0 || (size_t)n >= sizeof text - used) break;
        used += (size_t)n;
    }
    return pln_fail(c->diag, PLN_BAD_MODEL, "functions call themselves: %s%s", text, cycle > 8 ? ", …" : "");
}

static enum pln_status check_all(struct checker *c)
{
    if (!c->model->graph) return pln_fail(c->diag, PLN_BAD_MODEL, "the model has no graph");
    PLN_TRY(tangle(c, check_imports(c, c->model->opset_imports.items, c->model->opset_imports.count, "the model")));
    PLN_TRY(tangle(c, name_functions(c)));
    for (uint32_t i = 0; i < c->model->functions.count; i++) PLN_TRY(check_function(c, &c->model->functions.items[i]));
    PLN_TRY(tangle(c, check_calls(c)));
    return check_graph(c, c->model->graph, "graph", NULL);
}

static enum pln_status check(struct pln_onnx_model *model, struct pln_arena *arena, bool all, struct pln_diag *diag, bool *out_tangled)
{
    struct checker c = { .model = model, .arena = arena, .diag = diag, .all = all, .fault = PLN_OK };
    struct place before = { NULL, NULL, -1 };
    if (diag) before = (struct place){ diag->node, diag->op, diag->node_index };
    pln_arena_init(&c.scratch, arena->alloc, 0);
    pln_map_init(&c.functions, arena->alloc);
    pln_text_init(&c.key, arena->alloc);
    enum pln_status status = check_all(&c);
    pln_text_deinit(&c.key);
    pln_map_deinit(&c.functions);
    pln_arena_deinit(&c.scratch);
    leave_node(diag, before);
    *out_tangled = c.tangled || status != PLN_OK;
    return status == PLN_OK ? c.fault : status;
}

enum pln_status pln_onnx_check_model(struct pln_onnx_model *model, struct pln_arena *arena, struct pln_diag *diag)
{
    bool tangled;
    return check(model, arena, false, diag, &tangled);
}

enum pln_status pln_onnx_check_faults(struct pln_onnx_model *model, struct pln_arena *arena, struct pln_diag *diag, bool *out_importable)
{
    bool tangled;
    enum pln_status status = check(model, arena, true, diag, &tangled);
    *out_importable = !tangled;
    return status;
}
