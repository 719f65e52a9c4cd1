/* The body of pln_row (rows.cuh) that picks the first elements of a row in an order: ArgMax, ArgMin, TopK. Operand 0 is the row. Defines: PLN_ELEMENT its type,
 * PLN_LARGEST (1: the larger comes first), PLN_NAN_FIRST, PLN_LAST (1: of equal elements the last comes first), PLN_VALUES and PLN_INDICES the operands of the
 * results, or -1. Parameters: extra[0] how many, at most as many as the row has; extra[1] and extra[2] the step from one result to the next in values and
 * indices.
 *
 * The order is total, so each pick is the first of those behind the pick before it: nothing has to be kept. */
#include "backend/cuda/device/rows.cuh"

typedef decltype(pln_value(PLN_ELEMENT())) pln_picked;

struct pln_pick {
    pln_picked value;
    i64 index; /* -1: none */

    __device__ __forceinline__ bool before(const pln_pick &other) const
    {
        const bool nan = value != value, other_nan = other.value != other.value;
        if (nan != other_nan) return nan == (PLN_NAN_FIRST != 0);
        if (!nan && value != other.value) return PLN_LARGEST ? value > other.value : value < other.value;
        return PLN_LAST ? index > other.index : index < other.index;
    }
    __device__ __forceinline__ void merge(const pln_pick &other)
    {
        if (other.index >= 0 && (index < 0 || other.before(*this))) *this = other;
    }
};

static __device__ void pln_row(const struct pln_cuda_rows_params *p, const struct pln_team &team, const int64_t *at)
{
    const PLN_ELEMENT *row = (const PLN_ELEMENT *)p->operands[0].data + at[0];
    const int64_t step = p->operands[0].strides[0];
    pln_pick last;
    last.value = pln_picked();
    last.index = -1;
    for (int64_t k = 0; k < p->extra[0]; k++) {
        pln_pick best;
        best.value = pln_picked();
        best.index = -1;
        for (int64_t i = team.lane; i < team.n; i += team.lanes) {
            pln_pick own;
            own.value = pln_value(row[i * step]);
            own.index = i;
            if (k == 0 || last.before(own)) best.merge(own);
        }
        last = pln_team_merge(team, best);
        if (team.lane != 0 || last.index < 0) continue;
        if (PLN_VALUES >= 0) pln_store((PLN_ELEMENT *)p->operands[PLN_VALUES < 0 ? 0 : PLN_VALUES].data + at[PLN_VALUES < 0 ? 0 : PLN_VALUES] + k * p->extra[1], last.value);
        if (PLN_INDICES >= 0) ((i64 *)p->operands[PLN_INDICES < 0 ? 0 : PLN_INDICES].data)[at[PLN_INDICES < 0 ? 0 : PLN_INDICES] + k * p->extra[2]] = last.index;
    }
}
