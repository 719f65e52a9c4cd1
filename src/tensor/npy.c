/* Reading .npy: a magic, a version, the length of a header, the header (a Python dict of three known keys), the data.
 * Source: numpy.lib.format, "Format Version 1.0" to "3.0". */
#include "tensor/npy.h"

#include <inttypes.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "data marked '<' is used as it lies");

#define MAGIC       "\x93NUMPY"
#define MAGIC_BYTES 6

/* What a dtype string says. */
struct npy_descr {
    enum pln_dtype dtype;
    bool swapped;       /* big-endian */
    char string_kind;   /* 'U' (UCS-4) or 'S' (bytes) for PLN_STR */
    int64_t item_bytes; /* of one element in the file */
};

struct npy_header {
    struct npy_descr descr;
    bool fortran_order, has_descr, has_order, has_shape;
    int rank;
    int64_t dims[PLN_MAX_RANK];
};

struct cursor {
    const char *at, *end;
    struct pln_diag *diag;
};

static enum pln_status bad(const struct cursor *in, const char *what)
{
    return pln_fail(in->diag, PLN_INVALID_ARGUMENT, "damaged .npy file: %s; save it again", what);
}

static void skip_space(struct cursor *in)
{
    while (in->at < in->end && (*in->at == ' ' || *in->at == '\n' || *in->at == '\t' || *in->at == '\r')) in->at++;
}

static bool take_char(struct cursor *in, char c)
{
    skip_space(in);
    if (in->at == in->end || *in->at != c) return false;
    in->at++;
    return true;
}

static bool take_word(struct cursor *in, const char *word)
{
    size_t n = strlen(word);
    skip_space(in);
    if ((size_t)(in->end - in->at) < n || memcmp(in->at, word, n) != 0) return false;
    in->at += n;
    return true;
}

static bool take_quoted(struct cursor *in, const char **out, size_t *out_bytes)
{
    *out = NULL;
    *out_bytes = 0;
    skip_space(in);
    if (in->at == in->end || (*in->at != '\'' && *in->at != '"')) return false;
    char quote = *in->at++;
    *out = in->at;
    while (in->at < in->end && *in->at != quote && *in->at != '\\') in->at++;
    if (in->at == in->end || *in->at != quote) return false;
    *out_bytes = (size_t)(in->at++ - *out);
    return true;
}

static bool take_number(struct cursor *in, int64_t *out)
{
    *out = 0;
    skip_space(in);
    const char *start = in->at;
    for (; in->at < in->end && *in->at >= '0' && *in->at <= '9'; in->at++)
        if (!pln_mul_i64(*out, 10, out) || !pln_add_i64(*out, *in->at - '0', out)) return false;
    if (in->at == start) return false;
    if (in->at < in->end && *in->at == 'L') in->at++; /* Python 2 wrote long integers so */
    return true;
}

struct descr_row {
    const char *name;
    enum pln_dtype dtype;
};

static const struct descr_row descr_rows[] = {
    { "b1", PLN_BOOL }, { "i1", PLN_I8 },  { "u1", PLN_U8 },  { "i2", PLN_I16 },   { "u2", PLN_U16 },
    { "i4", PLN_I32 },  { "u4", PLN_U32 }, { "i8", PLN_I64 }, { "u8", PLN_U64 },   { "f2", PLN_F16 },
    { "f4", PLN_F32 },  { "f8", PLN_F64 }, { "c8", PLN_C64 }, { "c16", PLN_C128 },
};

static enum pln_status parse_descr(struct cursor *in, struct npy_descr *out)
{
    const char *text;
    size_t n;
    skip_space(in);
    if (in->at < in->end && *in->at == '[')
        return pln_fail(in->diag, PLN_UNSUPPORTED, "a .npy file of records; save each field as an array of its own");
    if (!take_quoted(in, &text, &n) || n < 2) return bad(in, "its dtype cannot be read");
    *out = (struct npy_descr){ .swapped = text[0] == '>' };
    if (strchr("<>|=", text[0]) == NULL || text[0] == '\0') return bad(in, "its dtype cannot be read");
    for (size_t i = 0; i < PLN_COUNT_OF(descr_rows); i++) {
        if (strlen(descr_rows[i].name) != n - 1 || memcmp(descr_rows[i].name, text + 1, n - 1) != 0) continue;
        out->dtype = descr_rows[i].dtype;
        out->item_bytes = pln_dtype_bits(out->dtype) / 8;
        return PLN_OK;
    }
    struct cursor size = { text + 2, text + n, in->diag };
    int64_t characters;
    if ((text[1] == 'U' || text[1] == 'S') && take_number(&size, &characters) && size.at == size.end) {
        out->dtype = PLN_STR;
        out->string_kind = text[1];
        if (pln_mul_i64(characters, text[1] == 'U' ? 4 : 1, &out->item_bytes)) return PLN_OK;
        return bad(in, "its strings are too long");
    }
    return pln_fail(in->diag, PLN_UNSUPPORTED, "a .npy file of dtype '%.*s'; save it as float32 or another plain type",
                    (int)PLN_MIN(n, 32), text);
}

