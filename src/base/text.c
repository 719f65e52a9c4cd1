#define _GNU_SOURCE /* uselocale */

#include "base/text.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

static char empty_text[1];

void pln_text_init(struct pln_text *text, const struct pln_allocator *alloc)
{
    *text = (struct pln_text){ .alloc = alloc, .data = empty_text };
}

void pln_text_deinit(struct pln_text *text)
{
    if (text->capacity_bytes > 0) pln_free(text->alloc, text->data, text->capacity_bytes);
    pln_text_init(text, text->alloc);
}

void pln_text_clear(struct pln_text *text)
{
    text->size_bytes = 0;
    text->failed = false;
    if (text->capacity_bytes > 0) text->data[0] = '\0';
}

/* Room for size_bytes more and the end. */
static bool reserve(struct pln_text *text, size_t size_bytes)
{
    size_t want, doubled;
    if (text->failed) return false;
    text->failed = true;
    if (!pln_add_size(text->size_bytes, size_bytes, &want) || !pln_add_size(want, 1, &want)) return false;
    if (want > text->capacity_bytes) {
        if (!pln_mul_size(text->capacity_bytes, 2, &doubled)) doubled = want;
        size_t capacity = PLN_MAX(PLN_MAX(want, doubled), 64);
        char *data = pln_alloc(text->alloc, capacity, 1);
        if (data == NULL) return false;
        memcpy(data, text->data, text->size_bytes + 1);
        if (text->capacity_bytes > 0) pln_free(text->alloc, text->data, text->capacity_bytes);
        text->data = data;
        text->capacity_bytes = capacity;
    }
    text->failed = false;
    return true;
}

void pln_text_append(struct pln_text *text, const char *data, size_t size_bytes)
{
    if (size_bytes == 0 || !reserve(text, size_bytes)) return;
    memcpy(text->data + text->size_bytes, data, size_bytes);
    text->size_bytes += size_bytes;
    text->data[text->size_bytes] = '\0';
}

void pln_text_puts(struct pln_text *text, const char *string)
{
    pln_text_append(text, string, strlen(string));
}

void pln_text_putc(struct pln_text *text, char c)
{
    pln_text_append(text, &c, 1);
}

/* The "C" locale for one call of the C library: what we write and read has a point in its numbers wherever the program
 * that uses us lives. glibc and musl hand out a static object here. */
struct c_locale {
    locale_t ours, theirs;
};

static struct c_locale enter_c_locale(void)
{
    struct c_locale scope = { newlocale(LC_ALL_MASK, "C", (locale_t)0), (locale_t)0 };
    if (scope.ours != (locale_t)0) scope.theirs = uselocale(scope.ours);
    return scope;
}

static void leave_c_locale(struct c_locale scope)
{
    if (scope.ours == (locale_t)0) return;
    uselocale(scope.theirs);
    freelocale(scope.ours);
}

static void append_format(struct pln_text *text, const char *format, va_list args)
{
    char small[256];
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(small, sizeof small, format, args);
    if (n >= 0 && (size_t)n < sizeof small) {
        pln_text_append(text, small, (size_t)n);
    } else if (n < 0) {
        text->failed = true;
    } else if (reserve(text, (size_t)n)) {
        vsnprintf(text->data + text->size_bytes, (size_t)n + 1, format, again);
        text->size_bytes += (size_t)n;
    }
    va_end(again);
}

void pln_text_printf(struct pln_text *text, const char *format, ...)
{
    va_list args;
    struct c_locale scope = enter_c_locale();
    va_start(args, format);
    append_format(text, format, args);
    va_end(args);
    leave_c_locale(scope);
}

/* digits: the most that the type can need to be told from its neighbours. */
static void append_shortest(struct pln_text *text, double value, bool single)
{
    char buffer[40];
    struct c_locale scope = enter_c_locale();
    int last = single ? 9 : 17;
    for (int digits = single ? 6 : 15; digits <= last; digits++) {
        snprintf(buffer, sizeof buffer, "%.*g", digits, value);
        double back = single ? (double)strtof(buffer, NULL) : strtod(buffer, NULL);
        if (back == value || value != value) break;
    }
    leave_c_locale(scope);
    pln_text_puts(text, value != value ? "nan" : buffer);
    if (strpbrk(buffer, ".ein") == NULL) pln_text_puts(text, ".0");
}

void pln_text_f32(struct pln_text *text, float value)
{
    append_shortest(text, (double)value, true);
}

void pln_text_f64(struct pln_text *text, double value)
{
    append_shortest(text, value, false);
}

