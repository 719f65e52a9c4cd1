/* The ABI between the build side and the backends: problems, launches, kernel rows.
 *
 * A kernel is a row of its backend's kernels.inc. Its family (a folder) supplies the functions below, the row the numbers. The build side
 * asks `supports` and `cost`; the plan stores the row's name; the runtime calls `prepare` once for each set of shapes, which checks
 * everything it relies on (so that no plan makes a kernel touch memory outside its operands), then `run` for ranges of tasks, from any
 * thread. A kernel never allocates, never sees the thread pool, and its result does not depend on how tasks are split. */
#ifndef PLN_KERNEL_KERNEL_H
#define PLN_KERNEL_KERNEL_H

#include "base/text.h"
#include "kernel/op.h"
#include "kernel/rowprog.h"
#include "tensor/attrs.h"
#include "tensor/tensor.h"

/* Version of everything that a backend sees: the structs of this header, of call.h, item.h, rowprog.h and backend/backend.h. Raised with every change
 * to them that a backend compiled before would misread; ours are compiled with the library, so this is for those that come by dlopen, and stays 0 until
 * there can be any (docs/versions.md). */
#define PLN_KERNEL_ABI 0u

/* Of features that a row may need: no feature of a machine but the caller's permission that products round f32 operands to tf32 (10 bits of fraction) on their
 * way; sums stay f32. Devices that can do it have it; what is built without the permission does not see it. */
#define PLN_FEATURE_TF32 ((uint64_t)1 << 63)

/* An operand as the build side knows it. */
struct pln_operand {
    bool present;
    bool constant; /* a weight: may be packed */
    bool known;    /* to the host before the launch: a weight, or a value of the shape program */
    enum pln_dtype dtype;
    int rank;                   /* -1: not known */
    int64_t dims[PLN_MAX_RANK]; /* -1: not known until the run */
};

/* How an image lies, as far as the build side knows. */
enum pln_image_order {
    PLN_IMAGE_UNKNOWN, /* or it is none */
    PLN_IMAGE_PLAIN,   /* n,c,h,w, perhaps with strides of its own */
    PLN_IMAGE_LAST     /* n,h,w,c */
};

struct pln_problem {
    uint16_t op, kind;
    const struct pln_attrs *attrs;
    int n_inputs, n_outputs;
    const struct pln_operand *inputs, *outputs;
    const struct pln_rowprog *epilogue; /* NULL: none. Its inputs after the accumulator are the node's last inputs */
    const struct pln_rowprog *program;  /* row_program */
    uint64_t features;                  /* of the machine that the plan is for (pln_cpu_features) */
    enum pln_image_order image;         /* inputs[0], where it comes from: a row that wants it otherwise pays for a copy */
    bool shared_weights;                /* programs of other CPU levels read the same packed weights: in the forms that rows of all levels take */
    bool direct;                        /* convolutions multiply images and weights as they are: no row that transforms both first (Winograd) */
};

/* One execution with everything known. Absent inputs have dtype PLN_DTYPE_NONE. A packed input has its logical dtype and dims; data points to
 * the packed bytes, packed_bytes (or second_packed_bytes) of them, in the format that the row's family names. */
struct pln_launch {
    uint16_t op, kind;
    const struct pln_attrs *attrs;
    const struct pln_custom *custom; /* host calls of custom operators; NULL in all other launches */
    const struct pln_rowprog *epilogue, *program; /* verified */
    int n_inputs, n_outputs;
    const struct pln_tensor *inputs, *outputs;
    size_t packed_bytes, second_packed_bytes; /* of the family's packed inputs; 0: it is plain */
    const struct pln_paged *paged; /* attention: keys and values lie in pages (kernel/paged.h). NULL in all other launches */
};

/* pln_fail with the shapes behind it: "… (inputs f32[2,3], f32[4,5]; outputs f32[2,5])". For prepare: what is wrong with operands is seen in them. */
enum pln_status pln_launch_fail(const struct pln_launch *launch, struct pln_diag *diag, enum pln_status status, const char *format, ...) PLN_PRINTF(4, 5);
/* Appends lead and "f32[2,3]", or "none", to text. */
void pln_operand_describe(char *text, size_t text_bytes, const char *lead, const struct pln_tensor *tensor);

struct pln_kernel;
struct pln_prepared;
/* The family's prepare, for launches that the row says it takes: one with pages never reaches a row without PLN_KERNEL_PAGED (PLN_BAD_PLAN). */
enum pln_status pln_kernel_prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state, struct pln_prepared *out_prepared, struct pln_diag *diag);

/* What prepare tells about a launch. */
struct pln_prepared {
    int64_t n_tasks;
    int64_t grain;             /* tasks worth handing to one thread at a time, >= 1 */
    size_t scratch_bytes;      /* per worker */
    size_t shared_bytes;       /* scratch shared by all tasks of the launch, or 0 */
    size_t cleared_bytes;      /* CPU rows: of it, from its start, that are zero when the tasks start; a multiple of 8 */
    /* Kernels that are device code: a task is one block's work. */
    int32_t block_threads;     /* threads a block */
    uint32_t block_bytes;      /* dynamic shared memory a block */
};

