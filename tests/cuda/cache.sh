# cache.sh PLANISH SOURCE_DIR: device code that a build has compiled is taken from the cache by the next; damaged and hostile files are not; builds at the same
# time. Started with the fakes (tests/fake_cuda/run).
set -eu
p=$1 source=$2
. "$source/tests/cli/lib.sh"
model=$source/tests/models/zoo/lstm_bi.ts/model.onnx
cd "$scratch"
export PLANISH_CACHE_DIR="$scratch/kept/deep" FAKE_NVRTC_COUNT="$scratch/compiled"
compiled() { wc -l <compiled | tr -d ' '; }
# built N WHAT ARGUMENTS…: a build that compiles N sources.
built() {
    sources=$1 what=$2
    shift 2
    : >compiled
    expect 0 "" "$p" build "$model" --device cuda -o model.plan "$@"
    [ "$(compiled)" -eq "$sources" ] || { echo "FAILED: $what: $(compiled) sources were compiled, not $sources"; failures=$((failures + 1)); }
}

: >compiled
expect 0 "$PLANISH_CACHE_DIR" "$p" cache dir
expect 0 "0 entries" "$p" cache list
expect 0 "0 entries removed" "$p" cache clean
built "$("$p" build "$model" --device cuda -o first.plan --no-cache >/dev/null 2>&1 && compiled)" "an empty cache"
n=$(compiled)
[ "$n" -gt 0 ] || { echo "FAILED: nothing is compiled"; failures=$((failures + 1)); }
cmp first.plan model.plan || failures=$((failures + 1))
expect 0 "$n entries" "$p" cache list
built 0 "a full cache"
cmp first.plan model.plan || failures=$((failures + 1))
built "$n" "--no-cache" --no-cache
built "$n" "another architecture" --target cuda:sm_80
expect 0 "$((2 * n)) entries" "$p" cache list
built 0 "two architectures" --target cuda:sm_80,cuda:sm_90a
expect 0 "taken from the cache" "$p" build "$model" --device cuda -o model.plan -v

# Files that are damaged, cut, empty, of others, no files at all: compiled again, and replaced.
cd kept/deep/code
set -- *.bin
one=$1
keep() { cp "$one" "$scratch/whole"; }
# spoilt WHAT: after the entry was spoilt, one source is compiled, the plan is right, and the entry is whole again.
spoilt() {
    cd "$scratch"
    built 1 "$1" --target cuda:sm_80,cuda:sm_90a
    cd "$PLANISH_CACHE_DIR/code"
    cmp "$one" "$scratch/whole" || { echo "FAILED: $1: the entry is not mended"; failures=$((failures + 1)); }
}
keep
for at in 0 8 12 16 24 32 40 48 64 1000; do
    printf '\377' | dd of="$one" bs=1 seek=$at conv=notrunc 2>/dev/null
    cmp -s "$one" "$scratch/whole" || spoilt "byte $at changed"
done
size=$(wc -c <"$one")
printf '\001\002\003' | dd of="$one" bs=1 seek=$((size - 3)) conv=notrunc 2>/dev/null
spoilt "its last bytes changed"
head -c 40 "$scratch/whole" >"$one"
spoilt "cut in its head"
head -c $((size - 1)) "$scratch/whole" >"$one"
spoilt "cut"
echo >>"$one"
spoilt "longer"
: >"$one"
spoilt "empty"
cp "$2" "$one"
spoilt "another one's contents"
chmod o+w "$one"
spoilt "to be written by everybody"
rm "$one"
ln -s "$scratch/whole" "$one"
spoilt "a link"
rm "$one"
spoilt "gone"
# What can be neither read nor replaced: without, and it is said.
rm "$one"
mkfifo "$one"
cd "$scratch"
built 1 "a pipe" --target cuda:sm_80,cuda:sm_90a
expect 0 "device code is not kept" "$p" build "$model" --device cuda --target cuda:sm_80,cuda:sm_90a -o model.plan
rm "$PLANISH_CACHE_DIR/code/$one"
# No folder to write to.
: >file
expect 0 "device code is not kept" env PLANISH_CACHE_DIR="$scratch/file/cache" "$p" build "$model" --device cuda -o model.plan
expect 0 "device code is not kept" env PLANISH_CACHE_DIR="$scratch/file" "$p" build "$model" --device cuda -o model.plan
cmp first.plan model.plan || failures=$((failures + 1))
expect 1 "file" env PLANISH_CACHE_DIR="$scratch/file" "$p" cache list
expect 0 "$scratch/xdg/planish" env PLANISH_CACHE_DIR= XDG_CACHE_HOME="$scratch/xdg" "$p" cache dir
expect 0 "/.cache/planish" env PLANISH_CACHE_DIR= XDG_CACHE_HOME=relative "$p" cache dir
expect 2 "dir, list or clean" "$p" cache
expect 2 "dir, list or clean" "$p" cache empty

