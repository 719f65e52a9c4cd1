/* The CUDA device as the runtime sees it: opening, memory, code, queues, recordings, copies. Runs on the fake driver or on a real one. */
#define _GNU_SOURCE
#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend/cuda/code_cache.h"
#include "backend/cuda/device.h"
#include "tests/cuda/scale.h"

static void must(const struct rig *rig, enum pln_status status)
{
    if (status != PLN_OK) fail_msg("%s", rig->diag.count > 0 ? rig->diag.entries[0].text : pln_status_text(status));
}

static void says(struct rig *rig, enum pln_status got, enum pln_status want, const char *text)
{
    assert_int_equal(got, want);
    assert_true(rig->diag.count > 0);
    if (!strstr(rig->diag.entries[0].text, text)) fail_msg("'%s' does not say '%s'", rig->diag.entries[0].text, text);
    pln_diag_init(&rig->diag);
}

static void *device_floats(struct rig *rig, int64_t n)
{
    void *memory;
    must(rig, rig->backend->alloc(rig->device, (size_t)n * sizeof(float), "a test", &rig->diag, &memory));
    assert_int_equal((uintptr_t)memory % 256, 0);
    return memory;
}

static struct pln_tensor floats(void *data, int64_t n)
{
    struct pln_tensor tensor;
    pln_tensor_init(&tensor, PLN_F32, 1, &n, data);
    return tensor;
}

static void leave(struct rig *rig)
{
    const struct fake_driver fake = fake_driver_get();
    rig_deinit(rig);
    if (fake.live) assert_int_equal(fake.live(), 0);
}

/* ---- tests ---- */

static void opening(void **state)
{
    struct rig rig, second;
    struct pln_device_caps caps;
    (void)state;
    must(&rig, rig_init(&rig, 0));
    rig.backend->caps(rig.device, &caps);
    assert_true(caps.name[0] != '\0' && strncmp(caps.arch, "sm_", 3) == 0 && caps.features != 0 && caps.memory_bytes > 0 && !caps.host_memory);
    must(&second, rig_init(&second, 0)); /* another device of the same GPU: one primary context */
    rig_deinit(&second);
    says(&second, rig_init(&second, 99), PLN_DEVICE, "there is no cuda:99");
    rig_deinit(&second);
    leave(&rig);
}

static void two_gpus(void **state)
{
    const struct fake_driver fake = fake_driver_get();
    struct rig rig, second;
    float values[100], back[100];
    (void)state;
    if (!fake.live) return;
    setenv("FAKE_CUDA_GPUS", "2", 1);
    must(&rig, rig_init(&rig, 0));
    must(&second, rig_init(&second, 1));
    for (int i = 0; i < 100; i++) values[i] = (float)i;
    void *there = device_floats(&second, 100), *here = device_floats(&rig, 100);
    const struct pln_tensor host = floats(values, 100), device = floats(there, 100), result = floats(back, 100);
    struct scale_params params;
    struct pln_command commands[] = { copy_command(&second, &host, &device, true, false), scale_command(&second, &params, there, there, 100, 3), copy_command(&second, &device, &result, false, true) };
    must(&second, second.backend->submit(second.queue, commands, 3, NULL, 0, &second.diag));
    must(&second, second.backend->sync(second.queue, &second.diag));
    for (int i = 0; i < 100; i++) assert_true(back[i] == 3 * values[i]);
    rig.backend->release(rig.device, here, 400);
    second.backend->release(second.device, there, 400);
    rig_deinit(&second);
    setenv("FAKE_CUDA_GPUS", "1", 1);
    leave(&rig);
}

