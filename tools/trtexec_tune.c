/* A search over build routes: each build and measurement has a process of its own. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "json.h"
#include "planish/planish.h"
#include "trtexec_route.h"

enum { MOST_HELPFUL = 10 };

struct trial {
    int picks[MOST_KNOBS];
    bool done, ok;
    double ms; /* of the GPU, or of what computes in its place */
};

struct trials {
    struct trial *items;
    int count;
};

static bool is_there(const struct trials *trials, const int *picks, int n)
{
    for (int i = 0; i < trials->count; i++)
        if (memcmp(trials->items[i].picks, picks, (size_t)n * sizeof *picks) == 0) return true;
    return false;
}

static int add_trial(struct trials *trials, const int *picks, int n)
{
    if (is_there(trials, picks, n)) return 0;
    if (trials->count >= 100000) return trtexec_error("there are more than 100000 build routes; give fewer values, or --tuningSearch=fast");
    struct trial *grown = realloc(trials->items, ((size_t)trials->count + 1) * sizeof *grown);
    if (!grown) return trtexec_error("out of memory");
    trials->items = grown;
    trials->items[trials->count] = (struct trial){ .done = false };
    memcpy(trials->items[trials->count++].picks, picks, (size_t)n * sizeof *picks);
    return 0;
}

/* The value that a knob has without a route, where it is one of those that are tried; else the first. */
static void pick_baseline(const struct trtexec_routes *search, int *picks)
{
    for (int i = 0; i < search->count; i++) {
        picks[i] = 0;
        for (int v = 0; v < search->choices[i].count; v++)
            if (strcmp(search->choices[i].values[v], trtexec_knob_standard(search->choices[i].knob)) == 0) picks[i] = v;
    }
}

/* The baseline, then one change at a time. */
static int list_fast(const struct trtexec_routes *search, struct trials *trials)
{
    int picks[MOST_KNOBS], status;
    pick_baseline(search, picks);
    status = add_trial(trials, picks, search->count);
    for (int i = 0; i < search->count; i++) {
        const int own = picks[i];
        for (int v = 0; status == 0 && v < search->choices[i].count; v++) {
            picks[i] = v;
            status = add_trial(trials, picks, search->count);
        }
        picks[i] = own;
    }
    return status;
}

/* All combinations of the knobs that are marked, the others as in the baseline. */
static int list_full(const struct trtexec_routes *search, const bool *marked, struct trials *trials)
{
    int picks[MOST_KNOBS], base[MOST_KNOBS], status = 0;
    pick_baseline(search, base);
    for (int i = 0; i < search->count; i++) picks[i] = marked[i] ? 0 : base[i];
    for (int at = 0; status == 0 && at < search->count;) {
        status = add_trial(trials, picks, search->count);
        for (at = 0; at < search->count; at++) { /* counts on, the first knob fastest */
            if (!marked[at]) continue;
            if (++picks[at] < search->choices[at].count) break;
            picks[at] = 0;
        }
    }
    return status;
}

/* Knobs of which a value was faster than the baseline, in the fast part of a mixed search. */
static void mark_helpful(const struct trtexec_routes *search, const struct trials *trials, bool *out_marked)
{
    int base[MOST_KNOBS], marked = 0;
    pick_baseline(search, base);
    memset(out_marked, 0, MOST_KNOBS * sizeof *out_marked);
    for (int t = 1; t < trials->count && trials->items[0].ok; t++)
        for (int i = 0; i < search->count; i++)
            if (trials->items[t].picks[i] != base[i] && trials->items[t].ok && trials->items[t].ms < trials->items[0].ms && !out_marked[i] && marked < MOST_HELPFUL) out_marked[i] = true, marked++;
}

static const char *route_of(const struct trtexec_routes *search, const struct trial *trial)
{
    static char text[MOST_KNOBS * 90];
    size_t n = 0;
    text[0] = '\0';
    for (int i = 0; i < search->count; i++) n += (size_t)snprintf(text + n, sizeof text - n, "%s-%s=%s", i ? " " : "", search->choices[i].name, search->choices[i].values[trial->picks[i]]);
    return text;
}

