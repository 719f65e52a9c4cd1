/* What a plan is made of, value by value: for explorers and reports. Still moving: may change in any version. */
#ifndef PLANISH_EXPERIMENTAL_EXPLORE_H
#define PLANISH_EXPERIMENTAL_EXPLORE_H

#include "planish/context.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Where a value is. */
enum pln_value_place {
    PLN_VALUE_INPUT,       /* the caller's; index: which input */
    PLN_VALUE_OUTPUT,      /* the caller's or the context's; index: which output */
    PLN_VALUE_WEIGHT,      /* in the plan; index: which weight */
    PLN_VALUE_ARENA,       /* planned memory of a segment */
    PLN_VALUE_VIEW,        /* shows another value; index: which */
    PLN_VALUE_SHAPE,       /* made of extents alone */
    PLN_VALUE_HEAP,        /* its shape is known when it has been computed */
    PLN_VALUE_BLOCK_INPUT  /* handed to a body of If or Loop; index: which input of it */
};

struct pln_value_info {
    const char *name; /* of ONNX, where it has one; strings live as long as the engine */
    enum pln_value_kind kind;
    enum pln_dtype dtype;
    enum pln_value_place place;
    int index;
    int rank;                            /* -1: not known before the run */
    int64_t dims[PLN_MAX_RANK];          /* -1: dynamic, or not known after this run */
    const char *dim_names[PLN_MAX_RANK]; /* the symbol of a dynamic dim, or NULL */
    uint64_t size_bytes;                 /* of weights as stored; of others dense; 0 where a dim is not known */
    const char *pack;                    /* weights: how they are stored, "" for plainly */
    const char *device;                  /* of its memory: "host", "cuda", … */
    int block, segment;                  /* segment -1: there before its block runs */
    int first, last;                     /* steps of its block, by position, between which its memory is kept; last -1: to the end of the run */
    int64_t offset;                      /* ARENA: in the memory of its segment on its device, after a run; -1: not known */
    uint64_t reserved[4];
};

struct pln_step_operands {
    const uint32_t *inputs, *outputs; /* values; UINT32_MAX: left out. They live as long as the engine */
    int n_inputs, n_outputs;
    int block, segment, position; /* of the step: which in its block */
    int n_blocks;
    const uint32_t *blocks;       /* bodies of an If or Loop. They live as long as the engine */
    uint64_t reserved[3];
};

PLN_API int pln_engine_value_count(const pln_engine *engine);
/* PLN_NOT_FOUND: no such index. */
PLN_API PLN_MUST_USE enum pln_status pln_engine_value(const pln_engine *engine, int index, struct pln_value_info *out_info);
PLN_API PLN_MUST_USE enum pln_status pln_engine_step_operands(const pln_engine *engine, int index, struct pln_step_operands *out_operands);
/* The same as it was in the last run of a context: extents, bytes and places are those of then. PLN_NOT_FOUND: no such index. */
PLN_API PLN_MUST_USE enum pln_status pln_context_value(pln_context *context, int index, struct pln_value_info *out_info);
/* How far the run under way is: steps of the model itself that are done, of so many. Any thread. total 0: not known, as a device works on its own. */
PLN_API void pln_context_progress(const pln_context *context, int *out_done, int *out_total);

#ifdef __cplusplus
}
#endif
#endif
