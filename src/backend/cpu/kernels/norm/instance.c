/* Instance and group normalization.
 *
 * A job is what has statistics of its own and is walked as one: an image whose channels lie side by side, with all of its groups, else one group of one
 * image. It is done in three phases: moments of its chunks, statistics of its groups, its elements. A large job's phases are shared by all threads, small
 * ones are done alone, one after the other; chunks are the same either way, and so is every bit of the result.
 *
 * A chunk sums, in f32, distances from a pivot, the mean of at least a sixteenth of its elements, and their squares: T. F. Chan, G. H. Golub and R. J. LeVeque,
 * "Algorithms for computing the sample variance", The American Statistician 37(3), 1983. The pivot is at most four deviations of the chunk off, so that the
 * subtraction that corrects the squares costs four bits at worst, and a large mean none. Chunks are put together in f64 around their common mean. What
 * overflows or vanishes in f32 is summed again, in f64. */
#include <math.h>

#include "backend/cpu/kernels/conv/image.h"
#include "backend/cpu/kernels/norm/channels.h"
#include "backend/cpu/kernels/norm/norm.h"
#include "backend/cpu/kernels/rnn/team.h"
#include "backend/cpu/kernels/vec/epilogue.h"

enum { MOMENTS, STATISTICS, ELEMENTS, PHASES };

#define PIVOT_PART 16 /* of a chunk's elements one in so many makes the pivot, at least */
/* Pixels and elements of a chunk: sums in f32 are of few numbers, and what each chunk costs is little beside them. */
#define CHUNK_PIXELS_MOST  128
#define CHUNK_PIXELS_LEAST 16
#define CHUNK_ELEMENTS     16384
#define CHUNK_RUN          4096
/* Elements between two steps of the last phase: they are still in the first cache. */
#define BLOCK_ELEMENTS 4096
#define BLOCK_RUN      1024
/* Elements worth another thread; jobs that keep all threads busy without sharing any. */
#define SLICE_ELEMENTS 8192
#define JOBS_MANY      32
/* Variances below come of squares that f32 may not hold (its least normal number is 1e-38), and count where epsilon is not far above them. */
#define VARIANCE_LEAST 1e-30
#define EPSILON_FAR    1e-20
/* Distances from larger means may be none that f32 holds. */
#define MEAN_MOST 1e37

/* Where an image's elements lie, or what is added to them. */
struct walk {
    int64_t n, c, axis[PLN_IMAGE_AXES];
};

/* Of a chunk and a group. */
struct moments {
    double mean, squares; /* squares: of distances from the mean, summed */
};

struct instance_state {
    const struct pln_channels_isa *isa;
    const float *x, *scale, *bias;
    int64_t scale_step, bias_step;
    char *y;
    bool y_is_bool;
    double epsilon;
    int64_t n, c, group_c, dims[PLN_IMAGE_AXES], pixels;
    double group_n; /* elements of a group */
    struct walk x_walk, y_walk, operand_walk[PLN_EPILOGUE_OPERANDS];
    struct pln_epilogue epilogue;
    struct pln_vec_rows ending; /* its alpha and beta */
    pln_vec_rows_fn activate;   /* what follows the bounds where that is all of the epilogue */
    bool simple;                /* the epilogue is bounds and a function, or there is none */
    float low, high;
    bool last;           /* channels lie side by side: a job is an image, else a group of one */
    bool gathers, stores; /* elements of a run lie apart; results do, or are no f32 */
    int64_t jobs, job_groups, job_c, chunk_pixels, pieces, chunks; /* pieces: chunks of one channel, or of a whole image */
    size_t table_at, job_bytes; /* of a job's memory: its moments, then its table of mean, factor and offset of each channel */
    int64_t line, block;        /* floats of lines in scratch; pixels of a step */
    size_t scratch_job_at;      /* where jobs are done alone */
    int slices[PHASES];         /* 0: they are */
};

/* ---- what fits ---- */

static int own_inputs(int n_inputs, const struct pln_rowprog *epilogue)
{
    return n_inputs - (epilogue != NULL ? epilogue->n_inputs - 1 : 0);
}

