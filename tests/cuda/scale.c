#define _GNU_SOURCE
#include "tests/cuda/scale.h"

#include <dlfcn.h>

#include "backend/cuda/nvrtc.h"

#define THREADS 64

static const char source[] = "#include \"backend/cuda/device/prelude.cuh\"\n"
                             "struct params {\n"
                             "    struct pln_cuda_head head;\n"
                             "    const float *from;\n"
                             "    float *to;\n"
                             "    int64_t n;\n"
                             "    float factor;\n"
                             "    uint32_t code;\n"
                             "    int64_t shared_floats;\n"
                             "};\n"
                             "extern \"C\" __global__ void __launch_bounds__(64) pln_entry(const struct params *p)\n"
                             "{\n"
                             "    PLN_DYNAMIC_SHARED(float, kept);\n"
                             "    for (int64_t task = blockIdx.x; task < p->head.n_tasks; task += gridDim.x) {\n"
                             "        const int64_t i = task * 64 + threadIdx.x;\n"
                             "        float value = i < p->n ? p->from[i] : 0;\n"
                             "        if (p->shared_floats > 0) {\n"
                             "            const int64_t base = p->shared_floats - 64;\n"
                             "            __syncthreads();\n"
                             "            kept[base + threadIdx.x] = value;\n"
                             "            __syncthreads();\n"
                             "            value = kept[base + (threadIdx.x ^ 1)];\n"
                             "            value = __shfl_xor_sync(0xffffffffu, value, 1);\n"
                             "        }\n"
                             "        if (i < p->n) p->to[i] = value * p->factor;\n"
                             "        if (i == 0 && p->code != 0) pln_fault(&p->head, p->code);\n"
                             "    }\n"
                             "}\n";

static const char *fault(const void *state, uint64_t code)
{
    (void)state;
    return code == 7 ? "the value is not seven" : "an unknown code";
}

static const struct pln_kernel_family family = { .name = "scale", .state_bytes = sizeof(struct scale_params), .fault = fault, .packed_input = -1 };

const struct pln_kernel scale_kernel = { .name = "scale_f32_test", .op = PLN_OP_IDENTITY, .family = &family };

enum pln_status rig_load(struct rig *rig, const char *text, struct pln_device_code **out_code)
{
    struct pln_device_caps caps;
    void *code;
    size_t code_bytes;
    *out_code = NULL;
    rig->backend->caps(rig->device, &caps);
    PLN_TRY(rig->backend->compile(text, caps.arch, NULL, &rig->diag, &code, &code_bytes));
    enum pln_status status = rig->backend->code_load(rig->device, code, code_bytes, &rig->diag, out_code);
    pln_free(NULL, code, code_bytes);
    return status;
}

static enum pln_status load_copy(struct rig *rig, enum pln_dtype dtype, struct pln_device_code **out_code)
{
    struct pln_text text;
    const struct pln_operand operand = { .present = true, .dtype = dtype, .rank = -1 };
    const struct pln_problem problem = { .op = PLN_OP_IDENTITY, .n_inputs = 1, .n_outputs = 1, .inputs = &operand, .outputs = &operand };
    pln_text_init(&text, NULL);
    enum pln_status status = rig->backend->copy->family->emit(rig->backend->copy, &problem, &rig->diag, &text);
    if (status == PLN_OK) status = rig_load(rig, text.data, out_code);
    pln_text_deinit(&text);
    return status;
}

enum pln_status rig_init(struct rig *rig, int ordinal)
{
    int ignored;
    const struct pln_device_options options = { .alloc = NULL };
    memset(rig, 0, sizeof *rig);
    pln_diag_init(&rig->diag);
    PLN_TRY(pln_backend_find("cuda", &rig->diag, &rig->backend, &ignored));
    PLN_TRY(rig->backend->open(ordinal, &options, &rig->diag, &rig->device));
    PLN_TRY(rig->backend->queue_create(rig->device, &rig->diag, &rig->queue));
    PLN_TRY(rig_load(rig, source, &rig->scale));
    static const enum pln_dtype types[] = { PLN_U8, PLN_U16, PLN_U32, PLN_U64 };
    for (size_t i = 0; i < PLN_COUNT_OF(types); i++) PLN_TRY(load_copy(rig, types[i], &rig->copy[i]));
    return PLN_OK;
}

void rig_deinit(struct rig *rig)
{
    for (size_t i = 0; i < PLN_COUNT_OF(rig->copy); i++)
        if (rig->copy[i]) rig->backend->code_unload(rig->device, rig->copy[i]);
    if (rig->scale) rig->backend->code_unload(rig->device, rig->scale);
    if (rig->queue) rig->backend->queue_destroy(rig->queue);
    if (rig->device) rig->backend->close(rig->device);
    memset(rig->copy, 0, sizeof rig->copy);
    rig->scale = NULL;
    rig->queue = NULL;
    rig->device = NULL;
}

struct pln_command scale_command(const struct rig *rig, struct scale_params *state, const void *from, void *to, int64_t n, float factor)
{
    *state = (struct scale_params){ .from = (uint64_t)(uintptr_t)from, .to = (uint64_t)(uintptr_t)to, .n = n, .factor = factor };
    return (struct pln_command){ .kind = PLN_COMMAND_LAUNCH,
                                 .kernel = &scale_kernel,
                                 .code = rig->scale,
                                 .state = state,
                                 .prepared = { .n_tasks = (n + THREADS - 1) / THREADS, .grain = 1, .block_threads = THREADS } };
}

struct pln_command copy_command(const struct rig *rig, const struct pln_tensor *from, const struct pln_tensor *to, bool from_host, bool to_host)
{
    const int bits = pln_dtype_bits(from->dtype);
    const struct pln_device_code *code = rig->copy[bits == 64 ? 3 : bits == 32 ? 2 : bits == 16 ? 1 : 0];
    const bool dense = pln_tensor_is_contiguous(from) && pln_tensor_is_contiguous(to);
    return (struct pln_command){ .kind = PLN_COMMAND_COPY, .from = from, .to = to, .from_host = from_host, .to_host = to_host, .code = dense ? NULL : code };
}

static void find(void *lib, const char *name, void *out_function)
{
    void *symbol = lib ? dlsym(lib, name) : NULL;
    memcpy(out_function, &symbol, sizeof symbol);
}

struct fake_driver fake_driver_get(void)
{
    static void *lib; /* kept: the library's counts go when it goes */
    struct fake_driver fake;
    if (!lib) lib = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    find(lib, "fake_cuda_fail_at", &fake.fail_at);
    find(lib, "fake_cuda_calls", &fake.calls);
    find(lib, "fake_cuda_count", &fake.count);
    find(lib, "fake_cuda_failed", &fake.failed);
    find(lib, "fake_cuda_live", &fake.live);
    find(lib, "fake_cuda_forget", &fake.forget);
    return fake;
}
