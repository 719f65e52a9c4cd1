# operators.sh PLANISH SOURCE_DIR CASES: operators.py in the private Python; 77 where it or the cases are missing.
set -eu
cd "$2"
python=$(scripts/venv) || exit 77
"$python" scripts/onnx_cases "$3"
"$python" tests/pains/operators.py "$1" "$3"
