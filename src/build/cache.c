/* The folder of caches: what is in it, and keeping it small. Entries are made and read by code_cache.c. */
#define _GNU_SOURCE

#include "planish/experimental/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/text.h"
#include "build/code_cache.h"

/* A temporary file that is older belongs to nobody any more. */
#define LEFT_SECONDS 3600

struct entry {
    const char *name;
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

/* "….bin" and "….bin.tmp-01234567", as code_cache.c and the file writer name them. Other files are not ours. */
static bool is_ours(const char *name, bool *out_temporary)
{
    const size_t key = PLN_CODE_CACHE_KEY_DIGITS, length = strnlen(name, 200);
    *out_temporary = length > key + 4;
    if (length < key + 4 || !is_hex(name, key) || memcmp(name + key, ".bin", 4) != 0) return false;
    return length == key + 4 || (length == key + 4 + 13 && memcmp(name + key + 4, ".tmp-", 5) == 0 && is_hex(name + key + 9, 8));
}

static int by_age(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->used.tv_sec != y->used.tv_sec) return x->used.tv_sec < y->used.tv_sec ? -1 : 1;
    if (x->used.tv_nsec != y->used.tv_nsec) return x->used.tv_nsec < y->used.tv_nsec ? -1 : 1;
    return strcmp(x->name, y->name);
}

static bool add(struct entries *entries, const char *name, const struct stat *info)
{
    const char *kept = pln_arena_text(&entries->arena, name, strlen(name));
    if (!kept || !pln_arena_grow(&entries->arena, (void **)&entries->items, &entries->capacity, entries->n + 1, sizeof *entries->items)) return false;
    entries->items[entries->n++] = (struct entry){ .name = kept, .size_bytes = (uint64_t)info->st_size, .used = info->st_mtim };
    entries->size_bytes += (uint64_t)info->st_size;
    return true;
}

/* Those of `folder`/code, the oldest first. Files of builds at work are not entries; with `leftovers`, files of dead ones are removed. */
static enum pln_status read_entries(struct entries *entries, const char *folder, bool leftovers, struct pln_diag *diag)
{
    char path[PLN_CODE_CACHE_PATH_BYTES];
    bool full = false;
    struct timespec now = { 0 };
    *entries = (struct entries){ .folder = -1 };
    pln_arena_init(&entries->arena, pln_allocator_default(), 0);
    if (!pln_code_cache_folder(folder, path, sizeof path)) return pln_fail(diag, PLN_INVALID_ARGUMENT, "the name of the cache's folder is too long");
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) return PLN_OK;
    DIR *open_folder = fd < 0 ? NULL : fdopendir(fd);
    if (!open_folder) {
        enum pln_status status = pln_fail(diag, PLN_IO, "cannot read '%s': %s", path, strerror(errno));
        if (fd >= 0) close(fd);
        return status;
    }
    clock_gettime(CLOCK_REALTIME, &now);
    for (struct dirent *file; !full && (file = readdir(open_folder));) {
        struct stat info;
        bool temporary;
        if (!is_ours(file->d_name, &temporary) || fstatat(fd, file->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(info.st_mode)) continue;
        if (!temporary) full = !add(entries, file->d_name, &info);
        else if (leftovers && now.tv_sec - info.st_mtim.tv_sec > LEFT_SECONDS) (void)unlinkat(fd, file->d_name, 0);
    }
    entries->folder = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    closedir(open_folder);
    if (full) return pln_fail_memory(diag, "the cache's entries", entries->n * sizeof *entries->items);
    if (entries->folder < 0) return pln_fail(diag, PLN_IO, "cannot read '%s': %s", path, strerror(errno));
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
        char name[PLN_CODE_CACHE_KEY_DIGITS + 16];
        snprintf(name, sizeof name, PLN_CODE_CACHE_SUBFOLDER "/%s", entries.items[i].name);
        const struct pln_cache_entry entry = { .name = name, .size_bytes = entries.items[i].size_bytes, .used_seconds = entries.items[i].used.tv_sec };
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
