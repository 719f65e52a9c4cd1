#include "planish/planish.h"

const char *pln_version(void)
{
    return PLN_VERSION_TEXT;
}
