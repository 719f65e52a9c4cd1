/* A node of the graph as a node of an ONNX model. */
#include "onnx/exporter.h"
#include "onnx/opset.h"
#include "onnx/schema.h"

/* ---- what a node is called ---- */

/* Kinds of ops that ONNX has under another name, tells apart by an attribute, or whose parameters it calls otherwise. */
struct form {
    unsigned op, kind;
    const char *onnx;
    struct {
        const char *ours, *theirs;
        bool is_int;
    } renamed[2];
    const char *attribute; /* one more; s NULL: an int */
    int64_t i;
    const char *s;
};
#define EW(KIND) .op = PLN_OP_ELEMENTWISE, .kind = PLN_EW_##KIND
static const struct form forms[] = {
    { EW(FMOD), .onnx = "Mod", .attribute = "fmod", .i = 1 },
    { EW(MOD), .onnx = "Mod" },
    { EW(GELU), .onnx = "Gelu" },
    { EW(GELU_TANH), .onnx = "Gelu", .attribute = "approximate", .s = "tanh" },
    { EW(MAX), .onnx = "Max" },
    { EW(MIN), .onnx = "Min" },
    { EW(SHIFT_LEFT), .onnx = "BitShift", .attribute = "direction", .s = "LEFT" },
    { EW(SHIFT_RIGHT), .onnx = "BitShift", .attribute = "direction", .s = "RIGHT" },
    { EW(SELU), .onnx = "Selu", .renamed = { { "beta", "gamma", false } } },
    { EW(SHRINK), .onnx = "Shrink", .renamed = { { "alpha", "lambd", false }, { "beta", "bias", false } } },
    { EW(ISINF), .onnx = "IsInf", .renamed = { { "alpha", "detect_negative", true }, { "beta", "detect_positive", true } } },
};

static const struct form *find_form(const struct pln_node *node)
{
    for (size_t i = 0; i < PLN_COUNT_OF(forms); i++)
        if (forms[i].op == node->op && forms[i].kind == node->kind) return &forms[i];
    return NULL;
}

bool pln_exporter_is_custom(const struct pln_node *node)
{
    return node->op == PLN_OP_CUSTOM || node->op == PLN_OP_CUSTOM_PURE;
}

/* The mean or maximum of all pixels of a channel, which every operator set has an operator for. */
static const char *global_pool(const struct pln_graph *graph, const struct pln_node *node)
{
    const int64_t *axes;
    int64_t n;
    if (node->op != PLN_OP_REDUCE || (node->kind != PLN_REDUCE_MEAN && node->kind != PLN_REDUCE_MAX) || node->n_inputs < 2 || !pln_attrs_int(&node->attrs, "keepdims", 1)) return NULL;
    const struct pln_type *type = &pln_graph_value(graph, node->inputs[0])->type;
    if (type->dtype != PLN_F32 && type->dtype != PLN_F64 && type->dtype != PLN_F16) return NULL;
    if (type->rank < 3 || !pln_graph_const_ints(graph, node->inputs[1], &axes, &n) || n != type->rank - 2) return NULL;
    for (int64_t i = 0; i < n; i++)
        if (axes[i] != i + 2) return NULL;
    return node->kind == PLN_REDUCE_MEAN ? "GlobalAveragePool" : "GlobalMaxPool";
}

/* NULL: ONNX has no such operator. */
static const char *onnx_name(const struct pln_graph *graph, const struct pln_node *node)
{
    const struct form *form = find_form(node);
    const char *pool = global_pool(graph, node);
    if (pool) return pool;
    if (form) return form->onnx;
    for (const struct pln_kind_row *row = pln_op_kinds(node->op); row && row->name; row++)
        if (row->kind == node->kind) return row->onnx[0] ? row->onnx : NULL;
    return pln_op_get(node->op)->onnx;
}

static const char *const domains[PLN_EXPORT_DOMAINS] = { [PLN_EXPORT_ONNX] = "", [PLN_EXPORT_ML] = "ai.onnx.ml" };

