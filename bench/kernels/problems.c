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

static void conv(int64_t c, int64_t o, int64_t size, int64_t kernel, int64_t stride, int64_t group)
{
    struct bench_problem *p = add(PLN_OP_CONV, 0);
    int64_t pad = (kernel - 1) / 2, out = (size + 2 * pad - kernel) / stride + 1;
    snprintf(p->name, sizeof p->name, "conv %lldx%lldx%lld to %lld, %lldx%lld/%lld%s", (long long)c, (long long)size,
             (long long)size, (long long)o, (long long)kernel, (long long)kernel, (long long)stride,
             group > 1 ? " grouped" : "");
    pln_attrs_set_ints(&p->attrs, &arena, "kernel_shape", (const int64_t[]){ kernel, kernel }, 2);
    pln_attrs_set_ints(&p->attrs, &arena, "strides", (const int64_t[]){ stride, stride }, 2);
    pln_attrs_set_ints(&p->attrs, &arena, "pads", (const int64_t[]){ pad, pad, pad, pad }, 4);
    pln_attrs_set_int(&p->attrs, &arena, "group", group);
    p->n_inputs = 3;
    p->inputs[0] = SHAPE(4, 1, c, size, size);
    p->inputs[1] = SHAPE(4, o, c / group, kernel, kernel);
    p->inputs[2] = SHAPE(1, o);
    p->output = SHAPE(4, 1, o, out, out);
    p->flops = 2.0 * (double)(o * out * out) * (double)(c / group * kernel * kernel);
    count_bytes(p);
}

/* Windows side by side, as decoders have them, or overlapping by half. */
static void conv_transpose(int64_t c, int64_t o, int64_t size, int64_t kernel)
{
    struct bench_problem *p = add(PLN_OP_CONV_TRANSPOSE, 0);
    int64_t pad = (kernel - 2) / 2, out = 2 * size;
    snprintf(p->name, sizeof p->name, "conv_transpose %lldx%lldx%lld to %lld, %lldx%lld/2", (long long)c, (long long)size, (long long)size,
             (long long)o, (long long)kernel, (long long)kernel);
    pln_attrs_set_ints(&p->attrs, &arena, "kernel_shape", (const int64_t[]){ kernel, kernel }, 2);
    pln_attrs_set_ints(&p->attrs, &arena, "strides", (const int64_t[]){ 2, 2 }, 2);
    pln_attrs_set_ints(&p->attrs, &arena, "pads", (const int64_t[]){ pad, pad, pad, pad }, 4);
    p->n_inputs = 3;
    p->inputs[0] = SHAPE(4, 1, c, size, size);
    p->inputs[1] = SHAPE(4, c, o, kernel, kernel);
    p->inputs[2] = SHAPE(1, o);
    p->output = SHAPE(4, 1, o, out, out);
    p->flops = 2.0 * (double)(c * size * size) * (double)(o * kernel * kernel);
    count_bytes(p);
}

static void unary(const char *name, unsigned op, unsigned kind, int64_t rows, int64_t cols)
{
    struct bench_problem *p = add(op, kind);
    snprintf(p->name, sizeof p->name, "%s %lldx%lld", name, (long long)rows, (long long)cols);
    p->n_inputs = 1;
    p->inputs[0] = p->output = SHAPE(2, rows, cols);
    count_bytes(p);
}

static void pool(unsigned kind, int64_t c, int64_t size, int64_t kernel, int64_t stride)
{
    struct bench_problem *p = add(PLN_OP_POOL, kind);
    int64_t pad = (kernel - 1) / 2, out = (size + 2 * pad - kernel) / stride + 1;
    snprintf(p->name, sizeof p->name, "pool %lldx%lldx%lld, %lldx%lld/%lld", (long long)c, (long long)size,
             (long long)size, (long long)kernel, (long long)kernel, (long long)stride);
    pln_attrs_set_ints(&p->attrs, &arena, "kernel_shape", (const int64_t[]){ kernel, kernel }, 2);
    pln_attrs_set_ints(&p->attrs, &arena, "strides", (const int64_t[]){ stride, stride }, 2);
    pln_attrs_set_ints(&p->attrs, &arena, "pads", (const int64_t[]){ pad, pad, pad, pad }, 4);
    p->n_inputs = 1;
    p->inputs[0] = SHAPE(4, 1, c, size, size);
    p->output = SHAPE(4, 1, c, out, out);
    count_bytes(p);
}

