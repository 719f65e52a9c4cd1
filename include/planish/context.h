/* Contexts: the state of one running inference. Cheap; used by one thread at a time; pln_context_cancel may be called from any. */
#ifndef PLANISH_CONTEXT_H
#define PLANISH_CONTEXT_H

#include "planish/engine.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pln_context pln_context;

/* Where memory is: the host's, or the memory of the engine's device (data is an address there, of memory that the
 * device has or has been told of; what a GPU cannot reach is refused when it is bound). Devices that compute in host memory refuse PLN_MEMORY_DEVICE. */
enum pln_memory_kind { PLN_MEMORY_HOST = 0, PLN_MEMORY_DEVICE = 1 };

/* A tensor in the caller's memory. Zero what you do not set. */
struct pln_buffer {
    enum pln_dtype dtype;
    int rank;
    int64_t dims[PLN_MAX_RANK];
    const int64_t *strides; /* elements, rank entries; NULL: row-major */
    void *data;        /* aligned to its elements; to 64 is best */
    size_t size_bytes; /* of data; for outputs: its capacity */
    enum pln_memory_kind memory;
    uint64_t reserved[4];
};

struct pln_context_options {
    size_t struct_size;                    /* sizeof(struct pln_context_options) */
    const struct pln_allocator *allocator; /* NULL: the engine's */
    size_t memory_limit_bytes;             /* of activations and run-time values; 0: none */
    pln_diagnostics *diagnostics;          /* takes the reason of a failure; NULL: the code only */
};

/* options NULL: the defaults. Errors: PLN_INVALID_ARGUMENT; PLN_NO_MEMORY; PLN_DEVICE; PLN_INCOMPATIBLE the engine is of a plan for another machine. */
PLN_API PLN_MUST_USE enum pln_status pln_context_create(pln_engine *engine, const struct pln_context_options *options, pln_context **out_context);
/* Lets go of its engine. No run may be under way. NULL is fine. */
PLN_API void pln_context_destroy(pln_context *context);
/* What the last calls on this context had to say; valid until the next call. */
PLN_API const pln_diagnostics *pln_context_diagnostics(const pln_context *context);

/* Binds an input for the runs to come. data is read during each run and must stay valid; strides other than row-major (never negative) are copied first. Errors:
 * PLN_NOT_FOUND name; PLN_INVALID_ARGUMENT NULL name, type, rank, a fixed dim, or size_bytes, with the input and the dim in the text. */
PLN_API PLN_MUST_USE enum pln_status pln_context_bind_input(pln_context *context, const char *name, const struct pln_buffer *buffer);
/* Binds memory for an output: data of size_bytes; dtype, dims and, without strides, rank are ignored. It must not overlap memory that is bound otherwise
 * (the run fails with PLN_INVALID_ARGUMENT), but for a state that is given the memory of its input, with the same strides. NULL buffer or data: the context keeps its own memory, or asks
 * an allocator that is set next, for the kind of memory that the buffer names. A run whose
 * output does not fit fails with PLN_INVALID_ARGUMENT and the bytes it wants. Errors: PLN_NOT_FOUND name; PLN_INVALID_ARGUMENT NULL name; PLN_UNSUPPORTED
 * strides (outputs are row-major; only outputs that are states may have them), or memory that the device does not take. */
PLN_API PLN_MUST_USE enum pln_status pln_context_bind_output(pln_context *context, const char *name, const struct pln_buffer *buffer);
/* What a run wants for an output once its shape is known. */
struct pln_output_request {
    const char *name;
    size_t size_bytes, align; /* at least so many bytes, so aligned */
    enum pln_dtype dtype;
    int rank;
    const int64_t *dims;
    enum pln_memory_kind memory; /* what is wanted */
    void *stream;                /* of device memory: the caller's stream on which it will be written; NULL: the context's own queue writes, or the host */
    uint64_t reserved[4];
};
/* Called during a run, in its thread: returns the memory, which stays the caller's, or NULL to fail the run with PLN_NO_MEMORY. It must not call the
 * context. Asked again in every run. */
typedef void *(*pln_output_allocator)(void *user, const struct pln_output_request *request);
/* The memory is of the kind that the output was bound with last, host memory if it never was; a run that is given other memory than that fails with
 * PLN_INVALID_ARGUMENT. allocator NULL ends it, as binding the output does. Errors: PLN_NOT_FOUND name; PLN_INVALID_ARGUMENT NULL name. */
PLN_API PLN_MUST_USE enum pln_status pln_context_set_output_allocator(pln_context *context, const char *name, pln_output_allocator allocator, void *user);

/* Shape of an output for the inputs as bound. PLN_NOT_FOUND: only the run can tell. */
PLN_API PLN_MUST_USE enum pln_status pln_context_output_shape(pln_context *context, const char *name, int *out_rank, int64_t out_dims[PLN_MAX_RANK]);
/* Bytes of activations that a run with the inputs as bound will hold (a lower bound where shapes depend on data). */
PLN_API PLN_MUST_USE enum pln_status pln_context_memory(pln_context *context, size_t *out_bytes);

