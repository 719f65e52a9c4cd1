#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/pool.h"
#include "test_alloc.h"

#define TASKS_MAX 1000

struct marks {
    int64_t hits[TASKS_MAX];
    int workers;
    _Atomic int bad_worker;
};

static void mark(void *user, int64_t first, int64_t last, int worker)
{
    struct marks *marks = user;
    if (worker < 0 || worker >= marks->workers) atomic_store(&marks->bad_worker, 1);
    for (int64_t i = first; i < last; i++) marks->hits[i]++;
}

static void every_task_once(void **state)
{
    (void)state;
    static struct marks marks;
    for (int workers = 1; workers <= 5; workers++) {
        struct pln_pool *pool;
        assert_int_equal(pln_pool_create(workers, NULL, NULL, &pool), PLN_OK);
        marks.workers = pln_pool_workers(pool);
        assert_int_equal(marks.workers, workers);
        for (int round = 0; round < 1500; round++) {
            int64_t n = round % TASKS_MAX;
            memset(marks.hits, 0, sizeof marks.hits);
            pln_pool_run(pool, n, round % 9, mark, &marks);
            for (int64_t i = 0; i < TASKS_MAX; i++) assert_int_equal(marks.hits[i], i < n);
            if (round % 300 == 0) usleep(300); /* long enough for workers to fall asleep */
        }
        pln_pool_run(pool, -5, 1, mark, NULL);
        pln_pool_destroy(pool);
    }
    assert_int_equal(marks.bad_worker, 0);
    pln_pool_destroy(NULL);
}

static void add(void *user, int64_t first, int64_t last, int worker)
{
    (void)worker;
    int64_t sum = 0;
    for (int64_t i = first; i < last; i++) sum += i;
    atomic_fetch_add((_Atomic int64_t *)user, sum);
}

static bool run_sum(struct pln_pool *pool)
{
    _Atomic int64_t sum = 0;
    pln_pool_run(pool, 100, 1, add, &sum);
    return sum == 4950;
}

static _Atomic int failures;

static void run_inner(void *user, int64_t first, int64_t last, int worker)
{
    (void)worker;
    for (int64_t i = first; i < last; i++)
        if (!run_sum(user)) atomic_fetch_add(&failures, 1);
}

static void jobs_within_jobs(void **state)
{
    (void)state;
    struct pln_pool *pool;
    assert_int_equal(pln_pool_create(3, NULL, NULL, &pool), PLN_OK);
    for (int i = 0; i < 50; i++) pln_pool_run(pool, 20, 1, run_inner, pool);
    assert_int_equal(failures, 0);
    pln_pool_destroy(pool);
}

static void *call_often(void *user)
{
    for (int i = 0; i < 1000; i++)
        if (!run_sum(user)) atomic_fetch_add(&failures, 1);
    return NULL;
}

static void callers_in_threads(void **state)
{
    (void)state;
    struct pln_pool *pool;
    pthread_t threads[4];
    assert_int_equal(pln_pool_create(2, NULL, NULL, &pool), PLN_OK);
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, call_often, pool), 0);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    assert_int_equal(failures, 0);
    pln_pool_destroy(pool);
}

static void huge_ranges(void **state)
{
    (void)state;
    struct pln_pool *pool;
    assert_int_equal(pln_pool_create(2, NULL, NULL, &pool), PLN_OK);
    struct marks marks = { .workers = 2 };
    pln_pool_run(pool, TASKS_MAX, INT64_MAX, mark, &marks);
    for (int i = 0; i < TASKS_MAX; i++) assert_int_equal(marks.hits[i], 1);
    pln_pool_destroy(pool);
}

#if defined(__SANITIZE_THREAD__) || defined(PLANISH_TEST_EMULATED)
#define CAN_FORK 0 /* TSan and qemu-user cannot start threads in the child of a program with threads */
#else
#define CAN_FORK 1
#endif

