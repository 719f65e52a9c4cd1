/* The importer on a model of any bytes: it is refused, or gives a graph that verifies. */
#include <stdlib.h>

#include "onnx/io.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    static struct pln_diag diag;
    struct pln_onnx_imported *imported;
    const struct pln_onnx_import_options options = { .limit_bytes = (size_t)64 << 20, .max_nodes = 2000 };
    pln_diag_init(&diag);
    enum pln_status status = pln_onnx_import_memory(data, size_bytes, NULL, &options, NULL, &diag, &imported);
    if (status == PLN_INTERNAL) abort(); /* what is wrong with a model is never our bug */
    if (status != PLN_OK && diag.count == 0) abort();
    if (status == PLN_OK && pln_graph_verify(imported->graph, &diag) != PLN_OK) abort();
    pln_onnx_imported_destroy(imported);
    return 0;
}