# Builds at the same time, into a cache that is being emptied.
rm -rf "$PLANISH_CACHE_DIR"
for i in 1 2 3 4; do "$p" build "$model" --device cuda -o "$i.plan" >"$i.log" 2>&1 & done
"$p" cache clean >/dev/null || failures=$((failures + 1))
wait
for i in 1 2 3 4; do cmp first.plan $i.plan || { cat $i.log; failures=$((failures + 1)); }; done
[ -z "$(find "$PLANISH_CACHE_DIR" -name '*.tmp-*')" ] || { echo "FAILED: temporary files are left"; failures=$((failures + 1)); }

# Emptying: what is not ours stays, what a dead build left behind goes.
built "$n" "--no-cache" --no-cache
"$p" build "$model" --device cuda -o model.plan >/dev/null 2>&1
echo mine >"$PLANISH_CACHE_DIR/code/mine.txt"
left=$PLANISH_CACHE_DIR/code/00000000000000000000000000000000.bin.tmp-00000000
touch -d '2 hours ago' "$left"
expect 0 '"count":' "$p" cache list --json
expect 0 "0 entries removed" "$p" cache clean --keep 1G
expect 0 "$n entries removed" "$p" cache clean
expect 0 "0 entries" "$p" cache list
[ -e "$PLANISH_CACHE_DIR/code/mine.txt" ] || { echo "FAILED: a file of somebody else was removed"; failures=$((failures + 1)); }
[ ! -e "$left" ] || { echo "FAILED: a left temporary file stays"; failures=$((failures + 1)); }

# Plans built on the fly are kept in the same folder: one that is found compiles nothing, one for another GPU or compiler is another.
"$p" cache clean >/dev/null
flying() { # N WHAT TEXT COMMAND…: N sources are compiled, and TEXT is said
    sources=$1 what=$2 text=$3
    shift 3
    : >compiled
    expect 0 "$text" "$@"
    [ "$(compiled)" -eq "$sources" ] || { echo "FAILED: $what: $(compiled) sources were compiled, not $sources"; failures=$((failures + 1)); }
}
flying "$n" "a plan on the fly" "built in" "$p" inspect "$model" --device cuda
flying 0 "a kept plan" "(cached)" "$p" inspect "$model" --device cuda
expect 0 "$((n + 1)) entries" "$p" cache list
"$p" cache clean >/dev/null
flying "$n" "an emptied cache" "built in" "$p" inspect "$model" --device cuda
flying "$n" "another GPU" "built in" env FAKE_CUDA_ARCH=80 "$p" inspect "$model" --device cuda
flying 0 "the first GPU again" "(cached)" "$p" inspect "$model" --device cuda
flying "$n" "--no-cache" "built in" "$p" inspect "$model" --device cuda --no-cache
# A folder that cannot be used is said once, for device code and plans.
expect 0 "nothing is kept in the cache" env PLANISH_CACHE_DIR="$scratch/file" "$p" inspect "$model" --device cuda
[ "$(grep -c 'kept' .out)" -eq 1 ] || { echo "FAILED: a folder that cannot be used is said more than once"; failures=$((failures + 1)); }
mkdir "$scratch/half" "$scratch/half/plans"
: >"$scratch/half/code"
expect 0 "device code is not kept" env PLANISH_CACHE_DIR="$scratch/half" "$p" inspect "$model" --device cuda
[ "$(grep -c 'kept' .out)" -eq 1 ] || { echo "FAILED: half a folder is said more than once"; failures=$((failures + 1)); }
finish
