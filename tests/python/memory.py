"""Memory where engines are, for tests that run on the CPU and on a GPU."""
import numpy as np

import planish.pycuda.autoinit  # noqa: F401
import planish.pycuda.driver as cuda


def on_device(array):
    """Memory with the array's elements."""
    array = np.asarray(array, order="C")
    memory = cuda.mem_alloc(max(array.nbytes, 1))
    if array.nbytes:
        cuda.memcpy_htod(memory, array)
    return memory


def taken(address, shape, dtype=np.float32):
    """What lies there."""
    array = np.empty(tuple(shape), dtype)
    if array.nbytes:
        cuda.memcpy_dtoh(array, address)
    return array


def put(address, array):
    """Writes an array there."""
    if array.nbytes:
        cuda.memcpy_htod(address, array)
