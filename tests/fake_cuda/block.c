/* Grids, blocks, warps: threads as fibers. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#if !defined(__x86_64__)
#include <ucontext.h>
#endif

#include "fake.h"

#define PAGE ((size_t)4096)
#define STACK_BYTES ((size_t)64 << 10)
#define SHARED_ALIGN ((size_t)128)
#define SHARED_MOST ((size_t)256 << 10)
#define NEW 0xff

enum state { READY, AT_BLOCK, AT_WARP, DONE };

struct fiber {
    struct fiber *next; /* free */
#if defined(__x86_64__)
    void *sp;
#else
    ucontext_t context;
#endif
};

struct thread {
    enum state state;
    struct fiber *fiber;
    const char *file;
    int line;
    unsigned mask, turn; /* turn: which of the two slots its last exchange used */
};

static struct {
    const struct fake_op *op;
    unsigned current;
    struct thread threads[FAKE_MOST_THREADS];
    unsigned char slots[2][FAKE_MOST_THREADS][PLN_EMU_SLOT_BYTES];
    struct fiber *free;
    struct fiber back; /* of who runs the block */
    uint8_t *shared;   /* SHARED_MOST bytes, then a page that cannot be touched */
    struct sigaction segv, bus;
} run;

static void sync_threads(const char *file, int line);
static const unsigned char *exchange(const void *mine, unsigned size_bytes, unsigned mask, const char *file, int line);
static void fail(const char *what, const char *file, int line);

struct pln_emu fake_emu = { .sync_threads = sync_threads, .exchange = exchange, .fail = fail };

/* ---- switching ---- */

#if defined(__x86_64__)
/* Saves what the System V ABI (AMD64, "Registers and the Stack Frame") leaves to the callee, and takes the other stack. */
void fake_fiber_switch(void **save, void *to);
__asm__(".text\n"
        ".hidden fake_fiber_switch\n"
        ".globl fake_fiber_switch\n"
        ".type fake_fiber_switch, @function\n"
        "fake_fiber_switch:\n"
        "    pushq %rbp\n    pushq %rbx\n    pushq %r12\n    pushq %r13\n    pushq %r14\n    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n    popq %r14\n    popq %r13\n    popq %r12\n    popq %rbx\n    popq %rbp\n"
        "    ret\n"
        ".size fake_fiber_switch, .-fake_fiber_switch\n");
static void switch_to(struct fiber *from, struct fiber *to)
{
    fake_fiber_switch(&from->sp, to->sp);
}
#else
static void switch_to(struct fiber *from, struct fiber *to)
{
    swapcontext(&from->context, &to->context);
}
#endif

static void yield(void)
{
    switch_to(run.threads[run.current].fiber, &run.back);
}

static void fiber_main(void)
{
    for (;;) {
        run.op->function->entry(run.op->argument);
        run.threads[run.current].state = DONE;
        yield();
    }
}

