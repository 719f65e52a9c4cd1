/* Calls of model-local functions. */
#include "onnx/importer.h"

#include <stdio.h>

enum { PREFIX_CUT = 240 };

static const struct pln_onnx_function *find_function(const struct pln_importer *importer, const struct pln_onnx_node *node)
{
    char key[512];
    int size = snprintf(key, sizeof key, "%s%c%s%c%s", pln_onnx_domain_equal(node->domain, "") ? "" : node->domain, 1, node->op_type, 1, node->overload);
    uint32_t at;
    if (size < 0 || (size_t)size >= sizeof key || !pln_map_get(&importer->functions, key, (size_t)size, &at)) return NULL;
    return &importer->model->functions.items[at];
}

bool pln_importer_has_function(const struct pln_importer *importer, const struct pln_onnx_node *node)
{
    return find_function(importer, node) != NULL;
}

static enum pln_status check_depth(struct pln_importer *importer, const struct pln_onnx_function *function, const struct pln_frame *frame)
{
    int depth = 0;
    for (const struct pln_frame *f = frame; f; f = f->caller, depth++) {
        if (f->function == function) {
            return pln_fail(importer->diag, PLN_BAD_MODEL, "function '%s.%s' calls itself", function->domain, function->name);
        }
    }
    if (depth < PLN_ONNX_MAX_CALL_DEPTH) return PLN_OK;
    return pln_fail(importer->diag, PLN_UNSUPPORTED, "functions call each other more than %d deep", PLN_ONNX_MAX_CALL_DEPTH);
}

static enum pln_status bind_attrs(struct pln_importer *importer, const struct pln_emit *call, struct pln_frame *frame)
{
    const struct pln_onnx_node *node = call->node;
    const struct pln_onnx_function *function = frame->function;
    size_t most = (size_t)node->attributes.count + function->attribute_protos.count;
    frame->attrs = pln_arena_array(&importer->arena, most, sizeof *frame->attrs);
    if (!frame->attrs) return pln_fail_memory(importer->diag, "a function call", 0);
    for (uint32_t i = 0; i < node->attributes.count; i++) {
        struct pln_bound_attr *bound = &frame->attrs[frame->n_attrs];
        bound->name = node->attributes.items[i].name;
        bound->attr = pln_importer_resolve(&node->attributes.items[i], call->scope, &bound->scope);
        if (bound->attr) frame->n_attrs++;
    }
    /* What the call gives comes first, so it is what resolving finds. */
    for (uint32_t i = 0; i < function->attribute_protos.count; i++) {
        const struct pln_onnx_attribute *attr = &function->attribute_protos.items[i];
        frame->attrs[frame->n_attrs++] = (struct pln_bound_attr){ attr->name, attr, NULL };
    }
    return PLN_OK;
}

static enum pln_status make_frame(struct pln_importer *importer, const struct pln_emit *call, const struct pln_onnx_function *function,
                                  struct pln_frame **out_frame)
{
    struct pln_frame *frame = pln_arena_alloc(&importer->arena, sizeof *frame);
    *out_frame = frame;
    if (!frame) return pln_fail_memory(importer->diag, "a function call", 0);
    frame->function = function;
    frame->caller = call->scope->frame;
    importer->calls++;
    const char *name = call->node->name[0] ? call->node->name : call->node->op_type;
    const char *before = frame->caller ? frame->caller->prefix : "";
    frame->prefix = strlen(name) + strlen(before) < PREFIX_CUT ? pln_arena_format(&importer->arena, "%s%s/", before, name)
                                                               : pln_arena_format(&importer->arena, "call%u/", importer->calls);
    if (!frame->prefix) return pln_fail_memory(importer->diag, "a function call", 0);
    return bind_attrs(importer, call, frame);
}

static enum pln_status bind_inputs(struct pln_importer *importer, const struct pln_emit *call, const struct pln_onnx_function *function,
                                   struct pln_scope *scope)
{
    if (call->n_inputs > function->inputs.count || call->n_outputs > function->outputs.count) {
        return pln_fail(importer->diag, PLN_BAD_MODEL, "function '%s.%s' has %u inputs and %u outputs, the call %u and %u", function->domain,
                        function->name, function->inputs.count, function->outputs.count, call->n_inputs, call->n_outputs);
    }
    for (uint32_t i = 0; i < function->inputs.count; i++) {
        if (!pln_scope_set(scope, function->inputs.items[i], pln_emit_in(call, i))) return pln_fail_memory(importer->diag, "names", 0);
    }
    return PLN_OK;
}

static enum pln_status inline_body(struct pln_importer *importer, struct pln_emit *call, const struct pln_onnx_function *function,
                                   struct pln_scope *scope)
{
    PLN_TRY(bind_inputs(importer, call, function, scope));
    PLN_TRY(pln_importer_hints(importer, function->value_infos.items, function->value_infos.count, scope));
    for (uint32_t i = 0; i < function->nodes.count; i++) {
        PLN_TRY(pln_importer_node(importer, &function->nodes.items[i], scope, call->block));
    }
    for (uint32_t i = 0; i < call->n_outputs; i++) {
        uint32_t value;
        if (!pln_emit_wants(call, i)) continue;
        if (!pln_scope_find(scope, function->outputs.items[i], &value) || value == PLN_NONE) {
            return pln_fail(importer->diag, PLN_BAD_MODEL, "output '%s' of function '%s.%s' is nobody's output", function->outputs.items[i],
                            function->domain, function->name);
        }
        pln_emit_bind(call, i, value);
    }
    return call->status;
}

enum pln_status pln_importer_call(struct pln_importer *importer, struct pln_emit *call)
{
    const struct pln_onnx_function *function = find_function(importer, call->node);
    if (!function) return PLN_NOT_FOUND;
    struct pln_frame *frame;
    PLN_TRY(check_depth(importer, function, call->scope->frame));
    PLN_TRY(make_frame(importer, call, function, &frame));
    struct pln_scope *scope = pln_scope_enter(importer, NULL, frame);
    if (!scope) return pln_fail_memory(importer->diag, "a function call", 0);
    enum pln_status status = inline_body(importer, call, function, scope);
    pln_scope_leave(scope);
    return status;
}
