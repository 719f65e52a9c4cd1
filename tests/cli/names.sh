# names.sh PLANISH SOURCE_DIR: a model whose names, metadata and dims would do something on a terminal. Nothing that any command prints or writes has a
# control character in it besides the ends of its lines, or a byte that is no UTF-8; what is meant is there, escaped.
set -eu
p=$1 source=$2
. "$source/tests/cli/lib.sh"
cd "$scratch"

# Names of the same length, so that the lengths in the file stay right; behind it a part of the graph with another name of it, and metadata.
LC_ALL=C sed 's/attention_mask/att\x1b[31m\n_mask/g' "$source/tests/models/zoo/bert.ts/model.onnx" >names.onnx
cmp -s names.onnx "$source/tests/models/zoo/bert.ts/model.onnx" && { echo "FAILED: no name was changed"; exit 1; }
printf '\072\005\022\003g\033g\162\017\012\003k\033y\022\010v\377\302\2332J\nz' >>names.onnx

# clean FILE: nothing in it acts.
clean() {
    if [ "$(LC_ALL=C tr -d '\n\040-\176\200-\376' <"$1" | wc -c)" -ne 0 ] || LC_ALL=C grep -q "$(printf '\302\233')" "$1"; then
        echo "FAILED: control characters in $2"
        LC_ALL=C sed -n l "$1" | grep '\\[03]' | head -n 5
        failures=$((failures + 1))
    fi
}
# say STATUS TEXT COMMAND…: expect, and what was printed is clean.
say() {
    expect "$@"
    shift 2
    clean "$scratch/.out" "what was printed by: $*"
}
name='att\x1b[31m\n_mask'
say 0 "input $name: " "$p" inspect names.onnx
say 0 'k\x1by: v\xff\u009b2J\nz' "$p" inspect names.onnx --steps --dump -v
say 0 'model names.onnx (g\x1bg)' "$p" inspect names.onnx
say 0 '"att\u001b[31m\n_mask"' "$p" inspect names.onnx --json
say 0 '"k\u001by":"v\ufffd\u009b2J\nz"' "$p" inspect names.onnx --json
say 0 "names.plan" "$p" build names.onnx -o names.plan -v
say 0 'att\x1b[31m\n_mask' "$p" build names.onnx -o names.plan --dump-after fold
say 0 "input $name" "$p" inspect names.plan
say 0 "inputs " "$p" run names.plan --random 1 -v
say 2 "input '$name' has 2 dims, not 3" "$p" run names.plan --random 1 --shapes "$(printf 'att\033[31m\n_mask'):1x2x3"
say 0 "no faults" "$p" check names.onnx
say 0 "differ" "$p" compare names.onnx -v
say 0 "latency" "$p" bench names.plan --duration 0.01 --warm-up 1 --trace trace.json
say 0 '"schema":1' "$p" bench names.plan --duration 0.01 --warm-up 1 --json
clean trace.json "the trace"
say 0 "names.html" "$p" inspect names.onnx --html names.html --no-run
clean names.html "the explorer's page"
grep -qF 'att\u001b[31m\n_mask' names.html || { echo "FAILED: the page lacks the name"; failures=$((failures + 1)); }
ln -s "$p" trtexec
say 0 "$name" ./trtexec --onnx=names.onnx --duration=0 --iterations=1 --warmUp=0 --dumpProfile --dumpLayerInfo --dumpOutput

# A node with such a name that is wrong, a file, and what is typed.
LC_ALL=C sed 's#/m/GreaterOrEqual#/m/\x1b[2Jer\nOrEqual#g; s/GreaterOrEqual/GreaterOrEquax/g' names.onnx >wrong.onnx
say 1 '/m/\x1b[2Jer\nOrEqual' "$p" build wrong.onnx -o names.plan
say 1 '/m/\x1b[2Jer\nOrEqual' "$p" inspect wrong.onnx
say 1 '/m/\x1b[2Jer\nOrEqual' "$p" check wrong.onnx
say 1 '"node":"/m/\u001b[2Jer\nOrEqual"' "$p" check wrong.onnx --json
say 2 "no pass 'a\x1bb'" "$p" build names.onnx -o names.plan --disable-pass "$(printf 'a\033b')"
head -c 300 names.onnx >short.onnx
say 1 "short.onnx" "$p" check short.onnx
if command -v python3 >/dev/null; then
    "$p" inspect names.onnx --json >names.json 2>names.out
    python3 -c 'import json, sys; [json.load(open(f, encoding="utf-8")) for f in sys.argv[1:]]' names.json trace.json || { echo "FAILED: JSON that does not parse"; failures=$((failures + 1)); }
fi
finish
