# decode_greedy.sh PROGRAM MODEL: what was decoded token by token, from the store, is what the model says when it is given all of it as the prompt.
set -eu
program=$1 model=$2
for prompt in "77 8" "5"; do # of those that change their mind on the way
    # shellcheck disable=SC2086
    all=$("$program" "$model" 12 $prompt)
    first=$(echo "$all" | cut -d' ' -f1-2)
    rest=$(echo "$all" | cut -d' ' -f3-)
    # shellcheck disable=SC2086
    again=$("$program" "$model" 10 $prompt $first)
    echo "decoded: $all"
    [ "$(echo "$all" | wc -w)" -eq 12 ] || exit 1
    [ "$(echo "$all" | tr ' ' '\n' | sort -u | wc -l)" -gt 1 ] || { echo "one token alone proves little"; exit 1; }
    [ "$rest" = "$again" ] || { echo "from the whole prompt: $again"; exit 1; }
done
if "$program" "$model" 0 5 2>/dev/null; then exit 1; fi
