/* Inside the generator: values with what is known about them, and the nodes that make them.
 *
 * Of every value its maker knows the extents in each run, bounds of its elements, and `apart`: how far the results of two right implementations can be
 * from each other. `apart` is carried from operands to results by each operator's sensitivity (a sum adds them, a product weighs each with the other's
 * magnitude, a maximum keeps the larger …), and each operator adds its own rounding: the unit of the type, times the magnitude of the result, times the
 * count of roundings behind an element (terms of a sum; a few for a function that is approximated). Both implementations may be off, to
 * different sides, hence the factor 2 in make_rounded.
 *
 * Elements of inputs are multiples of 2^-grid. As long as sums and products of such numbers fit the mantissa there is no rounding at all, in any order, and results
 * must be equal (apart is 0). Only such values are compared, rounded to integers, sorted and used as indices: elsewhere a right answer may flip. */
#ifndef TESTS_FUZZ_RANDOM_MAKE_H
#define TESTS_FUZZ_RANDOM_MAKE_H

#include <math.h>
#include <string.h>

#include "case.h"

#define VALUES_MOST 512
#define NO_GRID 1000
#define COUNT_MOST 4096 /* elements of a value */

struct value {
    char name[CASE_NAME];
    enum pln_dtype dtype;
    int rank;
    int64_t dims[CASE_RUNS][CASE_RANK];
    bool open[CASE_RANK]; /* only the run knows the extent; dims has the most that it can be */
    double lo, hi;        /* of all elements */
    double apart;
    int grid;
    bool distinct; /* no element is there twice */
    bool rankless; /* shape inference cannot know the rank: operators that are written out by rank are refused */
    bool fixed;    /* an initializer */
    int uses;
};

/* A graph, a body or a function that is being written. */
struct block {
    struct block *outer; /* whose values may be used, too; NULL for the graph and for functions */
    struct pln_text nodes, initializers;
    int visible[VALUES_MOST], count;
    int depth;
    uint32_t node_field;  /* GraphProto.node, or FunctionProto.node */
    bool inputs_allowed; /* else leaves are constants */
};

struct symbol {
    char name[16];
    int64_t size[CASE_RUNS];
};

struct maker {
    uint64_t state;
    struct random_case *made;
    int runs, opset;
    struct value value[VALUES_MOST];
    int values;
    struct symbol symbol[64];
    int symbols;
    struct block *block;
    struct pln_text node; /* the one that is being written */
    struct pln_text functions;
    int nodes, nodes_most, names, function_count;
    bool failed; /* out of memory or of room */
    enum pln_dtype favourite; /* of floats, in this graph */
    bool wild;                /* inputs hold NaN and infinities here and there */
    bool large;               /* extents beyond the tiles of kernels */
    bool late;                /* shapes, axes and indices are mostly inputs, and many extents 0 or 1 */
    int mood;                 /* a family that comes more often; negative: none */
};

struct op_maker {
    const char *name;
    bool (*make)(struct maker *g); /* false: nothing fits, and nothing was added but leaves */
    int weight;
};
extern const struct op_maker math_makers[], move_makers[], nn_makers[], shape_makers[], flow_makers[], pattern_makers[], norm_makers[], index_makers[];

/* Random numbers. */
uint32_t below(struct maker *g, uint32_t n); /* 0 … n-1 */
int64_t between(struct maker *g, int64_t lo, int64_t hi);
bool chance(struct maker *g, int percent);

/* What a value must be to be picked. Zero is "anything". */
struct want {
    uint32_t types; /* bits 1 << dtype */
    int rank_least, rank_most; /* most 0: CASE_RANK - 2 */
    bool scalar;               /* rank 0 is allowed where rank_least is 0; else see rank_least */
    bool exact;                /* apart 0 and a grid, or no float */
    bool closed;               /* all extents known before the run */
    bool full;                 /* not empty, in any run */
    bool distinct;
    bool positive;             /* lo >= 1/8 */
    double magnitude;          /* at most; 0: 64 */
    int64_t count_most;        /* elements in any run; 0: COUNT_MOST */
};
#define TYPE(t) (1u << (t))
#define FLOATS (TYPE(PLN_F32) | TYPE(PLN_F64) | TYPE(PLN_F16) | TYPE(PLN_BF16))
#define SIGNED (TYPE(PLN_I8) | TYPE(PLN_I16) | TYPE(PLN_I32) | TYPE(PLN_I64))
#define UNSIGNED (TYPE(PLN_U8) | TYPE(PLN_U16) | TYPE(PLN_U32) | TYPE(PLN_U64))
#define INTEGERS (SIGNED | UNSIGNED)
#define NUMBERS (FLOATS | INTEGERS)
#define PLAIN (NUMBERS | TYPE(PLN_BOOL))

/* A visible value, or a new leaf. -1: out of room. */
int pick(struct maker *g, struct want want);
/* Only a visible one, or -1. */
int pick_old(struct maker *g, struct want want);
bool fits(const struct maker *g, const struct value *v, const struct want *want);

