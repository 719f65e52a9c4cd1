#define _GNU_SOURCE
/* The harness on a GPU, real or fake (PLANISH_TEST_DEVICE=cuda), or with the compiler alone (PLANISH_TEST_DEVICE=sm_80:
 * nothing runs).
 *
 * Each case goes to every row that takes it, once as it is and, where it is made of f32, once more in another type.
 * Operands lie at the end of allocations of their own, behind bytes that nobody may change; outputs are NaN before. The
 * first round submits commands as they are, the second goes through a recording. Compilers and the fake are slow:
 * PLANISH_TEST_SAMPLE=rows keeps the first source of each row; types, the first of each row, element types and whether
 * something is fused; a number N, as types, and one in N of the rest; rows,N as rows, and one in N. Of a source, the
 * first cases run; with a number, one in N of the others, too. PLANISH_TEST_SHARE=3/8 is the third of eight programs
 * that run beside each other and take an eighth of these sources each (a source of attention takes seconds to compile).
 * PLANISH_TEST_CODE is a folder where compiled code is kept, so that what has not changed is not compiled again.
 * PLANISH_TEST_TOOL=1: see tool.c. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/hash.h"
#include "ops/op.h"
#include "tests/kernels/attempt.h"

#define FRONT_BYTES      256 /* in front of every operand */
#define ALLOCATION_ALIGN 256

enum { MAX_ROWS = 1024, CASES_MOST = 6, PAGE_ARRAYS = 3, SPARE_BYTES = 64 << 10 };

struct source {
    struct source *next;
    char *text;
    bool is_compiled;
    struct pln_device_code *code;
    unsigned n_cases; /* that have it */
    struct tool_seen seen;
};

/* An allocation that was given back. */
struct spare {
    struct spare *next;
    void *memory;
    size_t size_bytes;
};

static struct {
    const struct pln_backend *backend;
    struct pln_device *device;
    struct pln_queue *queue;
    struct pln_device_caps caps;
    struct source *sources;
    struct spare *spares;
    bool row_tested[MAX_ROWS]; /* here, or in another share */
    unsigned n_cases;
} gpu;

static const char *wanted(void)
{
    const char *device = getenv("PLANISH_TEST_DEVICE");
    return device != NULL && *device != '\0' ? device : NULL;
}

bool device_wanted(void)
{
    return wanted() != NULL;
}

/* Code is compiled for an architecture, and thrown away. */
static bool only_compiles(void)
{
    return strncmp(wanted(), "sm_", 3) == 0;
}

/* ---- the device ---- */

static void must(enum pln_status status, const struct pln_diag *diag, const char *what)
{
    if (status != PLN_OK) fail_msg("%s: %s", what, diag->count > 0 ? diag->entries[0].text : pln_status_text(status));
}

static void close_device(void)
{
    while (gpu.sources != NULL) {
        struct source *source = gpu.sources;
        gpu.sources = source->next;
        if (source->code != NULL) gpu.backend->code_unload(gpu.device, source->code);
        free(source->seen.features);
        free(source->text);
        free(source);
    }
    while (gpu.spares != NULL) {
        struct spare *spare = gpu.spares;
        gpu.spares = spare->next;
        gpu.backend->release(gpu.device, spare->memory, spare->size_bytes);
        free(spare);
    }
    gpu.backend->queue_destroy(gpu.queue);
    gpu.backend->close(gpu.device);
}

static void open_device(void)
{
    struct pln_diag diag;
    int ordinal;
    pln_diag_init(&diag);
    if (gpu.backend != NULL) return;
    must(pln_backend_find(only_compiles() ? "cuda" : wanted(), &diag, &gpu.backend, &ordinal), &diag,
         "finding the device");
    if (only_compiles()) {
        snprintf(gpu.caps.arch, sizeof gpu.caps.arch, "%s", wanted());
        if (!gpu.backend->arch_features(gpu.caps.arch, &gpu.caps.features))
            fail_msg("there is no architecture %s", gpu.caps.arch);
        return;
    }
    const struct pln_device_options options = { .alloc = NULL };
    must(gpu.backend->open(ordinal, &options, &diag, &gpu.device), &diag, "opening the device");
    must(gpu.backend->queue_create(gpu.device, &diag, &gpu.queue), &diag, "a queue");
    gpu.backend->caps(gpu.device, &gpu.caps);
    atexit(close_device);
}

