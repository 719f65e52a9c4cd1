/* .npz: zip archives of .npy files, as numpy.savez and savez_compressed write them (stored or deflated members, zip64 where
 * needed; PKWARE APPNOTE.TXT 6.3). Everything read is hostile: offsets and sizes are checked, the sizes that members claim are
 * bounded by what deflate can make of the file's bytes, and checksums must agree. */
#ifndef PLN_TENSOR_NPZ_H
#define PLN_TENSOR_NPZ_H

#include "base/file.h"
#include "base/text.h"
#include "tensor/tensor.h"

struct pln_npz_item {
    const char *name; /* without ".npy", terminated */
    struct pln_tensor tensor;
};

/* All members whose name ends in .npy, in the order of the archive. Stored members are views of data where pln_npy_read makes
 * views; the rest is in the arena. Errors: PLN_INVALID_ARGUMENT (no or a damaged archive), PLN_UNSUPPORTED (encrypted, another
 * compression), PLN_NO_MEMORY, and those of pln_npy_read. */
enum pln_status pln_npz_read(const void *data, size_t size_bytes, struct pln_arena *arena, struct pln_diag *diag,
                             struct pln_npz_item **out_items, size_t *out_count);

/* Writes stored members. Members and archive are at most 4 GiB - 1 (PLN_UNSUPPORTED past that). */
struct pln_npz_writer {
    struct pln_file_writer file;
    struct pln_text directory; /* the entries so far */
    size_t count;
    uint32_t crc; /* of the member at hand */
};
enum pln_status pln_npz_writer_open(struct pln_npz_writer *writer, const char *path, const struct pln_allocator *alloc,
                                    struct pln_diag *diag);
/* name without ".npy". The tensor is contiguous; types are widened as pln_npy_write does. */
enum pln_status pln_npz_writer_add(struct pln_npz_writer *writer, const char *name, const struct pln_tensor *tensor);
enum pln_status pln_npz_writer_commit(struct pln_npz_writer *writer);
void pln_npz_writer_abort(struct pln_npz_writer *writer);

#endif
