#include "top.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "say.h"
#include "summary.h"

enum { MOST_ROWS = 8 };

int labels_read(const struct command *command, const char *path, struct labels *out_labels)
{
    *out_labels = (struct labels){ 0 };
    FILE *file = fopen(path, "rb");
    if (!file) return command_fail(command, 1, "%s: %s", path, strerror(errno));
    size_t capacity = 1 << 16, n = 0, got;
    char *text = malloc(capacity + 1);
    while (text && (got = fread(text + n, 1, capacity - n, file)) > 0) {
        n += got;
        if (n < capacity) continue;
        char *grown = capacity < (size_t)1 << 26 ? realloc(text, 2 * capacity + 1) : NULL;
        if (!grown) free(text);
        text = grown;
        capacity *= 2;
    }
    const int error = ferror(file) ? errno : 0;
    fclose(file);
    if (!text) return command_fail(command, 1, "%s: more than 64 MiB of labels", path);
    out_labels->text = text;
    if (error) return labels_free(out_labels), command_fail(command, 1, "%s: %s", path, strerror(error));
    text[n] = '\0';
    size_t lines = 1;
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\n') lines++;
        else if ((unsigned char)text[i] < ' ' && text[i] != '\t') text[i] = text[i] == '\r' ? '\0' : ' ';
    }
    out_labels->lines = calloc(lines, sizeof *out_labels->lines);
    if (!out_labels->lines) return labels_free(out_labels), command_fail(command, 1, "out of memory");
    for (char *at = text; at < text + n;) {
        char *end = memchr(at, '\n', (size_t)(text + n - at));
        if (end) *end = '\0';
        out_labels->lines[out_labels->count++] = at;
        at = end ? end + 1 : text + n;
    }
    while (out_labels->count && !out_labels->lines[out_labels->count - 1][0]) out_labels->count--;
    return 0;
}

void labels_free(struct labels *labels)
{
    free(labels->lines);
    free(labels->text);
    *labels = (struct labels){ 0 };
}

struct row {
    int64_t first, length;
};

/* -1: the row has no more. NaN is below everything. */
static int64_t next_largest(const struct pln_buffer *buffer, const struct row *row, const int64_t *taken, int n_taken, double *out_value)
{
    int64_t best = -1;
    for (int64_t i = 0; i < row->length; i++) {
        double value;
        bool seen = false;
        for (int k = 0; k < n_taken; k++) seen |= taken[k] == i;
        if (seen || !summary_element(buffer, row->first + i, &value) || isnan(value) || (best >= 0 && value <= *out_value)) continue;
        best = i;
        *out_value = value;
    }
    return best;
}

/* Rows that are shown; 0: nothing to rank. */
static int64_t count_rows(const struct pln_buffer *buffer, struct row *out_row)
{
    double value;
    int64_t count = 1;
    for (int i = 0; i < buffer->rank; i++) count *= buffer->dims[i];
    if (buffer->rank == 0 || count == 0 || !summary_element(buffer, 0, &value)) return 0;
    *out_row = (struct row){ 0, buffer->dims[buffer->rank - 1] };
    return count / out_row->length;
}

/* Numbers that are no probabilities are shown as softmax has them, too. */
static double softmax_of(const struct pln_buffer *buffer, const struct row *row, double value, double largest)
{
    double sum = 0, plain = 0, least = 0, x;
    for (int64_t i = 0; i < row->length; i++) {
        if (!summary_element(buffer, row->first + i, &x) || !isfinite(x)) return NAN;
        sum += exp(x - largest);
        plain += x;
        least = fmin(least, x);
    }
    if (least >= 0 && fabs(plain - 1) < 1e-2) return NAN; /* they are */
    return exp(value - largest) / sum;
}

void top_print(FILE *out, const struct pln_buffer *buffer, int n, const struct labels *labels)
{
    struct row row;
    const int64_t rows = count_rows(buffer, &row);
    int64_t *taken = malloc((size_t)n * sizeof *taken);
    for (int64_t r = 0; taken && r < rows && r < MOST_ROWS; r++, row.first += row.length) {
        double value = 0, largest = 0;
        if (rows > 1) fprintf(out, "\n  row %lld", (long long)r);
        for (int k = 0; k < n; k++) {
            const int64_t index = next_largest(buffer, &row, taken, k, &value);
            if (index < 0) break;
            if (k == 0) largest = value;
            taken[k] = index;
            const double share = buffer->dtype == PLN_F32 || buffer->dtype == PLN_F64 || buffer->dtype == PLN_F16 || buffer->dtype == PLN_BF16 ? softmax_of(buffer, &row, value, largest) : NAN;
            fprintf(out, "\n  %6lld  %-10.6g", (long long)index, value);
            if (isfinite(share)) fprintf(out, " %5.1f%%", 100 * share);
            if (labels->count) say(out, "  %s", (size_t)index < labels->count ? labels->lines[index] : "(no label)");
        }
    }
    if (rows > MOST_ROWS) fprintf(out, "\n  … %lld more rows", (long long)(rows - MOST_ROWS));
    free(taken);
}

void top_write_json(FILE *out, const struct pln_buffer *buffer, int n, const struct labels *labels)
{
    struct row row;
    const int64_t rows = count_rows(buffer, &row);
    int64_t *taken = malloc((size_t)n * sizeof *taken);
    fputs(",\"top\":[", out);
    for (int64_t r = 0; taken && r < rows && r < MOST_ROWS; r++, row.first += row.length) {
        double value = 0;
        fputs(r ? ",[" : "[", out);
        for (int k = 0; k < n; k++) {
            const int64_t index = next_largest(buffer, &row, taken, k, &value);
            if (index < 0) break;
            taken[k] = index;
            fprintf(out, "%s{\"index\":%lld,\"label\":", k ? "," : "", (long long)index);
            json_text(out, (size_t)index < labels->count ? labels->lines[index] : NULL);
            fputs(",\"value\":", out);
            json_number(out, value);
            fputc('}', out);
        }
        fputc(']', out);
    }
    fputc(']', out);
    free(taken);
}
