/* Pictures and --preprocess: every kind of PNG as libpng writes it, JPEG, what is damaged; resizing, cropping, channels. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "preprocess.h"
#ifdef PLANISH_TEST_PNG
#include <png.h>
#endif
#ifdef PLANISH_HAS_JPEG
#include <jpeglib.h>
#endif

static char path[] = "/tmp/planish_picture_XXXXXX.png";
static int nothing(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return 0;
}
static const struct command command = { "test", "", "", "", nothing, false };

static void write_file(const uint8_t *data, size_t bytes)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
}

#ifdef PLANISH_TEST_PNG
static uint32_t seed = 1;
static unsigned next(void)
{
    seed = seed * 1664525u + 1013904223u;
    return seed >> 16;
}

static uint8_t *read_file(size_t *out_bytes)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    uint8_t *data = malloc(1 << 20);
    *out_bytes = fread(data, 1, 1 << 20, file);
    fclose(file);
    return data;
}

/* A picture of random samples in the file, and what it is in RGB. Rows of samples are packed as PNG has them. */
static void write_png(int colour, int depth, int interlace, int width, int height, uint8_t *rgb)
{
    const int channels = colour == PNG_COLOR_TYPE_RGB ? 3 : colour == PNG_COLOR_TYPE_RGB_ALPHA ? 4 : colour == PNG_COLOR_TYPE_GRAY_ALPHA ? 2 : 1;
    const unsigned most = (1u << (depth < 8 ? depth : 8)) - 1;
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    FILE *file = fopen(path, "wb");
    uint8_t *rows[64];
    png_color palette[256];
    for (int i = 0; i < 256; i++) palette[i] = (png_color){ (png_byte)next(), (png_byte)next(), (png_byte)next() };
    for (int y = 0; y < height; y++) {
        rows[y] = calloc((size_t)width, 8);
        for (int x = 0; x < width; x++) {
            unsigned sample[4] = { 0 };
            for (int c = 0; c < channels; c++) {
                const int at = (x * channels + c) * depth;
                /* Half of them as their neighbours, so that there is something to compress. */
                sample[c] = next() & 1 ? (unsigned)(x + y + c) & most : next() & most;
                if (depth < 8) rows[y][at / 8] |= (uint8_t)(sample[c] << (8 - depth - at % 8));
                else rows[y][at / 8] = (uint8_t)sample[c];
                if (depth == 16) rows[y][at / 8 + 1] = (uint8_t)next();
            }
            uint8_t *to = rgb + ((size_t)y * (size_t)width + (size_t)x) * 3;
            for (int c = 0; c < 3; c++) to[c] = (uint8_t)(channels >= 3 ? sample[c] : sample[0] * 255 / most);
            if (colour == PNG_COLOR_TYPE_PALETTE) memcpy(to, &palette[sample[0]], 3);
        }
    }
    assert_non_null(file);
    if (setjmp(png_jmpbuf(png))) fail_msg("libpng does not write it");
    png_init_io(png, file);
    png_set_IHDR(png, info, (png_uint_32)width, (png_uint_32)height, depth, colour, interlace, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (colour == PNG_COLOR_TYPE_PALETTE) png_set_PLTE(png, info, palette, 1 << depth);
    png_set_filter(png, 0, PNG_ALL_FILTERS);
    png_set_compression_level(png, (int)(next() % 10));
    png_write_info(png, info);
    png_write_image(png, rows);
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    fclose(file);
    for (int y = 0; y < height; y++) free(rows[y]);
}

static void every_png(void **state)
{
    static const int kinds[][2] = { { PNG_COLOR_TYPE_GRAY, 1 }, { PNG_COLOR_TYPE_GRAY, 2 }, { PNG_COLOR_TYPE_GRAY, 4 }, { PNG_COLOR_TYPE_GRAY, 8 }, { PNG_COLOR_TYPE_GRAY, 16 }, { PNG_COLOR_TYPE_RGB, 8 },
                                    { PNG_COLOR_TYPE_RGB, 16 }, { PNG_COLOR_TYPE_PALETTE, 1 }, { PNG_COLOR_TYPE_PALETTE, 2 }, { PNG_COLOR_TYPE_PALETTE, 4 }, { PNG_COLOR_TYPE_PALETTE, 8 },
                                    { PNG_COLOR_TYPE_GRAY_ALPHA, 8 }, { PNG_COLOR_TYPE_GRAY_ALPHA, 16 }, { PNG_COLOR_TYPE_RGB_ALPHA, 8 }, { PNG_COLOR_TYPE_RGB_ALPHA, 16 } };
    static const int sizes[][2] = { { 1, 1 }, { 2, 3 }, { 5, 4 }, { 8, 8 }, { 17, 33 }, { 60, 47 } };
    uint8_t rgb[64 * 64 * 3];
    char why[300];
    (void)state;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        for (int interlace = 0; interlace < 2; interlace++)
            for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
                struct picture picture;
                write_png(kinds[k][0], kinds[k][1], interlace, sizes[s][0], sizes[s][1], rgb);
                const char *wrong = picture_read(path, &picture, why, sizeof why);
                if (wrong) fail_msg("colour %d depth %d interlace %d %dx%d: %s", kinds[k][0], kinds[k][1], interlace, sizes[s][0], sizes[s][1], wrong);
                assert_int_equal(picture.width, sizes[s][0]);
                assert_int_equal(picture.height, sizes[s][1]);
                assert_memory_equal(picture.rgb, rgb, (size_t)(picture.width * picture.height * 3));
                free(picture.rgb);
            }
}

