/* Says when somebody speaks, in a stream of sound: a model with a memory, run block by block; the memory lies in two places that change roles after each run, so
 * nothing is copied. For Silero's voice activity models and others like them: sound [1,64 + 512], states NAME that come out as NAMEN or NAMEn, the sample rate.
 *     cc speech.c -o speech $(pkg-config --cflags --libs planish)
 *     ./speech silero_vad.onnx talk.wav       # 16,000 samples a second, 16 bits, one channel
 */
#include <planish/planish.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RATE = 16000, BLOCK = 512, CONTEXT = 64, MOST_STATES = 8, OPEN_END = INT_MAX }; /* samples; a run sees the last CONTEXT ones of the block before, too */

static void must(enum pln_status status, const pln_diagnostics *diagnostics, const char *what)
{
    struct pln_message message;
    if (status == PLN_OK) return;
    fprintf(stderr, "speech: %s: %s\n", what, pln_status_text(status));
    for (int i = 0; diagnostics && pln_diagnostics_get(diagnostics, i, &message) == PLN_OK; i++) fprintf(stderr, "  %s\n", message.text);
    exit(1);
}

struct state {
    char in[64], out[64];
    struct pln_buffer buffer[2]; /* what the next run reads, what it writes */
};

struct stream {
    pln_engine *engine;
    pln_context *context;
    struct state states[MOST_STATES];
    int n_states;
    char sound_name[64], speech_name[64];
    float sound[CONTEXT + BLOCK];
    int64_t rate;
};

/* The output that is what `name` becomes; 0: there is none. */
static int find_output(const pln_engine *engine, const char *name, char out_name[64])
{
    struct pln_tensor_info info;
    const size_t n = strlen(name);
    for (int i = 0; pln_engine_output(engine, i, &info) == PLN_OK; i++) {
        if (strncmp(info.name, name, n) != 0 || (strcmp(info.name + n, "N") != 0 && strcmp(info.name + n, "n") != 0)) continue;
        snprintf(out_name, 64, "%s", info.name);
        return 1;
    }
    return 0;
}

/* Silence before the first sample: a state begins as zeros. */
static void add_state(struct stream *stream, const struct pln_tensor_info *info)
{
    must(stream->n_states < MOST_STATES ? PLN_OK : PLN_UNSUPPORTED, NULL, "more states than this example holds");
    struct state *state = &stream->states[stream->n_states++];
    struct pln_buffer buffer = { .dtype = PLN_F32, .rank = info->rank, .size_bytes = sizeof(float) };
    snprintf(state->in, sizeof state->in, "%s", info->name);
    for (int d = 0; d < info->rank; d++) {
        buffer.dims[d] = info->dims[d] < 0 ? 1 : info->dims[d]; /* what is open is the batch */
        buffer.size_bytes *= (size_t)buffer.dims[d];
    }
    for (int k = 0; k < 2; k++) {
        state->buffer[k] = buffer;
        state->buffer[k].data = calloc(1, buffer.size_bytes);
        must(state->buffer[k].data ? PLN_OK : PLN_NO_MEMORY, NULL, info->name);
    }
}

static void open_stream(struct stream *stream, const char *path)
{
    struct pln_tensor_info info;
    char out[64];
    pln_diagnostics *diagnostics = pln_diagnostics_create();
    const struct pln_build_options options = { .struct_size = sizeof options, .diagnostics = diagnostics };
    *stream = (struct stream){ .rate = RATE };
    must(pln_build_file(path, &options, &stream->engine), diagnostics, path);
    must(pln_context_create(stream->engine, NULL, &stream->context), NULL, "context");
    for (int i = 0; pln_engine_input(stream->engine, i, &info) == PLN_OK; i++) {
        const struct pln_buffer sound = { .dtype = PLN_F32, .rank = 2, .dims = { 1, CONTEXT + BLOCK }, .data = stream->sound, .size_bytes = sizeof stream->sound };
        const struct pln_buffer rate = { .dtype = PLN_I64, .data = &stream->rate, .size_bytes = sizeof stream->rate };
        if (find_output(stream->engine, info.name, out)) {
            add_state(stream, &info);
            memcpy(stream->states[stream->n_states - 1].out, out, sizeof out);
        } else must(pln_context_bind_input(stream->context, info.name, info.dtype == PLN_I64 ? &rate : &sound), pln_context_diagnostics(stream->context), info.name);
    }
    must(pln_engine_output(stream->engine, 0, &info), NULL, "output");
    snprintf(stream->speech_name, sizeof stream->speech_name, "%s", info.name);
    pln_diagnostics_destroy(diagnostics);
}

