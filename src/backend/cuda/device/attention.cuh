/* Attention without the score matrix: softmax(scale * q k' + mask) v over blocks of keys, with a running maximum and sum for each query (Milakov, Gimelshein,
 * arXiv:1805.02867; Dao et al., "FlashAttention", arXiv:2205.14135). Sums are in f32.
 *
 * Defines: PLN_Q, PLN_K, PLN_V (element types of queries and the result; keys; values), PLN_ROWS, PLN_KEYS, PLN_COLS (queries, keys and columns of values of a
 * tile: 64, 128 or 256 columns). Optional: PLN_MMA_TYPE with PLN_T and PLN_SIZE ("f16" or "bf16", that type, the largest head: tiles go to tensor cores),
 * PLN_BIAS (the mask's element type; PLN_BIAS_BOOL: it is bool), PLN_LENGTH (that of lengths, if they are an input), PLN_SOFTCAP (there is one), PLN_PRESENT, PLN_SCORES (there are such outputs).
 *
 * The sum of a row's weights tells whether its softmax is a number: a score that is NaN or +infinity makes it NaN, in whatever block it stands; the maximum looks
 * past NaN, and stays -infinity where no score is larger. What such rows give: kernel/attention.h.
 *
 * Where queries are few, keys are split among blocks; each leaves its weighted sum, maximum and sum of weights in scratch memory, and the one that is done last
 * puts them together, in the order of the keys (Dao et al., "Flash-Decoding", 2023). So the result does not depend on which that is. */
#include "backend/cuda/device/attention_params.h"
#include "backend/cuda/device/prelude.cuh"

#ifndef PLN_LENGTH /* lengths are those of pages */
#define PLN_LENGTH int64_t
#endif
#define THREADS PLN_ATTENTION_THREADS
#define NOTHING (-__uint_as_float(0x7f800000u)) /* the score of a key that is not seen */
#define UNSEEN (-0.0f)                          /* its weight; that of a key that is seen is 0 or more, or NaN */
#define NOT_A_NUMBER (__uint_as_float(0x7fc00000u))

struct alignas(16) pln_four {
    float x[4];
};

/* What a task works on. */
struct pln_attention_place {
    int64_t base, split;
    int64_t b, kv_head;
    int64_t first_row, n_rows; /* of the list of queries */
    int64_t col;               /* first column of the values */
    int64_t offset, length;    /* of row b of the batch */
    int64_t first_key, end_key; /* keys to look at */
};

PLN_INLINE int64_t pln_least(int64_t a, int64_t b) { return a < b ? a : b; }
PLN_INLINE int64_t pln_most(int64_t a, int64_t b) { return a > b ? a : b; }

/* ---- what is seen ---- */

/* A number of a batch row, which is told from outside and is at most `most`. */
PLN_INLINE int64_t pln_attention_told(const struct pln_attention_params *p, int64_t told, int64_t most, uint32_t bad)
{
    if (told < 0 || told > most) pln_fault(&p->head, bad);
    return pln_most(0, pln_least(told, most));
}

PLN_INLINE void pln_attention_find_row(const struct pln_attention_params *p, struct pln_attention_place *place)
{
    place->length = p->total;
    if (p->lengths) place->length = pln_attention_told(p, (int64_t)((const PLN_LENGTH *)p->lengths)[place->b], p->total, PLN_ATTENTION_BAD_LENGTH);
    place->offset = p->past > 0 || !p->lengths ? p->past : place->length - p->n_queries;
    if (p->offsets) place->offset = pln_attention_told(p, p->offsets[place->b], p->total, PLN_ATTENTION_BAD_OFFSET);
}

/* Query i sees keys [first, end) but those that the mask takes away. */
PLN_INLINE int64_t pln_attention_first(const struct pln_attention_params *p, const struct pln_attention_place *place, int64_t i)
{
    return p->left < 0 ? 0 : pln_most(0, i + place->offset - p->left);
}

PLN_INLINE int64_t pln_attention_end(const struct pln_attention_params *p, const struct pln_attention_place *place, int64_t i)
{
    int64_t end = place->length;
    if (p->causal) end = pln_least(end, i + place->offset + 1);
    if (p->right >= 0) end = pln_least(end, i + place->offset + p->right + 1);
    return pln_least(end, p->mask_keys);
}

