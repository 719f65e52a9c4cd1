#define _GNU_SOURCE

#include "build/code_cache.h"

#include <errno.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"

#define MAGIC { 0x89, 'P', 'L', 'N', 'C', 'O', 'D', 0x1a }

/* In front of the source and the code. */
struct head {
    uint8_t magic[8];
    uint32_t version, reserved;
    uint64_t key;
    uint64_t source_bytes, code_bytes;
    uint64_t checksum; /* XXH64 of the source, then, with that as its seed, of the code */
    char arch[16];
};
static_assert(sizeof(struct head) == 64, "no padding in an entry's head");

/* Said once: from then on nothing is kept. */
static void warn(struct pln_code_cache *cache, const char *why)
{
    pln_cache_log(cache->logger, PLN_LOG_WARNING, "device code is not kept: %.900s", why);
    cache->read_only = true;
}

void pln_code_cache_init(struct pln_code_cache *cache, const char *folder, uint64_t key, const struct pln_logger *logger)
{
    char room[700];
    *cache = (struct pln_code_cache){ .key = key, .logger = logger, .off = !folder, .read_only = !folder };
    if (!folder) return;
    const char *why = pln_cache_make_folder(folder, PLN_CACHE_CODE, room, sizeof room);
    cache->off = why != NULL;
    if (why) warn(cache, why);
    else snprintf(cache->folder, sizeof cache->folder, "%s", folder);
}

static void entry_path(const struct pln_code_cache *cache, const char *source, const char *arch, char path[PLN_CACHE_PATH_BYTES])
{
    struct pln_cache_key key = { .hi = cache->key, .lo = cache->key };
    pln_cache_key_add_text(&key, source);
    pln_cache_key_add_text(&key, arch);
    (void)pln_cache_entry_path(cache->folder, PLN_CACHE_CODE, key, path); /* it fits: the folder was made */
}

static void make_head(const struct pln_code_cache *cache, const char *source, const char *arch, size_t code_bytes, struct head *out_head)
{
    *out_head = (struct head){ .magic = MAGIC, .version = 1, .key = cache->key, .source_bytes = strlen(source), .code_bytes = code_bytes };
    snprintf(out_head->arch, sizeof out_head->arch, "%s", arch);
}

static uint64_t checksum(const void *source, size_t source_bytes, const void *code, size_t code_bytes)
{
    return pln_hash64(code, code_bytes, pln_hash64(source, source_bytes, 0));
}

static bool read_all(int fd, void *to, size_t size_bytes)
{
    for (size_t done = 0; done < size_bytes;) {
        ssize_t n = read(fd, (char *)to + done, size_bytes - done);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        done += (size_t)n;
    }
    return true;
}

static const void *read_entry(const struct pln_code_cache *cache, int fd, uint64_t file_bytes, const char *source, const char *arch, struct pln_arena *arena, uint64_t *out_bytes)
{
    struct head head, want;
    if (!read_all(fd, &head, sizeof head)) return NULL;
    make_head(cache, source, arch, (size_t)head.code_bytes, &want);
    want.checksum = head.checksum;
    const uint64_t bytes = file_bytes - sizeof head;
    if (memcmp(&head, &want, sizeof head) != 0 || head.source_bytes > bytes || head.code_bytes != bytes - head.source_bytes || head.code_bytes == 0) return NULL;
    uint8_t *memory = pln_arena_alloc_aligned(arena, (size_t)bytes, 64);
    if (!memory || !read_all(fd, memory, (size_t)bytes)) return NULL;
    const uint8_t *code = memory + head.source_bytes;
    if (memcmp(memory, source, (size_t)head.source_bytes) != 0 || checksum(memory, (size_t)head.source_bytes, code, (size_t)head.code_bytes) != head.checksum) return NULL;
    *out_bytes = head.code_bytes;
    return code;
}

const void *pln_code_cache_get(struct pln_code_cache *cache, const char *source, const char *arch, struct pln_arena *arena, uint64_t *out_bytes)
{
    char path[PLN_CACHE_PATH_BYTES];
    uint64_t file_bytes;
    *out_bytes = 0;
    if (cache->off) return NULL;
    entry_path(cache, source, arch, path);
    const int fd = pln_cache_open_entry(path, sizeof(struct head), PLN_CODE_CACHE_MOST_BYTES, &file_bytes);
    if (fd < 0) return NULL;
    const void *code = read_entry(cache, fd, file_bytes, source, arch, arena, out_bytes);
    if (code) pln_cache_touch(fd);
    if (code) cache->n_found++;
    close(fd);
    return code;
}

void pln_code_cache_put(struct pln_code_cache *cache, const char *source, const char *arch, const void *code, size_t size_bytes, const struct pln_allocator *alloc)
{
    char path[PLN_CACHE_PATH_BYTES];
    struct head head;
    struct pln_diag diag;
    struct pln_file_writer writer;
    if (cache->read_only) return;
    pln_diag_init(&diag);
    make_head(cache, source, arch, size_bytes, &head);
    if (sizeof head + head.source_bytes + head.code_bytes > PLN_CODE_CACHE_MOST_BYTES) return;
    head.checksum = checksum(source, (size_t)head.source_bytes, code, size_bytes);
    entry_path(cache, source, arch, path);
    enum pln_status status = pln_file_writer_open(&writer, path, alloc, &diag);
    if (status == PLN_OK) {
        status = pln_file_writer_write(&writer, &head, sizeof head);
        if (status == PLN_OK) status = pln_file_writer_write(&writer, source, (size_t)head.source_bytes);
        if (status == PLN_OK) status = pln_file_writer_write(&writer, code, size_bytes);
        if (status == PLN_OK) status = pln_file_writer_commit(&writer);
        else pln_file_writer_abort(&writer);
    }
    if (status == PLN_OK) cache->n_stored++;
    else warn(cache, diag.count ? diag.entries[0].text : pln_status_text(status));
}

void pln_code_cache_end(const struct pln_code_cache *cache)
{
    if (cache->n_found + cache->n_stored == 0) return;
    pln_cache_log(cache->logger, PLN_LOG_VERBOSE, "device code: %u taken from the cache, %u added to it", cache->n_found, cache->n_stored);
    if (cache->n_stored) pln_cache_limit(cache->folder);
}
