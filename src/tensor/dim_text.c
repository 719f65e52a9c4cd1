/* Text form of extents:
 *   sum     = ["-"] term { ("+" | "-") term }
 *   term    = factor { ("*" | "/" | "%") factor }        left to right; "/" rounds down
 *   factor  = number | name | "(" sum ")" | function "(" sum { "," sum } ")"
 *   name    = letter, "_" or "?", then those, digits and "."; or a quoted string
 *   function: ceil min max broadcast eq lt select
 * The reader builds with pln_dim_binary, so any text gives normal forms. */
#include "tensor/dim_terms.h"

#define MAX_PRINT_DEPTH 100
#define MAX_PARSE_DEPTH 320 /* a printed level takes up to three: parentheses, function, sum */
#define MAX_PRINT_BYTES 65536

enum level { SUM, TERM, FACTOR }; /* what may stand without parentheses */

static const char *function_name(enum pln_dim_op op)
{
    switch (op) {
    case PLN_DIM_CEILDIV: return "ceil";
    case PLN_DIM_MIN: return "min";
    case PLN_DIM_MAX: return "max";
    case PLN_DIM_BROADCAST: return "broadcast";
    case PLN_DIM_EQ: return "eq";
    case PLN_DIM_LT: return "lt";
    case PLN_DIM_SELECT: return "select";
    case PLN_DIM_CONST:
    case PLN_DIM_SYMBOL:
    case PLN_DIM_ADD:
    case PLN_DIM_MUL:
    case PLN_DIM_FLOORDIV:
    case PLN_DIM_MOD: break;
    }
    return NULL;
}

static bool is_name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '?';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_name_part(char c)
{
    return is_name_start(c) || is_digit(c) || c == '.';
}

/* ---- printing ---- */

struct printer {
    const struct pln_dim_table *table;
    struct pln_text *out;
    size_t limit;
};

static void print_node(const struct printer *p, uint32_t id, enum level level, int depth);

static void print_name(const struct printer *p, const char *name)
{
    const char *c = name;
    bool plain = is_name_start(*c);
    for (; *c; c++) plain = plain && is_name_part(*c);
    if (plain) pln_text_puts(p->out, name);
    else pln_text_quote(p->out, name, strlen(name));
}

static void print_pair(const struct printer *p, const char *sign, uint32_t a, uint32_t b, bool parens, int depth)
{
    if (parens) pln_text_putc(p->out, '(');
    print_node(p, a, TERM, depth);
    pln_text_puts(p->out, sign);
    print_node(p, b, FACTOR, depth);
    if (parens) pln_text_putc(p->out, ')');
}

static void print_call(const struct printer *p, const struct pln_dim_node *node, int depth)
{
    uint32_t operands[3] = { node->a, node->b, node->c };
    int n = node->op == PLN_DIM_SELECT ? 3 : 2;
    const char *name = function_name(node->op);
    pln_text_puts(p->out, name ? name : "");
    pln_text_putc(p->out, '(');
    for (int i = 0; i < n; i++) {
        if (i) pln_text_puts(p->out, ", ");
        print_node(p, operands[i], SUM, depth);
    }
    pln_text_putc(p->out, ')');
}

/* A term without its sign. */
static void print_term(const struct printer *p, const struct pln_dim_term *term, int depth)
{
    uint32_t atoms[PLN_DIM_MAX_ATOMS];
    int n = pln_dim_atoms_of(p->table, term->product, atoms);
    bool with_coef = n == 0 || (term->coef != 1 && term->coef != -1);
    if (term->coef == INT64_MIN) pln_text_puts(p->out, "(-9223372036854775807 - 1)");
    else if (with_coef) pln_text_printf(p->out, "%lld", (long long)(term->coef < 0 ? -term->coef : term->coef));
    for (int i = 0; i < n; i++) {
        if (i || with_coef) pln_text_putc(p->out, '*');
        print_node(p, atoms[i], n == 1 && !with_coef ? TERM : FACTOR, depth);
    }
}

