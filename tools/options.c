#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "planish/planish.h"
#include "progress.h"
#include "say.h"

bool command_is_silent;
void (*command_stamp)(FILE *out, bool failure);
char *(*command_reword)(const char *text);
void (*command_log)(bool warning, const char *line);

int verbosity;

void *list_grow(void *items, size_t count, size_t item_bytes)
{
    void *grown = realloc(items, (count + 1) * item_bytes);
    if (grown) return grown;
    fputs("planish: out of memory\n", stderr);
    exit(1);
}

void text_list_add(struct text_list *list, const char *item)
{
    list->items = list_grow(list->items, list->count, sizeof *list->items);
    list->items[list->count++] = item;
}

const char *system_remedy(const char *text)
{
    static const struct {
        int error;
        const char *remedy;
    } rows[] = {
        { ENOENT, "; check the path (ls)" },
        { ENOTDIR, "; check the path (ls)" },
        { EISDIR, "; name a file" },
        { EACCES, "; ls -l tells who may" },
        { EROFS, "; write elsewhere" },
        { ENOSPC, "; make room, or write elsewhere (df -h)" },
        { EFBIG, "; ulimit -f tells what this shell allows" },
        { EBADF, "; it is closed, redirect it to a file or to /dev/null" },
    };
    const size_t n = strlen(text);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *name = strerror(rows[i].error);
        const size_t length = strlen(name);
        if (n >= length && strcmp(text + n - length, name) == 0) return rows[i].remedy;
    }
    return "";
}

int command_flush(void)
{
    static int first;
    if (fflush(stdout) != 0 && !first) first = errno;
    return first;
}

static void tell(const struct command *command, bool remedy, const char *format, va_list args)
{
    if (command_is_silent) return;
    char *made = say_made(format, args), *reworded = made && command_reword ? command_reword(made) : NULL;
    const char *text = reworded ? reworded : made ? made : "out of memory";
    progress_hide();
    command_flush();
    if (command_stamp) command_stamp(stderr, remedy);
    else fprintf(stderr, "planish%s%s: ", command->name[0] ? " " : "", command->name);
    fprintf(stderr, "%s%s\n", text, remedy ? system_remedy(text) : "");
    free(reworded);
    free(made);
}

void command_tell(const struct command *command, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    tell(command, false, format, args);
    va_end(args);
}

int command_fail(const struct command *command, int status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    tell(command, true, format, args);
    va_end(args);
    return status;
}

/* Insertions, deletions, substitutions and exchanges of neighbours (optimal string alignment, after Damerau 1964), for words of at most 63 letters, whatever their case. */
static size_t distance(const char *a, const char *b)
{
    size_t rows[3][64], n = strlen(b);
    if (n > 63) return SIZE_MAX;
    for (size_t j = 0; j <= n; j++) rows[0][j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            row[j] = above[j - 1] + (tolower((unsigned char)a[i - 1]) != tolower((unsigned char)b[j - 1]));
            if (above[j] + 1 < row[j]) row[j] = above[j] + 1;
            if (row[j - 1] + 1 < row[j]) row[j] = row[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < row[j]) row[j] = before[j - 2] + 1;
        }
        if (!a[i]) return row[n];
    }
    return n;
}

const char *nearest_name(const char *name, const char *const *names, size_t count)
{
    const char *best = NULL;
    size_t least = strlen(name) * 2 / 5 + 1; /* what has little of the name is no guess: --precision is not --version */
    for (size_t i = 0; i < count; i++) {
        size_t d = distance(name, names[i]);
        if (d >= least) continue;
        least = d;
        best = names[i];
    }
    return best;
}

const struct option_row *options_common(const struct command *command)
{
    static const struct option_row rows[] = {
        { "help", 'h', OPTION_FLAG, NULL, "", "show this text" },
        { "verbose", 'v', OPTION_FLAG, NULL, "", "tell more" },
        { "quiet", 'q', OPTION_FLAG, NULL, "", "tell only what matters" },
        { "version", 0, OPTION_FLAG, NULL, "", "show the version" },
        { 0 },
    };
    static const struct option_row none[] = { { 0 } };
    return command->own_grammar ? none : rows;
}

/* Letters on a terminal, for widths: bytes that do not continue a UTF-8 character. */
static int columns(const char *text)
{
    int n = 0;
    for (; *text; text++) n += ((unsigned char)*text & 0xC0) != 0x80;
    return n;
}

