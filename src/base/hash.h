/* Hashes for files and tables. Not against an adversary who chooses collisions; integrity of plans is "damaged or not". */
#ifndef PLN_BASE_HASH_H
#define PLN_BASE_HASH_H

#include "base/base.h"

/* XXH64 (Yann Collet, xxHash specification, "XXH64 algorithm description"), little-endian input. */
uint64_t pln_hash64(const void *data, size_t size_bytes, uint64_t seed);

struct pln_hash128 {
    uint64_t lo, hi;
};
/* Two independent XXH64 passes, for content identity of weights and caches. */
struct pln_hash128 pln_hash128(const void *data, size_t size_bytes);

/* CRC-32 of zip, gzip and PNG; crc is that of what came before, 0 at the start. */
uint32_t pln_crc32(uint32_t crc, const void *data, size_t size_bytes);

/* A map from byte strings to uint32_t, open addressing, owned by an allocator. Keys are not copied: they outlive the map. */
struct pln_map_slot {
    const char *key;
    size_t key_bytes;
    uint64_t hash;
    uint32_t value;
    bool used;
};
struct pln_map {
    const struct pln_allocator *alloc;
    struct pln_map_slot *slots;
    size_t capacity; /* power of two, or 0 */
    size_t count;
};
void pln_map_init(struct pln_map *map, const struct pln_allocator *alloc);
void pln_map_deinit(struct pln_map *map);
/* Sets or replaces. */
PLN_MUST_USE bool pln_map_set(struct pln_map *map, const char *key, size_t key_bytes, uint32_t value); /* false: no memory */
bool pln_map_get(const struct pln_map *map, const char *key, size_t key_bytes, uint32_t *out_value);
bool pln_map_get_str(const struct pln_map *map, const char *key, uint32_t *out_value);

#endif
