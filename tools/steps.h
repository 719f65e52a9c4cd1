/* What an engine is made of, for build, inspect. */
#ifndef PLANISH_TOOLS_STEPS_H
#define PLANISH_TOOLS_STEPS_H

#include <stdbool.h>
#include <stdio.h>

#include "planish/engine.h"

/* Kernels and how many steps each has, most first; steps on reference kernels by op, for these are the slow ones. */
void steps_print_kernels(FILE *out, const pln_engine *engine);
/* Steps that stand for more than one ONNX node, `limit` at most, the largest first. */
void steps_print_fused(FILE *out, const pln_engine *engine, int limit);
/* One row a step. */
void steps_print_table(FILE *out, const pln_engine *engine);
/* "device":…,"device_name":… of a report. */
void steps_write_device_json(FILE *out, const pln_engine *engine);
/* "steps":[…] */
void steps_write_json(FILE *out, const pln_engine *engine);
/* One of them in a list of objects, up to its device and without the end. */
void steps_begin_json(FILE *out, const struct pln_step_info *info, bool first);

#endif
