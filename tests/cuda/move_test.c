/* What the tests of kernels cannot show of those that move elements: faults of data, states that grow in place,
 * launches that are refused. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/cuda/scale.h"

#define MOST_OPERANDS 8
#define DIMS(...)     \
    (const int64_t[]) \
    {                 \
        __VA_ARGS__   \
    }

/* A launch of one row: operands on the host and on the device. */
struct job {
    struct rig *rig;
    const struct pln_kernel *kernel;
    struct pln_arena arena;
    struct pln_attrs attrs;
    struct pln_tensor host[MOST_OPERANDS], device[MOST_OPERANDS];
    int n_inputs, n_outputs;
};

static void job_init(struct job *job, struct rig *rig, const char *row)
{
    memset(job, 0, sizeof *job);
    job->rig = rig;
    job->kernel = pln_backend_kernel(rig->backend, row);
    assert_non_null(job->kernel);
    pln_arena_init(&job->arena, NULL, 0);
}

/* Of all operands inputs come first. values NULL: an output. */
static void operand(struct job *job, enum pln_dtype dtype, int rank, const int64_t *dims, const void *values)
{
    const int i = job->n_inputs + job->n_outputs;
    struct pln_tensor *host = &job->host[i];
    pln_tensor_init(host, dtype, rank, dims, NULL);
    host->data = pln_arena_alloc(&job->arena, pln_tensor_bytes(host) + 1);
    memset(host->data, 0xff, pln_tensor_bytes(host) + 1);
    if (values) memcpy(host->data, values, pln_tensor_bytes(host));
    job->device[i] = *host;
    assert_int_equal(job->rig->backend->alloc(job->rig->device, pln_tensor_bytes(host) + 1, "a test", &job->rig->diag, &job->device[i].data), PLN_OK);
    if (values)
        job->n_inputs++;
    else
        job->n_outputs++;
}

static struct pln_launch launch_of(const struct job *job)
{
    return (struct pln_launch){ .op = job->kernel->op,
                                .kind = job->kernel->op == PLN_OP_RNN ? PLN_RNN_RNN : 0,
                                .attrs = &job->attrs,
                                .n_inputs = job->n_inputs,
                                .n_outputs = job->n_outputs,
                                .inputs = job->device,
                                .outputs = job->device + job->n_inputs };
}

static struct pln_device_code *compile(struct job *job)
{
    struct pln_operand operands[MOST_OPERANDS];
    struct pln_device_code *code;
    struct pln_text source;
    memset(operands, 0, sizeof operands);
    for (int i = 0; i < job->n_inputs + job->n_outputs; i++) {
        operands[i] =
            (struct pln_operand){ .present = true, .dtype = job->device[i].dtype, .rank = job->device[i].rank };
        memcpy(operands[i].dims, job->device[i].dims, sizeof operands[i].dims);
    }
    const struct pln_problem problem = { .op = job->kernel->op,
                                         .kind = launch_of(job).kind,
                                         .attrs = &job->attrs,
                                         .n_inputs = job->n_inputs,
                                         .n_outputs = job->n_outputs,
                                         .inputs = operands,
                                         .outputs = operands + job->n_inputs };
    assert_null(job->kernel->family->supports(job->kernel, &problem));
    pln_text_init(&source, NULL);
    assert_int_equal(job->kernel->family->emit(job->kernel, &problem, &job->rig->diag, &source), PLN_OK);
    assert_int_equal(rig_load(job->rig, source.data, &code), PLN_OK);
    pln_text_deinit(&source);
    return code;
}

