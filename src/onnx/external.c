#include "onnx/external.h"

#include "base/text.h"

void pln_onnx_externals_init(struct pln_onnx_externals *externals, const char *folder, struct pln_arena *arena)
{
    *externals = (struct pln_onnx_externals){ .folder = folder, .arena = arena };
    pln_map_init(&externals->index, arena->alloc);
}

void pln_onnx_externals_deinit(struct pln_onnx_externals *externals)
{
    for (size_t i = 0; i < externals->count; i++) pln_file_unmap(&externals->files[i]);
    pln_map_deinit(&externals->index);
    *externals = (struct pln_onnx_externals){ 0 };
}

static enum pln_status find_file(struct pln_onnx_externals *externals, struct pln_string location,
                                 struct pln_diag *diag, const struct pln_file_map **out_file)
{
    uint32_t place;
    struct pln_file_map file;
    *out_file = NULL;
    if (pln_map_get(&externals->index, location.data, location.size_bytes, &place)) {
        *out_file = &externals->files[place];
        return PLN_OK;
    }
    if (externals->count == PLN_ONNX_MAX_EXTERNAL_FILES)
        return pln_fail(diag, PLN_BAD_MODEL, "the model names more than %d files of external data",
                        PLN_ONNX_MAX_EXTERNAL_FILES);
    const char *name = pln_arena_text(externals->arena, location.data, location.size_bytes);
    void *files = externals->files;
    if (!name || !pln_arena_grow(externals->arena, &files, &externals->capacity, externals->count + 1, sizeof file))
        return pln_fail_memory(diag, "list of external files", sizeof file);
    externals->files = files;
    PLN_TRY(pln_file_map_below(externals->folder, externals->home, name, diag, &file));
    if (!pln_map_set(&externals->index, name, location.size_bytes, (uint32_t)externals->count)) {
        pln_file_unmap(&file);
        return pln_fail_memory(diag, "list of external files", sizeof file);
    }
    externals->files[externals->count] = file;
    *out_file = &externals->files[externals->count++];
    return PLN_OK;
}

/* The last entry of this key; data NULL: none. */
static struct pln_string find_entry(const struct pln_onnx_tensor *tensor, const char *key)
{
    struct pln_string found = { NULL, 0 };
    for (uint32_t i = 0; i < tensor->external_data.count; i++) {
        const struct pln_onnx_entry *entry = &tensor->external_data.items[i];
        if (entry->key.size_bytes != strlen(key) || memcmp(entry->key.data, key, strlen(key)) != 0) continue;
        found = entry->value;
        if (!found.data) found.data = "";
    }
    return found;
}

static enum pln_status find_location(const struct pln_onnx_tensor *tensor, struct pln_diag *diag,
                                     struct pln_string *out_location)
{
    *out_location = find_entry(tensor, "location");
    if (out_location->size_bytes == 0 || memchr(out_location->data, '\0', out_location->size_bytes) ||
        out_location->size_bytes > 4096)
        return pln_fail(diag, PLN_BAD_MODEL, "tensor '%s': its data is external, but the location is missing or bad",
                        tensor->name);
    return PLN_OK;
}

static enum pln_status find_number(const struct pln_onnx_tensor *tensor, const char *key, uint64_t fallback,
                                   struct pln_diag *diag, uint64_t *out_number)
{
    struct pln_string entry = find_entry(tensor, key);
    char text[24];
    int64_t number = -1;
    *out_number = fallback;
    if (entry.size_bytes == 0) return PLN_OK;
    if (entry.size_bytes < sizeof text) {
        memcpy(text, entry.data, entry.size_bytes);
        text[entry.size_bytes] = '\0';
        if (strlen(text) != entry.size_bytes || !pln_parse_i64(text, &number)) number = -1;
    }
    if (number < 0) return pln_fail(diag, PLN_BAD_MODEL, "tensor '%s': external_data has a bad %s", tensor->name, key);
    *out_number = (uint64_t)number;
    return PLN_OK;
}

