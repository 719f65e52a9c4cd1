/* Plan files: there and back, the same bytes each time, and every way to damage one. */
#define _POSIX_C_SOURCE 200809L
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "plan_exercise.h"
#include "planish/builder.h"
#include "program_make.h"
#include "test_alloc.h"

static struct pln_plan_image write_program(const struct pln_program *program)
{
    struct pln_plan_image image;
    assert_int_equal(pln_plan_write(program, NULL, 0, NULL, &image), PLN_OK);
    return image;
}

static struct pln_plan_image make_image(void)
{
    struct make make;
    make_program(&make);
    struct pln_plan_image image = write_program(&make.program);
    make_free(&make);
    return image;
}

static const char *load_message(const void *data, size_t size_bytes, enum pln_status want)
{
    static char text[1200];
    struct pln_message message;
    pln_diagnostics *diagnostics = pln_diagnostics_create();
    assert_non_null(diagnostics);
    enum pln_status status = plan_exercise(data, size_bytes, diagnostics);
    if (status != want) printf("status %d, not %d\n", (int)status, (int)want);
    assert_int_equal(status, want);
    assert_int_equal(pln_diagnostics_get(diagnostics, 0, &message), PLN_OK);
    snprintf(text, sizeof text, "%s", message.text);
    pln_diagnostics_destroy(diagnostics);
    return text;
}

/* ---- there and back ---- */

static void same_program_same_bytes(void **state)
{
    (void)state;
    struct pln_plan_image first = make_image(), second = make_image();
    assert_int_equal(first.size_bytes, second.size_bytes);
    assert_memory_equal(first.data, second.data, first.size_bytes);
    struct pln_arena arena;
    struct pln_program program;
    pln_arena_init(&arena, NULL, 0);
    const struct pln_plan_read_options options = { .verify = PLN_PLAN_VERIFY_ALL };
    assert_int_equal(pln_plan_read(first.data, first.size_bytes, "plan", &options, &arena, NULL, &program), PLN_OK);
    struct pln_plan_image again = write_program(&program);
    assert_int_equal(first.size_bytes, again.size_bytes);
    assert_memory_equal(first.data, again.data, first.size_bytes);
    /* Nothing refers to the symbol `unused`, its product, or the third node; equal weights share their bytes. */
    assert_int_equal(program.n_origins, 2);
    for (uint32_t i = 0; i < program.n_symbols; i++) assert_string_not_equal(program.symbols[i].name, "unused");
    assert_int_equal(program.weights[0].offset, program.weights[4].offset);
    assert_int_equal(program.n_nodes, 9);
    pln_arena_deinit(&arena);
    pln_plan_image_release(&first);
    pln_plan_image_release(&second);
    pln_plan_image_release(&again);
}

static void bind(pln_context *context, const char *name, enum pln_dtype dtype, int rank, int64_t d0, int64_t d1, void *data, size_t size_bytes)
{
    const struct pln_buffer buffer = { .dtype = dtype, .rank = rank, .dims = { d0, d1 }, .data = data, .size_bytes = size_bytes };
    assert_int_equal(pln_context_bind_input(context, name, &buffer), PLN_OK);
}

static void check_run(pln_context *context, int64_t n, bool flag)
{
    static const float w[4] = { 1, -2, 3, -4 };
    float x[64 * 4];
    uint8_t condition = flag;
    struct pln_buffer y, t, shape, iterations, text;
    for (int64_t i = 0; i < n * 4; i++) x[i] = (float)(i % 7) - 3;
    bind(context, "x", PLN_F32, 2, n, 4, x, sizeof x);
    bind(context, "flag", PLN_BOOL, 0, 0, 0, &condition, 1);
    enum pln_status status = pln_context_run(context);
    struct pln_message message;
    if (status != PLN_OK && pln_diagnostics_get(pln_context_diagnostics(context), 0, &message) == PLN_OK) printf("%s\n", message.text);
    assert_int_equal(status, PLN_OK);
    assert_int_equal(pln_context_output(context, "y", &y), PLN_OK);
    assert_int_equal(pln_context_output(context, "t", &t), PLN_OK);
    assert_int_equal(pln_context_output(context, "shape", &shape), PLN_OK);
    assert_int_equal(pln_context_output(context, "iterations", &iterations), PLN_OK);
    assert_int_equal(pln_context_output(context, "text", &text), PLN_OK);
    assert_int_equal(y.dims[0], n);
    for (int64_t i = 0; i < n * 4; i++) {
        float sum = x[i] + w[i % 4], branch = flag ? (sum > 0 ? sum : 0) : -sum;
        assert_float_equal(((float *)y.data)[i], branch + 3 * w[i % 4] + sum, 0);
        assert_float_equal(((float *)t.data)[i % 4 * n + i / 4], sum, 0);
    }
    assert_int_equal(((int64_t *)shape.data)[0], n);
    assert_int_equal(((int64_t *)shape.data)[1], 4);
    assert_int_equal(iterations.dims[0], 3);
    assert_int_equal(((int64_t *)iterations.data)[2], 2);
    assert_int_equal(((struct pln_string *)text.data)[0].size_bytes, 5);
}

