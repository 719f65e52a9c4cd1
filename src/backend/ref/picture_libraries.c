/* PNG, JPEG, WebP, TIFF and JPEG 2000, by the libraries that read them everywhere. Their functions and structs are declared here as their manuals give them, so that
 * building needs none of them; each is opened when the first picture of its kind comes. */
#include <stdarg.h>
#include <stdio.h>

#include "backend/ref/picture.h"
#include "base/dynlib.h"

/* The library, and `n` functions of it. */
static enum pln_status open_library(struct pln_picture *picture, const char *kind, const char *package, const char *const *files, const char *const *names, size_t n, void **out_functions, struct pln_dynlib *out)
{
    struct pln_diag quiet;
    pln_diag_init(&quiet);
    if (pln_dynlib_open(files, &quiet, out) != PLN_OK) return pln_fail(picture->call->diag, PLN_NOT_FOUND, "a %s picture is read by %s, which is not here (Debian: apt install %s)", kind, files[0], package);
    for (size_t i = 0; i < n; i++) {
        out_functions[i] = pln_dynlib_symbol(out, names[i]);
        if (out_functions[i]) continue;
        pln_dynlib_close(out);
        return pln_fail(picture->call->diag, PLN_NOT_FOUND, "%s, which reads %s pictures, is too old: it has no %s", files[0], kind, names[i]);
    }
    return PLN_OK;
}
#define OPEN(picture, kind, package, files, names, functions, lib)                                                                    \
    static_assert(sizeof(functions) == PLN_COUNT_OF(names) * sizeof(void *), "a name a function");                                   \
    PLN_TRY(open_library(picture, kind, package, files, names, PLN_COUNT_OF(names), (void **)(void *)&(functions), lib))

/* ---- PNG: the simplified API of libpng 1.6 (its manual, section "Simplified API") ---- */

struct png_image {
    void *opaque;
    uint32_t version, width, height, format, flags, colormap_entries, warning_or_error;
    char message[64];
};
enum { PNG_IMAGE_VERSION = 1, PNG_RGBA = 3 };

enum pln_status pln_picture_png(struct pln_picture *picture)
{
    static const char *const files[] = { "libpng16.so.16", NULL }, *const names[] = { "png_image_begin_read_from_memory", "png_image_finish_read", "png_image_free" };
    struct {
        int (*begin)(struct png_image *image, const void *memory, size_t size);
        int (*finish)(struct png_image *image, const void *background, void *buffer, int32_t row_stride, void *colormap);
        void (*free)(struct png_image *image);
    } png;
    struct pln_dynlib lib;
    struct png_image image = { .version = PNG_IMAGE_VERSION };
    void *memory;
    OPEN(picture, "PNG", "libpng16-16", files, names, png, &lib);
    enum pln_status status = png.begin(&image, picture->data, picture->size_bytes) ? PLN_OK : pln_picture_fail(picture, "PNG", image.message);
    if (status == PLN_OK) status = pln_picture_begin(picture, image.width, image.height);
    if (status == PLN_OK) status = pln_call_scratch(picture->call, (size_t)(picture->width * picture->height), 4, &memory);
    if (status == PLN_OK) {
        image.format = PNG_RGBA; /* the pixels as they are: without an alpha channel they would be put on a background */
        if (!png.finish(&image, NULL, memory, 0, NULL)) status = pln_picture_fail(picture, "PNG", image.message);
    }
    for (int64_t i = 0; status == PLN_OK && i < picture->width * picture->height; i++) memcpy(picture->rgb + 3 * i, (uint8_t *)memory + 4 * i, 3);
    png.free(&image);
    pln_dynlib_close(&lib);
    return status;
}

/* ---- JPEG: the TurboJPEG API of libjpeg-turbo ---- */

