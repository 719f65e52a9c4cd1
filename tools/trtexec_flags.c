/* The table of trtexec's flags, and reading them. */
#include <stdlib.h>
#include <string.h>

#include "planish/planish.h"
#include "say.h"
#include "trtexec.h"

/* What was given. */
struct value {
    bool given;
    const char *text;
    struct text_list list;
};

static struct value values[FLAG_COUNT];

static const struct trtexec_row rows[] = {
#define FLAG(group, name, kind, argument, since, gone, effect, test, help) { #name, argument, since, gone, help, GROUP_##group, KIND_##kind, EFFECT_##effect, TEST_##test },
#define TEST_SHOWN true
#define TEST_UNSHOWN false
#include "trtexec_flags.inc"
#undef FLAG
};

/* Names as they are typed, with hyphens. */
static const char *names[FLAG_COUNT];

static void name_flags(void)
{
    static char room[FLAG_COUNT][48];
    for (int i = 0; i < FLAG_COUNT && !names[FLAG_COUNT - 1]; i++) {
        snprintf(room[i], sizeof room[i], "%s", rows[i].name);
        for (char *at = room[i]; *at; at++)
            if (*at == '_') *at = '-';
        names[i] = room[i];
    }
}

const struct trtexec_row *trtexec_row(enum trtexec_flag flag)
{
    return &rows[flag];
}

bool trtexec_given(enum trtexec_flag flag)
{
    return values[flag].given;
}

const char *trtexec_text(enum trtexec_flag flag)
{
    return values[flag].text;
}

double trtexec_number(enum trtexec_flag flag, double otherwise)
{
    return values[flag].text ? strtod(values[flag].text, NULL) : otherwise;
}

bool trtexec_is(enum trtexec_flag flag, const char *word)
{
    return values[flag].text && strcmp(values[flag].text, word) == 0;
}

const struct text_list *trtexec_list(enum trtexec_flag flag)
{
    return &values[flag].list;
}

int trtexec_version(void)
{
    return (int)trtexec_number(FLAG_pln_version, 10);
}

/* ---- for those who list options ---- */

const struct option_row *trtexec_option_rows(void)
{
    static struct option_row options[FLAG_COUNT + 1];
    static char helps[FLAG_COUNT][400];
    static const char *const before[] = { [EFFECT_ACTS] = "", [EFFECT_ALWAYS] = "as always here: ", [EFFECT_NOTHING] = "no meaning here: ", [EFFECT_MISSING] = "not done yet: ", [EFFECT_REFUSED] = "refused: " };
    static char nowhere[64]; /* options_visit writes nothing; the table alone is looked at */
    name_flags();
    for (int i = 0; i < FLAG_COUNT; i++) {
        const enum option_kind kind = rows[i].kind == KIND_SWITCH ? OPTION_FLAG : rows[i].kind == KIND_OPTIONAL ? OPTION_OPTIONAL : rows[i].kind == KIND_LIST ? OPTION_LIST : OPTION_TEXT;
        snprintf(helps[i], sizeof helps[i], "%s%s", before[rows[i].effect], rows[i].help);
        options[i] = (struct option_row){ names[i], i == FLAG_help ? 'h' : 0, kind, nowhere, rows[i].argument, helps[i] };
    }
    return options;
}

static const struct {
    const char *title, *about;
} groups[GROUP_COUNT] = {
    [GROUP_MODEL] = { "Model", "" },
    [GROUP_BUILD] = { "Build", "" },
    [GROUP_TUNING] = { "Tuning of the build", "A route is a list of knobs, `-KNOB=VALUE`; `--helpBuildRoute` prints them as JSON." },
    [GROUP_INFERENCE] = { "Inference", "" },
    [GROUP_REPORTING] = { "Report", "" },
    [GROUP_SYSTEM] = { "System", "" },
    [GROUP_OLD] = { "Flags of older versions", "They are taken whatever `--pln-version` says." },
    [GROUP_PLANISH] = { "Planish's own", "" },
};

static const char *const effects[] = { [EFFECT_ACTS] = "acts", [EFFECT_ALWAYS] = "always so", [EFFECT_NOTHING] = "no meaning", [EFFECT_MISSING] = "not done yet", [EFFECT_REFUSED] = "refused" };

/* A cell of a table: | would end it. */
static void print_cell(const char *text)
{
    for (; *text; text++) {
        if (*text == '|') putchar('\\');
        putchar(*text);
    }
}

static void print_row(int flag)
{
    const struct trtexec_row *row = &rows[flag];
    printf("| `--%s", names[flag]);
    if (row->kind == KIND_OPTIONAL) printf("[=%s]", row->argument);
    else if (row->kind != KIND_SWITCH) putchar('='), print_cell(row->argument);
    const int since = atoi(row->since), last = atoi(row->gone) - 1;
    fputs("` | ", stdout);
    if (last > since) printf("%d–%d", since, last);
    else if (row->group != GROUP_PLANISH) printf("%d%s", since, last < 0 ? " on" : "");
    printf(" | %s | %s | ", effects[row->effect], row->shown ? "yes" : "**missing**");
    print_cell(row->help);
    printf(" |\n");
}

