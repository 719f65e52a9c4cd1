/* Every record complete, every name found again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "ops/op.h"

static void records_are_complete(void **state)
{
    (void)state;
    for (unsigned op = PLN_OP_NONE + 1; op < PLN_OP_COUNT; op++) {
        const struct pln_op_def *def = pln_op_get(op);
        assert_non_null(def);
        assert_string_equal(def->name, pln_op_name(op));
        assert_non_null(def->infer);
        assert_true(def->min_inputs >= 0 && (def->max_inputs == -1 || def->max_inputs >= def->min_inputs));
        assert_true(def->min_outputs >= 0 && (def->max_outputs == -1 || def->max_outputs >= PLN_MAX(def->min_outputs, 1)));
        bool control = (def->traits & PLN_TRAIT_CONTROL) != 0;
        assert_true((pln_ref_kernels[op] == NULL) == control);
        for (const struct pln_attr_def *a = def->attrs; a && a->name; a++)
            assert_true(a->kind >= PLN_ATTR_INT && a->kind <= PLN_ATTR_TENSOR);
        if (pln_op_kinds(op)) assert_null(def->onnx);
    }
}

static void names_are_found_again(void **state)
{
    (void)state;
    for (unsigned op = PLN_OP_NONE + 1; op < PLN_OP_COUNT; op++) {
        unsigned found_op, found_kind;
        const struct pln_kind_row *rows = pln_op_kinds(op);
        assert_int_equal(pln_op_find(pln_op_name(op), NULL, &found_op, &found_kind), rows == NULL);
        if (!rows && pln_op_get(op)->onnx) {
            assert_true(pln_op_find_onnx(pln_op_get(op)->onnx, &found_op, &found_kind));
            assert_int_equal(found_op, op);
        }
        for (; rows && rows->name; rows++) {
            assert_true(pln_op_find(pln_op_name(op), rows->name, &found_op, &found_kind));
            assert_int_equal(found_op, op);
            assert_int_equal(found_kind, rows->kind);
            assert_string_equal(pln_op_kind_name(op, rows->kind), rows->name);
            if (rows->onnx[0]) {
                assert_true(pln_op_find_onnx(rows->onnx, &found_op, &found_kind));
                assert_int_equal(found_kind, rows->kind);
            }
        }
    }
    unsigned op, kind;
    assert_false(pln_op_find("no such op", NULL, &op, &kind));
    assert_false(pln_op_find("elementwise", "no such kind", &op, &kind));
    assert_false(pln_op_find_onnx("", &op, &kind));
    assert_null(pln_op_name(PLN_OP_COUNT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_complete),
        cmocka_unit_test(names_are_found_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