static void memory(void **state)
{
    const struct fake_driver fake = fake_driver_get();
    struct rig rig;
    void *blocks[50];
    (void)state;
    must(&rig, rig_init(&rig, 0));
    says(&rig, rig.backend->alloc(rig.device, (size_t)1 << 50, "a test", &rig.diag, &blocks[0]), PLN_NO_MEMORY, "a test needs 1125899906842624 bytes, and ");
    assert_null(blocks[0]);
    if (fake.fail_at) { /* what else the driver says is no want of memory */
        fake.fail_at(1);
        says(&rig, rig.backend->alloc(rig.device, 1, "a test", &rig.diag, &blocks[0]), PLN_DEVICE, "cuCtxPushCurrent failed with ");
        fake.fail_at(0);
    }
    for (size_t i = 0; i < PLN_COUNT_OF(blocks); i++) must(&rig, rig.backend->alloc(rig.device, 1 + i * 777, "a test", &rig.diag, &blocks[i]));
    for (size_t i = 0; i < PLN_COUNT_OF(blocks); i++) rig.backend->release(rig.device, blocks[i * 7 % 50], 0);
    rig.backend->release(rig.device, NULL, 0);
    leave(&rig);
}

/* What the driver would read behind the end of the image is refused before. */
static void forged_code(void **state)
{
    static const char *const source = "extern \"C\" __global__ void pln_entry(float *p) { *p = 0; }\n";
    struct rig rig;
    struct pln_device_code *loaded;
    void *image;
    size_t bytes;
    (void)state;
    must(&rig, rig_init(&rig, 0));
    must(&rig, rig.backend->compile(source, "sm_90a", NULL, &rig.diag, &image, &bytes));
    assert_true(pln_cuda_image_fits(image, bytes));
    for (size_t cut = 0; cut < bytes; cut += 1 + cut / 8) assert_false(pln_cuda_image_fits(image, cut));
    Elf64_Ehdr *head = image, whole = *head;
    Elf64_Shdr *section = (Elf64_Shdr *)((char *)image + head->e_shoff) + 1, own = *section;
#define REFUSED(what) (what), says(&rig, rig.backend->code_load(rig.device, image, bytes, &rig.diag, &loaded), PLN_BAD_PLAN, "reach behind"), *head = whole, *section = own
    REFUSED(head->e_shoff = bytes);
    REFUSED(head->e_shoff = UINT64_MAX);
    REFUSED(head->e_shnum = UINT16_MAX);
    REFUSED(head->e_shnum = 0);
    REFUSED(head->e_shstrndx = head->e_shnum);
    REFUSED(head->e_shentsize = 8);
    REFUSED((head->e_phnum = 1, head->e_phentsize = sizeof(Elf64_Phdr), head->e_phoff = bytes - 8));
    REFUSED(section->sh_size = UINT64_MAX);
    REFUSED(section->sh_offset = bytes);
    REFUSED(section->sh_link = head->e_shnum);
    REFUSED((section->sh_type = SHT_STRTAB, section->sh_size = 0));
#undef REFUSED
    must(&rig, rig.backend->code_load(rig.device, image, bytes, &rig.diag, &loaded));
    rig.backend->code_unload(rig.device, loaded);
    pln_free(NULL, image, bytes);
    leave(&rig);
}

static void code(void **state)
{
    struct rig rig;
    struct pln_device_code *loaded;
    uint64_t features;
    static const char garbage[256] = "this is no device code";
    (void)state;
    must(&rig, rig_init(&rig, 0));
    says(&rig, rig.backend->code_load(rig.device, garbage, sizeof garbage, &rig.diag, &loaded), PLN_BAD_PLAN, "no ELF file");
    assert_null(loaded);
    says(&rig, rig_load(&rig, "#include \"backend/cuda/device/prelude.cuh\"\nextern \"C\" __global__ void pln_entry(float *p) { *p = undeclared; }\n", &loaded), PLN_INTERNAL, "undeclared");
    says(&rig, rig_load(&rig, "extern \"C\" __global__ void other_entry(float *p) { *p = 0; }\n", &loaded), PLN_DEVICE, "cuModuleGetFunction");
    assert_true(rig.backend->arch_features("sm_90a", &features) && rig.backend->arch_features("sm_75", &features));
    assert_false(rig.backend->arch_features("sm_1", &features) || rig.backend->arch_features("sm_90b", &features) || rig.backend->arch_features("x", &features));
    static const char *const never[] = { "sm_090", "sm_ 90", "sm_+90", "sm_80a", "sm_100a", "sm_90a ", "sm_90aa" }; /* no GPU calls itself so */
    for (size_t i = 0; i < PLN_COUNT_OF(never); i++) assert_false(rig.backend->arch_features(never[i], &features));
    assert_true(rig.backend->arch_features("sm_90", &features) && rig.backend->arch_features("sm_120", &features));
    assert_int_equal(rig.backend->code_key(), rig.backend->code_key());
    leave(&rig);
}

