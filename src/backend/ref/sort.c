#include "backend/ref/sort.h"

static void merge(const int64_t *from, int64_t *to, int64_t low, int64_t middle, int64_t high, pln_index_compare compare, const void *user)
{
    int64_t a = low, b = middle;
    for (int64_t i = low; i < high; i++) {
        bool left = b >= high || (a < middle && compare(user, from[a], from[b]) <= 0);
        to[i] = left ? from[a++] : from[b++];
    }
}

enum pln_status pln_indices_sort(struct pln_call *call, int64_t *indices, int64_t n, pln_index_compare compare, const void *user)
{
    void *memory;
    PLN_TRY(pln_call_scratch(call, (size_t)n, sizeof *indices, &memory));
    int64_t *from = indices, *to = memory;
    for (int64_t width = 1; width < n; width *= 2) {
        for (int64_t low = 0; low < n; low += 2 * width) {
            merge(from, to, low, PLN_MIN(low + width, n), PLN_MIN(low + 2 * width, n), compare, user);
        }
        int64_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != indices && n > 0) memcpy(indices, from, (size_t)n * sizeof *indices);
    return PLN_OK;
}
