"""Builders and their configuration."""
from __future__ import annotations

import json
import os
import shutil
import tempfile
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from .. import engine as _engine
from ..build import build, default_device
from ..errors import BadPlan, Cancelled, Error, InvalidArgument, NotFound, Unsupported
from .base import DataType, Dims, Flagged, Flags, IHostMemory, Kept, Managed, Reports, Strict, generation, until
from .definition import INetworkDefinition
from .enums import BuilderFlag, DeviceType, EngineCapability, HardwareCompatibilityLevel, MemoryPoolType, NetworkDefinitionCreationFlag, ProfilingVerbosity, RuntimePlatform, TilingOptimizationLevel
from .errors_of import missing
from .log import Phases, Recorder, Severity, as_logger
from .parser import read
from .plugins import Scope, get_plugin_registry, registry_ops, told_by_plugins

# The plan's metadata key for what TensorRT keeps in its engines.
PROFILES = "planish.tensorrt.profiles"
# How it was built, and where weights stand in it: for refitting.
HOW = "planish.tensorrt.how"
DEBUG = "planish.tensorrt.debug"
# What the inspector tells: a ProfilingVerbosity's name.
VERBOSITY = "planish.tensorrt.verbosity"
# What plugins are asked for shapes with.
PLUGINS = "planish.tensorrt.plugins"
# Names of the types that plugins may get in place of FLOAT.
PERMITTED = "planish.tensorrt.permitted"
# What a timing cache begins with, and bytes of its head and of an entry.
TIMINGS, TIMINGS_HEAD, TIMINGS_ENTRY = b"\x89PLNTIM\x1a", 32, 24
# A stripped plan is there to be refitted; ours keeps its weights.
REFITS = (BuilderFlag.REFIT, BuilderFlag.REFIT_IDENTICAL, BuilderFlag.REFIT_INDIVIDUAL, BuilderFlag.STRIP_PLAN)


def is_shape(value: Any) -> bool:
    """Is it a list of extents?"""
    return isinstance(value, list) and all(type(d) is int for d in value)


def are_profiles(value: Any) -> bool:
    """Is it what a build keeps under PROFILES?"""
    return isinstance(value, list) and all(isinstance(p, dict) and all(isinstance(s, list) and len(s) == 3 and all(map(is_shape, s)) for s in p.values()) for p in value)


def are_names(value: Any) -> bool:
    """Is it what a build keeps under DEBUG?"""
    return value == "*" or isinstance(value, list) and all(isinstance(name, str) for name in value)


def kept_in(engine: _engine.Engine, key: str, default: Any, is_right: Callable[[Any], bool]) -> Any:
    """What a build kept in the plan's metadata; BadPlan when it is damaged."""
    text = engine.metadata.get(key)
    if text is None:
        return default
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not is_right(value):
        raise BadPlan(f"the plan is damaged: '{key}' of its metadata is not what a build writes; build it again from the model")
    return value


class IOptimizationProfile(Strict):
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

    def _check(self, index: int, inputs: Dict[str, Dims]) -> None:
        """Do the shapes fit the network's inputs?"""
        for name in [*self.shapes, *self.values]:
            if name not in inputs:
                raise InvalidArgument(f"an optimization profile tells the shape of '{name}', which is no input; inputs are {', '.join(sorted(inputs))}")
        for name, told in self.shapes.items():
            for which, shape in zip(("least", "usual", "largest"), told):
                if len(shape) != len(inputs[name]) or any(own not in (-1, d) for own, d in zip(inputs[name], shape)):
                    raise InvalidArgument(f"optimization profile {index}: the {which} shape of input '{name}' is {tuple(shape)}, the network has {tuple(inputs[name])}")
        for name, values in self.values.items():
            counts, own = {len(v) for v in values}, inputs[name]
            if len(own) > 1 or len(counts) != 1 or counts != {1} and not own or own and own[0] not in (-1, *counts):
                raise InvalidArgument(f"optimization profile {index}: input '{name}' is given {', '.join(str(len(v)) for v in values)} values, the network has the shape {tuple(own)}")

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


class _CacheFile:
    """The file of a timing cache during a build, whose new bytes are the cache's then."""

    def __init__(self, cache: "Optional[ITimingCache]", closed: bool) -> None:
        """closed: an error where the build had to measure what the cache has not; it stays as it is then."""
        self.cache, self.closed, self.folder = cache, closed, ""

    def __enter__(self) -> Optional[str]:
        if self.cache is None:
            return None
        self.folder = tempfile.mkdtemp(prefix="planish-")
        path = os.path.join(self.folder, "timings")
        if self.cache.data:
            with open(path, "wb") as file:
                file.write(self.cache.data)
        return path

    def __exit__(self, kind: Any, *_: Any) -> None:
        if self.cache is None:
            return
        path, data = os.path.join(self.folder, "timings"), self.cache.data
        if os.path.exists(path):
            with open(path, "rb") as file:
                data = file.read()
        shutil.rmtree(self.folder, ignore_errors=True)
        more = max(len(data) - TIMINGS_HEAD, 0) - max(len(self.cache.data) - TIMINGS_HEAD, 0)
        if self.closed and kind is None and more > 0:
            raise NotFound(f"ERROR_ON_TIMING_CACHE_MISS: times of {more // TIMINGS_ENTRY} kernels are not in the timing cache; build without this flag to measure them")
        if not self.closed:
            self.cache.data = data


