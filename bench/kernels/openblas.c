/* OpenBLAS: products of plain matrices; it packs both of them in each call. */
#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/kernels/peers.h"
#include "bench/kernels/row.h"

struct product {
    const struct pln_tensor *inputs;
    float *output;
};

static void describe(char *text, size_t text_bytes)
{
    openblas_set_num_threads(1);
    snprintf(text, text_bytes, "%s, %s", openblas_get_config(), openblas_get_corename());
}

static bool set_up(const struct bench_problem *problem, const struct pln_tensor *inputs, struct bench_peer_run *out_run)
{
    if (problem->op != PLN_OP_MATMUL) return false;
    struct product *product = bench_memory(sizeof *product);
    *product = (struct product){ inputs, bench_memory(pln_tensor_bytes(&problem->output)) };
    *out_run = (struct bench_peer_run){ problem, "cblas_sgemm", product, inputs[1].data, pln_tensor_bytes(&inputs[1]) };
    return true;
}

static void run(const struct bench_peer_run *run)
{
    const struct product *product = run->state;
    const struct pln_tensor *a = &product->inputs[0], *b = &product->inputs[1];
    const int64_t *dims = run->problem->output.dims;
    blasint m = (blasint)dims[1], n = (blasint)dims[2], k = (blasint)a->dims[2];
    for (int64_t i = 0; i < dims[0]; i++) {
        const float *left = (const float *)a->data + i * m * k, *right = (const float *)b->data + (b->rank == 3 ? i * k * n : 0);
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1, left, k, right, n, 0, product->output + i * m * n, n);
    }
}

static void read_output(const struct bench_peer_run *run, float *output)
{
    const struct product *product = run->state;
    int64_t count = pln_tensor_count(&run->problem->output);
    for (int64_t i = 0; i < count; i++) output[i] = product->output[i];
}

static void tear_down(struct bench_peer_run *run)
{
    struct product *product = run->state;
    free(product->output);
    free(product);
}

const struct bench_peer bench_openblas = { "OpenBLAS", describe, set_up, run, read_output, tear_down };
