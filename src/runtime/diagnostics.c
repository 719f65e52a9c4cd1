/* The public face of diagnostics and of thread pools. */
#include "base/base.h"
#include "base/pool.h"
#include "planish/diagnostics.h"
#include "planish/engine.h"

pln_diagnostics *pln_diagnostics_create(void)
{
    pln_diagnostics *diagnostics = pln_alloc(NULL, sizeof *diagnostics, _Alignof(pln_diagnostics));
    if (diagnostics) pln_diag_init(diagnostics);
    return diagnostics;
}

void pln_diagnostics_destroy(pln_diagnostics *diagnostics)
{
    if (diagnostics) pln_free(NULL, diagnostics, sizeof *diagnostics);
}

int pln_diagnostics_count(const pln_diagnostics *diagnostics)
{
    return diagnostics ? diagnostics->count : 0;
}

enum pln_status pln_diagnostics_get(const pln_diagnostics *diagnostics, int i, struct pln_message *out_message)
{
    memset(out_message, 0, sizeof *out_message);
    if (!diagnostics || i < 0 || i >= diagnostics->count) return PLN_NOT_FOUND;
    const struct pln_diag_entry *entry = &diagnostics->entries[i];
    *out_message = (struct pln_message){ .status = entry->status, .text = entry->text, .node = entry->node, .op = entry->op, .node_index = entry->node_index };
    return PLN_OK;
}

void pln_diagnostics_clear(pln_diagnostics *diagnostics)
{
    if (diagnostics) pln_diag_init(diagnostics);
}

enum pln_status pln_thread_pool_create(int threads, pln_thread_pool **out_pool)
{
    return pln_pool_create(threads, NULL, NULL, out_pool);
}

void pln_thread_pool_destroy(pln_thread_pool *pool)
{
    pln_pool_destroy(pool);
}

enum pln_status pln_thread_pool_bind(pln_thread_pool *pool, const int *cpus, int n_cpus)
{
    return pool && cpus ? pln_pool_bind(pool, cpus, n_cpus) : PLN_INVALID_ARGUMENT;
}

int pln_thread_pool_threads(const pln_thread_pool *pool)
{
    const struct pln_pool *asked = pool ? pool : pln_pool_shared();
    return asked ? pln_pool_workers(asked) : 1;
}