/* The probability that there is speech in the block just filled in. */
static float run_block(struct stream *stream)
{
    const pln_diagnostics *why = pln_context_diagnostics(stream->context);
    struct pln_buffer speech;
    for (int i = 0; i < stream->n_states; i++) {
        struct state *state = &stream->states[i];
        must(pln_context_bind_input(stream->context, state->in, &state->buffer[0]), why, state->in);
        must(pln_context_bind_output(stream->context, state->out, &state->buffer[1]), why, state->out);
        const struct pln_buffer written = state->buffer[1]; /* the next run reads it */
        state->buffer[1] = state->buffer[0];
        state->buffer[0] = written;
    }
    must(pln_context_run(stream->context), pln_context_diagnostics(stream->context), "run");
    must(pln_context_output(stream->context, stream->speech_name, &speech), pln_context_diagnostics(stream->context), stream->speech_name);
    must(speech.dtype == PLN_F32 && speech.size_bytes >= sizeof(float) ? PLN_OK : PLN_UNSUPPORTED, NULL, stream->speech_name);
    memmove(stream->sound, stream->sound + BLOCK, CONTEXT * sizeof(float));
    return *(const float *)speech.data;
}

/* Stands at the first sample of a WAV file (RIFF, 1991), and gives the bytes of all; -1: it is not of the kind wanted. */
static long skip_header(FILE *file)
{
    unsigned char head[36];
    if (fread(head, 1, 12, file) != 12 || memcmp(head, "RIFF", 4) != 0 || memcmp(head + 8, "WAVE", 4) != 0) return -1;
    for (int wanted = 0; fread(head, 1, 8, file) == 8;) {
        const long n = (long)head[4] | (long)head[5] << 8 | (long)head[6] << 16 | (long)head[7] << 24;
        if (memcmp(head, "data", 4) == 0) return !wanted ? -1 : n == 0xffffffff ? OPEN_END : n; /* who writes to a pipe does not know the end */
        const int format = memcmp(head, "fmt ", 4) == 0 && n >= 16;
        if (format && fread(head, 1, 16, file) != 16) return -1;
        if (format) wanted = head[0] == 1 && head[2] == 1 && (head[4] | head[5] << 8) == RATE && head[14] == 16; /* PCM, channels, rate, bits */
        if (n < 0 || fseek(file, n - (format ? 16 : 0) + (n & 1), SEEK_CUR) != 0) return -1;
    }
    return -1;
}

int main(int argc, char **argv)
{
    static struct stream stream;
    unsigned char bytes[2 * BLOCK];
    FILE *file = argc == 3 ? fopen(argv[2], "rb") : NULL;
    double begin = -1, now = 0;
    if (argc != 3) return fprintf(stderr, "usage: speech MODEL.onnx SOUND.wav\n"), 2;
    long left = file ? skip_header(file) : -1;
    must(left >= 0 ? PLN_OK : PLN_IO, NULL, "no WAV file of 16,000 samples a second, 16 bits, one channel");
    open_stream(&stream, argv[1]);
    for (size_t n; (n = fread(bytes, 2, left < 2 * BLOCK ? (size_t)left / 2 : BLOCK, file)) > 0; now += (double)BLOCK / RATE, left -= left == OPEN_END ? 0 : 2 * (long)n) {
        for (size_t i = 0; i < BLOCK; i++) stream.sound[CONTEXT + i] = i < n ? (float)(int16_t)(bytes[2 * i] | bytes[2 * i + 1] << 8) / 32768 : 0;
        const float speech = run_block(&stream);
        if (begin < 0 && speech > .5f) begin = now;
        if (begin >= 0 && speech < .35f) printf("%.2f s to %.2f s\n", begin, now), fflush(stdout), begin = -1;
    }
    if (begin >= 0) printf("%.2f s to %.2f s\n", begin, now);
    must(left < 2 || left == OPEN_END ? PLN_OK : PLN_IO, NULL, "the sound file is cut short: it ends before the samples that its head announces");
    for (int i = 0; i < stream.n_states; i++) free(stream.states[i].buffer[0].data), free(stream.states[i].buffer[1].data);
    fclose(file), pln_context_destroy(stream.context), pln_engine_release(stream.engine);
    return 0;
}
