/* Transposes squares of floats, for inclusion by files of one ISA. */
#ifndef PLN_CPU_VEC_TRANSPOSE_H
#define PLN_CPU_VEC_TRANSPOSE_H

#include "backend/cpu/kernels/vec/vec_f32.h"

#define VF_SQUARE 8

/* to[i * to_row + j] = from[j * from_row + i] for i and j below VF_SQUARE. */
static inline void vf_transpose_square(const float *from, int64_t from_row, float *to, int64_t to_row)
{
#if defined(__AVX2__)
    __m256 r[VF_SQUARE], pairs[VF_SQUARE], quads[VF_SQUARE];
    for (int j = 0; j < VF_SQUARE; j++) r[j] = _mm256_loadu_ps(from + j * from_row);
    for (int j = 0; j < VF_SQUARE; j += 2) {
        pairs[j] = _mm256_unpacklo_ps(r[j], r[j + 1]);
        pairs[j + 1] = _mm256_unpackhi_ps(r[j], r[j + 1]);
    }
    for (int j = 0; j < VF_SQUARE; j += 4) {
        quads[j] = _mm256_shuffle_ps(pairs[j], pairs[j + 2], 0x44);
        quads[j + 1] = _mm256_shuffle_ps(pairs[j], pairs[j + 2], 0xee);
        quads[j + 2] = _mm256_shuffle_ps(pairs[j + 1], pairs[j + 3], 0x44);
        quads[j + 3] = _mm256_shuffle_ps(pairs[j + 1], pairs[j + 3], 0xee);
    }
    for (int i = 0; i < 4; i++) {
        _mm256_storeu_ps(to + i * to_row, _mm256_permute2f128_ps(quads[i], quads[i + 4], 0x20));
        _mm256_storeu_ps(to + (i + 4) * to_row, _mm256_permute2f128_ps(quads[i], quads[i + 4], 0x31));
    }
#else
    for (int i = 0; i < VF_SQUARE; i++)
        for (int j = 0; j < VF_SQUARE; j++) to[i * to_row + j] = from[j * from_row + i];
#endif
}

#endif
