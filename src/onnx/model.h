/* An ONNX model as it stands in the file: plain structs, one a protobuf message, nothing interpreted yet.
 *
 * Source of messages, fields and numbers: onnx.proto of ONNX 1.23 (IR version 14); a field of ours has the meaning of
 * the field of the same name there. Not kept: doc_string below the graph, metadata_props of nodes, values and tensors,
 * training_info, quantization_annotation, and what concerns several devices.
 *
 * Ownership: everything lives in the arena that the decoder was given. `const char *` is a terminated copy, checked to
 * be UTF-8 without zero bytes, and never NULL ("" when the field is absent). `struct pln_string` is a view of the
 * file's bytes, unchecked, and lives as long as the mapping. Lists are exact: items[0..count), items NULL when count is
 * 0.
 *
 * Everything here is hostile until somebody has checked it: sizes, numbers and names are what the file says. The
 * decoder guarantees only that pointers are valid and nesting is at most PLN_ONNX_MAX_DEPTH messages. */
#ifndef PLN_ONNX_MODEL_H
#define PLN_ONNX_MODEL_H

#include "base/arena.h"
#include "base/base.h"

/* Bodies in bodies: as deep as the graph, its text form and the runtime go. */
#define PLN_ONNX_MAX_BODIES 64
/* Nesting of protobuf messages. A body in a body is three of them: node, attribute, graph; the rest is for the graph around them all and for
 * the types of values in the innermost. */
#define PLN_ONNX_MAX_DEPTH (3 * PLN_ONNX_MAX_BODIES + 32)
/* Nodes of a model, subgraphs and functions together. */
#define PLN_ONNX_MAX_NODES 10000000
/* The newest IR version that this reader was written for, that of the pinned onnx package; a newer one is read all the same, with a note. */
#define PLN_ONNX_IR_VERSION 14

/* A repeated field. */
#define PLN_ONNX_LIST(type)       \
    struct {                      \
        type *items;              \
        uint32_t count, capacity; \
    }

struct pln_onnx_graph;
struct pln_onnx_type;

/* StringStringEntryProto */
struct pln_onnx_entry {
    struct pln_string key, value;
};

/* OperatorSetIdProto. "" and "ai.onnx" are the same domain; compare with pln_onnx_domain_equal. */
struct pln_onnx_opset {
    const char *domain;
    int64_t version;
};

/* TensorProto. Its elements are read by tensor_data.h; typed data fields stay encoded until then. */
struct pln_onnx_tensor {
    const char *name;
    PLN_ONNX_LIST(int64_t) dims;
    int32_t data_type; /* TensorProto.DataType, the same numbers as enum pln_dtype where that has the type; any number
                          may stand here */
    int32_t data_location; /* 0 in the message, 1 external */
    uint32_t present;      /* PLN_ONNX_HAS_… */
    struct pln_string raw_data;
    PLN_ONNX_LIST(struct pln_onnx_entry) external_data; /* location, offset, length, checksum */
    PLN_ONNX_LIST(struct pln_string) spans; /* the encoded message, in parts if the file gives it in parts */
};

enum pln_onnx_tensor_has {
    PLN_ONNX_HAS_RAW_DATA = 1,
    PLN_ONNX_HAS_FLOAT_DATA = 2,
    PLN_ONNX_HAS_INT32_DATA = 4,
    PLN_ONNX_HAS_STRING_DATA = 8,
    PLN_ONNX_HAS_INT64_DATA = 16,
    PLN_ONNX_HAS_DOUBLE_DATA = 32,
    PLN_ONNX_HAS_UINT64_DATA = 64,
    PLN_ONNX_HAS_SEGMENT = 128,
};

/* SparseTensorProto. As an initializer its name is that of values. */
struct pln_onnx_sparse_tensor {
    struct pln_onnx_tensor *values;  /* [nnz]; NULL: absent */
    struct pln_onnx_tensor *indices; /* i64[nnz,rank] or i64[nnz] (linear); NULL: absent */
    PLN_ONNX_LIST(int64_t) dims;     /* of the dense tensor */
};