static struct source *find_source(const char *text)
{
    struct source *source = gpu.sources;
    while (source != NULL && strcmp(source->text, text) != 0) source = source->next;
    return source;
}

static struct source *keep_source(const char *text)
{
    struct source *source = find_source(text);
    if (source != NULL) return source;
    source = calloc(1, sizeof *source);
    source->text = strdup(text);
    source->next = gpu.sources;
    return gpu.sources = source;
}

/* ---- code ---- */

/* Where code of the source is kept; "": nowhere. */
static void find_place(const char *text, char *out_path, size_t path_bytes)
{
    const char *folder = getenv("PLANISH_TEST_CODE");
    out_path[0] = '\0';
    if (folder == NULL || *folder == '\0') return;
    uint64_t key = pln_hash64(text, strlen(text), gpu.backend->code_key());
    key = pln_hash64(gpu.caps.arch, strlen(gpu.caps.arch), key);
    snprintf(out_path, path_bytes, "%s/%016llx", folder, (unsigned long long)key);
}

/* NULL: it is not kept. */
static void *read_code(const char *path, size_t *out_bytes)
{
    FILE *file = *path != '\0' ? fopen(path, "rb") : NULL;
    long bytes = 0;
    if (file == NULL) return NULL;
    if (fseek(file, 0, SEEK_END) != 0 || (bytes = ftell(file)) <= 0) fail_msg("%s cannot be read, or is empty", path);
    rewind(file);
    *out_bytes = (size_t)bytes;
    void *code = pln_alloc(NULL, *out_bytes, 64);
    assert_non_null(code);
    if (fread(code, 1, *out_bytes, file) != *out_bytes) fail_msg("%s cannot be read", path);
    fclose(file);
    return code;
}

/* Under another name first: other programs read it at the same time. */
static void keep_code(const char *path, const void *code, size_t bytes)
{
    char made[4160];
    if (*path == '\0') return;
    snprintf(made, sizeof made, "%s.%ld", path, (long)getpid());
    FILE *file = fopen(made, "wb");
    if (file == NULL || fwrite(code, 1, bytes, file) != bytes || fclose(file) != 0 || rename(made, path) != 0)
        fail_msg("%s cannot be written", path);
}

/* What the runtime makes of a launch whose outputs are all empty: parameters that are all 0. */
static void launch_nothing(const struct pln_kernel *kernel, const struct pln_device_code *code)
{
    static const struct pln_launch launch;
    struct pln_command command = { .kind = PLN_COMMAND_LAUNCH, .kernel = kernel, .code = code, .launch = &launch };
    struct pln_diag diag;
    pln_diag_init(&diag);
    must(gpu.backend->submit(gpu.queue, &command, 1, NULL, 0, &diag), &diag, kernel->name);
    must(gpu.backend->sync(gpu.queue, &diag), &diag, kernel->name);
}

/* Compiled, and loaded where there is a device, once for each source. */
static const struct pln_device_code *code_of(struct source *source, const struct pln_kernel *kernel)
{
    struct pln_diag diag;
    size_t bytes;
    char path[4096];
    if (source->is_compiled) return source->code;
    source->is_compiled = true;
    find_place(source->text, path, sizeof path);
    if (only_compiles() && *path != '\0' && access(path, F_OK) == 0) return NULL;
    pln_diag_init(&diag);
    void *code = read_code(path, &bytes);
    if (code == NULL) {
        must(gpu.backend->compile(source->text, gpu.caps.arch, NULL, &diag, &code, &bytes), &diag, kernel->name);
        keep_code(path, code, bytes);
    }
    if (!only_compiles()) must(gpu.backend->code_load(gpu.device, code, bytes, &diag, &source->code), &diag, kernel->name);
    pln_free(NULL, code, bytes);
    if (source->code != NULL) launch_nothing(kernel, source->code);
    return source->code;
}

