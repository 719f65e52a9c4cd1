/* Runs one reference kernel on arrays, for tests. */
#ifndef PLN_TESTS_REF_RUN_H
#define PLN_TESTS_REF_RUN_H

#include "kernel/call.h"
#include "kernel/rowprog.h"

struct ref_run {
    struct pln_diag diag;
    struct pln_heap heap;
    struct pln_arena arena;
    struct pln_attrs attrs;
    struct pln_item items[8];
    const struct pln_item *inputs[8];
    struct pln_item *outputs[4];
    int n_inputs;
};

static inline void ref_begin(struct ref_run *run)
{
    memset(run, 0, sizeof(*run));
    pln_diag_init(&run->diag);
    pln_heap_init(&run->heap, NULL, 0);
    pln_arena_init(&run->arena, NULL, 0);
    run->heap.diag = &run->diag;
}

static inline void ref_end(struct ref_run *run)
{
    pln_heap_deinit(&run->heap);
    pln_arena_deinit(&run->arena);
}

static inline void ref_input(struct ref_run *run, enum pln_dtype dtype, int rank, const int64_t *dims, void *data)
{
    struct pln_item *item = &run->items[run->n_inputs];
    *item = (struct pln_item){ .kind = PLN_TENSOR, .refs = 1 };
    pln_tensor_init(&item->tensor, dtype, rank, dims, data);
    run->inputs[run->n_inputs++] = item;
}

static inline void ref_vector(struct ref_run *run, enum pln_dtype dtype, int64_t n, void *data)
{
    ref_input(run, dtype, 1, &n, data);
}

static inline void ref_skip(struct ref_run *run)
{
    run->inputs[run->n_inputs++] = NULL;
}

static inline enum pln_status ref_call(struct ref_run *run, unsigned op, unsigned kind, int n_outputs)
{
    bool wanted[4] = { true, true, true, true };
    struct pln_call call = { .op = (uint16_t)op, .kind = (uint16_t)kind, .attrs = &run->attrs, .n_inputs = run->n_inputs, .n_outputs = n_outputs,
                             .inputs = run->inputs, .outputs = run->outputs, .wanted = wanted, .heap = &run->heap, .scratch = &run->arena,
                             .diag = &run->diag };
    return pln_ref_kernels[op](&call);
}

#endif
