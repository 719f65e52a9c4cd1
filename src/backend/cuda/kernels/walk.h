/* What the kernels that move elements share on the host. */
#ifndef PLN_BACKEND_CUDA_KERNELS_WALK_H
#define PLN_BACKEND_CUDA_KERNELS_WALK_H

#include "backend/cuda/device/walk_params.h"
#include "backend/cuda/family.h"

#define PLN_CUDA_WALK_OPERANDS 3

/* Axes that several operands walk together; operand 0 is the output. */
struct pln_cuda_walk {
    int rank, n_operands;
    int64_t dims[PLN_CUDA_WALK_AXES];
    int64_t strides[PLN_CUDA_WALK_OPERANDS][PLN_CUDA_WALK_AXES]; /* elements; 0: repeated */
};

/* Adds an axis with one stride an operand, sorted by falling strides of the output; one of extent 1 leaves no trace. At
 * most PLN_CUDA_WALK_AXES. */
void pln_cuda_walk_add(struct pln_cuda_walk *walk, int64_t dim, const int64_t *strides);
/* Makes neighbours that all operands walk as one axis one. */
void pln_cuda_walk_merge(struct pln_cuda_walk *walk);

/* Unsigned integer of an element's size as the device headers spell it: "uint8_t" to "uint64_t"; NULL: the element is
 * not 1, 2, 4 or 8 bytes. */
const char *pln_cuda_unit(enum pln_dtype dtype);

/* An input that is a list of integers: type NULL or why it is none. */
const char *pln_cuda_ints_supports(const struct pln_problem *problem, int i);
/* Input i for the kernel to read, or one that is left out. false: neither scalar nor vector of integers. */
bool pln_cuda_ints_fill(const struct pln_launch *launch, int i, struct pln_cuda_ints *out_ints);

/* The same of floats. */
const char *pln_cuda_floats_supports(const struct pln_problem *problem, int i);
bool pln_cuda_floats_fill(const struct pln_launch *launch, int i, struct pln_cuda_floats *out_floats);

/* True when the launch has input i. */
bool pln_cuda_has_input(const struct pln_launch *launch, int i);
/* An address as it travels to the device. */
static inline uint64_t pln_cuda_address(const struct pln_tensor *tensor)
{
    return (uint64_t)(uintptr_t)tensor->data;
}

/* Tasks for n pieces of work of which a task does `each`. */
static inline int64_t pln_cuda_tasks(int64_t n, int64_t each)
{
    return n / each + (n % each != 0);
}

/* Nanoseconds of a kernel that moves this many bytes for each element of the output; unknown extents count as 128. */
double pln_cuda_move_cost(const struct pln_problem *problem, double bytes_an_element);

#endif
