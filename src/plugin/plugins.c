#include "plugin/plugins.h"

#define NAME_BYTES_MOST 255
#define COUNT_MOST 1024 /* of inputs or outputs that an operator may ask for by number */

pln_plugins *pln_plugins_create(const struct pln_allocator *allocator)
{
    if (!allocator) allocator = pln_allocator_default();
    struct pln_plugins *plugins = pln_alloc_zeroed(allocator, sizeof *plugins, _Alignof(struct pln_plugins));
    if (!plugins) return NULL;
    atomic_init(&plugins->refs, 1);
    plugins->alloc = *allocator;
    pln_arena_init(&plugins->arena, &plugins->alloc, 0);
    return plugins;
}

void pln_plugins_retain(struct pln_plugins *plugins)
{
    if (plugins) atomic_fetch_add_explicit(&plugins->refs, 1, memory_order_relaxed);
}

void pln_plugins_release(pln_plugins *plugins)
{
    if (!plugins || atomic_fetch_sub_explicit(&plugins->refs, 1, memory_order_acq_rel) != 1) return;
    for (size_t i = 0; i < plugins->count; i++)
        if (plugins->items[i]->release) plugins->items[i]->release(plugins->items[i]->user);
    for (size_t i = plugins->n_libraries; i-- > 0;) pln_dynlib_close(&plugins->libraries[i]); /* the functions just called were in them */
    struct pln_allocator alloc = plugins->alloc;
    pln_arena_deinit(&plugins->arena);
    pln_free(&alloc, plugins, sizeof *plugins);
}

/* Since a version; 0 is the first. */
static int64_t since(const struct pln_plugin *plugin)
{
    return plugin->since_version > 0 ? plugin->since_version : 1;
}

static int compare(const struct pln_plugin *plugin, const char *domain, const char *name, int64_t version)
{
    int order = strcmp(plugin->domain, domain);
    if (order == 0) order = strcmp(plugin->name, name);
    return order ? order : (since(plugin) > version) - (since(plugin) < version);
}

/* How many come before, or are, that operator in that version. */
static size_t upper_bound(const struct pln_plugins *plugins, const char *domain, const char *name, int64_t version)
{
    size_t low = 0, high = plugins->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(plugins->items[middle], domain, name, version) <= 0) low = middle + 1;
        else high = middle;
    }
    return low;
}

const struct pln_plugin *pln_plugins_find(const struct pln_plugins *plugins, const char *domain, const char *name, int64_t version)
{
    size_t at = plugins ? upper_bound(plugins, domain, name, version) : 0;
    const struct pln_plugin *found = at ? plugins->items[at - 1] : NULL;
    return found && strcmp(found->domain, domain) == 0 && strcmp(found->name, name) == 0 ? found : NULL;
}

const struct pln_plugin *pln_plugins_get(const pln_plugins *plugins, int index)
{
    return plugins && index >= 0 && (size_t)index < plugins->count ? plugins->items[index] : NULL;
}

/* ---- adding ---- */

static bool is_onnx(const char *domain)
{
    return !domain[0] || strcmp(domain, "ai.onnx") == 0 || strncmp(domain, "ai.onnx.", 8) == 0;
}

static bool bad_counts(int least, int most)
{
    return least < 0 || least > COUNT_MOST || most < -1 || most > COUNT_MOST || (most >= 0 && most < least);
}

/* Why it cannot be registered; NULL: it can. */
static const char *find_fault(const struct pln_plugin *plugin)
{
    if (plugin->abi < 1) return "abi is not set; it is PLN_PLUGIN_ABI";
    if (!plugin->domain || !plugin->name || !plugin->name[0]) return "it has no domain or no name";
    if (is_onnx(plugin->domain)) return "its domain is ONNX's own; give it one of yours";
    if (strlen(plugin->domain) > NAME_BYTES_MOST || strlen(plugin->name) > NAME_BYTES_MOST) return "its domain or name is longer than 255 bytes";
    if (!plugin->compute) return "it has no function compute";
    if (plugin->since_version < 0) return "since_version is negative";
    if (bad_counts(plugin->min_inputs, plugin->max_inputs)) return "its numbers of inputs make no sense (0 <= min <= max <= 1024; max -1: any)";
    if (bad_counts(plugin->min_outputs, plugin->max_outputs) || plugin->max_outputs == 0) return "its numbers of outputs make no sense (0 <= min <= max <= 1024, max at least 1; max -1: any)";
    if (plugin->flags & ~(unsigned)PLN_PLUGIN_PURE) return "it has flags that this version of the library does not know";
    return NULL;
}

static enum pln_status insert(struct pln_plugins *plugins, const struct pln_plugin *plugin, struct pln_diag *diag)
{
    struct pln_plugin *own = pln_arena_copy(&plugins->arena, plugin, sizeof *plugin);
    const char *domain = pln_arena_text(&plugins->arena, plugin->domain, strlen(plugin->domain));
    const char *name = pln_arena_text(&plugins->arena, plugin->name, strlen(plugin->name));
    if (!own || !domain || !name || !pln_arena_grow(&plugins->arena, (void **)&plugins->items, &plugins->capacity, plugins->count + 1, sizeof *plugins->items))
        return pln_fail_memory(diag, "a custom operator", sizeof *own);
    own->domain = domain;
    own->name = name;
    size_t at = upper_bound(plugins, domain, name, since(own));
    memmove(plugins->items + at + 1, plugins->items + at, (plugins->count - at) * sizeof *plugins->items);
    plugins->items[at] = own;
    plugins->count++;
    return PLN_OK;
}

enum pln_status pln_plugins_add(pln_plugins *plugins, const struct pln_plugin *plugin, pln_diagnostics *diagnostics)
{
    struct pln_plugin own;
    if (!plugins || !plugin) return pln_fail(diagnostics, PLN_INVALID_ARGUMENT, "the set of custom operators, or what is to be added, is NULL");
    const char *why = pln_options_copy(plugin, sizeof own, &own);
    const char *domain = own.domain ? own.domain : "", *name = own.name ? own.name : "";
    if (own.abi > PLN_PLUGIN_ABI)
        return pln_fail(diagnostics, PLN_INCOMPATIBLE, "custom operator '%.255s:%.255s' was made for version %d of the plugin interface, this library has %d; compile it with this library's planish/plugin.h", domain,
                        name, own.abi, PLN_PLUGIN_ABI);
    if (!why) why = find_fault(&own);
    if (why) return pln_fail(diagnostics, PLN_INVALID_ARGUMENT, "custom operator '%.255s:%.255s': %s", domain, name, why);
    const struct pln_plugin *there = pln_plugins_find(plugins, domain, name, since(&own));
    if (there && since(there) == since(&own)) return pln_fail(diagnostics, PLN_INVALID_ARGUMENT, "custom operator '%s:%s' of version %d is registered already", domain, name, (int)since(&own));
    return insert(plugins, &own, diagnostics);
}