static void count_release(void *user)
{
    ++*(int *)user;
}

static void loaded_plan_runs(void **state)
{
    (void)state;
    struct pln_plan_image image = make_image();
    int released = 0;
    pln_engine *engine;
    pln_context *context;
    const struct pln_engine_options options = { .struct_size = sizeof options, .release = count_release, .release_user = &released };
    assert_int_equal(pln_engine_load_memory(image.data, image.size_bytes, &options, &engine), PLN_OK);
    assert_int_equal(pln_context_create(engine, NULL, &context), PLN_OK);
    static const int64_t sizes[] = { 3, 1, 60, 3, 0, 17 };
    for (size_t i = 0; i < PLN_COUNT_OF(sizes); i++) {
        check_run(context, sizes[i], true);
        check_run(context, sizes[i], false);
    }
    size_t bytes;
    assert_ptr_equal(pln_engine_plan(engine, &bytes), image.data);
    assert_int_equal(bytes, image.size_bytes);
    pln_engine_release(engine);
    assert_int_equal(released, 0);
    pln_context_destroy(context);
    assert_int_equal(released, 1);
    assert_int_equal(pln_engine_load_memory(image.data, image.size_bytes - 1, &options, &engine), PLN_BAD_PLAN);
    assert_int_equal(pln_engine_load_memory((uint8_t *)image.data + 8, 64, &options, &engine), PLN_INVALID_ARGUMENT);
    assert_int_equal(released, 3);
    pln_plan_image_release(&image);
}

static void save_and_load_a_file(void **state)
{
    (void)state;
    const char *path = "plan_test.plan";
    struct pln_plan_image image = make_image();
    pln_engine *engine, *loaded;
    pln_context *context;
    struct pln_file_map map;
    assert_int_equal(pln_engine_load_memory(image.data, image.size_bytes, NULL, &engine), PLN_OK);
    assert_int_equal(pln_engine_save(engine, path, NULL), PLN_OK);
    assert_int_equal(pln_file_map(path, NULL, &map), PLN_OK);
    assert_int_equal(map.size_bytes, image.size_bytes);
    assert_memory_equal(map.data, image.data, image.size_bytes);
    pln_file_unmap(&map);
    assert_int_equal(pln_engine_load_file(path, NULL, &loaded), PLN_OK);
    assert_int_equal(pln_context_create(loaded, NULL, &context), PLN_OK);
    check_run(context, 5, true);
    pln_context_destroy(context);
    pln_engine_release(loaded);
    assert_int_equal(pln_engine_save(engine, "no/such/folder/x.plan", NULL), PLN_IO);
    assert_int_equal(pln_engine_load_file("no/such/file.plan", NULL, &loaded), PLN_IO);
    assert_int_equal(pln_engine_load_file(NULL, NULL, &loaded), PLN_INVALID_ARGUMENT);
    pln_engine_release(engine);
    pln_plan_image_release(&image);
    unlink(path);
}

static void devices_can_be_chosen(void **state)
{
    (void)state;
    struct pln_plan_image image = make_image();
    static const struct {
        const char *device;
        enum pln_status want;
    } cases[] = { { "cpu", PLN_OK }, { "cpu:0", PLN_OK }, { "cpu:1", PLN_DEVICE }, { "ref", PLN_INCOMPATIBLE }, { "abacus", PLN_DEVICE } };
    for (size_t i = 0; i < PLN_COUNT_OF(cases); i++) {
        pln_engine *engine;
        const struct pln_engine_options options = { .struct_size = sizeof options, .device = cases[i].device };
        assert_int_equal(pln_engine_load_memory(image.data, image.size_bytes, &options, &engine), cases[i].want);
        pln_engine_release(engine);
    }
    pln_plan_image_release(&image);
}

