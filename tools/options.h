/* The command line: one table of options a subcommand, from which parsing, --help, man pages and completions (manual.h) are made. */
#ifndef PLANISH_TOOLS_OPTIONS_H
#define PLANISH_TOOLS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum option_kind {
    OPTION_FLAG,     /* --quiet: bool */
    OPTION_TEXT,     /* --device cpu: const char * */
    OPTION_INT,      /* --jobs 4: long; K, M, G are base 2 */
    OPTION_COUNT,    /* the same, 1 to 2^31 - 1 */
    OPTION_REAL,     /* --rtol 1e-3: double */
    OPTION_OPTIONAL, /* --json or --json=FILE: const char *, "" without a value */
    OPTION_LIST      /* may be given again: struct text_list */
};

struct text_list {
    const char **items;
    size_t count;
};

struct option_row {
    const char *name;  /* without the dashes */
    char letter;       /* 0: none */
    enum option_kind kind;
    void *value;       /* what `kind` says */
    const char *argument; /* how help names the value: "FILE" */
    const char *help; /* NULL: for tests, not listed */
};

struct command {
    const char *name;
    const char *usage; /* after "planish NAME": "MODEL [options]" */
    const char *about; /* one sentence */
    const char *examples;
    int (*run)(int argc, char **argv); /* argc 0: only up to where it parses its options (options_visit) */
    bool own_grammar; /* --name=value alone, and its own table has all there is: trtexec */
};

/* Parses argv[1..] against rows (ended by name NULL); what is no option goes to `rest`, which the caller frees. Returns -1 to go on, else the
 * exit status: 0 after --help, 2 after bad usage (told on stderr). */
int options_parse(const struct command *command, const struct option_row *rows, int argc, char **argv, struct text_list *rest);
/* What a command's table is followed by in help: --help, --verbose, --quiet, --version; nothing where it has a grammar of its own. Ended by name NULL. */
const struct option_row *options_common(const struct command *command);
void options_print_help(const struct command *command, const struct option_row *rows);
/* Calls visit with the command's table, by running the command up to where it parses its options. */
void options_visit(const struct command *command, void (*visit)(void *user, const struct command *command, const struct option_row *rows), void *user);
/* The items with room for one more behind `count`; without memory the command ends. */
void *list_grow(void *items, size_t count, size_t item_bytes);
void text_list_add(struct text_list *list, const char *item);
/* Prints "planish NAME: text" to stderr, behind what stdout has had before, so that a log of both is in order. */
void command_tell(const struct command *command, const char *format, ...);
/* The same and, if it ends with an error of the system, what to do about that. Returns status. */
int command_fail(const struct command *command, int status, const char *format, ...);
/* What to do about an error of the system that a message ends with, whoever wrote it; "" where there is nothing to say. */
const char *system_remedy(const char *text);
/* All of stdout is written out: 0, or the errno of the first write that failed. */
int command_flush(void);
/* The nearest of the names to a misspelt one, or NULL. */
const char *nearest_name(const char *name, const char *const *names, size_t count);

/* What messages begin with, in a command with a form of its own; NULL: "planish NAME: ". */
extern void (*command_stamp)(FILE *out, bool failure);
/* A message, whose hints name options of most commands, in the words of a command with a grammar of its own; the caller frees it. NULL: it stays as it is. */
extern char *(*command_reword)(const char *text);
/* Prints a line of the library's log, in a command with a form of its own; NULL: it goes to stderr as it is. */
extern void (*command_log)(bool warning, const char *line);
/* What is only tried may fail: nothing of it is told meanwhile. */
extern bool command_is_silent;

extern int verbosity; /* -1 quiet, 0, 1 verbose */

#endif
