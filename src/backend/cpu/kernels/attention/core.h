/* The computation of a task, compiled once an ISA. Defines run_task. */
#include <math.h>

#include "backend/cpu/kernels/attention/attention.h"
#include "backend/cpu/kernels/vec/vec_f32.h"
#include "backend/cpu/kernels/vec/vec_math.h"

#if VF_LANES >= 16
#define STRIP 4 /* vectors of a strip of columns: 4 rows × 4 vectors are held in registers */
#else
#define STRIP 2
#endif
#define GROUP 4 /* rows */

/* c[r][0..STRIP) (+)= a[r][0..k) b[0..k)[…] for `rows` rows, all vectors full. b rows are b_row floats apart. */
static inline __attribute__((always_inline)) void strip(int rows, float *c, int64_t c_row, const float *a, int64_t a_row, const float *b, int64_t b_row, int64_t k, bool add)
{
    vf acc[GROUP][STRIP];
    for (int r = 0; r < rows; r++)
        for (int s = 0; s < STRIP; s++) acc[r][s] = add ? vf_load(c + r * c_row + s * VF_LANES) : vf_set(0);
    for (int64_t i = 0; i < k; i++) {
        vf line[STRIP];
        for (int s = 0; s < STRIP; s++) line[s] = vf_load(b + i * b_row + s * VF_LANES);
        for (int r = 0; r < rows; r++) {
            vf x = vf_set(a[r * a_row + i]);
            for (int s = 0; s < STRIP; s++) acc[r][s] = vf_fma(x, line[s], acc[r][s]);
        }
    }
    for (int r = 0; r < rows; r++)
        for (int s = 0; s < STRIP; s++) vf_store(c + r * c_row + s * VF_LANES, acc[r][s]);
}

/* One vector of columns, the last one perhaps not full. */
static inline __attribute__((always_inline)) void narrow(int rows, float *c, int64_t c_row, const float *a, int64_t a_row, const float *b, int64_t b_row, int64_t k, bool add, int64_t lanes)
{
    vf acc[GROUP];
    for (int r = 0; r < rows; r++) acc[r] = add ? vf_load_n(c + r * c_row, lanes) : vf_set(0);
    for (int64_t i = 0; i < k; i++) {
        vf line = vf_load_n(b + i * b_row, lanes);
        for (int r = 0; r < rows; r++) acc[r] = vf_fma(vf_set(a[r * a_row + i]), line, acc[r]);
    }
    for (int r = 0; r < rows; r++) vf_store_n(c + r * c_row, acc[r], lanes);
}

static inline __attribute__((always_inline)) void group(int rows, float *c, int64_t c_row, const float *a, int64_t a_row, const float *b, int64_t b_row, int64_t k, int64_t n, bool add)
{
    int64_t j = 0;
    for (; j + STRIP * VF_LANES <= n; j += STRIP * VF_LANES) strip(rows, c + j, c_row, a, a_row, b + j, b_row, k, add);
    for (; j < n; j += VF_LANES) narrow(rows, c + j, c_row, a, a_row, b + j, b_row, k, add, PLN_MIN((int64_t)VF_LANES, n - j));
}

/* c[rows][n] (+)= a[rows][k] b[k][n]. */
static void multiply(int64_t rows, float *c, int64_t c_row, const float *a, int64_t a_row, const float *b, int64_t b_row, int64_t k, int64_t n, bool add)
{
    int64_t r = 0;
    for (; r + GROUP <= rows; r += GROUP) group(GROUP, c + r * c_row, c_row, a + r * a_row, a_row, b, b_row, k, n, add);
    for (; r < rows; r++) group(1, c + r * c_row, c_row, a + r * a_row, a_row, b, b_row, k, n, add);
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

/* turned[i][j] = keys[j][i], PLN_ATTENTION_KEYS a row; columns behind n are 0. */
static void turn_keys(const struct pln_attention_task *task, const struct pln_attention_block *block, int64_t n, float *turned)
{
    for (int64_t j = 0; j < PLN_ATTENTION_KEYS; j++) {
        const float *key = block->k + j * block->k_row;
        for (int64_t i = 0; i < task->size; i++) turned[i * PLN_ATTENTION_KEYS + j] = j < n ? key[i] : 0;
    }
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
            const float *mask = (const float *)task->mask + at;
            for (int64_t j = 0; j < known; j++) scores[j] += mask[j * task->mask_col];
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
    for (j = 0; j < n; j += VF_LANES) {
        int64_t lanes = PLN_MIN((int64_t)VF_LANES, n - j);
        /* Weights too small for a normal number are 0: a denormal one takes the processor a hundred times as long. The order of operands lets
         * NaN through. */
        vf x = vf_load_n(scores + j, lanes) - shift, least = vf_set(-87.0f);
        vf weight = vf_select(vf_lt(x, least), vf_set(0), vf_exp(vf_max(least, x)));
        vf_store_n(scores + j, weight, lanes);
        total += vf_load_n(scores + j, lanes);
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

static void run_task(const struct pln_attention_task *task)
{
    int64_t rows = task->rows, padded = (task->v_size + 63) / 64 * 64;
    float *query = task->scratch, *turned = query + PLN_ATTENTION_ROWS * task->size;
    float *scores = turned + PLN_ATTENTION_KEYS * task->size, *out = scores + PLN_ATTENTION_ROWS * PLN_ATTENTION_KEYS;
    float most[PLN_ATTENTION_ROWS], sum[PLN_ATTENTION_ROWS];
    for (int64_t r = 0; r < rows; r++) {
        most[r] = -INFINITY;
        sum[r] = 0;
        for (int64_t i = 0; i < task->size; i++) query[r * task->size + i] = task->q[r * task->q_row + i * task->q_col] * task->scale;
        memset(out + r * padded, 0, (size_t)task->v_size * sizeof *out);
    }
    int64_t end = task->total;
    if (task->first_key_limit != INT64_MAX) end = PLN_MIN(end, PLN_MAX((int64_t)0, task->first_key_limit + rows - 1));
    for (int64_t first = 0; first < end; first += PLN_ATTENTION_KEYS) {
        int64_t n = PLN_MIN((int64_t)PLN_ATTENTION_KEYS, end - first);
        const struct pln_attention_block block = block_at(task, first, n);
        if (rows < GROUP) {
            for (int64_t r = 0; r < rows; r++) dot_keys(task, query + r * task->size, &block, n, scores + r * PLN_ATTENTION_KEYS);
        } else {
            turn_keys(task, &block, n, turned);
            multiply(rows, scores, PLN_ATTENTION_KEYS, query, task->size, turned, PLN_ATTENTION_KEYS, task->size, PLN_ATTENTION_KEYS, false);
        }
        for (int64_t r = 0; r < rows; r++) {
            mask_row(task, r, first, n, scores + r * PLN_ATTENTION_KEYS);
            fold_row(scores + r * PLN_ATTENTION_KEYS, n, out + r * padded, task->v_size, &most[r], &sum[r]);
        }
        multiply(rows, out, padded, scores, PLN_ATTENTION_KEYS, block.v, block.v_row, n, task->v_size, true);
    }
    for (int64_t r = 0; r < rows; r++) {
        if (most[r] == -INFINITY || sum[r] != sum[r]) {
            finish_undefined(task, r, sum[r]);
            continue;
        }
        float inverse = 1 / sum[r];
        for (int64_t i = 0; i < task->v_size; i++) task->out[r * task->out_row + i * task->out_col] = out[r * padded + i] * inverse;
    }
}
