# commands.sh PLANISH SOURCE_DIR PAGE…: every command of the pages runs as printed, in a folder that looks like the source tree after `make`, and prints what
# the page shows. How a page writes them: docs/testing.md, "Documents".
set -eu
planish=$1 source=$2
shift 2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
PATH=${planish%/*}:$PATH PLANISH_DEVICE=${PLANISH_DEVICE:-cpu} PLANISH_CACHE_DIR=$scratch/cache HOME=$scratch
export PATH PLANISH_DEVICE PLANISH_CACHE_DIR HOME
here=$source/tests/docs
if ! "$planish" ops Conv | grep -q avx2; then
    echo "this build has no kernels for x86-64, of which the documents speak"
    exit 77
fi
failures=0 count=0 parsed=0
wrong() {
    echo "FAILED: $page:$line: $*"
    failures=$((failures + 1))
}
# What a machine, a day or a compiler changes: times, rates, sizes, devices, how many steps there are, tiles and instruction sets in names of kernels, late digits.
same_everywhere() {
    sed -E -e '/^planish [a-z]+: .*(so far|left)$/d' \
        -e 's/^(device cpu: |cpu  ).*/\1/; s/[0-9]+ steps/N steps/g; s/(there is no cuda:[0-9]+): .*/\1/' \
        -e 's/_(f32|f16|i8|u8)_[a-z0-9_]*/_\1/g' \
        -e 's/[0-9]+(\.[0-9]+)? (ns|µs|ms|s|min)\b/T/g; s/[0-9]+(\.[0-9]+)? (B|KiB|MiB|GiB)\b/SIZE/g' \
        -e 's/[0-9]+(\.[0-9]+)? (runs|samples)\/s/R/g; s/\([0-9]+ runs\)/(N runs)/; s/(relative error) [-+.e0-9]+/\1 E/g' \
        -e 's/(-?[0-9]\.[0-9]{2})[0-9]+/\1/g; s/[ \t]+/ /g; s/ $//' "$1"
}
# A line `...` of the page stands for any lines.
agrees() {
    same_everywhere "$1" >"$scratch/want"
    same_everywhere "$2" >"$scratch/got"
    awk 'NR == FNR { want[++n] = $0; next } { got[++m] = $0 }
        function fits(i, j) {
            for (; i <= n; i++) {
                if (want[i] == "...") { for (; j <= m + 1; j++) if (fits(i + 1, j)) return 1; return 0 }
                if (j > m || want[i] != got[j]) return 0
                j++
            }
            return j > m
        }
        END { exit !fits(1, 1) }' "$scratch/want" "$scratch/got"
}
# What cannot run here is read: the options of planish by planish, which parses them before --help; targets and presets where they stand; programs of the tree.
parse() {
    parsed=$((parsed + 1))
    plain=$(printf '%s\n' "$1" | sed 's/ *# .*//; s/[|>].*//')
    set -- $plain
    while case ${1-} in [A-Z]*=* | sudo) ;; *) false ;; esac; do shift; done
    case ${1-} in
    planish | */planish)
        sh -c "$(echo "$plain" | sed 's/^sudo //') --help" >"$scratch/out" 2>&1 </dev/null || wrong "'$plain': $(head -1 "$scratch/out")"
        ;;
    make)
        for word in "$@"; do
            case $word in
            make | *=*) ;;
            *) grep -qE "^$word:" "$source/Makefile" || wrong "the Makefile makes no '$word'" ;;
            esac
        done
        ;;
    cmake | ctest)
        preset=$(echo "$plain" | sed -n 's/.*--preset[= ]\([a-z]*\).*/\1/p')
        [ -z "$preset" ] || grep -q "\"name\": \"$preset\"" "$source/CMakePresets.json" || wrong "there is no preset '$preset'"
        ;;
    scripts/* | tests/* | bench/* | .ci/*)
        [ -x "$source/$1" ] || wrong "there is no program $1"
        ;;
    esac
    sh -n -c "$plain" 2>"$scratch/out" || wrong "'$plain': $(cat "$scratch/out")"
}
run() {
    case $1 in
    *"# needs "* | make | make\ * | cmake\ * | ctest\ *) parse "$1" && return ;;
    esac
    count=$((count + 1))
    status=0
    (cd "$work" && sh -c "$1") >"$scratch/printed" 2>&1 </dev/null || status=$?
}
# The command before is over: it must have worked, unless the page shows how it fails, and printed what the page shows.
settle() {
    [ -n "$command" ] || return 0
    if [ -s "$scratch/shown" ]; then
        agrees "$scratch/shown" "$scratch/printed" || wrong "'$command' prints:
$(diff -u "$scratch/want" "$scratch/got" | sed 1,2d)"
    elif [ "$status" -ne 0 ]; then
        wrong "'$command': exit status $status: $(cat "$scratch/printed")"
    fi
    command=
}
for page in "$@"; do
    work=$scratch/$(echo "${page%.md}" | tr / -)
    mkdir "$work"
    for entry in "$source"/*; do
        [ "$entry" = "$source/build" ] || ln -s "$entry" "$work/"
    done
    ln -s "${planish%/bin/*}" "$work/build"
    awk -f "$here/extract.awk" "$source/$page" >"$scratch/list"
    command='' status=0
    while IFS='	' read -r kind text; do
        [ "${kind% *}" = output ] || settle
        line=${kind#* }
        case $kind in
        before\ *) (cd "$work" && sh -c "$text") >"$scratch/printed" 2>&1 </dev/null || wrong "before: $(cat "$scratch/printed")" ;;
        command\ *)
            : >"$scratch/shown"
            status=0 command=
            parsed_before=$parsed
            run "$text"
            [ "$parsed" -ne "$parsed_before" ] || command=$text
            ;;
        output\ *) printf '%s\n' "$text" >>"$scratch/shown" ;;
        stray\ *) wrong "a command in no \`\`\`sh or \`\`\`console block, so that nothing runs it: $text" ;;
        esac
    done <"$scratch/list"
    settle
done
echo "$count commands ran, $parsed were read, $failures wrong"
[ $failures -eq 0 ]
