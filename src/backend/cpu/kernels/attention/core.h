/* The computation of a task, compiled once an ISA, which defines TILE, TILE_ROWS and TILE_COLS: GEMM's (gemm/tile.h).
 * Defines run_task. */
#include <math.h>

#include "backend/cpu/kernels/attention/attention.h"
#include "backend/cpu/kernels/gemm/tile.h"
#include "backend/cpu/kernels/vec/transpose.h"
#include "backend/cpu/kernels/vec/vec_math.h"

/* Fewer queries meet each key as it lies. */
#define FEW_ROWS 4

/* So many meet keys and values in panels, as weights are: turning and copying them costs as much as some queries. */
#define PANEL_ROWS 12

enum { PANEL = PLN_GEMM_PANEL };

/* c[rows][n] (+)= a[rows][k] b[k][n]; b in panels, or where b_row is not 0 in rows that hold whole vectors. */
static void multiply(int64_t rows, float *c, int64_t c_row, const float *a, int64_t a_row, const float *b, int64_t b_row, int64_t k, int64_t n, bool add)
{
    const int64_t strips = (rows + TILE_ROWS - 1) / TILE_ROWS, low = rows / strips, n_high = rows - low * strips;
    struct pln_gemm_tile tile = { .a_stride = a_row, .b_stride = b_row ? b_row : PANEL, .c_stride = c_row, .k = k, .add = add, .ahead = { (const char *)a, (const char *)a } };
    for (int64_t j = 0; j < n; j += TILE_COLS) {
        tile.b = b_row ? b + j : b + j / PANEL * PANEL * k + j % PANEL;
        tile.b_second = b_row || TILE_COLS <= PANEL ? tile.b + VF_LANES : tile.b + PANEL * k;
        tile.cols = (int)PLN_MIN((int64_t)TILE_COLS, n - j);
        for (int high = 1; high >= 0; high--) {
            tile.rows = (int)(low + high);
            tile.strips = high ? n_high : strips - n_high;
            tile.a = high ? a : a + n_high * (low + 1) * a_row;
            tile.c = (high ? c : c + n_high * (low + 1) * c_row) + j;
            if (tile.strips > 0) TILE(&tile);
        }
    }
}

static inline float sum_lanes(vf x)
{
    float lanes[VF_LANES], sum = 0;
    vf_store(lanes, x);
    for (int i = 0; i < VF_LANES; i++) sum += lanes[i];
    return sum;
}

static inline float max_lanes(vf x)
{
    float lanes[VF_LANES], most;
    vf_store(lanes, x);
    most = lanes[0];
    for (int i = 1; i < VF_LANES; i++) most = lanes[i] > most ? lanes[i] : most;
    return most;
}

static inline struct pln_attention_block block_at(const struct pln_attention_task *task, int64_t first, int64_t n)
{
    if (task->paged) return pln_attention_gather(task, first, n);
    return (struct pln_attention_block){ task->k + first * task->k_row, task->v + first * task->v_row, task->k_row, task->v_row };
}

/* scores[j] = query · key j: for few queries it is cheaper than turning the keys. */
static void dot_keys(const struct pln_attention_task *task, const float *query, const struct pln_attention_block *block, int64_t n, float *scores)
{
    for (int64_t j = 0; j < n; j++) {
        const float *key = block->k + j * block->k_row;
        vf sum = vf_set(0);
        int64_t i = 0;
        for (; i + VF_LANES <= task->size; i += VF_LANES) sum = vf_fma(vf_load(query + i), vf_load(key + i), sum);
        if (i < task->size) sum = vf_fma(vf_load_n(query + i, task->size - i), vf_load_n(key + i, task->size - i), sum);
        scores[j] = sum_lanes(sum);
    }
}

