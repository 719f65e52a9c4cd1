# usage.sh PLANISH SOURCE_DIR: wrong commands get status 2 (the user's) or 1 (the job's), and a message that helps.
set -eu
p=$1 source=$2
. "$source/tests/cli/lib.sh"
model=$source/tests/models/zoo/mobilenet_v2.ts/model.onnx
bert=$source/tests/models/zoo/bert.ts/model.onnx

expect 2 "Usage: planish" "$p"
expect 0 "bench" "$p" --help
expect 0 "planish " "$p" --version
for command in build run bench inspect compare check ops; do
    expect 0 "Examples:" "$p" $command --help
    expect 2 "did you mean --json?" "$p" $command --jason
done
expect 2 "did you mean 'bench'?" "$p" bnech
expect 2 "planish --help lists them" "$p" serialize-everything
expect 2 "which model?" "$p" run
expect 2 "which model?" "$p" bench
expect 2 "one model at a time" "$p" inspect "$model" "$model"
expect 2 "did you mean --threads?" "$p" bench "$model" --thread 2
expect 2 "--threads wants a whole number from 1 on, not 'two'" "$p" bench "$model" --threads two
for n in 0 -1 -4G 4294967297 1.5; do
    expect 2 "--threads wants a whole number from 1 on, not '$n'" "$p" bench "$model" --threads "$n"
done
expect 2 "--threads wants a whole number from 1 on" "$p" build "$model" -o "$scratch/x.plan" --threads=0
expect 2 "--jobs wants a whole number from 1 on" "$p" check "$source/tests/models/zoo" --jobs 0
expect 2 "--contexts wants a whole number from 1 on" "$p" bench "$model" --contexts 0
expect 2 "--threads wants a value" "$p" bench "$model" --threads
expect 2 "--profile takes no value" "$p" bench "$model" --profile=yes
expect 2 "there is no option -z" "$p" run -z "$model"
expect 2 "--vs knows onnxruntime, not 'tensorrt'" "$p" bench "$model" --vs tensorrt
expect 1 "nopython cannot be started" "$p" bench "$model" --vs onnxruntime --python nopython
expect 2 "input 'x' is missing; give --input x=FILE" "$p" run "$model"
expect 2 "did you mean 'input_ids'?" "$p" run "$bert" --input input_id=x.npy
expect 2 "--input wants NAME=FILE" "$p" run "$model" --input x.npy
expect 2 "can be a .npy, .npz, .pb or .bin file, or a .png or .jpg picture" "$p" run "$model" --input x=picture.gif
expect 2 "the model has no input 'y'" "$p" bench "$model" --shapes y:1x2
expect 2 "is no shape; write it as" "$p" run "$model" --random 1 --shapes x:axb
expect 2 "has 4 dims, not 2" "$p" run "$model" --random 1 --shapes x:3x3
for junk in batch batch= batch=abac batch=3x batch=-1 batch=1.5 =3 "" batch=2,seq batch=2, batch=99999999999999999999; do
    for command in run bench; do
        [ $command = run ] && more="--random 1" || more=
        # shellcheck disable=SC2086
        expect 2 "--dim wants NAME=N with a whole number from 0 on, not '" "$p" $command "$bert" $more --dim "$junk"
    done