static enum pln_status parse_shape(struct cursor *in, struct npy_header *header)
{
    header->rank = 0;
    if (!take_char(in, '(')) return bad(in, "its shape cannot be read");
    while (!take_char(in, ')')) {
        if (header->rank == PLN_MAX_RANK)
            return pln_fail(in->diag, PLN_UNSUPPORTED, "a .npy file of more than %d dimensions", PLN_MAX_RANK);
        if (!take_number(in, &header->dims[header->rank++])) return bad(in, "its shape cannot be read");
        if (take_char(in, ',')) continue;
        if (!take_char(in, ')')) return bad(in, "its shape cannot be read");
        break;
    }
    return PLN_OK;
}

static enum pln_status parse_entry(struct cursor *in, struct npy_header *header)
{
    const char *key;
    size_t n;
    if (!take_quoted(in, &key, &n) || !take_char(in, ':')) return bad(in, "its header cannot be read");
    if (n == 5 && memcmp(key, "descr", 5) == 0) {
        header->has_descr = true;
        return parse_descr(in, &header->descr);
    }
    if (n == 5 && memcmp(key, "shape", 5) == 0) {
        header->has_shape = true;
        return parse_shape(in, header);
    }
    if (n == 13 && memcmp(key, "fortran_order", 13) == 0) {
        header->has_order = true;
        header->fortran_order = take_word(in, "True");
        return header->fortran_order || take_word(in, "False") ? PLN_OK : bad(in, "its header cannot be read");
    }
    return bad(in, "its header has an unknown key");
}

static enum pln_status parse_header(struct cursor *in, struct npy_header *header)
{
    *header = (struct npy_header){ .rank = 0 };
    if (!take_char(in, '{')) return bad(in, "its header cannot be read");
    while (!take_char(in, '}')) {
        PLN_TRY(parse_entry(in, header));
        if (take_char(in, ',')) continue;
        if (!take_char(in, '}')) return bad(in, "its header cannot be read");
        break;
    }
    if (header->has_descr && header->has_order && header->has_shape) return PLN_OK;
    return bad(in, "its header lacks a key");
}

/* Header text and the data behind it. */
static enum pln_status split(struct cursor *file, struct cursor *out_header)
{
    size_t size_bytes = (size_t)(file->end - file->at), start;
    const uint8_t *p = (const uint8_t *)file->at;
    *out_header = (struct cursor){ file->at, file->at, file->diag };
    if (size_bytes < 12 || memcmp(p, MAGIC, MAGIC_BYTES) != 0) return bad(file, "it does not begin as one");
    uint64_t header_bytes = (uint64_t)p[8] | (uint64_t)p[9] << 8;
    if (p[6] == 1) {
        start = 10;
    } else if (p[6] == 2 || p[6] == 3) {
        start = 12;
        header_bytes |= (uint64_t)p[10] << 16 | (uint64_t)p[11] << 24;
    } else {
        return pln_fail(file->diag, PLN_UNSUPPORTED, "a .npy file of version %d.%d", p[6], p[7]);
    }
    if (header_bytes > size_bytes - start) return bad(file, "it is cut short");
    out_header->at = file->at + start;
    out_header->end = out_header->at + header_bytes;
    file->at = out_header->end;
    return PLN_OK;
}

/* ---- data ---- */

static void swap_bytes(uint8_t *data, size_t size_bytes, size_t part_bytes)
{
    for (size_t i = 0; i + part_bytes <= size_bytes; i += part_bytes) {
        for (size_t a = 0, b = part_bytes - 1; a < b; a++, b--) {
            uint8_t byte = data[i + a];
            data[i + a] = data[i + b];
            data[i + b] = byte;
        }
    }
}

static size_t encode_utf8(uint32_t point, char out[4])
{
    if (point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) point = 0xfffd;
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    size_t n = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    static const uint8_t leads[5] = { 0, 0, 0xc0, 0xe0, 0xf0 };
    for (size_t i = n - 1; i > 0; i--, point >>= 6) out[i] = (char)(0x80 | (point & 0x3f));
    out[0] = (char)(leads[n] | point);
    return n;
}

static uint32_t code_point(const uint8_t *p, bool swapped)
{
    uint32_t v = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    return swapped ? __builtin_bswap32(v) : v;
}

static bool read_string(const struct npy_descr *descr, const uint8_t *item, struct pln_arena *arena,
                        struct pln_string *out)
{
    size_t n = (size_t)descr->item_bytes;
    if (descr->string_kind == 'S') {
        while (n > 0 && item[n - 1] == 0) n--; /* NumPy pads with zeros */
        *out = (struct pln_string){ pln_arena_text(arena, (const char *)item, n), n };
        return out->data != NULL;
    }
    while (n > 0 && code_point(item + n - 4, false) == 0) n -= 4;
    char unit[4], *text = pln_arena_alloc_aligned(arena, n + 1, 1); /* 4 bytes a code point always do */
    if (text == NULL) return false;
    size_t used = 0;
    for (size_t i = 0; i < n; i += 4) {
        size_t unit_bytes = encode_utf8(code_point(item + i, descr->swapped), unit);
        memcpy(text + used, unit, unit_bytes);
        used += unit_bytes;
    }
    *out = (struct pln_string){ text, used };
    return true;
}