int pln_exporter_domain(const struct pln_exporter *exporter, uint32_t id)
{
    pln_onnx_handler handler;
    int32_t since;
    const struct pln_node *node = pln_graph_node(exporter->graph, id);
    const char *name = pln_exporter_is_custom(node) ? NULL : onnx_name(exporter->graph, node);
    for (int domain = 0; name && domain < PLN_EXPORT_DOMAINS; domain++)
        if (pln_onnx_opset_find(domains[domain], name, INT32_MAX, &handler, &since) == PLN_ONNX_FOUND) return domain;
    return PLN_EXPORT_DOMAINS;
}

/* ---- inputs that are attributes in older operator sets ---- */

static const struct old_form {
    pln_onnx_handler handler;
    uint32_t input;
    const char *attribute;
} old_forms[] = {
    { pln_onnx_axes_attr, 1, "axes" },
    { pln_onnx_split_1, 1, "split" },
};

static const struct old_form *find_old_form(pln_onnx_handler handler)
{
    for (size_t i = 0; i < PLN_COUNT_OF(old_forms); i++)
        if (old_forms[i].handler == handler) return &old_forms[i];
    return NULL;
}

/* The node is held against operator set `opset`: has it the newest form there, or an old one that can be written? */
static enum pln_status find_handler(const char *domain, const char *name, int64_t opset, struct pln_diag *diag, const struct old_form **out_old)
{
    pln_onnx_handler handler, newest;
    int32_t since;
    enum pln_onnx_lookup found = pln_onnx_opset_find(domain, name, opset, &handler, &since);
    *out_old = NULL;
    if (found != PLN_ONNX_FOUND) return pln_fail(diag, PLN_UNSUPPORTED, "ONNX has operator %s since opset %d, not in opset %lld", name, (int)since, (long long)opset);
    (void)pln_onnx_opset_find(domain, name, INT32_MAX, &newest, &since);
    if (handler == newest) return PLN_OK;
    *out_old = find_old_form(handler);
    return *out_old ? PLN_OK : pln_fail(diag, PLN_UNSUPPORTED, "operator %s of opset %lld cannot say what this node does", name, (long long)opset);
}

/* ---- attributes ---- */

static bool copy_list(struct pln_arena *arena, const void *from, int64_t n, size_t elem_bytes, void *out_items, uint32_t *out_count, uint32_t *out_capacity)
{
    void *copy = n ? pln_arena_copy(arena, from, (size_t)n * elem_bytes) : NULL;
    if (n && !copy) return false;
    memcpy(out_items, &copy, sizeof copy);
    *out_count = *out_capacity = (uint32_t)n;
    return true;
}
#define COPY_LIST(arena, from, n, list) copy_list(arena, from, n, sizeof *(list).items, &(list).items, &(list).count, &(list).capacity)

static void set_type(struct pln_onnx_attribute *out, enum pln_onnx_attribute_type type)
{
    out->type = (int32_t)type;
    out->present = 1u << type;
}

static enum pln_status write_attribute(struct pln_exporter *exporter, const struct pln_attr *attr, struct pln_onnx_attribute *out)
{
    struct pln_arena *arena = exporter->arena;
    bool copied = true;
    switch (attr->kind) {
    case PLN_ATTR_INT:
        set_type(out, PLN_ONNX_ATTR_INT);
        out->i = attr->u.i;
        break;
    case PLN_ATTR_FLOAT:
        set_type(out, PLN_ONNX_ATTR_FLOAT);
        out->f = attr->u.f;
        break;
    case PLN_ATTR_STRING:
        set_type(out, PLN_ONNX_ATTR_STRING);
        out->s = attr->u.s;
        break;
    case PLN_ATTR_INTS:
        set_type(out, PLN_ONNX_ATTR_INTS);
        copied = COPY_LIST(arena, attr->u.ints, attr->n, out->ints);
        break;
    case PLN_ATTR_FLOATS:
        set_type(out, PLN_ONNX_ATTR_FLOATS);
        copied = COPY_LIST(arena, attr->u.floats, attr->n, out->floats);
        break;
    case PLN_ATTR_STRINGS:
        set_type(out, PLN_ONNX_ATTR_STRINGS);
        copied = COPY_LIST(arena, attr->u.strings, attr->n, out->strings);
        break;
    case PLN_ATTR_TENSOR:
        set_type(out, PLN_ONNX_ATTR_TENSOR);
        out->t = pln_arena_alloc(arena, sizeof *out->t);
        if (out->t) return pln_exporter_tensor(exporter, "", attr->u.tensor, out->t);
        copied = false;
        break;
    }
    return copied ? PLN_OK : pln_fail_memory(exporter->diag, "an attribute", 0);
}

