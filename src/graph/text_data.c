/* Tensors and attributes in the graph's text form, exact to the bit. */
#include "graph/text.h"

#include <inttypes.h>

#include "tensor/convert.h"

static bool is_listed_float(enum pln_dtype dtype)
{
    return dtype == PLN_F32 || dtype == PLN_F64 || dtype == PLN_F16 || dtype == PLN_BF16;
}

/* Can elements be written one by one? Others are written as bytes. */
static bool is_listed(const struct pln_tensor *tensor, int64_t count)
{
    const uint8_t *bytes = tensor->data;
    if (tensor->dtype == PLN_BOOL) {
        for (int64_t i = 0; i < count; i++) {
            if (bytes[i] > 1) return false;
        }
        return true;
    }
    return pln_dtype_is_integer(tensor->dtype) || is_listed_float(tensor->dtype);
}

/* ---- printing ---- */

static uint64_t bits_at(enum pln_dtype dtype, const void *data, int64_t index)
{
    uint64_t bits = 0;
    size_t size = (size_t)pln_dtype_bits(dtype) / 8;
    memcpy(&bits, (const char *)data + (size_t)index * size, size);
    return bits;
}

void pln_float_print(enum pln_dtype dtype, const void *data, int64_t index, struct pln_text *out)
{
    double value = pln_load_f64(dtype, data, index);
    uint64_t back = 0;
    size_t before = out->size_bytes;
    if (dtype == PLN_F64) pln_text_f64(out, value);
    else pln_text_f32(out, (float)value);
    if (out->failed || (pln_element_parse(dtype, out->data + before, &back, 0) && back == bits_at(dtype, data, index))) return;
    out->size_bytes = before; /* NaN, or a decimal that would round twice */
    out->data[before] = 0;
    pln_text_printf(out, "#%0*" PRIx64, pln_dtype_bits(dtype) / 4, bits_at(dtype, data, index));
}

static void print_element(const struct pln_tensor *tensor, int64_t i, struct pln_text *out)
{
    if (tensor->dtype == PLN_STR) {
        const struct pln_string *string = (const struct pln_string *)tensor->data + i;
        pln_text_quote(out, string->data, string->size_bytes);
    } else if (is_listed_float(tensor->dtype)) {
        pln_float_print(tensor->dtype, tensor->data, i, out);
    } else if (tensor->dtype == PLN_U64) {
        pln_text_printf(out, "%" PRIu64, bits_at(PLN_U64, tensor->data, i));
    } else {
        pln_text_printf(out, "%" PRId64, pln_load_i64(tensor->dtype, tensor->data, i));
    }
}

static void print_list(const struct pln_tensor *tensor, int64_t count, struct pln_text *out)
{
    pln_text_putc(out, '[');
    for (int64_t i = 0; i < count && !out->failed; i++) {
        if (i) pln_text_puts(out, ", ");
        print_element(tensor, i, out);
    }
    pln_text_putc(out, ']');
}

static void print_hex(const struct pln_tensor *tensor, struct pln_text *out)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *bytes = tensor->data;
    size_t size_bytes = pln_tensor_bytes(tensor);
    pln_text_puts(out, "x\"");
    for (size_t i = 0; i < size_bytes && !out->failed; i++) {
        char pair[2] = { digits[bytes[i] >> 4], digits[bytes[i] & 15] };
        pln_text_append(out, pair, 2);
    }
    pln_text_putc(out, '"');
}

static uint64_t hash_of(const struct pln_tensor *tensor, int64_t count)
{
    uint64_t hash = 0;
    if (tensor->dtype != PLN_STR) return pln_hash64(tensor->data, pln_tensor_bytes(tensor), 0);
    for (int64_t i = 0; i < count; i++) {
        const struct pln_string *string = (const struct pln_string *)tensor->data + i;
        hash = pln_hash64(string->data, string->size_bytes, hash);
    }
    return hash;
}

