#include "onnx/schema.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "onnx/importer.h"

static const struct pln_onnx_schema rows[] = {
#define SCHEMA(domain, name, since, attributes, inputs, outputs, types) { domain, name, since, attributes, inputs, outputs, types, NULL },
#define REMOVED(domain, name, since, instead) { domain, name, since, NULL, NULL, NULL, NULL, instead },
#include "onnx/schema.inc"
#undef REMOVED
#undef SCHEMA
};

const struct pln_onnx_schema *pln_onnx_schema_rows(size_t *out_count)
{
    *out_count = PLN_COUNT_OF(rows);
    return rows;
}

static bool is_before(const struct pln_onnx_schema *row, const char *domain, const char *name, int64_t version)
{
    int order = strcmp(row->domain, domain);
    if (order == 0) order = strcmp(row->name, name);
    return order < 0 || (order == 0 && row->since <= version);
}

const struct pln_onnx_schema *pln_onnx_schema_find(const char *domain, const char *op_type, int64_t version)
{
    if (pln_onnx_domain_equal(domain, "")) domain = "";
    size_t first = 0, last = PLN_COUNT_OF(rows); /* first: behind the last row that is not after what is looked for */
    while (first < last) {
        size_t middle = first + (last - first) / 2;
        if (is_before(&rows[middle], domain, op_type, version)) first = middle + 1;
        else last = middle;
    }
    if (first == 0) return NULL;
    const struct pln_onnx_schema *row = &rows[first - 1];
    return strcmp(row->domain, domain) == 0 && strcmp(row->name, op_type) == 0 ? row : NULL;
}

/* ---- words ---- */

/* The next word of a text of words with spaces between; false: no more. */
static bool next_word(const char **at, const char **out_word, size_t *out_length)
{
    *at += strspn(*at, " ");
    *out_word = *at;
    *out_length = strcspn(*at, " ");
    *at += *out_length;
    return *out_length > 0;
}

static bool same(const char *word, size_t length, const char *text)
{
    return strlen(text) == length && memcmp(word, text, length) == 0;
}

/* ---- attributes ---- */

static int32_t attribute_type(char letter)
{
    static const char letters[] = "fistgFIS", more[] = "py";
    static const int32_t types[] = { PLN_ONNX_ATTR_FLOAT, PLN_ONNX_ATTR_INT, PLN_ONNX_ATTR_STRING, PLN_ONNX_ATTR_TENSOR, PLN_ONNX_ATTR_GRAPH, PLN_ONNX_ATTR_FLOATS, PLN_ONNX_ATTR_INTS, PLN_ONNX_ATTR_STRINGS };
    const char *at = strchr(letters, letter);
    if (at) return types[at - letters];
    return letter == more[0] ? PLN_ONNX_ATTR_SPARSE_TENSOR : PLN_ONNX_ATTR_TYPE_PROTO;
}

/* The type of the row's attribute of that name; PLN_ONNX_ATTR_UNDEFINED: it has none. */
static int32_t find_attribute(const struct pln_onnx_schema *row, const char *name)
{
    const char *at = row->attributes, *word;
    for (size_t length; next_word(&at, &word, &length);) {
        const char *colon = memchr(word, ':', length);
        if (same(word, (size_t)(colon - word), name)) return attribute_type(colon[1]);
    }
    return PLN_ONNX_ATTR_UNDEFINED;
}

bool pln_onnx_schema_has(const struct pln_onnx_schema *row, const char *name)
{
    return find_attribute(row, name) != PLN_ONNX_ATTR_UNDEFINED;
}

/* "axis, keepdims", or "none". */
static const char *list_attributes(const struct pln_onnx_schema *row, char *text, size_t text_bytes)
{
    const char *at = row->attributes, *word;
    size_t used = 0;
    snprintf(text, text_bytes, "none");
    for (size_t length; next_word(&at, &word, &length) && used < text_bytes;) {
        int name = (int)((const char *)memchr(word, ':', length) - word);
        used += (size_t)snprintf(text + used, text_bytes - used, "%s%.*s", used ? ", " : "", name, word);
    }
    return text;
}

bool pln_onnx_schema_ignores(const char *name)
{
    return strncmp(name, "__", 2) == 0 || strcmp(name, "consumed_inputs") == 0; /* the latter never changes a result, whatever the version */
}

static void check_attributes(struct pln_emit *emit, const struct pln_onnx_schema *row)
{
    char text[512];
    for (uint32_t i = 0; i < emit->node->attributes.count; i++) {
        const struct pln_onnx_attribute *attribute = &emit->node->attributes.items[i];
        if (pln_onnx_schema_ignores(attribute->name)) continue;
        int32_t type = find_attribute(row, attribute->name);
        if (type == PLN_ONNX_ATTR_UNDEFINED) {
            pln_emit_fail(emit, PLN_BAD_MODEL, "operator %s has no attribute '%s' in opset %lld; it has: %s", emit->node->op_type, attribute->name, (long long)emit->opset,
                          list_attributes(row, text, sizeof text));
            return;
        }
        (void)pln_emit_attr(emit, attribute->name, type);
    }
    const char *at = row->attributes, *word;
    for (size_t length; next_word(&at, &word, &length);) {
        if (word[length - 1] != '!') continue;
        snprintf(text, sizeof text, "%.*s", (int)length - 3, word);
        if (!pln_emit_has_attr(emit, text)) pln_emit_fail(emit, PLN_BAD_MODEL, "attribute '%s' is missing; operator %s needs it in opset %lld", text, emit->node->op_type, (long long)emit->opset);
    }
}

