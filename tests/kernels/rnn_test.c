/* Recurrent networks. */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "backend/backend.h"
#include "base/cpu.h"
#include "tests/kernels/harness.h"

#define DIMS(...)     \
    (const int64_t[]) \
    {                 \
        __VA_ARGS__   \
    }
#define COUNT(...) ((int)(sizeof((const int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t)))
#define SHAPE(...) COUNT(__VA_ARGS__), DIMS(__VA_ARGS__)

static void set_int(struct kernel_case *c, const char *name, int64_t value)
{
    assert_true(pln_attrs_set_int(&c->attrs, &c->arena, name, value));
}

static void absent(struct kernel_case *c)
{
    kernel_case_input(c, 0, NULL)->present = false;
}

static void ints(struct kernel_case *c, int64_t n, const int64_t *values)
{
    struct case_input *own = kernel_case_input(c, 1, DIMS(n));
    own->dtype = PLN_I64;
    own->values = values;
}

/* weights: which of W and R are constants: bit 0, bit 1. */
struct rnn_case {
    const char *direction;
    int64_t seq, batch, in, hidden, layout;
    const int64_t *lengths;
    bool bias, initial, peephole, outputs, clip, special;
    int weights;
};

/* Few steps where there are many units: random weights make each step some times as wrong as the one before. */
static const struct rnn_case rnns[] = {
    { "forward", 5, 2, 3, 4, 0, NULL, true, false, false, true, false, false, 0 },
    { "bidirectional", 3, 3, 33, 65, 0, (const int64_t[]){ 3, 0, 2 }, true, true, true, true, true, true, 3 },
    { "reverse", 4, 2, 5, 7, 1, (const int64_t[]){ 2, 4 }, false, true, false, true, false, true, 3 },
    { "bidirectional", 3, 1, 2, 5, 1, NULL, true, true, true, false, false, false, 2 },
    { "forward", 2, 1, 3, 1300, 0, NULL, true, true, false, true, false, false, 3 }, /* more than shared memory holds */
    { "reverse", 0, 2, 3, 4, 0, NULL, true, true, false, true, false, false, 0 },
    { "forward", 3, 2, 0, 9, 0, NULL, true, true, false, true, false, false, 3 },
    { "forward", 2, 0, 3, 9, 0, NULL, true, true, false, true, false, false, 3 },
    { "forward", 2, 3, 3, 0, 0, NULL, true, true, false, true, false, false, 3 },
    { "bidirectional", 4, 1, 20, 16, 0, NULL, true, true, true, true, true, false, 3 },
    { "forward", 150, 1, 7, 8, 0, NULL, true, false, true, true, false, false, 3 }, /* more steps than are multiplied at once */
    { "reverse", 45, 3, 4, 20, 1, (const int64_t[]){ 45, 1, 44 }, true, false, false, true, false, false, 3 },
    { "bidirectional", 2, 70, 11, 144, 0, NULL, true, true, true, true, false, false, 3 }, /* several blocks of rows and of units */
    { "forward", 2, 2, 40, 201, 1, NULL, true, true, false, true, false, false, 1 },       /* gates begin inside of panels */
    { "forward", 2, 5, 8, 256, 0, NULL, false, false, false, true, false, false, 3 },
    { "forward", 2, 150, 5, 6, 0, NULL, true, true, false, true, false, false, 0 },
};

static void rnn_state(struct kernel_case *c, const struct rnn_case *v, int64_t dirs)
{
    if (!v->initial)
        absent(c);
    else if (v->layout)
        kernel_case_input(c, SHAPE(v->batch, dirs, v->hidden));
    else
        kernel_case_input(c, SHAPE(dirs, v->batch, v->hidden));
}

