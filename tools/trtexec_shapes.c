/* Profiles of shapes: what the flags say, what a plan keeps of them. A plan takes all shapes; profiles say what a run has where nothing else does. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "trtexec.h"

static const char *const part_names[PROFILE_PARTS] = { "--minShapes", "--optShapes", "--maxShapes" };

struct profile {
    struct text_list shapes[PROFILE_PARTS]; /* name:1x3 each */
};

static struct profile *profiles;
static int n_profiles;

static struct profile *grow(void)
{
    profiles = list_grow(profiles, (size_t)n_profiles, sizeof *profiles);
    profiles[n_profiles] = (struct profile){ 0 };
    return &profiles[n_profiles++];
}

const char *trtexec_profile_begin(long index)
{
    static char text[120];
    if (index == n_profiles || (index == 0 && n_profiles == 0)) {
        grow();
        return NULL;
    }
    snprintf(text, sizeof text, "--profile=%ld: profiles come in order, from 0 on; the next one is --profile=%d", index, n_profiles);
    return text;
}

void trtexec_profile_add(int part, const char *shapes)
{
    struct profile *profile = n_profiles ? &profiles[n_profiles - 1] : grow();
    profile->shapes[part] = (struct text_list){ 0 };
    trtexec_split(shapes, &profile->shapes[part]);
}

int trtexec_profile_count(void)
{
    return n_profiles;
}

/* ---- one shape ---- */

struct shape {
    int rank;
    int64_t dims[PLN_MAX_RANK];
};

/* What stands behind the last colon; the flag's grammar has been looked at. */
static void read_shape(const char *item, struct shape *out)
{
    const char *at = strrchr(item, ':') + 1;
    out->rank = 0;
    while (*at >= '0' && *at <= '9' && out->rank < PLN_MAX_RANK) {
        char *end;
        out->dims[out->rank++] = strtoll(at, &end, 10);
        at = end + (*end == 'x');
    }
}

/* name:…, where the item's name may have a `*` for any letters. */
static bool is_about(const char *item, const char *name)
{
    const size_t own = (size_t)(strrchr(item, ':') - item), n = strlen(name);
    const char *star = memchr(item, '*', own);
    if (!star) return own == n && memcmp(item, name, n) == 0;
    const size_t head = (size_t)(star - item), tail = own - head - 1;
    return n >= head + tail && memcmp(item, name, head) == 0 && memcmp(star + 1, name + n - tail, tail) == 0;
}

static const char *find(const struct text_list *shapes, const char *name)
{
    const char *found = NULL;
    for (size_t i = 0; i < shapes->count; i++)
        if (is_about(shapes->items[i], name)) found = shapes->items[i];
    return found;
}

/* Shapes of `part`, or, where it is not given, of a part that is: all three are those of --shapes where none is. */
static const struct text_list *part_of(const struct profile *profile, int part)
{
    if (profile->shapes[part].count) return &profile->shapes[part];
    for (int other = PROFILE_OPT, n = 0; n < PROFILE_PARTS; n++, other = (other + 1) % PROFILE_PARTS)
        if (profile->shapes[other].count) return &profile->shapes[other];
    return &profile->shapes[part];
}

/* Of an input by name: of `part`, else of the usual ones. NULL: the profile says nothing about it. */
static const char *shape_of(const struct profile *profile, int part, const char *name)
{
    const char *item = find(part_of(profile, part), name);
    for (int other = 0; !item && other < PROFILE_PARTS; other++) item = find(&profile->shapes[other], name);
    return item;
}

/* ---- checks ---- */

static int check_order(int index, const struct profile *profile, const char *item)
{
    struct shape shapes[PROFILE_PARTS];
    char name[200];
    snprintf(name, sizeof name, "%.*s", (int)(strrchr(item, ':') - item), item);
    for (int part = 0; part < PROFILE_PARTS; part++) {
        const char *own = shape_of(profile, part, name);
        read_shape(own ? own : item, &shapes[part]);
    }
    for (int part = 0; part + 1 < PROFILE_PARTS; part++) {
        if (shapes[part].rank != shapes[part + 1].rank)
            return trtexec_error("profile %d: '%s' has %d dims in %s and %d in %s", index, name, shapes[part].rank, part_names[part], shapes[part + 1].rank, part_names[part + 1]);
        for (int d = 0; d < shapes[part].rank; d++)
            if (shapes[part].dims[d] > shapes[part + 1].dims[d])
                return trtexec_error("profile %d: dim %d of '%s' is %" PRId64 " in %s and less, %" PRId64 ", in %s", index, d, name, shapes[part].dims[d], part_names[part], shapes[part + 1].dims[d], part_names[part + 1]);
    }
    return 0;
}

