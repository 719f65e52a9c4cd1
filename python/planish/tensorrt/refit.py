"""Refitting: other weights into an engine that was built with BuilderFlag.REFIT, whose plan keeps the model. The engine is built again of it, with the options it was built
with; contexts take the new one at their next run."""
from __future__ import annotations

import ctypes
import os
from typing import Any, Dict, List, Optional, Tuple, Union

import numpy as np

from .. import dtypes
from .. import engine as _engine
from ..build import build
from ..errors import BadModel, Error, InvalidArgument, NotFound, Unsupported
from . import wire
from .base import Reports, Weights, as_weights, code_of, type_of
from .builder import HOW, are_names, kept_in
from .enums import TensorLocation, WeightsRole
from .network import DOMAIN
from .parser import ParserErrors, read
from .log import Recorder, Severity, as_logger
from .plugins import registry_ops


OPTIONS = {"fp16", "bf16", "tf32", "int32_io", "taps"}


def is_how(value: Any) -> bool:
    """Is it what a build keeps under HOW? Options of a forged plan must not be others than those."""
    if not isinstance(value, dict):
        return False
    options, roles, only = value.get("options", {}), value.get("roles", {}), value.get("only")
    return (isinstance(options, dict) and OPTIONS.issuperset(options) and all(v is None or are_names(v) if k == "taps" else type(v) is bool for k, v in options.items())
            and isinstance(roles, dict) and all(isinstance(r, dict) and set(r) <= set(WeightsRole.__members__) and are_names(list(r.values())) for r in roles.values())
            and (only is None or only != "*" and are_names(only)))  # fmt: skip


def sides(engine: _engine.Engine) -> List[Tuple[str, int, Any]]:
    """Name, type and shape of inputs and outputs."""
    return [(i.name, i.code, "?" if i.shape is None else tuple(d if isinstance(d, int) else -1 for d in i.shape)) for i in engine.inputs + engine.outputs]


class Refitter(Reports):
    """Gives an engine other weights: by the names of the model's initializers, or by layer and role for networks built layer by layer."""

    error_recorder = Recorder("Told its errors. Without one of its own: that of the engine.")

    def __init__(self, engine: Any, logger: Any) -> None:
        super().__init__(as_logger(logger))
        self.engine, self._maker, self.max_threads = engine, engine, 1
        self.weights_validation = True
        model = engine.engine.model
        if model is None:
            raise InvalidArgument("the engine cannot be refitted: build it with config.set_flag(trt.BuilderFlag.REFIT)")
        self._how: Dict[str, Any] = kept_in(engine.engine, HOW, {}, is_how)
        only = self._how.get("only")
        named = {name: i for name, i in read(model).initializers.items() if not name.startswith(f"{DOMAIN}/")}  # others are constants that layers made
        self._all = {name: i for name, i in named.items() if only is None or name in only}
        self._new: Dict[str, bytes] = {}
        self._given: Dict[str, Weights] = {}

    # ---- by name ----

    def _found(self, name: str) -> wire.Initializer:
        if name not in self._all:
            raise NotFound(f"the engine has no weights '{name}' to refit; get_all_weights() lists them")
        return self._all[name]

    def set_named_weights(self, name: str, weights: Any, location: Any = TensorLocation.HOST) -> bool:
        """New weights, kept until refit_cuda_engine; of the old ones' type and size. On the host."""
        try:
            old, new = self._found(name), as_weights(weights)
            if location != TensorLocation.HOST:
                raise Unsupported("weights are taken from the host: copy them there first")
            if new.size != old.size:
                raise InvalidArgument(f"'{name}' has {old.size} weights, {new.size} were given")
            array = new.array.reshape(old.shape)
            if code_of(new.dtype) != old.code:
                if self.weights_validation and not (new.array.dtype.kind == "f" and old.code in (1, 10, 11)):
                    raise InvalidArgument(f"'{name}' is {dtypes.name(old.code)}, {dtypes.name(code_of(new.dtype))} was given")
                array = array.astype(dtypes.to_numpy(old.code))
        except Error as raised:
            self.report(raised)
            return False
        self._new[name], self._given[name] = wire.tensor(array, name, old.code), new
        return True

    def get_named_weights(self, name: str) -> Optional[Weights]:
        """What was set; None: nothing."""
        return self._given.get(name)

    def unset_named_weights(self, name: str) -> bool:
        """Takes it back; False: nothing was set."""
        self._new.pop(name, None)
        return self._given.pop(name, None) is not None

    def get_weights_location(self, name: str) -> Any:
        """HOST."""
        return TensorLocation.HOST

    def get_weights_prototype(self, name: str) -> Weights:
        """Weights of the right type and size, zeros."""
        old = self._found(name)
        made = Weights(np.zeros(old.shape, dtypes.to_numpy(old.code)))
        made.dtype = type_of(old.code)
        return made

    def get_all_weights(self) -> List[str]:
        """Names of all weights."""
        return list(self._all)

    def get_missing_weights(self) -> List[str]:
        """None: what is not set stays as it is."""
        return []

    # ---- by layer and role ----

    def _roles(self) -> Dict[Tuple[str, str], str]:
        return {(layer, role): name for layer, roles in self._how.get("roles", {}).items() for role, name in roles.items() if name in self._all}

    def set_weights(self, layer_name: str, role: Any, weights: Any) -> bool:
        """New weights of a layer of a network that was built layer by layer."""
        found = self._roles().get((layer_name, WeightsRole(role).name))
        if found is None:
            self.report(NotFound(f"the engine has no layer '{layer_name}' with weights {WeightsRole(role).name}; get_all() lists them"))
            return False
        return self.set_named_weights(found, weights)

    def get_all(self) -> Tuple[List[str], List[Any]]:
        """(layer names, roles) of all weights that have them."""
        roles = self._roles()
        return [layer for layer, _ in roles], [WeightsRole[role] for _, role in roles]

    def get_missing(self) -> Tuple[List[str], List[Any]]:
        """None: what is not set stays as it is."""
        return [], []

    # ---- doing it ----

    def refit_cuda_engine(self) -> bool:
        """Puts the new weights in. False, and a line in the log: it failed, and the engine is as it was."""
        try:
            if not self._new:
                return True
            with self.engine._refitting:  # of several refitters each one begins with what the one before it made
                self.engine.engine = self._built(self.engine.engine)
        except Error as raised:
            self.report(raised)
            return False
        self._new.clear()
        self._given.clear()
        return True

    def _built(self, old: _engine.Engine) -> _engine.Engine:
        """The engine with the new weights, for the same machines, with all that its plan says of itself."""
        model, options = read(old.model).with_initializers(self._new), self._how.get("options")
        told = {"device": old.device, "target": old.targets.replace("; ", ",").replace(", ", ","), "metadata": old.metadata, "ops": registry_ops(), "keep_model": True}
        made = build(model, **told, **(options or {}))
        if options is None and sides(made) != sides(old) == [(name, 6 if code == 7 else code, shape) for name, code, shape in sides(made)]:
            made = build(model, **told, int32_io=True)  # planish.build does not keep its options
        for (name, code, shape), (_, new_code, new_shape) in zip(sides(old), sides(made)):
            if (code, shape) != (new_code, new_shape):
                raise InvalidArgument(f"with these weights '{name}' is {dtypes.name(new_code)}{list(new_shape)}, it was {dtypes.name(code)}{list(shape)}: build a new engine for them")
        return made

    def refit_cuda_engine_async(self, stream_handle: int) -> bool:
        """The same; it is done when it returns."""
        return self.refit_cuda_engine()


