/* RFC 1951. Codes are decoded by canonical counting: at each length, the first code and the number of codes tell
 * whether the bits read so far are one of them. */
#include "tensor/inflate.h"

#define CODE_BITS_MAX 15
#define LITERALS      288
#define DISTANCES     32
#define LENGTH_CODES  19

struct huffman {
    uint16_t counts[CODE_BITS_MAX + 1]; /* codes of each length */
    uint16_t symbols[LITERALS];         /* in the order of their codes */
};

struct inflater {
    const uint8_t *in, *in_end;
    uint8_t *out;
    size_t written, out_bytes;
    uint64_t bits; /* read ahead, next bit lowest */
    unsigned bit_count;
    struct huffman literals, distances;
};

static void refill(struct inflater *s)
{
    while (s->bit_count <= 56 && s->in < s->in_end) {
        s->bits |= (uint64_t)*s->in++ << s->bit_count;
        s->bit_count += 8;
    }
}

/* n <= 32. */
static bool take_bits(struct inflater *s, unsigned n, uint32_t *out)
{
    *out = 0;
    if (s->bit_count < n) refill(s);
    if (s->bit_count < n) return false;
    *out = (uint32_t)(s->bits & ((UINT64_C(1) << n) - 1));
    s->bits >>= n;
    s->bit_count -= n;
    return true;
}

/* From the length of each symbol's code; false when the lengths ask for more codes than there are. A set with codes to
 * spare is allowed (one distance only is common); a code that is not there then fails when it is met. */
static bool build(struct huffman *h, const uint8_t *lengths, size_t n)
{
    uint16_t starts[CODE_BITS_MAX + 2] = { 0 };
    int32_t left = 1;
    memset(h->counts, 0, sizeof h->counts);
    for (size_t i = 0; i < n; i++) h->counts[lengths[i]]++;
    h->counts[0] = 0;
    for (int bits = 1; bits <= CODE_BITS_MAX; bits++) {
        left = 2 * left - h->counts[bits];
        if (left < 0) return false;
        starts[bits + 1] = (uint16_t)(starts[bits] + h->counts[bits]);
    }
    for (size_t i = 0; i < n; i++)
        if (lengths[i] != 0) h->symbols[starts[lengths[i]]++] = (uint16_t)i;
    return true;
}

static bool take_symbol(struct inflater *s, const struct huffman *h, uint32_t *out)
{
    int32_t code = 0, first = 0, index = 0;
    *out = 0;
    if (s->bit_count < CODE_BITS_MAX) refill(s);
    for (unsigned bits = 1; bits <= CODE_BITS_MAX && bits <= s->bit_count; bits++) {
        code |= (int32_t)(s->bits >> (bits - 1)) & 1;
        int32_t count = h->counts[bits];
        if (code - first < count) {
            *out = h->symbols[index + code - first];
            s->bits >>= bits;
            s->bit_count -= bits;
            return true;
        }
        index += count;
        first = (first + count) << 1;
        code <<= 1;
    }
    return false;
}

static bool copy_stored(struct inflater *s)
{
    uint32_t skipped, size_bytes, inverse;
    if (!take_bits(s, s->bit_count % 8, &skipped) || !take_bits(s, 16, &size_bytes) || !take_bits(s, 16, &inverse))
        return false;
    if ((size_bytes ^ inverse) != 0xffff || size_bytes > s->out_bytes - s->written) return false;
    for (; size_bytes > 0 && s->bit_count > 0; size_bytes--) {
        uint32_t byte;
        if (!take_bits(s, 8, &byte)) return false;
        s->out[s->written++] = (uint8_t)byte;
    }
    if (size_bytes > (size_t)(s->in_end - s->in)) return false;
    if (size_bytes > 0) memcpy(s->out + s->written, s->in, size_bytes);
    s->in += size_bytes;
    s->written += size_bytes;
    return true;
}

/* RFC 1951, 3.2.5: least length or distance of each code, and how many bits are added to it. */
static const uint16_t length_base[29] = { 3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                                          31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258 };
static const uint8_t length_extra[29] = { 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                          2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0 };
static const uint16_t distance_base[30] = { 1,    2,    3,    4,    5,    7,    9,    13,    17,    25,
                                            33,   49,   65,   97,   129,  193,  257,  385,   513,   769,
                                            1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577 };
