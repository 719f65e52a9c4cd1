/* Every rule of pln_program_verify, broken once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "program_make.h"

/* Slots and steps of make_program, by what they are. */
enum { X, FLAG, W, TRIPS, TEXT, SUM, ACROSS, T, SHAPE, SHAPE_OUT, BRANCH, LOOPED, SCANNED, Y, THEN, OTHER, ITERATION, GO, CARRIED, NEXT, YES };
enum { ADD_STEP, T_STEP, SHAPE_STEP, IF_STEP, LOOP_STEP, Y_STEP, THEN_STEP, OTHER_STEP, NEXT_STEP };

static int8_t same_twice[] = { 0, 0 }, too_far[] = { 0, 2 }, swapped[] = { 1, 0 };

#define SLOT(i) (&p->slots[i])
#define STEP(i) (&p->steps[i])
#define BLOCK(i) (&p->blocks[i])

static void set_dim(struct pln_program *p, enum pln_dim_op op, uint32_t a, uint32_t c)
{
    p->dims[p->n_dims - 1] = (struct pln_dim_node){ .op = op, .a = a, .c = c };
}

/* One line a rule: what to change in program p, and words that the message must have. */
#define RULES(RULE) \
    RULE(set_dim(p, PLN_DIM_ADD, p->n_dims - 1, 0), "extent") \
    RULE(set_dim(p, PLN_DIM_SYMBOL, p->n_symbols, 0), "extent") \
    RULE(set_dim(p, PLN_DIM_SELECT, 0, p->n_dims), "extent") \
    RULE(p->dims[p->n_dims - 1].op = (enum pln_dim_op)77, "extent") \
    RULE(p->symbols[0].name = NULL, "symbol 0") \
    RULE(p->weights[0].size_bytes = 12, "bytes that do not fit") \
    RULE(p->weights[0].dims[0] = -4, "impossible type or shape") \
    RULE(p->weights[0].rank = 17, "impossible type or shape") \
    RULE(p->weights[0].dtype = PLN_DTYPE_COUNT, "impossible type or shape") \
    RULE(p->weights[1].offset = 8, "outside of its section") \
    RULE(p->weights[1].offset = 4096, "outside of its section") \
    RULE(p->weights[0].data = NULL, "has no bytes") \
    RULE(SLOT(X)->rank = 17, "impossible kind, type or rank") \
    RULE(SLOT(X)->rank = -2, "impossible kind, type or rank") \
    RULE(SLOT(X)->dims[0] = p->n_dims, "dims that are no extents") \
    RULE(SLOT(X)->name = NULL, "has no name") \
    RULE(SLOT(SUM)->block = 4, "is in no block") \
    RULE(SLOT(SUM)->space = 1, "no space") \
    RULE(SLOT(SUM)->segment = 4, "defined by no segment") \
    RULE(SLOT(SUM)->segment = PLN_NONE, "defined by no segment") \
    RULE(SLOT(SUM)->rank = -1, "cannot be placed") \
    RULE(SLOT(SUM)->dtype = PLN_STR, "cannot be placed") \
    RULE(SLOT(SUM)->kind = PLN_SEQUENCE, "cannot be placed") \
    RULE(SLOT(SUM)->order = same_twice, "order of dims") \
    RULE(SLOT(SUM)->order = too_far, "order of dims") \
    RULE(SLOT(Y)->order = swapped, "order of dims") \
    RULE(SLOT(SUM)->strides = SLOT(SUM)->dims, "strides and is no view") \
    RULE(SLOT(X)->index = 1, "input") \
    RULE(SLOT(Y)->index = 1, "no output") \
    RULE(SLOT(Y)->index = 5, "no output") \
    RULE(SLOT(W)->index = 5, "is no weight") \
    RULE(SLOT(W)->dtype = PLN_I32, "another type than its weight") \
    RULE(SLOT(ACROSS)->index = ACROSS, "not before it") \
    RULE(SLOT(ACROSS)->index = NEXT, "not before it") \
    RULE(SLOT(ACROSS)->offset = p->n_dims, "offset") \
    RULE(SLOT(ACROSS)->strides[1] = p->n_dims, "strides") \
    RULE(SLOT(ACROSS)->index = TEXT, "another type") \
    RULE(SLOT(SHAPE)->n_elems = 1, "more or fewer elements") \
    RULE(SLOT(SHAPE)->elems[0] = p->n_dims, "elements that are no extents") \
    RULE(SLOT(SHAPE)->dtype = PLN_F32, "not of integers") \
    RULE(SLOT(SHAPE)->dtype = PLN_I4, "below a byte") \
    RULE(SLOT(CARRIED)->index = 1, "has an input that is none") \
    RULE(SLOT(CARRIED)->block = 0, "has an input that is none") \
    RULE(p->n_blocks = 0, "has no block") \
    RULE(BLOCK(0)->steps[1] = 99, "does not exist") \
    RULE(BLOCK(0)->steps[1] = ADD_STEP, "elsewhere") \
    RULE(BLOCK(0)->n_segments = 3, "return") \
    RULE(BLOCK(0)->segments[0].count = 2, "follow one another") \
    RULE(BLOCK(0)->segments[3].count = 9, "follow one another") \
    RULE(BLOCK(0)->segments[1].end = PLN_END_NEXT, "wrong kind of segment") \
    RULE(BLOCK(0)->segments[1].end = PLN_END_LOOP, "wrong kind of segment") \
    RULE(BLOCK(0)->segments[0].end = PLN_END_RETURN, "return") \
    RULE(BLOCK(3)->symbols[0] = 99, "binds a symbol") \
    RULE(BLOCK(0)->outputs[0] = 99, "output that does not exist") \
    RULE(BLOCK(0)->inputs[0] = 99, "input that does not exist") \
    RULE(STEP(IF_STEP)->blocks[0] = 0, "body that does not exist") \
    RULE(STEP(IF_STEP)->blocks[0] = 7, "body that does not exist") \
    RULE(STEP(IF_STEP)->blocks[0] = 2, "used elsewhere") \
    RULE(STEP(LOOP_STEP)->blocks[0] = 1, "used elsewhere") \
    RULE(STEP(IF_STEP)->n_blocks = 1, "no branch") \
    RULE(STEP(IF_STEP)->inputs[0] = PLN_NONE, "no branch") \
    RULE(STEP(IF_STEP)->n_outputs = 0, "before it is made") \
    RULE(BLOCK(1)->n_outputs = 0, "other results") \
    RULE(STEP(LOOP_STEP)->n_inputs = 1, "no loop") \
    RULE(STEP(LOOP_STEP)->n_inputs = 2, "other values than its body") \
    RULE(BLOCK(3)->n_outputs = 1, "other values than its body") \
    RULE(BLOCK(3)->n_outputs = 2, "other values than its body") \
    RULE(STEP(LOOP_STEP)->inputs[2] = PLN_NONE, "leaves out a loop variable") \
    RULE(STEP(ADD_STEP)->op = PLN_OP_COUNT, "no op") \
    RULE(STEP(ADD_STEP)->op = PLN_OP_NONE, "no op") \
    RULE(STEP(ADD_STEP)->op = PLN_OP_IF, "does not fit its kind") \
    RULE(STEP(ADD_STEP)->op_kind = 0, "unknown sub-kind") \
    RULE(STEP(ADD_STEP)->op_kind = PLN_EW_COUNT, "unknown sub-kind") \
    RULE(STEP(T_STEP)->op = PLN_OP_CAST, "a copy and an op") \
    RULE(STEP(T_STEP)->n_inputs = 0, "other than one value") \
    RULE(STEP(T_STEP)->device = 1, "no device") \
    RULE(STEP(ADD_STEP)->kind = PLN_STEP_LAUNCH, "names no kernel") \
    RULE(STEP(ADD_STEP)->inputs[0] = 99, "does not exist") \
    RULE(STEP(ADD_STEP)->outputs[0] = 99, "does not exist") \
    RULE(STEP(ADD_STEP)->inputs[0] = SUM, "before it is made") \
    RULE(STEP(ADD_STEP)->inputs[0] = Y, "later segment") \
    RULE(STEP(ADD_STEP)->inputs[0] = NEXT, "not at work") \
    RULE(STEP(ADD_STEP)->inputs[0] = ACROSS, "row-major") \
    RULE(STEP(ADD_STEP)->outputs[0] = X, "writes") \
    RULE(STEP(ADD_STEP)->outputs[0] = W, "writes") \
    RULE(STEP(ADD_STEP)->outputs[0] = SHAPE, "cannot be written") \
    RULE(STEP(ADD_STEP)->outputs[0] = BRANCH, "middle of a segment") \
    RULE(STEP(Y_STEP)->outputs[0] = BRANCH, "another segment") \
    RULE(STEP(THEN_STEP)->outputs[0] = SUM, "another block") \
    RULE(STEP(IF_STEP)->outputs[0] = Y, "wrong place") \
    RULE(STEP(T_STEP)->inputs[0] = TEXT, "fixed size") \
    RULE(STEP(ADD_STEP)->origins[0] = 3, "node that does not exist") \
    RULE(STEP(ADD_STEP)->attrs.items[0].name = "zzz", "attributes out of order") \
    RULE(STEP(ADD_STEP)->attrs.items[0].kind = (enum pln_attr_kind)0, "damaged attribute") \
    RULE(SLOT(SUM)->last = 2, "lost its memory") \
    RULE(SLOT(SUM)->first = 1, "before it has memory") \
    RULE(SLOT(BRANCH)->last = 3, "lost its memory") \
    RULE(SLOT(Y)->last = 5, "lost its memory") \
    RULE(SLOT(THEN)->last = 0, "lost its memory") \
    RULE(p->outputs[0].slot = T, "output") \
    RULE(p->outputs[0].name = NULL, "output 0") \
    RULE((p->outputs[3].slot = BLOCK(0)->outputs[3] = SHAPE), "cannot be given") \
    RULE(p->inputs[0].slot = FLAG, "input") \
    RULE(p->states[0].input = 2, "state 0") \
    RULE(p->states[0].axis = -1, "state 0") \
    RULE(p->taps[0] = 99, "tap 0") \
    RULE((p->taps[0] = NEXT, SLOT(NEXT)->last = 0), "lost its memory") \
    RULE(p->metadata[0].op_type = NULL, "metadata 0") \
    RULE(p->target = NULL, "names no model or device") \
    RULE(p->n_devices = 65, "devices")