/* ---- operands ---- */

/* An allocation and what the host wants in it: FRONT_BYTES at least of canaries, the operand, then nothing. */
struct operand {
    uint8_t *image;
    void *memory;
    size_t size_bytes, at, span_bytes;
    struct pln_tensor tensor;      /* data: the device's address */
    struct pln_tensor host, whole; /* the image and the allocation, as bytes */
};

/* Of exactly this size, for its end is watched. Small allocations are used again: each waits for the GPU, and longer
 * under a tool. */
static void *take_memory(size_t size_bytes)
{
    struct spare **at = &gpu.spares;
    while (*at != NULL && (*at)->size_bytes != size_bytes) at = &(*at)->next;
    struct spare *spare = *at;
    void *memory = NULL;
    if (spare == NULL) return gpu.backend->alloc(gpu.device, size_bytes, "a test", NULL, &memory) == PLN_OK ? memory : NULL;
    memory = spare->memory;
    *at = spare->next;
    free(spare);
    return memory;
}

static void give_memory(void *memory, size_t size_bytes)
{
    if (memory == NULL) return;
    if (size_bytes > SPARE_BYTES) {
        gpu.backend->release(gpu.device, memory, size_bytes);
        return;
    }
    struct spare *spare = malloc(sizeof *spare);
    *spare = (struct spare){ .next = gpu.spares, .memory = memory, .size_bytes = size_bytes };
    gpu.spares = spare;
}

static void operand_init(struct operand *operand, const struct pln_tensor *tensor, size_t span_bytes, size_t align)
{
    *operand = (struct operand){ .tensor = *tensor, .span_bytes = span_bytes };
    operand->size_bytes = pln_align_up(FRONT_BYTES + pln_align_up(span_bytes, align), ALLOCATION_ALIGN);
    operand->at = (operand->size_bytes - span_bytes) / align * align;
    operand->image = malloc(operand->size_bytes);
    memset(operand->image, CANARY, operand->size_bytes);
    operand->memory = take_memory(operand->size_bytes);
    if (operand->memory == NULL) fail_msg("no device memory for %zu bytes", operand->size_bytes);
    operand->tensor.data = (char *)operand->memory + operand->at;
    const int64_t dims[1] = { (int64_t)operand->size_bytes };
    pln_tensor_init(&operand->host, PLN_U8, 1, dims, operand->image);
    pln_tensor_init(&operand->whole, PLN_U8, 1, dims, operand->memory);
}

static void operand_deinit(struct operand *operand)
{
    give_memory(operand->memory, operand->size_bytes);
    free(operand->image);
}

static void place(struct operand *operand, const struct pln_tensor *plain, enum layout layout)
{
    struct pln_tensor tensor = *plain;
    const size_t elem_bytes = (size_t)pln_dtype_bits(plain->dtype) / 8;
    const size_t span_bytes = (size_t)case_lay_out(&tensor, layout) * elem_bytes;
    operand_init(operand, &tensor, span_bytes, PLN_MAX(elem_bytes, 1));
}

/* The operand as it lies in the image. */
static struct pln_tensor in_image(const struct operand *operand)
{
    struct pln_tensor tensor = operand->tensor;
    tensor.data = operand->image + operand->at;
    return tensor;
}

static void check_canaries(const struct attempt *attempt, const struct operand *operand)
{
    char *mark = case_mark_elements(&operand->tensor, operand->span_bytes);
    for (size_t i = 0; i < operand->size_bytes; i++) {
        if (i >= operand->at && i < operand->at + operand->span_bytes && mark[i - operand->at]) continue;
        if (operand->image[i] != CANARY)
            fail_msg("%s: %s wrote %td bytes from the start of its output, where no element is", attempt->c->name,
                     attempt->name, (ptrdiff_t)i - (ptrdiff_t)operand->at);
    }
    free(mark);
}

/* NaN in every element, canaries between them. */
static void poison(const struct operand *operand)
{
    char *mark = case_mark_elements(&operand->tensor, operand->span_bytes);
    memset(operand->image, CANARY, operand->size_bytes);
    for (size_t i = 0; i < operand->span_bytes; i++)
        if (mark[i]) operand->image[operand->at + i] = 0xff;
    free(mark);
}

