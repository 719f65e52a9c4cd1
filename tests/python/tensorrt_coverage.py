"""The table of what planish.tensorrt has of TensorRT's documented Python surface, made from the tests: tensorrt_coverage.py [--write] PAGE

Runs the tests of planish.tensorrt and notes which members of which classes they touch: reads, calls and sets from a test's own file, and what the library calls of
classes that a test defines. Writes docs/tensorrt-api.md from that (--write), or says how the page differs. Exit status 1: it differs, a test fails, or more than one
row in twenty is missing.
"""
import inspect
import pathlib
import sys
import unittest

import planish.tensorrt as trt

HERE = pathlib.Path(__file__).parent
TESTS = ["tensorrt_test", "network_test", "definition_test", "layers_test", "refit_test", "plugin_test", "tensorrt_members_test"]
FILES = {str(HERE / f"{name}.py") for name in TESTS}
MOST_MISSING = 0.05


class Recorder:
    """Which test touched (class, member) first."""

    def __init__(self):
        self.seen, self.test = {}, ""

    def note(self, kind, name):
        for base in kind.__mro__:
            self.seen.setdefault((base.__name__, name), self.test)

    def watch(self, kind):
        recorder, get, put = self, kind.__getattribute__, kind.__setattr__

        def getattribute(self, name):
            if recorder.test and name[:1] != "_" and sys._getframe(1).f_code.co_filename in FILES:
                recorder.note(type(self), name)
            return get(self, name)

        def setattr_(self, name, value):
            if sys._getframe(1).f_code.co_filename not in FILES:  # the module's own, which may set what it likes
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

    def called(self, frame, event, _):
        """The library calls what a test's class defines."""
        code = frame.f_code
        if event == "call" and self.test and code.co_filename in FILES and frame.f_back and frame.f_back.f_code.co_filename not in FILES and code.co_argcount:
            kind = type(frame.f_locals.get(code.co_varnames[0]))
            for base in kind.__mro__[1:]:
                if base.__module__.startswith("planish.tensorrt") and hasattr(base, code.co_name):
                    self.note(kind, code.co_name)


class Module(type(trt)):
    """The module, watched."""

    recorder = None

    def __getattribute__(self, name):
        recorder = Module.recorder
        if recorder is not None and recorder.test and sys._getframe(1).f_code.co_filename in FILES:
            recorder.seen.setdefault(("module", name), recorder.test)
            recorder.seen.setdefault((name, ""), recorder.test)
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
    """[(class, [members])], as documented."""
    out = []
    for line in (HERE / "tensorrt_surface.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, _, members = line.partition(":")
            out.append((name, members.split()))
    return out


def told(thing):
    """The first sentence of a docstring."""
    doc = inspect.getdoc(thing) or ""
    doc = " ".join(doc.split())
    end = doc.find(". ")
    return (doc[: end + 1] if end >= 0 else doc).replace("|", "\\|")


def member(kind, name):
    """The thing itself; None: it is not there."""
    for base in kind.__mro__:
        if name in base.__dict__:
            return base.__dict__[name]
    return None


def rows(seen):
    """[(class, member, what it does, test, is it missing?)]"""
    out = []
    for name, members in surface():
        kind = None if name == "module" else getattr(trt, name, None)
        for part in members or [""]:
            if name == "module":
                thing = getattr(trt, part, None) if part not in ("bool",) else trt.bool
                what = "The generation's." if part == "__version__" else "An element type." if isinstance(thing, trt.DataType) else told(thing)
            elif not part:
                thing, what = kind, told(kind)
            else:
                thing = None if kind is None else member(kind, part)
                what = told(thing.__dict__.get("what", thing) if hasattr(thing, "__dict__") else thing) if thing is not None else ""
                if thing is None and kind is not None and hasattr(kind, "__init__"):
                    # Set by __init__: kept.
                    thing = part if part in FIELDS.get(name, ()) else None
                    what = "Kept." if thing else ""
                if isinstance(thing, (str, int, float, list, tuple)) and not isinstance(thing, str) or (isinstance(thing, str) and what == ""):
                    what = "A field."
            test = seen.get((name, part), "")
            gone = thing is None or what.startswith("Missing") or not test
            out.append((name, part, "Missing." if thing is None else what, test, gone))
    return out


# What instances have by __init__ alone.
FIELDS = {
    "Builder": "logger error_recorder", "Runtime": "logger error_recorder", "Refitter": "logger error_recorder max_threads weights_validation", "IExecutionContext": "engine error_recorder",
    "IOptimizationProfile": "extra_memory_target", "Weights": "dtype", "Logger": "min_severity", "INetworkDefinition": "name flags builder error_recorder", "ILoop": "name", "IIfConditional": "name",
    "IAttention": "decomposable", "IPluginRegistry": "error_recorder parent_search_enabled", "PluginField": "name data type", "PluginTensorDesc": "dims type format scale",
    "DynamicPluginTensorDesc": "desc min max opt",
}  # fmt: skip
FIELDS = {name: fields.split() for name, fields in FIELDS.items()}

HEAD = """# TensorRT's Python interface, member by member

What `planish.tensorrt` has of the documented surface of TensorRT 8 to 11, what each member does here, and the test that shows it. Made from the tests by
`tests/python/tensorrt_coverage.py --write docs/tensorrt-api.md`; a row without a test counts as missing. "Kept" means that a value is taken and given back, and
changes nothing here, for the reason told. [docs/tensorrt.md](tensorrt.md) is the introduction.

"""


def page(found):
    missing = sum(row[4] for row in found)
    lines = [HEAD + f"{len(found)} rows, {len(found) - missing} with a test, {missing} missing ({100 * missing / len(found):.1f} %).\n"]
    last = None
    for name, part, what, test, gone in found:
        if name != last:
            lines += ["", f"## {name}", "", "| member | here | test |", "|---|---|---|"]
            last = name
        what = "Missing" + (": " + what.partition(":")[2].strip() if what.startswith("Missing:") else ".") if what.startswith("Missing") else what
        lines.append(f"| `{part or name}` | {what} | {'**missing**' if gone else test} |")
    return "\n".join(lines) + "\n"


def main():
    path = pathlib.Path(sys.argv[-1])
    recorder = Module.recorder = Recorder()
    suite = unittest.TestSuite(unittest.defaultTestLoader.loadTestsFromName(name) for name in TESTS)
    watched = {getattr(trt, name) for name, _ in surface() if name != "module" and hasattr(trt, name)}
    for kind in watched:
        recorder.watch(kind)
    trt.__class__ = Module
    sys.setprofile(recorder.called)
    try:
        result = unittest.TextTestRunner(stream=sys.stdout, verbosity=0, resultclass=Result).run(suite)
    finally:
        sys.setprofile(None)
        Module.recorder = None
    if not result.wasSuccessful():
        return 1
    found = rows(recorder.seen)
    text = page(found)
    share = sum(row[4] for row in found) / len(found)
    for row in found:
        if row[4]:
            print(f"missing: {row[0]}.{row[1]}: {row[2]}")
    print(f"{len(found)} rows, {100 * share:.1f} % missing")
    if "--write" in sys.argv:
        path.write_text(text)
    elif path.read_text() != text:
        print(f"{path} is not what the tests show: run tests/python/tensorrt_coverage.py --write {path}")
        return 1
    return share > MOST_MISSING


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    sys.exit(main())
