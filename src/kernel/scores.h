/* What the models of ai.onnx.ml do with their scores: the transforms, and the choice of a class. The reference kernels and the CPU's run them, in f64. */
#ifndef PLN_KERNEL_SCORES_H
#define PLN_KERNEL_SCORES_H

#include "base/base.h"

/* In the order of TreeEnsemble-5's post_transform. */
enum pln_transform { PLN_TRANSFORM_NONE, PLN_TRANSFORM_SOFTMAX, PLN_TRANSFORM_LOGISTIC, PLN_TRANSFORM_SOFTMAX_ZERO, PLN_TRANSFORM_PROBIT };
#define PLN_TRANSFORM_COUNT 5

/* In place over one row. SOFTMAX_ZERO keeps zeros; PROBIT is sqrt(2) erfinv(2 x - 1). */
void pln_scores_transform(enum pln_transform transform, double *row, int64_t n);
/* One score s of a positive class becomes two, in row[0] and row[1], and is transformed: 1 - s and s where `complement` (s is a probability) and
 * the transform is NONE or PROBIT, else -s and s. */
void pln_scores_split(enum pln_transform transform, bool complement, double *row);
/* The first largest of row. */
int64_t pln_scores_largest(const double *row, int64_t n);

#endif
