/* From programs to a plan in memory: the metadata's sections first, each in a growing buffer, then one piece of memory for all, into which the
 * weights go directly. */
#include "base/file.h"
#include "base/hash.h"
#include "base/pool.h"
#include "kernel/rowprog.h"
#include "plan/format.h"
#include "plan/place.h"
#include "plan/plan.h"

/* The metadata of one program. */
struct writer {
    const struct pln_program *program;
    struct pln_diag *diag;
    const struct pln_plan_places *places;
    uint32_t first_weight; /* of this program, in places */
    uint64_t for_archs;    /* as pln_program.for_archs, of all programs that this one stands for */
    bool first;            /* the plan's own metadata, not those of another target */
    bool dropped;          /* an earlier target's are the same */
    uint64_t targets_bytes; /* of the section TARGETS; 0: none */
    struct pln_arena arena;
    struct pln_text sections[PLN_PLAN_KNOWN_END]; /* by id */
    struct pln_text code; /* DEVICE_CODE */
    struct pln_map texts, lists, attributes;
    uint32_t *dims, *symbols, *origins; /* new numbers, NONE: left out */
    bool too_large;
};

/* ---- text, lists, attributes: equal ones are stored once ---- */

static void put(struct writer *writer, enum pln_plan_section_id id, const void *data, size_t size_bytes)
{
    pln_text_append(&writer->sections[id], data, size_bytes);
    if (writer->sections[id].size_bytes > INT32_MAX) writer->too_large = true;
}

/* Where these bytes are in the section, in units; appended unless they are there. The key must live as long as the writer. */
static uint32_t put_once(struct writer *writer, enum pln_plan_section_id id, struct pln_map *map, const void *key, size_t size_bytes, size_t unit)
{
    uint32_t at = (uint32_t)(writer->sections[id].size_bytes / unit), known;
    if (pln_map_get(map, key, size_bytes, &known)) return known;
    put(writer, id, key, size_bytes);
    if (!pln_map_set(map, key, size_bytes, at)) writer->sections[id].failed = true;
    return at;
}

static uint32_t text(struct writer *writer, const char *string)
{
    if (!string) return PLN_PLAN_NONE;
    return put_once(writer, PLN_PLAN_TEXT, &writer->texts, string, strlen(string) + 1, 1);
}

static uint32_t list(struct writer *writer, const uint32_t *items, size_t n)
{
    if (n == 0) return 0;
    const uint32_t *copy = pln_arena_copy(&writer->arena, items, n * sizeof *items);
    if (!copy) {
        writer->sections[PLN_PLAN_LISTS].failed = true;
        return 0;
    }
    return put_once(writer, PLN_PLAN_LISTS, &writer->lists, (const char *)copy, n * sizeof *items, sizeof *items);
}

/* A list of expressions under their new numbers. */
static uint32_t dim_list(struct writer *writer, const uint32_t *dims, size_t n)
{
    if (n == 0 || !dims) return n == 0 ? 0 : PLN_PLAN_NONE;
    uint32_t *mapped = pln_arena_array(&writer->arena, n, sizeof *mapped);
    if (!mapped) {
        writer->sections[PLN_PLAN_LISTS].failed = true;
        return 0;
    }
    for (size_t i = 0; i < n; i++) mapped[i] = writer->dims[dims[i]];
    return put_once(writer, PLN_PLAN_LISTS, &writer->lists, (const char *)mapped, n * sizeof *mapped, sizeof *mapped);
}

static uint32_t attributes(struct writer *writer, const struct pln_attrs *attrs, uint32_t *out_bytes)
{
    static const char zeros[8];
    struct pln_text *section = &writer->sections[PLN_PLAN_ATTRIBUTES], one;
    *out_bytes = 0;
    if (attrs->count == 0) return 0;
    pln_text_init(&one, section->alloc);
    pln_attrs_write(attrs, &one);
    uint32_t at = 0;
    const char *key = one.failed ? NULL : pln_arena_copy(&writer->arena, one.data, one.size_bytes);
    *out_bytes = (uint32_t)one.size_bytes;
    if (!key) section->failed = true;
    else at = put_once(writer, PLN_PLAN_ATTRIBUTES, &writer->attributes, key, one.size_bytes, 1);
    pln_text_deinit(&one);
    put(writer, PLN_PLAN_ATTRIBUTES, zeros, -section->size_bytes & 7);
    return at;
}

/* ---- what is used, and its new number ---- */

