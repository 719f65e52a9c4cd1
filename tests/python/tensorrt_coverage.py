"""The table of what planish.tensorrt has of TensorRT's documented Python surface, made from the tests: tensorrt_coverage.py [--write] PAGE

Runs the tests of planish.tensorrt and notes which members of which classes they touch: reads, calls and sets from a test's own file, and what the library calls of
classes that a test defines. Writes docs/tensorrt-api.md from that (--write), or says how the page differs. Exit status 1: it differs, a test fails, or more than one
row in twenty is missing.
"""
import enum
import inspect
import pathlib
import sys
import unittest

import planish.tensorrt as trt
from planish.tensorrt.plugins import QUICK_PLUGINS

HERE = pathlib.Path(__file__).parent
TESTS = ["tensorrt_test", "network_test", "definition_test", "layers_test", "refit_test", "plugin_test", "tensorrt_members_test", "tensorrt_enums_test"]
FILES = {str(HERE / f"{name}.py") for name in TESTS}
MOST_MISSING = 0.05


# Tests in whose names one of these words stands show that something is refused: what else shows a member is named first.
REFUSALS = ("mistake", "wrong", "other_networks", "refused", "cannot", "missing", "impossible", "not_here")


class Recorder:
    """Which tests touched (class, member), and which of the tests ran an engine."""

    def __init__(self):
        self.seen, self.given, self.ran, self.test = {}, {}, set(), ""

    def add(self, key):
        self.seen.setdefault(key, set()).add(self.test)

    def note(self, kind, name):
        if name.startswith("execute"):
            self.ran.add(self.test)
        for base in kind.__mro__:
            self.add((base.__name__, name))

    def watch(self, kind):
        recorder, get, put = self, kind.__getattribute__, kind.__setattr__

        def getattribute(self, name):
            if recorder.test and name[:1] != "_" and sys._getframe(1).f_code.co_filename in FILES:
                recorder.note(type(self), name)
            return get(self, name)

        def setattr_(self, name, value):
            if sys._getframe(1).f_code.co_filename not in FILES:  # the module's own, which may set what it likes
                if recorder.test and name[:1] != "_":
                    for base in type(self).__mro__:  # a parameter of the call that made it
                        recorder.given.setdefault((base.__name__, name), set()).add(recorder.test)
                object.__setattr__(self, name, value)
                return
            if recorder.test and name[:1] != "_":
                recorder.note(type(self), name)
            put(self, name, value)

        getattribute.watched = setattr_.watched = True
        if not hasattr(get, "watched"):
            kind.__getattribute__ = getattribute
        if not hasattr(put, "watched"):
            kind.__setattr__ = setattr_

    def watch_enumeration(self, kind):
        recorder, meta = self, type(kind)

        def touched(names):
            if recorder.test and sys._getframe(2).f_code.co_filename in FILES:
                for name in names:
                    recorder.add((kind.__name__, name))

        class Watched(meta):
            def __getattribute__(cls, name):
                if name[:1] != "_":
                    touched([name] if name in cls.__members__ else [])
                return super().__getattribute__(name)

            def __iter__(cls):
                touched(cls.__members__)
                return super().__iter__()

            def __getitem__(cls, name):
                touched([name])
                return super().__getitem__(name)

            def __call__(cls, *given, **told):
                made = super().__call__(*given, **told)
                touched([made.name] if isinstance(made, cls) else [])
                return made

        kind.__class__ = Watched

    def called(self, frame, event, _):
        """The library calls what a test's class defines."""
        code = frame.f_code
        if event == "call" and self.test and code.co_filename in FILES and frame.f_back and frame.f_back.f_code.co_filename not in FILES and code.co_argcount:
            kind = type(frame.f_locals.get(code.co_varnames[0]))
            for base in kind.__mro__[1:]:
                if base.__module__.startswith("planish.tensorrt") and hasattr(base, code.co_name):
                    self.note(kind, code.co_name)

    def best(self, name, part):
        """The most telling test of a member: one that runs an engine before one that sets and reads, one that is about it before one that uses it along the way. "": none touches it. Where the
        member is touched, a test that gives it to the call that makes the layer tells of it, too."""
        member = (name + part).lower().replace("_", "")

        def rank(test):
            own = test.rpartition(".")[2]
            about = sum(word in member or word[:-1] in member for word in own.split("_") if len(word) > 3 and word not in ("test", "layer"))
            return (any(word in own for word in REFUSALS), own == "test_layer_parameters", test not in self.ran, -about, test not in touching, self.sizes.get(test, 0), test)

        touching = self.seen.get((name, part), set())
        return min(touching | (self.given.get((name, part), set()) & self.ran if touching else set()), key=rank, default="")

    def finish(self):
        """How many members each test touches: the fewer, the more it is about each."""
        self.sizes = {}
        for tests in self.seen.values():
            for test in tests:
                self.sizes[test] = self.sizes.get(test, 0) + 1

    def cover(self, name, parts):
        """As few tests as touch all of the parts, and the parts that none touches."""
        left, chosen = set(parts), []
        while True:
            found = {}
            for part in sorted(left):
                for test in self.seen.get((name, part), ()):
                    found.setdefault(test, set()).add(part)
            if not found:
                return chosen, sorted(left)
            test = min(found, key=lambda one: (-len(found[one]), any(word in one for word in REFUSALS), one not in self.ran, self.sizes[one], one))
            chosen.append(test)
            left -= found[test]


