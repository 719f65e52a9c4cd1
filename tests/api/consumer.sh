# consumer.sh BUILD_DIR SOURCE_DIR CC: installs into a folder of its own, moves it, builds programs with it, and takes it away again.
set -eu
build=$1 source=$2 cc=$3
work=$build/tests/consumer
rm -rf "$work"
mkdir -p "$work"
# As `make install` does it, with DESTDIR.
DESTDIR=$work/stage cmake --install "$build" --prefix /opt/planish >/dev/null
mv "$work/stage/opt/planish" "$work/prefix"
sh "$source/tests/api/consumer_build.sh" "$work/prefix" "$work/programs" "$source/tests/api/consumer" "$cc"

if grep -rlE "$work|/opt/planish|$build" "$work/prefix" | grep -E '\.(pc|cmake)$'; then
    echo "the files above hold folders of the build or the installation: not relocatable"
    exit 1
fi
for file in LICENSE README.md CHANGELOG.md c-api.md versions.md examples/load_and_run.c; do
    [ -s "$work/prefix/share/doc/planish/$file" ] || { echo "share/doc/planish/$file is not installed"; exit 1; }
done
# What comes with the command, where it is built and can run here.
if [ -e "$work/prefix/bin/planish" ] && [ -e "$build/tools/man/planish.1" ]; then
    for file in man/man1/planish.1 man/man1/planish-build.1 bash-completion/completions/planish zsh/site-functions/_planish fish/vendor_completions.d/planish.fish; do
        [ -s "$work/prefix/share/$file" ] || { echo "share/$file is not installed"; exit 1; }
    done
    "$work/prefix/bin/planish" --version
fi

DESTDIR=$work/stage cmake --install "$build" --prefix /opt/planish >/dev/null
MAKEFLAGS='' make -s -C "$source" uninstall BUILD="$build" DESTDIR="$work/stage" >/dev/null
left=$(find "$work/stage" -type f -o -type l)
[ -z "$left" ] || { echo "make uninstall leaves:" $left; exit 1; }
