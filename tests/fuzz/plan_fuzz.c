/* A plan of any bytes, its checksum mended: loaded, listed and run. */
#define _POSIX_C_SOURCE 200809L
#include "../unit/plan_exercise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    uint8_t *plan = NULL;
    if (posix_memalign((void **)&plan, 64, size_bytes + 1) != 0) return 0;
    if (size_bytes) memcpy(plan, data, size_bytes);
    plan_mend(plan, size_bytes);
    enum pln_status status = plan_exercise(plan, size_bytes, NULL);
    (void)status;
    free(plan);
    return 0;
}
