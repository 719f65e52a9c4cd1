/* The plan file, version 0.
 *
 *   file     := header table content* padding weights
 *   header   := struct pln_plan_header, 64 bytes
 *   table    := struct pln_plan_section, one a section, ids ascending, right behind the header
 *   content  := the bytes of each section but the weights, in the order of the table, each at the next multiple of 8
 *   padding  := zeros up to the next multiple of 4096
 *   weights  := the section WEIGHTS, up to the end of the file; absent when it has no bytes
 *
 * "Metadata" is everything before the padding. header.checksum is XXH64 (seed 0) of the metadata, with header.checksum taken as 0.
 * All numbers are little-endian. All padding and reserved fields are 0. Nothing in a plan is executed: it is data, and it is used in place
 * where it lies (lists, text, attributes, weights), so a plan must stay where it is while it is in use.
 *
 * Text is a byte offset into TEXT, where it ends with a zero byte; offset 0 is "". A list of numbers is a place in LISTS (in u32) and a count.
 * What is PLN_PLAN_NONE is not there. Numbers of slots, steps, … are places in their section. Names, never numbers of one build, stand for
 * ops, sub-kinds, kernels, pack formats and devices; element types (ONNX's numbers) and CPU features have numbers that never change. The sub-kinds
 * in row programs are numbers: properties.vocabulary says what they mean.
 *
 *   TEXT        bytes; first and last are 0
 *   LISTS       u32[]
 *   NUMBERS     i64[]: dims of weights
 *   ATTRIBUTES  bytes: the serialized form of tensor/attrs.h, at multiples of 8
 *   PROPERTIES  struct pln_plan_properties, one
 *   DIMS        struct pln_plan_dim[]: operands are earlier dims
 *   SYMBOLS     struct pln_plan_symbol[]
 *   SLOTS       struct pln_plan_slot[]
 *   STEPS       struct pln_plan_step[]
 *   BLOCKS      struct pln_plan_block[]; block 0 is the model
 *   SEGMENTS    struct pln_plan_segment[]; those of block 0, then of block 1, …
 *   WEIGHT_TABLE struct pln_plan_weight[]
 *   INPUTS, OUTPUTS     struct pln_plan_io[]
 *   STATES      struct pln_plan_state[]
 *   ORIGINS     struct pln_plan_pair[]: name and operator type of an ONNX node
 *   METADATA    struct pln_plan_pair[]: key and value, the model's
 *   CHECKSUMS   u64[]: XXH64 (seed 0) of each 4 MiB of WEIGHTS, the last piece shorter
 *   GRAPH       text of graph/text.h, the graph that the program was made from, its larger constants named by their places in WEIGHT_TABLE; may be
 *               absent. Nothing but rebuilding reads it; required is 0
 *   TARGETS     struct pln_plan_targets_head; struct pln_plan_target[n_targets]; then what each says, at a multiple of 8: header, table and content of
 *               the same model as a program for other CPU features or GPUs, the program outside being the first. Offsets of
 *               sections count from its own header, whose checksum is 0 and whose file_bytes are its metadata_bytes. It has no GRAPH, TARGETS,
 *               DEVICE_CODE and WEIGHTS: those of the plan are meant, with their CHECKSUMS (its own are empty). A reader takes the last program
 *               whose needs the CPU has and that is for the GPU. Absent when there is one target; required is 0: the first program is a whole plan
 *   DEVICE_CODE struct pln_plan_code_head; u32[n_archs], text: the architectures; struct pln_plan_code_image[n_codes * n_archs], those of the first code
 *               first; then the images, each at a multiple of 8 from the section's start. Absent when no step is device code; required is 1
 *   WEIGHTS     bytes; each weight at a multiple of 64. A tensor of strings is u32 bytes[count], then the bytes of all strings
 *
 * A reader meets sections that it does not know with `required` clear by skipping them, and refuses the plan when it is set. Reserved for
 * what is to come: DEVICE_TABLE … BINDINGS below, but for TARGETS and DEVICE_CODE. Fields marked reserved are 0, which will always mean "as in version 0"; a reader that finds
 * another value refuses the plan as one of a newer Planish (PLN_INCOMPATIBLE). So what is new is put there and in new sections without raising
 * the version, as long as a plan that does not use it stays the same. A change that an old reader would misread raises the version.
 * docs/versions.md says what is promised. */
#ifndef PLN_PLAN_FORMAT_H
#define PLN_PLAN_FORMAT_H

