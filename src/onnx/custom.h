/* Nodes of other domains than ONNX's. */
#ifndef PLN_ONNX_CUSTOM_H
#define PLN_ONNX_CUSTOM_H

#include "onnx/emit.h"

/* Imports a node whose operator is registered in emit->graph->plugins. PLN_NOT_FOUND without a message: it is not. */
enum pln_status pln_onnx_custom(struct pln_emit *emit);
/* Says that it is not, and what to do: PLN_UNSUPPORTED. */
enum pln_status pln_onnx_custom_missing(struct pln_emit *emit);

#endif
