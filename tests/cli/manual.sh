# manual.sh PLANISH SOURCE_DIR: man pages and completions know every command and option that --help knows, and their readers take them.
set -eu
p=$1 source=$2
. "$source/tests/cli/lib.sh"
commands=$("$p" --help | sed -n 's/^  \([a-z]*\)  *[A-Z].*/\1/p')
[ "$(echo "$commands" | wc -l)" -ge 9 ] || wrong "--help lists few commands: $commands"
for shell in bash zsh fish; do "$p" --completions $shell >"$scratch/$shell"; done
"$p" --man >"$scratch/planish.1"
for command in $commands; do
    count=$((count + 1))
    page=$scratch/planish-$command.1
    "$p" --man "$command" >"$page"
    grep -q "planish.-$command" "$scratch/planish.1" || wrong "planish.1 does not name $command"
    for option in $("$p" "$command" --help | sed -n '/^Options/,/^Examples/s/^  \(    \|-., \)--\([a-zA-Z0-9-]*\).*/\2/p'); do
        grep -qF -- "\\-\\-$(echo "$option" | sed 's/-/\\-/g')\\fR" "$page" || wrong "$page does not name --$option"
        grep -qE "$command:.*--$option |^ .*$command:-\*\).* --$option( |\")" "$scratch/bash" || wrong "bash does not complete $command --$option"
        grep -q -- "--$option[=[]" "$scratch/zsh" || wrong "zsh does not complete $command --$option"
        grep -q "from $command' -l $option " "$scratch/fish" || wrong "fish does not complete $command --$option"
    done
done
for page in "$scratch"/*.1; do
    if command -v mandoc >/dev/null; then
        mandoc -T lint -W error "$page" >"$scratch/.out" 2>&1 || wrong "mandoc: $(cat "$scratch/.out")"
    fi
    ! LC_ALL=C grep -qE "^\.[^A-Znf]" "$page" || wrong "$page: a line of text begins with a dot"
done
if command -v bash >/dev/null; then
    # Words as bash splits them; what it offers.
    cat >"$scratch/ask" <<'END'
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _planish; echo "${COMPREPLY[@]}"
END
    expect 0 "inspect" bash "$scratch/ask" "$scratch/bash" planish ins
    expect 0 "--duration" bash "$scratch/ask" "$scratch/bash" planish bench --dur
    expect 0 "on off" bash "$scratch/ask" "$scratch/bash" planish build --tf32 ""
    expect 0 "on off" bash "$scratch/ask" "$scratch/bash" planish build --tf32 =
    expect 0 "off" bash "$scratch/ask" "$scratch/bash" planish build --tf32 = of
    expect 0 "fold" bash "$scratch/ask" "$scratch/bash" planish build --disable-pass fo
    expect 0 "clean" bash "$scratch/ask" "$scratch/bash" planish cache cl
    expect 0 "build bench" bash "$scratch/ask" "$scratch/bash" planish --man b
    expect 0 "bash zsh fish" bash "$scratch/ask" "$scratch/bash" planish --completions ""
    mkdir -p "$scratch/folder" && touch "$scratch/folder/a b.onnx"
    sed 's/^source "$1"; shift/&; cd "$1"; shift/; s/echo .*/echo "${#COMPREPLY[@]} ${COMPREPLY[0]}"/' "$scratch/ask" >"$scratch/ask_files"
    expect 0 "1 a b.onnx" bash "$scratch/ask_files" "$scratch/bash" "$scratch/folder" planish run a
    expect 0 "1 a b.onnx" bash "$scratch/ask_files" "$scratch/bash" "$scratch/folder" planish run --input x = a
    expect 0 "$source/LICENSE" bash "$scratch/ask" "$scratch/bash" planish run "$source/LIC"
fi
if command -v zsh >/dev/null; then expect 0 "_planish" zsh -f -c "autoload -U compinit; compinit -D; source '$scratch/zsh'; echo \$_comps[planish]"; fi
if command -v fish >/dev/null; then
    expect 0 "--duration" env HOME="$scratch" fish -c "source '$scratch/fish'; complete -C 'planish bench --dur'"
    expect 0 "inspect" env HOME="$scratch" fish -c "source '$scratch/fish'; complete -C 'planish ins'"
fi
expect 2 "wants bash, zsh or fish, not 'tcsh'" "$p" --completions tcsh
expect 2 "wants bash, zsh or fish" "$p" --completions
expect 2 "there is no command 'sew'" "$p" --man sew
finish
