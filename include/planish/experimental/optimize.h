/* A model made smaller, as ONNX again. Still moving: may change in any version. In libplanish, not in libplanish_rt. */
#ifndef PLANISH_EXPERIMENTAL_OPTIMIZE_H
#define PLANISH_EXPERIMENTAL_OPTIMIZE_H

#include "planish/builder.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Zero is the default everywhere. Strings live only during the call. */
struct pln_optimize_options {
    size_t struct_size; /* sizeof(struct pln_optimize_options) */
    const struct pln_allocator *allocator;
    pln_diagnostics *diagnostics;
    const struct pln_logger *logger;    /* as in struct pln_build_options */
    pln_progress progress;
    void *progress_user;
    const char *const *disabled_passes; /* names, ended by NULL; only those that make standard ONNX run */
    const char *const *dims;            /* "batch=4": dims of inputs with that name become the number; ended by NULL */
    uint64_t memory_limit_bytes;        /* of the graph; 0: none */
    int opset;                          /* of ONNX's own operators; 0: the model's if that can say it, else the next one that can */
    int external_data;                  /* weights go into a file of their own, PATH.data, also where one file could hold them (2 GiB) */
    pln_plugins *plugins;               /* custom operators; NULL: none */
    /* A part of the model: the values of these names become its inputs, in the place of what computes them, and its outputs, in the place of those that it has.
     * Lists end with NULL; NULL: as the model has them. Inputs of the model that are still needed stay, those named here that are not needed go, and so do nodes. */
    const char *const *inputs, *const *outputs;
    int no_passes;                      /* nothing is simplified: the model (or the part of it) as it was understood */
    void (*value)(void *user, const char *name); /* called for what each node outside of bodies gives and something uses, in order; NULL: not */
    void *value_user;
};

/* What became of the model. Nodes of bodies count as well. */
struct pln_optimize_summary {
    int nodes_before, nodes_after;
    int opset;
    uint64_t weights_bytes; /* of the new model */
    uint64_t file_bytes, data_bytes; /* written; data_bytes 0: there is no file of weights */
};

/* Reads an ONNX file, folds what is constant, simplifies it, and writes it as standard ONNX: names and types of inputs and outputs are kept, functions are
 * inlined, Scan and SequenceMap become Loop, and composite operators (RMSNormalization, GroupNormalization, …) become what they are made of. Files appear
 * when they are complete. out_summary may be NULL. Errors: those of pln_build_file; PLN_UNSUPPORTED also for a node that no operator set, or not the one
 * asked for, can say; PLN_NOT_FOUND also for an input or output that is no value, or is inside of a body; PLN_INVALID_ARGUMENT for a file of weights that would overwrite one of the model's own. */
PLN_API PLN_MUST_USE enum pln_status pln_optimize_file(const char *path, const struct pln_optimize_options *options, const char *out_path, struct pln_optimize_summary *out_summary);

#ifdef __cplusplus
}
#endif
#endif
