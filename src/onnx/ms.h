/* What the handlers of com.microsoft share (normalize_ms_*.c): the operators that ONNX Runtime's optimizers, quantizers and builders write. Their meaning
 * is that of docs/ContribOperators.md of ONNX Runtime; where its CPU kernels do something else, the handler says so. */
#ifndef PLN_ONNX_MS_H
#define PLN_ONNX_MS_H

#include "onnx/opset.h"

/* Fails when the rank of input i, as far as it is known, is outside of [least, most]. Inputs left out pass. */
void pln_ms_check_rank(struct pln_emit *emit, uint32_t i, int least, int most);
/* Fails when the attribute of that name is not 0: something that is not built. */
void pln_ms_refuse(struct pln_emit *emit, const char *attribute);

/* f16 and bf16 as f32; others as they are. PLN_NONE stays. */
uint32_t pln_ms_wide(struct pln_emit *emit, uint32_t x);
/* x + y; x where y is left out. */
uint32_t pln_ms_add(struct pln_emit *emit, uint32_t x, uint32_t y);
uint32_t pln_ms_mul(struct pln_emit *emit, uint32_t x, uint32_t y);
/* A tensor of one element as a scalar. PLN_NONE stays. */
uint32_t pln_ms_scalar(struct pln_emit *emit, uint32_t x);
/* x as [b,n,l,h], of which only the run knows whether it is that or rows [b,l,n*h]; `heads`: n of the latter, i64[1]. */
struct pln_ms_either {
    uint32_t x;
    uint32_t is_rows;                     /* bool[1] */
    uint32_t batch, heads, length, size;  /* b, n, l, h; i64[1], as those below */
    uint32_t left, right;                 /* dims that change places: l and n, or 1 and n*l, which leaves all where it is */
};
uint32_t pln_ms_by_head(struct pln_emit *emit, uint32_t x, uint32_t heads, struct pln_ms_either *out_form);
/* y, [b,n,l,h] too, in the form that x had. */
uint32_t pln_ms_as_before(struct pln_emit *emit, const struct pln_ms_either *form, uint32_t y);
/* The last two axes exchanged. */
uint32_t pln_ms_flip(struct pln_emit *emit, uint32_t x);

/* An operator of one input by its ONNX name, as ONNX Runtime fuses it behind products; "": x. Its two parameters (of Clip: min and max), NULL: ONNX's
 * defaults. */
uint32_t pln_ms_activation(struct pln_emit *emit, const char *name, const float *alpha, const float *beta, uint32_t x);

/* (x - zero) * scale in f32, one scale for all; zero PLN_NONE: 0. */
uint32_t pln_ms_dequantize(struct pln_emit *emit, uint32_t x, uint32_t scale, uint32_t zero);
/* round(x / scale) + zero within the bounds of the type; zero PLN_NONE: 0. */
uint32_t pln_ms_quantize(struct pln_emit *emit, uint32_t x, uint32_t scale, uint32_t zero, enum pln_dtype dtype);
/* (a - a_zero) x (b - b_zero) as whole numbers in f32. Zero points: one, or one a column of b; PLN_NONE: 0. */
uint32_t pln_ms_integer_product(struct pln_emit *emit, uint32_t a, uint32_t b, uint32_t a_zero, uint32_t b_zero);

/* x[b,n,s,h] / scale as a cache holds it: i8; u8: two numbers of 4 bits a byte, [b,n,s,h/2]; f8e4m3fn. The scale, f32, broadcasts. */
uint32_t pln_ms_cache_store(struct pln_emit *emit, uint32_t x, uint32_t scale, enum pln_dtype dtype);
/* And back, in a type of floats. */
uint32_t pln_ms_cache_load(struct pln_emit *emit, uint32_t x, uint32_t scale, enum pln_dtype dtype);

/* What Attention and QAttention do behind their projection. */
struct pln_ms_attention {
    uint32_t qkv;  /* [b,s,q+k+v features] */
    uint32_t mask; /* mask_index, or PLN_NONE */
    uint32_t past; /* [2,b,n,p,h], or PLN_NONE */
    uint32_t bias; /* what is added to the scores, or PLN_NONE */
    uint32_t past_length; /* rows of past that hold, one number, where past is a buffer; or PLN_NONE */
};
void pln_ms_attend(struct pln_emit *emit, const struct pln_ms_attention *attention);

#endif
