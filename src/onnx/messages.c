#include "onnx/messages.h"

/* Field rows: name and number as in onnx.proto, struct and member as in model.h. */
#define AT(type, member) (uint32_t) offsetof(struct type, member)
#define ROW(proto_name, field_number, type, member, field_kind)                                         \
    {                                                                                                   \
        .name = #proto_name, .number = (field_number), .kind = (field_kind), .offset = AT(type, member) \
    }
#define CHILD(proto_name, field_number, type, member, field_kind, message)                               \
    {                                                                                                    \
        .name = #proto_name, .number = (field_number), .kind = (field_kind), .offset = AT(type, member), \
        .child = &(message)                                                                              \
    }
#define TABLE(type, message_name, rows) \
    .name = (message_name), .fields = (rows), .field_count = PLN_COUNT_OF(rows), .size_bytes = sizeof(struct type)

static const struct pln_onnx_message entry_message, opset_message, dim_message, shape_message, value_info_message;
static const struct pln_onnx_message attribute_message, graph_message, function_message;

static const struct pln_onnx_field entry_fields[] = {
    ROW(key, 1, pln_onnx_entry, key, PLN_FIELD_BYTES),
    ROW(value, 2, pln_onnx_entry, value, PLN_FIELD_BYTES),
};
static const struct pln_onnx_message entry_message = { TABLE(pln_onnx_entry, "StringStringEntryProto", entry_fields) };

static const struct pln_onnx_field opset_fields[] = {
    ROW(domain, 1, pln_onnx_opset, domain, PLN_FIELD_NAME),
    ROW(version, 2, pln_onnx_opset, version, PLN_FIELD_I64),
};
static const struct pln_onnx_message opset_message = { TABLE(pln_onnx_opset, "OperatorSetIdProto", opset_fields) };

/* ---- tensors ---- */

#define TYPED_DATA(text, field_number, bit)                                                \
    {                                                                                      \
        .name = (text), .number = (field_number), .kind = PLN_FIELD_MARK, .present = (bit) \
    }
static const struct pln_onnx_field tensor_fields[] = {
    ROW(dims, 1, pln_onnx_tensor, dims, PLN_FIELD_LIST_I64),
    ROW(data_type, 2, pln_onnx_tensor, data_type, PLN_FIELD_I32),
    TYPED_DATA("segment", 3, PLN_ONNX_HAS_SEGMENT),
    TYPED_DATA("float_data", 4, PLN_ONNX_HAS_FLOAT_DATA),
    TYPED_DATA("int32_data", 5, PLN_ONNX_HAS_INT32_DATA),
    TYPED_DATA("string_data", 6, PLN_ONNX_HAS_STRING_DATA),
    TYPED_DATA("int64_data", 7, PLN_ONNX_HAS_INT64_DATA),
    ROW(name, 8, pln_onnx_tensor, name, PLN_FIELD_NAME),
    { .name = "raw_data",
      .number = 9,
      .kind = PLN_FIELD_BYTES,
      .offset = AT(pln_onnx_tensor, raw_data),
      .present = PLN_ONNX_HAS_RAW_DATA },
    TYPED_DATA("double_data", 10, PLN_ONNX_HAS_DOUBLE_DATA),
    TYPED_DATA("uint64_data", 11, PLN_ONNX_HAS_UINT64_DATA),
    CHILD(external_data, 13, pln_onnx_tensor, external_data, PLN_FIELD_LIST_MESSAGE, entry_message),
    ROW(data_location, 14, pln_onnx_tensor, data_location, PLN_FIELD_I32),
};
const struct pln_onnx_message pln_onnx_tensor_message = {
    TABLE(pln_onnx_tensor, "TensorProto", tensor_fields),
    .present_offset = AT(pln_onnx_tensor, present),
    .spans_offset = AT(pln_onnx_tensor, spans),
};

static const struct pln_onnx_field sparse_tensor_fields[] = {
    CHILD(values, 1, pln_onnx_sparse_tensor, values, PLN_FIELD_MESSAGE, pln_onnx_tensor_message),
    CHILD(indices, 2, pln_onnx_sparse_tensor, indices, PLN_FIELD_MESSAGE, pln_onnx_tensor_message),
    ROW(dims, 3, pln_onnx_sparse_tensor, dims, PLN_FIELD_LIST_I64),
};
const struct pln_onnx_message pln_onnx_sparse_tensor_message = { TABLE(pln_onnx_sparse_tensor, "SparseTensorProto",
                                                                       sparse_tensor_fields) };

