# trtexec_flags.sh PLANISH SOURCE_DIR: each flag of trtexec does what the table of them says. `shows` runs a command line twice, with the flag and without it: what is asserted
# must hold with it and must not hold without it. What was shown so is held against the table in the end: a flag without a test is found, and so is a row that claims one.
set -eu
p=$1 source=$2
. "$source/tests/cli/lib.sh"
model=$source/tests/models/zoo/mobilenet_v2.ts/model.onnx
quick="--iterations=1 --duration=0 --warmUp=0"
m="--onnx=$model"
cell=$scratch/cell out=$scratch/.out
: >"$scratch/shown"
# Times of kernels are each command's own.
[ "$PLANISH_DEVICE" != cpu ] || export PLANISH_CACHE_DIR="$cell/cache"

has() { grep -qF -- "$1" "$out"; }
passed() { [ "$status" -eq 0 ] && has "&&&& PASSED TensorRT.trtexec" && "$@"; }
failed() { [ "$status" -eq 1 ] && "$@"; }
# In a folder of its own, which begins empty.
run() {
    rm -rf "$cell"
    mkdir -p "$cell/cache"
    cd "$cell"
    status=0
    "$p" trtexec "$@" >"$out" 2>&1 </dev/null || status=$?
}
# shows FLAG CONDITION ARGUMENT…
shows() {
    flag=$1 condition=$2
    shift 2
    count=$((count + 1))
    all=$* given=0 n=$#
    run "$@"
    eval "$condition" || wrong "--$flag: '$condition' does not hold: trtexec $*"
    while [ $n -gt 0 ]; do
        word=$1 n=$((n - 1))
        shift
        case $word in
        "--$flag" | "--$flag="*) given=1 ;;
        *) set -- "$@" "$word" ;;
        esac
    done
    [ $given -eq 1 ] || wrong "--$flag is not in: $all"
    run "$@"
    ! eval "$condition" || wrong "--$flag: '$condition' holds without it, too: trtexec $*"
    echo "$flag" >>"$scratch/shown"
}
# The most usual case: TEXT is printed, and all is well.
tells() {
    flag=$1 text=$2
    shift 2
    # shellcheck disable=SC2086
    shows "$flag" 'passed has "$text"' "$@" $quick
}

# ---- what is taken, and told ----
for flag in memPoolSize=workspace:1.5G,dlaSRAM:1 avgTiming=4 pluginInstanceNorm pi adjustForDLA enablePluginOverride leanDLLPath=lib.so sparsity=force \
    layerDeviceTypes=/a:GPU allowGPUFallback asyncFileReader tacticSources=-CUDNN,+CUBLAS preview=+profileSharing0806 maxTactics=-1 hardwareCompatibilityLevel=ampere+ maxAuxStreams=0 \
    allowWeightStreaming tilingOptimizationLevel=3 l2LimitForTiling=-1 exposeDMA useManagedMemory noCudaGraph persistentCacheRatio=0.5 allocationStrategy=runtime weightStreamingBudget=50% \
    setPluginsToSerialize=a.so restricted workspace=4096 minTiming=2 nvtxMode=verbose output=y; do
    tells "${flag%%=*}" "[W] --${flag%%=*} has no meaning here: " "$m" "--$flag"
done
for flag in refit versionCompatible vc excludeLeanRuntime directIO decomposableAttentions='*' threads separateProfileRun ignoreParsedPluginLibs explicitBatch explicitPrecision nativeInstanceNorm \
    ni useCudaGraph maxBatch=8; do
    tells "${flag%%=*}" "[I] --${flag%%=*}: as always here: " "$m" "--$flag"
done
for flag in distributiveIndependence fp8 int4 calibProfile=0 minShapesCalib=x:1x3x64x64 optShapesCalib=x:1x3x64x64 maxShapesCalib=x:1x3x64x64 precisionConstraints=obey \
    layerPrecisions='*:fp16,/a:fp32' layerOutputTypes=/a:fp32+fp16; do
    tells "${flag%%=*}" "[W] --${flag%%=*} is not done yet: " "$m" "--$flag"
