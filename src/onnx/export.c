/* A graph as an ONNX model: names, bodies, constants, operator sets. */
#include "onnx/export.h"

#include <stdio.h>
#include <stdlib.h>

#include "onnx/exporter.h"
#include "onnx/opset.h"
#include "onnx/wire_write.h"
#include "tensor/tensor.h"

/* The first operator set with Softmax, Squeeze and sums in the form of today; an older model becomes one of it at least. */
#define OLDEST_OPSET 13

static enum pln_status no_memory(const struct pln_exporter *exporter)
{
    return pln_fail_memory(exporter->diag, "an ONNX model", 0);
}

static const char *metadata(const struct pln_graph *graph, const char *key)
{
    for (size_t i = 0; i < graph->n_metadata; i++)
        if (strcmp(graph->metadata[i].key, key) == 0) return graph->metadata[i].value;
    return "";
}

/* ---- names ---- */

static bool take(struct pln_exporter *exporter, const char *name)
{
    return name && pln_map_set(&exporter->taken, name, strlen(name), 0);
}

const char *pln_exporter_name(struct pln_exporter *exporter, const char *stem)
{
    uint32_t unused;
    const char *name = stem;
    while (name && pln_map_get_str(&exporter->taken, name, &unused)) name = pln_arena_format(exporter->arena, "%s_%u", stem, ++exporter->next_name);
    return take(exporter, name) ? name : NULL;
}

static const char *output_name(const struct pln_graph *graph, uint32_t slot)
{
    const struct pln_block *b = &graph->blocks[0];
    return b->output_names && b->output_names[slot] ? b->output_names[slot] : pln_graph_value(graph, b->outputs[slot])->name;
}

/* Does the node's own output stand for output `slot` of the block? Inputs of another name, constants, outer values and what is an output already need a node that copies
 * them. */
static bool is_own_output(const struct pln_graph *graph, uint32_t block, uint32_t slot)
{
    const struct pln_block *b = &graph->blocks[block];
    const struct pln_value *value = pln_graph_value(graph, b->outputs[slot]);
    if (block == 0 && value->block == 0) return strcmp(output_name(graph, slot), value->name) == 0;
    if (value->data || value->producer == PLN_NONE || pln_graph_node(graph, value->producer)->block != block) return false;
    for (uint32_t i = 0; i < slot; i++)
        if (b->outputs[i] == b->outputs[slot]) return false;
    return true;
}

/* Inputs and outputs keep theirs; another value that has an output's name gets a new one. */
static enum pln_status name_values(struct pln_exporter *exporter)
{
    const struct pln_graph *graph = exporter->graph;
    const struct pln_block *block = &graph->blocks[0];
    bool named = true;
    for (uint32_t i = 0; i < block->n_inputs; i++) {
        exporter->names[block->inputs[i]] = pln_graph_value(graph, block->inputs[i])->name;
        named = named && take(exporter, exporter->names[block->inputs[i]]);
    }
    for (uint32_t i = 0; i < block->n_outputs; i++) {
        if (is_own_output(graph, 0, i)) exporter->names[block->outputs[i]] = output_name(graph, i);
        named = named && take(exporter, output_name(graph, i));
    }
    for (uint32_t v = 0; v < graph->n_values && named; v++) {
        if (exporter->names[v] || graph->values[v].removed) continue;
        exporter->names[v] = pln_exporter_name(exporter, graph->values[v].name);
        named = exporter->names[v] != NULL;
    }
    return named ? PLN_OK : no_memory(exporter);
}

/* ---- types and tensors ---- */

static void see_type(struct pln_exporter *exporter, enum pln_dtype dtype)
{
    exporter->newest_type = PLN_MAX(exporter->newest_type, (uint32_t)dtype);
}

