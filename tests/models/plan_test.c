/* Exported models as plans: two builds give the same bytes; a plan from a file gives what the built engine gives; cut or changed plans are refused. */
#define _POSIX_C_SOURCE 200809L
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "../unit/plan_exercise.h"
#include "planish/builder.h"
#include "planish/experimental/value.h"

static char file_name[4096]; /* not beside the models: suites of two builds may run at a time */

static pln_engine *build(const char *model, const char *device)
{
    pln_engine *engine;
    pln_diagnostics *diagnostics = pln_diagnostics_create();
    const struct pln_build_options options = { .struct_size = sizeof options, .diagnostics = diagnostics, .device = device };
    enum pln_status status = pln_build_file(model, &options, &engine);
    struct pln_message message;
    if (pln_diagnostics_get(diagnostics, 0, &message) == PLN_OK) printf("%s: %s\n", model, message.text);
    assert_int_equal(status, PLN_OK);
    pln_diagnostics_destroy(diagnostics);
    return engine;
}

/* A run of the test data; the caller destroys the context. */
static pln_context *run(pln_engine *engine, const char *folder, pln_host_value **inputs)
{
    pln_context *context;
    assert_int_equal(pln_context_create(engine, NULL, &context), PLN_OK);
    for (int i = 0; i < pln_engine_input_count(engine); i++) {
        char path[512];
        struct pln_tensor_info info;
        assert_int_equal(pln_engine_input(engine, i, &info), PLN_OK);
        snprintf(path, sizeof path, "%s/test_data_set_0/input_%d.pb", folder, i);
        assert_int_equal(pln_host_value_read_pb(path, info.kind, NULL, &inputs[i]), PLN_OK);
        assert_int_equal(pln_context_bind_value(context, info.name, inputs[i]), PLN_OK);
    }
    assert_int_equal(pln_context_run(context), PLN_OK);
    return context;
}

static void compare_runs(pln_engine *built, pln_engine *loaded, const char *folder)
{
    pln_host_value *inputs[2][16] = { { NULL } };
    pln_context *a = run(built, folder, inputs[0]), *b = run(loaded, folder, inputs[1]);
    assert_int_equal(pln_engine_output_count(built), pln_engine_output_count(loaded));
    for (int i = 0; i < pln_engine_output_count(built); i++) {
        struct pln_tensor_info info;
        struct pln_buffer x, y;
        assert_int_equal(pln_engine_output(loaded, i, &info), PLN_OK);
        assert_int_equal(pln_context_output(a, info.name, &x), PLN_OK);
        assert_int_equal(pln_context_output(b, info.name, &y), PLN_OK);
        assert_int_equal(x.size_bytes, y.size_bytes);
        assert_memory_equal(x.data, y.data, x.size_bytes);
    }
    pln_context_destroy(a);
    pln_context_destroy(b);
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < 16; i++) pln_host_value_destroy(inputs[k][i]);
}

/* A few hundred changes spread over the metadata, with the checksum mended, and cuts. */
static void damage(const void *plan, size_t size_bytes)
{
    struct pln_plan_header header;
    memcpy(&header, plan, sizeof header);
    uint8_t *copy = aligned_alloc(4096, pln_align_up(size_bytes, 4096));
    assert_non_null(copy);
    memcpy(copy, plan, size_bytes);
    uint64_t random = 88172645463325252ull;
    for (int i = 0; i < 300; i++) {
        random ^= random << 13, random ^= random >> 7, random ^= random << 17; /* Marsaglia's xorshift64 */
        size_t at = random % header.metadata_bytes;
        copy[at] ^= (uint8_t)(1u << (random >> 61));
        plan_mend(copy, size_bytes);
        (void)plan_exercise(copy, size_bytes, NULL);
        memcpy(copy, plan, header.metadata_bytes);
    }
    for (int i = 0; i < 50; i++) {
        pln_engine *engine;
        assert_int_equal(pln_engine_load_memory(copy, size_bytes * (size_t)i / 50, NULL, &engine), PLN_BAD_PLAN);
    }
    free(copy);
}

static pln_engine *build_again(const char *target)
{
    pln_engine *engine;
    pln_diagnostics *diagnostics = pln_diagnostics_create();
    const struct pln_build_options options = { .struct_size = sizeof options, .diagnostics = diagnostics, .target = target };
    enum pln_status status = pln_build_plan_file(file_name, &options, &engine);
    struct pln_message message;
    if (pln_diagnostics_get(diagnostics, 0, &message) == PLN_OK) printf("%s\n", message.text);
    assert_int_equal(status, PLN_OK);
    pln_diagnostics_destroy(diagnostics);
    return engine;
}

/* The graph inside a plan gives an engine that computes the same; for the same target with the same kernels, and the same bytes each time. */
static void check_rebuilt(pln_engine *built, const char *folder)
{
    size_t bytes, second_bytes;
    pln_engine *first = build_again(NULL), *second = build_again(NULL);
    compare_runs(built, first, folder);
    const void *plan = pln_engine_plan(first, &bytes), *second_plan = pln_engine_plan(second, &second_bytes);
    assert_int_equal(bytes, second_bytes);
    assert_memory_equal(plan, second_plan, bytes);
    assert_int_equal(pln_engine_save(first, file_name, NULL), PLN_OK);
    pln_engine_release(second);
    second = build_again(NULL);
    second_plan = pln_engine_plan(second, &second_bytes);
    assert_int_equal(bytes, second_bytes);
    assert_memory_equal(plan, second_plan, bytes);
    pln_engine_release(first);
    pln_engine_release(second);
}

static void check_model(const char *name, const char *device)
{
    char folder[300], model[320];
    size_t first_bytes, second_bytes;
    snprintf(folder, sizeof folder, "zoo/%s", name);
    snprintf(model, sizeof model, "%s/model.onnx", folder);
    pln_engine *first = build(model, device), *second = build(model, device), *loaded;
    const void *first_plan = pln_engine_plan(first, &first_bytes), *second_plan = pln_engine_plan(second, &second_bytes);
    assert_int_equal(first_bytes, second_bytes);
    assert_memory_equal(first_plan, second_plan, first_bytes);
    assert_int_equal(pln_engine_save(first, file_name, NULL), PLN_OK);
    assert_int_equal(pln_engine_load_file(file_name, NULL, &loaded), PLN_OK);
    compare_runs(first, loaded, folder);
    check_rebuilt(first, folder);
    if (!device) damage(first_plan, first_bytes);
    pln_engine_release(first);
    pln_engine_release(second);
    pln_engine_release(loaded);
    unlink(file_name);
}

static void every_model(const char *device)
{
    DIR *zoo = opendir("zoo");
    int n = 0;
    assert_non_null(zoo);
    for (struct dirent *entry; (entry = readdir(zoo));) {
        if (entry->d_name[0] == '.' || !strchr(entry->d_name, '.') || strstr(entry->d_name, ".md")) continue;
        check_model(entry->d_name, device);
        n++;
    }
    closedir(zoo);
    assert_true(n >= 8);
}

static void plans_for_the_cpu(void **state)
{
    (void)state;
    every_model(NULL);
}

static void plans_for_the_reference(void **state)
{
    (void)state;
    every_model("ref");
}

int main(void)
{
    const char *folder = getenv("TMPDIR");
    snprintf(file_name, sizeof file_name, "%s/planish-models-plan-%ld.plan", folder ? folder : "/tmp", (long)getpid());
    const struct CMUnitTest tests[] = { cmocka_unit_test(plans_for_the_cpu), cmocka_unit_test(plans_for_the_reference) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
