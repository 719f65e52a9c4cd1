/* A program written by hand that has one of everything: symbols, shape values, views, copies, weights (plain, of strings), If, Loop, states,
 * taps. tests of its verification and of plan files change it. */
#ifndef PLN_TESTS_UNIT_PROGRAM_MAKE_H
#define PLN_TESTS_UNIT_PROGRAM_MAKE_H

#include <stdlib.h>

#include "kernel/program.h"

struct make {
    struct pln_arena arena;
    struct pln_program program;
    struct pln_dim_table dims;
};

static inline void *make_need(void *memory)
{
    if (!memory) abort();
    return memory;
}

static inline uint32_t *make_list(struct make *make, const uint32_t *items, uint32_t n)
{
    return make_need(pln_arena_copy(&make->arena, items, (n + 1) * sizeof *items));
}
#define MAKE_LIST(make, ...) make_list(make, (const uint32_t[]){ __VA_ARGS__, 0 }, sizeof((const uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t)), sizeof((const uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t)

/* A slot that lives as long as it can; dims are expressions. */
static inline uint32_t make_slot(struct make *make, const char *name, enum pln_place place, uint32_t index, uint32_t block, uint32_t segment, uint32_t first, enum pln_dtype dtype, int rank,
                                 struct pln_dim d0, struct pln_dim d1)
{
    struct pln_slot *slot = &make->program.slots[make->program.n_slots];
    *slot = (struct pln_slot){ .name = name, .place = place, .dtype = dtype, .rank = rank, .index = index, .block = block, .segment = segment, .first = first, .last = PLN_NONE };
    slot->dims = make_list(make, (const uint32_t[]){ d0.id, d1.id, 0 }, 2);
    return make->program.n_slots++;
}

static inline uint32_t make_step(struct make *make, enum pln_step_kind kind, enum pln_op op, unsigned op_kind, uint32_t *inputs, uint32_t n_inputs, uint32_t *outputs, uint32_t n_outputs)
{
    struct pln_step *step = &make->program.steps[make->program.n_steps];
    *step = (struct pln_step){ .kind = kind, .op = (uint16_t)op, .op_kind = (uint16_t)op_kind, .inputs = inputs, .n_inputs = n_inputs, .outputs = outputs, .n_outputs = n_outputs };
    step->origins = make_list(make, (const uint32_t[]){ make->program.n_steps % 2, 0 }, 1);
    step->n_origins = 1;
    return make->program.n_steps++;
}

static inline void make_weight(struct make *make, uint32_t index, const char *name, enum pln_dtype dtype, int rank, int64_t d0, const void *data, uint64_t size_bytes)
{
    make->program.weights[index] = (struct pln_weight){ .name = name, .dtype = dtype, .rank = rank, .dims = { d0 }, .data = data, .size_bytes = size_bytes };
    make->program.n_weights = PLN_MAX(make->program.n_weights, index + 1);
}

static inline void make_block(struct make *make, uint32_t id, uint32_t *steps, uint32_t n_steps, uint32_t *inputs, uint32_t n_inputs, uint32_t *outputs, uint32_t n_outputs,
                              const struct pln_segment *segments, uint32_t n_segments)
{
    make->program.blocks[id] = (struct pln_program_block){ .steps = steps, .n_steps = n_steps, .inputs = inputs, .n_inputs = n_inputs, .outputs = outputs, .n_outputs = n_outputs,
                                                           .n_segments = n_segments };
    make->program.blocks[id].segments = make_need(pln_arena_copy(&make->arena, segments, n_segments * sizeof *segments));
}

