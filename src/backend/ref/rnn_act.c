#include <math.h>

#include "backend/ref/rnn.h"

double pln_ref_activate(const struct pln_rnn_activation *activation, double x)
{
    double a = (double)activation->alpha, b = (double)activation->beta;
    switch (activation->act) {
    case PLN_RNN_ACT_RELU:
        return x < 0 ? 0 : x;
    case PLN_RNN_ACT_TANH:
        return tanh(x);
    case PLN_RNN_ACT_SIGMOID:
        return 1 / (1 + exp(-x));
    case PLN_RNN_ACT_AFFINE:
        return a * x + b;
    case PLN_RNN_ACT_LEAKY_RELU:
        return x < 0 ? a * x : x;
    case PLN_RNN_ACT_THRESHOLDED_RELU:
        return x > a ? x : 0;
    case PLN_RNN_ACT_SCALED_TANH:
        return a * tanh(b * x);
    case PLN_RNN_ACT_HARD_SIGMOID:
        return fmin(fmax(a * x + b, 0), 1);
    case PLN_RNN_ACT_ELU:
        return x < 0 ? a * expm1(x) : x;
    case PLN_RNN_ACT_SOFTSIGN:
        return x / (1 + fabs(x));
    case PLN_RNN_ACT_SOFTPLUS:
        return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
    }
    return x;
}
