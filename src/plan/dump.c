/* A program as people read it. */
#include "plan/plan.h"

#include <inttypes.h>

static const char *const places[PLN_PLACE_COUNT] = { "input", "output", "weight", "arena", "view", "shape", "item", "block input" };
static const char *const ends[PLN_END_COUNT] = { "next", "readback", "branch", "loop", "return" };
static const char *const kinds[] = { "tensor", "sequence", "optional", "map" };

/* The text form of an expression, by the names of its symbols. Deep ones are cut: this is for reading. */
static void print_dim(const struct pln_program *program, uint32_t id, int depth, struct pln_text *out)
{
    static const char *const infix[] = { [PLN_DIM_ADD] = " + ", [PLN_DIM_MUL] = "*", [PLN_DIM_FLOORDIV] = " / ", [PLN_DIM_CEILDIV] = " /^ ", [PLN_DIM_MOD] = " % ", [PLN_DIM_EQ] = " == ",
                                         [PLN_DIM_LT] = " < " };
    const struct pln_dim_node *node = &program->dims[id];
    if (node->op == PLN_DIM_CONST) {
        pln_text_printf(out, "%" PRId64, node->value);
    } else if (node->op == PLN_DIM_SYMBOL) {
        pln_text_puts(out, program->symbols[node->a].name);
    } else if (depth > 6) {
        pln_text_printf(out, "e%u", id);
    } else if (node->op == PLN_DIM_MIN || node->op == PLN_DIM_MAX || node->op == PLN_DIM_BROADCAST || node->op == PLN_DIM_SELECT) {
        pln_text_puts(out, node->op == PLN_DIM_MIN ? "min(" : node->op == PLN_DIM_MAX ? "max(" : node->op == PLN_DIM_SELECT ? "select(" : "broadcast(");
        print_dim(program, node->a, depth + 1, out);
        pln_text_puts(out, ", ");
        print_dim(program, node->b, depth + 1, out);
        if (node->op == PLN_DIM_SELECT) {
            pln_text_puts(out, ", ");
            print_dim(program, node->c, depth + 1, out);
        }
        pln_text_putc(out, ')');
    } else {
        pln_text_puts(out, depth ? "(" : "");
        print_dim(program, node->a, depth + 1, out);
        pln_text_puts(out, infix[node->op]);
        print_dim(program, node->b, depth + 1, out);
        pln_text_puts(out, depth ? ")" : "");
    }
}

static void print_dims(const struct pln_program *program, const uint32_t *dims, size_t n, struct pln_text *out)
{
    pln_text_putc(out, '[');
    for (size_t i = 0; i < n && i < 64; i++) {
        if (i > 0) pln_text_putc(out, ',');
        print_dim(program, dims[i], 0, out);
    }
    pln_text_puts(out, n > 64 ? ",…]" : "]");
}

static void print_slot(const struct pln_program *program, uint32_t id, struct pln_text *out)
{
    const struct pln_slot *slot = &program->slots[id];
    pln_text_printf(out, "  s%u ", id);
    pln_text_quote(out, slot->name, strlen(slot->name));
    pln_text_printf(out, " %s", slot->kind == PLN_TENSOR ? pln_dtype_name(slot->dtype) : kinds[slot->kind]);
    if (slot->rank >= 0) print_dims(program, slot->dims, (size_t)slot->rank, out);
    pln_text_printf(out, " %s", places[slot->place]);
    switch (slot->place) {
    case PLN_PLACE_INPUT:
    case PLN_PLACE_OUTPUT:
    case PLN_PLACE_WEIGHT:
    case PLN_PLACE_BLOCK_INPUT: pln_text_printf(out, " %u", slot->index); break;
    case PLN_PLACE_VIEW:
        pln_text_printf(out, " of s%u at ", slot->index);
        print_dim(program, slot->offset, 0, out);
        if (slot->strides) {
            pln_text_puts(out, " strides ");
            print_dims(program, slot->strides, (size_t)slot->rank, out);
        }
        break;
    case PLN_PLACE_SHAPE: print_dims(program, slot->elems, slot->n_elems, out); break;
    case PLN_PLACE_ARENA:
        for (int i = 0; slot->order && i < slot->rank; i++) pln_text_printf(out, "%s%d", i ? "," : " order ", slot->order[i]);
        break;
    case PLN_PLACE_ITEM:
    case PLN_PLACE_COUNT: break;
    }
    if (slot->space) pln_text_printf(out, " on %s", program->devices[slot->space - 1]);
    pln_text_printf(out, " block %u", slot->block);
    if (slot->segment != PLN_NONE) pln_text_printf(out, " segment %u", slot->segment);
    pln_text_printf(out, slot->last == PLN_NONE ? " steps %u-\n" : " steps %u-%u\n", slot->first, slot->last);
}