static const char *supports(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    (void)kernel;
    const struct pln_operand *x = &problem->inputs[0];
    const struct pln_rowprog *epilogue = problem->epilogue;
    if (own_inputs(problem->n_inputs, epilogue) != 3 || problem->n_outputs != 1) return "wrong number of operands";
    for (int i = 0; i < 3; i++)
        if (problem->inputs[i].dtype != PLN_F32) return "an operand is not f32";
    if (x->rank < 2 || x->rank > 2 + PLN_IMAGE_AXES || problem->outputs[0].rank != x->rank) return "not up to three spatial axes";
    if (problem->inputs[1].rank != 1 || problem->inputs[2].rank != 1) return "scale or bias are not one number a channel";
    const int64_t groups = pln_attrs_int(problem->attrs, "groups", 0);
    if (groups < 0 || (groups > 0 && x->dims[1] >= 0 && x->dims[1] % groups != 0)) return "the groups do not divide the channels";
    const char *why = pln_epilogue_check(epilogue);
    if (why != NULL || epilogue == NULL) return why;
    if (epilogue->rank != x->rank) return "the epilogue's rank is not the output's";
    for (int i = 1; i < epilogue->n_inputs; i++)
        if (problem->inputs[2 + i].rank != epilogue->inputs[i].rank) return "an operand of the epilogue is of unknown rank";
    return NULL;
}

static double cost(const struct pln_kernel *kernel, const struct pln_problem *problem)
{
    double n = 1;
    for (int d = 0; d < problem->inputs[0].rank; d++)
        n *= problem->inputs[0].dims[d] < 0 ? (d == 0 ? 1.0 : 56.0) : (double)problem->inputs[0].dims[d];
    return n * (0.1 + 4 / (kernel->needs == 0 ? 2.0 : (double)kernel->tile[0])) / 4 + 1000;
}

/* ---- a launch ---- */

static struct walk walk_of(const int64_t *strides, int rank)
{
    struct walk walk = { .n = strides[0], .c = strides[1] };
    pln_image_spatial(strides + 2, rank - 2, 0, walk.axis);
    return walk;
}

static bool is_parameter(const struct pln_tensor *tensor, int64_t channels)
{
    return tensor->dtype == PLN_F32 && tensor->rank == 1 && tensor->dims[0] == channels;
}

static enum pln_status read_epilogue(const struct pln_launch *launch, struct pln_diag *diag, struct instance_state *s)
{
    const struct pln_epilogue_own own = { .alpha = 1.0f, .beta = 1.0f };
    const struct pln_tensor *y = &launch->outputs[0];
    struct pln_epilogue *epilogue = &s->epilogue;
    PLN_TRY(pln_epilogue_prepare(&own, launch->epilogue, launch->inputs + 3, y, diag, epilogue));
    for (int i = 0; i < epilogue->n_operands; i++) s->operand_walk[i] = walk_of(epilogue->operands[i].strides, y->rank);
    s->simple = !epilogue->present || (epilogue->sum.present && epilogue->sum.n_added == 0);
    s->low = s->simple && epilogue->present ? epilogue->sum.low : -INFINITY;
    s->high = s->simple && epilogue->present ? epilogue->sum.high : INFINITY;
    if (s->simple && epilogue->present && epilogue->sum.activates) {
        s->activate = s->isa->vec->rows[epilogue->sum.kind];
        s->ending = (struct pln_vec_rows){ .alpha = epilogue->sum.alpha, .beta = epilogue->sum.beta };
    }
    return PLN_OK;
}

