/* PNG (Portable Network Graphics Specification, third edition, W3C 2022), and the deflate in it (RFC 1950, RFC 1951). Every colour type and depth, interlaced
 * or not; ancillary chunks are passed over. */
#include "picture.h"

#include <stdlib.h>
#include <string.h>

/* ---- deflate ---- */

struct bits {
    const uint8_t *data;
    size_t bytes, at;
    uint32_t held;
    int n;
    bool short_of;
};

static unsigned take(struct bits *in, int n)
{
    while (in->n < n) {
        if (in->at >= in->bytes) in->short_of = true;
        in->held |= (uint32_t)(in->at < in->bytes ? in->data[in->at++] : 0) << in->n;
        in->n += 8;
    }
    const unsigned value = in->held & ((1u << n) - 1);
    in->held >>= n;
    in->n -= n;
    return value;
}

/* A canonical code: how many codes there are of each length, and the symbols in order of their codes. */
struct code {
    uint16_t count[16], symbol[288];
};

/* false: more codes than fit. A code with fewer is fine: what has no symbol is an error where it comes up. */
static bool make_code(const uint8_t *lengths, int n, struct code *out_code)
{
    int left = 1;
    uint16_t start[16];
    memset(out_code->count, 0, sizeof out_code->count);
    for (int i = 0; i < n; i++) out_code->count[lengths[i]]++;
    out_code->count[0] = 0;
    start[1] = 0;
    for (int length = 1; length < 16; length++) {
        left = 2 * left - out_code->count[length];
        if (left < 0) return false;
        if (length < 15) start[length + 1] = (uint16_t)(start[length] + out_code->count[length]);
    }
    for (int i = 0; i < n; i++)
        if (lengths[i]) out_code->symbol[start[lengths[i]]++] = (uint16_t)i;
    return true;
}

/* -1: no such code. */
static int decode(struct bits *in, const struct code *code)
{
    int value = 0, first = 0, index = 0;
    for (int length = 1; length < 16; length++) {
        value |= (int)take(in, 1);
        const int count = code->count[length];
        if (value - count < first) return code->symbol[index + value - first];
        index += count;
        first = (first + count) << 1;
        value <<= 1;
    }
    return -1;
}

struct sink {
    uint8_t *data;
    size_t capacity, n;
};

static bool copy_block(struct bits *in, const struct code *literals, const struct code *distances, struct sink *out)
{
    static const uint16_t length_base[29] = { 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258 };
    static const uint8_t length_bits[29] = { 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0 };
    static const uint16_t distance_base[30] = { 1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577 };
    static const uint8_t distance_bits[30] = { 0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13 };
    for (;;) {
        const int symbol = decode(in, literals);
        if (symbol < 0 || in->short_of) return false;
        if (symbol == 256) return true;
        if (symbol < 256) {
            if (out->n >= out->capacity) return false;
            out->data[out->n++] = (uint8_t)symbol;
            continue;
        }
        if (symbol > 285) return false;
        const size_t length = length_base[symbol - 257] + take(in, length_bits[symbol - 257]);
        const int far = decode(in, distances);
        if (far < 0 || far > 29) return false;
        const size_t distance = distance_base[far] + take(in, distance_bits[far]);
        if (distance > out->n || length > out->capacity - out->n) return false;
        for (size_t i = 0; i < length; i++, out->n++) out->data[out->n] = out->data[out->n - distance];
    }
}

static bool read_codes(struct bits *in, struct code *literals, struct code *distances)
{
    static const uint8_t order[19] = { 16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15 };
    uint8_t lengths[320] = { 0 };
    const int n_literals = (int)take(in, 5) + 257, n_distances = (int)take(in, 5) + 1, n_codes = (int)take(in, 4) + 4;
    struct code code;
    for (int i = 0; i < n_codes; i++) lengths[order[i]] = (uint8_t)take(in, 3);
    if (n_literals > 286 || n_distances > 30 || !make_code(lengths, 19, &code)) return false;
    memset(lengths, 0, sizeof lengths);
    for (int i = 0; i < n_literals + n_distances;) {
        const int symbol = decode(in, &code);
        if (symbol < 0 || in->short_of || (symbol == 16 && i == 0)) return false;
        const uint8_t value = symbol < 16 ? (uint8_t)symbol : symbol == 16 ? lengths[i - 1] : 0;
        int times = symbol < 16 ? 1 : symbol == 16 ? 3 + (int)take(in, 2) : symbol == 17 ? 3 + (int)take(in, 3) : 11 + (int)take(in, 7);
        if (i + times > n_literals + n_distances) return false;
        while (times-- > 0) lengths[i++] = value;
    }
    return make_code(lengths, n_literals, literals) && make_code(lengths + n_literals, n_distances, distances);
}

