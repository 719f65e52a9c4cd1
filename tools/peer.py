# The peer of `planish bench` and `planish compare`: ONNX Runtime in a process of its own, told what to do line by line.
# Arguments: model, folder with input_J.npy, threads. Answers on stdout; every error is one line "error TEXT".
import os, sys, time


def fail(text):
    print("error " + " ".join(str(text).split()), flush=True)
    sys.exit(1)


def peak():
    """Largest resident set, bytes. Not ru_maxrss, which begins with that of the process that forked this one."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


def how_to_install(packages):
    """Into the environment that this Python is of; the system's own is left alone (Debian's refuses)."""
    if sys.prefix != sys.base_prefix:
        return f"install it with: {sys.executable} -m pip install {packages}"
    return f"make an environment with it: {sys.executable} -m venv peer && peer/bin/pip install {packages}, and name it: --python peer/bin/python"


try:
    import numpy as np
    import onnxruntime as ort
except ImportError as missing:
    fail(f"{sys.executable}: {missing}; {how_to_install('onnxruntime numpy')}")

TYPES = {"float": np.float32, "double": np.float64, "float16": np.float16, "int8": np.int8, "int16": np.int16, "int32": np.int32, "int64": np.int64,
         "uint8": np.uint8, "uint16": np.uint16, "uint32": np.uint32, "uint64": np.uint64, "bool": np.bool_}


def load(model, folder, threads):
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    feeds = {}
    for i, info in enumerate(session.get_inputs()):
        array = np.load(os.path.join(folder, f"input_{i}.npy"))
        kind = TYPES.get(info.type.removeprefix("tensor(").removesuffix(")"))
        if kind is None:
            fail(f"input '{info.name}' is {info.type}, which cannot be handed to ONNX Runtime from Python")
        feeds[info.name] = ort.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(array.astype(kind, copy=False)))
    return session, feeds


def bind(session, feeds):
    """Inputs and outputs in memory that exists before the run; None where an output is no plain tensor."""
    first = session.run_with_ort_values(None, feeds)
    binding = session.io_binding()
    for name, value in feeds.items():
        binding.bind_ortvalue_input(name, value)
    for info, value in zip(session.get_outputs(), first):
        kind = TYPES.get(info.type.removeprefix("tensor(").removesuffix(")"))
        if kind is None or not value.is_tensor():
            return None
        binding.bind_ortvalue_output(info.name, ort.OrtValue.ortvalue_from_shape_and_type(value.shape(), kind))
    return binding


def save_layers(model, folder, feeds):
    """Every tensor that a node of the model gives, as layer_K.npy; names in layers.txt, a line each. Without optimizations."""
    try:
        import onnx
    except ImportError as missing:
        fail(f"{sys.executable}: {missing}; {how_to_install('onnx')}")
    copy = onnx.load(model, load_external_data=False)
    outputs = {value.name for value in copy.graph.output}
    for node in copy.graph.node:
        if "Sequence" in node.op_type or "Optional" in node.op_type or node.op_type in ("If", "Loop", "Scan"):
            continue
        for name in node.output:
            if name and name not in outputs:
                copy.graph.output.append(onnx.ValueInfoProto(name=name))
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.path.dirname(os.path.abspath(model)))
    session = ort.InferenceSession(copy.SerializeToString(), options, providers=["CPUExecutionProvider"])
    count = 0
    with open(os.path.join(folder, "layers.txt"), "w") as names:
        for info, value in zip(session.get_outputs(), session.run_with_ort_values(None, feeds)):
            if value.is_tensor() and value.numpy().dtype != object and "\n" not in info.name:
                np.save(os.path.join(folder, f"layer_{count}.npy"), value.numpy())
                names.write(info.name + "\n")
                count += 1
    print("layers", flush=True)


def main():
    model, folder, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
    base = peak()
    start = time.perf_counter()
    session, feeds = load(model, folder, threads)
    load_ms = (time.perf_counter() - start) * 1e3
    binding = bind(session, feeds)
    run = (lambda: session.run_with_iobinding(binding)) if binding else (lambda: session.run_with_ort_values(None, feeds))
    print(f"ready {load_ms:.6f} {base} {ort.__version__}", flush=True)
    for line in sys.stdin:
        words = line.split()
        if words[0] == "run":
            times, end = [], time.perf_counter() + float(words[1])
            while len(times) < int(words[2]) or time.perf_counter() < end:
                start = time.perf_counter_ns()
                run()
                times.append(time.perf_counter_ns() - start)
            print("times " + " ".join(f"{t * 1e-6:.6f}" for t in times), flush=True)
        elif words[0] == "memory":
            print(f"memory {peak()}", flush=True)
        elif words[0] == "layers":
            save_layers(model, folder, feeds)
        elif words[0] == "save":
            for i, value in enumerate(session.run_with_ort_values(None, feeds)):
                if value.is_tensor():
                    array = value.numpy()
                    if array.dtype != object:
                        np.save(os.path.join(folder, f"output_{i}.npy"), array)
            print("saved", flush=True)


try:
    main()
except Exception as error:
    fail(error)
