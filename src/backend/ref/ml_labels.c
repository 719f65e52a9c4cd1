#include "backend/ref/lookup.h"
#include "tensor/convert.h"

/* The first of the named list attributes that is there. */
static bool first_list(struct pln_call *call, const char *const *names, int n, struct pln_tensor *out_list, int *out_which)
{
    for (int i = 0; i < n; i++) {
        *out_which = i;
        if (pln_ref_attr_tensor(call->attrs, names[i], out_list)) return true;
    }
    return false;
}

/* y[i] = values[place of x[i] among keys], or the fallback (one element of the values' type). */
static enum pln_status translate(struct pln_call *call, const struct pln_tensor *x, const struct pln_tensor *keys, const struct pln_tensor *values,
                                 const struct pln_tensor *fallback)
{
    struct pln_ref_lookup lookup;
    struct pln_tensor y;
    PLN_TRY(pln_call_out(call, 0, values->dtype, x->rank, x->dims, &y));
    enum pln_status status = pln_ref_lookup_init(call, keys, &lookup);
    for (int64_t i = 0; status == PLN_OK && i < pln_tensor_count(x); i++) {
        uint32_t at;
        bool found = pln_ref_lookup_find(&lookup, x, i, &at);
        status = pln_ref_put(call, 0, &y, i, found ? values : fallback, found ? at : 0);
    }
    pln_ref_lookup_deinit(&lookup);
    return status;
}

/* What stands for an unknown key: the default_… attribute of the values' type. `cell` holds it. */
union label {
    struct pln_string string;
    int64_t i;
    float f;
    double d;
};

static void make_fallback(struct pln_call *call, enum pln_dtype dtype, bool is_tensor, union label *cell, struct pln_tensor *out)
{
    if (is_tensor && pln_ref_attr_tensor(call->attrs, "default_tensor", out) && out->dtype == dtype) return;
    pln_tensor_init(out, dtype, 0, NULL, cell);
    if (dtype == PLN_STR) {
        const char *text = is_tensor ? "_Unused" : pln_attrs_string(call->attrs, "default_string", "_Unused");
        cell->string = (struct pln_string){ text, strlen(text) };
    } else if (pln_dtype_is_float(dtype)) {
        pln_store_f64(dtype, cell, 0, is_tensor ? -0.0 : (double)pln_attrs_float(call->attrs, "default_float", -0.0f), false);
    } else {
        pln_store_i64(dtype, cell, 0, is_tensor ? -1 : pln_attrs_int(call->attrs, "default_int64", -1));
    }
}

enum pln_status pln_ref_label_encoder(struct pln_call *call)
{
    static const char *const keys_names[] = { "keys_floats", "keys_int64s", "keys_strings", "keys_tensor" };
    static const char *const values_names[] = { "values_floats", "values_int64s", "values_strings", "values_tensor" };
    const struct pln_tensor *x;
    struct pln_tensor keys, values, fallback;
    union label cell = { .d = 0 };
    int which;
    PLN_TRY(pln_call_need(call, 0, &x));
    if (!first_list(call, keys_names, 4, &keys, &which) || !first_list(call, values_names, 4, &values, &which) ||
        pln_tensor_count(&keys) != pln_tensor_count(&values)) {
        return pln_call_fail(call, PLN_BAD_MODEL, "keys_… and values_… are missing or differ in length");
    }
    make_fallback(call, values.dtype, which == 3, &cell, &fallback);
    return translate(call, x, &keys, &values, &fallback);
}

enum pln_status pln_ref_category_mapper(struct pln_call *call)
{
    const struct pln_tensor *x;
    struct pln_tensor ints, strings, fallback;
    union label cell = { .d = 0 };
    PLN_TRY(pln_call_need(call, 0, &x));
    if (!pln_ref_attr_tensor(call->attrs, "cats_int64s", &ints) || !pln_ref_attr_tensor(call->attrs, "cats_strings", &strings) ||
        pln_tensor_count(&ints) != pln_tensor_count(&strings)) {
        return pln_call_fail(call, PLN_BAD_MODEL, "cats_int64s and cats_strings are missing or differ in length");
    }
    bool to_ints = x->dtype == PLN_STR;
    make_fallback(call, to_ints ? PLN_I64 : PLN_STR, false, &cell, &fallback);
    return to_ints ? translate(call, x, &strings, &ints, &fallback) : translate(call, x, &ints, &strings, &fallback);
}

/* ---- maps ---- */

