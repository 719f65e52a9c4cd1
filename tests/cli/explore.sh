# explore.sh PLANISH SOURCE_DIR: the engine explorer is one page without network, whatever a model's names are.
set -eu
p=$1 source=$2
. "$source/tests/cli/lib.sh"
model=$source/tests/models/zoo/mobilenet_v2.ts/model.onnx
page=$scratch/page.html
quiet() { # a command that works and says nothing
    count=$((count + 1))
    "$@" >"$scratch/.out" 2>&1 </dev/null || wrong "$*: $(cat "$scratch/.out")"
}
# What stands between the data's tags.
data() {
    sed -n '/<script type="application\/json" id="data">/,/<\/script>/p' "$1" | LC_ALL=C sed 's/^.*id="data">//; s/<\/script>.*$//'
}
# looks PAGE STEPS: every step is there, nothing is fetched, no text of the model can be markup.
looks() {
    count=$((count + 1))
    [ "$(wc -c <"$1")" -lt 3000000 ] || wrong "$1 is too large"
    [ "$(grep -c '</html>' "$1")" -eq 1 ] || wrong "$1 is cut"
    ! grep -q '<!--DATA-->' "$1" || wrong "$1 has no data"
    [ "$(grep -o '</script' "$1" | wc -l)" -eq 2 ] || wrong "$1: a script ends early"
    ! data "$1" | grep -q '<' || wrong "$1: the data have markup"
    ! LC_ALL=C grep -q "$(printf '[\001-\010\013-\037\177]')" "$1" || wrong "$1 has control characters"
    ! sed '/id="data">/,/<.script>/d; /www.w3.org.2000.svg/d' "$1" | grep -qE '(src|href)=|https?://' || wrong "$1 fetches something"
    [ "$(data "$1" | grep -c '^{"op":')" -eq "$2" ] || wrong "$1 has not $2 steps"
    if command -v python3 >/dev/null; then
        data "$1" | python3 -c 'import json, sys; json.loads(sys.stdin.buffer.read().decode("utf-8"))' 2>"$scratch/why" || wrong "$1: $(cat "$scratch/why")"
    fi
    # Where there is a browser and $3 is not empty, it draws every step and has nothing to complain of.
    [ -n "${3-}" ] && command -v chromium >/dev/null || return 0
    HOME=$scratch timeout 120 chromium --headless --no-sandbox --disable-gpu --virtual-time-budget=5000 --enable-logging=stderr --v=0 --dump-dom "file://$1" >"$scratch/dom" 2>"$scratch/log" || return 0
    ! grep -qE 'CONSOLE.*(Error|Refused)' "$scratch/log" || wrong "$1: $(grep CONSOLE "$scratch/log")"
    [ "$(grep -o 'class="node kind-' "$scratch/dom" | wc -l)" -eq "$2" ] || wrong "$1: not all steps are drawn"
    ! grep -q 'id="pwned"' "$scratch/dom" || wrong "$1: a name became markup"
}
# keys PAGE KEY…: what the page is like after these were pressed, as attributes of its body: picked, view, found, dialog.
keys() {
    page_of_keys=$1
    shift
    press=
    for key in "$@"; do press="$press press('$key');"; done
    sed "s|</body>|<script>const press = key => (document.activeElement.id === 'search' ? document.activeElement : document).dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }));$press const at = plans[0]; Object.assign(document.body.dataset, { picked: at.picked, view: at.views.findIndex(v => !v.box.hidden), hits: hits.length, dialog: document.getElementById('keys').open });</script></body>|" "$page_of_keys" >"$scratch/keys.html"
    HOME=$scratch timeout 120 chromium --headless --no-sandbox --disable-gpu --virtual-time-budget=5000 --enable-logging=stderr --v=0 --dump-dom "file://$scratch/keys.html" 2>"$scratch/log" | grep -o '<body[^>]*>'
    ! grep -qE 'CONSOLE.*(Error|Refused)' "$scratch/log" || wrong "after keys: $(grep CONSOLE "$scratch/log")"
}
steps_of() {
    "$p" inspect "$1" --json 2>/dev/null | grep -c '^{"op":'
}

expect 0 "open it in a browser" "$p" inspect "$model" --html "$page"
looks "$page" "$(steps_of "$model")"
grep -q '"measured":true' "$page" || wrong "nothing was measured"
data "$page" | grep -q '"flops":[1-9]' || wrong "no arithmetic was counted"
quiet "$p" inspect "$model" --html "$page" --no-run -q
looks "$page" "$(steps_of "$model")"
grep -q '"measured":false' "$page" || wrong "--no-run measures"

# Two of them side by side; bodies of loops; open dims.
loop=$source/tests/models/cases/loop_view/model.onnx
quiet "$p" inspect "$model" "$loop" --html "$page" -q
looks "$page" $(($(steps_of "$model") + $(steps_of "$loop"))) browser
# The bodies of an If, with an edge into each, and one for what a body takes from around it. The page is used without a mouse.
quiet "$p" inspect "$source/tests/models/states/branch_state.onnx" --html "$page" -q
looks "$page" "$(steps_of "$source/tests/models/states/branch_state.onnx")" browser
data "$page" | grep -q '"op":"if".*"bodies":\[1,2\]' || wrong "the If has no bodies"
if command -v chromium >/dev/null && [ -s "$scratch/dom" ]; then
    [ "$(grep -o 'class="edge across body"' "$scratch/dom" | wc -l)" -eq 2 ] || wrong "no edges into the bodies"
    [ "$(grep -o 'class="frame"' "$scratch/dom" | wc -l)" -eq 2 ] || wrong "the bodies have no frames"
    grep -q 'class="edge across taken"' "$scratch/dom" || wrong "no edge for what the body takes from around it"
    body=$(keys "$page" j j 2)
    case $body in *'data-picked="1"'*'data-view="1"'*) ;; *) wrong "j j 2: $body" ;; esac
    body=$(keys "$page" 3 '?')
    case $body in *'data-view="2"'*'data-dialog="true"'*) ;; *) wrong "3 ?: $body" ;; esac
