/* An engine's plan to a file. */
#include <limits.h>

#include "base/base.h"
#include "base/file.h"
#include "planish/experimental/save.h"

#define PIECE ((size_t)32 << 20) /* written, and waited for, at a time */

static enum pln_status write_pieces(struct pln_file_writer *writer, const char *plan, size_t size_bytes, pln_progress progress, void *user)
{
    int shift = 0;
    while (size_bytes >> shift > INT_MAX) shift += 10;
    for (size_t done = 0; done < size_bytes;) {
        const size_t n = PLN_MIN(PIECE, size_bytes - done);
        if (!progress(user, "write the plan", (int)(done >> shift), (int)(size_bytes >> shift))) return pln_fail(writer->diag, PLN_CANCELLED, "writing the plan was cancelled");
        PLN_TRY(pln_file_writer_write(writer, plan + done, n));
        done += n;
        if (done < size_bytes) PLN_TRY(pln_file_writer_flush(writer));
    }
    return PLN_OK;
}

enum pln_status pln_engine_save_watched(const pln_engine *engine, const char *path, pln_progress progress, void *user, pln_diagnostics *diagnostics)
{
    size_t size_bytes;
    struct pln_file_writer writer;
    if (!engine || !path) return pln_fail(diagnostics, PLN_INVALID_ARGUMENT, "the engine or the path of the plan is NULL");
    const void *plan = pln_engine_plan(engine, &size_bytes);
    PLN_TRY(pln_file_writer_open(&writer, path, NULL, diagnostics));
    enum pln_status status = progress ? write_pieces(&writer, plan, size_bytes, progress, user) : pln_file_writer_write(&writer, plan, size_bytes);
    if (status == PLN_OK) return pln_file_writer_commit(&writer);
    pln_file_writer_abort(&writer);
    return status;
}

enum pln_status pln_engine_save(const pln_engine *engine, const char *path, pln_diagnostics *diagnostics)
{
    return pln_engine_save_watched(engine, path, NULL, NULL, diagnostics);
}
