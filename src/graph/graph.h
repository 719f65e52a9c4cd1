/* The IR: a graph of nodes and values, with nested blocks for control flow.
 *
 * Everything has a uint32_t id and lives in the graph's arena until the graph is destroyed; passes hold ids, never pointers
 * across additions. A value is defined once (SSA): by a node, as a block's input, or as a constant. A block is an ordered list of
 * nodes; a node of a nested block may use values of the blocks around it (capture). Dims are expressions of graph->dims.
 *
 * The graph knows op numbers (kernel/ops.inc), not what they mean; ops/ does. Every node and value keeps the ONNX nodes that it
 * came from (origins). One thread at a time.
 *
 * Out of memory: functions that add return PLN_NONE (or false); graph->failed is set. */
#ifndef PLN_GRAPH_GRAPH_H
#define PLN_GRAPH_GRAPH_H

#include "base/hash.h"
#include "tensor/attrs.h"
#include "tensor/dim.h"
#include "tensor/tensor.h"

#define PLN_NONE UINT32_MAX

struct pln_type {
    enum pln_kind kind;
    enum pln_dtype dtype;        /* of a tensor's elements; a map's keys; PLN_DTYPE_NONE: not known */
    int rank;                    /* tensor: -1 when not known */
    const struct pln_dim *dims;  /* tensor of known rank: rank entries */
    const struct pln_type *elem; /* sequence, optional: what is inside; map: its values; NULL: not known */
};

/* A place where a value is used: input `slot` of node `user`, or output `slot` of block `block` when user is PLN_NONE. */
struct pln_use {
    uint32_t user, block, slot;
    uint32_t value;
    uint32_t prev, next; /* the value's list of uses */
};

struct pln_value {
    const char *name; /* unique; the ONNX name where there is one */
    struct pln_type type;
    uint32_t producer;             /* node, or PLN_NONE: constant or block input */
    uint32_t producer_slot;        /* which output of it */
    uint32_t block;                /* block whose input it is, or PLN_NONE */
    const struct pln_tensor *data; /* a constant's contiguous data, else NULL */
    const struct pln_dim *elems;   /* integer tensor whose elements, in row-major order, are known as expressions, else NULL */
    int64_t n_elems;
    uint32_t first_use;
    bool removed;
    bool tapped; /* made visible for observation: passes keep it */
};

struct pln_node {
    uint16_t op;   /* enum pln_op */
    uint16_t kind; /* sub-kind of a family (enum pln_ew, …), else 0 */
    uint32_t block;
    uint32_t prev, next;  /* order in the block */
    uint32_t *inputs;     /* value ids; PLN_NONE: optional input left out */
    uint32_t *input_uses; /* ids in graph->uses */
    uint32_t n_inputs;
    uint32_t *outputs; /* value ids; PLN_NONE: not wanted */
    uint32_t n_outputs;
    struct pln_attrs attrs;
    uint32_t *blocks; /* bodies: If then, else; Loop, Scan body */
    uint32_t n_blocks;
    uint32_t *origins; /* ids of graph->origins, sorted */
    uint32_t n_origins;
    bool removed;
};

struct pln_block {
    uint32_t parent_node; /* PLN_NONE for the main block (id 0, made by create) */
    uint32_t first, last; /* nodes in execution order */
    uint32_t *inputs;     /* value ids */
    uint32_t n_inputs, inputs_capacity;
    uint32_t *outputs; /* value ids */
    uint32_t *output_uses;
    uint32_t n_outputs, outputs_capacity;
    const char **output_names; /* main block: what the user calls each output (the value's own name may differ) */
};

/* An ONNX node that something came from. */
struct pln_origin {
    const char *name;    /* may be "" */
    const char *op_type; /* "Conv" */
    const char *domain;
    int64_t index; /* in the model's graph */
};

struct pln_metadata {
    const char *key, *value;
};

/* An input and an output of the main block that are one state: the output is the input with new rows appended along `axis`. */
struct pln_graph_state {
    uint32_t input, output; /* places in the main block's lists */
    int axis;
};

