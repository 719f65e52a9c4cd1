/* Build routes of trtexec: "-knob=value …", or lists of values to look among. */
#ifndef PLANISH_TOOLS_TRTEXEC_ROUTE_H
#define PLANISH_TOOLS_TRTEXEC_ROUTE_H

#include "trtexec.h"

enum { MOST_KNOBS = 32, MOST_VALUES = 16 };

struct trtexec_choice {
    int knob;
    char name[60];
    char values[MOST_VALUES][24];
    int count;
};

struct trtexec_routes {
    struct trtexec_choice choices[MOST_KNOBS];
    int count;
};

/* "-a=[x|y] -b=z"; several: lists may be there. 0, or 1 after saying what is wrong. */
int trtexec_read_routes(const char *text, bool several, struct trtexec_routes *out);
/* The value that a knob has without a route. */
const char *trtexec_knob_standard(int knob);

#endif
