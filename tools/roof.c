#include "roof.h"

#include <math.h>
#include <string.h>

#include "planish/network.h"
#include "profile.h"

/* out = op(a, b), both inputs of shape rows x columns. */
static pln_engine *build(const struct model *model, const char *device, const char *op, int64_t rows, int64_t columns)
{
    const int64_t dims[2] = { rows, columns };
    static const char *const inputs[2] = { "a", "b" }, *const outputs[1] = { "out" };
    pln_engine *engine = NULL;
    pln_network *network = pln_network_create("roof", 0);
    if (!network) return NULL;
    for (int i = 0; i < 2; i++) pln_network_add_input(network, inputs[i], PLN_F32, 2, dims, NULL);
    const struct pln_network_node node = { .op_type = op, .inputs = inputs, .input_count = 2, .outputs = outputs, .output_count = 1 };
    pln_network_add_node(network, &node);
    pln_network_add_output(network, "out", PLN_DTYPE_NONE, -1, NULL, NULL);
    const struct pln_build_options options = { .struct_size = sizeof options, .pool = model->pool, .device = device, .no_rebuild = 1, .cache_folder = model_cache_folder() };
    if (pln_build_network(network, &options, &engine) != PLN_OK) engine = NULL;
    pln_network_destroy(network);
    return engine;
}

/* Milliseconds in the kernel of one run, the least of a few; NAN: it did not work. */
static double least_ms(const struct command *command, const struct model *model, pln_engine *engine)
{
    pln_context *context = NULL;
    pln_host_value *values[2] = { NULL, NULL };
    double least = NAN;
    struct pln_tensor_info info;
    enum pln_status status = pln_context_create(engine, NULL, &context);
    for (int i = 0; status == PLN_OK && i < 2; i++) {
        status = pln_engine_input(engine, i, &info);
        if (status == PLN_OK && !(values[i] = model_random_input(&info, 1))) status = PLN_NO_MEMORY;
        if (status == PLN_OK) status = pln_context_bind_value(context, info.name, values[i]);
    }
    const struct model own = { .engine = engine, .pool = model->pool };
    for (int i = 0; status == PLN_OK && i < 5; i++) {
        struct profile profile;
        double ms = 0;
        if (profile_make(command, &own, context, 20, &profile) != 0) break;
        for (int s = 0; s < profile.n_steps; s++) ms += profile.ms[s];
        if (ms > 0) least = fmin(least, ms); /* of NAN and a number, the number */
        profile_free(&profile);
    }
    pln_context_destroy(context);
    for (int i = 0; i < 2; i++) pln_host_value_destroy(values[i]);
    return least;
}

bool roof_measure(const struct command *command, const struct model *model, struct roof *out_roof)
{
    struct pln_engine_summary summary;
    pln_engine_summarize(model->engine, &summary);
    if (strcmp(summary.device, "ref") == 0) return false;
    /* Large enough to hide the start of a kernel, and for the sums to be in no cache; a GPU is some fifty times faster than a CPU. */
    const bool cpu = strcmp(summary.device, "cpu") == 0;
    const int64_t n = cpu ? 1024 : 4096, rows = cpu ? 8192 : 32768;
    pln_engine *product = build(model, summary.device, "MatMul", n, n), *sum = build(model, summary.device, "Add", rows, 2048);
    if (product) out_roof->gflops = 2.0 * (double)n * (double)n * (double)n / (least_ms(command, model, product) * 1e6);
    if (sum) out_roof->gbytes = 3.0 * 4.0 * (double)rows * 2048.0 / (least_ms(command, model, sum) * 1e6);
    const bool known = product && sum && isfinite(out_roof->gflops) && isfinite(out_roof->gbytes);
    pln_engine_release(product);
    pln_engine_release(sum);
    return known;
}
