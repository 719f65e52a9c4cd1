#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "tensor/attrs.h"

static bool fill(struct pln_attrs *attrs, struct pln_arena *arena)
{
    static const int64_t pads[] = { 0, 0, 1, 1 };
    static const float scales[] = { 1, 0.5f };
    static const struct pln_string words[] = { { "x\0y", 3 }, { "", 0 } };
    static float numbers[] = { 1, 2.5f, 3 };
    static struct pln_string texts[] = { { "p", 1 }, { "qq", 2 } };
    struct pln_tensor t, s;
    pln_tensor_init(&t, PLN_F32, 2, (int64_t[]){ 1, 3 }, numbers);
    pln_tensor_init(&s, PLN_STR, 1, (int64_t[]){ 2 }, texts);
    return pln_attrs_set_int(attrs, arena, "axis", -1) && pln_attrs_set_string(attrs, arena, "mode", "nearest", 7) &&
           pln_attrs_set_ints(attrs, arena, "pads", pads, 4) && pln_attrs_set_float(attrs, arena, "alpha", 1) &&
           pln_attrs_set(attrs, arena,
                         &(struct pln_attr){ .name = "scales", .kind = PLN_ATTR_FLOATS, .n = 2, .u.floats = scales }) &&
           pln_attrs_set(attrs, arena,
                         &(struct pln_attr){ .name = "words", .kind = PLN_ATTR_STRINGS, .n = 2, .u.strings = words }) &&
           pln_attrs_set(attrs, arena,
                         &(struct pln_attr){ .name = "value", .kind = PLN_ATTR_TENSOR, .u.tensor = &t }) &&
           pln_attrs_set(attrs, arena, &(struct pln_attr){ .name = "texts", .kind = PLN_ATTR_TENSOR, .u.tensor = &s });
}

static void setting_and_finding(void **state)
{
    (void)state;
    struct pln_arena arena;
    struct pln_attrs attrs = { 0 };
    const int64_t *ints;
    const float *floats;
    pln_arena_init(&arena, NULL, 0);
    assert_true(fill(&attrs, &arena));
    assert_int_equal(attrs.count, 8);
    for (size_t i = 1; i < attrs.count; i++) assert_true(strcmp(attrs.items[i - 1].name, attrs.items[i].name) < 0);
    assert_int_equal(pln_attrs_int(&attrs, "axis", 5), -1);
    assert_int_equal(pln_attrs_int(&attrs, "none", 5), 5);
    assert_int_equal(pln_attrs_int(&attrs, "mode", 5), 5); /* another kind */
    assert_true(pln_attrs_float(&attrs, "alpha", 0) == 1);
    assert_string_equal(pln_attrs_string(&attrs, "mode", ""), "nearest");
    assert_int_equal(pln_attrs_ints(&attrs, "pads", &ints), 4);
    assert_int_equal(ints[3], 1);
    assert_int_equal(pln_attrs_ints(&attrs, "axis", &ints), 0);
    assert_null(ints);
    assert_int_equal(pln_attrs_floats(&attrs, "scales", &floats), 2);
    assert_true(pln_attrs_set_int(&attrs, &arena, "mode", 3));
    assert_int_equal(pln_attrs_int(&attrs, "mode", 0), 3);
    assert_int_equal(attrs.count, 8);
    pln_attrs_remove(&attrs, "axis");
    pln_attrs_remove(&attrs, "axis");
    assert_false(pln_attrs_has(&attrs, "axis"));
    assert_int_equal(attrs.count, 7);
    char longer[300];
    memset(longer, 'a', sizeof longer);
    longer[299] = '\0';
    assert_false(pln_attrs_set_int(&attrs, &arena, longer, 1));
    pln_arena_deinit(&arena);
}

