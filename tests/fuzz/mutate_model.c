#include "mutate_model.h"

#include <string.h>

#include "base/text.h"
#include "onnx/encode.h"
#include "onnx/opset.h"
#include "onnx/schema.h"

struct mutation {
    struct pln_arena arena;
    struct pln_onnx_model model;
    uint64_t state;
    struct pln_onnx_graph *graphs[64]; /* the main one and bodies */
    uint32_t n_graphs;
};

/* SplitMix64 (Steele, Lea, Flood 2014), below n. */
static uint32_t below(struct mutation *m, uint32_t n)
{
    uint64_t z = m->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return n ? (uint32_t)((z ^ (z >> 31)) % n) : 0;
}

static int64_t any_int(struct mutation *m)
{
    static const int64_t odd[] = { 0, 1, -1, 2, 3, -2, 4, 7, 8, 16, 255, 1000, -1000, 65536, INT32_MAX, INT32_MIN, (int64_t)1 << 32, INT64_MAX, INT64_MIN, INT64_MAX - 1, (int64_t)1 << 62 };
    return odd[below(m, below(m, 3) ? 11 : PLN_COUNT_OF(odd))];
}

static float any_float(struct mutation *m)
{
    static const float odd[] = { 0, 1, -1, 0.5f, 1e-5f, 3, 1e30f, -1e30f, 1e-40f };
    const uint32_t i = below(m, PLN_COUNT_OF(odd) + 2);
    return i < PLN_COUNT_OF(odd) ? odd[i] : i == PLN_COUNT_OF(odd) ? (float)__builtin_inf() : (float)__builtin_nan("");
}

static struct pln_string any_string(struct mutation *m)
{
    static const char *const words[] = { "", "linear", "nearest", "cubic", "SAME_UPPER", "VALID", "NOTSET", "constant", "reflect", "wrap", "add", "tanh", "ij,jk->ik", "...i->...", "reverse", "Tanh", "RBF", "BRANCH_LEQ", "\xff\xfe" };
    const char *word = words[below(m, PLN_COUNT_OF(words))];
    return (struct pln_string){ word, strlen(word) };
}

static int32_t any_type(struct mutation *m)
{
    return (int32_t)(below(m, 8) ? 1 + below(m, PLN_DTYPE_COUNT - 1) : below(m, 100));
}

/* A copy with one element added or taken away, or as long as it was. */
static void *resized(struct mutation *m, const void *items, uint32_t *count, size_t elem_bytes)
{
    const uint32_t old = *count, how = below(m, 4);
    if (how == 0 && old) --*count;
    if (how == 1) ++*count;
    char *copy = pln_arena_array(&m->arena, (size_t)*count + 1, elem_bytes);
    if (!copy) {
        *count = 0;
        return NULL;
    }
    if (PLN_MIN(old, *count)) memcpy(copy, items, PLN_MIN(old, *count) * elem_bytes);
    if (*count > old && old) memcpy(copy + old * elem_bytes, items, elem_bytes);
    return copy;
}

/* ---- attributes ---- */

static void change_value(struct mutation *m, struct pln_onnx_attribute *a)
{
    switch (a->type) {
    case PLN_ONNX_ATTR_INT: a->i = any_int(m); break;
    case PLN_ONNX_ATTR_FLOAT: a->f = any_float(m); break;
    case PLN_ONNX_ATTR_STRING: a->s = any_string(m); break;
    case PLN_ONNX_ATTR_INTS:
        a->ints.items = resized(m, a->ints.items, &a->ints.count, sizeof *a->ints.items);
        if (a->ints.count) a->ints.items[below(m, a->ints.count)] = any_int(m);
        break;
    case PLN_ONNX_ATTR_FLOATS:
        a->floats.items = resized(m, a->floats.items, &a->floats.count, sizeof *a->floats.items);
        if (a->floats.count) a->floats.items[below(m, a->floats.count)] = any_float(m);
        break;
    case PLN_ONNX_ATTR_STRINGS:
        a->strings.items = resized(m, a->strings.items, &a->strings.count, sizeof *a->strings.items);
        if (a->strings.count) a->strings.items[below(m, a->strings.count)] = any_string(m);
        break;
    default: a->type = (int32_t)below(m, 15); break;
    }
}