static bool copy_stored(struct bits *in, struct sink *out)
{
    in->held = 0;
    in->n = 0;
    if (in->bytes - in->at < 4) return false;
    const uint8_t *head = in->data + in->at;
    const size_t n = (size_t)(head[0] | head[1] << 8);
    if ((n ^ (size_t)(head[2] | head[3] << 8)) != 0xFFFF || n > in->bytes - in->at - 4 || n > out->capacity - out->n) return false;
    memcpy(out->data + out->n, head + 4, n);
    in->at += n + 4;
    out->n += n;
    return true;
}

static uint32_t adler32(const uint8_t *data, size_t n)
{
    uint32_t a = 1, b = 0;
    for (size_t i = 0; i < n; i++) {
        a = (a + data[i]) % 65521;
        b = (b + a) % 65521;
    }
    return b << 16 | a;
}

/* Exactly `capacity` bytes must come out. */
static bool unzip(const uint8_t *data, size_t bytes, uint8_t *out_data, size_t capacity)
{
    if (bytes < 6 || (data[0] & 15) != 8 || (data[0] << 8 | data[1]) % 31 || data[1] & 32) return false;
    struct bits in = { .data = data, .bytes = bytes, .at = 2 };
    struct sink out = { out_data, capacity, 0 };
    struct code literals, distances;
    for (bool last = false; !last;) {
        last = take(&in, 1);
        const unsigned kind = take(&in, 2);
        bool good = kind != 3 && !in.short_of;
        if (kind == 1) {
            uint8_t lengths[288];
            for (int i = 0; i < 288; i++) lengths[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
            good = make_code(lengths, 288, &literals);
            memset(lengths, 5, 30);
            good = good && make_code(lengths, 30, &distances);
        } else if (kind == 2) good = good && read_codes(&in, &literals, &distances);
        if (!good || !(kind == 0 ? copy_stored(&in, &out) : copy_block(&in, &literals, &distances, &out))) return false;
    }
    in.at -= (size_t)(in.n / 8); /* whole bytes that were taken too early */
    if (out.n != capacity || in.short_of || in.bytes - in.at < 4) return false;
    const uint8_t *sum = data + in.at;
    return adler32(out_data, capacity) == ((uint32_t)sum[0] << 24 | (uint32_t)sum[1] << 16 | (uint32_t)sum[2] << 8 | sum[3]);
}

/* ---- PNG ---- */

struct png {
    uint32_t width, height;
    int depth, colour, channels, interlaced;
    const uint8_t *palette;
    uint32_t n_palette;
};

static uint32_t big_endian(const uint8_t *data)
{
    return (uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 | data[3];
}

static uint32_t chunk_crc(const uint8_t *data, size_t n)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < n; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
    }
    return ~crc;
}

static const char *read_header(const uint8_t *data, uint32_t n, struct png *png)
{
    static const uint8_t channels[7] = { 1, 0, 3, 1, 2, 0, 4 };
    if (n != 13) return "a PNG file with a damaged header";
    *png = (struct png){ .width = big_endian(data), .height = big_endian(data + 4), .depth = data[8], .colour = data[9], .interlaced = data[12] };
    if (png->colour > 6 || channels[png->colour] == 0 || data[10] || data[11] || data[12] > 1) return "a PNG file of a kind that the format does not have";
    png->channels = channels[png->colour];
    const bool deep = png->depth == 16 && png->colour != 3, shallow = (png->depth == 1 || png->depth == 2 || png->depth == 4) && (png->colour == 0 || png->colour == 3);
    if (!deep && !shallow && png->depth != 8) return "a PNG file with a depth that the format does not have";
    if (png->width == 0 || png->height == 0 || png->width > PICTURE_MAX_SIDE || png->height > PICTURE_MAX_SIDE || (uint64_t)png->width * png->height > PICTURE_MAX_PIXELS)
        return "a PNG picture of more pixels than are read (134 million)";
    return NULL;
}

/* The pixels of a pass are those at start + k * step (section 8.1); pass -1: all of them. */
struct pass {
    uint32_t x, y, dx, dy, width, height;
    size_t row_bytes;
};

static struct pass pass_of(const struct png *png, int index)
{
    static const uint8_t x[7] = { 0, 4, 0, 2, 0, 1, 0 }, y[7] = { 0, 0, 4, 0, 2, 0, 1 }, dx[7] = { 8, 8, 4, 4, 2, 2, 1 }, dy[7] = { 8, 8, 8, 4, 4, 2, 2 };
    struct pass pass = { 0, 0, 1, 1, png->width, png->height, 0 };
    if (index >= 0) {
        pass = (struct pass){ x[index], y[index], dx[index], dy[index], 0, 0, 0 };
        pass.width = png->width > pass.x ? (png->width - pass.x + pass.dx - 1) / pass.dx : 0;
        pass.height = png->height > pass.y ? (png->height - pass.y + pass.dy - 1) / pass.dy : 0;
    }
    pass.row_bytes = ((size_t)pass.width * (size_t)(png->channels * png->depth) + 7) / 8;
    return pass;
}

static uint8_t paeth(int a, int b, int c)
{
    const int p = a + b - c, pa = abs(p - a), pb = abs(p - b), pc = abs(p - c);
    return (uint8_t)(pa <= pb && pa <= pc ? a : pb <= pc ? b : c);
}

