/* Runs: waiting for fences, the caller's stream, and what is still under way when a call has returned. */
#include "base/clock.h"
#include "runtime/engine.h"

#define FENCE_PIECE_NS 5000000 /* how long a cancel may stay unseen while a run waits */

/* ---- what may go on behind a call ---- */

/* All steps are commands of the one device, nothing is let go on the way, and no result is made elsewhere. */
static bool is_whole(const struct pln_context *context)
{
    const struct pln_program *program = context->engine->program;
    const struct pln_program_block *block = &program->blocks[0];
    if (context->engine->n_devices != 2 || context->n_given > 0 || context->blocks[0].n_items > 0) return false;
    for (uint32_t i = 0; i < program->n_inputs; i++)
        if (program->slots[program->inputs[i].slot].kind != PLN_TENSOR) return false;
    for (uint32_t s = 0; s < block->n_segments; s++)
        for (uint32_t i = 0; i < block->segments[s].count; i++) {
            const struct pln_flow *flow = &context->blocks[0].segments[s].flow[i];
            if (!flow->command || flow->device == 0) return false;
        }
    return true;
}

void pln_enqueue_init(struct pln_context *context)
{
    context->whole = is_whole(context);
}

enum pln_status pln_enqueue_settle(struct pln_context *context)
{
    if (!context->done) return pln_exec_sync(context);
    return pln_fence_settle(context->done, context);
}

enum pln_status pln_enqueue_need_still(struct pln_context *context)
{
    if (!context->capturing) return pln_exec_sync(context);
    return pln_fail(&context->diag, PLN_INVALID_ARGUMENT, "the caller's stream is being captured, and the run before it had other shapes or bindings; run once as it shall be captured, then capture");
}

/* ---- a run ---- */

static enum pln_status run_steps(pln_context *context)
{
    if (context->profiling && context->engine->program->n_blocks > 1) memset(context->step_times, 0, context->engine->program->n_steps * sizeof *context->step_times);
    PLN_TRY(pln_states_begin(context));
    PLN_TRY(pln_context_take_inputs(context));
    PLN_TRY(pln_context_check_bound(context));
    PLN_TRY(pln_exec_block(context, 0));
    context->timed = context->profiling;
    return pln_context_give_outputs(context);
}

static enum pln_status run(pln_context *context)
{
    int64_t start = pln_clock_ns();
    context->stats.last_kernel_ns = 0;
    context->depth = 0;
    if (!context->whole) PLN_TRY(pln_exec_sync(context));
    enum pln_status status = run_steps(context);
    if (status != PLN_OK || !context->deferred) {
        const enum pln_status drained = pln_exec_sync(context);
        if (status == PLN_OK) status = drained;
    }
    if (status != PLN_OK) return status;
    PLN_TRY(pln_states_commit(context));
    context->stats.runs++;
    context->stats.last_run_ns = (uint64_t)(pln_clock_ns() - start);
    return PLN_OK;
}

/* ---- the caller's stream ---- */

static enum pln_status use_stream(pln_context *context, void *stream)
{
    const struct pln_engine *engine = context->engine;
    if (engine->n_devices < 2 || !engine->devices[1].backend->use_stream) return pln_fail(&context->diag, PLN_UNSUPPORTED, "this device has no streams");
    return engine->devices[1].backend->use_stream(context->queues[1], stream, &context->diag, &context->capturing);
}

/* What a graph of the caller's would not do again must not be part of it. */
static enum pln_status check_capture(pln_context *context)
{
    if (!context->whole) return pln_fail(&context->diag, PLN_UNSUPPORTED, "the caller's stream is being captured, and some steps of this plan run on the host, which a graph would not repeat; `planish inspect` lists them");
    if (context->states) return pln_fail(&context->diag, PLN_UNSUPPORTED, "the caller's stream is being captured, and a run with a state store writes elsewhere each time, which a graph would not");
    if (!context->deferred) return pln_fail(&context->diag, PLN_UNSUPPORTED, "the caller's stream is being captured, and taps, profiling and `wait` have to wait for each run");
    return PLN_OK;
}

static enum pln_status run_on(pln_context *context, void *stream)
{
    if (!stream) return run(context);
    PLN_TRY(use_stream(context, stream));
    const bool captured = context->capturing;
    enum pln_status status = captured ? check_capture(context) : PLN_OK;
    if (status == PLN_OK) status = run(context);
    const enum pln_status left = use_stream(context, NULL);
    if (captured) context->device_pending = false; /* nothing is under way, and to wait for it would break the capture */
    return status == PLN_OK ? left : status;
}

/* ---- fences ---- */

/* A fence is waited for in short pieces, so that a cancel is seen. */
static enum pln_status wait_for_fence(pln_context *context, pln_fence *fence)
{
    enum pln_status before = PLN_OK;
    if (!fence) return pln_fail(&context->diag, PLN_INVALID_ARGUMENT, "a fence to wait for is NULL");
    while (pln_fence_wait(fence, FENCE_PIECE_NS, &before) != PLN_OK)
        if (atomic_load_explicit(&context->cancelled, memory_order_relaxed)) return pln_fail(&context->diag, PLN_CANCELLED, "the run was cancelled");
    return before == PLN_OK ? PLN_OK : pln_fail(&context->diag, before, "what this run waited for has failed: %s", pln_status_text(before));
}

static enum pln_status wait_and_run(pln_context *context, const struct pln_enqueue_options *options)
{
    if (options->wait_count > 0 && !options->wait_for) return pln_fail(&context->diag, PLN_INVALID_ARGUMENT, "the fences to wait for are NULL");
    for (int i = 0; i < options->wait_count; i++) PLN_TRY(wait_for_fence(context, options->wait_for[i]));
    context->stream = options->stream;
    context->deferred = context->whole && (options->stream || options->done) && !options->wait && !context->tap && !context->profiling;
    return run_on(context, options->stream);
}

enum pln_status pln_context_enqueue(pln_context *context, const struct pln_enqueue_options *options)
{
    struct pln_enqueue_options own;
    if (!context) return PLN_INVALID_ARGUMENT;
    if (context->done) (void)pln_enqueue_settle(context); /* its fence tells of it */
    pln_diag_init(&context->diag);
    atomic_store_explicit(&context->cancelled, false, memory_order_relaxed);
    atomic_store_explicit(&context->steps_done, 0, memory_order_relaxed);
    const char *why = pln_options_copy(options, sizeof own, &own);
    enum pln_status status = why ? pln_fail(&context->diag, PLN_INVALID_ARGUMENT, "%s", why) : wait_and_run(context, &own);
    status = pln_note_limit(&context->diag, status, context->memory_limit);
    context->deferred = context->capturing = false;
    context->stream = NULL;
    if (!own.done) return status;
    if (status == PLN_OK && context->device_pending) {
        if (pln_fence_attach(own.done, context)) return PLN_OK;
        status = pln_exec_sync(context); /* the fence is another run's */
    }
    pln_fence_signal(own.done, status);
    return status;
}

enum pln_status pln_context_run(pln_context *context)
{
    return pln_context_enqueue(context, NULL);
}

void pln_context_cancel(pln_context *context)
{
    atomic_store_explicit(&context->cancelled, true, memory_order_relaxed);
}
