/* StringConcat, StringNormalizer, StringSplit. */
#include "backend/ref/elems.h"
#include "base/text.h"

static enum pln_status need_strings(struct pln_call *call, int i, const struct pln_tensor **out_tensor)
{
    PLN_TRY(pln_call_need(call, i, out_tensor));
    if ((*out_tensor)->dtype == PLN_STR) return PLN_OK;
    return pln_call_fail(call, PLN_BAD_MODEL, "input %d is %s, not str", i, pln_dtype_name((*out_tensor)->dtype));
}

static bool equal(struct pln_string a, struct pln_string b)
{
    return a.size_bytes == b.size_bytes && (a.size_bytes == 0 || memcmp(a.data, b.data, a.size_bytes) == 0);
}

static void broadcast_strides(const struct pln_tensor *in, int rank, int64_t *strides)
{
    for (int d = 0; d < rank; d++) {
        int from = d - (rank - in->rank);
        strides[d] = from >= 0 && in->dims[from] != 1 ? in->strides[from] : 0;
    }
}

enum pln_status pln_ref_string_concat(struct pln_call *call)
{
    const struct pln_tensor *a, *b;
    struct pln_tensor out;
    int64_t dims[PLN_MAX_RANK], a_strides[PLN_MAX_RANK], b_strides[PLN_MAX_RANK];
    int rank;
    PLN_TRY(need_strings(call, 0, &a));
    PLN_TRY(need_strings(call, 1, &b));
    if (!pln_shape_broadcast(a->rank, a->dims, b->rank, b->dims, &rank, dims)) return pln_call_fail(call, PLN_BAD_MODEL, "the inputs do not broadcast");
    PLN_TRY(pln_call_out(call, 0, PLN_STR, rank, dims, &out));
    broadcast_strides(a, rank, a_strides);
    broadcast_strides(b, rank, b_strides);
    int64_t count = pln_tensor_count(&out);
    for (int64_t i = 0; i < count; i++) {
        int64_t a_at = 0, b_at = 0;
        for (int d = 0; d < rank; d++) {
            int64_t index = i / out.strides[d] % dims[d];
            a_at += index * a_strides[d];
            b_at += index * b_strides[d];
        }
        struct pln_string x = ((const struct pln_string *)a->data)[a_at], y = ((const struct pln_string *)b->data)[b_at];
        void *memory;
        PLN_TRY(pln_call_scratch(call, x.size_bytes + y.size_bytes, 1, &memory));
        if (x.size_bytes) memcpy(memory, x.data, x.size_bytes);
        if (y.size_bytes) memcpy((char *)memory + x.size_bytes, y.data, y.size_bytes);
        PLN_TRY(pln_call_string(call, 0, memory, x.size_bytes + y.size_bytes, (struct pln_string *)out.data + i));
    }
    return PLN_OK;
}

/* ---- StringNormalizer ---- */

/* Upper and lower case of ASCII, Latin-1, Latin Extended-A, Greek and Cyrillic letters (Unicode 15, UnicodeData.txt), without the few whose
 * cases differ in length. */
static uint32_t to_lower(uint32_t c)
{
    if ((c >= 'A' && c <= 'Z') || (c >= 0xc0 && c <= 0xde && c != 0xd7) || (c >= 0x391 && c <= 0x3a9 && c != 0x3a2) || (c >= 0x410 && c <= 0x42f)) return c + 32;
    if (c >= 0x400 && c <= 0x40f) return c + 80;
    if (c == 0x178) return 0xff;
    bool odd_upper = (c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e);
    bool even_upper = (c >= 0x100 && c <= 0x137 && c != 0x130 && c != 0x131) || (c >= 0x14a && c <= 0x177) || (c >= 0x460 && c <= 0x481);
    return (odd_upper && c % 2 == 1) || (even_upper && c % 2 == 0) ? c + 1 : c;
}

static uint32_t to_upper(uint32_t c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 0xe0 && c <= 0xfe && c != 0xf7) || (c >= 0x3b1 && c <= 0x3c9 && c != 0x3c2) || (c >= 0x430 && c <= 0x44f)) return c - 32;
    if (c >= 0x450 && c <= 0x45f) return c - 80;
    if (c == 0xff) return 0x178;
    bool upper_before = c > 0x100 && to_lower(c - 1) == c;
    return upper_before ? c - 1 : c;
}

