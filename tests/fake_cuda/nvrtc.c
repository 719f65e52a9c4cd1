/* A libnvrtc.so of the tests: compiles kernels for this machine with g++ (or $FAKE_CUDA_CXX), with emulate.h in front. What it makes is a shared object behind
 * struct fake_cuda_image, for the fake driver. Results are kept in $FAKE_CUDA_CACHE (/tmp/planish-fake-cuda-UID) by the hash of all that goes in.
 * $FAKE_NVRTC_COUNT: a file that gets a line a compilation. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "emulator.h"

#define EXPORT __attribute__((visibility("default")))
enum { OK = 0, OUT_OF_MEMORY = 1, INVALID_INPUT = 3, INVALID_PROGRAM = 4, COMPILATION = 6 };
enum { PATH_BYTES = 4096 };

struct program {
    char *source;
    int n_headers;
    char **names, **texts;
    char *log;
    char *image;
    size_t image_bytes;
};

extern char **environ;

EXPORT int nvrtcVersion(int *major, int *minor);
EXPORT int nvrtcCreateProgram(struct program **out, const char *source, const char *name, int n_headers, const char *const *headers, const char *const *names);
EXPORT int nvrtcDestroyProgram(struct program **program);
EXPORT int nvrtcCompileProgram(struct program *program, int n_options, const char *const *options);
EXPORT int nvrtcGetCUBINSize(struct program *program, size_t *out_bytes);
EXPORT int nvrtcGetCUBIN(struct program *program, char *out);
EXPORT int nvrtcGetProgramLogSize(struct program *program, size_t *out_bytes);
EXPORT int nvrtcGetProgramLog(struct program *program, char *out);

/* ---- programs ---- */

int nvrtcDestroyProgram(struct program **handle)
{
    struct program *program = *handle;
    *handle = NULL;
    if (!program) return INVALID_PROGRAM;
    for (int i = 0; i < program->n_headers; i++) {
        free(program->names[i]);
        free(program->texts[i]);
    }
    free(program->names);
    free(program->texts);
    free(program->source);
    free(program->log);
    free(program->image);
    free(program);
    return OK;
}

int nvrtcCreateProgram(struct program **out, const char *source, const char *name, int n_headers, const char *const *headers, const char *const *names)
{
    (void)name;
    *out = NULL;
    if (!source || n_headers < 0) return INVALID_INPUT;
    struct program *program = calloc(1, sizeof *program);
    if (!program) return OUT_OF_MEMORY;
    program->source = strdup(source);
    program->names = calloc((size_t)n_headers + 1, sizeof *program->names);
    program->texts = calloc((size_t)n_headers + 1, sizeof *program->texts);
    for (; program->names && program->texts && program->n_headers < n_headers; program->n_headers++) {
        program->names[program->n_headers] = strdup(names[program->n_headers]);
        program->texts[program->n_headers] = strdup(headers[program->n_headers]);
    }
    *out = program;
    return OK;
}

static void set_log(struct program *program, const char *text, const char *what)
{
    free(program->log);
    program->log = NULL;
    if (asprintf(&program->log, "%s%s", text, what) < 0) program->log = NULL;
}

/* ---- files ---- */

static char *read_file(const char *path, size_t *out_bytes)
{
    FILE *file = fopen(path, "rb");
    *out_bytes = 0;
    if (!file) return NULL;
    fseek(file, 0, SEEK_END);
    long bytes = ftell(file);
    rewind(file);
    char *text = bytes >= 0 ? malloc((size_t)bytes + 1) : NULL;
    if (text) {
        *out_bytes = fread(text, 1, (size_t)bytes, file);
        text[*out_bytes] = '\0';
    }
    fclose(file);
    return text;
}

/* Makes the folders that the path names. */
static bool write_file(const char *path, const char *text)
{
    char folder[PATH_BYTES];
    snprintf(folder, sizeof folder, "%s", path);
    for (char *slash = folder + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        if (mkdir(folder, 0700) != 0 && errno != EEXIST) return false;
        *slash = '/';
    }
    FILE *file = fopen(path, "wb");
    if (!file) return false;
    bool written = fputs(text, file) >= 0;
    return fclose(file) == 0 && written;
}

static void join(char *out, const char *folder, const char *name)
{
    snprintf(out, PATH_BYTES, "%.2000s/%.2000s", folder, name);
}

static const char *cache_folder(char *out)
{
    const char *given = getenv("FAKE_CUDA_CACHE");
    if (given && *given) snprintf(out, PATH_BYTES, "%.2000s", given);
    else snprintf(out, PATH_BYTES, "/tmp/planish-fake-cuda-%u", (unsigned)getuid());
    return mkdir(out, 0700) == 0 || errno == EEXIST ? out : NULL;
}

