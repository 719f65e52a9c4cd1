"""Reports: times of layers as a table, engines as a page in a notebook."""
from __future__ import annotations

import html
import statistics
from typing import Any, List, Mapping, NamedTuple

from .engine import Engine, _describe
from .errors import Error


class LayerTime(NamedTuple):
    """Median milliseconds of a layer in a run, its part of all, and what it is."""

    ms: float
    share: float
    op: str
    kernel: str
    device: str
    name: str


class Profile:
    """Times of layers, slowest first. Prints as a table; `to_pandas()` gives a DataFrame."""

    def __init__(self, rows: List[LayerTime], run_ms: float, runs: int) -> None:
        self.rows, self.run_ms, self.runs = rows, run_ms, runs

    def __iter__(self) -> Any:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> Any:
        return self.rows[index]

    def to_pandas(self) -> Any:
        """A pandas.DataFrame, a row a layer."""
        import pandas

        return pandas.DataFrame(self.rows, columns=LayerTime._fields)

    def __str__(self) -> str:
        lines = [f"{self.run_ms:.3f} ms a run (median of {self.runs})", f"{'ms':>9} {'share':>6}  {'kernel':<32} ONNX nodes"]
        lines += [f"{r.ms:>9.3f} {r.share:>6.1%}  {r.kernel:<32} {r.name if len(r.name) < 80 else r.name[:77] + '...'}" for r in self.rows]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<p>{self.run_ms:.3f} ms a run (median of {self.runs})</p>" + _table(("ms", "share", "kernel", "ONNX nodes"), [(f"{r.ms:.3f}", f"{r.share:.1%}", r.kernel, r.name) for r in self.rows])


def profile(engine: Engine, inputs: Mapping[str, Any], runs: int) -> Profile:
    """Runs `runs` times (and once before) with every layer timed."""
    context = engine.context()
    context.set_profiling(True)
    context.run(inputs)
    layers, times, whole = engine.layers, [], []
    for _ in range(max(runs, 1)):
        context.run()
        times.append([ns for ns, _ in context.layer_times()])
        whole.append(context.stats["last_run_ns"])
    medians = [statistics.median(one) * 1e-6 for one in zip(*times)]
    total = sum(medians) or 1.0
    rows = [LayerTime(ms, ms / total, layer.op, layer.kernel, layer.device, layer.name) for ms, layer in zip(medians, layers)]
    engine._times = rows  # for the page
    return Profile(sorted(rows, key=lambda r: -r.ms), statistics.median(whole) * 1e-6, max(runs, 1))


def _table(head: Any, rows: Any) -> str:
    cells = "".join("<tr>" + "".join(f"<td>{html.escape(str(c))}</td>" for c in row) + "</tr>" for row in rows)
    return "<table><thead><tr>" + "".join(f"<th>{html.escape(h)}</th>" for h in head) + f"</tr></thead><tbody>{cells}</tbody></table>"


def _activations(engine: Engine) -> str:
    """What a run takes besides, where shapes tell: open extents are 1."""
    if any(i.shape is None for i in engine.inputs if i.kind == "tensor"):
        return ""
    shapes = {i.name: [d if isinstance(d, int) else 1 for d in i.shape or ()] for i in engine.inputs if i.kind == "tensor"}
    try:
        told = engine.memory(shapes)
    except Error:  # such as extents of 1 that do not fit each other
        return ""
    where = ", where open extents are 1" if any(not isinstance(d, int) for i in engine.inputs for d in i.shape or ()) else ""
    return f", {told / 2**20:.1f} MiB of activations in a run{where}"


def engine_html(engine: Engine) -> str:
    """Inputs, outputs, memory, and the slowest layers of the last profile."""
    sides = [("input", i.name, _describe(i)) for i in engine.inputs] + [("output", o.name, _describe(o)) for o in engine.outputs]
    memory = _activations(engine)
    out = [f"<p><b>{html.escape(engine.name or 'engine')}</b> on {html.escape(engine.device)}: {len(engine)} layers, {engine.weights_bytes / 2**20:.1f} MiB of weights{memory}</p>", _table(("", "name", "type"), sides)]
    times = getattr(engine, "_times", None)
    if times:
        slowest = sorted(times, key=lambda r: -r.ms)[:10]
        out.append("<p>slowest layers</p>" + _table(("ms", "share", "kernel", "ONNX nodes"), [(f"{r.ms:.3f}", f"{r.share:.1%}", r.kernel, r.name) for r in slowest]))
    return "".join(out)
