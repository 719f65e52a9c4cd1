"""Engines and contexts: built models, and running them."""
from __future__ import annotations

import _signal
import _thread
import math
import numbers
import threading
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np

from . import arrays, dtypes, handles
from ._native import ffi, lib
from .errors import Cancelled, InvalidArgument, check, make, raise_interrupt

if TYPE_CHECKING:
    from concurrent.futures import Future

_KINDS = ("tensor", "sequence", "optional", "map")
# Contexts that an engine keeps for its next calls.
CONTEXTS_KEPT = 8
_MAIN = threading.main_thread().ident
# CU_STREAM_LEGACY: the default stream, which programs call 0.
DEFAULT_STREAM = 1


def may_be_interrupted() -> int:
    """Does Ctrl-C end a run of this thread? In the main thread, where it raises KeyboardInterrupt; a handler of the program's own is called when the run is over."""
    return int(_thread.get_ident() == _MAIN and _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler)


def gpu_of(device: str) -> Any:
    """The driver's calls that the library does not make."""
    from .pycuda.gpu import driver_of

    return driver_of(device)


class TensorInfo(NamedTuple):
    """An input or output. `shape`: extents; a dynamic one is its name or None; None in place of the tuple: not even the rank is known before a run. `dtype`: of
    the numpy arrays. `kind`: "tensor", "sequence" (a list), "optional" (None or the value) or "map" (a dict). `is_state`: part of a state such as a KV
    cache, which grows along `state_axis`."""

    name: str
    dtype: Any
    shape: Optional[Tuple[Union[int, str, None], ...]]
    kind: str
    is_state: bool
    state_axis: int
    code: int


class Layer(NamedTuple):
    """A step of the plan: what is computed, by which kernel, on which device, for which ONNX nodes."""

    op: str
    kernel: str
    device: str
    name: str
    inputs: int
    outputs: int
    block: int


class Operand(NamedTuple):
    """A value that a step reads or writes: -1 in dims, and None for them, where they are not known before a run."""

    name: str
    code: int
    dims: Optional[Tuple[int, ...]]
    device: str


