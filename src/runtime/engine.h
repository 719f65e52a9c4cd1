/* Engine and context, seen from inside the runtime. */
#ifndef PLN_RUNTIME_ENGINE_H
#define PLN_RUNTIME_ENGINE_H

#include <stdatomic.h>

#include "backend/backend.h"
#include "base/arena.h"
#include "base/cpu.h"
#include "base/file.h"
#include "base/text.h"
#include "kernel/custom.h"
#include "kernel/item.h"
#include "kernel/program.h"
#include "planish/context.h"
#include "planish/engine.h"

/* A step with its names looked up and its parameters parsed. */
struct pln_engine_step {
    const struct pln_kernel *kernel; /* LAUNCH */
    const struct pln_device_code *code; /* LAUNCH, COPY: loaded, NULL: none */
    const struct pln_rowprog *epilogue, *program;
    const struct pln_custom *custom; /* of a custom operator; NULL for others */
    const char *name; /* joined origins */
};

struct pln_engine_device {
    struct pln_device *device;
    const struct pln_backend *backend;
    struct pln_device_caps caps;
    void **weights; /* by weight id: its copy in this space, NULL: not used there */
    struct pln_device_code **codes; /* by code: loaded, NULL: not used there */
};

/* What an engine keeps alive: the plan's memory and the program read from it. */
struct pln_engine_owner {
    void *user;
    void (*release)(void *user);
};

struct pln_engine {
    atomic_int refs;
    struct pln_allocator alloc;
    struct pln_arena arena;
    const struct pln_program *program;
    struct pln_engine_step *steps;
    struct pln_engine_device *devices; /* [0]: the host's, then program->devices */
    uint32_t n_devices;
    bool *input_copied, *output_copied; /* by number: only copies of the first device read, or write, its slot, so it may lie on either side */
    struct pln_pool *pool;
    struct pln_plugins *plugins; /* held; NULL: none */
    struct pln_logger logger;
    struct pln_engine_owner owner;
    struct pln_diag *why_not; /* of an engine that this machine cannot run: in the arena; NULL: it can */
    const char *targets; /* what the plan is for, for people */
    const void *plan; /* as it lies in memory */
    size_t plan_bytes;
};

/* Makes an engine of a verified program. The owner is taken, even on failure. Errors: PLN_INCOMPATIBLE kernels, CPU features or custom operators that are not here, or
 * options->device of another kind; PLN_BAD_PLAN packed weights that no kernel takes; PLN_DEVICE; PLN_NO_MEMORY. */
enum pln_status pln_engine_create(const struct pln_program *program, struct pln_engine_owner *take_owner, const struct pln_engine_options *options, pln_engine **out_engine);

/* info.c: the CPU levels (or features) of the plan's targets, joined. */
void pln_engine_list_levels(const struct pln_program *program, const char *joint, struct pln_text *out);
/* What a step computes, for people: "conv", "com.acme:Scale". */
const char *pln_engine_step_op(const struct pln_engine *engine, uint32_t step);
/* Extents as the model fixes them, -1: dynamic; and the symbols of those, or NULL. Both have room for PLN_MAX_RANK. */
void pln_engine_describe_dims(const struct pln_program *program, const struct pln_slot *slot, int64_t *out_dims, const char **out_names);
/* What pln_engine.targets says. NULL: no memory. */
const char *pln_engine_describe_targets(struct pln_engine *engine);

/* ---- context ---- */

/* Counts changes of a slot's tensor. */
struct pln_version {
    uint32_t any;    /* type, extents, strides, address or shape value differ from the last time */
    uint32_t layout; /* something else than extents does */
};

/* Where a slot's value is in this run. */
struct pln_slot_state {
    /* Of a tensor of up to four dims, what changes from one decoding step to the next lies in one cache line. */
    _Alignas(64) struct pln_item *item; /* NULL: not known yet; &view, or an item of the heap */
    struct pln_item view;               /* for slots with planned memory */
    bool owned;            /* item is counted for this slot */
    uint32_t listed;       /* at creation: the last segment, counted from 1, that listed it as coming from outside */
    struct pln_version base_version; /* VIEW: of what it shows, when it was last filled */
    int64_t offset;        /* VIEW: then */
    struct pln_tensor *seen; /* slots from outside of the segments' memory: what its version stands for */
};

