/* The record of an op: what it is called, its attributes, types, shapes, traits.
 *
 * One file an op family holds the records `pln_op_<name>`; the table is made from kernel/ops.inc. Generic code asks traits, never op
 * numbers. The canonical meaning of an op is that of the ONNX operator it is 1:1 with, in its newest opset (attributes and inputs in that
 * form); onnx/ rewrites older forms. Parameters are inputs wherever ONNX makes them inputs, and may be run-time values. */
#ifndef PLN_OPS_OP_H
#define PLN_OPS_OP_H

#include "graph/graph.h"
#include "kernel/call.h"
#include "kernel/op.h"

enum pln_trait {
    PLN_TRAIT_ELEMENTWISE = 1 << 0,  /* out[i] depends on in[i] (after broadcasting) alone */
    PLN_TRAIT_BROADCAST = 1 << 1,    /* inputs broadcast as NumPy does */
    PLN_TRAIT_COMMUTATIVE = 1 << 2,  /* the first two inputs may change places (ask the kind, too) */
    PLN_TRAIT_ROWWISE = 1 << 3,      /* reads and writes whole rows along one axis */
    PLN_TRAIT_VIEW = 1 << 4,         /* output 0 is input 0's elements in the same row-major order under another shape */
    PLN_TRAIT_PERMUTE = 1 << 5,      /* output 0 is a strided view of input 0 (transpose, slice, expand) */
    PLN_TRAIT_INPLACE = 1 << 6,      /* output 0 may take the memory of input 0 when nobody needs that any more */
    PLN_TRAIT_SHAPE = 1 << 7,        /* outputs depend on the shapes of the inputs alone */
    PLN_TRAIT_IMPURE = 1 << 8,       /* never folded, never merged: random numbers */
    PLN_TRAIT_CONTROL = 1 << 9,      /* has bodies; run by the runtime itself */
    PLN_TRAIT_DATA_SHAPE = 1 << 10,  /* output shapes depend on input data, not only on parameters: always a host step of its own */
    PLN_TRAIT_HOST = 1 << 11         /* values that are no tensors, or strings */
};

/* How results may differ from the reference: see tests/kernels. */
enum pln_tolerance_class { PLN_TOL_EXACT, PLN_TOL_ROUND, PLN_TOL_TRANSCENDENTAL, PLN_TOL_ACCUMULATE };

/* An attribute that an op takes. Ended by name NULL. */
struct pln_attr_def {
    const char *name;
    enum pln_attr_kind kind;
    bool required;
    int64_t i; /* defaults by kind; lists default to absent */
    float f;
    const char *s;
};

struct pln_infer;
struct pln_op_def {
    const char *name;
    const char *onnx; /* the operator it is 1:1 with (newest opset), NULL: none, or told by its kinds */
    const struct pln_attr_def *attrs; /* NULL: none */
    const char *hint;                 /* the one among them that is ours, not ONNX's, and has no say in the result: a model does without it; NULL: none */
    int min_inputs, max_inputs;       /* max -1: any number */
    int min_outputs, max_outputs;
    uint32_t traits;              /* enum pln_trait */
    uint32_t storage_inputs;      /* bit i: input i is stored as output 0 is, and any float type will do; 0: it has one type (passes/precision.c) */
    uint32_t shape_inputs;        /* bit i: input i only says what shape output 0 has; not needed once that is known */
    enum pln_tolerance_class tolerance;
    /* Sets the types of all wanted outputs, and elems where they are known. Errors: PLN_BAD_MODEL with the reason. Called again whenever
     * inputs become better known; must then give the same or better. */
    enum pln_status (*infer)(struct pln_infer *infer);
    /* PERMUTE and VIEW ops: output 0 as a strided view of input 0 whose strides (elements) are given; false when the parameters are not known as
     * expressions, or there is no such view. NULL: row-major reshape (VIEW) or no view. */
    bool (*view)(struct pln_graph *graph, uint32_t node, const struct pln_dim *in_strides, struct pln_dim *out_offset, struct pln_dim *out_strides);
    /* Floating-point operations for these dims (unknown ones: as given by the caller); NULL: one an output element. */
    double (*flops)(const struct pln_graph *graph, uint32_t node);
};

extern const struct pln_op_def *const pln_op_defs[PLN_OP_COUNT];
#define PLN_OP(ENUM, name) extern const struct pln_op_def pln_op_##name;
#include "kernel/ops.inc"
#undef PLN_OP

static inline const struct pln_op_def *pln_op_get(unsigned op)
{
    return pln_op_defs[op];
}
/* The op (and kind) that an ONNX operator of the newest opset is 1:1 with. false: none. */
bool pln_op_find_onnx(const char *op_type, unsigned *out_op, unsigned *out_kind);
/* For graph printing and parsing. */
extern const struct pln_vocabulary pln_op_vocabulary;
/* The ONNX operator type that a node came from or is 1:1 with, for messages: "Conv". */
const char *pln_op_display(const struct pln_graph *graph, uint32_t node);

/* Attributes of a node with the record's default when absent. */
int64_t pln_node_int(const struct pln_graph *graph, uint32_t node, const char *name);
float pln_node_float(const struct pln_graph *graph, uint32_t node, const char *name);
const char *pln_node_string(const struct pln_graph *graph, uint32_t node, const char *name);