static void print_option(const struct option_row *row, bool own_grammar)
{
    char left[80], letter[8] = "    ";
    const char *open = row->kind == OPTION_OPTIONAL ? "[=" : row->kind == OPTION_FLAG ? "" : own_grammar ? "=" : " ";
    if (!row->help) return;
    if (row->letter) snprintf(letter, sizeof letter, "-%c, ", row->letter);
    snprintf(left, sizeof left, "%s--%s%s%s%s", letter, row->name, open, row->argument ? row->argument : "", row->kind == OPTION_OPTIONAL ? "]" : "");
    const int width = columns(left);
    printf("  %s%*s %s\n", left, width < 32 ? 32 - width : 0, "", row->help);
}

void options_print_help(const struct command *command, const struct option_row *rows)
{
    printf("Usage: planish %s %s\n\n%s\n\nOptions:\n", command->name, command->usage, command->about);
    for (const struct option_row *row = rows; row->name; row++) print_option(row, command->own_grammar);
    for (const struct option_row *row = options_common(command); row->name; row++) print_option(row, command->own_grammar);
    if (command->examples) printf("\nExamples:\n%s", command->examples);
}

/* While a command is visited: its table goes there instead of being parsed by. */
static struct {
    void (*visit)(void *user, const struct command *command, const struct option_row *rows);
    void *user;
} visitor;

void options_visit(const struct command *command, void (*visit)(void *user, const struct command *command, const struct option_row *rows), void *user)
{
    char *no_words[1] = { NULL };
    visitor.visit = visit;
    visitor.user = user;
    command->run(0, no_words);
    visitor.visit = NULL;
}

static bool parse_size(const char *text, long *out)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (end == text || errno) return false;
    int shift = *end == 'K' || *end == 'k' ? 10 : *end == 'M' || *end == 'm' ? 20 : *end == 'G' || *end == 'g' ? 30 : 0;
    if (shift) end++;
    if (*end || (shift && (value > LONG_MAX >> shift || value < LONG_MIN >> shift))) return false;
    *out = shift ? value * (1L << shift) : value;
    return true;
}

static int set_value(const struct command *command, const struct option_row *row, const char *value)
{
    char *end;
    long count;
    switch (row->kind) {
    case OPTION_FLAG: *(bool *)row->value = true; return -1;
    case OPTION_TEXT:
    case OPTION_OPTIONAL: *(const char **)row->value = value ? value : ""; return -1;
    case OPTION_LIST: text_list_add(row->value, value); return -1;
    case OPTION_INT:
        if (parse_size(value, row->value)) return -1;
        return command_fail(command, 2, "--%s wants a whole number, not '%s'", row->name, value);
    case OPTION_COUNT:
        if (parse_size(value, &count) && count >= 1 && count <= INT_MAX) {
            *(long *)row->value = count;
            return -1;
        }
        return command_fail(command, 2, "--%s wants a whole number from 1 on, not '%s'", row->name, value);
    case OPTION_REAL:
        *(double *)row->value = strtod(value, &end);
        if (end != value && !*end && !isnan(*(double *)row->value)) return -1;
        return command_fail(command, 2, "--%s wants a number, not '%s'", row->name, value);
    }
    return -1;
}

/* Options that are decided and not there yet: who types one has not misspelt it. */
static bool comes_later(const struct command *command, const char *name)
{
    static const struct {
        const char *name, *commands;
    } rows[] = {
        { "no-graph", " bench " },
        { "prompt", " bench " },
        { "gen", " bench " },
        { "verify", " build run bench compare " },
        { "calib-data", " build run bench inspect compare " },
        { "calib-cache", " build run bench inspect compare " },
        { "deterministic", " build run bench inspect compare check " },
    };
    char word[24];
    snprintf(word, sizeof word, " %s ", command->name);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i].name, name) == 0) return strstr(rows[i].commands, word) != NULL;
    return false;
}

