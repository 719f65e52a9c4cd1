/* Loads a model (an ONNX file, or a plan that `planish build` wrote), runs it on ones, prints its outputs.
 *
 *     cc load_and_run.c -o load_and_run $(pkg-config --cflags --libs planish)
 *     ./load_and_run model.onnx
 */
#include <planish/planish.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int complain(enum pln_status status, const pln_diagnostics *diagnostics)
{
    struct pln_message message;
    fprintf(stderr, "%s\n", pln_status_text(status));
    for (int i = 0; pln_diagnostics_get(diagnostics, i, &message) == PLN_OK; i++) fprintf(stderr, "  %s%s%s\n", message.node, message.node[0] ? ": " : "", message.text);
    return 1;
}

/* A tensor of ones in memory of our own; dims that the model leaves open are 1. */
static void *make_input(const struct pln_tensor_info *info, struct pln_buffer *out_buffer)
{
    size_t count = 1;
    *out_buffer = (struct pln_buffer){ .dtype = info->dtype, .rank = info->rank };
    for (int i = 0; i < info->rank; i++) {
        out_buffer->dims[i] = info->dims[i] < 0 ? 1 : info->dims[i];
        count *= (size_t)out_buffer->dims[i];
    }
    out_buffer->size_bytes = (count * (size_t)pln_dtype_bits(info->dtype) + 7) / 8;
    out_buffer->data = calloc(1, out_buffer->size_bytes + 1);
    for (size_t i = 0; out_buffer->data && i < count; i++) {
        if (info->dtype == PLN_F32) ((float *)out_buffer->data)[i] = 1;
        if (info->dtype == PLN_I64) ((int64_t *)out_buffer->data)[i] = 1;
    }
    return out_buffer->data;
}

static enum pln_status run(pln_engine *engine, pln_context *context)
{
    struct pln_tensor_info info;
    void *inputs[64] = { NULL };
    enum pln_status status = PLN_OK;
    for (int i = 0; status == PLN_OK && i < 64 && pln_engine_input(engine, i, &info) == PLN_OK; i++) {
        struct pln_buffer buffer;
        inputs[i] = make_input(&info, &buffer);
        status = pln_context_bind_input(context, info.name, &buffer); /* the data must live until the run is over */
    }
    if (status == PLN_OK) status = pln_context_run(context);
    for (int i = 0; status == PLN_OK && pln_engine_output(engine, i, &info) == PLN_OK; i++) {
        struct pln_buffer output;
        status = pln_context_output(context, info.name, &output); /* valid until the next run */
        if (status != PLN_OK) break;
        printf("%s: %s[", info.name, pln_dtype_name(output.dtype));
        for (int d = 0; d < output.rank; d++) printf("%s%lld", d ? "," : "", (long long)output.dims[d]);
        printf("]");
        for (size_t k = 0; output.dtype == PLN_F32 && k < 5 && k < output.size_bytes / sizeof(float); k++) printf(" %g", (double)((const float *)output.data)[k]);
        printf("\n");
    }
    for (int i = 0; i < 64; i++) free(inputs[i]);
    return status;
}

int main(int argc, char **argv)
{
    if (argc != 2) return fprintf(stderr, "usage: load_and_run MODEL.onnx|MODEL.plan\n"), 2;
    pln_diagnostics *diagnostics = pln_diagnostics_create();
    pln_engine *engine = NULL;
    pln_context *context = NULL;
    const char *dot = strrchr(argv[1], '.');
    struct pln_engine_options load = { .struct_size = sizeof load, .diagnostics = diagnostics };
    struct pln_build_options build = { .struct_size = sizeof build, .diagnostics = diagnostics };
    enum pln_status status = dot && strcmp(dot, ".plan") == 0 ? pln_engine_load_file(argv[1], &load, &engine) : pln_build_file(argv[1], &build, &engine);
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