static void print_sum(const struct printer *p, uint32_t id, enum level level, int depth)
{
    struct pln_dim_terms terms;
    pln_dim_terms_of(p->table, id, &terms);
    if (terms.n == 0) terms = (struct pln_dim_terms){ 1, { { 0, PLN_DIM_ONE } } };
    bool minus_first = terms.t[0].coef < 0 && terms.t[0].coef != INT64_MIN;
    bool bare_number = terms.n == 1 && terms.t[0].product == PLN_DIM_ONE && !minus_first;
    bool parens = level != SUM && (terms.n > 1 || minus_first || (level == FACTOR && !bare_number));
    if (parens) pln_text_putc(p->out, '(');
    for (int i = 0; i < terms.n; i++) {
        bool minus = terms.t[i].coef < 0 && terms.t[i].coef != INT64_MIN;
        if (i) pln_text_puts(p->out, minus ? " - " : " + ");
        else if (minus) pln_text_putc(p->out, '-');
        print_term(p, &terms.t[i], depth);
    }
    if (parens) pln_text_putc(p->out, ')');
}

static void print_node(const struct printer *p, uint32_t id, enum level level, int depth)
{
    const struct pln_dim_node *node = &p->table->nodes[id];
    if (depth > MAX_PRINT_DEPTH || p->out->size_bytes > p->limit) {
        pln_text_puts(p->out, "...");
        return;
    }
    switch (node->op) {
    case PLN_DIM_SYMBOL: print_name(p, p->table->symbols[node->a].name); break;
    case PLN_DIM_CONST: print_sum(p, id, level, depth); break;
    case PLN_DIM_ADD:
        if (node->c) print_pair(p, " + ", node->a, node->b, true, depth + 1);
        else print_sum(p, id, level, depth + 1);
        break;
    case PLN_DIM_MUL:
        if (node->c) print_pair(p, " * ", node->a, node->b, true, depth + 1);
        else print_sum(p, id, level, depth + 1);
        break;
    case PLN_DIM_FLOORDIV: print_pair(p, " / ", node->a, node->b, level == FACTOR, depth + 1); break;
    case PLN_DIM_MOD: print_pair(p, " % ", node->a, node->b, level == FACTOR, depth + 1); break;
    case PLN_DIM_CEILDIV:
    case PLN_DIM_MIN:
    case PLN_DIM_MAX:
    case PLN_DIM_BROADCAST:
    case PLN_DIM_EQ:
    case PLN_DIM_LT:
    case PLN_DIM_SELECT: print_call(p, node, depth + 1); break;
    }
}

void pln_dim_print(const struct pln_dim_table *table, struct pln_dim dim, struct pln_text *out)
{
    struct printer p = { table, out, out->size_bytes + MAX_PRINT_BYTES };
    dim = pln_dim_resolve((struct pln_dim_table *)table, dim); /* only remembers what holds anyway */
    if (dim.id == UINT32_MAX) pln_text_puts(out, "?");
    else print_node(&p, dim.id, SUM, 0);
}

/* ---- parsing ---- */

struct parser {
    struct pln_dim_table *table;
    const char *at;
    struct pln_diag *diag;
    int depth;
};

static enum pln_status parse_sum(struct parser *p, struct pln_dim *out);

static void skip_space(struct parser *p)
{
    while (*p->at == ' ') p->at++;
}

static enum pln_status expected(struct parser *p, const char *what)
{
    return pln_fail(p->diag, PLN_INVALID_ARGUMENT, "extent: expected %s at \"%.24s\"", what, p->at);
}

static enum pln_status parse_number(struct parser *p, struct pln_dim *out)
{
    int64_t value = 0;
    for (; is_digit(*p->at); p->at++) {
        if (!pln_mul_i64(value, 10, &value) || !pln_add_i64(value, *p->at - '0', &value)) return expected(p, "a smaller number");
    }
    *out = pln_dim_const(p->table, value);
    return PLN_OK;
}

static enum pln_status parse_quoted(struct parser *p, struct pln_dim *out)
{
    struct pln_text name;
    pln_text_init(&name, p->table->arena->alloc);
    bool ok = pln_text_unquote(&name, &p->at, p->at + strlen(p->at));
    if (name.failed) p->table->failed = true; /* out is none */
    else if (ok && memchr(name.data, 0, name.size_bytes)) ok = false;
    else if (ok) *out = pln_dim_symbol(p->table, name.data);
    pln_text_deinit(&name);
    return ok ? PLN_OK : expected(p, "a quoted name");
}