class Module(type(trt)):
    """The module, watched."""

    recorder = None

    def __getattribute__(self, name):
        recorder = Module.recorder
        if recorder is not None and recorder.test and sys._getframe(1).f_code.co_filename in FILES:
            recorder.add(("module", name))
            recorder.add((name, ""))
            kept = super().__getattribute__("__dict__").get(name)
            if isinstance(kept, enum.Enum):  # trt.float32 is DataType.FLOAT
                recorder.add((type(kept).__name__, kept.name))
        return super().__getattribute__(name)

    def __getattr__(self, name):  # of the module itself, which a class of its own hides
        return self.__dict__["__getattr__"](name)


class Result(unittest.TextTestResult):
    def startTest(self, test):
        Module.recorder.test = ".".join(test.id().split(".")[-3:])
        super().startTest(test)

    def stopTest(self, test):
        super().stopTest(test)
        Module.recorder.test = ""


def surface():
    """[(class, [members])], as documented; those of enumerations apart."""
    out, enumerations = [], []
    for line in (HERE / "tensorrt_surface.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, _, members = line.partition(":")
            (enumerations if name.startswith("enum ") else out).append((name.rpartition(" ")[2], members.split()))
    return out, enumerations


def sentence(doc):
    """The first one of a docstring."""
    doc = " ".join((doc or "").split())
    end = doc.find(". ")
    return (doc[: end + 1] if end >= 0 else doc).replace("|", "\\|")


def told(thing):
    """The first sentence of its docstring, where it has one of its own; numbers, texts and the like have Python's."""
    if isinstance(thing, type):
        return sentence(inspect.getdoc(thing)) if thing.__module__.startswith("planish") else ""
    own = vars(thing).get("__doc__") if hasattr(thing, "__dict__") and type(thing).__module__.startswith("planish") else None
    if own is None and (inspect.isroutine(thing) or isinstance(thing, (property, staticmethod, classmethod))):
        own = inspect.getdoc(thing)
    return sentence(own)


def member(kind, name):
    """The thing itself; None: it is not there."""
    for base in kind.__mro__:
        if name in base.__dict__:
            return base.__dict__[name]
    return None


def what_of(name, part):
    """What a member does here; "Missing.": it is not there, "Missing: …": what to use instead."""
    kind = None if name == "module" else getattr(trt, name, None)
    if name == "module":
        thing = getattr(trt, part, None)
        return "Missing." if thing is None else "This module." if thing is trt else "The generation's." if part == "__version__" else "An element type." if isinstance(thing, trt.DataType) else told(thing)
    if kind is None:
        return f"Missing: {INSTEAD[name]}." if name in INSTEAD else "Missing."
    if not part:
        return told(kind)
    thing = member(kind, part)
    thing = getattr(thing, "what", thing)
    if thing is None:
        return "Kept." if part in FIELDS.get(name, ()) else f"Missing: {INSTEAD[name + '.' + part]}." if name + "." + part in INSTEAD else "Missing."
    return told(thing) or (f"{type(thing).__name__}.{thing.name}." if isinstance(thing, enum.Enum) else f"A field; {thing!r} where nothing is set.")


def rows(recorder):
    """[(class, member, what it does, test, is it missing?)]"""
    out = []
    for name, members in surface()[0]:
        for part in members or [""]:
            what, test = what_of(name, part), recorder.best(name, part)
            out.append((name, part, what, test, what.startswith("Missing") or not test))
    return out


def enumerations(recorder):
    """[(enumeration, its members, tests that touch them all, what is missing)]"""
    out = []
    for name, members in surface()[1]:
        tests, untouched = recorder.cover(name, members)
        kind = getattr(trt, name, None)
        absent = [m for m in members if kind is None or m not in kind.__members__]
        out.append((name, members, tests, absent or untouched))
    return out


# What instances have by __init__ alone.
FIELDS = {
    "Builder": "logger error_recorder", "Runtime": "logger error_recorder", "Refitter": "logger error_recorder max_threads weights_validation", "IExecutionContext": "engine error_recorder",
    "IOptimizationProfile": "extra_memory_target", "Weights": "dtype", "Logger": "min_severity", "INetworkDefinition": "name flags builder error_recorder", "ILoop": "name", "IIfConditional": "name",
    "IAttention": "decomposable", "IPluginRegistry": "error_recorder parent_search_enabled", "PluginField": "name data type", "PluginTensorDesc": "dims type format scale",
    "DynamicPluginTensorDesc": "desc min max opt", "IPluginResourceContext": "gpu_allocator error_recorder",
}  # fmt: skip
FIELDS = {name: fields.split() for name, fields in FIELDS.items()}

# What is not there at all, and what to use.
INSTEAD = {
    "plugin": QUICK_PLUGINS,
    "IPluginV3QuickAOTBuild": QUICK_PLUGINS,
    "CausalMaskKind": "causal says that a row sees keys up to its own index; for another triangle set mask",
    "IAttention.causal_kind": "causal says that a row sees keys up to its own index; for another triangle set mask",
    "IAttention.normalization_quantize_to_type": "the probabilities stay floats; add_quantize and add_dequantize stand around attention",
    "IAttention.normalization_quantize_scale": "the probabilities stay floats; add_quantize and add_dequantize stand around attention",
    "ILoopBoundaryLayer.loop": "keep the ILoop that made the layer",
    "IIfConditionalBoundaryLayer.conditional": "keep the IIfConditional that made the layer",
}  # fmt: skip

HEAD = """# TensorRT's Python interface, member by member

What `planish.tensorrt` has of the documented surface of TensorRT 8 to 11, what each member does here, and the test that shows it. Made from the tests by
`tests/python/tensorrt_coverage.py --write docs/tensorrt-api.md`; a row without a test counts as missing. "Kept" means that a value is taken and given back, and
changes nothing here, for the reason told. [docs/tensorrt.md](tensorrt.md) is the introduction.

"""


def page(found, listed):
    n, missing = len(found) + len(listed), sum(row[4] for row in found) + sum(bool(row[3]) for row in listed)
    lines = [HEAD + f"{n} rows, {n - missing} with a test, {missing} missing ({100 * missing / n:.1f} %).\n"]
    last = None
    for name, part, what, test, gone in found:
        if name != last:
            lines += ["", f"## {name}", "", "| member | here | test |", "|---|---|---|"]
            last = name
        what = "Missing" + (": " + what.partition(":")[2].strip() if what.startswith("Missing:") else ".") if what.startswith("Missing") else what
        lines.append(f"| `{part or name}` | {what} | {'**missing**' if gone else test} |")
    lines += ["", "## Enumerations", "", "A row is missing where a member is not there, or no test touches it.", "", "| enumeration | here | members | tests |", "|---|---|---|---|"]
    for name, members, tests, gone in listed:
        what = told(getattr(trt, name)) if hasattr(trt, name) else f"Missing: {INSTEAD[name]}." if name in INSTEAD else "Missing."
        lines.append(f"| `{name}` | {what} | {' '.join(f'`{m}`' for m in members)} | {'**missing**: ' + ' '.join(f'`{m}`' for m in gone) if gone else ', '.join(tests)} |")
    return "\n".join(lines) + "\n"


def forgotten():
    """Enumerations of the module that the surface does not list with all their members."""
    listed = {name: set(members) for name, members in surface()[1]}
    there = {thing.__name__: set(thing.__members__) for thing in vars(trt).values() if isinstance(thing, enum.EnumMeta)}
    return [f"{name}: {' '.join(sorted(members - listed.get(name, set())))}" for name, members in sorted(there.items()) if members - listed.get(name, set())]


def main():
    path = pathlib.Path(sys.argv[-1])
    recorder = Module.recorder = Recorder()
    suite = unittest.TestSuite(unittest.defaultTestLoader.loadTestsFromName(name) for name in TESTS)
    classes, listed = surface()
    unlisted = forgotten()
    for kind in {getattr(trt, name) for name, _ in classes if isinstance(getattr(trt, name, None), type)}:
        recorder.watch(kind)
    for kind in {getattr(trt, name) for name, _ in listed if hasattr(trt, name)}:
        recorder.watch_enumeration(kind)
    trt.__class__ = Module
    sys.setprofile(recorder.called)
    try:
        result = unittest.TextTestRunner(stream=sys.stdout, verbosity=0, resultclass=Result).run(suite)
    finally:
        sys.setprofile(None)
        Module.recorder = None
    if not result.wasSuccessful():
        return 1
    recorder.finish()
    found, listed = rows(recorder), enumerations(recorder)
    text = page(found, listed)
    n = len(found) + len(listed)
    share = (sum(row[4] for row in found) + sum(bool(row[3]) for row in listed)) / n
    for row in found:
        if row[4]:
            print(f"missing: {row[0]}.{row[1]}: {row[2]}")
    for name, _, _, gone in listed:
        if gone:
            print(f"missing: {name}: {' '.join(gone)}")
    for line in unlisted:
        print(f"tensorrt_surface.txt does not list enum {line}")
    print(f"{n} rows, {100 * share:.1f} % missing")
    if "--write" in sys.argv:
        path.write_text(text)
    elif path.read_text() != text:
        print(f"{path} is not what the tests show: run tests/python/tensorrt_coverage.py --write {path}")
        return 1
    return share > MOST_MISSING or bool(unlisted)


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    sys.exit(main())
