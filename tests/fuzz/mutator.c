/* libFuzzer's mutator for targets that take a model: one time in four of its bytes, else of what they mean. */
#include <string.h>

#include "mutate_model.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size_bytes, size_t max_bytes);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size_bytes, size_t max_bytes, unsigned seed);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size_bytes, size_t max_bytes, unsigned seed)
{
    static uint8_t copy[1 << 20];
    if (seed % 4 && size_bytes <= sizeof copy) {
        memcpy(copy, data, size_bytes);
        const size_t changed = mutate_model(data, size_bytes, max_bytes, seed);
        if (changed) return changed;
        memcpy(data, copy, size_bytes); /* half of it may have been written over */
    }
    return LLVMFuzzerMutate(data, size_bytes, max_bytes);
}