static enum pln_status read(const struct pln_kernel *kernel, const struct pln_launch *launch, struct pln_diag *diag, struct instance_state *s)
{
    typedef const struct pln_channels_isa *(*isa_fn)(void);
    if (own_inputs(launch->n_inputs, launch->epilogue) != 3 || launch->n_outputs != 1) return pln_fail(diag, PLN_BAD_PLAN, "%s: wrong number of operands", kernel->name);
    const struct pln_tensor *x = &launch->inputs[0], *y = &launch->outputs[0];
    const int64_t groups = pln_attrs_int(launch->attrs, "groups", 0);
    int64_t count;
    if (x->dtype != PLN_F32 || x->rank < 2 || x->rank > 2 + PLN_IMAGE_AXES || !pln_tensor_same_shape(x, y) || groups < 0 || (groups > 0 && x->dims[1] % groups != 0) ||
        !is_parameter(&launch->inputs[1], x->dims[1]) || !is_parameter(&launch->inputs[2], x->dims[1]))
        return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: input, scale, bias, groups and output do not fit", kernel->name);
    s->isa = ((isa_fn)kernel->micro)();
    s->x = x->data;
    s->y = y->data;
    s->y_is_bool = y->dtype == PLN_BOOL;
    s->scale = launch->inputs[1].data;
    s->bias = launch->inputs[2].data;
    s->scale_step = launch->inputs[1].strides[0];
    s->bias_step = launch->inputs[2].strides[0];
    s->epsilon = (double)pln_attrs_float(launch->attrs, "epsilon", 1e-5f);
    s->n = x->dims[0];
    s->c = x->dims[1];
    s->group_c = groups == 0 ? 1 : s->c / groups;
    pln_image_spatial(x->dims + 2, x->rank - 2, 1, s->dims);
    if (!pln_shape_count(x->rank, x->dims, &count)) return pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: the image is too large", kernel->name);
    s->pixels = count == 0 ? 0 : s->dims[0] * s->dims[1] * s->dims[2];
    s->group_n = (double)s->group_c * (double)s->pixels;
    s->x_walk = walk_of(x->strides, x->rank);
    s->y_walk = walk_of(y->strides, y->rank);
    return read_epilogue(launch, diag, s);
}

/* Pixels become one axis where everything that is walked allows it. */
static void join_pixels(struct instance_state *s)
{
    struct walk *walks[2 + PLN_EPILOGUE_OPERANDS] = { &s->x_walk, &s->y_walk };
    int64_t strides[2 + PLN_EPILOGUE_OPERANDS];
    int n = 2;
    for (int i = 0; i < s->epilogue.n_operands; i++) walks[n++] = &s->operand_walk[i];
    for (int i = 0; i < n; i++)
        if (!pln_image_uniform(s->dims, walks[i]->axis, &strides[i])) return;
    for (int i = 0; i < n; i++) walks[i]->axis[2] = strides[i];
    s->dims[0] = s->dims[1] = 1;
    s->dims[2] = s->pixels;
}

static int64_t divide_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static void cut(struct instance_state *s)
{
    const int64_t groups = s->c / s->group_c;
    s->last = s->c > 1 && s->x_walk.c == 1 && (s->pixels == 1 || s->x_walk.axis[2] != 1);
    if (s->last) {
        s->jobs = s->n;
        s->job_groups = groups;
        s->job_c = s->c;
        s->chunk_pixels = PLN_MIN((int64_t)CHUNK_PIXELS_MOST, PLN_MAX((int64_t)CHUNK_PIXELS_LEAST, CHUNK_ELEMENTS / s->c));
        s->block = PLN_MAX((int64_t)1, BLOCK_ELEMENTS / s->c);
        s->stores = s->y_walk.c != 1 || s->y_is_bool;
        s->line = PLN_MAX(3 * s->c, s->stores ? s->block * s->c : 0);
    } else {
        s->jobs = s->n * groups;
        s->job_groups = 1;
        s->job_c = s->group_c;
        s->chunk_pixels = CHUNK_RUN;
        s->block = BLOCK_RUN;
        s->gathers = s->dims[2] != s->pixels || (s->pixels > 1 && s->x_walk.axis[2] != 1);
        s->stores = (s->pixels > 1 && s->y_walk.axis[2] != 1) || s->y_is_bool;
        s->line = CHUNK_RUN;
    }
    s->pieces = divide_up(s->pixels, s->chunk_pixels);
    s->chunks = s->last ? s->pieces : s->pieces * s->job_c;
    for (int i = 0; i < s->epilogue.n_operands; i++) {
        s->epilogue.operands[i].row = s->last ? s->operand_walk[i].axis[2] : 0;
        s->epilogue.operands[i].col = s->last ? s->operand_walk[i].c : s->operand_walk[i].axis[2];
    }
}

/* What the epilogue gets at a time. */
static int64_t epilogue_width(const struct instance_state *s)
{
    return s->last ? PLN_MAX(s->c, (int64_t)PLN_EPILOGUE_RUN) : BLOCK_RUN;
}

