#include "base/base.h"

#include <stdio.h>

void pln_diag_init(struct pln_diag *diag)
{
    diag->count = 0;
    diag->dropped = 0;
    diag->node = NULL;
    diag->op = NULL;
    diag->node_index = -1;
}

/* Ends text at most at size_bytes - 1, and not inside a UTF-8 sequence, so that a cut name still prints. */
static void trim_utf8(char *text, size_t size_bytes)
{
    size_t n = strlen(text);
    if (n + 1 < size_bytes) return;
    size_t start = n;
    while (start > 0 && n - start < 4 && ((unsigned char)text[start - 1] & 0xC0) == 0x80) start--;
    if (start == 0) return;
    unsigned char lead = (unsigned char)text[start - 1];
    size_t want = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    if (n - (start - 1) < want) text[start - 1] = '\0';
}

static void copy_name(char *to, size_t to_bytes, const char *from)
{
    if (from == NULL) from = "";
    size_t n = PLN_MIN(strlen(from), to_bytes - 1);
    memcpy(to, from, n);
    to[n] = '\0';
    trim_utf8(to, to_bytes);
}

enum pln_status pln_failv(struct pln_diag *diag, enum pln_status status, const char *format, va_list args)
{
    if (diag == NULL) return status;
    if (diag->count >= PLN_DIAG_MAX) {
        diag->dropped++;
        return status;
    }
    struct pln_diag_entry *entry = &diag->entries[diag->count++];
    entry->status = status;
    entry->node_index = diag->node_index;
    copy_name(entry->node, sizeof entry->node, diag->node);
    copy_name(entry->op, sizeof entry->op, diag->op);
    if (vsnprintf(entry->text, sizeof entry->text, format, args) < 0) entry->text[0] = '\0';
    trim_utf8(entry->text, sizeof entry->text);
    return status;
}

enum pln_status pln_fail(struct pln_diag *diag, enum pln_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    status = pln_failv(diag, status, format, args);
    va_end(args);
    return status;
}

void pln_diag_name(struct pln_diag *diag, int first, const char *node, const char *op)
{
    for (int i = first; i < diag->count; i++) {
        struct pln_diag_entry *entry = &diag->entries[i];
        if (entry->node[0] != '\0') continue;
        copy_name(entry->node, sizeof entry->node, node);
        copy_name(entry->op, sizeof entry->op, op);
    }
}

enum pln_status pln_fail_memory(struct pln_diag *diag, const char *what, size_t size_bytes)
{
    if (size_bytes == 0) return pln_fail(diag, PLN_NO_MEMORY, "out of memory: %s", what);
    return pln_fail(diag, PLN_NO_MEMORY, "out of memory: %s needs %zu bytes", what, size_bytes);
}

enum pln_status pln_note_limit(struct pln_diag *diag, enum pln_status status, uint64_t limit_bytes)
{
    if (status != PLN_NO_MEMORY || limit_bytes == 0) return status;
    return pln_fail(diag, status, "it may take %llu bytes (memory_limit_bytes): more are needed", (unsigned long long)limit_bytes);
}
