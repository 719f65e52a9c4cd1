#include "tune/measure.h"

#include <stdlib.h>

#include "base/clock.h"
#include "tune/evict.h"

#define ALIGN       64
#define MOST_RUNS   15
#define LEAST_RUNS  3
#define ENOUGH_NS   10000000 /* of runs that were timed: more do not make the median better than the machine is quiet */
#define HOPELESS    1.5      /* times the limit: the row will not be the one */
#define PATTERN     1021     /* random numbers, repeated: a prime, so that they do not fall into step with extents */
#define MOST_INPUTS 64
#define SETUP_NS    2 /* a byte: new pages, writing it, packing it, and its line's share of some evictions */

enum pln_status pln_measurer_open(struct pln_measurer *measurer, const struct pln_backend *backend, struct pln_pool *pool, const struct pln_allocator *alloc, struct pln_diag *diag)
{
    const struct pln_device_options options = { .alloc = alloc, .pool = pool };
    *measurer = (struct pln_measurer){ .alloc = alloc, .pool = pool, .backend = backend };
    PLN_TRY(backend->open(0, &options, diag, &measurer->device));
    enum pln_status status = backend->queue_create(measurer->device, diag, &measurer->queue);
    if (status != PLN_OK) pln_measurer_close(measurer);
    return status;
}

void pln_measurer_close(struct pln_measurer *measurer)
{
    if (measurer->queue) measurer->backend->queue_destroy(measurer->queue);
    if (measurer->device) measurer->backend->close(measurer->device);
    measurer->queue = NULL;
    measurer->device = NULL;
}

static bool can_fill(const struct pln_operand *operand)
{
    size_t size_bytes;
    if (!operand->present) return true;
    /* Integers of these types are indices, axes, lengths: they tell what is read. A bias of quantized products is i32, too, and a weight. */
    if (operand->dtype == PLN_I64 || operand->dtype == PLN_STR || operand->dtype == PLN_DTYPE_NONE || (operand->dtype == PLN_I32 && !operand->constant)) return false;
    return operand->rank >= 0 && pln_shape_bytes(operand->dtype, operand->rank, operand->dims, &size_bytes) && size_bytes > 0;
}

bool pln_measure_can(const struct pln_problem *problem)
{
    bool can = problem->n_inputs <= MOST_INPUTS && problem->n_outputs <= MOST_INPUTS;
    for (int i = 0; can && i < problem->n_inputs; i++) can = can_fill(&problem->inputs[i]);
    for (int i = 0; can && i < problem->n_outputs; i++) can = can_fill(&problem->outputs[i]);
    return can;
}

double pln_measure_setup_ns(const struct pln_problem *problem)
{
    double sum_bytes = 0;
    for (int i = 0; i < problem->n_inputs + problem->n_outputs; i++) {
        const struct pln_operand *operand = i < problem->n_inputs ? &problem->inputs[i] : &problem->outputs[i - problem->n_inputs];
        size_t size_bytes;
        if (operand->present && pln_shape_bytes(operand->dtype, operand->rank, operand->dims, &size_bytes)) sum_bytes += (double)size_bytes;
    }
    return sum_bytes * SETUP_NS;
}

/* ---- operands ---- */

/* One kernel with one problem. */
struct trial {
    const struct pln_measurer *measurer;
    const struct pln_kernel *kernel;
    struct pln_tensor operands[2 * MOST_INPUTS]; /* inputs, then outputs */
    size_t size_bytes[2 * MOST_INPUTS];          /* of what each points to */
    bool constant[MOST_INPUTS];
    struct pln_launch launch;
    struct pln_command command;
    void *state;
    size_t taken_bytes;
};

static void *take(struct trial *trial, size_t size_bytes)
{
    if (size_bytes > PLN_MEASURE_MOST_BYTES - trial->taken_bytes) return NULL;
    trial->taken_bytes += size_bytes;
    return pln_alloc(trial->measurer->alloc, size_bytes, ALIGN);
}

static uint32_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005ull + 1442695040888963407ull; /* Knuth's MMIX generator */
    return (uint32_t)(*seed >> 32);
}

