#include "profile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "planish/experimental/explore.h"

int profile_make(const struct command *command, const struct model *model, pln_context *context, double budget_ms, struct profile *out_profile)
{
    struct pln_engine_summary summary;
    pln_engine_summarize(model->engine, &summary);
    const size_t n = (size_t)summary.steps + 1;
    *out_profile = (struct profile){ .n_steps = summary.steps, .ms = calloc(n, sizeof(double)), .counts = calloc(n, sizeof(uint64_t)) };
    if (!out_profile->ms || !out_profile->counts) {
        profile_free(out_profile);
        return command_fail(command, 1, "out of memory");
    }
    pln_context_set_profiling(context, 1);
    enum pln_status status = PLN_OK;
    const double begin = now_ms(), end = begin + budget_ms;
    for (; status == PLN_OK && (out_profile->runs < 3 || (out_profile->runs < 100 && now_ms() < end)); out_profile->runs++) {
        double start = now_ms();
        progress_tell(NULL, out_profile->runs < 3 ? out_profile->runs : start - begin, out_profile->runs < 3 ? 3 : budget_ms);
        status = pln_context_run(context);
        out_profile->run_ms += now_ms() - start;
        for (int i = 0; i < out_profile->n_steps; i++) {
            uint64_t ns = 0;
            if (pln_context_step_time(context, i, &ns, &out_profile->counts[i]) == PLN_OK) out_profile->ms[i] += (double)ns * 1e-6;
        }
    }
    out_profile->run_ms /= out_profile->runs;
    for (int i = 0; i < out_profile->n_steps; i++) out_profile->ms[i] /= out_profile->runs;
    int exit_status = status == PLN_OK ? 0 : model_fail(command, pln_context_diagnostics(context), status, "run");
    pln_context_set_profiling(context, 0);
    if (exit_status) profile_free(out_profile);
    return exit_status;
}

void profile_free(struct profile *profile)
{
    free(profile->ms);
    free(profile->counts);
    *profile = (struct profile){ 0 };
}

/* ---- work ---- */

/* false: there is none, or its extents are not known. */
static bool operand(pln_context *context, const uint32_t *values, int n, int index, struct pln_value_info *out_info)
{
    if (index >= n || values[index] == UINT32_MAX || pln_context_value(context, (int)values[index], out_info) != PLN_OK || out_info->rank < 0) return false;
    for (int i = 0; i < out_info->rank; i++)
        if (out_info->dims[i] < 0) return false;
    return true;
}

static double count_of(const struct pln_value_info *info)
{
    double count = 1;
    for (int i = 0; i < info->rank; i++) count *= (double)info->dims[i];
    return count;
}

static double divide(double a, double b)
{
    return b > 0 ? a / b : 0;
}

/* Of op's kinds of product: where its second operand stands, and how operands become a number of operations. */
static double count_flops(const char *op, pln_context *context, const struct pln_step_operands *operands)
{
    struct pln_value_info a, b, out;
    const bool conv = strcmp(op, "conv") == 0 || strcmp(op, "conv_integer") == 0, conv_back = strcmp(op, "conv_transpose") == 0, quantized = strncmp(op, "qlinear_", 8) == 0;
    const bool gemm = strcmp(op, "gemm") == 0, matmul = strcmp(op, "matmul") == 0 || strcmp(op, "matmul_integer") == 0 || strcmp(op, "qlinear_matmul") == 0, attention = strcmp(op, "attention") == 0;
    if (!operand(context, operands->inputs, operands->n_inputs, 0, &a) || !operand(context, operands->inputs, operands->n_inputs, quantized ? 3 : 1, &b) ||
        !operand(context, operands->outputs, operands->n_outputs, 0, &out))
        return NAN;
    if (conv || strcmp(op, "qlinear_conv") == 0) return b.rank > 0 ? 2 * count_of(&out) * divide(count_of(&b), (double)b.dims[0]) : NAN;
    if (conv_back) return b.rank > 0 ? 2 * count_of(&a) * divide(count_of(&b), (double)b.dims[0]) : NAN;
    if (gemm) return out.rank > 0 ? 2 * count_of(&out) * divide(count_of(&a), (double)out.dims[0]) : NAN;
    if (matmul) return a.rank > 0 ? 2 * count_of(&out) * (double)a.dims[a.rank - 1] : NAN;
    if (!attention || (b.rank != 3 && b.rank != 4)) return NAN;
    double length = (double)b.dims[b.rank == 3 ? 1 : 2];
    struct pln_value_info past;
    if (operand(context, operands->inputs, operands->n_inputs, 4, &past) && past.rank == 4) length += (double)past.dims[2];
    return 4 * count_of(&a) * length; /* query by key, and the weights by value */
}

static bool listed_before(const uint32_t *values, int n)
{
    for (int i = 0; i < n; i++)
        if (values[i] == values[n]) return true;
    return false;
}

static double sum_bytes(pln_context *context, const uint32_t *values, int n)
{
    double bytes = 0;
    for (int i = 0; i < n; i++) {
        struct pln_value_info info;
        if (values[i] == UINT32_MAX || listed_before(values, i) || pln_context_value(context, (int)values[i], &info) != PLN_OK) continue;
        if (info.rank < 0 || info.kind != PLN_VALUE_TENSOR) return NAN;
        for (int d = 0; d < info.rank; d++)
            if (info.dims[d] < 0) return NAN;
        bytes += (double)info.size_bytes;
    }
    return bytes;
}

void profile_step_work(const struct model *model, pln_context *context, int index, struct step_work *out_work)
{
    struct pln_step_info info;
    struct pln_step_operands operands;
    *out_work = (struct step_work){ NAN, NAN };
    if (pln_engine_step(model->engine, index, &info) != PLN_OK || pln_engine_step_operands(model->engine, index, &operands) != PLN_OK) return;
    out_work->flops = count_flops(info.op, context, &operands);
    out_work->bytes = sum_bytes(context, operands.inputs, operands.n_inputs) + sum_bytes(context, operands.outputs, operands.n_outputs);
    struct pln_value_info out;
    /* A gather reads as much of its table as it writes. */
    if (strcmp(info.op, "gather") == 0 && operand(context, operands.outputs, operands.n_outputs, 0, &out))
        out_work->bytes = 2 * (double)out.size_bytes + (operands.n_inputs > 1 ? sum_bytes(context, operands.inputs + 1, 1) : 0);
}