/* The same before any context exists, for the input shapes given: inputs[i] has name, rank and dims, all known (dtype is not looked at). Inputs whose
 * shapes the model fixes, states and what is no tensor may be left out. Thread-safe. diagnostics may be NULL. Errors: PLN_NOT_FOUND name;
 * PLN_INVALID_ARGUMENT shapes, also one that is missing, or a negative count; PLN_NO_MEMORY. */
PLN_API PLN_MUST_USE enum pln_status pln_engine_memory(pln_engine *engine, const struct pln_tensor_info *inputs, int input_count, pln_diagnostics *diagnostics, size_t *out_bytes);

/* Runs once; outputs are complete when it returns. Allocates nothing when the shapes were seen before. Errors: PLN_INVALID_ARGUMENT inputs that are
 * not bound or do not fit together, indices out of range, outputs too small; PLN_BAD_MODEL an operator met shapes or values that it cannot take and
 * they may as well be the model's own (the reference kernels, which see one operator alone, say this also of what came from inputs); PLN_NO_MEMORY; PLN_DEVICE; PLN_CANCELLED. After an error the
 * outputs hold nothing of use, the context can run again. */
PLN_API PLN_MUST_USE enum pln_status pln_context_run(pln_context *context);

/* A fence: a point in somebody's work that others wait for. Signalled once (later signals are ignored); thread-safe. */
typedef struct pln_fence pln_fence;
/* PLN_NO_MEMORY. */
PLN_API PLN_MUST_USE enum pln_status pln_fence_create(pln_fence **out_fence);
PLN_API void pln_fence_destroy(pln_fence *fence); /* nobody waits any more, nor uses a context whose run would signal it; NULL is fine */
/* Ends all waits, with a status for them to see: PLN_OK, or why the work behind it failed. */
PLN_API void pln_fence_signal(pln_fence *fence, enum pln_status status);
/* Waits at most timeout_ns (negative: for ever). PLN_OK and the signalled status in out_status (may be NULL); PLN_CANCELLED: the time is up. */
PLN_API PLN_MUST_USE enum pln_status pln_fence_wait(pln_fence *fence, int64_t timeout_ns, enum pln_status *out_status);

struct pln_enqueue_options {
    size_t struct_size;          /* sizeof(struct pln_enqueue_options) */
    pln_fence *const *wait_for;  /* wait_count fences; one that was signalled with a failure is this run's failure, too */
    int wait_count;
    pln_fence *done;             /* signalled with the run's status; NULL: none */
    void *stream;                /* a queue of the caller on the engine's device (a CUstream); NULL: the context's. The CPU has none: PLN_UNSUPPORTED */
    int wait;                    /* 1: everything is over when it returns, as with pln_context_run */
};

/* Waits for the fences, runs, and signals `done`. options NULL, or neither `done` nor `stream`: pln_context_run. Errors as pln_context_run's.
 *
 * What is over when it returns. The CPU is done. A device with a queue of its own is still at work where all steps of the plan are its own (`planish
 * inspect` shows which run on the host), there is neither tap nor profiling, and `done` or `stream` was given without `wait`; else this waits, as pln_context_run does.
 * Also a run that goes on behind a return waits at its beginning, for the one before it, when shapes or bindings have changed since; and inputs and outputs
 * that lie elsewhere than where the plan has them (a state without a store, in host memory) are copied and waited for.
 *  - `done` is signalled when everything is over, with the status. Until then the context is not used, and bindings stay as they are. Whoever waits for
 *    the fence looks after the run's end; without one, the next call on the context that needs it does (pln_context_output of host memory, a run
 *    with other shapes, pln_context_destroy), and a failure is that call's.
 *  - Host memory: inputs are read before this returns or while the run lasts, outputs are written by its end, which `done` or one of those calls tells; the
 *    stream does not. Memory of the device is read and written in the order of the stream.
 *
 * `stream`: the run is behind what was enqueued there before, and what is enqueued there afterwards is behind the run; nothing is left to do on it when this
 * returns, so it may be destroyed like any stream with work. Several runs of a context, on whatever streams, follow each other. With inputs and outputs in
 * device memory, and shapes and bindings as before, nothing waits on the host. The default stream is CU_STREAM_LEGACY, not NULL.
 *
 * A stream that is being captured takes the run into the caller's graph, if the run before was of the same shapes and bindings and is over, all steps are
 * the device's, outputs lie in device memory, and no state store is bound; else PLN_INVALID_ARGUMENT or PLN_UNSUPPORTED says which it is, and the
 * capture goes on without the run. The graph has baked in: shapes, addresses of bindings, the values of inputs in host memory as they were, and the
 * context's own memory. So it can be launched as long as the context lives and is run with no other shapes; launches, and runs of the context, must
 * follow each other (same stream, or events); indices that are out of range are left out silently. Each captured run keeps a little memory to the
 * context's end, and the next one wants an ordinary run before it again. `done` is signalled at once. As with
 * all of CUDA, a capture of CU_STREAM_CAPTURE_MODE_GLOBAL also forbids other threads to wait for runs or to have memory; _THREAD_LOCAL does not. */
