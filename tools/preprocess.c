#include "preprocess.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct preprocess unit = { .scale = 255, .std = { 1, 1, 1 } };

static bool set_preset(const char *word, size_t n, struct preprocess *out)
{
    if (n == 8 && strncmp(word, "imagenet", n) == 0) *out = (struct preprocess){ .resize = { 256, 0 }, .crop = { 224, 224 }, .scale = 255, .mean = { 0.485, 0.456, 0.406 }, .std = { 0.229, 0.224, 0.225 } };
    else if (n == 4 && strncmp(word, "unit", n) == 0) *out = unit;
    else if (n == 6 && strncmp(word, "signed", n) == 0) *out = (struct preprocess){ .scale = 255, .mean = { .5, .5, .5 }, .std = { .5, .5, .5 } };
    else if (n == 3 && strncmp(word, "raw", n) == 0) *out = (struct preprocess){ .scale = 1, .std = { 1, 1, 1 } };
    else return false;
    return true;
}

/* "224" or "224x320", 1 to PICTURE_MAX_SIDE each. */
static bool parse_sides(const char *text, int sides[2])
{
    char *end;
    const long first = strtol(text, &end, 10), second = *end == 'x' ? strtol(end + 1, &end, 10) : 0;
    if (end == text || *end || first < 1 || first > PICTURE_MAX_SIDE || second < 0 || second > PICTURE_MAX_SIDE || (strchr(text, 'x') && second == 0)) return false;
    sides[0] = (int)first;
    sides[1] = (int)second;
    return true;
}

/* "0.5", or three of them. */
static bool parse_triple(const char *text, double triple[3])
{
    int n = 0;
    for (char *end; n < 3; text = end + 1) {
        triple[n] = strtod(text, &end);
        if (end == text || !isfinite(triple[n])) return false;
        n++;
        if (!*end) break;
        if (*end != ',' || n == 3) return false;
    }
    if (n == 1) triple[1] = triple[2] = triple[0];
    return n == 1 || n == 3;
}

static bool set_key(const char *key, const char *value, struct preprocess *out)
{
    char *end;
    if (strcmp(key, "resize") == 0) return parse_sides(value, out->resize);
    if (strcmp(key, "crop") == 0) {
        const bool good = parse_sides(value, out->crop);
        if (out->crop[1] == 0) out->crop[1] = out->crop[0];
        return good;
    }
    if (strcmp(key, "mean") == 0) return parse_triple(value, out->mean);
    if (strcmp(key, "std") == 0) return parse_triple(value, out->std) && out->std[0] > 0 && out->std[1] > 0 && out->std[2] > 0;
    if (strcmp(key, "scale") == 0) {
        out->scale = strtod(value, &end);
        return end != value && !*end && isfinite(out->scale) && out->scale > 0;
    }
    if (strcmp(key, "order") == 0) out->bgr = strcmp(value, "bgr") == 0;
    if (strcmp(key, "layout") == 0) out->nhwc = strcmp(value, "nhwc") == 0;
    return (strcmp(key, "order") == 0 && (out->bgr || strcmp(value, "rgb") == 0)) || (strcmp(key, "layout") == 0 && (out->nhwc || strcmp(value, "nchw") == 0));
}

static int unknown(const struct command *command, const char *word)
{
    static const char *const keys[] = { "imagenet", "unit", "signed", "raw", "resize", "crop", "mean", "std", "scale", "order", "layout" };
    char own[64];
    snprintf(own, sizeof own, "%.*s", (int)strcspn(word, "="), word);
    const char *near = nearest_name(own, keys, sizeof keys / sizeof *keys);
    if (near) return command_fail(command, 2, "--preprocess: '%s' is not known; did you mean '%s'?", own, near);
    return command_fail(command, 2, "--preprocess: '%s' is not known; it takes %s", own, PREPROCESS_FORMS);
}

/* Behind the part that begins here. What begins with a digit goes on with the list before: mean=0.5,0.5,0.5 is one part. */
static const char *part_end(const char *part)
{
    const char *end = part + strcspn(part, ",");
    while (*end && end[1] && strchr("0123456789.-+", end[1])) end += 1 + strcspn(end + 1, ",");
    return end;
}

static bool is_key(const char *word)
{
    static const char *const known[] = { "resize", "crop", "mean", "std", "scale", "order", "layout" };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(word, known[i]) == 0) return true;
    return false;
}

int preprocess_parse(const struct command *command, const char *text, struct preprocess *out_preprocess)
{
    *out_preprocess = unit;
    if (!*text) return command_fail(command, 2, "--preprocess wants %s", PREPROCESS_FORMS);
    for (const char *part = text, *end; *part; part = *end ? end + 1 : end) {
        char word[200];
        end = part_end(part);
        snprintf(word, sizeof word, "%.*s", (int)(end - part), part);
        char *equals = strchr(word, '=');
        if (!equals && part == text && set_preset(word, strlen(word), out_preprocess)) continue;
        if (equals) *equals = '\0';
        struct preprocess preset;
        if (set_preset(word, strlen(word), &preset)) return command_fail(command, 2, "--preprocess: '%s' is a preset: it comes first, alone or before what changes it", word);
        if (!is_key(word)) return unknown(command, word);
        if (!equals) return command_fail(command, 2, "--preprocess: %s wants a value: %s=…", word, word);
        if (!set_key(word, equals + 1, out_preprocess)) return command_fail(command, 2, "--preprocess: %s cannot be '%s'", word, equals + 1);
    }
    return 0;
}

