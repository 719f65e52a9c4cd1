#ifndef PLANISH_TOOLS_COMMANDS_H
#define PLANISH_TOOLS_COMMANDS_H

#include "options.h"

#define COMMAND(name) extern const struct command command_##name;
#include "commands.inc"
#undef COMMAND

#endif
