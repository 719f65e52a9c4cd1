/* What a handler of the importer sees: one ONNX node, and the place where its canonical ops go.
 *
 * A handler (opset.h) reads inputs and attributes of the node, emits ops and binds the node's outputs to values. Each emitted op gets
 * the node's origin and is inferred at once, so that the next line may ask for its type. The first failure is kept in `status`; from
 * then on every function does nothing and gives PLN_NONE (or a neutral number), so that a composite reads as one expression after the
 * other and the caller asks once. Values are ids of the graph; PLN_NONE as an input means "left out".
 *
 * Ranks and element types of inputs may be unknown (data-dependent shapes): pln_emit_need_rank and pln_emit_dtype fail with a message
 * then; composites that can do without ask pln_emit_rank and build shapes at run time (pln_emit_dims and what follows it). Extents are never relied on. */
#ifndef PLN_ONNX_EMIT_H
#define PLN_ONNX_EMIT_H

#include "onnx/model.h"
#include "ops/op.h"

struct pln_importer;
struct pln_scope;

struct pln_emit {
    struct pln_importer *importer;
    struct pln_graph *graph;
    struct pln_arena *arena; /* of the import; ends with it */
    struct pln_diag *diag;
    struct pln_scope *scope;
    const struct pln_onnx_node *node;
    int64_t opset; /* of the node's domain */
    uint32_t block;
    uint32_t origin;
    const uint32_t *inputs; /* as many as the node has; PLN_NONE: left out */
    uint32_t n_inputs;
    uint32_t *outputs; /* bound so far, else PLN_NONE */
    uint32_t n_outputs;
    uint32_t first_value; /* values from here on were made for this node */
    enum pln_status status;
};

/* ---- the node ---- */

/* Sets the status unless one is set; the text names no node, the diagnostics do. Returns the status. */
enum pln_status pln_emit_fail(struct pln_emit *emit, enum pln_status status, const char *format, ...) PLN_PRINTF(3, 4);
/* Input i, or PLN_NONE; `need` fails when it is left out. */
uint32_t pln_emit_in(const struct pln_emit *emit, uint32_t i);
uint32_t pln_emit_need(struct pln_emit *emit, uint32_t i);
/* Does somebody name output i? */
bool pln_emit_wants(const struct pln_emit *emit, uint32_t i);
/* Output i of the node is this value. Outputs that nobody named are ignored. */
void pln_emit_bind(struct pln_emit *emit, uint32_t i, uint32_t value);

/* Attributes, references to the attributes of a function resolved. The fallback when absent; PLN_BAD_MODEL when of another kind.
 * Strings and lists live as long as the model. */
const struct pln_onnx_attribute *pln_emit_attr(struct pln_emit *emit, const char *name, int32_t type); /* type 0: any */
bool pln_emit_has_attr(struct pln_emit *emit, const char *name);
int64_t pln_emit_int(struct pln_emit *emit, const char *name, int64_t fallback);
float pln_emit_float(struct pln_emit *emit, const char *name, float fallback);
const char *pln_emit_string(struct pln_emit *emit, const char *name, const char *fallback); /* a terminated copy */
uint32_t pln_emit_int_list(struct pln_emit *emit, const char *name, const int64_t **out_ints); /* number of them; 0 when absent */
uint32_t pln_emit_float_list(struct pln_emit *emit, const char *name, const float **out_floats);

/* ---- types ---- */

enum pln_dtype pln_emit_dtype(struct pln_emit *emit, uint32_t value);
enum pln_dtype pln_emit_try_dtype(const struct pln_emit *emit, uint32_t value); /* PLN_DTYPE_NONE: not known */
int pln_emit_rank(const struct pln_emit *emit, uint32_t value);                 /* -1: not known */
int pln_emit_need_rank(struct pln_emit *emit, uint32_t value);                  /* 0 after a failure */
/* The extent of axis d as a number; false when it is not one. */
bool pln_emit_extent(const struct pln_emit *emit, uint32_t value, int d, int64_t *out);
/* The axis of a tensor whose rank only the run knows; fails, and gives 0, when no tensor has it. */
int64_t pln_emit_any_axis(struct pln_emit *emit, int64_t axis);
/* -rank <= axis < rank to 0..rank-1; fails when outside. */
int pln_emit_axis(struct pln_emit *emit, int64_t axis, int rank);

/* ---- ops ---- */

/* A node in two steps: begin, attributes, end (which infers it). begin gives the node's id, end its output 0. */
uint32_t pln_emit_begin(struct pln_emit *emit, unsigned op, unsigned kind, const uint32_t *inputs, uint32_t n_inputs, uint32_t n_outputs);
/* The op (and kind) that is 1:1 with an ONNX operator; fails with "not built yet" when there is none. */
uint32_t pln_emit_begin_named(struct pln_emit *emit, const char *onnx, const uint32_t *inputs, uint32_t n_inputs, uint32_t n_outputs);
void pln_emit_set_int(struct pln_emit *emit, uint32_t node, const char *name, int64_t value);
void pln_emit_set_float(struct pln_emit *emit, uint32_t node, const char *name, float value);
void pln_emit_set_string(struct pln_emit *emit, uint32_t node, const char *name, const char *value);
void pln_emit_set_ints(struct pln_emit *emit, uint32_t node, const char *name, const int64_t *ints, uint32_t n);
/* Copies the attribute `name` of the ONNX node, if it is there, under the name `as`. */
void pln_emit_copy_attr(struct pln_emit *emit, uint32_t node, const char *name, const char *as);
uint32_t pln_emit_end(struct pln_emit *emit, uint32_t node);
uint32_t pln_emit_output(const struct pln_emit *emit, uint32_t node, uint32_t slot);
/* The op that begin_named would take. */
bool pln_emit_find(struct pln_emit *emit, const char *onnx, unsigned *out_op, unsigned *out_kind);
/* The same without failing. */
bool pln_emit_knows(const char *onnx);