/* A key's number as one of a tile that begins at `first`. */
PLN_INLINE int pln_attention_in_tile(int64_t key, int64_t first)
{
    return (int)pln_most(0, pln_least(key - first, 1 << 20));
}

PLN_INLINE float pln_attention_capped(const struct pln_attention_params *p, float score)
{
#ifdef PLN_SOFTCAP
    return p->softcap * tanhf(score / p->softcap);
#else
    (void)p;
    return score;
#endif
}

/* Where the mask of a query begins. */
PLN_INLINE int64_t pln_attention_mask_at(const struct pln_attention_params *p, int64_t b, int64_t head, int64_t i)
{
    return b * p->mask_strides[0] + head * p->mask_strides[1] + i * p->mask_strides[2];
}

/* The score of a key whose mask lies at `at`. */
PLN_INLINE float pln_attention_masked(const struct pln_attention_params *p, int64_t at, float score)
{
#ifdef PLN_BIAS_BOOL
    return pln_value(((const PLN_BIAS *)p->mask)[at]) ? score : p->masked_score;
#elif defined(PLN_BIAS)
    return score + (float)pln_value(((const PLN_BIAS *)p->mask)[at]);
#else
    (void)p, (void)at;
    return score;
#endif
}

/* What scores are taken less of: the maximum, once one has been more than -infinity. */
PLN_INLINE float pln_attention_shift(float most)
{
    return most == NOTHING ? 0.0f : most;
}

/* Whether the value of a key with this weight counts: NaN and infinity show under a weight of 0, but not where a key is not seen. */
PLN_INLINE bool pln_attention_seen(float weight)
{
    return __float_as_uint(weight) != 0x80000000u;
}

/* exp(score - shift). One of -infinity gives 0; one that is NaN makes the sum of the row NaN. The factor's rounding weighs |x| exp(x) 2^-24 at most, which is less
 * than that of the result. */
PLN_INLINE float pln_attention_weight(float score, float shift)
{
    return exp2f((score - shift) * 1.4426950408889634f);
}

/* ---- where things lie ---- */

/* NULL: there is none there. No function of the inner loops; not inlined, or there would be a copy of its divisions for each call. */
template <typename T>
static __device__ __noinline__ const T *pln_attention_row_at(const struct pln_attention_params *p, const struct pln_attention_rows *now, const struct pln_attention_rows *past, int64_t b, int64_t head, int64_t t)
{
    if (p->pages) {
        const int32_t page = p->pages[b * p->pages_a_row + t / p->page_size];
        if (page < 0 || page >= p->n_pages) {
            pln_fault(&p->head, PLN_ATTENTION_BAD_PAGE);
            return 0;
        }
        return (const T *)now->data + page * now->batch_stride + head * now->head_stride + t % p->page_size * now->row_stride;
    }
    if (t < p->past) return (const T *)past->data + b * past->batch_stride + head * past->head_stride + t * past->row_stride;
    return (const T *)now->data + b * now->batch_stride + head * now->head_stride + (t - p->past) * now->row_stride;
}

PLN_INLINE const PLN_K *pln_attention_key_at(const struct pln_attention_params *p, int64_t b, int64_t head, int64_t t)
{
    return pln_attention_row_at<PLN_K>(p, &p->k, &p->past_k, b, head, t);
}

PLN_INLINE const PLN_V *pln_attention_value_at(const struct pln_attention_params *p, int64_t b, int64_t head, int64_t t)
{
    return pln_attention_row_at<PLN_V>(p, &p->v, &p->past_v, b, head, t);
}

PLN_INLINE int64_t pln_attention_at(const struct pln_attention_rows *rows, int64_t b, int64_t head, int64_t s)
{
    return b * rows->batch_stride + head * rows->head_stride + s * rows->row_stride;
}

/* Row r of a place's queries: its position and its head. */
static __device__ __noinline__ int64_t pln_attention_query(const struct pln_attention_params *p, const struct pln_attention_place *place, int64_t r)
{
    return (place->first_row + r) / p->share;
}

static __device__ __noinline__ int64_t pln_attention_head(const struct pln_attention_params *p, const struct pln_attention_place *place, int64_t r)
{
    return place->kv_head * p->share + (place->first_row + r) % p->share;
}

/* ---- results ---- */