/* TensorShapeProto.Dimension */
enum pln_onnx_dim_kind { PLN_ONNX_DIM_UNKNOWN = 0, PLN_ONNX_DIM_VALUE = 1, PLN_ONNX_DIM_PARAM = 2 };
struct pln_onnx_dim {
    const char *denotation;
    enum pln_onnx_dim_kind kind; /* from here on cleared when the kind changes while decoding */
    int64_t value;               /* may be negative in the file; such a dim is unknown in practice */
    const char *param;           /* may be "" */
};

struct pln_onnx_shape {
    PLN_ONNX_LIST(struct pln_onnx_dim) dims;
};

/* TypeProto; the numbers are its field numbers. */
enum pln_onnx_type_kind {
    PLN_ONNX_TYPE_NONE = 0,
    PLN_ONNX_TYPE_TENSOR = 1,
    PLN_ONNX_TYPE_SEQUENCE = 4,
    PLN_ONNX_TYPE_MAP = 5,
    PLN_ONNX_TYPE_OPAQUE = 7,
    PLN_ONNX_TYPE_SPARSE_TENSOR = 8,
    PLN_ONNX_TYPE_OPTIONAL = 9,
};
struct pln_onnx_type {
    const char *denotation;
    enum pln_onnx_type_kind kind; /* from here on cleared when the kind changes while decoding */
    int32_t elem_type;            /* tensor, sparse tensor: TensorProto.DataType, 0: absent */
    int32_t key_type;             /* map */
    struct pln_onnx_shape *shape; /* tensor, sparse tensor; NULL: even the rank is unknown */
    struct pln_onnx_type *inner;  /* sequence and optional: of the element; map: of the value; NULL: absent */
    const char *domain, *name;    /* opaque */
};

/* ValueInfoProto */
struct pln_onnx_value_info {
    const char *name;
    struct pln_onnx_type *type; /* NULL: absent */
};

/* AttributeProto. type is AttributeProto.AttributeType; where the file gives none (IR version 1) it is deduced from the
 * field that is there. Numbers that this list lacks may occur. */
enum pln_onnx_attribute_type {
    PLN_ONNX_ATTR_UNDEFINED = 0,
    PLN_ONNX_ATTR_FLOAT = 1,
    PLN_ONNX_ATTR_INT = 2,
    PLN_ONNX_ATTR_STRING = 3,
    PLN_ONNX_ATTR_TENSOR = 4,
    PLN_ONNX_ATTR_GRAPH = 5,
    PLN_ONNX_ATTR_FLOATS = 6,
    PLN_ONNX_ATTR_INTS = 7,
    PLN_ONNX_ATTR_STRINGS = 8,
    PLN_ONNX_ATTR_TENSORS = 9,
    PLN_ONNX_ATTR_GRAPHS = 10,
    PLN_ONNX_ATTR_SPARSE_TENSOR = 11,
    PLN_ONNX_ATTR_SPARSE_TENSORS = 12,
    PLN_ONNX_ATTR_TYPE_PROTO = 13,
    PLN_ONNX_ATTR_TYPE_PROTOS = 14,
};
struct pln_onnx_attribute {
    const char *name;
    const char *ref_attr_name; /* in function bodies: the function's attribute that gives the value; "": none */
    int32_t type;              /* enum pln_onnx_attribute_type, or a number of the file */
    uint32_t present;          /* bit t is set when the field of attribute type t was there */
    float f;
    int64_t i;
    struct pln_string s;
    struct pln_onnx_tensor *t; /* NULL: absent, so g, sparse_tensor and tp */
    struct pln_onnx_graph *g;
    struct pln_onnx_sparse_tensor *sparse_tensor;
    struct pln_onnx_type *tp;
    PLN_ONNX_LIST(float) floats;
    PLN_ONNX_LIST(int64_t) ints;
    PLN_ONNX_LIST(struct pln_string) strings;
    PLN_ONNX_LIST(struct pln_onnx_tensor) tensors;
    PLN_ONNX_LIST(struct pln_onnx_graph) graphs;
    PLN_ONNX_LIST(struct pln_onnx_sparse_tensor) sparse_tensors;
    PLN_ONNX_LIST(struct pln_onnx_type) type_protos;
};

