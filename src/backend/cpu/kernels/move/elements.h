/* How GatherElements and ScatterElements see their operands: index [i0, …] of indices belongs to the element of data at the same place, but for
 * the axis, where it says which. Axes that do not matter are joined, so that loops over the last one are long. */
#ifndef PLN_CPU_ELEMENTS_H
#define PLN_CPU_ELEMENTS_H

#include "kernel/kernel.h"

struct pln_elements_view {
    int rank, axis;                 /* rank >= 1 */
    int64_t dims[PLN_MAX_RANK];     /* of indices */
    int64_t strides[PLN_MAX_RANK];  /* of data, elements */
    int64_t extents[PLN_MAX_RANK];  /* of data */
};

/* false: the shapes do not fit. Both tensors are dense. */
bool pln_elements_view(const struct pln_tensor *data, const struct pln_tensor *indices, int64_t axis, struct pln_elements_view *out_view);

/* Index i of a list of i64 or i32. */
static inline int64_t pln_elements_index(const char *indices, bool wide, int64_t i)
{
    int64_t index;
    int32_t narrow;
    if (wide) {
        memcpy(&index, indices + i * 8, 8);
        return index;
    }
    memcpy(&narrow, indices + i * 4, 4);
    return narrow;
}

static inline bool pln_elements_dtype(enum pln_dtype dtype)
{
    return dtype != PLN_STR && pln_dtype_bits(dtype) >= 8;
}

/* One element; bytes is a constant where this is inlined. */
static inline __attribute__((always_inline)) void pln_element_copy(char *to, const char *from, const int64_t bytes)
{
    memcpy(to, from, (size_t)bytes);
}

#endif
