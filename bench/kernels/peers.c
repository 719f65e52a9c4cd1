/* Times kernel rows beside oneDNN and OpenBLAS: one core, one thread, the same values, in turns.
 *   bench_peers [TEXT]   problems whose names hold TEXT
 *
 * Of each product and convolution: the row that a plan would take, and, where that is Winograd's, the one that it would take with
 * `--winograd off`. Times are CPU time of the process, so that more threads would gain nothing; medians. A ratio is theirs / ours, the
 * median of the rounds' ratios with their quartiles. Warm: in a loop. Cold: weights are flushed from all caches before each run. */
#define _GNU_SOURCE
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backend/backend.h"
#include "base/cpu.h"
#include "bench/kernels/peers.h"
#include "bench/kernels/row.h"
#include "tensor/compare.h"
#include "tune/evict.h"

enum { ROUNDS = 400, LEAST_ROUNDS = 9 };
static const double round_ns = 3e5, measure_ns = 4e8;

static const struct bench_peer *const peers[] = { &bench_onednn, &bench_openblas };
enum { PEERS = sizeof peers / sizeof peers[0] };

/* Two that run the same problem. */
struct pair {
    const struct bench_row *row;
    const struct bench_peer *peer;
    const struct bench_peer_run *run;
};

struct timing {
    double ours_us, theirs_us, ratio, low, high;
};

static double cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void evict(const struct pair *pair, bool ours)
{
    const struct pln_launch *launch = &pair->row->launch;
    if (ours) pln_evict(launch->inputs[1].data, launch->packed_bytes > 0 ? launch->packed_bytes : pln_tensor_bytes(&launch->inputs[1]));
    else pln_evict(pair->run->weights, pair->run->weights_bytes);
}

