/* Engines: loaded plans. An engine is immutable and may be shared by threads; contexts run it. */
#ifndef PLANISH_ENGINE_H
#define PLANISH_ENGINE_H

#include "planish/diagnostics.h"
#include "planish/types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pln_engine pln_engine;
typedef struct pln_pool pln_thread_pool;
typedef struct pln_plugins pln_plugins; /* custom operators: plugin.h */

/* A pool of worker threads that engines can share. threads 0: as many as the process may use (affinity, cgroup quota); at most 1024. Thread-safe: a run that
 * finds it busy computes in its own thread. Errors: PLN_INVALID_ARGUMENT fewer than 0; PLN_NO_MEMORY. */
PLN_API PLN_MUST_USE enum pln_status pln_thread_pool_create(int threads, pln_thread_pool **out_pool);
/* Engines that use it must be gone. NULL is fine. */
PLN_API void pln_thread_pool_destroy(pln_thread_pool *pool);
/* Binds the pool's own threads: from now on thread i > 0 of a run computes on the CPU cpus[i % n_cpus] alone (numbers of the system's). Thread 0 is the one that calls and is left alone:
 * bind it to cpus[0] yourself, if it shall stay there (sched_setaffinity). Before the pool is used. Errors: PLN_INVALID_ARGUMENT NULL, no CPU, or one that the process may not use. */
PLN_API PLN_MUST_USE enum pln_status pln_thread_pool_bind(pln_thread_pool *pool, const int *cpus, int n_cpus);
/* Threads that take part in a run, the caller's own included. NULL: those of the process's pool. */
PLN_API int pln_thread_pool_threads(const pln_thread_pool *pool);

/* Zero is the default everywhere. Strings live only during the call, and so do the structs of allocator and logger. After a fork, the child may create and use new engines; the thread pool is made anew at its first run. */
struct pln_engine_options {
    size_t struct_size;                /* sizeof(struct pln_engine_options) */
    const struct pln_allocator *allocator; /* NULL: the C library's; copied, but what its `user` points to outlives the engine */
    pln_thread_pool *pool;             /* NULL: one pool for the process; outlives the engine */
    pln_diagnostics *diagnostics;      /* NULL: codes only */
    const struct pln_logger *logger;   /* NULL: silent; copied, `user` outlives the engine */
    const char *device;                /* NULL: the one that the plan was built for; or another of its kind: "cuda:1" */
    int verify_weights;                /* 1: check weights of any size; 0: up to 256 MiB, and those of a file with holes, as a crash of the system leaves one; -1: none */
    void (*release)(void *user);       /* pln_engine_load_memory: called once, when the engine is gone or loading failed; NULL: nobody */
    void *release_user;
    int may_be_foreign;                /* 1: a plan for a machine that is not this one gives an engine all the same, which can be looked at and saved, but not run: pln_context_create says why not */
    pln_plugins *plugins;              /* custom operators (plugin.h); NULL: none. The engine holds them. A plan that needs one that is missing is PLN_INCOMPATIBLE, with its name */
};

/* Maps a plan and uses it in place. The file must not change while the engine lives. Errors: PLN_IO, PLN_BAD_PLAN (damaged),
 * PLN_INCOMPATIBLE (another version or machine), PLN_DEVICE, PLN_NO_MEMORY. */
PLN_API PLN_MUST_USE enum pln_status pln_engine_load_file(const char *path, const struct pln_engine_options *options, pln_engine **out_engine);
/* The same from memory, which must be aligned to 64, stay as it is, and live until `release` is called. */
PLN_API PLN_MUST_USE enum pln_status pln_engine_load_memory(const void *data, size_t size_bytes, const struct pln_engine_options *options, pln_engine **out_engine);
/* Counted: an engine begins with one reference; contexts hold one each. Thread-safe. */
PLN_API void pln_engine_retain(pln_engine *engine);
PLN_API void pln_engine_release(pln_engine *engine); /* NULL is fine */

