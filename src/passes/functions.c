/* Elementwise functions that exporters write out: GELU in both forms, swish, hard-swish, mish, reciprocal roots.
 *
 * A product is flattened into its factors and one number, so that the order in which an exporter multiplies does not matter. */
#include <math.h>

#include "passes/rewrite.h"

enum pln_status pln_pass_functions(struct pln_graph *graph, struct pln_arena *scratch, struct pln_diag *diag, bool *out_changed);

enum { FACTORS_MOST = 4, DEPTH_MOST = 6 };

struct product {
    double number;
    uint32_t factors[FACTORS_MOST];
    int n;
};

static uint32_t input(const struct pln_graph *graph, uint32_t node, uint32_t i)
{
    return i < pln_graph_node(graph, node)->n_inputs ? pln_graph_node(graph, node)->inputs[i] : PLN_NONE;
}

static bool flatten(const struct pln_graph *graph, uint32_t value, bool root, int depth, struct product *product)
{
    double number;
    uint32_t mul = pln_made_by_ew(graph, value, PLN_EW_MUL), div = pln_made_by_ew(graph, value, PLN_EW_DIV);
    if (pln_graph_scalar_f64(graph, value, &number)) {
        product->number *= number;
        return true;
    }
    bool inside = depth < DEPTH_MOST && (root || pln_used_once(graph, value));
    if (inside && mul != PLN_NONE)
        return flatten(graph, input(graph, mul, 0), false, depth + 1, product) && flatten(graph, input(graph, mul, 1), false, depth + 1, product);
    if (inside && div != PLN_NONE && pln_graph_scalar_f64(graph, input(graph, div, 1), &number) && number != 0) {
        product->number /= number;
        return flatten(graph, input(graph, div, 0), false, depth + 1, product);
    }
    if (product->n == FACTORS_MOST) return false;
    product->factors[product->n++] = value;
    return true;
}

static bool flat(const struct pln_graph *graph, uint32_t value, struct product *out_product)
{
    *out_product = (struct product){ .number = 1 };
    return flatten(graph, value, true, 0, out_product);
}

/* Numbers of a model are rounded to its type. */
static bool near(const struct pln_graph *graph, uint32_t value, double a, double b)
{
    enum pln_dtype dtype = pln_graph_value(graph, value)->type.dtype;
    double most = dtype == PLN_F32 || dtype == PLN_F64 ? 2e-6 : dtype == PLN_F16 ? 1e-3 : 8e-3;
    return fabs(a - b) <= most * fabs(b);
}

/* number + x, either way round: x, or PLN_NONE. */
static uint32_t plus_number(const struct pln_graph *graph, uint32_t value, double number)
{
    uint32_t add = pln_made_by_ew(graph, value, PLN_EW_ADD);
    double found;
    for (uint32_t i = 0; add != PLN_NONE && i < 2; i++)
        if (pln_graph_scalar_f64(graph, input(graph, add, i), &found) && found == number) return input(graph, add, 1 - i);
    return PLN_NONE;
}

/* number * x, and nothing else. */
static bool is_scaled(const struct pln_graph *graph, uint32_t value, uint32_t x, double number)
{
    struct product product;
    return flat(graph, value, &product) && product.n == 1 && product.factors[0] == x && near(graph, x, product.number, number);
}

/* number * x^power. */
static bool is_power(const struct pln_graph *graph, uint32_t value, uint32_t x, double number, int power)
{
    struct product product;
    double exponent;
    if (!flat(graph, value, &product) || !near(graph, x, product.number, number)) return false;
    int found = 0;
    for (int i = 0; i < product.n; i++) {
        uint32_t pow_node = pln_made_by_ew(graph, product.factors[i], PLN_EW_POW), square = pln_made_by_ew(graph, product.factors[i], PLN_EW_MUL);
        if (product.factors[i] == x) found++;
        else if (pow_node != PLN_NONE && input(graph, pow_node, 0) == x && pln_graph_scalar_f64(graph, input(graph, pow_node, 1), &exponent)) found += (int)exponent;
        else if (square != PLN_NONE && input(graph, square, 0) == x && input(graph, square, 1) == x) found += 2;
        else return false;
    }
    return found == power;
}

/* sqrt(2/pi) (x + 0.044715 x^3), in the two ways that it is factored. */
static bool is_gelu_argument(const struct pln_graph *graph, uint32_t value, uint32_t x)
{
    const double root = 0.79788456080286535588, cubic = 0.044715;
    struct product product;
    if (!flat(graph, value, &product) || !near(graph, x, product.number, root)) return false;
    if (product.n == 1) {
        uint32_t add = pln_made_by_ew(graph, product.factors[0], PLN_EW_ADD);
        for (uint32_t i = 0; add != PLN_NONE && i < 2; i++)
            if (input(graph, add, i) == x && is_power(graph, input(graph, add, 1 - i), x, cubic, 3)) return true;
        return false;
    }
    for (int i = 0; product.n == 2 && i < 2; i++) {
        uint32_t rest = plus_number(graph, product.factors[1 - i], 1);
        if (product.factors[i] == x && rest != PLN_NONE && is_power(graph, rest, x, cubic, 2)) return true;
    }
    return false;
}

