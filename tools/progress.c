#include "progress.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "planish/experimental/explore.h"
#include "say.h"

enum { FIRST_MS = 1000, DRAW_MS = 200, MOST_MS = 60000, BAR = 24, LINE = 400 };

static struct {
    pthread_mutex_t lock;
    pthread_cond_t end;
    pthread_t thread;
    const struct command *command; /* NULL: nothing is under way */
    const char *what, *phase;
    double done, total;
    double start, phase_start, told, next; /* ms; told: of the last news; next: when it is drawn again */
    double distance;                 /* of plain lines, ms */
    int columns;                     /* of the terminal; 0: there is none */
    int drawn;                       /* columns of the line that stands there */
    bool has_thread;
    const pln_context *watched; /* NULL: whoever works tells */
} progress = { .lock = PTHREAD_MUTEX_INITIALIZER };

double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}

/* 0: lines that are drawn again would be of no use on stderr. */
static int terminal_columns(void)
{
    const char *kind = getenv("TERM");
    struct winsize size = { 0 };
    if (!isatty(STDERR_FILENO) || !kind || !*kind || strcmp(kind, "dumb") == 0) return 0;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 20) return 80;
    return size.ws_col < LINE / 2 ? size.ws_col : LINE / 2;
}

/* Not stdio: a process that is forked at the same time must not find its lock taken. */
static void write_text(const char *text, size_t n)
{
    (void)!write(STDERR_FILENO, text, n);
}

static void wipe(void)
{
    char blank[LINE + 2];
    const int n = progress.drawn;
    if (n == 0) return;
    memset(blank, ' ', sizeof blank);
    blank[0] = blank[n + 1] = '\r';
    write_text(blank, (size_t)n + 2);
    progress.drawn = 0;
}

static void print_left(char *text, size_t text_bytes, double seconds)
{
    const long s = seconds < 1 ? 1 : (long)(seconds + 0.5);
    if (s < 60) snprintf(text, text_bytes, "%ld s left", s);
    else if (s < 3600) snprintf(text, text_bytes, "%ld min %ld s left", s / 60, s % 60);
    else snprintf(text, text_bytes, "%ld h %ld min left", s / 3600, s % 3600 / 60);
}

/* With the lock. */
static void ask(double now)
{
    int done, total;
    if (!progress.watched) return;
    pln_context_progress(progress.watched, &done, &total);
    if (done > (int)progress.done) progress.told = now;
    progress.done = done;
    progress.total = total;
}

/* The line without its end; bar: with one, where it is known how far the work is. */
static int compose(char line[LINE], double now, bool bar)
{
    char left[40] = "", drawing[BAR + 1], phase[120];
    const double part = progress.total > 0 ? progress.done / progress.total : -1, ms = progress.told - progress.phase_start;
    say_text(phase, sizeof phase, progress.phase ? progress.phase : progress.what);
    if (part < 0) return snprintf(line, LINE, "planish %s: %s, %.0f s so far", progress.command->name, phase, (now - progress.start) * 1e-3);
    const double seconds = (ms * (1 - part) / part - (now - progress.told)) * 1e-3;
    /* What goes on for longer than the rest should have taken (a loop, which is one step) has made the estimate wrong: then only what is sure is said. */
    if (part >= 0.02 && ms > DRAW_MS && seconds > 0) print_left(left, sizeof left, seconds);
    else if (now - progress.told > FIRST_MS) snprintf(left, sizeof left, "%.0f s so far", (now - progress.start) * 1e-3);
    for (int i = 0; i < BAR; i++) drawing[i] = i < (int)(part * BAR) ? '#' : '.';
    drawing[BAR] = '\0';
    return snprintf(line, LINE, "planish %s: %s%s%s%s %d%%%s%s", progress.command->name, phase, bar ? " [" : ",", bar ? drawing : "", bar ? "]" : "", (int)(part * 100), left[0] ? ", " : "", left);
}

/* With the lock. */
static void draw(double now)
{
    char line[LINE + 2];
    if (!progress.command) return;
    ask(now); /* also where nothing is drawn: it is the only way to know since when nothing has happened */
    if (now < progress.next) return;
    int n = compose(line, now, progress.columns > 0);
    if (n >= LINE) n = LINE - 1;
    if (progress.columns > 0) {
        if (n >= progress.columns) n = progress.columns - 1;
        const int before = progress.drawn;
        char text[LINE + 2];
        text[0] = '\r';
        memcpy(text + 1, line, (size_t)n);
        int end = n + 1;
        while (end <= before) text[end++] = ' '; /* over what a longer line has left */
        write_text(text, (size_t)end);
        progress.drawn = n;
        progress.next = now + DRAW_MS;
        return;
    }
    line[n++] = '\n';
    write_text(line, (size_t)n);
    progress.distance = progress.distance * 2 < MOST_MS ? progress.distance * 2 : MOST_MS;
    progress.next = now + progress.distance;
}

static void *keep_drawing(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&progress.lock);
    while (progress.command) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += DRAW_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        pthread_cond_timedwait(&progress.end, &progress.lock, &until);
        draw(now_ms());
    }
    pthread_mutex_unlock(&progress.lock);
    return NULL;
}

void progress_begin(const struct command *command, const char *what, bool is_alone)
{
    progress_end();
    if (verbosity < 0) return;
    pthread_mutex_lock(&progress.lock);
    progress.command = command;
    progress.what = what;
    progress.phase = NULL;
    progress.done = progress.total = 0;
    progress.watched = NULL;
    progress.start = progress.phase_start = progress.told = now_ms();
    progress.distance = FIRST_MS;
    progress.next = progress.start + FIRST_MS;
    progress.columns = terminal_columns();
    progress.drawn = 0;
    pthread_cond_init(&progress.end, NULL);
    progress.has_thread = is_alone && pthread_create(&progress.thread, NULL, keep_drawing, NULL) == 0;
    pthread_mutex_unlock(&progress.lock);
}

void progress_tell(const char *phase, double done, double total)
{
    pthread_mutex_lock(&progress.lock);
    if (progress.command) {
        const double now = now_ms();
        if (phase && (!progress.phase || strcmp(phase, progress.phase) != 0)) {
            progress.phase = phase;
            progress.phase_start = now;
        }
        if (done > progress.done || total > progress.total || total < progress.total || progress.phase_start >= now) progress.told = now;
        progress.done = done < total ? done : total;
        progress.total = total;
        draw(now);
    }
    pthread_mutex_unlock(&progress.lock);
}

void progress_watch(const pln_context *context)
{
    pthread_mutex_lock(&progress.lock);
    progress.watched = context;
    pthread_mutex_unlock(&progress.lock);
}

void progress_hide(void)
{
    pthread_mutex_lock(&progress.lock);
    wipe();
    pthread_mutex_unlock(&progress.lock);
}

void progress_end(void)
{
    pthread_mutex_lock(&progress.lock);
    const bool was_begun = progress.command != NULL;
    wipe();
    progress.command = NULL;
    progress.watched = NULL;
    if (was_begun) pthread_cond_signal(&progress.end);
    pthread_mutex_unlock(&progress.lock);
    if (was_begun && progress.has_thread) pthread_join(progress.thread, NULL);
    if (was_begun) pthread_cond_destroy(&progress.end);
    progress.has_thread = false;
}
