/* One GPU: the primary context (shared with whatever else in the process uses CUDA), memory, loaded code, queues. */
#ifndef PLN_BACKEND_CUDA_DEVICE_H
#define PLN_BACKEND_CUDA_DEVICE_H

#include <pthread.h>

#include "backend/cuda/driver.h"
#include "backend/cuda/family.h"

struct pln_device {
    struct pln_device_base base;
    const struct pln_allocator *alloc;
    const struct pln_cuda_driver *driver;
    void *context;
    int handle;           /* CUdevice */
    int multiprocessors;
    bool reads_all_memory; /* that of the process, too */
    char arch[16];        /* that code for it is made for */
    uint64_t features;
    pthread_mutex_t code_lock; /* of all code's shared_bytes */
};

struct pln_device_code {
    void *module, *function;
    uint32_t shared_bytes; /* dynamic shared memory that a launch may have, where that is more than every GPU gives */
};

struct pln_queue {
    struct pln_queue_base base;
    struct pln_device *device;
    void *own;                     /* its stream, behind all that it submits */
    void *stream;                  /* where submits go: own, or the caller's */
    void *event;                   /* orders the two */
    bool event_last;               /* it stands behind everything submitted */
    bool busy;                     /* something was submitted and not waited for */
    bool capturing;                /* the caller's stream is being captured: nothing may be waited for, no memory had */
    struct pln_recording *pending; /* submitted since the last sync, whose results are not yet where they are wanted */
    struct pln_recording *once;    /* for commands that are not recorded */
    struct pln_recording *baked;   /* in the caller's graphs */
};

/* "sm_90a" to the bits that its GPUs have; false: not known. */
bool pln_cuda_arch_features(const char *arch, uint64_t *out_features);

/* Makes the device's context current for the calling thread; leave gives back what was current. */
enum pln_status pln_cuda_enter(const struct pln_device *device, struct pln_diag *diag);
void pln_cuda_leave(const struct pln_device *device);
/* Memory of the GPU. Errors: PLN_NO_MEMORY with what is wanted and what is free; PLN_DEVICE. Entered. */
enum pln_status pln_cuda_alloc(const struct pln_device *device, size_t size_bytes, const char *what, struct pln_diag *diag, uint64_t *out_address);
/* image.c: is it an ELF file of 64 bits whose headers, segments and sections lie in these bytes? */
bool pln_cuda_image_fits(const void *image, size_t size_bytes);
/* Lets launches of the code have so much dynamic shared memory. Contexts share code: what one has been given stays. what: for messages. Entered. */
enum pln_status pln_cuda_allow_shared(struct pln_device *device, const struct pln_device_code *code, uint32_t shared_bytes, const char *what, struct pln_diag *diag);

/* queue.c */
enum pln_status pln_cuda_queue_create(struct pln_device *device, struct pln_diag *diag, struct pln_queue **out_queue);
void pln_cuda_queue_destroy(struct pln_queue *queue);
enum pln_status pln_cuda_submit(struct pln_queue *queue, struct pln_command *commands, size_t n_commands, struct pln_recording **recording, uint64_t version, struct pln_diag *diag);
enum pln_status pln_cuda_sync(struct pln_queue *queue, struct pln_diag *diag);
enum pln_status pln_cuda_poll(struct pln_queue *queue, struct pln_diag *diag, bool *out_idle);
enum pln_status pln_cuda_use_stream(struct pln_queue *queue, void *stream, struct pln_diag *diag, bool *out_capturing);

/* recording.c: commands as parameters on the device and a graph that runs them.
 *
 * All parameters lie in one block, written by one copy from pinned memory at the start of each run; kernels read extents and addresses there. So a graph
 * is captured again only when the kernels are others, or need many more blocks than before. What the host wants to read or has written goes through
 * pinned memory that the GPU reads and writes itself. */
struct pln_recording {
    struct pln_recording *next; /* pending */
    bool is_pending;
    size_t n, capacity;
    struct pln_command *commands;
    uint64_t version;
    bool filled;
    struct pln_cuda_node *nodes;     /* by command */
    uint8_t *image;                  /* pinned: fault word, then the parameters */
    size_t image_bytes;
    uint64_t block;                  /* on the device: the same bytes */
    size_t block_bytes;
    size_t used_bytes;               /* of both */
    uint8_t *stage;                  /* pinned: what comes from and goes to the host */
    size_t stage_bytes;
    uint64_t scratch;                /* on the device */
    size_t scratch_bytes;
    void *exec;                      /* CUgraphExec; NULL: not captured */
    bool to_host;                    /* some command copies so */
};
/* The recording stands for these commands as they are. */
bool pln_cuda_recording_is_filled(const struct pln_recording *recording, const struct pln_command *commands, size_t n, uint64_t version);
/* What it copies from the host is what it copied last: not looked at, and false, when it is much. */
bool pln_cuda_recording_same_input(const struct pln_recording *recording);
enum pln_status pln_cuda_recording_fill(struct pln_queue *queue, struct pln_recording **recording, struct pln_command *commands, size_t n, uint64_t version, struct pln_diag *diag);
/* A filled one. Into a stream that is being captured go its copies and kernels, one by one; its memory must stay then as it is. */
enum pln_status pln_cuda_recording_launch(struct pln_queue *queue, struct pln_recording *recording, struct pln_diag *diag);
/* After the stream was synchronized: bytes for the host to where they belong; faults. */
enum pln_status pln_cuda_recording_finish(struct pln_queue *queue, struct pln_recording *recording, struct pln_diag *diag);
void pln_cuda_recording_destroy(struct pln_queue *queue, struct pln_recording *recording);

#endif
