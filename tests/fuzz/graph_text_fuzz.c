/* The text form of graphs: any text is refused, or gives a graph that prints as a text that parses. */
#include <stdlib.h>

#include "graph/graph.h"

static const char *op_name(unsigned op)
{
    static const char *const names[] = { "conv", "ew", "if" };
    return op < PLN_COUNT_OF(names) ? names[op] : NULL;
}

static const char *kind_name(unsigned op, unsigned kind)
{
    static const char *const names[] = { "add", "mul" };
    return op == 1 && kind < PLN_COUNT_OF(names) ? names[kind] : NULL;
}

static bool find(const char *name, const char *kind, unsigned *out_op, unsigned *out_kind)
{
    *out_kind = kind && kind[0] == 'm';
    for (*out_op = 0; op_name(*out_op); ++*out_op) {
        if (pln_str_equal(op_name(*out_op), name)) return pln_str_equal(kind, kind_name(*out_op, *out_kind));
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    static const struct pln_vocabulary vocabulary = { op_name, kind_name, find };
    struct pln_graph *graph, *again;
    struct pln_text text;
    if (pln_graph_parse((const char *)data, size_bytes, &vocabulary, NULL, NULL, &graph) != PLN_OK) return 0;
    pln_text_init(&text, NULL);
    pln_graph_print(graph, &vocabulary, true, &text);
    bool whole = !text.failed && !strstr(text.data, "..."); /* extents beyond every measure are cut */
    enum pln_status status = pln_graph_parse(text.data, text.size_bytes, &vocabulary, NULL, NULL, &again);
    if (whole && status != PLN_OK && status != PLN_NO_MEMORY) abort();
    pln_graph_destroy(again);
    pln_graph_destroy(graph);
    pln_text_deinit(&text);
    return 0;
}
