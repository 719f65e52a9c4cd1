/* Attributes: a small typed list of named parameters. Nodes of the graph and steps of a plan carry the same form, so that a
 * reference kernel reads `axis` in one way wherever it runs.
 *
 * The list is sorted by name and lives in an arena. Serialized form (version 0), little-endian, no padding:
 *   u32 count, then for each: u8 kind, u8 name_bytes, name, payload
 *   INT: i64 | FLOAT: f32 | STRING: u32 bytes, bytes | INTS: u32 n, i64[n] | FLOATS: u32 n, f32[n]
 *   STRINGS: u32 n, n × (u32 bytes, bytes) | TENSOR: u8 dtype, u8 rank, i64 dims[rank], u64 bytes, bytes (contiguous; STR as STRINGS) */
#ifndef PLN_TENSOR_ATTRS_H
#define PLN_TENSOR_ATTRS_H

#include "base/text.h"
#include "tensor/tensor.h"

enum pln_attr_kind {
    PLN_ATTR_INT = 1,
    PLN_ATTR_FLOAT,
    PLN_ATTR_STRING, /* also raw bytes */
    PLN_ATTR_INTS,
    PLN_ATTR_FLOATS,
    PLN_ATTR_STRINGS,
    PLN_ATTR_TENSOR
};

struct pln_attr {
    const char *name;
    enum pln_attr_kind kind;
    int64_t n; /* elements of INTS, FLOATS, STRINGS */
    union {
        int64_t i;
        float f;
        struct pln_string s;
        const int64_t *ints;
        const float *floats;
        const struct pln_string *strings;
        const struct pln_tensor *tensor;
    } u;
};

struct pln_attrs {
    struct pln_attr *items;
    size_t count, capacity;
};

/* NULL: no such attribute. */
const struct pln_attr *pln_attrs_find(const struct pln_attrs *attrs, const char *name);
bool pln_attrs_has(const struct pln_attrs *attrs, const char *name);
/* The fallback when absent or of another kind. */
int64_t pln_attrs_int(const struct pln_attrs *attrs, const char *name, int64_t fallback);
float pln_attrs_float(const struct pln_attrs *attrs, const char *name, float fallback);
/* Terminated text; `fallback` when absent. */
const char *pln_attrs_string(const struct pln_attrs *attrs, const char *name, const char *fallback);
/* Number of ints, and the array; 0 and NULL when absent. */
int64_t pln_attrs_ints(const struct pln_attrs *attrs, const char *name, const int64_t **out_ints);
int64_t pln_attrs_floats(const struct pln_attrs *attrs, const char *name, const float **out_floats);

/* Set or replace; values are copied into the arena. false: no memory. */
bool pln_attrs_set(struct pln_attrs *attrs, struct pln_arena *arena, const struct pln_attr *attr);
bool pln_attrs_set_int(struct pln_attrs *attrs, struct pln_arena *arena, const char *name, int64_t value);
bool pln_attrs_set_float(struct pln_attrs *attrs, struct pln_arena *arena, const char *name, float value);
bool pln_attrs_set_string(struct pln_attrs *attrs, struct pln_arena *arena, const char *name, const char *data, size_t size_bytes);
bool pln_attrs_set_ints(struct pln_attrs *attrs, struct pln_arena *arena, const char *name, const int64_t *ints, int64_t n);
void pln_attrs_remove(struct pln_attrs *attrs, const char *name);
bool pln_attrs_copy(struct pln_attrs *to, struct pln_arena *arena, const struct pln_attrs *from);
bool pln_attrs_equal(const struct pln_attrs *a, const struct pln_attrs *b);

void pln_attrs_write(const struct pln_attrs *attrs, struct pln_text *out);
/* Reads and checks the serialized form; strings and tensors are views of `data` where alignment allows, else copies. */
enum pln_status pln_attrs_read(const void *data, size_t size_bytes, struct pln_arena *arena, struct pln_diag *diag, struct pln_attrs *out_attrs);
/* `axis=1 mode="nearest" pads=[0,0,1,1]`, as the text form of the graph prints it. */
void pln_attrs_print(const struct pln_attrs *attrs, struct pln_text *out);

#endif
