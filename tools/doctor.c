/* planish doctor: what this machine has, what is missing, and how to get it. */
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "json.h"
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
    fprintf(out, ",\"memory_bytes\":%llu,\"problem\":", (unsigned long long)info->memory_bytes);
    json_text(out, info->problem[0] ? info->problem : NULL);
    fputs(",\"compiler\":", out);
    json_text(out, info->compiler[0] ? info->compiler : NULL);
    fputs(",\"compiler_problem\":", out);
    json_text(out, info->compiler_problem[0] ? info->compiler_problem : NULL);
    fputc('}', out);
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
    fprintf(output.text, "%-8s .png%s\n", "pictures", picture_has_jpeg ? ", .jpg" : "; .jpg not: this build had no libjpeg (Debian: apt-get install libjpeg-dev, then build again)");
    if (output.json) fprintf(output.json, "\n],\"pictures\":[\"png\"%s]}\n", picture_has_jpeg ? ",\"jpeg\"" : "");
    return output_close(&command_doctor, options.json, &output);
}
