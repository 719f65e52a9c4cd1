/* Pixels: reads a PNG file with libpng, and takes rectangles in any position out of it (see ocr.h). */
#include "ocr.h"

#include <math.h>
#include <png.h>
#include <stdlib.h>

int ocr_read_png(const char *path, struct picture *out_picture)
{
    const png_color white = { 255, 255, 255 }; /* behind what is transparent */
    png_image image = { .version = PNG_IMAGE_VERSION };
    if (!png_image_begin_read_from_file(&image, path)) return 0;
    image.format = PNG_FORMAT_RGB;
    unsigned char *pixels = image.width <= 20000 && image.height <= 20000 ? malloc(PNG_IMAGE_SIZE(image)) : NULL;
    if (!pixels || !png_image_finish_read(&image, &white, pixels, 0, NULL)) {
        png_image_free(&image);
        free(pixels);
        return 0;
    }
    *out_picture = (struct picture){ (int)image.width, (int)image.height, pixels };
    return 1;
}

static int within(int at, int n)
{
    return at < 0 ? 0 : at >= n ? n - 1 : at;
}

/* Bilinear, at a point between the middles of four pixels; outside of the picture its edge goes on. */
static void sample(const struct picture *picture, float x, float y, float out_rgb[3])
{
    const float left = floorf(x - .5f), top = floorf(y - .5f), fx = x - .5f - left, fy = y - .5f - top;
    const int x0 = within((int)left, picture->width), x1 = within((int)left + 1, picture->width);
    const size_t y0 = (size_t)within((int)top, picture->height) * (size_t)picture->width, y1 = (size_t)within((int)top + 1, picture->height) * (size_t)picture->width;
    const unsigned char *a = picture->rgb + (y0 + (size_t)x0) * 3, *b = picture->rgb + (y0 + (size_t)x1) * 3;
    const unsigned char *c = picture->rgb + (y1 + (size_t)x0) * 3, *d = picture->rgb + (y1 + (size_t)x1) * 3;
    for (int k = 0; k < 3; k++) out_rgb[k] = (1 - fy) * ((1 - fx) * a[k] + fx * b[k]) + fy * ((1 - fx) * c[k] + fx * d[k]);
}

void ocr_sample(const struct picture *picture, const struct box *box, int width, int height, int row, float *out)
{
    const struct point *corner = box->corner;
    const float right_x = (corner[1].x - corner[0].x) / (float)width, right_y = (corner[1].y - corner[0].y) / (float)width;
    const float down_x = (corner[3].x - corner[0].x) / (float)height, down_y = (corner[3].y - corner[0].y) / (float)height;
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < row; x++) {
            const float u = (float)x + .5f, v = (float)y + .5f;
            float rgb[3] = { 127.5f, 127.5f, 127.5f };
            if (x < width) sample(picture, corner[0].x + u * right_x + v * down_x, corner[0].y + u * right_y + v * down_y, rgb);
            for (int c = 0; c < 3; c++) out[((size_t)c * (size_t)height + (size_t)y) * (size_t)row + (size_t)x] = rgb[2 - c] / 127.5f - 1;
        }
    }
}
