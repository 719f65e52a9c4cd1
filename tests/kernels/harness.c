#define _GNU_SOURCE
#include "tests/kernels/attempt.h"

#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cpu.h"
#include "ops/op.h"
#include "tensor/convert.h"

enum { MAX_ROWS = 1024 };
static bool row_tested[MAX_ROWS];

/* ---- memory that ends at a page that cannot be touched ---- */

struct guarded {
    char *map, *data;
    size_t map_bytes, size_bytes;
};

static struct guarded guarded_alloc(size_t size_bytes, size_t align, int fill)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct guarded g = { .size_bytes = size_bytes };
    size_t body = (size_bytes + align + page - 1) / page * page;
    g.map_bytes = body + 2 * page;
    g.map = mmap(NULL, g.map_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(g.map, MAP_FAILED);
    assert_int_equal(mprotect(g.map + page, body, PROT_READ | PROT_WRITE), 0);
    memset(g.map + page, fill, body);
    g.data = (char *)((uintptr_t)(g.map + page + body - size_bytes) & ~(uintptr_t)(align - 1));
    return g;
}

static void guarded_free(struct guarded *g)
{
    if (g->map != NULL) munmap(g->map, g->map_bytes);
    g->map = NULL;
}

/* ---- values ---- */

static uint64_t random_state = 1;

static double random_unit(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u; /* Knuth's MMIX generator */
    return (double)(random_state >> 11) / 9007199254740992.0;
}

static float random_value(enum fill fill)
{
    static const float special[] = { 0.0f,   -0.0f, 1e-40f,  -1e-45f, INFINITY, -INFINITY, NAN,    3e38f,
                                     -3e38f, 88.8f, -104.0f, 1.0f,    -1.0f,    0.5f,      1e-20f, 200.0f };
    double u = random_unit();
    switch (fill) {
    case FILL_PLAIN: return (float)(u * 2 - 1);
    case FILL_POSITIVE: return (float)(u + 0.25);
    case FILL_EQUAL: return 1000.3f;
    case FILL_SPECIAL:
        if (u < 0.3) return special[(size_t)(u / 0.3 * 16)];
        return (float)((random_unit() * 2 - 1) * pow(10, random_unit() * 6 - 4));
    }
    return 0;
}

static double random_integer(enum pln_dtype dtype)
{
    double u = random_unit();
    switch (pln_dtype_bits(dtype)) {
    case 8: return (double)(int64_t)(u * 256) - (pln_dtype_is_signed(dtype) ? 128 : 0);
    default: return (double)(int64_t)(u * 200) - (pln_dtype_is_signed(dtype) ? 100 : 0);
    }
}

static void fill_tensor(struct pln_tensor *tensor, enum fill fill)
{
    int64_t count = pln_tensor_count(tensor);
    for (int64_t i = 0; i < count; i++) {
        if (tensor->dtype == PLN_F32)
            ((float *)tensor->data)[i] = random_value(fill);
        else if (pln_dtype_is_float(tensor->dtype))
            pln_store_f64(tensor->dtype, tensor->data, i, (double)random_value(fill), false);
        else if (tensor->dtype == PLN_BOOL)
            ((uint8_t *)tensor->data)[i] = random_unit() < 0.5;
        else if (pln_dtype_is_integer(tensor->dtype))
            pln_store_f64(tensor->dtype, tensor->data, i, random_integer(tensor->dtype), false);
    }
}

/* ---- cases ---- */

void kernel_case_init(struct kernel_case *c, const char *name, unsigned op, unsigned kind)
{
    memset(c, 0, sizeof *c);
    c->name = name;
    c->op = op;
    c->kind = kind;
    c->n_outputs = 1;
    pln_arena_init(&c->arena, NULL, 0);
}

void kernel_case_deinit(struct kernel_case *c)
{
    pln_arena_deinit(&c->arena);
}

struct case_input *kernel_case_input(struct kernel_case *c, int rank, const int64_t *dims)
{
    struct case_input *input = &c->inputs[c->n_inputs++];
    *input = (struct case_input){ .present = true, .dtype = PLN_F32, .rank = rank };
    for (int d = 0; d < rank; d++) input->dims[d] = dims[d];
    return input;
}

