/* The kernel of a row program: see rows.cuh. */
#define ELEMENTS_A_THREAD 4

extern "C" __global__ void __launch_bounds__(PLN_THREADS) pln_entry(const struct pln_cuda_rows_params *__restrict__ p)
{
#if PLN_ELEMENTS
    for (int64_t task = blockIdx.x; task < p->head.n_tasks; task += gridDim.x) {
        for (int part = 0; part < ELEMENTS_A_THREAD; part++) {
            const int64_t i = (task * ELEMENTS_A_THREAD + part) * PLN_THREADS + threadIdx.x;
            int64_t at[PLN_OPERANDS];
            if (i >= p->n) break;
            pln_place(p, 0, p->n_axes, i, at);
            pln_element(p, at);
        }
    }
#else
    __shared__ double scratch[2 * PLN_THREADS];
    if (p->head.n_tasks == 0) return; /* nothing else needs to be there */
    const int thread = (int)threadIdx.x, rows = PLN_THREADS / p->lanes;
    const int own = p->rows_first ? thread % rows : thread / p->lanes;
    struct pln_team team;
    team.lanes = p->lanes;
    team.lane = p->rows_first ? thread / rows : thread % p->lanes;
    team.neighbour = p->rows_first ? rows : 1;
    team.first = p->rows_first ? own : own * p->lanes;
    team.scratch = scratch;
    for (int64_t task = blockIdx.x; task < p->head.n_tasks; task += gridDim.x) {
        const int64_t row = task * rows + own;
        int64_t at[PLN_OPERANDS];
        team.active = row < p->n_rows;
        team.n = team.active ? p->n : 0;
        pln_place(p, p->n_row_axes, p->n_axes - p->n_row_axes, team.active ? row : 0, at);
        pln_row(p, team, at);
    }
#endif
}
