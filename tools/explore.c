/* The page is explore.html, with the plans as JSON where it says DATA. Everything that comes from a model stands in that JSON alone. */
#include "explore.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "explore_page.h"
#include "json.h"
#include "planish/experimental/explore.h"
#include "planish/planish.h"
#include "steps.h"
#include "text.h"

static const char data_mark[] = "<!--DATA-->";

static void value_info(const struct explored *plan, int index, struct pln_value_info *out_info)
{
    enum pln_status status = plan->context ? pln_context_value(plan->context, index, out_info) : pln_engine_value(plan->model->engine, index, out_info);
    if (status != PLN_OK) *out_info = (struct pln_value_info){ .name = "", .pack = "", .device = "", .rank = -1, .offset = -1 };
}

static void write_dims(FILE *out, int rank, const int64_t *dims, const char *const *names)
{
    if (rank < 0) fputs("null", out);
    for (int i = 0; i < rank; i++) {
        fputs(i ? "," : "[", out);
        if (dims[i] >= 0) fprintf(out, "%lld", (long long)dims[i]);
        else json_text(out, names[i] ? names[i] : "?");
    }
    if (rank >= 0) fputs(rank ? "]" : "[]", out);
}

static void write_value(FILE *out, const struct explored *plan, int index)
{
    static const char *const places[] = { "input", "output", "weight", "arena", "view", "shape", "heap", "block input" };
    static const char *const kinds[] = { "", "sequence of ", "optional ", "map of " };
    struct pln_value_info info;
    value_info(plan, index, &info);
    fputs(index ? ",\n{\"name\":" : "\n{\"name\":", out);
    json_text(out, info.name);
    fprintf(out, ",\"type\":\"%s%s\",\"shape\":", kinds[info.kind], pln_dtype_name(info.dtype));
    write_dims(out, info.rank, info.dims, info.dim_names);
    fprintf(out, ",\"place\":\"%s\",\"index\":%d,\"block\":%d,\"segment\":%d,\"first\":%d,\"last\":%d,\"bytes\":%llu,\"pack\":", places[info.place], info.index, info.block, info.segment, info.first, info.last,
            (unsigned long long)info.size_bytes);
    json_text(out, info.pack);
    fputs(",\"device\":", out);
    json_text(out, info.device);
    if (info.offset >= 0) fprintf(out, ",\"offset\":%lld}", (long long)info.offset);
    else fputs(",\"offset\":null}", out);
}

static void write_ids(FILE *out, const char *name, const uint32_t *ids, int n)
{
    fprintf(out, ",\"%s\":[", name);
    for (int i = 0; i < n; i++) fprintf(out, "%s%lld", i ? "," : "", ids[i] == UINT32_MAX ? -1LL : (long long)ids[i]);
    fputc(']', out);
}

/* The names of a step's ONNX nodes come joined by " + ". */
static void write_nodes(FILE *out, const char *joined)
{
    fputs(",\"nodes\":[", out);
    for (const char *at = joined; *at;) {
        const char *end = strstr(at, " + ");
        size_t n = end ? (size_t)(end - at) : strlen(at);
        char *name = malloc(n + 1);
        if (at != joined) fputc(',', out);
        if (name) {
            memcpy(name, at, n);
            name[n] = '\0';
        }
        json_text(out, name ? name : "");
        free(name);
        at += n + (end ? 3 : 0);
    }
    fputc(']', out);
}

static void write_step(FILE *out, const struct explored *plan, int index)
{
    struct pln_step_info info;
    struct pln_step_operands operands;
    struct step_work work = { NAN, NAN };
    const bool measured = index < plan->profile.n_steps;
    if (pln_engine_step(plan->model->engine, index, &info) != PLN_OK || pln_engine_step_operands(plan->model->engine, index, &operands) != PLN_OK) return;
    if (plan->context) profile_step_work(plan->model, plan->context, index, &work);
    steps_begin_json(out, &info, index == 0);
    fprintf(out, ",\"block\":%d,\"segment\":%d", operands.block, operands.segment);
    write_nodes(out, info.name);
    write_ids(out, "inputs", operands.inputs, operands.n_inputs);
    write_ids(out, "outputs", operands.outputs, operands.n_outputs);
    write_ids(out, "bodies", operands.blocks, operands.n_blocks);
    fprintf(out, ",\"count\":%llu,\"ms\":", measured ? (unsigned long long)plan->profile.counts[index] : 0);
    json_number(out, measured ? plan->profile.ms[index] : NAN);
    fputs(",\"flops\":", out);
    json_number(out, work.flops);
    fputs(",\"bytes\":", out);
    json_number(out, work.bytes);
    fputc('}', out);
}

