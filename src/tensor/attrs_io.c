/* The serialized and the printed form of attributes. */
#include "base/hash.h"
#include "tensor/attrs.h"
#include "tensor/convert.h"

#include <inttypes.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers are written as they lie in memory");

/* ---- writing ---- */

static void put(struct pln_text *out, const void *data, size_t size_bytes)
{
    pln_text_append(out, data, size_bytes);
}

static void put_u8(struct pln_text *out, unsigned value)
{
    pln_text_putc(out, (char)(unsigned char)value);
}

/* A length that the format has no room for makes the text fail, as running out of memory does. */
static void put_u32(struct pln_text *out, uint64_t value)
{
    uint32_t narrow = (uint32_t)value;
    if (narrow != value) out->failed = true;
    put(out, &narrow, sizeof narrow);
}

static void put_strings(struct pln_text *out, const struct pln_string *strings, int64_t n)
{
    put_u32(out, (uint64_t)n);
    for (int64_t i = 0; i < n; i++) {
        put_u32(out, strings[i].size_bytes);
        put(out, strings[i].data, strings[i].size_bytes);
    }
}

static void put_tensor(struct pln_text *out, const struct pln_tensor *tensor)
{
    assert(pln_tensor_is_contiguous(tensor));
    int64_t n = pln_tensor_count(tensor);
    uint64_t size_bytes = pln_tensor_bytes(tensor);
    if (tensor->dtype == PLN_STR) {
        const struct pln_string *strings = tensor->data;
        size_bytes = 4;
        for (int64_t i = 0; i < n; i++) size_bytes += 4 + strings[i].size_bytes;
    }
    put_u8(out, tensor->dtype);
    put_u8(out, (unsigned)tensor->rank);
    put(out, tensor->dims, (size_t)tensor->rank * sizeof tensor->dims[0]);
    put(out, &size_bytes, sizeof size_bytes);
    if (tensor->dtype == PLN_STR) {
        put_strings(out, tensor->data, n);
    } else {
        put(out, tensor->data, (size_t)size_bytes);
    }
}

void pln_attrs_write(const struct pln_attrs *attrs, struct pln_text *out)
{
    put_u32(out, attrs->count);
    for (size_t i = 0; i < attrs->count; i++) {
        const struct pln_attr *attr = &attrs->items[i];
        size_t name_bytes = strlen(attr->name);
        assert(name_bytes <= 255);
        put_u8(out, attr->kind);
        put_u8(out, (unsigned)name_bytes);
        put(out, attr->name, name_bytes);
        if (attr->kind == PLN_ATTR_INTS || attr->kind == PLN_ATTR_FLOATS) put_u32(out, (uint64_t)attr->n);
        switch (attr->kind) {
        case PLN_ATTR_INT: put(out, &attr->u.i, sizeof attr->u.i); break;
        case PLN_ATTR_FLOAT: put(out, &attr->u.f, sizeof attr->u.f); break;
        case PLN_ATTR_STRING:
            put_u32(out, attr->u.s.size_bytes);
            put(out, attr->u.s.data, attr->u.s.size_bytes);
            break;
        case PLN_ATTR_INTS: put(out, attr->u.ints, (size_t)attr->n * sizeof(int64_t)); break;
        case PLN_ATTR_FLOATS: put(out, attr->u.floats, (size_t)attr->n * sizeof(float)); break;
        case PLN_ATTR_STRINGS: put_strings(out, attr->u.strings, attr->n); break;
        case PLN_ATTR_TENSOR: put_tensor(out, attr->u.tensor); break;
        }
    }
}

/* ---- reading ---- */

struct reader {
    const uint8_t *at;
    size_t left;
    struct pln_arena *arena;
    struct pln_diag *diag;
};

static enum pln_status damaged(const struct reader *in, const char *what)
{
    return pln_fail(in->diag, PLN_BAD_PLAN, "damaged attributes: %s", what);
}

