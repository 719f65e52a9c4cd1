#!/bin/sh
# optimize.sh PLANISH SOURCE: models through `planish optimize`: they compute what they did, a second time takes nothing away, and what cannot be done is said.
set -u
p=$1 source=$2
here=$(dirname "$0")
# shellcheck source=tests/cli/lib.sh
. "$here/lib.sh"
zoo=$source/tests/models/zoo
cd "$scratch" || exit 1
PLANISH=$p expect 0 ", 0 not" "$source/scripts/optimize_cases" again "$zoo" "$source/tests/models/cases" "$source/tests/models/loop" "$source/tests/models/external"
expect 0 ", 0 failed, 0 skipped" "$p" check again
for model in again/*/*/model.onnx; do # what is made new has made-up names, so the bytes may differ
    "$p" optimize "$model" -o twice.onnx -q --json=twice.json
    sed 's/.*"nodes_before":\([0-9]*\),"nodes_after":\([0-9]*\),.*/\1 \2/' twice.json | { read -r before after && [ "$before" = "$after" ]; } || wrong "$model has other nodes when it is optimized once more"
done
cp "$zoo/mobilenet_v2.ts/model.onnx" m.onnx

# What is asked for.
expect 0 "nodes became" "$p" optimize m.onnx -o o.onnx
expect 0 "written o.onnx" "$p" optimize m.onnx -o o.onnx --json=o.json
grep -q '^{"schema":1,"model":"m.onnx","output":"o.onnx","nodes_before":[0-9]*,"nodes_after":[0-9]*,"opset":' o.json || wrong "the JSON"
expect 0 "opset 20" "$p" optimize m.onnx -o o20.onnx --opset 20
expect 0 "0 differ" "$p" compare m.onnx o20.onnx
expect 0 "o.onnx.data" "$p" optimize m.onnx -o o.onnx --external-data
expect 0 "0 differ" "$p" compare m.onnx o.onnx
cp "$zoo/bert.ts/model.onnx" b.onnx
dim=$("$p" inspect b.onnx | sed -n 's/.*input [^[]*\[\([a-z_]*\),.*/\1/p' | head -1)
expect 0 "written f.onnx" "$p" optimize b.onnx -o f.onnx --dim "$dim=3"
expect 0 "[3," "$p" inspect f.onnx

# What is not done.
expect 2 "which model?" "$p" optimize
expect 2 "give -o FILE.onnx" "$p" optimize m.onnx
expect 2 "one model at a time; the new one is named behind -o" "$p" optimize m.onnx o.onnx
expect 2 "m.onnx is the model itself" "$p" optimize m.onnx -o m.onnx
expect 2 "m.onnx is the model itself" "$p" optimize m.onnx -o new.onnx --json=m.onnx
expect 2 "a file of its own" sh -c "'$p' optimize m.onnx -o same.onnx -q && '$p' optimize m.onnx -o same.onnx --json=same.onnx"
expect 1 "no input of the model has a dim 'nowhere'" "$p" optimize m.onnx -o x.onnx --dim nowhere=1
expect 1 "a dim is given as NAME=NUMBER, not as 'batch'" "$p" optimize m.onnx -o x.onnx --dim batch
expect 1 "models can be written in opset 7 to" "$p" optimize m.onnx -o x.onnx --opset 99
expect 1 "opset 8" "$p" optimize b.onnx -o x.onnx --opset 8
expect 1 "there is no pass 'nothing'" "$p" optimize m.onnx -o x.onnx --disable-pass nothing
expect 1 "cannot create 'none/x.onnx'" "$p" optimize m.onnx -o none/x.onnx
mkdir other && cp o.onnx other/n.onnx && ln o.onnx.data other/n.onnx.data
expect 1 "which the model reads its own from" "$p" optimize o.onnx -o other/n.onnx --external-data
[ ! -e x.onnx ] || wrong "something was written"
printf 'no model' >t.onnx
expect 1 "t.onnx" "$p" optimize t.onnx -o x.onnx
finish
