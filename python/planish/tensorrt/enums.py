"""Enumerations. Numbers are TensorRT's where scripts see them (flags as 1 << int(flag))."""
from __future__ import annotations

from typing import Any

from .base import GONE, Named, NamedUntil


def _enum(name: str, members: str, doc: str) -> Any:
    # NEW=OLD is another name of an earlier member.
    numbers: dict = {}
    for member in members.split():
        own, _, other = member.partition("=")
        numbers[own] = numbers[other] if other else len(set(numbers.values()))
    made = (NamedUntil if name in GONE else Named)(name, numbers)  # type: ignore[misc]
    made.__doc__, made.__module__ = doc, __name__
    return made


NetworkDefinitionCreationFlag = _enum("NetworkDefinitionCreationFlag", "EXPLICIT_BATCH STRONGLY_TYPED PREFER_AOT_PYTHON_PLUGINS PREFER_JIT_PYTHON_PLUGINS", "How a network is made; all networks here have explicit batches.")
BuilderFlag = _enum(
    "BuilderFlag",
    "FP16 INT8 DEBUG GPU_FALLBACK REFIT DISABLE_TIMING_CACHE TF32 SPARSE_WEIGHTS SAFETY_SCOPE OBEY_PRECISION_CONSTRAINTS PREFER_PRECISION_CONSTRAINTS DIRECT_IO REJECT_EMPTY_ALGORITHMS "
    "VERSION_COMPATIBLE EXCLUDE_LEAN_RUNTIME FP8 ERROR_ON_TIMING_CACHE_MISS BF16 DISABLE_COMPILATION_CACHE STRIP_PLAN REFIT_IDENTICAL WEIGHT_STREAMING INT4 REFIT_INDIVIDUAL STRICT_NANS MONITOR_MEMORY FP4 EDITABLE_TIMING_CACHE DISTRIBUTIVE_INDEPENDENCE STRICT_TYPES ENABLE_TACTIC_HEURISTIC",
    "What a build may do.",
)
MemoryPoolType = _enum("MemoryPoolType", "WORKSPACE DLA_MANAGED_SRAM DLA_LOCAL_DRAM DLA_GLOBAL_DRAM TACTIC_DRAM TACTIC_SHARED_MEMORY", "Pools whose sizes a build may be told.")
TensorIOMode = _enum("TensorIOMode", "NONE INPUT OUTPUT", "Is a tensor an input, an output, or neither?")
TensorLocation = _enum("TensorLocation", "DEVICE HOST", "Where a tensor lies.")
TensorFormat = _enum("TensorFormat", "LINEAR CHW2 HWC8 CHW4 CHW16 CHW32 DHWC8 CDHW32 HWC DLA_LINEAR DLA_HWC4 HWC16 DHWC", "How a tensor is stored; inputs and outputs are LINEAR.")
ProfilingVerbosity = _enum("ProfilingVerbosity", "LAYER_NAMES_ONLY NONE DETAILED", "What the inspector tells.")
LayerInformationFormat = _enum("LayerInformationFormat", "ONELINE JSON", "How the inspector tells it.")
EngineCapability = _enum("EngineCapability", "STANDARD SAFETY DLA_STANDALONE DEFAULT=STANDARD SAFE_GPU=SAFETY SAFE_DLA=DLA_STANDALONE", "What an engine is restricted to: nothing.")
DeviceType = _enum("DeviceType", "GPU DLA", "What a layer runs on.")
TacticSource = _enum("TacticSource", "CUBLAS CUBLAS_LT CUDNN EDGE_MASK_CONVOLUTIONS JIT_CONVOLUTIONS", "Where kernels come from; all are Planish's.")
PreviewFeature = _enum("PreviewFeature", "FASTER_DYNAMIC_SHAPES_0805 DISABLE_EXTERNAL_TACTIC_SOURCES_FOR_CORE_0805 PROFILE_SHARING_0806 ALIASED_PLUGIN_IO_10_03 RUNTIME_ACTIVATION_RESIZE_10_10", "Taken, without effect.")
HardwareCompatibilityLevel = _enum("HardwareCompatibilityLevel", "NONE AMPERE_PLUS SAME_COMPUTE_CAPABILITY", "Which GPUs a plan is for: build with targets (planish.build) for more than the one here.")
RuntimePlatform = _enum("RuntimePlatform", "SAME_AS_BUILD WINDOWS_AMD64", "Where a plan runs.")
ExecutionContextAllocationStrategy = _enum("ExecutionContextAllocationStrategy", "STATIC ON_PROFILE_CHANGE USER_MANAGED", "Who has a context's memory: the context.")
OnnxParserFlag = _enum("OnnxParserFlag", "NATIVE_INSTANCENORM ENABLE_UINT8_AND_ASYMMETRIC_QUANTIZATION_DLA REPORT_CAPABILITY_DLA ENABLE_PLUGIN_OVERRIDE ADJUST_FOR_DLA", "Taken, without effect.")
LayerType = _enum(
    "LayerType",
    "CONVOLUTION GRID_SAMPLE NMS ACTIVATION POOLING LRN SCALE SOFTMAX DECONVOLUTION CONCATENATION ELEMENTWISE PLUGIN UNARY PADDING SHUFFLE REDUCE TOPK GATHER MATRIX_MULTIPLY RAGGED_SOFTMAX CONSTANT "
    "IDENTITY CAST PLUGIN_V2 SLICE SHAPE PARAMETRIC_RELU RESIZE TRIP_LIMIT RECURRENCE ITERATOR LOOP_OUTPUT SELECT ASSERTION FILL QUANTIZE DEQUANTIZE CONDITION CONDITIONAL_INPUT CONDITIONAL_OUTPUT "
    "SCATTER EINSUM ONE_HOT NON_ZERO REVERSE_SEQUENCE NORMALIZATION PLUGIN_V3 SQUEEZE UNSQUEEZE CUMULATIVE DYNAMIC_QUANTIZE ATTENTION_INPUT ATTENTION_OUTPUT ROTARY_EMBEDDING KVCACHE_UPDATE MOE "
    "DIST_COLLECTIVE FULLY_CONNECTED RNN_V2",
    "What a layer is.",
)
ActivationType = _enum("ActivationType", "RELU SIGMOID TANH LEAKY_RELU ELU SELU SOFTSIGN SOFTPLUS CLIP HARD_SIGMOID SCALED_TANH THRESHOLDED_RELU GELU_ERF GELU_TANH SWISH", "Functions of add_activation.")
PoolingType = _enum("PoolingType", "MAX AVERAGE MAX_AVERAGE_BLEND", "What a pooling layer takes of a window.")
PaddingMode = _enum("PaddingMode", "EXPLICIT_ROUND_DOWN EXPLICIT_ROUND_UP SAME_UPPER SAME_LOWER CAFFE_ROUND_DOWN=EXPLICIT_ROUND_DOWN CAFFE_ROUND_UP=EXPLICIT_ROUND_UP",
                    "How windows are laid out. Caffe's ways are the explicit ones with the same padding before and after.")  # fmt: skip