static void place_packed(struct operand *operand, const struct pln_kernel *kernel, const struct pln_tensor *plain,
                         size_t *out_bytes)
{
    const struct pln_pack_format *format = kernel->family->pack(kernel);
    assert_true(format->bytes(plain, out_bytes));
    operand_init(operand, plain, *out_bytes, 64);
    void *packed = aligned_alloc(64, pln_align_up(*out_bytes + 1, 64));
    format->pack(plain, packed);
    memcpy(operand->image + operand->at, packed, *out_bytes);
    struct pln_tensor back = *plain;
    back.data = calloc(pln_tensor_bytes(plain) + 1, 1);
    if (format->unpack != NULL) {
        format->unpack(packed, &back);
        assert_memory_equal(back.data, plain->data, pln_tensor_bytes(plain));
    }
    free(back.data);
    free(packed);
}

/* ---- one attempt ---- */

static const struct pln_device_code *code_for_attempt;

struct round {
    const struct attempt *attempt;
    struct operand inputs[CASE_INPUTS], outputs[CASE_OUTPUTS];
    struct pln_tensor in[CASE_INPUTS], out[CASE_OUTPUTS];
    struct pln_launch launch;
    void *state;
    struct pln_prepared prepared;
    struct operand arrays[PAGE_ARRAYS]; /* of a case with pages */
    struct pln_paged paged;
    struct pln_command commands[CASE_INPUTS + PAGE_ARRAYS + 2 * CASE_OUTPUTS + 1];
    size_t n_commands;
    struct pln_recording *recording;
};

static void place_inputs(struct round *round)
{
    const struct attempt *attempt = round->attempt;
    const struct kernel_case *c = attempt->c;
    for (int i = 0; i < c->n_inputs; i++) {
        if (!c->inputs[i].present) continue;
        const struct pln_tensor *plain = &attempt->oracle->items[i].tensor;
        struct operand *operand = &round->inputs[i];
        if (attempt->kernel->family->host_inputs >> i & 1) {
            round->in[i] = *plain;
            continue;
        }
        if (attempt->packed && i == attempt->kernel->family->packed_input) {
            place_packed(operand, attempt->kernel, plain, &round->launch.packed_bytes);
        } else {
            place(operand, plain, attempt_input_layout(attempt, i));
            const struct pln_tensor image = in_image(operand);
            pln_tensor_copy(plain, &image);
        }
        round->in[i] = operand->tensor;
    }
    for (int o = 0; o < c->n_outputs; o++) {
        place(&round->outputs[o], &attempt->oracle->outputs[o]->tensor, attempt_output_layout(attempt, o));
        round->out[o] = round->outputs[o].tensor;
    }
}

/* NULL stays NULL. */
static const void *place_array(struct operand *operand, enum pln_dtype dtype, int64_t count, const void *values)
{
    struct pln_tensor plain;
    if (values == NULL) return NULL;
    pln_tensor_init(&plain, dtype, 1, &count, (void *)(uintptr_t)values);
    place(operand, &plain, LAYOUT_PLAIN);
    const struct pln_tensor image = in_image(operand);
    pln_tensor_copy(&plain, &image);
    return operand->tensor.data;
}

static void place_pages(struct round *round)
{
    const struct pln_paged *plain = round->attempt->c->paged;
    if (plain == NULL) return;
    round->paged = *plain;
    round->paged.pages = place_array(&round->arrays[0], PLN_I32, plain->rows * plain->pages_a_row, plain->pages);
    round->paged.lengths = place_array(&round->arrays[1], PLN_I64, plain->rows, plain->lengths);
    round->paged.offsets = place_array(&round->arrays[2], PLN_I64, plain->rows, plain->offsets);
    round->launch.paged = &round->paged;
}

static void add_copy(struct round *round, struct operand *operand, bool from_host)
{
    struct pln_command *command = &round->commands[round->n_commands++];
    *command = (struct pln_command){ .kind = PLN_COMMAND_COPY, .from_host = from_host, .to_host = !from_host };
    command->from = from_host ? &operand->host : &operand->whole;
    command->to = from_host ? &operand->whole : &operand->host;
}