static uint64_t place(struct pln_program *p)
{
    uint64_t at = 0;
    for (uint32_t i = 0; i < p->n_weights; i++) {
        p->weights[i].offset = at;
        at = pln_align_up(at + p->weights[i].size_bytes, 64);
    }
    return at;
}

static void sound_program_is_accepted(void **state)
{
    (void)state;
    struct make make;
    struct pln_diag diag;
    pln_diag_init(&diag);
    make_program(&make);
    uint64_t bytes = place(&make.program);
    enum pln_status status = pln_program_verify(&make.program, bytes, &diag);
    if (status != PLN_OK) printf("%s\n", diag.entries[0].text);
    assert_int_equal(status, PLN_OK);
    assert_int_equal(pln_program_verify(&make.program, bytes - 64, &diag), PLN_BAD_PLAN);
    make_free(&make);
}

static int failures;

static void judge(struct make *make, uint64_t bytes, const char *rule, const char *words)
{
    struct pln_diag diag;
    pln_diag_init(&diag);
    enum pln_status status = pln_program_verify(&make->program, bytes, &diag);
    bool right = status == PLN_BAD_PLAN && diag.count > 0 && strstr(diag.entries[0].text, words);
    if (!right) {
        printf("%s: status %d, \"%s\"\n", rule, (int)status, diag.count ? diag.entries[0].text : "");
        failures++;
    }
    make_free(make);
}

static void every_rule_is_kept(void **state)
{
    (void)state;
    failures = 0;
#define RULE(change, words)                          \
    {                                                \
        struct make make;                            \
        make_program(&make);                         \
        struct pln_program *p = &make.program;       \
        uint64_t bytes = place(p);                   \
        change;                                      \
        judge(&make, bytes, #change, words);         \
    }
    RULES(RULE)
#undef RULE
    assert_int_equal(failures, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(sound_program_is_accepted), cmocka_unit_test(every_rule_is_kept) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
