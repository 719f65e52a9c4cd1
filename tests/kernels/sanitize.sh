# sanitize.sh SOURCE_DIR PROGRAM PLANISH: scripts/sanitize_rows over a program of kernel tests, with something that stands for compute-sanitizer: it finds an
# error with synccheck, does not end with racecheck, and ends without a summary with initcheck. Started with the fakes (tests/fake_cuda/run).
set -eu
source=$1 program=$2 planish=$3
. "$source/tests/cli/lib.sh"
cat >"$scratch/sanitizer" <<'END'
#!/bin/sh
tool=$2
shift 4
[ "$tool" != racecheck ] || exec sleep 300
"$@" || exit
case $tool in
memcheck) echo "========= ERROR SUMMARY: 0 errors" ;;
synccheck) echo "========= ERROR SUMMARY: 1 error" && exit 9 ;;
esac
END
chmod +x "$scratch/sanitizer"
sanitize() {
    tools=$1
    shift
    expect "$@" env TOOLS="$tools" ROWS="$program" PLANISH="$planish" SANITIZER="$scratch/sanitizer" CODE="$scratch/code" LOGS="$scratch/logs" JOBS=2 SECONDS_ITEM=8 \
        "$source/scripts/sanitize_rows"
}
expect 0 "compiled for sm_90a" env ROWS="$program" CODE="$scratch/code" JOBS=2 "$source/scripts/sanitize_rows" --compile sm_90a
kept=$(find "$scratch/code" -type f | wc -l)
[ "$kept" -gt 0 ] || { echo "FAILED: no code is kept" && failures=$((failures + 1)); }
export FAKE_NVRTC_COUNT="$scratch/compiled"
sanitize memcheck 0 "memcheck: rows seen clean: 2 of 2"
sanitize memcheck 0 "1 items clean, 0 failed, 0 not ended"
sanitize synccheck 1 "synccheck: rows seen clean: 0 of 2"
sanitize initcheck 1 "initcheck: rows seen clean: 0 of 2"
sanitize "memcheck racecheck" 1 "1 items clean, 0 failed, 1 not ended"
sanitize "memcheck racecheck" 1 "racecheck: not seen clean: pool_cuda, 0 of 1 parts clean, 0 launches"
[ ! -e "$FAKE_NVRTC_COUNT" ] || { echo "FAILED: code that is kept was compiled again" && failures=$((failures + 1)); }
finish