static bool mark_dims(const struct pln_program *program, uint32_t *used, const uint32_t *dims, size_t n)
{
    for (size_t i = 0; dims && i < n; i++) {
        if (dims[i] >= program->n_dims) return false;
        used[dims[i]] = 1;
    }
    return true;
}

static int operand_count(enum pln_dim_op op)
{
    return op == PLN_DIM_CONST || op == PLN_DIM_SYMBOL ? 0 : op == PLN_DIM_SELECT ? 3 : 2;
}

static enum pln_status number_dims(struct writer *writer)
{
    const struct pln_program *program = writer->program;
    bool sound = true;
    for (uint32_t i = 0; i < program->n_slots; i++) {
        const struct pln_slot *slot = &program->slots[i];
        size_t rank = slot->rank > 0 ? (size_t)slot->rank : 0;
        sound = sound && mark_dims(program, writer->dims, slot->dims, rank);
        sound = sound && mark_dims(program, writer->dims, slot->elems, slot->n_elems);
        if (slot->place != PLN_PLACE_VIEW) continue;
        sound = sound && mark_dims(program, writer->dims, &slot->offset, 1) && mark_dims(program, writer->dims, slot->strides, rank);
    }
    for (uint32_t i = program->n_dims; i-- > 0;) {
        const struct pln_dim_node *node = &program->dims[i];
        if (!writer->dims[i]) continue;
        if (node->op == PLN_DIM_SYMBOL && node->a < program->n_symbols) writer->symbols[node->a] = 1;
        int n = operand_count(node->op);
        const uint32_t operands[] = { node->a, node->b, node->c };
        for (int k = 0; k < n; k++) {
            sound = sound && operands[k] < i;
            if (sound) writer->dims[operands[k]] = 1;
        }
    }
    return sound ? PLN_OK : pln_fail(writer->diag, PLN_INTERNAL, "an extent of the program refers to none");
}

static void number(uint32_t *used, uint32_t n)
{
    uint32_t next = 0;
    for (uint32_t i = 0; i < n; i++) used[i] = used[i] ? next++ : PLN_PLAN_NONE;
}

static enum pln_status number_all(struct writer *writer)
{
    const struct pln_program *program = writer->program;
    writer->dims = pln_arena_array(&writer->arena, program->n_dims + 1u, sizeof(uint32_t));
    writer->symbols = pln_arena_array(&writer->arena, program->n_symbols + 1u, sizeof(uint32_t));
    writer->origins = pln_arena_array(&writer->arena, program->n_origins + 1u, sizeof(uint32_t));
    if (!writer->dims || !writer->symbols || !writer->origins) return pln_fail_memory(writer->diag, "plan", program->n_dims * sizeof(uint32_t));
    PLN_TRY(number_dims(writer));
    for (uint32_t i = 0; i < program->n_steps; i++)
        for (uint32_t k = 0; k < program->steps[i].n_origins; k++)
            if (program->steps[i].origins[k] < program->n_origins) writer->origins[program->steps[i].origins[k]] = 1;
    number(writer->dims, program->n_dims);
    number(writer->symbols, program->n_symbols);
    number(writer->origins, program->n_origins);
    return PLN_OK;
}

/* ---- sections ---- */

static void put_dims(struct writer *writer)
{
    const struct pln_program *program = writer->program;
    for (uint32_t i = 0; i < program->n_dims; i++) {
        const struct pln_dim_node *node = &program->dims[i];
        if (writer->dims[i] == PLN_PLAN_NONE) continue;
        int n = operand_count(node->op);
        struct pln_plan_dim one = { .op = (uint32_t)node->op, .value = node->op == PLN_DIM_CONST ? node->value : 0 };
        if (node->op == PLN_DIM_SYMBOL) one.a = writer->symbols[node->a];
        if (n >= 2) one.a = writer->dims[node->a], one.b = writer->dims[node->b];
        if (n == 3) one.c = writer->dims[node->c];
        put(writer, PLN_PLAN_DIMS, &one, sizeof one);
    }
    for (uint32_t i = 0; i < program->n_symbols; i++) {
        const struct pln_symbol *symbol = &program->symbols[i];
        if (writer->symbols[i] == PLN_PLAN_NONE) continue;
        const struct pln_plan_symbol one = { .name = text(writer, symbol->name), .min = symbol->min, .max = symbol->max };
        put(writer, PLN_PLAN_SYMBOLS, &one, sizeof one);
    }
}

