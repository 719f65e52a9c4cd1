"""Planish: an ONNX inference optimizer and runtime for CPUs and NVIDIA GPUs.

    import planish
    planish.run("model.onnx", {"x": x})              # once
    engine = planish.build("model.onnx", fp16=True)  # or often
    engine(x)["y"]
    engine.save("model.plan")
    planish.load("model.plan")
"""
from __future__ import annotations

from typing import List, NamedTuple

from ._native import ffi as _ffi
from ._native import lib as _lib
from .build import LOG_ERROR, LOG_INFO, LOG_VERBOSE, LOG_WARNING, Threads, build, cache_folder, load, run
from .custom import Ops
from .engine import Context, Engine, Layer, StateStore, TensorInfo
from .errors import (BadModel, BadPlan, Cancelled, DeviceError, Error, Incompatible, InputOutputError, InternalError, InvalidArgument, Message, NotFound, OutOfMemory,
                     Unsupported)  # fmt: skip
from .report import LayerTime, Profile
from .session import (ExecutionMode, GraphOptimizationLevel, InferenceSession, ModelMetadata, NodeArg, RunOptions, SessionOptions, get_available_providers, get_device, set_default_logger_severity,
                      set_default_logger_verbosity)  # fmt: skip

__version__ = _ffi.string(_lib.pln_version()).decode()


class Device(NamedTuple):
    """A device of this machine. `name`: as `build` takes it. usable: False, and `problem` says why and what to do."""

    name: str
    description: str
    arch: str
    memory_bytes: int
    usable: bool
    problem: str


def devices() -> List[Device]:
    """What this machine has to run plans on; the first look at a GPU takes a second."""
    told, out = _ffi.new("struct pln_device_info *"), []

    def text(field: object) -> str:
        return _ffi.string(field).decode("utf-8", "replace")

    while _lib.pln_device_get(len(out), told) == 0:
        out.append(Device(text(told.name), text(told.description), text(told.arch), told.memory_bytes, bool(told.usable), text(told.problem)))
    return out


def __getattr__(name: str) -> object:
    """Names of ONNX Runtime that are not here say what to use."""
    if name in ("OrtValue", "OrtDevice", "IOBinding", "SessionIOBinding"):
        raise AttributeError(f"module 'planish' has no '{name}': a context takes arrays of NumPy, PyTorch and CuPy in place, also on a GPU (engine.context().run(inputs, outputs={{name: array}}))")
    raise AttributeError(f"module 'planish' has no attribute '{name}'")


__all__ = ["BadModel", "BadPlan", "Cancelled", "Context", "Device", "DeviceError", "Engine", "Error", "ExecutionMode", "GraphOptimizationLevel", "Incompatible", "InferenceSession", "InputOutputError", "InternalError",
           "InvalidArgument", "LOG_ERROR", "LOG_INFO", "LOG_VERBOSE", "LOG_WARNING", "Layer", "LayerTime", "Message", "ModelMetadata", "NodeArg", "NotFound", "Ops", "OutOfMemory", "Profile", "RunOptions", "SessionOptions", "StateStore",
           "TensorInfo", "Threads", "Unsupported", "build", "cache_folder", "devices", "get_available_providers", "get_device", "load", "run",
           "set_default_logger_severity", "set_default_logger_verbosity"]  # fmt: skip
