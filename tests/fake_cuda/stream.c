/* Streams and graphs of the fake driver. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "fake.h"

struct fake_stream {
    struct fake_stream *next;
    bool alive, blocking; /* it and the default stream wait for each other */
    int gpu;
    struct fake_op *ops;
    size_t n, capacity;
    int capture; /* CUstreamCaptureStatus */
    pthread_t capturer;
    struct fake_graph *graph; /* of the capture */
    void *last;               /* its last node */
};

struct fake_event {
    struct fake_event *next;
    bool alive;
    struct fake_stream *stream; /* where it was recorded last */
    uint64_t recorded, reached; /* tickets */
};

struct node {
    struct fake_op op;
    size_t *before; /* numbers of the nodes that it waits for */
    size_t n_before;
};

/* Nodes are handed out as addresses of these. */
struct handle {
    struct fake_graph *graph;
    size_t number;
};

struct fake_graph {
    struct fake_graph *next;
    bool alive;
    struct node *nodes;
    struct handle **handles;
    size_t n;
};

struct fake_exec {
    struct fake_exec *next;
    bool alive;
    struct node *nodes;
    size_t n;
};

/* All that ever were: a handle that is used after it was given back is found out. */
static struct fake_stream *streams;
static struct fake_stream *defaults[FAKE_MOST_GPUS];
static struct fake_graph *graphs;
static struct fake_exec *execs;
static struct fake_event *events;

static void *grow(void *old, size_t bytes)
{
    void *fresh = realloc(old, bytes);
    if (!fresh) fake_die("no memory");
    return fresh;
}

static void *zeroed(size_t bytes)
{
    void *fresh = calloc(1, bytes);
    if (!fresh) fake_die("no memory");
    return fresh;
}

/* ---- running ---- */

static void run_copy(int gpu, const struct fake_op *op)
{
    if (op->to_device && !fake_memory_has(gpu, (uint64_t)(uintptr_t)op->to, op->size_bytes)) fake_die("device memory was given back while a copy to it was waiting");
    if (op->from_device && !fake_memory_has(gpu, (uint64_t)(uintptr_t)op->from, op->size_bytes)) fake_die("device memory was given back while a copy from it was waiting");
    memmove(op->to, op->from, op->size_bytes);
}

static void run_exec(int gpu, const struct fake_exec *exec);

static void run_first(struct fake_stream *stream, size_t n);

/* What a stream waits for runs first. */
static void reach(const struct fake_event *event, uint64_t ticket)
{
    while (event->reached < ticket) {
        if (!event->stream || event->stream->n == 0) fake_die("a stream waits for an event that nobody will reach");
        run_first(event->stream, 1);
    }
}

static void run_op(int gpu, const struct fake_op *op)
{
    switch (op->kind) {
    case FAKE_OP_COPY: run_copy(gpu, op); break;
    case FAKE_OP_KERNEL:
        if (!op->function->alive) fake_die("the module of %s was unloaded while the kernel was waiting", op->function->name);
        fake_grid_run(op);
        break;
    case FAKE_OP_GRAPH:
        if (!op->exec->alive) fake_die("a graph was destroyed while it was waiting");
        run_exec(gpu, op->exec);
        break;
    case FAKE_OP_RECORD: op->event->reached = op->ticket; break;
    case FAKE_OP_WAIT: reach(op->event, op->ticket); break;
    }
}

/* Any node whose predecessors have run may be next. */
static void run_exec(int gpu, const struct fake_exec *exec)
{
    bool *done = zeroed(exec->n + 1);
    for (size_t left = exec->n; left > 0; left--) {
        size_t chosen = exec->n, n_ready = 0;
        for (size_t i = 0; i < exec->n; i++) {
            bool ready = !done[i];
            for (size_t k = 0; k < exec->nodes[i].n_before && ready; k++) ready = done[exec->nodes[i].before[k]];
            if (ready && fake_random() % ++n_ready == 0) chosen = i;
        }
        run_op(gpu, &exec->nodes[chosen].op);
        done[chosen] = true;
    }
    free(done);
}

static void run_first(struct fake_stream *stream, size_t n)
{
    static int open[FAKE_MOST_GPUS]; /* one stream may have to run another */
    if (n == 0) return;
    if (open[stream->gpu]++ == 0) fake_memory_open(stream->gpu);
    for (; n > 0; n--) {
        const struct fake_op op = stream->ops[0];
        memmove(stream->ops, stream->ops + 1, --stream->n * sizeof *stream->ops);
        run_op(stream->gpu, &op);
    }
    if (--open[stream->gpu] == 0) fake_memory_close(stream->gpu);
}

/* ---- streams ---- */

static struct fake_stream *new_stream(int gpu)
{
    struct fake_stream *stream = zeroed(sizeof *stream);
    stream->next = streams;
    streams = stream;
    stream->alive = true;
    stream->gpu = gpu;
    return stream;
}

struct fake_stream *fake_stream_create(int gpu, bool blocking)
{
    struct fake_stream *stream = new_stream(gpu);
    stream->blocking = blocking;
    fake_count_live(1);
    return stream;
}