static uint32_t order_list(struct writer *writer, const struct pln_slot *slot)
{
    uint32_t order[PLN_MAX_RANK];
    if (!slot->order || slot->rank <= 0) return PLN_PLAN_NONE;
    for (int i = 0; i < slot->rank; i++) order[i] = (uint32_t)slot->order[i];
    return list(writer, order, (size_t)slot->rank);
}

static void put_slots(struct writer *writer)
{
    const struct pln_program *program = writer->program;
    for (uint32_t i = 0; i < program->n_slots; i++) {
        const struct pln_slot *slot = &program->slots[i];
        size_t rank = slot->rank > 0 ? (size_t)slot->rank : 0;
        bool view = slot->place == PLN_PLACE_VIEW;
        const struct pln_plan_slot one = { .name = text(writer, slot->name), .place = (uint8_t)slot->place, .kind = (uint8_t)slot->kind, .dtype = (uint8_t)slot->dtype, .rank = (int8_t)slot->rank,
                                           .dims = dim_list(writer, slot->dims, rank), .index = slot->index, .space = slot->space, .block = slot->block,
                                           .offset = view ? writer->dims[slot->offset] : 0,
                                           .strides = view && slot->strides && rank ? dim_list(writer, slot->strides, rank) : PLN_PLAN_NONE, .order = order_list(writer, slot),
                                           .elems = dim_list(writer, slot->elems, slot->n_elems), .n_elems = slot->n_elems, .segment = slot->segment, .first = slot->first, .last = slot->last };
        put(writer, PLN_PLAN_SLOTS, &one, sizeof one);
    }
}

static void put_step(struct writer *writer, const struct pln_step *step)
{
    struct pln_plan_step one = { .kind = (uint32_t)step->kind, .op = text(writer, step->op ? pln_op_name(step->op) : ""), .kernel = text(writer, step->kernel), .device = step->device, .code = step->code,
                                 .inputs = list(writer, step->inputs, step->n_inputs), .n_inputs = step->n_inputs, .outputs = list(writer, step->outputs, step->n_outputs),
                                 .n_outputs = step->n_outputs, .blocks = list(writer, step->blocks, step->n_blocks), .n_blocks = step->n_blocks };
    const char *kind = step->op ? pln_op_kind_name(step->op, step->op_kind) : NULL;
    one.op_kind = text(writer, kind ? kind : "");
    one.attributes = attributes(writer, &step->attrs, &one.attributes_bytes);
    uint32_t *origins = pln_arena_array(&writer->arena, step->n_origins + 1u, sizeof *origins);
    for (uint32_t i = 0; origins && i < step->n_origins; i++) origins[i] = writer->origins[step->origins[i]];
    one.origins = origins ? list(writer, origins, step->n_origins) : 0;
    one.n_origins = step->n_origins;
    if (!origins) writer->sections[PLN_PLAN_STEPS].failed = true;
    put(writer, PLN_PLAN_STEPS, &one, sizeof one);
}

static void put_blocks(struct writer *writer)
{
    const struct pln_program *program = writer->program;
    uint32_t n_segments = 0;
    for (uint32_t i = 0; i < program->n_blocks; i++) {
        const struct pln_program_block *block = &program->blocks[i];
        uint32_t *symbols = pln_arena_array(&writer->arena, block->n_symbols + 1u, sizeof *symbols), n_symbols = 0;
        if (!symbols) {
            writer->sections[PLN_PLAN_BLOCKS].failed = true;
            return;
        }
        for (uint32_t k = 0; k < block->n_symbols; k++)
            if (block->symbols[k] < program->n_symbols && writer->symbols[block->symbols[k]] != PLN_PLAN_NONE) symbols[n_symbols++] = writer->symbols[block->symbols[k]];
        const struct pln_plan_block one = { .steps = list(writer, block->steps, block->n_steps), .n_steps = block->n_steps, .inputs = list(writer, block->inputs, block->n_inputs),
                                            .n_inputs = block->n_inputs, .outputs = list(writer, block->outputs, block->n_outputs), .n_outputs = block->n_outputs,
                                            .symbols = list(writer, symbols, n_symbols), .n_symbols = n_symbols, .segments = n_segments, .n_segments = block->n_segments };
        put(writer, PLN_PLAN_BLOCKS, &one, sizeof one);
        for (uint32_t k = 0; k < block->n_segments; k++) {
            const struct pln_plan_segment segment = { .first = block->segments[k].first, .count = block->segments[k].count, .end = (uint32_t)block->segments[k].end };
            put(writer, PLN_PLAN_SEGMENTS, &segment, sizeof segment);
        }
        n_segments += block->n_segments;
    }
}