static void group_norm(int64_t c, int64_t size, int64_t groups, bool last)
{
    struct bench_problem *p = add(PLN_OP_INSTANCE_NORM, 0);
    snprintf(p->name, sizeof p->name, "group_norm %lldx%lldx%lld, %lld groups%s", (long long)c, (long long)size, (long long)size, (long long)groups,
             last ? ", channels last" : "");
    pln_attrs_set_int(&p->attrs, &arena, "groups", groups);
    p->n_inputs = 3;
    p->inputs[0] = p->output = SHAPE(4, 1, c, size, size);
    p->inputs[1] = p->inputs[2] = SHAPE(1, c);
    p->last = last;
    count_bytes(p);
}

enum mask { NO_MASK, CAUSAL, ADDED, SELECTED };

static void attention(int64_t heads, int64_t queries, int64_t keys, int64_t size, enum mask mask)
{
    static const char *const masks[] = { "", ", causal", ", mask added", ", mask of bools" };
    struct bench_problem *p = add(PLN_OP_ATTENTION, 0);
    snprintf(p->name, sizeof p->name, "attention %lldx%lldx%lldx%lld%s", (long long)heads, (long long)queries, (long long)keys, (long long)size, masks[mask]);
    if (mask == CAUSAL) pln_attrs_set_int(&p->attrs, &arena, "is_causal", 1);
    p->n_inputs = mask == ADDED || mask == SELECTED ? 4 : 3;
    p->inputs[0] = p->output = SHAPE(4, 1, heads, queries, size);
    p->inputs[1] = p->inputs[2] = SHAPE(4, 1, heads, keys, size);
    p->inputs[3] = SHAPE(4, 1, 1, queries, keys);
    if (mask == SELECTED) p->inputs[3].dtype = PLN_BOOL;
    p->flops = 4.0 * (double)(heads * queries * keys) * (double)size;
    count_bytes(p);
}

static void recurrent(unsigned kind, int64_t seq, int64_t batch, int64_t in, int64_t hidden, bool both)
{
    struct bench_problem *p = add(PLN_OP_RNN, kind);
    const int64_t gates = kind == PLN_RNN_LSTM ? 4 : kind == PLN_RNN_GRU ? 3 : 1, directions = both ? 2 : 1;
    snprintf(p->name, sizeof p->name, "%s %lldx%lldx%lld to %lld%s", pln_op_kind_name(PLN_OP_RNN, kind), (long long)seq, (long long)batch, (long long)in,
             (long long)hidden, both ? ", bidirectional" : "");
    if (both) pln_attrs_set_string(&p->attrs, &arena, "direction", "bidirectional", 13);
    p->n_inputs = 4;
    p->inputs[0] = SHAPE(3, seq, batch, in);
    p->inputs[1] = SHAPE(3, directions, gates * hidden, in);
    p->inputs[2] = SHAPE(3, directions, gates * hidden, hidden);
    p->inputs[3] = SHAPE(2, directions, 2 * gates * hidden);
    p->output = SHAPE(4, seq, directions, batch, hidden);
    p->flops = 2.0 * (double)(seq * batch * directions) * (double)(gates * hidden) * (double)(in + hidden);
    count_bytes(p);
}

