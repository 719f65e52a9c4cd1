# make.sh SOURCE_DIR: `make` configures again when cmocka was missing the last time, and the reasons of skips are told.
set -eu
source=$1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
fail() {
    echo "FAILED: $*"
    exit 1
}

# A cmake that notes how it is called stands for the true one.
mkdir "$scratch/bin" "$scratch/build"
printf '#!/bin/sh\necho "$*" >>"%s/calls"\n' "$scratch" >"$scratch/bin/cmake"
chmod +x "$scratch/bin/cmake"
calls() { # VALUE_IN_CACHE: how often make configures
    echo "CMOCKA_LIBRARY:FILEPATH=$1" >"$scratch/build/CMakeCache.txt"
    : >"$scratch/calls"
    PATH="$scratch/bin:$PATH" MAKEFLAGS= make -s -C "$source" all BUILD="$scratch/build" JOBS=1 >"$scratch/log" 2>&1 || fail "make: $(cat "$scratch/log")"
    grep -q -- "--build" "$scratch/calls" || fail "make does not build"
    grep -c -- "-S . -B $scratch/build" "$scratch/calls" || true
}
[ "$(calls CMOCKA_LIBRARY-NOTFOUND)" = 1 ] || fail "cmocka was missing, and make does not look for it again"
[ "$(calls /usr/lib/libcmocka.so)" = 0 ] || fail "make configures although cmocka is there"

cat >"$scratch/ctest.xml" <<'END'
<testsuite>
	<testcase name="a" classname="a" time="0.01" status="run">
		<system-out>fine
</system-out>
	</testcase>
	<testcase name="b" classname="b" time="0.01" status="notrun">
		<skipped message="SKIP_RETURN_CODE=77"/>
		<system-out>a first line
no cmocka
</system-out>
	</testcase>
	<testcase name="c" classname="c" time="0.01" status="notrun">
		<skipped message="SKIP_RETURN_CODE=77"/>
		<system-out>no cmocka
</system-out>
	</testcase>
	<testcase name="d" classname="d" time="0.01" status="fail">
		<failure message=""/>
		<system-out>wrong
</system-out>
	</testcase>
</testsuite>
END
"$source/scripts/ctest_summary" "$scratch/ctest.xml" >"$scratch/got"
printf 'skipped: b, c: no cmocka\n1 passed, 1 failed, 2 skipped\n' >"$scratch/want"
diff -u "$scratch/want" "$scratch/got" || fail "scripts/ctest_summary"
