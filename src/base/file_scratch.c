/* Memory that is a file without a name. */
#define _GNU_SOURCE

#include "base/file.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

/* Of each that may still get a name: whoever saves what lies in the memory knows its address alone. */
struct scratch {
    struct scratch *next;
    const void *memory;
    size_t size_bytes;
    int fd;
};
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct scratch *nameless;

/* Without a node, or where the system has no such names, it will never get one. */
static void remember(const void *memory, size_t size_bytes, int fd)
{
    struct scratch *scratch = pln_alloc(NULL, sizeof *scratch, _Alignof(struct scratch));
    if (!scratch) {
        close(fd);
        return;
    }
    pthread_mutex_lock(&lock);
    *scratch = (struct scratch){ nameless, memory, size_bytes, fd };
    nameless = scratch;
    pthread_mutex_unlock(&lock);
}

int pln_file_scratch_take(const void *memory, size_t size_bytes)
{
    int fd = -1;
    pthread_mutex_lock(&lock);
    for (struct scratch **at = &nameless; *at; at = &(*at)->next) {
        struct scratch *scratch = *at;
        if (scratch->memory != memory || scratch->size_bytes != size_bytes) continue;
        fd = scratch->fd;
        *at = scratch->next;
        pln_free(NULL, scratch, sizeof *scratch);
        break;
    }
    pthread_mutex_unlock(&lock);
    /* What gets a name is finished: a stray write shall not reach it. */
    if (fd >= 0) (void)mprotect((void *)(uintptr_t)memory, size_bytes, PROT_READ);
    return fd;
}

void *pln_file_scratch(const char *folder, size_t size_bytes)
{
#ifdef O_TMPFILE
    const int fd = size_bytes ? open(folder, O_RDWR | O_TMPFILE | O_CLOEXEC, 0666) : -1;
    if (fd < 0) return NULL;
    void *memory = posix_fallocate(fd, 0, (off_t)size_bytes) == 0 ? mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
    if (memory != MAP_FAILED) {
        remember(memory, size_bytes, fd);
        return memory;
    }
    close(fd);
#else
    (void)folder;
    (void)size_bytes;
#endif
    return NULL;
}

void pln_file_scratch_release(void *memory, size_t size_bytes)
{
    const int fd = pln_file_scratch_take(memory, size_bytes);
    if (fd >= 0) close(fd);
    if (memory) munmap(memory, size_bytes);
}
