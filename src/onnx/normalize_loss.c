/* Losses: NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss. */
#include <string.h>

#include "onnx/opset.h"

/* weight of each target: weights[target], 1 without weights, 0 where ignored. PLN_NONE: all are 1. */
static uint32_t target_weights(struct pln_emit *emit, uint32_t like, uint32_t target, uint32_t ignored, uint32_t weights)
{
    uint32_t w = PLN_NONE;
    if (weights != PLN_NONE) w = pln_emit_gather(emit, weights, target, 0);
    else if (ignored != PLN_NONE) w = pln_emit_const_like(emit, like, 1);
    if (ignored == PLN_NONE) return w;
    return pln_emit_ew3(emit, PLN_EW_WHERE, ignored, pln_emit_const_like(emit, like, 0), w);
}

/* -log_prob[n,target,…] * weight, reduced. log_prob: [n,c,d…], target: [n,d…]. */
static uint32_t nll(struct pln_emit *emit, uint32_t log_prob, uint32_t target, uint32_t weights)
{
    const char *reduction = pln_emit_string(emit, "reduction", "mean");
    uint32_t ignored = PLN_NONE;
    if (pln_emit_has_attr(emit, "ignore_index")) {
        ignored = pln_emit_ew2(emit, PLN_EW_EQUAL, target, pln_emit_const_like(emit, target, (double)pln_emit_int(emit, "ignore_index", 0)));
        target = pln_emit_ew3(emit, PLN_EW_WHERE, ignored, pln_emit_const_like(emit, target, 0), target);
    }
    uint32_t at = pln_emit_begin(emit, PLN_OP_GATHER_ELEMENTS, 0, (uint32_t[]){ log_prob, pln_emit_unsqueeze_at(emit, target, 1) }, 2, 1);
    pln_emit_set_int(emit, at, "axis", 1);
    uint32_t loss = pln_emit_ew1(emit, PLN_EW_NEG, pln_emit_squeeze(emit, pln_emit_end(emit, at), pln_emit_const_int(emit, 1)));
    uint32_t w = target_weights(emit, log_prob, target, ignored, weights);
    if (w != PLN_NONE) loss = pln_emit_ew2(emit, PLN_EW_MUL, loss, w);
    if (strcmp(reduction, "none") == 0) return loss;
    if (strcmp(reduction, "sum") == 0) return pln_emit_reduce(emit, PLN_REDUCE_SUM, loss, PLN_NONE, false);
    if (strcmp(reduction, "mean") != 0) pln_emit_fail(emit, PLN_BAD_MODEL, "reduction is '%s'", reduction);
    if (w == PLN_NONE) return pln_emit_reduce(emit, PLN_REDUCE_MEAN, loss, PLN_NONE, false);
    uint32_t sum = pln_emit_reduce(emit, PLN_REDUCE_SUM, loss, PLN_NONE, false);
    return pln_emit_ew2(emit, PLN_EW_DIV, sum, pln_emit_reduce(emit, PLN_REDUCE_SUM, w, PLN_NONE, false));
}

void pln_onnx_negative_log_likelihood_loss(struct pln_emit *emit)
{
    pln_emit_bind(emit, 0, nll(emit, pln_emit_need(emit, 0), pln_emit_need(emit, 1), pln_emit_in(emit, 2)));
}

void pln_onnx_softmax_cross_entropy_loss(struct pln_emit *emit)
{
    uint32_t log_prob = pln_emit_softmax(emit, true, pln_emit_need(emit, 0), 1);
    uint32_t loss = nll(emit, log_prob, pln_emit_need(emit, 1), pln_emit_in(emit, 2));
    pln_emit_bind(emit, 0, loss);
    pln_emit_bind(emit, 1, log_prob);
}
