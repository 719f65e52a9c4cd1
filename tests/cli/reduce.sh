#!/bin/sh
# reduce.sh PLANISH SOURCE: parts of models (`planish optimize --inputs --outputs`), and the part that is to blame (`planish compare --reduce`).
set -u
p=$1 source=$2
here=$(dirname "$0")
# shellcheck source=tests/cli/lib.sh
. "$here/lib.sh"
zoo=$source/tests/models/zoo
cd "$scratch" || exit 1
cp "$zoo/mobilenet_v2.ts/model.onnx" m.onnx
middle=/features/features.4/conv/conv.1/conv.1.2/Clip_output_0

# Two halves give what the whole gives, bit by bit on the reference.
expect 0 "written head.onnx" "$p" optimize m.onnx -o head.onnx --outputs "$middle" --no-passes
expect 0 "written tail.onnx" "$p" optimize m.onnx -o tail.onnx --inputs "$middle" --no-passes
expect 0 "output $middle" "$p" run head.onnx --device ref --random 1 --output head
expect 0 "input $middle" "$p" inspect tail.onnx
expect 0 "output y" "$p" run tail.onnx --device ref --input "$middle=$(echo head/*.npy)" --output tail
expect 0 "output y" "$p" run m.onnx --device ref --random 1 --output whole
cmp tail/y.npy whole/y.npy || wrong "two halves are not the whole"
expect 0 "0 differ" "$p" compare head.onnx --layers
# An input that the part needs stays, one that it does not need goes.
expect 0 "nodes became 2, opset" sh -c "'$p' optimize m.onnx -o part.onnx --no-passes --outputs /features/features.0/features.0.2/Clip_output_0 --inputs $middle"
expect 0 "input x: f32" "$p" inspect part.onnx
if "$p" inspect part.onnx | grep -q "input $middle"; then wrong "an input that nothing needs stays"; fi
expect 1 "the model has no value 'nothing'" "$p" optimize m.onnx -o x.onnx --inputs nothing
expect 1 "'y' is named twice among the outputs" "$p" optimize m.onnx -o x.onnx --outputs y,y
# Values that a body takes from outside count, its own cannot be cut at. An input can be an output.
cp "$source/tests/models/cases/if_view_moves/model.onnx" if.onnx
expect 0 "12 nodes became 5" "$p" optimize if.onnx -o part.onnx --no-passes --inputs b,e --outputs y
expect 0 "input e: f32[2,2]" "$p" inspect part.onnx
expect 0 "0 differ" "$p" compare part.onnx
expect 1 "value 'f' is inside of a body" "$p" optimize if.onnx -o x.onnx --outputs f
expect 0 "12 nodes became 1" "$p" optimize if.onnx -o part.onnx --no-passes --inputs a,b --outputs a,b,z
expect 0 "0 differ" "$p" compare part.onnx --dim n=2
[ ! -e x.onnx ] || wrong "a part that is not there was written"

# A falsified pass: a model of many nodes becomes one of a few, and the command that is printed shows the difference.
for pass in fold simplify fuse; do
    expect 1 "still differs" "$p" compare m.onnx --a cpu --broken-pass $pass --reduce r.onnx --json=r.json
    sed 's/.*"nodes_before":\([0-9]*\),"nodes_after":\([0-9]*\),.*/\1 \2/' r.json | { read -r before after && [ "$before" -gt 100 ] && [ "$after" -le 3 ]; } || wrong "$(cat r.json)"
    sed -n 's/^planish compare r/compare r/p' "$scratch/.out" >command
    [ "$(cat command)" = "compare r.onnx --a cpu --b ref --broken-pass $pass --tolerance 0.001 --input r_inputs" ] || wrong "the command is $(cat command)"
    expect 1 "DIFFERS" sh -c "'$p' $(cat command)"
    expect 0 "0 differ" "$p" compare r.onnx --input r_inputs
done
# Rounding adds up over many nodes: the part has as many of them as it takes.
if ! "$p" compare m.onnx --tolerance 1e-6 >/dev/null 2>&1; then
    expect 1 "still differs" "$p" compare m.onnx --tolerance 1e-6 --reduce r.onnx
    expect 1 "DIFFERS" "$p" compare r.onnx --tolerance 1e-6 --input r_inputs
fi
# A model whose values have dims that are computed.
expect 1 "still differs" "$p" compare "$zoo/gpt2_past.dynamo/model.onnx" --input "$zoo/gpt2_past.dynamo/test_data_set_0" --broken-pass dead --reduce g.onnx
expect 1 "DIFFERS" "$p" compare g.onnx --broken-pass dead --input g_inputs

# Nothing is left over, and nothing is written where nothing differs.
rm -rf r.onnx r_inputs
expect 0 "there is nothing to reduce" "$p" compare m.onnx --reduce r.onnx
[ ! -e r.onnx ] && [ ! -e r_inputs ] || wrong "something was written"
[ -z "$(find . -name '*.try*')" ] || wrong "parts that were tried are left"
expect 2 "--reduce and --layers do not go together" "$p" compare m.onnx --layers --reduce r.onnx
expect 2 "--reduce and --vs do not go together" "$p" compare m.onnx --vs onnxruntime --reduce r.onnx
expect 2 "--reduce and a second model do not go together" "$p" compare m.onnx m.onnx --reduce r.onnx
expect 2 "m.onnx is the model itself" "$p" compare m.onnx --reduce m.onnx
expect 1 "cannot create 'none/r.onnx'" "$p" compare m.onnx --reduce none/r.onnx
expect 0 "" "$p" build m.onnx -o m.plan
expect 2 "is a plan" "$p" compare m.plan --reduce r.onnx
finish
