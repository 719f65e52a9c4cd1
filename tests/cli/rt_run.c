/* rt_run PLAN [PLUGIN.so]: runs a plan with libplanish_rt alone, on small numbers, and prints every output in full. What goes wrong is said with status 1. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "planish/context.h"
#include "planish/engine.h"
#include "planish/plugin.h"

static int complain(enum pln_status status, const pln_diagnostics *diagnostics)
{
    struct pln_message message;
    fprintf(stderr, "%s\n", pln_status_text(status));
    for (int i = 0; pln_diagnostics_get(diagnostics, i, &message) == PLN_OK; i++) fprintf(stderr, "  %s\n", message.text);
    return 1;
}

static void *make_input(const struct pln_tensor_info *info, struct pln_buffer *out_buffer)
{
    size_t count = 1;
    *out_buffer = (struct pln_buffer){ .dtype = info->dtype, .rank = info->rank };
    for (int i = 0; i < info->rank; i++) {
        out_buffer->dims[i] = info->dims[i] < 0 ? 2 : info->dims[i];
        count *= (size_t)out_buffer->dims[i];
    }
    out_buffer->size_bytes = count * ((size_t)pln_dtype_bits(info->dtype) / 8);
    out_buffer->data = calloc(1, out_buffer->size_bytes + 8);
    for (size_t i = 0; out_buffer->data && i < count; i++) {
        if (info->dtype == PLN_F32) ((float *)out_buffer->data)[i] = (float)(i % 17) / 16 - 0.5f;
        if (info->dtype == PLN_I64) ((int64_t *)out_buffer->data)[i] = (int64_t)(i % 2);
    }
    return out_buffer->data;
}

static void print(const char *name, const struct pln_buffer *output)
{
    printf("%s", name);
    for (int i = 0; i < output->rank; i++) printf(" %" PRId64, output->dims[i]);
    for (size_t i = 0; output->dtype == PLN_F32 && i < output->size_bytes / sizeof(float); i++) printf("%s%a", i % 8 ? " " : "\n", (double)((const float *)output->data)[i]);
    printf("\n");
}

static enum pln_status run(pln_engine *engine, pln_context *context)
{
    struct pln_tensor_info info;
    void *inputs[64] = { NULL };
    enum pln_status status = PLN_OK;
    for (int i = 0; status == PLN_OK && i < 64 && pln_engine_input(engine, i, &info) == PLN_OK; i++) {
        struct pln_buffer buffer;
        inputs[i] = make_input(&info, &buffer);
        status = pln_context_bind_input(context, info.name, &buffer);
    }
    if (status == PLN_OK) status = pln_context_run(context);
    for (int i = 0; status == PLN_OK && pln_engine_output(engine, i, &info) == PLN_OK; i++) {
        struct pln_buffer output;
        status = pln_context_output(context, info.name, &output);
        if (status == PLN_OK) print(info.name, &output);
    }
    for (int i = 0; i < 64; i++) free(inputs[i]);
    return status;
}

int main(int argc, char **argv)
{
    if (argc != 2 && argc != 3) return 2;
    pln_diagnostics *diagnostics = pln_diagnostics_create();
    pln_engine *engine = NULL;
    pln_context *context = NULL;
    pln_plugins *plugins = argc == 3 ? pln_plugins_create(NULL) : NULL;
    const struct pln_engine_options load = { .struct_size = sizeof load, .diagnostics = diagnostics, .plugins = plugins };
    enum pln_status status = plugins ? pln_plugins_load(plugins, argv[2], diagnostics) : PLN_OK;
    if (status == PLN_OK) status = pln_engine_load_file(argv[1], &load, &engine);
    pln_plugins_release(plugins);
    int exit_status = status == PLN_OK ? 0 : complain(status, diagnostics);
    if (status == PLN_OK) {
        status = pln_context_create(engine, NULL, &context);
        if (status == PLN_OK) status = run(engine, context);
        if (status != PLN_OK) exit_status = complain(status, context ? pln_context_diagnostics(context) : diagnostics);
    }
    pln_context_destroy(context);
    pln_engine_release(engine);
    pln_diagnostics_destroy(diagnostics);
    return exit_status;
}
