/* What attention says where softmax says nothing: attributes of our own of the op attention, beside those of ONNX, read in one place for shape
 * inference, the reference kernel and the backends.
 *
 * undefined_rows. The softmax of a row of scores is not a number when one of them is NaN or +infinity, or when all of them are -infinity. What
 * such a query gives depends on who asks:
 *   "op"       as ONNX Attention (the default): zeros when the query sees no key, because its scores are all -infinity or because the mask shuts
 *              all keys out, whatever the scores are; else NaN.
 *   "softmax"  as MatMul(Softmax(scores), v): NaN. Without any key at all the sum over nothing: zeros.
 *   "guarded"  as MatMul(Where(IsNaN(w), 0, w), v) of w = Softmax(scores): 0 x v, which is NaN where a value is infinite or NaN.
 *
 * masked_score. What a mask of bools puts in the place of the scores that it shuts out: -infinity by default. Where(mask, scores, low), as
 * exporters write it, keeps its low: a row that is shut out as a whole then weighs all keys alike, with "op", too.
 *
 * A mask of bools, is_causal, windows and nonpad_kv_seqlen select: the score of a key that they shut out is not looked at, be it NaN. A mask of
 * numbers is added: NaN stays NaN. A weight of exactly 0 is multiplied all the same, so that NaN or infinity in a value that is seen shows in
 * the result; the values of keys that is_causal, windows, nonpad_kv_seqlen or the end of a short mask shut out may be skipped. */
#ifndef PLN_KERNEL_ATTENTION_H
#define PLN_KERNEL_ATTENTION_H

#include <math.h>

#include "tensor/attrs.h"

enum pln_undefined_rows { PLN_UNDEFINED_ROWS_OP, PLN_UNDEFINED_ROWS_SOFTMAX, PLN_UNDEFINED_ROWS_GUARDED };

/* false: the attribute holds another word. Plans from before there was one mean "op". */
static inline bool pln_undefined_rows_read(const struct pln_attrs *attrs, enum pln_undefined_rows *out_rows)
{
    static const char *const words[] = { "op", "softmax", "guarded" };
    const char *word = pln_attrs_string(attrs, "undefined_rows", words[0]);
    *out_rows = PLN_UNDEFINED_ROWS_OP;
    for (int i = 0; i < 3; i++) {
        if (strcmp(word, words[i]) != 0) continue;
        *out_rows = (enum pln_undefined_rows)i;
        return true;
    }
    return false;
}

static inline float pln_masked_score_read(const struct pln_attrs *attrs)
{
    return pln_attrs_float(attrs, "masked_score", -INFINITY);
}

#endif
