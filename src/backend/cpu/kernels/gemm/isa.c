/* The tile and the vector functions of each ISA. */
#include "backend/cpu/kernels/gemm/tile.h"

const struct pln_gemm_isa *pln_gemm_isa_portable(void)
{
    static const struct pln_gemm_isa isa = { pln_gemm_tile_portable, pln_gemm_few_portable, pln_gemm_quantized_few_portable, pln_gemm_quantized_unpack_portable, 6, 8, 0, 256, &pln_vec_portable };
    return &isa;
}

#if PLN_ISA_X86
const struct pln_gemm_isa *pln_gemm_isa_avx2(void)
{
    static const struct pln_gemm_isa isa = { pln_gemm_tile_avx2, pln_gemm_few_avx2, pln_gemm_quantized_few_avx2, pln_gemm_quantized_unpack_avx2, 6, 16, 0, 768, &pln_vec_avx2 };
    return &isa;
}

const struct pln_gemm_isa *pln_gemm_isa_avx2_wide(void)
{
    static const struct pln_gemm_isa isa = { pln_gemm_tile_avx2, pln_gemm_few_avx2, pln_gemm_quantized_few_avx2, pln_gemm_quantized_unpack_avx2, 6, 16, 4, 768, &pln_vec_avx2 };
    return &isa;
}

const struct pln_gemm_isa *pln_gemm_isa_avx512(void)
{
    static const struct pln_gemm_isa isa = { pln_gemm_tile_avx512, pln_gemm_few_avx512, pln_gemm_quantized_few_avx512, pln_gemm_quantized_unpack_avx512, 14, 32, 0, 384, &pln_vec_avx512 };
    return &isa;
}
#endif