/* false: too much. */
static bool place_memory(struct instance_state *s, struct pln_prepared *out_prepared)
{
    int64_t moments, total, bytes;
    if (!pln_mul_i64(s->chunks, s->job_groups, &moments) || !pln_mul_i64(moments, sizeof(struct moments), &bytes) || bytes > INT64_MAX / 4 || s->c > INT64_MAX / 256) return false;
    s->table_at = pln_align_up((size_t)bytes, 64);
    s->job_bytes = s->table_at + pln_align_up((size_t)s->job_c * 3 * sizeof(float), 64);
    const size_t lines = pln_align_up((size_t)s->line * sizeof(float), 64), ending = pln_align_up(pln_epilogue_scratch_bytes(&s->epilogue, epilogue_width(s)), 64);
    s->scratch_job_at = lines + ending;
    out_prepared->scratch_bytes = s->scratch_job_at;
    if (s->slices[MOMENTS] == 0) {
        out_prepared->scratch_bytes += s->job_bytes;
        return true;
    }
    if (!pln_mul_i64(s->jobs, (int64_t)s->job_bytes, &total) || total > INT64_MAX / 2) return false;
    out_prepared->cleared_bytes = sizeof(struct pln_team);
    out_prepared->shared_bytes = sizeof(struct pln_team) + (size_t)total;
    return true;
}

static void share(struct instance_state *s, struct pln_prepared *out_prepared)
{
    const int64_t job = s->job_c * s->pixels, slices = PLN_MIN((int64_t)PLN_TEAM_SLICES, s->jobs * job / SLICE_ELEMENTS);
    out_prepared->n_tasks = s->jobs;
    out_prepared->grain = 1 + 2 * SLICE_ELEMENTS / (job + 64);
    if (s->jobs >= JOBS_MANY || job < 2 * SLICE_ELEMENTS) return;
    s->slices[MOMENTS] = s->slices[ELEMENTS] = (int)PLN_MIN(slices, s->jobs * s->chunks);
    s->slices[STATISTICS] = (int)PLN_MIN(slices, 1 + s->jobs * s->job_groups * s->chunks / 1024);
    s->slices[STATISTICS] = (int)PLN_MIN((int64_t)s->slices[STATISTICS], s->jobs * s->job_groups);
    out_prepared->n_tasks = slices;
    out_prepared->grain = 1;
}

static enum pln_status prepare(const struct pln_kernel *kernel, const struct pln_launch *launch, void *state_memory, struct pln_prepared *out_prepared, struct pln_diag *diag)
{
    struct instance_state *s = state_memory;
    *out_prepared = (struct pln_prepared){ .grain = 1 };
    PLN_TRY(read(kernel, launch, diag, s));
    if (s->pixels == 0) return PLN_OK;
    join_pixels(s);
    cut(s);
    share(s, out_prepared);
    return place_memory(s, out_prepared) ? PLN_OK : pln_launch_fail(launch, diag, PLN_INVALID_ARGUMENT, "%s: the image is too large", kernel->name);
}

/* ---- a thread at work on a job ---- */

struct work {
    const struct instance_state *s;
    float *line; /* s->line floats */
    struct pln_epilogue_run epilogue;
    /* The job: its image, its first channel, its memory. */
    int64_t n, first_c;
    struct moments *moments;
    float *mean, *factor, *offset;
};

static void enter_job(struct work *work, int64_t job, char *memory)
{
    const struct instance_state *s = work->s;
    const int64_t groups = s->last ? 1 : s->c / s->group_c;
    work->n = job / groups;
    work->first_c = job % groups * s->group_c;
    work->moments = (struct moments *)(void *)memory;
    work->mean = (float *)(void *)(memory + s->table_at);
    work->factor = work->mean + s->job_c;
    work->offset = work->factor + s->job_c;
}

static int64_t place(const struct walk *walk, int64_t n, int64_t c, const int64_t *at)
{
    return n * walk->n + c * walk->c + at[0] * walk->axis[0] + at[1] * walk->axis[1] + at[2] * walk->axis[2];
}

/* Coordinates of pixel p. Returns how many from it on, up to `end`, lie along the last axis. */
static int64_t pixels_from(const struct instance_state *s, int64_t p, int64_t end, int64_t *out_at)
{
    out_at[2] = p % s->dims[2];
    out_at[1] = p / s->dims[2] % s->dims[1];
    out_at[0] = p / s->dims[2] / s->dims[1];
    return PLN_MIN(end - p, s->dims[2] - out_at[2]);
}

static int64_t chunk_end(const struct instance_state *s, int64_t first)
{
    return PLN_MIN(first + s->chunk_pixels, s->pixels);
}

/* ---- moments ---- */

