/* What the subcommands share about models: opening one, shapes from the command line, inputs. */
#ifndef PLANISH_TOOLS_MODEL_H
#define PLANISH_TOOLS_MODEL_H

#include <stdio.h>

#include "cpus.h"
#include "options.h"
#include "planish/builder.h"
#include "planish/experimental/value.h"
#include "plugins.h"
#include "preprocess.h"
#include "progress.h"

/* How a command may build for a device. */
struct device_options {
    bool fp32, fp16, bf16, fp8, int8, best; /* permissions */
    const char *tf32;      /* on, off; NULL: off */
    const char *winograd;  /* on, off; NULL: on */
    bool require_device;
};

struct model_options {
    const char *device;  /* --device; NULL: the default */
    const char *target;  /* --target */
    const char *tune, *timing_cache; /* --tune, --timing-cache */
    const char *default_tune; /* where --tune is not given; NULL: off */
    bool no_cache; /* --no-cache */
    long max_memory; /* --max-memory, bytes; 0: no limit */
    long threads;        /* --threads, 0: all */
    const char *cpus;    /* --cpus; NULL: all */
    struct text_list shapes; /* --shapes x:1x3x224x224,… */
    struct text_list opt_shapes, limit_shapes; /* --opt-shapes: in the place of shapes; --min-shapes, --max-shapes: held against the model alone */
    struct text_list dims;   /* --dim batch=4,… */
    struct text_list disabled; /* --disable-pass */
    struct text_list plugins; /* --plugin */
    const char *dump_after;
    const char *result; /* where the plan will be saved: it is put together on that disk. NULL: it will not */
    const char *preprocess; /* --preprocess; NULL: what the plan says */
    const char *broken_pass; /* tests */
    bool all_taps; /* every value is made visible */
    struct text_list taps; /* values that are */
    const enum pln_dtype *input_types, *output_types; /* as pln_build_options has them */
    int input_type_count, output_type_count;
    struct text_list metadata; /* key, value, key, value, …: what the plan shall say besides */
    const char *work_folder; /* where a large plan is put together; NULL: beside the result, or where plans are kept */
    bool in_memory; /* in no folder: in memory */
    bool no_rebuild; /* --no-rebuild: a plan is loaded as it is, or built without its graph */
    bool int32_io;   /* inputs and outputs of 64-bit integers are ones of 32 in what is built */
    bool as_it_is;   /* a plan is loaded as it is, never built again */
    bool may_be_kept; /* what is built goes to the cache, or comes from there */
    bool may_be_foreign; /* a plan for another machine is opened, to be looked at */
    bool verify; /* a plan's weights of any size are held against their checksums */
    bool must_be_plan; /* whatever its name and first bytes are */
    bool raw_files;    /* inputs are raw bytes, whatever their files are called */
    long seed;
    struct device_options on;
};

#define DEVICE_HELP "cuda:0 (default where an NVIDIA GPU is), cpu (default elsewhere), cuda:1, ref"
#define TARGET_HELP "native (default), portable, x86-64-v3, x86-64-v4, …; cuda:sm_90a,sm_80: GPUs; a list makes a plan for all of them"

/* Rows of every command that may build. */
#define TUNE_ROWS(o, standard)                                                                                                      \
    PLUGIN_ROW((o).plugins),                                                                                              \
    { "tune", 0, OPTION_TEXT, &(o).tune, "off|fast|full", "measure kernels of the CPU where several are close, for 2 s at most, or all of them, for 30 s; off: by estimate (" standard ")" }, \
    { "timing-cache", 0, OPTION_TEXT, &(o).timing_cache, "FILE", "where what was measured is taken from, and added (one of this machine in the folder of caches)" }, \
    { "max-memory", 0, OPTION_INT, &(o).max_memory, "BYTES", "what may be allocated at a time, without what is mapped from files, such as weights: 4G (no limit)" }, \
    { "no-cache", 0, OPTION_FLAG, &(o).no_cache, "", "build anew, and keep neither plans nor device code: planish cache dir says where they are kept" }

/* Of every command that has threads. */
#define THREAD_ROWS(o)                                                                                                    \
    { "threads", 'j', OPTION_COUNT, &(o).threads, "N", "threads (all that the process may use)" },                        \
    { "cpus", 0, OPTION_TEXT, &(o).cpus, "0-3,8", CPUS_HELP }