static void a_forked_child_has_a_pool(void **state)
{
    (void)state;
    struct pln_pool *own, *shared = pln_pool_shared();
    assert_non_null(shared);
    assert_ptr_equal(shared, pln_pool_shared());
    if (!CAN_FORK) skip();
    assert_int_equal(pln_pool_create(3, NULL, NULL, &own), PLN_OK);
    assert_true(run_sum(own) && run_sum(shared));
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        struct pln_pool *fresh = pln_pool_shared();
        bool good = fresh != shared && fresh == pln_pool_shared() && run_sum(fresh) && run_sum(shared) && run_sum(own);
        pln_pool_destroy(own);
        _exit(good ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_true(run_sum(own) && run_sum(pln_pool_shared()));
    pln_pool_destroy(own);
}

/* The CPUs that this thread may use, as far as a small set tells them. */
static cpu_set_t own_cpus(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
    return set;
}

/* By worker. */
static cpu_set_t seen[3];
static _Atomic int arrived;

/* Each worker has one task, as none leaves before all have come. */
static void note_cpus(void *user, int64_t first, int64_t last, int worker)
{
    (void)user;
    (void)first;
    (void)last;
    seen[worker] = own_cpus();
    atomic_fetch_add(&arrived, 1);
    for (int64_t end = pln_clock_ns() + 2000000000; atomic_load(&arrived) < 3 && pln_clock_ns() < end;) usleep(100);
}

static void workers_are_bound(void **state)
{
    (void)state;
    const cpu_set_t own = own_cpus();
    struct pln_pool *pool;
    int cpus[2], n = 0;
    for (int cpu = 0; cpu < CPU_SETSIZE && n < 2; cpu++)
        if (CPU_ISSET(cpu, &own)) cpus[n++] = cpu;
    assert_int_equal(pln_pool_create(3, NULL, NULL, &pool), PLN_OK);
    if (pln_pool_workers(pool) < 3) skip();
    assert_int_equal(pln_pool_bind(pool, cpus, 0), PLN_INVALID_ARGUMENT);
    assert_int_equal(pln_pool_bind(pool, (const int[]){ -1 }, 1), PLN_INVALID_ARGUMENT);
    assert_int_equal(pln_pool_bind(pool, (const int[]){ INT32_MAX }, 1), PLN_INVALID_ARGUMENT);
    assert_int_equal(pln_pool_bind(pool, cpus, n), PLN_OK);
    atomic_store(&arrived, 0);
    pln_pool_run(pool, 3, 1, note_cpus, NULL);
    assert_int_equal(atomic_load(&arrived), 3);
    assert_true(CPU_EQUAL(&seen[0], &own)); /* the caller's thread stays where it is */
    for (int i = 1; i < 3; i++) {
        assert_int_equal(CPU_COUNT(&seen[i]), 1);
        assert_true(CPU_ISSET(cpus[i % n], &seen[i]));
    }
    pln_pool_destroy(pool);
}

static void creation_can_fail(void **state)
{
    (void)state;
    struct test_alloc alloc;
    struct pln_pool *pool;
    test_alloc_init(&alloc, 1);
    assert_int_equal(pln_pool_create(2, &alloc.base, NULL, &pool), PLN_NO_MEMORY);
    assert_null(pool);
    assert_int_equal(pln_pool_create(-1, &alloc.base, NULL, &pool), PLN_INVALID_ARGUMENT);
    assert_int_equal(pln_pool_create(2, &alloc.base, NULL, &pool), PLN_OK);
    long before = alloc.requests;
    for (int i = 0; i < 100; i++) assert_true(run_sum(pool));
    assert_int_equal(alloc.requests, before);
    pln_pool_destroy(pool);
    assert_int_equal(alloc.live, 0);
}

static void features(void **state)
{
    (void)state;
    uint64_t bits;
    char text[512];
    assert_true(pln_cpu_parse_features("portable", &bits) && bits == 0);
    assert_true(pln_cpu_parse_features("avx2", &bits) && bits == PLN_CPU_LEVEL_V3);
    assert_true(pln_cpu_parse_features("x86-64-v4", &bits) && bits == PLN_CPU_LEVEL_V4);
    assert_true(pln_cpu_parse_features("avx2+fma", &bits) &&
                bits == (PLN_CPU_BIT(PLN_CPU_AVX2) | PLN_CPU_BIT(PLN_CPU_FMA)));
    assert_true(pln_cpu_parse_features("native", &bits) && bits == pln_cpu_features_raw());
    assert_false(pln_cpu_parse_features("avx3", &bits) || pln_cpu_parse_features("", &bits) ||
                 pln_cpu_parse_features("avx2+", &bits));
    assert_string_equal(pln_cpu_describe(0, text, sizeof text), "portable");
    assert_string_equal(pln_cpu_describe(PLN_CPU_LEVEL_V3, text, sizeof text), "sse4.2 avx avx2 fma f16c");
    assert_string_equal(pln_cpu_describe(PLN_CPU_LEVEL_V3, text, 12), "sse4.2 avx");
    assert_int_equal(pln_cpu_features() & ~pln_cpu_features_raw(), 0);
    assert_true(pln_cpu_usable_count() >= 1);
    assert_true(strlen(pln_cpu_name()) > 0);
    for (int level = 1; level <= 3; level++) assert_true(pln_cpu_cache_bytes(level) >= 4096);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_task_once),
        cmocka_unit_test(jobs_within_jobs),
        cmocka_unit_test(callers_in_threads),
        cmocka_unit_test(huge_ranges),
        cmocka_unit_test(a_forked_child_has_a_pool),
        cmocka_unit_test(workers_are_bound),
        cmocka_unit_test(creation_can_fail),
        cmocka_unit_test(features),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
