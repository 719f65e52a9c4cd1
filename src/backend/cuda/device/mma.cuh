/* Tensor cores: a warp's product of 16x16 by 16x8 elements of 2 bytes, sums in float (PTX ISA, "Matrix multiply-accumulate operation using mma
 * instruction", m16n8k16), and the tiles in shared memory that feed it.
 *
 * Defines: PLN_T, f16 or bf16; PLN_MMA_TYPE, "f16" or "bf16". A block is 8 warps, four below each other and two side by side, of 32 rows and 32 columns
 * each: 128 x 64 x 32. PLN_EMULATED: the same registers hold the same elements, the arithmetic is plain. */
#ifndef PLN_CUDA_MMA_CUH
#define PLN_CUDA_MMA_CUH

#include "backend/cuda/device/prelude.cuh"

#define PLN_MMA_M 128
#define PLN_MMA_N 64
#define PLN_MMA_K 32
/* Lines of a tile: X lines of 32 along k, or 32 lines of X. Eight elements more than needed: neighbouring lines then begin in different banks. */
#define PLN_MMA_LINE_K (PLN_MMA_K + 8)
#define PLN_MMA_LINE(X, along_k) ((along_k) ? PLN_MMA_LINE_K : (X) + 8)
#define PLN_MMA_TILE(X) ((X) * PLN_MMA_LINE_K > PLN_MMA_K * ((X) + 8) ? (X) * PLN_MMA_LINE_K : PLN_MMA_K * ((X) + 8))

struct alignas(16) pln_vec16 {
    uint32_t words[4];
};

struct pln_mma_tiles {
    alignas(16) uint16_t a[2][PLN_MMA_TILE(PLN_MMA_M)];
    alignas(16) uint16_t b[2][PLN_MMA_TILE(PLN_MMA_N)];
};

/* ---- from memory ---- */

/* Vector number i of a thread in a tile of X by 32: where its first element lies. */
template <int X> PLN_INLINE void pln_mma_vector(bool along_k, int i, int *x, int *k)
{
    const int v = i * 256 + threadIdx.x;
    *x = along_k ? v / (PLN_MMA_K / 8) : v % (X / 8) * 8;
    *k = along_k ? v % (PLN_MMA_K / 8) * 8 : v / (X / 8);
}

/* Eight elements, `left` of which are there (the rest is zero). whole: they lie side by side and begin at a multiple of 16 bytes. */
PLN_INLINE struct pln_vec16 pln_mma_load(const uint16_t *from, int64_t stride, int64_t left, bool whole)
{
    if (whole && left >= 8) return *(const struct pln_vec16 *)from;
    struct pln_vec16 v = {};
#pragma unroll
    for (int i = 0; i < 8; i++)
        if (i < left) v.words[i / 2] |= (uint32_t)from[i * stride] << (i % 2 * 16);
    return v;
}

template <int X> PLN_INLINE void pln_mma_keep(uint16_t *tile, bool along_k, const struct pln_vec16 (&values)[X / 64])
{
#pragma unroll
    for (int i = 0; i < X / 64; i++) {
        int x, k;
        pln_mma_vector<X>(along_k, i, &x, &k);
        *(struct pln_vec16 *)&tile[along_k ? x * PLN_MMA_LINE_K + k : k * (X + 8) + x] = values[i];
    }
}

/* ---- fragments ---- */

/* Four 8x8 blocks of a tile. In block j the lane gets the elements (x + lane / 4, k + lane % 4 * 2) and that behind it along k, the low half first; a block
 * lies 8 further along x where bit (j & 1) is set if x_first, else (j & 2), and along k where the other one is: with x_first they are the registers of
 * operand A (16 rows), else those of B for 16 columns (two registers for each 8). */