/* Compiled once for each source and architecture; the copies are the caller's. */
static void kept_code(void **state)
{
    struct rig rig;
    struct pln_device_caps caps;
    void *first, *second;
    size_t first_bytes, second_bytes, codes;
    uint64_t before, after;
    static const char source[] = "extern \"C\" __global__ void pln_entry(float *p) { *p = 7; }\n";
    (void)state;
    must(&rig, rig_init(&rig, 0));
    rig.backend->caps(rig.device, &caps);
    must(&rig, rig.backend->compile(source, caps.arch, NULL, &rig.diag, &first, &first_bytes));
    pln_cuda_code_cache_count(&codes, &before);
    must(&rig, rig.backend->compile(source, caps.arch, NULL, &rig.diag, &second, &second_bytes));
    pln_cuda_code_cache_count(&codes, &after);
    assert_int_equal(after, before + 1);
    assert_int_equal(first_bytes, second_bytes);
    assert_memory_equal(first, second, first_bytes);
    pln_free(NULL, first, first_bytes);
    pln_free(NULL, second, second_bytes);
    must(&rig, rig.backend->compile(source, strcmp(caps.arch, "sm_75") == 0 ? "sm_80" : "sm_75", NULL, &rig.diag, &first, &first_bytes));
    pln_cuda_code_cache_count(&codes, &before);
    assert_int_equal(after, before);
    pln_free(NULL, first, first_bytes);
    leave(&rig);
}

/* What is not asked for goes when there is no more room. */
static void most_code(void **state)
{
    enum { BYTES = 12 << 20, MOST = (int)(PLN_CUDA_CODE_CACHE_BYTES / BYTES) };
    char name[2] = "a";
    void *out;
    size_t bytes, codes;
    uint64_t hits;
    char *code = calloc(1, PLN_CUDA_CODE_CACHE_BYTES / 2);
    (void)state;
    assert_non_null(code);
    for (int i = 0; i < 2 * MOST; i++, name[0]++) {
        code[BYTES - 1] = name[0];
        pln_cuda_code_cache_put(name, "sm_0", code, BYTES);
        assert_int_equal(pln_cuda_code_cache_get("a", "sm_0", NULL, NULL, &out, &bytes), PLN_OK); /* this one is */
        assert_int_equal(((char *)out)[BYTES - 1], 'a');
        pln_free(NULL, out, bytes);
    }
    pln_cuda_code_cache_count(&codes, &hits);
    assert_true(codes <= MOST);
    assert_int_equal(pln_cuda_code_cache_get("b", "sm_0", NULL, NULL, &out, &bytes), PLN_NOT_FOUND);
    assert_null(out);
    name[0]--;
    assert_int_equal(pln_cuda_code_cache_get(name, "sm_0", NULL, NULL, &out, &bytes), PLN_OK);
    pln_free(NULL, out, bytes);
    pln_cuda_code_cache_put("too large", "sm_0", code, PLN_CUDA_CODE_CACHE_BYTES / 2);
    assert_int_equal(pln_cuda_code_cache_get("too large", "sm_0", NULL, NULL, &out, &bytes), PLN_NOT_FOUND);
    free(code);
}

