# speech.sh PROGRAM DATA: speech is heard where it is, and what is no sound is refused.
set -eu
program=$1 data=$2
"$program" "$data/speech.onnx" "$data/speech.wav" | diff "$data/speech.txt" -
if "$program" "$data/speech.onnx" "$data/page.png" 2>/dev/null; then exit 1; fi
if "$program" "$data/speech.wav" "$data/speech.wav" 2>/dev/null; then exit 1; fi
# One that is cut short says so, behind what is heard until there. What stands behind the sound is none.
cut=$(mktemp)
trap 'rm -f "$cut"' EXIT
head -c 30000 "$data/speech.wav" >"$cut"
if "$program" "$data/speech.onnx" "$cut" >/dev/null 2>"$cut.err"; then exit 1; fi
grep -q "cut short" "$cut.err"
rm -f "$cut.err"
{ cat "$data/speech.wav" && head -c 40000 "$data/speech.wav"; } >"$cut"
"$program" "$data/speech.onnx" "$cut" | diff "$data/speech.txt" -
# Who writes to a pipe announces 4 GiB.
{ head -c 40 "$data/speech.wav" && printf '\377\377\377\377' && tail -c +45 "$data/speech.wav"; } >"$cut"
"$program" "$data/speech.onnx" "$cut" | diff "$data/speech.txt" -
