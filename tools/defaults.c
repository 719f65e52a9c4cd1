/* What is meant where the command line says nothing: the device, the folder of the cache. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "model.h"
#include "planish/device.h"

/* A process that has started the driver cannot go on using it in children that it forks. */
static const char *ask_apart(void)
{
    int status = 0;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) _exit(strcmp(pln_device_default(), "cpu") == 0 ? 0 : 1);
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
    return child < 0 || status == 0 ? "cpu" : "cuda:0"; /* a driver that breaks down is one that is there */
}

const char *model_default_device(const char *target, bool apart)
{
    const char *named = getenv("PLANISH_DEVICE"), *kind = NULL;
    if (target && (strncmp(target, "cuda:", 5) == 0 || strstr(target, ",cuda:"))) kind = "cuda";
    else if (target && *target && strcmp(target, "native") != 0) kind = "cpu";
    /* What is typed wins over the environment, which may still say which of the GPUs. */
    if (named && *named && (!kind || strncmp(named, kind, strlen(kind)) == 0)) return named;
    if (kind) return kind;
    return apart ? ask_apart() : pln_device_default();
}

bool model_knows_device(const char *device)
{
    const size_t kind = strcspn(device, ":");
    int status = 0;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        struct pln_device_info info;
        for (int i = 0; pln_device_get(i, &info) == PLN_OK; i++)
            if (strcspn(info.name, ":") == kind && strncmp(info.name, device, kind) == 0) _exit(0);
        _exit(1);
    }
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
    return child < 0 || !WIFEXITED(status) || WEXITSTATUS(status) == 0; /* a driver that breaks down is one that is there */
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