done
expect 2 "not '3x'" "$p" run "$bert" --random 1 --dim 3x
expect 2 "no symbolic dim" "$p" run "$bert" --random 1 --dim batsch=3
expect 1 "'abacus'" "$p" inspect "$model" --device abacus
expect 1 "no cuda:77" "$p" inspect "$model" --device cuda:77
expect 0 "cpu " "$p" doctor
expect 0 "Usage: planish build" "$p" help build
expect 2 "--quiet takes no value" "$p" doctor --quiet=yes
expect 2 "did you mean 'dir'?" "$p" cache dirr
expect 2 "there is no device 'gpu'; there are cpu" "$p" ops --device gpu
expect 0 "device ref" "$p" ops --device ref Conv
expect 2 "cannot be negative" "$p" bench model.onnx --duration -1
expect 2 "did you mean 'build'?" "$p" help biuld
expect 2 "did you mean '--version'?" "$p" --verison
expect 2 "the command comes first, its options behind it" "$p" -q build model.onnx
expect 0 "pictures .png" "$p" doctor
# Letters may stand together, the last one with its value; every command knows its version.
expect 0 "depthwise" "$p" ops -vq Conv
expect 0 "written in" "$p" build "$model" -qo "$scratch/letters.plan"
[ -s "$scratch/letters.plan" ] || { echo "FAILED: -qo FILE writes no plan"; failures=$((failures + 1)); }
expect 0 "1 thread" "$p" run "$model" --random 1 -j1
expect 0 " steps in " "$p" run "$model" -vj1 --random 1
expect 2 "there is no option -z" "$p" run -qz "$model"
expect 2 "-o wants a value" "$p" build "$model" -qo
expect 2 "is -dash.onnx a file? give it behind --, or as ./-dash.onnx" "$p" run -dash.onnx
expect 1 "cannot open '-dash.onnx'" "$p" run -- -dash.onnx
for command in build run bench inspect compare check ops cache doctor; do expect 0 "planish " "$p" $command --version; done
expect 2 "did you mean '--help'?" "$p" --hlep
expect 2 "the command comes first" "$p" --json
expect 2 "--rtol wants a number, not 'nan'" "$p" check "$source/tests/models/zoo" --rtol nan
expect 0 "output y" "$p" run "$model" --random -5 -q
expect 2 "--passes lists all passes and takes no word, such as 'fuse'" "$p" ops --passes fuse
# What is typed wins over the environment.
expect 1 "PLANISH_NVRTC" env PLANISH_DEVICE=cpu PLANISH_NVRTC=/nowhere/libnvrtc.so "$p" build "$model" -o "$scratch/x.plan" --target cuda:sm_90a
expect 0 "device cpu" env PLANISH_DEVICE=ref "$p" build "$model" -o "$scratch/x.plan" --target portable
expect 0 "device ref" env PLANISH_DEVICE=ref "$p" build "$model" -o "$scratch/x.plan" --target native
expect 0 "device cpu" env PLANISH_DEVICE=ref "$p" build "$model" -o "$scratch/x.plan" --device cpu
# Profiles are not needed; what is said of shapes must still be the model's.
expect 0 "inputs x f32[3,3,64,64]" "$p" run "$model" --random 1 --min-shapes x:1x3x64x64 --opt-shapes x:3x3x64x64 --max-shapes x:9x3x64x64
expect 0 "inputs x f32[2,3,64,64]" "$p" run "$model" --random 1 --shapes x:2x3x64x64 --opt-shapes x:3x3x64x64
expect 2 "the model has no input 'z'" "$p" run "$model" --random 1 --max-shapes z:1
expect 0 "written in" "$p" build "$model" -o "$scratch/x.plan" --min-shapes x:1x3x64x64 --opt-shapes x:3x3x64x64 --max-shapes x:9x3x64x64
expect 2 "the model has no input 'z'" "$p" build "$model" -o "$scratch/x.plan" --opt-shapes z:1
# Devices with a precision.
expect 0 "--int8 is a permission" "$p" compare "$model" --a cpu:int8 --b ref:fp32
expect 0 "0 differ" "$p" compare "$model" --fp16 --a cpu:fp32 -q
expect 2 "behind the colon stands a precision (fp32, fp16, bf16, fp8, int8, best) or a number" "$p" compare "$model" --a cpu:fp99
# A log of both streams has them in the order in which they were said.
[ "$("$p" run "$source/tests/models/zoo/bert.ts/model.onnx" --random 1 --dim s=4 2>&1 | sed -n 's/^device .*/first/p; s/.* becomes 1$/then/p; s/^ran .*/last/p' | uniq | tr '\n' ' ')" = "first then last " ] || {
    echo "FAILED: what is said stands in another order"
    failures=$((failures + 1))
}
expect 0 "cache    /nowhere/cache" env PLANISH_CACHE_DIR=/nowhere/cache "$p" doctor
expect 0 "no onnxruntime in python3: --vs onnxruntime wants one" env PATH=/nowhere "$p" doctor
if grep -qw avx2 /proc/cpuinfo 2>/dev/null; then
    expect 0 "sse4.2 avx avx2 fma f16c" "$p" doctor
    expect 0 '"features":"sse4.2"' env PLANISH_CPU_ISA=x86-64-v2 "$p" doctor --json
