/* Launches: what a message about operands says of them, and what they need before a row sees them. */
#include <stdarg.h>
#include <stdio.h>

#include "kernel/kernel.h"

void pln_operand_describe(char *text, size_t text_bytes, const char *lead, const struct pln_tensor *tensor)
{
    char shape[256];
    size_t n = strlen(text);
    if (n >= text_bytes) return;
    const char *what = !tensor || tensor->dtype == PLN_DTYPE_NONE ? "none" : pln_tensor_describe(tensor, shape, sizeof shape);
    snprintf(text + n, text_bytes - n, "%s%s", lead, what);
}

enum pln_status pln_launch_fail(const struct pln_launch *launch, struct pln_diag *diag, enum pln_status status, const char *format, ...)
{
    char text[PLN_DIAG_TEXT];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (int i = 0; i < launch->n_inputs; i++) pln_operand_describe(text, sizeof text, i ? ", " : " (inputs ", &launch->inputs[i]);
    for (int i = 0; i < launch->n_outputs; i++) pln_operand_describe(text, sizeof text, i ? ", " : launch->n_inputs ? "; outputs " : " (outputs ", &launch->outputs[i]);
    return pln_fail(diag, status, "%s%s", text, launch->n_inputs + launch->n_outputs > 0 ? ")" : "");
}

enum pln_status pln_kernel_prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state, struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    if (launch->paged && !(kernel->flags & PLN_KERNEL_PAGED)) return pln_fail(diag, PLN_BAD_PLAN, "kernel '%s' does not take keys and values in pages", kernel->name);
    return kernel->family->prepare(kernel, launch, state, out_prepared, diag);
}
