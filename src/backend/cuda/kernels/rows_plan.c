/* The iteration of a row program on the device: which axes are walked as one, and how threads share the rows. */
#include "backend/cuda/kernels/rows.h"

#define ELEMENTS_A_THREAD 4 /* device/rows_entry.cuh */

/* Axes in work: innermost first, those of the row in front. */
struct axes {
    int n, n_row, n_operands;
    int64_t extent[PLN_CUDA_MAX_RANK];
    int64_t stride[PLN_CUDA_MAX_RANK][PLN_CUDA_MAX_OPERANDS];
};

static int64_t magnitude(int64_t stride)
{
    return stride < 0 ? -stride : stride;
}

static void swap_axes(struct axes *axes, int a, int b)
{
    int64_t extent = axes->extent[a], strides[PLN_CUDA_MAX_OPERANDS];
    axes->extent[a] = axes->extent[b];
    axes->extent[b] = extent;
    memcpy(strides, axes->stride[a], sizeof strides);
    memcpy(axes->stride[a], axes->stride[b], sizeof strides);
    memcpy(axes->stride[b], strides, sizeof strides);
}

static void drop_axis(struct axes *axes, int at)
{
    for (int i = at; i + 1 < axes->n; i++) swap_axes(axes, i, i + 1);
    axes->n--;
}

/* Can axis at + 1 be walked as more of axis at? */
static bool can_merge(const struct axes *axes, int at)
{
    for (int k = 0; k < axes->n_operands; k++)
        if (axes->stride[at + 1][k] != axes->stride[at][k] * axes->extent[at]) return false;
    return true;
}

/* Axes [first, first + n) in the order in which operand `by` lies, without those of extent 1, merged; returns how many are left. */
static int tidy(struct axes *axes, int first, int n, int by)
{
    for (int i = first + n - 1; i >= first; i--) {
        if (axes->extent[i] != 1) continue;
        drop_axis(axes, i);
        n--;
    }
    for (int i = first + 1; i < first + n; i++)
        for (int k = i; k > first && magnitude(axes->stride[k - 1][by]) > magnitude(axes->stride[k][by]); k--) swap_axes(axes, k - 1, k);
    for (int i = first; i + 1 < first + n;) {
        if (!can_merge(axes, i)) {
            i++;
            continue;
        }
        axes->extent[i] *= axes->extent[i + 1];
        drop_axis(axes, i + 1);
        n--;
    }
    return n;
}

/* A row that nothing is left of has one element. */
static void insert_axis(struct axes *axes)
{
    for (int i = axes->n; i > 0; i--) swap_axes(axes, i, i - 1);
    axes->n++;
    axes->extent[0] = 1;
    memset(axes->stride[0], 0, sizeof axes->stride[0]);
}

/* The operand whose order counts: what is walked most, an input that is reduced or the output. */
static int key_operand(const struct pln_rows_work *work)
{
    const struct pln_rowprog *program = &work->program;
    if (pln_rows_by_rows(work))
        for (int i = 0; i < program->n_inputs; i++)
            if (pln_rows_walks(work, &program->inputs[i])) return i;
    return program->n_inputs;
}

static int64_t power_of_2(int64_t at_most)
{
    int64_t power = 1;
    while (power * 2 <= at_most) power *= 2;
    return power;
}

/* Depends on the row alone, and on how it lies, so that a row's result does not change with the number of rows. */
static void share_rows(const struct axes *axes, int by, int threads, struct pln_cuda_rows_params *out)
{
    const int64_t step = magnitude(axes->stride[0][by]);
    out->rows_first = axes->n > axes->n_row && step != 0 && magnitude(axes->stride[axes->n_row][by]) < step;
    if (out->rows_first) out->lanes = (int32_t)power_of_2(PLN_MIN(32, PLN_MAX(1, out->n / 64))); /* rows of the block lie side by side: 8 at least, a sector of f32 */
    else if (out->n > 1024) out->lanes = threads;
    else out->lanes = (int32_t)power_of_2(PLN_MIN(32, PLN_MAX(1, out->n / 4)));
}

enum pln_status pln_rows_plan(const char *name, const struct pln_rows_work *work, const struct pln_tensor *const *inputs, const struct pln_tensor *outputs, int threads, struct pln_diag *diag,
                              struct pln_cuda_rows_params *out_params, int64_t *out_tasks)
{
    const struct pln_rowprog *program = &work->program;
    struct pln_cuda_operand operands[PLN_CUDA_MAX_OPERANDS];
    int64_t extents[PLN_MAX_RANK];
    PLN_TRY(pln_cuda_fill_operands(name, program, inputs, outputs, 0, diag, operands, extents));
    const bool by_rows = pln_rows_by_rows(work);
    const int rank = program->rank, by = key_operand(work);
    struct axes axes = { .n = rank, .n_row = by_rows ? work->n_row_axes : rank, .n_operands = program->n_inputs + program->n_outputs };
    for (int i = 0; i < rank; i++) {
        axes.extent[i] = extents[rank - 1 - i];
        for (int k = 0; k < axes.n_operands; k++) axes.stride[i][k] = operands[k].strides[rank - 1 - i];
    }
    if (!pln_shape_count(axes.n_row, axes.extent, &out_params->n) || !pln_shape_count(rank - axes.n_row, axes.extent + axes.n_row, &out_params->n_rows))
        return pln_fail(diag, PLN_INVALID_ARGUMENT, "%s: there are more elements than can be counted", name);
    if (out_params->n > 0 && out_params->n_rows > 0) {
        (void)tidy(&axes, axes.n_row, rank - axes.n_row, by);
        axes.n_row = tidy(&axes, 0, axes.n_row, by);
        if (axes.n_row == 0) {
            insert_axis(&axes);
            axes.n_row = 1;
        }
    }
    out_params->n_row_axes = axes.n_row;
    out_params->n_axes = axes.n;
    memcpy(out_params->extents, axes.extent, sizeof out_params->extents);
    for (int k = 0; k < axes.n_operands; k++) {
        out_params->operands[k] = operands[k];
        memset(out_params->operands[k].strides, 0, sizeof operands[k].strides);
        for (int i = 0; i < axes.n; i++) out_params->operands[k].strides[i] = axes.stride[i][k];
    }
    share_rows(&axes, by, threads, out_params);
    const int64_t a_task = by_rows ? threads / out_params->lanes : (int64_t)threads * ELEMENTS_A_THREAD, n = by_rows ? out_params->n_rows : out_params->n;
    *out_tasks = n / a_task + (n % a_task != 0);
    return PLN_OK;
}
