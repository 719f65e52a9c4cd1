/* Outputs beside the result: keys and values together with those of the past, and scores. See attention.cuh. */

#ifdef PLN_PRESENT
#define PRESENT_ROWS 64 /* a task */

template <typename T> PLN_INLINE void pln_attention_copy(const T *from, const struct pln_attention_rows *to, int64_t b, int64_t head, int64_t t, int64_t size)
{
    T *out = (T *)to->data + pln_attention_at(to, b, head, t);
    for (int64_t d = threadIdx.x % 32; d < size; d += 32) out[d * to->col_stride] = from[d];
}

/* A warp takes a row of one head. */
PLN_INLINE void pln_attention_write_present(const struct pln_attention_params *p, int64_t task)
{
    for (int64_t part = threadIdx.x / 32; part < PRESENT_ROWS; part += THREADS / 32) {
        const int64_t row = task * PRESENT_ROWS + part;
        if (row >= p->batch * p->kv_heads * p->total) break;
        const int64_t t = row % p->total, head = row / p->total % p->kv_heads, b = row / p->total / p->kv_heads;
        const PLN_K *key = pln_attention_key_at(p, b, head, t);
        const PLN_V *value = pln_attention_value_at(p, b, head, t);
        if (p->present_k.data && key) pln_attention_copy(key, &p->present_k, b, head, t, p->size);
        if (p->present_v.data && value) pln_attention_copy(value, &p->present_v, b, head, t, p->v_size);
    }
}
#endif

#ifdef PLN_SCORES
/* One query's score with key t as it is in `mode`. */
PLN_INLINE float pln_attention_score(const struct pln_attention_params *p, const struct pln_attention_place *place, int64_t head, int64_t i, int64_t t, int mode)
{
    const PLN_Q *q = (const PLN_Q *)p->q.data + pln_attention_at(&p->q, place->b, head, i);
    const PLN_K *key = pln_attention_key_at(p, place->b, head / p->share, t);
    float score = 0;
    for (int64_t d = 0; key && d < p->size; d++) score = fmaf(pln_value(q[d * p->q.col_stride]) * p->scale, pln_value(key[d]), score);
    if (mode == 0) return score;
    score = pln_attention_capped(p, score);
    if (mode == 1) return score;
    if (t < pln_attention_first(p, place, i) || t >= pln_attention_end(p, place, i)) return NOTHING;
    return pln_attention_masked(p, pln_attention_mask_at(p, place->b, head, i) + t * p->mask_strides[3], score);
}

/* Of all threads, in an order that is always the same. */
PLN_INLINE float pln_attention_all(float x, bool largest)
{
    __shared__ float all[THREADS];
    all[threadIdx.x] = x;
    __syncthreads();
    for (int half = THREADS / 2; half > 0; half /= 2) {
        if ((int)threadIdx.x < half) all[threadIdx.x] = largest ? fmaxf(all[threadIdx.x], all[threadIdx.x + half]) : all[threadIdx.x] + all[threadIdx.x + half];
        __syncthreads();
    }
    x = all[0];
    __syncthreads();
    return x;
}

/* All scores of one query. Weights are made from scores that are computed three times, since there is no place for them that is exact enough. */
PLN_INLINE void pln_attention_write_scores(const struct pln_attention_params *p, int64_t task)
{
    struct pln_attention_place place;
    const int64_t i = task % p->n_queries, head = task / p->n_queries % p->heads;
    place.b = task / p->n_queries / p->heads;
    pln_attention_find_row(p, &place);
    PLN_Q *out = (PLN_Q *)p->scores.data + pln_attention_at(&p->scores, place.b, head, i);
    float most = NOTHING, sum = 0;
    if (p->mode == 3) {
        for (int64_t t = threadIdx.x; t < p->total; t += THREADS) most = fmaxf(most, pln_attention_score(p, &place, head, i, t, 2));
        most = pln_attention_all(most, true);
        for (int64_t t = threadIdx.x; t < p->total; t += THREADS) sum += pln_attention_weight(pln_attention_score(p, &place, head, i, t, 2), pln_attention_shift(most));
        sum = pln_attention_all(sum, false);
    }
    const bool undefined = p->mode == 3 && (most == NOTHING || sum != sum);
    const float weight = undefined ? pln_attention_undefined_weight(p, &place, head, i, sum != sum) : 0.0f;
    for (int64_t t = threadIdx.x; t < p->total; t += THREADS) {
        float score = pln_attention_score(p, &place, head, i, t, p->mode);
        if (p->mode == 3) score = undefined ? weight : pln_attention_weight(score, most) / sum;
        pln_store(&out[t * p->scores.col_stride], score);
    }
}
#endif