/* ---- compiling ---- */

static const char *compiler(void)
{
    const char *given = getenv("FAKE_CUDA_CXX");
    return given && *given ? given : "g++";
}

/* "sm_90a" of --gpu-architecture=sm_90a, as __CUDA_ARCH__ has it: 900. 0: there is none such. */
static int find_arch(int n_options, const char *const *options, char *out_arch)
{
    static const int known[] = { 75, 80, 86, 87, 89, 90, 100, 120 };
    static const char option[] = "--gpu-architecture=";
    int level = 0;
    out_arch[0] = '\0';
    for (int i = 0; i < n_options; i++)
        if (strncmp(options[i], option, sizeof option - 1) == 0) snprintf(out_arch, 16, "%.15s", options[i] + sizeof option - 1);
    if (sscanf(out_arch, "sm_%d", &level) != 1) return 0;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i] == level) return level * 10;
    return 0;
}

/* fmaf is an instruction where the machine has one; else it is a call. */
static const char *fma_option(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("fma")) return "-mfma";
#endif
    return "-DPLN_EMU_NO_FMA";
}

static uint64_t hash(uint64_t state, const char *text)
{
    for (; *text; text++) state = (state ^ (unsigned char)*text) * 0x100000001b3u; /* FNV-1a */
    return (state ^ 0xff) * 0x100000001b3u;
}

static bool hash_all(const struct program *program, const char *arch, uint64_t *out_hash)
{
    size_t bytes;
    char *front = read_file(FAKE_CUDA_FOLDER "/emulate.h", &bytes), *shared = read_file(FAKE_CUDA_FOLDER "/emulator.h", &bytes);
    uint64_t state = hash(hash(hash(hash(0xcbf29ce484222325u, compiler()), fma_option()), arch), program->source);
    if (front && shared) state = hash(hash(state, front), shared);
    for (int i = 0; i < program->n_headers; i++) state = hash(hash(state, program->names[i]), program->texts[i]);
    bool read = front && shared;
    free(front);
    free(shared);
    *out_hash = state;
    return read;
}

/* No version of the real one, and another one with every change of the fake: code that is kept under a version is never taken for that of another. */
int nvrtcVersion(int *major, int *minor)
{
    size_t bytes;
    char *front = read_file(FAKE_CUDA_FOLDER "/emulate.h", &bytes), *shared = read_file(FAKE_CUDA_FOLDER "/emulator.h", &bytes);
    *major = 12;
    *minor = 1000 + (int)(hash(hash(hash(0xcbf29ce484222325u, fma_option()), front ? front : ""), shared ? shared : "") % 1000000);
    free(front);
    free(shared);
    return OK;
}

/* In the folder of the sources, so that messages and __FILE__ are short and the same every time. */
static int run_compiler(const char *folder, int level)
{
    char arch[40];
    snprintf(arch, sizeof arch, "-D__CUDA_ARCH__=%d", level);
    /* No contraction: --fmad=false. No unique symbols: they would be shared between objects, and keep them loaded. */
    const char *const arguments[] = { compiler(), "-std=c++17", "-O1", "-g1", fma_option(), "-fPIC", "-shared", "-w", "-fmax-errors=4", "-fno-diagnostics-show-caret", "-ffp-contract=off", "-fno-strict-aliasing",
                                      "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics", "-fno-gnu-unique", "-fvisibility=hidden", "-DPLN_EMULATED", arch, "-include",
                                      FAKE_CUDA_FOLDER "/emulate.h", "-I.", "-o", "kernel.so", "kernel.cpp", "-lm", NULL };
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addchdir_np(&actions, folder);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "log", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    pid_t child;
    int failed = posix_spawnp(&child, arguments[0], &actions, NULL, (char *const *)(uintptr_t)arguments, environ), status = 0;
    posix_spawn_file_actions_destroy(&actions);
    if (failed != 0) return -1;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static bool write_sources(const struct program *program, const char *folder)
{
    char path[PATH_BYTES];
    join(path, folder, "kernel.cpp");
    bool written = write_file(path, program->source);
    for (int i = 0; i < program->n_headers && written; i++) {
        join(path, folder, program->names[i]);
        written = write_file(path, program->texts[i]);
    }
    return written;
}

static void remove_sources(const struct program *program, const char *folder)
{
    static const char *const own[] = { "kernel.cpp", "kernel.so", "log" };
    char path[PATH_BYTES];
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        join(path, folder, own[i]);
        unlink(path);
    }
    for (int i = 0; i < program->n_headers; i++) {
        join(path, folder, program->names[i]);
        unlink(path);
    }
    for (int i = 0; i < program->n_headers; i++) {
        join(path, folder, program->names[i]);
        for (char *slash; strlen(path) > strlen(folder) && (slash = strrchr(path, '/')); *slash = '\0') rmdir(path);
    }
    rmdir(folder);
}

