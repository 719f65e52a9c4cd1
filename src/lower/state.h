/* What the files of lower/ share while a graph is lowered. */
#ifndef PLN_LOWER_STATE_H
#define PLN_LOWER_STATE_H

#include "lower/lower.h"

struct pln_lower_block {
    uint32_t *steps;
    size_t n_steps, steps_capacity;
    struct pln_segment *segments;
    size_t n_segments, segments_capacity;
    uint32_t segment_first; /* position where the open segment begins */
    uint32_t *symbols;
    size_t n_symbols, symbols_capacity;
    uint32_t *inputs, *outputs;
    uint32_t n_inputs, n_outputs;
    uint32_t parent, parent_position; /* the control step that it belongs to; PLN_NONE for the main block */
};

/* Values of the graph's symbols and expressions in a usual run, where somebody picks kernels. */
struct pln_lower_usual {
    int64_t *symbols, *dims;
    size_t n_symbols, symbols_capacity, n_dims, dims_capacity;
};

/* A Concat whose operands may be made in its result. */
struct pln_lower_join {
    uint32_t slot; /* of the result, from when the first operand was made in it; before, PLN_NONE */
    int axis;
    struct pln_dim *offsets; /* of the operands along the axis */
};

struct pln_lower {
    struct pln_graph *graph;
    const struct pln_lower_options *options;
    struct pln_arena *arena;
    struct pln_diag *diag;
    struct pln_program *program;
    size_t slots_capacity, steps_capacity, weights_capacity, codes_capacity;
    struct pln_lower_block *blocks;
    size_t n_blocks, blocks_capacity;
    uint32_t block; /* at work on */
    /* By space and graph value: its slots. PLN_NONE: not there. */
    uint32_t *made[2];  /* as it was made, perhaps a strided view */
    uint32_t *dense[2]; /* row-major copy of one that is not */
    uint32_t *last[2];  /* channels-last copy of one that is not */
    struct pln_lower_join **joins; /* by result of a Concat that operands may be made in; NULL: not looked at yet */
    uint32_t *weight;        /* plain weight id of a constant */
    uint32_t n_values;
    bool *bound; /* by symbol */
    size_t n_bound;
    bool *dim_bound; /* by expression; valid while dim_known == dims.count and not stale */
    size_t dim_known, dim_capacity;
    struct pln_lower_usual usual;
    bool device_memory; /* the device has memory of its own: space 1 */
    uint64_t random;
};

/* slot.c */
uint32_t pln_lower_new_slot(struct pln_lower *lower, uint32_t value, enum pln_place place, uint32_t space);
uint32_t pln_lower_segment(const struct pln_lower *lower); /* index of the open segment */
bool pln_lower_dim_bound(struct pln_lower *lower, struct pln_dim dim);
/* A tensor of known type whose extents the shape program knows by now. */
bool pln_lower_is_planned(struct pln_lower *lower, uint32_t value);
/* Bare unbound symbols of the slot's dims become known from here on. */
enum pln_status pln_lower_bind(struct pln_lower *lower, uint32_t slot);
enum pln_status pln_lower_unbind_block(struct pln_lower *lower);
/* Elements known as expressions, all of them bound. */
bool pln_lower_is_shape_value(struct pln_lower *lower, uint32_t value);
/* The value in a space; row-major unless strided is allowed. Adds copies as needed. */
enum pln_status pln_lower_need(struct pln_lower *lower, uint32_t value, uint32_t space, bool strided, uint32_t *out_slot);
enum pln_status pln_lower_weight(struct pln_lower *lower, uint32_t value, const struct pln_pack_format *pack, uint32_t *out_weight);
/* An image stored channels last (n, spatial…, c). wide: it may be some of the channels of a wider one. */
enum pln_status pln_lower_need_last(struct pln_lower *lower, uint32_t value, uint32_t space, bool wide, uint32_t *out_slot);
/* Makes the slot channels last; nothing to do when it has one pixel or channel, or fewer than three dims. false: no memory. */
bool pln_lower_order_last(struct pln_lower *lower, uint32_t slot);
/* An input or output that is a state: its memory may have any strides, which only the run knows. */
bool pln_lower_slot_is_state(const struct pln_lower *lower, uint32_t slot);
/* Where input `index` of the open block lies: a state in the device's memory, all else on the host. */
uint32_t pln_lower_input_space(const struct pln_lower *lower, uint32_t index);
/* The output of the main block that the value is, when it is one of a state; else PLN_NONE. */
uint32_t pln_lower_state_output(const struct pln_lower *lower, uint32_t value);
/* Some of the channels of a wider image stored channels last: they lie side by side, and pixels evenly apart. */
bool pln_lower_slot_is_wide(struct pln_lower *lower, uint32_t slot);
bool pln_lower_slot_dense(const struct pln_lower *lower, uint32_t slot);
bool pln_lower_slot_rows_dense(const struct pln_lower *lower, uint32_t slot); /* last dim has stride 1 */

/* step.c */
enum pln_status pln_lower_add_step(struct pln_lower *lower, const struct pln_step *step, uint32_t *out_position);
enum pln_status pln_lower_end_segment(struct pln_lower *lower, enum pln_segment_end end);
enum pln_status pln_lower_copy(struct pln_lower *lower, uint32_t from, uint32_t to);
enum pln_status pln_lower_node(struct pln_lower *lower, uint32_t node);

/* Strides of the slot's elements, by dim. false: no memory. */
bool pln_lower_strides(struct pln_lower *lower, uint32_t slot, struct pln_dim *out_strides);
/* The value becomes a view of slot `base`. strides NULL: row-major. */
enum pln_status pln_lower_view(struct pln_lower *lower, uint32_t value, uint32_t base, struct pln_dim offset, const struct pln_dim *strides);

/* join.c */
/* Before a kernel of the host makes the value: *out_done, it becomes a view of where a Concat wants it. last: the kernel writes it channels last. */
/* Slot of the result of a Concat that operands were made in; else PLN_NONE. */
uint32_t pln_lower_join_slot(const struct pln_lower *lower, uint32_t value);
enum pln_status pln_lower_join(struct pln_lower *lower, uint32_t value, const struct pln_kernel *kernel, bool last, bool *out_done);
/* *out_done: all operands of this Concat were made in its result. */
enum pln_status pln_lower_joined(struct pln_lower *lower, uint32_t node, bool *out_done);

/* block.c */
enum pln_status pln_lower_block_of(struct pln_lower *lower, uint32_t graph_block, uint32_t parent_position, uint32_t *out_block);

/* choose.c: the best row of the device (or of the host) for a node; *out_kernel NULL: none. *out_code: what pln_step.code says of it. */
enum pln_status pln_lower_choose(struct pln_lower *lower, uint32_t node, bool on_host, const struct pln_kernel **out_kernel, uint32_t *out_code);
/* usual.c: the extent in a usual run; -1: it is not known then, either, or there is no memory. */
int64_t pln_lower_usual_extent(struct pln_lower *lower, struct pln_dim dim);
/* The code of the device's copies for a value's type and rank, as pln_step.code says it. */
enum pln_status pln_lower_copy_code(struct pln_lower *lower, const struct pln_slot *from, uint32_t *out_code);

/* live.c: first and last steps of all slots. */
enum pln_status pln_lower_lifetimes(struct pln_lower *lower);

#endif
