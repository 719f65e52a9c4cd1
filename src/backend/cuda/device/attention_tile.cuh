/* Tiles of 64 queries and 64 keys: each of 16 x 16 threads has 4 x 4 scores, and 4 rows of PLN_COLS / 16 columns of the result. See attention.cuh. */

#define PITCH 68               /* floats from one line of 64 to the next; keeps lines aligned to 16 bytes and writes of columns apart */
#define DEPTH 32               /* of heads at a time */
#define VALUES (4096 / PLN_COLS) /* rows of values at a time */
#define GROUPS (PLN_COLS / 64)   /* groups of 4 columns a thread */

struct pln_tile_room {
    union {
        struct {
            float queries[DEPTH * PITCH], keys[DEPTH * PITCH]; /* [depth, row] */
        } in;
        float values[VALUES * PLN_COLS];
    };
    float weights[PLN_KEYS * PITCH]; /* [key, row] */
    const PLN_Q *query_at[PLN_ROWS];
    const PLN_K *key_at[PLN_KEYS];
    const PLN_V *value_at[PLN_KEYS];
};

/* What a thread has of its 4 rows. */
struct pln_tile_rows {
    float most[4], sum[4], acc[4][4 * GROUPS];
    int64_t mask_at[4], first[4], end[4];
};

/* [DEPTH, 64] of n rows, from their column `from`; zero where there is none. */
template <typename T> PLN_INLINE void pln_tile_load(const T *const *rows, int64_t size, int64_t from, int64_t col_stride, float scale, float *out)
{
    const int d = threadIdx.x % DEPTH;
    for (int r = threadIdx.x / DEPTH; r < 64; r += THREADS / DEPTH) {
        const T *row = rows[r];
        out[d * PITCH + r] = row && from + d < size ? pln_value(row[(from + d) * col_stride]) * scale : 0.0f;
    }
}

PLN_INLINE void pln_tile_scores(const struct pln_attention_params *p, struct pln_tile_room *room, float scores[4][4])
{
    const int tx = threadIdx.x % 16, ty = threadIdx.x / 16;
#pragma unroll
    for (int i = 0; i < 16; i++) scores[i / 4][i % 4] = 0;
    for (int64_t from = 0; from < p->size; from += DEPTH) {
        pln_tile_load(room->query_at, p->size, from, p->q.col_stride, p->scale, room->in.queries);
        pln_tile_load(room->key_at, p->size, from, (int64_t)1, 1.0f, room->in.keys);
        __syncthreads();
#pragma unroll 8
        for (int d = 0; d < DEPTH; d++) {
            const struct pln_four q = *(const struct pln_four *)&room->in.queries[d * PITCH + 4 * ty], k = *(const struct pln_four *)&room->in.keys[d * PITCH + 4 * tx];
#pragma unroll
            for (int i = 0; i < 4; i++)
#pragma unroll
                for (int j = 0; j < 4; j++) scores[i][j] = fmaf(q.x[i], k.x[j], scores[i][j]);
        }
        __syncthreads();
    }
}

/* Scores become weights in the room. The 16 threads of a row are half a warp. */
PLN_INLINE void pln_tile_fold(const struct pln_attention_params *p, int64_t first, struct pln_tile_room *room, struct pln_tile_rows *rows, float scores[4][4])
{
    const int tx = threadIdx.x % 16, ty = threadIdx.x / 16;
#pragma unroll
    for (int i = 0; i < 4; i++) {
        const int seen = pln_attention_in_tile(rows->first[i], first), end = pln_attention_in_tile(rows->end[i], first);
        const int64_t mask_at = rows->mask_at[i] + first * p->mask_strides[3];
        float most = rows->most[i], sum = 0;
        bool sees[4];
#pragma unroll
        for (int j = 0; j < 4; j++) {
            const int t = 4 * tx + j;
            float score = pln_attention_capped(p, scores[i][j]);
            sees[j] = t >= seen && t < end;
            score = sees[j] ? pln_attention_masked(p, mask_at + t * p->mask_strides[3], score) : NOTHING;
            scores[i][j] = score;
            most = fmaxf(most, score);
        }
        for (int step = 8; step > 0; step /= 2) most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, step, 32));
        const float shift = pln_attention_shift(most), factor = pln_attention_weight(rows->most[i], shift);
#pragma unroll
        for (int j = 0; j < 4; j++) {
            scores[i][j] = sees[j] ? pln_attention_weight(scores[i][j], shift) : UNSEEN;
            sum += scores[i][j];
        }
        for (int step = 8; step > 0; step /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, step, 32);
        rows->sum[i] = fmaf(rows->sum[i], factor, sum);
        rows->most[i] = most;
#pragma unroll
        for (int c = 0; c < 4 * GROUPS; c++) rows->acc[i][c] *= factor;
    }
#pragma unroll
    for (int j = 0; j < 4; j++) {
        struct pln_four line;
#pragma unroll
        for (int i = 0; i < 4; i++) line.x[i] = scores[i][j];
        *(struct pln_four *)&room->weights[(4 * tx + j) * PITCH + 4 * ty] = line;
    }
}

