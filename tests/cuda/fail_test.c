/* Every call of the driver fails once: the device's user gets a status and a message, nothing crashes, nothing is lost. Needs the fake driver. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dlfcn.h>

#include <cmocka.h>

#include "backend/cuda/device.h"
#include "tests/cuda/scale.h"

enum { N = 500 };

struct work {
    struct rig rig;
    void *a, *b;
    struct pln_recording *recording;
    void *stream; /* the caller's */
    float values[N], back[N];
};

static enum pln_status memory_for(struct work *work, void **out_memory)
{
    return work->rig.backend->alloc(work->rig.device, N * sizeof(float), "a test", &work->rig.diag, out_memory);
}

static enum pln_status submit(struct work *work, struct pln_command *commands, size_t n, bool recorded, uint64_t version)
{
    struct rig *rig = &work->rig;
    PLN_TRY(rig->backend->submit(rig->queue, commands, n, recorded ? &work->recording : NULL, version, &rig->diag));
    return rig->backend->sync(rig->queue, &rig->diag);
}

static enum pln_status make_stream(struct work *work)
{
    struct rig *rig = &work->rig;
    PLN_TRY(pln_cuda_enter(rig->device, &rig->diag));
    enum pln_status status = pln_cuda_check(rig->device->driver, rig->device->driver->StreamCreate(&work->stream, PLN_CUDA_STREAM_NON_BLOCKING), "cuStreamCreate", "a test", &rig->diag);
    pln_cuda_leave(rig->device);
    return status;
}

static enum pln_status check(struct work *work, int result, const char *call)
{
    return pln_cuda_check(work->rig.device->driver, result, call, "a test", &work->rig.diag);
}

/* The recording, which has just run on the caller's stream and was not asked for, goes into a graph of the caller's. */
static enum pln_status record(struct work *work, struct pln_command *kernels, size_t n, uint64_t version)
{
    struct rig *rig = &work->rig;
    bool capturing;
    PLN_TRY(rig->backend->use_stream(rig->queue, work->stream, &rig->diag, &capturing));
    enum pln_status status = capturing ? rig->backend->submit(rig->queue, kernels, n, &work->recording, version, &rig->diag) : pln_fail(&rig->diag, PLN_INTERNAL, "nothing is captured");
    enum pln_status left = rig->backend->use_stream(rig->queue, NULL, &rig->diag, &capturing);
    return status == PLN_OK ? left : status;
}

static enum pln_status capture(struct work *work, struct pln_command *kernels, size_t n, uint64_t version)
{
    int (*begin)(void *, int), (*end)(void *, void **);
    const struct pln_cuda_driver *driver = work->rig.device->driver;
    void *lib = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL), *symbol = dlsym(lib, "cuStreamBeginCapture_v2"), *graph = NULL;
    memcpy(&begin, &symbol, sizeof symbol);
    symbol = dlsym(lib, "cuStreamEndCapture");
    memcpy(&end, &symbol, sizeof symbol);
    PLN_TRY(pln_cuda_enter(work->rig.device, &work->rig.diag));
    enum pln_status status = check(work, driver->StreamSynchronize(work->stream), "cuStreamSynchronize");
    if (status == PLN_OK) {
        begin(work->stream, 0);
        status = record(work, kernels, n, version);
        (void)end(work->stream, &graph);
        if (graph) (void)driver->GraphDestroy(graph);
    }
    pln_cuda_leave(work->rig.device);
    dlclose(lib);
    return status;
}

/* Twice on the caller's stream, without a wait between, then on the queue's own again. */
static enum pln_status use_stream(struct work *work, struct pln_command *kernels, size_t n, uint64_t version)
{
    struct rig *rig = &work->rig;
    bool capturing, idle;
    PLN_TRY(make_stream(work));
    for (int i = 0; i < 2; i++) {
        PLN_TRY(rig->backend->use_stream(rig->queue, work->stream, &rig->diag, &capturing));
        enum pln_status status = rig->backend->submit(rig->queue, kernels, n, &work->recording, version, &rig->diag);
        enum pln_status left = rig->backend->use_stream(rig->queue, NULL, &rig->diag, &capturing);
        PLN_TRY(status);
        PLN_TRY(left);
    }
    PLN_TRY(capture(work, kernels, n, version));
    PLN_TRY(rig->backend->poll(rig->queue, &rig->diag, &idle)); /* once: the calls of every attempt are the same */
    PLN_TRY(rig->backend->sync(rig->queue, &rig->diag));
    PLN_TRY(rig->backend->submit(rig->queue, kernels, n, &work->recording, version, &rig->diag));
    PLN_TRY(rig->backend->poll(rig->queue, &rig->diag, &idle));
    return rig->backend->sync(rig->queue, &rig->diag);
}