static const uint8_t distance_extra[30] = { 0, 0, 0, 0, 1, 1, 2, 2,  3,  3,  4,  4,  5,  5,  6,
                                            6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13 };

static bool copy_match(struct inflater *s, uint32_t symbol)
{
    uint32_t extra, code, length, distance;
    if (symbol >= PLN_COUNT_OF(length_base) || !take_bits(s, length_extra[symbol], &extra)) return false;
    length = length_base[symbol] + extra;
    if (!take_symbol(s, &s->distances, &code) || code >= PLN_COUNT_OF(distance_base)) return false;
    if (!take_bits(s, distance_extra[code], &extra)) return false;
    distance = distance_base[code] + extra;
    if (distance > s->written || length > s->out_bytes - s->written) return false;
    for (uint8_t *to = s->out + s->written, *end = to + length; to < end; to++) *to = to[-(ptrdiff_t)distance];
    s->written += length;
    return true;
}

static bool copy_compressed(struct inflater *s)
{
    for (;;) {
        uint32_t symbol;
        if (!take_symbol(s, &s->literals, &symbol)) return false;
        if (symbol == 256) return true;
        if (symbol > 256) {
            if (!copy_match(s, symbol - 257)) return false;
        } else {
            if (s->written == s->out_bytes) return false;
            s->out[s->written++] = (uint8_t)symbol;
        }
    }
}

/* RFC 1951, 3.2.6. */
static bool build_fixed(struct inflater *s)
{
    uint8_t lengths[LITERALS];
    for (int i = 0; i < LITERALS; i++) lengths[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
    if (!build(&s->literals, lengths, LITERALS)) return false;
    memset(lengths, 5, DISTANCES);
    return build(&s->distances, lengths, DISTANCES);
}

/* One run-length code of 3.2.7: 16 repeats the last length, 17 and 18 are zeros. */
static bool repeat_length(struct inflater *s, uint32_t symbol, uint8_t *lengths, size_t *at, size_t total)
{
    static const uint8_t bits[3] = { 2, 3, 7 }, least[3] = { 3, 3, 11 };
    uint32_t extra;
    if (!take_bits(s, bits[symbol - 16], &extra) || (symbol == 16 && *at == 0)) return false;
    uint8_t length = symbol == 16 ? lengths[*at - 1] : 0;
    size_t n = least[symbol - 16] + extra;
    if (n > total - *at) return false;
    memset(lengths + *at, length, n);
    *at += n;
    return true;
}

/* RFC 1951, 3.2.7. */
static bool build_dynamic(struct inflater *s)
{
    static const uint8_t order[LENGTH_CODES] = { 16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15 };
    uint8_t lengths[LITERALS + DISTANCES] = { 0 };
    uint32_t literals, distances, codes, length, symbol;
    if (!take_bits(s, 5, &literals) || !take_bits(s, 5, &distances) || !take_bits(s, 4, &codes)) return false;
    literals += 257;
    distances += 1;
    if (literals > 286) return false;
    for (uint32_t i = 0; i < codes + 4; i++) {
        if (!take_bits(s, 3, &length)) return false;
        lengths[order[i]] = (uint8_t)length;
    }
    if (!build(&s->literals, lengths, LENGTH_CODES)) return false;
    memset(lengths, 0, sizeof lengths);
    size_t total = literals + distances;
    for (size_t at = 0; at < total;) {
        if (!take_symbol(s, &s->literals, &symbol)) return false;
        if (symbol < 16) {
            lengths[at++] = (uint8_t)symbol;
        } else if (!repeat_length(s, symbol, lengths, &at, total)) {
            return false;
        }
    }
    return lengths[256] != 0 && build(&s->literals, lengths, literals) &&
           build(&s->distances, lengths + literals, distances);
}

bool pln_inflate(const void *data, size_t size_bytes, void *out, size_t out_bytes)
{
    struct inflater s = { .in = data, .out = out, .out_bytes = out_bytes };
    uint32_t last = 0, kind;
    s.in_end = s.in + size_bytes;
    while (last == 0) {
        if (!take_bits(&s, 1, &last) || !take_bits(&s, 2, &kind)) return false;
        bool good = false;
        if (kind == 0) good = copy_stored(&s);
        if (kind == 1) good = build_fixed(&s) && copy_compressed(&s);
        if (kind == 2) good = build_dynamic(&s) && copy_compressed(&s);
        if (!good) return false;
    }
    return s.written == out_bytes;
}