/* What scale makes of n values, submitted as is and as a recording, again and again. */
static void runs(void **state)
{
    struct rig rig;
    (void)state;
    must(&rig, rig_init(&rig, 0));
    static const int64_t sizes[] = { 0, 1, 63, 64, 65, 1000, 20000 };
    float *values = malloc(20000 * sizeof(float)), *back = malloc(20000 * sizeof(float));
    void *a = device_floats(&rig, 20000), *b = device_floats(&rig, 20000);
    for (int i = 0; i < 20000; i++) values[i] = (float)(i % 1000);
    for (size_t s = 0; s < PLN_COUNT_OF(sizes); s++)
        for (int recorded = 0; recorded < 2; recorded++) {
            const int64_t n = sizes[s];
            const struct pln_tensor host = floats(values, n), from = floats(a, n), to = floats(b, n), result = floats(back, n);
            struct scale_params first, second;
            struct pln_recording *recording = NULL;
            struct pln_command commands[] = { copy_command(&rig, &host, &from, true, false), scale_command(&rig, &first, a, b, n, 2), scale_command(&rig, &second, b, b, n, -1),
                                              copy_command(&rig, &to, &result, false, true) };
            for (int again = 0; again < 3; again++) {
                memset(back, 0, 20000 * sizeof(float));
                must(&rig, rig.backend->submit(rig.queue, commands, 4, recorded ? &recording : NULL, 1, &rig.diag));
                must(&rig, rig.backend->sync(rig.queue, &rig.diag));
                for (int64_t i = 0; i < n; i++) assert_true(back[i] == -2 * values[i]);
            }
            rig.backend->recording_destroy(rig.queue, recording);
        }
    must(&rig, rig.backend->submit(rig.queue, NULL, 0, NULL, 0, &rig.diag));
    must(&rig, rig.backend->sync(rig.queue, &rig.diag));
    rig.backend->release(rig.device, a, 0);
    rig.backend->release(rig.device, b, 0);
    free(values);
    free(back);
    leave(&rig);
}

/* Several submissions between two syncs, each reading what the one before wrote; the recording is used twice without a sync. */
static void many_submissions(void **state)
{
    struct rig rig;
    enum { N = 300, ROUNDS = 20 };
    float values[N], back[N];
    (void)state;
    must(&rig, rig_init(&rig, 0));
    void *a = device_floats(&rig, N);
    for (int i = 0; i < N; i++) values[i] = (float)i;
    const struct pln_tensor host = floats(values, N), device = floats(a, N), result = floats(back, N);
    struct scale_params params;
    struct pln_recording *recording = NULL;
    struct pln_command in = copy_command(&rig, &host, &device, true, false), out = copy_command(&rig, &device, &result, false, true), scale = scale_command(&rig, &params, a, a, N, 2);
    must(&rig, rig.backend->submit(rig.queue, &in, 1, NULL, 0, &rig.diag));
    for (int round = 0; round < ROUNDS; round++) must(&rig, rig.backend->submit(rig.queue, &scale, 1, &recording, 1, &rig.diag));
    must(&rig, rig.backend->submit(rig.queue, &out, 1, NULL, 0, &rig.diag));
    must(&rig, rig.backend->sync(rig.queue, &rig.diag));
    for (int i = 0; i < N; i++) assert_true(back[i] == values[i] * (1 << ROUNDS));
    rig.backend->recording_destroy(rig.queue, recording);
    rig.backend->release(rig.device, a, 0);
    leave(&rig);
}

