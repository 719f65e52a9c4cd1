# optimize.sh PLANISH SOURCE_DIR CASES: models through `planish optimize` and ONNX Runtime: what it makes of the new model must be what it makes of the old one. 77 where it
# is missing. Cases that cannot be written must be those that cannot be imported either (tests/onnx/expected_failures.txt).
set -eu
planish=$1 source=$2 cases=$3
cd "$source"
python=$(scripts/venv) || exit 77
[ -d "$cases" ] || "$python" scripts/onnx_cases "$cases"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
PLANISH=$planish scripts/optimize_cases "$scratch/cases" "$cases" >"$scratch/log"
cat "$scratch/log"
while IFS=: read -r name why; do
    case $why in "") continue ;; esac
    grep -qx "$name" tests/onnx/expected_failures.txt || { echo "FAILED: $name was not written" && exit 1; }
done <"$scratch/log"
"$python" scripts/optimize_peer.py "$cases" "$scratch/cases"
