/* Outputs against references: pairs of raw files, a loss for each output. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "planish/planish.h"
#include "summary.h"
#include "trtexec.h"

struct pair {
    struct text_list inputs, references; /* name:file each */
};

static struct pair *pairs;
static int n_pairs;
static bool is_numbered; /* --refPair was given */

static struct pair *grow(void)
{
    pairs = list_grow(pairs, (size_t)n_pairs, sizeof *pairs);
    pairs[n_pairs] = (struct pair){ 0 };
    return &pairs[n_pairs++];
}

const char *trtexec_pair_begin(long index)
{
    static char text[120];
    if (index != n_pairs) {
        snprintf(text, sizeof text, "--refPair=%ld: pairs come in order, from 0 on; the next one is --refPair=%d", index, n_pairs);
        return text;
    }
    is_numbered = true;
    grow();
    return NULL;
}

void trtexec_pair_add(bool reference, const char *files)
{
    struct pair *pair = n_pairs ? &pairs[n_pairs - 1] : grow();
    struct text_list *list = reference ? &pair->references : &pair->inputs;
    *list = (struct text_list){ 0 };
    trtexec_split(files, list);
}

void trtexec_pair_inputs(struct text_list *out)
{
    for (size_t i = 0; n_pairs > 0 && i < pairs[0].inputs.count; i++) text_list_add(out, pairs[0].inputs.items[i]);
}

int trtexec_pair_check(void)
{
    if (is_numbered && n_pairs < 2) return trtexec_error("--refPair is for two pairs at the least; for one, leave it out");
    for (int i = 0; i < n_pairs; i++) {
        if (is_numbered && (!pairs[i].inputs.count || !pairs[i].references.count)) return trtexec_error("--refPair=%d wants --loadInputs and --loadRefOutputs behind it", i);
        if (pairs[i].references.count && !pairs[i].inputs.count) return trtexec_error("--loadRefOutputs wants --loadInputs: the inputs that these outputs belong to");
    }
    if (trtexec_given(FLAG_loadRefOutputs) && !(trtexec_number(FLAG_accuracyThreshold, 0) > 0)) return trtexec_error("--loadRefOutputs wants --accuracyThreshold=LOSS, more than 0");
    return 0;
}

/* ---- losses ---- */

static struct {
    char name[200];
    double loss;
} losses[256];
static int n_losses;

static void note_loss(const char *name, double loss)
{
    int i = 0;
    while (i < n_losses && strcmp(losses[i].name, name) != 0) i++;
    if (i == 256) return;
    if (i == n_losses) {
        n_losses++;
        snprintf(losses[i].name, sizeof losses[i].name, "%s", name);
        losses[i].loss = loss;
    } else if (!(loss <= losses[i].loss)) losses[i].loss = loss; /* the largest of all pairs, NaN among them */
}

void trtexec_write_losses(FILE *out)
{
    fputs("\"accuracy_loss\":{", out);
    for (int i = 0; i < n_losses; i++) {
        fputs(i ? "," : "", out);
        json_text(out, losses[i].name);
        fputc(':', out);
        json_number(out, losses[i].loss);
    }
    fputc('}', out);
}

/* Equal numbers, NaN and infinities among them, differ by nothing. */
static double difference(double a, double b)
{
    if ((isnan(a) && isnan(b)) || (isinf(a) && isinf(b) && signbit(a) == signbit(b))) return 0;
    return fabs(a - b);
}

/* Of `count` elements; NaN where something is not comparable. */
static double loss_of(const struct pln_buffer *got, const struct pln_buffer *want, int64_t count)
{
    const char *algorithm = trtexec_given(FLAG_accuracyAlgorithm) ? trtexec_text(FLAG_accuracyAlgorithm) : "l0";
    const double atol = trtexec_number(FLAG_atol, 1e-5), rtol = trtexec_number(FLAG_rtol, 1e-5);
    double outside = 0, sum = 0, squares = 0, largest = 0, dot = 0, norm_a = 0, norm_b = 0;
    for (int64_t i = 0; i < count; i++) {
        double a = 0, b = 0;
        if (!summary_element(got, i, &a) || !summary_element(want, i, &b)) return NAN;
        const double d = difference(a, b);
        if (!(d <= atol + rtol * fabs(b)) && d != 0) outside++;
        sum += d;
        squares += d * d;
        if (!(d <= largest)) largest = d;
        dot += a * b;
        norm_a += a * a;
        norm_b += b * b;
    }
    if (count == 0) return 0;
    if (strcmp(algorithm, "l0") == 0) return outside / (double)count;
    if (strcmp(algorithm, "l1") == 0) return sum / (double)count;
    if (strcmp(algorithm, "l2") == 0) return squares / (double)count;
    if (strcmp(algorithm, "lInf") == 0) return largest;
    return norm_a > 0 && norm_b > 0 ? 1 - dot / sqrt(norm_a * norm_b) : norm_a > 0 || norm_b > 0 ? 1 : 0;
}

