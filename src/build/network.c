/* Networks: an ONNX model, written message by message. */
#include "planish/network.h"

#include "base/file.h"
#include "base/text.h"
#include "onnx/import.h"
#include "onnx/wire_write.h"
#include "tensor/tensor.h"

/* Field numbers of onnx.proto (ONNX 1.23). */
enum { MODEL_IR_VERSION = 1, MODEL_PRODUCER = 2, MODEL_GRAPH = 7, MODEL_OPSET = 8 };
enum { OPSET_DOMAIN = 1, OPSET_VERSION = 2 };
enum { GRAPH_NODE = 1, GRAPH_NAME = 2, GRAPH_INITIALIZER = 5, GRAPH_INPUT = 11, GRAPH_OUTPUT = 12 };
enum { NODE_INPUT = 1, NODE_OUTPUT = 2, NODE_NAME = 3, NODE_OP_TYPE = 4, NODE_ATTRIBUTE = 5, NODE_DOMAIN = 7 };
enum { ATTRIBUTE_NAME = 1, ATTRIBUTE_F = 2, ATTRIBUTE_I = 3, ATTRIBUTE_S = 4, ATTRIBUTE_T = 5, ATTRIBUTE_G = 6, ATTRIBUTE_FLOATS = 7, ATTRIBUTE_INTS = 8, ATTRIBUTE_STRINGS = 9, ATTRIBUTE_TYPE = 20 };
enum { TENSOR_DIMS = 1, TENSOR_DATA_TYPE = 2, TENSOR_STRING_DATA = 6, TENSOR_NAME = 8, TENSOR_RAW_DATA = 9 };
enum { VALUE_NAME = 1, VALUE_TYPE = 2, TYPE_TENSOR = 1, TENSOR_TYPE_ELEM = 1, TENSOR_TYPE_SHAPE = 2, SHAPE_DIM = 1, DIM_VALUE = 1, DIM_PARAM = 2 };
enum { TYPE_SEQUENCE = 4, TYPE_MAP = 5, TYPE_OPTIONAL = 9, INNER_TYPE = 1, MAP_KEYS = 1, MAP_VALUES = 2 };
/* AttributeProto.AttributeType, by enum pln_attribute_kind. */
static const int attribute_types[] = { 2, 1, 3, 7, 6, 8, 4, 5 };

struct pln_network {
    struct pln_text graph;  /* GraphProto, without its name */
    struct pln_text opsets; /* MODEL_OPSET fields */
    struct pln_text name;
    bool failed;            /* a value that cannot be written: told by the build */
    int opset;              /* of the default domain */
};

static void take_message(struct pln_network *network, struct pln_text *to, uint32_t number, struct pln_text *message)
{
    pln_wire_put_message(to, number, message);
    if (message->failed) network->failed = true;
    pln_text_deinit(message);
}

/* What a caller gave as a name; NULL is remembered. */
static void put_text(struct pln_network *network, struct pln_text *out, uint32_t number, const char *string)
{
    if (string) pln_wire_put_string(out, number, string);
    else network->failed = true;
}

pln_network *pln_network_create(const char *name, int opset)
{
    pln_network *network = pln_alloc_zeroed(NULL, sizeof *network, _Alignof(pln_network));
    if (!network) return NULL;
    pln_text_init(&network->graph, pln_allocator_default());
    pln_text_init(&network->opsets, pln_allocator_default());
    pln_text_init(&network->name, pln_allocator_default());
    pln_text_puts(&network->name, name ? name : "network");
    network->opset = opset ? opset : PLN_ONNX_NEWEST_OPSET;
    pln_network_use_domain(network, "", network->opset);
    return network;
}

void pln_network_destroy(pln_network *network)
{
    if (!network) return;
    pln_text_deinit(&network->graph);
    pln_text_deinit(&network->opsets);
    pln_text_deinit(&network->name);
    pln_free(NULL, network, sizeof *network);
}

void pln_network_use_domain(pln_network *network, const char *domain, int version)
{
    struct pln_text opset;
    pln_text_init(&opset, pln_allocator_default());
    pln_wire_put_string(&opset, OPSET_DOMAIN, domain ? domain : "");
    pln_wire_put_int(&opset, OPSET_VERSION, version);
    take_message(network, &network->opsets, MODEL_OPSET, &opset);
}

