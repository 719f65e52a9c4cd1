# processes.sh PLANISH SOURCE_DIR: `planish check` with several cases a process. A case whose data.json is a pipe that nobody fills hangs.
set -eu
p=$1 source=$2
. "$source/tests/cli/lib.sh"
bert=$source/tests/models/zoo/bert.ts
cd "$scratch"
for name in a b c; do
    mkdir -p cases/$name
    cp -r "$bert"/* cases/$name
done
tolerances=cases/b/data.json

# check MOST WHAT…: in the background, with b's tolerances a pipe; goes on when b reads it.
start() {
    rm -f $tolerances
    mkfifo $tolerances
    "$p" check --jobs 1 "$@" cases >out 2>err &
    pid=$!
    exec 3>$tolerances
}
end() {
    status=0
    wait $pid || status=$?
    exec 3>&-
    cat out err >all
}
kill_worker() {
    for worker in $(cat /proc/$pid/task/$pid/children); do kill -KILL "$worker"; done
}

for most in 1 3; do
    start --process-cases $most --timeout 1
    end
    expect 1 "b: timeout: more than 1 s" sh -c "cat all; exit $status"
    expect 0 "2 passed, 1 failed, 0 skipped" cat all
done
if [ -r /proc/self/task/self/children ] || [ -r /proc/$$/task/$$/children ]; then
    # The first of its process: it is to blame.
    start --process-cases 1
    kill_worker
    end
    expect 1 "b: crash: Killed" sh -c "cat all; exit $status"
    expect 0 "2 passed, 1 failed, 0 skipped" cat all
    # Others went before it: it runs once more, alone, and by now nothing is to be waited for.
    start --process-cases 3
    rm $tolerances
    kill_worker
    end
    expect 0 "passes in a process of its own; in one that had run 1 other: crash: Killed" sh -c "cat all; exit $status"
    expect 0 "3 passed, 0 failed, 0 skipped" cat all
fi
# After a failure a new process goes on.
rm -f $tolerances
head -c 10 "$bert/test_data_set_0/input_0.pb" >cases/b/test_data_set_0/input_0.pb
expect 1 "2 passed, 1 failed, 0 skipped" "$p" check --jobs 1 --process-cases 3 cases
finish