void kernel_case_add_relu(struct kernel_case *c, int out_rank, int rank, const int64_t *dims)
{
    struct pln_rowprog *p = &c->epilogue;
    memset(p, 0, sizeof *p);
    p->version = PLN_ROWPROG_VERSION;
    p->rank = (uint8_t)out_rank;
    p->n_inputs = 2;
    p->n_outputs = 1;
    p->n_instrs = 2;
    p->n_regs = 4;
    p->n_passes = 1;
    p->inputs[0] = (struct pln_rowprog_operand){ .dtype = PLN_F32, .reg = 0, .rank = (uint8_t)out_rank };
    p->inputs[1] = (struct pln_rowprog_operand){ .dtype = PLN_F32, .reg = 1, .rank = (uint8_t)rank };
    p->outputs[0] = (struct pln_rowprog_operand){ .dtype = PLN_F32, .reg = 3, .rank = (uint8_t)out_rank };
    for (int i = 0; i < out_rank; i++) {
        p->inputs[0].axis[i] = p->outputs[0].axis[i] = (int8_t)i;
        p->inputs[1].axis[i] = (int8_t)(i - (out_rank - rank) < 0 ? -1 : i - (out_rank - rank));
    }
    p->instrs[0] = (struct pln_rowprog_instr){ .kind = PLN_EW_ADD, .dtype = PLN_F32, .dst = 2, .src = { 0, 1, 255 } };
    p->instrs[1] =
        (struct pln_rowprog_instr){ .kind = PLN_EW_RELU, .dtype = PLN_F32, .dst = 3, .src = { 2, 255, 255 } };
    assert_null(pln_rowprog_verify(p));
    c->has_epilogue = true;
    kernel_case_input(c, rank, dims);
}

void kernel_case_add_clip(struct kernel_case *c, int out_rank, double low, double high)
{
    struct pln_rowprog *p = &c->epilogue;
    memset(p, 0, sizeof *p);
    p->version = PLN_ROWPROG_VERSION;
    p->rank = (uint8_t)out_rank;
    p->n_inputs = p->n_outputs = p->n_passes = 1;
    p->n_instrs = 3;
    p->n_regs = 4;
    p->inputs[0] = (struct pln_rowprog_operand){ .dtype = PLN_F32, .reg = 0, .rank = (uint8_t)out_rank };
    p->outputs[0] = (struct pln_rowprog_operand){ .dtype = PLN_F32, .reg = 3, .rank = (uint8_t)out_rank };
    for (int i = 0; i < out_rank; i++) p->inputs[0].axis[i] = p->outputs[0].axis[i] = (int8_t)i;
    p->instrs[0] = (struct pln_rowprog_instr){
        .code = PLN_ROWPROG_CONST, .dtype = PLN_F32, .dst = 1, .src = { 255, 255, 255 }, .imm = low
    };
    p->instrs[1] = (struct pln_rowprog_instr){
        .code = PLN_ROWPROG_CONST, .dtype = PLN_F32, .dst = 2, .src = { 255, 255, 255 }, .imm = high
    };
    p->instrs[2] = (struct pln_rowprog_instr){ .kind = PLN_EW_CLIP, .dtype = PLN_F32, .dst = 3, .src = { 0, 1, 2 } };
    assert_null(pln_rowprog_verify(p));
    c->has_epilogue = true;
}

