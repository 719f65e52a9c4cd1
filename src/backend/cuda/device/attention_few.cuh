/* Few queries: all threads share the keys. Eight threads take one key together; then a warp takes the maximum of a row; then each thread takes columns of the
 * values. See attention.cuh. */

#define FEW PLN_ATTENTION_FEW
#define FEW_KEYS PLN_ATTENTION_FEW_KEYS
#define FEW_SIZE PLN_ATTENTION_FEW_SIZE
#define LANES 8                          /* threads of one key */
#define VECTOR (16 / (int)sizeof(PLN_K)) /* elements of a key read at once */
#define PARTS (THREADS / PLN_COLS)       /* threads of one column of values */

struct pln_few_room {
    union {
        float queries[FEW * FEW_SIZE];
        float sums[PARTS * FEW * PLN_COLS]; /* at the end */
    };
    float scores[FEW * FEW_KEYS], factor[FEW], most[FEW], sum[FEW];
    int64_t mask_at[FEW], first[FEW], end[FEW];
    const PLN_K *key_at[FEW_KEYS];
    const PLN_V *value_at[FEW_KEYS];
};

/* count elements that lie behind each other; the pointer is aligned to all of them together. */
template <typename T, int COUNT> struct alignas(sizeof(T) * COUNT) pln_line {
    T x[COUNT];
};

template <int N, int COUNT>
PLN_INLINE void pln_few_dots(const struct pln_attention_params *p, const struct pln_few_room *room, const PLN_K *key, int lane, float *dots)
{
    for (int r = 0; r < N; r++) dots[r] = 0;
    if (key) {
#pragma unroll 1
        for (int d = lane * COUNT; d < p->size; d += LANES * COUNT) {
            const struct pln_line<PLN_K, COUNT> line = *(const struct pln_line<PLN_K, COUNT> *)&key[d];
#pragma unroll
            for (int e = 0; e < COUNT; e++) {
                const float x = pln_value(line.x[e]);
#pragma unroll
                for (int r = 0; r < N; r++) dots[r] = fmaf(room->queries[r * FEW_SIZE + d + e], x, dots[r]);
            }
        }
    }
#pragma unroll
    for (int r = 0; r < N; r++)
        for (int step = LANES / 2; step > 0; step /= 2) dots[r] += __shfl_xor_sync(0xffffffffu, dots[r], step, 32);
}

PLN_INLINE bool pln_few_sees(const struct pln_few_room *room, int r, int64_t first, int j)
{
    return room->key_at[j] && first + j >= room->first[r] && first + j < room->end[r];
}

/* Scores of n keys from `first` for N rows. */
template <int N, int COUNT> PLN_INLINE void pln_few_scores(const struct pln_attention_params *p, struct pln_few_room *room, int64_t first, int n)
{
    const int lane = threadIdx.x % LANES;
#pragma unroll 1
    for (int from = 0; from < n; from += THREADS / LANES) { /* every thread of a warp as often as the others */
        const int j = from + threadIdx.x / LANES;
        float dots[N], dot = 0;
        pln_few_dots<N, COUNT>(p, room, j < n ? room->key_at[j] : 0, lane, dots);
#pragma unroll
        for (int r = 0; r < N; r++)
            if (lane == r) dot = dots[r];
        if (lane >= N || j >= n) continue;
        float score = pln_attention_capped(p, dot);
        score = pln_few_sees(room, lane, first, j) ? pln_attention_masked(p, room->mask_at[lane] + (first + j) * p->mask_strides[3], score) : NOTHING;
        room->scores[lane * FEW_KEYS + j] = score;
    }
}

/* One warp: scores of a row become weights. */
PLN_INLINE void pln_few_fold(struct pln_few_room *room, int r, int64_t first, int n)
{
    const int lane = threadIdx.x % 32;
    float most = room->most[r], sum = 0;
    const float before = most;
    for (int j = lane; j < n; j += 32) most = fmaxf(most, room->scores[r * FEW_KEYS + j]);
    for (int step = 16; step > 0; step /= 2) most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, step, 32));
    const float shift = pln_attention_shift(most);
    for (int j = lane; j < n; j += 32) {
        const float weight = pln_few_sees(room, r, first, j) ? pln_attention_weight(room->scores[r * FEW_KEYS + j], shift) : UNSEEN;
        room->scores[r * FEW_KEYS + j] = weight;
        sum += weight;
    }
    for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, step, 32);
    __syncwarp(0xffffffffu); /* all lanes have read the maximum: a shuffle does not order memory */
    if (lane != 0) return;
    room->factor[r] = pln_attention_weight(before, shift);
    room->sum[r] = fmaf(room->sum[r], room->factor[r], sum);
    room->most[r] = most;
}

