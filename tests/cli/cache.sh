# cache.sh PLANISH SOURCE_DIR: plans of ONNX files are kept and taken again where nothing that they depend on has changed; damaged ones are built again; the folder
# stays small, and one that cannot be used is said once.
set -eu
p=$1 source=$2
. "$source/tests/cli/lib.sh"
zoo=$source/tests/models/zoo
export PLANISH_CACHE_DIR="$scratch/kept/deep"
cd "$scratch"
plans() { find "$PLANISH_CACHE_DIR/plans" -name '*.plan' 2>/dev/null | wc -l | tr -d ' '; }
# builds COMMAND…, hits COMMAND…: the command builds a plan, or takes one from the cache. inspect and bench say which.
builds() { expect 0 "built in" "$@"; ! grep -q "(cached)" .out || wrong "taken from the cache: $*"; }
hits() { expect 0 "(cached)" "$@"; ! grep -q "built in" .out || wrong "built: $*"; }
# misses COMMAND…: it builds, and a second time it does not.
misses() { builds "$@"; hits "$@"; }
# holds N WHAT: so many plans are kept.
holds() { count=$((count + 1)); [ "$(plans)" -eq "$1" ] || wrong "$2: $(plans) plans are kept, not $1"; }

cp "$zoo/mobilenet_v2.ts/model.onnx" m.onnx
quick="--duration 0.02 --warm-up 1"
misses "$p" inspect m.onnx
holds 1 "the first plan"
# All commands that build on the fly share it, wherever the model lies and however old it is; their reports are those of a build.
cp m.onnx elsewhere.onnx
touch -d '2020-01-01' elsewhere.onnx
# shellcheck disable=SC2086
hits "$p" bench elsewhere.onnx $quick
# shellcheck disable=SC2086
expect 0 '"build_ms":null,"load_ms":' "$p" bench m.onnx $quick --json
# shellcheck disable=SC2086
expect 0 '"load_ms":null' "$p" bench m.onnx $quick --json --no-cache
expect 0 "plan taken from the cache" "$p" run m.onnx --random 1 -v
expect 0 "equal" "$p" compare m.onnx
holds 2 "one for the reference device"
for command in "inspect m.onnx --steps" "run m.onnx --random 1" "compare m.onnx" "inspect m.onnx --dump"; do
    count=$((count + 1))
    # shellcheck disable=SC2086
    for how in "" --no-cache; do "$p" $command $how 2>/dev/null | sed 's/built in [^,]*$//; s/loaded in .*(cached)$//; s/^ran \(.*\) in .*/\1/' >"said$how"; done
    diff said said--no-cache >.out || wrong "a cached plan makes another report: $command"
done
"$p" run m.onnx --random 1 -o cached >/dev/null 2>&1
"$p" run m.onnx --random 1 -o built --no-cache >/dev/null 2>&1
cmp cached/y.npy built/y.npy || failures=$((failures + 1))
# --no-cache neither reads nor writes; build, check and what asks for a build do not use it.
holds 2 "--no-cache"
builds "$p" inspect m.onnx --no-cache
"$p" inspect m.onnx --no-cache --disable-pass fold >/dev/null
"$p" build m.onnx -o m.plan >/dev/null
builds "$p" build m.onnx -o m.plan
"$p" check "$zoo/bert.ts" >/dev/null
"$p" trtexec --onnx=m.onnx --duration=0 --iterations=1 --warmUp=1 >/dev/null
"$p" compare m.onnx --bisect-passes >/dev/null
"$p" compare m.onnx --layers >/dev/null
expect 0 "; after fold" "$p" inspect m.onnx --dump-after fold
expect 0 "; after fold" "$p" inspect m.onnx --dump-after fold
expect 1 "DIFFERS" "$p" compare "$zoo/unet.ts/model.onnx" --broken-pass fold --dim n=1,h=16,w=16 --a cpu
expect 0 "0 differ" "$p" compare "$zoo/unet.ts/model.onnx" --dim n=1,h=16,w=16 --a cpu
holds 4 "what is not kept" # unet for cpu and ref
rm -rf "$PLANISH_CACHE_DIR"

"$p" compare m.onnx --bisect-passes >/dev/null 2>&1
"$p" compare m.onnx --layers >/dev/null 2>&1
holds 0 "an empty cache"