/* ---- for infer functions ---- */

struct pln_infer {
    struct pln_graph *graph;
    uint32_t node;
    struct pln_diag *diag;
};

/* Infers one node: checks counts of inputs and outputs, required attributes and kinds against the record, calls infer. Bodies first. */
enum pln_status pln_infer_node(struct pln_graph *graph, uint32_t node, struct pln_diag *diag);
/* All nodes of all blocks in order; also unifies declared output dims. */
enum pln_status pln_infer_graph(struct pln_graph *graph, struct pln_diag *diag);

/* "input 1: …" with PLN_BAD_MODEL. */
enum pln_status pln_infer_fail(struct pln_infer *infer, const char *format, ...) PLN_PRINTF(2, 3);
bool pln_infer_has(const struct pln_infer *infer, int i);
/* Number of the op's own inputs, those left out among them; operands of an epilogue come behind and are not seen by infer functions. */
int pln_infer_count(const struct pln_infer *infer);
/* Type of input i; NULL when left out. */
const struct pln_type *pln_infer_in(const struct pln_infer *infer, int i);
/* dtype of input i, PLN_DTYPE_NONE when left out or not known. */
enum pln_dtype pln_infer_dtype(const struct pln_infer *infer, int i);
/* Input i must be a tensor (or of unknown type); rank in [min, max] when known (max -1: any). */
enum pln_status pln_infer_need_tensor(struct pln_infer *infer, int i, int min_rank, int max_rank);
/* Inputs a and b have one element type when both are known. */
enum pln_status pln_infer_same_dtype(struct pln_infer *infer, int a, int b);
/* Masks of element types; PLN_BAD_MODEL names input, its type and the operator. Not known passes. */
enum pln_status pln_infer_check_dtype(struct pln_infer *infer, int i, uint32_t dtype_mask);
#define PLN_MASK(dtype) ((uint32_t)1 << (dtype))
#define PLN_MASK_FLOAT (PLN_MASK(PLN_F16) | PLN_MASK(PLN_BF16) | PLN_MASK(PLN_F32) | PLN_MASK(PLN_F64))
#define PLN_MASK_SIGNED (PLN_MASK(PLN_I8) | PLN_MASK(PLN_I16) | PLN_MASK(PLN_I32) | PLN_MASK(PLN_I64))
#define PLN_MASK_UNSIGNED (PLN_MASK(PLN_U8) | PLN_MASK(PLN_U16) | PLN_MASK(PLN_U32) | PLN_MASK(PLN_U64))
#define PLN_MASK_NUMBER (PLN_MASK_FLOAT | PLN_MASK_SIGNED | PLN_MASK_UNSIGNED)
#define PLN_MASK_ANY UINT32_MAX

/* Output o (ignored when not wanted): dtype NONE = not known, rank -1 = not known. Dims already known better are kept by unification. */
enum pln_status pln_infer_out(struct pln_infer *infer, int o, enum pln_dtype dtype, int rank, const struct pln_dim *dims);
enum pln_status pln_infer_out_type(struct pln_infer *infer, int o, const struct pln_type *type);
/* Output with known rank whose dims the run will tell: symbols are made once and kept when infer is called again. */
enum pln_status pln_infer_out_symbols(struct pln_infer *infer, int o, enum pln_dtype dtype, int rank);
/* Same type and shape as input i. */
enum pln_status pln_infer_out_like(struct pln_infer *infer, int o, int i);
/* Dim d of output o if this output has one from an earlier call, else a new symbol: for one unknown dim among known ones. */
struct pln_dim pln_infer_out_symbol(struct pln_infer *infer, int o, int d);

/* Integer elements of input i as expressions: constant data or what was propagated. false: not known (or left out). */
bool pln_infer_elems(const struct pln_infer *infer, int i, const struct pln_dim **out_elems, int64_t *out_n);
/* The same, all of them numbers; ints lie in the graph's arena. */
bool pln_infer_ints(const struct pln_infer *infer, int i, const int64_t **out_ints, int64_t *out_n);
/* Declares output o's elements; n at most PLN_MAX_ELEMS, or nothing happens. */
enum pln_status pln_infer_set_elems(struct pln_infer *infer, int o, const struct pln_dim *elems, int64_t n);
/* NumPy broadcast of two shapes; unknown-against-unknown gives a BROADCAST expression. false: they cannot fit. */
bool pln_infer_broadcast(struct pln_infer *infer, int a_rank, const struct pln_dim *a, int b_rank, const struct pln_dim *b, int *out_rank, struct pln_dim *out);
/* axis attribute normalized; PLN_BAD_MODEL when outside. */
enum pln_status pln_infer_axis(struct pln_infer *infer, int64_t axis, int rank, int *out_axis);

/* Runs a node's reference kernel on constant inputs; outputs are tensors in the graph's arena. PLN_UNSUPPORTED: not foldable (control flow,
 * impure, items, more than max_bytes of output). PLN_NO_MEMORY: an allocation failed. Else what the kernel says. */
enum pln_status pln_op_fold(struct pln_graph *graph, uint32_t node, size_t max_bytes, struct pln_diag *diag, struct pln_tensor *out_tensors);

#endif