void pln_tensor_print(const struct pln_tensor *tensor, bool full, struct pln_text *out)
{
    int64_t count = pln_tensor_count(tensor);
    pln_text_printf(out, "%s[", pln_dtype_name(tensor->dtype));
    for (int i = 0; i < tensor->rank; i++) pln_text_printf(out, "%s%" PRId64, i ? "," : "", tensor->dims[i]);
    pln_text_puts(out, "] = ");
    bool strings = tensor->dtype == PLN_STR;
    if (count <= PLN_LIST_MAX ? strings || is_listed(tensor, count) : strings && full) print_list(tensor, count, out);
    else if (full || count <= PLN_LIST_MAX) print_hex(tensor, out);
    else pln_text_printf(out, "#%016" PRIx64, hash_of(tensor, count));
}

static void print_floats(const float *floats, int64_t n, struct pln_text *out)
{
    for (int64_t i = 0; i < n; i++) {
        if (i) pln_text_puts(out, ", ");
        pln_float_print(PLN_F32, floats, i, out);
    }
}

static void print_attr(const struct pln_attr *attr, bool full, struct pln_text *out)
{
    switch (attr->kind) {
    case PLN_ATTR_INT: pln_text_printf(out, "%" PRId64, attr->u.i); return;
    case PLN_ATTR_FLOAT:
        print_floats(&attr->u.f, 1, out);
        pln_text_putc(out, 'f');
        return;
    case PLN_ATTR_STRING: pln_text_quote(out, attr->u.s.data, attr->u.s.size_bytes); return;
    case PLN_ATTR_TENSOR:
        pln_text_puts(out, "t ");
        pln_tensor_print(attr->u.tensor, full, out);
        return;
    case PLN_ATTR_INTS:
        pln_text_putc(out, '[');
        for (int64_t i = 0; i < attr->n; i++) pln_text_printf(out, "%s%" PRId64, i ? "," : "", attr->u.ints[i]);
        break;
    case PLN_ATTR_FLOATS:
        pln_text_puts(out, "f[");
        print_floats(attr->u.floats, attr->n, out);
        break;
    case PLN_ATTR_STRINGS:
        pln_text_puts(out, "s[");
        for (int64_t i = 0; i < attr->n; i++) {
            if (i) pln_text_puts(out, ", ");
            pln_text_quote(out, attr->u.strings[i].data, attr->u.strings[i].size_bytes);
        }
        break;
    }
    pln_text_putc(out, ']');
}

void pln_attrs_print_exact(const struct pln_attrs *attrs, bool full, struct pln_text *out)
{
    for (size_t i = 0; i < attrs->count; i++) {
        const char *name = attrs->items[i].name;
        pln_text_puts(out, i ? ", " : " {");
        if (pln_name_is_bare(name)) pln_text_puts(out, name);
        else pln_text_quote(out, name, strlen(name));
        pln_text_putc(out, '=');
        print_attr(&attrs->items[i], full, out);
    }
    if (attrs->count) pln_text_putc(out, '}');
}

/* ---- parsing ---- */

static bool hex_bits(const char *digits, size_t want, uint64_t *out_bits)
{
    *out_bits = 0;
    if (strlen(digits) != want) return false;
    for (; *digits; digits++) {
        char c = *digits;
        if (c >= '0' && c <= '9') *out_bits = *out_bits << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f') *out_bits = *out_bits << 4 | (uint64_t)(c - 'a' + 10);
        else return false;
    }
    return true;
}

static bool parse_u64(const char *token, uint64_t *out_value)
{
    *out_value = 0;
    if (!*token) return false;
    for (; *token; token++) {
        if (*token < '0' || *token > '9') return false;
        if (__builtin_mul_overflow(*out_value, 10u, out_value)) return false;
        if (__builtin_add_overflow(*out_value, (uint64_t)(*token - '0'), out_value)) return false;
    }
    return true;
}

bool pln_element_parse(enum pln_dtype dtype, const char *token, void *data, int64_t index)
{
    uint64_t bits = 0;
    int64_t integer;
    double real;
    size_t size = (size_t)pln_dtype_bits(dtype) / 8;
    char *place = (char *)data + (size_t)index * size;
    if (is_listed_float(dtype) && token[0] == '#') {
        if (!hex_bits(token + 1, size * 2, &bits)) return false;
        memcpy(place, &bits, size);
        return true;
    }
    if (is_listed_float(dtype)) {
        if (!pln_parse_f64(token, &real)) return false;
        pln_store_f64(dtype, data, index, real, false);
        return true;
    }
    if (dtype == PLN_U64) {
        if (!parse_u64(token, &bits)) return false;
        memcpy(place, &bits, size);
        return true;
    }
    if (!pln_parse_i64(token, &integer)) return false;
    pln_store_i64(dtype, data, index, integer);
    return pln_load_i64(dtype, data, index) == integer;
}

