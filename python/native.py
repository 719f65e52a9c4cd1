#!/usr/bin/env python3
"""Writes the C source of planish._native, the binding of the C API: python native.py COMPILER INCLUDE OUT.c

Declarations come from the public headers themselves, through the compiler's preprocessor, so that nothing is said twice. cffi (API mode) makes the source, which
keeps to CPython's limited API: one module for all Pythons. Calls let go of the GIL; callbacks take it again.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

HEADERS = ["planish/planish.h", "planish/experimental/cache.h", "planish/experimental/explore.h", "planish/experimental/save.h", "planish/experimental/value.h"]
# Types that cffi knows by itself.
KNOWN = ["stddef.h", "stdint.h", "string.h"]

# A run in one call: what is bound, and what comes out.
CALL = """
struct planish_call {
    pln_context *context;
    int n_inputs, n_outputs;
    char **input_names, **output_names;
    struct pln_buffer *inputs, *outputs;
    enum pln_status status;
    int interruptible;
};
"""
# Functions of Python that the library calls: bodies stand where they are used (ffi.def_extern).
CALLBACKS = """
#define PLN_PLUGIN_ABI ...
#define PLN_MAX_RANK ...
extern "Python" int planish_on_progress(void *user, const char *phase, int done, int total);
extern "Python" void planish_on_log(void *user, enum pln_log_level level, const char *text);
extern "Python" void planish_on_line(void *user, const char *text);
extern "Python" void *planish_on_output(void *user, const struct pln_output_request *request);
extern "Python" void planish_on_tap(void *user, const char *name, const struct pln_buffer *value);
extern "Python" void planish_on_release(void *user);
extern "Python" enum pln_status planish_on_shape(struct pln_plugin_call *call);
extern "Python" enum pln_status planish_on_compute(struct pln_plugin_call *call);
enum pln_status planish_fail(struct pln_plugin_call *call, enum pln_status status, const char *text);
int planish_run(struct planish_call *call);
enum pln_status planish_enqueue(pln_context *context, const struct pln_enqueue_options *options, int interruptible);
void *planish_copy(const void *data, size_t size_bytes);
void planish_free(void *memory);
"""
# What has no place in the headers: a variadic function pointer that Python can call.
HELPERS = """
static enum pln_status planish_fail(struct pln_plugin_call *call, enum pln_status status, const char *text)
{
    return call->fail(call, status, "%s", text);
}

/* The bytes of a plan, which the library frees with the last engine or context that uses them: Python's collector keeps no order among what goes with a cycle. NULL: no memory. */
static void *planish_copy(const void *data, size_t size_bytes)
{
    void *memory = NULL;
    if (posix_memalign(&memory, 64, size_bytes ? size_bytes : 1) != 0) return NULL;
    if (size_bytes) memcpy(memory, data, size_bytes);
    return memory;
}

static void planish_free(void *memory)
{
    free(memory);
}

/* Python's handler of SIGINT only notes the signal for when C has returned. While the main thread runs, the run is cancelled, too; then Python's handler has its turn. Workers of
 * the pool block signals, and other threads leave the run alone. */
static pln_context *volatile planish_watched;
static pthread_t planish_watcher;
static struct sigaction planish_before;

static void planish_on_sigint(int number, siginfo_t *info, void *place)
{
    pln_context *context = planish_watched;
    if (context && pthread_equal(pthread_self(), planish_watcher)) pln_context_cancel(context);
    if (planish_before.sa_flags & SA_SIGINFO) planish_before.sa_sigaction(number, info, place);
    else if (planish_before.sa_handler != SIG_DFL && planish_before.sa_handler != SIG_IGN) planish_before.sa_handler(number);
}

/* In the main thread alone. Returns what was watched before: a callback of a run may run another. */
static pln_context *planish_watch(pln_context *context)
{
    pln_context *outer = planish_watched;
    static struct sigaction own;
    planish_watched = context;
    if (outer) return outer;
    planish_watcher = pthread_self();
    if (!own.sa_sigaction) {
        sigaction(SIGINT, NULL, &planish_before); /* before ours can be called */
        own.sa_flags = SA_SIGINFO | SA_ONSTACK;
        own.sa_sigaction = planish_on_sigint;
    }
    sigaction(SIGINT, &own, &planish_before);
    return outer;
}

static void planish_unwatch(pln_context *outer)
{
    struct sigaction now;
    planish_watched = outer;
    if (outer) return;
    sigaction(SIGINT, &planish_before, &now);
    if (now.sa_sigaction != planish_on_sigint) sigaction(SIGINT, &now, NULL); /* a callback has set another one */
}

static enum pln_status planish_enqueue(pln_context *context, const struct pln_enqueue_options *options, int interruptible)
{
    pln_context *outer = interruptible ? planish_watch(context) : NULL;
    enum pln_status status = pln_context_enqueue(context, options);
    if (interruptible) planish_unwatch(outer);
    return status;
}

/* Binds, runs and asks for outputs, for one change from Python to C and back. -1: an input could not be bound; -2: the run failed (status); else 1 where an output is
 * of another type or shape than at the last call, or not row-major in the host's memory, and 0. */
static int planish_run(struct planish_call *call)
{
    int changed = 0;
    for (int i = 0; i < call->n_inputs; i++)
        if (pln_context_bind_input(call->context, call->input_names[i], &call->inputs[i]) != PLN_OK) return -1;
    call->status = planish_enqueue(call->context, NULL, call->interruptible);
    if (call->status != PLN_OK) return -2;
    for (int i = 0; i < call->n_outputs; i++) {
        struct pln_buffer *last = &call->outputs[i], now;
        call->status = pln_context_output(call->context, call->output_names[i], &now);
        if (call->status != PLN_OK) return -2;
        changed |= now.dtype != last->dtype || now.rank != last->rank || now.strides || now.memory != PLN_MEMORY_HOST;
        for (int d = 0; d < now.rank; d++) changed |= now.dims[d] != last->dims[d];
        *last = now;
    }
    return changed;
}
"""


def without_bodies(text):
    """The declarations, without the functions that headers define."""
    out, at = [], 0
    for found in re.finditer(r"static inline [^;{]*\{", text):
        if found.start() < at:
            continue
        out.append(text[at : found.start()])
        depth, at = 1, found.end()
        while depth:
            depth += {"{": 1, "}": -1}.get(text[at], 0)
            at += 1
    return "".join(out) + text[at:]


def ours(text):
    """Without what plugins define."""
    return re.sub(r"enum pln_status planish_plugin_register\([^;]*;", "", text)


def declarations(compiler, include):
    with tempfile.TemporaryDirectory() as folder:
        for name in KNOWN:
            (pathlib.Path(folder) / name).write_text("")
        source = "".join(f'#include "{name}"\n' for name in HEADERS)
        command = [compiler, "-E", "-P", "-nostdinc", "-U__GNUC__", "-I", folder, "-I", include, "-x", "c", "-"]
        return ours(without_bodies(subprocess.run(command, input=source, capture_output=True, text=True, check=True).stdout))


def main():
    import cffi

    compiler, include, out = sys.argv[1:]
    ffi = cffi.FFI()
    ffi.cdef(declarations(compiler, include) + CALL + CALLBACKS)
    ffi.set_source("planish._native", "#include <pthread.h>\n#include <signal.h>\n#include <stdlib.h>\n#include <string.h>\n" + "".join(f'#include "{name}"\n' for name in HEADERS) + CALL + HELPERS)
    ffi.emit_c_code(out)


if __name__ == "__main__":
    main()