static bool is_default(const struct pln_op_def *def, const struct pln_attr *attr)
{
    const struct pln_attr_def *row = def->attrs;
    if (def->hint && strcmp(def->hint, attr->name) == 0) return true;
    while (row && row->name && strcmp(row->name, attr->name) != 0) row++;
    if (!row || !row->name || row->kind != attr->kind) return false;
    switch (attr->kind) {
    case PLN_ATTR_INT: return attr->u.i == row->i;
    case PLN_ATTR_FLOAT: return memcmp(&attr->u.f, &row->f, sizeof row->f) == 0;
    case PLN_ATTR_STRING: return row->s && strlen(row->s) == attr->u.s.size_bytes && memcmp(row->s, attr->u.s.data, attr->u.s.size_bytes) == 0;
    case PLN_ATTR_INTS:
    case PLN_ATTR_FLOATS:
    case PLN_ATTR_STRINGS:
    case PLN_ATTR_TENSOR: return false;
    }
    return false;
}

static struct pln_onnx_attribute *next_attribute(struct pln_onnx_node *node, const char *name)
{
    struct pln_onnx_attribute *attribute = &node->attributes.items[node->attributes.count++];
    *attribute = (struct pln_onnx_attribute){ .name = name, .ref_attr_name = "" };
    return attribute;
}

/* An attribute of ours under ONNX's name. One that the operator set does not know stays away if it says what goes without saying. */
static enum pln_status add_attribute(struct pln_exporter *exporter, const struct pln_node *from, const struct pln_attr *attr, const struct pln_onnx_schema *schema, struct pln_onnx_node *out)
{
    const struct form *form = find_form(from);
    const char *name = attr->name;
    struct pln_attr number = *attr;
    if (pln_exporter_is_custom(from)) {
        if (name[0] != '.') return PLN_OK; /* domain, operator, version: the node itself */
        return write_attribute(exporter, attr, next_attribute(out, name + 1));
    }
    for (size_t i = 0; form && i < PLN_COUNT_OF(form->renamed) && form->renamed[i].ours; i++) {
        if (strcmp(form->renamed[i].ours, name) != 0) continue;
        name = form->renamed[i].theirs;
        if (form->renamed[i].is_int) number = (struct pln_attr){ .kind = PLN_ATTR_INT, .u.i = (int64_t)attr->u.f };
        break;
    }
    if (schema && !pln_onnx_schema_has(schema, name) && is_default(pln_op_get(from->op), attr)) return PLN_OK;
    return write_attribute(exporter, &number, next_attribute(out, name));
}

static enum pln_status add_form(struct pln_exporter *exporter, const struct form *form, struct pln_onnx_node *out)
{
    if (!form || !form->attribute) return PLN_OK;
    struct pln_attr attr = { .kind = form->s ? PLN_ATTR_STRING : PLN_ATTR_INT };
    if (form->s) attr.u.s = (struct pln_string){ form->s, strlen(form->s) };
    else attr.u.i = form->i;
    return write_attribute(exporter, &attr, next_attribute(out, form->attribute));
}

/* An optional that is empty says of what. */
static enum pln_status add_empty_type(struct pln_exporter *exporter, const struct pln_node *from, struct pln_onnx_node *out)
{
    if (from->op != PLN_OP_OPTIONAL || from->n_inputs || from->outputs[0] == PLN_NONE) return PLN_OK;
    const struct pln_type *type = &pln_graph_value(exporter->graph, from->outputs[0])->type;
    struct pln_onnx_attribute *attribute = next_attribute(out, "type");
    set_type(attribute, PLN_ONNX_ATTR_TYPE_PROTO);
    attribute->tp = pln_arena_alloc(exporter->arena, sizeof *attribute->tp);
    if (!attribute->tp) return pln_fail_memory(exporter->diag, "a type", 0);
    return type->elem ? pln_exporter_type(exporter, type->elem, PLN_EXPORT_NO_DIMS, attribute->tp) : PLN_OK;
}

