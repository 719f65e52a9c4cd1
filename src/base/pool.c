/* The thread pool.
 *
 * One 32-bit word, `state`, holds the whole protocol: the number of the job (epoch), whether workers may still join it
 * (OPEN), how many are in it (count), and whether the caller sleeps until they have left (WAITER). A worker enters by
 * compare-and-swap on an open state, so the caller waits only for those that came: a worker that the system does not
 * let run delays nobody. The job's fields are plain: they are written only while the state is closed and the count is
 * 0. */
#define _GNU_SOURCE

#include "base/pool.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cpu.h"

#define COUNT_MASK  ((uint32_t)0x3ff)
#define OPEN        ((uint32_t)0x400)
#define WAITER      ((uint32_t)0x800)
#define EPOCH_ONE   ((uint32_t)0x1000)
#define EPOCH_MASK  ((uint32_t)0xfffff000)
#define WORKERS_MAX 1024
#define CPU_LIMIT   65536 /* more CPUs than Linux knows of today */

/* Long enough to bridge the gap between two kernels of a model, short enough not to burn a CPU between two requests. */
#define SPIN_NS         50000
#define SPINS_PER_CLOCK 32
/* Chunks a worker, so that a slow one leaves less behind. Fewer than 2 to the power INDEX_BITS in all. */
#define CHUNKS_PER_WORKER 4
#define INDEX_BITS        16

/* A worker's own run of chunks: what it wrote in one step, it often reads in the next. The number of the job, and below
 * it the next chunk. Who first comes to it in a job starts it: a job begins without a write for each worker. */
struct share {
    _Alignas(128) _Atomic uint64_t next;
};

struct pool_thread {
    struct pln_pool *pool;
    pthread_t id;
    int worker;
};

struct pln_pool {
    /* Read by all, written rarely. */
    const struct pln_allocator *alloc;
    size_t memory_bytes;
    int workers;
    unsigned fork_generation;
    int64_t spin_ns;
    struct pool_thread *threads;
    struct share *shares;
    _Atomic bool stop;

    _Alignas(128) _Atomic uint32_t state;
    _Atomic int32_t helpers; /* the most workers that have something to do in this job */
    pln_pool_fn fn;
    void *user;
    int64_t n_tasks, chunk, n_chunks;
    int n_shares;
    uint64_t job;

    _Alignas(128) _Atomic uint32_t busy;
    _Atomic uint32_t joined; /* what a sleeping caller waits on */
    _Alignas(128) _Atomic uint32_t sleepers;
};

/* ---- fork: the child has the memory of the pools, but none of their threads ---- */

static pthread_once_t fork_once = PTHREAD_ONCE_INIT;
static pthread_mutex_t shared_lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic unsigned fork_generation;
static _Atomic(struct pln_pool *) shared_pool;

static void before_fork(void)
{
    pthread_mutex_lock(&shared_lock);
}

static void after_fork_in_parent(void)
{
    pthread_mutex_unlock(&shared_lock);
}

static void after_fork_in_child(void)
{
    atomic_fetch_add_explicit(&fork_generation, 1, memory_order_relaxed);
    pthread_mutex_unlock(&shared_lock);
}

static void watch_forks(void)
{
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

static bool is_ours(const struct pln_pool *pool)
{
    return pool->fork_generation == atomic_load_explicit(&fork_generation, memory_order_relaxed);
}

/* ---- waiting ---- */

static void futex_wait(_Atomic uint32_t *word, uint32_t seen)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *word, int count)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

static inline void spin_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

struct spinner {
    int64_t until_ns; /* 0: not started */
    int turns;
};

/* One turn of a spin loop; false when its time is up. */
static bool spin_on(struct spinner *spin, int64_t spin_ns)
{
    if (spin->turns++ % SPINS_PER_CLOCK == 0) {
        int64_t now = pln_clock_ns();
        if (spin->until_ns == 0) spin->until_ns = now + spin_ns;
        if (now >= spin->until_ns) return false;
    }
    spin_pause();
    return true;
}

/* ---- workers ---- */

/* The next chunk of a share; -1: none is left. */
static int64_t take_chunk(struct pln_pool *pool, int share)
{
    const uint64_t begin = pool->job << INDEX_BITS | (uint64_t)(pool->n_chunks * share / pool->n_shares);
    const uint64_t end = pool->job << INDEX_BITS | (uint64_t)(pool->n_chunks * (share + 1) / pool->n_shares);
    _Atomic uint64_t *next = &pool->shares[share].next;
    uint64_t seen = atomic_load_explicit(next, memory_order_relaxed);
    for (;;) {
        const uint64_t chunk = seen >> INDEX_BITS == pool->job ? seen : begin;
        if (chunk >= end) return -1;
        if (atomic_compare_exchange_weak_explicit(next, &seen, chunk + 1, memory_order_relaxed, memory_order_relaxed))
            return (int64_t)(chunk & (((uint64_t)1 << INDEX_BITS) - 1));
    }
}