/* The same. */
#define DEVICE_ROWS(o)                                                                                                    \
    { "fp16", 0, OPTION_FLAG, &(o).fp16, "", "floats may be stored in 16 bits (f16) where the device gains by it" },      \
    { "bf16", 0, OPTION_FLAG, &(o).bf16, "", "the same as bf16" },                                                        \
    { "fp8", 0, OPTION_FLAG, &(o).fp8, "", "permits fp8: this version does not use it, and says so" },                    \
    { "int8", 0, OPTION_FLAG, &(o).int8, "", "permits int8: this version uses it where the model has Q/DQ, else says so" }, \
    { "best", 0, OPTION_FLAG, &(o).best, "", "permits all of these" },                                                    \
    { "tf32", 0, OPTION_TEXT, &(o).tf32, "on|off", "products of floats may round them to tf32, 10 bits of fraction, on a GPU; sums stay f32 (off)" },        \
    { "winograd", 0, OPTION_TEXT, &(o).winograd, "on|off", "convolutions of 3 x 3 taps may run as Winograd's: fewer products, errors of some times those of direct sums (on)" }, \
    { "fp32", 0, OPTION_FLAG, &(o).fp32, "", "floats stay as the model has them (default)" },                             \
    { "require-device", 0, OPTION_FLAG, &(o).require_device, "", "fail if any step would run elsewhere than on --device" }

/* Profiles, of which no plan has need. Of build, too. */
#define PROFILE_ROWS(o)                                                                                                   \
    { "opt-shapes", 0, OPTION_LIST, &(o).opt_shapes, "X:8x3x224x224,…", "usual shapes: those of a run where --shapes is not given" }, \
    { "min-shapes", 0, OPTION_LIST, &(o).limit_shapes, "X:1x3x224x224,…", "least shapes: a plan takes all shapes, whatever is said here" }, \
    { "max-shapes", 0, OPTION_LIST, &(o).limit_shapes, "X:32x3x224x224,…", "largest shapes: the same" }

/* Rows that most subcommands have; ended by name NULL. Copied in front of a command's own by MODEL_ROWS. */
#define MODEL_ROWS(o)                                                                                                     \
    { "device", 0, OPTION_TEXT, &(o).device, "NAME", DEVICE_HELP },                                                       \
    { "target", 0, OPTION_TEXT, &(o).target, "LIST", TARGET_HELP },                                                       \
    THREAD_ROWS(o),                                                                                                       \
    TUNE_ROWS(o, "off"),                                                                                                         \
    DEVICE_ROWS((o).on),                                                                                                  \
    { "shapes", 0, OPTION_LIST, &(o).shapes, "X:1x3x224x224,…", "shapes of inputs; one * in a name stands for any letters" },                                     \
    PROFILE_ROWS(o),                                                                                                       \
    { "dim", 0, OPTION_LIST, &(o).dims, "batch=4,…", "values of symbolic dims; those left open are 1" },                  \
    { "preprocess", 0, OPTION_TEXT, &(o).preprocess, "SPEC", PREPROCESS_HELP },                                           \
    { "disable-pass", 0, OPTION_LIST, &(o).disabled, "PASS", "switch an optimization off (may be given again)" },         \
    { "dump-after", 0, OPTION_TEXT, &(o).dump_after, "PASS", "print the graph after a pass" },                            \
    { "no-rebuild", 0, OPTION_FLAG, &(o).no_rebuild, "", "never build a plan again from the graph inside" },               \
    { "seed", 0, OPTION_INT, &(o).seed, "N", "of random inputs (1)" }

/* The device that is meant where --device is not given: that of the target, if one is named; else $PLANISH_DEVICE; else pln_device_default. apart: the caller
 * will fork, so that a process of its own asks. Static. */
const char *model_default_device(const char *target, bool apart);
/* Is there such a kind of device, usable or not? Asked in a process of its own, as the caller will fork. */
bool model_knows_device(const char *device);
/* Where plans and compiled code are kept: $PLANISH_CACHE_DIR, else $XDG_CACHE_HOME/planish, else $HOME/.cache/planish. NULL: none of them is set. Static. */
const char *model_cache_folder(void);

