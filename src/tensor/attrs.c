#include "tensor/attrs.h"

/* The length of a name is one byte in the serialized form. */
#define NAME_BYTES_MAX 255

/* Where the name is, or would be inserted. */
static size_t lower_bound(const struct pln_attrs *attrs, const char *name, bool *out_found)
{
    size_t low = 0, high = attrs->count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (strcmp(attrs->items[mid].name, name) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    *out_found = low < attrs->count && strcmp(attrs->items[low].name, name) == 0;
    return low;
}

const struct pln_attr *pln_attrs_find(const struct pln_attrs *attrs, const char *name)
{
    bool found;
    size_t at = lower_bound(attrs, name, &found);
    return found ? &attrs->items[at] : NULL;
}

static const struct pln_attr *find_kind(const struct pln_attrs *attrs, const char *name, enum pln_attr_kind kind)
{
    const struct pln_attr *attr = pln_attrs_find(attrs, name);
    return attr != NULL && attr->kind == kind ? attr : NULL;
}

bool pln_attrs_has(const struct pln_attrs *attrs, const char *name)
{
    return pln_attrs_find(attrs, name) != NULL;
}

int64_t pln_attrs_int(const struct pln_attrs *attrs, const char *name, int64_t fallback)
{
    const struct pln_attr *attr = find_kind(attrs, name, PLN_ATTR_INT);
    return attr != NULL ? attr->u.i : fallback;
}

float pln_attrs_float(const struct pln_attrs *attrs, const char *name, float fallback)
{
    const struct pln_attr *attr = find_kind(attrs, name, PLN_ATTR_FLOAT);
    return attr != NULL ? attr->u.f : fallback;
}

const char *pln_attrs_string(const struct pln_attrs *attrs, const char *name, const char *fallback)
{
    const struct pln_attr *attr = find_kind(attrs, name, PLN_ATTR_STRING);
    return attr != NULL ? attr->u.s.data : fallback;
}

int64_t pln_attrs_ints(const struct pln_attrs *attrs, const char *name, const int64_t **out_ints)
{
    const struct pln_attr *attr = find_kind(attrs, name, PLN_ATTR_INTS);
    *out_ints = attr != NULL ? attr->u.ints : NULL;
    return attr != NULL ? attr->n : 0;
}

int64_t pln_attrs_floats(const struct pln_attrs *attrs, const char *name, const float **out_floats)
{
    const struct pln_attr *attr = find_kind(attrs, name, PLN_ATTR_FLOATS);
    *out_floats = attr != NULL ? attr->u.floats : NULL;
    return attr != NULL ? attr->n : 0;
}

static bool copy_string(struct pln_arena *arena, struct pln_string *string)
{
    string->data = pln_arena_text(arena, string->data, string->size_bytes);
    return string->data != NULL;
}

static const struct pln_string *copy_strings(struct pln_arena *arena, const struct pln_string *strings, int64_t n)
{
    struct pln_string *copy = pln_arena_array(arena, (size_t)n, sizeof *copy);
    if (copy == NULL) return NULL;
    for (int64_t i = 0; i < n; i++) {
        copy[i] = strings[i];
        if (!copy_string(arena, &copy[i])) return NULL;
    }
    return copy;
}

static const struct pln_tensor *copy_tensor(struct pln_arena *arena, const struct pln_tensor *tensor)
{
    struct pln_tensor *copy = pln_arena_copy(arena, tensor, sizeof *tensor);
    if (copy == NULL) return NULL;
    pln_tensor_set_contiguous(copy);
    copy->data = pln_arena_alloc_aligned(arena, pln_tensor_bytes(tensor), 64);
    if (copy->data == NULL) return NULL;
    pln_tensor_copy(tensor, copy);
    if (tensor->dtype != PLN_STR) return copy;
    struct pln_string *strings = copy->data;
    for (int64_t i = 0, n = pln_tensor_count(copy); i < n; i++)
        if (!copy_string(arena, &strings[i])) return NULL;
    return copy;
}

static bool copy_value(struct pln_arena *arena, struct pln_attr *attr)
{
    size_t n = (size_t)attr->n;
    switch (attr->kind) {
    case PLN_ATTR_INT:
    case PLN_ATTR_FLOAT: return true;
    case PLN_ATTR_STRING: return copy_string(arena, &attr->u.s);
    case PLN_ATTR_INTS: return (attr->u.ints = pln_arena_copy(arena, attr->u.ints, n * sizeof(int64_t))) != NULL;
    case PLN_ATTR_FLOATS: return (attr->u.floats = pln_arena_copy(arena, attr->u.floats, n * sizeof(float))) != NULL;
    case PLN_ATTR_STRINGS: return (attr->u.strings = copy_strings(arena, attr->u.strings, attr->n)) != NULL;
    case PLN_ATTR_TENSOR: return (attr->u.tensor = copy_tensor(arena, attr->u.tensor)) != NULL;
    }
    return false;
}

bool pln_attrs_set(struct pln_attrs *attrs, struct pln_arena *arena, const struct pln_attr *attr)
{
    struct pln_attr copy = *attr;
    size_t name_bytes = strlen(attr->name);
    bool found;
    if (name_bytes > NAME_BYTES_MAX || !copy_value(arena, &copy)) return false;
    size_t at = lower_bound(attrs, attr->name, &found);
    if (found) {
        copy.name = attrs->items[at].name;
        attrs->items[at] = copy;
        return true;
    }
    copy.name = pln_arena_text(arena, attr->name, name_bytes);
    void *items = attrs->items;
    if (copy.name == NULL) return false;
    if (!pln_arena_grow(arena, &items, &attrs->capacity, attrs->count + 1, sizeof copy)) return false;
    attrs->items = items;
    memmove(attrs->items + at + 1, attrs->items + at, (attrs->count - at) * sizeof copy);
    attrs->items[at] = copy;
    attrs->count++;
    return true;
}

bool pln_attrs_set_int(struct pln_attrs *attrs, struct pln_arena *arena, const char *name, int64_t value)
{
    return pln_attrs_set(attrs, arena, &(struct pln_attr){ .name = name, .kind = PLN_ATTR_INT, .u.i = value });
}

bool pln_attrs_set_float(struct pln_attrs *attrs, struct pln_arena *arena, const char *name, float value)
{
    return pln_attrs_set(attrs, arena, &(struct pln_attr){ .name = name, .kind = PLN_ATTR_FLOAT, .u.f = value });
}

bool pln_attrs_set_string(struct pln_attrs *attrs, struct pln_arena *arena, const char *name, const char *data,
                          size_t size_bytes)
{
    struct pln_attr attr = { .name = name, .kind = PLN_ATTR_STRING, .u.s = { data, size_bytes } };
    return pln_attrs_set(attrs, arena, &attr);
}

bool pln_attrs_set_ints(struct pln_attrs *attrs, struct pln_arena *arena, const char *name, const int64_t *ints,
                        int64_t n)
{
    struct pln_attr attr = { .name = name, .kind = PLN_ATTR_INTS, .n = n, .u.ints = ints };
    return pln_attrs_set(attrs, arena, &attr);
}

void pln_attrs_remove(struct pln_attrs *attrs, const char *name)
{
    bool found;
    size_t at = lower_bound(attrs, name, &found);
    if (!found) return;
    attrs->count--;
    memmove(attrs->items + at, attrs->items + at + 1, (attrs->count - at) * sizeof *attrs->items);
}

bool pln_attrs_copy(struct pln_attrs *to, struct pln_arena *arena, const struct pln_attrs *from)
{
    for (size_t i = 0; i < from->count; i++)
        if (!pln_attrs_set(to, arena, &from->items[i])) return false;
    return true;
}

static bool strings_equal(const struct pln_string *a, const struct pln_string *b, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        if (a[i].size_bytes != b[i].size_bytes) return false;
        if (a[i].size_bytes > 0 && memcmp(a[i].data, b[i].data, a[i].size_bytes) != 0) return false;
    }
    return true;
}

