/* Rules of coordinates and weights: kernel/resize.h. */
#include "backend/cpu/kernels/resize/resize.h"

#include <math.h>

#include "backend/cpu/kernels/conv/phases.h"
#include "backend/cpu/kernels/conv/taps.h"
#include "kernel/resize.h"

enum { AXIS_TAPS = 4 };
/* Places of the row whose taps are known at a time. */
enum { CHUNK_MOST = 4096 };

struct axis {
    int64_t in, out, x, y; /* extents, strides */
    bool resized;
    double scale;
};

/* What one output coordinate sees of an axis. */
struct axis_taps {
    int n;
    int64_t offset[AXIS_TAPS]; /* in the input, elements */
    float weight[AXIS_TAPS];
};

/* The same of several axes at once. */
struct taps {
    int n;
    int64_t offset[PLN_TAPS_MAX];
    float weight[PLN_TAPS_MAX];
};

struct resize_state {
    const struct pln_taps_isa *isa;
    struct pln_resize_modes modes;
    bool exclude_outside;
    double cubic_a;
    const float *x;
    float *y;
    int n_outer;
    struct axis outer[PLN_MAX_RANK], row;
    int64_t table[PLN_MAX_RANK], n_table; /* where taps of outer axes, computed once for a range of tasks, begin; -1: too many, or plain ones */
    int64_t n_places, chunk; /* a task is a chunk of the row at one place along the outer axes; all places of a chunk come first */
    bool by_runs; /* a place of the row is a run that is not resized, else it is one element */
    struct axis run;
    bool makes_line; /* elements: several rows of the input make the row that is resized */
    bool row_first;  /* elements: rows of the input are resized along themselves, and then make the output's; else the other way round */
};

/* ---- attributes ---- */

/* NULL, or why not. */
static const char *read_modes(const struct pln_attrs *attrs, struct pln_resize_modes *out)
{
    *out = pln_resize_modes(attrs);
    if (out->filter < 0 || out->coords < 0 || out->coords == PLN_RESIZE_CROP || out->rounding < 0) return "a region is wanted, or there is no such mode";
    return out->filter != PLN_RESIZE_NEAREST && pln_attrs_int(attrs, "antialias", 0) != 0 ? "antialias is wanted" : NULL;
}

static int taps_of_filter(int filter)
{
    return filter == PLN_RESIZE_NEAREST ? 1 : filter == PLN_RESIZE_LINEAR ? 2 : 4;
}

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    const struct pln_operand *x = &problem->inputs[0], *y = &problem->outputs[0];
    struct pln_resize_modes modes;
    if (problem->n_inputs < 1 || problem->n_outputs != 1) return "wrong number of operands";
    if (x->dtype != PLN_F32 || y->dtype != PLN_F32) return "not f32";
    if (x->rank < 1 || y->rank != x->rank) return "the rank is not known";
    const char *why = read_modes(problem->attrs, &modes);
    if (why != NULL) return why;
    if (problem->n_inputs > 2 && problem->inputs[2].present && !problem->inputs[2].constant) return "the scales are not constant";
    if (problem->n_inputs > 3 && problem->inputs[3].present && strcmp(pln_attrs_string(problem->attrs, "keep_aspect_ratio_policy", "stretch"), "stretch") != 0)
        return "the aspect ratio is kept";
    const int64_t *axes;
    const int64_t n = pln_attrs_ints(problem->attrs, "axes", &axes);
    double taps = 1;
    for (int64_t i = 0; i < (axes != NULL ? n : x->rank); i++) taps *= taps_of_filter(modes.filter);
    return taps > PLN_TAPS_MAX ? "there are too many axes" : NULL;
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    const struct pln_operand *y = &problem->outputs[0];
    struct pln_resize_modes modes;
    double n = read_modes(problem->attrs, &modes) == NULL ? taps_of_filter(modes.filter) * taps_of_filter(modes.filter) : 1;
    for (int d = 0; d < y->rank; d++) n *= y->dims[d] < 0 ? 128.0 : (double)y->dims[d];
    return n * (0.4 + 1 / (kernel->needs == 0 ? 2.0 : (double)kernel->tile[0])) + 500;
}

/* ---- a launch ---- */

