/* The fake GPU itself: what it computes is what a GPU does, and what a GPU would not survive, or would compute by luck, is found out. */
#define _GNU_SOURCE
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/cuda/scale.h"

enum { N = 1024, BLOCKS = 3 };

static const char front[] = "#include \"backend/cuda/device/prelude.cuh\"\n"
                            "struct params { struct pln_cuda_head head; float *from; float *out; };\n"
                            "extern \"C\" __global__ void pln_entry(const struct params *p)\n";

struct two_params {
    struct pln_cuda_head head;
    uint64_t from, to;
};

static const struct pln_kernel_family family = { .name = "two", .state_bytes = sizeof(struct two_params), .packed_input = -1 };
static const struct pln_kernel kernel = { .name = "two_test", .op = PLN_OP_IDENTITY, .family = &family };

/* The body of a kernel over `out`, N floats, NaN before; 96 threads a block. "": all went well. */
static const char *run_body(const char *body, uint32_t block_bytes, float *out)
{
    static char source[8192], text[2048];
    struct rig rig;
    struct pln_device_code *code = NULL;
    struct two_params params = { .from = 0 };
    const int64_t n = N;
    struct pln_tensor device, host;
    snprintf(source, sizeof source, "%s%s", front, body);
    enum pln_status status = rig_init(&rig, 0);
    if (status == PLN_OK) status = rig_load(&rig, source, &code);
    void *memory = NULL;
    if (status == PLN_OK) status = rig.backend->alloc(rig.device, N * sizeof(float), "a test", &rig.diag, &memory);
    if (memory != NULL) {
        params.from = params.to = (uint64_t)(uintptr_t)memory;
        pln_tensor_init(&device, PLN_F32, 1, &n, memory);
        pln_tensor_init(&host, PLN_F32, 1, &n, out);
        struct pln_command commands[] = { { .kind = PLN_COMMAND_LAUNCH, .kernel = &kernel, .code = code, .state = &params, .prepared = { .n_tasks = BLOCKS, .grain = 1, .block_threads = 96, .block_bytes = block_bytes } },
                                          copy_command(&rig, &device, &host, false, true) };
        status = rig.backend->submit(rig.queue, commands, 2, NULL, 0, &rig.diag);
        if (status == PLN_OK) status = rig.backend->sync(rig.queue, &rig.diag);
        rig.backend->release(rig.device, memory, 0);
    }
    snprintf(text, sizeof text, "%s", status == PLN_OK ? "" : rig.diag.count > 0 ? rig.diag.entries[0].text : "no message");
    if (code != NULL) rig.backend->code_unload(rig.device, code);
    rig_deinit(&rig);
    return text;
}

static void runs(const char *body, uint32_t block_bytes, float *out)
{
    const char *text = run_body(body, block_bytes, out);
    if (*text != '\0') fail_msg("%s", text);
}

/* A child whose signals are not cmocka's. */
static pid_t start_child(void)
{
    static const int signals[] = { SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE };
    const pid_t child = fork();
    for (size_t i = 0; child == 0 && i < PLN_COUNT_OF(signals); i++) signal(signals[i], SIG_DFL);
    return child;
}

/* The body ends the program, with a message. */
static void dies(const char *body, uint32_t block_bytes, const char *message)
{
    int ends[2], state;
    char said[4096] = "";
    size_t n = 0;
    assert_int_equal(pipe(ends), 0);
    const pid_t child = start_child();
    if (child == 0) {
        float out[N];
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        (void)run_body(body, block_bytes, out);
        _exit(0);
    }
    close(ends[1]);
    for (ssize_t got; n < sizeof said - 1 && (got = read(ends[0], said + n, sizeof said - 1 - n)) > 0;) n += (size_t)got;
    close(ends[0]);
    assert_int_equal(waitpid(child, &state, 0), child);
    if (WIFEXITED(state) && WEXITSTATUS(state) == 0) fail_msg("nothing happened, not '%s'", message);
    if (strstr(said, message) == NULL) fail_msg("'%s' does not say '%s'", said, message);
}

/* ---- tests ---- */