static void put_pair(struct writer *writer, enum pln_plan_section_id id, uint32_t a, uint32_t b)
{
    const struct pln_plan_pair pair = { a, b };
    put(writer, id, &pair, sizeof pair);
}

static void put_io(struct writer *writer, enum pln_plan_section_id id, const struct pln_io *io)
{
    const struct pln_plan_io one = { .name = text(writer, io->name), .slot = io->slot };
    put(writer, id, &one, sizeof one);
}

static void put_tables(struct writer *writer)
{
    const struct pln_program *program = writer->program;
    for (uint32_t i = 0; i < program->n_inputs; i++) put_io(writer, PLN_PLAN_INPUTS, &program->inputs[i]);
    for (uint32_t i = 0; i < program->n_outputs; i++) put_io(writer, PLN_PLAN_OUTPUTS, &program->outputs[i]);
    for (uint32_t i = 0; i < program->n_states; i++) {
        const struct pln_state_pair *state = &program->states[i];
        const struct pln_plan_state one = { state->input, state->output, state->axis, (uint32_t)state->kind };
        put(writer, PLN_PLAN_STATES, &one, sizeof one);
    }
    for (uint32_t i = 0; i < program->n_origins; i++) {
        if (writer->origins[i] == PLN_PLAN_NONE) continue;
        put_pair(writer, PLN_PLAN_ORIGINS, text(writer, program->origins[i].name ? program->origins[i].name : ""), text(writer, program->origins[i].op_type ? program->origins[i].op_type : ""));
    }
    for (uint32_t i = 0; i < program->n_metadata; i++) put_pair(writer, PLN_PLAN_METADATA, text(writer, program->metadata[i].name), text(writer, program->metadata[i].op_type));
}

/* The largest numbers of sub-kinds that row programs use: how much of the vocabulary the plan depends on. */
static enum pln_status count_kinds(const struct writer *writer, struct pln_plan_properties *properties)
{
    static const char *const names[] = { "program", "epilogue" };
    for (uint32_t i = 0; i < writer->program->n_steps; i++) {
        for (size_t k = 0; k < PLN_COUNT_OF(names); k++) {
            const struct pln_attr *attr = pln_attrs_find(&writer->program->steps[i].attrs, names[k]);
            struct pln_rowprog program;
            if (!attr || attr->kind != PLN_ATTR_STRING) continue;
            PLN_TRY(pln_rowprog_read(attr->u.s.data, attr->u.s.size_bytes, writer->diag, &program));
            for (int instr = 0; instr < program.n_instrs; instr++) {
                uint32_t kind = program.instrs[instr].kind;
                if (program.instrs[instr].code == PLN_ROWPROG_EW) properties->n_elementwise = PLN_MAX(properties->n_elementwise, kind);
                if (program.instrs[instr].code == PLN_ROWPROG_REDUCE) properties->n_reduce = PLN_MAX(properties->n_reduce, kind);
            }
        }
    }
    return PLN_OK;
}

static enum pln_status put_properties(struct writer *writer)
{
    const struct pln_program *program = writer->program;
    struct pln_plan_properties one = { .name = text(writer, program->name ? program->name : ""), .target = text(writer, program->target), .producer = text(writer, "planish " PLN_VERSION_TEXT),
                                       .n_nodes = program->n_nodes, .needs = program->needs, .n_devices = program->n_devices, .taps = list(writer, program->taps, program->n_taps),
                                       .n_taps = program->n_taps };
    PLN_TRY(count_kinds(writer, &one));
    uint32_t *devices = pln_arena_array(&writer->arena, program->n_devices + 1u, sizeof *devices);
    for (uint32_t i = 0; devices && i < program->n_devices; i++) devices[i] = text(writer, program->devices[i]);
    if (devices) one.devices = list(writer, devices, program->n_devices);
    else writer->sections[PLN_PLAN_PROPERTIES].failed = true;
    pln_plan_vocabulary(one.n_elementwise, one.n_reduce, &one.vocabulary);
    put(writer, PLN_PLAN_PROPERTIES, &one, sizeof one);
    return PLN_OK;
}

/* ---- device code ---- */