done
for flag in stripWeights stripAllWeights weightless uint8AsymmetricQuantizationDLA reportCapabilityDLA safe consistency dumpKernelText buildDLAStandalone remoteAutoTuningConfig=ssh://a:b@c:1 cpuOnly useDLACore=0 safetyPlugins='a.so[b::c]' \
    deploy=a.prototxt model=a.caffemodel uff=a.uff uffInput=x,3,64,64 uffNHWC; do
    # shellcheck disable=SC2016,SC2086
    shows "${flag%%=*}" 'failed has "[E] --$flag cannot be had here: "' "$m" "--$flag" $quick
done
# They are told in the option dump, too.
# shellcheck disable=SC2086
run "$m" $quick --memPoolSize=workspace:1.5G,dlaSRAM:512K --avgTiming=4 --refit --vc --noCompilationCache --exposeDMA --tempfileControls=in_memory:deny
for line in "Memory Pools: workspace: 1536 MiB, dlaSRAM: 0.5 MiB, dlaLocalDRAM: default" "avgTiming: 4" "Refit: Enabled" "Version Compatible: Enabled" "Compilation Cache: Disabled" "ExposeDMA: Enabled" \
    "Tempfile Controls: in_memory:deny" "Format: ONNX" "=== System Options ===" "Data transfers: Enabled" "CUDA Graph: Disabled" "Spin-wait: Disabled"; do
    has "$line" || wrong "no '$line' in the dump of options"
done
[ "$(grep -nE 'Model Options|Build Options|System Options|Inference Options|Reporting Options|Device Information|TensorRT version|Start parsing|Finished parsing|Engine built|Created execution|Starting inference|Warmup completed|Trace details|Performance summary|PASSED' "$out" |
    sed 's/.*\(Model O\|Build O\|System O\|Inference O\|Reporting O\|Device I\|TensorRT version\|Start p\|Finished p\|Engine b\|Created execution\|Starting\|Warmup\|Trace d\|Performance s\|PASSED\).*/\1/' | tr '\n' ',')" = \
    "Model O,Build O,System O,Inference O,Reporting O,Device I,TensorRT version,Start p,Finished p,Engine b,Created execution,Starting,Warmup,Trace d,Performance s,PASSED," ] || wrong "the report is not in order"

# ---- model, shapes and profiles ----
# shellcheck disable=SC2086
shows onnx 'passed has "Format: ONNX"' "$m" $quick
mkdir "$scratch/home" && cp "$model" "$scratch/home/m.onnx"
expect 0 "&&&& PASSED" env HOME="$scratch/home" "$p" trtexec '--onnx=~/m.onnx' --skipInference
low=--minShapes=x:1x3x64x64 usual=--optShapes=x:2x3x64x64 high="--maxShapes='x':4x3x64x64"
tells minShapes "Set shape of input tensor x for optimization profile 0 to: MIN=1x3x64x64 OPT=2x3x64x64 MAX=4x3x64x64" "$m" "$low" "$usual" "$high"
tells optShapes "Input inference shape : x=2x3x64x64" "$m" "$low" "$usual" "$high"
tells maxShapes "Input build shape (profile 0): x=1x3x64x64+2x3x64x64+4x3x64x64" "$m" "$low" "$usual" "$high"
tells shapes "Input binding for x with dimensions 5x3x64x64 is created." "$m" --shapes='*:5x3x64x64' "$low" "$usual" "$high"
profiles="--profile=0 $low $usual --profile=1 --minShapes=x:3x3x64x64 --optShapes=x:3x3x64x64 --maxShapes=x:6x3x64x64"
# shellcheck disable=SC2086
tells profile "optimization profile 1 to: MIN=3x3x64x64 OPT=3x3x64x64 MAX=6x3x64x64" "$m" $profiles
# shellcheck disable=SC2086
tells useProfile "Output binding for y with dimensions 3x10 is created." "$m" $profiles --useProfile=1
# shellcheck disable=SC2086
tells dumpOptimizationProfile "Model input x (profile 1): min=3x3x64x64, opt=3x3x64x64, max=6x3x64x64" "$m" $profiles --dumpOptimizationProfile
# shellcheck disable=SC2086
run "$m" $profiles --saveEngine="$scratch/profiles.plan" --skipInference
# A plan keeps them.
# shellcheck disable=SC2086
tells loadEngine "Model input x (profile 0): min=1x3x64x64, opt=2x3x64x64, max=2x3x64x64" --loadEngine="$scratch/profiles.plan" --dumpOptimizationProfile
expect 0 "dimensions 3x3x64x64" "$p" trtexec --loadEngine="$scratch/profiles.plan" --useProfile=1 $quick
expect 1 "there are 2 profiles" "$p" trtexec --loadEngine="$scratch/profiles.plan" --useProfile=2
tells batch "Input binding for x with dimensions 3x3x64x64 is created." "$m" --batch=3