ScaleMode = _enum("ScaleMode", "UNIFORM CHANNEL ELEMENTWISE", "What has a factor of its own.")
ElementWiseOperation = _enum("ElementWiseOperation", "SUM PROD MAX MIN SUB DIV POW FLOOR_DIV AND OR XOR EQUAL GREATER LESS", "Functions of two tensors.")
UnaryOperation = _enum(
    "UnaryOperation",
    "EXP LOG SQRT RECIP ABS NEG SIN COS TAN SINH COSH ASIN ACOS ATAN ASINH ACOSH ATANH CEIL FLOOR ERF NOT SIGN ROUND ISINF ISNAN",
    "Functions of one tensor.",
)
ReduceOperation = _enum("ReduceOperation", "SUM PROD MAX MIN AVG NONE", "What is made of many elements.")
CumulativeOperation = _enum("CumulativeOperation", "SUM", "What is made of all elements so far.")
TopKOperation = _enum("TopKOperation", "MAX MIN", "Which elements.")
GatherMode = _enum("GatherMode", "DEFAULT ELEMENT ND", "What an index means.")
ScatterMode = _enum("ScatterMode", "ELEMENT ND", "What an index means.")
MatrixOperation = _enum("MatrixOperation", "NONE TRANSPOSE VECTOR", "What an operand of a product is.")
InterpolationMode = _enum("InterpolationMode", "NEAREST LINEAR CUBIC", "What stands between elements.")
ResizeMode = InterpolationMode
ResizeCoordinateTransformation = _enum("ResizeCoordinateTransformation", "ALIGN_CORNERS ASYMMETRIC HALF_PIXEL", "Where elements of the output stand in the input.")
ResizeSelector = _enum("ResizeSelector", "FORMULA UPPER", "Where a single element is taken from.")
ResizeRoundMode = _enum("ResizeRoundMode", "HALF_UP HALF_DOWN FLOOR CEIL", "Which element is the nearest.")
SampleMode = _enum("SampleMode", "STRICT_BOUNDS WRAP CLAMP FILL REFLECT DEFAULT=STRICT_BOUNDS", "What stands outside of a tensor.")
SliceMode = SampleMode
FillOperation = _enum("FillOperation", "LINSPACE RANDOM_UNIFORM RANDOM_NORMAL", "What a tensor is filled with.")
BoundingBoxFormat = _enum("BoundingBoxFormat", "CORNER_PAIRS CENTER_SIZES", "What four numbers of a box are.")
TripLimit = _enum("TripLimit", "COUNT WHILE", "How a loop ends.")
LoopOutput = _enum("LoopOutput", "LAST_VALUE CONCATENATE REVERSE", "What a loop gives.")
WeightsRole = _enum("WeightsRole", "KERNEL BIAS SHIFT SCALE CONSTANT ANY", "What weights are for a layer.")
NormalizationOp = AttentionNormalizationOp = _enum("AttentionNormalizationOp", "NONE SOFTMAX", "What attention does to scores.")
KVCacheMode = _enum("KVCacheMode", "LINEAR", "How a cache is laid out.")
SerializationFlag = _enum("SerializationFlag", "EXCLUDE_WEIGHTS EXCLUDE_LEAN_RUNTIME INCLUDE_REFIT", "What a plan is written without, or with.")
PluginFieldType = _enum("PluginFieldType", "FLOAT16 FLOAT32 FLOAT64 INT8 INT16 INT32 CHAR DIMS UNKNOWN BF16 INT64 FP8 INT4 FP4", "Types of a plugin's fields.")
PluginCapabilityType = _enum("PluginCapabilityType", "CORE BUILD RUNTIME", "Parts of a plugin.")
TensorRTPhase = _enum("TensorRTPhase", "BUILD RUNTIME", "When a plugin is made.")
CalibrationAlgoType = _enum("CalibrationAlgoType", "LEGACY_CALIBRATION ENTROPY_CALIBRATION ENTROPY_CALIBRATION_2 MINMAX_CALIBRATION", "How a calibrator finds ranges.")
QuantizationFlag = _enum("QuantizationFlag", "CALIBRATE_BEFORE_FUSION", "When a calibrator looks.")
TempfileControlFlag = _enum("TempfileControlFlag", "ALLOW_IN_MEMORY_FILES ALLOW_TEMPORARY_FILES", "Files that a runtime may make; it makes none.")
TilingOptimizationLevel = _enum("TilingOptimizationLevel", "NONE FAST MODERATE FULL", "Kept: kernels are tiled as their measurements say.")
AllocatorFlag = _enum("AllocatorFlag", "RESIZABLE", "What memory is asked of an allocator for.")
SeekPosition = _enum("SeekPosition", "SET CUR END", "What a stream reader's offset counts from.")
EngineStat = _enum("EngineStat", "TOTAL_WEIGHTS_SIZE STRIPPED_WEIGHTS_SIZE", "Numbers of an engine.")
ComputeCapability = _enum("ComputeCapability", "NONE CURRENT", "GPUs that a plan is for: build with targets (planish.build).")
