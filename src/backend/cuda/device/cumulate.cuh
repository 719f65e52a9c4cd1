/* The body of pln_row (rows.cuh) that puts running sums or products of a row, operand 0, into operand 1. Defines: PLN_ELEMENT, PLN_PRODUCT, PLN_EXCLUSIVE (an
 * element's own value is left out), PLN_REVERSE (from the end). Each lane takes a run of neighbours, first their total, then, knowing what comes before, their
 * results. */
#include "backend/cuda/device/rows.cuh"

/* What is added up: floats in f32 or f64, integers in 64 bits, which wrap. */
PLN_INLINE float pln_gathered(float x) { return x; }
PLN_INLINE double pln_gathered(double x) { return x; }
PLN_INLINE u64 pln_gathered(u64 x) { return x; }
template <typename T> PLN_INLINE u64 pln_gathered(T x) { return (u64)(i64)x; }
typedef decltype(pln_gathered(pln_value(PLN_ELEMENT()))) pln_running;

PLN_INLINE pln_running pln_run_on(pln_running so_far, pln_running x)
{
    return PLN_PRODUCT ? pln_times(so_far, x) : pln_plus(so_far, x);
}

static __device__ void pln_row(const struct pln_cuda_rows_params *p, const struct pln_team &team, const int64_t *at)
{
    const int64_t run = (team.n + team.lanes - 1) / team.lanes, first = run * team.lane, end = first + run < team.n ? first + run : team.n;
    const int64_t x_step = PLN_REVERSE ? -p->operands[0].strides[0] : p->operands[0].strides[0], y_step = PLN_REVERSE ? -p->operands[1].strides[0] : p->operands[1].strides[0];
    const PLN_ELEMENT *x = (const PLN_ELEMENT *)p->operands[0].data + at[0] - (PLN_REVERSE ? (team.n - 1) * x_step : 0);
    PLN_ELEMENT *y = (PLN_ELEMENT *)p->operands[1].data + at[1] - (PLN_REVERSE ? (team.n - 1) * y_step : 0);
    pln_running *totals = (pln_running *)team.scratch;
    pln_running so_far = PLN_PRODUCT;
    for (int64_t i = first; i < end; i++) so_far = pln_run_on(so_far, pln_gathered(pln_value(x[i * x_step])));
    totals[threadIdx.x] = so_far;
    __syncthreads();
    so_far = PLN_PRODUCT;
    for (int lane = 0; lane < team.lane; lane++) so_far = pln_run_on(so_far, totals[team.first + lane * team.neighbour]);
    __syncthreads();
    for (int64_t i = first; i < end; i++) {
        const pln_running before = so_far;
        so_far = pln_run_on(so_far, pln_gathered(pln_value(x[i * x_step])));
        pln_store(&y[i * y_step], PLN_EXCLUSIVE ? before : so_far);
    }
}
