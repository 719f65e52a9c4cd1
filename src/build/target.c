#include "build/target.h"

#include <stdio.h>

#include "base/cpu.h"
#include "base/text.h"

static enum pln_status add_arch(struct pln_target *target, const struct pln_backend *backend, const char *arch, struct pln_diag *diag)
{
    uint64_t features;
    if (!backend->arch_features || !backend->arch_features(arch, &features))
        return pln_fail(diag, PLN_INVALID_ARGUMENT, "target '%s' is no architecture of device '%s'; try cuda:sm_75, sm_80, sm_86, sm_89, sm_90a, sm_100 or sm_120", arch, backend->name);
    for (uint32_t i = 0; i < target->n_archs; i++)
        if (pln_str_equal(target->archs[i], arch)) return PLN_OK;
    if (target->n_archs == PLN_TARGET_MAX_ARCHS) return pln_fail(diag, PLN_INVALID_ARGUMENT, "more than %d architectures", PLN_TARGET_MAX_ARCHS);
    snprintf(target->text[target->n_archs], sizeof target->text[0], "%s", arch);
    target->archs[target->n_archs] = target->text[target->n_archs];
    target->arch_features[target->n_archs++] = features;
    return PLN_OK;
}

static enum pln_status look_at_device(struct pln_target *target, const struct pln_backend *backend, int ordinal, const struct pln_allocator *alloc, struct pln_diag *diag)
{
    struct pln_device *device;
    struct pln_device_caps caps;
    const struct pln_device_options options = { .alloc = alloc };
    PLN_TRY(backend->open(ordinal, &options, diag, &device));
    backend->caps(device, &caps);
    backend->close(device);
    return add_arch(target, backend, caps.arch, diag);
}

static int count_bits(uint64_t bits)
{
    int n = 0;
    for (; bits; bits &= bits - 1) n++;
    return n;
}

/* In its place: a level with fewer features comes first. One that is there already stays alone. */
static enum pln_status add_level(struct pln_target *target, uint64_t features, struct pln_diag *diag)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < target->n_levels; i++)
        if (target->levels[i] == features) return PLN_OK;
    if (target->n_levels == PLN_TARGET_MAX_LEVELS) return pln_fail(diag, PLN_INVALID_ARGUMENT, "more than %d CPU levels", PLN_TARGET_MAX_LEVELS);
    while (at < target->n_levels && (count_bits(target->levels[at]) < count_bits(features) || (count_bits(target->levels[at]) == count_bits(features) && target->levels[at] < features))) at++;
    memmove(&target->levels[at + 1], &target->levels[at], (target->n_levels - at) * sizeof target->levels[0]);
    target->levels[at] = features;
    target->n_levels++;
    return PLN_OK;
}

/* One part of the list, which is not terminated. "native" is this machine's CPU and, of a backend with device code, its device. */
static enum pln_status add_part(struct pln_target *target, const struct pln_backend *backend, const char *part, size_t length, bool *out_native, struct pln_diag *diag)
{
    char name[128];
    uint64_t features;
    if (length == 0 || length >= sizeof name) return pln_fail(diag, PLN_INVALID_ARGUMENT, "a target's name is empty or too long");
    memcpy(name, part, length);
    name[length] = '\0';
    const size_t prefix = strlen(backend->name);
    if (strncmp(name, backend->name, prefix) == 0 && name[prefix] == ':' && backend->arch_features) return add_arch(target, backend, name + prefix + 1, diag);
    if (backend->arch_features && pln_str_starts(name, "sm_")) return add_arch(target, backend, name, diag);
    const char *cpu = pln_str_starts(name, "cpu:") ? name + 4 : name;
    *out_native = *out_native || pln_str_equal(name, "native");
    if (pln_str_equal(cpu, "native")) return add_level(target, pln_cpu_features(), diag);
    if (pln_cpu_parse_features(cpu, &features)) return add_level(target, features, diag);
    return pln_fail(diag, PLN_INVALID_ARGUMENT, "target '%s' is not known; try native, portable, x86-64-v2, x86-64-v3 or x86-64-v4%s", name,
                    backend->arch_features ? ", or cuda:sm_90a and its like" : pln_str_starts(name, "cuda:") ? "; a GPU's is for --device cuda" : "");
}

