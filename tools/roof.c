#include "roof.h"

#include <math.h>
#include <string.h>

#include "json.h"
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
    const struct pln_build_options options = { .struct_size = sizeof options, .pool = model->pool, .device = device, .no_rebuild = 1, .cache_folder = model->no_cache ? NULL : model_cache_folder() };
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

/* Work in a millisecond, of larger and larger tensors until a run takes long enough to hide the start of a kernel, and for the tensors to be in no cache. 0: it did
 * not work. shape gives rows and columns of the k-th size, and the work of a run. */
static double rate(const struct command *command, const struct model *model, const char *device, const char *op, double (*shape)(int k, int64_t *rows, int64_t *columns))
{
    enum { SIZES = 6, ENOUGH_MS = 8 };
    double best = 0;
    for (int k = 0; k < SIZES; k++) {
        int64_t rows, columns;
        const double work = shape(k, &rows, &columns);
        pln_engine *engine = build(model, device, op, rows, columns);
        const double ms = engine ? least_ms(command, model, engine) : NAN;
        pln_engine_release(engine);
        if (!isfinite(ms)) break;
        best = work / ms;
        if (ms >= ENOUGH_MS) break;
    }
    return best;
}

/* Square matrices: multiplications and additions. */
static double product_shape(int k, int64_t *rows, int64_t *columns)
{
    *rows = *columns = (int64_t)256 << k;
    return 2 * pow((double)*rows, 3);
}

/* Bytes read and written. The last one's tensors have 512 MiB each. */
static double sum_shape(int k, int64_t *rows, int64_t *columns)
{
    *rows = (int64_t)2048 << k;
    *columns = 2048;
    return 3 * 4 * (double)*rows * (double)*columns;
}

double roof_share(const struct roof *roof, double gflops, double gbytes)
{
    return fmax(gflops / roof->gflops, gbytes / roof->gbytes); /* of NAN and a number, the number */
}

void roof_write_json(FILE *out, const struct roof *roof)
{
    fputs(",\"roof\":", out);
    if (roof) {
        fputs("{\"gflops\":", out);
        json_number(out, roof->gflops);
        fputs(",\"gbytes\":", out);
        json_number(out, roof->gbytes);
    }
    fputs(roof ? "}" : "null", out);
}

bool roof_measure(const struct command *command, const struct model *model, struct roof *out_roof)
{
    struct pln_engine_summary summary;
    pln_engine_summarize(model->engine, &summary);
    if (strcmp(summary.device, "ref") == 0) return false;
    out_roof->gflops = rate(command, model, summary.device, "MatMul", product_shape) / 1e6;
    out_roof->gbytes = rate(command, model, summary.device, "Add", sum_shape) / 1e6;
    return out_roof->gflops > 0 && out_roof->gbytes > 0;
}