static const char *file_of(const struct text_list *references, const char *name)
{
    const char *found = NULL;
    for (size_t i = 0; i < references->count; i++) {
        const char *item = references->items[i], *colon = strrchr(item, ':');
        if (colon && (size_t)(colon - item) == strlen(name) && memcmp(item, name, strlen(name)) == 0) found = colon + 1;
    }
    return found;
}

static int check_output(const struct pln_buffer *got, const char *name, const char *path, bool *out_failed)
{
    const double threshold = trtexec_number(FLAG_accuracyThreshold, 0);
    const char *algorithm = trtexec_given(FLAG_accuracyAlgorithm) ? trtexec_text(FLAG_accuracyAlgorithm) : "l0";
    int64_t count = 1;
    for (int d = 0; d < got->rank; d++) count *= got->dims[d];
    const size_t bytes = ((size_t)count * (size_t)pln_dtype_bits(got->dtype) + 7) / 8;
    struct pln_buffer want = *got;
    FILE *file = fopen(path, "rb");
    if (!file) return command_fail(&command_trtexec, 1, "%s: %s", path, strerror(errno));
    want.data = malloc(bytes + 1);
    const size_t read_bytes = want.data ? fread(want.data, 1, bytes + 1, file) : 0;
    int status = want.data ? 0 : command_fail(&command_trtexec, 1, "out of memory");
    fclose(file);
    if (status == 0 && read_bytes != bytes)
        status = command_fail(&command_trtexec, 1, "%s: output '%s' with dimensions %s has %zu bytes, the file has %s%zu", path, name, trtexec_dims(got->rank, got->dims), bytes, read_bytes > bytes ? "more than " : "", read_bytes > bytes ? bytes : read_bytes);
    if (status == 0) {
        const double loss = loss_of(got, &want, count);
        const bool bad = !(loss < threshold);
        char why[80] = "";
        note_loss(name, loss);
        if (bad) snprintf(why, sizeof why, " [FAIL: >= threshold %g]", threshold);
        trtexec_log(bad ? 'E' : 'I', "Accuracy loss for tensor %s (%s): %f%s", name, algorithm, loss, why);
        *out_failed |= bad;
    }
    free(want.data);
    return status;
}

static int check_names(const struct model *model, const struct text_list *references)
{
    struct pln_tensor_info info;
    for (size_t i = 0; i < references->count; i++) {
        const char *item = references->items[i];
        bool known = false;
        for (int k = 0; pln_engine_output(model->engine, k, &info) == PLN_OK; k++) known |= file_of(&(const struct text_list){ references->items + i, 1 }, info.name) != NULL;
        if (!known) return command_fail(&command_trtexec, 1, "--loadRefOutputs: the model has no output '%.*s'", (int)(strrchr(item, ':') - item), item);
    }
    return 0;
}

static int check_pair(const struct trtexec_options *options, const struct model *model, const struct pair *pair, bool *out_failed)
{
    struct inputs inputs = { 0 };
    struct pln_tensor_info info;
    struct pln_buffer buffer;
    pln_context *context = NULL;
    int status = check_names(model, &pair->references);
    if (status == 0) status = inputs_make(&command_trtexec, model, &options->model, &pair->inputs, true, &inputs);
    if (status == 0 && pln_context_create(model->engine, NULL, &context) != PLN_OK) status = command_fail(&command_trtexec, 1, "no memory for a context");
    if (status == 0) status = inputs_bind(&command_trtexec, &inputs, context);
    if (status == 0) {
        enum pln_status ran = pln_context_run(context);
        if (ran != PLN_OK) status = model_fail(&command_trtexec, pln_context_diagnostics(context), ran, "run");
    }
    for (int i = 0; status == 0 && pln_engine_output(model->engine, i, &info) == PLN_OK; i++) {
        const char *path = file_of(&pair->references, info.name);
        if (!path) continue;
        if (pln_context_output(context, info.name, &buffer) != PLN_OK || buffer.dtype == PLN_STR) status = command_fail(&command_trtexec, 1, "output '%s' is no tensor of numbers", info.name);
        else status = check_output(&buffer, info.name, path, out_failed);
    }
    pln_context_destroy(context);
    inputs_free(&inputs);
    return status;
}

int trtexec_check_accuracy(const struct trtexec_options *options, const struct model *model, bool *out_failed)
{
    int status = 0;
    for (int i = 0; status == 0 && i < n_pairs; i++) {
        if (pairs[i].references.count == 0) continue;
        if (n_pairs > 1) trtexec_log('I', "Checking pair %d of %d", i, n_pairs);
        status = check_pair(options, model, &pairs[i], out_failed);
    }
    return status;
}
