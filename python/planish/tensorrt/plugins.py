"""Plugins: operators that a program defines by subclasses, found again by name, version and namespace when a plan is loaded.

They are Planish's custom operators: between the steps of an engine, on the host. Where the engine runs on a GPU, inputs and outputs are copied to it and back around
`enqueue`, which gets addresses of the GPU, as in TensorRT.
"""
from __future__ import annotations

import base64
import math
import threading
import weakref
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

import numpy as np

from .. import dtypes
from ..build import default_device
from ..custom import Ops, calling
from ..errors import Error, InvalidArgument, NotFound, Unsupported
from . import wire
from .base import DataType, Dims, Named, code_of, generation, type_of
from .enums import LayerType, PluginCapabilityType, PluginFieldType, TensorFormat, TensorRTPhase
from .network import Emitter, ILayer, Param

QUICK_PLUGINS = "make a class of trt.IPluginV3 and its parts, register its creator at trt.get_plugin_registry(), and add it with network.add_plugin_v3"
PREFIX = "trt.plugins"
VERSION, NAMESPACE, DATA = "plugin_version", "plugin_namespace", "planish_data"
# Of a node: which of its inputs tell shapes by their values, as TensorRT's parser calls it.
SHAPE_INPUTS = "tensorrt_plugin_shape_input_indices"
# Of a node that a build made of a layer: the types of inputs and outputs that the plugin agreed to, and the tactic that was chosen.
TYPES, TACTIC = "planish_types", "planish_tactic"

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

    def supports_format_combination(self, pos: int, in_out: Any, num_inputs: int) -> bool:
        """May input or output `pos` have that type and format, where those before it have theirs? Asked in builds."""
        return True

    def configure_plugin(self, inputs: Any, outputs: Any) -> None:
        """Told types and shapes in a build, -1 for dynamic extents."""

    def get_workspace_size(self, inputs: Any, outputs: Any) -> int:
        """Bytes that enqueue wants."""
        return 0

    def get_valid_tactics(self) -> List[int]:
        """Ways to compute it: the first one is set."""
        return []


class IPluginV3OneBuildV2(IPluginV3OneBuild):
    """A build part whose outputs may lie in the memory of inputs."""

    def get_aliased_input(self, output_index: int) -> int:
        """Which input's memory an output is, in enqueue, which finds the input's elements there and changes them; -1: none. The network's tensor stays as it is."""
        return -1


class IPluginV3OneRuntime(IPluginCapability):
    """What a run asks: enqueue(input_desc, output_desc, inputs, outputs, workspace, stream), with lists of addresses."""

    def on_shape_change(self, inputs: Any, outputs: Any) -> None:
        """Told the shapes of this run."""

    def attach_to_context(self, context: Any) -> Any:
        """The plugin for a context, of which it gets an IPluginResourceContext: a clone."""
        return self.clone()  # type: ignore[attr-defined]

    def set_tactic(self, tactic: int) -> None:
        """Told how to compute it."""

    def get_fields_to_serialize(self) -> PluginFieldCollection:
        """What the creator makes it of again."""
        return PluginFieldCollection()


class IPluginResource:
    """What plugins share (IPluginRegistry.acquire_plugin_resource): clone() gives the one that is shared, release() is called when nobody has it any more."""

    def clone(self) -> Any:
        """A copy."""
        import copy

        return copy.copy(self)

    def release(self) -> None:
        """Lets go of what it holds."""


class IPluginResourceContext:
    """What a plugin may use of a context: gpu_allocator, error_recorder."""

    def __init__(self, gpu_allocator: Any = None, error_recorder: Any = None) -> None:
        self.gpu_allocator, self.error_recorder = gpu_allocator, error_recorder


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

    def supports_format_combination(self, pos: int, in_out: Any, num_inputs: int) -> bool:
        """May input or output `pos` have that type and format, where those before it have theirs? Asked in builds."""
        return True

    def initialize(self) -> int:
        """Of the clone that a context has, before its first run."""
        return 0

    def terminate(self) -> None:
        """When the context goes."""

    def configure_plugin(self, inputs: Any, outputs: Any) -> None:
        """Told types and shapes: in a build, -1 for dynamic extents; of a context's clone when they are others than in the run before."""

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
        """One object for a key, counted: the clone of the first IPluginResource that is given."""
        if key not in self._resources:
            self._resources[key] = [resource.clone() if isinstance(resource, IPluginResource) else resource, 0]
        kept = self._resources[key]
        kept[1] += 1
        return kept[0]

    def release_plugin_resource(self, key: str) -> None:
        """The reverse."""
        kept = self._resources.get(key)
        if kept is not None:
            kept[1] -= 1
            if kept[1] <= 0:
                del self._resources[key]
                if isinstance(kept[0], IPluginResource):
                    kept[0].release()

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
        if name in (VERSION, NAMESPACE, DATA, SHAPE_INPUTS, TYPES, TACTIC):
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


