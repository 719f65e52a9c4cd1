#include "tensor/compare.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "tensor/convert.h"

static const struct pln_difference no_difference = { .equal = true, .worst_index = -1 };

/* "[1,0,3]" of a flat index. */
static const char *describe_index(const struct pln_tensor *tensor, int64_t index, char *buffer, size_t buffer_bytes)
{
    int64_t at[PLN_MAX_RANK];
    size_t used = 0;
    for (int i = tensor->rank - 1; i >= 0; i--) {
        at[i] = index % tensor->dims[i];
        index /= tensor->dims[i];
    }
    snprintf(buffer, buffer_bytes, "[]");
    for (int i = 0; i < tensor->rank && used < buffer_bytes; i++) {
        const char *mark = i == 0 ? "[" : ",", *end = i == tensor->rank - 1 ? "]" : "";
        int n = snprintf(buffer + used, buffer_bytes - used, "%s%" PRId64 "%s", mark, at[i], end);
        used += n > 0 ? (size_t)n : buffer_bytes;
    }
    return buffer;
}

/* excess: error over what is allowed. The element with the greatest is told. */
static void note_wrong(struct pln_difference *out, double *worst_excess, double excess, int64_t index, double got,
                       double want)
{
    out->wrong++;
    if (out->worst_index >= 0 && !(excess > *worst_excess)) return;
    *worst_excess = excess;
    out->worst_index = index;
    out->worst_got = got;
    out->worst_want = want;
}

/* Floats as a flat list of reals; complex numbers are two of them. */
struct real_list {
    enum pln_dtype dtype;
    const void *data;
    int64_t count;
    int per_element;
};

static struct real_list list_reals(const struct pln_tensor *tensor)
{
    struct real_list list = { tensor->dtype, tensor->data, pln_tensor_count(tensor), 1 };
    if (!pln_dtype_is_complex(tensor->dtype)) return list;
    list.dtype = tensor->dtype == PLN_C64 ? PLN_F32 : PLN_F64;
    list.per_element = 2;
    list.count *= 2;
    return list;
}

static inline double real_at(const struct real_list *list, int64_t i)
{
    return list->dtype == PLN_F32 ? (double)((const float *)list->data)[i] : pln_load_f64(list->dtype, list->data, i);
}

/* |a-b|; 0 for equal infinities and for two NaNs, inf for any other pair that is not finite. */
static double distance(double got, double want)
{
    double d = fabs(got - want);
    if (d == d) return d;
    return got == want || (got != got && want != want) ? 0 : (double)INFINITY;
}

static void compare_reals(const struct pln_tensor *got_tensor, const struct pln_tensor *want_tensor,
                          const struct pln_tolerance *tolerance, struct pln_difference *out)
{
    struct real_list got = list_reals(got_tensor), want = list_reals(want_tensor);
    double max_want = 0, worst_excess = 0;
    int64_t last_wrong = -1;
    for (int64_t i = 0; i < want.count; i++) {
        double w = real_at(&want, i), d = distance(real_at(&got, i), w);
        if (fabs(w) > max_want && fabs(w) < (double)INFINITY) max_want = fabs(w);
        if (d > out->max_abs) out->max_abs = d;
    }
    out->max_rel = out->max_abs > 0 ? out->max_abs / max_want : 0; /* x/0 is inf, which no tolerance allows */
    for (int64_t i = 0; i < want.count; i++) {
        double g = real_at(&got, i), w = real_at(&want, i), d = distance(g, w);
        double allowed = tolerance->atol + tolerance->rtol * fabs(w);
        if (tolerance->max_rel_err > 0) allowed = tolerance->max_rel_err * max_want;
        if (d == 0 || (d <= allowed && d < (double)INFINITY)) continue;
        int64_t element = i / got.per_element;
        note_wrong(out, &worst_excess, allowed > 0 ? d / allowed : (double)INFINITY, element, g, w);
        if (element == last_wrong) out->wrong--; /* both halves of a complex number */
        last_wrong = element;
    }
}