def limit_of(value: Any) -> int:
    """A limit of bytes; 0: none."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or not 0 <= value <= arrays.MOST:
        raise InvalidArgument(f"a limit of memory is a number of bytes, or 0 for none, not {value!r}")
    return int(value)


def _string(pointer: Any) -> str:
    return ffi.string(pointer).decode("utf-8", "replace") if pointer else ""


def _info(told: Any) -> TensorInfo:
    shape = None
    if told.rank >= 0:
        dims = ((told.dims[d], _string(told.dim_names[d]) or None) for d in range(told.rank))
        shape = tuple(extent if extent >= 0 else name for extent, name in dims)
    return TensorInfo(_string(told.name), dtypes.to_numpy(told.dtype) if told.dtype else None, shape, _KINDS[told.kind], bool(told.is_state), told.state_axis, told.dtype)


class Engine:
    """A built model. Made by `planish.build` and `planish.load`; immutable, so it may be used by several threads at once.

    Called with arrays it runs: `engine(x)`, `engine({"input.name": x})`, `engine(input_ids=ids)`; the result is a dict of numpy arrays by output name. `context()` gives
    more control.
    """

    def __init__(self, pointer: Any, keep: Any = None) -> None:
        """Takes over one reference of a `pln_engine *`; keep: what must live as long."""
        self._pointer = ffi.gc(pointer, lib.pln_engine_release)
        self._keep = keep  # behind the pointer, so that it goes after it
        self._inputs = self._read(lib.pln_engine_input_count, lib.pln_engine_input)
        self._outputs = self._read(lib.pln_engine_output_count, lib.pln_engine_output)
        self._names = frozenset(i.name for i in self._inputs)
        self._free: List["Context"] = []  # of calls that are over; they do not know the engine meanwhile, so that it goes with its last user

    def _read(self, count: Any, one: Any) -> Tuple[TensorInfo, ...]:
        told, out = ffi.new("struct pln_tensor_info *"), []
        for i in range(count(self._pointer)):
            check(one(self._pointer, i, told))
            out.append(_info(told))
        return tuple(out)

    # ---- what it is ----

    @property
    def inputs(self) -> Tuple[TensorInfo, ...]:
        """In the model's order."""
        return self._inputs

    @property
    def outputs(self) -> Tuple[TensorInfo, ...]:
        """In the model's order."""
        return self._outputs

    def _summary(self) -> Any:
        told = ffi.new("struct pln_engine_summary *")
        lib.pln_engine_summarize(self._pointer, told)
        return told

    @property
    def name(self) -> str:
        """Of the model's graph."""
        return _string(self._summary().name)

    @property
    def device(self) -> str:
        """"cpu", "cuda:0", …"""
        return _string(self._summary().device)

    @property
    def targets(self) -> str:
        """What the plan is for: "x86-64-v3, x86-64-v4; sm_90a"."""
        return _string(self._summary().targets)

    @property
    def weights_bytes(self) -> int:
        """As stored in the plan."""
        return self._summary().weights_bytes

    @property
    def model(self) -> Optional[bytes]:
        """The ONNX model that the plan keeps (`planish.build(…, keep_model=True)`); None: it keeps none."""
        size = ffi.new("size_t *")
        data = lib.pln_engine_model(self._pointer, size)
        return ffi.buffer(data, size[0])[:] if data else None

    @property
    def keeps_model(self) -> bool:
        """Is `model` there?"""
        return bool(lib.pln_engine_model(self._pointer, ffi.new("size_t *")))

    @property
    def metadata(self) -> Dict[str, str]:
        """The model's, and what the build was given."""
        out, i = {}, 0
        while True:
            key = lib.pln_engine_metadata_key(self._pointer, i)
            if not key:
                return out
            out[_string(key)] = _string(lib.pln_engine_metadata(self._pointer, key))
            i += 1

    def __len__(self) -> int:
        """Layers."""
        return self._summary().steps

    def __bool__(self) -> bool:
        return True

    def __getitem__(self, index: int) -> Layer:
        index = index + len(self) if index < 0 else index
        told = ffi.new("struct pln_step_info *")
        if index < 0 or lib.pln_engine_step(self._pointer, index, told) != 0:
            raise IndexError(f"there are {len(self)} layers")
        return Layer(_string(told.op), _string(told.kernel), _string(told.device), _string(told.name), told.inputs, told.outputs, told.block)

    def __iter__(self) -> Iterator[Layer]:
        return (self[i] for i in range(len(self)))

    @property
    def layers(self) -> List[Layer]:
        """In the plan's order: which kernel stands for which ONNX nodes."""
        return list(self)

    def operands(self, index: int) -> Tuple[List[Operand], List[Operand]]:
        """What a layer reads and what it writes, as the plan knows it."""
        found, told = ffi.new("struct pln_step_operands *"), ffi.new("struct pln_value_info *")
        if index < 0 or lib.pln_engine_step_operands(self._pointer, index, found) != 0:
            raise IndexError(f"there are {len(self)} layers")
        sides: Tuple[List[Operand], List[Operand]] = [], []
        for out, values, n in zip(sides, (found.inputs, found.outputs), (found.n_inputs, found.n_outputs)):
            for i in range(n):
                if values[i] != 0xFFFFFFFF and lib.pln_engine_value(self._pointer, values[i], told) == 0:
                    out.append(Operand(_string(told.name), told.dtype, tuple(told.dims[0 : told.rank]) if told.rank >= 0 else None, _string(told.device)))
        return sides

    def dump(self) -> str:
        """Everything in the plan, line by line; for people."""
        lines: List[str] = []
        handle = ffi.new_handle(lines)
        check(lib.pln_engine_dump(self._pointer, lib.planish_on_line, handle), what="dump")
        return "\n".join(lines)

    def memory(self, shapes: Mapping[str, Sequence[int]]) -> int:
        """Bytes of activations that a run with these input shapes holds (a lower bound where shapes depend on data)."""
        keeper, told = handles.Keeper(), ffi.new("struct pln_tensor_info[]", max(len(shapes), 1))
        for i, (name, shape) in enumerate(shapes.items()):
            if len(shape) > arrays.MAX_RANK:
                raise InvalidArgument(f"a shape has at most {arrays.MAX_RANK} dims")
            told[i].name, told[i].rank = keeper.text(name), len(shape)
            for d, extent in enumerate(shape):
                if not isinstance(extent, numbers.Integral) or not 0 <= extent <= arrays.MOST:
                    raise InvalidArgument(f"the shape of '{name}' is {tuple(shape)}: extents are numbers from 0 on that fit into 64 bits")
                told[i].dims[d] = int(extent)
        out = ffi.new("size_t *")
        with handles.Diagnostics() as d:
            check(lib.pln_engine_memory(self._pointer, told, len(shapes), d.pointer, out), d.pointer, "memory")
        return out[0]

    # ---- keeping it ----

    def save(self, path: Any) -> None:
        """Writes the plan: under a temporary name, renamed when complete."""
        with handles.Diagnostics() as d:
            check(lib.pln_engine_save(self._pointer, handles.encoded(path), d.pointer), d.pointer, str(path))

    def to_bytes(self) -> bytes:
        """The plan's bytes, as `planish.load` takes them."""
        size = ffi.new("size_t *")
        data = lib.pln_engine_plan(self._pointer, size)
        return ffi.buffer(data, size[0])[:] if data else b""

    def __reduce__(self) -> Any:
        from . import load

        return load, (self.to_bytes(),)

    # ---- running it ----

    def context(self, memory_limit: int = 0) -> "Context":
        """A new context: the state of one running inference, for one thread at a time. memory_limit: bytes of activations and values of a run; 0: none."""
        return Context(self, memory_limit)

    def __call__(self, *args: Any, **kwargs: Any) -> Dict[str, Any]:
        """Runs once: inputs as a dict by name, in the model's order, or as keywords. Returns a dict of outputs by name."""
        return self._run(self.arguments(args, kwargs))

    def _run(self, inputs: Dict[str, Any], began: Optional[Callable[["Context"], Any]] = None) -> Dict[str, Any]:
        """began: told the context that the run is about to use."""
        if len(inputs) < len(self._inputs) or not self._names.issubset(inputs):
            missing = [i.name for i in self._inputs if i.name not in inputs]
            raise InvalidArgument(f"input{'s' if len(missing) > 1 else ''} {', '.join(map(repr, missing))} {'were' if len(missing) > 1 else 'was'} not given")
        try:
            context = self._free.pop()
            context.engine = self
        except IndexError:
            context = Context(self)
        try:
            if began is not None:
                began(context)
            return context.run(inputs)
        finally:
            if len(self._free) < CONTEXTS_KEPT:
                context._let_go()
                del context.engine
                self._free.append(context)

    def arguments(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Dict[str, Any]:
        """Inputs by name, of what a call was given."""
        if len(args) == 1 and not kwargs and isinstance(args[0], (dict, Mapping)) and not (self._inputs and self._inputs[0].kind == "map"):
            return dict(args[0])
        wanted = [i for i in self._inputs if not i.is_state] if len(args) <= sum(not i.is_state for i in self._inputs) else list(self._inputs)
        if len(args) > len(wanted):
            raise InvalidArgument(f"{len(args)} inputs were given, the model has {len(self._inputs)}: {', '.join(i.name for i in self._inputs)}")
        inputs = {info.name: value for info, value in zip(wanted, args)}
        for name in kwargs:
            if name in inputs:
                raise InvalidArgument(f"input '{name}' was given twice")
        return {**inputs, **kwargs}

    def state_store(self, capacity: int, **dims: int) -> "StateStore":
        """Room for the model's states (a KV cache) of `capacity` positions; dims: values of other symbolic dims of theirs, such as batch (1)."""
        return StateStore(self, capacity, dims)

    def profile(self, *args: Any, runs: int = 10, **kwargs: Any) -> Any:
        """Runs and times each layer: a `planish.Profile`. Inputs as for a call."""
        from .report import profile

        return profile(self, self.arguments(args, kwargs), runs)

    def __repr__(self) -> str:
        def side(infos: Sequence[TensorInfo]) -> str:
            return ", ".join(f"{i.name}: {_describe(i)}" for i in infos)

        return f"<planish.Engine {self.name!r} on {self.device}, {len(self)} layers; in {side(self._inputs)}; out {side(self._outputs)}>"

    def _repr_html_(self) -> str:
        from .report import engine_html

        return engine_html(self)


def _describe(info: TensorInfo) -> str:
    shape = "[*]" if info.shape is None else "[" + ",".join("?" if d is None else str(d) for d in info.shape) + "]"
    text = (dtypes.name(info.code) if info.code else "?") + shape
    return text if info.kind == "tensor" else f"{info.kind} of {text}"


class StateStore:
    """Memory for states that live across runs. A run with it writes only what is new. For one context at a time."""

    def __init__(self, engine: Engine, capacity: int, dims: Mapping[str, int]) -> None:
        keeper, out = handles.Keeper(), ffi.new("pln_state_store **")
        options = ffi.new("struct pln_state_options *")
        names, values = ffi.new("char *[]", [keeper.text(n) for n in dims] or [ffi.NULL]), ffi.new("int64_t[]", list(dims.values()) or [0])
        options.struct_size, options.capacity = ffi.sizeof("struct pln_state_options"), capacity
        options.dim_names, options.dim_values, options.dim_count = names, values, len(dims)
        with handles.Diagnostics() as d:
            check(lib.pln_state_store_create(engine._pointer, options, d.pointer, out), d.pointer, "a state store")
        self._pointer = ffi.gc(out[0], lib.pln_state_store_destroy)
        self.engine = engine

    def __len__(self) -> int:
        """Positions held."""
        return lib.pln_state_store_length(self._pointer)

    def __bool__(self) -> bool:
        return True

    def truncate(self, length: int) -> None:
        """Forgets the positions from `length` on."""
        check(lib.pln_state_store_truncate(self._pointer, length), what=f"the store holds {len(self)} positions, not {length}")


class _Asked:
    """An output allocator of Python: a function of (name, bytes, numpy dtype, shape) that gives a writable array or an address."""

    def __init__(self, function: Callable[..., Any], where: int) -> None:
        self.function, self.where = function, where
        self.held: Any = None
        self.place: Tuple[int, int] = (0, 0)  # first and last address of what was given
        self.raised: Optional[BaseException] = None


def _asked_failed(kind: Any, raised: Any, trace: Any) -> None:
    user = trace.tb_frame.f_locals.get("user") if trace else None
    if user is not None:
        ffi.from_handle(user).raised = raised


@ffi.def_extern(error=ffi.NULL, onerror=_asked_failed)
def planish_on_output(user, request):
    asked = ffi.from_handle(user)
    asked.held, asked.place = None, (0, 0)
    shape = tuple(request.dims[i] for i in range(request.rank))
    given = asked.function(_string(request.name), request.size_bytes, dtypes.to_numpy(request.dtype), shape)
    if given is None:
        return ffi.NULL
    if isinstance(given, numbers.Integral):
        if isinstance(given, bool) or not 0 <= given < 1 << 64:
            raise InvalidArgument(f"{given!r} is no address of memory for output '{_string(request.name)}'")
        asked.place = int(given), int(given) + request.size_bytes
        return ffi.cast("void *", int(given))
    memory = arrays.writable_memory_of(given, f"the memory for output '{_string(request.name)}'")
    if memory.nbytes < request.size_bytes:
        raise InvalidArgument(f"the memory for output '{_string(request.name)}' has {memory.nbytes} bytes, {request.size_bytes} are wanted")
    asked.held, asked.place = given, (memory.address, memory.address + request.size_bytes)
    return ffi.cast("void *", memory.address)


class _Tap:
    """A function that is told values; what it raises ends the run and is raised again behind it."""

    def __init__(self, context: "Context", function: Callable[[str, Any], Any]) -> None:
        self.pointer, self.function = context._pointer, function
        self.raised: Optional[BaseException] = None

    def cancel(self) -> None:
        lib.pln_context_cancel(self.pointer)

    def __call__(self, name: str, buffer: Any) -> None:
        if self.raised is None:
            self.function(name, arrays.copy_out(buffer))


class _Slot:
    """An input as it was bound last: the next array of the same type and shape only has another address."""

    __slots__ = ("buffer", "name", "dtype", "shape")

    def __init__(self, name: Any, buffer: Any) -> None:
        self.buffer, self.name = buffer, name
        self.dtype: Any = None
        self.shape: Any = None


class _Call:
    """A run from arrays to arrays in one change to C: for contexts whose inputs and outputs are tensors, as long as nothing else is asked for."""

    def __init__(self, context: "Context") -> None:
        engine, names = context.engine, context._names
        n_in, n_out = len(engine.inputs), len(engine.outputs)
        self.held = ffi.new("char *[]", [names[i.name] for i in engine.inputs] or 1), ffi.new("char *[]", [names[o.name] for o in engine.outputs] or 1), ffi.new("struct pln_buffer[]", max(n_out, 1))
        self.call = ffi.new("struct planish_call *", [context._pointer, n_in, n_out, self.held[0], self.held[1], context._bound, self.held[2], 0, 0])
        self.outputs = [o.name for o in engine.outputs]
        self.n_inputs = n_in
        self.known: Optional[List[Any]] = None  # (name, buffer, shape, dtype, bytes) of outputs

    def run(self, context: "Context", inputs: Mapping[str, Any]) -> Optional[Dict[str, Any]]:
        """None: the long way is needed."""
        if len(inputs) != self.n_inputs:
            return None
        slots, held = context._slots, context._held
        for name, value in inputs.items():
            slot = slots.get(name)
            if slot is None or type(value) is not np.ndarray or value.dtype is not slot.dtype or value.shape != slot.shape or not value.flags.carray:
                return None
            slot.buffer.data = ffi.from_buffer(value)
        # Until all is well: the buffers may be of this run when it fails half way.
        known, self.known = self.known, None
        context._running = True
        self.call.interruptible = may_be_interrupted()
        try:
            status = lib.planish_run(self.call)
        finally:
            context._running = False
        if status == -1:  # some are bound, others are as they were: both stay alive
            held.update({name: (held.get(name), value) for name, value in inputs.items()})
            return None
        held.update(inputs)
        if status == -2:
            raise make(self.call.status, lib.pln_context_diagnostics(context._pointer), "the run")
        raise_interrupt()
        if status or known is None:
            return self._first(context, self.held[2])
        out = {}
        for name, buffer, shape, dtype, size in known:
            array = out[name] = np.empty(shape, dtype)
            ffi.memmove(array, buffer.data, size)
        self.known = known
        return out

    def _first(self, context: "Context", buffers: Any) -> Dict[str, Any]:
        out = {name: arrays.copy_out(buffers + i) if buffers[i].memory == arrays.HOST else context.output(name) for i, name in enumerate(self.outputs)}
        plain = all(buffers[i].memory == arrays.HOST and buffers[i].dtype in arrays.PLAIN and not buffers[i].strides and array.nbytes for i, array in enumerate(out.values()))
        self.known = [(name, buffers + i, array.shape, array.dtype, array.nbytes) for i, (name, array) in enumerate(out.items())] if plain else None
        return out


class Context:
    """The state of one running inference. One run at a time: calls from several threads wait for each other."""

    def __init__(self, engine: Engine, memory_limit: int = 0) -> None:
        options, out = ffi.new("struct pln_context_options *"), ffi.new("pln_context **")
        options.struct_size, options.memory_limit_bytes = ffi.sizeof("struct pln_context_options"), limit_of(memory_limit)
        with handles.Diagnostics() as d:
            options.diagnostics = d.pointer
            check(lib.pln_context_create(engine._pointer, options, out), d.pointer, "a context")
        self._pointer = ffi.gc(out[0], lib.pln_context_destroy)
        self._keep = engine._keep  # what the library may call during runs
        self.engine = engine
        self._lock = threading.RLock()
        self._names = {i.name: ffi.new("char[]", i.name.encode()) for i in engine.inputs + engine.outputs}
        self._infos = {i.name: i for i in engine.inputs}
        self._outputs = {i.name: i for i in engine.outputs}
        plain = [i for i in engine.inputs if i.kind == "tensor" and i.code != dtypes.STRING]
        self._bound = ffi.new("struct pln_buffer[]", max(len(plain), 1))
        self._slots = {info.name: _Slot(self._names[info.name], self._bound + i) for i, info in enumerate(plain)}
        self._call = _Call(self) if len(plain) == len(engine.inputs) and all(o.kind == "tensor" and not o.is_state for o in engine.outputs) else None
        self._buffer = ffi.new("struct pln_buffer *")
        self._held: Dict[str, Any] = {}  # what is bound, by name
        self._given: Dict[str, Any] = {}  # outputs in the caller's memory
        self._apart = True  # were outputs of fixed memory looked at since they were bound?
        self._store: Optional[StateStore] = None
        device = engine.device
        self._gpu = device if device.startswith("cuda") else ""
        self._imported = False  # was memory bound since the last run that other libraries handed over in the order of the default stream?
        self._tap: Any = None
        self._profiled_from: Optional[int] = None  # runs when profiling began
        self._running = False

    def _let_go(self) -> None:
        """Of arrays that are bound, when the next run binds all anew."""
        if self._call is not None:
            self._held.clear()

    def _check(self, status: int, what: str = "") -> None:
        if status != 0:
            raise make(status, lib.pln_context_diagnostics(self._pointer), what)

    def _idle(self) -> None:
        """Callbacks come in the run's thread, which has the lock."""
        if self._running:
            raise InvalidArgument("a callback of this context's run cannot use the context")

    # ---- binding ----

    def bind(self, name: str, value: Any) -> None:
        """Binds an input for the runs to come: the memory of an array, read during each run; or a list, a dict or None for what is no tensor."""
        slot = self._slots.get(name)
        with self._lock:
            self._idle()
            if slot is None:
                self._bind_value(name, value)
                return
            if type(value) is np.ndarray and value.dtype is slot.dtype and value.shape == slot.shape and value.flags.c_contiguous and value.flags.aligned:
                slot.buffer.data = ffi.from_buffer(value)
                held = value
            else:
                held = self._bind_memory(slot, self._infos[name], value)
            self._check(lib.pln_context_bind_input(self._pointer, slot.name, slot.buffer), name)
            self._held[name] = held

    def _bind_memory(self, slot: _Slot, info: TensorInfo, value: Any) -> Any:
        memory = arrays.memory_of(value, info.code)
        if memory.code == dtypes.STRING:
            raise InvalidArgument(f"input '{info.name}' wants {_describe(info)}, not strings")
        self._take_over(memory)
        strides = arrays.fill_buffer(slot.buffer, memory)
        plain = memory.where == arrays.HOST and memory.owner is value and memory.strides is None
        slot.dtype, slot.shape = (value.dtype, value.shape) if plain else (None, None)
        return memory, strides

    def _take_over(self, memory: arrays.Memory) -> None:
        """Memory of a GPU that another library handed over: the default stream comes behind the work on it."""
        if memory.imported and self._gpu:
            if memory.stream:
                gpu_of(self._gpu).order(memory.stream, DEFAULT_STREAM)
            self._imported = True

    def _bind_value(self, name: str, value: Any) -> None:
        info = self._infos.get(name)
        if info is None:
            raise InvalidArgument(f"the model has no input '{name}'; it has {', '.join(self._infos) or 'none'}")
        held = arrays.make_value(value, _KINDS.index(info.kind), info.code)
        self._check(lib.pln_context_bind_value(self._pointer, self._names[name], held), name)
        self._held[name] = held

    def bind_output(self, name: str, value: Any, device: bool = False) -> None:
        """Binds the memory of a writable row-major array for an output; a function of (name, bytes, dtype, shape) that gives such memory, or its address, when the run
        knows what it wants (device: memory of the GPU); None: the context's own memory again."""
        info = self._outputs.get(name)
        if info is None:
            raise InvalidArgument(f"the model has no output '{name}'; it has {', '.join(self._outputs) or 'none'}")
        with self._lock:
            self._idle()
            if value is None:
                given = None
                status = lib.pln_context_bind_output(self._pointer, self._names[name], ffi.NULL)
            elif callable(value) and not arrays.is_tensor_like(value):
                asked = _Asked(value, arrays.DEVICE if device else arrays.HOST)
                given = (asked, ffi.new_handle(asked))
                arrays.fill_buffer(self._buffer, arrays.Memory(0, 0, info.code, (), None, asked.where, True, None))
                self._check(lib.pln_context_bind_output(self._pointer, self._names[name], self._buffer), name)  # tells the kind of memory
                status = lib.pln_context_set_output_allocator(self._pointer, self._names[name], lib.planish_on_output, given[1])
            else:
                memory = arrays.writable_memory_of(value, f"the array for output '{name}'")
                if info.code and memory.code != info.code:
                    raise InvalidArgument(f"output '{name}' is {dtypes.name(info.code)}, its array {dtypes.name(memory.code)}")
                self._take_over(memory)
                given = (memory, arrays.fill_buffer(self._buffer, memory))
                status = lib.pln_context_bind_output(self._pointer, self._names[name], self._buffer)
            if status != 0:
                raised = make(status, lib.pln_context_diagnostics(self._pointer), name)
                # Nothing of the old binding may be left behind its memory.
                lib.pln_context_bind_output(self._pointer, self._names[name], ffi.NULL)
                self._given.pop(name, None)
                raise raised
            self._given.pop(name, None)
            if given is not None:
                self._given[name] = given
            self._apart = False

    def bind_states(self, store: Optional[StateStore]) -> None:
        """The store holds the model's states in the runs to come; None: no more."""
        with self._lock:
            self._idle()
            self._check(lib.pln_context_bind_states(self._pointer, store._pointer if store else ffi.NULL), "states")
            self._store = store

    def on_value(self, function: Optional[Callable[[str, Any], Any]]) -> None:
        """Called with name and array of each value that the build made visible (`taps`), as soon as it is known; None: no more."""
        with self._lock:
            self._idle()
            tap = _Tap(self, function) if function is not None else None
            handle = ffi.new_handle(tap) if tap is not None else ffi.NULL
            lib.pln_context_set_tap(self._pointer, lib.planish_on_tap if tap is not None else ffi.NULL, handle)
            self._tap = (tap, handle) if tap is not None else None

    # ---- running ----

    def run(self, inputs: Optional[Mapping[str, Any]] = None, outputs: Optional[Mapping[str, Any]] = None) -> Dict[str, Any]:
        """Runs once. inputs: arrays by name; those bound before need not be given again. outputs: memory for outputs, as bind_output takes it, for this and the runs to come.

        Returns the outputs by name: the caller's arrays where memory was given, else new numpy arrays; states in a store are left out."""
        with self._lock:
            self._idle()
            if self._call is not None and inputs and not outputs and not self._given and self._tap is None and self._store is None:
                done = self._call.run(self, inputs)
                if done is not None:
                    return done
            for name, value in (inputs or {}).items():
                self.bind(name, value)
            for name, value in (outputs or {}).items():
                self.bind_output(name, value)
            self._run()
            out, buffer = {}, self._buffer
            for info in self.engine.outputs:
                name = info.name
                if info.is_state and self._store:
                    continue
                if info.kind == "tensor" and name not in self._given and lib.pln_context_output(self._pointer, self._names[name], buffer) == 0 and buffer.memory == arrays.HOST:
                    out[name] = arrays.copy_out(buffer)
                else:
                    out[name] = self.output(name)
            return out

    def _check_apart(self) -> None:
        """Two outputs in one memory would be one of them."""
        places = [(*(g.place if isinstance(g, _Asked) else (g.address, g.address + g.nbytes)), name) for name, (g, _) in self._given.items()]
        places = sorted(place for place in places if place[0] < place[1])
        for (_, end, one), (begin, _, other) in zip(places, places[1:]):
            if begin < end:
                raise InvalidArgument(f"the memory of output '{other}' overlaps that of output '{one}'")

    def _uses_device(self) -> bool:
        """Is memory of the GPU bound?"""
        return any(s.buffer.memory == arrays.DEVICE for s in self._slots.values()) or any(getattr(g, "where", arrays.HOST) == arrays.DEVICE for g, _ in self._given.values())

    def _on_stream(self, stream: int) -> Any:
        """Options of a run on a stream; 0 is CUDA's name of the default one."""
        options = ffi.new("struct pln_enqueue_options *")
        options.struct_size, options.stream = ffi.sizeof("struct pln_enqueue_options"), ffi.cast("void *", stream or DEFAULT_STREAM)
        return options

    def _start(self, options: Any, device: bool) -> int:
        """The run itself: a status. With memory of a GPU it is behind what lies on the default stream, on which programs that name no stream do their work."""
        if options is not None or not self._gpu or not (device or self._uses_device()):
            return lib.planish_enqueue(self._pointer, ffi.NULL if options is None else options, may_be_interrupted())
        options = self._on_stream(DEFAULT_STREAM)
        options.wait = 1
        return lib.planish_enqueue(self._pointer, options, may_be_interrupted())

    def _run(self, options: Any = None, device: bool = False) -> None:
        """Runs what is bound, or enqueues it. device: memory of the GPU is bound, also where this does not know of it. What a callback raised is the cause of the error,
        or the error where it is no Exception."""
        for given, _ in self._given.values():
            if isinstance(given, _Asked):
                given.place = 0, 0
        if not self._apart:
            self._check_apart()
            self._apart = True
        self._running = True
        try:
            status = self._start(options, device)
        finally:
            self._running = False
        self._imported = False
        asked = [name for name, given in self._given.items() if isinstance(given[0], _Asked)]
        callbacks = [self._given[name][0] for name in asked] + ([self._tap[0]] if self._tap else [])
        cause = next((c.raised for c in callbacks if c.raised is not None), None)
        failed = next((name for name in asked if self._given[name][0].raised is not None), None)
        for callback in callbacks:
            callback.raised = None
        if cause is not None and not isinstance(cause, Exception):
            raise cause
        made = make(status or 10, lib.pln_context_diagnostics(self._pointer), "the run") if status != 0 or cause is not None else None
        raise_interrupt()
        if failed is not None:
            raise Cancelled(f"the function that gives memory for output '{failed}' raised {type(cause).__name__}: {cause}") from cause
        if made is not None:
            raise made from cause or made.__cause__
        if len(asked) > 0 and len(self._given) > 1:
            self._check_apart()

    def output(self, name: str) -> Any:
        """An output of the last run: the caller's array where memory of the right shape was given, else a copy."""
        info = self._outputs.get(name)
        if info is None:
            raise InvalidArgument(f"the model has no output '{name}'; it has {', '.join(self._outputs) or 'none'}")
        with self._lock:
            self._idle()
            if info.kind != "tensor":
                out = ffi.new("pln_host_value **")
                self._check(lib.pln_context_output_value(self._pointer, self._names[name], out), name)
                return arrays.read_value(ffi.gc(out[0], lib.pln_host_value_destroy))
            buffer = self._buffer
            self._check(lib.pln_context_output(self._pointer, self._names[name], buffer), name)
            given = self._given.get(name)
            if given is not None:
                return self._in_place(given[0], buffer)
            if buffer.memory != arrays.HOST:
                raise InvalidArgument(f"output '{name}' is in the device's memory: bind an array for it")
            return arrays.copy_out(buffer)

    def _in_place(self, given: Any, buffer: Any) -> Any:
        shape = tuple(buffer.dims[i] for i in range(buffer.rank))
        if isinstance(given, _Asked):
            held = given.held
            fits = held is not None and (not isinstance(held, np.ndarray) or (held.shape == shape and dtypes.from_numpy(held.dtype) == buffer.dtype))
            return held if fits else arrays.copy_out(buffer)
        owner = given.owner
        if isinstance(owner, tuple):  # what DLPack gave it
            owner = owner[0]
        if given.shape == shape or not isinstance(owner, np.ndarray):
            return owner
        count = math.prod(shape)
        return owner.reshape(-1)[:count].reshape(shape)

    def run_async(self, inputs: Optional[Mapping[str, Any]] = None, outputs: Optional[Mapping[str, Any]] = None) -> "Future[Dict[str, Any]]":
        """`run` in a thread of its own: a concurrent.futures.Future of its result. Arrays must stay as they are until it is done."""
        from concurrent.futures import Future

        future: "Future[Dict[str, Any]]" = Future()

        def work() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(self.run(inputs, outputs))
            except BaseException as raised:  # told by the future
                future.set_exception(raised)

        threading.Thread(target=work, name="planish-run", daemon=True).start()
        return future

    def enqueue(self, stream: int) -> None:
        """Puts a run onto a stream (a CUstream as a number, such as torch.cuda.current_stream().cuda_stream; 0: the default stream) of the engine's GPU. Inputs and outputs lie
        in its memory and are read and written in the stream's order."""
        with self._lock:
            self._idle()
            if self._imported and stream not in (0, DEFAULT_STREAM):
                gpu_of(self._gpu).order(DEFAULT_STREAM, stream)
            self._run(self._on_stream(stream))

    def cancel(self) -> None:
        """Ends the run under way soon, with `planish.Cancelled`; from any thread."""
        lib.pln_context_cancel(self._pointer)

    # ---- asking ----

    def output_shape(self, name: str) -> Optional[Tuple[int, ...]]:
        """For the inputs as bound; None: only a run can tell."""
        rank, dims = ffi.new("int *"), ffi.new(f"int64_t[{arrays.MAX_RANK}]")
        if name not in self._outputs:
            raise InvalidArgument(f"the model has no output '{name}'; it has {', '.join(self._outputs) or 'none'}")
        with self._lock:
            self._idle()
            status = lib.pln_context_output_shape(self._pointer, self._names[name], rank, dims)
            if status == 9:
                return None
            self._check(status, name)
        return tuple(dims[i] for i in range(rank[0]))

    @property
    def memory(self) -> int:
        """Bytes of activations that a run with the inputs as bound will hold (a lower bound where shapes depend on data)."""
        out = ffi.new("size_t *")
        with self._lock:
            self._idle()
            self._check(lib.pln_context_memory(self._pointer, out), "memory")
        return out[0]

    @property
    def stats(self) -> Dict[str, int]:
        """Counters since the context was made: runs, memory_plans, allocator_calls, bytes held, nanoseconds of the last run."""
        told = ffi.new("struct pln_context_stats *")
        lib.pln_context_get_stats(self._pointer, told)
        return {name: getattr(told, name) for name, _ in ffi.typeof("struct pln_context_stats").fields if name != "reserved"}

    def set_profiling(self, on: bool) -> None:
        """Every layer of the runs to come is timed."""
        with self._lock:
            self._idle()
            lib.pln_context_set_profiling(self._pointer, int(on))
            self._profiled_from = self.stats["runs"] if on else None

    def layer_times(self) -> List[Tuple[int, int]]:
        """Nanoseconds and count of each layer in the last run, in the order of engine.layers. InvalidArgument: none was timed."""
        ns, count, out = ffi.new("uint64_t *"), ffi.new("uint64_t *"), []
        with self._lock:
            self._idle()
            if self._profiled_from is None or self.stats["runs"] == self._profiled_from:
                raise InvalidArgument("no run was timed: call context.set_profiling(True) before the run")
            for i in range(len(self.engine)):
                self._check(lib.pln_context_step_time(self._pointer, i, ns, count), "profiling")
                out.append((ns[0], count[0]))
        return out
