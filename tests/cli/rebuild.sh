# rebuild.sh PLANISH SOURCE_DIR: plans for a larger machine are built again from the graph inside, and say what was missing. 77 where no machine is larger.
set -eu
p=$1 source=$2
. "$source/tests/cli/lib.sh"
zoo=$source/tests/models/zoo
cd "$scratch"

"$p" build "$zoo/bert.ts/model.onnx" -o bert.plan --tune off --target x86-64-v4 >/dev/null 2>&1 || exit 77
"$p" build "$zoo/bert.ts/model.onnx" -o bare.plan --tune off --target x86-64-v4 --no-rebuild >/dev/null
[ "$(wc -c <bare.plan)" -lt "$(wc -c <bert.plan)" ] || { echo "FAILED: --no-rebuild does not leave the graph out"; failures=$((failures + 1)); }
# The plans of a portable build run anywhere: nothing to build again.
if "$p" ops Conv | grep -q avx512; then
    export PLANISH_CPU_ISA=avx2
    expect 1 "avx512f" "$p" run bert.plan --random 1 --no-rebuild
    expect 1 "avx512f" "$p" run bare.plan --random 1
    expect 0 "this engine cannot run here" "$p" inspect bert.plan
    expect 0 "built again from the graph inside" "$p" run bert.plan --random 1
    expect 0 '"load_ms"' "$p" bench bert.plan --duration 0.1 --warm-up 1 --json
    for folder in "$zoo"/*/; do
        name=$(basename "$folder")
        env -u PLANISH_CPU_ISA "$p" build "$folder/model.onnx" -o "$name.plan" --tune off --target x86-64-v4 >/dev/null
        expect 0 "built again from the graph inside" "$p" compare "$name.plan" --vs "$folder/test_data_set_0"
        case $name in
        unet*) dims=n=1,h=16,w=16 ;;
        gpt2_past*) dims=s64=2 ;; # the mask covers past and new tokens
        *) dims= ;;
        esac
        expect 0 " 0 differ" "$p" compare "$name.plan" "$folder/model.onnx" --tolerance 1e-5 ${dims:+--dim "$dims"}
    done
    unset PLANISH_CPU_ISA
fi
"$p" build "$zoo/bert.ts/model.onnx" -o here.plan >/dev/null # whose device is all that is wrong, also on a machine that cannot run bert.plan
expect 0 "device ref" "$p" run here.plan --random 1 --device ref
expect 0 "built for device 'cpu', not for 'ref'" "$p" run here.plan --random 1 --device ref
finish
