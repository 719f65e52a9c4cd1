#include "onnx/scope.h"

void pln_onnx_scope_init(struct pln_onnx_scope *scope, struct pln_onnx_scope *outer, const char *title,
                         struct pln_arena *scratch)
{
    *scope = (struct pln_onnx_scope){ .outer = outer, .title = title, .scratch = scratch, .in_order = true };
    pln_map_init(&scope->names, scratch->alloc);
}

void pln_onnx_scope_deinit(struct pln_onnx_scope *scope)
{
    pln_map_deinit(&scope->names);
}

static const char *describe_meaning(const struct pln_onnx_scope *scope, uint32_t meaning)
{
    if (meaning == PLN_SCOPE_INPUT) return "an input";
    if (meaning == PLN_SCOPE_INITIALIZER) return "an initializer";
    const char *name = scope->nodes[meaning].name;
    return name[0] != '\0' ? name : scope->nodes[meaning].op_type;
}

enum pln_status pln_onnx_scope_define(struct pln_onnx_scope *scope, const char *name, uint32_t meaning,
                                      struct pln_diag *diag)
{
    uint32_t before;
    if (name[0] == '\0') return pln_fail(diag, PLN_BAD_MODEL, "%s: an input or initializer has no name", scope->title);
    if (pln_map_get_str(&scope->names, name, &before)) {
        bool gives_default = meaning == PLN_SCOPE_INITIALIZER && before == PLN_SCOPE_INPUT;
        if (!gives_default)
            return pln_fail(diag, PLN_BAD_MODEL, "%s: '%s' is given a value twice (the first time by %s)", scope->title,
                            name, describe_meaning(scope, before));
    }
    if (!pln_map_set(&scope->names, name, strlen(name), meaning)) return pln_fail_memory(diag, "names of the model", 0);
    return PLN_OK;
}

static enum pln_status add_edge(struct pln_onnx_scope *scope, uint32_t maker, struct pln_diag *diag)
{
    void *edges = scope->edges;
    if (!pln_arena_grow(scope->scratch, &edges, &scope->edge_capacity, scope->edge_count + 1, sizeof *scope->edges))
        return pln_fail_memory(diag, "order of nodes", sizeof *scope->edges);
    scope->edges = edges;
    scope->edges[scope->edge_count++] = (struct pln_onnx_edge){ .from = maker, .to = scope->current };
    if (maker >= scope->current) scope->in_order = false;
    return PLN_OK;
}

enum pln_status pln_onnx_scope_use(struct pln_onnx_scope *scope, const char *name, const char *role,
                                   struct pln_diag *diag)
{
    uint32_t meaning;
    for (struct pln_onnx_scope *s = scope; s; s = s->outer) {
        if (!pln_map_get_str(&s->names, name, &meaning)) continue;
        if (meaning == PLN_SCOPE_INPUT || meaning == PLN_SCOPE_INITIALIZER) return PLN_OK;
        /* A graph's own outputs come after all its nodes. */
        if (s->current == s->node_count) return PLN_OK;
        return add_edge(s, meaning, diag);
    }
    return pln_fail(diag, PLN_BAD_MODEL, "%s: %s '%s' is not an input, an initializer or an output of a node",
                    scope->title, role, name);
}
