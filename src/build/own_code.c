/* Which code this library is made of, for the keys of caches. */
#define _GNU_SOURCE

#include <link.h>

#include "base/text.h"
#include "build/cache.h"
#include "kernel/kernel.h"
#include "plan/format.h"
#include "planish/planish.h"

/* The programs or libraries that hold this library's two halves: a change of their code may change plans, whatever its version says. */
struct own_code {
    uintptr_t inside[2];
    int found; /* of them with a build ID */
    struct pln_cache_key key;
};

/* The linker's hash of all that it has linked (NT_GNU_BUILD_ID; System V gABI, "Note Section"). */
static bool add_build_id(struct own_code *own, const uint8_t *notes, size_t size_bytes)
{
    ElfW(Nhdr) note;
    for (size_t at = 0; size_bytes - at >= sizeof note;) {
        memcpy(&note, notes + at, sizeof note);
        const size_t name = at + sizeof note, id = name + (((size_t)note.n_namesz + 3) & ~(size_t)3), end = id + (((size_t)note.n_descsz + 3) & ~(size_t)3);
        if (end > size_bytes) return false;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && memcmp(notes + name, "GNU", 4) == 0) {
            pln_cache_key_add(&own->key, notes + id, note.n_descsz);
            return true;
        }
        at = end;
    }
    return false;
}

static int add_object(struct dl_phdr_info *info, size_t info_bytes, void *user)
{
    struct own_code *own = user;
    int ours = 0;
    bool found = false;
    (void)info_bytes;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        const uintptr_t start = (uintptr_t)info->dlpi_addr + part->p_vaddr;
        for (int k = 0; k < 2; k++) ours += part->p_type == PT_LOAD && own->inside[k] - start < part->p_memsz;
    }
    for (int i = 0; ours && !found && i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        found = part->p_type == PT_NOTE && add_build_id(own, (const uint8_t *)((uintptr_t)info->dlpi_addr + part->p_vaddr), part->p_memsz);
    }
    if (found) own->found += ours;
    return 0;
}

enum pln_status pln_cache_key_add_own_code(struct pln_cache_key *key, struct pln_diag *diag)
{
    struct own_code own = { .inside = { (uintptr_t)pln_build_file, (uintptr_t)pln_engine_load_file }, .key = *key };
    pln_cache_key_add_text(&own.key, pln_version());
    pln_cache_key_add_number(&own.key, PLN_PLAN_VERSION);
    pln_cache_key_add_number(&own.key, PLN_KERNEL_ABI);
    dl_iterate_phdr(add_object, &own);
    *key = own.key;
    return own.found == 2 ? PLN_OK : pln_fail(diag, PLN_UNSUPPORTED, "this program was linked without --build-id, so plans of other versions cannot be told from its own");
}
