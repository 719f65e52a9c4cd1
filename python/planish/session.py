"""For programs written for ONNX Runtime: `onnxruntime.InferenceSession` becomes `planish.InferenceSession`, and the rest stays."""
from __future__ import annotations

import difflib
import enum
from typing import Any, Dict, List, Mapping, Optional, Sequence

from . import dtypes
from .build import Threads, build, is_plan, load, pass_names
from .engine import TensorInfo
from .errors import DeviceError, InvalidArgument

_TYPES = {"f32": "float", "f64": "double", "f16": "float16", "bf16": "bfloat16", "str": "string", "u8": "uint8", "i8": "int8", "u16": "uint16", "i16": "int16", "u32": "uint32",
          "i32": "int32", "u64": "uint64", "i64": "int64"}  # fmt: skip

# ONNX Runtime's names. Those but the first two are never there.
_PROVIDERS = ["CUDAExecutionProvider", "CPUExecutionProvider"] + [name + "ExecutionProvider" for name in (
    "Tensorrt", "NvTensorRTRTX", "ROCM", "MIGraphX", "OpenVINO", "Dnnl", "CoreML", "Dml", "QNN", "Xnnpack", "XNNPACK", "Nnapi", "ACL", "ArmNN", "Azure", "VitisAI", "CANN", "Rknpu", "SNPE", "Tvm", "JS",
    "WebGpu", "WebNN")]  # fmt: skip


class NodeArg:
    """Name, type ("tensor(float)") and shape of an input or output."""

    def __init__(self, info: TensorInfo) -> None:
        name = dtypes.name(info.code) if info.code else "?"
        text = f"tensor({_TYPES.get(name, name)})"
        self.name = info.name
        self.type = {"tensor": text, "sequence": f"seq({text})", "optional": f"optional({text})", "map": f"map({text})"}[info.kind]
        self.shape = None if info.shape is None else list(info.shape)

    def __repr__(self) -> str:
        return f"NodeArg(name={self.name!r}, type={self.type!r}, shape={self.shape})"


class GraphOptimizationLevel(enum.IntEnum):
    """As ONNX Runtime has them; all passes run at each but the first."""

    ORT_DISABLE_ALL, ORT_ENABLE_BASIC, ORT_ENABLE_EXTENDED, ORT_ENABLE_LAYOUT, ORT_ENABLE_ALL = 0, 1, 2, 3, 99


class ExecutionMode(enum.IntEnum):
    """As ONNX Runtime has them; steps run one behind the other."""

    ORT_SEQUENTIAL, ORT_PARALLEL = range(2)


class SessionOptions:
    """What a session is told. intra_op_num_threads (0: as many as the process may use) and graph_optimization_level ORT_DISABLE_ALL act; the rest is kept for who asks."""

    def __init__(self) -> None:
        self.intra_op_num_threads = self.inter_op_num_threads = 0
        self.graph_optimization_level, self.execution_mode = GraphOptimizationLevel.ORT_ENABLE_ALL, ExecutionMode.ORT_SEQUENTIAL
        self.log_severity_level, self.log_verbosity_level, self.logid = 2, 0, ""
        self.enable_profiling, self.enable_cpu_mem_arena, self.enable_mem_pattern, self.enable_mem_reuse = False, True, True, True
        self.optimized_model_filepath, self.profile_file_prefix, self.use_deterministic_compute, self.execution_order = "", "", False, 0
        self._entries: Dict[str, str] = {}
        self._whole = True

    def __setattr__(self, name: str, value: Any) -> None:
        if "_whole" in self.__dict__ and name not in self.__dict__:
            close = difflib.get_close_matches(name, self.__dict__, 1)
            raise AttributeError(f"SessionOptions has no '{name}'" + (f": is '{close[0]}' meant?" if close else ""))
        object.__setattr__(self, name, value)

    def add_session_config_entry(self, key: str, value: str) -> None:
        """Keeps it."""
        self._entries[key] = value

    def get_session_config_entry(self, key: str) -> str:
        """As added; KeyError: it was not."""
        return self._entries[key]


