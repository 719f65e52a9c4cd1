#include "tensor/npy_write.h"

#include <inttypes.h>

#include "base/text.h"
#include "tensor/convert.h"
#include "tensor/npy.h"

/* dtype string of a type that NumPy has, NULL for others. */
static const char *descr_of(enum pln_dtype dtype)
{
    switch (dtype) {
    case PLN_BOOL: return "|b1";
    case PLN_I8: return "|i1";
    case PLN_U8: return "|u1";
    case PLN_I16: return "<i2";
    case PLN_U16: return "<u2";
    case PLN_I32: return "<i4";
    case PLN_U32: return "<u4";
    case PLN_I64: return "<i8";
    case PLN_U64: return "<u8";
    case PLN_F16: return "<f2";
    case PLN_F32: return "<f4";
    case PLN_F64: return "<f8";
    case PLN_C64: return "<c8";
    case PLN_C128: return "<c16";
    case PLN_STR:
    case PLN_BF16:
    case PLN_F8E4M3FN:
    case PLN_F8E4M3FNUZ:
    case PLN_F8E5M2:
    case PLN_F8E5M2FNUZ:
    case PLN_U4:
    case PLN_I4:
    case PLN_F4E2M1:
    case PLN_F8E8M0:
    case PLN_U2:
    case PLN_I2:
    case PLN_DTYPE_NONE:
    case PLN_DTYPE_COUNT: break;
    }
    return NULL;
}

static enum pln_dtype widened(enum pln_dtype dtype)
{
    if (descr_of(dtype) != NULL || dtype == PLN_STR) return dtype;
    if (pln_dtype_is_float(dtype)) return PLN_F32;
    return pln_dtype_is_signed(dtype) ? PLN_I8 : PLN_U8;
}

/* The next code point of UTF-8 text; U+FFFD and one byte where it is none. */
static uint32_t next_point(const struct pln_string *string, size_t *at)
{
    const uint8_t *p = (const uint8_t *)string->data + *at;
    size_t left = string->size_bytes - *at, n = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (n > left || !pln_utf8_valid((const char *)p, n)) {
        *at += 1;
        return 0xfffd;
    }
    *at += n;
    if (n == 1) return p[0];
    uint32_t point = p[0] & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++) point = point << 6 | (p[i] & 0x3f);
    return point;
}

static size_t count_points(const struct pln_string *string)
{
    size_t points = 0;
    for (size_t at = 0; at < string->size_bytes; points++) next_point(string, &at);
    return points;
}

/* Strings as NumPy's fixed-width UCS-4, padded with zeros. */
static bool encode_strings(const struct pln_tensor *tensor, size_t width, struct pln_text *out)
{
    const struct pln_string *strings = tensor->data;
    for (int64_t i = 0, n = pln_tensor_count(tensor); i < n; i++) {
        size_t points = 0;
        for (size_t at = 0; at < strings[i].size_bytes; points++) {
            uint32_t point = next_point(&strings[i], &at);
            pln_text_append(out, (const char *)&point, sizeof point);
        }
        for (; points < width; points++) pln_text_append(out, "\0\0\0", 4);
    }
    return !out->failed;
}

static size_t string_width(const struct pln_tensor *tensor)
{
    const struct pln_string *strings = tensor->data;
    size_t width = 1;
    for (int64_t i = 0, n = pln_tensor_count(tensor); i < n; i++) {
        size_t points = count_points(&strings[i]);
        width = PLN_MAX(width, points);
    }
    return width;
}

/* Magic, version 1.0, length, dict, spaces and a newline up to a multiple of 64. A shape of 16 dims fits version 1.0.
 */
static void write_header(struct pln_text *out, const struct pln_tensor *tensor, size_t width)
{
    pln_text_append(out, "\x93NUMPY\x01\x00\x00\x00", 10);
    if (tensor->dtype == PLN_STR) {
        pln_text_printf(out, "{'descr': '<U%zu', ", width);
    } else {
        pln_text_printf(out, "{'descr': '%s', ", descr_of(widened(tensor->dtype)));
    }
    pln_text_puts(out, "'fortran_order': False, 'shape': (");
    for (int i = 0; i < tensor->rank; i++) pln_text_printf(out, "%s%" PRId64, i > 0 ? ", " : "", tensor->dims[i]);
    pln_text_puts(out, tensor->rank == 1 ? ",), }" : "), }");
    while (!out->failed && (out->size_bytes + 1) % 64 != 0) pln_text_putc(out, ' ');
    pln_text_putc(out, '\n');
    if (out->failed) return;
    size_t header_bytes = out->size_bytes - 10;
    out->data[8] = (char)(header_bytes & 0xff);
    out->data[9] = (char)(header_bytes >> 8);
}

static enum pln_status emit_converted(const struct pln_tensor *tensor, const struct pln_allocator *alloc,
                                      struct pln_diag *diag, pln_npy_sink sink, void *user)
{
    struct pln_tensor wide = *tensor;
    wide.dtype = widened(tensor->dtype);
    size_t size_bytes = pln_tensor_bytes(&wide);
    wide.data = pln_alloc(alloc, size_bytes, 64);
    if (wide.data == NULL) return pln_fail_memory(diag, "the widened data of a .npy file", size_bytes);
    enum pln_status status = pln_convert(tensor, &wide, true, 0, NULL, diag);
    if (status == PLN_OK) status = sink(user, wide.data, size_bytes);
    pln_free(alloc, wide.data, size_bytes);
    return status;
}

enum pln_status pln_npy_emit(const struct pln_tensor *tensor, const struct pln_allocator *alloc, struct pln_diag *diag,
                             pln_npy_sink sink, void *user)
{
    struct pln_text text;
    size_t width = tensor->dtype == PLN_STR ? string_width(tensor) : 0;
    assert(pln_tensor_is_contiguous(tensor));
    pln_text_init(&text, alloc);
    write_header(&text, tensor, width);
    if (tensor->dtype == PLN_STR) encode_strings(tensor, width, &text);
    enum pln_status status =
        text.failed ? pln_fail_memory(diag, "a .npy file", text.size_bytes) : sink(user, text.data, text.size_bytes);
    pln_text_deinit(&text);
    if (status != PLN_OK || tensor->dtype == PLN_STR) return status;
    if (widened(tensor->dtype) != tensor->dtype) return emit_converted(tensor, alloc, diag, sink, user);
    return sink(user, tensor->data, pln_tensor_bytes(tensor));
}

static enum pln_status write_to_file(void *user, const void *data, size_t size_bytes)
{
    return pln_file_writer_write(user, data, size_bytes);
}

enum pln_status pln_npy_write(const char *path, const struct pln_tensor *tensor, const struct pln_allocator *alloc,
                              struct pln_diag *diag)
{
    struct pln_file_writer writer;
    PLN_TRY(pln_file_writer_open(&writer, path, alloc, diag));
    enum pln_status status = pln_npy_emit(tensor, alloc, diag, write_to_file, &writer);
    if (status == PLN_OK) return pln_file_writer_commit(&writer);
    pln_file_writer_abort(&writer);
    return status;
}