static uint32_t crc(const uint8_t *data, size_t n)
{
    uint32_t value = UINT32_MAX;
    for (size_t i = 0; i < n; i++) {
        value ^= data[i];
        for (int bit = 0; bit < 8; bit++) value = value >> 1 ^ (value & 1 ? 0xEDB88320u : 0);
    }
    return ~value;
}

/* So that damage gets past the checksums of chunks. */
static void mend(uint8_t *data, size_t bytes)
{
    for (size_t at = 8; bytes - at >= 12;) {
        const size_t n = (size_t)data[at] << 24 | (size_t)data[at + 1] << 16 | (size_t)data[at + 2] << 8 | data[at + 3];
        if (n > bytes - at - 12) return;
        const uint32_t sum = crc(data + at + 4, n + 4);
        for (int i = 0; i < 4; i++) data[at + 8 + n + (size_t)i] = (uint8_t)(sum >> (24 - 8 * i));
        at += n + 12;
    }
}

/* Cut off anywhere: an error. Any byte changed: an error, or another picture where the checksums were mended; never more than that. */
static void damaged_png(void **state)
{
    static const int kinds[][3] = { { PNG_COLOR_TYPE_RGB, 8, 0 }, { PNG_COLOR_TYPE_PALETTE, 4, 1 }, { PNG_COLOR_TYPE_GRAY, 1, 1 } };
    uint8_t rgb[64 * 64 * 3];
    char why[300];
    (void)state;
    for (int k = 0; k < 3; k++) {
        size_t bytes;
        struct picture picture;
        write_png(kinds[k][0], kinds[k][1], kinds[k][2], 9, 7, rgb);
        uint8_t *good = read_file(&bytes), *bad = malloc(bytes);
        for (size_t n = 8; n < bytes; n++) {
            memcpy(bad, good, bytes);
            assert_non_null(picture_read_png(bad, n, &picture));
            free(picture.rgb);
        }
        for (size_t i = 8; i < bytes; i++)
            for (int bit = 0; bit < 8; bit++)
                for (int mended = 0; mended < 2; mended++) {
                    memcpy(bad, good, bytes);
                    bad[i] ^= (uint8_t)(1 << bit);
                    if (mended) mend(bad, bytes);
                    const char *wrong = picture_read_png(bad, bytes, &picture);
                    assert_true(wrong || mended);
                    free(picture.rgb);
                }
        free(good);
        free(bad);
    }
    assert_string_equal(picture_read("there/is/none.png", &(struct picture){ 0 }, why, sizeof why), "No such file or directory");
}
#endif

