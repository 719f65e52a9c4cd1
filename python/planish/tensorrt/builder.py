"""Builders, their configuration, networks that a parser fills."""
from __future__ import annotations

import json
import mmap
import os
from typing import Any, Dict, List, Optional, Sequence, Tuple

from .. import engine as _engine
from .._native import ffi, lib
from ..build import build
from ..errors import Error, InvalidArgument, Message
from . import wire
from .base import Dims, Flagged, Flags, IHostMemory, Managed, Reports, generation
from .definition import INetworkDefinition
from .enums import BuilderFlag, EngineCapability, HardwareCompatibilityLevel, MemoryPoolType, ProfilingVerbosity, RuntimePlatform
from .log import Phases, Severity
from .plugin import NAMESPACE, VERSION, domain_of, get_plugin_registry, registry_ops

# The plan's metadata key for what TensorRT keeps in its engines.
PROFILES = "planish.tensorrt.profiles"


def default_device() -> str:
    """"cuda:0" where there is a GPU, else "cpu"."""
    return ffi.string(lib.pln_device_default()).decode()


class IOptimizationProfile:
    """Least, usual and largest shapes of inputs. Plans take all shapes: these are kept for who asks, and the usual ones tell what to tune for."""

    def __init__(self) -> None:
        self.shapes: Dict[str, Tuple[Dims, Dims, Dims]] = {}
        self.values: Dict[str, Tuple[Tuple[int, ...], ...]] = {}
        self.extra_memory_target = 1.0

    def set_shape(self, input: str, min: Sequence[int], opt: Sequence[int], max: Sequence[int]) -> None:
        """Shapes of an input; ValueError unless min <= opt <= max."""
        told = Dims(min), Dims(opt), Dims(max)
        if len({len(t) for t in told}) != 1 or any(not a <= b <= c for a, b, c in zip(*told)) or any(a < 0 for a in told[0]):
            raise ValueError(f"the shapes of '{input}' must be min <= opt <= max: {told[0]}, {told[1]}, {told[2]}")
        self.shapes[input] = told

    def get_shape(self, input: str) -> List[Dims]:
        """[min, opt, max]; empty: never set."""
        return list(self.shapes.get(input, ()))

    def set_shape_input(self, input: str, min: Sequence[int], opt: Sequence[int], max: Sequence[int]) -> None:
        """Values of an input that tells shapes."""
        self.values[input] = (tuple(min), tuple(opt), tuple(max))

    def get_shape_input(self, input: str) -> List[Tuple[int, ...]]:
        """[min, opt, max]; empty: never set."""
        return list(self.values.get(input, ()))

    def __bool__(self) -> bool:
        return True


class ITimingCache:
    """Times of kernels, as bytes."""

    def __init__(self, data: bytes = b"") -> None:
        self.data = bytes(data)

    def serialize(self) -> IHostMemory:
        """Its bytes."""
        return IHostMemory(self.data)

    def combine(self, input_cache: "ITimingCache", ignore_mismatch: bool = False) -> bool:
        """Takes another one's where this one is empty."""
        self.data = self.data or input_cache.data
        return True

    def reset(self) -> bool:
        """Empties it."""
        self.data = b""
        return True


class IBuilderConfig(Flagged, Managed):
    """How to build. What has no meaning here is kept for who asks."""

    def __init__(self) -> None:
        super().__init__()
        self._pools: Dict[int, int] = {}
        self._flags.set(BuilderFlag.TF32)
        self.profiles: List[IOptimizationProfile] = []
        self.builder_optimization_level, self.avg_timing_iterations, self.max_aux_streams = 3, 1, -1
        self.profiling_verbosity = ProfilingVerbosity.LAYER_NAMES_ONLY
        self.hardware_compatibility_level, self.runtime_platform = HardwareCompatibilityLevel.NONE, RuntimePlatform.SAME_AS_BUILD
        self.engine_capability, self.progress_monitor, self.int8_calibrator = EngineCapability.STANDARD, None, None
        self.timing_cache: Optional[ITimingCache] = None
        self.tactic_sources, self.preview_features, self.plugins_to_serialize = 0, Flags(), []

    @property
    def flags(self) -> int:
        """All flags as bits."""
        return self._flags.bits

    @flags.setter
    def flags(self, bits: int) -> None:
        self._flags.bits = int(bits)

    def set_memory_pool_limit(self, pool: Any, pool_size: int) -> None:
        """Kept for who asks: kernels here have no workspace to choose by."""
        self._pools[int(pool)] = int(pool_size)

    def get_memory_pool_limit(self, pool: Any) -> int:
        """As set; else the memory of the machine is free to be used."""
        return self._pools.get(int(pool), 1 << 62)

    @property
    def max_workspace_size(self) -> int:
        """The old name of the workspace pool's limit."""
        return self.get_memory_pool_limit(MemoryPoolType.WORKSPACE)

    @max_workspace_size.setter
    def max_workspace_size(self, size: int) -> None:
        self.set_memory_pool_limit(MemoryPoolType.WORKSPACE, size)

    def add_optimization_profile(self, profile: IOptimizationProfile) -> int:
        """Its index."""
        self.profiles.append(profile)
        return len(self.profiles) - 1

    @property
    def num_optimization_profiles(self) -> int:
        """Profiles added."""
        return len(self.profiles)

    def create_timing_cache(self, serialized_timing_cache: bytes) -> ITimingCache:
        """Of bytes, b"": an empty one."""
        return ITimingCache(serialized_timing_cache)

    def set_timing_cache(self, cache: ITimingCache, ignore_mismatch: bool = False) -> bool:
        """Times are taken from here."""
        self.timing_cache = cache
        return True

    def get_timing_cache(self) -> Optional[ITimingCache]:
        """The one set."""
        return self.timing_cache

    def set_tactic_sources(self, tactic_sources: int) -> bool:
        """Kept for who asks."""
        self.tactic_sources = int(tactic_sources)
        return True

    def get_tactic_sources(self) -> int:
        """As set."""
        return self.tactic_sources

    def set_preview_feature(self, feature: Any, enable: bool) -> None:
        """Kept for who asks."""
        self.preview_features.set(feature, enable)

    def get_preview_feature(self, feature: Any) -> bool:
        """As set."""
        return self.preview_features.has(feature)

    def reset(self) -> None:
        """As a new one."""
        self.__init__()  # type: ignore[misc]


