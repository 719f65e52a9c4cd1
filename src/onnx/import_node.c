/* One node, and lists of them. */
#include "onnx/custom.h"
#include "onnx/importer.h"
#include "onnx/opset.h"
#include "onnx/schema.h"

static enum pln_status bind_inputs(struct pln_importer *importer, const struct pln_onnx_node *node, struct pln_scope *scope, uint32_t *inputs)
{
    for (uint32_t i = 0; i < node->inputs.count; i++) {
        const char *name = node->inputs.items[i];
        inputs[i] = PLN_NONE;
        if (name[0] && !pln_scope_find(scope, name, &inputs[i])) {
            importer->needs_unmade = importer->options->all_faults; /* told before */
            if (importer->needs_unmade) return PLN_BAD_MODEL;
            return pln_fail(importer->diag, PLN_BAD_MODEL, "input %u, '%s', is nobody's output before this node", i, name);
        }
        if (inputs[i] != PLN_NONE && inputs[i] == importer->unmade) {
            importer->needs_unmade = true;
            return PLN_BAD_MODEL;
        }
    }
    return PLN_OK;
}

/* Fills in what inference could not tell from what the model declares: type and rank, never extents. */
static bool apply_hint(struct pln_importer *importer, const struct pln_scope *scope, const char *name, uint32_t value)
{
    uint32_t at;
    struct pln_type type = pln_graph_value(importer->graph, value)->type;
    if (!importer->use_hints) return true;
    bool unknown = type.kind == PLN_TENSOR ? type.dtype == PLN_DTYPE_NONE || type.rank < 0 : !type.elem;
    if (!unknown || !pln_map_get_str(&scope->hints, name, &at)) return true;
    struct pln_type hint;
    if (!pln_importer_type(importer, scope->infos[at], false, NULL, &hint)) return true;
    importer->hints_used++;
    if (type.kind != PLN_TENSOR || hint.kind != PLN_TENSOR) {
        bool blank = type.kind == PLN_TENSOR && type.dtype == PLN_DTYPE_NONE && type.rank < 0;
        return (hint.kind != type.kind && !blank) || pln_graph_set_type(importer->graph, value, &hint);
    }
    if (type.dtype == PLN_DTYPE_NONE) type.dtype = hint.dtype;
    if (type.rank < 0) type.rank = hint.rank, type.dims = hint.dims;
    return pln_graph_set_tensor_type(importer->graph, value, type.dtype, type.rank, type.dims);
}

static enum pln_status bind_outputs(struct pln_importer *importer, const struct pln_emit *emit)
{
    for (uint32_t i = 0; i < emit->n_outputs; i++) {
        if (!pln_emit_wants(emit, i)) continue;
        const char *name = emit->node->outputs.items[i];
        uint32_t known;
        if (emit->outputs[i] == PLN_NONE) {
            return pln_fail(importer->diag, PLN_BAD_MODEL, "operator %s has no output %u in opset %lld", emit->node->op_type, i,
                            (long long)emit->opset);
        }
        if (pln_map_get_str(&emit->scope->values, name, &known)) {
            return pln_fail(importer->diag, PLN_BAD_MODEL, "output '%s' is the name of another value already", name);
        }
        if (!pln_scope_set(emit->scope, name, emit->outputs[i]) || !apply_hint(importer, emit->scope, name, emit->outputs[i])) {
            return pln_fail_memory(importer->diag, "names", 0);
        }
        if (!emit->scope->frame && pln_map_get_str(&emit->scope->hints, name, &known)) {
            PLN_TRY(pln_importer_check_declared(importer, emit->scope->infos[known], name, emit->outputs[i]));
        }
    }
    return PLN_OK;
}

static const char *show_domain(const char *domain)
{
    return domain[0] ? domain : "ai.onnx";
}

