/* Building: from an ONNX model to an engine. In libplanish, not in libplanish_rt. */
#ifndef PLANISH_BUILDER_H
#define PLANISH_BUILDER_H

#include "planish/engine.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Called now and then during a build, in its thread: it is in a phase ("optimize", "compile device code", "pack weights": text for people), done of total, in
 * whatever unit suits the phase; total 0: not known. Return 0 to stop the build with PLN_CANCELLED. */
typedef int (*pln_progress)(void *user, const char *phase, int done, int total);

/* How kernels are chosen where several fit. Measuring is for the CPU; other devices go by estimates. */
enum pln_tune {
    PLN_TUNE_OFF = 0,  /* by their estimates: the same plan on every machine */
    PLN_TUNE_FAST = 1, /* those whose estimates are close are measured, for about 2 s at most, what takes longest first */
    PLN_TUNE_FULL = 2  /* all are, for about 30 s */
};

/* Distinct problems with a choice of kernels, by what decided. */
struct pln_tune_report {
    int measured;  /* in this build */
    int found;     /* in the timing cache */
    int estimated; /* there was no time, or they cannot be measured */
    int reserved[5];
};

/* Zero is the default everywhere. Strings live only during the call. */
struct pln_build_options {
    size_t struct_size; /* sizeof(struct pln_build_options) */
    const struct pln_allocator *allocator;
    pln_thread_pool *pool;
    pln_diagnostics *diagnostics;
    const struct pln_logger *logger; /* what is odd about a model that runs nevertheless, at PLN_LOG_WARNING; NULL: silent */
    pln_progress progress;
    void *progress_user;
    const char *device;              /* NULL: "cpu"; "ref": the reference interpreter */
    const char *target;              /* NULL: "native"; "x86-64-v3", "portable", …, "cuda:sm_90a"; a list ("x86-64-v3,x86-64-v4,cuda:sm_80") makes a plan for all of
                                        them, of which the engine takes the best that the machine has */
    const char *const *disabled_passes; /* names, ended by NULL */
    const char *dump_after;          /* a pass's name: its graph is logged at PLN_LOG_INFO */
    const char *const *taps;         /* ONNX value names to make visible, ended by NULL; one "*": all */
    uint64_t memory_limit_bytes;     /* of the build's own memory; 0: none */
    const char *broken_pass;         /* tests: this pass's result is falsified on purpose */
    uint64_t placement_seed;         /* tests: with a device that has own memory, place steps at random */
    enum pln_dtype half;             /* PLN_F16, PLN_BF16: floats may be stored so on devices that gain by it (arithmetic stays f32); 0: as the model has them */
    int require_device;              /* fail with PLN_UNSUPPORTED, naming them, when steps would run on the host though another device was asked for */
    int no_rebuild;                  /* leave the graph out of the plan: it is smaller, and runs where its kernels and CPU features are, nowhere else */
    int tf32;                        /* products of f32 may round their operands to tf32 (10 bits of fraction) on devices that gain by it; sums stay f32 */
    const char *cache_folder;        /* device code is kept here once it is compiled, times of kernels once they are measured, and taken from here; made where it is missing. NULL: nowhere. One that
                                        cannot be used is a warning. experimental/cache.h lists and empties it */
    const char *const *metadata;     /* key, value, key, value, …, ended by NULL: what the plan shall say besides the model's own; a key of the model's is replaced */
    pln_plugins *plugins;            /* custom operators (plugin.h); NULL: none. The engine keeps them as long as it needs them */
    const char *work_folder;         /* a plan of 64 MiB and more is put together in an unnamed file here, where there is room, so that its weights take no memory of their
                                        own; NULL: in memory. The file goes with the engine, unless pln_engine_save gives it a name */
    int no_winograd;                 /* convolutions multiply images and weights as they are. Without it those of 3 x 3 taps may run as Winograd's where that is
                                        faster: in f32, with errors of some times those of direct sums; an infinite number in an image makes NaN of up to 8 x 8
                                        outputs around; plans are larger */
    enum pln_tune tune;              /* with the pool's threads: build with as many as will run */
    const char *timing_cache;        /* tune: a file of timings, which are taken from here and added; builds may share it at the same time, and machines one after the other. With
                                        what it holds afterwards the next build gives the same plan, byte for byte. A damaged one is a warning, and begun anew; another kind
                                        of file is an error. NULL: one in cache_folder; without that nothing is kept */
    struct pln_tune_report *tune_report; /* tune: filled; NULL: nobody asks */
    int int32_io;                    /* inputs and outputs of 64-bit integers, but for states, become ones of 32 bits, as TensorRT 8 has them; what 32 bits do not hold
                                        loses its high bits */
    int keep_model;                  /* the plan keeps the ONNX model itself (pln_engine_model), so that it can be built again with other weights: it grows by the model's
                                        size. A model with weights in other files is PLN_UNSUPPORTED */
    const enum pln_dtype *input_types, *output_types; /* what inputs and outputs shall be, in the model's order, those of numbers alone: values are cast to the model's types and back. 0: as the
                                        model has it, or int32_io makes it. Of an ONNX model; a plan keeps what it has */
    int input_type_count, output_type_count; /* 0; 1: the one type is that of all but states; else there is one for each */
};

