#include "runtime/value.h"

#include <stdio.h>

#include "base/file.h"
#include "runtime/engine.h"
#include "tensor/compare.h"
#include "tensor/npy.h"

void pln_host_value_destroy(pln_host_value *value)
{
    pln_host_value_free(value);
}

enum pln_status pln_host_value_read_npy(const char *path, pln_diagnostics *diagnostics, pln_host_value **out_value)
{
    *out_value = NULL;
    struct pln_file_map map;
    PLN_TRY(pln_file_map(path, diagnostics, &map));
    struct pln_arena arena;
    struct pln_tensor tensor;
    pln_arena_init(&arena, NULL, 0);
    enum pln_status status = pln_npy_read(map.data, map.size_bytes, &arena, diagnostics, &tensor);
    if (status == PLN_OK) {
        struct pln_buffer buffer = { .dtype = tensor.dtype, .rank = tensor.rank, .strides = tensor.strides, .data = tensor.data };
        memcpy(buffer.dims, tensor.dims, sizeof buffer.dims);
        status = pln_host_value_from_buffer(&buffer, out_value);
    }
    pln_arena_deinit(&arena);
    pln_file_unmap(&map);
    return status;
}

enum pln_status pln_host_value_write_npy(const pln_host_value *value, const char *path, pln_diagnostics *diagnostics)
{
    if (value->item->kind != PLN_TENSOR) return pln_fail(diagnostics, PLN_INVALID_ARGUMENT, "%s: only tensors can be written as .npy", path);
    return pln_npy_write(path, &value->item->tensor, NULL, diagnostics);
}

enum pln_value_kind pln_host_value_kind(const pln_host_value *value)
{
    return (enum pln_value_kind)value->item->kind;
}

const char *pln_host_value_describe(const pln_host_value *value, char *buffer, size_t buffer_bytes)
{
    static const char *const kinds[] = { "tensor", "sequence", "optional", "map" };
    const struct pln_item *item = value->item;
    if (item->kind == PLN_TENSOR) return pln_tensor_describe(&item->tensor, buffer, buffer_bytes);
    snprintf(buffer, buffer_bytes, "%s of %lld", kinds[item->kind], (long long)item->count);
    return buffer;
}

/* What is in an optional may stand for it, so a tensor is bound as a value there. */
static bool is_optional(const struct pln_program *program, const char *name)
{
    for (uint32_t i = 0; i < program->n_inputs; i++)
        if (pln_str_equal(program->inputs[i].name, name)) return program->slots[program->inputs[i].slot].kind == PLN_OPTIONAL;
    return false;
}

enum pln_status pln_context_bind_value(pln_context *context, const char *name, const pln_host_value *value)
{
    if (!context || !value) return PLN_INVALID_ARGUMENT;
    if (value->item->kind == PLN_TENSOR && !is_optional(context->engine->program, name)) {
        struct pln_buffer buffer;
        PLN_TRY(pln_host_value_buffer(value, &buffer));
        return pln_context_bind_input(context, name, &buffer);
    }
    const struct pln_program *program = context->engine->program;
    pln_diag_init(&context->diag);
    for (uint32_t i = 0; i < program->n_inputs; i++) {
        if (!pln_str_equal(program->inputs[i].name, name)) continue;
        if (program->slots[program->inputs[i].slot].kind != value->item->kind && program->slots[program->inputs[i].slot].kind != PLN_OPTIONAL)
            return pln_fail(&context->diag, PLN_INVALID_ARGUMENT, "input '%s' is of another kind (tensor, sequence, …) than the value", name);
        context->states_taken = context->states_taken && !context->inputs[i].is_state;
        context->inputs[i].bound = true;
        context->inputs[i].item = value->item;
        return PLN_OK;
    }
    return pln_fail(&context->diag, PLN_NOT_FOUND, "the model has no input '%s'", name ? name : "");
}

