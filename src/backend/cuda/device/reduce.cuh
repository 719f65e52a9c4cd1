/* Reductions: what one thread gathers of a row, and how the threads that share it put that together.
 *
 * pln_acc_KIND<T> (kernel/op.h, PLN_REDUCE_LIST) has start(neutral), add(x), merge(other) and finish(n). T is float or double, or i64 or u64 for the kinds
 * that stay in the integers. The neutral element is the caller's: 0, 1 for a product, the type's limit for an extreme, -infinity for log_sum_exp. The order
 * of additions depends on the number of threads that share a row alone: each takes every lanes-th element, then a tree. */
#ifndef PLN_CUDA_REDUCE_CUH
#define PLN_CUDA_REDUCE_CUH

#include "backend/cuda/device/elementwise.cuh"

PLN_INLINE float pln_plus(float a, float b) { return a + b; }
PLN_INLINE double pln_plus(double a, double b) { return a + b; }
PLN_INLINE i64 pln_plus(i64 a, i64 b) { return pln_int_add(a, b); }
PLN_INLINE u64 pln_plus(u64 a, u64 b) { return a + b; }
PLN_INLINE float pln_times(float a, float b) { return a * b; }
PLN_INLINE double pln_times(double a, double b) { return a * b; }
PLN_INLINE i64 pln_times(i64 a, i64 b) { return pln_int_mul(a, b); }
PLN_INLINE u64 pln_times(u64 a, u64 b) { return a * b; }
PLN_INLINE float pln_larger(float a, float b) { return pln_ew_max(a, b); }
PLN_INLINE double pln_larger(double a, double b) { return pln_ew_max(a, b); }
PLN_INLINE i64 pln_larger(i64 a, i64 b) { return pln_int_max(a, b); }
PLN_INLINE u64 pln_larger(u64 a, u64 b) { return pln_int_max(a, b); }
PLN_INLINE float pln_smaller(float a, float b) { return pln_ew_min(a, b); }
PLN_INLINE double pln_smaller(double a, double b) { return pln_ew_min(a, b); }
PLN_INLINE i64 pln_smaller(i64 a, i64 b) { return pln_int_min(a, b); }
PLN_INLINE u64 pln_smaller(u64 a, u64 b) { return pln_int_min(a, b); }
PLN_INLINE float pln_size_of(float a) { return fabs(a); }
PLN_INLINE double pln_size_of(double a) { return fabs(a); }
PLN_INLINE i64 pln_size_of(i64 a) { return pln_int_abs(a); }
PLN_INLINE u64 pln_size_of(u64 a) { return a; }
PLN_INLINE double pln_mean_of(double sum, i64 n) { return sum / (double)n; }
PLN_INLINE i64 pln_mean_of(i64 sum, i64 n) { return pln_int_div(sum, n); }
PLN_INLINE u64 pln_mean_of(u64 sum, i64 n) { return pln_int_div(sum, (u64)n); }

template <typename T> struct pln_acc_sum {
    T total;
    __device__ __forceinline__ void start(T neutral) { total = neutral; }
    __device__ __forceinline__ void add(T x) { total = pln_plus(total, x); }
    __device__ __forceinline__ void merge(pln_acc_sum other) { total = pln_plus(total, other.total); }
    __device__ __forceinline__ T finish(i64) const { return total; }
};
/* With what rounding has taken from the sum: the mean of equal floats is their value, and lanes of any lengths may be merged (T. Ogita, S. M. Rump and S. Oishi,
 * "Accurate sum and dot product", SIAM J. Sci. Comput. 26(6), 2005, algorithms 3.1 and 4.1). Nothing is taken on the way to infinity. */
template <> struct pln_acc_sum<float> {
    float total, lost;
    __device__ __forceinline__ void start(float neutral)
    {
        total = neutral;
        lost = 0;
    }
    __device__ __forceinline__ void add(float x)
    {
        const float next = total + x, part = next - total, rest = (total - (next - part)) + (x - part);
        if (fabs(rest) < PLN_INFINITY) lost += rest;
        total = next;
    }
    __device__ __forceinline__ void merge(pln_acc_sum other)
    {
        add(other.total);
        lost += other.lost;
    }
    __device__ __forceinline__ float finish(i64) const { return total + lost; }
};
template <typename T> struct pln_acc_mean : pln_acc_sum<T> {
    __device__ __forceinline__ T finish(i64 n) const { return pln_mean_of(pln_acc_sum<T>::finish(n), n); }
};
/* One division a row: that of doubles, or the mean of equal floats would be off by its rounding. */
template <> struct pln_acc_mean<float> : pln_acc_sum<float> {
    __device__ __forceinline__ float finish(i64 n) const { return (float)(((double)total + (double)lost) / (double)n); }
};
template <typename T> struct pln_acc_log_sum : pln_acc_sum<T> {
    __device__ __forceinline__ T finish(i64 n) const { return log(pln_acc_sum<T>::finish(n)); }
};
template <typename T> struct pln_acc_l1 : pln_acc_sum<T> {
    __device__ __forceinline__ void add(T x) { pln_acc_sum<T>::add(pln_size_of(x)); }
};
template <typename T> struct pln_acc_sum_square : pln_acc_sum<T> {
    __device__ __forceinline__ void add(T x) { pln_acc_sum<T>::add(pln_times(x, x)); }
};
template <typename T> struct pln_acc_l2 : pln_acc_sum_square<T> {
    __device__ __forceinline__ T finish(i64 n) const { return sqrt(pln_acc_sum<T>::finish(n)); }
};
template <typename T> struct pln_acc_prod {
    T total;
    __device__ __forceinline__ void start(T neutral) { total = neutral; }
    __device__ __forceinline__ void add(T x) { total = pln_times(total, x); }
    __device__ __forceinline__ void merge(pln_acc_prod other) { total = pln_times(total, other.total); }
    __device__ __forceinline__ T finish(i64) const { return total; }
};
template <typename T> struct pln_acc_max {
    T best;
    __device__ __forceinline__ void start(T neutral) { best = neutral; }
    __device__ __forceinline__ void add(T x) { best = pln_larger(best, x); }
    __device__ __forceinline__ void merge(pln_acc_max other) { best = pln_larger(best, other.best); }
    __device__ __forceinline__ T finish(i64) const { return best; }
};
template <typename T> struct pln_acc_min {
    T best;
    __device__ __forceinline__ void start(T neutral) { best = neutral; }
    __device__ __forceinline__ void add(T x) { best = pln_smaller(best, x); }
    __device__ __forceinline__ void merge(pln_acc_min other) { best = pln_smaller(best, other.best); }
    __device__ __forceinline__ T finish(i64) const { return best; }
};

