"""Runtimes, engines and contexts, with bindings (8) and with names (8.5 and later).

Addresses are the GPU's where the engine runs on one; on a CPU the same program gives addresses of host memory (planish.pycuda, numpy's `array.ctypes.data`), and streams
have no meaning.
"""
from __future__ import annotations

import contextlib
import json
import numbers
import threading
import time
import weakref
from typing import Any, Dict, List, Mapping, Optional, Sequence, Set, Tuple, Union

import numpy as np

from .. import arrays, dtypes
from .. import engine as _engine
from .._native import lib
from ..build import build, load
from ..errors import Error, Incompatible, InvalidArgument, NotFound, OutOfMemory, Unsupported
from ..pycuda.host import blocks
from .base import DataType, Dims, Flagged, IHostMemory, Kept, Managed, Reports, extents, generation, type_of, until
from .builder import DEBUG, HOW, PERMITTED, PLUGINS, PROFILES, are_names, are_profiles, kept_in
from .enums import (EngineCapability, EngineStat, ExecutionContextAllocationStrategy, HardwareCompatibilityLevel, LayerInformationFormat, ProfilingVerbosity, SerializationFlag, TensorFormat,
                    TensorIOMode, TensorLocation)  # fmt: skip
from .errors_of import missing
from .log import Recorder, Severity, as_logger
from .plugins import IPluginResourceContext, PluginShapes, are_told, get_plugin_registry, registry_ops, scope_of
from .subclass import IStreamReaderV2


I64 = 7
# Of inputs and outputs of unknown rank: programs look for extents below 0, and would take () for a scalar.
UNKNOWN = Dims((-1,))
# The address of an input that has none yet, for questions about shapes, which do not read it.
NOWHERE = 64


class Runtime(Reports):
    """Loads engines."""

    max_threads = Kept("Kept: engines use the process's pool of threads.", 1)
    DLA_core = Kept("There are none.", -1)
    num_DLA_cores = Kept("None.", 0)
    gpu_allocator = Kept("Kept: not asked.")
    engine_host_code_allowed = Kept("Kept: plans hold no code for the CPU.", False)
    temporary_directory = Kept("Kept: no files are made.", None)
    tempfile_control_flags = Kept("Kept: no files are made.", 3)
    error_recorder = Recorder("Told the errors of this, and of engines and contexts that have none of their own.")
    load_runtime = missing("Runtime.load_runtime", "one runtime loads all plans; planish_rt is the small one, in C")

    def __init__(self, logger: Any) -> None:
        super().__init__(as_logger(logger))

    def get_plugin_registry(self) -> Any:
        """The registry of the process."""
        return get_plugin_registry()

    def deserialize_cuda_engine(self, serialized_engine: Any) -> "ICudaEngine":
        """Of a plan's bytes, or an object with read(size). None, and a line in the log: it is no plan, or for another machine."""
        try:
            if hasattr(serialized_engine, "read"):
                more = (1 << 24, 0) if isinstance(serialized_engine, IStreamReaderV2) else (1 << 24,)
                plan = bytearray()
                for part in iter(lambda: bytes(serialized_engine.read(*more)), b""):
                    plan += part
                serialized_engine = plan
            elif serialized_engine is None or isinstance(serialized_engine, (str, numbers.Number)):
                raise TypeError(f"an engine is made of a plan's bytes, or of an object with read(size), not of {type(serialized_engine).__name__}")
            return ICudaEngine(self._of_generation(load(memoryview(serialized_engine), ops=registry_ops())), self.logger, self)
        except Error as raised:
            self.report(raised)
            return None  # type: ignore[return-value]


    def _of_generation(self, engine: _engine.Engine) -> _engine.Engine:
        """In generation 8 one whose inputs and outputs of 64-bit integers are ones of 32, whatever the plan was built for: such a plan is built again."""
        wide = [i.name for i in engine.inputs + engine.outputs if i.code == I64 and not i.is_state]
        if generation() != 8 or not wide:
            return engine
        what = f"'{wide[0]}' of this plan is INT64, which TensorRT 8 has not"
        instead = "build with trtexec --pln-version=8, planish.build(…, int32_io=True) or a builder of generation 8; a program that gives INT64 is of a later generation (PLANISH_TENSORRT_GENERATION=10)"
        how = kept_in(engine, HOW, {}, lambda value: isinstance(value, dict))
        if isinstance(how.get("options"), dict):
            how["options"]["int32_io"] = True  # a refit builds once more
        start, kernels = time.monotonic(), {layer.kernel for layer in engine.layers}
        try:
            made = build(engine, device=engine.device, int32_io=True, keep_model=engine.keeps_model, ops=registry_ops(), metadata={HOW: json.dumps(how)} if how else None,
                         tf32=any("_tf32_" in k for k in kernels), winograd=any("winograd" in k for k in kernels), cache=True)  # fmt: skip
        except Error as raised:
            raise Incompatible(f"{what}, and it cannot be built again with INT32 ({raised}): {instead}") from raised
        self.logger.log(Severity.WARNING, f"{what}: built again with INT32 in {time.monotonic() - start:.2f} s. To save that, {instead}")
        return made


