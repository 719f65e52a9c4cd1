#define _GNU_SOURCE

#include "base/clock.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX_BYTES 14 /* ".tmp-" and 8 hex digits and the end */
#define OPEN_TRIES   100

static enum pln_status writer_fail(struct pln_file_writer *writer, const char *doing)
{
    if (writer->status == PLN_OK)
        writer->status = pln_fail(writer->diag, PLN_IO, "cannot %s '%s': %s", doing, writer->path, strerror(errno));
    return writer->status;
}

static void descriptor_link(int fd, char link[40])
{
    snprintf(link, 40, "/proc/self/fd/%d", fd);
}

/* Without a name until it is committed: a process that is killed leaves nothing behind. -1: not in this folder, or not on this system. */
static int open_unnamed(const struct pln_file_writer *writer)
{
#ifdef O_TMPFILE
    char link[40];
    if (pln_path_folder(writer->path, writer->temp_path, writer->temp_bytes) != PLN_OK) return -1;
    const int fd = open(writer->temp_path, O_RDWR | O_TMPFILE | O_CLOEXEC, 0666);
    descriptor_link(fd, link);
    if (fd < 0 || access(link, F_OK) == 0) return fd;
    close(fd); /* it could not be given a name */
#else
    (void)writer;
#endif
    return -1;
}

/* Under a name that nobody has: the umask gives the mode that the user wants, which mkstemp would not. unnamed: the file that gets it; -1: a new one. */
static int open_temporary(const struct pln_file_writer *writer, int unnamed)
{
    char link[40];
    descriptor_link(unnamed, link);
    uint32_t mix = (uint32_t)pln_clock_ns() ^ (uint32_t)getpid() << 16 ^ (uint32_t)(uintptr_t)writer;
    for (int i = 0; i < OPEN_TRIES; i++) {
        mix = mix * 1664525u + 1013904223u; /* Numerical Recipes' linear congruence; only uniqueness matters */
        snprintf(writer->temp_path, writer->temp_bytes, "%s.tmp-%08x", writer->path, (unsigned)mix);
        int fd = unnamed;
        if (fd < 0) fd = open(writer->temp_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        else if (linkat(AT_FDCWD, link, AT_FDCWD, writer->temp_path, AT_SYMLINK_FOLLOW) != 0) fd = -1;
        if (fd >= 0 || errno != EEXIST) return fd;
    }
    return -1;
}

static void release_paths(struct pln_file_writer *writer)
{
    pln_free(writer->alloc, writer->path, writer->path_bytes);
    pln_free(writer->alloc, writer->temp_path, writer->temp_bytes);
    writer->path = NULL;
    writer->temp_path = NULL;
}

/* take_fd -1: a new file. */
static enum pln_status open_writer(struct pln_file_writer *writer, const char *path, int take_fd, const struct pln_allocator *alloc, struct pln_diag *diag)
{
    *writer = (struct pln_file_writer){ .fd = take_fd, .status = PLN_INVALID_ARGUMENT, .alloc = alloc, .diag = diag };
    /* The rename at the end would put a file where a device or a folder was. */
    struct stat info;
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode))
        return writer->status = pln_fail(diag, PLN_IO, "cannot write '%s': it exists and is not a regular file; name another", path);
    writer->path_bytes = strlen(path) + 1;
    writer->temp_bytes = writer->path_bytes + SUFFIX_BYTES;
    writer->path = pln_alloc(alloc, writer->path_bytes, 1);
    writer->temp_path = pln_alloc(alloc, writer->temp_bytes, 1);
    writer->status = PLN_OK;
    if (writer->path == NULL || writer->temp_path == NULL)
        return writer->status = pln_fail_memory(diag, "a file name", writer->temp_bytes);
    memcpy(writer->path, path, writer->path_bytes);
    if (writer->fd >= 0) return PLN_OK;
    writer->fd = open_unnamed(writer);
    writer->is_named = writer->fd < 0;
    if (writer->is_named) writer->fd = open_temporary(writer, -1);
    return writer->fd < 0 ? writer_fail(writer, "create") : PLN_OK;
}

enum pln_status pln_file_writer_open(struct pln_file_writer *writer, const char *path,
                                     const struct pln_allocator *alloc, struct pln_diag *diag)
{
    const enum pln_status status = open_writer(writer, path, -1, alloc, diag);
    if (status != PLN_OK) release_paths(writer);
    return status;
}

enum pln_status pln_file_writer_take(struct pln_file_writer *writer, const char *path, int take_fd,
                                     const struct pln_allocator *alloc, struct pln_diag *diag)
{
    const enum pln_status status = open_writer(writer, path, take_fd, alloc, diag);
    if (status != PLN_OK) pln_file_writer_abort(writer);
    return status;
}

static enum pln_status write_at(struct pln_file_writer *writer, uint64_t offset, const void *data, size_t size_bytes)
{
    const char *p = data;
    while (size_bytes > 0) {
        /* Linux writes at most 2 GiB at once anyway. */
        ssize_t n = pwrite(writer->fd, p, PLN_MIN(size_bytes, (size_t)1 << 30), (off_t)offset);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return writer_fail(writer, "write");
        p += n;
        offset += (uint64_t)n;
        size_bytes -= (size_t)n;
    }
    return PLN_OK;
}

enum pln_status pln_file_writer_write(struct pln_file_writer *writer, const void *data, size_t size_bytes)
{
    if (writer->status != PLN_OK) return writer->status;
    PLN_TRY(write_at(writer, writer->offset, data, size_bytes));
    writer->offset += size_bytes;
    return PLN_OK;
}

enum pln_status pln_file_writer_align(struct pln_file_writer *writer, size_t align)
{
    static const char zeros[4096];
    size_t left = (size_t)(-writer->offset & (align - 1));
    while (left > 0) {
        size_t n = PLN_MIN(left, sizeof zeros);
        PLN_TRY(pln_file_writer_write(writer, zeros, n));
        left -= n;
    }
    return writer->status;
}

enum pln_status pln_file_writer_patch(struct pln_file_writer *writer, uint64_t offset, const void *data,
                                      size_t size_bytes)
{
    if (writer->status != PLN_OK) return writer->status;
    assert(offset <= writer->offset && size_bytes <= writer->offset - offset);
    return write_at(writer, offset, data, size_bytes);
}

enum pln_status pln_file_writer_commit(struct pln_file_writer *writer)
{
    if (writer->status == PLN_OK && !writer->may_be_lost && fsync(writer->fd) != 0) writer_fail(writer, "write");
    if (writer->status == PLN_OK && !writer->is_named) {
        writer->is_named = open_temporary(writer, writer->fd) >= 0;
        if (!writer->is_named) writer_fail(writer, "create");
    }
    if (writer->status == PLN_OK) {
        int fd = writer->fd;
        writer->fd = -1;
        if (close(fd) != 0) writer_fail(writer, "close");
    }
    if (writer->status == PLN_OK && rename(writer->temp_path, writer->path) != 0) writer_fail(writer, "replace");
    enum pln_status status = writer->status;
    if (status == PLN_OK) release_paths(writer);
    pln_file_writer_abort(writer);
    return status;
}

void pln_file_writer_abort(struct pln_file_writer *writer)
{
    if (writer->fd >= 0) close(writer->fd);
    writer->fd = -1;
    if (writer->temp_path != NULL && writer->is_named) unlink(writer->temp_path);
    release_paths(writer);
    if (writer->status == PLN_OK) writer->status = PLN_INVALID_ARGUMENT; /* it is closed: later writes do nothing */
}