/* What a step of a segment is to running it. */
struct pln_flow {
    uint32_t step, device;
    bool command; /* for a queue; else the runtime runs it alone */
    bool frees;   /* items live no longer than to this step */
};

/* Steps that are run together: commands of one device, or one step alone. Few, as between two steps the weights sweep the caches. */
struct pln_span {
    uint32_t first, n, device;
    bool command, frees; /* frees: after the last of them */
};

struct pln_step_time {
    uint64_t ns, count;
};

/* What a segment was last resolved for. */
struct pln_segment_state {
    bool resolved, resolved_once;
    uint64_t generation; /* the context's then */
    int64_t *symbols; /* values then */
    void **pointers;  /* of the slots in `outside` then */
    uint32_t *outside, n_outside;
    uint32_t *arena_slots, n_arena; /* slots that its arenas hold */
    uint32_t *defined, n_defined;   /* slots that it defines and that are not items, in order */
    uint64_t *depends;              /* of `defined`: symbols (bit: index mod 64) that they depend on */
    uint64_t *arena_depends;        /* of `arena_slots` */
    uint64_t moves, rebound;        /* context's then */
    size_t *planned_bytes;          /* by arena slot */
    size_t *offsets;
    bool planned;
    void **arenas;                 /* by space */
    size_t *arena_bytes;
    struct pln_flow *flow;         /* by step */
    struct pln_span *spans;        /* in order, all steps */
    uint32_t n_spans;
    struct pln_command *commands;  /* one a step */
    uint64_t commands_version;     /* raised when any of them is made anew */
    struct pln_recording **recordings; /* by step: of the commands submitted together from there on; NULL: none */
    struct pln_launch *launches;
    struct pln_tensor *tensors;    /* of the launches */
    uint8_t *states;               /* of the kernels */
    bool *ready;                   /* by step: its command was made, and stands for its tensors */
    uint32_t *commanded, n_commanded; /* steps that have one */
    uint64_t *step_ns;             /* by step, of the last run, when profiling */
    struct pln_growth *growth;     /* NULL: the model has no states */
    uint32_t *todo;                /* scratch: steps whose commands no longer do */
    uint32_t *operands;            /* slots of the steps' operands, all in one row */
    struct pln_version *versions;  /* of these, when the command's tensors were set */
    uint32_t *operands_end;        /* by step: where its operands end in that row */
    uint32_t *state_at;            /* by step: where its kernel's state is in `states`, in units of 64 bytes */
};

struct pln_block_state {
    struct pln_segment_state *segments;
    uint32_t *items, n_items; /* item slots of the block by their last step, to be let go after it */
    uint32_t next_item;
};

struct pln_binding {
    /* With the first dims of the view in one cache line, which is all that a decoding step looks at. */
    _Alignas(64) bool bound;
    bool is_state;
    bool on_device; /* the caller's memory is the first device's; of an output see pln_output_on_device */
    struct pln_item view; /* tensor in the caller's memory */
    struct pln_buffer buffer;
    const struct pln_item *item; /* instead of view: a value of another kind */
    pln_output_allocator allocator;
    void *allocator_user;
    void *own; /* outputs: the context's memory; inputs: row-major copy */
    size_t own_bytes;
    int64_t strides[PLN_MAX_RANK];
    void *moved; /* where the plan reads or writes it when the caller has it elsewhere; of the slot's space */
    size_t moved_bytes;
    void *given; /* outputs that were moved: where the last run put them */
};

/* What the bound store demands of the extents of inputs that are states: each expression once, though all layers' states have it. */
struct pln_state_dim {
    uint32_t dim;
    bool is_length;
    int64_t value; /* when it is not the length */
};

