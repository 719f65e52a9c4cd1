/* Pictures in memory, for image_decoder: BMP and PNM are read here, the others by libraries that are found at run time. */
#ifndef PLN_BACKEND_REF_PICTURE_H
#define PLN_BACKEND_REF_PICTURE_H

#include "kernel/call.h"

/* Larger ones are refused: a few bytes may claim any size. */
#define PLN_PICTURE_PIXELS_MOST ((int64_t)1 << 28)

struct pln_picture {
    struct pln_call *call; /* for messages and memory */
    const uint8_t *data;   /* the file */
    size_t size_bytes;
    int64_t width, height;
    uint8_t *rgb; /* [height,width,3], in the call's scratch memory */
};

/* Memory for the pixels of a picture of that size. PLN_BAD_MODEL: there is no such picture. */
enum pln_status pln_picture_begin(struct pln_picture *picture, int64_t width, int64_t height);
/* "PICTURE: why", with PLN_BAD_MODEL. */
enum pln_status pln_picture_fail(struct pln_picture *picture, const char *kind, const char *why);

/* One format each; the file begins as one of it does. PLN_NOT_FOUND: the library is not there; the message tells its package. */
enum pln_status pln_picture_bmp(struct pln_picture *picture);
enum pln_status pln_picture_pnm(struct pln_picture *picture);
enum pln_status pln_picture_png(struct pln_picture *picture);
enum pln_status pln_picture_jpeg(struct pln_picture *picture);
enum pln_status pln_picture_webp(struct pln_picture *picture);
enum pln_status pln_picture_tiff(struct pln_picture *picture);
enum pln_status pln_picture_jpeg2000(struct pln_picture *picture);

#endif
