#include "base/text.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

bool pln_text_unquote(struct pln_text *text, const char **at, const char *end)
{
    const char *c = *at;
    if (c == end || *c != '"') return false;
    for (c++; c < end && *c != '"'; c++) {
        if (*c != '\\') {
            pln_text_putc(text, *c);
            continue;
        }
        if (++c == end) return false;
        switch (*c) {
        case 'n': pln_text_putc(text, '\n'); break;
        case 'r': pln_text_putc(text, '\r'); break;
        case 't': pln_text_putc(text, '\t'); break;
        case '"':
        case '\\': pln_text_putc(text, *c); break;
        case 'x':
            if (end - c < 3 || hex_digit(c[1]) < 0 || hex_digit(c[2]) < 0) return false;
            pln_text_putc(text, (char)(hex_digit(c[1]) << 4 | hex_digit(c[2])));
            c += 2;
            break;
        default: return false; /* a character, not an enum of ours */
        }
    }
    if (c == end) return false;
    *at = c + 1;
    return true;
}
