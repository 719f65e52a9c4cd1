#include "kernel/rnn.h"

struct act_row {
    const char *name;
    enum pln_rnn_act act;
    bool has_alpha, has_beta;
    float alpha, beta; /* defaults: those of the ONNX operators of the same names, and of the LSTM text */
};

static const struct act_row rows[] = {
    { "Relu", PLN_RNN_ACT_RELU, false, false, 0, 0 },
    { "Tanh", PLN_RNN_ACT_TANH, false, false, 0, 0 },
    { "Sigmoid", PLN_RNN_ACT_SIGMOID, false, false, 0, 0 },
    { "Affine", PLN_RNN_ACT_AFFINE, true, true, 1, 0 },
    { "LeakyRelu", PLN_RNN_ACT_LEAKY_RELU, true, false, 0.01f, 0 },
    { "ThresholdedRelu", PLN_RNN_ACT_THRESHOLDED_RELU, true, false, 1, 0 },
    { "ScaledTanh", PLN_RNN_ACT_SCALED_TANH, true, true, 1, 1 },
    { "HardSigmoid", PLN_RNN_ACT_HARD_SIGMOID, true, true, 0.2f, 0.5f },
    { "Elu", PLN_RNN_ACT_ELU, true, false, 1, 0 },
    { "Softsign", PLN_RNN_ACT_SOFTSIGN, false, false, 0, 0 },
    { "Softplus", PLN_RNN_ACT_SOFTPLUS, false, false, 0, 0 },
};

int pln_rnn_gates(unsigned kind)
{
    return kind == PLN_RNN_LSTM ? 4 : kind == PLN_RNN_GRU ? 3 : 1;
}

int pln_rnn_functions(unsigned kind)
{
    return kind == PLN_RNN_LSTM ? 3 : kind == PLN_RNN_GRU ? 2 : 1;
}

int pln_rnn_directions(const struct pln_attrs *attrs)
{
    const char *direction = pln_attrs_string(attrs, "direction", "forward");
    if (pln_str_equal(direction, "bidirectional")) return 2;
    return pln_str_equal(direction, "forward") || pln_str_equal(direction, "reverse") ? 1 : 0;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Exporters write names in any case. */
static const struct act_row *find_row(const struct pln_string *name)
{
    for (size_t i = 0; i < PLN_COUNT_OF(rows); i++) {
        size_t n = strlen(rows[i].name), at = 0;
        while (at < n && n == name->size_bytes && lower(rows[i].name[at]) == lower(name->data[at])) at++;
        if (at == n) return &rows[i];
    }
    return NULL;
}

static const struct act_row *default_row(unsigned kind, int function)
{
    const bool gated = kind == PLN_RNN_GRU || kind == PLN_RNN_LSTM;
    const enum pln_rnn_act act = gated && function == 0 ? PLN_RNN_ACT_SIGMOID : PLN_RNN_ACT_TANH;
    size_t i = 0;
    while (rows[i].act != act) i++;
    return &rows[i];
}

const char *pln_rnn_activations(const struct pln_attrs *attrs, unsigned kind, int directions, struct pln_rnn_activation *out_activations)
{
    const struct pln_attr *names = pln_attrs_find(attrs, "activations");
    const float *alphas = NULL, *betas = NULL;
    int64_t n_alphas = pln_attrs_floats(attrs, "activation_alpha", &alphas), n_betas = pln_attrs_floats(attrs, "activation_beta", &betas);
    int64_t next_alpha = 0, next_beta = 0;
    const int each = pln_rnn_functions(kind), n = directions * each;
    if (names && names->kind != PLN_ATTR_STRINGS) return "activations is no list of names";
    if (names && names->n != 0 && names->n != n) return "activations are not as many names as there are functions";
    for (int i = 0; i < n; i++) {
        const bool told = names && names->n != 0;
        const struct act_row *row = told ? find_row(&names->u.strings[i]) : default_row(kind, i % each);
        if (!row) return "there is no activation function of this name";
        out_activations[i] = (struct pln_rnn_activation){
            .act = row->act,
            .alpha = row->has_alpha && next_alpha < n_alphas ? alphas[next_alpha++] : row->alpha,
            .beta = row->has_beta && next_beta < n_betas ? betas[next_beta++] : row->beta,
        };
    }
    return NULL;
}
