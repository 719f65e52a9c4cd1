/* planish trtexec: trtexec's grammar, report and exit codes over a model or plan. */
#ifndef PLANISH_TOOLS_TRTEXEC_H
#define PLANISH_TOOLS_TRTEXEC_H

#include "commands.h"
#include "inputs.h"
#include "peer.h"
#include "text.h"

/* ---- flags: trtexec_flags.inc, trtexec_flags.c, trtexec_values.c ---- */

enum trtexec_flag {
#define FLAG(group, name, kind, argument, since, gone, effect, test, help) FLAG_##name,
#include "trtexec_flags.inc"
#undef FLAG
    FLAG_COUNT
};

/* What stands after the `=`. */
enum trtexec_kind {
    KIND_SWITCH,   /* nothing; it is on with any value, as there */
    KIND_TEXT,
    KIND_OPTIONAL, /* text, or no value */
    KIND_LIST,     /* text; may be given again */
    KIND_COUNT,    /* a whole number from 1 on */
    KIND_INT,      /* a whole number; argument "0..5": the least and the largest */
    KIND_REAL,     /* the same with a fraction */
    KIND_SIZE,     /* 512M: bytes, in B, K, M or G of base 2 */
    KIND_WORD,     /* one of the argument's, which are joined by | */
    KIND_WORDS,    /* some of them, joined by commas, each with or without + or - in front */
    KIND_PAIRS,    /* name:value,…; argument "NAME:A|B,…": values are these, joined by + */
    KIND_SHAPES,   /* name:1x3x224x224,… */
    KIND_FORMATS,  /* type:layout or layout, + joins alternatives */
    KIND_POOLS,    /* pool:size,… */
    KIND_CONTROLS, /* in_memory:allow,temporary:deny */
    KIND_BUDGET    /* -2, -1, 50% or bytes */
};

enum trtexec_effect { EFFECT_ACTS, EFFECT_ALWAYS, EFFECT_NOTHING, EFFECT_MISSING, EFFECT_REFUSED };

enum trtexec_group { GROUP_MODEL, GROUP_BUILD, GROUP_TUNING, GROUP_INFERENCE, GROUP_REPORTING, GROUP_SYSTEM, GROUP_OLD, GROUP_PLANISH, GROUP_COUNT };

struct trtexec_row {
    const char *name, *argument, *since, *gone, *help;
    enum trtexec_group group;
    enum trtexec_kind kind;
    enum trtexec_effect effect;
    bool shown; /* by a test */
};

const struct trtexec_row *trtexec_row(enum trtexec_flag flag);
bool trtexec_given(enum trtexec_flag flag);
/* The last value that was given; NULL: none. */
const char *trtexec_text(enum trtexec_flag flag);
double trtexec_number(enum trtexec_flag flag, double otherwise);
/* The flag's last value is this word. */
bool trtexec_is(enum trtexec_flag flag, const char *word);
/* All that were given to a flag of KIND_LIST. */
const struct text_list *trtexec_list(enum trtexec_flag flag);
/* 8, 10 or 11. */
int trtexec_version(void);
/* Reads the flags. -1: go on; else the exit status: unknown options are all told, after the help. */
int trtexec_parse(int argc, char **argv);
/* The same table for options_visit, which takes help, man pages and completions from it; ended by name NULL. */
const struct option_row *trtexec_option_rows(void);
/* A line for each flag that was given and has no meaning here, or asks for what is always so. */
void trtexec_tell_flags(void);
void trtexec_print_markdown(void);
/* NULL: the value is one that the flag takes; else what it wants, in a static text. */
const char *trtexec_value_fault(const struct trtexec_row *row, const char *value);
/* "1.5G" in bytes, or in `unit` where no letter tells it; false: it is no size. */
bool trtexec_size(const char *text, size_t length, double unit, double *out_bytes);
/* Splits at commas that are outside of single quotes, and takes the quotes away; the strings live as long as the process. */
void trtexec_split(const char *text, struct text_list *out);

/* The JSON string at text, which begins behind its quote; out_end: behind its last quote. Escapes are those that json_text writes. The caller frees it; NULL: it is none. */
char *trtexec_read_string(const char *text, const char **out_end);

/* ---- shapes and profiles: trtexec_shapes.c ---- */

enum { PROFILE_MIN, PROFILE_OPT, PROFILE_MAX, PROFILE_PARTS };
/* What --profile, and --minShapes and its kind behind it, say; NULL, or what is wrong. */
const char *trtexec_profile_begin(long index);
void trtexec_profile_add(int part, const char *shapes);
int trtexec_profile_count(void);
/* Profiles of the flags are held against each other: 0, or 1 after saying so. */
int trtexec_profile_check(void);
/* The shapes of the run into out: --shapes, else the usual ones of --useProfile. */
void trtexec_run_shapes(struct text_list *out);
/* Names and dims of the profiles against the model's inputs, once they are known: 0, or 1 after saying so. */
int trtexec_profile_match(const pln_engine *engine);
/* What a plan's metadata keep of them: JSON, as the module planish.tensorrt writes and reads it. */
#define TRTEXEC_PROFILES_KEY "planish.tensorrt.profiles"
/* That text; NULL: there are none. The caller frees it. */
char *trtexec_profile_text(void);
/* Profiles of a loaded plan, where the flags give none. */
void trtexec_profile_load(const pln_engine *engine);
/* The text of a plan; what cannot be read says nothing. */
void trtexec_profile_read(const char *text);
void trtexec_profile_clear(void);
void trtexec_print_build_shapes(void);
/* {"MinShape":…} of each profile that has an input of that name. */
void trtexec_write_profiles(FILE *out, const char *name);
void trtexec_print_set_shapes(const pln_engine *engine);
void trtexec_print_profiles(const pln_engine *engine);

