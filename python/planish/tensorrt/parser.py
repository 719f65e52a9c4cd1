"""Parsers of ONNX models, which fill networks."""
from __future__ import annotations

import ctypes
import os
from typing import Any, Dict, List, Optional, Set, Tuple

from ..build import build
from ..errors import BadModel, Error, InputOutputError, InvalidArgument, Message
from . import wire
from .base import Flagged, Managed, Strict, until
from .definition import INetworkDefinition
from .enums import OnnxParserFlag
from .log import Severity
from .plugins import NAMESPACE, VERSION, domain_of, get_plugin_registry, registry_ops


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
        if self.node() < 0:
            return self.desc()
        return f"In node {self.node()} with name: {self.node_name()} and operator: {self.node_operator()}: {self.desc()}"

    __repr__ = __str__


class ParserErrors(Strict):
    """Something that keeps why models could not be read."""

    def __init__(self, logger: Any) -> None:
        self.logger = logger
        self._errors: List[ParserError] = []

    def _note(self, raised: Error) -> None:
        self._errors += [ParserError(m, raised.status) for m in raised.messages]

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


def contents(model: Any) -> Any:
    """The bytes of a file, which may change or go while a network is used; what is no path as it is."""
    if not isinstance(model, (str, os.PathLike)):
        return model
    try:
        with open(model, "rb") as file:
            return file.read()
    except (OSError, ValueError) as raised:
        raise InputOutputError(f"cannot read '{os.fspath(model)}': {getattr(raised, 'strerror', None) or raised}; check the path") from None


def read(model: Any) -> wire.Graph:
    """The graph of a file or of bytes."""
    data = contents(model)
    if not len(data):
        raise BadModel(f"{repr(os.fspath(model)) if isinstance(model, (str, os.PathLike)) else 'the model'} is empty: it is no ONNX model")
    return wire.Graph(data)


class _PluginNodes:
    """Puts nodes that only a registered plugin knows into its domain, also those in bodies and functions."""

    def __init__(self) -> None:
        self.domains: Set[str] = set()

    def node(self, data: Any) -> Any:
        """A NodeProto."""
        node = wire.Node(data)
        told = {k: wire.attribute(v) for k, v in node.attributes.items()}
        namespace = str(told.get(NAMESPACE) or "")
        known = get_plugin_registry().get_creator(node.op, told.get(VERSION) or "1", namespace) is not None
        out = []
        for number, value, whole in wire.fields(data):
            if number == wire.NODE_ATTRIBUTE and not isinstance(value, int):
                whole = wire.put(number, wire.with_graphs(value, self.graph))  # type: ignore[assignment]
            if not (known and number == wire.NODE_DOMAIN):
                out.append(whole)
        if known:
            self.domains.add(domain_of(namespace))
            out.append(wire.put(wire.NODE_DOMAIN, domain_of(namespace)))  # type: ignore[arg-type]
            if VERSION not in told:  # a node with an attribute has a place of its own in an engine (custom.calling)
                out.append(wire.put(wire.NODE_ATTRIBUTE, wire.put_attribute(VERSION, "1")))  # type: ignore[arg-type]
        return b"".join(out)

    def graph(self, data: Any) -> bytes:
        """A GraphProto."""
        return b"".join(wire.put(n, self.node(value)) if n == wire.GRAPH_NODE else whole for n, value, whole in wire.fields(data))

    def function(self, data: Any) -> bytes:
        """A FunctionProto, which tells the domains of its nodes itself."""
        before, self.domains = self.domains, set()
        parts = [wire.put(n, self.node(value)) if n == wire.FUNCTION_NODE else whole for n, value, whole in wire.fields(data)]
        parts += [wire.put(wire.FUNCTION_OPSET, wire.opset(d, 1)) for d in sorted(self.domains)]
        self.domains |= before
        return b"".join(parts)


def with_plugins(model: Any) -> Optional[bytes]:
    """The model with nodes that only a registered plugin knows put into its domain; None: there are no such nodes."""
    if not get_plugin_registry().creators:
        return None
    graph, change = read(model), _PluginNodes()
    parts = [wire.put(n, change.node(wire.message(part))) if n == wire.GRAPH_NODE else part for n, part in graph.parts]
    graph.around = [wire.put(wire.MODEL_FUNCTIONS, change.function(wire.message(part))) if wire.number_of(part) == wire.MODEL_FUNCTIONS else part for part in graph.around]  # type: ignore[misc]
    if not change.domains:
        return None
    return graph.written(parts, *(wire.put(wire.MODEL_OPSET, wire.opset(d, 1)) for d in sorted(change.domains)))