struct pln_plugins;
struct pln_graph {
    const struct pln_allocator *alloc;
    struct pln_arena arena;
    struct pln_dim_table dims;
    const char *name;
    struct pln_value *values;
    size_t n_values, values_capacity;
    struct pln_node *nodes;
    size_t n_nodes, nodes_capacity;
    struct pln_block *blocks;
    size_t n_blocks, blocks_capacity;
    struct pln_use *uses;
    size_t n_uses, uses_capacity;
    uint32_t free_use; /* list, by next, of uses to take again */
    struct pln_origin *origins;
    size_t n_origins, origins_capacity;
    struct pln_metadata *metadata;
    size_t n_metadata, metadata_capacity;
    struct pln_graph_state *states;
    size_t n_states, states_capacity;
    struct pln_map names; /* value name to id */
    uint32_t next_name;   /* for made-up names */
    const struct pln_plugins *plugins; /* custom operators (kernel/custom.h); NULL: none. They outlive the graph */
    enum pln_dtype half;  /* what floats may be stored as: PLN_F16, PLN_BF16; PLN_DTYPE_NONE: as they are */
    bool offloaded;       /* its kernels are a GPU's */
    bool failed;
};

/* limit_bytes bounds the arena, 0: none. */
enum pln_status pln_graph_create(const struct pln_allocator *alloc, size_t limit_bytes, struct pln_diag *diag, struct pln_graph **out_graph);
void pln_graph_destroy(struct pln_graph *graph);

/* ---- building ---- */

/* name is copied; NULL or one that is taken: a unique one is made from it. type (copied, deep) may be NULL: nothing known. */
uint32_t pln_graph_add_value(struct pln_graph *graph, const char *name, const struct pln_type *type);
/* A constant. The struct is copied, the data is not: it outlives the graph (model mapping) or lies in graph->arena. Sets elems for
 * integer tensors of rank <= 1 with at most PLN_MAX_ELEMS elements. */
uint32_t pln_graph_add_constant(struct pln_graph *graph, const char *name, const struct pln_tensor *tensor);
#define PLN_MAX_ELEMS 64
/* Makes an existing value constant; a producer's output is taken from it. */
void pln_graph_set_constant(struct pln_graph *graph, uint32_t value, const struct pln_tensor *tensor);
uint32_t pln_graph_add_constant_i64(struct pln_graph *graph, const char *name, int rank, const int64_t *dims, const int64_t *data);
uint32_t pln_graph_add_constant_f32(struct pln_graph *graph, const char *name, float scalar); /* rank 0 */

/* Appends to the block. inputs are copied. n_outputs new values of unknown type with made-up names are added. */
uint32_t pln_graph_add_node(struct pln_graph *graph, uint32_t block, unsigned op, unsigned kind, const uint32_t *inputs, uint32_t n_inputs,
                            uint32_t n_outputs);
/* The same, placed before node `before` in its block. */
uint32_t pln_graph_insert_node(struct pln_graph *graph, uint32_t before, unsigned op, unsigned kind, const uint32_t *inputs, uint32_t n_inputs,
                               uint32_t n_outputs);
/* pln_graph_add_node with one output; returns the output's value id. */
uint32_t pln_graph_emit(struct pln_graph *graph, uint32_t block, unsigned op, unsigned kind, const uint32_t *inputs, uint32_t n_inputs);
uint32_t pln_graph_add_block(struct pln_graph *graph, uint32_t parent_node); /* appended to the node's blocks */
bool pln_graph_add_block_input(struct pln_graph *graph, uint32_t block, uint32_t value);
bool pln_graph_add_block_output(struct pln_graph *graph, uint32_t block, uint32_t value, const char *name); /* name NULL: the value's */
uint32_t pln_graph_add_origin(struct pln_graph *graph, const char *name, const char *op_type, const char *domain, int64_t index);
bool pln_graph_node_add_origin(struct pln_graph *graph, uint32_t node, uint32_t origin);
/* Unites the origins of `from` into `to`; a pass calls it for every node that a new one stands for. */
bool pln_graph_node_inherit(struct pln_graph *graph, uint32_t to, uint32_t from);
bool pln_graph_add_metadata(struct pln_graph *graph, const char *key, const char *value);

/* ---- changing ---- */

void pln_graph_set_input(struct pln_graph *graph, uint32_t node, uint32_t slot, uint32_t value);
bool pln_graph_append_input(struct pln_graph *graph, uint32_t node, uint32_t value); /* PLN_NONE allowed */
void pln_graph_set_block_output(struct pln_graph *graph, uint32_t block, uint32_t slot, uint32_t value);
/* Output `slot` of node defines the existing `value` (no input, no constant); what defined it before, and what the slot defined before, lose
 * that output. So a new node can stand behind an old value. */