/* First a worker's own share, then what others left. */
static void run_chunks(struct pln_pool *pool, int worker)
{
    for (int i = 0; i < pool->n_shares; i++) {
        const int share = (worker + i) % pool->n_shares;
        for (int64_t chunk; (chunk = take_chunk(pool, share)) >= 0;) {
            int64_t first = chunk * pool->chunk;
            pool->fn(pool->user, first, first + PLN_MIN(pool->chunk, pool->n_tasks - first), worker);
        }
    }
}

/* Enters the next job that wants a helper. false: the pool is being destroyed. */
static bool enter_job(struct pln_pool *pool, uint32_t *last_epoch)
{
    struct spinner spin = { 0, 0 };
    for (;;) {
        uint32_t state = atomic_load_explicit(&pool->state, memory_order_acquire);
        if (atomic_load_explicit(&pool->stop, memory_order_acquire)) return false;
        if ((state & OPEN) != 0 && (state & EPOCH_MASK) != *last_epoch) {
            int32_t helpers = atomic_load_explicit(&pool->helpers, memory_order_relaxed);
            bool wanted = (int32_t)(state & COUNT_MASK) < helpers;
            if (wanted && !atomic_compare_exchange_weak_explicit(&pool->state, &state, state + 1, memory_order_acquire,
                                                                 memory_order_relaxed))
                continue;
            *last_epoch = state & EPOCH_MASK;
            if (wanted) return true;
        }
        if (spin_on(&spin, pool->spin_ns)) continue;
        /* The caller opens the state and then looks for sleepers; we count ourselves and then look at the state. In the
         * single order of these four one of us sees the other. */
        atomic_fetch_add(&pool->sleepers, 1);
        state = atomic_load(&pool->state);
        bool idle = (state & OPEN) == 0 || (state & EPOCH_MASK) == *last_epoch;
        if (idle && !atomic_load(&pool->stop)) futex_wait(&pool->state, state);
        atomic_fetch_sub(&pool->sleepers, 1);
        spin = (struct spinner){ 0, 0 };
    }
}

static void leave_job(struct pln_pool *pool)
{
    uint32_t before = atomic_fetch_sub_explicit(&pool->state, 1, memory_order_acq_rel);
    if ((before & (COUNT_MASK | WAITER)) != (WAITER | 1)) return;
    atomic_store(&pool->joined, 1);
    futex_wake(&pool->joined, 1);
}

static void *worker_main(void *argument)
{
    struct pool_thread *thread = argument;
    uint32_t last_epoch = 0;
    char name[16];
    snprintf(name, sizeof name, "planish-%d", thread->worker);
    pthread_setname_np(pthread_self(), name);
    while (enter_job(thread->pool, &last_epoch)) {
        run_chunks(thread->pool, thread->worker);
        leave_job(thread->pool);
    }
    return NULL;
}

/* ---- life ---- */

/* Signals are the program's: its handlers run in its threads. */
static void start_threads(struct pln_pool *pool, int workers)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int started = 1;
    for (; started < workers; started++) {
        struct pool_thread *thread = &pool->threads[started];
        *thread = (struct pool_thread){ .pool = pool, .worker = started };
        if (pthread_create(&thread->id, NULL, worker_main, thread) != 0) break;
    }
    pool->workers = started;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

enum pln_status pln_pool_create(int workers, const struct pln_allocator *alloc, struct pln_diag *diag,
                                struct pln_pool **out_pool)
{
    *out_pool = NULL;
    if (workers < 0) return pln_fail(diag, PLN_INVALID_ARGUMENT, "a pool cannot have %d workers", workers);
    pthread_once(&fork_once, watch_forks);
    int usable = pln_cpu_usable_count();
    if (workers == 0) workers = usable;
    workers = PLN_MIN(workers, WORKERS_MAX);
    size_t memory_bytes = sizeof(struct pln_pool) + (size_t)workers * (sizeof(struct share) + sizeof(struct pool_thread));
    struct pln_pool *pool = pln_alloc_zeroed(alloc, memory_bytes, _Alignof(struct pln_pool));
    if (pool == NULL) return pln_fail_memory(diag, "a thread pool", memory_bytes);
    pool->alloc = alloc;
    pool->memory_bytes = memory_bytes;
    pool->shares = (struct share *)(pool + 1);
    pool->threads = (struct pool_thread *)(pool->shares + workers);
    pool->fork_generation = atomic_load_explicit(&fork_generation, memory_order_relaxed);
    /* More threads than CPUs: who spins keeps from running who would work. */
    pool->spin_ns = workers <= usable ? SPIN_NS : 0;
    start_threads(pool, workers);
    *out_pool = pool;
    return PLN_OK;
}

void pln_pool_destroy(struct pln_pool *pool)
{
    if (pool == NULL) return;
    assert(atomic_load(&pool->busy) == 0 || !is_ours(pool));
    if (is_ours(pool)) {
        atomic_store(&pool->stop, true);
        atomic_fetch_add(&pool->state, EPOCH_ONE);
        futex_wake(&pool->state, INT_MAX);
        for (int i = 1; i < pool->workers; i++) pthread_join(pool->threads[i].id, NULL);
    }
    pln_free(pool->alloc, pool, pool->memory_bytes);
}