fi
expect 0 '"pictures":["png"' "$p" doctor --json
expect 0 "all checksums fit" "$p" inspect --verify "$source/tests/golden/v0/hand.plan"
expect 1 "flipped_weight.plan" "$p" inspect --verify "$source/tests/golden/bad/flipped_weight.plan"
expect 2 "too much" "$p" doctor now
expect 2 "target 'pdp11' is not known" "$p" inspect "$model" --target pdp11
expect 2 "there is no pass 'magic'" "$p" inspect "$model" --disable-pass magic
expect 2 "there is no pass 'magic'" "$p" check "$source/tests/models/zoo" --disable-pass magic
expect 0 "fuse" "$p" ops --passes
expect 0 '"passes":["quantized","fold"' "$p" ops --passes --json
for command in build run bench inspect compare check; do
    case $command in build) output="-o x.plan" ;; *) output= ;; esac
    expect 2 "--timing-cache: nothing is measured; --tune fast or full does" "$p" $command --tune off --timing-cache x.times $output "$model"
    expect 0 "--tune off|fast|full" "$p" $command --help
done
expect 2 "--timing-cache: nothing is measured" "$p" bench "$model" --timing-cache x.times
expect 2 "--tune wants off, fast or full, not 'most'" "$p" build "$model" -o x.plan --tune most

# Winograd's convolution is chosen, unless it is not wanted.
unet=$source/tests/models/zoo/unet.ts/model.onnx
expect 0 "conv_f32_winograd" "$p" inspect "$unet" --target portable
expect 0 "conv_f32_winograd" "$p" inspect "$unet" --target portable --winograd on
! "$p" inspect "$unet" --target portable --winograd off 2>&1 | grep conv_f32_winograd || wrong "--winograd off: it is there"
expect 2 "--winograd wants on or off, not 'no'" "$p" bench "$unet" --winograd no
expect 2 "give -o FILE.plan" "$p" build "$model"
expect 1 "No such file or directory" "$p" build "$model" -o "$scratch/none/x.plan"
expect 2 "--vs can be onnxruntime or a folder" "$p" compare "$model" --vs nothing
expect 2 "did you mean 'Conv'?" "$p" ops Conf
expect 1 "no case" "$p" check "$source/docs"

# What the machine is told to be must be something.
for command in build run bench inspect compare; do
    case $command in build) more="-o $scratch/x.plan" ;; run) more="--random 1" ;; *) more= ;; esac
    # shellcheck disable=SC2086
    expect 1 "PLANISH_CPU_ISA is 'avx1024'" env PLANISH_CPU_ISA=avx1024 "$p" $command "$model" $more
done
expect 1 "x86-64-v3 (avx2)" env PLANISH_CPU_ISA=AVX2 "$p" run "$model" --random 1
expect 0 "device ref" env PLANISH_CPU_ISA=avx1024 "$p" run "$model" --random 1 --device ref
expect 0 "device cpu" env PLANISH_CPU_ISA= "$p" run "$model" --random 1
expect 0 "device cpu" env PLANISH_CPU_ISA=portable "$p" run "$model" --random 1