/* Nanoseconds of one run, the mean of so many. */
static double time_side(const struct pair *pair, bool ours, bool cold, int runs)
{
    double ns = 0;
    for (int i = 0; i < runs; i++) {
        if (cold) evict(pair, ours);
        double start = cold || i == 0 ? cpu_ns() : 0;
        if (ours) bench_row_run(pair->row);
        else pair->peer->run(pair->run);
        if (cold) ns += cpu_ns() - start;
        else if (i == 0) ns -= start;
    }
    return (cold ? ns : ns + cpu_ns()) / runs;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static struct timing time_pair(const struct pair *pair, bool cold)
{
    static double ours[ROUNDS], theirs[ROUNDS], ratios[ROUNDS];
    time_side(pair, false, cold, 1);
    double first = time_side(pair, true, cold, 2), end = cpu_ns() + measure_ns;
    int n = 0, runs = 1 + (int)(round_ns / first);
    for (; n < ROUNDS && (n < LEAST_ROUNDS || cpu_ns() < end); n++) {
        bool ours_first = n % 2 == 0;
        double a = time_side(pair, ours_first, cold, runs), b = time_side(pair, !ours_first, cold, runs);
        ours[n] = ours_first ? a : b;
        theirs[n] = ours_first ? b : a;
        ratios[n] = theirs[n] / ours[n];
    }
    qsort(ours, (size_t)n, sizeof *ours, by_value);
    qsort(theirs, (size_t)n, sizeof *theirs, by_value);
    qsort(ratios, (size_t)n, sizeof *ratios, by_value);
    return (struct timing){ ours[n / 2] / 1000, theirs[n / 2] / 1000, ratios[n / 2], ratios[n / 4], ratios[3 * n / 4] };
}

/* max|a - b| / max|b| of both outputs: a ratio of different results would mean nothing. */
static double difference(const struct pair *pair)
{
    struct pln_tensor ours = pair->row->problem->output, theirs = ours;
    struct pln_difference out;
    bench_place(&ours);
    bench_place(&theirs);
    bench_row_run(pair->row);
    pair->peer->run(pair->run);
    pln_tensor_copy(&pair->row->output, &ours);
    pair->peer->read(pair->run, theirs.data);
    pln_compare(&ours, &theirs, &(struct pln_tolerance){ .max_rel_err = 1e-3 }, &out);
    free(ours.data);
    free(theirs.data);
    return out.max_rel;
}

static void print_heading(void)
{
    printf("%-36s %-30s %-10s %-16s %9s %9s %6s %13s %9s %9s %6s %13s %8s\n", "problem", "row", "peer", "its kernel", "warm us", "peer us", "ratio", "quartiles", "cold us", "peer us", "ratio", "quartiles", "error");
}

/* Whether both agree. */
static bool report(const struct pair *pair)
{
    struct timing warm = time_pair(pair, false), cold = time_pair(pair, true);
    double error = difference(pair);
    printf("%-36s %-30s %-10s %-16s", pair->row->problem->name, pair->row->kernel->name, pair->peer->name, pair->run->implementation);
    for (int i = 0; i < 2; i++) {
        const struct timing *t = i == 0 ? &warm : &cold;
        printf(" %9.1f %9.1f %6.2f   %5.2f-%5.2f", t->ours_us, t->theirs_us, t->ratio, t->low, t->high);
    }
    printf(" %8.1e\n", error);
    fflush(stdout);
    return error < 1e-3;
}

static const struct pln_kernel *cheapest(const struct pln_backend *backend, const struct bench_problem *problem, bool direct)
{
    const struct pln_kernel *best = NULL;
    double least = INFINITY;
    for (const struct pln_kernel *const *row = backend->kernels; *row != NULL; row++) {
        double cost = bench_row_cost(*row, problem, direct);
        if (cost < 0 || cost >= least) continue;
        least = cost;
        best = *row;
    }
    return best;
}

/* The row beside each library that does the problem. */
static bool compare_row(const struct pln_kernel *kernel, const struct bench_problem *problem, const struct pln_tensor *inputs)
{
    struct bench_row row = { .kernel = kernel, .problem = problem };
    bool agree = bench_row_set_up(&row);
    for (int i = 0; agree && i < PEERS; i++) {
        struct bench_peer_run run;
        if (!peers[i]->set_up(problem, inputs, &run)) continue;
        agree = report(&(struct pair){ &row, peers[i], &run });
        peers[i]->tear_down(&run);
    }
    bench_row_tear_down(&row);
    return agree;
}

static bool compare_problem(const struct pln_backend *backend, const struct bench_problem *problem)
{
    const struct pln_kernel *usual = cheapest(backend, problem, false), *direct = cheapest(backend, problem, true);
    struct pln_tensor inputs[BENCH_INPUTS];
    if (usual == NULL) return true;
    for (int i = 0; i < problem->n_inputs; i++) {
        inputs[i] = problem->inputs[i];
        bench_place(&inputs[i]);
    }
    bool agree = compare_row(usual, problem, inputs);
    if (direct != usual) agree = compare_row(direct, problem, inputs) && agree;
    for (int i = 0; i < problem->n_inputs; i++) free(inputs[i].data);
    return agree;
}

/* Stays on the core where it is. */
static void keep_core(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)sched_getcpu(), &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0) perror("sched_setaffinity");
}

int main(int argc, char **argv)
{
    const char *want = argc > 1 ? argv[1] : "";
    const struct pln_backend *backend;
    struct bench_problem *problems;
    int ordinal, n_problems = bench_problems(&problems);
    bool agree = true;
    if (pln_backend_find("cpu", NULL, &backend, &ordinal) != PLN_OK) return 1;
    keep_core();
    printf("machine %s, one core\n", pln_cpu_name());
    for (int i = 0; i < PEERS; i++) {
        char text[256];
        peers[i]->describe(text, sizeof text);
        printf("%s %s\n", peers[i]->name, text);
    }
    print_heading();
    for (int i = 0; i < n_problems; i++)
        if ((problems[i].op == PLN_OP_MATMUL || problems[i].op == PLN_OP_CONV) && strstr(problems[i].name, want) != NULL) agree = compare_problem(backend, &problems[i]) && agree;
    return agree ? 0 : 1;
}