class Builder(Reports):
    """Builds engines."""

    max_batch_size, max_threads, num_DLA_cores, max_DLA_batch_size = 1, 1, 0, 0
    platform_has_fast_fp16 = platform_has_fast_int8 = platform_has_tf32 = True

    def create_network(self, flags: int = 0) -> INetworkDefinition:
        """An empty network."""
        return INetworkDefinition(int(flags), self.logger, self)

    def create_builder_config(self) -> IBuilderConfig:
        """The defaults."""
        return IBuilderConfig()

    def create_optimization_profile(self) -> IOptimizationProfile:
        """An empty profile."""
        return IOptimizationProfile()

    def is_network_supported(self, network: INetworkDefinition, config: IBuilderConfig) -> bool:
        """Whatever has an output runs."""
        return network.num_outputs > 0

    def _build(self, network: INetworkDefinition, config: IBuilderConfig) -> _engine.Engine:
        model, folder = network.to_model()
        named = {t.name for t in network._inputs}
        for profile in config.profiles:
            for name in list(profile.shapes) + list(profile.values):
                if name not in named:
                    raise InvalidArgument(f"an optimization profile tells the shape of '{name}', which is no input; inputs are {', '.join(sorted(named))}")
        kept = [{name: [list(s) for s in shapes] for name, shapes in p.shapes.items()} for p in config.profiles]
        phases = Phases(config.progress_monitor) if config.progress_monitor is not None else None
        for flag in (BuilderFlag.INT8, BuilderFlag.FP8, BuilderFlag.INT4, BuilderFlag.FP4):
            if config.get_flag(flag):
                self.logger.log(Severity.WARNING, f"{flag.name} is permitted, but not used by this version, except where the model has Q/DQ")
        try:
            return build(model, external_data=folder, ops=registry_ops(), device=default_device(), fp16=config.get_flag(BuilderFlag.FP16) and not config.get_flag(BuilderFlag.BF16), bf16=config.get_flag(BuilderFlag.BF16),
                         tf32=config.get_flag(BuilderFlag.TF32), int32_io=generation() == 8, metadata={PROFILES: json.dumps(kept)}, progress=phases or False,
                         logger=lambda level, text: self.logger.log(Severity(level + 1), text))  # fmt: skip
        finally:
            if phases:
                phases.finish()

    def build_serialized_network(self, network: INetworkDefinition, config: IBuilderConfig) -> Optional[IHostMemory]:
        """The plan's bytes; None, and a line in the log: it failed."""
        try:
            return IHostMemory(self._build(network, config).to_bytes())
        except Error as raised:
            self.report(raised)
            return None

    def build_engine_with_config(self, network: INetworkDefinition, config: IBuilderConfig) -> Any:
        """An ICudaEngine; None, and a line in the log: it failed."""
        from .runtime import ICudaEngine

        try:
            return ICudaEngine(self._build(network, config), self.logger)
        except Error as raised:
            self.report(raised)
            return None

    def build_engine(self, network: INetworkDefinition, config: IBuilderConfig) -> Any:
        """The old name of build_engine_with_config."""
        return self.build_engine_with_config(network, config)

    def reset(self) -> None:
        """Nothing is kept."""