void preprocess_print(const struct preprocess *p, char *text, size_t text_bytes)
{
    char sides[80] = "";
    size_t n = 0;
    if (p->resize[0]) n += (size_t)snprintf(sides + n, sizeof sides - n, p->resize[1] ? "resize=%dx%d," : "resize=%d,", p->resize[0], p->resize[1]);
    if (p->crop[0]) snprintf(sides + n, sizeof sides - n, "crop=%dx%d,", p->crop[0], p->crop[1]);
    snprintf(text, text_bytes, "%sscale=%g,mean=%g,%g,%g,std=%g,%g,%g,order=%s,layout=%s", sides, p->scale, p->mean[0], p->mean[1], p->mean[2], p->std[0], p->std[1], p->std[2], p->bgr ? "bgr" : "rgb",
             p->nhwc ? "nhwc" : "nchw");
}

/* ---- pixels ---- */

/* Rows of floats, three a pixel. */
struct image {
    int width, height;
    float *data;
};

/* Along one axis from n pixels to m, by triangles as wide as the larger of the two pixels: bilinear for enlarging, an average for reducing, as Pillow's BILINEAR
 * and torchvision's antialiased resize have it. `step` is the distance of pixels along the axis, `lines` of them lie `stride` apart. */
static void resize_line(const float *from, int n, size_t step, float *to, int m, size_t to_step)
{
    const double ratio = (double)n / m, width = fmax(ratio, 1);
    for (int i = 0; i < m; i++) {
        const double centre = (i + .5) * ratio;
        const int first = (int)fmax(0, floor(centre - width + .5)), last = (int)fmin(n, floor(centre + width + .5));
        double sum[3] = { 0 }, weight = 0;
        for (int k = first; k < last; k++) {
            const double w = fmax(0, 1 - fabs((k + .5 - centre) / width));
            for (int c = 0; c < 3; c++) sum[c] += w * (double)from[(size_t)k * step + (size_t)c];
            weight += w;
        }
        for (int c = 0; c < 3; c++) to[(size_t)i * to_step + (size_t)c] = (float)(sum[c] / weight);
    }
}

static bool resize(struct image *image, int height, int width)
{
    const size_t wide = (size_t)width * 3, own = (size_t)image->width * 3;
    float *across = malloc((size_t)image->height * wide * sizeof(float)), *down = across ? malloc((size_t)height * wide * sizeof(float)) : NULL;
    for (int y = 0; down && y < image->height; y++) resize_line(image->data + (size_t)y * own, image->width, 3, across + (size_t)y * wide, width, 3);
    for (int x = 0; down && x < width; x++) resize_line(across + (size_t)x * 3, image->height, wide, down + (size_t)x * 3, height, wide);
    free(across);
    free(image->data);
    *image = (struct image){ width, height, down };
    return down != NULL;
}

static void crop(struct image *image, int height, int width)
{
    const int top = (image->height - height) / 2, left = (image->width - width) / 2;
    for (int y = 0; y < height; y++) memmove(image->data + (size_t)y * (size_t)width * 3, image->data + ((size_t)(y + top) * (size_t)image->width + (size_t)left) * 3, (size_t)width * 3 * sizeof(float));
    image->height = height;
    image->width = width;
}

static bool load(const struct command *command, const char *path, struct image *out_image)
{
    struct picture picture;
    char why[300] = "";
    const char *wrong = picture_read(path, &picture, why, sizeof why);
    if (wrong) return command_fail(command, 1, "%s: %s", path, wrong), false;
    const size_t n = (size_t)picture.width * (size_t)picture.height * 3;
    *out_image = (struct image){ picture.width, picture.height, malloc(n * sizeof(float)) };
    for (size_t i = 0; out_image->data && i < n; i++) out_image->data[i] = picture.rgb[i];
    free(picture.rgb);
    if (!out_image->data) command_fail(command, 1, "%s: no memory for the picture", path);
    return out_image->data != NULL;
}

/* Resizing and cropping as told; else to what the input wants, as far as it wants something. */
static int shape_image(const struct command *command, const struct preprocess *p, const char *path, const int64_t wanted[2], struct image *image)
{
    int height = p->resize[0], width = p->resize[1];
    if (height && !width) {
        /* As torchvision: the other side is cut to a whole number. */
        const int64_t n = height;
        const bool tall = image->height > image->width;
        height = (int)(tall ? n * image->height / image->width : n);
        width = (int)(tall ? n : n * image->width / image->height);
    } else if (!height && !p->crop[0]) {
        height = wanted[0] > 0 ? (int)wanted[0] : image->height;
        width = wanted[1] > 0 ? (int)wanted[1] : image->width;
    }
    if (height && (height > PICTURE_MAX_SIDE || width > PICTURE_MAX_SIDE || width < 1 || height < 1)) return command_fail(command, 1, "%s: a picture of %d x %d is too long to be resized so", path, image->width, image->height);
    if (height && (height != image->height || width != image->width) && !resize(image, height, width)) return command_fail(command, 1, "%s: no memory for %d x %d pixels", path, width, height);
    if (p->crop[0] > image->height || p->crop[1] > image->width) return command_fail(command, 1, "%s: %d x %d pixels cannot be cut out of %d x %d; give resize, too", path, p->crop[1], p->crop[0], image->width, image->height);
    if (p->crop[0]) crop(image, p->crop[0], p->crop[1]);
    return 0;
}

