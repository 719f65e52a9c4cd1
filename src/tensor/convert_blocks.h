/* The halves of pln_convert: every type is loaded into, and stored from, a block of one of three pivots, of which one
 * holds it exactly: f32 (f32 and narrower floats), f64, i64 (integers and bool; u64 as its bits). So N types need 2 N
 * loops, not N². Internal to tensor/. `first` counts elements; sub-byte blocks start on a byte (PLN_CONVERT_BLOCK is a
 * multiple of 4). */
#ifndef PLN_TENSOR_CONVERT_BLOCKS_H
#define PLN_TENSOR_CONVERT_BLOCKS_H

#include "tensor/convert.h"
#include "tensor/small_float.h"

/* Elements a block: the pivots stay in the first-level cache. */
#define PLN_CONVERT_BLOCK 512

enum pln_pivot { PLN_PIVOT_F32, PLN_PIVOT_F64, PLN_PIVOT_I64 };

struct pln_cast {
    enum pln_dtype from, to;
    bool saturate;
    enum pln_e8m0_round round;
    const float *table; /* values of an 8-bit float, or NULL */
};

enum pln_pivot pln_pivot_of(enum pln_dtype dtype);

void pln_block_load_f32(const struct pln_cast *cast, const void *data, int64_t first, int64_t n, float *out);
void pln_block_load_f64(const struct pln_cast *cast, const void *data, int64_t first, int64_t n, double *out);
void pln_block_load_i64(const struct pln_cast *cast, const void *data, int64_t first, int64_t n, int64_t *out);

void pln_block_store_f32(const struct pln_cast *cast, void *data, int64_t first, int64_t n, const float *in);
void pln_block_store_f64(const struct pln_cast *cast, void *data, int64_t first, int64_t n, const double *in);
/* in holds bits of u64 when cast->from is PLN_U64. */
void pln_block_store_i64(const struct pln_cast *cast, void *data, int64_t first, int64_t n, const int64_t *in);

#if PLN_ISA_X86
/* VCVTPH2PS and VCVTPS2PH; only where the CPU has AVX2 and F16C. */
void pln_f16_to_f32_avx2(const uint16_t *in, float *out, int64_t n);
void pln_f32_to_f16_avx2(const float *in, uint16_t *out, int64_t n);
#endif

/* Strings: numbers are written as Python's repr writes a float (shortest digits that read back: "1.0", "1e-05", "nan",
 * "True"); read as decimal numbers, "inf", "nan", "True", "False" in any case. */
enum pln_status pln_convert_to_text(const struct pln_tensor *from, struct pln_tensor *to, struct pln_arena *strings,
                                    struct pln_diag *diag);
enum pln_status pln_convert_from_text(const struct pln_tensor *from, struct pln_tensor *to, const struct pln_cast *cast,
                                      struct pln_diag *diag);

#endif
