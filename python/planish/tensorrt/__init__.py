"""The Python API of TensorRT, for programs that are written for it: `import planish.tensorrt as trt`.

Engines are Planish's plans. Without a GPU the same program runs on the CPU, with addresses of host memory (planish.pycuda). Optimization profiles are kept and told,
but not needed: all shapes run. `generation` (8, 10 or 11; or set_generation) says which TensorRT a program was written for.
"""
from __future__ import annotations

import sys
import types
from typing import Any

from . import base, plugins
from .base import VERSIONS, DataType, Dims, Dims2, Dims3, Dims4, DimsHW, IHostMemory, Permutation, Weights, nptype, set_generation, volume
from .builder import Builder, IBuilderConfig, IOptimizationProfile, ITimingCache
from .definition import IAssertionLayer, INetworkDefinition
from .enums import (ActivationType, AllocatorFlag, AttentionNormalizationOp, BoundingBoxFormat, BuilderFlag, CalibrationAlgoType, ComputeCapability, CumulativeOperation, DeviceType,
                    ElementWiseOperation, EngineCapability, EngineStat, ExecutionContextAllocationStrategy, FillOperation, GatherMode, HardwareCompatibilityLevel,
                    InterpolationMode, KVCacheMode, LayerInformationFormat, LayerType, LoopOutput, MatrixOperation, MemoryPoolType, NetworkDefinitionCreationFlag,
                    NormalizationOp, OnnxParserFlag, PaddingMode, PluginCapabilityType, PluginFieldType, PoolingType, PreviewFeature, ProfilingVerbosity, QuantizationFlag,
                    ReduceOperation, ResizeCoordinateTransformation, ResizeMode, ResizeRoundMode, ResizeSelector, RuntimePlatform, SampleMode, ScaleMode, ScatterMode,
                    SeekPosition, SerializationFlag, SliceMode, TacticSource, TempfileControlFlag, TensorFormat, TensorIOMode, TensorLocation, TensorRTPhase, TilingOptimizationLevel,
                    TopKOperation, TripLimit, UnaryOperation, WeightsRole)  # fmt: skip
from .flow import (IConditionLayer, IIfConditional, IIfConditionalBoundaryLayer, IIfConditionalInputLayer, IIfConditionalOutputLayer, IIteratorLayer, ILoop, ILoopBoundaryLayer,
                   ILoopOutputLayer, IRecurrenceLayer, ITripLimitLayer)  # fmt: skip
from .layers import (IActivationLayer, IAttention, ICastLayer, IConcatenationLayer, IConstantLayer, IConvolutionLayer, ICumulativeLayer, IDeconvolutionLayer, IDequantizeLayer,
                     IEinsumLayer, IElementWiseLayer, IFillLayer, IFullyConnectedLayer, IGatherLayer, IGridSampleLayer, IIdentityLayer, IKVCacheUpdateLayer, ILRNLayer,
                     IMatrixMultiplyLayer, INMSLayer, INonZeroLayer, INormalizationLayer, IOneHotLayer, IPaddingLayer, IParametricReLULayer, IPoolingLayer, IQuantizeLayer,
                     IRaggedSoftMaxLayer, IReduceLayer, IResizeLayer, IReverseSequenceLayer, IRotaryEmbeddingLayer, IScaleLayer, IScatterLayer, ISelectLayer, IShapeLayer,
                     IShuffleLayer, ISliceLayer, ISoftMaxLayer, ISqueezeLayer, ITopKLayer, IUnaryLayer, IUnsqueezeLayer)  # fmt: skip
from .parser import OnnxParser, ParserError
from .plugins import (DimensionOperation, DimsExprs, DynamicPluginTensorDesc, IDimensionExpr, IExprBuilder, IPluginCapability, IPluginCreator, IPluginCreatorV3One,
                      IPluginRegistry, IPluginResource, IPluginResourceContext, IPluginV2, IPluginV2DynamicExt, IPluginV2Ext, IPluginV2Layer, IPluginV3, IPluginV3Layer, IPluginV3OneBuild, IPluginV3OneBuildV2, IPluginV3OneCore, IPluginV3OneRuntime,
                      PluginField, PluginFieldCollection, PluginFieldCollection_, PluginTensorDesc, get_plugin_registry)  # fmt: skip
