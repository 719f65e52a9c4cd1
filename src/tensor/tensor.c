#include "tensor/tensor.h"

#include <inttypes.h>
#include <stdio.h>

void pln_tensor_set_contiguous(struct pln_tensor *tensor)
{
    int64_t stride = 1;
    for (int i = tensor->rank - 1; i >= 0; i--) {
        tensor->strides[i] = stride;
        stride *= PLN_MAX(tensor->dims[i], 1);
    }
}

void pln_tensor_init(struct pln_tensor *tensor, enum pln_dtype dtype, int rank, const int64_t *dims, void *data)
{
    assert(rank >= 0 && rank <= PLN_MAX_RANK);
    memset(tensor, 0, sizeof *tensor);
    tensor->dtype = dtype;
    tensor->rank = rank;
    tensor->data = data;
    if (rank > 0) memcpy(tensor->dims, dims, (size_t)rank * sizeof *dims);
    pln_tensor_set_contiguous(tensor);
}

bool pln_tensor_is_contiguous(const struct pln_tensor *tensor)
{
    int64_t stride = 1;
    if (pln_tensor_count(tensor) == 0) return true;
    for (int i = tensor->rank - 1; i >= 0; i--) {
        if (tensor->dims[i] != 1 && tensor->strides[i] != stride) return false;
        stride *= tensor->dims[i];
    }
    return true;
}

int64_t pln_tensor_count(const struct pln_tensor *tensor)
{
    int64_t count = 1;
    for (int i = 0; i < tensor->rank; i++) {
        if (tensor->dims[i] == 0) return 0;
        count *= tensor->dims[i];
    }
    return count;
}

size_t pln_tensor_bytes(const struct pln_tensor *tensor)
{
    return ((size_t)pln_tensor_count(tensor) * (size_t)pln_dtype_bits(tensor->dtype) + 7) / 8;
}

bool pln_tensor_same_shape(const struct pln_tensor *a, const struct pln_tensor *b)
{
    if (a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dims[i] != b->dims[i]) return false;
    return true;
}

const char *pln_tensor_describe(const struct pln_tensor *tensor, char *buffer, size_t buffer_bytes)
{
    if (buffer_bytes == 0) return "";
    int n = snprintf(buffer, buffer_bytes, "%s[", pln_dtype_name(tensor->dtype));
    for (int i = 0; i <= tensor->rank && n >= 0 && (size_t)n < buffer_bytes; i++) {
        size_t left = buffer_bytes - (size_t)n;
        if (i == tensor->rank) {
            n += snprintf(buffer + n, left, "]");
        } else {
            n += snprintf(buffer + n, left, "%s%" PRId64, i > 0 ? "," : "", tensor->dims[i]);
        }
    }
    return buffer;
}
