/* oneDNN: products and convolutions, weights and images in the forms that it chooses, put into them before anything is
 * timed. Matrices of activations stay as models have them. */
#include <dnnl.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/kernels/peers.h"
#include "bench/kernels/row.h"

enum { SOURCE, WEIGHTS, BIAS, DESTINATION, OPERANDS };
static const int argument_of[OPERANDS] = { DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_BIAS, DNNL_ARG_DST };
static const dnnl_query_t query_of[OPERANDS] = { dnnl_query_src_md, dnnl_query_weights_md, dnnl_query_weights_md, dnnl_query_dst_md };

static dnnl_engine_t engine;
static dnnl_stream_t stream;

struct primitive {
    dnnl_primitive_desc_t description;
    dnnl_primitive_t primitive;
    dnnl_memory_desc_t plain[OPERANDS];
    dnnl_memory_t memory[OPERANDS];
    dnnl_exec_arg_t arguments[OPERANDS];
    int n_arguments;
};

static void check(dnnl_status_t status)
{
    if (status == dnnl_success) return;
    fprintf(stderr, "oneDNN: status %d\n", (int)status);
    exit(1);
}

static void describe(char *text, size_t text_bytes)
{
    const dnnl_version_t *version = dnnl_version();
    omp_set_num_threads(1);
    check(dnnl_engine_create(&engine, dnnl_cpu, 0));
    check(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags));
    snprintf(text, text_bytes, "%d.%d.%d, instruction set %#x", version->major, version->minor, version->patch, (unsigned)dnnl_get_effective_cpu_isa());
}

static dnnl_memory_desc_t form(int rank, const int64_t *dims, bool any)
{
    static const dnnl_format_tag_t plain[] = { dnnl_a, dnnl_ab, dnnl_abc, dnnl_abcd, dnnl_abcde };
    dnnl_memory_desc_t out;
    check(dnnl_memory_desc_init_by_tag(&out, rank, dims, dnnl_f32, any ? dnnl_format_tag_any : plain[rank - 1]));
    return out;
}

/* Both orders of a copy between a plain array and a form of oneDNN's. */
static void reorder(dnnl_memory_t from, const dnnl_memory_desc_t *from_form, dnnl_memory_t to, const dnnl_memory_desc_t *to_form)
{
    dnnl_primitive_desc_t description;
    dnnl_primitive_t primitive;
    check(dnnl_reorder_primitive_desc_create(&description, from_form, engine, to_form, engine, NULL));
    check(dnnl_primitive_create(&primitive, description));
    check(dnnl_primitive_execute(primitive, stream, 2, (dnnl_exec_arg_t[]){ { DNNL_ARG_FROM, from }, { DNNL_ARG_TO, to } }));
    check(dnnl_stream_wait(stream));
    dnnl_primitive_destroy(primitive);
    dnnl_primitive_desc_destroy(description);
}

static const dnnl_memory_desc_t *chosen_form(const struct primitive *p, int operand)
{
    return dnnl_primitive_desc_query_md(p->description, query_of[operand], operand == BIAS);
}

/* values: plain, NULL for the destination. */
static void add_operand(struct primitive *p, int operand, void *values)
{
    const dnnl_memory_desc_t *chosen = chosen_form(p, operand);
    check(dnnl_memory_create(&p->memory[operand], chosen, engine, DNNL_MEMORY_ALLOCATE));
    p->arguments[p->n_arguments++] = (dnnl_exec_arg_t){ argument_of[operand], p->memory[operand] };
    if (values == NULL) return;
    dnnl_memory_t plain;
    check(dnnl_memory_create(&plain, &p->plain[operand], engine, values));
    reorder(plain, &p->plain[operand], p->memory[operand], chosen);
    dnnl_memory_destroy(plain);
}