void kernel_case_add_function(struct kernel_case *c, int out_rank, enum pln_ew kind)
{
    struct pln_rowprog *p = &c->epilogue;
    memset(p, 0, sizeof *p);
    p->version = PLN_ROWPROG_VERSION;
    p->rank = (uint8_t)out_rank;
    p->n_inputs = p->n_outputs = p->n_passes = p->n_instrs = 1;
    p->n_regs = 2;
    p->inputs[0] = (struct pln_rowprog_operand){ .dtype = PLN_F32, .reg = 0, .rank = (uint8_t)out_rank };
    p->outputs[0] = (struct pln_rowprog_operand){ .dtype = PLN_F32, .reg = 1, .rank = (uint8_t)out_rank };
    for (int i = 0; i < out_rank; i++) p->inputs[0].axis[i] = p->outputs[0].axis[i] = (int8_t)i;
    p->instrs[0] = (struct pln_rowprog_instr){
        .kind = (uint8_t)kind, .dtype = PLN_F32, .dst = 1, .src = { 0, 255, 255 }, .alpha = 0.75f, .beta = 0.25f
    };
    assert_null(pln_rowprog_verify(p));
    c->has_epilogue = true;
}

/* ---- the reference ---- */

static void set_programs(struct kernel_case *c)
{
    if (!c->has_epilogue && !c->has_program) return;
    struct pln_text text;
    pln_text_init(&text, NULL);
    pln_rowprog_write(c->has_epilogue ? &c->epilogue : &c->program, &text);
    assert_true(pln_attrs_set_string(&c->attrs, &c->arena, c->has_epilogue ? "epilogue" : "program", text.data,
                                     text.size_bytes));
    pln_text_deinit(&text);
}

/* f32 with the 10 bits of fraction that tf32 has. */
static void cut_to_tf32(const struct pln_tensor *tensor)
{
    uint32_t *bits = tensor->data;
    for (int64_t i = 0; tensor->dtype == PLN_F32 && i < pln_tensor_count(tensor); i++) bits[i] &= 0xffffe000u;
}

void oracle_call(struct oracle *oracle, struct kernel_case *c, const struct pln_item *const *inputs, int n_inputs,
                 struct pln_item **outputs)
{
    bool wanted[4] = { true, true, true, true };
    struct pln_diag diag;
    pln_diag_init(&diag);
    struct pln_call call = { .op = (uint16_t)c->op,
                             .kind = (uint16_t)c->kind,
                             .attrs = &c->attrs,
                             .n_inputs = n_inputs,
                             .n_outputs = c->n_outputs,
                             .inputs = inputs,
                             .outputs = outputs,
                             .wanted = wanted,
                             .heap = &oracle->heap,
                             .scratch = &oracle->arena,
                             .diag = &diag };
    enum pln_status status = pln_ref_kernels[c->op](&call);
    if (status != PLN_OK)
        fail_msg("%s: the reference says: %s", c->name,
                 diag.count > 0 ? diag.entries[0].text : pln_status_text(status));
}

void oracle_init(struct oracle *oracle, struct kernel_case *c)
{
    memset(oracle, 0, sizeof *oracle);
    set_programs(c);
    pln_heap_init(&oracle->heap, NULL, 0);
    pln_arena_init(&oracle->arena, NULL, 0);
    for (int i = 0; i < c->n_inputs; i++) {
        const struct case_input *input = &c->inputs[i];
        if (!input->present) continue;
        oracle->items[i].refs = 1;
        pln_tensor_init(&oracle->items[i].tensor, input->dtype, input->rank, input->dims, NULL);
        oracle->items[i].tensor.data =
            pln_arena_alloc_aligned(&oracle->arena, pln_tensor_bytes(&oracle->items[i].tensor), 64);
        fill_tensor(&oracle->items[i].tensor, input->fill);
        if (input->values != NULL)
            memcpy(oracle->items[i].tensor.data, input->values, pln_tensor_bytes(&oracle->items[i].tensor));
        if (c->tf32 && i < 2) cut_to_tf32(&oracle->items[i].tensor);
        oracle->list[i] = &oracle->items[i];
    }
    if (c->paged != NULL)
        oracle_call_paged(oracle, c);
    else
        oracle_call(oracle, c, oracle->list, c->n_inputs, oracle->outputs);
    for (int i = 0; i < c->n_inputs; i++)
        if (c->inputs[i].wrong != NULL) memcpy(oracle->items[i].tensor.data, c->inputs[i].wrong, pln_tensor_bytes(&oracle->items[i].tensor));
}

void oracle_deinit(struct oracle *oracle)
{
    pln_heap_deinit(&oracle->heap);
    pln_arena_deinit(&oracle->arena);
}

