# models.sh PLANISH SOURCE_DIR: two models on the fake GPU, by every way in: checked, built and run as a plan, on the second GPU, with a wrong answer of none.
set -eu
p=$1 source=$2
. "$source/tests/cli/lib.sh"
zoo=$source/tests/models/zoo
cd "$scratch"

expect 0 "2 passed, 0 failed" "$p" check --device cuda --max-rel-err 1e-3 "$zoo/gpt2_past.dynamo" "$zoo/mobilenet_v2.ts"
expect 0 "2 passed, 0 failed" env FAKE_CUDA_ARCH=75 FAKE_CUDA_SEED=2 "$p" check --device cuda --max-rel-err 1e-3 "$zoo/gpt2_past.dynamo" "$zoo/mobilenet_v2.ts"
expect 0 "1 passed, 0 failed" env FAKE_CUDA_GPUS=2 "$p" check --device cuda:1 --max-rel-err 1e-3 "$zoo/bert.ts"
expect 0 "" "$p" build "$zoo/mobilenet_v2.ts/model.onnx" --device cuda -o model.plan
expect 0 " 0 differ" "$p" compare model.plan --vs "$zoo/mobilenet_v2.ts/test_data_set_0" --tolerance 1e-3
# Rounding to tf32 has to be permitted, and needs a GPU that can.
model=$zoo/mobilenet_v2.ts/model.onnx
expect 0 "conv_tf32_nhwc_128x64_sm80" "$p" build "$model" --device cuda --tf32 on -o tf32.plan
expect 0 "conv_f32_nhwc_64x64_cuda" "$p" build "$model" --device cuda --tf32 on --target cuda:sm_75 -o old.plan
expect 0 "conv_f32_nhwc_64x64_cuda" "$p" build "$model" --device cuda --tf32 off -o model.plan
expect 0 "1 passed, 0 failed" "$p" check --device cuda --tf32 on --max-rel-err 5e-3 "$zoo/unet.ts"
expect 1 "0 passed, 1 failed" "$p" check --device cuda --tf32 on --max-rel-err 1e-6 "$zoo/unet.ts"
expect 0 "" "$p" run tf32.plan --random 1
expect 2 "on or off" "$p" check --tf32 yes "$zoo/mobilenet_v2.ts"
finish