# A model of a format that is newer than this program runs with a warning: the last ir_version in the file counts.
{ cat "$model" && printf '\010\347\007'; } >"$scratch/newer.onnx"
expect 0 "newer.onnx: IR version 999 is newer than" "$p" build "$scratch/newer.onnx" -o "$scratch/x.plan"
expect 0 "warning: $scratch/newer.onnx: IR version 999 is newer than" "$p" run "$scratch/newer.onnx" --random 1
expect 0 "IR version 999 is newer than" "$p" bench "$scratch/newer.onnx" --duration 0.01 --warm-up 1 -q

# What is decided and not there yet is no misspelling.
for option in "bench --no-graph" "bench --prompt 512" "build --verify=1e-3" "run --deterministic" "bench --calib-data x"; do
    # shellcheck disable=SC2086
    expect 2 "comes with a later version" "$p" $option "$model"
done
expect 2 "there is no option --no-graph" "$p" run --no-graph "$model" # of a command that it is not decided for
for command in quantize generate embed tokenize perplexity serve; do expect 2 "'$command' comes with a later version" "$p" $command "$model"; done

# Where the locale is not UTF-8, text for people is plain ASCII; JSON and files stay as they are.
ascii() { # COMMAND…: prints nothing else, in those locales alone
    count=$((count + 1))
    for locale in C POSIX de_DE.ISO-8859-1 ""; do
        LC_ALL=$locale LC_CTYPE='' LANG='' "$@" >"$scratch/.out" 2>&1 || true
        LC_ALL=C grep -q '[^ -~]' "$scratch/.out" || continue
        echo "FAILED: not plain ASCII in the locale '$locale': $*" && failures=$((failures + 1))
    done
    LC_ALL=C.UTF-8 "$@" >"$scratch/.out" 2>&1 || true
    LC_ALL=C grep -q '[^ -~]' "$scratch/.out" || { echo "FAILED: plain ASCII where it need not be: $*" && failures=$((failures + 1)); }
}
ascii "$p" run --help
ascii "$p" build --help
ascii "$p" run "$model" --random 1 -j 1 # "µs" or "…"
ascii "$p" run "$model" --random 1 --preprocess resize
expect 0 "first " env LC_ALL=C "$p" run "$model" --random 1
expect 0 " ..." env LC_ALL=C "$p" run "$model" --random 1
expect 0 "," env LC_ALL=C "$p" ops --json
"$p" --man run >"$scratch/man.utf8"
LC_ALL=C "$p" --man run >"$scratch/man.c"
cmp "$scratch/man.utf8" "$scratch/man.c" || failures=$((failures + 1))
cp "$model" "$scratch/m→n.onnx"
expect 0 "m→n.onnx" env LC_ALL=C "$p" inspect "$scratch/m→n.onnx" --json
expect 0 "" env LC_ALL=C "$p" inspect "$scratch/m→n.onnx" --json="$scratch/arrow.json"
grep -q 'm→n.onnx' "$scratch/arrow.json" || { echo "FAILED: JSON in a file is not UTF-8" && failures=$((failures + 1)); }
expect 1 "No space left" env LC_ALL=C sh -c "'$p' run '$model' --random 1 >/dev/full"
# --max-memory bounds builds and runs; what does not fit names its bytes.
expect 0 "output y" "$p" run "$model" --random 1 -q --max-memory 64M --no-cache
expect 1 "out of memory" "$p" run "$model" --random 1 -q --max-memory 64K --no-cache
expect 1 "bytes" "$p" run "$model" --shapes x:4000x3x64x64 --random 1 -q --max-memory 64M --no-cache
expect 1 "out of memory" "$p" build "$model" -o "$scratch/limited.plan" --max-memory 64K
expect 1 "0 passed, 1 failed" "$p" check "${model%/model.onnx}" --max-memory 64K
expect 2 "--max-memory wants a whole number" "$p" run "$model" --max-memory lots
finish
