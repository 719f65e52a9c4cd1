/* BMP (Microsoft's BITMAPINFOHEADER and what followed it; not compressed) and PNM (Netpbm's P1 to P6). */
#include "backend/ref/picture.h"

/* ---- BMP ---- */

static uint32_t u16(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8;
}

static uint32_t u32(const uint8_t *at)
{
    return u16(at) | u16(at + 2) << 16;
}

struct bmp {
    int64_t width, height;
    bool top_down;
    uint32_t bits, offset;
    const uint8_t *palette; /* bgr0 */
    uint32_t colors;
};

static const char *read_header(const struct pln_picture *picture, struct bmp *out)
{
    const uint8_t *data = picture->data;
    if (picture->size_bytes < 54) return "it is cut off";
    const uint32_t header = u32(data + 14), compression = u32(data + 30);
    const int32_t height = (int32_t)u32(data + 22);
    if (header < 40 || header > picture->size_bytes - 14) return "a header of another kind";
    *out = (struct bmp){ .width = (int32_t)u32(data + 18), .height = height < 0 ? -(int64_t)height : height, .top_down = height < 0, .bits = u16(data + 28), .offset = u32(data + 10) };
    if (compression != 0 && !(compression == 3 && out->bits == 32)) return "it is compressed";
    if (out->bits <= 8) {
        out->colors = u32(data + 46) ? u32(data + 46) : 1u << out->bits;
        out->palette = data + 14 + header;
        if (out->colors > 256 || out->colors * 4 > picture->size_bytes - 14 - header) return "its palette is cut off";
    }
    if (out->bits != 1 && out->bits != 4 && out->bits != 8 && out->bits != 24 && out->bits != 32) return "another number of bits a pixel than 1, 4, 8, 24 or 32";
    return out->offset > picture->size_bytes ? "it is cut off" : NULL;
}

static bool read_pixel(const struct bmp *bmp, const uint8_t *row, int64_t x, uint8_t *rgb)
{
    const uint8_t *bgr = row + x * (bmp->bits / 8);
    if (bmp->bits <= 8) {
        const uint32_t per_byte = 8 / bmp->bits, shift = (per_byte - 1 - (uint32_t)x % per_byte) * bmp->bits;
        const uint32_t color = row[x / per_byte] >> shift & ((1u << bmp->bits) - 1);
        if (color >= bmp->colors) return false;
        bgr = bmp->palette + (size_t)color * 4;
    }
    rgb[0] = bgr[2];
    rgb[1] = bgr[1];
    rgb[2] = bgr[0];
    return true;
}

enum pln_status pln_picture_bmp(struct pln_picture *picture)
{
    struct bmp bmp;
    const char *why = read_header(picture, &bmp);
    if (why) return pln_picture_fail(picture, "BMP", why);
    PLN_TRY(pln_picture_begin(picture, bmp.width, bmp.height));
    const size_t row_bytes = ((size_t)bmp.width * bmp.bits + 31) / 32 * 4;
    if ((picture->size_bytes - bmp.offset) / row_bytes < (size_t)bmp.height) return pln_picture_fail(picture, "BMP", "it is cut off");
    for (int64_t y = 0; y < bmp.height; y++) {
        const uint8_t *row = picture->data + bmp.offset + row_bytes * (size_t)(bmp.top_down ? y : bmp.height - 1 - y);
        for (int64_t x = 0; x < bmp.width; x++)
            if (!read_pixel(&bmp, row, x, picture->rgb + 3 * (y * bmp.width + x))) return pln_picture_fail(picture, "BMP", "a color that the palette lacks");
    }
    return PLN_OK;
}

/* ---- PNM ---- */

struct pnm {
    const uint8_t *at, *end;
};

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static void skip(struct pnm *pnm)
{
    while (pnm->at < pnm->end && (is_space(*pnm->at) || *pnm->at == '#')) {
        if (*pnm->at == '#')
            while (pnm->at < pnm->end && *pnm->at != '\n') pnm->at++;
        else pnm->at++;
    }
}

/* -1: there is none, or it is too large. */
static int64_t number(struct pnm *pnm)
{
    int64_t value = -1;
    skip(pnm);
    for (; pnm->at < pnm->end && *pnm->at >= '0' && *pnm->at <= '9'; pnm->at++) {
        value = (value < 0 ? 0 : value) * 10 + (*pnm->at - '0');
        if (value > INT32_MAX) return -1;
    }
    return value;
}

/* The next sample, of 0 to most; -1: it is cut off. Bits are 1 for black. */
static int64_t sample(struct pnm *pnm, uint8_t kind, int64_t most)
{
    if (kind == '1') {
        skip(pnm);
        return pnm->at < pnm->end && (*pnm->at == '0' || *pnm->at == '1') ? '1' - *pnm->at++ : -1;
    }
    if (kind < '4') return number(pnm);
    if (pnm->end - pnm->at < (most > 255 ? 2 : 1)) return -1;
    int64_t value = *pnm->at++;
    return most > 255 ? value << 8 | *pnm->at++ : value;
}

static bool read_bits(struct pnm *pnm, struct pln_picture *picture)
{
    const int64_t row_bytes = (picture->width + 7) / 8;
    if ((pnm->end - pnm->at) / row_bytes < picture->height) return false;
    for (int64_t i = 0; i < picture->width * picture->height; i++) {
        const int64_t x = i % picture->width;
        const uint8_t black = pnm->at[i / picture->width * row_bytes + x / 8] >> (7 - x % 8) & 1;
        memset(picture->rgb + 3 * i, black ? 0 : 255, 3);
    }
    return true;
}

enum pln_status pln_picture_pnm(struct pln_picture *picture)
{
    const uint8_t kind = picture->data[1];
    struct pnm pnm = { picture->data + 2, picture->data + picture->size_bytes };
    const int64_t width = number(&pnm), height = number(&pnm), most = kind == '1' || kind == '4' ? 1 : number(&pnm);
    const int channels = kind == '3' || kind == '6' ? 3 : 1;
    if (most < 1 || most > 65535) return pln_picture_fail(picture, "PNM", "its header is wrong");
    PLN_TRY(pln_picture_begin(picture, width, height));
    if (kind >= '4' && pnm.at < pnm.end) pnm.at++; /* one space, then bytes */
    if (kind == '4') return read_bits(&pnm, picture) ? PLN_OK : pln_picture_fail(picture, "PNM", "it is cut off");
    for (int64_t i = 0; i < width * height * channels; i++) {
        const int64_t value = sample(&pnm, kind, most);
        if (value < 0 || value > most) return pln_picture_fail(picture, "PNM", "it is cut off, or a sample is too large");
        const uint8_t byte = (uint8_t)((value * 255 + most / 2) / most);
        if (channels == 3) picture->rgb[i] = byte;
        else memset(picture->rgb + 3 * i, byte, 3);
    }
    return PLN_OK;
}