static enum pln_status read_strings(const struct npy_header *header, const uint8_t *data, struct pln_arena *arena,
                                    struct pln_diag *diag, struct pln_tensor *tensor)
{
    int64_t n = pln_tensor_count(tensor);
    struct pln_string *strings = pln_arena_array(arena, (size_t)n, sizeof *strings);
    if (strings == NULL) return pln_fail_memory(diag, "the strings of a .npy file", (size_t)n * sizeof *strings);
    for (int64_t i = 0; i < n; i++)
        if (!read_string(&header->descr, data + i * header->descr.item_bytes, arena, &strings[i]))
            return pln_fail_memory(diag, "a string of a .npy file", (size_t)header->descr.item_bytes);
    tensor->data = strings;
    return PLN_OK;
}

static bool needs_copy(const struct npy_header *header, const struct pln_tensor *tensor)
{
    size_t elem_bytes = (size_t)header->descr.item_bytes;
    if (header->descr.swapped && elem_bytes > 1) return true;
    if ((uintptr_t)tensor->data % elem_bytes != 0) return true;
    if (header->descr.dtype != PLN_BOOL) return false;
    const uint8_t *bytes = tensor->data;
    for (size_t i = 0, n = pln_tensor_bytes(tensor); i < n; i++)
        if (bytes[i] > 1) return true;
    return false;
}

/* Makes what lies in the file ours: native byte order, aligned, bools 0 or 1. */
static enum pln_status adopt(const struct npy_header *header, struct pln_arena *arena, struct pln_diag *diag,
                             struct pln_tensor *tensor)
{
    size_t size_bytes = pln_tensor_bytes(tensor), elem_bytes = (size_t)header->descr.item_bytes;
    if (!needs_copy(header, tensor)) return PLN_OK;
    uint8_t *copy = pln_arena_alloc_aligned(arena, size_bytes, 64);
    if (copy == NULL) return pln_fail_memory(diag, "the data of a .npy file", size_bytes);
    if (size_bytes > 0) memcpy(copy, tensor->data, size_bytes);
    if (header->descr.swapped)
        swap_bytes(copy, size_bytes, pln_dtype_is_complex(tensor->dtype) ? elem_bytes / 2 : elem_bytes);
    if (tensor->dtype == PLN_BOOL)
        for (size_t i = 0; i < size_bytes; i++) copy[i] = copy[i] != 0;
    tensor->data = copy;
    return PLN_OK;
}

/* Column-major data is the row-major form of the reversed shape. */
static enum pln_status reorder(struct pln_arena *arena, struct pln_diag *diag, struct pln_tensor *tensor)
{
    struct pln_tensor view = *tensor;
    int64_t stride = 1;
    for (int i = 0; i < view.rank; i++) {
        view.strides[i] = stride;
        stride *= PLN_MAX(view.dims[i], 1);
    }
    tensor->data = pln_arena_alloc_aligned(arena, pln_tensor_bytes(tensor), 64);
    if (tensor->data == NULL) return pln_fail_memory(diag, "the data of a .npy file", pln_tensor_bytes(tensor));
    pln_tensor_copy(&view, tensor);
    return PLN_OK;
}

enum pln_status pln_npy_read(const void *data, size_t size_bytes, struct pln_arena *arena, struct pln_diag *diag,
                             struct pln_tensor *out_tensor)
{
    struct cursor file = { data, (const char *)data + size_bytes, diag }, text;
    struct npy_header header;
    struct pln_tensor tensor;
    int64_t count, need_bytes;
    memset(out_tensor, 0, sizeof *out_tensor);
    PLN_TRY(split(&file, &text));
    PLN_TRY(parse_header(&text, &header));
    if (!pln_shape_count(header.rank, header.dims, &count) || !pln_mul_i64(count, header.descr.item_bytes, &need_bytes))
        return bad(&file, "its shape overflows");
    if ((uint64_t)need_bytes > (uint64_t)(file.end - file.at)) return bad(&file, "it is cut short");
    /* Strings of no characters take no room in the file, but do here. */
    if (header.descr.dtype == PLN_STR && (uint64_t)count > size_bytes)
        return bad(&file, "it has more strings than bytes");
    pln_tensor_init(&tensor, header.descr.dtype, header.rank, header.dims, (void *)(uintptr_t)file.at);
    if (tensor.dtype == PLN_STR) {
        PLN_TRY(read_strings(&header, (const uint8_t *)file.at, arena, diag, &tensor));
    } else {
        PLN_TRY(adopt(&header, arena, diag, &tensor));
    }
    if (header.fortran_order && tensor.rank > 1 && count > 0) PLN_TRY(reorder(arena, diag, &tensor));
    *out_tensor = tensor;
    return PLN_OK;
}
