# twice.sh PLANISH CASES: A35: every model gives the same plan, byte for byte, when it is built again.
set -eu
planish=$1 cases=$2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failures=0
for model in "$cases"/A*/model.onnx; do
    "$planish" build "$model" -o "$scratch/a.plan" -q --tune off
    "$planish" build "$model" -o "$scratch/b.plan" -q --tune off
    cmp -s "$scratch/a.plan" "$scratch/b.plan" || { echo "FAILED: $model gives two plans" && failures=$((failures + 1)); }
done
echo "$failures differ"
[ $failures -eq 0 ]
