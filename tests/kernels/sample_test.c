/* Resampling of images. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/kernels/harness.h"

#define DIMS(...)     \
    (const int64_t[]) \
    {                 \
        __VA_ARGS__   \
    }
#define FLOATS(...) \
    (const float[]) \
    {               \
        __VA_ARGS__ \
    }
#define COUNT(...) ((int)(sizeof((const int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t)))
#define SHAPE(...) COUNT(__VA_ARGS__), DIMS(__VA_ARGS__)

static void set_int(struct kernel_case *c, const char *name, int64_t value)
{
    assert_true(pln_attrs_set_int(&c->attrs, &c->arena, name, value));
}

static void set_text(struct kernel_case *c, const char *name, const char *text)
{
    assert_true(pln_attrs_set_string(&c->attrs, &c->arena, name, text, strlen(text)));
}

static void absent(struct kernel_case *c)
{
    kernel_case_input(c, 0, NULL)->present = false;
}

static void floats(struct kernel_case *c, int64_t n, const float *values)
{
    kernel_case_input(c, 1, DIMS(n))->values = values;
}

static void ints(struct kernel_case *c, int64_t n, const int64_t *values)
{
    struct case_input *own = kernel_case_input(c, 1, DIMS(n));
    own->dtype = PLN_I64;
    own->values = values;
}

/* ---- resize ---- */

struct resize_case {
    int rank;
    int64_t dims[4];
    int n;
    int64_t axes[4]; /* n of them; rank: all */
    float scales[4]; /* 0: sizes are told */
    int64_t sizes[4];
    const char *policy;
};

static const struct resize_case resizes[] = {
    { 4, { 1, 2, 5, 7 }, 4, { 0 }, { 1, 1, 2, 2 }, { 0 }, "stretch" },
    { 4, { 2, 3, 9, 8 }, 4, { 0 }, { 1, 1, 0.6f, 0.5f }, { 0 }, "stretch" },
    { 4, { 1, 2, 5, 7 }, 2, { 2, 3 }, { 0 }, { 11, 3 }, "stretch" },
    { 4, { 1, 2, 6, 9 }, 2, { 3, 2 }, { 0 }, { 11, 4 }, "not_larger" },
    { 4, { 1, 2, 6, 9 }, 2, { 3, 2 }, { 0 }, { 11, 4 }, "not_smaller" },
    { 3, { 2, 3, 300 }, 1, { -1 }, { 1.7f }, { 0 }, "stretch" },
    { 3, { 4, 5, 6 }, 3, { 0 }, { 0 }, { 7, 1, 9 }, "stretch" },
    { 2, { 3, 1 }, 2, { 0 }, { 0 }, { 1, 4 }, "stretch" },
    { 4, { 2, 37, 4, 3 }, 4, { 0 }, { 1, 1, 2, 2 }, { 0 }, "stretch" },
    { 4, { 1, 66, 3, 5 }, 2, { 2, 3 }, { 4, 1.3f }, { 0 }, "stretch" },
    { 4, { 1, 3, 40, 70 }, 4, { 0 }, { 1, 1, 0.5f, 1 }, { 0 }, "stretch" },
    { 4, { 1, 2, 3, 4 }, 4, { 0 }, { 2, 1.5f, 2, 0.75f }, { 0 }, "stretch" },
    { 2, { 3, 3001 }, 2, { 0 }, { 1.5f, 1.7f }, { 0 }, "stretch" },
    { 3, { 1, 3, 2501 }, 1, { 2 }, { 2 }, { 0 }, "stretch" },
    { 3, { 2, 3, 4 }, 3, { 0 }, { 1, 1, 1 }, { 0 }, "stretch" },
    { 3, { 3, 5, 41 }, 3, { 0 }, { 1, 3, 3 }, { 0 }, "stretch" },
    { 3, { 2, 4, 23 }, 2, { 1, 2 }, { 2, 4 }, { 0 }, "stretch" },
    { 2, { 7, 1401 }, 2, { 0 }, { 2, 3 }, { 0 }, "stretch" },
    { 3, { 2, 7, 9 }, 2, { 1, 2 }, { 0 }, { 13, 45 }, "stretch" },
    { 4, { 0, 3, 4, 4 }, 4, { 0 }, { 1, 1, 2, 2 }, { 0 }, "stretch" },
    { 4, { 1, 3, 4, 4 }, 2, { 2, 3 }, { 0 }, { 0, 8 }, "stretch" },
};

struct resize_mode {
    const char *mode, *coords, *rounding;
    int antialias, exclude;
};