/* A recording whose version, extents, addresses and kernels change: results are those of the commands as they are now, and graphs are captured seldom. */
static void changing_recordings(void **state)
{
    const struct fake_driver fake = fake_driver_get();
    struct rig rig;
    enum { N = 5000, VERSIONS = 200 };
    float *values = malloc(N * sizeof(float)), *back = malloc(N * sizeof(float));
    (void)state;
    must(&rig, rig_init(&rig, 0));
    void *memory[3] = { device_floats(&rig, N), device_floats(&rig, N), device_floats(&rig, N) };
    struct pln_recording *recording = NULL;
    const long before = fake.count ? fake.count("cuGraphInstantiateWithFlags") : 0;
    for (int i = 0; i < N; i++) values[i] = (float)(i % 100);
    for (uint64_t version = 1; version <= VERSIONS; version++) {
        const int64_t n = version % 5 == 0 ? 0 : (int64_t)(version * 977 % N) + 1;
        void *a = memory[version % 3], *b = memory[(version / 3 + version + 1) % 3];
        struct scale_params params[2];
        const struct pln_tensor host = floats(values, n), from = floats(a, n), to = floats(b, n), result = floats(back, n);
        struct pln_command in = copy_command(&rig, &host, &from, true, false), out = copy_command(&rig, &to, &result, false, true);
        struct pln_command kernels[] = { scale_command(&rig, &params[0], a, b, n, (float)(version % 7)), scale_command(&rig, &params[1], b, b, n, 0.5f) };
        for (int again = 0; again < 2; again++) {
            must(&rig, rig.backend->submit(rig.queue, &in, 1, NULL, 0, &rig.diag));
            must(&rig, rig.backend->submit(rig.queue, kernels, 2, &recording, version, &rig.diag));
            must(&rig, rig.backend->submit(rig.queue, &out, 1, NULL, 0, &rig.diag));
            must(&rig, rig.backend->sync(rig.queue, &rig.diag));
            for (int64_t i = 0; i < n; i++) assert_true(back[i] == values[i] * (float)(version % 7) * 0.5f);
        }
    }
    if (fake.count) assert_in_range(fake.count("cuGraphInstantiateWithFlags") - before, 1, 6);
    rig.backend->recording_destroy(rig.queue, recording);
    for (int i = 0; i < 3; i++) rig.backend->release(rig.device, memory[i], 0);
    free(values);
    free(back);
    leave(&rig);
}

/* Dynamic shared memory beyond what a kernel gets without asking. */
static void shared_memory(void **state)
{
    struct rig rig;
    enum { N = 1000 };
    float values[N], back[N];
    (void)state;
    must(&rig, rig_init(&rig, 0));
    void *a = device_floats(&rig, N);
    for (int i = 0; i < N; i++) values[i] = (float)i;
    const struct pln_tensor host = floats(values, N), device = floats(a, N), result = floats(back, N);
    static const uint32_t bytes[] = { 256, 49152, 49156, 60000 };
    for (size_t k = 0; k < PLN_COUNT_OF(bytes); k++)
        for (int recorded = 0; recorded < 2; recorded++) {
            struct scale_params params;
            struct pln_recording *recording = NULL;
            struct pln_command in = copy_command(&rig, &host, &device, true, false), out = copy_command(&rig, &device, &result, false, true), scale = scale_command(&rig, &params, a, a, N, 1);
            params.shared_floats = bytes[k] / 4;
            scale.prepared.block_bytes = bytes[k];
            must(&rig, rig.backend->submit(rig.queue, &in, 1, NULL, 0, &rig.diag));
            must(&rig, rig.backend->submit(rig.queue, &scale, 1, recorded ? &recording : NULL, 1, &rig.diag));
            must(&rig, rig.backend->submit(rig.queue, &out, 1, NULL, 0, &rig.diag));
            must(&rig, rig.backend->sync(rig.queue, &rig.diag));
            for (int i = 0; i < N; i++) assert_true(back[i] == values[i]);
            rig.backend->recording_destroy(rig.queue, recording);
        }
    rig.backend->release(rig.device, a, 0);
    leave(&rig);
}

