/* Few cases for tools that make kernels a hundred times slower (compute-sanitizer): PLANISH_TEST_TOOL=1.
 *
 * A row runs a case of a source, once and without a recording, when there is something in it that the row has not met
 * with this source: an operand that is empty, one element, few or many, that begins at a whole vector or not; an extent
 * that is empty, one, or less than, a multiple of, or more than one of the row's tiles, and whole vectors or not; rows
 * and columns of an output so, together; numbers that are none. At the end a line for each row tells what has run, and
 * one the sum. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/hash.h"
#include "tensor/convert.h"
#include "tests/kernels/attempt.h"

enum { TILE_LEAST = 16, VECTOR = 8, VECTOR_BYTES = 16, FEW_ELEMENTS = 2048, MOST_ROWS = 1024 };

struct count {
    const struct pln_kernel *kernel;
    long cases, launches;
    int64_t threads;
};

static struct {
    struct count rows[MOST_ROWS];
    size_t n_rows;
    long sources;
} ran;

bool tool_wanted(void)
{
    const char *tool = getenv("PLANISH_TEST_TOOL");
    return tool != NULL && *tool != '\0' && strcmp(tool, "0") != 0;
}

/* ---- what is new ---- */

static unsigned class_of_extent(const struct pln_kernel *kernel, int64_t extent)
{
    unsigned class = extent < 2 ? (unsigned)extent : 2 + (extent % VECTOR != 0);
    for (size_t i = 0; i < PLN_COUNT_OF(kernel->tile); i++) {
        const int64_t tile = kernel->tile[i];
        if (tile < TILE_LEAST) continue; /* none, or a type */
        class = class * 3 + (extent < tile ? 0 : extent % tile == 0 ? 1 : 2);
    }
    return class;
}

static bool has_other_than_numbers(const struct pln_tensor *tensor)
{
    if (!pln_dtype_is_float(tensor->dtype)) return false;
    for (int64_t i = 0; i < pln_tensor_count(tensor); i++)
        if (!isfinite(pln_load_f64(tensor->dtype, tensor->data, i))) return true;
    return false;
}

enum what { COUNT, ALIGNED, EXTENT, TILE, OTHERS };

/* Something that the row sees at a place of a case; tells whether it has seen none like it. */
static bool is_new(struct tool_seen *seen, const struct pln_kernel *kernel, enum what what, int place, uint64_t class)
{
    const uint64_t parts[] = { (uintptr_t)kernel, what, (uint64_t)place, class };
    const uint64_t feature = pln_hash64(parts, sizeof parts, 0);
    for (size_t i = 0; i < seen->n; i++)
        if (seen->features[i] == feature) return false;
    seen->features = realloc(seen->features, (seen->n + 1) * sizeof *seen->features);
    seen->features[seen->n++] = feature;
    return true;
}

/* All is looked at, so that all is known from now on. */
static bool tensor_is_new(struct tool_seen *seen, const struct pln_kernel *kernel, int place,
                          const struct pln_tensor *tensor)
{
    const int64_t count = pln_tensor_count(tensor);
    const unsigned size = (unsigned)tensor->rank * 4 + (count > 0) + (count > 1) + (count > FEW_ELEMENTS);
    const bool aligned = pln_tensor_bytes(tensor) % VECTOR_BYTES == 0; /* operands end where their memory does */
    int n_new = is_new(seen, kernel, COUNT, place, size) + is_new(seen, kernel, ALIGNED, place, aligned);
    for (int d = 0; d < tensor->rank; d++)
        n_new += is_new(seen, kernel, EXTENT, place * PLN_MAX_RANK + d, class_of_extent(kernel, tensor->dims[d]));
    return n_new > 0;
}

/* Rows and columns of what is written, together. */
static bool tile_is_new(struct tool_seen *seen, const struct pln_kernel *kernel, int place,
                        const struct pln_tensor *tensor)
{
    uint64_t class = 0;
    for (int d = PLN_MAX(tensor->rank - 2, 0); d < tensor->rank; d++)
        class = class << 32 | class_of_extent(kernel, tensor->dims[d]);
    return is_new(seen, kernel, TILE, place, class);
}

bool tool_takes(struct tool_seen *seen, const struct pln_kernel *kernel, const struct kernel_case *c,
                const struct oracle *oracle)
{
    bool others = false;
    int n_new = 0;
    for (int i = 0; i < c->n_inputs; i++) {
        if (!c->inputs[i].present) continue;
        n_new += tensor_is_new(seen, kernel, i, &oracle->items[i].tensor);
        others = others || has_other_than_numbers(&oracle->items[i].tensor);
    }
    for (int o = 0; o < c->n_outputs; o++) {
        n_new += tensor_is_new(seen, kernel, CASE_INPUTS + o, &oracle->outputs[o]->tensor);
        n_new += tile_is_new(seen, kernel, o, &oracle->outputs[o]->tensor);
    }
    return n_new + is_new(seen, kernel, OTHERS, 0, others) > 0;
}

/* ---- what has run ---- */

static void report(void)
{
    long cases = 0, launches = 0;
    int64_t threads = 0;
    for (size_t i = 0; i < ran.n_rows; i++) {
        const struct count *row = &ran.rows[i];
        printf("row %s: %ld cases, %ld launches, %lld threads\n", row->kernel->name, row->cases, row->launches,
               (long long)row->threads);
        cases += row->cases;
        launches += row->launches;
        threads += row->threads;
    }
    printf("tool: %zu rows, %ld sources, %ld cases, %ld launches, %lld threads\n", ran.n_rows, ran.sources, cases,
           launches, (long long)threads);
}

static struct count *count_of(const struct pln_kernel *kernel)
{
    if (ran.n_rows == 0) atexit(report);
    for (size_t i = 0; i < ran.n_rows; i++)
        if (ran.rows[i].kernel == kernel) return &ran.rows[i];
    assert_true(ran.n_rows < MOST_ROWS);
    ran.rows[ran.n_rows] = (struct count){ .kernel = kernel };
    return &ran.rows[ran.n_rows++];
}

void tool_count_case(const struct pln_kernel *kernel, bool new_source)
{
    count_of(kernel)->cases++;
    ran.sources += new_source;
}

void tool_count_launch(const struct pln_kernel *kernel, const struct pln_prepared *prepared)
{
    struct count *row = count_of(kernel);
    row->launches += prepared->n_tasks > 0;
    row->threads += prepared->n_tasks * prepared->block_threads;
}