static enum pln_status find_handler(struct pln_importer *importer, struct pln_emit *emit, pln_onnx_handler *out_handler)
{
    const struct pln_onnx_node *node = emit->node;
    int32_t since;
    enum pln_onnx_lookup found = pln_onnx_opset_find(node->domain, node->op_type, emit->opset, out_handler, &since);
    int64_t newest = pln_onnx_opset_newest(node->domain);
    switch (found) {
    case PLN_ONNX_NO_DOMAIN: return pln_onnx_custom_missing(emit);
    case PLN_ONNX_NO_OPERATOR:
        return pln_fail(importer->diag, PLN_BAD_MODEL, "ONNX has no operator %s in domain '%s' (opset %lld)", node->op_type,
                        show_domain(node->domain), (long long)emit->opset);
    case PLN_ONNX_TOO_OLD:
        if (emit->opset >= 0) {
            return pln_fail(importer->diag, PLN_BAD_MODEL, "operator %s (domain '%s') exists since opset %d, but the model imports opset %lld",
                            node->op_type, show_domain(node->domain), (int)since, (long long)emit->opset);
        }
        return pln_fail(importer->diag, PLN_BAD_MODEL, "operator %s is used, but the model imports no operator set of domain '%s'",
                        node->op_type, show_domain(node->domain));
    case PLN_ONNX_FOUND: break;
    }
    if (emit->opset <= newest) return PLN_OK;
    return pln_fail(importer->diag, PLN_UNSUPPORTED,
                    "opset %lld of domain '%s' is newer than %lld, the newest that this version knows; export the model with opset_version=%lld",
                    (long long)emit->opset, show_domain(node->domain), (long long)newest, (long long)newest);
}

static int64_t opset_of(const struct pln_importer *importer, const struct pln_frame *frame, const char *domain)
{
    const struct pln_onnx_model *model = importer->model;
    if (frame) {
        int64_t version = pln_onnx_opset_version(frame->function->opset_imports.items, frame->function->opset_imports.count, domain);
        if (version >= 0) return version;
    }
    int64_t version = pln_onnx_opset_version(model->opset_imports.items, model->opset_imports.count, domain);
    if (version < 0 && pln_onnx_opset_is_foreign(domain)) return 1; /* ONNX Runtime's tools leave the import of its own domain out */
    /* Before IR version 3 models had no imports and meant the first operator set. */
    return version < 0 && model->opset_imports.count == 0 && model->ir_version < 3 ? 1 : version;
}

/* What is wrong with a node whatever its inputs are, which are missing here: the operator, its attributes. */
static enum pln_status check_alone(struct pln_importer *importer, struct pln_emit *emit)
{
    const struct pln_onnx_node *node = emit->node;
    pln_onnx_handler handler;
    if (pln_onnx_opset_is_foreign(node->domain) || pln_onnx_opset_newest(node->domain) == 0 || pln_importer_has_function(importer, node)) return PLN_BAD_MODEL;
    PLN_TRY(find_handler(importer, emit, &handler));
    pln_onnx_schema_check_attributes(emit);
    return emit->status == PLN_NO_MEMORY ? PLN_NO_MEMORY : PLN_BAD_MODEL;
}

static enum pln_status import_node(struct pln_importer *importer, struct pln_emit *emit)
{
    const struct pln_onnx_node *node = emit->node;
    emit->outputs = pln_arena_array(&importer->arena, node->outputs.count + 1u, sizeof *emit->outputs);
    uint32_t *inputs = pln_arena_array(&importer->arena, node->inputs.count + 1u, sizeof *inputs);
    const char *name = pln_importer_name(importer, emit->scope->frame, node->name);
    if (!emit->outputs || !inputs || !name) return pln_fail_memory(importer->diag, "a node", 0);
    importer->diag->node = name;
    for (uint32_t i = 0; i < node->outputs.count; i++) emit->outputs[i] = PLN_NONE;
    enum pln_status bound = bind_inputs(importer, node, emit->scope, inputs);
    if (bound != PLN_OK) return importer->needs_unmade && !emit->scope->frame ? check_alone(importer, emit) : bound;
    emit->inputs = inputs;
    emit->origin = pln_graph_add_origin(importer->graph, name, node->op_type, node->domain, importer->top_index);
    if (emit->origin == PLN_NONE) return pln_fail_memory(importer->diag, "a node", 0);
    enum pln_status status = pln_onnx_custom(emit);
    if (status == PLN_NOT_FOUND) status = pln_importer_call(importer, emit);
    if (status == PLN_NOT_FOUND) {
        pln_onnx_handler handler;
        PLN_TRY(find_handler(importer, emit, &handler));
        pln_onnx_schema_check(emit);
        if (emit->status == PLN_OK) handler(emit);
        status = emit->status;
    }
    PLN_TRY(status);
    return bind_outputs(importer, emit);
}

