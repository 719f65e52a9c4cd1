/* Custom operators, as ops, reference kernels and the runtime see them. What a registration is stands in planish/plugin.h; the functions are defined in
 * plugin/, so that none of those modules has to know the set of operators.
 *
 * A node or step of the ops `custom` and `custom_pure` (which may be folded and merged) has the attributes domain, operator, version (of the domain's
 * operator set), and those of the model with a dot in front of their names, apart from ours and from what passes add. */
#ifndef PLN_KERNEL_CUSTOM_H
#define PLN_KERNEL_CUSTOM_H

#include "base/arena.h"
#include "kernel/op.h"
#include "tensor/attrs.h"
#include "tensor/tensor.h"

/* The longest name of an attribute in a model: with its dot it has the length that an attribute of ours may have. */
#define PLN_CUSTOM_NAME_BYTES 254

struct pln_plugins;
struct pln_plugin;
struct pln_plugin_attribute;
struct pln_call;

/* A node or step with its operator looked up. */
struct pln_custom {
    const struct pln_plugin *plugin; /* NULL: not registered */
    const char *label;               /* "com.acme:Scale", for people */
    const char *node;                /* of ONNX; may be "" */
    const char *domain, *name;
    int version;
    const struct pln_plugin_attribute *attributes;
    int n_attributes;
};

static inline bool pln_custom_is_op(unsigned op)
{
    return op == PLN_OP_CUSTOM || op == PLN_OP_CUSTOM_PURE;
}
/* What an importer wants to know of an operator. */
struct pln_custom_traits {
    bool is_pure;
    int min_outputs;
};
/* false: the set, which may be NULL, has no such operator. */
bool pln_custom_find(const struct pln_plugins *plugins, const char *domain, const char *name, int64_t version, struct pln_custom_traits *out_traits);
/* "com.acme:Scale (version 1)", and what the set has instead, into text; returns it. */
const char *pln_custom_describe(const struct pln_plugins *plugins, const char *domain, const char *name, int64_t version, char *text, size_t text_bytes);
/* Looks up the operator of a step; what is made lies in arena and refers to attrs and node. One that is not registered is no error here. Errors:
 * PLN_BAD_PLAN: attrs name none; PLN_NO_MEMORY. */
enum pln_status pln_custom_bind(const struct pln_plugins *plugins, const struct pln_attrs *attrs, const char *node, struct pln_arena *arena, struct pln_diag *diag, struct pln_custom *out_custom);
/* Counts of inputs and outputs, and inputs that must be there: those of present[n_inputs] that are true. PLN_BAD_MODEL; PLN_INCOMPATIBLE: not registered. */
enum pln_status pln_custom_check(const struct pln_custom *custom, const bool *present, int n_inputs, int n_outputs, struct pln_diag *diag);
/* Asks the operator for its outputs. inputs: dtype (PLN_DTYPE_NONE: left out), rank, dims (negative: not known), data or NULL. outputs: dtype
 * PLN_DTYPE_NONE and rank -1 where they are not known, dims -1 or another negative number. Errors: what the operator says; PLN_INVALID_ARGUMENT: it
 * told nonsense; PLN_NO_MEMORY. */
enum pln_status pln_custom_infer(const struct pln_custom *custom, const struct pln_tensor *inputs, int n_inputs, struct pln_tensor *outputs, int n_outputs, struct pln_arena *arena,
                                 struct pln_diag *diag);
/* The host call: call->custom says of what. */
enum pln_status pln_custom_run(struct pln_call *call);

#endif
