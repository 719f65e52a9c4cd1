/* The host call: how reference kernels, custom ops and constant folding run.
 *
 * A host kernel sees whole contiguous tensors (or sequences, …) in host memory, works out the shapes of its outputs by itself from
 * the values it is given, asks for each output, and fills it. Where a plan has already placed an output the call hands out that place
 * and checks that the shapes agree; else the output goes on the heap. So one plain kernel serves as oracle, as the last resort of every
 * device, for data-dependent shapes, and for folding. Inputs are never written; an output never aliases an input. */
#ifndef PLN_KERNEL_CALL_H
#define PLN_KERNEL_CALL_H

#include "kernel/custom.h"
#include "kernel/item.h"
#include "kernel/op.h"
#include "tensor/attrs.h"

struct pln_pool;
struct pln_call {
    uint16_t op, kind;
    const struct pln_attrs *attrs;
    const struct pln_custom *custom; /* ops custom and custom_pure; NULL for others */
    int n_inputs, n_outputs;
    const struct pln_item *const *inputs; /* NULL: left out */
    struct pln_item **outputs;            /* filled by the call; entries of `wanted` that are false stay NULL */
    const bool *wanted;
    const struct pln_tensor *const *planned; /* NULL, or per output: where it goes, NULL: on the heap */
    struct pln_heap *heap;
    struct pln_arena *scratch; /* reset after the call */
    struct pln_pool *pool;     /* for custom; NULL: none */
    struct pln_diag *diag;
};

typedef enum pln_status (*pln_host_fn)(struct pln_call *call);

/* Number of an input that is present; `i` may be past the end. */
bool pln_call_has(const struct pln_call *call, int i);
/* Input i as a tensor; NULL when left out. Kinds are checked before a kernel runs only for tensors it asks for here: a sequence gives NULL. */
const struct pln_tensor *pln_call_in(const struct pln_call *call, int i);
/* Errors PLN_BAD_MODEL when input i is missing or no tensor. */
enum pln_status pln_call_need(const struct pln_call *call, int i, const struct pln_tensor **out_tensor);
/* Output i. An output that nobody wants gives scratch memory. Shapes are checked (negative, overflow): PLN_BAD_MODEL. */
enum pln_status pln_call_out(struct pln_call *call, int i, enum pln_dtype dtype, int rank, const int64_t *dims, struct pln_tensor *out_tensor);
/* Output i as a sequence or optional of `count` items, to be filled with retained items; or any item made on call->heap. */
enum pln_status pln_call_out_item(struct pln_call *call, int i, struct pln_item *take_item);
/* Bytes for a string that is put into output i. */
enum pln_status pln_call_string(struct pln_call *call, int i, const char *data, size_t size_bytes, struct pln_string *out_string);
/* Zeroed scratch memory until the call ends. */
enum pln_status pln_call_scratch(struct pln_call *call, size_t count, size_t elem_bytes, void **out_memory);
/* Reads input i as integers (any integer type, rank 0 or 1) into scratch. n is -1 and ints NULL when it is left out. */
enum pln_status pln_call_ints(struct pln_call *call, int i, const int64_t **out_ints, int64_t *out_n);
/* "OP: reason" with PLN_BAD_MODEL unless another status fits better; with it and PLN_INVALID_ARGUMENT the inputs follow: " (inputs f32[2,3], i64[4])". */
enum pln_status pln_call_fail(struct pln_call *call, enum pln_status status, const char *format, ...) PLN_PRINTF(3, 4);

/* The reference kernel of each op, indexed by enum pln_op; NULL for control flow. Defined in backend/ref/table.c. */
extern const pln_host_fn pln_ref_kernels[PLN_OP_COUNT];
#define PLN_OP(ENUM, name) enum pln_status pln_ref_##name(struct pln_call *call);
#include "kernel/ops.inc"
#undef PLN_OP

#endif