static enum pln_status parse_list(struct pln_lexer *lex, struct pln_tensor *tensor, int64_t count)
{
    char token[64];
    for (int64_t i = 0; i < count; i++) {
        if (i) PLN_TRY(pln_lex_expect(lex, ','));
        if (tensor->dtype == PLN_STR) {
            PLN_TRY(pln_lex_string(lex, (struct pln_string *)tensor->data + i));
            continue;
        }
        PLN_TRY(pln_lex_number(lex, token, sizeof(token)));
        if (!pln_element_parse(tensor->dtype, token, tensor->data, i)) return pln_lex_fail(lex, "a number of the type before this,");
    }
    return pln_lex_expect(lex, ']');
}

static enum pln_status parse_hex(struct pln_lexer *lex, uint8_t *bytes, size_t size_bytes)
{
    PLN_TRY(pln_lex_expect(lex, '"'));
    if ((size_t)(lex->end - lex->at) / 2 < size_bytes) return pln_lex_fail(lex, "more bytes");
    for (size_t i = 0; i < size_bytes; i++, lex->at += 2) {
        char pair[3] = { lex->at[0], lex->at[1], 0 };
        uint64_t bits;
        if (!hex_bits(pair, 2, &bits)) return pln_lex_fail(lex, "hexadecimal bytes, as many as the type has,");
        bytes[i] = (uint8_t)bits;
    }
    if (*lex->at != '"') return pln_lex_fail(lex, "the end of the bytes");
    lex->at++;
    return PLN_OK;
}

static enum pln_status parse_weight(struct pln_lexer *lex, struct pln_tensor *tensor)
{
    int64_t number;
    lex->at++;
    PLN_TRY(pln_lex_i64(lex, &number));
    if (number < 0 || number >= PLN_NONE) return pln_lex_fail(lex, "the number of a weight before this,");
    return lex->weights->data(lex->weights->user, (uint32_t)number, tensor);
}

enum pln_status pln_tensor_parse(struct pln_lexer *lex, struct pln_tensor *out_tensor)
{
    enum pln_dtype dtype;
    int rank = 0;
    int64_t dims[PLN_MAX_RANK], count;
    size_t size_bytes;
    PLN_TRY(pln_lex_dtype(lex, &dtype));
    PLN_TRY(pln_lex_expect(lex, '['));
    while (!pln_lex_accept(lex, ']')) {
        if (rank == PLN_MAX_RANK) return pln_lex_fail(lex, "fewer dimensions");
        if (rank) PLN_TRY(pln_lex_expect(lex, ','));
        PLN_TRY(pln_lex_i64(lex, &dims[rank++]));
    }
    PLN_TRY(pln_lex_expect(lex, '='));
    if (dtype == PLN_DTYPE_NONE || !pln_shape_count(rank, dims, &count) || !pln_shape_bytes(dtype, rank, dims, &size_bytes)) {
        return pln_lex_fail(lex, "a tensor that can be, before this,");
    }
    char form = pln_lex_peek(lex);
    if (form == '@' && lex->weights && lex->weights->data) {
        pln_tensor_init(out_tensor, dtype, rank, dims, NULL);
        return parse_weight(lex, out_tensor);
    }
    if (form != '[' && form != 'x') return pln_lex_fail(lex, "data in full");
    if (form == 'x' && dtype == PLN_STR) return pln_lex_fail(lex, "strings");
    lex->at++;
    /* Every element takes at least a character, so a short text cannot ask for much memory. */
    if (count > lex->end - lex->at) return pln_lex_fail(lex, "more elements");
    pln_tensor_init(out_tensor, dtype, rank, dims, pln_arena_alloc(lex->arena, size_bytes));
    if (!out_tensor->data) return pln_lex_no_memory(lex);
    if (form == 'x') return parse_hex(lex, out_tensor->data, size_bytes);
    if (dtype != PLN_STR && dtype != PLN_BOOL && !pln_dtype_is_integer(dtype) && !is_listed_float(dtype)) return pln_lex_fail(lex, "bytes");
    return parse_list(lex, out_tensor, count);
}