struct pln_context {
    pln_engine *engine;
    struct pln_allocator alloc; /* counts, then calls `base` */
    struct pln_allocator base;
    uint64_t allocator_calls;
    size_t memory_bytes, memory_limit;
    struct pln_diag diag;
    struct pln_arena arena;   /* fixed tables, made at creation */
    struct pln_arena scratch; /* of host calls */
    struct pln_heap heap;
    struct pln_slot_state *slots;
    struct pln_block_state *blocks;
    uint32_t n_segments; /* of all blocks, made so far */
    uint32_t *by_segment, *segment_end; /* slots, sorted by segment; segment g has those from segment_end[g] to segment_end[g + 1] - 1 */
    int64_t *symbols, *dims, *upper_dims, *upper_symbols;
    /* By slot. Kept apart from the slots, and dense: between two decoding steps the weights sweep the caches, and each line touched in telling that
     * nothing has changed is a miss. */
    struct pln_version *versions;
    uint64_t *dim_depends; /* symbols (bit: index mod 64) that each extent depends on */
    uint64_t moves;        /* times that an arena was moved */
    uint64_t rebound;      /* times that an output was bound anew */
    bool dims_stale;
    uint64_t generation; /* changes when an arena or what lies in it moves, or a binding changes its shape or size: commands made before may be wrong */
    struct pln_binding *inputs, *outputs;
    uint32_t *plain, n_plain; /* inputs that are no states */
    uint32_t *given, n_given; /* outputs that are no planned memory, or that no segment makes */
    uint32_t *results, n_results; /* outputs that are no states */
    uint64_t apart;           /* rebound, when all of these were last seen to lie apart from all inputs */
    uint64_t taken;           /* times that states_taken became true */
    bool states_taken;        /* inputs and outputs that are states stand for the bound store but for its length, and their slots for them */
    struct pln_state_dim *state_dims;
    uint32_t n_state_dims;
    uint32_t *grown_dims, n_grown_dims; /* lengths of the outputs that are states, each expression once */
    struct pln_queue **queues; /* by device */
    struct pln_interval *intervals;
    uint32_t *order;
    atomic_bool cancelled;
    atomic_uint steps_done; /* of the main block, in the run under way: pln_context_progress looks from other threads */
    int depth;
    bool device_pending; /* something was submitted and not waited for */
    bool whole;          /* the plan is one device's from its inputs to its outputs: a run need not wait for it */
    bool deferred;       /* this run does not */
    bool capturing;      /* the caller's stream is: this run may neither wait nor have memory */
    void *stream;        /* the caller's, of this run; NULL: none */
    pln_fence *done;     /* of a run under way */
    struct pln_context_stats stats;
    bool profiling;
    struct pln_step_time *step_times;
    const uint64_t **main_ns; /* by step, of the main block: where its time is; others: NULL, and it is in step_times */
    bool timed;               /* they are those of a run */
    pln_tap tap;
    void *tap_user;
    pln_state_store *states;
};

/* context.c: the inputs as bound become values of their slots, and symbols get theirs; results go where the caller wants them. */
enum pln_status pln_context_take_inputs(struct pln_context *context);
/* Does what the run writes lie apart from what it reads, as they are bound? */
enum pln_status pln_context_check_bound(struct pln_context *context);
enum pln_status pln_context_give_outputs(struct pln_context *context);
/* enqueue.c */
void pln_enqueue_init(struct pln_context *context);
/* Waits for the run under way, if any, and signals its fence. Errors: its. */
enum pln_status pln_enqueue_settle(struct pln_context *context);
/* Before anything changes that commands under way may still look at: waits. PLN_INVALID_ARGUMENT: the caller's stream is being captured. */
enum pln_status pln_enqueue_need_still(struct pln_context *context);
/* fence.c: the run under way on the context signals the fence at its end; whoever waits for it looks after that. false: it is signalled already, or another run's. */
bool pln_fence_attach(pln_fence *fence, struct pln_context *context);
enum pln_status pln_fence_settle(pln_fence *fence, struct pln_context *context);

/* states.c: binds inputs and outputs of the store before a run, and counts what a run appended; PLN_UNSUPPORTED: not as much to all states. */
enum pln_status pln_states_begin(struct pln_context *context);
enum pln_status pln_states_commit(struct pln_context *context);
/* All inputs that are states have been taken as slots' items: the next run need only look at their length. */
void pln_states_note_taken(struct pln_context *context);
/* Binds and checks the extents of inputs that are states, when states_taken. false: they do not fit what is known so far. */
bool pln_states_take(struct pln_context *context);
/* Positions that the bound store has room for; 0: none is bound. */
int64_t pln_states_capacity(const struct pln_context *context);
/* Sets known symbols that are lengths of states to the capacity, when they are below it. A store is bound. */
void pln_states_raise(const struct pln_context *context, int64_t *symbols);
/* The state that input or output `index` belongs to; NULL: none. */
const struct pln_state_pair *pln_states_find(const struct pln_program *program, uint32_t index, bool is_output);

