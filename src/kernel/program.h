/* The program: what a plan holds and a context executes. Made by lower/, stored by plan/, run by runtime/.
 *
 * A program is a list of blocks (0: the model; others: bodies of If, Loop). A block is a list of segments, a segment a run of steps with no
 * host decision inside. A step reads and writes slots. A slot is a value with a place: an input, a weight, a view, a piece of an arena, …
 * Extents are expressions (tensor/dim.h); their symbols get values when a slot whose shape is given from outside (an input, a host call's
 * result) becomes known: dims that are bare unbound symbols bind them, all others are checked.
 *
 * Segments end: after a step whose output shapes only the run can tell (READBACK), before and after control flow (BRANCH, LOOP), at the
 * end (RETURN). Memory of slots placed in arenas is planned per segment when its symbols are known.
 *
 * Everything is plain data. pln_program_verify makes it safe to run, whoever wrote it. */
#ifndef PLN_KERNEL_PROGRAM_H
#define PLN_KERNEL_PROGRAM_H

#include "kernel/op.h"
#include "tensor/attrs.h"
#include "tensor/dim.h"
#include "tensor/tensor.h"

#ifndef PLN_NONE
#define PLN_NONE UINT32_MAX
#endif

struct pln_pack_format; /* kernel/kernel.h */

enum pln_place {
    PLN_PLACE_INPUT,       /* index: which input of the main block */
    PLN_PLACE_OUTPUT,      /* index: which output of the main block; the caller's buffer, or the context's */
    PLN_PLACE_WEIGHT,      /* index: which weight */
    PLN_PLACE_ARENA,       /* planned memory of the segment that defines it */
    PLN_PLACE_VIEW,        /* index: the slot it is a view of; offset and strides in elements */
    PLN_PLACE_SHAPE,       /* elems: integers from the shape program, in host memory */
    PLN_PLACE_ITEM,        /* on the context's heap, shape known when it has been computed */
    PLN_PLACE_BLOCK_INPUT, /* item handed to a body: index: which input of it */
    PLN_PLACE_COUNT
};

/* Expression ids index program->dims; arrays live in the program's arena. */
struct pln_slot {
    const char *name;
    enum pln_place place;
    enum pln_kind kind;
    enum pln_dtype dtype;
    int32_t rank; /* -1: not known (items only) */
    uint32_t *dims;
    uint32_t index;
    uint32_t space;   /* 0 host, 1.. devices[space - 1] */
    uint32_t block;
    uint32_t offset;  /* VIEW: expression */
    uint32_t *strides; /* VIEW: expressions, or NULL: row-major; ARENA, OUTPUT: NULL, or order given by `order` */
    int8_t *order;     /* ARENA: physical order of dims, outermost first (channels last: 0,2,3,1), or NULL: row-major */
    uint32_t *elems;   /* SHAPE */
    uint32_t n_elems;
    uint32_t segment;  /* of its block, that defines it; PLN_NONE: before the block runs */
    uint32_t first, last; /* steps of its block between which it must keep its memory; last PLN_NONE: to the end of the run */
};

enum pln_step_kind {
    PLN_STEP_LAUNCH,  /* a kernel row of a device */
    PLN_STEP_CALL,    /* the reference kernel; outputs placed where slots say, items on the heap */
    PLN_STEP_COPY,    /* inputs[0] to outputs[0]: same type and extents, any strides, any spaces */
    PLN_STEP_IF,
    PLN_STEP_LOOP,
    PLN_STEP_KIND_COUNT
};

struct pln_step {
    enum pln_step_kind kind;
    uint16_t op, op_kind;
    uint32_t device;        /* which device runs it: 0 host, else devices[device - 1] */
    const char *kernel;     /* LAUNCH: the row's name; else NULL */
    uint32_t code;          /* LAUNCH of device code: 1 + index in program->codes; else 0 */
    struct pln_attrs attrs;
    uint32_t *inputs, n_inputs; /* slots, PLN_NONE: left out */
    uint32_t *outputs, n_outputs;
    uint32_t *blocks, n_blocks;
    uint32_t *origins, n_origins; /* indices into program->origins */
};

enum pln_segment_end { PLN_END_NEXT, PLN_END_READBACK, PLN_END_BRANCH, PLN_END_LOOP, PLN_END_RETURN, PLN_END_COUNT };

struct pln_segment {
    uint32_t first, count; /* steps */
    enum pln_segment_end end; /* BRANCH, LOOP: the segment is that one step */
};

