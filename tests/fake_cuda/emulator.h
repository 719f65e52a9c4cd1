/* What compiled kernels and the fake driver share. Read by C (the driver) and by C++ (emulate.h, in front of every kernel).
 *
 * A kernel is a shared object that exports
 *
 *     void pln_entry(void *params);                             one thread's run of the kernel
 *     struct pln_emu *pln_emu;                                  set by the driver when the object is loaded
 *     void pln_emu_shared(void **out_begin, size_t *out_bytes); where its __shared__ variables lie
 *
 * Threads of a block are fibers that the driver switches in sync_threads and exchange, so plain variables are theirs between two of those calls. */
#ifndef FAKE_CUDA_EMULATOR_H
#define FAKE_CUDA_EMULATOR_H

#include <elf.h>
#include <stddef.h>

#define PLN_EMU_WARP 32
#define PLN_EMU_SLOT_BYTES 64 /* what a lane can hand over at once */

struct pln_emu_dim {
    unsigned x, y, z;
};

struct pln_emu {
    struct pln_emu_dim thread, block, block_dim, grid_dim; /* threadIdx, blockIdx, blockDim, gridDim of the running thread */
    void *dynamic_shared;
    size_t dynamic_shared_bytes;
    /* __syncthreads: comes back when every thread of the block is at this line. */
    void (*sync_threads)(const char *file, int line);
    /* Hands over size_bytes (at most PLN_EMU_SLOT_BYTES) and comes back when all lanes of the mask that the block has are at this line: the warp's slots, one
     * after the other, valid until the lane's next exchange. Slots of lanes outside of the mask are 0xff. */
    const unsigned char *(*exchange)(const void *mine, unsigned size_bytes, unsigned mask, const char *file, int line);
    /* Something that a GPU would not survive: prints it and aborts. */
    void (*fail)(const char *what, const char *file, int line);
};

/* In front of the shared object, in what the fake NVRTC makes and the fake driver loads: an ELF file as device code is one, with the object as a section. The
 * architecture ("sm_90a") is at the end of e_ident. */
#define FAKE_CUDA_OSABI 0xfa
#define FAKE_CUDA_ARCH EI_ABIVERSION /* from there on */
struct fake_cuda_image {
    Elf64_Ehdr head;
    Elf64_Shdr sections[2]; /* one that is null, as in every file; the object */
};

#endif
