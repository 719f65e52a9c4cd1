/* A case as files in the ONNX backend layout. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <sys/stat.h>

#include "check.h"
#include "onnx/wire_write.h"

static int write_file(const char *path, const struct pln_text *text)
{
    FILE *file = fopen(path, "wb");
    int failed = !file || text->failed || fwrite(text->data, 1, text->size_bytes, file) != text->size_bytes;
    if (file && fclose(file) != 0) failed = 1;
    if (failed) fprintf(stderr, "%s: cannot be written\n", path);
    return failed;
}

/* TensorProto: dims 1, type 2, name 8, raw 9. */
static int write_tensor(const char *path, const char *name, enum pln_dtype dtype, int rank, const int64_t *dims, const void *data)
{
    struct pln_text tensor;
    size_t bytes = (size_t)(pln_dtype_bits(dtype) / 8);
    pln_text_init(&tensor, NULL);
    for (int d = 0; d < rank; d++) {
        pln_wire_put_int(&tensor, 1, dims[d]);
        bytes *= (size_t)dims[d];
    }
    pln_wire_put_int(&tensor, 2, (int)dtype);
    pln_wire_put_string(&tensor, 8, name);
    pln_wire_put_bytes(&tensor, 9, data, bytes);
    int failed = write_file(path, &tensor);
    pln_text_deinit(&tensor);
    return failed;
}

static int write_case(const struct random_case *made, const struct random_results *results, const char *folder)
{
    char path[4096], set[3072];
    int failed = 0;
    snprintf(path, sizeof path, "%s/model.onnx", folder);
    failed |= write_file(path, &made->model);
    snprintf(path, sizeof path, "%s/apart.txt", folder); /* what the comparison may allow: a line an output */
    FILE *file = fopen(path, "w");
    for (int i = 0; file && i < made->output_count; i++) fprintf(file, "%s %.17g\n", made->output[i].name, made->output[i].apart);
    if (!file || fclose(file) != 0) failed = 1;
    for (int run = 0; run < made->runs; run++) {
        snprintf(set, sizeof set, "%.3000s/test_data_set_%d", folder, run);
        mkdir(set, 0777);
        for (int i = 0; i < made->input_count; i++) {
            const struct random_input *input = &made->input[i];
            snprintf(path, sizeof path, "%s/input_%d.pb", set, i);
            failed |= write_tensor(path, input->name, input->dtype, input->rank, input->dims[run], input->data[run]);
        }
        for (int i = 0; i < made->output_count; i++) {
            const struct random_result *r = &results->of[run][i];
            snprintf(path, sizeof path, "%s/output_%d.pb", set, i);
            failed |= write_tensor(path, made->output[i].name, r->dtype, r->rank, r->dims, r->data);
        }
    }
    return failed;
}

int random_write(uint64_t seed, const char *folder)
{
    struct random_case made;
    struct random_results results = { .error = "" };
    char path[2048];
    int failed = 1;
    snprintf(path, sizeof path, "%.2000s/seed-%llu", folder, (unsigned long long)seed);
    mkdir(folder, 0777);
    mkdir(path, 0777);
    if (random_case_make(seed, &made)) {
        random_run(&made, "ref", NULL, &results);
        if (results.error[0]) fprintf(stderr, "seed %llu: ref: %s\n", (unsigned long long)seed, results.error);
        char model[2100];
        snprintf(model, sizeof model, "%s/model.onnx", path);
        failed = results.error[0] ? write_file(model, &made.model) : write_case(&made, &results, path);
    }
    random_results_free(&results);
    random_case_free(&made);
    return failed;
}
