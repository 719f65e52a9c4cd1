# compile.sh [--all] PLANISH PROGRAM…: what the kernel tests have for each row of CUDA, compiled by NVRTC: for sm_80, every row with every set of element types;
# for a second architecture, another one every day, every row once. --all: every row with every set of element types for every architecture. 77: no NVRTC.
set -eu
all=0
[ "$1" = --all ] && all=1 && shift
planish=$1
shift
"$planish" doctor | grep -q 'builds with NVRTC' || { echo "NVRTC is missing (the CUDA toolkit, or the Python package nvidia-cuda-nvrtc with PLANISH_NVRTC)"; exit 77; }
archs='sm_75 sm_80 sm_86 sm_87 sm_89 sm_90a sm_100 sm_120'

# compile ARCH SAMPLE PROGRAM…
failures=0
compile() {
    arch=$1 sample=$2
    shift 2
    for program in "$@"; do
        if PLANISH_TEST_DEVICE=$arch PLANISH_TEST_SAMPLE=$sample "$program" >"$log" 2>&1; then continue; fi
        # An NVRTC that is older or newer than the architecture.
        if grep -q "gpu-architecture" "$log"; then echo "$arch: not known to this NVRTC"; return 0; fi
        echo "FAILED: $(basename "$program") for $arch"
        cat "$log"
        failures=$((failures + 1))
    done
    echo "$arch: $sample"
}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if [ $all -eq 1 ]; then
    for arch in $archs; do compile "$arch" types "$@"; done
else
    compile sm_80 types "$@"
    second=$(echo "$archs" | cut -d " " -f $(($(date +%s) / 86400 % 8 + 1)))
    [ "$second" = sm_80 ] && second=sm_90a
    compile "$second" rows "$@"
fi
[ $failures -eq 0 ]