/* An input has one shape. */
static int check_once(const char *flag, const struct text_list *shapes)
{
    for (size_t i = 0; i < shapes->count; i++)
        for (size_t k = 0; k < i; k++) {
            const char *item = shapes->items[i];
            const size_t n = (size_t)(strrchr(item, ':') - item);
            if (strncmp(item, shapes->items[k], n + 1) == 0 && strrchr(shapes->items[k], ':') == shapes->items[k] + n) return trtexec_error("%s: two shapes for '%.*s'; give one of them", flag, (int)n, item);
        }
    return 0;
}

int trtexec_profile_check(void)
{
    struct text_list shapes = { 0 };
    trtexec_split(trtexec_text(FLAG_shapes), &shapes);
    int status = check_once("--shapes", &shapes);
    free(shapes.items);
    for (int i = 0; i < n_profiles; i++)
        for (int part = 0; status == 0 && part < PROFILE_PARTS; part++) status = check_once(part_names[part], &profiles[i].shapes[part]);
    if (status) return status;
    for (int i = 0; i < n_profiles; i++) {
        size_t given = 0;
        for (int part = 0; part < PROFILE_PARTS; part++) given += profiles[i].shapes[part].count;
        if (given == 0) return trtexec_error("--profile=%d has no shapes: give --minShapes, --optShapes and --maxShapes behind it", i);
        for (int part = 0; status == 0 && part < PROFILE_PARTS; part++)
            for (size_t k = 0; status == 0 && k < profiles[i].shapes[part].count; k++) status = check_order(i, &profiles[i], profiles[i].shapes[part].items[k]);
    }
    return status;
}

static bool is_dynamic(const struct pln_tensor_info *info)
{
    bool dynamic = info->rank < 0;
    for (int d = 0; d < info->rank; d++) dynamic |= info->dims[d] < 0;
    return dynamic;
}

/* Each item must be about an input, and fit it. */
static int match(const pln_engine *engine, const char *flag, const struct text_list *shapes)
{
    struct pln_tensor_info info;
    for (size_t k = 0; k < shapes->count; k++) {
        const char *item = shapes->items[k];
        struct shape shape;
        bool known = false;
        read_shape(item, &shape);
        for (int i = 0; pln_engine_input(engine, i, &info) == PLN_OK; i++) {
            if (!is_about(item, info.name)) continue;
            known = true;
            if (info.rank >= 0 && shape.rank != info.rank) return trtexec_error("%s: input '%s' has %d dims, not %d", flag, info.name, info.rank, shape.rank);
            for (int d = 0; d < info.rank; d++)
                if (info.dims[d] >= 0 && info.dims[d] != shape.dims[d])
                    return trtexec_error("%s: dim %d of input '%s' is %" PRId64 " in the model, not %" PRId64, flag, d, info.name, info.dims[d], shape.dims[d]);
        }
        if (!known) return trtexec_error("%s: the model has no input '%.*s'", flag, (int)(strrchr(item, ':') - item), item);
    }
    return 0;
}

int trtexec_profile_match(const pln_engine *engine)
{
    struct pln_tensor_info info;
    int status = 0, inputs = 0;
    bool dynamic = false;
    for (; pln_engine_input(engine, inputs, &info) == PLN_OK; inputs++) dynamic |= is_dynamic(&info);
    const bool given = trtexec_given(FLAG_shapes) || trtexec_given(FLAG_minShapes) || trtexec_given(FLAG_optShapes) || trtexec_given(FLAG_maxShapes);
    if (given && !dynamic && !trtexec_given(FLAG_loadEngine)) return trtexec_error("The shapes of all inputs are fixed in the model; leave out --shapes and --minShapes, --optShapes, --maxShapes");
    struct text_list shapes = { 0 };
    trtexec_split(trtexec_text(FLAG_shapes), &shapes);
    status = match(engine, "--shapes", &shapes);
    free(shapes.items);
    for (int i = 0; i < n_profiles; i++)
        for (int part = 0; status == 0 && part < PROFILE_PARTS; part++) status = match(engine, part_names[part], &profiles[i].shapes[part]);
    const int use = (int)trtexec_number(FLAG_useProfile, 0);
    if (status == 0 && use > 0 && use >= n_profiles) return trtexec_error("--useProfile=%d: there %s %d profile%s, numbered from 0 on", use, n_profiles == 1 ? "is" : "are", n_profiles, n_profiles == 1 ? "" : "s");
    return status;
}