/* ---- the job ---- */

struct trtexec_options {
    long iterations, avg_runs, streams;
    double duration, warm_up, sleep_time, idle_time; /* s, then ms */
    bool spin, skip_inference, transfers; /* transfers: inputs and outputs are copied in each query */
    const char *percentile;
    struct model_options model; /* what the flags come to */
    struct text_list files;     /* --loadInputs, NAME:FILE each */
    double percentiles[16];
    int n_percentiles;
};

/* When what happened, in ms since the start of the measurement. */
struct trtexec_query {
    double start, enqueued, end;
};

struct trtexec_span {
    double min, max, sum; /* ms */
};

struct trtexec_times {
    struct trtexec_query *queries; /* counted ones, in the order of their ends: all, or every so-manyth where there are too many */
    size_t count, runs, warm_ups;  /* of runs, count are kept */
    struct trtexec_span compute, enqueue; /* of all runs */
    double first_ms, last_ms;      /* the first counted start, the last end */
    double wall_ms;                /* between them */
};

extern const struct command command_trtexec;

/* "[11/28/2026-22:31:07] [I] text": I and V on stdout, W and E on stderr. */
void trtexec_log(char level, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same as an error; 1. */
#define trtexec_error(...) (trtexec_log('E', __VA_ARGS__), 1)

/* trtexec_settle.c: are the flags at one with each other? 0, or 1 after saying why not. Then what they come to. */
int trtexec_check(struct trtexec_options *options);
int trtexec_settle(struct trtexec_options *options);

/* trtexec_run.c: 0 or an exit status after telling. */
int trtexec_measure(const struct trtexec_options *options, const struct model *model, const struct inputs *inputs, pln_context *first, struct trtexec_times *out_times);
int trtexec_profile(const struct trtexec_options *options, const struct model *model, pln_context *context);
int trtexec_time_load(const struct model *model);
double trtexec_median_ms(const struct trtexec_times *times);

/* trtexec_resident.c: inputs and outputs in the memory of a GPU. NULL: there is none, or no memory. It outlives the runs of contexts that are bound to it. */
struct trtexec_resident;
struct trtexec_resident *trtexec_resident_create(const struct model *model, const struct inputs *inputs);
void trtexec_resident_bind(const struct trtexec_resident *resident, const struct model *model, const struct inputs *inputs, pln_context *context);
/* The context has its inputs and outputs on the host again. */
void trtexec_resident_unbind(const struct trtexec_resident *resident, const struct model *model, const struct inputs *inputs, pln_context *context);
void trtexec_resident_destroy(struct trtexec_resident *resident); /* NULL is fine */

/* trtexec_report.c */
void trtexec_print_options(const struct trtexec_options *options);
void trtexec_print_device(const pln_engine *engine);
void trtexec_print_summary(const struct trtexec_options *options, const struct trtexec_times *times, bool on_cpu);

/* trtexec_export.c */
#define TRTEXEC_VERBOSITY_KEY "planish.trtexec.verbosity" /* a plan's metadata: --profilingVerbosity of its build */
void trtexec_print_layers(const struct model *model);
void trtexec_print_weights(const struct model *model);
void trtexec_print_outputs(const struct model *model, pln_context *context);
int trtexec_export_times(const char *path, const struct trtexec_times *times);
int trtexec_export_layers(const char *path, const struct model *model, pln_context *context);
int trtexec_export_outputs(const char *path, const struct model *model, pln_context *context);
int trtexec_dump_bindings(const struct model *model, const struct inputs *inputs, pln_context *context);
/* "1x3x224x224" into a small static ring of four. */
const char *trtexec_dims(int rank, const int64_t *dims);
/* "fp32", as trtexec names types; the same kind of ring. */
const char *trtexec_type(enum pln_dtype dtype);
/* FLAG's file, opened to be written; NULL after telling. */
FILE *trtexec_open_export(const char *path);
int trtexec_close_export(const char *path, FILE *out);

/* trtexec_accuracy.c: --loadInputs and --loadRefOutputs, in pairs. */
const char *trtexec_pair_begin(long index);
void trtexec_pair_add(bool reference, const char *files);
int trtexec_pair_check(void);
/* The inputs of the first pair. */
void trtexec_pair_inputs(struct text_list *out);
/* Runs each pair and holds the outputs against its references. 0 or an exit status; out_failed: a loss is too large. */
int trtexec_check_accuracy(const struct trtexec_options *options, const struct model *model, bool *out_failed);
/* ,"accuracy_loss":{…} of what was checked. */
void trtexec_write_losses(FILE *out);

/* trtexec_debug.c: --markDebug and what is done with the values. */
void trtexec_mark(struct text_list *taps);
/* Those that are still there after fusion. */
void trtexec_mark_unfused(const pln_engine *engine, struct text_list *taps);
/* Runs once with them visible. 0 or an exit status. */
int trtexec_save_debug(const struct model *model, const struct inputs *inputs);

/* trtexec_refit.c */
int trtexec_refit(const struct trtexec_options *options, struct model *model);
int trtexec_time_refit(const struct trtexec_options *options, const struct model *model);
int trtexec_read_calibration(const char *path);

/* trtexec_tune.c: build routes. */
int trtexec_print_knobs(const char *name);
/* What a route says goes into the options: 0, or 1 after saying what is wrong. */
int trtexec_apply_route(const char *route, struct model_options *options);
bool trtexec_is_tuning(void);
int trtexec_tune(int argc, char **argv);
int trtexec_write_result(const char *path, const struct trtexec_times *times, bool accuracy_failed);

#endif