enum pln_status pln_picture_jpeg(struct pln_picture *picture)
{
    static const char *const files[] = { "libturbojpeg.so.0", NULL }, *const names[] = { "tjInitDecompress", "tjDecompressHeader3", "tjDecompress2", "tjGetErrorStr2", "tjGetErrorCode", "tjDestroy" };
    enum { TJPF_RGB = 0, TJERR_WARNING = 0 };
    struct {
        void *(*init)(void);
        int (*header)(void *handle, const unsigned char *data, unsigned long size, int *width, int *height, int *subsampling, int *colorspace);
        int (*decompress)(void *handle, const unsigned char *data, unsigned long size, unsigned char *out, int width, int pitch, int height, int format, int flags);
        char *(*error)(void *handle);
        int (*error_code)(void *handle);
        int (*destroy)(void *handle);
    } jpeg;
    struct pln_dynlib lib;
    int width, height, subsampling, colorspace;
    OPEN(picture, "JPEG", "libturbojpeg0", files, names, jpeg, &lib);
    void *handle = jpeg.init();
    enum pln_status status = handle ? PLN_OK : pln_fail_memory(picture->call->diag, "a JPEG decoder", 0);
    if (handle && jpeg.header(handle, picture->data, (unsigned long)picture->size_bytes, &width, &height, &subsampling, &colorspace)) status = pln_picture_fail(picture, "JPEG", jpeg.error(handle));
    if (status == PLN_OK) status = pln_picture_begin(picture, width, height);
    if (status == PLN_OK && jpeg.decompress(handle, picture->data, (unsigned long)picture->size_bytes, picture->rgb, width, 0, height, TJPF_RGB, 0) && jpeg.error_code(handle) != TJERR_WARNING)
        status = pln_picture_fail(picture, "JPEG", jpeg.error(handle));
    if (handle) jpeg.destroy(handle);
    pln_dynlib_close(&lib);
    return status;
}

/* ---- WebP ---- */

enum pln_status pln_picture_webp(struct pln_picture *picture)
{
    static const char *const files[] = { "libwebp.so.7", NULL }, *const names[] = { "WebPGetInfo", "WebPDecodeRGBInto" };
    struct {
        int (*info)(const uint8_t *data, size_t size, int *width, int *height);
        uint8_t *(*decode)(const uint8_t *data, size_t size, uint8_t *out, size_t out_size, int stride);
    } webp;
    struct pln_dynlib lib;
    int width, height;
    OPEN(picture, "WebP", "libwebp7", files, names, webp, &lib);
    enum pln_status status = webp.info(picture->data, picture->size_bytes, &width, &height) ? pln_picture_begin(picture, width, height) : pln_picture_fail(picture, "WebP", "its header is wrong");
    if (status == PLN_OK && !webp.decode(picture->data, picture->size_bytes, picture->rgb, (size_t)width * (size_t)height * 3, 3 * width)) status = pln_picture_fail(picture, "WebP", "it is cut off, or damaged");
    pln_dynlib_close(&lib);
    return status;
}

/* ---- TIFF: libtiff 4.5, whose files may lie in memory and whose messages go to their reader alone ---- */

struct tiff_file {
    struct pln_picture *picture;
    uint64_t at;
    char why[200];
};

static int64_t tiff_read(void *user, void *out, int64_t size)
{
    struct tiff_file *file = user;
    const uint64_t left = file->at < file->picture->size_bytes ? file->picture->size_bytes - file->at : 0, n = PLN_MIN(left, (uint64_t)PLN_MAX(size, 0));
    memcpy(out, file->picture->data + (n ? file->at : 0), n);
    file->at += n;
    return (int64_t)n;
}

static int64_t tiff_write(void *user, void *data, int64_t size)
{
    (void)user;
    (void)data;
    (void)size;
    return 0;
}

static uint64_t tiff_seek(void *user, uint64_t offset, int whence)
{
    struct tiff_file *file = user;
    file->at = whence == SEEK_SET ? offset : whence == SEEK_CUR ? file->at + offset : file->picture->size_bytes + offset;
    return file->at;
}

static int tiff_close(void *user)
{
    (void)user;
    return 0;
}

static uint64_t tiff_size(void *user)
{
    return ((struct tiff_file *)user)->picture->size_bytes;
}

static int tiff_error(void *tiff, void *user, const char *module, const char *format, va_list arguments)
{
    struct tiff_file *file = user;
    (void)tiff;
    (void)module;
    if (!file->why[0]) vsnprintf(file->why, sizeof file->why, format, arguments);
    return 1;
}

static int tiff_warning(void *tiff, void *user, const char *module, const char *format, va_list arguments)
{
    (void)tiff;
    (void)user;
    (void)module;
    (void)format;
    (void)arguments;
    return 1;
}

typedef int (*tiff_handler)(void *tiff, void *user, const char *module, const char *format, va_list arguments);
struct tiff_functions {
    void *(*options)(void);
    void (*free_options)(void *options);
    void (*on_error)(void *options, tiff_handler handler, void *user);
    void (*on_warning)(void *options, tiff_handler handler, void *user);
    void *(*open)(const char *name, const char *mode, void *user, int64_t (*read)(void *, void *, int64_t), int64_t (*write)(void *, void *, int64_t), uint64_t (*seek)(void *, uint64_t, int), int (*close)(void *),
                  uint64_t (*size)(void *), void *map, void *unmap, void *options);
    int (*field)(void *tiff, uint32_t tag, ...);
    int (*read)(void *tiff, uint32_t width, uint32_t height, uint32_t *raster, int orientation, int stop);
    void (*close)(void *tiff);
};

