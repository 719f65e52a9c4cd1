/* A libcuda.so.1 of the tests: the entry points of driver_syms.inc over emulated GPUs, as strict as the driver's manual allows.
 *
 *  - Device memory is memory of this process that cannot be touched unless kernels or copies run (driver calls open and close it), between pages that can
 *    never be touched. It is NaN (0xff) when it is new; addresses are not used twice.
 *  - Streams run late: at a random earlier call or when they are synchronized. The default stream is CU_STREAM_LEGACY alone, never NULL. Graphs run in any order that their edges allow.
 *  - A stream that is captured takes what it is given into a graph. What the manual calls unsafe then, in a thread that has not said that it knows
 *    (cuThreadExchangeStreamCaptureMode), is an error and the capture's end.
 *  - Kernels are shared objects made by the fake NVRTC (nvrtc.c); a block's threads are fibers, in changing order between barriers; blocks run one after
 *    another in a shuffled order; shared memory is NaN at first. Threads that are not all at the same barrier or exchange abort the program.
 *
 * Environment: FAKE_CUDA_ARCH (90: sm_90a), FAKE_CUDA_GPUS (1), FAKE_CUDA_MEMORY (MiB, 2048), FAKE_CUDA_SEED (1), FAKE_CUDA_FAIL=N (the N-th call fails),
 * FAKE_CUDA_COUNT=FILE (calls of each entry point, written at exit), FAKE_CUDA_VERSION (12040), FAKE_CUDA_MISSING (an entry point that it does not have).
 * Programs that load the library themselves find the fake_cuda_… functions below. */
#ifndef FAKE_CUDA_FAKE_H
#define FAKE_CUDA_FAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/cuda/driver.h"
#include "emulator.h"

enum {
    FAKE_INVALID_VALUE = 1,
    FAKE_NOT_INITIALIZED = 3,
    FAKE_INVALID_DEVICE = 101,
    FAKE_INVALID_IMAGE = 200,
    FAKE_INVALID_CONTEXT = 201,
    FAKE_NO_BINARY = 209,
    FAKE_OPERATING_SYSTEM = 304,
    FAKE_INVALID_HANDLE = 400,
    FAKE_NOT_FOUND = 500,
    FAKE_NOT_READY = 600,
    FAKE_LAUNCH_FAILED = 719,
    FAKE_CAPTURE_UNSUPPORTED = 900,
    FAKE_CAPTURE_INVALIDATED = 901,
    FAKE_CAPTURE_ISOLATION = 905,
};

enum { FAKE_NO_CAPTURE = 0, FAKE_CAPTURING = 1, FAKE_BROKEN_CAPTURE = 2 }; /* CUstreamCaptureStatus */
enum { FAKE_LEGACY = 1 }; /* CU_STREAM_LEGACY */
enum { FAKE_MOST_GPUS = 2, FAKE_MULTIPROCESSORS = 2, FAKE_MOST_THREADS = 1024 };

/* ---- for tests: found by dlsym ---- */

#define FAKE_EXPORT __attribute__((visibility("default")))
/* The n-th call from now on fails once (1: the next); 0: none does. */
FAKE_EXPORT void fake_cuda_fail_at(long n);
/* Calls since the library was loaded, without those that name errors. */
FAKE_EXPORT long fake_cuda_calls(void);
/* Those of one entry point, "cuGraphLaunch". */
FAKE_EXPORT long fake_cuda_count(const char *name);
/* The entry point that was made to fail last; NULL: none was. */
FAKE_EXPORT const char *fake_cuda_failed(void);
/* Things that were made and not given back: allocations, pinned memory, streams, modules, graphs, contexts. */
FAKE_EXPORT long fake_cuda_live(void);
/* Forgets what is alive, for a test that has lost something on purpose. */
FAKE_EXPORT void fake_cuda_forget(void);

/* ---- memory.c ---- */