fi

# A plan for a machine that is not this one can be looked at, in every form, and what is missing is said.
if "$p" ops Conv | grep -q avx512; then
    expect 0 "plan " "$p" build "$model" -o "$scratch/other.plan" --tune off --target x86-64-v4 --no-rebuild -q
    expect 0 "this engine cannot run here: the plan is for CPUs with x86-64-v4" env PLANISH_CPU_ISA=avx2 "$p" inspect "$scratch/other.plan"
    expect 0 '"runs_here":false' env PLANISH_CPU_ISA=avx2 "$p" inspect "$scratch/other.plan" --json
    expect 0 "not measured: this engine cannot run here" env PLANISH_CPU_ISA=avx2 "$p" inspect "$scratch/other.plan" --html "$page"
    looks "$page" "$(steps_of "$scratch/other.plan")"
fi
bert=$source/tests/models/zoo/bert.ts/model.onnx
quiet "$p" inspect "$bert" --dim b=2,s=7 --html "$page" -q
looks "$page" "$(steps_of "$bert")"

# Names of the same length, since this edits the file: markup, quotes, control characters. The path has bytes
# that are no UTF-8 (in a model they are an error).
{
    printf '%s\n' 's|/features/features.0/features.0.0/Conv|</script><img id=pwned src=x onerror=>|g'
    printf '%s' 's|/features/features.1/conv/conv.0|"\\'"'"'\&<!--]]>XXXXXXXXX'
    printf '\001\037\177\342\200\250\342\200\256XXX|g\n'
} >"$scratch/edit"
bad="$scratch/$(printf '<img id=pwned>\377\300\200\355\240\200\001"').onnx"
LC_ALL=C sed -f "$scratch/edit" "$model" >"$bad"
[ "$(wc -c <"$bad")" -eq "$(wc -c <"$model")" ] || wrong "the edited model has another size"
grep -q 'id=pwned' "$bad" || wrong "the model has no name to be edited"
quiet "$p" inspect "$bad" --html "$page" -q
looks "$page" "$(steps_of "$bad")" browser
data "$page" | grep -q 'u003cimg id=pwned' || wrong "the name is not in the page"

expect 2 "one model, or two side by side" "$p" inspect "$model" "$model" "$model" --html "$page"
expect 2 "two with --html FILE" "$p" inspect "$model" "$model"
expect 2 "--html and --json are two jobs" "$p" inspect "$model" --html "$page" --json
expect 1 "No such file or directory" "$p" inspect "$model" --html "$scratch/none/page.html" --no-run
expect 0 "program " "$p" inspect "$model" --dump
rm -f "$page"
expect 1 "No such file or directory" "$p" inspect "$scratch/none.onnx" --html "$page"
[ ! -e "$page" ] || wrong "a page was written without a model"
ls "$scratch" | grep -q 'page.html.new' && wrong "a temporary file was left"
finish