enum pln_status pln_importer_node(struct pln_importer *importer, const struct pln_onnx_node *node, struct pln_scope *scope, uint32_t block)
{
    struct pln_diag *diag = importer->diag;
    const char *outer_node = diag->node, *outer_op = diag->op;
    int64_t outer_index = diag->node_index;
    if (!scope->parent && !scope->frame) importer->top_index = node->index;
    diag->node = "";
    diag->op = node->op_type;
    diag->node_index = importer->top_index;
    struct pln_emit emit = {
        .importer = importer, .graph = importer->graph, .arena = &importer->arena, .diag = diag, .scope = scope, .node = node, .block = block,
        .opset = opset_of(importer, scope->frame, node->domain), .n_inputs = node->inputs.count, .n_outputs = node->outputs.count,
        .first_value = (uint32_t)importer->graph->n_values, .origin = PLN_NONE,
    };
    enum pln_status status = PLN_OK;
    if (importer->nodes_left == 0) status = pln_fail(diag, PLN_UNSUPPORTED, "the model's functions and loops unfold to too many nodes");
    else importer->nodes_left--;
    if (status == PLN_OK) status = import_node(importer, &emit);
    diag->node = outer_node;
    diag->op = outer_op;
    diag->node_index = outer_index;
    return status;
}

/* ---- graphs ---- */

enum pln_status pln_importer_hints(struct pln_importer *importer, const struct pln_onnx_value_info *infos, uint32_t count, struct pln_scope *scope)
{
    if (count == 0) return PLN_OK;
    const struct pln_onnx_type **list = pln_arena_array(&importer->arena, (size_t)scope->n_infos + count, sizeof *list);
    if (!list) return pln_fail_memory(importer->diag, "value_info", 0);
    if (scope->n_infos) memcpy(list, scope->infos, scope->n_infos * sizeof *list);
    scope->infos = list;
    for (uint32_t i = 0; i < count; i++) {
        if (!infos[i].type) continue;
        list[scope->n_infos] = infos[i].type;
        if (!pln_map_set(&scope->hints, infos[i].name, strlen(infos[i].name), scope->n_infos++)) {
            return pln_fail_memory(importer->diag, "value_info", 0);
        }
    }
    return PLN_OK;
}

bool pln_importer_tensor(struct pln_importer *importer, const struct pln_onnx_tensor *from, struct pln_tensor *out_tensor, enum pln_status *out_status)
{
    *out_status = from ? pln_onnx_tensor_load(from, importer->externals, &importer->graph->arena, importer->diag, out_tensor)
                       : pln_fail(importer->diag, PLN_BAD_MODEL, "a tensor is missing");
    return *out_status == PLN_OK;
}

static enum pln_status add_constant(struct pln_importer *importer, struct pln_scope *scope, const char *name, const struct pln_tensor *tensor)
{
    uint32_t known, value = pln_graph_add_constant(importer->graph, name, tensor);
    if (value == PLN_NONE) return pln_fail_memory(importer->diag, "an initializer", 0);
    if (pln_map_get_str(&scope->values, name, &known)) {
        return pln_fail(importer->diag, PLN_BAD_MODEL, "initializer '%s' has the name of another value", name);
    }
    return pln_scope_set(scope, name, value) ? PLN_OK : pln_fail_memory(importer->diag, "names", 0);
}