/* The caller's memory for an output, bound or asked for, is the first device's. */
static inline bool pln_output_on_device(const struct pln_binding *binding)
{
    return binding->on_device && (binding->bound || binding->allocator);
}
/* context.c: may the caller's memory be used? dtype PLN_DTYPE_NONE: not known before the run. bound: an address that was looked at already, NULL: none. */
enum pln_status pln_context_check_memory(struct pln_context *context, const char *name, enum pln_dtype dtype, const struct pln_buffer *buffer, const void *bound);

/* transfer.c: memory of inputs and outputs that lies elsewhere than where the plan wants it. */
/* Where a tensor without elements lies in host memory when nobody gave it a place: C has no arithmetic on NULL. Never written. */
extern uint8_t pln_nothing[64];
/* Asks the allocator of output `index` for the tensor's memory; NULL of an empty one. */
enum pln_status pln_transfer_request(struct pln_context *context, uint32_t index, const struct pln_tensor *tensor, void **out_memory);
/* The plan writes output `index` to memory of its own, from where pln_transfer_give brings it to the caller's. */
bool pln_transfer_output_moves(const struct pln_context *context, uint32_t index);
/* The slot, an input or output on the host by the plan, lies in the device's memory, which suits the copies that use it. */
bool pln_transfer_in_place(const struct pln_context *context, uint32_t slot);
/* Brings an input's dense tensor to where the plan reads it; sets its data. */
enum pln_status pln_transfer_input(struct pln_context *context, uint32_t index, struct pln_tensor *tensor);
enum pln_status pln_transfer_hold_output(struct pln_context *context, uint32_t index, size_t size_bytes, void **out_memory);
enum pln_status pln_transfer_give(struct pln_context *context, uint32_t index, const struct pln_tensor *tensor);
/* The values of output `index` in host memory, after a run: sets the data of its tensor. PLN_UNSUPPORTED: a state whose memory is not dense. */
enum pln_status pln_transfer_fetch(struct pln_context *context, uint32_t index, struct pln_tensor *tensor);
/* A dense value of the device's memory to the host; waits for what makes it. */
enum pln_status pln_transfer_copy_out(struct pln_context *context, const struct pln_tensor *tensor, void *to);
void pln_transfer_release(struct pln_context *context, struct pln_binding *binding, uint32_t space);

/* exec.c */
enum pln_status pln_exec_block(struct pln_context *context, uint32_t block);
/* Sets a slot's value to an item (retained), binds or checks its dims. what: for messages, "input", … */
enum pln_status pln_exec_set_item(struct pln_context *context, uint32_t slot, struct pln_item *item, const char *what);
/* The value of a slot, which must be known. */
enum pln_status pln_exec_item(struct pln_context *context, uint32_t slot, struct pln_item **out_item);
void pln_exec_refresh_dims(struct pln_context *context);
void pln_exec_forget_slot(struct pln_context *context, uint32_t slot);
enum pln_status pln_exec_sync(struct pln_context *context);
/* Has everything submitted run? Errors: of the device. */
enum pln_status pln_exec_poll(struct pln_context *context, bool *out_idle);
/* control.c */
enum pln_status pln_exec_if(struct pln_context *context, uint32_t step);
enum pln_status pln_exec_loop(struct pln_context *context, uint32_t step);
/* tables.c, resolve.c: makes the commands of a segment ready for the symbols and pointers of now. */
enum pln_status pln_exec_resolve(struct pln_context *context, uint32_t block, uint32_t segment);
/* Kernels count on outputs that overlap neither an input nor one another. A plan can place them so, and so can a caller. */
enum pln_status pln_exec_apart(struct pln_context *context, const struct pln_step *step);
/* Once, before the segments are made in their order. */
enum pln_status pln_exec_sort_slots(struct pln_context *context);
enum pln_status pln_exec_resolve_init(struct pln_context *context, uint32_t block, uint32_t segment);
/* Once the flow of its segments is known. */
enum pln_status pln_exec_list_spans(struct pln_context *context, uint32_t block);

#endif