static enum pln_status no_memory(const struct reader *in)
{
    return pln_fail_memory(in->diag, "an attribute", in->left);
}

static enum pln_status take(struct reader *in, size_t size_bytes, const uint8_t **out)
{
    *out = in->at;
    if (size_bytes > in->left) return damaged(in, "cut short");
    in->at += size_bytes;
    in->left -= size_bytes;
    return PLN_OK;
}

static enum pln_status take_value(struct reader *in, void *out, size_t size_bytes)
{
    const uint8_t *bytes;
    memset(out, 0, size_bytes);
    PLN_TRY(take(in, size_bytes, &bytes));
    memcpy(out, bytes, size_bytes);
    return PLN_OK;
}

/* An array of n elements: a view where it happens to be aligned, else a copy. */
static enum pln_status take_array(struct reader *in, size_t n, size_t elem_bytes, const void **out)
{
    const uint8_t *bytes;
    size_t size_bytes;
    *out = NULL;
    if (!pln_mul_size(n, elem_bytes, &size_bytes)) return damaged(in, "a length overflows");
    PLN_TRY(take(in, size_bytes, &bytes));
    *out = bytes;
    if ((uintptr_t)bytes % elem_bytes == 0) return PLN_OK;
    *out = pln_arena_copy(in->arena, bytes, size_bytes);
    return *out != NULL ? PLN_OK : no_memory(in);
}

/* Strings are copied: the bytes in the file have no end. */
static enum pln_status take_string(struct reader *in, struct pln_string *out)
{
    const uint8_t *bytes;
    uint32_t size_bytes;
    *out = (struct pln_string){ "", 0 };
    PLN_TRY(take_value(in, &size_bytes, sizeof size_bytes));
    PLN_TRY(take(in, size_bytes, &bytes));
    char *text = pln_arena_text(in->arena, (const char *)bytes, size_bytes);
    if (text == NULL) return no_memory(in);
    *out = (struct pln_string){ text, size_bytes };
    return PLN_OK;
}

static enum pln_status take_strings(struct reader *in, const struct pln_string **out, int64_t *out_n)
{
    uint32_t n;
    *out = NULL;
    *out_n = 0;
    PLN_TRY(take_value(in, &n, sizeof n));
    if (n > in->left / 4) return damaged(in, "more strings than bytes");
    struct pln_string *strings = pln_arena_array(in->arena, n, sizeof *strings);
    if (strings == NULL) return no_memory(in);
    for (uint32_t i = 0; i < n; i++) PLN_TRY(take_string(in, &strings[i]));
    *out = strings;
    *out_n = n;
    return PLN_OK;
}

static enum pln_status take_tensor_data(struct reader *in, struct pln_tensor *tensor, uint64_t size_bytes)
{
    size_t want_bytes;
    const void *data;
    if (!pln_shape_bytes(tensor->dtype, tensor->rank, tensor->dims, &want_bytes))
        return damaged(in, "the shape of a tensor overflows");
    pln_tensor_set_contiguous(tensor);
    if (tensor->dtype != PLN_STR) {
        if (size_bytes != want_bytes) return damaged(in, "the shape of a tensor does not fit its bytes");
        size_t elem_bytes = (size_t)PLN_MAX(pln_dtype_bits(tensor->dtype) / 8, 1);
        PLN_TRY(take_array(in, want_bytes / elem_bytes, elem_bytes, &data));
        tensor->data = (void *)(uintptr_t)data;
        return PLN_OK;
    }
    const struct pln_string *strings;
    int64_t n;
    size_t before = in->left;
    PLN_TRY(take_strings(in, &strings, &n));
    if (before - in->left != size_bytes || n != pln_tensor_count(tensor))
        return damaged(in, "the shape of a tensor does not fit its strings");
    tensor->data = (void *)(uintptr_t)strings;
    return PLN_OK;
}

