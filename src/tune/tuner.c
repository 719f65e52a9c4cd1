#include "tune/tuner.h"

#include <stdlib.h>

#include "base/text.h"

#define CLOSE      3.0  /* times the best estimate: rows beyond it are not measured, unless all are */
#define CLEAR      0.95 /* of the time of the row that the estimates choose: less of a gain may be the machine's unrest */
#define USUAL_RUNS 4    /* of a candidate, for how long measuring it will take */

/* A problem whose row is to be chosen by measuring. */
struct pln_tuned {
    struct pln_hash128 key;
    struct pln_problem problem;
    struct pln_candidate *contenders;
    size_t n;           /* 0: there is no choice, or none that can be made here */
    bool is_foreign;    /* the latter: one of them needs another machine */
    double weight_ns;   /* of all nodes that have it, by estimate */
    double estimate_ns; /* of all its contenders */
};

void pln_tuner_init(struct pln_tuner *tuner, const struct pln_tuner_options *options, const struct pln_allocator *alloc)
{
    *tuner = (struct pln_tuner){ .options = *options };
    pln_arena_init(&tuner->arena, alloc, 0);
    pln_map_init(&tuner->by_key, alloc);
}

void pln_tuner_deinit(struct pln_tuner *tuner)
{
    pln_map_deinit(&tuner->by_key);
    pln_arena_deinit(&tuner->arena);
}

/* ---- keys ---- */

static void write_number(struct pln_text *text, int64_t number)
{
    pln_text_append(text, (const char *)&number, sizeof number);
}

static void write_operands(struct pln_text *text, const struct pln_operand *operands, int n)
{
    write_number(text, n);
    for (int i = 0; i < n; i++) {
        const struct pln_operand *operand = &operands[i];
        write_number(text, operand->present | operand->constant << 1);
        write_number(text, operand->dtype);
        write_number(text, operand->rank);
        for (int d = 0; d < operand->rank; d++) write_number(text, operand->dims[d]);
    }
}

/* Programs are attributes. kernel NULL: of the problem itself, with what of a machine its rows may use. false: no memory. */
static bool make_key(const struct pln_tuner *tuner, const struct pln_problem *problem, const struct pln_kernel *kernel, struct pln_hash128 *out_key)
{
    struct pln_text text;
    pln_text_init(&text, tuner->arena.alloc);
    pln_text_append(&text, (const char *)&tuner->options.machine, sizeof tuner->options.machine);
    if (kernel) pln_text_append(&text, kernel->name, strlen(kernel->name) + 1);
    else write_number(&text, (int64_t)problem->features);
    if (!kernel) write_number(&text, problem->image); /* it bears upon which rows are measured, not upon their times */
    write_number(&text, problem->op);
    write_number(&text, problem->kind);
    write_operands(&text, problem->inputs, problem->n_inputs);
    write_operands(&text, problem->outputs, problem->n_outputs);
    pln_attrs_write(problem->attrs, &text);
    *out_key = pln_hash128(text.data, text.size_bytes);
    const bool done = !text.failed;
    pln_text_deinit(&text);
    return done;
}

/* ---- collecting ---- */

static bool is_contender(const struct pln_tuner *tuner, const struct pln_candidate *candidate, const struct pln_candidate *best)
{
    if ((candidate->kernel->flags ^ best->kernel->flags) & PLN_KERNEL_CHANNELS_LAST) return false;
    return tuner->options.full || candidate->estimate_ns <= CLOSE * best->estimate_ns;
}

/* tuned->contenders has room for all. */
static void find_contenders(const struct pln_tuner *tuner, const struct pln_candidate *candidates, size_t n, struct pln_tuned *tuned)
{
    const struct pln_candidate *best = &candidates[pln_candidate_cheapest(candidates, n)];
    size_t count = 0;
    bool foreign = false;
    for (size_t i = 0; i < n; i++) {
        if (!is_contender(tuner, &candidates[i], best)) continue;
        foreign = foreign || !candidates[i].kernel->family->run || (candidates[i].kernel->needs & ~tuner->options.features);
        tuned->contenders[count++] = candidates[i];
    }
    tuned->is_foreign = foreign && count > 1;
    tuned->n = count > 1 && !foreign ? count : 0;
}

