/* Activation functions of RNN, GRU and LSTM. */
#ifndef PLN_BACKEND_REF_RNN_H
#define PLN_BACKEND_REF_RNN_H

#include "kernel/call.h"

enum pln_ref_act {
    PLN_REF_ACT_RELU,
    PLN_REF_ACT_TANH,
    PLN_REF_ACT_SIGMOID,
    PLN_REF_ACT_AFFINE,
    PLN_REF_ACT_LEAKY_RELU,
    PLN_REF_ACT_THRESHOLDED_RELU,
    PLN_REF_ACT_SCALED_TANH,
    PLN_REF_ACT_HARD_SIGMOID,
    PLN_REF_ACT_ELU,
    PLN_REF_ACT_SOFTSIGN,
    PLN_REF_ACT_SOFTPLUS
};

struct pln_ref_activation {
    enum pln_ref_act act;
    double alpha, beta;
};

/* Reads attributes activations, activation_alpha and activation_beta (ONNX LSTM-22) for `directions` times `each` functions; absent: `defaults`
 * (each entries) for every direction. alpha and beta are used up in order by the functions that have them; the rest take defaults. */
enum pln_status pln_ref_activations(struct pln_call *call, int directions, int each, const enum pln_ref_act *defaults,
                                    struct pln_ref_activation *out_activations);
double pln_ref_activate(const struct pln_ref_activation *activation, double x);

#endif
