/* One engine of a case: built, run at every shape on one context, its outputs kept. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "planish/planish.h"
#include "tensor/tensor.h"

static const char *broken;

void random_break(const char *pass)
{
    broken = pass;
}

int random_step_run(const struct random_case *made, int step)
{
    if (step > made->runs) return -1;
    return step == made->runs ? 0 : step;
}

static void describe(const char *what, enum pln_status status, const pln_diagnostics *diagnostics, char error[512])
{
    struct pln_message message = { .text = "", .node = "", .op = "" };
    if (pln_diagnostics_count(diagnostics) == 0 || pln_diagnostics_get(diagnostics, 0, &message) != PLN_OK) message.text = "no message";
    snprintf(error, 512, "%s: %s: %s (node %s, %s)", what, pln_status_text(status), message.text, message.node, message.op);
}

static enum pln_status bind(pln_context *context, const struct random_case *made, int run)
{
    for (int i = 0; i < made->input_count; i++) {
        const struct random_input *input = &made->input[i];
        struct pln_buffer buffer = { .dtype = input->dtype, .rank = input->rank, .data = input->data[run] };
        for (int d = 0; d < input->rank; d++) buffer.dims[d] = input->dims[run][d];
        buffer.size_bytes = (size_t)input->count[run] * (size_t)(pln_dtype_bits(input->dtype) / 8);
        enum pln_status status = pln_context_bind_input(context, input->name, &buffer);
        if (status != PLN_OK) return status;
    }
    return PLN_OK;
}

static bool keep(pln_context *context, const char *name, struct random_result *out)
{
    struct pln_buffer buffer;
    if (pln_context_output(context, name, &buffer) != PLN_OK || buffer.strides) return false;
    out->dtype = buffer.dtype, out->rank = buffer.rank, out->count = 1;
    for (int d = 0; d < buffer.rank; d++) out->dims[d] = buffer.dims[d], out->count *= buffer.dims[d];
    size_t bytes = (size_t)out->count * (size_t)(pln_dtype_bits(buffer.dtype) / 8);
    out->data = malloc(bytes + 1);
    if (out->data && bytes) memcpy(out->data, buffer.data, bytes);
    return out->data != NULL;
}

static void run_engine(pln_engine *engine, const struct random_case *made, struct random_results *out)
{
    pln_context *context;
    enum pln_status status = pln_context_create(engine, NULL, &context);
    if (status != PLN_OK) snprintf(out->error, sizeof out->error, "context: %s", pln_status_text(status));
    for (int step = 0; step <= made->runs && out->error[0] == '\0'; step++) {
        char what[32];
        int run = random_step_run(made, step);
        snprintf(what, sizeof what, "run %d", step);
        status = bind(context, made, run);
        if (status == PLN_OK) status = pln_context_run(context);
        if (status != PLN_OK) describe(what, status, pln_context_diagnostics(context), out->error);
        for (int i = 0; i < made->output_count && status == PLN_OK; i++)
            if (!keep(context, made->output[i].name, &out->of[step][i])) snprintf(out->error, sizeof out->error, "%s: no output %s", what, made->output[i].name);
    }
    pln_context_destroy(context);
}

void random_run(const struct random_case *made, const char *device, const char *const *disabled, struct random_results *out)
{
    memset(out, 0, sizeof *out);
    pln_diagnostics *diagnostics = pln_diagnostics_create();
    const struct pln_build_options options = { .struct_size = sizeof options, .device = device, .disabled_passes = disabled, .broken_pass = strcmp(device, "ref") ? broken : NULL, .diagnostics = diagnostics };
    pln_engine *engine;
    enum pln_status status = pln_build_memory(made->model.data, made->model.size_bytes, NULL, &options, &engine);
    if (status != PLN_OK) describe("build", status, diagnostics, out->error);
    else run_engine(engine, made, out);
    pln_engine_release(engine);
    pln_diagnostics_destroy(diagnostics);
}

void random_results_free(struct random_results *results)
{
    for (int step = 0; step < CHECK_STEPS; step++)
        for (int i = 0; i < CASE_OUTPUTS; i++) free(results->of[step][i].data);
    memset(results, 0, sizeof *results);
}