static struct pln_tuned *find_tuned(const struct pln_tuner *tuner, const struct pln_hash128 *key)
{
    uint32_t index;
    return pln_map_get(&tuner->by_key, (const char *)key, sizeof *key, &index) ? tuner->tuned[index] : NULL;
}

static struct pln_tuned *add_tuned(struct pln_tuner *tuner, const struct pln_hash128 *key, const struct pln_problem *problem, const struct pln_candidate *candidates, size_t n)
{
    struct pln_tuned *tuned = pln_arena_alloc(&tuner->arena, sizeof *tuned);
    if (!tuned || !pln_arena_grow(&tuner->arena, (void **)&tuner->tuned, &tuner->capacity, tuner->n + 1, sizeof(struct pln_tuned *))) return NULL;
    *tuned = (struct pln_tuned){ .key = *key, .problem = *problem, .contenders = pln_arena_array(&tuner->arena, n, sizeof *candidates) };
    if (!tuned->contenders || !pln_map_set(&tuner->by_key, (const char *)&tuned->key, sizeof tuned->key, (uint32_t)tuner->n)) return NULL;
    find_contenders(tuner, candidates, n, tuned);
    for (size_t i = 0; i < tuned->n; i++) tuned->estimate_ns += tuned->contenders[i].estimate_ns;
    tuner->tuned[tuner->n++] = tuned;
    return tuned;
}

size_t pln_tuner_collect(void *user, const struct pln_problem *usual, const struct pln_candidate *candidates, size_t n)
{
    struct pln_tuner *tuner = user;
    const size_t best = pln_candidate_cheapest(candidates, n);
    struct pln_hash128 key;
    if (n < 2) return best;
    struct pln_tuned *tuned = make_key(tuner, usual, NULL, &key) ? find_tuned(tuner, &key) : NULL;
    if (!tuned) tuned = add_tuned(tuner, &key, usual, candidates, n);
    if (tuned) tuned->weight_ns += candidates[best].estimate_ns;
    else tuner->failed = true;
    return best;
}

/* ---- measuring ---- */

enum knowledge { UNKNOWN, LEFT, KNOWN };

/* What the timings say of all its contenders together. */
static enum knowledge look_up(struct pln_tuner *tuner, const struct pln_tuned *tuned, uint64_t *out_ns)
{
    enum knowledge knowledge = KNOWN;
    for (size_t i = 0; i < tuned->n; i++) {
        struct pln_hash128 key;
        uint64_t ns;
        if (!make_key(tuner, &tuned->problem, tuned->contenders[i].kernel, &key)) tuner->failed = true;
        else if (!pln_timings_find(tuner->options.timings, key, &ns)) knowledge = UNKNOWN;
        else if (ns == 0 && knowledge == KNOWN) knowledge = LEFT;
        else if (out_ns) out_ns[i] = ns;
        if (tuner->failed) return UNKNOWN;
    }
    return knowledge;
}

static void note(struct pln_tuner *tuner, const struct pln_tuned *tuned, size_t contender, double ns)
{
    struct pln_hash128 key;
    if (!make_key(tuner, &tuned->problem, tuned->contenders[contender].kernel, &key) || !pln_timings_set(tuner->options.timings, key, (uint64_t)ns)) tuner->failed = true;
}

/* Its time, of an earlier build or of now; 0: it cannot be measured. */
static double time_of(struct pln_tuner *tuner, const struct pln_tuned *tuned, size_t contender, double limit_ns, int64_t *spent_ns)
{
    const struct pln_kernel *kernel = tuned->contenders[contender].kernel;
    struct pln_hash128 key;
    uint64_t ns;
    if (make_key(tuner, &tuned->problem, kernel, &key) && pln_timings_find(tuner->options.timings, key, &ns) && ns > 0) return (double)ns;
    const struct pln_measured measured = tuner->options.measure(tuner->options.measure_user, kernel, &tuned->problem, limit_ns);
    *spent_ns += measured.spent_ns;
    note(tuner, tuned, contender, measured.ns);
    return measured.ns;
}

/* false: one of them cannot be measured, which the rest need not be then. */
static bool measure_all(struct pln_tuner *tuner, const struct pln_tuned *tuned, int64_t *spent_ns)
{
    double best_ns = 0;
    for (size_t i = 0; i < tuned->n; i++) {
        const double ns = time_of(tuner, tuned, i, best_ns, spent_ns);
        if (ns == 0) return false;
        if (best_ns == 0 || ns < best_ns) best_ns = ns;
    }
    return true;
}

