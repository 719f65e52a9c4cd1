#include "backend/ref/regex.h"

#include "backend/ref/elems.h"

enum inst_op { INST_SET, INST_SPLIT, INST_JUMP, INST_ASSERT, INST_MATCH };
enum assertion { ASSERT_BEGIN, ASSERT_END, ASSERT_BOUNDARY, ASSERT_INSIDE };

/* Jumps are relative, so that code can be moved and copied. */
struct pln_regex_inst {
    uint8_t op;
    bool negated, folded; /* SET */
    int32_t x, y;         /* SET: ranges [x, x + y); SPLIT: both ways; JUMP: x; ASSERT: x is which */
};
struct pln_regex_range {
    uint32_t low, high;
};

enum { DEPTH_MAX = 128, REPEAT_MAX = 1000, NO_CHAR = -1 };

struct parser {
    struct pln_regex *regex;
    struct pln_call *call;
    const char *p; /* ends with a zero */
    int depth;
    bool folded;
};

static enum pln_status wrong(struct parser *s, const char *what)
{
    return pln_call_fail(s->call, PLN_BAD_MODEL, "pattern: %s before '%.20s'", what, s->p);
}

static enum pln_status not_built(struct parser *s, const char *what)
{
    return pln_call_fail(s->call, PLN_UNSUPPORTED, "pattern: %s at '%.20s'", what, s->p);
}

/* The next character of UTF-8 text; a byte that is no UTF-8 stands for itself. */
static uint32_t next_char(const char **text, const char *end)
{
    const uint8_t *p = (const uint8_t *)*text;
    int more = p[0] >= 0xf0 ? 3 : p[0] >= 0xe0 ? 2 : p[0] >= 0xc0 ? 1 : 0;
    uint32_t c = more ? p[0] & (0x3fu >> more) : p[0];
    for (int i = 1; i <= more; i++) {
        if (*text + i >= end || (p[i] & 0xc0) != 0x80) {
            *text += 1;
            return p[0];
        }
        c = c << 6 | (p[i] & 0x3f);
    }
    *text += more + 1;
    return c;
}

static enum pln_status emit(struct parser *s, struct pln_regex_inst inst)
{
    if (s->regex->n >= PLN_REGEX_MAX) return pln_call_fail(s->call, PLN_UNSUPPORTED, "the pattern is too large");
    s->regex->code[s->regex->n++] = inst;
    return PLN_OK;
}

static enum pln_status insert(struct parser *s, int32_t at, struct pln_regex_inst inst)
{
    PLN_TRY(emit(s, inst));
    struct pln_regex_inst *code = s->regex->code;
    memmove(&code[at + 1], &code[at], (size_t)(s->regex->n - 1 - at) * sizeof *code);
    code[at] = inst;
    return PLN_OK;
}

static enum pln_status emit_copy(struct parser *s, int32_t from, int32_t length)
{
    for (int32_t i = 0; i < length; i++) PLN_TRY(emit(s, s->regex->code[from + i]));
    return PLN_OK;
}

/* ---- sets ---- */

static enum pln_status add_range(struct parser *s, uint32_t low, uint32_t high)
{
    if (s->regex->n_ranges >= PLN_REGEX_MAX) return pln_call_fail(s->call, PLN_UNSUPPORTED, "the pattern is too large");
    s->regex->ranges[s->regex->n_ranges++] = (struct pln_regex_range){ low, high };
    return PLN_OK;
}

/* \d \w \s; upper case: everything else. false: the letter is none of them. */
static bool is_set_letter(char c)
{
    return c != 0 && strchr("dwsDWS", c) != NULL;
}

