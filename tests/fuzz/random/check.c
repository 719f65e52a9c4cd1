/* A case in every way: on `ref`, optimized, without passes; and the pass that is to blame where they differ. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "planish/planish.h"
#include "tensor/convert.h"

#define PASSES_MOST 64

/* The names of all passes, each once, ended by NULL. */
static int pass_names(const char *names[PASSES_MOST + 1])
{
    int count = 0;
    const char *name;
    for (int i = 0; (name = pln_pass_name(i)) && count < PASSES_MOST; i++) {
        int k = 0;
        while (k < count && strcmp(names[k], name)) k++;
        if (k == count) names[count++] = name;
    }
    names[count] = NULL;
    return count;
}

/* Type, shape and, NaN where NaN is expected, each element. */
static bool same(const struct random_result *got, const struct random_result *want, double apart, char text[256])
{
    if (got->dtype != want->dtype || got->rank != want->rank) {
        snprintf(text, 256, "%s of rank %d instead of %s of rank %d", pln_dtype_name(got->dtype), got->rank, pln_dtype_name(want->dtype), want->rank);
        return false;
    }
    for (int d = 0; d < got->rank; d++)
        if (got->dims[d] != want->dims[d]) {
            snprintf(text, 256, "dim %d is %lld instead of %lld", d, (long long)got->dims[d], (long long)want->dims[d]);
            return false;
        }
    if (apart == 0 && memcmp(got->data, want->data, (size_t)got->count * (size_t)(pln_dtype_bits(got->dtype) / 8)) == 0) return true;
    for (int64_t i = 0; i < got->count; i++) {
        double a = pln_load_f64(got->dtype, got->data, i), b = pln_load_f64(want->dtype, want->data, i);
        bool equal = isnan(a) || isnan(b) ? isnan(a) && isnan(b) : a == b || fabs(a - b) <= apart;
        if (equal) continue;
        snprintf(text, 256, "element %lld of %lld is %.9g instead of %.9g, apart %.3g where %.3g is allowed", (long long)i, (long long)got->count, a, b, fabs(a - b), apart);
        return false;
    }
    return true;
}

/* The first difference; false: there is one. */
static bool agree(const struct random_case *made, const struct random_results *got, const struct random_results *want, char text[512])
{
    char what[256];
    if (got->error[0]) {
        snprintf(text, 512, "%s", got->error);
        return false;
    }
    for (int step = 0; step <= made->runs; step++)
        for (int i = 0; i < made->output_count; i++)
            if (!same(&got->of[step][i], &want->of[step][i], made->output[i].apart, what)) {
                snprintf(text, 512, "output %s, run %d: %s", made->output[i].name, step, what);
                return false;
            }
    return true;
}

/* What the generator knows must hold of the reference; else its tolerances say nothing. */
static bool expected(const struct random_case *made, const struct random_results *want, char text[512])
{
    for (int step = 0; step <= made->runs; step++)
        for (int i = 0; i < made->output_count; i++) {
            const struct random_output *o = &made->output[i];
            const struct random_result *r = &want->of[step][i];
            int run = random_step_run(made, step);
            bool fits = r->dtype == o->dtype && r->rank == o->rank;
            for (int d = 0; fits && d < o->rank; d++) fits = o->open[d] ? r->dims[d] <= o->dims[run][d] : r->dims[d] == o->dims[run][d];
            if (!fits) {
                snprintf(text, 512, "output %s, run %d: %s of rank %d, first dim %lld: not what the generator expects: %s of rank %d, %lld", o->name, step, pln_dtype_name(r->dtype), r->rank,
                         (long long)(r->rank ? r->dims[0] : 0), pln_dtype_name(o->dtype), o->rank, (long long)(o->rank ? o->dims[run][0] : 0));
                return false;
            }
            double unit = o->dtype == PLN_BF16 ? 0x1p-7 : o->dtype == PLN_F16 ? 0x1p-10 : 0x1p-20; /* the bounds themselves are not rounded */
            double slack = o->apart + unit * fmax(fabs(o->lo), fabs(o->hi));
            for (int64_t k = 0; k < r->count && o->dtype != PLN_BOOL && !made->wild; k++) {
                double x = pln_load_f64(r->dtype, r->data, k);
                if (x >= o->lo - slack && x <= o->hi + slack) continue;
                snprintf(text, 512, "output %s, run %d: %.9g is not in the generator's bounds %.9g, %.9g", o->name, step, x, o->lo, o->hi);
                return false;
            }
        }
    return true;
}

/* Which passes, left out alone, make it right. */
static void blame(const struct random_case *made, const char *device, const struct random_results *want)
{
    const char *names[PASSES_MOST + 1];
    int count = pass_names(names), guilty = 0;
    struct random_results got;
    char text[512];
    for (int i = 0; i < count; i++) {
        const char *one[2] = { names[i], NULL };
        random_run(made, device, one, &got);
        if (agree(made, &got, want, text)) printf("%s %s", guilty++ ? "," : "    right without the pass", names[i]);
        random_results_free(&got);
    }
    random_run(made, device, names, &got);
    printf("%s%s\n", guilty ? "; " : "    ", agree(made, &got, want, text) ? "right without all passes" : "wrong without all passes");
    random_results_free(&got);
}

static bool check_with(const struct random_case *made, const char *device, const char *const *disabled, const struct random_results *want)
{
    struct random_results got;
    char text[512], what[128];
    int count = 0;
    while (disabled && disabled[count]) count++;
    random_run(made, device, disabled, &got);
    bool fine = agree(made, &got, want, text);
    random_results_free(&got);
    if (fine) return true;
    snprintf(what, sizeof what, count == 0 ? "optimized" : count == 1 ? "without pass %s" : "without all passes", count ? disabled[0] : "");
    printf("FAILED seed %llu, %s: %s\n    %d nodes: %s\n", (unsigned long long)made->seed, what, text, made->nodes, made->ops.data);
    if (count == 0) blame(made, device, want);
    fflush(stdout);
    return false;
}

enum random_verdict random_check(uint64_t seed, const char *device, int passes)
{
    struct random_case made;
    struct random_results want;
    const char *names[PASSES_MOST + 1];
    char text[512];
    int count = pass_names(names);
    if (!random_case_make(seed, &made)) {
        random_case_free(&made);
        return RANDOM_SKIPPED;
    }
    random_run(&made, "ref", NULL, &want);
    bool fine = want.error[0] == '\0';
    if (!fine) snprintf(text, sizeof text, "%s", want.error);
    fine = fine && expected(&made, &want, text);
    if (!fine) printf("FAILED seed %llu, ref: %s\n    %d nodes: %s\n", (unsigned long long)seed, text, made.nodes, made.ops.data);
    fine = fine && check_with(&made, device, NULL, &want);
    fine = fine && check_with(&made, device, names, &want);
    for (int i = 0; fine && i < (passes < 0 ? count : passes); i++) {
        const char *one[2] = { names[passes < 0 ? (uint64_t)i : (seed * (uint64_t)passes + (uint64_t)i) % (uint64_t)count], NULL };
        fine = check_with(&made, device, one, &want);
    }
    random_results_free(&want);
    random_case_free(&made);
    return fine ? RANDOM_PASSED : RANDOM_FAILED;
}