int fake_memory_alloc(int gpu, size_t size_bytes, uint64_t *out_address);
int fake_memory_free(uint64_t address);
size_t fake_memory_used(int gpu);
/* The range lies in one allocation of the GPU. */
bool fake_memory_has(int gpu, uint64_t address, size_t size_bytes);
/* No byte of it is device memory. */
bool fake_memory_is_host(const void *memory, size_t size_bytes);
/* Makes the GPU's memory touchable, and untouchable again, with a check that nobody wrote behind an allocation. */
void fake_memory_open(int gpu);
void fake_memory_close(int gpu);
/* What lies at an address that was touched, for people. */
void fake_memory_describe(const void *address, char *out, size_t out_bytes);
int fake_pinned_alloc(size_t size_bytes, void **out_memory);
int fake_pinned_free(void *memory);

/* ---- stream.c ---- */

struct fake_function {
    bool alive;
    void (*entry)(void *params);
    void (*shared)(void **out_begin, size_t *out_bytes);
    unsigned most_shared_bytes; /* dynamic, as allowed by FuncSetAttribute */
    char name[64];
};

/* One thing to do on a GPU. */
struct fake_op {
    enum { FAKE_OP_COPY, FAKE_OP_KERNEL, FAKE_OP_GRAPH, FAKE_OP_RECORD, FAKE_OP_WAIT } kind;
    void *to;
    const void *from;
    size_t size_bytes;
    bool to_device, from_device;
    const struct fake_function *function;
    unsigned grid, threads, shared_bytes;
    void *argument;
    struct fake_exec *exec;
    struct fake_event *event;
    uint64_t ticket; /* which recording of the event */
};

struct fake_stream;
struct fake_event;
struct fake_graph;
struct fake_stream *fake_stream_create(int gpu, bool blocking);
/* The default stream of a GPU, by the handle CU_STREAM_LEGACY. */
struct fake_stream *fake_stream_default(int gpu);
int fake_stream_destroy(struct fake_stream *stream);
/* NULL, or a stream that is alive. */
struct fake_stream *fake_stream_check(void *stream);
int fake_stream_gpu(const struct fake_stream *stream);
/* Into the stream, or the graph that it is captured into. */
int fake_stream_push(struct fake_stream *stream, const struct fake_op *op);
/* Time passes; what is left to do. */
size_t fake_stream_query(struct fake_stream *stream);
bool fake_stream_captures(const struct fake_stream *stream);
/* CUstreamCaptureStatus. */
int fake_stream_capture_status(const struct fake_stream *stream);
int fake_capture_begin(struct fake_stream *stream);
int fake_capture_end(struct fake_stream *stream, void **out_graph);
/* An unsafe call: ends the captures of all streams that this thread has begun, if there are any. */
bool fake_capture_breaks(void);
struct fake_event *fake_event_create(void);
int fake_event_destroy(void *event);
int fake_event_query(void *event);
int fake_event_record(void *event, struct fake_stream *stream);
int fake_event_wait(void *event, struct fake_stream *stream);
void fake_stream_run(struct fake_stream *stream);
/* Forgets what has not run. */
void fake_stream_drop(struct fake_stream *stream);
struct fake_graph *fake_graph_create(void);
int fake_graph_destroy(void *graph);
int fake_graph_add(void *graph, void *const *dependencies, size_t n_dependencies, const struct fake_op *op, void **out_node);
int fake_graph_instantiate(void *graph, void **out_exec);
struct fake_exec *fake_exec_check(void *exec);
int fake_exec_destroy(void *exec);

/* ---- module.c ---- */

int fake_module_load(const void *image, const char *arch, void **out_module);
int fake_module_unload(void *module);
int fake_module_function(void *module, const char *name, void **out_function);
struct fake_function *fake_function_check(void *function);

/* ---- block.c ---- */

/* Runs a kernel's grid; the GPU's memory is open. */
void fake_grid_run(const struct fake_op *op);
extern struct pln_emu fake_emu;

/* ---- fake.c: the entry points, and ---- */

uint64_t fake_random(void);
void fake_count_live(int by);
/* Says what is wrong, and aborts. */
_Noreturn void fake_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
