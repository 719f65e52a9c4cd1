/* The faults of a model, without building it. Still moving: may change in any version. In libplanish, not in libplanish_rt. */
#ifndef PLANISH_EXPERIMENTAL_CHECK_H
#define PLANISH_EXPERIMENTAL_CHECK_H

#include "planish/engine.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Reads an ONNX file and holds it against the rules of ONNX: names, order, operators with their attributes, inputs and types, shapes as far as they are
 * known. What is wrong with the file or its structure ends the check; of nodes, every one that is wrong is told, but not those that only need its
 * outputs. diagnostics gets the first 16 faults, out_count tells how many there are. PLN_OK: none; else the status of the first one, or PLN_IO,
 * PLN_NO_MEMORY. plugins: custom operators (plugin.h), NULL: none. diagnostics may be NULL. */
PLN_API PLN_MUST_USE enum pln_status pln_check_model_file(const char *path, pln_plugins *plugins, pln_diagnostics *diagnostics, int *out_count);

#ifdef __cplusplus
}
#endif
#endif