uint32_t pln_emit_op(struct pln_emit *emit, unsigned op, unsigned kind, const uint32_t *inputs, uint32_t n_inputs);
uint32_t pln_emit_ew1(struct pln_emit *emit, enum pln_ew kind, uint32_t a);
uint32_t pln_emit_ew2(struct pln_emit *emit, enum pln_ew kind, uint32_t a, uint32_t b);
uint32_t pln_emit_ew3(struct pln_emit *emit, enum pln_ew kind, uint32_t a, uint32_t b, uint32_t c);
uint32_t pln_emit_identity(struct pln_emit *emit, uint32_t x);
/* x itself when it has that type already. */
uint32_t pln_emit_cast(struct pln_emit *emit, uint32_t x, enum pln_dtype dtype);
uint32_t pln_emit_matmul(struct pln_emit *emit, uint32_t a, uint32_t b);
/* axes: i64[n], PLN_NONE: all. */
uint32_t pln_emit_reduce(struct pln_emit *emit, enum pln_reduce kind, uint32_t x, uint32_t axes, bool keepdims);
uint32_t pln_emit_softmax(struct pln_emit *emit, bool log, uint32_t x, int64_t axis);
/* x[n,c,…] as [n,groups,rest], (x - mean) / sqrt(variance + epsilon) over the rest; groups >= 1. */
uint32_t pln_emit_standardize(struct pln_emit *emit, uint32_t x, int64_t groups, double epsilon);

uint32_t pln_emit_shape(struct pln_emit *emit, uint32_t x);
/* Dims [first, last) of x as i64[last-first]; negative numbers count from the end, INT64_MAX is the end. */
uint32_t pln_emit_shape_part(struct pln_emit *emit, uint32_t x, int64_t first, int64_t last);
uint32_t pln_emit_dim(struct pln_emit *emit, uint32_t x, int64_t axis); /* i64[1] */
/* What follows may be of any rank, known now or at run time only. The number of dims of x as i64[1]: */
uint32_t pln_emit_dims(struct pln_emit *emit, uint32_t x);
/* Axes first, first + 1, … up to the last one as i64[n]; a negative one counts from the end. */
uint32_t pln_emit_axes_from(struct pln_emit *emit, uint32_t x, int64_t first);
/* The value n times; n: i64[1], n < 0: an error of the run. */
uint32_t pln_emit_repeat(struct pln_emit *emit, int64_t value, uint32_t n);
/* x with n dims of extent 1 behind its own. */
uint32_t pln_emit_append_ones(struct pln_emit *emit, uint32_t x, uint32_t n);
/* Dims [first, middle) and [middle, last) change places; numbers as in pln_emit_shape_part. */
uint32_t pln_emit_swap_parts(struct pln_emit *emit, uint32_t x, int64_t first, int64_t middle, int64_t last);
uint32_t pln_emit_reshape(struct pln_emit *emit, uint32_t x, uint32_t shape);
/* The shape of some value, where a 0 is an empty dim. */
uint32_t pln_emit_reshape_as(struct pln_emit *emit, uint32_t x, uint32_t shape);
/* Literal shape with 0 (copy) and -1 (the rest) as in ONNX. */
uint32_t pln_emit_reshape_to(struct pln_emit *emit, uint32_t x, const int64_t *shape, uint32_t n);
uint32_t pln_emit_unsqueeze(struct pln_emit *emit, uint32_t x, uint32_t axes);
uint32_t pln_emit_unsqueeze_at(struct pln_emit *emit, uint32_t x, int64_t axis);
uint32_t pln_emit_squeeze(struct pln_emit *emit, uint32_t x, uint32_t axes);
uint32_t pln_emit_transpose(struct pln_emit *emit, uint32_t x, const int64_t *perm, uint32_t n);
uint32_t pln_emit_expand(struct pln_emit *emit, uint32_t x, uint32_t shape);
uint32_t pln_emit_concat(struct pln_emit *emit, const uint32_t *values, uint32_t n, int64_t axis);
uint32_t pln_emit_gather(struct pln_emit *emit, uint32_t x, uint32_t indices, int64_t axis);
/* All parameters i64[n]; steps may be PLN_NONE. */
uint32_t pln_emit_slice(struct pln_emit *emit, uint32_t x, uint32_t starts, uint32_t ends, uint32_t axes, uint32_t steps);
/* x[start:end:step] along one axis, numbers known now. */
uint32_t pln_emit_slice_axis(struct pln_emit *emit, uint32_t x, int64_t axis, int64_t start, int64_t end, int64_t step);
/* Integers 0 … n-1; n: i64 scalar. */
uint32_t pln_emit_range(struct pln_emit *emit, uint32_t n);

/* ---- constants ---- */

uint32_t pln_emit_const_ints(struct pln_emit *emit, const int64_t *ints, uint32_t n); /* i64[n] */
uint32_t pln_emit_const_int(struct pln_emit *emit, int64_t value);                    /* i64[1] */
uint32_t pln_emit_const_index(struct pln_emit *emit, int64_t value);                  /* i64[] */
/* A scalar of any real type, rounded once. */
uint32_t pln_emit_const_number(struct pln_emit *emit, enum pln_dtype dtype, double value);
/* A scalar of x's type. */
uint32_t pln_emit_const_like(struct pln_emit *emit, uint32_t x, double value);
uint32_t pln_emit_const_floats(struct pln_emit *emit, const float *floats, uint32_t n); /* f32[n] */

#endif
