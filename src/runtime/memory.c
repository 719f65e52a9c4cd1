#include "runtime/memory.h"

#define ALIGN 64
#define GREEDY_MOST 3000

static bool overlap(const struct pln_interval *a, const struct pln_interval *b)
{
    return a->first <= b->last && b->first <= a->last;
}

/* Shell sort: no recursion, no memory, stable enough because ties are broken by id. */
static void sort_ids(const struct pln_interval *v, uint32_t *ids, uint32_t n, bool by_size)
{
    for (uint32_t gap = n / 2; gap > 0; gap /= 2) {
        for (uint32_t i = gap; i < n; i++) {
            uint32_t id = ids[i], j = i;
            for (; j >= gap; j -= gap) {
                uint32_t other = ids[j - gap];
                bool before = by_size ? (v[id].size_bytes != v[other].size_bytes ? v[id].size_bytes > v[other].size_bytes : id < other)
                                      : (v[id].first != v[other].first ? v[id].first < v[other].first : id < other);
                if (!before) break;
                ids[j] = other;
            }
            ids[j] = id;
        }
    }
}

/* Lowest gap among the placed neighbours in time. placed is sorted by offset. */
static size_t lowest_gap(const struct pln_interval *v, const uint32_t *placed, uint32_t n_placed, const struct pln_interval *one)
{
    size_t at = 0;
    for (uint32_t i = 0; i < n_placed; i++) {
        const struct pln_interval *p = &v[placed[i]];
        if (!overlap(p, one)) continue;
        if (p->offset >= at && p->offset - at >= one->size_bytes) break;
        if (p->offset + p->size_bytes > at) at = p->offset + p->size_bytes;
    }
    return at;
}

enum pln_status pln_memory_place(struct pln_interval *intervals, uint32_t n, uint32_t *order, size_t *out_bytes)
{
    *out_bytes = 0;
    size_t total = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (intervals[i].size_bytes > SIZE_MAX / 2) return PLN_NO_MEMORY;
        intervals[i].size_bytes = pln_align_up(intervals[i].size_bytes, ALIGN);
        if (!pln_add_size(total, intervals[i].size_bytes, &total)) return PLN_NO_MEMORY;
        order[i] = i;
    }
    sort_ids(intervals, order, n, n <= GREEDY_MOST);
    /* order[0..placed) is re-used as the list of placed ids, kept sorted by offset; order[i] is read before it is overwritten. */
    uint32_t n_placed = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t id = order[i];
        struct pln_interval *one = &intervals[id];
        if (n > GREEDY_MOST) { /* in order of time, what has ended needs no longer be looked at */
            uint32_t kept = 0;
            for (uint32_t k = 0; k < n_placed; k++)
                if (intervals[order[k]].last >= one->first) order[kept++] = order[k];
            n_placed = kept;
        }
        one->offset = lowest_gap(intervals, order, n_placed, one);
        uint32_t at = n_placed;
        while (at > 0 && intervals[order[at - 1]].offset > one->offset) {
            order[at] = order[at - 1];
            at--;
        }
        order[at] = id;
        n_placed++;
        if (one->offset + one->size_bytes > *out_bytes) *out_bytes = one->offset + one->size_bytes;
    }
    return PLN_OK;
}

size_t pln_memory_lower_bound(const struct pln_interval *intervals, uint32_t n, uint32_t n_steps)
{
    size_t most = 0;
    for (uint32_t step = 0; step < n_steps; step++) {
        size_t sum = 0;
        for (uint32_t i = 0; i < n; i++)
            if (intervals[i].first <= step && step <= intervals[i].last) sum += intervals[i].size_bytes;
        if (sum > most) most = sum;
    }
    return most;
}