/* Runs it; outputs are on the host then, when it went well. */
static enum pln_status run(struct job *job)
{
    const struct pln_launch launch = launch_of(job);
    struct pln_command commands[2 * MOST_OPERANDS];
    struct rig *rig = job->rig;
    size_t n = 0;
    void *state = aligned_alloc(64, pln_align_up(job->kernel->family->state_bytes, 64));
    memset(state, 0, job->kernel->family->state_bytes);
    struct pln_device_code *code = compile(job);
    for (int i = 0; i < job->n_inputs; i++)
        commands[n++] = copy_command(rig, &job->host[i], &job->device[i], true, false);
    commands[n] = (struct pln_command){
        .kind = PLN_COMMAND_LAUNCH, .kernel = job->kernel, .code = code, .state = state, .launch = &launch
    };
    enum pln_status status =
        job->kernel->family->prepare(job->kernel, &launch, state, &commands[n++].prepared, &rig->diag);
    for (int i = 0; i < job->n_outputs; i++)
        commands[n++] = copy_command(rig, &job->device[job->n_inputs + i], &job->host[job->n_inputs + i], false, true);
    if (status == PLN_OK) status = rig->backend->submit(rig->queue, commands, n, NULL, 0, &rig->diag);
    if (status == PLN_OK) status = rig->backend->sync(rig->queue, &rig->diag);
    rig->backend->code_unload(rig->device, code);
    free(state);
    return status;
}

static void job_deinit(struct job *job)
{
    for (int i = 0; i < job->n_inputs + job->n_outputs; i++)
        job->rig->backend->release(job->rig->device, job->device[i].data, 0);
    pln_arena_deinit(&job->arena);
}

static void says(struct job *job, enum pln_status got, const char *text)
{
    struct pln_diag *diag = &job->rig->diag;
    assert_int_equal(got, PLN_INVALID_ARGUMENT);
    assert_true(diag->count > 0);
    if (!strstr(diag->entries[0].text, text)) fail_msg("'%s' does not say '%s'", diag->entries[0].text, text);
    pln_diag_init(diag);
    job_deinit(job);
}

static void goes_well(struct job *job)
{
    if (run(job) != PLN_OK) fail_msg("%s", job->rig->diag.count > 0 ? job->rig->diag.entries[0].text : "?");
    job_deinit(job);
}

static int setup(void **state)
{
    struct rig *rig = malloc(sizeof *rig);
    if (rig_init(rig, 0) != PLN_OK) fail_msg("%s", rig->diag.count > 0 ? rig->diag.entries[0].text : "?");
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    rig_deinit(*state);
    free(*state);
    return 0;
}

static const float numbers[64] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };

/* ---- faults ---- */

static void indices(void **state)
{
    static const char *const rows[] = { "gather_cuda", "gather_elements_cuda", "gather_nd_cuda" };
    static const int64_t wrong[] = { 4, -5, INT64_MAX, INT64_MIN };
    struct job job;
    for (size_t r = 0; r < PLN_COUNT_OF(rows); r++)
        for (size_t i = 0; i <= PLN_COUNT_OF(wrong); i++) {
            const int64_t index[2] = { 3, i < PLN_COUNT_OF(wrong) ? wrong[i] : -4 };
            job_init(&job, *state, rows[r]);
            operand(&job, PLN_F32, 1, DIMS(4), numbers);
            operand(&job, PLN_I64, r == 2 ? 2 : 1, DIMS(2, 1), index);
            operand(&job, PLN_F32, 1, DIMS(2), NULL);
            if (i < PLN_COUNT_OF(wrong))
                says(&job, run(&job), "an index is outside of its axis");
            else
                goes_well(&job);
        }
    for (size_t i = 0; i < PLN_COUNT_OF(wrong); i++)
        for (int nd = 0; nd < 2; nd++) {
            const int64_t index[2] = { 3, wrong[i] };
            job_init(&job, *state, nd ? "scatter_nd_cuda" : "scatter_elements_cuda");
            operand(&job, PLN_F32, 1, DIMS(4), numbers);
            operand(&job, PLN_I64, 1 + nd, DIMS(2, 1), index);
            operand(&job, PLN_F32, 1, DIMS(2), numbers);
            operand(&job, PLN_F32, 1, DIMS(4), NULL);
            says(&job, run(&job), "an index is outside of its axis");
        }
}

