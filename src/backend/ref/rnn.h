/* Activation functions of RNN, GRU and LSTM. */
#ifndef PLN_BACKEND_REF_RNN_H
#define PLN_BACKEND_REF_RNN_H

#include "kernel/call.h"
#include "kernel/rnn.h"

double pln_ref_activate(const struct pln_rnn_activation *activation, double x);

#endif
