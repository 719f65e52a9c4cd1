#define _XOPEN_SOURCE 700

#include "onnx/open.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"

/* Structs may take this much: real models stay below 8 bytes a byte of file (weights count for nothing), hostile ones
 * reach 100. */
#define ARENA_BASE_BYTES     ((uint64_t)64 << 20)
#define ARENA_BYTES_PER_BYTE 24
#define ARENA_MOST_BYTES     ((uint64_t)64 << 30)

/* ---- what else a file may be ---- */

struct magic {
    const char *bytes;
    size_t size_bytes, offset;
    const char *text;
};
static const struct magic magics[] = {
    { "version https://git-lfs", 23, 0, "it is a Git LFS pointer; fetch the real file with `git lfs pull`" },
    { "PK\x03\x04", 4, 0, "it is a ZIP archive (a PyTorch checkpoint, perhaps)" },
    { "\x1f\x8b", 2, 0, "it is compressed with gzip" },
    { "\x28\xb5\x2f\xfd", 4, 0, "it is compressed with zstd" },
    { "\x89HDF", 4, 0, "it is an HDF5 file" },
    { "GGUF", 4, 0, "it is a GGUF file" },
    { "\x89PLAN\r\n\x1a", 8, 0, "it is a plan of Planish, which is loaded and not built (pln_engine_load_file)" },
    { "ORTM", 4, 4, "it is in ONNX Runtime's own format (.ort)" },
    { "TFL3", 4, 4, "it is a TensorFlow Lite file" },
    { "\x93NUMPY", 6, 0, "it is a NumPy file" },
    { "\x80\x02", 2, 0, "it is a Python pickle" },
    { "\x89PNG", 4, 0, "it is a picture (PNG)" },
    { "\xff\xd8\xff", 3, 0, "it is a picture (JPEG)" },
    { "{\"", 2, 8, "it is a safetensors file" },
    { "\x7f"
      "ELF",
      4, 0, "it is an ELF file" },
};

static bool is_text(const uint8_t *data, size_t size_bytes)
{
    size_t size = PLN_MIN(size_bytes, 512), end = size;
    for (size_t i = 0; i < size; i++) {
        if ((data[i] < 0x20 && !strchr("\t\n\r\f", data[i])) || data[i] == '\0' || data[i] == 0x7f) return false;
    }
    /* A character may be cut at the end of what is looked at. */
    while (size_bytes > 512 && end > size - 4 && data[end - 1] >= 0x80) end--;
    return pln_utf8_valid((const char *)data, end);
}

/* NULL: nothing that we know. */
static const char *recognize(const uint8_t *data, size_t size_bytes)
{
    for (size_t i = 0; i < PLN_COUNT_OF(magics); i++) {
        const struct magic *m = &magics[i];
        if (size_bytes >= m->offset + m->size_bytes && memcmp(data + m->offset, m->bytes, m->size_bytes) == 0)
            return m->text;
    }
    return size_bytes != 0 && is_text(data, size_bytes) ? "it is a text file" : NULL;
}

/* ---- errors ---- */

static const char *label_of(const struct pln_onnx_file *file)
{
    return file->path[0] != '\0' ? file->path : "model in memory";
}

/* Replaces what was said since `before` by one entry that begins with the file. */
static enum pln_status fail_decode(const struct pln_onnx_file *file, const uint8_t *data, size_t size_bytes,
                                   enum pln_status status, int before, struct pln_diag *diag)
{
    char why[PLN_DIAG_TEXT] = "";
    const char *other = recognize(data, size_bytes);
    if (!diag) return status;
    if (diag->count > before) {
        memcpy(why, diag->entries[before].text, sizeof why);
        diag->count = before;
    }
    if (status != PLN_BAD_MODEL) return pln_fail(diag, status, "%s: %s", label_of(file), why);
    if (other) return pln_fail(diag, status, "%s: not an ONNX model: %s; what is wanted is a file that was exported as ONNX", label_of(file), other);
    return pln_fail(diag, status, "%s: not a readable ONNX model: %s (it has %zu bytes; it may be cut off or damaged); export or download it again",
                    label_of(file), why, size_bytes);
}

/* ---- versions ---- */

/* Source: onnx.proto ("ir_version … MUST be present") and its enum Version, which begins at 1. Versions 1 and 2 are read: what they lack
 * (types of attributes, imports of operator sets) has one meaning. So are newer ones, with a note: each so far has added fields and types,
 * and of those that are not known the ones that matter to an answer fail by themselves. */
static enum pln_status check_ir_version(const struct pln_onnx_file *file, struct pln_diag *diag)
{
    long long version = (long long)file->model.ir_version;
    if (version > 0) return PLN_OK;
    if (version < 0)
        return pln_fail(diag, PLN_BAD_MODEL, "%s: IR version %lld (ir_version) does not exist; they begin at 1; export the model again", label_of(file), version);
    return pln_fail(diag, PLN_BAD_MODEL, "%s: the model gives no IR version (ir_version), or 0; every ONNX model has one from 1 to %d; export it again",
                    label_of(file), PLN_ONNX_IR_VERSION);
}

/* ---- notes ---- */