/* Values that do not give the shape that the plan was made for. */
static void cuts(void **state)
{
    static const int64_t starts[][3] = { { 2, 1 }, { 0, 2 },         { 5, -1 },       { 0, 0 },
                                         { 9, 1 }, { 0, INT64_MAX }, { 4, INT64_MIN } };
    struct job job;
    for (size_t i = 0; i <= PLN_COUNT_OF(starts); i++) {
        const bool good = i == PLN_COUNT_OF(starts);
        job_init(&job, *state, "slice_cuda");
        operand(&job, PLN_F32, 1, DIMS(5), numbers);
        operand(&job, PLN_I64, 1, DIMS(1), good ? DIMS(1) : &starts[i][0]);
        operand(&job, PLN_I64, 1, DIMS(1), DIMS(5));
        operand(&job, PLN_I64, 1, DIMS(1), i == 3 ? DIMS(1) : DIMS(0));
        operand(&job, PLN_I64, 1, DIMS(1), good ? DIMS(1) : &starts[i][1]);
        operand(&job, PLN_F32, 1, DIMS(4), NULL);
        /* { 5, -1 } reads 4, 3, 2, 1 */
        if (good || i == 2)
            goes_well(&job);
        else
            says(&job, run(&job), "do not give the output's shape");
    }
    for (int i = 0; i < 4; i++) {
        const int64_t pads[][2] = { { 1, 1 }, { 2, 1 }, { INT64_MIN, 1 }, { INT64_MAX, 1 } };
        job_init(&job, *state, "pad_cuda");
        operand(&job, PLN_F32, 1, DIMS(3), numbers);
        operand(&job, PLN_I64, 1, DIMS(2), pads[i]);
        operand(&job, PLN_F32, 1, DIMS(5), NULL);
        if (i == 0)
            goes_well(&job);
        else
            says(&job, run(&job), "do not give the output's shape");
    }
}

static void lengths(void **state)
{
    static const int64_t wrong[] = { 3, -1, INT64_MAX, INT64_MIN };
    struct job job;
    for (size_t i = 0; i < PLN_COUNT_OF(wrong); i++) {
        const int64_t told[2] = { 1, wrong[i] };
        job_init(&job, *state, "reverse_sequence_cuda");
        operand(&job, PLN_F32, 2, DIMS(2, 2), numbers);
        operand(&job, PLN_I64, 1, DIMS(2), told);
        operand(&job, PLN_F32, 2, DIMS(2, 2), NULL);
        says(&job, run(&job), "leads out of the tensor");

        job_init(&job, *state, "tensor_scatter_cuda");
        operand(&job, PLN_F32, 3, DIMS(2, 4, 1), numbers);
        operand(&job, PLN_F32, 3, DIMS(2, 2, 1), numbers);
        operand(&job, PLN_I64, 1, DIMS(2), told);
        operand(&job, PLN_F32, 3, DIMS(2, 4, 1), NULL);
        says(&job, run(&job), "leads out of the tensor");

        job_init(&job, *state, "rnn_cuda");
        operand(&job, PLN_F32, 3, DIMS(2, 2, 1), numbers);
        operand(&job, PLN_F32, 3, DIMS(1, 1, 1), numbers);
        operand(&job, PLN_F32, 3, DIMS(1, 1, 1), numbers);
        operand(&job, PLN_F32, 2, DIMS(1, 2), numbers);
        operand(&job, PLN_I64, 1, DIMS(2), told);
        operand(&job, PLN_F32, 4, DIMS(2, 1, 2, 1), NULL);
        says(&job, run(&job), "is not within the sequence");
    }
}

