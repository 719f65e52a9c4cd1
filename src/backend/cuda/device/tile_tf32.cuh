/* The functions of tile.cuh on tensor cores: 8 warps, four below each other and two side by side, of 32 rows and 32 columns each, by products of 16x8 and 8x8
 * elements in tf32 (f32 with 10 bits of fraction) with sums in f32 (PTX ISA, "Matrix multiply-accumulate operation using mma instruction", m16n8k8). PLN_EMULATED:
 * the same registers hold the same elements, the arithmetic is plain. */
static_assert(PLN_TILE_M == 128 && PLN_TILE_N == 64 && PLN_TILE_K % 8 == 0, "a tile of 8 warps");

/* To the nearest tf32, ties away from zero. */
PLN_INLINE float pln_tile_value(float x)
{
#ifdef PLN_EMULATED
    const uint32_t bits = pln_float_bits(x);
    return (bits & 0x7f800000u) == 0x7f800000u ? x : __uint_as_float((bits + 0x1000u) & 0xffffe000u);
#else
    uint32_t bits;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
    return __uint_as_float(bits);
#endif
}

/* sums += a b. With g = lane / 4 and t = lane % 4, the lane has of a, as [row, k], (g, t), (g + 8, t), (g, t + 4), (g + 8, t + 4); of b, as [k, column], (t, g) and
 * (t + 4, g); of the sums (g, 2t), (g, 2t + 1), (g + 8, 2t), (g + 8, 2t + 1). */
PLN_INLINE void pln_tf32_mma(float (&sums)[4], const float (&a)[4], const float (&b)[2])
{
#ifdef PLN_EMULATED
    __shared__ float exchange[8][32][6];
    const int lane = threadIdx.x % 32;
    float (&warp)[32][6] = exchange[threadIdx.x / 32];
    for (int i = 0; i < 6; i++) warp[lane][i] = i < 4 ? a[i] : b[i - 4];
    __syncwarp(0xffffffffu);
    for (int s = 0; s < 4; s++) {
        const int row = lane / 4, low = s / 2, col = lane % 4 * 2 + s % 2;
        for (int k = 0; k < 8; k++) sums[s] = fmaf(warp[row * 4 + k % 4][k / 4 * 2 + low], warp[col * 4 + k % 4][4 + k / 4], sums[s]);
    }
    __syncwarp(0xffffffffu);
#else
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
                 : "r"(pln_float_bits(a[0])), "r"(pln_float_bits(a[1])), "r"(pln_float_bits(a[2])), "r"(pln_float_bits(a[3])), "r"(pln_float_bits(b[0])), "r"(pln_float_bits(b[1])));
#endif
}

/* A thread's sums are four of each of 2 x 4 products: sums[4 * i + j] of rows 16 i and columns 8 j of its warp. */
PLN_INLINE void pln_tile_multiply(const float (&a)[PLN_TILE_K][PLN_TILE_M + PLN_TILE_PAD], const float (&b)[PLN_TILE_K][PLN_TILE_N + PLN_TILE_PAD], int, int, float (&sums)[PLN_TILE_ROWS][PLN_TILE_COLS])
{
    const int warp = threadIdx.x / 32, g = threadIdx.x % 32 / 4, t = threadIdx.x % 4, row = warp % 4 * 32 + g, col = warp / 4 * 32 + g;
#pragma unroll
    for (int k = 0; k < PLN_TILE_K; k += 8) {
        float x[2][4], y[4][2];
#pragma unroll
        for (int i = 0; i < 2; i++)
#pragma unroll
            for (int s = 0; s < 4; s++) x[i][s] = a[k + t + s / 2 * 4][row + 16 * i + s % 2 * 8];
#pragma unroll
        for (int j = 0; j < 4; j++)
#pragma unroll
            for (int s = 0; s < 2; s++) y[j][s] = b[k + t + 4 * s][col + 8 * j];
#pragma unroll
        for (int i = 0; i < 2; i++)
#pragma unroll
            for (int j = 0; j < 4; j++) pln_tf32_mma(sums[4 * i + j], x[i], y[j]);
    }
}

PLN_INLINE void pln_tile_spread(float *to, int, int, const float (&sums)[PLN_TILE_ROWS][PLN_TILE_COLS])
{
    const int warp = threadIdx.x / 32, g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
#pragma unroll
    for (int p = 0; p < 8; p++)
#pragma unroll
        for (int s = 0; s < 4; s++) to[(warp % 4 * 32 + p / 4 * 16 + s / 2 * 8 + g) * (PLN_TILE_N + 1) + warp / 4 * 32 + p % 4 * 8 + 2 * t + s % 2] = sums[p][s];
}