static enum pln_status add_notes(struct pln_onnx_file *file, struct pln_diag *diag)
{
    struct pln_onnx_model *model = &file->model;
    bool added = true;
    if (model->ir_version > PLN_ONNX_IR_VERSION)
        added &= pln_onnx_add_note(model, &file->arena,
                                   "IR version %lld is newer than %d, the newest that this version knows, and is read as that; should an answer be wrong, "
                                   "use a newer Planish or export the model with ir_version=%d",
                                   (long long)model->ir_version, PLN_ONNX_IR_VERSION, PLN_ONNX_IR_VERSION);
    if (model->ignored & PLN_ONNX_IGNORED_TRAINING)
        added &= pln_onnx_add_note(model, &file->arena, "the model's training information is left aside");
    if (model->ignored & PLN_ONNX_IGNORED_DEVICES)
        added &= pln_onnx_add_note(model, &file->arena, "the model's device configurations are left aside");
    return added ? PLN_OK : pln_fail_memory(diag, "notes of the model", 0);
}

/* ---- opening ---- */

static struct pln_onnx_file *create(const char *path, const struct pln_allocator *alloc, struct pln_diag *diag)
{
    if (!alloc) alloc = pln_allocator_default();
    struct pln_onnx_file *file = pln_alloc_zeroed(alloc, sizeof *file, _Alignof(struct pln_onnx_file));
    if (!file) {
        (void)!pln_fail_memory(diag, "ONNX model", sizeof *file);
        return NULL;
    }
    pln_arena_init(&file->arena, alloc, 0);
    file->path = pln_arena_text(&file->arena, path, strlen(path));
    pln_onnx_externals_init(&file->externals, NULL, &file->arena);
    if (file->path) return file;
    (void)!pln_fail_memory(diag, "path", strlen(path));
    pln_onnx_close(file);
    return NULL;
}

static enum pln_status set_folder(struct pln_onnx_file *file, const char *folder, struct pln_diag *diag)
{
    file->externals.folder = pln_arena_text(&file->arena, folder, strlen(folder));
    return file->externals.folder ? PLN_OK : pln_fail_memory(diag, "path", strlen(folder));
}

static enum pln_status decode(struct pln_onnx_file *file, const uint8_t *data, size_t size_bytes, struct pln_diag *diag)
{
    int before = diag ? diag->count : 0;
    uint64_t limit = PLN_MIN(ARENA_BASE_BYTES + (uint64_t)size_bytes * ARENA_BYTES_PER_BYTE, ARENA_MOST_BYTES);
    if (size_bytes == 0) return pln_fail(diag, PLN_BAD_MODEL, "%s: not an ONNX model: it is empty; export or download it again", label_of(file));
    file->arena.limit_bytes = (size_t)limit;
    enum pln_status status = pln_onnx_decode_model(data, size_bytes, &file->arena, diag, &file->model);
    file->arena.limit_bytes = 0;
    if (status == PLN_OK && !file->model.graph) status = pln_fail(diag, PLN_BAD_MODEL, "no graph is in it");
    if (status != PLN_OK) return fail_decode(file, data, size_bytes, status, before, diag);
    PLN_TRY(check_ir_version(file, diag));
    return add_notes(file, diag);
}

/* Where a model that is a link really lies. Best effort: what is wrong with the path is said by who opens it. */
static enum pln_status set_home(struct pln_onnx_file *file, struct pln_diag *diag)
{
    char real[PATH_MAX], home[PATH_MAX];
    if (!realpath(file->path, real) || pln_path_folder(real, home, sizeof home) != PLN_OK) return PLN_OK;
    file->externals.home = pln_arena_text(&file->arena, home, strlen(home));
    return file->externals.home ? PLN_OK : pln_fail_memory(diag, "path", strlen(home));
}

static enum pln_status open_path(struct pln_onnx_file *file, struct pln_diag *diag)
{
    char folder[4096];
    if (pln_path_folder(file->path, folder, sizeof folder) != PLN_OK)
        return pln_fail(diag, PLN_INVALID_ARGUMENT, "%.200s…: the path is too long", file->path);
    PLN_TRY(set_folder(file, folder, diag));
    PLN_TRY(set_home(file, diag));
    PLN_TRY(pln_file_map(file->path, diag, &file->map));
    return decode(file, file->map.data, file->map.size_bytes, diag);
}

static enum pln_status finish(struct pln_onnx_file *file, enum pln_status status, struct pln_onnx_file **out_file)
{
    if (status == PLN_OK)
        *out_file = file;
    else
        pln_onnx_close(file);
    return status;
}

enum pln_status pln_onnx_open_file(const char *path, const struct pln_allocator *alloc, struct pln_diag *diag,
                                   struct pln_onnx_file **out_file)
{
    *out_file = NULL;
    struct pln_onnx_file *file = create(path, alloc, diag);
    return file ? finish(file, open_path(file, diag), out_file) : PLN_NO_MEMORY;
}

enum pln_status pln_onnx_open_memory(const void *data, size_t size_bytes, const char *folder,
                                     const struct pln_allocator *alloc, struct pln_diag *diag,
                                     struct pln_onnx_file **out_file)
{
    *out_file = NULL;
    struct pln_onnx_file *file = create("", alloc, diag);
    if (!file) return PLN_NO_MEMORY;
    enum pln_status status = folder ? set_folder(file, folder, diag) : PLN_OK;
    if (status == PLN_OK) status = decode(file, data, size_bytes, diag);
    return finish(file, status, out_file);
}

void pln_onnx_close(struct pln_onnx_file *file)
{
    if (!file) return;
    const struct pln_allocator *alloc = file->arena.alloc;
    pln_onnx_externals_deinit(&file->externals);
    pln_file_unmap(&file->map);
    pln_arena_deinit(&file->arena);
    pln_free(alloc, file, sizeof *file);
}