static void put_code(struct writer *writer)
{
    static const char zeros[8];
    const struct pln_program *program = writer->program;
    const struct pln_plan_code_head head = { program->n_codes, program->n_archs };
    if (program->n_codes == 0) return;
    pln_text_append(&writer->code, (const char *)&head, sizeof head);
    for (uint32_t i = 0; i < program->n_archs; i++) {
        uint32_t name = text(writer, program->archs[i]);
        pln_text_append(&writer->code, (const char *)&name, sizeof name);
    }
    pln_text_append(&writer->code, zeros, -writer->code.size_bytes & 7);
    uint64_t at = writer->code.size_bytes + (uint64_t)program->n_codes * program->n_archs * sizeof(struct pln_plan_code_image);
    for (uint32_t i = 0; i < program->n_codes; i++) {
        for (uint32_t k = 0; k < program->n_archs; k++) {
            struct pln_plan_code_image image = { at, program->codes[i].image_bytes[k] };
            if (!program->codes[i].images[k]) image = (struct pln_plan_code_image){ 0 };
            pln_text_append(&writer->code, (const char *)&image, sizeof image);
            at = pln_align_up(at + image.size_bytes, 8);
        }
    }
    for (uint32_t i = 0; i < program->n_codes; i++) {
        for (uint32_t k = 0; k < program->n_archs; k++) {
            if (!program->codes[i].images[k]) continue;
            pln_text_append(&writer->code, program->codes[i].images[k], program->codes[i].image_bytes[k]);
            pln_text_append(&writer->code, zeros, -writer->code.size_bytes & 7);
        }
    }
}

/* ---- weights ---- */

/* The table and the checksums, whose hashes are known once the bytes are in their place. */
static void put_weight_table(struct writer *writer)
{
    const struct pln_program *program = writer->program;
    for (uint32_t i = 0; i < program->n_weights; i++) {
        const struct pln_weight *weight = &program->weights[i];
        const struct pln_plan_weight one = { .name = text(writer, weight->name ? weight->name : ""), .dtype = (uint8_t)weight->dtype, .rank = (uint8_t)weight->rank,
                                             .dims = (uint32_t)(writer->sections[PLN_PLAN_NUMBERS].size_bytes / sizeof(int64_t)), .pack = text(writer, weight->pack),
                                             .offset = writer->places->offsets[writer->first_weight + i], .size_bytes = pln_plan_stored_bytes(weight) };
        put(writer, PLN_PLAN_NUMBERS, weight->dims, (size_t)weight->rank * sizeof weight->dims[0]);
        put(writer, PLN_PLAN_WEIGHT_TABLE, &one, sizeof one);
    }
    const uint64_t unknown = 0;
    for (uint64_t at = 0; writer->first && at < writer->places->size_bytes; at += PLN_PLAN_CHUNK_BYTES) put(writer, PLN_PLAN_CHECKSUMS, &unknown, sizeof unknown);
}

static void patch(struct writer *writer, enum pln_plan_section_id id, size_t at, uint64_t value)
{
    memcpy(writer->sections[id].data + at, &value, sizeof value);
}

static void patch_hashes(struct writer *writer, const uint64_t *hashes)
{
    for (uint32_t i = 0; i < writer->program->n_weights; i++)
        patch(writer, PLN_PLAN_WEIGHT_TABLE, i * sizeof(struct pln_plan_weight) + offsetof(struct pln_plan_weight, hash), hashes[writer->first_weight + i]);
}

struct summing {
    struct writer *writer;
    const uint8_t *weights;
};

/* Checksums of blocks [first, last) of the weights. */
static void sum_chunks(void *user, int64_t first, int64_t last, int worker)
{
    const struct summing *summing = user;
    const uint64_t bytes = summing->writer->places->size_bytes;
    (void)worker;
    for (uint64_t i = (uint64_t)first; i < (uint64_t)last; i++) {
        const uint64_t at = i * PLN_PLAN_CHUNK_BYTES;
        patch(summing->writer, PLN_PLAN_CHECKSUMS, i * sizeof(uint64_t), pln_hash64(summing->weights + at, PLN_MIN(PLN_PLAN_CHUNK_BYTES, bytes - at), 0));
    }
}

static void patch_checksums(struct writer *writer, struct pln_pool *pool, const uint8_t *weights)
{
    const uint64_t bytes = writer->places->size_bytes;
    struct summing summing = { writer, weights };
    pln_pool_run(pool, (int64_t)(bytes / PLN_PLAN_CHUNK_BYTES + (bytes % PLN_PLAN_CHUNK_BYTES != 0)), 1, sum_chunks, &summing);
}

/* ---- one program's metadata ---- */

