# complete.sh PLANISH SOURCE_DIR: the documents have all that they list, and nothing that is gone.
set -eu
planish=$1 source=$2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failures=0
# same WHAT: $scratch/want and $scratch/got, in any order.
same() {
    sort "$scratch/want" >"$scratch/a"
    sort "$scratch/got" >"$scratch/b"
    [ -s "$scratch/a" ] && cmp -s "$scratch/a" "$scratch/b" && return 0
    echo "FAILED: $1 (< wanted, > found):"
    diff "$scratch/a" "$scratch/b" | grep '^[<>]' || echo "there are none"
    failures=$((failures + 1))
}
# none WHAT: $scratch/bad is empty.
none() {
    [ -s "$scratch/bad" ] || return 0
    echo "FAILED: $1:"
    cat "$scratch/bad"
    failures=$((failures + 1))
}
cd "$source"
# A section for each status code, with its value and text.
sed -n 's/^ *X(\(PLN_[A-Z_]*\), \([0-9]*\), "\(.*\)").*/## \1 (\2): \3/p' include/planish/status.h >"$scratch/want"
grep '^## PLN_' docs/errors.md >"$scratch/got"
same "docs/errors.md has not one section for each code of status.h"
# A row for each subcommand.
sed -n 's/^COMMAND(\(.*\))/\1/p' tools/commands.inc >"$scratch/want"
sed -n '1,/^## /s/^| `\([a-z]*\)` |.*/\1/p' docs/command-line.md >"$scratch/got"
same "docs/command-line.md lists other commands than there are"
# Every page is listed for its readers, and its commands are run.
ls docs | grep '\.md$' | grep -v '^README.md$' >"$scratch/want"
sed -n 's/^| \[\([A-Za-z-]*\.md\)\].*/\1/p' docs/README.md >"$scratch/got"
same "docs/README.md lists other pages than there are"
ls README.md CONTRIBUTING.md docs/*.md >"$scratch/want"
tr ' )' '\n\n' <tests/docs/CMakeLists.txt | grep '\.md$' >"$scratch/got"
same "tests/docs/CMakeLists.txt runs the commands of other pages than there are"
# Links lead to files.
for page in README.md CONTRIBUTING.md docs/*.md; do
    folder=$(dirname "$page")
    grep -o '](\([^)#: ]*\)[^):]*)' "$page" | sed 's/^](//; s/[#)].*//' | sort -u | while read -r link; do
        [ -z "$link" ] || [ -e "$folder/$link" ] || echo "$page: $link"
    done
done >"$scratch/bad"
none "links that lead nowhere"
# The page of operators has each operator once, and what it says of devices is what they say.
"$planish" ops --markdown >"$scratch/page"
cmp -s docs/operators.md "$scratch/page" || {
    echo "FAILED: docs/operators.md is not what planish ops --markdown prints; make docs writes it (< page, > command):"
    diff docs/operators.md "$scratch/page" | head -20
    failures=$((failures + 1))
}
# The page of trtexec's flags is what the table of them says.
"$planish" trtexec --pln-markdown >"$scratch/page2"
cmp -s docs/trtexec.md "$scratch/page2" || {
    echo "FAILED: docs/trtexec.md is not what planish trtexec --pln-markdown prints; make docs writes it (< page, > command):"
    diff docs/trtexec.md "$scratch/page2" | head -20
    failures=$((failures + 1))
}
"$planish" ops | sed -n '3,$s/^\([A-Za-z][A-Za-z0-9.]*\)  *[0-9][0-9]*-[0-9].*/\1/p' >"$scratch/want"
sed -n 's/^| \([A-Za-z][A-Za-z0-9.]*\) | [0-9].*/\1/p' "$scratch/page" >"$scratch/got"
same "planish ops --markdown has other operators than planish ops"
grep -q '^| Relu | [0-9-]* | [^|]* | elementwise.relu | f32 |' "$scratch/page" || { echo "FAILED: no row of Relu"; failures=$((failures + 1)); }
# The examples of --help are commands that the command takes: it parses their options before --help.
for command in $(sed -n 's/^COMMAND(\(.*\))/\1/p' tools/commands.inc); do
    "$planish" "$command" --help | sed -n '/^Examples:/,$p' | grep '^  .*planish' | sed 's/ [|>].*//' | while read -r example; do
        PATH="${planish%/*}:$PATH" sh -c "$example --help" >"$scratch/out" 2>&1 || echo "$example: $(head -1 "$scratch/out")"
    done
done >"$scratch/bad"
none "examples of --help"
# Commands in the text of the pages, too, but for those that are forms (… | [ COMMAND) and what is said of other programs.
for page in README.md CONTRIBUTING.md docs/*.md; do
    grep -o '`planish [a-z][^`]*`' "$page" | tr -d '`' | grep -v '…\|[][|<>]\|COMMAND' | sort -u | while read -r example; do
        PATH="${planish%/*}:$PATH" sh -c "$example --help" >"$scratch/out" 2>&1 || echo "$page: $example: $(head -1 "$scratch/out")"
    done
done >"$scratch/bad"
none "commands in the text"
echo "$failures wrong"
[ $failures -eq 0 ]
