#include "base/hash.h"

/* The reflected polynomial of ISO 3309, as zip, gzip and PNG use it. */
#define POLYNOMIAL 0xedb88320u

/* The table is made at each call, which costs a microsecond or two and needs no lock. */
uint32_t pln_crc32(uint32_t crc, const void *data, size_t size_bytes)
{
    uint32_t table[256];
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++) c = (c >> 1) ^ ((c & 1) != 0 ? POLYNOMIAL : 0);
        table[i] = c;
    }
    const uint8_t *p = data;
    crc = ~crc;
    for (size_t i = 0; i < size_bytes; i++) crc = (crc >> 8) ^ table[(crc ^ p[i]) & 0xff];
    return ~crc;
}