# ---- building ----
# shellcheck disable=SC2086
shows profilingVerbosity 'passed grep -q "\"TacticName\"" l.json' "$m" --profilingVerbosity=detailed --exportLayerInfo=l.json $quick
run "$m" --profilingVerbosity=none --exportLayerInfo=l.json --skipInference
grep -q '"Layers":\[$' l.json && ! grep -q Conv l.json || wrong "--profilingVerbosity=none tells layers"
shows inputIOFormats 'passed test -s x.input.1.3.64.64.fp16.raw' "$m" --inputIOFormats=fp16:chw --dumpRawBindingsToFile $quick
shows outputIOFormats 'passed test -s y.output.1.10.int64.raw' "$m" --outputIOFormats=int64:chw --dumpRawBindingsToFile $quick
tells monitorMemory "Peak memory of the build: " "$m" --monitorMemory
tells noTF32 "TF32: Disabled" "$m" --noTF32
tells stronglyTyped "precision flags are passed over" "$m" --fp16 --stronglyTyped
shows saveEngine 'passed test -s m.trt' "$m" --saveEngine=m.trt --skipInference
"$p" trtexec "$m" --saveEngine="$scratch/m.plan" --skipInference >/dev/null 2>&1
shows getPlanVersionOnly '[ $status -eq 0 ] && has "format version" && ! has "&&&&"' --loadEngine="$scratch/m.plan" --getPlanVersionOnly --skipInference
shows useRuntime 'failed has "loads only"' "$m" --useRuntime=lean --skipInference
if "$p" trtexec "$m" --pln-target=x86-64-v4 --saveEngine="$scratch/v4.plan" --skipInference >/dev/null 2>&1 && [ "$PLANISH_DEVICE" = cpu ]; then
    expect 0 "PASSED" env PLANISH_CPU_ISA=avx2 "$p" trtexec --loadEngine="$scratch/v4.plan" --skipInference
    expect 1 "avx512" env PLANISH_CPU_ISA=avx2 "$p" trtexec --loadEngine="$scratch/v4.plan" --useRuntime=dispatch --skipInference