/* All builds: the calling thread works, with the pool's threads where there are any; several threads may build at once. Errors:
 * PLN_INVALID_ARGUMENT options, target, NULL; PLN_IO; PLN_BAD_MODEL; PLN_UNSUPPORTED an operator or type that is not built yet, with the node;
 * PLN_NOT_FOUND a tap or a pass of that name; PLN_DEVICE; PLN_NO_MEMORY; PLN_CANCELLED by progress. */

/* Builds from a file; external data is looked for in its folder. */
PLN_API PLN_MUST_USE enum pln_status pln_build_file(const char *path, const struct pln_build_options *options, pln_engine **out_engine);
/* From memory, which is read during the call only. folder: where external data may lie, NULL: nowhere. */
PLN_API PLN_MUST_USE enum pln_status pln_build_memory(const void *data, size_t size_bytes, const char *folder, const struct pln_build_options *options, pln_engine **out_engine);
/* Builds anew, from the graph that a plan keeps, for this machine or what the options say: where a plan cannot be loaded (PLN_INCOMPATIBLE: CPU features
 * or kernels that are not here), this gives an engine that computes the same. The graph is optimized already; taps are those of the plan and more. device
 * NULL: the plan's. Passes run only when a plan of "ref", whose graph is as imported, is built for another device. Errors: those of
 * pln_engine_load_file but for features and kernels; PLN_NOT_FOUND: the plan keeps no graph. */
PLN_API PLN_MUST_USE enum pln_status pln_build_plan_file(const char *path, const struct pln_build_options *options, pln_engine **out_engine);
/* The same of a plan in memory, which is aligned to 64 and read during the call only: pln_engine_plan gives such bytes. */
PLN_API PLN_MUST_USE enum pln_status pln_build_plan_memory(const void *data, size_t size_bytes, const struct pln_build_options *options, pln_engine **out_engine);
/* Writes the engine as a plan: under a temporary name, renamed when complete. It does not wait for the disk: should the system crash within seconds, loading tells that the
 * plan is damaged. The file may be what the engine has its weights in (work_folder), as that of a loaded plan is: replace it by another, do not write into it. Errors: PLN_IO,
 * PLN_NO_MEMORY. diagnostics may be NULL. */
PLN_API PLN_MUST_USE enum pln_status pln_engine_save(const pln_engine *engine, const char *path, pln_diagnostics *diagnostics);
/* Names of the passes in order; NULL after the last. */
PLN_API const char *pln_pass_name(int index);

#ifdef __cplusplus
}
#endif
#endif
