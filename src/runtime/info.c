/* What an engine tells about itself. */
#include "base/text.h"
#include "runtime/engine.h"

int pln_engine_input_count(const pln_engine *engine)
{
    return (int)engine->program->n_inputs;
}

int pln_engine_output_count(const pln_engine *engine)
{
    return (int)engine->program->n_outputs;
}

void pln_engine_describe_dims(const struct pln_program *program, const struct pln_slot *slot, int64_t *out_dims, const char **out_names)
{
    for (int i = 0; i < slot->rank; i++) {
        const struct pln_dim_node *node = &program->dims[slot->dims[i]];
        out_dims[i] = node->op == PLN_DIM_CONST ? node->value : -1;
        out_names[i] = node->op == PLN_DIM_SYMBOL ? program->symbols[node->a].name : NULL;
    }
}

static void describe(const struct pln_program *program, const struct pln_io *io, struct pln_tensor_info *out_info)
{
    const struct pln_slot *slot = &program->slots[io->slot];
    *out_info = (struct pln_tensor_info){ .name = io->name, .kind = (enum pln_value_kind)slot->kind, .dtype = slot->dtype, .rank = slot->rank };
    pln_engine_describe_dims(program, slot, out_info->dims, out_info->dim_names);
}

static void describe_state(const struct pln_state_pair *pair, struct pln_tensor_info *out_info)
{
    out_info->is_state = pair != NULL;
    out_info->state_axis = pair ? pair->axis : 0;
}

enum pln_status pln_engine_input(const pln_engine *engine, int index, struct pln_tensor_info *out_info)
{
    memset(out_info, 0, sizeof *out_info);
    if (!engine) return PLN_INVALID_ARGUMENT;
    if (index < 0 || index >= pln_engine_input_count(engine)) return PLN_NOT_FOUND;
    describe(engine->program, &engine->program->inputs[index], out_info);
    describe_state(pln_states_find(engine->program, (uint32_t)index, false), out_info);
    return PLN_OK;
}

enum pln_status pln_engine_output(const pln_engine *engine, int index, struct pln_tensor_info *out_info)
{
    memset(out_info, 0, sizeof *out_info);
    if (!engine) return PLN_INVALID_ARGUMENT;
    if (index < 0 || index >= pln_engine_output_count(engine)) return PLN_NOT_FOUND;
    describe(engine->program, &engine->program->outputs[index], out_info);
    describe_state(pln_states_find(engine->program, (uint32_t)index, true), out_info);
    return PLN_OK;
}

void pln_engine_list_levels(const struct pln_program *program, const char *joint, struct pln_text *out)
{
    char names[160];
    for (uint32_t i = 0; i < PLN_MAX(program->n_targets, 1u); i++) {
        const uint64_t needs = program->n_targets ? program->targets[i] : program->needs;
        const char *level = pln_cpu_level_name(needs);
        uint32_t same = 0; /* another GPU's program may need the same */
        while (same < i && program->targets[same] != needs) same++;
        if (same < i) continue;
        pln_text_printf(out, "%s%s", i ? joint : "", level ? level : pln_cpu_describe(needs, names, sizeof names));
    }
}

const char *pln_engine_describe_targets(struct pln_engine *engine)
{
    const struct pln_program *program = engine->program;
    struct pln_text text;
    pln_text_init(&text, &engine->alloc);
    pln_engine_list_levels(program, ", ", &text);
    for (uint32_t i = 0; i < program->n_archs; i++) pln_text_printf(&text, "%s%.15s", i ? ", " : "; ", program->archs[i]);
    const char *kept = text.failed ? NULL : pln_arena_text(&engine->arena, text.data, text.size_bytes);
    pln_text_deinit(&text);
    return kept;
}

void pln_engine_summarize(const pln_engine *engine, struct pln_engine_summary *out_summary)
{
    const struct pln_program *program = engine->program;
    *out_summary = (struct pln_engine_summary){ .name = program->name,
                                                .device = program->target,
                                                .onnx_nodes = (int)program->n_nodes,
                                                .steps = (int)program->n_steps,
                                                .blocks = (int)program->n_blocks,
                                                .plan_bytes = engine->plan_bytes,
                                                .targets = engine->targets };
    out_summary->device_name = engine->why_not ? "a machine that is not here" : engine->devices[engine->n_devices - 1].caps.name;
    for (uint32_t i = 0; i < program->n_blocks; i++) out_summary->segments += (int)program->blocks[i].n_segments;
    for (uint32_t i = 0; i < program->n_weights; i++) out_summary->weights_bytes += program->weights[i].size_bytes;
}

const char *pln_engine_step_op(const struct pln_engine *engine, uint32_t step)
{
    const uint16_t op = engine->program->steps[step].op;
    return engine->steps[step].custom ? engine->steps[step].custom->label : op ? pln_op_name(op) : "copy";
}

static const char *kernel_name(const struct pln_engine *engine, uint32_t index)
{
    static const char *const kinds[PLN_STEP_KIND_COUNT] = { "", "ref", "copy", "if", "loop" };
    const struct pln_step *step = &engine->program->steps[index];
    if (engine->steps[index].custom) return "plugin";
    return step->kind == PLN_STEP_LAUNCH ? step->kernel : kinds[step->kind];
}

enum pln_status pln_engine_step(const pln_engine *engine, int index, struct pln_step_info *out_info)
{
    memset(out_info, 0, sizeof *out_info);
    const struct pln_program *program = engine->program;
    if (index < 0 || (uint32_t)index >= program->n_steps) return PLN_NOT_FOUND;
    const struct pln_step *step = &program->steps[index];
    out_info->op = pln_engine_step_op(engine, (uint32_t)index);
    out_info->kernel = kernel_name(engine, (uint32_t)index);
    out_info->device = !engine->why_not ? engine->devices[step->device].backend->name : step->device ? program->devices[step->device - 1] : "cpu";
    out_info->name = engine->steps[index].name;
    out_info->inputs = (int)step->n_inputs;
    out_info->outputs = (int)step->n_outputs;
    for (uint32_t b = 0; b < program->n_blocks; b++)
        for (uint32_t s = 0; s < program->blocks[b].n_steps; s++)
            if (program->blocks[b].steps[s] == (uint32_t)index) out_info->block = (int)b;
    return PLN_OK;
}

const char *pln_engine_metadata(const pln_engine *engine, const char *key)
{
    const struct pln_program *program = engine->program;
    for (uint32_t i = 0; i < program->n_metadata; i++)
        if (pln_str_equal(program->metadata[i].name, key)) return program->metadata[i].op_type;
    return NULL;
}

const char *pln_engine_metadata_key(const pln_engine *engine, int index)
{
    const struct pln_program *program = engine->program;
    return index >= 0 && (uint32_t)index < program->n_metadata ? program->metadata[index].name : NULL;
}
