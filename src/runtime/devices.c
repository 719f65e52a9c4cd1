/* What there is to run on. */
#include "planish/device.h"

#include <stdio.h>

#include "backend/backend.h"
#include "base/cpu.h"
#include "base/text.h"

static const char *first_text(const struct pln_diag *diag, enum pln_status status)
{
    return diag->count > 0 ? diag->entries[0].text : pln_status_text(status);
}

static void find_compiler(const struct pln_backend *backend, struct pln_device_info *info)
{
    struct pln_diag diag;
    int major, minor;
    if (!backend->compiler) return;
    pln_diag_init(&diag);
    enum pln_status status = backend->compiler(&diag, &major, &minor);
    if (status == PLN_OK) snprintf(info->compiler, sizeof info->compiler, "NVRTC %d.%d", major, minor);
    else snprintf(info->compiler_problem, sizeof info->compiler_problem, "%.511s", first_text(&diag, status));
}

/* false: there is no device of that ordinal; the first of each kind always gives an entry. */
static bool describe(const struct pln_backend *backend, int ordinal, struct pln_device_info *info)
{
    struct pln_diag diag;
    struct pln_device *device;
    struct pln_device_caps caps;
    const struct pln_device_options options = { .alloc = pln_allocator_default() };
    pln_diag_init(&diag);
    memset(info, 0, sizeof *info);
    enum pln_status status = backend->open(ordinal, &options, &diag, &device);
    if (status != PLN_OK && ordinal > 0) return false;
    if (backend->compile) snprintf(info->name, sizeof info->name, "%.20s:%d", backend->name, ordinal);
    else snprintf(info->name, sizeof info->name, "%.20s", backend->name);
    find_compiler(backend, info);
    if (status != PLN_OK) {
        snprintf(info->problem, sizeof info->problem, "%.511s", first_text(&diag, status));
        return true;
    }
    backend->caps(device, &caps);
    backend->close(device);
    snprintf(info->description, sizeof info->description, "%s", caps.name);
    snprintf(info->arch, sizeof info->arch, "%s", caps.arch);
    snprintf(info->driver, sizeof info->driver, "%s", caps.driver);
    info->memory_bytes = caps.memory_bytes;
    if (caps.features == pln_cpu_features() && caps.features) info->features = pln_cpu_features_text();
    info->usable = 1;
    return true;
}

const char *pln_device_default(void)
{
    for (size_t i = 0; pln_backends[i]; i++)
        if (pln_str_equal(pln_backends[i]->name, "cuda") && pln_backends[i]->present && pln_backends[i]->present()) return "cuda:0";
    return "cpu";
}

enum pln_status pln_device_get(int index, struct pln_device_info *out_info)
{
    memset(out_info, 0, sizeof *out_info);
    for (size_t i = 0; index >= 0 && pln_backends[i]; i++)
        for (int ordinal = 0; describe(pln_backends[i], ordinal, out_info); ordinal++)
            if (index-- == 0) return PLN_OK;
    memset(out_info, 0, sizeof *out_info);
    return PLN_NOT_FOUND;
}
