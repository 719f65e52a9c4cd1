/* Custom operators: nodes of other domains than ONNX's, computed by C functions of yours. In libplanish_rt.
 *
 * A registration (struct pln_plugin) names the operator and gives a function that computes it and, if you like, one that tells shapes. Registrations are
 * put into a set (pln_plugins), which builds and engines are given: by the program itself (pln_plugins_add), or from a shared object
 * (pln_plugins_load; `planish … --plugin FILE.so`). A plan holds the operator's domain, name, version and attributes, never code: who loads it gives a
 * set that has the operator, or is told which one is missing.
 *
 * Operators take and give tensors (dense, row-major, in host memory) and run on the host, between the steps of whatever device. Those of ONNX's own
 * domains ("", "ai.onnx", "ai.onnx.ml", …) cannot be registered. A registered operator is also taken instead of a function of its name inside the model,
 * as in ONNX Runtime; models may so bring a slow form of it for those who do not have it. */
#ifndef PLANISH_PLUGIN_H
#define PLANISH_PLUGIN_H

#include <string.h>

#include "planish/context.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Version of the structs below. Structs that begin with struct_size grow without a new version. */
#define PLN_PLUGIN_ABI 1

#if defined(__GNUC__)
#define PLN_PLUGIN_PRINTF __attribute__((format(printf, 3, 4)))
#else
#define PLN_PLUGIN_PRINTF
#endif

/* An attribute of a node. kind says which member counts; lists have `count` entries. Strings are terminated, and may hold zero bytes all the same. */
struct pln_plugin_attribute {
    const char *name;
    enum pln_attribute_kind kind; /* all but PLN_ATTRIBUTE_BODY */
    int64_t i;
    float f;
    struct pln_string s;
    size_t count;
    const int64_t *ints;
    const float *floats;
    const struct pln_string *strings;
    const struct pln_buffer *tensor;
    uint64_t reserved[2];
};

/* What both functions of an operator are called with; all of it lives during the call. Later versions add members at the end. */
struct pln_plugin_call {
    size_t struct_size;
    void *user;       /* of the registration */
    const char *node; /* the ONNX node's name, or "" */
    const char *domain, *name;
    int version; /* of the domain, as the model imports it */
    int attribute_count, input_count, output_count;
    const struct pln_plugin_attribute *attributes; /* sorted by name */
    /* Inputs: dtype, rank, dims, data (read only, aligned to its elements, size_bytes of it; may be NULL where there are no elements). One that the node leaves out
     * has dtype PLN_DTYPE_NONE. */
    const struct pln_buffer *inputs;
    /* Outputs: up to the last one that the node names, and min_outputs at least; all of them are made, also those between that it does not name. In
     * `shape`: dtype, rank and dims are to be filled in, nothing else is looked at. In `compute`: those that have `data` are to be written there, whole; the
     * others are made with `output` first. */
    struct pln_buffer *outputs;
    void *internal;

    /* Notes why the call fails (printf's format) and returns `status`, so that `return call->fail(call, PLN_BAD_MODEL, "axis %d is outside", axis);`
     * does both. The user sees the text with the operator, the node's name and the inputs. */
    enum pln_status (*fail)(struct pln_plugin_call *call, enum pln_status status, const char *format, ...) PLN_PLUGIN_PRINTF;
    /* compute: gives output `index` a type and a shape; its memory, not set to anything (strings: empty), is then outputs[index].data. Errors:
     * PLN_INVALID_ARGUMENT no such output, dtype, rank or dims, or not those that the plan has; PLN_NO_MEMORY. */
    enum pln_status (*output)(struct pln_plugin_call *call, int index, enum pln_dtype dtype, int rank, const int64_t *dims);
    /* compute: sets element `element` of output `index`, strings, to a copy of the bytes. Errors: PLN_INVALID_ARGUMENT; PLN_NO_MEMORY. */
    enum pln_status (*set_string)(struct pln_plugin_call *call, int index, int64_t element, const char *data, size_t size_bytes);
    /* Zeroed memory until the call ends, aligned to 64. NULL: no memory; the call fails then, whatever it returns. */
    void *(*scratch)(struct pln_plugin_call *call, size_t size_bytes);
    /* compute: calls task for parts of [0, count), together all of it, from the threads of the engine's pool and this one; returns when all are done. A
     * thread gets `grain` (at least 1) of them or more at a time. Tasks must not use the call's functions. */
    void (*parallel)(struct pln_plugin_call *call, int64_t count, int64_t grain, void (*task)(void *task_user, int64_t first, int64_t last), void *task_user);
};

enum pln_plugin_flag {
    PLN_PLUGIN_PURE = 1 /* the outputs depend on inputs and attributes alone, and nothing else is changed: equal nodes may be computed once, and a node whose
                         * inputs are constants when the plan is built. Without it, every node is computed in every run that uses its results */
};

/* An operator. Zero what you do not set. Both functions may be called by several threads at once, and must not call the library but through `call`. What
 * they return other than PLN_OK ends the build or the run with that status. */
