/* What one core can do at most. */
#ifndef PLN_BENCH_PEAK_H
#define PLN_BENCH_PEAK_H

#include <stdint.h>

/* GFLOP/s of f32 multiply-adds on the widest vectors of these features (of enum pln_cpu_feature_bit); 0: not known. */
double bench_peak_gflops(uint64_t features);

#endif
