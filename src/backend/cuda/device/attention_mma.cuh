/* Tiles of 128 queries on tensor cores (mma.cuh): each of 8 warps has 16 rows, whose scores, weights and results stay in its registers, as the sums of one
 * product lie where the next one wants its operand A (Dao, "FlashAttention-2", arXiv:2307.08691). Queries, keys, values and the result are of one type of two
 * bytes; heads have at most PLN_SIZE elements. Weights are rounded to that type, and so they are summed. See attention.cuh.
 *
 * In a fragment of sums, a lane has rows lane / 4 and lane / 4 + 8, and of each the columns lane % 4 * 2 and the next one. */
#include "backend/cuda/device/mma.cuh"

#define KEY_LINE (PLN_SIZE + 8)   /* of a tile: eight more than needed, so that neighbouring lines begin in different banks */
#define VALUE_LINE (PLN_COLS + 8)
#define STEPS (PLN_SIZE / 16)     /* of 16 elements along a head */
#define KEY_BLOCKS (PLN_KEYS / 8) /* of 8 keys */
#define COL_BLOCKS (PLN_COLS / 8)

struct pln_tile_room {
    alignas(16) uint16_t keys[PLN_KEYS * KEY_LINE], values[PLN_KEYS * VALUE_LINE]; /* [key, element] */
    const PLN_K *key_at[PLN_KEYS];
    const PLN_V *value_at[PLN_KEYS];
};

/* What a lane has of its two rows. */
struct pln_tile_rows {
    uint32_t query[STEPS][4];
    float acc[COL_BLOCKS][4], most[2], sum[2];
    int64_t mask_at[2], first[2], end[2];
};

/* Bits that are all set in what is infinite or no number. */
PLN_INLINE uint32_t pln_tile_exponent(f16) { return 0x7c00u; }
PLN_INLINE uint32_t pln_tile_exponent(bf16) { return 0x7f80u; }

PLN_INLINE bool pln_tile_is_finite(uint32_t bits)
{
    const uint32_t exponent = pln_tile_exponent(PLN_T());
    return (bits & exponent) != exponent;
}

/* ---- operands ---- */

/* Queries come through the room of the keys, as many as that has lines, to the warps whose rows they are. */
PLN_INLINE void pln_tile_load_queries(const struct pln_attention_params *p, const struct pln_attention_place *place, struct pln_tile_room *room, struct pln_tile_rows *rows)
{
    const int lane = threadIdx.x % 32;
#pragma unroll 1
    for (int from = 0; from < PLN_ROWS; from += PLN_KEYS) {
        for (int e = threadIdx.x; e < PLN_KEYS * (PLN_SIZE / 8); e += THREADS) {
            const int i = e / (PLN_SIZE / 8), d = e % (PLN_SIZE / 8) * 8;
            const int64_t r = pln_least(from + i, place->n_rows - 1), stride = p->q.col_stride;
            const uint16_t *at = (const uint16_t *)p->q.data + pln_attention_at(&p->q, place->b, pln_attention_head(p, place, r), pln_attention_query(p, place, r)) + d * stride;
            *(struct pln_vec16 *)&room->keys[i * KEY_LINE + d] = pln_mma_load(at, stride, p->size - d, p->q_vector);
        }
        __syncthreads();
        const int row = threadIdx.x / 32 * 16 - from + lane / 4;
        if (row >= 0 && row < PLN_KEYS) {
#pragma unroll
            for (int k = 0; k < STEPS; k++)
#pragma unroll
                for (int s = 0; s < 4; s++) rows->query[k][s] = *(const uint32_t *)&room->keys[(row + s % 2 * 8) * KEY_LINE + 16 * k + s / 2 * 8 + lane % 4 * 2];
        }
        __syncthreads();
    }
}

PLN_INLINE void pln_tile_begin(const struct pln_attention_params *p, const struct pln_attention_place *place, struct pln_tile_room *room, struct pln_tile_rows *rows)
{
    const int lane = threadIdx.x % 32;
    for (int h = 0; h < 2; h++) {
        const int64_t r = threadIdx.x / 32 * 16 + lane / 4 + 8 * h, query = pln_attention_query(p, place, r);
        rows->most[h] = NOTHING;
        rows->sum[h] = 0;
        rows->mask_at[h] = pln_attention_mask_at(p, place->b, pln_attention_head(p, place, r), query);
        rows->first[h] = pln_attention_first(p, place, query);
        rows->end[h] = r < place->n_rows ? pln_least(place->end_key, pln_attention_end(p, place, query)) : 0;
    }
#pragma unroll
    for (int c = 0; c < COL_BLOCKS; c++)
#pragma unroll
        for (int s = 0; s < 4; s++) rows->acc[c][s] = 0;
    pln_tile_load_queries(p, place, room, rows);
}

