#include "backend/cpu/kernels/conv/taps_rows.h"

const struct pln_taps_isa *pln_taps_isa_avx512(void)
{
    static const struct pln_taps_isa isa = { sum_channels, sum_lines, sum_pixels, sum_taps, max_taps, pick_elements, &pln_vec_avx512 };
    return &isa;
}
