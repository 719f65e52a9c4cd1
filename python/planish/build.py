"""From a model to an engine."""
from __future__ import annotations

import numbers
import os
import sys
import time
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Union

from . import handles
from ._native import ffi, lib
from .engine import Engine, limit_of
from .errors import InvalidArgument, check, raise_interrupt

_TUNE = {"off": 0, "fast": 1, "full": 2}
_HALF = {None: 0, "fp16": 10, "bf16": 16}
MAGIC = b"\x89PLAN\r\n\x1a"  # what plans begin with
LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_VERBOSE = range(4)


class _Show:
    """Progress for people: one line of stderr, ten times a second at the most."""

    def __init__(self) -> None:
        self.shown = 0.0

    def __call__(self, phase: str, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self.shown >= 0.1:
            self.shown = now
            text = f"{phase}: {100 * done // total} %" if total > 0 else phase
            print(f"\r{text:<60}", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        if self.shown:
            print(f"\r{'':<60}\r", end="", file=sys.stderr, flush=True)


def default_device() -> str:
    """What programs for GPUs mean: $PLANISH_DEVICE, else "cuda:0" where there is a GPU, else "cpu"; as for the planish command."""
    return os.environ.get("PLANISH_DEVICE") or ffi.string(lib.pln_device_default()).decode()


def pass_names() -> List[str]:
    """The passes of a build in order, as `disabled_passes` takes them."""
    out: List[str] = []
    while lib.pln_pass_name(len(out)):
        out.append(ffi.string(lib.pln_pass_name(len(out))).decode())
    return out


def cache_folder() -> str:
    """Where compiled device code, plans and times of kernels are kept: $PLANISH_CACHE_DIR, else ~/.cache/planish, as for the planish command."""
    told = os.environ.get("PLANISH_CACHE_DIR")
    return told or os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "planish")


def is_plan(model: Any) -> bool:
    """Is it a plan, as a file of any name or as bytes?"""
    if isinstance(model, (bytes, bytearray, memoryview)):
        return bytes(memoryview(model).cast("B")[: len(MAGIC)]) == MAGIC
    if not isinstance(model, (str, os.PathLike)):
        return False
    try:
        with open(handles.encoded(model), "rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:  # told by who opens it then
        return os.fspath(model).endswith(".plan")


def build(
    model: Any,
    *,
    device: Optional[str] = None,
    target: Optional[str] = None,
    fp16: bool = False,
    bf16: bool = False,
    tf32: bool = False,
    winograd: bool = True,
    tune: str = "off",
    timing_cache: Any = None,
    require_device: bool = False,
    int32_io: bool = False,
    rebuildable: bool = True,
    keep_model: bool = False,
    taps: Union[Sequence[str], str, None] = None,
    disabled_passes: Sequence[str] = (),
    memory_limit: int = 0,
    metadata: Optional[Mapping[str, str]] = None,
    ops: Any = None,
    cache: Union[bool, str] = False,
    external_data: Any = None,
    threads: Optional["Threads"] = None,
    progress: Union[bool, Callable[[str, int, int], Any]] = False,
    logger: Optional[Callable[[int, str], Any]] = None,
) -> Engine:
    """Builds an engine.

    model: the path of an ONNX file, its bytes, or an onnx.ModelProto; or an Engine, which is built again from the graph that its plan keeps (NotFound: it keeps none). external_data: the folder of its external data when it is no path.
    device: "cpu" (default), "cuda:0", "ref". target: "native" (default), "x86-64-v3,x86-64-v4", "cuda:sm_90a": the machines that the plan is for.
    fp16, bf16: floats may be stored in 16 bits on devices that gain by it. tf32: products of floats may round their operands. winograd: convolutions of 3 x 3 taps may run as
    Winograd's. tune: "off", "fast" (2 s) or "full" (30 s): kernels are measured; timing_cache: the file of their times.
    int32_io: inputs and outputs of 64-bit integers become ones of 32. require_device: an error where a layer would run elsewhere. rebuildable: the plan keeps its graph, to be built again on other machines.
    keep_model: it keeps the ONNX model itself, too (Engine.model). taps: names of values to make
    visible (Context.on_value), or "*". ops: custom operators (planish.Ops). cache: keep and take compiled device code here; True: the default folder.
    memory_limit: bytes that the build may take; 0: any. progress: True, or a function of (phase, done, total) that returns False to stop. logger: a function of
    (level, text), level one of planish.LOG_ERROR … LOG_VERBOSE.

    The GIL is released. Raises planish.Error: BadModel and Unsupported name the node; Cancelled; KeyboardInterrupt ends a build.
    """
    if fp16 and bf16:
        raise InvalidArgument("fp16 and bf16: choose one")
    if tune not in _TUNE:
        raise InvalidArgument(f"tune is one of {', '.join(_TUNE)}, not {tune!r}")
    keeper = handles.Keeper()
    show = _Show() if progress is True else None
    watcher = handles.Watcher(show or progress or None, logger)
    options = ffi.new("struct pln_build_options *")
    options.struct_size = ffi.sizeof("struct pln_build_options")
    options.device, options.target = keeper.text(device), keeper.text(target)
    options.half = _HALF["fp16" if fp16 else "bf16" if bf16 else None]
    options.tf32, options.no_winograd, options.tune = int(tf32), int(not winograd), _TUNE[tune]
    options.require_device, options.no_rebuild = int(require_device), int(not rebuildable)
    options.int32_io, options.keep_model = int(int32_io), int(keep_model)
    options.taps, options.disabled_passes = keeper.texts([taps] if isinstance(taps, str) else taps), keeper.texts(disabled_passes)
    options.memory_limit_bytes = limit_of(memory_limit)
    options.metadata = keeper.texts([str(x) for pair in (metadata or {}).items() for x in pair])
    options.cache_folder = keeper.text(cache_folder() if cache is True else cache or None)
    options.timing_cache = keeper.text(timing_cache)
    options.plugins = ops._pointer if ops is not None else ffi.NULL
    options.pool = threads._pointer if threads is not None else ffi.NULL
    handle = keeper.handle(watcher)
    options.progress, options.progress_user = lib.planish_on_progress, handle
    if logger is not None:
        log = ffi.new("struct pln_logger *", {"user": handle, "log": lib.planish_on_log})
        keeper.kept.append(log)
        options.logger = log
    out = ffi.new("pln_engine **")
    with handles.Diagnostics() as d:
        options.diagnostics = d.pointer
        try:
            status = _build(model, options, external_data, out)
        finally:
            if show:
                show.end()
        # What the engine may call later must live as long as it.
        engine = Engine(out[0], (keeper, watcher, ops, threads)) if out[0] else None
        watcher.reraise()
        check(status, d.pointer, "the build")
        raise_interrupt()
    return engine


def _build(model: Any, options: Any, folder: Any, out: Any) -> int:
    if isinstance(model, Engine):
        size = ffi.new("size_t *")
        plan = lib.pln_engine_plan(model._pointer, size)
        return lib.pln_build_plan_memory(plan, size[0], options, out)
    if hasattr(model, "SerializeToString"):
        model = model.SerializeToString()
    if isinstance(model, (bytes, bytearray, memoryview)):
        data = ffi.from_buffer(memoryview(model).cast("B"))
        return lib.pln_build_memory(data, len(data), handles.encoded(folder) if folder is not None else ffi.NULL, options, out)
    if not isinstance(model, (str, os.PathLike)):
        raise InvalidArgument(f"a model is a path, bytes or an onnx.ModelProto, not {type(model).__name__}")
    return lib.pln_build_file(handles.encoded(model), options, out)


class Threads:
    """A pool of threads that engines share. count 0: as many as the process may use, or as there are cpus. cpus: the numbers of those on which they run, thread i on the
    one at place i; the first is for the thread that calls, which is left alone (os.sched_setaffinity binds it)."""

    def __init__(self, count: int = 0, cpus: Sequence[int] = ()) -> None:
        out = ffi.new("pln_thread_pool **")
        count = count or len(cpus)
        allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(cpus)
        if not isinstance(count, numbers.Integral) or not 0 <= count < 1 << 31 or any(not isinstance(c, numbers.Integral) or not 0 <= c < 1 << 31 for c in cpus):
            raise InvalidArgument(f"a pool has a number of threads, and numbers of CPUs, not {count!r} on {list(cpus)!r}")
        if not allowed.issuperset(cpus):
            raise InvalidArgument(f"the process may not use all of the CPUs {', '.join(map(str, cpus))}")
        check(lib.pln_thread_pool_create(count, out), what=f"a pool of {count} threads")
        self._pointer = ffi.gc(out[0], lib.pln_thread_pool_destroy)
        if len(cpus):
            check(lib.pln_thread_pool_bind(self._pointer, list(cpus), len(cpus)), what=f"the process may not use all of the CPUs {', '.join(map(str, cpus))}")

    def __len__(self) -> int:
        return lib.pln_thread_pool_threads(self._pointer)


def load(plan: Any, *, device: Optional[str] = None, ops: Any = None, threads: Optional[Threads] = None, verify: Optional[bool] = None, foreign: bool = False) -> Engine:
    """Loads a plan: a path or its bytes. A file is mapped and used in place: it must not be changed or cut while the engine lives (Engine.save writes another one and renames it).

    device: another one of its kind ("cuda:1"). verify: check the weights whatever their size (True) or never (False); None: up to 256 MiB. foreign: a plan for another
    machine gives an engine that can be looked at and saved. Raises BadPlan (damaged), Incompatible (another version or machine), InputOutputError, DeviceError.
    """
    keeper, out = handles.Keeper(), ffi.new("pln_engine **")
    options = ffi.new("struct pln_engine_options *")
    options.struct_size, options.device = ffi.sizeof("struct pln_engine_options"), keeper.text(device)
    options.verify_weights = 0 if verify is None else 1 if verify else -1
    options.may_be_foreign = int(foreign)
    options.plugins = ops._pointer if ops is not None else ffi.NULL
    options.pool = threads._pointer if threads is not None else ffi.NULL
    with handles.Diagnostics() as d:
        options.diagnostics = d.pointer
        if isinstance(plan, (bytes, bytearray, memoryview)):
            # A copy, so that nobody changes it.
            plan = memoryview(plan).cast("B")
            copy = lib.planish_copy(ffi.from_buffer(plan), len(plan))
            if copy == ffi.NULL:
                raise MemoryError(f"a plan of {len(plan)} bytes")
            options.release, options.release_user = ffi.addressof(lib, "planish_free"), copy
            status = lib.pln_engine_load_memory(copy, len(plan), options, out)
        elif isinstance(plan, (str, os.PathLike)):
            status = lib.pln_engine_load_file(handles.encoded(plan), options, out)
        else:
            raise InvalidArgument(f"a plan is a path or bytes, not {type(plan).__name__}")
        check(status, d.pointer, "the plan")
    return Engine(out[0], (keeper, ops, threads))


def run(model: Any, inputs: Optional[Mapping[str, Any]] = None, **options: Any) -> Dict[str, Any]:
    """Builds a model, or loads a plan, and runs it once: a dict of outputs by name. Options as for `build`."""
    return (load(model, **options) if is_plan(model) else build(model, **options))(dict(inputs or {}))