void pln_graph_set_output(struct pln_graph *graph, uint32_t node, uint32_t slot, uint32_t value);
/* Every use of `from`, block outputs included, becomes a use of `to`. */
void pln_graph_replace_uses(struct pln_graph *graph, uint32_t from, uint32_t to);
/* Takes the node out of its block, drops its uses; its bodies go with it. Outputs lose their producer; those without uses are removed. */
void pln_graph_remove_node(struct pln_graph *graph, uint32_t node);
void pln_graph_move_before(struct pln_graph *graph, uint32_t node, uint32_t before); /* also into before's block */
bool pln_graph_set_type(struct pln_graph *graph, uint32_t value, const struct pln_type *type); /* copied, deep */
bool pln_graph_set_tensor_type(struct pln_graph *graph, uint32_t value, enum pln_dtype dtype, int rank, const struct pln_dim *dims);
bool pln_graph_rename(struct pln_graph *graph, uint32_t value, const char *name); /* made unique when taken */

/* ---- asking ---- */

static inline struct pln_node *pln_graph_node(const struct pln_graph *graph, uint32_t id)
{
    return &graph->nodes[id];
}
static inline struct pln_value *pln_graph_value(const struct pln_graph *graph, uint32_t id)
{
    return &graph->values[id];
}
uint32_t pln_graph_find_value(const struct pln_graph *graph, const char *name); /* PLN_NONE: no such name */
size_t pln_graph_use_count(const struct pln_graph *graph, uint32_t value);
bool pln_graph_is_output(const struct pln_graph *graph, uint32_t value); /* of any block */
/* The only node that uses the value, when there is exactly one use and it is no block output and not tapped; else PLN_NONE. */
uint32_t pln_graph_single_user(const struct pln_graph *graph, uint32_t value);
/* Is `block` the same as, or inside, `outer`? */
bool pln_graph_block_within(const struct pln_graph *graph, uint32_t block, uint32_t outer);
/* Constant helpers: false when the value is PLN_NONE or not such a constant. */
bool pln_graph_scalar_f64(const struct pln_graph *graph, uint32_t value, double *out); /* one element, any real type */
bool pln_graph_const_ints(const struct pln_graph *graph, uint32_t value, const int64_t **out_ints, int64_t *out_n); /* i64, rank <= 1 */
/* Sets diag's node, op, index from the node's first origin. */
void pln_graph_set_diag(const struct pln_graph *graph, uint32_t node, struct pln_diag *diag);

/* ---- checking, printing ---- */

/* SSA, scoping, order, use lists, ids. PLN_INTERNAL with what is wrong: a graph that fails is our bug. */
enum pln_status pln_graph_verify(struct pln_graph *graph, struct pln_diag *diag);

/* What the text form needs to know of ops; ops/ supplies it (pln_op_vocabulary). */
struct pln_vocabulary {
    const char *(*op_name)(unsigned op);                  /* "conv"; NULL: no such op */
    const char *(*kind_name)(unsigned op, unsigned kind); /* "add"; NULL: none */
    bool (*find)(const char *name, const char *kind, unsigned *out_op, unsigned *out_kind);
};
/* Text form (grammar in graph/text.h). Constants of more than 16 elements print as their hash unless `full`; only a full text parses. */
/* "f32[b,4]", "f32[*]" of any rank, "seq(f32[*])"; NULL: "none". */
void pln_graph_print_type(const struct pln_graph *graph, const struct pln_type *type, struct pln_text *out);
void pln_graph_print(struct pln_graph *graph, const struct pln_vocabulary *vocabulary, bool full, struct pln_text *out);
enum pln_status pln_graph_parse(const char *text, size_t size_bytes, const struct pln_vocabulary *vocabulary, const struct pln_allocator *alloc,
                                struct pln_diag *diag, struct pln_graph **out_graph);

/* Weights that a text names by number instead of holding them: a plan has them already. */
struct pln_graph_weights {
    void *user;
    /* When a full text is printed: the number of a constant of more than 16 elements; PLN_NONE: it has none, print its bytes. NULL: none has. */
    uint32_t (*number)(void *user, const struct pln_value *value);
    /* When a text is parsed: fills in the data of a tensor whose type and shape are set; it outlives the graph. Errors: PLN_INVALID_ARGUMENT: there
     * is no such weight, or it is of another type or shape. NULL: the text may not name weights. */
    enum pln_status (*data)(void *user, uint32_t number, struct pln_tensor *tensor);
};
/* A full text with weights by number, and back; a text that names none parses as well. */
void pln_graph_print_weights(struct pln_graph *graph, const struct pln_vocabulary *vocabulary, const struct pln_graph_weights *weights, struct pln_text *out);
enum pln_status pln_graph_parse_weights(const char *text, size_t size_bytes, const struct pln_vocabulary *vocabulary, const struct pln_graph_weights *weights,
                                        const struct pln_allocator *alloc, struct pln_diag *diag, struct pln_graph **out_graph);

#endif