#ifdef PLANISH_HAS_JPEG
static void jpeg(void **state)
{
    struct jpeg_compress_struct info;
    struct jpeg_error_mgr errors;
    struct picture picture;
    char why[300];
    uint8_t *data = NULL;
    unsigned long bytes = 0;
    (void)state;
    info.err = jpeg_std_error(&errors);
    jpeg_create_compress(&info);
    jpeg_mem_dest(&info, &data, &bytes);
    info.image_width = 40;
    info.image_height = 30;
    info.input_components = 3;
    info.in_color_space = JCS_RGB;
    jpeg_set_defaults(&info);
    jpeg_set_quality(&info, 100, TRUE);
    jpeg_start_compress(&info, TRUE);
    for (int y = 0; y < 30; y++) {
        JSAMPLE row[40 * 3];
        for (int x = 0; x < 40; x++) row[3 * x] = 200, row[3 * x + 1] = 30, row[3 * x + 2] = (JSAMPLE)(y * 8);
        JSAMPROW rows = row;
        jpeg_write_scanlines(&info, &rows, 1);
    }
    jpeg_finish_compress(&info);
    jpeg_destroy_compress(&info);
    write_file(data, bytes);
    assert_null(picture_read(path, &picture, why, sizeof why)); /* the content counts, not the name */
    assert_int_equal(picture.width, 40);
    assert_int_equal(picture.height, 30);
    for (int y = 0; y < 30; y++) {
        const uint8_t *pixel = picture.rgb + (size_t)(y * 40 + 20) * 3;
        assert_in_range(pixel[0], 195, 205);
        assert_in_range(pixel[1], 25, 35);
        assert_in_range(pixel[2], y > 0 ? y * 8 - 5 : 0, y * 8 + 5);
    }
    free(picture.rgb);
    for (unsigned long n = 3; n < bytes; n += 7) {
        assert_non_null(picture_read_jpeg(data, n, &picture, why, sizeof why));
        free(picture.rgb);
    }
    for (unsigned long i = 3; i < bytes; i++) {
        data[i] ^= 0x55;
        (void)picture_read_jpeg(data, bytes, &picture, why, sizeof why);
        free(picture.rgb);
        data[i] ^= 0x55;
    }
    free(data);
}
#endif

/* A binary form would hide what is in it: 4 x 2 pixels, stored without compression. */
static void write_small(void)
{
    static const uint8_t pixels[2][4][3] = { { { 0, 0, 0 }, { 255, 0, 0 }, { 0, 255, 0 }, { 0, 0, 255 } }, { { 51, 102, 153 }, { 255, 255, 255 }, { 10, 20, 30 }, { 100, 0, 200 } } };
    uint8_t file[200] = "\x89PNG\r\n\x1a\n";
    uint8_t body[26], *at = file + 8;
    uint32_t a = 1, b = 0;
    for (int y = 0; y < 2; y++) {
        body[13 * y] = 0;
        memcpy(body + 13 * y + 1, pixels[y], 12);
    }
    for (int i = 0; i < 26; i++) a = (a + body[i]) % 65521, b = (b + a) % 65521;
    uint8_t packed[37] = { 0x78, 0x01, 1, 26, 0, (uint8_t)~26, 0xff };
    memcpy(packed + 7, body, 26);
    packed[33] = (uint8_t)(b >> 8), packed[34] = (uint8_t)b, packed[35] = (uint8_t)(a >> 8), packed[36] = (uint8_t)a;
    const struct {
        const char *kind;
        const uint8_t *data;
        uint8_t n;
    } chunks[3] = { { "IHDR", (const uint8_t[13]){ 0, 0, 0, 4, 0, 0, 0, 2, 8, 2 }, 13 }, { "IDAT", packed, 37 }, { "IEND", body, 0 } };
    for (int c = 0; c < 3; c++) {
        uint32_t sum = UINT32_MAX;
        memset(at, 0, 4);
        at[3] = chunks[c].n;
        memcpy(at + 4, chunks[c].kind, 4);
        memcpy(at + 8, chunks[c].data, chunks[c].n);
        for (int i = 4; i < 8 + chunks[c].n; i++) {
            sum ^= at[i];
            for (int bit = 0; bit < 8; bit++) sum = sum >> 1 ^ (sum & 1 ? 0xEDB88320u : 0);
        }
        for (int i = 0; i < 4; i++) at[8 + chunks[c].n + i] = (uint8_t)(~sum >> (24 - 8 * i));
        at += 12 + chunks[c].n;
    }
    write_file(file, (size_t)(at - file));
}

static pln_host_value *apply(const char *spec, enum pln_dtype dtype, const int64_t dims[4], struct pln_buffer *out_buffer)
{
    struct pln_tensor_info info = { .name = "x", .dtype = dtype, .rank = 4, .dims = { dims[0], dims[1], dims[2], dims[3] } };
    struct preprocess preprocess;
    pln_host_value *value = NULL;
    assert_int_equal(preprocess_parse(&command, spec, &preprocess), 0);
    assert_int_equal(preprocess_apply(&command, &preprocess, path, &info, &value), 0);
    assert_int_equal(pln_host_value_buffer(value, out_buffer), PLN_OK);
    return value;
}

