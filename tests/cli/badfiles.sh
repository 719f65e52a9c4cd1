# badfiles.sh PLANISH SOURCE_DIR: files that are no models, models that are cut off, inputs that do not fit: status 1, the file or input
# named, nothing left behind.
set -eu
p=$1 source=$2
. "$source/tests/cli/lib.sh"
zoo=$source/tests/models/zoo
model=$zoo/mobilenet_v2.ts/model.onnx
bert=$zoo/bert.ts
cd "$scratch"

echo "this is a text, not a model" >text.onnx
: >empty.onnx
head -c 1000 "$model" >short.onnx
size=$(wc -c <"$model")
head -c $((size - 7)) "$model" >cut.onnx
mkdir folder.onnx
for command in inspect "run --random 1" "bench --iterations 1 --duration 0" "compare" "build -o x.plan"; do
    # shellcheck disable=SC2086
    expect 1 "text.onnx" "$p" $command text.onnx
    # shellcheck disable=SC2086
    expect 1 "empty.onnx" "$p" $command empty.onnx
done
for file in short.onnx cut.onnx folder.onnx missing.onnx; do expect 1 $file "$p" inspect $file; done
[ ! -e x.plan ] || { echo "FAILED: a plan of a bad model was left behind"; failures=$((failures + 1)); }

# Plans.
expect 0 "plan good.plan" "$p" build "$zoo/lstm_bi.ts/model.onnx" -o good.plan
expect 0 "input x" "$p" inspect good.plan
head -c 100 good.plan >cut.plan
size=$(wc -c <good.plan)
head -c $((size - 1)) good.plan >short.plan
: >empty.plan
cp "$model" onnx.plan
{ head -c 200 good.plan; printf 'XXXX'; tail -c +205 good.plan; } >changed.plan
for file in cut.plan short.plan empty.plan onnx.plan changed.plan missing.plan; do expect 1 $file "$p" run $file --random 1; done
expect 2 "is a plan already" "$p" build good.plan -o again.plan

# Inputs.
x=$bert/test_data_set_0
expect 1 "No such file" "$p" run "$model" --input x=none.npy
echo "no array" >bad.npy
expect 1 "bad.npy" "$p" run "$model" --input x=bad.npy
echo "no archive" >bad.npz
expect 1 "bad.npz" "$p" run "$model" --input x=bad.npz
echo "no tensor" >bad.pb
expect 1 "bad.pb" "$p" run "$model" --input x=bad.pb
head -c 10 "$model" >small.bin
expect 1 "small.bin" "$p" run "$model" --input x=small.bin
expect 1 "input 'x' is" "$p" run "$model" --input "x=$x/input_0.pb"
expect 2 "input 'attention_mask' is missing" "$p" run "$bert/model.onnx" --input "input_ids=$x/input_0.pb"
expect 1 "attention_mask" "$p" run "$bert/model.onnx" --input "input_ids=$x/input_0.pb" --random 1
expect 1 "input_0.pb" "$p" compare "$bert/model.onnx" --vs .
finish
