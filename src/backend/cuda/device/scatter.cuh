/* SCATTER_ELEMENTS and SCATTER_ND. A task owns some slices and columns of the output: it copies data there, then goes
 * through all places in order, a place a thread at a time, and writes those that are its own. So each element sees its
 * updates in the order of the places, whatever the grid is, and nobody waits for another block. An index outside of its
 * axis is fault 1.
 *
 * Defines: PLN_T (element type; without a reduction the unsigned type of its size), PLN_INDEX (int32_t or int64_t),
 * PLN_THREADS, and PLN_COMBINE(a, b) of values with a reduction. */
#include "backend/cuda/device/scatter_params.h"
#include "backend/cuda/device/walk.cuh"

struct chunk {
    int64_t slice[PLN_THREADS]; /* that each place writes, counted from the task's first; -1: it is not the task's */
    int64_t from[PLN_THREADS];  /* where its updates are */
    int16_t next[PLN_THREADS];  /* place of the chunk that writes the same slice next; -1: none */
    int16_t first[PLN_THREADS]; /* 1: no place of the chunk before it writes this slice */
};

/* Slice that a place names, -1: an index is outside. */
PLN_INLINE int64_t find_slice(const struct pln_cuda_scatter_params *p, int64_t place, int64_t *out_from)
{
    int64_t at[PLN_CUDA_MAX_RANK], where = 0, from = 0, slice = 0;
    for (int64_t d = p->lead - 1; d >= 0; d--) {
        at[d] = pln_take_index(&place, p->place_dims[d]);
        where += at[d] * p->index_strides[d];
        from += at[d] * p->place_strides[d];
    }
    *out_from = from;
    for (int64_t k = 0; k < p->depth; k++) {
        int64_t index;
        if (p->indexed_axis < 0 || p->indexed_axis == k) {
            index = ((const PLN_INDEX *)p->indices)[where + k * p->index_step];
            if (index < 0) index += p->dims[k];
            if (index < 0 || index >= p->dims[k]) {
                pln_fault(&p->head, 1);
                return -1;
            }
        } else {
            index = at[k];
        }
        slice = slice * p->dims[k] + index;
    }
    return slice;
}

/* Offset of an element of the output in a tensor of these strides. */
PLN_INLINE int64_t slice_offset(const struct pln_cuda_scatter_params *p, int64_t slice, const int64_t *strides)
{
    int64_t at = 0;
    for (int64_t d = p->depth - 1; d >= 0; d--) at += pln_take_index(&slice, p->dims[d]) * strides[d];
    return at;
}

PLN_INLINE int64_t column_offset(const struct pln_cuda_scatter_params *p, int64_t column, const int64_t *strides)
{
    int64_t at = 0;
    for (int64_t d = p->rank - 1; d >= p->depth; d--) at += pln_take_index(&column, p->dims[d]) * strides[d];
    return at;
}

PLN_INLINE void copy_data(const struct pln_cuda_scatter_params *p, int64_t slice, int64_t slices, int64_t column,
                          int64_t columns)
{
    const PLN_T *data = (const PLN_T *)p->data;
    PLN_T *to = (PLN_T *)p->to;
    for (int64_t i = threadIdx.x; i < slices * columns; i += PLN_THREADS) {
        int64_t rest = i;
        const int64_t c = column + pln_take_index(&rest, columns), s = slice + rest;
        to[slice_offset(p, s, p->to_strides) + column_offset(p, c, p->to_strides)] =
            data[slice_offset(p, s, p->data_strides) + column_offset(p, c, p->data_strides)];
    }
}

/* Who writes a slice first, and who next. Only a thread whose place is the task's looks. */
PLN_INLINE void link_places(struct chunk *chunk)
{
    const int own = threadIdx.x;
    const int64_t slice = chunk->slice[own];
    int16_t next = -1, first = slice >= 0;
    for (int j = PLN_THREADS - 1; slice >= 0 && j > own; j--)
        if (chunk->slice[j] == slice) next = (int16_t)j;
    for (int j = 0; first && j < own; j++) first = chunk->slice[j] != slice;
    chunk->next[own] = next;
    chunk->first[own] = first;
}

/* One column of all places that write one slice. */
PLN_INLINE void write_column(const struct pln_cuda_scatter_params *p, const struct chunk *chunk, int place,
                             int64_t slice, int64_t column)
{
    const PLN_T *updates = (const PLN_T *)p->updates + column_offset(p, column, p->column_strides);
    PLN_T *to = (PLN_T *)p->to + slice_offset(p, slice, p->to_strides) + column_offset(p, column, p->to_strides);
#ifdef PLN_COMBINE
    for (; place >= 0; place = chunk->next[place]) {
        const auto a = pln_value(*to), b = pln_value(updates[chunk->from[place]]);
        pln_store(to, PLN_COMBINE(a, b));
    }
#else
    while (chunk->next[place] >= 0) place = chunk->next[place];
    *to = updates[chunk->from[place]];
#endif
}

PLN_INLINE void write_chunk(const struct pln_cuda_scatter_params *p, const struct chunk *chunk, int64_t slice,
                            int64_t column, int64_t columns)
{
    const int width = columns < PLN_THREADS ? (int)columns : PLN_THREADS, at_once = PLN_THREADS / width,
              own = threadIdx.x / width;
    if (own >= at_once) return;
    for (int j = own; j < PLN_THREADS; j += at_once) {
        if (!chunk->first[j]) continue;
        for (int64_t c = threadIdx.x % width; c < columns; c += width)
            write_column(p, chunk, j, slice + chunk->slice[j], column + c);
    }
}

extern "C" __global__ void __launch_bounds__(PLN_THREADS) pln_entry(const struct pln_cuda_scatter_params *p)
{
    __shared__ struct chunk chunk;
    for (int64_t task = blockIdx.x; task < p->head.n_tasks; task += gridDim.x) {
        const int64_t across = (p->columns + p->task_columns - 1) / p->task_columns;
        const int64_t slice = task / across * p->task_slices, column = task % across * p->task_columns;
        const int64_t slices = p->slices - slice < p->task_slices ? p->slices - slice : p->task_slices;
        const int64_t columns = p->columns - column < p->task_columns ? p->columns - column : p->task_columns;
        copy_data(p, slice, slices, column, columns);
        for (int64_t place = 0; place < p->places; place += PLN_THREADS) {
            int64_t from = 0, found = -1;
            if (place + threadIdx.x < p->places) found = find_slice(p, place + threadIdx.x, &from);
            found = found >= slice && found < slice + slices ? found - slice : -1;
            chunk.slice[threadIdx.x] = found;
            chunk.from[threadIdx.x] = from;
            if (__syncthreads_or(found >= 0)) {
                link_places(&chunk);
                __syncthreads();
                write_chunk(p, &chunk, slice, column, columns);
            }
            __syncthreads();
        }
        __syncthreads();
    }
}
