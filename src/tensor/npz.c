/* Reading .npz. Only the central directory is trusted to say what there is (and it is checked); local headers are asked
 * for their own length alone. */
#include "tensor/npz.h"

#include "base/hash.h"
#include "tensor/inflate.h"
#include "tensor/npy.h"

#define END_BYTES       22
#define ENTRY_BYTES     46
#define LOCAL_BYTES     30
#define END64_BYTES     56
#define LOCATOR64_BYTES 20
/* Deflate gives at most 258 bytes for 2 bits. */
#define EXPANSION_MAX 1032

struct archive {
    const uint8_t *data;
    size_t size_bytes;
    struct pln_arena *arena;
    struct pln_diag *diag;
};

struct member {
    const uint8_t *name;
    uint32_t name_bytes, crc;
    unsigned flags, method;
    uint64_t packed_bytes, size_bytes, offset;
};

static uint32_t get16(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static uint32_t get32(const uint8_t *p)
{
    return get16(p) | get16(p + 2) << 16;
}

static uint64_t get64(const uint8_t *p)
{
    return get32(p) | (uint64_t)get32(p + 4) << 32;
}

static enum pln_status bad(const struct archive *zip, const char *what)
{
    return pln_fail(zip->diag, PLN_INVALID_ARGUMENT, "damaged .npz file: %s; save it again", what);
}

/* n bytes at offset, or NULL where the file has not got them. */
static const uint8_t *view(const struct archive *zip, uint64_t offset, uint64_t n)
{
    if (offset > zip->size_bytes || n > zip->size_bytes - offset) return NULL;
    return zip->data + offset;
}

/* The end record lies behind a comment of at most 65535 bytes. */
static const uint8_t *find_end(const struct archive *zip)
{
    if (zip->size_bytes < END_BYTES) return NULL;
    size_t last = zip->size_bytes - END_BYTES, least = last > 65535 ? last - 65535 : 0;
    for (size_t at = last + 1; at-- > least;)
        if (memcmp(zip->data + at, "PK\5\6", 4) == 0) return zip->data + at;
    return NULL;
}

static enum pln_status find_directory(const struct archive *zip, uint64_t *out_offset, uint64_t *out_count)
{
    const uint8_t *end = find_end(zip);
    *out_offset = *out_count = 0;
    if (end == NULL) return bad(zip, "it has no directory");
    *out_count = get16(end + 10);
    *out_offset = get32(end + 16);
    if (*out_count != 0xffff && *out_offset != 0xffffffff) return PLN_OK;
    size_t at = (size_t)(end - zip->data);
    if (at < LOCATOR64_BYTES || memcmp(end - LOCATOR64_BYTES, "PK\6\7", 4) != 0) return PLN_OK;
    const uint8_t *end64 = view(zip, get64(end - LOCATOR64_BYTES + 8), END64_BYTES);
    if (end64 == NULL || memcmp(end64, "PK\6\6", 4) != 0) return bad(zip, "its zip64 directory is not there");
    *out_count = get64(end64 + 32);
    *out_offset = get64(end64 + 48);
    return PLN_OK;
}

/* The zip64 field of an entry holds, in this order, those of its numbers that are 0xffffffff in the entry. */
static bool read_zip64(const uint8_t *extra, uint32_t extra_bytes, struct member *member)
{
    uint64_t *wide[3] = { &member->size_bytes, &member->packed_bytes, &member->offset };
    while (extra_bytes >= 4) {
        uint32_t id = get16(extra), n = get16(extra + 2);
        if (n > extra_bytes - 4) return false;
        const uint8_t *at = extra + 4;
        for (int i = 0; id == 1 && i < 3; i++) {
            if (*wide[i] != 0xffffffff) continue;
            if (n < 8) return false;
            *wide[i] = get64(at);
            at += 8;
            n -= 8;
        }
        if (id == 1) return true;
        extra += 4 + n;
        extra_bytes -= 4 + n;
    }
    return true;
}

/* The entry at *offset, which moves to the next. */
static enum pln_status read_entry(const struct archive *zip, uint64_t *offset, struct member *out)
{
    const uint8_t *p = view(zip, *offset, ENTRY_BYTES);
    if (p == NULL || memcmp(p, "PK\1\2", 4) != 0) return bad(zip, "its directory is cut short");
    uint32_t extra_bytes = get16(p + 30), comment_bytes = get16(p + 32);
    *out = (struct member){ .name_bytes = get16(p + 28),
                            .crc = get32(p + 16),
                            .flags = get16(p + 8),
                            .method = get16(p + 10),
                            .packed_bytes = get32(p + 20),
                            .size_bytes = get32(p + 24),
                            .offset = get32(p + 42) };
    out->name = view(zip, *offset + ENTRY_BYTES, (uint64_t)out->name_bytes + extra_bytes + comment_bytes);
    if (out->name == NULL) return bad(zip, "its directory is cut short");
    if (!read_zip64(out->name + out->name_bytes, extra_bytes, out)) return bad(zip, "a zip64 field is cut short");
    *offset += ENTRY_BYTES + out->name_bytes + extra_bytes + comment_bytes;
    return PLN_OK;
}

static enum pln_status read_member(const struct archive *zip, const struct member *member, struct pln_tensor *out)
{
    const uint8_t *local = view(zip, member->offset, LOCAL_BYTES);
    if (local == NULL || memcmp(local, "PK\3\4", 4) != 0) return bad(zip, "a member is not where the directory says");
    uint64_t start = member->offset + LOCAL_BYTES + get16(local + 26) + get16(local + 28);
    const uint8_t *packed = view(zip, start, member->packed_bytes);
    if (packed == NULL) return bad(zip, "a member is cut short");
    if ((member->flags & 1) != 0) return pln_fail(zip->diag, PLN_UNSUPPORTED, "an encrypted .npz file");
    const uint8_t *content = packed;
    if (member->method == 8) {
        if (member->size_bytes / EXPANSION_MAX > member->packed_bytes)
            return bad(zip, "a member claims to hold too much");
        uint8_t *room = pln_arena_alloc_aligned(zip->arena, (size_t)member->size_bytes, 64);
        if (room == NULL) return pln_fail_memory(zip->diag, "a member of a .npz file", (size_t)member->size_bytes);
        if (!pln_inflate(packed, (size_t)member->packed_bytes, room, (size_t)member->size_bytes))
            return bad(zip, "a member cannot be decompressed");
        content = room;
    } else if (member->method != 0) {
        return pln_fail(zip->diag, PLN_UNSUPPORTED, "a .npz file compressed by method %u", member->method);
    } else if (member->packed_bytes != member->size_bytes) {
        return bad(zip, "a stored member has two sizes");
    }
    if (pln_crc32(0, content, (size_t)member->size_bytes) != member->crc) return bad(zip, "a checksum does not agree");
    return pln_npy_read(content, (size_t)member->size_bytes, zip->arena, zip->diag, out);
}

enum pln_status pln_npz_read(const void *data, size_t size_bytes, struct pln_arena *arena, struct pln_diag *diag,
                             struct pln_npz_item **out_items, size_t *out_count)
{
    struct archive zip = { data, size_bytes, arena, diag };
    uint64_t offset, count;
    size_t used = 0;
    *out_items = NULL;
    *out_count = 0;
    PLN_TRY(find_directory(&zip, &offset, &count));
    if (count > size_bytes / ENTRY_BYTES) return bad(&zip, "it has more members than bytes");
    struct pln_npz_item *items = pln_arena_array(arena, (size_t)count, sizeof *items);
    if (items == NULL) return pln_fail_memory(diag, "the names of a .npz file", (size_t)count * sizeof *items);
    /* Entries that share their bytes could ask for the same work again and again; honest members fit into the file
     * together. */
    uint64_t packed_bytes = 0;
    for (uint64_t i = 0; i < count; i++) {
        struct member member;
        PLN_TRY(read_entry(&zip, &offset, &member));
        if (member.packed_bytes > size_bytes - packed_bytes) return bad(&zip, "its members overlap");
        packed_bytes += member.packed_bytes;
        uint32_t n = member.name_bytes;
        if (n <= 4 || memcmp(member.name + n - 4, ".npy", 4) != 0) continue;
        char *name = pln_arena_text(arena, (const char *)member.name, n - 4);
        if (name == NULL) return pln_fail_memory(diag, "the names of a .npz file", n);
        if (strlen(name) != n - 4) return bad(&zip, "a name has a zero byte");
        items[used].name = name;
        PLN_TRY(read_member(&zip, &member, &items[used].tensor));
        used++;
    }
    *out_items = items;
    *out_count = used;
    return PLN_OK;
}