static void write_ios(FILE *out, const char *what, const struct explored *plan, enum pln_value_place place)
{
    int n = 0;
    const bool inputs = place == PLN_VALUE_INPUT;
    struct pln_tensor_info info;
    fprintf(out, ",\"%s\":[", what);
    for (int i = 0; (inputs ? pln_engine_input(plan->model->engine, i, &info) : pln_engine_output(plan->model->engine, i, &info)) == PLN_OK; i++) {
        fputs(n++ ? ",{\"name\":" : "{\"name\":", out);
        json_text(out, info.name);
        fprintf(out, ",\"type\":\"%s\",\"shape\":", pln_dtype_name(info.dtype));
        write_dims(out, info.rank, info.dims, info.dim_names);
        fputc('}', out);
    }
    fputc(']', out);
}

static void write_plan(FILE *out, const struct explored *plan)
{
    struct pln_engine_summary summary;
    pln_engine_summarize(plan->model->engine, &summary);
    fputs("{\"path\":", out);
    json_text(out, plan->path);
    fputc(',', out);
    steps_write_device_json(out, plan->model->engine);
    fputs(",\"targets\":", out);
    json_text(out, summary.targets);
    fprintf(out, ",\"threads\":%d,\"onnx_nodes\":%d,\"weights_bytes\":%llu,\"plan_bytes\":%llu,\"measured\":%s,\"runs\":%d,\"run_ms\":", plan->model->threads, summary.onnx_nodes,
            (unsigned long long)summary.weights_bytes, plan->model->is_plan ? (unsigned long long)summary.plan_bytes : 0, plan->profile.n_steps ? "true" : "false", plan->profile.runs);
    json_number(out, plan->profile.n_steps ? plan->profile.run_ms : NAN);
    fputs(",\"why\":", out);
    json_text(out, plan->why);
    roof_write_json(out, plan->has_roof ? &plan->roof : NULL);
    write_ios(out, "inputs", plan, PLN_VALUE_INPUT);
    write_ios(out, "outputs", plan, PLN_VALUE_OUTPUT);
    fputs(",\n\"steps\":[", out);
    for (int i = 0; i < summary.steps; i++) write_step(out, plan, i);
    fputs("\n],\"values\":[", out);
    for (int i = 0; i < pln_engine_value_count(plan->model->engine); i++) write_value(out, plan, i);
    fputs("\n]}", out);
}

static void write_page(FILE *out, const struct explored *plans, int count)
{
    const char *mark = strstr(explore_page, data_mark);
    if (!mark) return; /* the page is part of this program: a test looks for the data */
    fwrite(explore_page, 1, (size_t)(mark - explore_page), out);
    fprintf(out, "<script type=\"application/json\" id=\"data\">{\"schema\":1,\"version\":");
    json_text(out, pln_version());
    fputs(",\"plans\":[", out);
    for (int i = 0; i < count; i++) {
        if (i) fputs(",\n", out);
        write_plan(out, &plans[i]);
    }
    fputs("]}</script>", out);
    fputs(mark + sizeof data_mark - 1, out);
}

int explore_write(const struct command *command, const char *path, const struct explored *plans, int count)
{
    char temporary[4400], ending[32];
    snprintf(ending, sizeof ending, ".new.%ld", (long)getpid());
    const bool special = access(path, F_OK) == 0 && !is_file(path); /* a device or a pipe is written to: a rename would put a file where it was */
    if ((size_t)snprintf(temporary, sizeof temporary, "%s%s", path, special ? "" : ending) >= sizeof temporary) return command_fail(command, 1, "the path of the page is too long");
    FILE *out = fopen(temporary, "wb");
    if (!out) return command_fail(command, 1, "%s: %s", path, strerror(errno));
    write_page(out, plans, count);
    int status = close_written(command, path, out);
    if (special) return status;
    if (status == 0 && rename(temporary, path) != 0) status = command_fail(command, 1, "%s: %s", path, strerror(errno));
    if (status) remove(temporary);
    return status;
}