static void indices(void **state)
{
    float out[N];
    (void)state;
    runs("{ p->out[blockIdx.x * 96 + threadIdx.x] = blockDim.x * 10000 + gridDim.x * 1000 + (blockIdx.x * 96 + threadIdx.x); }\n", 0, out);
    for (int i = 0; i < BLOCKS * 96; i++) assert_true(out[i] == (float)(960000 + BLOCKS * 1000 + i));
    for (int i = BLOCKS * 96; i < N; i++) assert_true(isnan(out[i])); /* new memory */
}

static void exchanges(void **state)
{
    float out[N];
    (void)state;
    runs("{ const int t = threadIdx.x; const float v = t;\n"
         "  float *to = p->out + t;\n"
         "  if (blockIdx.x != 0) return;\n"
         "  to[0] = __shfl_xor_sync(0xffffffffu, v, 5);\n"
         "  to[96] = __shfl_sync(0xffffffffu, v, 3);\n"
         "  to[192] = __shfl_down_sync(0xffffffffu, v, 4);\n"
         "  to[288] = __shfl_up_sync(0xffffffffu, v, 4);\n"
         "  to[384] = __shfl_xor_sync(0xffffffffu, v, 12, 8);\n"
         "  to[480] = __shfl_sync(0xffffffffu, v, 9, 8);\n"
         "  to[576] = __shfl_down_sync(0xffffffffu, v, 3, 16);\n"
         "  to[672] = (float)(__ballot_sync(0xffffffffu, t % 5 == 0) & 0xffffffu);\n"
         "  to[768] = t % 32 < 16 ? __shfl_xor_sync(0x0000ffffu, v, 1) : __shfl_xor_sync(0xffff0000u, v, 2);\n"
         "  float sum = v;\n"
         "  for (int d = 16; d > 0; d /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, d);\n"
         "  if (t < 96) to[864] = sum; }\n",
         0, out);
    for (int t = 0; t < 96; t++) {
        const int lane = t % 32, warp = t - lane, eight = lane & ~7, half = lane & ~15;
        unsigned votes = 0;
        for (int k = 0; k < 24; k++) votes |= (unsigned)((warp + k) % 5 == 0) << k;
        assert_true(out[t] == (float)(t ^ 5));
        assert_true(out[96 + t] == (float)(warp + 3));
        assert_true(out[192 + t] == (float)(lane + 4 < 32 ? t + 4 : t));
        assert_true(out[288 + t] == (float)(lane - 4 >= 0 ? t - 4 : t));
        /* PTX ISA, "shfl": a source beyond the end of the lane's part gives the lane's own value, one in front of it is taken. */
        const int flipped = lane ^ 12;
        assert_true(out[384 + t] == (float)(flipped > (eight | 7) ? t : warp + flipped));
        assert_true(out[480 + t] == (float)(warp + eight + 1));
        assert_true(out[576 + t] == (float)(lane + 3 < half + 16 ? t + 3 : t));
        assert_true(out[672 + t] == (float)votes);
        assert_true(out[768 + t] == (float)(lane < 16 ? t ^ 1 : t ^ 2));
        assert_true(out[864 + t] == (float)(32 * warp + 496));
    }
}

static void shared(void **state)
{
    float out[N];
    (void)state;
    runs("{ __shared__ float a[96]; PLN_DYNAMIC_SHARED(float, b);\n"
         "  const int t = threadIdx.x;\n"
         "  a[t] = t; b[95 - t] = 100 * blockIdx.x;\n"
         "  __syncthreads();\n"
         "  const float v = a[95 - t] + b[t];\n"
         "  const int n = __syncthreads_count(t % 2), any = __syncthreads_or(t == 95), all = __syncthreads_and(t < 95);\n"
         "  p->out[blockIdx.x * 96 + t] = v + (n == 48 && any && !all ? 0 : 5000); }\n",
         96 * 4, out);
    for (int i = 0; i < BLOCKS * 96; i++) assert_true(out[i] == (float)(95 - i % 96 + i / 96 * 100));
    /* Shared memory is NaN at first, in every block; and what is read without a barrier is not there in one order or the other. */
    runs("{ __shared__ float a[96]; PLN_DYNAMIC_SHARED(float, b);\n"
         "  const int t = threadIdx.x;\n"
         "  p->out[blockIdx.x * 192 + t] = a[t] + b[t];\n"
         "  __syncthreads();\n"
         "  a[t] = t; b[t] = t;\n"
         "  p->out[blockIdx.x * 192 + 96 + t] = a[95 - t]; }\n",
         96 * 4, out);
    for (int block = 0; block < BLOCKS; block++) {
        int missing = 0;
        for (int t = 0; t < 96; t++) {
            assert_true(isnan(out[block * 192 + t]));
            missing += isnan(out[block * 192 + 96 + t]) != 0;
        }
        assert_true(missing > 0);
    }
}

