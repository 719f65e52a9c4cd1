/* JPEG, by libjpeg where the build found it. */
#include "picture.h"

#ifdef PLANISH_HAS_JPEG
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

const bool picture_has_jpeg = true;

struct failure {
    struct jpeg_error_mgr manager;
    jmp_buf back;
    char *why;
    size_t why_bytes;
};

static void fail(j_common_ptr info)
{
    struct failure *failure = (struct failure *)info->err;
    char text[JMSG_LENGTH_MAX];
    info->err->format_message(info, text);
    snprintf(failure->why, failure->why_bytes, "a JPEG file that cannot be read: %s", text);
    longjmp(failure->back, 1);
}

/* libjpeg goes on with damaged data, and would only say so. A picture that is half grey is no picture. */
static void warn(j_common_ptr info, int level)
{
    if (level < 0) fail(info);
}

const char *picture_read_jpeg(const uint8_t *data, size_t bytes, struct picture *out_picture, char *why, size_t why_bytes)
{
    struct jpeg_decompress_struct info;
    struct failure failure = { .why = why, .why_bytes = why_bytes };
    *out_picture = (struct picture){ 0 };
    info.err = jpeg_std_error(&failure.manager);
    failure.manager.error_exit = fail;
    failure.manager.emit_message = warn;
    if (setjmp(failure.back)) {
        jpeg_destroy_decompress(&info);
        return failure.why;
    }
    jpeg_create_decompress(&info);
    jpeg_mem_src(&info, data, (unsigned long)bytes);
    jpeg_read_header(&info, TRUE);
    info.out_color_space = JCS_RGB;
    if (!picture_make(info.image_width, info.image_height, out_picture)) {
        jpeg_destroy_decompress(&info);
        return "a JPEG picture of more pixels than are read (134 million), or there is no memory for it";
    }
    jpeg_start_decompress(&info);
    while (info.output_scanline < info.output_height) {
        JSAMPROW row = out_picture->rgb + (size_t)info.output_scanline * (size_t)out_picture->width * 3;
        jpeg_read_scanlines(&info, &row, 1);
    }
    jpeg_finish_decompress(&info);
    jpeg_destroy_decompress(&info);
    return NULL;
}

#else

const bool picture_has_jpeg = false;

const char *picture_read_jpeg(const uint8_t *data, size_t bytes, struct picture *out_picture, char *why, size_t why_bytes)
{
    (void)data;
    (void)bytes;
    (void)why;
    (void)why_bytes;
    *out_picture = (struct picture){ 0 };
    return "a JPEG file, which this build cannot read: install libjpeg-dev and build again, or convert the picture to PNG";
}
#endif