struct pln_program_block {
    uint32_t *steps, n_steps;       /* indices into program->steps; positions in this list are what first and last mean */
    uint32_t *inputs, n_inputs;     /* slots */
    uint32_t *outputs, n_outputs;   /* slots */
    struct pln_segment *segments;
    uint32_t n_segments;
    uint32_t *symbols, n_symbols;   /* that this block binds: unknown again at every entry */
};

struct pln_weight {
    const char *name;         /* the initializer's, or made up */
    enum pln_dtype dtype;
    int32_t rank;
    int64_t dims[PLN_MAX_RANK]; /* logical */
    const char *pack;         /* name of the pack format, NULL: plain, contiguous */
    uint64_t offset, size_bytes; /* in the weights section, offset a multiple of 64; size_bytes of strings: of their structs in memory */
    const void *data;         /* in memory; NULL: not packed yet */
    uint64_t hash;            /* XXH64 of the bytes */
    /* Of a program that is not in a plan yet: where data is NULL, what the writer packs, and how. */
    const struct pln_tensor *plain;
    const struct pln_pack_format *format;
};

/* The name of the weight that is the ONNX model itself, where the plan keeps it. */
#define PLN_WEIGHT_MODEL "planish.model"

struct pln_io {
    const char *name; /* what the user calls it */
    uint32_t slot;
};

/* How a run changes a state. The numbers are stored and never change. */
enum pln_state_kind {
    PLN_STATE_APPEND = 0, /* output = input with new rows appended along `axis` */
    PLN_STATE_KIND_COUNT
};

/* Device code of one source, for each architecture that the program was built for. */
struct pln_program_code {
    const char *source;          /* while it is built; NULL in a program that was read */
    uint64_t for_archs;          /* while it is built: as pln_program.for_archs, of all programs that have it */
    const void **images;         /* by architecture; NULL: none for it */
    uint64_t *image_bytes;
};

/* An input and an output that are one state. */
struct pln_state_pair {
    uint32_t input, output; /* indices of inputs and outputs */
    int32_t axis;
    enum pln_state_kind kind;
};

struct pln_program_origin {
    const char *name, *op_type;
};

struct pln_program {
    struct pln_arena *arena; /* everything below lies in it */
    const char *name;
    struct pln_dim_node *dims;
    uint32_t n_dims;
    struct pln_symbol *symbols;
    uint32_t n_symbols;
    struct pln_slot *slots;
    uint32_t n_slots;
    struct pln_step *steps;
    uint32_t n_steps;
    struct pln_program_block *blocks;
    uint32_t n_blocks;
    struct pln_weight *weights;
    uint32_t n_weights;
    struct pln_io *inputs, *outputs;
    uint32_t n_inputs, n_outputs;
    struct pln_state_pair *states;
    uint32_t n_states;
    const char **devices; /* names of backends beyond the host, by space - 1 */
    uint32_t n_devices;
    struct pln_program_code *codes;
    uint32_t n_codes;
    const char **archs; /* "sm_90a", … */
    uint32_t n_archs;
    uint64_t for_archs; /* those that this program is for, a bit each; 0: all */
    struct pln_program_origin *origins;
    uint32_t n_origins;
    struct pln_program_origin *metadata; /* name: key, op_type: value */
    uint32_t n_metadata;
    uint32_t *taps, n_taps; /* slots made visible */
    uint64_t needs;         /* CPU features that the kernels of host steps rely on */
    const uint64_t *targets; /* of a program that was read from a plan with several: what each needs, this one's included */
    uint32_t n_targets;     /* 0: it is the only one */
    const char *target;     /* "cpu", "ref", …: the device that it was built for */
    uint32_t n_nodes;       /* ONNX nodes that went in, for reports */
    const char *graph;      /* the optimized graph as text (graph/text.h) with weights by number, for rebuilding; not terminated; NULL: left out */
    size_t graph_bytes;
};

/* The last weight of this name; NULL: there is none. */
const struct pln_weight *pln_program_find_weight(const struct pln_program *program, const char *name);

/* Ids in range, expressions in order, views acyclic with defined bases, steps read only what is defined before, segments tile their block,
 * first/last consistent with uses, blocks nested as a tree, weights inside section_bytes. PLN_BAD_PLAN with the reason. */
enum pln_status pln_program_verify(const struct pln_program *program, uint64_t section_bytes, struct pln_diag *diag);

#endif
