/* Times kernel rows on one core, in one thread.
 *   bench_kernels [TEXT]       rows whose name or problem holds TEXT. One line of JSON a row and problem: microseconds (the
 *                              best of the rounds), GFLOP/s and GB/s as the problem counts them, and the share of the core's
 *                              FMA peak
 *   bench_kernels --gate FILE  each line of FILE is KERNEL, PROBLEM and the least share of the peak, separated by |; exit
 *                              status 1 where one is not reached. Shares are measured in turns with the peak, so that they
 *                              are ratios: what else the machine does slows down both */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backend/backend.h"
#include "base/clock.h"
#include "base/cpu.h"
#include "bench/kernels/peak.h"
#include "bench/kernels/row.h"

static double best_ns(const struct bench_row *b)
{
    double best = 0;
    int64_t end = pln_clock_ns() + 200000000;
    for (int round = 0; round < 3 || pln_clock_ns() < end; round++) {
        int64_t start = pln_clock_ns();
        bench_row_run(b);
        double ns = (double)(pln_clock_ns() - start);
        if (best == 0 || ns < best) best = ns;
    }
    return best;
}

static void report(const struct bench_row *b)
{
    double ns = best_ns(b), peak = bench_peak_gflops(b->kernel->needs), gflops = b->problem->flops / ns;
    printf("{\"kernel\": \"%s\", \"problem\": \"%s\", \"us\": %.2f", b->kernel->name, b->problem->name, ns / 1000);
    if (b->problem->flops > 0) printf(", \"gflops\": %.1f", gflops);
    if (b->problem->flops > 0 && peak > 0) printf(", \"percent_of_peak\": %.1f", 100 * gflops / peak);
    printf(", \"gb_per_s\": %.1f}\n", b->problem->bytes / ns);
    fflush(stdout);
}

/* ---- the gate ---- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of this thread alone: not what others take of its core. */
static int64_t thread_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* The median over rounds of GFLOP/s of the kernel over that of FMAs, each for some milliseconds. */
static double share_of_peak(const struct bench_row *b)
{
    enum { ROUNDS = 15, ENOUGH_NS = 2000000 };
    double shares[ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
        int64_t start = thread_ns(), ns, runs = 0;
        do {
            bench_row_run(b);
            runs++;
            ns = thread_ns() - start;
        } while (ns < ENOUGH_NS);
        shares[round] = b->problem->flops * (double)runs / (double)ns / bench_peak_gflops(b->kernel->needs);
    }
    qsort(shares, ROUNDS, sizeof shares[0], by_value);
    return shares[ROUNDS / 2];
}

/* Some seconds of a neighbour's work may fall upon one side alone: a few tries. */
static bool reaches(const struct bench_row *b, double least)
{
    double share = 0;
    for (int try = 0; try < 3 && share < least; try++) share = share_of_peak(b);
    printf("%s %-36s %-36s %5.1f %% of the peak, at least %.1f\n", share < least ? "LESS" : "ok  ", b->kernel->name, b->problem->name, 100 * share, 100 * least);
    return share >= least;
}

static const struct pln_kernel *find_row(const struct pln_backend *backend, const char *name)
{
    for (const struct pln_kernel *const *row = backend->kernels; *row != NULL; row++)
        if (strcmp((*row)->name, name) == 0) return *row;
    return NULL;
}

static const struct bench_problem *find_problem(const char *name)
{
    struct bench_problem *problems;
    int n = bench_problems(&problems);
    for (int i = 0; i < n; i++)
        if (strcmp(problems[i].name, name) == 0) return &problems[i];
    return NULL;
}

/* 0, or 1: a line cannot be read, or less was reached. */
static int gate(const struct pln_backend *backend, const char *path)
{
    char line[256], kernel[80], problem[80];
    double least;
    int status = 0;
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        perror(path);
        return 1;
    }
    while (fgets(line, sizeof line, file) != NULL) {
        if (line[0] == '#' || line[0] == '\n') continue;
        struct bench_row b = { 0 };
        if (sscanf(line, "%79[^|]|%79[^|]|%lf", kernel, problem, &least) == 3) {
            b.kernel = find_row(backend, kernel);
            b.problem = find_problem(problem);
        }
        if (b.kernel == NULL || b.problem == NULL) {
            fprintf(stderr, "%s: no such kernel or problem: %s", path, line);
            status = 1;
            continue;
        }
        if ((b.kernel->needs & ~pln_cpu_features()) != 0) continue;
        if (!bench_row_set_up(&b) || !reaches(&b, least)) status = 1;
        bench_row_tear_down(&b);
    }
    fclose(file);
    return status;
}

int main(int argc, char **argv)
{
    const char *want = argc > 1 ? argv[1] : "";
    const struct pln_backend *backend;
    int ordinal;
    if (pln_backend_find("cpu", NULL, &backend, &ordinal) != PLN_OK) return 1;
    struct bench_problem *problems;
    int n_problems = bench_problems(&problems);
    if (argc > 2 && strcmp(want, "--gate") == 0) return gate(backend, argv[2]);
    printf("{\"machine\": \"%s\", \"peak_gflops\": %.1f}\n", pln_cpu_name(), bench_peak_gflops(pln_cpu_features()));
    for (const struct pln_kernel *const *row = backend->kernels; *row != NULL; row++)
        for (int i = 0; i < n_problems; i++) {
            struct bench_row b = { .kernel = *row, .problem = &problems[i] };
            bool wanted = strstr((*row)->name, want) != NULL || strstr(problems[i].name, want) != NULL;
            if ((*row)->op != problems[i].op || !wanted || ((*row)->needs & ~pln_cpu_features()) != 0) continue;
            if (bench_row_set_up(&b)) report(&b);
            bench_row_tear_down(&b);
        }
    return 0;
}