enum pln_status pln_target_parse(const char *target, const struct pln_backend *backend, int ordinal, const struct pln_allocator *alloc, struct pln_diag *diag, struct pln_target *out_target)
{
    bool native = false;
    *out_target = (struct pln_target){ 0 };
    if (target && !pln_str_equal(target, "native")) {
        out_target->foreign = true;
        for (const char *part = target;; part++) {
            size_t length = strcspn(part, ",");
            PLN_TRY(add_part(out_target, backend, part, length, &native, diag));
            part += length;
            if (*part == '\0') break;
        }
    }
    if (out_target->n_levels == 0) PLN_TRY(add_level(out_target, pln_cpu_features(), diag));
    return backend->arch_features && (native || out_target->n_archs == 0) ? look_at_device(out_target, backend, ordinal, alloc, diag) : PLN_OK;
}

/* ---- programs ---- */

static uint64_t what_rows_need(const struct pln_backend *backend)
{
    uint64_t needs = 0;
    for (const struct pln_kernel *const *row = backend->kernels; row && *row; row++) needs |= (*row)->needs;
    return needs;
}

enum pln_status pln_target_split(const struct pln_target *target, const struct pln_backend *backend, struct pln_diag *diag, struct pln_target_part parts[PLN_TARGET_MAX_LEVELS],
                                 uint32_t *out_n)
{
    const uint64_t needs = what_rows_need(backend), all = ((uint64_t)1 << target->n_archs) - 1;
    uint64_t left = all;
    *out_n = 0;
    do {
        struct pln_target_part part = { .features = UINT64_MAX };
        uint32_t first = 0;
        while (left && !(left >> first & 1)) first++;
        for (uint32_t i = first; i < target->n_archs; i++) {
            if (!(left >> i & 1) || (target->arch_features[i] & needs) != (target->arch_features[first] & needs)) continue;
            part.for_archs |= (uint64_t)1 << i;
            part.features &= target->arch_features[i];
        }
        left &= ~part.for_archs;
        if (part.for_archs == all) part.for_archs = 0;
        for (uint32_t i = 0; i < target->n_levels; i++) {
            if (*out_n == PLN_TARGET_MAX_LEVELS) return pln_fail(diag, PLN_INVALID_ARGUMENT, "the targets make more than %d programs", PLN_TARGET_MAX_LEVELS);
            part.level = target->levels[i];
            parts[(*out_n)++] = part;
        }
    } while (left);
    return PLN_OK;
}

/* ---- device code ---- */

static uint64_t archs_of(const struct pln_program *program)
{
    return program->for_archs ? program->for_archs : UINT64_MAX;
}

/* Steps of `program` refer to the codes of `all`, which gets those that it lacks. */
static enum pln_status share_codes(struct pln_program *all, size_t *capacity, struct pln_program *program, struct pln_diag *diag)
{
    uint32_t *places = pln_arena_array(all->arena, program->n_codes + (size_t)1, sizeof *places);
    if (!places) return pln_fail_memory(diag, "device code", 0);
    for (uint32_t i = 0; i < program->n_codes; i++) {
        uint32_t at = 0;
        while (at < all->n_codes && !pln_str_equal(all->codes[at].source, program->codes[i].source)) at++;
        places[i] = at;
        if (at < all->n_codes) continue;
        if (!pln_arena_grow(all->arena, (void **)&all->codes, capacity, all->n_codes + (size_t)1, sizeof *all->codes)) return pln_fail_memory(diag, "device code", 0);
        all->codes[all->n_codes++] = program->codes[i];
    }
    for (uint32_t i = 0; i < program->n_codes; i++) all->codes[places[i]].for_archs |= archs_of(program);
    for (uint32_t i = 0; i < program->n_steps; i++)
        if (program->steps[i].code) program->steps[i].code = places[program->steps[i].code - 1] + 1;
    return PLN_OK;
}

struct compiler {
    const struct pln_target *target;
    const struct pln_backend *backend;
    struct pln_code_cache *cache;
    const struct pln_watch *watch;
    const struct pln_allocator *alloc;
    struct pln_diag *diag;
};