class ICudaEngine(Managed):
    """A loaded plan."""

    has_implicit_batch_dimension = Kept("False: batches are a dim.", False)
    max_batch_size = Kept("1: batches are a dim.", 1)
    num_aux_streams = Kept("0: an engine runs on the stream it is given.", 0)
    tactic_sources = Kept("0: all kernels are Planish's.", 0)
    engine_capability = Kept("STANDARD.", EngineCapability.STANDARD)
    hardware_compatibility_level = Kept("NONE.", HardwareCompatibilityLevel.NONE)
    error_recorder = Recorder("Told the errors of contexts that have none of their own. Without one of its own: that of the runtime or builder.")
    weight_streaming_budget_v2 = Kept("Kept: weights are where they run.", 0)
    weight_streaming_budget = Kept("Kept: weights are where they run.", 0)

    def __init__(self, engine: _engine.Engine, logger: Any, maker: Any = None) -> None:
        for info in engine.inputs + engine.outputs:
            if info.kind != "tensor" or info.code == dtypes.STRING:
                raise InvalidArgument(f"'{info.name}' is a {info.kind if info.kind != 'tensor' else 'tensor of strings'}, which TensorRT's interface does not have: use planish.load and planish.Engine")
        both = {i.name for i in engine.inputs} & {o.name for o in engine.outputs}
        if both:
            raise InvalidArgument(f"'{min(both)}' is an input and an output of the model, which TensorRT's interface cannot tell apart: give the output a name of its own, behind an Identity")
        self.engine, self.logger, self._maker = engine, logger, maker
        self._refitting = threading.Lock()
        self.infos = {i.name: i for i in engine.inputs + engine.outputs}
        self.names = list(self.infos)
        self._profiles: List[Dict[str, Any]] = kept_in(engine, PROFILES, [], are_profiles)
        debug = kept_in(engine, DEBUG, [], are_names)
        self._debug: Set[str] = {"*"} if debug == "*" else set(debug)  # "*": all that the model names
        self._plugins = PluginShapes(kept_in(engine, PLUGINS, {}, are_told))
        self._has_plugins = registry_ops() is not None  # where there are none, a plan that names some is not loaded
        self._permitted = [DataType[name] for name in kept_in(engine, PERMITTED, [], lambda value: value in ([], ["HALF"]))]

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
        """-1 for dynamic extents; (-1,) where not even the rank is known."""
        shape = self._info(name).shape
        return UNKNOWN if shape is None else Dims(d if isinstance(d, int) else -1 for d in shape)

    def get_tensor_dtype(self, name: str) -> DataType:
        """In generation 8, INT32 in place of INT64: such engines are built, and plans are loaded as such ones."""
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

    def _bindings(self) -> List[str]:
        """Names of all bindings: input or output i of profile p is number p * num_io_tensors + i. Names went without profiles in later generations."""
        more = range(1, self.num_optimization_profiles if generation() == 8 else 1)
        return self.names + [f"{name} [profile {p}]" for p in more for name in self.names]

    @property
    def num_bindings(self) -> int:
        """Inputs and outputs, those of each optimization profile behind one another."""
        return len(self._bindings())

    def __len__(self) -> int:
        return len(self._bindings())

    def __getitem__(self, index: Union[int, str]) -> Any:
        return self.get_binding_index(index) if isinstance(index, str) else self._bindings()[index]

    def _of(self, binding: Union[int, str]) -> str:
        """The input or output."""
        bindings = self._bindings()
        if isinstance(binding, str):
            return self.names[bindings.index(binding) % len(self.names)] if binding in bindings else binding
        return self.names[range(len(bindings))[binding] % len(self.names)]

    def get_binding_name(self, index: int) -> str:
        """Of binding `index`; those of further profiles end in " [profile 1]", …"""
        return self._bindings()[index]

    def get_binding_index(self, name: str) -> int:
        """-1: no such binding."""
        names = self._bindings()
        return names.index(name) if name in names else -1

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

    def get_binding_format(self, index: int) -> Any:
        """LINEAR."""
        return self.get_tensor_format(self._of(index))

    def get_binding_format_desc(self, index: int) -> str:
        """For people."""
        return self.get_tensor_format_desc(self._of(index))

    def get_binding_bytes_per_component(self, index: int) -> int:
        """-1: not vectorized."""
        return self.get_tensor_bytes_per_component(self._of(index))

    def get_binding_components_per_element(self, index: int) -> int:
        """-1: not vectorized."""
        return self.get_tensor_components_per_element(self._of(index))

    def get_binding_vectorized_dim(self, index: int) -> int:
        """-1: none."""
        return self.get_tensor_vectorized_dim(self._of(index))

    # ---- the rest ----

    @property
    def refittable(self) -> bool:
        """Was it built with BuilderFlag.REFIT?"""
        return self.engine.keeps_model

    @property
    def profiling_verbosity(self) -> Any:
        """How much the inspector tells: that of the build. DETAILED where the plan says nothing."""
        return verbosity_of(self.engine)

    @property
    def num_layers(self) -> int:
        """Layers of the plan."""
        return len(self.engine)

    def get_device_memory_size_for_profile_v2(self, profile_index: int) -> int:
        """Bytes of activations that a context, which asks for them itself, holds for the profile's largest shapes. Dynamic extents that no profile tells count as 1."""
        most = {i.name: self.get_tensor_profile_shape(i.name, profile_index)[2] for i in self.engine.inputs}
        return self.engine.memory({name: [d if d >= 0 else 1 for d in shape] for name, shape in most.items()})

    get_device_memory_size_for_profile = get_device_memory_size_for_profile_v2

    def get_aliased_input_tensor(self, name: str) -> str:
        """"": inputs and outputs share no memory."""
        self._info(name)
        return ""

    def get_tensor_profile_values(self, profile_index: int, name: str) -> List[Any]:
        """[]: values of inputs need no profiles, whose shapes alone are kept."""
        self._info(name)
        return []

    get_profile_shape_input = get_tensor_profile_values

    @property
    def streamable_weights_size(self) -> int:
        """0: weights are where they run."""
        return 0

    def get_weight_streaming_automatic_budget(self) -> int:
        """0."""
        return 0

    @property
    def weight_streaming_scratch_memory_size(self) -> int:
        """0"""
        return 0

    def get_engine_stat(self, stat: Any) -> int:
        """Bytes of all weights; of those that were stripped: 0."""
        return self.engine.weights_bytes if stat == EngineStat.TOTAL_WEIGHTS_SIZE else 0

    def is_debug_tensor(self, name: str) -> bool:
        """Was it marked (network.mark_debug)?"""
        return "*" in self._debug or name in self._debug

    def create_runtime_config(self) -> "IRuntimeConfig":
        """Settings of a context."""
        return IRuntimeConfig()

    def create_serialization_config(self) -> "ISerializationConfig":
        """Settings of serialize_with_config."""
        return ISerializationConfig()

    def serialize_with_config(self, config: "ISerializationConfig") -> Optional[IHostMemory]:
        """The plan's bytes. EXCLUDE_WEIGHTS raises Unsupported."""
        if config.get_flag(SerializationFlag.EXCLUDE_WEIGHTS):
            raise Unsupported("a plan is not written without its weights yet: serialize it whole")
        return self.serialize()

    @property
    def device_memory_size(self) -> int:
        """The most of get_device_memory_size_for_profile_v2 of all profiles."""
        return max(map(self.get_device_memory_size_for_profile_v2, range(self.num_optimization_profiles)))

    device_memory_size_v2 = device_memory_size

    def serialize(self) -> IHostMemory:
        """The plan's bytes."""
        return IHostMemory(self.engine.to_bytes())

    def create_execution_context(self, strategy: Any = None) -> "IExecutionContext":
        """A new context. strategy: an ExecutionContextAllocationStrategy or an IRuntimeConfig; a context has its memory itself."""
        return IExecutionContext(self, strategy)

    def create_execution_context_without_device_memory(self) -> "IExecutionContext":
        """The same: a context has its memory itself."""
        return IExecutionContext(self, ExecutionContextAllocationStrategy.USER_MANAGED)

    def create_engine_inspector(self) -> "EngineInspector":
        """Tells about layers."""
        return EngineInspector(self)


