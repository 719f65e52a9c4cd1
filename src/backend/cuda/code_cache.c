#include "backend/cuda/code_cache.h"

#include <pthread.h>
#include <stdio.h>

#include "base/hash.h"

struct entry {
    struct entry *next; /* which was asked for before this one */
    uint64_t key;
    char arch[16];
    size_t source_bytes, code_bytes; /* source with its end; the code lies behind it */
    char text[];
};

static struct {
    pthread_mutex_t lock;
    struct entry *newest;
    size_t n_entries;
    uint64_t n_hits;
} cache = { .lock = PTHREAD_MUTEX_INITIALIZER };

static size_t entry_bytes(size_t source_bytes, size_t code_bytes)
{
    return sizeof(struct entry) + source_bytes + code_bytes;
}

static uint64_t key_of(const char *source, const char *arch)
{
    return pln_hash64(source, strlen(source), pln_hash64(arch, strlen(arch), 0));
}

static bool is_of(const struct entry *entry, uint64_t key, const char *source, const char *arch)
{
    return entry->key == key && strcmp(entry->arch, arch) == 0 && strcmp(entry->text, source) == 0;
}

/* Locked. Moves what it finds to the front. */
static struct entry *find(const char *source, const char *arch)
{
    const uint64_t key = key_of(source, arch);
    for (struct entry **at = &cache.newest; *at; at = &(*at)->next) {
        struct entry *entry = *at;
        if (!is_of(entry, key, source, arch)) continue;
        *at = entry->next;
        entry->next = cache.newest;
        cache.newest = entry;
        return entry;
    }
    return NULL;
}

/* Locked. */
static void make_room(size_t bytes)
{
    struct entry **at = &cache.newest;
    for (size_t kept = bytes; *at; at = &(*at)->next) {
        kept += entry_bytes((*at)->source_bytes, (*at)->code_bytes);
        if (kept > PLN_CUDA_CODE_CACHE_BYTES) break;
    }
    while (*at) {
        struct entry *entry = *at;
        const size_t size = entry_bytes(entry->source_bytes, entry->code_bytes);
        *at = entry->next;
        cache.n_entries--;
        pln_free(pln_allocator_default(), entry, size);
    }
}

enum pln_status pln_cuda_code_cache_get(const char *source, const char *arch, const struct pln_allocator *alloc, struct pln_diag *diag, void **out_code, size_t *out_bytes)
{
    enum pln_status status = PLN_NOT_FOUND;
    *out_code = NULL;
    *out_bytes = 0;
    pthread_mutex_lock(&cache.lock);
    const struct entry *entry = find(source, arch);
    if (entry) {
        void *code = pln_alloc(alloc, entry->code_bytes, 64);
        status = code ? PLN_OK : pln_fail_memory(diag, "device code", entry->code_bytes);
        if (code) {
            *out_code = memcpy(code, entry->text + entry->source_bytes, entry->code_bytes);
            *out_bytes = entry->code_bytes;
            cache.n_hits++;
        }
    }
    pthread_mutex_unlock(&cache.lock);
    return status;
}

void pln_cuda_code_cache_put(const char *source, const char *arch, const void *code, size_t size_bytes)
{
    const size_t source_bytes = strlen(source) + 1, size = entry_bytes(source_bytes, size_bytes);
    if (size > PLN_CUDA_CODE_CACHE_BYTES / 4 || strlen(arch) >= sizeof((struct entry *)0)->arch) return;
    pthread_mutex_lock(&cache.lock);
    struct entry *entry = find(source, arch) ? NULL : pln_alloc(pln_allocator_default(), size, _Alignof(struct entry)); /* another thread may have been faster */
    if (entry) {
        make_room(size);
        *entry = (struct entry){ .next = cache.newest, .key = key_of(source, arch), .source_bytes = source_bytes, .code_bytes = size_bytes };
        snprintf(entry->arch, sizeof entry->arch, "%s", arch);
        memcpy(entry->text, source, source_bytes);
        memcpy(entry->text + source_bytes, code, size_bytes);
        cache.newest = entry;
        cache.n_entries++;
    }
    pthread_mutex_unlock(&cache.lock);
}

void pln_cuda_code_cache_count(size_t *out_codes, uint64_t *out_hits)
{
    pthread_mutex_lock(&cache.lock);
    *out_codes = cache.n_entries;
    *out_hits = cache.n_hits;
    pthread_mutex_unlock(&cache.lock);
}