static enum pln_status write_program(struct writer *writer)
{
    PLN_TRY(number_all(writer));
    (void)text(writer, "");
    put_dims(writer);
    put_slots(writer);
    for (uint32_t i = 0; i < writer->program->n_steps; i++) put_step(writer, &writer->program->steps[i]);
    put_blocks(writer);
    put_tables(writer);
    PLN_TRY(put_properties(writer));
    put_weight_table(writer);
    if (writer->first) put_code(writer); /* the last, as other targets do not have it */
    if (writer->too_large || writer->program->graph_bytes > INT32_MAX) return pln_fail(writer->diag, PLN_UNSUPPORTED, "the plan's metadata are larger than 2 GiB");
    for (int id = 1; id < PLN_PLAN_KNOWN_END; id++)
        if (writer->sections[id].failed) return pln_fail_memory(writer->diag, "plan", writer->sections[id].size_bytes);
    if (writer->code.failed) return pln_fail_memory(writer->diag, "device code", writer->code.size_bytes);
    if (writer->code.size_bytes > INT32_MAX) return pln_fail(writer->diag, PLN_UNSUPPORTED, "the plan's device code is larger than 2 GiB");
    return PLN_OK;
}

/* The same steps on the same weights: what an earlier target has beyond them is the graph's constants, which come last. */
static bool is_same(const struct writer *earlier, const struct writer *writer)
{
    for (int id = 1; id < PLN_PLAN_KNOWN_END; id++) {
        const struct pln_text *a = &earlier->sections[id], *b = &writer->sections[id];
        const bool may_have_more = id == PLN_PLAN_TEXT || id == PLN_PLAN_NUMBERS || id == PLN_PLAN_WEIGHT_TABLE;
        if (id == PLN_PLAN_CHECKSUMS) continue;
        if (may_have_more ? a->size_bytes < b->size_bytes : a->size_bytes != b->size_bytes) return false;
        if (b->size_bytes && memcmp(a->data, b->data, b->size_bytes) != 0) return false;
    }
    return true;
}

/* An earlier program stands for this one, too, when it is the same. */
static bool take_over(struct writer *earlier, const struct writer *writer)
{
    if (earlier->dropped || !is_same(earlier, writer)) return false;
    earlier->for_archs = earlier->for_archs && writer->for_archs ? earlier->for_archs | writer->for_archs : 0;
    return true;
}

/* ---- the file ---- */

/* A program's sections, each with its place from where its metadata begin. */
struct layout {
    struct pln_plan_section sections[PLN_PLAN_KNOWN_END + 4];
    const void *data[PLN_PLAN_KNOWN_END + 4]; /* NULL: stored by somebody else */
    uint32_t n;
    uint64_t metadata_bytes, all_bytes;
};

static void add_section(struct layout *layout, uint32_t id, uint32_t required, const void *data, uint64_t size_bytes)
{
    layout->sections[layout->n] = (struct pln_plan_section){ id, required, 0, size_bytes };
    layout->data[layout->n++] = data;
}

static void lay_out(const struct writer *writer, struct layout *layout)
{
    *layout = (struct layout){ 0 };
    for (uint32_t id = 1; id < PLN_PLAN_KNOWN_END; id++) add_section(layout, id, 1, writer->sections[id].data, writer->sections[id].size_bytes);
    if (writer->first && writer->program->graph_bytes) add_section(layout, PLN_PLAN_GRAPH, 0, writer->program->graph, writer->program->graph_bytes);
    if (writer->targets_bytes) add_section(layout, PLN_PLAN_TARGETS, 0, NULL, writer->targets_bytes);
    if (writer->code.size_bytes) add_section(layout, PLN_PLAN_DEVICE_CODE, 1, writer->code.data, writer->code.size_bytes);
    const bool weights = writer->first && writer->places->size_bytes;
    uint64_t at = sizeof(struct pln_plan_header) + (layout->n + weights) * sizeof(struct pln_plan_section);
    for (uint32_t i = 0; i < layout->n; i++) {
        layout->sections[i].offset = pln_align_up(at, 8);
        at = layout->sections[i].offset + layout->sections[i].size_bytes;
    }
    layout->metadata_bytes = layout->all_bytes = at;
    if (!weights) return;
    add_section(layout, PLN_PLAN_WEIGHTS, 1, NULL, writer->places->size_bytes);
    layout->sections[layout->n - 1].offset = pln_align_up(at, PLN_PLAN_PAGE);
    layout->all_bytes = layout->sections[layout->n - 1].offset + writer->places->size_bytes;
}

