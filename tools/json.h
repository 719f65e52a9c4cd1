/* Writing JSON (RFC 8259) to a stream. */
#ifndef PLANISH_TOOLS_JSON_H
#define PLANISH_TOOLS_JSON_H

#include <stdio.h>

/* "…" with escapes, also of what does something on a terminal (say.h); bytes that are no UTF-8 become U+FFFD. '<' is escaped, too, so that no text ends a script that holds it. NULL: null. */
void json_text(FILE *out, const char *text);
/* Shortest form that reads back the same; null for NaN and infinities. */
void json_number(FILE *out, double value);

#endif
