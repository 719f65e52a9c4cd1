# targets.sh PLANISH SOURCE_DIR RT_RUN: a plan for several CPU levels computes what the plan for the machine's level computes, to the bit, with the small library
# alone; its numbers are right at each level; weights are there once. Untimed: a timed build may choose the rows of a lower level, and programs that are the
# same are kept once. 77 where there is but one level.
set -eu
p=$1 source=$2 rt=$3
. "$source/tests/cli/lib.sh"
zoo=$source/tests/models/zoo
cd "$scratch"

if ! "$p" ops Conv | grep -q avx512; then
    echo "a portable build has one level"
    exit 77
fi
# The levels that this machine has.
levels=portable
"$p" build "$zoo/bert.ts/model.onnx" -o probe.plan --tune off --target x86-64-v3 --no-rebuild >/dev/null && "$rt" probe.plan >/dev/null 2>&1 && levels="$levels x86-64-v3"
"$p" build "$zoo/bert.ts/model.onnx" -o probe.plan --tune off --target x86-64-v4 --no-rebuild >/dev/null && "$rt" probe.plan >/dev/null 2>&1 && levels="$levels x86-64-v4"

for folder in "$zoo"/*/; do
    name=$(basename "$folder")
    "$p" build "$folder/model.onnx" -o all.plan --tune off --target x86-64-v4,portable,x86-64-v3 >/dev/null
    size=0
    for level in $levels; do
        "$p" build "$folder/model.onnx" -o "$level.plan" --tune off --target $level >/dev/null
        size=$(wc -c <"$level.plan")
        count=$((count + 1))
        if case $name in gpt2_past* | llama*) false ;; esac; then # what rt_run draws fits no past
            PLANISH_CPU_ISA=$level "$rt" all.plan >all.txt 2>&1 && PLANISH_CPU_ISA=$level "$rt" $level.plan >one.txt 2>&1 && cmp all.txt one.txt || {
                echo "FAILED: $name at $level: not what a plan for that level alone computes"
                tail -n 2 all.txt one.txt
                failures=$((failures + 1))
            }
        fi
        expect 0 " 0 differ" env PLANISH_CPU_ISA=$level "$p" compare all.plan --vs "$folder/test_data_set_0" --no-rebuild
    done
    expect 0 "targets portable, x86-64-v3, x86-64-v4" "$p" inspect all.plan
done
# Three levels cost less than one more copy of the weights: the two that pack alike share them.
"$p" build "$zoo/mobilenet_v2.ts/model.onnx" -o two.plan --tune off --target x86-64-v3,x86-64-v4 >/dev/null
"$p" build "$zoo/mobilenet_v2.ts/model.onnx" -o one.plan --tune off --target x86-64-v4 >/dev/null
two=$(wc -c <two.plan) one=$(wc -c <one.plan)
[ $((two - one)) -lt $((one / 8)) ] || { echo "FAILED: a second level costs $((two - one)) bytes beside $one"; failures=$((failures + 1)); }
# Levels that are not there are named; the small library cannot build again, the command does.
expect 1 "the plan is for CPUs with x86-64-v3, or x86-64-v4; this machine does not have, or PLANISH_CPU_ISA hides: sse4.2 avx avx2 fma f16c" env PLANISH_CPU_ISA=portable "$rt" two.plan
expect 1 "hides: avx2 fma f16c" env PLANISH_CPU_ISA=sse4.2+avx "$p" run two.plan --random 1 --no-rebuild
expect 0 "built again from the graph inside" env PLANISH_CPU_ISA=portable "$p" compare two.plan --vs "$zoo/mobilenet_v2.ts/test_data_set_0"
finish
