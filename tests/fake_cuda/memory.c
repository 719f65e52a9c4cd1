/* Memory of the fake GPUs: one reserved range of addresses, where allocations follow each other with a page between them. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "fake.h"

#define PAGE ((size_t)4096)
#define ALIGN ((size_t)256) /* what the driver promises of an allocation */
#define RESERVED_BYTES ((size_t)64 << 30)
#define NEW 0xff

struct allocation {
    struct allocation *next;
    uint8_t *pages, *data; /* data ends, aligned, where the pages do */
    size_t pages_bytes, size_bytes;
    int gpu;
};

struct pinned {
    struct pinned *next;
    void *memory;
    size_t pages_bytes;
};

static struct {
    uint8_t *begin, *top;
    struct allocation *allocations;
    struct pinned *pinned;
    size_t used_bytes[FAKE_MOST_GPUS];
} memory;

static size_t round_up(size_t bytes, size_t to)
{
    return (bytes + to - 1) / to * to;
}

static size_t limit_bytes(void)
{
    const char *text = getenv("FAKE_CUDA_MEMORY");
    return (size_t)(text ? atol(text) : 2048) << 20;
}

size_t fake_memory_used(int gpu)
{
    return memory.used_bytes[gpu];
}

static void protect(const struct allocation *a, int protection)
{
    if (mprotect(a->pages, a->pages_bytes, protection) != 0) fake_die("mprotect of device memory failed");
}

int fake_memory_alloc(int gpu, size_t size_bytes, uint64_t *out_address)
{
    const size_t body = round_up(size_bytes, PAGE);
    *out_address = 0;
    if (size_bytes == 0) return FAKE_INVALID_VALUE;
    if (size_bytes > limit_bytes() || body > limit_bytes() - memory.used_bytes[gpu]) return PLN_CUDA_ERROR_OUT_OF_MEMORY;
    if (!memory.begin) {
        void *range = mmap(NULL, RESERVED_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (range == MAP_FAILED) return PLN_CUDA_ERROR_OUT_OF_MEMORY;
        memory.begin = memory.top = range;
    }
    if (body + 2 * PAGE > (size_t)(memory.begin + RESERVED_BYTES - memory.top)) return PLN_CUDA_ERROR_OUT_OF_MEMORY;
    struct allocation *a = calloc(1, sizeof *a);
    if (!a) return PLN_CUDA_ERROR_OUT_OF_MEMORY;
    *a = (struct allocation){ .next = memory.allocations, .pages = memory.top + PAGE, .pages_bytes = body, .size_bytes = size_bytes, .gpu = gpu };
    a->data = a->pages + body - round_up(size_bytes, ALIGN);
    memory.top += body + PAGE;
    memory.allocations = a;
    memory.used_bytes[gpu] += body;
    protect(a, PROT_READ | PROT_WRITE);
    memset(a->pages, NEW, body);
    protect(a, PROT_NONE);
    fake_count_live(1);
    *out_address = (uint64_t)(uintptr_t)a->data;
    return 0;
}

static void check_edges(const struct allocation *a)
{
    for (const uint8_t *p = a->pages; p < a->data; p++)
        if (*p != NEW) fake_die("something wrote in front of device memory of %zu bytes at %p", a->size_bytes, (void *)a->data);
    for (const uint8_t *p = a->data + a->size_bytes; p < a->pages + a->pages_bytes; p++)
        if (*p != NEW) fake_die("something wrote %zu bytes behind device memory of %zu bytes at %p", (size_t)(p - a->data) - a->size_bytes, a->size_bytes, (void *)a->data);
}

int fake_memory_free(uint64_t address)
{
    struct allocation **link = &memory.allocations;
    if (address == 0) return 0;
    while (*link && (uint64_t)(uintptr_t)(*link)->data != address) link = &(*link)->next;
    struct allocation *a = *link;
    if (!a) return FAKE_INVALID_VALUE;
    *link = a->next;
    protect(a, PROT_READ);
    check_edges(a);
    protect(a, PROT_NONE);
    (void)madvise(a->pages, a->pages_bytes, MADV_DONTNEED);
    memory.used_bytes[a->gpu] -= a->pages_bytes;
    free(a);
    fake_count_live(-1);
    return 0;
}

bool fake_memory_has(int gpu, uint64_t address, size_t size_bytes)
{
    for (const struct allocation *a = memory.allocations; a; a = a->next) {
        uint64_t begin = (uint64_t)(uintptr_t)a->data;
        if (a->gpu == gpu && address >= begin && address - begin <= a->size_bytes && size_bytes <= a->size_bytes - (size_t)(address - begin)) return true;
    }
    return false;
}

bool fake_memory_is_host(const void *address, size_t size_bytes)
{
    const uint8_t *p = address;
    return p && (!memory.begin || p + size_bytes <= memory.begin || p >= memory.begin + RESERVED_BYTES);
}

void fake_memory_open(int gpu)
{
    for (const struct allocation *a = memory.allocations; a; a = a->next)
        if (a->gpu == gpu) protect(a, PROT_READ | PROT_WRITE);
}

void fake_memory_close(int gpu)
{
    for (const struct allocation *a = memory.allocations; a; a = a->next) {
        if (a->gpu != gpu) continue;
        check_edges(a);
        protect(a, PROT_NONE);
    }
}

void fake_memory_describe(const void *address, char *out, size_t out_bytes)
{
    const uint8_t *p = address;
    const struct allocation *near = NULL;
    snprintf(out, out_bytes, "no device memory");
    if (!memory.begin || p < memory.begin || p >= memory.begin + RESERVED_BYTES) return;
    for (const struct allocation *a = memory.allocations; a; a = a->next) {
        if (p >= a->pages - PAGE && p < a->pages + a->pages_bytes + PAGE) near = a;
        if (near == a && p >= a->pages) break;
    }
    if (!near) {
        snprintf(out, out_bytes, "device memory that was given back, or never had");
        return;
    }
    snprintf(out, out_bytes, "%td bytes from the start of device memory of %zu bytes at %p (GPU %d)", p - near->data, near->size_bytes, (void *)near->data, near->gpu);
}

/* ---- pinned host memory ---- */

int fake_pinned_alloc(size_t size_bytes, void **out_memory)
{
    *out_memory = NULL;
    if (size_bytes == 0) return FAKE_INVALID_VALUE;
    struct pinned *p = calloc(1, sizeof *p);
    const size_t body = round_up(size_bytes, PAGE);
    void *pages = p ? mmap(NULL, body, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) : MAP_FAILED;
    if (pages == MAP_FAILED) {
        free(p);
        return PLN_CUDA_ERROR_OUT_OF_MEMORY;
    }
    memset(pages, NEW, body);
    *p = (struct pinned){ .next = memory.pinned, .memory = pages, .pages_bytes = body };
    memory.pinned = p;
    fake_count_live(1);
    *out_memory = pages;
    return 0;
}

int fake_pinned_free(void *address)
{
    struct pinned **link = &memory.pinned;
    while (*link && (*link)->memory != address) link = &(*link)->next;
    struct pinned *p = *link;
    if (!p) return FAKE_INVALID_VALUE;
    *link = p->next;
    munmap(p->memory, p->pages_bytes);
    free(p);
    fake_count_live(-1);
    return 0;
}