# ---- who a plugin works for ----


class Scope:
    """What is done within `with` is done by one build, or one context: the plugins of each layer are its own."""

    _now = threading.local()

    def __init__(self, permitted: Sequence[DataType] = (), layers: Optional[Dict[Any, Any]] = None, clones: Optional[Dict[Any, Any]] = None, resources: Any = None, builds: bool = False) -> None:
        """permitted: types that plugins may get in place of FLOAT. layers, clones: those of an engine and of a context, by their places in the engine; None: by attributes. builds: a build
        asks for shapes."""
        self.permitted, self.resources, self.builds, self.has_places = permitted, resources, builds, layers is not None
        self.layers: Dict[Any, Any] = {} if layers is None else layers
        self.clones: Dict[Any, Any] = {} if clones is None else clones

    def __enter__(self) -> "Scope":
        self._before = getattr(Scope._now, "scope", None)
        Scope._now.scope = self
        return self

    def __exit__(self, *_: Any) -> None:
        Scope._now.scope = self._before

    @classmethod
    def now(cls) -> "Optional[Scope]":
        """None: nobody said for whom."""
        return getattr(cls._now, "scope", None)


def finish(clones: Dict[Any, Any]) -> None:
    """Of a context that goes."""
    while clones:
        clones.popitem()[1].finish()


def scope_of(context: Any, permitted: Sequence[DataType], resources: Any) -> Scope:
    """For the runs of a planish.Context, with whom its clones go."""
    layers = context.engine.__dict__.setdefault("_plugin_layers", {})
    clones = context.__dict__.get("_plugin_clones")
    if clones is None:
        clones = context.__dict__.setdefault("_plugin_clones", {})
        weakref.finalize(context, finish, clones)
    return Scope(permitted, layers, clones, resources)


class _Layer:
    """A plugin in an engine, of which contexts have clones."""

    def __init__(self, work: "_Work", attributes: Dict[str, Any]) -> None:
        self.work = work
        self.types: Optional[List[DataType]] = [DataType(t) for t in attributes[TYPES]] if TYPES in attributes else None
        self.tactic = int(attributes.get(TACTIC, 0))
        phase = TensorRTPhase.BUILD if self.types is None else TensorRTPhase.RUNTIME
        self.plugin = work.made(attributes, phase, attributes.get(DATA), fields_of(attributes))

    def settle(self, attributes: Dict[str, Any], types: Sequence[DataType], dims: Sequence[Sequence[Optional[int]]], made: Sequence[Tuple[DataType, DimsExprs]], permitted: Sequence[DataType]) -> None:
        """Of a node that no build made of a layer, but a model has: what a build does, and the plugin made of what it serializes."""
        plugin, work = self.plugin, self.work
        found, tactic = agreed(plugin, types, dims, made, permitted)
        if isinstance(plugin, IPluginV2DynamicExt):
            plugin = work.made(attributes, TensorRTPhase.RUNTIME, np.frombuffer(bytes(plugin.serialize()), np.uint8))
        else:
            runtime = plugin.get_capability_interface(PluginCapabilityType.RUNTIME)
            if getattr(type(runtime), "get_fields_to_serialize", None) is not IPluginV3OneRuntime.get_fields_to_serialize:  # one that tells none goes on as it is
                plugin = work.made(attributes, TensorRTPhase.RUNTIME, None, PluginFieldCollection(runtime.get_fields_to_serialize() or []))
        self.plugin, self.tactic = plugin, tactic
        self.types = found  # last: others look at it first