/* n elements, of which sum and squares are of their distances from the pivot. */
static struct moments moments_of(double n, float pivot, double sum, double squares)
{
    const double rest = squares - sum * sum / n;
    return (struct moments){ (double)pivot + sum / n, rest < 0 ? 0 : rest }; /* NaN stays */
}

/* line: sums, squares, pivots of all channels. */
static void measure_pixels(struct work *work, int64_t chunk)
{
    const struct instance_state *s = work->s;
    const int64_t c = s->c, first = chunk * s->chunk_pixels, end = chunk_end(s, first), x_row = s->x_walk.axis[2];
    float *sums = work->line, *squares = sums + c, *pivots = squares + c;
    int64_t at[PLN_IMAGE_AXES], rows = pixels_from(s, first, end, at);
    rows = PLN_MIN(rows, divide_up(end - first, PIVOT_PART));
    memset(sums, 0, (size_t)c * sizeof *sums);
    s->isa->vec->add_rows(sums, s->x + place(&s->x_walk, work->n, 0, at), x_row, rows, c);
    for (int64_t g = 0; g < c; g += s->group_c) {
        double sum = 0;
        for (int64_t i = g; i < g + s->group_c; i++) sum += (double)sums[i];
        const float pivot = (float)(sum / (double)(rows * s->group_c));
        for (int64_t i = g; i < g + s->group_c; i++) pivots[i] = pivot;
    }
    memset(sums, 0, 2 * (size_t)c * sizeof *sums);
    for (int64_t p = first; p < end; p += rows) {
        rows = pixels_from(s, p, end, at);
        s->isa->pixels_moments(s->x + place(&s->x_walk, work->n, 0, at), x_row, rows, c, pivots, sums, squares);
    }
    struct moments *out = work->moments + chunk * s->job_groups;
    for (int64_t g = 0; g < c; g += s->group_c) {
        double sum = 0, square = 0;
        for (int64_t i = g; i < g + s->group_c; i++) {
            sum += (double)sums[i];
            square += (double)squares[i];
        }
        *out++ = moments_of((double)((end - first) * s->group_c), pivots[g], sum, square);
    }
}

/* Pixels [first, end) of a channel side by side. */
static const float *gather(struct work *work, int64_t c, int64_t first, int64_t end)
{
    const struct instance_state *s = work->s;
    int64_t at[PLN_IMAGE_AXES], n = pixels_from(s, first, end, at);
    if (!s->gathers) return s->x + place(&s->x_walk, work->n, c, at);
    float *to = work->line;
    for (int64_t p = first; p < end; p += n) {
        n = pixels_from(s, p, end, at);
        const float *from = s->x + place(&s->x_walk, work->n, c, at);
        for (int64_t i = 0; i < n; i++) *to++ = from[i * s->x_walk.axis[2]];
    }
    return work->line;
}

static void measure_run(struct work *work, int64_t chunk)
{
    const struct instance_state *s = work->s;
    const int64_t first = chunk % s->pieces * s->chunk_pixels, end = chunk_end(s, first), n = end - first;
    const float *x = gather(work, work->first_c + chunk / s->pieces, first, end);
    const int64_t some = divide_up(n, PIVOT_PART);
    const float pivot = (float)(s->isa->vec->sum(x, some) / (double)some);
    double sum, squares;
    s->isa->run_moments(x, n, pivot, &sum, &squares);
    work->moments[chunk] = moments_of((double)n, pivot, sum, squares);
}

/* ---- statistics ---- */

/* Of all of a group's elements, in f64. */
static struct moments measure_again(const struct work *work, int64_t group)
{
    const struct instance_state *s = work->s;
    int64_t at[PLN_IMAGE_AXES];
    struct moments total = { 0, 0 };
    for (int pass = 0; pass < 2; pass++) {
        double sum = 0;
        for (int64_t c = 0; c < s->group_c; c++)
            for (int64_t p = 0; p < s->pixels; p++) {
                (void)pixels_from(s, p, s->pixels, at);
                const double x = (double)s->x[place(&s->x_walk, work->n, work->first_c + group * s->group_c + c, at)];
                sum += pass == 0 ? x : (x - total.mean) * (x - total.mean);
            }
        *(pass == 0 ? &total.mean : &total.squares) = pass == 0 ? sum / s->group_n : sum;
    }
    return total;
}

