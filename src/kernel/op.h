/* Numbers and names of ops and of their sub-kinds. The numbers are those of one build and are never stored; names are. */
#ifndef PLN_KERNEL_OP_H
#define PLN_KERNEL_OP_H

#include "base/base.h"

enum pln_op {
    PLN_OP_NONE = 0,
#define PLN_OP(ENUM, name) PLN_OP_##ENUM,
#include "kernel/ops.inc"
#undef PLN_OP
    PLN_OP_COUNT
};

/* Sub-kinds of PLN_OP_ELEMENTWISE. */
enum pln_ew {
    PLN_EW_NONE = 0,
#define PLN_EW(ENUM, name, inputs, onnx, cls) PLN_EW_##ENUM,
#include "kernel/elementwise.inc"
#undef PLN_EW
    PLN_EW_COUNT
};

enum pln_ew_class { PLN_EW_CLASS_F, PLN_EW_CLASS_N, PLN_EW_CLASS_I, PLN_EW_CLASS_B, PLN_EW_CLASS_C, PLN_EW_CLASS_P, PLN_EW_CLASS_S };

struct pln_ew_info {
    const char *name;
    const char *onnx; /* "" when ONNX has no operator of just this meaning */
    int n_inputs;
    enum pln_ew_class cls;
};
/* NULL: no such kind. */
const struct pln_ew_info *pln_ew_get(unsigned kind);
struct pln_attrs;
/* alpha and beta of a kind: the attributes' values, else the defaults stated in elementwise.inc; 0 when the kind takes none. */
void pln_ew_parameters(unsigned kind, const struct pln_attrs *attrs, float *out_alpha, float *out_beta);

/* Sub-kinds of PLN_OP_REDUCE and of reductions in row programs. */
#define PLN_REDUCE_LIST(X)               \
    X(SUM, sum, "ReduceSum")             \
    X(MEAN, mean, "ReduceMean")          \
    X(MAX, max, "ReduceMax")             \
    X(MIN, min, "ReduceMin")             \
    X(PROD, prod, "ReduceProd")          \
    X(L1, l1, "ReduceL1")                \
    X(L2, l2, "ReduceL2")                \
    X(LOG_SUM, log_sum, "ReduceLogSum")  \
    X(LOG_SUM_EXP, log_sum_exp, "ReduceLogSumExp") \
    X(SUM_SQUARE, sum_square, "ReduceSumSquare")
#define PLN_ARG_REDUCE_LIST(X) \
    X(MAX, max, "ArgMax")      \
    X(MIN, min, "ArgMin")
#define PLN_POOL_LIST(X)           \
    X(MAX, max, "MaxPool")         \
    X(AVERAGE, average, "AveragePool") \
    X(LP, lp, "LpPool")
#define PLN_SOFTMAX_LIST(X)        \
    X(SOFTMAX, softmax, "Softmax") \
    X(LOG_SOFTMAX, log_softmax, "LogSoftmax")
#define PLN_CUMULATE_LIST(X)  \
    X(SUM, sum, "CumSum")     \
    X(PROD, prod, "CumProd")
#define PLN_RANDOM_LIST(X)                          \
    X(UNIFORM, uniform, "RandomUniform")            \
    X(NORMAL, normal, "RandomNormal")               \
    X(UNIFORM_LIKE, uniform_like, "RandomUniformLike") \
    X(NORMAL_LIKE, normal_like, "RandomNormalLike") \
    X(BERNOULLI, bernoulli, "Bernoulli")            \
    X(MULTINOMIAL, multinomial, "Multinomial")
#define PLN_RNN_LIST(X) \
    X(RNN, rnn, "RNN")  \
    X(GRU, gru, "GRU")  \
    X(LSTM, lstm, "LSTM")

#define X(ENUM, name, onnx) PLN_REDUCE_##ENUM,
enum pln_reduce { PLN_REDUCE_NONE = 0, PLN_REDUCE_LIST(X) PLN_REDUCE_COUNT };
#undef X
#define X(ENUM, name, onnx) PLN_ARG_REDUCE_##ENUM,
enum pln_arg_reduce { PLN_ARG_REDUCE_NONE = 0, PLN_ARG_REDUCE_LIST(X) };
#undef X
#define X(ENUM, name, onnx) PLN_POOL_##ENUM,
enum pln_pool_kind { PLN_POOL_NONE = 0, PLN_POOL_LIST(X) };
#undef X
#define X(ENUM, name, onnx) PLN_SOFTMAX_##ENUM,
enum pln_softmax_kind { PLN_SOFTMAX_NONE = 0, PLN_SOFTMAX_LIST(X) };
#undef X
#define X(ENUM, name, onnx) PLN_CUMULATE_##ENUM,
enum pln_cumulate { PLN_CUMULATE_NONE = 0, PLN_CUMULATE_LIST(X) };
#undef X
#define X(ENUM, name, onnx) PLN_RANDOM_##ENUM,
enum pln_random_kind { PLN_RANDOM_NONE = 0, PLN_RANDOM_LIST(X) };
#undef X
#define X(ENUM, name, onnx) PLN_RNN_##ENUM,
enum pln_rnn_kind { PLN_RNN_NONE = 0, PLN_RNN_LIST(X) };
#undef X

/* One row of a family's sub-kinds, for generic code. */
struct pln_kind_row {
    unsigned kind;
    const char *name; /* "mean" */
    const char *onnx; /* "ReduceMean", or "" */
};
/* The sub-kinds of an op, ended by a row with name NULL; NULL when the op has none. */
const struct pln_kind_row *pln_op_kinds(unsigned op);
/* "conv"; NULL: no such number. */
const char *pln_op_name(unsigned op);
/* "mean"; NULL: none. */
const char *pln_op_kind_name(unsigned op, unsigned kind);
/* kind may be NULL or "": none. false: no such op or kind. */
bool pln_op_find(const char *name, const char *kind, unsigned *out_op, unsigned *out_kind);

#endif
