"""optimize_peer.py ORIGINALS OPTIMIZED: for each case of OPTIMIZED (made by optimize_cases) that ONNX Runtime runs in its original form, the optimized model must
pass onnx.checker if the original does, and give ONNX Runtime's own outputs of the original, within 1e-3 of the largest value, integers and strings exactly. One line a case that does not; the last
line: `N passed, N failed, N skipped` (skipped: ONNX Runtime does not run the original)."""
import glob
import os
import subprocess
import sys

BATCH = 50


def tensors(folder, session):
    import onnx
    from onnx import numpy_helper
    feeds = {}
    for i, argument in enumerate(session.get_inputs()):
        data = open(os.path.join(folder, f"input_{i}.pb"), "rb").read()
        if argument.type.startswith("seq("):
            sequence = onnx.SequenceProto()
            sequence.ParseFromString(data)
            feeds[argument.name] = [numpy_helper.to_array(t) for t in sequence.tensor_values]
        elif argument.type.startswith("optional("):
            raise ValueError("an optional")
        else:
            tensor = onnx.TensorProto()
            tensor.ParseFromString(data)
            feeds[argument.name] = numpy_helper.to_array(tensor)
    return feeds


def open_model(path):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def difference(a, b):
    import numpy
    if isinstance(a, list):
        if len(a) != len(b):
            return "another number of elements"
        return next((d for d in map(difference, a, b) if d), "")
    a, b = numpy.asarray(a), numpy.asarray(b)
    if a.dtype != b.dtype or a.shape != b.shape:
        return f"{b.dtype}{b.shape} instead of {a.dtype}{a.shape}"
    if a.dtype.kind not in "fc" or a.dtype.itemsize == 1:
        return "" if (a == b).all() else "other values"
    a, b = a.astype(complex if a.dtype.kind == "c" else float), b.astype(complex if b.dtype.kind == "c" else float)
    finite = numpy.isfinite(a)
    if not (finite == numpy.isfinite(b)).all() or not (numpy.isnan(a) == numpy.isnan(b)).all():
        return "other infinities or NaN"
    largest = numpy.abs(a[finite]).max(initial=0)
    error = numpy.abs(a[finite] - b[finite]).max(initial=0)
    return "" if error <= 1e-3 * largest + 1e-7 else f"off by {error} of {largest}"


def is_checked(path):
    """Does onnx.checker take it? It wants a shape of every output, which not all models know."""
    import onnx
    try:
        onnx.checker.check_model(path, full_check=True)
        return True
    except Exception:
        return False


def judge(original, optimized):
    import onnx
    try:
        session = open_model(original)
        feeds = tensors(os.path.join(os.path.dirname(original), "test_data_set_0"), session)
        wanted = session.run(None, feeds)
    except Exception:
        return None
    import onnxruntime.capi.onnxruntime_pybind11_state as states
    try:
        if is_checked(original):
            onnx.checker.check_model(optimized, full_check=True)
        session = open_model(optimized)
        got = session.run(None, feeds)
    except states.NotImplemented:  # the original was one operator, of which it has no parts
        return None
    except Exception as error:
        return " ".join(str(error).split())[:300]
    return "; ".join(filter(None, map(difference, wanted, got)))


def work(pairs):
    for pair in pairs:
        original, optimized = pair.split("=")
        answer = judge(original, optimized)
        print("\t".join([optimized, "skipped" if answer is None else "failed" if answer else "passed", answer or ""]), flush=True)


def main(originals, folder):
    pairs = []
    for optimized in sorted(glob.glob(os.path.join(folder, "*", "*", "model.onnx"))):
        name = os.path.relpath(os.path.dirname(optimized), folder)
        original = next((p for p in (os.path.join(originals, name, "model.onnx"), os.path.join(originals, os.path.basename(name), "model.onnx")) if os.path.exists(p)), None)
        if original:
            pairs.append(f"{original}={optimized}")
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    while pairs:
        done = subprocess.run([sys.executable, __file__, "--work"] + pairs[:BATCH], capture_output=True, text=True).stdout.splitlines()
        for line in done:
            path, verdict, answer = line.split("\t")
            counts[verdict] += 1
            if verdict == "failed":
                print(f"{os.path.dirname(path)}: {answer}", flush=True)
        if len(done) < min(BATCH, len(pairs)):  # the one behind the last answer took the process with it
            counts["skipped"] += 1
            done.append("")
        pairs = pairs[len(done):]
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    return counts["failed"] > 0


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] == "--work":
        work(sys.argv[2:])
    elif len(sys.argv) == 3:
        sys.exit(main(*sys.argv[1:]))
    else:
        sys.exit(__doc__)