static void compare_integers(const struct pln_tensor *got, const struct pln_tensor *want, struct pln_difference *out)
{
    double max_want = 0, worst_excess = 0;
    for (int64_t i = 0, n = pln_tensor_count(want); i < n; i++) {
        int64_t g = pln_load_i64(got->dtype, got->data, i), w = pln_load_i64(want->dtype, want->data, i);
        double wide_want = pln_load_f64(want->dtype, want->data, i);
        max_want = PLN_MAX(max_want, fabs(wide_want));
        if (g == w) continue;
        double wide_got = pln_load_f64(got->dtype, got->data, i), d = fabs(wide_got - wide_want);
        out->max_abs = PLN_MAX(out->max_abs, d);
        note_wrong(out, &worst_excess, d, i, wide_got, wide_want);
    }
    out->max_rel = out->max_abs > 0 ? out->max_abs / max_want : 0;
}

static void compare_strings(const struct pln_tensor *got, const struct pln_tensor *want, struct pln_difference *out)
{
    const struct pln_string *g = got->data, *w = want->data;
    double worst_excess = 0;
    for (int64_t i = 0, n = pln_tensor_count(want); i < n; i++) {
        bool same = g[i].size_bytes == w[i].size_bytes;
        if (same && g[i].size_bytes > 0) same = memcmp(g[i].data, w[i].data, g[i].size_bytes) == 0;
        if (!same) note_wrong(out, &worst_excess, 0, i, 0, 0);
    }
}

static void describe_wrong(const struct pln_tensor *got, const struct pln_tensor *want,
                           const struct pln_tolerance *tolerance, struct pln_difference *out)
{
    char at[96];
    describe_index(want, out->worst_index, at, sizeof at);
    int n = snprintf(out->text, sizeof out->text, "%" PRId64 " of %" PRId64 " elements differ; ", out->wrong,
                     pln_tensor_count(want));
    char *rest = out->text + n;
    size_t left = sizeof out->text - (size_t)n;
    if (want->dtype == PLN_STR) {
        struct pln_string g = ((const struct pln_string *)got->data)[out->worst_index];
        struct pln_string w = ((const struct pln_string *)want->data)[out->worst_index];
        snprintf(rest, left, "first at %s: got \"%.*s\", want \"%.*s\"", at, (int)PLN_MIN(g.size_bytes, 40), g.data,
                 (int)PLN_MIN(w.size_bytes, 40), w.data);
    } else if (tolerance->max_rel_err > 0 && !pln_dtype_is_integer(want->dtype) && want->dtype != PLN_BOOL) {
        snprintf(rest, left, "worst at %s: got %.9g, want %.9g; max error / max value is %.3g, allowed %.3g", at,
                 out->worst_got, out->worst_want, out->max_rel, tolerance->max_rel_err);
    } else {
        snprintf(rest, left, "worst at %s: got %.9g, want %.9g; max error %.3g (%.3g of the largest value)", at,
                 out->worst_got, out->worst_want, out->max_abs, out->max_rel);
    }
}

void pln_compare(const struct pln_tensor *got, const struct pln_tensor *want, const struct pln_tolerance *tolerance,
                 struct pln_difference *out)
{
    *out = no_difference;
    if (got->dtype != want->dtype || !pln_tensor_same_shape(got, want)) {
        char g[112], w[112];
        out->equal = false;
        snprintf(out->text, sizeof out->text, "got %s, want %s", pln_tensor_describe(got, g, sizeof g),
                 pln_tensor_describe(want, w, sizeof w));
        return;
    }
    assert(pln_tensor_is_contiguous(got) && pln_tensor_is_contiguous(want));
    if (want->dtype == PLN_STR) {
        compare_strings(got, want, out);
    } else if (pln_dtype_is_float(want->dtype) || pln_dtype_is_complex(want->dtype)) {
        compare_reals(got, want, tolerance, out);
    } else {
        compare_integers(got, want, out);
    }
    out->equal = out->wrong == 0;
    if (!out->equal) describe_wrong(got, want, tolerance, out);
}
