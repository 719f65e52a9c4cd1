/* Names of ops and of their sub-kinds. */
#include "kernel/op.h"

#include "base/text.h"

static const char *const op_names[PLN_OP_COUNT] = {
#define PLN_OP(ENUM, name) [PLN_OP_##ENUM] = #name,
#include "kernel/ops.inc"
#undef PLN_OP
};

#define END { 0, NULL, NULL }
static const struct pln_kind_row ew_rows[] = {
#define PLN_EW(ENUM, text, inputs, onnx, cls) { PLN_EW_##ENUM, #text, onnx },
#include "kernel/elementwise.inc"
#undef PLN_EW
    END
};
#define X(ENUM, text, onnx) { PLN_REDUCE_##ENUM, #text, onnx },
static const struct pln_kind_row reduce_rows[] = { PLN_REDUCE_LIST(X) END };
#undef X
#define X(ENUM, text, onnx) { PLN_ARG_REDUCE_##ENUM, #text, onnx },
static const struct pln_kind_row arg_reduce_rows[] = { PLN_ARG_REDUCE_LIST(X) END };
#undef X
#define X(ENUM, text, onnx) { PLN_POOL_##ENUM, #text, onnx },
static const struct pln_kind_row pool_rows[] = { PLN_POOL_LIST(X) END };
#undef X
#define X(ENUM, text, onnx) { PLN_SOFTMAX_##ENUM, #text, onnx },
static const struct pln_kind_row softmax_rows[] = { PLN_SOFTMAX_LIST(X) END };
#undef X
#define X(ENUM, text, onnx) { PLN_CUMULATE_##ENUM, #text, onnx },
static const struct pln_kind_row cumulate_rows[] = { PLN_CUMULATE_LIST(X) END };
#undef X
#define X(ENUM, text, onnx) { PLN_RANDOM_##ENUM, #text, onnx },
static const struct pln_kind_row random_rows[] = { PLN_RANDOM_LIST(X) END };
#undef X
#define X(ENUM, text, onnx) { PLN_RNN_##ENUM, #text, onnx },
static const struct pln_kind_row rnn_rows[] = { PLN_RNN_LIST(X) END };
#undef X

/* By name, not by number: so this file stands whichever of the families ops.inc lists. */
static const struct {
    const char *op;
    const struct pln_kind_row *rows;
} families[] = {
    { "arg_reduce", arg_reduce_rows }, { "cumulate", cumulate_rows }, { "elementwise", ew_rows }, { "pool", pool_rows },
    { "random", random_rows },
    { "reduce", reduce_rows },         { "rnn", rnn_rows },           { "softmax", softmax_rows },
};

const char *pln_op_name(unsigned op)
{
    return op < PLN_OP_COUNT ? op_names[op] : NULL;
}

const struct pln_kind_row *pln_op_kinds(unsigned op)
{
    const char *name = pln_op_name(op);
    if (!name) return NULL;
    for (size_t i = 0; i < PLN_COUNT_OF(families); i++)
        if (strcmp(families[i].op, name) == 0) return families[i].rows;
    return NULL;
}

const char *pln_op_kind_name(unsigned op, unsigned kind)
{
    const struct pln_kind_row *rows = pln_op_kinds(op);
    for (; rows && rows->name; rows++)
        if (rows->kind == kind) return rows->name;
    return NULL;
}

bool pln_op_find(const char *name, const char *kind, unsigned *out_op, unsigned *out_kind)
{
    *out_op = PLN_OP_NONE;
    *out_kind = 0;
    if (!name) return false;
    unsigned op = PLN_OP_NONE + 1;
    while (op < PLN_OP_COUNT && strcmp(op_names[op], name) != 0) op++;
    if (op == PLN_OP_COUNT) return false;
    unsigned found = 0;
    const struct pln_kind_row *rows = pln_op_kinds(op);
    bool wants_kind = kind && kind[0];
    if (wants_kind != (rows != NULL)) return false;
    if (wants_kind) {
        while (rows->name && strcmp(rows->name, kind) != 0) rows++;
        if (!rows->name) return false;
        found = rows->kind;
    }
    *out_op = op;
    *out_kind = found;
    return true;
}
