#include <math.h>

#include "backend/ref/ml_scores.h"
#include "backend/ref/real.h"

/* Support vector machines as libsvm writes them (C.-C. Chang, C.-J. Lin, "LIBSVM: A Library for Support Vector Machines", 2011). */
struct svm {
    const double *x, *vectors, *coefficients, *rho, *prob_a, *prob_b, *params;
    int64_t rows, features, n_vectors, n_coefficients, n_rho, n_prob;
    enum { LINEAR, POLY, RBF, SIGMOID } kernel;
    enum pln_transform transform;
};

static enum pln_status read_svm(struct pln_call *call, struct svm *s)
{
    static const char *const names[] = { "LINEAR", "POLY", "RBF", "SIGMOID" };
    static const double none[3] = { 0, 0, 0 };
    const char *name = pln_attrs_string(call->attrs, "kernel_type", "LINEAR");
    int64_t n, n_prob_b;
    int kernel = 0;
    PLN_TRY(pln_ref_rows(call, &s->x, &s->rows, &s->features));
    PLN_TRY(pln_ref_transform_read(call, &s->transform));
    PLN_TRY(pln_ref_float_list(call, "support_vectors", NULL, &s->vectors, &n));
    PLN_TRY(pln_ref_float_list(call, "coefficients", NULL, &s->coefficients, &s->n_coefficients));
    PLN_TRY(pln_ref_float_list(call, "rho", NULL, &s->rho, &s->n_rho));
    PLN_TRY(pln_ref_float_list(call, "prob_a", NULL, &s->prob_a, &s->n_prob));
    PLN_TRY(pln_ref_float_list(call, "prob_b", NULL, &s->prob_b, &n_prob_b));
    while (kernel < 4 && !pln_str_equal(name, names[kernel])) kernel++;
    if (kernel == 4) return pln_call_fail(call, PLN_BAD_MODEL, "kernel_type is none of LINEAR, POLY, RBF, SIGMOID");
    s->kernel = kernel;
    s->n_vectors = s->features > 0 ? n / s->features : 0;
    if (s->n_vectors * s->features != n || s->n_rho < 1 || n_prob_b != s->n_prob) return pln_call_fail(call, PLN_BAD_MODEL, "support_vectors, rho or prob_b do not fit");
    PLN_TRY(pln_ref_float_list(call, "kernel_params", NULL, &s->params, &n));
    if (n != 0 && n != 3) return pln_call_fail(call, PLN_BAD_MODEL, "kernel_params does not have three entries");
    if (n == 0) s->params = none;
    return PLN_OK;
}

/* params: gamma, coef0, degree. */
static double kernel_of(const struct svm *s, const double *a, const double *b)
{
    double sum = 0;
    for (int64_t i = 0; i < s->features; i++) sum += s->kernel == RBF ? (a[i] - b[i]) * (a[i] - b[i]) : a[i] * b[i];
    switch (s->kernel) {
    case LINEAR:
        break;
    case POLY:
        return pow(s->params[0] * sum + s->params[1], s->params[2]);
    case RBF:
        return exp(-s->params[0] * sum);
    case SIGMOID:
        return tanh(s->params[0] * sum + s->params[1]);
    }
    return sum;
}

enum pln_status pln_ref_svm_regressor(struct pln_call *call)
{
    struct svm s;
    struct pln_tensor y;
    PLN_TRY(read_svm(call, &s));
    int64_t n_supports = pln_attrs_int(call->attrs, "n_supports", 0), dims[2] = { s.rows, 1 };
    bool one_class = pln_attrs_int(call->attrs, "one_class", 0) != 0;
    if (n_supports < 0 || s.n_coefficients != (n_supports > 0 ? n_supports : s.features) || (n_supports > 0 && s.n_vectors != n_supports)) {
        return pln_call_fail(call, PLN_BAD_MODEL, "n_supports is %lld, which does not fit the support vectors and coefficients", (long long)n_supports);
    }
    if (n_supports == 0) s.kernel = LINEAR;
    PLN_TRY(pln_call_out(call, 0, PLN_F32, 2, dims, &y));
    for (int64_t i = 0; i < s.rows; i++) {
        const double *x = s.x + i * s.features;
        double sum = s.rho[0] + (n_supports == 0 ? kernel_of(&s, x, s.coefficients) : 0);
        for (int64_t v = 0; v < n_supports; v++) sum += s.coefficients[v] * kernel_of(&s, x, s.vectors + v * s.features);
        if (one_class) sum = sum > 0 ? 1 : -1;
        pln_scores_transform(s.transform, &sum, 1);
        pln_ref_store(&y, i, 1, &sum);
    }
    return PLN_OK;
}

