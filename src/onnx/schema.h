/* What each ONNX operator takes in each operator set: attributes, inputs, outputs, element types. One check for all of them, before any handler.
 *
 * schema.inc has one row an operator and version from which it is good. Its texts:
 *   attributes  "axis:i! pads:I": a name, its type (f float, i int, s string, t tensor, g graph, p sparse tensor, y type; capitals: lists), ! where it
 *               must be given
 *   inputs      "T T? V*~": a variable of the types, or an element type; ? may be left out; * any number of it, + one at least; ~ not all of one type
 *   outputs     how many at most; "": any number
 *   types       "T: floats bf16; I: i64": what each variable may be. floats ints uints wide complex f8 are sets (schema.c); seq, optional and map are
 *               values of that kind.
 * Inputs with the same variable have the same element type, but for those with ~. */
#ifndef PLN_ONNX_SCHEMA_H
#define PLN_ONNX_SCHEMA_H

#include "onnx/emit.h"

/* Different variables of one operator at most. */
#define PLN_ONNX_SCHEMA_VARIABLES 8

struct pln_onnx_schema {
    const char *domain, *name;
    int32_t since;
    const char *attributes, *inputs, *outputs, *types;
    const char *instead; /* of an operator that ONNX took out; then the texts are NULL */
};

/* The row for an operator in an operator set; NULL: none. */
const struct pln_onnx_schema *pln_onnx_schema_find(const char *domain, const char *op_type, int64_t version);

/* What input `index` of the row may be; many: so are all behind it. False: the row is of an operator that ONNX took out, or has no such input. */
struct pln_onnx_schema_input {
    uint32_t dtypes; /* bit 1 << dtype */
    bool sequence, optional_value, map, optional, many;
};
bool pln_onnx_schema_input_get(const struct pln_onnx_schema *row, int index, struct pln_onnx_schema_input *out);

/* Holds the node against its row. The status is emit->status: PLN_BAD_MODEL, with what it has and what it may have. Wider than ONNX: inputs and
 * outputs that are left out may stand at the end of the list, outputs need not be named, and an input that ONNX demands may be left out before
 * others, where the operator can do without (roi of Resize-11). */
void pln_onnx_schema_check(struct pln_emit *emit);
/* Its attributes alone, which need no inputs. */
void pln_onnx_schema_check_attributes(struct pln_emit *emit);

/* Has the row, which is of an operator that ONNX still has, an attribute of that name? */
bool pln_onnx_schema_has(const struct pln_onnx_schema *row, const char *name);

/* Attributes that any node may have: "__…", and consumed_inputs of the first operator sets. */
bool pln_onnx_schema_ignores(const char *name);

/* All rows, for tests. */
const struct pln_onnx_schema *pln_onnx_schema_rows(size_t *out_count);

#endif
