"""Loops and conditionals: layers of a body are found by what they depend on."""
from __future__ import annotations

from typing import Any, Dict, Iterable, List, Optional, Set, Tuple

import numpy as np

from ..errors import InvalidArgument
from .base import Strict, flag, generation, integer
from .enums import LayerType, LoopOutput, TripLimit
from .layers import _as, _axis, _Checked, _enum, _same
from .network import BOOL, I32, I64, Emitter, ILayer, ITensor


def _dependents(layers: Iterable[ILayer], sources: Iterable[ILayer], stop: Iterable[ILayer]) -> List[ILayer]:
    """Layers, in order, that need a source; those of stop do not hand it on. A recurrence may need what comes later: until nothing is added."""
    found, closed = {id(s) for s in sources}, {id(s) for s in stop}
    layers, grown = list(layers), True
    while grown:
        grown = False
        for layer in layers:
            if id(layer) not in found and id(layer) not in closed and any(t is not None and t._layer is not None and id(t._layer) in found for t in layer.needs()):
                found.add(id(layer))
                grown = True
    return [layer for layer in layers if id(layer) in found]


def body_layers(layers: List[ILayer]) -> Set[int]:
    """Ids of layers that stand in a body, or are written with one: not by themselves."""
    inside: Set[int] = set()
    seen: Set[int] = set()
    for layer in layers:
        owner = getattr(layer, "owner", None)
        if owner is not None and id(owner) not in seen:
            seen.add(id(owner))
            inside |= {id(x) for x in owner.inner()} | {id(x) for x in owner.members if not isinstance(x, (ILoopOutputLayer, IIfConditionalOutputLayer))}
    return inside


class _Member(ILayer):
    owner: Any = None

    def emit(self, e: Emitter) -> List[str]:
        if e.more is not None:
            return [self.stand_in(e)]
        raise self.fail("it is used outside of what it belongs to: give it out by an output layer")

    def stand_in(self, e: Emitter) -> str:
        """What stands for its value where only shapes are asked for."""
        return e.value(self.given(0))


class _Output(_Member):
    def needs(self) -> List[Optional[ITensor]]:
        return [t for member in self.owner.members for t in member.inputs]

    def rank_of(self, index: int) -> int:
        return self.given(0).rank

    def emit(self, e: Emitter) -> List[str]:
        if id(self.owner) not in e.results:
            e.results[id(self.owner)] = self.owner.write(e)
        return [e.results[id(self.owner)][id(self.outputs[0])]]


class ILoopBoundaryLayer(_Member):
    """What stands at the border of a loop."""

    @property
    def loop(self) -> "ILoop":
        """Its loop."""
        return self.owner


class IIfConditionalBoundaryLayer(_Member):
    """What stands at the border of a conditional."""

    @property
    def conditional(self) -> "IIfConditional":
        """Its conditional."""
        return self.owner


class IRecurrenceLayer(ILoopBoundaryLayer):
    """A value that an iteration hands to the next. Input 0: the first; set_input(1, tensor): the next."""

    layer_type, title = LayerType.RECURRENCE, "Recurrence"

    def needs(self) -> List[Optional[ITensor]]:
        return self.inputs[:1]

    def stand_in(self, e: Emitter) -> str:
        """Of the first value's extents, but for those that an iteration changes."""
        return e.stand_in(self.given(0).code, self.owner.extents(self))

    def widened(self, dims: Tuple[int, ...]) -> Tuple[int, ...]:
        """These extents, -1 where the next value has others."""
        following = tuple(self.inputs[1].shape) if len(self.inputs) > 1 and self.inputs[1] is not None else dims
        return tuple(d if d == f else -1 for d, f in zip(dims, following)) if len(following) == len(dims) else dims

    def following(self, e: Emitter) -> str:
        """The next value, of the first one's type and rank: what follows from the recurrence was told by these."""
        first, following = self.given(0), self.given(1)
        if following.rank != first.rank:
            raise self.fail(f"its first value '{first.name}' has {first.rank} dims, the next one '{following.name}' {following.rank}: network.add_shuffle gives it as many")
        # Shapes are INT32 in generation 8, whatever they are computed in.
        if following.code != first.code and not (first.code == I64 and following.code == I32) and not (first.code == I32 and following.code == I64 and generation() == 8):
            raise self.fail(f"its first value '{first.name}' is {first.dtype.name}, the next one '{following.name}' {following.dtype.name}: network.add_cast gives it the same type")
        return _as(e, following, first.code)


