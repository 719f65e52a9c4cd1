/* Config structs of older and newer callers; NULL at the doors of the public API. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/base.h"
#include "planish/planish.h"

struct newer {
    struct pln_build_options options;
    uint64_t added;
};

static void sizes_are_honoured(void **state)
{
    (void)state;
    struct pln_build_options own;
    struct newer newer = { .options = { .struct_size = sizeof newer, .device = "ref", .placement_seed = 7 } };
    assert_null(pln_options_copy(NULL, sizeof own, &own));
    assert_int_equal(own.struct_size, sizeof own);
    assert_null(own.device);
    /* An older caller's ends after `device`; what lies behind it is not looked at. */
    newer.options.struct_size = offsetof(struct pln_build_options, target);
    assert_null(pln_options_copy(&newer, sizeof own, &own));
    assert_string_equal(own.device, "ref");
    assert_int_equal(own.placement_seed, 0);
    assert_int_equal(own.struct_size, sizeof own);
    /* A newer caller's may be longer, if what is new is not used. */
    newer.options.struct_size = sizeof newer;
    assert_null(pln_options_copy(&newer, sizeof own, &own));
    assert_int_equal(own.placement_seed, 7);
    newer.added = 1;
    assert_non_null(pln_options_copy(&newer, sizeof own, &own));
    newer.options.struct_size = 0;
    assert_non_null(pln_options_copy(&newer, sizeof own, &own));
    newer.options.struct_size = SIZE_MAX;
    assert_non_null(pln_options_copy(&newer, sizeof own, &own));
}

static int released;

static void count_release(void *user)
{
    (void)user;
    released++;
}

static void doors_refuse(void **state)
{
    (void)state;
    pln_engine *engine;
    pln_context *context;
    pln_state_store *store;
    size_t bytes;
    struct pln_tensor_info info;
    struct newer newer = { .options = { .struct_size = sizeof newer }, .added = 1 };
    const struct pln_engine_options load = { .struct_size = sizeof load, .release = count_release };
    assert_int_equal(pln_build_file(NULL, NULL, &engine), PLN_INVALID_ARGUMENT);
    assert_int_equal(pln_build_file("model.onnx", &newer.options, &engine), PLN_INVALID_ARGUMENT);
    assert_int_equal(pln_build_memory(NULL, 0, NULL, NULL, &engine), PLN_INVALID_ARGUMENT);
    assert_int_equal(pln_build_network(NULL, NULL, &engine), PLN_INVALID_ARGUMENT);
    assert_int_equal(pln_engine_load_file(NULL, NULL, &engine), PLN_INVALID_ARGUMENT);
    assert_int_equal(pln_engine_load_memory(NULL, 0, &load, &engine), PLN_INVALID_ARGUMENT);
    assert_int_equal(released, 1);
    assert_null(engine);
    assert_int_equal(pln_engine_save(NULL, "x.plan", NULL), PLN_INVALID_ARGUMENT);
    assert_int_equal(pln_engine_memory(NULL, NULL, 0, NULL, &bytes), PLN_INVALID_ARGUMENT);
    assert_int_equal(pln_engine_input(NULL, 0, &info), PLN_INVALID_ARGUMENT);
    assert_int_equal(pln_context_create(NULL, NULL, &context), PLN_INVALID_ARGUMENT);
    assert_int_equal(pln_context_run(NULL), PLN_INVALID_ARGUMENT);
    assert_int_equal(pln_context_bind_input(NULL, "x", NULL), PLN_INVALID_ARGUMENT);
    assert_int_equal(pln_context_bind_states(NULL, NULL), PLN_INVALID_ARGUMENT);
    assert_int_equal(pln_state_store_create(NULL, NULL, NULL, &store), PLN_INVALID_ARGUMENT);
    pln_engine_release(NULL);
    pln_context_destroy(NULL);
    pln_state_store_destroy(NULL);
    pln_fence_destroy(NULL);
    pln_network_destroy(NULL);
    pln_diagnostics_destroy(NULL);
}

/* A network remembers what it could not take. */
static void network_refuses(void **state)
{
    (void)state;
    pln_engine *engine;
    const char *const names[1] = { NULL };
    const struct pln_attribute attributes[] = { { .name = "axis", .kind = (enum pln_attribute_kind)99 }, { .name = "value", .kind = PLN_ATTRIBUTE_TENSOR }, { .name = NULL } };
    for (int i = 0; i < 5; i++) {
        pln_network *network = pln_network_create("bad", 0);
        if (i < 3) pln_network_add_node(network, &(struct pln_network_node){ .op_type = "Relu", .attributes = &attributes[i], .attribute_count = 1 });
        else if (i == 3) pln_network_add_node(network, &(struct pln_network_node){ .op_type = "Relu", .inputs = names, .input_count = 1 });
        else pln_network_add_input(network, "x", PLN_F32, 3, NULL, NULL);
        assert_int_equal(pln_build_network(network, NULL, &engine), PLN_INVALID_ARGUMENT);
        pln_network_destroy(network);
    }
    static const int64_t dims[1] = { 3 };
    static const int opsets[] = { -3, 9999, 0 };
    for (int i = 0; i < 3; i++) { /* the input is the output: no node asks for the opset */
        pln_network *network = pln_network_create("no node", opsets[i]);
        pln_network_add_input(network, "x", PLN_F32, 1, dims, NULL);
        pln_network_add_output(network, "x", PLN_F32, 1, dims, NULL);
        assert_int_equal(pln_build_network(network, NULL, &engine), i < 2 ? PLN_INVALID_ARGUMENT : PLN_OK);
        pln_network_destroy(network);
        pln_engine_release(engine);
    }
}

static void versions_are_told(void **state)
{
    (void)state;
    int oldest;
    assert_int_equal(pln_api_version(), PLN_API_VERSION);
    assert_true(pln_plan_version(&oldest) >= oldest);
    assert_int_equal(oldest, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(sizes_are_honoured), cmocka_unit_test(doors_refuse), cmocka_unit_test(network_refuses), cmocka_unit_test(versions_are_told) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
