# pictures.sh PLANISH SOURCE_DIR: pictures as inputs, the largest elements by name, traces.
set -eu
p=$1 source=$2
. "$source/tests/cli/lib.sh"
model=$source/tests/models/zoo/mobilenet_v2.ts/model.onnx
picture=$source/examples/data/line.png

expect 2 "how shall the picture become input 'x'? give --preprocess imagenet|unit|signed|raw" "$p" run "$model" --input "x=$picture"
expect 2 "did you mean 'imagenet'?" "$p" run "$model" --input "x=$picture" --preprocess imagnet
expect 2 "makes 224 x 224 pixels, input 'x' wants 64 x 64" "$p" run "$model" --input "x=$picture" --preprocess imagenet
expect 2 "layout=nchw may be meant" "$p" run "$model" --input "x=$picture" --preprocess unit,layout=nhwc
expect 1 "neither a PNG nor a JPEG file" sh -c "echo text >'$scratch/t.png'; '$p' run '$model' --input x='$scratch/t.png' --preprocess unit"
expect 1 "No such file or directory" "$p" run "$model" --input "x=$scratch/none.jpg" --preprocess unit
expect 1 "cut off" sh -c "head -c 3000 '$picture' >'$scratch/t.png'; '$p' run '$model' --input x='$scratch/t.png' --preprocess unit"
expect 0 "resize=64,crop=64x64,scale=255,mean=0.485,0.456,0.406" "$p" run "$model" --input "x=$picture" --preprocess imagenet,resize=64,crop=64
expect 2 "takes no picture" "$p" run "$source/tests/models/zoo/bert.ts/model.onnx" --random 1 --input "input_ids=$picture" --preprocess unit

# What the plan was built with is what it does with pictures, also when it is built again.
expect 0 "plan " "$p" build --tune off "$model" -o "$scratch/m.plan" --preprocess signed,order=bgr
expect 0 "metadata planish.preprocess: scale=255,mean=0.5,0.5,0.5,std=0.5,0.5,0.5,order=bgr,layout=nchw" "$p" inspect "$scratch/m.plan"
"$p" run "$scratch/m.plan" --input "x=$picture" --output "$scratch/a" -q 2>/dev/null
"$p" run "$model" --input "x=$picture" --preprocess signed,order=bgr --output "$scratch/b" -q 2>/dev/null
"$p" run "$scratch/m.plan" --input "x=$picture" --preprocess unit --output "$scratch/c" -q 2>/dev/null
cmp "$scratch/a/y.npy" "$scratch/b/y.npy" || wrong "a plan does something else with a picture than what it was built with"
! cmp -s "$scratch/a/y.npy" "$scratch/c/y.npy" || wrong "--preprocess does not go before what the plan says"
if grep -q avx2 /proc/cpuinfo 2>/dev/null; then
    expect 0 "order=bgr" env PLANISH_CPU_ISA=portable "$p" run "$scratch/m.plan" --input "x=$picture"
fi
# Dims that the model leaves open are the picture's, or those of --shapes.
expect 0 "inputs x f32[1,3,32,64]" "$p" run "$source/tests/models/zoo/unet.ts/model.onnx" --input "x=$picture" --preprocess raw,resize=32x64
expect 0 "inputs x f32[1,3,64,32]" "$p" run "$source/tests/models/zoo/unet.ts/model.onnx" --input "x=$picture" --preprocess raw --shapes x:1x3x64x32

# The ten classes of the model.
seq -f "class %g" 0 9 >"$scratch/labels"
expect 0 "class " "$p" run "$model" --random 1 --top 3 --labels "$scratch/labels"
expect 0 "%  class " "$p" run "$model" --random 1 --labels "$scratch/labels"
expect 0 '"label":"class ' "$p" run "$model" --random 1 --top 3 --labels "$scratch/labels" --json
expect 0 "row 1" "$p" run "$model" --random 1 --top 2 --dim n=2
head -2 "$scratch/labels" >"$scratch/few"
expect 0 "(no label)" "$p" run "$model" --random 1 --top 10 --labels "$scratch/few"
expect 1 "No such file or directory" "$p" run "$model" --random 1 --labels "$scratch/none"
expect 2 "--top wants a whole number from 1 on" "$p" run "$model" --random 1 --top 0
# They are the largest, in order: as the first elements of the JSON say.
"$p" run "$model" --random 1 --top 10 --json 2>/dev/null | tr '{' '\n' | sed -n 's/.*"index":[0-9]*,"label":null,"value":\([-0-9.e]*\)}.*/\1/p' >"$scratch/values"
[ "$(wc -l <"$scratch/values")" -eq 10 ] || wrong "--top 10 has not 10 elements"
sort -grc "$scratch/values" || wrong "--top is not in order"

expect 0 "latency" "$p" bench "$model" --duration 0.05 --warm-up 1 --trace "$scratch/trace.json"
[ "$(grep -c '"ph":"X"' "$scratch/trace.json")" -eq "$("$p" inspect "$model" --json 2>/dev/null | grep -c '^{"op":')" ] || wrong "the trace has not all steps"
if command -v python3 >/dev/null; then python3 -m json.tool "$scratch/trace.json" >/dev/null || wrong "the trace is no JSON"; fi
expect 0 "latency" "$p" bench "$source/tests/models/cases/loop_view/model.onnx" --duration 0.05 --warm-up 1 --trace "$scratch/trace.json"
expect 0 "a body of If or Loop" cat "$scratch/trace.json"
expect 1 "No such file or directory" "$p" bench "$model" --duration 0.01 --warm-up 1 --trace "$scratch/none/trace.json"
expect 0 '"gflops":' "$p" bench "$model" --duration 0.01 --warm-up 1 --profile --json
! grep -q '"gflops":[1-9].*"gbytes":null' "$scratch/.out" || wrong "a step computes without bytes"
finish
