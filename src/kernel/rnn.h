/* What the attributes of RNN, GRU and LSTM (ONNX RNN-22, GRU-22, LSTM-22) say, read in one place for the reference kernel and the backends. */
#ifndef PLN_KERNEL_RNN_H
#define PLN_KERNEL_RNN_H

#include "kernel/op.h"
#include "tensor/attrs.h"

enum pln_rnn_act {
    PLN_RNN_ACT_RELU,
    PLN_RNN_ACT_TANH,
    PLN_RNN_ACT_SIGMOID,
    PLN_RNN_ACT_AFFINE,
    PLN_RNN_ACT_LEAKY_RELU,
    PLN_RNN_ACT_THRESHOLDED_RELU,
    PLN_RNN_ACT_SCALED_TANH,
    PLN_RNN_ACT_HARD_SIGMOID,
    PLN_RNN_ACT_ELU,
    PLN_RNN_ACT_SOFTSIGN,
    PLN_RNN_ACT_SOFTPLUS
};

struct pln_rnn_activation {
    enum pln_rnn_act act;
    float alpha, beta;
};

#define PLN_RNN_GATES_MAX     4
#define PLN_RNN_FUNCTIONS_MAX 3 /* a direction */

/* Gates, and activation functions of a direction, of an enum pln_rnn_kind. */
int pln_rnn_gates(unsigned kind);
int pln_rnn_functions(unsigned kind);
/* 1 or 2; 0: the attribute direction is none of forward, reverse, bidirectional. */
int pln_rnn_directions(const struct pln_attrs *attrs);
/* Attributes activations, activation_alpha and activation_beta: pln_rnn_functions for every direction, one direction behind the other. Without names
 * every direction has the defaults. alpha and beta are used up in order by the functions that have them; the rest take defaults. NULL, or what is wrong, static. */
const char *pln_rnn_activations(const struct pln_attrs *attrs, unsigned kind, int directions, struct pln_rnn_activation *out_activations);

#endif