/* ---- layouts ---- */

int64_t case_lay_out(struct pln_tensor *tensor, enum layout layout)
{
    int order[PLN_MAX_RANK];
    int rank = tensor->rank;
    for (int i = 0; i < rank; i++) order[i] = i;
    if ((layout == LAYOUT_CHANNELS_LAST || layout == LAYOUT_WIDE_PIXELS) && rank > 2) {
        for (int i = 1; i < rank - 1; i++) order[i] = i + 1;
        order[rank - 1] = 1;
    }
    if (layout == LAYOUT_STRIDED)
        for (int i = 0; i < rank; i++) order[i] = rank - 1 - i;
    int64_t stride = layout == LAYOUT_STRIDED ? 2 : 1, span = 1;
    for (int i = rank - 1; i >= 0; i--) {
        int64_t dim = tensor->dims[order[i]];
        tensor->strides[order[i]] = stride;
        if (dim > 0) span += (dim - 1) * stride;
        stride *= PLN_MAX(dim, 1);
        if (layout == LAYOUT_STRIDED || ((layout == LAYOUT_ROW_STRIDED || layout == LAYOUT_WIDE_PIXELS) && i == rank - 1)) stride += 3;
    }
    return pln_tensor_count(tensor) == 0 ? 0 : span;
}

static struct guarded place(const struct pln_tensor *plain, enum layout layout, struct pln_tensor *out_tensor)
{
    *out_tensor = *plain;
    int64_t span = case_lay_out(out_tensor, layout);
    size_t elem_bytes = (size_t)pln_dtype_bits(plain->dtype) / 8;
    struct guarded g = guarded_alloc((size_t)span * elem_bytes, elem_bytes, CANARY);
    out_tensor->data = g.data;
    return g;
}

char *case_mark_elements(const struct pln_tensor *tensor, size_t span_bytes)
{
    int64_t count = pln_tensor_count(tensor);
    size_t elem_bytes = (size_t)pln_dtype_bits(tensor->dtype) / 8;
    char *mark = calloc(span_bytes + 1, 1);
    for (int64_t i = 0; i < count; i++) {
        int64_t at = 0, index = i;
        for (int d = tensor->rank - 1; d >= 0; d--) {
            at += index % tensor->dims[d] * tensor->strides[d];
            index /= tensor->dims[d];
        }
        memset(mark + (size_t)at * elem_bytes, 1, elem_bytes);
    }
    return mark;
}

/* The bytes between the elements are as they were. */
static void check_canaries(const struct kernel_case *c, const char *row, const struct pln_tensor *tensor,
                           const struct guarded *g)
{
    char *mark = case_mark_elements(tensor, g->size_bytes);
    for (size_t i = 0; i < g->size_bytes; i++)
        if (!mark[i] && (uint8_t)g->data[i] != CANARY)
            fail_msg("%s: %s wrote between the elements of its output", c->name, row);
    for (const char *p = g->map + sysconf(_SC_PAGESIZE); p < g->data; p++)
        if ((uint8_t)*p != CANARY) fail_msg("%s: %s wrote in front of its output", c->name, row);
    free(mark);
}

/* ---- one row ---- */

/* Narrow results are an ulp or two apart; where an epilogue or a program comes behind, of the largest number that was
 * added. */
static void widen_for(struct pln_tolerance *tolerance, enum pln_dtype dtype, bool fused)
{
    if (dtype != PLN_F16 && dtype != PLN_BF16) return;
    const double ulp = dtype == PLN_F16 ? 0x1p-10 : 0x1p-7;
    if (fused) *tolerance = (struct pln_tolerance){ .max_rel_err = 3 * ulp };
    if (!fused && tolerance->rtol > 0) tolerance->rtol = PLN_MAX(tolerance->rtol, 1.5 * ulp);
    tolerance->atol = PLN_MAX(tolerance->atol, 1e-6);
}