/* Whether one of eight elements is infinite or no number. */
PLN_INLINE bool pln_tile_is_odd(const struct pln_vec16 *v)
{
    bool finite = true;
#pragma unroll
    for (int i = 0; i < 4; i++) finite = finite && pln_tile_is_finite(v->words[i]) && pln_tile_is_finite(v->words[i] >> 16);
    return !finite;
}

/* A line a key, zero behind its size. Whether this thread has met a value that is infinite or no number. */
PLN_INLINE bool pln_tile_load(const struct pln_attention_params *p, const struct pln_attention_place *place, struct pln_tile_room *room)
{
    bool odd = false;
    for (int e = threadIdx.x; e < PLN_KEYS * (PLN_SIZE / 8); e += THREADS) {
        const int j = e / (PLN_SIZE / 8), d = e % (PLN_SIZE / 8) * 8;
        const uint16_t *key = (const uint16_t *)room->key_at[j];
        *(struct pln_vec16 *)&room->keys[j * KEY_LINE + d] = pln_mma_load(key + d, 1, key ? p->size - d : 0, p->k_vector);
    }
    for (int e = threadIdx.x; e < PLN_KEYS * COL_BLOCKS; e += THREADS) {
        const int j = e / COL_BLOCKS, c = e % COL_BLOCKS * 8;
        const uint16_t *value = (const uint16_t *)room->value_at[j];
        const struct pln_vec16 v = pln_mma_load(value + place->col + c, 1, value ? p->v_size - place->col - c : 0, p->v_vector);
        *(struct pln_vec16 *)&room->values[j * VALUE_LINE + c] = v;
        odd = odd || pln_tile_is_odd(&v);
    }
    return odd;
}

/* Operands B of two products with 8 columns: in block j the lane gets the elements (x + j / 2 * 8 + lane / 4, k + j % 2 * 8 + lane % 4 * 2) and the next one along
 * k. Lines of a tile are x, and k runs along them, or the other way round. */
template <int LINE> PLN_INLINE void pln_tile_fragment(const uint16_t *tile, bool along_k, int x, int k, uint32_t (&out)[4])
{
    const int lane = threadIdx.x % 32;
#ifdef PLN_EMULATED
    for (int j = 0; j < 4; j++) {
        const int at_x = x + j / 2 * 8 + lane / 4, at_k = k + j % 2 * 8 + lane % 4 * 2;
        const uint16_t *at = tile + (along_k ? at_x * LINE + at_k : at_k * LINE + at_x);
        out[j] = at[0] | (uint32_t)at[along_k ? 1 : LINE] << 16;
    }
#else
    /* Lane l names line l % 8 of block l / 8 (PTX ISA, "ldmatrix"). */
    const int j = lane / 8, line = lane % 8;
    const uint16_t *at = along_k ? tile + (x + j / 2 * 8 + line) * LINE + k + j % 2 * 8 : tile + (k + j % 2 * 8 + line) * LINE + x + j / 2 * 8;
    const uint32_t address = (uint32_t)__cvta_generic_to_shared(at);
    if (along_k)
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];" : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3]) : "r"(address) : "memory");
    else
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];" : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3]) : "r"(address) : "memory");
#endif
}

/* ---- scores to weights ---- */

typedef float pln_tile_scores[KEY_BLOCKS][4];

PLN_INLINE void pln_tile_multiply_keys(const struct pln_attention_params *p, const struct pln_tile_room *room, const struct pln_tile_rows *rows, pln_tile_scores &scores)
{
#pragma unroll
    for (int n = 0; n < KEY_BLOCKS; n++)
#pragma unroll
        for (int s = 0; s < 4; s++) scores[n][s] = 0;
#pragma unroll
    for (int k = 0; k < STEPS; k++) {
        const bool is_step = 16 * k < p->size;
#pragma unroll
        for (int n = 0; is_step && n < KEY_BLOCKS; n += 2) {
            uint32_t keys[4];
            pln_tile_fragment<KEY_LINE>(room->keys, true, 8 * n, 16 * k, keys);
            pln_mma(scores[n], rows->query[k], keys[0], keys[1]);
            pln_mma(scores[n + 1], rows->query[k], keys[2], keys[3]);
        }
    }
}

/* A number as the type has it. */
PLN_INLINE float pln_tile_rounded(float x)
{
    PLN_T y;
    pln_store(&y, x);
    return pln_value(y);
}

