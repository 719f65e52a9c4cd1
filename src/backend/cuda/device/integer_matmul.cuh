/* Products of matrices of bytes less their zero points, summed in integers: MatMulInteger, and QLinearMatMul, whose sums are scaled and quantized again. Each of
 * 16 x 16 threads has 4 x 4 sums of a tile of 64 x 64.
 *
 * Defines: PLN_A, PLN_B, PLN_Y (element types), PLN_SUM (type of the sums: 64 bits where they must not wrap). For QLinearMatMul also PLN_A_SCALE, PLN_B_SCALE,
 * PLN_Y_SCALE (element types of scales), PLN_LOW and PLN_HIGH (what PLN_Y holds). */
#include "backend/cuda/device/integer_matmul_params.h"
#include "backend/cuda/device/prelude.cuh"

#define THREADS 256
#define TILE PLN_INTEGER_TILE
#define DEPTH 16
#define PITCH (TILE + 1)

struct pln_integer_room {
    int32_t a[DEPTH * PITCH], b[DEPTH * PITCH]; /* [depth, row of a or column of b] */
    int32_t a_zero[TILE], b_zero[TILE];
};

struct pln_integer_place {
    int64_t a_at, b_at, y_at, a_matrix, b_matrix;
    int64_t row, col;
};

template <typename T> PLN_INLINE T pln_parameter(const struct pln_integer_parameter *p, int64_t matrix, int64_t lane)
{
    return ((const T *)p->data)[p->single ? 0 : matrix * p->per_matrix + lane];
}

PLN_INLINE void pln_integer_find(const struct pln_integer_matmul_params *p, int64_t task, struct pln_integer_place *place)
{
    place->col = task % p->n_tiles * TILE;
    int64_t rest = task / p->n_tiles;
    place->row = rest % p->m_tiles * TILE;
    rest /= p->m_tiles;
    place->a_at = place->b_at = place->y_at = place->a_matrix = place->b_matrix = 0;
    for (int64_t d = p->batch_rank - 1; d >= 0; d--) {
        const int64_t index = rest % p->batch[d];
        rest /= p->batch[d];
        place->a_at += index * p->a.batch_strides[d];
        place->b_at += index * p->b.batch_strides[d];
        place->y_at += index * p->y.batch_strides[d];
        place->a_matrix += index * p->a.matrix_strides[d];
        place->b_matrix += index * p->b.matrix_strides[d];
    }
}

PLN_INLINE void pln_integer_load_zeros(const struct pln_integer_matmul_params *p, const struct pln_integer_place *place, struct pln_integer_room *room)
{
    for (int i = threadIdx.x; i < TILE; i += THREADS) {
        room->a_zero[i] = p->a.zero.data && place->row + i < p->m ? (int32_t)pln_parameter<PLN_A>(&p->a.zero, place->a_matrix, place->row + i) : 0;
        room->b_zero[i] = p->b.zero.data && place->col + i < p->n ? (int32_t)pln_parameter<PLN_B>(&p->b.zero, place->b_matrix, place->col + i) : 0;
    }
}

PLN_INLINE void pln_integer_load(const struct pln_integer_matmul_params *p, const struct pln_integer_place *place, int64_t from, struct pln_integer_room *room)
{
    const PLN_A *a = (const PLN_A *)p->a.data + place->a_at;
    const PLN_B *b = (const PLN_B *)p->b.data + place->b_at;
    for (int e = threadIdx.x; e < DEPTH * TILE; e += THREADS) {
        const int k = e % DEPTH, i = e / DEPTH;
        const bool in = place->row + i < p->m && from + k < p->k;
        room->a[k * PITCH + i] = in ? (int32_t)a[(place->row + i) * p->a.row_stride + (from + k) * p->a.col_stride] - room->a_zero[i] : 0;
    }
    for (int e = threadIdx.x; e < DEPTH * TILE; e += THREADS) {
        const int k = e / TILE, j = e % TILE;
        const bool in = place->col + j < p->n && from + k < p->k;
        room->b[k * PITCH + j] = in ? (int32_t)b[(from + k) * p->b.row_stride + (place->col + j) * p->b.col_stride] - room->b_zero[j] : 0;
    }
}

PLN_INLINE void pln_integer_store(const struct pln_integer_matmul_params *p, const struct pln_integer_place *place, int64_t row, int64_t col, PLN_SUM sum)
{
    PLN_Y *y = (PLN_Y *)p->y.data + place->y_at + row * p->y.row_stride + col * p->y.col_stride;
#ifdef PLN_Y_SCALE
    /* In double, as the quotient falls on one side of the middle of two integers or on the other. */
    const double a_scale = pln_value(pln_parameter<PLN_A_SCALE>(&p->a.scale, place->a_matrix, row)), b_scale = pln_value(pln_parameter<PLN_B_SCALE>(&p->b.scale, place->b_matrix, col));
    const double scale = a_scale * b_scale / (double)pln_value(pln_parameter<PLN_Y_SCALE>(&p->y.scale, 0, 0));
    const double value = rint((double)sum * scale) + (double)pln_parameter<PLN_Y>(&p->y.zero, 0, 0), low = PLN_LOW, high = PLN_HIGH;
    *y = (PLN_Y)(!(value > low) ? low : value > high ? high : value);
#else
    (void)place;
    *y = (PLN_Y)sum;
#endif
}

PLN_INLINE void pln_integer_task(const struct pln_integer_matmul_params *p, int64_t task, struct pln_integer_room *room)
{
    const int tx = threadIdx.x % 16, ty = threadIdx.x / 16;
    struct pln_integer_place place;
    PLN_SUM sums[4][4];
#pragma unroll
    for (int i = 0; i < 16; i++) sums[i / 4][i % 4] = 0;
    pln_integer_find(p, task, &place);
    pln_integer_load_zeros(p, &place, room);
    __syncthreads();
    for (int64_t from = 0; from < p->k; from += DEPTH) {
        int32_t part[4][4];
        pln_integer_load(p, &place, from, room);
        __syncthreads();
#pragma unroll
        for (int i = 0; i < 16; i++) part[i / 4][i % 4] = 0;
#pragma unroll 4
        for (int k = 0; k < DEPTH; k++)
#pragma unroll
            for (int i = 0; i < 4; i++)
#pragma unroll
                for (int j = 0; j < 4; j++) part[i][j] += room->a[k * PITCH + ty + 16 * i] * room->b[k * PITCH + tx + 16 * j];
#pragma unroll
        for (int i = 0; i < 16; i++) sums[i / 4][i % 4] += (PLN_SUM)part[i / 4][i % 4];
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < 16; i++) {
        const int64_t row = place.row + ty + 16 * (i / 4), col = place.col + tx + 16 * (i % 4);
        if (row < p->m && col < p->n) pln_integer_store(p, &place, row, col, sums[i / 4][i % 4]);
    }
    __syncthreads();
}

extern "C" __global__ void __launch_bounds__(THREADS) pln_entry(const struct pln_integer_matmul_params *p)
{
    __shared__ struct pln_integer_room room;
    for (int64_t task = blockIdx.x; task < p->head.n_tasks; task += gridDim.x) pln_integer_task(p, task, &room);
}
