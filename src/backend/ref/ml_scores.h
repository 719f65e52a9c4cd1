/* Scores of classifiers and regressors (kernel/scores.h): reading the attributes of ai.onnx.ml, and writing labels. */
#ifndef PLN_BACKEND_REF_ML_SCORES_H
#define PLN_BACKEND_REF_ML_SCORES_H

#include "backend/ref/lookup.h"
#include "kernel/scores.h"

/* Attribute post_transform, as text or (TreeEnsemble) as a number. */
enum pln_status pln_ref_transform_read(struct pln_call *call, enum pln_transform *out_transform);
/* Writes scores of n classes to row `at` of output 1, f32, and the label of class `best` to element `at` of output 0. */
enum pln_status pln_ref_put_class(struct pln_call *call, const struct pln_tensor *y, const struct pln_tensor *z, int64_t at, const struct pln_tensor *labels,
                                  int64_t best, const double *scores);

/* x as rows of doubles: rank 2, or rank 1 as one row. Errors: PLN_BAD_MODEL. */
enum pln_status pln_ref_rows(struct pln_call *call, const double **out_values, int64_t *out_rows, int64_t *out_features);
/* The class labels in either attribute (i64 or str). */
enum pln_status pln_ref_labels(struct pln_call *call, const char *ints, const char *strings, struct pln_tensor *out_labels);
/* Floats of a list attribute as doubles, or of the tensor attribute name_as_tensor; n 0 when absent. */
enum pln_status pln_ref_float_list(struct pln_call *call, const char *name, const char *tensor_name, const double **out_values, int64_t *out_n);

#endif
