/* Greedy decoding with a language model whose past keys and values are inputs and whose present ones are outputs (GPT-2 or LLaMA, exported with a cache).
 * A state store holds them: the first run takes the whole prompt, each further run one token, and nothing is copied.
 *
 *     cc decode_greedy.c -o decode_greedy $(pkg-config --cflags --libs planish)
 *     ./decode_greedy model.onnx 16 464 2068 7586     # 16 new tokens after those three; a tokenizer makes numbers of text
 */
#include <planish/planish.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CAPACITY = 1024 }; /* positions that the store has room for; memory is touched as it fills */

static void must(enum pln_status status, const pln_diagnostics *diagnostics, const char *what)
{
    struct pln_message message;
    if (status == PLN_OK) return;
    fprintf(stderr, "%s: %s\n", what, pln_status_text(status));
    for (int i = 0; diagnostics && pln_diagnostics_get(diagnostics, i, &message) == PLN_OK; i++) fprintf(stderr, "  %s\n", message.text);
    exit(1);
}

static int has_input(const pln_engine *engine, const char *name)
{
    struct pln_tensor_info info;
    for (int i = 0; pln_engine_input(engine, i, &info) == PLN_OK; i++)
        if (strcmp(info.name, name) == 0) return 1;
    return 0;
}

/* A row of n whole numbers, which must stay where they are until the run is over. */
static void bind(pln_context *context, const char *name, int64_t *data, int64_t n)
{
    const struct pln_buffer buffer = { .dtype = PLN_I64, .rank = 2, .dims = { 1, n }, .data = data, .size_bytes = (size_t)n * sizeof *data };
    must(pln_context_bind_input(context, name, &buffer), pln_context_diagnostics(context), name);
}

/* The most likely token at the last position. */
static int64_t best(pln_context *context)
{
    struct pln_buffer logits;
    must(pln_context_output(context, "logits", &logits), pln_context_diagnostics(context), "logits");
    if (logits.dtype != PLN_F32 || logits.rank != 3) must(PLN_UNSUPPORTED, NULL, "logits must be f32[batch,positions,vocabulary]");
    const float *row = (const float *)logits.data + (logits.dims[1] - 1) * logits.dims[2];
    int64_t token = 0;
    for (int64_t k = 1; k < logits.dims[2]; k++)
        if (row[k] > row[token]) token = k;
    return token;
}

/* Runs the model on `n` new tokens behind `held` that the store has already; returns the next one. */
static int64_t step(const pln_engine *engine, pln_context *context, int64_t *tokens, int64_t n, int64_t held)
{
    static int64_t mask[CAPACITY], positions[CAPACITY];
    for (int64_t i = 0; i < held + n; i++) mask[i] = 1; /* of all positions, old and new */
    for (int64_t i = 0; i < n; i++) positions[i] = held + i;
    bind(context, "input_ids", tokens, n);
    if (has_input(engine, "attention_mask")) bind(context, "attention_mask", mask, held + n);
    if (has_input(engine, "position_ids")) bind(context, "position_ids", positions, n);
    must(pln_context_run(context), pln_context_diagnostics(context), "run");
    return best(context);
}

int main(int argc, char **argv)
{
    int64_t prompt[CAPACITY];
    int n = argc - 3, count = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 0;
    if (n < 1 || count < 1 || n + count > CAPACITY) return fprintf(stderr, "usage: decode_greedy MODEL COUNT TOKEN… (at most %d in all)\n", CAPACITY), 2;
    for (int i = 0; i < n; i++) prompt[i] = strtoll(argv[i + 3], NULL, 10);

    pln_diagnostics *diagnostics = pln_diagnostics_create();
    pln_engine *engine;
    pln_context *context;
    pln_state_store *store;
    const struct pln_build_options build = { .struct_size = sizeof build, .diagnostics = diagnostics };
    const struct pln_state_options states = { .struct_size = sizeof states, .capacity = CAPACITY };
    must(pln_build_file(argv[1], &build, &engine), diagnostics, argv[1]);
    must(pln_state_store_create(engine, &states, diagnostics, &store), diagnostics, "state store");
    must(pln_context_create(engine, NULL, &context), NULL, "context");
    must(pln_context_bind_states(context, store), pln_context_diagnostics(context), "states");

    int64_t token = step(engine, context, prompt, n, 0);
    printf("%lld", (long long)token);
    for (int i = 1; i < count; i++) {
        int64_t last = token;
        token = step(engine, context, &last, 1, pln_state_store_length(store));
        printf(" %lld", (long long)token);
    }
    printf("\n");

    pln_context_destroy(context);
    pln_state_store_destroy(store);
    pln_engine_release(engine);
    pln_diagnostics_destroy(diagnostics);
    return 0;
}
