/* Cases in processes beside this one, which take one after the other. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "commands.h"

/* A process at work. It is told a case by its number, answers with a verdict, and leaves when nothing more is to come. */
struct worker {
    pid_t pid; /* 0: there is none */
    int socket;
    size_t at;        /* the case it has, or had last */
    bool is_leaving;  /* it has told its last verdict */
    long n_cases;     /* that it was told */
    long most_cases;
    struct timespec since; /* it has its case, or leaves */
};

struct work {
    const struct check_options *options;
    const struct text_list *folders;
    struct check_verdict *verdicts;
    struct worker workers[CHECK_MAX_JOBS];
    size_t next;                                 /* the first case that nobody has had */
    struct again {
        size_t at;
        long before; /* cases that its process had before */
        char why[CHECK_WHY_BYTES];
    } *again; /* cases whose process died, which had others before: first the one that waits longest */
    size_t n_again, next_again;
};

long check_process_cases(const char *device)
{
    return strncmp(device, "cuda", 4) == 0 ? 64 : 1;
}

/* ---- in the process ---- */

static _Noreturn void take_cases(const struct work *work, int socket)
{
    struct check_runner runner = { work->options, NULL, NULL };
    struct check_verdict verdict;
    size_t at;
    bool told = true;
    while (told && recv(socket, &at, sizeof at, 0) == (ssize_t)sizeof at) {
        check_case(&runner, work->folders->items[at], &verdict);
        told = send(socket, &verdict, sizeof verdict, MSG_NOSIGNAL) == (ssize_t)sizeof verdict;
    }
    check_runner_deinit(&runner);
    exit(told ? 0 : 1); /* not _exit: leak checkers report at exit */
}

/* ---- beside it ---- */

static double seconds_since(const struct timespec *start)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - start->tv_sec) + 1e-9 * (double)(now.tv_nsec - start->tv_nsec);
}

static bool start_worker(struct work *work, struct worker *worker)
{
    int ends[2];
    *worker = (struct worker){ .socket = -1 };
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) != 0) return false;
    fflush(NULL);
    worker->pid = fork();
    if (worker->pid == 0) {
        /* An end that stays open here would keep another process waiting for cases. */
        for (int i = 0; i < CHECK_MAX_JOBS; i++)
            if (work->workers[i].pid > 0) close(work->workers[i].socket);
        close(ends[0]);
        take_cases(work, ends[1]);
    }
    close(ends[1]);
    worker->socket = ends[0];
    if (worker->pid > 0) return true;
    close(ends[0]);
    worker->pid = 0;
    return false;
}

static void dismiss(struct worker *worker)
{
    shutdown(worker->socket, SHUT_WR);
    worker->is_leaving = true;
    clock_gettime(CLOCK_MONOTONIC, &worker->since);
}

static void tell_case(struct worker *worker, size_t at)
{
    worker->at = at;
    worker->n_cases++;
    clock_gettime(CLOCK_MONOTONIC, &worker->since);
    /* If it has died, its end of the socket says so. */
    (void)!send(worker->socket, &at, sizeof at, MSG_NOSIGNAL);
}

/* A case to a worker that is new, or has none. */
static void give_case(struct work *work, struct worker *worker)
{
    const bool is_new = worker->pid == 0;
    const bool is_again = is_new && work->next_again < work->n_again;
    if (!is_again && work->next == work->folders->count) {
        if (!is_new) dismiss(worker);
        return;
    }
    const size_t at = is_again ? work->again[work->next_again++].at : work->next++;
    if (is_new && !start_worker(work, worker)) {
        work->verdicts[at].passed = false;
        snprintf(work->verdicts[at].why, sizeof work->verdicts[at].why, "crash: no process could be made");
        return;
    }
    if (is_new) worker->most_cases = is_again ? 1 : work->options->process_cases;
    tell_case(worker, at);
}

