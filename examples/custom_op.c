/* A custom operator, com.acme:Scale (y = x * factor), registered by the program itself, and a network with a node of it.
 *
 *     cc custom_op.c -o custom_op $(pkg-config --cflags --libs planish)
 */
#include <planish/planish.h>

#include <stdio.h>

static enum pln_status shape(struct pln_plugin_call *call)
{
    call->outputs[0] = call->inputs[0]; /* the same type and dims, known or not */
    return PLN_OK;
}

static enum pln_status compute(struct pln_plugin_call *call)
{
    const float *x = call->inputs[0].data, factor = pln_plugin_float(call, "factor", 1);
    float *y = call->outputs[0].data;
    if (call->inputs[0].dtype != PLN_F32) return call->fail(call, PLN_UNSUPPORTED, "x must be f32");
    for (int64_t i = 0, n = pln_plugin_elements(&call->inputs[0]); i < n; i++) y[i] = x[i] * factor;
    return PLN_OK;
}

/* The network; pln_build_file takes the same options. */
static pln_network *make_network(void)
{
    static const int64_t dims[1] = { -1 };
    static const char *const names[1] = { "n" }, *const x[1] = { "x" }, *const y[1] = { "y" };
    const struct pln_attribute factor = { .name = "factor", .kind = PLN_ATTRIBUTE_FLOAT, .f = 3 };
    const struct pln_network_node node = { .op_type = "Scale", .domain = "com.acme", .inputs = x, .input_count = 1, .outputs = y, .output_count = 1, .attributes = &factor, .attribute_count = 1 };
    pln_network *network = pln_network_create("scaled", 0);
    pln_network_use_domain(network, "com.acme", 1);
    pln_network_add_input(network, "x", PLN_F32, 1, dims, names);
    pln_network_add_node(network, &node);
    pln_network_add_output(network, "y", PLN_DTYPE_NONE, -1, NULL, NULL);
    return network;
}

int main(void)
{
    const struct pln_plugin scale = { .struct_size = sizeof scale, .abi = PLN_PLUGIN_ABI, .domain = "com.acme", .name = "Scale", .min_inputs = 1, .max_inputs = 1,
                                      .min_outputs = 1, .max_outputs = 1, .flags = PLN_PLUGIN_PURE, .compute = compute, .shape = shape };
    float data[2] = { 1, 2 };
    struct pln_buffer y, x = { .dtype = PLN_F32, .rank = 1, .dims = { 2 }, .data = data, .size_bytes = sizeof data };
    pln_engine *engine = NULL;
    pln_context *context = NULL;
    pln_network *network = make_network();
    pln_plugins *plugins = pln_plugins_create(NULL);
    const struct pln_build_options options = { .struct_size = sizeof options, .plugins = plugins };
    if (pln_plugins_add(plugins, &scale, NULL) != PLN_OK || pln_build_network(network, &options, &engine) != PLN_OK) return fputs("it cannot be built\n", stderr), 1;
    if (pln_context_create(engine, NULL, &context) != PLN_OK || pln_context_bind_input(context, "x", &x) != PLN_OK) return fputs("x cannot be bound\n", stderr), 1;
    if (pln_context_run(context) != PLN_OK || pln_context_output(context, "y", &y) != PLN_OK) return fputs("it does not run\n", stderr), 1;
    printf("%g %g\n", (double)((float *)y.data)[0], (double)((float *)y.data)[1]);
    pln_context_destroy(context);
    pln_engine_release(engine);
    pln_plugins_release(plugins); /* could have been released after the build: the engine holds it */
    pln_network_destroy(network);
    return 0;
}