int bench_problems(struct bench_problem **out_problems)
{
    *out_problems = problems;
    if (n_problems > 0) return n_problems;
    pln_arena_init(&arena, NULL, 0);
    matmul(1, 1024, 1024, 1024, false);
    matmul(1, 256, 256, 256, false);
    matmul(1, 128, 768, 768, false);
    matmul(1, 128, 3072, 768, false);
    matmul(1, 128, 768, 3072, false);
    matmul(1, 197, 768, 3072, false);
    matmul(1, 197, 3072, 768, false);
    matmul(1, 1, 768, 768, false);
    matmul(1, 1, 3072, 768, false);
    matmul(1, 1, 768, 3072, false);
    matmul(1, 1, 4096, 4096, false);
    matmul(1, 8, 4096, 4096, false);
    matmul(12, 128, 128, 64, true);
    matmul(12, 128, 64, 128, true);
    /* ResNet-50 and MobileNet v2. */
    conv(3, 64, 224, 7, 2, 1);
    conv(64, 64, 56, 1, 1, 1);
    conv(64, 64, 56, 3, 1, 1);
    conv(64, 256, 56, 1, 1, 1);
    conv(256, 64, 56, 1, 1, 1);
    conv(128, 128, 56, 3, 2, 1);
    conv(128, 128, 28, 3, 1, 1);
    conv(128, 512, 28, 1, 1, 1);
    conv(512, 128, 28, 1, 1, 1);
    conv(256, 512, 56, 1, 2, 1);
    conv(256, 1024, 14, 1, 1, 1);
    conv(1024, 256, 14, 1, 1, 1);
    conv(256, 256, 14, 3, 1, 1);
    conv(512, 512, 7, 3, 1, 1);
    conv(512, 2048, 7, 1, 1, 1);
    conv(2048, 512, 7, 1, 1, 1);
    conv(96, 96, 112, 3, 2, 96);
    conv(192, 192, 28, 3, 1, 192);
    conv(960, 960, 7, 3, 1, 960);
    conv(96, 96, 56, 5, 1, 96);
    conv(32, 32, 112, 3, 1, 32);
    conv(240, 240, 28, 5, 1, 240);
    conv(16, 96, 112, 1, 1, 1);
    conv(96, 24, 56, 1, 1, 1);
    conv(24, 144, 56, 1, 1, 1);
    conv(192, 32, 28, 1, 1, 1);
    conv(64, 384, 14, 1, 1, 1);
    conv(384, 64, 14, 1, 1, 1);
    conv(160, 960, 7, 1, 1, 1);
    conv(960, 160, 7, 1, 1, 1);
    conv(3, 32, 224, 3, 2, 1);
    conv(16, 16, 64, 3, 1, 1);
    /* PP-OCR's detection, a U-Net, DCGAN. */
    conv_transpose(24, 24, 120, 2);
    conv_transpose(24, 1, 240, 2);
    conv_transpose(512, 256, 32, 2);
    conv_transpose(256, 128, 16, 4);
    pool(PLN_POOL_MAX, 64, 112, 3, 2);
    /* U-Nets: a small one, and Stable Diffusion's. */
    for (int last = 0; last < 2; last++) {
        group_norm(16, 128, 4, last != 0);
        group_norm(64, 32, 8, last != 0);
        group_norm(320, 64, 32, last != 0);
        group_norm(1280, 16, 32, last != 0);
    }
    unary("exp", PLN_OP_ELEMENTWISE, PLN_EW_EXP, 64, 4096);
    unary("log", PLN_OP_ELEMENTWISE, PLN_EW_LOG, 64, 4096);
    unary("tanh", PLN_OP_ELEMENTWISE, PLN_EW_TANH, 64, 4096);
    unary("erf", PLN_OP_ELEMENTWISE, PLN_EW_ERF, 64, 4096);
    unary("swish", PLN_OP_ELEMENTWISE, PLN_EW_SWISH, 128, 3072);
    unary("gelu", PLN_OP_ELEMENTWISE, PLN_EW_GELU, 64, 4096);
    unary("relu", PLN_OP_ELEMENTWISE, PLN_EW_RELU, 64, 4096);
    unary("softmax", PLN_OP_SOFTMAX, PLN_SOFTMAX_SOFTMAX, 1536, 128);
    /* BERT base, GPT-2 reading a prompt and writing. */
    for (enum mask mask = NO_MASK; mask <= SELECTED; mask++) attention(12, 128, 128, 64, mask);
    attention(12, 512, 512, 64, CAUSAL);
    attention(12, 1, 512, 64, NO_MASK);
    attention(12, 1, 512, 64, SELECTED);
    recurrent(PLN_RNN_LSTM, 64, 1, 128, 256, true);
    recurrent(PLN_RNN_LSTM, 16, 32, 256, 256, false);
    recurrent(PLN_RNN_GRU, 32, 4, 512, 512, false);
    recurrent(PLN_RNN_RNN, 50, 1, 64, 128, false);
    return n_problems;
}
