/* Col2Im: columns of blocks summed into an image. */
#include "backend/ref/elems.h"
#include "tensor/convert.h"

/* Geometry of one image; k axes. */
struct columns {
    int k;
    const int64_t *image, *block;
    int64_t stride[PLN_MAX_RANK], dilation[PLN_MAX_RANK], pad[PLN_MAX_RANK], blocks[PLN_MAX_RANK];
    int64_t kernel, n_blocks, pixels; /* products */
};

static int64_t attr_at(struct pln_call *call, const char *name, int i, int64_t fallback)
{
    const int64_t *ints;
    return i < pln_attrs_ints(call->attrs, name, &ints) ? ints[i] : fallback;
}

/* Every number of it lies below this, so that sums and products of two do not overflow. */
static const int64_t number_max = (int64_t)1 << 31;

static enum pln_status read_columns(struct pln_call *call, struct columns *g)
{
    int64_t n_image, n_block;
    PLN_TRY(pln_call_ints(call, 1, &g->image, &n_image));
    PLN_TRY(pln_call_ints(call, 2, &g->block, &n_block));
    if (n_image < 1 || n_image != n_block || n_image > PLN_MAX_RANK - 2) return pln_call_fail(call, PLN_BAD_MODEL, "image_shape and block_shape differ in length");
    g->k = (int)n_image;
    g->kernel = g->n_blocks = g->pixels = 1;
    for (int d = 0; d < g->k; d++) {
        int64_t end = attr_at(call, "pads", g->k + d, 0);
        g->stride[d] = attr_at(call, "strides", d, 1);
        g->dilation[d] = attr_at(call, "dilations", d, 1);
        g->pad[d] = attr_at(call, "pads", d, 0);
        int64_t numbers[] = { g->block[d], g->stride[d], g->dilation[d], g->image[d], g->pad[d], end };
        for (int i = 0; i < (int)PLN_COUNT_OF(numbers); i++) {
            if (numbers[i] < (i < 3) || numbers[i] >= number_max) return pln_call_fail(call, PLN_INVALID_ARGUMENT, "axis %d: an extent, stride, dilation or pad is out of range", d);
        }
        int64_t span = g->image[d] + g->pad[d] + end - g->dilation[d] * (g->block[d] - 1) - 1;
        g->blocks[d] = span < 0 ? 0 : span / g->stride[d] + 1;
        if (!pln_mul_i64(g->kernel, g->block[d], &g->kernel) || !pln_mul_i64(g->n_blocks, g->blocks[d], &g->n_blocks) ||
            !pln_mul_i64(g->pixels, g->image[d], &g->pixels)) {
            return pln_call_fail(call, PLN_INVALID_ARGUMENT, "the image or the block is too large");
        }
    }
    return PLN_OK;
}

/* Pixel that element `tap` of block `column` falls on; -1: outside. */
static int64_t find_pixel(const struct columns *g, int64_t tap, int64_t column)
{
    int64_t at = 0, scale = 1;
    for (int d = g->k - 1; d >= 0; d--) {
        int64_t i = column % g->blocks[d] * g->stride[d] - g->pad[d] + tap % g->block[d] * g->dilation[d];
        if (i < 0 || i >= g->image[d]) return -1;
        at += i * scale;
        scale *= g->image[d];
        tap /= g->block[d];
        column /= g->blocks[d];
    }
    return at;
}

static void add(enum pln_dtype dtype, void *out, int64_t to, const void *in, int64_t from)
{
    if (pln_dtype_is_complex(dtype)) {
        for (int64_t i = 0; i < 2; i++) add(pln_dtype_part(dtype), out, 2 * to + i, in, 2 * from + i);
    } else if (pln_dtype_is_float(dtype)) {
        pln_store_f64(dtype, out, to, pln_load_f64(dtype, out, to) + pln_load_f64(dtype, in, from), false);
    } else {
        uint64_t sum = (uint64_t)pln_load_i64(dtype, out, to) + (uint64_t)pln_load_i64(dtype, in, from);
        pln_store_i64(dtype, out, to, dtype == PLN_BOOL ? sum != 0 : (int64_t)sum);
    }
}

enum pln_status pln_ref_col2im(struct pln_call *call)
{
    const struct pln_tensor *in;
    struct pln_tensor out;
    struct columns g;
    int64_t dims[PLN_MAX_RANK];
    PLN_TRY(pln_call_need(call, 0, &in));
    PLN_TRY(read_columns(call, &g));
    if (in->rank != 3 || in->dims[1] % g.kernel != 0 || in->dims[2] != g.n_blocks) {
        return pln_call_fail(call, PLN_BAD_MODEL, "the input is not [n, c * %lld, %lld]", (long long)g.kernel, (long long)g.n_blocks);
    }
    if (in->dtype == PLN_STR) return pln_call_fail(call, PLN_UNSUPPORTED, "sums of %s", pln_dtype_name(in->dtype));
    dims[0] = in->dims[0];
    dims[1] = in->dims[1] / g.kernel;
    memcpy(dims + 2, g.image, (size_t)g.k * sizeof *dims);
    PLN_TRY(pln_call_out(call, 0, in->dtype, 2 + g.k, dims, &out));
    size_t bytes = pln_tensor_bytes(&out);
    if (bytes > 0) memset(out.data, 0, bytes);
    int64_t count = pln_tensor_count(in);
    for (int64_t i = 0; bytes > 0 && i < count; i++) {
        int64_t column = i % g.n_blocks, row = i / g.n_blocks, at = find_pixel(&g, row % g.kernel, column);
        if (at >= 0) add(in->dtype, out.data, row / g.kernel * g.pixels + at, in->data, i);
    }
    return PLN_OK;
}
