# targets.sh PLANISH SOURCE_DIR RT_RUN [ARCH]: plans for several GPUs and CPU levels: the best of them is taken, numbers are right, what is missing is said, and built again
# from the graph inside; the device that is meant where none is named. Started with the fakes (tests/fake_cuda/run), or with ARCH, that of the first GPU, without them.
set -eu
p=$1 source=$2 rt=$3 real=${4-}
. "$source/tests/cli/lib.sh"
case $p in /*) ;; *) p=$PWD/$p ;; esac
case $rt in /*) ;; *) rt=$PWD/$rt ;; esac
zoo=$(cd "$source" && pwd)/tests/models/zoo
cd "$scratch"
levels=portable
"$p" ops --device cpu MatMul | grep -q avx512 && levels=x86-64-v3,x86-64-v4
arch=${real:-sm_90a}
other=sm_80
[ "$arch" != sm_80 ] || other=sm_90a

# On the machine at hand, and where the CPU can do less.
for name in gpt2_past.dynamo bert.ts; do
    expect 0 "" "$p" build "$zoo/$name/model.onnx" --device cuda --target "cuda:$other,cuda:$arch,$levels" -o "$name.plan"
    expect 0 " 0 differ" "$p" compare "$name.plan" --vs "$zoo/$name/test_data_set_0" --no-rebuild
    expect 0 " 0 differ" env PLANISH_CPU_ISA=x86-64-v3 "$p" compare "$name.plan" --vs "$zoo/$name/test_data_set_0" --no-rebuild
done
expect 0 "device cuda" "$p" run bert.ts.plan --random 1 --no-rebuild
expect 0 "y 2 2 64" "$rt" bert.ts.plan # the small library, which needs no compiler
expect 0 "$([ "$other" = sm_80 ] && echo "sm_80, $arch" || echo "$other, $arch")" "$p" inspect bert.ts.plan
if [ $levels != portable ]; then
    # Code for a GPU is in the plan once, whatever the number of CPU levels.
    "$p" build "$zoo/bert.ts/model.onnx" --device cuda --target "cuda:$other,cuda:$arch,x86-64-v3" -o one.plan >/dev/null 2>&1
    one=$(wc -c <one.plan) two=$(wc -c <bert.ts.plan)
    [ $((two - one)) -lt 65536 ] || { echo "FAILED: a second CPU level costs $((two - one)) bytes"; failures=$((failures + 1)); }
fi
# This machine's among others; what is named twice is there once.
expect 0 "" "$p" build "$zoo/bert.ts/model.onnx" --device cuda --target "cuda:$other,sm_120,$other,native" -o native.plan
expect 0 "; $other, sm_120, $arch" "$p" inspect native.plan
# No code for this GPU.
missing=sm_120
expect 0 "" "$p" build "$zoo/bert.ts/model.onnx" --device cuda --target "cuda:$missing,$levels" -o missing.plan
expect 1 "the plan has device code for $missing, this GPU is $arch" "$p" run missing.plan --random 1 --no-rebuild
expect 0 "built again from the graph inside" "$p" compare missing.plan --vs "$zoo/bert.ts/test_data_set_0"
expect 0 " 0 differ" "$p" compare missing.plan --vs "$zoo/bert.ts/test_data_set_0"
if [ -z "$real" ]; then
    # Kernels that one of the GPUs lacks are there for the others.
    expect 0 "" "$p" build "$zoo/bert.ts/model.onnx" --device cuda --fp16 --target "cuda:sm_75,cuda:sm_90a,$levels" -o mixed.plan
    for pair in 75:matmul_f32_64x64_cuda 90:matmul_f16_128x64_sm80; do
        expect 0 "${pair#*:}" env FAKE_CUDA_ARCH="${pair%:*}" "$p" inspect mixed.plan
        expect 0 " 0 differ" env FAKE_CUDA_ARCH="${pair%:*}" "$p" compare mixed.plan --vs "$zoo/bert.ts/test_data_set_0" --tolerance 2e-2 --no-rebuild
    done
    expect 1 "the plan has device code for sm_75, sm_90a, this GPU is sm_80" env FAKE_CUDA_ARCH=80 "$p" run mixed.plan --random 1 --no-rebuild
    expect 1 "there is no cuda:0" env FAKE_CUDA_GPUS=0 "$p" run mixed.plan --random 1
    # Each of the GPUs that the plan is for; one that is of the same generation and later; others.
    for level in 80 86 90; do expect 0 " 0 differ" env FAKE_CUDA_ARCH=$level "$p" compare bert.ts.plan --vs "$zoo/bert.ts/test_data_set_0" --no-rebuild; done
    expect 1 "the plan has device code for sm_80, sm_90a, this GPU is sm_75" env FAKE_CUDA_ARCH=75 "$p" run bert.ts.plan --random 1 --no-rebuild
    expect 0 "built again from the graph inside" env FAKE_CUDA_ARCH=75 "$p" compare bert.ts.plan --vs "$zoo/bert.ts/test_data_set_0"
fi

# Where no device is named: the first GPU, present and usable or not; else the CPU.
unset PLANISH_DEVICE
model=$zoo/mobilenet_v2.ts
expect 0 "device cuda:0" "$p" run "$model/model.onnx" --random 1
expect 0 "device cpu" "$p" run "$model/model.onnx" --random 1 --device cpu
expect 0 "device cpu" env PLANISH_DEVICE=cpu "$p" run "$model/model.onnx" --random 1
expect 0 "device cuda:0" "$p" check --max-rel-err 1e-3 "$model"
expect 0 "1 passed, 0 failed" "$p" check --max-rel-err 1e-3 "$model"
expect 0 "device cpu" "$p" build "$model/model.onnx" --target portable -o cpu.plan
expect 0 "device cpu" "$p" run cpu.plan --random 1
expect 1 "PLANISH_NVRTC" env PLANISH_NVRTC=/nowhere/libnvrtc.so "$p" run "$model/model.onnx" --random 1
if [ -z "$real" ]; then
    expect 0 "device cpu" env FAKE_CUDA_GPUS=0 "$p" run "$model/model.onnx" --random 1
    expect 0 "device cpu" env FAKE_CUDA_GPUS=0 "$p" check "$model"
    expect 1 "CUDA 11.4 or later" env FAKE_CUDA_VERSION=11020 "$p" run "$model/model.onnx" --random 1
    expect 1 "use --device cpu" env FAKE_CUDA_VERSION=11020 "$p" check "$model"
    expect 1 "cuGraphLaunch" env FAKE_CUDA_MISSING=cuGraphLaunch "$p" run "$model/model.onnx" --random 1
    [ -e /dev/nvidia0 ] || expect 0 "device cpu" env LD_LIBRARY_PATH= "$p" run "$model/model.onnx" --random 1
fi
finish