/* NodeProto. An input or output named "" is an optional one that is absent. */
struct pln_onnx_node {
    const char *op_type, *domain, *name, *overload;
    uint32_t index; /* place in its graph or function as the file has it; kept when check.h reorders */
    PLN_ONNX_LIST(const char *) inputs;
    PLN_ONNX_LIST(const char *) outputs;
    PLN_ONNX_LIST(struct pln_onnx_attribute) attributes;
};

/* GraphProto */
struct pln_onnx_graph {
    const char *name;
    struct pln_string doc;
    PLN_ONNX_LIST(struct pln_onnx_node) nodes;
    PLN_ONNX_LIST(struct pln_onnx_tensor) initializers;
    PLN_ONNX_LIST(struct pln_onnx_sparse_tensor) sparse_initializers;
    PLN_ONNX_LIST(struct pln_onnx_value_info) inputs;
    PLN_ONNX_LIST(struct pln_onnx_value_info) outputs;
    PLN_ONNX_LIST(struct pln_onnx_value_info) value_infos;
    PLN_ONNX_LIST(struct pln_onnx_entry) metadata;
};

/* FunctionProto. (domain, name, overload) names it. */
struct pln_onnx_function {
    const char *name, *domain, *overload;
    PLN_ONNX_LIST(const char *) inputs;
    PLN_ONNX_LIST(const char *) outputs;
    PLN_ONNX_LIST(const char *) attributes;                    /* without a default */
    PLN_ONNX_LIST(struct pln_onnx_attribute) attribute_protos; /* with the default as value */
    PLN_ONNX_LIST(struct pln_onnx_node) nodes;
    PLN_ONNX_LIST(struct pln_onnx_opset) opset_imports;
    PLN_ONNX_LIST(struct pln_onnx_value_info) value_infos;
};

/* ModelProto */
struct pln_onnx_model {
    int64_t ir_version; /* 0: absent */
    int64_t model_version;
    const char *producer_name, *producer_version, *domain;
    struct pln_string doc;
    uint32_t ignored; /* PLN_ONNX_IGNORED_… */
    PLN_ONNX_LIST(struct pln_onnx_opset) opset_imports;
    PLN_ONNX_LIST(struct pln_onnx_entry) metadata;
    struct pln_onnx_graph *graph; /* NULL only right after decoding; open.h refuses such a file */
    PLN_ONNX_LIST(struct pln_onnx_function) functions;
    PLN_ONNX_LIST(const char *) notes; /* what a report should say of the file: "IR version 15 is newer than …" */
};

/* Parts of a model that are legal and that inference leaves aside. */
enum pln_onnx_ignored { PLN_ONNX_IGNORED_TRAINING = 1, PLN_ONNX_IGNORED_DEVICES = 2 };

/* ---- values that a model does not hold, but test data files do (onnx-data.proto) ---- */

/* SequenceProto, MapProto, OptionalProto. elem_type: 0 undefined, 1 tensor, 2 sparse tensor, 3 sequence, 4 map, 5
 * optional; the list or pointer of that kind holds the elements. */