class OnnxParser(ParserErrors, Flagged, Managed):
    """Reads ONNX models into a network."""

    def __init__(self, network: INetworkDefinition, logger: Any) -> None:
        ParserErrors.__init__(self, logger)
        Flagged.__init__(self)
        if not isinstance(network, INetworkDefinition):
            raise TypeError(f"a parser fills an INetworkDefinition, not {type(network).__name__}")
        self.network = network
        self.set_flag(OnnxParserFlag.NATIVE_INSTANCENORM)
        self._subgraphs: List[Tuple[List[int], bool]] = []
        self._loaded: Any = None
        self._beside: Dict[str, bytes] = {}
        self.builder_config: Any = None

    def _parse(self, model: Any, folder: Optional[str]) -> bool:
        try:
            if self.network.num_layers or self.network.num_inputs:
                raise InvalidArgument("the network is not empty: parse into a new one, and add layers behind")
            # As imported, which is what a network shows; the builder builds the model itself.
            data = contents(model)
            try:
                parsed, graph = build(data, device="ref", external_data=folder, ops=registry_ops()), read(data)
            except Error:
                try:
                    changed = with_plugins(data)
                except (Error, ValueError, RecursionError):  # what is wrong was told already
                    changed = None
                if changed is None:
                    if data is not model:  # the same once more, with the file's name in it
                        build(model, device="ref", external_data=folder, ops=registry_ops())
                    raise
                data = changed
                parsed, graph = build(data, device="ref", external_data=folder, ops=registry_ops()), read(data)
        except Error as raised:
            self._note(raised)
            for error in self._errors[-len(raised.messages) :]:
                self.logger.log(Severity.ERROR, str(error))
            return False
        self.network._take(data, folder, graph, parsed.inputs + parsed.outputs)
        return True

    @staticmethod
    def _beside_of(path: Any) -> Optional[str]:
        return os.path.dirname(os.path.abspath(path)) if path else None

    def parse(self, model: bytes, path: Optional[str] = None) -> bool:
        """Of bytes; path: where the model lies, for its external data. False: get_error tells why."""
        if isinstance(model, (int, str)):
            raise TypeError(f"parse takes the model's bytes, not {type(model).__name__}: parse_from_file takes a path")
        return self._parse(bytes(model), self._beside_of(path))

    def parse_from_file(self, model: str) -> bool:
        """Of a file, which is read now and not looked at again, but for weights that lie in files of their own."""
        return self._parse(os.fspath(model), self._beside_of(model))

    def supports_model(self, model: bytes, path: Optional[str] = None) -> Tuple[bool, List[Tuple[List[int], bool]]]:
        """(can it be parsed?, one subgraph of all nodes)."""
        return self.supports_model_v2(model, path), self._subgraphs

    def supports_model_v2(self, model: bytes, path: Optional[str] = None) -> bool:
        """Can it be parsed? One subgraph of all nodes."""
        parser = OnnxParser(INetworkDefinition(0, self.logger, None), self.logger)
        fine = parser.parse(model, path)
        self._errors += parser._errors
        self._subgraphs = [(list(range(parser.network.num_layers)), True)] if fine else []
        return fine

    @property
    def num_subgraphs(self) -> int:
        """Of the model that supports_model_v2 looked at: 1, or 0 when it cannot be parsed."""
        return len(self._subgraphs)

    def is_subgraph_supported(self, index: int) -> bool:
        """Does it run here?"""
        return self._subgraphs[index][1]

    def get_subgraph_nodes(self, index: int) -> List[int]:
        """Places of its nodes in the model."""
        return self._subgraphs[index][0]

    def get_layer_output_tensor(self, name: str, i: int = 0) -> Any:
        """Output i of the node of this name; None: there is none."""
        layer = next((layer for layer in self.network._layers if layer.name == name), None)
        return layer.get_output(i) if layer is not None else None

    def get_used_vc_plugin_libraries(self) -> List[str]:
        """None."""
        return []

    def load_model_proto(self, model: bytes, path: Optional[str] = None) -> bool:
        """Keeps a model for parse_model_proto."""
        self._loaded, self._beside = (bytes(model), path), {}
        return True

    def load_initializer(self, name: str, data: Any, size: int) -> bool:
        """Weights in place of those that the model has in other files. data: an address, or bytes."""
        self._beside[name] = ctypes.string_at(data, size) if isinstance(data, int) else bytes(data)[:size]
        return True

    def parse_model_proto(self) -> bool:
        """Parses the model that was loaded, with the initializers that were."""
        if self._loaded is None:
            return False
        model, path = self._loaded
        if not self._beside:
            return self.parse(model, path)
        try:
            graph, new = read(model), {}
            for name, data in self._beside.items():
                old = graph.initializers.get(name)
                if old is not None:
                    fields = [*(wire.put(wire.TENSOR_DIMS, d) for d in old.shape), wire.put(wire.TENSOR_TYPE, old.code), wire.put(wire.TENSOR_NAME, name), wire.put(wire.TENSOR_RAW, data)]
                    new[name] = b"".join(fields)
        except Error as raised:
            self._note(raised)
            return False
        return self.parse(graph.with_initializers(new), path)

    def set_builder_config(self, builder_config: Any) -> bool:
        """Kept: parsing does not depend on it."""
        self.builder_config = builder_config
        return True

    def parse_with_weight_descriptors(self, model: bytes) -> bool:
        """The old name of parse."""
        return self.parse(model)

    def supports_operator(self, op_name: str) -> bool:
        """Every operator of ONNX runs."""
        return True


until(OnnxParser, 10, "supports_model parse_with_weight_descriptors", "use supports_model_v2, parse")
