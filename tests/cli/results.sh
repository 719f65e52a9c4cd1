# results.sh PLANISH SOURCE_DIR: what the commands do when all is well, and that compare finds what is wrong.
set -eu
p=$1 source=$2
. "$source/tests/cli/lib.sh"
zoo=$source/tests/models/zoo
bert=$zoo/bert.ts
unet=$zoo/unet.ts/model.onnx
cd "$scratch"

expect 0 "output y f32[2,12,64]" "$p" run "$bert/model.onnx" --input "input_ids=$bert/test_data_set_0/input_0.pb" --input "attention_mask=$bert/test_data_set_0/input_1.pb" --output out
expect 0 "output y f32[2,12,64]" "$p" run "$bert/model.onnx" --input "$bert/test_data_set_0"
[ -s out/y.npy ] || { echo "FAILED: out/y.npy was not written"; failures=$((failures + 1)); }
expect 0 '"name":"y"' "$p" run "$bert/model.onnx" --random 1 --dim b=2,s=5 --json
expect 0 "input_ids i64[2,5]" "$p" run "$bert/model.onnx" --random 1 --shapes input_ids:2x5,attention_mask=2x5
expect 0 "fused:" "$p" build "$bert/model.onnx" -o bert.plan
expect 0 "equal" "$p" compare bert.plan --vs "$bert/test_data_set_0"
expect 0 "equal" "$p" compare bert.plan "$bert/model.onnx" --dim b=2,s=9
expect 0 "0 differ" "$p" compare "$bert/model.onnx" --a cpu --b ref --layers --dim b=2,s=9
expect 0 "there is nothing to find" "$p" compare "$unet" --bisect-passes --dim n=1,h=16,w=16
for pass in fold cse dead; do
    expect 1 "pass $pass makes the answer wrong" "$p" compare "$unet" --bisect-passes --broken-pass $pass --dim n=1,h=16,w=16
done
expect 1 "DIFFERS" "$p" compare "$unet" --broken-pass fold --dim n=1,h=16,w=16
expect 0 "device cpu" "$p" bench bert.plan --duration 0.1 --warm-up 1 --profile --json=bench.json
grep -q '"latency_ms":{"min":' bench.json || { echo "FAILED: bench.json has no latency"; failures=$((failures + 1)); }
{ grep -q '"roof":{"gflops":[1-9]' bench.json && grep -q '"of_roof":0\.' bench.json; } || { echo "FAILED: bench.json has no roofline"; failures=$((failures + 1)); }
expect 0 "in 2 contexts" "$p" bench bert.plan --duration 0.1 --warm-up 1 --contexts 2
expect 0 "block" "$p" inspect bert.plan --steps
expect 0 '"outputs":[{"name":"y"' "$p" inspect bert.plan --json
expect 0 '"operator":"Conv"' "$p" ops --json
expect 0 '"op":"gather","kind":null,"inputs":[{"types":["f32",' "$p" ops Gather --json
expect 0 '{"types":["i32","i64"],"optional":false,"many":false}],"kernels":["gather_rows"]' "$p" ops Gather --json
expect 0 "19 operators, 0 of them with fast kernels" "$p" ops 'ai.onnx.ml.*'
expect 0 "2 operators" "$p" ops Attention
expect 0 "1 operators" "$p" ops ai.onnx.Attention
expect 0 "input 2, optional: " "$p" ops Conv
expect 0 "| Concat | 1-28 |" "$p" ops Concat --markdown
expect 2 "there is no operator 'Xy*'; planish ops lists them" "$p" ops 'Xy*'
head -c 480 /dev/zero >zero.bin
expect 0 "output y f32[2,3,7]" "$p" run "$zoo/lstm_bi.ts/model.onnx" --input x=zero.bin --shapes x:2x3x20
expect 0 "output y f32[0,3,7]: empty" "$p" run "$zoo/lstm_bi.ts/model.onnx" --random 1 --dim n=0,t=3
# Outputs on which two agree whatever they compute are told.
relu=$source/tests/fuzz/corpus/import/single_relu_model.onnx
head -c 8 /dev/zero >zeros.bin
printf '\000\000\300\177\000\000\300\177' >nan.bin
for what in zeros nan; do
    case $what in zeros) name=zeros ;; nan) name=NaN ;; esac
    expect 0 "planish compare: warning: output 'y' is all $name" "$p" compare "$relu" --input x=$what.bin
    expect 0 "\"trivial_outputs\":[{\"name\":\"y\",\"all\":\"$name\"}]" "$p" compare "$relu" --input x=$what.bin --json
    expect 0 "planish bench: warning: output 'y' is all $name" "$p" bench "$relu" --input x=$what.bin --duration 0.01 --warm-up 1
    expect 0 "\"trivial_outputs\":[{\"name\":\"y\",\"all\":\"$name\"}]" "$p" bench "$relu" --input x=$what.bin --duration 0.01 --warm-up 1 --json