int pln_pool_workers(const struct pln_pool *pool)
{
    return pool->workers;
}

static bool bind_thread(pthread_t thread, int cpu)
{
    cpu_set_t *set = cpu >= 0 && cpu < CPU_LIMIT ? CPU_ALLOC((size_t)cpu + 1) : NULL;
    if (set == NULL) return false;
    const size_t set_bytes = CPU_ALLOC_SIZE((size_t)cpu + 1);
    CPU_ZERO_S(set_bytes, set);
    CPU_SET_S((size_t)cpu, set_bytes, set);
    const bool bound = pthread_setaffinity_np(thread, set_bytes, set) == 0;
    CPU_FREE(set);
    return bound;
}

enum pln_status pln_pool_bind(struct pln_pool *pool, const int *cpus, int n_cpus)
{
    if (n_cpus < 1) return PLN_INVALID_ARGUMENT;
    if (!is_ours(pool)) return PLN_OK; /* a child of the process that has the threads */
    for (int i = 1; i < pool->workers; i++)
        if (!bind_thread(pool->threads[i].id, cpus[i % n_cpus])) return PLN_INVALID_ARGUMENT;
    return PLN_OK;
}

/* ---- jobs ---- */

static void open_job(struct pln_pool *pool, int64_t n_tasks, int64_t grain, pln_pool_fn fn, void *user)
{
    int64_t even = n_tasks / ((int64_t)pool->workers * CHUNKS_PER_WORKER);
    pool->fn = fn;
    pool->user = user;
    pool->n_tasks = n_tasks;
    pool->chunk = PLN_MAX(even, grain);
    pool->n_chunks = n_tasks / pool->chunk + (n_tasks % pool->chunk != 0);
    int helpers = (int)PLN_MIN(pool->n_chunks - 1, pool->workers - 1);
    pool->n_shares = helpers + 1;
    pool->job = (pool->job + 1) & (UINT64_MAX >> INDEX_BITS);
    atomic_store_explicit(&pool->helpers, helpers, memory_order_relaxed);
    uint32_t epoch = (atomic_load_explicit(&pool->state, memory_order_relaxed) & EPOCH_MASK) + EPOCH_ONE;
    atomic_store(&pool->state, epoch | OPEN);
    uint32_t sleepers = atomic_load(&pool->sleepers);
    if (sleepers > 0) futex_wake(&pool->state, (int)PLN_MIN(sleepers, (uint32_t)helpers));
}

static void close_job(struct pln_pool *pool)
{
    struct spinner spin = { 0, 0 };
    uint32_t state = atomic_fetch_and_explicit(&pool->state, ~OPEN, memory_order_acq_rel);
    while ((state & COUNT_MASK) != 0 && spin_on(&spin, pool->spin_ns))
        state = atomic_load_explicit(&pool->state, memory_order_acquire);
    if ((state & COUNT_MASK) == 0) return;
    state = atomic_fetch_or_explicit(&pool->state, WAITER, memory_order_acq_rel);
    if ((state & COUNT_MASK) != 0) {
        while (atomic_load(&pool->joined) == 0) futex_wait(&pool->joined, 0);
        atomic_store(&pool->joined, 0);
    }
    atomic_fetch_and_explicit(&pool->state, ~WAITER, memory_order_acq_rel);
}

void pln_pool_run(struct pln_pool *pool, int64_t n_tasks, int64_t grain, pln_pool_fn fn, void *user)
{
    if (n_tasks <= 0) return;
    grain = PLN_MAX(grain, 1);
    uint32_t idle = 0;
    if (n_tasks <= grain || pool->workers == 1 || !is_ours(pool) ||
        !atomic_compare_exchange_strong_explicit(&pool->busy, &idle, 1, memory_order_acquire, memory_order_relaxed)) {
        fn(user, 0, n_tasks, 0);
        return;
    }
    open_job(pool, n_tasks, grain, fn, user);
    run_chunks(pool, 0);
    close_job(pool);
    atomic_store_explicit(&pool->busy, 0, memory_order_release);
}

struct pln_pool *pln_pool_shared(void)
{
    struct pln_pool *pool = atomic_load_explicit(&shared_pool, memory_order_acquire);
    if (pool != NULL && is_ours(pool)) return pool;
    pthread_once(&fork_once, watch_forks);
    pthread_mutex_lock(&shared_lock);
    pool = atomic_load_explicit(&shared_pool, memory_order_acquire);
    /* The parent's pool is not freed in the child: its memory is shared until written. */
    if ((pool == NULL || !is_ours(pool)) && pln_pool_create(0, NULL, NULL, &pool) == PLN_OK)
        atomic_store_explicit(&shared_pool, pool, memory_order_release);
    pthread_mutex_unlock(&shared_lock);
    return pool;
}