#include "base/base.h"

#define PLN_PLAN_VERSION 0 /* written */
#define PLN_PLAN_OLDEST 0  /* read, and all up to PLN_PLAN_VERSION */
#define PLN_PLAN_ENDIAN 0x01020304u
#define PLN_PLAN_NONE UINT32_MAX
#define PLN_PLAN_PAGE 4096
#define PLN_PLAN_WEIGHT_ALIGN 64
#define PLN_PLAN_CHUNK_BYTES ((uint64_t)4 << 20)
#define PLN_PLAN_MOST_TARGETS 16
#define PLN_PLAN_VERIFY_BYTES ((uint64_t)256 << 20) /* weights up to this are always checked at load */

/* As PNG's: a byte that is no text, a name, both kinds of line end (a transfer in text mode changes them). */
#define PLN_PLAN_MAGIC { 0x89, 'P', 'L', 'A', 'N', '\r', '\n', 0x1a }

/* Frozen in every version: magic, version, endian. */
struct pln_plan_header {
    uint8_t magic[8];
    uint32_t version;
    uint32_t endian; /* PLN_PLAN_ENDIAN as the writer's machine stores it */
    uint64_t file_bytes;
    uint64_t metadata_bytes;
    uint64_t checksum;
    uint32_t n_sections;
    uint32_t reserved[5];
};
static_assert(sizeof(struct pln_plan_header) == 64 && offsetof(struct pln_plan_header, n_sections) == 40, "the header is 64 bytes");

enum pln_plan_section_id {
    PLN_PLAN_TEXT = 1,
    PLN_PLAN_LISTS,
    PLN_PLAN_NUMBERS,
    PLN_PLAN_ATTRIBUTES,
    PLN_PLAN_PROPERTIES,
    PLN_PLAN_DIMS,
    PLN_PLAN_SYMBOLS,
    PLN_PLAN_SLOTS,
    PLN_PLAN_STEPS,
    PLN_PLAN_BLOCKS,
    PLN_PLAN_SEGMENTS,
    PLN_PLAN_WEIGHT_TABLE,
    PLN_PLAN_INPUTS,
    PLN_PLAN_OUTPUTS,
    PLN_PLAN_STATES,
    PLN_PLAN_ORIGINS,
    PLN_PLAN_METADATA,
    PLN_PLAN_CHECKSUMS,
    PLN_PLAN_KNOWN_END,
    PLN_PLAN_GRAPH = 32,
    PLN_PLAN_DEVICE_TABLE,    /* this and all below but TARGETS and DEVICE_CODE reserved: process ranks and the devices of each */
    PLN_PLAN_COLLECTIVES,
    PLN_PLAN_STREAMED,        /* weights in other files: name, offset, length, hash */
    PLN_PLAN_WEIGHT_PROGRAM,  /* from initializer names through folding and packing to stored weights, for refit */
    PLN_PLAN_TARGETS,         /* metadata (header to content) of the same model for other machines, sharing WEIGHTS */
    PLN_PLAN_DEVICE_CODE,     /* struct pln_plan_code_head, archs, table, images; may be refused */
    PLN_PLAN_ENCODINGS,       /* how quantized tensors are stored: kind, block, axis, scales, zero points */
    PLN_PLAN_RANGES,          /* shape ranges of steps: bounds of extents, and the kernel and attributes within them */
    PLN_PLAN_BINDINGS,        /* elements of slots that give values to symbols after a readback */
    PLN_PLAN_WEIGHTS = 255
};

struct pln_plan_section {
    uint32_t id;
    uint32_t required; /* 1: a reader that does not know it must refuse the plan */
    uint64_t offset, size_bytes;
};
static_assert(sizeof(struct pln_plan_section) == 24, "a section's entry is 24 bytes");

struct pln_plan_properties {
    uint32_t name, target, producer; /* text; producer: "planish 0.1.0" */
    uint32_t n_nodes;
    uint64_t needs; /* CPU features */
    uint32_t devices, n_devices; /* list of text */
    uint32_t taps, n_taps;       /* list of slots */
    /* What the numbers of elementwise functions and reductions in row programs mean: the largest that is used of each, and XXH64 of the names up to
     * these, each with its zero byte, the seed of each being the hash of those before it. */
    uint32_t n_elementwise, n_reduce;
    uint64_t vocabulary;
    uint32_t flags, reserved[3]; /* flags: 0; reserved, for what the whole plan was built as: deterministic, stripped of weights */
};
static_assert(sizeof(struct pln_plan_properties) == 72, "no padding in properties");

