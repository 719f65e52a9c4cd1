/* Plans for several CPU levels: what is shared, which one is taken, and damage. */
#define _POSIX_C_SOURCE 200809L
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "backend/backend.h"
#include "base/cpu.h"
#include "plan_exercise.h"
#include "planish/builder.h"
#include "planish/network.h"
#include "program_make.h"
#include "test_alloc.h"

#define LEVELS "x86-64-v3,x86-64-v4"

/* The build has rows for both levels. */
static bool has_levels(void)
{
    const struct pln_backend *cpu;
    int ordinal;
    return pln_backend_find("cpu", NULL, &cpu, &ordinal) == PLN_OK && pln_backend_kernel(cpu, "softmax_f32_avx2") && pln_backend_kernel(cpu, "softmax_f32_avx512");
}

static void add(pln_network *network, const char *op_type, const char *a, const char *b, const char *output)
{
    const char *const inputs[] = { a, b };
    pln_network_add_node(network, &(struct pln_network_node){ .op_type = op_type, .inputs = inputs, .input_count = b ? 2 : 1, .outputs = &output, .output_count = 1 });
}

/* y = softmax(x · w) */
static pln_engine *build(const char *target)
{
    static float w[4 * 32];
    static const int64_t w_dims[2] = { 4, 32 }, x_dims[2] = { -1, 4 };
    static const char *const names[2] = { "batch", NULL };
    pln_engine *engine = NULL;
    pln_network *network = pln_network_create("levels", 17);
    for (int i = 0; i < 4 * 32; i++) w[i] = (float)(i % 13) / 8 - 1;
    pln_network_add_input(network, "x", PLN_F32, 2, x_dims, names);
    pln_network_add_weights(network, "w", PLN_F32, 2, w_dims, w);
    add(network, "MatMul", "x", "w", "z");
    add(network, "Softmax", "z", NULL, "y");
    pln_network_add_output(network, "y", PLN_DTYPE_NONE, -1, NULL, NULL);
    const struct pln_build_options options = { .struct_size = sizeof options, .target = target };
    assert_int_equal(pln_build_network(network, &options, &engine), PLN_OK);
    pln_network_destroy(network);
    return engine;
}

/* The plan's program for a machine with these features. */
static enum pln_status read_for(const void *plan, size_t size_bytes, uint64_t features, bool first, struct pln_arena *arena, struct pln_program *out_program)
{
    const struct pln_plan_read_options options = { .features = features, .first = first };
    pln_arena_init(arena, NULL, 0);
    return pln_plan_read(plan, size_bytes, "plan", &options, arena, NULL, out_program);
}

static void best_is_taken(void **state)
{
    (void)state;
    static const struct {
        uint64_t features, needs;
        bool first;
    } cases[] = { { PLN_CPU_LEVEL_V3, PLN_CPU_LEVEL_V3, false }, { PLN_CPU_LEVEL_V4, PLN_CPU_LEVEL_V4, false }, { UINT64_MAX, PLN_CPU_LEVEL_V4, false }, { UINT64_MAX, PLN_CPU_LEVEL_V3, true },
                  { PLN_CPU_LEVEL_V4 & ~PLN_CPU_BIT(PLN_CPU_AVX512BW), PLN_CPU_LEVEL_V3, false }, { PLN_CPU_LEVEL_V2, PLN_CPU_LEVEL_V3, false }, { 0, PLN_CPU_LEVEL_V3, false } };
    if (!has_levels()) skip();
    pln_engine *engine = build(LEVELS);
    size_t bytes;
    const void *plan = pln_engine_plan(engine, &bytes);
    for (size_t i = 0; i < PLN_COUNT_OF(cases); i++) {
        struct pln_arena arena;
        struct pln_program program;
        assert_int_equal(read_for(plan, bytes, cases[i].features, cases[i].first, &arena, &program), PLN_OK);
        assert_int_equal(program.needs, cases[i].needs);
        assert_int_equal(program.n_targets, 2);
        assert_int_equal(program.targets[0], PLN_CPU_LEVEL_V3);
        assert_int_equal(program.targets[1], PLN_CPU_LEVEL_V4);
        assert_true((program.graph != NULL) == (cases[i].needs == PLN_CPU_LEVEL_V3));
        pln_arena_deinit(&arena);
    }
    pln_engine_release(engine);
}