class IIteratorLayer(ILoopBoundaryLayer):
    """A slice of a tensor along an axis, the next one in each iteration."""

    layer_type, title = LayerType.ITERATOR, "Iterator"
    axis = _Checked("Along which.", 0, integer)
    reverse = _Checked("From the end?", False, flag)

    def rank_of(self, index: int) -> int:
        return self.given(0).rank - 1

    def stand_in(self, e: Emitter) -> str:
        tensor = self.given(0)
        axis = _axis(self, self.axis, tensor.rank)
        return e.stand_in(tensor.code, [d for i, d in enumerate(tensor.shape) if i != axis])

    def slice(self, e: Emitter, i: str) -> str:
        """The slice of an iteration; of one that there is none for, an error."""
        tensor, axis = e.value(self.given(0)), _axis(self, self.axis, self.given(0).rank)
        if self.reverse:
            extent = e.node("Gather", e.node("Shape", tensor), e.const(axis, np.int64))
            at = e.node("Sub", e.node("Sub", extent, e.const(1, np.int64)), i)
            # Gather counts negative indices from the end: what is behind the last is an error.
            i = e.node("Where", e.node("Less", at, e.const(0, np.int64)), extent, at)
        return e.node("Gather", tensor, i, axis=axis)

    def needs(self) -> List[Optional[ITensor]]:
        return []


class ITripLimitLayer(ILoopBoundaryLayer):
    """How often: COUNT, a number, or WHILE, a condition looked at before each iteration."""

    layer_type, title, outputs_count = LayerType.TRIP_LIMIT, "TripLimit", 0
    kind = _enum("COUNT or WHILE.", TripLimit.COUNT)

    def needs(self) -> List[Optional[ITensor]]:
        return []


class ILoopOutputLayer(_Output, ILoopBoundaryLayer):
    """What a loop gives: a recurrence's value behind the last iteration, or a tensor of all iterations, one behind the other or the other way round. set_input(1, tensor):
    how many iterations there are at most, which is not needed here."""

    layer_type, title = LayerType.LOOP_OUTPUT, "LoopOutput"
    axis = _Checked("Where iterations stand.", 0, integer)
    kind = _enum("LAST_VALUE, CONCATENATE or REVERSE.", LoopOutput.LAST_VALUE)

    def rank_of(self, index: int) -> int:
        return self.given(0).rank + (self.kind != LoopOutput.LAST_VALUE)