static void numbers(void **state)
{
    float out[N];
    (void)state;
    runs("{ if (blockIdx.x != 0 || threadIdx.x != 0) return;\n"
         "  float *to = p->out;\n"
         "  *to++ = pln_f16_to_f32(0x3c01) - 1; *to++ = pln_f16_to_f32(1) * 16777216; *to++ = pln_f32_to_f16(65519); *to++ = pln_f32_to_f16(65520);\n"
         "  *to++ = pln_f32_to_bf16(1.00390625f); *to++ = pln_f32_to_bf16(1.01171875f); *to++ = rsqrtf(0.25f); *to++ = min(3, 2) + max(2.5f, 1.0f);\n"
         "  *to++ = __float2int_rn(2.5f); *to++ = __float2int_rz(-1e20f); *to++ = __float2int_rz(__uint_as_float(0x7fc00000));\n"
         "  int n = 5; *to++ = atomicAdd(&n, 3) * 10 + n; *to++ = __popc(0xff) + __clz(1) + __ffs(8); *to++ = fmaf(3, 4, 5); }\n",
         0, out);
    static const float want[] = { 0x1p-10f, 1, 31743, 31744, 16256, 16258, 2, 4.5f, 2, -2147483648.0f, 0, 58, 43, 17 };
    for (size_t i = 0; i < PLN_COUNT_OF(want); i++)
        if (out[i] != want[i]) fail_msg("number %zu is %g, not %g", i, (double)out[i], (double)want[i]);
}

static void faults(void **state)
{
    (void)state;
    dies("{ if (threadIdx.x == 7) p->out[1024] = 1; }\n", 0, "thread 7 of block");
    dies("{ if (threadIdx.x == 7) p->out[-512] = 1; }\n", 0, "touches");
    dies("{ if (threadIdx.x == 7) p->out[0] = p->out[-512]; }\n", 0, "touches");
    dies("{ PLN_DYNAMIC_SHARED(float, b); b[threadIdx.x] = 1; }\n", 95 * 4, "dynamic shared memory");
    dies("{ PLN_DYNAMIC_SHARED(float, b); b[threadIdx.x + 96] = 1; }\n", 96 * 4, "touches");
    dies("{ if (threadIdx.x == 40) return; __syncthreads(); }\n", 0, "threads are apart");
    dies("{ if (threadIdx.x < 32) __syncthreads(); }\n", 0, "threads are apart");
    dies("{ if (threadIdx.x < 32) {\n __syncthreads(); } else {\n __syncthreads(); } }\n", 0, "threads are apart");
    dies("{ if (threadIdx.x % 2) __syncwarp(); }\n", 0, "threads are apart");
    dies("{ if (threadIdx.x == 3) __shfl_xor_sync(0xfffffff0u, 1.0f, 1); }\n", 0, "which lacks it");
    dies("{ __trap(); }\n", 0, "__trap");
    assert_non_null(strstr(run_body("{ atomicAdd(p->out, 1.0f); }\n", 0, (float[N]){ 0 }), "atomic on a float"));
}

/* Device memory is not the host's. */
static void host_touches(void **state)
{
    struct rig rig;
    int ended;
    (void)state;
    assert_int_equal(rig_init(&rig, 0), PLN_OK);
    void *place;
    assert_int_equal(rig.backend->alloc(rig.device, 400, "a test", &rig.diag, &place), PLN_OK);
    volatile float *memory = place;
    const pid_t child = start_child();
    if (child == 0) {
        if (freopen("/dev/null", "w", stderr) == NULL) _exit(0);
        memory[3] = 1;
        _exit(0);
    }
    assert_int_equal(waitpid(child, &ended, 0), child);
    assert_false(WIFEXITED(ended) && WEXITSTATUS(ended) == 0);
    rig.backend->release(rig.device, (void *)(uintptr_t)memory, 400);
    rig_deinit(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(indices), cmocka_unit_test(exchanges), cmocka_unit_test(shared), cmocka_unit_test(numbers), cmocka_unit_test(faults), cmocka_unit_test(host_touches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
