# headers.sh LANGUAGE COMPILER INCLUDE_DIR: every public header compiles alone, in C99 or C++, without a warning.
set -eu
language=$1 compiler=$2 include=$3
case $language in
c) flags='-std=c99 -Wstrict-prototypes' ;;
c++) flags='-std=c++11' ;;
esac
if [ -z "$compiler" ] || ! command -v "$compiler" >/dev/null; then
    echo "no $language compiler (Debian: apt install g++)"
    exit 77
fi
status=0 count=0
for header in "$include"/planish/*.h "$include"/planish/experimental/*.h; do
    [ -e "$header" ] || continue
    count=$((count + 1))
    name=${header#"$include"/}
    # Twice: the guard is part of the test.
    # shellcheck disable=SC2086
    printf '#include "%s"\n#include "%s"\nextern int planish_header_test;\nint planish_header_test = 0;\n' "$name" "$name" |
        "$compiler" -x "$language" $flags -fsyntax-only -pedantic-errors -Wall -Wextra -Werror -I"$include" - || {
        echo "$name: does not compile alone as $language"
        status=1
    }
done
# A function without the mark would not be exported.
unmarked=$(grep -nE '^[a-z][^#/]*[ *]pln_[a-z0-9_]+\(' "$include"/planish/*.h | grep -vE 'PLN_API|static inline' || true)
if [ -n "$unmarked" ]; then
    echo "declared without PLN_API:"
    echo "$unmarked"
    status=1
fi
echo "$count headers"
exit $status
