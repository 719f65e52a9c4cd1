/* planish cache: the folder where plans, compiled code and times of kernels are kept. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "commands.h"
#include "json.h"
#include "model.h"
#include "planish/experimental/cache.h"
#include "say.h"
#include "text.h"

static int run(int argc, char **argv);
const struct command command_cache = {
    "cache", "[options] dir|list|clean", "Shows or empties the folder where plans built on the fly, compiled device code and times of kernels are kept.",
    "  planish cache list\n  planish cache clean\n  planish cache clean --keep 1G\n  PLANISH_CACHE_DIR=/tmp/cache planish cache dir\n", run, false
};

static struct {
    const char *json;
    long keep;
} options;

static const struct option_row rows[] = {
    { "keep", 0, OPTION_INT, &options.keep, "BYTES", "clean: remove the entries that were not used for the longest time, until so much is left (0)" },
    { "json", 0, OPTION_OPTIONAL, &options.json, "FILE", "the same as JSON" },
    { 0 },
};

struct listing {
    struct output *output;
    int n;
};

static void show(void *user, const struct pln_cache_entry *entry)
{
    struct listing *listing = user;
    char used[32] = "";
    time_t seconds = (time_t)entry->used_seconds;
    struct tm parts;
    if (gmtime_r(&seconds, &parts)) strftime(used, sizeof used, "%Y-%m-%d %H:%M:%S", &parts);
    say(listing->output->text, "%s  %10s  %s\n", used, text_bytes(entry->size_bytes), entry->name);
    if (listing->output->json) {
        fputs(listing->n ? ",\n{\"name\":" : "\n{\"name\":", listing->output->json);
        json_text(listing->output->json, entry->name);
        fprintf(listing->output->json, ",\"bytes\":%llu,\"used\":%lld}", (unsigned long long)entry->size_bytes, (long long)entry->used_seconds);
    }
    listing->n++;
}

static int work(const char *what, const char *folder, struct output *output)
{
    struct listing listing = { output, 0 };
    pln_diagnostics *diagnostics = pln_diagnostics_create();
    enum pln_status status = PLN_OK;
    uint64_t bytes = 0;
    int n = 0, exit_status = 0;
    if (output->json) {
        fputs("{\"schema\":1,\"folder\":", output->json);
        json_text(output->json, folder);
    }
    if (strcmp(what, "dir") == 0) {
        say(output->text, "%s\n", folder);
    } else if (strcmp(what, "list") == 0) {
        if (output->json) fputs(",\"entries\":[", output->json);
        status = pln_cache_list(folder, show, &listing, diagnostics, &n, &bytes);
        if (output->json) fputs("\n]", output->json);
        if (status == PLN_OK) say(output->text, "%s: %d entr%s, %s\n", folder, n, n == 1 ? "y" : "ies", text_bytes(bytes));
    } else {
        status = pln_cache_clean(folder, (uint64_t)options.keep, diagnostics, &n, &bytes);
        if (status == PLN_OK) say(output->text, "%s: %d entr%s removed, %s\n", folder, n, n == 1 ? "y" : "ies", text_bytes(bytes));
    }
    if (output->json) fprintf(output->json, ",\"count\":%d,\"bytes\":%llu}\n", n, (unsigned long long)bytes);
    if (status != PLN_OK) exit_status = model_fail(&command_cache, diagnostics, status, folder);
    pln_diagnostics_destroy(diagnostics);
    return exit_status;
}

static int run(int argc, char **argv)
{
    static const char *const words[] = { "dir", "list", "clean" };
    static struct text_list rest; /* lives as long as the process */
    struct output output;
    const char *what = NULL;
    int status = options_parse(&command_cache, rows, argc, argv, &rest);
    if (status >= 0) return status;
    for (size_t i = 0; rest.count == 1 && i < sizeof words / sizeof *words; i++)
        if (strcmp(rest.items[0], words[i]) == 0) what = words[i];
    const char *near = rest.count == 1 ? nearest_name(rest.items[0], words, sizeof words / sizeof *words) : NULL;
    if (!what && near) return command_fail(&command_cache, 2, "there is no '%s'; did you mean '%s'?", rest.items[0], near);
    if (!what) return command_fail(&command_cache, 2, "say dir, list or clean");
    if (options.keep < 0) return command_fail(&command_cache, 2, "--keep cannot be negative");
    const char *folder = model_cache_folder();
    if (!folder) return command_fail(&command_cache, 1, "there is no folder for the cache: neither PLANISH_CACHE_DIR, XDG_CACHE_HOME nor HOME is set");
    status = output_open(&command_cache, options.json, &output);
    if (status) return status;
    status = work(what, folder, &output);
    int closed = output_close(&command_cache, options.json, &output);
    return status ? status : closed;
}
