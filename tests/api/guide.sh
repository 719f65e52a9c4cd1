# guide.sh GUIDE.md CC INCLUDE_DIR LIBRARY_DIR MODELS WORK_DIR: the code blocks of the guide, one behind the other, are a program that compiles as
# C99 without a warning and runs.
set -eu
guide=$1 cc=$2 include=$3 libraries=$4 models=$5 work=$6
rm -rf "$work"
mkdir -p "$work"
awk '/^```c$/ { on = 1; next } /^```$/ { on = 0 } on' "$guide" >"$work/guide.c"
if [ ! -s "$work/guide.c" ]; then
    echo "$guide: no code blocks"
    exit 1
fi
"$cc" -std=c99 -pedantic-errors -Wall -Wextra -Wshadow -Werror -I"$include" "$work/guide.c" -o "$work/guide" -L"$libraries" -lplanish -lplanish_rt \
    -Wl,-rpath,"$libraries"
"$work/guide" "$models/mobilenet_v2.ts/model.onnx" "$models/gpt2_past.dynamo/model.onnx" "$work/guide.plan" >"$work/output.txt" || {
    cat "$work/output.txt"
    exit 1
}
cat "$work/output.txt"
grep -q 'image 2: class' "$work/output.txt"
grep -q 'the store holds 8 positions' "$work/output.txt"
grep -q "not registered: 'com.acme:Scale'" "$work/output.txt"
grep -qF 'line 0: [the] [quick] [brown] [fox]' "$work/output.txt"
grep -qF 'line 1: [jumps]' "$work/output.txt"
grep -q 'scaled: 3 6 9' "$work/output.txt"
