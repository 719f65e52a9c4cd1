/* From a plan in memory to a program: what is checked here is that every reference stays inside its section; what a program may do is checked by
 * pln_program_verify. */
#include <stdatomic.h>

#include "base/hash.h"
#include "base/pool.h"
#include "plan/format.h"
#include "plan/plan.h"

struct reader {
    const uint8_t *data; /* where the header is: of the plan, or of another target inside */
    size_t size_bytes;
    const char *name;
    struct pln_arena *arena;
    struct pln_diag *diag;
    struct pln_pool *pool; /* NULL: the process's */
    struct pln_plan_header header;
    struct pln_plan_section sections[PLN_PLAN_KNOWN_END]; /* by id */
    struct pln_plan_section graph, targets, code, weights;
    const struct reader *plan; /* whose graph, device code and weights are meant; itself, but for another target */
    struct pln_program *program;
    bool failed; /* a reference leads outside; the first was reported */
};

static enum pln_status damaged(struct reader *reader, const char *what)
{
    reader->failed = true;
    return pln_fail(reader->diag, PLN_BAD_PLAN, "%s: the plan is damaged: %s; build it again from the model", reader->name, what);
}

/* Checksums are right by then: a reserved field that is not 0 means what this version does not know. */
static enum pln_status newer(struct reader *reader, const char *what)
{
    reader->failed = true;
    return pln_fail(reader->diag, PLN_INCOMPATIBLE, "%s: the plan's %s use what this Planish does not know; use a newer Planish, or build it again from the model", reader->name, what);
}

static enum pln_status no_memory(struct reader *reader, size_t size_bytes)
{
    return pln_fail_memory(reader->diag, reader->name, size_bytes);
}

/* ---- header and sections ---- */

uint64_t pln_plan_checksum(const void *data, size_t metadata_bytes)
{
    struct pln_plan_header header;
    memcpy(&header, data, sizeof header);
    header.checksum = 0;
    uint64_t head = pln_hash64(&header, sizeof header, 0);
    return pln_hash64((const uint8_t *)data + sizeof header, metadata_bytes - sizeof header, head);
}

static bool is_text(const uint8_t *data, size_t size_bytes)
{
    size_t n = PLN_MIN(size_bytes, (size_t)256);
    for (size_t i = 0; i < n; i++)
        if (data[i] < 0x20 && data[i] != '\n' && data[i] != '\r' && data[i] != '\t') return false;
    return n > 0;
}

/* What people hand over by mistake. ONNX: field 1 (ir_version) as a varint, then another small field. TensorRT: the first bytes of its serialized
 * engines ("ptrt" since version 8, "ftrt" in the newest), as they stand in the files that trtexec writes. */
static enum pln_status refuse_other(const struct reader *reader)
{
    static const uint8_t magic[8] = PLN_PLAN_MAGIC;
    const uint8_t *data = reader->data;
    size_t n = reader->size_bytes;
    const char *what = "it is no plan of Planish; build one from the ONNX model: planish build model.onnx -o model.plan";
    if (n == 0) what = "it is empty; build it again from the model";
    else if (n < sizeof magic ? memcmp(data, magic, n) == 0 : memcmp(data, magic, sizeof magic) == 0) what = "it is cut short; build it again from the model";
    else if (n >= 4 && (memcmp(data, "ptrt", 4) == 0 || memcmp(data, "ftrt", 4) == 0))
        what = "it was made by TensorRT, whose engines only TensorRT can read; build a plan from the ONNX model: planish build model.onnx -o model.plan";
    else if (n >= 3 && data[0] == 0x08 && data[1] > 0 && data[1] < 0x80 && (data[2] == 0x12 || data[2] == 0x1a || data[2] == 0x22 || data[2] == 0x2a || data[2] == 0x3a || data[2] == 0x42))
        what = "it looks like an ONNX model, not a plan; build one from it: planish build model.onnx -o model.plan";
    else if (n >= 4 && memcmp(data, "GGUF", 4) == 0) what = "it is a GGUF file, not a plan; this version takes ONNX models: planish build model.onnx -o model.plan";
    else if (memcmp(data, "\x89PLAN", PLN_MIN(n, (size_t)5)) == 0) what = "its first bytes were changed, as a transfer in text mode does; copy it again, or build it again from the model";
    else if (is_text(data, n)) what = "it is a text file, not a plan; build one from the ONNX model: planish build model.onnx -o model.plan";
    return pln_fail(reader->diag, PLN_BAD_PLAN, "%s: %s", reader->name, what);
}

static enum pln_status check_reserved(struct reader *reader)
{
    for (size_t i = 0; i < PLN_COUNT_OF(reader->header.reserved); i++)
        if (reader->header.reserved[i]) return newer(reader, "header");
    return PLN_OK;
}