static void values(void **state)
{
    static const int64_t nchw[4] = { 1, 3, -1, -1 }, nhwc[4] = { -1, 2, 4, 3 }, small[4] = { 1, 3, 1, 1 };
    struct pln_buffer buffer;
    (void)state;
    write_small();
    pln_host_value *value = apply("unit", PLN_F32, nchw, &buffer);
    const float *f = buffer.data;
    assert_int_equal(buffer.dims[2], 2);
    assert_int_equal(buffer.dims[3], 4);
    assert_float_equal(f[1], 1, 1e-6); /* red of the second pixel */
    assert_float_equal(f[8 + 4], 0.4, 1e-6);
    pln_host_value_destroy(value);

    value = apply("raw,order=bgr,layout=nhwc", PLN_U8, nhwc, &buffer);
    assert_memory_equal((const uint8_t *)buffer.data + 12, ((const uint8_t[]){ 153, 102, 51 }), 3);
    pln_host_value_destroy(value);

    value = apply("signed,mean=0.5,0.25,0,std=0.5,0.25,1", PLN_F64, nchw, &buffer);
    const double *d = buffer.data;
    assert_float_equal(d[4], (0.2 - 0.5) / 0.5, 1e-9);
    assert_float_equal(d[8 + 4], (0.4 - 0.25) / 0.25, 1e-9);
    assert_float_equal(d[16 + 4], 0.6, 1e-9);
    pln_host_value_destroy(value);

    value = apply("unit", PLN_F16, nchw, &buffer);
    const uint16_t *h = buffer.data;
    assert_int_equal(h[1], 0x3C00);     /* 1 */
    assert_int_equal(h[8 + 4], 0x3666); /* 0.4 */
    pln_host_value_destroy(value);

    /* All pixels in one; the two in the middle of 4 x 2; twice as large. */
    value = apply("raw", PLN_F32, small, &buffer);
    f = buffer.data;
    assert_float_equal(f[1], 87.9167, 1e-3); /* weights 5, 7, 7, 5 of 24 across and a half each down: the middle counts more */
    pln_host_value_destroy(value);
    value = apply("raw,crop=2", PLN_F32, nchw, &buffer);
    f = buffer.data;
    assert_int_equal(buffer.dims[3], 2);
    assert_float_equal(f[0], 255, 0);
    assert_float_equal(f[3], 10, 0);
    pln_host_value_destroy(value);
    value = apply("raw,resize=4", PLN_F32, nchw, &buffer);
    f = buffer.data;
    assert_int_equal(buffer.dims[2], 4);
    assert_int_equal(buffer.dims[3], 8);
    assert_float_equal(f[0], 0, 0);
    assert_float_equal(f[1], 255 * 0.25, 1e-4); /* bilinear, half a pixel in */
    pln_host_value_destroy(value);
}

static void specifications(void **state)
{
    static const char *const bad[] = { "", "imagnet", "crop", "crop=", "crop=0", "crop=3x", "crop=-1", "resize=99999999", "mean=1,2", "mean=1,2,3,4", "mean=a", "std=0", "std=-1", "order=grb", "layout=hw", "unit,unit",
                                       "scale=0", "scale=nan", "colour=red", "unit,", "mean=inf" };
    struct preprocess preprocess, again;
    char text[PREPROCESS_TEXT], second[PREPROCESS_TEXT];
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const int status = preprocess_parse(&command, bad[i], &preprocess);
        if (status != (strcmp(bad[i], "unit,") == 0 ? 0 : 2)) fail_msg("'%s' is taken", bad[i]);
    }
    static const char *const good[] = { "imagenet", "unit", "signed", "raw", "resize=10x20,crop=5", "imagenet,order=bgr,layout=nhwc", "mean=.1,std=.2,.3,.4" };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(preprocess_parse(&command, good[i], &preprocess), 0);
        preprocess_print(&preprocess, text, sizeof text);
        assert_int_equal(preprocess_parse(&command, text, &again), 0);
        preprocess_print(&again, second, sizeof second);
        assert_string_equal(text, second);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#ifdef PLANISH_TEST_PNG
        cmocka_unit_test(every_png), cmocka_unit_test(damaged_png),
#endif
#ifdef PLANISH_HAS_JPEG
        cmocka_unit_test(jpeg),
#endif
        cmocka_unit_test(values),    cmocka_unit_test(specifications),
    };
    int file = mkstemps(path, 4);
    if (file < 0) return 1;
    close(file);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    remove(path);
    return failed;
}