/* Into zeros. The checksum is that of the plan's own metadata, which hold all others. */
static void store_metadata(const struct writer *writer, const struct layout *layout, uint8_t *to)
{
    struct pln_plan_header header = { .magic = PLN_PLAN_MAGIC, .version = PLN_PLAN_VERSION, .endian = PLN_PLAN_ENDIAN, .metadata_bytes = layout->metadata_bytes,
                                      .file_bytes = layout->all_bytes, .n_sections = layout->n };
    memcpy(to + sizeof header, layout->sections, layout->n * sizeof layout->sections[0]);
    for (uint32_t i = 0; i < layout->n; i++)
        if (layout->data[i] && layout->sections[i].size_bytes) memcpy(to + layout->sections[i].offset, layout->data[i], layout->sections[i].size_bytes);
    memcpy(to, &header, sizeof header);
    if (!writer->first) return;
    header.checksum = pln_plan_checksum(to, layout->metadata_bytes);
    memcpy(to, &header, sizeof header);
}

/* The section TARGETS: with to NULL, only how large it is (0: there are no other targets). */
static uint64_t store_targets(const struct writer *writers, uint32_t n, uint8_t *to)
{
    struct pln_plan_targets_head head = { 0 };
    struct layout layout;
    for (uint32_t i = 1; i < n; i++) head.n_targets += !writers[i].dropped;
    head.archs = (uint32_t)writers[0].for_archs;
    if (head.n_targets == 0) return 0;
    if (to) memcpy(to, &head, sizeof head);
    uint64_t entry = sizeof head, at = sizeof head + head.n_targets * sizeof(struct pln_plan_target);
    for (uint32_t i = 1; i < n; i++) {
        if (writers[i].dropped) continue;
        lay_out(&writers[i], &layout);
        at = pln_align_up(at, 8);
        const struct pln_plan_target one = { .offset = at, .size_bytes = layout.metadata_bytes, .archs = (uint32_t)writers[i].for_archs };
        if (to) memcpy(to + entry, &one, sizeof one);
        if (to) store_metadata(&writers[i], &layout, to + at);
        entry += sizeof one;
        at += one.size_bytes;
    }
    return at;
}

/* What one plan is written from. */
struct file {
    struct writer writers[PLN_PLAN_MOST_TARGETS];
    uint32_t n;
    struct pln_plan_places places;
    struct pln_arena arena;
    const struct pln_allocator *alloc;
    struct pln_plan_write_options options;
    struct pln_diag *diag;
};

/* The pages of a file can be written to the disk and dropped; memory that nobody else has cannot. */
static void *take_image(const struct file *file, uint64_t size_bytes, bool *out_is_scratch)
{
    void *image = file->options.folder && size_bytes >= PLN_PLAN_SCRATCH_LEAST ? pln_file_scratch(file->options.folder, (size_t)size_bytes) : NULL;
    *out_is_scratch = image != NULL;
    return image ? image : pln_alloc(file->alloc, (size_t)size_bytes, PLN_PLAN_PAGE);
}

static enum pln_status store_weights(struct file *file, uint8_t *to, uint64_t *hashes)
{
    struct pln_pool *pool = file->options.pool ? file->options.pool : pln_pool_shared();
    if (!pool) return pln_fail_memory(file->diag, "a thread pool", 0);
    PLN_TRY(pln_plan_places_store(&file->places, file->options.watch, pool, to, hashes));
    for (uint32_t i = 0; i < file->n; i++) patch_hashes(&file->writers[i], hashes);
    patch_checksums(&file->writers[0], pool, to);
    return PLN_OK;
}

static enum pln_status store(struct file *file, struct pln_plan_image *out_image)
{
    struct writer *first = &file->writers[0];
    struct layout layout;
    first->targets_bytes = store_targets(file->writers, file->n, NULL);
    if (first->targets_bytes > INT32_MAX) return pln_fail(file->diag, PLN_UNSUPPORTED, "the plan's metadata are larger than 2 GiB");
    lay_out(first, &layout);
    if (file->options.limit_bytes && layout.all_bytes > file->options.limit_bytes)
        return pln_fail(file->diag, PLN_NO_MEMORY, "the plan has %llu bytes, more than the build may use", (unsigned long long)layout.all_bytes);
    uint64_t *hashes = pln_arena_array(&file->arena, file->places.n_weights + (size_t)1, sizeof *hashes);
    uint8_t *to = hashes ? take_image(file, layout.all_bytes, &out_image->is_scratch) : NULL;
    if (!to) return pln_fail_memory(file->diag, "plan", layout.all_bytes);
    out_image->data = to;
    out_image->size_bytes = layout.all_bytes;
    PLN_TRY(store_weights(file, to + (layout.all_bytes - file->places.size_bytes), hashes));
    memset(to, 0, layout.all_bytes - file->places.size_bytes);
    for (uint32_t i = 0; i < layout.n; i++)
        if (layout.sections[i].id == PLN_PLAN_TARGETS) store_targets(file->writers, file->n, to + layout.sections[i].offset);
    store_metadata(first, &layout, to);
    return PLN_OK;
}

