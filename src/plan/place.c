#include "plan/place.h"

#include "base/pool.h"
#include "kernel/kernel.h"
#include "plan/format.h"

#define BATCH_BYTES ((uint64_t)32 << 20) /* stored between two looks at the watch */

uint64_t pln_plan_stored_bytes(const struct pln_weight *weight)
{
    if (weight->dtype != PLN_STR) return weight->size_bytes;
    const struct pln_string *strings = weight->data;
    uint64_t n = weight->size_bytes / sizeof *strings, total = 4 * n;
    for (uint64_t i = 0; i < n; i++) total += strings[i].size_bytes;
    return total;
}

static const void *source_of(const struct pln_weight *weight)
{
    return weight->data ? weight->data : weight->plain->data;
}

/* An earlier weight with the same contents in the same form, or the weight itself. */
static enum pln_status find_same(struct pln_plan_places *places, uint32_t id, struct pln_arena *arena, struct pln_diag *diag)
{
    struct kind {
        uint64_t size_bytes, form;
        uint32_t dtype, rank;
        int64_t dims[PLN_MAX_RANK];
    };
    const struct pln_weight *const *weights = places->weights, *weight = weights[id];
    places->same[id] = id;
    places->next_alike[id] = PLN_PLAN_NONE;
    if (weight->size_bytes == 0) return PLN_OK;
    struct kind *kind = pln_arena_alloc(arena, sizeof *kind);
    if (!kind) return pln_fail_memory(diag, "plan", sizeof *kind);
    kind->size_bytes = weight->size_bytes;
    kind->form = weight->data ? 0 : 1 + pln_hash64(weight->pack, strlen(weight->pack), 0) / 2; /* names are compared below */
    kind->dtype = (uint32_t)weight->dtype;
    kind->rank = (uint32_t)weight->rank;
    memcpy(kind->dims, weight->dims, (size_t)weight->rank * sizeof kind->dims[0]);
    uint32_t head;
    if (pln_map_get(&places->kinds, (const char *)kind, sizeof *kind, &head)) places->next_alike[id] = head;
    if (!pln_map_set(&places->kinds, (const char *)kind, sizeof *kind, id)) return pln_fail_memory(diag, "plan", sizeof *kind);
    size_t bytes = weight->data ? (size_t)weight->size_bytes : pln_tensor_bytes(weight->plain);
    for (uint32_t other = places->next_alike[id]; other != PLN_PLAN_NONE; other = places->next_alike[other]) {
        if (places->same[other] != other || !pln_str_equal(weights[other]->pack, weight->pack)) continue;
        if (source_of(weights[other]) != source_of(weight) && (weight->dtype == PLN_STR || memcmp(source_of(weights[other]), source_of(weight), bytes) != 0)) continue;
        places->same[id] = other;
        break;
    }
    return PLN_OK;
}

static enum pln_status place(struct pln_plan_places *places, uint32_t id, struct pln_arena *arena, struct pln_diag *diag)
{
    PLN_TRY(find_same(places, id, arena, diag));
    if (places->same[id] != id) {
        places->offsets[id] = places->offsets[places->same[id]];
        return PLN_OK;
    }
    if (places->weights[id]->size_bytes == 0) return PLN_OK; /* anywhere, but for all targets at the same place */
    places->offsets[id] = places->size_bytes = pln_align_up(places->size_bytes, PLN_PLAN_WEIGHT_ALIGN);
    if (!pln_add_size(places->size_bytes, pln_plan_stored_bytes(places->weights[id]), &places->size_bytes) || places->size_bytes > (uint64_t)INT64_MAX)
        return pln_fail_memory(diag, "weights", SIZE_MAX);
    return PLN_OK;
}

