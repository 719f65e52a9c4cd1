#include "onnx/io.h"

#include "onnx/check.h"

/* Takes the file, even when it fails. */
static enum pln_status import_opened(struct pln_onnx_file *file, const struct pln_onnx_import_options *options, const struct pln_allocator *alloc,
                                     struct pln_diag *diag, struct pln_onnx_imported **out_imported)
{
    struct pln_onnx_imported *imported = pln_alloc_zeroed(alloc, sizeof *imported, sizeof(void *));
    enum pln_status status = imported ? PLN_OK : pln_fail_memory(diag, "a model", sizeof *imported);
    struct pln_graph *graph = NULL;
    if (status == PLN_OK) status = pln_onnx_check_model(&file->model, &file->arena, diag);
    if (status == PLN_OK) status = pln_onnx_import(&file->model, &file->externals, options, alloc, diag, &graph);
    if (status != PLN_OK) {
        if (imported) pln_free(alloc, imported, sizeof *imported);
        pln_onnx_close(file);
        return status;
    }
    *imported = (struct pln_onnx_imported){ file, graph, alloc };
    *out_imported = imported;
    return PLN_OK;
}

enum pln_status pln_onnx_import_file(const char *path, const struct pln_onnx_import_options *options, const struct pln_allocator *alloc,
                                     struct pln_diag *diag, struct pln_onnx_imported **out_imported)
{
    struct pln_onnx_file *file;
    *out_imported = NULL;
    if (!alloc) alloc = pln_allocator_default();
    PLN_TRY(pln_onnx_open_file(path, alloc, diag, &file));
    return import_opened(file, options, alloc, diag, out_imported);
}

enum pln_status pln_onnx_import_memory(const void *data, size_t size_bytes, const char *folder, const struct pln_onnx_import_options *options,
                                       const struct pln_allocator *alloc, struct pln_diag *diag, struct pln_onnx_imported **out_imported)
{
    struct pln_onnx_file *file;
    *out_imported = NULL;
    if (!alloc) alloc = pln_allocator_default();
    PLN_TRY(pln_onnx_open_memory(data, size_bytes, folder, alloc, diag, &file));
    return import_opened(file, options, alloc, diag, out_imported);
}

void pln_onnx_imported_destroy(struct pln_onnx_imported *imported)
{
    if (!imported) return;
    pln_graph_destroy(imported->graph);
    pln_onnx_close(imported->file);
    pln_free(imported->alloc, imported, sizeof *imported);
}
