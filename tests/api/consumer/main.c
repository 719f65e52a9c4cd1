#include <planish/status.h>
#include <planish/types.h>

#include <string.h>

int main(void)
{
    return strcmp(pln_status_text(PLN_NO_MEMORY), "out of memory") != 0 || pln_dtype_bits(PLN_F16) != 16;
}
