# trtexec.sh PLANISH SOURCE_DIR: command lines written for trtexec, and scripts that read its report.
set -eu
p=$1 source=$2
. "$source/tests/cli/lib.sh"
model=$source/tests/models/zoo/mobilenet_v2.ts/model.onnx
bert=$source/tests/models/zoo/bert.ts/model.onnx
quick="--duration=0.05 --warmUp=5"
json() {
    count=$((count + 1))
    [ -s "$1" ] || wrong "$1 is empty"
    if command -v python3 >/dev/null; then python3 -c "import json, sys; d = json.load(open(sys.argv[1])); assert $2, d" "$1" || wrong "$1: not $2"; fi
}
cd "$scratch"

# Building, saving whatever the extension, running what was saved.
# shellcheck disable=SC2086
expect 0 "&&&& PASSED TensorRT.trtexec" "$p" trtexec --onnx="$model" --saveEngine=m_fp16.trt --fp16 --shapes=x:2x3x64x64 $quick
for line in "&&&& RUNNING TensorRT.trtexec" "=== Model Options ===" "Precision: FP32+FP16" "Input build shape (profile 0): x=2x3x64x64+2x3x64x64+2x3x64x64" "Precision flags are permissions: cpu computes in FP32" \
    "Engine built in " "Created engine with size: " "Input binding for x with dimensions 2x3x64x64 is created." "Output binding for y with dimensions 2x10 is created." "Using random values for input x" \
    "Starting inference" "=== Performance summary ===" "Throughput: " "with the defaults of trtexec 10.x"; do
    grep -qF "$line" .out || wrong "no '$line' in the report"
done
for line in "Latency" "Enqueue Time" "H2D Latency" "GPU Compute Time" "D2H Latency"; do
    grep -qE "\] \[I\] $line: min = [0-9.e-]+ ms, max = [0-9.e-]+ ms, mean = [0-9.e-]+ ms, median = [0-9.e-]+ ms, percentile\(90%\) = [0-9.e-]+ ms, percentile\(95%\) = [0-9.e-]+ ms, percentile\(99%\) = [0-9.e-]+ ms$" .out ||
        wrong "no line '$line' as scripts read it"
done
grep -qE '^\[[0-9]{2}/[0-9]{2}/[0-9]{4}-[0-9]{2}:[0-9]{2}:[0-9]{2}\] \[I\] ' .out || wrong "no time stamps"
# shellcheck disable=SC2086
expect 0 "Engine loaded in" "$p" trtexec --loadEngine=m_fp16.trt --shapes=x:1x3x64x64 $quick --exportTimes=t.json --exportProfile=p.json --exportLayerInfo=l.json --profilingVerbosity=detailed --exportOutput=o.json --percentile=50,100 --avgRuns=3
grep -q "percentile(50%) = .*percentile(100%) = " .out || wrong "--percentile is not taken"
grep -q "Average on 3 runs - GPU latency: .* ms - Host latency: .* ms (enqueue .* ms)" .out || wrong "--avgRuns is not taken"
json t.json "len(d) >= 10 and d[0]['latencyMs'] > 0 and d[0]['endComputeMs'] >= d[0]['startComputeMs']"
json p.json "d[0]['count'] == 10 and abs(sum(x['percentage'] for x in d[1:]) - 100) < 0.1"
json l.json "len(d['Layers']) == len(set(map(str, d['Layers']))) and d['Bindings'] == ['x', 'y'] and d['Layers'][0]['Inputs'][0]['Dimensions'] == [1, 3, 64, 64]"
json o.json "d[0]['name'] == 'y' and d[0]['dimensions'] == '1x10' and len(d[0]['values']) == 10"
# shellcheck disable=SC2086
expect 0 "Output Tensors:" "$p" trtexec --onnx="$model" --dumpOutput $quick
# shellcheck disable=SC2086
expect 0 "=== Profile (10 iterations ) ===" "$p" trtexec --onnx="$model" --dumpProfile --dumpLayerInfo $quick
expect 0 "Skipped inference" "$p" trtexec --onnx="$model" --skipInference --saveEngine=other.engine
[ -s other.engine ] || wrong "--saveEngine with --skipInference writes nothing"
# shellcheck disable=SC2086
expect 0 "and type fp32 is created" "$p" trtexec --onnx="$model" --pln-version=11 $quick
# shellcheck disable=SC2086
expect 0 "several inference streams" "$p" trtexec --onnx="$model" --infStreams=2 $quick
# shellcheck disable=SC2086
expect 0 "Input inference shape : input_ids=2x9" "$p" trtexec --onnx="$bert" --minShapes=input_ids:1x1,attention_mask:1x1 --optShapes=input_ids:2x9,attention_mask:2x9 --maxShapes="'input_ids':4x16,'attention_mask':4x16" $quick
grep -q "Input build shape (profile 0): input_ids=1x1+2x9+" .out || wrong "shapes of the build are not told"