class IRuntimeConfig(Managed):
    """Settings of a context."""

    def __init__(self) -> None:
        self.strategy = ExecutionContextAllocationStrategy.STATIC

    def set_execution_context_allocation_strategy(self, strategy: Any) -> None:
        """Kept: a context has its memory itself."""
        self.strategy = ExecutionContextAllocationStrategy(strategy)

    def get_execution_context_allocation_strategy(self) -> Any:
        """As set."""
        return self.strategy


class ISerializationConfig(Flagged, Managed):
    """What a plan is written with."""


# What the metadata of a plan say about what its inspector tells: the name of a ProfilingVerbosity, and the word of trtexec's --profilingVerbosity.
VERBOSITY, VERBOSITY_OF_TRTEXEC = "planish.tensorrt.verbosity", "planish.trtexec.verbosity"
_LINEAR = "Row-major linear"


def verbosity_of(engine: _engine.Engine) -> Any:
    """DETAILED where the plan says nothing."""
    told = engine.metadata
    word = (told.get(VERBOSITY) or told.get(VERBOSITY_OF_TRTEXEC) or "DETAILED").upper()
    word = {"VERBOSE": "DETAILED", "DEFAULT": "LAYER_NAMES_ONLY"}.get(word, word)
    return ProfilingVerbosity[word] if word in ProfilingVerbosity.__members__ else ProfilingVerbosity.DETAILED


def _type_word(code: int) -> str:
    """FP32, INT8, …: as trtexec names types."""
    own = dtypes.name(code)
    return {"f": "fp", "i": "int", "u": "uint"}[own[0]] + own[1:] if own[0] in "fiu" and own[1:2].isdigit() else own


