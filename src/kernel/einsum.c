/* Parsing of Einsum equations. */
#include "kernel/einsum.h"

enum { ELLIPSIS = 255, LETTERS = 128 };

/* One term as written: letters, and ELLIPSIS where it stands. */
struct term {
    uint8_t at[PLN_MAX_RANK + 1];
    int n;
    bool ellipsis;
};

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Reads up to ',' or "->" or the end; *text is left there. */
static const char *read_term(const char **text, struct term *out)
{
    memset(out, 0, sizeof(*out));
    const char *c = *text;
    while (*c && *c != ',' && *c != '-') {
        if (*c == ' ') {
            c++;
            continue;
        }
        if (out->n == PLN_MAX_RANK + 1) return "a term has too many letters";
        if (c[0] == '.' && c[1] == '.' && c[2] == '.') {
            if (out->ellipsis) return "a term has two ellipses";
            out->ellipsis = true;
            out->at[out->n++] = ELLIPSIS;
            c += 3;
        } else if (is_letter(*c)) {
            out->at[out->n++] = (uint8_t)*c++;
        } else {
            return "the equation has a character that means nothing";
        }
    }
    *text = c;
    return NULL;
}

struct parse {
    struct term inputs[PLN_EINSUM_MAX_INPUTS], output;
    uint8_t label[LETTERS]; /* of a letter, plus 1; 0: none yet */
    int count[LETTERS];
    int n_letters, ellipsis; /* dims of the longest ellipsis */
};

static const char *read_inputs(const char **text, int n_inputs, const int *ranks, struct parse *p)
{
    for (int i = 0; i < n_inputs; i++) {
        const char *why = read_term(text, &p->inputs[i]);
        if (why) return why;
        if (i + 1 < n_inputs && *(*text)++ != ',') return "the equation has fewer terms than there are inputs";
        const struct term *term = &p->inputs[i];
        int letters = term->n - (term->ellipsis ? 1 : 0), rest = ranks[i] - letters;
        if (rest < 0 || (rest > 0 && !term->ellipsis)) return "a term does not have as many letters as its input has dims";
        p->ellipsis = PLN_MAX(p->ellipsis, rest);
        for (int k = 0; k < term->n; k++) {
            if (term->at[k] == ELLIPSIS) continue;
            if (!p->label[term->at[k]]) p->label[term->at[k]] = (uint8_t)++p->n_letters;
            p->count[term->at[k]]++;
        }
    }
    return NULL;
}

static const char *read_output(const char *text, struct parse *p)
{
    if (text[0] == '-' && text[1] == '>') {
        text += 2;
        const char *why = read_term(&text, &p->output);
        return why ? why : *text ? "the equation has more than one output" : NULL;
    }
    if (*text) return "the equation has more terms than there are inputs";
    if (p->ellipsis) p->output.at[p->output.n++] = ELLIPSIS;
    for (int c = 0; c < LETTERS; c++) {
        if (p->count[c] != 1) continue;
        if (p->output.n == PLN_MAX_RANK + 1) return "the output has too many dims";
        p->output.at[p->output.n++] = (uint8_t)c;
    }
    return NULL;
}

/* Labels of a term's dims; an ellipsis takes the last `rest` of its labels. */
static const char *place(const struct parse *p, const struct term *term, int rest, uint8_t *out_labels, int *out_rank)
{
    int rank = 0;
    for (int k = 0; k < term->n; k++) {
        bool ellipsis = term->at[k] == ELLIPSIS;
        int n = ellipsis ? rest : 1;
        if (rank + n > PLN_MAX_RANK) return "a term has too many dims";
        if (!ellipsis && !p->label[term->at[k]]) return "the output has a letter that no input has";
        for (int d = 0; d < n; d++)
            out_labels[rank++] = (uint8_t)(ellipsis ? p->n_letters + p->ellipsis - rest + d : p->label[term->at[k]] - 1);
    }
    *out_rank = rank;
    return NULL;
}

const char *pln_einsum_parse(const char *equation, int n_inputs, const int *ranks, struct pln_einsum *out)
{
    memset(out, 0, sizeof(*out));
    if (n_inputs < 1 || n_inputs > PLN_EINSUM_MAX_INPUTS) return "the number of inputs is out of range";
    struct parse p;
    memset(&p, 0, sizeof(p));
    const char *why = read_inputs(&equation, n_inputs, ranks, &p);
    if (!why) why = read_output(equation, &p);
    if (why) return why;
    out->n_inputs = n_inputs;
    out->n_labels = p.n_letters + p.ellipsis;
    for (int i = 0; i < n_inputs; i++) {
        int rank;
        const struct term *term = &p.inputs[i];
        why = place(&p, term, ranks[i] - (term->n - (term->ellipsis ? 1 : 0)), out->in[i], &rank);
        if (why) return why;
        out->in_rank[i] = (uint8_t)rank;
    }
    why = place(&p, &p.output, p.ellipsis, out->out, &out->out_rank);
    if (why) return why;
    uint8_t seen[PLN_EINSUM_MAX_LABELS] = { 0 };
    for (int d = 0; d < out->out_rank; d++)
        if (seen[out->out[d]]++) return "the output has a letter twice";
    return NULL;
}
