"""Runtimes, engines and contexts, with bindings (8) and with names (8.5 and later).

Addresses are the GPU's where the engine runs on one; on a CPU the same program gives addresses of host memory (planish.pycuda, numpy's `array.ctypes.data`), and streams
have no meaning.
"""
from __future__ import annotations

import json
from typing import Any, Dict, List, Optional, Sequence, Union

import numpy as np

from .. import arrays, dtypes
from .. import engine as _engine
from .._native import lib
from ..build import load
from ..errors import Error, InvalidArgument, NotFound
from .base import DataType, Dims, IHostMemory, Managed, Reports, type_of
from .builder import PROFILES
from .plugin import registry_ops
from .enums import LayerInformationFormat, TensorFormat, TensorIOMode, TensorLocation

I32, I64 = 6, 7


class Runtime(Reports):
    """Loads engines."""

    max_threads, DLA_core, num_DLA_cores = 1, -1, 0

    def deserialize_cuda_engine(self, serialized_engine: Any) -> Optional["ICudaEngine"]:
        """Of a plan's bytes, or an object with read(size). None, and a line in the log: it is no plan, or for another machine."""
        try:
            if hasattr(serialized_engine, "read"):
                parts = iter(lambda: bytes(serialized_engine.read(1 << 24)), b"")
                serialized_engine = b"".join(parts)
            return ICudaEngine(load(bytes(serialized_engine), ops=registry_ops()), self.logger)
        except Error as raised:
            self.report(raised)
            return None


class ICudaEngine(Managed):
    """A loaded plan."""

    has_implicit_batch_dimension, refittable, max_batch_size, num_aux_streams = False, False, 1, 0

    def __init__(self, engine: _engine.Engine, logger: Any) -> None:
        for info in engine.inputs + engine.outputs:
            if info.kind != "tensor" or info.code == dtypes.STRING:
                raise InvalidArgument(f"'{info.name}' is a {info.kind if info.kind != 'tensor' else 'tensor of strings'}, which TensorRT's interface does not have: use planish.load and planish.Engine")
        self.engine, self.logger = engine, logger
        self.infos = {i.name: i for i in engine.inputs + engine.outputs}
        self.names = list(self.infos)
        self._profiles: List[Dict[str, Any]] = json.loads(engine.metadata.get(PROFILES, "[]"))

    @property
    def name(self) -> str:
        """Of the network."""
        return self.engine.name

    # ---- names ----

    @property
    def num_io_tensors(self) -> int:
        """Inputs and outputs."""
        return len(self.names)

    def get_tensor_name(self, index: int) -> str:
        """Inputs first, in the model's order."""
        return self.names[index]

    def _info(self, name: str) -> _engine.TensorInfo:
        if name not in self.infos:
            raise NotFound(f"the engine has no input or output '{name}'; it has {', '.join(self.names)}")
        return self.infos[name]

    def get_tensor_mode(self, name: str) -> Any:
        """Input or output?"""
        return TensorIOMode.INPUT if self._info(name) in self.engine.inputs else TensorIOMode.OUTPUT

    def get_tensor_shape(self, name: str) -> Dims:
        """-1 for dynamic extents."""
        return Dims(d if isinstance(d, int) else -1 for d in self._info(name).shape or ())

    def get_tensor_dtype(self, name: str) -> DataType:
        """INT32 in place of INT64 in an engine that was built in generation 8."""
        return type_of(self._info(name).code)

    def get_tensor_location(self, name: str) -> Any:
        """Where the address given for it must point."""
        return TensorLocation.DEVICE if self._info(name) else TensorLocation.HOST

    def get_tensor_format(self, name: str) -> Any:
        """LINEAR."""
        return TensorFormat.LINEAR if self._info(name) else None

    def get_tensor_format_desc(self, name: str) -> str:
        """For people."""
        return f"Row major linear {self.get_tensor_dtype(name).name} format"

    def get_tensor_bytes_per_component(self, name: str) -> int:
        """-1: not vectorized."""
        return -1 if self._info(name) else 0

    def get_tensor_components_per_element(self, name: str) -> int:
        """-1: not vectorized."""
        return -1 if self._info(name) else 0

    def get_tensor_vectorized_dim(self, name: str) -> int:
        """-1: none."""
        return -1 if self._info(name) else 0

    def is_shape_inference_io(self, name: str) -> bool:
        """All inputs and outputs are ordinary ones."""
        return self._info(name) is None

    @property
    def num_optimization_profiles(self) -> int:
        """As the builder was given, at least 1."""
        return max(len(self._profiles), 1)

    def get_tensor_profile_shape(self, name: str, profile_index: int = 0) -> List[Dims]:
        """[min, opt, max]; where no profile tells them the engine's shape three times."""
        self._info(name)
        if not 0 <= profile_index < self.num_optimization_profiles:
            raise InvalidArgument(f"there are {self.num_optimization_profiles} optimization profiles, {profile_index} is none")
        told = self._profiles[profile_index].get(name) if self._profiles else None
        return [Dims(s) for s in told] if told else [self.get_tensor_shape(name)] * 3

    # ---- bindings ----

    @property
    def num_bindings(self) -> int:
        """Inputs and outputs."""
        return len(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: Union[int, str]) -> Any:
        return self.get_binding_index(index) if isinstance(index, str) else self.names[index]

    def _of(self, binding: Union[int, str]) -> str:
        return binding if isinstance(binding, str) else self.names[binding]

    def get_binding_name(self, index: int) -> str:
        """Of binding `index`."""
        return self.names[index]

    def get_binding_index(self, name: str) -> int:
        """-1: no such binding."""
        return self.names.index(name) if name in self.infos else -1

    def binding_is_input(self, binding: Union[int, str]) -> bool:
        """Input or output?"""
        return self.get_tensor_mode(self._of(binding)) == TensorIOMode.INPUT

    def get_binding_shape(self, binding: Union[int, str]) -> Dims:
        """-1 for dynamic extents."""
        return self.get_tensor_shape(self._of(binding))

    def get_binding_dtype(self, binding: Union[int, str]) -> DataType:
        """Its element type."""
        return self.get_tensor_dtype(self._of(binding))

    def get_profile_shape(self, profile_index: int, binding: Union[int, str]) -> List[Dims]:
        """[min, opt, max]."""
        return self.get_tensor_profile_shape(self._of(binding), profile_index)

    def is_execution_binding(self, binding: Union[int, str]) -> bool:
        """True."""
        return self._of(binding) in self.infos

    def is_shape_binding(self, binding: Union[int, str]) -> bool:
        """False."""
        return self._of(binding) not in self.infos

    def get_location(self, binding: Union[int, str]) -> Any:
        """Where its address must point."""
        return self.get_tensor_location(self._of(binding))

    # ---- the rest ----

    @property
    def num_layers(self) -> int:
        """Layers of the plan."""
        return len(self.engine)

    @property
    def device_memory_size(self) -> int:
        """A context asks for its memory itself."""
        return 0

    device_memory_size_v2 = device_memory_size

    def serialize(self) -> IHostMemory:
        """The plan's bytes."""
        return IHostMemory(self.engine.to_bytes())

    def create_execution_context(self, strategy: Any = None) -> "IExecutionContext":
        """A new context."""
        return IExecutionContext(self)

    def create_engine_inspector(self) -> "EngineInspector":
        """Tells about layers."""
        return EngineInspector(self)


