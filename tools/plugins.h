/* --plugin: custom operators from shared objects that the user names. */
#ifndef PLANISH_TOOLS_PLUGINS_H
#define PLANISH_TOOLS_PLUGINS_H

#include "options.h"
#include "planish/plugin.h"

#define PLUGIN_ROW(list) { "plugin", 0, OPTION_LIST, &(list), "FILE.so", "custom operators from a shared object (planish/plugin.h); may be given again. Its code is trusted like this program's" }

/* Loads the files into a new set; NULL for none of them. 0, or an exit status after saying what is wrong. */
int plugins_open(const struct command *command, const struct text_list *files, pln_plugins **out_plugins);

#endif