/* Launches of one code, much memory before less; then of another code in the same recording, as much as the one before. */
static void shared_memory_of_many(void **state)
{
    struct rig rig, second;
    enum { N = 1000 };
    float values[N], back[N];
    (void)state;
    must(&rig, rig_init(&rig, 0));
    must(&second, rig_init(&second, 0)); /* for its code, which is loaded for itself */
    void *a = device_floats(&rig, N);
    for (int i = 0; i < N; i++) values[i] = (float)i;
    const struct pln_tensor host = floats(values, N), device = floats(a, N), result = floats(back, N);
    static const uint32_t bytes[] = { 60000, 50000 };
    for (int recorded = 0; recorded < 2; recorded++) {
        struct scale_params params[2];
        struct pln_recording *recording = NULL;
        struct pln_command scale[2], in = copy_command(&rig, &host, &device, true, false), out = copy_command(&rig, &device, &result, false, true);
        for (uint64_t version = 1; version < 3; version++) {
            for (int k = 0; k < 2; k++) {
                scale[k] = scale_command(version == 1 ? &rig : &second, &params[k], a, a, N, 2);
                params[k].shared_floats = bytes[k] / 4;
                scale[k].prepared.block_bytes = bytes[k];
            }
            must(&rig, rig.backend->submit(rig.queue, &in, 1, NULL, 0, &rig.diag));
            must(&rig, rig.backend->submit(rig.queue, scale, 2, recorded ? &recording : NULL, version, &rig.diag));
            must(&rig, rig.backend->submit(rig.queue, &out, 1, NULL, 0, &rig.diag));
            must(&rig, rig.backend->sync(rig.queue, &rig.diag));
            for (int i = 0; i < N; i++) assert_true(back[i] == 4 * values[i]);
        }
        rig.backend->recording_destroy(rig.queue, recording);
    }
    rig.backend->release(rig.device, a, 0);
    rig_deinit(&second);
    leave(&rig);
}

/* A kernel's fault is the run's error, once. */
static void faults(void **state)
{
    struct rig rig;
    (void)state;
    must(&rig, rig_init(&rig, 0));
    void *a = device_floats(&rig, 100);
    for (int recorded = 0; recorded < 2; recorded++) {
        struct scale_params params[3];
        struct pln_recording *recording = NULL;
        struct pln_command kernels[] = { scale_command(&rig, &params[0], a, a, 100, 1), scale_command(&rig, &params[1], a, a, 100, 1), scale_command(&rig, &params[2], a, a, 100, 1) };
        params[1].code = 7;
        for (uint64_t version = 1; version < 3; version++) {
            must(&rig, rig.backend->submit(rig.queue, kernels, 3, recorded ? &recording : NULL, version, &rig.diag));
            says(&rig, rig.backend->sync(rig.queue, &rig.diag), PLN_INVALID_ARGUMENT, "the value is not seven");
            must(&rig, rig.backend->sync(rig.queue, &rig.diag));
        }
        params[1].code = 0;
        must(&rig, rig.backend->submit(rig.queue, kernels, 3, recorded ? &recording : NULL, 3, &rig.diag));
        must(&rig, rig.backend->sync(rig.queue, &rig.diag));
        rig.backend->recording_destroy(rig.queue, recording);
    }
    rig.backend->release(rig.device, a, 0);
    leave(&rig);
}

/* ---- strided copies ---- */

static uint64_t random_state = 7;

static int64_t random_below(int64_t n)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u; /* Knuth's MMIX generator */
    return (int64_t)(random_state >> 33) % n;
}

/* Bytes of a random layout: axes in any order, gaps, and falling addresses along some; data is set to its first element. */
static size_t random_layout(struct pln_tensor *tensor, bool dense, uint8_t *memory)
{
    const size_t elem_bytes = (size_t)pln_dtype_bits(tensor->dtype) / 8;
    int order[PLN_MAX_RANK];
    int64_t stride = 1, span = 1, first = 0;
    pln_tensor_set_contiguous(tensor);
    tensor->data = memory;
    if (dense) return pln_tensor_bytes(tensor);
    for (int i = 0; i < tensor->rank; i++) order[i] = i;
    for (int i = tensor->rank - 1; i > 0; i--) {
        const int k = (int)random_below(i + 1), kept = order[i];
        order[i] = order[k];
        order[k] = kept;
    }
    for (int i = tensor->rank - 1; i >= 0; i--) {
        const int d = order[i];
        if (random_below(3) == 0) stride += random_below(4);
        const bool falling = random_below(4) == 0;
        tensor->strides[d] = falling ? -stride : stride;
        if (tensor->dims[d] > 0) span += (tensor->dims[d] - 1) * stride;
        if (falling && tensor->dims[d] > 0) first += (tensor->dims[d] - 1) * stride;
        stride *= PLN_MAX(tensor->dims[d], 1);
    }
    tensor->data = memory + (size_t)first * elem_bytes;
    return (size_t)span * elem_bytes;
}

