/* Operators that only lost or moved an attribute. */
#include "onnx/importer.h"
#include "onnx/opset.h"

/* Gemm before opset 7: C broadcasts only when told to, in the way that it always does now. */
void pln_onnx_gemm_1(struct pln_emit *emit)
{
    static const char *const skip[] = { "broadcast", NULL };
    pln_onnx_direct_as(emit, "Gemm", emit->inputs, emit->n_inputs, skip);
}

/* RNN, GRU, LSTM before opset 7: output_sequence said whether Y is wanted; naming the output says the same. */
void pln_onnx_rnn_1(struct pln_emit *emit)
{
    static const char *const skip[] = { "output_sequence", NULL };
    pln_onnx_direct_as(emit, emit->node->op_type, emit->inputs, emit->n_inputs, skip);
}

/* DFT-17 had its axis as an attribute, and another default. */
void pln_onnx_dft_17(struct pln_emit *emit)
{
    static const char *const skip[] = { "axis", NULL };
    uint32_t axis = pln_emit_const_index(emit, pln_emit_int(emit, "axis", 1));
    uint32_t inputs[3] = { pln_emit_need(emit, 0), pln_emit_in(emit, 1), axis };
    if (emit->status == PLN_OK) pln_onnx_direct_as(emit, "DFT", inputs, 3, skip);
}

/* An Optional without an input is empty; its attribute says of what. */
void pln_onnx_optional(struct pln_emit *emit)
{
    static const char *const skip[] = { "type", NULL };
    const struct pln_onnx_attribute *attr = pln_emit_attr(emit, "type", PLN_ONNX_ATTR_TYPE_PROTO);
    pln_onnx_direct_as(emit, "Optional", emit->inputs, emit->n_inputs, skip);
    struct pln_type inner, type = { .kind = PLN_OPTIONAL, .rank = -1, .elem = &inner };
    if (emit->status != PLN_OK || !attr || pln_emit_in(emit, 0) != PLN_NONE || emit->outputs[0] == PLN_NONE) return;
    if (!pln_importer_type(emit->importer, attr->tp, false, NULL, &inner)) return;
    if (!pln_graph_set_type(emit->graph, emit->outputs[0], &type)) emit->status = pln_fail_memory(emit->diag, "a type", 0);
}

/* LabelEncoder-1: strings to their places in classes_strings, or places to strings. */
void pln_onnx_label_encoder_1(struct pln_emit *emit)
{
    uint32_t x = pln_emit_need(emit, 0);
    const struct pln_onnx_attribute *classes = pln_emit_attr(emit, "classes_strings", PLN_ONNX_ATTR_STRINGS);
    bool to_places = pln_emit_dtype(emit, x) == PLN_STR;
    uint32_t n = classes ? classes->strings.count : 0;
    int64_t *places = pln_arena_array(emit->arena, n + 1u, sizeof *places);
    if (!places && emit->status == PLN_OK) emit->status = pln_fail_memory(emit->diag, "an attribute", 0);
    uint32_t node = pln_emit_begin_named(emit, "LabelEncoder", &x, 1, 1);
    if (emit->status != PLN_OK) return;
    for (uint32_t i = 0; i < n; i++) places[i] = i;
    pln_emit_copy_attr(emit, node, "classes_strings", to_places ? "keys_strings" : "values_strings");
    pln_emit_set_ints(emit, node, to_places ? "values_int64s" : "keys_int64s", places, n);
    pln_emit_copy_attr(emit, node, "default_int64", "default_int64");
    pln_emit_copy_attr(emit, node, "default_string", "default_string");
    pln_emit_bind(emit, 0, pln_emit_end(emit, node));
}
