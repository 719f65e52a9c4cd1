/* Printing for people. Names, messages and metadata come from models, which anybody may have written: what they hold reaches a terminal here alone, with
 * everything escaped that would move its cursor, change its title or colours, forge a line or turn the direction of writing. */
#ifndef PLANISH_TOOLS_SAY_H
#define PLANISH_TOOLS_SAY_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#if defined(__GNUC__)
#define SAY_PRINTF(at, first) __attribute__((format(printf, at, first)))
#else
#define SAY_PRINTF(at, first)
#endif

/* As fprintf, but what %s stands for is escaped: \n \r \t, \x1b for other control characters and for bytes that are no UTF-8, \u009b and \u202e for what
 * controls beyond ASCII. The format itself is not. A precision counts bytes before escaping and cuts no character; %n and long double are not known. */
void say(FILE *out, const char *format, ...) SAY_PRINTF(2, 3);
void say_args(FILE *out, const char *format, va_list args);
/* The same as a string, which the caller frees; NULL: out of memory. */
char *say_made(const char *format, va_list args);

/* One text, escaped, into buffer; cut to fit, not inside a character or an escape. Returns buffer. */
const char *say_text(char *buffer, size_t buffer_bytes, const char *text);

/* Bytes of the UTF-8 character at text (Unicode 15, table 3-7: no overlong forms, no surrogates), and which it is; 0: it is none. */
int utf8_character(const char *text, uint32_t *out_code);
/* Does it do something instead of showing something? Controls (C0, DEL, C1), ends of lines and paragraphs, marks of direction (U+200E, U+202A to U+202E, U+2066
 * to U+2069, …). */
bool utf8_is_control(uint32_t code);

#endif