# What makes another plan.
misses "$p" inspect m.onnx
misses "$p" inspect m.onnx --disable-pass fold
misses "$p" inspect m.onnx --disable-pass fold --disable-pass cse
misses "$p" inspect m.onnx --device ref
misses "$p" inspect m.onnx --target portable
misses "$p" inspect m.onnx --target portable,x86-64-v3
misses "$p" inspect m.onnx --fp16
misses "$p" inspect m.onnx --bf16
misses "$p" inspect m.onnx --tf32 on
misses "$p" inspect m.onnx --winograd off
misses "$p" inspect m.onnx --require-device
misses "$p" inspect m.onnx --tune fast
misses "$p" inspect m.onnx --tune full
misses "$p" inspect m.onnx --tune full --timing-cache my.times
"$p" build m.onnx -o m.plan --tune full --disable-pass fold >/dev/null
hits "$p" inspect m.onnx --tune fast # others' times do not make it another plan
misses "$p" inspect m.onnx --tune fast --threads $(($(nproc) + 1))
# shellcheck disable=SC2086
misses "$p" bench m.onnx --no-rebuild $quick
# shellcheck disable=SC2086
misses "$p" bench m.onnx --preprocess imagenet $quick
# shellcheck disable=SC2086
misses "$p" bench m.onnx --preprocess unit $quick
! grep -qw avx2 /proc/cpuinfo 2>/dev/null || misses env PLANISH_CPU_ISA=x86-64-v2 "$p" inspect m.onnx
hits "$p" inspect m.onnx # they have not driven each other out
# Another build of the program: the linker's hash of it says so (where it is one piece with the library).
if command -v readelf >/dev/null && ! readelf -d "$p" | grep -q 'NEEDED.*libplanish'; then
    note=$(readelf -SW "$p" | sed -n 's/.*\.note\.gnu\.build-id *NOTE *[0-9a-f]* \([0-9a-f]*\).*/\1/p')
    cp "$p" other_build
    printf 'other' | dd of=other_build bs=1 seek=$((0x$note + 16)) conv=notrunc 2>/dev/null
    misses ./other_build inspect m.onnx
    hits "$p" inspect m.onnx
