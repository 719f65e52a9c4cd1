/* DepthToSpace and SpaceToDepth: transposes of [n, c, spatial…] seen with the block as axes of its own. */
#include "backend/ref/elems.h"

/* Block size b and mode of an input [n, c, d0 … dk-1]; blocks = b^k. */
struct blocks {
    int64_t b, blocks;
    int k;
    bool crd;
};

static enum pln_status read_blocks(struct pln_call *call, const struct pln_tensor *in, struct blocks *out)
{
    const char *mode = pln_attrs_string(call->attrs, "mode", "DCR");
    *out = (struct blocks){ .b = pln_attrs_int(call->attrs, "blocksize", 0), .blocks = 1, .k = in->rank - 2, .crd = strcmp(mode, "CRD") == 0 };
    if (!out->crd && strcmp(mode, "DCR") != 0) return pln_call_fail(call, PLN_BAD_MODEL, "unknown mode '%s'", mode);
    if (in->rank < 3) return pln_call_fail(call, PLN_BAD_MODEL, "the input has rank %d, not 3 or more", in->rank);
    if (out->b < 1) return pln_call_fail(call, PLN_BAD_MODEL, "blocksize is %lld", (long long)out->b);
    for (int i = 0; i < out->k; i++) {
        if (!pln_mul_i64(out->blocks, out->b, &out->blocks)) return pln_call_fail(call, PLN_BAD_MODEL, "blocksize is too large");
    }
    return PLN_OK;
}

/* Moves between depth [n, c·b^k, d…] and space [n, c, (d·b)…]; dims are those of the depth side. The walk goes over
 * n, c, then for each spatial axis its blocks and its extent. */
static void move(const struct blocks *s, const struct pln_elems *depth, const struct pln_elems *space, bool to_space)
{
    int64_t dims[PLN_ELEMS_MAX_RANK], deep[PLN_ELEMS_MAX_RANK], wide[PLN_ELEMS_MAX_RANK];
    const struct pln_tensor *d = &depth->tensor, *w = &space->tensor;
    int64_t channels = d->dims[1] / s->blocks;
    dims[0] = d->dims[0];
    deep[0] = d->strides[0];
    wide[0] = w->strides[0];
    dims[1] = channels;
    deep[1] = d->strides[1] * (s->crd ? s->blocks : 1);
    wide[1] = w->strides[1];
    int64_t block_stride = s->crd ? d->strides[1] : d->strides[1] * channels;
    for (int i = s->k - 1; i >= 0; i--) {
        int at = 2 + 2 * i;
        dims[at] = d->dims[2 + i];
        deep[at] = d->strides[2 + i];
        wide[at] = w->strides[2 + i] * s->b;
        dims[at + 1] = s->b;
        deep[at + 1] = block_stride;
        wide[at + 1] = w->strides[2 + i];
        block_stride *= s->b;
    }
    int rank = 2 + 2 * s->k;
    if (to_space) pln_elems_copy(rank, dims, space->data, wide, depth->data, deep, depth->unit_bytes);
    else pln_elems_copy(rank, dims, depth->data, deep, space->data, wide, depth->unit_bytes);
}

enum pln_status pln_ref_depth_to_space(struct pln_call *call)
{
    struct pln_elems in, out;
    struct blocks s;
    int64_t dims[PLN_MAX_RANK];
    PLN_TRY(pln_elems_in(call, 0, &in));
    PLN_TRY(read_blocks(call, &in.tensor, &s));
    memcpy(dims, in.tensor.dims, sizeof dims);
    if (dims[1] % s.blocks) return pln_call_fail(call, PLN_BAD_MODEL, "%lld channels are no multiple of %lld", (long long)dims[1], (long long)s.blocks);
    dims[1] /= s.blocks;
    for (int i = 2; i < in.tensor.rank; i++) {
        if (!pln_mul_i64(dims[i], s.b, &dims[i])) return pln_call_fail(call, PLN_BAD_MODEL, "the output is too large");
    }
    PLN_TRY(pln_elems_out(call, 0, in.tensor.dtype, in.tensor.rank, dims, &out));
    if (out.count == 0) return PLN_OK;
    move(&s, &in, &out, true);
    return pln_elems_finish(call, 0, &out);
}

enum pln_status pln_ref_space_to_depth(struct pln_call *call)
{
    struct pln_elems in, out;
    struct blocks s;
    int64_t dims[PLN_MAX_RANK];
    PLN_TRY(pln_elems_in(call, 0, &in));
    PLN_TRY(read_blocks(call, &in.tensor, &s));
    memcpy(dims, in.tensor.dims, sizeof dims);
    if (!pln_mul_i64(dims[1], s.blocks, &dims[1])) return pln_call_fail(call, PLN_BAD_MODEL, "the output is too large");
    for (int i = 2; i < in.tensor.rank; i++) {
        if (dims[i] % s.b) return pln_call_fail(call, PLN_BAD_MODEL, "axis %d has extent %lld, no multiple of %lld", i, (long long)dims[i], (long long)s.b);
        dims[i] /= s.b;
    }
    PLN_TRY(pln_elems_out(call, 0, in.tensor.dtype, in.tensor.rank, dims, &out));
    if (out.count == 0) return PLN_OK;
    move(&s, &out, &in, false);
    return pln_elems_finish(call, 0, &out);
}