static bool find_function(const char *name, size_t size_bytes, enum pln_dim_op *out_op)
{
    for (int op = PLN_DIM_CONST; op <= PLN_DIM_SELECT; op++) {
        const char *known = function_name((enum pln_dim_op)op);
        *out_op = (enum pln_dim_op)op;
        if (known && strlen(known) == size_bytes && memcmp(known, name, size_bytes) == 0) return true;
    }
    return false;
}

static enum pln_status parse_call(struct parser *p, enum pln_dim_op op, struct pln_dim *out)
{
    struct pln_dim operands[3] = { PLN_DIM_NONE, PLN_DIM_NONE, PLN_DIM_NONE };
    int n = op == PLN_DIM_SELECT ? 3 : 2;
    for (int i = 0; i < n; i++) {
        skip_space(p);
        if (*p->at != (i ? ',' : '(')) return expected(p, i ? "\",\"" : "\"(\"");
        p->at++;
        PLN_TRY(parse_sum(p, &operands[i]));
    }
    skip_space(p);
    if (*p->at != ')') return expected(p, "\")\"");
    p->at++;
    *out = n == 3 ? pln_dim_select(p->table, operands[0], operands[1], operands[2])
                  : pln_dim_binary(p->table, op, operands[0], operands[1]);
    return PLN_OK;
}

static enum pln_status parse_name(struct parser *p, struct pln_dim *out)
{
    const char *start = p->at;
    enum pln_dim_op op;
    while (is_name_part(*p->at)) p->at++;
    size_t size_bytes = (size_t)(p->at - start);
    skip_space(p);
    if (*p->at == '(' && find_function(start, size_bytes, &op)) return parse_call(p, op, out);
    const char *name = pln_arena_text(p->table->arena, start, size_bytes);
    if (!name) p->table->failed = true;
    else *out = pln_dim_symbol(p->table, name);
    return PLN_OK;
}

static enum pln_status parse_factor(struct parser *p, struct pln_dim *out)
{
    skip_space(p);
    if (is_digit(*p->at)) return parse_number(p, out);
    if (*p->at == '"') return parse_quoted(p, out);
    if (is_name_start(*p->at)) return parse_name(p, out);
    if (*p->at != '(') return expected(p, "a number, a name or \"(\"");
    p->at++;
    PLN_TRY(parse_sum(p, out));
    skip_space(p);
    if (*p->at != ')') return expected(p, "\")\"");
    p->at++;
    return PLN_OK;
}

static enum pln_status parse_term(struct parser *p, struct pln_dim *out)
{
    PLN_TRY(parse_factor(p, out));
    for (;;) {
        struct pln_dim right = PLN_DIM_NONE;
        skip_space(p);
        char sign = *p->at;
        if (sign != '*' && sign != '/' && sign != '%') return PLN_OK;
        p->at++;
        PLN_TRY(parse_factor(p, &right));
        enum pln_dim_op op = sign == '*' ? PLN_DIM_MUL : sign == '/' ? PLN_DIM_FLOORDIV : PLN_DIM_MOD;
        *out = pln_dim_binary(p->table, op, *out, right);
    }
}

static enum pln_status parse_sum(struct parser *p, struct pln_dim *out)
{
    if (++p->depth > MAX_PARSE_DEPTH) return expected(p, "less nesting");
    skip_space(p);
    bool minus = *p->at == '-';
    if (minus) p->at++;
    PLN_TRY(parse_term(p, out));
    if (minus) *out = pln_dim_sub(p->table, pln_dim_const(p->table, 0), *out);
    for (;;) {
        struct pln_dim right = PLN_DIM_NONE;
        skip_space(p);
        char sign = *p->at;
        if (sign != '+' && sign != '-') break;
        p->at++;
        PLN_TRY(parse_term(p, &right));
        *out = sign == '+' ? pln_dim_add(p->table, *out, right) : pln_dim_sub(p->table, *out, right);
    }
    p->depth--;
    return PLN_OK;
}

enum pln_status pln_dim_parse(struct pln_dim_table *table, const char **text, struct pln_diag *diag, struct pln_dim *out_dim)
{
    struct parser p = { table, *text, diag, 0 };
    *out_dim = PLN_DIM_NONE;
    enum pln_status status = parse_sum(&p, out_dim);
    *text = p.at;
    if (status == PLN_OK && out_dim->id == UINT32_MAX) return pln_fail_memory(diag, "extent", sizeof(struct pln_dim_node));
    return status;
}