static enum pln_status check_header(struct reader *reader)
{
    static const uint8_t magic[8] = PLN_PLAN_MAGIC;
    if (reader->size_bytes < sizeof reader->header || memcmp(reader->data, magic, sizeof magic) != 0) return refuse_other(reader);
    memcpy(&reader->header, reader->data, sizeof reader->header);
    const struct pln_plan_header *header = &reader->header;
    if (header->endian == __builtin_bswap32(PLN_PLAN_ENDIAN)) return pln_fail(reader->diag, PLN_INCOMPATIBLE, "%s: the plan was made on a machine of the other byte order", reader->name);
    if (header->endian != PLN_PLAN_ENDIAN) return damaged(reader, "its byte order mark is wrong");
    if (header->version > PLN_PLAN_VERSION || header->version + 1 <= PLN_PLAN_OLDEST) {
        return pln_fail(reader->diag, PLN_INCOMPATIBLE, "%s: the plan has format version %u, this Planish reads versions %d to %d; %s", reader->name, header->version, PLN_PLAN_OLDEST,
                        PLN_PLAN_VERSION, header->version > PLN_PLAN_VERSION ? "use a newer Planish, or build it again from the model" : "build it again from the model");
    }
    if (header->file_bytes > reader->size_bytes)
        return pln_fail(reader->diag, PLN_BAD_PLAN, "%s: the plan is cut short: it should have %llu bytes and has %zu; copy it again, or build it again from the model", reader->name, (unsigned long long)header->file_bytes, reader->size_bytes);
    if (header->file_bytes < reader->size_bytes) return damaged(reader, "there are bytes behind its end");
    if (header->metadata_bytes > header->file_bytes || header->metadata_bytes < sizeof *header ||
        header->n_sections > (header->metadata_bytes - sizeof *header) / sizeof(struct pln_plan_section))
        return damaged(reader, "its header does not fit its size");
    if (pln_plan_checksum(reader->data, header->metadata_bytes) != header->checksum) return damaged(reader, "the checksum of its metadata is wrong");
    return check_reserved(reader);
}

/* Nothing hides between sections: gaps are at most 7 bytes, and 0. */
static enum pln_status check_section(struct reader *reader, const struct pln_plan_section *section, uint64_t *end)
{
    if (section->required > 1) return damaged(reader, "a section's flag is wrong");
    if (section->id == PLN_PLAN_WEIGHTS) {
        uint64_t metadata = reader->header.metadata_bytes, start = pln_align_up(metadata, PLN_PLAN_PAGE);
        if (section->offset != start || section->size_bytes == 0 || start > reader->size_bytes || section->size_bytes != reader->size_bytes - start)
            return damaged(reader, "the weights are not where they must be");
        for (uint64_t i = metadata; i < start; i++)
            if (reader->data[i]) return damaged(reader, "padding is not 0");
        reader->weights = *section;
        return PLN_OK;
    }
    if (section->offset != pln_align_up(*end, 8) || section->offset > reader->header.metadata_bytes || section->size_bytes > reader->header.metadata_bytes - section->offset)
        return damaged(reader, "a section is not where it must be");
    for (uint64_t i = *end; i < section->offset; i++)
        if (reader->data[i]) return damaged(reader, "padding is not 0");
    *end = section->offset + section->size_bytes;
    if (section->id > 0 && section->id < PLN_PLAN_KNOWN_END) reader->sections[section->id] = *section;
    else if (section->id == PLN_PLAN_GRAPH) reader->graph = *section;
    else if (section->id == PLN_PLAN_TARGETS) reader->targets = *section;
    else if (section->id == PLN_PLAN_DEVICE_CODE) reader->code = *section;
    else if (section->required) return pln_fail(reader->diag, PLN_INCOMPATIBLE, "%s: the plan has a section (%u) that this Planish does not know; use a newer Planish", reader->name, section->id);
    return PLN_OK;
}

static enum pln_status check_sections(struct reader *reader)
{
    static const uint32_t unit[PLN_PLAN_KNOWN_END] = {
        [PLN_PLAN_TEXT] = 1,
        [PLN_PLAN_LISTS] = sizeof(uint32_t),
        [PLN_PLAN_NUMBERS] = sizeof(int64_t),
        [PLN_PLAN_ATTRIBUTES] = 1,
        [PLN_PLAN_PROPERTIES] = sizeof(struct pln_plan_properties),
        [PLN_PLAN_DIMS] = sizeof(struct pln_plan_dim),
        [PLN_PLAN_SYMBOLS] = sizeof(struct pln_plan_symbol),
        [PLN_PLAN_SLOTS] = sizeof(struct pln_plan_slot),
        [PLN_PLAN_STEPS] = sizeof(struct pln_plan_step),
        [PLN_PLAN_BLOCKS] = sizeof(struct pln_plan_block),
        [PLN_PLAN_SEGMENTS] = sizeof(struct pln_plan_segment),
        [PLN_PLAN_WEIGHT_TABLE] = sizeof(struct pln_plan_weight),
        [PLN_PLAN_INPUTS] = sizeof(struct pln_plan_io),
        [PLN_PLAN_OUTPUTS] = sizeof(struct pln_plan_io),
        [PLN_PLAN_STATES] = sizeof(struct pln_plan_state),
        [PLN_PLAN_ORIGINS] = sizeof(struct pln_plan_pair),
        [PLN_PLAN_METADATA] = sizeof(struct pln_plan_pair),
        [PLN_PLAN_CHECKSUMS] = sizeof(uint64_t),
    };
    uint64_t end = sizeof reader->header + reader->header.n_sections * sizeof(struct pln_plan_section);
    uint32_t last_id = 0;
    for (uint32_t i = 0; i < reader->header.n_sections; i++) {
        struct pln_plan_section section;
        memcpy(&section, reader->data + sizeof reader->header + i * sizeof section, sizeof section);
        if (section.id <= last_id) return damaged(reader, "its sections are out of order");
        last_id = section.id;
        PLN_TRY(check_section(reader, &section, &end));
    }
    if (end != reader->header.metadata_bytes) return damaged(reader, "its sections do not fill the metadata");
    if (!reader->weights.size_bytes && reader->header.file_bytes != end) return damaged(reader, "its sections do not fill the file");
    for (int id = 1; id < PLN_PLAN_KNOWN_END; id++) {
        if (!reader->sections[id].offset) return damaged(reader, "a section is missing");
        if (reader->sections[id].size_bytes % unit[id] || reader->sections[id].size_bytes > INT32_MAX) return damaged(reader, "a section has a wrong size");
    }
    if (reader->graph.size_bytes > INT32_MAX || reader->targets.size_bytes > INT32_MAX) return damaged(reader, "a section has a wrong size");
    const struct pln_plan_section *text = &reader->sections[PLN_PLAN_TEXT];
    if (text->size_bytes == 0 || reader->data[text->offset] || reader->data[text->offset + text->size_bytes - 1]) return damaged(reader, "its text has no end");
    if (reader->sections[PLN_PLAN_PROPERTIES].size_bytes != sizeof(struct pln_plan_properties)) return damaged(reader, "its properties have a wrong size");
    return PLN_OK;
}