static void put_shape(struct pln_network *network, struct pln_text *type, int rank, const int64_t *dims, const char *const *dim_names)
{
    struct pln_text shape;
    pln_text_init(&shape, pln_allocator_default());
    if (rank > 0 && !dims) {
        network->failed = true;
        return;
    }
    for (int i = 0; i < rank; i++) {
        struct pln_text dim;
        pln_text_init(&dim, pln_allocator_default());
        if (dims[i] >= 0) pln_wire_put_int(&dim, DIM_VALUE, dims[i]);
        else if (dim_names && dim_names[i]) pln_wire_put_string(&dim, DIM_PARAM, dim_names[i]);
        take_message(network, &shape, SHAPE_DIM, &dim);
    }
    take_message(network, type, TENSOR_TYPE_SHAPE, &shape);
}

static void put_value(struct pln_network *network, uint32_t field, const char *name, enum pln_dtype dtype, int rank, const int64_t *dims, const char *const *dim_names)
{
    struct pln_text value, type, tensor;
    pln_text_init(&value, pln_allocator_default());
    pln_text_init(&type, pln_allocator_default());
    pln_text_init(&tensor, pln_allocator_default());
    put_text(network, &value, VALUE_NAME, name);
    if (dtype != PLN_DTYPE_NONE) {
        pln_wire_put_int(&tensor, TENSOR_TYPE_ELEM, (int64_t)dtype);
        if (rank >= 0) put_shape(network, &tensor, rank, dims, dim_names);
        take_message(network, &type, TYPE_TENSOR, &tensor);
        take_message(network, &value, VALUE_TYPE, &type);
    } else {
        pln_text_deinit(&tensor);
        pln_text_deinit(&type);
    }
    take_message(network, &network->graph, field, &value);
}

void pln_network_add_input(pln_network *network, const char *name, enum pln_dtype dtype, int rank, const int64_t *dims, const char *const *dim_names)
{
    put_value(network, GRAPH_INPUT, name, dtype, rank, dims, dim_names);
}

void pln_network_add_output(pln_network *network, const char *name, enum pln_dtype dtype, int rank, const int64_t *dims, const char *const *dim_names)
{
    put_value(network, GRAPH_OUTPUT, name, dtype, rank, dims, dim_names);
}

void pln_network_add_value_input(pln_network *network, const char *name, enum pln_value_kind kind, enum pln_dtype dtype, enum pln_dtype keys)
{
    const bool map = kind == PLN_VALUE_MAP;
    struct pln_text value, type, outer, inner, tensor;
    struct pln_text *const texts[] = { &value, &type, &outer, &inner, &tensor };
    for (size_t i = 0; i < PLN_COUNT_OF(texts); i++) pln_text_init(texts[i], pln_allocator_default());
    if (kind == PLN_VALUE_TENSOR || dtype == PLN_DTYPE_NONE || map != (keys == PLN_I64 || keys == PLN_STR)) network->failed = true;
    put_text(network, &value, VALUE_NAME, name);
    pln_wire_put_int(&tensor, TENSOR_TYPE_ELEM, (int64_t)dtype);
    take_message(network, &inner, TYPE_TENSOR, &tensor);
    if (map) pln_wire_put_int(&outer, MAP_KEYS, (int64_t)keys);
    take_message(network, &outer, map ? MAP_VALUES : INNER_TYPE, &inner);
    take_message(network, &type, map ? TYPE_MAP : kind == PLN_VALUE_OPTIONAL ? TYPE_OPTIONAL : TYPE_SEQUENCE, &outer);
    take_message(network, &value, VALUE_TYPE, &type);
    take_message(network, &network->graph, GRAPH_INPUT, &value);
}

