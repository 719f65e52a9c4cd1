/* Short-time Fourier transforms of real signals, with frames whose length, distance and window are known: convolutions of the signal with the cosines and
 * sines of all bins, times the window. Frames of any length are as fast then, and those that share their samples do not copy them. */
#include <math.h>

#include "passes/rewrite.h"

enum pln_status pln_pass_spectrum(struct pln_graph *graph, struct pln_arena *scratch, struct pln_diag *diag, bool *out_changed);

/* Longer frames cost more as products than as a fast transform, and their weights would take more than 4 MiB. */
#define LENGTH_MOST 1024

struct frames {
    uint32_t x;
    int64_t length, hop, bins;
    const float *window; /* NULL: ones */
};

static bool read_one(const struct pln_graph *graph, uint32_t value, int64_t *out)
{
    int64_t ints[PLN_MAX_ELEMS], n;
    if (!pln_known_ints(graph, value, ints, &n) || n != 1) return false;
    *out = ints[0];
    return true;
}

static bool read_frames(const struct pln_graph *graph, uint32_t node, struct frames *f)
{
    const struct pln_node *n = pln_graph_node(graph, node);
    const uint32_t window = n->n_inputs > 2 ? n->inputs[2] : PLN_NONE, length = n->n_inputs > 3 ? n->inputs[3] : PLN_NONE;
    int64_t parts;
    *f = (struct frames){ .x = n->inputs[0] };
    const struct pln_type *x = &pln_graph_value(graph, f->x)->type;
    if (x->kind != PLN_TENSOR || x->dtype != PLN_F32 || x->rank != 3 || !pln_dim_value(&graph->dims, x->dims[2], &parts) || parts != 1) return false;
    if (window != PLN_NONE) {
        const struct pln_tensor *data = pln_graph_value(graph, window)->data;
        if (!data || data->dtype != PLN_F32 || data->rank != 1) return false;
        f->window = data->data;
        f->length = data->dims[0];
    }
    int64_t given = f->length;
    if (length != PLN_NONE ? !read_one(graph, length, &given) : window == PLN_NONE) return false;
    if (window != PLN_NONE && given != f->length) return false;
    f->length = given;
    f->bins = pln_node_int(graph, node, "onesided") != 0 ? f->length / 2 + 1 : f->length;
    return read_one(graph, n->inputs[1], &f->hop) && f->hop >= 1 && f->length >= 1 && f->length <= LENGTH_MOST;
}

/* [2 bins, 1, length]: of each bin its cosines, then its sines, as e^(-2 pi i k t / length) has them. */
static uint32_t make_weights(struct pln_rewrite *rw, const struct frames *f)
{
    uint32_t weights;
    float *data = pln_rewrite_constant(rw, NULL, PLN_F32, 3, (const int64_t[]){ 2 * f->bins, 1, f->length }, &weights);
    if (!data) return PLN_NONE;
    for (int64_t k = 0; k < f->bins; k++)
        for (int64_t t = 0; t < f->length; t++) {
            /* k t modulo the length: the angle stays small, and multiples of a quarter turn give 0 and 1 to the bit. */
            const int64_t turn = k * t % f->length;
            const double angle = 2 * 3.14159265358979323846 * (double)turn / (double)f->length, weight = f->window ? (double)f->window[t] : 1;
            const bool quarters = 4 * turn % f->length == 0;
            const double cosine = cos(angle), sine = -sin(angle);
            data[2 * k * f->length + t] = (float)(weight * (quarters ? rint(cosine) : cosine));
            data[(2 * k + 1) * f->length + t] = (float)(weight * (quarters ? rint(sine) : sine));
        }
    return weights;
}

/* x [b, t, 1] by the weights: [b, 2 bins, frames]. */
static uint32_t convolve(struct pln_rewrite *rw, uint32_t node, const struct frames *f)
{
    struct pln_graph *graph = rw->graph;
    const struct pln_type *type = &pln_graph_value(graph, f->x)->type;
    const struct pln_dim dims[3] = { type->dims[0], type->dims[2], type->dims[1] };
    const uint32_t x = pln_rewrite_reshape(rw, node, f->x, 3, dims, PLN_NONE, node), weights = x == PLN_NONE ? PLN_NONE : make_weights(rw, f);
    if (weights == PLN_NONE) return PLN_NONE;
    const uint32_t made = pln_rewrite_insert(rw, node, PLN_OP_CONV, 0, (uint32_t[]){ x, weights }, 2, node);
    if (made == PLN_NONE || !pln_attrs_set_ints(&pln_graph_node(graph, made)->attrs, &graph->arena, "strides", &f->hop, 1) || !pln_rewrite_infer(rw, made)) return PLN_NONE;
    return pln_graph_node(graph, made)->outputs[0];
}

static bool rule(struct pln_rewrite *rw, uint32_t node)
{
    struct pln_graph *graph = rw->graph;
    struct frames f;
    if (pln_graph_node(graph, node)->op != PLN_OP_STFT || !read_frames(graph, node, &f)) return false;
    const struct pln_type *out = &pln_graph_value(graph, pln_graph_node(graph, node)->outputs[0])->type;
    int64_t samples;
    if (out->rank != 4) return false;
    /* A signal shorter than a frame is an error that the operator tells. */
    if (pln_dim_value(&graph->dims, pln_graph_value(graph, f.x)->type.dims[1], &samples) && samples < f.length) return false;
    const struct pln_dim dims[4] = { out->dims[0], out->dims[1], out->dims[2], out->dims[3] };
    const uint32_t bins = convolve(rw, node, &f);
    const uint32_t frames = bins == PLN_NONE ? PLN_NONE : pln_rewrite_transpose(rw, node, bins, (const int64_t[]){ 0, 2, 1 }, 3, node);
    const uint32_t made = frames == PLN_NONE ? PLN_NONE : pln_rewrite_reshape(rw, node, frames, 4, dims, PLN_NONE, node);
    return made != PLN_NONE && pln_rewrite_replace(rw, node, pln_graph_value(graph, made)->producer);
}

enum pln_status pln_pass_spectrum(struct pln_graph *graph, struct pln_arena *scratch, struct pln_diag *diag, bool *out_changed)
{
    (void)diag;
    return pln_rewrite_run(graph, scratch, rule, out_changed);
}