static enum pln_status add_set_letter(struct parser *s, char letter)
{
    static const struct pln_regex_range digits[] = { { '0', '9' } }, spaces[] = { { '\t', '\n' }, { '\f', '\r' }, { ' ', ' ' } };
    static const struct pln_regex_range words[] = { { '0', '9' }, { 'A', 'Z' }, { '_', '_' }, { 'a', 'z' } };
    bool digit = letter == 'd' || letter == 'D', word = letter == 'w' || letter == 'W', others = letter < 'a';
    const struct pln_regex_range *ranges = digit ? digits : word ? words : spaces;
    size_t n = digit ? PLN_COUNT_OF(digits) : word ? PLN_COUNT_OF(words) : PLN_COUNT_OF(spaces);
    uint32_t from = 0;
    for (size_t i = 0; i < n; i++) {
        if (!others) PLN_TRY(add_range(s, ranges[i].low, ranges[i].high));
        else PLN_TRY(add_range(s, from, ranges[i].low - 1));
        from = ranges[i].high + 1;
    }
    return others ? add_range(s, from, UINT32_MAX) : PLN_OK;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* After "\x": two digits, or any number in braces. */
static enum pln_status read_hex(struct parser *s, uint32_t *out)
{
    bool braces = *s->p == '{';
    int digits = 0;
    *out = 0;
    s->p += braces;
    for (; digits < (braces ? 6 : 2) && hex_digit(*s->p) >= 0; digits++) *out = *out * 16 + (uint32_t)hex_digit(*s->p++);
    if (digits == 0 || (!braces && digits != 2) || (braces && *s->p != '}')) return wrong(s, "a bad \\x");
    s->p += braces;
    return PLN_OK;
}

/* A character, perhaps escaped, p at the character or behind the backslash. */
static enum pln_status read_escaped(struct parser *s, uint32_t *out)
{
    static const char letters[] = "nrtfva", values[] = "\n\r\t\f\v\a";
    char c = *s->p;
    const char *at = c ? strchr(letters, c) : NULL;
    if (c == 0) return wrong(s, "a lone backslash");
    s->p++;
    *out = (uint8_t)c;
    if (at) *out = (uint8_t)values[at - letters];
    else if (c == 'x') return read_hex(s, out);
    else if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) return not_built(s, "an escape that is not built,");
    return PLN_OK;
}

static enum pln_status read_char(struct parser *s, uint32_t *out)
{
    if (*s->p == '\\') {
        s->p++;
        return read_escaped(s, out);
    }
    *out = next_char(&s->p, s->p + strlen(s->p));
    return PLN_OK;
}

/* Behind the '['. */
static enum pln_status parse_set(struct parser *s)
{
    struct pln_regex_inst inst = { .op = INST_SET, .folded = s->folded, .x = s->regex->n_ranges };
    if (*s->p == '^') {
        inst.negated = true;
        s->p++;
    }
    for (bool first = true; *s->p != ']' || first; first = false) {
        uint32_t low, high;
        if (*s->p == 0) return wrong(s, "a class without an end");
        if (s->p[0] == '[' && s->p[1] == ':') return not_built(s, "a named class");
        if (s->p[0] == '\\' && is_set_letter(s->p[1])) {
            PLN_TRY(add_set_letter(s, s->p[1]));
            s->p += 2;
            continue;
        }
        PLN_TRY(read_char(s, &low));
        high = low;
        if (s->p[0] == '-' && s->p[1] != ']' && s->p[1] != 0) {
            s->p++;
            PLN_TRY(read_char(s, &high));
            if (high < low) return wrong(s, "a range from high to low");
        }
        PLN_TRY(add_range(s, low, high));
    }
    s->p++;
    inst.y = s->regex->n_ranges - inst.x;
    return emit(s, inst);
}

/* ---- structure ---- */

static enum pln_status parse_choice(struct parser *s);

/* Behind the '('. */
static enum pln_status parse_group(struct parser *s)
{
    bool folded = s->folded;
    if (*s->p == '?') {
        if (s->p[1] == 'i' && s->p[2] == ')') { /* to the end of the group around */
            s->folded = true;
            s->p += 3;
            return PLN_OK;
        }
        const char *name = s->p[1] == 'P' && s->p[2] == '<' ? strchr(s->p, '>') : NULL;
        if (name) s->p = name + 1;
        else if (s->p[1] == ':') s->p += 2;
        else return not_built(s, "a group of a kind that is not built,");
    }
    if (++s->depth > DEPTH_MAX) return pln_call_fail(s->call, PLN_UNSUPPORTED, "pattern: groups are nested too deep");
    PLN_TRY(parse_choice(s));
    s->depth--;
    s->folded = folded;
    if (*s->p != ')') return wrong(s, "a group without an end");
    s->p++;
    return PLN_OK;
}

static enum pln_status parse_atom(struct parser *s)
{
    struct pln_regex_inst set = { .op = INST_SET, .folded = s->folded, .x = s->regex->n_ranges, .y = 1 };
    char c = *s->p, after = c ? s->p[1] : 0;
    uint32_t value;
    if (strchr("*+?", c)) return wrong(s, "nothing to repeat");
    if (c == '(' || c == '[') {
        s->p++;
        return c == '(' ? parse_group(s) : parse_set(s);
    }
    if (c == '^' || c == '$' || (c == '\\' && after != 0 && strchr("AzbB", after))) {
        char name = c == '^' ? 'A' : c == '$' ? 'z' : after;
        enum assertion which = name == 'A' ? ASSERT_BEGIN : name == 'z' ? ASSERT_END : name == 'b' ? ASSERT_BOUNDARY : ASSERT_INSIDE;
        s->p += c == '\\' ? 2 : 1;
        return emit(s, (struct pln_regex_inst){ .op = INST_ASSERT, .x = which });
    }
    if (c == '\\' && is_set_letter(after)) {
        s->p += 2;
        PLN_TRY(add_set_letter(s, after));
        set.y = s->regex->n_ranges - set.x;
        return emit(s, set);
    }
    if (c == '.') {
        s->p++;
        set.negated = true;
        PLN_TRY(add_range(s, '\n', '\n'));
        return emit(s, set);
    }
    PLN_TRY(read_char(s, &value));
    PLN_TRY(add_range(s, value, value));
    return emit(s, set);
}

