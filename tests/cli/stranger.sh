# stranger.sh PLANISH SOURCE_DIR: what a new user gets wrong. Each answer names the cause and what to do next, in a line or two.
set -eu
p=$1 source=$2
. "$source/tests/cli/lib.sh"
model=$source/tests/models/zoo/mobilenet_v2.ts/model.onnx
bert=$source/tests/models/zoo/bert.ts/model.onnx
picture=$source/examples/data/line.png
# says STATUS CAUSE NEXT COMMAND…: both stand in what it prints, which is short and has no internals.
says() {
    want=$1 cause=$2 next=$3
    shift 3
    expect "$want" "$cause" "$@"
    grep -qF -- "$next" "$scratch/.out" || wrong "no '$next' (what to do) in the answer to: $*"
    [ "$(grep -c . "$scratch/.out")" -le 4 ] || wrong "more than four lines in answer to: $*"
    ! grep -qE 'PLN_[A-Z]|src/|assert|0x[0-9a-f]{6}|\(null\)|%[sdl]' "$scratch/.out" || wrong "internals in the answer to: $*"
}
# NAME HEADER BYTES: a .npy file of zeros.
npy() {
    printf '\223NUMPY\001\000v\000%-117s\n' "{'descr': '$2', 'fortran_order': False, 'shape': ($3), }" >"$1"
    head -c "$4" /dev/zero >>"$1"
}
cd "$scratch"
cp "$model" m.onnx
npy f64.npy "<f8" "1, 3, 64, 64" 98304
npy small.npy "<f4" "1, 3, 32, 32" 12288
npy good.npy "<f4" "1, 3, 64, 64" 49152
expect 0 "output y f32[1,10]" "$p" run m.onnx --input x=good.npy