/* Panels of keys: element i of key j at [j / PANEL][i][j % PANEL]; keys from n to a whole panel are 0. */
static void turn_keys(const struct pln_attention_task *task, const struct pln_attention_block *block, int64_t n, float *turned)
{
    const int64_t size = task->size / VF_SQUARE * VF_SQUARE, keys = n / VF_SQUARE * VF_SQUARE;
    for (int64_t j = 0; j < (n + PANEL - 1) / PANEL * PANEL; j++) {
        const float *key = block->k + j * block->k_row;
        float *to = turned + j / PANEL * PANEL * task->size + j % PANEL;
        const bool square = j < keys;
        if (square && j % VF_SQUARE == 0)
            for (int64_t i = 0; i < size; i += VF_SQUARE) vf_transpose_square(key + i, block->k_row, to + i * PANEL, PANEL);
        for (int64_t i = square ? size : 0; i < task->size; i++) to[i * PANEL] = j < n ? key[i] : 0;
    }
}

/* Panels of values, rows of them far apart share places of the first cache. Elements from v_size to a whole panel are 0. */
static void pack_values(const struct pln_attention_task *task, const struct pln_attention_block *block, int64_t n, float *panels)
{
    int64_t i = 0;
    for (; i + PANEL <= task->v_size; i += PANEL, panels += n * PANEL)
        for (int64_t j = 0; j < n; j++)
            for (int64_t l = 0; l < PANEL; l += VF_LANES) vf_store(panels + j * PANEL + l, vf_load(block->v + j * block->v_row + i + l));
    for (int64_t j = 0; i < task->v_size && j < n; j++)
        for (int64_t l = 0; l < PANEL; l++) panels[j * PANEL + l] = i + l < task->v_size ? block->v[j * block->v_row + i + l] : 0;
}

/* The values, in rows of whole vectors: where they lie, or copied. */
static const float *whole_values(const struct pln_attention_task *task, const struct pln_attention_block *block, int64_t n, float *copy, int64_t *out_row)
{
    *out_row = block->v_row;
    if (task->v_size % VF_LANES == 0) return block->v;
    *out_row = (task->v_size + VF_LANES - 1) / VF_LANES * VF_LANES;
    for (int64_t j = 0; j < n; j++) {
        memcpy(copy + j * *out_row, block->v + j * block->v_row, (size_t)task->v_size * sizeof *copy);
        memset(copy + j * *out_row + task->v_size, 0, (size_t)(*out_row - task->v_size) * sizeof *copy);
    }
    return copy;
}

/* The first key that causality hides from a query of the task. */
static int64_t key_limit(const struct pln_attention_task *task, int64_t row)
{
    return task->first_key_limit == INT64_MAX ? INT64_MAX : task->first_key_limit + row;
}

/* scores[j] = mask[j] ? scores[j] : low; with stride 1 it becomes vectors. */
static void select_scores(int64_t n, const uint8_t *restrict mask, int64_t mask_col, float low, float *restrict scores)
{
    if (mask_col == 1) {
        for (int64_t j = 0; j < n; j++) scores[j] = mask[j] ? scores[j] : low;
        return;
    }
    for (int64_t j = 0; j < n; j++) scores[j] = mask[j * mask_col] ? scores[j] : low;
}

/* scores[j] += mask[j]; with stride 1 it becomes vectors. */
static void add_mask(int64_t n, const float *restrict mask, int64_t mask_col, float *restrict scores)
{
    if (mask_col == 1) {
        for (int64_t j = 0; j < n; j++) scores[j] += mask[j];
        return;
    }
    for (int64_t j = 0; j < n; j++) scores[j] += mask[j * mask_col];
}

