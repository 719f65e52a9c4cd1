#include "backend/cpu/kernels/reduce/axes.h"

int pln_reduce_tidy(struct pln_reduce_axis *axes, int n)
{
    int kept = 0;
    for (int i = 1; i < n; i++)
        for (int k = i; k > 0 && pln_stride_size(axes[k - 1].x) < pln_stride_size(axes[k].x); k--) {
            struct pln_reduce_axis other = axes[k];
            axes[k] = axes[k - 1];
            axes[k - 1] = other;
        }
    for (int i = 0; i < n; i++) {
        if (axes[i].extent == 1) continue;
        struct pln_reduce_axis *before = kept > 0 ? &axes[kept - 1] : NULL;
        if (before != NULL && before->x == axes[i].x * axes[i].extent && before->y == axes[i].y * axes[i].extent) {
            *before = (struct pln_reduce_axis){ before->extent * axes[i].extent, axes[i].x, axes[i].y };
            continue;
        }
        axes[kept++] = axes[i];
    }
    return kept;
}
