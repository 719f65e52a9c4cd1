#include "onnx/sort.h"

enum state { NEW = 0, OPEN, DONE };

struct sorter {
    uint32_t count;
    size_t *first;   /* [count+1]: where an item's needs start in `needs` */
    uint32_t *needs; /* [edges] */
    size_t *next;    /* [count]: the next of them to look at */
    uint8_t *state;  /* [count] */
    uint32_t *stack; /* [count]: items open, each needing the one above it */
    uint32_t *order; /* [count] */
    uint32_t depth, placed;
};

static bool allocate(struct sorter *s, size_t edge_count, struct pln_arena *arena)
{
    size_t n = s->count;
    s->first = pln_arena_array(arena, n + 1, sizeof *s->first);
    s->needs = pln_arena_array(arena, edge_count, sizeof *s->needs);
    s->next = pln_arena_array(arena, n, sizeof *s->next);
    s->state = pln_arena_array(arena, n, sizeof *s->state);
    s->stack = pln_arena_array(arena, n, sizeof *s->stack);
    s->order = pln_arena_array(arena, n, sizeof *s->order);
    return s->first && s->needs && s->next && s->state && s->stack && s->order;
}

/* Groups the edges by their `to`, in their order (a counting sort). */
static void group_edges(struct sorter *s, const struct pln_onnx_edge *edges, size_t edge_count)
{
    for (size_t i = 0; i < edge_count; i++) s->first[edges[i].to + 1]++;
    for (uint32_t i = 0; i < s->count; i++) {
        s->first[i + 1] += s->first[i];
        s->next[i] = s->first[i];
    }
    for (size_t i = 0; i < edge_count; i++) s->needs[s->next[edges[i].to]++] = edges[i].from;
    for (uint32_t i = 0; i < s->count; i++) s->next[i] = s->first[i];
}

static void open_item(struct sorter *s, uint32_t item)
{
    s->state[item] = OPEN;
    s->stack[s->depth++] = item;
}

/* Places `root` and all it needs. false: the top of the stack needs an item that is open, *out_again. */
static bool place(struct sorter *s, uint32_t root, uint32_t *out_again)
{
    open_item(s, root);
    while (s->depth > 0) {
        uint32_t item = s->stack[s->depth - 1];
        if (s->next[item] == s->first[item + 1]) {
            s->state[item] = DONE;
            s->order[s->placed++] = item;
            s->depth--;
            continue;
        }
        uint32_t need = s->needs[s->next[item]++];
        if (s->state[need] == NEW)
            open_item(s, need);
        else if (s->state[need] == OPEN) {
            *out_again = need;
            return false;
        }
    }
    return true;
}

enum pln_status pln_onnx_sort(uint32_t count, const struct pln_onnx_edge *edges, size_t edge_count,
                              struct pln_arena *arena, uint32_t **out_order, uint32_t *out_cycle)
{
    struct sorter s = { .count = count };
    uint32_t again;
    *out_order = NULL;
    *out_cycle = 0;
    if (!allocate(&s, edge_count, arena)) return PLN_NO_MEMORY;
    group_edges(&s, edges, edge_count);
    *out_order = s.order;
    for (uint32_t i = 0; i < count; i++) {
        if (s.state[i] != NEW || place(&s, i, &again)) continue;
        uint32_t start = s.depth - 1;
        while (s.stack[start] != again) start--;
        *out_cycle = s.depth - start;
        *out_order = s.stack + start;
        return PLN_BAD_MODEL;
    }
    return PLN_OK;
}
