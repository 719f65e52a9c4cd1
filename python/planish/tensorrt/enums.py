"""Enumerations. Numbers are TensorRT's where scripts see them (flags as 1 << int(flag))."""
from __future__ import annotations

import enum


def _enum(name: str, members: str, doc: str) -> type:
    made = enum.IntEnum(name, {m: i for i, m in enumerate(members.split())})  # type: ignore[misc]
    made.__doc__, made.__module__ = doc, __name__
    return made


NetworkDefinitionCreationFlag = _enum("NetworkDefinitionCreationFlag", "EXPLICIT_BATCH STRONGLY_TYPED PREFER_AOT_PYTHON_PLUGINS PREFER_JIT_PYTHON_PLUGINS", "How a network is made; all networks here have explicit batches.")
BuilderFlag = _enum(
    "BuilderFlag",
    "FP16 INT8 DEBUG GPU_FALLBACK REFIT DISABLE_TIMING_CACHE TF32 SPARSE_WEIGHTS SAFETY_SCOPE OBEY_PRECISION_CONSTRAINTS PREFER_PRECISION_CONSTRAINTS DIRECT_IO REJECT_EMPTY_ALGORITHMS "
    "VERSION_COMPATIBLE EXCLUDE_LEAN_RUNTIME FP8 ERROR_ON_TIMING_CACHE_MISS BF16 DISABLE_COMPILATION_CACHE STRIP_PLAN REFIT_IDENTICAL WEIGHT_STREAMING INT4 REFIT_INDIVIDUAL STRICT_NANS MONITOR_MEMORY FP4",
    "What a build may do.",
)
MemoryPoolType = _enum("MemoryPoolType", "WORKSPACE DLA_MANAGED_SRAM DLA_LOCAL_DRAM DLA_GLOBAL_DRAM TACTIC_DRAM TACTIC_SHARED_MEMORY", "Pools whose sizes a build may be told.")
TensorIOMode = _enum("TensorIOMode", "NONE INPUT OUTPUT", "Is a tensor an input, an output, or neither?")
TensorLocation = _enum("TensorLocation", "DEVICE HOST", "Where a tensor lies.")
TensorFormat = _enum("TensorFormat", "LINEAR CHW2 HWC8 CHW4 CHW16 CHW32 DHWC8 CDHW32 HWC DLA_LINEAR DLA_HWC4 HWC16 DHWC", "How a tensor is stored; inputs and outputs are LINEAR.")
ProfilingVerbosity = _enum("ProfilingVerbosity", "LAYER_NAMES_ONLY NONE DETAILED", "What the inspector tells.")
LayerInformationFormat = _enum("LayerInformationFormat", "ONELINE JSON", "How the inspector tells it.")
EngineCapability = _enum("EngineCapability", "STANDARD SAFETY DLA_STANDALONE", "What an engine is restricted to: nothing.")
DeviceType = _enum("DeviceType", "GPU DLA", "What a layer runs on.")
TacticSource = _enum("TacticSource", "CUBLAS CUBLAS_LT CUDNN EDGE_MASK_CONVOLUTIONS JIT_CONVOLUTIONS", "Where kernels come from; all are Planish's.")
PreviewFeature = _enum("PreviewFeature", "FASTER_DYNAMIC_SHAPES_0805 DISABLE_EXTERNAL_TACTIC_SOURCES_FOR_CORE_0805 PROFILE_SHARING_0806 ALIASED_PLUGIN_IO_10_03", "Taken, without effect.")
HardwareCompatibilityLevel = _enum("HardwareCompatibilityLevel", "NONE AMPERE_PLUS SAME_COMPUTE_CAPABILITY", "Which GPUs a plan is for: build with targets (planish.build) for more than the one here.")
RuntimePlatform = _enum("RuntimePlatform", "SAME_AS_BUILD WINDOWS_AMD64", "Where a plan runs.")
ExecutionContextAllocationStrategy = _enum("ExecutionContextAllocationStrategy", "STATIC ON_PROFILE_CHANGE USER_MANAGED", "Who has a context's memory: the context.")
OnnxParserFlag = _enum("OnnxParserFlag", "NATIVE_INSTANCENORM ENABLE_UINT8_AND_ASYMMETRIC_QUANTIZATION_DLA REPORT_CAPABILITY_DLA ENABLE_PLUGIN_OVERRIDE", "Taken, without effect.")