# 1-4: words.
says 2 "there is no command 'biuld'" "did you mean 'build'?" "$p" biuld m.onnx -o m.plan
says 2 "there is no option --inptu" "did you mean --input?" "$p" run m.onnx --inptu x=good.npy
says 2 "there is no option --precision; planish run --help lists them" "--help" "$p" run m.onnx --precision fp16
says 2 "a command comes first" "planish run m.onnx --random 1" "$p" m.onnx
says 2 "'serve' comes with a later version" "planish --help" "$p" --man serve
says 2 "where shall the plan go?" "give -o FILE.plan" "$p" build m.onnx
says 2 "the model has no input 'input'" "its first is 'x'" "$p" run m.onnx --input input=good.npy
says 2 "where shall the plan go?" "give -o FILE.plan" "$p" build m.onnx -o ""
says 2 "input 'x' has 4 dims, not 1" "joined by x, as in 1x3x224x224" "$p" run m.onnx --random 1 --shapes x:1,3,64,64 -q
says 2 "--b ref:int3: behind the colon stands a precision" "or a number, as in cuda:1" "$p" compare m.onnx --b ref:int3
says 2 "--contexts and --vs do not go together" "leave one of them out" "$p" bench m.onnx --contexts 2 --vs onnxruntime
expect 2 "--rtol, --atol and --max-rel-err cannot be negative" "$p" check "$source/tests/models/zoo" --atol -1
# 5-9: inputs.
says 2 "input 'x' is missing" "--random 1 for random values" "$p" run m.onnx
says 1 "f64.npy: input 'x' is f64, the model wants f32" 'astype("float32")' "$p" run m.onnx --input x=f64.npy
says 1 "dim 2 is 32, the model wants 64" "planish inspect shows what the inputs take" "$p" run m.onnx --input x=small.npy
says 1 "cannot open 'missing.npy': No such file" "check the path" "$p" run m.onnx --input x=missing.npy
says 2 "how shall the picture become input 'x'?" "give --preprocess imagenet|unit|signed|raw" "$p" run m.onnx --input "x=$picture"
# 10-15: files that are something else.
says 1 "cannot open 'missing.onnx': No such file" "check the path" "$p" bench missing.onnx
echo "a text" >notes.txt
says 1 "notes.txt: not an ONNX model: it is a text file" "what is wanted is a file that was exported as ONNX" "$p" run notes.txt --random 1
says 1 "good.npy: not an ONNX model: it is a NumPy file" "what is wanted is a file that was exported as ONNX" "$p" inspect good.npy
cp "$source/tests/golden/bad/tensorrt.plan" model.engine
says 1 "it was made by TensorRT" "build a plan from the ONNX model: planish build" "$p" run model.engine --random 1
says 1 "not an ONNX model: it is a picture (PNG)" "what is wanted is a file that was exported as ONNX" "$p" run "$picture"
printf '\377\330\377\340junk' >photo.jpg
says 1 "not an ONNX model: it is a picture (JPEG)" "what is wanted is a file that was exported as ONNX" "$p" build photo.jpg -o x.plan
printf '\100\000\000\000\000\000\000\000{"w":{"dtype":"F32"}}' >model.safetensors
says 1 "not an ONNX model: it is a safetensors file" "what is wanted is a file that was exported as ONNX" "$p" inspect model.safetensors
head -c 200000 m.onnx >cut.onnx
says 1 "cut.onnx" "it may be cut off or damaged); export or download it again" "$p" build cut.onnx -o x.plan
says 1 "flipped_bit.plan: the plan is damaged" "build it again from the model" "$p" run "$source/tests/golden/bad/flipped_bit.plan" --random 1
says 1 "cut_weights.plan: the plan is cut short" "build it again from the model" "$p" run "$source/tests/golden/bad/cut_weights.plan" --random 1
says 1 "newer.plan: the plan has format version" "use a newer Planish, or build it again from the model" "$p" run "$source/tests/golden/bad/newer.plan" --random 1
if command -v mkfifo >/dev/null && mkfifo pipe.onnx; then # nobody writes to it: it must not be waited for
    says 1 "cannot read 'pipe.onnx': it is not a regular file" "copy it to one" timeout 20 "$p" run pipe.onnx --random 1
    says 1 "cannot read 'pipe.onnx': it is not a regular file" "copy it to one" timeout 20 "$p" check pipe.onnx
fi
# 16, 17: machines.
if "$p" ops Conv | grep -q avx512; then
    "$p" build m.onnx -o v4.plan --tune off --target x86-64-v4 --no-rebuild -q >/dev/null
    says 1 "the plan is for CPUs with x86-64-v4" "build it with --target for this machine" env PLANISH_CPU_ISA=avx2 "$p" run v4.plan --random 1
fi
says 1 "there is no cuda:77" "use --device cpu" "$p" bench m.onnx --device cuda:77
says 2 "there is no pass 'magic'" "planish ops --passes" "$p" build m.onnx -o x.plan --disable-pass magic
# 18-20: where results go. A limit of the file size stands for a disk that is full, which root can also try.
says 1 "cannot create '$scratch/none/m.plan': No such file" "check the path" "$p" build m.onnx -o "$scratch/none/m.plan"
says 1 "cannot write 'full.plan': File too large" "ulimit -f" sh -c "ulimit -f 100; '$p' build m.onnx -o full.plan -q"
[ -z "$(ls ./*full.plan* 2>/dev/null)" ] || wrong "half a plan is left"
if [ "$(id -u)" -eq 0 ] && mkdir small && mount -t tmpfs -o size=300k tmpfs small 2>/dev/null; then
    says 1 "cannot write 'small/m.plan': No space left on device" "df -h" "$p" build m.onnx -o small/m.plan -q
    [ -z "$(ls small)" ] || wrong "half a plan is left on the full disk"
    umount small
