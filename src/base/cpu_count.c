/* How many CPUs we may use: the affinity mask, and the quota of every cgroup above us. */
#define _GNU_SOURCE

#include "base/cpu.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PATH_BYTES 1024
#define CPU_LIMIT  65536 /* more CPUs than Linux knows of today */

/* A small file as terminated text; false when there is none. */
static bool read_text(const char *path, char *buffer, size_t buffer_bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t n = read(fd, buffer, buffer_bytes - 1);
    close(fd);
    buffer[n > 0 ? n : 0] = '\0';
    return n > 0;
}

static int affinity_count(void)
{
    int count = 1;
    for (int cpus = 1024; cpus <= CPU_LIMIT; cpus *= 4) {
        cpu_set_t *set = CPU_ALLOC((size_t)cpus);
        if (set == NULL) break;
        size_t set_bytes = CPU_ALLOC_SIZE((size_t)cpus);
        bool known = sched_getaffinity(0, set_bytes, set) == 0;
        if (known) count = CPU_COUNT_S(set_bytes, set);
        CPU_FREE(set);
        if (known) break; /* else: the mask is larger than our room for it */
    }
    return PLN_MAX(count, 1);
}

/* quota/period of one cgroup as whole CPUs, or INT_MAX. Rounded down: workers that spin use up a quota fast, and then
 * all of them stop until the period is over. */
static int quota_cpus(int64_t quota, int64_t period)
{
    if (quota <= 0 || period <= 0) return INT32_MAX;
    return (int)PLN_MIN(PLN_MAX(quota / period, 1), INT32_MAX);
}

static int read_v2(const char *folder)
{
    char path[PATH_BYTES], text[64];
    int64_t quota, period;
    int n = snprintf(path, sizeof path, "%s/cpu.max", folder);
    if (n < 0 || (size_t)n >= sizeof path || !read_text(path, text, sizeof text)) return INT32_MAX;
    if (sscanf(text, "%" SCNd64 " %" SCNd64, &quota, &period) != 2) return INT32_MAX; /* "max 100000" */
    return quota_cpus(quota, period);
}

static int read_v1(const char *folder)
{
    char path[PATH_BYTES], text[64];
    int64_t values[2];
    static const char *const names[2] = { "cpu.cfs_quota_us", "cpu.cfs_period_us" };
    for (int i = 0; i < 2; i++) {
        int n = snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        if (n < 0 || (size_t)n >= sizeof path || !read_text(path, text, sizeof text)) return INT32_MAX;
        values[i] = strtoll(text, NULL, 10);
    }
    return quota_cpus(values[0], values[1]);
}

/* The least of a cgroup and all above it, up to the mount point. */
static int least_upwards(const char *mount, const char *group, int (*read_one)(const char *folder))
{
    char folder[PATH_BYTES];
    int n = snprintf(folder, sizeof folder, "%s%s", mount, strcmp(group, "/") == 0 ? "" : group);
    int least = INT32_MAX;
    if (n < 0 || (size_t)n >= sizeof folder) return least;
    size_t mount_bytes = strlen(mount);
    for (;;) {
        int cpus = read_one(folder);
        least = PLN_MIN(least, cpus);
        char *slash = strrchr(folder, '/');
        if (slash == NULL || (size_t)(slash - folder) < mount_bytes) return least;
        *slash = '\0';
    }
}

static bool has_cpu_controller(const char *list)
{
    for (const char *at = list; *at != '\0';) {
        size_t n = strcspn(at, ",");
        if (n == 3 && memcmp(at, "cpu", 3) == 0) return true;
        at += n + (at[n] == ',');
    }
    return false;
}

/* Lines of /proc/self/cgroup: "0::/path" (v2), "4:cpu,cpuacct:/path" (v1). In a container the path may be one of the
 * host that is not there; the mount point itself is then asked, as the last step upwards. */
static int cgroup_count(void)
{
    char text[4096];
    int least = INT32_MAX;
    if (!read_text("/proc/self/cgroup", text, sizeof text)) return least;
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        char *controllers = strchr(line, ':'), *group = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
        if (group == NULL) continue;
        *group++ = '\0';
        controllers++;
        int cpus = INT32_MAX;
        if (controllers[0] == '\0') {
            cpus = least_upwards("/sys/fs/cgroup", group, read_v2);
        } else if (has_cpu_controller(controllers)) {
            cpus = least_upwards("/sys/fs/cgroup/cpu", group, read_v1);
        }
        least = PLN_MIN(least, cpus);
    }
    return least;
}

int pln_cpu_usable_count(void)
{
    int affinity = affinity_count(), quota = cgroup_count();
    return PLN_MIN(affinity, quota);
}