static struct pln_tolerance tolerance_of(const struct kernel_case *c)
{
    if (c->rtol > 0 || c->atol > 0) return (struct pln_tolerance){ .rtol = c->rtol, .atol = c->atol };
    switch (pln_op_get(c->op)->tolerance) {
    case PLN_TOL_EXACT: return (struct pln_tolerance){ .rtol = 0 };
    case PLN_TOL_ROUND: return (struct pln_tolerance){ .rtol = 1e-6, .atol = 1e-7 };
    case PLN_TOL_TRANSCENDENTAL: return (struct pln_tolerance){ .rtol = 2e-6, .atol = 1e-7 };
    case PLN_TOL_ACCUMULATE: return (struct pln_tolerance){ .rtol = 1e-5, .atol = 3e-6 };
    }
    return (struct pln_tolerance){ .rtol = 0 };
}

void *attempt_compare(const struct attempt *attempt, int o, const struct pln_tensor *result)
{
    const struct kernel_case *c = attempt->c;
    const struct pln_tensor *want = &attempt->oracle->outputs[o]->tensor;
    struct pln_tensor got = *want;
    got.data = calloc(pln_tensor_bytes(want) + 1, 1);
    pln_tensor_copy(result, &got);
    struct pln_tolerance tolerance = tolerance_of(c);
    /* Attention rounds weights to the type, too. */
    widen_for(&tolerance, want->dtype, c->has_epilogue || c->has_program || c->op == PLN_OP_ATTENTION);
    struct pln_difference difference;
    pln_compare(&got, want, &tolerance, &difference);
    if (!difference.equal) fail_msg("%s: %s: output %d: %s", c->name, attempt->name, o, difference.text);
    return got.data;
}

/* As the CPU device does it. */
static void check_fault(const struct attempt *attempt, const void *state, const void *shared)
{
    const struct pln_kernel_family *family = attempt->kernel->family;
    uint64_t code = 0;
    if (family->fault != NULL) memcpy(&code, shared, sizeof code);
    const char *said = code == 0 ? NULL : family->fault(state, code), *want = attempt->c->fault;
    if (said == NULL ? want != NULL : want == NULL || strstr(said, want) == NULL)
        fail_msg("%s: %s: its fault is '%s', not '%s'", attempt->c->name, attempt->name, said ? said : "none",
                 want ? want : "none");
}

/* The second time the state is brought up to date, too, where the family can do that. */
static void run_tasks(const struct attempt *attempt, const struct pln_launch *launch, bool reversed)
{
    const struct pln_kernel_family *family = attempt->kernel->family;
    struct pln_diag diag;
    pln_diag_init(&diag);
    void *state = aligned_alloc(64, pln_align_up(family->state_bytes, 64));
    memset(state, 0, family->state_bytes);
    struct pln_prepared prepared = { 0 };
    if (pln_kernel_prepare(attempt->kernel, launch, state, &prepared, &diag) != PLN_OK ||
        (reversed && family->update != NULL && family->update(launch, state, &prepared, &diag) != PLN_OK))
        fail_msg("%s: %s refuses: %s", attempt->c->name, attempt->name, diag.entries[0].text);
    assert_true(prepared.n_tasks == 0 || prepared.grain >= 1);
    assert_true(family->fault == NULL || prepared.shared_bytes >= 64);
    struct guarded scratch = guarded_alloc(prepared.scratch_bytes, 64, 0xff),
                   shared = guarded_alloc(prepared.shared_bytes, 64, 0xff);
    assert_true(prepared.cleared_bytes <= prepared.shared_bytes);
    if (family->fault != NULL) memset(shared.data, 0, sizeof(uint64_t));
    memset(shared.data, 0, prepared.cleared_bytes);
    if (reversed)
        for (int64_t t = prepared.n_tasks - 1; t >= 0; t--) family->run(state, t, t + 1, scratch.data, shared.data);
    else
        family->run(state, 0, prepared.n_tasks, scratch.data, shared.data);
    check_fault(attempt, state, shared.data);
    guarded_free(&scratch);
    guarded_free(&shared);
    free(state);
}