static enum pln_status take_tensor(struct reader *in, const struct pln_tensor **out)
{
    uint8_t dtype, rank;
    uint64_t size_bytes;
    *out = NULL;
    PLN_TRY(take_value(in, &dtype, 1));
    PLN_TRY(take_value(in, &rank, 1));
    if (!pln_dtype_valid(dtype) || rank > PLN_MAX_RANK) return damaged(in, "no such tensor type or rank");
    struct pln_tensor *tensor = pln_arena_alloc(in->arena, sizeof *tensor);
    if (tensor == NULL) return no_memory(in);
    tensor->dtype = (enum pln_dtype)dtype;
    tensor->rank = rank;
    PLN_TRY(take_value(in, tensor->dims, rank * sizeof tensor->dims[0]));
    PLN_TRY(take_value(in, &size_bytes, sizeof size_bytes));
    PLN_TRY(take_tensor_data(in, tensor, size_bytes));
    *out = tensor;
    return PLN_OK;
}

static enum pln_status take_attr(struct reader *in, const char *previous, struct pln_attr *attr)
{
    uint8_t kind, name_bytes;
    uint32_t n = 0;
    const uint8_t *name;
    const void *array = NULL;
    PLN_TRY(take_value(in, &kind, 1));
    PLN_TRY(take_value(in, &name_bytes, 1));
    PLN_TRY(take(in, name_bytes, &name));
    if (name_bytes == 0 || memchr(name, 0, name_bytes) != NULL)
        return damaged(in, "a name is empty or has a zero byte");
    char *text = pln_arena_text(in->arena, (const char *)name, name_bytes);
    if (text == NULL) return no_memory(in);
    if (previous != NULL && strcmp(previous, text) >= 0) return damaged(in, "names are not in order");
    if (kind < PLN_ATTR_INT || kind > PLN_ATTR_TENSOR) return damaged(in, "no such kind");
    attr->name = text;
    attr->kind = (enum pln_attr_kind)kind;
    if (attr->kind == PLN_ATTR_INTS || attr->kind == PLN_ATTR_FLOATS) PLN_TRY(take_value(in, &n, sizeof n));
    attr->n = n;
    switch (attr->kind) {
    case PLN_ATTR_INT: return take_value(in, &attr->u.i, sizeof attr->u.i);
    case PLN_ATTR_FLOAT: return take_value(in, &attr->u.f, sizeof attr->u.f);
    case PLN_ATTR_STRING: return take_string(in, &attr->u.s);
    case PLN_ATTR_INTS:
        PLN_TRY(take_array(in, n, sizeof(int64_t), &array));
        attr->u.ints = array;
        return PLN_OK;
    case PLN_ATTR_FLOATS:
        PLN_TRY(take_array(in, n, sizeof(float), &array));
        attr->u.floats = array;
        return PLN_OK;
    case PLN_ATTR_STRINGS: return take_strings(in, &attr->u.strings, &attr->n);
    case PLN_ATTR_TENSOR: return take_tensor(in, &attr->u.tensor);
    }
    return PLN_OK;
}

enum pln_status pln_attrs_read(const void *data, size_t size_bytes, struct pln_arena *arena, struct pln_diag *diag,
                               struct pln_attrs *out_attrs)
{
    struct reader in = { data, size_bytes, arena, diag };
    struct pln_attrs attrs = { 0 };
    uint32_t count;
    *out_attrs = attrs;
    PLN_TRY(take_value(&in, &count, sizeof count));
    /* kind, length and first byte of a name, and at least four bytes of a value */
    if (count > in.left / 7) return damaged(&in, "more attributes than bytes");
    attrs.items = pln_arena_array(arena, count, sizeof *attrs.items);
    if (attrs.items == NULL) return no_memory(&in);
    attrs.capacity = count;
    for (uint32_t i = 0; i < count; i++) {
        PLN_TRY(take_attr(&in, i > 0 ? attrs.items[i - 1].name : NULL, &attrs.items[i]));
        attrs.count++;
    }
    if (in.left != 0) return damaged(&in, "bytes after the end");
    *out_attrs = attrs;
    return PLN_OK;
}

