/* What the flags of trtexec come to. */
#include <stdlib.h>
#include <string.h>

#include "trtexec.h"

static int check_percentiles(struct trtexec_options *options)
{
    for (const char *at = options->percentile; *at;) {
        char *end;
        const double value = strtod(at, &end);
        if (end == at || (*end && *end != ',') || !(value >= 0 && value <= 100) || options->n_percentiles == 16) return trtexec_error("--percentile=%s: numbers from 0 to 100, at most 16", options->percentile);
        options->percentiles[options->n_percentiles++] = value;
        at = *end ? end + 1 : end;
    }
    return 0;
}

/* Flags that are for another, or against it. */
static int check_pairs(void)
{
    static const struct {
        enum trtexec_flag flag, needs;
        const char *why;
    } needs[] = {
        { FLAG_tuningSearch, FLAG_tuneBuildRoutes, "it is about --tuneBuildRoutes" },
        { FLAG_tuningTimeOut, FLAG_tuneBuildRoutes, "it is about --tuneBuildRoutes" },
        { FLAG_dryRun, FLAG_tuneBuildRoutes, "it lists what --tuneBuildRoutes would do" },
        { FLAG_saveAllEngines, FLAG_tuneBuildRoutes, "it is about --tuneBuildRoutes" },
        { FLAG_saveAllEngines, FLAG_saveEngine, "it wants --saveEngine=FILE, whose name is that of the others" },
        { FLAG_errorOnTimingCacheMiss, FLAG_timingCacheFile, "it wants --timingCacheFile=FILE" },
    };
    const bool load = trtexec_given(FLAG_loadEngine);
    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++) {
        const bool there = trtexec_given(needs[i].needs) || (needs[i].needs == FLAG_tuneBuildRoutes && trtexec_given(FLAG_tuneBuildRouteFile));
        if (trtexec_given(needs[i].flag) && !there) return trtexec_error("--%s: %s", trtexec_row(needs[i].flag)->name, needs[i].why);
    }
    if (!trtexec_given(FLAG_onnx) && !load) return trtexec_error("Model missing or format not recognized: give --onnx=FILE or --loadEngine=FILE");
    if (trtexec_given(FLAG_onnx) && load) return trtexec_error("--onnx and --loadEngine are two models: give one of them");
    if (load && trtexec_given(FLAG_saveEngine)) return trtexec_error("Load and save engine options can't be specified together");
    if (!load && trtexec_given(FLAG_useRuntime) && !trtexec_is(FLAG_useRuntime, "full")) return trtexec_error("--useRuntime=%s loads only: give --loadEngine=FILE, or --useRuntime=full to build", trtexec_text(FLAG_useRuntime));
    if (load && trtexec_is_tuning()) return trtexec_error("--tuneBuildRoutes is for building: give --onnx=FILE");
    if (trtexec_is_tuning() && trtexec_given(FLAG_setBuildRoute)) return trtexec_error("--setBuildRoute is one route, --tuneBuildRoutes looks for it: give one of them");
    if (trtexec_given(FLAG_tuneBuildRoutes) && trtexec_given(FLAG_tuneBuildRouteFile)) return trtexec_error("--tuneBuildRoutes and --tuneBuildRouteFile are two searches: give one of them");
    if (trtexec_is(FLAG_runtimePlatform, "WindowsAMD64")) return trtexec_error("--runtimePlatform=WindowsAMD64 cannot be had here: Planish runs on Linux alone");
    return 0;
}

int trtexec_check(struct trtexec_options *options)
{
    struct text_list devices = { 0 };
    if (check_pairs()) return 1;
    trtexec_split(trtexec_text(FLAG_layerDeviceTypes), &devices);
    for (size_t i = 0; i < devices.count; i++)
        if (strcmp(strrchr(devices.items[i], ':'), ":DLA") == 0) return trtexec_error("--layerDeviceTypes=%s: there is no DLA core", devices.items[i]);
    free(devices.items);
    if (trtexec_given(FLAG_tempdir) && !is_folder(trtexec_text(FLAG_tempdir))) return trtexec_error("--tempdir=%s is no folder", trtexec_text(FLAG_tempdir));
    return check_percentiles(options) || trtexec_profile_check() || trtexec_pair_check();
}

