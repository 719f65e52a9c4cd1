/* Networks built node by node, with ONNX's operator names and attributes. In libplanish.
 *
 * A network is an ONNX model in the making: what is added is kept in ONNX's own form and checked when it is built (pln_build_network) or
 * saved (pln_network_save). So every call here only records; errors of meaning come from the build, with the node's name. Running out of
 * memory is remembered and told there, too. Bodies of If, Loop and Scan are networks of their own. One thread at a time. */
#ifndef PLANISH_NETWORK_H
#define PLANISH_NETWORK_H

#include "planish/builder.h"
#include "planish/context.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pln_network pln_network;

/* opset: of the default domain, e.g. 20; 0: the newest known. One that ONNX or this version does not have is told by the build. NULL: no memory. */
PLN_API pln_network *pln_network_create(const char *name, int opset);
PLN_API void pln_network_destroy(pln_network *network); /* NULL is fine */

/* One more operator set that nodes use: "ai.onnx.ml", 5. */
PLN_API void pln_network_use_domain(pln_network *network, const char *domain, int version);

/* A tensor input or output. dims: rank entries, -1 for a dynamic one; dim_names (NULL, or rank entries that may be NULL) name the dynamic ones. rank -1:
 * nothing is said about the shape. An output's dtype may be PLN_DTYPE_NONE: inferred. */
PLN_API void pln_network_add_input(pln_network *network, const char *name, enum pln_dtype dtype, int rank, const int64_t *dims, const char *const *dim_names);
PLN_API void pln_network_add_output(pln_network *network, const char *name, enum pln_dtype dtype, int rank, const int64_t *dims, const char *const *dim_names);
/* An input that is no tensor (bound with pln_context_bind_value): a sequence or an optional of tensors of this type, or a map from `keys` (PLN_I64 or PLN_STR, else
 * PLN_DTYPE_NONE) to numbers of this type. Outputs that are no tensors are added by pln_network_add_output with PLN_DTYPE_NONE. */
PLN_API void pln_network_add_value_input(pln_network *network, const char *name, enum pln_value_kind kind, enum pln_dtype dtype, enum pln_dtype keys);

/* A constant: row-major data in the type's own form (pln_dtype; strings: struct pln_string), copied. */
PLN_API void pln_network_add_weights(pln_network *network, const char *name, enum pln_dtype dtype, int rank, const int64_t *dims, const void *data);

/* An attribute of a node. Zero what you do not set. kind says which member counts; arrays have `count` entries. */
struct pln_attribute {
    const char *name;
    enum pln_attribute_kind kind;
    int64_t i;
    float f;
    const char *s;
    size_t count;
    const int64_t *ints;
    const float *floats;
    const char *const *strings;
    const struct pln_buffer *tensor; /* row-major, in host memory */
    const pln_network *body;
    uint64_t reserved[2];
};

/* A node. domain NULL: ONNX's own. name may be NULL. inputs: "" leaves an optional one out. Zero is the default everywhere. */
struct pln_network_node {
    const char *op_type, *domain, *name;
    const char *const *inputs;
    int input_count;
    const char *const *outputs;
    int output_count;
    const struct pln_attribute *attributes;
    int attribute_count;
    uint64_t reserved[2];
};
/* Everything is copied. */
PLN_API void pln_network_add_node(pln_network *network, const struct pln_network_node *node);

/* Builds it; the network may be changed and built again afterwards. Errors as pln_build_memory's; PLN_INVALID_ARGUMENT also for
 * what the network was given. */
PLN_API PLN_MUST_USE enum pln_status pln_build_network(const pln_network *network, const struct pln_build_options *options, pln_engine **out_engine);
/* Writes it as an ONNX file (weights inside; at most 2 GiB), under a temporary name that is renamed when complete. diagnostics may be NULL. Errors:
 * PLN_INVALID_ARGUMENT what it was given; PLN_UNSUPPORTED more than 2 GiB; PLN_IO; PLN_NO_MEMORY. */
PLN_API PLN_MUST_USE enum pln_status pln_network_save(const pln_network *network, const char *path, pln_diagnostics *diagnostics);

#ifdef __cplusplus
}
#endif
#endif
