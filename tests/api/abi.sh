# abi.sh SOURCE_DIR BUILD_DIR CC: the binary interface is the committed one, tests/api/abi.txt.
set -eu
source=$1 build=$2 cc=$3
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
if ! echo 'int size[sizeof(long) == 8 && sizeof(void *) == 8 ? 1 : -1];' | "$cc" -x c -fsyntax-only - 2>/dev/null; then
    echo "abi.txt holds for machines of 64 bits"
    exit 77
fi
"$source/scripts/abi_dump" "$build" "$cc" >"$scratch/abi.txt"
diff -u "$source/tests/api/abi.txt" "$scratch/abi.txt" || {
    cat <<END

The binary interface differs from the committed one. Lines with + alone are additions: raise PLN_API_VERSION if a function or a field came, say so in
CHANGELOG.md. Any line with - is a break of what docs/versions.md promises within a soname. Where that is meant:
    scripts/abi_dump $build >tests/api/abi.txt
END
    exit 1
}
echo "$(grep -c . "$scratch/abi.txt") lines, all as committed"
