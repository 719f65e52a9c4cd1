#include "base/file.h"
#include "base/text.h"
#include "runtime/value.h"
#include "tensor/npz.h"

static enum pln_status find(const struct pln_npz_item *items, size_t n, const char *name, struct pln_diag *diag, const struct pln_npz_item **out_item)
{
    *out_item = n > 0 ? &items[0] : NULL;
    if (n == 1 || (n > 0 && !name)) return PLN_OK;
    for (size_t i = 0; i < n; i++) {
        *out_item = &items[i];
        if (pln_str_equal(items[i].name, name)) return PLN_OK;
    }
    return pln_fail(diag, PLN_NOT_FOUND, "the archive has no array '%s'%s%s", name ? name : "", n ? "; its first is " : "; it is empty", n ? items[0].name : "");
}

enum pln_status pln_host_value_read_npz(const char *path, const char *name, pln_diagnostics *diagnostics, pln_host_value **out_value)
{
    *out_value = NULL;
    struct pln_file_map map;
    PLN_TRY(pln_file_map(path, diagnostics, &map));
    struct pln_arena arena;
    struct pln_npz_item *items;
    const struct pln_npz_item *item;
    size_t n;
    pln_arena_init(&arena, NULL, 0);
    enum pln_status status = pln_npz_read(map.data, map.size_bytes, &arena, diagnostics, &items, &n);
    if (status == PLN_OK) status = find(items, n, name, diagnostics, &item);
    if (status == PLN_OK) {
        struct pln_buffer buffer = { .dtype = item->tensor.dtype, .rank = item->tensor.rank, .strides = item->tensor.strides, .data = item->tensor.data };
        memcpy(buffer.dims, item->tensor.dims, sizeof buffer.dims);
        status = pln_host_value_from_buffer(&buffer, out_value);
    }
    pln_arena_deinit(&arena);
    pln_file_unmap(&map);
    return status;
}
