/* plugin_models FILE.onnx [OPERATOR]: writes a model with nodes of com.acme: z = Positive(Scale(x) + x), y = Scale(x) + x; with OPERATOR in place of
 * Positive. */
#include <stdio.h>

#include "planish/network.h"

static void put(pln_network *network, const char *op, const char *domain, const char *name, const char *const *inputs, int input_count, const char *output)
{
    const struct pln_attribute factor = { .name = "factor", .kind = PLN_ATTRIBUTE_FLOAT, .f = -2 };
    pln_network_add_node(network, &(struct pln_network_node){ .op_type = op, .domain = domain, .name = name, .inputs = inputs, .input_count = input_count, .outputs = &output, .output_count = 1,
                                                              .attributes = &factor, .attribute_count = domain ? 1 : 0 });
}

int main(int argc, char **argv)
{
    static const int64_t dims[2] = { -1, 3 };
    static const char *const names[2] = { "n", NULL }, *const x[1] = { "x" }, *const ax[2] = { "a", "x" }, *const y[1] = { "y" };
    if (argc != 2 && argc != 3) return 2;
    pln_network *network = pln_network_create("acme", 17);
    pln_network_use_domain(network, "com.acme", 1);
    pln_network_add_input(network, "x", PLN_F32, 2, dims, names);
    put(network, "Scale", "com.acme", "scale", x, 1, "a");
    put(network, "Add", NULL, "sum", ax, 2, "y");
    put(network, argc > 2 ? argv[2] : "Positive", "com.acme", "positive", y, 1, "z");
    pln_network_add_output(network, "y", PLN_F32, 2, dims, names);
    pln_network_add_output(network, "z", PLN_F32, -1, NULL, NULL);
    enum pln_status status = pln_network_save(network, argv[1], NULL);
    if (status != PLN_OK) fprintf(stderr, "%s\n", pln_status_text(status));
    pln_network_destroy(network);
    return status != PLN_OK;
}
