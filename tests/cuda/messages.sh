# messages.sh PLANISH SOURCE_DIR: what is missing for a GPU is named, with what to do. Started with the fakes (tests/fake_cuda/run).
set -eu
p=$1 source=$2
. "$source/tests/cli/lib.sh"
model=$source/tests/models/zoo/mobilenet_v2.ts/model.onnx
cd "$scratch"

# No driver, no GPU, too old a driver.
expect 1 "no NVIDIA driver" env LD_LIBRARY_PATH= "$p" run "$model" --device cuda --random 1
expect 0 "no NVIDIA driver" env LD_LIBRARY_PATH= "$p" doctor
expect 1 "sees no GPU" env FAKE_CUDA_GPUS=0 "$p" run "$model" --device cuda --random 1
expect 1 "there is no cuda:1" "$p" run "$model" --device cuda:1 --random 1
expect 1 "CUDA 11.4 or later" env FAKE_CUDA_VERSION=11020 "$p" run "$model" --device cuda --random 1
expect 1 "cuGraphLaunch" env FAKE_CUDA_MISSING=cuGraphLaunch "$p" run "$model" --device cuda --random 1
expect 0 "Fake GPU (sm_90a)" "$p" doctor
expect 0 "CUDA 12.4" "$p" doctor
expect 0 'CUDA 12.4","compiler":"NVRTC' "$p" doctor --json
# A GPU that is too old; one that is newer than anything known.
expect 1 "7.2 or later" env FAKE_CUDA_ARCH=61 "$p" run "$model" --device cuda --random 1
expect 1 "capability 13.0, for which" env FAKE_CUDA_ARCH=130 "$p" run "$model" --device cuda --random 1
# A later one of a generation that is known takes the code of the one before it.
expect 0 "(sm_100)" env FAKE_CUDA_ARCH=103 "$p" run "$model" --device cuda --random 1
expect 0 "(sm_120)" env FAKE_CUDA_ARCH=121 "$p" run "$model" --device cuda --random 1
expect 0 "(sm_86)" env FAKE_CUDA_ARCH=88 "$p" run "$model" --device cuda --random 1
# No compiler of device code.
expect 1 "PLANISH_NVRTC" env PLANISH_NVRTC=/nowhere/libnvrtc.so "$p" build "$model" --device cuda -o no.plan
expect 0 "PLANISH_NVRTC" env PLANISH_NVRTC=/nowhere/libnvrtc.so "$p" doctor
# A plan for another GPU: built again, or what is missing is said.
expect 0 "" "$p" build "$model" --device cuda --target cuda:sm_80 -o other.plan
expect 1 "sm_80" "$p" run other.plan --random 1 --no-rebuild
expect 1 "sm_90a" "$p" run other.plan --random 1 --no-rebuild
expect 0 "built again from the graph inside" "$p" run other.plan --random 1
expect 0 "" env FAKE_CUDA_ARCH=80 "$p" run other.plan --random 1 --no-rebuild
expect 0 "" env FAKE_CUDA_ARCH=86 "$p" run other.plan --random 1 --no-rebuild
# Plans are built for GPUs that are not here, and need no driver then.
expect 0 "" env LD_LIBRARY_PATH= "$p" build "$model" --device cuda --target cuda:sm_80 -o other.plan
expect 1 "no NVIDIA driver" env LD_LIBRARY_PATH= "$p" run other.plan --random 1
# Memory.
expect 1 "memory" env FAKE_CUDA_MEMORY=0 "$p" run "$model" --device cuda --random 1
finish
