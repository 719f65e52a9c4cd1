/* The largest elements of an output, by the names of their classes. */
#ifndef PLANISH_TOOLS_TOP_H
#define PLANISH_TOOLS_TOP_H

#include <stdio.h>

#include "options.h"
#include "planish/experimental/value.h"

struct labels {
    char *text;         /* the file, lines ended by 0 */
    const char **lines;
    size_t count;
};

/* One name a line; the empty lines at the end do not count. 0 or an exit status after telling. */
int labels_read(const struct command *command, const char *path, struct labels *out_labels);
void labels_free(struct labels *labels);

/* The n largest of each row (along the last dim) of a floating-point or integer tensor, 8 rows at most; nothing for others. labels may be empty. */
void top_print(FILE *out, const struct pln_buffer *buffer, int n, const struct labels *labels);
/* ,"top":[[{"index":1,"label":"cat","value":0.5},…],…] */
void top_write_json(FILE *out, const struct pln_buffer *buffer, int n, const struct labels *labels);

#endif