struct weight_check {
    const struct reader *reader;
    const struct pln_plan_read_options *options;
    _Atomic bool wrong;
};

/* Blocks [first, last) of the weights against their checksums. */
static void check_chunks(void *user, int64_t first, int64_t last, int worker)
{
    struct weight_check *check = user;
    const struct reader *reader = check->reader;
    const uint8_t *sums = reader->data + reader->sections[PLN_PLAN_CHECKSUMS].offset, *weights = reader->data + reader->weights.offset;
    (void)worker;
    for (uint64_t i = (uint64_t)first; i < (uint64_t)last && !atomic_load_explicit(&check->wrong, memory_order_relaxed); i++) {
        uint64_t sum, at = i * PLN_PLAN_CHUNK_BYTES;
        memcpy(&sum, sums + i * sizeof sum, sizeof sum);
        const size_t bytes = PLN_MIN(PLN_PLAN_CHUNK_BYTES, reader->weights.size_bytes - at);
        if (pln_hash64(weights + at, bytes, 0) != sum) atomic_store_explicit(&check->wrong, true, memory_order_relaxed);
        if (check->options->forget) check->options->forget(check->options->user, weights + at, bytes);
    }
}

/* Most of a load: pages come in and bytes are read, which all threads do at once. */
static enum pln_status check_weights(struct reader *reader, const struct pln_plan_read_options *options)
{
    const enum pln_plan_verify verify = options->verify;
    const struct pln_plan_section *sums = &reader->sections[PLN_PLAN_CHECKSUMS];
    uint64_t bytes = reader->weights.size_bytes, n = bytes / PLN_PLAN_CHUNK_BYTES + (bytes % PLN_PLAN_CHUNK_BYTES != 0);
    struct weight_check check = { .reader = reader, .options = options };
    if (sums->size_bytes / sizeof(uint64_t) != n) return damaged(reader, "it has checksums for other weights");
    if (verify == PLN_PLAN_VERIFY_NONE || (verify == PLN_PLAN_VERIFY_USUAL && bytes > PLN_PLAN_VERIFY_BYTES)) return PLN_OK;
    struct pln_pool *pool = reader->pool || n <= 1 ? reader->pool : pln_pool_shared();
    if (pool) pln_pool_run(pool, (int64_t)n, 1, check_chunks, &check);
    else check_chunks(&check, 0, (int64_t)n, 0);
    return atomic_load_explicit(&check.wrong, memory_order_relaxed) ? damaged(reader, "a checksum of its weights is wrong") : PLN_OK;
}

/* ---- references: bad ones set reader->failed and give something harmless ---- */

static const void *section(const struct reader *reader, enum pln_plan_section_id id)
{
    return reader->data + reader->sections[id].offset;
}

static uint32_t count(const struct reader *reader, enum pln_plan_section_id id, size_t unit)
{
    return (uint32_t)(reader->sections[id].size_bytes / unit);
}

static const char *text(struct reader *reader, uint32_t at)
{
    if (at < reader->sections[PLN_PLAN_TEXT].size_bytes) return (const char *)section(reader, PLN_PLAN_TEXT) + at;
    if (!reader->failed) (void)damaged(reader, "a name is outside of its text");
    return "";
}

/* Lists are used where they lie: the file is mapped for reading, and nothing writes to a program. */
static uint32_t *list(struct reader *reader, uint32_t at, uint32_t n)
{
    uint32_t all = count(reader, PLN_PLAN_LISTS, sizeof(uint32_t));
    if (n <= all && (n == 0 || at <= all - n)) return n == 0 ? NULL : (uint32_t *)(uintptr_t)section(reader, PLN_PLAN_LISTS) + at;
    if (!reader->failed) (void)damaged(reader, "a list is outside of its section");
    return NULL;
}

static uint32_t *list_or_none(struct reader *reader, uint32_t at, uint32_t n)
{
    return at == PLN_PLAN_NONE ? NULL : list(reader, at, n);
}

static enum pln_status make(struct reader *reader, enum pln_plan_section_id id, size_t unit, size_t elem_bytes, uint32_t *out_count, void *out_items)
{
    *out_count = count(reader, id, unit);
    void *items = pln_arena_array(reader->arena, *out_count + (size_t)1, elem_bytes);
    memcpy(out_items, &items, sizeof items);
    return items ? PLN_OK : no_memory(reader, *out_count * elem_bytes);
}

/* ---- tables ---- */

