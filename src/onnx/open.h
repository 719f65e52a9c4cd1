/* An ONNX file, open: mapped, decoded, with the files of external data it turns out to need. */
#ifndef PLN_ONNX_OPEN_H
#define PLN_ONNX_OPEN_H

#include "onnx/external.h"
#include "onnx/model.h"

struct pln_onnx_file {
    struct pln_onnx_model model;
    struct pln_onnx_externals externals; /* for tensor_data.h */
    struct pln_arena arena;              /* everything above; no limit any more, for what checks and edits add */
    struct pln_file_map map;             /* empty for a model from memory */
    const char *path;                    /* as given; "" for a model from memory */
};

/* Maps and decodes. The result is well-formed, no more: check.h tells whether it is a model that can be run. alloc
 * NULL: the default one. Errors, each with the path in front: PLN_IO; PLN_BAD_MODEL for a file that is empty, cut off,
 * of another kind
 * ("not an ONNX model: it is a text file") or breaks the wire format, with the byte where it does; PLN_NO_MEMORY, also
 * when the structs grow out of all proportion to the file. out_file is NULL then. */
enum pln_status pln_onnx_open_file(const char *path, const struct pln_allocator *alloc, struct pln_diag *diag,
                                   struct pln_onnx_file **out_file);

/* The same for bytes that the caller holds and that must outlive the result. folder: where external data is looked for,
 * NULL for nowhere. */
enum pln_status pln_onnx_open_memory(const void *data, size_t size_bytes, const char *folder,
                                     const struct pln_allocator *alloc, struct pln_diag *diag,
                                     struct pln_onnx_file **out_file);

/* Ends every view and struct of it. NULL is fine. */
void pln_onnx_close(struct pln_onnx_file *file);

#endif
