"""The backend interface of the package onnx: `onnx.backend.test.BackendTest(planish.backend)` runs ONNX's own tests."""
from __future__ import annotations

from typing import Any, List, Sequence

import numpy as np

from .build import build
from .engine import Engine
from .errors import InvalidArgument


def _device(device: str) -> str:
    kind, _, number = device.partition(":")
    return f"cuda:{number or 0}" if kind.upper() == "CUDA" else kind.lower()


class BackendRep:
    """A prepared model."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def run(self, inputs: Any, **kwargs: Any) -> List[Any]:
        """inputs: in the model's order, or by name. Returns the outputs in the model's order."""
        if isinstance(inputs, dict):
            given = inputs
        else:
            values = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
            if len(values) != len(self.engine.inputs):
                raise InvalidArgument(f"{len(values)} inputs were given, the model has {len(self.engine.inputs)}: {', '.join(i.name for i in self.engine.inputs)}")
            given = {info.name: value for info, value in zip(self.engine.inputs, values)}
        out = self.engine(given)
        return [out[o.name] for o in self.engine.outputs]


def prepare(model: Any, device: str = "CPU", **kwargs: Any) -> BackendRep:
    """Builds an onnx.ModelProto for "CPU" or "CUDA"; kwargs: as for `planish.build`."""
    kwargs.pop("no_check_UNSAFE", None)
    return BackendRep(build(model, device=_device(device), **kwargs))


def run_model(model: Any, inputs: Any, device: str = "CPU", **kwargs: Any) -> List[Any]:
    """Builds and runs once."""
    return prepare(model, device, **kwargs).run(inputs)


def run_node(node: Any, inputs: Sequence[Any], device: str = "CPU", outputs_info: Any = None, **kwargs: Any) -> List[Any]:
    """Runs one onnx.NodeProto on arrays."""
    import onnx
    from onnx import helper

    values = [np.asarray(x) for x in inputs]
    told = [helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape) for name, x in zip([n for n in node.input if n], values)]
    made = [onnx.ValueInfoProto(name=name) for name in node.output if name]
    opset = kwargs.pop("opset_version", onnx.defs.onnx_opset_version())
    graph = helper.make_graph([node], "node", told, made)
    return run_model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)]), values, device, **kwargs)


def is_compatible(model: Any, device: str = "CPU", **kwargs: Any) -> bool:
    """Models are never refused by what they hold; whether one is damaged is told by `prepare`."""
    return supports_device(device)


def supports_device(device: str) -> bool:
    """Is there such a device, and can it be used?"""
    from . import devices

    return any(d.usable and d.name == _device(device) for d in devices())
