/* Damaged models: cut off at every byte, and with bytes changed at random. Run under ASan and UBSan this is the test
 * that no file can crash the reader. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "onnx_exercise.h"
#include "onnx_make.h"

#define ROUNDS       20000
#define MOST_SECONDS 2.0 /* of CPU time for one file of some kilobytes; a hundredth of it is usual */

static uint64_t random_state;

/* SplitMix64 (Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", 2014). */
static uint64_t next_random(void)
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

/* One of everything that ONNX has. */
static struct pln_text make_rich_model(void)
{
    static const int64_t ints[] = { 1, -1, 0 };
    static const float floats[] = { 0.5f, 1.0f, 2.0f };
    struct pln_text graph = make_message(), inner = make_message(), node, attribute, model, message, part;
    make_add(&inner, 1, make_node("Neg", "inner", "x", "r"));
    make_add(&inner, 12, make_value("r", 0, "n"));
    node = make_node("If", "if", "x", "y");
    attribute = make_attribute("then_branch", PLN_ONNX_ATTR_GRAPH);
    make_add(&attribute, 6, inner);
    make_add(&node, 5, attribute);
    attribute = make_attribute("ints", PLN_ONNX_ATTR_INTS);
    pln_wire_put_packed_ints(&attribute, 8, ints, 3);
    make_add(&node, 5, attribute);
    attribute = make_attribute("floats", PLN_ONNX_ATTR_FLOATS);
    pln_wire_put_packed_floats(&attribute, 7, floats, 3);
    make_add(&node, 5, attribute);
    attribute = make_attribute("strings", PLN_ONNX_ATTR_STRINGS);
    pln_wire_put_string(&attribute, 9, "one");
    make_add(&node, 5, attribute);
    attribute = make_attribute("t", PLN_ONNX_ATTR_TENSOR);
    part = make_tensor("", PLN_I4, 5);
    pln_wire_put_packed_ints(&part, 5, ints, 3);
    make_add(&attribute, 5, part);
    make_add(&node, 5, attribute);
    attribute = make_attribute("tp", PLN_ONNX_ATTR_TYPE_PROTO);
    message = make_message(); /* sequence(map(i64, ?)) */
    part = make_message();
    pln_wire_put_int(&part, 1, PLN_I64);
    make_add(&message, 5, part);
    part = make_message();
    make_add(&part, 1, message);
    message = make_message();
    make_add(&message, 4, part);
    make_add(&attribute, 14, message);
    make_add(&node, 5, attribute);
    make_add(&graph, 1, node);
    node = make_node("f", "call", "y,,w", "z");
    pln_wire_put_string(&node, 7, "my");
    make_add(&graph, 1, node);
    make_add(&graph, 5, make_zeros("w", 4));
    message = make_tensor("s", PLN_STR, 2);
    pln_wire_put_string(&message, 6, "a");
    pln_wire_put_string(&message, 6, "b");
    make_add(&graph, 5, message);
    message = make_tensor("e", PLN_F32, 1);
    part = make_message();
    pln_wire_put_string(&part, 1, "location");
    pln_wire_put_string(&part, 2, "file.bin");
    make_add(&message, 13, part);
    pln_wire_put_int(&message, 14, 1);
    make_add(&graph, 5, message);
    message = make_message();
    part = make_tensor("sparse", PLN_I32, 2);
    pln_wire_put_packed_ints(&part, 5, ints, 2);
    make_add(&message, 1, part);
    part = make_tensor("", PLN_I64, 2);
    pln_wire_put_packed_ints(&part, 7, ints + 1, 1);
    pln_wire_put_int(&part, 7, 3);
    make_add(&message, 2, part);
    pln_wire_put_int(&message, 3, 4);
    make_add(&graph, 15, message);
    make_add(&graph, 11, make_value("x", 4, NULL));
    make_add(&graph, 12, make_value("z", 0, "n"));
    model = make_model(10, graph);
    message = make_message();
    pln_wire_put_string(&message, 1, "f");
    pln_wire_put_string(&message, 4, "a");
    pln_wire_put_string(&message, 5, "b");
    pln_wire_put_string(&message, 6, "alpha");
    pln_wire_put_string(&message, 10, "my");
    node = make_node("Elu", "", "a", "b");
    attribute = make_attribute("alpha", PLN_ONNX_ATTR_FLOAT);
    pln_wire_put_string(&attribute, 21, "alpha");
    make_add(&node, 5, attribute);
    make_add(&message, 7, node);
    make_add(&model, 25, message);
    return model;
}

static struct pln_text read_model(const char *path)
{
    struct pln_text text = make_message();
    char buffer[4096];
    size_t size;
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    while ((size = fread(buffer, 1, sizeof buffer, file)) > 0) pln_text_append(&text, buffer, size);
    fclose(file);
    return text;
}