/* The second time it is the state of the first, brought up to date, where the family can do that. */
static void prepare_launch(struct round *round)
{
    const struct attempt *attempt = round->attempt;
    const struct pln_kernel_family *family = attempt->kernel->family;
    const size_t state_bytes = pln_align_up(family->state_bytes, 64);
    struct pln_diag diag;
    pln_diag_init(&diag);
    if (round->state != NULL && family->update != NULL) {
        must(family->update(&round->launch, round->state, &round->prepared, &diag), &diag, attempt->name);
    } else {
        free(round->state);
        round->state = aligned_alloc(64, state_bytes);
        memset(round->state, 0, state_bytes);
        round->prepared = (struct pln_prepared){ 0 };
        must(pln_kernel_prepare(attempt->kernel, &round->launch, round->state, &round->prepared, &diag), &diag,
             attempt->name);
    }
    assert_true(round->prepared.block_threads > 0 && round->prepared.block_threads <= 1024);
    if (tool_wanted()) tool_count_launch(attempt->kernel, &round->prepared);
    round->commands[round->n_commands++] = (struct pln_command){ .kind = PLN_COMMAND_LAUNCH,
                                                                 .kernel = attempt->kernel,
                                                                 .code = code_for_attempt,
                                                                 .state = round->state,
                                                                 .prepared = round->prepared,
                                                                 .launch = &round->launch };
}

/* Data, kernel, results: in one go, or the kernel as a recording between the copies. */
static enum pln_status submit_commands(struct round *round, bool recorded, struct pln_diag *diag)
{
    struct kernel_case *c = round->attempt->c;
    round->n_commands = 0;
    for (int i = 0; i < c->n_inputs; i++)
        if (round->inputs[i].memory != NULL && !recorded) add_copy(round, &round->inputs[i], true);
    for (int i = 0; i < PAGE_ARRAYS; i++)
        if (round->arrays[i].memory != NULL && !recorded) add_copy(round, &round->arrays[i], true);
    for (int o = 0; o < c->n_outputs; o++) add_copy(round, &round->outputs[o], true);
    const size_t at = round->n_commands;
    prepare_launch(round);
    for (int o = 0; o < c->n_outputs; o++) add_copy(round, &round->outputs[o], false);
    if (!recorded) return gpu.backend->submit(gpu.queue, round->commands, round->n_commands, NULL, 0, diag);
    PLN_TRY(gpu.backend->submit(gpu.queue, round->commands, at, NULL, 0, diag));
    PLN_TRY(gpu.backend->submit(gpu.queue, round->commands + at, 1, &round->recording, 1, diag));
    return gpu.backend->submit(gpu.queue, round->commands + at + 1, (size_t)c->n_outputs, NULL, 0, diag);
}

/* A fault may be told by the submission behind it. */
static void submit(struct round *round, bool recorded)
{
    const char *name = round->attempt->name, *fault = round->attempt->c->fault;
    struct pln_diag diag, ignored;
    pln_diag_init(&diag);
    pln_diag_init(&ignored);
    enum pln_status status = submit_commands(round, recorded, &diag);
    if (status == PLN_OK) status = gpu.backend->sync(gpu.queue, &diag);
    else must(gpu.backend->sync(gpu.queue, &ignored), &ignored, name);
    if (fault == NULL) must(status, &diag, name);
    else if (status != PLN_INVALID_ARGUMENT || strstr(diag.entries[0].text, fault) == NULL)
        fail_msg("%s: %s: it ends with '%s', not with '%s'", round->attempt->c->name, name,
                 diag.count > 0 ? diag.entries[0].text : pln_status_text(status), fault);
}