static void resize_one(const struct resize_case *v, const struct resize_mode *m, enum pln_dtype dtype, enum fill fill)
{
    struct kernel_case c;
    static const float whole[8] = { 0, 0, 0, 0, 1, 1, 1, 1 },
                       part[8] = { 0, 0.1f, 0.25f, -0.25f, 1, 0.9f, 0.5f, 1.25f };
    char name[128];
    snprintf(name, sizeof name, "resize %s %s %d%d of rank %d", m->mode, m->coords, m->antialias, m->exclude, v->rank);
    kernel_case_init(&c, name, PLN_OP_RESIZE, 0);
    struct case_input *in = kernel_case_input(&c, v->rank, v->dims);
    in->dtype = dtype;
    in->fill = fill;
    if (strcmp(m->coords, "tf_crop_and_resize") == 0) {
        float roi[8];
        for (int i = 0; i < v->n; i++) {
            roi[i] = v->n == 2 ? part[2 + i] : whole[i];
            roi[v->n + i] = v->n == 2 ? part[6 + i] : whole[4 + i];
        }
        floats(&c, 2 * v->n, memcpy(pln_arena_alloc(&c.arena, sizeof roi), roi, sizeof roi));
    } else {
        absent(&c);
    }
    if (v->scales[0] > 0) {
        floats(&c, v->n, v->scales);
        c.inputs[2].constant = true;
    } else {
        absent(&c);
        ints(&c, v->n, v->sizes);
    }
    if (v->n < v->rank) assert_true(pln_attrs_set_ints(&c.attrs, &c.arena, "axes", v->axes, v->n));
    set_text(&c, "mode", m->mode);
    set_text(&c, "coordinate_transformation_mode", m->coords);
    if (m->rounding) set_text(&c, "nearest_mode", m->rounding);
    set_text(&c, "keep_aspect_ratio_policy", v->policy);
    set_int(&c, "antialias", m->antialias);
    set_int(&c, "exclude_outside", m->exclude);
    assert_true(pln_attrs_set_float(&c.attrs, &c.arena, "extrapolation_value", 3.5f));
    c.rtol = 1e-5;
    c.atol = 2e-6;
    kernel_case_run(&c);
    kernel_case_deinit(&c);
}

static void resize(void **state)
{
    (void)state;
    static const char *const coords[] = { "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel",  "align_corners",
                                          "asymmetric", "tf_crop_and_resize",   "tf_half_pixel_for_nn" };
    static const char *const roundings[] = { "round_prefer_floor", "round_prefer_ceil", "floor", "ceil" };
    for (size_t i = 0; i < PLN_COUNT_OF(resizes); i++) {
        for (size_t k = 0; k < PLN_COUNT_OF(coords); k++) {
            const struct resize_mode modes[] = {
                { "nearest", coords[k], roundings[(i + k) % 4], 0, 0 },
                { "linear", coords[k], NULL, 0, 0 },
                { "cubic", coords[k], NULL, 0, i % 2 },
                { "linear", coords[k], NULL, 1, 0 },
                { "cubic", coords[k], NULL, 1, i % 2 },
            };
            for (size_t m = 0; m < PLN_COUNT_OF(modes); m++) resize_one(&resizes[i], &modes[m], PLN_F32, FILL_PLAIN);
            resize_one(&resizes[i], &modes[0], PLN_F32, FILL_SPECIAL);
        }
        for (size_t k = 0; k < PLN_COUNT_OF(roundings); k++) {
            resize_one(&resizes[i], &(struct resize_mode){ "nearest", "asymmetric", roundings[k], 0, 0 }, PLN_U8, FILL_PLAIN);
            resize_one(&resizes[i], &(struct resize_mode){ "nearest", "asymmetric", roundings[k], 0, 0 }, PLN_F32, FILL_PLAIN);
        }
        /* Thirds make sums in the middle of two integers, which fall as a machine's products round. */
        const bool by_thirds = resizes[i].scales[1] == 3.0f || resizes[i].scales[0] == 3.0f;
        if (!by_thirds) resize_one(&resizes[i], &(struct resize_mode){ "cubic", "half_pixel", NULL, 0, 0 }, PLN_U8, FILL_PLAIN);
        resize_one(&resizes[i], &(struct resize_mode){ "linear", "half_pixel", NULL, 0, 0 }, PLN_I8, FILL_PLAIN);
        resize_one(&resizes[i], &(struct resize_mode){ "linear", "align_corners", NULL, 0, 0 }, PLN_I64, FILL_PLAIN);
        resize_one(&resizes[i], &(struct resize_mode){ "cubic", "pytorch_half_pixel", NULL, 0, 0 }, PLN_F64, FILL_PLAIN);
    }
}

