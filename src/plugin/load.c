/* Custom operators from shared objects, which users name; nothing that is read from a model or a plan comes here. */
#include "plugin/plugins.h"

#define ENTRY "planish_plugin_register"

struct loading {
    struct pln_plugins *plugins;
    struct pln_diag *diag;
    enum pln_status failed; /* of the first that could not be added */
};

static enum pln_status add(const struct pln_plugin_host *host, const struct pln_plugin *plugin)
{
    struct loading *loading = host->internal;
    enum pln_status status = pln_plugins_add(loading->plugins, plugin, loading->diag);
    if (loading->failed == PLN_OK) loading->failed = status;
    return status;
}

static enum pln_status call_entry(struct pln_plugins *plugins, const struct pln_dynlib *library, const char *path, struct pln_diag *diag)
{
    enum pln_status (*entry)(const struct pln_plugin_host *host);
    void *symbol = pln_dynlib_symbol(library, ENTRY);
    if (!symbol) return pln_fail(diag, PLN_NOT_FOUND, "%s is no plugin: it has no function " ENTRY " (planish/plugin.h)", path);
    memcpy(&entry, &symbol, sizeof entry); /* POSIX: a data pointer of dlsym may be a function's */
    struct loading loading = { plugins, diag, PLN_OK };
    const struct pln_plugin_host host = { .struct_size = sizeof host, .abi = PLN_PLUGIN_ABI, .internal = &loading, .add = add };
    int before = diag ? diag->count + diag->dropped : 0;
    enum pln_status status = entry(&host);
    if (loading.failed != PLN_OK) return loading.failed;
    if (!pln_plugins_is_status(status)) return pln_fail(diag, PLN_INVALID_ARGUMENT, "%s: " ENTRY " returned %d, which is no status", path, (int)status);
    if (status != PLN_OK && diag && diag->count + diag->dropped == before) return pln_fail(diag, status, "%s: " ENTRY " failed: %s", path, pln_status_text(status));
    return status;
}

enum pln_status pln_plugins_load(pln_plugins *plugins, const char *path, pln_diagnostics *diagnostics)
{
    struct pln_dynlib library;
    if (!plugins || !path || !path[0]) return pln_fail(diagnostics, PLN_INVALID_ARGUMENT, "the set of custom operators, or the path of the plugin, is NULL");
    if (!pln_arena_grow(&plugins->arena, (void **)&plugins->libraries, &plugins->libraries_capacity, plugins->n_libraries + 1, sizeof *plugins->libraries))
        return pln_fail_memory(diagnostics, "a plugin", sizeof library);
    /* A name without a slash would be looked for where the system's libraries are. */
    const char *file = strchr(path, '/') ? path : pln_arena_format(&plugins->arena, "./%s", path);
    if (!file) return pln_fail_memory(diagnostics, "a plugin", strlen(path));
    PLN_TRY(pln_dynlib_open((const char *const[]){ file, NULL }, diagnostics, &library));
    plugins->libraries[plugins->n_libraries++] = library; /* also after a failure: what was added before it is in there */
    return call_entry(plugins, &library, path, diagnostics);
}
