# speech.sh PROGRAM DATA: speech is heard where it is, and what is no sound is refused.
set -eu
program=$1 data=$2
"$program" "$data/speech.onnx" "$data/speech.wav" | diff "$data/speech.txt" -
if "$program" "$data/speech.onnx" "$data/page.png" 2>/dev/null; then exit 1; fi
if "$program" "$data/speech.wav" "$data/speech.wav" 2>/dev/null; then exit 1; fi