/* Of the dims: the scale, and whether it is one of the axes. */
static const char *read_axes(const struct pln_launch *launch, double *out_scale)
{
    const struct pln_tensor *x = &launch->inputs[0], *y = &launch->outputs[0], *scales = &launch->inputs[2];
    const int64_t *axes;
    const int64_t n_attr = pln_attrs_ints(launch->attrs, "axes", &axes), n = axes != NULL ? n_attr : x->rank;
    const bool scaled = launch->n_inputs > 2 && scales->dtype != PLN_DTYPE_NONE && pln_tensor_count(scales) > 0;
    bool seen[PLN_MAX_RANK] = { false };
    if (n > x->rank) return "there are more axes than dims";
    if (scaled && (scales->dtype != PLN_F32 || scales->rank != 1 || scales->dims[0] != n)) return "there is not one scale an axis";
    if (!scaled && strcmp(pln_attrs_string(launch->attrs, "keep_aspect_ratio_policy", "stretch"), "stretch") != 0) return "the aspect ratio is kept";
    for (int d = 0; d < x->rank; d++) out_scale[d] = 1;
    for (int64_t i = 0; i < n; i++) {
        int d = (int)i;
        if ((axes != NULL && !pln_axis_normalize(axes[i], x->rank, &d)) || seen[d]) return "there is no such axis, or it comes twice";
        seen[d] = true;
        if (!scaled) {
            out_scale[d] = x->dims[d] == 0 ? 1 : (double)y->dims[d] / (double)x->dims[d];
            continue;
        }
        const float scale = ((const float *)scales->data)[i * scales->strides[0]], size = floorf((float)x->dims[d] * scale);
        if (!(scale > 0) || !(size < 1e15f) || y->dims[d] != (int64_t)size) return "the output has other dims than the scales give";
        out_scale[d] = (double)scale;
    }
    for (int d = 0; d < x->rank; d++)
        if (!seen[d] && x->dims[d] != y->dims[d]) return "a dim changes that is none of the axes";
    return NULL;
}

static int64_t magnitude(int64_t stride)
{
    return stride < 0 ? -stride : stride;
}

/* Outermost first as the output lies; axes that are walked as one are merged. */
static int tidy(struct axis *axes, int n)
{
    int kept = 0;
    for (int i = 1; i < n; i++)
        for (int k = i; k > 0 && magnitude(axes[k - 1].y) < magnitude(axes[k].y); k--) {
            const struct axis other = axes[k];
            axes[k] = axes[k - 1];
            axes[k - 1] = other;
        }
    for (int i = 0; i < n; i++) {
        struct axis *before = kept > 0 ? &axes[kept - 1] : NULL;
        if (axes[i].out == 1 && !axes[i].resized) continue;
        if (before != NULL && !before->resized && !axes[i].resized && before->x == axes[i].x * axes[i].in && before->y == axes[i].y * axes[i].out) {
            const int64_t count = before->out * axes[i].out;
            *before = (struct axis){ count, count, axes[i].x, axes[i].y, false, 1 };
            continue;
        }
        axes[kept++] = axes[i];
    }
    return kept;
}

static const char *plan_axes(const struct pln_launch *launch, struct resize_state *s)
{
    const struct pln_tensor *x = &launch->inputs[0], *y = &launch->outputs[0];
    double scale[PLN_MAX_RANK];
    const char *why = read_axes(launch, scale);
    if (why != NULL) return why;
    int taps = 1;
    for (int d = 0; d < x->rank; d++) {
        struct axis *axis = &s->outer[d];
        *axis = (struct axis){ x->dims[d], y->dims[d], x->strides[d], y->strides[d], false, scale[d] };
        axis->resized = axis->in != axis->out || !(fabs(scale[d] - 1) <= 1e-9);
        if (axis->resized) taps *= taps_of_filter(s->modes.filter);
        if (taps > PLN_TAPS_MAX) return "there are too many axes";
    }
    const struct axis one = { 1, 1, 1, 1, false, 1 };
    s->n_outer = tidy(s->outer, x->rank);
    s->by_runs = s->n_outer == 0 || !s->outer[s->n_outer - 1].resized;
    s->run = s->by_runs && s->n_outer > 0 ? s->outer[--s->n_outer] : one;
    s->row = s->n_outer > 0 ? s->outer[--s->n_outer] : one;
    double growth = 1;
    int n_resized = 0;
    for (int i = 0; i < s->n_outer && !s->by_runs && s->modes.filter != PLN_RESIZE_NEAREST; i++) {
        if (!s->outer[i].resized) continue;
        n_resized++;
        growth *= (double)s->outer[i].out / (double)s->outer[i].in;
    }
    /* Where more rows come out than go in, the longer work along rows is done for those that go in, and each is kept while it is seen. */
    s->row_first = n_resized == 1 && s->outer[s->n_outer - 1].resized && growth > 1;
    s->makes_line = n_resized > 0 && !s->row_first;
    return NULL;
}

