/* RNN, GRU and LSTM in f32.
 *
 * The products of the inputs are made for many steps at once; then each step multiplies the state of the one before by the recurrence weights and
 * applies the gates. Appleyard, Kočiský, Blunsom, "Optimizing Performance of Recurrent Neural Networks on GPUs" (arXiv:1604.01946), sections 3.1 and 3.2.
 *
 * A direction is a job, work in phases: everything of a phase may be computed at the same time, the next phase needs all of it. The phases of a job are
 * its beginning (states, biases, weights that come plain are packed), then, for each chunk of steps, the products of their inputs and each of its steps (a
 * GRU that multiplies the state by its reset gate first: two a step), then the last states. A phase is cut into slices, which a
 * team of threads claims (team.h). How phases are cut depends on extents alone.
 *
 * tile: lanes. inputs: X, W, R (both packed or plain), B, sequence_lens, initial_h, and of LSTM initial_c, P; outputs: Y, Y_h, Y_c. micro: a pln_rnn_isa_… */
#ifndef PLN_CPU_RNN_H
#define PLN_CPU_RNN_H

#include "backend/cpu/kernels/gemm/block.h"
#include "backend/cpu/kernels/rnn/team.h"
#include "kernel/rnn.h"

extern const struct pln_kernel_family pln_cpu_rnn;

/* ---- the computation that is compiled once an ISA ---- */

/* What the gates of a direction do. */
struct pln_rnn_gates {
    struct pln_rnn_activation activations[PLN_RNN_FUNCTIONS_MAX];
    bool usual; /* the default activations, no clip */
    bool has_clip, input_forget, linear_before_reset;
    float clip; /* >= 0 */
};

/* n hidden units of one sequence at one step. All arrays may be read to the end of the last vector, and those that are written written to there. */
struct pln_rnn_units {
    const struct pln_rnn_gates *gates;
    int64_t n;
    const float *x[PLN_RNN_GATES_MAX], *r[PLN_RNN_GATES_MAX]; /* of each gate: products of the input, of the state */
    const float *bias; /* of the gates, bias_gate apart; with linear_before_reset one more follows, which joins the state's product of the last */
    int64_t bias_gate;
    const float *peephole; /* LSTM, of gates i, o, f, bias_gate apart; NULL: none */
    const float *h;        /* state before the step */
    float *h_next;
    float *c;           /* LSTM */
    float *z, *reset_h; /* GRU that resets first: the update gate; the state times the reset gate */
};

struct pln_rnn_isa {
    const struct pln_gemm_isa *(*gemm)(void);
    /* c[rows][16 n_panels] = a[rows][k] times panels (PLN_GEMM_PANEL), k > 0. */
    void (*multiply)(int64_t rows, const float *a, int64_t a_row, int64_t k, const float *panels, int64_t n_panels, float *c, int64_t c_row);
    void (*lstm)(const struct pln_rnn_units *units);
    void (*gru)(const struct pln_rnn_units *units); /* linear_before_reset */
    void (*gru_reset)(const struct pln_rnn_units *units); /* the other GRU: gates z and r, */
    void (*gru_update)(const struct pln_rnn_units *units); /* then h */
    void (*rnn)(const struct pln_rnn_units *units);
};
typedef const struct pln_rnn_isa *(*pln_rnn_isa_fn)(void);
/* Of each ISA: the rows' inner function gives it. */
const struct pln_rnn_isa *pln_rnn_isa_portable(void);
const struct pln_rnn_isa *pln_rnn_isa_avx2(void);
const struct pln_rnn_isa *pln_rnn_isa_avx512(void);

/* ---- a launch ---- */

/* An operand that may be left out (data NULL). Strides in elements: of the dims direction, batch, step, unit that it has, and 0. */
struct pln_rnn_operand {
    char *data;
    int64_t direction, batch, step, unit;
};

/* W or R: as panels that begin direction_floats apart, or plain. */
struct pln_rnn_weights {
    struct pln_rnn_operand plain;
    int64_t row; /* stride */
    const float *panels; /* NULL: they are packed into shared memory */
    int64_t k, direction_floats, packed_at;
};

/* Where the arrays of a job lie in the memory that threads share, in floats from the job's first. */
struct pln_rnn_places {
    int64_t x; /* [chunk_steps][batch][columns], in the order of steps or, where x_row is not 0, of time */
    int64_t h; /* [2][batch][row]: of even steps, of odd steps */
    int64_t c, z, reset_h; /* [batch][row] */
    int64_t bias, peephole; /* [gates + 1][row], [3][row] */
};

struct pln_rnn_state {
    const struct pln_rnn_isa *isa;
    const struct pln_gemm_isa *gemm;
    unsigned kind;
    int n_gates, directions;
    bool reverse_first, lengths_wide; /* i64 */
    int64_t seq, batch, in, hidden, columns; /* columns: of all gates */
    struct pln_rnn_gates gates[2];
    struct pln_rnn_operand x, bias, lengths, initial_h, initial_c, peephole, y, last_h, last_c;
    struct pln_rnn_weights w, r;
    int64_t row; /* floats of a state's row: whole vectors */
    struct pln_rnn_places at;
    int64_t jobs_at, job_floats; /* of the jobs' arrays in the memory that threads share, in floats */
    /* How it is cut. */
    int64_t chunk_steps, product_cols, unit_block, row_block;
    int n_products, n_unit_blocks, n_row_blocks, phases_a_step;
    uint32_t n_phases;
    int widest; /* slices of the widest phase but the first */
    int64_t x_row;     /* stride of the rows of a chunk's inputs, in the order of time; 0: they are no matrix as they lie, and are copied */
    int64_t a_scratch; /* floats */
};

/* Fills all but how it is cut. */
enum pln_status pln_rnn_read(const struct pln_kernel *kernel, const struct pln_launch *launch, struct pln_diag *diag, struct pln_rnn_state *state);

/* What all threads of a launch share, in front of the arrays of the jobs. */
struct pln_rnn_shared {
    uint64_t fault; /* of the launch */
    uint64_t arrivals;
    struct pln_team teams[2];
};

/* One job, as a thread works on it. */
struct pln_rnn_job {
    const struct pln_rnn_state *s;
    int direction;
    float *arrays; /* of the job */
    float *packed; /* of the launch */
    float *scratch;
};

/* Steps of a sequence; not checked. */
int64_t pln_rnn_length(const struct pln_rnn_state *s, int64_t sequence);
/* Slices of a phase; computes one. */
int pln_rnn_slices(const struct pln_rnn_state *s, uint32_t phase);
void pln_rnn_run_slice(const struct pln_rnn_job *job, uint32_t phase, int slice);

/* Rows of inputs that are multiplied together, of a chunk if there are so many; of a state. */
#define PLN_RNN_INPUT_ROWS 128
#define PLN_RNN_ROWS       48
/* Floats of the products of a state, of one row. */
int64_t pln_rnn_product_floats(const struct pln_rnn_state *s);

#endif