static void scales(void **state)
{
    static const float wrong[] = { 0, -1, 1e-30f };
    struct job job;
    for (size_t i = 0; i < PLN_COUNT_OF(wrong); i++) {
        job_init(&job, *state, "resize_cuda");
        operand(&job, PLN_F32, 1, DIMS(4), numbers);
        operand(&job, PLN_F32, 1, DIMS(0), numbers);
        operand(&job, PLN_F32, 1, DIMS(1), &wrong[i]);
        operand(&job, PLN_F32, 1, DIMS(8), NULL);
        assert_true(pln_attrs_set_string(&job.attrs, &job.arena, "mode", "linear", 6) &&
                    pln_attrs_set_int(&job.attrs, &job.arena, "antialias", 1));
        says(&job, run(&job), "is not above 0, or too small");
    }
}

/* ---- a state that grows ---- */

/* [2, rows, 3] with room for more rows: the past lies where the output has it, the new rows elsewhere. */
static void in_place(void **state)
{
    struct rig *rig = *state;
    struct job job;
    float back[2 * 8 * 3];
    for (int rows = 0; rows < 8; rows++) {
        job_init(&job, rig, "concat_8_cuda");
        operand(&job, PLN_F32, 3, DIMS(2, 8, 3),
                numbers); /* stands for the memory of the state; its first rows are the past */
        operand(&job, PLN_F32, 3, DIMS(2, 1, 3), numbers + 1);
        operand(&job, PLN_F32, 3, DIMS(2, 8, 3), NULL);
        assert_true(pln_attrs_set_int(&job.attrs, &job.arena, "axis", 1));
        void *own = job.device[2].data;
        job.device[2].data = job.device[0].data;
        job.device[0].dims[1] = rows;
        job.device[2].dims[1] = rows + 1;
        struct pln_tensor memory;
        pln_tensor_init(&memory, PLN_F32, 1, DIMS(48), job.device[0].data);
        struct pln_tensor all = memory, host = memory;
        host.data = back;
        for (int i = 0; i < 48; i++) back[i] = (float)i;
        const struct pln_launch launch = launch_of(&job);
        void *params = aligned_alloc(64, pln_align_up(job.kernel->family->state_bytes, 64));
        memset(params, 0, job.kernel->family->state_bytes);
        struct pln_device_code *code = compile(&job);
        struct pln_command commands[] = {
            copy_command(rig, &host, &all, true, false),
            copy_command(rig, &job.host[1], &job.device[1], true, false),
            { .kind = PLN_COMMAND_LAUNCH, .kernel = job.kernel, .code = code, .state = params, .launch = &launch },
            copy_command(rig, &all, &host, false, true)
        };
        assert_int_equal(job.kernel->family->prepare(job.kernel, &launch, params, &commands[2].prepared, &rig->diag),
                         PLN_OK);
        assert_int_equal(commands[2].prepared.n_tasks, 1);
        assert_int_equal(rig->backend->submit(rig->queue, commands, 4, NULL, 0, &rig->diag), PLN_OK);
        assert_int_equal(rig->backend->sync(rig->queue, &rig->diag), PLN_OK);
        for (int i = 0; i < 48; i++)
            assert_true(back[i] == (i / 3 % 8 == rows ? numbers[1 + i / 24 * 3 + i % 3] : (float)i));
        /* One row further it would be read while it is written. */
        job.device[0].data = (char *)job.device[0].data + 12;
        memset(params, 0, job.kernel->family->state_bytes);
        enum pln_status status =
            job.kernel->family->prepare(job.kernel, &launch, params, &commands[2].prepared, &rig->diag);
        assert_int_equal(status, rows == 0 ? PLN_OK : PLN_INVALID_ARGUMENT);
        pln_diag_init(&rig->diag);
        rig->backend->code_unload(rig->device, code);
        free(params);
        job.device[0].data = job.device[2].data;
        job.device[2].data = own;
        job_deinit(&job);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(indices), cmocka_unit_test(cuts),     cmocka_unit_test(lengths),
        cmocka_unit_test(scales),  cmocka_unit_test(in_place),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