/* In a block of just that size, so that a read past the end is seen. */
static enum pln_status exercise_copy(const char *data, size_t size_bytes)
{
    clock_t start = clock();
    uint8_t *copy = malloc(size_bytes != 0 ? size_bytes : 1);
    assert_non_null(copy);
    memcpy(copy, data, size_bytes);
    enum pln_status status = exercise_model(copy, size_bytes);
    free(copy);
    assert_true((double)(clock() - start) / CLOCKS_PER_SEC < MOST_SECONDS);
    return status;
}

static void cut_at_every_byte(struct pln_text model)
{
    assert_int_equal(exercise_copy(model.data, model.size_bytes), PLN_OK);
    for (size_t size = 0; size < model.size_bytes; size++) (void)exercise_copy(model.data, size);
    pln_text_deinit(&model);
}

/* Changes some bytes, or takes some away, or repeats some. */
static size_t damage(char *bytes, size_t size_bytes)
{
    static const uint8_t telling[] = { 0, 1, 2, 4, 7, 0x0a, 0x12, 0x2a, 0x32, 0x3a, 0x7f, 0x80, 0xfe, 0xff };
    for (uint64_t n = 1 + next_random() % 6; n > 0; n--) {
        size_t at = next_random() % size_bytes, length = 1 + next_random() % 16;
        if (at + length > size_bytes) length = size_bytes - at;
        switch (next_random() % 5) {
        case 0: bytes[at] ^= (char)(1 << next_random() % 8); break;
        case 1: bytes[at] = (char)telling[next_random() % sizeof telling]; break;
        case 2: bytes[at] = (char)next_random(); break;
        case 3: memmove(bytes + at, bytes + next_random() % (size_bytes - length + 1), length); break;
        case 4:
            if (size_bytes - length < 16) break;
            memmove(bytes + at, bytes + at + length, size_bytes - at - length);
            size_bytes -= length;
            break;
        }
    }
    return size_bytes;
}

static void damage_at_random(struct pln_text model, uint64_t seed)
{
    int accepted = 0;
    char *bytes = malloc(model.size_bytes);
    assert_non_null(bytes);
    random_state = seed;
    for (int i = 0; i < ROUNDS; i++) {
        memcpy(bytes, model.data, model.size_bytes);
        accepted += exercise_copy(bytes, damage(bytes, model.size_bytes)) == PLN_OK;
    }
    free(bytes);
    pln_text_deinit(&model);
    /* Not all may fail at the first byte, or this would test nothing. */
    assert_in_range(accepted, ROUNDS / 1000, ROUNDS);
}

static void cut_a_made_model(void **state)
{
    (void)state;
    cut_at_every_byte(make_rich_model());
}

static void cut_an_exported_model(void **state)
{
    (void)state;
    cut_at_every_byte(read_model("../fuzz/corpus/onnx/rnn.onnx"));
}

static void damage_a_made_model(void **state)
{
    (void)state;
    damage_at_random(make_rich_model(), 1);
}

static void damage_an_exported_model(void **state)
{
    (void)state;
    damage_at_random(read_model("../fuzz/corpus/onnx/rnn.onnx"), 2);
}

/* ---- no memory ---- */

struct rationed {
    int left; /* allocations that still succeed */
    int live;
};

static void *rationed_alloc(void *user, size_t size_bytes, size_t align)
{
    struct rationed *r = user;
    if (r->left-- <= 0) return NULL;
    r->live++;
    return pln_alloc(NULL, size_bytes, align);
}

static void rationed_release(void *user, void *memory, size_t size_bytes)
{
    struct rationed *r = user;
    r->live--;
    pln_free(NULL, memory, size_bytes);
}

static enum pln_status open_and_check(const struct pln_text *model, const struct pln_allocator *alloc)
{
    struct pln_onnx_file *file;
    PLN_TRY(pln_onnx_open_memory(model->data, model->size_bytes, NULL, alloc, NULL, &file));
    enum pln_status status = pln_onnx_check_model(&file->model, &file->arena, NULL);
    pln_onnx_close(file);
    return status;
}

/* Every allocation fails once; all that was had before is given back. */
static void run_out_of_memory(void **state)
{
    struct pln_text models[] = { make_rich_model(), read_model("../fuzz/corpus/onnx/rnn.onnx") };
    (void)state;
    for (size_t i = 0; i < PLN_COUNT_OF(models); i++) {
        enum pln_status status = PLN_NO_MEMORY;
        for (int ration = 0; status != PLN_OK; ration++) {
            struct rationed r = { .left = ration };
            struct pln_allocator alloc = { &r, rationed_alloc, rationed_release };
            status = open_and_check(&models[i], &alloc);
            assert_true(status == PLN_OK || status == PLN_NO_MEMORY);
            assert_int_equal(r.live, 0);
            assert_in_range(ration, 0, 10000);
        }
        pln_text_deinit(&models[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_a_made_model),    cmocka_unit_test(cut_an_exported_model),
        cmocka_unit_test(damage_a_made_model), cmocka_unit_test(damage_an_exported_model),
        cmocka_unit_test(run_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