/* What the run keeps for a chunk of a row of elements: an array of offsets and one of weights for each tap; lines that several rows make, or that are kept. */
static bool elements_bytes(const struct resize_state *s, size_t *out_bytes)
{
    const size_t taps = (size_t)taps_of_filter(s->modes.filter), chunk = (size_t)s->chunk;
    size_t lines = 0;
    *out_bytes = 0;
    if (s->by_runs) return true;
    if (s->makes_line && !pln_mul_size((size_t)s->row.in, sizeof(float), &lines)) return false;
    if (s->row_first) lines = (taps + 1) * chunk * sizeof(float);
    return pln_add_size(taps * chunk * (sizeof(int64_t) + sizeof(float)), lines, out_bytes);
}

static enum pln_status prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state_memory, struct pln_prepared *out_prepared,
                               struct pln_diag *diag)
{
    typedef const struct pln_taps_isa *(*isa_fn)(void);
    struct resize_state *s = state_memory;
    *out_prepared = (struct pln_prepared){ .grain = 1 };
    if (launch->n_inputs < 1 || launch->n_outputs != 1) return pln_fail(diag, PLN_BAD_PLAN, "%s: wrong number of operands", kernel->name);
    const struct pln_tensor *x = &launch->inputs[0], *y = &launch->outputs[0];
    const char *why = read_modes(launch->attrs, &s->modes);
    if (why == NULL && (x->dtype != PLN_F32 || y->dtype != PLN_F32 || x->rank < 1 || y->rank != x->rank)) why = "input and output are not f32 of one rank";
    if (why == NULL && pln_tensor_count(y) > 0 && pln_tensor_count(x) == 0) why = "an empty input cannot be resized to a non-empty one";
    if (why == NULL) why = plan_axes(launch, s);
    if (why != NULL) return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: %s", kernel->name, why);
    s->isa = ((isa_fn)kernel->micro)();
    s->exclude_outside = pln_attrs_int(launch->attrs, "exclude_outside", 0) != 0;
    s->cubic_a = (double)pln_attrs_float(launch->attrs, "cubic_coeff_a", -0.75f);
    s->x = x->data;
    s->y = y->data;
    if (pln_tensor_count(y) == 0) return PLN_OK;
    s->n_places = 1;
    for (int i = 0; i < s->n_outer; i++) s->n_places *= s->outer[i].out;
    s->chunk = PLN_MIN(s->row.out, CHUNK_MOST);
    out_prepared->n_tasks = s->n_places * ((s->row.out - 1) / s->chunk + 1);
    /* A chunk's taps are computed for each range of tasks, and should pay. */
    out_prepared->grain = PLN_MAX(1 + 100000 / (s->chunk * s->run.out * taps_of_filter(s->modes.filter)), PLN_MIN((int64_t)8, out_prepared->n_tasks / 32));
    size_t own_bytes, taps_bytes;
    for (int i = 0; i < s->n_outer; i++) {
        s->table[i] = s->outer[i].resized && s->outer[i].out <= CHUNK_MOST ? s->n_table : -1;
        if (s->table[i] >= 0) s->n_table += s->outer[i].out;
    }
    taps_bytes = (size_t)((s->by_runs ? s->chunk : 0) + s->n_table) * sizeof(struct axis_taps);
    if (!elements_bytes(s, &own_bytes) || !pln_add_size(own_bytes, taps_bytes, &out_prepared->scratch_bytes))
        return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: the image is too large", kernel->name);
    return PLN_OK;
}