enum layout attempt_input_layout(const struct attempt *attempt, int i)
{
    bool last = (attempt->kernel->flags & PLN_KERNEL_CHANNELS_LAST) != 0;
    if (i == 0 && (attempt->kernel->flags & PLN_KERNEL_ANY_IMAGE) && attempt->in == LAYOUT_STRIDED) return attempt->in;
    if (last && attempt->in == LAYOUT_WIDE_PIXELS && (i == 0 || i > 2)) return attempt->in;
    if (last) return i == 0 || i > 2 ? LAYOUT_CHANNELS_LAST : LAYOUT_PLAIN;
    return attempt->in;
}

enum layout attempt_output_layout(const struct attempt *attempt, int o)
{
    bool last = (attempt->kernel->flags & PLN_KERNEL_CHANNELS_LAST) != 0;
    if (last && o == 0) return attempt->out == LAYOUT_WIDE_PIXELS ? attempt->out : LAYOUT_CHANNELS_LAST;
    return last ? LAYOUT_PLAIN : attempt->out;
}

/* The arrays of a case with pages, each behind a guard of its own. */
struct guarded_pages {
    struct pln_paged paged;
    struct guarded pages, lengths, offsets;
};

static struct guarded guarded_copy(const void *from, size_t size_bytes, size_t align)
{
    struct guarded g = guarded_alloc(size_bytes, align, CANARY);
    if (size_bytes > 0) memcpy(g.data, from, size_bytes);
    return g;
}

static void place_pages(const struct pln_paged *plain, struct guarded_pages *out)
{
    const size_t rows = (size_t)plain->rows;
    memset(out, 0, sizeof *out);
    out->paged = *plain;
    out->pages = guarded_copy(plain->pages, rows * (size_t)plain->pages_a_row * sizeof(int32_t), sizeof(int32_t));
    out->lengths = guarded_copy(plain->lengths, rows * sizeof(int64_t), sizeof(int64_t));
    if (plain->offsets != NULL) out->offsets = guarded_copy(plain->offsets, rows * sizeof(int64_t), sizeof(int64_t));
    out->paged.pages = (const int32_t *)(const void *)out->pages.data;
    out->paged.lengths = (const int64_t *)(const void *)out->lengths.data;
    out->paged.offsets = (const int64_t *)(const void *)out->offsets.data;
}

static struct guarded place_packed(const struct pln_kernel *kernel, const struct pln_tensor *plain, size_t *out_bytes)
{
    const struct pln_pack_format *format = kernel->family->pack(kernel);
    assert_true(format->bytes(plain, out_bytes));
    struct guarded g = guarded_alloc(*out_bytes, 64, 0xcd);
    format->pack(plain, g.data);
    /* The form can be undone, or says that it cannot. */
    struct pln_tensor back = *plain;
    back.data = calloc(pln_tensor_bytes(plain) + 1, 1);
    if (format->unpack != NULL) {
        format->unpack(g.data, &back);
        assert_memory_equal(back.data, plain->data, pln_tensor_bytes(plain));
    }
    free(back.data);
    return g;
}