/* Leaves: an initializer, a graph input, or a Constant. dims of one run for all runs, or of each. */
struct leaf {
    enum pln_dtype dtype;
    int rank;
    int64_t dims[CASE_RUNS][CASE_RANK];
    double lo, hi;
    int grid; /* floats; NO_GRID: as fine as the type likes */
    bool distinct;
    bool fixed; /* never an input */
    bool tame;  /* finite, also in a wild graph */
};
int make_leaf(struct maker *g, const struct leaf *leaf);
/* Floats or integers of this shape, in a range that suits the type. */
int make_like(struct maker *g, enum pln_dtype dtype, const struct value *shape);
int make_numbers(struct maker *g, enum pln_dtype dtype, int64_t rank, const int64_t *dims, double lo, double hi); /* same dims in every run */
int make_ints(struct maker *g, const int64_t *values, int count);  /* i64[count], an initializer or (the same in all runs) an input */
int make_ints_runs(struct maker *g, int64_t values[CASE_RUNS][CASE_RANK], int count); /* an input when the runs differ */
int make_scalar(struct maker *g, enum pln_dtype dtype, double number, bool fixed); /* rank 0 */
int make_data(struct maker *g, enum pln_dtype dtype, int rank, const int64_t *dims, const double *data, bool fixed);
bool varies(const struct maker *g, const struct value *v); /* extents differ between the runs */

/* An operand for an elementwise operator beside `a`, of its type; both broadcast. */
int other_operand(struct maker *g, int a, struct want want);

/* One node more, for patterns: its result, or -1 when an operand is -1 or nothing certain would be left. */
int add_unary(struct maker *g, const char *op, int a);
int add_binary(struct maker *g, const char *op, int a, int b); /* Add, Sub, Mul, Div */
int add_power(struct maker *g, int a, double power);

/* An image [n,c,…] whose channels are the same in all runs, or -1; a convolution of it, or -1. */
int pick_image(struct maker *g, uint32_t types);
int add_conv(struct maker *g, int a, bool with_bias);

/* Nodes: begin, inputs (-1: left out), attributes, outputs, end. */
void node_begin(struct maker *g, const char *op);
void node_domain(struct maker *g, const char *domain);
void node_input(struct maker *g, int value);
void node_skip(struct maker *g, int count); /* so many outputs left out */
int node_output(struct maker *g, struct value v); /* names it; its id */
void node_end(struct maker *g);
void attr_int(struct maker *g, const char *name, int64_t value);
void attr_float(struct maker *g, const char *name, float value);
void attr_string(struct maker *g, const char *name, const char *value);
void attr_ints(struct maker *g, const char *name, const int64_t *values, int count);
void attr_body(struct maker *g, const char *name, struct pln_text *body); /* frees it */
/* One node of one output, without attributes; b, c -1: not there. */
int node_simple(struct maker *g, const char *op, int a, int b, int c, struct value result);

/* Bodies. */
void block_begin(struct maker *g, struct block *block, bool sees_outer);
void block_end(struct maker *g, struct block *block); /* its values are gone; text stays */
void block_free(struct block *block);
void block_add(struct maker *g, int value);
/* Any random nodes, at most `count`, into the current block. */
void make_nodes(struct maker *g, int count);
struct pln_text value_info(const struct maker *g, const struct value *v, bool with_shape);

/* Types and errors. */
bool is_float(enum pln_dtype dtype);
double type_unit(enum pln_dtype dtype);    /* half a unit in the last place of 1 */
double type_most(enum pln_dtype dtype);    /* integers: the largest; floats: what we keep below */
double type_least(enum pln_dtype dtype);
double magnitude(const struct value *v);
int64_t count_of(const struct value *v, int run);
int64_t most_count(const struct maker *g, const struct value *v);
bool is_full(const struct maker *g, const struct value *v);
/* Bounds and error of a result: `carried` comes from the operands; `roundings` are counted against the magnitude `scale` (0: that of the result). grid: that of the
 * exact result, or NO_GRID. false: it does not fit the type, or too little of it is certain. */
bool make_rounded(struct value *v, double lo, double hi, double carried, double roundings, double scale, int grid);
/* Bounds and errors of v are those of any of a and b. */
void make_union(struct value *v, const struct value *a, const struct value *b);
/* The bounds of (x - mean) / sqrt(var + epsilon) * scale + bias over n elements; other_apart: of scale and bias. */
bool normalized(struct value *r, const struct value *v, double n, double epsilon, double scale, double bias, double other_apart);
/* Extents as numpy broadcasts; false: they do not fit. */
bool make_broadcast(const struct maker *g, const struct value *a, const struct value *b, struct value *out);
void set_dim(const struct maker *g, struct value *v, int d, int64_t extent); /* the same in all runs */
void copy_dim(struct value *to, int d, const struct value *from, int from_d);
bool same_dim(const struct maker *g, const struct value *a, int da, const struct value *b, int db);

#endif