/* So that the next build knows that this one went by the estimates. */
static void note_left(struct pln_tuner *tuner, const struct pln_tuned *tuned)
{
    for (size_t i = 0; i < tuned->n; i++) {
        struct pln_hash128 key;
        uint64_t ns;
        if (!make_key(tuner, &tuned->problem, tuned->contenders[i].kernel, &key)) tuner->failed = true;
        else if (!pln_timings_find(tuner->options.timings, key, &ns)) note(tuner, tuned, i, 0);
    }
}

static int by_weight(const void *a, const void *b)
{
    const struct pln_tuned *x = *(struct pln_tuned *const *)a, *y = *(struct pln_tuned *const *)b;
    if (x->weight_ns != y->weight_ns) return x->weight_ns > y->weight_ns ? -1 : 1;
    return memcmp(&x->key, &y->key, sizeof x->key);
}

static double expected_ns(const struct pln_tuned *tuned)
{
    return USUAL_RUNS * tuned->estimate_ns + (double)tuned->n * pln_measure_setup_ns(&tuned->problem);
}

/* Problems that are to be measured, the heaviest first. The others are counted. */
static size_t find_work(struct pln_tuner *tuner, struct pln_tuned **work)
{
    size_t n = 0;
    for (size_t i = 0; i < tuner->n; i++) {
        struct pln_tuned *tuned = tuner->tuned[i];
        tuner->counts.estimated += tuned->is_foreign;
        if (tuned->n == 0) continue;
        const enum knowledge known = pln_measure_can(&tuned->problem) ? look_up(tuner, tuned, NULL) : LEFT;
        if (known == KNOWN) tuner->counts.found++;
        else if (known == UNKNOWN || (tuner->options.full && pln_measure_can(&tuned->problem))) work[n++] = tuned;
        else tuner->counts.estimated++;
    }
    if (n) qsort(work, n, sizeof(struct pln_tuned *), by_weight);
    return n;
}

enum pln_status pln_tuner_run(struct pln_tuner *tuner, const struct pln_watch *watch, struct pln_diag *diag)
{
    int64_t spent_ns = 0;
    struct pln_tuned **work = pln_arena_array(&tuner->arena, tuner->n + 1, sizeof(struct pln_tuned *));
    tuner->failed = tuner->failed || !work;
    const size_t n = tuner->failed ? 0 : find_work(tuner, work);
    for (size_t i = 0; i < n && !tuner->failed; i++) {
        PLN_TRY(pln_watch_tell(watch, "measure kernels", i, n));
        const bool fits = expected_ns(work[i]) <= (double)(tuner->options.budget_ns - spent_ns);
        const bool measured = fits && measure_all(tuner, work[i], &spent_ns);
        if (!measured) note_left(tuner, work[i]);
        if (measured) tuner->counts.measured++;
        else tuner->counts.estimated++;
    }
    return tuner->failed ? pln_fail_memory(diag, "timings of kernels", 0) : PLN_OK;
}

/* ---- picking ---- */

static size_t place_in(const struct pln_candidate *candidates, size_t n, const struct pln_kernel *kernel)
{
    size_t i = 0;
    while (i + 1 < n && candidates[i].kernel != kernel) i++;
    return i;
}

size_t pln_tuner_pick(void *user, const struct pln_problem *usual, const struct pln_candidate *candidates, size_t n)
{
    struct pln_tuner *tuner = user;
    const size_t cheapest = pln_candidate_cheapest(candidates, n);
    struct pln_hash128 key;
    const struct pln_tuned *tuned = n > 1 && make_key(tuner, usual, NULL, &key) ? find_tuned(tuner, &key) : NULL;
    uint64_t *ns = tuned ? pln_arena_array(&tuner->arena, tuned->n + 1, sizeof *ns) : NULL;
    if (!ns || tuned->n == 0 || look_up(tuner, tuned, ns) != KNOWN) return cheapest;
    size_t best = pln_candidate_cheapest(tuned->contenders, tuned->n);
    const double standard_ns = (double)ns[best];
    for (size_t i = 0; i < tuned->n; i++)
        if (ns[i] < ns[best] && (double)ns[i] < CLEAR * standard_ns) best = i;
    return place_in(candidates, n, tuned->contenders[best].kernel);
}
