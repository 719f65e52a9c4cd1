# passes.sh PLANISH FOLDER: each pass switched off once, on every case of the folder: the answers stay right.
set -eu
p=$1 folder=$2
passes=$("$p" ops --passes)
[ -n "$passes" ] || { echo "FAILED: planish ops --passes names none"; exit 1; }
wrong=0
for pass in $passes; do
    log=$("$p" check --max-rel-err 1e-3 --disable-pass "$pass" "$folder") || wrong=$((wrong + 1))
    printf 'without %s: %s\n' "$pass" "$log"
done
[ $wrong -eq 0 ] || { echo "$wrong passes cannot be switched off"; exit 1; }