static void printing(void **state)
{
    (void)state;
    struct pln_arena arena;
    struct pln_attrs attrs = { 0 };
    struct pln_text text;
    pln_arena_init(&arena, NULL, 0);
    pln_text_init(&text, NULL);
    assert_true(fill(&attrs, &arena));
    pln_attrs_print(&attrs, &text);
    assert_string_equal(text.data,
                        "alpha=1.0 axis=-1 mode=\"nearest\" pads=[0,0,1,1] scales=[1.0,0.5] texts=str[2]{\"p\",\"qq\"} "
                        "value=f32[1,3]{1.0,2.5,3.0} words=[\"x\\x00y\",\"\"]");
    pln_text_deinit(&text);
    pln_arena_deinit(&arena);
}

/* At every alignment, and cut at every length. */
static void writing_and_reading(void **state)
{
    (void)state;
    struct pln_arena arena;
    struct pln_attrs attrs = { 0 }, copy = { 0 }, read;
    struct pln_text text;
    pln_arena_init(&arena, NULL, 0);
    pln_text_init(&text, NULL);
    assert_true(fill(&attrs, &arena) && pln_attrs_copy(&copy, &arena, &attrs) && pln_attrs_equal(&attrs, &copy));
    pln_attrs_write(&attrs, &text);
    assert_false(text.failed);
    for (size_t shift = 0; shift < 9; shift++) {
        char *moved = malloc(text.size_bytes + shift);
        memcpy(moved + shift, text.data, text.size_bytes);
        assert_int_equal(pln_attrs_read(moved + shift, text.size_bytes, &arena, NULL, &read), PLN_OK);
        assert_true(pln_attrs_equal(&attrs, &read));
        assert_string_equal(pln_attrs_string(&read, "mode", ""), "nearest");
        free(moved);
    }
    for (size_t n = 0; n < text.size_bytes; n++) {
        char *part = malloc(n + 1);
        memcpy(part, text.data, n);
        assert_int_equal(pln_attrs_read(part, n, &arena, NULL, &read), PLN_BAD_PLAN);
        assert_int_equal(read.count, 0);
        free(part);
    }
    pln_text_putc(&text, 'x');
    assert_int_equal(pln_attrs_read(text.data, text.size_bytes, &arena, NULL, &read), PLN_BAD_PLAN);
    assert_true(pln_attrs_set_float(&copy, &arena, "alpha", NAN) && !pln_attrs_equal(&attrs, &copy));
    assert_true(pln_attrs_equal(&copy, &copy));
    pln_text_deinit(&text);
    pln_arena_deinit(&arena);
}

/* Every byte of a good list is given every value in turn: no crash, and what is accepted can be written and read again.
 */
static void hostile_bytes(void **state)
{
    (void)state;
    struct pln_arena good_arena;
    struct pln_attrs attrs = { 0 };
    struct pln_text text;
    pln_arena_init(&good_arena, NULL, 0);
    pln_text_init(&text, NULL);
    assert_true(fill(&attrs, &good_arena));
    pln_attrs_write(&attrs, &text);
    for (size_t i = 0; i < text.size_bytes; i++)
        for (int value = 0; value < 256; value++) {
            struct pln_arena arena;
            struct pln_attrs read, again;
            struct pln_text out;
            char *bytes = malloc(text.size_bytes);
            memcpy(bytes, text.data, text.size_bytes);
            bytes[i] = (char)value;
            pln_arena_init(&arena, NULL, 1 << 20);
            pln_text_init(&out, NULL);
            if (pln_attrs_read(bytes, text.size_bytes, &arena, NULL, &read) == PLN_OK) {
                pln_attrs_write(&read, &out);
                assert_int_equal(pln_attrs_read(out.data, out.size_bytes, &arena, NULL, &again), PLN_OK);
                assert_true(pln_attrs_equal(&read, &again));
                pln_text_clear(&out);
                pln_attrs_print(&read, &out);
            }
            pln_text_deinit(&out);
            pln_arena_deinit(&arena);
            free(bytes);
        }
    pln_text_deinit(&text);
    pln_arena_deinit(&good_arena);
}

struct hostile {
    const char *bytes;
    size_t size_bytes;
};