static void run_attempt(const struct attempt *attempt)
{
    struct kernel_case *c = attempt->c;
    struct guarded_pages pages;
    const struct pln_kernel *kernel = attempt->kernel;
    struct pln_tensor inputs[CASE_INPUTS], outputs[CASE_OUTPUTS];
    struct guarded in_memory[CASE_INPUTS] = { { 0 } }, out_memory[CASE_OUTPUTS];
    memset(inputs, 0, sizeof inputs);
    struct pln_launch launch = { .op = (uint16_t)c->op,
                                 .kind = (uint16_t)c->kind,
                                 .attrs = &c->attrs,
                                 .epilogue = c->has_epilogue ? &c->epilogue : NULL,
                                 .program = c->has_program ? &c->program : NULL,
                                 .n_inputs = c->n_inputs,
                                 .n_outputs = c->n_outputs,
                                 .inputs = inputs,
                                 .outputs = outputs };
    for (int i = 0; i < c->n_inputs; i++) {
        if (!c->inputs[i].present) continue;
        const struct pln_tensor *plain = &attempt->oracle->items[i].tensor;
        if (attempt->packed && c->inputs[i].constant && pln_kernel_family_packs(kernel->family, i)) {
            in_memory[i] = place_packed(kernel, plain, i == kernel->family->packed_input ? &launch.packed_bytes : &launch.second_packed_bytes);
            inputs[i] = *plain;
            inputs[i].data = in_memory[i].data;
            continue;
        }
        in_memory[i] = place(plain, attempt_input_layout(attempt, i), &inputs[i]);
        pln_tensor_copy(plain, &inputs[i]);
    }
    if (c->paged != NULL) place_pages(c->paged, &pages);
    if (c->paged != NULL) launch.paged = &pages.paged;
    void *first[CASE_OUTPUTS];
    for (int round = 0; round < 2; round++) {
        for (int o = 0; o < c->n_outputs; o++)
            out_memory[o] = place(&attempt->oracle->outputs[o]->tensor, attempt_output_layout(attempt, o), &outputs[o]);
        run_tasks(attempt, &launch, round == 1);
        for (int o = 0; o < c->n_outputs; o++) {
            check_canaries(c, attempt->name, &outputs[o], &out_memory[o]);
            if (c->fault != NULL) {
                guarded_free(&out_memory[o]);
                continue;
            }
            void *got = attempt_compare(attempt, o, &outputs[o]);
            if (round == 0) first[o] = got;
            guarded_free(&out_memory[o]);
            if (round == 0) continue;
            if (memcmp(first[o], got, pln_tensor_bytes(&attempt->oracle->outputs[o]->tensor)) != 0)
                fail_msg("%s: %s: the split of tasks changes bits", c->name, attempt->name);
            free(first[o]);
            free(got);
        }
    }
    for (int i = 0; i < c->n_inputs; i++) guarded_free(&in_memory[i]);
    if (c->paged == NULL) return;
    guarded_free(&pages.pages);
    guarded_free(&pages.lengths);
    guarded_free(&pages.offsets);
}

void case_problem_init(struct case_problem *out, const struct kernel_case *c, const struct oracle *oracle,
                       uint64_t features)
{
    memset(out, 0, sizeof *out);
    for (int i = 0; i < c->n_inputs; i++) {
        out->inputs[i] = (struct pln_operand){ .present = c->inputs[i].present,
                                               .constant = c->inputs[i].constant,
                                               .known = c->inputs[i].constant || c->inputs[i].values != NULL,
                                               .dtype = c->inputs[i].dtype,
                                               .rank = c->inputs[i].rank };
        memcpy(out->inputs[i].dims, c->inputs[i].dims, sizeof out->inputs[i].dims);
    }
    for (int o = 0; o < c->n_outputs; o++) {
        const struct pln_tensor *tensor = &oracle->outputs[o]->tensor;
        out->outputs[o] = (struct pln_operand){ .present = true, .dtype = tensor->dtype, .rank = tensor->rank };
        memcpy(out->outputs[o].dims, tensor->dims, sizeof out->outputs[o].dims);
    }
    out->problem = (struct pln_problem){ .op = (uint16_t)c->op,
                                         .kind = (uint16_t)c->kind,
                                         .attrs = &c->attrs,
                                         .n_inputs = c->n_inputs,
                                         .n_outputs = c->n_outputs,
                                         .inputs = out->inputs,
                                         .outputs = out->outputs,
                                         .epilogue = c->has_epilogue ? &c->epilogue : NULL,
                                         .program = c->has_program ? &c->program : NULL,
                                         .features = features };
}

bool case_supported(const struct pln_kernel *kernel, const struct kernel_case *c, const struct oracle *oracle,
                    uint64_t features)
{
    struct case_problem p;
    case_problem_init(&p, c, oracle, features);
    const char *why = kernel->family->supports(kernel, &p.problem);
    if (why == NULL) assert_true(kernel->family->cost(kernel, &p.problem) > 0);
    if (why != NULL && getenv("PLN_TEST_VERBOSE") != NULL) printf("%s: %s: %s\n", c->name, kernel->name, why);
    return why == NULL;
}

