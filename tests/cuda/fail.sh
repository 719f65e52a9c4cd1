# fail.sh PLANISH SOURCE_DIR: every call of the driver in a run of a plan fails once. The command ends with a message and no crash, or, where the call only gives
# something back, as if nothing had happened. Started with the fakes (tests/fake_cuda/run).
set -eu
p=$1 source=$2
. "$source/tests/cli/lib.sh"
cd "$scratch"
model=$source/tests/models/zoo/lstm_bi.ts

"$p" build "$model/model.onnx" --device cuda -o model.plan >build.log 2>&1 || { cat build.log; exit 1; }
FAKE_CUDA_COUNT=counts "$p" run model.plan --random 1 -o clean >run.log 2>&1 || { cat run.log; exit 1; }
calls=$(awk '$1 == "calls" { print $2 }' counts)
live=$(awk '$1 == "live" { print $2 }' counts)
[ "$live" -eq 0 ] || { echo "FAILED: $live things are left at the end"; failures=$((failures + 1)); }
# About a hundred of them, evenly, or as FAIL_STEP says.
step=${FAIL_STEP:-$((calls / 100 + 1))} n=1
while [ "$n" -le "$calls" ]; do
    count=$((count + 1)) state=0
    FAKE_CUDA_FAIL=$n "$p" run model.plan --random 1 -o "out" >log 2>&1 </dev/null || state=$?
    case $state in
    0) diff -r clean out >log2 2>&1 || { echo "FAILED: call $n fails, and outputs differ"; failures=$((failures + 1)); } ;;
    1)
        grep -qE "failed with CUDA_ERROR|memory|there is no|driver" log || {
            echo "FAILED: call $n fails without a reason:"
            cat log
            failures=$((failures + 1))
        }
        ;;
    *)
        echo "FAILED: call $n fails, and the command ends with status $state:"
        cat log
        failures=$((failures + 1))
        ;;
    esac
    rm -rf out
    n=$((n + step))
done
finish
