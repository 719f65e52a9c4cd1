/* An ONNX file of any bytes: opened, every tensor loaded, checked; and the same bytes as the messages of test data. */
#include "../unit/onnx_exercise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct pln_arena arena;
    struct pln_onnx_tensor tensor;
    struct pln_onnx_sequence sequence;
    struct pln_onnx_optional optional;
    (void)exercise_model(data, size_bytes);
    pln_arena_init(&arena, NULL, (size_t)64 << 20);
    (void)pln_onnx_decode_sequence(data, size_bytes, &arena, NULL, &sequence);
    (void)pln_onnx_decode_optional(data, size_bytes, &arena, NULL, &optional);
    if (pln_onnx_decode_tensor(data, size_bytes, &arena, NULL, &tensor) == PLN_OK) {
        struct pln_tensor loaded;
        (void)pln_onnx_tensor_load(&tensor, NULL, &arena, NULL, &loaded);
    }
    pln_arena_deinit(&arena);
    return 0;
}