def get_available_providers() -> List[str]:
    """Of this machine, by ONNX Runtime's names."""
    from . import devices

    return [*(["CUDAExecutionProvider"] if any(d.name.startswith("cuda") and d.usable for d in devices()) else []), "CPUExecutionProvider"]


class InferenceSession:
    """A model that runs as ONNX Runtime's sessions do.

    model: a path (ONNX or plan) or bytes. providers: the first that is there counts, and one must be: "CUDAExecutionProvider" (or a pair with {"device_id": n}) is "cuda:n",
    "CPUExecutionProvider" is "cpu", others of ONNX Runtime's are not there. sess_options: planish.SessionOptions, or ONNX Runtime's. options: as for `planish.build`.
    """

    def __init__(self, model: Any, sess_options: Any = None, providers: Optional[Sequence[Any]] = None, provider_options: Any = None, **options: Any) -> None:
        device = options.pop("device", None) or _device(providers, provider_options)
        if sess_options is not None and not hasattr(sess_options, "intra_op_num_threads"):
            raise TypeError(f"sess_options are a planish.SessionOptions or ONNX Runtime's, not {type(sess_options).__name__}")
        threads = getattr(sess_options, "intra_op_num_threads", 0)
        if threads and "threads" not in options:
            options["threads"] = Threads(threads)
        ready = is_plan(model)
        if not ready and int(getattr(sess_options, "graph_optimization_level", 99)) == 0 and "disabled_passes" not in options:
            options["disabled_passes"] = pass_names()
        if ready:
            self.engine = load(model, device=device, **options)
        else:
            self.engine = build(model, device=device, **options)

    def get_inputs(self) -> List[NodeArg]:
        """In the model's order."""
        return [NodeArg(i) for i in self.engine.inputs]

    def get_outputs(self) -> List[NodeArg]:
        """In the model's order."""
        return [NodeArg(o) for o in self.engine.outputs]

    def get_providers(self) -> List[str]:
        """What the engine's device is called there."""
        return ["CUDAExecutionProvider", "CPUExecutionProvider"] if self.engine.device.startswith("cuda") else ["CPUExecutionProvider"]

    def run(self, output_names: Optional[Sequence[str]], input_feed: Mapping[str, Any], run_options: Any = None) -> List[Any]:
        """The outputs of these names (None: all), in order."""
        out = self.engine(dict(input_feed))
        names = list(output_names) if output_names else [o.name for o in self.engine.outputs]
        for name in names:
            if name not in out:
                raise InvalidArgument(f"the model has no output '{name}'; it has {', '.join(out)}")
        return [out[name] for name in names]


def _device(providers: Optional[Sequence[Any]], provider_options: Any) -> Optional[str]:
    """The device of the first provider that is there; None: no list was given."""
    if isinstance(providers, (str, bytes)):
        raise TypeError(f"providers are a list of names, such as [{providers!r}]")
    names = []
    for i, one in enumerate(providers or []):
        name, told = one if isinstance(one, (tuple, list)) else (one, (provider_options or [])[i] if provider_options and i < len(provider_options) else {})
        if name not in _PROVIDERS:
            close = difflib.get_close_matches(str(name), _PROVIDERS, 1)
            raise InvalidArgument(f"there is no provider {name!r}" + (f": is '{close[0]}' meant?" if close else ""))
        names.append((name, told or {}))
    for name, told in names:
        if name == "CUDAExecutionProvider":
            from . import devices

            wanted = f"cuda:{told.get('device_id', 0)}"
            if any(d.name == wanted and d.usable for d in devices()):
                return wanted
        elif name == "CPUExecutionProvider":
            return "cpu"
    if names:
        raise DeviceError(f"none of the providers {', '.join(name for name, _ in names)} is there; this machine has {', '.join(get_available_providers())}")
    return None
