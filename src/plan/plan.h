/* Plan files: from a program to bytes and back. format.h says what the bytes are. */
#ifndef PLN_PLAN_PLAN_H
#define PLN_PLAN_PLAN_H

#include "base/text.h"
#include "base/watch.h"
#include "kernel/program.h"

struct pln_pool;

/* A plan in memory, as the file will be. */
struct pln_plan_image {
    const struct pln_allocator *alloc;
    void *data; /* aligned to PLN_PLAN_PAGE */
    size_t size_bytes;
    bool is_scratch; /* data is an unnamed file's (base/file.h), not the allocator's */
};

/* Writes a program: weights are copied, or packed, straight into the image (once each; equal ones share their bytes); expressions, symbols
 * and origins that nothing refers to are left out. The same program gives the same bytes. limit_bytes: of the image, 0: none. Errors:
 * PLN_NO_MEMORY; PLN_UNSUPPORTED: a count or size that the format has no room for; PLN_INTERNAL: the program is inconsistent. */
enum pln_status pln_plan_write(const struct pln_program *program, const struct pln_allocator *alloc, size_t limit_bytes, struct pln_diag *diag, struct pln_plan_image *out_image);
/* The same of up to PLN_PLAN_MOST_TARGETS programs of one model, for targets from the least to the best: weights of all of them that are equal share their
 * bytes, a program that is the same as an earlier one is left out. The graph is the first's; device code is the first's, and steps of all refer to it. */
struct pln_plan_write_options {
    size_t limit_bytes;            /* of the image, 0: none */
    const struct pln_watch *watch; /* is told how far the weights are; its failure is passed on. NULL: nobody is */
    struct pln_pool *pool;         /* packs the weights; NULL: the process's */
    const char *folder;            /* an image of PLN_PLAN_SCRATCH_LEAST bytes and more is an unnamed file there, where that can be had; NULL: in memory */
};
#define PLN_PLAN_SCRATCH_LEAST ((uint64_t)64 << 20)
enum pln_status pln_plan_write_targets(const struct pln_program *const *programs, uint32_t n_programs, const struct pln_plan_write_options *options, const struct pln_allocator *alloc,
                                       struct pln_diag *diag, struct pln_plan_image *out_image);
void pln_plan_image_release(struct pln_plan_image *image);

enum pln_plan_verify { PLN_PLAN_VERIFY_USUAL, PLN_PLAN_VERIFY_ALL, PLN_PLAN_VERIFY_NONE };

struct pln_plan_read_options {
    enum pln_plan_verify verify; /* which weights' checksums are computed, */
    struct pln_pool *pool;       /* by the threads of this one; NULL: the process's, once there is more than one block */
    uint64_t features;           /* of the CPU: the best target that needs no more is read; the first where there is none */
    bool first;                  /* the first target, whose weights are those of the graph */
    /* Architecture of the device of that name, where targets differ in it; NULL: not known, and so any will do. */
    const char *(*arch)(void *user, const char *device);
    /* What was checked, and that no run of the program may read soon: from any thread. NULL: nobody asks. */
    void (*forget)(void *user, const void *bytes, size_t size_bytes);
    void *user;
};

/* Which of a plan's architectures a device runs: its very own, else an earlier one of the same generation (cubins run on GPUs of the same major and a later minor
 * capability, but not from or to those of Tegra: CUDA C++ Programming Guide, "Binary Compatibility"). PLN_NONE: none. */
uint32_t pln_plan_find_arch(const char *const *archs, uint32_t n_archs, const char *arch);

/* Reads and verifies (pln_program_verify included) a plan from memory aligned to 64, which the program keeps using; its tables lie in arena. name:
 * for messages, a path. Errors: PLN_BAD_PLAN damaged, cut, forged, or no plan at all; PLN_INCOMPATIBLE of another version. */
enum pln_status pln_plan_read(const void *data, size_t size_bytes, const char *name, const struct pln_plan_read_options *options, struct pln_arena *arena, struct pln_diag *diag,
                              struct pln_program *out_program);

/* header.checksum of a plan whose metadata are these bytes. */
uint64_t pln_plan_checksum(const void *data, size_t metadata_bytes);

/* What the numbers of sub-kinds in row programs stand for: XXH64 of the first names. false: there are fewer in this build. */
bool pln_plan_vocabulary(uint32_t n_elementwise, uint32_t n_reduce, uint64_t *out_hash);

/* A listing for people: every slot, step, segment and weight. */
void pln_program_dump(const struct pln_program *program, struct pln_text *out);

#endif
