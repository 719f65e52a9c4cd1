/* Custom operators of the tests (domain "t"), and networks of them. */
#ifndef PLN_TESTS_UNIT_PLUGIN_OPS_H
#define PLN_TESTS_UNIT_PLUGIN_OPS_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "planish/planish.h"

static const char *device = "cpu";
static atomic_int calls; /* of compute functions */

/* ---- operators ---- */

/* y = x * factor * *(float *)user */
static inline enum pln_status scale_shape(struct pln_plugin_call *call)
{
    call->outputs[0] = call->inputs[0];
    return PLN_OK;
}

static inline enum pln_status scale(struct pln_plugin_call *call)
{
    float factor = pln_plugin_float(call, "factor", 1) * (call->user ? *(const float *)call->user : 1);
    const float *x = call->inputs[0].data;
    float *y = call->outputs[0].data;
    calls++;
    if (call->inputs[0].dtype != PLN_F32) return (call->fail)(call, PLN_UNSUPPORTED, "x is of type %d", (int)call->inputs[0].dtype);
    for (int64_t i = 0, n = pln_plugin_elements(&call->inputs[0]); i < n; i++) y[i] = x[i] * factor;
    return PLN_OK;
}

/* The positive elements of a vector, and where they were: how many only the run can tell. */
static inline enum pln_status keep_shape(struct pln_plugin_call *call)
{
    call->outputs[0] = (struct pln_buffer){ .dtype = call->inputs[0].dtype, .rank = 1, .dims = { -1 } };
    if (call->output_count > 1) call->outputs[1] = (struct pln_buffer){ .dtype = PLN_I64, .rank = 1, .dims = { -1 } };
    return PLN_OK;
}

static inline enum pln_status keep(struct pln_plugin_call *call)
{
    const float *x = call->inputs[0].data;
    int64_t n = pln_plugin_elements(&call->inputs[0]), count = 0;
    calls++;
    for (int64_t i = 0; i < n; i++) count += x[i] > 0;
    for (int o = 0; o < call->output_count; o++) {
        enum pln_status status = call->output(call, o, o ? PLN_I64 : PLN_F32, 1, &count);
        if (status != PLN_OK) return status;
    }
    for (int64_t i = n; i-- > 0;) {
        if (!(x[i] > 0)) continue;
        ((float *)call->outputs[0].data)[--count] = x[i];
        if (call->output_count > 1) ((int64_t *)call->outputs[1].data)[count] = i;
    }
    return PLN_OK;
}

/* x twice, end to end. The shape is computed from a dim without asking whether it is known. */
static inline enum pln_status twice_shape(struct pln_plugin_call *call)
{
    call->outputs[0] = call->inputs[0];
    call->outputs[0].dims[0] *= 2;
    return PLN_OK;
}

static inline enum pln_status twice(struct pln_plugin_call *call)
{
    size_t bytes = call->inputs[0].size_bytes;
    calls++;
    if (call->outputs[0].dims[0] != 2 * call->inputs[0].dims[0]) return (call->fail)(call, PLN_INTERNAL, "not twice");
    memcpy(call->outputs[0].data, call->inputs[0].data, bytes);
    memcpy((char *)call->outputs[0].data + bytes, call->inputs[0].data, bytes);
    return PLN_OK;
}

/* Nothing is said of its shape: what comes out has the dims of the second input's elements (i64), filled with the first's. */
static inline enum pln_status fill(struct pln_plugin_call *call)
{
    const int64_t *dims = call->inputs[1].data;
    calls++;
    enum pln_status status = call->output(call, 0, PLN_F32, (int)call->inputs[1].dims[0], dims);
    if (status != PLN_OK) return status;
    for (int64_t i = 0, n = pln_plugin_elements(&call->outputs[0]); i < n; i++) ((float *)call->outputs[0].data)[i] = *(const float *)call->inputs[0].data;
    return PLN_OK;
}

/* The same with a shape: told when the elements of the second input are known. */
static inline enum pln_status full_shape(struct pln_plugin_call *call)
{
    struct pln_buffer *y = &call->outputs[0];
    const struct pln_buffer *dims = &call->inputs[1];
    *y = (struct pln_buffer){ .dtype = PLN_F32, .rank = dims->dims[0] < 0 ? -1 : (int)dims->dims[0] };
    for (int d = 0; d < y->rank; d++) y->dims[d] = dims->data ? ((const int64_t *)dims->data)[d] : -1;
    return PLN_OK;
}

