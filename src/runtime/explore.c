/* Values and operands of an engine's steps, as explorers show them. */
#include "planish/experimental/explore.h"

#include "runtime/engine.h"

static const enum pln_value_place places[PLN_PLACE_COUNT] = {
    [PLN_PLACE_INPUT] = PLN_VALUE_INPUT, [PLN_PLACE_OUTPUT] = PLN_VALUE_OUTPUT, [PLN_PLACE_WEIGHT] = PLN_VALUE_WEIGHT, [PLN_PLACE_ARENA] = PLN_VALUE_ARENA,
    [PLN_PLACE_VIEW] = PLN_VALUE_VIEW,   [PLN_PLACE_SHAPE] = PLN_VALUE_SHAPE,   [PLN_PLACE_ITEM] = PLN_VALUE_HEAP,     [PLN_PLACE_BLOCK_INPUT] = PLN_VALUE_BLOCK_INPUT,
};

/* 0 where a dim is not known, or the product does not fit. */
static uint64_t dense_bytes(const struct pln_value_info *info)
{
    int64_t count = 1;
    if (info->kind != PLN_VALUE_TENSOR || info->rank < 0) return 0;
    for (int i = 0; i < info->rank; i++)
        if (info->dims[i] < 0 || !pln_mul_i64(count, info->dims[i], &count)) return 0;
    return count > INT64_MAX / 256 ? 0 : ((uint64_t)count * (uint64_t)pln_dtype_bits(info->dtype) + 7) / 8;
}

int pln_engine_value_count(const pln_engine *engine)
{
    return engine ? (int)engine->program->n_slots : 0;
}

enum pln_status pln_engine_value(const pln_engine *engine, int index, struct pln_value_info *out_info)
{
    memset(out_info, 0, sizeof *out_info);
    if (!engine) return PLN_INVALID_ARGUMENT;
    const struct pln_program *program = engine->program;
    if (index < 0 || (uint32_t)index >= program->n_slots) return PLN_NOT_FOUND;
    const struct pln_slot *slot = &program->slots[index];
    *out_info = (struct pln_value_info){ .name = slot->name, .kind = (enum pln_value_kind)slot->kind, .dtype = slot->dtype, .place = places[slot->place], .index = (int)slot->index,
                                         .rank = slot->rank, .pack = "", .device = slot->space ? program->devices[slot->space - 1] : "host", .block = (int)slot->block,
                                         .segment = slot->segment == PLN_NONE ? -1 : (int)slot->segment, .first = (int)slot->first, .last = slot->last == PLN_NONE ? -1 : (int)slot->last,
                                         .offset = -1 };
    pln_engine_describe_dims(program, slot, out_info->dims, out_info->dim_names);
    out_info->size_bytes = dense_bytes(out_info);
    if (slot->place == PLN_PLACE_WEIGHT) {
        out_info->size_bytes = program->weights[slot->index].size_bytes;
        if (program->weights[slot->index].pack) out_info->pack = program->weights[slot->index].pack;
    }
    return PLN_OK;
}

enum pln_status pln_engine_step_operands(const pln_engine *engine, int index, struct pln_step_operands *out_operands)
{
    memset(out_operands, 0, sizeof *out_operands);
    if (!engine) return PLN_INVALID_ARGUMENT;
    const struct pln_program *program = engine->program;
    if (index < 0 || (uint32_t)index >= program->n_steps) return PLN_NOT_FOUND;
    const struct pln_step *step = &program->steps[index];
    *out_operands = (struct pln_step_operands){ .inputs = step->inputs, .outputs = step->outputs, .n_inputs = (int)step->n_inputs, .n_outputs = (int)step->n_outputs,
                                                .blocks = step->blocks, .n_blocks = (int)step->n_blocks };
    for (uint32_t b = 0; b < program->n_blocks; b++) {
        const struct pln_program_block *block = &program->blocks[b];
        uint32_t at = 0;
        while (at < block->n_steps && block->steps[at] != (uint32_t)index) at++;
        if (at == block->n_steps) continue;
        out_operands->block = (int)b;
        out_operands->position = (int)at;
        for (uint32_t s = 0; s < block->n_segments; s++)
            if (at >= block->segments[s].first) out_operands->segment = (int)s;
    }
    return PLN_OK;
}

static int64_t arena_offset(const pln_context *context, uint32_t id)
{
    const struct pln_slot *slot = &context->engine->program->slots[id];
    const struct pln_segment_state *state = &context->blocks[slot->block].segments[slot->segment];
    if (!state->planned) return -1;
    for (uint32_t i = 0; i < state->n_arena; i++)
        if (state->arena_slots[i] == id) return (int64_t)state->offsets[i];
    return -1;
}

enum pln_status pln_context_value(pln_context *context, int index, struct pln_value_info *out_info)
{
    memset(out_info, 0, sizeof *out_info);
    if (!context) return PLN_INVALID_ARGUMENT;
    PLN_TRY(pln_engine_value(context->engine, index, out_info));
    const struct pln_slot *slot = &context->engine->program->slots[index];
    const struct pln_slot_state *own = &context->slots[index];
    pln_exec_refresh_dims(context);
    for (int i = 0; i < slot->rank; i++) {
        const int64_t dim = context->dims[slot->dims[i]];
        out_info->dims[i] = dim == PLN_DIM_UNKNOWN ? -1 : dim;
    }
    /* Of values of the heap the extents are known as long as they live. */
    if (slot->rank < 0 && slot->place == PLN_PLACE_ITEM && own->item && own->item->kind == PLN_TENSOR) {
        out_info->rank = own->item->tensor.rank;
        for (int i = 0; i < out_info->rank; i++) out_info->dims[i] = own->item->tensor.dims[i];
    }
    if (slot->place != PLN_PLACE_WEIGHT) out_info->size_bytes = dense_bytes(out_info);
    if (slot->place == PLN_PLACE_ARENA) out_info->offset = arena_offset(context, (uint32_t)index);
    return PLN_OK;
}

void pln_context_progress(const pln_context *context, int *out_done, int *out_total)
{
    *out_done = *out_total = 0;
    if (!context || context->engine->n_devices > 1) return;
    *out_total = (int)context->engine->program->blocks[0].n_steps;
    *out_done = (int)atomic_load_explicit(&context->steps_done, memory_order_relaxed);
}