/* ---- coordinates and weights ---- */

static int64_t clamp(double at, int64_t extent)
{
    return at > 0 ? at >= (double)extent ? extent - 1 : (int64_t)at : 0;
}

static void taps_at(const struct resize_state *s, const struct axis *axis, int64_t i, struct axis_taps *out)
{
    double weight[AXIS_TAPS] = { 1 };
    out->n = 1;
    out->offset[0] = i * axis->x;
    out->weight[0] = 1;
    if (!axis->resized) return;
    const struct pln_resize_axis extents = { .in = axis->in, .out = axis->out, .scale = axis->scale };
    const double x = pln_resize_source(&s->modes, &extents, i, NULL);
    if (s->modes.filter == PLN_RESIZE_NEAREST) {
        out->offset[0] = pln_resize_nearest(&s->modes, x, axis->in) * axis->x;
        return;
    }
    /* A whole coordinate is the right one of its two neighbours. */
    const double left = ceil(x) - 1;
    out->n = taps_of_filter(s->modes.filter);
    const double first = left - out->n / 2 + 1;
    for (int k = 0; k < out->n; k++) {
        const double from = (double)(k - out->n / 2 + 1) - (x - left);
        weight[k] = pln_resize_weight(&s->modes, s->cubic_a, from);
    }
    if (s->exclude_outside) pln_resize_exclude_outside(axis->in, (int64_t)first, out->n, weight);
    for (int k = 0; k < out->n; k++) {
        out->offset[k] = clamp(first + k, axis->in) * axis->x;
        out->weight[k] = (float)weight[k];
    }
}

/* Every tap with every one of another axis. */
static void multiply_taps(const struct taps *taps, const struct axis_taps *more, struct taps *out)
{
    int n = 0;
    for (int k = 0; k < taps->n; k++)
        for (int j = 0; j < more->n; j++, n++) {
            out->offset[n] = taps->offset[k] + more->offset[j];
            out->weight[n] = taps->weight[k] * more->weight[j];
        }
    out->n = n;
}

/* ---- rows ---- */

/* out[i] = sum of weight[t] x[offset[t] + i step], first <= i < end. */
static void combine(const struct resize_state *s, const struct taps *taps, int64_t first, int64_t end, int64_t step, float *out)
{
    const float *xs[PLN_TAPS_MAX], *ws[PLN_TAPS_MAX];
    if (step == 1) {
        for (int t = 0; t < taps->n; t++) {
            xs[t] = s->x + taps->offset[t] + first;
            ws[t] = &taps->weight[t];
        }
        s->isa->pixels(&(struct pln_taps){ .n_taps = taps->n, .x = xs, .w = ws, .n = end - first, .out = out + first });
        return;
    }
    for (int64_t i = first; i < end; i++) {
        float sum = 0;
        for (int t = 0; t < taps->n; t++) sum += taps->weight[t] * s->x[taps->offset[t] + i * step];
        out[i] = sum;
    }
}

static void copy_run(const struct resize_state *s, const float *x, float *y)
{
    if (s->run.x == 1 && s->run.y == 1)
        memcpy(y, x, (size_t)s->run.out * sizeof *y);
    else
        for (int64_t i = 0; i < s->run.out; i++) y[i * s->run.y] = x[i * s->run.x];
}

static void combine_run(const struct resize_state *s, const struct taps *taps, float *y)
{
    if (s->run.y == 1) {
        combine(s, taps, 0, s->run.out, s->run.x, y);
        return;
    }
    struct taps one = *taps;
    for (int64_t i = 0; i < s->run.out; i++) {
        combine(s, &one, 0, 1, 0, &y[i * s->run.y]);
        for (int t = 0; t < one.n; t++) one.offset[t] += s->run.x;
    }
}

/* The taps of one chunk of the row: of runs one struct each, of elements an array for each tap. */
struct chunk {
    int64_t number, n;
    int64_t first, end; /* of what they see, where a line is made: its elements */
    struct axis_taps *taps;
    int64_t *offset[AXIS_TAPS];
    float *weight[AXIS_TAPS];
    int64_t repeat; /* nearest: element i sees the one i / repeat behind the first's; 0: it does not */
};

