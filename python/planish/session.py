"""For programs written for ONNX Runtime: `onnxruntime.InferenceSession` becomes `planish.InferenceSession`, and the rest stays."""
from __future__ import annotations

import difflib
import enum
import mmap
import os
import re
import sys
import threading
from typing import Any, Callable, Dict, FrozenSet, List, Mapping, NamedTuple, Optional, Sequence, Set

from . import dtypes
from .build import Threads, build, is_plan, load, pass_names
from .engine import Context, Engine, TensorInfo
from .errors import Cancelled, DeviceError, InvalidArgument, Unsupported

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


class ModelMetadata(NamedTuple):
    """What a model says of itself. description and graph_description are not kept in plans: "" there."""

    custom_metadata_map: Dict[str, str]
    description: str
    domain: str
    graph_description: str
    graph_name: str
    producer_name: str
    version: int


class _Known:
    """Attributes that exist, and no others: a name that was mistyped would have no effect."""

    def __setattr__(self, name: str, value: Any) -> None:
        if "_whole" in self.__dict__ and name not in self.__dict__ and not hasattr(type(self), name):
            close = difflib.get_close_matches(name, [known for known in dir(self) if known[0] != "_"], 1)
            raise AttributeError(f"{type(self).__name__} has no '{name}'" + (f": is '{close[0]}' meant?" if close else ""))
        object.__setattr__(self, name, value)


class SessionOptions(_Known):
    """What a session is told. What acts: intra_op_num_threads (0: as many as the process may use), graph_optimization_level ORT_DISABLE_ALL, log_severity_level (-1: that of
    set_default_logger_severity) and overrides of free dimensions. enable_profiling and optimized_model_filepath are refused by the session, which says what to use; the rest,
    about memory and the order of nodes, is kept for who asks."""

    def __init__(self) -> None:
        self.intra_op_num_threads = self.inter_op_num_threads = 0
        self.graph_optimization_level, self.execution_mode = GraphOptimizationLevel.ORT_ENABLE_ALL, ExecutionMode.ORT_SEQUENTIAL
        self.log_severity_level, self.log_verbosity_level, self.logid = -1, 0, ""
        self.enable_profiling, self.enable_cpu_mem_arena, self.enable_mem_pattern, self.enable_mem_reuse = False, True, True, True
        self.optimized_model_filepath, self.profile_file_prefix, self.use_deterministic_compute, self.execution_order = "", "onnxruntime_profile_", False, 0
        self.use_per_session_threads = True
        self._entries: Dict[str, str] = {}
        self._dims: Dict[str, int] = {}
        self._denoted: Dict[str, int] = {}
        self._whole = True

    def add_session_config_entry(self, key: str, value: str) -> None:
        """Keeps it."""
        self._entries[key] = value

    def get_session_config_entry(self, key: str) -> str:
        """As added; KeyError: it was not."""
        return self._entries[key]

    def add_free_dimension_override_by_name(self, name: str, value: int) -> None:
        """The model is built with this extent for the dim of inputs that has this name ("batch")."""
        self._dims[str(name)] = _extent(name, value)

    def add_free_dimension_override_by_denotation(self, denotation: str, value: int) -> None:
        """The same for dims of this denotation ("DATA_BATCH")."""
        self._denoted[str(denotation)] = _extent(denotation, value)

    def register_custom_ops_library(self, path: str) -> None:
        """Unsupported: such libraries are made for ONNX Runtime's own interface."""
        raise Unsupported("libraries of custom operators for ONNX Runtime have its own interface: write the operators with planish.Ops(), in Python or as a plugin in C, and give the session ops=…")

    def add_initializer(self, name: str, value: Any) -> None:
        """Unsupported."""
        raise Unsupported("initializers from outside the model are not taken: put them into the model, or into files beside it (external_data=FOLDER)")

    def add_external_initializers(self, names: Any, values: Any) -> None:
        """Unsupported."""
        self.add_initializer("", None)