done
printf '\000\000\200\077\000\000\200\277' >one.bin
expect 0 '"trivial_outputs":[]' "$p" compare "$relu" --input x=one.bin --json

expect 0 "output y f32[1,2]: 2 NaN; first nan nan" "$p" run "$relu" --input x=nan.bin
expect 0 "input_ids i64[2,7], attention_mask i64[2,7]" "$p" run "$bert/model.onnx" --random 1 --shapes "*:2x7"
expect 0 "input_ids i64[2,5], attention_mask i64[2,5]" "$p" run "$bert/model.onnx" --random 1 --shapes "*_ids:2x5,at*mask:2x5"
expect 0 "input_ids i64[3,3]" "$p" run "$bert/model.onnx" --random 1 --dim "*=3"
expect 2 "the model has no input '*x'" "$p" run "$bert/model.onnx" --random 1 --shapes "*x:2x5"
expect 0 "1 thread" "$p" run "$relu" --random 1 -j 1

# The faults of files: all of them, one line each.
expect 0 "model.onnx: no faults" "$p" check "$bert/model.onnx" bert.plan
expect 0 "bert.plan: no faults" "$p" check "$bert/model.onnx" bert.plan
head -c 3000 bert.plan >cut.plan
expect 1 "cut.plan: the plan is cut short" "$p" check "$bert/model.onnx" cut.plan
expect 1 '"count":1,"faults":[{"node":""' "$p" check cut.plan --json
expect 1 "none.onnx" "$p" check none.onnx
expect 2 "not both at once" "$p" check "$bert" cut.plan

# Outputs whose names make the same file name: neither is lost.
LC_ALL=C sed 's|output_2|output/1|g' "$source/tests/fuzz/corpus/import/split_variable_parts_default_axis_opset18.onnx" >alike.onnx
printf '\001\000\000\000\000\000\000\000\005\000\000\000\000\000\000\000' >parts.bin
printf '\000\000\200\077\000\000\200\077\000\000\200\077\000\000\200\077\000\000\200\077\000\000\200\077' >ones.bin
expect 0 "output 'output/1' is written to alike/output_1_2.npy: alike/output_1.npy is another output's" "$p" run alike.onnx --input input=ones.bin --input split=parts.bin --output alike
[ "$(wc -c <alike/output_1.npy) $(wc -c <alike/output_1_2.npy)" = "132 148" ] || { echo "FAILED: one output has the file of another"; failures=$((failures + 1)); }

# What cannot be written is an error, and a failed job leaves no empty result.
expect 0 '"name":"bert.ts"' "$p" check "$zoo/bert.ts//" --json
expect 1 "No space left" sh -c "'$p' check '$zoo/bert.ts' >/dev/full"
expect 1 "No space left" "$p" check "$zoo/bert.ts" --json=/dev/full
expect 1 "No such file" "$p" build "$relu" -o none/x.plan --json=left.json
[ ! -e left.json ] || { echo "FAILED: a failed build leaves left.json"; failures=$((failures + 1)); }
expect 0 "1024 threads can be had" "$p" run "$relu" --random 1 --threads 99999