/* The string with every two-byte or one-byte letter mapped; all mappings keep the number of bytes. */
static enum pln_status change_case(struct pln_call *call, struct pln_string in, bool upper, struct pln_string *out)
{
    void *memory;
    PLN_TRY(pln_call_scratch(call, in.size_bytes, 1, &memory));
    uint8_t *to = memory;
    const uint8_t *from = (const uint8_t *)in.data;
    for (size_t i = 0; i < in.size_bytes; i++) {
        bool pair = (from[i] & 0xe0) == 0xc0 && i + 1 < in.size_bytes && (from[i + 1] & 0xc0) == 0x80;
        uint32_t c = pair ? (uint32_t)(from[i] & 0x1f) << 6 | (from[i + 1] & 0x3f) : from[i];
        uint32_t mapped = !pair && c >= 0x80 ? c : upper ? to_upper(c) : to_lower(c);
        if (!pair) {
            to[i] = (uint8_t)mapped;
            continue;
        }
        to[i] = (uint8_t)(0xc0 | mapped >> 6);
        to[++i] = (uint8_t)(0x80 | (mapped & 0x3f));
    }
    *out = (struct pln_string){ memory, in.size_bytes };
    return PLN_OK;
}

/* Is the string a stop word? folded: compare without regard to case; the words are lower case then. */
static enum pln_status is_stop(struct pln_call *call, const struct pln_string *words, int64_t n, bool folded, struct pln_string s, bool *out_stop)
{
    *out_stop = false;
    if (folded && n > 0) PLN_TRY(change_case(call, s, false, &s));
    for (int64_t i = 0; i < n && !*out_stop; i++) *out_stop = equal(words[i], s);
    return PLN_OK;
}

static enum pln_status read_stops(struct pln_call *call, bool folded, const struct pln_string **out_words, int64_t *out_n)
{
    const struct pln_attr *attr = pln_attrs_find(call->attrs, "stopwords");
    void *memory;
    *out_words = NULL;
    *out_n = attr && attr->kind == PLN_ATTR_STRINGS ? attr->n : 0;
    if (*out_n == 0) return PLN_OK;
    PLN_TRY(pln_call_scratch(call, (size_t)*out_n, sizeof(struct pln_string), &memory));
    struct pln_string *words = memory;
    for (int64_t i = 0; i < *out_n; i++) {
        words[i] = attr->u.strings[i];
        if (folded) PLN_TRY(change_case(call, words[i], false, &words[i]));
    }
    *out_words = words;
    return PLN_OK;
}

enum pln_status pln_ref_string_normalizer(struct pln_call *call)
{
    const struct pln_tensor *in;
    struct pln_tensor out;
    const struct pln_string *words;
    const char *action = pln_attrs_string(call->attrs, "case_change_action", "NONE");
    bool folded = pln_attrs_int(call->attrs, "is_case_sensitive", 0) == 0, upper = strcmp(action, "UPPER") == 0;
    int64_t n_words, kept = 0;
    void *memory;
    PLN_TRY(need_strings(call, 0, &in));
    PLN_TRY(read_stops(call, folded, &words, &n_words));
    if (in->rank < 1 || in->rank > 2 || (in->rank == 2 && in->dims[0] != 1)) return pln_call_fail(call, PLN_BAD_MODEL, "the input is neither [c] nor [1,c]");
    int64_t n = pln_tensor_count(in);
    PLN_TRY(pln_call_scratch(call, (size_t)n + 1, sizeof(struct pln_string), &memory));
    struct pln_string *strings = memory;
    for (int64_t i = 0; i < n; i++) {
        bool stop;
        struct pln_string s = ((const struct pln_string *)in->data)[i];
        PLN_TRY(is_stop(call, words, n_words, folded, s, &stop));
        if (stop) continue;
        if (upper || strcmp(action, "LOWER") == 0) PLN_TRY(change_case(call, s, upper, &s));
        strings[kept++] = s;
    }
    int64_t dims[2] = { 1, PLN_MAX(kept, 1) };
    PLN_TRY(pln_call_out(call, 0, PLN_STR, in->rank, in->rank == 1 ? &dims[1] : dims, &out));
    for (int64_t i = 0; i < dims[1]; i++) {
        PLN_TRY(pln_call_string(call, 0, strings[i].data, strings[i].size_bytes, (struct pln_string *)out.data + i));
    }
    return PLN_OK;
}

