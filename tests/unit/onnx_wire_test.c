#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "onnx/wire_write.h"

static void read_varint_of_every_length(void **state)
{
    (void)state;
    for (int bits = 0; bits <= 64; bits++) {
        uint64_t value = bits == 64 ? UINT64_MAX : ((uint64_t)1 << bits) - (bits % 2), got;
        struct pln_text text;
        struct pln_wire wire;
        pln_text_init(&text, NULL);
        pln_wire_put_varint(&text, value);
        pln_wire_init(&wire, text.data, text.size_bytes);
        assert_true(pln_wire_varint(&wire, &got));
        assert_true(got == value);
        assert_false(pln_wire_varint(&wire, &got));
        assert_null(wire.error);
        for (size_t size = 1; size < text.size_bytes; size++) {
            pln_wire_init(&wire, text.data, size);
            assert_false(pln_wire_varint(&wire, &got));
            assert_non_null(wire.error);
        }
        pln_text_deinit(&text);
    }
}

static const char *error_of(const char *bytes, size_t size_bytes, uint64_t *out_offset)
{
    struct pln_wire wire;
    struct pln_wire_field field;
    pln_wire_init(&wire, bytes, size_bytes);
    while (pln_wire_next(&wire, &field)) {}
    assert_false(pln_wire_next(&wire, &field));
    *out_offset = wire.error_offset;
    return wire.error;
}

static void refuse_malformed_fields(void **state)
{
    static const struct {
        const char *bytes;
        size_t size_bytes;
        const char *error; /* NULL: fine */
        uint64_t offset;
    } cases[] = {
        { "", 0, NULL, 0 },
        { "\x08\x01", 2, NULL, 0 },
        { "\x08", 1, "a field is cut off", 0 },
        { "\x08\x01\x08\x80", 4, "a number is cut off", 3 },
        { "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, NULL, 0 },
        { "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12, "a number is longer than 10 bytes", 1 },
        { "\x00\x01", 2, "a field has an impossible number", 0 },
        { "\x80\x80\x80\x80\x10\x01", 6, "a field has an impossible number", 0 },
        { "\x0b\x0c", 2, "a field is a group, which ONNX does not use", 0 },
        { "\x08\x01\x0c", 3, "a field is a group, which ONNX does not use", 2 },
        { "\x0e\x01", 2, "a field has an impossible wire type", 0 },
        { "\x0f\x01", 2, "a field has an impossible wire type", 0 },
        { "\x0a\x02\x01", 3, "a field is longer than what is left of its message", 0 },
        { "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, "a field is longer than what is left of its message", 0 },
        { "\x0a", 1, "a field is cut off", 0 },
        { "\x0d\x01\x02\x03", 4, "a number is cut off", 1 },
        { "\x09\x01\x02\x03\x04\x05\x06\x07", 8, "a number is cut off", 1 },
        { "\x09", 1, "a field is cut off", 0 },
    };
    (void)state;
    for (size_t i = 0; i < PLN_COUNT_OF(cases); i++) {
        uint64_t offset;
        const char *error = error_of(cases[i].bytes, cases[i].size_bytes, &offset);
        if (!cases[i].error) {
            assert_null(error);
            continue;
        }
        assert_non_null(error);
        assert_string_equal(error, cases[i].error);
        assert_int_equal(offset, cases[i].offset);
    }
}

static void read_what_was_written(void **state)
{
    static const int64_t ints[] = { 0, 1, -1, INT64_MAX, INT64_MIN, 300 };
    static const float floats[] = { 1.5f, -0.0f };
    struct pln_text out, inner;
    struct pln_wire wire, inside;
    struct pln_wire_field field;
    uint64_t value;
    uint32_t bits;
    (void)state;
    pln_text_init(&out, NULL);
    pln_text_init(&inner, NULL);
    pln_wire_put_string(&inner, 1, "abc");
    pln_wire_put_int(&out, 1, -5);
    pln_wire_put_float(&out, 2, 0.25f);
    pln_wire_put_double(&out, 300, -2.0);
    pln_wire_put_message(&out, 4, &inner);
    pln_wire_put_packed_ints(&out, 5, ints, PLN_COUNT_OF(ints));
    pln_wire_put_packed_floats(&out, 6, floats, PLN_COUNT_OF(floats));
    pln_wire_put_packed_ints(&out, 7, ints, 0);
    assert_false(out.failed);

    pln_wire_init(&wire, out.data, out.size_bytes);
    assert_true(pln_wire_next(&wire, &field));
    assert_true(field.number == 1 && field.type == PLN_WIRE_VARINT && (int64_t)field.value == -5);
    assert_true(pln_wire_next(&wire, &field));
    assert_true(field.number == 2 && pln_wire_float(field.value) == 0.25f);
    assert_true(pln_wire_next(&wire, &field));
    assert_true(field.number == 300 && pln_wire_double(field.value) == -2.0);
    assert_true(pln_wire_next(&wire, &field));
    assert_int_equal(field.number, 4);
    pln_wire_enter(&inside, &wire, &field);
    uint64_t inner_offset = field.offset + 2;
    assert_true(pln_wire_next(&inside, &field));
    assert_int_equal(field.offset, inner_offset);
    assert_memory_equal(field.data, "abc", 3);
    assert_false(pln_wire_next(&inside, &field));
    assert_true(pln_wire_next(&wire, &field));
    assert_int_equal(pln_wire_count_varints(field.data, field.size_bytes), PLN_COUNT_OF(ints));
    pln_wire_enter(&inside, &wire, &field);
    for (size_t i = 0; i < PLN_COUNT_OF(ints); i++) {
        assert_true(pln_wire_varint(&inside, &value));
        assert_true((int64_t)value == ints[i]);
    }
    assert_false(pln_wire_varint(&inside, &value));
    assert_true(pln_wire_next(&wire, &field));
    pln_wire_enter(&inside, &wire, &field);
    assert_true(pln_wire_fixed32(&inside, &bits) && bits == 0x3fc00000);
    assert_true(pln_wire_fixed32(&inside, &bits) && bits == 0x80000000);
    assert_false(pln_wire_fixed32(&inside, &bits));
    assert_false(pln_wire_next(&wire, &field));
    assert_null(wire.error);
    pln_text_deinit(&inner);
    pln_text_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read_varint_of_every_length),
        cmocka_unit_test(refuse_malformed_fields),
        cmocka_unit_test(read_what_was_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
