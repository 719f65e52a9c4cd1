/* What a device reaches at its best, for rooflines. */
#ifndef PLANISH_TOOLS_ROOF_H
#define PLANISH_TOOLS_ROOF_H

#include <stdio.h>

#include "model.h"

struct roof {
    double gflops; /* in a product of two large square matrices of f32 */
    double gbytes; /* a second, read and written, in adding two large tensors */
};

/* The share of the lower of the two roofs over its work that a step of so many Gflop/s and GB/s reached (Williams, Waterman, Patterson, "Roofline", 2009); NAN: neither
 * is known. */
double roof_share(const struct roof *roof, double gflops, double gbytes);
/* ,"roof":{"gflops":…,"gbytes":…}; null for NULL. */
void roof_write_json(FILE *out, const struct roof *roof);
/* Measures both on the model's device with its threads; about half a second. false: it could not be (the reference interpreter is not asked). */
bool roof_measure(const struct command *command, const struct model *model, struct roof *out_roof);

#endif