/* The elements of INTS, FLOATS and STRINGS up to "]". */
static enum pln_status parse_elements(struct pln_lexer *lex, struct pln_attr *attr)
{
    void *items = NULL;
    size_t capacity = 0, size = attr->kind == PLN_ATTR_STRINGS ? sizeof(struct pln_string) : attr->kind == PLN_ATTR_INTS ? 8 : 4;
    char token[64];
    PLN_TRY(pln_lex_expect(lex, '['));
    for (attr->n = 0; !pln_lex_accept(lex, ']'); attr->n++) {
        if (attr->n) PLN_TRY(pln_lex_expect(lex, ','));
        if (!pln_arena_grow(lex->arena, &items, &capacity, (size_t)attr->n + 1, size)) return pln_lex_no_memory(lex);
        if (attr->kind == PLN_ATTR_STRINGS) {
            PLN_TRY(pln_lex_string(lex, (struct pln_string *)items + attr->n));
            continue;
        }
        PLN_TRY(pln_lex_number(lex, token, sizeof(token)));
        enum pln_dtype dtype = attr->kind == PLN_ATTR_INTS ? PLN_I64 : PLN_F32;
        if (!pln_element_parse(dtype, token, items, attr->n)) return pln_lex_fail(lex, "a number before this,");
    }
    if (attr->kind == PLN_ATTR_INTS) attr->u.ints = items;
    else if (attr->kind == PLN_ATTR_FLOATS) attr->u.floats = items;
    else attr->u.strings = items;
    return PLN_OK;
}

static enum pln_status parse_scalar(struct pln_lexer *lex, struct pln_attr *attr)
{
    char token[64];
    PLN_TRY(pln_lex_number(lex, token, sizeof(token)));
    size_t n = strlen(token);
    attr->kind = token[n - 1] == 'f' ? PLN_ATTR_FLOAT : PLN_ATTR_INT;
    if (attr->kind == PLN_ATTR_FLOAT) token[n - 1] = 0;
    bool ok = attr->kind == PLN_ATTR_FLOAT ? pln_element_parse(PLN_F32, token, &attr->u.f, 0) : pln_parse_i64(token, &attr->u.i);
    return ok ? PLN_OK : pln_lex_fail(lex, "a number before this,");
}

static enum pln_status parse_attr(struct pln_lexer *lex, struct pln_attr *attr, struct pln_tensor *tensor)
{
    char c = pln_lex_peek(lex);
    bool prefixed = c && (lex->at[1] == '[' || lex->at[1] == ' ');
    if (c == '"') {
        attr->kind = PLN_ATTR_STRING;
        return pln_lex_string(lex, &attr->u.s);
    }
    if (c == 't' && prefixed) {
        lex->at++;
        attr->kind = PLN_ATTR_TENSOR;
        attr->u.tensor = tensor;
        return pln_tensor_parse(lex, tensor);
    }
    if (c != '[' && !((c == 'f' || c == 's') && prefixed)) return parse_scalar(lex, attr);
    attr->kind = c == '[' ? PLN_ATTR_INTS : c == 'f' ? PLN_ATTR_FLOATS : PLN_ATTR_STRINGS;
    if (c != '[') lex->at++;
    return parse_elements(lex, attr);
}

enum pln_status pln_attrs_parse(struct pln_lexer *lex, struct pln_attrs *attrs)
{
    if (!pln_lex_accept(lex, '{')) return PLN_OK;
    do {
        struct pln_attr attr = { 0 };
        struct pln_tensor tensor;
        PLN_TRY(pln_lex_name(lex, &attr.name));
        PLN_TRY(pln_lex_expect(lex, '='));
        PLN_TRY(parse_attr(lex, &attr, &tensor));
        if (strlen(attr.name) > UINT8_MAX) return pln_lex_fail(lex, "a shorter attribute name before this,");
        if (!pln_attrs_set(attrs, lex->arena, &attr)) return pln_lex_no_memory(lex);
    } while (pln_lex_accept(lex, ','));
    return pln_lex_expect(lex, '}');
}