# Of very many runs some are kept; a run without an end is ended by a signal, and reported.
small=$source/tests/fuzz/corpus/import/abs.onnx
expect 0 "Timing trace has 600000 queries over" "$p" trtexec --onnx="$small" --iterations=600000 --duration=0 --warmUp=0 --exportTimes=t.json
grep -q "150000 of them are kept, evenly spread" .out || wrong "how many runs are kept is not told"
json t.json "len(d) == 150000 and all(a['startEnqMs'] < b['startEnqMs'] for a, b in zip(d, d[1:]))"
expect 0 "Timing trace has 900000 queries over" "$p" trtexec --onnx="$small" --iterations=300000 --streams=3 --duration=0 --warmUp=0
for signal in INT TERM; do
    expect 0 "&&&& PASSED TensorRT.trtexec" timeout --preserve-status -s $signal 2 "$p" trtexec --onnx="$small" --duration=-1 --warmUp=0
    grep -q "GPU Compute Time: min = " .out || wrong "SIG$signal leaves no report"
done

# Raw inputs, whatever the file is called.
head -c 49152 /dev/zero >zeros.dat
# shellcheck disable=SC2086
expect 0 "Using values loaded from file for input x" "$p" trtexec --onnx="$model" --loadInputs=x:zeros.dat $quick
# shellcheck disable=SC2086
expect 1 "needs 49152 bytes of f32 values, the file has 48" sh -c "head -c 48 zeros.dat >few.dat; '$p' trtexec --onnx='$model' --loadInputs=x:few.dat"

# Types of inputs and outputs, as files have them; one for each, or one for all. Row-major is the only layout. One shape for an input.
head -c 24576 zeros.dat >half.dat
head -c 24576 /dev/zero | tr '\0' '<' >ones.dat # 0x3c3c: 1.06
# shellcheck disable=SC2086
expect 0 "Using values loaded from file for input x" "$p" trtexec --onnx="$model" --inputIOFormats=fp16:chw --outputIOFormats=fp16:chw4+chw --loadInputs=x:half.dat --dumpRawBindingsToFile $quick
# shellcheck disable=SC2086
expect 0 "Using values loaded from file for input x" "$p" trtexec --onnx="$model" --inputIOFormats=fp32:chw --outputIOFormats=int32:chw --loadInputs=x:zeros.dat --dumpRawBindingsToFile $quick
[ "$(wc -c <x.input.1.3.64.64.fp16.raw)" -eq 24576 ] && [ "$(wc -c <y.output.1.10.fp16.raw)" -eq 20 ] && [ "$(wc -c <y.output.1.10.int32.raw)" -eq 40 ] || wrong "inputs and outputs are not of the types of --inputIOFormats and --outputIOFormats"
expect 1 "needs 24576 bytes of f16 values, the file has more than 24576" "$p" trtexec --onnx="$model" --inputIOFormats=fp16:chw --loadInputs=x:zeros.dat
# The values are those of the model's own types.
# shellcheck disable=SC2086
expect 0 "&&&& PASSED" "$p" trtexec --onnx="$model" --loadInputs=x:zeros.dat --dumpRawBindingsToFile $quick
for flags in "--inputIOFormats=fp16:chw --loadInputs=x:half.dat" "--inputIOFormats=int64:chw --loadInputs=x:long.dat"; do
    head -c 98304 /dev/zero >long.dat
    # shellcheck disable=SC2086
    expect 0 "&&&& PASSED" "$p" trtexec --onnx="$model" $flags --loadRefOutputs=y:y.output.1.10.fp32.raw --accuracyAlgorithm=lInf --accuracyThreshold=1e-5 $quick