/* ---- printing ---- */

/* More elements than these are named by their hash. */
#define PRINT_MAX 16

static void print_element(const struct pln_tensor *tensor, int64_t i, struct pln_text *out)
{
    if (tensor->dtype == PLN_STR) {
        const struct pln_string *string = (const struct pln_string *)tensor->data + i;
        pln_text_quote(out, string->data, string->size_bytes);
    } else if (tensor->dtype == PLN_BOOL) {
        pln_text_puts(out, ((const uint8_t *)tensor->data)[i] != 0 ? "true" : "false");
    } else if (tensor->dtype == PLN_U64) {
        pln_text_printf(out, "%" PRIu64, (uint64_t)pln_load_i64(tensor->dtype, tensor->data, i));
    } else if (pln_dtype_is_integer(tensor->dtype)) {
        pln_text_printf(out, "%" PRId64, pln_load_i64(tensor->dtype, tensor->data, i));
    } else if (tensor->dtype == PLN_F64) {
        pln_text_f64(out, pln_load_f64(tensor->dtype, tensor->data, i));
    } else {
        pln_text_f32(out, (float)pln_load_f64(tensor->dtype, tensor->data, i));
    }
}

static void print_tensor(const struct pln_tensor *tensor, struct pln_text *out)
{
    char shape[32 * PLN_MAX_RANK];
    int64_t n = pln_tensor_count(tensor);
    pln_text_puts(out, pln_tensor_describe(tensor, shape, sizeof shape));
    if (n <= PRINT_MAX && !pln_dtype_is_complex(tensor->dtype)) {
        for (int64_t i = 0; i < n; i++) {
            pln_text_putc(out, i == 0 ? '{' : ',');
            print_element(tensor, i, out);
        }
        pln_text_puts(out, n == 0 ? "{}" : "}");
    } else if (tensor->dtype == PLN_STR) {
        pln_text_puts(out, "{…}");
    } else {
        pln_text_printf(out, "{#%016" PRIx64 "}", pln_hash64(tensor->data, pln_tensor_bytes(tensor), 0));
    }
}

static void print_value(const struct pln_attr *attr, struct pln_text *out)
{
    switch (attr->kind) {
    case PLN_ATTR_INT: pln_text_printf(out, "%" PRId64, attr->u.i); return;
    case PLN_ATTR_FLOAT: pln_text_f32(out, attr->u.f); return;
    case PLN_ATTR_STRING: pln_text_quote(out, attr->u.s.data, attr->u.s.size_bytes); return;
    case PLN_ATTR_TENSOR: print_tensor(attr->u.tensor, out); return;
    case PLN_ATTR_INTS:
    case PLN_ATTR_FLOATS:
    case PLN_ATTR_STRINGS: break;
    }
    pln_text_putc(out, '[');
    for (int64_t i = 0; i < attr->n; i++) {
        if (i > 0) pln_text_putc(out, ',');
        if (attr->kind == PLN_ATTR_INTS) {
            pln_text_printf(out, "%" PRId64, attr->u.ints[i]);
        } else if (attr->kind == PLN_ATTR_FLOATS) {
            pln_text_f32(out, attr->u.floats[i]);
        } else {
            pln_text_quote(out, attr->u.strings[i].data, attr->u.strings[i].size_bytes);
        }
    }
    pln_text_putc(out, ']');
}

void pln_attrs_print(const struct pln_attrs *attrs, struct pln_text *out)
{
    for (size_t i = 0; i < attrs->count; i++) {
        if (i > 0) pln_text_putc(out, ' ');
        pln_text_puts(out, attrs->items[i].name);
        pln_text_putc(out, '=');
        print_value(&attrs->items[i], out);
    }
}