void trtexec_run_shapes(struct text_list *out)
{
    struct text_list items = { 0 };
    const int use = (int)trtexec_number(FLAG_useProfile, 0);
    if (trtexec_given(FLAG_shapes)) trtexec_split(trtexec_text(FLAG_shapes), &items);
    else if (use < n_profiles) {
        const struct text_list *usual = part_of(&profiles[use], PROFILE_OPT);
        for (size_t i = 0; i < usual->count; i++) text_list_add(&items, usual->items[i]);
    }
    out->count = 0;
    for (size_t i = 0; i < items.count; i++) {
        const size_t n = strlen(items.items[i]);
        char *item = malloc(n + sizeof "scalar");
        if (!item) break;
        snprintf(item, n + sizeof "scalar", "%s%s", items.items[i], n && items.items[i][n - 1] == ':' ? "scalar" : "");
        text_list_add(out, item); /* lives as long as the process */
    }
    free(items.items);
}

/* ---- what a plan keeps ---- */

static void write_dims(FILE *out, const char *item)
{
    struct shape shape;
    read_shape(item, &shape);
    fputc('[', out);
    for (int d = 0; d < shape.rank; d++) fprintf(out, "%s%" PRId64, d ? ", " : "", shape.dims[d]);
    fputc(']', out);
}

char *trtexec_profile_text(void)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = n_profiles ? open_memstream(&text, &bytes) : NULL;
    if (!out) return NULL;
    for (int p = 0; p < n_profiles; p++) {
        const struct text_list *usual = part_of(&profiles[p], PROFILE_OPT);
        fputs(p ? ", {" : "[{", out);
        for (size_t i = 0; i < usual->count; i++) {
            char name[200];
            snprintf(name, sizeof name, "%.*s", (int)(strrchr(usual->items[i], ':') - usual->items[i]), usual->items[i]);
            if (i) fputs(", ", out);
            json_text(out, name);
            fputs(": [", out);
            for (int part = 0; part < PROFILE_PARTS; part++) {
                const char *item = shape_of(&profiles[p], part, name);
                if (part) fputs(", ", out);
                write_dims(out, item ? item : usual->items[i]);
            }
            fputc(']', out);
        }
        fputc('}', out);
    }
    fputc(']', out);
    fclose(out);
    return text;
}

void trtexec_write_profiles(FILE *out, const char *name)
{
    static const char *const keys[PROFILE_PARTS] = { "MinShape", "OptShape", "MaxShape" };
    for (int p = 0, n = 0; p < n_profiles; p++) {
        if (!shape_of(&profiles[p], PROFILE_OPT, name)) continue;
        for (int part = 0; part < PROFILE_PARTS; part++) {
            fprintf(out, "%s\"%s\":", part ? "," : n++ ? ",{" : "{", keys[part]);
            write_dims(out, shape_of(&profiles[p], part, name));
        }
        fputs(",\"Format\":\"Row-major linear\"}", out);
    }
}

/* Behind blanks and commas; the character there, which is passed over if it is `expected`. */
static bool take(const char **at, char expected)
{
    *at += strspn(*at, " ,");
    if (**at != expected) return false;
    (*at)++;
    return true;
}

/* [1, 3, 224] as 1x3x224 behind the n letters of text. */
static bool read_dims(const char **at, char *text, size_t n, size_t text_bytes)
{
    if (!take(at, '[')) return false;
    for (int d = 0; !take(at, ']'); d++) {
        char *end;
        errno = 0;
        const long long dim = strtoll(*at, &end, 10);
        if (end == *at || errno || dim < 0 || d == PLN_MAX_RANK) return false;
        n += (size_t)snprintf(text + n, text_bytes - n, "%s%lld", d ? "x" : "", dim);
        *at = end;
    }
    return true;
}

