/* The timing cache's file: round trip, damage, merging, builds at the same time. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "test_alloc.h"
#include "tune/timings.h"

#define HEAD_BYTES 32

static char folder[64], path[96];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/planish-timings-XXXXXX");
    if (!mkdtemp(folder)) return -1;
    snprintf(path, sizeof path, "%s/one.times", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static struct pln_hash128 key_of(uint64_t number)
{
    return pln_hash128(&number, sizeof number);
}

static void write_bytes(const void *data, size_t size_bytes)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size_bytes, file), size_bytes);
    fclose(file);
}

/* Saves [first, last) with these nanoseconds. */
static enum pln_status save_as(bool fills, uint64_t first, uint64_t last, uint64_t ns, struct pln_diag *diag)
{
    struct pln_timings timings;
    pln_timings_init(&timings, NULL);
    timings.fills = fills;
    for (uint64_t i = first; i < last; i++) assert_true(pln_timings_set(&timings, key_of(i), ns));
    enum pln_status status = pln_timings_save(&timings, path, diag);
    pln_timings_deinit(&timings);
    return status;
}

static enum pln_status save(uint64_t first, uint64_t last, uint64_t ns, struct pln_diag *diag)
{
    return save_as(false, first, last, ns, diag);
}

static uint64_t saved_ns(uint64_t number)
{
    struct pln_timings timings;
    uint64_t ns;
    pln_timings_init(&timings, NULL);
    assert_int_equal(pln_timings_read(&timings, path, NULL), PLN_OK);
    const bool found = pln_timings_find(&timings, key_of(number), &ns);
    pln_timings_deinit(&timings);
    return found ? ns : UINT64_MAX;
}

static void test_round_trip(void **state)
{
    (void)state;
    struct pln_timings timings;
    uint64_t ns;
    pln_timings_init(&timings, NULL);
    assert_int_equal(pln_timings_read(&timings, path, NULL), PLN_OK); /* no file */
    write_bytes("", 0);
    assert_int_equal(pln_timings_read(&timings, path, NULL), PLN_OK);
    assert_int_equal(timings.n, 0);
    assert_false(pln_timings_find(&timings, key_of(1), &ns));
    pln_timings_deinit(&timings);
    assert_int_equal(save(0, 1000, 7, NULL), PLN_OK);
    for (uint64_t i = 0; i < 1000; i++) assert_int_equal(saved_ns(i), 7);
    assert_int_equal(saved_ns(1000), UINT64_MAX);
}

static void test_merge(void **state)
{
    (void)state;
    unlink(path);
    assert_int_equal(save(0, 10, 0, NULL), PLN_OK); /* left */
    assert_int_equal(save(5, 15, 3, NULL), PLN_OK); /* what is there stays */
    for (uint64_t i = 0; i < 15; i++) assert_int_equal(saved_ns(i), i < 10 ? 0 : 3);
    assert_int_equal(save_as(true, 5, 10, 3, NULL), PLN_OK); /* unless it was left, and is filled now */
    assert_int_equal(save(0, 20, 0, NULL), PLN_OK);
    assert_int_equal(save_as(true, 5, 20, 9, NULL), PLN_OK);
    for (uint64_t i = 0; i < 20; i++) assert_int_equal(saved_ns(i), i < 5 ? 0 : i < 15 ? 3 : 9);
    /* Who saves has what the file has. */
    struct pln_timings timings;
    uint64_t ns;
    pln_timings_init(&timings, NULL);
    assert_true(pln_timings_set(&timings, key_of(12), 8));
    assert_true(timings.changed);
    assert_int_equal(pln_timings_save(&timings, path, NULL), PLN_OK);
    assert_false(timings.changed);
    assert_true(pln_timings_find(&timings, key_of(12), &ns) && ns == 3);
    assert_true(pln_timings_find(&timings, key_of(19), &ns) && ns == 9);
    pln_timings_deinit(&timings);
}

