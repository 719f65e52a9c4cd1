#ifndef PLN_CUDA_RNN_PARAMS_H
#define PLN_CUDA_RNN_PARAMS_H

#include "backend/cuda/device/walk_params.h"

enum pln_cuda_rnn_act {
    PLN_CUDA_RNN_RELU,
    PLN_CUDA_RNN_TANH,
    PLN_CUDA_RNN_SIGMOID,
    PLN_CUDA_RNN_AFFINE,
    PLN_CUDA_RNN_LEAKY_RELU,
    PLN_CUDA_RNN_THRESHOLDED_RELU,
    PLN_CUDA_RNN_SCALED_TANH,
    PLN_CUDA_RNN_HARD_SIGMOID,
    PLN_CUDA_RNN_ELU,
    PLN_CUDA_RNN_SOFTSIGN,
    PLN_CUDA_RNN_SOFTPLUS,
};

struct pln_cuda_rnn_activation {
    int64_t act;
    float alpha, beta;
};

/* All tensors are dense; NULL where one is left out. A task is one sequence in one direction: direction * batch +
 * sequence. */
struct pln_cuda_rnn_params {
    struct pln_cuda_head head;
    PLN_DEVICE_PTR(const void) x;         /* [seq,batch,in], or [batch,seq,in] by batch */
    PLN_DEVICE_PTR(const void) w;         /* [directions,gates*hidden,in] */
    PLN_DEVICE_PTR(const void) r;         /* [directions,gates*hidden,hidden] */
    PLN_DEVICE_PTR(const void) b;         /* [directions,2*gates*hidden]: of w, of r */
    PLN_DEVICE_PTR(const void) initial_h; /* [directions,batch,hidden], or [batch,directions,hidden] */
    PLN_DEVICE_PTR(const void) initial_c;
    PLN_DEVICE_PTR(const void) peephole; /* [directions,3*hidden] */
    PLN_DEVICE_PTR(void) y;              /* [seq,directions,batch,hidden], or [batch,seq,directions,hidden] */
    PLN_DEVICE_PTR(void) last_h;         /* as initial_h */
    PLN_DEVICE_PTR(void) last_c;
    struct pln_cuda_ints lengths;
    int64_t seq, batch, in, hidden, directions;
    int64_t by_batch, reverse_first, input_forget, linear_before_reset, has_clip;
    int64_t state_words; /* numbers that a sequence works with */
    int64_t in_block;    /* they lie in the block's shared memory, else in the launch's scratch */
    float clip;
    struct pln_cuda_rnn_activation activations[6]; /* three, two or one a direction */
};

#endif
