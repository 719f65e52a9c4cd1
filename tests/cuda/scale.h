/* A kernel of the tests, and a GPU (real or fake) to run it on. */
#ifndef PLN_TESTS_CUDA_SCALE_H
#define PLN_TESTS_CUDA_SCALE_H

#include "backend/backend.h"
#include "backend/cuda/device/params.h"
#include "fake.h"

/* to[i] = from[i] * factor, and what it was told to do besides. */
struct scale_params {
    struct pln_cuda_head head;
    uint64_t from, to;
    int64_t n;
    float factor;
    uint32_t code;        /* reported as a fault when it is not 0 */
    int64_t shared_floats; /* of dynamic shared memory that values pass through; 0: none */
};

extern const struct pln_kernel scale_kernel;

/* A device with a queue, and the code of scale and of strided copies. */
struct rig {
    const struct pln_backend *backend;
    struct pln_device *device;
    struct pln_queue *queue;
    struct pln_device_code *scale, *copy[4]; /* copy: by the logarithm of the element's size */
    struct pln_diag diag;
};

/* Errors: those of the backend, with its text in diag. deinit takes what init left half done, too. */
enum pln_status rig_init(struct rig *rig, int ordinal);
void rig_deinit(struct rig *rig);
/* A source compiled for the device and loaded. */
enum pln_status rig_load(struct rig *rig, const char *source, struct pln_device_code **out_code);

/* A run of scale over n elements. */
struct pln_command scale_command(const struct rig *rig, struct scale_params *state, const void *from, void *to, int64_t n, float factor);
/* A copy; strided ones have the copy kernel's code. */
struct pln_command copy_command(const struct rig *rig, const struct pln_tensor *from, const struct pln_tensor *to, bool from_host, bool to_host);

/* What the fake driver says of itself (fake.h); all NULL where the driver is a real one. */
struct fake_driver {
    void (*fail_at)(long n);
    long (*calls)(void);
    long (*count)(const char *name);
    const char *(*failed)(void);
    long (*live)(void);
    void (*forget)(void);
};
struct fake_driver fake_driver_get(void);

#endif