fi
shows noBuilderCache 'passed eval "! ls cache | grep -q ."' "$m" --builderOptimizationLevel=4 --noBuilderCache --skipInference
shows noCompilationCache 'passed eval "! ls cache | grep -q ."' "$m" --builderOptimizationLevel=4 --noCompilationCache --skipInference
shows timingCacheFile 'passed test -s t.times' "$m" --timingCacheFile=t.times --skipInference
shows errorOnTimingCacheMiss 'failed has "kernels are not in t.times"' "$m" --timingCacheFile=t.times --errorOnTimingCacheMiss --skipInference
run "$m" --timingCacheFile=t.times --errorOnTimingCacheMiss --skipInference
[ ! -e t.times ] || wrong "--errorOnTimingCacheMiss writes the cache"
expect 0 "PASSED" "$p" trtexec "$m" --timingCacheFile="$scratch/t.times" --skipInference
expect 0 "PASSED" "$p" trtexec "$m" --timingCacheFile="$scratch/t.times" --errorOnTimingCacheMiss --skipInference
shows builderOptimizationLevel 'passed grep -q "Timing cache of this machine: [1-9][0-9]* kernels measured" "$out"' "$m" --builderOptimizationLevel=4 --skipInference
shows heuristic 'passed has "Timing cache of this machine: 0 kernels measured, 0 found"' "$m" --builderOptimizationLevel=4 --heuristic --skipInference
shows runtimePlatform 'failed has "Planish runs on Linux alone"' "$m" --runtimePlatform=WindowsAMD64 --skipInference
shows tempdir 'failed has "--tempdir=none is no folder"' "$m" --tempdir=none --skipInference
tells tempfileControls "Tempfile Controls: in_memory:allow,temporary:deny" "$m" --tempfileControls=in_memory:allow,temporary:deny
value=/features/features.1/conv/conv.0/conv.0.0/Conv_output_0
tells markDebug "Debug tensor $value: f32[1,8,32,32]" "$m" "--markDebug=$value"
tells markUnfusedTensorsAsDebugTensors "Debug tensor /features/features.17/conv/conv.2/Conv_output_0: f32[1," "$m" --markUnfusedTensorsAsDebugTensors
# shellcheck disable=SC2016,SC2086
shows saveDebugTensors 'passed eval "[ \$(wc -c <v.raw) -eq 32768 ]"' "$m" "--markDebug=$value" "--saveDebugTensors=$value:v.raw" $quick
# shellcheck disable=SC2086
shows saveAllDebugTensors 'passed eval "has \"f32[1,8,32,32]: min \" && ls | grep -q Conv_output_0.npy && ls | grep -q Conv_output_0.raw && ls | grep -q Conv_output_0.txt"' "$m" "--markDebug=$value" --saveAllDebugTensors=summary,numpy,string,raw $quick
expect 1 "is not marked in this plan" "$p" trtexec --loadEngine="$scratch/m.plan" --saveDebugTensors=/a:b $quick
expect 1 "the model has no value '/none' to tap" "$p" trtexec "$m" --markDebug=/none $quick

# Other weights: 4 KiB of the model's are zeros.
cp "$model" "$scratch/other.onnx"
dd if=/dev/zero of="$scratch/other.onnx" bs=4096 seek=100 count=1 conv=notrunc 2>/dev/null
"$p" trtexec --onnx="$scratch/other.onnx" --exportOutput="$scratch/other.json" $quick >/dev/null 2>&1
# shellcheck disable=SC2016,SC2086
shows refitFromOnnx 'passed eval "has \"Engine refitted from\" && cmp -s o.json \$scratch/other.json"' --loadEngine="$scratch/m.plan" --refitFromOnnx="$scratch/other.onnx" --exportOutput=o.json $quick
expect 1 "is not that of the plan" "$p" trtexec --loadEngine="$scratch/m.plan" --refitFromOnnx="$source/tests/models/zoo/bert.ts/model.onnx" $quick
tells timeRefit "Refit time: " "$m" --timeRefit
tells dumpRefit "role: Kernel, weights: classifier.1.weight, 10x1280" "$m" --dumpRefit
# On a busy machine the first load may be slow, which is a failure there, too.
shows timeDeserialize 'has "Deserialization: the first took "' "$m" --timeDeserialize --skipInference

