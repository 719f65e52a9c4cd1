/* Random graphs, each optimized, with passes left out, and on the reference interpreter: random_graphs --seeds A..B [--jobs N] [--passes all|N] [--device NAME].
 *   --passes   how many passes are left out, one at a time, of each graph (another few for each seed); all: every one of them. Default: 2.
 *   --break PASS falsifies what that pass makes, to see how many graphs notice
 *   --write DIR SEED (or A..B)   the graph, its inputs and the reference's outputs as DIR/seed-N, in the ONNX backend layout
 *   --show SEED (or A..B)   the operators of the graph
 * Seeds run in processes of their own, a few at a time, so that a crash is told with its seed and the rest goes on. */
#define _DEFAULT_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "random/check.h"

#define CHUNK 50
#define JOBS_MOST 64
#define SEED_SECONDS 120 /* far from what a graph takes under sanitizers */

/* What a worker has done so far; it lies in memory that the parent sees, too. */
struct work {
    uint64_t next, end; /* seeds */
    uint64_t count[3];  /* by verdict */
};

struct options {
    uint64_t first, end;
    int jobs, passes;
    const char *device, *write_folder;
    bool show;
};

static bool parse_seeds(const char *text, struct options *options)
{
    char *rest;
    options->first = strtoull(text, &rest, 10);
    options->end = options->first + 1;
    if (rest != text && rest[0] == '.' && rest[1] == '.') {
        const char *second = rest + 2;
        options->end = strtoull(second, &rest, 10) + 1;
        if (rest == second) return false;
    }
    return rest != text && *rest == '\0';
}

static bool parse(int argc, char **argv, struct options *options)
{
    *options = (struct options){ .jobs = 1, .passes = 2, .device = "cpu" };
    bool seeds = false;
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i], *value = i + 1 < argc ? argv[++i] : "";
        if (!strcmp(name, "--seeds")) seeds = parse_seeds(value, options);
        else if (!strcmp(name, "--jobs")) options->jobs = (int)strtol(value, NULL, 10);
        else if (!strcmp(name, "--passes")) options->passes = !strcmp(value, "all") ? -1 : (int)strtol(value, NULL, 10);
        else if (!strcmp(name, "--device")) options->device = value;
        else if (!strcmp(name, "--break")) random_break(value);
        else if (!strcmp(name, "--show")) seeds = options->show = parse_seeds(value, options);
        else if (!strcmp(name, "--write")) {
            options->write_folder = value;
            seeds = i + 1 < argc && parse_seeds(argv[++i], options);
        } else return false;
    }
    return seeds && options->jobs >= 1 && options->jobs <= JOBS_MOST;
}

static void do_work(struct work *work, const struct options *options)
{
    for (; work->next < work->end; work->next++) {
        alarm(SEED_SECONDS);
        work->count[random_check(work->next, options->device, options->passes)]++;
        fflush(stdout);
    }
    alarm(0);
}

static pid_t start(struct work *work, const struct options *options)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        do_work(work, options);
        exit(0); /* where sanitizers look for leaks */
    }
    if (pid < 0) {
        perror("fork");
        exit(2);
    }
    return pid;
}

/* A worker has ended: whether it was done, or died at a seed. */
static void ended(struct work *work, int status, uint64_t *crashed)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
    const char *how = WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "exit";
    printf("FAILED seed %llu: the process died: %s\n", (unsigned long long)work->next, WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM ? "it takes too long" : how);
    work->next++;
    (*crashed)++;
}

static int run_all(const struct options *options)
{
    struct work *works = mmap(NULL, sizeof(struct work) * JOBS_MOST, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uint64_t next = options->first, count[3] = { 0 }, crashed = 0;
    pid_t pids[JOBS_MOST] = { 0 }; /* 0: idle */
    int running = 0;
    if (works == MAP_FAILED) return 2;
    for (;;) {
        for (int i = 0; i < options->jobs; i++) {
            struct work *work = &works[i];
            if (pids[i] != 0) continue;
            if (work->next >= work->end) {
                if (next >= options->end) continue;
                work->next = next;
                work->end = next + CHUNK < options->end ? next + CHUNK : options->end;
                next = work->end;
            }
            pids[i] = start(work, options);
            running++;
        }
        if (running == 0) break;
        int status;
        pid_t pid = wait(&status);
        for (int i = 0; i < options->jobs; i++)
            if (pids[i] == pid && pid > 0) {
                pids[i] = 0;
                ended(&works[i], status, &crashed);
                running--;
            }
    }
    for (int i = 0; i < options->jobs; i++)
        for (int k = 0; k < 3; k++) count[k] += works[i].count[k];
    count[RANDOM_FAILED] += crashed;
    printf("%llu passed, %llu failed, %llu skipped\n", (unsigned long long)count[RANDOM_PASSED], (unsigned long long)count[RANDOM_FAILED], (unsigned long long)count[RANDOM_SKIPPED]);
    return count[RANDOM_FAILED] != 0;
}

static int show(uint64_t seed)
{
    struct random_case made;
    bool fine = random_case_make(seed, &made);
    printf("seed %llu: %s%d nodes, %d inputs, %d outputs, %d runs: %s\n", (unsigned long long)seed, fine ? "" : "skipped, ", made.nodes, made.input_count, made.output_count, made.runs, made.ops.data);
    random_case_free(&made);
    return 0;
}

int main(int argc, char **argv)
{
    struct options options;
    if (!parse(argc, argv, &options)) {
        fprintf(stderr, "usage: random_graphs --seeds A..B [--jobs N] [--passes all|N] [--device NAME] | --write DIR SEED | --show SEED\n");
        return 2;
    }
    int failed = 0;
    for (uint64_t seed = options.first; seed < options.end && (options.write_folder || options.show); seed++)
        failed |= options.show ? show(seed) : random_write(seed, options.write_folder);
    return options.write_folder || options.show ? failed : run_all(&options);
}