/* "name": [[1, 3], [2, 3], [4, 3]]; the text is the plan's, which anybody may have written. */
static bool read_entry(const char **at, struct profile *profile)
{
    char *name = take(at, '"') ? trtexec_read_string(*at, at) : NULL;
    const size_t bytes = name ? strlen(name) + PLN_MAX_RANK * 21 + 2 : 0;
    bool good = name && take(at, ':') && take(at, '[');
    for (int part = 0; good && part < PROFILE_PARTS; part++) {
        char *item = malloc(bytes);
        good = item && read_dims(at, item, (size_t)snprintf(item, bytes, "%s:", name), bytes);
        if (good) text_list_add(&profile->shapes[part], item); /* lives as long as the process */
        else free(item);
    }
    free(name);
    return good && take(at, ']');
}

void trtexec_profile_read(const char *text)
{
    bool good = take(&text, '[');
    while (good && n_profiles < 64 && take(&text, '{')) {
        struct profile *profile = grow();
        while (good && !take(&text, '}')) good = read_entry(&text, profile);
    }
    if (!good) n_profiles = 0;
}

void trtexec_profile_load(const pln_engine *engine)
{
    const char *text = pln_engine_metadata(engine, TRTEXEC_PROFILES_KEY);
    if (text && n_profiles == 0) trtexec_profile_read(text);
}

void trtexec_profile_clear(void)
{
    n_profiles = 0;
}

/* ---- the report ---- */

void trtexec_print_build_shapes(void)
{
    if (n_profiles == 0) trtexec_log('I', "Input build shapes: model");
    for (int p = 0; p < n_profiles; p++)
        for (size_t i = 0; i < part_of(&profiles[p], PROFILE_OPT)->count; i++) {
            const char *parts[PROFILE_PARTS], *item = part_of(&profiles[p], PROFILE_OPT)->items[i];
            char name[200];
            snprintf(name, sizeof name, "%.*s", (int)(strrchr(item, ':') - item), item);
            for (int part = 0; part < PROFILE_PARTS; part++) parts[part] = shape_of(&profiles[p], part, name);
            trtexec_log('I', "Input build shape (profile %d): %s=%s+%s+%s", p, name, strrchr(parts[0] ? parts[0] : item, ':') + 1, strrchr(item, ':') + 1, strrchr(parts[2] ? parts[2] : item, ':') + 1);
        }
}

/* One line an input and profile, by `format`: name, profile and the three shapes. */
static void print_inputs(const pln_engine *engine, void (*print)(const char *name, int profile, char dims[PROFILE_PARTS][200]))
{
    struct pln_tensor_info info;
    char dims[PROFILE_PARTS][200];
    for (int p = 0; p < n_profiles; p++)
        for (int i = 0; pln_engine_input(engine, i, &info) == PLN_OK; i++) {
            if (!shape_of(&profiles[p], PROFILE_OPT, info.name)) continue;
            for (int part = 0; part < PROFILE_PARTS; part++) {
                struct shape shape;
                read_shape(shape_of(&profiles[p], part, info.name), &shape);
                snprintf(dims[part], sizeof dims[part], "%s", trtexec_dims(shape.rank, shape.dims));
            }
            print(info.name, p, dims);
        }
}

static void print_set(const char *name, int profile, char dims[PROFILE_PARTS][200])
{
    trtexec_log('I', "Set shape of input tensor %s for optimization profile %d to: MIN=%s OPT=%s MAX=%s", name, profile, dims[0], dims[1], dims[2]);
}

static void print_profile(const char *name, int profile, char dims[PROFILE_PARTS][200])
{
    trtexec_log('I', "Model input %s (profile %d): min=%s, opt=%s, max=%s", name, profile, dims[0], dims[1], dims[2]);
}

void trtexec_print_set_shapes(const pln_engine *engine)
{
    print_inputs(engine, print_set);
}

void trtexec_print_profiles(const pln_engine *engine)
{
    struct pln_tensor_info info;
    trtexec_log('I', "Optimization Profiles:");
    print_inputs(engine, print_profile);
    for (int i = 0; n_profiles == 0 && pln_engine_input(engine, i, &info) == PLN_OK; i++) trtexec_log('I', "Model input %s: all shapes, no profile is given", info.name);
}