/* Elements of the group in a piece of its pixels, in all of its channels or in one. */
static double elements_of(const struct instance_state *s, int64_t piece)
{
    const int64_t first = piece * s->chunk_pixels;
    return (double)(chunk_end(s, first) - first) * (s->last ? (double)s->group_c : 1);
}

static struct moments put_together(const struct work *work, int64_t group)
{
    const struct instance_state *s = work->s;
    const struct moments *own = work->moments + group;
    struct moments total = { 0, 0 };
    for (int64_t k = 0; k < s->chunks; k += s->pieces)
        for (int64_t piece = 0; piece < s->pieces; piece++) total.mean += elements_of(s, piece) * own[(k + piece) * s->job_groups].mean;
    total.mean /= s->group_n;
    for (int64_t k = 0; k < s->chunks; k += s->pieces)
        for (int64_t piece = 0; piece < s->pieces; piece++) {
            const double away = own[(k + piece) * s->job_groups].mean - total.mean;
            total.squares += own[(k + piece) * s->job_groups].squares + elements_of(s, piece) * away * away;
        }
    return total;
}

/* The mean as the nearest f32, and what is left of it in the offset: so a mean that is large beside the deviation takes no digits. One that is too large is
 * all in the offset. */
static void fill_table(struct work *work, int64_t group)
{
    const struct instance_state *s = work->s;
    struct moments total = put_together(work, group);
    if (!isfinite(total.squares) || (total.squares < VARIANCE_LEAST * s->group_n && s->epsilon < EPSILON_FAR)) total = measure_again(work, group);
    const double factor = 1 / sqrt(total.squares / s->group_n + s->epsilon);
    const float mean = fabs(total.mean) > MEAN_MOST ? 0.0f : (float)total.mean;
    for (int64_t i = group * s->group_c; i < (group + 1) * s->group_c; i++) {
        const int64_t c = work->first_c + i;
        const double own = factor * (double)s->scale[c * s->scale_step], left = total.mean - (double)mean;
        work->mean[i] = mean;
        work->factor[i] = (float)own;
        work->offset[i] = (float)((double)s->bias[c * s->bias_step] - (isfinite(own) ? left * own : 0)); /* else two infinities could meet */
    }
}

/* ---- elements ---- */

static void end_block(struct work *work, const int64_t *at, int64_t c, float *y, int64_t y_row, int64_t rows, int64_t n)
{
    const struct instance_state *s = work->s;
    if (s->activate != NULL) {
        struct pln_vec_rows ending = s->ending;
        const bool dense = y_row == n;
        ending.c = y;
        ending.c_row = y_row;
        ending.rows = dense ? 1 : rows;
        ending.cols = dense ? rows * n : n;
        s->activate(&ending);
    }
    if (s->simple) return;
    for (int i = 0; i < s->epilogue.n_operands; i++) work->epilogue.offsets[i] = place(&s->operand_walk[i], work->n, c, at);
    pln_epilogue_rows(&work->epilogue, 0, rows, 0, y, y_row, n);
}

static void store(const struct instance_state *s, const float *from, int64_t n, int64_t at, int64_t step)
{
    if (s->y_is_bool)
        for (int64_t i = 0; i < n; i++) ((uint8_t *)s->y)[at + i * step] = from[i] != 0.0f;
    else
        for (int64_t i = 0; i < n; i++) ((float *)(void *)s->y)[at + i * step] = from[i];
}

static void write_pixels(struct work *work, int64_t chunk)
{
    const struct instance_state *s = work->s;
    const int64_t first = chunk * s->chunk_pixels, end = chunk_end(s, first);
    int64_t at[PLN_IMAGE_AXES], rows;
    for (int64_t p = first; p < end; p += rows) {
        rows = PLN_MIN(pixels_from(s, p, end, at), s->block);
        const int64_t to = place(&s->y_walk, work->n, 0, at);
        float *y = s->stores ? work->line : (float *)(void *)s->y + to;
        const int64_t y_row = s->stores ? s->c : s->y_walk.axis[2];
        s->isa->pixels_normalize(&(struct pln_channels){ .x = s->x + place(&s->x_walk, work->n, 0, at), .y = y, .x_row = s->x_walk.axis[2], .y_row = y_row, .rows = rows, .n = s->c,
                                                         .mean = work->mean, .factor = work->factor, .offset = work->offset, .low = s->low, .high = s->high });
        end_block(work, at, 0, y, y_row, rows, s->c);
        for (int64_t r = 0; s->stores && r < rows; r++) store(s, y + r * y_row, s->c, to + r * s->y_walk.axis[2], s->y_walk.c);
    }
}