static struct fiber *make_fiber(void)
{
    uint8_t *pages = mmap(NULL, STACK_BYTES + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct fiber *fiber = calloc(1, sizeof *fiber);
    if (pages == MAP_FAILED || !fiber || mprotect(pages, PAGE, PROT_NONE) != 0) fake_die("no memory for the stacks of threads");
#if defined(__x86_64__)
    /* Six registers, the address that `ret` takes, and one where the caller's would be: the stack is then aligned as after a call. */
    void **top = (void **)(void *)(pages + PAGE + STACK_BYTES);
    void (*start)(void) = fiber_main;
    *--top = NULL;
    *--top = NULL;
    memcpy(top, &start, sizeof start);
    fiber->sp = top - 6;
    memset(fiber->sp, 0, 6 * sizeof(void *));
#else
    getcontext(&fiber->context);
    fiber->context.uc_stack.ss_sp = pages + PAGE;
    fiber->context.uc_stack.ss_size = STACK_BYTES;
    makecontext(&fiber->context, fiber_main, 0);
#endif
    return fiber;
}

static void resume(unsigned index)
{
    struct thread *thread = &run.threads[index];
    if (!thread->fiber) {
        thread->fiber = run.free ? run.free : make_fiber();
        if (thread->fiber == run.free) run.free = run.free->next;
    }
    run.current = index;
    fake_emu.thread.x = index;
    switch_to(&run.back, thread->fiber);
    if (thread->state != DONE) return;
    thread->fiber->next = run.free;
    run.free = thread->fiber;
    thread->fiber = NULL;
}

/* ---- barriers and exchanges ---- */

static void sync_threads(const char *file, int line)
{
    struct thread *thread = &run.threads[run.current];
    thread->state = AT_BLOCK;
    thread->file = file;
    thread->line = line;
    yield();
}

static const unsigned char *exchange(const void *mine, unsigned size_bytes, unsigned mask, const char *file, int line)
{
    const unsigned self = run.current, lane = self % PLN_EMU_WARP;
    struct thread *thread = &run.threads[self];
    if (!(mask >> lane & 1)) fake_die("%s:%d: lane %u exchanges with mask %#x, which lacks it", file, line, lane, mask);
    thread->turn ^= 1;
    memset(run.slots[thread->turn][self], NEW, PLN_EMU_SLOT_BYTES);
    memcpy(run.slots[thread->turn][self], mine, size_bytes);
    thread->state = AT_WARP;
    thread->file = file;
    thread->line = line;
    thread->mask = mask;
    yield();
    return run.slots[run.threads[self].turn][self - lane];
}

static void fail(const char *what, const char *file, int line)
{
    fake_die("%s:%d: thread %u of block %u: %s", file, line, run.current, fake_emu.block.x, what);
}

static bool same_place(const struct thread *a, const struct thread *b)
{
    return a->line == b->line && strcmp(a->file, b->file) == 0;
}

static _Noreturn void die_apart(unsigned a, unsigned b)
{
    static const char *const what[] = { "runs", "waits at __syncthreads", "waits at a warp's exchange", "has left the kernel" };
    const struct thread *x = &run.threads[a], *y = &run.threads[b];
    fake_die("block %u: threads are apart: thread %u %s (%s:%d), thread %u %s (%s:%d)", fake_emu.block.x, a, what[x->state], x->file ? x->file : "-", x->line, b, what[y->state],
             y->file ? y->file : "-", y->line);
}

/* Lets go those lanes of a warp whose partners are all there; whether there were any. */
static bool release(unsigned first, unsigned end)
{
    bool any = false;
    for (unsigned i = first; i < end; i++) {
        const struct thread *thread = &run.threads[i];
        if (thread->state != AT_WARP) continue;
        unsigned turn = thread->turn;
        bool complete = true;
        for (unsigned k = first; k < end && complete; k++) {
            const struct thread *other = &run.threads[k];
            if (!(thread->mask >> (k - first) & 1)) continue;
            complete = other->state == AT_WARP && same_place(thread, other) && other->mask == thread->mask;
        }
        if (!complete) continue;
        const unsigned mask = thread->mask;
        for (unsigned k = 0; k < PLN_EMU_WARP; k++) {
            const unsigned at = first + k;
            if (at >= FAKE_MOST_THREADS) break;
            if (!(mask >> k & 1) || at >= end) continue;
            if (run.threads[at].turn != turn) { /* lanes that were apart before: all on one side from here on */
                memcpy(run.slots[turn][at], run.slots[turn ^ 1][at], PLN_EMU_SLOT_BYTES);
                run.threads[at].turn = turn;
            }
            run.threads[at].state = READY;
        }
        any = true;
    }
    return any;
}

static void run_warp(unsigned first, unsigned end, bool backwards)
{
    do {
        for (unsigned k = 0; k < end - first; k++) {
            const unsigned i = backwards ? end - 1 - k : first + k;
            if (run.threads[i].state == READY) resume(i);
        }
    } while (release(first, end));
    for (unsigned i = first; i < end; i++) {
        if (run.threads[i].state != AT_WARP) continue;
        for (unsigned k = first; k < end; k++)
            if (run.threads[i].mask >> (k - first) & 1 && (run.threads[k].state != AT_WARP || !same_place(&run.threads[i], &run.threads[k]))) die_apart(i, k);
        die_apart(i, i);
    }
}

static void run_threads(unsigned n, uint64_t order)
{
    for (unsigned i = 0; i < n; i++) {
        run.threads[i].state = READY;
        run.threads[i].file = NULL;
        run.threads[i].line = 0;
        run.threads[i].turn = 0;
    }
    for (unsigned phase = 0;; phase++) {
        const bool backwards = (order + phase) & 1;
        const unsigned n_warps = (n + PLN_EMU_WARP - 1) / PLN_EMU_WARP;
        for (unsigned k = 0; k < n_warps; k++) {
            const unsigned warp = backwards ? n_warps - 1 - k : k, first = warp * PLN_EMU_WARP;
            run_warp(first, PLN_MIN(first + PLN_EMU_WARP, n), (order >> 1 ^ phase) & 1);
        }
        for (unsigned i = 1; i < n; i++)
            if (run.threads[i].state != run.threads[0].state || (run.threads[0].state == AT_BLOCK && !same_place(&run.threads[0], &run.threads[i]))) die_apart(0, i);
        if (run.threads[0].state == DONE) return;
        for (unsigned i = 0; i < n; i++) run.threads[i].state = READY;
    }
}

/* ---- faults ---- */

static void on_fault(int signal_number, siginfo_t *info, void *context)
{
    (void)context;
    char where[256], text[512];
    fake_memory_describe(info->si_addr, where, sizeof where);
    int n = snprintf(text, sizeof text, "fake CUDA: thread %u of block %u of %.60s touches %p: %s\n", run.current, fake_emu.block.x, run.op->function->name, info->si_addr, where);
    ssize_t written = write(STDERR_FILENO, text, (size_t)n);
    (void)written;
    signal(signal_number, SIG_DFL); /* it happens again, and ends the program: nobody can go on from a fiber, with the driver locked */
}

static void catch_faults(void)
{
    static _Alignas(16) uint8_t stack[64 << 10];
    stack_t now;
    if (sigaltstack(NULL, &now) == 0 && now.ss_flags & SS_DISABLE) {
        const stack_t own = { .ss_sp = stack, .ss_size = sizeof stack };
        sigaltstack(&own, NULL);
    }
    struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    sigaction(SIGSEGV, &action, &run.segv);
    sigaction(SIGBUS, &action, &run.bus);
}

/* ---- grids ---- */

static void prepare_shared(const struct fake_op *op)
{
    void *variables = NULL;
    size_t bytes = 0;
    op->function->shared(&variables, &bytes);
    if (bytes > 0) memset(variables, NEW, bytes);
    fake_emu.dynamic_shared_bytes = op->shared_bytes;
    fake_emu.dynamic_shared = run.shared + SHARED_MOST - (op->shared_bytes + SHARED_ALIGN - 1) / SHARED_ALIGN * SHARED_ALIGN;
    if (op->shared_bytes > 0) memset(fake_emu.dynamic_shared, NEW, (op->shared_bytes + SHARED_ALIGN - 1) / SHARED_ALIGN * SHARED_ALIGN);
}

static void check_shared(const struct fake_op *op)
{
    for (const uint8_t *p = (const uint8_t *)fake_emu.dynamic_shared + op->shared_bytes; p < run.shared + SHARED_MOST; p++)
        if (*p != NEW) fake_die("%s writes behind its %u bytes of dynamic shared memory", op->function->name, op->shared_bytes);
}

static unsigned common_divisor(unsigned a, unsigned b)
{
    while (b) {
        const unsigned rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

void fake_grid_run(const struct fake_op *op)
{
    if (!run.shared) {
        run.shared = mmap(NULL, SHARED_MOST + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (run.shared == MAP_FAILED || mprotect(run.shared + SHARED_MOST, PAGE, PROT_NONE) != 0) fake_die("no memory for shared memory");
    }
    run.op = op;
    fake_emu.block_dim = (struct pln_emu_dim){ op->threads, 1, 1 };
    fake_emu.grid_dim = (struct pln_emu_dim){ op->grid, 1, 1 };
    fake_emu.thread = fake_emu.block = (struct pln_emu_dim){ 0, 0, 0 };
    catch_faults();
    /* Every block once, by steps that have no divisor in common with their number. */
    const uint64_t random = fake_random();
    unsigned step = op->grid > 1 ? 1 + (unsigned)(random >> 40) % op->grid : 1;
    while (common_divisor(step, op->grid) != 1) step++;
    uint64_t block = op->grid > 1 ? random % op->grid : 0;
    for (unsigned i = 0; i < op->grid; i++) {
        fake_emu.block.x = (unsigned)block;
        prepare_shared(op);
        run_threads(op->threads, random >> 20 ^ i);
        check_shared(op);
        block = (block + step) % op->grid;
    }
    sigaction(SIGSEGV, &run.segv, NULL);
    sigaction(SIGBUS, &run.bus, NULL);
}