static void mask_row(const struct pln_attention_task *task, int64_t row, int64_t first, int64_t n, float *scores)
{
    int64_t limit = key_limit(task, row);
    if (task->softcap > 0) {
        vf cap = vf_set(task->softcap), inverse = vf_set(1 / task->softcap);
        for (int64_t j = 0; j < n; j += VF_LANES) {
            int64_t lanes = PLN_MIN((int64_t)VF_LANES, n - j);
            vf_store_n(scores + j, cap * vf_tanh(vf_load_n(scores + j, lanes) * inverse), lanes);
        }
    }
    if (task->mask) {
        int64_t known = PLN_MIN(n, PLN_MAX((int64_t)0, task->mask_keys - first)), at = row * task->mask_row + first * task->mask_col;
        if (task->mask_is_bool) {
            select_scores(known, (const uint8_t *)task->mask + at, task->mask_col, task->masked_score, scores);
        } else {
            add_mask(known, (const float *)task->mask + at, task->mask_col, scores);
        }
        for (int64_t j = known; j < n; j++) scores[j] = -INFINITY;
    }
    for (int64_t j = PLN_MAX((int64_t)0, limit - first); j < n; j++) scores[j] = -INFINITY;
}

/* Turns scores into weights against the running maximum and scales what is there so far. */
static void fold_row(float *scores, int64_t n, float *out, int64_t v_size, float *most, float *sum)
{
    vf top = vf_set(-INFINITY);
    int64_t j = 0;
    for (; j + VF_LANES <= n; j += VF_LANES) top = vf_max(vf_load(scores + j), top); /* of NaN and top: top */
    float largest = max_lanes(top);
    for (; j < n; j++) largest = scores[j] > largest ? scores[j] : largest;
    largest = largest > *most ? largest : *most;
    if (largest == -INFINITY) { /* nothing seen so far, unless it is NaN */
        bool nan = false;
        for (j = 0; j < n; j++) nan |= scores[j] != scores[j];
        if (nan) *sum = NAN;
        memset(scores, 0, (size_t)n * sizeof *scores);
        return;
    }
    vf total = vf_set(0), shift = vf_set(largest);
    for (j = 0; j + 4 * VF_LANES <= n; j += 4 * VF_LANES) {
        vf weights[4];
        for (int i = 0; i < 4; i++) weights[i] = vf_load(scores + j + i * VF_LANES) - shift;
        vf_exp_share_many(4, weights);
        for (int i = 0; i < 4; i++) vf_store(scores + j + i * VF_LANES, weights[i]);
        total += (weights[0] + weights[1]) + (weights[2] + weights[3]);
    }
    for (; j + VF_LANES <= n; j += VF_LANES) {
        vf weight = vf_exp_share(vf_load(scores + j) - shift);
        vf_store(scores + j, weight);
        total += weight;
    }
    if (j < n) {
        vf_store_n(scores + j, vf_exp_share(vf_load_n(scores + j, n - j) - shift), n - j);
        total += vf_load_n(scores + j, n - j);
    }
    float before = *most == -INFINITY ? 0 : expf(*most - largest);
    *sum = *sum * before + sum_lanes(total);
    *most = largest;
    if (before == 1) return;
    vf factor = vf_set(before);
    for (j = 0; j < v_size; j += VF_LANES) {
        int64_t lanes = PLN_MIN((int64_t)VF_LANES, v_size - j);
        vf_store_n(out + j, vf_load_n(out + j, lanes) * factor, lanes);
    }
}

/* Neither causality nor the mask leaves a key to this query. */
static bool sees_no_key(const struct pln_attention_task *task, int64_t row)
{
    int64_t n = PLN_MIN(task->total, key_limit(task, row)), at = row * task->mask_row;
    if (!task->mask) return n <= 0;
    if (task->mask_is_bool && task->masked_score != -INFINITY) return PLN_MIN(n, task->mask_keys) <= 0;
    for (int64_t j = 0; j < PLN_MIN(n, task->mask_keys); j++, at += task->mask_col)
        if (task->mask_is_bool ? ((const uint8_t *)task->mask)[at] != 0 : ((const float *)task->mask)[at] != -INFINITY) return false;
    return true;
}