struct pln_onnx_map;
struct pln_onnx_optional;
struct pln_onnx_sequence {
    const char *name;
    int32_t elem_type;
    PLN_ONNX_LIST(struct pln_onnx_tensor) tensors;
    PLN_ONNX_LIST(struct pln_onnx_sparse_tensor) sparse_tensors;
    PLN_ONNX_LIST(struct pln_onnx_sequence) sequences;
    PLN_ONNX_LIST(struct pln_onnx_map) maps;
    PLN_ONNX_LIST(struct pln_onnx_optional) optionals;
};
struct pln_onnx_map {
    const char *name;
    int32_t key_type; /* TensorProto.DataType */
    PLN_ONNX_LIST(int64_t) keys;
    PLN_ONNX_LIST(struct pln_string) string_keys;
    struct pln_onnx_sequence *values;
};
struct pln_onnx_optional {
    const char *name;
    int32_t elem_type;
    struct pln_onnx_tensor *tensor; /* NULL: absent, as all below */
    struct pln_onnx_sparse_tensor *sparse_tensor;
    struct pln_onnx_sequence *sequence;
    struct pln_onnx_map *map;
    struct pln_onnx_optional *optional;
};

/* ---- decoding: bytes to structs (decode.c) ----
 *
 * data must outlive the result. Errors: PLN_BAD_MODEL with the place ("graph.node[3].attribute[0]: …, at byte 1234")
 * and PLN_NO_MEMORY, also when the arena's limit is reached. Time is linear in size_bytes; memory of the arena is at
 * most about 130 bytes a byte of file. What the wire format allows is accepted as protobuf's own readers do: fields in
 * any order, unknown fields and fields of another wire type skipped, the last of a repeated scalar wins, parts of one
 * message are merged. */
enum pln_status pln_onnx_decode_model(const void *data, size_t size_bytes, struct pln_arena *arena,
                                      struct pln_diag *diag, struct pln_onnx_model *out_model);
enum pln_status pln_onnx_decode_tensor(const void *data, size_t size_bytes, struct pln_arena *arena,
                                       struct pln_diag *diag, struct pln_onnx_tensor *out_tensor);
enum pln_status pln_onnx_decode_sparse_tensor(const void *data, size_t size_bytes, struct pln_arena *arena,
                                              struct pln_diag *diag, struct pln_onnx_sparse_tensor *out_tensor);
enum pln_status pln_onnx_decode_sequence(const void *data, size_t size_bytes, struct pln_arena *arena,
                                         struct pln_diag *diag, struct pln_onnx_sequence *out_sequence);
enum pln_status pln_onnx_decode_map(const void *data, size_t size_bytes, struct pln_arena *arena,
                                    struct pln_diag *diag, struct pln_onnx_map *out_map);
enum pln_status pln_onnx_decode_optional(const void *data, size_t size_bytes, struct pln_arena *arena,
                                         struct pln_diag *diag, struct pln_onnx_optional *out_optional);
enum pln_status pln_onnx_decode_type(const void *data, size_t size_bytes, struct pln_arena *arena,
                                     struct pln_diag *diag, struct pln_onnx_type *out_type);

/* ---- small questions (model.c) ---- */

/* NULL: no such attribute. */
const struct pln_onnx_attribute *pln_onnx_find_attribute(const struct pln_onnx_node *node, const char *name);
/* "" equals "ai.onnx". */
bool pln_onnx_domain_equal(const char *a, const char *b);
/* Version that a list of imports (of a model or a function) gives a domain; -1: none. */
int64_t pln_onnx_opset_version(const struct pln_onnx_opset *imports, size_t count, const char *domain);
/* "FLOAT8E4M3FN" for 17, static; "unknown" for a number that ONNX does not have. */
const char *pln_onnx_data_type_name(int32_t data_type);
const char *pln_onnx_attribute_type_name(int32_t type);

/* Adds a line to model->notes; past a hundred they are dropped. false: no memory. */
PLN_MUST_USE bool pln_onnx_add_note(struct pln_onnx_model *model, struct pln_arena *arena, const char *format, ...)
    PLN_PRINTF(3, 4);

#endif
