/* What every file of ours may use: attributes, checked sizes, diagnostics, allocation.
 *
 * base/ knows nothing of tensors or graphs. The rest of the module has a header a noun: arena.h text.h hash.h file.h
 * dynlib.h pool.h cpu.h. */
#ifndef PLN_BASE_BASE_H
#define PLN_BASE_BASE_H

#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "planish/status.h"
#include "planish/types.h"

#if defined(__GNUC__)
#define PLN_PRINTF(format_index, first) __attribute__((format(printf, format_index, first)))
#define PLN_LIKELY(x) __builtin_expect(!!(x), 1)
#define PLN_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define PLN_PREFETCH(address) __builtin_prefetch(address)
#else
#define PLN_PRINTF(format_index, first)
#define PLN_LIKELY(x) (x)
#define PLN_UNLIKELY(x) (x)
#define PLN_PREFETCH(address) ((void)(address))
#endif

#define PLN_COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define PLN_MIN(a, b) ((a) < (b) ? (a) : (b))
#define PLN_MAX(a, b) ((a) > (b) ? (a) : (b))

/* Returns from the calling function when the expression is not PLN_OK. */
#define PLN_TRY(expr)                          \
    do {                                       \
        enum pln_status try_status_ = (expr);  \
        if (PLN_UNLIKELY(try_status_ != PLN_OK)) return try_status_; \
    } while (0)

/* ---- checked sizes: false on overflow; then *out is not to be used ---- */

static inline bool pln_add_size(size_t a, size_t b, size_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}
static inline bool pln_mul_size(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}
static inline bool pln_add_i64(int64_t a, int64_t b, int64_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}
static inline bool pln_sub_i64(int64_t a, int64_t b, int64_t *out)
{
    return !__builtin_sub_overflow(a, b, out);
}
static inline bool pln_mul_i64(int64_t a, int64_t b, int64_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}
/* Rounds up to a multiple of align, a power of two; the caller knows that it does not overflow. */
static inline size_t pln_align_up(size_t n, size_t align)
{
    return (n + align - 1) & ~(align - 1);
}

/* ---- diagnostics ----
 *
 * A list of what went wrong, owned by a builder, engine or context and handed down as `diag`. The status travels by value, the
 * text stays here. Entries are bounded (PLN_DIAG_MAX, later ones are counted only), each text is cut at PLN_DIAG_TEXT bytes; no
 * allocation, so that running out of memory can be told. One thread at a time. diag may be NULL everywhere: then only the
 * status tells. */
#define PLN_DIAG_MAX 16
#define PLN_DIAG_TEXT 1024
#define PLN_DIAG_NAME 192

struct pln_diag_entry {
    enum pln_status status;
    char node[PLN_DIAG_NAME]; /* name of the ONNX node, or "" */
    char op[64];              /* its operator type, or "" */
    int64_t node_index;       /* its place in the model's graph, or -1 */
    char text[PLN_DIAG_TEXT];
};

struct pln_diag {
    struct pln_diag_entry entries[PLN_DIAG_MAX];
    int count;   /* entries used */
    int dropped; /* entries that found no room */
    /* What the code at hand is working on; copied into each new entry. Set and restored by whoever walks nodes. */
    const char *node;
    const char *op;
    int64_t node_index;
};

void pln_diag_init(struct pln_diag *diag);

/* Adds an entry and returns status, so that `return pln_fail(diag, PLN_BAD_MODEL, "…", …);` does both. */
enum pln_status pln_fail(struct pln_diag *diag, enum pln_status status, const char *format, ...) PLN_PRINTF(3, 4);
enum pln_status pln_failv(struct pln_diag *diag, enum pln_status status, const char *format, va_list args);

/* Names entries from number `first` on that have no node: for loops too tight to set node and op before anything has failed. */
void pln_diag_name(struct pln_diag *diag, int first, const char *node, const char *op);

/* "out of memory: NAME needs N bytes" as an entry, without the bytes where they are not known (0); returns PLN_NO_MEMORY. */
enum pln_status pln_fail_memory(struct pln_diag *diag, const char *what, size_t size_bytes);
/* An entry behind that of a failure for want of memory: the caller's own limit, where there is one (0: none). Returns the status, whichever it is. */
enum pln_status pln_note_limit(struct pln_diag *diag, enum pln_status status, uint64_t limit_bytes);

/* ---- config structs ----
 *
 * Those of the public headers begin with `size_t struct_size`, the size that the caller was compiled with. Zero is the default of every field.
 * Copies what the caller has into out_options (size_bytes, also with struct_size first); fields that an older caller does not have become 0.
 * A newer caller's must be 0 in what this version does not have. options NULL: all zero. Returns NULL, or why not (static text); out_options
 * is usable in both cases, so that its diagnostics can take the text. */
const char *pln_options_copy(const void *options, size_t size_bytes, void *out_options);

/* ---- memory ---- */

/* The C library's memory. Never NULL. */
const struct pln_allocator *pln_allocator_default(void);

/* alloc may be NULL: the default. size_bytes 0 gives a valid pointer to nothing that pln_free takes. NULL: no memory. */
void *pln_alloc(const struct pln_allocator *alloc, size_t size_bytes, size_t align);
void *pln_alloc_zeroed(const struct pln_allocator *alloc, size_t size_bytes, size_t align);
void pln_free(const struct pln_allocator *alloc, void *memory, size_t size_bytes);

#endif
