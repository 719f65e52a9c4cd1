/* From the graph to a program: which steps, on which device, with which kernels, and where each value lives. */
#ifndef PLN_LOWER_LOWER_H
#define PLN_LOWER_LOWER_H

#include "backend/backend.h"
#include "graph/graph.h"
#include "kernel/program.h"
#include "ops/op.h"

/* A row that takes a problem, with the nanoseconds that its family estimates. */
struct pln_candidate {
    const struct pln_kernel *kernel;
    double estimate_ns;
};
/* The one of the least estimate, of several the first. n >= 1. */
size_t pln_candidate_cheapest(const struct pln_candidate *candidates, size_t n);

/* Which of n >= 1 candidates, in the device's order, runs a problem. usual: the problem, with extents of a usual run where only a run knows them (-1: not even
 * then). What it points to lies in the arena that pln_lower was given, and in the graph. NULL callbacks: the cheapest estimate. */
typedef size_t (*pln_lower_pick)(void *user, const struct pln_problem *usual, const struct pln_candidate *candidates, size_t n);

struct pln_lower_options {
    const struct pln_backend *backend; /* whose kernels are used */
    const char *device;                /* its name as the user gave it, for the plan */
    uint64_t features;                 /* of the target: what its kernels may need */
    const struct pln_backend *host;    /* whose kernels run the steps that stay on the host; NULL: backend, which then computes there */
    uint64_t host_features;
    bool oracle;                       /* reference device: one host call a node, no views, every value an item */
    bool shared_weights;               /* pln_problem.shared_weights */
    bool direct;                       /* pln_problem.direct */
    uint64_t placement_seed;           /* device with own memory: 0 all that can on the device, else at random */
    pln_lower_pick pick;
    void *pick_user;
};

/* The program lies in arena, its weights are the graph's constants, to be packed by whoever writes the plan; both outlive it. */
enum pln_status pln_lower(struct pln_graph *graph, const struct pln_lower_options *options, struct pln_arena *arena, struct pln_diag *diag, struct pln_program *out_program);

#endif