static enum pln_status need_map(struct pln_call *call, const struct pln_item **out_map)
{
    *out_map = pln_call_has(call, 0) ? call->inputs[0] : NULL;
    if (!*out_map || (*out_map)->kind != PLN_MAP) return pln_call_fail(call, PLN_BAD_MODEL, "input 0 must be a map");
    for (int64_t i = 0; i < (*out_map)->count; i++) {
        const struct pln_item *value = (*out_map)->items[i];
        bool same = value && value->kind == PLN_TENSOR && value->tensor.dtype == (*out_map)->items[0]->tensor.dtype && pln_tensor_count(&value->tensor) == 1;
        if (!same) return pln_call_fail(call, PLN_BAD_MODEL, "the map's values are no single elements of one type");
    }
    return PLN_OK;
}

/* Keys that the vocabulary does not have are left out (ONNX Runtime 1.31, scikit-learn's DictVectorizer). */
static enum pln_status vectorize(struct pln_call *call, const struct pln_item *map, const struct pln_tensor *vocabulary, const struct pln_ref_lookup *lookup)
{
    enum pln_dtype dtype = map->count > 0 ? map->items[0]->tensor.dtype : map->elem_dtype != PLN_DTYPE_NONE ? map->elem_dtype : PLN_F32;
    const int64_t dims[2] = { 1, pln_tensor_count(vocabulary) };
    struct pln_tensor y;
    PLN_TRY(pln_call_out(call, 0, dtype, 2, dims, &y));
    if (dims[1] > 0) memset(y.data, 0, pln_tensor_bytes(&y));
    for (int64_t i = 0; i < map->count; i++) {
        uint32_t at;
        if (pln_ref_lookup_find(lookup, &map->tensor, i, &at)) PLN_TRY(pln_ref_put(call, 0, &y, at, &map->items[i]->tensor, 0));
    }
    return PLN_OK;
}

enum pln_status pln_ref_dict_vectorizer(struct pln_call *call)
{
    static const char *const names[] = { "int64_vocabulary", "string_vocabulary" };
    const struct pln_item *map;
    struct pln_tensor vocabulary;
    struct pln_ref_lookup lookup;
    int which;
    PLN_TRY(need_map(call, &map));
    if (!first_list(call, names, 2, &vocabulary, &which)) return pln_call_fail(call, PLN_BAD_MODEL, "neither int64_vocabulary nor string_vocabulary is there");
    enum pln_status status = pln_ref_lookup_init(call, &vocabulary, &lookup);
    if (status == PLN_OK) status = vectorize(call, map, &vocabulary, &lookup);
    pln_ref_lookup_deinit(&lookup);
    return status;
}

/* Places of the keys in ascending order, by insertion: maps are short. */
static enum pln_status sort_keys(struct pln_call *call, const int64_t *keys, int64_t n, int64_t **out_order)
{
    void *memory;
    PLN_TRY(pln_call_scratch(call, (size_t)n, sizeof(int64_t), &memory));
    int64_t *order = *out_order = memory;
    for (int64_t i = 0; i < n; i++) {
        int64_t at = i;
        for (; at > 0 && keys[order[at - 1]] > keys[i]; at--) order[at] = order[at - 1];
        order[at] = i;
    }
    return PLN_OK;
}

static enum pln_status cast_value(struct pln_call *call, const struct pln_tensor *from, int64_t to, const struct pln_tensor *y)
{
    struct pln_tensor source = *from, target;
    char *place = (char *)y->data + (size_t)to * ((size_t)pln_dtype_bits(y->dtype) / 8);
    if (from->dtype == y->dtype) return pln_ref_put(call, 0, y, to, from, 0);
    pln_tensor_init(&source, from->dtype, 0, NULL, from->data);
    if (y->dtype != PLN_STR) {
        pln_tensor_init(&target, y->dtype, 0, NULL, place);
        return pln_convert(&source, &target, false, 0, call->scratch, call->diag);
    }
    struct pln_string text = { NULL, 0 };
    pln_tensor_init(&target, PLN_STR, 0, NULL, &text);
    PLN_TRY(pln_convert(&source, &target, false, 0, call->scratch, call->diag));
    return pln_call_string(call, 0, text.data, text.size_bytes, (struct pln_string *)y->data + to);
}

