#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "base/base.h"
#include "planish/context.h"

struct pln_fence {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool signalled;
    enum pln_status status;
};

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
    pthread_cond_destroy(&fence->changed);
    pthread_mutex_destroy(&fence->lock);
    pln_free(NULL, fence, sizeof *fence);
}

void pln_fence_signal(pln_fence *fence, enum pln_status status)
{
    pthread_mutex_lock(&fence->lock);
    if (!fence->signalled) fence->status = status;
    fence->signalled = true;
    pthread_cond_broadcast(&fence->changed);
    pthread_mutex_unlock(&fence->lock);
}

enum pln_status pln_fence_wait(pln_fence *fence, int64_t timeout_ns, enum pln_status *out_status)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + (timeout_ns > 0 ? timeout_ns % 1000000000 : 0);
    until.tv_sec += (time_t)((timeout_ns > 0 ? timeout_ns / 1000000000 : 0) + ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);
    if (out_status) *out_status = PLN_OK;
    pthread_mutex_lock(&fence->lock);
    int error = 0;
    while (!fence->signalled && error == 0) error = timeout_ns < 0 ? pthread_cond_wait(&fence->changed, &fence->lock) : pthread_cond_timedwait(&fence->changed, &fence->lock, &until);
    bool signalled = fence->signalled;
    if (signalled && out_status) *out_status = fence->status;
    pthread_mutex_unlock(&fence->lock);
    return signalled ? PLN_OK : PLN_CANCELLED;
}
