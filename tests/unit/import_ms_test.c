/* Operators of com.microsoft with what does not fit: an error that names the node and the cause. What they compute is tested in tests/models/microsoft. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "onnx/io.h"
#include "onnx_make.h"

/* f3: f32[4,8,8]; the letter is the type, the digit the rank. */
static struct pln_text input_named(const char *name)
{
    static const char letters[] = "fuilbhd";
    static const int types[] = { PLN_F32, PLN_U8, PLN_I32, PLN_I64, PLN_I8, PLN_F16, PLN_F64 };
    struct pln_text value = make_message(), type = make_message(), tensor = make_message(), shape = make_message();
    int rank = name[1] - '0';
    for (int d = 0; d < rank; d++) {
        struct pln_text dim = make_message();
        pln_wire_put_int(&dim, 1, d == 0 && rank > 2 ? 4 : 8);
        make_add(&shape, 1, dim);
    }
    pln_wire_put_int(&tensor, 1, types[strchr(letters, name[0]) - letters]);
    make_add(&tensor, 2, shape);
    make_add(&type, 1, tensor);
    pln_wire_put_string(&value, 1, name);
    make_add(&value, 2, type);
    return value;
}

/* "f3,f2,,f3" as inputs of the graph, each once. */
static void add_inputs(struct pln_text *graph, const char *names)
{
    for (const char *at = names; *at; at += strcspn(at, ",") + (at[strcspn(at, ",")] == ',')) {
        char name[3] = { at[0], at[0] == ',' ? '\0' : at[1], '\0' };
        if (at[0] != ',' && strstr(names, name) == at) make_add(graph, 11, input_named(name));
    }
}

/* "heads=2 mode=cubic alpha=0.5": whole numbers are ints, others floats, words strings. */
static void add_attributes(struct pln_text *node, const char *text)
{
    char copy[200], *rest = copy, *word;
    snprintf(copy, sizeof copy, "%s", text);
    while ((word = rest) && *word) {
        rest = strchr(word, ' ');
        if (rest) *rest++ = '\0';
        char *value = strchr(word, '='), *end;
        *value++ = '\0';
        double number = strtod(value, &end);
        bool is_text = *end != '\0', is_int = !is_text && !strchr(value, '.');
        struct pln_text attribute = make_attribute(word, is_text ? 3 : is_int ? 2 : 1);
        if (is_text) pln_wire_put_string(&attribute, 4, value);
        else if (is_int) pln_wire_put_int(&attribute, 3, (int64_t)number);
        else pln_wire_put_float(&attribute, 2, (float)number);
        make_add(node, 5, attribute);
    }
}

static struct pln_text make(const char *op, const char *inputs, const char *outputs, const char *attributes, bool imports)
{
    struct pln_text graph = make_message(), node = make_node(op, "n1", inputs, outputs), opset = make_message(), output = make_message();
    pln_wire_put_string(&node, 7, "com.microsoft");
    add_attributes(&node, attributes);
    make_add(&graph, 1, node);
    add_inputs(&graph, inputs);
    pln_wire_put_string(&output, 1, "y");
    make_add(&graph, 12, output);
    struct pln_text model = make_model(8, graph);
    pln_wire_put_string(&opset, 1, "com.microsoft");
    pln_wire_put_int(&opset, 2, 1);
    if (imports) make_add(&model, 8, opset);
    else pln_text_deinit(&opset);
    return model;
}

static enum pln_status import(struct pln_text model, struct pln_diag *diag)
{
    struct pln_onnx_imported *result = NULL;
    pln_diag_init(diag);
    enum pln_status status = pln_onnx_import_memory(model.data, model.size_bytes, NULL, NULL, NULL, diag, &result);
    if (status == PLN_OK) pln_onnx_imported_destroy(result);
    pln_text_deinit(&model);
    return status;
}