# ---- build routes ----
shows setBuildRoute 'passed grep -q "Timing cache of this machine: [1-9][0-9]* kernels measured" "$out"' "$m" "--setBuildRoute=-tune=fast -pass_fold=on" --skipInference
expect 1 "there is no knob 'speed'" "$p" trtexec "$m" --setBuildRoute=-speed=9
expect 1 "-tune cannot be 'slow': it is off|fast|full" "$p" trtexec "$m" --setBuildRoute=-tune=slow
expect 1 "takes lists" "$p" trtexec "$m" "--setBuildRoute=-tune=[off|fast]"
shows helpBuildRoute '[ $status -eq 0 ] && has "\"option\": \"winograd\", \"allowed_values\": [\"on\", \"off\"], \"default_value\": \"on\"" && ! has "\"option\": \"tune\""' --helpBuildRoute=winograd
expect 0 '"option": "pass_fold"' "$p" trtexec --helpBuildRoute
expect 1 "there is no such knob" "$p" trtexec --helpBuildRoute=speed
knobs='-winograd=[on|off] -pass_fold=[on|off]'
# shellcheck disable=SC2086
shows tuneBuildRoutes 'passed has "Tuning summary: 3 / 3 iterations succeeded."' "$m" "--tuneBuildRoutes=$knobs" $quick
printf '%s\n' "$knobs" >"$scratch/knobs"
# shellcheck disable=SC2086
shows tuneBuildRouteFile 'passed has "&&&& TASK_END [iter=2] BuildRoute = '"'-winograd=on -pass_fold=off'"'"' "$m" "--tuneBuildRouteFile=$scratch/knobs" $quick
shows tuningSearch 'passed has "[iter=3] BuildRoute = "' "$m" "--tuneBuildRoutes=$knobs" --tuningSearch=full --dryRun
shows dryRun 'passed eval "has \"[iter=2] BuildRoute = \" && ! has TASK_BEGIN"' "$m" "--tuneBuildRoutes=$knobs" --dryRun $quick
expect 0 "&&&& PASSED" "$p" trtexec "$m" "--tuneBuildRoutes=$knobs" --tuningSearch=mixed $quick
# shellcheck disable=SC2086
shows tuningCacheFile 'passed eval "[ \$(wc -l <c.json) -eq 4 ] && head -1 c.json | grep -q searching_algorithm && tail -1 c.json | grep -q gpu_time_ms"' "$m" "--tuneBuildRoutes=$knobs" --tuningCacheFile=c.json $quick
# shellcheck disable=SC2086
shows tuningTimeOut 'failed has "Tuning summary: 0 / 0 iterations succeeded."' "$m" "--tuneBuildRoutes=$knobs" --tuningTimeOut=0 $quick
# shellcheck disable=SC2086
shows saveAllEngines 'passed eval "[ -s e.plan ] && [ -s e.plan.iter0 ] && [ -s e.plan.iter2 ]"' "$m" "--tuneBuildRoutes=$knobs" --saveEngine=e.plan --saveAllEngines $quick
# shellcheck disable=SC2086
shows tuningResultFile 'passed grep -q "{\"gpu_time_ms\":[0-9.e-]*,\"accuracy_failed\":false,\"accuracy_loss\":{}}" r.json' "$m" --tuningResultFile=r.json $quick
# A search that was cut off goes on where it was: two of three are there.
# shellcheck disable=SC2086
"$p" trtexec "$m" "--tuneBuildRoutes=$knobs" --tuningCacheFile="$scratch/c.json" $quick >/dev/null 2>&1
head -3 "$scratch/c.json" >"$scratch/cut.json"
cp "$scratch/cut.json" "$scratch/cut2.json"
shows continue 'passed eval "has \"TASK_END [iter=2]\" && ! has \"TASK_BEGIN [iter=1]\" && has \"Tuning summary: 3 / 3\""' --continue --tuningCacheFile="$scratch/cut.json"
expect 1 "goes with --tuningCacheFile alone" "$p" trtexec --continue "$m"
head -1 "$source/CHANGELOG.md" >"$scratch/no.json"
expect 1 "does not begin with the words of a search" "$p" trtexec --continue --tuningCacheFile="$scratch/no.json"
expect 1 "iterations succeeded" "$p" trtexec --onnx="$source/CHANGELOG.md" "--tuneBuildRoutes=$knobs" $quick

