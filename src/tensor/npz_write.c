#include "base/hash.h"
#include "tensor/npy_write.h"
#include "tensor/npz.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers are written as they lie in memory");

/* What a local header and a directory entry share, from "version needed" on. The date is 1980-01-01, the first that zip
 * can say: the same arrays give the same bytes. */
struct zip_fields {
    uint16_t version, flags, method, time, date;
    uint32_t crc, packed_bytes, size_bytes;
    uint16_t name_bytes, extra_bytes;
};

static void put_fields(struct pln_text *out, const struct zip_fields *f)
{
    const uint16_t front[5] = { f->version, f->flags, f->method, f->time, f->date };
    const uint32_t sizes[3] = { f->crc, f->packed_bytes, f->size_bytes };
    const uint16_t back[2] = { f->name_bytes, f->extra_bytes };
    pln_text_append(out, (const char *)front, sizeof front);
    pln_text_append(out, (const char *)sizes, sizeof sizes);
    pln_text_append(out, (const char *)back, sizeof back);
}

enum pln_status pln_npz_writer_open(struct pln_npz_writer *writer, const char *path, const struct pln_allocator *alloc,
                                    struct pln_diag *diag)
{
    pln_text_init(&writer->directory, alloc);
    writer->count = 0;
    writer->crc = 0;
    return pln_file_writer_open(&writer->file, path, alloc, diag);
}

static enum pln_status sink(void *user, const void *data, size_t size_bytes)
{
    struct pln_npz_writer *writer = user;
    writer->crc = pln_crc32(writer->crc, data, size_bytes);
    return pln_file_writer_write(&writer->file, data, size_bytes);
}

static enum pln_status too_large(struct pln_npz_writer *writer)
{
    return pln_fail(writer->file.diag, PLN_UNSUPPORTED,
                    "a .npz file of more than 4 GiB or 65534 arrays; write .npy files instead");
}

static void put_local(struct pln_text *out, const struct zip_fields *fields, const char *name)
{
    pln_text_append(out, "PK\3\4", 4);
    put_fields(out, fields);
    pln_text_append(out, name, strlen(name));
    pln_text_puts(out, ".npy");
}

static void put_entry(struct pln_text *out, const struct zip_fields *fields, const char *name, uint32_t offset)
{
    const uint16_t made_by = 20, zeros[5] = { 0 }; /* comment, disk, attributes */
    pln_text_append(out, "PK\1\2", 4);
    pln_text_append(out, (const char *)&made_by, sizeof made_by);
    put_fields(out, fields);
    pln_text_append(out, (const char *)zeros, sizeof zeros);
    pln_text_append(out, (const char *)&offset, sizeof offset);
    pln_text_append(out, name, strlen(name));
    pln_text_puts(out, ".npy");
}

enum pln_status pln_npz_writer_add(struct pln_npz_writer *writer, const char *name, const struct pln_tensor *tensor)
{
    size_t name_bytes = strlen(name) + 4;
    uint64_t offset = writer->file.offset;
    const struct pln_allocator *alloc = writer->file.alloc;
    if (name_bytes > UINT16_MAX || writer->count >= UINT16_MAX - 1 || offset > UINT32_MAX) return too_large(writer);
    /* Version 2.0; bit 11: the name is UTF-8. */
    struct zip_fields fields = { .version = 20, .flags = 0x800, .date = 0x21, .name_bytes = (uint16_t)name_bytes };
    struct pln_text header;
    pln_text_init(&header, alloc);
    put_local(&header, &fields, name);
    enum pln_status status =
        header.failed ? PLN_NO_MEMORY : pln_file_writer_write(&writer->file, header.data, header.size_bytes);
    uint64_t start = writer->file.offset;
    writer->crc = 0;
    if (status == PLN_OK) status = pln_npy_emit(tensor, alloc, writer->file.diag, sink, writer);
    uint64_t size_bytes = writer->file.offset - start;
    if (status == PLN_OK && size_bytes >= UINT32_MAX) status = too_large(writer);
    if (status == PLN_OK) {
        fields.crc = writer->crc;
        fields.packed_bytes = fields.size_bytes = (uint32_t)size_bytes;
        pln_text_clear(&header);
        put_local(&header, &fields, name);
        put_entry(&writer->directory, &fields, name, (uint32_t)offset);
        writer->count++;
        if (header.failed || writer->directory.failed) status = PLN_NO_MEMORY;
    }
    if (status == PLN_OK) status = pln_file_writer_patch(&writer->file, offset, header.data, header.size_bytes);
    pln_text_deinit(&header);
    if (status == PLN_NO_MEMORY) pln_fail_memory(writer->file.diag, "a .npz file", name_bytes);
    return status;
}

enum pln_status pln_npz_writer_commit(struct pln_npz_writer *writer)
{
    uint64_t offset = writer->file.offset, directory_bytes = writer->directory.size_bytes;
    const uint16_t counts[2] = { (uint16_t)writer->count, (uint16_t)writer->count };
    const uint32_t places[2] = { (uint32_t)directory_bytes, (uint32_t)offset };
    enum pln_status status = PLN_OK;
    if (offset >= UINT32_MAX || directory_bytes >= UINT32_MAX) status = too_large(writer);
    pln_text_append(&writer->directory, "PK\5\6\0\0\0\0", 8);
    pln_text_append(&writer->directory, (const char *)counts, sizeof counts);
    pln_text_append(&writer->directory, (const char *)places, sizeof places);
    pln_text_append(&writer->directory, "\0\0", 2);
    if (status == PLN_OK && writer->directory.failed)
        status = pln_fail_memory(writer->file.diag, "a .npz file", (size_t)directory_bytes);
    if (status == PLN_OK)
        status = pln_file_writer_write(&writer->file, writer->directory.data, writer->directory.size_bytes);
    if (status == PLN_OK) status = pln_file_writer_commit(&writer->file);
    pln_npz_writer_abort(writer);
    return status;
}

void pln_npz_writer_abort(struct pln_npz_writer *writer)
{
    pln_file_writer_abort(&writer->file);
    pln_text_deinit(&writer->directory);
}
