#include "base/hash.h"

/* The five primes of XXH64, from the xxHash specification. */
#define PRIME1 UINT64_C(0x9E3779B185EBCA87)
#define PRIME2 UINT64_C(0xC2B2AE3D27D4EB4F)
#define PRIME3 UINT64_C(0x165667B19E3779F9)
#define PRIME4 UINT64_C(0x85EBCA77C2B2AE63)
#define PRIME5 UINT64_C(0x27D4EB2F165667C5)

/* Seed of the second pass of hash128: the fractional bits of the square root of 2. */
#define SECOND_SEED UINT64_C(0x6A09E667F3BCC908)

static inline uint64_t rotl(uint64_t x, int bits)
{
    return (x << bits) | (x >> (64 - bits));
}

static inline uint64_t read64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    return v;
}

static inline uint32_t read32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap32(v);
#endif
    return v;
}

static inline uint64_t mix_round(uint64_t acc, uint64_t lane)
{
    return rotl(acc + lane * PRIME2, 31) * PRIME1;
}

static inline uint64_t merge_round(uint64_t acc, uint64_t lane)
{
    return (acc ^ mix_round(0, lane)) * PRIME1 + PRIME4;
}

static uint64_t finish(uint64_t acc, const uint8_t *p, size_t left)
{
    for (; left >= 8; p += 8, left -= 8) acc = rotl(acc ^ mix_round(0, read64(p)), 27) * PRIME1 + PRIME4;
    if (left >= 4) {
        acc = rotl(acc ^ read32(p) * PRIME1, 23) * PRIME2 + PRIME3;
        p += 4;
        left -= 4;
    }
    for (; left > 0; p++, left--) acc = rotl(acc ^ *p * PRIME5, 11) * PRIME1;
    acc = (acc ^ (acc >> 33)) * PRIME2;
    acc = (acc ^ (acc >> 29)) * PRIME3;
    return acc ^ (acc >> 32);
}

/* How far ahead memory is asked for. The CPU's own prefetchers stop at the end of a page, which is where a stream through a file that lies in the page
 * cache spends half of its time. */
#define PREFETCH_BYTES 4096

struct lanes {
    uint64_t a, b, c, d;
};

static inline void mix_stripe(struct lanes *l, const uint8_t *p)
{
    l->a = mix_round(l->a, read64(p));
    l->b = mix_round(l->b, read64(p + 8));
    l->c = mix_round(l->c, read64(p + 16));
    l->d = mix_round(l->d, read64(p + 24));
}

uint64_t pln_hash64(const void *data, size_t size_bytes, uint64_t seed)
{
    const uint8_t *p = data;
    size_t left = size_bytes;
    uint64_t acc = seed + PRIME5;
    if (left >= 32) {
        struct lanes l = { seed + PRIME1 + PRIME2, seed + PRIME2, seed, seed - PRIME1 };
        for (; left >= PREFETCH_BYTES + 64; p += 64, left -= 64) {
            __builtin_prefetch(p + PREFETCH_BYTES);
            mix_stripe(&l, p);
            mix_stripe(&l, p + 32);
        }
        for (; left >= 32; p += 32, left -= 32) mix_stripe(&l, p);
        acc = rotl(l.a, 1) + rotl(l.b, 7) + rotl(l.c, 12) + rotl(l.d, 18);
        acc = merge_round(merge_round(merge_round(merge_round(acc, l.a), l.b), l.c), l.d);
    }
    return finish(acc + (uint64_t)size_bytes, p, left);
}

struct pln_hash128 pln_hash128(const void *data, size_t size_bytes)
{
    struct pln_hash128 hash;
    hash.lo = pln_hash64(data, size_bytes, 0);
    hash.hi = pln_hash64(data, size_bytes, SECOND_SEED);
    return hash;
}

void pln_map_init(struct pln_map *map, const struct pln_allocator *alloc)
{
    *map = (struct pln_map){ .alloc = alloc };
}

void pln_map_deinit(struct pln_map *map)
{
    pln_free(map->alloc, map->slots, map->capacity * sizeof *map->slots);
    map->slots = NULL;
    map->capacity = 0;
    map->count = 0;
}

/* The slot that holds the key, or the free one where it would go. capacity > 0, and never all slots are used. */
static struct pln_map_slot *find_slot(struct pln_map_slot *slots, size_t capacity, const char *key, size_t key_bytes,
                                      uint64_t hash)
{
    for (size_t i = (size_t)hash & (capacity - 1);; i = (i + 1) & (capacity - 1)) {
        struct pln_map_slot *slot = &slots[i];
        if (!slot->used) return slot;
        if (slot->hash != hash || slot->key_bytes != key_bytes) continue;
        if (key_bytes == 0 || memcmp(slot->key, key, key_bytes) == 0) return slot;
    }
}

static bool map_grow(struct pln_map *map)
{
    size_t capacity, size_bytes;
    if (!pln_mul_size(map->capacity, 2, &capacity)) return false;
    capacity = PLN_MAX(capacity, 16);
    if (!pln_mul_size(capacity, sizeof(struct pln_map_slot), &size_bytes)) return false;
    struct pln_map_slot *slots = pln_alloc_zeroed(map->alloc, size_bytes, _Alignof(struct pln_map_slot));
    if (slots == NULL) return false;
    for (size_t i = 0; i < map->capacity; i++) {
        const struct pln_map_slot *old = &map->slots[i];
        if (old->used) *find_slot(slots, capacity, old->key, old->key_bytes, old->hash) = *old;
    }
    pln_free(map->alloc, map->slots, map->capacity * sizeof *map->slots);
    map->slots = slots;
    map->capacity = capacity;
    return true;
}

bool pln_map_set(struct pln_map *map, const char *key, size_t key_bytes, uint32_t value)
{
    if (map->count + 1 > map->capacity - map->capacity / 4 && !map_grow(map)) return false;
    uint64_t hash = pln_hash64(key, key_bytes, 0);
    struct pln_map_slot *slot = find_slot(map->slots, map->capacity, key, key_bytes, hash);
    if (!slot->used) {
        *slot = (struct pln_map_slot){ .key = key, .key_bytes = key_bytes, .hash = hash, .used = true };
        map->count++;
    }
    slot->value = value;
    return true;
}

bool pln_map_get(const struct pln_map *map, const char *key, size_t key_bytes, uint32_t *out_value)
{
    *out_value = 0;
    if (map->count == 0) return false;
    uint64_t hash = pln_hash64(key, key_bytes, 0);
    const struct pln_map_slot *slot = find_slot(map->slots, map->capacity, key, key_bytes, hash);
    if (slot->used) *out_value = slot->value;
    return slot->used;
}

bool pln_map_get_str(const struct pln_map *map, const char *key, uint32_t *out_value)
{
    return pln_map_get(map, key, strlen(key), out_value);
}