enum pln_status pln_context_output_value(pln_context *context, const char *name, pln_host_value **out_value)
{
    *out_value = NULL;
    if (!context) return PLN_INVALID_ARGUMENT;
    const struct pln_program *program = context->engine->program;
    pln_diag_init(&context->diag);
    PLN_TRY(pln_enqueue_settle(context));
    for (uint32_t i = 0; i < program->n_outputs; i++) {
        if (!pln_str_equal(program->outputs[i].name, name)) continue;
        const struct pln_item *item = context->slots[program->outputs[i].slot].item;
        if (!item) return pln_fail(&context->diag, PLN_INVALID_ARGUMENT, "output '%s' is not known before a run", name);
        struct pln_item fetched = *item;
        if (item->kind == PLN_TENSOR) PLN_TRY(pln_transfer_fetch(context, i, &fetched.tensor));
        item = &fetched;
        PLN_TRY(pln_host_value_new(out_value));
        enum pln_status status = pln_host_value_clone(&(*out_value)->heap, item, &(*out_value)->item);
        if (status == PLN_OK) return PLN_OK;
        pln_host_value_destroy(*out_value);
        *out_value = NULL;
        return status;
    }
    return pln_fail(&context->diag, PLN_NOT_FOUND, "the model has no output '%s'", name);
}

/* ---- comparing ---- */

/* Where a map has the key that another one has at index i; the same place is likely. -1: nowhere. */
static int64_t find_key(const struct pln_item *map, const struct pln_item *other, int64_t i)
{
    if (map->tensor.dtype != other->tensor.dtype) return -1;
    for (int64_t n = 0; n < map->count; n++) {
        const int64_t at = (i + n) % map->count;
        if (map->tensor.dtype == PLN_STR) {
            const struct pln_string *a = (const struct pln_string *)map->tensor.data + at, *b = (const struct pln_string *)other->tensor.data + i;
            if (a->size_bytes == b->size_bytes && memcmp(a->data, b->data, a->size_bytes) == 0) return at;
        } else if (((const int64_t *)map->tensor.data)[at] == ((const int64_t *)other->tensor.data)[i]) {
            return at;
        }
    }
    return -1;
}

static int compare_items(const struct pln_item *got, const struct pln_item *want, const struct pln_tolerance *tolerance, char *why, size_t why_bytes, double *max_rel)
{
    if (got->kind == PLN_TENSOR && want->kind == PLN_TENSOR) {
        struct pln_difference difference;
        pln_compare(&got->tensor, &want->tensor, tolerance, &difference);
        if (max_rel && difference.max_rel > *max_rel) *max_rel = difference.max_rel;
        if (!difference.equal) snprintf(why, why_bytes, "%s", difference.text);
        return difference.equal;
    }
    if (got->kind != want->kind || got->count != want->count) {
        snprintf(why, why_bytes, "kind %d of %lld items instead of kind %d of %lld", (int)got->kind, (long long)got->count, (int)want->kind, (long long)want->count);
        return 0;
    }
    for (int64_t i = 0; i < want->count; i++) {
        const int64_t at = want->kind == PLN_MAP ? find_key(got, want, i) : i;
        if (at < 0) snprintf(why, why_bytes, "a key is missing");
        else if (compare_items(got->items[at], want->items[i], tolerance, why, why_bytes, max_rel)) continue;
        size_t used = strlen(why);
        if (used < why_bytes) snprintf(why + used, why_bytes - used, " (item %lld)", (long long)i);
        return 0;
    }
    return 1;
}

int pln_host_value_compare(const pln_host_value *got, const pln_host_value *want, const struct pln_comparison *how, char *why, size_t why_bytes, double *max_rel)
{
    const struct pln_tolerance tolerance = { how->rtol, how->atol, how->max_rel_err };
    if (why_bytes) why[0] = '\0';
    if (max_rel) *max_rel = 0;
    return compare_items(got->item, want->item, &tolerance, why, why_bytes, max_rel);
}
