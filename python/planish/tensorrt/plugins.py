"""Plugins: operators that a program defines by subclasses, found again by name, version and namespace when a plan is loaded.

They are Planish's custom operators: between the steps of an engine, on the host. Where the engine runs on a GPU, inputs and outputs are copied to it and back around
`enqueue`, which gets addresses of the GPU, as in TensorRT.
"""
from __future__ import annotations

import base64
import math
import threading
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

import numpy as np

from .. import dtypes
from ..build import default_device
from ..custom import Ops
from ..errors import InvalidArgument, NotFound, Unsupported
from . import wire
from .base import DataType, Dims, Named, code_of, type_of
from .enums import LayerType, PluginCapabilityType, PluginFieldType, TensorFormat, TensorRTPhase
from .network import Emitter, ILayer, Param

QUICK_PLUGINS = "make a class of trt.IPluginV3 and its parts, register its creator at trt.get_plugin_registry(), and add it with network.add_plugin_v3"
PREFIX = "trt.plugins"
VERSION, NAMESPACE, DATA = "plugin_version", "plugin_namespace", "planish_data"
# Of a node: which of its inputs tell shapes by their values, as TensorRT's parser calls it.
SHAPE_INPUTS = "tensorrt_plugin_shape_input_indices"

_FIELD_TYPES = {"float16": PluginFieldType.FLOAT16, "float32": PluginFieldType.FLOAT32, "float64": PluginFieldType.FLOAT64, "int8": PluginFieldType.INT8, "int16": PluginFieldType.INT16,
                "int32": PluginFieldType.INT32, "int64": PluginFieldType.INT64}  # fmt: skip


class PluginField:
    """A parameter of a plugin: name, data (an array, or bytes for CHAR), type."""

    def __init__(self, name: str = "", data: Any = None, type: Any = PluginFieldType.UNKNOWN) -> None:
        self.name = str(name)
        self.type = PluginFieldType.CHAR if isinstance(data, (bytes, str)) and type == PluginFieldType.UNKNOWN else type
        self.data = data.encode() if isinstance(data, str) else data if data is None or isinstance(data, bytes) else np.atleast_1d(np.asarray(data))
        if self.type == PluginFieldType.UNKNOWN and isinstance(self.data, np.ndarray):
            self.type = _FIELD_TYPES.get(self.data.dtype.name, PluginFieldType.UNKNOWN)

    @property
    def size(self) -> int:
        """Elements."""
        return 0 if self.data is None else len(self.data) if isinstance(self.data, bytes) else int(self.data.size)


class PluginFieldCollection(list):
    """Fields."""


PluginFieldCollection_ = PluginFieldCollection  # the old name


class DimensionOperation(Named):
    """What an IExprBuilder can compute."""

    SUM, PROD, MAX, MIN, SUB, EQUAL, LESS, FLOOR_DIV, CEIL_DIV = range(9)


class IDimensionExpr:
    """An extent: a number, or not known yet."""

    def __init__(self, value: Optional[int], size_tensor: int = -1) -> None:
        self.value, self.size_tensor = value, size_tensor

    def is_constant(self) -> bool:
        """Is it known?"""
        return self.value is not None

    def get_constant_value(self) -> int:
        """-1: not known."""
        return -1 if self.value is None else self.value

    def is_size_tensor(self) -> bool:
        """Does an output tell it?"""
        return self.size_tensor >= 0