static enum pln_status write_all(struct file *file, const struct pln_program *const *programs, struct pln_plan_image *out_image)
{
    PLN_TRY(pln_plan_places_init(&file->places, programs, file->n, &file->arena, file->alloc, file->diag));
    for (uint32_t i = 0, weights = 0; i < file->n; weights += programs[i++]->n_weights) {
        file->writers[i].first_weight = weights;
        PLN_TRY(write_program(&file->writers[i]));
        for (uint32_t k = 0; k < i && !file->writers[i].dropped; k++) file->writers[i].dropped = take_over(&file->writers[k], &file->writers[i]);
    }
    return store(file, out_image);
}

static void writer_init(struct file *file, struct writer *writer, const struct pln_program *program)
{
    *writer = (struct writer){ .program = program, .diag = file->diag, .places = &file->places, .for_archs = program->for_archs, .first = writer == file->writers };
    struct pln_map *const maps[] = { &writer->texts, &writer->lists, &writer->attributes };
    pln_arena_init(&writer->arena, file->alloc, file->options.limit_bytes);
    for (int id = 0; id < PLN_PLAN_KNOWN_END; id++) pln_text_init(&writer->sections[id], file->alloc);
    pln_text_init(&writer->code, file->alloc);
    for (size_t i = 0; i < PLN_COUNT_OF(maps); i++) pln_map_init(maps[i], file->alloc);
}

static void writer_deinit(struct writer *writer)
{
    struct pln_map *const maps[] = { &writer->texts, &writer->lists, &writer->attributes };
    for (size_t i = 0; i < PLN_COUNT_OF(maps); i++) pln_map_deinit(maps[i]);
    for (int id = 0; id < PLN_PLAN_KNOWN_END; id++) pln_text_deinit(&writer->sections[id]);
    pln_text_deinit(&writer->code);
    pln_arena_deinit(&writer->arena);
}

enum pln_status pln_plan_write_targets(const struct pln_program *const *programs, uint32_t n_programs, const struct pln_plan_write_options *options, const struct pln_allocator *alloc,
                                       struct pln_diag *diag, struct pln_plan_image *out_image)
{
    if (!alloc) alloc = pln_allocator_default();
    *out_image = (struct pln_plan_image){ .alloc = alloc };
    if (n_programs == 0 || n_programs > PLN_PLAN_MOST_TARGETS) return pln_fail(diag, PLN_UNSUPPORTED, "a plan holds 1 to %d targets, not %u", PLN_PLAN_MOST_TARGETS, n_programs);
    struct file *file = pln_alloc_zeroed(alloc, sizeof *file, _Alignof(struct file));
    if (!file) return pln_fail_memory(diag, "plan", sizeof *file);
    file->n = n_programs;
    file->alloc = alloc;
    if (options) file->options = *options;
    file->diag = diag;
    pln_arena_init(&file->arena, alloc, file->options.limit_bytes);
    for (uint32_t i = 0; i < n_programs; i++) writer_init(file, &file->writers[i], programs[i]);
    enum pln_status status = write_all(file, programs, out_image);
    for (uint32_t i = 0; i < n_programs; i++) writer_deinit(&file->writers[i]);
    pln_plan_places_deinit(&file->places);
    pln_arena_deinit(&file->arena);
    pln_free(alloc, file, sizeof *file);
    if (status != PLN_OK) pln_plan_image_release(out_image);
    return status;
}

enum pln_status pln_plan_write(const struct pln_program *program, const struct pln_allocator *alloc, size_t limit_bytes, struct pln_diag *diag, struct pln_plan_image *out_image)
{
    const struct pln_plan_write_options options = { .limit_bytes = limit_bytes };
    return pln_plan_write_targets(&program, 1, &options, alloc, diag, out_image);
}

void pln_plan_image_release(struct pln_plan_image *image)
{
    if (image->is_scratch) pln_file_scratch_release(image->data, image->size_bytes);
    else pln_free(image->alloc, image->data, image->size_bytes);
    *image = (struct pln_plan_image){ .alloc = image->alloc };
}
