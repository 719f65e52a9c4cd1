/* Numbers to strings and back, as ONNX Cast wants them. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "tensor/convert_blocks.h"

#define NUMBER_BYTES 48

/* Digits of a decimal and its exponent: 0.d1d2d3… × 10^point. */
struct decimal {
    char digits[24];
    int count, point;
};

static bool reads_back(enum pln_dtype dtype, double value, double read)
{
    uint64_t wanted = 0, got = 0;
    pln_store_f64(dtype, &wanted, 0, value, false);
    pln_store_f64(dtype, &got, 0, read, false);
    return wanted == got;
}

/* The fewest digits that read back as the same element of this type. value is finite and positive. */
static struct decimal shortest(enum pln_dtype dtype, double value)
{
    struct decimal out = { "0", 1, 1 };
    for (int digits = 1; digits <= 17; digits++) {
        char text[NUMBER_BYTES];
        snprintf(text, sizeof text, "%.*e", digits - 1, value);
        double read = dtype == PLN_F32 ? (double)strtof(text, NULL) : strtod(text, NULL);
        if (digits < 17 && !reads_back(dtype, value, read)) continue;
        out.count = 0;
        const char *at = text;
        for (; *at != 'e' && *at != '\0'; at++)
            if (*at >= '0' && *at <= '9') out.digits[out.count++] = *at; /* skips the point of any locale */
        out.point = (*at == 'e' ? (int)strtol(at + 1, NULL, 10) : 0) + 1;
        break;
    }
    while (out.count > 1 && out.digits[out.count - 1] == '0') out.count--;
    return out;
}

static void put(char **at, const char *text, int n)
{
    memcpy(*at, text, (size_t)n);
    *at += n;
}

static void put_zeros(char **at, int n)
{
    for (; n > 0; n--) *(*at)++ = '0';
}

/* Positional from 1e-4 to below 1e16, else with an exponent of at least two digits: Python's repr. */
static int format_float(enum pln_dtype dtype, double value, char text[NUMBER_BYTES])
{
    if (value != value) return snprintf(text, NUMBER_BYTES, "nan");
    if (value - value != 0) return snprintf(text, NUMBER_BYTES, value < 0 ? "-inf" : "inf");
    char *at = text;
    if (signbit(value)) *at++ = '-';
    value = fabs(value);
    if (value == 0) return (int)(at - text) + snprintf(at, 8, "0.0");
    struct decimal d = shortest(dtype, value);
    if (d.point > -4 && d.point <= 16) {
        int whole = PLN_MIN(PLN_MAX(d.point, 0), d.count);
        put(&at, d.digits, whole);
        put_zeros(&at, d.point > 0 ? d.point - whole : 1);
        *at++ = '.';
        put_zeros(&at, -d.point);
        put(&at, d.digits + whole, d.count - whole);
        if (whole == d.count) *at++ = '0';
        return (int)(at - text);
    }
    *at++ = d.digits[0];
    if (d.count > 1) *at++ = '.';
    put(&at, d.digits + 1, d.count - 1);
    return (int)(at - text) + snprintf(at, 8, "e%c%02d", d.point > 0 ? '+' : '-', abs(d.point - 1));
}

static int format_element(const struct pln_tensor *tensor, int64_t i, char text[2 * NUMBER_BYTES])
{
    enum pln_dtype dtype = tensor->dtype;
    if (dtype == PLN_BOOL) return snprintf(text, NUMBER_BYTES, pln_load_i64(dtype, tensor->data, i) ? "True" : "False");
    if (dtype == PLN_U64) return snprintf(text, NUMBER_BYTES, "%" PRIu64, ((const uint64_t *)tensor->data)[i]);
    if (pln_dtype_is_integer(dtype))
        return snprintf(text, NUMBER_BYTES, "%" PRId64, pln_load_i64(dtype, tensor->data, i));
    return format_float(dtype, pln_load_f64(dtype, tensor->data, i), text);
}