static void run_attempt(const struct attempt *attempt)
{
    struct kernel_case *c = attempt->c;
    struct round round = { .attempt = attempt };
    void *first[CASE_OUTPUTS] = { NULL }; /* of a case that ends with a fault: none */
    round.launch = (struct pln_launch){ .op = (uint16_t)c->op,
                                        .kind = (uint16_t)c->kind,
                                        .attrs = &c->attrs,
                                        .epilogue = c->has_epilogue ? &c->epilogue : NULL,
                                        .program = c->has_program ? &c->program : NULL,
                                        .n_inputs = c->n_inputs,
                                        .n_outputs = c->n_outputs,
                                        .inputs = round.in,
                                        .outputs = round.out };
    place_inputs(&round);
    place_pages(&round);
    const int rounds = tool_wanted() ? 1 : 2;
    for (int recorded = 0; recorded < rounds; recorded++) {
        for (int o = 0; o < c->n_outputs; o++) poison(&round.outputs[o]);
        submit(&round, recorded != 0);
        for (int o = 0; o < c->n_outputs; o++) {
            check_canaries(attempt, &round.outputs[o]);
            if (c->fault != NULL) continue;
            const struct pln_tensor image = in_image(&round.outputs[o]);
            void *got = attempt_compare(attempt, o, &image);
            if (recorded == 0) {
                first[o] = got;
                continue;
            }
            if (memcmp(first[o], got, pln_tensor_bytes(&attempt->oracle->outputs[o]->tensor)) != 0)
                fail_msg("%s: %s: a second run gives other bits", c->name, attempt->name);
            free(got);
        }
    }
    for (int o = 0; o < c->n_outputs; o++) free(first[o]);
    gpu.backend->recording_destroy(gpu.queue, round.recording);
    for (int i = 0; i < c->n_inputs; i++) operand_deinit(&round.inputs[i]);
    for (int i = 0; i < PAGE_ARRAYS; i++) operand_deinit(&round.arrays[i]);
    for (int o = 0; o < c->n_outputs; o++) operand_deinit(&round.outputs[o]);
    free(round.state);
}

/* ---- rows ---- */

/* The row's source for the case. It must not say what the extents are: it is the same when none is known, if the row
 * then takes the problem. */
static void emit(const struct pln_kernel *kernel, const struct kernel_case *c, const struct oracle *oracle,
                 struct pln_text *out_source)
{
    struct case_problem known, unknown;
    struct pln_diag diag;
    struct pln_text other;
    pln_diag_init(&diag);
    pln_text_init(out_source, NULL);
    pln_text_init(&other, NULL);
    case_problem_init(&known, c, oracle, gpu.caps.features);
    unknown = known;
    unknown.problem.inputs = unknown.inputs;
    unknown.problem.outputs = unknown.outputs;
    for (int i = 0; i < c->n_inputs; i++)
        for (int d = 0; d < PLN_MAX_RANK; d++) unknown.inputs[i].dims[d] = -1;
    for (int o = 0; o < c->n_outputs; o++)
        for (int d = 0; d < PLN_MAX_RANK; d++) unknown.outputs[o].dims[d] = -1;
    must(kernel->family->emit(kernel, &known.problem, &diag, out_source), &diag, kernel->name);
    if (kernel->family->supports(kernel, &unknown.problem) == NULL) {
        must(kernel->family->emit(kernel, &unknown.problem, &diag, &other), &diag, kernel->name);
        if (strcmp(out_source->data, other.data) != 0)
            fail_msg("%s: %s: its source depends on extents", c->name, kernel->name);
    }
    pln_text_deinit(&other);
}

/* A row with the element types of a problem, and whether something is fused. */
static uint64_t kind_of(const struct pln_problem *problem)
{
    uint64_t kind = 1 + (uint64_t)(problem->epilogue != NULL);
    for (int i = 0; i < problem->n_inputs && i < 4; i++)
        kind = kind * 64 + (problem->inputs[i].present ? problem->inputs[i].dtype : 0);
    return kind * 64 + problem->outputs[0].dtype;
}

static bool is_first(size_t row, uint64_t kind)
{
    struct kind {
        struct kind *next;
        size_t row;
        uint64_t kind;
    };
    static struct kind *seen;
    for (const struct kind *one = seen; one != NULL; one = one->next)
        if (one->row == row && one->kind == kind) return false;
    struct kind *one = malloc(sizeof *one);
    *one = (struct kind){ .next = seen, .row = row, .kind = kind };
    seen = one;
    return true;
}

