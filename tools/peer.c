#include "peer.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "peer_program.h"

void samples_add(struct samples *samples, double value)
{
    if ((samples->count & (samples->count - 1)) == 0) { /* room is a power of two */
        double *grown = realloc(samples->values, (samples->count ? samples->count * 2 : 1) * sizeof *grown);
        if (!grown) return;
        samples->values = grown;
    }
    samples->values[samples->count++] = value;
}

/* Starts python with the program; its stdin and stdout become to and from. errno tells why not. */
static bool spawn(const char *python, const char *model, const char *folder, int threads, struct peer *peer)
{
    int down[2], up[2];
    char number[16];
    snprintf(number, sizeof number, "%d", threads);
    if (pipe(down) != 0) return false;
    if (pipe(up) != 0) {
        close(down[0]), close(down[1]);
        return false;
    }
    fflush(NULL);
    peer->pid = fork();
    if (peer->pid == 0) {
        dup2(down[0], 0);
        dup2(up[1], 1);
        close(down[0]), close(down[1]), close(up[0]), close(up[1]);
        execlp(python, python, "-c", peer_program, model, folder, number, (char *)NULL);
        printf("error %s cannot be started: %s; give a Python that has onnxruntime with --python PATH\n", python, strerror(errno));
        fflush(stdout);
        _exit(127);
    }
    close(down[0]), close(up[1]);
    peer->to = fdopen(down[1], "w");
    peer->from = fdopen(up[0], "r");
    return peer->pid > 0 && peer->to && peer->from;
}

/* Reads the answer, a line that begins with `word`; what follows it, or NULL after a message. The caller frees *line. */
static const char *answer(const struct command *command, struct peer *peer, const char *word, char **line)
{
    size_t room = 0, n = strlen(word);
    *line = NULL;
    ssize_t size = getline(line, &room, peer->from);
    if (size > 0 && (*line)[size - 1] == '\n') (*line)[size - 1] = '\0';
    if (size > 0 && strncmp(*line, word, n) == 0) return *line + n;
    if (size > 0 && strncmp(*line, "error ", 6) == 0) command_fail(command, 1, "ONNX Runtime: %s", *line + 6);
    else command_fail(command, 1, "ONNX Runtime's process ended without an answer");
    return NULL;
}

int peer_start(const struct command *command, const char *python, const char *model, const struct inputs *inputs, int threads, struct peer *out_peer)
{
    *out_peer = (struct peer){ 0 };
    const char *parent = getenv("TMPDIR");
    char path[64] = "/tmp/planish-peer-XXXXXX";
    if (parent && strlen(parent) < 40) snprintf(path, sizeof path, "%s/planish-peer-XXXXXX", parent);
    if (!mkdtemp(path)) return command_fail(command, 1, "%s: %s", path, strerror(errno));
    memcpy(out_peer->folder, path, sizeof path);
    signal(SIGPIPE, SIG_IGN);
    int status = inputs_save(command, inputs, out_peer->folder);
    if (status) return status;
    if (!spawn(python, model, out_peer->folder, threads, out_peer)) return command_fail(command, 1, "%s: %s", python, strerror(errno));
    char *line;
    const char *rest = answer(command, out_peer, "ready ", &line);
    unsigned long long base = 0;
    if (!rest || sscanf(rest, "%lf %llu %39s", &out_peer->load_ms, &base, out_peer->version) != 3) status = 1;
    out_peer->base_bytes = base;
    free(line);
    return status;
}

int peer_run(const struct command *command, struct peer *peer, double seconds, long iterations, struct samples *samples)
{
    fprintf(peer->to, "run %.6f %ld\n", seconds, iterations);
    fflush(peer->to);
    char *line, *end;
    const char *rest = answer(command, peer, "times ", &line);
    for (const char *at = rest; at; at = end) {
        double value = strtod(at, &end);
        if (end == at) break;
        samples_add(samples, value);
    }
    free(line);
    return rest ? 0 : 1;
}

uint64_t peer_memory(const struct command *command, struct peer *peer)
{
    fputs("memory\n", peer->to);
    fflush(peer->to);
    char *line;
    const char *rest = answer(command, peer, "memory ", &line);
    uint64_t bytes = rest ? strtoull(rest, NULL, 10) : 0;
    free(line);
    return bytes;
}

int peer_outputs(const struct command *command, struct peer *peer, int count, pln_host_value **out_values)
{
    fputs("save\n", peer->to);
    fflush(peer->to);
    char *line, path[96];
    const char *rest = answer(command, peer, "saved", &line);
    for (int i = 0; i < count; i++) {
        out_values[i] = NULL;
        snprintf(path, sizeof path, "%s/output_%d.npy", peer->folder, i);
        if (rest && pln_host_value_read_npy(path, NULL, &out_values[i]) != PLN_OK) out_values[i] = NULL;
    }
    free(line);
    return rest ? 0 : 1;
}

int peer_layers(const struct command *command, struct peer *peer, struct outputs *out_layers)
{
    char *line, path[96], name[4096];
    int status = 0;
    fputs("layers\n", peer->to);
    fflush(peer->to);
    const char *rest = answer(command, peer, "layers", &line);
    free(line);
    if (!rest) return 1;
    snprintf(path, sizeof path, "%s/layers.txt", peer->folder);
    FILE *names = fopen(path, "r");
    if (!names) return command_fail(command, 1, "%s: %s", path, strerror(errno));
    for (; status == 0 && fgets(name, sizeof name, names); peer->n_layers++) {
        pln_host_value *value;
        name[strcspn(name, "\n")] = '\0';
        snprintf(path, sizeof path, "%s/layer_%d.npy", peer->folder, peer->n_layers);
        if (pln_host_value_read_npy(path, NULL, &value) != PLN_OK) continue; /* a type that .npy files do not tell apart */
        if (!outputs_add(out_layers, name, value)) status = command_fail(command, 1, "out of memory for the values of all layers; try a smaller input");
    }
    fclose(names);
    return status;
}

void peer_stop(struct peer *peer)
{
    char path[96];
    for (int i = 0; i < peer->n_layers; i++) {
        snprintf(path, sizeof path, "%s/layer_%d.npy", peer->folder, i);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/layers.txt", peer->folder);
    if (peer->n_layers) unlink(path);
    if (peer->to) fclose(peer->to);
    if (peer->from) fclose(peer->from);
    if (peer->pid > 0) waitpid(peer->pid, NULL, 0);
    for (int i = 0; peer->folder[0] && i < 4096; i++) {
        int gone = 0;
        for (int out = 0; out < 2; out++) {
            snprintf(path, sizeof path, "%s/%s_%d.npy", peer->folder, out ? "output" : "input", i);
            gone += unlink(path) != 0;
        }
        if (gone == 2 && i > 64) break;
    }
    if (peer->folder[0]) rmdir(peer->folder);
    *peer = (struct peer){ 0 };
}
