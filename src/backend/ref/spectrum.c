/* Fourier transforms and mel weights. */
#include <math.h>

#include "backend/ref/elems.h"
#include "backend/ref/rows.h"

static const double two_pi = 6.28318530717958647693;

/* A transform of n points in place; work has room for as many again. */
struct transform {
    int64_t n;
    bool inverse;
    double *re, *im;     /* n: the signal, then the spectrum (or back) */
    double *cos, *sin;   /* n: exp(∓2πi k/n) */
    double *work[2];     /* n each */
};

static enum pln_status transform_init(struct pln_call *call, struct transform *t, int64_t n, bool inverse)
{
    void *memory[6];
    for (int i = 0; i < 6; i++) PLN_TRY(pln_call_scratch(call, (size_t)n, sizeof(double), &memory[i]));
    *t = (struct transform){ n, inverse, memory[0], memory[1], memory[2], memory[3], { memory[4], memory[5] } };
    for (int64_t k = 0; k < n; k++) {
        double angle = two_pi * (double)k / (double)n;
        t->cos[k] = cos(angle);
        t->sin[k] = inverse ? sin(angle) : -sin(angle);
    }
    return PLN_OK;
}

/* Radix 2, decimation in time (Cooley and Tukey 1965): n is a power of two. */
static void transform_radix2(struct transform *t)
{
    int64_t n = t->n;
    for (int64_t i = 1, j = 0; i < n; i++) {
        int64_t bit = n >> 1;
        for (; j & bit; bit >>= 1) j ^= bit;
        j ^= bit;
        if (i >= j) continue;
        double re = t->re[i], im = t->im[i];
        t->re[i] = t->re[j];
        t->im[i] = t->im[j];
        t->re[j] = re;
        t->im[j] = im;
    }
    for (int64_t half = 1; half < n; half *= 2) {
        for (int64_t i = 0; i < n; i++) {
            if (i & half) continue;
            int64_t w = (i & (half - 1)) * (n / (2 * half));
            double re = t->re[i + half] * t->cos[w] - t->im[i + half] * t->sin[w];
            double im = t->re[i + half] * t->sin[w] + t->im[i + half] * t->cos[w];
            t->re[i + half] = t->re[i] - re;
            t->im[i + half] = t->im[i] - im;
            t->re[i] += re;
            t->im[i] += im;
        }
    }
}

/* By the definition. */
static void transform_plain(struct transform *t)
{
    for (int64_t k = 0; k < t->n; k++) {
        double re = 0, im = 0;
        for (int64_t i = 0, w = 0; i < t->n; i++, w = (w + k) % t->n) {
            re += t->re[i] * t->cos[w] - t->im[i] * t->sin[w];
            im += t->re[i] * t->sin[w] + t->im[i] * t->cos[w];
        }
        t->work[0][k] = re;
        t->work[1][k] = im;
    }
    memcpy(t->re, t->work[0], (size_t)t->n * sizeof(double));
    memcpy(t->im, t->work[1], (size_t)t->n * sizeof(double));
}

static void transform_run(struct transform *t)
{
    if ((t->n & (t->n - 1)) == 0) transform_radix2(t);
    else transform_plain(t);
    for (int64_t k = 0; t->inverse && k < t->n; k++) {
        t->re[k] /= (double)t->n;
        t->im[k] /= (double)t->n;
    }
}

/* The spectrum of a real signal is symmetric: the bins behind the middle mirror those before it. */
static void mirror(struct transform *t)
{
    t->im[0] = 0;
    if (t->n % 2 == 0) t->im[t->n / 2] = 0;
    for (int64_t k = t->n / 2 + 1; k < t->n; k++) {
        t->re[k] = t->re[t->n - k];
        t->im[k] = -t->im[t->n - k];
    }
}

/* ---- DFT ---- */

struct dft {
    const struct pln_tensor *x;
    struct pln_tensor out;
    int axis;
    int64_t n_in, n_out, inner, parts_in, parts_out; /* points and real numbers a point; inner: points between neighbours */
    bool inverse, onesided;
    struct transform t;
};

static enum pln_status one_int(struct pln_call *call, int i, int64_t fallback, int64_t *out_value)
{
    const int64_t *ints;
    int64_t n;
    *out_value = fallback;
    PLN_TRY(pln_call_ints(call, i, &ints, &n));
    if (n < 0) return PLN_OK;
    if (n != 1) return pln_call_fail(call, PLN_BAD_MODEL, "input %d must be one number", i);
    *out_value = ints[0];
    return PLN_OK;
}