struct fake_stream *fake_stream_default(int gpu)
{
    if (!defaults[gpu]) defaults[gpu] = new_stream(gpu);
    return defaults[gpu];
}

struct fake_stream *fake_stream_check(void *handle)
{
    for (struct fake_stream *stream = streams; stream; stream = stream->next)
        if (stream == handle && stream->alive) return stream;
    return NULL;
}

int fake_stream_gpu(const struct fake_stream *stream)
{
    return stream->gpu;
}

/* What waits still runs: the manual has the stream released when its work is done. */
int fake_stream_destroy(struct fake_stream *stream)
{
    run_first(stream, stream->n);
    free(stream->ops);
    stream->ops = NULL;
    stream->capacity = 0;
    stream->alive = false;
    fake_count_live(-1);
    return 0;
}

/* Some of what some stream has to do. */
static void pass_time(struct fake_stream *stream)
{
    const uint64_t random = fake_random();
    run_first(stream, (size_t)(random >> 8) % (stream->n + 1));
}

/* What the default stream and a blocking one have to wait for is over at once, which is one of the times when it may be. */
static void wait_for_default(const struct fake_stream *stream)
{
    struct fake_stream *first = defaults[stream->gpu];
    if (!first) return;
    if (stream->blocking) run_first(first, first->n);
    for (struct fake_stream *other = streams; other && stream == first; other = other->next)
        if (other->alive && other->blocking && other->gpu == stream->gpu) run_first(other, other->n);
}

int fake_stream_push(struct fake_stream *stream, const struct fake_op *op)
{
    if (stream->capture == FAKE_CAPTURING) return fake_graph_add(stream->graph, &stream->last, stream->last ? 1 : 0, op, &stream->last);
    if (stream->capture != FAKE_NO_CAPTURE) return FAKE_CAPTURE_INVALIDATED;
    if (stream->n == stream->capacity) {
        stream->capacity = stream->capacity ? stream->capacity * 2 : 16;
        stream->ops = grow(stream->ops, stream->capacity * sizeof *stream->ops);
    }
    wait_for_default(stream);
    stream->ops[stream->n++] = *op;
    for (struct fake_stream *other = streams; other; other = other->next)
        if (other->alive && fake_random() % 4 == 0) pass_time(other);
    return 0;
}

size_t fake_stream_query(struct fake_stream *stream)
{
    pass_time(stream);
    return stream->n;
}

void fake_stream_run(struct fake_stream *stream)
{
    run_first(stream, stream->n);
}

void fake_stream_drop(struct fake_stream *stream)
{
    for (size_t i = 0; i < stream->n; i++)
        if (stream->ops[i].kind == FAKE_OP_RECORD) stream->ops[i].event->reached = stream->ops[i].ticket;
    stream->n = 0;
}

/* ---- captures ---- */

bool fake_stream_captures(const struct fake_stream *stream)
{
    return stream->capture != FAKE_NO_CAPTURE;
}

int fake_stream_capture_status(const struct fake_stream *stream)
{
    return stream->capture;
}

int fake_capture_begin(struct fake_stream *stream)
{
    if (stream->capture != FAKE_NO_CAPTURE) return FAKE_CAPTURE_UNSUPPORTED;
    stream->capture = FAKE_CAPTURING;
    stream->capturer = pthread_self();
    stream->graph = fake_graph_create();
    stream->last = NULL;
    return 0;
}

int fake_capture_end(struct fake_stream *stream, void **out_graph)
{
    *out_graph = NULL;
    const bool whole = stream->capture == FAKE_CAPTURING;
    if (stream->capture == FAKE_NO_CAPTURE) return FAKE_INVALID_VALUE;
    stream->capture = FAKE_NO_CAPTURE;
    if (!whole) return fake_graph_destroy(stream->graph), FAKE_CAPTURE_INVALIDATED;
    *out_graph = stream->graph;
    return 0;
}

bool fake_capture_breaks(void)
{
    bool broke = false;
    for (struct fake_stream *stream = streams; stream; stream = stream->next) {
        if (stream->capture == FAKE_NO_CAPTURE || !pthread_equal(stream->capturer, pthread_self())) continue;
        stream->capture = FAKE_BROKEN_CAPTURE;
        broke = true;
    }
    return broke;
}

/* ---- events ---- */

struct fake_event *fake_event_create(void)
{
    struct fake_event *event = zeroed(sizeof *event);
    event->next = events;
    events = event;
    event->alive = true;
    fake_count_live(1);
    return event;
}

static struct fake_event *check_event(void *handle)
{
    for (struct fake_event *event = events; event; event = event->next)
        if (event == handle && event->alive) return event;
    return NULL;
}

/* What waits for it goes on to: the manual has it released then. */
int fake_event_destroy(void *handle)
{
    struct fake_event *event = check_event(handle);
    if (!event) return FAKE_INVALID_HANDLE;
    event->alive = false;
    fake_count_live(-1);
    return 0;
}

