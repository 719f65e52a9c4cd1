/* What is meant where the command line says nothing: the device, the folder of the cache. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "model.h"
#include "planish/device.h"

/* Asks in a child: a process that has started the driver cannot go on using it in children that it forks. broken: what is said where the child breaks down, as
 * the driver may. Without a child: true. */
static bool ask_apart(bool (*question)(const char *device), const char *device, bool broken)
{
    int status = 0;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) _exit(question(device) ? 0 : 1);
    if (child < 0) return true;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
    return WIFEXITED(status) ? WEXITSTATUS(status) == 0 : broken;
}

static bool is_default(const char *device)
{
    return strcmp(pln_device_default(), device) == 0;
}

static bool is_known(const char *device)
{
    struct pln_device_info info;
    const size_t kind = strcspn(device, ":");
    for (int i = 0; pln_device_get(i, &info) == PLN_OK; i++)
        if (strcspn(info.name, ":") == kind && strncmp(info.name, device, kind) == 0) return true;
    return false;
}

const char *model_default_device(const char *target, bool apart)
{
    const char *named = getenv("PLANISH_DEVICE"), *kind = NULL;
    if (target && (strncmp(target, "cuda:", 5) == 0 || strstr(target, ",cuda:"))) kind = "cuda";
    else if (target && *target && strcmp(target, "native") != 0) kind = "cpu";
    /* What is typed wins over the environment, which may still say which of the GPUs. */
    if (named && *named && (!kind || strncmp(named, kind, strlen(kind)) == 0)) return named;
    if (kind) return kind;
    if (!apart) return pln_device_default();
    return ask_apart(is_default, "cpu", false) ? "cpu" : "cuda:0"; /* a driver that breaks down is one that is there */
}

bool model_knows_device(const char *device)
{
    return ask_apart(is_known, device, true);
}

const char *model_cache_folder(void)
{
    static char folder[4096];
    const char *own = getenv("PLANISH_CACHE_DIR"), *all = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (own && *own) return own;
    /* XDG Base Directory Specification: a relative path is to be ignored. */
    int n = all && *all == '/' ? snprintf(folder, sizeof folder, "%s/planish", all) : home && *home == '/' ? snprintf(folder, sizeof folder, "%s/.cache/planish", home) : 0;
    return n > 0 && (size_t)n < sizeof folder ? folder : NULL;
}
