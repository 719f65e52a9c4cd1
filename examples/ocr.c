/* Reads the text in a picture with three models of PP-OCRv4 (or others of that family): where the text is, which lines stand on their heads, what they say.
 *
 *     cc ocr.c ocr_boxes.c ocr_picture.c -o ocr $(pkg-config --cflags --libs planish libpng) -lm
 *     ./ocr detection.onnx direction.onnx recognition.onnx page.png      # plans do as well as models
 *
 * Prints a line for each line of text: how sure the model is, and what it read.
 */
#include "ocr.h"

#include <planish/planish.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST = 960, MOST_LINES = 500, HEIGHT = 48, DIRECTION_WIDTH = 192, LEAST_WIDTH = 320, MOST_WIDTH = 4096 };

struct model {
    pln_engine *engine;
    pln_context *context;
    struct pln_tensor_info in, out;
    float *pixels; /* what its input is bound to */
};

static void fail(const char *what, const char *why, const pln_diagnostics *diagnostics)
{
    struct pln_message message;
    fprintf(stderr, "ocr: %s: %s\n", what, why);
    for (int i = 0; diagnostics && pln_diagnostics_get(diagnostics, i, &message) == PLN_OK; i++) fprintf(stderr, "  %s\n", message.text);
    exit(1);
}

static struct model load(const char *path, int out_rank)
{
    struct model model = { 0 };
    const size_t n = strlen(path);
    pln_diagnostics *diagnostics = pln_diagnostics_create();
    const struct pln_engine_options load_options = { .struct_size = sizeof load_options, .diagnostics = diagnostics };
    const struct pln_build_options build_options = { .struct_size = sizeof build_options, .diagnostics = diagnostics };
    enum pln_status status = n > 5 && strcmp(path + n - 5, ".plan") == 0 ? pln_engine_load_file(path, &load_options, &model.engine) : pln_build_file(path, &build_options, &model.engine);
    if (status == PLN_OK) status = pln_context_create(model.engine, NULL, &model.context);
    if (status == PLN_OK) status = pln_engine_input(model.engine, 0, &model.in);
    if (status == PLN_OK) status = pln_engine_output(model.engine, 0, &model.out);
    if (status != PLN_OK) fail(path, pln_status_text(status), diagnostics);
    if (model.in.rank != 4 || model.in.dtype != PLN_F32 || model.out.rank != out_rank || model.out.dtype != PLN_F32) fail(path, "not a model of the kind that is wanted here", NULL);
    pln_diagnostics_destroy(diagnostics);
    return model;
}

/* Runs the model on what lies in the box, width x height, in a field of row x height. The output is the context's, until the next run. */
static struct pln_buffer run(struct model *model, const struct picture *picture, const struct box *box, int width, int height, int row)
{
    struct pln_buffer out = { 0 }, in = { .dtype = PLN_F32, .rank = 4, .dims = { 1, 3, height, row }, .size_bytes = (size_t)height * (size_t)row * 3 * sizeof(float) };
    free(model->pixels);
    in.data = model->pixels = malloc(in.size_bytes);
    if (!model->pixels) fail(model->in.name, "no memory", NULL);
    ocr_sample(picture, box, width, height, row, model->pixels);
    if (pln_context_bind_input(model->context, model->in.name, &in) != PLN_OK || pln_context_run(model->context) != PLN_OK || pln_context_output(model->context, model->out.name, &out) != PLN_OK)
        fail(model->out.name, "the model does not run", pln_context_diagnostics(model->context));
    return out;
}

/* The whole picture, shrunk so that its longer side is at most LONGEST; sides must be multiples of 32. Boxes come back in pixels of the picture. */
static int detect(struct model *model, const struct picture *picture, struct box *boxes)
{
    const float w = (float)picture->width, h = (float)picture->height, scale = fminf(1, LONGEST / fmaxf(w, h));
    const int width = 32 * (int)fmaxf(1, roundf(w * scale / 32)), height = 32 * (int)fmaxf(1, roundf(h * scale / 32));
    const struct box all = { { { 0, 0 }, { w, 0 }, { w, h }, { 0, h } } };
    const struct pln_buffer map = run(model, picture, &all, width, height, width);
    if (map.dims[2] != height || map.dims[3] != width) fail(model->out.name, "the detection gives no map of the picture's size", NULL);
    const int n = ocr_find_boxes(map.data, width, height, boxes, MOST_LINES);
    if (n < 0) fail(model->out.name, "no memory", NULL);
    for (int i = 0; i < n; i++)
        for (int k = 0; k < 4; k++) boxes[i].corner[k].x *= w / (float)width, boxes[i].corner[k].y *= h / (float)height;
    return n;
}

