# platform.sh SOURCE_DIR [CLANG]: configuring stops at once, with a sentence, for targets that the sources do not serve.
set -eu
source=$1 clang=${2-}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failures=0
fail() {
    echo "FAILED: $*"
    sed 's/^/    /' "$scratch/log"
    failures=$((failures + 1))
}
# stops WORDS COMMAND…: it fails, and says so (messages are wrapped, so on one line).
stops() {
    words=$1
    shift
    if "$@" >"$scratch/log" 2>&1; then fail "did not stop: $*"; fi
    tr -s ' \n' '  ' <"$scratch/log" | grep -qF "$words" || fail "does not say '$words': $*"
}

# By what CMake finds out of a compiler.
stops "Planish needs a 64-bit target" cmake -DCMAKE_SIZEOF_VOID_P=4 -DCMAKE_C_BYTE_ORDER=LITTLE_ENDIAN -P "$source/cmake/platform.cmake"
stops "this compiler makes 32-bit programs" cmake -DCMAKE_SIZEOF_VOID_P=4 -DCMAKE_C_BYTE_ORDER=BIG_ENDIAN -P "$source/cmake/platform.cmake"
stops "Planish needs a little-endian target" cmake -DCMAKE_SIZEOF_VOID_P=8 -DCMAKE_C_BYTE_ORDER=BIG_ENDIAN -P "$source/cmake/platform.cmake"
cmake -DCMAKE_SIZEOF_VOID_P=8 -DCMAKE_C_BYTE_ORDER=LITTLE_ENDIAN -P "$source/cmake/platform.cmake" >"$scratch/log" 2>&1 || fail "stops on a target that is served"

# By compilers, of which no library is needed: the try is compiled only.
configure() {
    folder=$1
    shift
    cmake -S "$source" -B "$scratch/$folder" -DCMAKE_TRY_COMPILE_TARGET_TYPE=STATIC_LIBRARY -DCMAKE_SYSTEM_NAME=Linux "$@"
}
if [ -n "$clang" ]; then
    stops "Planish needs a little-endian target" configure big -DCMAKE_C_COMPILER="$clang" -DCMAKE_C_COMPILER_TARGET=powerpc64-linux-gnu -DCMAKE_SYSTEM_PROCESSOR=ppc64
    stops "Planish needs a 64-bit target" configure narrow -DCMAKE_C_COMPILER="$clang" -DCMAKE_C_COMPILER_TARGET=i686-linux-gnu -DCMAKE_SYSTEM_PROCESSOR=i686
else
    echo "note: no clang, so without real compilers of such targets"
fi
[ $failures -eq 0 ]