/* How often each element comes, one after the other in a row; 0: some come more often than others. */
static int64_t repeats_of(const int64_t *offset, int64_t n)
{
    int64_t repeat = 1;
    while (repeat < n && offset[repeat] == offset[0]) repeat++;
    for (int64_t i = 0, at = offset[0]; i < n; at++)
        for (int64_t k = 0; k < repeat && i < n; k++, i++)
            if (offset[i] != at) return 0;
    return repeat;
}

static void fill_chunk(const struct resize_state *s, int64_t number, struct chunk *chunk)
{
    struct axis row = s->row;
    struct axis_taps one;
    const int64_t begin = number * s->chunk;
    if (s->makes_line) row.x = 1;
    chunk->number = number;
    chunk->n = PLN_MIN(s->chunk, row.out - begin);
    chunk->first = row.in;
    chunk->end = 0;
    for (int64_t i = 0; i < chunk->n; i++) {
        struct axis_taps *taps = s->by_runs ? &chunk->taps[i] : &one;
        taps_at(s, &row, begin + i, taps);
        for (int k = 0; k < taps->n; k++) {
            chunk->first = PLN_MIN(chunk->first, taps->offset[k]);
            chunk->end = PLN_MAX(chunk->end, taps->offset[k] + 1);
        }
        for (int k = 0; k < taps_of_filter(s->modes.filter) && !s->by_runs; k++) {
            chunk->offset[k][i] = taps->offset[k < taps->n ? k : 0];
            chunk->weight[k][i] = k < taps->n ? taps->weight[k] : 0.0f;
        }
    }
    chunk->repeat = !s->by_runs && s->modes.filter == PLN_RESIZE_NEAREST ? repeats_of(chunk->offset[0], chunk->n) : 0;
}

static void row_of_runs(const struct resize_state *s, const struct taps *outer, const struct chunk *chunk, float *y)
{
    struct taps taps;
    for (int64_t i = 0; i < chunk->n; i++, y += s->row.y) {
        if (outer->n == 1 && chunk->taps[i].n == 1) {
            copy_run(s, s->x + outer->offset[0] + chunk->taps[i].offset[0], y);
            continue;
        }
        multiply_taps(outer, &chunk->taps[i], &taps);
        combine_run(s, &taps, y);
    }
}

/* ---- along a row of elements ---- */

static inline __attribute__((always_inline)) void repeat_each(const int64_t repeat, const float *restrict x, int64_t n, float *restrict y)
{
    const int64_t whole = n / repeat;
    for (int64_t i = 0; i < whole; i++)
        for (int64_t k = 0; k < repeat; k++) y[i * repeat + k] = x[i];
    for (int64_t i = whole * repeat; i < n; i++) y[i] = x[whole];
}

static void nearest(const struct chunk *chunk, const float *restrict x, float *restrict y, int64_t step)
{
    const int64_t *offset = chunk->offset[0], n = chunk->n;
    const float *from = x + offset[0];
    switch (step == 1 ? chunk->repeat : 0) {
    case 1: memcpy(y, from, (size_t)n * sizeof *y); return;
    case 2: repeat_each(2, from, n, y); return;
    case 3: repeat_each(3, from, n, y); return;
    case 4: repeat_each(4, from, n, y); return;
    default: break;
    }
    for (int64_t i = 0; i < n; i++) y[i * step] = x[offset[i]];
}

static void along(const struct resize_state *s, const struct chunk *chunk, const float *restrict x, float *restrict y, int64_t step)
{
    const int64_t *const *o = (const int64_t *const *)chunk->offset, n = chunk->n;
    const float *const *w = (const float *const *)chunk->weight;
    switch (taps_of_filter(s->modes.filter)) {
    case 1: nearest(chunk, x, y, step); return;
    case 2:
        for (int64_t i = 0; i < n; i++) y[i * step] = w[0][i] * x[o[0][i]] + w[1][i] * x[o[1][i]];
        return;
    default:
        for (int64_t i = 0; i < n; i++) y[i * step] = w[0][i] * x[o[0][i]] + w[1][i] * x[o[1][i]] + w[2][i] * x[o[2][i]] + w[3][i] * x[o[3][i]];
        return;
    }
}