/* ---- types ---- */

static const struct pln_onnx_field dim_fields[] = {
    { .name = "dim_value",
      .number = 1,
      .kind = PLN_FIELD_I64,
      .offset = AT(pln_onnx_dim, value),
      .one_of = PLN_ONNX_DIM_VALUE },
    { .name = "dim_param",
      .number = 2,
      .kind = PLN_FIELD_NAME,
      .offset = AT(pln_onnx_dim, param),
      .one_of = PLN_ONNX_DIM_PARAM },
    ROW(denotation, 3, pln_onnx_dim, denotation, PLN_FIELD_NAME),
};
static const struct pln_onnx_message dim_message = {
    TABLE(pln_onnx_dim, "TensorShapeProto.Dimension", dim_fields),
    .one_of_offset = AT(pln_onnx_dim, kind),
};

static const struct pln_onnx_field shape_fields[] = {
    CHILD(dim, 1, pln_onnx_shape, dims, PLN_FIELD_LIST_MESSAGE, dim_message),
};
static const struct pln_onnx_message shape_message = { TABLE(pln_onnx_shape, "TensorShapeProto", shape_fields) };

/* The messages inside TypeProto's oneof; their fields are members of struct pln_onnx_type. */
static const struct pln_onnx_field tensor_type_fields[] = {
    ROW(elem_type, 1, pln_onnx_type, elem_type, PLN_FIELD_I32),
    CHILD(shape, 2, pln_onnx_type, shape, PLN_FIELD_MESSAGE, shape_message),
};
static const struct pln_onnx_message tensor_type_message = { TABLE(pln_onnx_type, "TypeProto.Tensor",
                                                                   tensor_type_fields) };
static const struct pln_onnx_field element_type_fields[] = {
    CHILD(elem_type, 1, pln_onnx_type, inner, PLN_FIELD_MESSAGE, pln_onnx_type_message),
};
static const struct pln_onnx_message element_type_message = { TABLE(pln_onnx_type, "TypeProto.Sequence",
                                                                    element_type_fields) };
static const struct pln_onnx_field map_type_fields[] = {
    ROW(key_type, 1, pln_onnx_type, key_type, PLN_FIELD_I32),
    CHILD(value_type, 2, pln_onnx_type, inner, PLN_FIELD_MESSAGE, pln_onnx_type_message),
};
static const struct pln_onnx_message map_type_message = { TABLE(pln_onnx_type, "TypeProto.Map", map_type_fields) };
static const struct pln_onnx_field opaque_type_fields[] = {
    ROW(domain, 1, pln_onnx_type, domain, PLN_FIELD_NAME),
    ROW(name, 2, pln_onnx_type, name, PLN_FIELD_NAME),
};
static const struct pln_onnx_message opaque_type_message = { TABLE(pln_onnx_type, "TypeProto.Opaque",
                                                                   opaque_type_fields) };

#define TYPE_CASE(text, type_kind, message)                                                                         \
    {                                                                                                               \
        .name = (text), .number = (type_kind), .kind = PLN_FIELD_INLINE, .child = &(message), .one_of = (type_kind) \
    }
static const struct pln_onnx_field type_fields[] = {
    TYPE_CASE("tensor_type", PLN_ONNX_TYPE_TENSOR, tensor_type_message),
    TYPE_CASE("sequence_type", PLN_ONNX_TYPE_SEQUENCE, element_type_message),
    TYPE_CASE("map_type", PLN_ONNX_TYPE_MAP, map_type_message),
    TYPE_CASE("opaque_type", PLN_ONNX_TYPE_OPAQUE, opaque_type_message),
    TYPE_CASE("sparse_tensor_type", PLN_ONNX_TYPE_SPARSE_TENSOR, tensor_type_message),
    TYPE_CASE("optional_type", PLN_ONNX_TYPE_OPTIONAL, element_type_message),
    ROW(denotation, 6, pln_onnx_type, denotation, PLN_FIELD_NAME),
};
const struct pln_onnx_message pln_onnx_type_message = {
    TABLE(pln_onnx_type, "TypeProto", type_fields),
    .one_of_offset = AT(pln_onnx_type, kind),
};