# ---- inference ----
head -c 49152 /dev/zero >"$scratch/zeros"
tells loadInputs "Using values loaded from file for input x" "$m" --loadInputs=x:"$scratch/zeros"
# shellcheck disable=SC2086
run "$m" --loadInputs=x:"$scratch/zeros" --dumpRawBindingsToFile $quick
cp y.output.1.10.fp32.raw "$scratch/y.raw"
head -c 40 /dev/zero >"$scratch/bad.raw"
in=--loadInputs=x:$scratch/zeros good=--loadRefOutputs=y:$scratch/y.raw bad=--loadRefOutputs=y:$scratch/bad.raw
tells loadRefOutputs "Accuracy loss for tensor y (l0): 0.000000" "$m" "$in" "$good" --accuracyThreshold=0.1
# shellcheck disable=SC2086
shows accuracyThreshold 'failed has "Accuracy loss for tensor y (l0): 1.000000 [FAIL: >= threshold 0.5]"' "$m" "$in" "$bad" --accuracyThreshold=0.5 $quick
has "wants --accuracyThreshold" || wrong "--loadRefOutputs does not say what it wants"
tells atol "Accuracy loss for tensor y (l0): 0.000000" "$m" "$in" "$bad" --accuracyThreshold=2 --atol=1e9
# The references of zeros are within no relative distance: those of the other model are.
# shellcheck disable=SC2086
run --onnx="$scratch/other.onnx" "$in" --dumpRawBindingsToFile $quick
cp y.output.1.10.fp32.raw "$scratch/other.raw"
tells rtol "Accuracy loss for tensor y (l0): 0.000000" "$m" "$in" --loadRefOutputs=y:"$scratch/other.raw" --accuracyThreshold=2 --rtol=1e9
for algorithm in l1 l2 lInf cos; do tells accuracyAlgorithm "Accuracy loss for tensor y ($algorithm): 0.000000" "$m" "$in" "$good" --accuracyThreshold=0.1 --accuracyAlgorithm=$algorithm; done
# shellcheck disable=SC2086
shows refPair 'failed eval "has \"Checking pair 1 of 2\" && has \"FAIL\""' "$m" --refPair=0 "$in" "$good" --refPair=1 "$in" "$bad" --accuracyThreshold=0.5 $quick
expect 1 "two pairs at the least" "$p" trtexec "$m" --refPair=0 "$in" "$good" --accuracyThreshold=1
expect 1 "the next one is --refPair=0" "$p" trtexec "$m" --refPair=1 "$in" "$good" --accuracyThreshold=1
expect 1 "wants --loadInputs" "$p" trtexec "$m" "$good" --accuracyThreshold=1
expect 1 "has 40 bytes, the file has more than 40" "$p" trtexec "$m" "$in" --loadRefOutputs=y:"$scratch/zeros" --accuracyThreshold=1 $quick
expect 1 "the model has no output 'z'" "$p" trtexec "$m" "$in" --loadRefOutputs=z:"$scratch/zeros" --accuracyThreshold=1 $quick
shows iterations 'passed has "Timing trace has 12 queries"' "$m" --iterations=12 --duration=0 --warmUp=0
shows warmUp 'passed grep -q "Warmup completed [1-9][0-9]* queries over 30 ms" "$out"' "$m" --warmUp=30 --iterations=1 --duration=0
shows duration 'passed grep -q "Timing trace has [0-9]* queries over 0[.][3-9]" "$out"' "$m" --iterations=1 --warmUp=0 --duration=0.3
shows sleepTime 'passed grep -Eq "Timing trace has 3 queries over (0[.][2-9]|[1-9])" "$out"' "$m" --iterations=3 --duration=0 --warmUp=0 --sleepTime=110
shows idleTime 'passed grep -Eq "Timing trace has 3 queries over (0[.][2-9]|[1-9])" "$out"' "$m" --iterations=3 --duration=0 --warmUp=0 --idleTime=110
tells infStreams "several inference streams" "$m" --infStreams=2
tells streams "Inference Streams: 2" "$m" --streams=2
tells noDataTransfers "Data transfers: Disabled" "$m" --noDataTransfers=0
tells includeDataTransfers "Data transfers: Enabled" "$m" --pln-version=11 --includeDataTransfers
tells noSpinWait "Spin-wait: Disabled" "$m" --pln-version=11 --noSpinWait
tells useSpinWait "Spin-wait: Enabled" "$m" --useSpinWait
# shellcheck disable=SC2086
shows skipInference 'passed eval "has \"Skipped inference\" && ! has \"Performance summary\""' "$m" --skipInference $quick
# shellcheck disable=SC2086
shows buildOnly 'passed eval "has \"Skipped inference\" && ! has \"Performance summary\""' "$m" --buildOnly $quick