static enum pln_status read_tiff(struct tiff_file *file, const struct tiff_functions *lib, void *tiff)
{
    enum { IMAGE_WIDTH = 256, IMAGE_LENGTH = 257, TOP_LEFT = 1 };
    struct pln_picture *picture = file->picture;
    uint32_t width = 0, height = 0;
    void *memory;
    if (!tiff || !lib->field(tiff, IMAGE_WIDTH, &width) || !lib->field(tiff, IMAGE_LENGTH, &height)) return pln_picture_fail(picture, "TIFF", file->why[0] ? file->why : "its header is wrong");
    PLN_TRY(pln_picture_begin(picture, width, height));
    PLN_TRY(pln_call_scratch(picture->call, (size_t)(picture->width * picture->height), sizeof(uint32_t), &memory));
    const uint32_t *abgr = memory;
    if (!lib->read(tiff, width, height, memory, TOP_LEFT, 1)) return pln_picture_fail(picture, "TIFF", file->why[0] ? file->why : "it is cut off, or damaged");
    for (int64_t i = 0; i < picture->width * picture->height; i++)
        for (int c = 0; c < 3; c++) picture->rgb[3 * i + c] = (uint8_t)(abgr[i] >> 8 * c);
    return PLN_OK;
}

enum pln_status pln_picture_tiff(struct pln_picture *picture)
{
    static const char *const files[] = { "libtiff.so.6", NULL };
    static const char *const names[] = { "TIFFOpenOptionsAlloc", "TIFFOpenOptionsFree", "TIFFOpenOptionsSetErrorHandlerExtR", "TIFFOpenOptionsSetWarningHandlerExtR", "TIFFClientOpenExt", "TIFFGetField", "TIFFReadRGBAImageOriented",
                                         "TIFFClose" };
    struct tiff_functions lib;
    struct tiff_file file = { .picture = picture };
    struct pln_dynlib library;
    OPEN(picture, "TIFF", "libtiff6", files, names, lib, &library);
    void *options = lib.options(), *tiff = NULL;
    enum pln_status status = options ? PLN_OK : pln_fail_memory(picture->call->diag, "a TIFF reader", 0);
    if (options) {
        lib.on_error(options, tiff_error, &file);
        lib.on_warning(options, tiff_warning, &file);
        tiff = lib.open("picture", "rm", &file, tiff_read, tiff_write, tiff_seek, tiff_close, tiff_size, NULL, NULL, options);
        lib.free_options(options);
        status = read_tiff(&file, &lib, tiff);
    }
    if (tiff) lib.close(tiff);
    pln_dynlib_close(&library);
    return status;
}

/* ---- JPEG 2000: OpenJPEG 2 ---- */

struct opj_component {
    uint32_t dx, dy, w, h, x0, y0, prec, bpp, sgnd, resno_decoded, factor;
    int32_t *data;
    uint16_t alpha;
};
struct opj_image {
    uint32_t x0, y0, x1, y1, numcomps;
    int32_t color_space;
    struct opj_component *comps;
};

enum { OPJ_GRAY = 2 }; /* -1, 0: the file does not say; 1: sRGB; beyond: YCC and CMYK */

struct opj_file {
    const struct pln_picture *picture;
    size_t at;
};

static size_t opj_read(void *out, size_t size, void *user)
{
    struct opj_file *file = user;
    const size_t n = PLN_MIN(size, file->picture->size_bytes - file->at);
    if (!n && size) return SIZE_MAX;
    memcpy(out, file->picture->data + file->at, n);
    file->at += n;
    return n;
}

static int64_t opj_skip(int64_t size, void *user)
{
    struct opj_file *file = user;
    if (size < 0 || (uint64_t)size > file->picture->size_bytes - file->at) return -1;
    file->at += (size_t)size;
    return size;
}

static int opj_seek(int64_t offset, void *user)
{
    struct opj_file *file = user;
    if (offset < 0 || (uint64_t)offset > file->picture->size_bytes) return 0;
    file->at = (size_t)offset;
    return 1;
}