static const struct pln_onnx_field value_info_fields[] = {
    ROW(name, 1, pln_onnx_value_info, name, PLN_FIELD_NAME),
    CHILD(type, 2, pln_onnx_value_info, type, PLN_FIELD_MESSAGE, pln_onnx_type_message),
};
static const struct pln_onnx_message value_info_message = { TABLE(pln_onnx_value_info, "ValueInfoProto",
                                                                  value_info_fields) };

/* ---- nodes, graphs, functions ---- */

#define ATTRIBUTE(member, field_number, field_kind, attribute_type, message)                                       \
    {                                                                                                              \
        .name = #member, .number = (field_number), .kind = (field_kind), .offset = AT(pln_onnx_attribute, member), \
        .child = (message), .present = 1u << (attribute_type)                                                      \
    }
static const struct pln_onnx_field attribute_fields[] = {
    ROW(name, 1, pln_onnx_attribute, name, PLN_FIELD_NAME),
    ATTRIBUTE(f, 2, PLN_FIELD_F32, PLN_ONNX_ATTR_FLOAT, NULL),
    ATTRIBUTE(i, 3, PLN_FIELD_I64, PLN_ONNX_ATTR_INT, NULL),
    ATTRIBUTE(s, 4, PLN_FIELD_BYTES, PLN_ONNX_ATTR_STRING, NULL),
    ATTRIBUTE(t, 5, PLN_FIELD_MESSAGE, PLN_ONNX_ATTR_TENSOR, &pln_onnx_tensor_message),
    ATTRIBUTE(g, 6, PLN_FIELD_MESSAGE, PLN_ONNX_ATTR_GRAPH, &graph_message),
    ATTRIBUTE(floats, 7, PLN_FIELD_LIST_F32, PLN_ONNX_ATTR_FLOATS, NULL),
    ATTRIBUTE(ints, 8, PLN_FIELD_LIST_I64, PLN_ONNX_ATTR_INTS, NULL),
    ATTRIBUTE(strings, 9, PLN_FIELD_LIST_BYTES, PLN_ONNX_ATTR_STRINGS, NULL),
    ATTRIBUTE(tensors, 10, PLN_FIELD_LIST_MESSAGE, PLN_ONNX_ATTR_TENSORS, &pln_onnx_tensor_message),
    ATTRIBUTE(graphs, 11, PLN_FIELD_LIST_MESSAGE, PLN_ONNX_ATTR_GRAPHS, &graph_message),
    ATTRIBUTE(tp, 14, PLN_FIELD_MESSAGE, PLN_ONNX_ATTR_TYPE_PROTO, &pln_onnx_type_message),
    ATTRIBUTE(type_protos, 15, PLN_FIELD_LIST_MESSAGE, PLN_ONNX_ATTR_TYPE_PROTOS, &pln_onnx_type_message),
    ROW(type, 20, pln_onnx_attribute, type, PLN_FIELD_I32),
    ROW(ref_attr_name, 21, pln_onnx_attribute, ref_attr_name, PLN_FIELD_NAME),
    ATTRIBUTE(sparse_tensor, 22, PLN_FIELD_MESSAGE, PLN_ONNX_ATTR_SPARSE_TENSOR, &pln_onnx_sparse_tensor_message),
    ATTRIBUTE(sparse_tensors, 23, PLN_FIELD_LIST_MESSAGE, PLN_ONNX_ATTR_SPARSE_TENSORS,
              &pln_onnx_sparse_tensor_message),
};

/* IR version 1 had no `type`: then the one field that is there tells. */
static void finish_attribute(void *object, uint32_t index)
{
    struct pln_onnx_attribute *attribute = object;
    uint32_t present = attribute->present;
    (void)index;
    if (attribute->type != PLN_ONNX_ATTR_UNDEFINED || present == 0 || (present & (present - 1)) != 0) return;
    while (present >>= 1) attribute->type++;
}

static const struct pln_onnx_message attribute_message = {
    TABLE(pln_onnx_attribute, "AttributeProto", attribute_fields),
    .present_offset = AT(pln_onnx_attribute, present),
    .finish = finish_attribute,
};