/* A plan begins with its own magic, whatever its name is; a damaged one is known by its name. So is what TensorRT made, which loading explains. */
bool model_is_plan(const char *path);
/* What is written must not be the model, whatever the two are called, and can be written (check_writable); result NULL or "": it is no file. 0, or an exit
 * status after saying so: before anything is built or measured. */
int model_check_result(const struct command *command, const char *path, const char *result, bool renamed);
/* The same of other files that the command reads: each FILE or NAME=FILE. 0, or an exit status after saying so. */
int model_check_inputs(const struct command *command, const struct text_list *files, const char *result);
/* Two results take two files. */
int model_check_results(const struct command *command, const char *option, const char *result, const char *other_option, const char *other);

struct model {
    pln_engine *engine;
    pln_thread_pool *pool;
    pln_diagnostics *diagnostics;
    pln_plugins *plugins;
    double build_ms, load_ms; /* -1: it was not built, or not loaded */
    double parse_ms; /* of the build: until the model was understood */
    int threads;
    bool is_plan;
    bool no_cache;  /* as the options said */
    struct pln_tune_report tuned; /* of the build */
    bool is_cached; /* no plan, but its plan was in the cache, and was loaded */
};

/* Opens a plan, or builds an ONNX file. A plan that needs what is not here is built again from the graph inside, which is said. Tells what went wrong on stderr; returns an exit status, 0 when it worked. */
int model_open(const struct command *command, const char *path, const struct model_options *options, struct model *out_model);
void model_close(struct model *model);
/* Loaded rather than built. */
bool model_is_loaded(const struct model *model);
/* How the engine came about: "built in 12 ms", "loaded in 3 ms", "loaded in 3 ms (cached)". A static text. */
const char *model_origin(const struct model *model);
/* Prints what is odd about a model, and with -v what else is told. */
extern const struct pln_logger model_logger;
/* What kernels were chosen by, where some were measured: a line, or ,"tuned":{…}, which is null for plans and where nothing was to be measured. */
void model_print_tuned(FILE *out, const struct model *model);
void model_write_tuned_json(FILE *out, const struct model *model);
/* A pln_progress that shows. */
int model_show_progress(void *user, const char *phase, int done, int total);
/* The first line of every output: the device, its name, threads. */
void model_print_device(const struct model *model, FILE *out);
/* Every name in --shapes and --dim must be one of the model's. 0, or 2 after "did you mean". */
int model_check_shapes(const struct command *command, const struct model *model, const struct model_options *options);
/* --tf32 and --winograd must be on or off: 0, or 2 after saying so. model_open asks, too. */
int model_check_device(const struct command *command, const struct device_options *options);
bool model_tf32(const struct device_options *options);
bool model_no_winograd(const struct device_options *options);
/* The element type that --fp16 or --bf16 permit; bf16 when both do. */
enum pln_dtype model_half(const struct device_options *options);
/* --tune must be off, fast or full; --timing-cache is for the last two. 0, or 2 after saying so. model_open asks, too. */
int model_check_tune(const struct command *command, const char *tune, const char *timing_cache);
/* NULL: off. */
enum pln_tune model_tune(const char *tune);
/* Which node a message is about, as it is put before the text: "node 'name' (Op): ", "node 3 (Op): " where it has no name, or "". In room. */
#define MODEL_NODE_BYTES 700
const char *model_node(const struct pln_message *message, char *room, size_t size);
/* Prints the messages of a failed call: "planish NAME: …", with node and operator. Returns 1. */
int model_fail(const struct command *command, const pln_diagnostics *diagnostics, enum pln_status status, const char *what);

/* The shape of input `index` as far as the model, --shapes and --dim tell it: -1 where a dim is left open. 0 or an exit status. */
int model_given_shape(const struct command *command, const struct model *model, const struct model_options *options, int index, struct pln_tensor_info *out_info);
/* The shape of input `index` from --shapes and --dim; dims left open become 1 (and are named in `open`, which may be NULL). */
int model_input_shape(const struct command *command, const struct model *model, const struct model_options *options, int index, struct pln_tensor_info *out_info);
/* A random value of that type and shape: floats uniform in [-1, 1); integers by name: masks 1, positions counting, types 0, others below 100. */
pln_host_value *model_random_input(const struct pln_tensor_info *info, uint64_t seed);
/* Largest resident set of this process, bytes. */
uint64_t peak_rss_bytes(void);

#endif
