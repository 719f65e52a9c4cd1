/* Does with a file all that can be done with one: opens it, loads every tensor, checks it. For hostile bytes; whether
 * they are accepted does not matter, only that nothing crashes, leaks or takes long. */
#ifndef TESTS_UNIT_ONNX_EXERCISE_H
#define TESTS_UNIT_ONNX_EXERCISE_H

#include "onnx/check.h"
#include "onnx/open.h"
#include "onnx/tensor_data.h"

struct exercise {
    struct pln_onnx_file *file;
    struct pln_arena arena; /* of one tensor at a time */
    struct pln_diag *diag;
    uint8_t sum; /* over all bytes of all tensors, so that they are really read */
};

static inline void exercise_loaded(struct exercise *e, enum pln_status status, const struct pln_tensor *tensor)
{
    const uint8_t *bytes = tensor->data;
    size_t size_bytes = status == PLN_OK ? pln_tensor_bytes(tensor) : 0;
    for (size_t i = 0; i < size_bytes; i++) e->sum ^= bytes[i];
    for (int64_t i = 0; size_bytes != 0 && tensor->dtype == PLN_STR && i < pln_tensor_count(tensor); i++) {
        const struct pln_string *string = (const struct pln_string *)tensor->data + i;
        for (size_t b = 0; b < string->size_bytes; b++) e->sum ^= (uint8_t)string->data[b];
    }
    pln_arena_reset(&e->arena);
}

static inline void exercise_tensor(struct exercise *e, const struct pln_onnx_tensor *tensor)
{
    struct pln_tensor loaded;
    exercise_loaded(e, pln_onnx_tensor_load(tensor, &e->file->externals, &e->arena, e->diag, &loaded), &loaded);
}

static inline void exercise_sparse(struct exercise *e, const struct pln_onnx_sparse_tensor *tensor)
{
    struct pln_tensor loaded;
    exercise_loaded(e, pln_onnx_sparse_tensor_load(tensor, &e->file->externals, &e->arena, e->diag, &loaded), &loaded);
}

static inline void exercise_graph(struct exercise *e, const struct pln_onnx_graph *graph);

static inline void exercise_node(struct exercise *e, const struct pln_onnx_node *node)
{
    for (uint32_t i = 0; i < node->attributes.count; i++) {
        const struct pln_onnx_attribute *a = &node->attributes.items[i];
        if (a->t) exercise_tensor(e, a->t);
        if (a->sparse_tensor) exercise_sparse(e, a->sparse_tensor);
        if (a->g) exercise_graph(e, a->g);
        for (uint32_t k = 0; k < a->tensors.count; k++) exercise_tensor(e, &a->tensors.items[k]);
        for (uint32_t k = 0; k < a->sparse_tensors.count; k++) exercise_sparse(e, &a->sparse_tensors.items[k]);
        for (uint32_t k = 0; k < a->graphs.count; k++) exercise_graph(e, &a->graphs.items[k]);
    }
}

static inline void exercise_graph(struct exercise *e, const struct pln_onnx_graph *graph)
{
    for (uint32_t i = 0; i < graph->initializers.count; i++) exercise_tensor(e, &graph->initializers.items[i]);
    for (uint32_t i = 0; i < graph->sparse_initializers.count; i++)
        exercise_sparse(e, &graph->sparse_initializers.items[i]);
    for (uint32_t i = 0; i < graph->nodes.count; i++) exercise_node(e, &graph->nodes.items[i]);
}

static inline enum pln_status exercise_model(const uint8_t *data, size_t size_bytes)
{
    struct pln_diag diag;
    struct exercise e = { .diag = &diag };
    pln_diag_init(&diag);
    enum pln_status status = pln_onnx_open_memory(data, size_bytes, NULL, NULL, &diag, &e.file);
    if (status != PLN_OK) return status;
    /* Small, so that forged shapes of sparse tensors do not make every run clear a gigabyte. */
    pln_arena_init(&e.arena, NULL, (size_t)16 << 20);
    exercise_graph(&e, e.file->model.graph);
    for (uint32_t i = 0; i < e.file->model.functions.count; i++) {
        const struct pln_onnx_function *function = &e.file->model.functions.items[i];
        for (uint32_t n = 0; n < function->nodes.count; n++) exercise_node(&e, &function->nodes.items[n]);
    }
    status = pln_onnx_check_model(&e.file->model, &e.file->arena, &diag);
    pln_arena_deinit(&e.arena);
    pln_onnx_close(e.file);
    return status;
}

#endif