static bool create_product(const struct bench_problem *problem, struct primitive *p)
{
    const struct pln_tensor *a = &problem->inputs[0], *b = &problem->inputs[1], *y = &problem->output;
    int skip = b->rank == 2; /* a batch of one */
    dnnl_memory_desc_t weights = form(b->rank, b->dims, !problem->keep_plain);
    dnnl_matmul_desc_t operation;
    if (skip != 0 && y->dims[0] != 1) return false;
    p->plain[SOURCE] = form(a->rank - skip, a->dims + skip, false);
    p->plain[WEIGHTS] = form(b->rank, b->dims, false);
    p->plain[DESTINATION] = form(y->rank - skip, y->dims + skip, false);
    check(dnnl_matmul_desc_init(&operation, &p->plain[SOURCE], &weights, NULL, &p->plain[DESTINATION]));
    return dnnl_primitive_desc_create(&p->description, &operation, NULL, engine, NULL) == dnnl_success;
}

static bool create_convolution(const struct bench_problem *problem, struct primitive *p)
{
    const struct pln_tensor *x = &problem->inputs[0], *w = &problem->inputs[1], *bias = &problem->inputs[2], *y = &problem->output;
    const int64_t *strides, *pads, group = pln_attrs_int(&problem->attrs, "group", 1);
    int64_t grouped[] = { group, w->dims[0] / group, w->dims[1], w->dims[2], w->dims[3] };
    int rank = group > 1 ? 5 : 4;
    const int64_t *dims = group > 1 ? grouped : w->dims;
    dnnl_memory_desc_t source = form(4, x->dims, true), weights = form(rank, dims, true), destination = form(4, y->dims, true);
    dnnl_convolution_desc_t operation;
    pln_attrs_ints(&problem->attrs, "strides", &strides);
    pln_attrs_ints(&problem->attrs, "pads", &pads);
    p->plain[SOURCE] = form(4, x->dims, false);
    p->plain[WEIGHTS] = form(rank, dims, false);
    p->plain[BIAS] = form(1, bias->dims, false);
    p->plain[DESTINATION] = form(4, y->dims, false);
    check(dnnl_convolution_forward_desc_init(&operation, dnnl_forward_inference, dnnl_convolution_auto, &source, &weights, &p->plain[BIAS], &destination, strides, pads, pads + 2));
    return dnnl_primitive_desc_create(&p->description, &operation, NULL, engine, NULL) == dnnl_success;
}

static bool set_up(const struct bench_problem *problem, const struct pln_tensor *inputs, struct bench_peer_run *out_run)
{
    struct primitive *p = bench_memory(sizeof *p);
    bool made = problem->op == PLN_OP_MATMUL ? create_product(problem, p) : problem->op == PLN_OP_CONV && create_convolution(problem, p);
    *out_run = (struct bench_peer_run){ .problem = problem, .state = p };
    if (!made) {
        free(p);
        return false;
    }
    check(dnnl_primitive_create(&p->primitive, p->description));
    for (int i = 0; i < problem->n_inputs; i++) add_operand(p, i, inputs[i].data);
    add_operand(p, DESTINATION, NULL);
    void *weights;
    check(dnnl_memory_get_data_handle(p->memory[WEIGHTS], &weights));
    check(dnnl_primitive_desc_query(p->description, dnnl_query_impl_info_str, 0, (void *)&out_run->implementation));
    out_run->weights = weights;
    out_run->weights_bytes = dnnl_memory_desc_get_size(chosen_form(p, WEIGHTS));
    return true;
}

static void run(const struct bench_peer_run *run)
{
    const struct primitive *p = run->state;
    check(dnnl_primitive_execute(p->primitive, stream, p->n_arguments, p->arguments));
    check(dnnl_stream_wait(stream));
}

static void read_output(const struct bench_peer_run *run, float *output)
{
    const struct primitive *p = run->state;
    dnnl_memory_t plain;
    check(dnnl_memory_create(&plain, &p->plain[DESTINATION], engine, output));
    reorder(p->memory[DESTINATION], chosen_form(p, DESTINATION), plain, &p->plain[DESTINATION]);
    dnnl_memory_destroy(plain);
}

static void tear_down(struct bench_peer_run *run)
{
    struct primitive *p = run->state;
    for (int i = 0; i < OPERANDS; i++)
        if (p->memory[i] != NULL) dnnl_memory_destroy(p->memory[i]);
    dnnl_primitive_destroy(p->primitive);
    dnnl_primitive_desc_destroy(p->description);
    free(p);
}

const struct bench_peer bench_onednn = { "oneDNN", describe, set_up, run, read_output, tear_down };
