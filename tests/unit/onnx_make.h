/* Small ONNX messages for tests, made field by field. Each make_… returns a message that make_add (or pln_text_deinit)
 * frees. Field numbers are those of onnx.proto. */
#ifndef TESTS_UNIT_ONNX_MAKE_H
#define TESTS_UNIT_ONNX_MAKE_H

#include "onnx/wire_write.h"

static inline struct pln_text make_message(void)
{
    struct pln_text text;
    pln_text_init(&text, NULL);
    return text;
}

static inline void make_add(struct pln_text *to, uint32_t number, struct pln_text inner)
{
    pln_wire_put_message(to, number, &inner);
    pln_text_deinit(&inner);
}

/* "a,b,,c": a name between any two commas, also an empty one; "" is no name at all. */
static inline void make_names(struct pln_text *to, uint32_t number, const char *names)
{
    while (names[0] != '\0') {
        size_t size = strcspn(names, ",");
        pln_wire_put_bytes(to, number, names, size);
        names += size;
        if (*names == ',' && *++names == '\0') pln_wire_put_bytes(to, number, "", 0);
    }
}

static inline struct pln_text make_node(const char *op, const char *name, const char *inputs, const char *outputs)
{
    struct pln_text node = make_message();
    make_names(&node, 1, inputs);
    make_names(&node, 2, outputs);
    pln_wire_put_string(&node, 3, name);
    pln_wire_put_string(&node, 4, op);
    return node;
}

static inline struct pln_text make_attribute(const char *name, int type)
{
    struct pln_text attribute = make_message();
    pln_wire_put_string(&attribute, 1, name);
    pln_wire_put_int(&attribute, 20, type);
    return attribute;
}

/* Rank 1 or scalar (size < 0), without data. */
static inline struct pln_text make_tensor(const char *name, int data_type, int64_t size)
{
    struct pln_text tensor = make_message();
    if (size >= 0) pln_wire_put_packed_ints(&tensor, 1, &size, 1);
    pln_wire_put_int(&tensor, 2, data_type);
    pln_wire_put_string(&tensor, 8, name);
    return tensor;
}

/* f32[size] with zeros as raw_data. */
static inline struct pln_text make_zeros(const char *name, int64_t size)
{
    static const char zeros[256];
    struct pln_text tensor = make_tensor(name, 1, size);
    pln_wire_put_bytes(&tensor, 9, zeros, (size_t)size * 4);
    return tensor;
}

/* f32[dim], or f32[param] where param is not NULL. */
static inline struct pln_text make_value(const char *name, int64_t dim, const char *param)
{
    struct pln_text value = make_message(), type = make_message(), tensor = make_message(), shape = make_message();
    struct pln_text one = make_message();
    if (param)
        pln_wire_put_string(&one, 2, param);
    else
        pln_wire_put_int(&one, 1, dim);
    make_add(&shape, 1, one);
    pln_wire_put_int(&tensor, 1, 1);
    make_add(&tensor, 2, shape);
    make_add(&type, 1, tensor);
    pln_wire_put_string(&value, 1, name);
    make_add(&value, 2, type);
    return value;
}

/* Takes the graph; more fields can be added to the result. */
static inline struct pln_text make_model(int64_t ir_version, struct pln_text graph)
{
    struct pln_text model = make_message(), opset = make_message();
    pln_wire_put_int(&model, 1, ir_version);
    pln_wire_put_int(&opset, 2, 17);
    make_add(&model, 8, opset);
    make_add(&model, 7, graph);
    return model;
}

#endif
