#include "onnx/importer.h"

struct pln_scope *pln_scope_enter(struct pln_importer *importer, struct pln_scope *parent, struct pln_frame *frame)
{
    struct pln_scope *scope = pln_arena_alloc(&importer->arena, sizeof *scope);
    if (!scope) return NULL;
    scope->parent = parent;
    scope->frame = frame;
    pln_map_init(&scope->values, importer->arena.alloc);
    pln_map_init(&scope->hints, importer->arena.alloc);
    return scope;
}

void pln_scope_leave(struct pln_scope *scope)
{
    if (!scope) return;
    pln_map_deinit(&scope->values);
    pln_map_deinit(&scope->hints);
}

bool pln_scope_set(struct pln_scope *scope, const char *name, uint32_t value)
{
    return pln_map_set(&scope->values, name, strlen(name), value);
}

bool pln_scope_find(const struct pln_scope *scope, const char *name, uint32_t *out_value)
{
    *out_value = PLN_NONE;
    size_t size = strlen(name);
    for (; scope; scope = scope->parent) {
        if (pln_map_get(&scope->values, name, size, out_value)) return true;
    }
    return false;
}

const struct pln_onnx_attribute *pln_importer_resolve(const struct pln_onnx_attribute *attr, struct pln_scope *scope, struct pln_scope **out_scope)
{
    if (out_scope) *out_scope = scope;
    if (!attr || !attr->ref_attr_name[0]) return attr;
    const struct pln_frame *frame = scope->frame;
    for (uint32_t i = 0; frame && i < frame->n_attrs; i++) {
        if (strcmp(frame->attrs[i].name, attr->ref_attr_name) != 0) continue;
        if (out_scope && frame->attrs[i].scope) *out_scope = frame->attrs[i].scope;
        return frame->attrs[i].attr;
    }
    return NULL;
}

/* Longest piece of a name inside functions. */
enum { NAME_CUT = 160 };

const char *pln_importer_name(struct pln_importer *importer, const struct pln_frame *frame, const char *name)
{
    if (!frame) return name;
    size_t size = strlen(name);
    if (size > NAME_CUT) {
        size = NAME_CUT;
        while (size && ((unsigned char)name[size] & 0xc0) == 0x80) size--; /* not inside a character */
    }
    return pln_arena_format(&importer->arena, "%s%.*s", frame->prefix, (int)size, name);
}