/* Equal weights are there once; the order of the list does not matter; a level that changes nothing costs nothing. */
static void what_is_equal_is_shared(void **state)
{
    (void)state;
    struct pln_engine_summary summary;
    size_t bytes, other_bytes;
    if (!has_levels()) skip();
    pln_engine *both = build(LEVELS), *turned = build("x86-64-v4,cpu:x86-64-v3,x86-64-v4"), *one = build("x86-64-v3"), *low = build("portable,x86-64-v2"), *portable = build("portable");
    const void *plan = pln_engine_plan(both, &bytes), *other = pln_engine_plan(turned, &other_bytes);
    assert_int_equal(bytes, other_bytes);
    assert_memory_equal(plan, other, bytes);
    pln_engine_summarize(both, &summary);
    assert_string_equal(summary.targets, "x86-64-v3, x86-64-v4");
    struct pln_arena first_arena, second_arena;
    struct pln_program first, second;
    assert_int_equal(read_for(plan, bytes, 0, true, &first_arena, &first), PLN_OK);
    assert_int_equal(read_for(plan, bytes, PLN_CPU_LEVEL_V4, false, &second_arena, &second), PLN_OK);
    for (uint32_t i = 0; i < second.n_weights; i++) {
        for (uint32_t k = 0; k < first.n_weights; k++)
            if (strcmp(first.weights[k].name, second.weights[i].name) == 0 && first.weights[k].pack && second.weights[i].pack && strcmp(first.weights[k].pack, second.weights[i].pack) == 0)
                assert_ptr_equal(first.weights[k].data, second.weights[i].data);
    }
    pln_arena_deinit(&first_arena);
    pln_arena_deinit(&second_arena);
    plan = pln_engine_plan(low, &bytes);
    other = pln_engine_plan(portable, &other_bytes);
    assert_int_equal(bytes, other_bytes);
    assert_memory_equal(plan, other, bytes);
    pln_engine_summarize(low, &summary);
    assert_string_equal(summary.targets, "portable");
    pln_engine_release(both);
    pln_engine_release(turned);
    pln_engine_release(one);
    pln_engine_release(low);
    pln_engine_release(portable);
}

static void wrong_targets_are_told(void **state)
{
    (void)state;
    static const char *const wrong[] = { "", ",", "x86-64-v3,", "x86-64-v9", "cuda:sm_90a", "x86-64-v3,,x86-64-v4", "cpu:", "sm_80" };
    pln_network *network = pln_network_create("none", 17);
    pln_network_add_input(network, "x", PLN_F32, 0, NULL, NULL);
    add(network, "Relu", "x", NULL, "y");
    pln_network_add_output(network, "y", PLN_DTYPE_NONE, -1, NULL, NULL);
    for (size_t i = 0; i < PLN_COUNT_OF(wrong); i++) {
        pln_engine *engine;
        const struct pln_build_options options = { .struct_size = sizeof options, .target = wrong[i] };
        assert_int_equal(pln_build_network(network, &options, &engine), PLN_INVALID_ARGUMENT);
        assert_null(engine);
    }
    pln_network_destroy(network);
}

static uint8_t *copy_plan(const pln_engine *engine, size_t *out_bytes, struct pln_plan_section *out_targets)
{
    const void *plan = pln_engine_plan(engine, out_bytes);
    uint8_t *copy = aligned_alloc(4096, pln_align_up(*out_bytes, 4096));
    struct pln_plan_header header;
    assert_non_null(copy);
    memcpy(copy, plan, *out_bytes);
    memcpy(&header, copy, sizeof header);
    memset(out_targets, 0, sizeof *out_targets);
    for (uint32_t i = 0; i < header.n_sections; i++) {
        struct pln_plan_section section;
        memcpy(&section, copy + sizeof header + i * sizeof section, sizeof section);
        if (section.id == PLN_PLAN_TARGETS) *out_targets = section;
    }
    assert_true(out_targets->size_bytes > 0);
    return copy;
}

static bool is_clean(enum pln_status status)
{
    return status == PLN_OK || status == PLN_BAD_PLAN || status == PLN_INCOMPATIBLE || status == PLN_DEVICE || status == PLN_NO_MEMORY || status == PLN_INVALID_ARGUMENT;
}

/* Any byte of the section, with the checksum mended; the machine's features decide which program is read, so both are read here, too. */
static void any_byte_changed(void **state)
{
    (void)state;
    static const uint8_t changes[] = { 0xff, 0x01, 0x80 };
    struct pln_plan_section targets;
    size_t bytes;
    long accepted = 0;
    if (!has_levels()) skip();
    pln_engine *engine = build(LEVELS);
    uint8_t *plan = copy_plan(engine, &bytes, &targets);
    for (uint64_t i = 0; i < targets.size_bytes; i++) {
        for (size_t k = 0; k < PLN_COUNT_OF(changes); k++) {
            uint8_t *at = plan + targets.offset + i, old = *at;
            *at ^= changes[k];
            plan_mend(plan, bytes);
            for (int level = 0; level < 2; level++) {
                struct pln_arena arena;
                struct pln_program program;
                enum pln_status status = read_for(plan, bytes, level ? PLN_CPU_LEVEL_V4 : PLN_CPU_LEVEL_V3, false, &arena, &program);
                assert_true(is_clean(status));
                accepted += status == PLN_OK;
                pln_arena_deinit(&arena);
            }
            assert_true(is_clean(plan_exercise(plan, bytes, NULL)));
            *at = old;
        }
    }
    printf("%ld of %llu readings were accepted\n", accepted, (unsigned long long)targets.size_bytes * 2 * PLN_COUNT_OF(changes));
    free(plan);
    pln_engine_release(engine);
}

