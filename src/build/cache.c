/* The folder of caches: what is in it, and keeping it small. What entries hold is the business of code_cache.c, plan_cache.c and tune/timings.c. */
#define _GNU_SOURCE

#include "build/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/hash.h"
#include "base/text.h"

/* A temporary file that is older belongs to nobody any more. */
#define LEFT_SECONDS 3600
#define HASH_PIECE   ((size_t)1 << 20) /* hashed twice, while it is in a cache of the CPU */

static const struct {
    const char *folder, *suffix;
} kinds[] = { [PLN_CACHE_CODE] = { "code", ".bin" }, [PLN_CACHE_PLAN] = { "plans", ".plan" }, [PLN_CACHE_TIMINGS] = { "timings", ".times" } };

/* ---- keys ---- */

static void add_bytes(struct pln_cache_key *key, const void *data, size_t size_bytes)
{
    key->hi = pln_hash64(data, size_bytes, ~key->hi);
    key->lo = pln_hash64(data, size_bytes, key->lo);
}

void pln_cache_key_add_number(struct pln_cache_key *key, uint64_t number)
{
    add_bytes(key, &number, sizeof number);
}

void pln_cache_key_add(struct pln_cache_key *key, const void *data, size_t size_bytes)
{
    pln_cache_key_add_number(key, size_bytes);
    for (size_t done = 0; done < size_bytes; done += HASH_PIECE) add_bytes(key, (const char *)data + done, PLN_MIN(size_bytes - done, HASH_PIECE));
}

void pln_cache_key_add_text(struct pln_cache_key *key, const char *text)
{
    pln_cache_key_add_number(key, text != NULL);
    if (text) pln_cache_key_add(key, text, strlen(text));
}

/* ---- entries ---- */

static bool folder_path(const char *folder, enum pln_cache_kind kind, char path[PLN_CACHE_PATH_BYTES])
{
    const int n = snprintf(path, PLN_CACHE_PATH_BYTES, "%s/%s", folder, kinds[kind].folder);
    return folder[0] && n > 0 && (size_t)n + PLN_CACHE_KEY_DIGITS + 10 < PLN_CACHE_PATH_BYTES; /* an entry's name fits behind it */
}

/* All that the path names; private where it makes them. */
static bool make_folders(char *path)
{
    struct stat info;
    for (char *slash = path + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        bool made = mkdir(path, 0700) == 0 || errno == EEXIST;
        const int error = errno; /* what keeps it from being made, not that it is not there */
        made = made || stat(path, &info) == 0;
        *slash = '/';
        if (!made) errno = error;
        if (!made) return false;
    }
    if (mkdir(path, 0700) == 0 || (errno == EEXIST && stat(path, &info) == 0 && S_ISDIR(info.st_mode))) return true;
    if (errno == EEXIST) errno = ENOTDIR;
    return false;
}

const char *pln_cache_make_folder(const char *folder, enum pln_cache_kind kind, char *why, size_t why_bytes)
{
    char path[PLN_CACHE_PATH_BYTES];
    if (!folder_path(folder, kind, path)) return "the name of the cache's folder is empty or too long";
    if (make_folders(path)) return NULL;
    snprintf(why, why_bytes, "cannot make the folder '%.500s': %s", path, strerror(errno));
    return why;
}

bool pln_cache_entry_path(const char *folder, enum pln_cache_kind kind, struct pln_cache_key key, char path[PLN_CACHE_PATH_BYTES])
{
    if (!folder_path(folder, kind, path)) return false;
    const size_t n = strlen(path);
    snprintf(path + n, PLN_CACHE_PATH_BYTES - n, "/%016llx%016llx%s", (unsigned long long)key.hi, (unsigned long long)key.lo, kinds[kind].suffix);
    return true;
}

/* A plain file of this user, or of root, that not everybody can write. */
static bool is_trusted(const struct stat *info)
{
    return S_ISREG(info->st_mode) && (info->st_uid == geteuid() || info->st_uid == 0) && !(info->st_mode & S_IWOTH);
}

