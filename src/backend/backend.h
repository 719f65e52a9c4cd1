/* What a device is to the runtime and to lower: a table of functions and a table of kernel rows.
 *
 * Memory of a device is a space. The host's space is 0; the CPU computes in it. Other devices have spaces of their own, which the host must
 * not touch: all access goes through copies on a queue. Commands of one queue run in order; a command's operands stay valid until the
 * queue is synchronized or an event recorded behind it has been waited for. Results of commands, their errors included, are known after
 * `sync` only. A backend that computes on the host may run commands at once.
 * The same commands, unchanged, may be submitted again while they still run.
 *
 * A new device is a folder, a line in backends.inc, and this table. The table and the kernel rows are one ABI (PLN_KERNEL_ABI of
 * kernel/kernel.h, which says when it is raised): a backend of another version is refused before anything of it is called.
 *
 * Threads: open, close, caps, alloc, release and queue_create may be called from several threads at once; a queue belongs to one thread at a time. */
#ifndef PLN_BACKEND_BACKEND_H
#define PLN_BACKEND_BACKEND_H

#include "base/pool.h"
#include "kernel/call.h"
#include "kernel/kernel.h"

struct pln_device; /* begins with struct pln_device_base */
struct pln_queue;  /* begins with struct pln_queue_base */
struct pln_backend;

struct pln_device_base {
    const struct pln_backend *backend;
    int ordinal;
};

/* What a queue has done since it was created; the runtime reads it when asked for statistics. */
struct pln_queue_base {
    uint64_t captures; /* recordings made into something that is launched as a whole */
    uint64_t launches; /* calls that started something on the device: one for such a recording, else one a kernel or copy. Of host devices 0 */
};

struct pln_device_code;
struct pln_recording;

struct pln_device_caps {
    char name[128];      /* "Intel(R) Xeon(R) …" */
    char arch[16];       /* what device code must be compiled for, "sm_90a"; "": it has none */
    char driver[64];     /* "580.159.04, CUDA 13.0"; "": it needs none */
    uint64_t features;   /* what kernels' needs are compared with */
    bool host_memory;    /* its space is the host's */
    size_t memory_bytes; /* of the space; 0: not known */
};

struct pln_device_options {
    const struct pln_allocator *alloc;
    struct pln_pool *pool; /* NULL: the shared one */
};

enum pln_command_kind { PLN_COMMAND_LAUNCH, PLN_COMMAND_CALL, PLN_COMMAND_COPY };

/* One thing for a queue to do. Filled by the runtime; addresses of device spaces are opaque numbers to it. */
struct pln_command {
    enum pln_command_kind kind;
    /* LAUNCH */
    const struct pln_kernel *kernel;
    const struct pln_device_code *code; /* of a kernel that is device code */
    const void *state; /* prepared */
    struct pln_prepared prepared;
    /* CALL: tensors in the device's space; all outputs are placed */
    const struct pln_launch *launch;
    /* COPY: bytes are dense on both sides unless from and to are tensors in the same space */
    const struct pln_tensor *from, *to;
    bool from_host, to_host;
    enum pln_status status; /* of a CALL, known after sync */
};

