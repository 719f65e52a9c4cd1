/* An engine's plan to a file. */
#include "base/file.h"
#include "planish/builder.h"

enum pln_status pln_engine_save(const pln_engine *engine, const char *path, pln_diagnostics *diagnostics)
{
    size_t size_bytes;
    struct pln_file_writer writer;
    if (!engine || !path) return pln_fail(diagnostics, PLN_INVALID_ARGUMENT, "the engine or the path of the plan is NULL");
    const void *plan = pln_engine_plan(engine, &size_bytes);
    PLN_TRY(pln_file_writer_open(&writer, path, NULL, diagnostics));
    enum pln_status status = pln_file_writer_write(&writer, plan, size_bytes);
    if (status == PLN_OK) return pln_file_writer_commit(&writer);
    pln_file_writer_abort(&writer);
    return status;
}