class EngineInspector:
    """Layers of an engine as text."""

    def __init__(self, engine: ICudaEngine) -> None:
        self.engine, self.execution_context = engine, None

    def _told(self, index: int) -> Dict[str, Any]:
        layer = self.engine.engine[index]
        return {"Name": layer.name or layer.op, "LayerType": layer.op, "TacticName": layer.kernel, "Device": layer.device}

    def get_layer_information(self, layer_index: int, format: Any = LayerInformationFormat.ONELINE) -> str:
        """One layer: its name, or an object of JSON."""
        told = self._told(layer_index)
        return json.dumps(told) if format == LayerInformationFormat.JSON else str(told["Name"])

    def get_engine_information(self, format: Any = LayerInformationFormat.ONELINE) -> str:
        """All of them."""
        told = [self._told(i) for i in range(self.engine.num_layers)]
        if format == LayerInformationFormat.JSON:
            return json.dumps({"Layers": told, "Bindings": self.engine.names})
        return "\n".join(str(t["Name"]) for t in told)


class IExecutionContext(Reports):
    """A running inference. Methods that return a bool log why they return False."""

    nvtx_verbosity, debug_sync, enqueue_emits_profile, persistent_cache_limit, active_optimization_profile, name = None, False, True, 0, 0, ""

    def __init__(self, engine: ICudaEngine) -> None:
        super().__init__(engine.logger)
        self.engine, self.context = engine, engine.engine.context()
        self._shapes: Dict[str, Dims] = {}
        self._addresses: Dict[str, int] = {}
        self._allocators: Dict[str, Any] = {}
        self._profiler: Any = None
        self._where = arrays.DEVICE if engine.engine.device.startswith("cuda") else arrays.HOST

    # ---- shapes ----

    def set_input_shape(self, name: str, shape: Sequence[int]) -> bool:
        """Of an input for the runs to come."""
        try:
            if self.engine.get_tensor_mode(name) != TensorIOMode.INPUT:
                raise InvalidArgument(f"'{name}' is an output: its shape follows from the inputs'")
            wanted, given = self.engine.get_tensor_shape(name), Dims(shape)
            if len(wanted) != len(given) or any(w not in (-1, g) or g < 0 for w, g in zip(wanted, given)):
                raise InvalidArgument(f"input '{name}' has the shape {tuple(wanted)}, {tuple(given)} is none of these")
        except Error as raised:
            self.report(raised)
            return False
        self._shapes[name] = given
        return True

    def _shape(self, name: str) -> Dims:
        shape = self._shapes.get(name) or self.engine.get_tensor_shape(name)
        if any(d < 0 for d in shape):
            raise InvalidArgument(f"the shape of input '{name}' was never set: call context.set_input_shape('{name}', shape) first")
        return shape

    def infer_shapes(self) -> List[str]:
        """Inputs whose shapes are not set."""
        return [i.name for i in self.engine.engine.inputs if i.name not in self._shapes and any(d < 0 for d in self.engine.get_tensor_shape(i.name))]

    @property
    def all_binding_shapes_specified(self) -> bool:
        """Are all shapes set?"""
        return not self.infer_shapes()

    all_shape_inputs_specified = True

    def get_tensor_shape(self, name: str) -> Dims:
        """Of an input as set; of an output as it follows, -1 where only a run can tell."""
        if self.engine.get_tensor_mode(name) == TensorIOMode.INPUT:
            return self._shapes.get(name) or self.engine.get_tensor_shape(name)
        if self.infer_shapes():
            return self.engine.get_tensor_shape(name)
        # Shapes may depend on the values of small integer inputs: those that have no address yet cannot be told.
        if any(i.code in (I32, I64) and len(i.shape or ()) <= 1 and i.name not in self._addresses for i in self.engine.engine.inputs):
            return self.engine.get_tensor_shape(name)
        for info in self.engine.engine.inputs:
            self._bind_input(info, self._addresses.get(info.name))
        shape = self.context.output_shape(name)
        return self.engine.get_tensor_shape(name) if shape is None else Dims(shape)

    def get_tensor_strides(self, name: str) -> Dims:
        """In elements, row-major."""
        shape, out = self.get_tensor_shape(name), [1]
        for extent in reversed(shape[1:]):
            out.append(out[-1] * extent)
        return Dims(reversed(out)) if shape else Dims()

    def set_binding_shape(self, binding: int, shape: Sequence[int]) -> bool:
        """set_input_shape by number."""
        return self.set_input_shape(self.engine.get_binding_name(binding), shape)

    def get_binding_shape(self, binding: int) -> Dims:
        """get_tensor_shape by number."""
        return self.get_tensor_shape(self.engine.get_binding_name(binding))

    def set_optimization_profile_async(self, profile_index: int, stream_handle: int = 0) -> bool:
        """All profiles are one here."""
        self.active_optimization_profile = profile_index
        return 0 <= profile_index < self.engine.num_optimization_profiles

    # ---- addresses ----

    def set_tensor_address(self, name: str, memory: int) -> bool:
        """Where an input or output lies, for the runs to come."""
        try:
            self.engine._info(name)
        except Error as raised:
            self.report(raised)
            return False
        self._addresses[name] = int(memory)
        return True

    def get_tensor_address(self, name: str) -> int:
        """0: never set."""
        self.engine._info(name)
        return self._addresses.get(name, 0)

    def set_output_allocator(self, name: str, output_allocator: Any) -> bool:
        """Gives memory for an output when its size is known; None: no more."""
        try:
            self.engine._info(name)
        except Error as raised:
            self.report(raised)
            return False
        self._allocators.pop(name, None)
        if output_allocator is not None:
            self._allocators[name] = output_allocator
        return True

    def get_output_allocator(self, name: str) -> Any:
        """None: none was set."""
        return self._allocators.get(name)

    def get_max_output_size(self, name: str) -> int:
        """Bytes of an output for the shapes as set; -1: only a run can tell."""
        shape = self.get_tensor_shape(name)
        return -1 if any(d < 0 for d in shape) else int(np.prod(shape, dtype=np.int64) * self.engine.get_tensor_dtype(name).itemsize)

    def _memory(self, address: int, code: int, shape: Sequence[int], keep: Any = None) -> arrays.Memory:
        return arrays.Memory(address, (int(np.prod(shape, dtype=np.int64)) * dtypes.bits(code) + 7) // 8, code, tuple(shape), None, self._where, True, keep)

    def _bind_input(self, info: _engine.TensorInfo, address: Optional[int]) -> None:
        shape = self._shape(info.name)
        memory = self._memory(address, info.code, shape) if address is not None else arrays.memory_of(np.zeros(shape, dtypes.to_numpy(info.code)))
        slot = self.context._slots[info.name]
        slot.dtype = slot.shape = None
        held = (memory, arrays.fill_buffer(slot.buffer, memory))
        self.context._check(lib.pln_context_bind_input(self.context._pointer, slot.name, slot.buffer), info.name)
        self.context._held[info.name] = held

    def _bind_output(self, info: _engine.TensorInfo, address: Optional[int]) -> None:
        name = info.name
        if name in self._allocators:
            allocator, current = self._allocators[name], address or 0

            def ask(_: str, size: int, dtype: Any, shape: Any) -> int:
                given = allocator.reallocate_output(name, current, size, 256)
                allocator.notify_shape(name, Dims(shape))
                return int(given)

            self.context.bind_output(name, ask)
            return
        if not address:
            raise InvalidArgument(f"output '{name}' has no address: call context.set_tensor_address('{name}', address), or give it in the bindings")
        shape = self.context.output_shape(name)
        if shape is None:
            raise InvalidArgument(f"only the run can tell how large output '{name}' is: call context.set_output_allocator('{name}', allocator)")
        self.context.bind_output(name, None)  # an allocator of an earlier run goes
        memory = self._memory(address, info.code, shape)
        self.context._check(lib.pln_context_bind_output(self.context._pointer, self.context._names[name], self._filled(memory)), name)

    def _filled(self, memory: arrays.Memory) -> Any:
        arrays.fill_buffer(self.context._buffer, memory)
        return self.context._buffer

    def _bind(self, addresses: Dict[str, int]) -> None:
        for info in self.engine.engine.inputs:
            if not addresses.get(info.name) and 0 not in self._shape(info.name):
                raise InvalidArgument(f"input '{info.name}' has no address: call context.set_tensor_address('{info.name}', address), or give it in the bindings")
            self._bind_input(info, addresses.get(info.name))
        for info in self.engine.engine.outputs:
            self._bind_output(info, addresses.get(info.name))

    def _run(self, addresses: Dict[str, int], stream: int) -> bool:
        try:
            self._bind(addresses)
            if stream and self._where == arrays.DEVICE and self._profiler is None:
                self.context.enqueue(stream)
            else:
                self.context._run()
        except Error as raised:
            self.report(raised.__cause__ if isinstance(raised.__cause__, Exception) else raised)
            return False
        if self._profiler is not None:
            self.report_to_profiler()
        return True

    # ---- running ----

    def execute_v2(self, bindings: Sequence[int]) -> bool:
        """Runs; bindings: addresses in the order of get_tensor_name."""
        if len(bindings) < len(self.engine.names):
            self.report(InvalidArgument(f"{len(bindings)} bindings were given, the engine has {len(self.engine.names)}: {', '.join(self.engine.names)}"))
            return False
        return self._run({name: int(address) for name, address in zip(self.engine.names, bindings)}, 0)

    def execute_async_v2(self, bindings: Sequence[int], stream_handle: int, input_consumed: Any = None) -> bool:
        """The same on a stream (a CPU runs before it returns)."""
        return self._run({name: int(address) for name, address in zip(self.engine.names, bindings)}, int(stream_handle))

    def execute_async_v3(self, stream_handle: int) -> bool:
        """Runs on a stream, with the addresses set."""
        return self._run(self._addresses, int(stream_handle))

    # ---- profiling ----

    @property
    def profiler(self) -> Any:
        """Told the time of each layer after each run."""
        return self._profiler

    @profiler.setter
    def profiler(self, profiler: Any) -> None:
        self._profiler = profiler
        self.context.set_profiling(profiler is not None)

    def report_to_profiler(self) -> bool:
        """Tells the profiler the times of the last run."""
        if self._profiler is None:
            return False
        for layer, (ns, _) in zip(self.engine.engine.layers, self.context.layer_times()):
            self._profiler.report_layer_time(layer.name or layer.op, ns * 1e-6)
        return True
