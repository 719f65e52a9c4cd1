#include "picture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool picture_is_name(const char *path)
{
    const char *end = strrchr(path, '.');
    return end && (strcasecmp(end, ".png") == 0 || strcasecmp(end, ".jpg") == 0 || strcasecmp(end, ".jpeg") == 0);
}

bool picture_make(int64_t width, int64_t height, struct picture *out_picture)
{
    *out_picture = (struct picture){ 0 };
    if (width < 1 || height < 1 || width > PICTURE_MAX_SIDE || height > PICTURE_MAX_SIDE || width * height > PICTURE_MAX_PIXELS) return false;
    out_picture->rgb = malloc((size_t)(width * height) * 3);
    out_picture->width = (int)width;
    out_picture->height = (int)height;
    return out_picture->rgb != NULL;
}

/* All of a file of at most 1 GiB; NULL: errno says why. */
static uint8_t *read_all(const char *path, size_t *out_bytes)
{
    size_t capacity = 1 << 16, n = 0;
    FILE *file = fopen(path, "rb");
    uint8_t *data = file ? malloc(capacity) : NULL;
    while (data) {
        const size_t got = fread(data + n, 1, capacity - n, file);
        n += got;
        if (got == 0) break;
        if (n < capacity) continue;
        uint8_t *grown = capacity < (size_t)1 << 30 ? realloc(data, 2 * capacity) : NULL;
        if (!grown) {
            free(data);
            errno = EFBIG;
        }
        data = grown;
        capacity *= 2;
    }
    if (data && ferror(file)) {
        free(data);
        data = NULL;
    }
    if (file) fclose(file);
    *out_bytes = n;
    return data;
}

const char *picture_read(const char *path, struct picture *out_picture, char *why, size_t why_bytes)
{
    size_t bytes;
    uint8_t *data = read_all(path, &bytes);
    *out_picture = (struct picture){ 0 };
    if (!data) return strerror(errno);
    const char *wrong;
    if (bytes >= 8 && memcmp(data, "\x89PNG\r\n\x1a\n", 8) == 0) wrong = picture_read_png(data, bytes, out_picture);
    else if (bytes >= 3 && memcmp(data, "\xff\xd8\xff", 3) == 0) wrong = picture_read_jpeg(data, bytes, out_picture, why, why_bytes);
    else wrong = "neither a PNG nor a JPEG file; convert it to one of them";
    free(data);
    if (wrong) {
        free(out_picture->rgb);
        *out_picture = (struct picture){ 0 };
    }
    return wrong;
}
