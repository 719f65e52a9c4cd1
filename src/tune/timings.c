#define _GNU_SOURCE

#include "tune/timings.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"

#define MAGIC      { 0x89, 'P', 'L', 'N', 'T', 'I', 'M', 0x1a }
#define LOCK_TRIES 500 /* of 10 ms: others hold it for a few */

struct head {
    uint8_t magic[8];
    uint32_t version, reserved;
    uint64_t count;
    uint64_t checksum; /* XXH64 of the entries */
};
static_assert(sizeof(struct head) == 32, "no padding in the head");
static_assert(sizeof(struct pln_timing) == 24, "no padding in an entry");

void pln_timings_init(struct pln_timings *timings, const struct pln_allocator *alloc)
{
    *timings = (struct pln_timings){ .alloc = alloc };
}

void pln_timings_deinit(struct pln_timings *timings)
{
    pln_free(timings->alloc, timings->items, timings->capacity * sizeof *timings->items);
    pln_free(timings->alloc, timings->asked, timings->capacity * sizeof *timings->asked);
    *timings = (struct pln_timings){ .alloc = timings->alloc };
}

/* ---- entries ---- */

static int compare(struct pln_hash128 a, struct pln_hash128 b)
{
    if (a.hi != b.hi) return a.hi < b.hi ? -1 : 1;
    return a.lo == b.lo ? 0 : a.lo < b.lo ? -1 : 1;
}

/* The place of the key, or where it belongs. */
static size_t place_of(const struct pln_timings *timings, struct pln_hash128 key)
{
    size_t first = 0, last = timings->n;
    while (first < last) {
        const size_t middle = first + (last - first) / 2;
        if (compare(timings->items[middle].key, key) < 0) first = middle + 1;
        else last = middle;
    }
    return first;
}

static bool is_at(const struct pln_timings *timings, size_t at, struct pln_hash128 key)
{
    return at < timings->n && compare(timings->items[at].key, key) == 0;
}

static bool reserve(struct pln_timings *timings, size_t want)
{
    if (want <= timings->capacity) return true;
    const size_t capacity = PLN_MAX(want, PLN_MAX(timings->capacity * 2, (size_t)64));
    struct pln_timing *items = pln_alloc(timings->alloc, capacity * sizeof *items, _Alignof(struct pln_timing));
    bool *asked = pln_alloc(timings->alloc, capacity * sizeof *asked, 1);
    if (!items || !asked) {
        pln_free(timings->alloc, items, capacity * sizeof *items);
        pln_free(timings->alloc, asked, capacity * sizeof *asked);
        return false;
    }
    if (timings->n) memcpy(items, timings->items, timings->n * sizeof *items);
    if (timings->n) memcpy(asked, timings->asked, timings->n * sizeof *asked);
    pln_free(timings->alloc, timings->items, timings->capacity * sizeof *items);
    pln_free(timings->alloc, timings->asked, timings->capacity * sizeof *asked);
    timings->items = items;
    timings->asked = asked;
    timings->capacity = capacity;
    return true;
}

bool pln_timings_find(struct pln_timings *timings, struct pln_hash128 key, uint64_t *out_ns)
{
    const size_t at = place_of(timings, key);
    *out_ns = 0;
    if (!is_at(timings, at, key)) return false;
    timings->asked[at] = true;
    *out_ns = timings->items[at].ns;
    return true;
}

bool pln_timings_set(struct pln_timings *timings, struct pln_hash128 key, uint64_t ns)
{
    const size_t at = place_of(timings, key);
    if (!is_at(timings, at, key)) {
        if (!reserve(timings, timings->n + 1)) return false;
        memmove(timings->items + at + 1, timings->items + at, (timings->n - at) * sizeof *timings->items);
        memmove(timings->asked + at + 1, timings->asked + at, (timings->n - at) * sizeof *timings->asked);
        timings->n++;
    } else if (timings->items[at].ns == ns) {
        timings->asked[at] = true;
        return true;
    }
    timings->items[at] = (struct pln_timing){ key, ns };
    timings->asked[at] = true;
    timings->changed = true;
    return true;
}

/* ---- the file ---- */

/* NULL: it is whole. */
static const char *find_damage(const uint8_t *data, size_t size_bytes, const struct head *head)
{
    struct pln_timing last = { 0 }, entry;
    if (head->reserved) return "its head is not as it should be";
    if (head->count > PLN_TIMINGS_MOST || size_bytes - sizeof *head != head->count * sizeof entry) return "its size is not that of its entries";
    if (pln_hash64(data + sizeof *head, size_bytes - sizeof *head, 0) != head->checksum) return "its checksum does not fit";
    for (size_t i = 0; i < head->count; i++) {
        memcpy(&entry, data + sizeof *head + i * sizeof entry, sizeof entry);
        if (i > 0 && compare(last.key, entry.key) >= 0) return "its entries are not sorted";
        last = entry;
    }
    return NULL;
}

/* Both are sorted. Of a key that both have, the file's wins. */
static bool merge(struct pln_timings *timings, const uint8_t *entries, size_t count)
{
    struct pln_timings both;
    size_t own = 0;
    pln_timings_init(&both, timings->alloc);
    if (!reserve(&both, timings->n + count)) return false;
    for (size_t i = 0; i < count || own < timings->n;) {
        struct pln_timing entry = { 0 };
        if (i < count) memcpy(&entry, entries + i * sizeof entry, sizeof entry);
        const int order = i == count ? 1 : own == timings->n ? -1 : compare(entry.key, timings->items[own].key);
        if (order > 0 || (order == 0 && entry.ns == 0 && timings->fills)) entry = timings->items[own];
        both.asked[both.n] = order >= 0 && timings->asked[own];
        both.items[both.n++] = entry;
        i += order <= 0;
        own += order >= 0;
    }
    both.changed = timings->changed;
    both.fills = timings->fills;
    pln_timings_deinit(timings);
    *timings = both;
    return true;
}

