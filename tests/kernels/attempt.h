/* What the parts of the harness share: harness.c, which runs the rows of the CPU, device.c, which runs those of a GPU,
 * and tool.c, which chooses cases for slow tools. */
#ifndef PLN_TESTS_KERNELS_ATTEMPT_H
#define PLN_TESTS_KERNELS_ATTEMPT_H

#include "backend/backend.h"
#include "tensor/compare.h"
#include "tests/kernels/harness.h"

#define CASE_OUTPUTS 4
#define CANARY       0xab

/* Inputs with values, and what the reference kernel makes of them; all dense. */
struct oracle {
    struct pln_heap heap;
    struct pln_arena arena;
    struct pln_item items[CASE_INPUTS];
    const struct pln_item *list[CASE_INPUTS];
    struct pln_item *outputs[CASE_OUTPUTS];
    struct pln_item joined; /* output 0 of a case with pages */
};
/* Sets the attributes that hold the case's programs, fills inputs, runs the reference. */
void oracle_init(struct oracle *oracle, struct kernel_case *c);
void oracle_deinit(struct oracle *oracle);
/* Calls the reference kernel, which must go well. */
void oracle_call(struct oracle *oracle, struct kernel_case *c, const struct pln_item *const *inputs, int n_inputs,
                 struct pln_item **outputs);
/* paged.c: the same of a case with pages, row by row, with the keys and values that each row has. */
void oracle_call_paged(struct oracle *oracle, struct kernel_case *c);

/* The case as the build side sees it. */
struct case_problem {
    struct pln_operand inputs[CASE_INPUTS], outputs[CASE_OUTPUTS];
    struct pln_problem problem;
};
void case_problem_init(struct case_problem *out, const struct kernel_case *c, const struct oracle *oracle,
                       uint64_t features);
/* The row takes it. */
bool case_supported(const struct pln_kernel *kernel, const struct kernel_case *c, const struct oracle *oracle,
                    uint64_t features);

enum layout { LAYOUT_PLAIN, LAYOUT_STRIDED, LAYOUT_ROW_STRIDED, LAYOUT_CHANNELS_LAST, LAYOUT_WIDE_PIXELS };
/* Elements that the layout spans; fills strides. */
int64_t case_lay_out(struct pln_tensor *tensor, enum layout layout);
/* One byte for each of memory, which spans span_bytes: 1 where an element lies. To be freed. */
char *case_mark_elements(const struct pln_tensor *tensor, size_t span_bytes);

struct attempt {
    const struct pln_kernel *kernel;
    struct kernel_case *c;
    const struct oracle *oracle;
    enum layout in, out;
    bool packed;
    char name[160]; /* for messages */
};
enum layout attempt_input_layout(const struct attempt *attempt, int i);
enum layout attempt_output_layout(const struct attempt *attempt, int o);
/* Calls run for every combination of strides and packing that the row takes. */
void attempt_each(const struct pln_kernel *kernel, struct kernel_case *c, const struct oracle *oracle,
                  uint64_t features, void (*run)(const struct attempt *attempt));
/* got, of any strides, is what the reference says. Returns its elements, dense, to be freed. */
void *attempt_compare(const struct attempt *attempt, int o, const struct pln_tensor *got);

/* ---- device.c ---- */

/* Rows of a GPU are what is tested: PLANISH_TEST_DEVICE says which. */
bool device_wanted(void);
void device_case_run(struct kernel_case *c);
int device_rows_untested(unsigned op);

/* ---- tool.c ---- */

bool tool_wanted(void); /* PLANISH_TEST_TOOL */
/* Of one source: what its rows have met in the cases that ran; zero at first, features are to be freed. */
struct tool_seen {
    uint64_t *features;
    size_t n;
};
/* There is something new for the row in the case; it has met it from now on. */
bool tool_takes(struct tool_seen *seen, const struct pln_kernel *kernel, const struct kernel_case *c,
                const struct oracle *oracle);
void tool_count_case(const struct pln_kernel *kernel, bool new_source);
void tool_count_launch(const struct pln_kernel *kernel, const struct pln_prepared *prepared);

#endif
