/* From a decoded ONNX model to a graph of canonical ops.
 *
 * What comes out: the main block holds the model's nodes in the order given, each as one canonical op or a few (opset.h says which),
 * every one with an origin; bodies of If, Loop, Scan and SequenceMap are blocks; calls of model-local functions are inlined. Initializers
 * and Constant nodes are constants of the graph whose data are views of the model's bytes where alignment allows. Graph inputs take
 * their dims as declared: numbers, one symbol a `dim_param`, and a new symbol `<input>_d<axis>` for dims that the model leaves open. Types
 * are inferred node by node; what the model itself says of inner values (value_info, types of outputs and of bodies' inputs) only fills
 * in element types and ranks that inference does not know, never numbers, and if the import fails with such a hint in use it is
 * done once more without. Where it contradicts what inference knows, another element type is an error and another shape a warning (outside of functions).
 *
 * Initializers that are graph inputs, too: constants, and no input of the graph; from IR version 4 on ONNX lets a caller replace them:
 * then the metadata has an entry "planish.input_default.<name>" with the type, e.g. "f32[3]".
 * Metadata: the model's metadata_props; and onnx.producer_name, onnx.producer_version, onnx.model_version, onnx.domain, onnx.ir_version,
 * onnx.opset.<domain or "ai.onnx"> where the model tells them. */
#ifndef PLN_ONNX_IMPORT_H
#define PLN_ONNX_IMPORT_H

#include "graph/graph.h"
#include "onnx/external.h"
#include "onnx/model.h"

/* Newest operator sets known: those of onnx 1.23.2. */
#define PLN_ONNX_NEWEST_OPSET 28
#define PLN_ONNX_NEWEST_ML_OPSET 5
/* Calls of model-local functions inside each other. */
#define PLN_ONNX_MAX_CALL_DEPTH 64

struct pln_onnx_import_options {
    size_t limit_bytes; /* of the graph's arena; 0: none */
    uint64_t max_nodes; /* ONNX nodes imported, functions and repeated bodies counted as often as they are; 0: 200,000 more than the
                         * model itself has */
    bool all_faults;    /* go on behind inputs, initializers and nodes of the main graph that are wrong, leaving out what needs them, so that diag gets every fault (pln_onnx_check_faults tells those of names); the
                         * import fails all the same */
    bool ignore_hints;  /* fill in nothing from value_info */
    const struct pln_plugins *plugins; /* custom operators; NULL: none. They outlive the graph */
    void (*warn)(void *user, const char *text); /* a declared shape that is wrong; at most 8 times. NULL: silent */
    void *warn_user;
};

/* options may be NULL. externals: files beside the model, NULL: none. The graph holds views of the model's bytes, so the file under
 * `model` outlives the graph; the structs of the model need not.
 * Errors: PLN_BAD_MODEL (breaks a rule of ONNX), PLN_UNSUPPORTED (an operator, type or form that is not built yet; the message
 * names node, operator, domain and opset, and what to do), PLN_NO_MEMORY. */
enum pln_status pln_onnx_import(const struct pln_onnx_model *model, struct pln_onnx_externals *externals,
                                const struct pln_onnx_import_options *options, const struct pln_allocator *alloc,
                                struct pln_diag *diag, struct pln_graph **out_graph);

#endif