struct pln_backend {
    uint32_t abi_version; /* PLN_KERNEL_ABI of the headers it was compiled with */
    const char *name;     /* "cpu" */
    /* A device of this kind is in the machine, whether it can be used or not (then open says why). NULL: it is never meant without being named. */
    bool (*present)(void);
    /* Errors: PLN_DEVICE with the reason and the remedy. */
    enum pln_status (*open)(int ordinal, const struct pln_device_options *options, struct pln_diag *diag, struct pln_device **out_device);
    void (*close)(struct pln_device *device);
    void (*caps)(struct pln_device *device, struct pln_device_caps *out_caps);
    /* Memory of the device's space, aligned to 256, size_bytes at least 1. what: for messages. Errors: PLN_NO_MEMORY with the bytes wanted; PLN_DEVICE, all
     * else that the device says. release takes NULL, too. */
    enum pln_status (*alloc)(struct pln_device *device, size_t size_bytes, const char *what, struct pln_diag *diag, void **out_memory);
    void (*release)(struct pln_device *device, void *memory, size_t size_bytes);
    /* Why what runs on the device must not be given memory of the caller at this address of its space; NULL: it may. Itself NULL: that is not known. */
    const char *(*refuses)(struct pln_device *device, const void *memory);
    enum pln_status (*queue_create)(struct pln_device *device, struct pln_diag *diag, struct pln_queue **out_queue);
    void (*queue_destroy)(struct pln_queue *queue);
    /* Enqueues; commands, and what they point to, stay valid until sync. After an error no further command of the call has run. recording: where the
     * backend keeps what it made of these commands (parameters on the device, a captured graph), for the next time that they are submitted; NULL: they
     * are not. version: another one than the last time that this recording was used when any of them has changed. */
    enum pln_status (*submit)(struct pln_queue *queue, struct pln_command *commands, size_t n_commands, struct pln_recording **recording, uint64_t version, struct pln_diag *diag);
    /* Of this queue, which has been synchronized. Takes NULL. May be NULL: submit leaves *recording alone. */
    void (*recording_destroy)(struct pln_queue *queue, struct pln_recording *recording);
    /* Waits until everything submitted has run; first failed status since the last sync, which the queue then forgets. */
    enum pln_status (*sync)(struct pln_queue *queue, struct pln_diag *diag);
    /* Has everything submitted run? Does not wait; only sync tells results and errors of commands. Errors: the device's. May be NULL: sync tells soon. */
    enum pln_status (*poll)(struct pln_queue *queue, struct pln_diag *diag, bool *out_idle);
    /* What is submitted from now on goes to `stream`, a queue of the caller on this device: behind what lies there, and behind what was submitted before.
     * NULL: back to the queue's own, which stays behind what went to the caller's; that one is not touched any more, and may go. *out_capturing: the
     * caller records what its stream is given, for later; then recordings that have been submitted just so before are all that can be submitted, nothing
     * is waited for, and what they use is kept until the queue goes. Errors: the device's. May be NULL: there are no such queues. */
    enum pln_status (*use_stream)(struct pln_queue *queue, void *stream, struct pln_diag *diag, bool *out_capturing);
    /* The kernel rows, best first, ended by NULL. May be NULL: the device only runs calls. */
    const struct pln_kernel *const *kernels;
    bool runs_calls; /* CALL commands are understood (reference kernels run in its space) */
    /* Row whose code is that of COPY commands between tensors of any strides, one input and one output; NULL: copies need no code. */
    const struct pln_kernel *copy;
    /* Device code; all NULL where kernels are functions of this library. Features that kernels may need on an architecture; false: no such one. */
    bool (*arch_features)(const char *arch, uint64_t *out_features);
    /* Hash of all that makes the code of a source what it is, beside the source and the architecture. */
    uint64_t (*code_key)(void);
    /* Source of a family's emit to code for an architecture, in memory of alloc. Errors: PLN_DEVICE the compiler is missing, with the remedy;
     * PLN_INTERNAL what it said of the source. */
    enum pln_status (*compile)(const char *source, const char *arch, const struct pln_allocator *alloc, struct pln_diag *diag, void **out_code, size_t *out_bytes);
    /* Version of the compiler on this machine. Errors: PLN_DEVICE: there is none, with the remedy. */
    enum pln_status (*compiler)(struct pln_diag *diag, int *out_major, int *out_minor);
    enum pln_status (*code_load)(struct pln_device *device, const void *code, size_t size_bytes, struct pln_diag *diag, struct pln_device_code **out_code);
    void (*code_unload)(struct pln_device *device, struct pln_device_code *code);
};

/* All backends of this build, in backends.inc's order, ended by NULL. */
extern const struct pln_backend *const pln_backends[];
/* "cpu", "ref", "cuda:1": the backend and the ordinal (0 when not given). PLN_DEVICE: not in this build, with the list of what is; PLN_INCOMPATIBLE: of
 * another ABI version; PLN_INVALID_ARGUMENT: no name. */
enum pln_status pln_backend_find(const char *device, struct pln_diag *diag, const struct pln_backend **out_backend, int *out_ordinal);
/* The row of that name; NULL: none. */
const struct pln_kernel *pln_backend_kernel(const struct pln_backend *backend, const char *name);
/* A pack format by name, over all backends' rows; NULL: none. */
const struct pln_pack_format *pln_backend_pack_format(const char *name);

#endif
