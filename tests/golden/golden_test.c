/* The committed plans: sound ones load and run, damaged ones are refused for the right reason. */
#define _POSIX_C_SOURCE 200809L
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "../unit/plan_exercise.h"
#include "../unit/program_make.h"
#include "base/file.h"

static const struct {
    const char *path;
    enum pln_status status;
    const char *say;
} bad[] = {
    { "bad/empty.plan", PLN_BAD_PLAN, "empty" },
    { "bad/text.plan", PLN_BAD_PLAN, "text file" },
    { "bad/tensorrt.plan", PLN_BAD_PLAN, "TensorRT" },
    { "bad/cut_header.plan", PLN_BAD_PLAN, "cut short" },
    { "bad/cut_weights.plan", PLN_BAD_PLAN, "cut short" },
    { "bad/flipped_bit.plan", PLN_BAD_PLAN, "checksum of its metadata" },
    { "bad/flipped_weight.plan", PLN_BAD_PLAN, "checksum of its weights" },
    { "bad/newer.plan", PLN_INCOMPATIBLE, "format version 1000" },
    { "bad/unknown_section.plan", PLN_INCOMPATIBLE, "section" },
    { "bad/recursive_block.plan", PLN_BAD_PLAN, "not sound" },
    { "bad/long_list.plan", PLN_BAD_PLAN, "outside" },
    { "bad/reserved.plan", PLN_INCOMPATIBLE, "newer Planish" },
};

/* n_nodes: of the program that must have been taken. */
static void check_golden(const char *path, int n_nodes)
{
    static const float w[4] = { 1, -2, 3, -4 };
    float x[8] = { 0, 1, 2, 3, 4, 5, 6, 7 };
    uint8_t flag = 1;
    pln_engine *engine;
    pln_context *context;
    struct pln_buffer y, bx = { .dtype = PLN_F32, .rank = 2, .dims = { 2, 4 }, .data = x, .size_bytes = sizeof x }, bf = { .dtype = PLN_BOOL, .data = &flag, .size_bytes = 1 };
    struct pln_engine_summary summary;
    assert_int_equal(pln_engine_load_file(path, NULL, &engine), PLN_OK);
    pln_engine_summarize(engine, &summary);
    assert_int_equal(summary.onnx_nodes, n_nodes);
    assert_int_equal(pln_context_create(engine, NULL, &context), PLN_OK);
    assert_int_equal(pln_context_bind_input(context, "x", &bx), PLN_OK);
    assert_int_equal(pln_context_bind_input(context, "flag", &bf), PLN_OK);
    assert_int_equal(pln_context_run(context), PLN_OK);
    assert_int_equal(pln_context_output(context, "y", &y), PLN_OK);
    for (int i = 0; i < 8; i++) {
        float sum = x[i] + w[i % 4];
        assert_float_equal(((const float *)y.data)[i], (sum > 0 ? sum : 0) + 3 * w[i % 4] + sum, 0);
    }
    pln_context_destroy(context);
    pln_engine_release(engine);
}

static void golden_plan_runs(void **state)
{
    (void)state;
    check_golden("v0/hand.plan", 9);
    check_golden("v0/targets.plan", 11);
}

static void bad_plans_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < PLN_COUNT_OF(bad); i++) {
        pln_engine *engine;
        struct pln_message message;
        pln_diagnostics *diagnostics = pln_diagnostics_create();
        const struct pln_engine_options options = { .struct_size = sizeof options, .diagnostics = diagnostics };
        enum pln_status status = pln_engine_load_file(bad[i].path, &options, &engine);
        assert_int_equal(pln_diagnostics_get(diagnostics, 0, &message), PLN_OK);
        if (status != bad[i].status || !strstr(message.text, bad[i].say)) printf("%s: %d, %s\n", bad[i].path, (int)status, message.text);
        assert_int_equal(status, bad[i].status);
        assert_non_null(strstr(message.text, bad[i].say));
        pln_diagnostics_destroy(diagnostics);
    }
}

/* ---- writing the set ---- */

/* Three targets: for any CPU; for any, and another program; for a CPU that does not exist. */
static int write_targets(struct pln_plan_image *out_image)
{
    struct make makes[3];
    const struct pln_program *programs[3];
    for (uint32_t i = 0; i < 3; i++) {
        make_program(&makes[i]);
        makes[i].program.n_nodes = 10 + i;
        makes[i].program.needs = i == 2 ? (uint64_t)1 << 63 : 0;
        programs[i] = &makes[i].program;
    }
    enum pln_status status = pln_plan_write_targets(programs, 3, NULL, NULL, NULL, out_image);
    for (uint32_t i = 0; i < 3; i++) make_free(&makes[i]);
    return status != PLN_OK;
}