struct classifier {
    struct svm svm;
    int64_t classes, pairs; /* pairs 0: one linear machine a class */
    const int64_t *per_class;
    double *kernels;  /* [vectors] */
    double *scores;   /* [max(pairs, classes)] */
    double *votes;    /* [classes] */
    double *probable; /* [classes, classes] of pairs, [classes, classes] q, [classes] qp, [classes] result */
};

/* One machine for every pair of classes i < j; a positive score is a vote for i. */
static void score_pairs(const struct classifier *c, const double *x)
{
    const struct svm *s = &c->svm;
    int64_t pair = 0, first_i = 0;
    for (int64_t v = 0; v < s->n_vectors; v++) c->kernels[v] = kernel_of(s, x, s->vectors + v * s->features);
    memset(c->votes, 0, (size_t)c->classes * sizeof(double));
    for (int64_t i = 0; i < c->classes; i++) {
        int64_t first_j = first_i + c->per_class[i];
        for (int64_t j = i + 1; j < c->classes; j++, pair++) {
            double sum = s->rho[pair];
            for (int64_t v = first_i; v < first_i + c->per_class[i]; v++) sum += s->coefficients[(j - 1) * s->n_vectors + v] * c->kernels[v];
            for (int64_t v = first_j; v < first_j + c->per_class[j]; v++) sum += s->coefficients[i * s->n_vectors + v] * c->kernels[v];
            c->scores[pair] = sum;
            c->votes[sum > 0 ? i : j] += 1;
            first_j += c->per_class[j];
        }
        first_i += c->per_class[i];
    }
}

/* Class probabilities from those of pairs: T.-F. Wu, C.-J. Lin, R. C. Weng, "Probability Estimates for Multi-class Classification by Pairwise
 * Coupling", JMLR 5 (2004), algorithm 2, with libsvm's limits. */
static const double *couple(const struct classifier *c)
{
    int64_t k = c->classes;
    double *pair = c->probable, *q = pair + k * k, *qp = q + k * k, *p = qp + k;
    for (int64_t t = 0; t < k; t++) {
        p[t] = 1 / (double)k;
        q[t * k + t] = 0;
        for (int64_t j = 0; j < k; j++) {
            if (j == t) continue;
            q[t * k + t] += pair[j * k + t] * pair[j * k + t];
            q[t * k + j] = -pair[j * k + t] * pair[t * k + j];
        }
    }
    for (int64_t round = 0; round < PLN_MAX(100, k); round++) {
        double all = 0, error = 0;
        for (int64_t t = 0; t < k; t++) {
            qp[t] = 0;
            for (int64_t j = 0; j < k; j++) qp[t] += q[t * k + j] * p[j];
            all += p[t] * qp[t];
        }
        for (int64_t t = 0; t < k; t++) error = fmax(error, fabs(qp[t] - all));
        if (error < 0.005 / (double)k) break;
        for (int64_t t = 0; t < k; t++) {
            double diff = (all - qp[t]) / q[t * k + t];
            p[t] += diff;
            all = (all + diff * (diff * q[t * k + t] + 2 * qp[t])) / (1 + diff) / (1 + diff);
            for (int64_t j = 0; j < k; j++) {
                qp[j] = (qp[j] + diff * q[t * k + j]) / (1 + diff);
                p[j] /= 1 + diff;
            }
        }
    }
    return p;
}

/* Platt's sigmoid of each pair's score, then coupling. */
static const double *probabilities(const struct classifier *c)
{
    int64_t at = 0, k = c->classes;
    for (int64_t i = 0; i < k; i++) {
        for (int64_t j = i + 1; j < k; j++, at++) {
            double p = 1 / (1 + exp(c->scores[at] * c->svm.prob_a[at] + c->svm.prob_b[at]));
            p = fmin(fmax(p, 1e-7), 1 - 1e-7);
            c->probable[i * k + j] = p;
            c->probable[j * k + i] = 1 - p;
        }
    }
    return couple(c);
}