class EngineInspector:
    """Layers of an engine as text: as much as its profiling_verbosity says."""

    execution_context = Kept("Kept: layers are those of the plan.")

    def __init__(self, engine: ICudaEngine) -> None:
        self.engine = engine

    def _values(self, values: Sequence[_engine.Operand]) -> List[Dict[str, Any]]:
        on_gpu, out = self.engine.engine.device.startswith("cuda"), []
        for value in values:
            told = {"Name": value.name, "Location": "Host" if on_gpu and value.device == "host" else "Device", "Dimensions": list(value.dims or ())}
            kind = _type_word(value.code)
            told.update({"Format": _LINEAR, "Datatype": kind} if generation() >= 11 else {"Format/Datatype": kind})
            out.append(told)
        return out

    def _told(self, index: int) -> Any:
        """A layer: its name, or all that is known of it. None: nothing is told."""
        layer, verbosity = self.engine.engine[index], self.engine.profiling_verbosity
        if verbosity == ProfilingVerbosity.NONE:
            return None
        if verbosity == ProfilingVerbosity.LAYER_NAMES_ONLY:
            return layer.name or layer.op
        reads, writes = self.engine.engine.operands(index % self.engine.num_layers)
        return {"Name": layer.name or layer.op, "LayerType": layer.op, "Inputs": self._values(reads), "Outputs": self._values(writes), "TacticName": layer.kernel, "StreamId": 0,
                "Device": layer.device, "Metadata": layer.name}  # fmt: skip

    def _tensors(self) -> List[Dict[str, Any]]:
        """Inputs and outputs, as TensorRT 11 tells them."""
        out, engine = [], self.engine
        for name in engine.names:
            profiles = [engine.get_tensor_profile_shape(name, p) for p in range(engine.num_optimization_profiles)] if engine.get_tensor_mode(name) == TensorIOMode.INPUT else []
            told = [{"MinShape": list(least), "OptShape": list(usual), "MaxShape": list(most), "Format": _LINEAR} for least, usual, most in profiles]
            out.append({"Name": name, "IOMode": "Input" if engine.get_tensor_mode(name) == TensorIOMode.INPUT else "Output", "DataType": _type_word(engine.infos[name].code),
                        "Dimensions": list(engine.get_tensor_shape(name)), "Location": "Device", "IsShapeInferenceIO": False, "ProfileInfo": told})  # fmt: skip
        return out

    def get_layer_information(self, layer_index: int, format: Any = LayerInformationFormat.ONELINE) -> str:
        """One layer: its name; as JSON an object, or a string where names alone are told. Empty: nothing is told."""
        told = self._told(layer_index)
        if format == LayerInformationFormat.JSON:
            return json.dumps(told or "")
        return str(told["Name"] if isinstance(told, dict) else told or "")

    def get_engine_information(self, format: Any = LayerInformationFormat.ONELINE) -> str:
        """All of them. As JSON an object of Layers and Bindings, which are "I/O Tensors" in generation 11."""
        told = [one for one in map(self._told, range(self.engine.num_layers)) if one is not None]
        if format == LayerInformationFormat.JSON:
            return json.dumps({"Layers": told, **({"I/O Tensors": self._tensors()} if generation() >= 11 else {"Bindings": self.engine.names})})
        return "\n".join(str(one["Name"] if isinstance(one, dict) else one) for one in told)


def address_of(memory: Any, name: str) -> int:
    """An address as a number; 0: none."""
    if isinstance(memory, numbers.Integral) or hasattr(memory, "__int__") and not hasattr(memory, "shape"):
        address = int(memory)
        if 0 <= address < 1 << 64 and not isinstance(memory, (bool, float)):
            return address
    raise InvalidArgument(f"{repr(memory)[:60]} is no address for '{name}': give it as an int, such as int(pycuda's memory), torch's data_ptr() or numpy's array.ctypes.data")


def check_room(address: int, size: int, what: str) -> None:
    """Has the memory of planish.pycuda at this address, where it is that, room for it?"""
    wrong = blocks.complaint(address, size)
    if wrong:
        raise InvalidArgument(f"the memory of {what}: {wrong}")


def take(taken: List[Tuple[str, int, int]], name: str, address: int, size: int) -> None:
    """Notes what an output of a run is written to; an error where another one, or an input, lies there. taken: name, first and last address of what is bound."""
    end = address + size
    overlapped = next((other for other, first, last in taken if other != name and address < last and first < end), None)
    if size and overlapped is not None:
        raise InvalidArgument(f"the memory of output '{name}', {size} bytes, overlaps that of '{overlapped}'")
    taken.append((name, address, end))