/* Every allocation fails once. */
static void survives_no_memory(void **state)
{
    (void)state;
    struct make make;
    make_program(&make);
    struct pln_plan_image image = write_program(&make.program);
    enum pln_status status = PLN_NO_MEMORY;
    for (long i = 1; status != PLN_OK; i++) {
        struct test_alloc alloc;
        struct pln_plan_image one;
        test_alloc_init(&alloc, i);
        status = pln_plan_write(&make.program, &alloc.base, 0, NULL, &one);
        assert_true(status == PLN_OK || status == PLN_NO_MEMORY);
        if (status == PLN_OK) assert_memory_equal(one.data, image.data, image.size_bytes);
        pln_plan_image_release(&one);
        assert_int_equal(alloc.live, 0);
    }
    test_alloc_load(image.data, image.size_bytes);
    pln_plan_image_release(&image);
    make_free(&make);
}

/* ---- damage ---- */

static uint8_t *copy_image(const struct pln_plan_image *image)
{
    uint8_t *copy = aligned_alloc(4096, pln_align_up(image->size_bytes, 4096));
    assert_non_null(copy);
    memcpy(copy, image->data, image->size_bytes);
    return copy;
}

/* In memory of just that size, so that a read behind it is seen. */
static void cut_anywhere(void **state)
{
    (void)state;
    struct pln_plan_image image = make_image();
    for (size_t n = 0; n < image.size_bytes; n++) {
        void *cut = NULL;
        pln_engine *engine;
        assert_int_equal(posix_memalign(&cut, 64, n + 1), 0);
        memcpy(cut, image.data, n);
        assert_int_equal(pln_engine_load_memory(cut, n, NULL, &engine), PLN_BAD_PLAN);
        free(cut);
    }
    pln_plan_image_release(&image);
}

static bool is_clean(enum pln_status status)
{
    return status == PLN_OK || status == PLN_BAD_PLAN || status == PLN_INCOMPATIBLE || status == PLN_DEVICE || status == PLN_NO_MEMORY || status == PLN_INVALID_ARGUMENT;
}

static void any_byte_changed(void **state)
{
    (void)state;
    static const uint8_t changes[] = { 0xff, 0x01, 0x80, 0x03, 0x10 };
    struct pln_plan_image image = make_image();
    struct pln_plan_header header;
    memcpy(&header, image.data, sizeof header);
    uint8_t *plan = copy_image(&image);
    for (size_t i = 0; i < header.metadata_bytes; i++) {
        for (size_t k = 0; k < PLN_COUNT_OF(changes); k++) {
            pln_engine *engine;
            uint8_t old = plan[i];
            plan[i] ^= changes[k];
            if (k == 0) {
                enum pln_status status = pln_engine_load_memory(plan, image.size_bytes, NULL, &engine);
                assert_true(status == PLN_BAD_PLAN || status == PLN_INCOMPATIBLE);
            }
            plan_mend(plan, image.size_bytes);
            assert_true(is_clean(plan_exercise(plan, image.size_bytes, NULL)));
            plan[i] = old;
            memcpy(plan, &header, i < sizeof header ? sizeof header : offsetof(struct pln_plan_header, n_sections));
        }
    }
    assert_memory_equal(plan, image.data, image.size_bytes);
    free(plan);
    pln_plan_image_release(&image);
}

/* Numbers of the tables replaced by numbers that occur in them. */
static void forged_at_random(void **state)
{
    (void)state;
    static const uint32_t likely[] = { 0, 1, 2, 3, 4, 5, 7, 8, 16, 0x7fffffff, 0x80000000u, 0xffffffffu };
    struct pln_plan_image image = make_image();
    struct pln_plan_header header;
    memcpy(&header, image.data, sizeof header);
    uint8_t *plan = copy_image(&image);
    uint64_t random = 88172645463325252ull;
    const char *rounds = getenv("PLN_TEST_ROUNDS");
    long n_rounds = rounds ? atol(rounds) : 10000, accepted = 0;
    size_t words = (header.metadata_bytes - sizeof header) / 4;
    for (long round = 0; round < n_rounds; round++) {
        for (long n = 0; n < 1 + round % 3; n++) {
            random ^= random << 13, random ^= random >> 7, random ^= random << 17; /* Marsaglia's xorshift64 */
            uint32_t value = random >> 62 ? likely[(random >> 8) % PLN_COUNT_OF(likely)] : ((const uint32_t *)image.data)[sizeof header / 4 + (random >> 32) % words];
            memcpy(plan + sizeof header + (random % words) * 4, &value, sizeof value);
        }
        plan_mend(plan, image.size_bytes);
        enum pln_status status = plan_exercise(plan, image.size_bytes, NULL);
        assert_true(is_clean(status));
        accepted += status == PLN_OK;
        memcpy(plan, image.data, header.metadata_bytes);
    }
    printf("%ld of %ld forged plans were accepted and run\n", accepted, n_rounds);
    free(plan);
    pln_plan_image_release(&image);
}