/* Section 9: row[-1] is the filter's number; above is NULL for the first row. */
static bool unfilter(uint8_t *row, const uint8_t *above, size_t n, size_t step)
{
    const int filter = row[-1];
    if (filter > 4) return false;
    for (size_t i = 0; i < n; i++) {
        const int a = i >= step ? row[i - step] : 0, b = above ? above[i] : 0, c = above && i >= step ? above[i - step] : 0;
        const int add = filter == 0 ? 0 : filter == 1 ? a : filter == 2 ? b : filter == 3 ? (a + b) / 2 : paeth(a, b, c);
        row[i] = (uint8_t)(row[i] + add);
    }
    return true;
}

static bool write_row(const struct png *png, const uint8_t *row, const struct pass *pass, uint32_t y, const struct picture *picture)
{
    const uint32_t most = (1u << (png->depth < 8 ? png->depth : 8)) - 1;
    for (uint32_t i = 0; i < pass->width; i++) {
        uint8_t sample[3] = { 0 };
        const int colours = png->channels < 3 ? 1 : 3;
        for (int c = 0; c < colours; c++) {
            const size_t at = (size_t)i * (size_t)png->channels + (size_t)c;
            if (png->depth >= 8) sample[c] = row[at * (size_t)(png->depth / 8)];
            else sample[c] = (uint8_t)(row[at * (size_t)png->depth / 8] >> (8 - png->depth - (int)(at * (size_t)png->depth % 8)) & (int)most);
        }
        uint8_t *to = picture->rgb + ((size_t)(pass->y + y * pass->dy) * png->width + pass->x + (size_t)i * pass->dx) * 3;
        if (png->colour == 3) {
            if (sample[0] >= png->n_palette) return false;
            memcpy(to, png->palette + 3 * sample[0], 3);
        } else {
            for (int c = 0; c < 3; c++) to[c] = (uint8_t)(colours == 3 ? sample[c] : sample[0] * 255u / most);
        }
    }
    return true;
}

static const char *write_picture(const struct png *png, const uint8_t *packed, size_t packed_bytes, struct picture *out_picture)
{
    const int first = png->interlaced ? 0 : -1, last = png->interlaced ? 7 : 0;
    size_t bytes = 0;
    for (int p = first; p < last; p++) {
        const struct pass pass = pass_of(png, p);
        if (pass.width) bytes += (pass.row_bytes + 1) * pass.height;
    }
    uint8_t *rows = malloc(bytes + 1);
    bool good = rows && picture_make(png->width, png->height, out_picture);
    const char *wrong = good ? NULL : "no memory for the picture";
    if (good && !unzip(packed, packed_bytes, rows, bytes)) wrong = "a PNG file whose pixels are damaged or cut off";
    uint8_t *row = rows;
    for (int p = first; !wrong && p < last; p++) {
        const struct pass pass = pass_of(png, p);
        const size_t step = (size_t)(png->channels * png->depth + 7) / 8;
        for (uint32_t y = 0; !wrong && pass.width && y < pass.height; y++, row += pass.row_bytes + 1) {
            if (!unfilter(row + 1, y ? row - pass.row_bytes : NULL, pass.row_bytes, step) || !write_row(png, row + 1, &pass, y, out_picture)) wrong = "a PNG file whose pixels are damaged";
        }
    }
    free(rows);
    return wrong;
}

const char *picture_read_png(const uint8_t *data, size_t bytes, struct picture *out_picture)
{
    struct png png = { 0 };
    size_t packed_bytes = 0;
    *out_picture = (struct picture){ 0 };
    uint8_t *packed = malloc(bytes);
    const char *wrong = packed ? NULL : "no memory for the picture";
    bool ended = false;
    for (size_t at = 8; !wrong && !ended;) {
        if (at > bytes || bytes - at < 12) {
            wrong = "a PNG file that is cut off";
            break;
        }
        const uint32_t n = big_endian(data + at);
        const uint8_t *kind = data + at + 4, *body = kind + 4;
        if (n > bytes - at - 12) wrong = "a PNG file that is cut off";
        else if (chunk_crc(kind, (size_t)n + 4) != big_endian(body + n)) wrong = "a PNG file that is damaged (a checksum does not fit)";
        else if (memcmp(kind, "IHDR", 4) == 0) wrong = png.width ? "a PNG file with two headers" : read_header(body, n, &png);
        else if (!png.width) wrong = "a PNG file without a header";
        else if (memcmp(kind, "PLTE", 4) == 0) png.palette = body, png.n_palette = n / 3;
        else if (memcmp(kind, "IDAT", 4) == 0) {
            memcpy(packed + packed_bytes, body, n);
            packed_bytes += n;
        } else ended = memcmp(kind, "IEND", 4) == 0;
        at += (size_t)n + 12;
    }
    if (!wrong) wrong = write_picture(&png, packed, packed_bytes, out_picture);
    free(packed);
    return wrong;
}
