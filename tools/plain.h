/* Text for people where the locale is not UTF-8: "…", "µ", "→", "×" and dashes become plain ASCII on stdout and stderr, wherever they were written. JSON and files are not text
 * for people: they stay UTF-8. */
#ifndef PLANISH_TOOLS_PLAIN_H
#define PLANISH_TOOLS_PLAIN_H

/* From now on, where LC_ALL, LC_CTYPE or LANG does not name UTF-8. Before anything is printed. */
void plain_begin(void);
/* stdout takes what is for programs: bytes as they are. */
void plain_leave_stdout(void);

#endif