class _Reallocated:
    """Memory of an IOutputAllocator for one output of a run. taken: as for `take`; told: takes the shape."""

    def __init__(self, allocator: Any, current: int, stream: int, taken: List[Tuple[str, int, int]], told: Dict[str, Dims]) -> None:
        self.allocator, self.current, self.stream, self.taken, self.told = allocator, current, stream, taken, told

    def __call__(self, name: str, size: int, dtype: Any, shape: Sequence[int]) -> int:
        # TensorRT 10 calls the one with a stream, which a class of TensorRT 8 inherits or has not.
        ask = getattr(self.allocator, "reallocate_output_async", None)
        given = ask(name, self.current, size, 256, self.stream) if ask is not None else self.allocator.reallocate_output(name, self.current, size, 256)
        if not isinstance(given, numbers.Integral) or isinstance(given, bool) or not 0 < given < 1 << 64:
            raise InvalidArgument(f"the allocator of output '{name}' gave {repr(given)[:60]} for {size} bytes: reallocate_output returns the memory's address, an int above 0")
        check_room(int(given), size, f"output '{name}', which its allocator gave")
        take(self.taken, name, int(given), size)
        self.told[name] = Dims(shape)
        self.allocator.notify_shape(name, self.told[name])
        return int(given)


class _Fixed:
    """The caller's memory for an output whose size only the run can tell. How large it is nobody knows, as with TensorRT."""

    def __init__(self, address: int, taken: List[Tuple[str, int, int]], told: Dict[str, Dims]) -> None:
        self.address, self.taken, self.told = address, taken, told

    def __call__(self, name: str, size: int, dtype: Any, shape: Sequence[int]) -> int:
        check_room(self.address, size, f"output '{name}'")
        take(self.taken, name, self.address, size)
        self.told[name] = Dims(shape)
        return self.address


def _told_to(context: "IExecutionContext") -> Any:
    """A function for Context.on_value that does not keep the context alive, which has it."""
    tell = weakref.WeakMethod(context._tell)

    def told(name: str, value: Any) -> None:
        method = tell()
        if method is not None:
            method(name, value)

    return told


