/* A peer: ONNX Runtime under Python, in a process of its own, that runs the same model on the same inputs when told to. */
#ifndef PLANISH_TOOLS_PEER_H
#define PLANISH_TOOLS_PEER_H

#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "outputs.h"

struct peer {
    pid_t pid;
    FILE *to, *from;
    char folder[64];     /* of its inputs and outputs; deleted when it is stopped */
    int n_layers;        /* files layer_K.npy in it */
    char version[40];    /* of ONNX Runtime */
    double load_ms;
    uint64_t base_bytes; /* resident before the model was loaded: Python and libraries */
};

/* Latencies in ms, growing. Zeroed is empty; free(values) when done. */
struct samples {
    double *values;
    size_t count;
};
void samples_add(struct samples *samples, double value);

/* Starts `python` with the model and the inputs; prints what went wrong and the remedy. 0 or an exit status. */
int peer_start(const struct command *command, const char *python, const char *model, const struct inputs *inputs, int threads, struct peer *out_peer);
/* Runs for `seconds`, `iterations` at least, and appends the latency of each run. 0 or an exit status. */
int peer_run(const struct command *command, struct peer *peer, double seconds, long iterations, struct samples *samples);
/* Largest resident set so far, bytes; 0: it did not tell. */
uint64_t peer_memory(const struct command *command, struct peer *peer);
/* Runs once and reads output `index` for each index; those that cannot be read (no plain tensor) are NULL. 0 or an exit status. */
int peer_outputs(const struct command *command, struct peer *peer, int count, pln_host_value **out_values);
/* Runs the model with every value made visible; needs the Python package onnx. 0 or an exit status. */
int peer_layers(const struct command *command, struct peer *peer, struct outputs *out_layers);
void peer_stop(struct peer *peer);

#endif
