#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <locale.h>
#include <math.h>

#include "base/text.h"
#include "test_alloc.h"

static void appending(void **state)
{
    (void)state;
    struct pln_text text;
    pln_text_init(&text, NULL);
    assert_string_equal(text.data, "");
    for (int i = 0; i < 500; i++) pln_text_printf(&text, "%d,", i);
    pln_text_puts(&text, "end");
    assert_int_equal(text.size_bytes, 10 * 2 + 90 * 3 + 400 * 4 + 3);
    assert_int_equal(strlen(text.data), text.size_bytes);
    pln_text_clear(&text);
    pln_text_printf(&text, "%01000d", 7);
    assert_int_equal(text.size_bytes, 1000);
    pln_text_clear(&text);
    pln_text_quote(&text, "a\"\\\n\r\t\x01\xc3\xa4", 9);
    assert_string_equal(text.data, "\"a\\\"\\\\\\n\\r\\t\\x01\xc3\xa4\"");
    pln_text_clear(&text);
    pln_text_quote(&text, "\xff\0", 2);
    assert_string_equal(text.data, "\"\\xff\\x00\"");
    pln_text_deinit(&text);
    assert_string_equal(text.data, "");
}

static void no_memory_is_told_once(void **state)
{
    (void)state;
    struct test_alloc alloc;
    struct pln_text text;
    test_alloc_init(&alloc, 2);
    pln_text_init(&text, &alloc.base);
    pln_text_puts(&text, "short");
    pln_text_printf(&text, "%0300d", 1);
    pln_text_puts(&text, "more");
    assert_true(text.failed);
    assert_string_equal(text.data, "short");
    pln_text_deinit(&text);
    assert_int_equal(alloc.live, 0);
}

static void shortest_floats(void **state)
{
    (void)state;
    struct pln_text text;
    pln_text_init(&text, NULL);
    pln_text_f32(&text, 0.1f);
    pln_text_putc(&text, ' ');
    pln_text_f32(&text, 1);
    pln_text_putc(&text, ' ');
    pln_text_f32(&text, 16777216);
    pln_text_putc(&text, ' ');
    pln_text_f32(&text, -INFINITY);
    pln_text_putc(&text, ' ');
    pln_text_f32(&text, -NAN);
    pln_text_putc(&text, ' ');
    pln_text_f64(&text, 0.1);
    pln_text_putc(&text, ' ');
    pln_text_f64(&text, 5e-324);
    assert_string_equal(text.data, "0.1 1.0 16777216.0 -inf nan 0.1 4.94065645841247e-324");
    pln_text_deinit(&text);
}

static void numbers(void **state)
{
    (void)state;
    int64_t i;
    double d;
    assert_true(pln_parse_i64("-9223372036854775808", &i) && i == INT64_MIN);
    assert_true(pln_parse_i64("+9223372036854775807", &i) && i == INT64_MAX);
    const char *const not_integers[] = { "",    "-",  "+", " 1", "1 ", "9223372036854775808", "-9223372036854775809",
                                         "0x1", "1.0" };
    for (size_t k = 0; k < PLN_COUNT_OF(not_integers); k++) assert_false(pln_parse_i64(not_integers[k], &i));
    assert_true(pln_parse_f64("1e-3", &d) && d == 1e-3);
    assert_true(pln_parse_f64("-INF", &d) && isinf(d) && d < 0);
    assert_true(pln_parse_f64("nan", &d) && isnan(d));
    assert_true(pln_parse_f64("1e-999", &d) && d == 0);
    const char *const not_floats[] = { "", "1,5", "0x10", " 1", "1 ", "1e999", "abc", "1.2.3", "nan(1)" };
    for (size_t k = 0; k < PLN_COUNT_OF(not_floats); k++) assert_false(pln_parse_f64(not_floats[k], &d));
    /* A locale with a decimal comma, where the system has one, changes nothing. */
    setlocale(LC_ALL, "de_DE.UTF-8");
    assert_true(pln_parse_f64("1.5", &d) && d == 1.5);
    setlocale(LC_ALL, "C");
}