static void hostile_lists(void **state)
{
    (void)state;
#define LIST(text)             \
    {                          \
        text, sizeof(text) - 1 \
    }
    static const struct hostile lists[] = {
        LIST(""),
        LIST("\xff\xff\xff\xff"),                                                  /* a count without bytes */
        LIST("\1\0\0\0\1\0\0\0\0\0\0\0\0\0"),                                      /* an empty name */
        LIST("\1\0\0\0\1\2a\0\0\0\0\0\0\0\0\0"),                                   /* a zero in a name */
        LIST("\2\0\0\0\1\1b\0\0\0\0\0\0\0\0\1\1a\0\0\0\0\0\0\0\0"),                /* not in order */
        LIST("\2\0\0\0\1\1a\0\0\0\0\0\0\0\0\1\1a\0\0\0\0\0\0\0\0"),                /* twice */
        LIST("\1\0\0\0\x09\1a\0\0\0\0\0\0\0\0"),                                   /* no such kind */
        LIST("\1\0\0\0\4\1a\xff\xff\xff\xff\0\0\0\0"),                             /* more ints than bytes */
        LIST("\1\0\0\0\6\1a\xff\xff\xff\x3f\0\0\0\0"),                             /* more strings than bytes */
        LIST("\1\0\0\0\7\1a\x1b\0\0\0\0\0\0\0\0\0"),                               /* no such type */
        LIST("\1\0\0\0\7\1a\1\x11\0\0\0\0\0\0\0\0"),                               /* rank 17 */
        LIST("\1\0\0\0\7\1a\1\1\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0\0\0"), /* a negative dim */
        LIST("\1\0\0\0\7\1a\1\1\0\0\0\0\0\0\0\x40\0\0\0\0\0\0\0\0"),               /* 2^62 elements in 0 bytes */
        LIST("\1\0\0\0\7\1a\x08\1\1\0\0\0\0\0\0\0\4\0\0\0\0\0\0\0\0\0\0\0"),       /* one string said, none there */
    };
#undef LIST
    struct pln_arena arena;
    struct pln_attrs read;
    struct pln_diag diag;
    pln_arena_init(&arena, NULL, 1 << 20);
    for (size_t i = 0; i < PLN_COUNT_OF(lists); i++) {
        char *bytes = malloc(lists[i].size_bytes + 1);
        memcpy(bytes, lists[i].bytes, lists[i].size_bytes);
        pln_diag_init(&diag);
        assert_int_equal(pln_attrs_read(bytes, lists[i].size_bytes, &arena, &diag, &read), PLN_BAD_PLAN);
        assert_int_equal(diag.count, 1);
        free(bytes);
    }
    pln_arena_deinit(&arena);
}

static void failure_of_any_request(void **state)
{
    (void)state;
    struct pln_arena good_arena;
    struct pln_attrs good = { 0 };
    struct pln_text text;
    pln_arena_init(&good_arena, NULL, 0);
    pln_text_init(&text, NULL);
    assert_true(fill(&good, &good_arena));
    pln_attrs_write(&good, &text);
    /* The arena's limit stands for memory that ends anywhere. */
    for (size_t limit = 1; limit < 3000; limit++) {
        struct pln_arena arena;
        struct pln_attrs attrs = { 0 }, read;
        pln_arena_init(&arena, NULL, limit);
        bool filled = fill(&attrs, &arena);
        for (size_t i = 0; i < attrs.count; i++) assert_true(strlen(attrs.items[i].name) > 0);
        pln_arena_deinit(&arena);
        pln_arena_init(&arena, NULL, limit);
        enum pln_status status = pln_attrs_read(text.data, text.size_bytes, &arena, NULL, &read);
        assert_true(status == PLN_OK || status == PLN_NO_MEMORY);
        if (limit == 2999) assert_true(filled && status == PLN_OK);
        pln_arena_deinit(&arena);
    }
    pln_text_deinit(&text);
    pln_arena_deinit(&good_arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(setting_and_finding), cmocka_unit_test(printing),
        cmocka_unit_test(writing_and_reading), cmocka_unit_test(hostile_bytes),
        cmocka_unit_test(hostile_lists),       cmocka_unit_test(failure_of_any_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