static void weights_are_checked(void **state)
{
    (void)state;
    struct pln_plan_image image = make_image();
    uint8_t *plan = copy_image(&image);
    pln_engine *engine;
    plan[image.size_bytes - 1] ^= 1;
    assert_non_null(strstr(load_message(plan, image.size_bytes, PLN_BAD_PLAN), "checksum of its weights"));
    const struct pln_engine_options options = { .struct_size = sizeof options, .verify_weights = -1 };
    assert_int_equal(pln_engine_load_memory(plan, image.size_bytes, &options, &engine), PLN_OK);
    pln_engine_release(engine);
    free(plan);
    pln_plan_image_release(&image);
}

/* Weights of several blocks are checked by a pool, each block; what is said does not depend on the number of threads. */
static void every_block_is_checked(void **state)
{
    (void)state;
    size_t bytes = (size_t)2 * PLN_PLAN_CHUNK_BYTES + 4000;
    uint8_t *large = calloc(bytes, 1);
    struct make make;
    assert_non_null(large);
    make_program(&make);
    make_weight(&make, 5, "large", PLN_F32, 1, (int64_t)(bytes / 4), large, bytes);
    struct pln_plan_image image = write_program(&make.program);
    make_free(&make);
    free(large);
    uint8_t *plan = copy_image(&image);
    size_t start = image.size_bytes - bytes; /* or a little before: the first block holds the small weights, too */
    const size_t at[] = { start, start + PLN_PLAN_CHUNK_BYTES, image.size_bytes - 1 };
    for (int threads = 1; threads <= 4; threads += 3) {
        pln_thread_pool *pool;
        pln_engine *engine;
        assert_int_equal(pln_thread_pool_create(threads, &pool), PLN_OK);
        const struct pln_engine_options options = { .struct_size = sizeof options, .pool = pool };
        assert_int_equal(pln_engine_load_memory(plan, image.size_bytes, &options, &engine), PLN_OK);
        pln_engine_release(engine);
        for (size_t i = 0; i < PLN_COUNT_OF(at); i++) {
            plan[at[i]] ^= 1;
            assert_int_equal(pln_engine_load_memory(plan, image.size_bytes, &options, &engine), PLN_BAD_PLAN);
            assert_non_null(strstr(load_message(plan, image.size_bytes, PLN_BAD_PLAN), "checksum of its weights"));
            plan[at[i]] ^= 1;
        }
        pln_thread_pool_destroy(pool);
    }
    free(plan);
    pln_plan_image_release(&image);
}

/* ---- what is not a plan, or not ours ---- */

static void other_files_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size_bytes;
        const char *say;
    } cases[] = {
        { "", 0, "empty" },
        { "ptrt\0\0\0\0\1\2\3\4", 12, "TensorRT" },
        { "ftrt\0\0\0\0\1\2\3\4", 12, "TensorRT" },
        { "\x08\x08\x12\x07pytorch", 11, "ONNX model" },
        { "GGUF\3\0\0\0", 8, "GGUF" },
        { "hello, this is no plan\n", 23, "text file" },
        { "\x89PLAN\n\x1a\n", 8, "text mode" },
        { "\x89PL", 3, "cut short" },
        { "\1\2\3\4\5\6\7\0", 8, "no plan" },
    };
    _Alignas(64) uint8_t data[64];
    for (size_t i = 0; i < PLN_COUNT_OF(cases); i++) {
        memcpy(data, cases[i].bytes, cases[i].size_bytes);
        const char *text = load_message(data, cases[i].size_bytes, PLN_BAD_PLAN);
        if (!strstr(text, cases[i].say)) printf("%s\n", text);
        assert_non_null(strstr(text, cases[i].say));
    }
}

