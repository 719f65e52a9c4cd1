# light.sh PLANISH SOURCE_DIR FOLDER: the nine light image models of the onnx package, whose weights are made in the graph, written into FOLDER and run. 77 without the private Python.
set -eu
cd "$2"
python=$(scripts/venv) || exit 77
"$python" scripts/gen_onnx_tests --light --select '^light/' --out "$3"
exec "$1" check --timeout 300 "$3"