/* The four lanes of a row are neighbours. */
PLN_INLINE void pln_tile_fold(const struct pln_attention_params *p, int64_t first, struct pln_tile_rows *rows, pln_tile_scores &scores)
{
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int h = 0; h < 2; h++) {
        const int seen = pln_attention_in_tile(rows->first[h], first), end = pln_attention_in_tile(rows->end[h], first);
        const int64_t mask_at = rows->mask_at[h] + first * p->mask_strides[3];
        float most = rows->most[h], sum = 0;
#pragma unroll
        for (int n = 0; n < KEY_BLOCKS; n++)
#pragma unroll
            for (int s = 2 * h; s < 2 * h + 2; s++) {
                const int j = 8 * n + lane % 4 * 2 + s % 2;
                float score = pln_attention_capped(p, scores[n][s] * p->scale);
                if (j < seen || j >= end) score = NOTHING;
                else score = pln_attention_masked(p, mask_at + j * p->mask_strides[3], score);
                scores[n][s] = score;
                most = fmaxf(most, score);
            }
        for (int step = 2; step > 0; step /= 2) most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, step, 32));
        const float shift = pln_attention_shift(most), factor = pln_attention_weight(rows->most[h], shift);
#pragma unroll
        for (int n = 0; n < KEY_BLOCKS; n++)
#pragma unroll
            for (int s = 2 * h; s < 2 * h + 2; s++) {
                scores[n][s] = pln_tile_rounded(pln_attention_weight(scores[n][s], shift));
                sum += scores[n][s];
            }
        for (int step = 2; step > 0; step /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, step, 32);
        rows->sum[h] = fmaf(rows->sum[h], factor, sum);
        rows->most[h] = most;
#pragma unroll
        for (int c = 0; c < COL_BLOCKS; c++)
#pragma unroll
            for (int s = 2 * h; s < 2 * h + 2; s++) rows->acc[c][s] *= factor;
    }
}

/* ---- weights times values ---- */

PLN_INLINE uint32_t pln_tile_pack(float low, float high)
{
    PLN_T x, y;
    pln_store(&x, low);
    pln_store(&y, high);
    return x.bits | (uint32_t)y.bits << 16;
}

/* Values that are infinite or no number, one by one, where their key is seen, be its weight 0: what is not seen may be such. All lanes of a warp come here
 * together. It is done on copies, which may lie in local memory, in loops that are not unrolled. */
PLN_INLINE void pln_tile_add_odd(const struct pln_tile_room *room, int64_t first, struct pln_tile_rows *rows, const pln_tile_scores &weights)
{
    const int lane = threadIdx.x % 32;
    float weight[KEY_BLOCKS][4], acc[COL_BLOCKS][4];
    for (int n = 0; n < 4 * KEY_BLOCKS; n++) weight[n / 4][n % 4] = weights[n / 4][n % 4];
    for (int c = 0; c < 4 * COL_BLOCKS; c++) acc[c / 4][c % 4] = rows->acc[c / 4][c % 4];
#pragma unroll 1
    for (int j = 0; j < PLN_KEYS; j++) {
        const int from = lane / 4 * 4 + j % 8 / 2;
        const bool sees_above = first + j >= rows->first[0] && first + j < rows->end[0], sees_below = first + j >= rows->first[1] && first + j < rows->end[1];
        const float above = __shfl_sync(0xffffffffu, weight[j / 8][j % 2], from, 32), below = __shfl_sync(0xffffffffu, weight[j / 8][2 + j % 2], from, 32);
#pragma unroll 1
        for (int c = 0; c < 2 * COL_BLOCKS; c++) {
            PLN_T value;
            value.bits = room->values[j * VALUE_LINE + c / 2 * 8 + lane % 4 * 2 + c % 2];
            if (pln_tile_is_finite(value.bits)) continue;
            if (sees_above) acc[c / 2][c % 2] = fmaf(above, pln_value(value), acc[c / 2][c % 2]);
            if (sees_below) acc[c / 2][2 + c % 2] = fmaf(below, pln_value(value), acc[c / 2][2 + c % 2]);
        }
    }
    for (int c = 0; c < 4 * COL_BLOCKS; c++) rows->acc[c / 4][c % 4] = acc[c / 4][c % 4];
}

/* Then they are taken for 0. */
PLN_INLINE void pln_tile_clear_odd(struct pln_tile_room *room)
{
    __syncthreads();
    for (int e = threadIdx.x; e < PLN_KEYS * VALUE_LINE; e += THREADS)
        if (!pln_tile_is_finite(room->values[e])) room->values[e] = 0;
    __syncthreads();
}

