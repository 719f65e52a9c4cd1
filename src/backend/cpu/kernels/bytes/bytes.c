/* What products and convolutions of bytes share. */
#include "backend/cpu/kernels/bytes/bytes.h"

#include <math.h>

bool pln_bytes_parameter_fits(const struct pln_problem *problem, int i, bool is_scale, int64_t many)
{
    if (i < 0 || i >= problem->n_inputs || !problem->inputs[i].present) return true;
    const struct pln_operand *p = &problem->inputs[i];
    if (is_scale ? p->dtype != PLN_F32 : !pln_bytes_is(p->dtype)) return false;
    return p->rank == 0 || (p->rank == 1 && (p->dims[0] == 1 || (many >= 0 && p->dims[0] == many)));
}

bool pln_bytes_parameter_read(const struct pln_launch *launch, int i, bool is_scale, int64_t many, struct pln_bytes_parameter *out)
{
    *out = (struct pln_bytes_parameter){ .single = true };
    if (i < 0 || i >= launch->n_inputs || launch->inputs[i].dtype == PLN_DTYPE_NONE) return true;
    const struct pln_tensor *t = &launch->inputs[i];
    const int64_t n = pln_tensor_count(t);
    *out = (struct pln_bytes_parameter){ t->data, t->dtype == PLN_I8, n == 1 };
    return (is_scale ? t->dtype == PLN_F32 : pln_bytes_is(t->dtype)) && t->rank <= 1 && pln_tensor_is_contiguous(t) && (n == 1 || n == many);
}

int32_t pln_bytes_zero_at(const struct pln_bytes_parameter *p, int64_t i)
{
    if (p->data == NULL) return 0;
    const int64_t at = p->single ? 0 : i;
    return p->is_signed ? ((const int8_t *)p->data)[at] : ((const uint8_t *)p->data)[at];
}

double pln_bytes_scale_at(const struct pln_bytes_parameter *p, int64_t i)
{
    return p->data == NULL ? 1 : (double)((const float *)p->data)[p->single ? 0 : i];
}

static int64_t whole_vectors(int64_t many)
{
    return (many + 2 * PLN_BYTES_SLACK) / 16 * 16;
}

size_t pln_bytes_result_bytes(int64_t many)
{
    return (size_t)whole_vectors(many) * (sizeof(double) + sizeof(float) + sizeof(int32_t));
}

void pln_bytes_result_read(const struct pln_bytes_result *result, int64_t first, int64_t n, void *memory, struct pln_bytes_finish *out_finish)
{
    const int64_t room = whole_vectors(n), most = result->k * 255 * 255;
    double *scale = memory;
    float *near_scale = (float *)(void *)(scale + room);
    int32_t *bias = (int32_t *)(void *)(near_scale + room);
    *out_finish = (struct pln_bytes_finish){ .scale = scale, .near_scale = near_scale, .bias = bias, .step = 1, .zero = pln_bytes_zero_at(&result->y_zero, 0), .is_signed = result->is_signed };
    for (int64_t i = 0; i < room; i++) {
        scale[i] = i < n ? pln_bytes_scale_at(&result->x_scale, 0) * pln_bytes_scale_at(&result->w_scale, first + i) / pln_bytes_scale_at(&result->y_scale, 0) : 0;
        bias[i] = i < n && result->bias != NULL ? result->bias[first + i] : 0;
        near_scale[i] = (float)scale[i];
        if (!(fabs(scale[i]) < 0x1p100) || most + (bias[i] < 0 ? -(int64_t)bias[i] : bias[i]) > INT32_MAX) out_finish->exactly = true;
    }
}

void pln_bytes_multiply(const struct pln_bytes_isa *isa, const struct pln_bytes_tile *block, int64_t rows, int64_t cols)
{
    const int64_t strips = (rows + isa->rows - 1) / isa->rows;
    struct pln_bytes_tile tile = *block;
    for (int64_t j = 0; j < cols; j += isa->cols) {
        tile.cols = (int)PLN_MIN(cols - j, isa->cols);
        tile.b = block->b + 2 * j;
        /* Strips of even heights: in a low one every product waits for the one before it. */
        for (int64_t strip = 0, i = 0; strip < strips; strip++, i += tile.rows) {
            tile.rows = (int)((rows - i + strips - strip - 1) / (strips - strip));
            tile.a = block->a + i * block->a_row;
            tile.c = block->c + i * block->c_row + j;
            isa->tile(&tile);
        }
    }
}