static void utf8(void **state)
{
    (void)state;
    const char *const valid[] = { "",
                                  "abc",
                                  "\xc2\x80",
                                  "\xdf\xbf",
                                  "\xe0\xa0\x80",
                                  "\xed\x9f\xbf",
                                  "\xee\x80\x80",
                                  "\xf0\x90\x80\x80",
                                  "\xf4\x8f\xbf\xbf",
                                  ("12345678\xc3\xa4"
                                   "12345678") };
    const char *const invalid[] = { "\x80",
                                    "\xc0\x80",
                                    "\xc1\xbf",
                                    "\xc3",
                                    "\xe0\x9f\xbf",
                                    "\xed\xa0\x80",
                                    "\xe2\x82",
                                    "\xf0\x8f\xbf\xbf",
                                    "\xf4\x90\x80\x80",
                                    "\xf5\x80\x80\x80",
                                    "\xff",
                                    "1234567\xc3",
                                    "\xe2\x28\xa1" };
    for (size_t k = 0; k < PLN_COUNT_OF(valid); k++) assert_true(pln_utf8_valid(valid[k], strlen(valid[k])));
    for (size_t k = 0; k < PLN_COUNT_OF(invalid); k++) assert_false(pln_utf8_valid(invalid[k], strlen(invalid[k])));
    assert_true(pln_utf8_valid("a\0b", 3));
}

static void small_helpers(void **state)
{
    (void)state;
    char b[32];
    assert_true(pln_str_equal(NULL, NULL) && !pln_str_equal("a", NULL) && pln_str_equal("a", "a"));
    assert_true(pln_str_starts("abc", "ab") && !pln_str_starts("a", "ab"));
    assert_true(pln_str_ends("abc", "bc") && !pln_str_ends("c", "bc") && pln_str_ends("c", ""));
    assert_string_equal(pln_format_bytes(b, 0), "0 B");
    assert_string_equal(pln_format_bytes(b, 640), "640 B");
    assert_string_equal(pln_format_bytes(b, 1023), "1023 B");
    assert_string_equal(pln_format_bytes(b, 1024), "1.0 KiB");
    assert_string_equal(pln_format_bytes(b, 1024 * 1024 - 1), "1.0 MiB");
    assert_string_equal(pln_format_bytes(b, 1610612736), "1.5 GiB");
    assert_string_equal(pln_format_bytes(b, UINT64_MAX), "16.0 EiB");
}

static void diagnostics(void **state)
{
    (void)state;
    struct pln_diag diag;
    pln_diag_init(&diag);
    diag.node = "conv1";
    diag.op = "Conv";
    diag.node_index = 3;
    assert_int_equal(pln_fail(&diag, PLN_BAD_MODEL, "x = %d", 5), PLN_BAD_MODEL);
    assert_string_equal(diag.entries[0].text, "x = 5");
    assert_string_equal(diag.entries[0].node, "conv1");
    assert_string_equal(diag.entries[0].op, "Conv");
    assert_int_equal(diag.entries[0].node_index, 3);
    char longer[4000] = { 0 };
    memset(longer, 'a', sizeof longer - 1);
    memcpy(longer + PLN_DIAG_TEXT - 3, "\xe2\x82\xac", 3); /* cut after its second byte */
    diag.node = longer;
    for (int i = 0; i < 20; i++) assert_int_equal(pln_fail(&diag, PLN_IO, "%s", longer), PLN_IO);
    assert_int_equal(diag.count, PLN_DIAG_MAX);
    assert_int_equal(diag.dropped, 5);
    assert_int_equal(strlen(diag.entries[1].text), PLN_DIAG_TEXT - 3);
    assert_int_equal(strlen(diag.entries[1].node), PLN_DIAG_NAME - 1);
    assert_int_equal(pln_fail(NULL, PLN_DEVICE, "no list"), PLN_DEVICE);
    assert_int_equal(pln_fail_memory(NULL, "x", 1), PLN_NO_MEMORY);
    assert_string_equal(pln_status_text(PLN_NO_MEMORY), "out of memory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appending),
        cmocka_unit_test(no_memory_is_told_once),
        cmocka_unit_test(shortest_floats),
        cmocka_unit_test(numbers),
        cmocka_unit_test(utf8),
        cmocka_unit_test(small_helpers),
        cmocka_unit_test(diagnostics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