class ParserError:
    """Why a model could not be parsed."""

    def __init__(self, message: Message, status: int) -> None:
        self.message, self.status = message, status

    def code(self) -> int:
        """The library's status code (docs/errors.md)."""
        return self.status

    def desc(self) -> str:
        """What, why, what to do."""
        return self.message.text

    def node(self) -> int:
        """The node's place in the model; -1: none."""
        return self.message.node_index

    def node_name(self) -> str:
        """The node's name."""
        return self.message.node

    def node_operator(self) -> str:
        """Its operator."""
        return self.message.op

    def file(self) -> str:
        """Nothing: sources are not told."""
        return ""

    def line(self) -> int:
        """0."""
        return 0

    def func(self) -> str:
        """Nothing."""
        return ""

    def local_function_stack(self) -> List[str]:
        """Nothing."""
        return []

    def __str__(self) -> str:
        return f"In node {self.node()} with name: {self.node_name()} and operator: {self.node_operator()}: {self.desc()}"

    __repr__ = __str__


def read(model: Any) -> wire.Graph:
    """The graph of a file (mapped) or of bytes."""
    if not isinstance(model, (str, os.PathLike)):
        return wire.Graph(model)
    with open(model, "rb") as file:
        return wire.Graph(memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)))


def with_plugins(model: Any, folder: Any) -> Tuple[Any, Any]:
    """The model with nodes that only a registered plugin knows put into its domain, and the folder of its external data; None: there are no such nodes."""
    registry = get_plugin_registry()
    if not registry.creators:
        return None, folder
    graph = read(model)
    domains = set()
    parts = []
    for number, part in graph.parts:
        if number == wire.GRAPH_NODE:
            node = wire.Node(next(wire.fields(part))[1])
            told = {k: wire.attribute(v) for k, v in node.attributes.items()}
            namespace = told.get(NAMESPACE, "")
            if registry.get_creator(node.op, told.get(VERSION, "1"), namespace) is not None:
                domains.add(domain_of(namespace))
                kept = [whole for n, _, whole in wire.fields(next(wire.fields(part))[1]) if n != wire.NODE_DOMAIN]
                part = memoryview(wire.put(wire.GRAPH_NODE, b"".join(kept) + wire.put(wire.NODE_DOMAIN, domain_of(namespace))))
        parts.append(part)
    if not domains:
        return None, folder
    if folder is None and isinstance(model, (str, os.PathLike)):
        folder = os.path.dirname(os.path.abspath(model))
    opsets = [wire.put(wire.MODEL_OPSET, wire.opset(d, 1)) for d in sorted(domains)]
    return b"".join([*graph.around, *opsets, wire.put(wire.MODEL_GRAPH, b"".join(parts))]), folder


class OnnxParser(Flagged, Managed):
    """Reads ONNX models into a network."""

    def __init__(self, network: INetworkDefinition, logger: Any) -> None:
        super().__init__()
        self.network, self.logger = network, logger
        self._errors: List[ParserError] = []

    def _parse(self, model: Any, folder: Optional[str]) -> bool:
        try:
            if self.network.num_layers or self.network.num_inputs:
                raise InvalidArgument("the network is not empty: parse into a new one, and add layers behind")
            # As imported, which is what a network shows; the builder builds the model itself.
            try:
                parsed, graph = build(model, device="ref", external_data=folder, int32_io=generation() == 8, ops=registry_ops()), read(model)
            except Error:
                changed, folder = with_plugins(model, folder)
                if changed is None:
                    raise
                model = changed
                parsed, graph = build(model, device="ref", external_data=folder, int32_io=generation() == 8, ops=registry_ops()), read(model)
        except Error as raised:
            self._errors += [ParserError(m, raised.status) for m in raised.messages]
            for error in self._errors:
                self.logger.log(Severity.ERROR, str(error))
            return False
        self.network._take(model, folder, graph, parsed.inputs + parsed.outputs)
        return True

    def parse(self, model: bytes, path: Optional[str] = None) -> bool:
        """Of bytes; path: where the model lies, for its external data. False: get_error tells why."""
        if path is not None and os.path.exists(path):
            return self._parse(path, None)
        return self._parse(bytes(model), None)

    def parse_from_file(self, model: str) -> bool:
        """Of a file."""
        return self._parse(os.fspath(model), None)

    def supports_model(self, model: bytes, path: Optional[str] = None) -> Tuple[bool, List[Tuple[List[int], bool]]]:
        """(can it be parsed?, one subgraph of all nodes)."""
        parser = OnnxParser(INetworkDefinition(0, self.logger, None), self.logger)
        fine = parser.parse(model, path)
        return fine, [(list(range(parser.network.num_layers)), True)] if fine else []

    def supports_model_v2(self, model: bytes, path: Optional[str] = None) -> bool:
        """Can it be parsed?"""
        return self.supports_model(model, path)[0]

    def supports_operator(self, op_name: str) -> bool:
        """Every operator of ONNX runs."""
        return True

    @property
    def num_errors(self) -> int:
        """Errors so far."""
        return len(self._errors)

    def get_error(self, index: int) -> ParserError:
        """One of them."""
        return self._errors[index]

    def clear_errors(self) -> None:
        """Forgets them."""
        self._errors.clear()