int pln_cache_open_entry(const char *path, uint64_t least_bytes, uint64_t most_bytes, uint64_t *out_bytes)
{
    struct stat info = { 0 };
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK); /* a pipe in its place must not be waited for */
    *out_bytes = 0;
    if (fd < 0) return -1;
    if (fstat(fd, &info) == 0 && is_trusted(&info) && (uint64_t)info.st_size >= least_bytes && (uint64_t)info.st_size <= most_bytes) {
        *out_bytes = (uint64_t)info.st_size;
        return fd;
    }
    close(fd);
    return -1;
}

void pln_cache_touch(int entry)
{
    (void)futimens(entry, NULL);
}

void pln_cache_log(const struct pln_logger *logger, enum pln_log_level level, const char *format, ...)
{
    char line[PLN_DIAG_TEXT];
    va_list args;
    if (!logger || !logger->log) return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    logger->log(logger->user, level, line);
}

/* ---- all of them ---- */

struct entry {
    const char *name; /* below the folder of all caches */
    uint64_t size_bytes;
    struct timespec used;
};

struct entries {
    struct pln_arena arena;
    struct entry *items;
    size_t n, capacity;
    uint64_t size_bytes;
    int folder; /* descriptor; -1: there is none */
};

static bool is_hex(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f'))) return false;
    return true;
}

/* "….bin" and "….bin.tmp-01234567", as pln_cache_entry_path and the file writer name them. Other files are not ours. */
static bool is_ours(const char *name, const char *suffix, bool *out_temporary)
{
    const size_t end = PLN_CACHE_KEY_DIGITS + strlen(suffix), length = strnlen(name, 200);
    *out_temporary = length > end;
    if (length < end || !is_hex(name, PLN_CACHE_KEY_DIGITS) || memcmp(name + PLN_CACHE_KEY_DIGITS, suffix, end - PLN_CACHE_KEY_DIGITS) != 0) return false;
    return length == end || (length == end + 13 && memcmp(name + end, ".tmp-", 5) == 0 && is_hex(name + end + 5, 8));
}

static int by_age(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->used.tv_sec != y->used.tv_sec) return x->used.tv_sec < y->used.tv_sec ? -1 : 1;
    if (x->used.tv_nsec != y->used.tv_nsec) return x->used.tv_nsec < y->used.tv_nsec ? -1 : 1;
    return strcmp(x->name, y->name);
}

static bool add(struct entries *entries, const char *folder, const char *name, const struct stat *info)
{
    const char *kept = pln_arena_format(&entries->arena, "%s/%s", folder, name);
    if (!kept || !pln_arena_grow(&entries->arena, (void **)&entries->items, &entries->capacity, entries->n + 1, sizeof *entries->items)) return false;
    entries->items[entries->n++] = (struct entry){ .name = kept, .size_bytes = (uint64_t)info->st_size, .used = info->st_mtim };
    entries->size_bytes += (uint64_t)info->st_size;
    return true;
}

