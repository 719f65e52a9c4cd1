"""The Python API of TensorRT, for programs that are written for it: `import planish.tensorrt as trt`.

Engines are Planish's plans. Without a GPU the same program runs on the CPU, with addresses of host memory (planish.pycuda). Optimization profiles are kept and told,
but not needed: all shapes run. `set_generation(8 | 10 | 11)` says which TensorRT a program was written for.
"""
from __future__ import annotations

from typing import Any

from .base import VERSIONS, DataType, Dims, IHostMemory, Permutation, Weights, generation, nptype, set_generation, volume
from . import definition, enums, flow, layers, network, plugin as _plugin, refit, subclass
from .builder import Builder, IBuilderConfig, IOptimizationProfile, ITimingCache, OnnxParser, ParserError
from .definition import INetworkDefinition
from .network import ILayer, ITensor
from .plugin import get_plugin_registry
from .log import ErrorCode, IErrorRecorder, ILogger, IOutputAllocator, IProfiler, IProgressMonitor, Logger, Profiler
from .runtime import EngineInspector, ICudaEngine, IExecutionContext, IRuntimeConfig, ISerializationConfig, Runtime

float32, float16, int8, int32, bool, uint8, fp8, bfloat16, int64, int4, fp4, e8m0 = DataType
# All enumerations, and all layers and parts of plugins that have TensorRT's names.
for _room in (enums, layers, flow, definition, _plugin, refit, subclass):
    for _name, _thing in vars(_room).items():
        if isinstance(_thing, type) and getattr(_thing, "__module__", "") == _room.__name__ and not _name.startswith("_"):
            globals()[_name] = _thing
__all__ = [name for name in dir() if not name.startswith("_") and name not in ("annotations", "Any", "base", "builder", "enums", "log", "runtime", "VERSIONS")]


def init_libnvinfer_plugins(logger: Any, namespace: str) -> Any:
    """There are none to initialize."""
    return True


def get_builder_plugin_registry(capability: Any) -> Any:
    """The registry of the process."""
    return get_plugin_registry()


def get_nv_onnx_parser_version() -> int:
    """Of the generation: 8601, …"""
    major, minor, patch = VERSIONS[generation()].split(".")
    return int(major) * 1000 + int(minor) * 100 + int(patch)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return VERSIONS[generation()]
    raise AttributeError(f"planish.tensorrt has no '{name}' (yet): docs/tensorrt.md lists what it has")


__all__ += ["get_builder_plugin_registry", "get_nv_onnx_parser_version", "init_libnvinfer_plugins"]