# The same model, options, version and target: the same bytes, whatever the number of threads.
for folder in "$zoo"/*/; do
    expect 0 "plan first.plan" "$p" build "$folder/model.onnx" -o first.plan --tune off
    expect 0 "plan second.plan" "$p" build "$folder/model.onnx" -o second.plan --tune off --threads 1
    cmp first.plan second.plan || { echo "FAILED: two builds of $folder differ"; failures=$((failures + 1)); }
done
expect 0 "240 KiB  activations" "$p" inspect "$zoo/mobilenet_v2.ts/model.onnx"
expect 0 "960 KiB  activations" "$p" inspect "$zoo/mobilenet_v2.ts/model.onnx" --dim n=4
expect 0 "weights f32 packed for kernels" "$p" inspect "$zoo/mobilenet_v2.ts/model.onnx" --shapes x:4x3x64x64
expect 0 '"activations_bytes":245760' "$p" inspect "$zoo/mobilenet_v2.ts/model.onnx" --json
expect 2 "no symbolic dim 'm'" "$p" inspect "$zoo/mobilenet_v2.ts/model.onnx" --dim m=4

# Where a result cannot go is told before the model is even looked for: nothing is built or measured in vain.
mkdir locked there
: >file
for command in "run" "bench" "inspect" "compare" "build -o x.plan"; do
    # shellcheck disable=SC2086
    {
        expect 1 "cannot create 'none/x.json': No such file or directory" "$p" $command missing.onnx --json=none/x.json
        expect 1 "cannot create 'file/x.json': Not a directory" "$p" $command missing.onnx --json=file/x.json
        expect 1 "cannot write 'there': Is a directory" "$p" $command missing.onnx --json=there
    }
done
expect 1 "cannot create 'none/x.json'" "$p" bench missing.onnx --trace none/x.json
expect 1 "cannot create 'none/x.html'" "$p" inspect missing.onnx --html none/x.html
expect 1 "cannot create 'none/x.plan'" "$p" build missing.onnx -o none/x.plan
expect 1 "cannot write 'there': Is a directory" "$p" build missing.onnx -o there
expect 1 "cannot write to 'none/deep'" "$p" run missing.onnx -o none/deep
expect 1 "cannot write to 'file': Not a directory" "$p" run missing.onnx -o file
expect 1 "cannot create 'none/x.json'" "$p" check "$zoo/bert.ts" --json=none/x.json
for option in saveEngine exportTimes exportOutput exportProfile; do expect 1 "cannot create 'none/x'" "$p" trtexec --onnx=missing.onnx --$option=none/x; done
expect 1 "cannot open 'missing.onnx'" "$p" bench missing.onnx --trace x.json # it can be written
[ ! -e x.json ] && [ ! -e x.plan ] && [ ! -e none ] || { echo "FAILED: something was written" && failures=$((failures + 1)); }
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null && setpriv --reuid=65534 --clear-groups env "$p" --version >/dev/null 2>&1; then
    chmod 755 . && : >locked/old.json && chmod 555 locked && chmod 444 locked/old.json
    expect 1 "cannot create 'locked/x.json': Permission denied" setpriv --reuid=65534 --clear-groups "$p" bench missing.onnx --trace locked/x.json
    expect 1 "cannot write 'locked/old.json': Permission denied" setpriv --reuid=65534 --clear-groups "$p" bench missing.onnx --json=locked/old.json
    expect 1 "cannot write to 'locked': Permission denied" setpriv --reuid=65534 --clear-groups "$p" run missing.onnx -o locked
fi
expect 0 "" "$p" run "$relu" --random 1 -o new/ # may be made
expect 0 "" "$p" run "$relu" --random 1 --json=/dev/null

# Two models with other inputs: which file lacks what.
expect 1 "$relu lacks input 'input_ids', which $bert/model.onnx has" "$p" compare "$bert/model.onnx" "$relu" --dim b=1,s=4
expect 1 "$bert/model.onnx lacks input 'x', which $relu has" "$p" compare "$bert/model.onnx" "$relu" --dim b=1,s=4
finish