int fake_event_record(void *handle, struct fake_stream *stream)
{
    struct fake_event *event = check_event(handle);
    if (!event) return FAKE_INVALID_HANDLE;
    if (event->stream && event->stream != stream) reach(event, event->recorded); /* one place is remembered */
    event->stream = stream;
    return fake_stream_push(stream, &(struct fake_op){ .kind = FAKE_OP_RECORD, .event = event, .ticket = ++event->recorded });
}

int fake_event_query(void *handle)
{
    struct fake_event *event = check_event(handle);
    if (!event) return FAKE_INVALID_HANDLE;
    if (event->stream && event->stream->alive) pass_time(event->stream);
    return event->reached < event->recorded ? FAKE_NOT_READY : 0;
}

int fake_event_wait(void *handle, struct fake_stream *stream)
{
    struct fake_event *event = check_event(handle);
    if (!event) return FAKE_INVALID_HANDLE;
    if (stream->capture != FAKE_NO_CAPTURE) {
        stream->capture = FAKE_BROKEN_CAPTURE;
        return FAKE_CAPTURE_ISOLATION;
    }
    return event->recorded == 0 ? 0 : fake_stream_push(stream, &(struct fake_op){ .kind = FAKE_OP_WAIT, .event = event, .ticket = event->recorded });
}

/* ---- graphs ---- */

struct fake_graph *fake_graph_create(void)
{
    struct fake_graph *graph = zeroed(sizeof *graph);
    graph->next = graphs;
    graphs = graph;
    graph->alive = true;
    fake_count_live(1);
    return graph;
}

static struct fake_graph *check_graph(void *handle)
{
    for (struct fake_graph *graph = graphs; graph; graph = graph->next)
        if (graph == handle && graph->alive) return graph;
    return NULL;
}

static void free_nodes(struct node *nodes, size_t n)
{
    for (size_t i = 0; i < n; i++) free(nodes[i].before);
    free(nodes);
}

int fake_graph_destroy(void *handle)
{
    struct fake_graph *graph = check_graph(handle);
    if (!graph) return FAKE_INVALID_HANDLE;
    free_nodes(graph->nodes, graph->n);
    for (size_t i = 0; i < graph->n; i++) free(graph->handles[i]);
    free(graph->handles);
    graph->nodes = NULL;
    graph->handles = NULL;
    graph->n = 0;
    graph->alive = false;
    fake_count_live(-1);
    return 0;
}

static bool number_of(const struct fake_graph *graph, const void *node, size_t *out_number)
{
    for (size_t i = 0; i < graph->n; i++) {
        *out_number = i;
        if (graph->handles[i] == node) return true;
    }
    return false;
}

int fake_graph_add(void *handle, void *const *dependencies, size_t n_dependencies, const struct fake_op *op, void **out_node)
{
    struct fake_graph *graph = check_graph(handle);
    if (!graph) return FAKE_INVALID_HANDLE;
    if (n_dependencies > 0 && !dependencies) return FAKE_INVALID_VALUE;
    struct node node = { .op = *op, .n_before = n_dependencies };
    node.before = zeroed((n_dependencies + 1) * sizeof *node.before);
    for (size_t i = 0; i < n_dependencies; i++) {
        if (number_of(graph, dependencies[i], &node.before[i])) continue;
        free(node.before);
        return FAKE_INVALID_VALUE;
    }
    graph->nodes = grow(graph->nodes, (graph->n + 1) * sizeof *graph->nodes);
    graph->handles = grow(graph->handles, (graph->n + 1) * sizeof *graph->handles);
    graph->nodes[graph->n] = node;
    graph->handles[graph->n] = zeroed(sizeof **graph->handles);
    *graph->handles[graph->n] = (struct handle){ graph, graph->n };
    *out_node = graph->handles[graph->n++];
    return 0;
}

int fake_graph_instantiate(void *handle, void **out_exec)
{
    const struct fake_graph *graph = check_graph(handle);
    *out_exec = NULL;
    if (!graph) return FAKE_INVALID_HANDLE;
    struct fake_exec *exec = zeroed(sizeof *exec);
    *exec = (struct fake_exec){ .next = execs, .alive = true, .n = graph->n, .nodes = zeroed((graph->n + 1) * sizeof *exec->nodes) };
    execs = exec;
    for (size_t i = 0; i < graph->n; i++) {
        exec->nodes[i] = graph->nodes[i];
        exec->nodes[i].before = zeroed((graph->nodes[i].n_before + 1) * sizeof(size_t));
        memcpy(exec->nodes[i].before, graph->nodes[i].before, graph->nodes[i].n_before * sizeof(size_t));
    }
    fake_count_live(1);
    *out_exec = exec;
    return 0;
}

struct fake_exec *fake_exec_check(void *handle)
{
    for (struct fake_exec *exec = execs; exec; exec = exec->next)
        if (exec == handle && exec->alive) return exec;
    return NULL;
}

int fake_exec_destroy(void *handle)
{
    struct fake_exec *exec = fake_exec_check(handle);
    if (!exec) return FAKE_INVALID_HANDLE;
    free_nodes(exec->nodes, exec->n);
    exec->nodes = NULL;
    exec->n = 0;
    exec->alive = false;
    fake_count_live(-1);
    return 0;
}