/* Is row-major among the layouts of an item, type:layout+layout? */
static bool has_rows(const char *item)
{
    const char *at = strchr(item, ':') ? strchr(item, ':') + 1 : item;
    for (; *at; at += strcspn(at, "+"), at += *at == '+')
        if (strcspn(at, "+") == 3 && memcmp(at, "chw", 3) == 0) return true;
    return false;
}

/* Types of inputs or outputs; they live as long as the process. */
static int settle_formats(enum trtexec_flag flag, const enum pln_dtype **out_types, int *out_count)
{
    static const enum pln_dtype types[] = { PLN_F32, PLN_F16, PLN_BF16, PLN_I32, PLN_I64, PLN_I8, PLN_U8, PLN_BOOL };
    enum { N_TYPES = sizeof types / sizeof *types };
    const char *name = trtexec_row(flag)->name;
    struct text_list items = { 0 };
    int status = 0;
    trtexec_split(trtexec_text(flag), &items);
    enum pln_dtype *made = calloc(items.count ? items.count : 1, sizeof *made);
    if (!made) status = trtexec_error("out of memory");
    for (size_t i = 0; status == 0 && i < items.count; i++) {
        const char *item = items.items[i], *colon = strchr(item, ':');
        int k = 0;
        while (colon && k < N_TYPES && (strlen(trtexec_type(types[k])) != (size_t)(colon - item) || strncmp(item, trtexec_type(types[k]), (size_t)(colon - item)) != 0)) k++;
        if (k == N_TYPES) status = trtexec_error("--%s=%s: inputs and outputs are fp32, fp16, bf16, int32, int64, int8, uint8 or bool here", name, item);
        else if (!has_rows(item)) status = trtexec_error("--%s=%s: inputs and outputs are row-major here: write chw for the layout, or add +chw to it", name, item);
        else made[i] = colon ? types[k] : PLN_DTYPE_NONE;
    }
    if (items.count && status == 0) *out_types = made, *out_count = (int)items.count;
    else free(made);
    free(items.items);
    return status;
}

static const char *tune_level(void)
{
    static const char *const levels[] = { "off", "off", "off", NULL, "fast", "full" };
    const char *level = trtexec_given(FLAG_builderOptimizationLevel) ? levels[(int)trtexec_number(FLAG_builderOptimizationLevel, 3)] : NULL;
    return trtexec_given(FLAG_heuristic) ? "off" : level;
}

static void settle_build(struct model_options *model)
{
    const bool best = trtexec_given(FLAG_best), load = trtexec_given(FLAG_loadEngine);
    double bytes = 0;
    model->result = trtexec_text(FLAG_saveEngine);
    model->tune = tune_level();
    if (!load && !(model->tune && strcmp(model->tune, "off") == 0)) model->timing_cache = trtexec_text(FLAG_timingCacheFile);
    model->default_tune = model->timing_cache ? "fast" : NULL;
    model->no_cache = trtexec_given(FLAG_noBuilderCache) || trtexec_given(FLAG_noCompilationCache);
    model->must_be_plan = load;
    model->as_it_is = trtexec_is(FLAG_useRuntime, "lean") || trtexec_is(FLAG_useRuntime, "dispatch");
    model->work_folder = trtexec_text(FLAG_tempdir);
    model->in_memory = trtexec_given(FLAG_tempfileControls) && strstr(trtexec_text(FLAG_tempfileControls), "temporary:deny");
    if (trtexec_given(FLAG_pln_max_memory)) trtexec_size(trtexec_text(FLAG_pln_max_memory), strlen(trtexec_text(FLAG_pln_max_memory)), 1, &bytes);
    model->max_memory = (long)bytes;
    model->target = trtexec_text(FLAG_pln_target);
    /* f16 where both are permitted, as there. */
    if (!trtexec_given(FLAG_stronglyTyped)) {
        model->on.fp16 = trtexec_given(FLAG_fp16) || best;
        model->on.bf16 = trtexec_given(FLAG_bf16) && !model->on.fp16;
    }
    model->on.tf32 = trtexec_given(FLAG_noTF32) ? "off" : "on"; /* on in trtexec unless it is told otherwise */
    trtexec_mark(&model->taps);
    if (trtexec_given(FLAG_profilingVerbosity)) text_list_add(&model->metadata, TRTEXEC_VERBOSITY_KEY), text_list_add(&model->metadata, trtexec_text(FLAG_profilingVerbosity));
    char *profiles = load ? NULL : trtexec_profile_text(); /* lives as long as the process */
    if (profiles) text_list_add(&model->metadata, TRTEXEC_PROFILES_KEY), text_list_add(&model->metadata, profiles);
}

