/* planish check: runs test cases in the layout of the ONNX backend tests. */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"
#include "faults.h"
#include "json.h"
#include "model.h"

static int run(int argc, char **argv);
const struct command command_check = {
    "check", "[options] DIR… | FILE…", "Runs test cases in the layout of the ONNX backend tests and compares the outputs; or lists all faults of models and plans.",
    "  planish check tests/models/zoo\n  planish check model.onnx model.plan\n  planish check --device ref --max-rel-err 1e-3 cases/\n  planish check --disable-pass fuse cases/\n", run
};

static struct {
    const char *device, *json, *tune, *timing_cache;
    bool no_cache;
    struct text_list disabled; /* ended by NULL once the options are read */
    double rtol, atol, max_rel_err;
    long jobs, timeout;
    long seed;
    struct device_options on;
} options;

static const struct option_row rows[] = {
    { "device", 0, OPTION_TEXT, &options.device, "NAME", DEVICE_HELP },
    { "rtol", 0, OPTION_REAL, &options.rtol, "R", "allowed |a-b| <= atol + rtol*|b| (1e-3)" },
    { "atol", 0, OPTION_REAL, &options.atol, "A", "(1e-7)" },
    { "max-rel-err", 0, OPTION_REAL, &options.max_rel_err, "E", "judge floats by max|a-b| / max|b| of an output instead" },
    { "jobs", 'j', OPTION_COUNT, &options.jobs, "N", "cases at a time (the number of CPUs)" },
    { "timeout", 0, OPTION_COUNT, &options.timeout, "S", "seconds for one case (60)" },
    TUNE_ROWS(options),
    DEVICE_ROWS(options.on),
    { "disable-pass", 0, OPTION_LIST, &options.disabled, "PASS", "switch an optimization off (may be given again; planish ops --passes lists them)" },
    { "placement-seed", 0, OPTION_INT, &options.seed, "N", "place steps at random, on devices with memory of their own" },
    { "json", 0, OPTION_OPTIONAL, &options.json, "FILE", "results as JSON" },
    { 0 },
};

/* ---- finding cases ---- */

static bool is_file(const char *folder, const char *name)
{
    char path[4096];
    struct stat info;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

static bool is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void find_cases(const char *folder, int depth, struct text_list *cases)
{
    if (is_file(folder, "model.onnx")) {
        char *copy = strdup(folder);
        if (copy) text_list_add(cases, copy);
        return;
    }
    DIR *open = depth < 16 ? opendir(folder) : NULL;
    if (!open) return;
    struct text_list inner = { 0 };
    for (struct dirent *entry; (entry = readdir(open));) {
        struct stat info;
        if (entry->d_name[0] == '.') continue;
        size_t size = strlen(folder) + strlen(entry->d_name) + 2;
        char *path = malloc(size);
        if (!path) continue;
        snprintf(path, size, "%s/%s", folder, entry->d_name);
        if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) text_list_add(&inner, path);
        else free(path);
    }
    closedir(open);
    if (inner.count) qsort(inner.items, inner.count, sizeof *inner.items, by_name);
    for (size_t i = 0; i < inner.count; i++) {
        find_cases(inner.items[i], depth + 1, cases);
        free((char *)(uintptr_t)inner.items[i]);
    }
    free(inner.items);
}

/* ---- one case, in a process of its own ---- */

struct judge {
    const char *folder;
    struct pln_comparison how;
    double worst;
    char why[1024];
    const char *stage;
};

static bool fail(struct judge *judge, const char *stage, const pln_diagnostics *diagnostics, enum pln_status status)
{
    struct pln_message message;
    judge->stage = stage;
    if (diagnostics && pln_diagnostics_get(diagnostics, 0, &message) == PLN_OK)
        snprintf(judge->why, sizeof judge->why, "%s%s%s%s", message.node[0] ? message.node : "", message.node[0] ? ": " : "", message.text, "");
    else snprintf(judge->why, sizeof judge->why, "%s", pln_status_text(status));
    return false;
}