static void rnn_inputs(struct kernel_case *c, const struct rnn_case *v, int64_t dirs)
{
    const int64_t rows = (c->kind == PLN_RNN_LSTM ? 4 : c->kind == PLN_RNN_GRU ? 3 : 1) * v->hidden;
    if (v->layout)
        kernel_case_input(c, SHAPE(v->batch, v->seq, v->in));
    else
        kernel_case_input(c, SHAPE(v->seq, v->batch, v->in));
    kernel_case_input(c, SHAPE(dirs, rows, v->in))->constant = (v->weights & 1) != 0;
    kernel_case_input(c, SHAPE(dirs, rows, v->hidden))->constant = (v->weights & 2) != 0;
    if (v->bias)
        kernel_case_input(c, SHAPE(dirs, 2 * rows));
    else
        absent(c);
    if (v->lengths)
        ints(c, v->batch, v->lengths);
    else
        absent(c);
    rnn_state(c, v, dirs);
    if (c->kind != PLN_RNN_LSTM) return;
    rnn_state(c, v, dirs);
    if (v->peephole) kernel_case_input(c, SHAPE(dirs, 3 * v->hidden));
}

static void rnn_init(struct kernel_case *c, const struct rnn_case *v, unsigned kind, int option)
{
    const int64_t dirs = strcmp(v->direction, "bidirectional") == 0 ? 2 : 1;
    kernel_case_init(c, pln_op_kind_name(PLN_OP_RNN, kind), PLN_OP_RNN, kind);
    rnn_inputs(c, v, dirs);
    assert_true(pln_attrs_set_string(&c->attrs, &c->arena, "direction", v->direction, strlen(v->direction)));
    set_int(c, "layout", v->layout);
    set_int(c, "hidden_size", v->hidden);
    set_int(c, "linear_before_reset", option);
    set_int(c, "input_forget", option);
    if (v->clip) assert_true(pln_attrs_set_float(&c->attrs, &c->arena, "clip", 0.7f));
    c->n_outputs = v->outputs ? (kind == PLN_RNN_LSTM ? 3 : 2) : 1;
    c->rtol = 1e-4;
    c->atol = 2e-5;
}

static void set_activations(struct kernel_case *c, int64_t n, const struct pln_string *names)
{
    const struct pln_attr attr = { .name = "activations", .kind = PLN_ATTR_STRINGS, .n = n, .u.strings = names };
    assert_true(pln_attrs_set(&c->attrs, &c->arena, &attr));
}

static void set_number(struct kernel_case *c, const char *name, const float *number)
{
    const struct pln_attr attr = { .name = name, .kind = PLN_ATTR_FLOATS, .n = 1, .u.floats = number };
    assert_true(pln_attrs_set(&c->attrs, &c->arena, &attr));
}

static int64_t functions_of(unsigned kind, const char *direction)
{
    const int64_t each = kind == PLN_RNN_LSTM ? 3 : kind == PLN_RNN_GRU ? 2 : 1;
    return strcmp(direction, "bidirectional") == 0 ? 2 * each : each;
}

/* Recurrence weights so small that the error of a step fades in those behind it. */
static void tame(struct kernel_case *c)
{
    static float weights[2000];
    const int64_t *dims = c->inputs[2].dims;
    assert_true((size_t)(dims[0] * dims[1] * dims[2]) <= PLN_COUNT_OF(weights));
    for (int i = 0; i < (int)PLN_COUNT_OF(weights); i++) weights[i] = (float)(i * 37 % 101 - 50) / 250.0f;
    c->inputs[2].values = weights;
}

static void rnn_one(const struct rnn_case *v, unsigned kind, int option)
{
    static const struct pln_string names[] = { { "relu", 4 },        { "HardSigmoid", 11 }, { "Affine", 6 },
                                               { "ScaledTanh", 10 }, { "Elu", 3 },          { "Softsign", 8 } };
    struct kernel_case c;
    rnn_init(&c, v, kind, option);
    if (v->seq > 8) tame(&c);
    if (v->special) set_activations(&c, functions_of(kind, v->direction), names);
    kernel_case_run(&c);
    kernel_case_deinit(&c);
}

static void rnn(void **state)
{
    (void)state;
    for (size_t i = 0; i < PLN_COUNT_OF(rnns); i++)
        for (unsigned kind = PLN_RNN_RNN; kind <= PLN_RNN_LSTM; kind++)
            for (int option = 0; option < 2; option++) rnn_one(&rnns[i], kind, option);
    assert_int_equal(kernel_rows_untested(PLN_OP_RNN), 0);
}