static enum pln_status compile_one(const struct compiler *compiler, const char *arch, struct pln_arena *arena, struct pln_program_code *code, uint32_t at)
{
    void *image;
    size_t bytes;
    code->images[at] = pln_code_cache_get(compiler->cache, code->source, arch, arena, &code->image_bytes[at]);
    if (code->images[at]) return PLN_OK;
    PLN_TRY(compiler->backend->compile(code->source, arch, compiler->alloc, compiler->diag, &image, &bytes));
    pln_code_cache_put(compiler->cache, code->source, arch, image, bytes, compiler->alloc);
    code->images[at] = pln_arena_copy(arena, image, bytes);
    code->image_bytes[at] = bytes;
    pln_free(compiler->alloc, image, bytes);
    return code->images[at] ? PLN_OK : pln_fail_memory(compiler->diag, "device code", bytes);
}

static enum pln_status compile_all(const struct compiler *compiler, struct pln_program *program)
{
    const struct pln_target *target = compiler->target;
    struct pln_diag *diag = compiler->diag;
    uint64_t done = 0, total = 0;
    for (uint32_t i = 0; i < program->n_codes; i++)
        for (uint32_t k = 0; k < target->n_archs; k++) total += program->codes[i].for_archs >> k & 1;
    program->n_archs = target->n_archs;
    program->archs = pln_arena_array(program->arena, target->n_archs, sizeof *program->archs);
    if (!program->archs) return pln_fail_memory(diag, "device code", 0);
    for (uint32_t k = 0; k < target->n_archs; k++) {
        program->archs[k] = pln_arena_text(program->arena, target->archs[k], strlen(target->archs[k]));
        if (!program->archs[k]) return pln_fail_memory(diag, "device code", 0);
    }
    for (uint32_t i = 0; i < program->n_codes; i++) {
        struct pln_program_code *code = &program->codes[i];
        code->images = pln_arena_array(program->arena, target->n_archs, sizeof *code->images);
        code->image_bytes = pln_arena_array(program->arena, target->n_archs, sizeof *code->image_bytes);
        if (!code->images || !code->image_bytes) return pln_fail_memory(diag, "device code", 0);
        for (uint32_t k = 0; k < target->n_archs; k++)
            if (code->for_archs >> k & 1) {
                PLN_TRY(pln_watch_tell(compiler->watch, "compile device code", done++, total));
                PLN_TRY(compile_one(compiler, target->archs[k], program->arena, code, k));
            }
    }
    return PLN_OK;
}

enum pln_status pln_target_compile(const struct pln_target *target, const struct pln_backend *backend, struct pln_code_cache *cache, const struct pln_watch *watch, const struct pln_allocator *alloc,
                                   struct pln_diag *diag, struct pln_program *programs, uint32_t n_programs)
{
    struct pln_program *first = &programs[0];
    size_t capacity = first->n_codes; /* at least */
    for (uint32_t i = 0; i < first->n_codes; i++) first->codes[i].for_archs = archs_of(first);
    for (uint32_t i = 1; i < n_programs; i++) PLN_TRY(share_codes(first, &capacity, &programs[i], diag));
    if (first->n_codes == 0) return PLN_OK;
    const struct compiler compiler = { target, backend, cache, watch, alloc, diag };
    PLN_TRY(compile_all(&compiler, first));
    for (uint32_t i = 1; i < n_programs; i++) {
        programs[i].codes = first->codes;
        programs[i].n_codes = first->n_codes;
        programs[i].archs = first->archs;
        programs[i].n_archs = first->n_archs;
    }
    return PLN_OK;
}

enum pln_status pln_target_require_device(const struct pln_program *program, const struct pln_allocator *alloc, struct pln_diag *diag)
{
    enum { SHOWN = 12 };
    struct pln_text text;
    int n = 0;
    pln_text_init(&text, alloc);
    for (uint32_t i = 0; i < program->n_steps; i++) {
        const struct pln_step *step = &program->steps[i];
        if (step->device != 0 || (step->kind != PLN_STEP_CALL && step->kind != PLN_STEP_LAUNCH)) continue;
        const char *name = step->n_origins ? program->origins[step->origins[0]].name : "";
        if (n++ < SHOWN) pln_text_printf(&text, "%s%s%s%.80s%s", n > 1 ? ", " : "", pln_op_name(step->op), name[0] ? " (" : "", name, name[0] ? ")" : "");
    }
    enum pln_status status = PLN_OK;
    if (n > 0)
        status = pln_fail(diag, PLN_UNSUPPORTED, "%d step%s would run on the host, for want of a kernel on the device: %s%s; leave the requirement out to let them", n, n == 1 ? "" : "s",
                          text.failed ? "" : text.data, n > SHOWN ? " and others" : "");
    pln_text_deinit(&text);
    return status;
}
