/* A plugin that does what the environment says: what a shared object can get wrong. */
#include <stdlib.h>

#include "planish/plugin.h"

static enum pln_status compute(struct pln_plugin_call *call)
{
    return call->fail(call, PLN_IO, "the weights of %s are gone", call->name);
}

enum pln_status planish_plugin_register(const struct pln_plugin_host *host)
{
    const char *how = getenv("BAD_PLUGIN");
    struct pln_plugin plugin = { .struct_size = sizeof plugin, .abi = PLN_PLUGIN_ABI, .domain = "com.acme", .name = "Broken", .min_inputs = 1, .max_inputs = 1, .min_outputs = 1, .max_outputs = 1,
                                 .compute = compute };
    if (host->abi != PLN_PLUGIN_ABI || host->struct_size < sizeof *host) return PLN_INCOMPATIBLE;
    if (how && strcmp(how, "status") == 0) return (enum pln_status)1234;
    if (how && strcmp(how, "silent") == 0) return PLN_DEVICE;
    if (how && strcmp(how, "newer") == 0) plugin.abi++;
    if (how && strcmp(how, "onnx") == 0) plugin.domain = "ai.onnx";
    (void)host->add(host, &plugin); /* what comes of it is told by the library */
    return PLN_OK;
}
