#!/usr/bin/env python3
"""gpt2_export.py [OUT.onnx]: writes GPT-2 as an ONNX file with token ids in and logits out.

    input_ids: int64[batch, sequence]  →  logits: float32[batch, sequence, vocabulary]

The weights are random, of GPT-2's own spread, unless --weights names a folder or a .safetensors file with trained ones (Hugging Face's "gpt2", "distilgpt2",
"gpt2-medium", …: config.json beside them tells the number of heads). Needs the packages numpy and onnx; PyTorch is not needed.
"""
import argparse
import json
import math
import pathlib
import struct

try:
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper
except ImportError as missing:
    raise SystemExit(f"gpt2_export.py: {missing}; pip install {missing.name or 'onnx'}") from None

SIZES = {"gpt2": (12, 768, 12), "gpt2-medium": (24, 1024, 16), "gpt2-large": (36, 1280, 20), "gpt2-xl": (48, 1600, 25)}  # layers, width, heads
INLINE_BYTES = 1 << 30  # larger weights go into a file beside the model: a protobuf file ends at 2 GiB


def random_weights(layers, width, vocabulary, positions, seed):
    """As GPT-2 is initialized; biases are not quite zero, so that one that is lost shows."""
    rng = np.random.default_rng(seed)

    def draw(*shape, spread=0.02):
        return rng.standard_normal(shape, np.float32) * np.float32(spread)

    weights = {"wte.weight": draw(vocabulary, width), "wpe.weight": draw(positions, width), "ln_f.weight": 1 + draw(width), "ln_f.bias": draw(width)}
    shapes = {"attn.c_attn": (width, 3 * width), "attn.c_proj": (width, width), "mlp.c_fc": (width, 4 * width), "mlp.c_proj": (4 * width, width)}
    for layer in range(layers):
        for name, shape in shapes.items():
            weights[f"h.{layer}.{name}.weight"] = draw(*shape, spread=0.02 / math.sqrt(2 * layers) if name.endswith("proj") else 0.02)
            weights[f"h.{layer}.{name}.bias"] = draw(shape[1])
        for name in ("ln_1", "ln_2"):
            weights[f"h.{layer}.{name}.weight"], weights[f"h.{layer}.{name}.bias"] = 1 + draw(width), draw(width)
    return weights


def read_safetensors(path):
    """Tensors by name, as float32, without the prefix that some files have."""
    kinds = {"F32": np.float32, "F16": np.float16, "BF16": np.uint16, "F64": np.float64}
    data = path.read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    tensors = {}
    for name, told in json.loads(data[8 : 8 + length]).items():
        if name == "__metadata__" or told["dtype"] not in kinds:
            continue
        start, end = (8 + length + offset for offset in told["data_offsets"])
        array = np.frombuffer(data[start:end], kinds[told["dtype"]]).reshape(told["shape"])
        if told["dtype"] == "BF16":
            array = (array.astype(np.uint32) << 16).view(np.float32)
        tensors[name[len("transformer.") :] if name.startswith("transformer.") else name] = array.astype(np.float32)
    return tensors