/* Host to device to device to host, each of the four with strides of its own; bytes between elements stay. */
static void one_copy(struct rig *rig, enum pln_dtype dtype, int rank, const int64_t *dims, bool dense)
{
    struct pln_tensor tensors[4];
    enum { ROOM = 1 << 18 };
    static uint8_t memory[2][ROOM], want[ROOM];
    for (size_t i = 0; i < ROOM; i++) memory[0][i] = (uint8_t)random_below(256);
    memset(memory[1], 0xab, ROOM);
    memset(want, 0xab, ROOM);
    void *device[2];
    for (int i = 0; i < 2; i++) must(rig, rig->backend->alloc(rig->device, ROOM, "a test", &rig->diag, &device[i]));
    for (int i = 0; i < 4; i++) {
        pln_tensor_init(&tensors[i], dtype, rank, dims, NULL);
        size_t bytes = random_layout(&tensors[i], dense, i == 0 ? memory[0] : i == 3 ? memory[1] : device[i - 1]);
        assert_true(bytes <= ROOM);
    }
    struct pln_command commands[] = { copy_command(rig, &tensors[0], &tensors[1], true, false), copy_command(rig, &tensors[1], &tensors[2], false, false),
                                      copy_command(rig, &tensors[2], &tensors[3], false, true) };
    struct pln_tensor expected = tensors[3];
    expected.data = want + ((uint8_t *)tensors[3].data - memory[1]);
    pln_tensor_copy(&tensors[0], &expected);
    must(rig, rig->backend->submit(rig->queue, commands, 3, NULL, 0, &rig->diag));
    must(rig, rig->backend->sync(rig->queue, &rig->diag));
    assert_memory_equal(memory[1], want, ROOM);
    for (int i = 0; i < 2; i++) rig->backend->release(rig->device, device[i], ROOM);
}

static void copies(void **state)
{
    struct rig rig;
    (void)state;
    must(&rig, rig_init(&rig, 0));
    static const enum pln_dtype types[] = { PLN_U8, PLN_F16, PLN_F32, PLN_I64 };
    static const int64_t shapes[][5] = { { 0, 1, 1, 1, 1 }, { 1, 1, 1, 1, 1 }, { 3, 5, 7, 2, 3 }, { 17, 1, 13, 1, 2 }, { 4, 0, 3, 2, 1 }, { 2, 3, 4, 5, 6 }, { 31, 33, 2, 1, 1 } };
    for (size_t t = 0; t < PLN_COUNT_OF(types); t++)
        for (size_t s = 0; s < PLN_COUNT_OF(shapes); s++)
            for (int rank = 0; rank <= 5; rank++)
                for (int dense = 0; dense < 2; dense++)
                    if (!dense || rank == 3) one_copy(&rig, types[t], rank, shapes[s], dense != 0);
    leave(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opening),          cmocka_unit_test(two_gpus),      cmocka_unit_test(memory), cmocka_unit_test(code), cmocka_unit_test(forged_code),   cmocka_unit_test(runs),
        cmocka_unit_test(kept_code),        cmocka_unit_test(most_code),
        cmocka_unit_test(many_submissions), cmocka_unit_test(changing_recordings), cmocka_unit_test(shared_memory), cmocka_unit_test(shared_memory_of_many), cmocka_unit_test(faults), cmocka_unit_test(copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
