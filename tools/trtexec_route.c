/* Build routes: the knobs of a build as text. */
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "planish/builder.h"
#include "planish/planish.h"
#include "trtexec_route.h"

/* A knob of our own; each pass is one more, pass_NAME. */
static const struct {
    const char *name, *values, *standard, *help;
} knobs[] = {
    { "tune", "off|fast|full", "off", "how kernels are chosen: by estimate, or measured for 2 or 30 s at most" },
    { "winograd", "on|off", "on", "convolutions of 3 x 3 taps may run as Winograd's" },
    { "tf32", "on|off", "on", "products of floats may be rounded to tf32 on a GPU" },
    { "precision", "fp32|fp16|bf16", "fp32", "what floats may be stored in on a GPU" },
    { "threads", NULL, "0", "threads of the build and of the runs, 0: all" },
};
enum { N_KNOBS = sizeof knobs / sizeof *knobs };

static int pass_count(void)
{
    int n = 0;
    while (pln_pass_name(n)) n++;
    return n;
}

/* Index of a knob, passes behind the others; -1: there is none. */
static int find_knob(const char *name, size_t length)
{
    for (int i = 0; i < N_KNOBS; i++)
        if (strlen(knobs[i].name) == length && memcmp(knobs[i].name, name, length) == 0) return i;
    for (int i = 0; length > 5 && memcmp(name, "pass_", 5) == 0 && pln_pass_name(i); i++)
        if (strlen(pln_pass_name(i)) == length - 5 && memcmp(pln_pass_name(i), name + 5, length - 5) == 0) return N_KNOBS + i;
    return -1;
}

static const char *values_of(int knob)
{
    return knob < N_KNOBS ? knobs[knob].values : "on|off";
}

const char *trtexec_knob_standard(int knob)
{
    return knob < N_KNOBS ? knobs[knob].standard : "on";
}

static bool takes(int knob, const char *value, size_t length)
{
    const char *at = values_of(knob);
    char digits[8];
    if (!at) { /* a number of threads */
        snprintf(digits, sizeof digits, "%.*s", (int)(length < 7 ? length : 7), value);
        return length > 0 && length < 5 && strspn(digits, "0123456789") == length && atoi(digits) <= 1024;
    }
    for (;; at++) {
        const size_t n = strcspn(at, "|");
        if (n == length && memcmp(at, value, n) == 0) return true;
        at += n;
        if (!*at) return false;
    }
}

static void print_knob(int knob, bool first)
{
    char name[80];
    snprintf(name, sizeof name, "%s%s", knob < N_KNOBS ? "" : "pass_", knob < N_KNOBS ? knobs[knob].name : pln_pass_name(knob - N_KNOBS));
    fputs(first ? "\n  {\"option\": " : ",\n  {\"option\": ", stdout);
    json_text(stdout, name);
    fputs(", \"allowed_values\": [", stdout);
    for (const char *at = values_of(knob), *start = at; at && *at; at += *at == '|') {
        char value[32];
        const size_t n = strcspn(at, "|");
        snprintf(value, sizeof value, "%.*s", (int)n, at);
        fputs(at == start ? "" : ", ", stdout);
        json_text(stdout, value);
        at += n;
    }
    fputs("], \"default_value\": ", stdout);
    json_text(stdout, trtexec_knob_standard(knob));
    fputs(", \"help\": ", stdout);
    json_text(stdout, knob < N_KNOBS ? knobs[knob].help : "this optimization of the graph");
    fputc('}', stdout);
}

int trtexec_print_knobs(const char *name)
{
    const int only = name && *name ? find_knob(name + strspn(name, "-"), strlen(name + strspn(name, "-"))) : -1;
    if (name && *name && only < 0) return trtexec_error("--helpBuildRoute=%s: there is no such knob; --helpBuildRoute lists them", name);
    printf("{\"tuner_version\": \"%s\", \"tuner_options\": [", pln_version());
    for (int i = only < 0 ? 0 : only; i < N_KNOBS + pass_count() && (only < 0 || i == only); i++) print_knob(i, i == 0 || i == only);
    printf("\n]}\n");
    return 0;
}

/* ---- routes as text ---- */

static int read_values(struct trtexec_choice *choice, const char **at, bool several)
{
    const char *text = *at;
    const bool list = *text == '[';
    if (list && !several) return trtexec_error("a build route has one value a knob: -%s=VALUE; --tuneBuildRoutes takes lists", choice->name);
    for (text += list;; text++) {
        const size_t n = strcspn(text, list ? "|]" : " \t\r\n");
        if (choice->count == MOST_VALUES) return trtexec_error("-%s has more than %d values", choice->name, (int)MOST_VALUES);
        if (!takes(choice->knob, text, n))
            return trtexec_error("-%s cannot be '%.*s': it is %s", choice->name, (int)(n < 60 ? n : 60), text, values_of(choice->knob) ? values_of(choice->knob) : "a number from 0 to 1024");
        snprintf(choice->values[choice->count++], sizeof choice->values[0], "%.*s", (int)n, text);
        text += n;
        if (!list) break;
        if (*text == ']') {
            text++;
            break;
        }
        if (!*text) return trtexec_error("the list of -%s does not end in ]", choice->name);
    }
    *at = text;
    return 0;
}

int trtexec_read_routes(const char *text, bool several, struct trtexec_routes *out)
{
    out->count = 0;
    for (const char *at = text;;) {
        at += strspn(at, " \t\r\n");
        if (!*at) break;
        const size_t dashes = strspn(at, "-"), n = strcspn(at + dashes, "= \t\r\n");
        struct trtexec_choice *choice = &out->choices[out->count];
        if (out->count == MOST_KNOBS) return trtexec_error("a build route has %d knobs at most", (int)MOST_KNOBS);
        if (dashes == 0 || at[dashes + n] != '=') return trtexec_error("a build route is -KNOB=VALUE, …, not '%.60s'", at);
        *choice = (struct trtexec_choice){ .knob = find_knob(at + dashes, n) };
        snprintf(choice->name, sizeof choice->name, "%.*s", (int)n, at + dashes);
        if (choice->knob < 0) return trtexec_error("there is no knob '%s'; --helpBuildRoute lists them", choice->name);
        for (int i = 0; i < out->count; i++)
            if (out->choices[i].knob == choice->knob) return trtexec_error("knob '%s' is there twice", choice->name);
        at += dashes + n + 1;
        out->count++;
        if (read_values(choice, &at, several)) return 1;
    }
    return out->count ? 0 : trtexec_error("a build route is -KNOB=VALUE …; this one is empty");
}

int trtexec_apply_route(const char *route, struct model_options *options)
{
    static struct trtexec_routes search; /* its values live on in the options */
    if (trtexec_read_routes(route, false, &search)) return 1;
    for (int i = 0; i < search.count; i++) {
        const struct trtexec_choice *choice = &search.choices[i];
        const char *value = choice->values[0];
        if (choice->knob >= N_KNOBS) {
            if (strcmp(value, "off") == 0) text_list_add(&options->disabled, pln_pass_name(choice->knob - N_KNOBS));
        } else if (strcmp(choice->name, "tune") == 0) options->tune = value;
        else if (strcmp(choice->name, "winograd") == 0) options->on.winograd = value;
        else if (strcmp(choice->name, "tf32") == 0) options->on.tf32 = value;
        else if (strcmp(choice->name, "threads") == 0) options->threads = atol(value);
        else {
            options->on.fp16 = strcmp(value, "fp16") == 0;
            options->on.bf16 = strcmp(value, "bf16") == 0;
        }
    }
    return 0;
}