static enum pln_status read_dft(struct pln_call *call, struct dft *d)
{
    int64_t axis, length;
    PLN_TRY(pln_call_need(call, 0, &d->x));
    int rank = d->x->rank;
    if (!pln_dtype_is_float(d->x->dtype) || rank < 2 || d->x->dims[rank - 1] < 1 || d->x->dims[rank - 1] > 2)
        return pln_call_fail(call, PLN_BAD_MODEL, "input 0 must be float with a last dim of 1 or 2");
    PLN_TRY(one_int(call, 2, -2, &axis));
    if (!pln_axis_normalize(axis, rank, &d->axis) || d->axis == rank - 1)
        return pln_call_fail(call, PLN_BAD_MODEL, "axis %lld is outside of the signal's %d dims", (long long)axis, rank - 1);
    d->inverse = pln_attrs_int(call->attrs, "inverse", 0) != 0;
    d->onesided = pln_attrs_int(call->attrs, "onesided", 0) != 0;
    d->parts_in = d->x->dims[rank - 1];
    d->parts_out = d->inverse && d->onesided ? 1 : 2;
    d->n_in = d->x->dims[d->axis];
    PLN_TRY(one_int(call, 1, d->inverse && d->onesided ? 2 * (d->n_in - 1) : d->n_in, &length));
    if (length < 1 || length > INT32_MAX) return pln_call_fail(call, PLN_BAD_MODEL, "a transform of %lld points", (long long)length);
    d->n_out = d->onesided && !d->inverse ? length / 2 + 1 : length;
    d->inner = pln_elems_product(d->x->dims, d->axis + 1, rank - 1);
    return transform_init(call, &d->t, length, d->inverse);
}

/* One line of points, `from` and `to` the numbers of their first ones. */
static void run_line(struct dft *d, int64_t from, int64_t to)
{
    struct transform *t = &d->t;
    int64_t n = PLN_MIN(d->n_in, d->inverse && d->onesided ? t->n / 2 + 1 : t->n);
    memset(t->re, 0, (size_t)t->n * sizeof(double));
    memset(t->im, 0, (size_t)t->n * sizeof(double));
    for (int64_t i = 0; i < n; i++) {
        int64_t at = (from + i * d->inner) * d->parts_in;
        pln_ref_load_f64(d->x->dtype, d->x->data, at, 1, &t->re[i]);
        if (d->parts_in == 2) pln_ref_load_f64(d->x->dtype, d->x->data, at + 1, 1, &t->im[i]);
    }
    if (d->inverse && d->onesided) mirror(t);
    transform_run(t);
    for (int64_t i = 0; i < d->n_out; i++) {
        int64_t at = (to + i * d->inner) * d->parts_out;
        pln_ref_store_f64(d->out.dtype, d->out.data, at, 1, &t->re[i]);
        if (d->parts_out == 2) pln_ref_store_f64(d->out.dtype, d->out.data, at + 1, 1, &t->im[i]);
    }
}

enum pln_status pln_ref_dft(struct pln_call *call)
{
    struct dft d = { .x = NULL };
    int64_t dims[PLN_MAX_RANK];
    PLN_TRY(read_dft(call, &d));
    memcpy(dims, d.x->dims, sizeof(dims));
    dims[d.axis] = d.n_out;
    dims[d.x->rank - 1] = d.parts_out;
    PLN_TRY(pln_call_out(call, 0, d.x->dtype, d.x->rank, dims, &d.out));
    int64_t outer = pln_elems_product(d.x->dims, 0, d.axis);
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < d.inner; i++) run_line(&d, o * d.n_in * d.inner + i, o * d.n_out * d.inner + i);
    return PLN_OK;
}

/* ---- STFT ---- */