static int unknown(const struct command *command, const struct option_row *rows, const char *name, size_t length)
{
    char word[64];
    const char *names[64];
    size_t n = 0;
    snprintf(word, sizeof word, "%.*s", (int)length, name);
    for (const struct option_row *row = rows; row->name && n < 64; row++)
        if (row->help) names[n++] = row->name;
    for (const struct option_row *row = options_common(command); row->name && n < 64; row++) {
        if (strcmp(row->name, word) == 0) return command_fail(command, 2, "--%s takes no value", word);
        names[n++] = row->name;
    }
    if (comes_later(command, word)) return command_fail(command, 2, "--%s comes with a later version; this one does not have it yet: leave it out", word);
    const char *near = nearest_name(word, names, n);
    if (near) return command_fail(command, 2, "there is no option --%s; did you mean --%s?", word, near);
    return command_fail(command, 2, "there is no option --%s; planish %s --help lists them", word, command->name);
}

/* An option of options_common. Returns -1 to go on, else the exit status. */
static int set_common(const struct command *command, const struct option_row *rows, const struct option_row *row)
{
    if (strcmp(row->name, "help") == 0) return options_print_help(command, rows), 0;
    if (strcmp(row->name, "version") == 0) return printf("planish %s\n", pln_version()), 0;
    verbosity = strcmp(row->name, "verbose") == 0 ? 1 : -1;
    return -1;
}

static int parse_long(const struct command *command, const struct option_row *rows, int argc, char **argv, int *at)
{
    const char *name = argv[*at] + 2, *equals = strchr(name, '=');
    size_t length = equals ? (size_t)(equals - name) : strlen(name);
    for (const struct option_row *row = options_common(command); row->name; row++)
        if (strcmp(row->name, name) == 0) return set_common(command, rows, row);
    for (const struct option_row *row = rows; row->name; row++) {
        if (strlen(row->name) != length || strncmp(row->name, name, length) != 0) continue;
        const char *value = equals ? equals + 1 : NULL;
        if (row->kind == OPTION_FLAG && value) return command_fail(command, 2, "--%s takes no value", row->name);
        if (row->kind != OPTION_FLAG && row->kind != OPTION_OPTIONAL && !value) {
            if (*at + 1 >= argc) return command_fail(command, 2, "--%s wants a value: %s", row->name, row->argument);
            value = argv[++*at];
        }
        return set_value(command, row, value);
    }
    return unknown(command, rows, name, length);
}

/* The row of a letter; the one that ends the table where there is none. */
static const struct option_row *find_letter(const struct option_row *rows, char letter)
{
    while (rows->name && rows->letter != letter) rows++;
    return rows;
}

/* "-vj4": letters without a value may stand together; the last may take one, there or in the next word. Returns -1 to go on, else the exit status. */
static int parse_letters(const struct command *command, const struct option_row *rows, int argc, char **argv, int *at)
{
    int status = -1;
    for (const char *letter = argv[*at] + 1; *letter && status < 0; letter++) {
        const struct option_row *row = find_letter(rows, *letter), *common = find_letter(options_common(command), *letter);
        if (!row->name && common->name) status = set_common(command, rows, common);
        else if (!row->name && strlen(argv[*at]) > 2 && strchr(argv[*at], '.'))
            return command_fail(command, 2, "there is no option -%c; is %s a file? give it behind --, or as ./%s", *letter, argv[*at], argv[*at]);
        else if (!row->name) return command_fail(command, 2, "there is no option -%c; planish %s --help lists them", *letter, command->name);
        else if (row->kind == OPTION_FLAG) status = set_value(command, row, NULL);
        else {
            const char *value = letter[1] ? letter + 1 : NULL;
            if (!value && *at + 1 < argc) value = argv[++*at];
            if (!value) return command_fail(command, 2, "-%c wants a value: %s", row->letter, row->argument);
            return set_value(command, row, value);
        }
    }
    return status;
}

int options_parse(const struct command *command, const struct option_row *rows, int argc, char **argv, struct text_list *rest)
{
    *rest = (struct text_list){ 0 };
    bool only_rest = false;
    if (visitor.visit) {
        visitor.visit(visitor.user, command, rows);
        return 0;
    }
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        int status = -1;
        if (only_rest || word[0] != '-' || !word[1]) text_list_add(rest, word);
        else if (strcmp(word, "--") == 0) only_rest = true;
        else if (word[1] == '-') status = parse_long(command, rows, argc, argv, &i);
        else status = parse_letters(command, rows, argc, argv, &i);
        if (status < 0) continue;
        free(rest->items);
        *rest = (struct text_list){ 0 };
        return status;
    }
    return -1;
}