/* Reads what is there. Nothing comes of it unless it is whole. */
static enum pln_status read_status(void)
{
    struct pln_timings timings;
    struct pln_diag diag;
    pln_timings_init(&timings, NULL);
    pln_diag_init(&diag);
    enum pln_status status = pln_timings_read(&timings, path, &diag);
    if (status != PLN_OK) assert_int_equal(timings.n, 0);
    if (status != PLN_OK) assert_non_null(strstr(diag.entries[0].text, path));
    pln_timings_deinit(&timings);
    return status;
}

static void test_damage(void **state)
{
    (void)state;
    struct pln_file_map map;
    uint8_t whole[HEAD_BYTES + 5 * 24];
    unlink(path);
    assert_int_equal(save(0, 5, 4, NULL), PLN_OK);
    assert_int_equal(pln_file_map(path, NULL, &map), PLN_OK);
    assert_int_equal(map.size_bytes, sizeof whole);
    memcpy(whole, map.data, sizeof whole);
    pln_file_unmap(&map);
    for (size_t n = 1; n < sizeof whole; n++) {
        write_bytes(whole, n);
        assert_int_equal(read_status(), PLN_BAD_PLAN);
    }
    for (size_t i = 0; i < sizeof whole; i++) {
        uint8_t changed[sizeof whole];
        memcpy(changed, whole, sizeof whole);
        changed[i] ^= (uint8_t)(1 << i % 8);
        write_bytes(changed, sizeof whole);
        assert_int_equal(read_status(), i < 8 ? PLN_INVALID_ARGUMENT : i < 12 ? PLN_INCOMPATIBLE : PLN_BAD_PLAN);
    }
    uint8_t longer[sizeof whole + 24] = { 0 };
    memcpy(longer, whole, sizeof whole);
    write_bytes(longer, sizeof longer);
    assert_int_equal(read_status(), PLN_BAD_PLAN);
    /* Sound but for the order of its entries. */
    uint8_t swapped[sizeof whole];
    memcpy(swapped, whole, sizeof whole);
    memcpy(swapped + HEAD_BYTES, whole + HEAD_BYTES + 24, 24);
    memcpy(swapped + HEAD_BYTES + 24, whole + HEAD_BYTES, 24);
    const uint64_t checksum = pln_hash64(swapped + HEAD_BYTES, sizeof swapped - HEAD_BYTES, 0);
    memcpy(swapped + 24, &checksum, sizeof checksum);
    write_bytes(swapped, sizeof swapped);
    assert_int_equal(read_status(), PLN_BAD_PLAN);
    /* A damaged one is replaced. */
    assert_int_equal(save(3, 4, 6, NULL), PLN_OK);
    assert_int_equal(saved_ns(3), 6);
    assert_int_equal(saved_ns(0), UINT64_MAX);
}

static void test_another_file(void **state)
{
    (void)state;
    struct pln_diag diag;
    write_bytes("a model", 7);
    pln_diag_init(&diag);
    assert_int_equal(save(0, 3, 1, &diag), PLN_INVALID_ARGUMENT);
    assert_non_null(strstr(diag.entries[0].text, "is no timing cache"));
    char text[8] = "";
    FILE *file = fopen(path, "rb");
    assert_int_equal(fread(text, 1, 7, file), 7);
    fclose(file);
    assert_string_equal(text, "a model");
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(read_status(), PLN_IO);
    assert_int_equal(save(0, 3, 1, NULL), PLN_IO);
    unlink(path);
    char inside[128];
    snprintf(inside, sizeof inside, "%s/no/folder", folder);
    struct pln_timings timings;
    pln_timings_init(&timings, NULL);
    assert_int_equal(pln_timings_read(&timings, inside, NULL), PLN_OK);
    assert_int_equal(pln_timings_save(&timings, inside, NULL), PLN_IO);
    pln_timings_deinit(&timings);
}

