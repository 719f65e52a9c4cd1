/* The walk over broadcast shapes that the plain kernels share: every element of every input, for many shapes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "backend/ref/rows.h"

/* Element of a tensor at a place of the result, by the definition of broadcasting. */
static int64_t element_at(const struct pln_tensor *tensor, int rank, const int64_t *index)
{
    int64_t at = 0;
    for (int d = 0; d < tensor->rank; d++) {
        int64_t i = tensor->dims[d] == 1 ? 0 : index[d + rank - tensor->rank];
        at = at * tensor->dims[d] + i;
    }
    return at;
}

static void check_walk(const struct pln_tensor *a, const struct pln_tensor *b)
{
    const struct pln_tensor *inputs[2] = { a, b };
    struct pln_ref_broadcast walk;
    assert_true(pln_ref_broadcast_init(&walk, 2, inputs));
    int64_t index[PLN_MAX_RANK] = { 0 };
    for (int64_t r = 0; r < walk.n_rows; r++) {
        for (int64_t i = 0; i < walk.row; i++) {
            for (int k = 0; k < 2; k++) assert_int_equal(walk.offset[k] + i * walk.step[k], element_at(inputs[k], walk.rank, index));
            for (int d = walk.rank - 1; d >= 0 && ++index[d] == walk.dims[d]; d--) index[d] = 0;
        }
        pln_ref_broadcast_next(&walk);
    }
}

/* All pairs of shapes of rank 3 and 4 with extents that are 1 or the result's, where the result has ones, too. */
static void every_pattern(void **state)
{
    (void)state;
    static const int64_t results[][4] = { { 2, 3, 4, 2 }, { 2, 1, 3, 2 }, { 1, 3, 1, 2 }, { 3, 1, 1, 2 }, { 2, 3, 2, 1 } };
    for (size_t r = 0; r < PLN_COUNT_OF(results); r++) {
        for (unsigned mask = 0; mask < 256; mask++) {
            int64_t dims[2][4];
            for (int d = 0; d < 4; d++) {
                dims[0][d] = mask >> d & 1 ? results[r][d] : 1;
                dims[1][d] = mask >> (4 + d) & 1 ? results[r][d] : 1;
            }
            struct pln_tensor a, b;
            pln_tensor_init(&a, PLN_F32, 4, dims[0], NULL);
            pln_tensor_init(&b, PLN_F32, 3, dims[1] + 1, NULL);
            check_walk(&a, &b);
            check_walk(&b, &a);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_pattern) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