class ILoop(Strict):
    """A loop in the making."""

    def __init__(self, network: Any) -> None:
        self._network, self.name = network, ""
        self.members: List[Any] = []
        self._assumed: Optional[Tuple[int, Dict[int, Tuple[int, ...]]]] = None  # extents of recurrences, by id, of a revision of the network
        self._busy = False

    def _add(self, layer: Any) -> Any:
        layer.owner = self
        self._network._add(layer)
        self.members.append(layer)
        return layer

    def add_recurrence(self, initial_value: ITensor) -> IRecurrenceLayer:
        """A value that goes from iteration to iteration."""
        return self._add(IRecurrenceLayer(self._network, [initial_value]))

    def add_iterator(self, tensor: ITensor, axis: int = 0, reverse: bool = False) -> IIteratorLayer:
        """Slices of a tensor."""
        return self._add(IIteratorLayer(self._network, [tensor], axis=axis, reverse=reverse))

    def add_trip_limit(self, tensor: ITensor, kind: TripLimit) -> ITripLimitLayer:
        """How often; one of a kind."""
        if any(limit.kind == kind for limit in self._limits()):
            raise InvalidArgument(f"the loop has a trip limit {kind.name} already")
        return self._add(ITripLimitLayer(self._network, [tensor], kind=kind))

    def add_loop_output(self, tensor: ITensor, kind: LoopOutput, axis: int = 0) -> ILoopOutputLayer:
        """What comes out."""
        return self._add(ILoopOutputLayer(self._network, [tensor], kind=kind, axis=axis))

    def _of(self, kind: type) -> List[Any]:
        return [m for m in self.members if isinstance(m, kind)]

    def extents(self, recurrence: IRecurrenceLayer) -> Tuple[int, ...]:
        """What all iterations have in common, -1 for the rest."""
        if not self._busy and (self._assumed is None or self._assumed[0] != self._network._revision):
            self._assume()
        assert self._assumed is not None
        return self._assumed[1][id(recurrence)]

    def _assume(self) -> None:
        """Of all recurrences together: the first values' extents, then what is left of them until an iteration changes none."""
        recurrences = self._of(IRecurrenceLayer)
        dims = {id(r): tuple(r.given(0).shape) for r in recurrences}
        self._busy = True
        try:
            while True:
                self._assumed = self._network._revision, dims
                wider = {id(r): r.widened(dims[id(r)]) for r in recurrences}
                if wider == dims:
                    return
                dims = wider
                self._network._clear(recurrences[0])
                for layer in self.inner():
                    owner = getattr(layer, "owner", None)
                    if isinstance(owner, ILoop) and owner is not self:
                        owner._assumed = None
        finally:
            self._busy = False

    def _limits(self) -> List[ITripLimitLayer]:
        return self._of(ITripLimitLayer)

    def inner(self) -> List[ILayer]:
        """Layers of the body."""
        return _dependents(self._network._layers, self._of(IRecurrenceLayer) + self._of(IIteratorLayer), self._of(ILoopOutputLayer))

    def write(self, e: Emitter) -> Dict[int, str]:
        """An ONNX Loop; names of the output layers' tensors."""
        outputs, recurrences, limits = self._of(ILoopOutputLayer), self._of(IRecurrenceLayer), {m.kind: m for m in self._limits()}
        if not limits:
            raise outputs[0].fail("the loop has no trip limit: loop.add_trip_limit(tensor, trt.TripLimit.COUNT)")
        first = [e.value(r.given(0)) for r in recurrences]
        count = e.node("Reshape", e.as_int64(limits[TripLimit.COUNT].given(0)), e.ints()) if TripLimit.COUNT in limits else ""
        inner = self.inner()
        body = Emitter(e, inner)
        i, held, carried = body.fresh(), body.fresh(), [body.fresh() for _ in recurrences]
        for r, name in zip(recurrences, carried):
            body.names[id(r.outputs[0])] = name
        for it in self._of(IIteratorLayer):
            body.names[id(it.outputs[0])] = it.slice(body, i)
        following = [r.following(body) for r in recurrences]
        scans = [body.value(o.given(0)) for o in outputs if o.kind != LoopOutput.LAST_VALUE]
        begin, go_on = "", body.node("Identity", held)
        if TripLimit.WHILE in limits:
            condition = limits[TripLimit.WHILE].given(0)
            begin = self._condition(e, condition, inner, recurrences, first, e.nodes)
            go_on = self._condition(body, condition, inner, recurrences, following, body.nodes)
        # What a body gives must be its own, each once.
        results = [body.node("Identity", name) for name in [go_on, *following, *scans]]
        graph = body.graph([(i, I64, ()), (held, BOOL, ()), *((name, r.given(0).code, None) for name, r in zip(carried, recurrences))], results)
        n = len(recurrences) + len(scans)
        made = e.node("Loop", count, begin, *first, outs=n, body=graph)
        last, scanned, out = {id(r.outputs[0]): name for r, name in zip(recurrences, made)}, iter(made[len(recurrences) :]), {}
        for o in outputs:
            if o.kind == LoopOutput.LAST_VALUE:
                if id(o.given(0)) not in last:
                    raise o.fail("LAST_VALUE wants the output of an IRecurrenceLayer")
                out[id(o.outputs[0])] = last[id(o.given(0))]
                continue
            y, rank = next(scanned), o.given(0).rank + 1
            axis = _axis(o, o.axis, rank)
            if o.kind == LoopOutput.REVERSE:
                y = e.node("Slice", y, e.ints(-1), e.ints(-(1 << 62)), e.ints(0), e.ints(-1))
            if axis:
                y = e.node("Transpose", y, perm=[*range(1, axis + 1), 0, *range(axis + 1, rank)])
            out[id(o.outputs[0])] = y
        return out

    @staticmethod
    def _condition(e: Emitter, condition: ITensor, inner: List[ILayer], recurrences: List[IRecurrenceLayer], values: List[str], nodes: List[Any]) -> str:
        """The condition, of these values of the recurrences: written once for the first iteration and once for those that follow."""
        at = Emitter(e, inner)
        at.nodes, at.layer = nodes, e.layer
        for r, name in zip(recurrences, values):
            at.names[id(r.outputs[0])] = name
        return e.node("Reshape", at.value(condition), e.ints())


