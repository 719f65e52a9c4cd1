/* If and Loop. Values that enter and leave bodies are items on the heap. */
#include "runtime/engine.h"
#include "tensor/convert.h"

/* Symbols that a body binds are unknown at every entry. */
static void unbind(struct pln_context *context, uint32_t block)
{
    const struct pln_program_block *own = &context->engine->program->blocks[block];
    for (uint32_t i = 0; i < own->n_symbols; i++) {
        if (context->symbols[own->symbols[i]] == PLN_DIM_UNKNOWN) continue;
        context->symbols[own->symbols[i]] = PLN_DIM_UNKNOWN;
        context->dims_stale = true;
    }
}

/* A value that outlives the body: items as they are, planned memory as a copy. */
static enum pln_status take_out(struct pln_context *context, uint32_t slot, struct pln_item **out_item)
{
    struct pln_item *item;
    *out_item = NULL;
    PLN_TRY(pln_exec_item(context, slot, &item));
    if (context->slots[slot].owned) {
        pln_item_retain(item);
        *out_item = item;
        return PLN_OK;
    }
    return pln_item_copy(&context->heap, item, out_item);
}

static enum pln_status need_scalar(struct pln_context *context, uint32_t slot, const char *what, int64_t *out_value)
{
    struct pln_item *item;
    *out_value = 0;
    PLN_TRY(pln_exec_item(context, slot, &item));
    if (item->kind != PLN_TENSOR || pln_tensor_count(&item->tensor) != 1 || (item->tensor.dtype != PLN_BOOL && !pln_dtype_is_integer(item->tensor.dtype)))
        return pln_fail(&context->diag, PLN_BAD_MODEL, "the %s must be one integer or bool", what);
    *out_value = pln_load_i64(item->tensor.dtype, item->tensor.data, 0);
    return PLN_OK;
}

enum pln_status pln_exec_if(struct pln_context *context, uint32_t step_id)
{
    const struct pln_step *step = &context->engine->program->steps[step_id];
    int64_t condition;
    PLN_TRY(need_scalar(context, step->inputs[0], "condition", &condition));
    uint32_t block = step->blocks[condition ? 0 : 1];
    const struct pln_program_block *own = &context->engine->program->blocks[block];
    unbind(context, block);
    PLN_TRY(pln_exec_block(context, block));
    for (uint32_t i = 0; i < step->n_outputs; i++) {
        if (step->outputs[i] == PLN_NONE) continue;
        struct pln_item *item;
        PLN_TRY(take_out(context, own->outputs[i], &item));
        enum pln_status status = pln_exec_set_item(context, step->outputs[i], item, "result of the branch");
        pln_item_release(&context->heap, item);
        PLN_TRY(status);
    }
    return PLN_OK;
}

/* ---- Loop ---- */

struct loop {
    struct pln_context *context;
    const struct pln_step *step;
    const struct pln_program_block *body;
    uint32_t body_id, n_carried, n_scans;
    struct pln_item **carried;
    struct scan {
        struct pln_item **items;
        size_t count, capacity;
    } *scans;
};

static enum pln_status loop_scalar(struct pln_context *context, uint32_t slot, enum pln_dtype dtype, int64_t value)
{
    struct pln_item *item;
    const struct pln_slot *own = &context->engine->program->slots[slot];
    const int64_t one = 1;
    PLN_TRY(pln_item_new_tensor(&context->heap, dtype, own->rank == 1 ? 1 : 0, &one, &item));
    pln_store_i64(dtype, item->tensor.data, 0, value);
    enum pln_status status = pln_exec_set_item(context, slot, item, "loop variable");
    pln_item_release(&context->heap, item);
    return status;
}

