/* What a call gives a kernel: inputs, outputs where they belong, integers, scratch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/call.h"
#include "kernel/kernel.h"
#include "ops/op.h"

struct fixture {
    struct pln_diag diag;
    struct pln_heap heap;
    struct pln_arena arena;
    struct pln_attrs attrs;
    struct pln_item tensor, sequence;
    const struct pln_item *inputs[3];
    struct pln_item *outputs[2];
    bool wanted[2];
    struct pln_call call;
    int32_t ints[3];
};

static int setup(void **state)
{
    static struct fixture f;
    memset(&f, 0, sizeof(f));
    pln_diag_init(&f.diag);
    pln_heap_init(&f.heap, NULL, 0);
    pln_arena_init(&f.arena, NULL, 0);
    f.ints[0] = 7;
    f.ints[2] = -3;
    int64_t n = 3;
    f.tensor = (struct pln_item){ .kind = PLN_TENSOR, .refs = 1 };
    pln_tensor_init(&f.tensor.tensor, PLN_I32, 1, &n, f.ints);
    f.sequence = (struct pln_item){ .kind = PLN_SEQUENCE, .refs = 1 };
    f.inputs[0] = &f.tensor;
    f.inputs[2] = &f.sequence;
    f.wanted[0] = true;
    f.call = (struct pln_call){ .op = PLN_OP_CAST, .attrs = &f.attrs, .n_inputs = 3, .n_outputs = 2, .inputs = f.inputs, .outputs = f.outputs,
                                .wanted = f.wanted, .heap = &f.heap, .scratch = &f.arena, .diag = &f.diag };
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    pln_heap_deinit(&f->heap);
    pln_arena_deinit(&f->arena);
    return 0;
}

static void inputs_are_what_they_are(void **state)
{
    struct fixture *f = *state;
    const struct pln_tensor *tensor;
    assert_true(pln_call_has(&f->call, 0));
    assert_false(pln_call_has(&f->call, 1));
    assert_false(pln_call_has(&f->call, 99));
    assert_null(pln_call_in(&f->call, 2)); /* a sequence is no tensor */
    assert_int_equal(pln_call_need(&f->call, 0, &tensor), PLN_OK);
    assert_int_equal(pln_call_need(&f->call, 1, &tensor), PLN_BAD_MODEL);
    assert_int_equal(pln_call_need(&f->call, 2, &tensor), PLN_BAD_MODEL);
    assert_string_equal(f->diag.entries[0].text, "cast: input 1 is missing");
}

static void integers_are_read(void **state)
{
    struct fixture *f = *state;
    const int64_t *ints;
    int64_t n;
    assert_int_equal(pln_call_ints(&f->call, 0, &ints, &n), PLN_OK);
    assert_int_equal(n, 3);
    assert_int_equal(ints[2], -3);
    assert_int_equal(pln_call_ints(&f->call, 1, &ints, &n), PLN_OK);
    assert_int_equal(n, -1);
    f->tensor.tensor.dtype = PLN_F32;
    assert_int_equal(pln_call_ints(&f->call, 0, &ints, &n), PLN_BAD_MODEL);
}

static void outputs_go_where_they_belong(void **state)
{
    struct fixture *f = *state;
    struct pln_tensor out, planned;
    int64_t dims[2] = { 2, 3 }, negative = -1;
    float place[6];
    assert_int_equal(pln_call_out(&f->call, 1, PLN_F32, 2, dims, &out), PLN_OK); /* nobody wants it */
    assert_non_null(out.data);
    assert_null(f->outputs[1]);
    assert_int_equal(pln_call_out(&f->call, 0, PLN_F32, 1, &negative, &out), PLN_BAD_MODEL);
    assert_int_equal(pln_call_out(&f->call, 0, PLN_F32, 2, dims, &out), PLN_OK);
    assert_ptr_equal(out.data, f->outputs[0]->tensor.data);
    assert_int_equal(pln_call_out(&f->call, 0, PLN_F32, 2, dims, &out), PLN_INTERNAL); /* twice */
    pln_tensor_init(&planned, PLN_F32, 2, dims, place);
    const struct pln_tensor *list[2] = { &planned, NULL };
    f->call.planned = list;
    f->outputs[0] = NULL;
    assert_int_equal(pln_call_out(&f->call, 0, PLN_F32, 2, dims, &out), PLN_OK);
    assert_ptr_equal(out.data, place);
    dims[1] = 4;
    assert_int_equal(pln_call_out(&f->call, 0, PLN_F32, 2, dims, &out), PLN_INVALID_ARGUMENT);
    assert_non_null(strstr(f->diag.entries[f->diag.count - 1].text, "f32[2,4]"));
}

static void strings_live_with_their_output(void **state)
{
    struct fixture *f = *state;
    struct pln_tensor out;
    int64_t n = 1;
    assert_int_equal(pln_call_out(&f->call, 0, PLN_STR, 1, &n, &out), PLN_OK);
    struct pln_string *string = out.data;
    assert_int_equal(pln_call_string(&f->call, 0, "abc", 3, string), PLN_OK);
    pln_arena_reset(&f->arena);
    assert_memory_equal(((struct pln_string *)f->outputs[0]->tensor.data)->data, "abc", 3);
    pln_item_release(&f->heap, f->outputs[0]);
    assert_int_equal(f->heap.live_bytes, 0);
}

/* Whatever a kernel complains of, the shapes that it was given stand behind it, once. */
static void failures_show_the_operands(void **state)
{
    struct fixture *f = *state;
    const struct pln_tensor launch_inputs[2] = { f->tensor.tensor, { .dtype = PLN_DTYPE_NONE } };
    const struct pln_launch launch = { .n_inputs = 2, .inputs = launch_inputs, .n_outputs = 1, .outputs = &f->tensor.tensor }, empty = { 0 };
    assert_int_equal(pln_call_fail(&f->call, PLN_BAD_MODEL, "they do not fit %d", 2), PLN_BAD_MODEL);
    assert_int_equal(pln_call_fail(&f->call, PLN_UNSUPPORTED, "too large"), PLN_UNSUPPORTED);
    assert_int_equal(pln_launch_fail(&launch, &f->diag, PLN_INVALID_ARGUMENT, "they do not fit %d", 3), PLN_INVALID_ARGUMENT);
    assert_int_equal(pln_launch_fail(&empty, &f->diag, PLN_INVALID_ARGUMENT, "nothing"), PLN_INVALID_ARGUMENT);
    assert_string_equal(f->diag.entries[0].text, "cast: they do not fit 2 (inputs i32[3], none, no tensor)");
    assert_string_equal(f->diag.entries[1].text, "cast: too large");
    assert_string_equal(f->diag.entries[2].text, "they do not fit 3 (inputs i32[3], none; outputs i32[3])");
    assert_string_equal(f->diag.entries[3].text, "nothing");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(inputs_are_what_they_are, setup, teardown),
        cmocka_unit_test_setup_teardown(integers_are_read, setup, teardown),
        cmocka_unit_test_setup_teardown(outputs_go_where_they_belong, setup, teardown),
        cmocka_unit_test_setup_teardown(strings_live_with_their_output, setup, teardown),
        cmocka_unit_test_setup_teardown(failures_show_the_operands, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