/* x: f32[n,4], flag: bool -> y = 3 * w + (flag ? relu(x + w) : -(x + w)) + (x + w), t = (x + w) transposed, shape = {n, 4}, text. */
static inline void make_program(struct make *make)
{
    static const float w[4] = { 1, -2, 3, -4 };
    static const int64_t trips = 3;
    static const uint8_t yes = 1;
    static const struct pln_string text[2] = { { "alpha", 5 }, { "", 0 } };
    struct pln_program *p = &make->program;
    memset(make, 0, sizeof *make);
    pln_arena_init(&make->arena, NULL, 0);
    pln_dim_table_init(&make->dims, &make->arena);
    *p = (struct pln_program){ .arena = &make->arena, .name = "hand-made", .target = "cpu", .n_nodes = 9 };
    p->slots = make_need(pln_arena_array(&make->arena, 64, sizeof *p->slots));
    p->steps = make_need(pln_arena_array(&make->arena, 32, sizeof *p->steps));
    p->weights = make_need(pln_arena_array(&make->arena, 8, sizeof *p->weights));
    p->blocks = make_need(pln_arena_array(&make->arena, 4, sizeof *p->blocks));
    struct pln_dim_table *d = &make->dims;
    struct pln_dim n = pln_dim_symbol(d, "n"), four = pln_dim_const(d, 4), two = pln_dim_const(d, 2), one = pln_dim_const(d, 1), zero = pln_dim_const(d, 0);
    struct pln_dim unused = pln_dim_mul(d, pln_dim_symbol(d, "unused"), n), m = pln_dim_symbol(d, "m");
    (void)unused;
    make_weight(make, 0, "w", PLN_F32, 1, 4, w, sizeof w);
    make_weight(make, 1, "trips", PLN_I64, 0, 0, &trips, sizeof trips);
    make_weight(make, 2, "yes", PLN_BOOL, 0, 0, &yes, sizeof yes);
    make_weight(make, 3, "text", PLN_STR, 1, 2, text, sizeof text);
    make_weight(make, 4, "w again", PLN_F32, 1, 4, w, sizeof w);

    uint32_t x = make_slot(make, "x", PLN_PLACE_INPUT, 0, 0, PLN_NONE, 0, PLN_F32, 2, n, four);
    uint32_t flag = make_slot(make, "flag", PLN_PLACE_INPUT, 1, 0, PLN_NONE, 0, PLN_BOOL, 0, zero, zero);
    uint32_t sw = make_slot(make, "w", PLN_PLACE_WEIGHT, 0, 0, PLN_NONE, 0, PLN_F32, 1, four, zero);
    uint32_t strips = make_slot(make, "trips", PLN_PLACE_WEIGHT, 1, 0, PLN_NONE, 0, PLN_I64, 0, zero, zero);
    uint32_t stext = make_slot(make, "text", PLN_PLACE_WEIGHT, 3, 0, PLN_NONE, 0, PLN_STR, 1, two, zero);
    uint32_t sum = make_slot(make, "sum", PLN_PLACE_ARENA, 0, 0, 0, 0, PLN_F32, 2, n, four);
    uint32_t across = make_slot(make, "across", PLN_PLACE_VIEW, sum, 0, 0, 0, PLN_F32, 2, four, n);
    p->slots[across].offset = zero.id;
    p->slots[across].strides = make_list(make, (const uint32_t[]){ one.id, four.id, 0 }, 2);
    uint32_t t = make_slot(make, "t", PLN_PLACE_OUTPUT, 1, 0, 0, 0, PLN_F32, 2, four, n);
    uint32_t shape = make_slot(make, "shape", PLN_PLACE_SHAPE, 0, 0, 0, 0, PLN_I64, 1, two, zero);
    p->slots[shape].elems = make_list(make, (const uint32_t[]){ n.id, four.id, 0 }, 2);
    p->slots[shape].n_elems = 2;
    uint32_t shape_out = make_slot(make, "shape_out", PLN_PLACE_OUTPUT, 2, 0, 0, 0, PLN_I64, 1, two, zero);
    uint32_t branch = make_slot(make, "branch", PLN_PLACE_ITEM, 0, 0, 1, 3, PLN_F32, 2, m, four);
    uint32_t looped = make_slot(make, "looped", PLN_PLACE_ITEM, 0, 0, 2, 4, PLN_F32, 2, m, four);
    uint32_t scanned = make_slot(make, "scanned", PLN_PLACE_ITEM, 0, 0, 2, 4, PLN_I64, 1, pln_dim_symbol(d, "k"), zero);
    uint32_t y = make_slot(make, "y", PLN_PLACE_OUTPUT, 0, 0, 3, 5, PLN_F32, 2, m, four);
    /* bodies */
    uint32_t then = make_slot(make, "then", PLN_PLACE_ARENA, 0, 1, 0, 0, PLN_F32, 2, n, four);
    uint32_t other = make_slot(make, "else", PLN_PLACE_ARENA, 0, 2, 0, 0, PLN_F32, 2, n, four);
    uint32_t iteration = make_slot(make, "iteration", PLN_PLACE_BLOCK_INPUT, 0, 3, PLN_NONE, 0, PLN_I64, 0, zero, zero);
    uint32_t go = make_slot(make, "go", PLN_PLACE_BLOCK_INPUT, 1, 3, PLN_NONE, 0, PLN_BOOL, 0, zero, zero);
    uint32_t carried = make_slot(make, "carried", PLN_PLACE_BLOCK_INPUT, 2, 3, PLN_NONE, 0, PLN_F32, 2, pln_dim_symbol(d, "c"), four);
    uint32_t next = make_slot(make, "next", PLN_PLACE_ITEM, 0, 3, 0, 0, PLN_F32, 2, pln_dim_symbol(d, "c2"), four);
    uint32_t yes_slot = make_slot(make, "yes", PLN_PLACE_WEIGHT, 2, 3, PLN_NONE, 0, PLN_BOOL, 0, zero, zero);

    uint32_t s0 = make_step(make, PLN_STEP_CALL, PLN_OP_ELEMENTWISE, PLN_EW_ADD, MAKE_LIST(make, x, sw), MAKE_LIST(make, sum));
    uint32_t s1 = make_step(make, PLN_STEP_COPY, PLN_OP_NONE, 0, MAKE_LIST(make, across), MAKE_LIST(make, t));
    uint32_t s2 = make_step(make, PLN_STEP_COPY, PLN_OP_NONE, 0, MAKE_LIST(make, shape), MAKE_LIST(make, shape_out));
    uint32_t s3 = make_step(make, PLN_STEP_IF, PLN_OP_IF, 0, MAKE_LIST(make, flag), MAKE_LIST(make, branch));
    uint32_t s4 = make_step(make, PLN_STEP_LOOP, PLN_OP_LOOP, 0, MAKE_LIST(make, strips, PLN_NONE, branch), MAKE_LIST(make, looped, scanned));
    uint32_t s5 = make_step(make, PLN_STEP_CALL, PLN_OP_ELEMENTWISE, PLN_EW_ADD, MAKE_LIST(make, looped, sum), MAKE_LIST(make, y));
    uint32_t s6 = make_step(make, PLN_STEP_CALL, PLN_OP_ELEMENTWISE, PLN_EW_RELU, MAKE_LIST(make, sum), MAKE_LIST(make, then));
    uint32_t s7 = make_step(make, PLN_STEP_CALL, PLN_OP_ELEMENTWISE, PLN_EW_NEG, MAKE_LIST(make, sum), MAKE_LIST(make, other));
    uint32_t s8 = make_step(make, PLN_STEP_CALL, PLN_OP_ELEMENTWISE, PLN_EW_ADD, MAKE_LIST(make, carried, sw), MAKE_LIST(make, next));
    p->steps[s3].blocks = make_list(make, (const uint32_t[]){ 1, 2 }, 1);
    p->steps[s3].n_blocks = 2;
    p->steps[s4].blocks = make_list(make, (const uint32_t[]){ 3, 0 }, 1);
    p->steps[s4].n_blocks = 1;
    static const int64_t ints[] = { 1, 2, 3 };
    pln_attrs_set_int(&p->steps[s0].attrs, &make->arena, "axis", -1);
    pln_attrs_set_ints(&p->steps[s0].attrs, &make->arena, "pads", ints, 3);
    pln_attrs_set_string(&p->steps[s0].attrs, &make->arena, "mode", "nearest", 7);
    pln_attrs_set_float(&p->steps[s6].attrs, &make->arena, "alpha", 0.5f);

    make_block(make, 0, MAKE_LIST(make, s0, s1, s2, s3, s4, s5), MAKE_LIST(make, x, flag), MAKE_LIST(make, y, t, shape_out, scanned, stext),
               (const struct pln_segment[]){ { 0, 3, PLN_END_NEXT }, { 3, 1, PLN_END_BRANCH }, { 4, 1, PLN_END_LOOP }, { 5, 1, PLN_END_RETURN } }, 4);
    make_block(make, 1, MAKE_LIST(make, s6), NULL, 0, MAKE_LIST(make, then), (const struct pln_segment[]){ { 0, 1, PLN_END_RETURN } }, 1);
    make_block(make, 2, MAKE_LIST(make, s7), NULL, 0, MAKE_LIST(make, other), (const struct pln_segment[]){ { 0, 1, PLN_END_RETURN } }, 1);
    make_block(make, 3, MAKE_LIST(make, s8), MAKE_LIST(make, iteration, go, carried), MAKE_LIST(make, yes_slot, next, iteration),
               (const struct pln_segment[]){ { 0, 1, PLN_END_RETURN } }, 1);
    p->n_blocks = 4;
    p->blocks[3].symbols = make_list(make, (const uint32_t[]){ 4, 5, 0 }, 2);
    p->blocks[3].n_symbols = 2;

    static struct pln_io inputs[2], outputs[5];
    inputs[0] = (struct pln_io){ "x", x };
    inputs[1] = (struct pln_io){ "flag", flag };
    outputs[0] = (struct pln_io){ "y", y };
    outputs[1] = (struct pln_io){ "t", t };
    outputs[2] = (struct pln_io){ "shape", shape_out };
    outputs[3] = (struct pln_io){ "iterations", scanned };
    outputs[4] = (struct pln_io){ "text", stext };
    static struct pln_program_origin origins[3] = { { "/first", "Add" }, { "", "Relu" }, { "/folded", "Constant" } }, metadata[1];
    static struct pln_state_pair states[1];
    metadata[0] = (struct pln_program_origin){ "author", "us" };
    states[0] = (struct pln_state_pair){ 0, 0, 0, 0 };
    p->inputs = inputs;
    p->n_inputs = 2;
    p->outputs = outputs;
    p->n_outputs = 5;
    p->origins = origins;
    p->n_origins = 3;
    p->metadata = metadata;
    p->n_metadata = 1;
    p->states = states;
    p->n_states = 1;
    p->taps = make_list(make, (const uint32_t[]){ sum, 0 }, 1);
    p->n_taps = 1;
    p->dims = d->nodes;
    p->n_dims = (uint32_t)d->count;
    p->symbols = d->symbols;
    p->n_symbols = (uint32_t)d->n_symbols;
}

static inline void make_free(struct make *make)
{
    pln_arena_deinit(&make->arena);
}

#endif