struct pln_plan_dim {
    uint32_t op, a, b, c; /* tensor/dim.h; SYMBOL: a is a symbol */
    int64_t value;
};
static_assert(sizeof(struct pln_plan_dim) == 24, "no padding in a dim");

struct pln_plan_symbol {
    uint32_t name, reserved;
    int64_t min, max;
};
static_assert(sizeof(struct pln_plan_symbol) == 24, "no padding in a symbol");

/* Fields as in struct pln_slot. Lists of `rank` numbers: dims (rank > 0), strides, order (each NONE when absent). */
struct pln_plan_slot {
    uint32_t name;
    uint8_t place, kind, dtype;
    int8_t rank;
    uint32_t dims, index, space, block, offset, strides, order, elems, n_elems, segment, first, last;
    uint32_t encoding; /* 0: plain; reserved: 1 + place in ENCODINGS */
    uint32_t reserved;
};
static_assert(sizeof(struct pln_plan_slot) == 64, "no padding in a slot");

struct pln_plan_step {
    uint32_t kind;
    uint32_t op, op_kind, kernel; /* text */
    uint32_t device;
    uint32_t attributes, attributes_bytes;
    uint32_t inputs, n_inputs, outputs, n_outputs, blocks, n_blocks, origins, n_origins; /* lists */
    uint32_t ranges, n_ranges; /* 0: one kernel for all extents; reserved: in RANGES */
    uint32_t queue;            /* 0: its device's; reserved: another one of it, for work beside it */
    uint32_t code;             /* 0: none; 1 + place in DEVICE_CODE */
    uint32_t reserved;
};
static_assert(sizeof(struct pln_plan_step) == 80, "no padding in a step");

struct pln_plan_block {
    uint32_t steps, n_steps, inputs, n_inputs, outputs, n_outputs, symbols, n_symbols; /* lists */
    uint32_t segments, n_segments;                                                    /* in SEGMENTS */
    uint32_t reserved[2];
};
static_assert(sizeof(struct pln_plan_block) == 48, "no padding in a block");

struct pln_plan_segment {
    uint32_t first, count, end;
    uint32_t flags;            /* 0; reserved: captured as a graph */
    uint32_t after, n_after;   /* 0: all segments before it; reserved: a list of those it waits for */
    uint32_t reserved[2];
};
static_assert(sizeof(struct pln_plan_segment) == 32, "no padding in a segment");

struct pln_plan_weight {
    uint32_t name;
    uint8_t dtype, rank, reserved[2];
    uint32_t dims; /* in NUMBERS */
    uint32_t pack; /* text, or NONE */
    uint64_t offset, size_bytes, hash; /* hash: XXH64 (seed 0) of the stored bytes */
    uint32_t encoding; /* as a slot's */
    uint32_t source;   /* 0: WEIGHTS; reserved: 1 + place in STREAMED, offset and size_bytes are of that file */
    uint32_t reserved2[2];
};
static_assert(sizeof(struct pln_plan_weight) == 56, "no padding in a weight");

struct pln_plan_pair {
    uint32_t a, b;
};

struct pln_plan_io {
    uint32_t name, slot;
    uint32_t flags;    /* 0; reserved: its elements are read on the host; its memory is the device's */
    uint32_t reserved;
};
static_assert(sizeof(struct pln_plan_io) == 16, "no padding in an input");

struct pln_plan_state {
    uint32_t input, output;
    int32_t axis;
    uint32_t kind; /* enum pln_state_kind */
};
static_assert(sizeof(struct pln_plan_state) == 16, "no padding in a state");

struct pln_plan_targets_head {
    uint32_t n_targets;   /* beside the first: less than PLN_PLAN_MOST_TARGETS */
    uint32_t archs;       /* those of DEVICE_CODE that the first is for, a bit each; 0: all */
    uint32_t reserved[2];
};
struct pln_plan_target {
    uint64_t offset, size_bytes; /* from the section's start */
    uint32_t archs;              /* that this one is for */
    uint32_t reserved[3];
};
static_assert(sizeof(struct pln_plan_targets_head) == 16 && sizeof(struct pln_plan_target) == 32, "no padding in targets");

struct pln_plan_code_head {
    uint32_t n_codes, n_archs;
};
struct pln_plan_code_image {
    uint64_t offset, size_bytes; /* from the section's start; 0: none for this architecture */
};

#endif