template <int X> PLN_INLINE void pln_mma_fragment(const uint16_t *tile, bool along_k, int x, int k, bool x_first, uint32_t (&out)[4])
{
    const int lane = threadIdx.x % 32;
#ifdef PLN_EMULATED
    for (int j = 0; j < 4; j++) {
        const int at_x = x + ((x_first ? j & 1 : j >> 1) ? 8 : 0) + lane / 4, at_k = k + ((x_first ? j >> 1 : j & 1) ? 8 : 0) + lane % 4 * 2;
        const uint16_t *at = tile + (along_k ? at_x * PLN_MMA_LINE_K + at_k : at_k * (X + 8) + at_x);
        out[j] = at[0] | (uint32_t)at[along_k ? 1 : X + 8] << 16;
    }
#else
    /* Lane l names line l % 8 of block l / 8 (PTX ISA, "ldmatrix"). Lines run along k, or along x and then are transposed. */
    const int j = lane / 8, line = lane % 8, x_block = (x_first ? j & 1 : j >> 1) * 8, k_block = (x_first ? j >> 1 : j & 1) * 8;
    const uint16_t *at = along_k ? tile + (x + x_block + line) * PLN_MMA_LINE_K + k + k_block : tile + (k + k_block + line) * (X + 8) + x + x_block;
    const uint32_t address = (uint32_t)__cvta_generic_to_shared(at);
    if (along_k)
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];" : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3]) : "r"(address) : "memory");
    else
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];" : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3]) : "r"(address) : "memory");
#endif
}

#ifdef PLN_EMULATED
PLN_INLINE float pln_mma_element(const uint32_t *words, int i)
{
    PLN_T x;
    x.bits = (uint16_t)(words[i / 2] >> (i % 2 * 16));
    return pln_value(x);
}
#endif

/* sums += a b. sums: elements (g, t), (g, t + 1), (g + 8, t), (g + 8, t + 1) with g = lane / 4, t = lane % 4 * 2. */
PLN_INLINE void pln_mma(float (&sums)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1)
{
#ifdef PLN_EMULATED
    __shared__ uint32_t exchange[8][32][6];
    const int lane = threadIdx.x % 32;
    uint32_t (&warp)[32][6] = exchange[threadIdx.x / 32];
    for (int i = 0; i < 4; i++) warp[lane][i] = a[i];
    warp[lane][4] = b0;
    warp[lane][5] = b1;
    __syncwarp(0xffffffffu);
    for (int s = 0; s < 4; s++) {
        const int row = lane / 4, col = lane % 4 * 2 + s % 2, low = s / 2;
        for (int k = 0; k < 16; k++) {
            /* Element k of a row lies with the lane k % 8 / 2 of its four, in the register of its half. */
            const float x = pln_mma_element(&warp[row * 4 + k % 8 / 2][k / 8 * 2 + low], k % 2), y = pln_mma_element(&warp[col * 4 + k % 8 / 2][4 + k / 8], k % 2);
            sums[s] = fmaf(x, y, sums[s]);
        }
    }
    __syncwarp(0xffffffffu);
#else
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32." PLN_MMA_TYPE "." PLN_MMA_TYPE ".f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#endif
}

/* ---- a warp's part of a block ---- */

typedef float pln_mma_sums[2][4][4]; /* 16 rows, 8 columns, registers */

PLN_INLINE void pln_mma_multiply(const uint16_t *a, bool a_along_k, const uint16_t *b, bool b_along_k, pln_mma_sums &sums)
{
    const int warp = threadIdx.x / 32, row = warp % 4 * 32, col = warp / 4 * 32;
#pragma unroll
    for (int k = 0; k < PLN_MMA_K; k += 16) {
        uint32_t x[2][4], y[2][4];
#pragma unroll
        for (int i = 0; i < 2; i++) pln_mma_fragment<PLN_MMA_M>(a, a_along_k, row + i * 16, k, true, x[i]);
#pragma unroll
        for (int j = 0; j < 2; j++) pln_mma_fragment<PLN_MMA_N>(b, b_along_k, col + j * 16, k, false, y[j]);
#pragma unroll
        for (int i = 0; i < 2; i++)
#pragma unroll
            for (int j = 0; j < 4; j++) pln_mma(sums[i][j], x[i], y[j / 2][j % 2 * 2], y[j / 2][j % 2 * 2 + 1]);
    }
}

/* A thread's sums to the block's tile of PLN_MMA_N + 1 a line. */
PLN_INLINE void pln_mma_spread(float *to, const pln_mma_sums &sums)
{
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
#pragma unroll
    for (int i = 0; i < 2; i++)
#pragma unroll
        for (int j = 0; j < 4; j++)
#pragma unroll
            for (int s = 0; s < 4; s++) to[(warp % 4 * 32 + i * 16 + s / 2 * 8 + lane / 4) * (PLN_MMA_N + 1) + warp / 4 * 32 + j * 8 + lane % 4 * 2 + s % 2] = sums[i][j][s];
}

#endif
