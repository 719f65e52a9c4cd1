/* What the files of the exporter share. */
#ifndef PLN_ONNX_EXPORTER_H
#define PLN_ONNX_EXPORTER_H

#include "base/hash.h"
#include "onnx/export.h"

/* Operator sets that the model imports: ONNX's own, its machine learning, then others as nodes name them. */
enum { PLN_EXPORT_ONNX, PLN_EXPORT_ML, PLN_EXPORT_DOMAINS };

struct pln_exporter {
    struct pln_graph *graph;
    struct pln_arena *arena;
    struct pln_arena scratch; /* of tries */
    struct pln_diag *diag;
    const char **names;   /* by value: as it is written */
    struct pln_map taken; /* names of values */
    struct pln_map nodes; /* names of nodes, and how often one was wanted */
    uint32_t next_name;
    int64_t opsets[PLN_EXPORT_DOMAINS];
    bool uses[PLN_EXPORT_DOMAINS];
    uint32_t newest_type; /* largest number of an element type */
};

/* A name that no value has; NULL: no memory. */
const char *pln_exporter_name(struct pln_exporter *exporter, const char *stem);
/* Is the node a node of the operator sets as they are chosen? PLN_UNSUPPORTED, with the reason in diag: no. */
enum pln_status pln_exporter_fits(struct pln_exporter *exporter, uint32_t node, struct pln_diag *diag);
/* The node in the form of these operator sets, bodies left out; it fits. */
enum pln_status pln_exporter_node(struct pln_exporter *exporter, uint32_t node, struct pln_onnx_node *out_node);
/* Is the node a custom operator's (kernel/custom.h)? Its domain, name and version are attributes. */
bool pln_exporter_is_custom(const struct pln_node *node);
/* The attribute for body i of the node, behind the others of out_node. */
struct pln_onnx_attribute *pln_exporter_body(const struct pln_node *node, uint32_t i, struct pln_onnx_node *out_node);
/* Which of the operator sets the node is of; PLN_EXPORT_DOMAINS: a custom operator's. */
int pln_exporter_domain(const struct pln_exporter *exporter, uint32_t node);
enum pln_status pln_exporter_tensor(struct pln_exporter *exporter, const char *name, const struct pln_tensor *tensor, struct pln_onnx_tensor *out_tensor);
/* How much of a shape is written. */
enum pln_export_dims {
    PLN_EXPORT_NO_DIMS, /* elements of a sequence differ in theirs */
    PLN_EXPORT_RANKS,   /* in branches: extents of one that is not taken may be such as other runtimes would not find in it */
    PLN_EXPORT_NUMBERS, /* in bodies of loops, where extents that are no numbers differ from step to step */
    PLN_EXPORT_ALL_DIMS
};
enum pln_status pln_exporter_type(struct pln_exporter *exporter, const struct pln_type *type, enum pln_export_dims dims, struct pln_onnx_type *out_type);
enum pln_status pln_exporter_info(struct pln_exporter *exporter, const char *name, const struct pln_type *type, enum pln_export_dims dims, struct pln_onnx_value_info *out_info);

#endif