/* In one pass: the sum is kept relative to the largest element so far (Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018). */
template <typename T> struct pln_acc_log_sum_exp {
    T best, sum;
    __device__ __forceinline__ void start(T neutral)
    {
        best = neutral;
        sum = 0;
    }
    __device__ __forceinline__ void join(T other_best, T other_sum)
    {
        if (other_best == best) { /* infinities, too */
            sum += other_sum;
        } else if (pln_is_nan(best) || best > other_best) {
            sum += other_sum * exp(other_best - best);
        } else {
            sum = other_sum + sum * exp(best - other_best);
            best = other_best;
        }
    }
    __device__ __forceinline__ void add(T x) { join(x, 1); }
    __device__ __forceinline__ void merge(pln_acc_log_sum_exp other) { join(other.best, other.sum); }
    __device__ __forceinline__ T finish(i64) const { return pln_is_nan(best) || fabs(best) == (T)PLN_INFINITY ? best : best + log(sum); }
};

/* Integers whose reduction is a real number: computed in double and truncated; what is no number gives 0. */
template <typename A> struct pln_acc_real {
    A own;
    __device__ __forceinline__ void start(double neutral) { own.start(neutral); }
    __device__ __forceinline__ void add(double x) { own.add(x); }
    __device__ __forceinline__ void merge(pln_acc_real other) { own.merge(other.own); }
    __device__ __forceinline__ i64 finish(i64 n) const
    {
        const double y = own.finish(n);
        return fabs(y) == (double)PLN_INFINITY ? 0 : pln_truncate(y);
    }
};

/* ---- the threads that share a row ---- */

struct pln_team {
    int lane, lanes;
    int neighbour;    /* from a lane to the next one, in threads: 1, or the rows of the block */
    int first;        /* thread of lane 0 */
    int64_t n;        /* elements of the row; 0: there is no row for these threads */
    bool active;
    void *scratch;    /* 16 bytes a thread of the block */
};

/* Any accumulator, in words. */
template <typename A> PLN_INLINE A pln_shuffle(A own, int lane_mask, int from_first, int width)
{
    union words {
        A whole;
        uint32_t part[sizeof(A) / sizeof(uint32_t)];
        __device__ words() {}
    } w;
    w.whole = own;
    for (int i = 0; i < (int)(sizeof(A) / sizeof(uint32_t)); i++)
        w.part[i] = from_first ? __shfl_sync(0xffffffffu, w.part[i], 0, width) : __shfl_xor_sync(0xffffffffu, w.part[i], lane_mask, width);
    return w.whole;
}

/* Lanes that are neighbours, at most a warp of them. All get what the first one has: of two zeros or two NaNs, which one wins depends on the side. */
template <typename A> PLN_INLINE A pln_merge_warp(A own, int lanes)
{
    for (int mask = lanes / 2; mask > 0; mask /= 2) own.merge(pln_shuffle(own, mask, 0, lanes));
    return pln_shuffle(own, 0, 1, lanes);
}

/* Called by all threads of the block. */
template <typename A> PLN_INLINE A pln_team_merge(const pln_team &team, A own)
{
    static_assert(sizeof(A) <= 16 && sizeof(A) % sizeof(uint32_t) == 0, "room for it in scratch");
    A *scratch = (A *)team.scratch;
    if (team.lanes == 1) return own;
    if (team.neighbour == 1 && team.lanes <= 32) return pln_merge_warp(own, team.lanes);
    if (team.neighbour == 1) {
        own = pln_merge_warp(own, 32);
        if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = own;
        __syncthreads();
        own = scratch[team.first / 32];
        for (int i = 1; i < team.lanes / 32; i++) own.merge(scratch[team.first / 32 + i]);
        __syncthreads();
        return own;
    }
    scratch[threadIdx.x] = own;
    for (int half = team.lanes / 2; half > 0; half /= 2) {
        __syncthreads();
        if (team.lane < half) {
            own.merge(scratch[threadIdx.x + half * team.neighbour]);
            scratch[threadIdx.x] = own;
        }
    }
    __syncthreads();
    own = scratch[team.first];
    __syncthreads();
    return own;
}

#endif