void trtexec_print_markdown(void)
{
    int counts[EFFECT_REFUSED + 1] = { 0 }, missing = 0;
    name_flags();
    for (int i = 0; i < FLAG_COUNT; i++) {
        counts[rows[i].effect]++;
        missing += !rows[i].shown;
    }
    printf("# trtexec\n\nAll flags of trtexec from 8.6 to 11.1, and what `planish trtexec` does with each. `make docs` writes this page, from the table that also reads the command line.\n"
           "How it is used is told in [command-line.md](command-line.md).\n\n"
           "| here | flags | what that means |\n|---|---|---|\n"
           "| acts | %d | it does what the last column says |\n"
           "| always so | %d | what it asks for is so with and without it: one line says so |\n"
           "| no meaning | %d | it is taken; a warning gives the reason |\n"
           "| not done yet | %d | it is taken; a warning says that it could have a meaning here and has none |\n"
           "| refused | %d | an error that says what to do, for what is not there |\n\n"
           "Values of all flags are looked at; a wrong one is an error with exit status 1. Of %d flags, %d have no test (column \"test\"): the others are each used in a test that fails\n"
           "without the flag. Versions: \"8–10\": in 8 to 10, gone from 11.0; \"9 on\": from 9 to now.\n",
           counts[EFFECT_ACTS], counts[EFFECT_ALWAYS], counts[EFFECT_NOTHING], counts[EFFECT_MISSING], counts[EFFECT_REFUSED], FLAG_COUNT, missing);
    for (int g = 0; g < GROUP_COUNT; g++) {
        printf("\n## %s\n\n%s%s| flag | versions | here | test | what it does, or why not |\n|---|---|---|---|---|\n", groups[g].title, groups[g].about, groups[g].about[0] ? "\n\n" : "");
        for (int i = 0; i < FLAG_COUNT; i++)
            if ((int)rows[i].group == g) print_row(i);
    }
}

/* ---- reading ---- */

void trtexec_tell_flags(void)
{
    for (int i = 0; i < FLAG_COUNT; i++) {
        if (!values[i].given) continue;
        if (rows[i].effect == EFFECT_ALWAYS) trtexec_log('I', "--%s: as always here: %s", names[i], rows[i].help);
        if (rows[i].effect == EFFECT_NOTHING) trtexec_log('W', "--%s has no meaning here: %s", names[i], rows[i].help);
        if (rows[i].effect == EFFECT_MISSING) trtexec_log('W', "--%s is not done yet: %s", names[i], rows[i].help);
    }
}

/* "~/model.onnx", as a shell does not expand it behind `=`. */
static const char *expand_home(const char *path)
{
    const char *home = getenv("HOME");
    if (path[0] != '~' || (path[1] && path[1] != '/') || !home) return path;
    char *made = malloc(strlen(home) + strlen(path));
    if (!made) return path;
    sprintf(made, "%s%s", home, path + 1);
    return made; /* lives as long as the process */
}

/* Flags whose place counts: those that follow --profile=N and --refPair=N are its own. NULL, or what is wrong. */
static const char *set_in_order(int flag, const char *value)
{
    switch (flag) {
    case FLAG_profile: return trtexec_profile_begin(strtol(value, NULL, 10));
    case FLAG_minShapes: trtexec_profile_add(PROFILE_MIN, value); break;
    case FLAG_optShapes: trtexec_profile_add(PROFILE_OPT, value); break;
    case FLAG_maxShapes: trtexec_profile_add(PROFILE_MAX, value); break;
    case FLAG_refPair: return trtexec_pair_begin(strtol(value, NULL, 10));
    case FLAG_loadInputs: trtexec_pair_add(false, value); break;
    case FLAG_loadRefOutputs: trtexec_pair_add(true, value); break;
    default: break;
    }
    return NULL;
}

static int set(int flag, const char *value)
{
    struct trtexec_row row = rows[flag];
    row.name = names[flag];
    const char *fault = trtexec_value_fault(&row, value);
    if (!fault && row.effect == EFFECT_REFUSED) return trtexec_error("--%s cannot be had here: %s", row.name, row.help);
    if (!fault) fault = set_in_order(flag, value);
    if (fault) return trtexec_error("%s", fault);
    if (flag == FLAG_onnx) value = expand_home(value);
    values[flag].given = true;
    values[flag].text = value;
    if (row.kind == KIND_LIST) text_list_add(&values[flag].list, value);
    return 0;
}

static int find(const char *word, size_t length)
{
    int i = 0;
    while (i < FLAG_COUNT && (strlen(names[i]) != length || strncmp(names[i], word, length) != 0)) i++;
    return length > 0 && i < FLAG_COUNT ? i : -1;
}

static void tell_unknown(const char *word, size_t length)
{
    char own[64];
    snprintf(own, sizeof own, "%.*s", (int)(length < 63 ? length : 63), length ? word + 2 : "");
    const char *near = length ? nearest_name(own, names, FLAG_COUNT) : NULL;
    trtexec_log('E', "Unknown option: %s%s%s%s", word, near ? "; did you mean --" : length ? "" : " (options are --name or --name=value)", near ? near : "", near ? "?" : "");
}

int trtexec_parse(int argc, char **argv)
{
    int unknown = 0, bad = 0;
    name_flags();
    memset(values, 0, sizeof values);
    trtexec_profile_clear();
    for (int i = 1; i < argc && !bad; i++) {
        const char *word = strcmp(argv[i], "-h") == 0 ? "--help" : argv[i], *equals = strchr(word, '=');
        const size_t length = strncmp(word, "--", 2) == 0 ? (equals ? (size_t)(equals - word) : strlen(word)) - 2 : 0;
        const int flag = length ? find(word + 2, length) : -1;
        if (flag >= 0) {
            const char *value = equals ? equals + 1 : NULL;
            /* Ours have the grammar of ours, too. */
            if (!value && rows[flag].group == GROUP_PLANISH && rows[flag].kind != KIND_SWITCH && i + 1 < argc) value = argv[++i];
            bad = set(flag, value);
            continue;
        }
        if (unknown++ == 0) options_print_help(&command_trtexec, trtexec_option_rows());
        tell_unknown(word, length);
    }
    if (unknown || bad) return 1;
    if (!values[FLAG_help].given && argc > 1) return -1;
    options_print_help(&command_trtexec, trtexec_option_rows());
    return 0;
}
