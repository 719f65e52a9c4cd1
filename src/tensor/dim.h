/* Symbolic extents: integers, named symbols, and expressions over them.
 *
 * A table holds expressions, hash-consed: equal expressions have equal ids, so `a.id == b.id` is "known equal". Sums and products
 * are kept in one normal form (a sum of coefficient × product of atoms, in the symbols' order), so `past + seq` and `seq + past` meet, and
 * `(h * 64) / 64` is `h`. The build side makes tables; a plan stores one; the runtime evaluates it (pln_dim_eval_all) once a run.
 *
 * Allocation failure sets table->failed and gives PLN_DIM_NONE, which every function accepts and returns; the owner asks once. */
#ifndef PLN_TENSOR_DIM_H
#define PLN_TENSOR_DIM_H

#include "base/arena.h"
#include "base/hash.h"
#include "base/text.h"

struct pln_dim {
    uint32_t id;
};
#define PLN_DIM_NONE ((struct pln_dim){ UINT32_MAX })

/* Meanings, all on int64: FLOORDIV and MOD round toward minus infinity (division by 0 gives 0), CEILDIV up; BROADCAST(a,b) is NumPy's: a if
 * b is 1, else b if a is 1, else a (a mismatch is found by the run's checks). SELECT(c,a,b): c != 0 ? a : b. EQ, LT: 0 or 1. */
enum pln_dim_op {
    PLN_DIM_CONST,
    PLN_DIM_SYMBOL,
    PLN_DIM_ADD,
    PLN_DIM_MUL,
    PLN_DIM_FLOORDIV,
    PLN_DIM_CEILDIV,
    PLN_DIM_MOD,
    PLN_DIM_MIN,
    PLN_DIM_MAX,
    PLN_DIM_BROADCAST,
    PLN_DIM_EQ,
    PLN_DIM_LT,
    PLN_DIM_SELECT
};

struct pln_dim_node {
    enum pln_dim_op op;
    /* Operands, always smaller ids; SYMBOL: a is the symbol's index; ADD, MUL: c is 1 when the node stands outside the normal form
     * (folding it would overflow, or it has too many terms); unused ones are 0. */
    uint32_t a, b, c;
    int64_t value; /* CONST */
};

/* One named or anonymous symbol. */
struct pln_symbol {
    const char *name; /* "batch", or "?12" for one that was made up; unique */
    /* Known bounds, inclusive; 0 and INT64_MAX when nothing is known. Widen them (integer data may be negative) only before the
     * symbol is used in an expression: simplification relies on them. Tightening is always fine. */
    int64_t min, max;
    struct pln_dim equals; /* the expression that it was unified with, or PLN_DIM_NONE */
};

/* What the table remembers of a node: proven bounds, and its resolved form while `epoch` is the table's. */
struct pln_dim_note {
    int64_t lower, upper; /* INT64_MIN, INT64_MAX: none */
    uint64_t order, hash; /* place in the normal form, and hash of the structure with the symbols' names */
    uint32_t resolved;
    uint32_t epoch;
    uint32_t mark; /* last walk that saw it */
};

struct pln_dim_table {
    struct pln_arena *arena; /* of the owner */
    struct pln_dim_node *nodes;
    size_t count, capacity;
    struct pln_symbol *symbols;
    size_t n_symbols, symbols_capacity;
    uint32_t *slots; /* hash set over nodes: id + 1, or 0 */
    size_t n_slots;
    struct pln_dim_note *notes; /* one a node */
    size_t notes_capacity;
    uint32_t *stack; /* of the walks */
    size_t stack_capacity;
    uint32_t epoch;      /* number of unifications, which age the notes' resolved forms */
    uint32_t walk;       /* number of walks */
    uint32_t next_name;  /* for made-up symbols */
    bool failed;
};

void pln_dim_table_init(struct pln_dim_table *table, struct pln_arena *arena);

struct pln_dim pln_dim_const(struct pln_dim_table *table, int64_t value);
/* A new symbol; name NULL: made up. A name that exists gives that symbol. */
struct pln_dim pln_dim_symbol(struct pln_dim_table *table, const char *name);
struct pln_dim pln_dim_add(struct pln_dim_table *table, struct pln_dim a, struct pln_dim b);
struct pln_dim pln_dim_sub(struct pln_dim_table *table, struct pln_dim a, struct pln_dim b);
struct pln_dim pln_dim_mul(struct pln_dim_table *table, struct pln_dim a, struct pln_dim b);
/* dims[0] * … * dims[n - 1]; 1 without any. */
struct pln_dim pln_dim_product(struct pln_dim_table *table, const struct pln_dim *dims, int n);
struct pln_dim pln_dim_binary(struct pln_dim_table *table, enum pln_dim_op op, struct pln_dim a, struct pln_dim b);
struct pln_dim pln_dim_select(struct pln_dim_table *table, struct pln_dim c, struct pln_dim a, struct pln_dim b);
struct pln_dim pln_dim_broadcast(struct pln_dim_table *table, struct pln_dim a, struct pln_dim b);

/* Asking resolves first, and remembers that in the table: const means that the answers stay the same, not that threads may share. */

/* The number, if the expression is one (after unification). */
bool pln_dim_value(const struct pln_dim_table *table, struct pln_dim dim, int64_t *out_value);
bool pln_dim_is(const struct pln_dim_table *table, struct pln_dim dim, int64_t value);
/* Known equal: same id after unification. */
bool pln_dim_same(struct pln_dim_table *table, struct pln_dim a, struct pln_dim b);
/* The expression with unified symbols replaced, all through. */
struct pln_dim pln_dim_resolve(struct pln_dim_table *table, struct pln_dim dim);
/* Declares that a and b are equal, as a valid model makes them: a symbol takes the other's value (the younger symbol gives way; a
 * symbol inside the other expression is left alone); k*s + c = n and s + x = t + x are solved. false: both are numbers and differ. */
PLN_MUST_USE bool pln_dim_unify(struct pln_dim_table *table, struct pln_dim a, struct pln_dim b);
/* Proven lower bound (dims are >= 0, symbols have min). */
int64_t pln_dim_lower_bound(const struct pln_dim_table *table, struct pln_dim dim);

/* Proven: a is 0 wherever b is 0, in every run whose extents fit. */
bool pln_dim_zero_with(struct pln_dim_table *table, struct pln_dim a, struct pln_dim b);

/* Evaluates nodes [0, count) in order into out_values, given the symbols' values (indexed by symbol; unknown ones INT64_MIN, and
 * what depends on them too). Overflow gives INT64_MIN. No allocation. */
void pln_dim_eval_all(const struct pln_dim_node *nodes, size_t count, const int64_t *symbol_values, int64_t *out_values);
#define PLN_DIM_UNKNOWN INT64_MIN

/* "batch*past + batch*seq - 1", "(h + 1) / 2", "max(a, b)"; a number as digits; odd names quoted. Cut with "..." beyond 100 levels
 * or 64 KiB. */
void pln_dim_print(const struct pln_dim_table *table, struct pln_dim dim, struct pln_text *out);
/* Reads what print writes, from text up to what cannot go on (",", "]", the end), and moves text there; names that are new become symbols.
 * PLN_INVALID_ARGUMENT: no expression, or one nested too deeply. The text is terminated. */
enum pln_status pln_dim_parse(struct pln_dim_table *table, const char **text, struct pln_diag *diag, struct pln_dim *out_dim);

#endif
