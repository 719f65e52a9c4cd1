#include "bench/kernels/row.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"

void *bench_memory(size_t size_bytes)
{
    void *p = aligned_alloc(64, (size_bytes + 127) / 64 * 64);
    if (p == NULL) exit(1);
    memset(p, 0, size_bytes);
    return p;
}

void bench_place(struct pln_tensor *tensor)
{
    pln_tensor_set_contiguous(tensor);
    int64_t count = pln_tensor_count(tensor);
    tensor->data = bench_memory((size_t)count * sizeof(float) + 64);
    for (int64_t i = 0; i < count; i++) {
        if (tensor->dtype == PLN_BOOL) ((uint8_t *)tensor->data)[i] = i * 7919 % 1999 % 4 > 0;
        else ((float *)tensor->data)[i] = (float)(i * 7919 % 1999) / 1000.0f - 1.0f;
    }
}

/* Stores an image n,h,w,c. */
static void put_channels_last(struct pln_tensor *tensor)
{
    struct pln_tensor plain = *tensor;
    int64_t c = tensor->dims[1], stride = c;
    tensor->strides[1] = 1;
    for (int d = tensor->rank - 1; d >= 2; d--) {
        tensor->strides[d] = stride;
        stride *= tensor->dims[d];
    }
    tensor->strides[0] = stride;
    tensor->data = bench_memory(pln_tensor_bytes(tensor) + 64);
    pln_tensor_copy(&plain, tensor);
    free(plain.data);
}

struct described {
    struct pln_operand inputs[BENCH_INPUTS], output;
    struct pln_problem problem;
};

/* The problem as the build side sees it. */
static void describe(const struct bench_problem *problem, struct described *out)
{
    *out = (struct described){ 0 };
    for (int i = 0; i < problem->n_inputs; i++) {
        const struct pln_tensor *t = &problem->inputs[i];
        out->inputs[i] = (struct pln_operand){ .present = true, .constant = i > 0, .dtype = t->dtype, .rank = t->rank };
        memcpy(out->inputs[i].dims, t->dims, sizeof t->dims);
    }
    out->output = (struct pln_operand){ .present = true, .dtype = PLN_F32, .rank = problem->output.rank };
    memcpy(out->output.dims, problem->output.dims, sizeof out->output.dims);
    out->problem = (struct pln_problem){ .op = (uint16_t)problem->op,
                                         .kind = (uint16_t)problem->kind,
                                         .attrs = &problem->attrs,
                                         .n_inputs = problem->n_inputs,
                                         .n_outputs = 1,
                                         .inputs = out->inputs,
                                         .outputs = &out->output,
                                         .features = pln_cpu_features() };
}

double bench_row_cost(const struct pln_kernel *kernel, const struct bench_problem *problem, bool direct)
{
    struct described described;
    if (kernel->op != problem->op || (kernel->needs & ~pln_cpu_features()) != 0) return -1;
    describe(problem, &described);
    described.problem.direct = direct;
    return kernel->family->supports(kernel, &described.problem) == NULL ? kernel->family->cost(kernel, &described.problem) : -1;
}

/* Replaces input i by its packed form. */
static bool pack_input(struct bench_row *b, int i)
{
    const struct pln_kernel_family *family = b->kernel->family;
    const struct pln_pack_format *format = family->pack(b->kernel);
    size_t *bytes = i == family->packed_input ? &b->launch.packed_bytes : &b->launch.second_packed_bytes;
    if (!format->bytes(&b->inputs[i], bytes)) return false;
    void *packed = bench_memory(*bytes);
    format->pack(&b->inputs[i], packed);
    free(b->inputs[i].data);
    b->inputs[i].data = packed;
    return true;
}

static bool place_operands(struct bench_row *b)
{
    const bool any = (b->kernel->flags & PLN_KERNEL_KEEPS_ORDER) != 0;
    bool last = (b->kernel->flags & PLN_KERNEL_CHANNELS_LAST) != 0 || (any && b->problem->last);
    for (int i = 0; i < b->problem->n_inputs; i++) {
        b->inputs[i] = b->problem->inputs[i];
        bench_place(&b->inputs[i]);
        if (last && b->inputs[i].rank > 2 && (i == 0 || i > 2)) put_channels_last(&b->inputs[i]);
        if (pln_kernel_family_packs(b->kernel->family, i) && !b->problem->keep_plain && !pack_input(b, i)) return false;
    }
    b->output = b->problem->output;
    bench_place(&b->output);
    if (last && b->output.rank > 2) put_channels_last(&b->output);
    return true;
}

bool bench_row_set_up(struct bench_row *b)
{
    const struct pln_kernel_family *family = b->kernel->family;
    struct pln_diag diag;
    if (bench_row_cost(b->kernel, b->problem, false) < 0) return false;
    b->launch = (struct pln_launch){ .op = (uint16_t)b->problem->op,
                                     .kind = (uint16_t)b->problem->kind,
                                     .attrs = &b->problem->attrs,
                                     .n_inputs = b->problem->n_inputs,
                                     .n_outputs = 1,
                                     .inputs = b->inputs,
                                     .outputs = &b->output };
    if (!place_operands(b)) return false;
    b->state = bench_memory(family->state_bytes);
    pln_diag_init(&diag);
    if (family->prepare(b->kernel, &b->launch, b->state, &b->prepared, &diag) != PLN_OK) {
        fprintf(stderr, "%s: %s\n", b->kernel->name, diag.entries[0].text);
        return false;
    }
    b->scratch = bench_memory(b->prepared.scratch_bytes);
    b->shared = bench_memory(b->prepared.shared_bytes);
    return true;
}

void bench_row_run(const struct bench_row *b)
{
    if (b->prepared.cleared_bytes > 0) memset(b->shared, 0, b->prepared.cleared_bytes);
    b->kernel->family->run(b->state, 0, b->prepared.n_tasks, b->scratch, b->shared);
}

void bench_row_tear_down(struct bench_row *b)
{
    for (int i = 0; i < b->problem->n_inputs; i++) free(b->inputs[i].data);
    free(b->output.data);
    free(b->state);
    free(b->scratch);
    free(b->shared);
}
