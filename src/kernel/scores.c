#include "kernel/scores.h"

#include <math.h>

/* keep_zeros: scores within 1e-7 of 0 stay out of it (ONNX Runtime's reading of SOFTMAX_ZERO). */
static void softmax(double *row, int64_t n, bool keep_zeros)
{
    double largest = -(double)INFINITY, sum = 0;
    for (int64_t i = 0; i < n; i++) largest = fmax(largest, row[i]);
    for (int64_t i = 0; i < n; i++) {
        row[i] = keep_zeros && fabs(row[i]) <= 1e-7 ? row[i] * exp(-largest) : exp(row[i] - largest);
        sum += row[i];
    }
    for (int64_t i = 0; i < n; i++) row[i] = sum == 0 ? 0.5 : row[i] / sum;
}

static double logistic(double x)
{
    double v = 1 / (1 + exp(-fabs(x)));
    return x < 0 ? 1 - v : v;
}

/* sqrt(2) times the inverse error function of 2 x - 1, by the approximation that scikit-learn's converters and ONNX Runtime share (S. Winitzki, "A
 * handy approximation for the error function and its inverse", 2008, with a = 0.147). */
static double probit(double x)
{
    double y = 2 * x - 1, log_part = log((1 - y) * (1 + y));
    double half = 2 / (3.14159265358979323846 * 0.147) + 0.5 * log_part;
    double root = sqrt(-half + sqrt(half * half - log_part / 0.147));
    return 1.41421356237309504880 * (y < 0 ? -root : root);
}

void pln_scores_transform(enum pln_transform transform, double *row, int64_t n)
{
    switch (transform) {
    case PLN_TRANSFORM_NONE:
        break;
    case PLN_TRANSFORM_SOFTMAX:
        softmax(row, n, false);
        break;
    case PLN_TRANSFORM_SOFTMAX_ZERO:
        softmax(row, n, true);
        break;
    case PLN_TRANSFORM_LOGISTIC:
        for (int64_t i = 0; i < n; i++) row[i] = logistic(row[i]);
        break;
    case PLN_TRANSFORM_PROBIT:
        for (int64_t i = 0; i < n; i++) row[i] = probit(row[i]);
        break;
    }
}

void pln_scores_split(enum pln_transform transform, bool complement, double *row)
{
    bool plain = transform == PLN_TRANSFORM_NONE || transform == PLN_TRANSFORM_PROBIT;
    row[1] = row[0];
    row[0] = complement && plain ? 1 - row[1] : -row[1];
    pln_scores_transform(transform, row, 2);
}

int64_t pln_scores_largest(const double *row, int64_t n)
{
    int64_t best = 0;
    for (int64_t i = 1; i < n; i++) {
        if (row[i] > row[best]) best = i;
    }
    return best;
}
