#include "steps.h"

#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "say.h"

struct tally {
    char name[80];
    int count;
};

static int by_count(const void *a, const void *b)
{
    const struct tally *x = a, *y = b;
    return x->count != y->count ? (x->count < y->count) - (x->count > y->count) : strcmp(x->name, y->name);
}

static int step_count(const pln_engine *engine)
{
    struct pln_engine_summary summary;
    pln_engine_summarize(engine, &summary);
    return summary.steps;
}

static int is_reference(const struct pln_step_info *info)
{
    return strcmp(info->kernel, "ref") == 0;
}

void steps_print_kernels(FILE *out, const pln_engine *engine)
{
    int n = 0, steps = step_count(engine);
    struct tally *tallies = calloc((size_t)steps + 1, sizeof *tallies);
    if (!tallies) return;
    for (int i = 0; i < steps; i++) {
        struct pln_step_info info;
        char name[80];
        if (pln_engine_step(engine, i, &info) != PLN_OK) continue;
        if (is_reference(&info)) snprintf(name, sizeof name, "reference %s", info.op);
        else snprintf(name, sizeof name, "%s", info.kernel);
        int at = 0;
        while (at < n && strcmp(tallies[at].name, name) != 0) at++;
        if (at == n) memcpy(tallies[n++].name, name, sizeof name);
        tallies[at].count++;
    }
    qsort(tallies, (size_t)n, sizeof *tallies, by_count);
    fputs("steps by kernel:\n", out);
    for (int i = 0; i < n; i++) say(out, "%6d  %s\n", tallies[i].count, tallies[i].name);
    free(tallies);
}

static int nodes_of(const char *name)
{
    int n = name[0] != '\0';
    for (const char *at = name; (at = strstr(at, " + ")); at += 3) n++;
    return n;
}

void steps_print_fused(FILE *out, const pln_engine *engine, int limit)
{
    int fused = 0, nodes = 0, steps = step_count(engine);
    struct pln_step_info info;
    for (int i = 0; i < steps; i++) {
        int n = pln_engine_step(engine, i, &info) == PLN_OK ? nodes_of(info.name) : 0;
        fused += n > 1;
        nodes += n > 1 ? n : 0;
    }
    if (fused == 0) return;
    fprintf(out, "fused: %d ONNX nodes into %d steps\n", nodes, fused);
    for (int i = 0, shown = 0; i < steps && shown < limit; i++) {
        if (pln_engine_step(engine, i, &info) != PLN_OK || nodes_of(info.name) < 2) continue;
        say(out, "        %s: %.160s%s\n", is_reference(&info) ? info.op : info.kernel, info.name, strlen(info.name) > 160 ? "…" : "");
        shown++;
    }
    if (fused > limit) fprintf(out, "        (%d more: -v lists all)\n", fused - limit);
}

void steps_print_table(FILE *out, const pln_engine *engine)
{
    int steps = step_count(engine);
    say(out, "%5s %5s  %-18s %-30s %-6s %s\n", "step", "block", "op", "kernel", "device", "ONNX nodes");
    for (int i = 0; i < steps; i++) {
        struct pln_step_info info;
        if (pln_engine_step(engine, i, &info) == PLN_OK) say(out, "%5d %5d  %-18s %-30s %-6s %s\n", i, info.block, info.op, info.kernel, info.device, info.name);
    }
}

void steps_write_device_json(FILE *out, const pln_engine *engine)
{
    struct pln_engine_summary summary;
    pln_engine_summarize(engine, &summary);
    fputs("\"device\":", out);
    json_text(out, summary.device);
    fputs(",\"device_name\":", out);
    json_text(out, summary.device_name);
}

void steps_begin_json(FILE *out, const struct pln_step_info *info, bool first)
{
    fputs(first ? "\n{\"op\":" : ",\n{\"op\":", out);
    json_text(out, info->op);
    fputs(",\"kernel\":", out);
    json_text(out, info->kernel);
    fputs(",\"device\":", out);
    json_text(out, info->device);
}

void steps_write_json(FILE *out, const pln_engine *engine)
{
    int steps = step_count(engine);
    fputs("\"steps\":[", out);
    for (int i = 0; i < steps; i++) {
        struct pln_step_info info;
        if (pln_engine_step(engine, i, &info) != PLN_OK) continue;
        steps_begin_json(out, &info, i == 0);
        fputs(",\"onnx_nodes\":", out);
        json_text(out, info.name);
        fprintf(out, ",\"block\":%d}", info.block);
    }
    fputs("\n]", out);
}
