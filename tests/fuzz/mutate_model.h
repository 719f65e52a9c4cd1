/* Changes to a model that keep it a model: an operator, an attribute, an edge, a shape, a type. */
#ifndef PLN_TESTS_FUZZ_MUTATE_MODEL_H
#define PLN_TESTS_FUZZ_MUTATE_MODEL_H

#include <stddef.h>
#include <stdint.h>

/* One to four changes of the encoded model, which seed alone decides. The new size, at most max_bytes; 0: it is no model, or has become too large. */
size_t mutate_model(uint8_t *data, size_t size_bytes, size_t max_bytes, uint64_t seed);

#endif
