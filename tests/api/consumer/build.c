/* A program that builds a network and runs it: y = relu(x). */
#include <planish/planish.h>

#include <stdio.h>

static pln_engine *build(void)
{
    static const int64_t dims[] = { 4 };
    static const char *const inputs[] = { "x" }, *const outputs[] = { "y" };
    pln_engine *engine = NULL;
    pln_network *network = pln_network_create("consumer", 0);
    struct pln_network_node relu = { .op_type = "Relu", .inputs = inputs, .input_count = 1, .outputs = outputs, .output_count = 1 };
    pln_network_add_input(network, "x", PLN_F32, 1, dims, NULL);
    pln_network_add_node(network, &relu);
    pln_network_add_output(network, "y", PLN_DTYPE_NONE, 1, dims, NULL);
    if (pln_build_network(network, NULL, &engine) != PLN_OK) engine = NULL;
    pln_network_destroy(network);
    return engine;
}

int main(void)
{
    float data[] = { -1, 2, -3, 4 };
    struct pln_buffer y = { PLN_DTYPE_NONE }, x = { .dtype = PLN_F32, .rank = 1, .dims = { 4 }, .data = data, .size_bytes = sizeof data };
    pln_context *context = NULL;
    pln_engine *engine = build();
    int right = engine && pln_context_create(engine, NULL, &context) == PLN_OK && pln_context_bind_input(context, "x", &x) == PLN_OK &&
        pln_context_run(context) == PLN_OK && pln_context_output(context, "y", &y) == PLN_OK && y.size_bytes >= sizeof data;
    for (int i = 0; right && i < 4; i++) right = ((const float *)y.data)[i] == (data[i] > 0 ? data[i] : 0);
    pln_context_destroy(context);
    pln_engine_release(engine);
    printf("planish %s %s\n", pln_version(), right ? "builds and runs" : "is wrong");
    return !right || pln_api_version() < PLN_API_VERSION;
}