class ITimingCache:
    """Times of kernels, as bytes."""

    queryKeys = missing("ITimingCache.queryKeys", "serialize() gives the cache's bytes; planish cache lists what is kept")
    query = missing("ITimingCache.query", "serialize() gives the cache's bytes")
    update = missing("ITimingCache.update", "a cache is filled by builds")

    def __init__(self, data: bytes = b"", logger: Any = None) -> None:
        self.data, self._logger = bytes(data), logger
        if self.data and not self._is_ours():
            self._warn("the timing cache that was given is not Planish's, or damaged: it is begun anew")
            self.data = b""

    def _is_ours(self) -> bool:
        return self.data.startswith(TIMINGS) and len(self.data) >= TIMINGS_HEAD and len(self.data) - TIMINGS_HEAD == int.from_bytes(self.data[16:24], "little") * TIMINGS_ENTRY

    def _warn(self, text: str) -> None:
        if self._logger is not None:
            self._logger.log(Severity.WARNING, text)

    def serialize(self) -> IHostMemory:
        """Its bytes."""
        return IHostMemory(self.data)

    def combine(self, input_cache: "ITimingCache", ignore_mismatch: bool = False) -> bool:
        """Takes another one's where this one is empty. False: both have entries, and this one keeps its own."""
        if self.data and input_cache.data not in (b"", self.data):
            self._warn("timing caches that both have entries are not combined: this one keeps its own")
            return False
        self.data = self.data or input_cache.data
        return True

    def reset(self) -> bool:
        """Empties it."""
        self.data = b""
        return True