/* The sum of any number of vectors, those left out not counted, in parts by all threads, through scratch. */
struct sum {
    struct pln_plugin_call *call;
    float *scratch;
};

static inline void sum_part(void *user, int64_t first, int64_t last)
{
    const struct sum *sum = user;
    for (int i = 0; i < sum->call->input_count; i++) {
        const float *x = sum->call->inputs[i].data;
        for (int64_t k = first; x && k < last; k++) sum->scratch[k] += x[k];
    }
}

static inline enum pln_status sum(struct pln_plugin_call *call)
{
    struct sum own = { call, call->scratch(call, call->outputs[0].size_bytes) };
    calls++;
    if (!own.scratch) return PLN_NO_MEMORY;
    if ((uintptr_t)own.scratch % 64) return (call->fail)(call, PLN_INTERNAL, "not aligned");
    call->parallel(call, pln_plugin_elements(&call->outputs[0]), 100, sum_part, &own);
    memcpy(call->outputs[0].data, own.scratch, call->outputs[0].size_bytes);
    return PLN_OK;
}

/* Strings, each with the node's name behind it. */
static inline enum pln_status tag(struct pln_plugin_call *call)
{
    const struct pln_string *x = call->inputs[0].data;
    char text[256];
    calls++;
    for (int64_t i = 0, n = pln_plugin_elements(&call->inputs[0]); i < n; i++) {
        int size = snprintf(text, sizeof text, "%.*s@%s", (int)x[i].size_bytes, x[i].data, call->node);
        enum pln_status status = call->set_string(call, 0, i, text, (size_t)size);
        if (status != PLN_OK) return status;
    }
    return PLN_OK;
}

typedef enum pln_status (*function)(struct pln_plugin_call *call);

/* Of one input and one output; the caller changes what is otherwise. */
static inline struct pln_plugin plugin_of(const char *name, function compute, function shape)
{
    return (struct pln_plugin){ .struct_size = sizeof(struct pln_plugin), .abi = PLN_PLUGIN_ABI, .domain = "t", .name = name, .min_inputs = 1, .max_inputs = 1, .min_outputs = 1, .max_outputs = 1,
                                .compute = compute, .shape = shape };
}

static inline void add(pln_plugins *plugins, struct pln_plugin plugin)
{
    pln_diagnostics *diagnostics = pln_diagnostics_create();
    struct pln_message message = { .text = "" };
    enum pln_status status = pln_plugins_add(plugins, &plugin, diagnostics);
    if (status != PLN_OK) (void)!pln_diagnostics_get(diagnostics, 0, &message);
    if (status != PLN_OK) fail_msg("%s: %s", plugin.name, message.text);
    pln_diagnostics_destroy(diagnostics);
}

static inline pln_plugins *make_plugins(const struct pln_allocator *allocator)
{
    pln_plugins *plugins = pln_plugins_create(allocator);
    assert_non_null(plugins);
    struct pln_plugin own = plugin_of("Scale", scale, scale_shape);
    own.flags = PLN_PLUGIN_PURE;
    add(plugins, own);
    own = plugin_of("Keep", keep, keep_shape);
    own.max_outputs = 2;
    add(plugins, own);
    own = plugin_of("Fill", fill, NULL);
    own.min_inputs = own.max_inputs = 2;
    add(plugins, own);
    own.name = "Full";
    own.shape = full_shape;
    add(plugins, own);
    own = plugin_of("Sum", sum, scale_shape);
    own.max_inputs = -1;
    add(plugins, own);
    add(plugins, plugin_of("Count", scale, scale_shape));
    add(plugins, plugin_of("Twice", twice, twice_shape));
    add(plugins, plugin_of("Tag", tag, scale_shape));
    return plugins;
}

/* ---- networks ---- */

/* names: "a b", in at most 8 places. */
static inline int split(const char *names, char *storage, size_t storage_bytes, const char **out)
{
    int n = 0;
    snprintf(storage, storage_bytes, "%s", names);
    for (char *at = storage; *at && n < 8; n++) {
        out[n] = at;
        at += strcspn(at, " ");
        if (*at) *at++ = '\0';
        if (strcmp(out[n], "-") == 0) out[n] = "";
    }
    return n;
}

