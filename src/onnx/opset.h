/* The operator table: how each ONNX operator, from each of its versions on, becomes canonical ops.
 *
 * opset.inc has one row an operator and version from which a handler is good, sorted by domain, name, version; a row holds until the
 * operator's next row. The first row's version is the first of ONNX that has the operator. `direct` is the handler of all that are
 * 1:1 with a canonical op: it looks the op up by ONNX name and copies the attributes that the op's record lists. All others
 * are in normalize_*.c (those of ONNX Runtime in normalize_ms_*.c), constant.c and control.c, and say in a comment what they make of the operator. */
#ifndef PLN_ONNX_OPSET_H
#define PLN_ONNX_OPSET_H

#include "onnx/emit.h"

/* The status is emit->status. */
typedef void (*pln_onnx_handler)(struct pln_emit *emit);

struct pln_onnx_row {
    const char *domain, *name;
    int32_t since;
    pln_onnx_handler handler;
};

enum pln_onnx_lookup { PLN_ONNX_FOUND, PLN_ONNX_NO_DOMAIN, PLN_ONNX_NO_OPERATOR, PLN_ONNX_TOO_OLD };
/* The row for an operator in an operator set. TOO_OLD: it exists since out_since only. */
enum pln_onnx_lookup pln_onnx_opset_find(const char *domain, const char *op_type, int64_t version, pln_onnx_handler *out_handler,
                                         int32_t *out_since);
/* Newest operator set of a domain that this build knows; 0: not a domain of ONNX. */
int64_t pln_onnx_opset_newest(const char *domain);
/* A domain that is not ONNX's own, of which this build knows what tools write: its other operators are looked up as NO_DOMAIN, its names say nothing
 * about ONNX's operators of the same name. */
bool pln_onnx_opset_is_foreign(const char *domain);

/* All rows, for reports and tests. */
const struct pln_onnx_row *pln_onnx_opset_rows(size_t *out_count);

/* 1:1: all attributes, then those named in `skip` (ended by NULL; may be NULL itself) left out. For handlers that add to it. */
void pln_onnx_direct(struct pln_emit *emit);
/* The same under another ONNX name, with other inputs; binds all outputs. */
void pln_onnx_direct_as(struct pln_emit *emit, const char *onnx, const uint32_t *inputs, uint32_t n_inputs, const char *const *skip);

#define OP(domain, name, since, handler) void pln_onnx_##handler(struct pln_emit *emit);
#include "onnx/opset.inc"
#undef OP

#endif