/* IEEE 754 binary16, to nearest, ties to even; values beyond its range become infinite. */
static uint16_t to_half(float value)
{
    const float size = fabsf(value);
    const uint16_t sign = signbit(value) ? 0x8000 : 0;
    int exponent;
    if (size >= 65520) return sign | 0x7C00;
    if (size < 6.103515625e-05f) return sign | (uint16_t)lrintf(ldexpf(size, 24));
    const float fraction = frexpf(size, &exponent); /* 0.5 to 1 */
    return (uint16_t)(sign + (uint16_t)((exponent + 13) << 10) + (uint16_t)lrintf(ldexpf(fraction, 11)));
}

static void store(enum pln_dtype dtype, void *data, size_t i, double value)
{
    if (dtype == PLN_F32) ((float *)data)[i] = (float)value;
    else if (dtype == PLN_F64) ((double *)data)[i] = value;
    else if (dtype == PLN_F16) ((uint16_t *)data)[i] = to_half((float)value);
    else ((uint8_t *)data)[i] = (uint8_t)fmin(255, fmax(0, rint(value)));
}

static int make_value(const struct command *command, const struct preprocess *p, const struct image *image, const struct pln_tensor_info *info, pln_host_value **out_value)
{
    struct pln_buffer buffer = { .dtype = info->dtype, .rank = info->rank };
    const int64_t dims[4] = { 1, p->nhwc ? image->height : 3, p->nhwc ? image->width : image->height, p->nhwc ? 3 : image->width };
    memcpy(buffer.dims, dims + 4 - info->rank, (size_t)info->rank * sizeof *dims);
    const size_t pixels = (size_t)image->width * (size_t)image->height;
    buffer.data = malloc(pixels * 3 * sizeof(double));
    if (!buffer.data) return command_fail(command, 1, "no memory for input '%s'", info->name);
    for (size_t i = 0; i < pixels; i++)
        for (size_t c = 0; c < 3; c++) {
            const double pixel = (double)image->data[3 * i + (p->bgr ? 2 - c : c)];
            store(info->dtype, buffer.data, p->nhwc ? 3 * i + c : c * pixels + i, (pixel / p->scale - p->mean[c]) / p->std[c]);
        }
    enum pln_status status = pln_host_value_from_buffer(&buffer, out_value);
    free(buffer.data);
    return status == PLN_OK ? 0 : command_fail(command, 1, "no memory for input '%s'", info->name);
}

int preprocess_apply(const struct command *command, const struct preprocess *preprocess, const char *path, const struct pln_tensor_info *info, pln_host_value **out_value)
{
    struct image image = { 0 };
    if ((info->rank != 4 && info->rank != 3) || (info->dtype != PLN_F32 && info->dtype != PLN_F64 && info->dtype != PLN_F16 && info->dtype != PLN_U8))
        return command_fail(command, 2, "%s: input '%s' takes no picture: it is %s of %d dims, and a picture has 3 or 4 of f32, f16, f64 or u8", path, info->name, pln_dtype_name(info->dtype), info->rank);
    const int64_t *dims = info->dims + (info->rank - 3), channels = preprocess->nhwc ? dims[2] : dims[0];
    const int64_t wanted[2] = { preprocess->nhwc ? dims[0] : dims[1], preprocess->nhwc ? dims[1] : dims[2] };
    if (channels >= 0 && channels != 3)
        return command_fail(command, 2, "%s: input '%s' has %lld channels where a picture has 3; layout=%s may be meant", path, info->name, (long long)channels, preprocess->nhwc ? "nchw" : "nhwc");
    if (wanted[0] > PICTURE_MAX_SIDE || wanted[1] > PICTURE_MAX_SIDE || wanted[0] == 0 || wanted[1] == 0) return command_fail(command, 2, "%s: input '%s' is not as large as a picture can be", path, info->name);
    if (!load(command, path, &image)) return 1;
    int status = shape_image(command, preprocess, path, wanted, &image);
    if (status == 0 && ((wanted[0] > 0 && wanted[0] != image.height) || (wanted[1] > 0 && wanted[1] != image.width)))
        status = command_fail(command, 2, "%s: --preprocess makes %d x %d pixels, input '%s' wants %lld x %lld (width x height); say resize or crop otherwise", path, image.width, image.height, info->name,
                              (long long)wanted[1], (long long)wanted[0]);
    if (status == 0) status = make_value(command, preprocess, &image, info, out_value);
    free(image.data);
    return status;
}
