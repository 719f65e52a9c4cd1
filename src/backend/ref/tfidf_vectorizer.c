#include "backend/ref/lookup.h"
#include "backend/ref/real.h"

/* Tokens become their last place in the pool, n-grams runs of such places, found by their bytes. */
struct vectorizer {
    struct pln_ref_lookup tokens;
    struct pln_map grams;   /* bytes of int64_t[n] -> number of the n-gram */
    int64_t min_length, max_length, max_skip, size;
    const int64_t *indexes; /* n-gram -> column */
    int64_t n_indexes;
    const float *weights;
    int64_t n_weights;
    bool counts, weighted; /* TF and TFIDF count; IDF and TFIDF weigh */
    int64_t *row, *gram;   /* tokens of a row, -1: unknown; one n-gram */
};

static enum pln_status read_attrs(struct pln_call *call, struct vectorizer *v)
{
    const char *mode = pln_attrs_string(call->attrs, "mode", "");
    memset(v, 0, sizeof(*v));
    v->min_length = pln_attrs_int(call->attrs, "min_gram_length", 1);
    v->max_length = pln_attrs_int(call->attrs, "max_gram_length", 1);
    v->max_skip = pln_attrs_int(call->attrs, "max_skip_count", 0);
    v->n_indexes = pln_attrs_ints(call->attrs, "ngram_indexes", &v->indexes);
    v->n_weights = pln_attrs_floats(call->attrs, "weights", &v->weights);
    v->counts = !pln_str_equal(mode, "IDF");
    v->weighted = !pln_str_equal(mode, "TF");
    if (v->counts && v->weighted && !pln_str_equal(mode, "TFIDF")) return pln_call_fail(call, PLN_BAD_MODEL, "mode is none of TF, IDF, TFIDF");
    if (v->min_length < 1 || v->max_length < v->min_length || v->max_skip < 0) {
        return pln_call_fail(call, PLN_BAD_MODEL, "min_gram_length %lld, max_gram_length %lld, max_skip_count %lld", (long long)v->min_length,
                             (long long)v->max_length, (long long)v->max_skip);
    }
    for (int64_t i = 0; i < v->n_indexes; i++) {
        if (v->indexes[i] < 0 || v->indexes[i] == INT64_MAX) return pln_call_fail(call, PLN_BAD_MODEL, "ngram_indexes holds %lld", (long long)v->indexes[i]);
        v->size = PLN_MAX(v->size, v->indexes[i] + 1);
    }
    if (v->n_weights != 0 && v->n_weights != v->n_indexes) return pln_call_fail(call, PLN_BAD_MODEL, "weights and ngram_indexes differ in length");
    return PLN_OK;
}

/* Puts the n-grams of one length, pool[first, end), into the map; *gram counts all n-grams. */
static enum pln_status add_grams(struct pln_call *call, struct vectorizer *v, const int64_t *pool, int64_t first, int64_t end, int64_t length, int64_t *gram)
{
    for (; first + length <= end; first += length, (*gram)++) {
        if (*gram >= v->n_indexes) return pln_call_fail(call, PLN_BAD_MODEL, "ngram_indexes has fewer entries than there are n-grams");
        if (length < v->min_length || length > v->max_length) continue;
        if (!pln_map_set(&v->grams, (const char *)(pool + first), (size_t)length * sizeof(int64_t), (uint32_t)*gram)) return pln_fail_memory(call->diag, "n-grams", (size_t)end);
    }
    return PLN_OK;
}

static enum pln_status read_pool(struct pln_call *call, struct vectorizer *v)
{
    struct pln_tensor pool;
    const int64_t *counts;
    int64_t n_counts = pln_attrs_ints(call->attrs, "ngram_counts", &counts), gram = 0;
    void *memory;
    if (!pln_ref_attr_tensor(call->attrs, "pool_int64s", &pool) && !pln_ref_attr_tensor(call->attrs, "pool_strings", &pool)) {
        return pln_call_fail(call, PLN_BAD_MODEL, "neither pool_int64s nor pool_strings is there");
    }
    int64_t n = pln_tensor_count(&pool);
    pln_ref_lookup_deinit(&v->tokens);
    PLN_TRY(pln_ref_lookup_init(call, &pool, &v->tokens));
    PLN_TRY(pln_call_scratch(call, (size_t)n, sizeof(int64_t), &memory));
    int64_t *places = memory;
    for (int64_t i = 0; i < n; i++) {
        uint32_t at;
        places[i] = pln_ref_lookup_find(&v->tokens, &pool, i, &at) ? (int64_t)at : -1;
    }
    for (int64_t i = 0; i < n_counts; i++) {
        int64_t end = i + 1 < n_counts ? counts[i + 1] : n;
        if (counts[i] < 0 || counts[i] > end || end > n) return pln_call_fail(call, PLN_BAD_MODEL, "ngram_counts does not rise within the pool");
        PLN_TRY(add_grams(call, v, places, counts[i], end, i + 1, &gram));
    }
    return PLN_OK;
}

