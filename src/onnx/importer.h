/* Inside of the importer: scopes, function frames, and what control.c needs of import.c. Nobody else includes this. */
#ifndef PLN_ONNX_IMPORTER_H
#define PLN_ONNX_IMPORTER_H

#include "base/hash.h"
#include "onnx/emit.h"
#include "onnx/import.h"
#include "onnx/tensor_data.h"

/* An attribute that a function was called with, and where a graph in it looks up names. */
struct pln_bound_attr {
    const char *name;
    const struct pln_onnx_attribute *attr;
    struct pln_scope *scope; /* of the call; NULL for the function's own default */
};

/* One call of a model-local function that is being inlined. */
struct pln_frame {
    const struct pln_onnx_function *function;
    struct pln_frame *caller;
    const char *prefix; /* "call/", in front of names */
    struct pln_bound_attr *attrs;
    uint32_t n_attrs;
    int depth;
};

/* Names that can be seen from a place: one scope a graph or function body; the chain goes outwards. */
struct pln_scope {
    struct pln_scope *parent; /* NULL for the main graph and for function bodies */
    struct pln_frame *frame;  /* NULL outside functions */
    struct pln_map values;
    struct pln_map hints; /* name to place in infos */
    const struct pln_onnx_type **infos;
    uint32_t n_infos;
};

struct pln_importer {
    const struct pln_onnx_model *model;
    struct pln_onnx_externals *externals;
    struct pln_graph *graph;
    struct pln_arena arena; /* lives as long as the import */
    struct pln_diag *diag;
    struct pln_map params;    /* dim_param to dim id */
    struct pln_map symbols;   /* names that symbols have */
    struct pln_map functions; /* domain, name, overload joined by \1, to place in the model's list */
    struct pln_map rank_changers; /* loops whose carried values were seen to change their ranks, by the node's address */
    uint64_t nodes_left;
    int64_t top_index; /* of the node of the main graph that is being imported */
    uint32_t calls;    /* of functions so far, for names */
    bool use_hints;
    uint32_t hints_used;
    const struct pln_onnx_import_options *options;
    enum pln_status fault; /* all_faults: of the first node that was wrong */
    uint32_t unmade;       /* the value that stands for outputs of such nodes, else PLN_NONE */
    bool needs_unmade;     /* the node at hand failed for want of it */
    uint32_t n_warnings, n_warned; /* those of a first attempt are not given again */
};

/* A new scope; give it back with pln_scope_leave. NULL: no memory. */
struct pln_scope *pln_scope_enter(struct pln_importer *importer, struct pln_scope *parent, struct pln_frame *frame);
void pln_scope_leave(struct pln_scope *scope);
PLN_MUST_USE bool pln_scope_set(struct pln_scope *scope, const char *name, uint32_t value);
/* false: no such name. PLN_NONE is the value of a function's input that the call leaves out. */
bool pln_scope_find(const struct pln_scope *scope, const char *name, uint32_t *out_value);

/* What an attribute stands for: itself, or what the function was called with. NULL: the caller left it out. out_scope (may be NULL): where
 * a graph in it looks up names. */
const struct pln_onnx_attribute *pln_importer_resolve(const struct pln_onnx_attribute *attr, struct pln_scope *scope, struct pln_scope **out_scope);

/* Data of a tensor as the graph may keep it: views of the model, else in the graph's arena. false: *out_status says why. */
bool pln_importer_tensor(struct pln_importer *importer, const struct pln_onnx_tensor *from, struct pln_tensor *out_tensor, enum pln_status *out_status);

/* A name as it stands in a function body, with the prefix of the call and cut to a sane length: bodies may be inlined many times. Outside
 * functions the name itself. NULL: no memory. */
const char *pln_importer_name(struct pln_importer *importer, const struct pln_frame *frame, const char *name);

/* Inlines the call of a model-local function: calls.c. PLN_NOT_FOUND without a message: the model has no such function. */
enum pln_status pln_importer_call(struct pln_importer *importer, struct pln_emit *call);
bool pln_importer_has_function(const struct pln_importer *importer, const struct pln_onnx_node *node);

/* Behind a fault, when all are wanted: what it should have made is there in name (unless it is), and what needs that is left out without a word. PLN_OK and
 * PLN_NO_MEMORY come back as they are. */
enum pln_status pln_importer_go_on(struct pln_importer *importer, struct pln_scope *scope, const char *const *names, uint32_t count, enum pln_status status);
/* Initializers and nodes of a graph into a block, in a scope that has its inputs already. */
enum pln_status pln_importer_node(struct pln_importer *importer, const struct pln_onnx_node *node, struct pln_scope *scope, uint32_t block);
enum pln_status pln_importer_graph(struct pln_importer *importer, const struct pln_onnx_graph *graph, struct pln_scope *scope, uint32_t block);
/* Makes types that the model declares known in a scope. */
enum pln_status pln_importer_hints(struct pln_importer *importer, const struct pln_onnx_value_info *infos, uint32_t count, struct pln_scope *scope);
/* Adds the graph's outputs to the block, in order. */
enum pln_status pln_importer_outputs(struct pln_importer *importer, const struct pln_onnx_graph *graph, struct pln_scope *scope, uint32_t block);
/* A declared type as a type of ours, allocated in the import's arena. exact: dims that are numbers stay, a dim_param becomes the symbol of
 * that name, any other dim a symbol <name>_d<axis>; else all dims are new symbols. false: nothing usable. */
bool pln_importer_type(struct pln_importer *importer, const struct pln_onnx_type *from, bool exact, const char *name, struct pln_type *out_type);
/* Holds a value against its declared type: declared.c. Another element type or kind is PLN_BAD_MODEL, another shape a warning. */
enum pln_status pln_importer_check_declared(struct pln_importer *importer, const struct pln_onnx_type *declared, const char *name, uint32_t value);
/* Holds the default of a graph input against the input's declaration: type and shape must fit. */
enum pln_status pln_importer_check_default(struct pln_importer *importer, const struct pln_onnx_value_info *input, const struct pln_onnx_tensor *initializer);
/* The symbol that stands for a dim_param; fresh: a new one whose name is made from the text. */
struct pln_dim pln_importer_symbol(struct pln_importer *importer, const char *param, bool fresh);

#endif
