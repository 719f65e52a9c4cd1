/* Numbers with units, tables, and where text goes when --json takes stdout. */
#ifndef PLANISH_TOOLS_TEXT_H
#define PLANISH_TOOLS_TEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "options.h"

/* "12.3 MiB" into a small static ring: at most 8 results live at a time. */
const char *text_bytes(uint64_t bytes);
/* "1.234 ms", "12.3 µs", "2.1 s", into the same ring. */
const char *text_ms(double ms);
/* "[batch,3,224,224]", "?" for dims without a name; the same ring. */
const char *text_dims(int rank, const int64_t *dims, const char *const *names);

/* 0: it cannot be read. */
uint64_t file_bytes(const char *path);
bool is_file(const char *path); /* a regular one: no folder, device or pipe */
bool is_folder(const char *path);
/* Both name one regular file, or what is not there yet by one name. NULL and "" name none. */
bool is_same_file(const char *path, const char *other);
/* A file can be written there: asked before long work whose result it takes. renamed: it is written under another name first, so it is the folder that counts. path
 * NULL or "": nothing is asked. 0, or 1 after saying why not. */
int check_writable(const struct command *command, const char *path, bool renamed);
/* The same of a folder for files, which may be made. */
int check_writable_folder(const struct command *command, const char *path);
/* Closes what was written. Status 1 and a message when not all of it could be. */
int close_written(const struct command *command, const char *path, FILE *file);

/* Where the results go. json: NULL without --json. text: stdout, or stderr when JSON takes stdout. */
struct output {
    FILE *text, *json;
};
/* option: the value of --json (NULL: not given, "": stdout, else a file). 0 or an exit status. */
int output_open(const struct command *command, const char *option, struct output *out_output);
/* Status 1 and a message when the file could not be written. A file that a failed job left empty is removed. */
int output_close(const struct command *command, const char *option, struct output *output);

#endif
