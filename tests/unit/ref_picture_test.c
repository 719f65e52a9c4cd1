/* Pictures that image_decoder reads itself: BMP and PNM in all their forms, whole, cut off and damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "ref_run.h"

/* Decodes; the status, and the pixels as long as the run. */
static enum pln_status decode(struct ref_run *run, const void *file, size_t size_bytes, const char *format)
{
    ref_begin(run);
    void *copy = pln_arena_copy(&run->arena, file, size_bytes);
    assert_non_null(copy);
    ref_vector(run, PLN_U8, (int64_t)size_bytes, copy);
    assert_true(pln_attrs_set_string(&run->attrs, &run->arena, "pixel_format", format, strlen(format)));
    return ref_call(run, PLN_OP_IMAGE_DECODER, 0, 1);
}

/* The picture of all files below: 3 x 2, black, white, red; blue, green, gray. */
static const uint8_t pixels[18] = { 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0, 255, 0, 255, 0, 128, 128, 128 };

#define HEADER(bits, height, offset, colors) \
    'B', 'M', 0, 0, 0, 0, 0, 0, 0, 0, offset, 0, 0, 0, 40, 0, 0, 0, 3, 0, 0, 0, height, 1, 0, bits, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, colors, 0, 0, 0, 0, 0, 0, 0
#define UP 2, 0, 0, 0
#define DOWN 0xfe, 0xff, 0xff, 0xff
#define PALETTE 0, 0, 0, 0, 255, 255, 255, 0, 0, 0, 255, 0, 255, 0, 0, 0, 0, 255, 0, 0, 128, 128, 128, 0
static const uint8_t bmp24[] = { HEADER(24, UP, 54, 0), 255, 0, 0, 0, 255, 0, 128, 128, 128, 0, 0, 0, 0, 0, 0, 255, 255, 255, 0, 0, 255, 0, 0, 0 };
static const uint8_t bmp32[] = { HEADER(32, DOWN, 54, 0), 0, 0, 0, 9, 255, 255, 255, 9, 0, 0, 255, 9, 255, 0, 0, 9, 0, 255, 0, 9, 128, 128, 128, 9 };
static const uint8_t bmp8[] = { HEADER(8, UP, 78, 6), PALETTE, 3, 4, 5, 0, 0, 1, 2, 0 };
static const uint8_t bmp4[] = { HEADER(4, UP, 78, 6), PALETTE, 0x34, 0x50, 0, 0, 0x01, 0x20, 0, 0 };
static const char ppm3[] = "P3 # text\n3 2 # size\n255\n0 0 0 255 255 255 255 0 0\n0 0 255 0 255 0 128 128 128\n";
static const char ppm6[] = "P6 3 2 255\n\0\0\0\377\377\377\377\0\0\0\0\377\0\377\0\200\200\200";
static const struct file {
    const void *data;
    size_t size_bytes;
} files[] = { { bmp24, sizeof bmp24 }, { bmp32, sizeof bmp32 }, { bmp8, sizeof bmp8 }, { bmp4, sizeof bmp4 }, { ppm3, sizeof ppm3 - 1 }, { ppm6, sizeof ppm6 - 1 } };

static void test_all_forms_give_the_same_pixels(void **state)
{
    (void)state;
    for (size_t i = 0; i < PLN_COUNT_OF(files); i++) {
        struct ref_run run;
        assert_int_equal(decode(&run, files[i].data, files[i].size_bytes, "RGB"), PLN_OK);
        const struct pln_tensor *y = &run.outputs[0]->tensor;
        assert_int_equal(y->dims[0], 2);
        assert_int_equal(y->dims[1], 3);
        assert_int_equal(y->dims[2], 3);
        assert_memory_equal(y->data, pixels, sizeof pixels);
        ref_end(&run);
    }
}

static void test_other_orders(void **state)
{
    static const uint8_t gray[] = { 0, 255, 76, 29, 150, 128 };
    struct ref_run run;
    (void)state;
    assert_int_equal(decode(&run, ppm6, sizeof ppm6 - 1, "Grayscale"), PLN_OK);
    assert_int_equal(run.outputs[0]->tensor.dims[2], 1);
    assert_memory_equal(run.outputs[0]->tensor.data, gray, sizeof gray);
    ref_end(&run);
    assert_int_equal(decode(&run, ppm6, sizeof ppm6 - 1, "BGR"), PLN_OK);
    assert_memory_equal((uint8_t *)run.outputs[0]->tensor.data + 6, ((uint8_t[]){ 0, 0, 255 }), 3);
    ref_end(&run);
    assert_int_equal(decode(&run, ppm6, sizeof ppm6 - 1, "CMYK"), PLN_BAD_MODEL);
    ref_end(&run);
}

static void test_bits_and_deep_samples(void **state)
{
    static const struct {
        const char *text;
        size_t size_bytes;
        uint8_t first[3];
    } rows[] = {
        { "P1 3 1 1 0 1", 12, { 0, 255, 0 } },
        { "P1 3 1 101", 10, { 0, 255, 0 } },
        { "P4 3 1\n\240", 8, { 0, 255, 0 } },
        { "P2 3 1 2 0 1 2", 14, { 0, 128, 255 } },
        { "P5 3 1 65535\n\0\0\200\0\377\377", 19, { 0, 128, 255 } },
    };
    (void)state;
    for (size_t i = 0; i < PLN_COUNT_OF(rows); i++) {
        struct ref_run run;
        assert_int_equal(decode(&run, rows[i].text, rows[i].size_bytes, "Grayscale"), PLN_OK);
        assert_memory_equal(run.outputs[0]->tensor.data, rows[i].first, 3);
        ref_end(&run);
    }
}

/* Whatever is done to a file: no access outside of it, and a picture that is not complete is an error. */
static void test_damage_is_an_error_or_another_picture(void **state)
{
    uint64_t random = 1;
    (void)state;
    for (size_t i = 0; i < PLN_COUNT_OF(files); i++) {
        struct ref_run run;
        for (size_t n = 0; n + 5 < files[i].size_bytes; n++) { /* not within the last number of a text */
            assert_int_not_equal(decode(&run, files[i].data, n, "RGB"), PLN_OK);
            ref_end(&run);
        }
        for (int round = 0; round < 3000; round++) {
            uint8_t bytes[128];
            assert_true(files[i].size_bytes <= sizeof bytes);
            memcpy(bytes, files[i].data, files[i].size_bytes);
            for (int k = 0; k < 3; k++) {
                random = random * 6364136223846793005u + 1442695040888963407u; /* Knuth's MMIX */
                bytes[(random >> 33) % files[i].size_bytes] = (uint8_t)(random >> 56);
            }
            (void)decode(&run, bytes, files[i].size_bytes, "RGB");
            ref_end(&run);
        }
    }
}

static void test_what_is_no_picture(void **state)
{
    struct ref_run run;
    (void)state;
    assert_int_equal(decode(&run, "GIF89a", 6, "RGB"), PLN_BAD_MODEL);
    assert_non_null(strstr(run.diag.entries[0].text, "no picture"));
    ref_end(&run);
    assert_int_equal(decode(&run, "", 0, "RGB"), PLN_BAD_MODEL);
    ref_end(&run);
    assert_int_equal(decode(&run, "P5 2147483647 2147483647 255 ", 29, "RGB"), PLN_BAD_MODEL);
    ref_end(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_forms_give_the_same_pixels),     cmocka_unit_test(test_other_orders),       cmocka_unit_test(test_bits_and_deep_samples),
        cmocka_unit_test(test_damage_is_an_error_or_another_picture), cmocka_unit_test(test_what_is_no_picture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
