/* An engine's plan to a file. */
#include <limits.h>

#include "base/base.h"
#include "base/file.h"
#include "planish/experimental/save.h"

#define PIECE ((size_t)32 << 20) /* written at a time */

/* Told before the piece at `done`. */
static enum pln_status tell(pln_progress progress, void *user, size_t done, size_t size_bytes, pln_diagnostics *diagnostics)
{
    int shift = 0;
    while (size_bytes >> shift > INT_MAX) shift += 10;
    if (!progress || progress(user, "write the plan", (int)(done >> shift), (int)(size_bytes >> shift))) return PLN_OK;
    return pln_fail(diagnostics, PLN_CANCELLED, "writing the plan was cancelled");
}

/* Waiting for the disk takes longer than building. What a crash of the system leaves, loading tells to be damaged (pln_engine_load_file). */
static enum pln_status commit(struct pln_file_writer *writer)
{
    writer->may_be_lost = true;
    return pln_file_writer_commit(writer);
}

/* A plan that was put together in a file without a name only needs one. False: it is in memory, or elsewhere. */
static bool give_name(const void *plan, size_t size_bytes, const char *path)
{
    struct pln_file_writer writer;
    struct pln_diag quiet;
    const int fd = pln_file_scratch_take(plan, size_bytes);
    pln_diag_init(&quiet);
    return fd >= 0 && pln_file_writer_take(&writer, path, fd, NULL, &quiet) == PLN_OK && commit(&writer) == PLN_OK;
}

static enum pln_status write_pieces(struct pln_file_writer *writer, const char *plan, size_t size_bytes, pln_progress progress, void *user)
{
    for (size_t done = 0; done < size_bytes;) {
        const size_t n = PLN_MIN(PIECE, size_bytes - done);
        if (done > 0) PLN_TRY(tell(progress, user, done, size_bytes, writer->diag));
        PLN_TRY(pln_file_writer_write(writer, plan + done, n));
        done += n;
    }
    return PLN_OK;
}

enum pln_status pln_engine_save_watched(const pln_engine *engine, const char *path, pln_progress progress, void *user, pln_diagnostics *diagnostics)
{
    size_t size_bytes;
    struct pln_file_writer writer;
    if (!engine || !path) return pln_fail(diagnostics, PLN_INVALID_ARGUMENT, "the engine or the path of the plan is NULL");
    const void *plan = pln_engine_plan(engine, &size_bytes);
    PLN_TRY(tell(progress, user, 0, size_bytes, diagnostics));
    if (give_name(plan, size_bytes, path)) return PLN_OK;
    PLN_TRY(pln_file_writer_open(&writer, path, NULL, diagnostics));
    enum pln_status status = write_pieces(&writer, plan, size_bytes, progress, user);
    if (status == PLN_OK) return commit(&writer);
    pln_file_writer_abort(&writer);
    return status;
}

enum pln_status pln_engine_save(const pln_engine *engine, const char *path, pln_diagnostics *diagnostics)
{
    return pln_engine_save_watched(engine, path, NULL, NULL, diagnostics);
}
