#define _GNU_SOURCE

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const uint8_t empty_file[1];

static void map_clear(struct pln_file_map *map)
{
    *map = (struct pln_file_map){ .data = empty_file };
}

/* O_NONBLOCK: opening a pipe that nobody writes to must not hang; it means nothing for a regular file. */
#define OPEN_FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

enum pln_status pln_file_map_descriptor(int fd, const char *path, struct pln_diag *diag, struct pln_file_map *out_map)
{
    struct stat info;
    map_clear(out_map);
    if (fstat(fd, &info) != 0) return pln_fail(diag, PLN_IO, "cannot read '%s': %s", path, strerror(errno));
    if (S_ISDIR(info.st_mode)) return pln_fail(diag, PLN_IO, "cannot read '%s': it is a folder; name a file in it", path);
    if (!S_ISREG(info.st_mode)) return pln_fail(diag, PLN_IO, "cannot read '%s': it is not a regular file; copy it to one", path);
    if (info.st_size == 0) return PLN_OK;
    if ((uintmax_t)info.st_size > (uintmax_t)PTRDIFF_MAX)
        return pln_fail(diag, PLN_IO, "cannot read '%s': it is larger than the address space", path);
    size_t size_bytes = (size_t)info.st_size;
    void *base = mmap(NULL, size_bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    if (base == MAP_FAILED) return pln_fail(diag, PLN_IO, "cannot map '%s': %s", path, strerror(errno));
    *out_map = (struct pln_file_map){ .data = base, .size_bytes = size_bytes, .base = base, .base_bytes = size_bytes };
    return PLN_OK;
}

enum pln_status pln_file_map(const char *path, struct pln_diag *diag, struct pln_file_map *out_map)
{
    map_clear(out_map);
    int fd = open(path, OPEN_FLAGS);
    if (fd < 0) return pln_fail(diag, PLN_IO, "cannot open '%s': %s", path, strerror(errno));
    enum pln_status status = pln_file_map_descriptor(fd, path, diag, out_map);
    close(fd);
    return status;
}

bool pln_file_has_holes(const char *path)
{
    const int fd = open(path, OPEN_FLAGS);
    if (fd < 0) return false;
    const off_t hole = lseek(fd, 0, SEEK_HOLE), end = lseek(fd, 0, SEEK_END);
    close(fd);
    return hole >= 0 && hole < end;
}

static bool has_parent_part(const char *path)
{
    for (const char *part = path; part != NULL;) {
        if (part[0] == '.' && part[1] == '.' && (part[2] == '/' || part[2] == '\0')) return true;
        part = strchr(part, '/');
        if (part != NULL) part++;
    }
    return false;
}

/* The path that the system knows an open descriptor by, without links. */
static bool descriptor_path(int fd, char buffer[PATH_MAX])
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, buffer, PATH_MAX - 1);
    if (n <= 0 || n >= PATH_MAX - 1) return false;
    buffer[n] = '\0';
    return true;
}

static bool is_below(const char *folder, const char *file)
{
    size_t n = strlen(folder);
    if (n == 1) n = 0; /* "/": every path is below it */
    return strncmp(folder, file, n) == 0 && file[n] == '/';
}

static enum pln_status check_below(int folder_fd, const char *home, int fd, const char *relative, struct pln_diag *diag)
{
    char folder[PATH_MAX], file[PATH_MAX];
    if (!descriptor_path(folder_fd, folder) || !descriptor_path(fd, file))
        return pln_fail(diag, PLN_IO, "cannot tell where '%s' lies: /proc is not readable", relative);
    if (is_below(folder, file) || (home && is_below(home, file))) return PLN_OK;
    return pln_fail(diag, PLN_BAD_MODEL,
                    "'%s' leads out of the model's folder, to '%s'; copy the file there instead of linking it",
                    relative, file);
}

enum pln_status pln_file_map_below(const char *folder, const char *home, const char *relative, struct pln_diag *diag,
                                   struct pln_file_map *out_map)
{
    map_clear(out_map);
    if (relative[0] == '\0') return pln_fail(diag, PLN_BAD_MODEL, "the name of a data file is empty");
    if (relative[0] == '/' || has_parent_part(relative))
        return pln_fail(diag, PLN_BAD_MODEL, "'%s' would leave the model's folder", relative);
    int folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder_fd < 0) return pln_fail(diag, PLN_IO, "cannot open the folder '%s': %s", folder, strerror(errno));
    int fd = openat(folder_fd, relative, OPEN_FLAGS);
    enum pln_status status;
    if (fd < 0) {
        status = pln_fail(diag, PLN_IO, "cannot open '%s' in '%s': %s", relative, folder, strerror(errno));
    } else {
        status = check_below(folder_fd, home, fd, relative, diag);
        if (status == PLN_OK) status = pln_file_map_descriptor(fd, relative, diag, out_map);
        close(fd);
    }
    close(folder_fd);
    return status;
}

void pln_file_map_forget(const struct pln_file_map *map, const void *bytes, size_t size_bytes)
{
    const uintptr_t base = (uintptr_t)map->base, page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t first = pln_align_up((uintptr_t)bytes, page), last = ((uintptr_t)bytes + size_bytes) & ~(page - 1);
    if (map->base == NULL || first < base || last > base + map->base_bytes || first >= last) return;
    (void)madvise((void *)first, last - first, MADV_DONTNEED);
}

void pln_file_unmap(struct pln_file_map *map)
{
    if (map->base != NULL) munmap(map->base, map->base_bytes);
    map_clear(map);
}

enum pln_status pln_path_folder(const char *path, char *buffer, size_t buffer_bytes)
{
    const char *from = ".", *slash = strrchr(path, '/');
    size_t n = 1;
    if (slash != NULL) {
        from = path;
        n = slash == path ? 1 : (size_t)(slash - path);
    }
    if (buffer_bytes > 0) buffer[0] = '\0';
    if (n >= buffer_bytes) return PLN_INVALID_ARGUMENT;
    memcpy(buffer, from, n);
    buffer[n] = '\0';
    return PLN_OK;
}
