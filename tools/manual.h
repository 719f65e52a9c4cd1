/* Man pages and shell completions, from the tables that --help is printed from. */
#ifndef PLANISH_TOOLS_MANUAL_H
#define PLANISH_TOOLS_MANUAL_H

#include "options.h"

/* `planish --man [COMMAND]`: a page in man(7) on stdout. name NULL: that of planish itself. */
int manual_print_man(const struct command *const *commands, size_t count, const char *name);
/* `planish --completions bash|zsh|fish`: the script on stdout. */
int manual_print_completions(const struct command *const *commands, size_t count, const char *shell);

#endif
