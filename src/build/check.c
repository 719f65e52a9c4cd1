/* The faults of a model: what the importer finds, with nothing built. */
#include "onnx/check.h"
#include "onnx/import.h"
#include "onnx/open.h"
#include "planish/experimental/check.h"

static enum pln_status check_file(struct pln_onnx_file *file, const struct pln_plugins *plugins, struct pln_diag *diag)
{
    const struct pln_onnx_import_options all = { .all_faults = true, .plugins = plugins };
    struct pln_graph *graph;
    bool importable;
    enum pln_status status = pln_onnx_check_faults(&file->model, &file->arena, diag, &importable);
    if (!importable) return status;
    enum pln_status imported = pln_onnx_import(&file->model, &file->externals, &all, pln_allocator_default(), diag, &graph);
    if (imported == PLN_OK) pln_graph_destroy(graph);
    return status == PLN_OK ? imported : status;
}

enum pln_status pln_check_model_file(const char *path, pln_plugins *plugins, pln_diagnostics *diagnostics, int *out_count)
{
    struct pln_onnx_file *file;
    *out_count = 0;
    if (!path) return pln_fail(diagnostics, PLN_INVALID_ARGUMENT, "the path of the model is NULL");
    struct pln_diag *diag = diagnostics ? diagnostics : pln_alloc_zeroed(NULL, sizeof *diag, _Alignof(struct pln_diag));
    if (!diag) return PLN_NO_MEMORY;
    int before = diag->count + diag->dropped;
    enum pln_status status = pln_onnx_open_file(path, pln_allocator_default(), diag, &file);
    if (status == PLN_OK) {
        status = check_file(file, plugins, diag);
        pln_onnx_close(file);
    }
    diag->node = diag->op = NULL;
    diag->node_index = -1;
    *out_count = diag->count + diag->dropped - before;
    if (!diagnostics) pln_free(NULL, diag, sizeof *diag);
    return status;
}