/* ---- the file of what was measured ---- */

static const char *cache_path(void)
{
    return trtexec_given(FLAG_tuningCacheFile) ? trtexec_text(FLAG_tuningCacheFile) : "best_config.json";
}

static void write_header(FILE *out, const char *expression, int argc, char **argv)
{
    const char *search = trtexec_given(FLAG_tuningSearch) ? trtexec_text(FLAG_tuningSearch) : "fast", *algorithm = trtexec_given(FLAG_accuracyAlgorithm) ? trtexec_text(FLAG_accuracyAlgorithm) : "l0";
    fprintf(out, "{\"tuner_version\":\"%s\",\"accuracy_algorithm\":\"%s\",\"accuracy_parameter\":{\"atol\":%g,\"rtol\":%g,\"epsilon\":%g},\"searching_algorithm\":\"%s\",\"command_line\":", pln_version(), algorithm,
            trtexec_number(FLAG_atol, 1e-5), trtexec_number(FLAG_rtol, 1e-5), trtexec_number(FLAG_accuracyThreshold, 0), search);
    size_t bytes = 1;
    for (int i = 0; i < argc; i++) bytes += strlen(argv[i]) + 1;
    char *line = calloc(bytes, 1);
    for (int i = 0; line && i < argc; i++) strcat(strcat(line, i ? " " : ""), argv[i]);
    json_text(out, line);
    free(line);
    fputs(",\"default_build_route\":\"\",\"tuning_expr\":", out);
    json_text(out, expression);
    fputs(",\"files\":{\"onnx\":", out);
    json_text(out, trtexec_text(FLAG_onnx));
    fputs("},\"argv\":[", out);
    for (int i = 0; i < argc; i++) {
        fputs(i ? "," : "", out);
        json_text(out, argv[i]);
    }
    fputs("]}\n", out);
}

/* The words that the search was begun with. 0, or 1 after saying what is wrong. */
static int read_words(const char *line, struct text_list *out)
{
    const char *at = strstr(line, "\"argv\":[");
    if (!at) return trtexec_error("--continue: %s does not begin with the words of a search", cache_path());
    for (at += 8; *at == '"' || *at == ',';) {
        char *word = *at == ',' ? NULL : trtexec_read_string(at + 1, &at);
        if (*at == ',') at++;
        if (word) text_list_add(out, word);
        else if (*at != '"') return trtexec_error("--continue: the words of the search in %s are damaged", cache_path());
    }
    return *at == ']' && out->count ? 0 : trtexec_error("--continue: the words of the search in %s are damaged", cache_path());
}

static void write_trial(FILE *out, int iteration, const char *route, const struct trial *trial, const char *result)
{
    fprintf(out, "{\"iter\":%d,\"build_route\":", iteration);
    json_text(out, route);
    fprintf(out, ",\"status\":\"%s\",\"gpu_time_ms\":", trial->ok ? "succeeded" : "failed");
    if (trial->ok) json_number(out, trial->ms);
    else fputs("null", out);
    fprintf(out, ",\"result\":%s}\n", result && *result ? result : "null");
    fflush(out);
}

/* What a search that was ended has measured: its lines say which route and how long. */
static void read_trials(FILE *file, const struct trtexec_routes *search, struct trials *trials)
{
    char line[8000];
    while (fgets(line, sizeof line, file)) {
        const char *route = strstr(line, "\"build_route\":\""), *ms = strstr(line, "\"gpu_time_ms\":"), *end;
        char *text = route ? trtexec_read_string(route + 15, &end) : NULL;
        for (int i = 0; text && ms && i < trials->count; i++) {
            if (strcmp(route_of(search, &trials->items[i]), text) != 0) continue;
            trials->items[i].done = true;
            trials->items[i].ok = strncmp(ms + 14, "null", 4) != 0;
            trials->items[i].ms = strtod(ms + 14, NULL);
        }
        free(text);
    }
}

