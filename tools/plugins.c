#include "plugins.h"

#include <unistd.h>

#include "model.h"

int plugins_open(const struct command *command, const struct text_list *files, pln_plugins **out_plugins)
{
    *out_plugins = NULL;
    if (files->count == 0) return 0;
    pln_diagnostics *diagnostics = pln_diagnostics_create();
    pln_plugins *plugins = pln_plugins_create(NULL);
    enum pln_status status = plugins ? PLN_OK : PLN_NO_MEMORY;
    size_t i = 0;
    for (; status == PLN_OK && i < files->count; i++) status = pln_plugins_load(plugins, files->items[i], diagnostics);
    int exit_status = status == PLN_OK ? 0 : model_fail(command, diagnostics, status, i ? files->items[i - 1] : "--plugin");
    pln_diagnostics_destroy(diagnostics);
    if (exit_status && i && access(files->items[i - 1], R_OK) == 0) command_tell(command, "--plugin takes a shared object: cc -shared -fPIC FILE.c -o FILE.so (planish/plugin.h says what is in it)");
    if (exit_status == 0) *out_plugins = plugins;
    else pln_plugins_release(plugins);
    return exit_status;
}