enum pln_status pln_ref_cast_map(struct pln_call *call)
{
    const struct pln_item *map;
    const char *to = pln_attrs_string(call->attrs, "cast_to", "TO_FLOAT");
    enum pln_dtype dtype = pln_str_equal(to, "TO_FLOAT") ? PLN_F32 : pln_str_equal(to, "TO_STRING") ? PLN_STR : PLN_I64;
    bool sparse = pln_str_equal(pln_attrs_string(call->attrs, "map_form", "DENSE"), "SPARSE");
    int64_t *order, dims[2] = { 1, 0 };
    struct pln_tensor y;
    PLN_TRY(need_map(call, &map));
    if (map->tensor.dtype != PLN_I64) return pln_call_fail(call, PLN_BAD_MODEL, "the map's keys must be int64");
    const int64_t *keys = map->tensor.data;
    dims[1] = sparse ? pln_attrs_int(call->attrs, "max_map", 1) : map->count;
    PLN_TRY(pln_call_out(call, 0, dtype, 2, dims, &y));
    if (dims[1] > 0 && dtype != PLN_STR) memset(y.data, 0, pln_tensor_bytes(&y));
    PLN_TRY(sort_keys(call, keys, map->count, &order));
    for (int64_t i = 0; i < map->count; i++) {
        int64_t at = sparse ? keys[order[i]] : i;
        if (at < 0 || at >= dims[1]) return pln_call_fail(call, PLN_BAD_MODEL, "key %lld is outside of max_map", (long long)at);
        PLN_TRY(cast_value(call, &map->items[order[i]]->tensor, at, &y));
    }
    return PLN_OK;
}

/* Fills a new map: keys as given, values from row[0..n). */
static enum pln_status fill_map(struct pln_call *call, struct pln_item *map, const struct pln_tensor *labels, const float *row)
{
    int64_t n = pln_tensor_count(labels);
    size_t bytes = pln_tensor_bytes(labels);
    void *keys = pln_item_own(call->heap, map, bytes);
    map->items = pln_item_own(call->heap, map, (size_t)n * sizeof(map->items[0]));
    if (!keys || !map->items) return pln_fail_memory(call->diag, "a map", bytes);
    memcpy(keys, labels->data, bytes);
    pln_tensor_init(&map->tensor, labels->dtype, 1, &n, keys);
    map->elem_dtype = PLN_F32;
    for (int64_t i = 0; i < n; i++) {
        if (labels->dtype == PLN_STR) {
            struct pln_string *key = (struct pln_string *)keys + i;
            char *copy = pln_item_own(call->heap, map, key->size_bytes);
            if (!copy) return pln_fail_memory(call->diag, "a map", key->size_bytes);
            if (key->size_bytes) memcpy(copy, key->data, key->size_bytes);
            key->data = copy;
        }
        PLN_TRY(pln_item_new_tensor(call->heap, PLN_F32, 0, NULL, &map->items[i]));
        *(float *)map->items[i]->tensor.data = row[i];
        map->count = i + 1;
    }
    return PLN_OK;
}

static enum pln_status fill_list(struct pln_call *call, struct pln_item *list, const struct pln_tensor *labels, const float *rows, int64_t n_rows)
{
    list->items = pln_item_own(call->heap, list, (size_t)n_rows * sizeof(list->items[0]));
    if (!list->items) return pln_fail_memory(call->diag, "a list of maps", (size_t)n_rows);
    for (int64_t i = 0; i < n_rows; i++) {
        PLN_TRY(pln_item_new(call->heap, PLN_MAP, &list->items[i]));
        list->count = i + 1;
        PLN_TRY(fill_map(call, list->items[i], labels, rows + i * pln_tensor_count(labels)));
    }
    return PLN_OK;
}

enum pln_status pln_ref_zipmap(struct pln_call *call)
{
    static const char *const names[] = { "classlabels_int64s", "classlabels_strings" };
    const struct pln_tensor *x;
    struct pln_tensor labels;
    struct pln_item *list;
    int which;
    PLN_TRY(pln_call_need(call, 0, &x));
    if (!first_list(call, names, 2, &labels, &which)) return pln_call_fail(call, PLN_BAD_MODEL, "neither classlabels_int64s nor classlabels_strings is there");
    if (x->dtype != PLN_F32 || x->rank < 1 || x->rank > 2 || x->dims[x->rank - 1] != pln_tensor_count(&labels)) {
        return pln_call_fail(call, PLN_BAD_MODEL, "the input does not have one f32 column a label");
    }
    PLN_TRY(pln_item_new(call->heap, PLN_SEQUENCE, &list));
    enum pln_status status = fill_list(call, list, &labels, x->data, x->rank == 2 ? x->dims[0] : 1);
    if (status == PLN_OK) return pln_call_out_item(call, 0, list);
    pln_item_release(call->heap, list);
    return status;
}
