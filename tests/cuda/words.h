/* A caller's side of runs on a GPU (real or fake): streams, captures, device memory, and models that read words, held against the CPU. All of it fails the
 * test that uses it. */
#ifndef PLN_TESTS_CUDA_WORDS_H
#define PLN_TESTS_CUDA_WORDS_H

#include "backend/cuda/driver.h"
#include "planish/builder.h"
#include "planish/context.h"

enum { MOST_BATCH = 3, MOST_LENGTH = 20, MOST_IDS = MOST_BATCH * MOST_LENGTH, MOST_OUT = MOST_IDS * 200, DEVICE_BYTES = MOST_OUT * 4 };

extern const char *models; /* the folder of bert.ts and others */

/* The first GPU, whose context is current between open and close. */
struct gpu {
    const struct pln_cuda_driver *driver;
    void *context, *streams[2];
    int (*begin_capture)(void *stream, int mode);
    int (*end_capture)(void *stream, void **out_graph);
};
extern struct gpu gpu;
int open_gpu(void **state); /* a setup of cmocka's */
int close_gpu(void **state);

/* ---- models ---- */

/* seed: of a placement of steps at random, some on the host; 0: all where they belong. */
pln_engine *build_placed(const char *name, const char *device, uint64_t seed);
pln_engine *build(const char *name, const char *device);
pln_context *context_of(pln_engine *engine);
void must(pln_context *context, enum pln_status status);
/* The call gave `want`, and a message with the text in it. */
void says(pln_context *context, enum pln_status status, enum pln_status want, const char *text);
struct pln_context_stats stats_of(const pln_context *context);

/* Words of a batch, and what the CPU makes of them. */
struct words {
    int64_t batch, length, ids[MOST_IDS], mask[MOST_IDS];
    size_t n, n_out; /* of ids, of want */
    float want[MOST_OUT], got[MOST_OUT];
};
void fill_words(struct words *words, int64_t batch, int64_t length, unsigned seed);
void bind_host(pln_context *context, const struct words *words);
/* Sets want. */
void ask_cpu(pln_context *cpu, struct words *words);
void check_words(const struct words *words);

/* Device memory of one context's inputs and output. */
struct place {
    uint64_t ids, mask, out;
};
struct place place_of(void);
void free_place(const struct place *place);
void bind_place(pln_context *context, const struct words *words, const struct place *place);
/* Enqueue copies. */
void send_words(const struct words *words, const struct place *place, void *stream);
void fetch_words(struct words *words, const struct place *place, void *stream);
enum pln_status enqueue_on(pln_context *context, void *stream);

#endif