/* Numbers that are none reach what sees them, also by a tap of weight 0. */
static void resize_special(void **state)
{
    (void)state;
    static const char *const modes[] = { "linear", "cubic" };
    static float pixels[18 * 5 * 7];
    static const float scales[] = { 2, 1.5f };
    for (size_t i = 0; i < PLN_COUNT_OF(pixels); i++) pixels[i] = i % 31 == 3 ? INFINITY : i % 37 == 5 ? NAN : i % 29 == 7 ? -INFINITY : (float)(i % 13) - 6;
    for (int variant = 0; variant < 4; variant++) {
        struct kernel_case c;
        kernel_case_init(&c, "resize of special values", PLN_OP_RESIZE, 0);
        kernel_case_input(&c, 4, DIMS(1, 18, 5, 7))->values = pixels;
        absent(&c);
        floats(&c, 2, scales);
        c.inputs[2].constant = true;
        assert_true(pln_attrs_set_ints(&c.attrs, &c.arena, "axes", DIMS(2, 3), 2));
        set_text(&c, "mode", modes[variant & 1]);
        set_text(&c, "coordinate_transformation_mode", variant & 2 ? "asymmetric" : "half_pixel");
        c.rtol = 1e-5;
        c.atol = 2e-5;
        kernel_case_run(&c);
        kernel_case_deinit(&c);
    }
}

/* ---- sampling ---- */

static void grid_sample(void **state)
{
    (void)state;
    static const char *const modes[] = { "linear", "nearest", "cubic" };
    static const char *const paddings[] = { "zeros", "border", "reflection" };
    for (int variant = 0; variant < 18; variant++)
        for (int k = 1; k <= 3; k++) {
            struct kernel_case c;
            int64_t x[5] = { 2, 3, 5, 6, 4 }, grid[5] = { 2, 7, 3, 2, 0 };
            grid[k + 1] = k;
            kernel_case_init(&c, "grid_sample", PLN_OP_GRID_SAMPLE, 0);
            kernel_case_input(&c, k + 2, x);
            /* In f32 always: the coordinates decide which pixel is nearest. */
            float places[2 * 7 * 3 * 2 * 3];
            for (size_t i = 0; i < PLN_COUNT_OF(places); i++) places[i] = (float)((int)(i * 37 % 101) - 50) / 40.0f;
            places[3] = 1e30f;
            places[4] = -7;
            kernel_case_input(&c, k + 2, grid)->values = places;
            set_text(&c, "mode", modes[variant % 3]);
            set_text(&c, "padding_mode", paddings[variant / 3 % 3]);
            set_int(&c, "align_corners", variant / 9);
            c.rtol = 1e-5;
            c.atol = 2e-6;
            kernel_case_run(&c);
            kernel_case_deinit(&c);
        }
    assert_int_equal(kernel_rows_untested(PLN_OP_GRID_SAMPLE), 0);
}

/* Many places and channels, grids of numbers that are none, images with infinities, nothing at all. */
static void grid_sample_large(void **state)
{
    (void)state;
    static const char *const modes[] = { "linear", "nearest", "cubic" };
    static const char *const paddings[] = { "zeros", "border", "reflection" };
    static const int64_t shapes[][6] = { { 1, 37, 9, 11, 23, 17 }, { 3, 2, 1, 1, 2, 65 }, { 2, 0, 3, 3, 2, 2 }, { 2, 3, 3, 4, 0, 5 }, { 0, 3, 3, 4, 2, 5 } };
    for (int variant = 0; variant < 18; variant++)
        for (size_t i = 0; i < PLN_COUNT_OF(shapes); i++) {
            const int64_t *v = shapes[i];
            struct kernel_case c;
            kernel_case_init(&c, "grid_sample of many places", PLN_OP_GRID_SAMPLE, 0);
            kernel_case_input(&c, 4, v)->fill = variant % 3 == 1 ? FILL_SPECIAL : FILL_PLAIN;
            static float places[3 * 23 * 17 * 2];
            for (size_t k = 0; k < PLN_COUNT_OF(places); k++) places[k] = k % 97 == 5 ? NAN : k % 89 == 7 ? INFINITY : (float)((int)(k * 37 % 1001) - 500) / 400.0f;
            kernel_case_input(&c, 4, DIMS(v[0], v[4], v[5], 2))->values = places;
            set_text(&c, "mode", modes[variant % 3]);
            set_text(&c, "padding_mode", paddings[variant / 3 % 3]);
            set_int(&c, "align_corners", variant / 9);
            c.rtol = 1e-5;
            c.atol = 2e-6;
            kernel_case_run(&c);
            kernel_case_deinit(&c);
        }
}

