/* A whole case: shapes, nodes, outputs, the model's bytes. */
#include "make.h"

#include <stdio.h>
#include <stdlib.h>

#include "onnx/wire_write.h"

static const struct family {
    const struct op_maker *makers;
    int weight;
} families[] = {
    { math_makers, 32 }, { norm_makers, 14 }, { nn_makers, 12 }, { move_makers, 20 }, { index_makers, 7 }, { shape_makers, 5 }, { flow_makers, 5 }, { pattern_makers, 10 },
};

static bool make_one(struct maker *g)
{
    uint32_t at = below(g, 105), total = 0;
    const struct op_maker *makers = families[0].makers;
    for (size_t i = 0; i < PLN_COUNT_OF(families); i++) {
        if (at < (uint32_t)families[i].weight) {
            makers = families[i].makers;
            break;
        }
        at -= (uint32_t)families[i].weight;
    }
    if (g->mood >= 0 && chance(g, 35)) makers = families[g->mood].makers;
    for (const struct op_maker *m = makers; m->name; m++) total += (uint32_t)m->weight;
    at = below(g, total);
    while (at >= (uint32_t)makers->weight) at -= (uint32_t)(makers++)->weight;
    return makers->make(g);
}

void make_nodes(struct maker *g, int count)
{
    int end = g->nodes + count < g->nodes_most ? g->nodes + count : g->nodes_most;
    for (int tries = 0; tries < 8 * count && g->nodes < end && !g->failed; tries++) (void)make_one(g);
}

static void random_symbols(struct maker *g)
{
    static const int64_t sizes[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 16, 17 };
    static const char *const names[] = { "batch", "length", "width" };
    g->runs = chance(g, 45) ? 1 : (int)between(g, 2, CASE_RUNS);
    bool empty = chance(g, 6);
    for (g->symbols = 0; g->symbols < 3; g->symbols++) {
        struct symbol *s = &g->symbol[g->symbols];
        snprintf(s->name, sizeof s->name, "%s", names[g->symbols]);
        for (int run = 0; run < CASE_RUNS; run++) s->size[run] = empty && chance(g, 30) ? 0 : sizes[below(g, g->symbols == 0 ? 4 : (uint32_t)PLN_COUNT_OF(sizes))];
        if (g->runs > 1 && s->size[0] == s->size[1]) s->size[1]++; /* what never changes has no symbol */
    }
}

/* All that nobody uses, and some of the rest. */
static void choose_outputs(struct maker *g, const struct block *block, struct pln_text *graph)
{
    struct random_case *made = g->made;
    for (int i = block->count - 1; i >= 0 && made->output_count < CASE_OUTPUTS; i--) {
        const struct value *v = &g->value[block->visible[i]];
        bool input = v->name[0] == 'x', last = made->output_count == 0 && i == 0;
        if (v->fixed || input || (v->uses > 0 && !last && !chance(g, 12))) continue;
        struct random_output *output = &made->output[made->output_count++];
        memcpy(output->name, v->name, sizeof output->name);
        output->dtype = v->dtype, output->rank = v->rank;
        memcpy(output->dims, v->dims, sizeof output->dims);
        memcpy(output->open, v->open, sizeof output->open);
        output->lo = v->lo, output->hi = v->hi, output->apart = v->apart;
        struct pln_text info = value_info(g, v, true);
        pln_wire_put_message(graph, 12, &info);
        pln_text_deinit(&info);
    }
}

/* GraphProto: node 1, name 2, initializer 5, input 11, output 12. */
static void write_graph(struct maker *g, const struct block *block, struct pln_text *graph)
{
    pln_text_append(graph, block->nodes.data, block->nodes.size_bytes);
    pln_wire_put_string(graph, 2, "random");
    pln_text_append(graph, block->initializers.data, block->initializers.size_bytes);
    for (int i = 0; i < block->count; i++) {
        const struct value *v = &g->value[block->visible[i]];
        if (v->name[0] != 'x') continue;
        struct pln_text info = value_info(g, v, true);
        pln_wire_put_message(graph, 11, &info);
        pln_text_deinit(&info);
    }
    choose_outputs(g, block, graph);
}

static void put_opset(struct pln_text *model, const char *domain, int64_t version)
{
    struct pln_text opset;
    pln_text_init(&opset, NULL);
    pln_wire_put_string(&opset, 1, domain);
    pln_wire_put_int(&opset, 2, version);
    pln_wire_put_message(model, 8, &opset);
    pln_text_deinit(&opset);
}

/* ModelProto: ir_version 1, producer 2, graph 7, opset_import 8, functions 25. */
static void write_model(struct maker *g, const struct block *block)
{
    struct pln_text graph, *model = &g->made->model;
    pln_text_init(&graph, NULL);
    write_graph(g, block, &graph);
    pln_wire_put_int(model, 1, g->opset >= 23 ? 11 : g->opset >= 21 ? 10 : 8);
    pln_wire_put_string(model, 2, "planish random_graphs");
    put_opset(model, "", g->opset);
    if (g->function_count) put_opset(model, "local", 1);
    pln_wire_put_message(model, 7, &graph);
    pln_text_append(model, g->functions.data, g->functions.size_bytes);
    if (graph.failed || model->failed) g->failed = true;
    pln_text_deinit(&graph);
}

bool random_case_make(uint64_t seed, struct random_case *out)
{
    static const int opsets[] = { 13, 17, 18, 21, 21, 23, 23 };
    static const enum pln_dtype favourites[] = { PLN_F32, PLN_F32, PLN_F32, PLN_F32, PLN_F32, PLN_F64, PLN_F16, PLN_BF16 };
    struct maker *g = calloc(1, sizeof *g);
    struct block block;
    memset(out, 0, sizeof *out);
    out->seed = seed;
    pln_text_init(&out->model, NULL);
    pln_text_init(&out->ops, NULL);
    if (!g) return false;
    g->state = (seed + 1) * 0x9E3779B97F4A7C15u;
    g->made = out;
    g->opset = opsets[below(g, PLN_COUNT_OF(opsets))];
    g->favourite = favourites[below(g, PLN_COUNT_OF(favourites))];
    g->nodes_most = 40; /* patterns may go a little further */
    pln_text_init(&g->node, NULL);
    pln_text_init(&g->functions, NULL);
    g->wild = out->wild = chance(g, 8);
    g->large = chance(g, 15);
    g->late = chance(g, 15);
    g->mood = chance(g, 50) ? (int)below(g, PLN_COUNT_OF(families)) : -1;
    random_symbols(g);
    block_begin(g, &block, false);
    block.inputs_allowed = true;
    make_nodes(g, (int)between(g, 1, chance(g, 50) ? 8 : 30));
    out->runs = g->runs;
    out->nodes = g->nodes;
    write_model(g, &block);
    bool fine = !g->failed && out->output_count > 0;
    block_free(&block);
    pln_text_deinit(&g->node);
    pln_text_deinit(&g->functions);
    free(g);
    return fine;
}

void random_case_free(struct random_case *made)
{
    for (int i = 0; i < made->input_count; i++)
        for (int run = 0; run < CASE_RUNS; run++) free(made->input[i].data[run]);
    pln_text_deinit(&made->model);
    pln_text_deinit(&made->ops);
}
