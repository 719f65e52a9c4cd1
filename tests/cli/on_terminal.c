/* on_terminal COMMAND…: runs it with stdout and stderr on a terminal of its own, and prints what was written there. Its exit status. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static int fail(const char *what)
{
    perror(what);
    return 77;
}

static void run(const char *terminal, char **argv)
{
    const struct winsize size = { .ws_row = 25, .ws_col = 100 };
    setsid();
    const int fd = open(terminal, O_RDWR);
    if (fd < 0) _exit(77);
    ioctl(fd, TIOCSWINSZ, &size);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    close(fd);
    execvp(argv[0], argv);
    _exit(127);
}

int main(int argc, char **argv)
{
    char bytes[4096];
    int status = 0;
    const int fd = posix_openpt(O_RDWR | O_NOCTTY);
    if (argc < 2) return fprintf(stderr, "usage: on_terminal COMMAND…\n"), 2;
    if (fd < 0 || grantpt(fd) != 0 || unlockpt(fd) != 0) return fail("no terminal can be had");
    const char *name = ptsname(fd);
    const pid_t child = name ? fork() : -1;
    if (child < 0) return fail("no process can be had");
    if (child == 0) run(name, argv + 1);
    for (;;) {
        const ssize_t n = read(fd, bytes, sizeof bytes); /* EIO: nobody has the other end any more */
        if (n > 0) fwrite(bytes, 1, (size_t)n, stdout);
        else if (n == 0 || errno != EINTR) break;
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