static void affine_grid(void **state)
{
    (void)state;
    for (int variant = 0; variant < 4; variant++) {
        struct kernel_case c;
        int k = 2 + variant % 2;
        kernel_case_init(&c, "affine_grid", PLN_OP_AFFINE_GRID, 0);
        kernel_case_input(&c, SHAPE(2, k, k + 1));
        ints(&c, k + 2, DIMS(2, 3, 5, 1, 4));
        set_int(&c, "align_corners", variant / 2);
        c.rtol = 1e-5;
        c.atol = 1e-6;
        kernel_case_run(&c);
        kernel_case_deinit(&c);
    }
    assert_int_equal(kernel_rows_untested(PLN_OP_AFFINE_GRID), 0);
}

static void roi_align(void **state)
{
    (void)state;
    static const float rois[] = { 0, 0, 9, 7, 1.5f, 2.25f, 6.5f, 3.75f, -3, -2, 20, 30, 5, 5, 5, 5, 4, 6, 2, 3 };
    float image[2 * 3 * 10 * 12];
    for (size_t i = 0; i < PLN_COUNT_OF(image); i++) image[i] = (float)(i * 29 % 103) / 50.0f - 1;
    for (int variant = 0; variant < 12; variant++) {
        struct kernel_case c;
        kernel_case_init(&c, "roi_align", PLN_OP_ROI_ALIGN, 0);
        struct case_input *x = kernel_case_input(&c, SHAPE(2, 3, 10, 12));
        x->dtype = variant % 5 == 4 ? PLN_F64 : PLN_F32;
        x = kernel_case_input(&c, SHAPE(5, 4));
        x->dtype = c.inputs[0].dtype;
        if (x->dtype == PLN_F32) {
            x->values = rois;
            c.inputs[0].values = image;
        }
        ints(&c, 5, DIMS(0, 1, 1, 0, 1));
        set_text(&c, "mode", variant % 2 ? "max" : "avg");
        set_text(&c, "coordinate_transformation_mode", variant & 2 ? "half_pixel" : "output_half_pixel");
        set_int(&c, "sampling_ratio", variant / 4);
        set_int(&c, "output_height", 3);
        set_int(&c, "output_width", 2);
        assert_true(pln_attrs_set_float(&c.attrs, &c.arena, "spatial_scale", 0.75f));
        c.rtol = 2e-5;
        c.atol = 1e-5;
        kernel_case_run(&c);
        kernel_case_deinit(&c);
    }
    assert_int_equal(kernel_rows_untested(PLN_OP_ROI_ALIGN), 0);
}

/* More channels than a task takes, a region of many samples, regions that there are not. */
static void roi_align_large(void **state)
{
    (void)state;
    static const float rois[] = { 0, 0, 300, 6000, 1.5f, 2.25f, 6.5f, 3.75f }, far[] = { 0, 0, 300, 200, 0, 0, 1e9f, 1 };
    static const int64_t behind[] = { 0, 2 }, before[] = { -1, 0 };
    static float image[2 * 70 * 5 * 6];
    for (size_t i = 0; i < PLN_COUNT_OF(image); i++) image[i] = (float)(i * 29 % 103) / 50.0f - 1;
    for (int variant = 0; variant < 8; variant++) {
        struct kernel_case c;
        kernel_case_init(&c, "roi_align of many channels", PLN_OP_ROI_ALIGN, 0);
        kernel_case_input(&c, SHAPE(2, 70, 5, 6))->values = image;
        kernel_case_input(&c, SHAPE(2, 4))->values = rois;
        ints(&c, 2, DIMS(1, 0));
        set_text(&c, "mode", variant & 1 ? "max" : "avg");
        set_int(&c, "output_height", 2);
        set_int(&c, "output_width", 3);
        if (variant >= 4 && variant & 2) {
            c.inputs[1].wrong = far;
            c.fault = "too large";
        } else if (variant >= 4) {
            c.inputs[2].wrong = variant & 1 ? behind : before;
            c.fault = "is of ";
        }
        c.rtol = 2e-5;
        c.atol = 1e-5;
        kernel_case_run(&c);
        kernel_case_deinit(&c);
    }
}

static void all_rows_were_run(void **state)
{
    (void)state;
    assert_int_equal(kernel_rows_untested(PLN_OP_RESIZE), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resize),    cmocka_unit_test(resize_special), cmocka_unit_test(grid_sample), cmocka_unit_test(affine_grid),
        cmocka_unit_test(roi_align), cmocka_unit_test(grid_sample_large), cmocka_unit_test(roi_align_large), cmocka_unit_test(all_rows_were_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