/* Of each type numbers that are neither subnormal nor large. Returns the bytes of an element; 0: all are zero. */
static size_t random_element(enum pln_dtype dtype, uint32_t random, uint8_t bytes[8])
{
    const double unit = (double)random / 2147483648.0 - 1;
    const float single = (float)unit;
    const uint16_t half = (uint16_t)((random & 0x8000) | ((dtype == PLN_F16 ? 0x3800 : 0x3f00) + (random & 0x7f))); /* 0.5 and a little more */
    switch (dtype) {
    case PLN_F32: memcpy(bytes, &single, sizeof single); return sizeof single;
    case PLN_F64: memcpy(bytes, &unit, sizeof unit); return sizeof unit;
    case PLN_F16:
    case PLN_BF16: memcpy(bytes, &half, sizeof half); return sizeof half;
    case PLN_BOOL: bytes[0] = random >> 30 != 0; return 1; /* three of four: masks let most through */
    default: bytes[0] = (uint8_t)(random >> 24); return pln_dtype_bits(dtype) <= 8 ? 1 : 0;
    }
}

static void fill(enum pln_dtype dtype, uint64_t seed, uint8_t *data, size_t size_bytes)
{
    uint8_t pattern[PATTERN * 8];
    size_t n = 0;
    memset(pattern, 0, sizeof pattern);
    for (int i = 0; i < PATTERN; i++) n += random_element(dtype, next_random(&seed), pattern + n);
    if (n == 0) n = sizeof pattern;
    for (size_t at = 0; at < size_bytes; at += n) memcpy(data + at, pattern, PLN_MIN(n, size_bytes - at));
}

static void order_last(struct pln_tensor *tensor)
{
    int64_t stride = tensor->dims[1];
    tensor->strides[1] = 1;
    for (int d = tensor->rank - 1; d >= 2; d--) {
        tensor->strides[d] = stride;
        stride *= tensor->dims[d];
    }
    tensor->strides[0] = stride;
}

static bool place(struct trial *trial, int i, const struct pln_operand *operand, bool last)
{
    struct pln_tensor *tensor = &trial->operands[i];
    size_t size_bytes;
    if (!operand->present) return true; /* dtype PLN_DTYPE_NONE */
    if (!pln_shape_bytes(operand->dtype, operand->rank, operand->dims, &size_bytes)) return false;
    void *data = take(trial, size_bytes);
    if (!data) return false;
    trial->size_bytes[i] = size_bytes;
    fill(operand->dtype, (uint64_t)i, data, size_bytes);
    pln_tensor_init(tensor, operand->dtype, operand->rank, operand->dims, data);
    if (last && tensor->rank > 2) order_last(tensor);
    return true;
}

static bool pack(struct trial *trial, int i)
{
    const struct pln_pack_format *format = trial->kernel->family->pack(trial->kernel);
    struct pln_tensor *tensor = &trial->operands[i];
    size_t size_bytes;
    if (!format->bytes(tensor, &size_bytes)) return false;
    void *packed = take(trial, size_bytes);
    if (!packed) return false;
    memset(packed, 0, size_bytes); /* gaps */
    format->pack(tensor, packed);
    pln_free(trial->measurer->alloc, tensor->data, trial->size_bytes[i]);
    tensor->data = packed;
    trial->size_bytes[i] = size_bytes;
    trial->launch.packed_bytes = size_bytes;
    return true;
}

/* As lower/step.c lays them out. */
static bool set_operands(struct trial *trial, const struct pln_problem *problem)
{
    const bool last = (trial->kernel->flags & PLN_KERNEL_CHANNELS_LAST) != 0;
    for (int i = 0; i < problem->n_inputs; i++) {
        const struct pln_operand *operand = &problem->inputs[i];
        const bool is_image = i == 0 || (i > 2 && operand->rank == problem->inputs[0].rank);
        trial->constant[i] = operand->constant;
        if (!place(trial, i, operand, last && is_image)) return false;
        if (i == trial->kernel->family->packed_input && operand->present && operand->constant && !pack(trial, i)) return false;
    }
    for (int i = 0; i < problem->n_outputs; i++)
        if (!place(trial, problem->n_inputs + i, &problem->outputs[i], last && i == 0)) return false;
    return true;
}

