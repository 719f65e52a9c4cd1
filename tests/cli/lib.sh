# What the tests of the command share. expect STATUS TEXT COMMAND…: runs it; its exit status must be STATUS and TEXT (a fixed string)
# must stand in what it prints. wrong TEXT: what a test has looked at itself is not as it should be.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# The device that is meant where a test names none, whatever the machine has; and nothing in the user's cache: plans are each test's own, so that it always sees the
# same, compiled device code is shared by those of a build, as it takes long to compile.
mkdir "$scratch/cache"
if [ -n "${PLANISH_CACHE_DIR:-}" ]; then
    mkdir -p "$PLANISH_CACHE_DIR/code"
    ln -s "$(cd "$PLANISH_CACHE_DIR/code" && pwd)" "$scratch/cache/code"
fi
export LC_ALL=C.UTF-8 PLANISH_DEVICE="${PLANISH_DEVICE:-cpu}" PLANISH_CACHE_DIR="$scratch/cache"
failures=0 count=0
wrong() {
    echo "FAILED: $*"
    [ ! -e "$scratch/.out" ] || tr '\r' '\n' <"$scratch/.out" | sed 's/^/    /'
    failures=$((failures + 1))
}
expect() {
    want=$1 text=$2
    shift 2
    count=$((count + 1))
    status=0
    "$@" >"$scratch/.out" 2>&1 </dev/null || status=$?
    if [ $status -ne "$want" ]; then wrong "exit status $status, not $want: $*"
    elif ! grep -qF -- "$text" "$scratch/.out"; then wrong "no '$text' in the output of: $*"
    fi
}
finish() {
    echo "$count commands, $failures wrong"
    [ $failures -eq 0 ]
}