static void versions_are_told(void **state)
{
    (void)state;
    struct pln_plan_image image = make_image();
    uint8_t *plan = copy_image(&image);
    plan[offsetof(struct pln_plan_header, version)] = 7;
    const char *text = load_message(plan, image.size_bytes, PLN_INCOMPATIBLE);
    assert_non_null(strstr(text, "format version 7"));
    assert_non_null(strstr(text, "versions 0"));
    plan[offsetof(struct pln_plan_header, version)] = 0;
    uint32_t swapped = __builtin_bswap32(PLN_PLAN_ENDIAN);
    memcpy(plan + offsetof(struct pln_plan_header, endian), &swapped, sizeof swapped);
    assert_non_null(strstr(load_message(plan, image.size_bytes, PLN_INCOMPATIBLE), "byte order"));
    free(plan);
    pln_plan_image_release(&image);
}

static void missing_features_are_named(void **state)
{
    (void)state;
    struct make make;
    make_program(&make);
    make.program.needs = (uint64_t)1 << 32; /* neon; on AArch64 the other way round */
#if defined(__aarch64__)
    make.program.needs = 1;
#endif
    struct pln_plan_image image = write_program(&make.program);
#if defined(__aarch64__)
    assert_non_null(strstr(load_message(image.data, image.size_bytes, PLN_INCOMPATIBLE), "sse4.2"));
#else
    assert_non_null(strstr(load_message(image.data, image.size_bytes, PLN_INCOMPATIBLE), "neon"));
#endif
    pln_plan_image_release(&image);
    make_free(&make);
}

static void missing_kernels_are_named(void **state)
{
    (void)state;
    static const char *const names[] = { "no_such_gemm", "no_such_gemm", "no_such_conv" };
    struct make make;
    make_program(&make);
    size_t n = 0;
    for (uint32_t i = 0; i < make.program.n_steps && n < PLN_COUNT_OF(names); i++) {
        struct pln_step *step = &make.program.steps[i];
        if (step->kind != PLN_STEP_CALL) continue;
        step->kind = PLN_STEP_LAUNCH;
        step->kernel = names[n++];
    }
    assert_int_equal(n, PLN_COUNT_OF(names));
    struct pln_plan_image image = write_program(&make.program);
    assert_non_null(strstr(load_message(image.data, image.size_bytes, PLN_INCOMPATIBLE), ": 'no_such_gemm' of device 'cpu', 'no_such_conv' of device 'cpu';"));
    pln_plan_image_release(&image);
    make_free(&make);
}

/* Its own code, else that of the same generation before it; GPUs of Tegra (7.2, 8.7) share with nobody. */
static void codes_of_other_gpus(void **state)
{
    (void)state;
    static const char *const archs[] = { "sm_72", "sm_80", "sm_86", "sm_87", "sm_90" };
    static const struct {
        const char *arch;
        uint32_t taken;
    } cases[] = { { "sm_72", 0 }, { "sm_75", PLN_NONE }, { "sm_80", 1 }, { "sm_86", 2 }, { "sm_87", 3 }, { "sm_89", 2 }, { "sm_90a", 4 }, { "sm_100", PLN_NONE }, { "", PLN_NONE } };
    for (size_t i = 0; i < PLN_COUNT_OF(cases); i++) assert_int_equal(pln_plan_find_arch(archs, PLN_COUNT_OF(archs), cases[i].arch), cases[i].taken);
    assert_int_equal(pln_plan_find_arch(archs + 1, 1, "sm_87"), PLN_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_program_same_bytes),    cmocka_unit_test(loaded_plan_runs), cmocka_unit_test(save_and_load_a_file),  cmocka_unit_test(devices_can_be_chosen),
        cmocka_unit_test(survives_no_memory),         cmocka_unit_test(cut_anywhere),     cmocka_unit_test(any_byte_changed),      cmocka_unit_test(forged_at_random),
        cmocka_unit_test(weights_are_checked),        cmocka_unit_test(every_block_is_checked), cmocka_unit_test(other_files_are_named), cmocka_unit_test(versions_are_told), cmocka_unit_test(missing_features_are_named),
        cmocka_unit_test(missing_kernels_are_named),  cmocka_unit_test(codes_of_other_gpus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