/* Where row r of a place's results begins, at the place's first column. */
static __device__ __noinline__ PLN_Q *pln_attention_result_at(const struct pln_attention_params *p, const struct pln_attention_place *place, int64_t r)
{
    return (PLN_Q *)p->y.data + pln_attention_at(&p->y, place->b, pln_attention_head(p, place, r), pln_attention_query(p, place, r)) + place->col * p->y.col_stride;
}

/* The sums of values of a row, times this, are its result if they hold. Those of a row whose scores are all -infinity are 0 x v. */
PLN_INLINE float pln_attention_times(float most, float sum)
{
    return most == NOTHING || sum != sum ? 1.0f : 1.0f / sum;
}

PLN_INLINE bool pln_attention_holds(const struct pln_attention_params *p, float most, float sum)
{
    return sum == sum && (most != NOTHING || p->undefined == PLN_ATTENTION_UNDEFINED_GUARDED);
}

/* The mask leaves a key to query i, if only by a score that it puts in the place of what it shuts out. */
static __device__ __noinline__ bool pln_attention_open(const struct pln_attention_params *p, const struct pln_attention_place *place, int64_t head, int64_t i)
{
    const int64_t first = pln_attention_first(p, place, i), end = pln_attention_end(p, place, i), at = pln_attention_mask_at(p, place->b, head, i);
    for (int64_t t = first; t < end; t++)
        if (pln_attention_masked(p, at + t * p->mask_strides[3], 0.0f) != NOTHING) return true;
    return false;
}

/* The weight that all keys of a row have whose softmax is not a number. nan: a score is NaN or +infinity, else all are -infinity. */
PLN_INLINE float pln_attention_undefined_weight(const struct pln_attention_params *p, const struct pln_attention_place *place, int64_t head, int64_t i, bool nan)
{
    if (p->undefined == PLN_ATTENTION_UNDEFINED_GUARDED || (p->paged ? place->length : p->total) == 0) return 0.0f;
    if (p->undefined == PLN_ATTENTION_UNDEFINED_SOFTMAX) return NOT_A_NUMBER;
    return nan && pln_attention_open(p, place, head, i) ? NOT_A_NUMBER : 0.0f;
}

/* The result of row r of a place in a column of its values, where its sums do not hold. No matter how fast: such rows are few. */
static __device__ __noinline__ float pln_attention_undefined(const struct pln_attention_params *p, const struct pln_attention_place *place, int64_t r, int64_t col, bool nan)
{
    const int64_t i = pln_attention_query(p, place, r);
    float total = pln_attention_undefined_weight(p, place, pln_attention_head(p, place, r), i, nan);
    if (p->undefined != PLN_ATTENTION_UNDEFINED_GUARDED) return total;
    for (int64_t t = pln_attention_first(p, place, i); t < pln_attention_end(p, place, i); t++) {
        const PLN_V *value = pln_attention_value_at(p, place->b, place->kv_head, t);
        if (value) total = fmaf(0.0f, pln_value(value[place->col + col]), total);
    }
    return total;
}

/* The result of row r in a column, of all that its sums have been told. */
PLN_INLINE float pln_attention_result(const struct pln_attention_params *p, const struct pln_attention_place *place, int64_t r, int64_t col, float total, float most, float sum)
{
    if (!pln_attention_holds(p, most, sum)) return pln_attention_undefined(p, place, r, col, sum != sum);
    return total * pln_attention_times(most, sum);
}

/* A part of the keys of a base leaves [rows, PLN_COLS] sums, then a maximum and a sum of weights for each row. */
PLN_INLINE float *pln_attention_part(const struct pln_attention_params *p, int64_t base, int64_t split)
{
    const int64_t rows = p->few ? PLN_ATTENTION_FEW : PLN_ROWS;
    return (float *)p->head.shared + (base * p->splits + split) * rows * (PLN_COLS + 2);
}

PLN_INLINE void pln_attention_leave(const struct pln_attention_params *p, const struct pln_attention_place *place, int64_t r, float most, float sum)
{
    float *part = pln_attention_part(p, place->base, place->split) + (p->few ? PLN_ATTENTION_FEW : PLN_ROWS) * PLN_COLS + 2 * r;
    part[0] = most;
    part[1] = sum;
}