static enum pln_status read_bytes(struct pln_timings *timings, const uint8_t *data, size_t size_bytes, const char *path, struct pln_diag *diag)
{
    static const uint8_t magic[8] = MAGIC;
    struct head head;
    if (memcmp(data, magic, PLN_MIN(size_bytes, sizeof magic)) != 0) return pln_fail(diag, PLN_INVALID_ARGUMENT, "'%s' is no timing cache; name another file", path);
    if (size_bytes < sizeof head) return pln_fail(diag, PLN_BAD_PLAN, "the timing cache '%s' is not used: its head is cut off", path);
    memcpy(&head, data, sizeof head);
    if (head.version != PLN_TIMINGS_VERSION) return pln_fail(diag, PLN_INCOMPATIBLE, "the timing cache '%s' is not used: it is of version %u, this library's is %u", path, head.version, PLN_TIMINGS_VERSION);
    const char *damage = find_damage(data, size_bytes, &head);
    if (damage) return pln_fail(diag, PLN_BAD_PLAN, "the timing cache '%s' is not used: %s", path, damage);
    return merge(timings, data + sizeof head, (size_t)head.count) ? PLN_OK : pln_fail_memory(diag, "timings", size_bytes);
}

static enum pln_status read_open(struct pln_timings *timings, int fd, const char *path, struct pln_diag *diag)
{
    struct pln_file_map map;
    PLN_TRY(pln_file_map_descriptor(fd, path, diag, &map));
    enum pln_status status = map.size_bytes ? read_bytes(timings, map.data, map.size_bytes, path, diag) : PLN_OK;
    pln_file_unmap(&map);
    return status;
}

enum pln_status pln_timings_read(struct pln_timings *timings, const char *path, struct pln_diag *diag)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe in its place must not be waited for */
    if (fd < 0 && errno == ENOENT) return PLN_OK;
    if (fd < 0) return pln_fail(diag, PLN_IO, "cannot open '%s': %s", path, strerror(errno));
    enum pln_status status = read_open(timings, fd, path, diag);
    close(fd);
    return status;
}

/* A file that is replaced while one waits for it is not the one to lock any more. */
static bool is_named(int fd, const char *path)
{
    struct stat own, named;
    return fstat(fd, &own) == 0 && stat(path, &named) == 0 && own.st_dev == named.st_dev && own.st_ino == named.st_ino;
}

/* The file, locked, made where it is missing. */
static enum pln_status open_locked(const char *path, struct pln_diag *diag, int *out_fd)
{
    const struct timespec pause = { .tv_nsec = 10000000 };
    for (int i = 0; i < LOCK_TRIES; i++) {
        const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666);
        if (fd < 0) return pln_fail(diag, PLN_IO, "cannot write '%s': %s", path, strerror(errno));
        const bool locked = flock(fd, LOCK_EX | LOCK_NB) == 0;
        const int why = errno;
        if (locked && is_named(fd, path)) {
            *out_fd = fd;
            return PLN_OK;
        }
        close(fd);
        if (!locked && why != EWOULDBLOCK && why != EINTR) return pln_fail(diag, PLN_IO, "cannot lock '%s': %s", path, strerror(why));
        if (!locked) nanosleep(&pause, NULL);
    }
    return pln_fail(diag, PLN_IO, "cannot lock '%s': another process keeps it", path);
}

/* What this build had no use for goes. */
static void drop_others(struct pln_timings *timings)
{
    size_t n = 0;
    for (size_t i = 0; i < timings->n && n < PLN_TIMINGS_MOST; i++) {
        if (!timings->asked[i]) continue;
        timings->items[n] = timings->items[i];
        timings->asked[n++] = true;
    }
    timings->n = n;
}

static enum pln_status write_file(const struct pln_timings *timings, const char *path, struct pln_diag *diag)
{
    struct pln_file_writer writer;
    const size_t size_bytes = timings->n * sizeof *timings->items;
    const struct head head = { .magic = MAGIC, .version = PLN_TIMINGS_VERSION, .count = timings->n, .checksum = pln_hash64(timings->items, size_bytes, 0) };
    PLN_TRY(pln_file_writer_open(&writer, path, timings->alloc, diag));
    writer.may_be_lost = true; /* reading tells damage */
    enum pln_status status = pln_file_writer_write(&writer, &head, sizeof head);
    if (status == PLN_OK) status = pln_file_writer_write(&writer, timings->items, size_bytes);
    if (status == PLN_OK) return pln_file_writer_commit(&writer);
    pln_file_writer_abort(&writer);
    return status;
}

enum pln_status pln_timings_save(struct pln_timings *timings, const char *path, struct pln_diag *diag)
{
    struct pln_diag quiet;
    int fd = -1;
    PLN_TRY(open_locked(path, diag, &fd));
    pln_diag_init(&quiet);
    enum pln_status status = read_open(timings, fd, path, &quiet);
    if (status == PLN_INCOMPATIBLE || status == PLN_BAD_PLAN) status = PLN_OK;
    else if (status != PLN_OK) status = pln_fail(diag, status, "%s", quiet.count ? quiet.entries[0].text : pln_status_text(status));
    if (timings->n > PLN_TIMINGS_MOST) drop_others(timings);
    if (status == PLN_OK) status = write_file(timings, path, diag);
    if (status == PLN_OK) timings->changed = false;
    close(fd); /* and the lock with it */
    return status;
}