static const struct pln_onnx_field node_fields[] = {
    ROW(input, 1, pln_onnx_node, inputs, PLN_FIELD_LIST_NAME),
    ROW(output, 2, pln_onnx_node, outputs, PLN_FIELD_LIST_NAME),
    ROW(name, 3, pln_onnx_node, name, PLN_FIELD_NAME),
    ROW(op_type, 4, pln_onnx_node, op_type, PLN_FIELD_NAME),
    CHILD(attribute, 5, pln_onnx_node, attributes, PLN_FIELD_LIST_MESSAGE, attribute_message),
    ROW(domain, 7, pln_onnx_node, domain, PLN_FIELD_NAME),
    ROW(overload, 8, pln_onnx_node, overload, PLN_FIELD_NAME),
};

static void finish_node(void *object, uint32_t index)
{
    struct pln_onnx_node *node = object;
    node->index = index;
}

const struct pln_onnx_message pln_onnx_node_message = {
    TABLE(pln_onnx_node, "NodeProto", node_fields),
    .finish = finish_node,
};

static const struct pln_onnx_field graph_fields[] = {
    CHILD(node, 1, pln_onnx_graph, nodes, PLN_FIELD_LIST_MESSAGE, pln_onnx_node_message),
    ROW(name, 2, pln_onnx_graph, name, PLN_FIELD_NAME),
    CHILD(initializer, 5, pln_onnx_graph, initializers, PLN_FIELD_LIST_MESSAGE, pln_onnx_tensor_message),
    ROW(doc_string, 10, pln_onnx_graph, doc, PLN_FIELD_BYTES),
    CHILD(input, 11, pln_onnx_graph, inputs, PLN_FIELD_LIST_MESSAGE, value_info_message),
    CHILD(output, 12, pln_onnx_graph, outputs, PLN_FIELD_LIST_MESSAGE, value_info_message),
    CHILD(value_info, 13, pln_onnx_graph, value_infos, PLN_FIELD_LIST_MESSAGE, value_info_message),
    CHILD(sparse_initializer, 15, pln_onnx_graph, sparse_initializers, PLN_FIELD_LIST_MESSAGE,
          pln_onnx_sparse_tensor_message),
    CHILD(metadata_props, 16, pln_onnx_graph, metadata, PLN_FIELD_LIST_MESSAGE, entry_message),
};
static const struct pln_onnx_message graph_message = { TABLE(pln_onnx_graph, "GraphProto", graph_fields) };

static const struct pln_onnx_field function_fields[] = {
    ROW(name, 1, pln_onnx_function, name, PLN_FIELD_NAME),
    ROW(input, 4, pln_onnx_function, inputs, PLN_FIELD_LIST_NAME),
    ROW(output, 5, pln_onnx_function, outputs, PLN_FIELD_LIST_NAME),
    ROW(attribute, 6, pln_onnx_function, attributes, PLN_FIELD_LIST_NAME),
    CHILD(node, 7, pln_onnx_function, nodes, PLN_FIELD_LIST_MESSAGE, pln_onnx_node_message),
    CHILD(opset_import, 9, pln_onnx_function, opset_imports, PLN_FIELD_LIST_MESSAGE, opset_message),
    ROW(domain, 10, pln_onnx_function, domain, PLN_FIELD_NAME),
    CHILD(attribute_proto, 11, pln_onnx_function, attribute_protos, PLN_FIELD_LIST_MESSAGE, attribute_message),
    CHILD(value_info, 12, pln_onnx_function, value_infos, PLN_FIELD_LIST_MESSAGE, value_info_message),
    ROW(overload, 13, pln_onnx_function, overload, PLN_FIELD_NAME),
};
static const struct pln_onnx_message function_message = { TABLE(pln_onnx_function, "FunctionProto", function_fields) };

