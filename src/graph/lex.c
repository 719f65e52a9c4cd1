#include "graph/text.h"

bool pln_char_is_bare(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '/';
}

bool pln_name_is_bare(const char *name)
{
    static const char *const words[] = { "in", "out", "const", "meta", "symbol", "origin", "state", "none", "tap", "as", "do", "_" };
    for (size_t i = 0; i < PLN_COUNT_OF(words); i++) {
        if (strcmp(name, words[i]) == 0) return false;
    }
    for (const char *c = name; *c; c++) {
        if (!pln_char_is_bare(*c)) return false;
    }
    return *name != 0;
}

enum pln_status pln_lex_fail(struct pln_lexer *lex, const char *wanted)
{
    int line = 1;
    for (const char *c = lex->start; c < lex->at; c++) line += *c == '\n';
    return pln_fail(lex->diag, PLN_INVALID_ARGUMENT, "graph text, line %d: expected %s at \"%.24s\"", line, wanted, lex->at);
}

enum pln_status pln_lex_no_memory(struct pln_lexer *lex)
{
    return pln_fail_memory(lex->diag, "graph text", (size_t)(lex->end - lex->start));
}

char pln_lex_peek(struct pln_lexer *lex)
{
    for (;; lex->at++) {
        if (*lex->at == ';') {
            while (*lex->at && *lex->at != '\n') lex->at++;
        }
        char c = *lex->at;
        if (c != ' ' && c != '\n' && c != '\r' && c != '\t') return c;
    }
}

bool pln_lex_accept(struct pln_lexer *lex, char c)
{
    if (pln_lex_peek(lex) != c) return false;
    lex->at++;
    return true;
}

enum pln_status pln_lex_expect(struct pln_lexer *lex, char c)
{
    char wanted[] = { '\'', c, '\'', 0 };
    return pln_lex_accept(lex, c) ? PLN_OK : pln_lex_fail(lex, wanted);
}

static size_t bare_bytes(struct pln_lexer *lex)
{
    size_t n = 0;
    (void)pln_lex_peek(lex);
    while (pln_char_is_bare(lex->at[n])) n++;
    return n;
}

bool pln_lex_word(struct pln_lexer *lex, const char *word)
{
    size_t n = bare_bytes(lex);
    if (n == 0 || n != strlen(word) || memcmp(lex->at, word, n) != 0) return false;
    lex->at += n;
    return true;
}

enum pln_status pln_lex_name(struct pln_lexer *lex, const char **out_name)
{
    size_t n = bare_bytes(lex);
    *out_name = NULL;
    if (*lex->at == '"') return pln_lex_text(lex, out_name);
    if (n == 0) return pln_lex_fail(lex, "a name");
    *out_name = pln_arena_text(lex->arena, lex->at, n);
    if (!*out_name) return pln_lex_no_memory(lex);
    lex->at += n;
    return PLN_OK;
}

enum pln_status pln_lex_number(struct pln_lexer *lex, char *buffer, size_t buffer_bytes)
{
    size_t n = 0;
    (void)pln_lex_peek(lex);
    while (pln_char_is_bare(lex->at[n]) || (lex->at[n] && strchr("+-#", lex->at[n]))) n++;
    buffer[0] = 0;
    if (n == 0 || n >= buffer_bytes) return pln_lex_fail(lex, "a number");
    memcpy(buffer, lex->at, n);
    buffer[n] = 0;
    lex->at += n;
    return PLN_OK;
}

enum pln_status pln_lex_i64(struct pln_lexer *lex, int64_t *out_value)
{
    char token[64];
    *out_value = 0;
    PLN_TRY(pln_lex_number(lex, token, sizeof(token)));
    return pln_parse_i64(token, out_value) ? PLN_OK : pln_lex_fail(lex, "an integer before this,");
}

enum pln_status pln_lex_string(struct pln_lexer *lex, struct pln_string *out_string)
{
    struct pln_text text;
    *out_string = (struct pln_string){ "", 0 };
    (void)pln_lex_peek(lex);
    pln_text_init(&text, lex->arena->alloc);
    bool ok = pln_text_unquote(&text, &lex->at, lex->end);
    bool memory = !text.failed;
    if (ok && memory) {
        out_string->data = pln_arena_text(lex->arena, text.data, text.size_bytes);
        out_string->size_bytes = text.size_bytes;
        memory = out_string->data != NULL;
    }
    pln_text_deinit(&text);
    if (!memory) return pln_lex_no_memory(lex);
    return ok ? PLN_OK : pln_lex_fail(lex, "a quoted string");
}

enum pln_status pln_lex_text(struct pln_lexer *lex, const char **out_text)
{
    struct pln_string string;
    *out_text = "";
    PLN_TRY(pln_lex_string(lex, &string));
    if (memchr(string.data, 0, string.size_bytes)) return pln_lex_fail(lex, "no zero byte before this,");
    *out_text = string.data;
    return PLN_OK;
}

enum pln_status pln_lex_dtype(struct pln_lexer *lex, enum pln_dtype *out_dtype)
{
    char name[16] = { 0 };
    size_t n = bare_bytes(lex);
    *out_dtype = PLN_DTYPE_NONE;
    if (pln_lex_accept(lex, '?')) return PLN_OK;
    if (n >= sizeof(name)) return pln_lex_fail(lex, "an element type");
    memcpy(name, lex->at, n);
    if (!pln_dtype_find(name, out_dtype)) return pln_lex_fail(lex, "an element type");
    lex->at += n;
    return PLN_OK;
}
