/* planish doctor: what this machine has, what is missing, and how to get it. */
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "json.h"
#include "model.h"
#include "picture.h"
#include "planish/device.h"
#include "planish/planish.h"
#include "text.h"

static int run(int argc, char **argv);
const struct command command_doctor = {
    "doctor", "[options]", "Shows the devices of this machine, what is missing, and how to get it.", "  planish doctor\n  planish doctor --json\n", run, false
};

static struct {
    const char *json;
} options;

static const struct option_row rows[] = {
    { "json", 0, OPTION_OPTIONAL, &options.json, "FILE", "the same as JSON" },
    { 0 },
};

static void print_device(FILE *out, const struct pln_device_info *info)
{
    if (info->usable) fprintf(out, "%-8s %s%s%s\n", info->name, info->description, info->memory_bytes ? ", " : "", info->memory_bytes ? text_bytes(info->memory_bytes) : "");
    else fprintf(out, "%-8s not usable: %s\n", info->name, info->problem);
    const int threads = pln_thread_pool_threads(NULL);
    if (info->features) fprintf(out, "%-8s %s; %d thread%s\n", "", info->features, threads, threads == 1 ? "" : "s");
    if (info->driver[0]) fprintf(out, "%-8s driver %s\n", "", info->driver);
    if (info->compiler[0]) fprintf(out, "%-8s builds with %s\n", "", info->compiler);
    if (info->compiler_problem[0]) fprintf(out, "%-8s cannot build: %s\n", "", info->compiler_problem);
}

static void write_device(FILE *out, int index, const struct pln_device_info *info)
{
    fputs(index ? ",\n{\"name\":" : "\n{\"name\":", out);
    json_text(out, info->name);
    fprintf(out, ",\"usable\":%s,\"description\":", info->usable ? "true" : "false");
    json_text(out, info->description[0] ? info->description : NULL);
    fputs(",\"arch\":", out);
    json_text(out, info->arch[0] ? info->arch : NULL);
    fprintf(out, ",\"memory_bytes\":%llu,\"features\":", (unsigned long long)info->memory_bytes);
    json_text(out, info->features);
    fputs(",\"problem\":", out);
    json_text(out, info->problem[0] ? info->problem : NULL);
    fputs(",\"driver\":", out);
    json_text(out, info->driver[0] ? info->driver : NULL);
    fputs(",\"compiler\":", out);
    json_text(out, info->compiler[0] ? info->compiler : NULL);
    fputs(",\"compiler_problem\":", out);
    json_text(out, info->compiler_problem[0] ? info->compiler_problem : NULL);
    fputc('}', out);
}

/* Version of the onnxruntime that python3 has, which is what --vs onnxruntime runs; "" where there is none. */
static void find_peer(char *version, size_t version_bytes)
{
    fflush(NULL);
    FILE *pipe = popen("python3 -c 'import onnxruntime; print(onnxruntime.__version__)' 2>/dev/null", "r");
    version[0] = '\0';
    if (!pipe) return;
    if (!fgets(version, (int)version_bytes, pipe)) version[0] = '\0';
    version[strcspn(version, "\n")] = '\0';
    if (pclose(pipe) != 0) version[0] = '\0';
}

static void print_rest(struct output *output)
{
    const char *cache = model_cache_folder();
    char peer[40];
    find_peer(peer, sizeof peer);
    fprintf(output->text, "%-8s .png%s\n", "pictures", picture_has_jpeg ? ", .jpg" : "; .jpg not: this build had no libjpeg (Debian: apt-get install libjpeg-dev, then build again)");
    fprintf(output->text, "%-8s %s\n", "cache", cache ? cache : "none: set PLANISH_CACHE_DIR, XDG_CACHE_HOME or HOME to keep plans, compiled device code and times of kernels");
    if (peer[0]) fprintf(output->text, "%-8s onnxruntime %s in python3, for --vs onnxruntime\n", "peer", peer);
    else fprintf(output->text, "%-8s no onnxruntime in python3: --vs onnxruntime wants one (python3 -m venv peer; peer/bin/pip install onnxruntime), named with --python peer/bin/python\n", "peer");
    if (!output->json) return;
    fprintf(output->json, "\n],\"threads\":%d,\"pictures\":[\"png\"%s],\"cache\":", pln_thread_pool_threads(NULL), picture_has_jpeg ? ",\"jpeg\"" : "");
    json_text(output->json, cache);
    fputs(",\"onnxruntime\":", output->json);
    json_text(output->json, peer[0] ? peer : NULL);
    fputs("}\n", output->json);
}

static int run(int argc, char **argv)
{
    struct output output;
    static struct text_list rest; /* lives as long as the process */
    struct pln_device_info info;
    int status = options_parse(&command_doctor, rows, argc, argv, &rest);
    if (status >= 0) return status;
    if (rest.count) status = command_fail(&command_doctor, 2, "'%s' is too much: doctor takes options only", rest.items[0]);
    free(rest.items);
    if (status >= 0) return status;
    status = output_open(&command_doctor, options.json, &output);
    if (status) return status;
    fprintf(output.text, "planish %s\n", pln_version());
    if (output.json) fputs("{\"schema\":1,\"devices\":[", output.json);
    for (int i = 0; pln_device_get(i, &info) == PLN_OK; i++) {
        print_device(output.text, &info);
        if (output.json) write_device(output.json, i, &info);
    }
    print_rest(&output);
    return output_close(&command_doctor, options.json, &output);
}
