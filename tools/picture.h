/* Pictures from files, as eight-bit RGB. */
#ifndef PLANISH_TOOLS_PICTURE_H
#define PLANISH_TOOLS_PICTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct picture {
    int width, height;
    uint8_t *rgb; /* rows from the top, three bytes a pixel, without gaps */
};

enum { PICTURE_MAX_SIDE = 1 << 16, PICTURE_MAX_PIXELS = 1 << 27 };

/* By its name: .png, .jpg, .jpeg, in any case. */
bool picture_is_name(const char *path);
/* Reads the file by what stands in it. Returns NULL when it worked, else why not (static, or in `why`). The caller frees rgb. */
const char *picture_read(const char *path, struct picture *out_picture, char *why, size_t why_bytes);

extern const bool picture_has_jpeg; /* this build reads them */
/* From memory. Alpha is left out, 16 bits become 8, grey becomes RGB. NULL or why not. */
const char *picture_read_png(const uint8_t *data, size_t bytes, struct picture *out_picture);
const char *picture_read_jpeg(const uint8_t *data, size_t bytes, struct picture *out_picture, char *why, size_t why_bytes);
/* Memory for width x height; false: too large, or there is none. */
bool picture_make(int64_t width, int64_t height, struct picture *out_picture);

#endif
