/* Says what is in a picture: reads a PNG file with libpng, makes of it what a network trained on ImageNet expects, prints the five likeliest classes.
 *
 *     cc classify.c -o classify $(pkg-config --cflags --libs planish libpng) -lm
 *     ./classify resnet50.onnx cat.png [classes.txt]
 */
#include <planish/planish.h>

#include <math.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int complain(const char *what, const pln_diagnostics *diagnostics)
{
    struct pln_message message;
    fprintf(stderr, "%s\n", what);
    for (int i = 0; diagnostics && pln_diagnostics_get(diagnostics, i, &message) == PLN_OK; i++) fprintf(stderr, "  %s\n", message.text);
    return 1;
}

/* Eight-bit RGB, row by row; NULL when it cannot be read. */
static unsigned char *read_png(const char *path, int *out_width, int *out_height)
{
    png_image image = { .version = PNG_IMAGE_VERSION };
    if (!png_image_begin_read_from_file(&image, path)) return NULL;
    image.format = PNG_FORMAT_RGB;
    unsigned char *pixels = malloc(PNG_IMAGE_SIZE(image));
    if (!pixels || !png_image_finish_read(&image, NULL, pixels, 0, NULL)) {
        png_image_free(&image);
        free(pixels);
        return NULL;
    }
    *out_width = (int)image.width;
    *out_height = (int)image.height;
    return pixels;
}

/* The middle square of the picture, resized to side x side (bilinear), channel by channel, with ImageNet's mean and deviation. */
static void prepare(const unsigned char *pixels, int width, int height, int side, float *out)
{
    static const float mean[3] = { 0.485f, 0.456f, 0.406f }, deviation[3] = { 0.229f, 0.224f, 0.225f };
    const int square = width < height ? width : height, left = (width - square) / 2, top = (height - square) / 2;
    for (int y = 0; y < side; y++) {
        for (int x = 0; x < side; x++) {
            const float fy = fmaxf(0, ((float)y + .5f) * (float)square / (float)side - .5f), fx = fmaxf(0, ((float)x + .5f) * (float)square / (float)side - .5f);
            const int y0 = (int)fy, x0 = (int)fx, y1 = y0 + 1 < square ? y0 + 1 : y0, x1 = x0 + 1 < square ? x0 + 1 : x0;
            for (int c = 0; c < 3; c++) {
#define AT(row, column) ((float)pixels[((size_t)(top + (row)) * (size_t)width + (size_t)(left + (column))) * 3 + (size_t)c])
                const float above = AT(y0, x0) + (AT(y0, x1) - AT(y0, x0)) * (fx - (float)x0), below = AT(y1, x0) + (AT(y1, x1) - AT(y1, x0)) * (fx - (float)x0);
#undef AT
                out[((size_t)c * (size_t)side + (size_t)y) * (size_t)side + (size_t)x] = ((above + (below - above) * (fy - (float)y0)) / 255 - mean[c]) / deviation[c];
            }
        }
    }
}

/* Line `index` of the file; its number where there is none. */
static const char *label(const char *path, int index)
{
    static char line[200];
    FILE *file = path ? fopen(path, "r") : NULL;
    int found = 0;
    for (int i = 0; file && i <= index; i++) found = fgets(line, sizeof line, file) != NULL;
    if (file) fclose(file);
    if (!found) snprintf(line, sizeof line, "class %d", index);
    line[strcspn(line, "\n")] = '\0';
    return line;
}

static void print_best(float *scores, int n, const char *labels)
{
    double sum = 0, most = (double)scores[0];
    for (int i = 1; i < n; i++) most = fmax(most, (double)scores[i]);
    for (int i = 0; i < n; i++) sum += exp((double)scores[i] - most); /* softmax */
    for (int k = 0; k < 5 && k < n; k++) {
        int best = 0;
        for (int i = 1; i < n; i++)
            if (scores[i] > scores[best]) best = i;
        printf("%5.1f%%  %s\n", 100 * exp((double)scores[best] - most) / sum, label(labels, best));
        scores[best] = -INFINITY;
    }
}

int main(int argc, char **argv)
{
    if (argc < 3) return fprintf(stderr, "usage: classify MODEL.onnx PICTURE.png [LABELS.txt]\n"), 2;
    int width, height, status = 1;
    pln_diagnostics *diagnostics = pln_diagnostics_create();
    pln_engine *engine = NULL;
    pln_context *context = NULL;
    struct pln_tensor_info in, out;
    struct pln_buffer scores;
    const struct pln_build_options build = { .struct_size = sizeof build, .diagnostics = diagnostics };
    unsigned char *pixels = read_png(argv[2], &width, &height);
    float *data = NULL, *copy = NULL;
    if (!pixels) complain("the picture cannot be read", NULL);
    else if (pln_build_file(argv[1], &build, &engine) != PLN_OK || pln_context_create(engine, NULL, &context) != PLN_OK) complain("the model cannot be built", diagnostics);
    else if (pln_engine_input(engine, 0, &in) != PLN_OK || pln_engine_output(engine, 0, &out) != PLN_OK || in.rank != 4 || in.dtype != PLN_F32) complain("the model takes no pictures", NULL);
    else {
        const int side = in.dims[3] > 0 ? (int)in.dims[3] : 224;
        struct pln_buffer input = { .dtype = PLN_F32, .rank = 4, .dims = { 1, 3, side, side }, .size_bytes = (size_t)side * (size_t)side * 3 * sizeof(float) };
        input.data = data = malloc(input.size_bytes);
        if (data) prepare(pixels, width, height, side, data);
        if (!data || pln_context_bind_input(context, in.name, &input) != PLN_OK || pln_context_run(context) != PLN_OK || pln_context_output(context, out.name, &scores) != PLN_OK)
            complain("it does not run", pln_context_diagnostics(context));
        else if (scores.dtype == PLN_F32 && scores.size_bytes >= sizeof(float) && (copy = malloc(scores.size_bytes)) != NULL) {
            memcpy(copy, scores.data, scores.size_bytes);
            print_best(copy, (int)(scores.size_bytes / sizeof(float)), argc > 3 ? argv[3] : NULL);
            status = 0;
        } else complain("the model's first output is no scores of f32", NULL);
    }
    free(copy);
    free(data);
    free(pixels);
    pln_context_destroy(context);
    pln_engine_release(engine);
    pln_diagnostics_destroy(diagnostics);
    return status;
}
