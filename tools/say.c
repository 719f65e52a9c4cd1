#include "say.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

int utf8_character(const char *text, uint32_t *out_code)
{
    const unsigned char *byte = (const unsigned char *)text;
    const int n = byte[0] < 0x80 ? 1 : byte[0] >= 0xC2 && byte[0] < 0xE0 ? 2 : byte[0] >= 0xE0 && byte[0] < 0xF0 ? 3 : byte[0] >= 0xF0 && byte[0] < 0xF5 ? 4 : 0;
    const unsigned char least = byte[0] == 0xE0 ? 0xA0 : byte[0] == 0xF0 ? 0x90 : 0x80, most = byte[0] == 0xED ? 0x9F : byte[0] == 0xF4 ? 0x8F : 0xBF;
    uint32_t code = n == 1 ? byte[0] : byte[0] & (0x7Fu >> n);
    for (int i = 1; i < n; i++) {
        if (byte[i] < (i == 1 ? least : 0x80) || byte[i] > (i == 1 ? most : 0xBF)) return 0;
        code = code << 6 | (byte[i] & 0x3F);
    }
    *out_code = code;
    return n;
}

bool utf8_is_control(uint32_t code)
{
    if (code < 0x20 || (code >= 0x7F && code < 0xA0)) return true;
    return code == 0x061C || code == 0x200E || code == 0x200F || (code >= 0x2028 && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069);
}

enum { PIECE = 8 }; /* the longest that one character becomes, with its end */

/* What the character at text is printed as; returns how many bytes of text that was. */
static int escape(const char *text, char piece[PIECE])
{
    uint32_t code = 0;
    const int n = utf8_character(text, &code);
    if (n == 0) snprintf(piece, PIECE, "\\x%02x", (unsigned)(unsigned char)*text);
    else if (code == '\n' || code == '\r' || code == '\t') snprintf(piece, PIECE, "\\%c", code == '\n' ? 'n' : code == '\r' ? 'r' : 't');
    else if (utf8_is_control(code)) snprintf(piece, PIECE, code < 0x80 ? "\\x%02x" : "\\u%04x", (unsigned)code);
    else {
        memcpy(piece, text, (size_t)n);
        piece[n] = '\0';
    }
    return n ? n : 1;
}

const char *say_text(char *buffer, size_t buffer_bytes, const char *text)
{
    char piece[PIECE];
    size_t used = 0;
    while (*text) {
        text += escape(text, piece);
        const size_t n = strlen(piece);
        if (used + n >= buffer_bytes) break;
        memcpy(buffer + used, piece, n);
        used += n;
    }
    buffer[used] = '\0';
    return buffer;
}

/* One conversion of a format, the stars in it replaced by numbers. */
struct conversion {
    char spec[40]; /* "%-*.3f" as "%-12.3f" */
    size_t used;
    int precision; /* -1: none */
    char length;   /* 'H' for hh, 'L' for ll */
};

static void put(struct conversion *c, char letter)
{
    if (c->used + 1 < sizeof c->spec) c->spec[c->used++] = letter;
    c->spec[c->used] = '\0';
}

static void say_string(FILE *out, const struct conversion *c, const char *text)
{
    if (!text) text = "(null)";
    size_t n = c->precision < 0 ? strlen(text) : strnlen(text, (size_t)c->precision);
    while (text[n] && n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80) n--;
    char *part = malloc(n + 1), *escaped = malloc(n * (PIECE - 2) + 1); /* nothing grows to more than six bytes a byte */
    if (part && escaped) {
        char spec[sizeof c->spec];
        memcpy(part, text, n);
        part[n] = '\0';
        memcpy(spec, c->spec, sizeof spec);
        char *dot = strchr(spec, '.');
        if (dot) memcpy(dot, "s", 2); /* it is cut already */
        fprintf(out, spec, say_text(escaped, n * (PIECE - 2) + 1, part));
    } else fputs("(out of memory)", out);
    free(part);
    free(escaped);
}

/* Reads a conversion behind its '%'; returns its letter. */
static char read_conversion(const char **format, struct conversion *c, va_list *args)
{
    const char *at = *format;
    *c = (struct conversion){ .precision = -1 };
    put(c, '%');
    bool precise = false;
    for (; *at && strchr("-+ #0123456789.*", *at); at++) {
        if (*at == '.') {
            precise = true;
            c->precision = 0;
            put(c, '.');
        } else if (*at == '*') {
            char number[16];
            const int value = va_arg(*args, int);
            snprintf(number, sizeof number, "%d", value);
            for (const char *digit = number; *digit; digit++) put(c, *digit);
            if (precise) c->precision = value;
        } else {
            if (precise && c->precision < 10000000) c->precision = c->precision * 10 + (*at - '0');
            put(c, *at);
        }
    }
    for (; *at && strchr("hlzjt", *at); at++) {
        c->length = *at == 'l' && c->length == 'l' ? 'L' : *at;
        put(c, *at);
    }
    const char letter = *at;
    put(c, letter);
    *format = letter ? at + 1 : at;
    return letter;
}

static void say_integer(FILE *out, const struct conversion *c, va_list *args)
{
    switch (c->length) {
    case 'l': fprintf(out, c->spec, va_arg(*args, long)); return;
    case 'L': fprintf(out, c->spec, va_arg(*args, long long)); return;
    case 'z': fprintf(out, c->spec, va_arg(*args, size_t)); return;
    case 'j': fprintf(out, c->spec, va_arg(*args, intmax_t)); return;
    case 't': fprintf(out, c->spec, va_arg(*args, ptrdiff_t)); return;
    default: fprintf(out, c->spec, va_arg(*args, int)); return; /* what is shorter is passed as an int */
    }
}

static void say_list(FILE *out, const char *format, va_list *args)
{
    while (*format) {
        struct conversion c;
        const size_t plain = strcspn(format, "%");
        fwrite(format, 1, plain, out);
        format += plain;
        if (!*format) return;
        format++;
        switch (read_conversion(&format, &c, args)) {
        case 's': say_string(out, &c, va_arg(*args, const char *)); break;
        case 'd':
        case 'i':
        case 'u':
        case 'x':
        case 'X':
        case 'o':
        case 'c': say_integer(out, &c, args); break;
        case 'e':
        case 'f':
        case 'g':
        case 'a': fprintf(out, c.spec, va_arg(*args, double)); break;
        case 'p': fprintf(out, c.spec, va_arg(*args, void *)); break;
        case '%': fputc('%', out); break;
        default: return; /* nothing that the compiler lets pass */
        }
    }
}

char *say_made(const char *format, va_list args)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *memory = open_memstream(&text, &bytes);
    if (!memory) return NULL;
    va_list own;
    va_copy(own, args);
    say_list(memory, format, &own);
    va_end(own);
    return fclose(memory) == 0 ? text : NULL;
}

/* Written at once: lines of several processes on one stderr stay whole. */
void say_args(FILE *out, const char *format, va_list args)
{
    char *text = say_made(format, args);
    fputs(text ? text : "(out of memory)\n", out);
    free(text);
}

void say(FILE *out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say_args(out, format, args);
    va_end(args);
}