/* Which part of how many this program takes. */
static void get_share(unsigned *out_part, unsigned *out_parts)
{
    const char *share = getenv("PLANISH_TEST_SHARE");
    *out_part = *out_parts = 1;
    if (share != NULL && *share != '\0' &&
        (sscanf(share, "%u/%u", out_part, out_parts) != 2 || *out_part < 1 || *out_part > *out_parts))
        fail_msg("PLANISH_TEST_SHARE is '%s', not 3/8 and its like", share);
}

static bool in_share(const struct pln_text *source)
{
    unsigned part, parts;
    get_share(&part, &parts);
    return parts <= 1 || pln_hash64(source->data, source->size_bytes, 1) % parts == part - 1;
}

static bool in_sample(const struct kernel_case *c, size_t row, const struct pln_problem *problem,
                      const struct pln_text *source)
{
    const char *sample = getenv("PLANISH_TEST_SAMPLE");
    if (sample == NULL || *sample == '\0') return true;
    const bool rows = strncmp(sample, "rows", 4) == 0;
    const uint64_t one_in = strtoul(rows && sample[4] != '\0' ? sample + 5 : sample, NULL, 10);
    struct source *known = find_source(source->data);
    if (known != NULL && !gpu.row_tested[row]) return true; /* another row has the same source */
    if (known != NULL && (c->whole || tool_wanted())) return true; /* of the latter, those that are new (tool.c) */
    if (known != NULL) return ++known->n_cases < CASES_MOST || (one_in > 0 && known->n_cases % one_in == 0);
    if (is_first(row, rows ? 0 : kind_of(problem))) return true;
    return one_in > 0 && pln_hash64(source->data, source->size_bytes, 0) % one_in == 0;
}

/* One of the rows that take the case. */
static void run_row(size_t row, struct kernel_case *c, const struct oracle *oracle)
{
    const struct pln_kernel *kernel = gpu.backend->kernels[row];
    struct pln_text text;
    struct case_problem problem;
    emit(kernel, c, oracle, &text);
    case_problem_init(&problem, c, oracle, gpu.caps.features);
    if (in_sample(c, row, &problem.problem, &text)) {
        struct source *source = keep_source(text.data);
        gpu.row_tested[row] = true;
        if (in_share(&text) && (!tool_wanted() || tool_takes(&source->seen, kernel, c, oracle))) {
            if (tool_wanted()) tool_count_case(kernel, !source->is_compiled);
            code_for_attempt = code_of(source, kernel);
            if (!only_compiles()) attempt_each(kernel, c, oracle, gpu.caps.features, run_attempt);
        }
    }
    pln_text_deinit(&text);
}

static void run_rows(struct kernel_case *c, bool tf32)
{
    struct oracle oracle;
    c->tf32 = tf32;
    oracle_init(&oracle, c);
    const struct pln_kernel *const *rows = gpu.backend->kernels;
    for (size_t i = 0; rows[i] != NULL && i < MAX_ROWS; i++) {
        const struct pln_kernel *kernel = rows[i];
        if (kernel->op != c->op || (kernel->needs & ~gpu.caps.features) != 0 ||
            ((kernel->needs & PLN_FEATURE_TF32) != 0) != tf32 || !case_supported(kernel, c, &oracle, gpu.caps.features))
            continue;
        run_row(i, c, &oracle);
    }
    oracle_deinit(&oracle);
}

/* ---- other element types ---- */

static bool kind_takes(unsigned kind, enum pln_dtype dtype)
{
    const enum pln_ew_class cls = pln_ew_get(kind)->cls;
    return pln_dtype_is_float(dtype) || cls == PLN_EW_CLASS_N || cls == PLN_EW_CLASS_S || cls == PLN_EW_CLASS_C;
}

/* An f32 program in another type. */
static bool program_takes(const struct pln_rowprog *program, enum pln_dtype dtype)
{
    if (pln_dtype_is_float(dtype)) return true;
    for (int k = 0; k < program->n_instrs; k++) {
        const struct pln_rowprog_instr *instr = &program->instrs[k];
        if (instr->code == PLN_ROWPROG_REDUCE || (instr->code == PLN_ROWPROG_CONST && instr->imm != rint(instr->imm)))
            return false;
        if (instr->code == PLN_ROWPROG_EW && !kind_takes(instr->kind, dtype)) return false;
    }
    return true;
}

