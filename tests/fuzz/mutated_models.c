/* mutated_models COUNT FIRST MODEL…: model_fuzz's target on COUNT changes of each model, numbered from FIRST. What is about to be tried is written to mutated_model.onnx in $TMPDIR
 * first, so that it is there after a crash. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mutate_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

static uint8_t original[1 << 22], changed[1 << 22];

static size_t read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    const size_t n = file ? fread(original, 1, sizeof original, file) : 0;
    if (file) fclose(file);
    return n;
}

static void keep(const char *path, size_t size_bytes)
{
    FILE *file = fopen(path, "wb");
    if (!file) return;
    fwrite(changed, 1, size_bytes, file);
    fclose(file);
}

int main(int argc, char **argv)
{
    char path[4096];
    long tried = 0;
    const char *folder = getenv("TMPDIR");
    if (argc < 4) return fprintf(stderr, "mutated_models COUNT FIRST MODEL...\n"), 2;
    const long count = strtol(argv[1], NULL, 10), first = strtol(argv[2], NULL, 10);
    snprintf(path, sizeof path, "%s/mutated_model.onnx", folder ? folder : "/tmp");
    for (int i = 3; i < argc; i++) {
        const size_t n = read_file(argv[i]);
        for (long k = 0; k < count && n; k++) {
            memcpy(changed, original, n);
            size_t size_bytes = mutate_model(changed, n, sizeof changed, (uint64_t)(first + k) * 1000003u + (uint64_t)i);
            if (!size_bytes) continue;
            if (k % 2) { /* twice as many changes */
                const size_t more = mutate_model(changed, size_bytes, sizeof changed, (uint64_t)(first + k));
                size_bytes = more ? more : size_bytes;
            }
            keep(path, size_bytes);
            LLVMFuzzerTestOneInput(changed, size_bytes);
            tried++;
        }
    }
    remove(path);
    printf("%ld models\n", tried);
    return tried == 0;
}
