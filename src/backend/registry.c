/* The table of backends, and names to rows of it. A test that brings a device of its own compiles this file again with
 * PLN_EXTRA_BACKENDS set to the name of a file with more PLN_BACKEND lines. */
#include "backend/backend.h"

#include <stdio.h>

#define PLN_BACKEND(name) extern const struct pln_backend pln_backend_##name;
#include "backend/backends.inc"
#ifdef PLN_EXTRA_BACKENDS
#include PLN_EXTRA_BACKENDS
#endif
#undef PLN_BACKEND

#define PLN_BACKEND(name) &pln_backend_##name,
const struct pln_backend *const pln_backends[] = {
#include "backend/backends.inc"
#ifdef PLN_EXTRA_BACKENDS
#include PLN_EXTRA_BACKENDS
#endif
    NULL
};
#undef PLN_BACKEND

static const struct pln_backend *find_name(const char *name, size_t length)
{
    for (size_t i = 0; pln_backends[i] != NULL; i++)
        if (strlen(pln_backends[i]->name) == length && memcmp(pln_backends[i]->name, name, length) == 0)
            return pln_backends[i];
    return NULL;
}

/* ":12" to 12, "" to 0. */
static bool parse_ordinal(const char *text, int *out_ordinal)
{
    *out_ordinal = 0;
    if (*text == '\0') return true;
    if (*text != ':' || text[1] == '\0' || strlen(text) > 8) return false;
    int ordinal = 0;
    for (text++; *text != '\0'; text++) {
        if (*text < '0' || *text > '9') return false;
        ordinal = ordinal * 10 + (*text - '0');
    }
    *out_ordinal = ordinal;
    return true;
}

static const char *list_names(char *buffer, size_t buffer_bytes)
{
    size_t used = 0;
    buffer[0] = '\0';
    for (size_t i = 0; pln_backends[i] != NULL; i++) {
        int n = snprintf(buffer + used, buffer_bytes - used, "%s%s", i > 0 ? ", " : "", pln_backends[i]->name);
        if (n < 0 || (size_t)n >= buffer_bytes - used) break;
        used += (size_t)n;
    }
    return buffer;
}

static bool has_our_abi(const struct pln_backend *backend)
{
    if (backend->abi_version != PLN_KERNEL_ABI) return false;
    for (size_t i = 0; backend->kernels != NULL && backend->kernels[i] != NULL; i++)
        if (backend->kernels[i]->family->abi_version != PLN_KERNEL_ABI) return false;
    return true;
}

enum pln_status pln_backend_find(const char *device, struct pln_diag *diag, const struct pln_backend **out_backend,
                                 int *out_ordinal)
{
    *out_backend = NULL;
    *out_ordinal = 0;
    char names[256];
    if (device == NULL || *device == '\0')
        return pln_fail(diag, PLN_INVALID_ARGUMENT, "no device is named; this build has: %s",
                        list_names(names, sizeof names));
    size_t length = strcspn(device, ":");
    const struct pln_backend *backend = find_name(device, length);
    if (backend == NULL)
        return pln_fail(diag, PLN_DEVICE, "device '%s' is not in this build, which has: %s", device,
                        list_names(names, sizeof names));
    if (!has_our_abi(backend))
        return pln_fail(diag, PLN_INCOMPATIBLE, "device '%s' was made for another version of Planish (ABI %u, not %u)",
                        device, backend->abi_version, PLN_KERNEL_ABI);
    int ordinal;
    if (!parse_ordinal(device + length, &ordinal))
        return pln_fail(diag, PLN_INVALID_ARGUMENT, "device '%s': a number is expected after the colon, as in '%s:0'",
                        device, backend->name);
    *out_backend = backend;
    *out_ordinal = ordinal;
    return PLN_OK;
}

const struct pln_kernel *pln_backend_kernel(const struct pln_backend *backend, const char *name)
{
    if (backend->kernels == NULL || name == NULL) return NULL;
    for (size_t i = 0; backend->kernels[i] != NULL; i++)
        if (strcmp(backend->kernels[i]->name, name) == 0) return backend->kernels[i];
    return NULL;
}

static const struct pln_pack_format *row_format(const struct pln_kernel *kernel)
{
    if (kernel->family->packed_input < 0 || kernel->family->pack == NULL) return NULL;
    return kernel->family->pack(kernel);
}

const struct pln_pack_format *pln_backend_pack_format(const char *name)
{
    if (name == NULL) return NULL;
    for (size_t i = 0; pln_backends[i] != NULL; i++) {
        const struct pln_kernel *const *rows = pln_backends[i]->kernels;
        for (size_t k = 0; rows != NULL && rows[k] != NULL; k++) {
            const struct pln_pack_format *format = row_format(rows[k]);
            if (format != NULL && strcmp(format->name, name) == 0) return format;
        }
    }
    return NULL;
}