/* A named, versioned form of a weight. dims and dtype: the plain tensor's. */
struct pln_pack_format {
    const char *name; /* "f32_kn_n16" */
    /* Bytes of the packed form; false: overflow, or not packable. */
    bool (*bytes)(const struct pln_tensor *plain, size_t *out_bytes);
    /* plain is contiguous or a transposed view (strides). Padding is zero. */
    void (*pack)(const struct pln_tensor *plain, void *packed);
    void (*unpack)(const void *packed, const struct pln_tensor *plain); /* NULL: it cannot be undone; a plan that keeps its graph holds the plain weight beside it */
};

struct pln_kernel_family {
    uint32_t abi_version; /* PLN_KERNEL_ABI; 0 when left out, which is right as long as that is 0 */
    const char *name;
    size_t state_bytes; /* of prepared state */
    /* NULL: yes; else the reason, static. Dims that are -1 must be checked in prepare. */
    const char *(*supports)(const struct pln_kernel *kernel, const struct pln_problem *problem);
    /* Estimated nanoseconds on one core of a common machine; unknown dims count as 128. */
    double (*cost)(const struct pln_kernel *kernel, const struct pln_problem *problem);
    /* Fills state (state_bytes, zeroed, 64-byte aligned; the launch lives as long as the state, and changes only before an update). Errors with reasons in diag: PLN_INVALID_ARGUMENT shapes do not fit, PLN_BAD_PLAN parameters. */
    enum pln_status (*prepare)(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state, struct pln_prepared *out_prepared, struct pln_diag *diag);
    /* Tasks [first, last). scratch: scratch_bytes of this worker; shared: shared_bytes of the launch; both 64-byte aligned. */
    void (*run)(const void *state, int64_t first, int64_t last, void *scratch, void *shared);
    /* For kernels that meet bad values of data (an index outside of its tensor): they write a code other than 0 to the first 8 bytes of
     * `shared` (which is zero when they start; prepare asks for at least 64 shared bytes) and go on; this says what it means, and the
     * run fails with PLN_INVALID_ARGUMENT. NULL: cannot happen. */
    const char *(*fault)(const void *state, uint64_t code);
    /* Device code (NULL: run is a function of this library): writes the source of the kernel for a problem, in the language of its backend. What the
     * source says depends on the row and the problem's types, ranks, attributes and programs; extents and addresses come with the state, which
     * `prepare` fills and the backend hands to the device as it is. */
    enum pln_status (*emit)(const struct pln_kernel *kernel, const struct pln_problem *problem, struct pln_diag *diag, struct pln_text *out_source);
    /* Device code: bit i: input i is a parameter that prepare reads (axes, pads): it stays in host memory, where it is known before the launch
     * (pln_operand.known, which `supports` asks for). */
    uint32_t host_inputs;
    int packed_input;                    /* which input is taken packed; -1: none */
    int second_packed_input;             /* another one, in the same form; 0, as when it is left out: none */
    const struct pln_pack_format *(*pack)(const struct pln_kernel *kernel); /* its form; NULL when packed_input is -1 */
    /* prepare again, where types, ranks and parameters of the launch, and whether it has pages, are those of the last prepare or update that went well, and so are state and
     * prepared; extents, strides and addresses may be others, and what depends on them is checked as prepare does. For kernels whose
     * extents change with every decoding step. NULL: prepare does it. */
    enum pln_status (*update)(const struct pln_launch *launch, void *state, struct pln_prepared *prepared, struct pln_diag *diag);
    /* Bit i, of operand i (inputs, then outputs): `run` reads its extents and strides from the launch, neither state nor prepared depends on them, and all
     * that `update` does with them is to check. 0: update has to be called. */
    uint32_t extents_at_run;
};

enum pln_kernel_flag {
    PLN_KERNEL_STRIDED_IN = 1,       /* inputs may have any strides (unless noted, the last dim too) */
    PLN_KERNEL_STRIDED_OUT = 2,      /* outputs too */
    PLN_KERNEL_EPILOGUE = 4,         /* takes an elementwise epilogue */
    PLN_KERNEL_CHANNELS_LAST = 8,    /* wants images stored n,h,w,c: inputs[0], outputs[0], residual operands */
    PLN_KERNEL_ROW_STRIDED_IN = 16,  /* inputs may have any strides but the last dim's, which is 1 */
    PLN_KERNEL_OVERLAP = 32,         /* an input may lie where the output has the same elements; it is left alone there */
    PLN_KERNEL_PAGED = 64,           /* takes launches with pages */
    PLN_KERNEL_KEEPS_ORDER = 128,    /* beside both STRIDED: the output is best stored in the order of an image that comes in */
    PLN_KERNEL_ANY_IMAGE = 256,      /* beside CHANNELS_LAST: inputs[0] may have any strides */
    PLN_KERNEL_WIDE_PIXELS = 512,    /* beside CHANNELS_LAST: those images may be some of the channels of wider ones */
};

/* Does the family take this input packed, where it is a weight? */
static inline bool pln_kernel_family_packs(const struct pln_kernel_family *family, int input)
{
    return input >= 0 && (input == family->packed_input || (input > 0 && input == family->second_packed_input));
}

struct pln_kernel {
    const char *name;
    uint16_t op; /* enum pln_op */
    const struct pln_kernel_family *family;
    uint64_t needs; /* CPU features, or SM range on a GPU */
    uint32_t flags; /* enum pln_kernel_flag */
    int32_t tile[4];
    void (*micro)(void); /* the row's inner function, cast by its family; NULL: none */
};

#endif