/* Each function, of a network with one gate, with numbers of its own; also of what is no number. */
static void activations(void **state)
{
    (void)state;
    static const struct pln_string names[] = { { "Relu", 4 },         { "Tanh", 4 },          { "Sigmoid", 7 }, { "Affine", 6 },   { "LeakyRelu", 9 }, { "ThresholdedRelu", 15 },
                                               { "ScaledTanh", 10 }, { "HardSigmoid", 11 }, { "Elu", 3 },     { "Softsign", 8 }, { "Softplus", 8 } };
    static const float alpha = 0.3f, beta = 0.4f;
    const struct rnn_case plain = { "forward", 1, 3, 1, 25, 0, NULL, true, true, false, true, false, false, 3 };
    for (size_t i = 0; i < PLN_COUNT_OF(names); i++)
        for (int variant = 0; variant < 3; variant++) {
            struct kernel_case c;
            rnn_init(&c, &plain, PLN_RNN_RNN, 0);
            set_activations(&c, 1, &names[i]);
            set_number(&c, "activation_alpha", &alpha);
            set_number(&c, "activation_beta", &beta);
            if (variant == 2) assert_true(pln_attrs_set_float(&c.attrs, &c.arena, "clip", -0.5f));
            if (variant > 0) c.inputs[0].fill = FILL_SPECIAL;
            kernel_case_run(&c);
            kernel_case_deinit(&c);
        }
}

/* What is no number, in one sequence at one step, shows there and later, and leaves the others alone. */
static void special_values(void **state)
{
    (void)state;
    enum { SEQ = 3, BATCH = 4, IN = 6 };
    const struct rnn_case plain = { "bidirectional", SEQ, BATCH, IN, 33, 0, (const int64_t[]){ 2, 3, 1, 3 }, true, true, true, true, false, false, 3 };
    const float special[] = { NAN, INFINITY, -INFINITY, 1e-40f };
    for (unsigned kind = PLN_RNN_RNN; kind <= PLN_RNN_LSTM; kind++)
        for (int variant = 0; variant < 8; variant++) {
            float x[SEQ * BATCH * IN];
            struct kernel_case c;
            for (int i = 0; i < SEQ * BATCH * IN; i++) x[i] = (float)(i * 37 % 101 - 50) / 60.0f;
            x[(BATCH + 1) * IN + 2] = special[variant / 2];
            rnn_init(&c, &plain, kind, variant % 2);
            c.inputs[0].values = x;
            kernel_case_run(&c);
            kernel_case_deinit(&c);
        }
}

/* ---- rows of the CPU, without the harness ---- */

/* An LSTM in both directions with random operands, prepared. */
struct launched {
    const struct pln_kernel *kernel;
    struct pln_tensor inputs[5], y;
    struct pln_attrs attrs;
    struct pln_arena arena;
    struct pln_launch launch;
    struct pln_prepared prepared;
    void *state, *shared;
};

static void *numbers(int64_t n)
{
    float *to = malloc((size_t)n * sizeof *to);
    for (int64_t i = 0; i < n; i++) to[i] = (float)(i * 7919 % 1999 - 999) / 8000.0f;
    return to;
}

