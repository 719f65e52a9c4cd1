/* A program that only runs plans: planish_rt alone. */
#include <planish/context.h>
#include <planish/diagnostics.h>
#include <planish/engine.h>

#include <stdio.h>
#include <string.h>

int main(void)
{
    pln_engine *engine = NULL;
    pln_diagnostics *diagnostics = pln_diagnostics_create();
    struct pln_engine_options options = { .struct_size = sizeof options, .diagnostics = diagnostics };
    enum pln_status status = pln_engine_load_file("no-such.plan", &options, &engine);
    int right = status == PLN_IO && !engine && pln_diagnostics_count(diagnostics) > 0 && pln_dtype_bits(PLN_F16) == 16 && strcmp(pln_status_text(PLN_IO), "") != 0;
    pln_diagnostics_destroy(diagnostics);
    puts(right ? "loads plans" : "wrong");
    return !right;
}
