/* What stands after the `=` of trtexec's flags. */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "trtexec.h"

void trtexec_split(const char *text, struct text_list *out)
{
    while (text && *text) {
        char *item = malloc(strlen(text) + 1), *at = item;
        bool quoted = false;
        if (!item) return;
        for (; *text && (quoted || *text != ','); text++) {
            if (*text == '\'') quoted = !quoted;
            else *at++ = *text;
        }
        *at = '\0';
        text_list_add(out, item); /* lives as long as the process */
        text += *text == ',';
    }
}

bool trtexec_size(const char *text, size_t length, double unit, double *out_bytes)
{
    char copy[64], *end;
    *out_bytes = 0;
    if (length == 0 || length >= sizeof copy || !isdigit((unsigned char)*text)) return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    double value = strtod(copy, &end);
    if (end != copy + strspn(copy, "0123456789.")) return false; /* no hexadecimal numbers, no exponents */
    switch (toupper((unsigned char)*end)) {
    case 'B': unit = 1; break;
    case 'K': unit = 1024; break;
    case 'M': unit = 1048576; break;
    case 'G': unit = 1073741824; break;
    case '\0': end--; break;
    default: return false;
    }
    value *= unit;
    *out_bytes = value;
    return end[1] == '\0' && value < 1e18;
}

char *trtexec_read_string(const char *text, const char **out_end)
{
    char *made = malloc(strlen(text) + 1);
    size_t n = 0;
    while (made && *text && *text != '"') {
        unsigned code;
        if (*text != '\\') made[n++] = *text++;
        else if (text[1] == 'u' && sscanf(text + 2, "%4x", &code) == 1) {
            if (code < 0x80) made[n++] = (char)code;
            else if (code < 0x800) made[n++] = (char)(0xc0 | code >> 6), made[n++] = (char)(0x80 | (code & 63));
            else made[n++] = (char)(0xe0 | code >> 12), made[n++] = (char)(0x80 | (code >> 6 & 63)), made[n++] = (char)(0x80 | (code & 63));
            text += strlen(text) < 6 ? strlen(text) : 6;
        } else if (text[1]) {
            made[n++] = text[1] == 'n' ? '\n' : text[1] == 't' ? '\t' : text[1] == 'r' ? '\r' : text[1] == 'b' ? '\b' : text[1] == 'f' ? '\f' : text[1];
            text += 2;
        } else break;
    }
    if (!made || *text != '"') {
        free(made);
        return NULL;
    }
    made[n] = '\0';
    *out_end = text + 1;
    return made; /* of the process */
}

/* One of words, which are joined by |. */
static bool is_word(const char *words, const char *text, size_t length)
{
    for (const char *at = words; length > 0; at++) {
        const size_t n = strcspn(at, "|,");
        if (n == length && memcmp(at, text, n) == 0) return true;
        at += n;
        if (*at != '|') return false;
    }
    return false;
}

static bool are_words(const char *words, const char *text)
{
    for (;; text++) {
        if (*text == '+' || *text == '-') text++;
        const size_t n = strcspn(text, ",");
        if (!is_word(words, text, n)) return false;
        text += n;
        if (!*text) return true;
    }
}

static bool is_number(const struct trtexec_row *row, const char *text)
{
    char *end;
    errno = 0;
    const double value = strtod(text, &end);
    if (end == text || *end || !isfinite(value) || strpbrk(text, " \t\nxXpP")) return false;
    if (row->kind != KIND_REAL && (strpbrk(text, ".eExXpP") || value != floor(value))) return false;
    if (row->kind == KIND_COUNT) return value >= 1 && value <= INT_MAX;
    const char *dots = strstr(row->argument, "..");
    return !dots || (value >= strtod(row->argument, NULL) && value <= strtod(dots + 2, NULL));
}

/* "1x3x224x224", "scalar", or nothing for a scalar. Dims of 32 bits. */
static bool is_shape(const char *text)
{
    if (!*text || strcmp(text, "scalar") == 0) return true;
    for (int rank = 0; rank < PLN_MAX_RANK; rank++) {
        char *end;
        if (!isdigit((unsigned char)*text)) return false;
        errno = 0;
        const long long dim = strtoll(text, &end, 10);
        if (errno || dim > INT_MAX) return false;
        if (!*end) return true;
        if (*end != 'x') return false;
        text = end + 1;
    }
    return false;
}

