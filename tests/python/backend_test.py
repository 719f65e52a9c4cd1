"""ONNX's own tests, through planish.backend: all pass but those that `planish check` is known to fail, and a few that no backend can pass."""
import pathlib
import unittest
import warnings

import onnx.backend.test

import planish.backend

KNOWN = [line.strip().split("/")[-1] for line in (pathlib.Path(__file__).parents[1] / "onnx/expected_failures.txt").read_text().splitlines() if line.strip() and not line.startswith("#")]
# Random numbers are told exactly; the harness takes the length of an array without dims.
IMPOSSIBLE = ["test_bernoulli", "test_loop16_seq_none"]

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    tests = onnx.backend.test.BackendTest(planish.backend, __name__)
for name in KNOWN:
    tests.exclude(f"^{name}_cpu$")
for name in IMPOSSIBLE:
    tests.exclude(f"^{name}")
tests.exclude("_cuda$")
# A test that is left out is none at all, rather than one that is skipped.
for kind, case in tests.test_cases.items():
    for name in [n for n in vars(case) if n.startswith("test_") and getattr(getattr(case, n), "__unittest_skip__", False)]:
        delattr(case, name)
    globals()[kind] = case

if __name__ == "__main__":
    unittest.main()