static bool tensors_equal(const struct pln_tensor *a, const struct pln_tensor *b)
{
    if (a->dtype != b->dtype || !pln_tensor_same_shape(a, b)) return false;
    int64_t n = pln_tensor_count(a);
    if (a->dtype == PLN_STR) return strings_equal(a->data, b->data, n);
    return n == 0 || memcmp(a->data, b->data, pln_tensor_bytes(a)) == 0;
}

/* Bit for bit: a NaN equals itself, and -0 is not 0. */
static bool values_equal(const struct pln_attr *a, const struct pln_attr *b)
{
    size_t n = (size_t)a->n;
    switch (a->kind) {
    case PLN_ATTR_INT: return a->u.i == b->u.i;
    case PLN_ATTR_FLOAT: return memcmp(&a->u.f, &b->u.f, sizeof a->u.f) == 0;
    case PLN_ATTR_STRING: return strings_equal(&a->u.s, &b->u.s, 1);
    case PLN_ATTR_INTS: return n == 0 || memcmp(a->u.ints, b->u.ints, n * sizeof(int64_t)) == 0;
    case PLN_ATTR_FLOATS: return n == 0 || memcmp(a->u.floats, b->u.floats, n * sizeof(float)) == 0;
    case PLN_ATTR_STRINGS: return strings_equal(a->u.strings, b->u.strings, a->n);
    case PLN_ATTR_TENSOR: return tensors_equal(a->u.tensor, b->u.tensor);
    }
    return false;
}

bool pln_attrs_equal(const struct pln_attrs *a, const struct pln_attrs *b)
{
    if (a->count != b->count) return false;
    for (size_t i = 0; i < a->count; i++) {
        const struct pln_attr *x = &a->items[i], *y = &b->items[i];
        if (x->kind != y->kind || x->n != y->n || strcmp(x->name, y->name) != 0 || !values_equal(x, y)) return false;
    }
    return true;
}