/* Rows of the input, resized along themselves: as many as make one of the output. */
struct kept {
    int64_t from[AXIS_TAPS]; /* where each begins in the input; INT64_MIN: none is there */
    float *line[AXIS_TAPS], *sum;
};

static void forget(struct kept *kept)
{
    for (int k = 0; k < AXIS_TAPS; k++) kept->from[k] = INT64_MIN;
}

/* One of `taps`' rows: the line of it, made in the place of one that none of them sees. */
static const float *keep(const struct resize_state *s, const struct taps *taps, int t, const struct chunk *chunk, struct kept *kept)
{
    int free = -1;
    for (int k = 0; k < taps->n; k++) {
        bool seen = false;
        if (kept->from[k] == taps->offset[t]) return kept->line[k];
        for (int i = 0; i < taps->n; i++) seen = seen || kept->from[k] == taps->offset[i];
        if (!seen) free = k;
    }
    assert(free >= 0);
    kept->from[free] = taps->offset[t];
    along(s, chunk, s->x + taps->offset[t], kept->line[free], 1);
    return kept->line[free];
}

static void row_of_kept(const struct resize_state *s, const struct taps *outer, const struct chunk *chunk, struct kept *kept, float *y)
{
    const float *xs[AXIS_TAPS], *ws[AXIS_TAPS];
    float *out = s->row.y == 1 ? y : kept->sum;
    for (int t = 0; t < outer->n; t++) {
        xs[t] = keep(s, outer, t, chunk, kept);
        ws[t] = &outer->weight[t];
    }
    s->isa->pixels(&(struct pln_taps){ .n_taps = outer->n, .x = xs, .w = ws, .n = chunk->n, .out = out });
    for (int64_t i = 0; i < chunk->n && s->row.y != 1; i++) y[i * s->row.y] = out[i];
}

/* What the outer axes make of the row, then along it. */
static void row_of_elements(const struct resize_state *s, const struct taps *outer, const struct chunk *chunk, float *line, float *y)
{
    const float *x = s->x + outer->offset[0];
    if (s->makes_line) {
        combine(s, outer, chunk->first, chunk->end, s->row.x, line);
        x = line;
    }
    along(s, chunk, x, y, s->row.y);
}

/* ---- tasks ---- */

/* Taps of the outer axes, all of those that are not computed one by one. */
static void fill_table(const struct resize_state *s, struct axis_taps *table)
{
    for (int i = 0; i < s->n_outer; i++)
        for (int64_t at = 0; s->table[i] >= 0 && at < s->outer[i].out; at++) taps_at(s, &s->outer[i], at, &table[s->table[i] + at]);
}

/* A place along the outer axes: what is seen there, and where it goes. */
struct place {
    int64_t at, to; /* along the innermost of them; the others' part of where it goes */
    struct taps taps; /* of the others */
};

static const struct axis_taps *taps_of_axis(const struct resize_state *s, const struct axis_taps *table, int i, int64_t at, struct axis_taps *own)
{
    if (s->table[i] >= 0) return &table[s->table[i] + at];
    taps_at(s, &s->outer[i], at, own);
    return own;
}

static void seek(const struct resize_state *s, const struct axis_taps *table, int64_t task, struct place *place)
{
    struct axis_taps own;
    *place = (struct place){ .taps = { .n = 1, .weight = { 1 } } };
    if (s->n_outer == 0) return;
    place->at = task % s->outer[s->n_outer - 1].out;
    task /= s->outer[s->n_outer - 1].out;
    int64_t from = 0;
    for (int i = s->n_outer - 2; i >= 0; i--) {
        const int64_t at = task % s->outer[i].out;
        task /= s->outer[i].out;
        place->to += at * s->outer[i].y;
        if (!s->outer[i].resized) {
            from += at * s->outer[i].x;
            continue;
        }
        const struct taps before = place->taps;
        multiply_taps(&before, taps_of_axis(s, table, i, at, &own), &place->taps);
    }
    for (int t = 0; t < place->taps.n; t++) place->taps.offset[t] += from;
}