/* data.json holds "rtol" and "atol" of a case. */
static void read_tolerance(struct judge *judge)
{
    char path[4096], text[4096];
    snprintf(path, sizeof path, "%s/data.json", judge->folder);
    FILE *file = fopen(path, "r");
    if (!file) return;
    size_t n = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[n] = '\0';
    const char *at;
    if ((at = strstr(text, "\"rtol\"")) && (at = strchr(at, ':'))) judge->how.rtol = strtod(at + 1, NULL);
    if ((at = strstr(text, "\"atol\"")) && (at = strchr(at, ':'))) judge->how.atol = strtod(at + 1, NULL);
}

static bool run_set(struct judge *judge, pln_engine *engine, pln_context *context, const char *set)
{
    pln_diagnostics *diagnostics = pln_diagnostics_create();
    char path[4400], why[512];
    pln_host_value *values[512] = { 0 };
    bool good = true;
    for (int i = 0; good && i < pln_engine_input_count(engine) && i < 512; i++) {
        struct pln_tensor_info info;
        enum pln_status status = pln_engine_input(engine, i, &info);
        snprintf(path, sizeof path, "%s/input_%d.pb", set, i);
        if (status == PLN_OK) status = pln_host_value_read_pb(path, info.kind, diagnostics, &values[i]);
        if (status != PLN_OK) good = fail(judge, "input", diagnostics, status);
        else if ((status = pln_context_bind_value(context, info.name, values[i])) != PLN_OK) good = fail(judge, "bind", pln_context_diagnostics(context), status);
    }
    enum pln_status ran = good ? pln_context_run(context) : PLN_OK;
    if (ran != PLN_OK) good = fail(judge, "run", pln_context_diagnostics(context), ran);
    for (int i = 0; good && i < pln_engine_output_count(engine); i++) {
        struct pln_tensor_info info;
        pln_host_value *got = NULL, *want = NULL;
        double worst = 0;
        enum pln_status status = pln_engine_output(engine, i, &info);
        snprintf(path, sizeof path, "%s/output_%d.pb", set, i);
        if (status == PLN_OK) status = pln_context_output_value(context, info.name, &got);
        if (status != PLN_OK) good = fail(judge, "output", pln_context_diagnostics(context), status);
        else if (access(path, R_OK) == 0 && (status = pln_host_value_read_pb(path, pln_host_value_kind(got), diagnostics, &want)) != PLN_OK) good = fail(judge, "output", diagnostics, status);
        else if (want && !pln_host_value_compare(got, want, &judge->how, why, sizeof why, &worst)) {
            judge->stage = "compare";
            snprintf(judge->why, sizeof judge->why, "output '%s': %s", info.name, why);
            good = false;
        }
        if (worst > judge->worst) judge->worst = worst;
        pln_host_value_destroy(got);
        pln_host_value_destroy(want);
    }
    for (int i = 0; i < 512; i++) pln_host_value_destroy(values[i]);
    pln_diagnostics_destroy(diagnostics);
    return good;
}

static bool run_case(struct judge *judge)
{
    pln_diagnostics *diagnostics = pln_diagnostics_create();
    pln_engine *engine = NULL;
    pln_context *context = NULL;
    pln_thread_pool *pool = NULL;
    char path[4200];
    read_tolerance(judge);
    snprintf(path, sizeof path, "%s/model.onnx", judge->folder);
    enum pln_status status = pln_thread_pool_create(1, &pool);
    const struct pln_build_options build = { .struct_size = sizeof build, .device = options.device, .diagnostics = diagnostics, .pool = pool, .disabled_passes = options.disabled.items, .placement_seed = (uint64_t)options.seed, .half = model_half(&options.on), .require_device = options.on.require_device,
                                             .cache_folder = options.no_cache ? NULL : model_cache_folder() };
    if (status == PLN_OK) status = pln_build_file(path, &build, &engine);
    bool good = status == PLN_OK || fail(judge, "build", diagnostics, status);
    if (good) {
        status = pln_context_create(engine, NULL, &context);
        good = status == PLN_OK || fail(judge, "context", NULL, status);
    }
    for (int i = 0; good; i++) {
        snprintf(path, sizeof path, "%s/test_data_set_%d", judge->folder, i);
        if (access(path, R_OK) != 0) break;
        good = run_set(judge, engine, context, path);
    }
    pln_context_destroy(context);
    pln_engine_release(engine);
    pln_thread_pool_destroy(pool);
    pln_diagnostics_destroy(diagnostics);
    return good;
}