/* odd: one of the tile's values is infinite or no number. */
PLN_INLINE void pln_tile_add_values(struct pln_tile_room *room, bool odd, int64_t first, struct pln_tile_rows *rows, const pln_tile_scores &weights)
{
    if (odd) {
        pln_tile_add_odd(room, first, rows, weights);
        pln_tile_clear_odd(room);
    }
#pragma unroll
    for (int k = 0; k < PLN_KEYS / 16; k++) {
        const uint32_t weight[4] = { pln_tile_pack(weights[2 * k][0], weights[2 * k][1]), pln_tile_pack(weights[2 * k][2], weights[2 * k][3]),
                                     pln_tile_pack(weights[2 * k + 1][0], weights[2 * k + 1][1]), pln_tile_pack(weights[2 * k + 1][2], weights[2 * k + 1][3]) };
#pragma unroll
        for (int c = 0; c < COL_BLOCKS; c += 2) {
            uint32_t values[4];
            pln_tile_fragment<VALUE_LINE>(room->values, false, 8 * c, 16 * k, values);
            pln_mma(rows->acc[c], weight, values[0], values[1]);
            pln_mma(rows->acc[c + 1], weight, values[2], values[3]);
        }
    }
}

/* ---- a task ---- */

/* Results of rows whose sums do not hold, once the sums need no registers any more. */
PLN_INLINE void pln_tile_mend(const struct pln_attention_params *p, const struct pln_attention_place *place, const struct pln_tile_rows *rows)
{
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int h = 0; h < 2; h++) {
        const int64_t r = threadIdx.x / 32 * 16 + lane / 4 + 8 * h;
        if (r >= place->n_rows) break;
        if (pln_attention_holds(p, rows->most[h], rows->sum[h])) continue;
        PLN_Q *y = pln_attention_result_at(p, place, r);
#pragma unroll 1
        for (int c = 0; c < 2 * COL_BLOCKS; c++) { /* those that pln_tile_end has given to this lane */
            const int col = c / 2 * 8 + lane % 4 * 2 + c % 2;
            if (col < p->v_size - place->col) pln_store(&y[col * p->y.col_stride], pln_attention_undefined(p, place, r, col, rows->sum[h] != rows->sum[h]));
        }
    }
}

PLN_INLINE void pln_tile_end(const struct pln_attention_params *p, const struct pln_attention_place *place, const struct pln_tile_rows *rows)
{
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int h = 0; h < 2; h++) {
        const int64_t r = threadIdx.x / 32 * 16 + lane / 4 + 8 * h;
        if (r >= place->n_rows) break;
        if (p->splits > 1) {
            float *part = pln_attention_part(p, place->base, place->split) + r * PLN_COLS;
#pragma unroll
            for (int c = 0; c < COL_BLOCKS; c++)
#pragma unroll
                for (int s = 2 * h; s < 2 * h + 2; s++) part[8 * c + lane % 4 * 2 + s % 2] = rows->acc[c][s];
            if (lane % 4 == 0) pln_attention_leave(p, place, r, rows->most[h], rows->sum[h]);
            continue;
        }
        PLN_Q *y = pln_attention_result_at(p, place, r);
        const float times = pln_attention_times(rows->most[h], rows->sum[h]);
#pragma unroll
        for (int c = 0; c < COL_BLOCKS; c++)
#pragma unroll
            for (int s = 2 * h; s < 2 * h + 2; s++) {
                const int col = 8 * c + lane % 4 * 2 + s % 2;
                if (col < p->v_size - place->col) pln_store(&y[col * p->y.col_stride], rows->acc[c][s] * times);
            }
    }
}

PLN_INLINE void pln_attention_tile(const struct pln_attention_params *p, const struct pln_attention_place *place, struct pln_tile_room *room)
{
    struct pln_tile_rows rows;
    pln_tile_begin(p, place, room, &rows);
#pragma unroll 1
    for (int64_t first = place->first_key; first < place->end_key; first += PLN_KEYS) {
        for (int j = threadIdx.x; j < PLN_KEYS; j += THREADS) {
            const bool is_key = first + j < place->end_key;
            room->key_at[j] = is_key ? pln_attention_key_at(p, place->b, place->kv_head, first + j) : 0;
            room->value_at[j] = is_key ? pln_attention_value_at(p, place->b, place->kv_head, first + j) : 0;
        }
        __syncthreads();
        const bool odd = __syncthreads_or(pln_tile_load(p, place, room));
        pln_tile_scores scores;
        pln_tile_multiply_keys(p, room, &rows, scores);
        pln_tile_fold(p, first, &rows, scores);
        pln_tile_add_values(room, odd, first, &rows, scores);
        __syncthreads();
    }
    pln_tile_end(p, place, &rows);
    if (p->splits == 1) pln_tile_mend(p, place, &rows);
}