/* ---- StringSplit ---- */

struct splitter {
    const char *delimiter; /* "": runs of white space */
    size_t delimiter_bytes;
    int64_t most; /* splits at most; INT64_MAX: any number */
};

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Takes the next part off *rest; false: there is none. done counts the splits made so far. */
static bool next_part(const struct splitter *s, int64_t done, bool *ended, struct pln_string *rest, struct pln_string *part)
{
    const char *p = rest->data, *end = p + rest->size_bytes, *stop;
    if (*ended) return false;
    if (s->delimiter_bytes == 0) {
        while (p < end && is_space(*p)) p++;
        if (p == end) return false;
        stop = p;
        while (stop < end && (done >= s->most || !is_space(*stop))) stop++;
        if (done >= s->most) {
            while (is_space(stop[-1])) stop--;
        }
        *part = (struct pln_string){ p, (size_t)(stop - p) };
        *rest = (struct pln_string){ stop, done >= s->most ? 0 : (size_t)(end - stop) };
        return true;
    }
    stop = p;
    while (done < s->most && (size_t)(end - stop) >= s->delimiter_bytes && memcmp(stop, s->delimiter, s->delimiter_bytes) != 0) stop++;
    *ended = done >= s->most || (size_t)(end - stop) < s->delimiter_bytes;
    *part = (struct pln_string){ p, *ended ? rest->size_bytes : (size_t)(stop - p) };
    *rest = *ended ? (struct pln_string){ end, 0 } : (struct pln_string){ stop + s->delimiter_bytes, (size_t)(end - stop) - s->delimiter_bytes };
    return true;
}

/* Parts of s into strings (NULL: only counts). */
static int64_t split_one(const struct splitter *s, struct pln_string text, struct pln_string *strings)
{
    int64_t n = 0;
    bool ended = false;
    struct pln_string rest = { text.data ? text.data : "", text.size_bytes }, part;
    while (next_part(s, n, &ended, &rest, &part)) {
        if (strings) strings[n] = part;
        n++;
    }
    return n;
}

enum pln_status pln_ref_string_split(struct pln_call *call)
{
    const struct pln_tensor *in;
    struct pln_tensor parts, counts;
    int64_t dims[PLN_MAX_RANK + 1], width = 0;
    struct splitter s = { .delimiter = pln_attrs_string(call->attrs, "delimiter", ""), .most = pln_attrs_int(call->attrs, "maxsplit", -1) };
    s.delimiter_bytes = strlen(s.delimiter);
    if (s.most < 0) s.most = INT64_MAX;
    PLN_TRY(need_strings(call, 0, &in));
    if (in->rank >= PLN_MAX_RANK) return pln_call_fail(call, PLN_BAD_MODEL, "the result would have rank %d", in->rank + 1);
    PLN_TRY(pln_call_out(call, 1, PLN_I64, in->rank, in->dims, &counts));
    int64_t count = pln_tensor_count(in), *n = counts.data;
    const struct pln_string *texts = in->data;
    for (int64_t i = 0; i < count; i++) {
        n[i] = split_one(&s, texts[i], NULL);
        width = PLN_MAX(width, n[i]);
    }
    memcpy(dims, in->dims, sizeof in->dims);
    dims[in->rank] = width;
    PLN_TRY(pln_call_out(call, 0, PLN_STR, in->rank + 1, dims, &parts));
    struct pln_string *to = parts.data;
    if (width > 0 && count > 0) memset(to, 0, pln_tensor_bytes(&parts));
    for (int64_t i = 0; width > 0 && i < count; i++) {
        split_one(&s, texts[i], to + i * width);
        for (int64_t k = 0; k < n[i]; k++) {
            struct pln_string part = to[i * width + k];
            PLN_TRY(pln_call_string(call, 0, part.data, part.size_bytes, &to[i * width + k]));
        }
    }
    return PLN_OK;
}