/* ---- the node ---- */

static bool add_names(struct pln_exporter *exporter, const uint32_t *values, uint32_t n, uint32_t without, const char ***out_items, uint32_t *out_count)
{
    const char **names = pln_arena_array(exporter->arena, n + 1u, sizeof *names);
    uint32_t count = 0, last = 0;
    if (!names) return false;
    for (uint32_t i = 0; i < n; i++) {
        if (i == without) continue;
        names[count++] = values[i] == PLN_NONE ? "" : exporter->names[values[i]];
        if (values[i] != PLN_NONE) last = count;
    }
    *out_items = names;
    *out_count = last;
    return true;
}

/* As its first ONNX node was called, with a number where that is taken. */
static const char *node_name(struct pln_exporter *exporter, const struct pln_node *from)
{
    const char *name = from->n_origins ? exporter->graph->origins[from->origins[0]].name : "";
    uint32_t times = 0;
    if (!name[0]) return "";
    (void)pln_map_get_str(&exporter->nodes, name, &times);
    const char *own = name;
    for (uint32_t unused; own && pln_map_get_str(&exporter->nodes, own, &unused); times++) own = pln_arena_format(exporter->arena, "%s_%u", name, times + 1);
    if (!own || !pln_map_set(&exporter->nodes, own, strlen(own), 0) || !pln_map_set(&exporter->nodes, name, strlen(name), times)) return NULL;
    return own;
}

static enum pln_status build_node(struct pln_exporter *exporter, uint32_t id, const struct old_form *old, const struct pln_onnx_schema *schema, struct pln_onnx_node *out)
{
    const struct pln_node *from = pln_graph_node(exporter->graph, id);
    const int domain = pln_exporter_domain(exporter, id);
    const bool custom = pln_exporter_is_custom(from);
    const uint32_t as_attribute = old && old->input < from->n_inputs ? old->input : UINT32_MAX;
    *out = (struct pln_onnx_node){ .op_type = custom ? pln_attrs_string(&from->attrs, "operator", "") : onnx_name(exporter->graph, from), .domain = custom ? pln_attrs_string(&from->attrs, "domain", "") : domains[domain], .name = "", .overload = "" };
    out->attributes.items = pln_arena_array(exporter->arena, from->attrs.count + from->n_blocks + 2, sizeof *out->attributes.items);
    if (!out->attributes.items || !add_names(exporter, from->inputs, global_pool(exporter->graph, from) ? 1 : from->n_inputs, as_attribute, &out->inputs.items, &out->inputs.count) ||
        !add_names(exporter, from->outputs, from->n_outputs, UINT32_MAX, &out->outputs.items, &out->outputs.count))
        return pln_fail_memory(exporter->diag, "a node", 0);
    if (from->op == PLN_OP_SPLIT) out->outputs.count = from->n_outputs; /* their number counts, whether wanted or not */
    for (size_t i = 0; i < from->attrs.count && !global_pool(exporter->graph, from); i++) PLN_TRY(add_attribute(exporter, from, &from->attrs.items[i], schema, out));
    PLN_TRY(add_form(exporter, find_form(from), out));
    PLN_TRY(add_empty_type(exporter, from, out));
    if (as_attribute == UINT32_MAX || from->inputs[as_attribute] == PLN_NONE) return PLN_OK;
    struct pln_attr attr = { .kind = PLN_ATTR_INTS };
    if (!pln_graph_const_ints(exporter->graph, from->inputs[as_attribute], &attr.u.ints, &attr.n))
        return pln_fail(exporter->diag, PLN_UNSUPPORTED, "'%s' of operator %s is an attribute there, and the node computes it", old->attribute, out->op_type);
    return write_attribute(exporter, &attr, next_attribute(out, old->attribute));
}