/* Compiles in a folder of its own and moves the result to where the cache wants it, so that others never see a half of it. */
static int compile_to(struct program *program, int level, const char *cache, const char *kept)
{
    char folder[PATH_BYTES], out[PATH_BYTES], log[PATH_BYTES];
    join(folder, cache, "new-XXXXXX");
    if (!mkdtemp(folder)) return COMPILATION;
    join(out, folder, "kernel.so");
    join(log, folder, "log");
    int status = write_sources(program, folder) ? run_compiler(folder, level) : 1;
    if (status == -1) set_log(program, "a compiler is missing, with which the fake NVRTC compiles: ", compiler());
    size_t bytes;
    char *text = status > 0 ? read_file(log, &bytes) : NULL;
    if (status > 0) set_log(program, "", text ? text : "the compiler said nothing");
    free(text);
    if (status == 0 && rename(out, kept) != 0) status = 1;
    if (!getenv("FAKE_CUDA_KEEP")) remove_sources(program, folder);
    return status == 0 ? OK : COMPILATION;
}

static int take_image(struct program *program, const char *path, const char *arch)
{
    size_t bytes;
    char *object = read_file(path, &bytes);
    if (!object) return COMPILATION;
    struct fake_cuda_image head = { .head = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT, FAKE_CUDA_OSABI },
                                              .e_shoff = offsetof(struct fake_cuda_image, sections), .e_shentsize = sizeof head.sections[0], .e_shnum = 2 },
                                    .sections = { [1] = { .sh_type = SHT_PROGBITS, .sh_offset = sizeof head, .sh_size = bytes } } };
    snprintf((char *)head.head.e_ident + FAKE_CUDA_ARCH, EI_NIDENT - FAKE_CUDA_ARCH, "%.7s", arch);
    free(program->image);
    program->image_bytes = sizeof head + bytes;
    program->image = malloc(program->image_bytes);
    if (program->image) {
        memcpy(program->image, &head, sizeof head);
        memcpy(program->image + sizeof head, object, bytes);
    }
    free(object);
    return program->image ? OK : OUT_OF_MEMORY;
}

/* Compilations of this process, kept results included, added to $FAKE_NVRTC_COUNT a line each. */
static void note_compilation(const char *arch)
{
    const char *path = getenv("FAKE_NVRTC_COUNT");
    FILE *file = path && *path ? fopen(path, "a") : NULL;
    if (!file) return;
    fprintf(file, "%s\n", arch);
    fclose(file);
}

int nvrtcCompileProgram(struct program *program, int n_options, const char *const *options)
{
    char arch[16], cache[PATH_BYTES], kept[PATH_BYTES], name[40];
    uint64_t key;
    if (!program || !program->source) return INVALID_PROGRAM;
    set_log(program, "", "");
    int level = find_arch(n_options, options, arch);
    note_compilation(arch);
    if (level == 0) {
        set_log(program, "nvrtc: error: invalid value for --gpu-architecture (-arch): ", arch);
        return COMPILATION;
    }
    if (!cache_folder(cache) || !hash_all(program, arch, &key)) {
        set_log(program, "", "the fake NVRTC has no folder for its results, or lacks emulate.h");
        return COMPILATION;
    }
    snprintf(name, sizeof name, "%016llx.so", (unsigned long long)key);
    join(kept, cache, name);
    int status = access(kept, R_OK) == 0 ? OK : compile_to(program, level, cache, kept);
    return status == OK ? take_image(program, kept, arch) : status;
}

int nvrtcGetCUBINSize(struct program *program, size_t *out_bytes)
{
    *out_bytes = program->image_bytes;
    return program->image ? OK : INVALID_PROGRAM;
}

int nvrtcGetCUBIN(struct program *program, char *out)
{
    if (!program->image) return INVALID_PROGRAM;
    memcpy(out, program->image, program->image_bytes);
    return OK;
}

int nvrtcGetProgramLogSize(struct program *program, size_t *out_bytes)
{
    *out_bytes = program->log ? strlen(program->log) + 1 : 1;
    return OK;
}

int nvrtcGetProgramLog(struct program *program, char *out)
{
    if (program->log) strcpy(out, program->log);
    else *out = '\0';
    return OK;
}
