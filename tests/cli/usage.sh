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
expect 2 "--threads wants a whole number, not 'two'" "$p" bench "$model" --threads two
expect 2 "--threads wants a value" "$p" bench "$model" --threads
expect 2 "--profile takes no value" "$p" bench "$model" --profile=yes
expect 2 "there is no option -z" "$p" run -z "$model"
expect 2 "--vs knows onnxruntime, not 'tensorrt'" "$p" bench "$model" --vs tensorrt
expect 1 "nopython cannot be started" "$p" bench "$model" --vs onnxruntime --python nopython
expect 2 "input 'x' is missing; give --input x=FILE" "$p" run "$model"
expect 2 "did you mean 'input_ids'?" "$p" run "$bert" --input input_id=x.npy
expect 2 "--input wants NAME=FILE" "$p" run "$model" --input x.npy
expect 2 "can be a .npy, .npz, .pb or .bin file" "$p" run "$model" --input x=picture.gif
expect 2 "the model has no input 'y'" "$p" bench "$model" --shapes y:1x2
expect 2 "is no shape; write it as" "$p" run "$model" --random 1 --shapes x:axb
expect 2 "has 4 dims, not 2" "$p" run "$model" --random 1 --shapes x:3x3
expect 2 "no symbolic dim" "$p" run "$bert" --random 1 --dim batsch=3
expect 1 "'abacus'" "$p" inspect "$model" --device abacus
expect 1 "no cuda:77" "$p" inspect "$model" --device cuda:77
expect 0 "cpu " "$p" doctor
expect 2 "too much" "$p" doctor now
expect 2 "target 'pdp11' is not known" "$p" inspect "$model" --target pdp11
expect 2 "there is no pass 'magic'" "$p" inspect "$model" --disable-pass magic
expect 2 "give -o FILE.plan" "$p" build "$model"
expect 1 "No such file or directory" "$p" build "$model" -o "$scratch/none/x.plan"
expect 2 "--vs can be onnxruntime or a folder" "$p" compare "$model" --vs nothing
expect 2 "did you mean 'Conv'?" "$p" ops Conf
expect 1 "no case" "$p" check "$source/docs"
finish