static const struct pln_onnx_field model_fields[] = {
    ROW(ir_version, 1, pln_onnx_model, ir_version, PLN_FIELD_I64),
    ROW(producer_name, 2, pln_onnx_model, producer_name, PLN_FIELD_NAME),
    ROW(producer_version, 3, pln_onnx_model, producer_version, PLN_FIELD_NAME),
    ROW(domain, 4, pln_onnx_model, domain, PLN_FIELD_NAME),
    ROW(model_version, 5, pln_onnx_model, model_version, PLN_FIELD_I64),
    ROW(doc_string, 6, pln_onnx_model, doc, PLN_FIELD_BYTES),
    CHILD(graph, 7, pln_onnx_model, graph, PLN_FIELD_MESSAGE, graph_message),
    CHILD(opset_import, 8, pln_onnx_model, opset_imports, PLN_FIELD_LIST_MESSAGE, opset_message),
    CHILD(metadata_props, 14, pln_onnx_model, metadata, PLN_FIELD_LIST_MESSAGE, entry_message),
    { .name = "training_info", .number = 20, .kind = PLN_FIELD_MARK, .present = PLN_ONNX_IGNORED_TRAINING },
    CHILD(functions, 25, pln_onnx_model, functions, PLN_FIELD_LIST_MESSAGE, function_message),
    { .name = "configuration", .number = 26, .kind = PLN_FIELD_MARK, .present = PLN_ONNX_IGNORED_DEVICES },
};
const struct pln_onnx_message pln_onnx_model_message = {
    TABLE(pln_onnx_model, "ModelProto", model_fields),
    .present_offset = AT(pln_onnx_model, ignored),
};

/* ---- values of test data (onnx-data.proto) ---- */

static const struct pln_onnx_field sequence_fields[] = {
    ROW(name, 1, pln_onnx_sequence, name, PLN_FIELD_NAME),
    ROW(elem_type, 2, pln_onnx_sequence, elem_type, PLN_FIELD_I32),
    CHILD(tensor_values, 3, pln_onnx_sequence, tensors, PLN_FIELD_LIST_MESSAGE, pln_onnx_tensor_message),
    CHILD(sparse_tensor_values, 4, pln_onnx_sequence, sparse_tensors, PLN_FIELD_LIST_MESSAGE,
          pln_onnx_sparse_tensor_message),
    CHILD(sequence_values, 5, pln_onnx_sequence, sequences, PLN_FIELD_LIST_MESSAGE, pln_onnx_sequence_message),
    CHILD(map_values, 6, pln_onnx_sequence, maps, PLN_FIELD_LIST_MESSAGE, pln_onnx_map_message),
    CHILD(optional_values, 7, pln_onnx_sequence, optionals, PLN_FIELD_LIST_MESSAGE, pln_onnx_optional_message),
};
const struct pln_onnx_message pln_onnx_sequence_message = { TABLE(pln_onnx_sequence, "SequenceProto",
                                                                  sequence_fields) };

static const struct pln_onnx_field map_fields[] = {
    ROW(name, 1, pln_onnx_map, name, PLN_FIELD_NAME),
    ROW(key_type, 2, pln_onnx_map, key_type, PLN_FIELD_I32),
    ROW(keys, 3, pln_onnx_map, keys, PLN_FIELD_LIST_I64),
    ROW(string_keys, 4, pln_onnx_map, string_keys, PLN_FIELD_LIST_BYTES),
    CHILD(values, 5, pln_onnx_map, values, PLN_FIELD_MESSAGE, pln_onnx_sequence_message),
};
const struct pln_onnx_message pln_onnx_map_message = { TABLE(pln_onnx_map, "MapProto", map_fields) };

static const struct pln_onnx_field optional_fields[] = {
    ROW(name, 1, pln_onnx_optional, name, PLN_FIELD_NAME),
    ROW(elem_type, 2, pln_onnx_optional, elem_type, PLN_FIELD_I32),
    CHILD(tensor_value, 3, pln_onnx_optional, tensor, PLN_FIELD_MESSAGE, pln_onnx_tensor_message),
    CHILD(sparse_tensor_value, 4, pln_onnx_optional, sparse_tensor, PLN_FIELD_MESSAGE, pln_onnx_sparse_tensor_message),
    CHILD(sequence_value, 5, pln_onnx_optional, sequence, PLN_FIELD_MESSAGE, pln_onnx_sequence_message),
    CHILD(map_value, 6, pln_onnx_optional, map, PLN_FIELD_MESSAGE, pln_onnx_map_message),
    CHILD(optional_value, 7, pln_onnx_optional, optional, PLN_FIELD_MESSAGE, pln_onnx_optional_message),
};
const struct pln_onnx_message pln_onnx_optional_message = { TABLE(pln_onnx_optional, "OptionalProto",
                                                                  optional_fields) };