fi
mkdir locked
chmod 555 locked
chmod 755 .
if [ "$(id -u)" -ne 0 ]; then says 1 "locked/m.plan': Permission denied" "ls -l" "$p" build m.onnx -o locked/m.plan -q
elif command -v setpriv >/dev/null && setpriv --reuid=65534 --clear-groups env "$p" --version >/dev/null 2>&1; then
    says 1 "locked/m.plan': Permission denied" "ls -l" setpriv --reuid=65534 --clear-groups "$p" build m.onnx -o locked/m.plan -q --no-cache
fi
# What is written never takes the place of the model, nor of a device; a folder, a device or nothing at all where a file should be.
cp m.onnx before.onnx
ln m.onnx link.onnx
says 2 "m.onnx is the model itself, which would be lost" "name another file" "$p" build m.onnx -o m.onnx
says 2 "link.onnx is the model itself" "name another file" "$p" build m.onnx -o link.onnx
says 2 "m.onnx is the model itself" "name another file" "$p" run m.onnx --random 1 --json=m.onnx
says 2 "m.onnx is the model itself" "name another file" "$p" inspect m.onnx --html m.onnx
says 2 "m.onnx is the model itself" "name another file" "$p" bench m.onnx --trace m.onnx
says 2 "m.onnx is the model itself" "name another file" "$p" compare m.onnx --json=m.onnx
expect 1 "m.onnx is the model itself" "$p" trtexec --onnx=m.onnx --saveEngine=m.onnx
# Nor of a second model, or of anything else that is read; and two results take two files.
cp m.onnx other.onnx
echo "class 0" >words.txt
cp good.npy in.npy
says 2 "other.onnx is the model itself" "name another file" "$p" compare m.onnx other.onnx --json=other.onnx
says 2 "other.onnx is the model itself" "name another file" "$p" bench m.onnx --onnx other.onnx --json=other.onnx
says 2 "other.onnx is the model itself" "name another file" "$p" bench m.onnx --onnx other.onnx --trace other.onnx
says 2 "other.onnx is the model itself" "name another file" "$p" inspect m.onnx other.onnx --html other.onnx
says 2 "other.onnx is read by this command and would be lost" "name another file" "$p" check m.onnx other.onnx --json=other.onnx
says 2 "in.npy is read by this command" "name another file" "$p" run m.onnx --input x=in.npy --json=in.npy
says 2 "in.npy is read by this command" "name another file" "$p" bench m.onnx --input x:in.npy --json=./in.npy
says 2 "in.npy is read by this command" "name another file" "$p" compare m.onnx --input x=in.npy --json=in.npy
says 2 "words.txt is read by this command" "name another file" "$p" run m.onnx --random 1 --labels words.txt --json=words.txt
expect 1 "in.npy is read by this command" "$p" trtexec --onnx=m.onnx --loadInputs=x:in.npy --exportTimes=in.npy
says 2 "--output and --json would both be written to two.plan" "a file of its own" "$p" build m.onnx -o two.plan --json=two.plan
says 2 "--json and --trace would both be written to two.json" "a file of its own" "$p" bench m.onnx --json=two.json --trace two.json
expect 1 "--saveEngine and --exportProfile would both be written to two.plan" "$p" trtexec --onnx=m.onnx --saveEngine=two.plan --exportProfile=two.plan
cmp in.npy good.npy && cmp other.onnx before.onnx && [ "$(cat words.txt)" = "class 0" ] && [ ! -e two.plan ] && [ ! -e two.json ] || wrong "what is read was written to"
cmp m.onnx before.onnx || wrong "the model was changed"
says 1 "cannot read '.': it is a folder" "name a file in it" "$p" run . --random 1
says 1 "cannot read '/dev/null': it is not a regular file" "copy it to one" "$p" run /dev/null --random 1
says 1 "cannot write '/dev/null': it exists and is not a regular file" "name another" "$p" build m.onnx -o /dev/null -q
says 2 "none is a folder" "give --input x=FILE" sh -c "mkdir none; '$p' run m.onnx --input x=none -q"
says 2 "input 'x': no file is named" "give --input x=FILE" "$p" run m.onnx --input x= -q
says 1 "none: Is a directory" "name a file" "$p" run m.onnx --random 1 --labels none
head -c 200 good.npy >short.npy
says 1 "short.npy: damaged .npy file: it is cut short" "save it again" "$p" run m.onnx --input x=short.npy
: >empty.plan
says 1 "empty.plan: it is empty" "build it again from the model" "$p" run empty.plan
says 1 "gone.onnx: cannot open 'gone.onnx': No such file" "check the path" "$p" check gone.onnx
says 1 "none: no case (a folder with model.onnx and test_data_set_0) in it" "planish check FILE" "$p" check none
says 2 "no input has a symbolic dim 'batsch'" "planish inspect shows" "$p" bench m.onnx --batch-dim batsch --duration 0.01 -q
says 2 "'1x3x64x99999999999999999999' is no shape" "write it as 1x3x224x224" "$p" run m.onnx --random 1 --shapes x:1x3x64x99999999999999999999 -q
says 1 "cannot load ./notes.txt" "cc -shared -fPIC" "$p" run m.onnx --random 1 --plugin notes.txt
says 1 "no cpu:1" "use cpu" "$p" run m.onnx --random 1 --device cpu:1
printf 'PK\003\004junk' >bad.npz
says 1 "bad.npz: damaged .npz file" "save it again" "$p" run m.onnx --input x=bad.npz
echo junk >bad.pb
says 1 "bad.pb: not what is wanted here" "save it again" "$p" run m.onnx --input x=bad.pb
says 2 "there is no operator 'CONV'" "did you mean 'Conv'?" "$p" ops CONV
says 2 "there is no operator 'zzzzzzzzzz'" "planish ops lists them" "$p" ops zzzzzzzzzz
says 2 "one model at a time" "planish build MODEL.onnx -o MODEL.plan" "$p" build m.onnx x.plan
says 2 "there is no device 'gpu'" "planish doctor lists them" "$p" check --device gpu "$source/tests/models/zoo"
# Streams: closed, full, devices.
for words in --help --version --man "ops --help" ops "run m.onnx --random 1 -q" "trtexec --onnx=m.onnx --duration=0.01 --warmUp=1" "inspect m.onnx --no-run --html /dev/full" "bench m.onnx --duration 0.01 --warm-up 1 -q --trace /dev/full"; do
    [ -c /dev/full ] || break
    expect 1 "No space left on device; make room, or write elsewhere" sh -c "'$p' $words >/dev/full"