static enum pln_status read_dims(struct reader *reader)
{
    struct pln_program *program = reader->program;
    PLN_TRY(make(reader, PLN_PLAN_DIMS, sizeof(struct pln_plan_dim), sizeof *program->dims, &program->n_dims, &program->dims));
    PLN_TRY(make(reader, PLN_PLAN_SYMBOLS, sizeof(struct pln_plan_symbol), sizeof *program->symbols, &program->n_symbols, &program->symbols));
    const struct pln_plan_dim *dims = section(reader, PLN_PLAN_DIMS);
    for (uint32_t i = 0; i < program->n_dims; i++) {
        if (dims[i].op > PLN_DIM_SELECT) return damaged(reader, "an extent has an unknown operation");
        program->dims[i] = (struct pln_dim_node){ .op = (enum pln_dim_op)dims[i].op, .a = dims[i].a, .b = dims[i].b, .c = dims[i].c, .value = dims[i].value };
    }
    const struct pln_plan_symbol *symbols = section(reader, PLN_PLAN_SYMBOLS);
    for (uint32_t i = 0; i < program->n_symbols; i++) {
        if (symbols[i].reserved) return newer(reader, "symbols");
        program->symbols[i] = (struct pln_symbol){ .name = text(reader, symbols[i].name), .min = symbols[i].min, .max = symbols[i].max, .equals = PLN_DIM_NONE };
    }
    return PLN_OK;
}

static enum pln_status read_order(struct reader *reader, const struct pln_plan_slot *from, struct pln_slot *slot)
{
    if (from->order == PLN_PLAN_NONE || slot->rank <= 0) return PLN_OK;
    const uint32_t *order = list(reader, from->order, (uint32_t)slot->rank);
    slot->order = pln_arena_alloc(reader->arena, (size_t)slot->rank);
    if (!slot->order) return no_memory(reader, (size_t)slot->rank);
    for (int i = 0; order && i < slot->rank; i++) {
        if (order[i] >= (uint32_t)slot->rank) return damaged(reader, "the order of dims is wrong");
        slot->order[i] = (int8_t)order[i];
    }
    return PLN_OK;
}

static enum pln_status read_slots(struct reader *reader)
{
    struct pln_program *program = reader->program;
    PLN_TRY(make(reader, PLN_PLAN_SLOTS, sizeof(struct pln_plan_slot), sizeof *program->slots, &program->n_slots, &program->slots));
    const struct pln_plan_slot *slots = section(reader, PLN_PLAN_SLOTS);
    for (uint32_t i = 0; i < program->n_slots; i++) {
        const struct pln_plan_slot *from = &slots[i];
        struct pln_slot *to = &program->slots[i];
        if (from->encoding || from->reserved) return newer(reader, "slots");
        if (from->place >= PLN_PLACE_COUNT || from->kind > PLN_MAP || from->dtype >= PLN_DTYPE_COUNT || from->rank < -1 || from->rank > PLN_MAX_RANK)
            return damaged(reader, "a slot's place, kind, type or rank is wrong");
        uint32_t rank = from->rank > 0 ? (uint32_t)from->rank : 0;
        *to = (struct pln_slot){ .name = text(reader, from->name), .place = (enum pln_place)from->place, .kind = (enum pln_kind)from->kind, .dtype = (enum pln_dtype)from->dtype,
                                 .rank = from->rank, .dims = list(reader, from->dims, rank), .index = from->index, .space = from->space, .block = from->block, .offset = from->offset,
                                 .strides = list_or_none(reader, from->strides, rank), .elems = list(reader, from->elems, from->n_elems), .n_elems = from->n_elems, .segment = from->segment,
                                 .first = from->first, .last = from->last };
        PLN_TRY(read_order(reader, from, to));
    }
    return PLN_OK;
}

static enum pln_status read_step(struct reader *reader, const struct pln_plan_step *from, struct pln_step *to)
{
    if (from->ranges || from->n_ranges || from->queue || from->reserved) return newer(reader, "steps");
    if (from->kind >= PLN_STEP_KIND_COUNT) return damaged(reader, "a step has an unknown kind");
    *to = (struct pln_step){ .kind = (enum pln_step_kind)from->kind, .device = from->device, .kernel = from->kernel == PLN_PLAN_NONE ? NULL : text(reader, from->kernel), .code = from->code,
                             .inputs = list(reader, from->inputs, from->n_inputs), .n_inputs = from->n_inputs, .outputs = list(reader, from->outputs, from->n_outputs), .n_outputs = from->n_outputs,
                             .blocks = list(reader, from->blocks, from->n_blocks), .n_blocks = from->n_blocks, .origins = list(reader, from->origins, from->n_origins),
                             .n_origins = from->n_origins };
    const char *op = text(reader, from->op), *kind = text(reader, from->op_kind);
    unsigned number = PLN_OP_NONE, sub = 0;
    if (op[0] && !pln_op_find(op, kind, &number, &sub)) {
        return pln_fail(reader->diag, PLN_INCOMPATIBLE, "%s: the plan uses '%s%s%s', which this version of Planish does not have; build the plan again from the model", reader->name, op,
                        kind[0] ? "." : "", kind);
    }
    to->op = (uint16_t)number;
    to->op_kind = (uint16_t)sub;
    const struct pln_plan_section *attributes = &reader->sections[PLN_PLAN_ATTRIBUTES];
    if (from->attributes_bytes == 0) return PLN_OK;
    if (from->attributes % 8 || from->attributes > attributes->size_bytes || from->attributes_bytes > attributes->size_bytes - from->attributes)
        return damaged(reader, "attributes are outside of their section");
    return pln_attrs_read(reader->data + attributes->offset + from->attributes, from->attributes_bytes, reader->arena, reader->diag, &to->attrs);
}

