/* A server's heart: worker threads that share one engine, each with a context of its own, take requests from a queue. An engine never changes, so nothing needs
 * a lock but the queue. The engine's pool has one thread: requests run beside each other, not each of them in all threads.
 *
 *     cc serve_threads.c -o serve_threads $(pkg-config --cflags --libs planish) -pthread
 *     ./serve_threads model.onnx 4 1000     # four workers, a thousand requests
 */
#include <planish/planish.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct request {
    float *input;  /* of the model's first input */
    double answer; /* sum of the first output */
    enum pln_status status;
};

struct server {
    pln_engine *engine;
    struct pln_tensor_info info; /* of the first input, with dims that are known */
    size_t count;                /* its elements */
    pthread_mutex_t lock;
    struct request *requests;
    int next, n_requests;
};

static struct request *take(struct server *server)
{
    pthread_mutex_lock(&server->lock);
    struct request *request = server->next < server->n_requests ? &server->requests[server->next++] : NULL;
    pthread_mutex_unlock(&server->lock);
    return request;
}

static enum pln_status answer(struct server *server, pln_context *context, struct request *request)
{
    struct pln_buffer input = { .dtype = PLN_F32, .rank = server->info.rank, .data = request->input, .size_bytes = server->count * sizeof(float) }, output;
    struct pln_tensor_info info;
    memcpy(input.dims, server->info.dims, sizeof input.dims);
    enum pln_status status = pln_context_bind_input(context, server->info.name, &input);
    if (status == PLN_OK) status = pln_context_run(context);
    if (status == PLN_OK) status = pln_engine_output(server->engine, 0, &info);
    if (status == PLN_OK) status = pln_context_output(context, info.name, &output); /* valid until this context's next run */
    for (size_t i = 0; status == PLN_OK && i < output.size_bytes / sizeof(float); i++) request->answer += (double)((const float *)output.data)[i];
    return status;
}

static void *work(void *user)
{
    struct server *server = user;
    pln_context *context = NULL;
    enum pln_status status = pln_context_create(server->engine, NULL, &context);
    for (struct request *request; (request = take(server)) != NULL;) request->status = status == PLN_OK ? answer(server, context, request) : status;
    pln_context_destroy(context);
    return NULL;
}

/* The model's first input must be floats; dims that it leaves open are 1. */
static int look_at_input(struct server *server)
{
    if (pln_engine_input_count(server->engine) != 1 || pln_engine_input(server->engine, 0, &server->info) != PLN_OK || server->info.dtype != PLN_F32 || server->info.rank < 0) return 0;
    server->count = 1;
    for (int i = 0; i < server->info.rank; i++) {
        if (server->info.dims[i] < 0) server->info.dims[i] = 1;
        server->count *= (size_t)server->info.dims[i];
    }
    return 1;
}

static int serve(struct server *server, int n_workers)
{
    pthread_t workers[64];
    int started = 0, failed = 0, apart = 0;
    float *inputs[2]; /* two kinds of requests, whose answers must be the same whoever gives them */
    for (int k = 0; k < 2; k++) {
        inputs[k] = malloc(server->count * sizeof(float) + 1);
        for (size_t i = 0; inputs[k] && i < server->count; i++) inputs[k][i] = (float)((i * 7 + (size_t)k * 3) % 11) / 11;
    }
    for (int i = 0; i < server->n_requests; i++) server->requests[i].input = inputs[i & 1];
    while (started < n_workers && pthread_create(&workers[started], NULL, work, server) == 0) started++;
    for (int i = 0; i < started; i++) pthread_join(workers[i], NULL);
    for (int i = 0; i < server->n_requests; i++) {
        failed += server->requests[i].status != PLN_OK;
        apart += server->requests[i].answer < server->requests[i & 1].answer || server->requests[i].answer > server->requests[i & 1].answer;
    }
    for (int k = 0; k < 2; k++) free(inputs[k]);
    printf("%d requests by %d workers: %d failed, %d answered otherwise than the first of their kind\n", server->n_requests, started, failed, apart);
    return started == 0 || failed || apart;
}

int main(int argc, char **argv)
{
    struct server server = { .lock = PTHREAD_MUTEX_INITIALIZER, .n_requests = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 100 };
    int n_workers = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 4, status = 1;
    if (argc < 2 || n_workers < 1 || n_workers > 64 || server.n_requests < 2) return fprintf(stderr, "usage: serve_threads MODEL.onnx [WORKERS [REQUESTS]]\n"), 2;
    pln_diagnostics *diagnostics = pln_diagnostics_create();
    pln_thread_pool *pool = NULL;
    struct pln_message message;
    struct pln_build_options build = { .struct_size = sizeof build, .diagnostics = diagnostics };
    if (pln_thread_pool_create(1, &pool) == PLN_OK) build.pool = pool;
    server.requests = calloc((size_t)server.n_requests, sizeof *server.requests);
    if (pln_build_file(argv[1], &build, &server.engine) != PLN_OK) {
        for (int i = 0; pln_diagnostics_get(diagnostics, i, &message) == PLN_OK; i++) fprintf(stderr, "%s\n", message.text);
    } else if (!server.requests || !look_at_input(&server)) {
        fprintf(stderr, "%s: the model must have one input, of f32\n", argv[1]);
    } else status = serve(&server, n_workers);
    pln_engine_release(server.engine);
    pln_thread_pool_destroy(pool);
    pln_diagnostics_destroy(diagnostics);
    free(server.requests);
    return status;
}
