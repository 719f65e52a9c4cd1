/* Equations of Einsum: "bij,bjk->bik". The build side infers shapes from them, the reference kernel computes by them. */
#ifndef PLN_KERNEL_EINSUM_H
#define PLN_KERNEL_EINSUM_H

#include "base/base.h"

#define PLN_EINSUM_MAX_INPUTS 16
/* Labels are numbers: letters in order of first use, then the dims of the ellipsis. */
#define PLN_EINSUM_MAX_LABELS (52 + PLN_MAX_RANK)

struct pln_einsum {
    int n_inputs, n_labels, out_rank;
    uint8_t in_rank[PLN_EINSUM_MAX_INPUTS];
    uint8_t in[PLN_EINSUM_MAX_INPUTS][PLN_MAX_RANK]; /* label of each dim of each input */
    uint8_t out[PLN_MAX_RANK];                       /* label of each dim of the output, no label twice */
};

/* ranks[n_inputs] are those of the inputs; an ellipsis stands for what the letters leave over, aligned at its end where inputs differ.
 * Without "->" the output has the ellipsis and then, in ASCII order, the letters that occur once. Returns why not (static), or NULL. */
const char *pln_einsum_parse(const char *equation, int n_inputs, const int *ranks, struct pln_einsum *out);

#endif
