# symbols.sh LIB_DIR DECLARED LIBRARY…: what the libraries export, share and need.
#  - PLANISH_0 holds declared functions (PLN_API) only; the build side exports nothing else, the run side the internals
#    that the build side uses (PLANISH_PRIVATE); every name begins with pln_
#  - no symbol, hence no object, is in two libraries
#  - they need libc, libm, libdl, libpthread and each other only
# Functions that are declared but not yet defined make a skip that names them.
set -eu
directory=$1 declared=$2
shift 2
status=0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
complain() {
    echo "$*"
    status=1
}

grep . "$declared" | sort -u >"$scratch/declared"
: >"$scratch/exported"
: >"$scratch/globals"
for library in "$@"; do
    nm -D --defined-only "$directory/lib$library.so" | awk '$2 != "A" { print $3 }' >"$scratch/dynamic"
    sed -n 's/@@PLANISH_0$//p' "$scratch/dynamic" | sort >"$scratch/public"
    cat "$scratch/public" >>"$scratch/exported"
    for name in $(comm -23 "$scratch/public" "$scratch/declared"); do
        complain "lib$library.so exports $name, which no public header declares"
    done
    others=$(grep -v '@@PLANISH_0$' "$scratch/dynamic" || true)
    [ "$library" = planish_rt ] && others=$(echo "$others" | grep -v '^pln_[a-z0-9_]*@@PLANISH_PRIVATE$' || true)
    [ -z "$others" ] || complain "lib$library.so exports more than it should:" $others

    nm -g --defined-only "$directory/lib$library.a" 2>/dev/null | awk 'NF == 3 { print $3 }' | sort -u >"$scratch/archive"
    cat "$scratch/archive" >>"$scratch/globals"
    wrong=$(grep -v '^pln_' "$scratch/archive" || true)
    [ -z "$wrong" ] || complain "lib$library.a: global names that do not begin with pln_:" $wrong

    needs=$(readelf -d "$directory/lib$library.so" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' |
        grep -vE '^(libc|libm|libdl|libpthread|ld-linux[-a-z0-9_]*|libplanish_rt)\.so' || true)
    [ -z "$needs" ] || complain "lib$library.so needs:" $needs
done
twice=$(sort "$scratch/globals" | uniq -d)
[ -z "$twice" ] || complain "in two libraries:" $twice
[ $status -eq 0 ] || exit $status

sort "$scratch/exported" >"$scratch/sorted"
missing=$(comm -13 "$scratch/sorted" "$scratch/declared")
if [ -n "$missing" ]; then
    echo "declared, not yet defined:" $missing
    exit 77
fi
echo "$(wc -l <"$scratch/declared") public functions, all exported, nothing else"
