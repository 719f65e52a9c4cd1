/* Modules of the fake driver: shared objects. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fake.h"

struct module {
    struct module *next;
    void *lib;
    struct fake_function function; /* there is one */
};

static struct module *modules;

/* Code for sm_XY runs on X.Z, Z >= Y; code for sm_XYa there alone (CUDA C++ Programming Guide, "Binary Compatibility"). */
static bool arch_runs(const char *code, const char *gpu)
{
    int of_code = 0, of_gpu = 0;
    char suffix = '\0';
    if (sscanf(code, "sm_%3d%c", &of_code, &suffix) < 1 || sscanf(gpu, "sm_%3d", &of_gpu) != 1) return false;
    if (suffix == 'a') return of_code == of_gpu;
    return of_code / 10 == of_gpu / 10 && of_code <= of_gpu;
}

/* The loader tells objects apart by name, so each gets a name of its own for a moment. */
static void *load_object(const void *bytes, size_t size_bytes)
{
    const char *folder = getenv("TMPDIR");
    char path[4096];
    snprintf(path, sizeof path, "%.4000s/fake-cuda-XXXXXX", folder && *folder ? folder : "/tmp");
    int file = mkstemp(path);
    if (file < 0) return NULL;
    size_t written = 0;
    while (written < size_bytes) {
        ssize_t n = write(file, (const char *)bytes + written, size_bytes - written);
        if (n <= 0) break;
        written += (size_t)n;
    }
    close(file);
    void *lib = written == size_bytes ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    if (!lib) fprintf(stderr, "fake CUDA: %s\n", dlerror());
    unlink(path);
    return lib;
}

int fake_module_load(const void *image, const char *arch, void **out_module)
{
    struct fake_cuda_image head;
    *out_module = NULL;
    if (!image) return FAKE_INVALID_VALUE;
    memcpy(&head, image, sizeof head);
    if (head.head.e_ident[EI_OSABI] != FAKE_CUDA_OSABI || head.head.e_shnum != 2) return FAKE_INVALID_IMAGE;
    if (!arch_runs((const char *)head.head.e_ident + FAKE_CUDA_ARCH, arch)) return FAKE_NO_BINARY;
    struct module *module = calloc(1, sizeof *module);
    if (!module) return PLN_CUDA_ERROR_OUT_OF_MEMORY;
    module->lib = load_object((const char *)image + sizeof head, (size_t)head.sections[1].sh_size);
    if (!module->lib) {
        free(module);
        return FAKE_OPERATING_SYSTEM;
    }
    struct pln_emu **emu = dlsym(module->lib, "pln_emu");
    if (!emu) fake_die("a module was not made by the fake NVRTC");
    *emu = &fake_emu;
    module->next = modules;
    modules = module;
    fake_count_live(1);
    *out_module = module;
    return 0;
}

static struct module *check_module(const void *handle)
{
    for (struct module *module = modules; module; module = module->next)
        if (module == handle && module->lib) return module;
    return NULL;
}

int fake_module_unload(void *handle)
{
    struct module *module = check_module(handle);
    if (!module) return FAKE_INVALID_HANDLE;
    dlclose(module->lib);
    module->lib = NULL;
    module->function.alive = false;
    fake_count_live(-1);
    return 0;
}

int fake_module_function(void *handle, const char *name, void **out_function)
{
    struct module *module = check_module(handle);
    *out_function = NULL;
    if (!module) return FAKE_INVALID_HANDLE;
    void *entry = dlsym(module->lib, name), *shared = dlsym(module->lib, "pln_emu_shared");
    if (!entry || !shared) return FAKE_NOT_FOUND;
    struct fake_function *function = &module->function;
    memcpy(&function->entry, &entry, sizeof entry);
    memcpy(&function->shared, &shared, sizeof shared);
    const char **label = dlsym(module->lib, "pln_emu_label");
    snprintf(function->name, sizeof function->name, "%.63s", label ? *label : name);
    function->alive = true;
    *out_function = function;
    return 0;
}

struct fake_function *fake_function_check(void *handle)
{
    for (struct module *module = modules; module; module = module->next)
        if (&module->function == handle && module->function.alive) return handle;
    return NULL;
}