done
# shellcheck disable=SC2086
expect 1 "loss" "$p" trtexec --onnx="$model" --inputIOFormats=fp16:chw --loadInputs=x:ones.dat --loadRefOutputs=y:y.output.1.10.fp32.raw --accuracyAlgorithm=lInf --accuracyThreshold=1e-5 $quick
expect 1 "3 types for 1 input; give one for each, or one for all" "$p" trtexec --onnx="$model" --inputIOFormats=fp32:chw,fp32:chw,fp32:chw --skipInference
expect 1 "2 types for 1 output" "$p" trtexec --onnx="$model" --outputIOFormats=fp32:chw,fp32:chw --skipInference
expect 1 "--inputIOFormats=fp16:hwc8+chw16: inputs and outputs are row-major here" "$p" trtexec --onnx="$model" --inputIOFormats=fp16:hwc8+chw16 --skipInference
expect 1 "--outputIOFormats=fp8:chw: inputs and outputs are fp32, fp16" "$p" trtexec --onnx="$model" --outputIOFormats=fp8:chw --skipInference
# shellcheck disable=SC2086
expect 0 "values of int8 are cast as they are, without a scale" "$p" trtexec --onnx="$model" --inputIOFormats=int8:chw $quick
# The plan has them, also when it has other weights.
expect 0 "&&&& PASSED" "$p" trtexec --onnx="$model" --inputIOFormats=bf16:chw --saveEngine=typed.plan --skipInference
# shellcheck disable=SC2086
expect 0 "Engine refitted from" "$p" trtexec --loadEngine=typed.plan --refitFromOnnx="$model" --loadInputs=x:half.dat $quick
# shellcheck disable=SC2086
expect 0 "[W] --inputIOFormats is for building and is passed over" "$p" trtexec --loadEngine=typed.plan --inputIOFormats=fp32:chw --loadInputs=x:half.dat $quick
expect 1 "--shapes: two shapes for 'x'; give one of them" "$p" trtexec --onnx="$model" --shapes=x:1x3x64x64,x:2x3x64x64
expect 1 "--maxShapes: two shapes for 'x'" "$p" trtexec --onnx="$model" --minShapes=x:1x3x64x64 --optShapes=x:1x3x64x64 --maxShapes=x:2x3x64x64,x:3x3x64x64

# Hints are in trtexec's own words, and the library's log is in its form.
expect 1 "give a smaller shape or --loadInputs=x:FILE" "$p" trtexec --onnx="$model" --shapes=x:99999999x3x64x64
expect 1 "no cuda:77" "$p" trtexec --onnx="$model" --device=77 --skipInference
! grep -q -- "--device cpu" .out || wrong "a hint names an option of another command"
status=0
"$p" trtexec --onnx="$model" --verbose --skipInference >.out 2>.err || status=$?
grep -qE "^\[[0-9/]+-[0-9:]+\] \[V\] \[TRT\] loaded '" .out || wrong "--verbose: the library's log is not in trtexec's form"
! grep -q loaded .err || wrong "--verbose: the library's log is on stderr"

# Layers are told in the same words in all generations, whatever the names of the fields.
for version in 10 11; do
    # shellcheck disable=SC2086
    expect 0 "&&&& PASSED" "$p" trtexec --onnx="$model" --pln-version=$version --profilingVerbosity=detailed --exportLayerInfo=l$version.json $quick
    grep -oE '"(Location|Datatype|Format/Datatype)":"[^"]*"' l$version.json | sed 's/Format.Datatype/Datatype/' | sort -u >words$version
done
[ -s words10 ] && cmp -s words10 words11 || wrong "layers have other words in version 11: $(cat words10 words11 | tr '\n' ' ')"