static enum pln_status read_steps(struct reader *reader)
{
    struct pln_program *program = reader->program;
    PLN_TRY(make(reader, PLN_PLAN_STEPS, sizeof(struct pln_plan_step), sizeof *program->steps, &program->n_steps, &program->steps));
    const uint8_t *steps = section(reader, PLN_PLAN_STEPS);
    for (uint32_t i = 0; i < program->n_steps; i++) {
        struct pln_plan_step one;
        memcpy(&one, steps + i * sizeof one, sizeof one);
        PLN_TRY(read_step(reader, &one, &program->steps[i]));
    }
    return PLN_OK;
}

static enum pln_status read_blocks(struct reader *reader)
{
    struct pln_program *program = reader->program;
    struct pln_segment *segments;
    uint32_t n_segments;
    PLN_TRY(make(reader, PLN_PLAN_BLOCKS, sizeof(struct pln_plan_block), sizeof *program->blocks, &program->n_blocks, &program->blocks));
    PLN_TRY(make(reader, PLN_PLAN_SEGMENTS, sizeof(struct pln_plan_segment), sizeof *segments, &n_segments, &segments));
    const struct pln_plan_segment *stored = section(reader, PLN_PLAN_SEGMENTS);
    for (uint32_t i = 0; i < n_segments; i++) {
        if (stored[i].flags || stored[i].after || stored[i].n_after || stored[i].reserved[0] || stored[i].reserved[1]) return newer(reader, "segments");
        if (stored[i].end >= PLN_END_COUNT) return damaged(reader, "a segment has an unknown end");
        segments[i] = (struct pln_segment){ stored[i].first, stored[i].count, (enum pln_segment_end)stored[i].end };
    }
    const struct pln_plan_block *blocks = section(reader, PLN_PLAN_BLOCKS);
    uint32_t next = 0;
    for (uint32_t i = 0; i < program->n_blocks; i++) {
        const struct pln_plan_block *from = &blocks[i];
        if (from->reserved[0] || from->reserved[1]) return newer(reader, "blocks");
        if (from->segments != next || from->n_segments > n_segments - next) return damaged(reader, "a block's segments are out of order");
        next += from->n_segments;
        program->blocks[i] = (struct pln_program_block){ .steps = list(reader, from->steps, from->n_steps), .n_steps = from->n_steps, .inputs = list(reader, from->inputs, from->n_inputs),
                                                         .n_inputs = from->n_inputs, .outputs = list(reader, from->outputs, from->n_outputs), .n_outputs = from->n_outputs,
                                                         .symbols = list(reader, from->symbols, from->n_symbols), .n_symbols = from->n_symbols, .segments = segments + from->segments,
                                                         .n_segments = from->n_segments };
    }
    return next == n_segments ? PLN_OK : damaged(reader, "a segment belongs to no block");
}

/* The structs of a string weight, made in the arena; the text stays where it is. */
static enum pln_status read_strings(struct reader *reader, struct pln_weight *weight)
{
    int64_t n;
    size_t bytes;
    const uint8_t *stored = weight->data;
    if (!pln_shape_count(weight->rank, weight->dims, &n) || !pln_mul_size((size_t)n, 4, &bytes) || bytes > weight->size_bytes) return damaged(reader, "a weight of strings is too short");
    struct pln_string *strings = pln_arena_array(reader->arena, (size_t)n + 1, sizeof *strings);
    if (!strings) return no_memory(reader, (size_t)n * sizeof *strings);
    uint64_t at = bytes;
    for (int64_t i = 0; i < n; i++) {
        uint32_t length;
        memcpy(&length, stored + 4 * i, sizeof length);
        if (length > weight->size_bytes - at) return damaged(reader, "a string is longer than its weight");
        strings[i] = (struct pln_string){ (const char *)stored + at, length };
        at += length;
    }
    if (at != weight->size_bytes) return damaged(reader, "a weight of strings is too long");
    weight->data = strings;
    weight->size_bytes = (uint64_t)n * sizeof *strings;
    return PLN_OK;
}

static enum pln_status read_weight(struct reader *reader, const struct pln_plan_weight *from, struct pln_weight *to)
{
    uint32_t n_numbers = count(reader, PLN_PLAN_NUMBERS, sizeof(int64_t));
    const int64_t *numbers = section(reader, PLN_PLAN_NUMBERS);
    if (from->reserved[0] || from->reserved[1] || from->encoding || from->source || from->reserved2[0] || from->reserved2[1]) return newer(reader, "weights");
    if (!pln_dtype_valid(from->dtype) || from->rank > PLN_MAX_RANK || from->rank > n_numbers || from->dims > n_numbers - from->rank)
        return damaged(reader, "a weight's type or shape is wrong");
    const struct pln_plan_section *weights = &reader->plan->weights;
    if (from->offset % PLN_PLAN_WEIGHT_ALIGN || from->offset > weights->size_bytes || from->size_bytes > weights->size_bytes - from->offset)
        return damaged(reader, "a weight is outside of its section");
    *to = (struct pln_weight){ .name = text(reader, from->name), .dtype = (enum pln_dtype)from->dtype, .rank = from->rank, .pack = from->pack == PLN_PLAN_NONE ? NULL : text(reader, from->pack),
                               .offset = from->offset, .size_bytes = from->size_bytes, .hash = from->hash,
                               .data = weights->size_bytes ? reader->plan->data + weights->offset + from->offset : NULL };
    memcpy(to->dims, numbers + from->dims, from->rank * sizeof *numbers);
    return to->dtype == PLN_STR ? read_strings(reader, to) : PLN_OK;
}

