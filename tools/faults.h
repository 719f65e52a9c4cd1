/* planish check FILE…: the faults of models and plans, without running them. */
#ifndef PLANISH_TOOLS_FAULTS_H
#define PLANISH_TOOLS_FAULTS_H

#include "model.h"
#include "text.h"

/* Prints a line for each fault (file, node, cause) or that there are none; plugins: NULL, or those of --plugin; json: the value of --json. 0: no file has any; else an exit status. */
int faults_list(const struct command *command, const struct text_list *files, pln_plugins *plugins, const char *json);

#endif