from .refit import OnnxParserRefitter, Refitter
from .subclass import (IAlgorithmSelector, IDebugListener, IGpuAllocator, IGpuAsyncAllocator, IInt8Calibrator, IInt8EntropyCalibrator, IInt8EntropyCalibrator2,
                       IInt8LegacyCalibrator, IInt8MinMaxCalibrator, IStreamReader, IStreamReaderV2, IStreamWriter)  # fmt: skip
from .log import ErrorCode, IErrorRecorder, ILogger, IOutputAllocator, IProfiler, IProgressMonitor, Logger, Profiler
from .network import ILayer, ITensor
from .runtime import EngineInspector, ICudaEngine, IExecutionContext, IRuntimeConfig, ISerializationConfig, Runtime

ErrorCodeTRT = ErrorCode  # the name in some versions

float32, float16, int8, int32, bool, uint8, fp8, bfloat16, int64, int4, fp4, e8m0 = DataType
_ALL = [name for name, thing in list(globals().items()) if not name.startswith("_") and name not in ("annotations", "Any", "VERSIONS", "sys", "types") and not isinstance(thing, type(base))]


def init_libnvinfer_plugins(logger: Any, namespace: str) -> Any:
    """There are none to initialize."""
    return True


def get_builder_plugin_registry(capability: Any) -> Any:
    """The registry of the process."""
    return get_plugin_registry()


def get_nv_onnx_parser_version() -> int:
    """Of the generation: 8601; from 10 on major * 10000 + minor * 100 + patch."""
    major, minor, patch = map(int, VERSIONS[base.generation()].split("."))
    return major * (10000 if major >= 10 else 1000) + minor * 100 + patch


# Classes that are found up to a generation: (the last one, what to use).
_CLASSES = {
    **dict.fromkeys("IInt8Calibrator IInt8EntropyCalibrator IInt8EntropyCalibrator2 IInt8LegacyCalibrator IInt8MinMaxCalibrator CalibrationAlgoType QuantizationFlag".split(),
                    (10, "ranges stand in the network: add_quantize, add_dequantize")),
    "IAlgorithmSelector": (10, "a timing cache makes builds alike"), "IStreamReader": (10, "use IStreamReaderV2"), "IFullyConnectedLayer": (8, "use add_matrix_multiply"),
}  # fmt: skip
_here = {name: globals().pop(name) for name in _CLASSES}


def _names() -> Any:
    return [name for name in _ALL if name not in _here or base.generation() <= _CLASSES[name][0]]


def __dir__() -> Any:
    return sorted({*globals(), *_names()})


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return VERSIONS[base.generation()]
    if name == "__all__":  # of the generation
        return _names()
    if name in _here:
        last, instead = _CLASSES[name]
        if base.generation() > last:
            raise base.went(name, last, instead)
        return _here[name]
    if name == "plugin":
        raise AttributeError(f"planish.tensorrt has no quick plugins (tensorrt.plugin): {plugins.QUICK_PLUGINS}")
    if name == "tensorrt":  # the extension module, whose names are these
        return sys.modules[__name__]
    raise AttributeError(f"planish.tensorrt has no '{name}' (yet): docs/tensorrt.md lists what it has")


class _Module(types.ModuleType):
    """The module, whose generation is set as an attribute."""

    @property
    def generation(self) -> base.Generation:
        """Which TensorRT the program was written for: 8, 10 or 11."""
        return base.Generation(base.generation())

    @generation.setter
    def generation(self, number: int) -> None:
        set_generation(number)


_ALL += ["generation", "get_builder_plugin_registry", "get_nv_onnx_parser_version", "init_libnvinfer_plugins"]
sys.modules[__name__].__class__ = _Module