_OPERATIONS = {
    DimensionOperation.SUM: lambda a, b: a + b, DimensionOperation.PROD: lambda a, b: a * b, DimensionOperation.MAX: max, DimensionOperation.MIN: min, DimensionOperation.SUB: lambda a, b: a - b,
    DimensionOperation.EQUAL: lambda a, b: int(a == b), DimensionOperation.LESS: lambda a, b: int(a < b), DimensionOperation.FLOOR_DIV: lambda a, b: a // b,
    DimensionOperation.CEIL_DIV: lambda a, b: -(-a // b),
}  # fmt: skip


class IExprBuilder:
    """Computes extents."""

    def constant(self, value: int) -> IDimensionExpr:
        """A number."""
        return IDimensionExpr(int(value))

    def operation(self, op: DimensionOperation, first: IDimensionExpr, second: IDimensionExpr) -> IDimensionExpr:
        """A function of two extents."""
        if first.value is None or second.value is None:
            return IDimensionExpr(None)
        if op in (DimensionOperation.FLOOR_DIV, DimensionOperation.CEIL_DIV) and second.value == 0:
            raise InvalidArgument("an extent is divided by 0")
        return IDimensionExpr(_OPERATIONS[DimensionOperation(op)](first.value, second.value))

    def declare_size_tensor(self, output_index: int, opt: IDimensionExpr, upper: IDimensionExpr) -> IDimensionExpr:
        """An extent that the plugin writes into an output, a scalar; at most upper."""
        return IDimensionExpr(upper.value, output_index)


class DimsExprs(list):
    """A shape of extents. Of a number: so many, not known; of a shape: a copy."""

    def __init__(self, dims: Union[int, Sequence[Any]] = ()) -> None:
        super().__init__([IDimensionExpr(None) for _ in range(dims)] if isinstance(dims, int) else dims)


class PluginTensorDesc:
    """An input or output: dims, type, format (LINEAR), scale."""

    def __init__(self, dims: Sequence[int] = (), type: DataType = DataType.FLOAT) -> None:
        self.dims, self.type, self.format, self.scale = Dims(dims), type, TensorFormat.LINEAR, 0.0


class DynamicPluginTensorDesc:
    """The same with its least and largest dims, which are its dims here."""

    def __init__(self, desc: PluginTensorDesc) -> None:
        self.desc, self.min, self.max, self.opt = desc, desc.dims, desc.dims, desc.dims


# ---- what programs subclass ----


class IPluginCapability:
    """A part of a plugin."""


class IPluginV3OneCore(IPluginCapability):
    """Name, version and namespace: plugin_name, plugin_version, plugin_namespace."""

    plugin_name, plugin_version, plugin_namespace = "", "1", ""


class IPluginV3OneBuild(IPluginCapability):
    """What a build asks: num_outputs, get_output_data_types, get_output_shapes(inputs, shape_inputs, expr_builder), supports_format_combination, configure_plugin."""

    num_outputs = 1

    def configure_plugin(self, inputs: Any, outputs: Any) -> None:
        """Told the shapes."""

    def get_workspace_size(self, inputs: Any, outputs: Any) -> int:
        """Bytes that enqueue wants."""
        return 0

    def get_valid_tactics(self) -> List[int]:
        """Ways to compute it: the first one is set."""
        return []


class IPluginV3OneRuntime(IPluginCapability):
    """What a run asks: enqueue(input_desc, output_desc, inputs, outputs, workspace, stream), with lists of addresses."""

    def on_shape_change(self, inputs: Any, outputs: Any) -> None:
        """Told the shapes of this run."""

    def attach_to_context(self, context: Any) -> Any:
        """The plugin for a context."""
        return self.clone()  # type: ignore[attr-defined]

    def set_tactic(self, tactic: int) -> None:
        """Told how to compute it."""

    def get_fields_to_serialize(self) -> PluginFieldCollection:
        """What the creator makes it of again."""
        return PluginFieldCollection()


class IPluginV3:
    """A plugin in parts: get_capability_interface(type) gives them; clone() a copy."""

    def get_capability_interface(self, type: Any) -> Any:
        """The part; itself, where a class is all of them."""
        return self

    def clone(self) -> Any:
        """A copy."""
        import copy

        return copy.copy(self)


class IPluginV2:
    """What all plugins of TensorRT 8 are. Those that run here are IPluginV2DynamicExt."""


class IPluginV2Ext(IPluginV2):
    """Those with types. The ones that run here are IPluginV2DynamicExt."""


class IPluginV2DynamicExt(IPluginV2Ext):
    """A plugin of TensorRT 8: plugin_type, plugin_version, plugin_namespace, num_outputs, get_output_datatype(index, input_types), get_output_dimensions(index, inputs,
    expr_builder), serialize(), enqueue(…)."""

    plugin_type, plugin_version, plugin_namespace, num_outputs, serialization_size = "", "1", "", 1, 0

    def initialize(self) -> int:
        """Before the first run."""
        return 0

    def terminate(self) -> None:
        """When it is not needed any more."""

    def configure_plugin(self, inputs: Any, outputs: Any) -> None:
        """Told the shapes."""

    def get_workspace_size(self, inputs: Any, outputs: Any) -> int:
        """Bytes that enqueue wants."""
        return 0

    def serialize(self) -> bytes:
        """What the creator makes it of again."""
        return b""

    def clone(self) -> Any:
        """A copy."""
        import copy

        return copy.copy(self)


class IPluginCreator:
    """Makes plugins of TensorRT 8: name, plugin_version, plugin_namespace, field_names, create_plugin(name, fields), deserialize_plugin(name, data)."""

    name, plugin_version, plugin_namespace = "", "1", ""
    field_names = PluginFieldCollection()


class IPluginCreatorV3One:
    """Makes plugins: name, plugin_version, plugin_namespace, field_names, create_plugin(name, fields, phase)."""

    name, plugin_version, plugin_namespace = "", "1", ""
    field_names = PluginFieldCollection()


# ---- the registry ----


class IPluginRegistry:
    """Creators by name, version and namespace."""

    def __init__(self) -> None:
        self.creators: Dict[Tuple[str, str, str], Any] = {}
        self.error_recorder: Any = None
        self.parent_search_enabled = True
        self._ops: Optional[Ops] = None
        self._resources: Dict[str, Any] = {}

    def register_creator(self, creator: Any, plugin_namespace: str = "") -> bool:
        """False: there is one of this name, version and namespace."""
        if plugin_namespace:
            creator.plugin_namespace = plugin_namespace
        key = (str(creator.name), str(creator.plugin_version), str(creator.plugin_namespace or ""))
        if key in self.creators:
            return False
        self.creators[key], self._ops = creator, None
        return True

    def deregister_creator(self, creator: Any) -> bool:
        """False: it is not there."""
        found = [key for key, one in self.creators.items() if one is creator]
        for key in found:
            del self.creators[key]
        self._ops = None
        return bool(found)

    deregister_library = deregister_creator

    def get_creator(self, type: str, version: str = "1", plugin_namespace: str = "") -> Any:
        """None: there is none."""
        return self.creators.get((type, str(version), plugin_namespace))

    get_plugin_creator = get_creator

    @property
    def all_creators(self) -> List[Any]:
        """All of them."""
        return list(self.creators.values())

    all_creators_recursive = plugin_creator_list = all_creators

    def acquire_plugin_resource(self, key: str, resource: Any) -> Any:
        """One object for a key, counted."""
        kept = self._resources.setdefault(key, [resource, 0])
        kept[1] += 1
        return kept[0]

    def release_plugin_resource(self, key: str) -> None:
        """The reverse."""
        kept = self._resources.get(key)
        if kept is not None:
            kept[1] -= 1
            if kept[1] <= 0:
                del self._resources[key]

    def load_library(self, plugin_path: str) -> Any:
        """Not of TensorRT's binary plugins: those of Planish (planish/plugin.h) are given to planish.build as ops."""
        raise NotFound(f"'{plugin_path}' is not loaded: binary plugins of TensorRT cannot be; define the plugin in Python, or in C (planish/plugin.h, planish.Ops.load)")

    def named(self, name: str, namespace: str) -> Dict[str, Any]:
        """Creators of a name and namespace, by version."""
        return {version: creator for (one, version, of), creator in self.creators.items() if (one, of) == (name, namespace)}

    def ops(self) -> Ops:
        """The custom operators that stand for all creators."""
        if self._ops is None:
            made = Ops()
            for name, ns in sorted({(key[0], key[2]) for key in self.creators}):
                work = _Work(name, ns, self.named(name, ns))
                made.add(domain_of(ns), name, inputs=(0, -1), outputs=(1, -1), shape=work.shapes)(work.compute)
            self._ops = made
        return self._ops


_registry = IPluginRegistry()


def get_plugin_registry() -> IPluginRegistry:
    """The registry of the process."""
    return _registry


def registry_ops() -> Optional[Ops]:
    """Operators of the registry; None: it is empty."""
    return _registry.ops() if _registry.creators else None


def domain_of(namespace: str) -> str:
    """The ONNX domain of a namespace's plugins."""
    return f"{PREFIX}.{namespace}" if namespace else PREFIX


def fields_of(attributes: Dict[str, Any]) -> PluginFieldCollection:
    """Attributes of a node as fields; numbers become those of 32 bits, as TensorRT's parser makes them."""
    out = PluginFieldCollection()
    for name, value in attributes.items():
        if name in (VERSION, NAMESPACE, DATA, SHAPE_INPUTS):
            continue
        if isinstance(value, np.ndarray):
            out.append(PluginField(name, value))
        elif isinstance(value, (str, bytes)):
            out.append(PluginField(name, value, PluginFieldType.CHAR))
        else:
            array = np.atleast_1d(np.asarray(value))
            out.append(PluginField(name, array.astype(np.int32 if array.dtype.kind in "iub" else np.float32)))
    return out


def _key(attributes: Dict[str, Any]) -> Any:
    return tuple(sorted((name, value.tobytes() + str(value.dtype).encode() if isinstance(value, np.ndarray) else repr(value)) for name, value in attributes.items()))


class _Work(threading.local):
    """What a plugin does as a custom operator. Each thread has its own plugins; their creators are those that were there when the engine was made, by version."""

    def __init__(self, name: str, namespace: str, creators: Dict[str, Any]) -> None:
        self.name, self.namespace, self.creators = name, namespace, creators
        self.made: Dict[Any, Any] = {}

    def plugin(self, attributes: Dict[str, Any]) -> Any:
        key = _key(attributes)
        if key not in self.made:
            version = _text(attributes.get(VERSION, "1"))
            creator = self.creators.get(version)
            if creator is None:
                raise NotFound(f"plugin '{self.name}', version {version}, namespace '{self.namespace}' is not registered: trt.get_plugin_registry().register_creator(creator)")
            fields = fields_of(attributes)
            if DATA in attributes:
                plugin = creator.deserialize_plugin(self.name, np.asarray(attributes[DATA]).tobytes())
            elif isinstance(creator, IPluginCreatorV3One):
                plugin = creator.create_plugin(self.name, fields, TensorRTPhase.RUNTIME)
            else:
                plugin = creator.create_plugin(self.name, fields)
            if plugin is None:
                raise InvalidArgument(f"the creator of plugin '{self.name}' made nothing of {[f.name for f in fields]}")
            self.made[key] = plugin
        return self.made[key]

    def shapes(self, inputs: Sequence[Any], attributes: Dict[str, Any]) -> List[Any]:
        if any(i is None or i[1] is None for i in inputs):
            return []
        inputs, n_shapes = _in_order(inputs, attributes)
        types = [type_of(dtypes.from_numpy(dtype) or 0) for dtype, _ in inputs]
        values = [_unknown(dims) for _, dims in inputs[len(inputs) - n_shapes :]]
        if None in values:
            return []
        made = outputs_of(self.plugin(attributes), types, [dims for _, dims in inputs], values)
        return [(dtypes.to_numpy(code_of(t)), tuple(None if e.is_size_tensor() else e.value for e in exprs)) for t, exprs in made]

    def compute(self, inputs: Sequence[Any], attributes: Dict[str, Any]) -> List[Any]:
        plugin = self.plugin(attributes)
        inputs, n_shapes = _in_order(inputs, attributes)
        types = [type_of(dtypes.from_numpy(i.dtype) or 0) for i in inputs]
        made = outputs_of(plugin, types, [i.shape for i in inputs], [i.reshape(-1).tolist() for i in inputs[len(inputs) - n_shapes :]])
        shapes = [tuple(e.value for e in exprs) for _, exprs in made]
        if any(d is None for shape in shapes for d in shape):
            raise InvalidArgument(f"plugin '{self.name}' does not tell the shape of its outputs")
        outputs = [np.empty(shape, dtypes.to_numpy(code_of(t))) for (t, _), shape in zip(made, shapes)]
        run(plugin, inputs, types, outputs, [t for t, _ in made])
        for i, (_, exprs) in enumerate(made):
            for axis, e in enumerate(exprs):
                if e.is_size_tensor():
                    outputs[i] = np.take(outputs[i], np.arange(int(outputs[e.size_tensor])), axis=axis)
        return outputs


# ---- shapes of plugins' outputs for a context's inputs ----

# Their output has the shape of their input; networks put them in front of outputs.
_SAME = ("Identity", "Cast")


def told_by_plugins(graph: wire.Graph) -> Dict[str, Any]:
    """Of a model what leads from its inputs to outputs by plugins alone, as JSON can keep it: nodes in order, and types and shapes of the weights that they take."""
    known, nodes = {*graph.inputs, *graph.initializers}, []
    for number, part in graph.parts:
        node = wire.Node(wire.message(part)) if number == wire.GRAPH_NODE else None
        if node is not None and (not node.domain and node.op in _SAME or (node.domain + ".").startswith(PREFIX + ".")) and known.issuperset(node.inputs):
            nodes.append((node, base64.b64encode(wire.message(part)).decode()))
            known.update(node.outputs)
    wanted, kept = set(graph.outputs), []
    for node, text in reversed(nodes):
        if wanted.intersection(node.outputs):
            wanted.update(node.inputs)
            kept.append((node, text))
    if not any(node.domain for node, _ in kept):
        return {}
    weights = {name: [i.code, list(i.shape)] for name, i in graph.initializers.items() if name in wanted}
    return {"nodes": [text for _, text in reversed(kept)], "weights": weights}


def are_told(value: Any) -> bool:
    """Is it what told_by_plugins gives?"""
    if not isinstance(value, dict) or not {"nodes", "weights"}.issuperset(value):
        return False
    weights, nodes = value.get("weights", {}), value.get("nodes", [])
    if not isinstance(weights, dict) or not all(isinstance(w, list) and len(w) == 2 and type(w[0]) is int and 0 < w[0] < 27 and isinstance(w[1], list) for w in weights.values()):
        return False
    if not isinstance(nodes, list) or not all(type(d) is int for _, dims in weights.values() for d in dims):
        return False
    try:
        return all(isinstance(text, str) and base64.b64decode(text, validate=True) for text in nodes)
    except ValueError:
        return False


class PluginShapes:
    """Asks plugins for the shapes of their outputs, where the library, which asks them when it builds, has none. told: of told_by_plugins."""

    def __init__(self, told: Dict[str, Any]) -> None:
        self.weights = {name: (dtypes.to_numpy(code), tuple(dims)) for name, (code, dims) in told.get("weights", {}).items()}
        self.nodes: List[Tuple[wire.Node, Dict[str, Any], Any]] = []
        for text in told.get("nodes", []):
            node = wire.Node(base64.b64decode(text))
            namespace = node.domain[len(PREFIX) + 1 :]
            work = _Work(node.op, namespace, _registry.named(node.op, namespace)) if node.domain else None
            self.nodes.append((node, {name: _value(data) for name, data in node.attributes.items()}, work))

    def of(self, name: str, inputs: Dict[str, Tuple[Any, Tuple[int, ...]]]) -> Optional[Tuple[int, ...]]:
        """The shape of an output. inputs: numpy's types and shapes; None: only a run can tell."""
        known: Dict[str, Any] = {**self.weights, **inputs}
        for node, attributes, work in self.nodes:
            given = [known.get(one) for one in node.inputs]
            try:
                told = given if work is None else work.shapes(given, attributes)
            except InvalidArgument:  # the run will say it
                return None
            known.update(zip(node.outputs, told))
        dims = (known.get(name) or (None, None))[1]
        return None if dims is None or any(d is None for d in dims) else tuple(dims)


def _value(data: Any) -> Any:
    """Of an attribute, as `planish.custom` has it: tensors as arrays."""
    for number, value, _ in wire.fields(data):
        if number == 5 and not isinstance(value, int):
            told = wire.Initializer(value)
            raw = next((bytes(v) for n, v, _ in wire.fields(value) if n == wire.TENSOR_RAW), None)
            kind = dtypes.to_numpy(told.code) if 0 < told.code < 27 else None
            return None if raw is None or kind is None or len(raw) != told.size * kind.itemsize else np.frombuffer(raw, kind).reshape(told.shape)
    return wire.attribute(data)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _in_order(inputs: Sequence[Any], attributes: Dict[str, Any]) -> Tuple[List[Any], int]:
    """Those that tell shapes behind the others, and how many they are."""
    told = [int(i) for i in attributes.get(SHAPE_INPUTS, ())]
    if any(not 0 <= i < len(inputs) for i in told) or len(set(told)) != len(told):
        raise InvalidArgument(f"{SHAPE_INPUTS} is {told}: the node has {len(inputs)} inputs")
    return [one for i, one in enumerate(inputs) if i not in told] + [inputs[i] for i in told], len(told)


def _unknown(dims: Sequence[Optional[int]]) -> Optional[List[None]]:
    """Values of a shape input that are not known yet; None: not even how many."""
    known = [d for d in dims if d is not None and d >= 0]
    return [None] * math.prod(known) if len(known) == len(dims) else None


def outputs_of(plugin: Any, types: Sequence[DataType], dims: Sequence[Sequence[Optional[int]]], values: Sequence[Sequence[Optional[int]]] = ()) -> List[Tuple[DataType, DimsExprs]]:
    """(type, extents) of each output. values: of the inputs that tell shapes, which are the last ones."""
    exprs = [DimsExprs([IDimensionExpr(d) for d in shape]) for shape in dims]
    builder = IExprBuilder()
    if isinstance(plugin, IPluginV2DynamicExt):
        return [(plugin.get_output_datatype(i, list(types)), plugin.get_output_dimensions(i, exprs, builder)) for i in range(plugin.num_outputs)]
    build = plugin.get_capability_interface(PluginCapabilityType.BUILD)
    shapes = build.get_output_shapes(exprs[: len(exprs) - len(values)], [DimsExprs([IDimensionExpr(v) for v in one]) for one in values], builder)
    return list(zip(build.get_output_data_types(list(types)), shapes))


def run(plugin: Any, inputs: Sequence[Any], types: Sequence[DataType], outputs: Sequence[Any], out_types: Sequence[DataType]) -> None:
    """One enqueue, on arrays of the host."""
    descs = [PluginTensorDesc(a.shape, t) for a, t in zip(inputs, types)], [PluginTensorDesc(a.shape, t) for a, t in zip(outputs, out_types)]
    dynamic = [[DynamicPluginTensorDesc(d) for d in side] for side in descs]
    if isinstance(plugin, IPluginV2DynamicExt):
        plugin.configure_plugin(*dynamic)
        runner, size = plugin, plugin.get_workspace_size(*descs)
    else:
        build, runner = plugin.get_capability_interface(PluginCapabilityType.BUILD), plugin.get_capability_interface(PluginCapabilityType.RUNTIME)
        build.configure_plugin(*dynamic)
        tactics = build.get_valid_tactics()
        if tactics:
            runner.set_tactic(tactics[0])
        runner.on_shape_change(*descs)
        size = build.get_workspace_size(*dynamic)
    workspace = np.empty(max(int(size or 0), 1), np.uint8)
    arrays = [np.ascontiguousarray(a) for a in inputs]
    if default_device().startswith("cuda"):
        status = _on_gpu(runner, descs, arrays, outputs, workspace.nbytes)
    else:
        status = runner.enqueue(*descs, [a.ctypes.data for a in arrays], [a.ctypes.data for a in outputs], workspace.ctypes.data, 0)
    if status not in (None, 0):
        raise InvalidArgument(f"the plugin's enqueue returned {status}")


def _on_gpu(runner: Any, descs: Any, inputs: Sequence[Any], outputs: Sequence[Any], workspace: int) -> Any:
    """enqueue with copies on the GPU, on the default stream."""
    from ..pycuda import driver

    there = [[driver.mem_alloc(max(a.nbytes, 1)) for a in side] for side in (inputs, outputs)]
    scratch = driver.mem_alloc(workspace)
    for array, memory in zip(inputs, there[0]):
        if array.nbytes:
            driver.memcpy_htod(memory, array)
    status = runner.enqueue(*descs, [int(m) for m in there[0]], [int(m) for m in there[1]], int(scratch), 0)
    driver.Context.synchronize()
    for array, memory in zip(outputs, there[1]):
        if array.nbytes:
            driver.memcpy_dtoh(array, memory)
    return status


# ---- layers ----


class _PluginLayer(ILayer):
    plugin = Param("The plugin.")

    def __init__(self, network: Any, inputs: Sequence[Any], plugin: Any, shape_inputs: int = 0) -> None:
        if not isinstance(plugin, IPluginV2DynamicExt) and not hasattr(plugin, "get_capability_interface"):
            raise Unsupported(f"a plugin is an IPluginV3 or an IPluginV2DynamicExt, {type(plugin).__name__} is neither")
        self._shape_inputs = shape_inputs
        self.__dict__["outputs_count"] = int((plugin if isinstance(plugin, IPluginV2DynamicExt) else plugin.get_capability_interface(PluginCapabilityType.BUILD)).num_outputs)
        super().__init__(network, inputs, plugin=plugin)

    def _outputs(self) -> List[Tuple[DataType, DimsExprs]]:
        values = [_unknown(t.shape) for t in self.inputs[len(self.inputs) - self._shape_inputs :]]  # type: ignore[union-attr]
        if None in values:
            raise self.fail("how many values a shape input has is not known: give it a shape without -1")
        return outputs_of(self.plugin, [type_of(t.code) for t in self.inputs], [[None] * t.rank for t in self.inputs], values)  # type: ignore[union-attr, arg-type]

    def rank_of(self, index: int) -> int:
        return len(self._outputs()[index][1])

    def code_of(self, index: int) -> int:
        return code_of(self._outputs()[index][0])

    def _emit(self, e: Emitter, name: str, version: str, namespace: str, attributes: Dict[str, Any]) -> List[str]:
        if _registry.get_creator(name, version, namespace) is None:
            raise NotFound(f"layer '{self.name}': the creator of plugin '{name}', version {version}, namespace '{namespace}' is not registered: trt.get_plugin_registry().register_creator(creator)")
        domain = domain_of(namespace)
        e.ops.add(domain)
        told = {VERSION: version, NAMESPACE: namespace, **attributes}
        if self._shape_inputs:
            told[SHAPE_INPUTS] = list(range(len(self.inputs)))[-self._shape_inputs :]
        return e.node(name, *[e.value(t) for t in self.inputs], outs=self.outputs_count, domain=domain, **told)


class IPluginV2Layer(_PluginLayer):
    """A plugin of TensorRT 8 as a layer."""

    layer_type, title = LayerType.PLUGIN_V2, "PluginV2"

    def emit(self, e: Emitter) -> List[str]:
        p = self.plugin
        return self._emit(e, str(p.plugin_type), str(p.plugin_version), str(p.plugin_namespace or ""), {DATA: np.frombuffer(bytes(p.serialize()), np.uint8)})


class IPluginV3Layer(_PluginLayer):
    """A plugin as a layer."""

    layer_type, title = LayerType.PLUGIN_V3, "PluginV3"

    def emit(self, e: Emitter) -> List[str]:
        core, runtime = self.plugin.get_capability_interface(PluginCapabilityType.CORE), self.plugin.get_capability_interface(PluginCapabilityType.RUNTIME)
        fields = runtime.get_fields_to_serialize() or []
        told = {f.name: f.data.decode("utf-8", "surrogateescape") if isinstance(f.data, bytes) else np.asarray(f.data) for f in fields if f.data is not None}
        return self._emit(e, str(core.plugin_name), str(core.plugin_version), str(core.plugin_namespace or ""), told)