/* ---- counts ---- */

struct formal {
    const char *type;
    size_t length;
    bool optional, many, mixed;
};

static bool next_formal(const char **at, struct formal *out)
{
    *out = (struct formal){ 0 };
    if (!next_word(at, &out->type, &out->length)) return false;
    for (char last; (last = out->type[out->length - 1]), strchr("?*+~", last); out->length--) {
        out->optional |= last == '?' || last == '*';
        out->many |= last == '*' || last == '+';
        out->mixed |= last == '~';
    }
    return true;
}

static void fail_count(struct pln_emit *emit, const char *what, unsigned least, long most, unsigned got)
{
    char range[64];
    if (most < 0) snprintf(range, sizeof range, "%u or more", least);
    else if (least == (unsigned)most) snprintf(range, sizeof range, "%u", least);
    else snprintf(range, sizeof range, "%u to %ld", least, most);
    pln_emit_fail(emit, PLN_BAD_MODEL, "operator %s takes %s %s%s in opset %lld, not %u", emit->node->op_type, range, what, most == 1 ? "" : "s", (long long)emit->opset, got);
}

static void check_counts(struct pln_emit *emit, const struct pln_onnx_schema *row)
{
    unsigned least = 0, most = 0, inputs = emit->n_inputs, outputs = emit->n_outputs;
    bool open = false;
    struct formal formal;
    for (const char *at = row->inputs; next_formal(&at, &formal);) {
        most++;
        if (!formal.optional) least = most;
        open |= formal.many;
    }
    while (inputs && !emit->node->inputs.items[inputs - 1][0]) inputs--;
    while (outputs && !emit->node->outputs.items[outputs - 1][0]) outputs--;
    if (inputs < least || (!open && inputs > most)) fail_count(emit, "input", least, open ? -1 : (long)most, inputs);
    long room = row->outputs[0] ? strtol(row->outputs, NULL, 10) : LONG_MAX;
    if (outputs > room) fail_count(emit, "output", 1, room, outputs);
}

/* ---- types ---- */

#define BIT(type) (UINT32_C(1) << (type))
enum { BIT_SEQUENCE = 28, BIT_OPTIONAL, BIT_MAP };

static uint32_t word_types(const char *word, size_t length)
{
    static const struct {
        const char *name;
        uint32_t types;
    } sets[] = {
        { "floats", BIT(PLN_F16) | BIT(PLN_F32) | BIT(PLN_F64) },
        { "ints", BIT(PLN_I8) | BIT(PLN_I16) | BIT(PLN_I32) | BIT(PLN_I64) },
        { "uints", BIT(PLN_U8) | BIT(PLN_U16) | BIT(PLN_U32) | BIT(PLN_U64) },
        { "wide", BIT(PLN_I32) | BIT(PLN_I64) | BIT(PLN_U32) | BIT(PLN_U64) },
        { "complex", BIT(PLN_C64) | BIT(PLN_C128) },
        { "f8", BIT(PLN_F8E4M3FN) | BIT(PLN_F8E4M3FNUZ) | BIT(PLN_F8E5M2) | BIT(PLN_F8E5M2FNUZ) },
        { "seq", BIT(BIT_SEQUENCE) },
        { "optional", BIT(BIT_OPTIONAL) },
        { "map", BIT(BIT_MAP) },
    };
    for (size_t i = 0; i < PLN_COUNT_OF(sets); i++)
        if (same(word, length, sets[i].name)) return sets[i].types;
    for (int type = PLN_DTYPE_NONE + 1; type < PLN_DTYPE_COUNT; type++)
        if (same(word, length, pln_dtype_name((enum pln_dtype)type))) return BIT(type);
    return 0;
}

/* What a formal input may be: the types of its variable, or the one that it names itself. */
static uint32_t formal_types(const struct pln_onnx_schema *row, const struct formal *formal)
{
    const char *at = row->types, *word;
    bool mine = false, found = false;
    uint32_t types = 0;
    for (size_t length; next_word(&at, &word, &length);) {
        bool ends = word[length - 1] == ';';
        if (word[length - 1] == ':') mine = length - 1 == formal->length && memcmp(word, formal->type, formal->length) == 0, found |= mine;
        else if (mine) types |= word_types(word, length - ends);
    }
    return found ? types : word_types(formal->type, formal->length);
}