static void print_ids(const char *sign, const uint32_t *ids, uint32_t n, struct pln_text *out)
{
    for (uint32_t i = 0; i < n; i++) {
        if (i > 0) pln_text_puts(out, ", ");
        if (ids[i] == PLN_NONE) pln_text_putc(out, '_');
        else pln_text_printf(out, "%s%u", sign, ids[i]);
    }
}

static void print_step(const struct pln_program *program, uint32_t id, struct pln_text *out)
{
    static const char *const calls[PLN_STEP_KIND_COUNT] = { "", "ref", "", "", "" };
    const struct pln_step *step = &program->steps[id];
    const char *kind = pln_op_kind_name(step->op, step->op_kind);
    print_ids("s", step->outputs, step->n_outputs, out);
    pln_text_printf(out, " = %s%s%s(", step->kind == PLN_STEP_COPY ? "copy" : pln_op_name(step->op), kind ? "." : "", kind ? kind : "");
    print_ids("s", step->inputs, step->n_inputs, out);
    pln_text_putc(out, ')');
    if (step->attrs.count) {
        pln_text_puts(out, " {");
        pln_attrs_print(&step->attrs, out);
        pln_text_putc(out, '}');
    }
    if (step->n_blocks) {
        pln_text_puts(out, " blocks ");
        print_ids("", step->blocks, step->n_blocks, out);
    }
    pln_text_printf(out, " %s", step->kernel ? step->kernel : calls[step->kind]);
    if (step->device) pln_text_printf(out, " on %s", program->devices[step->device - 1]);
    for (uint32_t i = 0; i < step->n_origins; i++) {
        const struct pln_program_origin *origin = &program->origins[step->origins[i]];
        pln_text_puts(out, i ? " + " : " # ");
        pln_text_puts(out, origin->name[0] ? origin->name : origin->op_type);
    }
    pln_text_putc(out, '\n');
}

static void print_block(const struct pln_program *program, uint32_t id, struct pln_text *out)
{
    const struct pln_program_block *block = &program->blocks[id];
    pln_text_printf(out, "block %u(", id);
    print_ids("s", block->inputs, block->n_inputs, out);
    pln_text_puts(out, ") -> (");
    print_ids("s", block->outputs, block->n_outputs, out);
    pln_text_puts(out, ")\n");
    for (uint32_t s = 0; s < block->n_segments; s++) {
        const struct pln_segment *segment = &block->segments[s];
        pln_text_printf(out, "  segment %u: %s\n", s, ends[segment->end]);
        for (uint32_t i = 0; i < segment->count; i++) {
            pln_text_printf(out, "    %u: ", segment->first + i);
            print_step(program, block->steps[segment->first + i], out);
        }
    }
}

void pln_program_dump(const struct pln_program *program, struct pln_text *out)
{
    pln_text_printf(out, "program \"%s\" for %s, %u nodes, %u steps, %u slots, %u extents, %u symbols\n", program->name, program->target, program->n_nodes, program->n_steps, program->n_slots,
                    program->n_dims, program->n_symbols);
    for (uint32_t i = 0; i < program->n_inputs; i++) pln_text_printf(out, "input %u \"%s\" s%u\n", i, program->inputs[i].name, program->inputs[i].slot);
    for (uint32_t i = 0; i < program->n_outputs; i++) pln_text_printf(out, "output %u \"%s\" s%u\n", i, program->outputs[i].name, program->outputs[i].slot);
    for (uint32_t i = 0; i < program->n_states; i++)
        pln_text_printf(out, "state input %u output %u axis %d\n", program->states[i].input, program->states[i].output, program->states[i].axis);
    for (uint32_t b = 0; b < program->n_blocks; b++) print_block(program, b, out);
    pln_text_puts(out, "slots\n");
    for (uint32_t i = 0; i < program->n_slots; i++) print_slot(program, i, out);
    pln_text_puts(out, "weights\n");
    for (uint32_t i = 0; i < program->n_weights; i++) {
        const struct pln_weight *weight = &program->weights[i];
        char shape[256];
        struct pln_tensor tensor;
        pln_tensor_init(&tensor, weight->dtype, weight->rank, weight->dims, NULL);
        pln_text_printf(out, "  w%u \"%s\" %s %s at %" PRIu64 ", %" PRIu64 " bytes, %016" PRIx64 "\n", i, weight->name, pln_tensor_describe(&tensor, shape, sizeof shape),
                        weight->pack ? weight->pack : "plain", weight->offset, weight->size_bytes, weight->hash);
    }
    for (uint32_t i = 0; i < program->n_taps; i++) pln_text_printf(out, "tap s%u\n", program->taps[i]);
    for (uint32_t i = 0; i < program->n_metadata; i++) pln_text_printf(out, "metadata \"%s\" = \"%s\"\n", program->metadata[i].name, program->metadata[i].op_type);
}