void pln_text_quote(struct pln_text *text, const char *data, size_t size_bytes)
{
    static const char hex[] = "0123456789abcdef";
    bool utf8 = pln_utf8_valid(data, size_bytes);
    pln_text_putc(text, '"');
    for (size_t i = 0; i < size_bytes; i++) {
        unsigned char c = (unsigned char)data[i];
        char escape[4] = { '\\', (char)c, 0, 0 };
        size_t n = 2;
        if (c == '\n') {
            escape[1] = 'n';
        } else if (c == '\r') {
            escape[1] = 'r';
        } else if (c == '\t') {
            escape[1] = 't';
        } else if (c < 0x20 || c == 0x7f || (c >= 0x80 && !utf8)) {
            escape[1] = 'x';
            escape[2] = hex[c >> 4];
            escape[3] = hex[c & 15];
            n = 4;
        } else if (c != '"' && c != '\\') {
            escape[0] = (char)c;
            n = 1;
        }
        pln_text_append(text, escape, n);
    }
    pln_text_putc(text, '"');
}

bool pln_str_equal(const char *a, const char *b)
{
    if (a == NULL || b == NULL) return a == b;
    return strcmp(a, b) == 0;
}

bool pln_str_starts(const char *string, const char *prefix)
{
    return strncmp(string, prefix, strlen(prefix)) == 0;
}

bool pln_str_ends(const char *string, const char *suffix)
{
    size_t n = strlen(string), m = strlen(suffix);
    return n >= m && memcmp(string + n - m, suffix, m) == 0;
}

/* Bytes of the sequence that starts at p, or 0 if none of Unicode's table 3-7 does. */
static size_t utf8_sequence(const unsigned char *p, size_t left)
{
    unsigned char lead = p[0], low = 0x80, high = 0xBF;
    size_t n;
    if (lead < 0x80) return 1;
    if (lead < 0xC2 || lead > 0xF4) return 0;
    n = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (n > left) return 0;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
    if (p[1] < low || p[1] > high) return 0;
    for (size_t i = 2; i < n; i++)
        if (p[i] < 0x80 || p[i] > 0xBF) return 0;
    return n;
}

bool pln_utf8_valid(const char *data, size_t size_bytes)
{
    const unsigned char *p = (const unsigned char *)data;
    size_t i = 0;
    while (i < size_bytes) {
        uint64_t eight;
        if (size_bytes - i >= 8) {
            memcpy(&eight, p + i, 8);
            if ((eight & UINT64_C(0x8080808080808080)) == 0) {
                i += 8;
                continue;
            }
        }
        size_t n = utf8_sequence(p + i, size_bytes - i);
        if (n == 0) return false;
        i += n;
    }
    return true;
}

bool pln_parse_i64(const char *string, int64_t *out)
{
    *out = 0;
    bool negative = *string == '-';
    if (*string == '-' || *string == '+') string++;
    if (*string == '\0') return false;
    int64_t value = 0;
    for (; *string != '\0'; string++) {
        if (*string < '0' || *string > '9') return false;
        int64_t digit = *string - '0';
        if (!pln_mul_i64(value, 10, &value)) return false;
        if (!(negative ? pln_sub_i64(value, digit, &value) : pln_add_i64(value, digit, &value))) return false;
    }
    *out = value;
    return true;
}

bool pln_parse_f64(const char *string, double *out)
{
    *out = 0;
    /* strtod skips white space and takes hexadecimal and nan(…); a number of ours has none of these. */
    if (strpbrk(string, " \t\n\v\f\rxX()") != NULL || *string == '\0') return false;
    char *end;
    struct c_locale scope = enter_c_locale();
    double value = strtod(string, &end);
    leave_c_locale(scope);
    if (*end != '\0') return false;
    bool infinite = value > 1.7976931348623157e308 || value < -1.7976931348623157e308;
    if (infinite && strpbrk(string, "iI") == NULL) return false; /* overflow, not the word */
    *out = value;
    return true;
}

float pln_parse_f32(const char *string)
{
    struct c_locale scope = enter_c_locale();
    float value = strtof(string, NULL);
    leave_c_locale(scope);
    return value;
}

const char *pln_format_bytes(char buffer[32], uint64_t size_bytes)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    if (size_bytes < 1024) {
        snprintf(buffer, 32, "%u B", (unsigned)size_bytes);
        return buffer;
    }
    size_t unit = 0;
    double value = (double)size_bytes;
    /* 1023.95 and more would print as 1024.0. */
    while (value >= 1023.95 && unit + 1 < PLN_COUNT_OF(units)) {
        value /= 1024;
        unit++;
    }
    unsigned tenths = (unsigned)(value * 10 + 0.5);
    snprintf(buffer, 32, "%u.%u %s", tenths / 10, tenths % 10, units[unit]);
    return buffer;
}