/* An attribute that the operator has, as its schema lists it. */
static void add_attribute(struct mutation *m, struct pln_onnx_node *node)
{
    static const char letters[] = "fisFIS";
    static const int32_t types[] = { PLN_ONNX_ATTR_FLOAT, PLN_ONNX_ATTR_INT, PLN_ONNX_ATTR_STRING, PLN_ONNX_ATTR_FLOATS, PLN_ONNX_ATTR_INTS, PLN_ONNX_ATTR_STRINGS };
    const struct pln_onnx_schema *row = pln_onnx_schema_find(node->domain, node->op_type, 1 + below(m, 28));
    if (!row || !row->attributes || !row->attributes[0]) return;
    const char *word = row->attributes;
    for (uint32_t skip = below(m, 8); skip-- && strchr(word, ' ');) word = strchr(word, ' ') + 1;
    const char *colon = strchr(word, ':'), *letter = colon ? strchr(letters, colon[1]) : NULL;
    if (!letter) return;
    struct pln_onnx_attribute *copy = pln_arena_array(&m->arena, node->attributes.count + 1u, sizeof *copy);
    if (!copy) return;
    if (node->attributes.count) memcpy(copy, node->attributes.items, node->attributes.count * sizeof *copy);
    struct pln_onnx_attribute *a = &copy[node->attributes.count++];
    *a = (struct pln_onnx_attribute){ .name = pln_arena_text(&m->arena, word, (size_t)(colon - word)), .ref_attr_name = "", .type = types[letter - letters], .present = 1u << types[letter - letters] };
    node->attributes.items = copy;
    if (!a->name) node->attributes.count--;
    else change_value(m, a);
}

/* ---- nodes ---- */

static void resize_names(struct mutation *m, const char ***names, uint32_t *count)
{
    *names = resized(m, *names, count, sizeof **names);
    for (uint32_t i = 0; i < *count; i++)
        if (!(*names)[i]) (*names)[i] = "";
}

static const char *any_name(struct mutation *m, const struct pln_onnx_graph *graph)
{
    const uint32_t kind = below(m, 8);
    if (kind == 0) return "";
    if (kind < 3 && graph->inputs.count) return graph->inputs.items[below(m, graph->inputs.count)].name;
    if (kind < 5 && graph->initializers.count) return graph->initializers.items[below(m, graph->initializers.count)].name;
    if (!graph->nodes.count) return "x";
    const struct pln_onnx_node *node = &graph->nodes.items[below(m, graph->nodes.count)];
    return node->outputs.count ? node->outputs.items[below(m, node->outputs.count)] : "x";
}

static void change_operator(struct mutation *m, struct pln_onnx_node *node)
{
    size_t n;
    const struct pln_onnx_row *rows = pln_onnx_opset_rows(&n), *row = &rows[below(m, (uint32_t)n)];
    node->op_type = row->name;
    node->domain = row->domain;
}

static void change_node(struct mutation *m, const struct pln_onnx_graph *graph, struct pln_onnx_node *node)
{
    switch (below(m, 8)) {
    case 0: change_operator(m, node); break;
    case 1:
    case 2:
        resize_names(m, &node->inputs.items, &node->inputs.count);
        if (node->inputs.count) node->inputs.items[below(m, node->inputs.count)] = any_name(m, graph);
        break;
    case 3:
        resize_names(m, &node->outputs.items, &node->outputs.count);
        if (node->outputs.count && below(m, 2)) node->outputs.items[below(m, node->outputs.count)] = below(m, 2) ? "" : "made_up";
        break;
    case 4: add_attribute(m, node); break;
    case 5:
        if (!node->attributes.count) break;
        node->attributes.count--;
        node->attributes.items[below(m, node->attributes.count + 1)] = node->attributes.items[node->attributes.count];
        break;
    default:
        if (node->attributes.count) change_value(m, &node->attributes.items[below(m, node->attributes.count)]);
        else add_attribute(m, node);
    }
}

/* ---- shapes, types, tensors ---- */

static void change_info(struct mutation *m, struct pln_onnx_value_info *info)
{
    struct pln_onnx_type *type = info->type;
    if (!type || below(m, 4) == 0) {
        if (type) type->elem_type = any_type(m);
        return;
    }
    if (!type->shape) return;
    type->shape->dims.items = resized(m, type->shape->dims.items, &type->shape->dims.count, sizeof *type->shape->dims.items);
    if (!type->shape->dims.count) return;
    struct pln_onnx_dim *dim = &type->shape->dims.items[below(m, type->shape->dims.count)];
    *dim = (struct pln_onnx_dim){ .denotation = "", .param = below(m, 2) ? "n" : "m", .value = any_int(m), .kind = (enum pln_onnx_dim_kind)below(m, 3) };
}

static void change_tensor(struct mutation *m, struct pln_onnx_tensor *tensor)
{
    tensor->spans.count = 0; /* written from the members; typed data is lost, which is one change more */
    switch (below(m, 4)) {
    case 0: tensor->data_type = any_type(m); break;
    case 1:
        tensor->dims.items = resized(m, tensor->dims.items, &tensor->dims.count, sizeof *tensor->dims.items);
        if (tensor->dims.count) tensor->dims.items[below(m, tensor->dims.count)] = any_int(m);
        break;
    case 2:
        if (tensor->raw_data.size_bytes) tensor->raw_data.size_bytes -= 1 + below(m, 4) % tensor->raw_data.size_bytes;
        break;
    default: {
        char *copy = tensor->raw_data.size_bytes ? pln_arena_copy(&m->arena, tensor->raw_data.data, tensor->raw_data.size_bytes) : NULL;
        const int64_t value = any_int(m);
        if (!copy) return;
        memcpy(copy + below(m, (uint32_t)(tensor->raw_data.size_bytes / 8)) * 8, &value, PLN_MIN(sizeof value, tensor->raw_data.size_bytes));
        tensor->raw_data.data = copy;
    }
    }
}

