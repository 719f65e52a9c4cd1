/* planish check: runs test cases in the layout of the ONNX backend tests. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "commands.h"
#include "faults.h"
#include "json.h"
#include "plain.h"
#include "say.h"
#include "text.h"

static int run(int argc, char **argv);
const struct command command_check = {
    "check", "[options] DIR… | FILE…", "Runs test cases in the layout of the ONNX backend tests and compares the outputs; or lists all faults of models and plans.",
    "  planish check tests/models/zoo\n  planish check model.onnx model.plan\n  planish check --device ref --max-rel-err 1e-3 cases/\n  planish check --disable-pass fuse cases/\n", run, false
};

static struct check_options options;
static const char *json_file;

static const struct option_row rows[] = {
    { "device", 0, OPTION_TEXT, &options.device, "NAME", DEVICE_HELP },
    { "rtol", 0, OPTION_REAL, &options.rtol, "R", "allowed |a-b| <= atol + rtol*|b| (1e-3)" },
    { "atol", 0, OPTION_REAL, &options.atol, "A", "(1e-7)" },
    { "max-rel-err", 0, OPTION_REAL, &options.max_rel_err, "E", "judge floats by max|a-b| / max|b| of an output instead" },
    { "jobs", 'j', OPTION_COUNT, &options.jobs, "N", "cases at a time (the number of CPUs)" },
    { "process-cases", 0, OPTION_COUNT, &options.process_cases, "N", "cases that a process takes, one after the other (1; 64 on a GPU, which takes long to open)" },
    { "timeout", 0, OPTION_COUNT, &options.timeout, "S", "seconds for one case (60)" },
    TUNE_ROWS(options, "off"),
    DEVICE_ROWS(options.on),
    { "disable-pass", 0, OPTION_LIST, &options.disabled, "PASS", "switch an optimization off (may be given again; planish ops --passes lists them)" },
    { "placement-seed", 0, OPTION_INT, &options.seed, "N", "place steps at random, on devices with memory of their own" },
    { "json", 0, OPTION_OPTIONAL, &json_file, "FILE", "results as JSON" },
    { 0 },
};

/* ---- finding cases ---- */

static bool has_file(const char *folder, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return is_file(path);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void find_cases(const char *folder, int depth, struct text_list *cases)
{
    if (has_file(folder, "model.onnx")) {
        char *copy = strdup(folder);
        if (!copy) return;
        for (size_t length = strlen(copy); length > 1 && copy[length - 1] == '/'; length--) copy[length - 1] = '\0'; /* cases are named by what is behind the last one */
        text_list_add(cases, copy);
        return;
    }
    DIR *open = depth < 16 ? opendir(folder) : NULL;
    if (!open) return;
    struct text_list inner = { 0 };
    for (struct dirent *entry; (entry = readdir(open));) {
        if (entry->d_name[0] == '.') continue;
        size_t size = strlen(folder) + strlen(entry->d_name) + 2;
        char *path = malloc(size);
        if (!path) continue;
        snprintf(path, size, "%s/%s", folder, entry->d_name);
        if (is_folder(path)) text_list_add(&inner, path);
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

static int report(const struct text_list *cases, const struct check_verdict *verdicts)
{
    size_t passed = 0;
    FILE *json = json_file ? json_file[0] ? fopen(json_file, "w") : stdout : NULL;
    if (json_file && !json) return command_fail(&command_check, 1, "%s: %s", json_file, strerror(errno));
    FILE *text = json == stdout ? stderr : stdout;
    if (json == stdout) plain_leave_stdout();
    if (json) fputs("{\"schema\":1,\"device\":", json);
    if (json) json_text(json, options.device);
    if (json) fputs(",\"cases\":[", json);
    for (size_t i = 0; i < cases->count; i++) {
        const char *slash = strrchr(cases->items[i], '/'), *name = slash ? slash + 1 : cases->items[i];
        passed += verdicts[i].passed;
        if (!verdicts[i].passed) say(text, "%s: %s\n", name, verdicts[i].why);
        else if (verbosity > 0) say(text, "%s: passed, largest relative error %.3g\n", name, verdicts[i].worst);
        if (!json) continue;
        fprintf(json, "%s\n{\"name\":", i ? "," : "");
        json_text(json, name);
        fprintf(json, ",\"passed\":%s,\"max_rel\":", verdicts[i].passed ? "true" : "false");
        json_number(json, verdicts[i].worst);
        fputs(",\"why\":", json);
        json_text(json, verdicts[i].passed ? "" : verdicts[i].why);
        fputc('}', json);
    }
    if (json) fprintf(json, "\n],\"passed\":%zu,\"failed\":%zu}\n", passed, cases->count - passed);
    if (json && json != stdout && fclose(json) != 0) return command_fail(&command_check, 1, "%s: %s", json_file, strerror(errno));
    fprintf(text, "%zu passed, %zu failed, 0 skipped\n", passed, cases->count - passed);
    int error = command_flush();
    if (error) return command_fail(&command_check, 1, "stdout: %s", strerror(error));
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
    if (options.rtol < 0 || options.atol < 0 || options.max_rel_err < 0) return command_fail(&command_check, 2, "--rtol, --atol and --max-rel-err cannot be negative");
    status = model_check_tune(&command_check, options.tune, options.timing_cache);
    if (status == 0) status = model_check_device(&command_check, &options.on);
    if (status == 0) status = check_passes();
    if (status) return status;
    status = plugins_open(&command_check, &options.plugins, &options.loaded);
    if (status) return status;
    if (options.jobs < 1) options.jobs = 1;
    if (options.jobs > CHECK_MAX_JOBS) options.jobs = CHECK_MAX_JOBS;
    if ((status = check_writable(&command_check, json_file, false)) != 0) return status;
    size_t files = 0;
    for (size_t i = 0; i < rest.count; i++) files += !is_folder(rest.items[i]);
    if ((status = model_check_inputs(&command_check, &rest, json_file)) != 0) return status;
    if (files == rest.count) return faults_list(&command_check, &rest, options.loaded, json_file);
    if (files > 0) return command_fail(&command_check, 2, "folders of cases or files, not both at once");
    for (size_t i = 0; i < rest.count; i++) {
        size_t before = cases.count;
        find_cases(rest.items[i], 0, &cases);
        if (cases.count == before) return command_fail(&command_check, 1, "%s: no case (a folder with model.onnx and test_data_set_0) in it; planish check FILE lists the faults of a model", rest.items[i]);
    }
    if (!options.device) options.device = model_default_device(NULL, true);
    /* A misspelt device is one mistake, too; whether it can be used, each case's process finds out. */
    if (!model_knows_device(options.device)) return command_fail(&command_check, 2, "there is no device '%s'; planish doctor lists them", options.device);
    if (verbosity >= 0 && !(json_file && !json_file[0])) say(stdout, "device %s\n", options.device);
    if (options.process_cases < 1) options.process_cases = check_process_cases(options.device);
    struct check_verdict *verdicts = calloc(cases.count + 1, sizeof *verdicts);
    if (!verdicts) return command_fail(&command_check, 1, "out of memory");
    check_cases(&options, &cases, verdicts);
    status = report(&cases, verdicts);
    for (size_t i = 0; i < cases.count; i++) free((char *)(uintptr_t)cases.items[i]);
    free(verdicts);
    return status;
}
