/* Ends sums in registers (finish.h), for inclusion by files of one ISA. Row i holds vector x<i> and, where vectors is 2 or 3, y<i>
 * and z<i> beside it; EACH_ROW(X) calls X(i, …) for each row there may be; rows and vectors are constants; n: columns of the last
 * vector. */
#include <math.h>

#include "backend/cpu/kernels/vec/finish.h"
#include "backend/cpu/kernels/vec/vec_f32.h"

static inline vf finish_load(const float *from, int64_t n)
{
    return n == VF_LANES ? vf_load(from) : vf_load_n(from, n);
}

static inline void finish_store(float *to, vf value, int64_t n)
{
    if (n == VF_LANES) vf_store(to, value);
    else vf_store_n(to, value, n);
}

#define FINISH_ADD(i, ...)                                                                                \
    if (rows > i) {                                                                                       \
        x##i = x##i + finish_load(from + i * row, vectors > 1 ? VF_LANES : n);                            \
        if (vectors > 1) y##i = y##i + finish_load(from + i * row + VF_LANES, vectors > 2 ? VF_LANES : n); \
        if (vectors > 2) z##i = z##i + finish_load(from + i * row + 2 * VF_LANES, n);                     \
    }
#define FINISH_ADD_SPLAT(i, ...)      \
    if (rows > i) {                   \
        vf a = vf_set(from[i * row]); \
        x##i = x##i + a;              \
        y##i = y##i + a;              \
        z##i = z##i + a;              \
    }
#define FINISH_ADD_SAME(i, ...)  \
    if (rows > i) {              \
        x##i = x##i + same;      \
        y##i = y##i + same_second; \
        z##i = z##i + same_third; \
    }
/* The second operand is what comparisons with NaN give. */
#define FINISH_RAISE(i, ...)        \
    if (rows > i) {                 \
        x##i = vf_max(bound, x##i); \
        y##i = vf_max(bound, y##i); \
        z##i = vf_max(bound, z##i); \
    }
#define FINISH_LOWER(i, ...)        \
    if (rows > i) {                 \
        x##i = vf_min(bound, x##i); \
        y##i = vf_min(bound, y##i); \
        z##i = vf_min(bound, z##i); \
    }
#define FINISH_STORE(i, ...)                                                              \
    if (rows > i) {                                                                       \
        finish_store(to, x##i, vectors > 1 ? VF_LANES : n);                               \
        if (vectors > 1) finish_store(to + VF_LANES, y##i, vectors > 2 ? VF_LANES : n);   \
        if (vectors > 2) finish_store(to + 2 * VF_LANES, z##i, n);                        \
        to += to_row;                                                                     \
    }

/* memory: floats that are there, rows memory_row apart, are added. */
#define FINISH_ADD_ROWS(memory, memory_row) \
    do {                                    \
        const float *from = memory;         \
        const int64_t row = memory_row;     \
        EACH_ROW(FINISH_ADD)                \
    } while (0)

/* finish: struct pln_vec_finish; places: where its operands lie for row and column 0. */
#define FINISH_ROWS(finish, places)                                                  \
    do {                                                                             \
        for (int o = 0; o < (finish).n_added; o++) {                                 \
            const float *from = (places)[o];                                         \
            const int64_t row = (finish).added[o].row;                               \
            if ((finish).added[o].col == 0) {                                        \
                EACH_ROW(FINISH_ADD_SPLAT)                                           \
            } else if (row == 0) {                                                   \
                vf same = finish_load(from, vectors > 1 ? VF_LANES : n);             \
                vf same_second = vectors > 1 ? finish_load(from + VF_LANES, vectors > 2 ? VF_LANES : n) : same; \
                vf same_third = vectors > 2 ? finish_load(from + 2 * VF_LANES, n) : same; \
                EACH_ROW(FINISH_ADD_SAME)                                            \
            } else {                                                                 \
                EACH_ROW(FINISH_ADD)                                                 \
            }                                                                        \
        }                                                                            \
        if ((finish).bounded && (finish).low > -INFINITY) {                          \
            vf bound = vf_set((finish).low);                                         \
            EACH_ROW(FINISH_RAISE)                                                   \
        }                                                                            \
        if ((finish).bounded && (finish).high < INFINITY) {                          \
            vf bound = vf_set((finish).high);                                        \
            EACH_ROW(FINISH_LOWER)                                                   \
        }                                                                            \
    } while (0)

#define STORE_ROWS(finish, memory, memory_row)                                                                        \
    do {                                                                                                              \
        float *to = memory;                                                                                           \
        const int64_t to_row = memory_row;                                                                            \
        EACH_ROW(FINISH_STORE)                                                                                        \
        if ((finish).activate != NULL) {                                                                              \
            (finish).activate(&(struct pln_vec_rows){ .c = memory, .c_row = to_row, .rows = rows,                         \
                                                      .cols = (vectors - 1) * VF_LANES + n, .alpha = (finish).alpha,       \
                                                      .beta = (finish).beta });                                       \
        }                                                                                                             \
    } while (0)