/* Strings have no raw form, so the message is written here as it will stand in the file. */
static enum pln_status write_strings(struct pln_exporter *exporter, const struct pln_tensor *tensor, struct pln_onnx_tensor *out)
{
    const struct pln_string *strings = tensor->data;
    const int64_t n = pln_tensor_count(tensor);
    struct pln_text text;
    pln_text_init(&text, exporter->graph->alloc);
    for (int d = 0; d < tensor->rank; d++) pln_wire_put_int(&text, 1, tensor->dims[d]);
    pln_wire_put_int(&text, 2, tensor->dtype);
    for (int64_t i = 0; i < n; i++) pln_wire_put_bytes(&text, 6, strings[i].data, strings[i].size_bytes);
    pln_wire_put_string(&text, 8, out->name);
    out->spans.items = pln_arena_alloc(exporter->arena, sizeof *out->spans.items);
    const char *bytes = text.failed || !out->spans.items ? NULL : pln_arena_text(exporter->arena, text.data, text.size_bytes);
    if (bytes) {
        out->spans.items[0] = (struct pln_string){ bytes, text.size_bytes };
        out->spans.count = 1;
    }
    pln_text_deinit(&text);
    return bytes ? PLN_OK : no_memory(exporter);
}

enum pln_status pln_exporter_tensor(struct pln_exporter *exporter, const char *name, const struct pln_tensor *tensor, struct pln_onnx_tensor *out)
{
    *out = (struct pln_onnx_tensor){ .name = name, .data_type = (int32_t)tensor->dtype };
    see_type(exporter, tensor->dtype);
    out->dims.count = out->dims.capacity = (uint32_t)tensor->rank;
    out->dims.items = pln_arena_copy(exporter->arena, tensor->dims, (size_t)tensor->rank * sizeof *tensor->dims);
    if (!out->dims.items) return no_memory(exporter);
    if (tensor->dtype == PLN_STR) return write_strings(exporter, tensor, out);
    out->present = PLN_ONNX_HAS_RAW_DATA;
    out->raw_data = (struct pln_string){ tensor->data, pln_tensor_bytes(tensor) };
    return PLN_OK;
}

/* Numbers, and else the expression as text: equal texts are equal extents. One with symbols that nobody has named ("?7") stays open. */
static enum pln_status write_dim(struct pln_exporter *exporter, struct pln_dim dim, enum pln_export_dims with, struct pln_onnx_dim *out)
{
    struct pln_dim_table *dims = &exporter->graph->dims;
    int64_t number;
    *out = (struct pln_onnx_dim){ .denotation = "", .param = "" };
    if (with == PLN_EXPORT_RANKS) return PLN_OK;
    if (pln_dim_value(dims, dim, &number)) {
        out->kind = PLN_ONNX_DIM_VALUE;
        out->value = number;
        return PLN_OK;
    }
    if (with == PLN_EXPORT_NUMBERS) return PLN_OK;
    struct pln_text text;
    pln_text_init(&text, exporter->graph->alloc);
    pln_dim_print(dims, dim, &text);
    const bool is_named = !strchr(text.data, '?');
    const char *param = text.failed ? NULL : pln_arena_text(exporter->arena, text.data, text.size_bytes);
    pln_text_deinit(&text);
    if (!param) return no_memory(exporter);
    if (!is_named) return PLN_OK;
    out->kind = PLN_ONNX_DIM_PARAM;
    out->param = param;
    return PLN_OK;
}

