/* What the kernels of transposed convolution in f32 share: images of one to three spatial axes stored channels last, any
 * groups, strides, dilations, paddings and output paddings; bias and a fused program as epilogue. */
#ifndef PLN_CPU_CONV_TRANSPOSED_H
#define PLN_CPU_CONV_TRANSPOSED_H

#include "backend/cpu/kernels/conv/image.h"
#include "backend/cpu/kernels/vec/epilogue.h"

struct pln_transposed {
    struct pln_image x, y;
    int64_t kernel[PLN_IMAGE_AXES], stride[PLN_IMAGE_AXES], dilation[PLN_IMAGE_AXES], pad[PLN_IMAGE_AXES];
    int64_t groups, group_in, group_out;
    const float *weights; /* packed */
    bool y_is_bool;
    struct pln_epilogue epilogue;
    /* Strides of each operand of the epilogue. */
    int64_t e_n[PLN_EPILOGUE_OPERANDS], e_c[PLN_EPILOGUE_OPERANDS], e_at[PLN_EPILOGUE_OPERANDS][PLN_IMAGE_AXES];
};

/* NULL, or why no kernel here takes the problem. */
const char *pln_cpu_transposed_supports(const struct pln_problem *problem);
/* One channel in and one out a group. */
bool pln_cpu_transposed_is_depthwise(const struct pln_problem *problem);
double pln_cpu_transposed_flops(const struct pln_problem *problem);
/* The weights are packed in the format of the kernel's family. Operands of the epilogue are left to walk channels. */
enum pln_status pln_cpu_transposed_read(const struct pln_kernel *kernel, const struct pln_launch *launch,
                                        struct pln_diag *diag, struct pln_transposed *out_transposed);
/* Where the line begins that starts at image n, channel c and output pixel `at`; sets the offsets of the epilogue. */
int64_t pln_cpu_transposed_place(const struct pln_transposed *t, int64_t n, int64_t c, const int64_t *at,
                                 struct pln_epilogue_run *epilogue);
/* Writes a finished line to elements `to` and on of the output. */
void pln_cpu_transposed_store(const struct pln_transposed *t, const float *line, int64_t n, int64_t to, int64_t stride);

#endif