/* A node of domain "t", or of ONNX's where the operator begins with a dot; "-" is left out. */
static inline void put(pln_network *network, const char *op, const char *inputs, const char *outputs, const struct pln_attribute *attributes, int attribute_count)
{
    char in_text[128], out_text[128], name[64];
    const char *in[8], *out[8];
    const bool onnx = op[0] == '.';
    snprintf(name, sizeof name, "the_%s", op + onnx);
    struct pln_network_node node = { .op_type = op + onnx, .domain = onnx ? NULL : "t", .name = name, .inputs = in, .outputs = out, .attributes = attributes, .attribute_count = attribute_count };
    node.input_count = split(inputs, in_text, sizeof in_text, in);
    node.output_count = split(outputs, out_text, sizeof out_text, out);
    pln_network_add_node(network, &node);
}

static inline void put_scale(pln_network *network, const char *op, const char *inputs, const char *outputs, float factor)
{
    const struct pln_attribute attribute = { .name = "factor", .kind = PLN_ATTRIBUTE_FLOAT, .f = factor };
    put(network, op, inputs, outputs, &attribute, 1);
}

/* Input x: f32[n], or f32[length]. */
static inline pln_network *begin_network(int64_t length)
{
    static const char *const names[1] = { "n" };
    pln_network *network = pln_network_create("custom", 17);
    assert_non_null(network);
    pln_network_use_domain(network, "t", 2);
    pln_network_add_input(network, "x", PLN_F32, 1, &length, length < 0 ? names : NULL);
    return network;
}

static inline void put_output(pln_network *network, const char *name)
{
    pln_network_add_output(network, name, PLN_DTYPE_NONE, -1, NULL, NULL);
}

/* Builds it; the network is gone. NULL text: it must work; else it must fail with the status, and say so. */
static inline pln_engine *build(pln_network *network, pln_plugins *plugins, enum pln_status want, const char *text)
{
    pln_engine *engine = NULL;
    pln_diagnostics *diagnostics = pln_diagnostics_create();
    struct pln_message message = { .text = "" };
    const struct pln_build_options options = { .struct_size = sizeof options, .device = device, .plugins = plugins, .diagnostics = diagnostics };
    enum pln_status status = pln_build_network(network, &options, &engine);
    if (status != PLN_OK) (void)!pln_diagnostics_get(diagnostics, 0, &message);
    if (status != want || (text && !strstr(message.text, text))) fail_msg("%d (%s) is not %d with '%s'", status, message.text, want, text ? text : "");
    pln_network_destroy(network);
    pln_diagnostics_destroy(diagnostics);
    return engine;
}

static inline struct pln_buffer vector(float *data, int64_t n)
{
    return (struct pln_buffer){ .dtype = PLN_F32, .rank = 1, .dims = { n }, .data = data, .size_bytes = (size_t)n * sizeof(float) };
}

static inline enum pln_status run(pln_context *context, float *x, int64_t n)
{
    struct pln_buffer buffer = vector(x, n);
    assert_int_equal(pln_context_bind_input(context, "x", &buffer), PLN_OK);
    return pln_context_run(context);
}

static inline void must_run(pln_context *context, float *x, int64_t n)
{
    struct pln_message message = { .text = "" };
    enum pln_status status = run(context, x, n);
    if (status != PLN_OK) (void)!pln_diagnostics_get(pln_context_diagnostics(context), 0, &message);
    if (status != PLN_OK) fail_msg("%s: %s", message.node, message.text);
}

static inline void expect_floats(pln_context *context, const char *name, const float *want, int64_t n)
{
    struct pln_buffer y;
    assert_int_equal(pln_context_output(context, name, &y), PLN_OK);
    assert_int_equal(y.dtype, PLN_F32);
    assert_int_equal(pln_plugin_elements(&y), n);
    for (int64_t i = 0; i < n; i++)
        if (((const float *)y.data)[i] != want[i]) fail_msg("%s[%d] is %g, not %g", name, (int)i, (double)((const float *)y.data)[i], (double)want[i]);
}

/* The run must fail, at the node, with the text. A queue that runs late, as the mock's, names no node. */
static inline void expect_failure(pln_context *context, enum pln_status status, enum pln_status want, const char *node, const char *text)
{
    struct pln_message message = { .text = "" };
    (void)!pln_diagnostics_get(pln_context_diagnostics(context), 0, &message);
    if (status != want || !strstr(message.text, text)) fail_msg("%d (%s) is not %d with '%s'", status, message.text, want, text);
    if (node && strcmp(device, "mock") != 0 && strcmp(message.node, node) != 0) fail_msg("the message names node '%s', not '%s'", message.node, node);
}

#endif