static void put_tensor(struct pln_network *network, struct pln_text *to, uint32_t field, const char *name, enum pln_dtype dtype, int rank, const int64_t *dims, const void *data)
{
    struct pln_text tensor;
    size_t bytes;
    int64_t count;
    pln_text_init(&tensor, pln_allocator_default());
    if (rank < 0 || (rank > 0 && !dims) || !pln_shape_count(rank, dims, &count) || !pln_shape_bytes(dtype, rank, dims, &bytes) || (count > 0 && !data)) {
        network->failed = true;
        return;
    }
    for (int i = 0; i < rank; i++) pln_wire_put_int(&tensor, TENSOR_DIMS, dims[i]);
    pln_wire_put_int(&tensor, TENSOR_DATA_TYPE, (int64_t)dtype);
    if (name) pln_wire_put_string(&tensor, TENSOR_NAME, name);
    if (dtype == PLN_STR) {
        for (int64_t i = 0; i < count; i++) pln_wire_put_bytes(&tensor, TENSOR_STRING_DATA, ((const struct pln_string *)data)[i].data, ((const struct pln_string *)data)[i].size_bytes);
    } else {
        pln_wire_put_bytes(&tensor, TENSOR_RAW_DATA, data, bytes);
    }
    take_message(network, to, field, &tensor);
}

void pln_network_add_weights(pln_network *network, const char *name, enum pln_dtype dtype, int rank, const int64_t *dims, const void *data)
{
    if (!name) network->failed = true;
    put_tensor(network, &network->graph, GRAPH_INITIALIZER, name, dtype, rank, dims, data);
}

static void put_graph(struct pln_text *out, const pln_network *network)
{
    pln_text_append(out, network->graph.data, network->graph.size_bytes);
    pln_wire_put_string(out, GRAPH_NAME, network->name.data);
    if (network->graph.failed || network->name.failed) out->failed = true;
}

/* Its kind exists, and what the kind says is there. */
static bool is_whole(const struct pln_attribute *attribute)
{
    if (!attribute->name || (unsigned)attribute->kind >= PLN_COUNT_OF(attribute_types)) return false;
    const void *const member[] = { attribute, attribute, attribute->s, attribute->ints, attribute->floats, attribute->strings, attribute->tensor, attribute->body };
    bool empty = attribute->count == 0 && attribute->kind >= PLN_ATTRIBUTE_INTS && attribute->kind <= PLN_ATTRIBUTE_STRINGS;
    return empty || member[attribute->kind];
}

static void put_attribute(struct pln_network *network, struct pln_text *node, const struct pln_attribute *attribute)
{
    struct pln_text out, body;
    if (!is_whole(attribute)) {
        network->failed = true;
        return;
    }
    pln_text_init(&out, pln_allocator_default());
    pln_wire_put_string(&out, ATTRIBUTE_NAME, attribute->name);
    pln_wire_put_int(&out, ATTRIBUTE_TYPE, attribute_types[attribute->kind]);
    switch (attribute->kind) {
    case PLN_ATTRIBUTE_INT: pln_wire_put_int(&out, ATTRIBUTE_I, attribute->i); break;
    case PLN_ATTRIBUTE_FLOAT: pln_wire_put_float(&out, ATTRIBUTE_F, attribute->f); break;
    case PLN_ATTRIBUTE_STRING: put_text(network, &out, ATTRIBUTE_S, attribute->s); break;
    case PLN_ATTRIBUTE_INTS: pln_wire_put_packed_ints(&out, ATTRIBUTE_INTS, attribute->ints, attribute->count); break;
    case PLN_ATTRIBUTE_FLOATS: pln_wire_put_packed_floats(&out, ATTRIBUTE_FLOATS, attribute->floats, attribute->count); break;
    case PLN_ATTRIBUTE_STRINGS:
        for (size_t i = 0; i < attribute->count; i++) put_text(network, &out, ATTRIBUTE_STRINGS, attribute->strings[i]);
        break;
    case PLN_ATTRIBUTE_TENSOR: put_tensor(network, &out, ATTRIBUTE_T, NULL, attribute->tensor->dtype, attribute->tensor->rank, attribute->tensor->dims, attribute->tensor->data); break;
    case PLN_ATTRIBUTE_BODY:
        pln_text_init(&body, pln_allocator_default());
        put_graph(&body, attribute->body);
        take_message(network, &out, ATTRIBUTE_G, &body);
        if (attribute->body->failed) network->failed = true;
        break;
    }
    take_message(network, node, NODE_ATTRIBUTE, &out);
}

