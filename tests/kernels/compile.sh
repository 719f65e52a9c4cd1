# compile.sh PLANISH PROGRAM [FOLDER]: what a program of kernel tests has for the rows of CUDA, compiled by NVRTC for every architecture, each row with each set of
# element types. With FOLDER, where code is kept, so that nothing is compiled again, a part of it: each row once, for sm_80 and for a second architecture, another one every day.
# 77: no NVRTC.
set -eu
planish=$1 program=$2 folder=${3-}
"$planish" doctor | grep -q 'builds with NVRTC' || { echo "NVRTC is missing (it comes with the CUDA toolkit, or as the Python package nvidia-cuda-nvrtc with PLANISH_NVRTC)"; exit 77; }
archs='sm_75 sm_80 sm_86 sm_87 sm_89 sm_90a sm_100 sm_120'
log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0

compile() { # ARCH SAMPLE
    if PLANISH_TEST_DEVICE=$1 PLANISH_TEST_SAMPLE=$2 PLANISH_TEST_CODE=$folder "$program" >"$log" 2>&1; then
        echo "$1: $2"
    elif grep -q "gpu-architecture" "$log"; then
        echo "$1: not known to this NVRTC"
    else
        echo "FAILED: $1"
        cat "$log"
        status=1
    fi
}

if [ -z "$folder" ]; then
    for arch in $archs; do compile "$arch" types; done
else
    mkdir -p "$folder"
    second=$(echo "$archs" | cut -d ' ' -f $(($(date +%s) / 86400 % 8 + 1)))
    [ "$second" != sm_80 ] || second=sm_90a
    compile sm_80 rows
    compile "$second" rows
fi
exit $status