static const struct {
    const char *op, *inputs, *attributes, *words;
    enum pln_status status;
} cases[] = {
    { "BiasGelu", "f3,f2", "", "input 1 is of rank 2, not 1", PLN_BAD_MODEL },
    { "BiasGelu", "f3,i1", "", "i32", PLN_BAD_MODEL },
    { "Gelu", "", "", "takes 1 input", PLN_BAD_MODEL },
    { "SkipLayerNormalization", "f2,f3,f1", "", "input 1 is of rank 3, not 1 to 2", PLN_BAD_MODEL },
    { "SkipLayerNormalization", "f3,f3,f2", "", "input 2 is of rank 2, not 1", PLN_BAD_MODEL },
    { "SkipSimplifiedLayerNormalization", "f3,,f1", "", "input 1 is missing", PLN_BAD_MODEL },
    { "SimplifiedLayerNormalization", "f3,f1", "axis=7", "axis 7 is outside", PLN_BAD_MODEL },
    { "SimplifiedLayerNormalization", "f3,f1", "stash_type=7", "stash_type is 7", PLN_BAD_MODEL },
    { "EmbedLayerNormalization", "i2,i2,f2,f2,,f1,f1", "", "segment_ids and segment_embedding go together", PLN_BAD_MODEL },
    { "EmbedLayerNormalization", "i3,,f2,f2,,f1,f1", "", "input 0 is of rank 3", PLN_BAD_MODEL },
    { "GroupNorm", "f4,f1,f1", "activation=2 groups=2", "activation is 2", PLN_BAD_MODEL },
    { "GroupNorm", "f4,f1,f1", "activation=0 groups=3", "groups is 3", PLN_BAD_MODEL },
    { "GroupNorm", "f4,f1,f1", "activation=0 groups=-1", "groups is -1", PLN_BAD_MODEL },
    { "GroupNorm", "f3,f1,f1", "activation=0 groups=1", "input 0 is of rank 3", PLN_BAD_MODEL },
    { "GroupNorm", "f4,f1,f1", "groups=1", "'activation' is missing", PLN_BAD_MODEL },
    { "FusedGemm", "f2,f2", "activation=Conv", "'Conv' is no function", PLN_BAD_MODEL },
    { "FusedGemm", "f2,f2", "activation=Add", "'Add' is no function", PLN_BAD_MODEL },
    { "FusedGemm", "f3,f2", "activation=Relu", "rank", PLN_BAD_MODEL },
    { "Inverse", "f1", "", "rank", PLN_BAD_MODEL },
    { "Inverse", "f3", "", NULL, PLN_OK },
    { "NhwcMaxPool", "u2", "", "'kernel_shape' is missing", PLN_BAD_MODEL },
    { "MatMulIntegerToFloat", "u2,b2,f1,f2", "", "input 3 is of rank 2", PLN_BAD_MODEL },
    { "DynamicQuantizeMatMul", "f2,f2,f1", "", "f32", PLN_BAD_MODEL },
    { "DynamicQuantizeLSTM", "f3,b3,b3,,,,,,f1,b1,f1", "hidden_size=2", "DynamicQuantizeLSTM takes", PLN_BAD_MODEL },
    { "DynamicQuantizeLSTM", "f3,b3,b3,,,,,,f3,b1,f1,b1", "hidden_size=2", "input 8 is of rank 3", PLN_BAD_MODEL },
    { "DynamicQuantizeLSTM", "f3,b3,b3,,,,,,f1,b1,f1,b1", "hidden_size=2", "weights are for 8", PLN_BAD_MODEL },
    { "QGemm", "u3,f0,u0,b2,f0,b0", "", "input 0 is of rank 3", PLN_BAD_MODEL },
    { "QGemm", "u2,f0,u0,b2,f0,b0,,,u0", "", "y_zero_point without y_scale", PLN_BAD_MODEL },
    { "QLinearConcat", "f0,u0,u3,f0", "axis=1", "4 inputs are not", PLN_BAD_MODEL },
    { "QLinearConcat", "f0,u0,b3,f0,b0", "axis=1", "input 2 is not of the type", PLN_BAD_MODEL },
    { "QLinearSoftmax", "u3,f0,u0,f0,u0", "opset=13 axis=5", "axis 5 is outside", PLN_BAD_MODEL },
    { "QLinearGlobalAveragePool", "u2,f0,u0,f0,u0", "", "rank 2", PLN_BAD_MODEL },
    { "QLinearAdd", "u2,f1,u0,u2,f0,u0,f0,u0", "", "8 elements do not fill", PLN_BAD_MODEL },
    { "QLinearWhere", "f2,u3,f0,u0,u3,f0,u0,f0,u0", "", "f32", PLN_BAD_MODEL },
    { "QLinearReduceMean", "u3,f0,u0,f0,u0", "keepdims=1", "'axes' is missing", PLN_BAD_MODEL },
    { "QEmbedLayerNormalization", "i2,i2,u2,u2,,u1,u1,,f0,f0,,f0,f0,u0,u0,,u0,u0", "", "segment_ids and segment_embedding go together", PLN_BAD_MODEL },
    { "QEmbedLayerNormalization", "i2,,u2,u2,,u2,u1,,f0,f0,,f0,f0,u0,u0,,u0,u0", "", "input 5 is of rank 2", PLN_BAD_MODEL },
    { "DequantizeLinear", "u2,f0,b0", "", "u8", PLN_BAD_MODEL },
    { "MatMulNBits", "f2,u3,f2", "K=8 N=8 block_size=16 bits=3", "bits is 3", PLN_BAD_MODEL },
    { "MatMulNBits", "f2,u3,f2", "K=8 N=8 block_size=20", "block_size is 20", PLN_BAD_MODEL },
    { "MatMulNBits", "f2,u3,f2", "K=8 N=8 block_size=0", "block_size is 0", PLN_BAD_MODEL },
    { "MatMulNBits", "f2,u3,f2", "K=0 N=8 block_size=16", "K is 0", PLN_BAD_MODEL },
    { "MatMulNBits", "f2,u3,f2", "K=9000000000000000000 N=8 block_size=16", "K is 9000000000000000000", PLN_BAD_MODEL },
    { "MatMulNBits", "f2,u3,f2", "K=8 N=8 block_size=16 weight_prepacked=1", "weight_prepacked", PLN_UNSUPPORTED },
    { "MatMulNBits", "f2,u3,f2", "K=8 N=8 block_size=16", "elements", PLN_BAD_MODEL },
    { "GatherBlockQuantized", "u0,l1,f0", "", "rank 0", PLN_BAD_MODEL },
    { "GatherBlockQuantized", "u2,l1,f3", "", "input 2 is of rank 3", PLN_BAD_MODEL },
    { "GatherBlockQuantized", "u2,l1,f2", "gather_axis=1 block_size=16", "gather_axis is 1", PLN_BAD_MODEL },
    { "GatherBlockQuantized", "u2,l1,f2", "quantize_axis=0 block_size=16", "both 0", PLN_BAD_MODEL },
    { "GatherBlockQuantized", "u2,l1,f2", "block_size=17", "block_size is 17", PLN_BAD_MODEL },
    { "CropAndResize", "f4,f2,i1,i1", "mode=cubic", "mode is 'cubic'", PLN_BAD_MODEL },
    { "CropAndResize", "f3,f2,i1,i1", "", "input 0 is of rank 3", PLN_BAD_MODEL },
    { "Attention", "f3,f2,f1", "num_heads=0", "num_heads is 0", PLN_BAD_MODEL },
    { "Attention", "f3,f3,f1", "num_heads=2", "input 1 is of rank 3", PLN_BAD_MODEL },
    { "Attention", "f3,f2,,i1", "num_heads=2", NULL, PLN_BAD_MODEL },
    { "Attention", "f3,f2,f1", "num_heads=2 do_rotary=1 rotary_embedding_dim=-2", "rotary_embedding_dim is -2", PLN_BAD_MODEL },
    { "Attention", "f3,f2,f1", "num_heads=2 do_rotary=1 rotary_embedding_dim=3", "rotary_embedding_dim is 3", PLN_BAD_MODEL },
    { "Attention", "f3,f2,f1,,f5", "num_heads=2 past_present_share_buffer=1", "without past_sequence_length", PLN_BAD_MODEL },
    { "Attention", "f3,f2,f1,,f5,,i2", "num_heads=2 past_present_share_buffer=1", "input 6 is of rank 2", PLN_BAD_MODEL },
    { "QAttention", "u3,b2,f1,f0,f0,,u0,b0,f5", "num_heads=2 past_present_share_buffer=1", "without past_sequence_length", PLN_BAD_MODEL },
    { "MultiHeadAttention", "f3,f4,f3", "num_heads=2", "none of the forms", PLN_BAD_MODEL },
    { "MultiHeadAttention", "f3", "num_heads=2", "none of the forms", PLN_BAD_MODEL },
    { "MultiHeadAttention", "f3,f3,f3", "num_heads=3", "3 heads do not divide", PLN_BAD_MODEL },
    { "MultiHeadAttention", "f3,f3,f3", "num_heads=-4", "num_heads is -4", PLN_BAD_MODEL },
    { "MultiHeadAttention", "f3,f3,f3", "num_heads=4 unidirectional=-7", "unidirectional is -7", PLN_BAD_MODEL },
    { "MultiHeadAttention", "f3,f3,f3,,,,f4", "num_heads=2", "past_key and past_value go together", PLN_BAD_MODEL },
    { "MultiHeadAttention", "f3,f3,f3,,i5", "num_heads=2", "mask of rank 5", PLN_BAD_MODEL },
    { "MultiHeadAttention", "f3,f3,f3,,,,f4,f4,i1,i2", "num_heads=2", "input 9 is of rank 2", PLN_BAD_MODEL },
    { "MultiHeadAttention", "f3,f3,f3,,,,f4,f4,,i3", "num_heads=2", "without past_sequence_length", PLN_BAD_MODEL },
    { "GroupQueryAttention", "f3,f3,f3,,,i1,i0", "num_heads=3 kv_num_heads=2", "num_heads 3 is no multiple", PLN_BAD_MODEL },
    { "GroupQueryAttention", "f3,f3,f3,,,i1,i0", "num_heads=4 kv_num_heads=0", "kv_num_heads 0", PLN_BAD_MODEL },
    { "GroupQueryAttention", "f3,f3,,,,i1,i0", "num_heads=4 kv_num_heads=4", "key and value go together", PLN_BAD_MODEL },
    { "GroupQueryAttention", "f3,f3,f3,,,i1,i0", "num_heads=4 kv_num_heads=4 do_rotary=1", "input 7 is missing", PLN_BAD_MODEL },
    { "GroupQueryAttention", "f3,f3,f3,,,i1,i0", "num_heads=4 kv_num_heads=4 local_window_size=0", "local_window_size is 0", PLN_BAD_MODEL },
    { "GroupQueryAttention", "f3,f3,f3,,,i1,i0", "num_heads=4 kv_num_heads=4 causal=0 local_window_size=4", "without causal", PLN_BAD_MODEL },
    { "GroupQueryAttention", "f3,f3,f3,u4,u4,i1,i0", "num_heads=4 kv_num_heads=4", "without k_quant_type", PLN_BAD_MODEL },
    { "GroupQueryAttention", "f3,f3,f3,u4,u4,i1,i0", "num_heads=4 kv_num_heads=4 k_quant_type=PER_TENSOR", "of one type", PLN_BAD_MODEL },
    { "GroupQueryAttention", "f3,f3,f3,b4,b4,i1,i0", "num_heads=4 kv_num_heads=4 k_quant_type=PER_TENSOR v_quant_type=PER_TENSOR kv_cache_bit_width=8", "input 12 is missing", PLN_BAD_MODEL },
    { "GroupQueryAttention", "f3,f3,f3,u4,u4,i1,i0,,,,,,f1,f1", "num_heads=4 kv_num_heads=4 k_quant_type=PER_TENSOR v_quant_type=PER_TENSOR kv_cache_bit_width=8", "kv_cache_bit_width is 8", PLN_BAD_MODEL },
    { "GroupQueryAttention", "f3,f3,f3,f4,f4,i1,i0,,,,,,f1,f1", "num_heads=4 kv_num_heads=4 k_quant_type=PER_TENSOR v_quant_type=PER_TENSOR kv_cache_bit_width=8", "cache of f32", PLN_BAD_MODEL },
    { "GroupQueryAttention", "f3,f3,f3,,,i1,i0", "num_heads=4 kv_num_heads=4 sliding_window_cache=1", "sliding_window_cache", PLN_UNSUPPORTED },
    { "RotaryEmbedding", "f2,l1,f2,f2", "", "input 0 is of rank 2", PLN_BAD_MODEL },
    { "RotaryEmbedding", "f3,l2,f2,f2", "rotary_embedding_dim=4", "without num_heads", PLN_BAD_MODEL },
    { "RotaryEmbedding", "f3,l2,f2,f2", "scale=2.5", "scale", PLN_UNSUPPORTED },
    { "RotaryEmbedding", "f3,l2,f2,f2", "num_heads=-1", "num_heads is -1", PLN_BAD_MODEL },
    { "RotaryEmbedding", "f3,l2,f2,f2", "num_heads=2 interleaved=2", "interleaved is 2", PLN_BAD_MODEL },
    { "Warp", "f2", "", "com.microsoft", PLN_UNSUPPORTED },
};

static void refuses_what_does_not_fit(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pln_diag diag;
        enum pln_status status = import(make(cases[i].op, cases[i].inputs, "y", cases[i].attributes, true), &diag);
        if (status != cases[i].status) fail_msg("%s %s %s: %d, %s", cases[i].op, cases[i].inputs, cases[i].attributes, (int)status, diag.count ? diag.entries[0].text : "no message");
        if (status == PLN_OK) continue;
        assert_string_equal(diag.entries[0].node, "n1");
        if (cases[i].words && !strstr(diag.entries[0].text, cases[i].words)) fail_msg("%s %s %s: '%s' is not in '%s'", cases[i].op, cases[i].inputs, cases[i].attributes, cases[i].words, diag.entries[0].text);
    }
}

/* ONNX Runtime's optimizer in Python leaves the import out, and ONNX Runtime takes its newest version then. */
static void needs_no_import(void **state)
{
    (void)state;
    struct pln_diag diag;
    assert_int_equal(import(make("BiasGelu", "f3,f1", "y", "", false), &diag), PLN_OK);
    assert_int_equal(import(make("BiasGelu", "f3,f2", "y", "", false), &diag), PLN_BAD_MODEL);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(refuses_what_does_not_fit), cmocka_unit_test(needs_no_import) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
