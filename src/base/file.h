/* Files: read-only mapping, and writing under a temporary name that is renamed when complete. */
#ifndef PLN_BASE_FILE_H
#define PLN_BASE_FILE_H

#include "base/base.h"

/* A whole file mapped read-only and private. An empty file has size 0 and data non-NULL. The mapping is made from one open
 * descriptor, so a file that is replaced later does not change it. */
struct pln_file_map {
    const uint8_t *data;
    size_t size_bytes;
    void *base; /* what munmap takes; NULL when nothing is mapped */
    size_t base_bytes;
};
/* Errors: PLN_IO with the path and the system's reason; directories and devices are refused. */
enum pln_status pln_file_map(const char *path, struct pln_diag *diag, struct pln_file_map *out_map);
/* The same of an open descriptor, which is no longer needed then. path: for messages. */
enum pln_status pln_file_map_descriptor(int fd, const char *path, struct pln_diag *diag, struct pln_file_map *out_map);
/* Opens `relative` below `folder` without leaving it: absolute paths, "..", empty names and symbolic links that lead out are
 * PLN_BAD_MODEL (checked on the opened descriptor's real path, so nothing can be swapped between check and use). home: another
 * folder that links may lead below, without links itself, or NULL. */
enum pln_status pln_file_map_below(const char *folder, const char *home, const char *relative, struct pln_diag *diag, struct pln_file_map *out_map);
void pln_file_unmap(struct pln_file_map *map);
/* The pages that lie in these bytes need not stay in memory: they come back from the file when they are read. Bytes outside of the map are left alone. */
void pln_file_map_forget(const struct pln_file_map *map, const void *bytes, size_t size_bytes);

/* Parts of the file were never written, and read as zeros: so a crash leaves a file that the disk did not have yet, and so some programs copy zeros. false also where nobody
 * knows. */
bool pln_file_has_holes(const char *path);

/* Memory, zeroed, whose pages are those of an unnamed file in the folder: they can be written there and dropped. All of the room on the disk is taken at once. NULL: it
 * cannot be had. */
void *pln_file_scratch(const char *folder, size_t size_bytes);
void pln_file_scratch_release(void *memory, size_t size_bytes);
/* The descriptor of the file, which has the umask's mode, for pln_file_writer_take; it is the caller's from then on, and the memory
 * can be read only. -1: the memory is no such file's, or it was taken. */
int pln_file_scratch_take(const void *memory, size_t size_bytes);

/* Folder part of a path, "." when there is none, into the caller's buffer. PLN_INVALID_ARGUMENT: it does not fit. */
enum pln_status pln_path_folder(const char *path, char *buffer, size_t buffer_bytes);

/* Writes a file without a name in the same folder (path.tmp-XXXX where the file system has no such files), then fsync and rename by commit. abort (or a failed
 * commit) removes it. */
struct pln_file_writer {
    int fd;
    char *path, *temp_path;
    size_t path_bytes, temp_bytes;
    uint64_t offset;
    enum pln_status status; /* first failure; later writes do nothing */
    bool is_named;          /* temp_path is its name */
    bool may_be_lost;       /* set after open: commit does not wait for the disk; what a crash leaves may be damaged */
    const struct pln_allocator *alloc;
    struct pln_diag *diag;
};
enum pln_status pln_file_writer_open(struct pln_file_writer *writer, const char *path, const struct pln_allocator *alloc, struct pln_diag *diag);
/* The file is complete, and lies behind take_fd (closed in any case) without a name. Commit fails where it cannot get one in that folder. */
enum pln_status pln_file_writer_take(struct pln_file_writer *writer, const char *path, int take_fd, const struct pln_allocator *alloc, struct pln_diag *diag);
enum pln_status pln_file_writer_write(struct pln_file_writer *writer, const void *data, size_t size_bytes);
/* Zero bytes up to the next multiple of align (a power of two). */
enum pln_status pln_file_writer_align(struct pln_file_writer *writer, size_t align);
/* Overwrites bytes already written, for headers that are known last. */
enum pln_status pln_file_writer_patch(struct pln_file_writer *writer, uint64_t offset, const void *data, size_t size_bytes);
enum pln_status pln_file_writer_commit(struct pln_file_writer *writer);
void pln_file_writer_abort(struct pln_file_writer *writer);

#endif