enum pln_status pln_exporter_type(struct pln_exporter *exporter, const struct pln_type *type, enum pln_export_dims with, struct pln_onnx_type *out)
{
    *out = (struct pln_onnx_type){ .denotation = "" };
    see_type(exporter, type->dtype);
    if (type->kind == PLN_TENSOR) {
        out->kind = PLN_ONNX_TYPE_TENSOR;
        out->elem_type = (int32_t)type->dtype;
        if (type->rank < 0 || with == PLN_EXPORT_NO_DIMS) return PLN_OK;
        out->shape = pln_arena_alloc(exporter->arena, sizeof *out->shape);
        struct pln_onnx_dim *dims = pln_arena_array(exporter->arena, (size_t)type->rank + 1, sizeof *dims);
        if (!out->shape || !dims) return no_memory(exporter);
        out->shape->dims.items = dims;
        out->shape->dims.count = (uint32_t)type->rank;
        for (int d = 0; d < type->rank; d++) PLN_TRY(write_dim(exporter, type->dims[d], with, &dims[d]));
        return PLN_OK;
    }
    out->kind = type->kind == PLN_SEQUENCE ? PLN_ONNX_TYPE_SEQUENCE : type->kind == PLN_OPTIONAL ? PLN_ONNX_TYPE_OPTIONAL : PLN_ONNX_TYPE_MAP;
    out->key_type = type->kind == PLN_MAP ? (int32_t)type->dtype : 0;
    if (!type->elem) return PLN_OK;
    out->inner = pln_arena_alloc(exporter->arena, sizeof *out->inner);
    return out->inner ? pln_exporter_type(exporter, type->elem, PLN_EXPORT_NO_DIMS, out->inner) : no_memory(exporter);
}

static bool is_known(const struct pln_type *type)
{
    while (type && type->kind != PLN_TENSOR) type = type->elem;
    return type && type->dtype != PLN_DTYPE_NONE;
}

enum pln_status pln_exporter_info(struct pln_exporter *exporter, const char *name, const struct pln_type *type, enum pln_export_dims dims, struct pln_onnx_value_info *out)
{
    *out = (struct pln_onnx_value_info){ .name = name };
    if (!is_known(type)) return PLN_OK;
    out->type = pln_arena_alloc(exporter->arena, sizeof *out->type);
    return out->type ? pln_exporter_type(exporter, type, dims, out->type) : no_memory(exporter);
}

/* ---- operator sets ---- */

static int64_t model_opset(const struct pln_graph *graph, const char *domain)
{
    char key[64];
    snprintf(key, sizeof key, "onnx.opset.%s", domain);
    return strtoll(metadata(graph, key), NULL, 10);
}

/* Is every node of the block and of the bodies in it a node of the operator sets? The older of the two that do not fit is made newer once. */
static enum pln_status fit_block(struct pln_exporter *exporter, uint32_t block, bool exact, bool *out_changed)
{
    struct pln_graph *graph = exporter->graph;
    for (uint32_t id = graph->blocks[block].first; id != PLN_NONE; id = pln_graph_node(graph, id)->next) {
        const struct pln_node *node = pln_graph_node(graph, id);
        const int domain = pln_exporter_domain(exporter, id);
        for (uint32_t i = 0; i < node->n_blocks; i++) PLN_TRY(fit_block(exporter, node->blocks[i], exact, out_changed));
        if (domain < PLN_EXPORT_DOMAINS) exporter->uses[domain] = true;
        for (;;) {
            const bool is_last = domain == PLN_EXPORT_DOMAINS || exact || exporter->opsets[domain] >= pln_onnx_opset_newest(domain == PLN_EXPORT_ML ? "ai.onnx.ml" : "");
            struct pln_diag quiet;
            pln_diag_init(&quiet);
            pln_graph_set_diag(graph, id, exporter->diag);
            enum pln_status status = pln_exporter_fits(exporter, id, is_last ? exporter->diag : &quiet);
            if (status == PLN_OK) break;
            if (is_last || status != PLN_UNSUPPORTED) return status;
            exporter->opsets[domain]++;
            *out_changed = true;
        }
    }
    return PLN_OK;
}

