#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "runtime/engine.h"

struct pln_fence {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool signalled;
    enum pln_status status;
    struct pln_context *run; /* under way, and to be signalled when it has ended; its context is looked at under the lock alone */
};

#define POLLS_AT_ONCE 64
#define POLL_NS 50000 /* between later looks at a run under way */

enum pln_status pln_fence_create(pln_fence **out_fence)
{
    pthread_condattr_t attributes;
    *out_fence = NULL;
    pln_fence *fence = pln_alloc_zeroed(NULL, sizeof *fence, _Alignof(pln_fence));
    if (!fence) return PLN_NO_MEMORY;
    if (pthread_condattr_init(&attributes) != 0) {
        pln_free(NULL, fence, sizeof *fence);
        return PLN_NO_MEMORY;
    }
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&fence->lock, NULL);
    pthread_cond_init(&fence->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    *out_fence = fence;
    return PLN_OK;
}

void pln_fence_destroy(pln_fence *fence)
{
    if (!fence) return;
    if (fence->run) fence->run->done = NULL;
    pthread_cond_destroy(&fence->changed);
    pthread_mutex_destroy(&fence->lock);
    pln_free(NULL, fence, sizeof *fence);
}

static void signal_locked(pln_fence *fence, enum pln_status status)
{
    if (!fence->signalled) fence->status = status;
    fence->signalled = true;
    pthread_cond_broadcast(&fence->changed);
}

void pln_fence_signal(pln_fence *fence, enum pln_status status)
{
    pthread_mutex_lock(&fence->lock);
    signal_locked(fence, status);
    pthread_mutex_unlock(&fence->lock);
}

/* ---- a run under way ---- */

bool pln_fence_attach(pln_fence *fence, struct pln_context *context)
{
    pthread_mutex_lock(&fence->lock);
    const bool attached = !fence->signalled && !fence->run;
    if (attached) {
        fence->run = context;
        context->done = fence;
        pthread_cond_broadcast(&fence->changed); /* who waits already looks after the run from now on */
    }
    pthread_mutex_unlock(&fence->lock);
    return attached;
}

static enum pln_status end_run(pln_fence *fence)
{
    struct pln_context *context = fence->run;
    const enum pln_status status = pln_exec_sync(context);
    fence->run = NULL;
    context->done = NULL;
    signal_locked(fence, status);
    return status;
}

enum pln_status pln_fence_settle(pln_fence *fence, struct pln_context *context)
{
    enum pln_status status = PLN_OK;
    pthread_mutex_lock(&fence->lock);
    if (fence->run == context) status = end_run(fence);
    pthread_mutex_unlock(&fence->lock);
    return status;
}

static void look_after(pln_fence *fence)
{
    bool idle = false;
    if (pln_exec_poll(fence->run, &idle) != PLN_OK || idle) (void)end_run(fence);
}

/* ---- waiting ---- */

static struct timespec later(int64_t timeout_ns)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    const int64_t ns = now.tv_nsec + (timeout_ns > 0 ? timeout_ns % 1000000000 : 0);
    now.tv_sec += (time_t)((timeout_ns > 0 ? timeout_ns / 1000000000 : 0) + ns / 1000000000);
    now.tv_nsec = (long)(ns % 1000000000);
    return now;
}

static bool is_before(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_nsec < b->tv_nsec;
}

/* false: the time is up. */
static bool wait_once(pln_fence *fence, int n_looks, const struct timespec *until)
{
    if (fence->run && n_looks < POLLS_AT_ONCE) {
        const struct timespec now = later(0);
        return !until || is_before(&now, until);
    }
    const struct timespec piece = later(POLL_NS);
    const bool whole = !fence->run || (until && is_before(until, &piece)); /* nothing to look after before the time is up */
    if (whole && !until) return pthread_cond_wait(&fence->changed, &fence->lock) == 0;
    const int error = pthread_cond_timedwait(&fence->changed, &fence->lock, whole ? until : &piece);
    return error == 0 || !whole;
}

enum pln_status pln_fence_wait(pln_fence *fence, int64_t timeout_ns, enum pln_status *out_status)
{
    const struct timespec until = later(timeout_ns);
    if (out_status) *out_status = PLN_OK;
    pthread_mutex_lock(&fence->lock);
    bool in_time = true;
    for (int n_looks = 0; !fence->signalled; n_looks += n_looks < POLLS_AT_ONCE) {
        if (fence->run) look_after(fence);
        if (fence->signalled || !in_time) break;
        in_time = wait_once(fence, n_looks, timeout_ns < 0 ? NULL : &until);
    }
    const bool signalled = fence->signalled;
    if (signalled && out_status) *out_status = fence->status;
    pthread_mutex_unlock(&fence->lock);
    return signalled ? PLN_OK : PLN_CANCELLED;
}