PLN_API PLN_MUST_USE enum pln_status pln_context_enqueue(pln_context *context, const struct pln_enqueue_options *options);

/* Makes the pln_context_run or pln_context_enqueue under way, its waits included, end soon with PLN_CANCELLED; nothing when none is. Any thread. */
PLN_API void pln_context_cancel(pln_context *context);

/* The output of the last run: type, dims, data (the caller's or the context's memory, valid until the next run); strides where they are not row-major,
 * as those of a state in a store, whose memory has room for the capacity. Errors: PLN_NOT_FOUND name;
 * PLN_INVALID_ARGUMENT NULL name, before a run, or no tensor. */
PLN_API PLN_MUST_USE enum pln_status pln_context_output(pln_context *context, const char *name, struct pln_buffer *out_buffer);

/* Counters since the context was made. */
struct pln_context_stats {
    uint64_t runs;
    uint64_t memory_plans;      /* times that memory was planned anew */
    uint64_t allocator_calls;   /* calls of the allocator */
    uint64_t arena_bytes;       /* activations held now */
    uint64_t heap_bytes;        /* run-time values held now */
    uint64_t last_run_ns, last_kernel_ns; /* of the last run: all (to the return of pln_context_enqueue), and inside kernels (only when profiling) */
    uint64_t captures;          /* times that a device's graph was made for a segment */
    uint64_t launches;          /* calls that set a device to work: a graph is one; kernels and copies outside of graphs one each. The CPU has none */
    uint64_t reserved[6];
};
PLN_API void pln_context_get_stats(const pln_context *context, struct pln_context_stats *out_stats);
/* on 1: every step of the runs to come is timed. */
PLN_API void pln_context_set_profiling(pln_context *context, int on);
/* Nanoseconds of step `index` in the last run and how often it ran; zeros when profiling is off.
 * PLN_NOT_FOUND: no such step. */
PLN_API PLN_MUST_USE enum pln_status pln_context_step_time(const pln_context *context, int index, uint64_t *out_ns, uint64_t *out_count);

/* States: memory that lives across runs, such as a KV cache. An input and an output that are one state (past_key_values.0.key and
 * present.0.key) need not be bound when a store is: the store holds what was appended so far, and a run writes only what is new. A store grows
 * in place: addresses never move. One context at a time. */
typedef struct pln_state_store pln_state_store;

struct pln_state_options {
    size_t struct_size;                    /* sizeof(struct pln_state_options) */
    const struct pln_allocator *allocator; /* NULL: the engine's */
    int64_t capacity;                      /* positions that fit; memory is touched as it fills */
    const char *const *dim_names;          /* other symbolic dims of the states, such as "batch" */
    const int64_t *dim_values;             /* their values; those not named are 1 */
    int dim_count;
};

/* Starts empty; holds its engine. diagnostics may be NULL. Errors: PLN_NOT_FOUND the model has no states; PLN_INVALID_ARGUMENT capacity, dims;
 * PLN_UNSUPPORTED a state's dim is an expression; PLN_NO_MEMORY. */
PLN_API PLN_MUST_USE enum pln_status pln_state_store_create(pln_engine *engine, const struct pln_state_options *options, pln_diagnostics *diagnostics, pln_state_store **out_store);
/* No context may be bound to it any more. NULL is fine. */
PLN_API void pln_state_store_destroy(pln_state_store *store);
PLN_API int64_t pln_state_store_length(const pln_state_store *store); /* positions held */
/* Forgets the positions from `length` on. PLN_INVALID_ARGUMENT: it holds fewer. */
PLN_API PLN_MUST_USE enum pln_status pln_state_store_truncate(pln_state_store *store, int64_t length);
/* Binds all states of the model to the store for the runs to come; NULL ends that. A run that needs more than the capacity fails with
 * PLN_NO_MEMORY and leaves the store as it was. Until then states cannot be bound otherwise (PLN_INVALID_ARGUMENT). */
PLN_API PLN_MUST_USE enum pln_status pln_context_bind_states(pln_context *context, pln_state_store *store);

/* A tap: called in the run's thread for each value made visible by the build (pln_build_options.taps) as soon as it is known; `value` is in
 * the host's memory and lives during the call. It must not call the context. NULL: no tap. */
typedef void (*pln_tap)(void *user, const char *name, const struct pln_buffer *value);
PLN_API void pln_context_set_tap(pln_context *context, pln_tap tap, void *user);

#ifdef __cplusplus
}
#endif
#endif
