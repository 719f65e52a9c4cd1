/* Inside of the graph's text form: grammar, lexer, tensors.
 *
 *   graph     = "graph" string "{" { meta | symbol | origin | constant | state } block "}"
 *   meta      = "meta" string "=" string
 *   symbol    = "symbol" name [ "[" min "," max "]" ]     in the table's order, so that extents keep their normal form
 *   origin    = "origin" string string string index       name, operator, domain; numbered from 0
 *   constant  = "const" name ":" tensor [ "tap" ]
 *   state     = "state" input output axis                 places in the main block's lists: one tensor of the run before and of this one
 *   block     = { "in" value } { node } { "out" name [ "as" string ] }
 *   node      = outputs "=" op [ "." kind ] "(" [ input { "," input } ] ")" [ attrs ] [ "@" index { "," index } ] { "do" "{" block "}" }
 *   outputs   = "none" | output { "," output }
 *   output    = "_" | value                               "_": not wanted
 *   input     = "_" | name                                "_": left out
 *   value     = name ":" type [ "~" "[" extents "]" ] [ "tap" ]     "~": its elements as expressions
 *   type      = dtype "[" ( "*" | extents ) "]" | "seq" "(" elem ")" | "opt" "(" elem ")" | "map" "(" dtype "," elem ")"
 *   elem      = type | "none"                             "*", "none": not known; so is the dtype "?"
 *   attrs     = "{" name "=" attr { "," name "=" attr } "}"
 *   attr      = integer | float "f" | string | "[" integers "]" | "f[" floats "]" | "s[" strings "]" | "t" tensor
 *   tensor    = dtype "[" integers "]" "=" data
 *   data      = "[" elements "]" | "x" string             the second: the bytes in hexadecimal
 *             | "#" hash                                  printed when not in full; does not parse
 *             | "@" index                                 of a constant: a weight by its number, where there are such
 *
 * Names are bare (letters, digits, "_", ".", "/") or quoted strings; the words in, out, const, meta, symbol, origin, state, none, tap,
 * as, do and "_" are quoted as names. Floats are decimals that read back to the same bits, or "#" and the bits in hexadecimal. ";" begins a comment. */
#ifndef PLN_GRAPH_TEXT_H
#define PLN_GRAPH_TEXT_H

#include "graph/graph.h"

#define PLN_LIST_MAX 16 /* tensors of more elements print as bytes or as their hash */

bool pln_name_is_bare(const char *name);
bool pln_char_is_bare(char c);

/* "f32[2] = [1.0, 2.0]". Strings are always listed when full. */
void pln_tensor_print(const struct pln_tensor *tensor, bool full, struct pln_text *out);
void pln_float_print(enum pln_dtype dtype, const void *data, int64_t index, struct pln_text *out);

/* Reads a terminated text; what it hands out lies in the arena. Errors are PLN_INVALID_ARGUMENT with the line. */
struct pln_lexer {
    const char *start, *at, *end;
    struct pln_arena *arena;
    struct pln_diag *diag;
    const struct pln_graph_weights *weights; /* NULL: tensors hold their data */
};
enum pln_status pln_lex_fail(struct pln_lexer *lex, const char *wanted);
enum pln_status pln_lex_no_memory(struct pln_lexer *lex);
char pln_lex_peek(struct pln_lexer *lex); /* the next character after space and comments; 0 at the end */
bool pln_lex_accept(struct pln_lexer *lex, char c);
enum pln_status pln_lex_expect(struct pln_lexer *lex, char c);
bool pln_lex_word(struct pln_lexer *lex, const char *word); /* takes a bare word if it is this one */
enum pln_status pln_lex_name(struct pln_lexer *lex, const char **out_name);
/* A token of a number: letters, digits, "+", "-", "." and "#". It is cut from the text into buffer. */
enum pln_status pln_lex_number(struct pln_lexer *lex, char *buffer, size_t buffer_bytes);
enum pln_status pln_lex_i64(struct pln_lexer *lex, int64_t *out_value);
enum pln_status pln_lex_string(struct pln_lexer *lex, struct pln_string *out_string); /* terminated as well */
enum pln_status pln_lex_text(struct pln_lexer *lex, const char **out_text);           /* a string without zero bytes */
enum pln_status pln_lex_dtype(struct pln_lexer *lex, enum pln_dtype *out_dtype);      /* "?": PLN_DTYPE_NONE */
/* One element from a number token; false: not a number of that type. */
bool pln_element_parse(enum pln_dtype dtype, const char *token, void *data, int64_t index);
enum pln_status pln_tensor_parse(struct pln_lexer *lex, struct pln_tensor *out_tensor);
/* attrs without their names' order: they are sorted as they are set. */
enum pln_status pln_attrs_parse(struct pln_lexer *lex, struct pln_attrs *attrs);
void pln_attrs_print_exact(const struct pln_attrs *attrs, bool full, struct pln_text *out);

#endif