/* The form and the schema that hold for the node in the operator sets chosen. */
static enum pln_status find_rules(struct pln_exporter *exporter, uint32_t id, const struct old_form **out_old, const struct pln_onnx_schema **out_schema)
{
    const struct pln_node *node = pln_graph_node(exporter->graph, id);
    const int domain = pln_exporter_domain(exporter, id);
    *out_old = NULL;
    *out_schema = NULL;
    if (pln_exporter_is_custom(node)) return PLN_OK;
    if (domain == PLN_EXPORT_DOMAINS) return pln_fail(exporter->diag, PLN_UNSUPPORTED, "ONNX has no operator for '%s%s%s'", pln_op_name(node->op), node->kind ? " " : "", node->kind ? pln_op_kind_name(node->op, node->kind) : "");
    PLN_TRY(find_handler(domains[domain], onnx_name(exporter->graph, node), exporter->opsets[domain], exporter->diag, out_old));
    *out_schema = pln_onnx_schema_find(domains[domain], onnx_name(exporter->graph, node), exporter->opsets[domain]);
    return PLN_OK;
}

enum pln_status pln_exporter_node(struct pln_exporter *exporter, uint32_t id, struct pln_onnx_node *out_node)
{
    const struct old_form *old;
    const struct pln_onnx_schema *schema;
    const struct pln_node *from = pln_graph_node(exporter->graph, id);
    PLN_TRY(find_rules(exporter, id, &old, &schema));
    PLN_TRY(build_node(exporter, id, old, schema, out_node));
    out_node->name = node_name(exporter, from);
    return out_node->name ? PLN_OK : pln_fail_memory(exporter->diag, "a name", 0);
}

struct pln_onnx_attribute *pln_exporter_body(const struct pln_node *node, uint32_t i, struct pln_onnx_node *out_node)
{
    static const char *const branches[] = { "then_branch", "else_branch" };
    struct pln_onnx_attribute *attribute = next_attribute(out_node, node->n_blocks == 2 ? branches[i] : "body");
    set_type(attribute, PLN_ONNX_ATTR_GRAPH);
    return attribute;
}

/* Bodies count as the attributes that they will be. */
static bool add_bodies(struct pln_exporter *exporter, const struct pln_node *from, struct pln_onnx_node *node)
{
    struct pln_onnx_graph *empty = pln_arena_alloc(exporter->arena, sizeof *empty);
    for (uint32_t i = 0; empty && i < from->n_blocks; i++) pln_exporter_body(from, i, node)->g = empty;
    return empty != NULL;
}

static enum pln_status try_node(struct pln_exporter *exporter, uint32_t id)
{
    const struct old_form *old;
    const struct pln_onnx_schema *schema;
    struct pln_onnx_node written;
    const struct pln_node *from = pln_graph_node(exporter->graph, id);
    PLN_TRY(find_rules(exporter, id, &old, &schema));
    if (pln_exporter_is_custom(from)) return PLN_OK;
    PLN_TRY(build_node(exporter, id, old, schema, &written));
    uint32_t *inputs = pln_arena_array(exporter->arena, from->n_inputs + 1u, sizeof *inputs);
    if (!inputs || !add_bodies(exporter, from, &written)) return pln_fail_memory(exporter->diag, "a node", 0);
    for (uint32_t i = 0, n = 0; i < from->n_inputs; i++)
        if (!old || i != old->input) inputs[n++] = from->inputs[i];
    struct pln_emit emit = { .graph = exporter->graph, .arena = exporter->arena, .diag = exporter->diag, .node = &written, .opset = exporter->opsets[pln_exporter_domain(exporter, id)],
                             .inputs = inputs, .n_inputs = written.inputs.count, .n_outputs = written.outputs.count };
    pln_onnx_schema_check(&emit);
    return emit.status == PLN_BAD_MODEL ? PLN_UNSUPPORTED : emit.status;
}

enum pln_status pln_exporter_fits(struct pln_exporter *exporter, uint32_t id, struct pln_diag *diag)
{
    struct pln_arena *const kept = exporter->arena;
    struct pln_diag *const own = exporter->diag;
    exporter->arena = &exporter->scratch;
    exporter->diag = diag;
    enum pln_status status = try_node(exporter, id);
    exporter->arena = kept;
    exporter->diag = own;
    pln_arena_reset(&exporter->scratch);
    return status;
}