static enum pln_status keep_scan(struct loop *loop, struct scan *scan, struct pln_item *item)
{
    struct pln_context *context = loop->context;
    if (item->kind != PLN_TENSOR) return pln_fail(&context->diag, PLN_BAD_MODEL, "a scan output must be a tensor");
    /* At once, not when they are stacked: what grows with every iteration would fill the memory first. */
    if (scan->count && (!pln_tensor_same_shape(&item->tensor, &scan->items[0]->tensor) || item->tensor.dtype != scan->items[0]->tensor.dtype))
        return pln_fail(&context->diag, PLN_BAD_MODEL, "scan output %d changes its shape from one iteration to the next", (int)(scan - loop->scans));
    if (scan->count == scan->capacity) {
        size_t want = scan->capacity ? scan->capacity * 2 : 16;
        struct pln_item **grown = pln_alloc(&context->alloc, want * sizeof *grown, _Alignof(struct pln_item *));
        if (!grown) return pln_fail_memory(&context->diag, "scan output", want * sizeof *grown);
        if (scan->count) memcpy(grown, scan->items, scan->count * sizeof *grown);
        pln_free(&context->alloc, scan->items, scan->capacity * sizeof *grown);
        scan->items = grown;
        scan->capacity = want;
    }
    pln_item_retain(item);
    scan->items[scan->count++] = item;
    return PLN_OK;
}

static enum pln_status enter(struct loop *loop, int64_t iteration)
{
    struct pln_context *context = loop->context;
    unbind(context, loop->body_id);
    PLN_TRY(loop_scalar(context, loop->body->inputs[0], PLN_I64, iteration));
    PLN_TRY(loop_scalar(context, loop->body->inputs[1], PLN_BOOL, 1));
    for (uint32_t i = 0; i < loop->n_carried; i++) PLN_TRY(pln_exec_set_item(context, loop->body->inputs[2 + i], loop->carried[i], "loop variable"));
    return PLN_OK;
}

static enum pln_status leave(struct loop *loop, int64_t *out_condition)
{
    struct pln_context *context = loop->context;
    *out_condition = 1;
    PLN_TRY(need_scalar(context, loop->body->outputs[0], "loop condition", out_condition));
    for (uint32_t i = 0; i < loop->n_carried + loop->n_scans; i++) {
        struct pln_item *item;
        PLN_TRY(take_out(context, loop->body->outputs[1 + i], &item));
        if (i < loop->n_carried) {
            pln_item_release(&context->heap, loop->carried[i]);
            loop->carried[i] = item;
            continue;
        }
        enum pln_status status = keep_scan(loop, &loop->scans[i - loop->n_carried], item);
        pln_item_release(&context->heap, item);
        PLN_TRY(status);
    }
    return PLN_OK;
}

/* Extents of a scan output that no iteration has told: what the body declares, else what is declared of the loop's result; 0 where neither is known. */
static void empty_scan_dims(const struct loop *loop, uint32_t body_slot, uint32_t result_slot, int *out_rank, int64_t *out_dims)
{
    const struct pln_program *program = loop->context->engine->program;
    const struct pln_slot *slot = &program->slots[body_slot], *result = &program->slots[result_slot];
    const bool by_result = slot->rank < 0 && result->rank > 0;
    *out_rank = by_result ? result->rank : slot->rank < 0 ? 1 : slot->rank + 1;
    out_dims[0] = 0;
    for (int i = 1; i < *out_rank && i < PLN_MAX_RANK; i++) {
        int64_t value = loop->context->dims[by_result ? result->dims[i] : slot->dims[i - 1]];
        out_dims[i] = value < 0 ? 0 : value;
    }
}

static enum pln_status stack_scan(struct loop *loop, uint32_t index, struct pln_item **out_item)
{
    struct pln_context *context = loop->context;
    const struct scan *scan = &loop->scans[index];
    uint32_t body_slot = loop->body->outputs[1 + loop->n_carried + index];
    enum pln_dtype dtype = context->engine->program->slots[body_slot].dtype;
    int rank;
    int64_t dims[PLN_MAX_RANK + 1];
    *out_item = NULL;
    if (scan->count == 0) {
        pln_exec_refresh_dims(context);
        empty_scan_dims(loop, body_slot, loop->step->outputs[loop->n_carried + index], &rank, dims);
    } else {
        const struct pln_tensor *first = &scan->items[0]->tensor;
        dtype = first->dtype;
        rank = first->rank + 1;
        dims[0] = (int64_t)scan->count;
        memcpy(dims + 1, first->dims, (size_t)first->rank * sizeof *dims);
    }
    if (rank > PLN_MAX_RANK) return pln_fail(&context->diag, PLN_UNSUPPORTED, "a scan output has more than %d dims", PLN_MAX_RANK);
    if (dtype == PLN_DTYPE_NONE) dtype = PLN_F32;
    PLN_TRY(pln_item_new_tensor(&context->heap, dtype, rank, dims, out_item));
    for (size_t i = 0; i < scan->count; i++) {
        const struct pln_tensor *one = &scan->items[i]->tensor;
        size_t bytes = pln_tensor_bytes(one);
        if (dtype == PLN_STR) { /* the bytes belong to the piece; a deep copy keeps them */
            struct pln_string *to = (struct pln_string *)(*out_item)->tensor.data + (size_t)pln_tensor_count(one) * i;
            const struct pln_string *from = one->data;
            for (int64_t k = 0; k < pln_tensor_count(one); k++) {
                char *text = pln_item_own(&context->heap, *out_item, from[k].size_bytes + 1);
                if (!text) return pln_fail_memory(&context->diag, "string", from[k].size_bytes);
                if (from[k].size_bytes) memcpy(text, from[k].data, from[k].size_bytes);
                to[k] = (struct pln_string){ text, from[k].size_bytes };
            }
        } else if (bytes) {
            memcpy((uint8_t *)(*out_item)->tensor.data + bytes * i, one->data, bytes);
        }
    }
    return PLN_OK;
}