class OnnxParserRefitter(ParserErrors):
    """Gives an engine the weights of another ONNX model with the same initializers."""

    def __init__(self, refitter: Refitter, logger: Any) -> None:
        super().__init__(logger)
        self.refitter = refitter
        self._model: Any = None
        self._given: Dict[str, Any] = {}

    def _refit(self, model: Any) -> bool:
        try:
            graph, refitter = read(model), self.refitter
            if not graph.parts:
                raise BadModel("it is not an ONNX model")
            for name, old in refitter._all.items():
                new = graph.initializers.get(name)
                if name in self._given:
                    refitter._new[name] = wire.tensor(np.asarray(self._given[name]).reshape(old.shape), name, old.code)
                    continue
                if new is None:
                    continue
                if new.external:
                    raise Unsupported(f"the weights '{name}' lie in another file: save the model with its weights inside")
                if (new.shape, new.code) != (old.shape, old.code):
                    raise InvalidArgument(f"'{name}' is {dtypes.name(new.code)}{list(new.shape)} in this model, {dtypes.name(old.code)}{list(old.shape)} in the engine's")
                refitter._new[name] = bytes(new.data)
            return True
        except (Error, OSError) as raised:
            made = raised if isinstance(raised, Error) else InvalidArgument(str(raised))
            self._note(made)
            self.logger.log(Severity.ERROR, str(made))
            return False

    def refit_from_bytes(self, model: bytes, path: Optional[str] = None) -> bool:
        """Sets the weights of a model; Refitter.refit_cuda_engine then puts them in."""
        return self._refit(bytes(model))

    def refit_from_file(self, model: Union[str, "os.PathLike[str]"]) -> bool:
        """The same of a file."""
        return self._refit(os.fspath(model))

    def load_model_proto(self, model: bytes, path: Optional[str] = None) -> bool:
        """Keeps a model for refit_model_proto."""
        self._model = bytes(model)
        return True

    def load_initializer(self, name: str, data: Any, size: int) -> bool:
        """Weights beside the model's."""
        if name not in self.refitter._all:
            return False
        old, kind = self.refitter._all[name], dtypes.to_numpy(self.refitter._all[name].code)
        given = bytes(data) if not isinstance(data, int) else ctypes.string_at(data, size)
        if len(given) != old.size * kind.itemsize:
            self.logger.log(Severity.ERROR, f"'{name}' has {old.size * kind.itemsize} bytes, {len(given)} were given")
            return False
        self._given[name] = np.frombuffer(given, kind)
        return True

    def refit_model_proto(self) -> bool:
        """Sets the weights of the model that was loaded."""
        return self._model is not None and self._refit(self._model)
