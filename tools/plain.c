#include "plain.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* setlocale would say the same only of locales that are installed. */
static bool is_utf8(void)
{
    static const char *const variables[] = { "LC_ALL", "LC_CTYPE", "LANG" };
    const char *locale = NULL;
    for (size_t i = 0; i < sizeof variables / sizeof *variables && (!locale || !*locale); i++) locale = getenv(variables[i]);
    const char *dot = locale ? strchr(locale, '.') : NULL;
    return dot && (strncasecmp(dot, ".utf-8", 6) == 0 || strncasecmp(dot, ".utf8", 5) == 0);
}

#ifdef __GLIBC__ /* where stdout and stderr can be other streams */

enum { LONGEST = 3 }; /* bytes of a character that is replaced */

static const struct {
    const char *character, *plain;
} replaced[] = { { "…", "..." }, { "µ", "u" }, { "→", "->" }, { "×", "x" }, { "–", "-" }, { "—", "-" }, { "−", "-" }, { "≤", "<=" }, { "≥", ">=" } };

struct filter {
    int fd;
    bool off;
    char held[LONGEST]; /* the beginning of a character whose rest is still to come */
    size_t n_held;
};

static bool write_all(int fd, const char *text, size_t n)
{
    while (n > 0) {
        const ssize_t done = write(fd, text, n);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return false;
        text += done;
        n -= (size_t)done;
    }
    return true;
}

/* The row that text begins with; -1: none; -2: it may, once more of it is there. */
static int find(const char *text, size_t n)
{
    for (size_t i = 0; i < sizeof replaced / sizeof *replaced; i++) {
        const size_t length = strlen(replaced[i].character);
        if (n >= length && memcmp(text, replaced[i].character, length) == 0) return (int)i;
        if (n < length && memcmp(text, replaced[i].character, n) == 0) return -2;
    }
    return -1;
}

static ssize_t filter_write(void *user, const char *text, size_t n)
{
    struct filter *filter = user;
    const size_t taken = n, total = filter->n_held + n;
    char *all = filter->n_held ? malloc(total) : NULL;
    if (filter->n_held && !all) return 0;
    if (all) {
        memcpy(all, filter->held, filter->n_held);
        memcpy(all + filter->n_held, text, n);
        text = all;
        n = total;
        filter->n_held = 0;
    }
    size_t from = 0;
    bool good = true;
    for (size_t i = 0; good && !filter->off && i < n; i++) {
        if ((text[i] & 0x80) == 0) continue;
        const int row = find(text + i, n - i);
        if (row == -1) continue;
        good = write_all(filter->fd, text + from, i - from);
        from = i;
        if (row == -2) {
            filter->n_held = n - i;
            memcpy(filter->held, text + i, filter->n_held);
            from = n;
            break;
        }
        good = good && write_all(filter->fd, replaced[row].plain, strlen(replaced[row].plain));
        from = i + strlen(replaced[row].character);
        i = from - 1;
    }
    good = good && write_all(filter->fd, text + from, n - from);
    const int error = errno;
    free(all);
    errno = error;
    return good ? (ssize_t)taken : 0;
}

static struct filter out = { .fd = STDOUT_FILENO }, err = { .fd = STDERR_FILENO };

static FILE *open_filter(struct filter *filter, int buffering, FILE *otherwise)
{
    const cookie_io_functions_t functions = { .write = filter_write };
    FILE *stream = fopencookie(filter, "w", functions);
    if (!stream) return otherwise;
    setvbuf(stream, NULL, buffering, BUFSIZ);
    return stream;
}

void plain_begin(void)
{
    if (is_utf8()) return;
    stdout = open_filter(&out, isatty(STDOUT_FILENO) ? _IOLBF : _IOFBF, stdout);
    stderr = open_filter(&err, _IONBF, stderr);
}

void plain_leave_stdout(void)
{
    out.off = true;
}

#else

void plain_begin(void)
{
    (void)is_utf8;
}

void plain_leave_stdout(void)
{
}

#endif