static bool case_takes(const struct kernel_case *c, enum pln_dtype dtype)
{
    if (c->has_epilogue && !program_takes(&c->epilogue, dtype)) return false;
    if (c->has_program && !program_takes(&c->program, dtype)) return false;
    if (pln_dtype_is_float(dtype) || c->op == PLN_OP_MATMUL || c->op == PLN_OP_GEMM || c->has_program) return true;
    return c->op == PLN_OP_ELEMENTWISE ? kind_takes(c->kind, dtype) : pln_op_get(c->op)->tolerance == PLN_TOL_EXACT;
}

static void retype_program(struct pln_rowprog *program, enum pln_dtype dtype)
{
    for (int i = 0; i < program->n_inputs; i++)
        if (program->inputs[i].dtype == PLN_F32) program->inputs[i].dtype = (uint8_t)dtype;
    for (int o = 0; o < program->n_outputs; o++)
        if (program->outputs[o].dtype == PLN_F32) program->outputs[o].dtype = (uint8_t)dtype;
    for (int k = 0; k < program->n_instrs; k++)
        if (program->instrs[k].dtype == PLN_F32) program->instrs[k].dtype = (uint8_t)dtype;
}

static void run_retyped(const struct kernel_case *c, enum pln_dtype dtype)
{
    struct kernel_case other = *c;
    bool any = false;
    memset(&other.attrs, 0, sizeof other.attrs);
    pln_arena_init(&other.arena, NULL, 0);
    assert_true(pln_attrs_copy(&other.attrs, &other.arena, &c->attrs));
    for (int i = 0; i < c->n_inputs; i++) {
        if (c->inputs[i].dtype != PLN_F32 || c->inputs[i].values != NULL) continue;
        other.inputs[i].dtype = dtype;
        any = any || c->inputs[i].present;
    }
    if (c->has_epilogue) retype_program(&other.epilogue, dtype);
    if (c->has_program) retype_program(&other.program, dtype);
    const char *why = c->has_epilogue  ? pln_rowprog_verify(&other.epilogue)
                      : c->has_program ? pln_rowprog_verify(&other.program)
                                       : NULL;
    if (any && why == NULL) run_rows(&other, false);
    pln_arena_deinit(&other.arena);
}

/* Rows of the op that need this feature of the device; 0: any. */
static bool has_rows(unsigned op, uint64_t feature)
{
    const struct pln_kernel *const *rows = gpu.backend->kernels;
    for (; *rows != NULL; rows++)
        if ((*rows)->op == op && (feature == 0 || (*rows)->needs & feature & gpu.caps.features)) return true;
    return false;
}

void device_case_run(struct kernel_case *c)
{
    static const enum pln_dtype types[] = { PLN_F16, PLN_BF16, PLN_F64,  PLN_F16, PLN_BF16,
                                            PLN_I32, PLN_F16,  PLN_BF16, PLN_U8,  PLN_I64 };
    open_device();
    if (!has_rows(c->op, 0)) return;
    run_rows(c, false);
    if (has_rows(c->op, PLN_FEATURE_TF32)) run_rows(c, true);
    /* A prime step: cases come in regular orders, too. */
    const enum pln_dtype dtype = types[gpu.n_cases++ * 7 % PLN_COUNT_OF(types)];
    if (case_takes(c, dtype)) run_retyped(c, dtype);
}

int device_rows_untested(unsigned op)
{
    int untested = 0;
    open_device();
    const struct pln_kernel *const *rows = gpu.backend->kernels;
    for (size_t i = 0; rows[i] != NULL && i < MAX_ROWS; i++) {
        if (rows[i]->op != op || (rows[i]->needs & ~gpu.caps.features) != 0 || gpu.row_tested[i]) continue;
        printf("no case has run %s\n", rows[i]->name);
        untested++;
    }
    return untested;
}
