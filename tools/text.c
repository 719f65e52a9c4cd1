#include "text.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plain.h"

static char *slot(size_t *out_bytes)
{
    static char ring[8][200];
    static int next;
    *out_bytes = sizeof ring[0];
    return ring[next++ & 7];
}

const char *text_bytes(uint64_t bytes)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
    size_t room;
    char *text = slot(&room);
    double value = (double)bytes;
    int unit = 0;
    while (value >= 1024 && unit < 4) {
        value /= 1024;
        unit++;
    }
    snprintf(text, room, unit == 0 || value >= 100 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return text;
}

const char *text_ms(double ms)
{
    size_t room;
    char *text = slot(&room);
    if (ms < 0.1) snprintf(text, room, "%.1f µs", ms * 1e3);
    else if (ms < 1) snprintf(text, room, "%.0f µs", ms * 1e3);
    else if (ms < 10000) snprintf(text, room, ms < 10 ? "%.3f ms" : ms < 100 ? "%.2f ms" : "%.1f ms", ms);
    else snprintf(text, room, "%.2f s", ms * 1e-3);
    return text;
}

const char *text_dims(int rank, const int64_t *dims, const char *const *names)
{
    size_t room, n = 0;
    char *text = slot(&room);
    if (rank < 0) return "of any shape";
    text[n++] = '[';
    for (int i = 0; i < rank && n < room - 1; i++) {
        const char *times = i ? "," : "";
        if (dims[i] >= 0) n += (size_t)snprintf(text + n, room - n, "%s%lld", times, (long long)dims[i]);
        else n += (size_t)snprintf(text + n, room - n, "%s%s", times, names && names[i] ? names[i] : "?");
    }
    if (n > room - 2) n = room - 2;
    memcpy(text + n, "]", 2);
    return text;
}

uint64_t file_bytes(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 ? (uint64_t)info.st_size : 0;
}

bool is_file(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

bool is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool is_same_file(const char *path, const char *other)
{
    struct stat own, that;
    if (!path || !other || !*path || !*other) return false;
    const bool exists = stat(path, &own) == 0;
    if (!exists || stat(other, &that) != 0) return !exists && strcmp(path, other) == 0;
    return S_ISREG(own.st_mode) && own.st_dev == that.st_dev && own.st_ino == that.st_ino;
}

/* The folder that holds what `path` names, which may itself be a folder with a slash behind it. 0 or an errno. */
static int try_parent(const char *path)
{
    char parent[4096];
    size_t n = strlen(path);
    if (n >= sizeof parent) return ENAMETOOLONG;
    while (n > 1 && path[n - 1] == '/') n--;
    while (n > 0 && path[n - 1] != '/') n--;
    snprintf(parent, sizeof parent, "%.*s", (int)n, n ? path : "");
    return access(n ? parent : ".", W_OK | X_OK) == 0 ? 0 : errno;
}

int check_writable(const struct command *command, const char *path, bool renamed)
{
    int bad = 0;
    if (!path || !*path) return 0;
    const bool exists = access(path, F_OK) == 0;
    if (is_folder(path)) bad = EISDIR;
    else if (exists && (!renamed || !is_file(path))) bad = access(path, W_OK) == 0 ? 0 : errno;
    else bad = try_parent(path);
    return bad ? command_fail(command, 1, exists ? "cannot write '%s': %s" : "cannot create '%s': %s", path, strerror(bad)) : 0;
}

int check_writable_folder(const struct command *command, const char *path)
{
    int bad = 0;
    if (!path || !*path) return 0;
    if (access(path, F_OK) != 0) bad = try_parent(path);
    else if (!is_folder(path)) bad = ENOTDIR;
    else bad = access(path, W_OK | X_OK) == 0 ? 0 : errno;
    return bad ? command_fail(command, 1, "cannot write to '%s': %s", path, strerror(bad)) : 0;
}

int close_written(const struct command *command, const char *path, FILE *file)
{
    const bool failed = ferror(file) != 0;
    return fclose(file) == 0 && !failed ? 0 : command_fail(command, 1, "%s: %s", path, strerror(errno));
}

int output_open(const struct command *command, const char *option, struct output *out_output)
{
    *out_output = (struct output){ .text = stdout };
    if (!option) return 0;
    out_output->json = option[0] ? fopen(option, "w") : stdout;
    if (!out_output->json) return command_fail(command, 1, "%s: %s", option, strerror(errno));
    if (option[0]) return 0;
    out_output->text = stderr;
    plain_leave_stdout();
    return 0;
}

int output_close(const struct command *command, const char *option, struct output *output)
{
    int bad = 0;
    const char *what = option;
    const bool file = output->json && output->json != stdout, empty = file && ftell(output->json) == 0;
    if (file && fclose(output->json) != 0) bad = errno;
    const int error = command_flush();
    if (!bad && error) {
        bad = error;
        what = "stdout";
    }
    if (empty && is_file(option)) remove(option);
    output->json = NULL;
    return bad ? command_fail(command, 1, "%s: %s", what, strerror(bad)) : 0;
}
