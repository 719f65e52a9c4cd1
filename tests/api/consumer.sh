# consumer.sh BUILD_DIR PROJECT CC LIBRARY…: installs into a folder of its own, moves it, and builds a program outside
# with find_package(planish), with pkg-config, and against the static libraries.
set -eu
build=$1 project=$2 cc=$3
shift 3
for last in "$@"; do :; done # the outermost library brings the others
work=$build/tests/consumer
rm -rf "$work"
mkdir -p "$work"
cmake --install "$build" --prefix "$work/first" >/dev/null
mv "$work/first" "$work/prefix"

cmake -S "$project" -B "$work/build" -DCMAKE_PREFIX_PATH="$work/prefix" -DCMAKE_C_COMPILER="$cc" -DLIBRARY="$last" >/dev/null
cmake --build "$work/build" >/dev/null
"$work/build/consumer_shared"
"$work/build/consumer_static"

if command -v pkg-config >/dev/null; then
    PKG_CONFIG_PATH=$(dirname "$(find "$work/prefix" -name planish_rt.pc)")
    export PKG_CONFIG_PATH
    # shellcheck disable=SC2046
    "$cc" "$project/main.c" $(pkg-config --cflags --libs "$last") -o "$work/consumer_pkgconfig"
    LD_LIBRARY_PATH=$(pkg-config --variable=libdir "$last") "$work/consumer_pkgconfig"
fi
if grep -rlF "$work/first" "$work/prefix" | grep -E '\.(pc|cmake)$'; then
    echo "the files above hold the folder of the installation: not relocatable"
    exit 1
fi
# What comes with the command, where it is built and can run here.
if [ -e "$work/prefix/bin/planish" ] && [ -e "$build/tools/man/planish.1" ]; then
    for file in man/man1/planish.1 man/man1/planish-build.1 bash-completion/completions/planish zsh/site-functions/_planish fish/vendor_completions.d/planish.fish; do
        [ -s "$work/prefix/share/$file" ] || { echo "share/$file is not installed"; exit 1; }
    done
fi