static void launched_init(struct launched *l, const struct pln_kernel *kernel, int64_t seq, int64_t batch, int64_t hidden, const int64_t *lengths)
{
    struct pln_diag diag;
    *l = (struct launched){ .kernel = kernel };
    pln_arena_init(&l->arena, NULL, 0);
    assert_true(pln_attrs_set_string(&l->attrs, &l->arena, "direction", "bidirectional", 13));
    pln_tensor_init(&l->inputs[0], PLN_F32, 3, DIMS(seq, batch, 4), numbers(seq * batch * 4));
    pln_tensor_init(&l->inputs[1], PLN_F32, 3, DIMS(2, 4 * hidden, 4), numbers(32 * hidden));
    pln_tensor_init(&l->inputs[2], PLN_F32, 3, DIMS(2, 4 * hidden, hidden), numbers(8 * hidden * hidden));
    if (lengths != NULL) pln_tensor_init(&l->inputs[4], PLN_I64, 1, DIMS(batch), (void *)(uintptr_t)lengths);
    pln_tensor_init(&l->y, PLN_F32, 4, DIMS(seq, 2, batch, hidden), numbers(seq * 2 * batch * hidden));
    l->launch = (struct pln_launch){ .op = PLN_OP_RNN, .kind = PLN_RNN_LSTM, .attrs = &l->attrs, .n_inputs = 5, .n_outputs = 1, .inputs = l->inputs, .outputs = &l->y };
    l->state = aligned_alloc(64, pln_align_up(kernel->family->state_bytes, 64));
    memset(l->state, 0, kernel->family->state_bytes);
    pln_diag_init(&diag);
    assert_int_equal(pln_kernel_prepare(kernel, &l->launch, l->state, &l->prepared, &diag), PLN_OK);
    l->shared = aligned_alloc(64, pln_align_up(l->prepared.shared_bytes, 64));
    memset(l->shared, 0, l->prepared.cleared_bytes);
}

static void launched_deinit(struct launched *l)
{
    for (int i = 0; i < 3; i++) free(l->inputs[i].data);
    free(l->y.data);
    free(l->state);
    free(l->shared);
    pln_arena_deinit(&l->arena);
}

static void *run_all(void *user)
{
    const struct launched *l = user;
    void *scratch = aligned_alloc(64, pln_align_up(l->prepared.scratch_bytes, 64));
    l->kernel->family->run(l->state, 0, l->prepared.n_tasks, scratch, l->shared);
    free(scratch);
    return NULL;
}

static const char *fault_of(const struct pln_kernel *kernel, const int64_t *lengths)
{
    struct launched l;
    uint64_t code;
    launched_init(&l, kernel, 3, 2, 5, lengths);
    run_all(&l);
    memcpy(&code, l.shared, sizeof code);
    const char *said = code == 0 ? NULL : kernel->family->fault(l.state, code);
    launched_deinit(&l);
    return said;
}

/* The reference kernel refuses them, so that there is nothing to compare with. */
static void check_lengths(const struct pln_kernel *kernel)
{
    static const int64_t right[] = { 0, 3 }, wrong[] = { -1, 4, INT64_MAX, INT64_MIN };
    assert_null(fault_of(kernel, right));
    for (size_t i = 0; i < PLN_COUNT_OF(wrong); i++) {
        const int64_t lengths[] = { 3, wrong[i] };
        const char *said = fault_of(kernel, lengths);
        assert_non_null(said);
        assert_non_null(strstr(said, "sequence_lens"));
    }
}

/* The team: several threads at a time give the bits that one gives alone. */
static void check_threads(const struct pln_kernel *kernel, int64_t seq, int64_t batch, int64_t hidden)
{
    enum { THREADS = 4 };
    struct launched alone, together;
    pthread_t threads[THREADS];
    launched_init(&alone, kernel, seq, batch, hidden, NULL);
    launched_init(&together, kernel, seq, batch, hidden, NULL);
    run_all(&alone);
    for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&threads[i], NULL, run_all, &together), 0);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    assert_memory_equal(alone.y.data, together.y.data, pln_tensor_bytes(&alone.y));
    launched_deinit(&alone);
    launched_deinit(&together);
}

static void rows_of_the_cpu(void **state)
{
    (void)state;
    const struct pln_backend *backend;
    int ordinal;
    assert_int_equal(pln_backend_find("cpu", NULL, &backend, &ordinal), PLN_OK);
    for (const struct pln_kernel *const *row = backend->kernels; *row != NULL; row++) {
        if ((*row)->op != PLN_OP_RNN || ((*row)->needs & ~pln_cpu_features_raw()) != 0) continue;
        check_lengths(*row);
        check_threads(*row, 40, 3, 130);
        check_threads(*row, 7, 1, 9);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(rnn), cmocka_unit_test(activations), cmocka_unit_test(special_values), cmocka_unit_test(rows_of_the_cpu) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