fi
# One byte of the model: a weight.
at=$(($(wc -c <m.onnx) - 20000))
cp m.onnx changed.onnx
printf '\125' | dd of=changed.onnx bs=1 seek=$at conv=notrunc 2>/dev/null
cmp -s m.onnx changed.onnx && printf '\252' | dd of=changed.onnx bs=1 seek=$at conv=notrunc 2>/dev/null
misses "$p" inspect changed.onnx
# One byte of its external data, with the time of the file as it was.
mkdir ext
cp "$source"/tests/models/external/* ext/
misses "$p" inspect ext/model.onnx
for file in weights body constant function; do # an initializer's, one's in a body, a Constant's, one's in a function
    touch -r ext/$file.bin stamp
    printf '\102' | dd of=ext/$file.bin bs=1 seek=3 conv=notrunc 2>/dev/null
    touch -r stamp ext/$file.bin
    misses "$p" inspect ext/model.onnx
done
rm ext/function.bin
expect 1 "function.bin" "$p" inspect ext/model.onnx # a kept plan does not hide what is missing

# Entries that are damaged, cut, empty, another's, no plain files: built again without a word, and replaced.
rm -rf "$PLANISH_CACHE_DIR"
"$p" inspect m.onnx --device ref >/dev/null
other=$(ls "$PLANISH_CACHE_DIR"/plans/*.plan)
builds "$p" inspect m.onnx
one=$(ls "$PLANISH_CACHE_DIR"/plans/*.plan | grep -vF "$other")
cp "$one" whole
size=$(wc -c <whole)
spoilt() {
    builds "$p" inspect m.onnx -q
    [ "$(wc -l <.out)" -eq "$("$p" inspect m.onnx -q --no-cache 2>&1 | wc -l)" ] || wrong "$1 is talked about"
    cmp "$one" whole || wrong "$1: the entry is not mended"
    hits "$p" inspect m.onnx
}
for at in 0 8 16 40 64 200 1000 $((size / 2)) $((size - 70)); do
    byte=$(dd if=whole bs=1 skip="$at" count=1 2>/dev/null | od -An -tu1 | tr -d ' ')
    # shellcheck disable=SC2059
    printf "\\$(printf '%03o' $((byte ^ 16)))" | dd of="$one" bs=1 seek="$at" conv=notrunc 2>/dev/null
    spoilt "byte $at changed"
done
head -c $((size / 2)) whole >"$one"
spoilt "a cut entry"
: >"$one"
spoilt "an empty entry"
echo text >"$one"
spoilt "a text"
cp "$other" "$one"
builds "$p" inspect m.onnx --device cpu # another device's
# A sound plan of another model, with this model's name.
hits "$p" inspect m.onnx
"$p" inspect "$zoo/lstm_bi.ts/model.onnx" >/dev/null
stranger=$(ls "$PLANISH_CACHE_DIR"/plans/*.plan | grep -vF "$other" | grep -vF "$one")
cp "$stranger" "$one"
spoilt "another model's plan"
rm "$stranger"
cp whole "$one"
chmod o+w "$one"
spoilt "one that everybody can write"
rm "$one"
ln -s "$scratch/whole" "$one"
spoilt "a link"
rm "$one"
spoilt "one that is gone"

# A folder that cannot be used: without, which is said once, and only once for two models.
: >file
for folder in "$scratch/file" "$scratch/file/cache"; do
    expect 0 "warning: nothing is kept in the cache: cannot make the folder '$folder" env PLANISH_CACHE_DIR="$folder" "$p" compare m.onnx
    [ "$(grep -c 'is kept' .out)" -eq 1 ] || wrong "it is said more than once"
    grep -q 'PLANISH_CACHE_DIR names another folder, --no-cache does without' .out || wrong "it is not said what to do"
    expect 0 "built in" env PLANISH_CACHE_DIR="$folder" "$p" inspect m.onnx
    expect 0 "built in" env PLANISH_CACHE_DIR="$folder" "$p" inspect m.onnx --no-cache
    ! grep -q 'is kept' .out || wrong "--no-cache looks at the folder"
done
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
    chmod 755 "$scratch" "$scratch/kept" "$PLANISH_CACHE_DIR" "$PLANISH_CACHE_DIR/plans"
    as_nobody="setpriv --reuid=65534 --clear-groups"
    # shellcheck disable=SC2086
    if $as_nobody env "$p" --version >/dev/null 2>&1; then
        hits $as_nobody "$p" inspect m.onnx # it can be read
        rm "$one"
        expect 0 "nothing is kept in the cache: cannot write to '$PLANISH_CACHE_DIR/plans': Permission denied" $as_nobody "$p" compare m.onnx --b cpu
        [ "$(grep -c 'is kept' .out)" -eq 1 ] || wrong "it is said more than once"
        builds "$p" inspect m.onnx
    fi
fi
# Why a folder cannot be made, not that it is not there.
mkdir closed
chmod 555 closed
deep=$scratch/closed/cache/deep
if [ "$(id -u)" -ne 0 ]; then expect 0 "cannot make the folder '$deep/plans': Permission denied" env PLANISH_CACHE_DIR="$deep" "$p" run m.onnx --random 1
elif command -v setpriv >/dev/null && setpriv --reuid=65534 --clear-groups env "$p" --version >/dev/null 2>&1; then
    chmod 755 "$scratch"
    expect 0 "cannot make the folder '$deep/plans': Permission denied" setpriv --reuid=65534 --clear-groups env PLANISH_CACHE_DIR="$deep" "$p" run m.onnx --random 1
fi
# A full disk is no failure.
expect 0 "built in" sh -c "ulimit -f 100; '$p' inspect m.onnx --disable-pass fold"
grep -q "nothing is kept in the cache: .*File too large" .out || wrong "a full disk is not told"
[ -z "$(find "$PLANISH_CACHE_DIR" -name '*.tmp-*')" ] || wrong "half a plan is left"

# Commands at the same time, into a cache that is being emptied.
rm -rf "$PLANISH_CACHE_DIR"
for i in 1 2 3 4 5 6; do "$p" run m.onnx --random 1 -o "out$i" >"$i.log" 2>&1 & done
"$p" cache clean >/dev/null || failures=$((failures + 1))
wait
for i in 1 2 3 4 5 6; do cmp "out$i/y.npy" built/y.npy || { cat $i.log; failures=$((failures + 1)); }; done
[ -z "$(find "$PLANISH_CACHE_DIR" -name '*.tmp-*')" ] || wrong "temporary files are left"

# list, clean, and the limit: what was not used for the longest time goes, of whatever kind.
rm -rf "$PLANISH_CACHE_DIR"
"$p" inspect m.onnx >/dev/null
expect 0 "  plans/" "$p" cache list
expect 0 "1 entry, 1." "$p" cache list
expect 0 '"name":"plans/' "$p" cache list --json
one=$(ls "$PLANISH_CACHE_DIR"/plans/*.plan)
mkdir "$PLANISH_CACHE_DIR/code"
large() { truncate -s "$1" "$2" && touch -d "$3" "$2"; } # takes no room on the disk
oldest=$PLANISH_CACHE_DIR/code/00000000000000000000000000000001.bin
older=$PLANISH_CACHE_DIR/plans/00000000000000000000000000000002.plan
young=$PLANISH_CACHE_DIR/plans/00000000000000000000000000000003.plan
large 1G "$oldest" "3 days ago"
large 1G "$older" "2 days ago"
large 2500M "$young" "1 day ago"
touch -d "9 days ago" "$one"
hits "$p" inspect m.onnx # used now: it is the youngest
echo mine >"$PLANISH_CACHE_DIR/plans/mine.plan"
builds "$p" inspect m.onnx --disable-pass fold
[ ! -e "$oldest" ] && [ -e "$older" ] && [ -e "$young" ] && [ -e "$one" ] || wrong "the limit: $(ls "$PLANISH_CACHE_DIR"/*)"
expect 0 "1 entry removed, 1.0 GiB" "$p" cache clean --keep 3G
[ ! -e "$older" ] || wrong "clean --keep leaves the older"
expect 0 "3 entries removed" "$p" cache clean
expect 0 "0 entries" "$p" cache list
[ -e "$PLANISH_CACHE_DIR/plans/mine.plan" ] || wrong "a file of somebody else was removed"

# What a model is warned of is said at every run, so its plan is not kept.
{ cat m.onnx && printf '\010\347\007'; } >newer.onnx # the last ir_version counts
for _ in 1 2; do expect 0 "IR version 999 is newer" "$p" run newer.onnx --random 1; done
holds 1 "a model with a warning" # mine.plan
finish
