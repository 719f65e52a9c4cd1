#include <math.h>

#include "backend/ref/rnn.h"

struct act_row {
    const char *name;
    enum pln_ref_act act;
    bool has_alpha, has_beta;
    float alpha, beta; /* defaults: those of the ONNX operators of the same names, and of the LSTM text */
};

static const struct act_row rows[] = {
    { "Relu", PLN_REF_ACT_RELU, false, false, 0, 0 },
    { "Tanh", PLN_REF_ACT_TANH, false, false, 0, 0 },
    { "Sigmoid", PLN_REF_ACT_SIGMOID, false, false, 0, 0 },
    { "Affine", PLN_REF_ACT_AFFINE, true, true, 1, 0 },
    { "LeakyRelu", PLN_REF_ACT_LEAKY_RELU, true, false, 0.01f, 0 },
    { "ThresholdedRelu", PLN_REF_ACT_THRESHOLDED_RELU, true, false, 1, 0 },
    { "ScaledTanh", PLN_REF_ACT_SCALED_TANH, true, true, 1, 1 },
    { "HardSigmoid", PLN_REF_ACT_HARD_SIGMOID, true, true, 0.2f, 0.5f },
    { "Elu", PLN_REF_ACT_ELU, true, false, 1, 0 },
    { "Softsign", PLN_REF_ACT_SOFTSIGN, false, false, 0, 0 },
    { "Softplus", PLN_REF_ACT_SOFTPLUS, false, false, 0, 0 },
};

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

static const struct act_row *row_of(enum pln_ref_act act)
{
    size_t i = 0;
    while (rows[i].act != act) i++;
    return &rows[i];
}

enum pln_status pln_ref_activations(struct pln_call *call, int directions, int each, const enum pln_ref_act *defaults,
                                    struct pln_ref_activation *out_activations)
{
    const struct pln_attr *names = pln_attrs_find(call->attrs, "activations");
    const float *alphas = NULL, *betas = NULL;
    int64_t n_alphas = pln_attrs_floats(call->attrs, "activation_alpha", &alphas);
    int64_t n_betas = pln_attrs_floats(call->attrs, "activation_beta", &betas);
    int64_t next_alpha = 0, next_beta = 0;
    int n = directions * each;
    if (names && names->kind != PLN_ATTR_STRINGS) return pln_call_fail(call, PLN_BAD_MODEL, "activations is no list of names");
    if (names && names->n != 0 && names->n != n) {
        return pln_call_fail(call, PLN_BAD_MODEL, "%lld activations for %d functions", (long long)names->n, n);
    }
    for (int i = 0; i < n; i++) {
        bool told = names && names->n != 0;
        const struct act_row *row = told ? find_row(&names->u.strings[i]) : row_of(defaults[i % each]);
        if (!row) {
            const struct pln_string *name = &names->u.strings[i];
            return pln_call_fail(call, PLN_BAD_MODEL, "no activation function is called \"%.*s\"", (int)PLN_MIN(name->size_bytes, 64), name->data);
        }
        struct pln_ref_activation *out = &out_activations[i];
        out->act = row->act;
        out->alpha = (double)(row->has_alpha && next_alpha < n_alphas ? alphas[next_alpha++] : row->alpha);
        out->beta = (double)(row->has_beta && next_beta < n_betas ? betas[next_beta++] : row->beta);
    }
    return PLN_OK;
}

double pln_ref_activate(const struct pln_ref_activation *activation, double x)
{
    double a = activation->alpha, b = activation->beta;
    switch (activation->act) {
    case PLN_REF_ACT_RELU:
        return x < 0 ? 0 : x;
    case PLN_REF_ACT_TANH:
        return tanh(x);
    case PLN_REF_ACT_SIGMOID:
        return 1 / (1 + exp(-x));
    case PLN_REF_ACT_AFFINE:
        return a * x + b;
    case PLN_REF_ACT_LEAKY_RELU:
        return x < 0 ? a * x : x;
    case PLN_REF_ACT_THRESHOLDED_RELU:
        return x > a ? x : 0;
    case PLN_REF_ACT_SCALED_TANH:
        return a * tanh(b * x);
    case PLN_REF_ACT_HARD_SIGMOID:
        return fmin(fmax(a * x + b, 0), 1);
    case PLN_REF_ACT_ELU:
        return x < 0 ? a * expm1(x) : x;
    case PLN_REF_ACT_SOFTSIGN:
        return x / (1 + fabs(x));
    case PLN_REF_ACT_SOFTPLUS:
        return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
    }
    return x;
}
