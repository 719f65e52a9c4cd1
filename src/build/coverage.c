/* The coverage of ONNX, from the operator table and the kernel rows. */
#include "backend/backend.h"
#include "base/text.h"
#include "onnx/opset.h"
#include "onnx/schema.h"
#include "planish/experimental/ops.h"

/* Operators have a row for each version that changed their handler: the first row of a name stands for it. */
static const struct pln_onnx_row *find_row(int index)
{
    size_t n;
    const struct pln_onnx_row *rows = pln_onnx_opset_rows(&n);
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && strcmp(rows[i].name, rows[i - 1].name) == 0 && strcmp(rows[i].domain, rows[i - 1].domain) == 0) continue;
        if (index-- == 0) return &rows[i];
    }
    return NULL;
}

enum pln_status pln_operator_get(int index, struct pln_operator_info *out_info)
{
    memset(out_info, 0, sizeof *out_info);
    const struct pln_onnx_row *row = index >= 0 ? find_row(index) : NULL;
    if (!row) return PLN_NOT_FOUND;
    unsigned op, kind;
    *out_info = (struct pln_operator_info){ .domain = row->domain, .name = row->name, .first_opset = row->since, .last_opset = (int)pln_onnx_opset_newest(row->domain), .op = "", .kind = "" };
    const struct pln_onnx_schema *newest = pln_onnx_schema_find(row->domain, row->name, out_info->last_opset);
    if (newest && newest->instead) out_info->last_opset = newest->since - 1;
    if ((pln_onnx_opset_is_foreign(row->domain) && row->handler != pln_onnx_direct) || !pln_op_find_onnx(row->name, &op, &kind)) return PLN_OK;
    const char *kind_name = pln_op_kind_name(op, kind);
    out_info->op = pln_op_name(op);
    out_info->kind = kind_name ? kind_name : "";
    return PLN_OK;
}

enum pln_status pln_operator_input_get(int index, int input, struct pln_operator_input *out_input)
{
    struct pln_onnx_schema_input found;
    memset(out_input, 0, sizeof *out_input);
    const struct pln_onnx_row *row = index >= 0 && input >= 0 ? find_row(index) : NULL;
    if (!row) return PLN_NOT_FOUND;
    const struct pln_onnx_schema *schema = pln_onnx_schema_find(row->domain, row->name, pln_onnx_opset_newest(row->domain));
    if (schema && schema->instead) schema = pln_onnx_schema_find(row->domain, row->name, schema->since - 1);
    if (!schema || !pln_onnx_schema_input_get(schema, input, &found)) return PLN_NOT_FOUND;
    *out_input = (struct pln_operator_input){ .dtypes = found.dtypes, .sequence = found.sequence, .optional_value = found.optional_value, .map = found.map,
                                              .optional = found.optional, .many = found.many };
    return PLN_OK;
}

/* A row may compute some kinds of its op only: asked with operands of type f32 and unknown extents. */
static bool computes(const struct pln_kernel *kernel, unsigned op, unsigned kind)
{
    const struct pln_ew_info *info = op == PLN_OP_ELEMENTWISE ? pln_ew_get(kind) : NULL;
    if (!info || !kernel->family->supports) return true;
    struct pln_operand operands[8] = { { 0 } };
    struct pln_attrs attrs = { 0 };
    for (size_t i = 0; i < PLN_COUNT_OF(operands); i++) {
        operands[i] = (struct pln_operand){ .present = true, .dtype = PLN_F32, .rank = 4 };
        for (int d = 0; d < 4; d++) operands[i].dims[d] = -1;
    }
    const struct pln_problem problem = { .op = (uint16_t)op, .kind = (uint16_t)kind, .attrs = &attrs, .n_inputs = PLN_MIN(info->n_inputs, 7), .n_outputs = 1,
                                         .inputs = operands, .outputs = &operands[7], .features = kernel->needs };
    return !kernel->family->supports(kernel, &problem);
}

const char *pln_operator_kernel(const char *device, const char *op, const char *kind, int index)
{
    const struct pln_backend *backend;
    unsigned op_number, kind_number;
    int ordinal;
    if (pln_backend_find(device, NULL, &backend, &ordinal) != PLN_OK || !pln_op_find(op, kind, &op_number, &kind_number)) return NULL;
    for (const struct pln_kernel *const *row = backend->kernels; row && *row; row++) {
        if ((*row)->op != op_number || !computes(*row, op_number, kind_number)) continue;
        if (index-- == 0) return (*row)->name;
    }
    return NULL;
}