static void run_again(struct work *work, const struct worker *worker, const char *why)
{
    struct again *more = realloc(work->again, (work->n_again + 1) * sizeof *more);
    if (!more) return; /* then what is told already stands */
    work->again = more;
    more[work->n_again] = (struct again){ .at = worker->at, .before = worker->n_cases - 1 };
    snprintf(more[work->n_again++].why, sizeof more->why, "%s", why);
}

static void end_worker(struct work *work, struct worker *worker, bool is_late)
{
    struct check_verdict *verdict = &work->verdicts[worker->at];
    int status = 0;
    close(worker->socket);
    if (is_late) kill(worker->pid, SIGKILL);
    while (waitpid(worker->pid, &status, 0) < 0 && errno == EINTR) continue;
    const bool is_good = worker->is_leaving && !is_late && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (!is_good) {
        verdict->passed = false;
        if (is_late) snprintf(verdict->why, sizeof verdict->why, "timeout: more than %ld s", work->options->timeout);
        else if (WIFSIGNALED(status)) snprintf(verdict->why, sizeof verdict->why, "crash: %s", strsignal(WTERMSIG(status)));
        else snprintf(verdict->why, sizeof verdict->why, "crash: exit status %d", WEXITSTATUS(status));
        if (!is_late && worker->n_cases > 1) run_again(work, worker, verdict->why);
    }
    *worker = (struct worker){ .socket = -1 };
}

/* What a worker has to say: a verdict, or nothing more. */
static void hear(struct work *work, struct worker *worker)
{
    struct check_verdict verdict;
    const ssize_t n = recv(worker->socket, &verdict, sizeof verdict, 0);
    if (n < 0 && errno == EINTR) return;
    if (n != (ssize_t)sizeof verdict || worker->is_leaving) {
        end_worker(work, worker, false);
        return;
    }
    verdict.why[sizeof verdict.why - 1] = '\0';
    work->verdicts[worker->at] = verdict;
    if (!verdict.passed || worker->n_cases >= worker->most_cases) dismiss(worker);
    else give_case(work, worker);
}

/* A process may die of what an earlier case did to it. */
static void tell_survivors(const struct work *work)
{
    for (size_t i = 0; i < work->n_again; i++) {
        const struct again *again = &work->again[i];
        if (!work->verdicts[again->at].passed) continue;
        command_tell(&command_check, "%s passes in a process of its own; in one that had run %ld other%s: %s", work->folders->items[again->at], again->before, again->before == 1 ? "" : "s", again->why);
    }
}

/* Cases that have a verdict, but for those that are to run again. */
static void tell_done(const struct work *work)
{
    size_t at_work = work->n_again - work->next_again;
    for (int i = 0; i < CHECK_MAX_JOBS; i++) at_work += work->workers[i].pid > 0 && !work->workers[i].is_leaving;
    progress_tell(NULL, (double)(work->next - at_work), (double)work->folders->count);
}

void check_cases(const struct check_options *options, const struct text_list *folders, struct check_verdict *verdicts)
{
    struct work work = { .options = options, .folders = folders, .verdicts = verdicts };
    struct pollfd polls[CHECK_MAX_JOBS];
    const nfds_t n_workers = (nfds_t)options->jobs;
    progress_begin(&command_check, "run cases", false);
    for (bool any = true; any;) {
        any = false;
        tell_done(&work);
        for (nfds_t i = 0; i < n_workers; i++) {
            struct worker *worker = &work.workers[i];
            if (worker->pid == 0) give_case(&work, worker);
            polls[i] = (struct pollfd){ .fd = worker->pid > 0 ? worker->socket : -1, .events = POLLIN };
            any = any || worker->pid > 0;
        }
        any = any || work.next < folders->count || work.next_again < work.n_again;
        poll(polls, n_workers, any ? 200 : 0);
        for (nfds_t i = 0; i < n_workers; i++) {
            struct worker *worker = &work.workers[i];
            if (worker->pid == 0) continue;
            if (polls[i].revents) hear(&work, worker);
            else if (seconds_since(&worker->since) > (double)options->timeout) end_worker(&work, worker, true);
        }
    }
    progress_end();
    tell_survivors(&work);
    free(work.again);
}
