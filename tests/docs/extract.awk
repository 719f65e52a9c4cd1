# The commands of a page, a line each: KIND, the line in the page, a tab, text. before: what the page has a reader do first, in a comment `<!-- before: COMMAND -->`;
# command; output: a line of what the last command prints; stray: a command that is in no block that is run.
function say(kind, text) { print kind " " FNR "\t" text }
/^<!-- before: .* -->$/ { text = $0; sub(/^<!-- before: /, "", text); sub(/ -->$/, "", text); say("before", text); next }
/^ *```/ {
    fence = $0
    sub(/^ *```/, "", fence)
    if (open) { open = 0; block = "" }
    else { open = 1; block = fence == "sh" || fence == "console" ? fence : "" }
    joined = ""
    next
}
block != "" {
    line = $0
    if (block == "console" && joined == "" && line !~ /^\$ /) { say("output", line); next }
    if (block == "console") sub(/^[$>] /, "", line)
    if (line ~ /\\$/) { sub(/\\$/, "", line); joined = joined line; next }
    line = joined line
    joined = ""
    if (line !~ /^[ \t]*(#.*)?$/) say("command", line)
    next
}
!open && /^    +(\$ )?(planish|make|cmake|ctest|apt-get|sudo|pip|python3?|cc|build\/bin\/|scripts\/|tests\/fake_cuda\/run|PLANISH_[A-Z_]*=) ?/ { say("stray", $0) }