PLN_INLINE void pln_few_begin(const struct pln_attention_params *p, const struct pln_attention_place *place, struct pln_few_room *room)
{
    for (int64_t r = threadIdx.x; r < FEW; r += THREADS) {
        const int64_t i = pln_attention_query(p, place, r);
        room->most[r] = NOTHING;
        room->sum[r] = 0;
        room->factor[r] = 0;
        room->mask_at[r] = pln_attention_mask_at(p, place->b, pln_attention_head(p, place, r), i);
        room->first[r] = pln_attention_first(p, place, i);
        room->end[r] = r < place->n_rows ? pln_attention_end(p, place, i) : 0;
    }
    for (int64_t r = 0; r < place->n_rows; r++) {
        const PLN_Q *q = (const PLN_Q *)p->q.data + pln_attention_at(&p->q, place->b, pln_attention_head(p, place, r), pln_attention_query(p, place, r));
        for (int64_t d = threadIdx.x; d < p->size; d += THREADS) room->queries[r * FEW_SIZE + d] = pln_value(q[d * p->q.col_stride]) * p->scale;
    }
    for (int64_t r = place->n_rows; r < FEW; r++)
#pragma unroll 1
        for (int64_t d = threadIdx.x; d < p->size; d += THREADS) room->queries[r * FEW_SIZE + d] = 0;
}

/* What the parts of each column have summed up, put together and stored. */
template <int N> PLN_INLINE void pln_few_end(const struct pln_attention_params *p, const struct pln_attention_place *place, struct pln_few_room *room, const float *sums)
{
    __syncthreads();
    for (int r = 0; r < N; r++) room->sums[r * THREADS + threadIdx.x] = sums[r];
    __syncthreads();
    for (int e = threadIdx.x; e < N * PLN_COLS; e += THREADS) {
        const int r = e / PLN_COLS, col = e % PLN_COLS;
        if (r >= place->n_rows) break;
        float total = 0;
        for (int part = 0; part < PARTS; part++) total += room->sums[r * THREADS + part * PLN_COLS + col];
        if (p->splits > 1) pln_attention_part(p, place->base, place->split)[e] = total;
        else if (place->col + col < p->v_size) pln_store(&pln_attention_result_at(p, place, r)[col * p->y.col_stride], pln_attention_result(p, place, r, col, total, room->most[r], room->sum[r]));
    }
    if (p->splits > 1 && threadIdx.x < place->n_rows) pln_attention_leave(p, place, threadIdx.x, room->most[threadIdx.x], room->sum[threadIdx.x]);
}

/* Up to N rows, COUNT elements of a key at once. */
template <int N, int COUNT> PLN_INLINE void pln_few(const struct pln_attention_params *p, const struct pln_attention_place *place, struct pln_few_room *room)
{
    const int col = threadIdx.x % PLN_COLS, part = threadIdx.x / PLN_COLS;
    const bool has_col = place->col + col < p->v_size;
    float sums[N];
#pragma unroll
    for (int r = 0; r < N; r++) sums[r] = 0;
    pln_few_begin(p, place, room);
#pragma unroll 1
    for (int64_t first = place->first_key; first < place->end_key; first += FEW_KEYS) {
        const int n = (int)pln_least(FEW_KEYS, place->end_key - first);
#pragma unroll 1 /* at most once or twice: copies of it would be much code, in each of the kernel's variants */
        for (int j = threadIdx.x; j < n; j += THREADS) {
            room->key_at[j] = pln_attention_key_at(p, place->b, place->kv_head, first + j);
            room->value_at[j] = pln_attention_value_at(p, place->b, place->kv_head, first + j);
        }
        __syncthreads();
        pln_few_scores<N, COUNT>(p, room, first, n);
        __syncthreads();
        if (threadIdx.x / 32 < N) pln_few_fold(room, threadIdx.x / 32, first, n);
        __syncthreads();
#pragma unroll
        for (int r = 0; r < N; r++) sums[r] *= room->factor[r];
#pragma unroll 4
        for (int j = part; has_col && j < n; j += PARTS) {
            const PLN_V *value = room->value_at[j];
            const float x = value ? pln_value(value[place->col + col]) : 0.0f;
#pragma unroll
            for (int r = 0; r < N; r++) {
                const float weight = room->scores[r * FEW_KEYS + j];
                if (pln_attention_seen(weight)) sums[r] = fmaf(weight, x, sums[r]);
            }
        }
        __syncthreads();
    }
    pln_few_end<N>(p, place, room, sums);
}

PLN_INLINE void pln_attention_few(const struct pln_attention_params *p, const struct pln_attention_place *place, struct pln_few_room *room)
{
    if (!p->k_vector || p->size % VECTOR != 0) pln_few<FEW, 1>(p, place, room);
    else if (place->n_rows <= 1) pln_few<1, VECTOR>(p, place, room);
    else if (place->n_rows <= 4) pln_few<4, VECTOR>(p, place, room);
    else pln_few<FEW, VECTOR>(p, place, room);
}