void pln_network_add_node(pln_network *network, const struct pln_network_node *node)
{
    struct pln_text out;
    if (!node || (node->input_count > 0 && !node->inputs) || (node->output_count > 0 && !node->outputs) || (node->attribute_count > 0 && !node->attributes)) {
        network->failed = true;
        return;
    }
    pln_text_init(&out, pln_allocator_default());
    for (int i = 0; i < node->input_count; i++) put_text(network, &out, NODE_INPUT, node->inputs[i]);
    for (int i = 0; i < node->output_count; i++) put_text(network, &out, NODE_OUTPUT, node->outputs[i]);
    if (node->name) pln_wire_put_string(&out, NODE_NAME, node->name);
    put_text(network, &out, NODE_OP_TYPE, node->op_type);
    if (node->domain) pln_wire_put_string(&out, NODE_DOMAIN, node->domain);
    for (int i = 0; i < node->attribute_count; i++) put_attribute(network, &out, &node->attributes[i]);
    take_message(network, &network->graph, GRAPH_NODE, &out);
}

static enum pln_status write_model(const pln_network *network, struct pln_text *out, pln_diagnostics *diagnostics)
{
    struct pln_text graph;
    pln_text_init(out, pln_allocator_default());
    pln_text_init(&graph, pln_allocator_default());
    put_graph(&graph, network);
    pln_wire_put_int(out, MODEL_IR_VERSION, 10);
    pln_wire_put_string(out, MODEL_PRODUCER, "planish");
    pln_wire_put_message(out, MODEL_GRAPH, &graph);
    pln_text_append(out, network->opsets.data, network->opsets.size_bytes);
    bool failed = graph.failed || out->failed || network->opsets.failed;
    pln_text_deinit(&graph);
    if (failed) return pln_fail_memory(diagnostics, "network", out->size_bytes);
    if (network->opset < 1 || network->opset > PLN_ONNX_NEWEST_OPSET)
        return pln_fail(diagnostics, PLN_INVALID_ARGUMENT, "the network is of opset %d; this version knows 1 to %d", network->opset, PLN_ONNX_NEWEST_OPSET);
    if (network->failed) return pln_fail(diagnostics, PLN_INVALID_ARGUMENT, "the network was given weights whose shape is negative or too large, or NULL for a name, data or an attribute");
    return PLN_OK;
}

enum pln_status pln_build_network(const pln_network *network, const struct pln_build_options *options, pln_engine **out_engine)
{
    struct pln_text model;
    *out_engine = NULL;
    struct pln_build_options own;
    const char *why = pln_options_copy(options, sizeof own, &own);
    if (!why && !network) why = "the network is NULL";
    if (why) return pln_fail(own.diagnostics, PLN_INVALID_ARGUMENT, "%s", why);
    enum pln_status status = write_model(network, &model, own.diagnostics);
    if (status == PLN_OK) status = pln_build_memory(model.data, model.size_bytes, NULL, options, out_engine);
    pln_text_deinit(&model);
    return status;
}

enum pln_status pln_network_save(const pln_network *network, const char *path, pln_diagnostics *diagnostics)
{
    struct pln_text model;
    struct pln_file_writer writer;
    if (!network || !path) return pln_fail(diagnostics, PLN_INVALID_ARGUMENT, "the network or the path of the model is NULL");
    enum pln_status status = write_model(network, &model, diagnostics);
    if (status == PLN_OK && model.size_bytes > INT32_MAX) status = pln_fail(diagnostics, PLN_UNSUPPORTED, "an ONNX file holds at most 2 GiB; this network has %zu bytes", model.size_bytes);
    if (status == PLN_OK) status = pln_file_writer_open(&writer, path, pln_allocator_default(), diagnostics);
    if (status == PLN_OK) {
        status = pln_file_writer_write(&writer, model.data, model.size_bytes);
        if (status == PLN_OK) status = pln_file_writer_commit(&writer);
        else pln_file_writer_abort(&writer);
    }
    pln_text_deinit(&model);
    return status;
}