static enum pln_status choose_opsets(struct pln_exporter *exporter, int64_t wanted)
{
    bool changed = true;
    const int64_t newest = pln_onnx_opset_newest("");
    if (wanted && (wanted < 7 || wanted > newest)) return pln_fail(exporter->diag, PLN_INVALID_ARGUMENT, "models can be written in opset 7 to %lld, not %lld", (long long)newest, (long long)wanted);
    exporter->opsets[PLN_EXPORT_ONNX] = wanted ? wanted : PLN_MIN(PLN_MAX(model_opset(exporter->graph, "ai.onnx"), OLDEST_OPSET), newest);
    exporter->opsets[PLN_EXPORT_ML] = PLN_MAX(model_opset(exporter->graph, "ai.onnx.ml"), 1);
    while (changed) { /* what fitted an older set may not fit a newer one */
        changed = false;
        PLN_TRY(fit_block(exporter, 0, wanted != 0, &changed));
    }
    if (exporter->diag) exporter->diag->node = exporter->diag->op = NULL;
    return PLN_OK;
}

/* ---- blocks ---- */

static uint32_t count_nodes(const struct pln_graph *graph, uint32_t block)
{
    uint32_t n = 0;
    for (uint32_t id = graph->blocks[block].first; id != PLN_NONE; id = pln_graph_node(graph, id)->next) n++;
    return n;
}

static enum pln_status write_block(struct pln_exporter *exporter, uint32_t block, const char *name, struct pln_onnx_graph *out);

static enum pln_status write_bodies(struct pln_exporter *exporter, uint32_t id, struct pln_onnx_node *out)
{
    const struct pln_node *node = pln_graph_node(exporter->graph, id);
    for (uint32_t i = 0; i < node->n_blocks; i++) {
        struct pln_onnx_attribute *attribute = pln_exporter_body(node, i, out);
        attribute->g = pln_arena_alloc(exporter->arena, sizeof *attribute->g);
        if (!attribute->g) return no_memory(exporter);
        PLN_TRY(write_block(exporter, node->blocks[i], attribute->name, attribute->g));
    }
    return PLN_OK;
}

static enum pln_export_dims block_dims(const struct pln_graph *graph, uint32_t block)
{
    if (block == 0) return PLN_EXPORT_ALL_DIMS;
    while (block != 0) {
        const struct pln_node *node = pln_graph_node(graph, graph->blocks[block].parent_node);
        if (node->op == PLN_OP_IF) return PLN_EXPORT_RANKS;
        block = node->block;
    }
    return PLN_EXPORT_NUMBERS;
}

/* Output `slot` under the name that it has outside; a node that copies where the value itself cannot be it. */
static enum pln_status write_output(struct pln_exporter *exporter, uint32_t block, uint32_t slot, struct pln_onnx_graph *out)
{
    const struct pln_graph *graph = exporter->graph;
    const uint32_t id = graph->blocks[block].outputs[slot];
    const bool own = is_own_output(graph, block, slot);
    const char *name = own ? exporter->names[id] : block == 0 ? output_name(graph, slot) : pln_exporter_name(exporter, exporter->names[id]);
    if (!name) return no_memory(exporter);
    PLN_TRY(pln_exporter_info(exporter, name, &pln_graph_value(graph, id)->type, block_dims(graph, block), &out->outputs.items[out->outputs.count++]));
    if (own) return PLN_OK;
    struct pln_onnx_node *copy = &out->nodes.items[out->nodes.count++];
    const char **names = pln_arena_array(exporter->arena, 2, sizeof *names);
    if (!names) return no_memory(exporter);
    names[0] = exporter->names[id];
    names[1] = name;
    *copy = (struct pln_onnx_node){ .op_type = "Identity", .domain = "", .name = "", .overload = "" };
    copy->inputs.items = &names[0];
    copy->outputs.items = &names[1];
    copy->inputs.count = copy->outputs.count = 1;
    return PLN_OK;
}