/* The result of a query whose softmax is not a number: sum is NaN, or 0 when all scores are -infinity. */
static void finish_undefined(const struct pln_attention_task *task, int64_t row, float sum)
{
    float *to = task->out + row * task->out_row, fill = 0;
    if (task->undefined == PLN_UNDEFINED_ROWS_SOFTMAX && task->total > 0) fill = NAN;
    if (task->undefined == PLN_UNDEFINED_ROWS_OP && sum != sum && !sees_no_key(task, row)) fill = NAN;
    for (int64_t i = 0; i < task->v_size; i++) to[i * task->out_col] = fill;
    if (task->undefined != PLN_UNDEFINED_ROWS_GUARDED) return;
    int64_t n = PLN_MIN(task->total, key_limit(task, row));
    if (task->mask) n = PLN_MIN(n, task->mask_keys);
    for (int64_t j = 0; j < n; j++) {
        const struct pln_attention_block block = block_at(task, j, 1);
        for (int64_t i = 0; i < task->v_size; i++) to[i * task->out_col] += 0 * block.v[i];
    }
}

/* to[i] = from[i * step] * factor, i < n. */
static void scale_row(const float *from, int64_t step, float factor, int64_t n, float *restrict to, int64_t to_step)
{
    if (step == 1 && to_step == 1)
        for (int64_t i = 0; i < n; i++) to[i] = from[i] * factor;
    else
        for (int64_t i = 0; i < n; i++) to[i * to_step] = from[i * step] * factor;
}

static void run_task(const struct pln_attention_task *task)
{
    const int64_t rows = task->rows, padded = pln_attention_padded(task->v_size);
    const int64_t keys = pln_attention_keys(task->size, task->v_size), score_row = pln_attention_score_row(task->size, task->v_size);
    float *query = task->scratch, *turned = query + task->rows_most * task->size;
    float *scores = turned + keys * task->size, *out = scores + task->rows_most * score_row;
    float *values_copy = out + task->rows_most * padded, *most = values_copy + keys * padded, *sum = most + task->rows_most;
    for (int64_t r = 0; r < rows; r++) {
        most[r] = -INFINITY;
        sum[r] = 0;
        scale_row(task->q + r * task->q_row, task->q_col, task->scale, task->size, query + r * task->size, 1);
        memset(out + r * padded, 0, (size_t)task->v_size * sizeof *out);
    }
    int64_t end = task->total;
    if (task->first_key_limit != INT64_MAX) end = PLN_MIN(end, PLN_MAX((int64_t)0, task->first_key_limit + rows - 1));
    for (int64_t first = 0; first < end; first += keys) {
        const int64_t n = PLN_MIN(keys, end - first);
        const struct pln_attention_block block = block_at(task, first, n);
        if (rows < FEW_ROWS) {
            for (int64_t r = 0; r < rows; r++) dot_keys(task, query + r * task->size, &block, n, scores + r * score_row);
        } else {
            turn_keys(task, &block, n, turned);
            multiply(rows, scores, score_row, query, task->size, turned, 0, task->size, n, false);
        }
        for (int64_t r = 0; r < rows; r++) {
            mask_row(task, r, first, n, scores + r * score_row);
            fold_row(scores + r * score_row, n, out + r * padded, task->v_size, &most[r], &sum[r]);
        }
        if (rows < PANEL_ROWS) {
            int64_t v_row;
            const float *values = whole_values(task, &block, n, values_copy, &v_row);
            multiply(rows, out, padded, scores, score_row, values, v_row, n, task->v_size, true);
        } else {
            pack_values(task, &block, n, values_copy);
            multiply(rows, out, padded, scores, score_row, values_copy, 0, n, task->v_size, true);
        }
    }
    for (int64_t r = 0; r < rows; r++) {
        if (most[r] == -INFINITY || sum[r] != sum[r])
            finish_undefined(task, r, sum[r]);
        else
            scale_row(out + r * padded, 1, 1 / sum[r], task->v_size, task->out + r * task->out_row, task->out_col);
    }
}