static enum pln_status read_weights(struct reader *reader)
{
    struct pln_program *program = reader->program;
    PLN_TRY(make(reader, PLN_PLAN_WEIGHT_TABLE, sizeof(struct pln_plan_weight), sizeof *program->weights, &program->n_weights, &program->weights));
    const struct pln_plan_weight *stored = section(reader, PLN_PLAN_WEIGHT_TABLE);
    for (uint32_t i = 0; i < program->n_weights; i++) PLN_TRY(read_weight(reader, &stored[i], &program->weights[i]));
    return PLN_OK;
}

static enum pln_status read_io(struct reader *reader, enum pln_plan_section_id id, uint32_t *out_count, struct pln_io **out_io)
{
    PLN_TRY(make(reader, id, sizeof(struct pln_plan_io), sizeof **out_io, out_count, out_io));
    const struct pln_plan_io *stored = section(reader, id);
    for (uint32_t i = 0; i < *out_count; i++) {
        if (stored[i].flags || stored[i].reserved) return newer(reader, "inputs or outputs");
        (*out_io)[i] = (struct pln_io){ text(reader, stored[i].name), stored[i].slot };
    }
    return PLN_OK;
}

static enum pln_status read_texts(struct reader *reader, enum pln_plan_section_id id, uint32_t *out_count, struct pln_program_origin **out_texts)
{
    PLN_TRY(make(reader, id, sizeof(struct pln_plan_pair), sizeof **out_texts, out_count, out_texts));
    const struct pln_plan_pair *pairs = section(reader, id);
    for (uint32_t i = 0; i < *out_count; i++) (*out_texts)[i] = (struct pln_program_origin){ text(reader, pairs[i].a), text(reader, pairs[i].b) };
    return PLN_OK;
}

static enum pln_status read_tables(struct reader *reader)
{
    struct pln_program *program = reader->program;
    PLN_TRY(read_io(reader, PLN_PLAN_INPUTS, &program->n_inputs, &program->inputs));
    PLN_TRY(read_io(reader, PLN_PLAN_OUTPUTS, &program->n_outputs, &program->outputs));
    PLN_TRY(read_texts(reader, PLN_PLAN_ORIGINS, &program->n_origins, &program->origins));
    PLN_TRY(read_texts(reader, PLN_PLAN_METADATA, &program->n_metadata, &program->metadata));
    PLN_TRY(make(reader, PLN_PLAN_STATES, sizeof(struct pln_plan_state), sizeof *program->states, &program->n_states, &program->states));
    const struct pln_plan_state *states = section(reader, PLN_PLAN_STATES);
    for (uint32_t i = 0; i < program->n_states; i++) {
        if (states[i].kind >= PLN_STATE_KIND_COUNT) return newer(reader, "states");
        program->states[i] = (struct pln_state_pair){ .input = states[i].input, .output = states[i].output, .axis = states[i].axis, .kind = (enum pln_state_kind)states[i].kind };
    }
    return PLN_OK;
}

static enum pln_status read_images(struct reader *reader, const struct pln_plan_code_image *images, uint64_t first)
{
    struct pln_program *program = reader->program;
    const uint8_t *data = reader->data + reader->code.offset;
    for (uint32_t i = 0; i < program->n_codes; i++) {
        struct pln_program_code *code = &program->codes[i];
        code->images = pln_arena_array(reader->arena, program->n_archs + (size_t)1, sizeof *code->images);
        code->image_bytes = pln_arena_array(reader->arena, program->n_archs + (size_t)1, sizeof *code->image_bytes);
        if (!code->images || !code->image_bytes) return no_memory(reader, program->n_archs * sizeof *code->images);
        for (uint32_t k = 0; k < program->n_archs; k++, images++) {
            if (images->size_bytes == 0 && images->offset == 0) continue;
            if (images->offset < first || images->offset % 8 || images->offset > reader->code.size_bytes || images->size_bytes > reader->code.size_bytes - images->offset)
                return damaged(reader, "device code is outside of its section");
            code->images[k] = data + images->offset;
            code->image_bytes[k] = images->size_bytes;
        }
    }
    return PLN_OK;
}

/* The head of DEVICE_CODE: how many there are, and for what. */
static enum pln_status read_archs(struct reader *plan, uint64_t *out_images)
{
    enum { MOST_ARCHS = 64 };
    struct pln_program *program = plan->program;
    struct pln_plan_code_head head;
    const uint8_t *data = plan->data + plan->code.offset;
    const uint64_t bytes = plan->code.size_bytes;
    *out_images = 0;
    if (bytes == 0) return PLN_OK;
    if (bytes < sizeof head || bytes > INT32_MAX) return damaged(plan, "its device code has a wrong size");
    memcpy(&head, data, sizeof head);
    const uint64_t names = pln_align_up(sizeof head + head.n_archs * sizeof(uint32_t), 8);
    if (head.n_archs > MOST_ARCHS || names > bytes || (uint64_t)head.n_codes * PLN_MAX(head.n_archs, 1u) > (bytes - names) / sizeof(struct pln_plan_code_image))
        return damaged(plan, "its device code has a wrong size");
    program->n_archs = head.n_archs;
    program->n_codes = head.n_codes;
    program->archs = pln_arena_array(plan->arena, head.n_archs + (size_t)1, sizeof *program->archs);
    if (!program->archs) return no_memory(plan, head.n_archs * sizeof *program->archs);
    const uint32_t *archs = (const uint32_t *)(const void *)(data + sizeof head);
    for (uint32_t i = 0; i < head.n_archs; i++) program->archs[i] = text(plan, archs[i]);
    *out_images = names;
    return PLN_OK;
}