PLN_INLINE void pln_tile_add_values(const struct pln_attention_params *p, const struct pln_attention_place *place, int n, struct pln_tile_room *room, struct pln_tile_rows *rows)
{
    const int tx = threadIdx.x % 16, ty = threadIdx.x / 16;
    for (int from = 0; from < n; from += VALUES) {
        for (int e = threadIdx.x; e < VALUES * PLN_COLS; e += THREADS) {
            const int64_t col = place->col + e % PLN_COLS;
            const PLN_V *value = room->value_at[from + e / PLN_COLS];
            room->values[e] = value && col < p->v_size ? pln_value(value[col]) : 0.0f;
        }
        __syncthreads();
#pragma unroll 4
        for (int k = 0; k < VALUES; k++) {
            const struct pln_four weight = *(const struct pln_four *)&room->weights[(from + k) * PITCH + 4 * ty];
#pragma unroll
            for (int g = 0; g < GROUPS; g++) {
                const struct pln_four value = *(const struct pln_four *)&room->values[k * PLN_COLS + 64 * g + 4 * tx];
#pragma unroll
                for (int i = 0; i < 4; i++)
#pragma unroll
                    for (int c = 0; c < 4; c++)
                        if (pln_attention_seen(weight.x[i])) rows->acc[i][4 * g + c] = fmaf(weight.x[i], value.x[c], rows->acc[i][4 * g + c]);
            }
        }
        __syncthreads();
    }
}

PLN_INLINE void pln_tile_begin(const struct pln_attention_params *p, const struct pln_attention_place *place, struct pln_tile_room *room, struct pln_tile_rows *rows)
{
    const int ty = threadIdx.x / 16;
    for (int i = 0; i < 4; i++) {
        const int64_t r = 4 * ty + i, query = pln_attention_query(p, place, r);
        rows->most[i] = NOTHING;
        rows->sum[i] = 0;
#pragma unroll
        for (int c = 0; c < 4 * GROUPS; c++) rows->acc[i][c] = 0;
        rows->mask_at[i] = pln_attention_mask_at(p, place->b, pln_attention_head(p, place, r), query);
        rows->first[i] = pln_attention_first(p, place, query);
        rows->end[i] = r < place->n_rows ? pln_least(place->end_key, pln_attention_end(p, place, query)) : 0;
    }
    for (int r = threadIdx.x; r < PLN_ROWS; r += THREADS)
        room->query_at[r] = r < place->n_rows ? (const PLN_Q *)p->q.data + pln_attention_at(&p->q, place->b, pln_attention_head(p, place, r), pln_attention_query(p, place, r)) : 0;
}

/* Results of rows whose sums do not hold, once the sums need no registers any more. */
PLN_INLINE void pln_tile_mend(const struct pln_attention_params *p, const struct pln_attention_place *place, const struct pln_tile_rows *rows)
{
    const int tx = threadIdx.x % 16, ty = threadIdx.x / 16;
#pragma unroll
    for (int i = 0; i < 4; i++) {
        const int r = 4 * ty + i;
        if (r >= place->n_rows) break;
        if (pln_attention_holds(p, rows->most[i], rows->sum[i])) continue;
        PLN_Q *y = pln_attention_result_at(p, place, r);
#pragma unroll 1
        for (int c = 0; c < 4 * GROUPS; c++) { /* those that pln_tile_end has given to this thread */
            const int col = 64 * (c / 4) + 4 * tx + c % 4;
            if (col < p->v_size - place->col) pln_store(&y[col * p->y.col_stride], pln_attention_undefined(p, place, r, col, rows->sum[i] != rows->sum[i]));
        }
    }
}

PLN_INLINE void pln_tile_end(const struct pln_attention_params *p, const struct pln_attention_place *place, const struct pln_tile_rows *rows)
{
    const int tx = threadIdx.x % 16, ty = threadIdx.x / 16;
#pragma unroll
    for (int i = 0; i < 4; i++) {
        const int r = 4 * ty + i;
        if (r >= place->n_rows) break;
        if (p->splits > 1) {
            float *part = pln_attention_part(p, place->base, place->split) + r * PLN_COLS;
#pragma unroll
            for (int c = 0; c < 4 * GROUPS; c++) part[64 * (c / 4) + 4 * tx + c % 4] = rows->acc[i][c];
            if (tx == 0) pln_attention_leave(p, place, r, rows->most[i], rows->sum[i]);
            continue;
        }
        PLN_Q *y = pln_attention_result_at(p, place, r);
        const float times = pln_attention_times(rows->most[i], rows->sum[i]);
#pragma unroll
        for (int c = 0; c < 4 * GROUPS; c++) {
            const int col = 64 * (c / 4) + 4 * tx + c % 4;
            if (col < p->v_size - place->col) pln_store(&y[col * p->y.col_stride], rows->acc[i][c] * times);
        }
    }
}

PLN_INLINE void pln_attention_tile(const struct pln_attention_params *p, const struct pln_attention_place *place, struct pln_tile_room *room)
{
    struct pln_tile_rows rows;
    pln_tile_begin(p, place, room, &rows);
    for (int64_t first = place->first_key; first < place->end_key; first += PLN_KEYS) {
        const int n = (int)pln_least(PLN_KEYS, place->end_key - first);
        float scores[4][4];
        for (int j = threadIdx.x; j < PLN_KEYS; j += THREADS) {
            room->key_at[j] = j < n ? pln_attention_key_at(p, place->b, place->kv_head, first + j) : 0;
            room->value_at[j] = j < n ? pln_attention_value_at(p, place->b, place->kv_head, first + j) : 0;
        }
        __syncthreads();
        pln_tile_scores(p, room, scores);
        pln_tile_fold(p, first, room, &rows, scores);
        __syncthreads();
        pln_tile_add_values(p, place, n, room, &rows);
    }
    pln_tile_end(p, place, &rows);
    if (p->splits == 1) pln_tile_mend(p, place, &rows);
}
