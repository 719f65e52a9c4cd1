# ocr.sh PROGRAM SOURCE: the picture of the demo says what it should; a line stands on its head, one is aslant, one is light on dark.
set -eu
program=$1 source=$2
models=$("$source/scripts/fetch_models") || exit 77
det=$models/ppocr/ch_PP-OCRv4_det_infer.onnx cls=$models/ppocr/ch_ppocr_mobile_v2.0_cls_infer.onnx rec=$models/ppocr/ch_PP-OCRv4_rec_infer.onnx
read=$("$program" "$det" "$cls" "$rec" "$source/examples/data/page.png")
echo "$read"
echo "$read" | sed 's/^ *[0-9]*%  //; s/  (upside down)$//' | diff "$source/examples/data/page.txt" -
[ "$(echo "$read" | grep -c 'upside down')" -eq 1 ]
"$program" "$det" "$cls" "$rec" "$source/examples/data/line.png" | grep 'hammered flat with many light blows, 2026'
if "$program" "$det" "$cls" "$rec" "$source/README.md" 2>/dev/null; then exit 1; fi
if "$program" "$cls" "$det" "$rec" "$source/examples/data/page.png" 2>/dev/null; then exit 1; fi