/* Whether this block is the last one of its base; then all that the others left can be read. */
PLN_INLINE bool pln_attention_is_last(const struct pln_attention_params *p, const struct pln_attention_place *place)
{
    __shared__ uint32_t before;
    uint32_t *arrived = (uint32_t *)&p->arrived[place->base];
#ifdef PLN_EMULATED
    __syncthreads();
    if (threadIdx.x == 0) before = __atomic_fetch_add(arrived, 1u, __ATOMIC_ACQ_REL);
    __syncthreads();
#else
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0) before = atomicAdd(arrived, 1u);
    __syncthreads();
    __threadfence();
#endif
    return before == (uint32_t)p->splits - 1;
}

/* All parts of a base together, in their order. */
PLN_INLINE void pln_attention_join(const struct pln_attention_params *p, const struct pln_attention_place *place)
{
    const int64_t rows = p->few ? PLN_ATTENTION_FEW : PLN_ROWS;
    for (int64_t e = threadIdx.x; e < place->n_rows * PLN_COLS; e += THREADS) {
        const int64_t r = e / PLN_COLS;
        float most = NOTHING, sum = 0, total = 0;
        for (int64_t s = 0; s < p->splits; s++) most = fmaxf(most, pln_attention_part(p, place->base, s)[rows * PLN_COLS + 2 * r]);
        const float shift = pln_attention_shift(most);
        for (int64_t s = 0; s < p->splits; s++) {
            const float *part = pln_attention_part(p, place->base, s);
            const float factor = pln_attention_weight(part[rows * PLN_COLS + 2 * r], shift);
            sum = fmaf(factor, part[rows * PLN_COLS + 2 * r + 1], sum);
            total = fmaf(factor, part[e], total);
        }
        if (place->col + e % PLN_COLS < p->v_size) pln_store(&pln_attention_result_at(p, place, r)[e % PLN_COLS * p->y.col_stride], pln_attention_result(p, place, r, e % PLN_COLS, total, most, sum));
    }
}

#include "backend/cuda/device/attention_few.cuh"
#ifdef PLN_MMA_TYPE
#include "backend/cuda/device/attention_mma.cuh"
#else
#include "backend/cuda/device/attention_tile.cuh"
#endif
#if defined(PLN_PRESENT) || defined(PLN_SCORES)
#include "backend/cuda/device/attention_more.cuh"
#endif

/* ---- tasks ---- */

union pln_attention_room {
    struct pln_tile_room tile;
    struct pln_few_room few;
};

PLN_INLINE void pln_attention_task(const struct pln_attention_params *p, int64_t task, union pln_attention_room *room)
{
    struct pln_attention_place place;
    const int64_t rows = p->few ? PLN_ATTENTION_FEW : PLN_ROWS;
    place.split = task % p->splits;
    place.base = task / p->splits;
    place.col = place.base % p->v_tiles * PLN_COLS;
    const int64_t tile = place.base / p->v_tiles, group = tile / p->row_tiles;
    place.first_row = tile % p->row_tiles * rows;
    place.n_rows = pln_least(rows, p->share * p->n_queries - place.first_row);
    place.kv_head = group % p->kv_heads;
    place.b = group / p->kv_heads;
    pln_attention_find_row(p, &place);
    place.first_key = pln_most(place.split * p->split_keys, pln_attention_first(p, &place, pln_attention_query(p, &place, 0)));
    place.end_key = pln_least((place.split + 1) * p->split_keys, pln_attention_end(p, &place, pln_attention_query(p, &place, place.n_rows - 1)));
    if (p->few) pln_attention_few(p, &place, &room->few);
    else pln_attention_tile(p, &place, &room->tile);
    if (p->splits > 1 && pln_attention_is_last(p, &place)) pln_attention_join(p, &place);
    __syncthreads();
}

extern "C" __global__ void __launch_bounds__(THREADS) pln_entry(const struct pln_attention_params *p)
{
    __shared__ union pln_attention_room room;
    for (int64_t task = blockIdx.x; task < p->head.n_tasks; task += gridDim.x) {
        int64_t left = task - p->attend_tasks;
        if (left < 0) pln_attention_task(p, task, &room);
#ifdef PLN_PRESENT
        else if (left < p->present_tasks) pln_attention_write_present(p, left);
#endif
        left -= p->present_tasks;
#ifdef PLN_SCORES
        if (left >= 0 && left < p->score_tasks) pln_attention_write_scores(p, left);
#endif
    }
}