/* ---- one of them ---- */

int trtexec_write_result(const char *path, const struct trtexec_times *times, bool accuracy_failed)
{
    FILE *out = trtexec_open_export(path);
    if (!out) return 1;
    fputs("{\"gpu_time_ms\":", out);
    if (times->count) json_number(out, trtexec_median_ms(times));
    else fputs("null", out);
    fprintf(out, ",\"accuracy_failed\":%s,", accuracy_failed ? "true" : "false");
    trtexec_write_losses(out);
    fputs("}\n", out);
    return trtexec_close_export(path, out);
}

static bool begins(const char *word, const char *flag)
{
    const size_t n = strlen(flag);
    return strncmp(word, "--", 2) == 0 && strncmp(word + 2, flag, n) == 0 && (word[2 + n] == '=' || word[2 + n] == '\0');
}

/* Runs this program with the words, but for those of tuning. Returns its exit status. */
static int run_child(const struct text_list *words, const char *route, const char *result, const char *engine)
{
    static const char *const own[] = { "tuneBuildRoutes", "tuneBuildRouteFile", "tuningSearch", "tuningCacheFile", "tuningTimeOut", "saveAllEngines", "dryRun", "continue", "saveEngine", "setBuildRoute" };
    struct text_list child = { 0 };
    char flags[3][5000];
    int status = 0;
    text_list_add(&child, "trtexec");
    for (size_t i = 1; i < words->count; i++) {
        bool mine = false;
        for (size_t k = 0; k < sizeof own / sizeof *own; k++) mine |= begins(words->items[i], own[k]);
        if (!mine) text_list_add(&child, words->items[i]);
    }
    snprintf(flags[0], sizeof flags[0], "--setBuildRoute=%s", route);
    snprintf(flags[1], sizeof flags[1], "--tuningResultFile=%s", result);
    snprintf(flags[2], sizeof flags[2], "--saveEngine=%s", engine);
    for (int i = 0; i < (engine[0] ? 3 : 2); i++) text_list_add(&child, flags[i]);
    text_list_add(&child, NULL);
    command_flush();
    const pid_t pid = fork();
    if (pid == 0) {
        execv("/proc/self/exe", (char **)(uintptr_t)child.items);
        _exit(127);
    }
    free(child.items);
    if (pid < 0 || waitpid(pid, &status, 0) != pid) return 127;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static bool copy_file(const char *from, const char *to)
{
    char block[65536];
    FILE *in = fopen(from, "rb"), *out = in ? fopen(to, "wb") : NULL;
    bool good = in && out;
    for (size_t n; good && (n = fread(block, 1, sizeof block, in)) > 0;) good = fwrite(block, 1, n, out) == n;
    if (in) good &= !ferror(in), fclose(in);
    if (out) good &= fclose(out) == 0;
    return good;
}

struct tuning {
    struct trtexec_routes search;
    struct trials trials;
    struct text_list words;
    const char *save;  /* --saveEngine, or NULL */
    bool save_all;
    double time_out_ms, start;
    int best, tried, succeeded;
    FILE *cache;
};

static void keep_engine(const struct tuning *tuning, const char *engine, bool is_best)
{
    if (is_best && tuning->save_all) {
        if (!copy_file(engine, tuning->save)) trtexec_log('E', "%s: %s", tuning->save, strerror(errno));
    } else if (is_best) {
        if (rename(engine, tuning->save) != 0) trtexec_log('E', "%s: %s", tuning->save, strerror(errno));
    } else if (!tuning->save_all) unlink(engine);
}

static void try_one(struct tuning *tuning, int index)
{
    struct trial *trial = &tuning->trials.items[index];
    const char *route = route_of(&tuning->search, trial), *temporary = getenv("TMPDIR");
    char result[4200], engine[4200] = "", text[4000] = "";
    snprintf(result, sizeof result, "%s/planish-tune-XXXXXX", temporary && *temporary ? temporary : "/tmp");
    const int file = mkstemp(result);
    if (file >= 0) close(file);
    if (tuning->save) snprintf(engine, sizeof engine, "%s.iter%d", tuning->save, index);
    printf("&&&& TASK_BEGIN [iter=%d] BuildRoute = '%s'\n", index, route);
    const int status = run_child(&tuning->words, route, result, engine);
    FILE *in = fopen(result, "r");
    if (in && !fgets(text, sizeof text, in)) text[0] = '\0';
    if (in) fclose(in);
    unlink(result);
    text[strcspn(text, "\n")] = '\0';
    const char *ms = strstr(text, "\"gpu_time_ms\":");
    trial->ok = status == 0 && ms && strncmp(ms + 14, "null", 4) != 0 && strstr(text, "\"accuracy_failed\":false");
    trial->ms = trial->ok ? strtod(ms + 14, NULL) : 0;
    trial->done = true;
    printf("&&&& %s [iter=%d] BuildRoute = '%s'\n", trial->ok ? "TASK_END" : "TASK_ABORT", index, route);
    write_trial(tuning->cache, index, route, trial, text);
    const bool is_best = trial->ok && (tuning->best < 0 || trial->ms < tuning->trials.items[tuning->best].ms);
    if (engine[0]) keep_engine(tuning, engine, is_best);
    if (is_best) tuning->best = index;
}

static void try_all(struct tuning *tuning)
{
    for (int i = tuning->tried; i < tuning->trials.count; i++, tuning->tried++) {
        struct trial *trial = &tuning->trials.items[i];
        if (tuning->time_out_ms >= 0 && now_ms() - tuning->start > tuning->time_out_ms) {
            trtexec_log('W', "--tuningTimeOut: the time is up after %d of %d", i, tuning->trials.count);
            return;
        }
        if (!trial->done) try_one(tuning, i);
        else if (trial->ok && (tuning->best < 0 || trial->ms < tuning->trials.items[tuning->best].ms)) tuning->best = i;
        tuning->succeeded += trial->ok;
    }
}

/* The text of --tuneBuildRoutes, or what the file of --tuneBuildRouteFile holds. NULL after saying what is wrong. */
static const char *expression(void)
{
    static char text[8000];
    if (trtexec_given(FLAG_tuneBuildRoutes)) return trtexec_text(FLAG_tuneBuildRoutes);
    const char *path = trtexec_text(FLAG_tuneBuildRouteFile);
    FILE *file = fopen(path, "r");
    const size_t n = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (!file || ferror(file)) trtexec_log('E', "%s: %s", path, strerror(errno));
    const bool good = file && !ferror(file) && n < sizeof text - 1;
    if (file && !good) trtexec_log('E', "%s: a list of knobs has fewer than %zu bytes", path, sizeof text - 1);
    if (file) fclose(file);
    text[n] = '\0';
    return good ? text : NULL;
}

bool trtexec_is_tuning(void)
{
    return trtexec_given(FLAG_tuneBuildRoutes) || trtexec_given(FLAG_tuneBuildRouteFile);
}

static int search_all(struct tuning *tuning)
{
    const char *how = trtexec_given(FLAG_tuningSearch) ? trtexec_text(FLAG_tuningSearch) : "fast";
    bool marked[MOST_KNOBS];
    for (int i = 0; i < MOST_KNOBS; i++) marked[i] = true;
    int status = strcmp(how, "full") == 0 ? list_full(&tuning->search, marked, &tuning->trials) : list_fast(&tuning->search, &tuning->trials);
    if (status) return status;
    if (trtexec_given(FLAG_dryRun)) {
        for (int i = 0; i < tuning->trials.count; i++) printf("[iter=%d] BuildRoute = '%s'\n", i, route_of(&tuning->search, &tuning->trials.items[i]));
        return 0;
    }
    FILE *before = trtexec_given(FLAG_continue) ? fopen(cache_path(), "r") : NULL;
    if (before) read_trials(before, &tuning->search, &tuning->trials);
    try_all(tuning);
    if (strcmp(how, "mixed") == 0 && tuning->tried == tuning->trials.count) {
        mark_helpful(&tuning->search, &tuning->trials, marked);
        status = list_full(&tuning->search, marked, &tuning->trials);
        if (before) rewind(before), read_trials(before, &tuning->search, &tuning->trials);
        if (status == 0) try_all(tuning);
    }
    if (before) fclose(before);
    if (tuning->best >= 0) trtexec_log('I', "Best iteration: %d BuildRoute = '%s' (gpu_time_ms=%g)", tuning->best, route_of(&tuning->search, &tuning->trials.items[tuning->best]), tuning->trials.items[tuning->best].ms);
    trtexec_log('I', "Tuning summary: %d / %d iterations succeeded.", tuning->succeeded, tuning->tried);
    return status || tuning->succeeded == 0;
}

/* --continue: the words of the search that is gone on with are read in the place of those of this command. 0, or 1 after saying what is wrong. */
static int resume(int argc, char **argv, struct text_list *words)
{
    static char line[65536];
    for (int i = 1; i < argc; i++)
        if (!begins(argv[i], "continue") && !begins(argv[i], "tuningCacheFile")) return trtexec_error("--continue goes with --tuningCacheFile alone, not with %s", argv[i]);
    FILE *file = fopen(cache_path(), "r");
    if (!file) return trtexec_error("--continue: %s: %s", cache_path(), strerror(errno));
    const char *path = cache_path();
    const bool got = fgets(line, sizeof line, file) != NULL;
    fclose(file);
    if (!got || read_words(line, words)) return got ? 1 : trtexec_error("--continue: %s is empty", path);
    static char flag[4200];
    snprintf(flag, sizeof flag, "--tuningCacheFile=%s", path);
    text_list_add(words, flag);
    text_list_add(words, "--continue");
    return 0;
}

int trtexec_tune(int argc, char **argv)
{
    static struct tuning tuning;
    tuning = (struct tuning){ .best = -1, .start = now_ms() };
    if (trtexec_given(FLAG_continue)) {
        if (resume(argc, argv, &tuning.words)) return 1;
        text_list_add(&tuning.words, NULL);
        tuning.words.count--;
        if (trtexec_parse((int)tuning.words.count, (char **)(uintptr_t)tuning.words.items) >= 0) return 1;
    } else
        for (int i = 0; i < argc; i++) text_list_add(&tuning.words, argv[i]);
    const char *text = trtexec_is_tuning() ? expression() : NULL;
    if (!text) return trtexec_is_tuning() ? 1 : trtexec_error("--continue: the search in %s has no --tuneBuildRoutes", cache_path());
    if (trtexec_read_routes(text, true, &tuning.search)) return 1;
    tuning.save = trtexec_text(FLAG_saveEngine);
    tuning.save_all = trtexec_given(FLAG_saveAllEngines) && tuning.save;
    tuning.time_out_ms = trtexec_number(FLAG_tuningTimeOut, -1) * 1e3;
    if (!trtexec_given(FLAG_dryRun)) {
        tuning.cache = fopen(cache_path(), trtexec_given(FLAG_continue) ? "a" : "w");
        if (!tuning.cache) return trtexec_error("%s: %s", cache_path(), strerror(errno));
        if (!trtexec_given(FLAG_continue)) write_header(tuning.cache, text, (int)tuning.words.count, (char **)(uintptr_t)tuning.words.items), fflush(tuning.cache);
    }
    int status = search_all(&tuning);
    if (tuning.cache && fclose(tuning.cache) != 0) status = trtexec_error("%s: %s", cache_path(), strerror(errno));
    free(tuning.trials.items);
    free(tuning.words.items);
    return status;
}
