#include "backend/cuda/kernels/move.h"

#define THREADS     256 /* device/move.cuh */
#define TILE        32
#define TILED_LEAST 8 /* shorter axes would leave most of a tile empty */

static int64_t magnitude(int64_t stride)
{
    return stride < 0 ? -stride : stride;
}

/* The axis along which the input is denser than along the output's fastest one; -1: none. */
static int input_axis(const struct pln_cuda_walk *walk)
{
    int last = walk->rank - 1, best = -1;
    if (last < 1 || walk->dims[last] < TILED_LEAST) return -1;
    int64_t least = magnitude(walk->strides[1][last]);
    for (int d = 0; d < last; d++) {
        int64_t step = magnitude(walk->strides[1][d]);
        if (step == 0 || step >= least || walk->dims[d] < TILED_LEAST) continue;
        least = step;
        best = d;
    }
    return best;
}

/* Makes axis d the last but one. */
static void move_axis(struct pln_cuda_move_params *params, int d)
{
    int64_t dim = params->dims[d], from = params->from_strides[d], to = params->to_strides[d];
    int last = (int)params->rank - 2;
    for (; d < last; d++) {
        params->dims[d] = params->dims[d + 1];
        params->from_strides[d] = params->from_strides[d + 1];
        params->to_strides[d] = params->to_strides[d + 1];
    }
    params->dims[last] = dim;
    params->from_strides[last] = from;
    params->to_strides[last] = to;
}

void pln_cuda_move_fill(struct pln_cuda_walk *walk, int64_t n, struct pln_cuda_move_params *params,
                        struct pln_prepared *out_prepared)
{
    *out_prepared = (struct pln_prepared){ .grain = 1, .block_threads = THREADS };
    params->n_elements = n;
    if (n == 0) return;
    pln_cuda_walk_merge(walk);
    params->rank = walk->rank;
    memcpy(params->dims, walk->dims, sizeof params->dims);
    memcpy(params->to_strides, walk->strides[0], sizeof params->to_strides);
    memcpy(params->from_strides, walk->strides[1], sizeof params->from_strides);
    int axis = input_axis(walk);
    params->tiled = axis >= 0;
    if (axis < 0) {
        out_prepared->n_tasks = pln_cuda_tasks(n, (int64_t)THREADS * PLN_CUDA_MOVE_ELEMENTS);
        return;
    }
    move_axis(params, axis);
    out_prepared->n_tasks = 1;
    for (int d = 0; d < walk->rank - 2; d++) out_prepared->n_tasks *= params->dims[d];
    for (int k = 0; k < 2; k++) {
        params->tiles[k] = pln_cuda_tasks(params->dims[walk->rank - 2 + k], TILE);
        out_prepared->n_tasks *= params->tiles[k];
    }
}

void pln_cuda_move_emit(enum pln_dtype dtype, struct pln_text *out_source)
{
    pln_text_printf(out_source, "#define PLN_ELEMENT %s\n#include \"backend/cuda/device/move.cuh\"\n",
                    pln_cuda_unit(dtype));
}
