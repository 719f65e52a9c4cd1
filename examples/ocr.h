/* The pieces of the example that reads text from a picture: ocr_picture.c (pixels), ocr_boxes.c (where text is), ocr.c (the three models). */
#ifndef OCR_H
#define OCR_H

/* Eight-bit RGB, row by row. */
struct picture {
    int width, height;
    unsigned char *rgb;
};

struct point {
    float x, y;
};

/* A rectangle in any position, corners in the order of its own reading: top left, top right, bottom right, bottom left; in pixels. */
struct box {
    struct point corner[4];
};

/* From a PNG file, of any kind; 0 when it cannot be read. The caller frees rgb. */
int ocr_read_png(const char *path, struct picture *out_picture);
/* What lies in the box, width x height, as PP-OCR's models want it: out[3,height,row] with blue first, value = (pixel / 255 - mean) / deviation, both of 0.5. Columns from
 * `width` to `row` are 0. */
void ocr_sample(const struct picture *picture, const struct box *box, int width, int height, int row, float *out);

/* The lines of text in a map of probabilities [height,width], in the order of reading: at most `most`, as rectangles with the room around letters that the map
 * leaves out. Returns how many, -1 without memory. Differentiable binarization (Liao et al., 2020, arXiv:1911.08947), section 3.5. */
int ocr_find_boxes(const float *map, int width, int height, struct box *out_boxes, int most);

#endif