enum pln_status pln_convert_to_text(const struct pln_tensor *from, struct pln_tensor *to, struct pln_arena *strings,
                                    struct pln_diag *diag)
{
    struct pln_string *out = to->data;
    if (strings == NULL || pln_dtype_is_complex(from->dtype))
        return pln_fail(diag, PLN_UNSUPPORTED, "cannot convert %s to strings here", pln_dtype_name(from->dtype));
    for (int64_t i = 0, n = pln_tensor_count(from); i < n; i++) {
        char text[2 * NUMBER_BYTES];
        int size_bytes = format_element(from, i, text);
        const char *copy = pln_arena_text(strings, text, (size_t)size_bytes);
        if (copy == NULL) return pln_fail_memory(diag, "a string", (size_t)size_bytes);
        out[i] = (struct pln_string){ copy, (size_t)size_bytes };
    }
    return PLN_OK;
}

static bool parse_bool(const char *text, int64_t *out)
{
    static const char *const words[2] = { "false", "true" };
    for (int64_t value = 0; value < 2; value++) {
        size_t n = 0;
        while (text[n] != '\0' && (text[n] | 0x20) == words[value][n]) n++;
        if (text[n] != '\0' || words[value][n] != '\0') continue;
        *out = value;
        return true;
    }
    return false;
}

static bool parse_u64(const char *text, uint64_t *out)
{
    uint64_t value = 0;
    if (*text == '+') text++;
    if (*text == '\0') return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9' || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*text - '0'), &value))
            return false;
    }
    *out = value;
    return true;
}

/* An integer keeps all its digits where the target is an integer; anything else goes through a double. */
static bool parse_element(const struct pln_cast *cast, const char *text, void *data, int64_t i)
{
    int64_t integer;
    uint64_t large;
    double number;
    bool integral = cast->to == PLN_BOOL || pln_dtype_is_integer(cast->to);
    if (cast->to == PLN_BOOL && parse_bool(text, &integer)) {
        pln_store_i64(cast->to, data, i, integer);
    } else if (integral && pln_parse_i64(text, &integer)) {
        pln_store_i64(cast->to, data, i, integer);
    } else if (integral && parse_u64(text, &large)) {
        pln_store_i64(cast->to, data, i, (int64_t)large);
    } else if (cast->to == PLN_F32 && pln_parse_f64(text, &number)) {
        ((float *)data)[i] = pln_parse_f32(text);
    } else if (pln_parse_f64(text, &number)) {
        if (cast->to == PLN_F8E8M0) {
            ((uint8_t *)data)[i] = pln_e8m0_encode(number, cast->saturate, cast->round);
        } else {
            pln_store_f64(cast->to, data, i, number, cast->saturate);
        }
    } else {
        return false;
    }
    return true;
}

enum pln_status pln_convert_from_text(const struct pln_tensor *from, struct pln_tensor *to, const struct pln_cast *cast,
                                      struct pln_diag *diag)
{
    const struct pln_string *in = from->data;
    for (int64_t i = 0, n = pln_tensor_count(from); i < n; i++) {
        char text[512]; /* the exact decimal of a float has at most 112 digits, that of a double that is not tiny 309 */
        const char *data = in[i].data;
        size_t size_bytes = in[i].size_bytes;
        for (; size_bytes > 0 && data[0] == ' '; data++) size_bytes--;
        while (size_bytes > 0 && data[size_bytes - 1] == ' ') size_bytes--;
        bool fits = size_bytes < sizeof text && (size_bytes == 0 || memchr(data, 0, size_bytes) == NULL);
        if (fits && size_bytes > 0) memcpy(text, data, size_bytes);
        text[fits ? size_bytes : 0] = '\0';
        if (!fits || !parse_element(cast, text, to->data, i))
            return pln_fail(diag, PLN_INVALID_ARGUMENT, "element %" PRId64 " is not a number of type %s: \"%.*s\"", i,
                            pln_dtype_name(to->dtype), (int)PLN_MIN(size_bytes, 64), data);
    }
    return PLN_OK;
}