struct opj_functions {
    void *(*codec)(int format);
    void (*destroy_codec)(void *codec);
    void (*defaults)(void *parameters);
    int (*setup)(void *codec, void *parameters);
    void *(*stream)(size_t buffer, int is_input);
    void (*destroy_stream)(void *stream);
    void (*on_read)(void *stream, size_t (*read)(void *, size_t, void *));
    void (*on_skip)(void *stream, int64_t (*skip)(int64_t, void *));
    void (*on_seek)(void *stream, int (*seek)(int64_t, void *));
    void (*user)(void *stream, void *user, void (*free_user)(void *));
    void (*length)(void *stream, uint64_t length);
    int (*header)(void *stream, void *codec, struct opj_image **image);
    int (*decode)(void *codec, void *stream, struct opj_image *image);
    void (*destroy_image)(struct opj_image *image);
};

static uint8_t opj_sample(const struct opj_component *c, int64_t i)
{
    int64_t value = (int64_t)c->data[i] + (c->sgnd ? (int64_t)1 << (c->prec - 1) : 0);
    value = c->prec > 8 ? value >> (c->prec - 8) : value << (8 - c->prec);
    return (uint8_t)PLN_MIN(PLN_MAX(value, 0), 255);
}

static enum pln_status read_opj(struct pln_picture *picture, const struct opj_functions *lib, void *codec, void *stream, struct opj_image **image)
{
    union {
        max_align_t align;
        uint8_t bytes[1 << 15]; /* opj_dparameters_t takes less than 9 KiB of it */
    } parameters = { .bytes = { 0 } };
    lib->defaults(&parameters);
    if (!lib->setup(codec, &parameters) || !lib->header(stream, codec, image)) return pln_picture_fail(picture, "JPEG 2000", "its header is wrong");
    const struct opj_component *c = (*image)->comps;
    const uint32_t n = (*image)->numcomps;
    if (!n || !c) return pln_picture_fail(picture, "JPEG 2000", "it has no pixels");
    if ((*image)->color_space > OPJ_GRAY) return pln_picture_fail(picture, "JPEG 2000", "its colours are neither RGB nor gray");
    PLN_TRY(pln_picture_begin(picture, c[0].w, c[0].h));
    if (!lib->decode(codec, stream, *image)) return pln_picture_fail(picture, "JPEG 2000", "it is cut off, or damaged");
    c = (*image)->comps;
    for (uint32_t i = 0; i < (n < 3 ? 1 : 3); i++)
        if (!c[i].data || c[i].w != picture->width || c[i].h != picture->height || c[i].prec < 1 || c[i].prec > 31) return pln_picture_fail(picture, "JPEG 2000", "its components differ in size");
    for (int64_t i = 0; i < picture->width * picture->height; i++)
        for (uint32_t k = 0; k < 3; k++) picture->rgb[3 * i + k] = opj_sample(&c[n < 3 ? 0 : k], i);
    return PLN_OK;
}

enum pln_status pln_picture_jpeg2000(struct pln_picture *picture)
{
    static const char *const files[] = { "libopenjp2.so.7", NULL };
    static const char *const names[] = { "opj_create_decompress", "opj_destroy_codec", "opj_set_default_decoder_parameters", "opj_setup_decoder", "opj_stream_create", "opj_stream_destroy", "opj_stream_set_read_function",
                                         "opj_stream_set_skip_function", "opj_stream_set_seek_function", "opj_stream_set_user_data", "opj_stream_set_user_data_length", "opj_read_header", "opj_decode", "opj_image_destroy" };
    enum { CODEC_J2K = 0, CODEC_JP2 = 2, BUFFER = 1 << 16 };
    struct opj_functions lib;
    struct opj_file file = { .picture = picture };
    struct opj_image *image = NULL;
    struct pln_dynlib library;
    OPEN(picture, "JPEG 2000", "libopenjp2-7", files, names, lib, &library);
    void *codec = lib.codec(picture->data[0] ? CODEC_J2K : CODEC_JP2), *stream = lib.stream(BUFFER, 1);
    enum pln_status status = codec && stream ? PLN_OK : pln_fail_memory(picture->call->diag, "a JPEG 2000 decoder", 0);
    if (status == PLN_OK) {
        lib.on_read(stream, opj_read);
        lib.on_skip(stream, opj_skip);
        lib.on_seek(stream, opj_seek);
        lib.user(stream, &file, NULL);
        lib.length(stream, picture->size_bytes);
        status = read_opj(picture, &lib, codec, stream, &image);
    }
    if (image) lib.destroy_image(image);
    if (stream) lib.destroy_stream(stream);
    if (codec) lib.destroy_codec(codec);
    pln_dynlib_close(&library);
    return status;
}