static enum pln_status read_classifier(struct pln_call *call, const struct pln_tensor *labels, struct classifier *c)
{
    struct svm *s = &c->svm;
    int64_t vectors = 0, want;
    memset(c, 0, sizeof(*c));
    PLN_TRY(read_svm(call, s));
    c->classes = pln_tensor_count(labels);
    int64_t n = pln_attrs_ints(call->attrs, "vectors_per_class", &c->per_class);
    if (c->classes > 4096) return pln_call_fail(call, PLN_BAD_MODEL, "%lld classes are too many", (long long)c->classes);
    for (int64_t i = 0; i < n; i++) {
        if (c->per_class[i] < 0 || !pln_add_i64(vectors, c->per_class[i], &vectors)) return pln_call_fail(call, PLN_BAD_MODEL, "vectors_per_class holds %lld", (long long)c->per_class[i]);
    }
    c->pairs = vectors > 0 ? c->classes * (c->classes - 1) / 2 : 0;
    bool fits = vectors > 0 ? n == c->classes && vectors == s->n_vectors && pln_mul_i64(vectors, c->classes - 1, &want) && s->n_rho >= c->pairs
                            : pln_mul_i64(s->features, c->classes, &want);
    fits = fits && want == s->n_coefficients && (s->n_prob == 0 || s->n_prob >= c->pairs);
    if (!fits) return pln_call_fail(call, PLN_BAD_MODEL, "coefficients, rho or vectors_per_class do not fit %lld classes", (long long)c->classes);
    PLN_TRY(pln_ref_scratch_reals(call, vectors, &c->kernels));
    PLN_TRY(pln_ref_scratch_reals(call, PLN_MAX(PLN_MAX(c->pairs, c->classes), 2), &c->scores));
    PLN_TRY(pln_ref_scratch_reals(call, c->classes, &c->votes));
    return pln_ref_scratch_reals(call, 2 * c->classes * (c->classes + 1), &c->probable);
}

/* Scores of one row into c->scores, their number, and the best class. */
static int64_t classify(const struct classifier *c, const double *x, int64_t *out_best)
{
    const struct svm *s = &c->svm;
    if (c->pairs == 0) {
        for (int64_t k = 0; k < c->classes; k++) c->scores[k] = s->rho[0] + kernel_of(s, x, s->coefficients + k * s->features);
        *out_best = pln_scores_largest(c->scores, c->classes);
        return c->classes;
    }
    score_pairs(c, x);
    *out_best = pln_scores_largest(c->votes, c->classes);
    if (s->n_prob == 0) return c->pairs;
    memcpy(c->scores, probabilities(c), (size_t)c->classes * sizeof(double));
    return c->classes;
}

enum pln_status pln_ref_svm_classifier(struct pln_call *call)
{
    struct classifier c;
    struct pln_tensor labels, y, z;
    PLN_TRY(pln_ref_labels(call, "classlabels_ints", "classlabels_strings", &labels));
    PLN_TRY(read_classifier(call, &labels, &c));
    if (c.pairs == 0) c.svm.kernel = LINEAR;
    bool split = c.pairs == 1 && c.svm.n_prob == 0;
    int64_t columns = split ? 2 : c.pairs > 0 && c.svm.n_prob == 0 ? c.pairs : c.classes, dims[2] = { c.svm.rows, columns };
    PLN_TRY(pln_call_out(call, 0, labels.dtype, 1, dims, &y));
    PLN_TRY(pln_call_out(call, 1, PLN_F32, 2, dims, &z));
    for (int64_t i = 0; i < c.svm.rows; i++) {
        int64_t best, n = classify(&c, c.svm.x + i * c.svm.features, &best);
        if (split) {
            pln_scores_split(c.svm.transform, false, c.scores);
        } else {
            pln_scores_transform(c.svm.transform, c.scores, n);
        }
        PLN_TRY(pln_ref_put_class(call, &y, &z, i, &labels, best, c.scores));
    }
    return PLN_OK;
}
