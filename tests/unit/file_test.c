#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/dynlib.h"
#include "base/file.h"
#include "test_alloc.h"

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/planish-file-XXXXXX");
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static const char *in_folder(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int count_files(void)
{
    char command[128];
    int count = -1;
    snprintf(command, sizeof command, "ls -A '%s' | wc -l", folder);
    FILE *pipe = popen(command, "r");
    if (fscanf(pipe, "%d", &count) != 1) count = -1;
    pclose(pipe);
    return count;
}

static void write_text(const char *name, const char *text)
{
    struct pln_file_writer writer;
    assert_int_equal(pln_file_writer_open(&writer, in_folder(name), NULL, NULL), PLN_OK);
    assert_int_equal(pln_file_writer_write(&writer, text, strlen(text)), PLN_OK);
    assert_int_equal(pln_file_writer_commit(&writer), PLN_OK);
}

static void writing_and_mapping(void **state)
{
    (void)state;
    struct pln_file_writer writer;
    struct pln_file_map map;
    int before = count_files();
    assert_int_equal(pln_file_writer_open(&writer, in_folder("a.bin"), NULL, NULL), PLN_OK);
    assert_int_equal(pln_file_writer_write(&writer, "hello", 5), PLN_OK);
    assert_int_equal(pln_file_writer_align(&writer, 64), PLN_OK);
    assert_int_equal(pln_file_writer_align(&writer, 64), PLN_OK);
    assert_int_equal(pln_file_writer_write(&writer, "x", 1), PLN_OK);
    assert_int_equal(pln_file_writer_align(&writer, 16384), PLN_OK);
    assert_int_equal(pln_file_writer_patch(&writer, 1, "E", 1), PLN_OK);
    assert_int_equal(pln_file_map(in_folder("a.bin"), NULL, &map), PLN_IO); /* not there before commit */
    assert_int_equal(pln_file_writer_commit(&writer), PLN_OK);
    assert_int_equal(count_files(), before + 1);
    pln_file_writer_abort(&writer); /* harmless now */
    assert_int_equal(pln_file_map(in_folder("a.bin"), NULL, &map), PLN_OK);
    assert_int_equal(map.size_bytes, 16384);
    assert_memory_equal(map.data, "hEllo\0", 6);
    assert_int_equal(map.data[64], 'x');
    pln_file_map_forget(&map, map.data, map.size_bytes); /* from the file again */
    pln_file_map_forget(&map, map.data + 4096, 4097);
    pln_file_map_forget(&map, map.data + 1, SIZE_MAX - (uintptr_t)map.data - 1);
    assert_int_equal(map.data[64], 'x');
    pln_file_unmap(&map);
    assert_int_equal(map.size_bytes, 0);
    pln_file_map_forget(&map, map.data, 1); /* nothing is mapped */
    write_text("empty", "");
    assert_int_equal(pln_file_map(in_folder("empty"), NULL, &map), PLN_OK);
    assert_true(map.data != NULL && map.size_bytes == 0);
    pln_file_unmap(&map);
}

static void an_aborted_writer_leaves_nothing(void **state)
{
    (void)state;
    struct pln_file_writer writer;
    write_text("kept", "old");
    int before = count_files();
    assert_int_equal(pln_file_writer_open(&writer, in_folder("kept"), NULL, NULL), PLN_OK);
    assert_int_equal(pln_file_writer_write(&writer, "new", 3), PLN_OK);
    pln_file_writer_abort(&writer);
    assert_int_equal(pln_file_writer_write(&writer, "new", 3), PLN_INVALID_ARGUMENT);
    assert_int_equal(count_files(), before);
    struct pln_file_map map;
    assert_int_equal(pln_file_map(in_folder("kept"), NULL, &map), PLN_OK);
    assert_memory_equal(map.data, "old", 3);
    pln_file_unmap(&map);
    for (long fail_at = 1; fail_at <= 2; fail_at++) {
        struct test_alloc alloc;
        test_alloc_init(&alloc, fail_at);
        assert_int_equal(pln_file_writer_open(&writer, in_folder("kept"), &alloc.base, NULL), PLN_NO_MEMORY);
        pln_file_writer_abort(&writer);
        assert_int_equal(alloc.live, 0);
    }
    assert_int_equal(pln_file_writer_open(&writer, "/dev/null", NULL, NULL), PLN_IO);
    assert_int_equal(pln_file_writer_open(&writer, in_folder("no/such/folder"), NULL, NULL), PLN_IO);
    assert_int_equal(pln_file_writer_commit(&writer), PLN_IO);
}

/* Ctrl-C, or no memory left, in the middle of a large plan. */
static void a_killed_writer_leaves_nothing(void **state)
{
    (void)state;
#ifdef O_TMPFILE
    const int unnamed = open(folder, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
    if (unnamed < 0) skip(); /* this file system has no files without a name */
    close(unnamed);
    const int before = count_files();
    const pid_t child = fork();
    if (child == 0) {
        struct pln_file_writer writer;
        const bool good = pln_file_writer_open(&writer, in_folder("killed"), NULL, NULL) == PLN_OK && pln_file_writer_write(&writer, "half", 4) == PLN_OK;
        if (good) raise(SIGKILL);
        _exit(1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(count_files(), before);
    /* One that is let be has the mode of any other file. */
    const mode_t mask = umask(027);
    write_text("mode", "whole");
    umask(mask);
    struct stat info;
    assert_int_equal(stat(in_folder("mode"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0640);
    assert_int_equal(info.st_size, 5);
#else
    skip();
#endif
}

static void what_is_no_regular_file_is_refused(void **state)
{
    (void)state;
    struct pln_file_map map;
    struct pln_diag diag;
    pln_diag_init(&diag);
    assert_int_equal(pln_file_map(folder, &diag, &map), PLN_IO);
    assert_int_equal(pln_file_map("/dev/zero", &diag, &map), PLN_IO);
    assert_int_equal(pln_file_map(in_folder("missing"), &diag, &map), PLN_IO);
    assert_int_equal(mkfifo(in_folder("pipe"), 0600), 0);
    assert_int_equal(pln_file_map(in_folder("pipe"), &diag, &map), PLN_IO); /* and does not wait for a writer */
    assert_int_equal(diag.count, 4);
    assert_non_null(strstr(diag.entries[2].text, "missing"));
    unlink(in_folder("pipe"));
}

/* Memory of a file without a name; where a folder cannot have one, that is all there is to see. */
static void memory_becomes_a_file(void **state)
{
    (void)state;
    enum { BYTES = 10000 };
    struct pln_file_writer writer;
    struct pln_file_map map;
    const int before = count_files();
    char *memory = pln_file_scratch(folder, BYTES);
    if (memory == NULL) skip();
    memset(memory, 'm', BYTES);
    assert_int_equal(count_files(), before);
    assert_int_equal(pln_file_scratch_take(memory + 1, BYTES), -1);
    assert_int_equal(pln_file_scratch_take(memory, BYTES - 1), -1);
    const int fd = pln_file_scratch_take(memory, BYTES);
    assert_true(fd >= 0);
    assert_int_equal(pln_file_scratch_take(memory, BYTES), -1); /* once */
    assert_int_equal(pln_file_writer_take(&writer, in_folder("named"), fd, NULL, NULL), PLN_OK);
    assert_int_equal(pln_file_writer_commit(&writer), PLN_OK);
    pln_file_scratch_release(memory, BYTES);
    assert_int_equal(count_files(), before + 1);
    assert_int_equal(pln_file_map(in_folder("named"), NULL, &map), PLN_OK);
    assert_int_equal(map.size_bytes, BYTES);
    assert_int_equal(map.data[BYTES - 1], 'm');
    pln_file_unmap(&map);
    assert_int_equal(pln_file_writer_take(&writer, folder, dup(STDIN_FILENO), NULL, NULL), PLN_IO); /* a folder is there */
    memory = pln_file_scratch(folder, BYTES); /* never named */
    pln_file_scratch_release(memory, BYTES);
    assert_int_equal(count_files(), before + 1);
}

static void holes_are_seen(void **state)
{
    (void)state;
    enum { BYTES = 1 << 20 };
    write_text("dense", "all of it");
    assert_false(pln_file_has_holes(in_folder("dense")));
    assert_false(pln_file_has_holes(in_folder("not there")));
    const int fd = open(in_folder("holes"), O_WRONLY | O_CREAT, 0600);
    assert_int_equal(ftruncate(fd, BYTES), 0);
    const bool known = lseek(fd, 0, SEEK_HOLE) == 0; /* else this file system does not tell */
    close(fd);
    assert_int_equal(pln_file_has_holes(in_folder("holes")), known);
}

static void staying_below_a_folder(void **state)
{
    (void)state;
    struct pln_file_map map;
    char model[128];
    snprintf(model, sizeof model, "%s/model", folder);
    assert_int_equal(mkdir(model, 0700), 0);
    assert_int_equal(mkdir(in_folder("model/sub"), 0700), 0);
    assert_int_equal(mkdir(in_folder("model2"), 0700), 0);
    write_text("outside", "no");
    write_text("model2/near", "no");
    write_text("model/weights", "yes");
    write_text("model/sub/more", "yes");
    write_text("model/..data", "yes");
    assert_int_equal(symlink("../outside", in_folder("model/link")), 0);
    assert_int_equal(symlink("../model2/near", in_folder("model/near")), 0);
    assert_int_equal(symlink("..", in_folder("model/up")), 0);
    assert_int_equal(symlink("sub/more", in_folder("model/inner")), 0);
    const char *const good[] = { "weights", "sub/more", "./weights", "sub//more", "..data", "inner" };
    const char *const bad[] = { "", "/etc/passwd", "../outside", "sub/../weights", "..", "link", "near", "up/outside" };
    for (size_t i = 0; i < PLN_COUNT_OF(good); i++) {
        assert_int_equal(pln_file_map_below(model, NULL, good[i], NULL, &map), PLN_OK);
        assert_memory_equal(map.data, "yes", 3);
        pln_file_unmap(&map);
    }
    for (size_t i = 0; i < PLN_COUNT_OF(bad); i++)
        assert_int_equal(pln_file_map_below(model, NULL, bad[i], NULL, &map), PLN_BAD_MODEL);
    assert_int_equal(pln_file_map_below(model, NULL, "missing", NULL, &map), PLN_IO);
    assert_int_equal(pln_file_map_below(model, NULL, "sub", NULL, &map), PLN_IO);
    assert_int_equal(pln_file_map_below(in_folder("nothing"), NULL, "x", NULL, &map), PLN_IO);

    char home[PATH_MAX];
    assert_non_null(realpath(in_folder("model2"), home));
    assert_int_equal(pln_file_map_below(model, home, "near", NULL, &map), PLN_OK);
    pln_file_unmap(&map);
    assert_int_equal(pln_file_map_below(model, home, "link", NULL, &map), PLN_BAD_MODEL);
    assert_int_equal(pln_file_map_below(model, home, "../model2/near", NULL, &map), PLN_BAD_MODEL);
}

static void folders_of_paths(void **state)
{
    (void)state;
    char buffer[8];
    assert_int_equal(pln_path_folder("a/b/c", buffer, sizeof buffer), PLN_OK);
    assert_string_equal(buffer, "a/b");
    assert_int_equal(pln_path_folder("c", buffer, sizeof buffer), PLN_OK);
    assert_string_equal(buffer, ".");
    assert_int_equal(pln_path_folder("/c", buffer, sizeof buffer), PLN_OK);
    assert_string_equal(buffer, "/");
    assert_int_equal(pln_path_folder("1234567/c", buffer, sizeof buffer), PLN_OK);
    assert_int_equal(pln_path_folder("12345678/c", buffer, sizeof buffer), PLN_INVALID_ARGUMENT);
}

static void libraries(void **state)
{
    (void)state;
    struct pln_dynlib lib;
    struct pln_diag diag;
    pln_diag_init(&diag);
    assert_int_equal(pln_dynlib_open((const char *const[]){ "libnothing.so.9", "libm.so.6", NULL }, &diag, &lib),
                     PLN_OK);
    assert_non_null(pln_dynlib_symbol(&lib, "cos"));
    assert_null(pln_dynlib_symbol(&lib, "no_such_function"));
    pln_dynlib_close(&lib);
    pln_dynlib_close(&lib);
    assert_null(pln_dynlib_symbol(&lib, "cos"));
    assert_int_equal(pln_dynlib_open((const char *const[]){ "libnothing.so.9", NULL }, &diag, &lib), PLN_NOT_FOUND);
    assert_non_null(strstr(diag.entries[0].text, "libnothing"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writing_and_mapping),
        cmocka_unit_test(an_aborted_writer_leaves_nothing),
        cmocka_unit_test(a_killed_writer_leaves_nothing),
        cmocka_unit_test(what_is_no_regular_file_is_refused),
        cmocka_unit_test(memory_becomes_a_file),
        cmocka_unit_test(holes_are_seen),
        cmocka_unit_test(staying_below_a_folder),
        cmocka_unit_test(folders_of_paths),
        cmocka_unit_test(libraries),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