static enum pln_status read_kind(struct entries *entries, enum pln_cache_kind kind, bool leftovers, struct pln_diag *diag)
{
    struct timespec now = { 0 };
    bool full = false;
    const int fd = openat(entries->folder, kinds[kind].folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) return PLN_OK;
    DIR *open_folder = fd < 0 ? NULL : fdopendir(fd);
    if (!open_folder) {
        enum pln_status status = pln_fail(diag, PLN_IO, "cannot read the cache's folder '%s': %s", kinds[kind].folder, strerror(errno));
        if (fd >= 0) close(fd);
        return status;
    }
    clock_gettime(CLOCK_REALTIME, &now);
    for (struct dirent *file; !full && (file = readdir(open_folder));) {
        struct stat info;
        bool temporary;
        if (!is_ours(file->d_name, kinds[kind].suffix, &temporary) || fstatat(fd, file->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(info.st_mode)) continue;
        if (!temporary) full = !add(entries, kinds[kind].folder, file->d_name, &info);
        else if (leftovers && now.tv_sec - info.st_mtim.tv_sec > LEFT_SECONDS) (void)unlinkat(fd, file->d_name, 0);
    }
    closedir(open_folder);
    return full ? pln_fail_memory(diag, "the cache's entries", entries->n * sizeof *entries->items) : PLN_OK;
}

/* Those of `folder`, the oldest first. Files of builds at work are not entries; with `leftovers`, files of dead ones are removed. */
static enum pln_status read_entries(struct entries *entries, const char *folder, bool leftovers, struct pln_diag *diag)
{
    char path[PLN_CACHE_PATH_BYTES];
    *entries = (struct entries){ .folder = -1 };
    pln_arena_init(&entries->arena, pln_allocator_default(), 0);
    if (!folder_path(folder, PLN_CACHE_PLAN, path)) return pln_fail(diag, PLN_INVALID_ARGUMENT, "the name of the cache's folder is empty or too long");
    entries->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (entries->folder < 0 && errno == ENOENT) return PLN_OK;
    if (entries->folder < 0) return pln_fail(diag, PLN_IO, "cannot read '%s': %s", folder, strerror(errno));
    for (size_t kind = 0; kind < PLN_COUNT_OF(kinds); kind++) PLN_TRY(read_kind(entries, (enum pln_cache_kind)kind, leftovers, diag));
    if (entries->n) qsort(entries->items, entries->n, sizeof *entries->items, by_age);
    return PLN_OK;
}

static void release(struct entries *entries)
{
    if (entries->folder >= 0) close(entries->folder);
    pln_arena_deinit(&entries->arena);
}

enum pln_status pln_cache_list(const char *folder, void (*visit)(void *user, const struct pln_cache_entry *entry), void *user, pln_diagnostics *diagnostics, int *out_count, uint64_t *out_bytes)
{
    struct entries entries;
    *out_count = 0;
    *out_bytes = 0;
    if (!folder) return pln_fail(diagnostics, PLN_INVALID_ARGUMENT, "the cache's folder is NULL");
    enum pln_status status = read_entries(&entries, folder, false, diagnostics);
    for (size_t i = 0; status == PLN_OK && visit && i < entries.n; i++) {
        const struct pln_cache_entry entry = { .name = entries.items[i].name, .size_bytes = entries.items[i].size_bytes, .used_seconds = entries.items[i].used.tv_sec };
        visit(user, &entry);
    }
    if (status == PLN_OK) *out_count = (int)entries.n;
    if (status == PLN_OK) *out_bytes = entries.size_bytes;
    release(&entries);
    return status;
}

enum pln_status pln_cache_clean(const char *folder, uint64_t keep_bytes, pln_diagnostics *diagnostics, int *out_count, uint64_t *out_bytes)
{
    struct entries entries;
    *out_count = 0;
    *out_bytes = 0;
    if (!folder) return pln_fail(diagnostics, PLN_INVALID_ARGUMENT, "the cache's folder is NULL");
    enum pln_status status = read_entries(&entries, folder, true, diagnostics);
    uint64_t left = entries.size_bytes;
    for (size_t i = 0; status == PLN_OK && i < entries.n && (keep_bytes == 0 || left > keep_bytes); i++) {
        /* Another build may have been faster. */
        if (unlinkat(entries.folder, entries.items[i].name, 0) != 0 && errno != ENOENT) status = pln_fail(diagnostics, PLN_IO, "cannot remove '%s': %s", entries.items[i].name, strerror(errno));
        if (status != PLN_OK) break;
        left -= entries.items[i].size_bytes;
        ++*out_count;
        *out_bytes += entries.items[i].size_bytes;
    }
    release(&entries);
    return status;
}

void pln_cache_limit(const char *folder)
{
    int n;
    uint64_t bytes;
    enum pln_status status = pln_cache_clean(folder, PLN_CACHE_MOST_BYTES, NULL, &n, &bytes);
    (void)status; /* too large a cache is no failure of the build */
}