class _Clone:
    """A layer's plugin in one context."""

    def __init__(self, layer: _Layer, resources: Any) -> None:
        self.layer, plugin = layer, layer.plugin
        self.is_v2 = isinstance(plugin, IPluginV2DynamicExt)
        runtime = None if self.is_v2 else plugin.get_capability_interface(PluginCapabilityType.RUNTIME)
        # A part of a plugin that does not say how it is attached cannot clone the whole.
        is_plain = runtime is None or getattr(type(runtime), "attach_to_context", None) is IPluginV3OneRuntime.attach_to_context
        self.plugin = plugin.clone() if is_plain else runtime.attach_to_context(resources or IPluginResourceContext())
        if self.plugin is None:
            raise InvalidArgument(f"plugin '{layer.work.name}': {'clone' if is_plain else 'attach_to_context'} gave None, not the plugin of a context")
        self.runner = self.plugin if self.is_v2 else self.plugin.get_capability_interface(PluginCapabilityType.RUNTIME)
        self.shapes: Any = None
        self.aliases: Dict[int, int] = {}  # outputs that are inputs' memory
        self.is_ready = False
        self.workspace = np.empty(1, np.uint8)

    def _call(self, name: str, *given: Any) -> Any:
        status = getattr(self.runner, name)(*given)
        if status not in (None, 0):
            raise InvalidArgument(f"{name} of plugin '{self.layer.work.name}' returned {status}")

    def _prepare(self, descs: Any) -> None:
        """Whatever comes before an enqueue whose shapes are others than those of the last one."""
        dynamic = [[DynamicPluginTensorDesc(d) for d in side] for side in descs]
        if self.is_v2:
            self._call("configure_plugin", *dynamic)
        if not self.is_ready and self.is_v2:
            self._call("initialize")
        elif not self.is_ready:
            self._call("set_tactic", self.layer.tactic)
        self.is_ready = True
        if self.is_v2:
            size = self.plugin.get_workspace_size(*descs)
        else:
            self._call("on_shape_change", *descs)
            size = self.plugin.get_capability_interface(PluginCapabilityType.BUILD).get_workspace_size(*dynamic)
        if int(size or 0) > self.workspace.nbytes:
            self.workspace = np.empty(int(size), np.uint8)

    def _alias(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> Dict[int, int]:
        """By output: the input whose memory it is."""
        if self.is_v2:
            return {}
        ask = getattr(self.plugin.get_capability_interface(PluginCapabilityType.BUILD), "get_aliased_input", None)
        told = {i: int(ask(i)) for i in range(len(outputs))} if ask is not None else {}
        aliases = {i: k for i, k in told.items() if k >= 0}
        for i, k in aliases.items():
            if k >= len(inputs) or inputs[k].shape != outputs[i].shape or inputs[k].dtype != outputs[i].dtype or list(aliases.values()).count(k) > 1:
                raise InvalidArgument(f"plugin '{self.layer.work.name}': output {i} cannot be the memory of input {k}: both have one type and shape, and an input is one output's")
        return aliases

    def run(self, inputs: Sequence[Any], outputs: List[Any], types: Sequence[DataType]) -> None:
        """One enqueue, on arrays of the host. Outputs that are inputs' memory become those arrays."""
        arrays = [np.ascontiguousarray(a) for a in inputs]
        self.aliases = self._alias(arrays, outputs)
        for i, k in self.aliases.items():
            outputs[i] = arrays[k] = np.array(arrays[k])  # the one that the network has stays as it is
        descs = [PluginTensorDesc(a.shape, t) for a, t in zip(arrays, types)], [PluginTensorDesc(a.shape, t) for a, t in zip(outputs, types[len(arrays) :])]
        shapes = [tuple(d.dims) for side in descs for d in side]
        if shapes != self.shapes:
            self.shapes = None
            self._prepare(descs)
            self.shapes = shapes
        if default_device().startswith("cuda"):
            status = _on_gpu(self.runner, descs, arrays, outputs, self.workspace.nbytes, self.aliases)
        else:
            status = self.runner.enqueue(*descs, [a.ctypes.data for a in arrays], [a.ctypes.data for a in outputs], self.workspace.ctypes.data, 0)
        if status not in (None, 0):
            raise InvalidArgument(f"the plugin's enqueue returned {status}")

    def finish(self) -> None:
        """When its context goes."""
        if self.is_v2 and self.is_ready:
            self.is_ready = False
            self.runner.terminate()


class _Work(threading.local):
    """What a plugin does as a custom operator; its creators are those that were there when the engine was made, by version. Where nobody says for whom it works (Scope), as in
    engines of planish.load, each thread has a plugin for all layers of the same attributes."""

    def __init__(self, name: str, namespace: str, creators: Dict[str, Any]) -> None:
        self.name, self.namespace, self.creators = name, namespace, creators
        self.own = Scope()

    def made(self, attributes: Dict[str, Any], phase: Any, data: Any, fields: Any = ()) -> Any:
        """A plugin of its creator: of bytes that one serialized, or of fields; the node's attributes tell which version."""
        version = _text(attributes.get(VERSION, "1"))
        creator = self.creators.get(version)
        if creator is None:
            raise NotFound(f"plugin '{self.name}', version {version}, namespace '{self.namespace}' is not registered: trt.get_plugin_registry().register_creator(creator)")
        if data is not None:
            plugin = creator.deserialize_plugin(self.name, np.asarray(data).tobytes())
        elif isinstance(creator, IPluginCreatorV3One):
            plugin = creator.create_plugin(self.name, fields, phase)
        else:
            plugin = creator.create_plugin(self.name, fields)
        if plugin is None:
            raise InvalidArgument(f"the creator of plugin '{self.name}' made nothing of {[f.name for f in fields]}")
        return plugin

    def layer(self, attributes: Dict[str, Any]) -> Tuple[_Layer, Scope, Any]:
        """The layer that is asked for, for whom, and its key there."""
        scope = Scope.now() or self.own
        key: Any = calling.step if scope.has_places else (self.name, self.namespace, _key(attributes))
        with _making:
            if key not in scope.layers:
                scope.layers[key] = _Layer(self, attributes)
        return scope.layers[key], scope, key

    def _asked(self, layer: _Layer, attributes: Dict[str, Any], inputs: Sequence[Any], shapes: Sequence[Any], values: Sequence[Any], settles: bool, permitted: Sequence[DataType]) -> Any:
        """(type, extents) of the outputs."""
        types = [type_of(dtypes.from_numpy(dtype) or 0) for dtype in inputs]
        made = outputs_of(layer.plugin, types, shapes, values)
        if not settles or layer.types is not None:
            return made
        with _making:
            if layer.types is None and any(d is None for shape in shapes for d in shape):  # a build, which asks what can be asked without extents
                combination(layer.plugin, types, shapes, made, permitted)
            elif layer.types is None:
                layer.settle(attributes, types, shapes, made, permitted)
        return made

    def shapes(self, inputs: Sequence[Any], attributes: Dict[str, Any]) -> List[Any]:
        if any(i is None or i[1] is None for i in inputs):
            return []
        inputs, n_shapes = _in_order(inputs, attributes)
        values = [_unknown(dims) for _, dims in inputs[len(inputs) - n_shapes :]]
        if None in values:
            return []
        layer, scope, _ = self.layer(attributes)
        made = self._asked(layer, attributes, [dtype for dtype, _ in inputs], [dims for _, dims in inputs], values, scope.builds or scope.has_places, scope.permitted)
        return [(dtypes.to_numpy(code_of(t)), tuple(None if e.is_size_tensor() else e.value for e in exprs)) for t, exprs in made]

    def compute(self, inputs: Sequence[Any], attributes: Dict[str, Any]) -> List[Any]:
        layer, scope, key = self.layer(attributes)
        inputs, n_shapes = _in_order(inputs, attributes)
        values = [i.reshape(-1).tolist() for i in inputs[len(inputs) - n_shapes :]]
        made = self._asked(layer, attributes, [i.dtype for i in inputs], [i.shape for i in inputs], values, True, scope.permitted)
        shapes = [tuple(e.value for e in exprs) for _, exprs in made]
        if any(d is None for shape in shapes for d in shape):
            raise InvalidArgument(f"plugin '{self.name}' does not tell the shape of its outputs")
        types = layer.types or []
        if len(types) != len(inputs) + len(made):
            raise InvalidArgument(f"plugin '{self.name}' has {len(inputs)} inputs and {len(made)} outputs here, and had {len(types)} together in the build")
        kinds = [dtypes.to_numpy(code_of(t)) for t in types]
        if key not in scope.clones:
            scope.clones[key] = _Clone(layer, scope.resources)
        outputs = [np.empty(shape, kind) for kind, shape in zip(kinds[len(inputs) :], shapes)]
        with np.errstate(over="ignore"):  # what a half does not hold is infinite
            given = [i.astype(kind, copy=False) for i, kind in zip(inputs, kinds)]
        scope.clones[key].run(given, outputs, types)
        for i, (_, exprs) in enumerate(made):
            for axis, e in enumerate(exprs):
                if e.is_size_tensor():
                    outputs[i] = np.take(outputs[i], np.arange(int(outputs[e.size_tensor])), axis=axis)
        return [array.astype(dtypes.to_numpy(code_of(t)), copy=False) for array, (t, _) in zip(outputs, made)]


# Plugins of an engine are made once, whoever comes first. They may ask for shapes of others meanwhile.
_making = threading.RLock()


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
                if work is not None:
                    with work.own:
                        given = work.shapes(given, attributes)
            except InvalidArgument:  # the run will say it
                return None
            known.update(zip(node.outputs, given))
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


def _choices(kind: DataType, permitted: Sequence[DataType]) -> List[DataType]:
    """Types that an input or output of the network's type may have in a plugin, in the order in which they are tried."""
    if kind == DataType.FLOAT:
        return [kind, *permitted]
    return [kind, DataType.INT32] if kind == DataType.INT64 and generation() == 8 else [kind]


def _build_part(plugin: Any) -> Any:
    return plugin if isinstance(plugin, IPluginV2DynamicExt) else plugin.get_capability_interface(PluginCapabilityType.BUILD)


def combination(plugin: Any, types: Sequence[DataType], dims: Sequence[Sequence[Optional[int]]], made: Sequence[Tuple[DataType, DimsExprs]], permitted: Sequence[DataType]) -> List[PluginTensorDesc]:
    """Asks a plugin for each input and output, in their order, which type it takes there: the first combination that is found. types, dims: of the inputs in the network; made: of
    outputs_of. Row-major is the only format."""
    is_v2, build = isinstance(plugin, IPluginV2DynamicExt), _build_part(plugin)
    shapes = [[-1 if d is None else d for d in shape] for shape in [*dims, *([e.value for e in exprs] for _, exprs in made)]]
    wanted = [*types, *(t for t, _ in made)]
    descs = [PluginTensorDesc(shape, t) for shape, t in zip(shapes, wanted)]
    asked = descs if is_v2 else [DynamicPluginTensorDesc(d) for d in descs]
    ask = getattr(build, "supports_format_combination", None)

    def found(pos: int) -> bool:
        if pos == len(descs):
            return True
        for choice in _choices(wanted[pos], permitted):
            descs[pos].type = choice
            if (ask is None or ask(pos, asked, len(types))) and found(pos + 1):
                return True
        descs[pos].type = wanted[pos]
        return False

    if not found(0):
        told = ", ".join(t.name for t in wanted)
        raise Unsupported(f"plugin '{_name_of(plugin)}' supports no combination of row-major (LINEAR) inputs and outputs that are {told}" + (f", or {permitted[0].name} for FLOAT" if permitted else "; HALF for FLOAT is tried where BuilderFlag.FP16 is set"))  # fmt: skip
    return descs


def agreed(plugin: Any, types: Sequence[DataType], dims: Sequence[Sequence[Optional[int]]], made: Sequence[Tuple[DataType, DimsExprs]],
           permitted: Sequence[DataType], bounds: Sequence[Sequence[Sequence[int]]] = ()) -> Tuple[List[DataType], int]:  # fmt: skip
    """What a build does with a plugin: finds a combination of types, configures it for that, and asks for its tactics. bounds: least, usual and largest shapes of inputs and outputs, where a
    profile tells them. Returns the types and the first tactic, 0 where there is none."""
    descs = combination(plugin, types, dims, made, permitted)
    dynamic = [DynamicPluginTensorDesc(d) for d in descs]
    for one, told_shapes in zip(dynamic, zip(*bounds)):
        one.min, one.opt, one.max = map(Dims, told_shapes)
    sides = dynamic[: len(types)], dynamic[len(types) :]
    status = _build_part(plugin).configure_plugin(*sides)
    if status not in (None, 0):
        raise InvalidArgument(f"configure_plugin of plugin '{_name_of(plugin)}' returned {status}")
    tactics = [] if isinstance(plugin, IPluginV2DynamicExt) else _build_part(plugin).get_valid_tactics()
    return [d.type for d in descs], int(tactics[0]) if tactics else 0


def _name_of(plugin: Any) -> str:
    return str(plugin.plugin_type if isinstance(plugin, IPluginV2DynamicExt) else plugin.get_capability_interface(PluginCapabilityType.CORE).plugin_name)


def _on_gpu(runner: Any, descs: Any, inputs: Sequence[Any], outputs: Sequence[Any], workspace: int, aliases: Dict[int, int]) -> Any:
    """enqueue with copies on the GPU, on the default stream. aliases: outputs that are inputs' memory."""
    from ..pycuda import driver

    there = [[driver.mem_alloc(max(a.nbytes, 1)) for a in inputs]]
    there.append([there[0][aliases[i]] if i in aliases else driver.mem_alloc(max(a.nbytes, 1)) for i, a in enumerate(outputs)])
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


def _shape_of(tensor: Any) -> List[Optional[int]]:
    """As it is known in a build."""
    try:
        return [d if d >= 0 else None for d in tensor.shape]
    except Error:
        return [None] * tensor.rank


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

    def with_extents(self, extents: Dict[str, int]) -> List[List[Optional[int]]]:
        """Shapes of the outputs with extents of a profile."""
        values = [_unknown(t.shape) for t in self.inputs[len(self.inputs) - self._shape_inputs :]]  # type: ignore[union-attr]
        made = outputs_of(self.plugin, [type_of(t.code) for t in self.inputs], [self.network._with_extents(t, extents) for t in self.inputs], values)  # type: ignore[union-attr, arg-type]
        return [[x.value for x in exprs] for _, exprs in made]

    def _built(self, e: Emitter) -> Tuple[Any, Dict[str, Any]]:
        """A clone of the plugin that was configured, and what was agreed; where no engine is built the plugin itself."""
        if e.permitted is None:
            return self.plugin, {}
        plugin = self.plugin.clone()
        if plugin is None:
            raise self.fail("clone() of its plugin gave None")
        types, dims = [type_of(t.code) for t in self.inputs], [_shape_of(t) for t in self.inputs]  # type: ignore[union-attr, arg-type]
        values = [_unknown(t.shape) for t in self.inputs[len(self.inputs) - self._shape_inputs :]]  # type: ignore[union-attr]
        bounds = []
        for extents in e.extents:
            shapes = [*(self.network._with_extents(t, extents) for t in self.inputs), *self.with_extents(extents)]
            bounds.append([[-1 if d is None else d for d in shape] for shape in shapes])
        agreement, tactic = agreed(plugin, types, dims, outputs_of(plugin, types, dims, values), e.permitted, bounds)  # type: ignore[arg-type]
        return plugin, {TYPES: [int(t) for t in agreement], TACTIC: tactic}

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
        p, told = self._built(e)
        return self._emit(e, str(p.plugin_type), str(p.plugin_version), str(p.plugin_namespace or ""), {DATA: np.frombuffer(bytes(p.serialize()), np.uint8), **told})


class IPluginV3Layer(_PluginLayer):
    """A plugin as a layer."""

    layer_type, title = LayerType.PLUGIN_V3, "PluginV3"

    def emit(self, e: Emitter) -> List[str]:
        plugin, agreement = self._built(e)
        core, runtime = plugin.get_capability_interface(PluginCapabilityType.CORE), plugin.get_capability_interface(PluginCapabilityType.RUNTIME)
        fields = runtime.get_fields_to_serialize() or []
        told = {f.name: f.data.decode("utf-8", "surrogateescape") if isinstance(f.data, bytes) else np.asarray(f.data) for f in fields if f.data is not None}
        return self._emit(e, str(core.plugin_name), str(core.plugin_version), str(core.plugin_namespace or ""), {**told, **agreement})