/* What x * other * number is; PLN_EW_NONE: nothing special. */
static enum pln_ew function_of(const struct pln_graph *graph, uint32_t x, uint32_t other, double number, double *out_alpha)
{
    uint32_t inner = plus_number(graph, other, 1), node;
    if (inner != PLN_NONE && near(graph, x, number, 0.5)) {
        node = pln_made_by_ew(graph, inner, PLN_EW_ERF);
        if (node != PLN_NONE && is_scaled(graph, input(graph, node, 0), x, 0.70710678118654752440)) return PLN_EW_GELU;
        node = pln_made_by_ew(graph, inner, PLN_EW_TANH);
        if (node != PLN_NONE && is_gelu_argument(graph, input(graph, node, 0), x)) return PLN_EW_GELU_TANH;
    }
    node = pln_made_by_ew(graph, other, PLN_EW_CLIP);
    double low, high;
    if (node != PLN_NONE && near(graph, x, number, 1.0 / 6) && plus_number(graph, input(graph, node, 0), 3) == x && pln_graph_scalar_f64(graph, input(graph, node, 1), &low) &&
        pln_graph_scalar_f64(graph, input(graph, node, 2), &high) && low == 0 && high == 6)
        return PLN_EW_HARD_SWISH;
    if (number != 1) return PLN_EW_NONE;
    struct product product;
    node = pln_made_by_ew(graph, other, PLN_EW_SIGMOID);
    if (node != PLN_NONE && flat(graph, input(graph, node, 0), &product) && product.n == 1 && product.factors[0] == x) {
        *out_alpha = product.number;
        return PLN_EW_SWISH;
    }
    node = pln_made_by_ew(graph, other, PLN_EW_HARD_SIGMOID);
    if (node != PLN_NONE && input(graph, node, 0) == x) {
        float alpha, beta;
        pln_ew_parameters(PLN_EW_HARD_SIGMOID, &pln_graph_node(graph, node)->attrs, &alpha, &beta);
        if (fabs((double)alpha * 6 - 1) < 1e-6 && (double)beta == 0.5) return PLN_EW_HARD_SWISH;
    }
    node = pln_made_by_ew(graph, other, PLN_EW_TANH);
    uint32_t softplus = node == PLN_NONE ? PLN_NONE : pln_made_by_ew(graph, input(graph, node, 0), PLN_EW_SOFTPLUS);
    return softplus != PLN_NONE && input(graph, softplus, 0) == x ? PLN_EW_MISH : PLN_EW_NONE;
}

static bool put(struct pln_rewrite *rw, uint32_t node, enum pln_ew kind, uint32_t x, double alpha)
{
    struct pln_graph *graph = rw->graph;
    uint32_t made = pln_rewrite_insert(rw, node, PLN_OP_ELEMENTWISE, kind, &x, 1, node);
    if (made == PLN_NONE) return false;
    if (kind == PLN_EW_SWISH && !pln_attrs_set_float(&pln_graph_node(graph, made)->attrs, &graph->arena, "alpha", (float)alpha)) return false;
    return pln_rewrite_infer(rw, made) && pln_rewrite_replace(rw, node, made);
}

static bool activation(struct pln_rewrite *rw, uint32_t node)
{
    struct pln_graph *graph = rw->graph;
    struct product product;
    uint32_t y = pln_graph_node(graph, node)->outputs[0];
    if (!pln_dtype_is_float(pln_graph_value(graph, y)->type.dtype) || !flat(graph, y, &product) || product.n != 2) return false;
    for (int i = 0; i < 2; i++) {
        uint32_t x = product.factors[i];
        double alpha = 1;
        if (!pln_same_type(graph, x, y)) continue;
        enum pln_ew kind = function_of(graph, x, product.factors[1 - i], product.number, &alpha);
        if (kind != PLN_EW_NONE) return put(rw, node, kind, x, alpha);
    }
    return false;
}

/* 1 / x, 1 / sqrt(x). */
static bool reciprocal(struct pln_rewrite *rw, uint32_t node)
{
    struct pln_graph *graph = rw->graph;
    bool div = pln_graph_node(graph, node)->kind == PLN_EW_DIV;
    uint32_t x = input(graph, node, div ? 1 : 0), y = pln_graph_node(graph, node)->outputs[0];
    if (!pln_dtype_is_float(pln_graph_value(graph, y)->type.dtype) || !pln_same_type(graph, x, y)) return false;
    if (div && !pln_constant_is(graph, input(graph, node, 0), 1)) return false;
    uint32_t root = pln_made_by_ew(graph, x, PLN_EW_SQRT);
    if (root != PLN_NONE) return put(rw, node, PLN_EW_RSQRT, input(graph, root, 0), 1);
    return div && put(rw, node, PLN_EW_RECIPROCAL, x, 1);
}

static bool rule(struct pln_rewrite *rw, uint32_t node)
{
    const struct pln_node *n = pln_graph_node(rw->graph, node);
    if (n->op != PLN_OP_ELEMENTWISE || n->n_outputs != 1 || n->outputs[0] == PLN_NONE) return false;
    bool div = n->kind == PLN_EW_DIV, mul = n->kind == PLN_EW_MUL;
    if ((div || n->kind == PLN_EW_RECIPROCAL) && reciprocal(rw, node)) return true;
    return (div || mul) && activation(rw, node);
}

enum pln_status pln_pass_functions(struct pln_graph *graph, struct pln_arena *scratch, struct pln_diag *diag, bool *out_changed)
{
    (void)diag;
    return pln_rewrite_run(graph, scratch, rule, out_changed);
}