static void write_run(struct work *work, int64_t chunk)
{
    const struct instance_state *s = work->s;
    const int64_t i = chunk / s->pieces, c = work->first_c + i, first = chunk % s->pieces * s->chunk_pixels, end = chunk_end(s, first);
    int64_t at[PLN_IMAGE_AXES], n;
    for (int64_t p = first; p < end; p += n) {
        n = PLN_MIN(pixels_from(s, p, end, at), s->block);
        const int64_t to = place(&s->y_walk, work->n, c, at);
        const float *x = gather(work, c, p, p + n);
        float *y = s->stores ? work->line : (float *)(void *)s->y + to;
        s->isa->run_normalize(&(struct pln_channels){ .x = x, .y = y, .rows = 1, .n = n, .mean = work->mean + i, .factor = work->factor + i, .offset = work->offset + i,
                                                      .low = s->low, .high = s->high });
        end_block(work, at, c, y, n, 1, n);
        if (s->stores) store(s, y, n, to, s->y_walk.axis[2]);
    }
}

/* ---- run ---- */

/* A phase's units of one job: chunks, or groups. */
static int64_t units_of(const struct instance_state *s, int phase)
{
    return phase == STATISTICS ? s->job_groups : s->chunks;
}

static void run_unit(struct work *work, int phase, int64_t unit)
{
    const bool last = work->s->last;
    if (phase == STATISTICS) fill_table(work, unit);
    else if (phase == MOMENTS) (last ? measure_pixels : measure_run)(work, unit);
    else (last ? write_pixels : write_run)(work, unit);
}

static void run_alone(struct work *work, int64_t first, int64_t last, char *memory)
{
    for (int64_t job = first; job < last; job++) {
        enter_job(work, job, memory);
        for (int phase = 0; phase < PHASES; phase++)
            for (int64_t unit = 0; unit < units_of(work->s, phase); unit++) run_unit(work, phase, unit);
    }
}

static void run_slice(struct work *work, int phase, int slice, char *memory)
{
    const struct instance_state *s = work->s;
    const int64_t a_job = units_of(s, phase), units = s->jobs * a_job, n = s->slices[phase];
    /* In parts, so that nothing overflows. */
    const int64_t each = units / n, more = units % n, first = slice * each + PLN_MIN((int64_t)slice, more), end = first + each + (slice < more);
    for (int64_t unit = first, job = -1; unit < end; unit++) {
        if (unit / a_job != job) {
            job = unit / a_job;
            enter_job(work, job, memory + (size_t)job * s->job_bytes);
        }
        run_unit(work, phase, unit % a_job);
    }
}

/* Tasks are places for threads, which begin apart and at the same slices in each phase: those have been in their caches. */
static void run_shared(struct work *work, int64_t task, void *shared)
{
    const struct instance_state *s = work->s;
    struct pln_team *team = shared;
    for (uint32_t phase = pln_team_phase(team); phase < PHASES; phase = pln_team_wait(team, phase)) {
        const int n = s->slices[phase], home = (int)(task * n / s->slices[MOMENTS] % n);
        for (int slice; (slice = pln_team_claim(team, phase, n, home)) >= 0;) {
            run_slice(work, (int)phase, slice, (char *)(team + 1));
            pln_team_finish(team, phase, n);
        }
    }
}

static void run(const void *state, int64_t first, int64_t last, void *scratch, void *shared)
{
    const struct instance_state *s = state;
    struct work work = { .s = s, .line = scratch };
    if (first >= last) return;
    pln_epilogue_bind(&s->epilogue, s->isa->vec, epilogue_width(s), (char *)scratch + pln_align_up((size_t)s->line * sizeof(float), 64), &work.epilogue);
    if (s->slices[MOMENTS] > 0) run_shared(&work, first, shared);
    else run_alone(&work, first, last, (char *)scratch + s->scratch_job_at);
}

const struct pln_kernel_family pln_cpu_instance_norm = {
    .name = "instance_norm",
    .state_bytes = sizeof(struct instance_state),
    .supports = supports,
    .cost = cost,
    .prepare = prepare,
    .run = run,
    .packed_input = -1,
};