static enum pln_status write_block(struct pln_exporter *exporter, uint32_t block, const char *name, struct pln_onnx_graph *out)
{
    struct pln_graph *graph = exporter->graph;
    const struct pln_block *b = &graph->blocks[block];
    *out = (struct pln_onnx_graph){ .name = name };
    out->nodes.items = pln_arena_array(exporter->arena, (size_t)count_nodes(graph, block) + b->n_outputs + 1, sizeof *out->nodes.items);
    out->inputs.items = pln_arena_array(exporter->arena, b->n_inputs + 1u, sizeof *out->inputs.items);
    out->outputs.items = pln_arena_array(exporter->arena, b->n_outputs + 1u, sizeof *out->outputs.items);
    if (!out->nodes.items || !out->inputs.items || !out->outputs.items) return no_memory(exporter);
    for (uint32_t i = 0; i < b->n_inputs; i++)
        PLN_TRY(pln_exporter_info(exporter, exporter->names[b->inputs[i]], &pln_graph_value(graph, b->inputs[i])->type, block_dims(graph, block), &out->inputs.items[out->inputs.count++]));
    for (uint32_t id = b->first; id != PLN_NONE; id = pln_graph_node(graph, id)->next) {
        struct pln_onnx_node *node = &out->nodes.items[out->nodes.count++];
        PLN_TRY(pln_exporter_node(exporter, id, node));
        PLN_TRY(write_bodies(exporter, id, node));
    }
    for (uint32_t i = 0; i < b->n_outputs; i++) PLN_TRY(write_output(exporter, block, i, out));
    return PLN_OK;
}

/* Constants that somebody reads, of bodies as well, and what is known of the values between. */
static enum pln_status write_values(struct pln_exporter *exporter, struct pln_onnx_graph *out)
{
    const struct pln_graph *graph = exporter->graph;
    out->initializers.items = pln_arena_array(exporter->arena, graph->n_values + 1, sizeof *out->initializers.items);
    out->value_infos.items = pln_arena_array(exporter->arena, graph->n_values + 1, sizeof *out->value_infos.items);
    if (!out->initializers.items || !out->value_infos.items) return no_memory(exporter);
    for (uint32_t v = 0; v < graph->n_values; v++) {
        const struct pln_value *value = pln_graph_value(graph, v);
        if (value->removed) continue;
        if (value->data && value->first_use != PLN_NONE) PLN_TRY(pln_exporter_tensor(exporter, exporter->names[v], value->data, &out->initializers.items[out->initializers.count++]));
        if (value->data || value->producer == PLN_NONE || pln_graph_node(graph, value->producer)->block != 0 || pln_graph_is_output(graph, v) || !is_known(&value->type)) continue;
        PLN_TRY(pln_exporter_info(exporter, exporter->names[v], &value->type, PLN_EXPORT_ALL_DIMS, &out->value_infos.items[out->value_infos.count++]));
    }
    return PLN_OK;
}

/* ---- the model ---- */

/* The oldest IR version with the element types; 8 came with opset 15. Source: comments of TensorProto.DataType in onnx.proto. */
static int64_t ir_version(uint32_t newest_type)
{
    if (newest_type >= PLN_U2) return 13;
    if (newest_type >= PLN_F8E8M0) return 12;
    if (newest_type >= PLN_F4E2M1) return 11;
    if (newest_type >= PLN_U4) return 10;
    return newest_type >= PLN_F8E4M3FN ? 9 : 8;
}

static void add_opset(struct pln_onnx_model *model, const char *domain, int64_t version)
{
    for (uint32_t i = 0; i < model->opset_imports.count; i++)
        if (pln_onnx_domain_equal(model->opset_imports.items[i].domain, domain)) return;
    model->opset_imports.items[model->opset_imports.count++] = (struct pln_onnx_opset){ domain, version };
}

