/* A growing string, and small helpers for text. An append that finds no memory sets `failed`; the text then stops growing, and
 * the caller asks once, at the end. */
#ifndef PLN_BASE_TEXT_H
#define PLN_BASE_TEXT_H

#include "base/base.h"

struct pln_text {
    const struct pln_allocator *alloc;
    char *data; /* terminated; "" when empty */
    size_t size_bytes;
    size_t capacity_bytes;
    bool failed;
};

void pln_text_init(struct pln_text *text, const struct pln_allocator *alloc);
void pln_text_deinit(struct pln_text *text);
void pln_text_clear(struct pln_text *text);
void pln_text_append(struct pln_text *text, const char *data, size_t size_bytes);
void pln_text_puts(struct pln_text *text, const char *string);
void pln_text_putc(struct pln_text *text, char c);
/* As printf in the "C" locale, whatever the program has set. */
void pln_text_printf(struct pln_text *text, const char *format, ...) PLN_PRINTF(2, 3);
/* The shortest decimal that reads back as the same value, always told from an integer: "1.0", "0.1", "1e+30", "inf", "nan". */
void pln_text_f32(struct pln_text *text, float value);
void pln_text_f64(struct pln_text *text, double value);
/* `"…"` with \" \\ \n \r \t \xHH escapes. */
void pln_text_quote(struct pln_text *text, const char *data, size_t size_bytes);
/* Appends what a quoted string at *at (before end) stands for, and moves *at behind it. false: it is not one; *at stays. */
bool pln_text_unquote(struct pln_text *text, const char **at, const char *end);

bool pln_str_equal(const char *a, const char *b); /* NULL equals only NULL */
bool pln_str_starts(const char *string, const char *prefix);
bool pln_str_ends(const char *string, const char *suffix);
/* Strict UTF-8 (Unicode 15, table 3-7): no overlong forms, no surrogates. */
bool pln_utf8_valid(const char *data, size_t size_bytes);
/* Whole string as a number; false if anything else is in it, or out of range. */
bool pln_parse_i64(const char *string, int64_t *out);
bool pln_parse_f64(const char *string, double *out);
/* The nearest float (one rounding) of what pln_parse_f64 takes. */
float pln_parse_f32(const char *string);
/* "1.5 GiB", "640 B", into the caller's 32 bytes; returns buffer. */
const char *pln_format_bytes(char buffer[32], uint64_t size_bytes);

#endif
