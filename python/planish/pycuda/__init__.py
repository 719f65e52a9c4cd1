"""pycuda's calls that programs written for TensorRT make, on host memory: for machines without a GPU. Use pycuda itself where there is one."""
from __future__ import annotations