static enum pln_status read_code(struct reader *plan)
{
    struct pln_program *program = plan->program;
    uint64_t images;
    PLN_TRY(read_archs(plan, &images));
    if (images == 0) return PLN_OK;
    program->codes = pln_arena_array(plan->arena, program->n_codes + (size_t)1, sizeof *program->codes);
    if (!program->codes) return no_memory(plan, program->n_codes * sizeof *program->codes);
    return read_images(plan, (const struct pln_plan_code_image *)(const void *)(plan->data + plan->code.offset + images),
                       images + (uint64_t)program->n_codes * program->n_archs * sizeof(struct pln_plan_code_image));
}

static enum pln_status read_properties(struct reader *reader)
{
    struct pln_program *program = reader->program;
    const struct pln_plan_properties *from = section(reader, PLN_PLAN_PROPERTIES);
    uint64_t vocabulary;
    if (from->flags || from->reserved[0] || from->reserved[1] || from->reserved[2]) return newer(reader, "properties");
    if (!pln_plan_vocabulary(from->n_elementwise, from->n_reduce, &vocabulary) || vocabulary != from->vocabulary) {
        return pln_fail(reader->diag, PLN_INCOMPATIBLE, "%s: the plan was made by %s, which knows other elementwise functions; build it again from the model", reader->name,
                        text(reader, from->producer));
    }
    program->name = text(reader, from->name);
    program->target = text(reader, from->target);
    program->n_nodes = from->n_nodes;
    program->needs = from->needs;
    program->taps = list(reader, from->taps, from->n_taps);
    program->n_taps = from->n_taps;
    const uint32_t *devices = list(reader, from->devices, from->n_devices);
    program->n_devices = devices ? from->n_devices : 0;
    program->graph = reader->graph.size_bytes ? (const char *)reader->data + reader->graph.offset : NULL;
    program->graph_bytes = (size_t)reader->graph.size_bytes;
    program->devices = pln_arena_array(reader->arena, program->n_devices + (size_t)1, sizeof *program->devices);
    if (!program->devices) return no_memory(reader, program->n_devices * sizeof *program->devices);
    for (uint32_t i = 0; i < program->n_devices; i++) program->devices[i] = text(reader, devices[i]);
    return PLN_OK;
}

/* ---- other targets ---- */

/* The metadata of another target, whose sections are in place then. */
static enum pln_status open_target(const struct reader *plan, const struct pln_plan_target *target, struct reader *out_target)
{
    *out_target = (struct reader){ .data = plan->data + plan->targets.offset + target->offset, .size_bytes = (size_t)target->size_bytes, .name = plan->name, .arena = plan->arena, .diag = plan->diag,
                                   .pool = plan->pool, .plan = plan, .program = plan->program };
    struct pln_plan_header *header = &out_target->header;
    memcpy(header, out_target->data, sizeof *header);
    if (memcmp(header->magic, plan->header.magic, sizeof header->magic) != 0 || header->version != plan->header.version || header->endian != PLN_PLAN_ENDIAN || header->checksum ||
        header->file_bytes != target->size_bytes || header->metadata_bytes != target->size_bytes || header->n_sections > (target->size_bytes - sizeof *header) / sizeof(struct pln_plan_section))
        return damaged(out_target, "the header of a target is wrong");
    PLN_TRY(check_reserved(out_target));
    PLN_TRY(check_sections(out_target));
    if (out_target->graph.offset || out_target->targets.offset || out_target->code.offset || out_target->weights.offset || out_target->sections[PLN_PLAN_CHECKSUMS].size_bytes)
        return damaged(out_target, "a target has what only a plan has");
    return PLN_OK;
}

static uint64_t needs_of(const struct reader *reader)
{
    return ((const struct pln_plan_properties *)section(reader, PLN_PLAN_PROPERTIES))->needs;
}

/* Nothing hides between targets. */
static enum pln_status check_place(struct reader *plan, const struct pln_plan_target *target, uint64_t *end)
{
    const uint8_t *data = plan->data + plan->targets.offset;
    if (target->offset != pln_align_up(*end, 8) || target->offset > plan->targets.size_bytes || target->size_bytes > plan->targets.size_bytes - target->offset ||
        target->size_bytes < sizeof(struct pln_plan_header))
        return damaged(plan, "a target is not where it must be");
    for (uint64_t i = *end; i < target->offset; i++)
        if (data[i]) return damaged(plan, "padding is not 0");
    *end = target->offset + target->size_bytes;
    return PLN_OK;
}

/* GPUs of Tegra, whose code is for nobody else, nor does theirs take that of others. */
static bool is_alone(const char *arch)
{
    return pln_str_equal(arch, "sm_72") || pln_str_equal(arch, "sm_87");
}

uint32_t pln_plan_find_arch(const char *const *archs, uint32_t n_archs, const char *arch)
{
    uint32_t best = PLN_NONE;
    const size_t length = strlen(arch), digits = length > 0 && arch[length - 1] == 'a' ? length - 1 : length;
    for (uint32_t i = 0; i < n_archs; i++) {
        const char *other = archs[i];
        if (pln_str_equal(other, arch)) return i;
        bool same_major = digits > 1 && strlen(other) == digits && memcmp(other, arch, digits - 1) == 0 && other[digits - 1] <= arch[digits - 1];
        if (same_major && !is_alone(arch) && !is_alone(other) && (best == PLN_NONE || strcmp(other, archs[best]) > 0)) best = i;
    }
    return best;
}