/* What goes in or comes out. */
enum pln_value_kind { PLN_VALUE_TENSOR = 0, PLN_VALUE_SEQUENCE = 1, PLN_VALUE_OPTIONAL = 2, PLN_VALUE_MAP = 3 };

struct pln_tensor_info {
    const char *name; /* lives as long as the engine */
    enum pln_value_kind kind;
    enum pln_dtype dtype;
    int rank;                       /* -1: not known before the run */
    int64_t dims[PLN_MAX_RANK];     /* -1: dynamic */
    const char *dim_names[PLN_MAX_RANK]; /* the symbol of a dynamic dim: "batch", or NULL */
    int is_state;                   /* of an engine's inputs and outputs: part of a state, such as past_key_values.0.key and present.0.key (context.h) */
    int state_axis;                 /* the dim along which it grows, if it is */
    uint64_t reserved[3];
};

/* Inputs and outputs in the model's order. */
PLN_API int pln_engine_input_count(const pln_engine *engine);
PLN_API int pln_engine_output_count(const pln_engine *engine);
/* PLN_NOT_FOUND: no such index. */
PLN_API PLN_MUST_USE enum pln_status pln_engine_input(const pln_engine *engine, int index, struct pln_tensor_info *out_info);
PLN_API PLN_MUST_USE enum pln_status pln_engine_output(const pln_engine *engine, int index, struct pln_tensor_info *out_info);

/* A step of the plan, for reports. Strings live as long as the engine. */
struct pln_step_info {
    const char *op;     /* "conv"; of a custom operator its domain and name, "com.acme:Scale" */
    const char *kernel; /* "conv_f32_14x32_avx512", or "ref", "copy", "if", "loop", "plugin" */
    const char *device; /* "cpu", "host" */
    const char *name;   /* the ONNX nodes that it stands for, joined by " + " */
    int inputs, outputs;
    int block; /* 0: the model itself; others: bodies of If and Loop */
    uint64_t reserved[4];
};
struct pln_engine_summary {
    const char *name, *device;
    int onnx_nodes, steps, segments, blocks;
    uint64_t weights_bytes; /* as stored */
    uint64_t plan_bytes;    /* of the file; 0: never stored */
    const char *device_name; /* of the machine: "Intel(R) Xeon(R) …"; "" when not known; lives as long as the engine */
    const char *targets;    /* what the plan is for, "x86-64-v3, x86-64-v4; sm_80, sm_90a": CPU levels or features, from the least to the best, GPUs */
    uint64_t reserved[7];
};
/* Strings live as long as the engine. */
PLN_API void pln_engine_summarize(const pln_engine *engine, struct pln_engine_summary *out_summary);
/* Step `index` in the plan's order. PLN_NOT_FOUND: no such index. */
PLN_API PLN_MUST_USE enum pln_status pln_engine_step(const pln_engine *engine, int index, struct pln_step_info *out_info);
/* The plan that the engine was made of, as bytes that can be stored and loaded again; they live as long as the engine. */
PLN_API const void *pln_engine_plan(const pln_engine *engine, size_t *out_size_bytes);
/* The ONNX model that the plan keeps (pln_build_options.keep_model), as it was given; the bytes live as long as the engine. NULL: it keeps none. */
PLN_API const void *pln_engine_model(const pln_engine *engine, size_t *out_size_bytes);
/* A listing of everything in the plan, line by line without newlines; for people, and free to change. PLN_NO_MEMORY. */
PLN_API PLN_MUST_USE enum pln_status pln_engine_dump(const pln_engine *engine, void (*line)(void *user, const char *text), void *user);
/* Model metadata: value of a key, NULL when there is none. "planish.input_default.NAME" is the type of an input that has a default in the model: it is
 * a constant, not an input. */
PLN_API const char *pln_engine_metadata(const pln_engine *engine, const char *key);
/* Keys of the metadata in the model's order; NULL after the last. */
PLN_API const char *pln_engine_metadata_key(const pln_engine *engine, int index);

#ifdef __cplusplus
}
#endif
#endif