/* Columns that the line has when it is HEIGHT rows high. */
static int line_width(const struct box *box)
{
    const float along = hypotf(box->corner[1].x - box->corner[0].x, box->corner[1].y - box->corner[0].y), across = hypotf(box->corner[3].x - box->corner[0].x, box->corner[3].y - box->corner[0].y);
    return (int)fminf(MOST_WIDTH, fmaxf(1, ceilf(HEIGHT * along / fmaxf(across, 1))));
}

/* Turns the box of a line that stands on its head; says whether it did. */
static int turn(struct model *model, const struct picture *picture, struct box *box)
{
    const int width = line_width(box);
    const struct pln_buffer out = run(model, picture, box, width < DIRECTION_WIDTH ? width : DIRECTION_WIDTH, HEIGHT, DIRECTION_WIDTH);
    if (out.dims[1] != 2 || ((const float *)out.data)[1] <= .9f) return 0; /* classes: as it should be, half a turn */
    *box = (struct box){ { box->corner[2], box->corner[3], box->corner[0], box->corner[1] } };
    return 1;
}

/* Prints character `index` of the list, one a line, that the model keeps among its metadata; the one behind the last is the space. */
static void print_character(const char *list, int64_t index)
{
    for (int64_t i = 1; i < index && *list; i++) list += strcspn(list, "\n") + (strchr(list, '\n') != NULL);
    if (*list == '\0') printf(" ");
    else printf("%.*s", (int)strcspn(list, "\r\n"), list);
}

/* Connectionist temporal classification (Graves et al., 2006): the likeliest class of each column; repeats and blanks (class 0) fall away. */
static void recognize(struct model *model, const struct picture *picture, const struct box *box, int turned)
{
    const int width = line_width(box);
    const struct pln_buffer out = run(model, picture, box, width, HEIGHT, width > LEAST_WIDTH ? width : LEAST_WIDTH);
    const char *characters = pln_engine_metadata(model->engine, "character");
    int64_t *read = malloc(((size_t)out.dims[1] + 1) * sizeof *read), n = 0, before = 0;
    double sure = 0;
    if (!read || !characters) fail(model->out.name, read ? "the recognition has no list of characters" : "no memory", NULL);
    for (int64_t t = 0; t < out.dims[1]; t++) {
        const float *row = (const float *)out.data + t * out.dims[2];
        int64_t best = 0;
        for (int64_t k = 1; k < out.dims[2]; k++)
            if (row[k] > row[best]) best = k;
        if (best != 0 && best != before) read[n++] = best, sure += (double)row[best];
        before = best;
    }
    if (n > 0 && sure / (double)n >= .5) {
        printf("%3.0f%%  ", 100 * sure / (double)n);
        for (int64_t i = 0; i < n; i++) print_character(characters, read[i]);
        printf("%s\n", turned ? "  (upside down)" : "");
    }
    free(read);
}

int main(int argc, char **argv)
{
    static struct box boxes[MOST_LINES];
    struct picture picture;
    if (argc != 5) return fprintf(stderr, "usage: ocr DETECTION DIRECTION RECOGNITION PICTURE.png\n"), 2;
    if (!ocr_read_png(argv[4], &picture)) fail(argv[4], "not a PNG picture that can be read", NULL);
    struct model models[3] = { load(argv[1], 4), load(argv[2], 2), load(argv[3], 3) };
    const int n = detect(&models[0], &picture, boxes);
    for (int i = 0; i < n; i++) {
        const int turned = turn(&models[1], &picture, &boxes[i]);
        recognize(&models[2], &picture, &boxes[i], turned);
    }
    for (int i = 0; i < 3; i++) {
        pln_context_destroy(models[i].context);
        pln_engine_release(models[i].engine);
        free(models[i].pixels);
    }
    free(picture.rgb);
    return 0;
}
