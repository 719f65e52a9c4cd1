/* Finding elements in a list of keys: label encoders and vectorizers. */
#ifndef PLN_BACKEND_REF_LOOKUP_H
#define PLN_BACKEND_REF_LOOKUP_H

#include "base/hash.h"
#include "kernel/call.h"

/* A list attribute (ints i64, floats f32, strings, or a tensor of rank <= 1) as a tensor that views it. false: absent, empty or of another kind. */
bool pln_ref_attr_tensor(const struct pln_attrs *attrs, const char *name, struct pln_tensor *out_tensor);

struct pln_ref_lookup {
    struct pln_map map;
    enum pln_dtype dtype; /* of the keys: strings meet bytes, floats meet as doubles (0 = -0, NaN = NaN), the rest as int64 */
};

/* keys: rank 1; of equal keys the last one counts. The keys outlive the lookup; deinit also after an error. */
enum pln_status pln_ref_lookup_init(struct pln_call *call, const struct pln_tensor *keys, struct pln_ref_lookup *out_lookup);
void pln_ref_lookup_deinit(struct pln_ref_lookup *lookup);
/* Place of element i of tensor among the keys; false: not there, or a string against numbers. */
bool pln_ref_lookup_find(const struct pln_ref_lookup *lookup, const struct pln_tensor *tensor, int64_t i, uint32_t *out_index);

/* Copies element `from` of values into element `to` of y, which is output `o` of the call and of the same type (strings: bytes are copied). */
enum pln_status pln_ref_put(struct pln_call *call, int o, const struct pln_tensor *y, int64_t to, const struct pln_tensor *values, int64_t from);

#endif