# ---- report ----
tells verbose "[V] === Explanations of the performance metrics ===" "$m" --verbose
shows avgRuns 'passed has "Average on 3 runs - GPU latency: "' "$m" --avgRuns=3 --iterations=6 --duration=0 --warmUp=0
# shellcheck disable=SC2086
shows percentile 'passed grep -q "GPU Compute Time: .*percentile(50%) = [0-9.e-]* ms, percentile(99.9%) = [0-9.e-]* ms$" "$out"' "$m" --percentile=50,99.9 $quick
tells dumpOutput "y: (1x10)" "$m" --dumpOutput
# shellcheck disable=SC2016,SC2086
shows dumpRawBindingsToFile 'passed eval "[ \$(wc -c <x.input.1.3.64.64.fp32.raw) -eq 49152 ] && [ \$(wc -c <y.output.1.10.fp32.raw) -eq 40 ]"' "$m" --dumpRawBindingsToFile $quick
tells dumpProfile "=== Profile (1 iterations ) ===" "$m" --dumpProfile
tells dumpLayerInfo "[I] Layer Information:" "$m" --dumpLayerInfo
# shellcheck disable=SC2086
shows exportProfile 'passed grep -q "\"count\" : 1" p.json' "$m" --exportProfile=p.json $quick
# shellcheck disable=SC2086
shows exportLayerInfo 'passed grep -q "\"Bindings\":\[\"x\",\"y\"\]" l.json' "$m" --exportLayerInfo=l.json $quick
# shellcheck disable=SC2086
shows exportTimes 'passed grep -q "\"startEnqMs\" : .*\"latencyMs\" : " t.json' "$m" --exportTimes=t.json $quick
# shellcheck disable=SC2086
shows exportOutput 'passed grep -q "\"name\" : \"y\", \"dimensions\" : \"1x10\", \"values\" : \[" o.json' "$m" --exportOutput=o.json $quick
# shellcheck disable=SC2086
run "$m" --pln-version=11 --shapes=x:2x3x64x64 --profilingVerbosity=detailed --exportLayerInfo=l.json $quick
grep -q '"I/O Tensors":\[{"Name":"x","IOMode":"Input","DataType":"fp32","Dimensions":\[-1,3,64,64\],.*"ProfileInfo":\[{"MinShape":\[2, 3, 64, 64\]' l.json || wrong "layer information of 11 has another form"

# ---- system, precision, our own ----
shows help '[ $status -eq 0 ] && has "Usage: planish trtexec" && ! has "&&&&"' "$m" --skipInference --help
# shellcheck disable=SC2086
shows device 'failed has "no cuda:77"' "$m" --device=77 $quick
for flag in staticPlugins dynamicPlugins plugins pln-plugin; do
    # shellcheck disable=SC2016,SC2086
    shows $flag 'failed has "none.so"' "$m" --$flag=./none.so --skipInference
done
tells fp16 "Precision: FP32+FP16" "$m" --fp16
tells bf16 "Precision: FP32+BF16" "$m" --bf16
tells best "Precision: FP32+FP16+BF16+FP8+INT8" "$m" --best
tells int8 "int8 without calibration: for timing only" "$m" --int8
printf 'TRT-8601-EntropyCalibration2\nx: 3c010a14\n/a/b:c: 3f800000\n' >"$scratch/calib"
tells calib "2 scales are read" "$m" --int8 --calib="$scratch/calib"
expect 1 "this is no calibration cache" "$p" trtexec "$m" --int8 --calib="$scratch/y.raw"
printf 'TRT-8601-EntropyCalibration2\nx: high\n' >"$scratch/calib2"
expect 1 "line 2 is not NAME: SCALE" "$p" trtexec "$m" --int8 --calib="$scratch/calib2"
expect 1 "No such file" "$p" trtexec "$m" --int8 --calib=none
tells pln-device "Selected Device ID: ref" "$m" --pln-device=ref
[ "$PLANISH_DEVICE" != cpu ] || shows pln-target 'passed has "Targets: portable"' "$m" --pln-target=portable --skipInference
[ "$PLANISH_DEVICE" = cpu ] || shows pln-target 'failed has "nothing"' "$m" --pln-target=nothing --skipInference
tells pln-threads "Threads: 7" "$m" --pln-threads=7
shows pln-cpus 'failed has "CPU 1023"' "$m" --pln-cpus=1023 --skipInference
shows pln-max-memory 'failed has "out of memory"' "$m" --pln-max-memory=4K --skipInference
tells pln-version "[TensorRT v110100]" "$m" --pln-version=11
expect 0 "[TensorRT v8601]" "$p" trtexec "$m" --pln-version=8 --skipInference
shows pln-install-link '[ $status -eq 0 ] && [ -L ./trtexec ]' --pln-install-link=.
shows pln-markdown '[ $status -eq 0 ] && has "# trtexec"' --pln-markdown

