/* What this build of Planish covers of ONNX. Still moving: may change in any version. In libplanish, not in libplanish_rt. */
#ifndef PLANISH_EXPERIMENTAL_OPS_H
#define PLANISH_EXPERIMENTAL_OPS_H

#include <stdbool.h>

#include "planish/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* An operator of ONNX. All strings are static. */
struct pln_operator_info {
    const char *domain; /* "", "ai.onnx.ml", "ai.onnx.preview", … */
    const char *name;   /* "ReduceMean" */
    int first_opset;    /* the operator sets in which it runs: from … */
    int last_opset;     /* … to */
    const char *op;     /* the one op of ours that it is in its newest form: "reduce"; "": it becomes several, or depends on attributes */
    const char *kind;   /* and its kind: "mean"; "": none */
};

/* An input of an operator of ONNX in its newest form, by ONNX's schema. */
struct pln_operator_input {
    uint64_t dtypes; /* bit 1 << dtype (enum pln_dtype): the element types that it may have */
    bool sequence, optional_value, map; /* it may be a value of that kind */
    bool optional;   /* it may be left out */
    bool many;       /* any number of inputs, the last one of the list */
};

/* Operator `index`, by domain and name. PLN_NOT_FOUND: after the last. */
PLN_API PLN_MUST_USE enum pln_status pln_operator_get(int index, struct pln_operator_info *out_info);

/* Input `input` of operator `index`. PLN_NOT_FOUND: after the last of either. */
PLN_API PLN_MUST_USE enum pln_status pln_operator_input_get(int index, int input, struct pln_operator_input *out_input);

/* The name of kernel row `index` of a device ("cpu") that computes an op of ours, "elementwise_f32_avx2"; kind: "" for any. Element types and
 * instruction set stand in the name. Rows for other machines than this one are among them. NULL: after the last. The reference kernel, which
 * every op has for all of its element types, is no row. */
PLN_API const char *pln_operator_kernel(const char *device, const char *op, const char *kind, int index);

#ifdef __cplusplus
}
#endif
#endif
