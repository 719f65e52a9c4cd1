#include "planish/status.h"

const char *pln_status_text(enum pln_status status)
{
    switch (status) {
#define X(name, value, text) \
    case name: return text;
        PLN_STATUS_LIST(X)
#undef X
    }
    return "unknown status";
}
