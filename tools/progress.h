/* Progress on stderr of work that has taken more than a second: a line with a bar and the time left that is drawn again and again on a terminal, plain lines at
 * growing distances elsewhere, nothing with --quiet. One piece of work at a time. Neither colours nor escape sequences are used. */
#ifndef PLANISH_TOOLS_PROGRESS_H
#define PLANISH_TOOLS_PROGRESS_H

#include "options.h"
#include "planish/context.h"

double now_ms(void); /* of a clock that only goes on */

/* what: "build", "run on ref"; it and the phases must live until the end. is_alone: the work may say nothing for long, so a thread of its own draws. Not where the
 * work is being timed, or forks. */
void progress_begin(const struct command *command, const char *what, bool is_alone);
/* How far it is: done of total in any unit; total 0: not known. phase NULL: as before. */
void progress_tell(const char *phase, double done, double total);
/* The same of a run on the context, which is asked whenever the line is drawn, from the thread that draws. Until progress_end. */
void progress_watch(const pln_context *context);
/* Takes the line off the terminal, for other text to be printed. It comes back by itself. */
void progress_hide(void);
/* The work is over. Nothing when none is under way. */
void progress_end(void);

#endif