/* "{m}", "{m,}", "{m,n}"; false: a brace that is just a character. max -1: no limit. */
static bool read_counts(const char **p, int *min, int *max)
{
    const char *at = *p + 1;
    *min = 0;
    if (*at < '0' || *at > '9') return false;
    for (; *at >= '0' && *at <= '9'; at++) *min = PLN_MIN(*min * 10 + (*at - '0'), REPEAT_MAX + 1);
    *max = *min;
    if (*at == ',') {
        at++;
        *max = *at == '}' ? -1 : 0;
        for (; *at >= '0' && *at <= '9'; at++) *max = PLN_MIN(*max * 10 + (*at - '0'), REPEAT_MAX + 1);
    }
    if (*at != '}') return false;
    *p = at + 1;
    return true;
}

/* Writes the repetition of code [start, n) out. */
static enum pln_status repeat(struct parser *s, int32_t start, int min, int max)
{
    int32_t length = s->regex->n - start, body = start;
    for (int i = 1; i < min; i++) PLN_TRY(emit_copy(s, start, length));
    if (max < 0 && min > 0) return emit(s, (struct pln_regex_inst){ .op = INST_SPLIT, .x = -length, .y = 1 });
    if (min == 0) {
        if (max == 0) {
            s->regex->n = start;
            return PLN_OK;
        }
        PLN_TRY(insert(s, start, (struct pln_regex_inst){ .op = INST_SPLIT, .x = 1, .y = length + (max < 0 ? 2 : 1) }));
        if (max < 0) return emit(s, (struct pln_regex_inst){ .op = INST_JUMP, .x = -(length + 1) });
        body = start + 1;
    }
    for (int i = PLN_MAX(min, 1); i < max; i++) {
        PLN_TRY(emit(s, (struct pln_regex_inst){ .op = INST_SPLIT, .x = 1, .y = length + 1 }));
        PLN_TRY(emit_copy(s, body, length));
    }
    return PLN_OK;
}

static enum pln_status parse_repeat(struct parser *s)
{
    int32_t start = s->regex->n;
    PLN_TRY(parse_atom(s));
    for (;;) {
        int min = *s->p == '+', max = *s->p == '?' ? 1 : -1;
        bool counted = *s->p == '{' && read_counts(&s->p, &min, &max);
        if (!counted) {
            if (*s->p == 0 || !strchr("*+?", *s->p)) return PLN_OK;
            s->p++;
        }
        if (min > REPEAT_MAX || max > REPEAT_MAX || (max >= 0 && max < min)) return wrong(s, "a bad number of repetitions");
        PLN_TRY(repeat(s, start, min, max));
        if (*s->p == '?') s->p++; /* which of several ways matches makes no difference here */
    }
}

static enum pln_status parse_choice(struct parser *s)
{
    int32_t start = s->regex->n, last_jump = -1;
    for (;;) {
        while (*s->p && *s->p != '|' && *s->p != ')') PLN_TRY(parse_repeat(s));
        if (*s->p != '|') break;
        s->p++;
        int32_t length = s->regex->n - start;
        PLN_TRY(insert(s, start, (struct pln_regex_inst){ .op = INST_SPLIT, .x = 1, .y = length + 2 }));
        /* Until the end of the choice is known, each jump to it holds the place of the one before. */
        PLN_TRY(emit(s, (struct pln_regex_inst){ .op = INST_JUMP, .x = last_jump }));
        last_jump = s->regex->n - 1;
        start = s->regex->n;
    }
    while (last_jump >= 0) {
        int32_t before = s->regex->code[last_jump].x;
        s->regex->code[last_jump].x = s->regex->n - last_jump;
        last_jump = before;
    }
    return PLN_OK;
}

