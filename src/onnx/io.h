/* Opening, checking and importing an ONNX model in one step. */
#ifndef PLN_ONNX_IO_H
#define PLN_ONNX_IO_H

#include "onnx/import.h"
#include "onnx/open.h"

/* A graph with the file that its constants are views of. */
struct pln_onnx_imported {
    struct pln_onnx_file *file; /* notes for a report: file->model.notes */
    struct pln_graph *graph;
    const struct pln_allocator *alloc;
};

/* alloc NULL: the default one; options NULL: none. Errors: those of pln_onnx_open_file, pln_onnx_check_model and pln_onnx_import. */
enum pln_status pln_onnx_import_file(const char *path, const struct pln_onnx_import_options *options, const struct pln_allocator *alloc,
                                     struct pln_diag *diag, struct pln_onnx_imported **out_imported);
/* The same for bytes that outlive the result; folder: where external data is looked for, NULL for nowhere. */
enum pln_status pln_onnx_import_memory(const void *data, size_t size_bytes, const char *folder, const struct pln_onnx_import_options *options,
                                       const struct pln_allocator *alloc, struct pln_diag *diag, struct pln_onnx_imported **out_imported);
/* Ends the graph and every view of the file. NULL is fine. */
void pln_onnx_imported_destroy(struct pln_onnx_imported *imported);

#endif