/* Returns where the place goes. */
static int64_t look(const struct resize_state *s, const struct axis_taps *table, const struct place *place, struct taps *out)
{
    struct axis_taps own = { .n = 1, .weight = { 1 } };
    if (s->n_outer == 0) {
        multiply_taps(&place->taps, &own, out);
        return place->to;
    }
    multiply_taps(&place->taps, taps_of_axis(s, table, s->n_outer - 1, place->at, &own), out);
    return place->to + place->at * s->outer[s->n_outer - 1].y;
}

/* Nearest rows one after the other, to y, which lie without a gap: those made of the one before are copies of it. Only as many as the innermost outer axis has
 * places left; returns how many. */
static int64_t nearest_rows(const struct resize_state *s, const struct axis_taps *table, const struct chunk *chunk, const struct place *place, int64_t n, float *y)
{
    const int axis = s->n_outer - 1;
    const int64_t y_step = s->outer[axis].y;
    const size_t row_bytes = (size_t)(chunk->n * s->run.out) * sizeof *y;
    struct axis_taps own;
    struct taps outer = { .n = 1, .weight = { 1 } };
    n = PLN_MIN(n, s->outer[axis].out - place->at);
    for (int64_t i = 0; i < n; i++, y += y_step) {
        const int64_t offset = place->taps.offset[0] + taps_of_axis(s, table, axis, place->at + i, &own)->offset[0];
        if (i > 0 && offset == outer.offset[0]) {
            memcpy(y, y - y_step, row_bytes);
            continue;
        }
        outer.offset[0] = offset;
        if (s->by_runs) row_of_runs(s, &outer, chunk, y);
        else nearest(chunk, s->x + offset, y, 1);
    }
    return n;
}

static void run(const void *state, int64_t first, int64_t last, void *scratch, void *shared)
{
    (void)shared;
    const struct resize_state *s = state;
    const int n_taps = taps_of_filter(s->modes.filter);
    struct chunk chunk = { .number = -1, .taps = scratch };
    struct axis_taps *table = chunk.taps + (s->by_runs ? s->chunk : 0);
    int64_t *offsets = (int64_t *)(void *)(table + s->n_table);
    float *weights = (float *)(void *)(offsets + (s->by_runs ? 0 : n_taps * s->chunk)), *lines = weights + (s->by_runs ? 0 : n_taps * s->chunk);
    struct kept kept = { .sum = s->row_first ? lines + n_taps * s->chunk : NULL };
    for (int k = 0; k < n_taps; k++) {
        chunk.offset[k] = s->by_runs ? NULL : offsets + k * s->chunk;
        chunk.weight[k] = s->by_runs ? NULL : weights + k * s->chunk;
        kept.line[k] = s->row_first ? lines + k * s->chunk : NULL;
    }
    struct place place = { .at = 0 };
    const bool rows = s->modes.filter == PLN_RESIZE_NEAREST && s->n_outer > 0 && (s->by_runs ? s->run.y == 1 && s->row.y == s->run.out : s->row.y == 1);
    struct taps outer;
    if (first < last) fill_table(s, table);
    for (int64_t task = first, end = first; task < last;) {
        if (task == end) {
            fill_chunk(s, task / s->n_places, &chunk);
            end = (chunk.number + 1) * s->n_places;
            forget(&kept);
        }
        if (task == first || s->n_outer == 0 || task % s->outer[s->n_outer - 1].out == 0) seek(s, table, task % s->n_places, &place);
        float *y = s->y + look(s, table, &place, &outer) + chunk.number * s->chunk * s->row.y;
        int64_t done = 1;
        if (rows) done = nearest_rows(s, table, &chunk, &place, PLN_MIN(last, end) - task, y);
        else if (s->by_runs) row_of_runs(s, &outer, &chunk, y);
        else if (s->row_first) row_of_kept(s, &outer, &chunk, &kept, y);
        else row_of_elements(s, &outer, &chunk, lines, y);
        task += done;
        place.at += done;
    }
}

const struct pln_kernel_family pln_cpu_resize = {
    .name = "resize",
    .state_bytes = sizeof(struct resize_state),
    .supports = supports,
    .cost = cost,
    .prepare = prepare,
    .run = run,
    .packed_input = -1,
};