# Valid flags that mean nothing here are told, and never an error; a flag is on with any value.
# shellcheck disable=SC2086
expect 0 "[W] --workspace has no meaning here" "$p" trtexec --onnx="$model" --workspace=4096 --explicitBatch --int8 --useCudaGraph --noDataTransfers=0 --separateProfileRun --memPoolSize=workspace:1G $quick
grep -q "int8 without calibration: for timing only" .out || wrong "--int8 without calibration is not told"
[ "$(grep -cE 'no meaning here|as always here|is not done yet' .out)" -eq 5 ] || wrong "flags without a meaning are not told once each"

# The timing cache is that of build: what was measured once is not measured again, and the plan is the same.
unet="$source/tests/models/zoo/unet.ts/model.onnx"
expect 0 "kernels measured, 0 found" "$p" trtexec --onnx="$unet" --saveEngine=t1.plan --timingCacheFile=t.times --skipInference
expect 0 "Timing cache t.times: 0 kernels measured, " "$p" trtexec --onnx="$unet" --saveEngine=t2.plan --timingCacheFile=t.times --skipInference
cmp t1.plan t2.plan || wrong "t1.plan and t2.plan differ"
expect 0 "kernels chosen: 0 measured, " "$p" build "$unet" -o t3.plan --timing-cache t.times
cmp t1.plan t3.plan || wrong "t1.plan and t3.plan differ"
expect 0 "[W] --timingCacheFile is for building" "$p" trtexec --loadEngine=t1.plan --timingCacheFile=t.times --skipInference
expect 1 "is no timing cache" "$p" trtexec --onnx="$unet" --timingCacheFile="$source/CHANGELOG.md" --skipInference
expect 1 "would both be written to t.plan" "$p" trtexec --onnx="$unet" --saveEngine=t.plan --timingCacheFile=t.plan --skipInference

# Errors: 1, with a footer once the work has begun, without where the command line is at fault.
expect 0 "Usage: planish trtexec" "$p" trtexec
expect 0 "Usage: planish trtexec" "$p" trtexec --help
expect 1 "Unknown option: --onxx=m.onnx; did you mean --onnx?" "$p" trtexec --onxx=m.onnx
! grep -q "&&&&" .out || wrong "an unknown option has a footer"
expect 1 "Unknown option: model.onnx" "$p" trtexec model.onnx
expect 1 "--onnx wants a value: --onnx=FILE" "$p" trtexec --onnx "$model"
expect 1 "--duration wants a number of -1..1e9, not 'long'" "$p" trtexec --onnx="$model" --duration=long
expect 1 "give --onnx=FILE or --loadEngine=FILE" "$p" trtexec --fp16
expect 1 "give one of them" "$p" trtexec --onnx=a --loadEngine=b
expect 1 "&&&& FAILED TensorRT.trtexec" "$p" trtexec --onnx=missing.onnx
expect 1 "No such file" "$p" trtexec --onnx=missing.onnx
expect 1 "&&&& FAILED" "$p" trtexec --onnx="$model" --shapes=y:1x2
expect 1 "made by TensorRT" "$p" trtexec --loadEngine="$source/tests/golden/bad/tensorrt.plan"
cp "$source/tests/golden/bad/tensorrt.plan" model.engine
expect 1 "made by TensorRT" "$p" trtexec --loadEngine=model.engine
expect 1 "made by TensorRT" "$p" run model.engine --random 1
expect 1 "it looks like an ONNX model, not a plan" "$p" trtexec --loadEngine="$model"
expect 1 "give it with --loadEngine=m_fp16.trt" "$p" trtexec --onnx=m_fp16.trt
expect 1 "no cuda:77" "$p" trtexec --onnx="$model" --device=77
expect 1 "--percentile=101: numbers from 0 to 100" "$p" trtexec --onnx="$model" --percentile=101
expect 1 "--pln-version can be 8|10|11, not '9'" "$p" trtexec --onnx="$model" --pln-version=9

# By its other name, through a link that is made once.
mkdir bin
expect 0 "is now a link to" "$p" trtexec --pln-install-link bin
expect 1 "is there already and is left alone" "$p" trtexec --pln-install-link=bin
# shellcheck disable=SC2086
expect 0 "&&&& PASSED" bin/trtexec --loadEngine=m_fp16.trt $quick
expect 1 "No such file or directory" "$p" trtexec --pln-install-link none
finish