def trained_weights(where):
    """(weights, heads) of a folder or file."""
    files = sorted(where.glob("*.safetensors")) if where.is_dir() else [where]
    if not files:
        raise SystemExit(f"{where} has no .safetensors file")
    weights = {}
    for file in files:
        weights.update(read_safetensors(file))
    if "wte.weight" not in weights or "h.0.attn.c_attn.weight" not in weights:
        raise SystemExit(f"{where} is no GPT-2: there is no wte.weight or no h.0.attn.c_attn.weight among {', '.join(sorted(weights)[:4])}, …")
    config = (where if where.is_dir() else where.parent) / "config.json"
    width = weights["wte.weight"].shape[1]
    return weights, json.loads(config.read_text())["n_head"] if config.exists() else max(width // 64, 1)


class Graph:
    """Nodes and weights under way."""

    def __init__(self, weights):
        self.weights, self.nodes, self.initializers, self.known = weights, [], [], set()

    def add(self, op, inputs, name, count=1, **attributes):
        """A node; the name of its output, or a list of `count` names."""
        outputs = [name] if count == 1 else [f"{name}.{i}" for i in range(count)]
        self.nodes.append(helper.make_node(op, inputs, outputs, name=f"/{name}", **attributes))
        return outputs[0] if count == 1 else outputs

    def constant(self, name, array):
        if name not in self.known:
            self.known.add(name)
            self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def weight(self, name):
        return self.constant(name, self.weights[name])

    def linear(self, x, name):
        return self.add("Add", [self.add("MatMul", [x, self.weight(f"{name}.weight")], f"{name}.product"), self.weight(f"{name}.bias")], name)

    def normalize(self, x, name):
        return self.add("LayerNormalization", [x, self.weight(f"{name}.weight"), self.weight(f"{name}.bias")], name, axis=-1, epsilon=1e-5)

    def number(self, value):
        return self.constant(f"number_{value:g}", np.array(value, np.float32))

    def integers(self, *values):
        return self.constant("integers_" + "_".join(map(str, values)), np.array(values, np.int64))


def attention(g, x, mask, layer, width, heads):
    """Each position looks at itself and those before it."""
    name = f"h.{layer}.attn"
    parts = g.add("Split", [g.linear(x, f"{name}.c_attn"), g.integers(width, width, width)], f"{name}.qkv", 3, axis=-1)
    split = [g.add("Reshape", [part, g.integers(0, 0, heads, width // heads)], f"{part}.heads") for part in parts]
    q, v = (g.add("Transpose", [split[i]], f"{split[i]}.turned", perm=[0, 2, 1, 3]) for i in (0, 2))
    k = g.add("Transpose", [split[1]], f"{split[1]}.turned", perm=[0, 2, 3, 1])
    scores = g.add("Div", [g.add("MatMul", [q, k], f"{name}.products"), g.number(math.sqrt(width // heads))], f"{name}.scores")
    seen = g.add("Where", [mask, scores, g.number(float(np.finfo(np.float32).min))], f"{name}.seen")
    mixed = g.add("MatMul", [g.add("Softmax", [seen], f"{name}.shares", axis=-1), v], f"{name}.mixed")
    joined = g.add("Reshape", [g.add("Transpose", [mixed], f"{name}.back", perm=[0, 2, 1, 3]), g.integers(0, 0, width)], f"{name}.joined")
    return g.linear(joined, f"{name}.c_proj")


def gelu(g, x, name):
    """The form with tanh, as GPT-2 was trained with it."""
    cube = g.add("Mul", [g.add("Pow", [x, g.number(3)], f"{name}.cube"), g.number(0.044715)], f"{name}.scaled")
    bend = g.add("Tanh", [g.add("Mul", [g.add("Add", [x, cube], f"{name}.sum"), g.number(math.sqrt(2 / math.pi))], f"{name}.angle")], f"{name}.tanh")
    return g.add("Mul", [g.add("Mul", [x, g.number(0.5)], f"{name}.half"), g.add("Add", [bend, g.number(1)], f"{name}.more")], name)


def build(weights, heads, title):
    """The model; its title is the engine's, too."""
    g, width = Graph(weights), weights["wte.weight"].shape[1]
    layers = 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("h."))
    if width % heads:
        raise SystemExit(f"a width of {width} cannot be cut into {heads} heads")
    length = g.add("Gather", [g.add("Shape", ["input_ids"], "shape"), g.constant("one", np.array(1, np.int64))], "length", axis=0)
    positions = g.add("Range", [g.constant("zero", np.array(0, np.int64)), length, g.constant("one", np.array(1, np.int64))], "positions")
    mask = g.add("GreaterOrEqual", [g.add("Unsqueeze", [positions, g.integers(1)], "rows"), g.add("Unsqueeze", [positions, g.integers(0)], "columns")], "mask")
    x = g.add("Add", [g.add("Gather", [g.weight("wte.weight"), "input_ids"], "tokens"), g.add("Gather", [g.weight("wpe.weight"), positions], "places")], "embedded")
    for layer in range(layers):
        name = f"h.{layer}"
        x = g.add("Add", [x, attention(g, g.normalize(x, f"{name}.ln_1"), mask, layer, width, heads)], f"{name}.middle")
        inner = gelu(g, g.linear(g.normalize(x, f"{name}.ln_2"), f"{name}.mlp.c_fc"), f"{name}.mlp.gelu")
        x = g.add("Add", [x, g.linear(inner, f"{name}.mlp.c_proj")], f"{name}.out")
    g.add("MatMul", [g.normalize(x, "ln_f"), g.add("Transpose", [g.weight("wte.weight")], "head", perm=[1, 0])], "logits")
    graph = helper.make_graph(g.nodes, title, [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "sequence"])],
                              [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", "sequence", weights["wte.weight"].shape[0]])], g.initializers)
    return helper.make_model(graph, producer_name="gpt2_export.py", ir_version=8, opset_imports=[helper.make_opsetid("", 17)])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", nargs="?", default="gpt2.onnx", type=pathlib.Path, help="the file to write (gpt2.onnx)")
    parser.add_argument("--weights", type=pathlib.Path, help="a folder or .safetensors file with trained weights")
    parser.add_argument("--size", choices=SIZES, default="gpt2", help="of random weights (gpt2: 124 million)")
    parser.add_argument("--layers", type=int, help="fewer of them, for tests")
    parser.add_argument("--width", type=int, help="less of it, for tests: in heads of 64, or of a quarter where it is less than 256")
    parser.add_argument("--vocabulary", type=int, default=50257)
    parser.add_argument("--positions", type=int, default=1024)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    layers, width, heads = SIZES[args.size]
    if args.width:
        width, heads = args.width, args.width // 64 if args.width >= 256 else 4
    if args.weights:
        weights, heads = trained_weights(args.weights)
    else:
        weights = random_weights(args.layers or layers, width, args.vocabulary, args.positions, args.seed)
    model, size = build(weights, heads, "gpt2" if args.weights else "gpt2_random"), sum(w.nbytes for w in weights.values())
    if size > INLINE_BYTES:
        beside = args.out.name + ".data"
        (args.out.parent / beside).unlink(missing_ok=True)
        onnx.save_model(model, str(args.out), save_as_external_data=True, location=beside)
    else:
        onnx.save_model(model, str(args.out))
    print(f"{args.out}: {sum(w.size for w in weights.values()) / 1e6:.1f} million {'trained' if args.weights else 'random'} weights, {len(model.graph.node)} nodes")


if __name__ == "__main__":
    try:
        main()
    except OSError as why:  # a file that is not there, …
        raise SystemExit(f"{why.filename}: {why.strerror}" if why.filename else str(why)) from None
    except (struct.error, ValueError, KeyError) as why:  # weights that are damaged
        raise SystemExit(f"the weights cannot be read: {why}") from None
