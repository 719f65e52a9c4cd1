/* A model of any bytes, all the way: built for the CPU or for the reference interpreter, and, when that works, run once on small inputs. Both have
 * little memory, and a timer cancels a run that takes long, so that what still hangs or grows is a finding. The same bytes always do the same. */
#define _POSIX_C_SOURCE 200809L
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/base.h"
#include "base/hash.h"
#include "planish/planish.h"
#include "tensor/convert.h"
#include "tensor/tensor.h"

#define MEMORY_MOST ((size_t)32 << 20)
#define INPUT_ELEMENTS_MOST ((int64_t)1 << 14)
#define RUN_SECONDS 1

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

static pln_context *volatile running;

static void cancel_running(int signal_number)
{
    (void)signal_number;
    if (running) pln_context_cancel(running);
}

/* Linux gives each process its own timers; libFuzzer's own alarm stays as it is. */
static void set_timer(int seconds)
{
    static timer_t timer;
    static int made;
    if (!made) {
        struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2 };
        struct sigaction action = { .sa_handler = cancel_running, .sa_flags = SA_RESTART };
        sigaction(SIGUSR2, &action, NULL);
        if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0) abort();
        made = 1;
    }
    const struct itimerspec when = { .it_value.tv_sec = seconds, .it_interval.tv_sec = seconds };
    timer_settime(timer, 0, &when, NULL);
}

static uint64_t next(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

/* Dims that have one name are one size. */
static int64_t dim_of(const struct pln_tensor_info *info, int d, uint64_t seed)
{
    static const int64_t sizes[] = { 1, 2, 3, 4, 0, 5, 1, 2 };
    if (info->dims[d] >= 0) return info->dims[d];
    uint64_t state = info->dim_names[d] ? seed ^ pln_hash64(info->dim_names[d], strlen(info->dim_names[d]), 0) : seed + (uint64_t)d;
    return sizes[next(&state) % PLN_COUNT_OF(sizes)];
}

static void fill(enum pln_dtype dtype, void *data, int64_t count, uint64_t *state)
{
    for (int64_t i = 0; i < count; i++) {
        static const struct pln_string words[] = { { "a", 1 }, { "", 0 }, { "xyz", 3 } };
        uint64_t random = next(state);
        if (dtype == PLN_STR) ((struct pln_string *)data)[i] = words[random % 3];
        else if (dtype == PLN_BOOL) ((uint8_t *)data)[i] = random & 1;
        else if (pln_dtype_is_integer(dtype)) pln_store_i64(dtype, data, i, (int64_t)(random % 7) - (random % 3 == 0 ? 3 : 0));
        else if (pln_dtype_bits(dtype) <= 64 && dtype != PLN_C64) pln_store_f64(dtype, data, i, (double)(random % 17) / 4 - 2, false);
    }
}

/* Memory of the input, to be freed by the caller; NULL when this input is left alone. */
static void *bind_input(pln_context *context, const struct pln_tensor_info *info, uint64_t seed)
{
    struct pln_buffer buffer = { .dtype = info->dtype, .rank = info->rank < 0 ? 1 : info->rank };
    int64_t count;
    if (info->kind != PLN_VALUE_TENSOR || !pln_dtype_valid((int)info->dtype)) return NULL;
    for (int d = 0; d < buffer.rank; d++) buffer.dims[d] = info->rank < 0 ? 2 : dim_of(info, d, seed);
    if (!pln_shape_count(buffer.rank, buffer.dims, &count) || count > INPUT_ELEMENTS_MOST || !pln_shape_bytes(buffer.dtype, buffer.rank, buffer.dims, &buffer.size_bytes)) return NULL;
    buffer.data = calloc(1, buffer.size_bytes + 1); /* exact but for one byte, so that a read beyond the end is seen */
    if (!buffer.data) return NULL;
    fill(buffer.dtype, buffer.data, count, &seed);
    if (pln_context_bind_input(context, info->name, &buffer) == PLN_INTERNAL) abort();
    return buffer.data;
}

static void run(pln_engine *engine, uint64_t seed)
{
    const struct pln_context_options options = { .struct_size = sizeof options, .memory_limit_bytes = MEMORY_MOST };
    void *data[16] = { NULL };
    pln_context *context;
    int n = pln_engine_input_count(engine);
    if (n > 16 || pln_context_create(engine, &options, &context) != PLN_OK) return;
    for (int i = 0; i < n; i++) {
        struct pln_tensor_info info;
        if (pln_engine_input(engine, i, &info) != PLN_OK) abort();
        data[i] = bind_input(context, &info, seed);
    }
    running = context;
    set_timer(RUN_SECONDS);
    enum pln_status status = pln_context_run(context);
    set_timer(0);
    running = NULL;
    if (status == PLN_INTERNAL || status == PLN_BAD_PLAN) abort(); /* what we built ourselves is sound */
    if (status != PLN_OK && pln_diagnostics_count(pln_context_diagnostics(context)) == 0) abort();
    for (int i = 0; status == PLN_OK && i < pln_engine_output_count(engine); i++) {
        struct pln_tensor_info info;
        struct pln_buffer buffer;
        if (pln_engine_output(engine, i, &info) != PLN_OK) abort();
        if (pln_context_output(context, info.name, &buffer) == PLN_OK && buffer.size_bytes && !buffer.data) abort();
    }
    pln_context_destroy(context);
    for (int i = 0; i < n; i++) free(data[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    uint64_t seed = pln_hash64(data, size_bytes, 0);
    pln_diagnostics *diagnostics = pln_diagnostics_create();
    if (!diagnostics) return 0;
    const struct pln_build_options options = { .struct_size = sizeof options, .device = seed & 1 ? "ref" : "cpu", .memory_limit_bytes = MEMORY_MOST, .diagnostics = diagnostics };
    pln_engine *engine;
    enum pln_status status = pln_build_memory(data, size_bytes, NULL, &options, &engine);
    if (status == PLN_INTERNAL || status == PLN_BAD_PLAN) abort(); /* whatever is wrong with a model is never our bug */
    if (status != PLN_OK && pln_diagnostics_count(diagnostics) == 0) abort();
    if (status == PLN_OK) run(engine, seed);
    pln_engine_release(engine);
    pln_diagnostics_destroy(diagnostics);
    return 0;
}