/* Copies in and out, dense and strided; kernels as they are and recorded, with shapes that change; much shared memory. */
static enum pln_status use(struct work *work)
{
    struct rig *rig = &work->rig;
    struct scale_params params[2];
    struct pln_tensor host, device, result, every_other;
    const int64_t n = N, half = N / 2;
    PLN_TRY(rig_init(rig, 0));
    PLN_TRY(memory_for(work, &work->a));
    PLN_TRY(memory_for(work, &work->b));
    pln_tensor_init(&host, PLN_F32, 1, &n, work->values);
    pln_tensor_init(&device, PLN_F32, 1, &n, work->a);
    pln_tensor_init(&result, PLN_F32, 1, &half, work->back);
    pln_tensor_init(&every_other, PLN_F32, 1, &half, work->b);
    every_other.strides[0] = 2;
    struct pln_command in = copy_command(rig, &host, &device, true, false), out = copy_command(rig, &every_other, &result, false, true);
    struct pln_command kernels[] = { scale_command(rig, &params[0], work->a, work->b, N, 2), scale_command(rig, &params[1], work->b, work->b, N, 3) };
    PLN_TRY(submit(work, &in, 1, false, 0));
    for (uint64_t version = 1; version <= 3; version++) {
        kernels[1].prepared.block_bytes = version == 3 ? 60000 : 0;
        params[1].shared_floats = version == 3 ? 15000 : 0;
        PLN_TRY(submit(work, kernels, 2, true, version));
        PLN_TRY(submit(work, kernels, 2, true, version));
    }
    PLN_TRY(submit(work, kernels, 2, false, 0));
    PLN_TRY(use_stream(work, kernels, 2, 3));
    return submit(work, &out, 1, false, 0);
}

static void put_away(struct work *work)
{
    struct rig *rig = &work->rig;
    struct pln_diag quiet;
    pln_diag_init(&quiet);
    if (rig->queue) (void)rig->backend->sync(rig->queue, &quiet);
    if (work->stream && pln_cuda_enter(rig->device, &quiet) == PLN_OK) {
        (void)rig->device->driver->StreamDestroy(work->stream);
        pln_cuda_leave(rig->device);
    }
    if (work->recording) rig->backend->recording_destroy(rig->queue, work->recording);
    if (work->a) rig->backend->release(rig->device, work->a, 0);
    if (work->b) rig->backend->release(rig->device, work->b, 0);
    rig_deinit(rig);
}

/* Calls whose errors nobody is told: what they give back is gone anyway. */
static bool is_quiet(const char *call)
{
    static const char *const quiet[] = { "cuCtxPopCurrent",   "cuMemFree",       "cuMemFreeHost",        "cuDriverGetVersion", "cuStreamDestroy", "cuEventDestroy", "cuModuleUnload", "cuGraphDestroy",
                                         "cuGraphExecDestroy", "cuDeviceGetName", "cuDeviceTotalMem", "cuDevicePrimaryCtxRelease" };
    for (size_t i = 0; i < PLN_COUNT_OF(quiet); i++)
        if (strcmp(call, quiet[i]) == 0) return true;
    return false;
}

static enum pln_status attempt(struct work *work)
{
    memset(work, 0, sizeof *work);
    for (int i = 0; i < N; i++) work->values[i] = (float)i;
    enum pln_status status = use(work);
    if (status == PLN_OK)
        for (int i = 0; i < N / 2; i++)
            if (work->back[i] != work->values[2 * i] * 6) fail_msg("element %d is %g", i, (double)work->back[i]);
    return status;
}

static void every_call_fails(void **state)
{
    const struct fake_driver fake = fake_driver_get();
    static struct work work;
    (void)state;
    if (!fake.calls) skip();
    /* The driver is opened once a process; its own calls fail in tests/cuda/fail.sh. */
    assert_int_equal(attempt(&work), PLN_OK);
    put_away(&work);
    const long first = fake.calls();
    assert_int_equal(attempt(&work), PLN_OK);
    put_away(&work);
    const long calls = fake.calls() - first;
    assert_int_equal(fake.live(), 0);
    assert_true(calls > 50);
    for (long n = 1; n <= calls; n++) {
        fake.fail_at(n);
        enum pln_status status = attempt(&work);
        const bool failed_before = fake.failed() != NULL; /* else the call is one of those that put away */
        const char *text = work.rig.diag.count > 0 ? work.rig.diag.entries[0].text : "";
        if (failed_before && !is_quiet(fake.failed())) {
            if (status == PLN_OK) fail_msg("call %ld, %s, fails and nobody says so", n, fake.failed());
            if (text[0] == '\0') fail_msg("call %ld, %s, fails without a message", n, fake.failed());
            if (!strstr(text, fake.failed()) && !strstr(text, "memory")) fail_msg("call %ld, %s, fails with: %s", n, fake.failed(), text);
        } else if (status != PLN_OK) {
            fail_msg("call %ld, %s, makes the run fail: %s", n, failed_before ? fake.failed() : "none", text);
        }
        put_away(&work);
        assert_non_null(fake.failed());
        /* Without a context nothing can be given back: what a failed push leaves is the primary context's, whose end takes it. */
        if (fake.live() != 0 && strcmp(fake.failed(), "cuCtxPushCurrent") != 0) fail_msg("call %ld, %s, fails, and %ld things are lost", n, fake.failed(), fake.live());
        fake.forget();
        fake.fail_at(0);
    }
    assert_int_equal(attempt(&work), PLN_OK);
    put_away(&work);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