static enum pln_status iterate(struct loop *loop)
{
    struct pln_context *context = loop->context;
    const struct pln_step *step = loop->step;
    int64_t trips = INT64_MAX, condition = 1;
    if (step->inputs[0] != PLN_NONE) PLN_TRY(need_scalar(context, step->inputs[0], "trip count", &trips));
    if (step->inputs[1] != PLN_NONE) PLN_TRY(need_scalar(context, step->inputs[1], "loop condition", &condition));
    for (uint32_t i = 0; i < loop->n_carried; i++) PLN_TRY(take_out(context, step->inputs[2 + i], &loop->carried[i]));
    for (int64_t i = 0; i < trips && condition; i++) {
        if (atomic_load_explicit(&context->cancelled, memory_order_relaxed)) return pln_fail(&context->diag, PLN_CANCELLED, "the run was cancelled");
        PLN_TRY(enter(loop, i));
        PLN_TRY(pln_exec_block(context, loop->body_id));
        PLN_TRY(leave(loop, &condition));
    }
    for (uint32_t i = 0; i < step->n_outputs; i++) {
        if (step->outputs[i] == PLN_NONE) continue;
        if (i < loop->n_carried) {
            PLN_TRY(pln_exec_set_item(context, step->outputs[i], loop->carried[i], "loop result"));
            continue;
        }
        struct pln_item *stacked;
        enum pln_status status = stack_scan(loop, i - loop->n_carried, &stacked);
        if (status == PLN_OK) status = pln_exec_set_item(context, step->outputs[i], stacked, "loop result");
        pln_item_release(&context->heap, stacked);
        PLN_TRY(status);
    }
    return PLN_OK;
}

enum pln_status pln_exec_loop(struct pln_context *context, uint32_t step_id)
{
    const struct pln_program *program = context->engine->program;
    struct loop loop = { .context = context, .step = &program->steps[step_id] };
    loop.body_id = loop.step->blocks[0];
    loop.body = &program->blocks[loop.body_id];
    loop.n_carried = loop.body->n_inputs - 2;
    loop.n_scans = loop.body->n_outputs - 1 - loop.n_carried;
    size_t carried_bytes = (loop.n_carried + 1) * sizeof *loop.carried, scans_bytes = (loop.n_scans + 1) * sizeof *loop.scans;
    loop.carried = pln_alloc_zeroed(&context->alloc, carried_bytes, _Alignof(struct pln_item *));
    loop.scans = pln_alloc_zeroed(&context->alloc, scans_bytes, _Alignof(struct scan));
    enum pln_status status = loop.carried && loop.scans ? iterate(&loop) : pln_fail_memory(&context->diag, "loop", carried_bytes + scans_bytes);
    for (uint32_t i = 0; loop.carried && i < loop.n_carried; i++) pln_item_release(&context->heap, loop.carried[i]);
    for (uint32_t i = 0; loop.scans && i < loop.n_scans; i++) {
        for (size_t k = 0; k < loop.scans[i].count; k++) pln_item_release(&context->heap, loop.scans[i].items[k]);
        pln_free(&context->alloc, loop.scans[i].items, loop.scans[i].capacity * sizeof(struct pln_item *));
    }
    pln_free(&context->alloc, loop.carried, carried_bytes);
    pln_free(&context->alloc, loop.scans, scans_bytes);
    return status;
}
