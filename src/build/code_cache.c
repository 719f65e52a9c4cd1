#define _GNU_SOURCE

#include "build/code_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"
#include "planish/experimental/cache.h"

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
    char line[PLN_DIAG_TEXT];
    snprintf(line, sizeof line, "device code is not kept: %.900s", why);
    if (cache->logger && cache->logger->log) cache->logger->log(cache->logger->user, PLN_LOG_WARNING, line);
    cache->read_only = true;
}

bool pln_code_cache_folder(const char *folder, char *path, size_t path_bytes)
{
    int n = snprintf(path, path_bytes, "%s/" PLN_CODE_CACHE_SUBFOLDER, folder);
    return folder[0] && n > 0 && (size_t)n < path_bytes;
}

/* All that the path names; private where it makes them. */
static bool make_folders(char *path)
{
    struct stat info;
    for (char *slash = path + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        bool made = mkdir(path, 0700) == 0 || errno == EEXIST || stat(path, &info) == 0;
        *slash = '/';
        if (!made) return false;
    }
    if (mkdir(path, 0700) == 0 || (errno == EEXIST && stat(path, &info) == 0 && S_ISDIR(info.st_mode))) return true;
    if (errno == EEXIST) errno = ENOTDIR;
    return false;
}

void pln_code_cache_init(struct pln_code_cache *cache, const char *folder, uint64_t key, const struct pln_logger *logger)
{
    char why[700];
    *cache = (struct pln_code_cache){ .key = key, .logger = logger, .off = !folder, .read_only = !folder };
    if (!folder) return;
    if (!pln_code_cache_folder(folder, cache->folder, sizeof cache->folder - PLN_CODE_CACHE_KEY_DIGITS - 8)) {
        cache->off = true;
        warn(cache, "the name of the cache's folder is empty or too long");
    } else if (!make_folders(cache->folder)) {
        snprintf(why, sizeof why, "cannot make the folder '%.500s': %s", cache->folder, strerror(errno));
        cache->off = true;
        warn(cache, why);
    }
}

static void entry_path(const struct pln_code_cache *cache, const char *source, const char *arch, char path[PLN_CODE_CACHE_PATH_BYTES])
{
    const size_t bytes = strlen(source);
    uint64_t lo = pln_hash64(source, bytes, cache->key), hi = pln_hash64(source, bytes, ~cache->key);
    lo = pln_hash64(arch, strlen(arch), lo);
    hi = pln_hash64(arch, strlen(arch), hi);
    snprintf(path, PLN_CODE_CACHE_PATH_BYTES, "%.4000s/%016llx%016llx.bin", cache->folder, (unsigned long long)hi, (unsigned long long)lo);
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

/* A plain file of this user, or of root, that not everybody can write. */
static bool is_trusted(int fd, struct stat *out_info)
{
    return fstat(fd, out_info) == 0 && S_ISREG(out_info->st_mode) && (out_info->st_uid == geteuid() || out_info->st_uid == 0) && !(out_info->st_mode & S_IWOTH) &&
           (uint64_t)out_info->st_size >= sizeof(struct head) && (uint64_t)out_info->st_size <= PLN_CODE_CACHE_MOST_BYTES;
}

static const void *read_entry(const struct pln_code_cache *cache, int fd, const char *source, const char *arch, struct pln_arena *arena, uint64_t *out_bytes)
{
    struct stat info;
    struct head head, want;
    if (!is_trusted(fd, &info) || !read_all(fd, &head, sizeof head)) return NULL;
    make_head(cache, source, arch, (size_t)head.code_bytes, &want);
    want.checksum = head.checksum;
    const uint64_t bytes = (uint64_t)info.st_size - sizeof head;
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
    char path[PLN_CODE_CACHE_PATH_BYTES];
    *out_bytes = 0;
    if (cache->off) return NULL;
    entry_path(cache, source, arch, path);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK); /* a pipe in its place must not be waited for */
    if (fd < 0) return NULL;
    const void *code = read_entry(cache, fd, source, arch, arena, out_bytes);
    if (code) (void)futimens(fd, NULL); /* used now: the oldest go first */
    if (code) cache->n_found++;
    close(fd);
    return code;
}

void pln_code_cache_put(struct pln_code_cache *cache, const char *source, const char *arch, const void *code, size_t size_bytes, const struct pln_allocator *alloc)
{
    char path[PLN_CODE_CACHE_PATH_BYTES];
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
    char line[120], folder[PLN_CODE_CACHE_PATH_BYTES];
    int n;
    uint64_t bytes;
    if (cache->n_found + cache->n_stored == 0) return;
    snprintf(line, sizeof line, "device code: %u taken from the cache, %u added to it", cache->n_found, cache->n_stored);
    if (cache->logger && cache->logger->log) cache->logger->log(cache->logger->user, PLN_LOG_VERBOSE, line);
    if (cache->n_stored == 0) return;
    snprintf(folder, sizeof folder, "%.*s", (int)(strlen(cache->folder) - strlen("/" PLN_CODE_CACHE_SUBFOLDER)), cache->folder);
    enum pln_status status = pln_cache_clean(folder, PLN_CACHE_MOST_BYTES, NULL, &n, &bytes);
    (void)status; /* too large a cache is no failure of the build */
}