/* Counts the n-grams of one row whose tokens stand `step` apart, from length `least` on. */
static void count_row(const struct vectorizer *v, int64_t tokens, int64_t step, int64_t least, float *out)
{
    for (int64_t first = 0; first < tokens; first++) {
        for (int64_t n = 1; n <= v->max_length; n++) {
            int64_t at = first + (n - 1) * step;
            uint32_t gram;
            if (at >= tokens || v->row[at] < 0) break;
            v->gram[n - 1] = v->row[at];
            if (n >= least && pln_map_get(&v->grams, (const char *)v->gram, (size_t)n * sizeof(int64_t), &gram)) out[v->indexes[gram]] += 1;
        }
    }
}

/* The weights go with the n-grams; NULL: all are 1. */
static enum pln_status weigh_columns(struct pln_call *call, const struct vectorizer *v, float **out_weights)
{
    void *memory;
    *out_weights = NULL;
    if (!v->weighted || v->n_weights == 0) return PLN_OK;
    PLN_TRY(pln_call_scratch(call, (size_t)v->size, sizeof(float), &memory));
    *out_weights = memory;
    for (int64_t i = 0; i < v->n_indexes; i++) (*out_weights)[v->indexes[i]] = v->weights[i];
    return PLN_OK;
}

static enum pln_status vectorize(struct pln_call *call, struct vectorizer *v, const struct pln_tensor *x, const struct pln_tensor *y)
{
    int64_t rows = x->rank == 2 ? x->dims[0] : 1, tokens = x->rank == 0 ? 1 : x->dims[x->rank - 1];
    void *memory;
    float *column_weights;
    PLN_TRY(read_pool(call, v));
    PLN_TRY(weigh_columns(call, v, &column_weights));
    PLN_TRY(pln_call_scratch(call, (size_t)tokens, sizeof(int64_t), &memory));
    v->row = memory;
    v->max_length = PLN_MIN(v->max_length, tokens);
    PLN_TRY(pln_call_scratch(call, (size_t)v->max_length, sizeof(int64_t), &memory));
    v->gram = memory;
    if (pln_tensor_count(y) == 0) return PLN_OK;
    memset(y->data, 0, pln_tensor_bytes(y));
    for (int64_t r = 0; r < rows; r++) {
        float *out = (float *)y->data + r * v->size;
        for (int64_t i = 0; i < tokens; i++) {
            uint32_t at;
            v->row[i] = pln_ref_lookup_find(&v->tokens, x, r * tokens + i, &at) ? (int64_t)at : -1;
        }
        /* Single tokens do not depend on the step and count once. */
        for (int64_t step = 1; step - 1 <= v->max_skip && step <= tokens; step++) count_row(v, tokens, step, step == 1 ? v->min_length : PLN_MAX(v->min_length, 2), out);
        for (int64_t c = 0; c < v->size; c++) out[c] = v->counts ? out[c] : out[c] > 0;
        for (int64_t c = 0; c < v->size && column_weights; c++) out[c] *= column_weights[c];
    }
    return PLN_OK;
}

enum pln_status pln_ref_tfidf_vectorizer(struct pln_call *call)
{
    const struct pln_tensor *x;
    struct vectorizer v;
    struct pln_tensor y;
    PLN_TRY(pln_call_need(call, 0, &x));
    PLN_TRY(read_attrs(call, &v));
    if (x->rank > 2 || pln_dtype_is_float(x->dtype)) return pln_call_fail(call, PLN_BAD_MODEL, "the input must be a vector or matrix of integers or strings");
    int64_t dims[2] = { x->rank == 2 ? x->dims[0] : v.size, v.size };
    PLN_TRY(pln_call_out(call, 0, PLN_F32, PLN_MAX(x->rank, 1), dims, &y));
    pln_map_init(&v.grams, call->heap->alloc);
    pln_map_init(&v.tokens.map, call->heap->alloc);
    enum pln_status status = vectorize(call, &v, x, &y);
    pln_map_deinit(&v.grams);
    pln_ref_lookup_deinit(&v.tokens);
    return status;
}
