#include "ops/op.h"

/* Operators of ai.onnx.ml that map labels, and those of maps: LabelEncoder-4, CategoryMapper-1, DictVectorizer-1, CastMap-1, ZipMap-1. */
static const struct pln_attr_def label_encoder_attrs[] = {
    { .name = "default_float", .kind = PLN_ATTR_FLOAT, .f = -0.0f },
    { .name = "default_int64", .kind = PLN_ATTR_INT, .i = -1 },
    { .name = "default_string", .kind = PLN_ATTR_STRING, .s = "_Unused" },
    { .name = "default_tensor", .kind = PLN_ATTR_TENSOR },
    { .name = "keys_floats", .kind = PLN_ATTR_FLOATS },
    { .name = "keys_int64s", .kind = PLN_ATTR_INTS },
    { .name = "keys_strings", .kind = PLN_ATTR_STRINGS },
    { .name = "keys_tensor", .kind = PLN_ATTR_TENSOR },
    { .name = "values_floats", .kind = PLN_ATTR_FLOATS },
    { .name = "values_int64s", .kind = PLN_ATTR_INTS },
    { .name = "values_strings", .kind = PLN_ATTR_STRINGS },
    { .name = "values_tensor", .kind = PLN_ATTR_TENSOR },
    { .name = NULL },
};
static const struct pln_attr_def category_mapper_attrs[] = {
    { .name = "cats_int64s", .kind = PLN_ATTR_INTS, .required = true },
    { .name = "cats_strings", .kind = PLN_ATTR_STRINGS, .required = true },
    { .name = "default_int64", .kind = PLN_ATTR_INT, .i = -1 },
    { .name = "default_string", .kind = PLN_ATTR_STRING, .s = "_Unused" },
    { .name = NULL },
};
static const struct pln_attr_def dict_vectorizer_attrs[] = {
    { .name = "int64_vocabulary", .kind = PLN_ATTR_INTS },
    { .name = "string_vocabulary", .kind = PLN_ATTR_STRINGS },
    { .name = NULL },
};
static const struct pln_attr_def cast_map_attrs[] = {
    { .name = "cast_to", .kind = PLN_ATTR_STRING, .s = "TO_FLOAT" },
    { .name = "map_form", .kind = PLN_ATTR_STRING, .s = "DENSE" },
    { .name = "max_map", .kind = PLN_ATTR_INT, .i = 1 },
    { .name = NULL },
};
static const struct pln_attr_def zipmap_attrs[] = {
    { .name = "classlabels_int64s", .kind = PLN_ATTR_INTS },
    { .name = "classlabels_strings", .kind = PLN_ATTR_STRINGS },
    { .name = NULL },
};

static const struct pln_attrs *attrs_of(const struct pln_infer *infer)
{
    return &pln_graph_node(infer->graph, infer->node)->attrs;
}

/* An empty list counts as none. */
static bool has_list(const struct pln_infer *infer, const char *name)
{
    const struct pln_attr *attr = pln_attrs_find(attrs_of(infer), name);
    return attr && attr->n > 0;
}

static enum pln_status infer_label_encoder(struct pln_infer *infer)
{
    const struct pln_attr *tensor = pln_attrs_find(attrs_of(infer), "values_tensor");
    enum pln_dtype dtype = tensor ? tensor->u.tensor->dtype : PLN_DTYPE_NONE;
    PLN_TRY(pln_infer_need_tensor(infer, 0, 0, PLN_MAX_RANK));
    /* Of several lists the first one counts, in this order from the end. */
    if (has_list(infer, "values_strings")) dtype = PLN_STR;
    if (has_list(infer, "values_int64s")) dtype = PLN_I64;
    if (has_list(infer, "values_floats")) dtype = PLN_F32;
    if (dtype == PLN_DTYPE_NONE) return pln_infer_fail(infer, "no attribute values_…");
    const struct pln_type *x = pln_infer_in(infer, 0);
    return pln_infer_out(infer, 0, dtype, x->rank, x->dims);
}

static enum pln_status infer_category_mapper(struct pln_infer *infer)
{
    PLN_TRY(pln_infer_need_tensor(infer, 0, 0, PLN_MAX_RANK));
    PLN_TRY(pln_infer_check_dtype(infer, 0, PLN_MASK(PLN_STR) | PLN_MASK(PLN_I64)));
    const struct pln_type *x = pln_infer_in(infer, 0);
    enum pln_dtype dtype = pln_infer_dtype(infer, 0);
    return pln_infer_out(infer, 0, dtype == PLN_STR ? PLN_I64 : dtype == PLN_I64 ? PLN_STR : PLN_DTYPE_NONE, x->rank, x->dims);
}

/* Element type of a map's values, PLN_DTYPE_NONE: not known. */
static enum pln_dtype map_values(const struct pln_infer *infer, int i)
{
    const struct pln_type *map = pln_infer_in(infer, i);
    return map && map->kind == PLN_MAP && map->elem ? map->elem->dtype : PLN_DTYPE_NONE;
}