/* ---- many cases ---- */

struct job {
    pid_t pid;
    int pipe;
    size_t index;
    struct timespec start;
    char text[1200];
    size_t size;
};

struct result {
    bool passed;
    char *why;
    double worst;
};

static void start_job(struct job *job, size_t index, const char *folder)
{
    int ends[2];
    *job = (struct job){ .index = index, .pipe = -1 };
    clock_gettime(CLOCK_MONOTONIC, &job->start);
    if (pipe(ends) != 0) return;
    fflush(NULL);
    job->pid = fork();
    if (job->pid == 0) {
        close(ends[0]);
        struct judge judge = { .folder = folder, .how = { options.rtol, options.atol, options.max_rel_err }, .stage = "" };
        bool good = run_case(&judge);
        char text[1200];
        int n = snprintf(text, sizeof text, "%c%.9g\n%s: %s", good ? 'P' : 'F', judge.worst, judge.stage, judge.why);
        if (n >= (int)sizeof text) n = sizeof text - 1;
        ssize_t written = write(ends[1], text, (size_t)n);
        exit(written == n ? 0 : 1); /* not _exit: leak checkers report at exit */
    }
    close(ends[1]);
    job->pipe = ends[0];
}

static double seconds_since(const struct timespec *start)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - start->tv_sec) + 1e-9 * (double)(now.tv_nsec - start->tv_nsec);
}

static void end_job(struct job *job, bool timed_out, struct result *result)
{
    int status = 0;
    char text[1400];
    close(job->pipe);
    if (timed_out) kill(job->pid, SIGKILL);
    waitpid(job->pid, &status, 0);
    job->text[job->size] = '\0';
    if (timed_out) snprintf(text, sizeof text, "timeout: more than %ld s", options.timeout);
    else if (WIFSIGNALED(status)) snprintf(text, sizeof text, "crash: %s", strsignal(WTERMSIG(status)));
    else if (job->size == 0 || WEXITSTATUS(status) != 0) snprintf(text, sizeof text, "crash: exit status %d", WEXITSTATUS(status));
    else {
        char *line = strchr(job->text, '\n');
        result->passed = job->text[0] == 'P';
        result->worst = strtod(job->text + 1, NULL);
        snprintf(text, sizeof text, "%s", line ? line + 1 : "");
    }
    for (char *c = text; *c; c++)
        if (*c == '\n') *c = ' ';
    result->why = strdup(text);
    job->pid = 0;
}

static bool read_job(struct job *job)
{
    ssize_t n = read(job->pipe, job->text + job->size, sizeof job->text - 1 - job->size);
    if (n <= 0) return !(n < 0 && errno == EINTR);
    job->size += (size_t)n;
    return job->size >= sizeof job->text - 1;
}

static void run_all(const struct text_list *cases, struct result *results)
{
    struct job jobs[64] = { 0 };
    struct pollfd polls[64];
    size_t next = 0, running = 0;
    while (next < cases->count || running > 0) {
        for (long i = 0; i < options.jobs; i++) {
            if (jobs[i].pid == 0 && next < cases->count) {
                start_job(&jobs[i], next, cases->items[next]);
                if (jobs[i].pid > 0) running++;
                else results[next].why = strdup("crash: no process could be made");
                next++;
            }
            polls[i] = (struct pollfd){ .fd = jobs[i].pid > 0 ? jobs[i].pipe : -1, .events = POLLIN };
        }
        poll(polls, (nfds_t)options.jobs, 200);
        for (long i = 0; i < options.jobs; i++) {
            if (jobs[i].pid <= 0) continue;
            bool late = seconds_since(&jobs[i].start) > (double)options.timeout;
            if (!late && !(polls[i].revents && read_job(&jobs[i]))) continue;
            end_job(&jobs[i], late, &results[jobs[i].index]);
            running--;
        }
    }
}