class IExecutionContext(Reports):
    """A running inference. Methods that return a bool log why they return False."""

    nvtx_verbosity = Kept("Kept.", ProfilingVerbosity.LAYER_NAMES_ONLY)
    debug_sync = Kept("Kept.", False)
    enqueue_emits_profile = Kept("Is the profiler told by itself after a run?", True)
    persistent_cache_limit = Kept("Kept: the hardware decides.", 0)
    name = Kept("Its name.", "")
    temporary_allocator = Kept("Kept: not asked.")
    device_memory = Kept("Kept: a context has its memory itself.", 0)
    unfused_tensors_debug_state = Kept("Are values told that mark_unfused_tensors_as_debug_tensors marked, and nothing else? set_tensor_debug_state says it for one of them.", True)
    error_recorder = Recorder("Told its errors. Without one of its own: that of the engine.")
    _active = 0

    def __init__(self, engine: ICudaEngine, strategy: Any = None) -> None:
        super().__init__(engine.logger)
        self.engine = self._maker = engine
        self._strategy = strategy.strategy if isinstance(strategy, IRuntimeConfig) else ExecutionContextAllocationStrategy(strategy or 0)
        self._of: Any = None
        self._context: Any = None
        self._shapes: Dict[str, Dims] = {}
        self._addresses: Dict[str, int] = {}
        self._allocators: Dict[str, Any] = {}
        self._profiler: Any = None
        self._listener: Any = None
        self._told_of: Dict[str, bool] = {}  # debug tensors: of single ones
        self._tells_all = True
        self._values: Dict[str, Any] = {}  # those of set_shape_input
        self._told: Dict[str, Dims] = {}  # shapes of outputs that a run told
        self._warned: Set[str] = set()  # values that the listener cannot be told
        self._lock = threading.RLock()
        self._where = arrays.DEVICE if engine.engine.device.startswith("cuda") else arrays.HOST
        self.context  # one that cannot be had is told here

    @property
    def context(self) -> Any:
        """The planish.Context, of the engine as it is: a refitted engine has a new one. A run takes it once, and goes on with it when the engine is refitted meanwhile."""
        with self._lock:
            if self._of is not self.engine.engine:
                of = self.engine.engine
                made = of.context()
                made.set_profiling(self._profiler is not None)
                made.on_value(_told_to(self) if self._listener is not None else None)
                self._of, self._context = of, made
            return self._context

    def get_runtime_config(self) -> IRuntimeConfig:
        """The settings that it was made with."""
        made = IRuntimeConfig()
        made.strategy = self._strategy
        return made

    # ---- what is kept ----

    def set_device_memory(self, memory: int, size: int) -> None:
        """Kept: a context has its memory itself."""
        self.device_memory = memory

    def update_device_memory_size_for_shapes(self) -> int:
        """Bytes of activations that a run with the shapes as set holds, which the context asks for itself. 0, and a line in the log: a shape was never set."""
        try:
            return self.engine.engine.memory({i.name: self._shape(i.name) for i in self.engine.engine.inputs})
        except Error as raised:
            self.report(raised)
            return 0

    def set_aux_streams(self, aux_streams: Sequence[int]) -> None:
        """Not used: an engine runs on the stream it is given."""

    def set_input_consumed_event(self, event: int) -> bool:
        """Kept: inputs may be changed when the stream is behind the run."""
        self._event = event
        return True

    def get_input_consumed_event(self) -> int:
        """As set."""
        return getattr(self, "_event", 0)

    def set_communicator(self, communicator: Any) -> bool:
        """False: an engine runs on one GPU."""
        return False

    # ---- debugging ----

    def set_debug_listener(self, listener: Any) -> bool:
        """An IDebugListener, told the values that the network marked (mark_debug); None: no more."""
        self._listener = listener
        self.context.on_value(_told_to(self) if listener is not None else None)
        return True

    def get_debug_listener(self) -> Any:
        """As set."""
        return self._listener

    def _tell(self, name: str, value: Any) -> None:
        if self._listener is None or not self.get_debug_state(name) or not isinstance(value, np.ndarray):
            return
        try:
            kind = type_of(dtypes.from_numpy(value.dtype) or 0)
        except InvalidArgument:
            self._warn_once(name, f"the value of '{name}' is not told to the debug listener: TensorRT has no element type for {value.dtype}")
            return
        value = np.ascontiguousarray(value)
        if self._listener.process_debug_tensor(value.ctypes.data, TensorLocation.HOST, kind, Dims(value.shape), name, 0) is False:
            self.logger.log(Severity.WARNING, f"the debug listener returned False for '{name}'")

    def _warn_once(self, name: str, text: str) -> None:
        if name not in self._warned:
            self._warned.add(name)
            self.logger.log(Severity.WARNING, text)

    def set_tensor_debug_state(self, name: str, flag: bool) -> bool:
        """Is this value told? False: it was not marked."""
        if not self.engine.is_debug_tensor(name):
            return False
        self._told_of[name] = bool(flag)
        return True

    def get_debug_state(self, name: str) -> bool:
        """As set."""
        if name in self._told_of:
            return self._told_of[name]
        return self._tells_all if name in self.engine._debug else "*" in self.engine._debug and bool(self.unfused_tensors_debug_state)

    def set_all_tensors_debug_state(self, flag: bool) -> bool:
        """Are all values told, those of unfused tensors, too?"""
        self._told_of.clear()
        self._tells_all = self.unfused_tensors_debug_state = bool(flag)
        return True

    # ---- shapes ----

    def set_input_shape(self, name: str, shape: Sequence[int]) -> bool:
        """Of an input for the runs to come."""
        try:
            if self.engine.get_tensor_mode(name) != TensorIOMode.INPUT:
                raise InvalidArgument(f"'{name}' is an output: its shape follows from the inputs'")
            info, wanted, given = self.engine._info(name), self.engine.get_tensor_shape(name), extents(shape)
            if info.shape is None and (min(given, default=0) < 0 or len(given) > arrays.MAX_RANK):
                raise InvalidArgument(f"input '{name}' takes any shape of at most {arrays.MAX_RANK} dims, {tuple(given)} is none")
            if info.shape is not None and (len(wanted) != len(given) or any(w not in (-1, g) or g < 0 for w, g in zip(wanted, given))):
                raise InvalidArgument(f"input '{name}' has the shape {tuple(wanted)}, {tuple(given)} is none of these")
            if arrays.nbytes(info.code, given) > arrays.MOST:
                raise InvalidArgument(f"input '{name}': {tuple(given)} has more elements than any memory can hold")
        except Error as raised:
            self.report(raised)
            return False
        self._shapes[name] = given
        self._told = {}
        return True

    def _shape(self, name: str) -> Dims:
        shape = self._shapes[name] if name in self._shapes else self.engine.get_tensor_shape(name)
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
        """Of an input as set; of an output as it follows. Where only a run can tell: as the last one told, -1 before it and when shapes or addresses were set since."""
        shape = self._follows(name)
        return self._told.get(name, shape) if any(d < 0 for d in shape) else shape

    def _follows(self, name: str) -> Dims:
        """A shape without a run."""
        if self.engine.get_tensor_mode(name) == TensorIOMode.INPUT:
            return self._shapes[name] if name in self._shapes else self.engine.get_tensor_shape(name)
        if self.infer_shapes():
            return self.engine.get_tensor_shape(name)
        context, addresses = self.context, dict(self._addresses)
        with context._lock:
            context._idle()
            for info in context.engine.inputs:  # nothing is read: memory may come later, or be that of the shapes before
                self._bind_input(context, info, self._memory_of(info, addresses.get(info.name)))
            shape = context.output_shape(name)
        if shape is None:
            shape = self.engine._plugins.of(name, {i.name: (i.dtype, self._shape(i.name)) for i in context.engine.inputs})
        return self.engine.get_tensor_shape(name) if shape is None else Dims(shape)

    def get_tensor_strides(self, name: str) -> Dims:
        """In elements, row-major."""
        shape, out = self.get_tensor_shape(name), [1]
        for extent in reversed(shape[1:]):
            out.append(out[-1] * extent)
        return Dims(reversed(out)) if shape else Dims()

    def set_binding_shape(self, binding: int, shape: Sequence[int]) -> bool:
        """set_input_shape by number, which must be one of the active profile's."""
        return self._is_active(binding) and self.set_input_shape(self.engine._of(binding), shape)

    def _is_active(self, binding: int) -> bool:
        profile = range(len(self.engine))[binding] // len(self.engine.names)
        if profile != self._active:
            self.report(InvalidArgument(f"binding {binding} is one of optimization profile {profile}, profile {self._active} is active"))
        return profile == self._active

    def get_binding_shape(self, binding: int) -> Dims:
        """get_tensor_shape by number."""
        return self.get_tensor_shape(self.engine._of(binding))

    def set_optimization_profile_async(self, profile_index: int, stream_handle: int = 0) -> bool:
        """All profiles are one here. False: there is no such profile."""
        if not 0 <= profile_index < self.engine.num_optimization_profiles:
            self.report(InvalidArgument(f"there are {self.engine.num_optimization_profiles} optimization profiles, {profile_index} is none"))
            return False
        self._active = profile_index
        return True

    @property
    def active_optimization_profile(self) -> int:
        """As set."""
        return self._active

    @active_optimization_profile.setter
    def active_optimization_profile(self, profile_index: int) -> None:
        self.set_optimization_profile_async(profile_index)

    def set_shape_input(self, binding: int, shape: Sequence[int]) -> bool:
        """Values of an input: they are used in place of what its binding points to, until set_tensor_address gives it another place."""
        name = self.engine._of(binding)
        if not self._is_active(binding):
            return False
        values = np.array(shape, dtypes.to_numpy(self.engine._info(name).code), order="C")
        if not self.set_input_shape(name, values.shape):
            return False
        self._addresses[name], self._values[name] = values.ctypes.data, values
        return True

    def get_shape(self, binding: int) -> List[int]:
        """Values that set_shape_input was given."""
        name = self.engine._of(binding)
        if name not in self._values:
            raise InvalidArgument(f"'{name}' has no values that were set: context.set_shape_input sets them")
        return self._values[name].reshape(-1).tolist()

    # ---- addresses ----

    def set_tensor_address(self, name: str, memory: int) -> bool:
        """Where an input or output lies, for the runs to come."""
        try:
            self.engine._info(name)
            self._addresses[name] = address_of(memory, name)
        except Error as raised:
            self.report(raised)
            return False
        if self.engine.get_tensor_mode(name) == TensorIOMode.INPUT:
            self._values.pop(name, None)
            self._told = {}
        return True

    def get_tensor_address(self, name: str) -> int:
        """0: never set."""
        self.engine._info(name)
        return self._addresses.get(name, 0)

    def set_output_allocator(self, name: str, output_allocator: Any) -> bool:
        """Gives memory for an output when its size is known; None: no more."""
        try:
            if self.engine.get_tensor_mode(name) == TensorIOMode.INPUT:
                raise InvalidArgument(f"'{name}' is an input: its memory is given by set_tensor_address")
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
        shape = self._follows(name)
        return -1 if any(d < 0 for d in shape) else arrays.nbytes(self.engine._info(name).code, shape)

    def _memory(self, address: int, code: int, shape: Sequence[int]) -> arrays.Memory:
        return arrays.Memory(address, arrays.nbytes(code, shape), code, tuple(shape), None, self._where, True, None)

    def _memory_of(self, info: _engine.TensorInfo, address: Optional[int]) -> arrays.Memory:
        """Of an input; where it has none, what a question about shapes needs: an address that nobody reads, or zeros where inputs are copied to a GPU."""
        shape, values = self._shape(info.name), self._values.get(info.name)
        if values is not None:
            return arrays.memory_of(values)
        if address or self._where == arrays.HOST:
            return self._memory(address or NOWHERE, info.code, shape)
        try:
            return arrays.memory_of(np.zeros(shape, dtypes.to_numpy(info.code)))
        except MemoryError:
            raise OutOfMemory(f"input '{info.name}' of the shape {tuple(shape)} has no memory yet: set its address before shapes of outputs are asked for") from None

    def _bind_input(self, context: _engine.Context, info: _engine.TensorInfo, memory: arrays.Memory) -> None:
        slot = context._slots[info.name]
        slot.dtype = slot.shape = None
        held = (memory, arrays.fill_buffer(slot.buffer, memory))
        context._check(lib.pln_context_bind_input(context._pointer, slot.name, slot.buffer), info.name)
        context._held[info.name] = held

    def _bind_output(self, context: _engine.Context, info: _engine.TensorInfo, address: int, stream: int, taken: List[Tuple[str, int, int]], told: Dict[str, Dims]) -> None:
        name = info.name
        allocator = self._allocators.get(name)
        if allocator is not None:
            context.bind_output(name, _Reallocated(allocator, address, stream, taken, told), device=self._where == arrays.DEVICE)
            return
        if not address:
            raise InvalidArgument(f"output '{name}' has no address: call context.set_tensor_address('{name}', address), or give it in the bindings")
        shape = context.output_shape(name)
        if shape is None:
            context.bind_output(name, _Fixed(address, taken, told), device=self._where == arrays.DEVICE)
            return
        context.bind_output(name, None)  # an allocator of an earlier run goes
        memory = self._memory(address, info.code, shape)
        check_room(address, memory.nbytes, f"output '{name}'")
        take(taken, name, address, memory.nbytes)
        arrays.fill_buffer(context._buffer, memory)
        context._check(lib.pln_context_bind_output(context._pointer, context._names[name], context._buffer), name)

    def _bind(self, context: _engine.Context, addresses: Mapping[str, int], stream: int) -> Dict[str, Dims]:
        """What the run will fill with shapes of outputs."""
        taken: List[Tuple[str, int, int]] = []
        told: Dict[str, Dims] = {}
        for info in context.engine.inputs:
            if not addresses.get(info.name) and info.name not in self._values and 0 not in self._shape(info.name):
                raise InvalidArgument(f"input '{info.name}' has no address: call context.set_tensor_address('{info.name}', address), or give it in the bindings")
            memory = self._memory_of(info, addresses.get(info.name))
            check_room(memory.address, memory.nbytes, f"input '{info.name}'")
            self._bind_input(context, info, memory)
            taken.append((info.name, memory.address, memory.address + memory.nbytes))
        for info in context.engine.outputs:
            self._bind_output(context, info, addresses.get(info.name, 0), stream, taken, told)
        return told

    def _resources(self) -> IPluginResourceContext:
        """What plugins may use."""
        return IPluginResourceContext(getattr(self.engine._maker, "gpu_allocator", None), self.error_recorder)

    def _run(self, addresses: Mapping[str, int], stream: Optional[int]) -> bool:
        """stream: 0 is the default one; None: it is over when this returns, and behind what lies on the default stream."""
        try:
            context = self.context
            with context._lock:  # nobody else's bindings come between these and their run
                context._idle()
                told = self._bind(context, addresses, stream or 0)
                with scope_of(context, self.engine._permitted, self._resources()) if self.engine._has_plugins else contextlib.nullcontext():
                    if stream is not None and self._where == arrays.DEVICE:
                        context.enqueue(stream)
                    else:
                        context._run(device=self._where == arrays.DEVICE)
                self._told = told
                if self._profiler is not None and self.enqueue_emits_profile:
                    self._tell_profiler(context)
        except Error as raised:
            self.report(raised.__cause__ if isinstance(raised.__cause__, Exception) else raised)
            return False
        return True

    # ---- running ----

    def execute(self, batch_size: int = 1, bindings: Sequence[int] = ()) -> bool:
        """The oldest form: batches are a dim here, and batch_size is not looked at."""
        return self.execute_v2(bindings)

    def execute_async(self, batch_size: int = 1, bindings: Sequence[int] = (), stream_handle: int = 0, input_consumed: Any = None) -> bool:
        """The same on a stream."""
        return self.execute_async_v2(bindings, stream_handle)

    def execute_v2(self, bindings: Sequence[int]) -> bool:
        """Runs; bindings: addresses in the order of get_tensor_name, or of all profiles' bindings, of which the active one's are taken."""
        return self._run_bindings(bindings, None)

    def execute_async_v2(self, bindings: Sequence[int], stream_handle: int, input_consumed: Any = None) -> bool:
        """The same on a stream, 0 being the default one (a CPU runs before it returns)."""
        return self._run_bindings(bindings, int(stream_handle))

    def execute_async_v3(self, stream_handle: int) -> bool:
        """Runs on a stream, 0 being the default one, with the addresses set."""
        return self._run(dict(self._addresses), int(stream_handle))

    def _run_bindings(self, bindings: Sequence[int], stream: Optional[int]) -> bool:
        names = self.engine.names
        try:
            if len(bindings) < len(names):
                raise InvalidArgument(f"{len(bindings)} bindings were given, the engine has {len(names)}: {', '.join(names)}")
            begin = self._active * len(names) if len(bindings) == len(self.engine) > len(names) else 0
            addresses = {name: address_of(address, name) for name, address in zip(names, list(bindings)[begin:])}
        except Error as raised:
            self.report(raised)
            return False
        return self._run(addresses, stream)

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
        try:
            self._tell_profiler(self.context)
        except Error as raised:
            self.report(raised)
            return False
        return True

    def _tell_profiler(self, context: _engine.Context) -> None:
        profiler = self._profiler
        for layer, (ns, _) in zip(context.engine.layers, context.layer_times()):
            profiler.report_layer_time(layer.name or layer.op, ns * 1e-6)


until(ICudaEngine, 8, "num_bindings get_binding_name get_binding_index binding_is_input get_binding_shape get_binding_dtype get_profile_shape get_profile_shape_input is_execution_binding "
      "is_shape_binding get_location get_binding_format get_binding_format_desc get_binding_bytes_per_component get_binding_components_per_element get_binding_vectorized_dim max_batch_size "
      "has_implicit_batch_dimension", "use names: num_io_tensors, get_tensor_name, …")  # fmt: skip
until(ICudaEngine, 10, "device_memory_size get_device_memory_size_for_profile create_execution_context_without_device_memory weight_streaming_budget", "use the names with _v2")
until(IExecutionContext, 8, "set_binding_shape get_binding_shape set_shape_input get_shape execute execute_async execute_async_v2 all_shape_inputs_specified", "use names: set_input_shape, set_tensor_address, execute_async_v3")
