/* Device code from a plan or a cache before the driver reads it: cuModuleLoadData is not told how long an image is, and believes what its headers say.
 * A cubin is an ELF file of 64 bits (System V ABI, chapters 4 and 5; NVIDIA's "CUDA Binary Utilities"). */
#include <elf.h>
#include <string.h>

#include "backend/cuda/device.h"

static bool within(uint64_t offset, uint64_t bytes, size_t size_bytes)
{
    return offset <= size_bytes && bytes <= size_bytes - offset;
}

static bool segments_fit(const uint8_t *image, size_t size_bytes, const Elf64_Ehdr *head)
{
    Elf64_Phdr segment;
    if (head->e_phnum == 0) return true;
    if (head->e_phentsize != sizeof segment || !within(head->e_phoff, (uint64_t)head->e_phnum * sizeof segment, size_bytes)) return false;
    for (size_t i = 0; i < head->e_phnum; i++) {
        memcpy(&segment, image + head->e_phoff + i * sizeof segment, sizeof segment);
        if (!within(segment.p_offset, segment.p_filesz, size_bytes)) return false;
    }
    return true;
}

/* Names end in the table that they are in. */
static bool section_fits(const uint8_t *image, size_t size_bytes, const Elf64_Ehdr *head, const Elf64_Shdr *section)
{
    if (section->sh_type == SHT_NULL || section->sh_type == SHT_NOBITS) return true;
    if (!within(section->sh_offset, section->sh_size, size_bytes) || section->sh_link >= head->e_shnum) return false;
    return section->sh_type != SHT_STRTAB || (section->sh_size > 0 && image[section->sh_offset + section->sh_size - 1] == '\0');
}

static bool sections_fit(const uint8_t *image, size_t size_bytes, const Elf64_Ehdr *head)
{
    Elf64_Shdr section;
    if (head->e_shnum == 0 || head->e_shstrndx >= head->e_shnum) return false;
    if (head->e_shentsize != sizeof section || !within(head->e_shoff, (uint64_t)head->e_shnum * sizeof section, size_bytes)) return false;
    for (size_t i = 0; i < head->e_shnum; i++) {
        memcpy(&section, image + head->e_shoff + i * sizeof section, sizeof section);
        if (!section_fits(image, size_bytes, head, &section)) return false;
    }
    return true;
}

bool pln_cuda_image_fits(const void *image, size_t size_bytes)
{
    Elf64_Ehdr head;
    if (size_bytes < sizeof head) return false;
    memcpy(&head, image, sizeof head);
    if (memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_ident[EI_CLASS] != ELFCLASS64 || head.e_ident[EI_DATA] != ELFDATA2LSB) return false;
    return segments_fit(image, size_bytes, &head) && sections_fit(image, size_bytes, &head);
}
