/* Names the types of files by what stands in them, with magika's model (file types; 1.0, "standard_v3_3"): up to 32 files in one run, a row each.
 *
 *     cc file_types.c -o file_types $(pkg-config --cflags --libs planish)
 *     ./file_types model.onnx config.min.json README.md /bin/ls      # both files are in magika's package; a plan does as well as a model
 */
#include <planish/planish.h>

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PART = 1024, BLOCK = 4096, PADDING = 256, LEAST = 8, LABEL = 40, AT_ONCE = 32 }; /* as config.min.json says: beg_size, block_size, padding_token, min_file_size_for_dl */

static void must(enum pln_status status, const pln_diagnostics *diagnostics, const char *what)
{
    struct pln_message message;
    if (status == PLN_OK) return;
    fprintf(stderr, "file_types: %s: %s\n", what, pln_status_text(status));
    for (int i = 0; diagnostics && pln_diagnostics_get(diagnostics, i, &message) == PLN_OK; i++) fprintf(stderr, "  %s\n", message.text);
    exit(1);
}

static char *read_text(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *text = calloc(1, 1 << 16);
    const size_t n = file && text ? fread(text, 1, (1 << 16) - 1, file) : 0;
    if (file) fclose(file);
    must(n ? PLN_OK : PLN_IO, NULL, path);
    return text;
}

/* What the model sees of a file: the first PART bytes of its first block and the last of its last one, white space at either end left out. Returns how many bytes the
 * file's last block has, -1 when it cannot be read. */
static int take_bytes(const char *path, int32_t row[2 * PART])
{
    unsigned char first[BLOCK], last[BLOCK];
    FILE *file = fopen(path, "rb");
    if (!file) return -1;
    const int n_first = (int)fread(first, 1, BLOCK, file);
    const long back = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : 0;
    int n = fseek(file, back > BLOCK ? back - BLOCK : 0, SEEK_SET) == 0 ? (int)fread(last, 1, BLOCK, file) : 0, begin = 0, end = n;
    if (ferror(file)) n = -1;
    fclose(file);
    while (begin < n_first && isspace(first[begin])) begin++;
    while (end > 0 && isspace(last[end - 1])) end--;
    for (int i = 0; i < PART; i++) {
        row[i] = begin + i < n_first ? first[begin + i] : PADDING;
        row[2 * PART - 1 - i] = i < end ? last[end - 1 - i] : PADDING;
    }
    return n;
}

/* Behind "key": in a part of JSON; NULL where there is none. Enough for a file that is known to be simple. */
static const char *find(const char *json, const char *key)
{
    char quoted[LABEL + 4];
    snprintf(quoted, sizeof quoted, "\"%s\":", key);
    const char *at = json ? strstr(json, quoted) : NULL;
    return at ? at + strlen(quoted) : NULL;
}

/* Entry `index` of a list of strings. */
static void label_of(const char *list, int64_t index, char out_label[LABEL])
{
    for (int64_t i = 0; i < 2 * index + 1 && list; i++) list = strchr(list, '"') ? strchr(list, '"') + 1 : NULL;
    snprintf(out_label, LABEL, "%.*s", list ? (int)strcspn(list, "\"") : 1, list ? list : "?");
}

/* The likeliest type, unless it is not likely enough: each type may want more than the usual. */
static void print_type(const char *path, const char *config, const float *row, int64_t n)
{
    char label[LABEL];
    int64_t best = 0;
    for (int64_t k = 1; k < n; k++)
        if (row[k] > row[best]) best = k;
    label_of(find(config, "target_labels_space"), best, label);
    const char *wanted = find(find(config, "thresholds"), label), *usual = find(config, "medium_confidence_threshold"), *other = find(find(config, "overwrite_map"), label);
    const float least = strtof(wanted ? wanted : usual ? usual : "0.5", NULL);
    if (other) label_of(other, 0, label);
    printf("%s: %s%s (%.1f%%)\n", path, row[best] < least ? "perhaps " : "", label, 100 * (double)row[best]);
}

static pln_engine *load(const char *path)
{
    pln_engine *engine = NULL;
    pln_diagnostics *diagnostics = pln_diagnostics_create();
    const size_t n = strlen(path);
    const struct pln_engine_options load_options = { .struct_size = sizeof load_options, .diagnostics = diagnostics };
    const struct pln_build_options build_options = { .struct_size = sizeof build_options, .diagnostics = diagnostics };
    must(n > 5 && strcmp(path + n - 5, ".plan") == 0 ? pln_engine_load_file(path, &load_options, &engine) : pln_build_file(path, &build_options, &engine), diagnostics, path);
    pln_diagnostics_destroy(diagnostics);
    return engine;
}

/* One run: n rows. */
static void name_types(pln_engine *engine, pln_context *context, const char *config, int32_t *rows, const char *const *names, int64_t n)
{
    struct pln_tensor_info in, out;
    struct pln_buffer types, bytes = { .dtype = PLN_I32, .rank = 2, .dims = { n, 2 * PART }, .data = rows, .size_bytes = (size_t)n * 2 * PART * sizeof *rows };
    must(pln_engine_input(engine, 0, &in), NULL, "input");
    must(pln_engine_output(engine, 0, &out), NULL, "output");
    must(pln_context_bind_input(context, in.name, &bytes), pln_context_diagnostics(context), in.name);
    must(pln_context_run(context), pln_context_diagnostics(context), "run");
    must(pln_context_output(context, out.name, &types), pln_context_diagnostics(context), out.name);
    must(types.dtype == PLN_F32 && types.rank == 2 && types.dims[1] > 0 ? PLN_OK : PLN_INVALID_ARGUMENT, NULL, "the output is no row of probabilities a file");
    for (int64_t i = 0; i < n; i++) print_type(names[i], config, (const float *)types.data + i * types.dims[1], types.dims[1]);
}

int main(int argc, char **argv)
{
    if (argc < 4) return fprintf(stderr, "usage: file_types MODEL CONFIG.json FILE…\n"), 2;
    static int32_t rows[AT_ONCE * 2 * PART];
    const char *names[AT_ONCE];
    char *config = read_text(argv[2]);
    pln_engine *engine = load(argv[1]);
    pln_context *context;
    int status = 0, held = 0;
    must(pln_context_create(engine, NULL, &context), NULL, "context");
    for (int i = 3; i < argc; i++) {
        const int n = take_bytes(argv[i], rows + held * 2 * PART);
        if (n >= LEAST) names[held++] = argv[i];
        else if (n >= 0) printf("%s: %s\n", argv[i], n == 0 ? "empty" : "too short to tell");
        else fprintf(stderr, "file_types: %s cannot be read: %s\n", argv[i], strerror(errno)), status = 1;
        if (held < AT_ONCE && (i + 1 < argc || held == 0)) continue;
        name_types(engine, context, config, rows, names, held);
        held = 0;
    }
    pln_context_destroy(context);
    pln_engine_release(engine);
    free(config);
    return status;
}
