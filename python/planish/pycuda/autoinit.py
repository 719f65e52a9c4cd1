"""`import planish.pycuda.autoinit`: nothing needs to be initialized."""
from __future__ import annotations

from .driver import Context, Device

device = Device(0)
context = Context()