struct pln_plugin {
    size_t struct_size; /* sizeof(struct pln_plugin) */
    int abi;            /* PLN_PLUGIN_ABI */
    const char *domain; /* "com.acme" */
    const char *name;   /* "Scale" */
    int since_version;  /* the version of the domain from which it is good, up to the next one registered under this name; 0: from the first */
    int min_inputs, max_inputs; /* max -1: any number; inputs up to min must be given */
    int min_outputs, max_outputs;
    unsigned flags; /* enum pln_plugin_flag */
    void *user;
    /* Computes all outputs from the inputs. The result must not depend on the number of threads. */
    enum pln_status (*compute)(struct pln_plugin_call *call);
    /* Tells the outputs' types and shapes; NULL: only a run can. It is called during a build, as soon as the types and ranks of all inputs are known, and in
     * every run before `compute`, which then finds all outputs made that it has told in full. It may be called often, and gives the same every time.
     *  - A dim of an input that is not known yet is negative. Copied to an output it says that this dim is the same; what is computed from it counts as
     *    not known, and so does -1. All are known in a run.
     *  - `data` of an input is NULL when its elements are not known yet; those of constants are.
     *  - An output that is left alone, or given rank -1, is not known. */
    enum pln_status (*shape)(struct pln_plugin_call *call);
    void (*release)(void *user); /* called once when nobody holds the set any more; NULL: nobody */
};

/* A set of operators. It begins empty. allocator NULL: the C library's; copied. NULL: no memory. Counted: builds and engines hold it as long as they need
 * it, so it may be released right after they were made. Adding to it while a build or a load uses it is not allowed. */
PLN_API pln_plugins *pln_plugins_create(const struct pln_allocator *allocator);
PLN_API void pln_plugins_release(pln_plugins *plugins); /* NULL is fine */
/* Adds an operator; everything is copied but what `user` points to. diagnostics may be NULL. Errors: PLN_INVALID_ARGUMENT what is wrong with it, or it is
 * there already; PLN_INCOMPATIBLE its abi is newer than the library; PLN_NO_MEMORY. After an error `release` is not called. */
PLN_API PLN_MUST_USE enum pln_status pln_plugins_add(pln_plugins *plugins, const struct pln_plugin *plugin, pln_diagnostics *diagnostics);
/* Loads a shared object, whose code may then do anything that this process may, and calls its planish_plugin_register. Files are loaded only when a
 * program says so here; no model and no plan can name one. It stays loaded as long as the set. Errors: PLN_NOT_FOUND no such file, or no shared object with
 * that function; those of pln_plugins_add; any that the function returns. What it added before it failed stays. */
PLN_API PLN_MUST_USE enum pln_status pln_plugins_load(pln_plugins *plugins, const char *path, pln_diagnostics *diagnostics);
/* Operator `index`, sorted by domain, name and version; it lives as long as the set. NULL: no such index. */
PLN_API const struct pln_plugin *pln_plugins_get(const pln_plugins *plugins, int index);

/* What a shared object is given. It need not be linked with the library. */
struct pln_plugin_host {
    size_t struct_size;
    int abi; /* PLN_PLUGIN_ABI of the library */
    void *internal;
    enum pln_status (*add)(const struct pln_plugin_host *host, const struct pln_plugin *plugin); /* pln_plugins_add */
};
/* Defined by the shared object: adds its operators and returns PLN_OK, or the status that `add` gave. */
PLN_API enum pln_status planish_plugin_register(const struct pln_plugin_host *host);

/* ---- small helpers ---- */

/* NULL: the node does not have it. */
static inline const struct pln_plugin_attribute *pln_plugin_find(const struct pln_plugin_call *call, const char *name)
{
    int i;
    for (i = 0; i < call->attribute_count; i++)
        if (strcmp(call->attributes[i].name, name) == 0) return &call->attributes[i];
    return NULL;
}
/* The fallback when the node does not have it, or it is of another kind. */
static inline int64_t pln_plugin_int(const struct pln_plugin_call *call, const char *name, int64_t fallback)
{
    const struct pln_plugin_attribute *attribute = pln_plugin_find(call, name);
    return attribute && attribute->kind == PLN_ATTRIBUTE_INT ? attribute->i : fallback;
}
static inline float pln_plugin_float(const struct pln_plugin_call *call, const char *name, float fallback)
{
    const struct pln_plugin_attribute *attribute = pln_plugin_find(call, name);
    return attribute && attribute->kind == PLN_ATTRIBUTE_FLOAT ? attribute->f : fallback;
}
/* Elements of a tensor whose dims are known. */
static inline int64_t pln_plugin_elements(const struct pln_buffer *tensor)
{
    int64_t n = 1;
    int d;
    for (d = 0; d < tensor->rank; d++) n *= tensor->dims[d];
    return n;
}

#ifdef __cplusplus
}
#endif
#endif