/* The numbers that say where targets are. */
static void places_are_checked(void **state)
{
    (void)state;
    struct pln_plan_section targets;
    struct pln_plan_targets_head head;
    struct pln_plan_target target;
    size_t bytes;
    if (!has_levels()) skip();
    pln_engine *engine = build(LEVELS);
    uint8_t *plan = copy_plan(engine, &bytes, &targets), *at = plan + targets.offset;
    memcpy(&head, at, sizeof head);
    memcpy(&target, at + sizeof head, sizeof target);
    assert_int_equal(head.n_targets, 1);
    static const uint32_t counts[] = { 0, 2, 15, 16, 1000, UINT32_MAX };
    for (size_t i = 0; i < PLN_COUNT_OF(counts); i++) {
        const struct pln_plan_targets_head wrong = { .n_targets = counts[i] };
        memcpy(at, &wrong, sizeof wrong);
        plan_mend(plan, bytes);
        assert_int_equal(plan_exercise(plan, bytes, NULL), PLN_BAD_PLAN);
    }
    const struct pln_plan_targets_head newer = { 1, 0, { 0, 1 } };
    memcpy(at, &newer, sizeof newer);
    plan_mend(plan, bytes);
    assert_int_equal(plan_exercise(plan, bytes, NULL), PLN_INCOMPATIBLE);
    memcpy(at, &head, sizeof head);
    const uint64_t wrong[][2] = { { 0, target.size_bytes },      { target.offset + 8, target.size_bytes - 8 }, { target.offset, 8 },
                                  { target.offset, UINT64_MAX }, { UINT64_MAX - 7, target.size_bytes },        { target.offset, target.size_bytes - 8 },
                                  { target.offset, target.size_bytes + 8 } };
    for (size_t i = 0; i < PLN_COUNT_OF(wrong); i++) {
        memcpy(at + sizeof head, wrong[i], sizeof wrong[i]);
        plan_mend(plan, bytes);
        assert_int_equal(plan_exercise(plan, bytes, NULL), PLN_BAD_PLAN);
    }
    struct pln_plan_target later = target;
    later.reserved[2] = 1;
    memcpy(at + sizeof head, &later, sizeof later);
    plan_mend(plan, bytes);
    assert_int_equal(plan_exercise(plan, bytes, NULL), PLN_INCOMPATIBLE);
    memcpy(at + sizeof head, &target, sizeof target);
    plan_mend(plan, bytes);
    struct pln_arena arena;
    struct pln_program program;
    assert_int_equal(read_for(plan, bytes, PLN_CPU_LEVEL_V4, false, &arena, &program), PLN_OK);
    pln_arena_deinit(&arena);
    free(plan);
    pln_engine_release(engine);
}

/* Programs that differ: one has a flipped number. All allocations fail once. */
static void survives_no_memory(void **state)
{
    (void)state;
    struct make a, b;
    struct pln_plan_image whole;
    make_program(&a);
    make_program(&b);
    b.program.needs = 0;
    b.program.n_nodes++;
    const struct pln_program *const programs[] = { &a.program, &b.program, &a.program };
    assert_int_equal(pln_plan_write_targets(programs, 3, NULL, NULL, NULL, &whole), PLN_OK);
    enum pln_status status = PLN_NO_MEMORY;
    for (long i = 1; status != PLN_OK; i++) {
        struct test_alloc alloc;
        struct pln_plan_image one;
        test_alloc_init(&alloc, i);
        status = pln_plan_write_targets(programs, 3, NULL, &alloc.base, NULL, &one);
        assert_true(status == PLN_OK || status == PLN_NO_MEMORY);
        if (status == PLN_OK) assert_int_equal(one.size_bytes, whole.size_bytes);
        if (status == PLN_OK) assert_memory_equal(one.data, whole.data, whole.size_bytes);
        pln_plan_image_release(&one);
        assert_int_equal(alloc.live, 0);
    }
    test_alloc_load(whole.data, whole.size_bytes);
    /* The third is the same as the first. */
    struct pln_arena arena;
    struct pln_program program;
    assert_int_equal(read_for(whole.data, whole.size_bytes, UINT64_MAX, false, &arena, &program), PLN_OK);
    assert_int_equal(program.n_targets, 2);
    assert_int_equal(program.n_nodes, b.program.n_nodes);
    pln_arena_deinit(&arena);
    pln_plan_image_release(&whole);
    assert_int_equal(pln_plan_write_targets(programs, 0, NULL, NULL, NULL, &whole), PLN_UNSUPPORTED);
    make_free(&a);
    make_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(best_is_taken),    cmocka_unit_test(what_is_equal_is_shared), cmocka_unit_test(wrong_targets_are_told),
        cmocka_unit_test(any_byte_changed), cmocka_unit_test(places_are_checked),      cmocka_unit_test(survives_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