enum pln_status pln_plan_places_init(struct pln_plan_places *places, const struct pln_program *const *programs, uint32_t n_programs, struct pln_arena *arena, const struct pln_allocator *alloc,
                                     struct pln_diag *diag)
{
    size_t n = 0;
    *places = (struct pln_plan_places){ 0 };
    pln_map_init(&places->kinds, alloc);
    for (uint32_t p = 0; p < n_programs; p++) n += programs[p]->n_weights;
    places->weights = pln_arena_array(arena, n + 1, sizeof *places->weights);
    places->same = pln_arena_array(arena, n + 1, sizeof *places->same);
    places->next_alike = pln_arena_array(arena, n + 1, sizeof *places->next_alike);
    places->offsets = pln_arena_array(arena, n + 1, sizeof *places->offsets);
    if (n >= PLN_PLAN_NONE || !places->weights || !places->same || !places->next_alike || !places->offsets) return pln_fail_memory(diag, "plan", n * sizeof(uint64_t));
    for (uint32_t p = 0; p < n_programs; p++)
        for (uint32_t i = 0; i < programs[p]->n_weights; i++) places->weights[places->n_weights++] = &programs[p]->weights[i];
    for (uint32_t i = 0; i < places->n_weights; i++) PLN_TRY(place(places, i, arena, diag));
    return PLN_OK;
}

void pln_plan_places_deinit(struct pln_plan_places *places)
{
    pln_map_deinit(&places->kinds);
}

static void store_strings(const struct pln_weight *weight, uint8_t *to)
{
    const struct pln_string *strings = weight->data;
    size_t n = weight->size_bytes / sizeof *strings;
    uint8_t *bytes = to + 4 * n;
    for (size_t i = 0; i < n; i++) {
        uint32_t length = (uint32_t)strings[i].size_bytes;
        memcpy(to + 4 * i, &length, sizeof length);
        if (length) memcpy(bytes, strings[i].data, length);
        bytes += length;
    }
}

/* Weights of a batch, from `first` on; threads take some each. */
struct storing {
    const struct pln_plan_places *places;
    uint32_t first;
    uint8_t *to;
    uint64_t *hashes;
};

static void store_weights(void *user, int64_t first, int64_t last, int worker)
{
    const struct storing *storing = user;
    (void)worker;
    for (int64_t i = first; i < last; i++) {
        const uint32_t id = storing->first + (uint32_t)i;
        const struct pln_weight *weight = storing->places->weights[id];
        const uint64_t bytes = pln_plan_stored_bytes(weight);
        uint8_t *to = storing->to + storing->places->offsets[id];
        storing->hashes[id] = 0;
        if (bytes == 0 || storing->places->same[id] != id) continue;
        if (weight->dtype == PLN_STR) store_strings(weight, to);
        else if (weight->data) memcpy(to, weight->data, bytes);
        else weight->format->pack(weight->plain, to);
        const uint64_t end = storing->places->offsets[id] + bytes;
        memset(to + bytes, 0, PLN_MIN(pln_align_up(end, PLN_PLAN_WEIGHT_ALIGN), storing->places->size_bytes) - end);
        storing->hashes[id] = pln_hash64(to, bytes, 0);
    }
}

enum pln_status pln_plan_places_store(const struct pln_plan_places *places, const struct pln_watch *watch, struct pln_pool *pool, uint8_t *to, uint64_t *out_hashes)
{
    struct storing storing = { .places = places, .to = to, .hashes = out_hashes };
    while (storing.first < places->n_weights) {
        uint64_t bytes = 0;
        uint32_t n = 0;
        PLN_TRY(pln_watch_tell(watch, "pack weights", places->offsets[storing.first], places->size_bytes));
        for (; bytes < BATCH_BYTES && storing.first + n < places->n_weights; n++) bytes += pln_plan_stored_bytes(places->weights[storing.first + n]);
        pln_pool_run(pool, n, 1, store_weights, &storing);
        storing.first += n;
    }
    for (uint32_t i = 0; i < places->n_weights; i++) out_hashes[i] = out_hashes[places->same[i]];
    return PLN_OK;
}