void attempt_each(const struct pln_kernel *kernel, struct kernel_case *c, const struct oracle *oracle,
                  uint64_t features, void (*run)(const struct attempt *attempt))
{
    struct attempt attempt = { .kernel = kernel, .c = c, .oracle = oracle };
    int packed_input = kernel->family->packed_input;
    bool can_pack = packed_input >= 0 && packed_input < c->n_inputs && c->inputs[packed_input].constant;
    /* Rows that take weights only are never handed a plain one. */
    bool can_be_plain = true;
    if (can_pack) {
        c->inputs[packed_input].constant = false;
        can_be_plain = case_supported(kernel, c, oracle, features);
        c->inputs[packed_input].constant = true;
    }
    bool last = (kernel->flags & PLN_KERNEL_CHANNELS_LAST) != 0, any_image = (kernel->flags & PLN_KERNEL_ANY_IMAGE) != 0;
    enum layout in = kernel->flags & PLN_KERNEL_STRIDED_IN || any_image ? LAYOUT_STRIDED
                     : kernel->flags & PLN_KERNEL_ROW_STRIDED_IN        ? LAYOUT_ROW_STRIDED
                                                                        : LAYOUT_PLAIN;
    enum layout out = kernel->flags & PLN_KERNEL_STRIDED_OUT ? LAYOUT_STRIDED : LAYOUT_PLAIN;
    const bool keeps = (kernel->flags & PLN_KERNEL_KEEPS_ORDER) != 0, wide = (kernel->flags & PLN_KERNEL_WIDE_PIXELS) != 0;
    for (int strided = 0; strided < (keeps || wide ? 3 : 2); strided++) {
        if (strided == 2) in = out = wide ? LAYOUT_WIDE_PIXELS : LAYOUT_CHANNELS_LAST;
        if (strided && ((last && !any_image && strided != 2) || (in == LAYOUT_PLAIN && out == LAYOUT_PLAIN))) continue;
        for (int packed = can_be_plain ? 0 : 1; packed <= (can_pack ? 1 : 0); packed++) {
            attempt.in = strided ? in : LAYOUT_PLAIN;
            attempt.out = strided ? out : LAYOUT_PLAIN;
            attempt.packed = packed != 0;
            snprintf(attempt.name, sizeof attempt.name, "%s%s%s", kernel->name, strided == 2 && wide ? ", wide pixels" : strided == 2 ? ", channels last" : strided ? ", strided" : "",
                     packed ? ", packed" : "");
            run(&attempt);
        }
    }
}

static const struct pln_kernel *const *cpu_rows(void)
{
    const struct pln_backend *backend;
    int ordinal;
    assert_int_equal(pln_backend_find("cpu", NULL, &backend, &ordinal), PLN_OK);
    return backend->kernels;
}

void kernel_case_run(struct kernel_case *c)
{
    if (device_wanted()) {
        device_case_run(c);
        return;
    }
    struct oracle oracle;
    oracle_init(&oracle, c);
    const uint64_t features = pln_cpu_features_raw();
    const struct pln_kernel *const *rows = cpu_rows();
    for (size_t i = 0; rows[i] != NULL; i++) {
        if (rows[i]->op != c->op || (rows[i]->needs & ~features) != 0 || !case_supported(rows[i], c, &oracle, features))
            continue;
        attempt_each(rows[i], c, &oracle, features, run_attempt);
        if (i < MAX_ROWS) row_tested[i] = true;
    }
    oracle_deinit(&oracle);
}

bool kernel_cases_few(void)
{
    return tool_wanted();
}

int kernel_rows_untested(unsigned op)
{
    if (device_wanted()) return device_rows_untested(op);
    int untested = 0;
    const struct pln_kernel *const *rows = cpu_rows();
    for (size_t i = 0; rows[i] != NULL && i < MAX_ROWS; i++) {
        if (rows[i]->op != op || (rows[i]->needs & ~pln_cpu_features_raw()) != 0 || row_tested[i]) continue;
        printf("no case has run %s\n", rows[i]->name);
        untested++;
    }
    return untested;
}
