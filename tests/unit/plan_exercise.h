/* A plan of any bytes: loaded, listed, and, if it is accepted, run with small inputs. Whatever it says, nothing may break. */
#ifndef PLN_TESTS_UNIT_PLAN_EXERCISE_H
#define PLN_TESTS_UNIT_PLAN_EXERCISE_H

#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>

#include "plan/format.h"
#include "plan/plan.h"
#include "planish/context.h"
#include "planish/engine.h"

/* Makes the checksum of metadata that were changed right again. */
static inline void plan_mend(uint8_t *plan, size_t size_bytes)
{
    struct pln_plan_header header;
    if (size_bytes < sizeof header) return;
    memcpy(&header, plan, sizeof header);
    if (header.metadata_bytes < sizeof header || header.metadata_bytes > size_bytes) return;
    header.checksum = pln_plan_checksum(plan, header.metadata_bytes);
    memcpy(plan, &header, sizeof header);
}

static pln_context *plan_running;

static inline void plan_stop(int signal_number)
{
    (void)signal_number;
    if (plan_running) pln_context_cancel(plan_running);
}

static volatile uint8_t plan_sink;

/* A forged loop may run for ever: that is what cancelling is for. */
static inline void plan_watch(pln_context *context, long milliseconds)
{
    const struct itimerval timer = { .it_value = { milliseconds / 1000, milliseconds % 1000 * 1000 }, .it_interval = { 0, context ? 20000 : 0 } };
    const struct sigaction action = { .sa_handler = plan_stop, .sa_flags = SA_RESTART };
    plan_running = context;
    sigaction(SIGVTALRM, &action, NULL);
    setitimer(ITIMER_VIRTUAL, &timer, NULL);
}

static inline void plan_bind(pln_context *context, const struct pln_tensor_info *info, void *memory, size_t size_bytes)
{
    struct pln_buffer buffer = { .dtype = info->dtype, .rank = info->rank < 0 ? 1 : info->rank, .data = memory, .size_bytes = size_bytes };
    if (info->kind != PLN_VALUE_TENSOR || info->dtype == PLN_STR) return;
    if (buffer.dtype == PLN_DTYPE_NONE) buffer.dtype = PLN_F32;
    for (int i = 0; i < buffer.rank; i++) buffer.dims[i] = info->rank < 0 || info->dims[i] < 0 ? 2 : info->dims[i];
    enum pln_status status = pln_context_bind_input(context, info->name, &buffer);
    (void)status;
}

static inline void plan_run(pln_engine *engine)
{
    pln_context *context;
    const struct pln_context_options options = { .struct_size = sizeof options, .memory_limit_bytes = (size_t)32 << 20 };
    if (pln_context_create(engine, &options, &context) != PLN_OK) return;
    size_t size_bytes = (size_t)1 << 16;
    uint8_t *memory = calloc(1, size_bytes);
    for (int i = 0; memory && i < pln_engine_input_count(engine); i++) {
        struct pln_tensor_info info;
        if (pln_engine_input(engine, i, &info) == PLN_OK) plan_bind(context, &info, memory, size_bytes);
    }
    plan_watch(context, 200);
    for (int run = 0; run < 2; run++) {
        if (pln_context_run(context) != PLN_OK) continue;
        for (int i = 0; i < pln_engine_output_count(engine); i++) {
            struct pln_tensor_info info;
            struct pln_buffer buffer;
            uint8_t byte = 0;
            if (pln_engine_output(engine, i, &info) != PLN_OK || pln_context_output(context, info.name, &buffer) != PLN_OK) continue;
            for (size_t k = 0; k < buffer.size_bytes; k++) byte ^= ((const uint8_t *)buffer.data)[k];
            plan_sink = byte; /* so that the bytes are read */
        }
    }
    plan_watch(NULL, 0);
    pln_context_destroy(context);
    free(memory);
}

static inline void plan_line(void *user, const char *text)
{
    *(size_t *)user += strlen(text);
}

/* data: aligned to 64. */
static inline enum pln_status plan_exercise(const void *data, size_t size_bytes, pln_diagnostics *diagnostics)
{
    pln_engine *engine;
    size_t listed = 0;
    const struct pln_engine_options options = { .struct_size = sizeof options, .diagnostics = diagnostics };
    enum pln_status status = pln_engine_load_memory(data, size_bytes, &options, &engine);
    if (status != PLN_OK) return status;
    struct pln_engine_summary summary;
    pln_engine_summarize(engine, &summary);
    if (pln_engine_dump(engine, plan_line, &listed) == PLN_OK) plan_run(engine);
    pln_engine_release(engine);
    return PLN_OK;
}

#endif