/* ---- the model ---- */

static void find_graphs(struct mutation *m, struct pln_onnx_graph *graph)
{
    if (!graph || m->n_graphs == PLN_COUNT_OF(m->graphs)) return;
    m->graphs[m->n_graphs++] = graph;
    for (uint32_t i = 0; i < graph->nodes.count; i++)
        for (uint32_t a = 0; a < graph->nodes.items[i].attributes.count; a++) find_graphs(m, graph->nodes.items[i].attributes.items[a].g);
}

static void repeat_node(struct mutation *m, struct pln_onnx_graph *graph)
{
    struct pln_onnx_node *copy = pln_arena_array(&m->arena, graph->nodes.count + 1u, sizeof *copy);
    if (!copy || !graph->nodes.count) return;
    const uint32_t at = below(m, graph->nodes.count), to = below(m, graph->nodes.count + 1);
    memcpy(copy, graph->nodes.items, to * sizeof *copy);
    memcpy(copy + to + 1, graph->nodes.items + to, (graph->nodes.count - to) * sizeof *copy);
    copy[to] = graph->nodes.items[at];
    copy[to].outputs.items = pln_arena_array(&m->arena, copy[to].outputs.count + 1u, sizeof *copy[to].outputs.items);
    for (uint32_t i = 0; copy[to].outputs.items && i < copy[to].outputs.count; i++) copy[to].outputs.items[i] = i ? "" : pln_arena_format(&m->arena, "again_%u", below(m, 1000));
    if (!copy[to].outputs.items || (copy[to].outputs.count && !copy[to].outputs.items[0])) return;
    graph->nodes.items = copy;
    graph->nodes.count++;
}

static void change(struct mutation *m)
{
    struct pln_onnx_graph *graph = m->graphs[below(m, m->n_graphs)];
    switch (below(m, 12)) {
    case 0:
        if (graph->inputs.count) change_info(m, &graph->inputs.items[below(m, graph->inputs.count)]);
        break;
    case 1:
        if (graph->outputs.count) {
            struct pln_onnx_value_info *info = &graph->outputs.items[below(m, graph->outputs.count)];
            if (below(m, 2)) change_info(m, info);
            else info->name = any_name(m, graph);
        }
        break;
    case 2:
        if (graph->initializers.count) change_tensor(m, &graph->initializers.items[below(m, graph->initializers.count)]);
        break;
    case 3: repeat_node(m, graph); break;
    case 4:
        if (graph->nodes.count > 1) {
            graph->nodes.count--;
            memmove(graph->nodes.items, graph->nodes.items + 1, graph->nodes.count * sizeof *graph->nodes.items);
        }
        break;
    case 5:
        if (m->model.opset_imports.count) m->model.opset_imports.items[below(m, m->model.opset_imports.count)].version = 1 + below(m, 28);
        break;
    default:
        if (graph->nodes.count) change_node(m, graph, &graph->nodes.items[below(m, graph->nodes.count)]);
    }
}

struct bytes {
    uint8_t *data;
    size_t used, max_bytes;
};

static enum pln_status append(void *user, const void *data, size_t size_bytes)
{
    struct bytes *bytes = user;
    if (size_bytes > bytes->max_bytes - bytes->used) return PLN_NO_MEMORY;
    memcpy(bytes->data + bytes->used, data, size_bytes);
    bytes->used += size_bytes;
    return PLN_OK;
}

size_t mutate_model(uint8_t *data, size_t size_bytes, size_t max_bytes, uint64_t seed)
{
    struct mutation m = { .state = seed };
    struct bytes bytes = { .max_bytes = max_bytes };
    pln_arena_init(&m.arena, NULL, (size_t)64 << 20);
    uint8_t *copy = pln_arena_copy(&m.arena, data, size_bytes); /* the structs look into it while data is written */
    enum pln_status status = copy ? pln_onnx_decode_model(copy, size_bytes, &m.arena, NULL, &m.model) : PLN_NO_MEMORY;
    if (status == PLN_OK && m.model.graph) {
        find_graphs(&m, m.model.graph);
        for (uint32_t n = 1 + below(&m, 4); n--;) change(&m);
        bytes.data = data;
        const struct pln_onnx_sink sink = { append, &bytes };
        status = pln_onnx_encode(&pln_onnx_model_message, &m.model, &sink);
    } else {
        status = PLN_BAD_MODEL;
    }
    pln_arena_deinit(&m.arena);
    return status == PLN_OK ? bytes.used : 0;
}