enum pln_status pln_regex_init(struct pln_regex *regex, struct pln_call *call, const char *pattern)
{
    struct parser s = { .regex = regex, .call = call, .p = pattern };
    void *memory[6];
    static const size_t bytes[6] = { sizeof(struct pln_regex_inst), sizeof(struct pln_regex_range), 4, 4, 2 * 4, 4 };
    *regex = (struct pln_regex){ .n = 0 };
    for (int i = 0; i < 6; i++) PLN_TRY(pln_call_scratch(call, PLN_REGEX_MAX + 1, bytes[i], &memory[i]));
    regex->code = memory[0];
    regex->ranges = memory[1];
    regex->threads = memory[2];
    regex->next = memory[3];
    regex->stack = memory[4];
    regex->seen = memory[5];
    PLN_TRY(parse_choice(&s));
    if (*s.p) return wrong(&s, "a group that ends without a beginning");
    return emit(&s, (struct pln_regex_inst){ .op = INST_MATCH });
}

/* ---- matching ---- */

static bool in_ranges(const struct pln_regex *regex, const struct pln_regex_inst *inst, uint32_t c)
{
    for (int32_t i = inst->x; i < inst->x + inst->y; i++) {
        if (c >= regex->ranges[i].low && c <= regex->ranges[i].high) return true;
    }
    return false;
}

static bool accepts(const struct pln_regex *regex, const struct pln_regex_inst *inst, uint32_t c)
{
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return (in_ranges(regex, inst, c) || (inst->folded && letter && in_ranges(regex, inst, c ^ 0x20))) != inst->negated;
}

static bool is_word(int64_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool holds(int32_t which, int64_t before, int64_t after)
{
    switch ((enum assertion)which) {
    case ASSERT_BEGIN: return before == NO_CHAR;
    case ASSERT_END: return after == NO_CHAR;
    case ASSERT_BOUNDARY: return is_word(before) != is_word(after);
    case ASSERT_INSIDE: return is_word(before) == is_word(after);
    }
    return false;
}

/* Adds all SET and MATCH instructions that `at` leads to between two characters. */
static void follow(struct pln_regex *regex, int32_t *list, int32_t *n, int32_t at, int64_t before, int64_t after)
{
    int32_t top = 0;
    regex->stack[top++] = at;
    while (top > 0) {
        at = regex->stack[--top];
        if (regex->seen[at] == regex->generation) continue;
        regex->seen[at] = regex->generation;
        const struct pln_regex_inst *inst = &regex->code[at];
        switch ((enum inst_op)inst->op) {
        case INST_JUMP: regex->stack[top++] = at + inst->x; break;
        case INST_SPLIT:
            regex->stack[top++] = at + inst->x;
            regex->stack[top++] = at + inst->y;
            break;
        case INST_ASSERT:
            if (holds(inst->x, before, after)) regex->stack[top++] = at + 1;
            break;
        case INST_SET:
        case INST_MATCH: list[(*n)++] = at; break;
        }
    }
}

bool pln_regex_match(struct pln_regex *regex, const char *text, size_t size_bytes)
{
    const char *p = text ? text : "", *end = p + size_bytes;
    int64_t before = NO_CHAR, c;
    int32_t n = 0;
    for (const char *here = p;; before = c) {
        c = here < end ? (int64_t)next_char(&here, end) : NO_CHAR;
        int32_t kept = 0;
        regex->generation++;
        if (before == NO_CHAR) {
            follow(regex, regex->threads, &n, 0, before, c);
        } else {
            for (int32_t i = 0; i < n; i++) {
                const struct pln_regex_inst *inst = &regex->code[regex->threads[i]];
                if (inst->op == INST_SET && accepts(regex, inst, (uint32_t)before)) follow(regex, regex->next, &kept, regex->threads[i] + 1, before, c);
            }
            int32_t *swap = regex->threads;
            regex->threads = regex->next;
            regex->next = swap;
            n = kept;
        }
        if (c == NO_CHAR || n == 0) break;
    }
    for (int32_t i = 0; c == NO_CHAR && i < n; i++) {
        if (regex->code[regex->threads[i]].op == INST_MATCH) return true;
    }
    return false;
}

enum pln_status pln_ref_regex_full_match(struct pln_call *call)
{
    const struct pln_tensor *in;
    struct pln_tensor out;
    struct pln_regex regex = { .n = 0 };
    PLN_TRY(pln_call_need(call, 0, &in));
    if (in->dtype != PLN_STR) return pln_call_fail(call, PLN_BAD_MODEL, "input 0 is %s, not str", pln_dtype_name(in->dtype));
    PLN_TRY(pln_regex_init(&regex, call, pln_attrs_string(call->attrs, "pattern", "")));
    PLN_TRY(pln_call_out(call, 0, PLN_BOOL, in->rank, in->dims, &out));
    const struct pln_string *texts = in->data;
    int64_t n = pln_tensor_count(in);
    for (int64_t i = 0; i < n; i++) ((uint8_t *)out.data)[i] = pln_regex_match(&regex, texts[i].data, texts[i].size_bytes);
    return PLN_OK;
}