static bool set_up(struct trial *trial, const struct pln_problem *problem)
{
    struct pln_diag quiet;
    trial->launch = (struct pln_launch){ .op = problem->op, .kind = problem->kind, .attrs = problem->attrs, .epilogue = problem->epilogue, .program = problem->program, .n_inputs = problem->n_inputs,
                                         .n_outputs = problem->n_outputs, .inputs = trial->operands, .outputs = trial->operands + problem->n_inputs };
    if (!set_operands(trial, problem)) return false;
    trial->state = pln_alloc_zeroed(trial->measurer->alloc, trial->kernel->family->state_bytes, ALIGN);
    if (!trial->state) return false;
    pln_diag_init(&quiet);
    trial->command = (struct pln_command){ .kind = PLN_COMMAND_LAUNCH, .kernel = trial->kernel, .state = trial->state };
    return pln_kernel_prepare(trial->kernel, &trial->launch, trial->state, &trial->command.prepared, &quiet) == PLN_OK;
}

static void tear_down(struct trial *trial)
{
    const struct pln_allocator *alloc = trial->measurer->alloc;
    for (size_t i = 0; i < PLN_COUNT_OF(trial->operands); i++) pln_free(alloc, trial->operands[i].data, trial->size_bytes[i]);
    pln_free(alloc, trial->state, trial->kernel->family->state_bytes);
}

/* ---- runs ---- */

static void do_nothing(void *user, int64_t first, int64_t last, int worker)
{
    (void)user;
    (void)first;
    (void)last;
    (void)worker;
}

/* Nanoseconds of a run; 0: it failed. */
static double run_once(const struct trial *trial)
{
    const struct pln_measurer *measurer = trial->measurer;
    struct pln_command command = trial->command;
    struct pln_recording *recording = NULL;
    struct pln_diag quiet;
    pln_diag_init(&quiet);
    for (int i = 0; i < trial->launch.n_inputs; i++)
        if (trial->constant[i]) pln_evict(trial->operands[i].data, trial->size_bytes[i]);
    pln_pool_run(measurer->pool, pln_pool_workers(measurer->pool), 1, do_nothing, NULL); /* threads of a model at work are awake */
    const int64_t start = pln_clock_ns();
    enum pln_status status = measurer->backend->submit(measurer->queue, &command, 1, &recording, 0, &quiet);
    if (status == PLN_OK) status = measurer->backend->sync(measurer->queue, &quiet);
    const int64_t ns = pln_clock_ns() - start;
    return status == PLN_OK ? (double)PLN_MAX(ns, 1) : 0;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median; 0: a run failed. The first one is not counted: its pages and its scratch are new. */
static double time_runs(const struct trial *trial, double limit_ns)
{
    double ns[MOST_RUNS], sum = 0;
    size_t n = 0;
    const double first = run_once(trial);
    if (first == 0) return 0;
    while (n < MOST_RUNS && (n < LEAST_RUNS || sum < ENOUGH_NS)) {
        ns[n] = run_once(trial);
        if (ns[n] == 0) return 0;
        sum += ns[n++];
        if (limit_ns > 0 && ns[0] > HOPELESS * limit_ns && first > HOPELESS * limit_ns) break;
    }
    qsort(ns, n, sizeof ns[0], by_size);
    return ns[n / 2];
}

struct pln_measured pln_measure(void *user, const struct pln_kernel *kernel, const struct pln_problem *problem, double limit_ns)
{
    const struct pln_measurer *measurer = user;
    const int64_t start = pln_clock_ns();
    struct trial *trial = pln_alloc_zeroed(measurer->alloc, sizeof *trial, _Alignof(struct trial));
    struct pln_measured measured = { 0 };
    if (!trial) return measured;
    trial->measurer = measurer;
    trial->kernel = kernel;
    if (set_up(trial, problem)) measured.ns = time_runs(trial, limit_ns);
    tear_down(trial);
    pln_free(measurer->alloc, trial, sizeof *trial);
    measured.spent_ns = pln_clock_ns() - start;
    return measured;
}