bool pln_onnx_schema_input_get(const struct pln_onnx_schema *row, int index, struct pln_onnx_schema_input *out)
{
    struct formal formal;
    *out = (struct pln_onnx_schema_input){ 0 };
    const char *at = row->instead ? "" : row->inputs;
    do {
        if (!next_formal(&at, &formal)) return false;
    } while (index-- > 0);
    uint32_t types = formal_types(row, &formal);
    *out = (struct pln_onnx_schema_input){ .dtypes = types & (BIT(PLN_DTYPE_COUNT) - 1), .sequence = types & BIT(BIT_SEQUENCE), .optional_value = types & BIT(BIT_OPTIONAL),
                                           .map = types & BIT(BIT_MAP), .optional = formal.optional, .many = formal.many };
    return true;
}

/* The bit of a value's type; 0: not known. */
static uint32_t value_types(const struct pln_emit *emit, uint32_t value)
{
    const struct pln_type *type = &pln_graph_value(emit->graph, value)->type;
    switch (type->kind) {
    case PLN_TENSOR: return type->dtype == PLN_DTYPE_NONE ? 0 : BIT(type->dtype);
    case PLN_SEQUENCE: return BIT(BIT_SEQUENCE);
    case PLN_OPTIONAL: return BIT(BIT_OPTIONAL);
    case PLN_MAP: return BIT(BIT_MAP);
    }
    return 0;
}

/* "f32, f64, a sequence" */
static const char *list_types(uint32_t types, char *text, size_t text_bytes)
{
    static const char *const kinds[] = { "a sequence", "an optional", "a map" };
    size_t used = 0;
    text[0] = '\0';
    for (int type = 1; type <= BIT_MAP && used < text_bytes; type++) {
        if (!(types & BIT(type))) continue;
        const char *name = type >= BIT_SEQUENCE ? kinds[type - BIT_SEQUENCE] : pln_dtype_name((enum pln_dtype)type);
        used += (size_t)snprintf(text + used, text_bytes - used, "%s%s", used ? ", " : "", name);
    }
    return text;
}

struct bound {
    const char *variable;
    size_t length;
    uint32_t types, input;
};

/* One input, against what its variable may be and what it is already. */
static void check_type(struct pln_emit *emit, const struct pln_onnx_schema *row, const struct formal *formal, uint32_t i, struct bound *bound, size_t *n_bound)
{
    char has[64], may[512];
    uint32_t types = value_types(emit, emit->inputs[i]), allowed = formal_types(row, formal);
    if (!types || emit->status != PLN_OK) return;
    if (!(types & allowed)) {
        pln_emit_fail(emit, PLN_BAD_MODEL, "input %u, '%s', is %s; operator %s of opset %lld takes %s there", i, emit->node->inputs.items[i], list_types(types, has, sizeof has), emit->node->op_type,
                      (long long)emit->opset, list_types(allowed, may, sizeof may));
        return;
    }
    for (size_t b = 0; b < *n_bound && !formal->mixed; b++) {
        if (bound[b].length != formal->length || memcmp(bound[b].variable, formal->type, formal->length) != 0) continue;
        if (bound[b].types != types)
            pln_emit_fail(emit, PLN_BAD_MODEL, "input %u, '%s', is %s and input %u, '%s', is %s; operator %s takes the same type for both", bound[b].input, emit->node->inputs.items[bound[b].input],
                          list_types(bound[b].types, may, sizeof may), i, emit->node->inputs.items[i], list_types(types, has, sizeof has), emit->node->op_type);
        return;
    }
    if (*n_bound < PLN_ONNX_SCHEMA_VARIABLES && !formal->mixed) bound[(*n_bound)++] = (struct bound){ formal->type, formal->length, types, i };
}

static void check_types(struct pln_emit *emit, const struct pln_onnx_schema *row)
{
    struct bound bound[PLN_ONNX_SCHEMA_VARIABLES];
    size_t n_bound = 0;
    struct formal formal = { 0 };
    const char *at = row->inputs;
    for (uint32_t i = 0; i < emit->n_inputs; i++) {
        if (!formal.many && !next_formal(&at, &formal)) return;
        if (emit->inputs[i] != PLN_NONE) check_type(emit, row, &formal, i, bound, &n_bound);
    }
}

void pln_onnx_schema_check_attributes(struct pln_emit *emit)
{
    const struct pln_onnx_schema *row = pln_onnx_schema_find(emit->node->domain, emit->node->op_type, emit->opset);
    if (row && !row->instead) check_attributes(emit, row);
}

void pln_onnx_schema_check(struct pln_emit *emit)
{
    const struct pln_onnx_schema *row = pln_onnx_schema_find(emit->node->domain, emit->node->op_type, emit->opset);
    if (!row) return;
    if (row->instead) {
        pln_emit_fail(emit, PLN_BAD_MODEL, "ONNX has no operator %s since opset %d (the model imports %lld); use %s", emit->node->op_type, (int)row->since, (long long)emit->opset, row->instead);
        return;
    }
    check_attributes(emit, row);
    if (emit->status == PLN_OK) check_counts(emit, row);
    if (emit->status == PLN_OK) check_types(emit, row);
}
