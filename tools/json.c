#include "json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "say.h"

void json_text(FILE *out, const char *text)
{
    if (!text) {
        fputs("null", out);
        return;
    }
    fputc('"', out);
    while (*text) {
        const char c = *text;
        uint32_t code = 0;
        const int n = utf8_character(text, &code);
        if (c == '"' || c == '\\') fprintf(out, "\\%c", c);
        else if (c == '\n') fputs("\\n", out);
        else if (c == '\t') fputs("\\t", out);
        else if (n == 0) fputs("\\ufffd", out);
        else if (c == '<' || utf8_is_control(code)) fprintf(out, "\\u%04x", (unsigned)code);
        else fwrite(text, 1, (size_t)n, out);
        text += n ? n : 1;
    }
    fputc('"', out);
}

void json_number(FILE *out, double value)
{
    char text[40];
    if (!isfinite(value)) {
        fputs("null", out);
        return;
    }
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) break;
    }
    fputs(text, out);
}