/* The limit is of a file's entries; what this build asked for stays. */
static void test_full(void **state)
{
    (void)state;
    struct pln_timings timings;
    uint64_t ns;
    unlink(path);
    pln_timings_init(&timings, NULL);
    for (uint64_t i = 0; i < PLN_TIMINGS_MOST; i++) assert_true(pln_timings_set(&timings, (struct pln_hash128){ .hi = i, .lo = i }, 1)); /* in order: none is moved */
    assert_int_equal(pln_timings_save(&timings, path, NULL), PLN_OK);
    pln_timings_deinit(&timings);
    assert_int_equal(pln_timings_read(&timings, path, NULL), PLN_OK);
    assert_int_equal(timings.n, PLN_TIMINGS_MOST);
    assert_true(pln_timings_find(&timings, (struct pln_hash128){ .hi = 5, .lo = 5 }, &ns));
    assert_true(pln_timings_set(&timings, (struct pln_hash128){ .hi = 5, .lo = 6 }, 2));
    assert_int_equal(pln_timings_save(&timings, path, NULL), PLN_OK);
    assert_int_equal(timings.n, 2);
    assert_true(pln_timings_find(&timings, (struct pln_hash128){ .hi = 5, .lo = 6 }, &ns) && ns == 2);
    pln_timings_deinit(&timings);
    assert_int_equal(pln_timings_read(&timings, path, NULL), PLN_OK);
    assert_int_equal(timings.n, 2);
    pln_timings_deinit(&timings);
}

#define BUILDS 6
#define ROUNDS 20

/* Each process adds its own, one after the other; none is lost. */
static void test_at_the_same_time(void **state)
{
    (void)state;
    pid_t children[BUILDS];
    unlink(path);
    for (uint64_t i = 0; i < BUILDS; i++) {
        children[i] = fork();
        if (children[i] != 0) continue;
        bool good = true;
        for (uint64_t k = 0; k < ROUNDS; k++) good = good && save(i * ROUNDS + k, i * ROUNDS + k + 1, i + 1, NULL) == PLN_OK;
        _exit(good ? 0 : 1);
    }
    for (int i = 0; i < BUILDS; i++) {
        int status = -1;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    for (uint64_t i = 0; i < (uint64_t)BUILDS * ROUNDS; i++) assert_int_equal(saved_ns(i), i / ROUNDS + 1);
}

/* A lock is waited for. */
static void test_lock(void **state)
{
    (void)state;
    unlink(path);
    assert_int_equal(save(0, 1, 1, NULL), PLN_OK);
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    const pid_t child = fork();
    if (child == 0) {
        const int fd = open(path, O_RDWR);
        bool good = fd >= 0 && flock(fd, LOCK_EX) == 0 && write(ready[1], "x", 1) == 1;
        usleep(200000);
        _exit(good && saved_ns(1) == UINT64_MAX ? 0 : 1); /* not written meanwhile */
    }
    char byte;
    int status = -1;
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(save(1, 2, 2, NULL), PLN_OK);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    close(ready[0]);
    close(ready[1]);
    assert_int_equal(saved_ns(1), 2);
}

static void test_no_memory(void **state)
{
    (void)state;
    unlink(path);
    assert_int_equal(save(0, 100, 1, NULL), PLN_OK);
    bool done = false;
    for (long i = 1; !done; i++) {
        struct test_alloc alloc;
        struct pln_timings timings;
        test_alloc_init(&alloc, i);
        pln_timings_init(&timings, &alloc.base);
        enum pln_status status = pln_timings_read(&timings, path, NULL);
        bool set = status == PLN_OK;
        for (uint64_t k = 200; set && k < 400; k++) set = pln_timings_set(&timings, key_of(k), 1);
        if (set) status = pln_timings_save(&timings, path, NULL);
        done = set && status == PLN_OK;
        assert_true(status == PLN_OK || status == PLN_NO_MEMORY);
        pln_timings_deinit(&timings);
        assert_int_equal(alloc.live, 0);
    }
    assert_int_equal(saved_ns(399), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_merge), cmocka_unit_test(test_damage),           cmocka_unit_test(test_another_file),
        cmocka_unit_test(test_full),       cmocka_unit_test(test_lock),  cmocka_unit_test(test_at_the_same_time), cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
