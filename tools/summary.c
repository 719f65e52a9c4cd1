#include "summary.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

/* IEEE 754 binary16. */
static double from_half(uint16_t bits)
{
    int exponent = bits >> 10 & 31, fraction = bits & 1023;
    double value = exponent == 0 ? ldexp(fraction, -24) : exponent < 31 ? ldexp(fraction + 1024, exponent - 25) : fraction ? NAN : INFINITY;
    return bits & 0x8000 ? -value : value;
}

static double from_bfloat(uint16_t bits)
{
    const uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, sizeof value);
    return (double)value;
}

int summary_element(const struct pln_buffer *buffer, int64_t i, double *out_value)
{
    const void *data = buffer->data;
    switch (buffer->dtype) {
    case PLN_F32: *out_value = (double)((const float *)data)[i]; return 1;
    case PLN_F64: *out_value = ((const double *)data)[i]; return 1;
    case PLN_F16: *out_value = from_half(((const uint16_t *)data)[i]); return 1;
    case PLN_BF16: *out_value = from_bfloat(((const uint16_t *)data)[i]); return 1;
    case PLN_I8: *out_value = ((const int8_t *)data)[i]; return 1;
    case PLN_U8:
    case PLN_BOOL: *out_value = ((const uint8_t *)data)[i]; return 1;
    case PLN_I16: *out_value = ((const int16_t *)data)[i]; return 1;
    case PLN_U16: *out_value = ((const uint16_t *)data)[i]; return 1;
    case PLN_I32: *out_value = ((const int32_t *)data)[i]; return 1;
    case PLN_U32: *out_value = ((const uint32_t *)data)[i]; return 1;
    case PLN_I64: *out_value = (double)((const int64_t *)data)[i]; return 1;
    case PLN_U64: *out_value = (double)((const uint64_t *)data)[i]; return 1;
    case PLN_DTYPE_NONE:
    case PLN_STR:
    case PLN_C64:
    case PLN_C128:
    case PLN_F8E4M3FN:
    case PLN_F8E4M3FNUZ:
    case PLN_F8E5M2:
    case PLN_F8E5M2FNUZ:
    case PLN_U4:
    case PLN_I4:
    case PLN_F4E2M1:
    case PLN_F8E8M0:
    case PLN_U2:
    case PLN_I2:
    case PLN_DTYPE_COUNT: break;
    }
    return 0;
}

int summary_make(const struct pln_buffer *buffer, struct summary *out_summary)
{
    *out_summary = (struct summary){ .count = 1, .min = INFINITY, .max = -INFINITY };
    double value = 0;
    for (int i = 0; i < buffer->rank; i++) out_summary->count *= buffer->dims[i];
    for (int64_t i = 0; i < out_summary->count; i++) {
        if (!summary_element(buffer, i, &value)) return 0;
        if (out_summary->n_first < 6) out_summary->first[out_summary->n_first++] = value;
        if (isnan(value)) out_summary->nans++;
        else if (isinf(value)) out_summary->infs++;
        else {
            out_summary->min = fmin(out_summary->min, value);
            out_summary->max = fmax(out_summary->max, value);
            out_summary->mean += value;
        }
    }
    int64_t finite = out_summary->count - out_summary->nans - out_summary->infs;
    if (finite > 0) out_summary->mean /= (double)finite;
    return 1;
}

void summary_print(FILE *out, const struct pln_buffer *buffer)
{
    struct summary s;
    if (!summary_make(buffer, &s)) fputs("no numbers to sum up", out);
    else if (s.count == 0) fputs("empty", out);
    else {
        const char *comma = "";
        if (s.nans + s.infs < s.count) fprintf(out, "min %.6g, max %.6g, mean %.6g", s.min, s.max, s.mean), comma = ", ";
        if (s.nans) fprintf(out, "%s%lld NaN", comma, (long long)s.nans), comma = ", ";
        if (s.infs) fprintf(out, "%s%lld infinite", comma, (long long)s.infs);
        fputs("; first", out);
        for (int i = 0; i < s.n_first; i++) fprintf(out, " %.6g", s.first[i]);
        if (s.count > s.n_first) fputs(" …", out);
    }
}

void trivial_note(struct trivial *trivial, const char *name, const pln_host_value *value)
{
    struct pln_buffer buffer;
    struct summary s;
    if (pln_host_value_buffer(value, &buffer) != PLN_OK) return;
    bool real = buffer.dtype == PLN_F32 || buffer.dtype == PLN_F64 || buffer.dtype == PLN_F16 || buffer.dtype == PLN_BF16;
    if (!real || !summary_make(&buffer, &s) || s.count == 0) return;
    bool zeros = s.nans + s.infs == 0 && s.min >= 0 && s.max <= 0;
    if (!zeros && s.nans < s.count) return;
    text_list_add(&trivial->names, name);
    text_list_add(&trivial->what, zeros ? "zeros" : "NaN");
}

void trivial_warn(const struct trivial *trivial, const struct command *command)
{
    char more[40] = "";
    if (trivial->names.count == 0) return;
    if (trivial->names.count > 1) snprintf(more, sizeof more, " (and %zu more)", trivial->names.count - 1);
    command_tell(command, "warning: output '%s' is all %s%s, where to agree proves little; try other inputs with --input or --seed", trivial->names.items[0],
            trivial->what.items[0], more);
}

void trivial_write_json(FILE *out, const struct trivial *trivial)
{
    fputs("\"trivial_outputs\":[", out);
    for (size_t i = 0; i < trivial->names.count; i++) {
        fputs(i ? ",{\"name\":" : "{\"name\":", out);
        json_text(out, trivial->names.items[i]);
        fprintf(out, ",\"all\":\"%s\"}", trivial->what.items[i]);
    }
    fputc(']', out);
}

void trivial_free(struct trivial *trivial)
{
    free(trivial->names.items);
    free(trivial->what.items);
    *trivial = (struct trivial){ 0 };
}