class IConditionLayer(IIfConditionalBoundaryLayer):
    """What decides."""

    layer_type, title, outputs_count = LayerType.CONDITION, "Condition", 0


class IIfConditionalInputLayer(IIfConditionalBoundaryLayer):
    """A value that branches use."""

    layer_type, title = LayerType.CONDITIONAL_INPUT, "ConditionalInput"


class IIfConditionalOutputLayer(_Output, IIfConditionalBoundaryLayer):
    """The value of the branch that was taken. Inputs: of the true branch, of the false one."""

    layer_type, title = LayerType.CONDITIONAL_OUTPUT, "ConditionalOutput"

    def code_of(self, index: int) -> int:
        return _same(self, (self.given(0), self.given(1)))

    def of_branch(self, e: Emitter, side: int) -> str:
        """The value of a branch, of the type and rank of the other's."""
        if self.given(0).rank != self.given(1).rank:
            raise self.fail(f"its branches give {self.given(0).rank} and {self.given(1).rank} dims: they must give as many")
        return _as(e, self.given(side), self.code_of(0))


class IIfConditional(Strict):
    """An if in the making."""

    def __init__(self, network: Any) -> None:
        self._network, self.name = network, ""
        self.members: List[Any] = []

    _add, _of = ILoop._add, ILoop._of

    def set_condition(self, condition: ITensor) -> IConditionLayer:
        """BOOL, one element; once."""
        if self._of(IConditionLayer):
            raise InvalidArgument("the conditional has a condition already")
        return self._add(IConditionLayer(self._network, [condition]))

    def add_input(self, input: ITensor) -> IIfConditionalInputLayer:
        """A value for the branches: layers that need its output are theirs, and only those of the branch that is taken run."""
        return self._add(IIfConditionalInputLayer(self._network, [input]))

    def add_output(self, true_subgraph_output: ITensor, false_subgraph_output: ITensor) -> IIfConditionalOutputLayer:
        """What comes out."""
        return self._add(IIfConditionalOutputLayer(self._network, [true_subgraph_output, false_subgraph_output]))

    def inner(self) -> List[ILayer]:
        """Layers of the branches."""
        return _dependents(self._network._layers, self._of(IIfConditionalInputLayer), self._of(IIfConditionalOutputLayer))

    def write(self, e: Emitter) -> Dict[int, str]:
        """An ONNX If; names of the output layers' tensors."""
        outputs, inner = self._of(IIfConditionalOutputLayer), self.inner()
        conditions = self._of(IConditionLayer)
        if not conditions:
            raise outputs[0].fail("the conditional has no condition: set_condition(tensor)")
        given = {id(m.outputs[0]): e.value(m.given(0)) for m in self._of(IIfConditionalInputLayer)}
        branches: Dict[str, bytes] = {}
        for side, name in enumerate(("then_branch", "else_branch")):
            body = Emitter(e, inner)
            body.layer = e.layer
            body.names.update(given)
            results = [body.node("Identity", o.of_branch(body, side)) for o in outputs]
            branches[name] = body.graph([], results, name)
        made = e.node("If", e.node("Reshape", e.value(conditions[0].given(0)), e.ints()), outs=len(outputs), **branches)
        return {id(o.outputs[0]): name for o, name in zip(outputs, made)}