# ---- wrong values: a clear error, exit status 1, nothing built ----
"$p" trtexec --pln-markdown | sed 's/\\|/,/g' | sed -n 's/^| `--\([A-Za-z0-9-]*\)\([=[]*\)[^|]*` |[^|]*| *\([a-z ]*\) *| *\([a-z*]*\) |.*/\1 \2 \4/p' >"$scratch/table"
[ "$(wc -l <"$scratch/table")" -gt 160 ] || wrong "the table of flags cannot be read"
any=" onnx leanDLLPath decomposableAttentions saveEngine loadEngine timingCacheFile tempdir markDebug refitFromOnnx setBuildRoute tuneBuildRoutes tuneBuildRouteFile tuningCacheFile tuningResultFile percentile exportProfile \
exportLayerInfo exportTimes exportOutput staticPlugins dynamicPlugins setPluginsToSerialize calib plugins output pln-device pln-target pln-cpus pln-plugin pln-install-link "
refused=" remoteAutoTuningConfig safetyPlugins deploy model uff uffInput "
while read -r flag equals _; do
    [ "$equals" = = ] || continue
    expect 1 "--$flag wants a value: --$flag=" "$p" trtexec "--$flag="
    case $any$refused in *" $flag "*) continue ;; esac
    for value in '%%' '-7' ',' 'x' ':' '1e999'; do
        expect 1 "--$flag " "$p" trtexec "$m" "--$flag=$value" --skipInference
        ! grep -q "&&&&" "$out" || wrong "--$flag=$value begins the work"
    done
done <"$scratch/table"
for words in percentile=101 percentile=a percentile=-1 shapes=x:1x shapes=x:axb shapes='x*y*:1' shapes=x:99999999999 minShapes=x:1,,y:2 memPoolSize=space:1 memPoolSize=workspace:1Q avgTiming=0 iterations=0 iterations=1.5 \
    infStreams=99999999999 duration=long duration=-2 persistentCacheRatio=1.1 builderOptimizationLevel=6 sparsity=maybe useRuntime=fat inputIOFormats=fp99:chw inputIOFormats=fp32:zyx weightStreamingBudget=101% \
    weightStreamingBudget=-3 tacticSources=+MAGIC loadInputs=x loadInputs=:f layerPrecisions=a:fp99 layerDeviceTypes=a:TPU layerDeviceTypes=a:DLA tempfileControls=in_memory:perhaps profile=1 pln-version=9 workspace=1G; do
    expect 1 "--${words%%=*}" "$p" trtexec "$m" "--$words" --skipInference
    ! grep -q "&&&&" "$out" || wrong "--$words begins the work"
done
expect 1 "less, 1, in --maxShapes" "$p" trtexec "$m" "$low" "$usual" --maxShapes=x:1x3x64x64
expect 1 "has 4 dims in --minShapes and 2 in --optShapes" "$p" trtexec "$m" "$low" --optShapes=x:1x3 --maxShapes=x:1x3
expect 1 "the model has no input 'z'" "$p" trtexec "$m" --shapes=z:1x2
expect 1 "dim 1 of input 'x' is 3 in the model, not 4" "$p" trtexec "$m" --shapes=x:1x4x64x64
expect 1 "--profile=0 has no shapes" "$p" trtexec "$m" --profile=0
expect 1 "fixed in the model" "$p" trtexec --onnx="$source/tests/fuzz/corpus/import/abs.onnx" --shapes=x:3x4x5 --skipInference

# ---- the table against what was shown ----
rm -rf "$cell"
cd "$scratch"
sort -u shown >a
awk '$NF == "yes" { print $1 }' table | sort -u >b
cmp -s a b || wrong "flags that a test shows (<) are not those that the table says it does (>): $(diff a b | grep '^[<>]' | tr '\n' ' ')"
flags=$(wc -l <table) without=$(awk '$NF != "yes"' table | wc -l)
[ $((without * 20)) -le "$flags" ] || wrong "$without of $flags flags have no test"
echo "$flags flags, $without without a test"
finish
