#include "backend/cpu/kernels/norm/channels_rows.h"

const struct pln_channels_isa *pln_channels_isa_portable(void)
{
    static const struct pln_channels_isa isa = { pixels_moments, pixels_normalize, run_moments, run_normalize, &pln_vec_portable };
    return &isa;
}
