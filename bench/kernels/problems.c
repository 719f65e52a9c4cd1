#include "bench/kernels/problems.h"

#include <stdio.h>

enum { MAX_PROBLEMS = 128 };
static struct bench_problem problems[MAX_PROBLEMS];
static int n_problems;
static struct pln_arena arena;

static struct bench_problem *add(unsigned op, unsigned kind)
{
    struct bench_problem *p = &problems[n_problems++];
    p->op = op;
    p->kind = kind;
    return p;
}

static struct pln_tensor shape(int rank, const int64_t *dims)
{
    struct pln_tensor tensor;
    pln_tensor_init(&tensor, PLN_F32, rank, dims, NULL);
    return tensor;
}
#define SHAPE(rank, ...) shape(rank, (const int64_t[]){ __VA_ARGS__ })

static void count_bytes(struct bench_problem *p)
{
    p->bytes = (double)pln_tensor_bytes(&p->output);
    for (int i = 0; i < p->n_inputs; i++) p->bytes += (double)pln_tensor_bytes(&p->inputs[i]);
}

static void matmul(int64_t batch, int64_t m, int64_t n, int64_t k, bool plain)
{
    struct bench_problem *p = add(PLN_OP_MATMUL, 0);
    snprintf(p->name, sizeof p->name, "matmul %lldx%lldx%lldx%lld%s", (long long)batch, (long long)m, (long long)n,
             (long long)k, plain ? " plain" : "");
    p->n_inputs = 2;
    p->inputs[0] = SHAPE(3, batch, m, k);
    p->inputs[1] = plain ? SHAPE(3, batch, k, n) : SHAPE(2, k, n);
    p->output = SHAPE(3, batch, m, n);
    p->keep_plain = plain;
    p->flops = 2.0 * (double)batch * (double)m * (double)n * (double)k;
    count_bytes(p);
}

int bench_problems(struct bench_problem **out_problems)
{
    pln_arena_init(&arena, NULL, 0);
    matmul(1, 1024, 1024, 1024, false);
    matmul(1, 256, 256, 256, false);
    matmul(1, 128, 768, 768, false);
    matmul(1, 128, 3072, 768, false);
    matmul(1, 128, 768, 3072, false);
    matmul(1, 1, 768, 768, false);
    matmul(1, 1, 4096, 4096, false);
    matmul(1, 8, 4096, 4096, false);
    matmul(12, 128, 128, 64, true);
    matmul(12, 128, 64, 128, true);
    *out_problems = problems;
    return n_problems;
}
