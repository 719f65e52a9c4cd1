/* Queries without copies: inputs and outputs that stay in the memory of a GPU. A model of one node takes each input there. */
#include <stdlib.h>
#include <string.h>

#include "planish/network.h"
#include "planish/planish.h"
#include "trtexec.h"

/* Has run once; its output is what came in, on the device. */
struct carrier {
    pln_engine *engine;
    pln_context *context;
};

struct trtexec_resident {
    struct carrier *carriers; /* by input; of those that are no tensors, empty */
    int count;
};

static void destroy(struct carrier *carrier)
{
    pln_context_destroy(carrier->context);
    pln_engine_release(carrier->engine);
    *carrier = (struct carrier){ 0 };
}

/* false: it stays on the host. */
static bool carry(const struct model *model, const char *device, const pln_host_value *value, struct carrier *out)
{
    struct pln_buffer in;
    const struct pln_buffer there = { .memory = PLN_MEMORY_DEVICE };
    if (pln_host_value_buffer(value, &in) != PLN_OK || in.dtype == PLN_STR) return false;
    const struct pln_build_options build = { .struct_size = sizeof build, .device = device, .pool = model->pool, .cache_folder = model->no_cache ? NULL : model_cache_folder() };
    const struct pln_network_node copy = { .op_type = "Identity", .name = "copy", .inputs = (const char *const[]){ "x" }, .input_count = 1, .outputs = (const char *const[]){ "y" }, .output_count = 1 };
    pln_network *network = pln_network_create("copy", 17);
    pln_network_add_input(network, "x", in.dtype, in.rank, in.dims, NULL);
    pln_network_add_node(network, &copy);
    pln_network_add_output(network, "y", in.dtype, in.rank, in.dims, NULL);
    bool good = pln_build_network(network, &build, &out->engine) == PLN_OK && pln_context_create(out->engine, NULL, &out->context) == PLN_OK;
    good = good && pln_context_bind_input(out->context, "x", &in) == PLN_OK && pln_context_bind_output(out->context, "y", &there) == PLN_OK && pln_context_run(out->context) == PLN_OK;
    pln_network_destroy(network);
    if (!good) destroy(out);
    return good;
}

struct trtexec_resident *trtexec_resident_create(const struct model *model, const struct inputs *inputs)
{
    struct pln_engine_summary summary;
    pln_engine_summarize(model->engine, &summary);
    if (strncmp(summary.device, "cuda", 4) != 0) return NULL; /* nothing is copied */
    struct trtexec_resident *resident = calloc(1, sizeof *resident);
    if (resident) resident->carriers = calloc((size_t)inputs->count + 1, sizeof *resident->carriers);
    if (!resident || !resident->carriers) {
        free(resident);
        return NULL;
    }
    resident->count = inputs->count;
    for (int i = 0; i < inputs->count; i++)
        if (!carry(model, summary.device, inputs->values[i], &resident->carriers[i])) trtexec_log('W', "Input %s stays in host memory and is copied in each query", inputs->infos[i].name);
    return resident;
}

void trtexec_resident_bind(const struct trtexec_resident *resident, const struct model *model, const struct inputs *inputs, pln_context *context)
{
    struct pln_tensor_info info;
    struct pln_buffer there;
    for (int i = 0; resident && i < resident->count; i++) {
        if (!resident->carriers[i].context || pln_context_output(resident->carriers[i].context, "y", &there) != PLN_OK) continue;
        if (pln_context_bind_input(context, inputs->infos[i].name, &there) != PLN_OK) trtexec_log('W', "Input %s is read on the host and is copied in each query", inputs->infos[i].name);
    }
    for (int i = 0; resident && pln_engine_output(model->engine, i, &info) == PLN_OK; i++) {
        there = (struct pln_buffer){ .memory = PLN_MEMORY_DEVICE };
        if (pln_context_bind_output(context, info.name, &there) != PLN_OK) trtexec_log('W', "Output %s is copied to host memory in each query", info.name);
    }
}

void trtexec_resident_unbind(const struct trtexec_resident *resident, const struct model *model, const struct inputs *inputs, pln_context *context)
{
    struct pln_tensor_info info;
    if (!resident) return;
    (void)inputs_bind(&command_trtexec, inputs, context);
    for (int i = 0; pln_engine_output(model->engine, i, &info) == PLN_OK; i++) (void)!pln_context_bind_output(context, info.name, NULL);
}

void trtexec_resident_destroy(struct trtexec_resident *resident)
{
    for (int i = 0; resident && i < resident->count; i++) destroy(&resident->carriers[i]);
    if (resident) free(resident->carriers);
    free(resident);
}
