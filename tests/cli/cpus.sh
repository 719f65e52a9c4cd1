# cpus.sh PLANISH SOURCE_DIR: --cpus says where threads run.
set -eu
p=$1 source=$2
. "$source/tests/cli/lib.sh"
model="$source/tests/models/zoo/bert.ts/model.onnx"
cd "$scratch"
[ -r /proc/self/status ] || { echo "no /proc here"; exit 77; }
allowed=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status)
# first and last of "0-3,8".
one=$(echo "$allowed" | sed 's/[-,].*//')
two=$(echo "$allowed" | sed 's/.*[-,]//')

# list_of NAME: where the threads of that name of process $pid may run; waits until there is one.
list_of() {
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        for task in /proc/$pid/task/*; do
            [ "$(cat "$task/comm" 2>/dev/null)" != "$1" ] || sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' "$task/status"
        done >found
        if [ -s found ] && grep -qx "$2" found; then break; fi
        sleep 0.1
    done
    count=$((count + 1))
    grep -qx "$2" found || wrong "$1 may run on '$(cat found)', not on $2"
}

# Threads of the pool have a CPU each, in the order of the list, and begin with it again; all others may be on any of the list.
"$p" bench "$model" --cpus "$two,$one" --threads 3 --duration 20 -q >out 2>&1 &
pid=$!
list_of planish-1 "$one"
list_of planish-2 "$two"
if [ "$one" = "$two" ]; then both=$one; elif [ $((one + 1)) -eq "$two" ]; then both="$one-$two"; else both="$one,$two"; fi
list_of planish "$both"
kill $pid
wait $pid || true

# As many threads as there are CPUs in it.
expect 0 '"threads":1' "$p" bench "$model" --cpus "$one" --duration 0.1 --json
expect 0 "" "$p" run "$model" --cpus "$one-$one" --random 1
expect 0 "&&&& PASSED" "$p" trtexec --onnx="$model" --pln-cpus="$one" --duration=0.1 --iterations=1
expect 0 "1 thread" "$p" build "$model" -o m.plan --cpus "$one" --tune off -v

for list in "" , x 1- -1 1,,2 1-x 99999 3-1 "1 2"; do expect 2 "--cpus wants numbers and ranges" "$p" run "$model" --random 1 --cpus "$list"; done
expect 2 "this process may not use CPU 8191" "$p" run "$model" --random 1 --cpus "$one,8191"
finish
