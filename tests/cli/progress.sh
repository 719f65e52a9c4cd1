# progress.sh PLANISH SOURCE_DIR ON_TERMINAL: work of more than a second says on stderr how far it is: one line again and again on a terminal, plain lines elsewhere,
# nothing when it is told to be quiet; results are not mixed with it.
set -eu
p=$1 source=$2 terminal=$3
. "$source/tests/cli/lib.sh"
model=$source/tests/models/zoo/mobilenet_v2.ts/model.onnx
bench="'$p' bench '$model' --duration 1.6 --warm-up 1"
return=$(printf '\r')
# Elsewhere: lines.
count=$((count + 1))
sh -c "$bench" >"$scratch/results" 2>"$scratch/.out"
grep -qE '^planish bench: measure, [0-9]+%, [0-9]+ s left$' "$scratch/.out" || wrong "no line tells how far bench is"
! grep -q "$return" "$scratch/.out" || wrong "a line is drawn again where there is no terminal"
! grep -q '% *$\|left' "$scratch/results" || wrong "progress on stdout"
count=$((count + 1))
sh -c "$bench -q" >/dev/null 2>"$scratch/.out"
[ ! -s "$scratch/.out" ] || wrong "-q is not quiet"
# A terminal.
on_terminal() { # TERM OPTION…
    count=$((count + 1))
    TERM=$1
    shift
    export TERM
    "$terminal" "$p" bench "$model" --duration 1.6 --warm-up 1 "$@" >"$scratch/.out" 2>&1 </dev/null || wrong "exit status $?"
}
on_terminal xterm
grep -qE "${return}planish bench: measure \[#+\.*\] [0-9]+%, [0-9]+ s left" "$scratch/.out" || wrong "no bar on a terminal"
! LC_ALL=C grep -q "$(printf '\033')" "$scratch/.out" || wrong "escape sequences"
# What is left to be seen is the results alone: what stands behind the last return of a line.
sed "s/$return\$//; s/.*$return//" "$scratch/.out" >"$scratch/seen"
! grep -q 'left' "$scratch/seen" || wrong "the bar stays"
grep -q '^model' "$scratch/seen" || wrong "no results on the terminal"
on_terminal dumb
! grep -q "$return[^$return]*planish bench" "$scratch/.out" || wrong "a line is drawn again on a terminal that cannot"
grep -q 's left' "$scratch/.out" || wrong "no line on a plain terminal"
on_terminal xterm -q
! grep -q 'left' "$scratch/.out" || wrong "-q is not quiet on a terminal"
# A run tells its share, on whatever device that works step by step.
count=$((count + 1))
sh -c "'$p' run '$model' --random 1 --dim n=120 --device ref" >/dev/null 2>"$scratch/.out"
grep -qE '^planish run: run, [0-9]+%' "$scratch/.out" || wrong "no share of a run"
# A loop is one step, however long it takes: what is left is not told when it has taken longer than the rest should have.
count=$((count + 1))
printf '\226\000\000\000\000\000\000\000' >"$scratch/times.bin"
sh -c "'$p' run '$source/tests/models/loop/model.onnx' --device ref --dim n=1920 --random 1 --input times='$scratch/times.bin' --shapes times:scalar" >/dev/null 2>"$scratch/.out"
grep -qE '^planish run: run, 9[0-9]%' "$scratch/.out" || wrong "no share of a run with a loop"
# The first line may still be that of steps that have just ended.
! tail -n 1 "$scratch/.out" | grep -q 'left' || wrong "time left in a loop is made up"
finish