enum pln_status pln_importer_go_on(struct pln_importer *importer, struct pln_scope *scope, const char *const *names, uint32_t count, enum pln_status status)
{
    uint32_t known;
    if (status == PLN_OK || status == PLN_NO_MEMORY) return status;
    if (importer->fault == PLN_OK) importer->fault = status;
    importer->needs_unmade = false;
    if (importer->unmade == PLN_NONE) importer->unmade = pln_graph_add_value(importer->graph, NULL, NULL);
    bool done = importer->unmade != PLN_NONE;
    for (uint32_t i = 0; i < count && done; i++)
        if (names[i][0] && !pln_map_get_str(&scope->values, names[i], &known)) done = pln_scope_set(scope, names[i], importer->unmade);
    return done ? PLN_OK : pln_fail_memory(importer->diag, "names", 0);
}

static enum pln_status import_initializer(struct pln_importer *importer, const struct pln_onnx_tensor *from, struct pln_scope *scope)
{
    struct pln_tensor tensor;
    enum pln_status status;
    if (!pln_importer_tensor(importer, from, &tensor, &status)) return status;
    return add_constant(importer, scope, from->name, &tensor);
}

static enum pln_status import_sparse(struct pln_importer *importer, const struct pln_onnx_sparse_tensor *from, struct pln_scope *scope)
{
    struct pln_tensor tensor;
    PLN_TRY(pln_onnx_sparse_tensor_load(from, importer->externals, &importer->graph->arena, importer->diag, &tensor));
    return add_constant(importer, scope, from->values->name, &tensor);
}

static enum pln_status import_initializers(struct pln_importer *importer, const struct pln_onnx_graph *graph, struct pln_scope *scope, bool all)
{
    for (uint32_t i = 0; i < graph->initializers.count; i++) {
        const struct pln_onnx_tensor *from = &graph->initializers.items[i];
        enum pln_status status = import_initializer(importer, from, scope);
        PLN_TRY(all ? pln_importer_go_on(importer, scope, &from->name, 1, status) : status);
    }
    for (uint32_t i = 0; i < graph->sparse_initializers.count; i++) {
        const struct pln_onnx_sparse_tensor *from = &graph->sparse_initializers.items[i];
        enum pln_status status = import_sparse(importer, from, scope);
        PLN_TRY(all && from->values ? pln_importer_go_on(importer, scope, &from->values->name, 1, status) : status);
    }
    return PLN_OK;
}

enum pln_status pln_importer_graph(struct pln_importer *importer, const struct pln_onnx_graph *graph, struct pln_scope *scope, uint32_t block)
{
    bool all = importer->options->all_faults && !scope->parent && !scope->frame;
    PLN_TRY(pln_importer_hints(importer, graph->value_infos.items, graph->value_infos.count, scope));
    PLN_TRY(pln_importer_hints(importer, graph->outputs.items, graph->outputs.count, scope));
    PLN_TRY(import_initializers(importer, graph, scope, all));
    for (uint32_t i = 0; i < graph->nodes.count; i++) {
        enum pln_status status = pln_importer_node(importer, &graph->nodes.items[i], scope, block);
        if (all) status = pln_importer_go_on(importer, scope, graph->nodes.items[i].outputs.items, graph->nodes.items[i].outputs.count, status);
        PLN_TRY(status);
    }
    return all ? importer->fault : PLN_OK;
}

enum pln_status pln_importer_outputs(struct pln_importer *importer, const struct pln_onnx_graph *graph, struct pln_scope *scope, uint32_t block)
{
    for (uint32_t i = 0; i < graph->outputs.count; i++) {
        const char *name = graph->outputs.items[i].name;
        uint32_t value;
        if (!pln_scope_find(scope, name, &value) || value == PLN_NONE) {
            return pln_fail(importer->diag, PLN_BAD_MODEL, "graph output '%s' is nobody's output", name);
        }
        if (value == importer->unmade) {
            importer->needs_unmade = true;
            return PLN_BAD_MODEL;
        }
        if (!pln_graph_add_block_output(importer->graph, block, value, name)) return pln_fail_memory(importer->diag, "outputs", 0);
    }
    return PLN_OK;
}