def _extent(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InvalidArgument(f"the extent of '{name}' is a number from 0 on, not {value!r}")
    return value


class RunOptions(_Known):
    """What a run is told: `terminate` ends the runs with these options, those under way soon; the rest is kept."""

    def __init__(self) -> None:
        self.log_severity_level, self.log_verbosity_level, self.logid = -1, 0, ""
        self.only_execute_path_to_fetches = self.training_mode = False
        self._entries: Dict[str, str] = {}
        self._contexts: Set[Context] = set()
        self._terminate = False
        self._whole = True

    @property
    def terminate(self) -> bool:
        """Do runs with these options end with `planish.Cancelled`?"""
        return self._terminate

    @terminate.setter
    def terminate(self, value: bool) -> None:
        self._terminate = bool(value)
        for context in list(self._contexts) if value else ():
            context.cancel()

    def add_run_config_entry(self, key: str, value: str) -> None:
        """Keeps it."""
        self._entries[key] = value

    def get_run_config_entry(self, key: str) -> str:
        """As added; KeyError: it was not."""
        return self._entries[key]


_default_severity: Optional[int] = None


def set_default_logger_severity(severity: int) -> None:
    """What sessions tell on stderr: 0 everything, 1 information, 2 warnings, 3 errors, 4 nothing. Before it is called, nothing."""
    global _default_severity
    if isinstance(severity, bool) or not isinstance(severity, int) or not 0 <= severity <= 4:
        raise InvalidArgument(f"a severity is one of 0 (everything) to 4, not {severity!r}")
    _default_severity = severity


def set_default_logger_verbosity(verbosity: int) -> None:
    """Nothing: severity 0 tells everything."""


def _logger(options: Any) -> Optional[Callable[[int, str], None]]:
    told = getattr(options, "log_severity_level", -1)
    severity = _default_severity if told < 0 or (told == 2 and not isinstance(options, SessionOptions)) else told
    if severity is None:
        return None

    def log(level: int, text: str) -> None:
        if 3 - level >= severity:
            print(f"planish: {('error', 'warning', 'info', 'verbose')[level]}: {text}", file=sys.stderr)

    return log


def get_device() -> str:
    """"GPU" where there is one that can be used, else "CPU"."""
    return "GPU" if len(get_available_providers()) > 1 else "CPU"


def get_available_providers() -> List[str]:
    """Of this machine, by ONNX Runtime's names."""
    from . import devices

    return [*(["CUDAExecutionProvider"] if any(d.name.startswith("cuda") and d.usable for d in devices()) else []), "CPUExecutionProvider"]


class InferenceSession:
    """A model that runs as ONNX Runtime's sessions do.

    path_or_bytes: a path (ONNX or plan) or bytes. providers: the first that is there counts, and one must be: "CUDAExecutionProvider" (or a pair with {"device_id": n}) is "cuda:n",
    "CPUExecutionProvider" is "cpu", others of ONNX Runtime's are not there. sess_options: planish.SessionOptions, or ONNX Runtime's. options: as for `planish.build`.
    """

    def __init__(self, path_or_bytes: Any, sess_options: Any = None, providers: Optional[Sequence[Any]] = None, provider_options: Any = None, **options: Any) -> None:
        device = options.pop("device", None) or _device(providers, provider_options)
        for one in ("disabled_optimizers", "enable_fallback"):  # of ONNX Runtime's keywords
            if options.pop(one, None):
                raise Unsupported(f"{one} is not there: disabled_passes=[…] names passes of the build, and providers are the list that is given")
        if sess_options is not None and not hasattr(sess_options, "intra_op_num_threads"):
            raise TypeError(f"sess_options are a planish.SessionOptions or ONNX Runtime's, not {type(sess_options).__name__}")
        if getattr(sess_options, "enable_profiling", False):
            raise Unsupported("a session writes no profile: session.engine.profile(inputs) times the layers, and `planish bench MODEL --trace FILE.json` writes them for a trace viewer")
        if getattr(sess_options, "optimized_model_filepath", ""):
            raise Unsupported("a session writes no optimized model: `planish optimize IN.onnx -o OUT.onnx` does, and session.engine.save(path) keeps the plan")
        self._model, self._options, self._build_options = path_or_bytes, sess_options if sess_options is not None else SessionOptions(), options
        self._with: Dict[FrozenSet[str], Engine] = {}  # engines in which initializers are inputs, by their names
        self.engine = self._made(device)

    def _made(self, device: Optional[str], given: FrozenSet[str] = frozenset()) -> Engine:
        """The engine; given: initializers of the model that are inputs of it."""
        told, options, model = self._options, dict(self._build_options), self._model
        threads = getattr(told, "intra_op_num_threads", 0)
        if threads and "threads" not in options:
            options["threads"] = Threads(threads)
        dims, denoted = getattr(told, "_dims", {}), getattr(told, "_denoted", {})
        if is_plan(model):
            if dims or denoted or given:
                what = f"the extent of '{next(iter({**dims, **denoted}))}'" if dims or denoted else f"'{min(given)}', an initializer with a default,"
                raise InvalidArgument(f"{what} cannot be changed in a plan: make the session of the ONNX model")
            return load(model, device=device, **options)
        if int(getattr(told, "graph_optimization_level", 99)) == 0:
            options.setdefault("disabled_passes", pass_names())
        logger = _logger(told)
        if logger is not None:
            options.setdefault("logger", logger)
        if dims or denoted or given:
            if isinstance(model, (str, os.PathLike)):
                options.setdefault("external_data", os.path.dirname(os.path.abspath(os.fspath(model))))
            model = _edited(_contents(model), dims, denoted, given)
        return build(model, device=device, **options)

    def get_inputs(self) -> List[NodeArg]:
        """In the model's order, without those that have a default in the model."""
        return [NodeArg(i) for i in self.engine.inputs]

    def get_outputs(self) -> List[NodeArg]:
        """In the model's order."""
        return [NodeArg(o) for o in self.engine.outputs]

    def get_overridable_initializers(self) -> List[NodeArg]:
        """Inputs with a default in the model, which `run` may be given. The first run with one of them builds the model once more, without its default."""
        told = ((key[len(_DEFAULT) :], kind) for key, kind in self.engine.metadata.items() if key.startswith(_DEFAULT))
        return [NodeArg(_info_of(name, kind)) for name, kind in told]

    def get_modelmeta(self) -> ModelMetadata:
        """What the model says of itself."""
        told, texts = self.engine.metadata, {"doc": "", "graph": ""} if is_plan(self._model) else _descriptions(self._model)
        own = {k: v for k, v in told.items() if not k.startswith(("onnx.", "planish."))}
        version = told.get("onnx.model_version", "0")
        return ModelMetadata(own, texts["doc"], told.get("onnx.domain", ""), texts["graph"], self.engine.name, told.get("onnx.producer_name", ""), int(version))

    def get_session_options(self) -> Any:
        """As given, or those of a session that was given none."""
        return self._options

    def get_providers(self) -> List[str]:
        """What the engine's device is called there."""
        return ["CUDAExecutionProvider", "CPUExecutionProvider"] if self.engine.device.startswith("cuda") else ["CPUExecutionProvider"]

    def get_provider_options(self) -> Dict[str, Dict[str, str]]:
        """By provider: the number of the GPU."""
        number = self.engine.device.partition(":")[2]
        return {name: {"device_id": number or "0"} if name.startswith("CUDA") else {} for name in self.get_providers()}

    def set_providers(self, providers: Optional[Sequence[Any]] = None, provider_options: Any = None) -> None:
        """Builds the model again where these providers mean another device; `providers` as for the session."""
        device = _device(providers, provider_options)
        if device != self.engine.device and not (device is None and not self.engine.device.startswith("cuda")):
            self.engine, self._with = self._made(device), {}

    def enable_fallback(self) -> None:
        """Nothing: providers are those of the list, as it was given."""

    disable_fallback = enable_fallback

    def end_profiling(self) -> str:
        """"": sessions with enable_profiling are refused, and none was written."""
        return ""

    def io_binding(self) -> Any:
        """Unsupported: a context has it without a class of its own."""
        raise Unsupported("there is no io_binding: session.engine.context().run(inputs, outputs={name: array}) takes arrays of NumPy, PyTorch and CuPy in place, also on a GPU")

    def run_with_iobinding(self, iobinding: Any, run_options: Any = None) -> None:
        """Unsupported, as io_binding is."""
        self.io_binding()

    def run_with_ort_values(self, output_names: Any, input_dict_ort_values: Any, run_options: Any = None) -> None:
        """Unsupported, as io_binding is."""
        self.io_binding()

    def run(self, output_names: Optional[Sequence[str]], input_feed: Mapping[str, Any], run_options: Any = None) -> List[Any]:
        """The outputs of these names (None: all), in order. run_options: planish.RunOptions, or ONNX Runtime's."""
        inputs, engine, began, started = dict(input_feed), self.engine, None, []  # type: ignore[var-annotated]
        if not engine._names.issuperset(inputs):
            engine = self._engine_with(inputs)
        if run_options is not None:
            if getattr(run_options, "terminate", False):
                raise Cancelled("the run's options say that it ends (RunOptions.terminate)")
            if getattr(run_options, "training_mode", False):
                raise Unsupported("models are not trained here: RunOptions.training_mode has no meaning")
            if isinstance(run_options, RunOptions):

                def began(context: Context) -> None:
                    started.append(context)
                    run_options._contexts.add(context)

        try:
            out = engine._run(inputs, began)
        finally:
            for context in started:
                run_options._contexts.discard(context)
        names = list(output_names) if output_names else [o.name for o in engine.outputs]
        for name in names:
            if name not in out:
                raise InvalidArgument(f"the model has no output '{name}'; it has {', '.join(out)}")
        return [out[name] for name in names]

    def _engine_with(self, inputs: Mapping[str, Any]) -> Engine:
        """One that has these inputs, some of which may have a default in the model."""
        defaults = {a.name for a in self.get_overridable_initializers()}
        given = frozenset(name for name in inputs if name in defaults)
        if not given:
            return self.engine
        if given not in self._with:
            self._with[given] = self._made(self.engine.device, given)
        return self._with[given]

    def run_async(self, output_names: Optional[Sequence[str]], input_feed: Mapping[str, Any], callback: Callable[[List[Any], Any, str], Any], user_data: Any, run_options: Any = None) -> None:
        """`run` in a thread of its own, which calls callback(outputs, user_data, error): error is "" where all is well, else outputs are []. Arrays must stay as they are until then."""

        def work() -> None:
            try:
                out, error = self.run(output_names, input_feed, run_options), ""
            except Exception as raised:  # told to the callback
                out, error = [], str(raised) or type(raised).__name__
            callback(out, user_data, error)

        threading.Thread(target=work, name="planish-run", daemon=True).start()


_DEFAULT = "planish.input_default."


def _info_of(name: str, kind: str) -> TensorInfo:
    """Of an input with a default, whose type is such as f32[2,3]."""
    word, dims = re.fullmatch(r"([^\[]*)(?:\[(.*)\])?", kind).groups()  # type: ignore[union-attr]
    code = next((c for c in range(1, 27) if dtypes.name(c) == word), 0)
    shape = tuple(int(d) if d.isdigit() else d for d in (dims or "").split(",") if d)
    return TensorInfo(name, dtypes.to_numpy(code) if code else None, shape, "tensor", False, 0, code)


# ---- models as bytes ----


def _contents(model: Any) -> bytes:
    if isinstance(model, (str, os.PathLike)):
        with open(model, "rb") as file:
            return file.read()
    return model.SerializeToString() if hasattr(model, "SerializeToString") else bytes(model)


def _descriptions(model: Any) -> Dict[str, str]:
    """The texts of a model and of its graph for people. Of a file only what stands around weights is read."""
    from .tensorrt import wire

    def texts(data: Any) -> Dict[str, str]:
        out = {"doc": "", "graph": ""}
        for number, value, _ in wire.fields(data):
            if number == 6:
                out["doc"] = wire.text(value)
            elif number == wire.MODEL_GRAPH:
                out["graph"] = next((wire.text(v) for n, v, _ in wire.fields(value) if n == 10), "")
        return out

    if not isinstance(model, (str, os.PathLike)):
        return texts(_contents(model) if hasattr(model, "SerializeToString") else model)
    with open(model, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return texts(data)


def _edited(data: bytes, dims: Mapping[str, int], denoted: Mapping[str, int], given: FrozenSet[str]) -> bytes:
    """The model with extents in place of names of dims, and without some initializers, which are inputs then."""
    from .tensorrt import wire

    graph, seen, parts = wire.Graph(data), set(), []  # type: ignore[var-annotated]

    def dim(value: Any) -> Any:
        told = {n: wire.text(v) for n, v, _ in wire.fields(value) if n in (2, 3)}
        for key, overrides in ((told.get(2), dims), (told.get(3), denoted)):
            if key in overrides:
                seen.add(key)
                return wire.put(1, overrides[key])
        return value

    def within(value: Any, path: Sequence[int], change: Callable[[Any], Any]) -> bytes:
        """A message with what lies at a path of field numbers changed."""
        inner = change if len(path) == 1 else lambda v: within(v, path[1:], change)
        return b"".join(wire.put(n, inner(v)) if n == path[0] and not isinstance(v, int) else bytes(w) for n, v, w in wire.fields(value))

    for number, part in graph.parts:
        if number in (wire.GRAPH_INPUT, wire.GRAPH_OUTPUT, wire.GRAPH_VALUE_INFO):
            part = wire.put(number, within(wire.message(part), (2, 1, 2, 1), dim))  # type: ignore[assignment]
        elif number == wire.GRAPH_INITIALIZER and given and wire.Initializer(wire.message(part)).name in given:
            continue
        parts.append(part)
    missing = ({*dims} | {*denoted}) - seen
    if missing:
        raise InvalidArgument(f"no dim of the model's inputs is called '{min(missing)}', for which an extent was given (add_free_dimension_override)")
    return graph.written(parts)


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
