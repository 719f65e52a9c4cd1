/* Profiles in a plan, which anybody may have written; values of trtexec's flags. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "trtexec.h"

/* What the flags say here: nothing. */
static const char *shapes;
bool trtexec_given(enum trtexec_flag flag)
{
    return flag == FLAG_shapes && shapes;
}
const char *trtexec_text(enum trtexec_flag flag)
{
    return flag == FLAG_shapes ? shapes : NULL;
}
double trtexec_number(enum trtexec_flag flag, double otherwise)
{
    (void)flag;
    return otherwise;
}
void trtexec_log(char level, const char *format, ...)
{
    (void)level;
    (void)format;
}
const char *trtexec_dims(int rank, const int64_t *dims)
{
    (void)rank;
    (void)dims;
    return "";
}

enum { PAGE = 4096 };
static char *page; /* behind it is none that can be read */

static int read_text(const char *text, size_t n)
{
    char *at = page + PAGE - n - 1;
    memcpy(at, text, n);
    at[n] = '\0';
    trtexec_profile_clear();
    trtexec_profile_read(at);
    return trtexec_profile_count();
}

static const char good[] = "[{\"x\": [[1, 3, 8], [2, 3, 8], [4, 3, 8]], \"a \\\"b\\\" \\u00e9\": [[], [], []]}, {\"x\": [[1, 3, 8], [7, 3, 8], [9, 3, 8]]}]";

static void test_profiles_are_read(void **state)
{
    (void)state;
    struct text_list run = { 0 };
    assert_int_equal(read_text(good, sizeof good - 1), 2);
    trtexec_run_shapes(&run);
    assert_int_equal(run.count, 2);
    assert_string_equal(run.items[0], "x:2x3x8");
    assert_string_equal(run.items[1], "a \"b\" \303\251:scalar");
    char *again = trtexec_profile_text();
    assert_non_null(again);
    assert_int_equal(read_text(again, strlen(again)), 2);
    free(again);
    free(run.items);
}

static void test_damaged_ones_say_nothing(void **state)
{
    (void)state;
    static const char *const bad[] = { "", "[", "{", "[{", "[{\"x", "[{\"x\"", "[{\"x\\", "[{\"x\": [[1], [2]]}]", "[{\"x\": [[1], [2], [-3]]}]", "[{\"x\": [[99999999999999999999], [2], [3]]}]", "[{\"x\": [1, 2, 3]}]",
                                       "[{\"x\": [[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1], [2], [3]]}]" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_int_equal(read_text(bad[i], strlen(bad[i])), 0);
    /* Cut anywhere: the first profile may be whole. */
    for (size_t n = 0; n < sizeof good - 1; n++) assert_true(read_text(good, n) <= 2);
    char text[sizeof good];
    uint32_t seed = 1;
    for (int i = 0; i < 200000; i++) {
        memcpy(text, good, sizeof good);
        for (int k = 0; k < 3; k++) {
            seed = seed * 1664525 + 1013904223;
            text[(seed >> 8) % (sizeof good - 1)] = "\"\\[]{},: x19u\n\200"[(seed >> 24) % 15];
        }
        assert_true(read_text(text, sizeof good - 1) <= 64);
        struct text_list run = { 0 };
        trtexec_run_shapes(&run);
        free(run.items);
    }
}

static void test_sizes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double bytes; /* -1: it is none */
    } rows[] = { { "1", 1048576 }, { "1.5g", 1610612736 }, { "16B", 16 }, { "2k", 2048 }, { "0", 0 }, { "", -1 }, { "-1", -1 }, { "1Q", -1 }, { "1MB", -1 }, { "0x10", -1 }, { "1e30", -1 }, { "nan", -1 }, { " 1", -1 }, { "K", -1 } };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double bytes;
        const bool is_size = trtexec_size(rows[i].text, strlen(rows[i].text), 1048576, &bytes);
        assert_int_equal(is_size, rows[i].bytes >= 0);
        if (is_size) assert_true(bytes >= rows[i].bytes && bytes <= rows[i].bytes);
    }
}

static void test_lists_are_split(void **state)
{
    (void)state;
    struct text_list list = { 0 };
    trtexec_split("'a:b,c':1x2,d:,", &list);
    assert_int_equal(list.count, 2);
    assert_string_equal(list.items[0], "a:b,c:1x2");
    assert_string_equal(list.items[1], "d:");
    free(list.items);
    list = (struct text_list){ 0 };
    trtexec_split("'never closed, so", &list);
    assert_int_equal(list.count, 1);
    free(list.items);
}

int main(void)
{
    page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED || mprotect(page + PAGE, PAGE, PROT_NONE) != 0) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_profiles_are_read),
        cmocka_unit_test(test_damaged_ones_say_nothing),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_lists_are_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
