# layers.sh PLANISH FOLDER: every value in between, optimized against the reference, on the test data of each case of the folder.
set -eu
p=$1 folder=$2
count=0 wrong=0
for case in "$folder"/*/; do
    [ -f "$case/model.onnx" ] || continue
    count=$((count + 1))
    log=$("$p" compare "$case/model.onnx" --a cpu --b ref --layers --input "$case/test_data_set_0" 2>&1) || wrong=$((wrong + 1))
    layers=$(echo "$log" | sed -n 's/^layers: //p')
    case $layers in
    *" compared, 0 differ"*) printf '%s: %s\n' "$(basename "$case")" "$layers" ;;
    *) printf 'FAILED: %s\n%s\n' "$case" "$log" ;;
    esac
done
[ $count -gt 0 ] || { echo "no case is in $folder"; exit 1; }
echo "$((count - wrong)) passed, $wrong failed, 0 skipped"
[ $wrong -eq 0 ]
