/* What is printed for people, and JSON: no text of a model does anything on a terminal, and every byte can be told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "json.h"
#include "say.h"

static char *printed; /* what the last one wrote */
static size_t printed_bytes;

static FILE *open_printed(void)
{
    free(printed);
    printed = NULL;
    FILE *out = open_memstream(&printed, &printed_bytes);
    assert_non_null(out);
    return out;
}

__attribute__((format(printf, 1, 2))) static const char *said(const char *format, ...)
{
    va_list args;
    FILE *out = open_printed();
    va_start(args, format);
    say_args(out, format, args);
    va_end(args);
    fclose(out);
    return printed;
}

static const char *as_json(const char *text)
{
    FILE *out = open_printed();
    json_text(out, text);
    fclose(out);
    return printed;
}

static void escapes_what_acts(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "plain (ä, 猫, 🙂) text \\x1b", "plain (ä, 猫, 🙂) text \\x1b" },
        { "\x1b[31mred\x1b]0;title\x07", "\\x1b[31mred\\x1b]0;title\\x07" },
        { "a\nb\rc\td\be\x7f", "a\\nb\\rc\\td\\x08e\\x7f" },
        { "\xc2\x9b" "2J\xc2\x85", "\\u009b2J\\u0085" },                                              /* C1 */
        { "\x9b" "2J \xff \xc0\xaf \xed\xa0\x80 \xe2\x82", "\\x9b2J \\xff \\xc0\\xaf \\xed\\xa0\\x80 \\xe2\\x82" }, /* no UTF-8 */
        { "\xe2\x80\xae" "fdp.\xe2\x81\xa6\xe2\x80\xa8", "\\u202efdp.\\u2066\\u2028" },              /* direction, end of line */
    };
    char buffer[64];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_string_equal(said("%s", cases[i][0]), cases[i][1]);
        assert_string_equal(say_text(buffer, sizeof buffer, cases[i][0]), cases[i][1]);
    }
    assert_string_equal(say_text(buffer, 7, "12345\x1b"), "12345");
    assert_string_equal(say_text(buffer, 7, "12345ä"), "12345");
    assert_string_equal(say_text(buffer, 8, "12345ä"), "12345ä");
}

static void formats_like_printf(void **state)
{
    (void)state;
    assert_string_equal(said("\n%%|%-6s|%6s|%.2s|%.*s|%-*s|\n", "ab", "cd", "efg", 1, "hi", 4, "jk"), "\n%|ab    |    cd|ef|h|jk  |\n");
    assert_string_equal(said("%d %5.1f%% %-3d| %lld %zu %llx %c %.3g %ld %hhd", -1, 2.25, 7, 1LL << 40, (size_t)9, 255ULL, 'x', 1e-9, 5L, (signed char)44), "-1   2.2% 7  | 1099511627776 9 ff x 1e-09 5 44");
    assert_string_equal(said("%.3s|", "ab\xc3\xa4"), "ab|"); /* no half of a character */
    assert_string_equal(said("%8s|", "\x1b"), "    \\x1b|");
    assert_string_equal(said("%s", (const char *)(uintptr_t)0 ? "" : "(null)"), "(null)");
}

/* Every byte on its own and between others: ASCII without controls, and what no parser refuses. */
static void json_of_any_bytes(void **state)
{
    (void)state;
    assert_string_equal(as_json("a\"\\\n\t\x1b\x7f<"), "\"a\\\"\\\\\\n\\t\\u001b\\u007f\\u003c\"");
    assert_string_equal(as_json("\xc2\x9b \xff ä \xe2\x80\xae \xed\xa0\x80"), "\"\\u009b \\ufffd ä \\u202e \\ufffd\\ufffd\\ufffd\"");
    for (int byte = 1; byte < 256; byte++) {
        const char text[4] = { 'a', (char)byte, 'b', '\0' };
        const char *json = as_json(text);
        for (const char *c = json; *c; c++) assert_true(*c >= 0x20 && *c < 0x7f);
        for (const char *c = said("%s", text); *c; c++) assert_true(*c >= 0x20 && *c < 0x7f);
    }
}

static int forget(void **state)
{
    (void)state;
    free(printed);
    printed = NULL;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(escapes_what_acts), cmocka_unit_test(formats_like_printf), cmocka_unit_test(json_of_any_bytes) };
    return cmocka_run_group_tests(tests, NULL, forget);
}
