"""pycuda's calls that programs written for TensorRT make: on the memory of the GPU where engines are built for one, else on the host's. Needs no pycuda."""
from __future__ import annotations
