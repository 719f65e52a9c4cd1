#include "onnx/model.h"

#include <stdio.h>

#define MAX_NOTES 100

const struct pln_onnx_attribute *pln_onnx_find_attribute(const struct pln_onnx_node *node, const char *name)
{
    for (uint32_t i = 0; i < node->attributes.count; i++) {
        if (strcmp(node->attributes.items[i].name, name) == 0) return &node->attributes.items[i];
    }
    return NULL;
}

bool pln_onnx_domain_equal(const char *a, const char *b)
{
    if (strcmp(a, "ai.onnx") == 0) a = "";
    if (strcmp(b, "ai.onnx") == 0) b = "";
    return strcmp(a, b) == 0;
}

int64_t pln_onnx_opset_version(const struct pln_onnx_opset *imports, size_t count, const char *domain)
{
    for (size_t i = 0; i < count; i++) {
        if (pln_onnx_domain_equal(imports[i].domain, domain)) return imports[i].version;
    }
    return -1;
}

/* TensorProto.DataType, in the order of its numbers. */
static const char *const data_type_names[] = {
    "UNDEFINED",  "FLOAT",        "UINT8",          "INT8",       "UINT16",         "INT16",  "INT32",     "INT64",
    "STRING",     "BOOL",         "FLOAT16",        "DOUBLE",     "UINT32",         "UINT64", "COMPLEX64", "COMPLEX128",
    "BFLOAT16",   "FLOAT8E4M3FN", "FLOAT8E4M3FNUZ", "FLOAT8E5M2", "FLOAT8E5M2FNUZ", "UINT4",  "INT4",      "FLOAT4E2M1",
    "FLOAT8E8M0", "UINT2",        "INT2",           "FLOAT6E2M3", "FLOAT6E3M2",
};

const char *pln_onnx_data_type_name(int32_t data_type)
{
    if (data_type < 0 || (size_t)data_type >= PLN_COUNT_OF(data_type_names)) return "unknown";
    return data_type_names[data_type];
}

/* AttributeProto.AttributeType, in the order of its numbers. */
static const char *const attribute_type_names[] = {
    "UNDEFINED", "FLOAT",   "INT",    "STRING",        "TENSOR",         "GRAPH",      "FLOATS",      "INTS",
    "STRINGS",   "TENSORS", "GRAPHS", "SPARSE_TENSOR", "SPARSE_TENSORS", "TYPE_PROTO", "TYPE_PROTOS",
};

const char *pln_onnx_attribute_type_name(int32_t type)
{
    if (type < 0 || (size_t)type >= PLN_COUNT_OF(attribute_type_names)) return "unknown";
    return attribute_type_names[type];
}

bool pln_onnx_add_note(struct pln_onnx_model *model, struct pln_arena *arena, const char *format, ...)
{
    char text[1024];
    va_list args;
    if (model->notes.count == MAX_NOTES) return true;
    va_start(args, format);
    int size = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (size < 0) return true;
    if (!model->notes.items) {
        model->notes.items = pln_arena_array(arena, MAX_NOTES, sizeof *model->notes.items);
        model->notes.capacity = MAX_NOTES;
    }
    const char *note = pln_arena_text(arena, text, strlen(text));
    if (!model->notes.items || !note) return false;
    model->notes.items[model->notes.count++] = note;
    return true;
}
