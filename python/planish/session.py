"""For programs written for ONNX Runtime: `onnxruntime.InferenceSession` becomes `planish.InferenceSession`, and the rest stays."""
from __future__ import annotations

import os
from typing import Any, List, Mapping, Optional, Sequence

from . import dtypes
from .build import build, load
from .engine import TensorInfo
from .errors import InvalidArgument

_TYPES = {"f32": "float", "f64": "double", "f16": "float16", "bf16": "bfloat16", "str": "string", "u8": "uint8", "i8": "int8", "u16": "uint16", "i16": "int16", "u32": "uint32",
          "i32": "int32", "u64": "uint64", "i64": "int64"}  # fmt: skip


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


class InferenceSession:
    """A model that runs as ONNX Runtime's sessions do.

    model: a path (ONNX or plan) or bytes. providers: the first that this build has counts: "CUDAExecutionProvider" (or a pair with {"device_id": n}) is "cuda:n",
    "CPUExecutionProvider" is "cpu"; other options of sessions are accepted where they do not change results. options: as for `planish.build`.
    """

    def __init__(self, model: Any, sess_options: Any = None, providers: Optional[Sequence[Any]] = None, provider_options: Any = None, **options: Any) -> None:
        device = options.pop("device", None) or _device(providers, provider_options)
        if isinstance(model, (str, os.PathLike)) and os.fspath(model).endswith(".plan"):
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
    for i, one in enumerate(providers or []):
        name, told = one if isinstance(one, (tuple, list)) else (one, (provider_options or [])[i] if provider_options and i < len(provider_options) else {})
        if name == "CUDAExecutionProvider":
            from . import devices

            wanted = f"cuda:{(told or {}).get('device_id', 0)}"
            if any(d.name == wanted and d.usable for d in devices()):
                return wanted
        elif name == "CPUExecutionProvider":
            return "cpu"
        else:
            continue
    return None
