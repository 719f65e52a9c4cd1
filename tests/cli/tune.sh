# tune.sh PLANISH SOURCE_DIR RT_RUN: kernels that are measured. The second build with a timing cache gives the same bytes, also after builds at the same time; a damaged cache is
# said and replaced; --tune off needs none.
set -eu
p=$1 source=$2 rt_run=$3
. "$source/tests/cli/lib.sh"
zoo=$source/tests/models/zoo
cd "$scratch"
cp "$zoo/mobilenet_v2.ts/model.onnx" m.onnx
cp "$zoo/unet.ts/model.onnx" u.onnx
cp "$zoo/bert.ts/model.onnx" b.onnx
# built PLAN COUNTS OPTIONS…: the model of that letter becomes PLAN; COUNTS is what the report says of measured, found and estimated problems.
built() {
    plan=$1 counts=$2
    shift 2
    expect 0 "$counts" "$p" build "$(echo "$plan" | cut -c1).onnx" -o "$plan" --json=report "$@"
    # shellcheck disable=SC2086
    set -- $(sed -n 's/.*"tuned":{"measured":\([0-9]*\),"found":\([0-9]*\),"estimated":\([0-9]*\)}.*/\1 \2 \3/p' report)
    measured=${1:-none} found=${2:-none} estimated=${3:-none}
}
same() { count=$((count + 1)); cmp "$1" "$2" >.out 2>&1 || wrong "$1 and $2 differ"; }
is() { count=$((count + 1)); [ "$1" = "$2" ] || wrong "$3: $1, not $2"; }

# By default build measures, and keeps what it has measured where plans are kept.
for model in m u b; do
    built $model.first "kernels chosen: "
    all=$((measured + found + estimated))
    is $found 0 "found in an empty cache ($model)"
    measured_first=$measured estimated_first=$estimated
    built $model.second "kernels chosen: 0 measured, "
    is $measured 0 "measured again ($model)"
    is $((found + estimated)) $all "problems of $model"
    is $found $measured_first "found of $model"
    is $estimated "$estimated_first" "estimated of $model"
    same $model.first $model.second
done
is "$(find "$PLANISH_CACHE_DIR/timings" -type f | wc -l | tr -d ' ')" 1 "files of timings"
expect 0 "timings/" "$p" cache list
# Another number of threads is another machine; so is another cap of the CPU.
threads=$(($(nproc) + 1))
built u.more "kernels chosen: " --threads $threads
is $found 0 "found for another number of threads"
built u.portable "kernels chosen: " --target portable
export PLANISH_CPU_ISA=portable
built u.capped "kernels chosen: "
is "$found" 0 "found for another CPU"
unset PLANISH_CPU_ISA
# In a file of the user's.
built u.named "kernels chosen: " --timing-cache my.times --tune full
built u.named2 "kernels chosen: 0 measured, " --timing-cache my.times --tune full
same u.named u.named2
for model in u.named u.more; do expect 0 "" "$rt_run" $model; done

# Off: no cache, no measuring, the same bytes. So are builds on the fly, and those whose timings could not be kept.
for how in "--tune off" "--tune off --no-cache" "--no-cache"; do
    # shellcheck disable=SC2086
    expect 0 '"tuned":null' "$p" build u.onnx -o u.off --json $how
    [ -e u.off.first ] || cp u.off u.off.first
    same u.off u.off.first
done
expect 0 '"tuned":null' "$p" inspect u.onnx --json
expect 0 "kernels chosen: " "$p" inspect u.onnx --tune fast --no-cache
expect 0 "kernels chosen: 0 measured" "$p" inspect u.onnx --tune full --timing-cache my.times

# Damaged: said, and begun anew. Another kind of file: refused, and left alone.
cp my.times whole.times
head -c 50 whole.times >my.times
expect 0 "the timing cache 'my.times' is not used" "$p" build u.onnx -o u.plan --timing-cache my.times
built u.third "kernels chosen: 0 measured, " --timing-cache my.times
same u.plan u.third
printf 'x' | dd of=my.times bs=1 seek=60 conv=notrunc 2>/dev/null
expect 0 "its checksum does not fit" "$p" build u.onnx -o u.plan --timing-cache my.times
cp u.onnx before
expect 2 "'u.onnx' is no timing cache" "$p" build u.onnx -o u.plan --timing-cache u.onnx
same u.onnx before
mkdir folder
expect 1 "folder" "$p" build u.onnx -o u.plan --timing-cache folder
expect 0 "timings are not kept: " "$p" build u.onnx -o u.plan --timing-cache no/such/folder.times
for file in "$PLANISH_CACHE_DIR"/timings/*; do echo text >"$file"; done
expect 0 "warning: " "$p" build m.onnx -o m.plan
built m.third "kernels chosen: 0 measured, "
same m.plan m.third

# Builds at the same time: each plan is what the cache, as all have left it, gives again.
for model in m u b; do "$p" build $model.onnx -o $model.at -q --timing-cache all.times & done
"$p" build u.onnx -o u.too -q --timing-cache all.times &
wait
for model in m u b; do
    built $model.after "kernels chosen: 0 measured, " --timing-cache all.times
    same $model.at $model.after
done
same u.too u.after

# One plan for two levels runs on both.
if grep -qw avx2 /proc/cpuinfo 2>/dev/null && "$p" inspect m.onnx --target x86-64-v3 >/dev/null 2>&1; then
    built m.both "kernels chosen: " --target x86-64-v2,x86-64-v3
    for level in x86-64-v2 x86-64-v3; do
        PLANISH_CPU_ISA=$level expect 0 "" "$rt_run" m.both
    done
    built m.both2 "kernels chosen: " --target x86-64-v2,x86-64-v3
    same m.both m.both2
fi
expect 2 "--tune wants off, fast or full" "$p" build m.onnx -o m.plan --tune slow
finish
