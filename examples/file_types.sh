# file_types.sh PROGRAM SOURCE: files of this repository are what they are.
set -eu
program=$1 source=$2
models=$("$source/scripts/fetch_models") || exit 77
cd "$source"
types=$("$program" "$models/magika/model.onnx" "$models/magika/config.min.json" README.md Makefile CMakeLists.txt src/base/arena.c scripts/venv scripts/gen_onnx_tests \
    examples/data/page.png examples/data/speech.onnx examples/data/speech.wav)
echo "$types"
echo "$types" | sed 's/ (.*//' | diff - /dev/fd/3 3<<TYPES
README.md: markdown
Makefile: makefile
CMakeLists.txt: cmake
src/base/arena.c: c
scripts/venv: shell
scripts/gen_onnx_tests: python
examples/data/page.png: png
examples/data/speech.onnx: onnx
examples/data/speech.wav: wav
TYPES
if "$program" "$models/magika/model.onnx" "$models/magika/config.min.json" "$source/missing" 2>/dev/null; then exit 1; fi