/* The device's bit in what targets are for; all bits where it makes no difference. */
static uint32_t arch_bit(struct reader *plan, const struct pln_plan_read_options *options)
{
    const struct pln_plan_properties *properties = section(plan, PLN_PLAN_PROPERTIES);
    const uint32_t *devices = list(plan, properties->devices, properties->n_devices);
    const char *arch = options->arch && devices && !plan->failed ? options->arch(options->user, text(plan, devices[0])) : NULL;
    if (!arch) return UINT32_MAX;
    const uint32_t at = pln_plan_find_arch(plan->program->archs, plan->program->n_archs, arch);
    return at < 32 ? (uint32_t)1 << at : 0;
}

/* One target after another, from the least to the best, the plan's own first. */
struct choice {
    const struct pln_plan_read_options *options;
    struct reader *chosen;
    uint32_t gpu; /* its bit */
    enum { CHOICE_NONE, CHOICE_GPU, CHOICE_BOTH } fits; /* what of the machine the chosen one is for */
};

/* The last that fits is the best; where none does, the first that is for the GPU at least, else the first, so that what is missing can be said. */
static void consider(struct choice *choice, const struct reader *reader, uint32_t archs)
{
    const bool gpu = (archs ? archs : UINT32_MAX) & choice->gpu, cpu = !(needs_of(reader) & ~choice->options->features);
    if (choice->chosen->plan && (choice->options->first || !gpu || (!cpu && choice->fits != CHOICE_NONE))) return;
    *choice->chosen = *reader;
    choice->chosen->program->for_archs = archs;
    choice->fits = gpu && cpu ? CHOICE_BOTH : gpu ? CHOICE_GPU : CHOICE_NONE;
}

static enum pln_status read_targets(struct reader *plan, const struct pln_plan_targets_head *head, struct choice *choice)
{
    const uint8_t *data = plan->data + plan->targets.offset;
    uint64_t *needs = pln_arena_array(plan->arena, head->n_targets + (size_t)1, sizeof *needs), end = sizeof *head + head->n_targets * sizeof(struct pln_plan_target);
    if (!needs) return no_memory(plan, head->n_targets * sizeof *needs);
    needs[0] = needs_of(plan);
    for (uint32_t i = 0; i < head->n_targets; i++) {
        struct pln_plan_target target;
        struct reader reader;
        memcpy(&target, data + sizeof *head + i * sizeof target, sizeof target);
        if (target.reserved[0] || target.reserved[1] || target.reserved[2]) return newer(plan, "targets");
        PLN_TRY(check_place(plan, &target, &end));
        PLN_TRY(open_target(plan, &target, &reader));
        needs[i + 1] = needs_of(&reader);
        consider(choice, &reader, target.archs);
    }
    if (end != plan->targets.size_bytes) return damaged(plan, "its targets do not fill their section");
    plan->program->targets = needs;
    plan->program->n_targets = head->n_targets + 1;
    return PLN_OK;
}

/* The reader of the best target for this machine. */
static enum pln_status choose_target(struct reader *plan, const struct pln_plan_read_options *options, struct reader *out_chosen)
{
    struct pln_plan_targets_head head = { 0 };
    const uint64_t bytes = plan->targets.size_bytes;
    *out_chosen = *plan;
    if (!plan->targets.offset) return PLN_OK;
    if (bytes < sizeof head) return damaged(plan, "its targets have a wrong size");
    memcpy(&head, plan->data + plan->targets.offset, sizeof head);
    if (head.reserved[0] || head.reserved[1]) return newer(plan, "targets");
    if (head.n_targets == 0 || head.n_targets >= PLN_PLAN_MOST_TARGETS || head.n_targets > (bytes - sizeof head) / sizeof(struct pln_plan_target))
        return damaged(plan, "its targets have a wrong size");
    struct choice choice = { .options = options, .chosen = out_chosen, .gpu = head.archs ? arch_bit(plan, options) : UINT32_MAX };
    out_chosen->plan = NULL; /* none yet */
    consider(&choice, plan, head.archs);
    return read_targets(plan, &head, &choice);
}

static enum pln_status read_program(struct reader *reader)
{
    PLN_TRY(read_properties(reader));
    PLN_TRY(read_dims(reader));
    PLN_TRY(read_slots(reader));
    PLN_TRY(read_steps(reader));
    PLN_TRY(read_blocks(reader));
    PLN_TRY(read_weights(reader));
    PLN_TRY(read_tables(reader));
    return reader->failed ? PLN_BAD_PLAN : PLN_OK;
}

enum pln_status pln_plan_read(const void *data, size_t size_bytes, const char *name, const struct pln_plan_read_options *options, struct pln_arena *arena, struct pln_diag *diag,
                              struct pln_program *out_program)
{
    memset(out_program, 0, sizeof *out_program);
    out_program->arena = arena;
    struct reader plan = { .data = data, .size_bytes = size_bytes, .name = name, .arena = arena, .diag = diag, .pool = options->pool, .plan = &plan, .program = out_program }, chosen;
    PLN_TRY(check_header(&plan));
    PLN_TRY(check_sections(&plan));
    PLN_TRY(read_code(&plan));
    PLN_TRY(choose_target(&plan, options, &chosen));
    if (plan.failed) return PLN_BAD_PLAN;
    PLN_TRY(read_program(&chosen));
    PLN_TRY(pln_program_verify(out_program, plan.weights.size_bytes, diag));
    return check_weights(&plan, options);
}
