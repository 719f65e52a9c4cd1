/* Where text is: from the detection model's map of probabilities to rectangles (see ocr.h). */
#include "ocr.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const float TEXT = 0.3f;      /* a pixel is text from this probability on */
static const float SURE = 0.6f;      /* a patch of such pixels is text if their mean is at least this */
static const float UNCLIP = 1.6f;    /* the model was trained on shrunk rectangles: each grows by area * this / perimeter */
static const float SMALLEST = 3.0f;  /* sides below this many pixels of the map are noise */
enum { DIRECTIONS = 360 };           /* tried for a patch, over a quarter of a turn */

/* One patch of connected text: the first and last column of each of its rows. */
struct patch {
    int top, bottom;
    int *first, *last; /* [height] */
    double sum;
    int pixels;
};

/* Takes the patch at `start` out of `seen`, which is 1 where text has not been looked at; stack has room for every pixel. */
static void flood(const float *map, unsigned char *seen, int *stack, int start, int width, int height, struct patch *patch)
{
    int n = 0;
    patch->top = height, patch->bottom = -1, patch->sum = 0, patch->pixels = 0;
    for (int y = 0; y < height; y++) patch->first[y] = width, patch->last[y] = -1;
    stack[n++] = start;
    seen[start] = 0;
    while (n > 0) {
        const int at = stack[--n], y = at / width, x = at % width;
        patch->sum += (double)map[at];
        patch->pixels++;
        if (y < patch->top) patch->top = y;
        if (y > patch->bottom) patch->bottom = y;
        if (x < patch->first[y]) patch->first[y] = x;
        if (x > patch->last[y]) patch->last[y] = x;
        for (int side = 0; side < 8; side++) {
            static const int dx[8] = { -1, 0, 1, -1, 1, -1, 0, 1 }, dy[8] = { -1, -1, -1, 0, 0, 1, 1, 1 };
            const int nx = x + dx[side], ny = y + dy[side];
            if (nx < 0 || ny < 0 || nx >= width || ny >= height || !seen[ny * width + nx]) continue;
            seen[ny * width + nx] = 0;
            stack[n++] = ny * width + nx;
        }
    }
}

/* The patch's extent along (c, s) and across it: low and high of both. */
static void measure(const struct patch *patch, float c, float s, float out_low[2], float out_high[2])
{
    out_low[0] = out_low[1] = INFINITY;
    out_high[0] = out_high[1] = -INFINITY;
    for (int y = patch->top; y <= patch->bottom; y++) {
        const float xs[2] = { (float)patch->first[y], (float)patch->last[y] + 1 };
        for (int k = 0; k < 4; k++) { /* the corners of the row's outermost pixels */
            const float px = xs[k & 1], py = (float)(y + (k >> 1)), along = px * c + py * s, across = py * c - px * s;
            out_low[0] = fminf(out_low[0], along), out_high[0] = fmaxf(out_high[0], along);
            out_low[1] = fminf(out_low[1], across), out_high[1] = fmaxf(out_high[1], across);
        }
    }
}

/* The smallest rectangle around the patch, grown to the size of the text, lying so that it is read along its longer side. 0: too small. */
static int fit_box(const struct patch *patch, struct box *out_box)
{
    float low[2], high[2], best_c = 1, best_s = 0, least = INFINITY;
    for (int i = 0; i < DIRECTIONS; i++) {
        const float angle = (float)i * 1.57079633f / DIRECTIONS - 0.78539816f, c = cosf(angle), s = sinf(angle);
        measure(patch, c, s, low, high);
        const float area = (high[0] - low[0]) * (high[1] - low[1]);
        if (area < least) least = area, best_c = c, best_s = s;
    }
    measure(patch, best_c, best_s, low, high);
    const float w = high[0] - low[0], h = high[1] - low[1], grow = w * h * UNCLIP / (2 * (w + h));
    if (fminf(w, h) < SMALLEST) return 0;
    for (int axis = 0; axis < 2; axis++) low[axis] -= grow, high[axis] += grow;
    const int upright = h >= 1.5f * w; /* text that runs downwards: its top is on the right */
    for (int k = 0; k < 4; k++) {
        static const int right[4] = { 0, 1, 1, 0 }, below[4] = { 0, 0, 1, 1 };
        const float along = right[k] ? high[0] : low[0], across = below[k] ? high[1] : low[1];
        out_box->corner[(k + 3 * upright) % 4] = (struct point){ along * best_c - across * best_s, along * best_s + across * best_c };
    }
    return 1;
}

static float middle(const struct box *box, int of_y)
{
    float sum = 0;
    for (int k = 0; k < 4; k++) sum += of_y ? box->corner[k].y : box->corner[k].x;
    return sum / 4;
}

static float box_height(const struct box *box)
{
    return hypotf(box->corner[3].x - box->corner[0].x, box->corner[3].y - box->corner[0].y);
}

/* From the top down; of two whose middles are less than half a line apart, the left one first. */
static int reads_before(const struct box *a, const struct box *b)
{
    const float down = middle(b, 1) - middle(a, 1), half = fminf(box_height(a), box_height(b)) / 2;
    return fabsf(down) < half ? middle(a, 0) < middle(b, 0) : down > 0;
}

int ocr_find_boxes(const float *map, int width, int height, struct box *out_boxes, int most)
{
    const size_t pixels = (size_t)width * (size_t)height;
    int n = 0, *stack = malloc(pixels * sizeof *stack), *rows = malloc(2 * (size_t)height * sizeof *rows);
    unsigned char *seen = malloc(pixels);
    struct patch patch = { .first = rows, .last = rows ? rows + height : NULL };
    if (!stack || !rows || !seen) n = -1;
    for (size_t i = 0; n >= 0 && i < pixels; i++) seen[i] = map[i] > TEXT;
    for (size_t i = 0; n >= 0 && i < pixels && n < most; i++) {
        struct box box;
        if (!seen[i]) continue;
        flood(map, seen, stack, (int)i, width, height, &patch);
        if (patch.sum / patch.pixels < (double)SURE || !fit_box(&patch, &box)) continue;
        int at = n++;
        for (; at > 0 && reads_before(&box, &out_boxes[at - 1]); at--) out_boxes[at] = out_boxes[at - 1];
        out_boxes[at] = box;
    }
    free(stack);
    free(rows);
    free(seen);
    return n;
}