/* An item of a list: name:value, split at the last colon. */
static bool is_item(const struct trtexec_row *row, const char *item)
{
    const char *colon = strrchr(item, ':'), *own = strchr(row->argument, ':');
    double bytes;
    if (!colon || colon == item) return false;
    const size_t name = (size_t)(colon - item);
    if (row->kind == KIND_SHAPES) {
        const char *star = memchr(item, '*', name);
        return is_shape(colon + 1) && (!star || !memchr(star + 1, '*', name - (size_t)(star + 1 - item)));
    }
    if (row->kind == KIND_POOLS) return is_word("workspace|dlaSRAM|dlaLocalDRAM|dlaGlobalDRAM|tacticSharedMem", item, name) && trtexec_size(colon + 1, strlen(colon + 1), 1048576, &bytes);
    if (row->kind == KIND_CONTROLS) return is_word("in_memory|temporary", item, name) && is_word("allow|deny", colon + 1, strlen(colon + 1));
    if (!colon[1]) return false;
    if (!own || !strchr(own, '|')) return true;
    for (const char *at = colon + 1;; at++) {
        const size_t n = strcspn(at, "+");
        if (!is_word(own + 1, at, n)) return false;
        at += n;
        if (!*at) return true;
    }
}

/* type:layout or layout alone, alternatives joined by +. */
static bool is_format(const char *item)
{
    static const char types[] = "fp32|fp16|bf16|int32|int64|int8|uint8|bool|fp8|int4|fp4";
    static const char layouts[] = "chw|chw2|chw4|chw16|chw32|hwc|hwc8|hwc16|dhwc|dhwc8|cdhw32|dla_linear|dla_hwc4";
    const char *colon = strchr(item, ':');
    if (colon && !is_word(types, item, (size_t)(colon - item))) return false;
    for (const char *at = colon ? colon + 1 : item;; at++) {
        const size_t n = strcspn(at, "+");
        if (!is_word(layouts, at, n)) return false;
        at += n;
        if (!*at) return true;
    }
}

static bool are_items(const struct trtexec_row *row, const char *value)
{
    struct text_list items = { 0 };
    trtexec_split(value, &items);
    bool good = items.count > 0 && value[strlen(value) - 1] != ',';
    for (size_t i = 0; good && i < items.count; i++) good = row->kind == KIND_FORMATS ? is_format(items.items[i]) : is_item(row, items.items[i]);
    free(items.items);
    return good;
}

static bool is_budget(const char *value)
{
    char *end;
    double bytes;
    if (strcmp(value, "-1") == 0 || strcmp(value, "-2") == 0) return true;
    const double share = strtod(value, &end);
    if (isdigit((unsigned char)*value) && strcmp(end, "%") == 0) return share <= 100;
    return trtexec_size(value, strlen(value), 1, &bytes);
}

static bool is_value(const struct trtexec_row *row, const char *value)
{
    double bytes;
    switch (row->kind) {
    case KIND_SWITCH:
    case KIND_OPTIONAL: return true;
    case KIND_TEXT:
    case KIND_LIST: return true;
    case KIND_COUNT:
    case KIND_INT:
    case KIND_REAL: return is_number(row, value);
    case KIND_SIZE: return trtexec_size(value, strlen(value), 1, &bytes) && bytes >= 1;
    case KIND_WORD: return is_word(row->argument, value, strlen(value));
    case KIND_WORDS: return are_words(row->argument, value);
    case KIND_PAIRS:
    case KIND_SHAPES:
    case KIND_FORMATS:
    case KIND_POOLS:
    case KIND_CONTROLS: return are_items(row, value);
    case KIND_BUDGET: return is_budget(value);
    }
    return false;
}

const char *trtexec_value_fault(const struct trtexec_row *row, const char *value)
{
    static char text[1200];
    const bool wants = row->kind != KIND_SWITCH && row->kind != KIND_OPTIONAL;
    if (wants && (!value || !*value)) snprintf(text, sizeof text, "--%s wants a value: --%s=%s", row->name, row->name, row->argument);
    else if (!wants || is_value(row, value)) return NULL;
    else if (row->kind == KIND_COUNT || row->kind == KIND_INT || row->kind == KIND_REAL)
        snprintf(text, sizeof text, "--%s wants a %snumber%s%s, not '%.400s'", row->name, row->kind == KIND_REAL ? "" : "whole ", row->kind == KIND_COUNT ? " from 1 on" : " of ", row->kind == KIND_COUNT ? "" : row->argument, value);
    else if (row->kind == KIND_SIZE) snprintf(text, sizeof text, "--%s wants bytes, such as 512M, not '%.400s'", row->name, value);
    else if (row->kind == KIND_WORD) snprintf(text, sizeof text, "--%s can be %s, not '%.400s'", row->name, row->argument, value);
    else snprintf(text, sizeof text, "--%s wants %s, not '%.400s'", row->name, row->argument, value);
    return text;
}