enum pln_status pln_ref_stft(struct pln_call *call)
{
    const struct pln_tensor *x, *window = pln_call_in(call, 2);
    struct pln_tensor out;
    struct transform t;
    int64_t hop, length;
    PLN_TRY(pln_call_need(call, 0, &x));
    if (!pln_dtype_is_float(x->dtype) || x->rank != 3 || x->dims[2] < 1 || x->dims[2] > 2 || (window && (window->rank != 1 || !pln_dtype_is_float(window->dtype))))
        return pln_call_fail(call, PLN_BAD_MODEL, "the signal must be float of shape [batch, length, 1 or 2], the window a float vector");
    PLN_TRY(one_int(call, 1, 0, &hop));
    PLN_TRY(one_int(call, 3, window ? window->dims[0] : x->dims[1], &length));
    if (hop < 1 || length < 1 || length > x->dims[1] || (window && window->dims[0] != length))
        return pln_call_fail(call, PLN_BAD_MODEL, "frames of %lld, %lld apart, do not fit the signal or the window", (long long)length, (long long)hop);
    int64_t n_bins = pln_attrs_int(call->attrs, "onesided", 1) ? length / 2 + 1 : length, n_frames = (x->dims[1] - length) / hop + 1;
    int64_t dims[4] = { x->dims[0], n_frames, n_bins, 2 };
    PLN_TRY(pln_call_out(call, 0, x->dtype, 4, dims, &out));
    PLN_TRY(transform_init(call, &t, length, false));
    for (int64_t f = 0; f < x->dims[0] * n_frames; f++) {
        int64_t first = f / n_frames * x->dims[1] + f % n_frames * hop;
        for (int64_t i = 0; i < length; i++) {
            double weight = 1;
            t.im[i] = 0;
            if (window) pln_ref_load_f64(window->dtype, window->data, i, 1, &weight);
            pln_ref_load_f64(x->dtype, x->data, (first + i) * x->dims[2], 1, &t.re[i]);
            if (x->dims[2] == 2) pln_ref_load_f64(x->dtype, x->data, (first + i) * 2 + 1, 1, &t.im[i]);
            t.re[i] *= weight;
            t.im[i] *= weight;
        }
        transform_run(&t);
        for (int64_t k = 0; k < n_bins; k++) {
            pln_ref_store_f64(out.dtype, out.data, (f * n_bins + k) * 2, 1, &t.re[k]);
            pln_ref_store_f64(out.dtype, out.data, (f * n_bins + k) * 2 + 1, 1, &t.im[k]);
        }
    }
    return PLN_OK;
}

/* ---- MelWeightMatrix ---- */

static double mel(double hertz)
{
    return 2595 * log10(1 + hertz / 700);
}

static enum pln_status one_real(struct pln_call *call, int i, double *out_value)
{
    const struct pln_tensor *tensor;
    PLN_TRY(pln_call_need(call, i, &tensor));
    if (!pln_dtype_is_float(tensor->dtype) || pln_tensor_count(tensor) != 1) return pln_call_fail(call, PLN_BAD_MODEL, "input %d must be one float", i);
    pln_ref_load_f64(tensor->dtype, tensor->data, 0, 1, out_value);
    return PLN_OK;
}

/* One triangle: rises from bin a to b, falls to c. */
static void triangle(struct pln_tensor *out, int64_t column, int64_t a, int64_t b, int64_t c)
{
    int64_t n = out->dims[1];
    for (int64_t k = a; k < c; k++) {
        double weight = k < b ? (double)(k - a) / (double)(b - a) : (double)(c - k) / (double)(c - b);
        pln_ref_store_f64(out->dtype, out->data, k * n + column, 1, &weight);
    }
    double peak = 1;
    pln_ref_store_f64(out->dtype, out->data, b * n + column, 1, &peak);
}

enum pln_status pln_ref_mel_weight_matrix(struct pln_call *call)
{
    struct pln_tensor out;
    int64_t n_mels, length, rate, dtype = pln_attrs_int(call->attrs, "output_datatype", PLN_F32);
    double low, high;
    PLN_TRY(one_int(call, 0, 0, &n_mels));
    PLN_TRY(one_int(call, 1, 0, &length));
    PLN_TRY(one_int(call, 2, 0, &rate));
    PLN_TRY(one_real(call, 3, &low));
    PLN_TRY(one_real(call, 4, &high));
    bool number = dtype > 0 && dtype < PLN_DTYPE_COUNT && (pln_dtype_is_float((enum pln_dtype)dtype) || pln_dtype_is_integer((enum pln_dtype)dtype));
    if (n_mels < 0 || length < 0 || rate < 1 || !number || !(low >= 0) || !(high >= low) || n_mels > INT32_MAX || length > INT32_MAX)
        return pln_call_fail(call, PLN_BAD_MODEL, "parameters are out of range");
    int64_t dims[2] = { length / 2 + 1, n_mels };
    PLN_TRY(pln_call_out(call, 0, (enum pln_dtype)dtype, 2, dims, &out));
    memset(out.data, 0, pln_tensor_bytes(&out));
    double step = (mel(high) - mel(low)) / (double)(n_mels + 2);
    for (int64_t i = 0; i < n_mels; i++) {
        int64_t bins[3];
        for (int k = 0; k < 3; k++) {
            double hertz = 700 * (pow(10, (mel(low) + step * (double)(i + k)) / 2595) - 1);
            double bin = floor((double)(length + 1) * hertz / (double)rate);
            if (!(bin >= 0) || bin >= (double)dims[0] + (k == 2)) return pln_call_fail(call, PLN_BAD_MODEL, "an edge lies above half the sample rate");
            bins[k] = (int64_t)bin;
        }
        triangle(&out, i, bins[0], bins[1], bins[2]);
    }
    return PLN_OK;
}