static int report(const struct text_list *cases, const struct result *results)
{
    size_t passed = 0;
    FILE *json = options.json ? options.json[0] ? fopen(options.json, "w") : stdout : NULL;
    if (options.json && !json) return command_fail(&command_check, 1, "%s: %s", options.json, strerror(errno));
    if (json) fputs("{\"schema\":1,\"device\":", json);
    if (json) json_text(json, options.device);
    if (json) fputs(",\"cases\":[", json);
    for (size_t i = 0; i < cases->count; i++) {
        const char *slash = strrchr(cases->items[i], '/'), *name = slash ? slash + 1 : cases->items[i];
        passed += results[i].passed;
        if (!results[i].passed) printf("%s: %s\n", name, results[i].why ? results[i].why : "");
        else if (verbosity > 0) printf("%s: passed, largest relative error %.3g\n", name, results[i].worst);
        if (!json) continue;
        fprintf(json, "%s\n{\"name\":", i ? "," : "");
        json_text(json, name);
        fprintf(json, ",\"passed\":%s,\"max_rel\":", results[i].passed ? "true" : "false");
        json_number(json, results[i].worst);
        fputs(",\"why\":", json);
        json_text(json, results[i].passed ? "" : results[i].why);
        fputc('}', json);
    }
    if (json) fprintf(json, "\n],\"passed\":%zu,\"failed\":%zu}\n", passed, cases->count - passed);
    if (json && json != stdout && fclose(json) != 0) return command_fail(&command_check, 1, "%s: %s", options.json, strerror(errno));
    printf("%zu passed, %zu failed, 0 skipped\n", passed, cases->count - passed);
    if (fflush(stdout) != 0) return command_fail(&command_check, 1, "stdout: %s", strerror(errno));
    return passed == cases->count ? 0 : 1;
}

/* A misspelt pass is one mistake of the user, not a failure of each case. */
static int check_passes(void)
{
    const char *names[64];
    size_t n = 0;
    for (; n < 64 && pln_pass_name((int)n); n++) names[n] = pln_pass_name((int)n);
    for (size_t i = 0; i < options.disabled.count; i++) {
        const char *name = options.disabled.items[i];
        size_t k = 0;
        while (k < n && strcmp(names[k], name) != 0) k++;
        if (k == n) return command_fail(&command_check, 2, "there is no pass '%s'; planish ops --passes lists them", name);
    }
    text_list_add(&options.disabled, NULL);
    return 0;
}

static int run(int argc, char **argv)
{
    static struct text_list rest, cases; /* live as long as the process */
    options.rtol = 1e-3;
    options.atol = 1e-7;
    options.jobs = sysconf(_SC_NPROCESSORS_ONLN);
    options.timeout = 60;
    int status = options_parse(&command_check, rows, argc, argv, &rest);
    if (status >= 0) return status;
    if (rest.count == 0) {
        free(rest.items);
        return command_fail(&command_check, 2, "which folder or file? planish check --help tells more");
    }
    status = model_check_tune(&command_check, options.tune, options.timing_cache);
    if (status == 0) status = check_passes();
    if (status) return status;
    if (options.jobs < 1) options.jobs = 1;
    if (options.jobs > 64) options.jobs = 64;
    size_t files = 0;
    for (size_t i = 0; i < rest.count; i++) files += !is_folder(rest.items[i]);
    if (files == rest.count) return faults_list(&command_check, &rest, options.json);
    if (files > 0) return command_fail(&command_check, 2, "folders of cases or files, not both at once");
    for (size_t i = 0; i < rest.count; i++) {
        size_t before = cases.count;
        find_cases(rest.items[i], 0, &cases);
        if (cases.count == before) return command_fail(&command_check, 1, "%s: no case (a folder with model.onnx) in it", rest.items[i]);
    }
    if (!options.device) options.device = model_default_device(NULL, true);
    if (verbosity >= 0 && !(options.json && !options.json[0])) printf("device %s\n", options.device);
    struct result *results = calloc(cases.count + 1, sizeof *results);
    if (!results) return command_fail(&command_check, 1, "out of memory");
    run_all(&cases, results);
    status = report(&cases, results);
    for (size_t i = 0; i < cases.count; i++) {
        free(results[i].why);
        free((char *)(uintptr_t)cases.items[i]);
    }
    free(results);
    return status;
}