static enum pln_status write_opsets(struct pln_exporter *exporter, struct pln_onnx_model *model)
{
    const struct pln_graph *graph = exporter->graph;
    size_t n_custom = 0;
    for (size_t i = 0; i < graph->n_nodes; i++) n_custom += !graph->nodes[i].removed && pln_exporter_is_custom(&graph->nodes[i]);
    model->opset_imports.items = pln_arena_array(exporter->arena, n_custom + PLN_EXPORT_DOMAINS, sizeof *model->opset_imports.items);
    if (!model->opset_imports.items) return no_memory(exporter);
    add_opset(model, "", exporter->opsets[PLN_EXPORT_ONNX]);
    if (exporter->uses[PLN_EXPORT_ML]) add_opset(model, "ai.onnx.ml", exporter->opsets[PLN_EXPORT_ML]);
    for (size_t i = 0; i < graph->n_nodes; i++) {
        const struct pln_attrs *attrs = &graph->nodes[i].attrs;
        if (!graph->nodes[i].removed && pln_exporter_is_custom(&graph->nodes[i]))
            add_opset(model, pln_attrs_string(attrs, "domain", ""), pln_attrs_int(attrs, "version", 1));
    }
    return PLN_OK;
}

/* What the importer has put there of the model's own fields goes back into them. */
static enum pln_status write_metadata(struct pln_exporter *exporter, struct pln_onnx_model *model)
{
    const struct pln_graph *graph = exporter->graph;
    model->metadata.items = pln_arena_array(exporter->arena, graph->n_metadata + 1, sizeof *model->metadata.items);
    if (!model->metadata.items) return no_memory(exporter);
    for (size_t i = 0; i < graph->n_metadata; i++) {
        const struct pln_metadata *from = &graph->metadata[i];
        if (strncmp(from->key, "onnx.", 5) == 0 || strncmp(from->key, "planish.", 8) == 0) continue;
        model->metadata.items[model->metadata.count++] = (struct pln_onnx_entry){ { from->key, strlen(from->key) }, { from->value, strlen(from->value) } };
    }
    model->model_version = strtoll(metadata(graph, "onnx.model_version"), NULL, 10);
    model->domain = metadata(graph, "onnx.domain");
    model->producer_name = "planish";
    model->producer_version = PLN_VERSION_TEXT;
    return PLN_OK;
}

static enum pln_status write_model(struct pln_exporter *exporter, int64_t opset, struct pln_onnx_model *model)
{
    struct pln_graph *graph = exporter->graph;
    exporter->names = pln_arena_array(exporter->arena, graph->n_values + 1, sizeof *exporter->names);
    model->graph = pln_arena_alloc(exporter->arena, sizeof *model->graph);
    if (!exporter->names || !model->graph) return no_memory(exporter);
    PLN_TRY(name_values(exporter));
    PLN_TRY(choose_opsets(exporter, opset));
    PLN_TRY(write_block(exporter, 0, graph->name && graph->name[0] ? graph->name : "graph", model->graph));
    PLN_TRY(write_values(exporter, model->graph));
    PLN_TRY(write_opsets(exporter, model));
    PLN_TRY(write_metadata(exporter, model));
    model->ir_version = ir_version(exporter->newest_type);
    return graph->dims.failed ? no_memory(exporter) : PLN_OK;
}

enum pln_status pln_onnx_export(struct pln_graph *graph, const struct pln_onnx_export_options *options, struct pln_arena *arena, struct pln_diag *diag, struct pln_onnx_model *out_model)
{
    struct pln_exporter exporter = { .graph = graph, .arena = arena, .diag = diag };
    *out_model = (struct pln_onnx_model){ .producer_name = "", .producer_version = "", .domain = "" };
    pln_arena_init(&exporter.scratch, graph->alloc, 0);
    pln_map_init(&exporter.taken, graph->alloc);
    pln_map_init(&exporter.nodes, graph->alloc);
    enum pln_status status = write_model(&exporter, options ? options->opset : 0, out_model);
    pln_arena_deinit(&exporter.scratch);
    pln_map_deinit(&exporter.taken);
    pln_map_deinit(&exporter.nodes);
    return status;
}
