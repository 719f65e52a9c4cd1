# consumer_build.sh PREFIX WORK PROJECT CC: builds programs with what is installed under PREFIX, in the folder WORK, and runs them: with find_package and with
# pkg-config, shared and static, with all of Planish and with the part that runs plans.
set -eu
prefix=$1 work=$2 project=$3 cc=$4
rm -rf "$work"
mkdir -p "$work"
case $(command -v "$cc") in /*) cc=$(command -v "$cc") ;; esac

# needs PROGRAM yes|no: whether it wants libplanish*.so at run time.
needs() {
    if readelf -d "$1" | grep -q 'NEEDED.*libplanish'; then found=yes; else found=no; fi
    [ $found = "$2" ] || { echo "$1: needs shared libraries of Planish: $found"; exit 1; }
}

cmake -S "$project" -B "$work/build" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$cc" -DWANTED=0.1 >"$work/log" || { cat "$work/log"; exit 1; }
cmake --build "$work/build" >"$work/log" || { cat "$work/log"; exit 1; }
for program in run build; do
    needs "$work/build/${program}_shared" yes
    needs "$work/build/${program}_static" no
    "$work/build/${program}_shared"
    "$work/build/${program}_static"
done
# What a user asks for that is not there: another minor version.
if cmake -S "$project" -B "$work/other" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$cc" -DWANTED=0.0 >"$work/log" 2>&1; then
    echo "find_package(planish 0.0) takes what is installed"
    exit 1
fi

command -v pkg-config >/dev/null || { echo "find_package: shared and static; no pkg-config here"; exit 0; }
if [ "$prefix" != /usr ]; then
    PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name planish_rt.pc)")
    export PKG_CONFIG_PATH
fi
libraries=$(pkg-config --variable=libdir planish)
pkg-config --atleast-version=0.1 planish planish_rt
# Linkers take a shared library where there is one, unless the archive is named (docs/packaging.md).
static() { pkg-config --static --libs "$1" | sed 's/-l\(planish[a-z_]*\)/-l:lib\1.a/g'; }
for pair in run:planish_rt build:planish; do
    program=${pair%%:*} package=${pair#*:}
    # shellcheck disable=SC2046
    "$cc" "$project/$program.c" $(pkg-config --cflags --libs "$package") -o "$work/${program}_shared"
    # shellcheck disable=SC2046
    "$cc" "$project/$program.c" $(pkg-config --cflags "$package") $(static "$package") -o "$work/${program}_static"
    needs "$work/${program}_shared" yes
    needs "$work/${program}_static" no
    LD_LIBRARY_PATH=$libraries "$work/${program}_shared"
    "$work/${program}_static"
done
echo "find_package and pkg-config: shared and static"
