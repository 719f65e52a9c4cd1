# demo.sh PLANISH SOURCE: the demo to its end with what is here already: without the trained models always, with them where they can be had. Nothing is built anew.
set -eu
source=$2
build=$(cd "$(dirname "$1")/.." && pwd)
[ -x "$build/bin/example_ocr" ] || { echo "libpng is missing (Debian: apt install libpng-dev)" && exit 77; }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export OFFLINE=1 BUILD="$build" PLANISH_DEMO_SECONDS=0.1
export LC_ALL=C.UTF-8
unset PICTURE PLANISH_MODELS

# try NAME ROWS PATTERN…: the block has a row for each of ROWS, and all patterns; at most 24 lines.
try() {
    "$source/scripts/demo" >"$scratch/out" 2>&1 || { cat "$scratch/out" && exit 1; }
    sed -n '/^== planish/,$p' "$scratch/out" >"$scratch/block"
    echo "-- $1"
    cat "$scratch/block"
    [ "$(wc -l <"$scratch/block")" -le 24 ] || exit 1
    for row in $2; do grep -Eq "^$row +[0-9]+ → [0-9]+ +[0-9.]+ ms +[0-9.]+ ms +[0-9.]+ ms +([0-9.]+ ms +[0-9.]+|not installed +-) +[0-9.]+e-[0-9]+$" "$scratch/block" || { echo "no row for $row" && exit 1; }; done
    shift 2
    for pattern in "$@"; do grep -q "$pattern" "$scratch/block" || { echo "no line with: $pattern" && exit 1; }; done
}
PLANISH_MODELS=$scratch/none try 'without trained models' 'bert mobilenet_v2 lstm_bi gpt2_past' 'could not be fetched' 'speech from 0.32 s to 0.83 s, 1.12 s' '^used ' '^try next '
grep -q 'no trained models: the committed ones stand in' "$scratch/out"

models=$("$source/scripts/fetch_models" 2>/dev/null) || { echo "the trained models are not here; without them the demo works" && exit 0; }
PLANISH_MODELS=$models try 'with them' 'detection direction recognition magika' 'page.png → 5 lines read' 'This line stands on its head.  (upside down)' 'README.md → markdown' '^used ' '^try next '
if PICTURE=$source/README.md PLANISH_MODELS=$models "$source/scripts/demo" >"$scratch/out" 2>&1; then exit 1; fi
grep -q 'README.md was not read' "$scratch/out"
grep -q 'PICTURE wants a PNG file' "$scratch/out"
cp "$source/examples/data/line.png" "$scratch/it's mine.png"
PICTURE="$scratch/it's mine.png" PLANISH_MODELS=$models try 'a name with a blank' 'detection' '1 line read'
sh -c "cd '$source' && $(sed -n 's/^ *\(.*example_ocr .*\)/\1/p' "$scratch/block")" | grep -q '[a-z]' || { echo "the command of the block does not run as printed" && exit 1; }
LC_ALL=C PLANISH_MODELS=$models "$source/scripts/demo" >"$scratch/out" 2>&1
grep -q 'page.png -> 5 lines read' "$scratch/out"
if PICTURE=$source/docs "$source/scripts/demo" >"$scratch/out" 2>&1; then exit 1; fi
grep -q 'there is no picture' "$scratch/out"