enum pln_status pln_onnx_external_find(struct pln_onnx_externals *externals, const struct pln_onnx_tensor *tensor,
                                       size_t want_bytes, struct pln_diag *diag, const uint8_t **out_data)
{
    struct pln_string location;
    const struct pln_file_map *file;
    uint64_t offset, length;
    *out_data = NULL;
    PLN_TRY(find_location(tensor, diag, &location));
    PLN_TRY(find_number(tensor, "offset", 0, diag, &offset));
    PLN_TRY(find_number(tensor, "length", want_bytes, diag, &length));
    if (length != want_bytes)
        return pln_fail(diag, PLN_BAD_MODEL, "tensor '%s': type and shape need %zu bytes, external_data gives %llu",
                        tensor->name, want_bytes, (unsigned long long)length);
    if (!externals || !externals->folder)
        return pln_fail(
            diag, PLN_INVALID_ARGUMENT,
            "tensor '%s': its data is in the file '%.*s', but the model came from memory without a folder to look in",
            tensor->name, (int)location.size_bytes, location.data);
    enum pln_status status = find_file(externals, location, diag, &file);
    if (status != PLN_OK)
        return pln_fail(diag, status, "tensor '%s': its external data in '%.*s' cannot be had", tensor->name,
                        (int)location.size_bytes, location.data);
    if (offset > file->size_bytes || want_bytes > file->size_bytes - offset)
        return pln_fail(diag, PLN_BAD_MODEL,
                        "tensor '%s': %zu bytes at offset %llu are past the end of '%.*s', which has %zu bytes",
                        tensor->name, want_bytes, (unsigned long long)offset, (int)location.size_bytes, location.data,
                        file->size_bytes);
    *out_data = file->data + offset;
    return PLN_OK;
}

/* ---- all files ---- */

static enum pln_status open_tensor(struct pln_onnx_externals *externals, const struct pln_onnx_tensor *tensor,
                                   struct pln_diag *diag)
{
    struct pln_string location;
    const struct pln_file_map *file;
    if (!tensor || tensor->data_location == 0) return PLN_OK;
    PLN_TRY(find_location(tensor, diag, &location));
    if (!externals->folder) return pln_fail(diag, PLN_INVALID_ARGUMENT, "the model has no folder to look in");
    return find_file(externals, location, diag, &file);
}

static enum pln_status open_sparse(struct pln_onnx_externals *externals, const struct pln_onnx_sparse_tensor *tensor,
                                   struct pln_diag *diag)
{
    if (!tensor) return PLN_OK;
    PLN_TRY(open_tensor(externals, tensor->values, diag));
    return open_tensor(externals, tensor->indices, diag);
}

static enum pln_status open_graph(struct pln_onnx_externals *externals, const struct pln_onnx_graph *graph,
                                  struct pln_diag *diag);

static enum pln_status open_attribute(struct pln_onnx_externals *externals,
                                      const struct pln_onnx_attribute *attribute, struct pln_diag *diag)
{
    PLN_TRY(open_tensor(externals, attribute->t, diag));
    PLN_TRY(open_sparse(externals, attribute->sparse_tensor, diag));
    if (attribute->g) PLN_TRY(open_graph(externals, attribute->g, diag));
    for (uint32_t i = 0; i < attribute->tensors.count; i++)
        PLN_TRY(open_tensor(externals, &attribute->tensors.items[i], diag));
    for (uint32_t i = 0; i < attribute->sparse_tensors.count; i++)
        PLN_TRY(open_sparse(externals, &attribute->sparse_tensors.items[i], diag));
    for (uint32_t i = 0; i < attribute->graphs.count; i++)
        PLN_TRY(open_graph(externals, &attribute->graphs.items[i], diag));
    return PLN_OK;
}

static enum pln_status open_nodes(struct pln_onnx_externals *externals, const struct pln_onnx_node *nodes,
                                  uint32_t n_nodes, struct pln_diag *diag)
{
    for (uint32_t i = 0; i < n_nodes; i++)
        for (uint32_t k = 0; k < nodes[i].attributes.count; k++)
            PLN_TRY(open_attribute(externals, &nodes[i].attributes.items[k], diag));
    return PLN_OK;
}

/* As deep as the decoder lets graphs be nested. */
static enum pln_status open_graph(struct pln_onnx_externals *externals, const struct pln_onnx_graph *graph,
                                  struct pln_diag *diag)
{
    for (uint32_t i = 0; i < graph->initializers.count; i++)
        PLN_TRY(open_tensor(externals, &graph->initializers.items[i], diag));
    for (uint32_t i = 0; i < graph->sparse_initializers.count; i++)
        PLN_TRY(open_sparse(externals, &graph->sparse_initializers.items[i], diag));
    return open_nodes(externals, graph->nodes.items, graph->nodes.count, diag);
}

enum pln_status pln_onnx_externals_open(struct pln_onnx_externals *externals, const struct pln_onnx_model *model,
                                        struct pln_diag *diag)
{
    PLN_TRY(open_graph(externals, model->graph, diag));
    for (uint32_t i = 0; i < model->functions.count; i++) {
        const struct pln_onnx_function *function = &model->functions.items[i];
        PLN_TRY(open_nodes(externals, function->nodes.items, function->nodes.count, diag));
        for (uint32_t k = 0; k < function->attribute_protos.count; k++)
            PLN_TRY(open_attribute(externals, &function->attribute_protos.items[k], diag));
    }
    return PLN_OK;
}