int trtexec_settle(struct trtexec_options *options)
{
    static char device[32];
    static const enum trtexec_flag plugins[] = { FLAG_staticPlugins, FLAG_dynamicPlugins, FLAG_plugins, FLAG_pln_plugin };
    struct model_options *model = &options->model;
    const int version = trtexec_version();
    if (trtexec_given(FLAG_device)) snprintf(device, sizeof device, "cuda:%ld", (long)trtexec_number(FLAG_device, 0));
    model->device = trtexec_given(FLAG_pln_device) ? trtexec_text(FLAG_pln_device) : trtexec_given(FLAG_device) ? device : NULL;
    model->threads = (long)trtexec_number(FLAG_pln_threads, 0);
    model->cpus = trtexec_text(FLAG_pln_cpus);
    model->seed = 1;
    model->raw_files = true;
    for (size_t p = 0; p < sizeof plugins / sizeof *plugins; p++)
        for (size_t i = 0; i < trtexec_list(plugins[p])->count; i++) text_list_add(&model->plugins, trtexec_list(plugins[p])->items[i]);
    /* Shapes of the run are the profile where there is none, as there. */
    if (trtexec_given(FLAG_shapes) && trtexec_profile_count() == 0)
        for (int part = 0; part < PROFILE_PARTS; part++) trtexec_profile_add(part, trtexec_text(FLAG_shapes));
    model->int32_io = version == 8; /* which knew no INT64 */
    trtexec_run_shapes(&model->shapes);
    settle_build(model);
    if (settle_formats(FLAG_inputIOFormats, &model->input_types, &model->input_type_count) || settle_formats(FLAG_outputIOFormats, &model->output_types, &model->output_type_count)) return 1;
    trtexec_pair_inputs(&options->files);
    options->streams = (long)trtexec_number(FLAG_infStreams, trtexec_number(FLAG_streams, 1));
    options->iterations = (long)trtexec_number(FLAG_iterations, 10);
    options->avg_runs = (long)trtexec_number(FLAG_avgRuns, 10);
    options->duration = trtexec_number(FLAG_duration, 3);
    options->warm_up = trtexec_number(FLAG_warmUp, 200);
    options->sleep_time = trtexec_number(FLAG_sleepTime, 0);
    options->idle_time = trtexec_number(FLAG_idleTime, 0);
    options->spin = version >= 11 ? !trtexec_given(FLAG_noSpinWait) : trtexec_given(FLAG_useSpinWait);
    options->transfers = version >= 11 ? trtexec_given(FLAG_includeDataTransfers) : !trtexec_given(FLAG_noDataTransfers);
    options->skip_inference = trtexec_given(FLAG_skipInference) || trtexec_given(FLAG_buildOnly);
    if (trtexec_given(FLAG_verbose)) verbosity = 1;
    return trtexec_given(FLAG_setBuildRoute) ? trtexec_apply_route(trtexec_text(FLAG_setBuildRoute), model) : 0;
}