static enum pln_status need_map(struct pln_infer *infer)
{
    const struct pln_type *map = pln_infer_in(infer, 0);
    bool unknown = map && map->kind == PLN_TENSOR && map->dtype == PLN_DTYPE_NONE && map->rank < 0;
    if (map && (map->kind == PLN_MAP || unknown)) return PLN_OK;
    return pln_infer_fail(infer, "input 0 must be a map");
}

/* One row, as scikit-learn, ONNX's reference implementation and ONNX Runtime make it; the text of the operator says 1-D. */
static enum pln_status infer_dict_vectorizer(struct pln_infer *infer)
{
    const struct pln_attr *ints = pln_attrs_find(attrs_of(infer), "int64_vocabulary"), *strings = pln_attrs_find(attrs_of(infer), "string_vocabulary");
    PLN_TRY(need_map(infer));
    if (!ints && !strings) return pln_infer_fail(infer, "neither int64_vocabulary nor string_vocabulary is there");
    struct pln_dim dims[2] = { pln_dim_const(&infer->graph->dims, 1), pln_dim_const(&infer->graph->dims, ints && ints->n > 0 ? ints->n : strings ? strings->n : 0) };
    return pln_infer_out(infer, 0, map_values(infer, 0), 2, dims);
}

static enum pln_status infer_cast_map(struct pln_infer *infer)
{
    const char *to = pln_node_string(infer->graph, infer->node, "cast_to");
    enum pln_dtype dtype = pln_str_equal(to, "TO_FLOAT") ? PLN_F32 : pln_str_equal(to, "TO_STRING") ? PLN_STR : PLN_I64;
    PLN_TRY(need_map(infer));
    if (dtype == PLN_I64 && !pln_str_equal(to, "TO_INT64")) return pln_infer_fail(infer, "cast_to is none of TO_FLOAT, TO_STRING, TO_INT64");
    struct pln_dim dims[2] = { pln_dim_const(&infer->graph->dims, 1), PLN_DIM_NONE };
    if (pln_str_equal(pln_node_string(infer->graph, infer->node, "map_form"), "SPARSE")) {
        dims[1] = pln_dim_const(&infer->graph->dims, pln_node_int(infer->graph, infer->node, "max_map"));
    } else {
        dims[1] = pln_infer_out_symbol(infer, 0, 1);
    }
    return pln_infer_out(infer, 0, dtype, 2, dims);
}

static enum pln_status infer_zipmap(struct pln_infer *infer)
{
    bool ints = pln_attrs_has(attrs_of(infer), "classlabels_int64s"), strings = pln_attrs_has(attrs_of(infer), "classlabels_strings");
    PLN_TRY(pln_infer_need_tensor(infer, 0, 1, 2));
    PLN_TRY(pln_infer_check_dtype(infer, 0, PLN_MASK(PLN_F32)));
    if (!ints && !strings) return pln_infer_fail(infer, "neither classlabels_int64s nor classlabels_strings is there");
    struct pln_type value = { .kind = PLN_TENSOR, .dtype = PLN_F32, .rank = 0 };
    struct pln_type map = { .kind = PLN_MAP, .dtype = ints ? PLN_I64 : PLN_STR, .rank = -1, .elem = &value };
    struct pln_type list = { .kind = PLN_SEQUENCE, .rank = -1, .elem = &map };
    return pln_infer_out_type(infer, 0, &list);
}

const struct pln_op_def pln_op_label_encoder = {
    .name = "label_encoder",
    .onnx = "LabelEncoder",
    .attrs = label_encoder_attrs,
    .min_inputs = 1,
    .max_inputs = 1,
    .min_outputs = 1,
    .max_outputs = 1,
    .traits = PLN_TRAIT_HOST,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_label_encoder,
};

const struct pln_op_def pln_op_category_mapper = {
    .name = "category_mapper",
    .onnx = "CategoryMapper",
    .attrs = category_mapper_attrs,
    .min_inputs = 1,
    .max_inputs = 1,
    .min_outputs = 1,
    .max_outputs = 1,
    .traits = PLN_TRAIT_HOST,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_category_mapper,
};

const struct pln_op_def pln_op_dict_vectorizer = {
    .name = "dict_vectorizer",
    .onnx = "DictVectorizer",
    .attrs = dict_vectorizer_attrs,
    .min_inputs = 1,
    .max_inputs = 1,
    .min_outputs = 1,
    .max_outputs = 1,
    .traits = PLN_TRAIT_HOST,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_dict_vectorizer,
};

const struct pln_op_def pln_op_cast_map = {
    .name = "cast_map",
    .onnx = "CastMap",
    .attrs = cast_map_attrs,
    .min_inputs = 1,
    .max_inputs = 1,
    .min_outputs = 1,
    .max_outputs = 1,
    .traits = PLN_TRAIT_HOST | PLN_TRAIT_DATA_SHAPE,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_cast_map,
};

const struct pln_op_def pln_op_zipmap = {
    .name = "zipmap",
    .onnx = "ZipMap",
    .attrs = zipmap_attrs,
    .min_inputs = 1,
    .max_inputs = 1,
    .min_outputs = 1,
    .max_outputs = 1,
    .traits = PLN_TRAIT_HOST,
    .tolerance = PLN_TOL_EXACT,
    .infer = infer_zipmap,
};
