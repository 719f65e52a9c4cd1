/* image_decoder: finds the format, and puts the pixels in the order asked for. */
#include <string.h>

#include "backend/ref/picture.h"

enum pln_status pln_picture_begin(struct pln_picture *picture, int64_t width, int64_t height)
{
    void *memory;
    if (width < 1 || height < 1 || width > INT32_MAX || height > INT32_MAX || width * height > PLN_PICTURE_PIXELS_MOST)
        return pln_call_fail(picture->call, PLN_BAD_MODEL, "a picture of %lld x %lld pixels", (long long)width, (long long)height);
    picture->width = width;
    picture->height = height;
    PLN_TRY(pln_call_scratch(picture->call, (size_t)(width * height), 3, &memory));
    picture->rgb = memory;
    return PLN_OK;
}

enum pln_status pln_picture_fail(struct pln_picture *picture, const char *kind, const char *why)
{
    return pln_call_fail(picture->call, PLN_BAD_MODEL, "the %s picture cannot be read: %s", kind, why);
}

static const struct format {
    const char *magic;
    size_t size_bytes, offset;
    enum pln_status (*read)(struct pln_picture *picture);
} formats[] = {
    { "BM", 2, 0, pln_picture_bmp },
    { "\x89PNG\r\n\x1a\n", 8, 0, pln_picture_png },
    { "\xff\xd8\xff", 3, 0, pln_picture_jpeg },
    { "II*\0", 4, 0, pln_picture_tiff },
    { "MM\0*", 4, 0, pln_picture_tiff },
    { "WEBP", 4, 8, pln_picture_webp },
    { "\0\0\0\x0cjP  \r\n\x87\n", 12, 0, pln_picture_jpeg2000 },
    { "\xff\x4f\xff\x51", 4, 0, pln_picture_jpeg2000 },
};

static enum pln_status read(struct pln_picture *picture)
{
    const uint8_t *data = picture->data;
    for (size_t i = 0; i < PLN_COUNT_OF(formats); i++)
        if (picture->size_bytes >= formats[i].offset + formats[i].size_bytes && memcmp(data + formats[i].offset, formats[i].magic, formats[i].size_bytes) == 0) return formats[i].read(picture);
    if (picture->size_bytes >= 2 && data[0] == 'P' && data[1] >= '1' && data[1] <= '6') return pln_picture_pnm(picture);
    return pln_call_fail(picture->call, PLN_BAD_MODEL, "%zu bytes that are no picture; it takes BMP, JPEG, JPEG 2000, PNG, PNM, TIFF and WebP", picture->size_bytes);
}

/* ITU-R BT.601 luma, rounded as Pillow does, which ONNX's reference implementation uses. */
static uint8_t luma(const uint8_t *rgb)
{
    return (uint8_t)((rgb[0] * 19595u + rgb[1] * 38470u + rgb[2] * 7471u + 0x8000u) >> 16);
}

static void write(const struct pln_picture *picture, bool gray, bool bgr, uint8_t *out)
{
    for (int64_t i = 0; i < picture->width * picture->height; i++) {
        const uint8_t *rgb = picture->rgb + 3 * i;
        if (gray) {
            out[i] = luma(rgb);
            continue;
        }
        out[3 * i] = rgb[bgr ? 2 : 0];
        out[3 * i + 1] = rgb[1];
        out[3 * i + 2] = rgb[bgr ? 0 : 2];
    }
}

enum pln_status pln_ref_image_decoder(struct pln_call *call)
{
    const struct pln_tensor *file;
    struct pln_tensor out;
    struct pln_picture picture = { .call = call };
    const char *format = pln_attrs_string(call->attrs, "pixel_format", "RGB");
    const bool gray = strcmp(format, "Grayscale") == 0, bgr = strcmp(format, "BGR") == 0;
    PLN_TRY(pln_call_need(call, 0, &file));
    if (file->dtype != PLN_U8 || file->rank != 1) return pln_call_fail(call, PLN_BAD_MODEL, "input 0 must be u8[n], the bytes of a file");
    if (!gray && !bgr && strcmp(format, "RGB") != 0) return pln_call_fail(call, PLN_BAD_MODEL, "pixel_format is '%s'; there are RGB, BGR and Grayscale", format);
    picture.data = file->data;
    picture.size_bytes = (size_t)file->dims[0];
    PLN_TRY(read(&picture));
    PLN_TRY(pln_call_out(call, 0, PLN_U8, 3, (int64_t[]){ picture.height, picture.width, gray ? 1 : 3 }, &out));
    write(&picture, gray, bgr, out.data);
    return PLN_OK;
}