class IBuilderConfig(Flagged, Managed):
    """How to build. What has no meaning here is kept for who asks."""

    builder_optimization_level = Kept("0 to 3: kernels by their estimates; 4: measured for 2 s at most; 5: for 30 s.", 3)
    avg_timing_iterations = Kept("Kept: the tuner decides how often it measures.", 1)
    min_timing_iterations = Kept("Kept, as avg_timing_iterations.", 1)
    max_num_tactics = Kept("Kept: time, not a number, bounds measuring.", -1)
    max_aux_streams = Kept("Kept: engines run on the stream they are given.", -1)
    profiling_verbosity = Kept("How much the inspector of the engine tells.", ProfilingVerbosity.LAYER_NAMES_ONLY)
    hardware_compatibility_level = Kept("Kept: planish.build has targets.", HardwareCompatibilityLevel.NONE)
    runtime_platform = Kept("Plans are for Linux: a build for another platform fails.", RuntimePlatform.SAME_AS_BUILD)
    engine_capability = Kept("Kept: STANDARD.", EngineCapability.STANDARD)
    progress_monitor = Kept("An IProgressMonitor, told phases and steps; it may end the build.")
    int8_calibrator = Kept("Kept: this version does not calibrate, which the builder's log says.")
    algorithm_selector = Kept("Kept: not asked.")
    plugins_to_serialize = Kept("Kept: plans hold no code.", ())
    tiling_optimization_level = Kept("Kept: kernels are tiled as their measurements say.", TilingOptimizationLevel.NONE)
    l2_limit_for_tiling = Kept("Kept.", -1)
    profile_stream = Kept("Kept: measuring has a stream of its own.", 0)
    default_device_type = Kept("GPU: there are no DLA cores here.", DeviceType.GPU)
    DLA_core = Kept("There are none.", -1)
    remote_auto_tuning_config = Kept("Kept: kernels are measured on this machine.", "")
    build_route = Kept("Kept.", "")
    all_build_routes = Kept("None.", "")
    quantization_flags = Kept("Kept, as bits.", 0)

    def __init__(self, logger: Any = None) -> None:
        super().__init__()
        self._logger = logger
        self._pools: Dict[int, int] = {}
        self._flags.set(BuilderFlag.TF32)
        self.profiles: List[IOptimizationProfile] = []
        self.timing_cache: Optional[ITimingCache] = None
        self.tactic_sources, self.preview_features = 0, Flags()
        self._calibration_profile: Optional[IOptimizationProfile] = None

    def set_quantization_flag(self, flag: Any) -> None:
        """Kept."""
        self.quantization_flags |= 1 << int(flag)

    def clear_quantization_flag(self, flag: Any) -> None:
        """Takes it back."""
        self.quantization_flags &= ~(1 << int(flag))

    def get_quantization_flag(self, flag: Any) -> bool:
        """As set."""
        return bool(self.quantization_flags >> int(flag) & 1)

    def set_calibration_profile(self, profile: IOptimizationProfile) -> bool:
        """Kept."""
        self._calibration_profile = profile
        return True

    def get_calibration_profile(self) -> Optional[IOptimizationProfile]:
        """As set."""
        return self._calibration_profile

    def set_device_type(self, layer: Any, device_type: Any) -> None:
        """GPU, which all layers have; DLA raises Unsupported."""
        if device_type != DeviceType.GPU:
            raise Unsupported("there is no DLA here: leave layers on the GPU")

    def get_device_type(self, layer: Any) -> Any:
        """GPU."""
        return DeviceType.GPU

    def is_device_type_set(self, layer: Any) -> bool:
        """False."""
        return False

    def reset_device_type(self, layer: Any) -> None:
        """Nothing was set."""

    def can_run_on_DLA(self, layer: Any) -> bool:
        """False."""
        return False

    def set_memory_pool_limit(self, pool: Any, pool_size: int) -> None:
        """Kept for who asks: kernels here have no workspace to choose by."""
        self._pools[int(pool)] = int(pool_size)

    def get_memory_pool_limit(self, pool: Any) -> int:
        """As set; else TensorRT's defaults for DLA cores, and the memory of the machine, which is free to be used."""
        standard = {MemoryPoolType.DLA_MANAGED_SRAM: 1 << 20, MemoryPoolType.DLA_LOCAL_DRAM: 1 << 30, MemoryPoolType.DLA_GLOBAL_DRAM: 1 << 29}
        return self._pools.get(int(pool), standard.get(MemoryPoolType(pool), os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")))

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
        """Of bytes; b"": an empty one, and so are bytes of others, with a line in the log."""
        return ITimingCache(serialized_timing_cache, self._logger)

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
        logger = self._logger
        self.__dict__.clear()
        self.__init__(logger)  # type: ignore[misc]


class Builder(Reports):
    """Builds engines."""

    max_batch_size = Kept("Batches are a dim of the model here.", 1)
    max_threads = Kept("Kept: builds use the process's pool of threads.", 1)
    num_DLA_cores = Kept("None.", 0)
    max_DLA_batch_size = Kept("None.", 0)
    platform_has_fast_fp16 = Kept("True: FP16 is a permission.", True)
    platform_has_fast_int8 = Kept("True: INT8 is a permission.", True)
    platform_has_tf32 = Kept("True: TF32 is a permission.", True)
    gpu_allocator = Kept("Kept: not asked.")
    error_recorder = Recorder("Told the errors of builds, and of the engines and contexts that come of them where these have none of their own.")

    def __init__(self, logger: Any) -> None:
        super().__init__(as_logger(logger))

    def create_network(self, flags: int = 0) -> INetworkDefinition:
        """An empty network."""
        return INetworkDefinition(int(flags), self.logger, self)

    def create_builder_config(self) -> IBuilderConfig:
        """The defaults."""
        return IBuilderConfig(self.logger)

    def create_optimization_profile(self) -> IOptimizationProfile:
        """An empty profile."""
        return IOptimizationProfile()

    def is_network_supported(self, network: INetworkDefinition, config: IBuilderConfig) -> bool:
        """Whatever has an output runs."""
        return network.num_outputs > 0

    def _build(self, network: INetworkDefinition, config: IBuilderConfig) -> _engine.Engine:
        if config.runtime_platform != RuntimePlatform.SAME_AS_BUILD:
            raise Unsupported("plans are for Linux: leave runtime_platform as it is")
        halves = [DataType.HALF] if config.get_flag(BuilderFlag["FP16"]) and not network.get_flag(NetworkDefinitionCreationFlag.STRONGLY_TYPED) else []
        model, folder = network.to_model(halves, config.profiles[0] if config.profiles else None)
        inputs = {t.name: t.shape for t in network._inputs}
        if generation() == 8 and any(t.code == 7 for t in network._inputs):
            names = ", ".join(f"'{t.name}'" for t in network._inputs if t.code == 7)
            self.logger.log(Severity.WARNING, f"{names}: INT64 in the model, INT32 in the engine, as TensorRT 8 has it; a program that gives INT64 is of a later generation (PLANISH_TENSORRT_GENERATION=10)")
        for i, profile in enumerate(config.profiles):
            profile._check(i, inputs)
        kept = [{name: [list(s) for s in shapes] for name, shapes in p.shapes.items()} for p in config.profiles]
        phases = Phases(config.progress_monitor) if config.progress_monitor is not None else None
        for flag in map(BuilderFlag.__getitem__, ("INT8", "FP8", "INT4", "FP4")):  # type: ignore[attr-defined]
            if config.get_flag(flag):
                self.logger.log(Severity.WARNING, f"{flag.name} is permitted, but not used by this version, except where the model has Q/DQ")
        for flag in (BuilderFlag.STRIP_PLAN, BuilderFlag.WEIGHT_STREAMING):
            if config.get_flag(flag):
                self.logger.log(Severity.WARNING, f"{flag.name} has no effect in this version: the plan holds all weights")
        refits = any(config.get_flag(f) for f in REFITS)
        options = {"fp16": config.get_flag(BuilderFlag["FP16"]) and not config.get_flag(BuilderFlag["BF16"]), "bf16": config.get_flag(BuilderFlag["BF16"]), "tf32": config.get_flag(BuilderFlag.TF32),
                   "int32_io": generation() == 8, "taps": "*" if network.unfused_debug else [t.name for t in network._debug] or None}  # fmt: skip
        how = {"options": options, "roles": network.weight_roles(), "only": sorted(network._refittable) if config.get_flag(BuilderFlag.REFIT_INDIVIDUAL) else None} if refits else {}
        # All of them, also where they say nothing: a model may bring keys of these names.
        told = {VERBOSITY: ProfilingVerbosity(config.profiling_verbosity).name, PROFILES: json.dumps(kept), HOW: json.dumps(how), DEBUG: json.dumps(["*"] * network.unfused_debug + [t.name for t in network._debug]),
                PLUGINS: json.dumps(told_by_plugins(read(model)) if registry_ops() is not None else {}), PERMITTED: json.dumps([t.name for t in halves])}  # fmt: skip
        level = int(config.builder_optimization_level)
        try:
            with _CacheFile(config.timing_cache, config.get_flag(BuilderFlag.ERROR_ON_TIMING_CACHE_MISS)) as cache, Scope(halves, builds=True):
                made = build(model, external_data=folder, ops=registry_ops(), device=default_device(), metadata=told, keep_model=refits, progress=phases or False, timing_cache=cache,
                             tune="full" if level >= 5 else "fast" if level == 4 or cache else "off", logger=lambda level, text: self.logger.log(Severity(level + 1), text), **options)  # fmt: skip
            if phases and not phases.finish():
                raise Cancelled("the progress monitor ended the build")
            return made
        finally:
            if phases:
                phases.end()

    def _failed(self, raised: Error, network: INetworkDefinition) -> None:
        """Told to the network's recorder where the builder has none."""
        own = self.error_recorder
        try:
            self.error_recorder = own or network.error_recorder
            self.report(raised)
        finally:
            self.error_recorder = own

    def build_serialized_network(self, network: INetworkDefinition, config: IBuilderConfig) -> Optional[IHostMemory]:
        """The plan's bytes; None, and a line in the log: it failed."""
        try:
            return IHostMemory(self._build(network, config).to_bytes())
        except Error as raised:
            self._failed(raised, network)
            return None

    def build_serialized_network_to_stream(self, network: INetworkDefinition, config: IBuilderConfig, writer: Any) -> bool:
        """The plan's bytes into an IStreamWriter."""
        plan = self.build_serialized_network(network, config)
        return plan is not None and writer.write(bytes(plan)) == len(plan)

    def get_plugin_registry(self) -> Any:
        """The registry of the process."""
        return get_plugin_registry()

    def build_engine_with_config(self, network: INetworkDefinition, config: IBuilderConfig) -> Any:
        """An ICudaEngine; None, and a line in the log: it failed."""
        from .runtime import ICudaEngine

        try:
            return ICudaEngine(self._build(network, config), self.logger, self)
        except Error as raised:
            self._failed(raised, network)
            return None

    def build_engine(self, network: INetworkDefinition, config: IBuilderConfig) -> Any:
        """The old name of build_engine_with_config."""
        return self.build_engine_with_config(network, config)

    def reset(self) -> None:
        """Nothing is kept."""


until(IBuilderConfig, 8, "max_workspace_size min_timing_iterations", "use set_memory_pool_limit(MemoryPoolType.WORKSPACE, …) and avg_timing_iterations")
until(IBuilderConfig, 10, "int8_calibrator algorithm_selector set_quantization_flag clear_quantization_flag get_quantization_flag set_calibration_profile get_calibration_profile quantization_flags", "say it in the network: QuantizeLinear, DequantizeLinear")
until(Builder, 8, "max_batch_size build_engine", "use build_serialized_network")
until(Builder, 10, "platform_has_fast_fp16 platform_has_fast_int8 platform_has_tf32", "types stand in the network")
