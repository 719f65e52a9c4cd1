/* Custom operators in a shared object, for the command and for programs that load it with pln_plugins_load:
 *
 *     cc -shared -fPIC custom_op_plugin.c -o acme.so $(pkg-config --cflags planish)
 *     planish run model.onnx --plugin acme.so --random 1
 *
 * com.acme:Scale: y = x * factor, by all threads. com.acme:Positive: those elements of x that are; how many only a run can tell. */
#include <planish/plugin.h>

struct scaling {
    const float *x;
    float *y, factor;
};

static void scale_part(void *user, int64_t first, int64_t last)
{
    const struct scaling *scaling = user;
    for (int64_t i = first; i < last; i++) scaling->y[i] = scaling->x[i] * scaling->factor;
}

static enum pln_status scale_shape(struct pln_plugin_call *call)
{
    if (call->inputs[0].dtype != PLN_F32) return call->fail(call, PLN_UNSUPPORTED, "x must be f32");
    call->outputs[0] = call->inputs[0];
    return PLN_OK;
}

static enum pln_status scale(struct pln_plugin_call *call)
{
    struct scaling scaling = { call->inputs[0].data, call->outputs[0].data, pln_plugin_float(call, "factor", 1) };
    call->parallel(call, pln_plugin_elements(&call->inputs[0]), 4096, scale_part, &scaling);
    return PLN_OK;
}

static enum pln_status positive_shape(struct pln_plugin_call *call)
{
    if (call->inputs[0].dtype != PLN_F32) return call->fail(call, PLN_UNSUPPORTED, "x must be f32");
    call->outputs[0].dtype = PLN_F32;
    call->outputs[0].rank = 1;
    call->outputs[0].dims[0] = -1;
    return PLN_OK;
}

static enum pln_status positive(struct pln_plugin_call *call)
{
    const float *x = call->inputs[0].data;
    int64_t n = pln_plugin_elements(&call->inputs[0]), count = 0;
    for (int64_t i = 0; i < n; i++) count += x[i] > 0;
    enum pln_status status = call->output(call, 0, PLN_F32, 1, &count);
    if (status != PLN_OK) return status;
    float *y = call->outputs[0].data;
    for (int64_t i = 0; i < n; i++)
        if (x[i] > 0) *y++ = x[i];
    return PLN_OK;
}

enum pln_status planish_plugin_register(const struct pln_plugin_host *host)
{
    struct pln_plugin plugin = { .struct_size = sizeof plugin, .abi = PLN_PLUGIN_ABI, .domain = "com.acme", .name = "Scale", .min_inputs = 1, .max_inputs = 1,
                                 .min_outputs = 1, .max_outputs = 1, .flags = PLN_PLUGIN_PURE, .compute = scale, .shape = scale_shape };
    enum pln_status status = host->add(host, &plugin);
    if (status != PLN_OK) return status;
    plugin.name = "Positive";
    plugin.compute = positive;
    plugin.shape = positive_shape;
    return host->add(host, &plugin);
}