done
if [ -e /dev/full ] && [ ! -c /dev/full ]; then wrong "a device became a file"; fi
expect 1 "stdout: Bad file descriptor; it is closed" sh -c "'$p' build m.onnx -o x.plan --json=x.json -q >&-"
grep -q '^{"schema":1.*' x.json && ! grep -q '^model' x.json || wrong "what is for stdout stands in another file"
expect 0 "<!doctype html>" sh -c "'$p' inspect m.onnx --no-run -q --html /dev/stdout | cat"
mkdir -p late/y.npy
expect 1 "planish run: cannot write 'late/y.npy'" sh -c "'$p' run m.onnx --random 1 -q --output late"
grep -q '^planish run: cannot write' "$scratch/.out" || wrong "a message in the middle of a line"
# Precision flags are permissions, and it is said when nothing comes of them; inputs of one length are told it once.
expect 0 "--fp16 is a permission: device cpu computes in the types of the model" "$p" build m.onnx -o x.plan --fp16
expect 0 "--int8 is a permission" "$p" bench m.onnx --int8 --duration 0.01 --warm-up 1
expect 0 "attention_mask i64[2,9]" "$p" run "$bert" --random 1 --shapes input_ids:2x9
expect 2 "--shapes: '2xy' is no shape" "$p" run "$bert" --random 1 --shapes input_ids:2xy
finish