static int store(const char *folder, const char *path, const void *data, size_t size_bytes)
{
    char full[512];
    struct pln_file_writer writer;
    snprintf(full, sizeof full, "%s/%s", folder, path);
    if (pln_file_writer_open(&writer, full, NULL, NULL) != PLN_OK) return 1;
    enum pln_status status = pln_file_writer_write(&writer, data, size_bytes);
    return pln_file_writer_commit(&writer) != PLN_OK || status != PLN_OK;
}

/* The plan with one number replaced, `at` bytes into a section (0: into the file), and the checksum mended. */
static int store_forged(const char *folder, const char *path, const struct pln_plan_image *image, uint32_t id, size_t at, uint32_t value)
{
    uint8_t *plan = malloc(image->size_bytes);
    struct pln_plan_section section = { .offset = 0 };
    memcpy(plan, image->data, image->size_bytes);
    if (id) memcpy(&section, plan + sizeof(struct pln_plan_header) + (id - 1) * sizeof section, sizeof section);
    memcpy(plan + section.offset + at, &value, sizeof value);
    plan_mend(plan, image->size_bytes);
    int failed = store(folder, path, plan, image->size_bytes);
    free(plan);
    return failed;
}

static int store_all(const char *folder, struct pln_plan_image *image, const struct pln_plan_image *targets)
{
    char path[512];
    uint8_t *plan = image->data;
    snprintf(path, sizeof path, "%s/v0", folder);
    mkdir(path, 0777);
    snprintf(path, sizeof path, "%s/bad", folder);
    mkdir(path, 0777);
    int failed = store(folder, "v0/hand.plan", plan, image->size_bytes) | store(folder, "v0/targets.plan", targets->data, targets->size_bytes);
    failed |= store(folder, "bad/empty.plan", "", 0) | store(folder, "bad/text.plan", "This is a plan.\n", 16) | store(folder, "bad/tensorrt.plan", "ptrt\0\0\0\0\1\0\0\0\0\0\0\0", 16);
    failed |= store(folder, "bad/cut_header.plan", plan, 40) | store(folder, "bad/cut_weights.plan", plan, image->size_bytes - 3);
    failed |= store_forged(folder, "bad/newer.plan", image, 0, offsetof(struct pln_plan_header, version), 1000);
    failed |= store_forged(folder, "bad/unknown_section.plan", image, 0, sizeof(struct pln_plan_header) + (PLN_PLAN_CHECKSUMS - 1) * sizeof(struct pln_plan_section), 100);
    failed |= store_forged(folder, "bad/long_list.plan", image, PLN_PLAN_BLOCKS, offsetof(struct pln_plan_block, n_steps), 0x7fffffff);
    failed |= store_forged(folder, "bad/reserved.plan", image, PLN_PLAN_SLOTS, offsetof(struct pln_plan_slot, encoding), 1);
    /* The loop is step 4; its list of bodies is made that of block 0's steps, which begins with 0. */
    struct pln_plan_section blocks, list;
    uint32_t first;
    memcpy(&blocks, plan + sizeof(struct pln_plan_header) + (PLN_PLAN_BLOCKS - 1) * sizeof blocks, sizeof blocks);
    memcpy(&list, plan + sizeof(struct pln_plan_header) + (PLN_PLAN_STEPS - 1) * sizeof list, sizeof list);
    memcpy(&first, plan + blocks.offset, sizeof first);
    failed |= store_forged(folder, "bad/recursive_block.plan", image, PLN_PLAN_STEPS, 4 * sizeof(struct pln_plan_step) + offsetof(struct pln_plan_step, blocks), first);
    plan[300] ^= 4;
    failed |= store(folder, "bad/flipped_bit.plan", plan, image->size_bytes);
    plan[300] ^= 4;
    plan[image->size_bytes - 2] ^= 4;
    failed |= store(folder, "bad/flipped_weight.plan", plan, image->size_bytes);
    return failed;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--write") == 0) {
        struct make make;
        struct pln_plan_image image, targets;
        make_program(&make);
        int failed = write_targets(&targets);
        failed |= pln_plan_write(&make.program, NULL, 0, NULL, &image) != PLN_OK || (!failed && store_all(argv[2], &image, &targets));
        pln_plan_image_release(&image);
        pln_plan_image_release(&targets);
        make_free(&make);
        return failed;
    }
    const struct CMUnitTest tests[] = { cmocka_unit_test(golden_plan_runs), cmocka_unit_test(bad_plans_are_refused) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
